/* SPDX-License-Identifier: MIT */
/*
 * engine_harness.h: what the tests of the engines share: opening either engine, ios that count what becomes of them,
 * waiting. Every submit and cancel goes through a wrapper, and a done that runs inside one fails the test.
 */
#ifndef FSOP_ENGINE_HARNESS_H
#define FSOP_ENGINE_HARNESS_H

#include <check.h>

#include "backends/engine.h"

#define HARNESS_ENGINES 2 /* for tcase_add_loop_test: 0 is "threads", 1 is "uring" */
#define HARNESS_FDS_MAX 300

extern struct engine *engine;
extern uint32_t harness_spin_us; /* of the one that is opened next; the default again when that is closed */

/* NULL: this machine has no such engine, which is said aloud; the test then has nothing to test. */
struct engine *harness_open(int which, uint32_t workers);
void harness_close(void);

#define OPEN_OR_RETURN(workers)                                                                                        \
        do {                                                                                                           \
                if (!harness_open(_i, workers))                                                                        \
                        return;                                                                                        \
        } while (0)

void harness_submit(struct io *io);
void harness_cancel(struct io *io);
/* Everything that is ready has come. */
void harness_settle(void);

/* Waits until a condition holds; the time limit of the test ends what never comes. */
#define WAIT_UNTIL(condition)                                                                                          \
        while (!(condition))                                                                                           \
        ck_assert_int_ge(engine->ops->wait(engine, 1000), 0)

/* What became of one io. */
struct tally {
        unsigned calls, last; /* done, and done without IO_MORE */
        int64_t result, total;
        unsigned flags;
        uint8_t *data; /* what was received, if there is room for it */
        size_t room;
        os_fd fds[HARNESS_FDS_MAX];
        uint32_t n_fds;
        unsigned *order, when; /* counts up with every done that shares it */
};
void tally_done(struct io *io);

struct io io_for(enum io_kind kind, struct tally *tally);
struct io receive_io(int fd, struct tally *tally);
struct io send_io(int fd, const void *data, size_t len, struct tally *tally);
struct io call_io(void (*call)(struct io *io), struct tally *tally);

void socket_pair(int fds[2]);
void write_all(int fd, const void *data, size_t len);
/* LEN bytes that differ from place to place, malloc'd. */
uint8_t *pattern(size_t len);

/* Adds loop tests that run once with each engine. */
void harness_add(Suite *suite, const char *name, const TTest *const *tests, size_t n);
#define HARNESS_ADD(suite, name, ...)                                                                                  \
        do {                                                                                                           \
                const TTest *const tests[] = {__VA_ARGS__};                                                            \
                harness_add(suite, name, tests, sizeof(tests) / sizeof(tests[0]));                                     \
        } while (0)

#endif
