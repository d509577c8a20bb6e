/* SPDX-License-Identifier: MIT */
/*
 * test_pool.c: chains of ios and who takes them, alone and beside others'.
 */
#include <check.h>
#include <stdlib.h>

#include "tests/support/pool_kit.h"
#include "tests/support/suite.h"

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

static void note_and_be_busy(struct io *io) {
        note_run(io);
        be_busy(io);
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

/* Its worker is busy with the first io of a chain while others are queued behind it; … */
static void begin_with(struct io *first) {
        STORE(keep_busy, 1);
        first->u.call = note_and_be_busy;
        pool_submit(pool, first);
        SPIN_UNTIL(LOAD(standing) == 2);
}

/* … then it goes on, alone, until N came back. The other's call is the last one. */
static void go_on(unsigned n) {
        STORE(keep_busy, 0);
        DELIVER_UNTIL(n_done == n);
        open_gate(1);
        DELIVER_UNTIL(n_done == n + 1);
        ck_assert_uint_eq(pool_close(pool), 0);
}

/* However many chains one user has queued, another's comes next. */
START_TEST(users_take_turns) {
        unsigned calls = 0;
        struct io blocker, first, many[40], one;

        new_pool_of_one(&blocker, &calls);
        make_chain(&first, 1, 5, &calls);
        begin_with(&first);
        for (unsigned i = 0; i < 40; i++) {
                make_chain(&many[i], 1, 5, &calls);
                pool_submit(pool, &many[i]);
        }
        make_chain(&one, 1, 6, &calls);
        pool_submit(pool, &one);
        go_on(42);
        ck_assert_uint_eq(ran.n, 42);
        for (unsigned i = 0; i < 42; i++)
                if (ran.whose[i] == 6)
                        ck_assert_uint_le(i, 1 + lane_turn_ios);
}
END_TEST

/* Long chains against single ios: what counts is ios, so the single ones do not wait for whole chains. */
START_TEST(turns_are_counted_in_ios) {
        unsigned calls = 0, last = 0, n_others = 0;
        struct io blocker, first, chains[2][60], ones[10];

        new_pool_of_one(&blocker, &calls);
        make_chain(&first, 1, 5, &calls);
        begin_with(&first);
        for (unsigned i = 0; i < 2; i++) {
                make_chain(chains[i], 60, 5, &calls);
                pool_submit(pool, &chains[i][0]);
        }
        for (unsigned i = 0; i < 10; i++) {
                make_chain(&ones[i], 1, 6, &calls);
                pool_submit(pool, &ones[i]);
        }
        go_on(131);
        for (unsigned i = 0; i < ran.n; i++)
                if (ran.whose[i] == 6) {
                        n_others++;
                        last = i;
                }
        ck_assert_uint_eq(n_others, 10);
        ck_assert_uint_le(last, 1 + lane_turn_ios + 60 + 10);
}
END_TEST

/* A chain that runs lets others go first after give_way_ios ios, or when it has taken its time; then it goes on. */
START_TEST(a_chain_gives_way) {
        unsigned calls = 0, position = 0;
        struct io blocker, chain[100], one;

        new_pool_of_one(&blocker, &calls);
        make_chain(chain, 100, 5, &calls);
        begin_with(&chain[0]);
        make_chain(&one, 1, 6, &calls);
        pool_submit(pool, &one);
        go_on(101);
        while (ran.whose[position] != 6)
                position++;
        ck_assert_uint_eq(position, give_way_ios);
        for (unsigned i = 0; i < 100; i++)
                ck_assert_ptr_null(chain[i].chain);
}
END_TEST

/* An operation that was resolved runs before others get in between; and what was cancelled in the rest of a chain does
 * not run. */
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
        STORE(now_ms, LOAD(now_ms) + give_way_ms);
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

/* What was cut up for every processor to be busy gets no worker more than that; another user's is not kept waiting by
 * it. */
START_TEST(slices_call_no_more_than_processors) {
        enum { COUNT = 5 };
        unsigned calls[COUNT] = {0};
        uint32_t together[COUNT];
        struct io ios[COUNT];

        new_pool(4, 0);
        pool_processors(2);
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

/* Who lingers counts for everybody's slices, until it takes one: then another user's gets somebody else, and not at the
 * next tick. */
START_TEST(who_lingers_is_for_one_user) {
        enum { COUNT = 7 };
        static const uint32_t whose[COUNT] = {1, 2, 3, 4, 6, 6, 7};
        unsigned calls[COUNT] = {0};
        uint32_t together[COUNT];
        struct io ios[COUNT];

        new_pool(4, 0);
        pool_processors(2);
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
        ck_assert_int_eq(bad.opened, 1);  /* not run */
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

/* ---- the end, and when nothing starts ---------------------------------------------------------------------------- */

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
        enum { COUNT = 20000, HELD = 4 };
        unsigned *calls = calloc(COUNT, sizeof(*calls)), state = 12345;
        struct io *ios = calloc(COUNT, sizeof(*ios)), holders[HELD];
        unsigned cancelled = 0, held = 0;

        new_pool(HELD, 2);
        for (int i = 0; i < HELD; i++) {
                holders[i] = call(stand_still, &held);
                pool_submit(pool, &holders[i]);
        }
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
                if (first < 1000 && i >= 1000) /* until then what was cancelled had not begun */
                        open_gate(HELD);
        }
        DELIVER_UNTIL(n_done == COUNT + HELD);
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

        tcase_set_timeout(group, 120);
        tcase_add_test(group, results_come_back);
        tcase_add_test(group, chain_comes_back_together);
        tcase_add_test(group, workers_linger);
        tcase_add_test(group, workers_linger_and_find);
        tcase_add_test(group, slices_call_no_more_than_processors);
        tcase_add_test(group, who_lingers_is_for_one_user);
        tcase_add_test(group, users_take_turns);
        tcase_add_test(group, turns_are_counted_in_ios);
        tcase_add_test(group, a_chain_gives_way);
        tcase_add_test(group, a_chain_gives_way_between_operations);
        tcase_add_test(group, the_last_of_several_wakes);
        tcase_add_test(group, woken_once_until_it_takes);
        tcase_add_test(group, run_waits_for_its_resolve);
        tcase_add_test(group, several_operations_of_one_io);
        tcase_add_test(group, unknown_kind_is_refused);
        tcase_add_test(group, threads_that_do_not_start);
        tcase_add_test(group, everything_comes_back_once);
        suite_add_tcase(suite, group);
        return suite_run(suite);
}
