/* SPDX-License-Identifier: MIT */
/*
 * test_pool_cancel.c: what an early end of an io takes along, wherever it is.
 */
#include <check.h>

#include "tests/support/pool_kit.h"
#include "tests/support/suite.h"

/* ---- several operations of one io -------------------------------------------------------------------------------- */

START_TEST(cancel_of_several_is_told_to_each) {
        struct sys_op ops[3] = {{.out_bytes = OP_WAITS_FOR_CANCEL},
                                {.out_bytes = OP_WAITS_FOR_CANCEL},
                                {.out_bytes = OP_WAITS_FOR_CANCEL}};
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

int main(void) {
        Suite *suite = suite_create("pool_cancel");
        TCase *group = tcase_create("pool");

        tcase_set_timeout(group, 120);
        tcase_add_test(group, cancel_of_several_is_told_to_each);
        tcase_add_test(group, cancel_of_what_runs_is_told_to_it);
        tcase_add_test(group, cancel_in_every_place_of_a_queued_chain);
        tcase_add_test(group, cancel_of_what_follows_in_a_running_chain);
        tcase_add_test(group, cancelled_resolve_takes_its_run_along);
        suite_add_tcase(suite, group);
        return suite_run(suite);
}
