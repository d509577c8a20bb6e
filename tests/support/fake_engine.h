/* SPDX-License-Identifier: MIT */
/*
 * fake_engine.h: an engine in which the test decides what happens. What is submitted is kept until the test completes
 * it; or, where the test says so, what a worker would do is done by the next wait. Loop thread only.
 */
#ifndef FSOP_FAKE_ENGINE_H
#define FSOP_FAKE_ENGINE_H

#include "backends/engine.h"

/* An empty engine; close it with its close, which drops what is still there. Aborts when out of memory. */
struct engine *fake_engine_new(void);

/* From now on IO_RESOLVE, IO_RUN and IO_CALL are run by the wait that follows, chains in order. */
void fake_engine_run_inline(struct engine *engine, bool on);

/* The Nth (1: the next) io of this kind that is submitted from now on fails with CODE (-FSOP_E…) instead of anything
 * else. */
void fake_engine_fail_nth(struct engine *engine, enum io_kind kind, unsigned n, int code, int os_error);

/* The io of this kind that was submitted as the INDEXth of those still there (0: the oldest); NULL if there are
 * fewer. */
struct io *fake_engine_pending(struct engine *engine, enum io_kind kind, unsigned index);
unsigned fake_engine_count(struct engine *engine, enum io_kind kind);

/* Gives an io its result; done runs in the next wait. */
void fake_engine_complete(struct engine *engine, struct io *io, int64_t result, int os_error);

/* One event of a multishot io, which stays: done runs at once, so this must not be called from inside a done. */
void fake_engine_accept(struct io *io, os_fd fd);
void fake_engine_receive(struct io *io, const void *data, size_t len, os_fd *fds, uint32_t n_fds);

#endif
