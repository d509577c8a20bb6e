/* SPDX-License-Identifier: MIT */
/*
 * journal.h: the store, asynchronously: changes and reads are queued on the loop and made by a worker, one call at a
 * time. Changes that wait together are committed together, in the order they were made. Loop thread only.
 */
#ifndef FSOP_JOURNAL_H
#define FSOP_JOURNAL_H

#include "backends/engine.h"
#include "daemon/store.h"

struct journal;

/* Takes over the store, which is open. 0 or -FSOP_ENOMEM. */
int journal_new(struct store *store, struct engine *engine, struct journal **ret_journal);

/*
 * Queues changes that belong together: they are in one commit. What they point to is copied. done (may be NULL) runs on
 * the loop when they are durable (0) or when they could not be made (-FSOP_E...): then none of them was. Sets that were
 * queued before and after are made or not by themselves: when a commit of several fails, each is tried alone, in their
 * order. Where one set is only right after another, wait for that one's done. The done of sets and reads run in the
 * order of queueing, never inside this call. -FSOP_ENOMEM: not queued.
 */
int journal_change(struct journal *journal, const struct store_change *changes, uint32_t n,
                   void (*done)(void *owner, int code), void *owner);

/* Queues a call of READ on a worker with the store, after all changes queued before it; then done runs on the loop,
 * with what READ returned, or -FSOP_E... where no worker could run it. */
int journal_read(struct journal *journal, int (*read)(struct store *store, void *owner),
                 void (*done)(void *owner, int code), void *owner);

/* Nothing is queued or under way, and no done is running. */
bool journal_is_idle(const struct journal *journal);

/* Closes the store, which blocks. Must be idle, and not inside a done. NULL. */
struct journal *journal_free(struct journal *journal);

#endif
