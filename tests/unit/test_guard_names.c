/* SPDX-License-Identifier: MIT */
/*
 * test_guard_names.c: names that a rule excludes, and something else stands there by the time it is met. Whoever comes
 * by its own path was judged by that; whoever comes by another way is asked to try again, and the guard is outdated.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backends/linux/sys_linux.h"
#include "tests/support/descriptors.h"
#include "tests/support/fail_calls.h"
#include "tests/support/scene.h"
#include "tests/support/suite.h"

static void set_up(void) {
        scene_open();
        scene_mkdir("tree/d", NOBODY, 0755);
        scene_file("tree/d/plain", NOBODY, 0644, "text");
        scene_symlink("d", "tree/way");
        scene_symlink("d/kept", "tree/onto");
        scene_symlink("d/./", "tree/dir");
}

static void appears(void) {
        scene_file("tree/d/kept", 0, 0600, "secret");
}

static struct request *request_chown(const char *path) {
        struct request *request = request_elevated(FSOP_VERB_CHOWN, path);

        request->op.args.chown = (struct chown_args){.has_uid = true, .uid = SOMEBODY};
        request->sys.at.follow = true;
        return request;
}

static int change(const char *path) {
        return request_finish(request_chown(path));
}

static void expect_changed(int code) {
        ck_assert_int_eq(code, -FSOP_EAGAIN);
        ck_assert_int_eq(scene_outdated, 1);
        scene_outdated = 0;
}

/* ---- one object -------------------------------------------------------------------------------------------------- */

enum by { BY_PATH, BY_ROOT, BY_LINK, BY_LEAF, BY_HANDLE, BY_OBJECT, N_WAYS };

static int change_by(enum by by) {
        static const char *const paths[] = {"d/kept", "d/kept", "way/kept", "onto", "kept", ""};
        struct request *request = request_chown(paths[by]);
        os_fd fd = OS_FD_NONE;
        int code;

        if (by == BY_ROOT)
                request_base(&request->sys.at, scene.root.fd);
        if (by >= BY_HANDLE) {
                fd = open(scene_path(by == BY_HANDLE ? "tree/d" : "tree/d/kept"), O_PATH | O_CLOEXEC);
                request_base(&request->sys.at, fd);
        }
        code = request_run(request);
        ck_assert(code != -FSOP_EAGAIN || (request->sys.why && !request->sys.guarded && request->sys.source_failed));
        request_free(request);
        sys_close(fd);
        return code;
}

/* What came where nothing was, another object, and one with the same number elsewhere. */
START_TEST(what_another_way_leads_to) {
        enum by by = (enum by)_i;
        bool by_name = by == BY_PATH || by == BY_ROOT;

        scene_keep_name("tree/d/kept");
        appears();
        for (unsigned i = 0; i < 4; i++) {
                int code = change_by(by);

                if (i == 3 || by_name)
                        ck_assert_int_eq(code, 0);
                else
                        expect_changed(code);
                ck_assert_int_eq(scene_outdated, 0);
                ck_assert_uint_eq(scene_stat("tree/d/kept").uid, code == 0 ? SOMEBODY : 0);
                scene_keep_name("tree/d/kept");
                scene_kept_id.ino ^= i == 0;
                scene_kept_id.dev ^= i == 1;
        }
}
END_TEST

/* As long as they are the same, failures are what they were; then nobody is told even that something is not there. */
START_TEST(failures_by_another_way) {
        scene_keep_name("tree/d/kept");
        ck_assert_int_eq(change("way/missing"), -FSOP_ENOENT);
        ck_assert_int_eq(change("onto"), -FSOP_ENOENT);
        ck_assert_int_eq(change("way/plain/x"), -FSOP_ENOTDIR);
        ck_assert_int_eq(scene_outdated, 0);
        appears();
        expect_changed(change("way/missing"));
        expect_changed(change("way/plain/x"));
        ck_assert_int_eq(change("d/missing"), -FSOP_ENOENT);
        ck_assert_int_eq(scene_outdated, 0);
}
END_TEST

/* What was there is known still, and may be anywhere: nothing else was kept out by its name. Nothing stands there
 * either where the directory is none. */
START_TEST(nothing_stands_there_any_more) {
        appears();
        scene_keep_name("tree/d/kept");
        ck_assert_int_eq(unlink(scene_path("tree/d/kept")), 0);
        ck_assert_int_eq(change("way/plain"), 0);
        scene_keep_name("tree/d/plain/kept");
        ck_assert_int_eq(change("way/plain"), 0);
        ck_assert_int_eq(scene_outdated, 0);
}
END_TEST

/* A name that cannot be looked up, as nothing vouches for the link on its way, may be anybody's. From the cache alone
 * that is not known yet, and no reason to open everything anew. */
START_TEST(names_that_cannot_be_looked_up) {
        static const unsigned cached[] = {SYS_CACHED_ONLY, SYS_LOCAL_ONLY};
        os_fd fd = open(scene_path("tree/d"), O_PATH | O_CLOEXEC);
        struct request *request = request_chown("plain");

        scene_symlink("d", "tree/led");
        scene_keep_name("tree/led/kept");
        request_base(&request->sys.at, fd);
        for (size_t i = 0; i < sizeof(cached) / sizeof(cached[0]); i++) {
                ck_assert_int_eq(sys_resolve(&request->sys, cached[i]), -FSOP_EAGAIN);
                identity_wear_service();
                ck_assert_uint_eq(request->sys.held_up_by, SYS_MOUNT_UNKNOWN);
                ck_assert_int_eq(scene_outdated, 0);
        }
        expect_changed(request_run(request));
        request_free(request);
        sys_close(fd);
}
END_TEST

/* A parent that is shared was reached by the way of the first. */
START_TEST(parents_that_are_shared) {
        struct parent_cache cache;

        parent_cache_init(&cache);
        scene_keep_name("tree/d/kept");
        for (unsigned i = 0; i < 3; i++) {
                struct request *request = request_chown(i == 0 ? "way/plain" : "way/kept");

                if (i == 1)
                        appears();
                request->sys.cache = &cache;
                if (i == 0)
                        ck_assert_int_eq(request_run(request), 0);
                else
                        expect_changed(request_run(request));
                request_free(request);
        }
        parent_cache_clear(&cache);
        ck_assert_uint_eq(scene_stat("tree/d/kept").uid, 0);
}
END_TEST

/* It was looked at, and then it took long: everything is looked at again, at both ends. */
START_TEST(what_has_become_old) {
        for (unsigned i = 0; i < 4; i++) {
                struct request *request = request_elevated(FSOP_VERB_RENAME, i % 2 ? "d/plain" : "way/plain");

                scene.guard.foreign_parent = true;
                scene_keep_name("tree/d/kept");
                request_to(request, i % 2 ? "way/new" : "d/new");
                ck_assert_int_eq(sys_resolve(&request->sys, 0), 0);
                appears();
                request->sys.since_ms = i >= 2 ? 0 : sys_monotonic_ms() - 50; /* not old, however long that took */
                ck_assert_int_eq(sys_run(&request->sys), i >= 2 ? -FSOP_EAGAIN : 0);
                ck_assert(i < 2 || request->sys.source_failed == (i == 2));
                sys_release(&request->sys);
                identity_wear_service();
                ck_assert_int_eq(scene_exists("tree/d/new"), i < 2);
                request_free(request);
                if (i < 2)
                        ck_assert_int_eq(rename(scene_path("tree/d/new"), scene_path("tree/d/plain")), 0);
                ck_assert_int_eq(unlink(scene_path("tree/d/kept")), 0);
        }
}
END_TEST

/* Somebody else makes what was to be made: it is pinned then, and the names are looked at after that. */
START_TEST(who_makes_it_first) {
        scene.guard.set_id = true; /* it survives being truncated */
        for (unsigned changed = 0; changed < 2; changed++) {
                struct request *request = request_elevated(FSOP_VERB_OPEN, "way/new");

                scene_keep_name("tree/d/kept");
                request->op.args.open =
                        (struct open_args){.write = true, .truncate = true, .create = {.create = true, .mode = 0644}};
                ck_assert_int_eq(sys_resolve(&request->sys, 0), 0);
                scene_file("tree/d/new", NOBODY, 06755, "text");
                if (changed)
                        appears();
                sys_run(&request->sys);
                sys_release(&request->sys);
                identity_wear_service();
                ck_assert_int_eq(request->sys.code, changed ? -FSOP_EAGAIN : 0);
                ck_assert_uint_eq(scene_stat("tree/d/new").size, changed ? 4 : 0);
                ck_assert_uint_eq(scene_stat("tree/d/new").mode & 07777, 06755);
                request_free(request);
                ck_assert_int_eq(unlink(scene_path("tree/d/new")), 0);
        }
}
END_TEST

/* Nothing stands there, and nothing is put there, whichever way leads there; nor is a directory that holds it. */
static const struct {
        const char *name;
        struct operation op;
        const char *at, *to;
} makings[] = {
        {"mkdir", {.verb = FSOP_VERB_MKDIR, .args.mkdir = {.create = true, .mode = 0755}}, "kept"},
        {"mknod",
         {.verb = FSOP_VERB_MKNOD, .args.mknod = {.type = FSOP_TYPE_FIFO, .create = {.create = true, .mode = 0644}}},
         "kept"},
        {"open",
         {.verb = FSOP_VERB_OPEN, .args.open = {.write = true, .create = {.create = true, .mode = 0644}}},
         "kept"},
        {"truncate", {.verb = FSOP_VERB_TRUNCATE, .args.truncate.create = {.create = true, .mode = 0644}}, "kept"},
        {"symlink", {.verb = FSOP_VERB_SYMLINK, .args.symlink = {(const uint8_t *)"x", 1}}, "kept"},
        {"link", {.verb = FSOP_VERB_LINK}, "plain", "kept"},
        {"rename", {.verb = FSOP_VERB_RENAME}, "plain", "kept"},
        {"rename, what holds it", {.verb = FSOP_VERB_RENAME}, "holds", "other"},
        {"rename, to what holds it", {.verb = FSOP_VERB_RENAME}, "empty", "holds"},
};
#define N_MAKINGS (sizeof(makings) / sizeof(makings[0]))

/* MAKINGS[i] below DIRECTORY, or in it. */
static int make(unsigned i, const char *directory, os_fd fd, bool is_client_fd) {
        struct request *request;
        char at[64], to[64];

        snprintf(at, sizeof(at), "%s%s", directory, makings[i].at);
        request = request_elevated(makings[i].op.verb, at);
        request->op = makings[i].op;
        if (makings[i].to) {
                snprintf(to, sizeof(to), "%s%s", directory, makings[i].to);
                request_to(request, to);
        }
        if (fd != OS_FD_NONE) {
                request_base(&request->sys.at, fd);
                if (makings[i].to)
                        request_base(&request->sys.to, fd);
                request->sys.at.base_is_client_fd = request->sys.to.base_is_client_fd = is_client_fd;
        }
        return request_finish(request);
}

START_TEST(names_that_nothing_has_yet) {
        os_fd fd = open(scene_path("tree/d"), O_PATH | O_CLOEXEC);
        bool is_held = _i >= 7;

        scene_mkdir("tree/d/empty", NOBODY, 0755);
        scene_mkdir("tree/d/holds", NOBODY, 0755);
        scene_keep_name(is_held ? "tree/d/holds/kept" : "tree/d/kept");
        for (int client = 0; client < 2; client++) {
                ck_assert_int_eq(make((unsigned)_i, "", fd, client), -FSOP_EPERM);
                ck_assert_int_eq(scene_outdated, 0);
        }
        ck_assert_int_eq(make((unsigned)_i, "way/", OS_FD_NONE, false), -FSOP_EPERM);
        ck_assert(!scene_exists("tree/d/kept") && scene_exists("tree/d/plain"));
        scene.guard.n_reserved = 0; /* of a deny that does not mean this operation */
        ck_assert_int_eq(make((unsigned)_i, "way/", OS_FD_NONE, false), 0);
        sys_close(fd);
}
END_TEST

/* The same name elsewhere is another, and a directory that will hold it may be made. */
START_TEST(names_that_are_free) {
        struct request *request = request_elevated(FSOP_VERB_MKDIR, "way/sub");

        scene_keep_name("tree/d/sub/kept");
        scene_symlink(".", "tree/here");
        request->op.args.mkdir = (struct create_args){.create = true, .mode = 0755};
        ck_assert_int_eq(request_finish(request), 0);
        request = request_elevated(FSOP_VERB_MKDIR, "way/sub/kep");
        request->op.args.mkdir = (struct create_args){.create = true, .mode = 0755};
        ck_assert_int_eq(request_finish(request), 0);
        request = request_elevated(FSOP_VERB_MKDIR, "here/kept");
        request->op.args.mkdir = (struct create_args){.create = true, .mode = 0755};
        ck_assert_int_eq(request_finish(request), 0);
        ck_assert_int_eq(scene_outdated, 0);
}
END_TEST

/* In the uppermost directory, too. */
START_TEST(a_name_below_the_root) {
        static const char *const named[] = {"/fsop-no-such-name"};
        struct fsop_stat root, other = scene_stat("tree");

        ck_assert_int_eq(lookup_stat(AT_FDCWD, "/", false, &root), 0);
        scene_keep_name("tree/d/kept");
        scene.guard.named = named;
        ck_assert_int_eq(guard_look_at_new_name(&scene.guard, &root, named[0] + 1, false, 0), 1);
        ck_assert_int_eq(guard_look_at_new_name(&scene.guard, &other, named[0] + 1, false, 0), 0);
}
END_TEST

/* The N-th call fails, and it is not done. False: there are fewer. */
static bool fails_at(const char *path, unsigned n, int error) {
        bool exists = scene_exists("tree/d/kept"), hit;

        calls_fail(n, error);
        ck_assert_msg((exists ? change(path) : make(0, "way/", OS_FD_NONE, false)) < 0, "%s, call %u: it was done",
                      path, n);
        hit = calls_made >= n;
        calls_fail(0, 0);
        ck_assert(exists ? scene_stat("tree/d/kept").uid == 0 : !scene_exists("tree/d/kept"));
        return hit;
}

START_TEST(each_call_fails) {
        static const char *const paths[] = {"way/kept, made", "way/kept", "onto"};
        static const int errors[] = {EIO, EINTR, ESTALE};
        unsigned before = open_descriptors();

        scene_keep_name("tree/d/kept");
        for (unsigned i = 0; i < 3; i++) {
                unsigned n = 1;

                if (i == 1)
                        appears();

                while (fails_at(paths[i], n, errors[_i]))
                        n++;
                ck_assert_uint_gt(n, 5);
        }
        ck_assert_uint_eq(open_descriptors(), before);
}
END_TEST

/* ---- walks ------------------------------------------------------------------------------------------------------- */

static unsigned asked, to_be_asked;

/* Asked about each name before it is opened: now is the time. */
static const char *meanwhile(void *context, struct bytes below) {
        const char *before = context;

        if (below.len >= strlen(before) && memcmp(below.data, before, strlen(before)) == 0 && ++asked == to_be_asked)
                appears();
        return NULL;
}

/* KEPT comes when N names that begin with BEFORE have been met. */
static struct request *request_walk(const char *path, enum fsop_follow follow, const char *before, unsigned n) {
        struct request *request = request_chown(path);

        request->op.args.chown.walk = (struct walk_args){.recursive = true, .follow = follow};
        request->sys.excluded = meanwhile;
        request->sys.excluded_context = (void *)(uintptr_t)before;
        asked = 0;
        to_be_asked = n;
        scene_keep_name("tree/d/kept");
        return request;
}

static const struct walk_result *result(const struct request *request) {
        return &request->result.value.walk;
}

/* What its root was reached by is what everything below was reached by. */
START_TEST(walks_from_a_handle) {
        os_fd fd = open(scene_path("tree/d"), O_PATH | O_CLOEXEC);

        scene_file("tree/d/other", NOBODY, 0644, "x");
        for (unsigned n = 0; n < 3; n++) {
                struct request *request = request_walk("", FSOP_FOLLOW_NEVER, "", n);
                int code;

                request_base(&request->sys.at, fd);
                code = request_run(request);
                ck_assert_int_eq(code, n == 0 ? 0 : -FSOP_EAGAIN);
                ck_assert_int_eq(scene_outdated, n > 0);
                ck_assert_uint_eq(result(request)->failed, n > 0); /* it ended there */
                ck_assert_uint_eq(result(request)->changed, n == 0 ? 3 : n - 1);
                ck_assert_uint_eq(scene_stat("tree/d").uid, n == 0 ? SOMEBODY : NOBODY);
                request_free(request);
                unlink(scene_path("tree/d/kept"));
                scene_chown("tree/d", NOBODY, NOBODY);
                scene_chown("tree/d/plain", NOBODY, NOBODY);
                scene_chown("tree/d/other", NOBODY, NOBODY);
        }
        sys_close(fd);
}
END_TEST

START_TEST(walks_by_their_own_path) {
        struct request *request = request_walk("d", FSOP_FOLLOW_NEVER, "", 1);

        ck_assert_int_eq(request_run(request), 0);
        ck_assert_int_eq(scene_outdated, 0);
        ck_assert_uint_eq(result(request)->failed, 0);
        request_free(request);
}
END_TEST

/* A link that is met may lead to what is kept out, itself or by what comes below it. */
START_TEST(walks_through_links) {
        static const struct {
                const char *text, *before;
        } cases[] = {{"../d/kept", "link"}, {"../d", "link"}, {"../d", "link/"}};
        struct request *request = request_walk("t", FSOP_FOLLOW_ALWAYS, cases[_i].before, 1);

        scene_mkdir("tree/t", NOBODY, 0755);
        scene_symlink(cases[_i].text, "tree/t/link");
        ck_assert_int_eq(request_run(request), -FSOP_EAGAIN);
        ck_assert_int_eq(scene_outdated, 1);
        ck_assert_uint_eq(result(request)->failed, 1);
        ck_assert_uint_eq(scene_stat("tree/d/kept").uid, 0);
        ck_assert_uint_eq(scene_stat("tree/d/plain").uid, NOBODY);
        request_free(request);
}
END_TEST

/* The names are looked at as the service, without the right that a rule with set-id gives: a walk has it again
 * afterwards. */
START_TEST(set_id_beside_names) {
        struct request *request;

        scene.guard.set_id = true;
        scene_mkdir("tree/t", NOBODY, 0755);
        scene_symlink("../d", "tree/t/dir");
        scene_symlink("../far", "tree/t/file");
        scene_file("tree/far", NOBODY, 0644, "x");
        scene_file("tree/d/other", NOBODY, 0644, "x");
        scene_keep_name("tree/d/kept");
        request = request_elevated(FSOP_VERB_CHMOD, "t");
        request->op.args.chmod = (struct chmod_args){
                .clear = 07777, .set = 02755, .walk = {.recursive = true, .follow = FSOP_FOLLOW_ALWAYS}};
        ck_assert_int_eq(request_run(request), 0);
        ck_assert_uint_eq(scene_stat("tree/t").mode & 07777, 02755);
        ck_assert_uint_eq(scene_stat("tree/d").mode & 07777, 02755);
        ck_assert_uint_eq(scene_stat("tree/d/plain").mode & 07777, 02755);
        ck_assert_uint_eq(scene_stat("tree/d/other").mode & 07777, 02755);
        ck_assert_uint_eq(scene_stat("tree/far").mode & 07777, 02755);
        request_free(request);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("guard_names");
        TCase *objects = tcase_create("objects"), *walks = tcase_create("walks");

        scene_need_root();
        tcase_add_checked_fixture(objects, set_up, scene_close);
        tcase_add_loop_test(objects, what_another_way_leads_to, 0, N_WAYS);
        tcase_add_test(objects, failures_by_another_way);
        tcase_add_test(objects, nothing_stands_there_any_more);
        tcase_add_test(objects, names_that_cannot_be_looked_up);
        tcase_add_test(objects, parents_that_are_shared);
        tcase_add_test(objects, what_has_become_old);
        tcase_add_test(objects, who_makes_it_first);
        tcase_add_loop_test(objects, names_that_nothing_has_yet, 0, N_MAKINGS);
        tcase_add_test(objects, names_that_are_free);
        tcase_add_test(objects, a_name_below_the_root);
        tcase_add_loop_test(objects, each_call_fails, 0, 3);
        tcase_add_checked_fixture(walks, set_up, scene_close);
        tcase_add_test(walks, walks_from_a_handle);
        tcase_add_test(walks, walks_by_their_own_path);
        tcase_add_loop_test(walks, walks_through_links, 0, 3);
        tcase_add_test(walks, set_id_beside_names);
        suite_add_tcase(suite, objects);
        suite_add_tcase(suite, walks);
        return suite_run(suite);
}
