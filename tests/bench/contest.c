/* SPDX-License-Identifier: MIT */
/*
 * contest.c: lets the sides of a comparison take turns, so that what the machine does meanwhile falls on all of them
 * alike, and sees to it that what they report was really done.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "tests/bench/bench.h"

static bool side_is_there(const struct bench *bench, enum side side) {
        if (side == SIDE_RSYNC)
                return bench->has_rsync;
        return (side != SIDE_SFTP_ONE && side != SIDE_SFTP_WINDOW) || bench->sftp_fd >= 0;
}

/* Whether the last pass over the files left its mark, seen on some of them. */
static int check_effect(const struct bench *bench, const struct job *job, uint32_t phase) {
        const struct files *files = &bench->place.files;
        char value[BENCH_XATTR_BYTES];
        struct stat st;

        for (uint32_t i = 0; i < job->n_files; i += 17) {
                const char *path = files->paths[i];

                if (job->what == WHAT_CHOWN && (lstat(path, &st) < 0 || st.st_uid != files_owner(files, phase)))
                        return bench_fail("%s does not belong to %u", path, files_owner(files, phase));
                if (job->what == WHAT_SETXATTR && (getxattr(path, BENCH_XATTR, value, sizeof(value)) != sizeof(value) ||
                                                   memcmp(value, files_value(phase), sizeof(value)) != 0))
                        return bench_fail("%s has not got its attribute", path);
        }
        return 0;
}

double bench_do(struct bench *bench, struct job job) {
        double ns;

        job.phase = bench->phase;
        if (job.side == SIDE_LOOP) {
                uint64_t all = plain_run(&bench->place.files, &job);

                ns = all == 0 ? -1 : (double)all / ((double)job.n_files * job.passes);
        } else
                ns = worker_run(&bench->worker, &job);
        if (bench_stop || ns < 0)
                return -1;
        bench->phase += job.passes;
        return check_effect(bench, &job, bench->phase - 1) < 0 ? -1 : ns;
}

/* Whoever copies is watched once. */
static double take_turn(struct bench *bench, const struct contest *contest, enum side side, bool warm_up) {
        struct job job = {.side = side,
                          .what = contest->what,
                          .as = contest->as,
                          .n_files = warm_up ? bench->place.files.n : contest->n_files,
                          .passes = warm_up ? 1 : contest->passes};

        return contest->copying ? copy_do(bench, contest->copying, side, warm_up) : bench_do(bench, job);
}

/* Everybody once, beginning with another one each time; not kept where it is for warming up. */
static int take_turns(struct bench *bench, const struct contest *contest, struct outcome *outcome, uint32_t round,
                      bool warm_up) {
        for (uint32_t turn = 0; turn < contest->n_sides; turn++) {
                uint32_t i = (turn + round) % contest->n_sides;
                double ns;

                if (!side_is_there(bench, contest->sides[i]))
                        continue;
                ns = take_turn(bench, contest, contest->sides[i], warm_up);
                if (ns < 0)
                        return -1;
                if (!warm_up)
                        outcome->ns[i][round] = ns;
        }
        return 0;
}

/* What is elevated and changes something must have been audited, or the comparison means nothing. */
static int check_audit(const struct bench *bench, const struct contest *contest) {
        struct stat st;

        if (contest->what == WHAT_STAT && !contest->copying)
                return 0;
        if (stat(bench->place.audit, &st) < 0 || st.st_size == 0)
                return bench_fail("%s: the daemon wrote no audit records", bench->place.audit);
        /* It is kept small, so that the disk is not busy with it: the daemon appends. */
        if (truncate(bench->place.audit, 0) < 0)
                return bench_fail("%s: %s", bench->place.audit, strerror(errno));
        return 0;
}

int contest_run(struct bench *bench, const struct contest *contest, struct outcome *ret_outcome) {
        struct outcome outcome = {.n = bench->rounds * contest->turns};

        for (uint32_t i = 0; i < contest->n_sides; i++)
                if (side_is_there(bench, contest->sides[i]))
                        outcome.ns[i] = bench_alloc(outcome.n, sizeof(double));
        if (take_turns(bench, contest, &outcome, 0, true) < 0)
                goto fail;
        for (uint32_t i = 0; i < outcome.n; i++)
                if (take_turns(bench, contest, &outcome, i, false) < 0)
                        goto fail;
        if (check_audit(bench, contest) < 0)
                goto fail;
        *ret_outcome = outcome;
        return 0;
fail:
        outcome_fini(&outcome);
        return -1;
}

void outcome_fini(struct outcome *outcome) {
        for (uint32_t i = 0; i < BENCH_SIDES_MAX; i++)
                free(outcome->ns[i]);
        *outcome = (struct outcome){0};
}
