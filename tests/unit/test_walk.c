/* SPDX-License-Identifier: MIT */
/*
 * test_walk.c: chmod, chown and unlink of whole trees: deep ones with few descriptors, links in every way of following
 * them, what a rule keeps out, what fails and is listed.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backends/linux/sys_linux.h"
#include "tests/support/scene.h"
#include "tests/support/suite.h"

static struct request *walk(enum fsop_verb verb, const char *path, enum fsop_follow follow) {
        struct request *request = request_new(verb, path);
        struct walk_args args = {.recursive = true, .follow = follow};

        request_elevate(request, NULL);
        if (verb == FSOP_VERB_CHOWN)
                request->op.args.chown = (struct chown_args){.has_uid = true, .uid = 777, .walk = args};
        else if (verb == FSOP_VERB_CHMOD)
                request->op.args.chmod = (struct chmod_args){.clear = 0777, .set = 0640, .set_x = 0110, .walk = args};
        else
                request->op.args.unlink = args;
        return request;
}

static struct request *walk_as_nobody(enum fsop_verb verb, const char *name) {
        struct request *request = walk(verb, scene_path(name), FSOP_FOLLOW_NEVER);

        request_as(request, scene.nobody);
        request->sys.at.guard = NULL;
        return request;
}

static const struct walk_result *result(const struct request *request) {
        return &request->result.value.walk;
}

static bool has_failure(const struct request *request, const char *path, int code) {
        for (uint32_t i = 0; i < result(request)->n_failures; i++) {
                const struct walk_failure *failure = &result(request)->failures[i];

                if (failure->path.len == strlen(path) && memcmp(failure->path.data, path, failure->path.len) == 0 &&
                    (int)failure->code == code)
                        return true;
        }
        return false;
}

static void furnish(void) {
        scene_mkdir("tree/t", NOBODY, 0700);
        scene_mkdir("tree/t/a", NOBODY, 0700);
        scene_mkdir("tree/t/a/b", NOBODY, 0700);
        scene_file("tree/t/f", NOBODY, 0600, "x");
        scene_file("tree/t/a/f", NOBODY, 0700, "x");
        scene_file("tree/t/a/b/f", NOBODY, 0600, "x");
        scene_symlink("../f", "tree/t/a/link");
        scene_symlink("a", "tree/t/dirlink");
        scene_file("outside/file", 0, 0600, "x");
        scene_mkdir("outside/dir", 0, 0700);
        scene_file("outside/dir/file", 0, 0600, "x");
}

START_TEST(changes_everything) {
        struct request *request;

        furnish();
        request = walk(FSOP_VERB_CHOWN, "t", FSOP_FOLLOW_NEVER);
        assert_ok(request_run(request));
        ck_assert_uint_eq(result(request)->visited, 8);
        ck_assert_uint_eq(result(request)->changed, 8);
        ck_assert_uint_eq(result(request)->failed, 0);
        ck_assert_uint_eq(scene_stat("tree/t").uid, 777);
        ck_assert_uint_eq(scene_stat("tree/t/a/b/f").uid, 777);
        ck_assert_uint_eq(scene_stat("tree/t/a/link").uid, 777);
        assert_ok(request_run(request));
        ck_assert_uint_eq(result(request)->changed, 0);
        request_free(request);
        request = walk(FSOP_VERB_CHMOD, "t", FSOP_FOLLOW_NEVER);
        assert_ok(request_run(request));
        ck_assert_uint_eq(result(request)->changed, 6);
        ck_assert_uint_eq(scene_stat("tree/t/a/b").mode & 07777, 0750);
        ck_assert_uint_eq(scene_stat("tree/t/a/b/f").mode & 07777, 0640);
        ck_assert_uint_eq(scene_stat("tree/t/a/f").mode & 07777, 0750);
        request_free(request);
        request = walk(FSOP_VERB_UNLINK, "t", FSOP_FOLLOW_NEVER);
        assert_ok(request_run(request));
        ck_assert_uint_eq(result(request)->changed, 8);
        ck_assert(!scene_exists("tree/t"));
        ck_assert(scene_exists("outside/file"));
        request_free(request);
}
END_TEST

START_TEST(changes_single_things) {
        struct request *request;

        scene_file("tree/f", NOBODY, 0600, "x");
        scene_symlink("f", "tree/l");
        request = walk(FSOP_VERB_CHOWN, "l", FSOP_FOLLOW_NEVER);
        assert_ok(request_finish(request));
        ck_assert_uint_eq(scene_stat("tree/l").uid, 777);
        ck_assert_uint_eq(scene_stat("tree/f").uid, NOBODY);
        request = walk(FSOP_VERB_CHOWN, "l", FSOP_FOLLOW_ARGUMENT);
        assert_ok(request_finish(request));
        ck_assert_uint_eq(scene_stat("tree/f").uid, 777);
        request = walk(FSOP_VERB_UNLINK, "l", FSOP_FOLLOW_NEVER);
        assert_ok(request_finish(request));
        ck_assert(scene_exists("tree/f"));
        /* a link with a slash behind it is no directory to be emptied */
        scene_symlink(scene_path("outside"), "outside/link");
        request = walk(FSOP_VERB_UNLINK, scene_path("outside/link/"), FSOP_FOLLOW_NEVER);
        request->sys.at.guard = NULL;
        ck_assert_int_eq(request_finish(request), -FSOP_ENOTDIR);
        ck_assert(scene_exists("outside/link"));
        request = walk(FSOP_VERB_UNLINK, scene_path("outside/."), FSOP_FOLLOW_NEVER);
        request->sys.at.guard = NULL;
        ck_assert_int_eq(request_finish(request), -FSOP_EINVAL);
}
END_TEST

START_TEST(follows_as_told) {
        struct request *request;

        furnish();
        scene_symlink("../../outside/dir", "tree/t/out");
        scene_symlink("../../t", "tree/t/a/loop");
        scene_symlink("t", "tree/tlink");
        request = walk(FSOP_VERB_CHOWN, "tlink", FSOP_FOLLOW_ARGUMENT);
        assert_ok(request_run(request));
        ck_assert_uint_eq(scene_stat("tree/t/f").uid, 777);
        ck_assert_uint_eq(scene_stat("tree/t/out").uid, 777);
        ck_assert_uint_eq(scene_stat("tree/tlink").uid, 0);
        request_free(request);
        /* -L: what a link leads to, each directory once, and not out of the rule's directory */
        request = walk(FSOP_VERB_CHOWN, "t", FSOP_FOLLOW_ALWAYS);
        request->op.args.chown.uid = 888;
        ck_assert_int_eq(request_run(request), -FSOP_EXDEV);
        ck_assert_uint_eq(result(request)->failed, 1);
        ck_assert(has_failure(request, "out", FSOP_EXDEV));
        ck_assert_uint_eq(scene_stat("tree/t/a/b/f").uid, 888);
        ck_assert_uint_eq(scene_stat("tree/t/a/link").uid, 777);
        ck_assert_uint_eq(scene_stat("tree/t/out").uid, 777);
        ck_assert_uint_eq(scene_stat("outside/dir").uid, 0);
        ck_assert_uint_eq(scene_stat("outside/dir/file").uid, 0);
        request_free(request);
        /* as caller it leads where the caller may go: here the caller is root */
        request = walk(FSOP_VERB_CHOWN, scene_path("tree/t"), FSOP_FOLLOW_ALWAYS);
        request->sys.at.guard = NULL;
        request->op.args.chown.uid = 999;
        assert_ok(request_run(request));
        ck_assert_uint_eq(scene_stat("outside/dir/file").uid, 999);
        request_free(request);
}
END_TEST

/* ---- what is kept out -------------------------------------------------------------------------------------------- */

static const char *names_excluded(void *context, struct bytes below) {
        const char *name = context;

        return below.len == strlen(name) && memcmp(below.data, name, below.len) == 0
                       ? "the rule for this place excludes it"
                       : NULL;
}

/* Files, and what came after the guard was made. */
START_TEST(asks_about_names) {
        static const enum fsop_verb verbs[] = {FSOP_VERB_CHOWN, FSOP_VERB_CHMOD, FSOP_VERB_UNLINK};

        furnish();
        for (size_t i = 0; i < 3; i++) {
                struct request *request = walk(verbs[i], "t", FSOP_FOLLOW_NEVER);

                request->sys.excluded = names_excluded;
                request->sys.excluded_context = (void *)(uintptr_t) "a/f";
                ck_assert_int_eq(request_run(request), -FSOP_EPERM);
                ck_assert(request->sys.guarded);
                ck_assert_str_eq(request->sys.why, "the rule for this place excludes it");
                ck_assert_uint_eq(result(request)->failed, 1);
                ck_assert(has_failure(request, "a/f", FSOP_EPERM));
                ck_assert_uint_eq(scene_stat("tree/t/a/f").uid, NOBODY);
                ck_assert_uint_eq(scene_stat("tree/t/a/f").mode & 07777, 0700);
                if (verbs[i] != FSOP_VERB_UNLINK)
                        ck_assert_uint_eq(scene_stat("tree/t/f").uid, 777);
                request_free(request);
        }
        ck_assert(!scene_exists("tree/t/f"));
        ck_assert(!scene_exists("tree/t/a/b"));
}
END_TEST

/* By what it is, whatever its name is by now, and whichever link leads to it. */
START_TEST(passes_by_excluded_files) {
        static const enum fsop_verb verbs[] = {FSOP_VERB_CHOWN, FSOP_VERB_CHMOD, FSOP_VERB_UNLINK};

        furnish();
        scene_exclude("tree/t/a/f");
        assert_ok(rename(scene_path("tree/t/a/f"), scene_path("tree/t/a/moved")));
        scene_symlink("a/moved", "tree/t/way");
        for (size_t i = 0; i < 3; i++) {
                struct request *request = walk(verbs[i], "t", i == 0 ? FSOP_FOLLOW_ALWAYS : FSOP_FOLLOW_NEVER);

                ck_assert_int_eq(request_run(request), -FSOP_EPERM);
                ck_assert(request->sys.guarded);
                /* with links followed, its directory may be met as dirlink first */
                ck_assert(has_failure(request, "a/moved", FSOP_EPERM) ||
                          has_failure(request, "dirlink/moved", FSOP_EPERM));
                ck_assert_uint_eq(result(request)->failed, verbs[i] == FSOP_VERB_CHOWN ? 2 : 1);
                ck_assert_uint_eq(scene_stat("tree/t/a/moved").uid, NOBODY);
                ck_assert_uint_eq(scene_stat("tree/t/a/moved").mode & 07777, 0700);
                request_free(request);
        }
}
END_TEST

START_TEST(passes_by_what_is_excluded) {
        static const enum fsop_verb verbs[] = {FSOP_VERB_CHOWN, FSOP_VERB_CHMOD, FSOP_VERB_UNLINK};

        furnish();
        scene_mkdir("tree/t/secret", 0, 0700);
        scene_file("tree/t/secret/file", NOBODY, 0600, "x");
        scene_symlink("secret", "tree/t/way");
        scene_exclude("tree/t/secret");
        for (size_t i = 0; i < 3; i++) {
                struct request *request = walk(verbs[i], "t", i == 0 ? FSOP_FOLLOW_ALWAYS : FSOP_FOLLOW_NEVER);

                ck_assert_int_eq(request_run(request), -FSOP_EPERM);
                ck_assert(request->sys.guarded);
                ck_assert_ptr_nonnull(request->sys.why);
                ck_assert(has_failure(request, "secret", FSOP_EPERM));
                ck_assert(i != 0 || has_failure(request, "way", FSOP_EPERM));
                ck_assert_uint_gt(result(request)->changed, 4);
                request_free(request);
        }
        ck_assert_uint_eq(scene_stat("tree/t/secret").uid, 0);
        ck_assert_uint_eq(scene_stat("tree/t/secret/file").uid, NOBODY);
        ck_assert_uint_eq(scene_stat("tree/t/secret/file").mode & 0777, 0600);
        ck_assert(!scene_exists("tree/t/a"));
}
END_TEST

START_TEST(passes_by_what_the_rule_refuses) {
        struct request *request;

        furnish();
        ck_assert_int_eq(link(scene_path("outside/file"), scene_path("tree/t/a/hard")), 0);
        scene_file("tree/t/setid", NOBODY, 04755, "x");
        request = walk(FSOP_VERB_CHOWN, "t", FSOP_FOLLOW_NEVER);
        ck_assert_int_eq(request_run(request), -FSOP_EPERM);
        ck_assert_uint_eq(result(request)->failed, 1);
        ck_assert(has_failure(request, "a/hard", FSOP_EPERM));
        ck_assert_uint_eq(scene_stat("outside/file").uid, 0);
        ck_assert_uint_eq(scene_stat("tree/t/setid").uid, 777);
        ck_assert_uint_eq(scene_stat("tree/t/setid").mode & 07000, 0);
        request_free(request);
        request = walk(FSOP_VERB_CHMOD, "t", FSOP_FOLLOW_NEVER);
        request->op.args.chmod = (struct chmod_args){.set = 04000, .walk = {.recursive = true}};
        ck_assert_int_eq(request_run(request), -FSOP_EPERM);
        ck_assert_uint_eq(result(request)->changed, 0);
        request_free(request);
        scene.guard.owned_by_caller = true;
        request = walk(FSOP_VERB_UNLINK, "t", FSOP_FOLLOW_NEVER);
        ck_assert_int_eq(request_run(request), -FSOP_EPERM);
        ck_assert(scene_exists("tree/t/f"));
        request_free(request);
}
END_TEST

START_TEST(stays_on_one_filesystem) {
        struct request *request;

        furnish();
        scene_mkdir("tree/t/m", 0, 0755);
        if (mount("tmpfs", scene_path("tree/t/m"), "tmpfs", 0, "mode=755") < 0) {
                scene_skip("tmpfs cannot be mounted here");
                return;
        }
        scene_file("tree/t/m/file", 0, 0644, "x");
        request = walk(FSOP_VERB_CHOWN, "t", FSOP_FOLLOW_NEVER);
        request->op.args.chown.walk.one_filesystem = true;
        assert_ok(request_run(request));
        ck_assert_uint_eq(scene_stat("tree/t/m").uid, 0);
        ck_assert_uint_eq(scene_stat("tree/t/m/file").uid, 0);
        request_free(request);
        request = walk(FSOP_VERB_CHOWN, "t", FSOP_FOLLOW_NEVER);
        scene.guard.one_filesystem = true;
        ck_assert_int_eq(request_run(request), -FSOP_EXDEV);
        ck_assert(has_failure(request, "m", FSOP_EXDEV));
        scene.guard.one_filesystem = false;
        assert_ok(request_run(request));
        ck_assert_uint_eq(scene_stat("tree/t/m/file").uid, 777);
        request_free(request);
        /* a mount cannot be removed, but what is in it */
        request = walk(FSOP_VERB_UNLINK, "t", FSOP_FOLLOW_NEVER);
        ck_assert_int_eq(request_run(request), -FSOP_EBUSY);
        ck_assert(!scene_exists("tree/t/m/file"));
        request_free(request);
        ck_assert_int_eq(umount2(scene_path("tree/t/m"), MNT_DETACH), 0);
}
END_TEST

START_TEST(nothing_on_procfs) {
        struct request *request;

        scene_mkdir("tree/t", NOBODY, 0755);
        scene_mkdir("tree/t/p", NOBODY, 0755);
        if (mount("proc", scene_path("tree/t/p"), "proc", 0, NULL) < 0) {
                scene_skip("procfs cannot be mounted here");
                return;
        }
        request = walk(FSOP_VERB_CHOWN, "t", FSOP_FOLLOW_NEVER);
        ck_assert_int_eq(request_run(request), -FSOP_EACCES);
        ck_assert_uint_eq(result(request)->visited, 2);
        ck_assert(has_failure(request, "p", FSOP_EACCES));
        request_free(request);
        ck_assert_int_eq(umount2(scene_path("tree/t/p"), MNT_DETACH), 0);
}
END_TEST

/* ---- as caller --------------------------------------------------------------------------------------------------- */

START_TEST(the_caller_fails_where_it_may_not) {
        struct request *request;

        furnish();
        scene_mkdir("tree/t/theirs", SOMEBODY, 0755);
        scene_file("tree/t/theirs/f", SOMEBODY, 0644, "x");
        scene_mkdir("tree/t/closed", SOMEBODY, 0700);
        scene_mkdir("tree/t/unreadable", NOBODY, 0);
        request = walk_as_nobody(FSOP_VERB_CHMOD, "tree/t");
        ck_assert_int_eq(request_run(request), -FSOP_EPERM);
        ck_assert(!request->sys.guarded);
        ck_assert(has_failure(request, "theirs", FSOP_EPERM));
        ck_assert(has_failure(request, "theirs/f", FSOP_EPERM));
        ck_assert(has_failure(request, "closed", FSOP_EPERM));
        ck_assert(has_failure(request, "closed", FSOP_EACCES));
        ck_assert(!has_failure(request, "unreadable", FSOP_EACCES)); /* its mode was changed first */
        ck_assert_uint_eq(scene_stat("tree/t/a/b/f").mode & 0777, 0640);
        request_free(request);
        request = walk_as_nobody(FSOP_VERB_UNLINK, "tree/t");
        ck_assert_int_lt(request_run(request), 0);
        ck_assert(!scene_exists("tree/t/a"));
        ck_assert(!scene_exists("tree/t/closed")); /* unreadable, but empty */
        ck_assert(scene_exists("tree/t/theirs/f"));
        request_free(request);
}
END_TEST

/* ---- deep, wide, long -------------------------------------------------------------------------------------------- */

static void make_deep(unsigned depth) {
        int fd = open(scene_path("tree/deep"), O_PATH | O_DIRECTORY | O_CLOEXEC);

        for (unsigned i = 0; i < depth; i++) {
                int next;

                ck_assert_int_eq(mkdirat(fd, "a-directory", 0700), 0);
                next = openat(fd, "a-directory", O_PATH | O_DIRECTORY | O_CLOEXEC);
                ck_assert_int_ge(next, 0);
                if (i % 100 == 0) {
                        ck_assert_int_eq(mknodat(next, "before", S_IFREG | 0600, 0), 0);
                        ck_assert_int_eq(mknodat(next, "zzz", S_IFREG | 0600, 0), 0);
                }
                close(fd);
                fd = next;
        }
        close(fd);
}

START_TEST(deep_trees_need_few_descriptors) {
        const unsigned depth = 5000, files = depth / 100 * 2;
        struct rlimit limit = {64, 64};
        struct request *request;

        scene_mkdir("tree/deep", 0, 0700);
        make_deep(depth);
        ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
        request = walk(FSOP_VERB_CHOWN, "deep", FSOP_FOLLOW_NEVER);
        assert_ok(request_run(request));
        ck_assert_uint_eq(result(request)->visited, 1 + depth + files);
        ck_assert_uint_eq(result(request)->changed, 1 + depth + files);
        request_free(request);
        request = walk(FSOP_VERB_CHMOD, "deep", FSOP_FOLLOW_NEVER);
        assert_ok(request_run(request));
        ck_assert_uint_eq(result(request)->visited, 1 + depth + files);
        request_free(request);
        request = walk(FSOP_VERB_UNLINK, "deep", FSOP_FOLLOW_NEVER);
        assert_ok(request_run(request));
        ck_assert_uint_eq(result(request)->changed, 1 + depth + files);
        request_free(request);
        ck_assert(!scene_exists("tree/deep"));
}
END_TEST

START_TEST(wide_trees) {
        const unsigned n = 3000;
        struct request *request;
        int fd;

        scene_mkdir("tree/wide", 0, 0700);
        fd = open(scene_path("tree/wide"), O_PATH | O_DIRECTORY | O_CLOEXEC);
        for (unsigned i = 0; i < n; i++) {
                char name[32];

                snprintf(name, sizeof(name), "%u", i);
                if (i % 10 == 0)
                        ck_assert_int_eq(mkdirat(fd, name, 0700), 0);
                else
                        ck_assert_int_eq(mknodat(fd, name, S_IFREG | 0600, 0), 0);
        }
        close(fd);
        request = walk(FSOP_VERB_CHOWN, "wide", FSOP_FOLLOW_NEVER);
        assert_ok(request_run(request));
        ck_assert_uint_eq(result(request)->changed, n + 1);
        request_free(request);
        request = walk(FSOP_VERB_UNLINK, "wide", FSOP_FOLLOW_NEVER);
        assert_ok(request_run(request));
        ck_assert_uint_eq(result(request)->changed, n + 1);
        request_free(request);
}
END_TEST

START_TEST(failures_are_counted_beyond_the_list) {
        struct request *request;

        scene_mkdir("tree/t", NOBODY, 0755);
        for (unsigned i = 0; i < 250; i++) {
                char name[64];

                snprintf(name, sizeof(name), "tree/t/file-%u", i);
                scene_file(name, 0, 0600, "");
        }
        request = walk_as_nobody(FSOP_VERB_CHMOD, "tree/t");
        ck_assert_int_eq(request_run(request), -FSOP_EPERM);
        ck_assert_int_eq(request->sys.os_error, EPERM);
        ck_assert_uint_eq(result(request)->failed, 250);
        ck_assert_uint_eq(result(request)->n_failures, WIRE_WALK_FAILURES_MAX);
        request->sys.out_bytes = 200;
        ck_assert_int_eq(request_run(request), -FSOP_EPERM);
        ck_assert_uint_eq(result(request)->failed, 250);
        ck_assert_uint_gt(result(request)->n_failures, 0);
        ck_assert_uint_lt(result(request)->n_failures, 8);
        request_free(request);
}
END_TEST

static void *cancel(void *argument) {
        struct request *request = argument;

        while (scene_stat("tree/wide").uid != 12345) /* set by the test when it begins */
                usleep(100);
        __atomic_store_n(&request->sys.cancelled, 1, __ATOMIC_RELAXED);
        return NULL;
}

START_TEST(cancelled_on_the_way) {
        struct request *request;
        pthread_t thread;
        int fd, code;

        scene_mkdir("tree/wide", 0, 0700);
        fd = open(scene_path("tree/wide"), O_PATH | O_DIRECTORY | O_CLOEXEC);
        for (unsigned i = 0; i < 200; i++) {
                char name[32];

                snprintf(name, sizeof(name), "%u", i);
                ck_assert_int_eq(mknodat(fd, name, S_IFREG | 0600, 0), 0);
        }
        request = walk(FSOP_VERB_CHMOD, "wide", FSOP_FOLLOW_NEVER);
        ck_assert_int_eq(pthread_create(&thread, NULL, cancel, request), 0);
        ck_assert_int_eq(fchownat(fd, "", 12345, 0, AT_EMPTY_PATH), 0);
        close(fd);
        do
                code = request_run(request);
        while (code == 0);
        ck_assert_int_eq(code, -FSOP_ECANCELED);
        pthread_join(thread, NULL);
        request_free(request);
}
END_TEST

/* ---- a tree that is changed under the walk ----------------------------------------------------------------------- */

struct mover {
        int parent_fd, outside_fd;
        bool stop;
        unsigned moves;
};

/* Takes a directory out of the middle of the tree and puts it back, all the time. */
static void *move_to_and_fro(void *argument) {
        struct mover *mover = argument;

        while (!__atomic_load_n(&mover->stop, __ATOMIC_RELAXED)) {
                if (renameat(mover->parent_fd, "a-directory", mover->outside_fd, "away") == 0) {
                        mover->moves++;
                        ck_assert_int_eq(renameat(mover->outside_fd, "away", mover->parent_fd, "a-directory"), 0);
                }
        }
        return NULL;
}

START_TEST(never_goes_on_outside) {
        struct mover mover = {.stop = false};
        unsigned ended = 0, whole = 0;
        struct stat outside, file;
        int root_fd, file_fd;
        pthread_t thread;

        scene_mkdir("tree/deep", 0, 0700);
        make_deep(120);
        scene_file("outside/file", 0, 0600, "root's");
        mover.parent_fd = open(scene_path("tree/deep"), O_PATH | O_DIRECTORY | O_CLOEXEC);
        mover.outside_fd = open(scene_path("outside"), O_PATH | O_DIRECTORY | O_CLOEXEC);
        file_fd = open(scene_path("outside/file"), O_PATH | O_CLOEXEC);
        root_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
        ck_assert_int_eq(chroot(scene_path("")),
                         0); /* a walk that does go on ends there, and not at the machine's own root */
        for (int i = 0; i < 40; i++) {
                int next = openat(mover.parent_fd, "a-directory", O_PATH | O_DIRECTORY | O_CLOEXEC);

                close(mover.parent_fd);
                mover.parent_fd = next;
        }
        ck_assert_int_eq(pthread_create(&thread, NULL, move_to_and_fro, &mover), 0);
        for (uint32_t i = 0; i < 400 || ended == 0; i++) { /* until both ran at a time */
                struct request *request = walk(FSOP_VERB_CHOWN, "deep", FSOP_FOLLOW_NEVER);

                request->op.args.chown.uid = 1000 + i;
                if (request_run(request) == 0)
                        whole++;
                else
                        ended++;
                request_free(request);
                /* ".." of the moved directory led to it */
                ck_assert_int_eq(fstat(mover.outside_fd, &outside) | fstat(file_fd, &file), 0);
                ck_assert_uint_eq(outside.st_uid, 0);
                ck_assert_uint_eq(file.st_uid, 0);
        }
        __atomic_store_n(&mover.stop, true, __ATOMIC_RELAXED);
        pthread_join(thread, NULL);
        printf("%u moves, %u walks went through, %u ended early\n", mover.moves, whole, ended);
        fflush(stdout);
        ck_assert_int_eq(fchdir(root_fd) | chroot("."), 0);
        close(root_fd);
        close(file_fd);
        close(mover.outside_fd);
        close(mover.parent_fd);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("walk");
        TCase *cases = tcase_create("walk");

        scene_need_root();
        tcase_add_checked_fixture(cases, scene_open, scene_close);
        tcase_set_timeout(cases, 240);
        tcase_add_test(cases, changes_everything);
        tcase_add_test(cases, changes_single_things);
        tcase_add_test(cases, follows_as_told);
        tcase_add_test(cases, asks_about_names);
        tcase_add_test(cases, passes_by_excluded_files);
        tcase_add_test(cases, passes_by_what_is_excluded);
        tcase_add_test(cases, passes_by_what_the_rule_refuses);
        tcase_add_test(cases, stays_on_one_filesystem);
        tcase_add_test(cases, nothing_on_procfs);
        tcase_add_test(cases, the_caller_fails_where_it_may_not);
        tcase_add_test(cases, deep_trees_need_few_descriptors);
        tcase_add_test(cases, wide_trees);
        tcase_add_test(cases, failures_are_counted_beyond_the_list);
        tcase_add_test(cases, cancelled_on_the_way);
        tcase_add_test(cases, never_goes_on_outside);
        suite_add_tcase(suite, cases);
        return suite_run(suite);
}
