/* SPDX-License-Identifier: MIT */
/*
 * test_copy_existing.c: copies onto what is there already, and what is left out of them.
 */
#include <check.h>
#include <sys/mount.h>

#include "backends/linux/sys_linux.h"
#include "tests/support/copy_kit.h"
#include "tests/support/suite.h"

/* ---- ends that do not fit ---------------------------------------------------------------------------------------- */

static int open_code(const char *from, const char *to, bool recursive) {
        struct copy_job *job = copy_job_new(from, to);
        int r;

        job->options.recursive = recursive;
        r = copy_job_open(job);
        copy_job_free(job);
        return r;
}

START_TEST(ends_that_do_not_fit) {
        copy_build_source();
        ck_assert_int_eq(open_code("tree/src", "tree/dst", false), -FSOP_EISDIR);
        ck_assert_int_eq(open_code("tree/src", "tree/src", true), -FSOP_EINVAL);
        ck_assert_int_eq(open_code("tree/src/f", "tree/src/d/hard", true), -FSOP_EINVAL);
        ck_assert_int_eq(open_code("tree/src", "tree/src/new", true), -FSOP_EINVAL);
        ck_assert_int_eq(open_code("tree/src", "tree/src/d/e/new", true), -FSOP_EINVAL);
        ck_assert_int_eq(open_code("tree/src", "tree/src/f", true), -FSOP_ENOTDIR);
        ck_assert_int_eq(open_code("tree/src/d", "tree/src/f", true), -FSOP_ENOTDIR);
        ck_assert_int_eq(open_code("tree/src/f", "tree/src/d", true), -FSOP_EISDIR);
        ck_assert_int_eq(open_code("tree/src/f", "tree/src/d/..", true), -FSOP_EINVAL);
        ck_assert_int_eq(open_code("tree/src/d", "tree/dst", true), 0);
}
END_TEST

/* ---- what is there already --------------------------------------------------------------------------------------- */

static void update(enum fsop_update mode, uint32_t copied, uint32_t skipped, uint32_t failed) {
        struct copy_job *job = copy_job_new("tree/src", "tree/dst");

        job->options.update = mode;
        ck_assert_int_eq(copy_job_run(job), 0);
        ck_assert_uint_eq(job->copied, copied);
        ck_assert_uint_eq(job->skipped, skipped);
        ck_assert_uint_eq(job->n_failures, failed);
        ck_assert_uint_eq(copy_count_temporaries("tree"), 0);
        copy_job_free(job);
}

static void build_update(void) {
        if (scene_exists("tree/dst")) {
                scene_remove("tree/dst");
                scene_remove("tree/src");
        }
        scene_mkdir("tree/src", 0, 0755);
        scene_mkdir("tree/dst", 0, 0755);
        scene_file("tree/src/older", 0, 0644, "new");
        scene_file("tree/src/newer", 0, 0644, "new");
        scene_file("tree/src/fresh", 0, 0644, "new");
        scene_file("tree/src/file", 0, 0644, "new");
        scene_file("tree/dst/older", 0, 0644, "old");
        scene_file("tree/dst/newer", 0, 0644, "old");
        scene_mkdir("tree/dst/file", 0, 0755);
        scene_times("tree/src/older", 1000, 5);
        scene_times("tree/dst/older", 1000, 4);
        scene_times("tree/src/newer", 1000, 5);
        scene_times("tree/dst/newer", 1000, 5);
        scene_times("tree/src/file", 2000000000, 5);
}

START_TEST(updates) {
        build_update();
        update(FSOP_UPDATE_ALL, 3, 0, 1);
        scene_expect_text("tree/dst/newer", "new");
        build_update();
        update(FSOP_UPDATE_NONE, 1, 3, 0);
        scene_expect_text("tree/dst/older", "old");
        scene_expect_text("tree/dst/fresh", "new");
        build_update();
        update(FSOP_UPDATE_NONE_FAIL, 1, 0, 3);
        scene_expect_text("tree/dst/older", "old");
        build_update();
        update(FSOP_UPDATE_OLDER, 2, 1, 1);
        scene_expect_text("tree/dst/older", "new");
        scene_expect_text("tree/dst/newer", "old");
}
END_TEST

/* Between being copied and being published. */
static void somebody_is_faster(struct copy_job *job, struct copy_dir *dir) {
        (void)dir;
        scene_file("tree/dst/fresh", 0, 0644, "faster");
        job->between = NULL;
}

START_TEST(updates_when_somebody_is_faster) {
        static const struct {
                enum fsop_update update;
                uint32_t skipped, failed;
                const char *text;
        } cases[] = {{FSOP_UPDATE_ALL, 0, 0, "new"},
                     {FSOP_UPDATE_NONE, 1, 0, "faster"},
                     {FSOP_UPDATE_NONE_FAIL, 0, 1, "faster"},
                     {FSOP_UPDATE_OLDER, 1, 0, "faster"}};

        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                struct copy_job *job;

                scene_mkdir("tree/src", 0, 0755);
                scene_file("tree/src/fresh", 0, 0644, "new");
                scene_times("tree/src/fresh", 1000, 5);
                scene_mkdir("tree/dst", 0, 0755);
                job = copy_job_new("tree/src", "tree/dst");
                job->options.update = cases[i].update;
                job->between = somebody_is_faster;
                ck_assert_int_eq(copy_job_run(job), 0);
                ck_assert_uint_eq(job->skipped, cases[i].skipped);
                ck_assert_uint_eq(job->n_failures, cases[i].failed);
                scene_expect_text("tree/dst/fresh", cases[i].text);
                ck_assert_uint_eq(copy_count_temporaries("tree"), 0);
                copy_job_free(job);
                scene_remove("tree/dst");
                scene_remove("tree/src");
        }
}
END_TEST

START_TEST(excludes) {
        static const char *const patterns[] = {"*-of-the-many", "d/e", "/fifo", "*/hard", "lock*"};
        struct copy_job *job;

        copy_build_source();
        job = copy_job_new("tree/src", "tree/dst");
        job->options.excludes = patterns;
        job->options.n_excludes = sizeof(patterns) / sizeof(patterns[0]);
        ck_assert_int_eq(copy_job_run(job), 0);
        copy_expect_clean(job);
        ck_assert(scene_exists("tree/dst/many"));
        ck_assert(!scene_exists("tree/dst/many/0000-of-the-many"));
        ck_assert(scene_exists("tree/dst/d"));
        ck_assert(!scene_exists("tree/dst/d/e"));
        ck_assert(!scene_exists("tree/dst/d/hard"));
        ck_assert(!scene_exists("tree/dst/fifo"));
        ck_assert(!scene_exists("tree/dst/locked"));
        ck_assert(scene_exists("tree/dst/large"));
        copy_job_free(job);
}
END_TEST

START_TEST(one_filesystem) {
        struct copy_job *job;

        copy_build_source();
        if (mount("none", scene_path("tree/src/empty"), "tmpfs", 0, NULL) < 0) {
                scene_skip("no tmpfs can be mounted here");
                return;
        }
        scene_file("tree/src/empty/there", 0, 0644, "x");
        job = copy_job_new("tree/src", "tree/dst");
        ck_assert_int_eq(copy_job_run(job), 0);
        ck_assert(scene_exists("tree/dst/empty/there"));
        copy_job_free(job);
        scene_remove("tree/dst");

        job = copy_job_new("tree/src", "tree/dst");
        job->options.one_filesystem = true;
        ck_assert_int_eq(copy_job_run(job), 0);
        ck_assert_uint_eq(job->n_failures, 0);
        ck_assert(!scene_exists("tree/dst/empty/there"));
        copy_job_free(job);
        scene_remove("tree/dst");

        /* a rule that crosses none refuses it aloud */
        scene.guard.one_filesystem = true;
        job = copy_job_elevated();
        ck_assert_int_eq(copy_job_run(job), 0);
        ck_assert_int_eq(copy_job_failure(job, "empty"), -FSOP_EXDEV);
        ck_assert_uint_eq(job->n_failures, 1);
        copy_job_free(job);
        umount(scene_path("tree/src/empty"));
}
END_TEST

START_TEST(nothing_of_procfs) {
        struct copy_job *job;

        scene_mkdir("tree/src", 0, 0755);
        scene_mkdir("tree/src/proc", 0, 0755);
        scene_file("tree/src/version", 0, 0644, "");
        if (mount("proc", scene_path("tree/src/proc"), "proc", 0, NULL) < 0 ||
            mount("/proc/version", scene_path("tree/src/version"), NULL, MS_BIND, NULL) < 0) {
                scene_skip("no procfs can be mounted here");
                umount(scene_path("tree/src/proc"));
                return;
        }
        job = copy_job_new("tree/src", "tree/dst");
        ck_assert_int_eq(copy_job_run(job), 0);
        ck_assert_int_eq(copy_job_failure(job, "proc"), -FSOP_EACCES);
        ck_assert_int_eq(copy_job_failure(job, "version"), -FSOP_EACCES);
        ck_assert(!scene_exists("tree/dst/version"));
        copy_job_free(job);
        umount(scene_path("tree/src/proc"));
        umount(scene_path("tree/src/version"));
}
END_TEST

int main(void) {
        Suite *suite = suite_create("copy_existing");
        TCase *tcase = tcase_create("copy");

        scene_need_root();
        tcase_set_timeout(tcase, 300);
        tcase_add_checked_fixture(tcase, scene_open, scene_close);
        tcase_add_test(tcase, ends_that_do_not_fit);
        tcase_add_test(tcase, updates);
        tcase_add_test(tcase, updates_when_somebody_is_faster);
        tcase_add_test(tcase, excludes);
        tcase_add_test(tcase, one_filesystem);
        tcase_add_test(tcase, nothing_of_procfs);
        suite_add_tcase(suite, tcase);
        return suite_run(suite);
}
