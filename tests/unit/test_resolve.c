/* SPDX-License-Identifier: MIT */
/*
 * test_resolve.c: where paths lead: as caller exactly where the kernel leads that user, with a rule's rights never out
 * of the rule's directory, and nothing on procfs for anybody.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backends/linux/sys_linux.h"
#include "tests/support/scene.h"
#include "tests/support/suite.h"

static void assert_code(int code, int expected, const char *what) {
        ck_assert_msg(code == expected, "%s: %d instead of %d", what, code, expected);
}

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

static void furnish_names(void) {
        char longest[300];

        scene_file("tree/file", 0, 0644, "x");
        scene_file("tree/private", 0, 0600, "x");
        scene_mkdir("tree/open", NOBODY, 0755);
        scene_file("tree/open/file", NOBODY, 0644, "x");
        scene_mkdir("tree/closed", 0, 0700);
        scene_file("tree/closed/file", 0, 0644, "x");
        scene_mkdir("tree/unread", 0, 0711);
        scene_file("tree/unread/x", 0, 0644, "x");
        scene_mkdir("tree/sticky", 0, 01777);
        scene_file("tree/sticky/theirs", SOMEBODY, 0666, "x");
        scene_mkdir("tree/deep", 0, 0755);
        scene_mkdir("tree/deep/a", 0, 0755);
        scene_mkdir("tree/deep/a/b", NOBODY, 0755);
        scene_file("tree/deep/a/b/c", NOBODY, 0600, "x");
        scene_symlink("open", "tree/link");
        scene_symlink("none", "tree/broken");
        scene_symlink("loop", "tree/loop");
        scene_symlink(scene_path("tree/open"), "tree/abs");
        scene_symlink("open/file", "tree/flink");
        scene_symlink("link", "tree/chain");
        scene_symlink("../outside", "tree/out");
        memset(longest, 'n', 255);
        longest[255] = 0;
        ck_assert_int_eq(mkdir(scene_path("tree/long"), 0777), 0);
        ck_assert_int_eq(chmod(scene_path("tree/long"), 0777), 0);
}

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
        int code;

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
        code = request_run(request);
        request_free(request);
        return code;
}

static bool intact;

/* The tree as furnished, made anew where something was changed. */
static void rebuild(void) {
        if (intact)
                return;
        intact = true;
        scene_remove("tree");
        scene_mkdir("tree", NOBODY, 0755);
        furnish_names();
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

        furnish_names();
        fd = open(scene_path("tree"), O_PATH | O_DIRECTORY | O_CLOEXEC);
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                struct request *request = request_new(FSOP_VERB_STAT, cases[i].path);

                if (cases[i].may_leave && !service.own_root && strstr(cases[i].path, "open/file") == NULL)
                        continue; /* this process has another root than the reference: then nothing leaves */
                request->sys.at.follow = true;
                request->sys.at.may_leave_base = cases[i].may_leave;
                request_base(&request->sys.at, fd);
                assert_code(request_run(request), cases[i].code, cases[i].path);
                request_free(request);
        }
        close(fd);
}
END_TEST

/* A confined caller's names are single; those must not lead out either. */
START_TEST(confined_names_stay) {
        static const char *const paths[] = {"..", "../new", "out/new", "abs/new", "/new"};
        int fd;

        furnish_names();
        ck_assert_int_eq(chmod(scene_path("outside"), 0777), 0);
        fd = open(scene_path("tree"), O_PATH | O_DIRECTORY | O_CLOEXEC);
        for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
                struct request *request = request_new(FSOP_VERB_MKDIR, paths[i]);

                request->op.args.mkdir = (struct create_args){.create = true, .mode = 0755};
                request_base(&request->sys.at, fd);
                ck_assert_int_lt(request_run(request), 0);
                request_free(request);
        }
        ck_assert(!scene_exists("outside/new"));
        ck_assert(!scene_exists("new"));
        ck_assert(!scene_exists("tree/open/new"));
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
        assert_code(request_run(request), -FSOP_EACCES, "elevated");
        request_free(request);
        request = request_new(FSOP_VERB_CHOWN, "p/version");
        request_elevate(request, NULL);
        assert_code(request_run(request), -FSOP_EACCES, "elevated");
        request_free(request);
        fd = open(scene_path("tree/p"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        request = request_new(FSOP_VERB_LS, "");
        request_base(&request->sys.at, fd);
        request->sys.at.base_is_client_fd = true;
        assert_code(request_run(request), -FSOP_EACCES, "a descriptor");
        request_free(request);
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

/* ---- with a rule's rights ---------------------------------------------------------------------------------------- */

static int elevated(enum fsop_verb verb, const char *path, bool follow) {
        struct request *request = request_new(verb, path);
        int code;

        request_elevate(request, NULL);
        request->sys.at.follow = follow;
        if (verb == FSOP_VERB_CHOWN)
                request->op.args.chown = (struct chown_args){.has_uid = true, .uid = 777};
        if (verb == FSOP_VERB_MKDIR)
                request->op.args.mkdir = (struct create_args){.create = true, .mode = 0755};
        if (verb == FSOP_VERB_OPEN)
                request->op.args.open = (struct open_args){.write = true, .create = {.create = true, .mode = 0644}};
        if (verb == FSOP_VERB_CHMOD)
                request->op.args.chmod = (struct chmod_args){.clear = 07777, .set = 0750};
        code = request_run(request);
        if (request->sys.guarded)
                ck_assert_ptr_nonnull(request->sys.why);
        request_free(request);
        return code;
}

START_TEST(rules_have_plain_paths) {
        static const char *const paths[] = {
                "..",    ".",  "/etc", "a/../b",           "./a", "a//b", "a/", "a/..", "../tree",
                "a/./b", "//", "/",    "open/../open/file"};

        furnish_names();
        for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
                assert_code(elevated(FSOP_VERB_STAT, paths[i], true), -FSOP_EINVAL, paths[i]);
                assert_code(elevated(FSOP_VERB_MKDIR, paths[i], true), -FSOP_EINVAL, paths[i]);
        }
        assert_code(elevated(FSOP_VERB_STAT, "", true), 0, "the directory itself");
        assert_code(elevated(FSOP_VERB_RMDIR, "", true), -FSOP_EPERM, "the directory itself");
        assert_code(elevated(FSOP_VERB_STAT, "...", true), -FSOP_ENOENT, "three dots are a name");
}
END_TEST

START_TEST(links_stay_beneath) {
        static const struct {
                const char *text;
                int followed, parent;
        } cases[] = {
                {"open/file", 0, -FSOP_ENOTDIR},
                {"../tree/open", -FSOP_EXDEV, -FSOP_EXDEV},
                {"../outside", -FSOP_EXDEV, -FSOP_EXDEV},
                {"/etc", -FSOP_EXDEV, -FSOP_EXDEV},
                {"deep/a/../../open", 0, 0},
                {"deep/a/b/", 0, -FSOP_ENOENT},
                {".", 0, 0},
                {"..", -FSOP_EXDEV, -FSOP_EXDEV},
                {"deep/..", 0, 0},
                {"/proc/self/root", -FSOP_EXDEV, -FSOP_EXDEV},
                {"none", -FSOP_ENOENT, -FSOP_ENOENT},
                {"test", -FSOP_ELOOP, -FSOP_ELOOP},
        };

        furnish_names();
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                unlink(scene_path("tree/test"));
                scene_symlink(cases[i].text, "tree/test");
                assert_code(elevated(FSOP_VERB_STAT, "test", true), cases[i].followed, cases[i].text);
                assert_code(elevated(FSOP_VERB_STAT, "test", false), 0, cases[i].text);
                if (cases[i].parent != 0)
                        assert_code(elevated(FSOP_VERB_STAT, "test/file", true), cases[i].parent, cases[i].text);
                assert_code(elevated(FSOP_VERB_CHOWN, "test", true), cases[i].followed, cases[i].text);
        }
        ck_assert_uint_eq(scene_stat("outside").uid, 0);
        ck_assert_uint_eq(scene_stat("tree/open/file").uid, 777);
}
END_TEST

START_TEST(nothing_is_created_through_links) {
        scene_symlink("new", "tree/dangling");
        scene_symlink("../outside/new", "tree/escaping");
        assert_code(elevated(FSOP_VERB_OPEN, "dangling", true), -FSOP_ELOOP, "dangling");
        assert_code(elevated(FSOP_VERB_OPEN, "dangling", false), -FSOP_ELOOP, "the link itself");
        ck_assert_int_lt(elevated(FSOP_VERB_OPEN, "escaping", true), 0);
        ck_assert(!scene_exists("tree/new"));
        ck_assert(!scene_exists("outside/new"));
}
END_TEST

START_TEST(foreign_parents_are_refused) {
        static const struct {
                uint32_t owner;
                int code;
        } cases[] = {{0, 0}, {NOBODY, 0}, {SOMEBODY, -FSOP_EPERM}, {1, -FSOP_EPERM}};

        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                scene_mkdir("tree/parent", cases[i].owner, 0777);
                assert_code(elevated(FSOP_VERB_MKDIR, "parent/new", false), cases[i].code, "mkdir");
                assert_code(elevated(FSOP_VERB_OPEN, "parent/file", false), cases[i].code, "open");
                scene.guard.foreign_parent = true;
                assert_code(elevated(FSOP_VERB_MKDIR, "parent/other", false), 0, "as the rule says otherwise");
                scene.guard.foreign_parent = false;
                scene.guard.create_uid = cases[i].owner;
                assert_code(elevated(FSOP_VERB_MKDIR, "parent/third", false), 0, "as it is the rule's target");
                scene.guard.create_uid = NOBODY;
                rmdir(scene_path("tree/parent/new"));
                rmdir(scene_path("tree/parent/other"));
                rmdir(scene_path("tree/parent/third"));
                unlink(scene_path("tree/parent/file"));
                ck_assert_int_eq(rmdir(scene_path("tree/parent")), 0);
        }
}
END_TEST

/* In a sticky directory a file of somebody else may lie in wait for whoever opens it to create it. */
START_TEST(traps_in_sticky_directories) {
        scene_mkdir("tree/tmp", 0, 01777);
        scene_file("tree/tmp/theirs", SOMEBODY, 0666, "x");
        scene_file("tree/tmp/mine", NOBODY, 0666, "x");
        assert_code(elevated(FSOP_VERB_OPEN, "tmp/theirs", false), -FSOP_EPERM, "theirs");
        assert_code(elevated(FSOP_VERB_OPEN, "tmp/mine", false), 0, "mine");
        assert_code(elevated(FSOP_VERB_OPEN, "tmp/new", false), 0, "new");
        ck_assert_int_eq(chmod(scene_path("tree/tmp"), 0755), 0);
        assert_code(elevated(FSOP_VERB_OPEN, "tmp/theirs", false), 0, "in an ordinary directory");
}
END_TEST

START_TEST(several_links_are_refused) {
        scene_file("outside/secret", 0, 0600, "x");
        ck_assert_int_eq(link(scene_path("outside/secret"), scene_path("tree/hard")), 0);
        assert_code(elevated(FSOP_VERB_CHOWN, "hard", false), -FSOP_EPERM, "chown");
        assert_code(elevated(FSOP_VERB_CHMOD, "hard", false), -FSOP_EPERM, "chmod");
        assert_code(elevated(FSOP_VERB_OPEN, "hard", false), -FSOP_EPERM, "open to write");
        assert_code(elevated(FSOP_VERB_TRUNCATE, "hard", false), -FSOP_EPERM, "truncate");
        assert_code(elevated(FSOP_VERB_STAT, "hard", false), 0, "looking is no change");
        ck_assert_uint_eq(scene_stat("outside/secret").uid, 0);
        ck_assert_uint_eq(scene_stat("outside/secret").size, 1);
        scene.guard.links_any = true;
        assert_code(elevated(FSOP_VERB_CHOWN, "hard", false), 0, "as the rule says otherwise");
        scene.guard.links_any = false;
        assert_code(elevated(FSOP_VERB_UNLINK, "hard", false), 0, "a name is no change of the file");
        ck_assert(scene_exists("outside/secret"));
}
END_TEST

START_TEST(owned_by_caller) {
        scene.guard.owned_by_caller = true;
        scene_file("tree/mine", NOBODY, 0600, "x");
        scene_file("tree/theirs", SOMEBODY, 0600, "x");
        assert_code(elevated(FSOP_VERB_CHMOD, "mine", false), 0, "mine");
        assert_code(elevated(FSOP_VERB_CHMOD, "theirs", false), -FSOP_EPERM, "theirs");
        assert_code(elevated(FSOP_VERB_STAT, "theirs", false), -FSOP_EPERM, "theirs");
        assert_code(elevated(FSOP_VERB_UNLINK, "theirs", false), -FSOP_EPERM, "theirs");
        assert_code(elevated(FSOP_VERB_MKDIR, "new", false), 0, "what did not exist belonged to nobody");
}
END_TEST

/* ---- excluded directories ---------------------------------------------------------------------------------------- */

static struct object_id excluded_id;
static os_fd excluded_fd;

static void exclude(const char *name) {
        struct fsop_stat stat = scene_stat(name);

        excluded_id = (struct object_id){stat_dev(&stat), stat.ino};
        excluded_fd = open(scene_path(name), O_PATH | O_DIRECTORY | O_CLOEXEC);
        scene.guard.excluded = &excluded_id;
        scene.guard.excluded_fds = &excluded_fd;
        scene.guard.n_excluded = 1;
}

static int rename_elevated(const char *from, const char *to, bool exchange) {
        struct request *request = request_new(FSOP_VERB_RENAME, from);
        int code;

        request_to(request, to);
        request->op.args.rename.exchange = exchange;
        request_elevate(request, NULL);
        code = request_run(request);
        request_free(request);
        return code;
}

static int link_elevated(const char *from, const char *to) {
        struct request *request = request_new(FSOP_VERB_LINK, from);
        int code;

        request_to(request, to);
        request_elevate(request, NULL);
        code = request_run(request);
        request_free(request);
        return code;
}

START_TEST(excluded_is_out_of_reach) {
        scene_mkdir("tree/a", NOBODY, 0755);
        scene_mkdir("tree/a/secret", 0, 0755);
        scene_mkdir("tree/a/secret/deep", 0, 0755);
        scene_file("tree/a/secret/deep/file", NOBODY, 0644, "x");
        scene_file("tree/a/file", NOBODY, 0644, "x");
        scene_symlink("a/secret/deep", "tree/shortcut");
        exclude("tree/a/secret");
        assert_code(elevated(FSOP_VERB_STAT, "a/secret", false), -FSOP_EPERM, "itself");
        assert_code(elevated(FSOP_VERB_STAT, "a/secret/deep", false), -FSOP_EPERM, "in it");
        assert_code(elevated(FSOP_VERB_CHOWN, "a/secret/deep/file", false), -FSOP_EPERM, "deep in it");
        assert_code(elevated(FSOP_VERB_CHOWN, "shortcut/file", false), -FSOP_EPERM, "through a link");
        assert_code(elevated(FSOP_VERB_STAT, "shortcut", true), -FSOP_EPERM, "a link to it");
        assert_code(elevated(FSOP_VERB_MKDIR, "a/secret/new", false), -FSOP_EPERM, "making something in it");
        assert_code(elevated(FSOP_VERB_CHOWN, "a/file", false), 0, "beside it");
        /* neither it nor what holds it may be moved, nor anything be moved in or out */
        assert_code(rename_elevated("a/secret", "b", false), -FSOP_EPERM, "moving it");
        assert_code(rename_elevated("a", "b", false), -FSOP_EPERM, "moving what holds it");
        assert_code(rename_elevated("a/file", "a/secret/file", false), -FSOP_EPERM, "moving into it");
        assert_code(rename_elevated("a/secret/deep/file", "file", false), -FSOP_EPERM, "moving out of it");
        scene_mkdir("tree/c", NOBODY, 0755);
        assert_code(rename_elevated("c", "a", true), -FSOP_EPERM, "exchanging what holds it");
        assert_code(rename_elevated("c", "a/secret", true), -FSOP_EPERM, "exchanging it");
        assert_code(link_elevated("a/secret/deep/file", "file"), -FSOP_EPERM, "linking out of it");
        /* the caller itself may rename what holds it: it is found all the same */
        ck_assert_int_eq(rename(scene_path("tree/a"), scene_path("tree/renamed")), 0);
        assert_code(elevated(FSOP_VERB_CHOWN, "renamed/secret/deep/file", false), -FSOP_EPERM, "under another name");
        ck_assert_int_eq(rename(scene_path("tree/renamed/secret"), scene_path("tree/innocent")), 0);
        assert_code(elevated(FSOP_VERB_CHOWN, "innocent/deep/file", false), -FSOP_EPERM, "elsewhere");
        ck_assert_uint_eq(scene_stat("tree/innocent/deep/file").uid, NOBODY);
}
END_TEST

/* Neither its names nor that there are none: the answer is the same, by whichever way. */
START_TEST(nothing_is_told_of_what_is_excluded) {
        static const char *const inside[] = {"to/there/x",    "to/gone/x",    "to/file/x",
                                             "moved/there/x", "moved/gone/x", "moved/file/x"};
        static const char *const through[] = {"by/there", "by/gone", "by/file", "on/there/f", "on/gone/f", "on/file/f"};
        struct request *request;

        scene_mkdir("tree/secret", 0, 0700);
        scene_mkdir("tree/secret/there", 0, 0700);
        scene_file("tree/secret/file", 0, 0600, "x");
        scene_mkdir("tree/open", NOBODY, 0755);
        scene_mkdir("tree/by", NOBODY, 0755);
        scene_mkdir("tree/on", NOBODY, 0755);
        scene_file("tree/open/f", NOBODY, 0644, "x");
        scene_symlink("secret", "tree/to");
        scene_symlink("open", "tree/way");
        scene_symlink("../secret/there/../../open/f", "tree/by/there");
        scene_symlink("../secret/gone/../../open/f", "tree/by/gone");
        scene_symlink("../secret/file/../../open/f", "tree/by/file");
        scene_symlink("../to/there/../../open", "tree/on/there");
        scene_symlink("../to/gone/../../open", "tree/on/gone");
        scene_symlink("../to/file/../../open", "tree/on/file");
        scene_symlink("../way/../open/./f", "tree/by/nothing");
        exclude("tree/secret");
        for (size_t i = 0; i < sizeof(inside) / sizeof(inside[0]); i++) {
                if (i == 3)
                        ck_assert_int_eq(rename(scene_path("tree/secret"), scene_path("tree/moved")), 0);
                assert_code(elevated(FSOP_VERB_STAT, inside[i], false), -FSOP_EPERM, inside[i]);
                assert_code(elevated(FSOP_VERB_MKDIR, inside[i], false), -FSOP_EPERM, inside[i]);
        }
        ck_assert_int_eq(rename(scene_path("tree/moved"), scene_path("tree/secret")), 0);
        for (size_t i = 0; i < sizeof(through) / sizeof(through[0]); i++)
                assert_code(elevated(FSOP_VERB_CHMOD, through[i], true), -FSOP_EPERM, through[i]);
        /* what leads elsewhere is as it was */
        assert_code(elevated(FSOP_VERB_CHMOD, "by/nothing", true), 0, "by links and \"..\"");
        assert_code(elevated(FSOP_VERB_STAT, "way/f", false), 0, "by a link");
        assert_code(elevated(FSOP_VERB_STAT, "way/gone", false), -FSOP_ENOENT, "by a link to nothing");
        assert_code(elevated(FSOP_VERB_STAT, "way/f/x", false), -FSOP_ENOTDIR, "by a link to a file");
        assert_code(elevated(FSOP_VERB_STAT, "gone/f", false), -FSOP_ENOENT, "nothing");
        request = request_new(FSOP_VERB_STAT, "way/f");
        request_elevate(request, NULL);
        assert_code(sys_resolve(&request->sys, SYS_CACHED_ONLY), -FSOP_EAGAIN, "a link's text may be a server's");
        request_free(request);
        scene_symlink("circle", "tree/circle");
        scene_symlink("..", "tree/up");
        scene_symlink("/", "tree/out");
        assert_code(elevated(FSOP_VERB_STAT, "circle/f", false), -FSOP_ELOOP, "in a circle");
        assert_code(elevated(FSOP_VERB_STAT, "up/f", false), -FSOP_EXDEV, "above it");
        assert_code(elevated(FSOP_VERB_STAT, "out/f", false), -FSOP_EXDEV, "elsewhere");
}
END_TEST

START_TEST(links_need_the_callers_file) {
        scene_file("tree/mine", NOBODY, 0600, "x");
        scene_file("tree/roots", 0, 0600, "x");
        assert_code(link_elevated("roots", "l1"), -FSOP_EPERM, "root's");
        assert_code(link_elevated("mine", "l2"), 0, "mine");
        assert_code(link_elevated("mine", "../l3"), -FSOP_EINVAL, "out");
        ck_assert(!scene_exists("tree/l1"));
}
END_TEST

/* ---- descriptors of clients, and mounts -------------------------------------------------------------------------- */

START_TEST(a_moved_directory_has_no_rule_any_more) {
        struct request *request = request_new(FSOP_VERB_CHOWN, "file");
        int fd;

        scene_mkdir("tree/dir", NOBODY, 0755);
        scene_file("tree/dir/file", NOBODY, 0644, "x");
        fd = open(scene_path("tree/dir"), O_PATH | O_DIRECTORY | O_CLOEXEC);
        request->op.args.chown = (struct chown_args){.has_uid = true, .uid = 777};
        request_elevate(request, NULL);
        request_base(&request->sys.at, fd);
        request->sys.at.base_is_client_fd = true;
        assert_code(request_run(request), 0, "where it was");
        ck_assert_int_eq(rename(scene_path("tree/dir"), scene_path("outside/dir")), 0);
        request->op.args.chown.uid = 778;
        assert_code(request_run(request), -FSOP_EXDEV, "moved away");
        ck_assert_uint_eq(scene_stat("outside/dir/file").uid, 777);
        request_free(request);
        close(fd);
}
END_TEST

/* A bind mount in a namespace of the client's own brings any directory into the rule's tree, for it. */
START_TEST(a_bind_mount_of_the_client_is_no_way_in) {
        static const char *const paths[] = {"trap/file", "trap", "trap/new"};
        struct object_id ids[16];
        struct fsop_stat tree;
        int pipes[2], fd, inner, status, n;
        pid_t pid;

        scene_mkdir("tree/trap", NOBODY, 0755);
        scene_file("outside/file", 0, 0600, "root's");
        ck_assert_int_eq(pipe2(pipes, O_CLOEXEC), 0);
        pid = fork();
        if (pid == 0) {
                char byte;

                if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
                    mount(scene_path("outside"), scene_path("tree/trap"), NULL, MS_BIND, NULL) < 0)
                        _exit((int)write(pipes[1], "n", 1));
                if (write(pipes[1], "y", 1) != 1)
                        _exit(2);
                pause();
                _exit((int)read(pipes[0], &byte, 1));
        }
        char byte, path[300];
        ck_assert_int_eq(read(pipes[0], &byte, 1), 1);
        if (byte != 'y') {
                waitpid(pid, &status, 0);
                scene_skip("a bind mount of the client's: a mount namespace of its own cannot be had here (a chroot "
                           "that is no mount, or not permitted)");
                return;
        }
        snprintf(path, sizeof(path), "/proc/%d/root%s", (int)pid, scene_path("tree"));
        fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
        ck_assert_int_ge(fd, 0);
        inner = openat(fd, "trap", O_PATH | O_DIRECTORY | O_CLOEXEC);
        ck_assert_int_ge(inner, 0);
        /* the second time as if a handle had been opened from it, which is not the client's descriptor any more */
        for (size_t i = 0; i < 2 * sizeof(paths) / sizeof(paths[0]); i++) {
                enum fsop_verb verb = i % 3 == 2 ? FSOP_VERB_MKDIR : FSOP_VERB_CHOWN;
                struct request *request = request_new(verb, paths[i % 3]);

                if (verb == FSOP_VERB_CHOWN)
                        request->op.args.chown = (struct chown_args){.has_uid = true, .uid = 777};
                request_elevate(request, NULL);
                request_base(&request->sys.at, fd);
                request->sys.at.base_is_client_fd = i < 3;
                assert_code(request_run(request), -FSOP_EXDEV, paths[i % 3]);
                request_free(request);
        }
        struct request *request = request_new(FSOP_VERB_CHOWN, "file");
        request->op.args.chown = (struct chown_args){.has_uid = true, .uid = 777};
        request_elevate(request, NULL);
        request_base(&request->sys.at, inner);
        request->sys.at.base_is_client_fd = true;
        assert_code(request_run(request), -FSOP_EXDEV, "from inside the mount");
        request_free(request);
        request = request_new(FSOP_VERB_CHOWN, "");
        request->op.args.chown = (struct chown_args){.has_uid = true, .uid = 777, .walk.recursive = true};
        request_elevate(request, NULL);
        request_base(&request->sys.at, fd);
        assert_code(request_run(request), -FSOP_EXDEV, "a walk over it");
        request_free(request);
        ck_assert_uint_eq(scene_stat("outside/file").uid, 0);
        ck_assert_uint_eq(scene_stat("outside").uid, 0);
        /* and the way up from it does not reach the rule's directory */
        tree = scene_stat("tree");
        n = sys_ancestors(inner, ids, 16, 0);
        ck_assert_int_ge(n, 1);
        for (int i = 0; i < n; i++)
                ck_assert(!same_object(&tree, ids[i].dev, ids[i].ino));
        close(fd);
        close(inner);
        kill(pid, SIGKILL);
        waitpid(pid, &status, 0);
}
END_TEST

START_TEST(ancestors_are_told) {
        struct object_id ids[64];
        struct fsop_stat tree, file;
        int fd, n;

        scene_mkdir("tree/a", NOBODY, 0700);
        scene_mkdir("tree/a/b", NOBODY, 0700);
        tree = scene_stat("tree");
        fd = open(scene_path("tree/a/b"), O_PATH | O_DIRECTORY | O_CLOEXEC);
        n = sys_ancestors(fd, ids, 64, 0);
        ck_assert_int_ge(n, 4);
        ck_assert(same_object(&tree, ids[2].dev, ids[2].ino));
        ck_assert_int_eq(sys_ancestors(fd, ids, 3, 0), -FSOP_E2BIG);
        close(fd);
        scene_file("tree/f", 0, 0644, "x");
        file = scene_stat("tree/f");
        ck_assert_uint_eq(file.size, 1);
        fd = open(scene_path("tree/f"), O_RDONLY | O_CLOEXEC);
        ck_assert_int_eq(sys_ancestors(fd, ids, 64, 0), -FSOP_ENOTDIR);
        close(fd);
}
END_TEST

START_TEST(one_filesystem) {
        scene_mkdir("tree/m", 0, 0755);
        if (mount("tmpfs", scene_path("tree/m"), "tmpfs", 0, "mode=755") < 0) {
                scene_skip("tmpfs cannot be mounted here");
                return;
        }
        scene_file("tree/m/file", NOBODY, 0644, "x");
        assert_code(elevated(FSOP_VERB_STAT, "m/file", false), 0, "crossing");
        scene.guard.one_filesystem = true;
        assert_code(elevated(FSOP_VERB_STAT, "m/file", false), -FSOP_EXDEV, "crossing");
        assert_code(elevated(FSOP_VERB_STAT, "m", false), -FSOP_EXDEV, "the mount itself");
        ck_assert_int_eq(umount2(scene_path("tree/m"), MNT_DETACH), 0);
}
END_TEST

/* ---- the cache of parents, and answering only from what is known ------------------------------------------------- */

START_TEST(shared_parents_are_found_and_forgotten) {
        struct parent_cache cache;
        char file[600], moved[600];

        scene_mkdir("tree/d", NOBODY, 0755);
        scene_file("tree/d/file", NOBODY, 0644, "x");
        strcpy(file, scene_path("tree/d/file"));
        strcpy(moved, scene_path("tree/moved"));
        ck_assert_int_eq(chmod(scene_path("tree"), 0777), 0);
        parent_cache_init(&cache);
        ck_assert_int_eq(ours(FSOP_VERB_STAT, file, false, &cache), 0);
        ck_assert_int_eq(ours(FSOP_VERB_STAT, file, false, &cache), 0);
        /* an operation that moves the directory is followed by the truth */
        struct request *request = request_new(FSOP_VERB_RENAME, scene_path("tree/d"));
        request_to(request, moved);
        request->sys.cache = &cache;
        ck_assert_int_eq(request_run(request), 0);
        request_free(request);
        ck_assert_int_eq(ours(FSOP_VERB_STAT, file, false, &cache), -FSOP_ENOENT);
        strcpy(file, scene_path("tree/moved/file"));
        ck_assert_int_eq(ours(FSOP_VERB_STAT, file, false, &cache), 0);
        /* as is one that closes it */
        request = request_new(FSOP_VERB_CHMOD, moved);
        request->op.args.chmod = (struct chmod_args){.clear = 07777, .set = 0};
        request->sys.cache = &cache;
        request->sys.at.follow = true;
        ck_assert_int_eq(request_run(request), 0);
        request_free(request);
        ck_assert_int_eq(ours(FSOP_VERB_STAT, file, false, &cache), -FSOP_EACCES);
        parent_cache_clear(&cache);
}
END_TEST

/* Freeing it can take long, and is not for everybody to wait for. */
START_TEST(what_an_unlink_removes_is_looked_at) {
        static const struct {
                const char *path;
                bool recursive, looked;
        } cases[] = {{"tree/d/old", false, true}, {"tree/d/none", false, false}, {"tree/d/old", true, false}};

        scene_mkdir("tree/d", NOBODY, 0755);
        scene_file("tree/d/old", NOBODY, 0644, "xyz");
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                struct request *request = request_new(FSOP_VERB_UNLINK, scene_path(cases[i].path));

                request->op.args.unlink.recursive = cases[i].recursive;
                ck_assert_int_eq(sys_resolve(&request->sys, 0), 0);
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
                sys_release(&request->sys);
                request_free(request);
        }
}
END_TEST

/* A parent in use stays open however many others come. */
START_TEST(parents_in_use_are_kept) {
        struct parent_cache cache;
        struct request *requests[8];
        char paths[8][600];

        parent_cache_init(&cache);
        for (int i = 0; i < 8; i++) {
                char name[32];

                snprintf(name, sizeof(name), "tree/d%d", i);
                identity_wear_service();
                scene_mkdir(name, NOBODY, 0755);
                snprintf(paths[i], sizeof(paths[i]), "%s/new", scene_path(name));
                requests[i] = request_new(FSOP_VERB_MKDIR, paths[i]);
                requests[i]->op.args.mkdir = (struct create_args){.create = true, .mode = 0700};
                requests[i]->sys.cache = &cache;
                ck_assert_int_eq(sys_resolve(&requests[i]->sys, 0), 0);
        }
        for (int i = 0; i < 8; i++) {
                ck_assert_int_eq(sys_run(&requests[i]->sys), 0);
                sys_release(&requests[i]->sys);
                request_free(requests[i]);
                ck_assert_int_eq(access(paths[i], F_OK), 0);
        }
        identity_wear_service();
        parent_cache_clear(&cache);
}
END_TEST

/* The same path means different things to different people. */
START_TEST(parents_are_not_shared_between_people) {
        struct parent_cache cache;
        struct request *request;

        scene_mkdir("tree/p", NOBODY, 0700);
        scene_mkdir("tree/p/q", NOBODY, 0755);
        scene_file("tree/p/q/file", NOBODY, 0644, "x");
        parent_cache_init(&cache);
        for (int i = 0; i < 2; i++) {
                request = request_new(FSOP_VERB_STAT, scene_path("tree/p/q/file"));
                request->sys.cache = &cache;
                request_as(request, i ? scene.somebody : scene.nobody);
                ck_assert_int_eq(request_run(request), i ? -FSOP_EACCES : 0);
                request_free(request);
        }
        parent_cache_clear(&cache);
}
END_TEST

static int elevated_chmod(const char *path, uint32_t mode, struct parent_cache *cache, bool wait) {
        struct request *request = request_new(FSOP_VERB_CHMOD, path);
        int r;

        request->op.args.chmod = (struct chmod_args){.clear = 07777, .set = mode};
        request_elevate(request, NULL);
        request->sys.cache = cache;
        r = sys_resolve(&request->sys, 0);
        if (r >= 0 && wait) {
                identity_wear_service();
                ck_assert_int_eq(rename(scene_path("tree/d"), scene_path("outside/d")), 0);
                sys_sleep_ms(PINNED_MS);
        }
        if (r >= 0) {
                r = sys_run(&request->sys);
                sys_release(&request->sys);
        }
        request_free(request);
        identity_wear_service();
        return r;
}

/* A batch may be made to last: a directory that was moved out of the rule's meanwhile is not changed by the rest of it.
 */
START_TEST(parents_are_not_trusted_for_long) {
        struct parent_cache cache;

        scene_mkdir("tree/d", 0, 0755);
        scene_file("tree/d/file", 0, 0644, "x");
        parent_cache_init(&cache);
        assert_code(elevated_chmod("d/file", 0600, &cache, false), 0, "where it was");
        ck_assert_int_eq(rename(scene_path("tree/d"), scene_path("outside/d")), 0);
        sys_sleep_ms(PINNED_MS);
        assert_code(elevated_chmod("d/file", 0666, &cache, false), -FSOP_ENOENT, "moved away since");
        ck_assert_uint_eq(scene_stat("outside/d/file").mode & 07777, 0600);
        parent_cache_clear(&cache);
}
END_TEST

START_TEST(what_was_pinned_is_not_trusted_for_long) {
        scene_mkdir("tree/d", 0, 0755);
        scene_file("tree/d/file", 0, 0600, "x");
        assert_code(elevated_chmod("d/file", 0666, NULL, true), -FSOP_EXDEV, "moved away before it ran");
        ck_assert_uint_eq(scene_stat("outside/d/file").mode & 07777, 0600);
}
END_TEST

START_TEST(only_from_the_cache) {
        struct request *request = request_new(FSOP_VERB_STAT, scene_path("tree"));

        mounts_stop(); /* nothing is known */
        ck_assert_int_eq(sys_resolve(&request->sys, SYS_CACHED_ONLY), -FSOP_EAGAIN);
        ck_assert_int_eq(sys_resolve(&request->sys, 0), 0);
        ck_assert_int_eq(request->sys.at.fs, FS_LOCAL);
        sys_release(&request->sys);
        ck_assert_int_eq(sys_resolve(&request->sys, SYS_CACHED_ONLY), 0);
        sys_release(&request->sys);
        request_free(request);
        identity_wear_service();
}
END_TEST

/* Whether a stat with the rule's rights was answered without a descriptor of the object. */
static bool is_looked_up_at_once(unsigned flags) {
        struct request *request = request_new(FSOP_VERB_STAT, "d/file");
        bool at_once;

        request_elevate(request, NULL);
        assert_code(sys_resolve(&request->sys, flags), 0, "it is in the cache");
        ck_assert(request->sys.at.has_stat);
        at_once = request->sys.at.object == OS_FD_NONE;
        sys_release(&request->sys);
        request_free(request);
        identity_wear_service();
        return at_once;
}

/* In a chroot that is no mount the table of mounts lacks what everything lies on, and so nothing below can be ruled
 * out. */
static bool lacks_the_root_mount(const char *what) {
        struct statx root;
        char why[160];

        ck_assert_int_eq(statx(AT_FDCWD, "/", 0, STATX_BASIC_STATS, &root), 0);
        if (root.stx_attributes & STATX_ATTR_MOUNT_ROOT)
                return false;
        snprintf(why, sizeof(why), "%s: this is a chroot that is no mount", what);
        scene_skip(why);
        return true;
}

START_TEST(the_last_name_at_once) {
        if (lacks_the_root_mount("a last name that is looked up at once"))
                return;
        scene_mkdir("tree/d", 0, 0755);
        scene_file("tree/d/file", 0, 0600, "x");
        ck_assert(scene.root.one_mount);
        ck_assert(!is_looked_up_at_once(SYS_CACHED_ONLY));
        ck_assert(is_looked_up_at_once(SYS_CACHED_ONLY | SYS_TRY_LEAF));
        scene.root.one_mount = false;
        ck_assert(!is_looked_up_at_once(SYS_CACHED_ONLY | SYS_TRY_LEAF));
        scene.root.one_mount = true;
}
END_TEST

static bool has_one_mount(const char *name) {
        struct directory directory;
        bool one;

        assert_code(directory_open(scene_path(name), &directory), 0, name);
        one = directory.one_mount;
        directory_close(&directory);
        return one;
}

START_TEST(mounts_below_are_found) {
        if (lacks_the_root_mount("mounts below a directory"))
                return;
        scene_mkdir("tree/a", 0, 0755);
        scene_mkdir("tree/a \\b", 0, 0755); /* the table writes \040 and \134 */
        scene_mkdir("tree/a \\b/c", 0, 0755);
        scene_mkdir("tree/a \\b/c/d", 0, 0755);
        if (mount("none", scene_path("tree/a \\b/c/d"), "tmpfs", 0, NULL) < 0) {
                scene_skip("mounts below a directory: nothing can be mounted here");
                return;
        }
        bool above = has_one_mount("tree"), at = has_one_mount("tree/a \\b/c"), beside = has_one_mount("tree/a");
        bool itself = has_one_mount("tree/a \\b/c/d");

        umount(scene_path("tree/a \\b/c/d"));
        ck_assert(!above);
        ck_assert(!at);
        ck_assert(beside);
        ck_assert(itself);
        ck_assert(has_one_mount("tree"));
}
END_TEST

/* For slices: a mount that keeps its callers waiting is not waited for, and is named; with a parent's slot and without.
 */
START_TEST(only_what_is_local) {
        struct parent_cache cache;

        parent_cache_init(&cache);
        for (int cached = 0; cached < 2; cached++) {
                struct request *request = request_new(FSOP_VERB_STAT, scene_path("tree"));
                uint64_t mount;

                ck_assert_int_eq(sys_resolve(&request->sys, 0), 0);
                mount = request->sys.at.mnt_id;
                sys_release(&request->sys);
                request->sys.cache = cached ? &cache : NULL;
                sys_mount_demote(mount, true);
                ck_assert_int_eq(sys_resolve(&request->sys, SYS_LOCAL_ONLY), -FSOP_EAGAIN);
                ck_assert_uint_eq(request->sys.held_up_by, mount);
                sys_mount_demote(mount, false);
                ck_assert_int_eq(sys_resolve(&request->sys, SYS_LOCAL_ONLY), 0);
                sys_release(&request->sys);
                request_free(request);
        }
        parent_cache_clear(&cache);
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
                assert_code(request_run(request), code, "truncate");
                request_free(request);
                request = request_new(FSOP_VERB_FALLOCATE, "f");
                request_elevate(request, NULL);
                request->op.args.fallocate = (struct fallocate_args){.offset = 900, .length = size - 900};
                assert_code(request_run(request), code, "fallocate");
                request->op.args.fallocate = (struct fallocate_args){.offset = UINT64_MAX, .length = size};
                assert_code(request_run(request), -FSOP_EPERM, "fallocate beyond all bounds");
                request_free(request);
        }
        ck_assert_uint_eq(scene_stat("tree/f").size, 1000);
}
END_TEST

START_TEST(set_id_modes_need_the_rule) {
        static const uint32_t modes[] = {04755, 02755, 06755, 0755};
        struct request *request;

        for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
                for (int allowed = 0; allowed < 2; allowed++) {
                        int expected = allowed || (modes[i] & 06000) == 0 ? 0 : -FSOP_EPERM;

                        scene.guard.set_id = allowed;
                        scene_file("tree/f", SOMEBODY, 0644, "x");
                        request = request_new(FSOP_VERB_CHMOD, "f");
                        request_elevate(request, NULL);
                        request->op.args.chmod = (struct chmod_args){.clear = 07777, .set = modes[i]};
                        assert_code(request_run(request), expected, "chmod");
                        ck_assert_uint_eq(scene_stat("tree/f").mode & 07777, expected == 0 ? modes[i] : 0644);
                        request_free(request);
                        ck_assert_int_eq(unlink(scene_path("tree/f")), 0);
                        request = request_new(FSOP_VERB_OPEN, "f");
                        request_elevate(request, NULL);
                        request->op.args.open =
                                (struct open_args){.write = true, .create = {.create = true, .mode = modes[i]}};
                        assert_code(request_run(request), expected, "open");
                        request_free(request);
                        unlink(scene_path("tree/f"));
                        request = request_new(FSOP_VERB_MKNOD, "f");
                        request_elevate(request, NULL);
                        request->op.args.mknod = (struct mknod_args){.type = FSOP_TYPE_FIFO,
                                                                     .create = {.create = true, .mode = modes[i]}};
                        assert_code(request_run(request), expected, "mknod");
                        request_free(request);
                        unlink(scene_path("tree/f"));
                }
}
END_TEST

/* Bits that are there make it no better: they may not survive a chmod either. On directories they mean something else.
 */
START_TEST(set_id_modes_that_were_there) {
        struct request *request;

        scene_file("tree/f", SOMEBODY, 04755, "x");
        request = request_new(FSOP_VERB_CHMOD, "f");
        request_elevate(request, NULL);
        request->op.args.chmod = (struct chmod_args){.set = 0022};
        assert_code(request_run(request), -FSOP_EPERM, "a set-uid file made writable");
        request->op.args.chmod = (struct chmod_args){.clear = 07777, .set = 0755};
        assert_code(request_run(request), 0, "without its bits");
        request_free(request);
        scene_mkdir("tree/d", SOMEBODY, 02755);
        request = request_new(FSOP_VERB_CHMOD, "d");
        request_elevate(request, NULL);
        request->op.args.chmod = (struct chmod_args){.clear = 0777, .set = 0700};
        assert_code(request_run(request), 0, "a directory keeps its");
        ck_assert_uint_eq(scene_stat("tree/d").mode & 07777, 02700);
        request->op.args.chmod = (struct chmod_args){.set = 04000};
        assert_code(request_run(request), -FSOP_EPERM, "and gets no other");
        request_free(request);
        scene_mkdir("tree/e", SOMEBODY, 0755);
        request = request_new(FSOP_VERB_CHMOD, "e");
        request_elevate(request, NULL);
        request->op.args.chmod = (struct chmod_args){.set = 02000};
        assert_code(request_run(request), -FSOP_EPERM, "a directory that has none");
        request_free(request);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("resolve");
        TCase *caller = tcase_create("caller"), *rule = tcase_create("rule"), *cache = tcase_create("cache");

        scene_need_root();
        tcase_add_checked_fixture(caller, scene_open, scene_close);
        tcase_set_timeout(caller, 120);
        tcase_add_loop_test(caller, caller_gets_what_the_kernel_gives, 0, CALLER_CASES);
        tcase_add_loop_test(caller, caller_creates_where_the_kernel_does, 0, 2);
        tcase_add_test(caller, caller_from_a_directory);
        tcase_add_test(caller, confined_names_stay);
        tcase_add_test(caller, what_an_unlink_removes_is_looked_at);
        tcase_add_test(caller, what_a_rename_replaces_is_looked_at);
        tcase_add_test(caller, procfs_is_out_of_reach);
        tcase_add_test(caller, procfs_under_a_rule_or_from_a_client);
        tcase_add_test(caller, descriptors_are_known_by_what_they_are);
        tcase_add_checked_fixture(rule, scene_open, scene_close);
        tcase_add_test(rule, rules_have_plain_paths);
        tcase_add_test(rule, links_stay_beneath);
        tcase_add_test(rule, nothing_is_created_through_links);
        tcase_add_test(rule, foreign_parents_are_refused);
        tcase_add_test(rule, traps_in_sticky_directories);
        tcase_add_test(rule, several_links_are_refused);
        tcase_add_test(rule, owned_by_caller);
        tcase_add_test(rule, excluded_is_out_of_reach);
        tcase_add_test(rule, nothing_is_told_of_what_is_excluded);
        tcase_add_test(rule, links_need_the_callers_file);
        tcase_add_test(rule, a_moved_directory_has_no_rule_any_more);
        tcase_add_test(rule, a_bind_mount_of_the_client_is_no_way_in);
        tcase_add_test(rule, ancestors_are_told);
        tcase_add_test(rule, one_filesystem);
        tcase_add_test(rule, sizes_are_bounded);
        tcase_add_test(rule, set_id_modes_need_the_rule);
        tcase_add_test(rule, set_id_modes_that_were_there);
        tcase_add_checked_fixture(cache, scene_open, scene_close);
        tcase_add_test(cache, shared_parents_are_found_and_forgotten);
        tcase_add_test(cache, parents_in_use_are_kept);
        tcase_add_test(cache, parents_are_not_shared_between_people);
        tcase_add_test(cache, parents_are_not_trusted_for_long);
        tcase_add_test(cache, what_was_pinned_is_not_trusted_for_long);
        tcase_add_test(cache, only_from_the_cache);
        tcase_add_test(cache, the_last_name_at_once);
        tcase_add_test(cache, mounts_below_are_found);
        tcase_add_test(cache, only_what_is_local);
        suite_add_tcase(suite, caller);
        suite_add_tcase(suite, rule);
        suite_add_tcase(suite, cache);
        return suite_run(suite);
}
