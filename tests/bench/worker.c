/* SPDX-License-Identifier: MIT */
/*
 * worker.c: the unprivileged process that asks fsopd, the echo server and sftp-server, one job at a time, told by its
 * parent through a socket. It holds one connection to each for all of its life.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/bench/bench.h"

enum order_kind {
        ORDER_JOB,
        ORDER_COPY,
        ORDER_CONNECT,
        ORDER_ABOUT,
};

struct order {
        enum order_kind kind;
        struct job job;
        struct copying copying;
        uint32_t n;
};

struct report {
        double ns; /* negative: failed */
        char about[128];
};

/* What the child has. */
struct child {
        const struct place *place;
        int echo_fd;
        struct ours *ours;
        struct sftp *sftp;
        struct fsop_client **idle;
        uint32_t *samples;
        uint32_t samples_max;
};

static int compare_samples(const void *a, const void *b) {
        uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

        return x < y ? -1 : x > y;
}

static double middle(uint32_t *samples, uint32_t n) {
        qsort(samples, n, sizeof(*samples), compare_samples);
        return n % 2 == 1 ? samples[n / 2] : ((double)samples[n / 2 - 1] + samples[n / 2]) / 2;
}

static double do_job(struct child *child, const struct job *job) {
        const struct files *files = &child->place->files;
        uint32_t n = job->n_files * job->passes;
        bool one = false;
        uint64_t ns = 0;

        if (n > child->samples_max) {
                free(child->samples);
                child->samples = bench_alloc(n, sizeof(*child->samples));
                child->samples_max = n;
        }
        switch (job->side) {
        case SIDE_OURS_ONE:
        case SIDE_OURS_BATCH:
                one = job->side == SIDE_OURS_ONE;
                ns = ours_run(child->ours, files, job, child->samples);
                break;
        case SIDE_ECHO:
                one = true;
                ns = echo_run(child->echo_fd, files, job, child->samples);
                break;
        case SIDE_SFTP_ONE:
        case SIDE_SFTP_WINDOW:
                one = job->side == SIDE_SFTP_ONE;
                ns = sftp_run(child->sftp, files, job, one ? 1 : BENCH_SFTP_WINDOW, child->samples);
                break;
        case SIDE_LOOP:
                ns = plain_run(files, job);
                break;
        case SIDE_OURS_JOB:
        case SIDE_CP:
        case SIDE_RSYNC:
                break; /* no pass over files */
        }
        if (ns == 0)
                return -1;
        return one ? middle(child->samples, n) : (double)ns / n;
}

static double do_copy(struct child *child, const struct copying *copying) {
        uint64_t ns = ours_copy(child->ours, child->place, copying);

        return ns == 0 ? -1 : (double)ns;
}

/* Connections that say Hello and then nothing. */
static double do_connect(struct child *child, uint32_t n) {
        struct rlimit limit;

        if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
                limit.rlim_cur = limit.rlim_max;
                setrlimit(RLIMIT_NOFILE, &limit);
        }
        child->idle = bench_alloc(n, sizeof(*child->idle));
        for (uint32_t i = 0; i < n; i++) {
                struct fsop_open_failure failure = {.size = sizeof(failure)};
                struct fsop_client_options options = {
                        .size = sizeof(options), .socket_path = child->place->socket, .failure = &failure};

                if (fsop_open(&options, &child->idle[i]) < 0)
                        return bench_fail("connection %u: %s", i + 1, failure.message);
        }
        return 0;
}

static void do_about(struct child *child, struct report *report) {
        const struct fsop_server_info *info = ours_info(child->ours);

        snprintf(report->about, sizeof(report->about), "%.*s, engine %.*s", (int)info->version.len,
                 (const char *)info->version.data, (int)info->engine.len, (const char *)info->engine.data);
}

static int serve(struct child *child, int fd) {
        struct order order;

        while (bench_read_all(fd, &order, sizeof(order)) == 0) {
                struct report report = {0};

                switch (order.kind) {
                case ORDER_JOB:
                        report.ns = do_job(child, &order.job);
                        break;
                case ORDER_COPY:
                        report.ns = do_copy(child, &order.copying);
                        break;
                case ORDER_CONNECT:
                        report.ns = do_connect(child, order.n);
                        break;
                case ORDER_ABOUT:
                        do_about(child, &report);
                        break;
                }
                if (bench_write_all(fd, &report, sizeof(report)) < 0)
                        return 1;
        }
        return 0;
}

static int child_main(const struct place *place, int fd, int echo_fd, int sftp_fd) {
        struct child child = {.place = place, .echo_fd = echo_fd};

        if (process_become(place->client_uid, place->client_gid) < 0)
                return 1;
        child.ours = ours_open(place->socket);
        if (!child.ours || (sftp_fd >= 0 && !(child.sftp = sftp_open(sftp_fd))))
                return 1;
        return serve(&child, fd);
}

int worker_start(struct worker *worker, const struct place *place, int echo_fd, int sftp_fd) {
        int fds[2];

        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
                return bench_fail("socketpair: %s", strerror(errno));
        worker->pid = process_fork(false);
        if (worker->pid == 0) {
                close(fds[0]);
                _exit(child_main(place, fds[1], echo_fd, sftp_fd));
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

static int ask(struct worker *worker, const struct order *order, struct report *ret_report) {
        if (bench_write_all(worker->fd, order, sizeof(*order)) < 0 ||
            bench_read_all(worker->fd, ret_report, sizeof(*ret_report)) < 0)
                return bench_stop ? -1 : bench_fail("the client process ended early");
        return ret_report->ns < 0 ? -1 : 0;
}

double worker_run(struct worker *worker, const struct job *job) {
        struct order order = {.kind = ORDER_JOB, .job = *job};
        struct report report;

        return ask(worker, &order, &report) < 0 ? -1 : report.ns;
}

double worker_copy(struct worker *worker, const struct copying *copying) {
        struct order order = {.kind = ORDER_COPY, .copying = *copying};
        struct report report;

        return ask(worker, &order, &report) < 0 ? -1 : report.ns;
}

int worker_connect(struct worker *worker, uint32_t n) {
        struct order order = {.kind = ORDER_CONNECT, .n = n};
        struct report report;

        return ask(worker, &order, &report);
}

char *worker_about(struct worker *worker) {
        struct order order = {.kind = ORDER_ABOUT};
        struct report report;

        return ask(worker, &order, &report) < 0 ? NULL : bench_format("%s", report.about);
}
