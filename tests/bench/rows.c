/* SPDX-License-Identifier: MIT */
/*
 * rows.c: what is measured against what, and the bars. A new comparison is a line here.
 */
#include "tests/bench/bench.h"

/* Where one operation is in flight, it matters much on which processors two processes happen to be: turns are short,
 * and rows say where. */
#define ONE_AT(where, what_, as_, theirs_)                                                                             \
        {                                                                                                              \
                .what = WHAT_##what_, .as = FSOP_AS_##as_, .theirs = {.side = SIDE_##theirs_}, .turns = 4,             \
                .n_files = 512, .passes = 1, .pin = PIN_##where                                                        \
        }
#define ONE(...) ONE_AT(NOT, __VA_ARGS__)
#define IN_BATCHES .in_flight = 4, .ops = 256
#define BATCH(what_, as_, ...)                                                                                         \
        {                                                                                                              \
                .what = WHAT_##what_, .as = FSOP_AS_##as_, .ours = {.clients = 1, IN_BATCHES},                         \
                .theirs = {__VA_ARGS__}, .turns = 1, .n_files = 1024, .passes = 8                                      \
        }
#define MANY(what_)                                                                                                    \
        {                                                                                                              \
                .what = WHAT_##what_, .as = FSOP_AS_AUTO, .ours = {.clients = 64, .idle = 936},                        \
                .theirs = {.clients = 64}, .turns = 1, .n_files = 4096, .passes = 4                                    \
        }
#define COPY(copying_, theirs_)                                                                                        \
        { .copying = &copying_, .as = FSOP_AS_AUTO, .theirs = {.side = SIDE_##theirs_}, .turns = 1 }
#define MEMORY                                                                                                         \
        {                                                                                                              \
                .ours = {SIDE_MEMORY}, .theirs = { SIDE_MEMORY }                                                       \
        }

static const struct copying copy_clone = {.is_tree = true, .clone = FSOP_CLONE_AUTO};
static const struct copying copy_data = {.is_tree = true, .clone = FSOP_CLONE_NEVER};
static const struct copying copy_into_clone = {.is_tree = true, .onto = ONTO_EMPTY, .clone = FSOP_CLONE_AUTO};
static const struct copying copy_into_data = {.is_tree = true, .onto = ONTO_EMPTY, .clone = FSOP_CLONE_NEVER};
static const struct copying copy_onto_clone = {.is_tree = true, .onto = ONTO_OLDER, .clone = FSOP_CLONE_AUTO};
static const struct copying copy_onto_data = {.is_tree = true, .onto = ONTO_OLDER, .clone = FSOP_CLONE_NEVER};
static const struct copying copy_big = {.clone = FSOP_CLONE_NEVER};

const struct row rows[] = {
        {"rtt-stat", "round trip of a stat : echo and statx", ONE(STAT, AUTO, ECHO), RATIO_COST, 1.3},
        {"rtt-stat-together", "... both on one processor", ONE_AT(TOGETHER, STAT, AUTO, ECHO), RATIO_COST, 1.3},
        {"rtt-stat-apart", "... each on its own", ONE_AT(APART, STAT, AUTO, ECHO), RATIO_COST, 1.3},
        {"rtt-caller", "stat run as the caller : echo and statx", ONE(STAT, CALLER, ECHO), RATIO_COST, 1.3},
        {"rtt-caller-together", "... both on one processor", ONE_AT(TOGETHER, STAT, CALLER, ECHO), RATIO_COST, 1.3},
        {"rtt-caller-apart", "... each on its own", ONE_AT(APART, STAT, CALLER, ECHO), RATIO_COST, 1.3},
        {"rtt-chown", "round trip of a chown : echo and fchownat", ONE(CHOWN, AUTO, ECHO), RATIO_COST, 1.5},
        {"rtt-chown-together", "... both on one processor", ONE_AT(TOGETHER, CHOWN, AUTO, ECHO), RATIO_COST, 1.5},
        {"rtt-chown-apart", "... each on its own", ONE_AT(APART, CHOWN, AUTO, ECHO), RATIO_COST, 1.5},
        {"sftp1-stat", "stat one by one : sftp-server", ONE(STAT, AUTO, SFTP), RATIO_FASTER, 1.0},
        {"sftp1-stat-together", "... both on one processor", ONE_AT(TOGETHER, STAT, AUTO, SFTP), RATIO_FASTER, 1.0},
        {"sftp1-stat-apart", "... each on its own", ONE_AT(APART, STAT, AUTO, SFTP), RATIO_FASTER, 1.0},
        {"sftp1-chown", "chown one by one : sftp-server", ONE(CHOWN, AUTO, SFTP), RATIO_FASTER, 1.0},
        {"sftp1-chown-together", "... both on one processor", ONE_AT(TOGETHER, CHOWN, AUTO, SFTP), RATIO_FASTER, 1.0},
        {"sftp1-chown-apart", "... each on its own", ONE_AT(APART, CHOWN, AUTO, SFTP), RATIO_FASTER, 1.0},
        {"diod1-stat", "stat one by one : diod, files walked to before", ONE(STAT, AUTO, DIOD), RATIO_FASTER, 0},
        {"diod1-chown", "chown one by one : diod, files walked to before", ONE(CHOWN, AUTO, DIOD), RATIO_FASTER, 0},
        {"proxy1-stat", "stat one by one : virtfs-proxy-helper", ONE(STAT, AUTO, PROXY), RATIO_FASTER, 0},
        {"proxy1-chown", "chown one by one : virtfs-proxy-helper", ONE(CHOWN, AUTO, PROXY), RATIO_FASTER, 0},
        {"batch-stat", "stat in batches of 256 : plain loop", BATCH(STAT, AUTO, SIDE_LOOP), RATIO_RATE, 1.0},
        {"batch-caller", "stat as the caller in batches : plain loop", BATCH(STAT, CALLER, SIDE_LOOP), RATIO_RATE, 1.0},
        {"batch-chown", "chown in batches : plain loop", BATCH(CHOWN, AUTO, SIDE_LOOP), RATIO_RATE, 1.0},
        {"batch-setxattr", "setxattr in batches : plain loop", BATCH(SETXATTR, AUTO, SIDE_LOOP), RATIO_RATE, 0.8},
        {"sftp64-stat", "stat in batches : sftp-server, 64 in flight", BATCH(STAT, AUTO, SIDE_SFTP, .in_flight = 64),
         RATIO_RATE, 3.0},
        {"sftp64-chown", "chown in batches : sftp-server, 64 in flight", BATCH(CHOWN, AUTO, SIDE_SFTP, .in_flight = 64),
         RATIO_RATE, 3.0},
        {"diod64-stat", "stat in batches : diod, 64 in flight", BATCH(STAT, AUTO, SIDE_DIOD, .in_flight = 64),
         RATIO_RATE, 0},
        {"diod64-chown", "chown in batches : diod, 64 in flight", BATCH(CHOWN, AUTO, SIDE_DIOD, .in_flight = 64),
         RATIO_RATE, 0},
        {"proxy64-stat", "stat in batches : virtfs-proxy-helper, 64 in flight",
         BATCH(STAT, AUTO, SIDE_PROXY, .in_flight = 64), RATIO_RATE, 0},
        {"proxy64-chown", "chown in batches : virtfs-proxy-helper, 64 in flight",
         BATCH(CHOWN, AUTO, SIDE_PROXY, .in_flight = 64), RATIO_RATE, 0},
        {"many-stat", "1,000 clients, 64 of them busy with stat : these 64 alone", MANY(STAT), RATIO_RATE, 0.9},
        {"many-chown", "... with chown", MANY(CHOWN), RATIO_RATE, 0.9},
        {"engine1-stat", "stat one by one : engine threads", ONE(STAT, AUTO, THREADS), RATIO_FASTER, 0},
        {"engine1-chown", "chown one by one : engine threads", ONE(CHOWN, AUTO, THREADS), RATIO_FASTER, 0},
        {"engine1-setxattr", "setxattr one by one : engine threads", ONE(SETXATTR, AUTO, THREADS), RATIO_FASTER, 0},
        {"engine-stat", "stat in batches : engine threads", BATCH(STAT, AUTO, SIDE_THREADS, .clients = 1, IN_BATCHES),
         RATIO_RATE, 0},
        {"engine-chown", "chown in batches : engine threads",
         BATCH(CHOWN, AUTO, SIDE_THREADS, .clients = 1, IN_BATCHES), RATIO_RATE, 0},
        {"engine-setxattr", "setxattr in batches : engine threads",
         BATCH(SETXATTR, AUTO, SIDE_THREADS, .clients = 1, IN_BATCHES), RATIO_RATE, 0},
        {"copy-clone", "tree, flushed : cp -a, both cloning where possible", COPY(copy_clone, CP), RATIO_FASTER, 1.7},
        {"copy-data", "... neither cloning", COPY(copy_data, CP), RATIO_FASTER, 1.7},
        {"copy-rsync", "... : rsync -a", COPY(copy_data, RSYNC), RATIO_FASTER, 2.5},
        {"copy-into-clone", "tree, into a directory : cp -a, both cloning", COPY(copy_into_clone, CP), RATIO_FASTER,
         1.3},
        {"copy-into-data", "... neither cloning", COPY(copy_into_data, CP), RATIO_FASTER, 1.3},
        {"copy-onto-clone", "tree, onto an older one : cp -a, both cloning", COPY(copy_onto_clone, CP), RATIO_FASTER,
         1.3},
        {"copy-onto-data", "... neither cloning", COPY(copy_onto_data, CP), RATIO_FASTER, 1.3},
        {"copy-big", "1 GiB, flushed : cp, neither cloning", COPY(copy_big, CP), RATIO_FASTER, 1.0},
        {"memory-idle", "idle daemon after its first request", MEMORY, RATIO_COST, 6 * 1024},
        {"memory-connection", "a connection after Hello", MEMORY, RATIO_COST, 16},
};
const uint32_t n_rows = sizeof(rows) / sizeof(rows[0]);
