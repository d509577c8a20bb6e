/* SPDX-License-Identifier: MIT */
/*
 * curves.c: what is measured as something grows. A new curve is a line here. All points have a turn before one of them
 * has the next, so that they can be compared with each other, too.
 */
#include <stdlib.h>

#include "tests/bench/bench.h"

#define REQUESTS_LEAST 16u /* of a client in a turn */

#define OVER_OPS(what_)                                                                                                \
        {                                                                                                              \
                .what = WHAT_##what_, .as = FSOP_AS_AUTO, .ours = {.clients = 1, .in_flight = 4},                      \
                .theirs = {.side = SIDE_LOOP}, .n_files = 4096, .passes = 4                                            \
        }
#define OVER_CLIENTS(what_)                                                                                            \
        { .what = WHAT_##what_, .as = FSOP_AS_AUTO, .theirs = {.side = SIDE_ECHO}, .n_files = 4096, .passes = 1 }
#define OVER_LOAD(what_)                                                                                               \
        {                                                                                                              \
                .what = WHAT_##what_, .as = FSOP_AS_AUTO, .ours = {.clients = 64},                                     \
                .theirs = {.side = SIDE_ECHO, .clients = 64}, .n_files = 4096, .passes = 2                             \
        }
#define POINTS_OPS                                                                                                     \
        { 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024 }
#define POINTS_CLIENTS                                                                                                 \
        { 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1000 }
#define POINTS_LOAD                                                                                                    \
        { 10, 25, 50, 75, 90 }

const struct curve curves[] = {
        {"batches-stat", "rate of stats over the operations of a request, 4 requests in flight : plain loop", GROWS_OPS,
         OVER_OPS(STAT), POINTS_OPS},
        {"batches-chown", "rate of chowns over the operations of a request : plain loop", GROWS_OPS, OVER_OPS(CHOWN),
         POINTS_OPS},
        {"batches-setxattr", "rate of setxattrs over the operations of a request : plain loop", GROWS_OPS,
         OVER_OPS(SETXATTR), POINTS_OPS},
        {"clients-stat", "rate of stats over clients, each with one in flight : echo server with epoll", GROWS_CLIENTS,
         OVER_CLIENTS(STAT), POINTS_CLIENTS},
        {"clients-chown", "rate of chowns over clients : echo server with epoll", GROWS_CLIENTS, OVER_CLIENTS(CHOWN),
         POINTS_CLIENTS},
        {"latency-stat", "latency of stats of 64 clients over the load, in percent of fsopd's capacity : echo server",
         GROWS_LOAD, OVER_LOAD(STAT), POINTS_LOAD},
        {"latency-chown", "latency of chowns over the load : echo server", GROWS_LOAD, OVER_LOAD(CHOWN), POINTS_LOAD},
};
const uint32_t n_curves = sizeof(curves) / sizeof(curves[0]);

static uint32_t count_points(const struct bench *bench, const struct curve *curve) {
        uint32_t n = 0, max = bench->place.quick ? 2 : CURVE_POINTS_MAX;

        while (n < max && curve->points[n] > 0)
                n++;
        return n;
}

static struct contest contest_at(const struct curve *curve, uint32_t x, double capacity, bool quick) {
        struct contest contest = curve->contest;

        if (quick) {
                contest.n_files /= 4;
                contest.passes = 1;
        }
        switch (curve->grows) {
        case GROWS_OPS:
                contest.ours.ops = x;
                break;
        case GROWS_CLIENTS:
                contest.ours.clients = contest.theirs.clients = x;
                contest.n_files -= contest.n_files % x;
                contest.passes = (REQUESTS_LEAST * x + contest.n_files - 1) / contest.n_files;
                break;
        case GROWS_LOAD:
                contest.rate = capacity * x / 100;
                break;
        }
        return contest;
}

/* How many operations a second the daemon does when all clients ask again at once. */
static int find_capacity(struct bench *bench, const struct contest *contest, double *ret_rate) {
        struct work work = {.way = contest->ours,
                            .what = contest->what,
                            .as = contest->as,
                            .n_files = contest->n_files,
                            .passes = contest->passes};
        double *ns = bench_alloc(bench->rounds, sizeof(*ns));
        int ret = 0;

        for (uint32_t i = 0; i < bench->rounds && ret == 0; i++) {
                struct figures figures = {0};

                ret = bench_do(bench, work, &figures);
                ns[i] = figures.ns;
        }
        *ret_rate = 1e9 / bench_median(ns, bench->rounds);
        free(ns);
        return ret;
}

int curve_run(struct bench *bench, const struct curve *curve) {
        uint32_t n = count_points(bench, curve);
        struct outcome outcomes[CURVE_POINTS_MAX];
        double capacity = 0;
        int ret = curve->grows == GROWS_LOAD ? find_capacity(bench, &curve->contest, &capacity) : 0;

        for (uint32_t i = 0; i < n; i++)
                outcome_init(&outcomes[i], bench->rounds);
        for (uint32_t round = 0; round < bench->rounds && ret == 0; round++)
                for (uint32_t i = 0; i < n && ret == 0; i++) {
                        struct contest contest = contest_at(curve, curve->points[i], capacity, bench->place.quick);

                        if (round == 0)
                                ret = contest_warm_up(bench, &contest);
                        if (ret == 0)
                                ret = contest_turn(bench, &contest, &outcomes[i], round);
                }
        if (ret == 0)
                ret = contest_check_audit(bench, &curve->contest);
        if (ret == 0)
                ret = report_curve(curve, n, outcomes, capacity);
        for (uint32_t i = 0; i < n; i++)
                outcome_fini(&outcomes[i]);
        return ret;
}
