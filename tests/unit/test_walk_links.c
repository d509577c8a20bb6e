/* SPDX-License-Identifier: MIT */
/*
 * test_walk_links.c: walks that follow many links, and trees that others change while they are walked.
 */
#include <check.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/descriptors.h"
#include "tests/support/scene.h"
#include "tests/support/suite.h"

static struct request *chown_all(const char *path, enum fsop_follow follow) {
        struct request *request = request_new(FSOP_VERB_CHOWN, path);

        request->op.args.chown =
                (struct chown_args){.has_uid = true, .uid = SOMEBODY, .walk = {.recursive = true, .follow = follow}};
        request_elevate(request, NULL);
        return request;
}

static struct request *remove_all(const char *path) {
        struct request *request = request_new(FSOP_VERB_UNLINK, path);

        request->op.args.unlink.recursive = true;
        request_elevate(request, NULL);
        return request;
}

static const struct walk_result *result(const struct request *request) {
        return &request->result.value.walk;
}

static bool failed_with(const struct request *request, uint32_t i, const char *path, enum fsop_errno code) {
        const struct walk_failure *failure = &result(request)->failures[i];

        return failure->code == code && failure->path.len == strlen(path) &&
               memcmp(failure->path.data, path, strlen(path)) == 0;
}

static const char *numbered(const char *before, unsigned number, const char *behind) {
        static char names[4][32];
        static unsigned next;

        snprintf(names[++next % 4], sizeof(names[0]), "%s%u%s", before, number, behind);
        return names[next % 4];
}

/* ---- links ------------------------------------------------------------------------------------------------------- */

#define MANY 600

/* A directory is walked once, however many links lead to it and however many directories were met before. */
START_TEST(each_directory_is_walked_once) {
        struct request *request = chown_all("t", FSOP_FOLLOW_ALWAYS);

        scene_mkdir("tree/t", NOBODY, 0755);
        scene_mkdir("tree/hub", NOBODY, 0755);
        scene_file("tree/hub/file", NOBODY, 0644, "x");
        for (unsigned i = 0; i < MANY; i++) {
                scene_mkdir(numbered("tree/t/", i, ""), NOBODY, 0755);
                scene_symlink("..", numbered("tree/t/", i, "/up"));
                scene_symlink("../../hub", numbered("tree/t/", i, "/hub"));
        }
        ck_assert_int_eq(request_run(request), 0);
        ck_assert_uint_eq(result(request)->changed, 1 + MANY + 2);
        ck_assert_uint_eq(result(request)->visited, 1 + 3 * MANY + 1);
        ck_assert_uint_eq(result(request)->failed, 0);
        request_free(request);
}
END_TEST

#define CHAIN 40

/* The way back out of a link is kept open, so there is an end to links behind links: it is told, and the rest is
 * done. */
START_TEST(chains_of_links_have_an_end) {
        struct request *request = chown_all("t", FSOP_FOLLOW_ALWAYS);
        unsigned before = open_descriptors();

        scene_mkdir("tree/t", NOBODY, 0755);
        scene_mkdir("tree/chain", NOBODY, 0755);
        scene_symlink("../chain/0", "tree/t/first");
        for (unsigned i = 0; i < CHAIN; i++) {
                scene_mkdir(numbered("tree/chain/", i, ""), NOBODY, 0755);
                scene_symlink(numbered("../", i + 1, ""), numbered("tree/chain/", i, "/next"));
                scene_file(numbered("tree/chain/", i, "/file"), NOBODY, 0644, "x");
        }
        ck_assert_int_eq(request_run(request), -FSOP_ELOOP);
        ck_assert_uint_eq(result(request)->failed, 1);
        ck_assert_uint_eq(scene_stat("tree/chain/20/file").uid, SOMEBODY);
        ck_assert_uint_eq(scene_stat("tree/chain/39/file").uid, NOBODY);
        ck_assert_uint_eq(result(request)->failures[0].code, FSOP_ELOOP);
        ck_assert_uint_eq(open_descriptors(), before);
        request_free(request);
}
END_TEST

/* What a link leads to is asked about like everything else. */
START_TEST(behind_a_link_the_rule_is_the_same) {
        struct request *request = chown_all("t", FSOP_FOLLOW_ALWAYS);

        scene_mkdir("tree/t", NOBODY, 0755);
        scene_file("tree/twice", 0, 0600, "x");
        ck_assert_int_eq(link(scene_path("tree/twice"), scene_path("outside/twice")), 0);
        scene_symlink("../twice", "tree/t/link");
        scene_symlink("../../outside/twice", "tree/t/out");
        ck_assert_int_lt(request_run(request), 0);
        ck_assert_uint_eq(result(request)->failed, 2);
        ck_assert(failed_with(request, 0, "link", FSOP_EPERM) || failed_with(request, 1, "link", FSOP_EPERM));
        ck_assert(failed_with(request, 0, "out", FSOP_EXDEV) || failed_with(request, 1, "out", FSOP_EXDEV));
        ck_assert_uint_eq(scene_stat("tree/twice").uid, 0);
        request_free(request);
}
END_TEST

START_TEST(a_link_has_no_mode) {
        struct request *request = request_new(FSOP_VERB_CHMOD, "link");

        scene_file("tree/file", NOBODY, 0644, "x");
        scene_symlink("file", "tree/link");
        request->op.args.chmod = (struct chmod_args){.clear = 07777, .set = 0600, .walk = {.recursive = true}};
        request_elevate(request, NULL);
        ck_assert_int_eq(request_run(request), -FSOP_EOPNOTSUPP);
        ck_assert_uint_eq(scene_stat("tree/file").mode & 07777, 0644);
        request_free(request);
}
END_TEST

/* ---- changed meanwhile ------------------------------------------------------------------------------------------- */

/* The root of what is removed has to be what was looked at. */
START_TEST(another_directory_under_the_name) {
        struct request *request = remove_all("t");

        scene_mkdir("tree/t", NOBODY, 0755);
        scene_mkdir("tree/other", NOBODY, 0755);
        scene_file("tree/other/file", NOBODY, 0644, "x");
        ck_assert_int_eq(sys_resolve(&request->sys, 0), 0);
        ck_assert_int_eq(rename(scene_path("tree/t"), scene_path("tree/was")), 0);
        ck_assert_int_eq(rename(scene_path("tree/other"), scene_path("tree/t")), 0);
        sys_run(&request->sys);
        sys_release(&request->sys);
        identity_wear_service();
        ck_assert_int_eq(request->sys.code, -FSOP_ESTALE);
        ck_assert(scene_exists("tree/t/file"));
        ck_assert(scene_exists("tree/was"));
        request_free(request);
}
END_TEST

/* As somebody else, just when the walk has come to NAME. */
static const char *swap_at(void *context, struct bytes name) {
        const char *at = context;

        if (name.len == strlen(at) && memcmp(name.data, at, name.len) == 0) {
                ck_assert_int_eq(rename(scene_path("tree/t/a"), scene_path("tree/a")), 0);
                ck_assert_int_eq(mkdir(scene_path("tree/t/a"), 0755), 0);
        }
        return NULL;
}

/* A directory that was emptied is removed by its name, if that is still its own. */
START_TEST(another_directory_on_the_way_back) {
        struct request *request = remove_all("t");

        scene_mkdir("tree/t", 0, 0755);
        scene_mkdir("tree/t/a", 0, 0755);
        scene_file("tree/t/a/file", 0, 0644, "x");
        request->sys.excluded = swap_at;
        request->sys.excluded_context = (void *)(uintptr_t) "a/file";
        ck_assert_int_eq(request_run(request), -FSOP_ESTALE);
        ck_assert_uint_eq(result(request)->failed, 1);
        ck_assert(failed_with(request, 0, "a", FSOP_ESTALE));
        ck_assert(scene_exists("tree/t/a"));
        ck_assert(scene_exists("tree/a"));
        request_free(request);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("walk_links");
        TCase *tcase = tcase_create("walk_links");

        scene_need_root();
        tcase_add_checked_fixture(tcase, scene_open, scene_close);
        tcase_add_test(tcase, each_directory_is_walked_once);
        tcase_add_test(tcase, chains_of_links_have_an_end);
        tcase_add_test(tcase, behind_a_link_the_rule_is_the_same);
        tcase_add_test(tcase, a_link_has_no_mode);
        tcase_add_test(tcase, another_directory_under_the_name);
        tcase_add_test(tcase, another_directory_on_the_way_back);
        suite_add_tcase(suite, tcase);
        return suite_run(suite);
}
