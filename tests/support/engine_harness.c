/* SPDX-License-Identifier: MIT */
/*
 * engine_harness.c: ios that are counted, for the tests of the engines.
 */
#include "tests/support/engine_harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proto/spin.h"

struct engine *engine;
uint32_t harness_spin_us = SPIN_US_DEFAULT;
static bool inside; /* submit or cancel */

static const char *const names[HARNESS_ENGINES] = {"threads", "uring"};

static void quiet(int level, const char *message) {
        (void)level;
        (void)message;
}

struct engine *harness_open(int which, uint32_t workers) {
        struct engine_config config = {
                .workers = workers, .workers_extra_max = 2, .spin_us = harness_spin_us, .log = quiet};
        struct sys_config sys = {.private_service = geteuid() != 0, .log = quiet};
        const char *why = "?";
        bool own_root;

        ck_assert_int_eq(sys_start(&sys, &own_root), 0);
        int r = engine_open(names[which], &config, &engine, &why);
        if (r < 0 && which == 1) {
                printf("SKIP: uring: %s\n", why);
                return NULL;
        }
        ck_assert_msg(r == 0, "%s: %s", names[which], why);
        ck_assert_str_eq(engine->ops->name, names[which]);
        return engine;
}

void harness_close(void) {
        harness_spin_us = SPIN_US_DEFAULT;
        engine->ops->close(engine);
        engine = NULL;
        sys_stop();
}

void harness_submit(struct io *io) {
        inside = true;
        engine->ops->submit(engine, io);
        inside = false;
}

void harness_cancel(struct io *io) {
        inside = true;
        engine->ops->cancel(engine, io);
        inside = false;
}

void harness_settle(void) {
        for (int i = 0; i < 3; i++)
                ck_assert_int_ge(engine->ops->wait(engine, 5), 0);
}

static void keep_received(struct tally *tally, const struct io *io) {
        if (tally->data) {
                ck_assert_uint_le((size_t)(tally->total + io->result), tally->room);
                memcpy(tally->data + tally->total, io->u.receive.data, (size_t)io->result);
        }
        for (uint32_t i = 0; i < io->u.receive.n_fds; i++)
                tally->fds[tally->n_fds++] = io->u.receive.fds[i];
}

void tally_done(struct io *io) {
        struct tally *tally = io->owner;

        ck_assert_msg(!inside, "done ran inside submit or cancel");
        ck_assert_msg(tally->last == 0, "done ran after the last done");
        tally->calls++;
        tally->result = io->result;
        tally->flags = io->flags;
        if (tally->order)
                tally->when = ++*tally->order;
        if (!(io->flags & IO_MORE))
                tally->last++;
        if (io->kind == IO_RECEIVE && io->result > 0)
                keep_received(tally, io);
        if (io->result > 0)
                tally->total += io->result;
}

struct io io_for(enum io_kind kind, struct tally *tally) {
        return (struct io){.kind = kind, .done = tally_done, .owner = tally};
}

struct io receive_io(int fd, struct tally *tally) {
        struct io io = io_for(IO_RECEIVE, tally);

        io.u.receive.fd = fd;
        return io;
}

struct io send_io(int fd, const void *data, size_t len, struct tally *tally) {
        struct io io = io_for(IO_SEND, tally);

        io.u.send.fd = fd;
        io.u.send.data = data;
        io.u.send.len = len;
        return io;
}

struct io call_io(void (*call)(struct io *io), struct tally *tally) {
        struct io io = io_for(IO_CALL, tally);

        io.u.call = call;
        return io;
}

void socket_pair(int fds[2]) {
        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
}

void write_all(int fd, const void *data, size_t len) {
        ck_assert_int_eq(sys_write_all(fd, data, len), 0);
}

uint8_t *pattern(size_t len) {
        uint8_t *data = malloc(len);

        ck_assert_ptr_nonnull(data);
        for (size_t i = 0; i < len; i++)
                data[i] = (uint8_t)(i * 31 + (i >> 10));
        return data;
}

void harness_add(Suite *suite, const char *name, const TTest *const *tests, size_t n) {
        TCase *group = tcase_create(name);

        for (size_t i = 0; i < n; i++)
                tcase_add_loop_test(group, tests[i], 0, HARNESS_ENGINES);
        tcase_set_timeout(group, 120);
        suite_add_tcase(suite, group);
}
