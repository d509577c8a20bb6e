/* SPDX-License-Identifier: MIT */
/*
 * descriptors.c: counts them.
 */
#include "tests/support/descriptors.h"

#include <check.h>
#include <dirent.h>

unsigned open_descriptors(void) {
        DIR *directory = opendir("/proc/self/fd");
        unsigned n = 0;

        ck_assert_ptr_nonnull(directory);
        while (readdir(directory))
                n++;
        closedir(directory);
        return n;
}
