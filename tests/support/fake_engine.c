/* SPDX-License-Identifier: MIT */
/*
 * fake_engine.c: the engine that does what the test says.
 */
#include "tests/support/fake_engine.h"

#include <stdlib.h>
#include <string.h>

#include "backends/pool/io_list.h"

#define KINDS (IO_CALL + 1)

struct fake {
        struct engine engine;
        struct io_list pending, ready;
        bool run_inline;
        struct {
                unsigned n;
                int code, os_error;
        } fail[KINDS];
        uint64_t submitted, completed;
};

static const struct engine_ops fake_ops;

static struct fake *fake_of(struct engine *engine) {
        return (struct fake *)engine;
}

struct engine *fake_engine_new(void) {
        struct fake *fake = calloc(1, sizeof(*fake));

        if (!fake)
                abort();
        fake->engine.ops = &fake_ops;
        return &fake->engine;
}

void fake_engine_run_inline(struct engine *engine, bool on) {
        fake_of(engine)->run_inline = on;
}

void fake_engine_fail_nth(struct engine *engine, enum io_kind kind, unsigned n, int code, int os_error) {
        struct fake *fake = fake_of(engine);

        fake->fail[kind].n = n;
        fake->fail[kind].code = code;
        fake->fail[kind].os_error = os_error;
}

struct io *fake_engine_pending(struct engine *engine, enum io_kind kind, unsigned index) {
        for (struct io *io = fake_of(engine)->pending.first; io; io = io->next)
                if (io->kind == kind && index-- == 0)
                        return io;
        return NULL;
}

unsigned fake_engine_count(struct engine *engine, enum io_kind kind) {
        unsigned n = 0;

        for (struct io *io = fake_of(engine)->pending.first; io; io = io->next)
                n += io->kind == kind;
        return n;
}

void fake_engine_complete(struct engine *engine, struct io *io, int64_t result, int os_error) {
        struct fake *fake = fake_of(engine);

        io_list_remove(&fake->pending, io);
        io->flags &= ~(unsigned)IO_MORE;
        io->result = result;
        io->os_error = os_error;
        io->engine_state = IO_STATE_READY;
        io_list_append(&fake->ready, io);
}

void fake_engine_accept(struct io *io, os_fd fd) {
        io->flags |= IO_MORE;
        io->result = fd;
        io->os_error = 0;
        io->done(io);
}

void fake_engine_receive(struct io *io, const void *data, size_t len, os_fd *fds, uint32_t n_fds) {
        io->flags |= IO_MORE;
        io->result = (int64_t)len;
        io->os_error = 0;
        io->u.receive.data = data;
        io->u.receive.fds = fds;
        io->u.receive.n_fds = n_fds;
        io->done(io);
}

static bool is_to_fail(struct fake *fake, const struct io *io) {
        return fake->fail[io->kind].n > 0 && --fake->fail[io->kind].n == 0;
}

static void fake_submit(struct engine *engine, struct io *io) {
        struct fake *fake = fake_of(engine);

        for (struct io *after; io; io = after) {
                after = io->chain;
                io->chain = NULL;
                fake->submitted++;
                io->engine_state = IO_STATE_ARMED;
                io_list_append(&fake->pending, io);
                if (is_to_fail(fake, io))
                        fake_engine_complete(engine, io, fake->fail[io->kind].code, fake->fail[io->kind].os_error);
        }
}

static void run_pending(struct fake *fake) {
        for (struct io *io = fake->pending.first, *next; io; io = next) {
                next = io->next;
                if (io->kind == IO_CALL) {
                        io->result = 0;
                        io->os_error = 0;
                        io->u.call(io);
                        fake_engine_complete(&fake->engine, io, io->result, io->os_error);
                } else if (io->kind == IO_RESOLVE || io->kind == IO_RUN) {
                        bool several = io->u.op->next;
                        int r = 0;

                        for (struct sys_op *op = io->u.op; op; op = op->next)
                                r = io->kind == IO_RUN ? sys_run(op) : io_resolve(op);
                        fake_engine_complete(&fake->engine, io, several ? 0 : r, io->u.op->os_error);
                }
        }
}

static int fake_wait(struct engine *engine, int timeout_ms) {
        struct fake *fake = fake_of(engine);

        (void)timeout_ms; /* nothing comes by itself: there is nothing to wait for */
        if (fake->run_inline)
                run_pending(fake);
        unsigned n = io_list_deliver(&fake->ready);
        fake->completed += n;
        return (int)n;
}

static void fake_cancel(struct engine *engine, struct io *io) {
        if (io->engine_state == IO_STATE_ARMED)
                fake_engine_complete(engine, io, -FSOP_ECANCELED, 0);
}

static void fake_wake(struct engine *engine) {
        (void)engine; /* wait never sleeps */
}

static void fake_stats(struct engine *engine, struct engine_stats *ret_stats) {
        struct fake *fake = fake_of(engine);

        *ret_stats = (struct engine_stats){.submitted = fake->submitted, .completed = fake->completed};
}

static void fake_close(struct engine *engine) {
        free(fake_of(engine));
}

static int fake_open(const struct engine_config *config, struct engine **ret_engine, const char **ret_why) {
        (void)config;
        (void)ret_why;
        *ret_engine = fake_engine_new();
        return 0;
}

static const struct engine_ops fake_ops = {
        .name = "fake",
        .open = fake_open,
        .submit = fake_submit,
        .wait = fake_wait,
        .cancel = fake_cancel,
        .wake = fake_wake,
        .stats = fake_stats,
        .close = fake_close,
};
