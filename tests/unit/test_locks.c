/* SPDX-License-Identifier: MIT */
/*
 * test_locks.c: who may keep the kernel's lock of a file for ever, by what this machine lets users have; and mount
 * tables that say nothing. In a mount namespace of its own, where it is as each case wants it.
 */
#include <check.h>
#include <fcntl.h>
#include <limits.h>
#include <mntent.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backends/linux/sys_linux.h"
#include "tests/support/fuse_server.h"
#include "tests/support/scene.h"
#include "tests/support/suite.h"

#define USERFAULTFD "/proc/sys/vm/unprivileged_userfaultfd"

static void put(const char *path, uint32_t uid, uint32_t mode) {
        int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(fchown(fd, uid, uid), 0);
        ck_assert_int_eq(fchmod(fd, mode), 0);
        close(fd);
}

static void write_text(const char *path, const char *text) {
        int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(write(fd, text, strlen(text)), strlen(text));
        close(fd);
}

/* What others have mounted on this machine is none of these tests'. */
static void unmount_fuse(void) {
        FILE *mounts = setmntent("/proc/self/mounts", "re");
        const struct mntent *entry;

        ck_assert_ptr_nonnull(mounts);
        while ((entry = getmntent(mounts)))
                if (strncmp(entry->mnt_type, "fuse", 4) == 0 && strcmp(entry->mnt_type, "fusectl") != 0)
                        umount2(entry->mnt_dir, MNT_DETACH);
        endmntent(mounts);
}

/* A machine on which nobody may anything. */
static void set_up(void) {
        ck_assert_int_eq(unshare(CLONE_NEWNS), 0);
        ck_assert_int_eq(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
        unmount_fuse();
        ck_assert_int_eq(mount("none", "/proc/1", "tmpfs", 0, NULL),
                         0); /* whose namespace is meant as long as it can be read */
        scene_open();
        scene_mkdir("tree/mnt", 0, 0755);
        write_text(scene_path("tree/allowed"), "0\n");
        if (access(USERFAULTFD, F_OK) == 0)
                ck_assert_int_eq(mount(scene_path("tree/allowed"), USERFAULTFD, NULL, MS_BIND, NULL), 0);
        ck_assert_int_eq(mount("none", "/dev", "tmpfs", 0, "mode=755"), 0);
        ck_assert_int_eq(mount("none", "/usr/bin", "tmpfs", 0, "mode=755"), 0);
        if (access("/bin/sh", F_OK) == 0)
                ck_assert_int_eq(mount("none", "/bin", "tmpfs", 0, "mode=755"), 0);
}

START_TEST(who_may_have_a_fuse_server) {
        static const struct {
                const char *path;
                uint32_t uid, mode;
                bool may;
        } cases[] = {
                {"/dev/fuse", 0, 0600, false},
                {"/dev/fuse", 0, 0666, true},
                {"/dev/fuse", 0, 0660, true},
                {"/dev/fuse", SOMEBODY, 0600, true},
                {"/usr/bin/fusermount3", 0, 0755, false},
                {"/usr/bin/fusermount3", 0, 04755, true},
                {"/usr/bin/fusermount", 0, 04755, true},
                {"/bin/fusermount", 0, 04755, true},
                {"/dev/userfaultfd", 0, 0600, false},
                {"/dev/userfaultfd", 0, 0666, true},
        };

        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                ck_assert_msg(!sys_locks_may_be_kept(), "before case %zu", i);
                put(cases[i].path, cases[i].uid, cases[i].mode);
                ck_assert_msg(sys_locks_may_be_kept() == cases[i].may, "case %zu", i);
                unlink(cases[i].path);
        }
}
END_TEST

START_TEST(who_may_use_userfaultfd) {
        if (access(USERFAULTFD, F_OK) < 0) {
                scene_skip("this kernel has no userfaultfd");
                return;
        }
        write_text(scene_path("tree/allowed"), "1\n");
        ck_assert(sys_locks_may_be_kept());
        write_text(scene_path("tree/allowed"), ""); /* it does not say */
        ck_assert(sys_locks_may_be_kept());
        write_text(scene_path("tree/allowed"), "0\n");
        ck_assert(!sys_locks_may_be_kept());
}
END_TEST

/* Root mounts it for a server that is somebody else's. What only controls such mounts is none. */
START_TEST(what_is_mounted) {
        int fuse;

        if (mount("none", scene_path("tree/mnt"), "fusectl", 0, NULL) == 0) {
                ck_assert(!sys_locks_may_be_kept());
                ck_assert_int_eq(umount2(scene_path("tree/mnt"), MNT_DETACH), 0);
        }
        ck_assert_int_eq(umount2("/dev", MNT_DETACH), 0);
        fuse = fuse_server_mount("fuse", scene_path("tree/mnt"));
        if (fuse < 0)
                return; /* that was said */
        ck_assert_int_eq(mount("none", "/dev", "tmpfs", 0, "mode=755"), 0);
        ck_assert(sys_locks_may_be_kept());
        ck_assert_int_eq(umount2(scene_path("tree/mnt"), MNT_DETACH), 0);
        ck_assert(!sys_locks_may_be_kept());
        close(fuse);
}
END_TEST

static const char no_root_mount[] = "what is mounted is not known here: the root's own mount is not in the table";

static bool is_one_mount(const char *name) {
        struct directory directory;
        bool is;

        ck_assert_int_eq(directory_open(scene_path(name), &directory), 0);
        is = directory.one_mount;
        directory_close(&directory);
        return is;
}

/* A table that is too long to be searched says nothing: something may be mounted anywhere. */
START_TEST(so_much_is_mounted) {
        char name[NAME_MAX], path[400];

        memset(name, 'n', sizeof(name));
        name[sizeof(name) - 1] = 0;
        snprintf(path, sizeof(path), "tree/mnt/%s", name);
        scene_mkdir(path, 0, 0755);
        if (!is_one_mount("outside")) {
                scene_skip(no_root_mount);
                return;
        }
        for (unsigned i = 0; i < (256u << 10) / sizeof(name); i++)
                ck_assert_int_eq(mount("none", scene_path(path), "tmpfs", 0, NULL), 0);
        ck_assert(sys_locks_may_be_kept());
        ck_assert(!is_one_mount("outside"));
        while (umount2(scene_path(path), MNT_DETACH) == 0)
                ;
        ck_assert(!sys_locks_may_be_kept());
        ck_assert(is_one_mount("outside"));
}
END_TEST

/* Neither does one that speaks of other mounts. */
START_TEST(somebody_else_s_table) {
        int namespace = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC); /* which goes with its last process, else */

        if (!is_one_mount("outside")) {
                scene_skip(no_root_mount);
                return;
        }
        ck_assert_int_eq(unshare(CLONE_NEWNS), 0);
        ck_assert(!is_one_mount("outside"));
        close(namespace);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("locks");
        TCase *tcase = tcase_create("locks");

        scene_need_root();
        if (unshare(CLONE_NEWNS) < 0) {
                puts("SKIP: nothing can be mounted here");
                return 77;
        }
        tcase_add_checked_fixture(tcase, set_up, scene_close);
        tcase_add_test(tcase, who_may_have_a_fuse_server);
        tcase_add_test(tcase, who_may_use_userfaultfd);
        tcase_add_test(tcase, what_is_mounted);
        tcase_add_test(tcase, so_much_is_mounted);
        tcase_add_test(tcase, somebody_else_s_table);
        suite_add_tcase(suite, tcase);
        return suite_run(suite);
}
