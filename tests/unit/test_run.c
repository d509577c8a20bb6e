/* SPDX-License-Identifier: MIT */
/*
 * test_run.c: what every operation does to a real filesystem, at the edges of what it takes; and that no set-id bit survives
 * an elevated change where the rule does not say so.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "backends/linux/sys_linux.h"
#include "tests/support/scene.h"
#include "tests/support/suite.h"

#define assert_ok(call) ck_assert_int_eq((call), 0)

static struct request *elevated(enum fsop_verb verb, const char *path) {
        struct request *request = request_new(verb, path);

        request_elevate(request, NULL);
        return request;
}

static struct request *as_root(enum fsop_verb verb, const char *name) {
        struct request *request = request_new(verb, scene_path(name));

        request_as(request, identity_of_service(false));
        return request;
}

static int done(struct request *request) {
        int code = request_run(request);

        request_free(request);
        return code;
}

/* ---- metadata ---------------------------------------------------------------------------------------------------- */

START_TEST(stat_is_complete) {
        struct request *request = as_root(FSOP_VERB_STAT, "tree/f");
        const struct fsop_stat *stat = &request->result.value.stat;
        struct statx sx;

        scene_file("tree/f", NOBODY, 0640, "hello");
        assert_ok(request_run(request));
        ck_assert_int_eq(statx(AT_FDCWD, scene_path("tree/f"), 0, STATX_BASIC_STATS | STATX_BTIME | STATX_MNT_ID, &sx), 0);
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
        struct request *request = as_root(FSOP_VERB_STATFS, "tree");

        assert_ok(request_run(request));
        ck_assert_uint_gt(request->result.value.statfs.blocks, 0);
        ck_assert_uint_gt(request->result.value.statfs.namelen, 0);
        ck_assert_ptr_nonnull(mounts_fs_name(request->result.value.statfs.type));
        request_free(request);
}
END_TEST

START_TEST(times_before_1970) {
        struct request *request = as_root(FSOP_VERB_UTIMENS, "tree/f");
        struct fsop_stat stat;

        scene_file("tree/f", NOBODY, 0640, "");
        request->op.args.utimens = (struct utimens_args){.atime_change = TIME_OMIT, .mtime_change = TIME_SET,
                                                         .mtime = {.sec = -12345, .nsec = 999999999}};
        stat = scene_stat("tree/f");
        assert_ok(request_run(request));
        ck_assert_int_eq(scene_stat("tree/f").mtime.sec, -12345);
        ck_assert_uint_eq(scene_stat("tree/f").mtime.nsec, 999999999);
        ck_assert_int_eq(scene_stat("tree/f").atime.sec, stat.atime.sec);
        request->op.args.utimens = (struct utimens_args){.atime_change = TIME_SET, .atime = {.sec = 5}, .mtime_change = TIME_NOW};
        assert_ok(request_run(request));
        ck_assert_int_eq(scene_stat("tree/f").atime.sec, 5);
        ck_assert_int_gt(scene_stat("tree/f").mtime.sec, 1600000000);
        request_free(request);
        /* of a link itself */
        scene_symlink("f", "tree/l");
        request = as_root(FSOP_VERB_UTIMENS, "tree/l");
        request->op.args.utimens = (struct utimens_args){.mtime_change = TIME_SET, .mtime = {.sec = 77}};
        assert_ok(done(request));
        ck_assert_int_eq(scene_stat("tree/l").mtime.sec, 77);
        ck_assert_int_ne(scene_stat("tree/f").mtime.sec, 77);
}
END_TEST

START_TEST(touch_creates) {
        struct request *request = as_root(FSOP_VERB_UTIMENS, "tree/new");

        request->op.args.utimens = (struct utimens_args){.mtime_change = TIME_SET, .mtime = {.sec = 99},
                                                         .create = {.create = true, .mode = 0666, .umask = 027}};
        assert_ok(done(request));
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
        struct request *request = as_root(FSOP_VERB_CHMOD, "tree/l");

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
        struct request *request = as_root(FSOP_VERB_CHOWN, "tree/f");
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
        request = as_root(FSOP_VERB_CHOWN, "tree/l");
        request->op.args.chown = (struct chown_args){.has_uid = true, .uid = 3};
        assert_ok(done(request));
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
                {FSOP_TYPE_CHAR, S_IFCHR, 300, 300000}, {FSOP_TYPE_BLOCK, S_IFBLK, 4095, 1048575}, {FSOP_TYPE_CHAR, S_IFCHR, 1, 3},
                {FSOP_TYPE_FIFO, S_IFIFO, 0, 0},        {FSOP_TYPE_SOCKET, S_IFSOCK, 0, 0},
        };

        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                struct request *request = as_root(FSOP_VERB_MKNOD, "tree/node");
                struct fsop_stat stat;

                request->op.args.mknod = (struct mknod_args){.type = cases[i].type, .major = cases[i].major, .minor = cases[i].minor,
                                                             .create = {.create = true, .mode = 0666, .umask = 022}};
                assert_ok(done(request));
                stat = scene_stat("tree/node");
                ck_assert_uint_eq(stat.mode, cases[i].mode | 0644);
                ck_assert_uint_eq(stat.rdev_major, cases[i].major);
                ck_assert_uint_eq(stat.rdev_minor, cases[i].minor);
                ck_assert_int_eq(unlink(scene_path("tree/node")), 0);
        }
        struct request *request = as_root(FSOP_VERB_MKNOD, "tree/node");
        request->op.args.mknod = (struct mknod_args){.type = FSOP_TYPE_CHAR, .major = 4096, .minor = 1, .create = {.create = true}};
        ck_assert_int_eq(request_run(request), -FSOP_EINVAL); /* never another device than the one that was asked for */
        request->op.args.mknod.type = FSOP_TYPE_REGULAR;
        ck_assert_int_eq(request_run(request), -FSOP_EINVAL);
        request_as(request, scene.nobody);
        request_free(request);
        scene_mkdir("tree/open", NOBODY, 0755);
        request = request_new(FSOP_VERB_MKNOD, scene_path("tree/open/node"));
        request->op.args.mknod = (struct mknod_args){.type = FSOP_TYPE_CHAR, .major = 1, .minor = 3, .create = {.create = true}};
        ck_assert_int_eq(done(request), -FSOP_EPERM);
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
        request->op.args.mknod = (struct mknod_args){.type = FSOP_TYPE_CHAR, .major = 1, .minor = 3,
                                                     .create = {.create = true, .mode = 0666, .umask = 0}};
        assert_ok(done(request));
        ck_assert_uint_eq(scene_stat("tree/closed/node").uid, SOMEBODY);
        ck_assert_uint_eq(scene_stat("tree/closed/node").gid, 777);
        request = request_new(FSOP_VERB_OPEN, "closed/file");
        request_elevate(request, creator);
        request->op.args.open = (struct open_args){.write = true, .create = {.create = true, .mode = 0400}};
        assert_ok(done(request));
        ck_assert_uint_eq(scene_stat("tree/closed/file").uid, SOMEBODY);
        request = request_new(FSOP_VERB_MKDIR, "closed/dir");
        request_elevate(request, creator);
        request->op.args.mkdir = (struct create_args){.create = true, .mode = 0777, .umask = 077};
        assert_ok(done(request));
        ck_assert_uint_eq(scene_stat("tree/closed/dir").uid, SOMEBODY);
        ck_assert_uint_eq(scene_stat("tree/closed/dir").mode & 07777, 0700);
        identity_unref(creator);
}
END_TEST

/* system.posix_acl_default: user::rwx group::r-x group:777:rwx mask::rwx other::--- */
static const uint8_t default_acl[] = {2, 0, 0, 0,
                                      1, 0, 7, 0, 255, 255, 255, 255,
                                      4, 0, 5, 0, 255, 255, 255, 255,
                                      8, 0, 7, 0, 9, 3, 0, 0,
                                      16, 0, 7, 0, 255, 255, 255, 255,
                                      32, 0, 0, 0, 255, 255, 255, 255};

START_TEST(default_acl_instead_of_umask) {
        struct request *request;

        scene_mkdir("tree/acl", NOBODY, 0755);
        if (setxattr(scene_path("tree/acl"), "system.posix_acl_default", default_acl, sizeof(default_acl), 0) < 0) {
                scene_skip("no ACLs on this filesystem");
                return;
        }
        request = request_new(FSOP_VERB_OPEN, scene_path("tree/acl/file"));
        request->op.args.open = (struct open_args){.write = true, .create = {.create = true, .mode = 0666, .umask = 077}};
        assert_ok(done(request));
        ck_assert_uint_eq(scene_stat("tree/acl/file").mode & 0777, 0660);
        request = request_new(FSOP_VERB_MKDIR, scene_path("tree/acl/dir"));
        request->op.args.mkdir = (struct create_args){.create = true, .mode = 0777, .umask = 077};
        assert_ok(done(request));
        ck_assert_uint_eq(scene_stat("tree/acl/dir").mode & 0777, 0770);
}
END_TEST

START_TEST(odd_names) {
        char longest[256];
        const char *const odd[] = {"new\nline", "\xff\xfe invalid", "-rf", "%s%n", " ", "\\", "a\tb", longest};

        memset(longest, 'x', 255);
        longest[255] = 0;
        for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
                struct request *request = elevated(FSOP_VERB_MKDIR, odd[i]);
                char path[600];

                request->op.args.mkdir = (struct create_args){.create = true, .mode = 0700};
                assert_ok(done(request));
                snprintf(path, sizeof(path), "%s/%s", scene_path("tree"), odd[i]);
                ck_assert_int_eq(rmdir(path), 0);
        }
        ck_assert_int_eq(done(elevated(FSOP_VERB_RMDIR, "xx/yy")), -FSOP_ENOENT);
}
END_TEST

START_TEST(renames) {
        struct request *request;

        scene_file("tree/a", 0, 0644, "a");
        scene_file("tree/b", 0, 0644, "bb");
        request = as_root(FSOP_VERB_RENAME, "tree/a");
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
        request = as_root(FSOP_VERB_SYMLINK, "tree/s");
        request->op.args.symlink = (struct bytes){(const uint8_t *)"any \xff text", 10};
        assert_ok(done(request));
        request = as_root(FSOP_VERB_READLINK, "tree/s");
        assert_ok(request_run(request));
        ck_assert_uint_eq(request->result.value.data.len, 10);
        ck_assert_int_eq(memcmp(request->result.value.data.data, "any \xff text", 10), 0);
        request->sys.out_bytes = 5;
        ck_assert_int_eq(request_run(request), -FSOP_ERANGE);
        request_free(request);
        ck_assert_int_eq(request_once(FSOP_VERB_READLINK, scene_path("tree/f"), scene.nobody), -FSOP_EINVAL);
        request = as_root(FSOP_VERB_LINK, "tree/f");
        request_to(request, scene_path("tree/h"));
        assert_ok(done(request));
        ck_assert_uint_eq(scene_stat("tree/h").nlink, 2);
        /* of the link itself, and of what it leads to */
        unlink(scene_path("tree/s"));
        scene_symlink("f", "tree/s");
        request = as_root(FSOP_VERB_LINK, "tree/s");
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

static struct request *attribute(enum fsop_verb verb, const char *path, const char *name, const void *value, size_t len) {
        struct request *request = as_root(verb, path);

        request->op.args.xattr.name = (struct bytes){(const uint8_t *)name, strlen(name)};
        request->op.args.xattr.value = (struct bytes){value, len};
        return request;
}

START_TEST(attributes) {
        struct request *request;

        scene_file("tree/f", NOBODY, 0644, "");
        request = attribute(FSOP_VERB_SETXATTR, "tree/f", "user.one", "1\0002", 3);
        request->op.args.xattr.replace = true;
        ck_assert_int_eq(request_run(request), -FSOP_ENODATA);
        request->op.args.xattr.replace = false;
        request->op.args.xattr.create = true;
        assert_ok(request_run(request));
        ck_assert_int_eq(request_run(request), -FSOP_EEXIST);
        request_free(request);
        request = attribute(FSOP_VERB_GETXATTR, "tree/f", "user.one", NULL, 0);
        assert_ok(request_run(request));
        ck_assert_uint_eq(request->result.value.data.len, 3);
        ck_assert_int_eq(memcmp(request->result.value.data.data, "1\0002", 3), 0);
        request->op.args.xattr.size_max = 2;
        ck_assert_int_eq(request_run(request), -FSOP_ERANGE);
        request_free(request);
        assert_ok(done(attribute(FSOP_VERB_SETXATTR, "tree/f", "user.two\xff", NULL, 0)));
        request = attribute(FSOP_VERB_LISTXATTR, "tree/f", "", NULL, 0);
        assert_ok(request_run(request));
        ck_assert_uint_eq(request->result.value.data.len, 9 + 10);
        request_free(request);
        assert_ok(done(attribute(FSOP_VERB_REMOVEXATTR, "tree/f", "user.one", NULL, 0)));
        ck_assert_int_eq(done(attribute(FSOP_VERB_REMOVEXATTR, "tree/f", "user.one", NULL, 0)), -FSOP_ENODATA);
        ck_assert_int_eq(done(attribute(FSOP_VERB_GETXATTR, "tree/f", "", NULL, 0)), -FSOP_ERANGE);
        /* links have those of the system's, not the user's */
        scene_symlink("f", "tree/l");
        ck_assert_int_eq(done(attribute(FSOP_VERB_SETXATTR, "tree/l", "user.x", "x", 1)), -FSOP_EPERM);
        assert_ok(done(attribute(FSOP_VERB_SETXATTR, "tree/l", "trusted.x", "x", 1)));
        ck_assert_int_eq(lgetxattr(scene_path("tree/l"), "trusted.x", NULL, 0), 1);
        ck_assert_int_eq(getxattr(scene_path("tree/f"), "trusted.x", NULL, 0), -1);
        /* and the caller has none of trusted.* */
        request = attribute(FSOP_VERB_SETXATTR, "tree/f", "trusted.y", "x", 1);
        request_as(request, scene.nobody);
        ck_assert_int_eq(done(request), -FSOP_EPERM);
}
END_TEST

START_TEST(attributes_before_6_13) {
        bool has = service.xattr_at;
        struct request *request;

        service.xattr_at = false;
        scene_file("tree/f", NOBODY, 0644, "");
        assert_ok(done(attribute(FSOP_VERB_SETXATTR, "tree/f", "user.one", "1", 1)));
        request = attribute(FSOP_VERB_GETXATTR, "tree/f", "user.one", NULL, 0);
        assert_ok(request_run(request));
        ck_assert_uint_eq(request->result.value.data.len, 1);
        request_free(request);
        request = attribute(FSOP_VERB_LISTXATTR, "tree/f", "", NULL, 0);
        assert_ok(request_run(request));
        ck_assert_uint_eq(request->result.value.data.len, 9);
        request_free(request);
        assert_ok(done(attribute(FSOP_VERB_REMOVEXATTR, "tree/f", "user.one", NULL, 0)));
        ck_assert_int_eq(getxattr(scene_path("tree/f"), "user.one", NULL, 0), -1);
        service.xattr_at = has;
}
END_TEST

/* ---- data -------------------------------------------------------------------------------------------------------- */

static os_fd open_file(const char *name, struct open_args args) {
        struct request *request = as_root(FSOP_VERB_OPEN, name);
        os_fd fd;

        request->op.args.open = args;
        assert_ok(request_run(request));
        fd = request->sys.opened;
        ck_assert(fd != OS_FD_NONE);
        request->sys.opened = OS_FD_NONE;
        request_free(request);
        return fd;
}

static struct request *on_handle(enum fsop_verb verb, os_fd fd) {
        struct request *request = request_new(verb, "");

        request_as(request, identity_of_service(false));
        request_base(&request->sys.at, fd);
        return request;
}

static uint64_t write_at(os_fd fd, uint64_t offset, const char *text) {
        struct request *request = on_handle(FSOP_VERB_WRITE, fd);
        uint64_t count;

        request->op.args.write = (struct write_args){.offset = offset, .data = {(const uint8_t *)text, strlen(text)}};
        assert_ok(request_run(request));
        count = request->result.value.count;
        request_free(request);
        return count;
}

START_TEST(reading_and_writing) {
        const uint64_t far = UINT64_C(5) << 30;
        os_fd fd = open_file("tree/f", (struct open_args){.read = true, .write = true, .create = {.create = true, .mode = 0600}});
        struct request *request;

        ck_assert_uint_eq(write_at(fd, 0, "hello"), 5);
        ck_assert_uint_eq(write_at(fd, far, "far away"), 8);
        request = on_handle(FSOP_VERB_READ, fd);
        request->op.args.read = (struct read_args){.offset = far + 4, .length = 100};
        assert_ok(request_run(request));
        ck_assert_uint_eq(request->result.value.data.len, 4);
        ck_assert_int_eq(memcmp(request->result.value.data.data, "away", 4), 0);
        request->op.args.read.offset = far * 2;
        assert_ok(request_run(request));
        ck_assert_uint_eq(request->result.value.data.len, 0);
        request_free(request);
        for (int i = 0; i < 3; i++) {
                request = on_handle(FSOP_VERB_FSYNC, fd);
                request->op.args.fsync = (struct fsync_args){.data_only = i == 1, .filesystem = i == 2};
                assert_ok(done(request));
        }
        sys_close(fd);
        fd = open_file("tree/f", (struct open_args){.append = true, .truncate = true});
        ck_assert_uint_eq(write_at(fd, 1000, "a"), 1);
        ck_assert_uint_eq(write_at(fd, 0, "b"), 1);
        ck_assert_uint_eq(scene_stat("tree/f").size, 2);
        request = on_handle(FSOP_VERB_READ, fd);
        request->op.args.read.length = 1;
        ck_assert_int_eq(done(request), -FSOP_EBADF);
        sys_close(fd);
}
END_TEST

START_TEST(only_regular_files_are_opened) {
        static const char *const names[] = {"tree/fifo", "tree/device", "tree/socket"};

        ck_assert_int_eq(mknod(scene_path("tree/fifo"), S_IFIFO | 0666, 0), 0);
        ck_assert_int_eq(mknod(scene_path("tree/device"), S_IFCHR | 0666, makedev(1, 3)), 0);
        ck_assert_int_eq(mknod(scene_path("tree/socket"), S_IFSOCK | 0666, 0), 0);
        scene_symlink("nowhere", "tree/link");
        for (size_t i = 0; i < 3; i++)
                for (int kind = 0; kind < 4; kind++) {
                        struct request *request = as_root(kind == 0 ? FSOP_VERB_OPEN : kind == 1 ? FSOP_VERB_OPEN_FD
                                                          : kind == 2 ? FSOP_VERB_TRUNCATE : FSOP_VERB_FALLOCATE, names[i]);

                        if (kind < 2)
                                request->op.args.open = (struct open_args){.read = true, .write = kind == 1};
                        if (kind == 3)
                                request->op.args.fallocate.length = 1;
                        ck_assert_int_eq(request_run(request), -FSOP_EINVAL);
                        ck_assert_ptr_nonnull(request->sys.why);
                        ck_assert_int_eq(request->sys.opened, OS_FD_NONE);
                        request_free(request);
                }
        struct request *request = as_root(FSOP_VERB_OPEN, "tree");
        request->op.args.open.read = true;
        ck_assert_int_eq(done(request), -FSOP_EISDIR);
        request = as_root(FSOP_VERB_OPEN, "tree/link");
        request->op.args.open.read = true;
        ck_assert_int_eq(done(request), -FSOP_ELOOP);
}
END_TEST

START_TEST(passed_back_descriptors) {
        struct request *request = request_new(FSOP_VERB_OPEN_FD, scene_path("tree"));
        struct stat st;

        request->op.args.open.read = true;
        assert_ok(request_run(request)); /* a directory, with the caller's own rights */
        ck_assert_int_eq(fstat((int)request->sys.opened, &st), 0);
        ck_assert(S_ISDIR(st.st_mode));
        ck_assert_int_eq(fcntl((int)request->sys.opened, F_GETFL) & O_PATH, 0);
        request_free(request);
        request = elevated(FSOP_VERB_OPEN_FD, "dir");
        scene_mkdir("tree/dir", 0, 0755);
        request->op.args.open.read = true;
        ck_assert_int_eq(request_run(request), -FSOP_EPERM);
        ck_assert(request->sys.guarded);
        request_free(request);
        scene_file("tree/f", 0, 0600, "x");
        request = elevated(FSOP_VERB_OPEN_FD, "f");
        request->op.args.open = (struct open_args){.read = true, .write = true, .append = true};
        assert_ok(request_run(request));
        ck_assert_int_eq(fcntl((int)request->sys.opened, F_GETFL) & (O_ACCMODE | O_APPEND | O_NONBLOCK | O_PATH), O_RDWR | O_APPEND);
        ck_assert(fcntl((int)request->sys.opened, F_GETFD) & FD_CLOEXEC);
        request_free(request);
        request = as_root(FSOP_VERB_OPEN, "tree/f");
        request->op.args.open = (struct open_args){.write = true, .exclusive = true, .create = {.create = true, .mode = 0600}};
        ck_assert_int_eq(request_run(request), -FSOP_EEXIST);
        request->op.args.open = (struct open_args){.truncate = true};
        ck_assert_int_eq(request_run(request), -FSOP_EINVAL);
        request_free(request);
}
END_TEST

/* A passed descriptor is good for what it was opened for. */
START_TEST(the_mode_of_a_passed_descriptor) {
        struct request *request;
        int fd;

        scene_file("tree/f", 0, 0666, "hello");
        fd = open(scene_path("tree/f"), O_RDONLY | O_CLOEXEC);
        request = on_handle(FSOP_VERB_TRUNCATE, fd);
        ck_assert_int_eq(done(request), -FSOP_EINVAL);
        request = on_handle(FSOP_VERB_FALLOCATE, fd);
        request->op.args.fallocate.length = 1;
        ck_assert_int_eq(done(request), -FSOP_EBADF);
        request = on_handle(FSOP_VERB_WRITE, fd);
        request->op.args.write.data = (struct bytes){(const uint8_t *)"x", 1};
        ck_assert_int_eq(done(request), -FSOP_EBADF);
        close(fd);
        fd = open(scene_path("tree/f"), O_PATH | O_CLOEXEC);
        request = on_handle(FSOP_VERB_READ, fd);
        request->op.args.read.length = 1;
        ck_assert_int_eq(done(request), -FSOP_EBADF);
        close(fd);
        ck_assert_uint_eq(scene_stat("tree/f").size, 5);
}
END_TEST

START_TEST(truncate_and_fallocate) {
        struct request *request = as_root(FSOP_VERB_TRUNCATE, "tree/f");
        uint64_t blocks;
        int code;

        request->op.args.truncate = (struct truncate_args){.size = UINT64_C(6) << 30, .create = {.create = true, .mode = 0600}};
        assert_ok(request_run(request));
        ck_assert_uint_eq(scene_stat("tree/f").size, UINT64_C(6) << 30);
        request->op.args.truncate.size = 0;
        assert_ok(done(request));
        request = as_root(FSOP_VERB_FALLOCATE, "tree/f");
        request->op.args.fallocate = (struct fallocate_args){.length = 1 << 20, .keep_size = true};
        assert_ok(request_run(request));
        ck_assert_uint_eq(scene_stat("tree/f").size, 0);
        ck_assert_uint_ge(scene_stat("tree/f").blocks, 2048);
        request->op.args.fallocate = (struct fallocate_args){.length = 1 << 20};
        assert_ok(request_run(request));
        ck_assert_uint_eq(scene_stat("tree/f").size, 1 << 20);
        blocks = scene_stat("tree/f").blocks;
        request->op.args.fallocate = (struct fallocate_args){.mode = FSOP_FALLOCATE_PUNCH_HOLE, .offset = 65536, .length = 65536};
        assert_ok(request_run(request));
        ck_assert_uint_lt(scene_stat("tree/f").blocks, blocks);
        ck_assert_uint_eq(scene_stat("tree/f").size, 1 << 20);
        request->op.args.fallocate = (struct fallocate_args){.mode = FSOP_FALLOCATE_ZERO_RANGE, .length = 2 << 20, .keep_size = true};
        code = request_run(request);
        if (code == -FSOP_EOPNOTSUPP) {
                printf("SKIP: zero, collapse and insert: the filesystem of the scratch directory has none\n");
                request_free(request);
                return;
        }
        assert_ok(code);
        ck_assert_uint_eq(scene_stat("tree/f").size, 1 << 20);
        request->op.args.fallocate = (struct fallocate_args){.mode = FSOP_FALLOCATE_COLLAPSE_RANGE, .length = 65536};
        assert_ok(request_run(request));
        ck_assert_uint_eq(scene_stat("tree/f").size, (1 << 20) - 65536);
        request->op.args.fallocate = (struct fallocate_args){.mode = FSOP_FALLOCATE_INSERT_RANGE, .length = 65536};
        assert_ok(request_run(request));
        ck_assert_uint_eq(scene_stat("tree/f").size, 1 << 20);
        request->op.args.fallocate = (struct fallocate_args){.mode = FSOP_FALLOCATE_ALLOCATE, .length = 0};
        ck_assert_int_eq(done(request), -FSOP_EINVAL);
}
END_TEST

START_TEST(advice) {
        scene_file("tree/f", NOBODY, 0200, "x");
        for (int i = 0; i < 6; i++) {
                struct request *request = request_new(FSOP_VERB_FADVISE, scene_path("tree/f"));

                request->op.args.fadvise.advice = (enum fsop_advice)i;
                assert_ok(done(request)); /* write permission is enough */
        }
        ck_assert_int_eq(request_once(FSOP_VERB_FADVISE, scene_path("tree/f"), scene.somebody), -FSOP_EACCES);
        ck_assert_int_eq(request_once(FSOP_VERB_FADVISE, scene_path("tree"), scene.nobody), -FSOP_EISDIR);
}
END_TEST

/* ---- listing ----------------------------------------------------------------------------------------------------- */

START_TEST(listing_by_pages) {
        const unsigned n = 700;
        bool seen[700] = {false};
        struct request *request = as_root(FSOP_VERB_LS, "tree/d");
        unsigned pages = 0, found = 0;

        scene_mkdir("tree/d", 0, 0755);
        for (unsigned i = 0; i < n; i++) {
                char name[64];

                snprintf(name, sizeof(name), "tree/d/%u-with a rather long name", i);
                scene_file(name, i, 0600, "");
        }
        request->op.args.ls = (struct ls_args){.entries_max = 100, .with_stat = true};
        do {
                assert_ok(request_run(request));
                ck_assert_uint_le(request->result.value.ls.n_entries, 100);
                for (uint32_t i = 0; i < request->result.value.ls.n_entries; i++) {
                        const struct entry *entry = &request->result.value.ls.entries[i];
                        char name[128];
                        unsigned number;

                        snprintf(name, sizeof(name), "%.*s", (int)entry->name.len, (const char *)entry->name.data);
                        ck_assert_int_eq(sscanf(name, "%u-with", &number), 1);
                        ck_assert(!seen[number]);
                        seen[number] = true;
                        ck_assert(entry->has_stat);
                        ck_assert_uint_eq(entry->stat.uid, number);
                        ck_assert_int_eq(entry->type, FSOP_TYPE_REGULAR);
                        found++;
                }
                request->op.args.ls.cookie = request->result.value.ls.cookie;
                pages++;
        } while (!request->result.value.ls.end);
        ck_assert_uint_eq(found, n);
        ck_assert_uint_ge(pages, 7);
        /* room for little */
        request->op.args.ls = (struct ls_args){.entries_max = 100};
        request->sys.out_bytes = 2 * (sizeof(struct entry) + 64);
        assert_ok(request_run(request));
        ck_assert_uint_gt(request->result.value.ls.n_entries, 0);
        ck_assert_uint_le(request->result.value.ls.n_entries, 2);
        request->sys.out_bytes = 10;
        ck_assert_int_eq(request_run(request), -FSOP_ENOBUFS);
        request_free(request);
        ck_assert_int_eq(request_once(FSOP_VERB_LS, scene_path("none"), scene.nobody), -FSOP_ENOENT);
        ck_assert_int_eq(request_once(FSOP_VERB_LS, scene_path("tree/d/1-with a rather long name"), scene.nobody), -FSOP_ENOTDIR);
        scene_mkdir("tree/x", 0, 0711);
        ck_assert_int_eq(request_once(FSOP_VERB_LS, scene_path("tree/x"), scene.nobody), -FSOP_EACCES);
}
END_TEST

/* ---- copying ----------------------------------------------------------------------------------------------------- */

static void fill(const char *name, size_t bytes, unsigned seed) {
        uint32_t *words = malloc(bytes);
        int fd = open(scene_path(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

        for (size_t i = 0; i < bytes / 4; i++)
                words[i] = seed = seed * 1664525u + 1013904223u;
        ck_assert_int_eq(write(fd, words, bytes), (ssize_t)bytes);
        close(fd);
        free(words);
}

static bool same_bytes(const char *a, uint64_t a_offset, const char *b, uint64_t b_offset, size_t len) {
        char *one = malloc(len), *other = malloc(len);
        int a_fd = open(scene_path(a), O_RDONLY | O_CLOEXEC), b_fd = open(scene_path(b), O_RDONLY | O_CLOEXEC);
        bool same = pread(a_fd, one, len, (off_t)a_offset) == (ssize_t)len && pread(b_fd, other, len, (off_t)b_offset) == (ssize_t)len &&
                    memcmp(one, other, len) == 0;

        close(a_fd);
        close(b_fd);
        free(one);
        free(other);
        return same;
}

static struct request *copy(const char *from, const char *to, struct copy_range_args args) {
        struct request *request = as_root(FSOP_VERB_COPY_RANGE, from);

        request_to(request, scene_path(to));
        request->op.args.copy_range = args;
        return request;
}

static void copies_of_all_kinds(bool can_clone) {
        const struct create_args create = {.create = true, .mode = 0600};
        const size_t size = (3 << 20) + 16;
        struct request *request;

        fill("tree/from", size, 1);
        for (int clone = 0; clone < 3; clone++) {
                request = copy("tree/from", "tree/to", (struct copy_range_args){.clone = (enum fsop_clone)clone, .create = create});
                if (clone == FSOP_CLONE_ALWAYS && !can_clone) {
                        ck_assert_int_eq(request_run(request), -FSOP_EOPNOTSUPP);
                } else {
                        assert_ok(request_run(request));
                        ck_assert_uint_eq(request->result.value.count, size);
                        ck_assert(request->result.cloned == (can_clone && clone != FSOP_CLONE_NEVER));
                        ck_assert(same_bytes("tree/from", 0, "tree/to", 0, size));
                }
                request_free(request);
                unlink(scene_path("tree/to"));
                /* odd offsets share nothing */
                request = copy("tree/from", "tree/to", (struct copy_range_args){.clone = (enum fsop_clone)clone, .create = create,
                                .src_offset = 5, .dst_offset = 1001, .has_length = true, .length = 100000});
                if (clone == FSOP_CLONE_ALWAYS) {
                        ck_assert_int_lt(request_run(request), 0);
                } else {
                        assert_ok(request_run(request));
                        ck_assert_uint_eq(request->result.value.count, 100000);
                        ck_assert(!request->result.cloned);
                        ck_assert(same_bytes("tree/from", 5, "tree/to", 1001, 100000));
                        ck_assert_uint_eq(scene_stat("tree/to").size, 101001);
                }
                request_free(request);
                unlink(scene_path("tree/to"));
        }
        /* beyond the end, within one file, onto itself */
        request = copy("tree/from", "tree/to", (struct copy_range_args){.src_offset = size + 10, .create = create});
        assert_ok(request_run(request));
        ck_assert_uint_eq(request->result.value.count, 0);
        request_free(request);
        assert_ok(done(copy("tree/from", "tree/from", (struct copy_range_args){.dst_offset = 4 << 20, .has_length = true, .length = 4096})));
        ck_assert(same_bytes("tree/from", 0, "tree/from", 4 << 20, 4096));
        ck_assert_int_eq(done(copy("tree/from", "tree/from", (struct copy_range_args){.dst_offset = 100, .has_length = true, .length = 4096})),
                         -FSOP_EINVAL);
        request = copy("tree/from", "tree/to", (struct copy_range_args){.create = create});
        request->sys.cancelled = 1;
        ck_assert_int_eq(done(request), -FSOP_ECANCELED);
}

START_TEST(copies) {
        copies_of_all_kinds(false);
}
END_TEST

/* From one filesystem to another, where neither sharing nor the kernel's copy need work. */
START_TEST(copies_between_filesystems) {
        const size_t size = 1 << 20;
        struct request *request;

        scene_mkdir("tree/m", 0, 0755);
        if (mount("tmpfs", scene_path("tree/m"), "tmpfs", 0, "mode=755") < 0) {
                scene_skip("tmpfs cannot be mounted here");
                return;
        }
        fill("tree/from", size, 7);
        request = copy("tree/from", "tree/m/to", (struct copy_range_args){.create = {.create = true, .mode = 0600}});
        assert_ok(request_run(request));
        ck_assert_uint_eq(request->result.value.count, size);
        request_free(request);
        ck_assert(same_bytes("tree/from", 0, "tree/m/to", 0, size));
        ck_assert_int_lt(done(copy("tree/from", "tree/m/to", (struct copy_range_args){.clone = FSOP_CLONE_ALWAYS})), 0);
        /* values of 64 KiB, which few filesystems take */
        char *value = malloc(65536);
        memset(value, 'v', 65536);
        request = attribute(FSOP_VERB_SETXATTR, "tree/m/to", "trusted.large", value, 65536);
        int code = request_run(request);
        request_free(request);
        if (code == 0) {
                request = attribute(FSOP_VERB_GETXATTR, "tree/m/to", "trusted.large", NULL, 0);
                assert_ok(request_run(request));
                ck_assert_uint_eq(request->result.value.data.len, 65536);
                ck_assert_int_eq(memcmp(request->result.value.data.data, value, 65536), 0);
                request_free(request);
        } else {
                scene_skip("tmpfs takes no values of 64 KiB here");
        }
        free(value);
        ck_assert_int_eq(umount2(scene_path("tree/m"), MNT_DETACH), 0);
}
END_TEST

/* ---- set-id bits ------------------------------------------------------------------------------------------------- */

/* A program that is set-uid and set-gid for nobody, to be changed with a rule's rights. */
static void victim(uint32_t mode) {
        unlink(scene_path("tree/victim"));
        scene_file("tree/victim", NOBODY, mode, "#!/bin/sh\n0123456789");
        ck_assert_uint_eq(scene_stat("tree/victim").mode & 07777, mode);
}

static void stripped(const char *what) {
        uint32_t mode = scene_stat("tree/victim").mode & 07777;

        ck_assert_msg((mode & 06000) == 0, "after %s the mode is %o", what, mode);
}

static os_fd open_victim(void) {
        struct request *request = elevated(FSOP_VERB_OPEN, "victim");
        os_fd fd;

        request->op.args.open.write = true;
        assert_ok(request_run(request));
        fd = request->sys.opened;
        request->sys.opened = OS_FD_NONE;
        request_free(request);
        return fd;
}

static void no_bit_survives(bool can_clone) {
        static const uint32_t modes[] = {06755, 04755, 02755, 04711, 02640};

        fill("tree/source", 65536, 3);
        for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
                struct request *request;
                os_fd fd;

                victim(modes[i]);
                fd = open_victim();
                request = on_handle(FSOP_VERB_WRITE, fd);
                request->sys.at.guard = &scene.guard;
                request->op.args.write.data = (struct bytes){(const uint8_t *)"evil", 4};
                assert_ok(done(request));
                sys_close(fd);
                stripped("write");

                victim(modes[i]);
                request = elevated(FSOP_VERB_TRUNCATE, "victim");
                request->op.args.truncate.size = 3;
                assert_ok(done(request));
                stripped("truncate");

                victim(modes[i]);
                request = elevated(FSOP_VERB_OPEN, "victim");
                request->op.args.open = (struct open_args){.write = true, .truncate = true};
                assert_ok(done(request));
                stripped("open with truncate");

                victim(modes[i]);
                request = elevated(FSOP_VERB_FALLOCATE, "victim");
                request->op.args.fallocate = (struct fallocate_args){.length = 8192};
                assert_ok(done(request));
                stripped("fallocate");

                victim(modes[i]);
                request = elevated(FSOP_VERB_FALLOCATE, "victim");
                request->op.args.fallocate = (struct fallocate_args){.mode = FSOP_FALLOCATE_PUNCH_HOLE, .length = 4096};
                assert_ok(done(request));
                stripped("punching a hole");

                victim(modes[i]);
                request = elevated(FSOP_VERB_CHOWN, "victim");
                request->op.args.chown = (struct chown_args){.has_uid = true, .uid = 0};
                assert_ok(done(request));
                stripped("chown to root");

                victim(modes[i]);
                request = elevated(FSOP_VERB_CHOWN, "victim");
                request->op.args.chown = (struct chown_args){.has_gid = true, .gid = 0};
                assert_ok(done(request));
                stripped("chgrp to root");

                /* the kernel leaves set-gid without group execution to members of the group: the service is one of root's */
                victim(modes[i]);
                ck_assert_int_eq(chown(scene_path("tree/victim"), NOBODY, 0), 0);
                assert_ok(identity_wear(identity_of_service(true)));
                ck_assert_int_eq(chmod(scene_path("tree/victim"), modes[i]), 0);
                identity_wear_service();
                request = elevated(FSOP_VERB_CHOWN, "victim");
                request->op.args.chown = (struct chown_args){.has_uid = true, .uid = 0};
                assert_ok(done(request));
                stripped("chown in root's group");

                for (int clone = 0; clone < 3; clone++) {
                        if (clone == FSOP_CLONE_ALWAYS && !can_clone)
                                continue;
                        victim(modes[i]);
                        request = elevated(FSOP_VERB_COPY_RANGE, "source");
                        request_to(request, "victim");
                        request->op.args.copy_range.clone = (enum fsop_clone)clone;
                        assert_ok(done(request));
                        stripped("copying over it");
                }
        }
        /* and they do where the rule lets them, if the kernel does */
        scene.guard.set_id = true;
        victim(06755);
        struct request *request = elevated(FSOP_VERB_TRUNCATE, "victim");
        request->op.args.truncate.size = 3;
        assert_ok(done(request));
        ck_assert_uint_eq(scene_stat("tree/victim").mode & 07777, 06755);
}

START_TEST(set_id_bits_go) {
        no_bit_survives(false);
}
END_TEST

/* ---- on other filesystems ---------------------------------------------------------------------------------------- */

static const char *feature_level(const struct support *features, int n, const char *name) {
        for (int i = 0; i < n; i++)
                if (features[i].feature.len == strlen(name) && memcmp(features[i].feature.data, name, strlen(name)) == 0) {
                        static const char *const levels[] = {"unsupported", "emulated", "native", "unknown"};

                        return levels[features[i].level];
                }
        return "missing";
}

static void probe_says(const char *fs, const char *feature, const char *level) {
        struct request *request = as_root(FSOP_VERB_INFO, "tree");
        struct support features[64];
        const char *name;
        int n;

        assert_ok(sys_resolve(&request->sys, 0));
        n = sys_probe(&request->sys.at, &name, features, 64);
        ck_assert_int_gt(n, 8);
        ck_assert_str_eq(name, fs);
        ck_assert_msg(strcmp(feature_level(features, n, feature), level) == 0, "%s on %s: %s", feature, fs, feature_level(features, n, feature));
        sys_release(&request->sys);
        request_free(request);
}

START_TEST(on_xfs) {
        if (!scene_open_on("xfs"))
                return;
        copies_of_all_kinds(true);
        scene_remove("tree");
        scene_mkdir("tree", 0, 0755);
        directory_close(&scene.root);
        assert_ok(directory_open(scene_path("tree"), &scene.root));
        no_bit_survives(true);
        probe_says("xfs", "reflink", "native");
        probe_says("xfs", "fallocate-unshare-range", "native");
        probe_says("xfs", "acl", "native");
        probe_says("xfs", "btime", "native");
        scene_close();
}
END_TEST

START_TEST(on_btrfs) {
        if (!scene_open_on("btrfs"))
                return;
        copies_of_all_kinds(true);
        no_bit_survives(true);
        probe_says("btrfs", "reflink", "native");
        probe_says("btrfs", "fallocate-collapse-range", "unsupported");
        scene_close();
}
END_TEST

START_TEST(on_ext4) {
        if (!scene_open_on("ext4"))
                return;
        copies_of_all_kinds(false);
        no_bit_survives(false);
        probe_says("ext4", "reflink", "unsupported");
        probe_says("ext4", "fallocate-insert-range", "native");
        probe_says("ext4", "xattr-user", "native");
        scene_close();
}
END_TEST

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
        TCase *here = tcase_create("here"), *elsewhere = tcase_create("elsewhere");

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
        tcase_add_test(here, reading_and_writing);
        tcase_add_test(here, only_regular_files_are_opened);
        tcase_add_test(here, passed_back_descriptors);
        tcase_add_test(here, the_mode_of_a_passed_descriptor);
        tcase_add_test(here, truncate_and_fallocate);
        tcase_add_test(here, advice);
        tcase_add_test(here, listing_by_pages);
        tcase_add_test(here, copies);
        tcase_add_test(here, copies_between_filesystems);
        tcase_add_test(here, set_id_bits_go);
        tcase_add_test(here, every_verb_has_its_support_row);
        tcase_set_timeout(elsewhere, 300);
        tcase_add_test(elsewhere, on_xfs);
        tcase_add_test(elsewhere, on_btrfs);
        tcase_add_test(elsewhere, on_ext4);
        suite_add_tcase(suite, here);
        suite_add_tcase(suite, elsewhere);
        return suite_run(suite);
}
