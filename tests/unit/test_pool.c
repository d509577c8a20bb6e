/* SPDX-License-Identifier: MIT */
/*
 * test_pool.c: the worker threads alone. The pool is compiled into this program with operations, identities and a clock that
 * the test decides about, so that a call hangs when it is told to and ten seconds pass at once.
 */
#define sys_resolve fake_resolve
#define sys_run fake_run
#define sys_thread_start fake_thread_start
#define sys_thread_stop fake_thread_stop
#define identity_wear_service fake_wear_service
#define sys_monotonic_ms fake_monotonic_ms
#include <sched.h>

#include "backends/sys.h"
static uint64_t lingering_ns(void);
static int lingering_yield(void);
#define sys_monotonic_ns lingering_ns
#define sched_yield lingering_yield
#include "backends/pool/pool.c"
#undef sys_monotonic_ns
#undef sched_yield
#include "tests/support/suite.h"

#include <check.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>

/* ---- what the test decides --------------------------------------------------------------------------------------- */

static struct pool *pool;
static uint64_t now_ms = 1000;     /* atomic */
static int standing;               /* atomic: workers that stand at the gate */
static int gate[2];                /* one byte lets one go */
static int thread_start_result;    /* atomic */
static int threads_alive;          /* atomic: started minus stopped */
static int wakes;                  /* atomic */
static unsigned lines;             /* of the log */
static bool time_stands;           /* atomic: for who lingers */
static unsigned yields;            /* atomic: of who lingers */
static int hold, holding;          /* atomic: who lingers looks no more until hold is 0 again, and how many that are */
static _Thread_local bool wears_service;

#define LOAD(variable) __atomic_load_n(&(variable), __ATOMIC_SEQ_CST)
#define STORE(variable, value) __atomic_store_n(&(variable), (value), __ATOMIC_SEQ_CST)
#define ADD(variable, value) __atomic_add_fetch(&(variable), (value), __ATOMIC_SEQ_CST)
#define SPIN_UNTIL(condition)                                                                                          \
        while (!(condition))                                                                                           \
        sched_yield()

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

/* sys_op.out_bytes says how a fake operation ends; its `opened` counts the calls. */
enum { OP_WORKS = 0, OP_FAILS, OP_WAITS_FOR_CANCEL };

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

static void new_pool(uint32_t workers, uint32_t extra) {
        struct pool_config config = {.workers = workers, .workers_extra_max = extra, .wake = count_wake, .userdata = &wakes,
                                     .log = count_line};

        ck_assert_int_eq(pipe2(gate, O_CLOEXEC), 0);
        ck_assert_int_eq(pool_new(&config, &pool), 0);
}

static void open_gate(int n) {
        for (int i = 0; i < n; i++)
                ck_assert_int_eq(write(gate[1], "x", 1), 1);
}

/* ---- ios --------------------------------------------------------------------------------------------------------- */

static unsigned n_done;

static void count_done(struct io *io) {
        unsigned *calls = io->owner;

        ck_assert_ptr_null(io->chain);
        ++*calls;
        n_done++;
}

static struct io call(void (*function)(struct io *io), unsigned *calls) {
        return (struct io){.kind = IO_CALL, .done = count_done, .owner = calls, .u.call = function};
}

static struct io operation(enum io_kind kind, struct sys_op *op, unsigned *calls) {
        return (struct io){.kind = kind, .done = count_done, .owner = calls, .u.op = op};
}

static void deliver(void) {
        struct io_list list = {0};

        pool_take(pool, &list);
        io_list_deliver(&list);
}

#define DELIVER_UNTIL(condition)                                                                                       \
        while (!(condition)) {                                                                                         \
                deliver();                                                                                             \
                sched_yield();                                                                                         \
        }

static struct engine_stats stats(void) {
        struct engine_stats stats = {0};

        pool_stats(pool, &stats);
        return stats;
}

static void answer_7(struct io *io) {
        ck_assert(wears_service);
        io->result = 7;
        io->os_error = 3;
}

static void stand_still(struct io *io) {
        char byte;

        ADD(standing, 1);
        io->result = read(gate[0], &byte, 1);
        ADD(standing, -1);
}

static int keep_busy, rounds; /* atomic */

static void be_busy(struct io *io) {
        (void)io;
        ADD(standing, 1);
        while (LOAD(keep_busy))
                ADD(rounds, 1);
        ADD(standing, -1);
}

/* ---- chains ------------------------------------------------------------------------------------------------------ */

START_TEST(results_come_back) {
        unsigned calls[3] = {0};
        struct sys_op works = {0}, fails = {.out_bytes = OP_FAILS};

        new_pool(2, 0);
        struct io ios[3] = {call(answer_7, &calls[0]), operation(IO_RUN, &works, &calls[1]),
                            operation(IO_RESOLVE, &fails, &calls[2])};
        for (int i = 0; i < 3; i++)
                pool_submit(pool, &ios[i]);
        ck_assert_uint_eq(pool_outstanding(pool), 3);
        DELIVER_UNTIL(n_done == 3);
        ck_assert_uint_eq(pool_outstanding(pool), 0);
        ck_assert_int_eq(ios[0].result, 7);
        ck_assert_int_eq(ios[0].os_error, 3);
        ck_assert_int_eq(ios[1].result, 0);
        ck_assert_int_eq(ios[2].result, -FSOP_ENOENT);
        ck_assert_int_eq(ios[2].os_error, ENOENT);
        ck_assert_uint_eq(pool_close(pool), 0);
        ck_assert_int_eq(LOAD(threads_alive), 0);
}
END_TEST

/* Who ran, in the order in which they did. */
static struct {
        uint32_t whose[256];
        unsigned n; /* atomic */
} ran;

static void note_run(struct io *io) {
        ran.whose[ADD(ran.n, 1) - 1] = io->whose;
}

static void note_and_stand(struct io *io) {
        note_run(io);
        stand_still(io);
}

static void make_chain(struct io *ios, unsigned n, uint32_t whose, unsigned *calls) {
        for (unsigned i = 0; i < n; i++) {
                ios[i] = call(note_run, calls);
                ios[i].whose = whose;
                ios[i].chain = i + 1 < n ? &ios[i + 1] : NULL;
        }
}

/* The other worker stands still all the time. */
static void new_pool_of_one(struct io *blocker, unsigned *calls) {
        new_pool(2, 0);
        ran.n = 0;
        *blocker = call(stand_still, calls);
        pool_submit(pool, blocker);
        SPIN_UNTIL(LOAD(standing) == 1);
}

/* However many chains one user has queued, another's comes next. */
START_TEST(users_take_turns) {
        unsigned calls = 0;
        struct io blocker, gate_keeper = call(note_and_stand, &calls), many[40], one = call(note_run, &calls);

        new_pool_of_one(&blocker, &calls);
        gate_keeper.whose = 5;
        pool_submit(pool, &gate_keeper);
        SPIN_UNTIL(LOAD(standing) == 2);
        for (unsigned i = 0; i < 40; i++) {
                make_chain(&many[i], 1, 5, &calls);
                pool_submit(pool, &many[i]);
        }
        one.whose = 6;
        pool_submit(pool, &one);
        open_gate(2);
        DELIVER_UNTIL(n_done == 43);
        ck_assert_uint_eq(ran.n, 42);
        for (unsigned i = 0; i < 42; i++)
                if (ran.whose[i] == 6)
                        ck_assert_uint_le(i, 2 + LANE_TURN_IOS);
        ck_assert_uint_eq(pool_close(pool), 0);
}
END_TEST

/* Long chains against single ios: what counts is ios, so the single ones do not wait for whole chains. */
START_TEST(turns_are_counted_in_ios) {
        unsigned calls = 0, last = 0, n_others = 0;
        struct io blocker, gate_keeper = call(note_and_stand, &calls), chains[2][60], ones[10];

        new_pool_of_one(&blocker, &calls);
        gate_keeper.whose = 5;
        pool_submit(pool, &gate_keeper);
        SPIN_UNTIL(LOAD(standing) == 2);
        for (unsigned i = 0; i < 2; i++) {
                make_chain(chains[i], 60, 5, &calls);
                pool_submit(pool, &chains[i][0]);
        }
        for (unsigned i = 0; i < 10; i++) {
                make_chain(&ones[i], 1, 6, &calls);
                pool_submit(pool, &ones[i]);
        }
        open_gate(1); /* one of the two goes on; whichever it is, the other stands */
        DELIVER_UNTIL(n_done == 131);
        for (unsigned i = 0; i < ran.n; i++)
                if (ran.whose[i] == 6) {
                        n_others++;
                        last = i;
                }
        ck_assert_uint_eq(n_others, 10);
        ck_assert_uint_le(last, 1 + LANE_TURN_IOS + 60 + 10);
        open_gate(1);
        DELIVER_UNTIL(n_done == 132);
        ck_assert_uint_eq(pool_close(pool), 0);
}
END_TEST

/* A chain that runs lets others go first after GIVE_WAY_IOS ios, or when it has taken its time; then it goes on. */
START_TEST(a_chain_gives_way) {
        unsigned calls = 0, position = 0;
        struct io blocker, chain[100], one = call(note_run, &calls);

        new_pool_of_one(&blocker, &calls);
        make_chain(chain, 100, 5, &calls);
        chain[0].u.call = note_and_stand;
        pool_submit(pool, &chain[0]);
        SPIN_UNTIL(LOAD(standing) == 2);
        one.whose = 6;
        pool_submit(pool, &one);
        open_gate(1); /* the blocker may be the one that goes on: then it is idle, and takes the other's */
        DELIVER_UNTIL(calls > 0 && (LOAD(ran.n) > 100 || LOAD(standing) == 1));
        open_gate(1);
        DELIVER_UNTIL(n_done == 102);
        while (ran.whose[position] != 6)
                position++;
        ck_assert_uint_le(position, GIVE_WAY_IOS);
        for (unsigned i = 0; i < 100; i++)
                ck_assert_ptr_null(chain[i].chain);
        ck_assert_uint_eq(pool_close(pool), 0);
}
END_TEST

/* An operation that was resolved runs before others get in between; and what was cancelled in the rest of a chain does not run. */
START_TEST(a_chain_gives_way_between_operations) {
        unsigned calls = 0;
        struct sys_op ops[50] = {0};
        struct io blocker, chain[100], one = call(note_run, &calls);

        new_pool_of_one(&blocker, &calls);
        for (unsigned i = 0; i < 100; i++) {
                chain[i] = operation(i % 2 == 0 ? IO_RESOLVE : IO_RUN, &ops[i / 2], &calls);
                chain[i].whose = 5;
                chain[i].chain = i + 1 < 100 ? &chain[i + 1] : NULL;
        }
        ops[0].out_bytes = OP_WAITS_FOR_CANCEL;
        pool_submit(pool, &chain[0]);
        SPIN_UNTIL(LOAD(standing) == 2);
        one.whose = 6;
        pool_submit(pool, &one);
        STORE(now_ms, LOAD(now_ms) + GIVE_WAY_MS);
        pool_cancel(pool, &chain[98]);
        pool_cancel(pool, &chain[0]);
        DELIVER_UNTIL(n_done == 101);
        ck_assert_int_eq(chain[0].result, -FSOP_ECANCELED);
        ck_assert_int_eq(chain[1].result, -FSOP_ECANCELED); /* its resolve failed, wherever the chain was cut */
        ck_assert_int_eq(ops[0].opened, 1);
        for (unsigned i = 1; i < 49; i++)
                ck_assert_int_eq(ops[i].opened, 2);
        ck_assert_int_eq(ops[49].opened, 0);
        open_gate(1);
        DELIVER_UNTIL(n_done == 102);
        ck_assert_uint_eq(pool_close(pool), 0);
}
END_TEST

/* One wake for what comes back together. */
START_TEST(chain_comes_back_together) {
        enum { LINKS = 50 };
        unsigned calls[LINKS] = {0};
        struct io ios[LINKS];

        new_pool(2, 0);
        for (int i = 0; i < LINKS; i++) {
                ios[i] = call(answer_7, &calls[i]);
                ios[i].chain = i + 1 < LINKS ? &ios[i + 1] : NULL;
        }
        pool_submit(pool, &ios[0]);
        SPIN_UNTIL(LOAD(wakes) > 0);
        deliver();
        ck_assert_uint_eq(n_done, LINKS);
        ck_assert_int_eq(LOAD(wakes), 1);
        ck_assert_uint_eq(pool_close(pool), 0);
}
END_TEST

/* Of those that are waited for together the last one wakes; and only a loop that sleeps. */
START_TEST(the_last_of_several_wakes) {
        unsigned calls[2] = {0};
        uint32_t together;

        new_pool(3, 0);
        for (int awake = 0; awake < 2; awake++) {
                struct io quick = call(answer_7, &calls[0]), slow = call(note_and_stand, &calls[1]);
                unsigned before = n_done;

                together = 2;
                quick.together = slow.together = &together;
                pool_falls_asleep(pool, -1);
                pool_submit(pool, &slow);
                SPIN_UNTIL(LOAD(standing) == 1);
                pool_submit(pool, &quick);
                DELIVER_UNTIL(n_done == before + 1);
                ck_assert_int_eq(LOAD(wakes), awake);
                if (awake) /* it was woken once, and now it looks by itself */
                        pool_awake(pool);
                open_gate(1);
                SPIN_UNTIL(LOAD(wakes) == 1);
                DELIVER_UNTIL(n_done == before + 2);
                ck_assert_int_eq(LOAD(wakes), 1);
                ck_assert_uint_eq(together, 0);
        }
        ck_assert_uint_eq(pool_close(pool), 0);
}
END_TEST

static bool all_sleep(void) {
        pthread_mutex_lock(&pool->lock);
        bool all = pool->n_idle == pool->n_live;
        pthread_mutex_unlock(&pool->lock);
        return all;
}

static uint32_t n_sleeping(void) {
        lock(pool);
        uint32_t n = pool->n_idle;
        unlock(pool);
        return n;
}

/* Who did a slice looks for the next one for a while, and takes it; who did something else sleeps at once. */
START_TEST(workers_linger) {
        unsigned calls[3] = {0}, before;
        uint32_t together[2] = {1, 1};
        struct io slices[2] = {call(answer_7, &calls[0]), call(answer_7, &calls[1])}, other = call(answer_7, &calls[2]);

        new_pool(2, 0);
        STORE(time_stands, true);
        for (unsigned i = 0; i < 2; i++) {
                before = LOAD(yields);
                slices[i].together = &together[i];
                pool_submit(pool, &slices[i]);
                DELIVER_UNTIL(n_done == i + 1);
                SPIN_UNTIL(LOAD(yields) > before);
        }
        ck_assert(!all_sleep());
        STORE(time_stands, false);
        SPIN_UNTIL(all_sleep());
        before = LOAD(yields);
        pool_submit(pool, &other);
        DELIVER_UNTIL(n_done == 3);
        SPIN_UNTIL(all_sleep());
        ck_assert_uint_eq(LOAD(yields), before);
        ck_assert_uint_eq(pool_close(pool), 0);
}
END_TEST

/* Looking without the lock while more comes: for the thread sanitizer. */
START_TEST(workers_linger_and_find) {
        enum { COUNT = 3000 };
        static uint32_t together[COUNT];
        static unsigned calls[COUNT];
        static struct io ios[COUNT];

        new_pool(3, 0);
        for (int i = 0; i < COUNT; i++) {
                together[i] = 1;
                ios[i] = call(answer_7, &calls[i]);
                ios[i].together = &together[i];
                pool_submit(pool, &ios[i]);
                if (i % 3 == 0)
                        DELIVER_UNTIL(n_done == (unsigned)i + 1);
        }
        DELIVER_UNTIL(n_done == COUNT);
        for (int i = 0; i < COUNT; i++)
                ck_assert_uint_eq(calls[i], 1);
        ck_assert_uint_eq(pool_close(pool), 0);
}
END_TEST

/* What was cut up for every processor to be busy gets no worker more than that; another user's is not kept waiting by it. */
START_TEST(slices_call_no_more_than_processors) {
        enum { COUNT = 5 };
        unsigned calls[COUNT] = {0};
        uint32_t together[COUNT];
        struct io ios[COUNT];

        new_pool(4, 0);
        pool->processors = 2;
        for (int i = 0; i < COUNT; i++) {
                together[i] = 1;
                ios[i] = call(stand_still, &calls[i]);
                ios[i].together = &together[i];
                ios[i].whose = i < COUNT - 1 ? 5 : 6;
                pool_submit(pool, &ios[i]);
                if (i < 2)
                        DELIVER_UNTIL(LOAD(standing) == i + 1);
                ck_assert_uint_eq(stats().workers, i < 2 ? i + 1 : i < COUNT - 1 ? 2 : 3);
        }
        DELIVER_UNTIL(LOAD(standing) == 3);
        open_gate(COUNT);
        DELIVER_UNTIL(n_done == COUNT);
        ck_assert_uint_eq(pool_close(pool), 0);
}
END_TEST

/* Who lingers counts for everybody's slices, until it takes one: then another user's gets somebody else, and not at the next tick. */
START_TEST(who_lingers_is_for_one_user) {
        enum { COUNT = 7 };
        static const uint32_t whose[COUNT] = {1, 2, 3, 4, 6, 6, 7};
        unsigned calls[COUNT] = {0};
        uint32_t together[COUNT];
        struct io ios[COUNT];

        new_pool(4, 0);
        pool->processors = 2;
        for (int i = 0; i < COUNT; i++) {
                together[i] = 1;
                ios[i] = call(stand_still, &calls[i]);
                ios[i].together = i < 2 || i >= 4 ? &together[i] : NULL;
                ios[i].whose = whose[i];
        }
        STORE(time_stands, true);
        for (int i = 0; i < 4; i++)
                pool_submit(pool, &ios[i]);
        SPIN_UNTIL(LOAD(standing) == 4);
        STORE(hold, 1);
        open_gate(4);
        DELIVER_UNTIL(n_done == 4 && LOAD(holding) == 2 && n_sleeping() == 2);
        for (int i = 4; i < COUNT; i++)
                pool_submit(pool, &ios[i]); /* two linger: nobody is called */
        ck_assert_uint_eq(stats().workers, 4);
        STORE(hold, 0);
        SPIN_UNTIL(LOAD(standing) == 3);
        open_gate(3);
        STORE(time_stands, false);
        DELIVER_UNTIL(n_done == COUNT);
        ck_assert_uint_eq(pool_close(pool), 0);
}
END_TEST

/* Whoever was woken and did not take it yet is not woken again. */
START_TEST(woken_once_until_it_takes) {
        unsigned calls[20] = {0};
        struct io ios[20];

        new_pool(2, 0);
        for (int i = 0; i < 20; i++) {
                ios[i] = call(answer_7, &calls[i]);
                pool_submit(pool, &ios[i]);
                SPIN_UNTIL(stats().workers > 0);
        }
        SPIN_UNTIL(LOAD(wakes) > 0);
        for (int i = 0; i < 20; i++) /* what has not begun need not */
                pool_cancel(pool, &ios[i]);
        ck_assert_uint_eq(pool_close(pool), 0);
        ck_assert_int_eq(LOAD(wakes), 1);
}
END_TEST

START_TEST(run_waits_for_its_resolve) {
        unsigned calls[6] = {0};
        struct sys_op bad = {.out_bytes = OP_FAILS}, good = {0}, other = {.out_bytes = OP_FAILS}, last = {0};

        new_pool(2, 0);
        struct io ios[6] = {operation(IO_RESOLVE, &bad, &calls[0]),   operation(IO_RUN, &bad, &calls[1]),
                            operation(IO_RESOLVE, &good, &calls[2]),  operation(IO_RUN, &good, &calls[3]),
                            operation(IO_RESOLVE, &other, &calls[4]), operation(IO_RUN, &last, &calls[5])};
        for (int i = 0; i < 5; i++)
                ios[i].chain = &ios[i + 1];
        pool_submit(pool, &ios[0]);
        DELIVER_UNTIL(n_done == 6);
        ck_assert_int_eq(last.opened, 1); /* it is not the other's run */
        ck_assert_int_eq(bad.opened, 1); /* not run */
        ck_assert_int_eq(ios[1].result, -FSOP_ENOENT);
        ck_assert_int_eq(ios[1].os_error, ENOENT);
        ck_assert_int_eq(good.opened, 2);
        ck_assert_int_eq(ios[3].result, 0);
        ck_assert_uint_eq(pool_close(pool), 0);
}
END_TEST

START_TEST(several_operations_of_one_io) {
        struct sys_op ops[3] = {{0}, {.out_bytes = OP_FAILS}, {0}};
        unsigned calls[2] = {0};

        ops[0].next = &ops[1];
        ops[1].next = &ops[2];
        new_pool(2, 0);
        struct io ios[2] = {operation(IO_RESOLVE, &ops[0], &calls[0]), operation(IO_RUN, &ops[0], &calls[1])};
        for (int i = 0; i < 2; i++) {
                pool_submit(pool, &ios[i]);
                DELIVER_UNTIL(calls[i] == 1);
                ck_assert_int_eq(ios[i].result, 0); /* each one's own code says more */
                ck_assert_int_eq(ops[0].code, 0);
                ck_assert_int_eq(ops[1].code, -FSOP_ENOENT);
                ck_assert_int_eq(ops[2].code, 0);
        }
        for (int i = 0; i < 3; i++)
                ck_assert_int_eq(ops[i].opened, 2);
        ck_assert_uint_eq(pool_close(pool), 0);
}
END_TEST

START_TEST(cancel_of_several_is_told_to_each) {
        struct sys_op ops[3] = {{.out_bytes = OP_WAITS_FOR_CANCEL}, {.out_bytes = OP_WAITS_FOR_CANCEL}, {.out_bytes = OP_WAITS_FOR_CANCEL}};
        unsigned calls = 0;

        ops[0].next = &ops[1];
        ops[1].next = &ops[2];
        new_pool(2, 0);
        struct io io = operation(IO_RUN, &ops[0], &calls);
        pool_submit(pool, &io);
        SPIN_UNTIL(LOAD(standing) == 1);
        pool_cancel(pool, &io);
        DELIVER_UNTIL(n_done == 1);
        for (int i = 0; i < 3; i++)
                ck_assert_int_eq(ops[i].code, -FSOP_ECANCELED);
        ck_assert_uint_eq(pool_close(pool), 0);
}
END_TEST

START_TEST(unknown_kind_is_refused) {
        unsigned calls = 0;

        new_pool(2, 0);
        struct io io = {.kind = IO_POLL, .done = count_done, .owner = &calls};
        pool_submit(pool, &io);
        DELIVER_UNTIL(n_done == 1);
        ck_assert_int_eq(io.result, -FSOP_EINVAL);
        ck_assert_uint_eq(pool_close(pool), 0);
}
END_TEST

/* ---- cancelling -------------------------------------------------------------------------------------------------- */

START_TEST(cancel_of_what_runs_is_told_to_it) {
        unsigned calls = 0;
        struct sys_op op = {.out_bytes = OP_WAITS_FOR_CANCEL};

        new_pool(2, 0);
        struct io io = operation(IO_RUN, &op, &calls);
        pool_submit(pool, &io);
        SPIN_UNTIL(LOAD(standing) == 1);
        pool_cancel(pool, &io);
        DELIVER_UNTIL(n_done == 1);
        ck_assert_int_eq(io.result, -FSOP_ECANCELED);
        pool_cancel(pool, &io); /* over: nothing happens */
        ck_assert_uint_eq(pool_close(pool), 0);
}
END_TEST

START_TEST(cancel_in_every_place_of_a_queued_chain) {
        for (int victim = 0; victim < 4; victim++) {
                unsigned calls[4] = {0}, held[2] = {0};
                struct io holders[2], ios[4];

                n_done = 0;
                new_pool(2, 0);
                for (int i = 0; i < 2; i++) {
                        holders[i] = call(stand_still, &held[i]);
                        pool_submit(pool, &holders[i]);
                }
                SPIN_UNTIL(LOAD(standing) == 2);
                for (int i = 0; i < 4; i++) {
                        ios[i] = call(answer_7, &calls[i]);
                        ios[i].chain = i < 3 ? &ios[i + 1] : NULL;
                }
                pool_submit(pool, &ios[0]);
                pool_cancel(pool, &ios[victim]);
                deliver(); /* at once, with every worker held up */
                ck_assert_uint_eq(calls[victim], 1);
                ck_assert_uint_eq(n_done, 1);
                ck_assert_int_eq(ios[victim].result, -FSOP_ECANCELED);
                open_gate(2);
                DELIVER_UNTIL(n_done == 6);
                for (int i = 0; i < 4; i++) {
                        ck_assert_uint_eq(calls[i], 1);
                        ck_assert_int_eq(ios[i].result, i == victim ? -FSOP_ECANCELED : 7);
                }
                ck_assert_uint_eq(pool_close(pool), 0);
        }
}
END_TEST

START_TEST(cancel_of_what_follows_in_a_running_chain) {
        unsigned calls[3] = {0};
        struct io ios[3];

        new_pool(2, 0);
        ios[0] = call(stand_still, &calls[0]);
        ios[1] = call(answer_7, &calls[1]);
        ios[2] = call(answer_7, &calls[2]);
        ios[0].chain = &ios[1];
        ios[1].chain = &ios[2];
        pool_submit(pool, &ios[0]);
        SPIN_UNTIL(LOAD(standing) == 1);
        pool_cancel(pool, &ios[1]);
        deliver();
        ck_assert_uint_eq(calls[1], 1);
        pool_cancel(pool, &ios[0]); /* a call cannot be told */
        open_gate(1);
        DELIVER_UNTIL(n_done == 3);
        ck_assert_int_eq(ios[0].result, 1);
        ck_assert_int_eq(ios[2].result, 7);
        ck_assert_uint_eq(pool_close(pool), 0);
}
END_TEST

/* Nothing runs on what was never resolved. */
START_TEST(cancelled_resolve_takes_its_run_along) {
        unsigned calls[4] = {0};
        struct sys_op op = {0}, other = {0};
        struct io ios[4];

        new_pool(2, 0);
        ios[0] = call(stand_still, &calls[0]);
        ios[1] = operation(IO_RESOLVE, &op, &calls[1]);
        ios[2] = operation(IO_RUN, &op, &calls[2]);
        ios[3] = operation(IO_RUN, &other, &calls[3]);
        for (int i = 0; i < 3; i++)
                ios[i].chain = &ios[i + 1];
        pool_submit(pool, &ios[0]);
        SPIN_UNTIL(LOAD(standing) == 1);
        pool_cancel(pool, &ios[1]);
        deliver();
        ck_assert_uint_eq(n_done, 2);
        ck_assert_int_eq(ios[2].result, -FSOP_ECANCELED);
        ck_assert_int_eq(op.code, -FSOP_ECANCELED);
        open_gate(1);
        DELIVER_UNTIL(n_done == 4);
        ck_assert_int_eq(op.opened, 0);
        ck_assert_int_eq(other.opened, 1);
        ck_assert_uint_eq(pool_close(pool), 0);
}
END_TEST

/* ---- long ones --------------------------------------------------------------------------------------------------- */

START_TEST(long_ones_leave_a_worker) {
        enum { LONG = 6 };
        unsigned calls[LONG] = {0}, short_calls = 0;
        struct io ios[LONG], quick = call(answer_7, &short_calls);

        new_pool(3, 0);
        for (int i = 0; i < LONG; i++) {
                ios[i] = call(stand_still, &calls[i]);
                ios[i].flags = IO_LONG;
                pool_submit(pool, &ios[i]);
        }
        SPIN_UNTIL(LOAD(standing) == 2);
        pool_submit(pool, &quick);
        DELIVER_UNTIL(short_calls == 1);
        ck_assert_int_eq(LOAD(standing), 2);
        for (int i = 0; i < LONG; i++) { /* each that ends makes room for one */
                open_gate(1);
                DELIVER_UNTIL(n_done == (unsigned)i + 2);
                int left = LONG - 1 - i;
                SPIN_UNTIL(LOAD(standing) == (left < 2 ? left : 2));
        }
        ck_assert_uint_eq(pool_close(pool), 0);
}
END_TEST

START_TEST(one_worker_would_be_too_few) {
        unsigned calls = 0, short_calls = 0;
        struct io slow = call(stand_still, &calls), quick = call(answer_7, &short_calls);

        new_pool(1, 0);
        slow.flags = IO_LONG;
        pool_submit(pool, &slow);
        SPIN_UNTIL(LOAD(standing) == 1);
        pool_submit(pool, &quick);
        DELIVER_UNTIL(short_calls == 1);
        open_gate(1);
        DELIVER_UNTIL(calls == 1);
        ck_assert_uint_eq(pool_close(pool), 0);
}
END_TEST

/* ---- stuck ones -------------------------------------------------------------------------------------------------- */

static void pass_seconds(unsigned seconds) {
        ADD(now_ms, seconds * 1000u);
        pool_tick(pool, LOAD(now_ms));
}

START_TEST(stuck_workers_are_replaced_within_a_limit) {
        unsigned calls[5] = {0};
        struct io ios[5];

        new_pool(2, 1);
        for (int i = 0; i < 5; i++)
                ios[i] = call(stand_still, &calls[i]);
        pool_submit(pool, &ios[0]);
        pool_submit(pool, &ios[1]);
        pool_submit(pool, &ios[2]);
        SPIN_UNTIL(LOAD(standing) == 2);
        pass_seconds(9);
        ck_assert_uint_eq(stats().workers_stuck, 0);
        pass_seconds(2);
        ck_assert_uint_eq(stats().workers_stuck, 2);
        ck_assert_uint_eq(lines, 2);
        SPIN_UNTIL(LOAD(standing) == 3); /* the one replacement that is allowed */
        pool_submit(pool, &ios[3]);
        pass_seconds(11);
        ck_assert_uint_eq(stats().workers_stuck, 3);
        ck_assert_uint_eq(stats().workers, 3);
        pool_cancel(pool, &ios[3]); /* nobody is left to take it, but it can be cancelled */
        deliver();
        ck_assert_uint_eq(calls[3], 1);
        open_gate(3);
        DELIVER_UNTIL(n_done == 4);
        ck_assert_uint_eq(stats().workers_stuck, 0);
        SPIN_UNTIL(stats().workers == 2); /* one too many went */
        pool_submit(pool, &ios[4]);
        open_gate(1);
        DELIVER_UNTIL(n_done == 5);
        ck_assert_uint_eq(pool_close(pool), 0);
        ck_assert_int_eq(LOAD(threads_alive), 0);
}
END_TEST

START_TEST(who_lets_workers_hang_leaves_some_to_others) {
        unsigned calls[8] = {0};
        struct io ios[8];

        new_pool(3, 3);
        for (int i = 0; i < 6; i++) {
                ios[i] = call(stand_still, &calls[i]);
                ios[i].whose = 5;
                pool_submit(pool, &ios[i]);
        }
        SPIN_UNTIL(LOAD(standing) == 2);
        pass_seconds(11);
        SPIN_UNTIL(LOAD(standing) == 3); /* half of those that work again */
        for (unsigned round = 1; round <= 2; round++) {
                ios[5 + round] = call(answer_7, &calls[5 + round]);
                ios[5 + round].whose = 6;
                pool_submit(pool, &ios[5 + round]);
                DELIVER_UNTIL(calls[5 + round] == 1);
                pass_seconds(11);
                ck_assert_uint_eq(stats().workers_stuck, 3); /* half of all that there can be */
                ck_assert_int_eq(LOAD(standing), 3);
        }
        open_gate(6);
        DELIVER_UNTIL(n_done == 8);
        ck_assert_uint_eq(pool_close(pool), 0);
}
END_TEST

START_TEST(long_ones_of_one_user_leave_a_place) {
        unsigned calls[4] = {0};
        struct io ios[4];

        new_pool(4, 0);
        for (int i = 0; i < 4; i++) {
                ios[i] = call(stand_still, &calls[i]);
                ios[i].flags = IO_LONG;
                ios[i].whose = i < 3 ? 5 : 6;
        }
        for (int i = 0; i < 3; i++)
                pool_submit(pool, &ios[i]);
        SPIN_UNTIL(LOAD(standing) == 2);
        pool_submit(pool, &ios[3]);
        SPIN_UNTIL(LOAD(standing) == 3);
        ck_assert_uint_eq(ios[2].engine_word[0], 1); /* the third of the first user still waits */
        open_gate(4);
        DELIVER_UNTIL(n_done == 4);
        ck_assert_uint_eq(pool_close(pool), 0);
}
END_TEST

START_TEST(one_user_leaves_a_worker) {
        unsigned calls[5] = {0};
        struct io ios[5];

        new_pool(4, 0);
        for (int i = 0; i < 4; i++) {
                ios[i] = call(stand_still, &calls[i]);
                ios[i].whose = 5;
                pool_submit(pool, &ios[i]);
        }
        SPIN_UNTIL(LOAD(standing) == 3);
        ios[4] = call(answer_7, &calls[4]);
        ios[4].whose = 6;
        pool_submit(pool, &ios[4]);
        DELIVER_UNTIL(calls[4] == 1);
        ck_assert_int_eq(LOAD(standing), 3);
        open_gate(4);
        DELIVER_UNTIL(n_done == 5);
        ck_assert_uint_eq(pool_close(pool), 0);
}
END_TEST

/* Whoever asks: root is held back there, too. Once it hangs it gets no more than a few, one after the other. */
START_TEST(one_mount_keeps_few_workers) {
        unsigned calls[8] = {0};
        struct io ios[8];

        new_pool(4, 9);
        for (int i = 0; i < 6; i++) {
                ios[i] = call(stand_still, &calls[i]);
                ios[i].flags = IO_LONG;
                ios[i].mount = 77;
                ios[i].whose = i < 2 ? 0 : (uint32_t)i;
                pool_submit(pool, &ios[i]);
        }
        SPIN_UNTIL(LOAD(standing) == 2);
        ios[6] = call(answer_7, &calls[6]);
        ios[6].flags = IO_LONG;
        ios[6].mount = 78;
        ios[6].whose = 2; /* behind one of his own that must wait */
        pool_submit(pool, &ios[6]);
        DELIVER_UNTIL(calls[6] == 1);
        ck_assert_int_eq(LOAD(standing), 2);
        for (int most = 3; most <= 5; most++) {
                pass_seconds(11); /* what they have used is looked at: nothing, … */
                pass_seconds(11); /* … and is compared */
                SPIN_UNTIL(LOAD(standing) == (most < 4 ? most : 4)); /* a quarter of all that there can be */
        }
        ios[7] = call(answer_7, &calls[7]);
        ios[7].whose = 9;
        pool_submit(pool, &ios[7]);
        DELIVER_UNTIL(calls[7] == 1);
        ck_assert_int_eq(LOAD(standing), 4);
        open_gate(6);
        DELIVER_UNTIL(n_done == 8);
        ck_assert_uint_eq(pool_close(pool), 0);
}
END_TEST

START_TEST(what_a_stuck_chain_had_finished_is_delivered) {
        unsigned calls[3] = {0};
        struct io ios[3] = {call(answer_7, &calls[0]), call(stand_still, &calls[1]), call(answer_7, &calls[2])};

        new_pool(2, 1);
        ios[0].chain = &ios[1];
        ios[1].chain = &ios[2];
        pool_submit(pool, &ios[0]);
        SPIN_UNTIL(LOAD(standing) == 1);
        deliver();
        ck_assert_uint_eq(n_done, 0);
        pass_seconds(11);
        deliver();
        ck_assert_uint_eq(calls[0], 1);
        ck_assert_uint_eq(n_done, 1);
        open_gate(1);
        DELIVER_UNTIL(n_done == 3);
        ck_assert_uint_eq(pool_close(pool), 0);
}
END_TEST

/* A walk may last; it is stuck only when its thread does nothing. */
START_TEST(long_ones_are_stuck_only_when_idle) {
        unsigned calls[2] = {0};
        struct io busy = call(be_busy, &calls[0]), idle = call(stand_still, &calls[1]);

        new_pool(3, 1);
        busy.flags = idle.flags = IO_LONG;
        STORE(keep_busy, 1);
        pool_submit(pool, &busy);
        pool_submit(pool, &idle);
        SPIN_UNTIL(LOAD(standing) == 2);
        pass_seconds(2);
        for (int i = 0; i < 12; i++) {
                int before = LOAD(rounds);

                SPIN_UNTIL(LOAD(rounds) - before > 1000); /* between two looks the one works */
                pass_seconds(2);
        }
        ck_assert_uint_eq(stats().workers_stuck, 1);
        open_gate(1);
        DELIVER_UNTIL(calls[1] == 1);
        ck_assert_uint_eq(stats().workers_stuck, 0);
        STORE(keep_busy, 0);
        DELIVER_UNTIL(calls[0] == 1);
        ck_assert_uint_eq(pool_close(pool), 0);
}
END_TEST

START_TEST(sleep_is_bounded_while_something_runs) {
        unsigned calls = 0;
        struct io io = call(stand_still, &calls);

        new_pool(2, 1);
        ck_assert_int_eq(pool_falls_asleep(pool, -1), -1);
        ck_assert_int_eq(pool_falls_asleep(pool, 5000), 5000);
        ck_assert_int_eq(pool_falls_asleep(pool, 0), 0);
        pool_submit(pool, &io);
        ck_assert_int_eq(pool_falls_asleep(pool, -1), 1000);
        ck_assert_int_eq(pool_falls_asleep(pool, 300), 300);
        open_gate(1);
        DELIVER_UNTIL(calls == 1);
        ck_assert_uint_eq(pool_close(pool), 0);
}
END_TEST

/* ---- the end, and when nothing starts ---------------------------------------------------------------------------- */

START_TEST(close_leaves_hanging_workers_behind) {
        static unsigned calls[2];
        static struct io ios[2];

        new_pool(2, 0);
        for (int i = 0; i < 2; i++) {
                ios[i] = call(stand_still, &calls[i]);
                pool_submit(pool, &ios[i]);
        }
        SPIN_UNTIL(LOAD(standing) == 2);
        pass_seconds(11);
        ck_assert_uint_eq(pool_close(pool), 2); /* at once: they are known to hang */
        memset(ios, 0x55, sizeof(ios)); /* when they come back they touch nothing of it but what the call itself does */
        open_gate(2);
        SPIN_UNTIL(LOAD(standing) == 0);
        for (size_t i = 0; i < sizeof(struct io); i++) {
                size_t result = offsetof(struct io, result);

                if (i < result || i >= result + sizeof(ios[0].result))
                        ck_assert_int_eq(((unsigned char *)&ios[0])[i], 0x55);
        }
}
END_TEST

START_TEST(threads_that_do_not_start) {
        unsigned calls[2] = {0};
        struct io ios[2] = {call(answer_7, &calls[0]), call(answer_7, &calls[1])};

        new_pool(2, 0);
        STORE(thread_start_result, -FSOP_EPERM);
        pool_submit(pool, &ios[0]);
        DELIVER_UNTIL(calls[0] == 1);
        ck_assert_int_eq(ios[0].result, -FSOP_EPERM);
        STORE(thread_start_result, 0);
        SPIN_UNTIL(stats().workers == 0);
        pool_submit(pool, &ios[1]);
        DELIVER_UNTIL(calls[1] == 1);
        ck_assert_int_eq(ios[1].result, 7);
        ck_assert_uint_eq(pool_close(pool), 0);
}
END_TEST

/* Chains of all lengths, cancelled here and there: each io comes back exactly once. */
START_TEST(everything_comes_back_once) {
        enum { COUNT = 20000 };
        unsigned *calls = calloc(COUNT, sizeof(*calls)), state = 12345;
        struct io *ios = calloc(COUNT, sizeof(*ios));
        unsigned cancelled = 0;

        new_pool(4, 2);
        for (int i = 0; i < COUNT;) {
                int first = i, links = 1 + (int)(state % 7);

                for (int link = 0; link < links && i < COUNT; link++, i++) {
                        ios[i] = call(answer_7, &calls[i]);
                        if (link > 0)
                                ios[i - 1].chain = &ios[i];
                }
                ios[first].flags = state & 8 ? IO_LONG : 0;
                pool_submit(pool, &ios[first]);
                state = state * 1103515245u + 12345;
                if (state & 0x10000)
                        pool_cancel(pool, &ios[state % (unsigned)i]);
                if (state & 0x20000)
                        deliver();
        }
        DELIVER_UNTIL(n_done == COUNT);
        for (int i = 0; i < COUNT; i++) {
                ck_assert_uint_eq(calls[i], 1);
                ck_assert(ios[i].result == 7 || ios[i].result == -FSOP_ECANCELED);
                cancelled += ios[i].result != 7;
        }
        ck_assert_uint_gt(cancelled, 0);
        ck_assert_uint_eq(pool_close(pool), 0);
        free(calls);
        free(ios);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("pool");
        TCase *group = tcase_create("pool");
        const TTest *const tests[] = {results_come_back,
                                      chain_comes_back_together,
                                      workers_linger,
                                      workers_linger_and_find,
                                      slices_call_no_more_than_processors,
                                      who_lingers_is_for_one_user,
                                      users_take_turns,
                                      turns_are_counted_in_ios,
                                      a_chain_gives_way,
                                      a_chain_gives_way_between_operations,
                                      the_last_of_several_wakes,
                                      woken_once_until_it_takes,
                                      run_waits_for_its_resolve,
                                      several_operations_of_one_io,
                                      cancel_of_several_is_told_to_each,
                                      unknown_kind_is_refused,
                                      cancel_of_what_runs_is_told_to_it,
                                      cancel_in_every_place_of_a_queued_chain,
                                      cancel_of_what_follows_in_a_running_chain,
                                      cancelled_resolve_takes_its_run_along,
                                      long_ones_leave_a_worker,
                                      one_worker_would_be_too_few,
                                      stuck_workers_are_replaced_within_a_limit,
                                      who_lets_workers_hang_leaves_some_to_others,
                                      one_user_leaves_a_worker,
                                      one_mount_keeps_few_workers,
                                      long_ones_of_one_user_leave_a_place,
                                      what_a_stuck_chain_had_finished_is_delivered,
                                      long_ones_are_stuck_only_when_idle,
                                      sleep_is_bounded_while_something_runs,
                                      close_leaves_hanging_workers_behind,
                                      threads_that_do_not_start,
                                      everything_comes_back_once};

        for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
                tcase_add_test(group, tests[i]);
        tcase_set_timeout(group, 120);
        suite_add_tcase(suite, group);
        return suite_run(suite);
}
