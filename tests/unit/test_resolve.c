/* SPDX-License-Identifier: MIT */
/*
 * test_resolve.c: where paths lead as caller: exactly where the kernel leads that user; sizes and modes of what is
 * asked.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backends/linux/sys_linux.h"
#include "tests/support/scene.h"
#include "tests/support/suite.h"

/* ---- as caller: the same answer as the kernel's own -------------------------------------------------------------- */

static const char *const names[] = {
        "",
        ".",
        "..",
        "/",
        "file",
        "file/",
        "file/x",
        "none",
        "none/",
        "none/x",
        "open",
        "open/",
        "open/.",
        "open/..",
        "open/file",
        "closed",
        "closed/",
        "closed/file",
        "closed/.",
        "closed/..",
        "link",
        "link/",
        "link/file",
        "broken",
        "broken/",
        "loop",
        "loop/",
        "loop/x",
        "abs",
        "abs/file",
        "flink",
        "flink/",
        "flink/x",
        "unread",
        "unread/x",
        "unread/none",
        "private",
        "open//file",
        "./open/.",
        "deep/a/b",
        "deep/a/b/../b/c",
        "sticky/theirs",
        "sticky/new",
        "chain",
        "out/../open/file",
        "flink//",
        "sticky/new/",
        "none/x/",
};

/* What a system call of this thread answered. */
static int answer(int result) {
        return result < 0 ? error_from_errno(errno) : 0;
}

static int direct(enum fsop_verb verb, const char *path, bool follow) {
        struct stat st;
        char text[100];

        switch (verb) {
        case FSOP_VERB_STAT:
                return answer(fstatat(AT_FDCWD, path, &st, follow ? 0 : AT_SYMLINK_NOFOLLOW));
        case FSOP_VERB_MKDIR:
                return answer(mkdir(path, 0755));
        case FSOP_VERB_RMDIR:
                return answer(rmdir(path));
        case FSOP_VERB_UNLINK:
                return answer(unlink(path));
        case FSOP_VERB_SYMLINK:
                return answer(symlink("text", path));
        case FSOP_VERB_MKNOD:
                return answer(mknod(path, S_IFIFO | 0644, 0));
        case FSOP_VERB_CHMOD:
                return answer(chmod(path, 0755));
        case FSOP_VERB_CHOWN:
                return answer(fchownat(AT_FDCWD, path, NOBODY, NOBODY, follow ? 0 : AT_SYMLINK_NOFOLLOW));
        case FSOP_VERB_READLINK:
                return answer((int)readlink(path, text, sizeof(text)));
        case FSOP_VERB_TRUNCATE:
                return answer(truncate(path, 3));
        default:
                return answer(-1);
        }
}

static int ours(enum fsop_verb verb, const char *path, bool follow, struct parent_cache *cache) {
        struct request *request = request_new(verb, path);

        request->sys.at.follow = follow;
        request->sys.cache = cache;
        switch (verb) {
        case FSOP_VERB_MKDIR:
                request->op.args.mkdir = (struct create_args){.create = true, .mode = 0755};
                break;
        case FSOP_VERB_SYMLINK:
                request->op.args.symlink = (struct bytes){(const uint8_t *)"text", 4};
                break;
        case FSOP_VERB_MKNOD:
                request->op.args.mknod =
                        (struct mknod_args){.type = FSOP_TYPE_FIFO, .create = {.create = true, .mode = 0644}};
                break;
        case FSOP_VERB_CHMOD:
                request->op.args.chmod = (struct chmod_args){.clear = 07777, .set = 0755};
                break;
        case FSOP_VERB_CHOWN:
                request->op.args.chown =
                        (struct chown_args){.has_uid = true, .uid = NOBODY, .has_gid = true, .gid = NOBODY};
                break;
        case FSOP_VERB_TRUNCATE:
                request->op.args.truncate.size = 3;
                break;
        default:
                break;
        }
        return request_finish(request);
}

static bool intact;

/* The tree as furnished, made anew where something was changed. */
static void rebuild(void) {
        if (intact)
                return;
        intact = true;
        scene_remove("tree");
        scene_mkdir("tree", NOBODY, 0755);
        scene_furnish();
}

/* Everything is asked twice of two equal trees: by the kernel directly, as that user, and through resolve. */
static void compare(enum fsop_verb verb, bool follow, bool cached) {
        for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
                struct parent_cache cache;
                char path[600];
                int expected, code;

                if (strcmp(names[i], "") == 0)
                        path[0] = 0;
                else if (strcmp(names[i], "/") == 0)
                        strcpy(path, "/");
                else
                        snprintf(path, sizeof(path), "%s/%s", scene_path("tree"), names[i]);
                rebuild();
                ck_assert_int_eq(identity_wear(scene.nobody), 0);
                expected = direct(verb, path, follow);
                intact = expected < 0 || verb == FSOP_VERB_STAT || verb == FSOP_VERB_READLINK;
                identity_wear_service();
                rebuild();
                parent_cache_init(&cache);
                code = ours(verb, path, follow, cached ? &cache : NULL);
                intact = intact && (code < 0 || verb == FSOP_VERB_STAT || verb == FSOP_VERB_READLINK);
                if (cached) /* and a second time, with the parent found */
                        ours(FSOP_VERB_STAT, path, follow, &cache);
                parent_cache_clear(&cache);
                ck_assert_msg(code == expected, "verb %d, follow %d, cached %d, \"%s\": %d, but the kernel says %d",
                              (int)verb, follow, cached, names[i], code, expected);
        }
}

START_TEST(caller_gets_what_the_kernel_gives) {
        static const struct {
                enum fsop_verb verb;
                bool follow;
        } cases[] = {
                {FSOP_VERB_STAT, true},   {FSOP_VERB_STAT, false},     {FSOP_VERB_MKDIR, false},
                {FSOP_VERB_RMDIR, false}, {FSOP_VERB_UNLINK, false},   {FSOP_VERB_SYMLINK, false},
                {FSOP_VERB_MKNOD, false}, {FSOP_VERB_CHMOD, true},     {FSOP_VERB_CHOWN, true},
                {FSOP_VERB_CHOWN, false}, {FSOP_VERB_READLINK, false}, {FSOP_VERB_TRUNCATE, true},
        };

        compare(cases[_i / 2].verb, cases[_i / 2].follow, _i % 2);
}
END_TEST

#define CALLER_CASES (12 * 2)

/* open(2) with O_CREAT, also through links to nothing. */
START_TEST(caller_creates_where_the_kernel_does) {
        for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
                bool exclusive = _i != 0;
                struct request *request;
                char path[600];
                int fd, expected, code;

                snprintf(path, sizeof(path), "%s/%s", scene_path("tree"), names[i]);
                rebuild();
                ck_assert_int_eq(identity_wear(scene.nobody), 0);
                fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | (exclusive ? O_EXCL : 0), 0644);
                expected = answer(fd);
                intact = fd < 0;
                if (fd >= 0)
                        close(fd);
                identity_wear_service();
                rebuild();
                request = request_new(FSOP_VERB_OPEN, path);
                request->sys.at.follow = true;
                request->op.args.open = (struct open_args){
                        .write = true, .exclusive = exclusive, .create = {.create = true, .mode = 0644}};
                code = request_run(request);
                intact = intact && code < 0;
                request_free(request);
                ck_assert_msg(code == expected, "exclusive %d, \"%s\": %d, but the kernel says %d", exclusive, names[i],
                              code, expected);
                if (expected == 0 && strcmp(names[i], "broken") == 0)
                        ck_assert(scene_exists("tree/none"));
        }
}
END_TEST

START_TEST(caller_from_a_directory) {
        static const struct {
                const char *path;
                bool may_leave;
                int code;
        } cases[] = {
                {"open/file", false, 0},
                {"link/file", false, 0},
                {"..", false, -FSOP_EXDEV},
                {"../outside", false, -FSOP_EXDEV},
                {"abs/file", false, -FSOP_EXDEV},
                {"out", false, -FSOP_EXDEV},
                {"open/../file", false, 0},
                {"/etc", false, -FSOP_EINVAL},
                {"open/file", true, 0},
                {"abs/file", true, 0},
                {"..", true, 0},
                {"../outside", true, 0},
                {"out", true, 0},
                {"/etc", true, -FSOP_EINVAL},
        };
        int fd;

        scene_furnish();
        fd = open(scene_path("tree"), O_PATH | O_DIRECTORY | O_CLOEXEC);
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                struct request *request = request_new(FSOP_VERB_STAT, cases[i].path);

                if (cases[i].may_leave && !service.own_root && strstr(cases[i].path, "open/file") == NULL)
                        continue; /* this process has another root than the reference: then nothing leaves */
                request->sys.at.follow = true;
                request->sys.at.may_leave_base = cases[i].may_leave;
                request_base(&request->sys.at, fd);
                assert_code(request_finish(request), cases[i].code, cases[i].path);
        }
        close(fd);
}
END_TEST

/* A confined caller's names are single; those must not lead out either. */
START_TEST(confined_names_stay) {
        static const char *const paths[] = {"..", "../new", "out/new", "abs/new", "/new"};
        int fd;

        scene_furnish();
        ck_assert_int_eq(chmod(scene_path("outside"), 0777), 0);
        fd = open(scene_path("tree"), O_PATH | O_DIRECTORY | O_CLOEXEC);
        for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
                struct request *request = request_new(FSOP_VERB_MKDIR, paths[i]);

                request->op.args.mkdir = (struct create_args){.create = true, .mode = 0755};
                request_base(&request->sys.at, fd);
                ck_assert_int_lt(request_finish(request), 0);
        }
        ck_assert(!scene_exists("outside/new"));
        ck_assert(!scene_exists("new"));
        ck_assert(!scene_exists("tree/open/new"));
        /* nor is it looked at what a slash behind them leads to */
        struct request *request = request_new(FSOP_VERB_UNLINK, "out/");

        request_base(&request->sys.at, fd);
        ck_assert_int_eq(sys_resolve(&request->sys, 0), 0);
        ck_assert(!request->sys.at.has_stat);
        sys_release(&request->sys);
        request_free(request);
        close(fd);
}
END_TEST

/* ---- procfs ------------------------------------------------------------------------------------------------------ */

START_TEST(procfs_is_out_of_reach) {
        static const char *const paths[] = {"/proc", "/proc/self/status", "/proc/1/status", "/proc/self/maps",
                                            "/proc/sys/kernel/hostname"};

        for (int flags = 0; flags < 2; flags++)
                for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
                        struct identity *identity = flags ? identity_of_service(false) : scene.nobody;
                        struct request *request = request_new(FSOP_VERB_STAT, paths[i]);

                        request_as(request, identity);
                        assert_code(request_run(request), -FSOP_EACCES, paths[i]);
                        ck_assert_str_eq(request->sys.why, "procfs is out of reach");
                        request_free(request);
                }
        /* magic links are not followed, wherever they are met */
        assert_code(request_once(FSOP_VERB_STAT, "/proc/self/cwd/x", scene.nobody), -FSOP_ELOOP, "cwd");
        assert_code(request_once(FSOP_VERB_STAT, "/proc/self/root/etc", identity_of_service(false)), -FSOP_ELOOP,
                    "root");
        assert_code(request_once(FSOP_VERB_STAT, "/dev/fd/0/x", scene.nobody), -FSOP_ELOOP, "/dev/fd");
        assert_code(request_once(FSOP_VERB_MKDIR, "/proc/new", identity_of_service(false)), -FSOP_EACCES,
                    "a name there");
}
END_TEST

START_TEST(procfs_under_a_rule_or_from_a_client) {
        struct request *request;
        bool readable, writable, path_only;
        int fd;

        scene_mkdir("tree/p", 0, 0755);
        if (mount("proc", scene_path("tree/p"), "proc", 0, NULL) < 0) {
                scene_skip("procfs cannot be mounted here");
                return;
        }
        request = request_new(FSOP_VERB_STAT, "p/self/status");
        request_elevate(request, NULL);
        assert_code(request_finish(request), -FSOP_EACCES, "elevated");
        request = request_new(FSOP_VERB_CHOWN, "p/version");
        request_elevate(request, NULL);
        assert_code(request_finish(request), -FSOP_EACCES, "elevated");
        fd = open(scene_path("tree/p"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        request = request_new(FSOP_VERB_LS, "");
        request_base(&request->sys.at, fd);
        request->sys.at.base_is_client_fd = true;
        assert_code(request_finish(request), -FSOP_EACCES, "a descriptor");
        ck_assert_int_eq(sys_fd_check(fd, &readable, &writable, &path_only), -FSOP_EACCES);
        close(fd);
        ck_assert_int_eq(umount2(scene_path("tree/p"), MNT_DETACH), 0);
}
END_TEST

START_TEST(descriptors_are_known_by_what_they_are) {
        bool readable, writable, path_only;
        int fd = open(scene_path("tree"), O_PATH | O_CLOEXEC);

        ck_assert_int_eq(sys_fd_check(fd, &readable, &writable, &path_only), 0);
        ck_assert(path_only && !readable && !writable);
        close(fd);
        scene_file("tree/f", 0, 0644, "x");
        fd = open(scene_path("tree/f"), O_WRONLY | O_CLOEXEC);
        ck_assert_int_eq(sys_fd_check(fd, &readable, &writable, &path_only), 0);
        ck_assert(!path_only && !readable && writable);
        close(fd);
        ck_assert_int_eq(sys_fd_check(fd, &readable, &writable, &path_only), -FSOP_EBADF);
}
END_TEST

/* ---- what a rename replaces -------------------------------------------------------------------------------------- */

/* Freeing it can take long, and is not for everybody to wait for. */
START_TEST(what_is_removed_is_looked_at) {
        static const struct {
                const char *path;
                bool recursive, looked;
                unsigned flags;
                enum fsop_verb verb;
        } cases[] = {{"tree/d/old", false, true, 0, FSOP_VERB_UNLINK},
                     {"tree/d/old", false, true, SYS_CACHED_ONLY, FSOP_VERB_UNLINK},
                     {"tree/d/none", false, false, 0, FSOP_VERB_UNLINK},
                     {"tree/d/old", true, false, 0, FSOP_VERB_UNLINK},
                     {"tree/d/old", false, true, 0, FSOP_VERB_RMDIR},
                     {"tree/d/old", false, true, SYS_CACHED_ONLY, FSOP_VERB_RMDIR}};

        scene_mkdir("tree/d", NOBODY, 0755);
        scene_file("tree/d/old", NOBODY, 0644, "xyz");
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                struct request *request = request_new(cases[i].verb, scene_path(cases[i].path));

                if (cases[i].recursive)
                        request->op.args.unlink.recursive = true;
                ck_assert_int_eq(request_resolve_known(request, cases[i].flags), 0);
                ck_assert_int_eq(request->sys.at.has_stat, cases[i].looked);
                ck_assert_uint_eq(request->sys.at.stat.size, cases[i].looked ? 3 : 0);
                sys_release(&request->sys);
                request_free(request);
        }
}
END_TEST

START_TEST(what_a_rename_replaces_is_looked_at) {
        static const struct {
                const char *to;
                struct rename_args args;
                bool looked;
        } cases[] = {{"tree/d/old", {0}, true},
                     {"tree/d/none", {0}, false},
                     {"tree/d/old", {.no_replace = true}, false},
                     {"tree/d/old", {.exchange = true}, false}};

        scene_mkdir("tree/d", NOBODY, 0755);
        scene_file("tree/d/new", NOBODY, 0644, "x");
        scene_file("tree/d/old", NOBODY, 0644, "xyz");
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                struct request *request = request_new(FSOP_VERB_RENAME, scene_path("tree/d/new"));

                request_to(request, scene_path(cases[i].to));
                request->op.args.rename = cases[i].args;
                ck_assert_int_eq(sys_resolve(&request->sys, 0), 0);
                ck_assert_int_eq(request->sys.to.has_stat, cases[i].looked);
                ck_assert_uint_eq(request->sys.to.stat.size, cases[i].looked ? 3 : 0);
                ck_assert_int_eq(request->sys.at.has_stat, cases[i].looked); /* what replaces it may be written first */
                sys_release(&request->sys);
                request_free(request);
        }
}
END_TEST

/* Whoever closes the last descriptor of what was removed meanwhile waits until it is freed: what is large, or was held
 * for long, is for workers to close. What is somebody else's is nobody's to close. */
START_TEST(large_objects_are_taken) {
        static const struct {
                const char *path;
                bool is_base, is_old;
                uint32_t n;
        } cases[] = {{"tree/large", false, false, 1},
                     {"tree/large", true, false, 0},
                     {"tree/small", false, false, 0},
                     {"tree/small", false, true, 1},
                     {"tree/small", true, true, 0}};

        scene_file("tree/small", NOBODY, 0644, "x");
        scene_fill("tree/large", 0, (SYS_SMALL_BLOCKS + 8) * 512);
        scene_chown("tree/large", NOBODY, NOBODY);
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]);) {
                struct request *request =
                        request_new(FSOP_VERB_CHMOD, cases[i].is_base ? "" : scene_path(cases[i].path));
                os_fd base = open(scene_path(cases[i].path), O_PATH | O_CLOEXEC), fds[4];
                uint32_t n;

                if (cases[i].is_base)
                        request_base(&request->sys.at, base);
                ck_assert_int_eq(sys_resolve(&request->sys, 0), 0);
                if (cases[i].is_old)
                        request->sys.since_ms = 0;
                n = sys_take_large(&request->sys, fds);
                for (uint32_t j = 0; j < n; j++)
                        sys_close(fds[j]);
                if (op_is_old(&request->sys) == cases[i].is_old) { /* else it took long to come here: once more */
                        ck_assert_msg(n == cases[i].n, "case %zu", i);
                        ck_assert_int_eq(request->sys.at.object == OS_FD_NONE, cases[i].n);
                        i++;
                }
                sys_release(&request->sys);
                ck_assert_int_ge(fcntl((int)base, F_GETFD), 0);
                sys_close(base);
                request_free(request);
        }
        identity_wear_service();
}
END_TEST

/* ---- sizes and modes --------------------------------------------------------------------------------------------- */

START_TEST(sizes_are_bounded) {
        struct request *request;

        scene.guard.has_bytes_max = true;
        scene.guard.bytes_max = 1000;
        scene_file("tree/f", NOBODY, 0600, "x");
        for (int i = 0; i < 2; i++) {
                uint64_t size = 1000 + (uint64_t)i;
                int code = i ? -FSOP_EPERM : 0;

                request = request_new(FSOP_VERB_TRUNCATE, "f");
                request_elevate(request, NULL);
                request->op.args.truncate.size = size;
                assert_code(request_finish(request), code, "truncate");
                request = request_new(FSOP_VERB_FALLOCATE, "f");
                request_elevate(request, NULL);
                request->op.args.fallocate = (struct fallocate_args){.offset = 900, .length = size - 900};
                assert_code(request_run(request), code, "fallocate");
                request->op.args.fallocate = (struct fallocate_args){.offset = UINT64_MAX, .length = size};
                assert_code(request_finish(request), -FSOP_EPERM, "fallocate beyond all bounds");
        }
        ck_assert_uint_eq(scene_stat("tree/f").size, 1000);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("resolve");
        TCase *caller = tcase_create("caller"), *rule = tcase_create("rule");

        scene_need_root();
        tcase_add_checked_fixture(caller, scene_open, scene_close);
        tcase_set_timeout(caller, 120);
        tcase_add_loop_test(caller, caller_gets_what_the_kernel_gives, 0, CALLER_CASES);
        tcase_add_loop_test(caller, caller_creates_where_the_kernel_does, 0, 2);
        tcase_add_test(caller, caller_from_a_directory);
        tcase_add_test(caller, confined_names_stay);
        tcase_add_test(caller, what_is_removed_is_looked_at);
        tcase_add_test(caller, what_a_rename_replaces_is_looked_at);
        tcase_add_test(caller, large_objects_are_taken);
        tcase_add_test(caller, procfs_is_out_of_reach);
        tcase_add_test(caller, procfs_under_a_rule_or_from_a_client);
        tcase_add_test(caller, descriptors_are_known_by_what_they_are);
        tcase_add_checked_fixture(rule, scene_open, scene_close);
        tcase_add_test(rule, sizes_are_bounded);
        suite_add_tcase(suite, caller);
        suite_add_tcase(suite, rule);
        return suite_run(suite);
}
