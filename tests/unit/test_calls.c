/* SPDX-License-Identifier: MIT */
/*
 * test_calls.c: operations of every kind on real files, as a caller and with a rule's rights, with each system call and
 * each allocation on the way failing in turn. Afterwards nothing is left open, nobody's identity is left on, what
 * failed says so, what was not begun changed nothing, and a walk that reports no failure did all of it.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "tests/support/descriptors.h"
#include "tests/support/fail_alloc.h"
#include "tests/support/fail_calls.h"
#include "tests/support/scene.h"
#include "tests/support/suite.h"

#define NAME "user.name"
#define BYTES(text)                                                                                                    \
        { (const uint8_t *)(text), sizeof(text) - 1 }

struct job {
        const char *name;
        struct operation op;
        const char *at, *to;
        bool handle;            /* on the object itself, held open */
        bool (*complete)(void); /* whether it did all that it was to do */
};

static int base_umask;
static bool built; /* the tree stands as build() makes it */

/* ---- what is looked at ------------------------------------------------------------------------------------------- */

static unsigned seen;
static uint32_t seen_uid, seen_mode;
static uint64_t print;

static int look(const char *path, const struct stat *st, int type, struct FTW *where) {
        (void)type;
        (void)where;
        if (st->st_uid == seen_uid)
                seen++;
        for (const char *c = path; *c; c++)
                print = print * 31 + (uint8_t)*c;
        print = print * 31 + st->st_mode + st->st_uid * 7 + (uint64_t)st->st_size * 13 + st->st_nlink * 17;
        return 0;
}

static uint64_t fingerprint(void) {
        print = 1;
        nftw(scene_path("tree/d"), look, 16, FTW_PHYS);
        return print;
}

static bool all_belong_to_somebody(void) {
        seen_uid = SOMEBODY;
        seen = 0;
        fingerprint();
        return seen == 7;
}

static int look_at_mode(const char *path, const struct stat *st, int type, struct FTW *where) {
        (void)path;
        (void)type;
        (void)where;
        seen += !S_ISLNK(st->st_mode) && (st->st_mode & 0777) == seen_mode;
        return 0;
}

static bool all_have_the_mode(void) {
        seen_mode = 0750;
        seen = 0;
        nftw(scene_path("tree/d"), look_at_mode, 16, FTW_PHYS);
        return seen == 6;
}

static bool tree_is_gone(void) {
        return !scene_exists("tree/d/sub");
}

static void build(void) {
        scene_mkdir("tree/d", NOBODY, 0777);
        scene_mkdir("tree/d/sub", NOBODY, 0777);
        scene_mkdir("tree/d/sub/deep", NOBODY, 0777);
        scene_mkdir("tree/d/empty", NOBODY, 0777);
        scene_file("tree/d/f", NOBODY, 0666, "some text");
        scene_file("tree/d/sub/deep/g", NOBODY, 0666, "more text");
        scene_symlink("f", "tree/d/link");
        ck_assert_int_eq(lchown(scene_path("tree/d/link"), NOBODY, NOBODY), 0);
        ck_assert_int_eq(setxattr(scene_path("tree/d/f"), NAME, "v", 1, 0), 0);
}

/* ---- the jobs ---------------------------------------------------------------------------------------------------- */

#define CREATE                                                                                                         \
        { .create = true, .mode = 0644, .umask = 022 }

static const struct job jobs[] = {
        {"stat", {.verb = FSOP_VERB_STAT}, "d/f"},
        {"statfs", {.verb = FSOP_VERB_STATFS}, "d/f"},
        {"chmod", {.verb = FSOP_VERB_CHMOD, .args.chmod = {.clear = 07777, .set = 0640}}, "d/f"},
        {"chmod -R",
         {.verb = FSOP_VERB_CHMOD, .args.chmod = {.clear = 07777, .set = 0750, .walk = {.recursive = true}}},
         "d",
         .complete = all_have_the_mode},
        {"chmod -RL",
         {.verb = FSOP_VERB_CHMOD,
          .args.chmod = {.clear = 07777, .set = 0750, .walk = {.recursive = true, .follow = FSOP_FOLLOW_ALWAYS}}},
         "d",
         .complete = all_have_the_mode},
        {"chown", {.verb = FSOP_VERB_CHOWN, .args.chown = {.has_uid = true, .uid = SOMEBODY}}, "d/f"},
        {"chown -R",
         {.verb = FSOP_VERB_CHOWN, .args.chown = {.has_uid = true, .uid = SOMEBODY, .walk = {.recursive = true}}},
         "d",
         .complete = all_belong_to_somebody},
        {"utimens",
         {.verb = FSOP_VERB_UTIMENS, .args.utimens = {.atime_change = TIME_NOW, .mtime_change = TIME_NOW}},
         "d/f"},
        {"utimens, new",
         {.verb = FSOP_VERB_UTIMENS, .args.utimens = {.atime_change = TIME_NOW, .create = CREATE}},
         "d/new"},
        {"mkdir", {.verb = FSOP_VERB_MKDIR, .args.mkdir = CREATE}, "d/new"},
        {"mknod", {.verb = FSOP_VERB_MKNOD, .args.mknod = {.type = FSOP_TYPE_FIFO, .create = CREATE}}, "d/new"},
        {"symlink", {.verb = FSOP_VERB_SYMLINK, .args.symlink = BYTES("f")}, "d/new"},
        {"link", {.verb = FSOP_VERB_LINK}, "d/f", "d/new"},
        {"readlink", {.verb = FSOP_VERB_READLINK}, "d/link"},
        {"rename", {.verb = FSOP_VERB_RENAME}, "d/f", "d/sub/f"},
        {"exchange", {.verb = FSOP_VERB_RENAME, .args.rename = {.exchange = true}}, "d/sub", "d/empty"},
        {"rmdir", {.verb = FSOP_VERB_RMDIR}, "d/empty"},
        {"unlink", {.verb = FSOP_VERB_UNLINK}, "d/f"},
        {"unlink -r",
         {.verb = FSOP_VERB_UNLINK, .args.unlink = {.recursive = true}},
         "d/sub",
         .complete = tree_is_gone},
        {"opendir", {.verb = FSOP_VERB_OPENDIR}, "d/sub"},
        {"ls", {.verb = FSOP_VERB_LS, .args.ls = {.entries_max = 100, .with_stat = true}}, "d"},
        {"getxattr", {.verb = FSOP_VERB_GETXATTR, .args.xattr = {.name = BYTES(NAME)}}, "d/f"},
        {"setxattr", {.verb = FSOP_VERB_SETXATTR, .args.xattr = {.name = BYTES(NAME), .value = BYTES("w")}}, "d/f"},
        {"listxattr", {.verb = FSOP_VERB_LISTXATTR}, "d/f"},
        {"removexattr", {.verb = FSOP_VERB_REMOVEXATTR, .args.xattr = {.name = BYTES(NAME)}}, "d/f"},
        {"fallocate", {.verb = FSOP_VERB_FALLOCATE, .args.fallocate = {.length = 4096, .create = CREATE}}, "d/new"},
        {"truncate", {.verb = FSOP_VERB_TRUNCATE, .args.truncate = {.size = 3}}, "d/f"},
        {"fadvise", {.verb = FSOP_VERB_FADVISE, .args.fadvise = {.advice = FSOP_ADVICE_WILLNEED}}, "d/f"},
        {"copy-range", {.verb = FSOP_VERB_COPY_RANGE, .args.copy_range = {.create = CREATE}}, "d/f", "d/new"},
        {"copy-range, by hand",
         {.verb = FSOP_VERB_COPY_RANGE, .args.copy_range = {.clone = FSOP_CLONE_NEVER, .create = CREATE}},
         "d/f",
         "d/new"},
        {"copy-range, over", {.verb = FSOP_VERB_COPY_RANGE}, "d/f", "d/sub/deep/g"},
        {"open", {.verb = FSOP_VERB_OPEN, .args.open = {.read = true}}, "d/f"},
        {"open, new", {.verb = FSOP_VERB_OPEN, .args.open = {.write = true, .create = CREATE}}, "d/new"},
        {"open-fd, over",
         {.verb = FSOP_VERB_OPEN_FD, .args.open = {.write = true, .truncate = true, .create = CREATE}},
         "d/f"},
        {"open-fd through a link",
         {.verb = FSOP_VERB_OPEN_FD, .at = {.follow = true}, .args.open = {.read = true}},
         "d/link"},
        {"read", {.verb = FSOP_VERB_READ, .args.read = {.length = 100}}, "d/f", .handle = true},
        {"write", {.verb = FSOP_VERB_WRITE, .args.write = {.data = BYTES("x")}}, "d/f", .handle = true},
        {"fsync", {.verb = FSOP_VERB_FSYNC}, "d/f"},
        {"fsync, data", {.verb = FSOP_VERB_FSYNC, .args.fsync = {.data_only = true}}, "d/f", .handle = true},
        {"syncfs", {.verb = FSOP_VERB_FSYNC, .args.fsync = {.filesystem = true}}, "d/f"},
};
#define N_JOBS (sizeof(jobs) / sizeof(jobs[0]))

/* One at a time. */
static struct request *request_of(const struct job *job, bool elevated) {
        static char at[300], to[300];
        struct request *request;

        snprintf(at, sizeof(at), "%s%s", elevated ? "" : scene_path("tree/"), job->at);
        snprintf(to, sizeof(to), "%s%s", elevated ? "" : scene_path("tree/"), job->to ? job->to : "");
        request = request_new(job->op.verb, at);
        request->op = job->op;
        request->sys.at.follow = job->op.at.follow;
        if (job->to)
                request_to(request, to);
        if (elevated)
                request_elevate(request, NULL);
        if (job->handle) {
                request->sys.at.path = (struct bytes){NULL, 0};
                request->sys.at.base = open(scene_path("tree/d/f"), O_RDWR | O_CLOEXEC);
                ck_assert_int_ge(request->sys.at.base, 0);
                request->sys.at.base_is_object = true;
        }
        return request;
}

static void request_end(const struct job *job, struct request *request) {
        if (job->handle)
                close((int)request->sys.at.base);
        request_free(request);
}

/* Does the job with the n-th call (or allocation) failing. False: there are fewer. */
static bool try(const struct job *job, bool elevated, unsigned n, int error, bool memory) {
        struct request *request;
        unsigned before = open_descriptors();
        uint64_t was;
        bool hit;
        int code;

        if (!built)
                build();
        was = fingerprint();
        request = request_of(job, elevated);
        if (memory)
                alloc_fail(n);
        else
                calls_fail(n, error);
        code = request_run(request);
        hit = memory ? alloc_calls >= n : calls_made >= n;
        alloc_fail(0);
        calls_fail(0, 0);

        ck_assert_msg(hit || code == 0 || (!elevated && job->op.verb == FSOP_VERB_CHOWN), "%s: %d without any failure",
                      job->name, code);
        ck_assert_msg(code == 0 || request->sys.os_error != 0 || request->sys.why != NULL, "%s: %d, call %u: no reason",
                      job->name, code, n);
        if (!request->began)
                ck_assert_msg(fingerprint() == was, "%s, call %u: changed something that was not begun", job->name, n);
        if (code == 0 && job->complete && error != ENOENT) /* what is gone meanwhile is nobody's failure */
                ck_assert_msg(job->complete(), "%s, %s %u (%s): says it did all, and did not", job->name,
                              memory ? "allocation" : "call", n, strerror(error));
        ck_assert_uint_eq(geteuid(), 0);
        ck_assert_uint_eq(getegid(), 0);
        ck_assert_int_eq((int)umask((mode_t)base_umask), base_umask);
        request_end(job, request);
        ck_assert_msg(open_descriptors() == before, "%s, %s, %s %u (%s): a descriptor was left open", job->name,
                      elevated ? "elevated" : "as caller", memory ? "allocation" : "call", n, strerror(error));
        built = fingerprint() == was && job->op.verb != FSOP_VERB_SETXATTR && job->op.verb != FSOP_VERB_REMOVEXATTR;
        if (!built)
                scene_remove("tree/d");
        return hit;
}

static void set_up(void) {
        scene_open();
        built = false;
        scene.guard.set_id = false;
        scene.guard.foreign_parent = true;
        base_umask = (int)umask(0);
        umask((mode_t)base_umask);
}

START_TEST(each_call_fails) {
        static const int errors[][3] = {
                {EIO, EMFILE, ENOSPC}, {EINTR, EINTR, EINTR}, {ENOENT, ENOENT, ENOENT}, {EEXIST, EEXIST, EEXIST}};
        unsigned failed = 0;

        for (unsigned i = 0; i < N_JOBS; i++)
                for (unsigned n = 1; try(&jobs[i], _i % 2 != 0, n, errors[_i / 2][n % 3], false); n++)
                        failed++;
        ck_assert_uint_gt(failed, 3 * N_JOBS);
}
END_TEST

START_TEST(each_allocation_fails) {
        unsigned failed = 0;

        for (unsigned i = 0; i < N_JOBS; i++)
                for (unsigned n = 1; try(&jobs[i], _i != 0, n, 0, true); n++)
                        failed++;
        ck_assert_uint_gt(failed, 5);
}
END_TEST

/* ---- credentials ------------------------------------------------------------------------------------------------- */

/* In a process of its own: to give up is the right thing where the service's own identity cannot be had again. */
static int run_in_a_child(const struct job *job, unsigned n) {
        pid_t pid = fork();
        int status;

        ck_assert_int_ge(pid, 0);
        if (pid == 0) {
                struct request *request = request_of(job, false);
                int code;

                if (freopen("/dev/null", "w", stderr) == NULL)
                        _exit(4);
                calls_of_identity = true;
                calls_fail(n, EPERM);
                code = request_run(request);
                bool hit = calls_made >= n;
                calls_fail(0, 0);
                if (geteuid() != 0 || getegid() != 0)
                        _exit(3);
                _exit(!hit ? 1 : code < 0 ? 0 : 2);
        }
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

START_TEST(each_change_of_identity_fails) {
        static const struct job job = {
                "chmod", {.verb = FSOP_VERB_CHMOD, .args.chmod = {.clear = 07777, .set = 0}}, "d/f"};
        unsigned refused = 0, gave_up = 0;
        uint32_t mode;

        build();
        mode = scene_stat("tree/d/f").mode;
        for (unsigned n = 1;; n++) {
                int end = run_in_a_child(&job, n);

                if (end == 1)
                        break;
                ck_assert_msg(end == 0 || end == 2 || end == -SIGABRT, "call %u: ended with %d", n, end);
                /* 2: it was done; by then what failed was the way back's own look, or a read that is made twice */
                if (end == 0)
                        ck_assert_uint_eq(scene_stat("tree/d/f").mode, mode);
                ck_assert_int_eq(chmod(scene_path("tree/d/f"), mode & 07777), 0);
                refused += end == 0;
                gave_up += end == -SIGABRT;
        }
        ck_assert_uint_gt(refused, 5);
        ck_assert_uint_gt(gave_up, 5);
        scene_remove("tree/d");
}
END_TEST

int main(void) {
        Suite *suite = suite_create("calls");
        TCase *tcase = tcase_create("calls");

        scene_need_root();
        tcase_set_timeout(tcase, 300);
        tcase_add_checked_fixture(tcase, set_up, scene_close);
        tcase_add_loop_test(tcase, each_call_fails, 0, 8);
        tcase_add_loop_test(tcase, each_allocation_fails, 0, 2);
        tcase_add_test(tcase, each_change_of_identity_fails);
        suite_add_tcase(suite, tcase);
        return suite_run(suite);
}
