/* SPDX-License-Identifier: MIT */
/*
 * test_directory.c: the directories that rules name: which links count on the way to them, and how they are found
 * again.
 */
#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backends/linux/sys_linux.h"
#include "tests/support/scene.h"
#include "tests/support/suite.h"

static int open_it(const char *path) {
        struct directory directory;
        int code = directory_open(path, &directory);

        if (code == 0)
                directory_close(&directory);
        return code;
}

/* 0 where NAME leads to tree/dir/sub, as well for rules as for names that they exclude. */
static int leads_there(const char *name) {
        struct fsop_stat stat = scene_stat("tree/dir/sub");
        struct directory directory;
        struct object_id id;
        int code = directory_open(scene_path(name), &directory), look = directory_look(scene_path(name), 0, &id);

        ck_assert_int_eq(look, code == -FSOP_ENOENT || code == -FSOP_ENOTDIR ? 0 : code);
        ck_assert_uint_eq(id.ino, code == 0 ? stat.ino : 0);
        ck_assert_uint_eq(id.dev, code == 0 ? stat_dev(&stat) : 0);
        if (code == 0) {
                ck_assert(same_object(&stat, directory.dev, directory.ino));
                directory_close(&directory);
        }
        ck_assert_int_eq(directory_look(scene_path(name), SYS_CACHED_ONLY, &id), -FSOP_EAGAIN);
        return code;
}

/* ---- links ------------------------------------------------------------------------------------------------------- */

/* Only root's, where only root could put another. */
START_TEST(links_in_whose_hands) {
        static const struct {
                uint32_t link_uid, dir_uid, dir_mode, above_uid, above_mode;
                int code;
        } cases[] = {
                {0, 0, 0755, 0, 0755, 0},
                {SOMEBODY, 0, 0755, 0, 0755, -FSOP_EACCES},
                {0, SOMEBODY, 0755, 0, 0755, -FSOP_EACCES},
                {0, 0, 0775, 0, 0755, -FSOP_EACCES},
                {0, 0, 0757, 0, 0755, -FSOP_EACCES},
                {0, 0, 01777, 0, 0755, -FSOP_EACCES},
                {0, 0, 0755, SOMEBODY, 0755, -FSOP_EACCES},
                {0, 0, 0755, 0, 0775, -FSOP_EACCES},
        };

        scene_mkdir("tree/dir", 0, 0755);
        scene_mkdir("tree/dir/sub", 0, 0755);
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                scene_mkdir("above", cases[i].above_uid, cases[i].above_mode);
                scene_mkdir("above/links", cases[i].dir_uid, cases[i].dir_mode);
                scene_symlink("../../tree/dir", "above/links/to");
                ck_assert_int_eq(lchown(scene_path("above/links/to"), cases[i].link_uid, 0), 0);
                ck_assert_msg(leads_there("above/links/to/sub") == cases[i].code, "case %zu", i);
                scene_remove("above");
        }
}
END_TEST

START_TEST(links_of_all_kinds) {
        static const struct {
                const char *text;
                int code;
        } cases[] = {
                {"dir/sub", 0},
                {"./dir//./sub/", 0},
                {"dir/../dir/sub", 0},
                {"dir/none", -FSOP_ENOENT},
                {"dir/file/sub", -FSOP_ENOTDIR},
                {"link", -FSOP_ELOOP},
        };

        scene_mkdir("tree/dir", 0, 0755);
        scene_mkdir("tree/dir/sub", 0, 0755);
        scene_file("tree/dir/file", 0, 0644, "x");
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                scene_symlink(cases[i].text, "tree/link");
                ck_assert_msg(leads_there("tree/link") == cases[i].code, "%s", cases[i].text);
                unlink(scene_path("tree/link"));
        }
        scene_symlink(scene_path("tree/dir"), "tree/link");
        ck_assert_int_eq(leads_there("tree/link/sub"), 0);
        unlink(scene_path("tree/link"));
        scene_symlink("../../../../../../../../..", "tree/link"); /* to the uppermost directory, and no further */
        ck_assert_int_eq(open_it(scene_path("tree/link")), 0);
        unlink(scene_path("tree/link"));
        scene_symlink("dir/file", "tree/link");
        ck_assert_int_eq(open_it(scene_path("tree/link")), -FSOP_ENOTDIR);
}
END_TEST

START_TEST(links_that_are_too_many_or_too_long) {
        char text[4000], path[600], name[32], before[32] = "dir/sub";

        scene_mkdir("tree/dir", 0, 0755);
        scene_mkdir("tree/dir/sub", 0, 0755);
        for (int i = 1; i <= 41; i++) {
                snprintf(name, sizeof(name), "tree/%d", i);
                scene_symlink(before, name);
                snprintf(before, sizeof(before), "%d", i);
        }
        ck_assert_int_eq(leads_there("tree/40"), 0);
        ck_assert_int_eq(leads_there("tree/41"), -FSOP_ELOOP);
        memset(text, 'n', sizeof(text));
        text[256] = 0;
        scene_symlink(text, "tree/component");
        ck_assert_int_eq(open_it(scene_path("tree/component")), -FSOP_ENAMETOOLONG);
        memset(text, '/', sizeof(text));
        text[sizeof(text) - 1] = 0;
        scene_symlink(text, "tree/text");
        memset(text, 'n', 200); /* each is short enough, but not both together */
        text[200] = 0;
        snprintf(path, sizeof(path), "%s/%.200s", scene_path("tree/text"), text);
        ck_assert_int_eq(open_it(path), -FSOP_ENAMETOOLONG);
}
END_TEST

START_TEST(what_no_rule_is_for) {
        struct object_id id;

        ck_assert_int_eq(open_it("relative"), -FSOP_EINVAL);
        ck_assert_int_eq(open_it("/proc/self/fd"), -FSOP_EACCES);
        ck_assert_int_eq(open_it(scene_path("none")), -FSOP_ENOENT);
        ck_assert_int_eq(directory_look(scene_path("none"), 0, &id), 0);
        ck_assert_uint_eq(id.ino, 0);
}
END_TEST

/* ---- found again ------------------------------------------------------------------------------------------------- */

static int find_again(const struct directory_mark *mark, const char *name) {
        struct directory found;
        int code = directory_open_marked(&scene.root, mark, &found);

        if (code == 0) {
                struct fsop_stat stat = scene_stat(name);

                ck_assert(same_object(&stat, found.dev, found.ino));
                directory_close(&found);
        }
        return code;
}

START_TEST(wherever_it_was_moved) {
        struct directory directory;
        struct directory_mark mark, other;
        int fd;

        scene_mkdir("tree/kept", 0, 0700);
        ck_assert_int_eq(directory_open(scene_path("tree/kept"), &directory), 0);
        directory_mark(scene_path("tree/kept"), &directory, &mark);
        directory_close(&directory);
        if (mark.handle_bytes == 0) {
                scene_skip("this filesystem gives no handles");
                return;
        }
        ck_assert_int_eq(rename(scene_path("tree/kept"), scene_path("outside/moved")), 0);
        ck_assert_int_eq(find_again(&mark, "outside/moved"), 0);
        other = mark;
        other.ino++;
        ck_assert_int_eq(find_again(&other, NULL), -FSOP_ESTALE);
        other = mark;
        other.dev++; /* what is on another filesystem is not looked for */
        ck_assert_int_eq(find_again(&other, NULL), -FSOP_EOPNOTSUPP);
        other = mark;
        other.handle_bytes = 0;
        ck_assert_int_eq(find_again(&other, NULL), -FSOP_EOPNOTSUPP);
        other.handle_bytes = sizeof(other.handle) + 1;
        ck_assert_int_eq(find_again(&other, NULL), -FSOP_EOPNOTSUPP);
        fd = open(scene_path("outside/moved"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        ck_assert_int_eq(rmdir(scene_path("outside/moved")), 0); /* there as long as somebody holds it */
        ck_assert_int_eq(find_again(&mark, NULL), -FSOP_ESTALE);
        close(fd);
        ck_assert_int_eq(find_again(&mark, NULL), -FSOP_ESTALE);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("directory");
        TCase *tcase = tcase_create("directory");

        scene_need_root();
        tcase_add_checked_fixture(tcase, scene_open_trusted, scene_close);
        tcase_add_test(tcase, links_in_whose_hands);
        tcase_add_test(tcase, links_of_all_kinds);
        tcase_add_test(tcase, links_that_are_too_many_or_too_long);
        tcase_add_test(tcase, what_no_rule_is_for);
        tcase_add_test(tcase, wherever_it_was_moved);
        suite_add_tcase(suite, tcase);
        return suite_run(suite);
}
