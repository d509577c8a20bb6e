/* SPDX-License-Identifier: MIT */
/*
 * memory.c: what a fresh daemon holds after its first request, and how much more with many connections that only said
 * Hello.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/bench/bench.h"

#define DESCRIPTORS_BESIDE 200u /* that connections leave to others */
#define N_POINTS 5u

/* A line of /proc/PID/status, its number; negative where it can't be read. */
static double status_line(pid_t pid, const char *key) {
        char *path = bench_format("/proc/%ld/status", (long)pid), line[256];
        FILE *status = fopen(path, "re");
        size_t len = strlen(key);
        double kib = -1;

        while (status && fgets(line, sizeof(line), status))
                if (strncmp(line, key, len) == 0 && line[len] == ':')
                        sscanf(line + len + 1, "%lf", &kib);
        if (status)
                fclose(status);
        free(path);
        return kib;
}

/* Of the daemon as a whole, in KiB: the process that was started and the one that serves, its child. */
static double status_kib(pid_t pid, const char *key) {
        double kib = status_line(pid, key);
        DIR *processes = opendir("/proc");
        struct dirent *entry;

        while (processes && (entry = readdir(processes))) {
                pid_t other = (pid_t)atol(entry->d_name);

                if (other > 0 && (pid_t)status_line(other, "PPid") == pid)
                        kib += status_line(other, key);
        }
        if (processes)
                closedir(processes);
        return kib;
}

static int measure(struct bench *bench, const uint32_t *points, uint32_t n, struct memory *memory) {
        struct work first = {.what = WHAT_CHOWN, .as = FSOP_AS_AUTO, .n_files = 1, .passes = 1};
        struct figures figures;

        if (bench_do(bench, first, &figures) < 0)
                return -1;
        for (uint32_t i = 0; i < n; i++) {
                if (worker_connect(&bench->worker, points[i]) < 0)
                        return -1;
                memory[i].resident_kib = status_kib(bench->daemons[0], "VmRSS");
                memory[i].anonymous_kib = status_kib(bench->daemons[0], "RssAnon");
                if (memory[i].resident_kib < 0)
                        return bench_fail("/proc/%ld/status cannot be read", (long)bench->daemons[0]);
        }
        return 0;
}

int memory_measure(struct bench *bench, const char *engine, const uint32_t *points, uint32_t n, struct memory *memory) {
        int ret = -1;

        if (daemon_start(&bench->place, 0, bench->fsopd, engine, &bench->daemons[0]) < 0)
                return -1;
        if (worker_start(&bench->worker, &bench->place, NULL) == 0)
                ret = measure(bench, points, n, memory);
        worker_stop(&bench->worker);
        process_end(&bench->daemons[0], SIGTERM);
        return ret;
}

/* As many connections as there may be: each costs the daemon a descriptor and its client two. Returns how many points
 * there are. */
static uint32_t choose_points(bool quick, uint32_t *points) {
        static const uint32_t wanted[N_POINTS] = {0, 10, 100, 1000, 10000};
        uint32_t descriptors = process_raise_descriptors(), n = 0;
        uint32_t fit = descriptors > DESCRIPTORS_BESIDE ? (descriptors - DESCRIPTORS_BESIDE) / 2 : 0;

        while (n < (quick ? 3 : N_POINTS) && wanted[n] <= fit) {
                points[n] = wanted[n];
                n++;
        }
        if (quick || n == N_POINTS)
                return n;
        points[n] = fit / 100 * 100;
        bench_fail("%u descriptors are too few for %u connections: %u instead", descriptors, wanted[n], points[n]);
        return n + (points[n] > points[n - 1]);
}

int memory_run(struct bench *bench) {
        struct memory ours[N_POINTS], theirs[N_POINTS];
        uint32_t points[N_POINTS], n = choose_points(bench->place.quick, points);

        if (memory_measure(bench, bench->engine, points, n, ours) < 0 ||
            memory_measure(bench, "threads", points, n, theirs) < 0)
                return -1;
        return report_memory_curve(points, n, ours, theirs);
}
