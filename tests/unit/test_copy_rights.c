/* SPDX-License-Identifier: MIT */
/*
 * test_copy_rights.c: what a copy may, and what it keeps: as a caller, under default ACLs, and with a rule's rights.
 */
#include <check.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "backends/linux/sys_linux.h"
#include "tests/support/copy_kit.h"
#include "tests/support/suite.h"

/* ---- as a caller ------------------------------------------------------------------------------------------------- */

START_TEST(as_an_ordinary_user) {
        struct copy_job *job;
        struct fsop_stat stat;

        copy_build_source();
        scene_mkdir("tree/mine", NOBODY, 0755);
        job = copy_job_new("tree/src", "tree/mine/dst");
        copy_job_as(job, scene.nobody);
        ck_assert_int_eq(copy_job_run(job), 0);
        ck_assert_int_eq(copy_job_failure(job, "secret"), -FSOP_EACCES);
        ck_assert_int_eq(copy_job_failure(job, "nothing"), -FSOP_EACCES);
        ck_assert_int_eq(copy_job_failure(job, "char"), -FSOP_EPERM);
        ck_assert_int_eq(copy_job_failure(job, "block"), -FSOP_EPERM);
        ck_assert_int_eq(copy_job_failure(job, "d/e"), -FSOP_EACCES);
        ck_assert_int_eq(copy_job_failure(job, "setuid"), 0);
        ck_assert_int_eq(copy_job_failure(job, "locked/g"), 0);
        ck_assert_uint_eq(copy_count_temporaries("tree"), 0);
        stat = scene_stat("tree/mine/dst/setuid"); /* its scene_chown: may stay */
        ck_assert_uint_eq(stat.uid, NOBODY);
        ck_assert_uint_eq(stat.mode & 07777, 04755);
        stat = scene_stat("tree/mine/dst/setgid"); /* somebody's: what it spoke of is gone */
        ck_assert_uint_eq(stat.uid, NOBODY);
        ck_assert_uint_eq(stat.mode & 07777, 0755);
        ck_assert_uint_eq(scene_stat("tree/mine/dst/locked").mode & 07777, 0555);
        ck_assert_uint_eq(scene_stat("tree/mine/dst").mode & 07777, 0755);
        ck_assert(!scene_exists("tree/mine/dst/secret"));
        copy_job_free(job);
        scene_chmod("tree/mine/dst/locked", 0755);
}
END_TEST

/* What is not preserved is as the kernel makes it for cp -r. */
START_TEST(nothing_preserved) {
        struct copy_job *job;

        copy_build_source();
        scene_mkdir("tree/mine", NOBODY, 02777);
        scene_chown("tree/mine", NOBODY, SOMEBODY);
        scene_chmod("tree/mine", 02777);
        job = copy_job_new("tree/src", "tree/mine/dst");
        job->options.preserve = 0;
        job->options.umask = 027;
        ck_assert_int_eq(copy_job_run(job), 0);
        copy_expect_clean(job);
        ck_assert_uint_eq(scene_stat("tree/mine/dst/f").mode & 07777, 0640);
        ck_assert_uint_eq(scene_stat("tree/mine/dst/f").gid, SOMEBODY);
        ck_assert_uint_eq(scene_stat("tree/mine/dst/f").nlink, 1);
        ck_assert_uint_eq(scene_stat("tree/mine/dst/setuid").mode & 07777, 0750);
        ck_assert_uint_eq(scene_stat("tree/mine/dst/d").mode & 07777, 02750);
        ck_assert_uint_eq(scene_stat("tree/mine/dst/locked").mode & 07777, 02550);
        ck_assert_int_lt((int)lgetxattr(scene_path("tree/mine/dst/f"), "user.colour", NULL, 0), 0);
        ck_assert_int_gt((int)(scene_stat("tree/mine/dst/f").mtime.sec - 1234567890), 1000);
        copy_job_free(job);

        /* What is replaced keeps its mode, but never its set-id bits. */
        scene_chmod("tree/mine/dst/f", 04604);
        job = copy_job_new("tree/src", "tree/mine/dst");
        job->options.preserve = 0;
        ck_assert_int_eq(copy_job_run(job), 0);
        copy_expect_clean(job);
        ck_assert_uint_eq(scene_stat("tree/mine/dst/f").mode & 07777, 0604);
        copy_job_free(job);
}
END_TEST

/* ---- default ACLs ------------------------------------------------------------------------------------------------ */

static bool has_acl(const char *name, const char *kind) {
        return lgetxattr(scene_path(name), kind, NULL, 0) > 0;
}

START_TEST(default_acls_are_not_inherited) {
        struct copy_job *job;

        copy_build_source();
        scene_mkdir("tree/acls", 0, 0755);
        scene_acl("tree/acls", ACL_DEFAULT, 4711, 7, 7);
        for (int twice = 0; twice < 2; twice++) {
                job = copy_job_new("tree/src", "tree/acls/dst");
                ck_assert_int_eq(copy_job_run(job), 0);
                copy_expect_clean(job);
                copy_job_free(job);
                copy_expect_same("tree/src", "tree/acls/dst");
        }
        /* one that is there, with a default ACL that the source has not: what is made in it has none either */
        scene_acl("tree/acls/dst", ACL_DEFAULT, 4711, 7, 7);
        scene_acl("tree/acls/dst/many", ACL_DEFAULT, 4711, 7, 7);
        scene_acl("tree/acls/dst/many", ACL_ACCESS, 4711, 7, 7);
        job = copy_job_new("tree/src", "tree/acls/dst");
        ck_assert_int_eq(copy_job_run(job), 0);
        copy_expect_clean(job);
        copy_job_free(job);
        copy_expect_same("tree/src", "tree/acls/dst");
}
END_TEST

START_TEST(default_acls_decide_where_nothing_is_preserved) {
        struct copy_job *job;

        scene_mkdir("tree/src", 0, 0755);
        scene_file("tree/src/f", 0, 0666, "x");
        scene_mkdir("tree/acls", 0, 0755);
        scene_acl("tree/acls", ACL_DEFAULT, 4711, 6, 6);
        job = copy_job_new("tree/src", "tree/acls/dst");
        job->options.preserve = 0;
        ck_assert_int_eq(copy_job_run(job), 0);
        copy_expect_clean(job);
        ck_assert(has_acl("tree/acls/dst", ACL_DEFAULT));
        ck_assert(has_acl("tree/acls/dst/f", ACL_ACCESS));
        ck_assert_uint_eq(scene_stat("tree/acls/dst/f").mode & 0777, 0660); /* the ACL says nothing for others */
        copy_job_free(job);
}
END_TEST

/* ---- with a rule's rights ---------------------------------------------------------------------------------------- */

START_TEST(elevated_keeps_everything_but_set_id) {
        struct copy_job *job;

        copy_build_source();
        scene.guard.links_any = true;
        job = copy_job_elevated();
        ck_assert_int_eq(copy_job_run(job), 0);
        copy_expect_clean(job);
        ck_assert_uint_gt(copy_rule.asked_owner, 50);
        ck_assert_uint_gt(copy_rule.asked_xattr, 5);
        ck_assert_uint_eq(copy_rule.asked_node, 4);
        ck_assert_uint_eq(scene_stat("tree/dst/setuid").mode & 07777, 0755);
        ck_assert_uint_eq(scene_stat("tree/dst/setgid").mode & 07777, 0755);
        ck_assert_uint_eq(scene_stat("tree/dst/d").mode & 07777, 01750);
        ck_assert_uint_eq(scene_stat("tree/dst/setuid").uid, NOBODY);
        copy_job_free(job);

        /* but a directory that has set-gid keeps it */
        scene_chmod("tree/dst/d", 02700);
        scene.guard.foreign_parent = true;
        job = copy_job_elevated();
        ck_assert_int_eq(copy_job_run(job), 0);
        copy_expect_clean(job);
        ck_assert_uint_eq(scene_stat("tree/dst/d").mode & 07777, 03750);
        copy_job_free(job);
}
END_TEST

START_TEST(elevated_keeps_set_id_where_the_rule_says) {
        struct copy_job *job;

        copy_build_source();
        scene.guard.links_any = scene.guard.set_id = scene.guard.foreign_parent = true;
        job = copy_job_elevated();
        ck_assert_int_eq(copy_job_run(job), 0);
        copy_expect_clean(job);
        copy_job_free(job);
        copy_expect_same("tree/src", "tree/dst");
}
END_TEST

START_TEST(elevated_is_refused_file_by_file) {
        struct copy_job *job;

        copy_build_source();
        job = copy_job_elevated();
        copy_rule.of_path = "locked/g";
        copy_rule.no_owner = "not to that one";
        ck_assert_int_eq(copy_job_run(job), 0);
        ck_assert_uint_eq(job->n_failures, 1);
        ck_assert_int_eq(copy_job_failure(job, "locked/g"), -FSOP_EPERM);
        ck_assert(job->failures[0].error.denied);
        ck_assert_str_eq(job->failures[0].error.why, "not to that one");
        ck_assert(!scene_exists("tree/dst/locked/g"));
        copy_job_free(job);
        scene_remove("tree/dst");

        job = copy_job_elevated();
        copy_rule.of_path = "char";
        copy_rule.no_node = "no";
        ck_assert_int_eq(copy_job_run(job), 0);
        ck_assert_uint_eq(job->n_failures, 1);
        ck_assert_int_eq(copy_job_failure(job, "char"), -FSOP_EPERM);
        ck_assert(!scene_exists("tree/dst/char"));
        copy_job_free(job);
        scene_remove("tree/dst");

        job = copy_job_elevated();
        copy_rule.of_path = "f";
        copy_rule.no_xattr = "no";
        job->options.preserve &= ~(uint32_t)FSOP_PRESERVE_LINKS;
        ck_assert_int_eq(copy_job_run(job), 0);
        ck_assert_uint_eq(job->n_failures, 1);
        ck_assert_int_eq(copy_job_failure(job, "f"), -FSOP_EPERM);
        ck_assert(!scene_exists("tree/dst/f"));
        copy_job_free(job);
}
END_TEST

/* A file's capabilities are as good as a set-uid bit. */
START_TEST(capabilities_are_not_laundered) {
        static const uint8_t capability[] = {0, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
        struct copy_job *job;

        scene_mkdir("tree/src", 0, 0755);
        scene_file("tree/src/f", 0, 0755, "x");
        ck_assert_int_eq(setxattr(scene_path("tree/src/f"), "security.capability", capability, sizeof(capability), 0),
                         0);
        job = copy_job_elevated();
        job->tree.permits = NULL;
        ck_assert_int_eq(copy_job_run(job), 0);
        ck_assert_int_eq(copy_job_failure(job, "f"), -FSOP_EPERM);
        copy_job_free(job);
        scene_remove("tree/dst");

        job = copy_job_elevated();
        copy_rule.no_xattr = "no capabilities";
        copy_rule.of_path = "none";
        ck_assert_int_eq(copy_job_run(job), 0);
        ck_assert_int_eq(copy_job_failure(job, "f"), -FSOP_EPERM);
        copy_job_free(job);
        scene_remove("tree/dst");

        /* as a caller it is the kernel's to say, and it stays behind in silence */
        scene_mkdir("tree/mine", NOBODY, 0755);
        job = copy_job_new("tree/src", "tree/mine/dst");
        copy_job_as(job, scene.nobody);
        ck_assert_int_eq(copy_job_run(job), 0);
        ck_assert_uint_eq(job->n_failures, 0);
        ck_assert_int_lt((int)getxattr(scene_path("tree/mine/dst/f"), "security.capability", NULL, 0), 0);
        copy_job_free(job);

        job = copy_job_new("tree/src", "tree/dst");
        ck_assert_int_eq(copy_job_run(job), 0);
        copy_job_free(job);
        copy_expect_same("tree/src", "tree/dst");
}
END_TEST

/* Without the owner a set-uid bit would speak of somebody else. */
START_TEST(set_id_bits_go_without_the_owner) {
        struct copy_job *job;

        scene_mkdir("tree/src", 0, 0755);
        scene_file("tree/src/f", NOBODY, 06755, "x");
        job = copy_job_new("tree/src", "tree/dst");
        job->options.preserve = FSOP_PRESERVE_MODE;
        ck_assert_int_eq(copy_job_run(job), 0);
        copy_expect_clean(job);
        ck_assert_uint_eq(scene_stat("tree/dst/f").uid, 0);
        ck_assert_uint_eq(scene_stat("tree/dst/f").mode & 07777, 0755);
        copy_job_free(job);
}
END_TEST

START_TEST(excluded_directories) {
        struct fsop_stat stat;
        struct object_id excluded;
        os_fd fd = OS_FD_NONE;
        struct copy_job *job;

        copy_build_source();
        stat = scene_stat("tree/src/d");
        excluded = (struct object_id){stat_dev(&stat), stat.ino};
        scene.guard.excluded = &excluded;
        scene.guard.excluded_fds = &fd;
        scene.guard.n_excluded = 1;
        job = copy_job_elevated();
        ck_assert_int_eq(copy_job_run(job), 0);
        ck_assert_uint_eq(job->n_failures, 1);
        ck_assert_int_eq(copy_job_failure(job, "d"), -FSOP_EPERM);
        ck_assert(job->failures[0].error.denied);
        ck_assert(!scene_exists("tree/dst/d"));
        ck_assert(scene_exists("tree/dst/many"));
        copy_job_free(job);

        /* one that is to be filled */
        scene_mkdir("tree/dst/d", 0, 0755);
        stat = scene_stat("tree/dst/d");
        excluded = (struct object_id){stat_dev(&stat), stat.ino};
        job = copy_job_elevated();
        ck_assert_int_eq(copy_job_run(job), 0);
        ck_assert_int_eq(copy_job_failure(job, "d"), -FSOP_EPERM);
        ck_assert(!scene_exists("tree/dst/d/e"));
        copy_job_free(job);
        scene.guard.n_excluded = 0;
}
END_TEST

START_TEST(what_else_a_rule_demands) {
        struct copy_job *job;

        scene_mkdir("tree/src", NOBODY, 0755);
        scene_file("tree/src/mine", NOBODY, 0644, "small");
        scene_file("tree/src/hers", SOMEBODY, 0644, "small");
        scene_file("tree/src/long", NOBODY, 0644, "larger than it may be");
        scene.guard.owned_by_caller = scene.guard.has_bytes_max = true;
        scene.guard.bytes_max = 10;
        job = copy_job_elevated();
        ck_assert_int_eq(copy_job_open(job), 0);
        job->tree.to_guard = NULL; /* what is made belongs to the service here */
        copy_job_fill(job);
        ck_assert_uint_eq(job->n_failures, 1);
        ck_assert_int_eq(copy_job_failure(job, "hers"), -FSOP_EPERM);
        copy_job_free(job);
        scene_remove("tree/dst");
        scene.guard.owned_by_caller = false;

        job = copy_job_elevated();
        ck_assert_int_eq(copy_job_run(job), 0);
        ck_assert_uint_eq(job->n_failures, 1);
        ck_assert_int_eq(copy_job_failure(job, "long"), -FSOP_EPERM);
        ck_assert(job->failures[0].error.denied);
        copy_job_free(job);
        scene.guard.has_bytes_max = false;

        /* into a stranger's directory */
        scene_remove("tree/dst");
        scene_mkdir("tree/dst", SOMEBODY, 0777);
        job = copy_job_elevated();
        ck_assert_int_eq(copy_job_run(job), 0);
        ck_assert_uint_eq(job->n_failures, 4); /* each file, and what the directory itself would have got */
        ck_assert_int_eq(copy_job_failure(job, "mine"), -FSOP_EPERM);
        ck_assert(job->failures[0].error.denied);
        ck_assert(!scene_exists("tree/dst/mine"));
        ck_assert_uint_eq(scene_stat("tree/dst").mode & 07777, 0777);
        copy_job_free(job);
        scene.guard.foreign_parent = true;
        job = copy_job_elevated();
        ck_assert_int_eq(copy_job_run(job), 0);
        copy_expect_clean(job);
        copy_job_free(job);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("copy_rights");
        TCase *tcase = tcase_create("copy");

        scene_need_root();
        tcase_set_timeout(tcase, 300);
        tcase_add_checked_fixture(tcase, scene_open, scene_close);
        tcase_add_test(tcase, as_an_ordinary_user);
        tcase_add_test(tcase, nothing_preserved);
        tcase_add_test(tcase, default_acls_are_not_inherited);
        tcase_add_test(tcase, default_acls_decide_where_nothing_is_preserved);
        tcase_add_test(tcase, elevated_keeps_everything_but_set_id);
        tcase_add_test(tcase, elevated_keeps_set_id_where_the_rule_says);
        tcase_add_test(tcase, elevated_is_refused_file_by_file);
        tcase_add_test(tcase, capabilities_are_not_laundered);
        tcase_add_test(tcase, set_id_bits_go_without_the_owner);
        tcase_add_test(tcase, excluded_directories);
        tcase_add_test(tcase, what_else_a_rule_demands);
        suite_add_tcase(suite, tcase);
        return suite_run(suite);
}
