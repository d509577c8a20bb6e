/* SPDX-License-Identifier: MIT */
/*
 * pool.c: the worker threads.
 *
 * One lock guards the queues, the workers and engine_word of every io that is here. The loop thread takes it to hand
 * over, to cancel and to collect; a worker takes it between two ios. No system call that can hang is made under it.
 *
 * Users take turns (deficit round robin over ios): each has a lane of its own, however many chains stand in it, and a
 * chain that has had its turn gives way to other lanes between two of its ios when no worker is idle.
 */
#include "backends/pool/pool.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define LOG_WARNING_LEVEL 4
#define CLOSE_GRACE_MS 1000
#define TICK_MS 1000u
#define STACK_BYTES ((size_t)1 << 20)
#define LANE_TURN_IOS 8
#define LONG_LOOK_MAX 128u /* chains of a lane that are looked at for one whose mount is free */
#define GIVE_WAY_IOS 32u   /* a chain gives way after so many ios or so much time */
#define GIVE_WAY_MS 1u
#define LINGER_NS UINT64_C(50000) /* two or three times what waking a processor takes that sleeps */

/* engine_word[WORD_STATE]: where the pool has it. */
enum { POOL_QUEUED = 1, POOL_RUNNING, POOL_FINISHED };
enum {
        WORD_STATE,
        WORD_BEFORE, /* the io before it in its chain; 0 for the first one, which is what stands in the queue */
        WORD_STAMP,  /* of the first one: order of arrival, how many there are, and whether they are long (stamp_of) */
        WORD_LANE,   /* of the first one: struct lane */
};

/* What one user has queued. */
struct lane {
        struct lane *prev, *next; /* of the pool's, or spare */
        uint32_t whose;
        int64_t left; /* of its turn, in ios */
        struct io_list queue, queue_long;
};

struct worker {
        struct worker *next, *next_idle;
        struct pool *pool;
        pthread_t thread;
        pthread_cond_t work;
        struct io *current;      /* in a call, or NULL */
        struct io_list finished; /* of the chain that runs */
        uint64_t started_ms;     /* when the current call began; of a long one: when it was last seen to do something */
        uint64_t cpu_ns;         /* of the thread, when last looked at; for long ones */
        uint32_t whose;          /* of the chain that runs */
        uint64_t mount;          /* likewise */
        bool is_long, stuck;
        bool lingers; /* does a slice, or looks about for one, or was called for one */
        bool is_idle; /* nobody has called it yet */
        bool exited;  /* to be joined */
};

struct pool {
        struct pool_config config;
        pthread_mutex_t lock;
        pthread_cond_t gone;
        struct lane *lanes, *lanes_last; /* those with something queued; the first one's turn is next */
        struct lane *spare_lanes;
        struct lane shared_lane; /* where there is no memory for another */
        uint32_t n_queued;       /* chains; atomic: who lingers looks without the lock */
        uint64_t stamp;
        struct io_list finished;
        struct worker *workers;
        struct worker *idle; /* not called yet; the one that became so last is first */
        uint32_t n_live;     /* threads, stuck ones included */
        uint32_t n_stuck;
        uint32_t n_idle;
        uint32_t processors; /* at least 2 */
        uint32_t n_long;     /* workers on a long chain that are not stuck */
        bool closing, abandoned;
        int has_finished; /* atomic: a look without the lock */
        int asleep;       /* atomic: the loop is, or soon will be */
        /* the loop thread's */
        uint32_t outstanding;
        uint64_t next_tick_ms;
};

static void lock(struct pool *pool) {
        if (pthread_mutex_lock(&pool->lock) != 0)
                abort();
}

static void unlock(struct pool *pool) {
        if (pthread_mutex_unlock(&pool->lock) != 0)
                abort();
}

/* ---- one io ------------------------------------------------------------------------------------------------------ */

static void finish_with(struct io *io, int code) {
        io->result = code;
        io->os_error = 0;
        if (io->kind == IO_CALL)
                return;
        for (struct sys_op *op = io->u.op; op; op = op->next)
                op->code = code;
}

/* Several operations of one io. */
static void run_each(struct io *io, int (*do_one)(struct sys_op *op)) {
        for (struct sys_op *op = io->u.op; op; op = op->next)
                do_one(op);
        io->result = 0;
        io->os_error = 0;
}

/* An IO_RUN behind the IO_RESOLVE of its operation. */
static bool belong_together(const struct io *before, const struct io *io) {
        return before && before->kind == IO_RESOLVE && io->kind == IO_RUN && before->u.op == io->u.op;
}

/* BEFORE is the io that this worker ran just before it, or NULL. */
static void run_one(struct io *io, const struct io *before) {
        struct sys_op *op = io->u.op;

        switch (io->kind) {
        case IO_CALL:
                identity_wear_service();
                io->result = 0;
                io->os_error = 0;
                io->u.call(io);
                return;
        case IO_RESOLVE:
                if (op->next) {
                        run_each(io, io_resolve);
                        return;
                }
                io->result = io_resolve(op);
                io->os_error = op->os_error;
                return;
        case IO_RUN:
                if (op->next) {
                        run_each(io, sys_run);
                        return;
                }
                if (belong_together(before, io) && before->result < 0)
                        io->result = before->result;
                else
                        io->result = sys_run(op);
                io->os_error = op->os_error;
                return;
        default:
                io->result = -FSOP_EINVAL;
                io->os_error = 0;
        }
}

/* ---- queues (under the lock) ------------------------------------------------------------------------------------- */

static uint64_t stamp_of(uint64_t arrival, uint64_t count, bool is_long) {
        return arrival << 16 | (count < 0x7fff ? count : 0x7fff) << 1 | is_long;
}

static bool is_long(const struct io *first) {
        return first->engine_word[WORD_STAMP] & 1;
}

static uint32_t count_of(const struct io *first) {
        return first->engine_word[WORD_STAMP] >> 1 & 0x7fff;
}

static void lanes_append(struct pool *pool, struct lane *lane) {
        lane->next = NULL;
        lane->prev = pool->lanes_last;
        *(pool->lanes_last ? &pool->lanes_last->next : &pool->lanes) = lane;
        pool->lanes_last = lane;
}

static void lanes_remove(struct pool *pool, struct lane *lane) {
        *(lane->prev ? &lane->prev->next : &pool->lanes) = lane->next;
        *(lane->next ? &lane->next->prev : &pool->lanes_last) = lane->prev;
}

static void lanes_rotate(struct pool *pool, struct lane *lane) {
        lanes_remove(pool, lane);
        lanes_append(pool, lane);
}

/* The lane that has this user's queue, or NULL. */
static struct lane *lane_of(const struct pool *pool, uint32_t whose) {
        for (struct lane *lane = pool->lanes; lane; lane = lane->next)
                if (lane->whose == whose)
                        return lane;
        return NULL;
}

static struct lane *lane_open(struct pool *pool, uint32_t whose) {
        struct lane *lane = lane_of(pool, whose);

        if (lane)
                return lane;
        lane = pool->spare_lanes;
        if (lane)
                pool->spare_lanes = lane->next;
        else
                lane = malloc(sizeof(*lane));
        if (!lane) {
                lane = &pool->shared_lane;
                if (lane->queue.first || lane->queue_long.first)
                        return lane;
        }
        *lane = (struct lane){.whose = whose, .left = LANE_TURN_IOS};
        lanes_append(pool, lane);
        return lane;
}

static void lane_close_if_empty(struct pool *pool, struct lane *lane) {
        if (lane->queue.first || lane->queue_long.first)
                return;
        lanes_remove(pool, lane);
        if (lane == &pool->shared_lane)
                return;
        lane->next = pool->spare_lanes;
        pool->spare_lanes = lane;
}

static struct lane *lane_with(const struct io *first) {
        return (struct lane *)(uintptr_t)first->engine_word[WORD_LANE];
}

static struct io_list *queue_of(const struct io *first) {
        struct lane *lane = lane_with(first);

        return is_long(first) ? &lane->queue_long : &lane->queue;
}

static void count_queued(struct pool *pool, uint32_t n) {
        __atomic_store_n(&pool->n_queued, n, __ATOMIC_RELAXED);
}

static void unqueue(struct pool *pool, struct io *first) {
        struct lane *lane = lane_with(first);

        io_list_remove(queue_of(first), first);
        count_queued(pool, pool->n_queued - 1);
        lane_close_if_empty(pool, lane);
}

/* How many workers there may be now that are not stuck. */
static uint32_t active_max(const struct pool *pool) {
        uint32_t all = pool->config.workers + pool->config.workers_extra_max;
        uint32_t rest = all > pool->n_stuck ? all - pool->n_stuck : 0;

        return rest < pool->config.workers ? rest : pool->config.workers;
}

/* Of the places for long ones, one is always for others, if there are two. */
static uint32_t longs_max(const struct pool *pool) {
        return active_max(pool) > 2 ? active_max(pool) - 2 : 1;
}

/*
 * Whether one more worker may be kept waiting by a mount. Where some hang already, only one at a time may, and a
 * quarter of all that there can be: a filesystem that has died takes no more, however many users come upon it.
 */
static bool mount_may_have_worker(const struct pool *pool, uint64_t mount) {
        uint32_t n_stuck = 0, n_working = 0;

        if (mount == 0)
                return true;
        for (const struct worker *worker = pool->workers; worker; worker = worker->next) {
                if (!worker->current || worker->mount != mount)
                        continue;
                n_stuck += worker->stuck;
                n_working += !worker->stuck;
        }
        return n_stuck == 0
                       ? n_working < longs_max(pool)
                       : n_working == 0 && n_stuck < (pool->config.workers + pool->config.workers_extra_max + 3) / 4;
}

/*
 * Whether one user may have one more worker. One is always for others, if there are three. Whoever has made some hang
 * gets only half of those that do not, and half of all that there can be.
 */
static bool may_have_worker(const struct pool *pool, uint32_t whose, bool is_long) {
        uint32_t n_stuck = 0, n_working = 0, n_long = 0;

        if (whose == 0)
                return true;
        for (const struct worker *worker = pool->workers; worker; worker = worker->next) {
                if (!worker->current || worker->whose != whose)
                        continue;
                n_stuck += worker->stuck;
                n_working += !worker->stuck;
                n_long += !worker->stuck && worker->is_long;
        }
        if ((is_long && n_long >= longs_max(pool)) || (active_max(pool) > 2 && n_working + 1 >= active_max(pool)))
                return false;
        return n_stuck == 0 || (n_working < (pool->config.workers + 1) / 2 &&
                                n_stuck + n_working < (pool->config.workers + pool->config.workers_extra_max + 1) / 2);
}

/* The oldest long chain of a lane whose mount may keep one more worker. Who queues many for mounts that may not only
 * delays its own: every worker waits for this lock. */
static struct io *oldest_long(const struct pool *pool, const struct lane *lane) {
        uint64_t refused = 0;
        unsigned looked = 0;

        if (!lane->queue_long.first || pool->n_long + 1 >= active_max(pool) ||
            !may_have_worker(pool, lane->queue_long.first->whose, true))
                return NULL;
        for (struct io *io = lane->queue_long.first; io && looked < LONG_LOOK_MAX; io = io->next, looked++) {
                if (io->mount == 0)
                        return io;
                if (io->mount != refused && mount_may_have_worker(pool, io->mount))
                        return io;
                refused = io->mount;
        }
        return NULL;
}

/* A lane's oldest chain that may run now. */
static struct io *oldest(const struct pool *pool, const struct lane *lane) {
        struct io *first = lane->queue.first, *first_long = oldest_long(pool, lane);

        if (first && !may_have_worker(pool, first->whose, false))
                first = NULL;
        if (first && first_long)
                return first->engine_word[WORD_STAMP] < first_long->engine_word[WORD_STAMP] ? first : first_long;
        return first ? first : first_long;
}

/* The chain whose turn it is, off its queue; NULL if none may run now. */
static struct io *pick(struct pool *pool) {
        struct lane *lane = pool->lanes, *last = pool->lanes_last, *next;
        bool any = false;

        while (lane) {
                struct io *first = oldest(pool, lane);

                next = lane->next;
                if (first && lane->left > 0) {
                        lane->left -= count_of(first);
                        unqueue(pool, first);
                        return first;
                }
                any = any || first;
                if (first)
                        lane->left += LANE_TURN_IOS;
                lanes_rotate(pool, lane);
                if (lane == last) { /* all have been asked */
                        if (!any)
                                return NULL;
                        any = false;
                        next = pool->lanes;
                        last = pool->lanes_last;
                }
                lane = next;
        }
        return NULL;
}

/* Whether a chain that began at began_ms and has run N ios is to let others go first. */
static bool should_give_way(const struct pool *pool, uint32_t whose, uint32_t n, uint64_t began_ms) {
        if (!pool->lanes || pool->n_idle > 0 || (pool->lanes->whose == whose && !pool->lanes->next))
                return false;
        return n >= GIVE_WAY_IOS || sys_monotonic_ms() >= began_ms + GIVE_WAY_MS;
}

static uint32_t ops_of(const struct io *io) {
        uint32_t n = 1;

        for (const struct sys_op *op = io->kind == IO_CALL ? NULL : io->u.op; op && op->next; op = op->next)
                n++;
        return n;
}

static void enqueue(struct pool *pool, struct io *first) {
        struct io *io = first;
        uint64_t before = 0, n = 0;

        do {
                io->engine_word[WORD_STATE] = POOL_QUEUED;
                io->engine_word[WORD_BEFORE] = before;
                before = (uint64_t)(uintptr_t)io;
                io->whose = first->whose;
                n += ops_of(io);
        } while ((io = io->chain));
        first->engine_word[WORD_STAMP] = stamp_of(++pool->stamp, n, first->flags & IO_LONG);
        first->engine_word[WORD_LANE] = (uint64_t)(uintptr_t)lane_open(pool, first->whose);
        io_list_append(queue_of(first), first);
        count_queued(pool, pool->n_queued + 1);
}

/* The rest of a chain goes back to the head of its queue, and its lane behind the others. */
static void give_way(struct pool *pool, struct io *rest, uint64_t stamp) {
        struct lane *lane = lane_open(pool, rest->whose);

        rest->engine_word[WORD_BEFORE] = 0;
        rest->engine_word[WORD_STAMP] = stamp;
        rest->engine_word[WORD_LANE] = (uint64_t)(uintptr_t)lane;
        lane->left += count_of(rest);
        io_list_prepend(queue_of(rest), rest);
        count_queued(pool, pool->n_queued + 1);
        lanes_rotate(pool, lane);
}

static void publish(struct pool *pool, struct io_list *finished, bool wakes) {
        if (!finished->first)
                return;
        io_list_move(&pool->finished, finished);
        __atomic_store_n(&pool->has_finished, 1, __ATOMIC_SEQ_CST);
        if (wakes && __atomic_exchange_n(&pool->asleep, 0, __ATOMIC_SEQ_CST))
                pool->config.wake(pool->config.userdata);
}

/* Whether nobody else is waited for together with it. */
static bool is_last(const struct io *io) {
        return !io->together || --*io->together == 0;
}

/* Takes a queued io out of its chain, and the chain out of the queue if it was alone, and finishes it. */
static void finish_queued(struct pool *pool, struct io *io, int code) {
        struct io *before = (struct io *)(uintptr_t)io->engine_word[WORD_BEFORE], *after = io->chain;
        struct io_list finished = {0};

        if (after)
                after->engine_word[WORD_BEFORE] = (uint64_t)(uintptr_t)before;
        if (before) {
                before->chain = after;
        } else if (after) {
                after->engine_word[WORD_STAMP] = io->engine_word[WORD_STAMP];
                after->engine_word[WORD_LANE] = io->engine_word[WORD_LANE];
                io_list_replace(queue_of(io), io, after);
        } else {
                unqueue(pool, io);
        }
        io->chain = NULL;
        io->engine_word[WORD_STATE] = POOL_FINISHED;
        finish_with(io, code);
        io_list_append(&finished, io);
        publish(pool, &finished, is_last(io));
}

static void fail_queues(struct pool *pool, int code) {
        while (pool->lanes)
                finish_queued(pool, pool->lanes->queue.first ? pool->lanes->queue.first : pool->lanes->queue_long.first,
                              code);
}

/* ---- workers ----------------------------------------------------------------------------------------------------- */

static uint64_t thread_cpu_ns(pthread_t thread) {
        struct timespec used;
        clockid_t clock;

        if (pthread_getcpuclockid(thread, &clock) != 0 || clock_gettime(clock, &used) < 0)
                return 0;
        return (uint64_t)used.tv_sec * 1000000000u + (uint64_t)used.tv_nsec;
}

/* The one that became idle last, to be called: what it needs is nearest to a processor. Or NULL. */
static struct worker *take_idle(struct pool *pool) {
        struct worker *worker = pool->idle;

        if (worker) {
                pool->idle = worker->next_idle;
                worker->is_idle = false;
        }
        return worker;
}

static void wake_worker(struct worker *worker) {
        if (worker)
                pthread_cond_signal(&worker->work);
}

static void wake_all_idle(struct pool *pool) {
        while (pool->idle)
                wake_worker(take_idle(pool));
}

static void wait_idle(struct pool *pool, struct worker *worker) {
        worker->is_idle = true;
        worker->next_idle = pool->idle;
        pool->idle = worker;
        pool->n_idle++;
        while (worker->is_idle)
                pthread_cond_wait(&worker->work, &pool->lock);
        pool->n_idle--;
}

/* How many do a user's slices, or look for some. More of them than there are processors would take these from each
 * other, and from the loop. */
static uint32_t count_slicers(const struct pool *pool, uint32_t whose) {
        uint32_t n = 0;

        for (const struct worker *worker = pool->workers; worker; worker = worker->next)
                n += worker->lingers && !worker->stuck && (!worker->current || worker->whose == whose);
        return n;
}

/* Under the lock. Who looked for work counted for every user's slices, and is now one user's: another's, for which
 * nobody was called because of it, is not to wait until that is over. */
static void call_for_others(struct pool *pool, uint32_t whose) {
        const struct io *first = pool->lanes ? pool->lanes->queue.first : NULL;
        struct worker *idle = NULL;

        if (first && first->together && first->whose != whose && count_slicers(pool, first->whose) < pool->processors)
                idle = take_idle(pool);
        if (idle)
                idle->lingers = true;
        wake_worker(idle); /* with the lock: without it another thread than the loop's may not look at a worker */
}

/* Under the lock: what came back from a call is no longer stuck. */
static void back_from_call(struct pool *pool, struct worker *worker) {
        worker->current = NULL;
        if (!worker->stuck)
                return;
        worker->stuck = false;
        pool->n_stuck--;
        if (pool->n_queued > 0) /* what was held back may run now, and this worker may be one too many */
                wake_all_idle(pool);
        pool->n_long += worker->is_long;
}

/* Called with the lock, returns with it. False: the pool went away meanwhile, and the chain with it. */
static bool run_chain(struct pool *pool, struct worker *worker, struct io *io) {
        struct io *before = NULL;
        uint64_t began_ms = sys_monotonic_ms(), arrival = io->engine_word[WORD_STAMP] >> 16;
        uint32_t count = count_of(io), n = 0;
        bool wakes = false;

        worker->current = io;
        worker->whose = io->whose;
        worker->mount = io->mount;
        call_for_others(pool, io->whose);
        worker->is_long = is_long(io);
        pool->n_long += worker->is_long;
        worker->cpu_ns = 0;
        while (io) {
                worker->current = io;
                worker->started_ms = sys_monotonic_ms();
                io->engine_word[WORD_STATE] = POOL_RUNNING;
                unlock(pool);
                run_one(io, before);
                lock(pool);
                if (pool->abandoned)
                        return false;
                back_from_call(pool, worker);
                struct io *after = io->chain;
                io->chain = NULL;
                io->engine_word[WORD_STATE] = POOL_FINISHED;
                wakes |= is_last(io);
                io_list_append(&worker->finished, io);
                n++;
                if (after && !belong_together(io, after) && should_give_way(pool, worker->whose, n, began_ms)) {
                        give_way(pool, after, stamp_of(arrival, count > n ? count - n : 1, worker->is_long));
                        break;
                }
                before = io;
                io = after;
        }
        pool->n_long -= worker->is_long;
        publish(pool, &worker->finished, wakes);
        return true;
}

/*
 * Under the lock. Where slices of windows come there are soon more of them, and being woken would take a good part of
 * the time that a slice does. So whoever did one looks about for a moment, without keeping the processor from anybody.
 */
static void linger(struct pool *pool) {
        uint64_t until = sys_monotonic_ns() + LINGER_NS;

        unlock(pool);
        while (__atomic_load_n(&pool->n_queued, __ATOMIC_RELAXED) == 0 && sys_monotonic_ns() < until)
                sched_yield();
        lock(pool);
}

static void worker_loop(struct pool *pool, struct worker *worker) {
        bool lingers;

        while (!pool->closing) {
                struct io *io = pick(pool);

                if (io) {
                        worker->lingers = io->together != NULL;
                        if (!run_chain(pool, worker, io))
                                return;
                        /* Back from being stuck, with a replacement at work: one of them is too many. */
                        if (pool->n_live - pool->n_stuck > pool->config.workers)
                                return;
                        continue;
                }
                lingers = worker->lingers && count_slicers(pool, worker->whose) <= pool->processors;
                if (lingers)
                        linger(pool);
                worker->lingers = false;
                if (!lingers)
                        wait_idle(pool, worker);
        }
}

static void worker_free(struct worker *worker) {
        pthread_cond_destroy(&worker->work);
        free(worker);
}

static void pool_free(struct pool *pool) {
        struct worker *worker;

        while ((worker = pool->workers)) {
                pool->workers = worker->next;
                worker_free(worker);
        }
        for (struct lane *lane; (lane = pool->spare_lanes);) {
                pool->spare_lanes = lane->next;
                free(lane);
        }
        pthread_cond_destroy(&pool->gone);
        pthread_mutex_destroy(&pool->lock);
        free(pool);
}

static void *worker_main(void *argument) {
        struct worker *worker = argument;
        struct pool *pool = worker->pool;
        int r = sys_thread_start();

        lock(pool);
        if (r >= 0)
                worker_loop(pool, worker);
        bool abandoned = pool->abandoned;
        if (!abandoned && r >= 0) {
                unlock(pool);
                sys_thread_stop();
                lock(pool);
                abandoned = pool->abandoned;
        }
        worker->exited = true;
        bool last = --pool->n_live == 0;
        if (last && !pool->closing) { /* there is nobody else to run what waits */
                fail_queues(pool, r < 0 ? r : -FSOP_EAGAIN);
        }
        pthread_cond_signal(&pool->gone);
        unlock(pool);
        if (abandoned && last)
                pool_free(pool);
        return NULL;
}

/* Every signal stays with the loop thread. */
static int start_thread(struct worker *worker) {
        pthread_attr_t attributes;
        sigset_t all, before;
        int error;

        if (pthread_attr_init(&attributes) != 0)
                return -FSOP_ENOMEM;
        pthread_attr_setstacksize(&attributes, STACK_BYTES);
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        error = pthread_create(&worker->thread, &attributes, worker_main, worker);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        pthread_attr_destroy(&attributes);
        return error == 0 ? 0 : -FSOP_EAGAIN;
}

static int add_worker(struct pool *pool) {
        struct worker *worker = calloc(1, sizeof(*worker));

        if (!worker)
                return -FSOP_ENOMEM;
        worker->pool = pool;
        pthread_cond_init(&worker->work, NULL);
        int r = start_thread(worker);
        if (r < 0) {
                worker_free(worker);
                return r;
        }
        worker->next = pool->workers;
        pool->workers = worker;
        pool->n_live++;
        return 0;
}

/* Joins those that ended by themselves. They have let go of the lock or are about to. */
static void bury_workers(struct pool *pool) {
        for (struct worker **link = &pool->workers, *worker; (worker = *link);) {
                if (!worker->exited) {
                        link = &worker->next;
                        continue;
                }
                *link = worker->next;
                unlock(pool);
                pthread_join(worker->thread, NULL);
                lock(pool);
                worker_free(worker);
                link = &pool->workers;
        }
}

/* Sees to it that somebody takes what is queued. Returns whom to call, when the lock is free, which that one wants; or
 * NULL. */
static struct worker *ensure_workers(struct pool *pool) {
        int r = 0;

        if (pool->n_queued > pool->n_idle && pool->n_live - pool->n_stuck < active_max(pool))
                r = add_worker(pool);
        if (r < 0 && pool->n_live == 0)
                fail_queues(pool, r);
        return take_idle(pool);
}

/* ---- stuck workers ----------------------------------------------------------------------------------------------- */

/* A short call is stuck when it has lasted; a long one only if its thread did nothing in all that time. */
static bool is_stuck(struct pool *pool, struct worker *worker, uint64_t now_ms) {
        if (!worker->current)
                return false;
        if (worker->is_long) {
                uint64_t used = thread_cpu_ns(worker->thread);

                if (used != worker->cpu_ns)
                        worker->started_ms = now_ms;
                worker->cpu_ns = used;
        }
        return now_ms >= worker->started_ms + pool->config.stuck_ms;
}

static void mark_stuck(struct pool *pool, struct worker *worker) {
        char line[128];

        worker->stuck = true;
        pool->n_stuck++;
        pool->n_long -= worker->is_long;
        publish(pool, &worker->finished, true);
        snprintf(line, sizeof(line), "a worker hangs in one call for more than %u s (%u of %u)",
                 (unsigned)(pool->config.stuck_ms / 1000), (unsigned)pool->n_stuck, (unsigned)pool->n_live);
        if (pool->config.log)
                pool->config.log(LOG_WARNING_LEVEL, line);
}

static uint32_t tick_ms(const struct pool *pool) {
        return pool->config.stuck_ms >= 10 * TICK_MS ? TICK_MS : pool->config.stuck_ms / 10 + 1;
}

void pool_tick(struct pool *pool, uint64_t now_ms) {
        struct worker *idle = NULL;

        if (now_ms < pool->next_tick_ms)
                return;
        pool->next_tick_ms = now_ms + tick_ms(pool);
        lock(pool);
        bury_workers(pool);
        for (struct worker *worker = pool->workers; worker; worker = worker->next)
                if (!worker->stuck && is_stuck(pool, worker, now_ms))
                        mark_stuck(pool, worker);
        if (pool->n_queued > 0)
                idle = ensure_workers(pool);
        unlock(pool);
        wake_worker(idle);
}

/* ---- the loop thread's side -------------------------------------------------------------------------------------- */

static uint32_t workers_for(uint32_t processors) {
        return processors > 14 ? 16 : processors + 2;
}

int pool_new(const struct pool_config *config, struct pool **ret_pool) {
        struct pool *pool = calloc(1, sizeof(*pool));
        pthread_condattr_t attributes;

        if (!pool)
                return -FSOP_ENOMEM;
        pool->config = *config;
        pool->processors = sys_processors();
        if (pool->processors < 2)
                pool->processors = 2;
        if (pool->config.workers == 0)
                pool->config.workers = workers_for(pool->processors);
        if (pool->config.workers < 2) /* one is for what is not long */
                pool->config.workers = 2;
        if (pool->config.stuck_ms == 0)
                pool->config.stuck_ms = POOL_STUCK_MS;
        pthread_mutex_init(&pool->lock, NULL);
        pool->asleep = 1;
        pthread_condattr_init(&attributes);
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
        pthread_cond_init(&pool->gone, &attributes);
        pthread_condattr_destroy(&attributes);
        *ret_pool = pool;
        return 0;
}

void pool_submit(struct pool *pool, struct io *first) {
        struct io *io = first;
        struct worker *idle = NULL;

        do {
                io->engine_state = IO_STATE_POOL;
                pool->outstanding++;
        } while ((io = io->chain));
        lock(pool);
        enqueue(pool, first);
        if (!first->together || count_slicers(pool, first->whose) < pool->processors)
                idle = ensure_workers(pool);
        if (idle)
                idle->lingers = first->together != NULL;
        unlock(pool);
        wake_worker(idle); /* only this thread frees workers */
}

void pool_cancel(struct pool *pool, struct io *io) {
        lock(pool);
        if (io->engine_word[WORD_STATE] == POOL_RUNNING && io->kind != IO_CALL) {
                for (struct sys_op *op = io->u.op; op; op = op->next)
                        __atomic_store_n(&op->cancelled, 1, __ATOMIC_RELAXED);
        } else if (io->engine_word[WORD_STATE] == POOL_QUEUED) {
                struct io *after = io->chain;
                bool pair = io->kind == IO_RESOLVE && after && after->kind == IO_RUN && after->u.op == io->u.op;

                finish_queued(pool, io, -FSOP_ECANCELED);
                if (pair)
                        finish_queued(pool, after, -FSOP_ECANCELED);
        }
        unlock(pool);
}

void pool_take(struct pool *pool, struct io_list *list) {
        struct io_list finished = {0};

        if (!__atomic_load_n(&pool->has_finished, __ATOMIC_ACQUIRE))
                return;
        lock(pool);
        io_list_move(&finished, &pool->finished);
        __atomic_store_n(&pool->has_finished, 0, __ATOMIC_RELAXED);
        unlock(pool);
        for (struct io *io = finished.first; io; io = io->next) {
                io->engine_state = IO_STATE_READY;
                pool->outstanding--;
        }
        io_list_move(list, &finished);
}

uint32_t pool_outstanding(const struct pool *pool) {
        return pool->outstanding;
}

int pool_falls_asleep(struct pool *pool, int timeout_ms) {
        int tick = (int)tick_ms(pool);

        __atomic_store_n(&pool->asleep, 1, __ATOMIC_SEQ_CST);
        if (__atomic_load_n(&pool->has_finished, __ATOMIC_SEQ_CST))
                return 0;
        return pool->outstanding > 0 && (timeout_ms < 0 || timeout_ms > tick) ? tick : timeout_ms;
}

void pool_awake(struct pool *pool) {
        __atomic_store_n(&pool->asleep, 0, __ATOMIC_RELAXED);
}

void pool_stats(struct pool *pool, struct engine_stats *ret_stats) {
        lock(pool);
        ret_stats->workers = pool->n_live;
        ret_stats->workers_stuck = pool->n_stuck;
        unlock(pool);
}

/* Under the lock. Stuck ones are not waited for. */
static void wait_for_workers(struct pool *pool) {
        struct timespec until;

        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_sec += CLOSE_GRACE_MS / 1000;
        while (pool->n_live > pool->n_stuck)
                if (pthread_cond_timedwait(&pool->gone, &pool->lock, &until) == ETIMEDOUT)
                        return;
}

uint32_t pool_close(struct pool *pool) {
        uint32_t abandoned;

        lock(pool);
        pool->closing = true;
        wake_all_idle(pool);
        wait_for_workers(pool);
        bury_workers(pool);
        abandoned = pool->n_live;
        pool->abandoned = abandoned > 0;
        for (struct worker *worker = pool->workers; worker; worker = worker->next)
                pthread_detach(worker->thread);
        unlock(pool);
        if (abandoned == 0)
                pool_free(pool);
        return abandoned;
}
