/* SPDX-License-Identifier: MIT */
/*
 * fail_alloc.h: memory that runs out when the test says. For the programs of fsop_over(failalloc_kit …) in
 * tests/CMakeLists.txt, whose own allocations it takes in, and leaves those of libraries alone.
 */
#ifndef FSOP_FAIL_ALLOC_H
#define FSOP_FAIL_ALLOC_H

/* The `at`-th allocation from now on fails; 0: none. */
void alloc_fail(unsigned at);

extern unsigned alloc_calls;         /* since alloc_fail(), while one is to fail: as many as its `at`, and it has */
extern const unsigned *alloc_spared; /* while this is not 0, calls are not counted */

#endif
