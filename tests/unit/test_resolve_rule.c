/* SPDX-License-Identifier: MIT */
/*
 * test_resolve_rule.c: where paths lead with a rule's rights: never out of the rule's directory.
 */
#include <check.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backends/linux/sys_linux.h"
#include "tests/support/scene.h"
#include "tests/support/suite.h"

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

        scene_furnish();
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

        scene_furnish();
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
        scene_symlink("/file", "tree/open/absolute"); /* is not taken for what lies beside it */
        assert_code(elevated(FSOP_VERB_STAT, "open/absolute", true), -FSOP_EXDEV, "/file");
}
END_TEST

/* The path with a link's text in it is no longer than a path may be. */
START_TEST(links_that_make_long_paths) {
        char text[PATH_MAX];

        scene_mkdir("tree/d", 0, 0755);
        for (size_t i = 0; i < sizeof(text); i += 2)
                memcpy(text + i, "./", 2);
        text[PATH_MAX - 2] = 0;
        scene_symlink(text, "tree/d/long"); /* with "d/" before it */
        text[PATH_MAX - 3] = 0;
        scene_symlink(text, "tree/d/longest");
        assert_code(elevated(FSOP_VERB_STAT, "d/longest", true), 0, "as long as may be");
        assert_code(elevated(FSOP_VERB_STAT, "d/long", true), -FSOP_ENAMETOOLONG, "longer");
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

static int elevated_rename(const char *from, const char *to) {
        struct request *request = request_elevated(FSOP_VERB_RENAME, from);

        request_to(request, to);
        return request_finish(request);
}

START_TEST(foreign_parents_are_refused) {
        static const struct {
                uint32_t owner;
                int code;
        } cases[] = {{0, 0}, {NOBODY, 0}, {SOMEBODY, -FSOP_EPERM}, {1, -FSOP_EPERM}};

        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                scene_mkdir("tree/parent", cases[i].owner, 0777);
                assert_code(elevated(FSOP_VERB_MKDIR, "parent/new", false), cases[i].code, "mkdir");
                assert_code(elevated(FSOP_VERB_OPEN, "parent/file", false), cases[i].code, "open");
                scene_file("tree/mine", NOBODY, 0644, "x");
                scene_file("tree/parent/there", NOBODY, 0644, "x");
                assert_code(elevated_rename("mine", "parent/there"), cases[i].code, "rename over what is there");
                unlink(scene_path("tree/mine"));
                unlink(scene_path("tree/parent/there"));
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

static int rename_elevated(const char *from, const char *to, bool exchange) {
        struct request *request = request_new(FSOP_VERB_RENAME, from);

        request_to(request, to);
        request->op.args.rename.exchange = exchange;
        request_elevate(request, NULL);
        return request_finish(request);
}

static int link_elevated(const char *from, const char *to) {
        struct request *request = request_new(FSOP_VERB_LINK, from);

        request_to(request, to);
        request_elevate(request, NULL);
        return request_finish(request);
}

START_TEST(excluded_is_out_of_reach) {
        scene_mkdir("tree/a", NOBODY, 0755);
        scene_mkdir("tree/a/secret", 0, 0755);
        scene_mkdir("tree/a/secret/deep", 0, 0755);
        scene_file("tree/a/secret/deep/file", NOBODY, 0644, "x");
        scene_file("tree/a/file", NOBODY, 0644, "x");
        scene_symlink("a/secret/deep", "tree/shortcut");
        scene_exclude("tree/a/secret");
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
        scene_exclude("tree/secret");
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

/* ---- sizes and modes --------------------------------------------------------------------------------------------- */

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
                        assert_code(request_finish(request), expected, "open");
                        unlink(scene_path("tree/f"));
                        request = request_new(FSOP_VERB_MKNOD, "f");
                        request_elevate(request, NULL);
                        request->op.args.mknod = (struct mknod_args){.type = FSOP_TYPE_FIFO,
                                                                     .create = {.create = true, .mode = modes[i]}};
                        assert_code(request_finish(request), expected, "mknod");
                        unlink(scene_path("tree/f"));
                }
}
END_TEST

/* Bits that are there make it no better: they may not survive a chmod either. On directories they mean something
 * else. */
START_TEST(set_id_modes_that_were_there) {
        struct request *request;

        scene_file("tree/f", SOMEBODY, 04755, "x");
        request = request_new(FSOP_VERB_CHMOD, "f");
        request_elevate(request, NULL);
        request->op.args.chmod = (struct chmod_args){.set = 0022};
        assert_code(request_run(request), -FSOP_EPERM, "a set-uid file made writable");
        request->op.args.chmod = (struct chmod_args){.clear = 07777, .set = 0755};
        assert_code(request_finish(request), 0, "without its bits");
        scene_mkdir("tree/d", SOMEBODY, 02755);
        request = request_new(FSOP_VERB_CHMOD, "d");
        request_elevate(request, NULL);
        request->op.args.chmod = (struct chmod_args){.clear = 0777, .set = 0700};
        assert_code(request_run(request), 0, "a directory keeps its");
        ck_assert_uint_eq(scene_stat("tree/d").mode & 07777, 02700);
        request->op.args.chmod = (struct chmod_args){.set = 04000};
        assert_code(request_finish(request), -FSOP_EPERM, "and gets no other");
        scene_mkdir("tree/e", SOMEBODY, 0755);
        request = request_new(FSOP_VERB_CHMOD, "e");
        request_elevate(request, NULL);
        request->op.args.chmod = (struct chmod_args){.set = 02000};
        assert_code(request_finish(request), -FSOP_EPERM, "a directory that has none");
}
END_TEST

int main(void) {
        Suite *suite = suite_create("resolve_rule");
        TCase *rule = tcase_create("rule");

        scene_need_root();
        tcase_add_checked_fixture(rule, scene_open, scene_close);
        tcase_add_test(rule, rules_have_plain_paths);
        tcase_add_test(rule, links_stay_beneath);
        tcase_add_test(rule, links_that_make_long_paths);
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
        tcase_add_test(rule, set_id_modes_need_the_rule);
        tcase_add_test(rule, set_id_modes_that_were_there);
        suite_add_tcase(suite, rule);
        return suite_run(suite);
}
