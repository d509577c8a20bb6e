/* SPDX-License-Identifier: MIT */
/*
 * test_copy_races.c: somebody changes either end of a copy while it is made; and what must not come of it.
 */
#include <check.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "backends/linux/sys_linux.h"
#include "tests/support/copy_kit.h"
#include "tests/support/suite.h"

/* ---- one thing becomes another ----------------------------------------------------------------------------------- */

static void swap_file_for_fifo(struct copy_job *job, struct copy_dir *dir) {
        (void)job;
        if (strcmp(copy_dir_path(dir), "many") != 0)
                return;
        ck_assert_int_eq(unlink(scene_path("tree/src/many/0000-of-the-many")), 0);
        scene_mknod("tree/src/many/0000-of-the-many", S_IFIFO | 0600, 0);
        ck_assert_int_eq(unlink(scene_path("tree/src/many/0001-of-the-many")), 0);
        scene_mknod("tree/src/many/0001-of-the-many", S_IFCHR | 0600,
                    makedev(0, 0)); /* nobody's: to open it fails with ENXIO */
        ck_assert_int_eq(unlink(scene_path("tree/src/many/0002-of-the-many")), 0);
        scene_symlink("/etc/passwd", "tree/src/many/0002-of-the-many");
        ck_assert_int_eq(unlink(scene_path("tree/src/many/0003-of-the-many")), 0);
        scene_mkdir("tree/src/many/0003-of-the-many", 0, 0755);
        job->before = NULL;
}

/* Between being listed and being opened. */
START_TEST(files_become_something_else) {
        struct copy_job *job;

        copy_build_source();
        scene_chmod("tree/src/many", 0777);
        job = copy_job_new("tree/src", "tree/dst");
        job->before = swap_file_for_fifo;
        ck_assert_int_eq(copy_job_run(job), 0);
        ck_assert_uint_eq(job->n_failures, 0);
        ck_assert(S_ISFIFO(scene_stat("tree/dst/many/0000-of-the-many").mode));
        ck_assert(S_ISCHR(scene_stat("tree/dst/many/0001-of-the-many").mode));
        ck_assert(S_ISLNK(scene_stat("tree/dst/many/0002-of-the-many").mode));
        ck_assert(!scene_exists("tree/dst/many/0003-of-the-many"));
        copy_job_free(job);
}
END_TEST

/* In a directory of one's scene_chown it is one's scene_chown doing: nothing hangs, and nothing else comes of it. */
START_TEST(files_become_something_else_at_home) {
        struct copy_job *job;

        copy_build_source();
        job = copy_job_new("tree/src", "tree/dst");
        job->before = swap_file_for_fifo;
        ck_assert_int_eq(copy_job_run(job), 0);
        ck_assert_int_eq(copy_job_failure(job, "many/0000-of-the-many"), -FSOP_ESTALE);
        ck_assert(!scene_exists("tree/dst/many/0000-of-the-many"));
        ck_assert(S_ISLNK(scene_stat("tree/dst/many/0002-of-the-many").mode));
        copy_job_free(job);
}
END_TEST

START_TEST(directories_become_something_else) {
        struct copy_job *job;
        struct copy_dir *top, *sub;
        struct copy_error error;

        copy_build_source();
        job = copy_job_new("tree/src", "tree/dst");
        ck_assert_int_eq(copy_job_open(job), 0);
        ck_assert_int_eq(copy_top(&job->tree, &top, &error), 0);
        ck_assert_int_eq(rename(scene_path("tree/src/d"), scene_path("tree/src/was-d")), 0);
        scene_symlink("/etc", "tree/src/d");
        ck_assert_int_eq(copy_enter(&job->tree, top, "d", &sub, &error), -FSOP_ENOTDIR);
        ck_assert_int_eq(copy_enter(&job->tree, top, "f", &sub, &error), -FSOP_ENOTDIR);

        /* the target's, between being made and being finished */
        ck_assert_int_eq(copy_enter(&job->tree, top, "was-d", &sub, &error), 0);
        copy_dir_close(sub);
        char made[128], away[128];

        snprintf(made, sizeof(made), "tree/%s/was-d", job->tree.temporary);
        snprintf(away, sizeof(away), "tree/%s/away", job->tree.temporary);
        ck_assert_int_eq(rename(scene_path(made), scene_path(away)), 0);
        scene_mkdir(made, SOMEBODY, 0777);
        ck_assert_int_eq(copy_finish_dir(&job->tree, sub, &error), -FSOP_ESTALE);
        ck_assert_uint_eq(scene_stat(made).uid, SOMEBODY);
        ck_assert_int_eq(rmdir(scene_path(made)), 0);
        scene_symlink("away", made);
        copy_dir_close(sub);
        ck_assert_int_lt(copy_finish_dir(&job->tree, sub, &error), 0);
        copy_dir_free(sub);
        copy_dir_free(top);
        ck_assert_int_eq(copy_remove_temporaries(&job->tree, &error), 0);
        ck_assert_uint_eq(copy_count_temporaries("tree"), 0);
        copy_job_free(job);
}
END_TEST

/* What was filled is moved away, and something else put in its place. */
START_TEST(the_top_is_swapped) {
        struct copy_job *job;
        struct copy_dir *top;
        char made[128];

        copy_build_source();
        job = copy_job_new("tree/src", "tree/dst");
        ck_assert_int_eq(copy_job_open(job), 0);
        ck_assert_int_eq(copy_top(&job->tree, &top, &job->error), 0);
        copy_dir_free(top);
        snprintf(made, sizeof(made), "tree/%s", job->tree.temporary);
        ck_assert_int_eq(rename(scene_path(made), scene_path("tree/away")), 0);
        scene_mkdir(made, SOMEBODY, 0755);
        ck_assert_int_eq(copy_publish_top(&job->tree, false, &job->error), -FSOP_ESTALE);
        ck_assert(!scene_exists("tree/dst"));
        ck_assert_int_eq(rmdir(scene_path(made)), 0);
        ck_assert_int_eq(rename(scene_path("tree/away"), scene_path(made)), 0);
        scene_mkdir("tree/dst", 0, 0755);
        ck_assert_int_eq(copy_publish_top(&job->tree, false, &job->error), -FSOP_EEXIST);
        ck_assert_int_eq(rmdir(scene_path("tree/dst")), 0);
        ck_assert_int_eq(copy_publish_top(&job->tree, true, &job->error), 0);
        ck_assert(scene_exists("tree/dst"));
        copy_job_free(job);
}
END_TEST

/* ---- it changes while it is read --------------------------------------------------------------------------------- */

static int touching;

static void *touch(void *path) {
        struct timespec times[2] = {{0}};

        while (__atomic_load_n(&touching, __ATOMIC_RELAXED)) {
                times[1].tv_nsec = (times[1].tv_nsec + 1) % 1000000000;
                utimensat(AT_FDCWD, path, times, 0);
        }
        return NULL;
}

/* A file that changes whenever it is copied has an end, too: it is not left for another time because enough has been
 * copied. */
START_TEST(a_source_that_keeps_changing) {
        struct copy_file file = {.name = "a"};
        char *path = strdup(scene_path("tree/src/a"));
        struct copy_job *job;
        struct copy_dir *top;
        pthread_t toucher;
        uint32_t before;

        scene_mkdir("tree/src", 0, 0755);
        scene_mkdir("tree/dst", 0, 0755);
        scene_fill("tree/src/a", 0, COPY_FILES_BYTES);
        job = copy_job_new("tree/src", "tree/dst");
        job->options.clone = FSOP_CLONE_NEVER;
        ck_assert_int_eq(copy_job_open(job), 0);
        ck_assert_int_eq(copy_top(&job->tree, &top, &job->error), 0);
        touching = 1;
        ck_assert_int_eq(pthread_create(&toucher, NULL, touch, path), 0);
        do { /* until it was tried more than once */
                before = job->tree.serial;
                copy_files(&job->tree, top, &file, 1);
                ck_assert(file.outcome == COPY_COPIED || file.outcome == COPY_FAILED);
                ck_assert(file.outcome == COPY_COPIED || file.error.code == -FSOP_EBUSY);
                copy_discard(&job->tree, top, &file);
        } while (job->tree.serial == before + 1);
        __atomic_store_n(&touching, 0, __ATOMIC_RELAXED);
        pthread_join(toucher, NULL);
        ck_assert_uint_eq(copy_count_temporaries("tree"), 0);
        free(path);
        copy_dir_free(top);
        copy_job_free(job);
}
END_TEST

/* ---- exchanged all the time -------------------------------------------------------------------------------------- */

struct swapper {
        char one[512], other[512];
        int stop;
        pthread_t thread;
};

static void *swap(void *userdata) {
        struct swapper *swapper = userdata;

        while (!__atomic_load_n(&swapper->stop, __ATOMIC_RELAXED))
                renameat2(AT_FDCWD, swapper->one, AT_FDCWD, swapper->other, RENAME_EXCHANGE);
        return NULL;
}

static void swapper_start(struct swapper *swapper, const char *one, const char *other) {
        snprintf(swapper->one, sizeof(swapper->one), "%s", scene_path(one));
        snprintf(swapper->other, sizeof(swapper->other), "%s", scene_path(other));
        swapper->stop = 0;
        ck_assert_int_eq(pthread_create(&swapper->thread, NULL, swap, swapper), 0);
}

static void swapper_stop(struct swapper *swapper) {
        __atomic_store_n(&swapper->stop, 1, __ATOMIC_RELAXED);
        pthread_join(swapper->thread, NULL);
}

/* Somebody exchanges a directory, and a file, for links that lead out, on either side, as fast as can be. */
START_TEST(swapped_all_the_time) {
        struct swapper directory, file, target;
        unsigned swapped = 0, whole = 0;
        struct fsop_stat outside;

        scene_mkdir("outside/d", 0, 0700);
        scene_file("outside/d/secret", 0, 0600, "secret");
        scene_file("outside/secret", 0, 0600, "secret");
        outside = scene_stat("outside/d");
        scene_mkdir("tree/src", NOBODY, 0777);
        scene_mkdir("tree/src/d", NOBODY, 0777);
        scene_file("tree/src/d/inside", NOBODY, 0644, "inside");
        scene_file("tree/src/f", NOBODY, 0644, "inside");
        scene_mkdir("tree/side", NOBODY, 0777);
        scene_symlink("../../outside/d", "tree/side/d");
        scene_symlink("../../outside/secret", "tree/side/f");
        scene_mkdir("tree/dst", NOBODY, 0777);
        scene_mkdir("tree/dst/d", NOBODY, 0777);
        scene_symlink("../../outside/d", "tree/side/target");
        scene.guard.foreign_parent = true;
        swapper_start(&directory, "tree/src/d", "tree/side/d");
        swapper_start(&file, "tree/src/f", "tree/side/f");
        swapper_start(&target, "tree/dst/d", "tree/side/target");
        for (unsigned round = 0; round < 400 || swapped == 0 || whole == 0; round++) {
                struct copy_job *job = copy_job_elevated();

                ck_assert_int_eq(copy_job_run(job), 0);
                swapped += job->n_failures > 0;
                whole += job->n_failures == 0;
                copy_job_free(job);
                ck_assert(!scene_exists("tree/dst/secret"));
                ck_assert(!scene_exists("outside/d/inside"));
                if (scene_exists("tree/dst/f") && S_ISREG(scene_stat("tree/dst/f").mode))
                        scene_expect_text("tree/dst/f", "inside");
                unlink(scene_path("tree/dst/f"));
        }
        swapper_stop(&directory);
        swapper_stop(&file);
        swapper_stop(&target);
        ck_assert_uint_eq(scene_stat("outside/d").mode, outside.mode);
        ck_assert_uint_eq(scene_stat("outside/d").uid, outside.uid);
        ck_assert_int_eq(scene_stat("outside/d").mtime.sec, outside.mtime.sec);
        ck_assert_int_eq(scene_stat("outside/d").mtime.nsec, outside.mtime.nsec);
        ck_assert_uint_eq(scene_stat("outside/secret").uid, 0);
}
END_TEST

/* What was just made is exchanged for something that must not be given away. */
START_TEST(what_is_made_is_swapped) {
        struct swapper swapper;
        unsigned swapped = 0, whole = 0;

        scene_mkdir("tree/src", 0, 0755);
        scene_symlink("somewhere", "tree/src/x");
        scene_chown("tree/src/x", NOBODY, NOBODY);
        scene_mkdir("tree/dst", NOBODY, 0777);
        scene_file("tree/dst/precious", 0, 0600, "precious");
        scene.guard.foreign_parent = true;
        /* the temporary name's serial begins at random: here it does not */
        swapper_start(&swapper, "tree/dst/.fsop-7-0123456789abcdef-00000042", "tree/dst/precious");
        for (unsigned round = 0; round < 2000 && (swapped == 0 || whole == 0 || round < 300); round++) {
                struct copy_file one = {.name = "x", .type = FSOP_TYPE_SYMLINK};
                struct copy_job *job = copy_job_elevated();
                int precious = open(scene_path("tree/dst/precious"), O_RDONLY | O_CLOEXEC);
                struct copy_dir *top;
                struct stat st;

                ck_assert_int_ge(precious, 0);
                ck_assert_int_eq(copy_job_open(job), 0);
                ck_assert_int_eq(copy_top(&job->tree, &top, &job->error), 0);
                job->tree.serial = 0x42;
                copy_files(&job->tree, top, &one, 1);
                swapped += one.outcome == COPY_FAILED;
                whole += one.outcome == COPY_COPIED;
                copy_dir_free(top);
                copy_job_free(job);
                ck_assert_int_eq(fstat(precious, &st), 0);
                ck_assert_uint_eq(st.st_uid, 0);
                close(precious);
                /* the name is free again, and the precious one back */
                unlink(scene_path("tree/dst/.fsop-7-0123456789abcdef-00000042"));
                if (!S_ISREG(scene_stat("tree/dst/precious").mode)) {
                        unlink(scene_path("tree/dst/precious"));
                        scene_file("tree/dst/precious", 0, 0600, "precious");
                }
        }
        swapper_stop(&swapper);
        ck_assert_uint_gt(whole, 0);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("copy_races");
        TCase *tcase = tcase_create("copy");

        scene_need_root();
        tcase_set_timeout(tcase, 300);
        tcase_add_checked_fixture(tcase, scene_open, scene_close);
        tcase_add_test(tcase, files_become_something_else);
        tcase_add_test(tcase, files_become_something_else_at_home);
        tcase_add_test(tcase, directories_become_something_else);
        tcase_add_test(tcase, the_top_is_swapped);
        tcase_add_test(tcase, a_source_that_keeps_changing);
        tcase_add_test(tcase, swapped_all_the_time);
        tcase_add_test(tcase, what_is_made_is_swapped);
        suite_add_tcase(suite, tcase);
        return suite_run(suite);
}
