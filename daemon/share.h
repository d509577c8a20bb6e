/* SPDX-License-Identifier: MIT */
/*
 * share.h: a large window is cut into slices, each for one worker: both processors are busy, and a hand-over is paid
 * for once per slice. Resolving is shared this way, and running. Loop thread.
 */
#ifndef FSOP_SHARE_H
#define FSOP_SHARE_H

#include "daemon/task.h"

/* At the beginning of a step: whether its window is large enough to be shared, and no route is forced. Then there are
 * slices, and they are empty. */
bool share_begin(struct task *task);

/*
 * Puts an operation into a slice. KIND is IO_RESOLVE (the operation gets its slice's cache of parents; what only reads
 * is run as well) or IO_RUN. What is put together wears one identity; what makes and removes names in one directory is
 * not spread over workers, that would only fight over its lock.
 */
void share_add(struct task_op *o, enum io_kind kind);

/* Hands the slices over. When they are back, each operation's own code says what became of it. */
void share_submit(struct task *task);

/* What runs in slices is asked to stop. */
void share_cancel(struct task *task);

/* What operations of this window have released is closed. */
void share_close_released(struct task *task);

/* What the slices of a batch take in memory, at most. */
size_t share_bytes(const struct batch *batch);

/* At the end of a task: what its slices hold is closed. Their memory stays for the next one. */
void share_clear(struct task *task);

#endif
