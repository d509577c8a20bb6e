/* SPDX-License-Identifier: MIT */
/*
 * pool_kit.c: the pool itself, in a world of fakes.
 */
#define sys_resolve fake_resolve
#define sys_run fake_run
#define sys_thread_start fake_thread_start
#define sys_thread_stop fake_thread_stop
#define identity_wear_service fake_wear_service
#define sys_monotonic_ms fake_monotonic_ms
#include <sched.h>
#include <time.h>

#include "backends/sys.h"
static uint64_t lingering_ns(void);
static int lingering_yield(void);
static int used_time(clockid_t clock, struct timespec *ret_used);
#define sys_monotonic_ns lingering_ns
#define sched_yield lingering_yield
#define clock_gettime used_time
#include "backends/pool/pool.c"
#undef sys_monotonic_ns
#undef sched_yield
#undef clock_gettime
#include "tests/support/pool_kit.h"

#include <fcntl.h>
#include <string.h>

/* ---- what the test decides --------------------------------------------------------------------------------------- */

struct pool *pool;
const unsigned lane_turn_ios = LANE_TURN_IOS, give_way_ios = GIVE_WAY_IOS, give_way_ms = GIVE_WAY_MS;
uint64_t now_ms = 1000;
int standing;
static int gate[2]; /* one byte lets one go */
int thread_start_result;
int threads_alive;
int wakes;
unsigned lines;
bool time_stands;
unsigned yields;
int hold, holding;
int keep_busy, rounds;
static clockid_t busy_clock;
static _Thread_local bool wears_service;

uint64_t fake_monotonic_ms(void) {
        return LOAD(now_ms);
}

static uint64_t lingering_ns(void) {
        return LOAD(time_stands) ? 1 : sys_monotonic_ns();
}

static int lingering_yield(void) {
        ADD(yields, 1);
        if (LOAD(hold)) {
                ADD(holding, 1);
                SPIN_UNTIL(!LOAD(hold));
        }
        return sched_yield();
}

/* Only what keeps busy uses time: a worker on its way to the gate would seem to do something, were it looked at. And
 * who closes gives workers an hour, and not a second, which a busy machine may need to let them end. */
static int used_time(clockid_t clock, struct timespec *ret_used) {
        if (clock == CLOCK_MONOTONIC) {
                int r = clock_gettime(clock, ret_used);

                ret_used->tv_sec += 3600;
                return r;
        }
        *ret_used = (struct timespec){.tv_nsec = clock == LOAD(busy_clock) ? 1 + LOAD(rounds) : 1};
        return 0;
}

int fake_thread_start(void) {
        int r = LOAD(thread_start_result);

        if (r >= 0)
                ADD(threads_alive, 1);
        return r;
}

void fake_thread_stop(void) {
        ADD(threads_alive, -1);
}

void fake_wear_service(void) {
        wears_service = true;
}

static int fake_operation(struct sys_op *op) {
        wears_service = false;
        op->opened++;
        op->code = 0;
        op->os_error = 0;
        if (op->out_bytes == OP_FAILS) {
                op->code = -FSOP_ENOENT;
                op->os_error = ENOENT;
        } else if (op->out_bytes == OP_WAITS_FOR_CANCEL) {
                ADD(standing, 1);
                SPIN_UNTIL(__atomic_load_n(&op->cancelled, __ATOMIC_RELAXED));
                op->code = -FSOP_ECANCELED;
        }
        return op->code;
}

int fake_resolve(struct sys_op *op, unsigned flags) {
        ck_assert_uint_eq(flags, 0);
        return fake_operation(op);
}

int fake_run(struct sys_op *op) {
        return fake_operation(op);
}

static void count_wake(void *userdata) {
        ck_assert_ptr_eq(userdata, &wakes);
        ADD(wakes, 1);
}

static void count_line(int level, const char *message) {
        ck_assert_int_eq(level, 4);
        ck_assert_ptr_nonnull(strstr(message, "hangs"));
        lines++;
}

void new_pool(uint32_t workers, uint32_t extra) {
        struct pool_config config = {.workers = workers,
                                     .workers_extra_max = extra,
                                     .wake = count_wake,
                                     .userdata = &wakes,
                                     .log = count_line};

        ck_assert_int_eq(pipe2(gate, O_CLOEXEC), 0);
        ck_assert_int_eq(pool_new(&config, &pool), 0);
}

void open_gate(int n) {
        for (int i = 0; i < n; i++)
                ck_assert_int_eq(write(gate[1], "x", 1), 1);
}

/* ---- ios --------------------------------------------------------------------------------------------------------- */

unsigned n_done;

void count_done(struct io *io) {
        unsigned *calls = io->owner;

        ck_assert_ptr_null(io->chain);
        ++*calls;
        n_done++;
}

struct io call(void (*function)(struct io *io), unsigned *calls) {
        return (struct io){.kind = IO_CALL, .done = count_done, .owner = calls, .u.call = function};
}

struct io operation(enum io_kind kind, struct sys_op *op, unsigned *calls) {
        return (struct io){.kind = kind, .done = count_done, .owner = calls, .u.op = op};
}

void deliver(void) {
        struct io_list list = {0};

        pool_take(pool, &list);
        io_list_deliver(&list);
}

struct engine_stats stats(void) {
        struct engine_stats stats = {0};

        pool_stats(pool, &stats);
        return stats;
}

void answer_7(struct io *io) {
        ck_assert(wears_service);
        io->result = 7;
        io->os_error = 3;
}

void stand_still(struct io *io) {
        char byte;

        ADD(standing, 1);
        io->result = read(gate[0], &byte, 1);
        ADD(standing, -1);
}

void be_busy(struct io *io) {
        clockid_t clock;

        (void)io;
        ck_assert_int_eq(pthread_getcpuclockid(pthread_self(), &clock), 0);
        STORE(busy_clock, clock);
        ADD(standing, 1);
        while (LOAD(keep_busy))
                ADD(rounds, 1);
        ADD(standing, -1);
}

void pool_processors(uint32_t n) {
        pool->processors = n;
}

bool all_sleep(void) {
        pthread_mutex_lock(&pool->lock);
        bool all = pool->n_idle == pool->n_live;
        pthread_mutex_unlock(&pool->lock);
        return all;
}

uint32_t n_sleeping(void) {
        lock(pool);
        uint32_t n = pool->n_idle;
        unlock(pool);
        return n;
}

void pass_seconds(unsigned seconds) {
        ADD(now_ms, seconds * 1000u);
        pool_tick(pool, LOAD(now_ms));
}
