/* SPDX-License-Identifier: MIT */
/*
 * test_copy.c: whole trees copied by the backend, with all they carry, by several identities and threads, to
 * filesystems that clone and to such that do not. What is large or read back is in test_copy_parts.c.
 */
#include <check.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backends/linux/sys_linux.h"
#include "tests/support/copy_kit.h"
#include "tests/support/suite.h"

/* ---- whole trees ------------------------------------------------------------------------------------------------- */

static void copy_all(enum fsop_clone clone, bool twice) {
        struct copy_job *job;

        for (int i = 0; i < (twice ? 2 : 1); i++) {
                job = copy_job_new("tree/src", "tree/dst");
                job->options.clone = clone;
                ck_assert_int_eq(copy_job_run(job), 0);
                copy_expect_clean(job);
                ck_assert_int_eq(job->tree.fresh, i == 0);
                copy_job_free(job);
                copy_expect_same("tree/src", "tree/dst");
        }
        ck_assert_uint_eq(scene_stat("tree/dst/f").ino, scene_stat("tree/dst/d/hard").ino);
        scene_remove("tree/dst");
}

START_TEST(a_tree_with_everything) {
        static const char *const filesystems[] = {NULL, "xfs", "btrfs", "ext4"};

        if (filesystems[_i] == NULL)
                scene_open();
        else if (!scene_open_on(filesystems[_i]))
                return;
        copy_build_source();
        copy_all(FSOP_CLONE_AUTO, true);
        copy_all(FSOP_CLONE_NEVER, true);
        scene_close();
}
END_TEST

static struct identity *root_without(void) {
        return identity_of_service(false);
}

/* Reader, writer and keeper are three, so that files go through their phases in groups. */
START_TEST(three_identities) {
        struct identity *maker;
        struct copy_job *job;

        ck_assert_int_eq(identity_to_create_as(SOMEBODY, SOMEBODY, NULL, 0, true, true, &maker), 0);
        copy_build_source();
        scene_chmod("tree", 0777);
        job = copy_job_new("tree/src", "tree/dst");
        job->tree.reader = root_without();
        job->tree.writer = maker;
        ck_assert_int_eq(copy_job_run(job), 0);
        copy_expect_clean(job);
        copy_job_free(job);
        copy_expect_same("tree/src", "tree/dst");
        identity_unref(maker);
}
END_TEST

START_TEST(a_single_file) {
        static const char *const names[] = {"f", "link", "fifo", "char", "holes", "large", "acl"};
        char from[64];

        copy_build_source();
        for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
                struct copy_job *job;

                snprintf(from, sizeof(from), "tree/src/%s", names[i]);
                for (int twice = 0; twice < 2; twice++) {
                        job = copy_job_new(from, "tree/one");
                        ck_assert_int_eq(copy_job_run(job), 0);
                        copy_expect_clean(job);
                        ck_assert_uint_eq(job->copied, 1);
                        copy_job_free(job);
                }
                if (strcmp(names[i], "f") != 0) /* which has other links */
                        copy_expect_same(from, "tree/one");
                ck_assert_int_eq(unlink(scene_path("tree/one")), 0);
        }
}
END_TEST

/* Deeper than a path may be long. */
START_TEST(a_deep_tree) {
        char name[201], command[600];
        int fd = open(scene_path("tree"), O_PATH | O_DIRECTORY | O_CLOEXEC), below;
        struct copy_job *job;
        uint64_t files, bytes;

        memset(name, 'd', 200);
        name[200] = 0;
        for (int i = 0; i < 60; i++) {
                ck_assert_int_eq(mkdirat(fd, i == 0 ? "deep" : name, 0755), 0);
                below = openat(fd, i == 0 ? "deep" : name, O_PATH | O_DIRECTORY | O_CLOEXEC);
                ck_assert_int_ge(below, 0);
                close(fd);
                fd = below;
        }
        below = openat(fd, "bottom", O_WRONLY | O_CREAT | O_CLOEXEC, 0640);
        ck_assert_int_eq(write(below, "x", 1), 1);
        close(below);
        close(fd);
        job = copy_job_new("tree/deep", "tree/copy");
        ck_assert_int_eq(copy_job_run(job), 0);
        copy_expect_clean(job);
        ck_assert_int_eq(copy_count(&job->tree, &files, &bytes, &job->error), 0);
        ck_assert_uint_eq(files, 1);
        ck_assert_uint_eq(bytes, 1);
        copy_job_free(job);
        snprintf(command, sizeof(command),
                 "cd %s && [ \"$(find copy -printf '%%m %%f\\n')\" = \"$(find deep -printf '%%m %%f\\n' | sed "
                 "'1s/deep/copy/')\" ]",
                 scene_path("tree"));
        ck_assert_int_eq(system(command), 0);
        snprintf(command, sizeof(command), "rm -rf %s %s", scene_path("tree/deep"), scene_path("tree/copy"));
        ck_assert_int_eq(system(command), 0);
}
END_TEST

START_TEST(counts) {
        struct copy_job *job;
        uint64_t files, bytes, expected;

        copy_build_source();
        job = copy_job_new("tree/src", "tree/dst");
        ck_assert_int_eq(copy_job_open(job), 0);
        ck_assert_int_eq(copy_count(&job->tree, &files, &bytes, &job->error), 0);
        ck_assert_int_eq(copy_job_fill(job), 0);
        ck_assert_uint_eq(files, job->copied);
        ck_assert_uint_eq(bytes, job->bytes + job->cloned_bytes);
        expected = scene_stat("tree/src/f").size;
        ck_assert_uint_gt(bytes, (6u << 20) + 12345678u + (20u << 20));
        job->options.preserve &= ~(uint32_t)FSOP_PRESERVE_LINKS;
        uint64_t more;

        ck_assert_int_eq(copy_count(&job->tree, &files, &more, &job->error), 0);
        ck_assert_uint_eq(more, bytes + expected);
        copy_job_free(job);
}
END_TEST

/* ---- clones ------------------------------------------------------------------------------------------------------ */

START_TEST(clones) {
        static const char *const filesystems[] = {"xfs", "btrfs", "ext4"};
        struct copy_job *job;
        bool can = _i < 2;

        if (!scene_open_on(filesystems[_i]))
                return;
        scene_mkdir("tree/src", 0, 0755);
        scene_fill("tree/src/small", 0, 6001);
        scene_fill("tree/src/large", 0, 9 << 20);
        job = copy_job_new("tree/src", "tree/dst");
        job->options.clone = FSOP_CLONE_ALWAYS;
        ck_assert_int_eq(copy_job_run(job), 0);
        ck_assert_uint_eq(job->cloned_bytes, can ? 6001 + (9 << 20) : 0);
        ck_assert_uint_eq(job->bytes, 0);
        ck_assert_uint_eq(job->large, 0);
        ck_assert_int_eq(copy_job_failure(job, "large"), can ? 0 : -FSOP_EOPNOTSUPP);
        ck_assert_int_eq(copy_job_failure(job, "small"), can ? 0 : -FSOP_EOPNOTSUPP);
        if (!can)
                ck_assert_ptr_nonnull(job->failures[0].error.why);
        copy_job_free(job);
        scene_remove("tree/dst");

        job = copy_job_new("tree/src", "tree/dst");
        ck_assert_int_eq(copy_job_run(job), 0);
        copy_expect_clean(job);
        ck_assert_uint_eq(job->cloned_bytes, can ? 6001 + (9 << 20) : 0);
        ck_assert_uint_eq(job->bytes, can ? 0 : 6001 + (9 << 20));
        ck_assert_int_eq(job->tree.no_clone, !can);
        copy_job_free(job);
        copy_expect_same("tree/src", "tree/dst");
        scene_remove("tree/dst");

        job = copy_job_new("tree/src", "tree/dst");
        job->options.clone = FSOP_CLONE_NEVER;
        ck_assert_int_eq(copy_job_run(job), 0);
        ck_assert_uint_eq(job->cloned_bytes, 0);
        ck_assert_uint_eq(job->large, 1);
        copy_job_free(job);
        copy_expect_same("tree/src", "tree/dst");
        scene_close();
}
END_TEST

/* ---- several at once --------------------------------------------------------------------------------------------- */

struct worker {
        struct copy_job *job;
        struct copy_dir *dir;
        unsigned from, to, failed;
        pthread_t thread;
};

static void *work(void *userdata) {
        struct worker *worker = userdata;
        struct copy_file files[16];
        char names[16][32];

        sys_thread_start();
        for (unsigned i = worker->from; i < worker->to; i += 16) {
                for (unsigned j = 0; j < 16; j++) {
                        snprintf(names[j], sizeof(names[j]), "%04u-of-the-many", i + j);
                        files[j] = (struct copy_file){.name = names[j], .type = FSOP_TYPE_REGULAR};
                }
                copy_files(&worker->job->tree, worker->dir, files, 16);
                copy_publish(&worker->job->tree, worker->dir, files, 16);
                for (unsigned j = 0; j < 16; j++)
                        worker->failed += files[j].outcome != COPY_COPIED;
        }
        sys_thread_stop();
        return NULL;
}

START_TEST(several_threads) {
        struct worker workers[4];
        struct copy_job *job;
        struct copy_dir *top, *many;

        copy_build_source();
        scene_mkdir("tree/dst", 0, 0755);
        job = copy_job_new("tree/src", "tree/dst");
        job->tree.keeper = identity_of_service(false); /* in groups */
        ck_assert_int_eq(copy_job_open(job), 0);
        ck_assert_int_eq(copy_top(&job->tree, &top, &job->error), 0);
        ck_assert_int_eq(copy_enter(&job->tree, top, "many", &many, &job->error), 0);
        for (unsigned i = 0; i < 4; i++) {
                workers[i] = (struct worker){.job = job, .dir = many, .from = i * 64, .to = i * 64 + 64};
                ck_assert_int_eq(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
        }
        for (unsigned i = 0; i < 4; i++) {
                pthread_join(workers[i].thread, NULL);
                ck_assert_uint_eq(workers[i].failed, 0);
        }
        copy_dir_free(many);
        copy_dir_free(top);
        copy_job_free(job);
        copy_expect_same("tree/src/many/0007-of-the-many", "tree/dst/many/0007-of-the-many");
        copy_expect_same("tree/src/many/0255-of-the-many", "tree/dst/many/0255-of-the-many");
        ck_assert_uint_eq(copy_count_temporaries("tree"), 0);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("copy");
        TCase *trees = tcase_create("filesystems"), *tcase = tcase_create("copy");

        scene_need_root();
        tcase_set_timeout(trees, 120);
        tcase_add_loop_test(trees, a_tree_with_everything, 0, 4);
        tcase_add_loop_test(trees, clones, 0, 3);
        tcase_set_timeout(tcase, 300);
        tcase_add_checked_fixture(tcase, scene_open, scene_close);
        tcase_add_test(tcase, three_identities);
        tcase_add_test(tcase, a_single_file);
        tcase_add_test(tcase, a_deep_tree);
        tcase_add_test(tcase, counts);
        tcase_add_test(tcase, several_threads);
        suite_add_tcase(suite, trees);
        suite_add_tcase(suite, tcase);
        return suite_run(suite);
}
