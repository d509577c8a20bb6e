/* SPDX-License-Identifier: MIT */
/*
 * client_kit.c: a directory, a client, and what it sends.
 */
#include "tests/support/client_kit.h"

#include <check.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct fake_server fake;
struct fsop_batch *batch;
char directory[64];

void setup_with(const struct welcome *welcome) {
        char real[PATH_MAX];
        fake_start(&fake, welcome);
        ck_assert_int_eq(fsop_batch_new(fake.client, FSOP_BATCH_PARALLEL, &batch), 0);
        strcpy(directory, "/tmp/fsop-client.XXXXXX");
        ck_assert_ptr_nonnull(mkdtemp(directory));
        ck_assert_int_eq(chdir(directory), 0);
        ck_assert_ptr_nonnull(realpath(".", real));
        ck_assert_str_eq(real, directory);
        ck_assert_int_eq(mkdir("a", 0755), 0);
        ck_assert_int_eq(mkdir("a/b", 0755), 0);
        ck_assert_int_eq(symlink("a/b", "link"), 0);
        ck_assert_int_eq(symlink("nowhere", "dangling"), 0);
}

void setup(void) {
        setup_with(NULL);
}

void setup_foreign(void) {
        struct welcome welcome = fake_welcome();
        welcome.foreign = true;
        setup_with(&welcome);
}

void teardown(void) {
        fsop_batch_free(batch);
        fake_fini(&fake);
        ck_assert_int_eq(chdir(directory), 0);
        unlink("link");
        unlink("dangling");
        rmdir("a/b");
        rmdir("a");
        ck_assert_int_eq(chdir("/"), 0);
        rmdir(directory);
}

void expect_path(struct bytes path, const char *format, ...) {
        char text[5000];
        va_list list;
        va_start(list, format);
        vsnprintf(text, sizeof(text), format, list);
        va_end(list);
        ck_assert_msg(path.len == strlen(text) && memcmp(path.data, text, path.len) == 0, "'%.*s' instead of '%s'",
                      (int)path.len, (const char *)path.data, text);
}

struct batch sent(void) {
        ck_assert_int_eq(fsop_batch_submit(batch, NULL, NULL, NULL), 0);
        return fake_receive_batch(&fake);
}
