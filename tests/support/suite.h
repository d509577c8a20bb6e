/* SPDX-License-Identifier: MIT */
/*
 * suite.h: what every unit test's main ends with.
 */
#ifndef FSOP_SUITE_H
#define FSOP_SUITE_H

#include <check.h>

/* Runs SUITE, as CK_VERBOSITY says, and frees it: the exit status. */
int suite_run(Suite *suite);

#endif
