/* SPDX-License-Identifier: MIT */
/*
 * profile.c: keeps the daemon busy with one thing, so that it can be looked at.
 */
#include <string.h>

#include "tests/bench/bench.h"

bool profile_is_of(const struct profile *profile, const struct row *row) {
        return row->contest.copying && strcmp(profile->of, row->name) == 0;
}

/* The number of an operation, or 0 and a row's copying. */
static int find(const struct profile *profile, const struct copying **ret_copying) {
        for (int i = 0; i < 3; i++)
                if (strcmp(profile->of, what_names[i]) == 0)
                        return i;
        for (uint32_t i = 0; i < n_rows; i++)
                if (profile_is_of(profile, &rows[i]))
                        *ret_copying = rows[i].contest.copying;
        return *ret_copying
                       ? 0
                       : bench_fail("--profile-op %s: neither stat, chown, setxattr nor a row of copies", profile->of);
}

int profile_run(struct bench *bench, const struct profile *profile) {
        const struct copying *copying = NULL;
        int what = find(profile, &copying);
        struct work work = {.what = (enum what)what, .as = profile->as, .n_files = 1024, .passes = 4};
        uint64_t begin = bench_now_ns(), operations = 0;
        double seconds = 0, busy_ns = 0, cpu_ms = daemon_cpu_ms(bench->daemons[0]);

        if (what < 0)
                return -1;
        if (!profile->one)
                work.way = (struct way){.clients = 1, .in_flight = 4, .ops = 256};
        printf("daemon %ld, client %ld\n", (long)bench->daemons[0], (long)bench->worker.pid);
        fflush(stdout);
        while (seconds < profile->seconds) {
                struct figures figures = {0};

                if (copying)
                        figures.ns = copy_do(bench, copying, SIDE_OURS, false);
                if (figures.ns < 0 || (!copying && bench_do(bench, work, &figures) < 0))
                        return -1;
                busy_ns += figures.ns;
                operations += copying ? 1 : (uint64_t)work.n_files * work.passes;
                seconds = (double)(bench_now_ns() - begin) / 1e9;
        }
        cpu_ms = (daemon_cpu_ms(bench->daemons[0]) - cpu_ms) / (double)operations;
        if (copying)
                printf("%llu copies, %.0f ms each, %.0f ms of processor time\n", (unsigned long long)operations,
                       busy_ns / 1e6 / (double)operations, cpu_ms);
        else
                printf("%llu operations, %.0f op/s, %.2f us of processor time each\n", (unsigned long long)operations,
                       (double)operations / seconds, cpu_ms * 1000);
        return 0;
}
