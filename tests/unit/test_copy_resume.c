/* SPDX-License-Identifier: MIT */
/*
 * test_copy_resume.c: copies that are stopped, given up or run out of room, what they leave behind, and how they go on.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "backends/linux/sys_linux.h"
#include "tests/support/copy_kit.h"
#include "tests/support/suite.h"

/* ---- giving up and going on -------------------------------------------------------------------------------------- */

static void stop_here(struct copy_job *job, struct copy_dir *dir) {
        (void)dir;
        __atomic_store_n(&job->tree.stop, 1, __ATOMIC_RELAXED);
}

START_TEST(stopped) {
        struct copy_file files[3] = {{.name = "f"}, {.name = "mid"}, {.name = "link"}};
        struct copy_job *job;
        struct copy_dir *top;

        copy_build_source();
        scene_mkdir("tree/dst", 0, 0755);
        job = copy_job_new("tree/src", "tree/dst");
        ck_assert_int_eq(copy_job_open(job), 0);
        ck_assert_int_eq(copy_top(&job->tree, &top, &job->error), 0);
        stop_here(job, top);
        copy_files(&job->tree, top, files, 3);
        for (int i = 0; i < 3; i++)
                ck_assert_int_eq(files[i].outcome, COPY_PENDING);
        ck_assert_uint_eq(copy_count_temporaries("tree"), 0);
        job->tree.stop = 0;
        files[0].first_link = true;
        copy_files(&job->tree, top, files, 3);
        ck_assert_uint_eq(copy_count_temporaries("tree"), 3);
        copy_discard(&job->tree, top, &files[0]);
        ck_assert_uint_eq(copy_count_temporaries("tree"), 2);
        job->tree.stop = 1;
        ck_assert_int_eq(copy_remove_temporaries(&job->tree, &job->error), 0);
        ck_assert_uint_eq(copy_count_temporaries("tree"), 0);
        copy_dir_free(top);
        copy_job_free(job);
}
END_TEST

/* What a crash can cost: one call copies no more than it may. */
START_TEST(enough_for_one_call) {
        struct copy_file files[4] = {{.name = "a"}, {.name = "b"}, {.name = "c"}, {.name = "d"}};
        struct copy_job *job;
        struct copy_dir *top;

        scene_mkdir("tree/src", 0, 0755);
        scene_mkdir("tree/dst", 0, 0755);
        for (int i = 0; i < 4; i++) {
                char name[] = "tree/src/?";

                name[9] = files[i].name[0];
                scene_file(name, 0, 0644, "");
                ck_assert_int_eq(truncate(scene_path(name), i < 3 ? (off_t)COPY_FILES_BYTES / 2 : 0), 0);
        }
        job = copy_job_new("tree/src", "tree/dst");
        job->options.clone = FSOP_CLONE_NEVER;
        ck_assert_int_eq(copy_job_open(job), 0);
        ck_assert_int_eq(copy_top(&job->tree, &top, &job->error), 0);
        copy_files(&job->tree, top, files, 4);
        ck_assert_int_eq(files[1].outcome, COPY_COPIED);
        ck_assert_int_eq(files[2].outcome, COPY_PENDING);
        ck_assert_int_eq(files[3].outcome, COPY_PENDING);
        ck_assert_uint_eq(copy_count_temporaries("tree"), 2);
        copy_files(&job->tree, top, files + 2, 2);
        ck_assert_int_eq(files[3].outcome, COPY_COPIED);
        copy_publish(&job->tree, top, files, 4);
        ck_assert(scene_exists("tree/dst/d"));
        ck_assert_uint_eq(copy_count_temporaries("tree"), 0);
        copy_dir_free(top);
        copy_job_free(job);
}
END_TEST

/* A resumed run passes by what has a temporary name of its job and cannot be removed, removes the rest, and can be
 * stopped. */
START_TEST(sweeps_what_it_can) {
        static const char stuck[] = "tree/dst/.fsop-7-0123456789abcdef-00000001",
                          gone[] = "tree/dst/.fsop-7-0123456789abcdef-00000002";
        struct copy_job *job;
        struct copy_dir *top;

        copy_build_source();
        scene_mkdir("tree/dst", 0, 0755);
        scene_mkdir(stuck, 0, 0755);
        scene_file(gone, 0, 0600, "x");
        job = copy_job_new("tree/src", "tree/dst");
        job->tree.resumed = true;
        ck_assert_int_eq(copy_job_open(job), 0);
        job->tree.stop = 1;
        ck_assert_int_eq(copy_top(&job->tree, &top, &job->error), -FSOP_ECANCELED);
        ck_assert(scene_exists(gone));
        job->tree.stop = 0;
        ck_assert_int_eq(copy_top(&job->tree, &top, &job->error), 0);
        ck_assert(scene_exists(stuck));
        ck_assert(!scene_exists(gone));
        copy_dir_free(top);
        ck_assert_int_lt(copy_remove_temporaries(&job->tree, &job->error), 0); /* who gives up is told */
        copy_job_free(job);
}
END_TEST

/* What cannot be removed is not published with the directory around it: the run ends, and the next one tries again. */
START_TEST(half_a_file_stays) {
        struct copy_file files[2] = {{.name = "f", .first_link = true}, {.name = "mid"}};
        struct copy_job *job;
        struct copy_dir *top;
        char name[300];

        copy_build_source();
        job = copy_job_new("tree/src", "tree/new");
        ck_assert_int_eq(copy_job_open(job), 0);
        ck_assert_int_eq(copy_top(&job->tree, &top, &job->error), 0);
        snprintf(name, sizeof(name), "tree/%s/f", job->tree.temporary);
        copy_files(&job->tree, top, files, 1);
        ck_assert_int_eq(files[0].outcome, COPY_COPIED);
        files[0].error = (struct copy_error){.code = -FSOP_EDQUOT, .denied = true};
        ck_assert_int_eq(unlink(scene_path(name)), 0);
        scene_mkdir(name, 0, 0755); /* which unlink() does not remove */
        copy_discard(&job->tree, top, &files[0]);
        ck_assert_int_eq(files[0].outcome, COPY_FAILED);
        ck_assert_int_eq(files[0].error.code, -FSOP_EAGAIN);
        ck_assert(!files[0].error.denied);
        for (int resumed = 0; resumed < 2; resumed++) {
                job->tree.resumed = resumed;
                files[0] = (struct copy_file){.name = "f", .first_link = true};
                copy_files(&job->tree, top, files, 1);
                ck_assert_int_eq(files[0].outcome, COPY_FAILED);
                ck_assert_int_eq(files[0].error.code, resumed ? -FSOP_EAGAIN : -FSOP_EEXIST);
        }
        ck_assert_int_eq(rmdir(scene_path(name)), 0);
        copy_files(&job->tree, top, files + 1, 1);
        files[1].error = (struct copy_error){.code = -FSOP_EDQUOT, .denied = true};
        copy_discard(&job->tree, top, &files[1]);
        ck_assert_int_eq(files[1].error.code, -FSOP_EDQUOT);
        snprintf(name, sizeof(name), "tree/%s/mid", job->tree.temporary);
        ck_assert(!scene_exists(name));
        copy_dir_free(top);
        copy_job_free(job);
}
END_TEST

static int removed(const char *to, struct identity *identity) {
        struct copy_job *job = copy_job_new("tree/src", to);
        struct copy_dir *top, *sub;
        int r;

        copy_job_as(job, identity);
        job->options.preserve &= ~(uint32_t)FSOP_PRESERVE_LINKS;
        ck_assert_int_eq(copy_job_open(job), 0);
        ck_assert_int_eq(copy_top(&job->tree, &top, &job->error), 0);
        ck_assert_int_eq(copy_enter(&job->tree, top, "locked", &sub, &job->error), 0);
        struct copy_file files[1] = {{.name = "g"}};

        copy_files(&job->tree, sub, files, 1);
        ck_assert_int_eq(files[0].outcome, COPY_COPIED);
        ck_assert_int_eq(copy_finish_dir(&job->tree, sub, &job->error), 0);
        copy_dir_free(sub);
        copy_dir_free(top);
        r = copy_remove_temporaries(&job->tree, &job->error);
        copy_job_free(job);
        return r;
}

/* Another directory of the writer's has the temporary name when the job goes on. */
START_TEST(another_top_is_found) {
        struct copy_job *job;
        struct copy_dir *top;
        struct copy_made made;
        char name[128];

        copy_build_source();
        job = copy_job_new("tree/src", "tree/dst");
        ck_assert_int_eq(copy_job_open(job), 0);
        ck_assert_int_eq(copy_top(&job->tree, &top, &job->error), 0);
        copy_dir_free(top);
        made = job->tree.top;
        snprintf(name, sizeof(name), "tree/%s", job->tree.temporary);
        ck_assert_uint_eq(made.ino, scene_stat(name).ino);
        copy_job_free(job);
        ck_assert_int_eq(rename(scene_path(name), scene_path("tree/was")), 0);
        scene_mkdir(name, 0, 0700);
        for (int i = 0; i < 3; i++) { /* another one; the same number, born at another time; it itself */
                job = copy_job_new("tree/src", "tree/dst");
                job->tree.resumed = true;
                job->tree.top = made;
                if (i == 1)
                        job->tree.top = (struct copy_made){scene_stat(name).ino, {made.btime.sec + 1, made.btime.nsec}};
                if (i == 2) {
                        scene_remove(name);
                        ck_assert_int_eq(rename(scene_path("tree/was"), scene_path(name)), 0);
                }
                ck_assert_int_eq(copy_job_open(job), 0);
                if (i < 2 && (i == 0 || made.btime.sec != 0)) {
                        ck_assert_int_eq(copy_top(&job->tree, &top, &job->error), -FSOP_ESTALE);
                        ck_assert_int_eq(copy_remove_temporaries(&job->tree, &job->error), -FSOP_ESTALE);
                        ck_assert(scene_exists(name));
                } else if (i == 2) {
                        ck_assert_int_eq(copy_top(&job->tree, &top, &job->error), 0);
                        copy_dir_free(top);
                        ck_assert_int_eq(copy_remove_temporaries(&job->tree, &job->error), 0);
                        ck_assert(!scene_exists(name));
                }
                copy_job_free(job);
        }
}
END_TEST

/* Of a tree that is half made, however its directories may look by then. */
START_TEST(given_up) {
        copy_build_source();
        scene_mkdir("tree/mine", NOBODY, 0755);
        ck_assert_int_eq(removed("tree/mine/dst", identity_of_service(true)), 0);
        ck_assert_uint_eq(copy_count_temporaries("tree"), 0);
        ck_assert_int_eq(removed("tree/mine/dst", scene.nobody), 0);
        ck_assert_uint_eq(copy_count_temporaries("tree"), 0);
        ck_assert(!scene_exists("tree/mine/dst"));
}
END_TEST

/* What an earlier run has left is used, replaced or removed. */
START_TEST(resumed) {
        char left[128], name[160];
        struct copy_job *job;

        copy_build_source();
        job = copy_job_new("tree/src", "tree/dst");
        snprintf(left, sizeof(left), "tree/%s", job->tree.temporary);
        scene_mkdir(left, 0, 0700);
        snprintf(name, sizeof(name), "%s/d", left);
        scene_mkdir(name, NOBODY, 0555);
        snprintf(name, sizeof(name), "%s/f", left);
        scene_file(name, 0, 0600, "half of so");
        snprintf(name, sizeof(name), "%s/link", left);
        scene_symlink("elsewhere", name);
        ck_assert_int_eq(copy_job_open(job), 0);
        ck_assert_int_eq(copy_job_fill(job), -FSOP_EEXIST);
        copy_job_free(job);

        job = copy_job_new("tree/src", "tree/dst");
        job->tree.resumed = true;
        ck_assert_int_eq(copy_job_run(job), 0);
        copy_expect_clean(job);
        copy_job_free(job);
        copy_expect_same("tree/src", "tree/dst");

        /* into what is there: files under temporary names go, but for a part that is gone on with */
        job = copy_job_new("tree/src", "tree/dst");
        const char *parts[] = {".fsop-7-0123456789abcdef-00000001", ".fsop-7-0123456789abcdef-00000003"};

        for (unsigned i = 0; i < 4; i++) {
                snprintf(name, sizeof(name), "tree/dst/d/%s-%08x", job->tree.temporary, i);
                scene_file(name, 0, 0600, "half");
        }
        job->tree.resumed = true;
        job->tree.parts = parts;
        job->tree.n_parts = 2;
        ck_assert_int_eq(copy_job_run(job), 0);
        ck_assert_uint_eq(job->n_failures, 0);
        ck_assert_uint_eq(copy_count_temporaries("tree"), 2);
        ck_assert_int_eq(copy_remove_temporaries(&job->tree, &job->error), 0);
        copy_expect_clean(job);
        copy_job_free(job);
        /* the parts that went changed the directory's times */
        scene_times("tree/dst/d", 4000, 4);
        copy_expect_same("tree/src", "tree/dst");
}
END_TEST

/* All but the last rename is done, and some files are to be copied again: into directories that are somebody's by now,
 * and whose scene_chown default ACLs new files would inherit. */
START_TEST(resumed_at_the_end) {
        struct copy_job *job;
        char made[128], file[200];

        copy_build_source();
        scene_file("tree/src/d/e/file", SOMEBODY, 0644, "no ACL");
        scene_times("tree/src/d/e", 3000, 3);
        scene.guard.links_any = scene.guard.set_id = true; /* but not foreign_parent */
        job = copy_job_elevated();
        ck_assert_int_eq(copy_job_run(job), 0);
        copy_expect_clean(job);
        snprintf(made, sizeof(made), "tree/%s", job->tree.temporary);
        copy_job_free(job);
        copy_expect_same("tree/src", "tree/dst");
        ck_assert_int_eq(rename(scene_path("tree/dst"), scene_path(made)), 0);
        snprintf(file, sizeof(file), "%s/d/e/file", made);
        ck_assert_int_eq(unlink(scene_path(file)), 0);
        job = copy_job_elevated();
        job->tree.resumed = true;
        ck_assert_int_eq(copy_job_run(job), 0);
        copy_expect_clean(job);
        copy_job_free(job);
        copy_expect_same("tree/src", "tree/dst");
}
END_TEST

/* Somebody has put a directory of his scene_chown where the top was. */
START_TEST(resumed_in_a_trap) {
        char left[128];
        struct copy_job *job;

        copy_build_source();
        scene_chmod("tree", 01777);
        job = copy_job_new("tree/src", "tree/dst");
        job->tree.resumed = true;
        snprintf(left, sizeof(left), "tree/%s", job->tree.temporary);
        scene_mkdir(left, SOMEBODY, 0777);
        ck_assert_int_eq(copy_job_run(job), -FSOP_ESTALE);
        copy_job_free(job);
}
END_TEST

/* ---- no room ----------------------------------------------------------------------------------------------------- */

START_TEST(no_room) {
        struct copy_job *job;
        char command[700];

        if (!scene_open_on("ext4"))
                return;
        scene_mkdir("tree/src", 0, 0755);
        scene_mkdir("tree/dst", 0, 0755);
        for (unsigned i = 0; i < 8; i++) {
                char name[64];

                snprintf(name, sizeof(name), "tree/src/%u", i);
                scene_fill(name, 0, 3 << 20);
        }
        snprintf(command, sizeof(command), "dd if=/dev/zero of=%s bs=1M 2>/dev/null; truncate -s -10M %s; sync -f %s",
                 scene_path("full"), scene_path("full"), scene_path("full"));
        ck_assert_int_eq(system(command), 0);
        job = copy_job_new("tree/src", "tree/dst");
        ck_assert_int_eq(copy_job_run(job), 0);
        ck_assert_uint_gt(job->n_failures, 2);
        ck_assert_uint_gt(job->copied, 0);
        for (uint32_t i = 0; i < job->n_failures; i++)
                ck_assert_int_eq(job->failures[i].error.code, -FSOP_ENOSPC);
        ck_assert_uint_eq(copy_count_temporaries("tree"), 0);
        copy_job_free(job);
        ck_assert_int_eq(unlink(scene_path("full")), 0);
        job = copy_job_new("tree/src", "tree/dst");
        ck_assert_int_eq(copy_job_run(job), 0);
        copy_expect_clean(job);
        copy_job_free(job);
        copy_expect_same("tree/src", "tree/dst");
        scene_close();
}
END_TEST

int main(void) {
        Suite *suite = suite_create("copy_resume");
        TCase *trees = tcase_create("filesystems"), *tcase = tcase_create("copy");

        scene_need_root();
        tcase_set_timeout(trees, 120);
        tcase_add_test(trees, no_room);
        tcase_set_timeout(tcase, 300);
        tcase_add_checked_fixture(tcase, scene_open, scene_close);
        tcase_add_test(tcase, another_top_is_found);
        tcase_add_test(tcase, sweeps_what_it_can);
        tcase_add_test(tcase, half_a_file_stays);
        tcase_add_test(tcase, stopped);
        tcase_add_test(tcase, enough_for_one_call);
        tcase_add_test(tcase, given_up);
        tcase_add_test(tcase, resumed);
        tcase_add_test(tcase, resumed_at_the_end);
        tcase_add_test(tcase, resumed_in_a_trap);
        suite_add_tcase(suite, trees);
        suite_add_tcase(suite, tcase);
        return suite_run(suite);
}
