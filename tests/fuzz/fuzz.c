/* SPDX-License-Identifier: MIT */
/* fuzz.c: the verdict of the last input, and the end of a program in which something did not hold. */
#include "tests/fuzz/fuzz.h"

#include <stdio.h>

bool fuzz_accepted;

void fuzz_failed(const char *what, const char *file, int line) {
        fprintf(stderr, "%s:%d: this does not hold: %s\n", file, line, what);
        abort();
}
