/* SPDX-License-Identifier: MIT */
/*
 * memory.c: what a fresh daemon holds after its first request, and how much more with many connections that only said
 * Hello.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/bench/bench.h"

#define CONNECTIONS 500u

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

static int measure(struct bench *bench, pid_t pid, struct memory *memory) {
        struct job first = {.side = SIDE_OURS_ONE, .what = WHAT_CHOWN, .as = FSOP_AS_AUTO, .n_files = 1, .passes = 1};
        double with_connections;

        if (bench_do(bench, first) < 0)
                return -1;
        memory->idle_kib = status_kib(pid, "VmRSS");
        memory->anonymous_kib = status_kib(pid, "RssAnon");
        if (worker_connect(&bench->worker, CONNECTIONS) < 0)
                return -1;
        with_connections = status_kib(pid, "VmRSS");
        if (memory->idle_kib < 0 || with_connections < 0)
                return bench_fail("/proc/%ld/status cannot be read", (long)pid);
        memory->connection_kib = (with_connections - memory->idle_kib) / CONNECTIONS;
        return 0;
}

int memory_measure(struct bench *bench, struct memory *ret_memory) {
        int ret = -1;

        if (daemon_start(&bench->place, bench->fsopd, bench->engine, &bench->daemon) < 0)
                return -1;
        if (worker_start(&bench->worker, &bench->place, -1, -1) == 0)
                ret = measure(bench, bench->daemon, ret_memory);
        worker_stop(&bench->worker);
        process_end(&bench->daemon, SIGTERM);
        return ret;
}
