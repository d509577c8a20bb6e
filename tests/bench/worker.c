/* SPDX-License-Identifier: MIT */
/*
 * worker.c: the unprivileged process that asks fsopd and the others, one work at a time, told by its parent through a
 * socket. It holds one connection to each for all of its life, and the many that a work asks for.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/bench/bench.h"

enum order_kind {
        ORDER_WORK,
        ORDER_COPY,
        ORDER_CONNECT,
        ORDER_ABOUT,
};

struct order {
        enum order_kind kind;
        struct work work;
        struct copying copying;
        uint32_t n;
};

struct report {
        bool failed;
        struct figures figures;
        char about[128];
};

/* What the child has. */
struct child {
        const struct place *place;
        struct ours *ours[2];
        int echo_fd;
        struct stream *streams[N_PEERS];
        struct crowd *crowds[3]; /* of the daemons, and of the echo server */
        struct fsop_client **idle;
        uint32_t n_idle;
        uint32_t *samples;
        uint32_t samples_max;
};

static int compare_samples(const void *a, const void *b) {
        uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

        return x < y ? -1 : x > y;
}

/* The smallest sample that so many of a thousand do not exceed. */
static double percentile(const uint32_t *sorted, uint32_t n, uint32_t of_thousand) {
        uint64_t rank = ((uint64_t)n * of_thousand + 999) / 1000;

        return sorted[rank > 0 ? rank - 1 : 0];
}

static void give_percentiles(uint32_t *samples, uint32_t n, struct figures *figures) {
        qsort(samples, n, sizeof(*samples), compare_samples);
        figures->p50 = percentile(samples, n, 500);
        figures->p99 = percentile(samples, n, 990);
        figures->p999 = percentile(samples, n, 999);
}

/* ---- connections that say Hello and then nothing ---- */

static int keep_idle(struct child *child, uint32_t n) {
        if (child->n_idle > n) {
                while (child->n_idle > n)
                        fsop_close(child->idle[--child->n_idle]);
                ours_settle(child->ours[0]);
        }
        if (!child->idle)
                child->idle = bench_alloc(BENCH_CONNECTIONS_MAX, sizeof(*child->idle));
        while (child->n_idle < n) {
                child->idle[child->n_idle] = ours_connect(child->place->socket[0]);
                if (!child->idle[child->n_idle])
                        return bench_fail("connection %u failed", child->n_idle + 1);
                child->n_idle++;
        }
        return 0;
}

/* ---- work ---- */

static uint64_t ask_peer(struct child *child, enum peer peer, const struct work *work) {
        return child->streams[peer] ? stream_run(child->streams[peer], &child->place->files, work, child->samples) : 0;
}

/* One operation in flight. */
static bool is_one(const struct way *way) {
        return way->clients == 0 && way->in_flight <= 1 && way->ops <= 1;
}

/* *n_samples: how many there are. 0: failed. */
static uint64_t ask(struct child *child, const struct work *work, uint32_t *n_samples) {
        const struct files *files = &child->place->files;
        enum side side = work->way.side;
        unsigned crowd = side == SIDE_ECHO ? 2 : side == SIDE_THREADS;

        if (is_one(&work->way))
                *n_samples = work->n_files * work->passes;
        for (unsigned i = 0; i < 3; i++) /* nobody is connected but those who take part */
                if (is_one(&work->way) || i != crowd)
                        crowd_rest(child->crowds[i]);
        switch (side) {
        case SIDE_OURS:
        case SIDE_THREADS:
                if (is_one(&work->way))
                        return ours_run(child->ours[crowd], files, work, child->samples);
                return crowd_run(child->crowds[crowd], files, work, child->samples, n_samples);
        case SIDE_ECHO:
                if (is_one(&work->way))
                        return echo_run(child->echo_fd, files, work, child->samples);
                return crowd_run(child->crowds[crowd], files, work, child->samples, n_samples);
        case SIDE_SFTP:
                return ask_peer(child, PEER_SFTP, work);
        case SIDE_DIOD:
                return ask_peer(child, PEER_DIOD, work);
        case SIDE_PROXY:
                return ask_peer(child, PEER_PROXY, work);
        default:
                return 0; /* not asked by this process */
        }
}

static int do_work(struct child *child, const struct work *work, struct figures *figures) {
        uint32_t n = work->n_files * work->passes, n_samples = 0;
        uint64_t ns;

        if (n > child->samples_max) {
                free(child->samples);
                child->samples = bench_alloc(n, sizeof(*child->samples));
                child->samples_max = n;
        }
        if (keep_idle(child, work->way.idle) < 0)
                return -1;
        ns = ask(child, work, &n_samples);
        if (ns == 0)
                return -1;
        if (n_samples > 0)
                give_percentiles(child->samples, n_samples, figures);
        figures->ns = is_one(&work->way) ? figures->p50 : (double)ns / n;
        return 0;
}

static void do_about(const struct child *child, unsigned which, struct report *report) {
        const struct fsop_server_info *info = ours_info(child->ours[which]);

        snprintf(report->about, sizeof(report->about), "%.*s, engine %.*s", (int)info->version.len,
                 (const char *)info->version.data, (int)info->engine.len, (const char *)info->engine.data);
}

static int serve(struct child *child, int fd) {
        struct order order;

        while (bench_read_all(fd, &order, sizeof(order)) == 0) {
                struct report report = {0};

                switch (order.kind) {
                case ORDER_WORK:
                        report.failed = do_work(child, &order.work, &report.figures) < 0;
                        break;
                case ORDER_COPY:
                        report.figures.ns = (double)ours_copy(child->ours[0], child->place, &order.copying);
                        report.failed = report.figures.ns <= 0;
                        break;
                case ORDER_CONNECT:
                        report.failed = keep_idle(child, order.n) < 0;
                        break;
                case ORDER_ABOUT:
                        do_about(child, order.n, &report);
                        break;
                }
                if (bench_write_all(fd, &report, sizeof(report)) < 0)
                        return 1;
        }
        return 0;
}

static int open_streams(struct child *child, const struct peers *peers) {
        static const struct dialect *const dialects[N_PEERS] = {
                [PEER_SFTP] = &sftp_dialect, [PEER_DIOD] = &nine_dialect, [PEER_PROXY] = &proxy_dialect};

        child->echo_fd = peers->fds[PEER_ECHO];
        for (unsigned i = 0; i < N_PEERS; i++)
                if (dialects[i] && peers->fds[i] >= 0 &&
                    !(child->streams[i] = stream_open(peers->fds[i], dialects[i], &child->place->files)))
                        return -1;
        return 0;
}

static int child_main(const struct place *place, int fd, const struct peers *peers) {
        struct child child = {.place = place};

        if (process_become(place->client_uid, place->client_gid) < 0)
                return 1;
        process_raise_descriptors();
        prctl(PR_SET_TIMERSLACK, 1); /* what falls due is to be sent then */
        for (unsigned i = 0; i < 2; i++)
                if (access(place->socket[i], F_OK) == 0 && !(child.ours[i] = ours_open(place->socket[i])))
                        return 1;
        child.crowds[0] = crowd_new(SIDE_OURS, place->socket[0]);
        child.crowds[1] = crowd_new(SIDE_THREADS, place->socket[1]);
        child.crowds[2] = crowd_new(SIDE_ECHO, place->echo_socket);
        if (peers && open_streams(&child, peers) < 0)
                return 1;
        return serve(&child, fd);
}

/* ---- the parent's side ---- */

int worker_start(struct worker *worker, const struct place *place, const struct peers *peers) {
        int fds[2];

        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
                return bench_fail("socketpair: %s", strerror(errno));
        worker->pid = process_fork(false);
        if (worker->pid == 0) {
                close(fds[0]);
                _exit(child_main(place, fds[1], peers));
        }
        close(fds[1]);
        if (worker->pid < 0) {
                close(fds[0]);
                return -1;
        }
        worker->fd = fds[0];
        return 0;
}

void worker_stop(struct worker *worker) {
        if (worker->pid <= 0)
                return;
        close(worker->fd);
        process_end(&worker->pid, SIGKILL);
}

static int order(struct worker *worker, const struct order *order, struct report *ret_report) {
        if (bench_write_all(worker->fd, order, sizeof(*order)) < 0 ||
            bench_read_all(worker->fd, ret_report, sizeof(*ret_report)) < 0)
                return bench_stop ? -1 : bench_fail("the client process ended early");
        return ret_report->failed ? -1 : 0;
}

int worker_run(struct worker *worker, const struct work *work, struct figures *ret_figures) {
        struct report report;

        if (order(worker, &(struct order){.kind = ORDER_WORK, .work = *work}, &report) < 0)
                return -1;
        *ret_figures = report.figures;
        return 0;
}

double worker_copy(struct worker *worker, const struct copying *copying) {
        struct report report;

        return order(worker, &(struct order){.kind = ORDER_COPY, .copying = *copying}, &report) < 0 ? -1
                                                                                                    : report.figures.ns;
}

int worker_connect(struct worker *worker, uint32_t n) {
        struct report report;

        return order(worker, &(struct order){.kind = ORDER_CONNECT, .n = n}, &report);
}

char *worker_about(struct worker *worker, unsigned which) {
        struct report report;

        return order(worker, &(struct order){.kind = ORDER_ABOUT, .n = which}, &report) < 0
                       ? NULL
                       : bench_format("%s", report.about);
}
