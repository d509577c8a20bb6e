/* SPDX-License-Identifier: MIT */
/*
 * test_spin.c: looking before sleeping begins where it pays, ends where it does not, and costs little where it never
 * does.
 */
#include "proto/spin.h"
#include "tests/support/suite.h"

#include <check.h>

#define US 1000u

static struct spin spin;

static void sleeps(unsigned n, uint64_t us) {
        while (n-- > 0)
                spin_slept(&spin, us * US);
}

START_TEST(begins_after_short_sleeps) {
        spin_init(&spin, 100);
        ck_assert(!spin.on);
        sleeps(SPIN_STREAK_MIN - 1, 99);
        ck_assert(!spin.on);
        sleeps(1, 100); /* not shorter */
        sleeps(SPIN_STREAK_MIN - 1, 99);
        ck_assert(!spin.on);
        sleeps(1, 99);
        ck_assert(spin.on);
}
END_TEST

START_TEST(goes_on_while_it_pays) {
        spin_init(&spin, 100);
        sleeps(SPIN_STREAK_MIN, 10);
        for (unsigned i = 0; i < 1000; i++)
                spin_looked(&spin, i % 2 == 0); /* never in vain twice */
        ck_assert(spin.on);
        spin_looked(&spin, false);
        ck_assert(!spin.on);
}
END_TEST

START_TEST(each_end_makes_it_harder_to_begin) {
        uint32_t wanted = SPIN_STREAK_MIN;

        spin_init(&spin, 100);
        for (unsigned i = 0; i < 20; i++) {
                sleeps(wanted - 1, 10);
                ck_assert(!spin.on);
                sleeps(1, 10);
                ck_assert(spin.on);
                spin_looked(&spin, false);
                ck_assert(!spin.on);
                wanted = wanted < SPIN_STREAK_MAX ? wanted * 2 : SPIN_STREAK_MAX;
        }
        /* What pays for a while is forgiven. */
        sleeps(wanted, 10);
        for (unsigned i = 0; i < 100; i++)
                spin_looked(&spin, true);
        spin_looked(&spin, false);
        spin_looked(&spin, false);
        sleeps(2 * SPIN_STREAK_MIN, 10);
        ck_assert(spin.on);
}
END_TEST

/* Client and daemon on one processor: every sleep is short, and no look finds anything. */
START_TEST(costs_little_where_it_never_pays) {
        unsigned looks = 0;

        spin_init(&spin, 100);
        for (unsigned waits = 0; waits < 100000; waits++) {
                if (!spin.on) {
                        spin_slept(&spin, 10 * US);
                        continue;
                }
                spin_looked(&spin, false);
                looks++;
        }
        ck_assert_uint_gt(looks, 0);
        ck_assert_uint_lt(looks, 10 + 100000 / SPIN_STREAK_MAX + 2);
}
END_TEST

START_TEST(never_when_it_may_not) {
        spin_init(&spin, 0);
        sleeps(10000, 0);
        ck_assert(!spin.on);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("spin");
        TCase *tests = tcase_create("spin");

        tcase_add_test(tests, begins_after_short_sleeps);
        tcase_add_test(tests, goes_on_while_it_pays);
        tcase_add_test(tests, each_end_makes_it_harder_to_begin);
        tcase_add_test(tests, costs_little_where_it_never_pays);
        tcase_add_test(tests, never_when_it_may_not);
        suite_add_tcase(suite, tests);
        return suite_run(suite);
}
