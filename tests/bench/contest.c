/* SPDX-License-Identifier: MIT */
/*
 * contest.c: lets the two sides of a comparison take turns, so that what the machine does meanwhile falls on both
 * alike, and sees to it that what they report was really done.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "tests/bench/bench.h"

static const char *side_missing(const struct bench *bench, enum side side) {
        if (side == SIDE_RSYNC && !bench->has_rsync)
                return "rsync is not installed";
        if (side == SIDE_THREADS && bench->daemons[1] <= 0)
                return "the other daemon does not run";
        return peers_missing(&bench->peers, side);
}

const char *contest_missing(const struct bench *bench, const struct contest *contest) {
        const char *why = side_missing(bench, contest->ours.side);

        return why ? why : side_missing(bench, contest->theirs.side);
}

/* Whether the last pass over the files left its mark, seen on some of them. */
static int check_effect(const struct bench *bench, const struct work *work, uint32_t phase) {
        const struct files *files = &bench->place.files;
        char value[BENCH_XATTR_BYTES];
        struct stat st;

        for (uint32_t i = 0; i < work->n_files; i += 17) {
                const char *path = files->paths[i];

                if (work->what == WHAT_CHOWN && (lstat(path, &st) < 0 || st.st_uid != files_owner(files, phase)))
                        return bench_fail("%s does not belong to %u", path, files_owner(files, phase));
                if (work->what == WHAT_SETXATTR &&
                    (getxattr(path, BENCH_XATTR, value, sizeof(value)) != sizeof(value) ||
                     memcmp(value, files_value(phase), sizeof(value)) != 0))
                        return bench_fail("%s has not got its attribute", path);
        }
        return 0;
}

int bench_do(struct bench *bench, struct work work, struct figures *ret_figures) {
        work.phase = bench->phase;
        if (work.way.side == SIDE_LOOP) {
                uint64_t ns = plain_run(&bench->place.files, &work);

                *ret_figures = (struct figures){.ns = (double)ns / ((double)work.n_files * work.passes)};
                if (ns == 0)
                        return -1;
        } else if (worker_run(&bench->worker, &work, ret_figures) < 0)
                return -1;
        if (bench_stop)
                return -1;
        bench->phase += work.passes;
        return check_effect(bench, &work, bench->phase - 1);
}

/* Whoever copies is looked at when it warms up. */
static int take_turn(struct bench *bench, const struct contest *contest, const struct way *way, bool warm_up,
                     struct figures *ret_figures) {
        struct work work = {.way = *way,
                            .what = contest->what,
                            .as = contest->as,
                            .n_files = contest->n_files,
                            .passes = warm_up ? 1 : contest->passes,
                            .rate = warm_up ? 0 : contest->rate};

        if (!contest->copying)
                return bench_do(bench, work, ret_figures);
        *ret_figures = (struct figures){.ns = copy_do(bench, contest->copying, way->side, warm_up)};
        return ret_figures->ns < 0 ? -1 : 0;
}

/* The one begins or the other. */
static int take_turns(struct bench *bench, const struct contest *contest, bool warm_up, bool theirs_first,
                      struct figures *ours, struct figures *theirs) {
        for (unsigned i = 0; i < 2; i++) {
                bool is_theirs = (i == 0) == theirs_first;

                if (take_turn(bench, contest, is_theirs ? &contest->theirs : &contest->ours, warm_up,
                              is_theirs ? theirs : ours) < 0)
                        return -1;
        }
        return 0;
}

int contest_turn(struct bench *bench, const struct contest *contest, struct outcome *outcome, uint32_t turn) {
        return take_turns(bench, contest, false, turn % 2 == 1, &outcome->ours[turn], &outcome->theirs[turn]);
}

int contest_warm_up(struct bench *bench, const struct contest *contest) {
        struct figures ours, theirs;

        return take_turns(bench, contest, true, false, &ours, &theirs);
}

int contest_check_audit(const struct bench *bench, const struct contest *contest) {
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

static void move_all(const struct bench *bench, enum pin pin) {
        process_move(bench->worker.pid, false, pin);
        for (unsigned i = 0; i < 2; i++)
                process_move(bench->daemons[i], true, pin);
        for (unsigned i = 0; i < N_PEERS; i++)
                process_move(bench->peers.pids[i], true, pin);
        process_move(bench->peers.crowd, true, pin);
}

int contest_run(struct bench *bench, const struct contest *contest, struct outcome *ret_outcome) {
        bool moves = contest->pin != PIN_NOT && process_pin == PIN_NOT;
        int ret;

        if (moves)
                move_all(bench, contest->pin);
        ret = contest_warm_up(bench, contest);
        outcome_init(ret_outcome, bench->rounds * contest->turns);
        for (uint32_t i = 0; i < ret_outcome->n && ret == 0; i++)
                ret = contest_turn(bench, contest, ret_outcome, i);
        if (moves)
                move_all(bench, PIN_NOT);
        if (ret == 0)
                ret = contest_check_audit(bench, contest);
        if (ret < 0)
                outcome_fini(ret_outcome);
        return ret;
}

void outcome_init(struct outcome *outcome, uint32_t n) {
        *outcome = (struct outcome){.n = n,
                                    .ours = bench_alloc(n, sizeof(struct figures)),
                                    .theirs = bench_alloc(n, sizeof(struct figures))};
}

void outcome_fini(struct outcome *outcome) {
        free(outcome->ours);
        free(outcome->theirs);
        *outcome = (struct outcome){0};
}
