/* SPDX-License-Identifier: MIT */
/*
 * pool.h: worker threads for what no engine can do by itself. Chains of ios are queued, run one after the other by one
 * worker, and come back together. A worker that hangs in one call is counted and replaced, within a limit.
 *
 * The loop thread makes all calls. IO_RESOLVE, IO_RUN and IO_CALL only.
 */
#ifndef FSOP_POOL_H
#define FSOP_POOL_H

#include "backends/engine.h"
#include "backends/pool/io_list.h"

#define POOL_STUCK_MS 10000u

struct pool;

struct pool_config {
        uint32_t workers;             /* 0: chosen from the number of processors */
        uint32_t workers_extra_max;   /* beside those, in place of stuck ones */
        uint32_t stuck_ms;            /* 0: POOL_STUCK_MS */
        void (*wake)(void *userdata); /* from workers: something has finished, pool_take it */
        void *userdata;
        void (*log)(int level, const char *message);
};

/* Workers start when there is work. 0 or -FSOP_E…. */
int pool_new(const struct pool_config *config, struct pool **ret_pool);

/*
 * Queues an io with its chain. In a chain an IO_RUN straight behind the IO_RESOLVE of the same operation does not run
 * when that failed: it comes back with the same error.
 */
void pool_submit(struct pool *pool, struct io *first);

/*
 * Asks for an early end. What has not begun is finished with ECANCELED at once (with the IO_RUN that would follow an
 * IO_RESOLVE); what runs has its operation's `cancelled` set.
 */
void pool_cancel(struct pool *pool, struct io *io);

/* Moves what has finished to the end of LIST. */
void pool_take(struct pool *pool, struct io_list *list);

/* Ios that are queued, running or finished and not taken. */
uint32_t pool_outstanding(const struct pool *pool);

/*
 * The loop is about to wait up to timeout_ms (-1: for ever), and is to be woken by what finishes from now on. Returns
 * for how long it shall: not at all if something has finished, and not so long that a stuck worker goes unseen.
 * pool_awake: it is back, and will look by itself. Who says neither is woken once.
 */
int pool_falls_asleep(struct pool *pool, int timeout_ms);
void pool_awake(struct pool *pool);

/* Looks for stuck workers, no more often than is useful. To be called about once a second while anything is
 * outstanding. */
void pool_tick(struct pool *pool, uint64_t now_ms);

/* Fills workers and workers_stuck. */
void pool_stats(struct pool *pool, struct engine_stats *ret_stats);

/*
 * Ends the workers. Those that hang, or do not come back within a second, are abandoned: the io they run and what it
 * points to must never be freed. Returns the number of abandoned workers.
 */
uint32_t pool_close(struct pool *pool);

#endif
