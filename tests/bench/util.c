/* SPDX-License-Identifier: MIT */
/*
 * util.c: small things that all of fsop-bench needs.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "tests/bench/bench.h"

volatile sig_atomic_t bench_stop;

int bench_fail(const char *format, ...) {
        va_list ap;

        fflush(stdout);
        fputs("fsop-bench: ", stderr);
        va_start(ap, format);
        vfprintf(stderr, format, ap);
        va_end(ap);
        fputc('\n', stderr);
        return -1;
}

char *bench_format(const char *format, ...) {
        char *text = NULL;
        va_list ap;
        int ret;

        va_start(ap, format);
        ret = vasprintf(&text, format, ap);
        va_end(ap);
        if (ret < 0)
                abort();
        return text;
}

void *bench_alloc(size_t n, size_t bytes) {
        void *memory = calloc(n, bytes);

        if (!memory)
                abort();
        return memory;
}

uint64_t bench_now_ns(void) {
        struct timespec now;

        clock_gettime(CLOCK_MONOTONIC, &now);
        return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

void bench_sleep_ms(unsigned ms) {
        struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};

        nanosleep(&time, NULL);
}

int bench_write_all(int fd, const void *data, size_t len) {
        const char *from = data;

        while (len > 0) {
                ssize_t n = write(fd, from, len);

                if (n < 0 && errno == EINTR && !bench_stop)
                        continue;
                if (n <= 0)
                        return -1;
                from += n;
                len -= (size_t)n;
        }
        return 0;
}

int bench_read_all(int fd, void *data, size_t len) {
        char *to = data;

        while (len > 0) {
                ssize_t n = read(fd, to, len);

                if (n < 0 && errno == EINTR && !bench_stop)
                        continue;
                if (n <= 0)
                        return -1;
                to += n;
                len -= (size_t)n;
        }
        return 0;
}

static int compare_doubles(const void *a, const void *b) {
        double x = *(const double *)a, y = *(const double *)b;

        return x < y ? -1 : x > y;
}

double bench_median(const double *values, uint32_t n) {
        double *sorted = bench_alloc(n, sizeof(*sorted)), median;

        for (uint32_t i = 0; i < n; i++)
                sorted[i] = values[i];
        qsort(sorted, n, sizeof(*sorted), compare_doubles);
        median = n % 2 == 1 ? sorted[n / 2] : (sorted[n / 2 - 1] + sorted[n / 2]) / 2;
        free(sorted);
        return median;
}
