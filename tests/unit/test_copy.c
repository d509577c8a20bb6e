/* SPDX-License-Identifier: MIT */
/*
 * test_copy.c: trees copied by the backend, with all they carry, as several identities, onto nothing and onto what is
 * there; and what must not come of it. What is large or read back is in test_copy_parts.c.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "backends/linux/sys_linux.h"
#include "tests/support/copy_kit.h"
#include "tests/support/suite.h"

#define ACL_ACCESS "system.posix_acl_access"
#define ACL_DEFAULT "system.posix_acl_default"

/* ---- making things ------------------------------------------------------------------------------------------------- */

struct acl {
        uint32_t version;
        struct {
                uint16_t tag, perm;
                uint32_t id;
        } entries[5];
};

/* USER may do PERM, the owner all, the group MASK at most. */
static struct acl acl_for(uint32_t user, uint16_t perm, uint16_t mask) {
        return (struct acl){2, {{0x01, 7, UINT32_MAX}, {0x02, perm, user}, {0x04, 4, UINT32_MAX}, {0x10, mask, UINT32_MAX},
                                {0x20, 0, UINT32_MAX}}};
}

static void set_acl(const char *name, const char *kind, uint32_t user, uint16_t perm, uint16_t mask) {
        struct acl acl = acl_for(user, perm, mask);

        ck_assert_msg(setxattr(scene_path(name), kind, &acl, sizeof(acl), 0) == 0, "%s: %s", name, strerror(errno));
}

static bool has_acl(const char *name, const char *kind) {
        return lgetxattr(scene_path(name), kind, NULL, 0) > 0;
}

static void set_times(const char *name, int64_t sec, long nsec) {
        struct timespec times[2] = {{sec + 5, nsec}, {sec, nsec}};

        ck_assert_int_eq(utimensat(AT_FDCWD, scene_path(name), times, AT_SYMLINK_NOFOLLOW), 0);
}

/* BYTES of something that no two offsets have in common, from OFFSET on. */
static void fill(const char *name, uint64_t offset, size_t bytes) {
        int fd = open(scene_path(name), O_WRONLY | O_CREAT | O_CLOEXEC, 0640);
        uint64_t words[512];

        ck_assert_int_ge(fd, 0);
        for (size_t done = 0; done < bytes; done += sizeof(words)) {
                size_t n = bytes - done < sizeof(words) ? bytes - done : sizeof(words);

                for (size_t i = 0; i < 512; i++)
                        words[i] = (offset + done + i * 8) * UINT64_C(0x9e3779b97f4a7c15) + bytes;
                ck_assert_int_eq(pwrite(fd, words, n, (off_t)(offset + done)), (ssize_t)n);
        }
        close(fd);
}

static void make_node(const char *name, mode_t mode, dev_t device) {
        ck_assert_msg(mknod(scene_path(name), mode, device) == 0, "%s: %s", name, strerror(errno));
}

static void own(const char *name, uint32_t uid, uint32_t gid) {
        ck_assert_int_eq(lchown(scene_path(name), uid, gid), 0);
}

static void set_mode(const char *name, mode_t mode) {
        ck_assert_int_eq(identity_wear(identity_of_service(true)), 0);
        ck_assert_int_eq(chmod(scene_path(name), mode), 0);
        identity_wear_service();
}

static void set_value(const char *name, const char *attribute, const char *value) {
        ck_assert_msg(lsetxattr(scene_path(name), attribute, value, strlen(value), 0) == 0, "%s %s: %s", name,
                      attribute, strerror(errno));
}

static void make_long_name(void) {
        char name[270] = "tree/src/d/";

        memset(name + 11, 'n', 255);
        scene_file(name, 0, 0600, "long");
}

/* Of everything one. */
static void build(void) {
        char name[64];

        scene_mkdir("tree/src", 0, 0755);
        scene_mkdir("tree/src/d", NOBODY, 0750);
        scene_mkdir("tree/src/d/e", SOMEBODY, 0700);
        scene_mkdir("tree/src/empty", 0, 0711);
        scene_mkdir("tree/src/locked", NOBODY, 0755);
        scene_mkdir("tree/src/many", 0, 0755);
        scene_file("tree/src/f", NOBODY, 0644, "some text");
        scene_file("tree/src/nothing", SOMEBODY, 0000, "");
        scene_file("tree/src/secret", 0, 0, "for nobody");
        scene_file("tree/src/locked/g", NOBODY, 0444, "read me");
        scene_file("tree/src/d/new\nline \xff\x01", 0, 0600, "named");
        scene_file("tree/src/setuid", NOBODY, 04755, "#!");
        scene_file("tree/src/setgid", SOMEBODY, 02755, "#!");
        scene_file("tree/src/acl", 0, 0640, "listed");
        make_long_name();
        for (unsigned i = 0; i < 300; i++) {
                snprintf(name, sizeof(name), "tree/src/many/%04u-of-the-many", i);
                scene_file(name, i % 3 == 0 ? NOBODY : 0, 0644, name);
        }
        scene_symlink("f", "tree/src/link");
        scene_symlink("/nowhere/at all", "tree/src/d/dangling");
        own("tree/src/d/dangling", NOBODY, SOMEBODY);
        ck_assert_int_eq(link(scene_path("tree/src/f"), scene_path("tree/src/d/hard")), 0);
        ck_assert_int_eq(link(scene_path("tree/src/f"), scene_path("tree/src/empty/hard")), 0);
        ck_assert_int_eq(unlink(scene_path("tree/src/empty/hard")), 0);
        make_node("tree/src/fifo", S_IFIFO | 0620, 0);
        make_node("tree/src/socket", S_IFSOCK | 0600, 0);
        make_node("tree/src/char", S_IFCHR | 0600, makedev(1, 3));
        make_node("tree/src/block", S_IFBLK | 0600, makedev(240, 70000));
        own("tree/src/char", NOBODY, SOMEBODY);
        fill("tree/src/mid", 0, 300001);
        fill("tree/src/holes", 1 << 20, 10000);
        fill("tree/src/holes", 9 << 20, 5);
        ck_assert_int_eq(truncate(scene_path("tree/src/holes"), 20 << 20), 0);
        ck_assert_int_eq(close(creat(scene_path("tree/src/hole"), 0600)), 0);
        ck_assert_int_eq(truncate(scene_path("tree/src/hole"), 12345678), 0);
        fill("tree/src/large", 0, (6 << 20) + 77);
        set_value("tree/src/f", "user.colour", "red");
        set_value("tree/src/f", "user.empty", "");
        set_value("tree/src/link", "trusted.mark", "on a link");
        set_value("tree/src/d", "user.on", "a directory");
        set_acl("tree/src/acl", ACL_ACCESS, SOMEBODY, 6, 7);
        set_acl("tree/src/d/e", ACL_DEFAULT, SOMEBODY, 7, 7);
        set_acl("tree/src/d/e", ACL_ACCESS, SOMEBODY, 5, 5);
        set_times("tree/src/f", 1234567890, 123456789);
        set_times("tree/src/nothing", -86400 * 400, 999999999);
        set_times("tree/src/link", 1000, 1);
        set_times("tree/src/fifo", 2000, 2);
        set_times("tree/src/d/e", 3000, 3);
        set_mode("tree/src/d", 03750);
        set_mode("tree/src/locked", 0555);
        set_times("tree/src/d", 4000, 4);
        set_times("tree/src", 5000, 5);
}

static void expect_clean(const struct copy_job *job) {
        for (uint32_t i = 0; i < job->n_failures; i++)
                printf("%s: %d, errno %d, %s\n", job->failures[i].path, job->failures[i].error.code,
                       job->failures[i].error.os_error, job->failures[i].error.why ? job->failures[i].error.why : "");
        fflush(stdout);
        ck_assert_uint_eq(job->n_failures, 0);
        ck_assert_uint_eq(copy_count_temporaries("tree"), 0);
}

/* ---- whole trees ---------------------------------------------------------------------------------------------------- */

static void copy_all(enum fsop_clone clone, bool twice) {
        struct copy_job *job;

        for (int i = 0; i < (twice ? 2 : 1); i++) {
                job = copy_job_new("tree/src", "tree/dst");
                job->options.clone = clone;
                ck_assert_int_eq(copy_job_run(job), 0);
                expect_clean(job);
                ck_assert_int_eq(job->tree.fresh, i == 0);
                copy_job_free(job);
                copy_expect_same("tree/src", "tree/dst");
        }
        ck_assert_uint_eq(scene_stat("tree/dst/f").ino, scene_stat("tree/dst/d/hard").ino);
        scene_remove("tree/dst");
}

START_TEST(a_tree_with_everything) {
        static const char *const filesystems[] = {NULL, "xfs", "btrfs", "ext4"};

        if (filesystems[_i] == NULL)
                scene_open();
        else if (!scene_open_on(filesystems[_i]))
                return;
        build();
        copy_all(FSOP_CLONE_AUTO, true);
        copy_all(FSOP_CLONE_NEVER, true);
        scene_close();
}
END_TEST

static struct identity *root_without(void) {
        return identity_of_service(false);
}

/* Reader, writer and keeper are three, so that files go through their phases in groups. */
START_TEST(three_identities) {
        struct identity *maker;
        struct copy_job *job;

        ck_assert_int_eq(identity_to_create_as(SOMEBODY, SOMEBODY, NULL, 0, true, true, &maker), 0);
        build();
        set_mode("tree", 0777);
        job = copy_job_new("tree/src", "tree/dst");
        job->tree.reader = root_without();
        job->tree.writer = maker;
        ck_assert_int_eq(copy_job_run(job), 0);
        expect_clean(job);
        copy_job_free(job);
        copy_expect_same("tree/src", "tree/dst");
        identity_unref(maker);
}
END_TEST

START_TEST(a_single_file) {
        static const char *const names[] = {"f", "link", "fifo", "char", "holes", "large", "acl"};
        char from[64];

        build();
        for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
                struct copy_job *job;

                snprintf(from, sizeof(from), "tree/src/%s", names[i]);
                for (int twice = 0; twice < 2; twice++) {
                        job = copy_job_new(from, "tree/one");
                        ck_assert_int_eq(copy_job_run(job), 0);
                        expect_clean(job);
                        ck_assert_uint_eq(job->copied, 1);
                        copy_job_free(job);
                }
                if (strcmp(names[i], "f") != 0) /* which has other links */
                        copy_expect_same(from, "tree/one");
                ck_assert_int_eq(unlink(scene_path("tree/one")), 0);
        }
}
END_TEST

/* Deeper than a path may be long. */
START_TEST(a_deep_tree) {
        char name[201], command[600];
        int fd = open(scene_path("tree"), O_PATH | O_DIRECTORY | O_CLOEXEC), below;
        struct copy_job *job;
        uint64_t files, bytes;

        memset(name, 'd', 200);
        name[200] = 0;
        for (int i = 0; i < 60; i++) {
                ck_assert_int_eq(mkdirat(fd, i == 0 ? "deep" : name, 0755), 0);
                below = openat(fd, i == 0 ? "deep" : name, O_PATH | O_DIRECTORY | O_CLOEXEC);
                ck_assert_int_ge(below, 0);
                close(fd);
                fd = below;
        }
        below = openat(fd, "bottom", O_WRONLY | O_CREAT | O_CLOEXEC, 0640);
        ck_assert_int_eq(write(below, "x", 1), 1);
        close(below);
        close(fd);
        job = copy_job_new("tree/deep", "tree/copy");
        ck_assert_int_eq(copy_job_run(job), 0);
        expect_clean(job);
        ck_assert_int_eq(copy_count(&job->tree, &files, &bytes, &job->error), 0);
        ck_assert_uint_eq(files, 1);
        ck_assert_uint_eq(bytes, 1);
        copy_job_free(job);
        snprintf(command, sizeof(command),
                 "cd %s && [ \"$(find copy -printf '%%m %%f\\n')\" = \"$(find deep -printf '%%m %%f\\n' | sed "
                 "'1s/deep/copy/')\" ]",
                 scene_path("tree"));
        ck_assert_int_eq(system(command), 0);
        snprintf(command, sizeof(command), "rm -rf %s %s", scene_path("tree/deep"), scene_path("tree/copy"));
        ck_assert_int_eq(system(command), 0);
}
END_TEST

START_TEST(counts) {
        struct copy_job *job;
        uint64_t files, bytes, expected;

        build();
        job = copy_job_new("tree/src", "tree/dst");
        ck_assert_int_eq(copy_job_open(job), 0);
        ck_assert_int_eq(copy_count(&job->tree, &files, &bytes, &job->error), 0);
        ck_assert_int_eq(copy_job_fill(job), 0);
        ck_assert_uint_eq(files, job->copied);
        ck_assert_uint_eq(bytes, job->bytes + job->cloned_bytes);
        expected = scene_stat("tree/src/f").size;
        ck_assert_uint_gt(bytes, (6u << 20) + 12345678u + (20u << 20));
        job->options.preserve &= ~(uint32_t)FSOP_PRESERVE_LINKS;
        uint64_t more;

        ck_assert_int_eq(copy_count(&job->tree, &files, &more, &job->error), 0);
        ck_assert_uint_eq(more, bytes + expected);
        copy_job_free(job);
}
END_TEST

/* ---- as a caller ---------------------------------------------------------------------------------------------------- */

START_TEST(as_an_ordinary_user) {
        struct copy_job *job;
        struct fsop_stat stat;

        build();
        scene_mkdir("tree/mine", NOBODY, 0755);
        job = copy_job_new("tree/src", "tree/mine/dst");
        copy_job_as(job, scene.nobody);
        ck_assert_int_eq(copy_job_run(job), 0);
        ck_assert_int_eq(copy_job_failure(job, "secret"), -FSOP_EACCES);
        ck_assert_int_eq(copy_job_failure(job, "nothing"), -FSOP_EACCES);
        ck_assert_int_eq(copy_job_failure(job, "char"), -FSOP_EPERM);
        ck_assert_int_eq(copy_job_failure(job, "block"), -FSOP_EPERM);
        ck_assert_int_eq(copy_job_failure(job, "d/e"), -FSOP_EACCES);
        ck_assert_int_eq(copy_job_failure(job, "setuid"), 0);
        ck_assert_int_eq(copy_job_failure(job, "locked/g"), 0);
        ck_assert_uint_eq(copy_count_temporaries("tree"), 0);
        stat = scene_stat("tree/mine/dst/setuid"); /* its own: may stay */
        ck_assert_uint_eq(stat.uid, NOBODY);
        ck_assert_uint_eq(stat.mode & 07777, 04755);
        stat = scene_stat("tree/mine/dst/setgid"); /* somebody's: what it spoke of is gone */
        ck_assert_uint_eq(stat.uid, NOBODY);
        ck_assert_uint_eq(stat.mode & 07777, 0755);
        ck_assert_uint_eq(scene_stat("tree/mine/dst/locked").mode & 07777, 0555);
        ck_assert_uint_eq(scene_stat("tree/mine/dst").mode & 07777, 0755);
        ck_assert(!scene_exists("tree/mine/dst/secret"));
        copy_job_free(job);
        set_mode("tree/mine/dst/locked", 0755);
}
END_TEST

/* What is not preserved is as the kernel makes it for cp -r. */
START_TEST(nothing_preserved) {
        struct copy_job *job;

        build();
        scene_mkdir("tree/mine", NOBODY, 02777);
        own("tree/mine", NOBODY, SOMEBODY);
        set_mode("tree/mine", 02777);
        job = copy_job_new("tree/src", "tree/mine/dst");
        job->options.preserve = 0;
        job->options.umask = 027;
        ck_assert_int_eq(copy_job_run(job), 0);
        expect_clean(job);
        ck_assert_uint_eq(scene_stat("tree/mine/dst/f").mode & 07777, 0640);
        ck_assert_uint_eq(scene_stat("tree/mine/dst/f").gid, SOMEBODY);
        ck_assert_uint_eq(scene_stat("tree/mine/dst/f").nlink, 1);
        ck_assert_uint_eq(scene_stat("tree/mine/dst/setuid").mode & 07777, 0750);
        ck_assert_uint_eq(scene_stat("tree/mine/dst/d").mode & 07777, 02750);
        ck_assert_uint_eq(scene_stat("tree/mine/dst/locked").mode & 07777, 02550);
        ck_assert_int_lt((int)lgetxattr(scene_path("tree/mine/dst/f"), "user.colour", NULL, 0), 0);
        ck_assert_int_gt((int)(scene_stat("tree/mine/dst/f").mtime.sec - 1234567890), 1000);
        copy_job_free(job);

        /* What is replaced keeps its mode, but never its set-id bits. */
        set_mode("tree/mine/dst/f", 04604);
        job = copy_job_new("tree/src", "tree/mine/dst");
        job->options.preserve = 0;
        ck_assert_int_eq(copy_job_run(job), 0);
        expect_clean(job);
        ck_assert_uint_eq(scene_stat("tree/mine/dst/f").mode & 07777, 0604);
        copy_job_free(job);
}
END_TEST

/* ---- default ACLs ------------------------------------------------------------------------------------------------------ */

START_TEST(default_acls_are_not_inherited) {
        struct copy_job *job;

        build();
        scene_mkdir("tree/acls", 0, 0755);
        set_acl("tree/acls", ACL_DEFAULT, 4711, 7, 7);
        for (int twice = 0; twice < 2; twice++) {
                job = copy_job_new("tree/src", "tree/acls/dst");
                ck_assert_int_eq(copy_job_run(job), 0);
                expect_clean(job);
                copy_job_free(job);
                copy_expect_same("tree/src", "tree/acls/dst");
        }
        /* one that is there, with a default ACL that the source has not: what is made in it has none either */
        set_acl("tree/acls/dst", ACL_DEFAULT, 4711, 7, 7);
        set_acl("tree/acls/dst/many", ACL_DEFAULT, 4711, 7, 7);
        set_acl("tree/acls/dst/many", ACL_ACCESS, 4711, 7, 7);
        job = copy_job_new("tree/src", "tree/acls/dst");
        ck_assert_int_eq(copy_job_run(job), 0);
        expect_clean(job);
        copy_job_free(job);
        copy_expect_same("tree/src", "tree/acls/dst");
}
END_TEST

START_TEST(default_acls_decide_where_nothing_is_preserved) {
        struct copy_job *job;

        scene_mkdir("tree/src", 0, 0755);
        scene_file("tree/src/f", 0, 0666, "x");
        scene_mkdir("tree/acls", 0, 0755);
        set_acl("tree/acls", ACL_DEFAULT, 4711, 6, 6);
        job = copy_job_new("tree/src", "tree/acls/dst");
        job->options.preserve = 0;
        ck_assert_int_eq(copy_job_run(job), 0);
        expect_clean(job);
        ck_assert(has_acl("tree/acls/dst", ACL_DEFAULT));
        ck_assert(has_acl("tree/acls/dst/f", ACL_ACCESS));
        ck_assert_uint_eq(scene_stat("tree/acls/dst/f").mode & 0777, 0660); /* the ACL says nothing for others */
        copy_job_free(job);
}
END_TEST

/* ---- with a rule's rights ---------------------------------------------------------------------------------------- */

static unsigned asked_owner, asked_xattr, asked_node;
static const char *no_owner, *no_xattr, *no_node, *of_path;

static bool is_it(struct bytes path) {
        return of_path == NULL || (strlen(of_path) == path.len && memcmp(of_path, path.data, path.len) == 0);
}

static const char *may_owner(void *context, struct bytes path, uint32_t uid, uint32_t gid) {
        (void)context, (void)uid, (void)gid;
        asked_owner++;
        return is_it(path) ? no_owner : NULL;
}

static const char *may_xattr(void *context, struct bytes path, const char *name) {
        (void)context;
        asked_xattr++;
        return strcmp(name, "security.capability") == 0 || is_it(path) ? no_xattr : NULL;
}

static const char *may_node(void *context, struct bytes path, enum fsop_file_type type, uint32_t major, uint32_t minor) {
        (void)context, (void)type, (void)major, (void)minor;
        asked_node++;
        return is_it(path) ? no_node : NULL;
}

static const struct copy_permits permits = {.owner = may_owner, .xattr = may_xattr, .node = may_node};

static struct copy_job *elevated(void) {
        struct copy_job *job = copy_job_new("tree/src", "tree/dst");

        copy_job_elevate(job, NULL);
        job->tree.permits = &permits;
        asked_owner = asked_xattr = asked_node = 0;
        no_owner = no_xattr = no_node = of_path = NULL;
        return job;
}

START_TEST(elevated_keeps_everything_but_set_id) {
        struct copy_job *job;

        build();
        scene.guard.links_any = true;
        job = elevated();
        ck_assert_int_eq(copy_job_run(job), 0);
        expect_clean(job);
        ck_assert_uint_gt(asked_owner, 50);
        ck_assert_uint_gt(asked_xattr, 5);
        ck_assert_uint_eq(asked_node, 4);
        ck_assert_uint_eq(scene_stat("tree/dst/setuid").mode & 07777, 0755);
        ck_assert_uint_eq(scene_stat("tree/dst/setgid").mode & 07777, 0755);
        ck_assert_uint_eq(scene_stat("tree/dst/d").mode & 07777, 01750);
        ck_assert_uint_eq(scene_stat("tree/dst/setuid").uid, NOBODY);
        copy_job_free(job);

        /* but a directory that has set-gid keeps it */
        set_mode("tree/dst/d", 02700);
        scene.guard.foreign_parent = true;
        job = elevated();
        ck_assert_int_eq(copy_job_run(job), 0);
        expect_clean(job);
        ck_assert_uint_eq(scene_stat("tree/dst/d").mode & 07777, 03750);
        copy_job_free(job);
}
END_TEST

START_TEST(elevated_keeps_set_id_where_the_rule_says) {
        struct copy_job *job;

        build();
        scene.guard.links_any = scene.guard.set_id = scene.guard.foreign_parent = true;
        job = elevated();
        ck_assert_int_eq(copy_job_run(job), 0);
        expect_clean(job);
        copy_job_free(job);
        copy_expect_same("tree/src", "tree/dst");
}
END_TEST

START_TEST(elevated_is_refused_file_by_file) {
        struct copy_job *job;

        build();
        job = elevated();
        of_path = "locked/g";
        no_owner = "not to that one";
        ck_assert_int_eq(copy_job_run(job), 0);
        ck_assert_uint_eq(job->n_failures, 1);
        ck_assert_int_eq(copy_job_failure(job, "locked/g"), -FSOP_EPERM);
        ck_assert(job->failures[0].error.denied);
        ck_assert_str_eq(job->failures[0].error.why, "not to that one");
        ck_assert(!scene_exists("tree/dst/locked/g"));
        copy_job_free(job);
        scene_remove("tree/dst");

        job = elevated();
        of_path = "char";
        no_node = "no";
        ck_assert_int_eq(copy_job_run(job), 0);
        ck_assert_uint_eq(job->n_failures, 1);
        ck_assert_int_eq(copy_job_failure(job, "char"), -FSOP_EPERM);
        ck_assert(!scene_exists("tree/dst/char"));
        copy_job_free(job);
        scene_remove("tree/dst");

        job = elevated();
        of_path = "f";
        no_xattr = "no";
        job->options.preserve &= ~(uint32_t)FSOP_PRESERVE_LINKS;
        ck_assert_int_eq(copy_job_run(job), 0);
        ck_assert_uint_eq(job->n_failures, 1);
        ck_assert_int_eq(copy_job_failure(job, "f"), -FSOP_EPERM);
        ck_assert(!scene_exists("tree/dst/f"));
        copy_job_free(job);
}
END_TEST

/* A file's capabilities are as good as a set-uid bit. */
START_TEST(capabilities_are_not_laundered) {
        static const uint8_t capability[] = {0, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
        struct copy_job *job;

        scene_mkdir("tree/src", 0, 0755);
        scene_file("tree/src/f", 0, 0755, "x");
        ck_assert_int_eq(setxattr(scene_path("tree/src/f"), "security.capability", capability, sizeof(capability), 0), 0);
        job = elevated();
        job->tree.permits = NULL;
        ck_assert_int_eq(copy_job_run(job), 0);
        ck_assert_int_eq(copy_job_failure(job, "f"), -FSOP_EPERM);
        copy_job_free(job);
        scene_remove("tree/dst");

        job = elevated();
        no_xattr = "no capabilities";
        of_path = "none";
        ck_assert_int_eq(copy_job_run(job), 0);
        ck_assert_int_eq(copy_job_failure(job, "f"), -FSOP_EPERM);
        copy_job_free(job);
        scene_remove("tree/dst");

        /* as a caller it is the kernel's to say, and it stays behind in silence */
        scene_mkdir("tree/mine", NOBODY, 0755);
        job = copy_job_new("tree/src", "tree/mine/dst");
        copy_job_as(job, scene.nobody);
        ck_assert_int_eq(copy_job_run(job), 0);
        ck_assert_uint_eq(job->n_failures, 0);
        ck_assert_int_lt((int)getxattr(scene_path("tree/mine/dst/f"), "security.capability", NULL, 0), 0);
        copy_job_free(job);

        job = copy_job_new("tree/src", "tree/dst");
        ck_assert_int_eq(copy_job_run(job), 0);
        copy_job_free(job);
        copy_expect_same("tree/src", "tree/dst");
}
END_TEST

/* Without the owner a set-uid bit would speak of somebody else. */
START_TEST(set_id_bits_go_without_the_owner) {
        struct copy_job *job;

        scene_mkdir("tree/src", 0, 0755);
        scene_file("tree/src/f", NOBODY, 06755, "x");
        job = copy_job_new("tree/src", "tree/dst");
        job->options.preserve = FSOP_PRESERVE_MODE;
        ck_assert_int_eq(copy_job_run(job), 0);
        expect_clean(job);
        ck_assert_uint_eq(scene_stat("tree/dst/f").uid, 0);
        ck_assert_uint_eq(scene_stat("tree/dst/f").mode & 07777, 0755);
        copy_job_free(job);
}
END_TEST

START_TEST(excluded_directories) {
        struct fsop_stat stat;
        struct object_id excluded;
        os_fd fd = OS_FD_NONE;
        struct copy_job *job;

        build();
        stat = scene_stat("tree/src/d");
        excluded = (struct object_id){stat_dev(&stat), stat.ino};
        scene.guard.excluded = &excluded;
        scene.guard.excluded_fds = &fd;
        scene.guard.n_excluded = 1;
        job = elevated();
        ck_assert_int_eq(copy_job_run(job), 0);
        ck_assert_uint_eq(job->n_failures, 1);
        ck_assert_int_eq(copy_job_failure(job, "d"), -FSOP_EPERM);
        ck_assert(job->failures[0].error.denied);
        ck_assert(!scene_exists("tree/dst/d"));
        ck_assert(scene_exists("tree/dst/many"));
        copy_job_free(job);

        /* one that is to be filled */
        scene_mkdir("tree/dst/d", 0, 0755);
        stat = scene_stat("tree/dst/d");
        excluded = (struct object_id){stat_dev(&stat), stat.ino};
        job = elevated();
        ck_assert_int_eq(copy_job_run(job), 0);
        ck_assert_int_eq(copy_job_failure(job, "d"), -FSOP_EPERM);
        ck_assert(!scene_exists("tree/dst/d/e"));
        copy_job_free(job);
        scene.guard.n_excluded = 0;
}
END_TEST

START_TEST(what_else_a_rule_demands) {
        struct copy_job *job;

        scene_mkdir("tree/src", NOBODY, 0755);
        scene_file("tree/src/mine", NOBODY, 0644, "small");
        scene_file("tree/src/hers", SOMEBODY, 0644, "small");
        scene_file("tree/src/long", NOBODY, 0644, "larger than it may be");
        scene.guard.owned_by_caller = scene.guard.has_bytes_max = true;
        scene.guard.bytes_max = 10;
        job = elevated();
        ck_assert_int_eq(copy_job_open(job), 0);
        job->tree.to_guard = NULL; /* what is made belongs to the service here */
        copy_job_fill(job);
        ck_assert_uint_eq(job->n_failures, 1);
        ck_assert_int_eq(copy_job_failure(job, "hers"), -FSOP_EPERM);
        copy_job_free(job);
        scene_remove("tree/dst");
        scene.guard.owned_by_caller = false;

        job = elevated();
        ck_assert_int_eq(copy_job_run(job), 0);
        ck_assert_uint_eq(job->n_failures, 1);
        ck_assert_int_eq(copy_job_failure(job, "long"), -FSOP_EPERM);
        ck_assert(job->failures[0].error.denied);
        copy_job_free(job);
        scene.guard.has_bytes_max = false;

        /* into a stranger's directory */
        scene_remove("tree/dst");
        scene_mkdir("tree/dst", SOMEBODY, 0777);
        job = elevated();
        ck_assert_int_eq(copy_job_run(job), 0);
        ck_assert_uint_eq(job->n_failures, 4); /* each file, and what the directory itself would have got */
        ck_assert_int_eq(copy_job_failure(job, "mine"), -FSOP_EPERM);
        ck_assert(job->failures[0].error.denied);
        ck_assert(!scene_exists("tree/dst/mine"));
        ck_assert_uint_eq(scene_stat("tree/dst").mode & 07777, 0777);
        copy_job_free(job);
        scene.guard.foreign_parent = true;
        job = elevated();
        ck_assert_int_eq(copy_job_run(job), 0);
        expect_clean(job);
        copy_job_free(job);
}
END_TEST

/* ---- what does not go -------------------------------------------------------------------------------------------------- */

static int open_code(const char *from, const char *to, bool recursive) {
        struct copy_job *job = copy_job_new(from, to);
        int r;

        job->options.recursive = recursive;
        r = copy_job_open(job);
        copy_job_free(job);
        return r;
}

START_TEST(ends_that_do_not_fit) {
        build();
        ck_assert_int_eq(open_code("tree/src", "tree/dst", false), -FSOP_EISDIR);
        ck_assert_int_eq(open_code("tree/src", "tree/src", true), -FSOP_EINVAL);
        ck_assert_int_eq(open_code("tree/src/f", "tree/src/d/hard", true), -FSOP_EINVAL);
        ck_assert_int_eq(open_code("tree/src", "tree/src/new", true), -FSOP_EINVAL);
        ck_assert_int_eq(open_code("tree/src", "tree/src/d/e/new", true), -FSOP_EINVAL);
        ck_assert_int_eq(open_code("tree/src", "tree/src/f", true), -FSOP_ENOTDIR);
        ck_assert_int_eq(open_code("tree/src/d", "tree/src/f", true), -FSOP_ENOTDIR);
        ck_assert_int_eq(open_code("tree/src/f", "tree/src/d", true), -FSOP_EISDIR);
        ck_assert_int_eq(open_code("tree/src/f", "tree/src/d/..", true), -FSOP_EINVAL);
        ck_assert_int_eq(open_code("tree/src/d", "tree/dst", true), 0);
}
END_TEST

static void swap_file_for_fifo(struct copy_job *job, struct copy_dir *dir) {
        (void)job;
        if (strcmp(copy_dir_path(dir), "many") != 0)
                return;
        ck_assert_int_eq(unlink(scene_path("tree/src/many/0000-of-the-many")), 0);
        make_node("tree/src/many/0000-of-the-many", S_IFIFO | 0600, 0);
        ck_assert_int_eq(unlink(scene_path("tree/src/many/0001-of-the-many")), 0);
        make_node("tree/src/many/0001-of-the-many", S_IFCHR | 0600,
                  makedev(0, 0)); /* nobody's: to open it fails with ENXIO */
        ck_assert_int_eq(unlink(scene_path("tree/src/many/0002-of-the-many")), 0);
        scene_symlink("/etc/passwd", "tree/src/many/0002-of-the-many");
        ck_assert_int_eq(unlink(scene_path("tree/src/many/0003-of-the-many")), 0);
        scene_mkdir("tree/src/many/0003-of-the-many", 0, 0755);
        job->before = NULL;
}

/* Between being listed and being opened. */
START_TEST(files_become_something_else) {
        struct copy_job *job;

        build();
        set_mode("tree/src/many", 0777);
        job = copy_job_new("tree/src", "tree/dst");
        job->before = swap_file_for_fifo;
        ck_assert_int_eq(copy_job_run(job), 0);
        ck_assert_uint_eq(job->n_failures, 0);
        ck_assert(S_ISFIFO(scene_stat("tree/dst/many/0000-of-the-many").mode));
        ck_assert(S_ISCHR(scene_stat("tree/dst/many/0001-of-the-many").mode));
        ck_assert(S_ISLNK(scene_stat("tree/dst/many/0002-of-the-many").mode));
        ck_assert(!scene_exists("tree/dst/many/0003-of-the-many"));
        copy_job_free(job);
}
END_TEST

/* In a directory of one's own it is one's own doing: nothing hangs, and nothing else comes of it. */
START_TEST(files_become_something_else_at_home) {
        struct copy_job *job;

        build();
        job = copy_job_new("tree/src", "tree/dst");
        job->before = swap_file_for_fifo;
        ck_assert_int_eq(copy_job_run(job), 0);
        ck_assert_int_eq(copy_job_failure(job, "many/0000-of-the-many"), -FSOP_ESTALE);
        ck_assert(!scene_exists("tree/dst/many/0000-of-the-many"));
        ck_assert(S_ISLNK(scene_stat("tree/dst/many/0002-of-the-many").mode));
        copy_job_free(job);
}
END_TEST

START_TEST(directories_become_something_else) {
        struct copy_job *job;
        struct copy_dir *top, *sub;
        struct copy_error error;

        build();
        job = copy_job_new("tree/src", "tree/dst");
        ck_assert_int_eq(copy_job_open(job), 0);
        ck_assert_int_eq(copy_top(&job->tree, &top, &error), 0);
        ck_assert_int_eq(rename(scene_path("tree/src/d"), scene_path("tree/src/was-d")), 0);
        scene_symlink("/etc", "tree/src/d");
        ck_assert_int_eq(copy_enter(&job->tree, top, "d", &sub, &error), -FSOP_ENOTDIR);
        ck_assert_int_eq(copy_enter(&job->tree, top, "f", &sub, &error), -FSOP_ENOTDIR);

        /* the target's, between being made and being finished */
        ck_assert_int_eq(copy_enter(&job->tree, top, "was-d", &sub, &error), 0);
        copy_dir_close(sub);
        char made[128], away[128];

        snprintf(made, sizeof(made), "tree/%s/was-d", job->tree.temporary);
        snprintf(away, sizeof(away), "tree/%s/away", job->tree.temporary);
        ck_assert_int_eq(rename(scene_path(made), scene_path(away)), 0);
        scene_mkdir(made, SOMEBODY, 0777);
        ck_assert_int_eq(copy_finish_dir(&job->tree, sub, &error), -FSOP_ESTALE);
        ck_assert_uint_eq(scene_stat(made).uid, SOMEBODY);
        ck_assert_int_eq(rmdir(scene_path(made)), 0);
        scene_symlink("away", made);
        copy_dir_close(sub);
        ck_assert_int_lt(copy_finish_dir(&job->tree, sub, &error), 0);
        copy_dir_free(sub);
        copy_dir_free(top);
        ck_assert_int_eq(copy_remove_temporaries(&job->tree, &error), 0);
        ck_assert_uint_eq(copy_count_temporaries("tree"), 0);
        copy_job_free(job);
}
END_TEST

/* What was filled is moved away, and something else put in its place. */
START_TEST(the_top_is_swapped) {
        struct copy_job *job;
        struct copy_dir *top;
        char made[128];

        build();
        job = copy_job_new("tree/src", "tree/dst");
        ck_assert_int_eq(copy_job_open(job), 0);
        ck_assert_int_eq(copy_top(&job->tree, &top, &job->error), 0);
        copy_dir_free(top);
        snprintf(made, sizeof(made), "tree/%s", job->tree.temporary);
        ck_assert_int_eq(rename(scene_path(made), scene_path("tree/away")), 0);
        scene_mkdir(made, SOMEBODY, 0755);
        ck_assert_int_eq(copy_publish_top(&job->tree, false, &job->error), -FSOP_ESTALE);
        ck_assert(!scene_exists("tree/dst"));
        ck_assert_int_eq(rmdir(scene_path(made)), 0);
        ck_assert_int_eq(rename(scene_path("tree/away"), scene_path(made)), 0);
        scene_mkdir("tree/dst", 0, 0755);
        ck_assert_int_eq(copy_publish_top(&job->tree, false, &job->error), -FSOP_EEXIST);
        ck_assert_int_eq(rmdir(scene_path("tree/dst")), 0);
        ck_assert_int_eq(copy_publish_top(&job->tree, true, &job->error), 0);
        ck_assert(scene_exists("tree/dst"));
        copy_job_free(job);
}
END_TEST

/* ---- what is there already --------------------------------------------------------------------------------------- */

static void update(enum fsop_update mode, uint32_t copied, uint32_t skipped, uint32_t failed) {
        struct copy_job *job = copy_job_new("tree/src", "tree/dst");

        job->options.update = mode;
        ck_assert_int_eq(copy_job_run(job), 0);
        ck_assert_uint_eq(job->copied, copied);
        ck_assert_uint_eq(job->skipped, skipped);
        ck_assert_uint_eq(job->n_failures, failed);
        ck_assert_uint_eq(copy_count_temporaries("tree"), 0);
        copy_job_free(job);
}

static void expect_text(const char *name, const char *text) {
        char buffer[100] = {0};
        int fd = open(scene_path(name), O_RDONLY | O_CLOEXEC);

        ck_assert_int_ge(fd, 0);
        ck_assert_int_ge(read(fd, buffer, sizeof(buffer) - 1), 0);
        close(fd);
        ck_assert_str_eq(buffer, text);
}

static void build_update(void) {
        if (scene_exists("tree/dst")) {
                scene_remove("tree/dst");
                scene_remove("tree/src");
        }
        scene_mkdir("tree/src", 0, 0755);
        scene_mkdir("tree/dst", 0, 0755);
        scene_file("tree/src/older", 0, 0644, "new");
        scene_file("tree/src/newer", 0, 0644, "new");
        scene_file("tree/src/fresh", 0, 0644, "new");
        scene_file("tree/src/file", 0, 0644, "new");
        scene_file("tree/dst/older", 0, 0644, "old");
        scene_file("tree/dst/newer", 0, 0644, "old");
        scene_mkdir("tree/dst/file", 0, 0755);
        set_times("tree/src/older", 1000, 5);
        set_times("tree/dst/older", 1000, 4);
        set_times("tree/src/newer", 1000, 5);
        set_times("tree/dst/newer", 1000, 5);
        set_times("tree/src/file", 2000000000, 5);
}

START_TEST(updates) {
        build_update();
        update(FSOP_UPDATE_ALL, 3, 0, 1);
        expect_text("tree/dst/newer", "new");
        build_update();
        update(FSOP_UPDATE_NONE, 1, 3, 0);
        expect_text("tree/dst/older", "old");
        expect_text("tree/dst/fresh", "new");
        build_update();
        update(FSOP_UPDATE_NONE_FAIL, 1, 0, 3);
        expect_text("tree/dst/older", "old");
        build_update();
        update(FSOP_UPDATE_OLDER, 2, 1, 1);
        expect_text("tree/dst/older", "new");
        expect_text("tree/dst/newer", "old");
}
END_TEST

/* Between being copied and being published. */
static void somebody_is_faster(struct copy_job *job, struct copy_dir *dir) {
        (void)dir;
        scene_file("tree/dst/fresh", 0, 0644, "faster");
        job->between = NULL;
}

START_TEST(updates_when_somebody_is_faster) {
        static const struct {
                enum fsop_update update;
                uint32_t skipped, failed;
                const char *text;
        } cases[] = {{FSOP_UPDATE_ALL, 0, 0, "new"},
                     {FSOP_UPDATE_NONE, 1, 0, "faster"},
                     {FSOP_UPDATE_NONE_FAIL, 0, 1, "faster"},
                     {FSOP_UPDATE_OLDER, 1, 0, "faster"}};

        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                struct copy_job *job;

                scene_mkdir("tree/src", 0, 0755);
                scene_file("tree/src/fresh", 0, 0644, "new");
                set_times("tree/src/fresh", 1000, 5);
                scene_mkdir("tree/dst", 0, 0755);
                job = copy_job_new("tree/src", "tree/dst");
                job->options.update = cases[i].update;
                job->between = somebody_is_faster;
                ck_assert_int_eq(copy_job_run(job), 0);
                ck_assert_uint_eq(job->skipped, cases[i].skipped);
                ck_assert_uint_eq(job->n_failures, cases[i].failed);
                expect_text("tree/dst/fresh", cases[i].text);
                ck_assert_uint_eq(copy_count_temporaries("tree"), 0);
                copy_job_free(job);
                scene_remove("tree/dst");
                scene_remove("tree/src");
        }
}
END_TEST

START_TEST(excludes) {
        static const char *const patterns[] = {"*-of-the-many", "d/e", "/fifo", "*/hard", "lock*"};
        struct copy_job *job;

        build();
        job = copy_job_new("tree/src", "tree/dst");
        job->options.excludes = patterns;
        job->options.n_excludes = sizeof(patterns) / sizeof(patterns[0]);
        ck_assert_int_eq(copy_job_run(job), 0);
        expect_clean(job);
        ck_assert(scene_exists("tree/dst/many"));
        ck_assert(!scene_exists("tree/dst/many/0000-of-the-many"));
        ck_assert(scene_exists("tree/dst/d"));
        ck_assert(!scene_exists("tree/dst/d/e"));
        ck_assert(!scene_exists("tree/dst/d/hard"));
        ck_assert(!scene_exists("tree/dst/fifo"));
        ck_assert(!scene_exists("tree/dst/locked"));
        ck_assert(scene_exists("tree/dst/large"));
        copy_job_free(job);
}
END_TEST

START_TEST(one_filesystem) {
        struct copy_job *job;

        build();
        if (mount("none", scene_path("tree/src/empty"), "tmpfs", 0, NULL) < 0) {
                scene_skip("no tmpfs can be mounted here");
                return;
        }
        scene_file("tree/src/empty/there", 0, 0644, "x");
        job = copy_job_new("tree/src", "tree/dst");
        ck_assert_int_eq(copy_job_run(job), 0);
        ck_assert(scene_exists("tree/dst/empty/there"));
        copy_job_free(job);
        scene_remove("tree/dst");

        job = copy_job_new("tree/src", "tree/dst");
        job->options.one_filesystem = true;
        ck_assert_int_eq(copy_job_run(job), 0);
        ck_assert_uint_eq(job->n_failures, 0);
        ck_assert(!scene_exists("tree/dst/empty/there"));
        copy_job_free(job);
        scene_remove("tree/dst");

        /* a rule that crosses none refuses it aloud */
        scene.guard.one_filesystem = true;
        job = elevated();
        ck_assert_int_eq(copy_job_run(job), 0);
        ck_assert_int_eq(copy_job_failure(job, "empty"), -FSOP_EXDEV);
        ck_assert_uint_eq(job->n_failures, 1);
        copy_job_free(job);
        umount(scene_path("tree/src/empty"));
}
END_TEST

START_TEST(nothing_of_procfs) {
        struct copy_job *job;

        scene_mkdir("tree/src", 0, 0755);
        scene_mkdir("tree/src/proc", 0, 0755);
        scene_file("tree/src/version", 0, 0644, "");
        if (mount("proc", scene_path("tree/src/proc"), "proc", 0, NULL) < 0 ||
            mount("/proc/version", scene_path("tree/src/version"), NULL, MS_BIND, NULL) < 0) {
                scene_skip("no procfs can be mounted here");
                umount(scene_path("tree/src/proc"));
                return;
        }
        job = copy_job_new("tree/src", "tree/dst");
        ck_assert_int_eq(copy_job_run(job), 0);
        ck_assert_int_eq(copy_job_failure(job, "proc"), -FSOP_EACCES);
        ck_assert_int_eq(copy_job_failure(job, "version"), -FSOP_EACCES);
        ck_assert(!scene_exists("tree/dst/version"));
        copy_job_free(job);
        umount(scene_path("tree/src/proc"));
        umount(scene_path("tree/src/version"));
}
END_TEST

/* ---- giving up and going on -------------------------------------------------------------------------------------------- */

static void stop_here(struct copy_job *job, struct copy_dir *dir) {
        (void)dir;
        __atomic_store_n(&job->tree.stop, 1, __ATOMIC_RELAXED);
}

START_TEST(stopped) {
        struct copy_file files[3] = {{.name = "f"}, {.name = "mid"}, {.name = "link"}};
        struct copy_job *job;
        struct copy_dir *top;

        build();
        scene_mkdir("tree/dst", 0, 0755);
        job = copy_job_new("tree/src", "tree/dst");
        ck_assert_int_eq(copy_job_open(job), 0);
        ck_assert_int_eq(copy_top(&job->tree, &top, &job->error), 0);
        stop_here(job, top);
        copy_files(&job->tree, top, files, 3);
        for (int i = 0; i < 3; i++)
                ck_assert_int_eq(files[i].outcome, COPY_PENDING);
        ck_assert_uint_eq(copy_count_temporaries("tree"), 0);
        job->tree.stop = 0;
        files[0].first_link = true;
        copy_files(&job->tree, top, files, 3);
        ck_assert_uint_eq(copy_count_temporaries("tree"), 3);
        copy_discard(&job->tree, top, files, 1);
        ck_assert_uint_eq(copy_count_temporaries("tree"), 2);
        job->tree.stop = 1;
        ck_assert_int_eq(copy_remove_temporaries(&job->tree, &job->error), 0);
        ck_assert_uint_eq(copy_count_temporaries("tree"), 0);
        copy_dir_free(top);
        copy_job_free(job);
}
END_TEST

/* What a crash can cost: one call copies no more than it may. */
START_TEST(enough_for_one_call) {
        struct copy_file files[4] = {{.name = "a"}, {.name = "b"}, {.name = "c"}, {.name = "d"}};
        struct copy_job *job;
        struct copy_dir *top;

        scene_mkdir("tree/src", 0, 0755);
        scene_mkdir("tree/dst", 0, 0755);
        for (int i = 0; i < 4; i++) {
                char name[] = "tree/src/?";

                name[9] = files[i].name[0];
                scene_file(name, 0, 0644, "");
                ck_assert_int_eq(truncate(scene_path(name), i < 3 ? (off_t)COPY_FILES_BYTES / 2 : 0), 0);
        }
        job = copy_job_new("tree/src", "tree/dst");
        job->options.clone = FSOP_CLONE_NEVER;
        ck_assert_int_eq(copy_job_open(job), 0);
        ck_assert_int_eq(copy_top(&job->tree, &top, &job->error), 0);
        copy_files(&job->tree, top, files, 4);
        ck_assert_int_eq(files[1].outcome, COPY_COPIED);
        ck_assert_int_eq(files[2].outcome, COPY_PENDING);
        ck_assert_int_eq(files[3].outcome, COPY_PENDING);
        ck_assert_uint_eq(copy_count_temporaries("tree"), 2);
        copy_files(&job->tree, top, files + 2, 2);
        ck_assert_int_eq(files[3].outcome, COPY_COPIED);
        copy_publish(&job->tree, top, files, 4);
        ck_assert(scene_exists("tree/dst/d"));
        ck_assert_uint_eq(copy_count_temporaries("tree"), 0);
        copy_dir_free(top);
        copy_job_free(job);
}
END_TEST

static int touching;

static void *touch(void *path) {
        struct timespec times[2] = {{0}};

        while (__atomic_load_n(&touching, __ATOMIC_RELAXED)) {
                times[1].tv_nsec = (times[1].tv_nsec + 1) % 1000000000;
                utimensat(AT_FDCWD, path, times, 0);
        }
        return NULL;
}

/* A file that changes whenever it is copied has an end, too: it is not left for another time because enough has been copied. */
START_TEST(a_source_that_keeps_changing) {
        struct copy_file file = {.name = "a"};
        char *path = strdup(scene_path("tree/src/a"));
        struct copy_job *job;
        struct copy_dir *top;
        pthread_t toucher;
        uint32_t before;

        scene_mkdir("tree/src", 0, 0755);
        scene_mkdir("tree/dst", 0, 0755);
        fill("tree/src/a", 0, COPY_FILES_BYTES);
        job = copy_job_new("tree/src", "tree/dst");
        job->options.clone = FSOP_CLONE_NEVER;
        ck_assert_int_eq(copy_job_open(job), 0);
        ck_assert_int_eq(copy_top(&job->tree, &top, &job->error), 0);
        touching = 1;
        ck_assert_int_eq(pthread_create(&toucher, NULL, touch, path), 0);
        do { /* until it was tried more than once */
                before = job->tree.serial;
                copy_files(&job->tree, top, &file, 1);
                ck_assert(file.outcome == COPY_COPIED || file.outcome == COPY_FAILED);
                ck_assert(file.outcome == COPY_COPIED || file.error.code == -FSOP_EBUSY);
                copy_discard(&job->tree, top, &file, 1);
        } while (job->tree.serial == before + 1);
        __atomic_store_n(&touching, 0, __ATOMIC_RELAXED);
        pthread_join(toucher, NULL);
        ck_assert_uint_eq(copy_count_temporaries("tree"), 0);
        free(path);
        copy_dir_free(top);
        copy_job_free(job);
}
END_TEST

/* A resumed run passes by what has a temporary name of its job and cannot be removed, removes the rest, and can be stopped. */
START_TEST(sweeps_what_it_can) {
        static const char stuck[] = "tree/dst/.fsop-7-0123456789abcdef-00000001", gone[] = "tree/dst/.fsop-7-0123456789abcdef-00000002";
        struct copy_job *job;
        struct copy_dir *top;

        build();
        scene_mkdir("tree/dst", 0, 0755);
        scene_mkdir(stuck, 0, 0755);
        scene_file(gone, 0, 0600, "x");
        job = copy_job_new("tree/src", "tree/dst");
        job->tree.resumed = true;
        ck_assert_int_eq(copy_job_open(job), 0);
        job->tree.stop = 1;
        ck_assert_int_eq(copy_top(&job->tree, &top, &job->error), -FSOP_ECANCELED);
        ck_assert(scene_exists(gone));
        job->tree.stop = 0;
        ck_assert_int_eq(copy_top(&job->tree, &top, &job->error), 0);
        ck_assert(scene_exists(stuck));
        ck_assert(!scene_exists(gone));
        copy_dir_free(top);
        ck_assert_int_lt(copy_remove_temporaries(&job->tree, &job->error), 0); /* who gives up is told */
        copy_job_free(job);
}
END_TEST

static int removed(const char *to, struct identity *identity) {
        struct copy_job *job = copy_job_new("tree/src", to);
        struct copy_dir *top, *sub;
        int r;

        copy_job_as(job, identity);
        job->options.preserve &= ~(uint32_t)FSOP_PRESERVE_LINKS;
        ck_assert_int_eq(copy_job_open(job), 0);
        ck_assert_int_eq(copy_top(&job->tree, &top, &job->error), 0);
        ck_assert_int_eq(copy_enter(&job->tree, top, "locked", &sub, &job->error), 0);
        struct copy_file files[1] = {{.name = "g"}};

        copy_files(&job->tree, sub, files, 1);
        ck_assert_int_eq(files[0].outcome, COPY_COPIED);
        ck_assert_int_eq(copy_finish_dir(&job->tree, sub, &job->error), 0);
        copy_dir_free(sub);
        copy_dir_free(top);
        r = copy_remove_temporaries(&job->tree, &job->error);
        copy_job_free(job);
        return r;
}

/* Another directory of the writer's has the temporary name when the job goes on. */
START_TEST(another_top_is_found) {
        struct copy_job *job;
        struct copy_dir *top;
        struct copy_made made;
        char name[128];

        build();
        job = copy_job_new("tree/src", "tree/dst");
        ck_assert_int_eq(copy_job_open(job), 0);
        ck_assert_int_eq(copy_top(&job->tree, &top, &job->error), 0);
        copy_dir_free(top);
        made = job->tree.top;
        snprintf(name, sizeof(name), "tree/%s", job->tree.temporary);
        ck_assert_uint_eq(made.ino, scene_stat(name).ino);
        copy_job_free(job);
        ck_assert_int_eq(rename(scene_path(name), scene_path("tree/was")), 0);
        scene_mkdir(name, 0, 0700);
        for (int i = 0; i < 3; i++) { /* another one; the same number, born at another time; it itself */
                job = copy_job_new("tree/src", "tree/dst");
                job->tree.resumed = true;
                job->tree.top = made;
                if (i == 1)
                        job->tree.top = (struct copy_made){scene_stat(name).ino, {made.btime.sec + 1, made.btime.nsec}};
                if (i == 2) {
                        scene_remove(name);
                        ck_assert_int_eq(rename(scene_path("tree/was"), scene_path(name)), 0);
                }
                ck_assert_int_eq(copy_job_open(job), 0);
                if (i < 2 && (i == 0 || made.btime.sec != 0)) {
                        ck_assert_int_eq(copy_top(&job->tree, &top, &job->error), -FSOP_ESTALE);
                        ck_assert_int_eq(copy_remove_temporaries(&job->tree, &job->error), -FSOP_ESTALE);
                        ck_assert(scene_exists(name));
                } else if (i == 2) {
                        ck_assert_int_eq(copy_top(&job->tree, &top, &job->error), 0);
                        copy_dir_free(top);
                        ck_assert_int_eq(copy_remove_temporaries(&job->tree, &job->error), 0);
                        ck_assert(!scene_exists(name));
                }
                copy_job_free(job);
        }
}
END_TEST

/* Of a tree that is half made, however its directories may look by then. */
START_TEST(given_up) {
        build();
        scene_mkdir("tree/mine", NOBODY, 0755);
        ck_assert_int_eq(removed("tree/mine/dst", identity_of_service(true)), 0);
        ck_assert_uint_eq(copy_count_temporaries("tree"), 0);
        ck_assert_int_eq(removed("tree/mine/dst", scene.nobody), 0);
        ck_assert_uint_eq(copy_count_temporaries("tree"), 0);
        ck_assert(!scene_exists("tree/mine/dst"));
}
END_TEST

/* What an earlier run has left is used, replaced or removed. */
START_TEST(resumed) {
        char left[128], name[160];
        struct copy_job *job;

        build();
        job = copy_job_new("tree/src", "tree/dst");
        snprintf(left, sizeof(left), "tree/%s", job->tree.temporary);
        scene_mkdir(left, 0, 0700);
        snprintf(name, sizeof(name), "%s/d", left);
        scene_mkdir(name, NOBODY, 0555);
        snprintf(name, sizeof(name), "%s/f", left);
        scene_file(name, 0, 0600, "half of so");
        snprintf(name, sizeof(name), "%s/link", left);
        scene_symlink("elsewhere", name);
        ck_assert_int_eq(copy_job_open(job), 0);
        ck_assert_int_eq(copy_job_fill(job), -FSOP_EEXIST);
        copy_job_free(job);

        job = copy_job_new("tree/src", "tree/dst");
        job->tree.resumed = true;
        ck_assert_int_eq(copy_job_run(job), 0);
        expect_clean(job);
        copy_job_free(job);
        copy_expect_same("tree/src", "tree/dst");

        /* into what is there: files under temporary names go, but for a part that is gone on with */
        job = copy_job_new("tree/src", "tree/dst");
        const char *parts[] = {".fsop-7-0123456789abcdef-00000001", ".fsop-7-0123456789abcdef-00000003"};

        for (unsigned i = 0; i < 4; i++) {
                snprintf(name, sizeof(name), "tree/dst/d/%s-%08x", job->tree.temporary, i);
                scene_file(name, 0, 0600, "half");
        }
        job->tree.resumed = true;
        job->tree.parts = parts;
        job->tree.n_parts = 2;
        ck_assert_int_eq(copy_job_run(job), 0);
        ck_assert_uint_eq(job->n_failures, 0);
        ck_assert_uint_eq(copy_count_temporaries("tree"), 2);
        ck_assert_int_eq(copy_remove_temporaries(&job->tree, &job->error), 0);
        expect_clean(job);
        copy_job_free(job);
        /* the parts that went changed the directory's times */
        set_times("tree/dst/d", 4000, 4);
        copy_expect_same("tree/src", "tree/dst");
}
END_TEST

/* All but the last rename is done, and some files are to be copied again: into directories that are somebody's by now,
 * and whose own default ACLs new files would inherit. */
START_TEST(resumed_at_the_end) {
        struct copy_job *job;
        char made[128], file[200];

        build();
        scene_file("tree/src/d/e/file", SOMEBODY, 0644, "no ACL");
        set_times("tree/src/d/e", 3000, 3);
        scene.guard.links_any = scene.guard.set_id = true; /* but not foreign_parent */
        job = elevated();
        ck_assert_int_eq(copy_job_run(job), 0);
        expect_clean(job);
        snprintf(made, sizeof(made), "tree/%s", job->tree.temporary);
        copy_job_free(job);
        copy_expect_same("tree/src", "tree/dst");
        ck_assert_int_eq(rename(scene_path("tree/dst"), scene_path(made)), 0);
        snprintf(file, sizeof(file), "%s/d/e/file", made);
        ck_assert_int_eq(unlink(scene_path(file)), 0);
        job = elevated();
        job->tree.resumed = true;
        ck_assert_int_eq(copy_job_run(job), 0);
        expect_clean(job);
        copy_job_free(job);
        copy_expect_same("tree/src", "tree/dst");
}
END_TEST

/* Somebody has put a directory of his own where the top was. */
START_TEST(resumed_in_a_trap) {
        char left[128];
        struct copy_job *job;

        build();
        set_mode("tree", 01777);
        job = copy_job_new("tree/src", "tree/dst");
        job->tree.resumed = true;
        snprintf(left, sizeof(left), "tree/%s", job->tree.temporary);
        scene_mkdir(left, SOMEBODY, 0777);
        ck_assert_int_eq(copy_job_run(job), -FSOP_ESTALE);
        copy_job_free(job);
}
END_TEST

/* ---- no room ----------------------------------------------------------------------------------------------------- */

START_TEST(no_room) {
        struct copy_job *job;
        char command[700];

        if (!scene_open_on("ext4"))
                return;
        scene_mkdir("tree/src", 0, 0755);
        scene_mkdir("tree/dst", 0, 0755);
        for (unsigned i = 0; i < 8; i++) {
                char name[64];

                snprintf(name, sizeof(name), "tree/src/%u", i);
                fill(name, 0, 3 << 20);
        }
        snprintf(command, sizeof(command), "dd if=/dev/zero of=%s bs=1M 2>/dev/null; truncate -s -10M %s; sync -f %s",
                 scene_path("full"), scene_path("full"), scene_path("full"));
        ck_assert_int_eq(system(command), 0);
        job = copy_job_new("tree/src", "tree/dst");
        ck_assert_int_eq(copy_job_run(job), 0);
        ck_assert_uint_gt(job->n_failures, 2);
        ck_assert_uint_gt(job->copied, 0);
        for (uint32_t i = 0; i < job->n_failures; i++)
                ck_assert_int_eq(job->failures[i].error.code, -FSOP_ENOSPC);
        ck_assert_uint_eq(copy_count_temporaries("tree"), 0);
        copy_job_free(job);
        ck_assert_int_eq(unlink(scene_path("full")), 0);
        job = copy_job_new("tree/src", "tree/dst");
        ck_assert_int_eq(copy_job_run(job), 0);
        expect_clean(job);
        copy_job_free(job);
        copy_expect_same("tree/src", "tree/dst");
        scene_close();
}
END_TEST

/* ---- clones ------------------------------------------------------------------------------------------------------ */

START_TEST(clones) {
        static const char *const filesystems[] = {"xfs", "btrfs", "ext4"};
        struct copy_job *job;
        bool can = _i < 2;

        if (!scene_open_on(filesystems[_i]))
                return;
        scene_mkdir("tree/src", 0, 0755);
        fill("tree/src/small", 0, 6001);
        fill("tree/src/large", 0, 9 << 20);
        job = copy_job_new("tree/src", "tree/dst");
        job->options.clone = FSOP_CLONE_ALWAYS;
        ck_assert_int_eq(copy_job_run(job), 0);
        ck_assert_uint_eq(job->cloned_bytes, can ? 6001 + (9 << 20) : 0);
        ck_assert_uint_eq(job->bytes, 0);
        ck_assert_uint_eq(job->large, 0);
        ck_assert_int_eq(copy_job_failure(job, "large"), can ? 0 : -FSOP_EOPNOTSUPP);
        ck_assert_int_eq(copy_job_failure(job, "small"), can ? 0 : -FSOP_EOPNOTSUPP);
        if (!can)
                ck_assert_ptr_nonnull(job->failures[0].error.why);
        copy_job_free(job);
        scene_remove("tree/dst");

        job = copy_job_new("tree/src", "tree/dst");
        ck_assert_int_eq(copy_job_run(job), 0);
        expect_clean(job);
        ck_assert_uint_eq(job->cloned_bytes, can ? 6001 + (9 << 20) : 0);
        ck_assert_uint_eq(job->bytes, can ? 0 : 6001 + (9 << 20));
        ck_assert_int_eq(job->tree.no_clone, !can);
        copy_job_free(job);
        copy_expect_same("tree/src", "tree/dst");
        scene_remove("tree/dst");

        job = copy_job_new("tree/src", "tree/dst");
        job->options.clone = FSOP_CLONE_NEVER;
        ck_assert_int_eq(copy_job_run(job), 0);
        ck_assert_uint_eq(job->cloned_bytes, 0);
        ck_assert_uint_eq(job->large, 1);
        copy_job_free(job);
        copy_expect_same("tree/src", "tree/dst");
        scene_close();
}
END_TEST

/* ---- several at once --------------------------------------------------------------------------------------------- */

struct worker {
        struct copy_job *job;
        struct copy_dir *dir;
        unsigned from, to, failed;
        pthread_t thread;
};

static void *work(void *userdata) {
        struct worker *worker = userdata;
        struct copy_file files[16];
        char names[16][32];

        sys_thread_start();
        for (unsigned i = worker->from; i < worker->to; i += 16) {
                for (unsigned j = 0; j < 16; j++) {
                        snprintf(names[j], sizeof(names[j]), "%04u-of-the-many", i + j);
                        files[j] = (struct copy_file){.name = names[j], .type = FSOP_TYPE_REGULAR};
                }
                copy_files(&worker->job->tree, worker->dir, files, 16);
                copy_publish(&worker->job->tree, worker->dir, files, 16);
                for (unsigned j = 0; j < 16; j++)
                        worker->failed += files[j].outcome != COPY_COPIED;
        }
        sys_thread_stop();
        return NULL;
}

START_TEST(several_threads) {
        struct worker workers[4];
        struct copy_job *job;
        struct copy_dir *top, *many;

        build();
        scene_mkdir("tree/dst", 0, 0755);
        job = copy_job_new("tree/src", "tree/dst");
        job->tree.keeper = identity_of_service(false); /* in groups */
        ck_assert_int_eq(copy_job_open(job), 0);
        ck_assert_int_eq(copy_top(&job->tree, &top, &job->error), 0);
        ck_assert_int_eq(copy_enter(&job->tree, top, "many", &many, &job->error), 0);
        for (unsigned i = 0; i < 4; i++) {
                workers[i] = (struct worker){.job = job, .dir = many, .from = i * 64, .to = i * 64 + 64};
                ck_assert_int_eq(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
        }
        for (unsigned i = 0; i < 4; i++) {
                pthread_join(workers[i].thread, NULL);
                ck_assert_uint_eq(workers[i].failed, 0);
        }
        copy_dir_free(many);
        copy_dir_free(top);
        copy_job_free(job);
        copy_expect_same("tree/src/many/0007-of-the-many", "tree/dst/many/0007-of-the-many");
        copy_expect_same("tree/src/many/0255-of-the-many", "tree/dst/many/0255-of-the-many");
        ck_assert_uint_eq(copy_count_temporaries("tree"), 0);
}
END_TEST

/* ---- races ------------------------------------------------------------------------------------------------------- */

struct swapper {
        char one[512], other[512];
        int stop;
        pthread_t thread;
};

static void *swap(void *userdata) {
        struct swapper *swapper = userdata;

        while (!__atomic_load_n(&swapper->stop, __ATOMIC_RELAXED))
                renameat2(AT_FDCWD, swapper->one, AT_FDCWD, swapper->other, RENAME_EXCHANGE);
        return NULL;
}

static void swapper_start(struct swapper *swapper, const char *one, const char *other) {
        snprintf(swapper->one, sizeof(swapper->one), "%s", scene_path(one));
        snprintf(swapper->other, sizeof(swapper->other), "%s", scene_path(other));
        swapper->stop = 0;
        ck_assert_int_eq(pthread_create(&swapper->thread, NULL, swap, swapper), 0);
}

static void swapper_stop(struct swapper *swapper) {
        __atomic_store_n(&swapper->stop, 1, __ATOMIC_RELAXED);
        pthread_join(swapper->thread, NULL);
}

/* Somebody exchanges a directory, and a file, for links that lead out, on either side, as fast as can be. */
START_TEST(swapped_all_the_time) {
        struct swapper directory, file, target;
        unsigned swapped = 0, whole = 0;
        struct fsop_stat outside;

        scene_mkdir("outside/d", 0, 0700);
        scene_file("outside/d/secret", 0, 0600, "secret");
        scene_file("outside/secret", 0, 0600, "secret");
        outside = scene_stat("outside/d");
        scene_mkdir("tree/src", NOBODY, 0777);
        scene_mkdir("tree/src/d", NOBODY, 0777);
        scene_file("tree/src/d/inside", NOBODY, 0644, "inside");
        scene_file("tree/src/f", NOBODY, 0644, "inside");
        scene_mkdir("tree/side", NOBODY, 0777);
        scene_symlink("../../outside/d", "tree/side/d");
        scene_symlink("../../outside/secret", "tree/side/f");
        scene_mkdir("tree/dst", NOBODY, 0777);
        scene_mkdir("tree/dst/d", NOBODY, 0777);
        scene_symlink("../../outside/d", "tree/side/target");
        scene.guard.foreign_parent = true;
        swapper_start(&directory, "tree/src/d", "tree/side/d");
        swapper_start(&file, "tree/src/f", "tree/side/f");
        swapper_start(&target, "tree/dst/d", "tree/side/target");
        for (unsigned round = 0; round < 400; round++) {
                struct copy_job *job = elevated();

                ck_assert_int_eq(copy_job_run(job), 0);
                swapped += job->n_failures > 0;
                whole += job->n_failures == 0;
                copy_job_free(job);
                ck_assert(!scene_exists("tree/dst/secret"));
                ck_assert(!scene_exists("outside/d/inside"));
                if (scene_exists("tree/dst/f") && S_ISREG(scene_stat("tree/dst/f").mode))
                        expect_text("tree/dst/f", "inside");
                unlink(scene_path("tree/dst/f"));
        }
        swapper_stop(&directory);
        swapper_stop(&file);
        swapper_stop(&target);
        ck_assert_uint_gt(swapped, 0);
        ck_assert_uint_gt(whole, 0);
        ck_assert_uint_eq(scene_stat("outside/d").mode, outside.mode);
        ck_assert_uint_eq(scene_stat("outside/d").uid, outside.uid);
        ck_assert_int_eq(scene_stat("outside/d").mtime.sec, outside.mtime.sec);
        ck_assert_int_eq(scene_stat("outside/d").mtime.nsec, outside.mtime.nsec);
        ck_assert_uint_eq(scene_stat("outside/secret").uid, 0);
}
END_TEST

/* What was just made is exchanged for something that must not be given away. */
START_TEST(what_is_made_is_swapped) {
        struct swapper swapper;
        unsigned swapped = 0, whole = 0;

        scene_mkdir("tree/src", 0, 0755);
        scene_symlink("somewhere", "tree/src/x");
        own("tree/src/x", NOBODY, NOBODY);
        scene_mkdir("tree/dst", NOBODY, 0777);
        scene_file("tree/dst/precious", 0, 0600, "precious");
        scene.guard.foreign_parent = true;
        /* the temporary name's serial begins at random: here it does not */
        swapper_start(&swapper, "tree/dst/.fsop-7-0123456789abcdef-00000042", "tree/dst/precious");
        for (unsigned round = 0; round < 2000 && (swapped == 0 || whole == 0 || round < 300); round++) {
                struct copy_file one = {.name = "x", .type = FSOP_TYPE_SYMLINK};
                struct copy_job *job = elevated();
                int precious = open(scene_path("tree/dst/precious"), O_RDONLY | O_CLOEXEC);
                struct copy_dir *top;
                struct stat st;

                ck_assert_int_ge(precious, 0);
                ck_assert_int_eq(copy_job_open(job), 0);
                ck_assert_int_eq(copy_top(&job->tree, &top, &job->error), 0);
                job->tree.serial = 0x42;
                copy_files(&job->tree, top, &one, 1);
                swapped += one.outcome == COPY_FAILED;
                whole += one.outcome == COPY_COPIED;
                copy_dir_free(top);
                copy_job_free(job);
                ck_assert_int_eq(fstat(precious, &st), 0);
                ck_assert_uint_eq(st.st_uid, 0);
                close(precious);
                /* the name is free again, and the precious one back */
                unlink(scene_path("tree/dst/.fsop-7-0123456789abcdef-00000042"));
                if (!S_ISREG(scene_stat("tree/dst/precious").mode)) {
                        unlink(scene_path("tree/dst/precious"));
                        scene_file("tree/dst/precious", 0, 0600, "precious");
                }
        }
        swapper_stop(&swapper);
        ck_assert_uint_gt(whole, 0);
}
END_TEST

static Suite *copy_suite(void) {
        Suite *suite = suite_create("copy");
        TCase *trees = tcase_create("filesystems"), *tcase = tcase_create("copy");

        tcase_set_timeout(trees, 120);
        tcase_add_loop_test(trees, a_tree_with_everything, 0, 4);
        tcase_add_loop_test(trees, clones, 0, 3);
        tcase_add_test(trees, no_room);
        suite_add_tcase(suite, trees);
        tcase_set_timeout(tcase, 60);
        tcase_add_checked_fixture(tcase, scene_open, scene_close);
        tcase_add_test(tcase, three_identities);
        tcase_add_test(tcase, a_single_file);
        tcase_add_test(tcase, a_deep_tree);
        tcase_add_test(tcase, counts);
        tcase_add_test(tcase, as_an_ordinary_user);
        tcase_add_test(tcase, nothing_preserved);
        tcase_add_test(tcase, default_acls_are_not_inherited);
        tcase_add_test(tcase, default_acls_decide_where_nothing_is_preserved);
        tcase_add_test(tcase, elevated_keeps_everything_but_set_id);
        tcase_add_test(tcase, elevated_keeps_set_id_where_the_rule_says);
        tcase_add_test(tcase, elevated_is_refused_file_by_file);
        tcase_add_test(tcase, capabilities_are_not_laundered);
        tcase_add_test(tcase, set_id_bits_go_without_the_owner);
        tcase_add_test(tcase, excluded_directories);
        tcase_add_test(tcase, what_else_a_rule_demands);
        tcase_add_test(tcase, ends_that_do_not_fit);
        tcase_add_test(tcase, files_become_something_else);
        tcase_add_test(tcase, files_become_something_else_at_home);
        tcase_add_test(tcase, directories_become_something_else);
        tcase_add_test(tcase, the_top_is_swapped);
        tcase_add_test(tcase, another_top_is_found);
        tcase_add_test(tcase, sweeps_what_it_can);
        tcase_add_test(tcase, updates);
        tcase_add_test(tcase, updates_when_somebody_is_faster);
        tcase_add_test(tcase, excludes);
        tcase_add_test(tcase, one_filesystem);
        tcase_add_test(tcase, nothing_of_procfs);
        tcase_add_test(tcase, stopped);
        tcase_add_test(tcase, enough_for_one_call);
        tcase_add_test(tcase, a_source_that_keeps_changing);
        tcase_add_test(tcase, given_up);
        tcase_add_test(tcase, resumed);
        tcase_add_test(tcase, resumed_at_the_end);
        tcase_add_test(tcase, resumed_in_a_trap);
        tcase_add_test(tcase, several_threads);
        tcase_add_test(tcase, swapped_all_the_time);
        tcase_add_test(tcase, what_is_made_is_swapped);
        suite_add_tcase(suite, tcase);
        return suite;
}

int main(void) {
        scene_need_root();
        return suite_run(copy_suite());
}
