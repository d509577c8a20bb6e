/* SPDX-License-Identifier: MIT */
/*
 * check.h: what the kits of tests/support demand of Check, for fuzzers, which have no tests: what does not hold ends
 * the program.
 */
#ifndef FSOP_FUZZ_CHECK_H
#define FSOP_FUZZ_CHECK_H

#include "tests/fuzz/fuzz.h"

#define ck_assert(holds) must(holds)
#define ck_assert_msg(holds, ...) must(holds)
#define ck_assert_int_eq(a, b) must((a) == (b))
#define ck_assert_uint_eq(a, b) must((a) == (b))
#define ck_assert_uint_lt(a, b) must((a) < (b))
#define ck_assert_uint_le(a, b) must((a) <= (b))
#define ck_assert_uint_ge(a, b) must((a) >= (b))
#define ck_assert_ptr_null(a) must((a) == NULL)
#define ck_assert_ptr_nonnull(a) must((a) != NULL)

#endif
