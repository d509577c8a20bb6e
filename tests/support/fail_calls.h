/* SPDX-License-Identifier: MIT */
/*
 * fail_calls.h: system calls that fail when the test says. For the programs of fsop_over(failcalls_kit …) in
 * tests/CMakeLists.txt: what the project's own files call, not what libraries do among themselves.
 */
#ifndef FSOP_FAIL_CALLS_H
#define FSOP_FAIL_CALLS_H

#include <stdbool.h>

/* The `at`-th call from now on fails with `error`; 0: none. */
void calls_fail(unsigned at, int error);

extern unsigned calls_made;    /* since calls_fail(), while one is to fail: as many as its `at`, and it has */
extern bool calls_of_identity; /* count only what changes or reads credentials; else only the others */
extern long calls_failed;      /* the number of the system call that failed, or -1 for a function's */

#endif
