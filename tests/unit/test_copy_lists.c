/* SPDX-License-Identifier: MIT */
/*
 * test_copy_lists.c: directories of a copy that cannot be listed, or not to the end: nothing is copied that was to be
 * left out, nothing stays behind that nobody is told of.
 */
#include <check.h>
#include <errno.h>
#include <string.h>

#include "tests/support/copy_kit.h"
#include "tests/support/descriptors.h"
#include "tests/support/fail_alloc.h"
#include "tests/support/fail_calls.h"
#include "tests/support/suite.h"

#define LEFT "/.fsop-7-0123456789abcdef-00000001"

static void furnish(void) {
        scene_mkdir("tree/src", 0, 0755);
        scene_mkdir("tree/src/d", 0, 0755);
        scene_mkdir("tree/src/d/e", 0, 0755);
        scene_file("tree/src/f", 0, 0644, "text");
        scene_file("tree/src/d/f", 0, 0644, "text");
        scene_file("tree/src/d/e/f", 0, 0644, "text");
}

/* A pattern with a slash needs memory to be compared. */
static bool is_left_out(unsigned failing) {
        static char pattern[] = "d/f";
        static const char *const excludes[] = {pattern};
        struct copy_job *job = copy_job_elevated();
        bool hit;

        job->options.excludes = excludes;
        job->options.n_excludes = 1;
        ck_assert_int_eq(copy_job_open(job), 0);
        alloc_fail(failing);
        copy_job_fill(job);
        hit = alloc_calls >= failing;
        alloc_fail(0);
        ck_assert_msg(!scene_exists("tree/dst/d/f"), "allocation %u", failing);
        ck_assert(hit || scene_exists("tree/dst/d/e/f"));
        copy_job_free(job);
        scene_remove("tree/dst");
        scene_mkdir("tree/dst", 0, 0755);
        return !hit;
}

START_TEST(left_out_without_memory) {
        unsigned n = 1;

        furnish();
        scene_mkdir("tree/dst", 0, 0755);
        while (!is_left_out(n))
                n++;
        ck_assert_uint_gt(n, 10);
}
END_TEST

/* The N-th call fails, and it is said, or made no difference. False: there are fewer. */
static bool counts_without(struct copy_job *job, unsigned n, int error) {
        uint64_t files, bytes;
        bool hit;

        calls_fail(n, error);
        ck_assert_int_eq(copy_count(&job->tree, &files, &bytes, &job->error), 0);
        hit = calls_made >= n;
        calls_fail(0, 0);
        ck_assert_uint_le(files, 3);
        ck_assert(hit || (files == 3 && bytes == 12));
        return hit;
}

static bool removes_without(struct copy_job *job, unsigned n, int error) {
        static const char *const left[] = {"tree/dst" LEFT, "tree/dst/d" LEFT, "tree/dst/d/e" LEFT};
        unsigned kept;
        bool hit;
        int code;

        for (size_t i = 0; i < sizeof(left) / sizeof(left[0]); i++)
                if (!scene_exists(left[i]))
                        scene_file(left[i], 0, 0600, "x");
        calls_fail(n, error);
        code = copy_remove_temporaries(&job->tree, &job->error);
        hit = calls_made >= n;
        calls_fail(0, 0);
        kept = copy_count_temporaries("tree");
        ck_assert_msg(code < 0 || kept == 0, "call %u (%s): %u left, and nobody is told", n, strerror(error), kept);
        ck_assert_msg(kept <= 1 || calls_failed == 0, "call %u (%s): %u left", n, strerror(error), kept);
        ck_assert(hit || code == 0);
        return hit;
}

START_TEST(each_call_fails) {
        static const int errors[] = {EIO, EMFILE, ESTALE};
        bool (*without)(struct copy_job * job, unsigned n, int error) = _i < 3 ? counts_without : removes_without;
        unsigned before, n = 1;
        struct copy_job *job;

        furnish();
        scene_mkdir("tree/dst", 0, 0755);
        scene_mkdir("tree/dst/d", 0, 0755);
        scene_mkdir("tree/dst/d/e", 0, 0755);
        job = copy_job_elevated();
        ck_assert_int_eq(copy_job_open(job), 0);
        before = open_descriptors();
        while (without(job, n, errors[_i % 3]))
                n++;
        ck_assert_uint_gt(n, 20);
        ck_assert_uint_eq(open_descriptors(), before);
        copy_job_free(job);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("copy_lists");
        TCase *tcase = tcase_create("copy_lists");

        scene_need_root();
        tcase_add_checked_fixture(tcase, scene_open, scene_close);
        tcase_add_test(tcase, left_out_without_memory);
        tcase_add_loop_test(tcase, each_call_fails, 0, 6);
        suite_add_tcase(suite, tcase);
        return suite_run(suite);
}
