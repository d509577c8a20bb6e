/* SPDX-License-Identifier: MIT */
/*
 * test_run.c: what operations on names and metadata do to a real filesystem, at the edges of what they take.
 */
#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "backends/linux/sys_linux.h"
#include "tests/support/scene.h"
#include "tests/support/suite.h"

/* ---- metadata ---------------------------------------------------------------------------------------------------- */

START_TEST(stat_is_complete) {
        struct request *request = request_root(FSOP_VERB_STAT, "tree/f");
        const struct fsop_stat *stat = &request->result.value.stat;
        struct statx sx;

        scene_file("tree/f", NOBODY, 0640, "hello");
        assert_ok(request_run(request));
        ck_assert_int_eq(statx(AT_FDCWD, scene_path("tree/f"), 0, STATX_BASIC_STATS | STATX_BTIME | STATX_MNT_ID, &sx),
                         0);
        ck_assert_uint_eq(stat->size, 5);
        ck_assert_uint_eq(stat->uid, NOBODY);
        ck_assert_uint_eq(stat->mode, S_IFREG | 0640);
        ck_assert_uint_eq(stat->ino, sx.stx_ino);
        ck_assert_uint_eq(stat->mnt_id, sx.stx_mnt_id);
        ck_assert_uint_eq(stat->dev_major, sx.stx_dev_major);
        ck_assert_uint_eq(stat->dev_minor, sx.stx_dev_minor);
        ck_assert_uint_eq(stat->blksize, sx.stx_blksize);
        ck_assert_uint_eq(stat->attributes, sx.stx_attributes);
        ck_assert_int_eq(stat->mtime.sec, sx.stx_mtime.tv_sec);
        ck_assert_uint_eq(stat->mtime.nsec, sx.stx_mtime.tv_nsec);
        if (sx.stx_mask & STATX_BTIME) {
                ck_assert(stat->mask & FSOP_STAT_BTIME);
                ck_assert_int_eq(stat->btime.sec, sx.stx_btime.tv_sec);
        }
        request_free(request);
}
END_TEST

START_TEST(statfs_answers) {
        struct request *request = request_root(FSOP_VERB_STATFS, "tree");

        assert_ok(request_run(request));
        ck_assert_uint_gt(request->result.value.statfs.blocks, 0);
        ck_assert_uint_gt(request->result.value.statfs.namelen, 0);
        ck_assert_ptr_nonnull(mounts_fs_name(request->result.value.statfs.type));
        request_free(request);
}
END_TEST

START_TEST(times_before_1970) {
        struct request *request = request_root(FSOP_VERB_UTIMENS, "tree/f");
        struct fsop_stat stat;

        scene_file("tree/f", NOBODY, 0640, "");
        request->op.args.utimens = (struct utimens_args){
                .atime_change = TIME_OMIT, .mtime_change = TIME_SET, .mtime = {.sec = -12345, .nsec = 999999999}};
        stat = scene_stat("tree/f");
        assert_ok(request_run(request));
        ck_assert_int_eq(scene_stat("tree/f").mtime.sec, -12345);
        ck_assert_uint_eq(scene_stat("tree/f").mtime.nsec, 999999999);
        ck_assert_int_eq(scene_stat("tree/f").atime.sec, stat.atime.sec);
        request->op.args.utimens =
                (struct utimens_args){.atime_change = TIME_SET, .atime = {.sec = 5}, .mtime_change = TIME_NOW};
        assert_ok(request_run(request));
        ck_assert_int_eq(scene_stat("tree/f").atime.sec, 5);
        ck_assert_int_gt(scene_stat("tree/f").mtime.sec, 1600000000);
        request_free(request);
        /* of a link itself */
        scene_symlink("f", "tree/l");
        request = request_root(FSOP_VERB_UTIMENS, "tree/l");
        request->op.args.utimens = (struct utimens_args){.mtime_change = TIME_SET, .mtime = {.sec = 77}};
        assert_ok(request_finish(request));
        ck_assert_int_eq(scene_stat("tree/l").mtime.sec, 77);
        ck_assert_int_ne(scene_stat("tree/f").mtime.sec, 77);
}
END_TEST

START_TEST(touch_creates) {
        struct request *request = request_root(FSOP_VERB_UTIMENS, "tree/new");

        request->op.args.utimens = (struct utimens_args){
                .mtime_change = TIME_SET, .mtime = {.sec = 99}, .create = {.create = true, .mode = 0666, .umask = 027}};
        assert_ok(request_finish(request));
        ck_assert_uint_eq(scene_stat("tree/new").mode, S_IFREG | 0640);
        ck_assert_int_eq(scene_stat("tree/new").mtime.sec, 99);
}
END_TEST

START_TEST(modes_are_computed) {
        static const struct {
                struct chmod_args args;
                uint32_t old, new;
        } cases[] = {
                {{.clear = 07777, .set = 0644}, 0755, 0644},
                {{.set = 022}, 0644, 0666},
                {{.clear = 0111}, 0777, 0666},
                {{.set_x = 0111}, 0644, 0644},
                {{.set_x = 0111}, 0744, 0755},
                {{.clear = 0777, .set = 0644, .set_x = 0111}, 0700, 0755},
                {{.clear_x = 0111}, 0644 | 0100, 0644},
                {{.clear = 0777, .set = 0644, .set_x = 0111}, S_IFDIR | 0600, 0755},
                {{.clear = 07777, .set = 0755, .dir_keep = 06000}, S_IFDIR | 02700, 02755},
                {{.clear = 07777, .set = 0755, .dir_keep = 06000}, 02700, 0755},
        };

        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
                ck_assert_msg(new_mode(&cases[i].args, cases[i].old) == cases[i].new, "case %zu: %o", i,
                              new_mode(&cases[i].args, cases[i].old));
}
END_TEST

START_TEST(chmod_and_links) {
        struct request *request = request_root(FSOP_VERB_CHMOD, "tree/l");

        scene_file("tree/f", NOBODY, 0644, "");
        scene_symlink("f", "tree/l");
        request->op.args.chmod = (struct chmod_args){.clear = 07777, .set = 0600};
        ck_assert_int_eq(request_run(request), -FSOP_EOPNOTSUPP);
        ck_assert_ptr_nonnull(request->sys.why);
        request->sys.at.follow = true;
        assert_ok(request_run(request));
        ck_assert_uint_eq(scene_stat("tree/f").mode & 07777, 0600);
        ck_assert_uint_eq(request->result.value.walk.changed, 1);
        assert_ok(request_run(request));
        ck_assert_uint_eq(request->result.value.walk.changed, 0);
        request_free(request);
}
END_TEST

START_TEST(chown_each_and_from) {
        struct request *request = request_root(FSOP_VERB_CHOWN, "tree/f");
        struct chown_args *args = &request->op.args.chown;

        scene_file("tree/f", NOBODY, 0644, "");
        *args = (struct chown_args){.has_uid = true, .uid = 0x7fffffff};
        assert_ok(request_run(request));
        ck_assert_uint_eq(scene_stat("tree/f").uid, 0x7fffffff);
        ck_assert_uint_eq(scene_stat("tree/f").gid, NOBODY);
        *args = (struct chown_args){.has_gid = true, .gid = 0xfffffffe};
        assert_ok(request_run(request));
        ck_assert_uint_eq(scene_stat("tree/f").gid, 0xfffffffe);
        *args = (struct chown_args){.has_uid = true, .uid = 1, .has_from_uid = true, .from_uid = 2};
        assert_ok(request_run(request));
        ck_assert_uint_eq(request->result.value.walk.changed, 0);
        ck_assert_uint_eq(scene_stat("tree/f").uid, 0x7fffffff);
        args->from_uid = 0x7fffffff;
        assert_ok(request_run(request));
        ck_assert_uint_eq(request->result.value.walk.changed, 1);
        ck_assert_uint_eq(scene_stat("tree/f").uid, 1);
        request_free(request);
        scene_symlink("f", "tree/l");
        request = request_root(FSOP_VERB_CHOWN, "tree/l");
        request->op.args.chown = (struct chown_args){.has_uid = true, .uid = 3};
        assert_ok(request_finish(request));
        ck_assert_uint_eq(scene_stat("tree/l").uid, 3);
        ck_assert_uint_eq(scene_stat("tree/f").uid, 1);
}
END_TEST

/* ---- names ------------------------------------------------------------------------------------------------------- */

START_TEST(nodes_of_every_kind) {
        static const struct {
                enum fsop_file_type type;
                uint32_t mode, major, minor;
        } cases[] = {
                {FSOP_TYPE_CHAR, S_IFCHR, 300, 300000}, {FSOP_TYPE_BLOCK, S_IFBLK, 4095, 1048575},
                {FSOP_TYPE_CHAR, S_IFCHR, 1, 3},        {FSOP_TYPE_FIFO, S_IFIFO, 0, 0},
                {FSOP_TYPE_SOCKET, S_IFSOCK, 0, 0},
        };

        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                struct request *request = request_root(FSOP_VERB_MKNOD, "tree/node");
                struct fsop_stat stat;

                request->op.args.mknod = (struct mknod_args){.type = cases[i].type,
                                                             .major = cases[i].major,
                                                             .minor = cases[i].minor,
                                                             .create = {.create = true, .mode = 0666, .umask = 022}};
                assert_ok(request_finish(request));
                stat = scene_stat("tree/node");
                ck_assert_uint_eq(stat.mode, cases[i].mode | 0644);
                ck_assert_uint_eq(stat.rdev_major, cases[i].major);
                ck_assert_uint_eq(stat.rdev_minor, cases[i].minor);
                ck_assert_int_eq(unlink(scene_path("tree/node")), 0);
        }
        struct request *request = request_root(FSOP_VERB_MKNOD, "tree/node");
        request->op.args.mknod =
                (struct mknod_args){.type = FSOP_TYPE_CHAR, .major = 4096, .minor = 1, .create = {.create = true}};
        ck_assert_int_eq(request_run(request), -FSOP_EINVAL); /* never another device than the one that was asked for */
        request->op.args.mknod.type = FSOP_TYPE_REGULAR;
        ck_assert_int_eq(request_run(request), -FSOP_EINVAL);
        request_as(request, scene.nobody);
        request_free(request);
        scene_mkdir("tree/open", NOBODY, 0755);
        request = request_new(FSOP_VERB_MKNOD, scene_path("tree/open/node"));
        request->op.args.mknod =
                (struct mknod_args){.type = FSOP_TYPE_CHAR, .major = 1, .minor = 3, .create = {.create = true}};
        ck_assert_int_eq(request_finish(request), -FSOP_EPERM);
}
END_TEST

START_TEST(creators_own_what_they_create) {
        struct identity *creator;
        struct request *request;

        assert_ok(identity_to_create_as(SOMEBODY, 777, NULL, 0, true, false, &creator));
        scene.guard.create_uid = SOMEBODY;
        scene_mkdir("tree/closed", SOMEBODY, 0500);
        request = request_new(FSOP_VERB_MKNOD, "closed/node");
        request_elevate(request, creator);
        request->op.args.mknod = (struct mknod_args){
                .type = FSOP_TYPE_CHAR, .major = 1, .minor = 3, .create = {.create = true, .mode = 0666, .umask = 0}};
        assert_ok(request_finish(request));
        ck_assert_uint_eq(scene_stat("tree/closed/node").uid, SOMEBODY);
        ck_assert_uint_eq(scene_stat("tree/closed/node").gid, 777);
        request = request_new(FSOP_VERB_OPEN, "closed/file");
        request_elevate(request, creator);
        request->op.args.open = (struct open_args){.write = true, .create = {.create = true, .mode = 0400}};
        assert_ok(request_finish(request));
        ck_assert_uint_eq(scene_stat("tree/closed/file").uid, SOMEBODY);
        request = request_new(FSOP_VERB_MKDIR, "closed/dir");
        request_elevate(request, creator);
        request->op.args.mkdir = (struct create_args){.create = true, .mode = 0777, .umask = 077};
        assert_ok(request_finish(request));
        ck_assert_uint_eq(scene_stat("tree/closed/dir").uid, SOMEBODY);
        ck_assert_uint_eq(scene_stat("tree/closed/dir").mode & 07777, 0700);
        identity_unref(creator);
}
END_TEST

/* system.posix_acl_default: user::rwx group::r-x group:777:rwx mask::rwx other::--- */
static const uint8_t default_acl[] = {2, 0,   0,   0,   1,   0,   7,  0, 255, 255, 255, 255, 4,   0,  5,
                                      0, 255, 255, 255, 255, 8,   0,  7, 0,   9,   3,   0,   0,   16, 0,
                                      7, 0,   255, 255, 255, 255, 32, 0, 0,   0,   255, 255, 255, 255};

START_TEST(default_acl_instead_of_umask) {
        struct request *request;

        scene_mkdir("tree/acl", NOBODY, 0755);
        if (setxattr(scene_path("tree/acl"), "system.posix_acl_default", default_acl, sizeof(default_acl), 0) < 0) {
                scene_skip("no ACLs on this filesystem");
                return;
        }
        request = request_new(FSOP_VERB_OPEN, scene_path("tree/acl/file"));
        request->op.args.open =
                (struct open_args){.write = true, .create = {.create = true, .mode = 0666, .umask = 077}};
        assert_ok(request_finish(request));
        ck_assert_uint_eq(scene_stat("tree/acl/file").mode & 0777, 0660);
        request = request_new(FSOP_VERB_MKDIR, scene_path("tree/acl/dir"));
        request->op.args.mkdir = (struct create_args){.create = true, .mode = 0777, .umask = 077};
        assert_ok(request_finish(request));
        ck_assert_uint_eq(scene_stat("tree/acl/dir").mode & 0777, 0770);
}
END_TEST

START_TEST(odd_names) {
        char longest[256];
        const char *const odd[] = {"new\nline", "\xff\xfe invalid", "-rf", "%s%n", " ", "\\", "a\tb", longest};

        memset(longest, 'x', 255);
        longest[255] = 0;
        for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
                struct request *request = request_elevated(FSOP_VERB_MKDIR, odd[i]);
                char path[600];

                request->op.args.mkdir = (struct create_args){.create = true, .mode = 0700};
                assert_ok(request_finish(request));
                snprintf(path, sizeof(path), "%s/%s", scene_path("tree"), odd[i]);
                ck_assert_int_eq(rmdir(path), 0);
        }
        ck_assert_int_eq(request_finish(request_elevated(FSOP_VERB_RMDIR, "xx/yy")), -FSOP_ENOENT);
}
END_TEST

START_TEST(renames) {
        struct request *request;

        scene_file("tree/a", 0, 0644, "a");
        scene_file("tree/b", 0, 0644, "bb");
        request = request_root(FSOP_VERB_RENAME, "tree/a");
        request_to(request, scene_path("tree/b"));
        request->op.args.rename.no_replace = true;
        ck_assert_int_eq(request_run(request), -FSOP_EEXIST);
        request->op.args.rename = (struct rename_args){.exchange = true};
        assert_ok(request_run(request));
        ck_assert_uint_eq(scene_stat("tree/a").size, 2);
        request->op.args.rename = (struct rename_args){0};
        assert_ok(request_run(request));
        ck_assert_uint_eq(scene_stat("tree/b").size, 2);
        ck_assert(!scene_exists("tree/a"));
        request_free(request);
}
END_TEST

START_TEST(links_of_both_kinds) {
        struct request *request;

        scene_file("tree/f", NOBODY, 0644, "f");
        request = request_root(FSOP_VERB_SYMLINK, "tree/s");
        request->op.args.symlink = (struct bytes){(const uint8_t *)"any \xff text", 10};
        assert_ok(request_finish(request));
        request = request_root(FSOP_VERB_READLINK, "tree/s");
        assert_ok(request_run(request));
        ck_assert_uint_eq(request->result.value.data.len, 10);
        ck_assert_int_eq(memcmp(request->result.value.data.data, "any \xff text", 10), 0);
        request->sys.out_bytes = 5;
        ck_assert_int_eq(request_finish(request), -FSOP_ERANGE);
        ck_assert_int_eq(request_once(FSOP_VERB_READLINK, scene_path("tree/f"), scene.nobody), -FSOP_EINVAL);
        request = request_root(FSOP_VERB_LINK, "tree/f");
        request_to(request, scene_path("tree/h"));
        assert_ok(request_finish(request));
        ck_assert_uint_eq(scene_stat("tree/h").nlink, 2);
        /* of the link itself, and of what it leads to */
        unlink(scene_path("tree/s"));
        scene_symlink("f", "tree/s");
        request = request_root(FSOP_VERB_LINK, "tree/s");
        request_to(request, scene_path("tree/s2"));
        assert_ok(request_run(request));
        ck_assert_uint_eq(scene_stat("tree/s2").mode & S_IFMT, S_IFLNK);
        request->sys.at.follow = true;
        request_to(request, scene_path("tree/s3"));
        assert_ok(request_run(request));
        ck_assert_uint_eq(scene_stat("tree/s3").mode & S_IFMT, S_IFREG);
        request_free(request);
}
END_TEST

/* ---- attributes -------------------------------------------------------------------------------------------------- */

START_TEST(attributes) {
        struct request *request;

        scene_file("tree/f", NOBODY, 0644, "");
        request = request_attribute(FSOP_VERB_SETXATTR, "tree/f", "user.one", "1\0002", 3);
        request->op.args.xattr.replace = true;
        ck_assert_int_eq(request_run(request), -FSOP_ENODATA);
        request->op.args.xattr.replace = false;
        request->op.args.xattr.create = true;
        assert_ok(request_run(request));
        ck_assert_int_eq(request_finish(request), -FSOP_EEXIST);
        request = request_attribute(FSOP_VERB_GETXATTR, "tree/f", "user.one", NULL, 0);
        assert_ok(request_run(request));
        ck_assert_uint_eq(request->result.value.data.len, 3);
        ck_assert_int_eq(memcmp(request->result.value.data.data, "1\0002", 3), 0);
        request->op.args.xattr.size_max = 2;
        ck_assert_int_eq(request_finish(request), -FSOP_ERANGE);
        assert_ok(request_finish(request_attribute(FSOP_VERB_SETXATTR, "tree/f", "user.two\xff", NULL, 0)));
        request = request_attribute(FSOP_VERB_LISTXATTR, "tree/f", "", NULL, 0);
        assert_ok(request_run(request));
        ck_assert_uint_eq(request->result.value.data.len, 9 + 10);
        request_free(request);
        assert_ok(request_finish(request_attribute(FSOP_VERB_REMOVEXATTR, "tree/f", "user.one", NULL, 0)));
        ck_assert_int_eq(request_finish(request_attribute(FSOP_VERB_REMOVEXATTR, "tree/f", "user.one", NULL, 0)),
                         -FSOP_ENODATA);
        ck_assert_int_eq(request_finish(request_attribute(FSOP_VERB_GETXATTR, "tree/f", "", NULL, 0)), -FSOP_ERANGE);
        /* links have those of the system's, not the user's */
        scene_symlink("f", "tree/l");
        ck_assert_int_eq(request_finish(request_attribute(FSOP_VERB_SETXATTR, "tree/l", "user.x", "x", 1)),
                         -FSOP_EPERM);
        assert_ok(request_finish(request_attribute(FSOP_VERB_SETXATTR, "tree/l", "trusted.x", "x", 1)));
        ck_assert_int_eq(lgetxattr(scene_path("tree/l"), "trusted.x", NULL, 0), 1);
        ck_assert_int_eq(getxattr(scene_path("tree/f"), "trusted.x", NULL, 0), -1);
        /* and the caller has none of trusted.* */
        request = request_attribute(FSOP_VERB_SETXATTR, "tree/f", "trusted.y", "x", 1);
        request_as(request, scene.nobody);
        ck_assert_int_eq(request_finish(request), -FSOP_EPERM);
}
END_TEST

START_TEST(attributes_before_6_13) {
        bool has = service.xattr_at;
        struct request *request;

        service.xattr_at = false;
        scene_file("tree/f", NOBODY, 0644, "");
        assert_ok(request_finish(request_attribute(FSOP_VERB_SETXATTR, "tree/f", "user.one", "1", 1)));
        request = request_attribute(FSOP_VERB_GETXATTR, "tree/f", "user.one", NULL, 0);
        assert_ok(request_run(request));
        ck_assert_uint_eq(request->result.value.data.len, 1);
        request_free(request);
        request = request_attribute(FSOP_VERB_LISTXATTR, "tree/f", "", NULL, 0);
        assert_ok(request_run(request));
        ck_assert_uint_eq(request->result.value.data.len, 9);
        request_free(request);
        assert_ok(request_finish(request_attribute(FSOP_VERB_REMOVEXATTR, "tree/f", "user.one", NULL, 0)));
        ck_assert_int_eq(getxattr(scene_path("tree/f"), "user.one", NULL, 0), -1);
        service.xattr_at = has;
}
END_TEST

/* ---- what is offered ---------------------------------------------------------------------------------------- */

START_TEST(every_verb_has_its_support_row) {
        uint32_t n;
        const struct support *rows = sys_support(&n);

        ck_assert_uint_ge(n, 34);
        for (uint32_t i = 0; i < n; i++) {
                ck_assert_int_ne(rows[i].verb, FSOP_VERB_NONE);
                for (uint32_t j = 0; j < i; j++)
                        ck_assert_int_ne(rows[i].verb, rows[j].verb);
        }
}
END_TEST

int main(void) {
        Suite *suite = suite_create("run");
        TCase *here = tcase_create("here");

        scene_need_root();
        tcase_add_checked_fixture(here, scene_open, scene_close);
        tcase_set_timeout(here, 120);
        tcase_add_test(here, stat_is_complete);
        tcase_add_test(here, statfs_answers);
        tcase_add_test(here, times_before_1970);
        tcase_add_test(here, touch_creates);
        tcase_add_test(here, modes_are_computed);
        tcase_add_test(here, chmod_and_links);
        tcase_add_test(here, chown_each_and_from);
        tcase_add_test(here, nodes_of_every_kind);
        tcase_add_test(here, creators_own_what_they_create);
        tcase_add_test(here, default_acl_instead_of_umask);
        tcase_add_test(here, odd_names);
        tcase_add_test(here, renames);
        tcase_add_test(here, links_of_both_kinds);
        tcase_add_test(here, attributes);
        tcase_add_test(here, attributes_before_6_13);
        tcase_add_test(here, every_verb_has_its_support_row);
        suite_add_tcase(suite, here);
        return suite_run(suite);
}
