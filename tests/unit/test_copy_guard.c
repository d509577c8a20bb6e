/* SPDX-License-Identifier: MIT */
/*
 * test_copy_guard.c: copies with a rule's rights whose ends are carried out of the rule's directory on the way, that
 * meet names which are kept out, or that others would like to look into.
 */
#include <check.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backends/linux/copy_linux.h"
#include "tests/support/copy_kit.h"
#include "tests/support/suite.h"

static struct copy_job *job;
static struct copy_dir *top;
static struct copy_error error;

static void furnish(void) {
        scene_mkdir("tree/src", 0, 0755);
        scene_mkdir("tree/src/d", 0, 0755);
        scene_file("tree/src/d/file", 0, 0644, "text");
        scene_file("tree/src/f", 0, 0644, "text");
        scene_file("tree/src/g", 0, 0644, "text");
}

/* Into a directory that is there. */
static void begin(void) {
        furnish();
        scene_mkdir("tree/dst", 0, 0755);
        job = copy_job_elevated();
        ck_assert_int_eq(copy_job_open(job), 0);
}

static void carry_away(const char *name) {
        char from[64], to[64];

        snprintf(from, sizeof(from), "tree/%s", name);
        snprintf(to, sizeof(to), "outside/%s", name);
        ck_assert_int_eq(rename(scene_path(from), scene_path(to)), 0);
}

static void expect_refused(int code) {
        ck_assert_int_eq(code, -FSOP_EXDEV);
        ck_assert(error.denied);
        ck_assert_ptr_nonnull(error.why);
}

START_TEST(the_source_is_carried_away) {
        begin();
        carry_away("src");
        expect_refused(copy_top(&job->tree, &top, &error));
        copy_job_free(job);
}
END_TEST

START_TEST(the_target_is_carried_away) {
        begin();
        carry_away("dst");
        expect_refused(copy_top(&job->tree, &top, &error));
        copy_job_free(job);
}
END_TEST

START_TEST(the_target_is_carried_away_later) {
        struct copy_dir *sub;

        begin();
        ck_assert_int_eq(copy_top(&job->tree, &top, &error), 0);
        carry_away("dst");
        expect_refused(copy_enter(&job->tree, top, "d", &sub, &error));
        ck_assert_ptr_null(sub);
        ck_assert(!scene_exists("outside/dst/d/file"));
        copy_dir_free(top);
        copy_job_free(job);
}
END_TEST

START_TEST(the_target_is_carried_away_before_its_end) {
        struct copy_dir *sub;

        begin();
        ck_assert_int_eq(chmod(scene_path("tree/src/d"), 0750), 0);
        ck_assert_int_eq(copy_top(&job->tree, &top, &error), 0);
        ck_assert_int_eq(copy_enter(&job->tree, top, "d", &sub, &error), 0);
        copy_dir_close(sub); /* it is found again by its path below the top */
        carry_away("dst");
        expect_refused(copy_finish_dir(&job->tree, sub, &error));
        ck_assert_uint_ne(scene_stat("outside/dst/d").mode & 07777, 0750);
        copy_dir_free(sub);
        copy_dir_free(top);
        copy_job_free(job);
}
END_TEST

/* ---- objects ----------------------------------------------------------------------------------------------------- */

/* A mount on a file, which its directory's owner knows nothing of. */
START_TEST(a_file_on_another_mount) {
        furnish();
        scene_mkdir("tree/dst", 0, 0755);
        scene_file("outside/secret", 0, 0600, "secret");
        if (mount(scene_path("outside/secret"), scene_path("tree/src/f"), NULL, MS_BIND, NULL) < 0) {
                scene_skip("nothing can be mounted here");
                return;
        }
        scene.guard.one_filesystem = true;
        job = copy_job_elevated();
        ck_assert_int_eq(copy_job_run(job), 0);
        ck_assert_uint_eq(job->n_failures, 1);
        ck_assert_int_eq(copy_job_failure(job, "f"), -FSOP_EXDEV);
        ck_assert(scene_exists("tree/dst/g") && !scene_exists("tree/dst/f"));
        copy_job_free(job);
        ck_assert_int_eq(umount2(scene_path("tree/src/f"), MNT_DETACH), 0);
}
END_TEST

/* A rule for what belongs to the caller is none for a stranger's directory in the target. */
START_TEST(a_directory_of_somebody_else) {
        static const char *const mine[] = {"tree/src",   "tree/src/d", "tree/src/d/file",
                                           "tree/src/f", "tree/src/g", "tree/dst"};

        furnish();
        scene_mkdir("tree/dst", 0, 0755);
        scene_mkdir("tree/dst/d", SOMEBODY, 0755);
        for (size_t i = 0; i < sizeof(mine) / sizeof(mine[0]); i++)
                ck_assert_int_eq(chown(scene_path(mine[i]), NOBODY, NOBODY), 0);
        scene.guard.owned_by_caller = true;
        job = copy_job_elevated();
        ck_assert_int_eq(copy_job_run(job), 0);
        ck_assert_uint_eq(job->n_failures, 1);
        ck_assert_int_eq(copy_job_failure(job, "d"), -FSOP_EPERM);
        ck_assert(scene_exists("tree/dst/g") && !scene_exists("tree/dst/d/file"));
        copy_job_free(job);
}
END_TEST

/* ---- names ------------------------------------------------------------------------------------------------------- */

static const char *kept_out(void *context, struct bytes path) {
        const char *const *names = context;

        for (; *names; names++)
                if (path.len == strlen(*names) && memcmp(path.data, *names, path.len) == 0)
                        return "it is kept out";
        return NULL;
}

/* Whichever end it is that a name is kept out of, and whatever it is the name of. */
START_TEST(names_that_are_kept_out) {
        static const char *const names[] = {"f", "d/file", NULL}, *const directories[] = {"d", NULL};

        for (int i = 0; i < 4; i++) {
                begin();
                job->tree.reach.context = (void *)(uintptr_t)(i < 2 ? names : directories);
                *(i % 2 == 0 ? &job->tree.reach.source : &job->tree.reach.target) = kept_out;
                ck_assert_int_eq(copy_job_fill(job), 0);
                ck_assert_uint_eq(job->n_failures, i < 2 ? 2 : 1);
                ck_assert_int_eq(copy_job_failure(job, i < 2 ? "f" : "d"), -FSOP_EPERM);
                ck_assert_int_eq(copy_job_failure(job, "d/file"), i < 2 ? -FSOP_EPERM : 0);
                ck_assert(job->failures[0].error.denied);
                ck_assert(scene_exists("tree/dst/g") && !scene_exists("tree/dst/d/file"));
                ck_assert_int_eq(scene_exists("tree/dst/f"), i >= 2);
                ck_assert_int_eq(scene_exists("tree/dst/d"), i < 2);
                copy_job_free(job);
                scene_remove("tree/src");
                scene_remove("tree/dst");
        }
}
END_TEST

/* A further link is asked about, too. */
START_TEST(links_that_are_kept_out) {
        static const char *const names[] = {"g", NULL};
        struct copy_file file = {.name = "g", .type = FSOP_TYPE_REGULAR};

        begin();
        scene_file("tree/dst/f", 0, 0644, "text");
        job->tree.reach = (struct copy_reach){.source = kept_out, .context = (void *)(uintptr_t)names};
        ck_assert_int_eq(copy_top(&job->tree, &top, &error), 0);
        copy_link(&job->tree, "f", top, &file);
        ck_assert_int_eq(file.outcome, COPY_FAILED);
        ck_assert(file.error.denied && !scene_exists("tree/dst/g"));
        copy_dir_free(top);
        copy_job_free(job);
}
END_TEST

/* ---- names, where the rule's directory was reached by another way ------------------------------------------------ */

/* From tree/src to tree/dst, neither known to rules by that name. */
static void begin_by_another_way(void) {
        job = copy_job_elevated();
        job->from.followed = job->to.followed = true;
}

/* Nothing has the name yet, and gets it. */
START_TEST(names_that_nothing_has_yet) {
        static const char *const names[] = {"f", "d", "d/file", "d/linked"};

        for (unsigned i = 0; i < 4; i++) {
                char name[32];

                furnish();
                ck_assert_int_eq(link(scene_path("tree/src/f"), scene_path("tree/src/d/linked")), 0);
                scene_mkdir("tree/dst", 0, 0755);
                snprintf(name, sizeof(name), "tree/dst/%s", names[i]);
                scene_keep_name(name);
                begin_by_another_way();
                ck_assert_int_eq(copy_job_run(job), 0);
                ck_assert_uint_eq(job->n_failures, 1);
                ck_assert_int_eq(copy_job_failure(job, names[i]), -FSOP_EPERM);
                ck_assert(job->failures[0].error.denied);
                ck_assert(scene_exists("tree/dst/g") && !scene_exists(name));
                copy_job_free(job);
                scene_remove("tree/src");
                scene_remove("tree/dst");
        }
}
END_TEST

/* A directory that does not exist yet is built whole, and gets its name at the end: not where that makes such a
 * name. */
START_TEST(names_in_what_is_made) {
        furnish();
        scene_keep_name("tree/dst/d/file");
        begin_by_another_way();
        ck_assert_int_eq(copy_job_open(job), -FSOP_EPERM);
        ck_assert(job->error.denied && !job->error.source);
        copy_job_free(job);
        job = copy_job_elevated();
        ck_assert_int_eq(copy_job_run(job), 0); /* by its own path names are asked about one by one: here by nobody */
        ck_assert(scene_exists("tree/dst/d/file"));
        copy_job_free(job);
}
END_TEST

static void comes(struct copy_job *unused, struct copy_dir *dir) {
        (void)unused;
        if (copy_dir_path(dir)[0] == 0)
                scene_file("tree/closed/kept", 0, 0600, "secret");
}

/* Something else has the name by now, at either end: before a file is opened, and before it gets its own name. In a
 * directory that the job makes it has that from the beginning. */
START_TEST(names_that_something_else_has) {
        for (unsigned i = 0; i < 6; i++) {
                bool fresh = i >= 4;

                furnish();
                scene_mkdir("tree/closed", 0, 0700);
                if (!fresh)
                        scene_mkdir("tree/dst", 0, 0755);
                scene_keep_name("tree/closed/kept");
                job = copy_job_elevated();
                *(i % 2 ? &job->to.followed : &job->from.followed) = true;
                *(i / 2 == 1 ? &job->between : &job->before) = comes;
                ck_assert_int_eq(copy_job_run(job), 0);
                ck_assert_int_eq(copy_job_failure(job, "f"), -FSOP_EAGAIN);
                ck_assert_int_eq(copy_job_failure(job, "g"), -FSOP_EAGAIN);
                ck_assert_int_eq(scene_outdated, 1);
                ck_assert(!scene_exists("tree/dst/g") && !scene_exists("tree/dst/f"));
                ck_assert_uint_eq(copy_count_temporaries("tree"), 0);
                copy_job_free(job);
                scene_remove("tree/src");
                scene_remove("tree/dst");
                scene_remove("tree/closed");
        }
}
END_TEST

/* As long as they are the same, everybody is again who he was after they were looked at; that need not be
 * somebody who could look. */
START_TEST(names_that_are_the_same) {
        furnish();
        scene_mkdir("tree/closed", 0, 0700);
        scene_file("tree/closed/kept", 0, 0600, "secret");
        scene_mkdir("tree/dst", NOBODY, 0755);
        scene_keep_name("tree/closed/kept");
        begin_by_another_way();
        job->tree.writer = scene.nobody;
        job->options.preserve = 0;
        ck_assert_int_eq(copy_job_run(job), 0);
        ck_assert_uint_eq(job->n_failures, 0);
        ck_assert_uint_eq(scene_stat("tree/dst/d").uid, NOBODY);
        ck_assert_uint_eq(scene_stat("tree/dst/d/file").uid, NOBODY);
        copy_job_free(job);
}
END_TEST

/* What the reader may not read is not read by whoever looked at names meanwhile. */
START_TEST(names_and_what_is_private) {
        static const char *const names[] = {"tree/closed/kept", "tree/closed/private"};

        for (unsigned i = 0; i < 2; i++) {
                furnish();
                scene_file("tree/src/private", 0, 0600, "secret");
                scene_mkdir("tree/closed", 0, 0700);
                scene_mkdir("tree/dst", 0, 0755);
                scene_keep_name(names[i]);
                begin_by_another_way();
                job->tree.reader = scene.nobody;
                job->options.preserve = 0;
                ck_assert_int_eq(copy_job_run(job), 0);
                ck_assert_uint_eq(job->n_failures, 1);
                ck_assert_int_eq(copy_job_failure(job, "private"), -FSOP_EACCES);
                copy_job_free(job);
                scene_remove("tree/src");
                scene_remove("tree/dst");
                scene_remove("tree/closed");
        }
}
END_TEST

START_TEST(directories_when_something_else_has_a_name) {
        struct copy_dir *sub;

        begin();
        scene_keep_name("tree/kept");
        job->tree.state->from_by_name = false;
        ck_assert_int_eq(copy_top(&job->tree, &top, &error), 0);
        ck_assert_int_eq(copy_enter(&job->tree, top, "d", &sub, &error), 0);
        copy_dir_free(sub);
        scene_remove("tree/dst/d");
        scene_symlink("closed", "tree/led"); /* nothing vouches for it */
        scene_keep_name("tree/led/d");
        job->tree.state->to_by_name = false;
        ck_assert_int_eq(copy_enter(&job->tree, top, "d", &sub, &error), -FSOP_EAGAIN);
        ck_assert(!scene_exists("tree/dst/d"));
        scene_keep_name("tree/kept");
        scene_file("tree/kept", 0, 0600, "secret");
        ck_assert_int_eq(copy_enter(&job->tree, top, "d", &sub, &error), -FSOP_EAGAIN);
        ck_assert_ptr_null(sub);
        copy_dir_free(top);
        copy_job_free(job);
}
END_TEST

/* ---- on the way -------------------------------------------------------------------------------------------------- */

/* Until it is finished nobody else may enter what is made. */
START_TEST(nobody_looks_into_what_is_made) {
        struct copy_dir *sub;
        char path[128];

        furnish();
        job = copy_job_elevated(); /* tree/dst is made */
        ck_assert_int_eq(copy_job_open(job), 0);
        ck_assert_int_eq(copy_top(&job->tree, &top, &error), 0);
        ck_assert_int_eq(copy_enter(&job->tree, top, "d", &sub, &error), 0);
        snprintf(path, sizeof(path), "tree/%s", job->tree.temporary);
        ck_assert_uint_eq(scene_stat(path).mode & 07777, 0700);
        snprintf(path, sizeof(path), "tree/%s/d", job->tree.temporary);
        ck_assert_uint_eq(scene_stat(path).mode & 07777, 0700);
        copy_dir_free(sub);
        copy_dir_free(top);
        ck_assert_int_eq(copy_remove_temporaries(&job->tree, &error), 0);
        copy_job_free(job);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("copy_guard");
        TCase *tcase = tcase_create("copy_guard");

        scene_need_root();
        tcase_add_checked_fixture(tcase, scene_open, scene_close);
        tcase_add_test(tcase, the_source_is_carried_away);
        tcase_add_test(tcase, the_target_is_carried_away);
        tcase_add_test(tcase, the_target_is_carried_away_later);
        tcase_add_test(tcase, the_target_is_carried_away_before_its_end);
        tcase_add_test(tcase, a_file_on_another_mount);
        tcase_add_test(tcase, a_directory_of_somebody_else);
        tcase_add_test(tcase, names_that_are_kept_out);
        tcase_add_test(tcase, links_that_are_kept_out);
        tcase_add_test(tcase, names_that_nothing_has_yet);
        tcase_add_test(tcase, names_in_what_is_made);
        tcase_add_test(tcase, names_that_something_else_has);
        tcase_add_test(tcase, names_that_are_the_same);
        tcase_add_test(tcase, names_and_what_is_private);
        tcase_add_test(tcase, directories_when_something_else_has_a_name);
        tcase_add_test(tcase, nobody_looks_into_what_is_made);
        suite_add_tcase(suite, tcase);
        return suite_run(suite);
}
