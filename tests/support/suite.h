/* SPDX-License-Identifier: MIT */
/*
 * suite.h: what every unit test's main ends with; and assertions that several have use for.
 */
#ifndef FSOP_SUITE_H
#define FSOP_SUITE_H

#include <check.h>

/* Runs SUITE, as CK_VERBOSITY says, and frees it: the exit status. */
int suite_run(Suite *suite);

#define assert_ok(call) ck_assert_int_eq((call), 0)
void assert_code(int code, int expected, const char *what);

#endif
