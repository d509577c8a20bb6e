/* SPDX-License-Identifier: MIT */
/*
 * clock.c: time.
 */
#include <errno.h>
#include <sys/resource.h>
#include <time.h>

#include "backends/posix/posix.h"

uint64_t sys_monotonic_ms(void) {
        struct timespec now;

        clock_gettime(CLOCK_MONOTONIC, &now);
        return (uint64_t)now.tv_sec * 1000u + (uint64_t)now.tv_nsec / 1000000u;
}

/* A tenth of the price, for what is asked for with every operation. */
uint64_t posix_coarse_ms(void) {
#ifdef CLOCK_MONOTONIC_COARSE
        struct timespec now;

        if (clock_gettime(CLOCK_MONOTONIC_COARSE, &now) == 0)
                return (uint64_t)now.tv_sec * 1000u + (uint64_t)now.tv_nsec / 1000000u;
#endif
        return sys_monotonic_ms();
}

uint64_t sys_thread_waits(void) {
#ifdef RUSAGE_THREAD
        struct rusage usage;

        if (getrusage(RUSAGE_THREAD, &usage) == 0)
                return (uint64_t)usage.ru_nvcsw;
#endif
        return 0;
}

uint64_t sys_thread_cpu_ns(void) {
        struct timespec used;

        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
        return (uint64_t)used.tv_sec * 1000000000u + (uint64_t)used.tv_nsec;
}

uint64_t sys_monotonic_ns(void) {
        struct timespec now;

        clock_gettime(CLOCK_MONOTONIC, &now);
        return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

void sys_sleep_ms(uint32_t ms) {
        struct timespec left = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};

        while (nanosleep(&left, &left) < 0 && errno == EINTR)
                ;
}

struct fsop_time sys_realtime(void) {
        struct timespec now;

        clock_gettime(CLOCK_REALTIME, &now);
        return (struct fsop_time){.sec = now.tv_sec, .nsec = (uint32_t)now.tv_nsec};
}
