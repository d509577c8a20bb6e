/* SPDX-License-Identifier: MIT */
/*
 * inject: runs a daemon whose system calls fail when this program says. A seccomp filter hands the calls of interest of
 * the daemon, all its threads and its child to a supervisor here, which answers with an error or lets them go on; a
 * client works meanwhile, as nobody. Afterwards: the daemon serves, or has ended by itself for a reason that it said;
 * what was answered is true on disk; what exists belongs to whom it should; nothing was done that may not be; no
 * descriptor is left open.
 *
 *      inject DIRECTORY SOCKET UID each FROM TO COMMAND…
 *
 * the first call of a kind fails, then the second, …: TO - 1 of them
 *
 *      inject DIRECTORY SOCKET UID random SEED ROUNDS COMMAND…
 *
 * any of them
 *
 *      inject DIRECTORY SOCKET UID start EVERY COMMAND…
 *
 * while it starts; every EVERYth call
 *
 * COMMAND is the daemon's. DIRECTORY holds tree (which a rule gives to UID), mine (UID's own) and others (nobody's
 * business). Exits with 77 where the kernel does not let us.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "tests/e2e/inject/inject.h"

struct inject inject;

bool is_sanitized(void) {
        return getenv("FSOP_SANITIZED");
}

void pause_ms(unsigned ms) {
        struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};

        nanosleep(&time, NULL);
}

unsigned now_ms(void) {
        struct timespec time;

        clock_gettime(CLOCK_MONOTONIC, &time);
        return (unsigned)(time.tv_sec * 1000 + time.tv_nsec / 1000000);
}

static void each(unsigned from, unsigned to) {
        const struct victim *victim;
        char when[100];

        for (unsigned which = 0; (victim = supervisor_victim(which)); which++) {
                bool more = true;
                unsigned before = inject.failures, n = from;

                for (; n < to && more && inject.failures < before + 5; n++) {
                        snprintf(when, sizeof(when), "%s, call %u", victim->name, n);
                        supervisor_arm(which, n);
                        checks_round(when, victim->flags & IDENTITY);
                        more = supervisor_failed() > 0;
                }
                checks_descriptors(victim->name);
                if (inject.failures > before && daemon_has_ended())
                        return;
                printf("%s: %u calls\n", victim->name, more ? n - from : n - from - 1);
                fflush(stdout);
        }
}

static void at_random(uint64_t seed, unsigned rounds) {
        char when[100];
        unsigned failed = 0;

        for (unsigned i = 0; i < rounds; i++) {
                snprintf(when, sizeof(when), "random, seed %llu, round %u", (unsigned long long)seed, i);
                supervisor_arm_all(1 + i % 20, i == 0 ? seed * 0x9E3779B97F4A7C15u + 1 : 0);
                checks_round(when, true);
                failed += supervisor_failed();
        }
        checks_descriptors("random");
        printf("random: %u calls failed in %u rounds\n", failed, rounds);
}

/* Whether it served. */
static bool start_once(const struct victim *victim, const char *when) {
        off_t log_from = daemon_log_bytes();
        bool serves = daemon_spawn();

        supervisor_disarm();
        if (serves)
                daemon_stop(when, victim->flags & IDENTITY);
        else if (!daemon_has_ended()) {
                complain("%s: it neither serves nor ends", when);
                daemon_stop(when, true);
        } else if (WIFSIGNALED(daemon_status()) && !(victim->flags & IDENTITY))
                complain("%s: it died of signal %d: %s", when, WTERMSIG(daemon_status()), daemon_last_words(log_from));
        else if (daemon_log_bytes() == log_from)
                complain("%s: it ended with %#x and does not say why", when, (unsigned)daemon_status());
        return serves;
}

/* Each time it starts, a later call fails: it starts nevertheless, or says why it does not. */
static void while_it_starts(unsigned every) {
        const struct victim *victim;
        char when[100];
        unsigned started = 0, refused = 0;

        for (unsigned which = 0; (victim = supervisor_victim(which)); which++)
                for (unsigned n = 1; n < 60 && !(victim->flags & MEMORY); n += every) {
                        snprintf(when, sizeof(when), "start, %s, call %u", victim->name, n);
                        supervisor_arm(which, n);
                        if (start_once(victim, when))
                                started++;
                        else
                                refused++;
                        if (supervisor_failed() == 0)
                                break;
                }
        printf("start: %u times it served, %u times it said why not\n", started, refused);
        if (started == 0 || refused == 0)
                complain("start: nothing failed, or everything");
}

/* 0, or what the program ends with. */
static int begin(void) {
        int r = daemon_begin();

        if (r == 77)
                printf("SKIP: seccomp does not hand system calls to a supervisor here\n");
        if (r != 0)
                return r;
        return deeds_begin() == 0 && supervisor_begin() == 0 ? 0 : 1;
}

int main(int argc, char **argv) {
        unsigned long kb;
        int r, arguments;

        setvbuf(stdout, NULL, _IOLBF, 0);
        umask(0);
        if (argc < 7)
                return 2;
        inject.directory = argv[1];
        inject.socket_path = argv[2];
        inject.client_uid = (uid_t)atoi(argv[3]);
        arguments = strcmp(argv[4], "start") == 0 ? 1 : 2;
        inject.command = argv + 5 + arguments;
        r = begin();
        if (r != 0)
                return r;
        if (strcmp(argv[4], "start") == 0) {
                while_it_starts((unsigned)atoi(argv[5]));
                return inject.failures > 0;
        }
        if (!daemon_spawn()) {
                printf("FAIL: the daemon does not start: %s\n", daemon_last_words(0));
                return 1;
        }
        if (!checks_all_succeeds("before"))
                return 1;
        checks_all_succeeds("before");
        checks_remember_descriptors();
        kb = daemon_resident_kb();
        if (strcmp(argv[4], "each") == 0)
                each((unsigned)atoi(argv[5]), (unsigned)atoi(argv[6]));
        else
                at_random((uint64_t)atoll(argv[5]), (unsigned)atoi(argv[6]));
        checks_all_succeeds("afterwards");
        printf("memory: %lu KiB, %lu before; it ended %u times\n", daemon_resident_kb(), kb, checks_ended());
        if (checks_ended() == 0 && !is_sanitized() && daemon_resident_kb() > kb + 4096)
                complain("it has grown");
        daemon_stop("at the end", false);
        return inject.failures > 0;
}
