/* SPDX-License-Identifier: MIT */
/*
 * test_trusted.c: which files may steer the daemon, and which it takes for its own; and each system call on the way to
 * them failing.
 */
#include <check.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backends/sys.h"
#include "tests/support/descriptors.h"
#include "tests/support/fail_calls.h"
#include "tests/support/scene.h"
#include "tests/support/suite.h"

static const char *why;
static bool masked;

static int read_file(const char *name) {
        char *data;
        size_t len;
        int code = sys_read_trusted_file(scene_path(name), 100, &data, &len, &masked, &why);

        if (code == 0)
                ck_assert_str_eq(data, masked ? "" : "text");
        free(data);
        return code;
}

static int check_directory(const char *name) {
        return sys_check_trusted_directory(scene_path(name), &why);
}

/* How many names are in it. */
static int list(const char *name) {
        char **names;
        size_t n;
        int code = sys_list_trusted_directory(scene_path(name), &names, &n, &why);

        if (code < 0)
                return code;
        for (size_t i = 1; i < n; i++)
                ck_assert_int_lt(strcmp(names[i - 1], names[i]), 0);
        for (size_t i = 0; i < n; i++)
                free(names[i]);
        free(names);
        return (int)n;
}

/* ---- what steers it ---------------------------------------------------------------------------------------------- */

START_TEST(files_in_whose_hands) {
        static const struct {
                uint32_t uid, mode;             /* of the file */
                uint32_t dir_uid, dir_mode;     /* of its directory */
                uint32_t above_uid, above_mode; /* of the one above */
                int file, dir;
        } cases[] = {
                {0, 0644, 0, 0755, 0, 0755, 0, 0},
                {0, 0664, 0, 0755, 0, 0755, -FSOP_EPERM, 0},
                {0, 0646, 0, 0755, 0, 0755, -FSOP_EPERM, 0},
                {SOMEBODY, 0644, 0, 0755, 0, 0755, -FSOP_EPERM, 0},
                {0, 0644, SOMEBODY, 0755, 0, 0755, -FSOP_EPERM, -FSOP_EPERM},
                {0, 0644, 0, 0775, 0, 0755, -FSOP_EPERM, -FSOP_EPERM},
                {0, 0644, 0, 0757, 0, 0755, -FSOP_EPERM, -FSOP_EPERM},
                {0, 0644, 0, 01777, 0, 0755, -FSOP_EPERM, -FSOP_EPERM}, /* others may put files there */
                {0, 0644, 0, 0755, SOMEBODY, 0755, -FSOP_EPERM, -FSOP_EPERM},
                {0, 0644, 0, 0755, 0, 0775, -FSOP_EPERM, -FSOP_EPERM},
                {0, 0644, 0, 0755, 0, 01777, 0, 0}, /* a directory in /tmp stays where it is */
                {0, 0644, 0, 0755, SOMEBODY, 01777, -FSOP_EPERM, -FSOP_EPERM},
        };

        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                scene_mkdir("above", cases[i].above_uid, cases[i].above_mode);
                scene_mkdir("above/dir", cases[i].dir_uid, cases[i].dir_mode);
                scene_file("above/dir/file", cases[i].uid, cases[i].mode, "text");
                ck_assert_msg(read_file("above/dir/file") == cases[i].file, "case %zu, the file", i);
                ck_assert(cases[i].file == 0 || (strncmp(why, "it ", 3) == 0) == (i < 4));
                ck_assert_msg(check_directory("above/dir") == cases[i].dir, "case %zu, the directory", i);
                ck_assert(cases[i].dir == 0 || (strncmp(why, "it ", 3) == 0) == (i < 8));
                ck_assert_int_eq(list("above/dir"), cases[i].dir == 0 ? 1 : cases[i].dir);
                scene_remove("above");
        }
}
END_TEST

START_TEST(links_in_whose_hands) {
        scene_mkdir("dir", 0, 0755);
        scene_mkdir("open", 0, 01777);
        scene_file("dir/file", 0, 0644, "text");
        scene_symlink("file", "dir/ours");
        scene_symlink("../dir", "dir/over");
        scene_symlink("file", "dir/theirs");
        scene_symlink("../dir/file", "open/ours");
        ck_assert_int_eq(lchown(scene_path("dir/theirs"), SOMEBODY, SOMEBODY), 0);
        ck_assert_int_eq(read_file("dir/ours"), 0);
        ck_assert_int_eq(read_file("dir/over/over/ours"), 0);
        ck_assert_int_eq(check_directory("dir/over"), 0);
        ck_assert_int_eq(read_file("dir/theirs"), -FSOP_EPERM);
        ck_assert_int_eq(read_file("open/ours"), -FSOP_EPERM);
        scene_symlink("circle", "dir/circle");
        ck_assert_int_eq(read_file("dir/circle"), -FSOP_ELOOP);
        scene_symlink("/dev/null", "dir/masked");
        ck_assert_int_eq(read_file("dir/masked"), 0);
        ck_assert(masked);
        scene_symlink("/dev/zero", "dir/zero");
        ck_assert_int_eq(read_file("dir/zero"), -FSOP_EPERM);
}
END_TEST

START_TEST(what_is_no_file) {
        char longest[NAME_MAX + 2], path[PATH_MAX], *data;
        size_t len;

        scene_mkdir("dir", 0, 0755);
        scene_file("dir/file", 0, 0644, "text");
        ck_assert_int_eq(read_file("dir/none"), -FSOP_ENOENT);
        ck_assert_int_eq(check_directory("none"), -FSOP_ENOENT);
        ck_assert_int_eq(list("none"), -FSOP_ENOENT);
        ck_assert_int_eq(read_file("dir"), -FSOP_EPERM);
        ck_assert_int_eq(check_directory("dir/file"), -FSOP_EPERM);
        ck_assert_int_eq(mkfifo(scene_path("dir/fifo"), 0600), 0);
        ck_assert_int_eq(read_file("dir/fifo"), -FSOP_EPERM);
        ck_assert_int_eq(sys_read_trusted_file("/dev/null", 100, &data, &len, &masked, &why), -FSOP_EPERM);
        ck_assert(!masked);
        ck_assert_int_eq(sys_read_trusted_file(scene_path("dir/file"), 3, &data, &len, &masked, &why), -FSOP_EFBIG);
        ck_assert_ptr_nonnull(why);
        /* a name that cannot be is not the end of the path */
        memset(longest, 'x', sizeof(longest) - 1);
        longest[sizeof(longest) - 1] = 0;
        snprintf(path, sizeof(path), "dir/%s", longest);
        ck_assert_int_eq(check_directory(path), -FSOP_ENAMETOOLONG);
        ck_assert_int_eq(list(path), -FSOP_ENAMETOOLONG);
        snprintf(path, sizeof(path), "dir/file/%s", longest);
        ck_assert_int_eq(read_file(path), -FSOP_ENAMETOOLONG);
}
END_TEST

/* ---- its own ----------------------------------------------------------------------------------------------------- */

static int append_to(const char *name) {
        os_fd fd;
        int code = sys_open_append(scene_path(name), &fd);

        if (code == 0)
                close((int)fd);
        return code;
}

START_TEST(files_of_its_own) {
        uint64_t bytes;

        scene_mkdir("own", 0, 0700);
        ck_assert_int_eq(sys_own_file(scene_path("own/file"), &bytes), -FSOP_ENOENT);
        ck_assert_int_eq(sys_make_own_file(scene_path("own/file")), 1);
        ck_assert_int_eq(sys_make_own_file(scene_path("own/file")), 0);
        ck_assert_uint_eq(scene_stat("own/file").mode & 07777, 0600);
        ck_assert_int_eq(append_to("own/log"), 0);
        ck_assert_uint_eq(scene_stat("own/log").mode & 07777, 0600);
        scene_file("own/text", 0, 0600, "text");
        ck_assert_int_eq(sys_own_file(scene_path("own/text"), &bytes), 0);
        ck_assert_uint_eq(bytes, 4);
        ck_assert_int_eq(append_to("own/text"), 0);
        ck_assert_int_eq(sys_rename_own_file(scene_path("own/text"), scene_path("own/file")), -FSOP_EEXIST);
        ck_assert_int_eq(sys_rename_own_file(scene_path("own/text"), scene_path("own/old")), 0);
        ck_assert(scene_exists("own/old") && !scene_exists("own/text"));
}
END_TEST

/* Whatever else has the name is left alone. */
START_TEST(what_is_not_its_own) {
        static const char *const names[] = {"theirs", "twice", "link", "fifo", "dir", "open"};
        uint64_t bytes;

        scene_mkdir("own", 0, 0700);
        scene_file("own/theirs", SOMEBODY, 0600, "x");
        scene_file("own/once", 0, 0600, "x");
        ck_assert_int_eq(link(scene_path("own/once"), scene_path("own/twice")), 0);
        scene_file("outside/x", 0, 0600, "x");
        scene_symlink("../outside/x", "own/link");
        scene_symlink("../outside/y", "own/dangling");
        ck_assert_int_eq(mkfifo(scene_path("own/fifo"), 0600), 0);
        scene_mkdir("own/dir", 0, 0700);
        scene_file("own/open", 0, 0620, "x");
        for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
                char path[600];

                snprintf(path, sizeof(path), "%s/%s", scene_path("own"), names[i]);
                ck_assert_msg(sys_own_file(path, &bytes) == -FSOP_EPERM, "%s", names[i]);
                ck_assert_msg(sys_make_own_file(path) == -FSOP_EPERM, "%s", names[i]);
                if (strcmp(names[i], "open") != 0) /* its group may well write to a log */
                        ck_assert_msg(append_to(path + strlen(scene.path) + 1) < 0, "%s", names[i]);
        }
        ck_assert_int_eq(sys_make_own_file(scene_path("own/dangling")), -FSOP_EPERM);
        ck_assert_int_lt(append_to("own/dangling"), 0);
        ck_assert(!scene_exists("outside/y"));
        ck_assert_uint_eq(scene_stat("outside/x").size, 1);
}
END_TEST

START_TEST(directories_of_its_own) {
        static char longest[PATH_MAX + 1];

        ck_assert_int_eq(sys_make_directory(scene_path("a/b/c"), 0700), 0);
        ck_assert_uint_eq(scene_stat("a/b/c").mode & 07777, 0700);
        ck_assert_uint_eq(scene_stat("a/b").mode & 07777, 0755);
        ck_assert_int_eq(sys_make_directory(scene_path("a/b/c"), 0755), 0);
        ck_assert_uint_eq(scene_stat("a/b/c").mode & 07777, 0700); /* what is there keeps its mode */
        scene_file("a/file", 0, 0600, "x");
        ck_assert_int_eq(sys_make_directory(scene_path("a/file"), 0700), -FSOP_ENOTDIR);
        ck_assert_int_eq(sys_make_directory(scene_path("a/file/b"), 0700), -FSOP_ENOTDIR);
        memset(longest, 'x', PATH_MAX);
        ck_assert_int_eq(sys_make_directory(longest, 0700), -FSOP_ENAMETOOLONG);
        ck_assert_int_eq(sys_make_directory("", 0700), -FSOP_ENAMETOOLONG);
}
END_TEST

/* ---- calls that fail --------------------------------------------------------------------------------------------- */

static int make_own(const char *name) {
        return sys_make_own_file(scene_path(name));
}

static int rename_own(const char *name) {
        return sys_rename_own_file(scene_path(name), scene_path("dir/renamed"));
}

START_TEST(each_call_fails) {
        static const struct {
                int (*call)(const char *name);
                const char *name;
        } jobs[] = {{read_file, "dir/link"}, {check_directory, "dir"}, {list, "dir"},
                    {append_to, "dir/log"},  {make_own, "dir/own"},    {rename_own, "dir/moves"}};
        static const int errors[] = {EIO, EMFILE, EACCES};
        unsigned before = open_descriptors(), failed = 0;

        scene_mkdir("dir", 0, 0755);
        scene_file("dir/file", 0, 0644, "text");
        scene_symlink("file", "dir/link");
        for (size_t i = 0; i < sizeof(jobs) / sizeof(jobs[0]); i++)
                for (unsigned n = 1;; n++) {
                        int code;
                        bool hit;

                        unlink(scene_path("dir/own"));
                        unlink(scene_path("dir/renamed"));
                        if (!scene_exists("dir/moves"))
                                scene_file("dir/moves", 0, 0600, "x");
                        calls_fail(n, errors[n % 3]);
                        code = jobs[i].call(jobs[i].name);
                        hit = calls_made >= n;
                        calls_fail(0, 0);
                        ck_assert_uint_eq(open_descriptors(), before);
                        ck_assert_msg(hit ? code < 0 : code >= 0, "job %zu, call %u: %d", i, n, code);
                        if (!hit)
                                break;
                        failed++;
                }
        ck_assert_uint_gt(failed, 12);
}
END_TEST

/* Where the filesystem knows no rename that leaves alone what is there. */
START_TEST(renamed_after_a_look) {
        scene_mkdir("dir", 0, 0755);
        scene_file("dir/a", 0, 0600, "text");
        scene_file("dir/b", 0, 0600, "x");
        calls_fail(1, EINVAL);
        ck_assert_int_eq(sys_rename_own_file(scene_path("dir/a"), scene_path("dir/b")), -FSOP_EEXIST);
        ck_assert_uint_eq(scene_stat("dir/b").size, 1);
        calls_fail(1, EINVAL);
        ck_assert_int_eq(sys_rename_own_file(scene_path("dir/a"), scene_path("dir/c")), 0);
        ck_assert_uint_eq(scene_stat("dir/c").size, 4);
        calls_fail(1, EINVAL);
        ck_assert_int_eq(sys_rename_own_file(scene_path("dir/a"), scene_path("dir/d")), -FSOP_ENOENT);
        calls_fail(0, 0);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("trusted");
        TCase *tcase = tcase_create("trusted");

        scene_need_root();
        tcase_add_checked_fixture(tcase, scene_open, scene_close);
        tcase_add_test(tcase, files_in_whose_hands);
        tcase_add_test(tcase, links_in_whose_hands);
        tcase_add_test(tcase, what_is_no_file);
        tcase_add_test(tcase, files_of_its_own);
        tcase_add_test(tcase, what_is_not_its_own);
        tcase_add_test(tcase, directories_of_its_own);
        tcase_add_test(tcase, each_call_fails);
        tcase_add_test(tcase, renamed_after_a_look);
        suite_add_tcase(suite, tcase);
        return suite_run(suite);
}
