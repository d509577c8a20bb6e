/* SPDX-License-Identifier: MIT */
/*
 * fair.c: fsop-bench fair: how long a client that has one request in flight waits while another user's has a thousand,
 * beside how long it waits alone. The daemon has a processor to itself, so that what is measured is the daemon and not
 * the kernel's scheduler, and the others on the client's yield to it, by real-time priorities where those may be had
 * (the daemon and the client 20, the others 10), else by being nice; what they still cost it shows where they only
 * compute. It sleeps while it waits, for the others to have its processor meanwhile.
 */
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "tests/bench/bench.h"

#define SMALL_FILES 64u
#define SMALL_PASSES 60u
#define GREEDY_UID 64999u
#define GREEDY_BATCHES 4u
#define GREEDY_OPS 256u
#define GREEDY_MAX 64u
#define OTHERS_PRIORITY 10
#define OUR_PRIORITY 20

enum company {
        COMPANY_NONE,
        COMPANY_BUSY,   /* processes that only compute */
        COMPANY_GREEDY, /* another user's client with GREEDY_BATCHES batches of GREEDY_OPS in flight */
        N_COMPANIES,
};

static const char *const company_names[] = {"alone", "busy processors", "greedy client"};

struct fair {
        struct place place;
        const char *fsopd, *engine;
        uint32_t rounds, clients;
        pid_t daemon, others[GREEDY_MAX];
        uint32_t n_others;
        uint64_t *greedy_ops; /* shared with the others */
        double p50_us[N_COMPANIES][BENCH_ROUNDS_MAX], p99_us[N_COMPANIES][BENCH_ROUNDS_MAX];
        double greedy_rate[BENCH_ROUNDS_MAX];
};

static int compare(const void *a, const void *b) {
        uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

        return x < y ? -1 : x > y;
}

/* On a machine that has other things to do, a client's 99th of 100 would else tell about those. */
static void set_priority(pid_t pid, int priority) {
        struct sched_param param = {.sched_priority = priority};

        if (sched_setscheduler(pid, SCHED_RR, &param) < 0 && priority == OTHERS_PRIORITY)
                setpriority(PRIO_PROCESS, 0, 10);
}

static void be_busy(void) {
        for (volatile unsigned long n = 0;; n++)
                ;
}

static void be_greedy(const struct fair *fair) {
        struct work work = {.way = {.side = SIDE_OURS, .in_flight = GREEDY_BATCHES, .ops = GREEDY_OPS},
                            .what = WHAT_STAT,
                            .as = FSOP_AS_CALLER,
                            .n_files = BENCH_FILES,
                            .passes = 1};
        uint32_t *samples = bench_alloc(BENCH_FILES, sizeof(*samples)), n;
        struct crowd *crowd;

        if (process_become(GREEDY_UID, GREEDY_UID) < 0 || !(crowd = crowd_new(SIDE_OURS, fair->place.socket[0])))
                _exit(1);
        while (crowd_run(crowd, &fair->place.files, &work, samples, &n) > 0)
                __atomic_add_fetch(fair->greedy_ops, BENCH_FILES, __ATOMIC_RELAXED);
        _exit(1);
}

static int start_others(struct fair *fair, enum company company) {
        uint32_t n = company == COMPANY_NONE ? 0 : fair->clients;

        for (fair->n_others = 0; fair->n_others < n; fair->n_others++) {
                pid_t pid = process_fork(false);

                if (pid < 0)
                        return -1;
                if (pid == 0) {
                        set_priority(0, OTHERS_PRIORITY);
                        company == COMPANY_BUSY ? be_busy() : be_greedy(fair);
                }
                fair->others[fair->n_others] = pid;
        }
        bench_sleep_ms(100); /* until they are at it */
        return 0;
}

static void end_others(struct fair *fair) {
        while (fair->n_others > 0)
                process_end(&fair->others[--fair->n_others], SIGKILL);
}

/* The small client's process: samples to the pipe. */
static void be_small(const struct fair *fair, int fd) {
        struct work work = {.way = {.side = SIDE_OURS},
                            .what = WHAT_STAT,
                            .as = FSOP_AS_CALLER,
                            .n_files = SMALL_FILES,
                            .passes = SMALL_PASSES};
        uint32_t *samples = bench_alloc(SMALL_FILES * SMALL_PASSES, sizeof(*samples));
        struct ours *ours;

        set_priority(0, OUR_PRIORITY);
        if (process_become(fair->place.client_uid, fair->place.client_gid) < 0 ||
            !(ours = ours_open(fair->place.socket[0])) || ours_sleep(ours) < 0 ||
            ours_run(ours, &fair->place.files, &work, samples) == 0)
                _exit(1);
        _exit(bench_write_all(fd, samples, SMALL_FILES * SMALL_PASSES * sizeof(*samples)) < 0);
}

static int measure_small(struct fair *fair, enum company company, uint32_t round) {
        uint32_t n = SMALL_FILES * SMALL_PASSES, *samples = bench_alloc(n, sizeof(*samples));
        uint64_t begin = bench_now_ns(), ops = __atomic_load_n(fair->greedy_ops, __ATOMIC_RELAXED);
        int fds[2], ret;
        pid_t pid;

        if (pipe(fds) < 0)
                return bench_fail("pipe: %s", strerror(errno));
        pid = process_fork(false);
        if (pid == 0)
                be_small(fair, fds[1]);
        close(fds[1]);
        ret = pid < 0 ? -1 : bench_read_all(fds[0], samples, n * sizeof(*samples));
        close(fds[0]);
        process_end(&pid, SIGKILL);
        if (company == COMPANY_GREEDY)
                fair->greedy_rate[round] = (double)(__atomic_load_n(fair->greedy_ops, __ATOMIC_RELAXED) - ops) * 1e9 /
                                           (double)(bench_now_ns() - begin);
        qsort(samples, n, sizeof(*samples), compare);
        fair->p50_us[company][round] = samples[n / 2] / 1e3;
        fair->p99_us[company][round] = samples[n * 99 / 100] / 1e3;
        free(samples);
        return ret < 0 ? bench_fail("the small client failed") : 0;
}

static int measure_all(struct fair *fair) {
        for (uint32_t round = 0; round < fair->rounds; round++)
                for (enum company company = 0; company < N_COMPANIES; company++) {
                        int ret = start_others(fair, company);

                        if (ret == 0 && !bench_stop)
                                ret = measure_small(fair, company, round);
                        end_others(fair);
                        if (ret < 0 || bench_stop)
                                return -1;
                }
        return 0;
}

static void report(const struct fair *fair) {
        double alone_us = bench_median(fair->p99_us[COMPANY_NONE], fair->rounds);
        double busy_us = bench_median(fair->p99_us[COMPANY_BUSY], fair->rounds);

        printf("one stat in flight beside %u greedy client%s of another user, %u in flight each; medians of %u "
               "rounds\n",
               fair->clients, fair->clients == 1 ? "" : "s", GREEDY_BATCHES * GREEDY_OPS, fair->rounds);
        printf("%-16s %10s %10s %12s %12s\n", "beside", "p50 us", "p99 us", "p99/alone", "p99/busy");
        for (enum company company = 0; company < N_COMPANIES; company++) {
                double p99_us = bench_median(fair->p99_us[company], fair->rounds);

                printf("%-16s %10.1f %10.1f %12.2f %12.2f\n", company_names[company],
                       bench_median(fair->p50_us[company], fair->rounds), p99_us, p99_us / alone_us, p99_us / busy_us);
        }
        printf("the greedy one's rate meanwhile: %.0f op/s\n", bench_median(fair->greedy_rate, fair->rounds));
}

static int usage(void) {
        fprintf(stderr, "fsop-bench fair --fsopd PROGRAM [--engine NAME] [--rounds N] [--clients N] [--dir DIR]\n"
                        "--clients: how many connections the greedy user has (1)\n");
        return 2;
}

static int parse_fair(struct fair *fair, struct place_options *place, int argc, char **argv) {
        for (int i = 1; i < argc; i += 2) {
                const char *value = i + 1 < argc ? argv[i + 1] : NULL;

                if (!value)
                        return -1;
                if (strcmp(argv[i], "--fsopd") == 0)
                        fair->fsopd = value;
                else if (strcmp(argv[i], "--engine") == 0)
                        fair->engine = value;
                else if (strcmp(argv[i], "--dir") == 0)
                        place->dir = value;
                else if (strcmp(argv[i], "--rounds") == 0)
                        fair->rounds = (uint32_t)strtoul(value, NULL, 10);
                else if (strcmp(argv[i], "--clients") == 0)
                        fair->clients = (uint32_t)strtoul(value, NULL, 10);
                else
                        return -1;
        }
        return fair->fsopd && fair->rounds > 0 && fair->rounds <= BENCH_ROUNDS_MAX && fair->clients > 0 &&
                               fair->clients < GREEDY_MAX
                       ? 0
                       : -1;
}

int fair_main(int argc, char **argv) {
        struct fair *fair = bench_alloc(1, sizeof(*fair));
        struct place_options place = {.quick = true};
        int ret;

        fair->engine = "auto";
        process_pin = sysconf(_SC_NPROCESSORS_ONLN) > 1 ? PIN_APART : PIN_NOT;
        fair->rounds = 7;
        fair->clients = 1;
        fair->greedy_ops =
                mmap(NULL, sizeof(*fair->greedy_ops), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (fair->greedy_ops == MAP_FAILED)
                return bench_fail("no memory is left"), 1;
        if (parse_fair(fair, &place, argc, argv) < 0)
                return usage();
        ret = place_init(&fair->place, &place);
        set_priority(0, OUR_PRIORITY); /* the daemon inherits it, with its child */
        if (ret == 0)
                ret = daemon_start(&fair->place, 0, fair->fsopd, fair->engine, &fair->daemon);
        if (ret == 0)
                ret = measure_all(fair);
        if (ret == 0)
                report(fair);
        process_end(&fair->daemon, SIGTERM);
        place_fini(&fair->place);
        free(fair);
        return ret < 0 || bench_stop ? 1 : 0;
}
