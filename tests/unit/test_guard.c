/* SPDX-License-Identifier: MIT */
/*
 * test_guard.c: what a rule demands holds where the kernel does not answer, too: with each system call failing in turn,
 * nothing that is excluded is reached, moved or changed. And what is left of its demands that test_resolve.c and
 * test_run.c do not try.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "backends/linux/sys_linux.h"
#include "tests/support/descriptors.h"
#include "tests/support/fail_calls.h"
#include "tests/support/scene.h"
#include "tests/support/suite.h"

/* ---- what is excluded -------------------------------------------------------------------------------------------- */

static struct object_id excluded_id;
static os_fd excluded_fd;
static uint64_t print;
static bool built; /* the tree stands as build() makes it */

static int look(const char *path, const struct stat *st, int type, struct FTW *where) {
        (void)type;
        (void)where;
        for (const char *c = path; *c; c++)
                print = print * 31 + (uint8_t)*c;
        print = print * 31 + st->st_mode + st->st_uid * 7 + (uint64_t)st->st_size * 13 + st->st_nlink * 17;
        return 0;
}

static uint64_t fingerprint(const char *name) {
        print = 1;
        nftw(scene_path(name), look, 16, FTW_PHYS);
        return print;
}

static void build(void) {
        struct fsop_stat stat;

        if (built)
                return;
        built = true;
        scene_mkdir("tree/d", NOBODY, 0755);
        scene_mkdir("tree/d/empty", NOBODY, 0755);
        scene_mkdir("tree/d/holds", NOBODY, 0755);
        scene_mkdir("tree/d/holds/secret", 0, 0755);
        scene_mkdir("tree/d/holds/secret/deep", 0, 0755);
        scene_file("tree/d/holds/secret/file", 0, 0644, "text");
        scene_file("tree/d/file", NOBODY, 0644, "text");
        scene_symlink("holds/secret", "tree/d/into");
        scene_symlink("holds/secret/deep/../../..", "tree/d/through");
        scene_symlink("holds/secret/file", "tree/d/onto");
        stat = scene_stat("tree/d/holds/secret");
        excluded_id = (struct object_id){stat_dev(&stat), stat.ino};
        excluded_fd = open(scene_path("tree/d/holds/secret"), O_PATH | O_DIRECTORY | O_CLOEXEC);
        ck_assert_int_ge(excluded_fd, 0);
        scene.guard.excluded = &excluded_id;
        scene.guard.excluded_fds = &excluded_fd;
        scene.guard.n_excluded = 1;
        scene.guard.foreign_parent = true;
}

static void set_up(void) {
        scene_open();
        built = false;
}

#define CREATE                                                                                                         \
        { .create = true, .mode = 0644 }

/* None of these may be done. */
static const struct job {
        const char *name;
        struct operation op;
        const char *at, *to;
        bool walks;
} jobs[] = {
        {"stat", {.verb = FSOP_VERB_STAT}, "d/into/file"},
        {"stat, through", {.verb = FSOP_VERB_STAT}, "d/through/file"},
        {"ls", {.verb = FSOP_VERB_LS, .at = {.follow = true}, .args.ls = {.entries_max = 10}}, "d/into"},
        {"open-fd", {.verb = FSOP_VERB_OPEN_FD, .args.open = {.read = true}}, "d/holds/secret/file"},
        {"open",
         {.verb = FSOP_VERB_OPEN,
          .at = {.follow = true},
          .args.open = {.write = true, .truncate = true, .create = CREATE}},
         "d/onto"},
        {"mkdir", {.verb = FSOP_VERB_MKDIR, .args.mkdir = CREATE}, "d/into/new"},
        {"chown", {.verb = FSOP_VERB_CHOWN, .args.chown = {.has_uid = true, .uid = SOMEBODY}}, "d/holds/secret"},
        {"chown, through",
         {.verb = FSOP_VERB_CHOWN, .args.chown = {.has_uid = true, .uid = SOMEBODY}},
         "d/through/file"},
        {"chown -R",
         {.verb = FSOP_VERB_CHOWN, .args.chown = {.has_uid = true, .uid = SOMEBODY, .walk = {.recursive = true}}},
         "d/holds",
         .walks = true},
        {"chmod -RL",
         {.verb = FSOP_VERB_CHMOD,
          .args.chmod = {.clear = 07777, .set = 0750, .walk = {.recursive = true, .follow = FSOP_FOLLOW_ALWAYS}}},
         "d",
         .walks = true},
        {"unlink -r", {.verb = FSOP_VERB_UNLINK, .args.unlink = {.recursive = true}}, "d/holds", .walks = true},
        {"rename", {.verb = FSOP_VERB_RENAME}, "d/holds", "d/moved"},
        {"rename, itself", {.verb = FSOP_VERB_RENAME}, "d/holds/secret", "d/moved"},
        {"rename, into", {.verb = FSOP_VERB_RENAME}, "d/file", "d/into/file"},
        {"rename, out", {.verb = FSOP_VERB_RENAME}, "d/into/file", "d/file"},
        {"exchange", {.verb = FSOP_VERB_RENAME, .args.rename = {.exchange = true}}, "d/empty", "d/holds"},
        {"link", {.verb = FSOP_VERB_LINK}, "d/into/file", "d/linked"},
};
#define N_JOBS (sizeof(jobs) / sizeof(jobs[0]))

/* The job with its n-th call failing. False: there are fewer. */
static bool try(const struct job *job, unsigned n, int error) {
        unsigned before = open_descriptors();
        uint64_t was = fingerprint("tree/d/holds/secret"), all = fingerprint("tree/d");
        struct request *request = request_new(job->op.verb, job->at);
        bool hit;
        int code;

        request->op = job->op;
        request->sys.at.follow = job->op.at.follow;
        if (job->to)
                request_to(request, job->to);
        request_elevate(request, NULL);
        calls_fail(n, error);
        code = request_run(request);
        hit = calls_made >= n;
        calls_fail(0, 0);
        /* a walk makes nothing of what is gone meanwhile */
        ck_assert_msg(code < 0 || (error == ENOENT && job->walks), "%s, call %u (%s): it was done", job->name, n,
                      strerror(error));
        ck_assert_msg(hit || request->sys.guarded, "%s: %d, and not because of the rule", job->name, code);
        ck_assert_msg(fingerprint("tree/d/holds/secret") == was, "%s, call %u (%s): it reached what is excluded",
                      job->name, n, strerror(error));
        request_free(request);
        ck_assert_uint_eq(open_descriptors(), before);
        built = fingerprint("tree/d") == all;
        if (!built) {
                sys_close(excluded_fd);
                scene_remove("tree/d");
        }
        return hit;
}

START_TEST(each_call_fails_where_something_is_excluded) {
        static const int errors[] = {EIO, ENOENT, EINTR, ESTALE};
        unsigned failed = 0;

        for (unsigned i = 0; i < N_JOBS; i++)
                for (unsigned n = 1, more = 1; more; n++) {
                        build();
                        more = try(&jobs[i], n, errors[_i]);
                        failed += more;
                }
        if (built)
                sys_close(excluded_fd);
        ck_assert_uint_gt(failed, 5 * N_JOBS);
}
END_TEST

/* ---- mounts ------------------------------------------------------------------------------------------------------ */

static int stat_from(os_fd base, const char *path, bool is_client_fd, unsigned failing) {
        struct request *request = request_new(FSOP_VERB_STAT, path);
        int code;

        request_elevate(request, NULL);
        request_base(&request->sys.at, base);
        request->sys.at.base_is_client_fd = is_client_fd;
        calls_fail(failing, EIO);
        code = request_run(request);
        calls_fail(0, 0);
        request_free(request);
        return code;
}

/* The system's mounts below the rule's directory are met from there, and from its handles; a client's descriptor
 * crosses none, and neither does what cannot be looked at. */
START_TEST(who_may_cross_a_mount) {
        int fd;

        scene_mkdir("tree/dir", 0, 0755);
        scene_mkdir("tree/dir/mounted", 0, 0755);
        if (mount("none", scene_path("tree/dir/mounted"), "tmpfs", 0, NULL) < 0) {
                scene_skip("a tmpfs cannot be mounted here");
                return;
        }
        scene_file("tree/dir/mounted/file", 0, 0644, "x");
        fd = open(scene_path("tree/dir"), O_PATH | O_DIRECTORY | O_CLOEXEC);
        ck_assert_int_eq(stat_from(OS_FD_NONE, "dir/mounted/file", false, 0), 0);
        ck_assert_int_eq(stat_from(fd, "mounted/file", false, 0), 0);
        ck_assert_int_eq(stat_from(fd, "mounted/file", true, 0), -FSOP_EXDEV);
        ck_assert_int_eq(stat_from(fd, "mounted", true, 0), -FSOP_EXDEV);
        ck_assert_int_eq(stat_from(fd, "mounted/file", false, 1), -FSOP_EXDEV);
        scene.guard.one_filesystem = true;
        ck_assert_int_eq(stat_from(OS_FD_NONE, "dir/mounted/file", false, 0), -FSOP_EXDEV);
        close(fd);
        ck_assert_int_eq(umount2(scene_path("tree/dir/mounted"), MNT_DETACH), 0);
}
END_TEST

/* A directory that is the object itself must be the rule's still. */
START_TEST(a_directory_that_was_moved_away) {
        struct request *request = request_new(FSOP_VERB_CHOWN, "");
        int fd;

        scene_mkdir("tree/dir", NOBODY, 0755);
        fd = open(scene_path("tree/dir"), O_PATH | O_DIRECTORY | O_CLOEXEC);
        request->op.args.chown = (struct chown_args){.has_uid = true, .uid = 777};
        request_elevate(request, NULL);
        request_base(&request->sys.at, fd);
        ck_assert_int_eq(request_run(request), 0);
        ck_assert_int_eq(rename(scene_path("tree/dir"), scene_path("outside/dir")), 0);
        request->op.args.chown.uid = 778;
        ck_assert_int_eq(request_run(request), -FSOP_EXDEV);
        ck_assert_uint_eq(scene_stat("outside/dir").uid, 777);
        request_free(request);
        close(fd);
}
END_TEST

/* What is excluded, and lies outside by now or is no directory, keeps nobody from moving a directory. */
START_TEST(what_is_excluded_and_lies_in_nothing) {
        for (unsigned file = 0; file < 2; file++) {
                struct request *request = request_elevated(FSOP_VERB_RENAME, "dir");

                if (file)
                        scene_file("tree/kept", 0, 0600, "x");
                else
                        scene_mkdir("tree/kept", 0, 0700);
                scene_mkdir("tree/dir", NOBODY, 0755);
                scene_exclude("tree/kept");
                if (!file)
                        ck_assert_int_eq(rename(scene_path("tree/kept"), scene_path("outside/kept")), 0);
                request_to(request, "moved");
                ck_assert_int_eq(request_finish(request), 0);
                scene_remove("tree/moved");
        }
}
END_TEST

/* How much is freed is known where it could be looked at, and else not taken for nothing. */
START_TEST(sizes_that_cannot_be_looked_at) {
        unsigned looked = 0, n = 0;
        bool hit = true;

        scene_mkdir("tree/d", NOBODY, 0755);
        scene_file("tree/d/file", NOBODY, 0644, "text");
        while (hit) {
                struct request *request = request_new(FSOP_VERB_UNLINK, scene_path("tree/d/file"));

                calls_fail(++n, EIO);
                if (sys_resolve(&request->sys, 0) == 0) {
                        ck_assert_uint_eq(request->sys.at.stat.size, request->sys.at.has_stat ? 4 : 0);
                        looked += !request->sys.at.has_stat;
                }
                hit = calls_made >= n;
                calls_fail(0, 0);
                sys_release(&request->sys);
                request_free(request);
                identity_wear_service();
        }
        ck_assert_uint_eq(looked, 1); /* where a disk may be waited for, by name */
}
END_TEST

/* ---- traps ------------------------------------------------------------------------------------------------------- */

static int open_elevated(const char *path, bool create) {
        struct request *request = request_new(FSOP_VERB_OPEN, path);
        int code;

        request_elevate(request, NULL);
        request->op.args.open = (struct open_args){.write = true, .create = {.create = create, .mode = 0644}};
        code = request_run(request);
        request_free(request);
        return code;
}

/* As in the kernel's protected_regular, set to 2: whoever may write there may have laid it. */
START_TEST(who_may_lay_a_trap) {
        static const struct {
                uint32_t parent_uid, parent_mode, uid;
                int code;
        } cases[] = {
                {0, 01777, SOMEBODY, -FSOP_EPERM},
                {0, 01775, SOMEBODY, -FSOP_EPERM},
                {0, 01757, SOMEBODY, -FSOP_EPERM},
                {0, 01755, SOMEBODY, 0},
                {0, 0775, SOMEBODY, 0},
                {SOMEBODY, 01777, SOMEBODY, 0},
                {SOMEBODY, 01777, 777, -FSOP_EPERM},
                {0, 01777, 0, 0},
                {0, 01777, NOBODY, 0},
        };

        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                scene_mkdir("tree/tmp", cases[i].parent_uid, cases[i].parent_mode);
                scene_file("tree/tmp/file", cases[i].uid, 0644, "x");
                ck_assert_msg(open_elevated("tmp/file", true) == cases[i].code, "case %zu", i);
                ck_assert_int_eq(open_elevated("tmp/file", false), 0);
                scene.guard.foreign_parent = true;
                ck_assert_int_eq(open_elevated("tmp/file", true), 0);
                scene.guard.foreign_parent = false;
                scene_remove("tree/tmp");
        }
}
END_TEST

/* ---- what comes meanwhile ---------------------------------------------------------------------------------------- */

/* A file that was not there when the way to it was looked at, and is when it is made: it is asked about like any
 * other. */
START_TEST(who_was_faster) {
        static const struct {
                uint32_t uid;
                bool linked, symbolic;
                int code;
        } cases[] = {{NOBODY, false, false, 0},
                     {SOMEBODY, false, false, -FSOP_EPERM},
                     {NOBODY, true, false, -FSOP_EPERM},
                     {NOBODY, false, true, -FSOP_EAGAIN}};

        scene.guard.owned_by_caller = true;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                struct request *request = request_new(FSOP_VERB_OPEN, "new");

                request_elevate(request, NULL);
                request->sys.at.follow = cases[i].symbolic;
                request->op.args.open =
                        (struct open_args){.write = true, .truncate = true, .create = {.create = true, .mode = 0644}};
                ck_assert_int_eq(sys_resolve(&request->sys, 0), 0);
                scene_file("outside/file", cases[i].uid, 0644, "text");
                if (cases[i].symbolic)
                        scene_symlink("../outside/file", "tree/new");
                else if (cases[i].linked)
                        ck_assert_int_eq(link(scene_path("outside/file"), scene_path("tree/new")), 0);
                else
                        ck_assert_int_eq(rename(scene_path("outside/file"), scene_path("tree/new")), 0);
                sys_run(&request->sys);
                sys_release(&request->sys);
                identity_wear_service();
                ck_assert_msg(request->sys.code == cases[i].code, "case %zu: %d", i, request->sys.code);
                ck_assert_uint_eq(scene_stat(cases[i].symbolic ? "outside/file" : "tree/new").size,
                                  cases[i].code == 0 ? 0 : 4);
                request_free(request);
                scene_remove("tree/new");
                unlink(scene_path("outside/file"));
        }
}
END_TEST

int main(void) {
        Suite *suite = suite_create("guard");
        TCase *failing = tcase_create("failing"), *rest = tcase_create("rest");

        scene_need_root();
        tcase_add_checked_fixture(failing, set_up, scene_close);
        tcase_add_loop_test(failing, each_call_fails_where_something_is_excluded, 0, 4);
        tcase_add_checked_fixture(rest, scene_open, scene_close);
        tcase_add_test(rest, who_may_cross_a_mount);
        tcase_add_test(rest, a_directory_that_was_moved_away);
        tcase_add_test(rest, what_is_excluded_and_lies_in_nothing);
        tcase_add_test(rest, sizes_that_cannot_be_looked_at);
        tcase_add_test(rest, who_may_lay_a_trap);
        tcase_add_test(rest, who_was_faster);
        suite_add_tcase(suite, failing);
        suite_add_tcase(suite, rest);
        return suite_run(suite);
}
