/* SPDX-License-Identifier: MIT */
/*
 * rows.c: what is measured against what, and the bars.
 */
#include <string.h>

#include "tests/bench/bench.h"

enum {
        ONE_STAT,
        ONE_STAT_CALLER,
        ONE_CHOWN,
        BATCH_STAT,
        BATCH_STAT_CALLER,
        BATCH_CHOWN,
        BATCH_SETXATTR,
        COPY_CLONE,
        COPY_DATA,
        COPY_INTO_CLONE,
        COPY_INTO_DATA,
        COPY_ONTO_CLONE,
        COPY_ONTO_DATA,
        COPY_BIG,
};

/* turns, files, passes. Where one operation is in flight, turns are short: it matters much on which processors two
 * processes happen to be. */
#define ONE_TURN 4, 512, 1
#define BATCH_TURN 1, BENCH_FILES, 8
#define COPY_TURN 0, FSOP_AS_AUTO, 1, 0, 0 /* what is not done to files comes before */

static const struct copying copy_clone = {.is_tree = true, .clone = FSOP_CLONE_AUTO};
static const struct copying copy_data = {.is_tree = true, .clone = FSOP_CLONE_NEVER};
static const struct copying copy_into_clone = {.is_tree = true, .onto = ONTO_EMPTY, .clone = FSOP_CLONE_AUTO};
static const struct copying copy_into_data = {.is_tree = true, .onto = ONTO_EMPTY, .clone = FSOP_CLONE_NEVER};
static const struct copying copy_onto_clone = {.is_tree = true, .onto = ONTO_OLDER, .clone = FSOP_CLONE_AUTO};
static const struct copying copy_onto_data = {.is_tree = true, .onto = ONTO_OLDER, .clone = FSOP_CLONE_NEVER};
static const struct copying copy_big = {.clone = FSOP_CLONE_NEVER};

const struct contest contests[] = {
        [ONE_STAT] = {"stat, one in flight",
                      NULL,
                      WHAT_STAT,
                      FSOP_AS_AUTO,
                      ONE_TURN,
                      3,
                      {SIDE_OURS_ONE, SIDE_ECHO, SIDE_SFTP_ONE}},
        [ONE_STAT_CALLER] = {"stat as caller, one in flight",
                             NULL,
                             WHAT_STAT,
                             FSOP_AS_CALLER,
                             ONE_TURN,
                             2,
                             {SIDE_OURS_ONE, SIDE_ECHO}},
        [ONE_CHOWN] = {"chown, one in flight",
                       NULL,
                       WHAT_CHOWN,
                       FSOP_AS_AUTO,
                       ONE_TURN,
                       3,
                       {SIDE_OURS_ONE, SIDE_ECHO, SIDE_SFTP_ONE}},
        [BATCH_STAT] = {"stat, batches",
                        NULL,
                        WHAT_STAT,
                        FSOP_AS_AUTO,
                        BATCH_TURN,
                        3,
                        {SIDE_OURS_BATCH, SIDE_LOOP, SIDE_SFTP_WINDOW}},
        [BATCH_STAT_CALLER] = {"stat as caller, batches",
                               NULL,
                               WHAT_STAT,
                               FSOP_AS_CALLER,
                               BATCH_TURN,
                               2,
                               {SIDE_OURS_BATCH, SIDE_LOOP}},
        [BATCH_CHOWN] = {"chown, batches",
                         NULL,
                         WHAT_CHOWN,
                         FSOP_AS_AUTO,
                         BATCH_TURN,
                         3,
                         {SIDE_OURS_BATCH, SIDE_LOOP, SIDE_SFTP_WINDOW}},
        [BATCH_SETXATTR] =
                {"setxattr, batches", NULL, WHAT_SETXATTR, FSOP_AS_AUTO, BATCH_TURN, 2, {SIDE_OURS_BATCH, SIDE_LOOP}},
        [COPY_CLONE] = {"copying, cloning", &copy_clone, COPY_TURN, 2, {SIDE_OURS_JOB, SIDE_CP}},
        [COPY_DATA] = {"copying", &copy_data, COPY_TURN, 3, {SIDE_OURS_JOB, SIDE_CP, SIDE_RSYNC}},
        [COPY_INTO_CLONE] = {"copying into, cloning", &copy_into_clone, COPY_TURN, 2, {SIDE_OURS_JOB, SIDE_CP}},
        [COPY_INTO_DATA] = {"copying into", &copy_into_data, COPY_TURN, 2, {SIDE_OURS_JOB, SIDE_CP}},
        [COPY_ONTO_CLONE] = {"replacing, cloning", &copy_onto_clone, COPY_TURN, 2, {SIDE_OURS_JOB, SIDE_CP}},
        [COPY_ONTO_DATA] = {"replacing", &copy_onto_data, COPY_TURN, 2, {SIDE_OURS_JOB, SIDE_CP}},
        [COPY_BIG] = {"copying, big", &copy_big, COPY_TURN, 2, {SIDE_OURS_JOB, SIDE_CP}},
};
const uint32_t n_contests = sizeof(contests) / sizeof(contests[0]);

const struct row rows[] = {
        {"rtt-stat", "round trip of a stat : echo + statx", ONE_STAT, SIDE_ECHO, RATIO_COST, 1.3},
        {"rtt-stat-caller", "... run as the caller", ONE_STAT_CALLER, SIDE_ECHO, RATIO_COST, 1.3},
        {"rtt-chown", "round trip of a chown : echo + fchownat", ONE_CHOWN, SIDE_ECHO, RATIO_COST, 1.5},
        {"sftp1-stat", "stat one by one : sftp-server", ONE_STAT, SIDE_SFTP_ONE, RATIO_FASTER, 1.0},
        {"sftp1-chown", "chown one by one : sftp-server", ONE_CHOWN, SIDE_SFTP_ONE, RATIO_FASTER, 1.0},
        {"batch-stat", "stat in batches : plain loop", BATCH_STAT, SIDE_LOOP, RATIO_RATE, 1.0},
        {"batch-stat-caller", "... run as the caller", BATCH_STAT_CALLER, SIDE_LOOP, RATIO_RATE, 1.0},
        {"batch-chown", "chown in batches : plain loop", BATCH_CHOWN, SIDE_LOOP, RATIO_RATE, 1.0},
        {"batch-setxattr", "setxattr in batches : plain loop", BATCH_SETXATTR, SIDE_LOOP, RATIO_RATE, 0.8},
        {"sftp64-stat", "stat in batches : sftp-server, 64 in flight", BATCH_STAT, SIDE_SFTP_WINDOW, RATIO_RATE, 3.0},
        {"sftp64-chown", "chown in batches : sftp-server, 64 in flight", BATCH_CHOWN, SIDE_SFTP_WINDOW, RATIO_RATE,
         3.0},
        {"copy-clone", "tree, flushed : cp -a, both cloning where possible", COPY_CLONE, SIDE_CP, RATIO_FASTER, 1.7},
        {"copy-data", "... neither cloning", COPY_DATA, SIDE_CP, RATIO_FASTER, 1.7},
        {"copy-rsync", "... : rsync -a", COPY_DATA, SIDE_RSYNC, RATIO_FASTER, 2.5},
        {"copy-into-clone", "tree, into a directory : cp -a, both cloning", COPY_INTO_CLONE, SIDE_CP, RATIO_FASTER, 1.3},
        {"copy-into-data", "... neither cloning", COPY_INTO_DATA, SIDE_CP, RATIO_FASTER, 1.3},
        {"copy-onto-clone", "tree, onto an older one : cp -a, both cloning", COPY_ONTO_CLONE, SIDE_CP, RATIO_FASTER,
         1.3},
        {"copy-onto-data", "... neither cloning", COPY_ONTO_DATA, SIDE_CP, RATIO_FASTER, 1.3},
        {"copy-big", "1 GiB, flushed : cp, neither cloning", COPY_BIG, SIDE_CP, RATIO_FASTER, 1.0},
        {"memory-idle", "the daemon after its first request", -1, SIDE_OURS_ONE, RATIO_COST, 6 * 1024},
        {"memory-connection", "a connection after Hello", -1, SIDE_OURS_ONE, RATIO_COST, 16},
};
const uint32_t n_rows = sizeof(rows) / sizeof(rows[0]);

bool row_is_chosen(const struct row *row, char *const *words, int n_words) {
        for (int i = 0; i < n_words; i++)
                if (strncmp(row->name, words[i], strlen(words[i])) == 0)
                        return true;
        return n_words == 0;
}
