/* SPDX-License-Identifier: MIT */
/*
 * test_pool_hang.c: calls that hang: what becomes of their workers, and what is left to everybody else.
 */
#include <check.h>
#include <string.h>

#include "tests/support/pool_kit.h"
#include "tests/support/suite.h"

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

                SPIN_UNTIL(LOAD(rounds) != before); /* between two looks the one works */
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

/* ---- the end ----------------------------------------------------------------------------------------------------- */

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

int main(void) {
        Suite *suite = suite_create("pool_hang");
        TCase *group = tcase_create("pool");

        tcase_set_timeout(group, 120);
        tcase_add_test(group, long_ones_leave_a_worker);
        tcase_add_test(group, one_worker_would_be_too_few);
        tcase_add_test(group, stuck_workers_are_replaced_within_a_limit);
        tcase_add_test(group, who_lets_workers_hang_leaves_some_to_others);
        tcase_add_test(group, one_user_leaves_a_worker);
        tcase_add_test(group, one_mount_keeps_few_workers);
        tcase_add_test(group, long_ones_of_one_user_leave_a_place);
        tcase_add_test(group, what_a_stuck_chain_had_finished_is_delivered);
        tcase_add_test(group, long_ones_are_stuck_only_when_idle);
        tcase_add_test(group, sleep_is_bounded_while_something_runs);
        tcase_add_test(group, close_leaves_hanging_workers_behind);
        suite_add_tcase(suite, group);
        return suite_run(suite);
}
