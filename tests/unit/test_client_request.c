/* SPDX-License-Identifier: MIT */
/*
 * test_client_request.c: what libfsop makes of locations and arguments before they leave the process, what it refuses
 * itself (the daemon would close the connection for it), and how every kind of answer comes out.
 */
#include <check.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/client_kit.h"
#include "tests/support/descriptors.h"
#include "tests/support/suite.h"

/* Adds an operation that takes one location and no arguments that it could not do without. */
static int add(enum fsop_verb verb, const char *path) {
        struct fsop_at at = fsop_at_path(path, false);
        struct fsop_mknod_args args = {.size = sizeof(args), .type = FSOP_TYPE_FIFO};
        return fsop_batch_add(batch, verb, &at, NULL, verb == FSOP_VERB_MKNOD ? &args : NULL);
}

/* ---- paths ------------------------------------------------------------------------------------------------------ */

START_TEST(paths_become_absolute) {
        static const struct {
                enum fsop_verb verb;
                const char *path, *absolute, *relative; /* one of the two; relative: to the directory */
        } cases[] = {
                {FSOP_VERB_STAT, "/", "/", NULL},
                {FSOP_VERB_STAT, "//", "/", NULL},
                {FSOP_VERB_STAT, "/.", "/", NULL},
                {FSOP_VERB_STAT, "/x//y/./z", "/x/y/z", NULL},
                {FSOP_VERB_STAT, "/x/y/", "/x/y", NULL},
                {FSOP_VERB_STAT, "/x/y/.", "/x/y", NULL},
                {FSOP_VERB_STAT, "/x/y/.//", "/x/y", NULL},
                {FSOP_VERB_STAT, "/nowhere/../x", "/nowhere/../x", NULL},
                {FSOP_VERB_STAT, "/x\n\xff y", "/x\n\xff y", NULL},
                {FSOP_VERB_STAT, "...", NULL, "/..."},
                {FSOP_VERB_STAT, "f", NULL, "/f"},
                {FSOP_VERB_STAT, "./f", NULL, "/f"},
                {FSOP_VERB_STAT, "a//b", NULL, "/a/b"},
                {FSOP_VERB_STAT, ".", NULL, ""},
                {FSOP_VERB_STAT, "./.", NULL, ""},
                {FSOP_VERB_STAT, "a/..", NULL, ""},
                {FSOP_VERB_STAT, "a/../f", NULL, "/f"},
                {FSOP_VERB_STAT, "link/../f", NULL, "/a/f"}, /* the kernel's `..`, not the text's */
                {FSOP_VERB_STAT, "link", NULL, "/link"},
                {FSOP_VERB_STAT, "link/", NULL, "/a/b"},
                {FSOP_VERB_STAT, "a/b/", NULL, "/a/b"},
                {FSOP_VERB_STAT, "a/../link", NULL, "/link"}, /* the leaf stays what it is */
                {FSOP_VERB_STAT, "none/../f", NULL, "/none/../f"},
                {FSOP_VERB_MKDIR, "n/", NULL, "/n"},
                {FSOP_VERB_MKDIR, "a/../n//", NULL, "/n"},
                {FSOP_VERB_RMDIR, "a/", NULL, "/a"},
                {FSOP_VERB_UNLINK, "f", NULL, "/f"},
        };
        const uint32_t n = sizeof(cases) / sizeof(cases[0]);
        for (uint32_t i = 0; i < n; i++)
                ck_assert_int_eq(add(cases[i].verb, cases[i].path), (int)i);
        struct batch got = sent();
        for (uint32_t i = 0; i < n; i++) {
                ck_assert_int_eq(got.ops[i].at.kind, LOCATION_PATH);
                if (cases[i].absolute)
                        expect_path(got.ops[i].at.path, "%s", cases[i].absolute);
                else
                        expect_path(got.ops[i].at.path, "%s%s", directory, cases[i].relative);
        }
}
END_TEST

START_TEST(parents_directory_by_dots) {
        char parent[64];
        ck_assert_int_eq(chdir("a"), 0);
        ck_assert_int_eq(add(FSOP_VERB_STAT, ".."), 0);
        ck_assert_int_eq(add(FSOP_VERB_STAT, "../.."), 1);
        ck_assert_int_eq(add(FSOP_VERB_STAT, "../a/b/../x"), 2);
        struct batch got = sent();
        expect_path(got.ops[0].at.path, "%s", directory);
        strcpy(parent, directory);
        *strrchr(parent, '/') = 0;
        expect_path(got.ops[1].at.path, "%s", parent);
        expect_path(got.ops[2].at.path, "%s/a/x", directory);
}
END_TEST

START_TEST(names_that_are_none) {
        static const struct {
                enum fsop_verb verb;
                const char *path;
                int code;
        } cases[] = {
                {FSOP_VERB_STAT, "", FSOP_ENOENT},        {FSOP_VERB_MKDIR, ".", FSOP_EEXIST},
                {FSOP_VERB_MKDIR, "a/..", FSOP_EEXIST},   {FSOP_VERB_MKDIR, "/", FSOP_EEXIST},
                {FSOP_VERB_MKNOD, "..", FSOP_EEXIST},     {FSOP_VERB_RMDIR, "a/.", FSOP_EINVAL},
                {FSOP_VERB_RMDIR, "..", FSOP_EINVAL},     {FSOP_VERB_RMDIR, "/", FSOP_EBUSY},
                {FSOP_VERB_UNLINK, "a/..", FSOP_EINVAL},  {FSOP_VERB_RENAME, ".", FSOP_EINVAL},
                {FSOP_VERB_MKNOD, "n/", FSOP_ENOENT},     {FSOP_VERB_MKNOD, "a/", FSOP_EEXIST},
                {FSOP_VERB_UNLINK, "a/", FSOP_EISDIR},    {FSOP_VERB_UNLINK, "link/", FSOP_ENOTDIR},
                {FSOP_VERB_UNLINK, "none/", FSOP_ENOENT}, {FSOP_VERB_STAT, "file/", FSOP_ENOTDIR},
                {FSOP_VERB_STAT, "file/.", FSOP_ENOTDIR},
        };
        int file = open("file", O_CREAT | O_WRONLY, 0600);
        ck_assert_int_ge(file, 0);
        close(file);
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                struct fsop_at at = fsop_at_path(cases[i].path, false), to = fsop_at_path("t", false);
                struct fsop_mknod_args args = {.size = sizeof(args), .type = FSOP_TYPE_FIFO};
                int r = fsop_batch_add(batch, cases[i].verb, &at, cases[i].verb == FSOP_VERB_RENAME ? &to : NULL,
                                       cases[i].verb == FSOP_VERB_MKNOD ? &args : NULL);
                ck_assert_msg(r == -cases[i].code, "%s '%s': %s", fsop_verb_name(cases[i].verb), cases[i].path,
                              fsop_error_name(r));
                ck_assert_int_eq(fsop_last_error(fake.client)->verb, cases[i].verb);
        }
        ck_assert_uint_eq(fsop_batch_count(batch), 0);
        unlink("file");
}
END_TEST

START_TEST(long_paths) {
        static char path[5001];
        memset(path, 'x', 5000);
        path[0] = '/';
        path[4095] = 0;
        ck_assert_int_eq(add(FSOP_VERB_STAT, path), 0);
        path[4095] = 'x';
        path[4096] = 0;
        ck_assert_int_eq(add(FSOP_VERB_STAT, path), -FSOP_ENAMETOOLONG);
        /* Relative and too long when absolute: the parent goes as a descriptor. */
        memset(path, '/', 4000);
        memcpy(path, "a/b", 3);
        for (int i = 3; i < 3990; i += 2)
                memcpy(path + i, "/.", 2);
        strcpy(path + 3991, "/leaf");
        ck_assert_int_eq(add(FSOP_VERB_STAT, path), 1); /* all those dots say nothing */
        char name[201];
        memset(name, 'n', 200);
        name[200] = 0;
        for (int i = 0; i < 20; i++) { /* below the directory, more than 4095 bytes deep */
                ck_assert_int_eq(mkdir(name, 0700), 0);
                ck_assert_int_eq(chdir(name), 0);
        }
        path[0] = 0;
        for (int i = 0; i < 5; i++)
                strcat(strcat(path, i ? "/" : ""), name);
        ck_assert_int_eq(add(FSOP_VERB_STAT, path), 2); /* what is not there yet stays in the path */
        ck_assert_int_eq(add(FSOP_VERB_STAT, name), 3);
        struct batch got = sent();
        expect_path(got.ops[1].at.path, "%s/a/b/leaf", directory);
        ck_assert_int_eq(got.ops[2].at.kind, LOCATION_FD);
        expect_path(got.ops[2].at.path, "%s", path);
        expect_path(got.ops[3].at.path, "%s", name);
        ck_assert_uint_eq(fake.n_fds, 2);
        for (int i = 0; i < 20; i++) {
                ck_assert_int_eq(chdir(".."), 0);
                ck_assert_int_eq(rmdir(name), 0);
        }
}
END_TEST

START_TEST(a_directory_that_is_gone) {
        struct stat st;
        ck_assert_int_eq(mkdir("gone", 0700), 0);
        ck_assert_int_eq(chdir("gone"), 0);
        ck_assert_int_eq(rmdir("../gone"), 0);
        ck_assert_int_eq(add(FSOP_VERB_STAT, "x"), 0);
        ck_assert_int_eq(add(FSOP_VERB_STAT, "."), 1);
        struct batch got = sent();
        ck_assert_int_eq(got.ops[0].at.kind, LOCATION_FD);
        expect_path(got.ops[0].at.path, "x");
        expect_path(got.ops[1].at.path, "%s", "");
        ck_assert_int_eq(fstat(fake.fds[0], &st), 0);
        ck_assert_uint_eq(st.st_nlink, 0);
}
END_TEST

START_TEST(below_handles_and_descriptors) {
        struct fsop_handle stale = {.connection = 12345, .id = 1};
        struct fsop_at absolute = fsop_at_fd(0, "/x", false), below = fsop_at_fd(0, "x//./y/", true);
        struct fsop_at dots = fsop_at_fd(0, "../x", false), handle = fsop_at_handle(stale, NULL, false);
        struct fsop_read_args args = {.size = sizeof(args), .length = 1};
        ck_assert_int_eq(fsop_batch_stat(batch, &absolute), -FSOP_EINVAL);
        ck_assert_int_eq(fsop_batch_read(batch, &below, &args), -FSOP_EINVAL);
        ck_assert_int_eq(fsop_batch_stat(batch, &handle), -FSOP_ESTALE);
        ck_assert_int_eq(fsop_batch_mkdir(batch, &(struct fsop_at){.size = sizeof(absolute), .kind = FSOP_AT_FD}, NULL),
                         -FSOP_EINVAL);
        ck_assert_int_eq(fsop_batch_stat(batch, &below), 0);
        ck_assert_int_eq(fsop_batch_stat(batch, &dots), 1);
        struct batch got = sent();
        expect_path(got.ops[0].at.path, "x/y");
        ck_assert(got.ops[0].at.follow);
        expect_path(got.ops[1].at.path, "../x"); /* for the daemon to judge */
}
END_TEST

/* ---- a daemon that sees other paths ----------------------------------------------------------------------------- */

static void expect_directory(int fd, const char *path) {
        struct stat is, expected;
        ck_assert_int_eq(fstat(fd, &is), 0);
        ck_assert_int_eq(stat(path, &expected), 0);
        ck_assert_msg(is.st_dev == expected.st_dev && is.st_ino == expected.st_ino, "the descriptor is not %s", path);
        ck_assert_int_ne(fcntl(fd, F_GETFL) & O_PATH, 0);
}

START_TEST(foreign_paths_go_as_descriptors) {
        static const struct {
                const char *path;
                bool follow;
                const char *parent, *leaf;
        } cases[] = {
                {"f", false, ".", "f"},
                {"./g", false, ".", "g"},
                {"a/f", false, "a", "f"},
                {"a/b/f", false, "a/b", "f"},
                {"link/f", false, "a/b", "f"},
                {"link", false, ".", "link"},
                {"link", true, "a", "b"},
                {"link/", false, "a", "b"},
                {"dangling", true, ".", "dangling"},
                {"a/new/n/f", false, "a", "new/n/f"},
                {"/new-1/f", false, "/", "new-1/f"},
                {"a/../f", false, ".", "f"},
                {"a/b/..", false, ".", "a"},
                {"/", false, "/", ""},
                {"/etc/passwd", false, "/etc", "passwd"},
        };
        const uint32_t n = sizeof(cases) / sizeof(cases[0]);
        for (uint32_t i = 0; i < n; i++) {
                struct fsop_at at = fsop_at_path(cases[i].path, cases[i].follow);
                ck_assert_int_eq(fsop_batch_stat(batch, &at), (int)i);
        }
        struct fsop_at lost = fsop_at_path("link/file/f", false);
        int file = open("a/b/file", O_CREAT | O_WRONLY, 0600);
        ck_assert_int_ge(file, 0);
        close(file);
        ck_assert_int_eq(fsop_batch_stat(batch, &lost), -FSOP_ENOTDIR);
        unlink("a/b/file");
        struct batch got = sent();
        ck_assert_uint_eq(got.n_ops, n);
        for (uint32_t i = 0; i < n; i++) {
                const struct location *at = &got.ops[i].at;
                ck_assert_int_eq(at->kind, LOCATION_FD);
                ck_assert_uint_lt(at->fd_index, fake.n_fds);
                expect_directory(fake.fds[at->fd_index], cases[i].parent);
                expect_path(at->path, "%s", cases[i].leaf);
        }
        ck_assert_uint_eq(got.ops[0].at.fd_index, got.ops[1].at.fd_index); /* the same directory once */
        ck_assert(!got.ops[6].at.follow);
        ck_assert(got.ops[8].at.follow); /* where it leads is nowhere yet */
}
END_TEST

START_TEST(foreign_directories_are_limited) {
        char name[32];
        int r = 0;
        unsigned before = open_descriptors();
        for (unsigned i = 0; i <= WIRE_FRAME_FDS_MAX; i++) {
                snprintf(name, sizeof(name), "%u", i);
                ck_assert_int_eq(mkdir(name, 0755), 0);
                strcat(name, "/f");
                r = add(FSOP_VERB_STAT, name);
                ck_assert_int_eq(r, i < WIRE_FRAME_FDS_MAX ? (int)i : -FSOP_E2BIG);
        }
        ck_assert_uint_eq(open_descriptors(), before + WIRE_FRAME_FDS_MAX);
        struct batch got = sent();
        ck_assert_uint_eq(got.n_ops, WIRE_FRAME_FDS_MAX);
        ck_assert_uint_eq(fake.n_fds, WIRE_FRAME_FDS_MAX);
        ck_assert_uint_eq(open_descriptors(), before + WIRE_FRAME_FDS_MAX); /* theirs now, and no longer ours */
        for (unsigned i = 0; i <= WIRE_FRAME_FDS_MAX; i++) {
                snprintf(name, sizeof(name), "%u", i);
                rmdir(name);
        }
}
END_TEST

START_TEST(batches_that_are_not_sent_keep_nothing) {
        unsigned before = open_descriptors();
        ck_assert_int_eq(add(FSOP_VERB_STAT, "a/f"), 0);
        ck_assert_uint_eq(open_descriptors(), before + 1);
        ck_assert_int_eq(fsop_batch_reset(batch), 0);
        ck_assert_uint_eq(open_descriptors(), before);
        struct fsop_at at = fsop_at_path("a/f", false), bad = {.size = sizeof(bad)};
        ck_assert_int_eq(fsop_batch_link(batch, &at, &bad), -FSOP_EINVAL); /* found after the first was opened */
        ck_assert_uint_eq(open_descriptors(), before);
}
END_TEST

/* ---- arguments -------------------------------------------------------------------------------------------------- */

/* Every operation once, all its arguments at their largest. */
static void add_everything(void) {
        static const uint8_t data[1000];
        const struct fsop_bytes bytes = {data, sizeof(data)}, name = fsop_bytes_of("user.name");
        const struct fsop_create create = {.create = true, .mode = 07777, .has_umask = true, .umask = 0777};
        const struct fsop_walk walk = {.recursive = true, .follow = FSOP_FOLLOW_ALWAYS, .one_filesystem = true};
        const struct fsop_time time = {.sec = INT64_MIN, .nsec = 999999999};
        struct fsop_at at = fsop_at_path("/at", true), to = fsop_at_path("/to", true), fd = fsop_at_fd(0, NULL, false);
        struct fsop_ping_args ping = {.size = sizeof(ping), .payload = bytes};
        struct fsop_utimens_args utimens = {.size = sizeof(utimens),
                                            .atime_change = FSOP_TIME_SET,
                                            .mtime_change = FSOP_TIME_SET,
                                            .atime = time,
                                            .mtime = time,
                                            .create = create};
        struct fsop_chmod_args chmod_args = {.size = sizeof(chmod_args),
                                             .set = 07777,
                                             .clear = 07777,
                                             .set_x = 07777,
                                             .clear_x = 07777,
                                             .dir_keep = 07777,
                                             .walk = walk};
        struct fsop_chown_args chown_args = {.size = sizeof(chown_args),
                                             .has_uid = true,
                                             .has_gid = true,
                                             .has_from_uid = true,
                                             .has_from_gid = true,
                                             .uid = UINT32_MAX - 1,
                                             .gid = UINT32_MAX - 1,
                                             .from_uid = UINT32_MAX - 1,
                                             .from_gid = UINT32_MAX - 1,
                                             .walk = walk};
        struct fsop_mknod_args mknod_args = {.size = sizeof(mknod_args),
                                             .type = FSOP_TYPE_BLOCK,
                                             .major = UINT32_MAX,
                                             .minor = UINT32_MAX,
                                             .create = create};
        struct fsop_mkdir_args mkdir_args = {.size = sizeof(mkdir_args), .create = create};
        struct fsop_unlink_args unlink_args = {.size = sizeof(unlink_args), .walk = walk};
        struct fsop_rename_args rename_args = {.size = sizeof(rename_args), .exchange = true};
        struct fsop_ls_args ls = {
                .size = sizeof(ls), .cookie = UINT64_MAX, .entries_max = UINT32_MAX, .with_stat = true};
        struct fsop_symlink_args symlink_args = {.size = sizeof(symlink_args), .text = name};
        struct fsop_getxattr_args getxattr_args = {.size = sizeof(getxattr_args), .name = name, .size_max = UINT32_MAX};
        struct fsop_setxattr_args setxattr_args = {
                .size = sizeof(setxattr_args), .name = name, .value = bytes, .create = true};
        struct fsop_listxattr_args listxattr_args = {.size = sizeof(listxattr_args), .size_max = UINT32_MAX};
        struct fsop_removexattr_args removexattr_args = {.size = sizeof(removexattr_args), .name = name};
        struct fsop_fallocate_args fallocate_args = {.size = sizeof(fallocate_args),
                                                     .mode = FSOP_FALLOCATE_UNSHARE_RANGE,
                                                     .keep_size = true,
                                                     .offset = INT64_MAX - 1,
                                                     .length = 1,
                                                     .create = create};
        struct fsop_truncate_args truncate_args = {
                .size = sizeof(truncate_args), .length = INT64_MAX, .create = create};
        struct fsop_fadvise_args fadvise = {.size = sizeof(fadvise),
                                            .advice = FSOP_ADVICE_NOREUSE,
                                            .offset = 1ull << 62,
                                            .length = INT64_MAX - (1ull << 62)};
        struct fsop_copy_range_args copy = {.size = sizeof(copy),
                                            .src_offset = 1ull << 62,
                                            .dst_offset = 1ull << 62,
                                            .has_length = true,
                                            .length = INT64_MAX - (1ull << 62),
                                            .clone = FSOP_CLONE_NEVER,
                                            .create = create};
        struct fsop_open_args open_args = {.size = sizeof(open_args),
                                           .read = true,
                                           .write = true,
                                           .append = true,
                                           .truncate = true,
                                           .exclusive = true,
                                           .hint = FSOP_ADVICE_RANDOM,
                                           .create = create};
        struct fsop_read_args read_args = {
                .size = sizeof(read_args), .offset = INT64_MAX - WIRE_IO_BYTES_MAX, .length = WIRE_IO_BYTES_MAX};
        struct fsop_write_args write_args = {.size = sizeof(write_args), .offset = 1ull << 62, .data = bytes};
        struct fsop_fsync_args fsync_args = {.size = sizeof(fsync_args), .filesystem = true};
        struct fsop_bytes names[WIRE_JOB_NAMES_MAX];
        for (size_t i = 0; i < WIRE_JOB_NAMES_MAX; i++)
                names[i] = name;
        struct fsop_cp_args cp = {.size = sizeof(cp),
                                  .job = UINT64_MAX,
                                  .hold = true,
                                  .key = {data, WIRE_JOB_KEY_BYTES_MAX},
                                  .recursive = true,
                                  .one_filesystem = true,
                                  .verify = true,
                                  .preserve = FSOP_PRESERVE_ALL,
                                  .has_umask = true,
                                  .umask = 0777,
                                  .clone = FSOP_CLONE_NEVER,
                                  .sync = FSOP_SYNC_FILE,
                                  .update = FSOP_UPDATE_OLDER,
                                  .bytes_per_s = INT64_MAX,
                                  .priority = -WIRE_JOB_PRIORITY_MAX,
                                  .excludes = names,
                                  .n_excludes = WIRE_JOB_EXCLUDES_MAX,
                                  .names = names,
                                  .n_names = WIRE_JOB_NAMES_MAX};
        struct fsop_job_args list = {
                .size = sizeof(list), .all_users = true, .after = UINT64_MAX, .entries_max = UINT32_MAX};
        struct fsop_job_args show = {.size = sizeof(show),
                                     .id = UINT64_MAX,
                                     .want = FSOP_JOB_WANT_DIGESTS,
                                     .after = UINT64_MAX,
                                     .entries_max = UINT32_MAX};
        struct fsop_job_args watch = {
                .size = sizeof(watch), .id = UINT64_MAX, .after = UINT64_MAX, .entries_max = UINT32_MAX};
        struct fsop_job_args job = {.size = sizeof(job), .id = UINT64_MAX};
        struct fsop_explain_args explain = {.size = sizeof(explain),
                                            .user = fsop_bytes_of("nobody"),
                                            .verb = FSOP_VERB_RENAME,
                                            .at = &at,
                                            .to = &to,
                                            .args = &rename_args};
        int n = 0;
        ck_assert_int_eq(fsop_batch_ping(batch, &ping), n++);
        ck_assert_int_eq(fsop_batch_info(batch, &at), n++);
        ck_assert_int_eq(fsop_batch_status(batch), n++);
        ck_assert_int_eq(fsop_batch_explain(batch, &explain), n++);
        ck_assert_int_eq(fsop_batch_policy_reload(batch), n++);
        ck_assert_int_eq(fsop_batch_stat(batch, &at), n++);
        ck_assert_int_eq(fsop_batch_statfs(batch, &at), n++);
        ck_assert_int_eq(fsop_batch_utimens(batch, &at, &utimens), n++);
        ck_assert_int_eq(fsop_batch_chmod(batch, &at, &chmod_args), n++);
        ck_assert_int_eq(fsop_batch_chown(batch, &at, &chown_args), n++);
        ck_assert_int_eq(fsop_batch_mknod(batch, &at, &mknod_args), n++);
        ck_assert_int_eq(fsop_batch_opendir(batch, &at), n++);
        ck_assert_int_eq(fsop_batch_mkdir(batch, &at, &mkdir_args), n++);
        ck_assert_int_eq(fsop_batch_rmdir(batch, &at), n++);
        ck_assert_int_eq(fsop_batch_unlink(batch, &at, &unlink_args), n++);
        ck_assert_int_eq(fsop_batch_rename(batch, &at, &to, &rename_args), n++);
        ck_assert_int_eq(fsop_batch_ls(batch, &at, &ls), n++);
        ck_assert_int_eq(fsop_batch_symlink(batch, &at, &symlink_args), n++);
        ck_assert_int_eq(fsop_batch_link(batch, &at, &to), n++);
        ck_assert_int_eq(fsop_batch_readlink(batch, &at), n++);
        ck_assert_int_eq(fsop_batch_getxattr(batch, &at, &getxattr_args), n++);
        ck_assert_int_eq(fsop_batch_setxattr(batch, &at, &setxattr_args), n++);
        ck_assert_int_eq(fsop_batch_listxattr(batch, &at, &listxattr_args), n++);
        ck_assert_int_eq(fsop_batch_removexattr(batch, &at, &removexattr_args), n++);
        ck_assert_int_eq(fsop_batch_fallocate(batch, &at, &fallocate_args), n++);
        ck_assert_int_eq(fsop_batch_truncate(batch, &at, &truncate_args), n++);
        ck_assert_int_eq(fsop_batch_fadvise(batch, &at, &fadvise), n++);
        ck_assert_int_eq(fsop_batch_copy_range(batch, &at, &to, &copy), n++);
        ck_assert_int_eq(fsop_batch_open(batch, &at, &open_args), n++);
        ck_assert_int_eq(fsop_batch_open_fd(batch, &at, &open_args), n++);
        ck_assert_int_eq(fsop_batch_close(batch, (struct fsop_handle){.connection = 0}), -FSOP_ESTALE);
        ck_assert_int_eq(fsop_batch_read(batch, &fd, &read_args), n++);
        ck_assert_int_eq(fsop_batch_write(batch, &fd, &write_args), n++);
        ck_assert_int_eq(fsop_batch_fsync(batch, &at, &fsync_args), n++);
        ck_assert_int_eq(fsop_batch_cp(batch, &at, &to, &cp), n++);
        ck_assert_int_eq(fsop_batch_job(batch, FSOP_VERB_JOB_LIST, &list), n++);
        ck_assert_int_eq(fsop_batch_job(batch, FSOP_VERB_JOB_SHOW, &show), n++);
        ck_assert_int_eq(fsop_batch_job(batch, FSOP_VERB_JOB_WATCH, &watch), n++);
        for (int verb = FSOP_VERB_JOB_PAUSE; verb <= FSOP_VERB_JOB_FORGET; verb++)
                ck_assert_int_eq(fsop_batch_job(batch, (enum fsop_verb)verb, &job), n++);
}

START_TEST(everything_is_sent_as_given) {
        add_everything();
        struct batch got = sent(); /* decoded with the daemon's strictness */
        const struct operation *op = got.ops;
        uint64_t seen = 0;
        for (uint32_t i = 0; i < got.n_ops; i++)
                seen |= 1ull << op[i].verb;
        for (int verb = 1; verb < FSOP_VERB_LIMIT; verb++)
                if (fsop_verb_name((enum fsop_verb)verb) && verb != FSOP_VERB_CLOSE)
                        ck_assert_msg(seen >> verb & 1, "%s is missing", fsop_verb_name((enum fsop_verb)verb));
        ck_assert_int_eq(op[3].args.explain.op->verb, FSOP_VERB_RENAME);
        ck_assert(op[3].args.explain.op->args.rename.exchange);
        expect_path(op[3].args.explain.op->to.path, "/to");
        expect_path(op[3].args.explain.user, "nobody");
        ck_assert_int_eq(op[7].args.utimens.atime.sec, INT64_MIN);
        ck_assert_uint_eq(op[7].args.utimens.mtime.nsec, 999999999);
        ck_assert_uint_eq(op[8].args.chmod.dir_keep, 07777);
        ck_assert_int_eq(op[8].args.chmod.walk.follow, FSOP_FOLLOW_ALWAYS);
        ck_assert_uint_eq(op[9].args.chown.from_gid, UINT32_MAX - 1);
        ck_assert(op[9].args.chown.walk.one_filesystem);
        ck_assert_uint_eq(op[10].args.mknod.minor, UINT32_MAX);
        ck_assert_uint_eq(op[10].args.mknod.create.umask, 0777);
        expect_path(op[17].args.symlink, "user.name");
        ck_assert_uint_eq(op[21].args.xattr.value.len, 1000);
        ck_assert(op[21].args.xattr.create);
        ck_assert_uint_eq(op[24].args.fallocate.offset, INT64_MAX - 1);
        ck_assert_uint_eq(op[25].args.truncate.size, INT64_MAX);
        ck_assert_int_eq(op[27].args.copy_range.clone, FSOP_CLONE_NEVER);
        ck_assert(op[28].args.open.exclusive);
        ck_assert(op[32].args.fsync.filesystem);
        const struct cp_args *cp = &op[33].args.cp;
        expect_path(op[33].at.path, "/at");
        expect_path(op[33].to.path, "/to");
        ck_assert(op[33].at.follow && !op[33].to.follow);
        ck_assert(cp->hold && cp->recursive && cp->one_filesystem && cp->verify);
        ck_assert(cp->job == UINT64_MAX && cp->bytes_per_s == INT64_MAX);
        ck_assert_uint_eq(cp->key.len, WIRE_JOB_KEY_BYTES_MAX);
        ck_assert_uint_eq(cp->preserve, FSOP_PRESERVE_ALL);
        ck_assert_uint_eq(cp->umask, 0777);
        ck_assert_int_eq(cp->clone, FSOP_CLONE_NEVER);
        ck_assert_int_eq(cp->sync, FSOP_SYNC_FILE);
        ck_assert_int_eq(cp->update, FSOP_UPDATE_OLDER);
        ck_assert_int_eq(cp->priority, -100);
        ck_assert_uint_eq(cp->n_excludes, WIRE_JOB_EXCLUDES_MAX);
        expect_path(cp->excludes[WIRE_JOB_EXCLUDES_MAX - 1], "user.name");
        ck_assert_uint_eq(cp->n_names, WIRE_JOB_NAMES_MAX);
        expect_path(cp->names[WIRE_JOB_NAMES_MAX - 1], "user.name");
        ck_assert(op[34].args.job.all_users && op[34].args.job.after == UINT64_MAX);
        ck_assert_int_eq(op[35].args.job.want, JOB_WANT_DIGESTS);
        ck_assert_uint_eq(op[36].args.job.entries_max, WIRE_JOB_ENTRIES_MAX);
        ck_assert_int_eq(op[37].verb, FSOP_VERB_JOB_PAUSE);
        ck_assert(op[37].args.job.id == UINT64_MAX);
}
END_TEST

START_TEST(what_is_left_out_has_a_meaning) {
        struct fsop_at at = fsop_at_path("/x", false), to = fsop_at_path("/y", false);
        umask(027);
        ck_assert_int_eq(fsop_batch_mkdir(batch, &at, NULL), 0);
        ck_assert_int_eq(fsop_batch_utimens(batch, &at, NULL), 1);
        ck_assert_int_eq(fsop_batch_open(batch, &at, NULL), 2);
        ck_assert_int_eq(fsop_batch_copy_range(batch, &at, &to, NULL), 3);
        struct fsop_truncate_args plain = {.size = sizeof(plain)};
        struct fsop_truncate_args creating = {.size = sizeof(creating),
                                              .create = {.create = true, .mode = 0600, .has_umask = true, .umask = 01}};
        ck_assert_int_eq(fsop_batch_truncate(batch, &at, &plain), 4);
        ck_assert_int_eq(fsop_batch_truncate(batch, &at, &creating), 5);
        ck_assert_int_eq(umask(022), 027); /* asked, not changed */
        struct batch got = sent();
        ck_assert_uint_eq(got.ops[0].args.mkdir.mode, 0777);
        ck_assert_uint_eq(got.ops[0].args.mkdir.umask, 027);
        ck_assert_int_eq(got.ops[1].args.utimens.mtime_change, TIME_NOW);
        ck_assert(got.ops[2].args.open.read && !got.ops[2].args.open.write);
        ck_assert(!got.ops[3].args.copy_range.has_length);
        ck_assert(!got.ops[4].args.truncate.create.create);
        ck_assert_uint_eq(got.ops[5].args.truncate.create.umask, 01);
}
END_TEST

#define REFUSED(verb, code, structure, ...)                                                                            \
        do {                                                                                                           \
                structure args = {.size = sizeof(args), __VA_ARGS__};                                                  \
                struct fsop_at *second = verb == FSOP_VERB_RENAME || verb == FSOP_VERB_COPY_RANGE ? &at : NULL;        \
                bool open = verb == FSOP_VERB_READ || verb == FSOP_VERB_WRITE;                                         \
                bool none = verb == FSOP_VERB_PING || verb == FSOP_VERB_EXPLAIN;                                       \
                int r = fsop_batch_add(batch, verb, none ? NULL : open ? &fd : &at, second, &args);                    \
                ck_assert_msg(r == -(code), "%s: %s", fsop_verb_name(verb), r < 0 ? fsop_error_name(r) : "accepted");  \
        } while (0)

START_TEST(what_can_never_be_right_stays_here) {
        static const uint8_t data[WIRE_IO_BYTES_MAX + 1];
        static char name[300];
        struct fsop_at at = fsop_at_path("/x", false), fd = fsop_at_fd(0, NULL, false);
        memset(name, 'n', sizeof(name));
        struct fsop_bytes long_name = {name, 256}, nul = {"a\0b", 3}, ok = fsop_bytes_of("user.x");
        REFUSED(FSOP_VERB_CHOWN, FSOP_EINVAL, struct fsop_chown_args, .has_uid = true, .uid = UINT32_MAX);
        REFUSED(FSOP_VERB_CHOWN, FSOP_EINVAL, struct fsop_chown_args, .has_gid = true, .gid = UINT32_MAX);
        REFUSED(FSOP_VERB_CHOWN, FSOP_EINVAL, struct fsop_chown_args, .has_uid = true, .has_from_uid = true,
                .from_uid = UINT32_MAX);
        REFUSED(FSOP_VERB_CHOWN, FSOP_EINVAL, struct fsop_chown_args, .uid = 5);
        REFUSED(FSOP_VERB_CHOWN, FSOP_EINVAL, struct fsop_chown_args, .has_uid = true,
                .walk.follow = (enum fsop_follow)3);
        REFUSED(FSOP_VERB_CHMOD, FSOP_EINVAL, struct fsop_chmod_args, .set = 010000);
        REFUSED(FSOP_VERB_UTIMENS, FSOP_EINVAL, struct fsop_utimens_args, .atime_change = FSOP_TIME_SET,
                .atime.nsec = 1000000000);
        REFUSED(FSOP_VERB_UTIMENS, FSOP_EINVAL, struct fsop_utimens_args, .mtime_change = (enum fsop_time_change)3);
        REFUSED(FSOP_VERB_MKNOD, FSOP_EINVAL, struct fsop_mknod_args, .type = FSOP_TYPE_REGULAR);
        REFUSED(FSOP_VERB_MKNOD, FSOP_EINVAL, struct fsop_mknod_args, .type = FSOP_TYPE_FIFO, .minor = 1);
        REFUSED(FSOP_VERB_MKNOD, FSOP_EINVAL, struct fsop_mknod_args, .type = FSOP_TYPE_FIFO, .create.mode = 010644);
        REFUSED(FSOP_VERB_MKDIR, FSOP_EINVAL, struct fsop_mkdir_args, .create = {.has_umask = true, .umask = 01000});
        REFUSED(FSOP_VERB_RENAME, FSOP_EINVAL, struct fsop_rename_args, .no_replace = true, .exchange = true);
        REFUSED(FSOP_VERB_SYMLINK, FSOP_ENOENT, struct fsop_symlink_args, .text = {NULL, 0});
        REFUSED(FSOP_VERB_SYMLINK, FSOP_EINVAL, struct fsop_symlink_args, .text = nul);
        REFUSED(FSOP_VERB_SYMLINK, FSOP_ENAMETOOLONG, struct fsop_symlink_args, .text = {data, 4096});
        REFUSED(FSOP_VERB_GETXATTR, FSOP_EINVAL, struct fsop_getxattr_args, .size_max = 1);
        REFUSED(FSOP_VERB_GETXATTR, FSOP_ERANGE, struct fsop_getxattr_args, .name = long_name);
        REFUSED(FSOP_VERB_REMOVEXATTR, FSOP_EINVAL, struct fsop_removexattr_args, .name = nul);
        REFUSED(FSOP_VERB_SETXATTR, FSOP_EINVAL, struct fsop_setxattr_args, .name = ok, .create = true,
                .replace = true);
        REFUSED(FSOP_VERB_SETXATTR, FSOP_E2BIG, struct fsop_setxattr_args, .name = ok, .value = {data, 65537});
        REFUSED(FSOP_VERB_FALLOCATE, FSOP_EINVAL, struct fsop_fallocate_args, .offset = 1);
        REFUSED(FSOP_VERB_FALLOCATE, FSOP_EINVAL, struct fsop_fallocate_args, .offset = INT64_MAX, .length = 1);
        REFUSED(FSOP_VERB_FALLOCATE, FSOP_EINVAL, struct fsop_fallocate_args, .length = 1,
                .mode = (enum fsop_fallocate_mode)6);
        REFUSED(FSOP_VERB_TRUNCATE, FSOP_EINVAL, struct fsop_truncate_args, .length = 1ull << 63);
        REFUSED(FSOP_VERB_FADVISE, FSOP_EINVAL, struct fsop_fadvise_args, .advice = (enum fsop_advice)6);
        REFUSED(FSOP_VERB_FADVISE, FSOP_EINVAL, struct fsop_fadvise_args, .offset = 1ull << 63);
        REFUSED(FSOP_VERB_COPY_RANGE, FSOP_EINVAL, struct fsop_copy_range_args, .clone = (enum fsop_clone)3);
        REFUSED(FSOP_VERB_COPY_RANGE, FSOP_EINVAL, struct fsop_copy_range_args, .dst_offset = INT64_MAX,
                .has_length = true, .length = 1);
        REFUSED(FSOP_VERB_OPEN, FSOP_EINVAL, struct fsop_open_args, .append = true);
        REFUSED(FSOP_VERB_OPEN, FSOP_EINVAL, struct fsop_open_args, .read = true, .truncate = true);
        REFUSED(FSOP_VERB_OPEN, FSOP_EINVAL, struct fsop_open_args, .write = true, .exclusive = true);
        REFUSED(FSOP_VERB_OPEN_FD, FSOP_EINVAL, struct fsop_open_args, .read = true, .hint = FSOP_ADVICE_DONTNEED);
        REFUSED(FSOP_VERB_READ, FSOP_EINVAL, struct fsop_read_args, .length = WIRE_IO_BYTES_MAX + 1);
        REFUSED(FSOP_VERB_READ, FSOP_EINVAL, struct fsop_read_args, .offset = INT64_MAX, .length = 1);
        REFUSED(FSOP_VERB_WRITE, FSOP_EINVAL, struct fsop_write_args, .data = {data, sizeof(data)});
        REFUSED(FSOP_VERB_FSYNC, FSOP_EINVAL, struct fsop_fsync_args, .data_only = true, .filesystem = true);
        REFUSED(FSOP_VERB_PING, FSOP_EINVAL, struct fsop_ping_args, .payload = {data, sizeof(data)});
        REFUSED(FSOP_VERB_EXPLAIN, FSOP_EINVAL, struct fsop_explain_args, .verb = FSOP_VERB_EXPLAIN);
        REFUSED(FSOP_VERB_EXPLAIN, FSOP_EINVAL, struct fsop_explain_args, .verb = FSOP_VERB_STAT); /* of what? */
        REFUSED(FSOP_VERB_EXPLAIN, FSOP_EINVAL, struct fsop_explain_args, .verb = FSOP_VERB_STAT, .at = &at,
                .user = nul);
        REFUSED(FSOP_VERB_CLOSE, FSOP_EINVAL, struct fsop_read_args, .length = 1); /* takes no arguments */
        struct fsop_at held = {.size = sizeof(held), .kind = FSOP_AT_PATH, .path = nul}, odd = {.size = sizeof(odd)};
        ck_assert_int_eq(fsop_batch_stat(batch, &held), -FSOP_EINVAL);
        ck_assert_int_eq(fsop_batch_stat(batch, &odd), -FSOP_EINVAL);
        ck_assert_int_eq(fsop_batch_stat(batch, NULL), -FSOP_EINVAL);
        ck_assert_int_eq(fsop_batch_chown(batch, &at, NULL), -FSOP_EINVAL);
        ck_assert_int_eq(fsop_batch_add(batch, FSOP_VERB_STAT, &at, &at, NULL), -FSOP_EINVAL);
        ck_assert_int_eq(fsop_batch_add(batch, (enum fsop_verb)63, &at, NULL, NULL), -FSOP_EINVAL);
        ck_assert_int_eq(fsop_batch_add(batch, (enum fsop_verb) - 1, &at, NULL, NULL), -FSOP_EINVAL);
        ck_assert_int_eq(fsop_batch_add(batch, FSOP_VERB_CLOSE, &fd, NULL, NULL), -FSOP_EINVAL);
        ck_assert_uint_eq(fsop_batch_count(batch), 0);
        ck_assert_int_eq(fsop_batch_set_as(batch, (enum fsop_as)3), -FSOP_EINVAL);
        ck_assert_int_eq(fsop_set_as(fake.client, (enum fsop_as) - 1), -FSOP_EINVAL);
        struct fsop_batch *none;
        ck_assert_int_eq(fsop_batch_new(fake.client, (enum fsop_batch_mode)3, &none), -FSOP_EINVAL);
        ck_assert(fake_is_silent(&fake));
        /* Nor do messages carry what a terminal would act on. */
        struct fsop_at shown = fsop_at_path("/x/\x1b[31m\xc3\xa9\xff\\/..", false);
        ck_assert_int_eq(fsop_batch_mkdir(batch, &shown, NULL), -FSOP_EEXIST);
        ck_assert_str_eq(fsop_last_error(fake.client)->message.data,
                         "/x/\\x1b[31m\xc3\xa9\\xff\\x5c/..: exists already");
}
END_TEST

START_TEST(structures_of_other_versions) {
        struct fsop_at at = fsop_at_path("/x", false);
        struct {
                struct fsop_chmod_args known;
                uint64_t later;
        } longer = {.known = {.size = sizeof(longer), .set = 04}};
        ck_assert_int_eq(fsop_batch_chmod(batch, &at, &longer.known), 0);
        longer.later = 1;
        ck_assert_int_eq(fsop_batch_chmod(batch, &at, &longer.known), -FSOP_EINVAL);
        struct fsop_chmod_args shorter = {.size = offsetof(struct fsop_chmod_args, clear), .set = 05, .clear = 07};
        ck_assert_int_eq(fsop_batch_chmod(batch, &at, &shorter), 1);
        struct fsop_chmod_args none = {.size = 0};
        ck_assert_int_eq(fsop_batch_chmod(batch, &at, &none), -FSOP_EINVAL);
        at.size = 0;
        ck_assert_int_eq(fsop_batch_stat(batch, &at), -FSOP_EINVAL);
        struct batch got = sent();
        ck_assert_uint_eq(got.ops[0].args.chmod.set, 04);
        ck_assert_uint_eq(got.ops[1].args.chmod.set, 05);
        ck_assert_uint_eq(got.ops[1].args.chmod.clear, 0);
}
END_TEST

/* ---- limits ----------------------------------------------------------------------------------------------------- */

static void setup_small(void) {
        struct welcome welcome = fake_welcome();
        welcome.batch_ops_max = 100;
        welcome.frame_bytes_max = 8192;
        setup_with(&welcome);
}

START_TEST(full_batches_say_so) {
        static const uint8_t data[9000];
        struct fsop_at at = fsop_at_path("/x", false), fd = fsop_at_fd(0, NULL, false);
        struct fsop_setxattr_args small = {
                .size = sizeof(small), .name = fsop_bytes_of("user.x"), .value = {data, 3000}};
        struct fsop_write_args large = {.size = sizeof(large), .data = {data, sizeof(data)}};
        ck_assert_int_eq(fsop_batch_write(batch, &fd, &large), -FSOP_EMSGSIZE);
        ck_assert_int_eq(fsop_batch_setxattr(batch, &at, &small), 0);
        ck_assert_int_eq(fsop_batch_setxattr(batch, &at, &small), 1);
        ck_assert_int_eq(fsop_batch_setxattr(batch, &at, &small), -FSOP_E2BIG);
        ck_assert_uint_eq(sent().n_ops, 2);
        /* Small ones, until the count is reached or their bytes are. */
        struct fsop_batch *second;
        ck_assert_int_eq(fsop_batch_new(fake.client, FSOP_BATCH_ORDERED, &second), 0);
        int n = 0, r;
        while ((r = fsop_batch_ping(second, NULL)) >= 0)
                n++;
        ck_assert_int_eq(r, -FSOP_E2BIG);
        ck_assert_int_gt(n, 40);
        ck_assert_int_le(n, 100);
        ck_assert_int_eq(fsop_batch_submit(second, NULL, NULL, NULL), 0);
        ck_assert_int_eq((int)fake_receive_batch(&fake).n_ops, n);
        fsop_batch_free(second);
}
END_TEST

/* What was accepted fits: the estimate is never below the truth. */
START_TEST(what_was_accepted_can_be_sent) {
        struct fsop_at at = fsop_at_path("/x", true);
        const struct fsop_time time = {.sec = INT64_MIN, .nsec = 999999999};
        const struct fsop_create create = {.create = true, .mode = 07777, .has_umask = true, .umask = 0777};
        struct fsop_utimens_args utimens = {.size = sizeof(utimens),
                                            .atime_change = FSOP_TIME_SET,
                                            .mtime_change = FSOP_TIME_SET,
                                            .atime = time,
                                            .mtime = time,
                                            .create = create};
        struct fsop_explain_args explain = {
                .size = sizeof(explain), .verb = FSOP_VERB_UTIMENS, .at = &at, .args = &utimens};
        for (int verb = 0; verb < 2; verb++) {
                int r;
                do
                        r = verb ? fsop_batch_explain(batch, &explain) : fsop_batch_utimens(batch, &at, &utimens);
                while (r >= 0);
                ck_assert_int_eq(r, -FSOP_E2BIG);
                sent();
                fsop_batch_free(batch);
                ck_assert_int_eq(fake_receive(&fake).kind, MESSAGE_CANCEL);
                ck_assert_int_eq(fsop_batch_new(fake.client, FSOP_BATCH_PARALLEL, &batch), 0);
        }
        fsop_batch_free(batch);
        fake_fini(&fake);
        fake_start(&fake, NULL);
        ck_assert_int_eq(fsop_batch_new(fake.client, FSOP_BATCH_PARALLEL, &batch), 0);
        add_everything();
        sent();
}
END_TEST

/* ---- answers of every kind -------------------------------------------------------------------------------------- */

START_TEST(every_kind_of_answer) {
        static const uint8_t value[] = {'a', 0, 'b'};
        struct support support[] = {
                {.verb = FSOP_VERB_STAT, .feature = wire_text("stat"), .level = FSOP_SUPPORT_NATIVE},
                {.feature = wire_text("reflink"), .level = FSOP_SUPPORT_UNKNOWN, .note = wire_text("why")}};
        struct counter counters[] = {{.name = wire_text("sessions"), .value = 3, .has_limit = true, .limit = 9}};
        struct bytes notes[] = {wire_text("one"), wire_text("two")};
        struct result results[] = {
                {.verb = FSOP_VERB_INFO,
                 .value.info = {.version = wire_text("1"),
                                .platform = wire_text("P"),
                                .engine = wire_text("E"),
                                .support = support,
                                .n_support = 2,
                                .has_filesystem = true,
                                .filesystem = wire_text("xfs"),
                                .features = support,
                                .n_features = 2}},
                {.verb = FSOP_VERB_STATUS,
                 .value.status = {.counters = counters, .n_counters = 1, .no_jobs = wire_text("no room")}},
                {.verb = FSOP_VERB_EXPLAIN,
                 .value.explain = {.allowed = true,
                                   .as = FSOP_AS_ELEVATED,
                                   .rule = wire_text("r"),
                                   .where = wire_text("f:1"),
                                   .reason = wire_text("so"),
                                   .notes = notes,
                                   .n_notes = 2}},
                {.verb = FSOP_VERB_POLICY_RELOAD, .value.reload = {.rules = 7, .warnings = notes, .n_warnings = 1}},
                {.verb = FSOP_VERB_STATFS, .value.statfs = {.bsize = 4096}},
                {.verb = FSOP_VERB_READLINK, .value.data = wire_text("target")},
                {.verb = FSOP_VERB_GETXATTR, .value.data = {value, 3}},
                {.verb = FSOP_VERB_LISTXATTR, .value.data = {NULL, 0}},
                {.verb = FSOP_VERB_COPY_RANGE, .value.count = 5, .cloned = true},
                {.verb = FSOP_VERB_OPEN, .value.handle = 8},
                {.verb = FSOP_VERB_CLOSE},
                {.verb = FSOP_VERB_MKDIR},
                failed_result(0, FSOP_VERB_MKDIR, FSOP_EEXIST, FSOP_OUTCOME_DONE),
        };
        struct fsop_at at = fsop_at_path("/x", false), to = fsop_at_path("/y", false);
        const struct fsop_info_result *info;
        const struct fsop_status_result *status;
        const struct fsop_explain_result *explained;
        const struct fsop_reload_result *reload;
        struct fsop_statfs statfs_result;
        struct fsop_bytes bytes;
        struct fsop_handle handle;
        uint64_t count;
        bool cloned;
        fake_serve(&fake, results, sizeof(results) / sizeof(results[0]));
        ck_assert_int_eq(fsop_info(fake.client, &at, &info), 0);
        expect_text(info->filesystem, "xfs");
        expect_text(info->features[1].note, "why");
        ck_assert_int_eq(info->support[1].level, FSOP_SUPPORT_UNKNOWN);
        ck_assert_int_eq(fsop_status(fake.client, &status), 0);
        expect_text(status->counters[0].name, "sessions");
        ck_assert_uint_eq(status->counters[0].limit, 9);
        struct fsop_explain_args explain = {.size = sizeof(explain), .verb = FSOP_VERB_STAT, .at = &at};
        ck_assert_int_eq(fsop_explain(fake.client, &explain, &explained), 0);
        ck_assert(explained->allowed);
        expect_text(explained->where, "f:1");
        expect_text(explained->notes[1], "two");
        ck_assert_int_eq(fsop_policy_reload(fake.client, &reload), 0);
        ck_assert_uint_eq(reload->rules, 7);
        expect_text(reload->warnings[0], "one");
        ck_assert_int_eq(fsop_statfs(fake.client, &at, &statfs_result), 0);
        ck_assert_uint_eq(statfs_result.bsize, 4096);
        ck_assert_int_eq(fsop_readlink(fake.client, &at, &bytes), 0);
        expect_text(bytes, "target");
        struct fsop_getxattr_args name = {.size = sizeof(name), .name = fsop_bytes_of("user.x")};
        ck_assert_int_eq(fsop_getxattr(fake.client, &at, &name, &bytes), 0);
        ck_assert_uint_eq(bytes.len, 3);
        ck_assert_int_eq(memcmp(bytes.data, "a\0b", 4), 0);
        ck_assert_int_eq(fsop_listxattr(fake.client, &at, NULL, &bytes), 0);
        expect_text(bytes, "");
        ck_assert_int_eq(fsop_copy_range(fake.client, &at, &to, NULL, &count, &cloned), 0);
        ck_assert_uint_eq(count, 5);
        ck_assert(cloned);
        ck_assert_int_eq(fsop_open_handle(fake.client, &at, NULL, &handle), 0);
        ck_assert_uint_eq(handle.id, 8);
        ck_assert_int_eq(fsop_close_handle(fake.client, handle), 0);
        ck_assert_int_eq(fsop_mkdir(fake.client, &at, NULL), 0);
        ck_assert_int_eq(fsop_mkdir(fake.client, &at, NULL), -FSOP_EEXIST);
        fake_served(&fake);
        ck_assert_int_eq(fake.served[10].at.kind, LOCATION_HANDLE);
}
END_TEST

START_TEST(words_for_numbers) {
        ck_assert_str_eq(fsop_error_name(-FSOP_ENOENT), "ENOENT");
        ck_assert_str_eq(fsop_error_name(FSOP_ENOENT), "ENOENT");
        ck_assert_ptr_null(fsop_error_name(2));
        ck_assert_ptr_null(fsop_error_name(INT_MIN));
        ck_assert_ptr_nonnull(fsop_strerror(INT_MIN));
        ck_assert_str_eq(fsop_error_class_name(FSOP_CLASS_DENIED), "denied");
        ck_assert_str_eq(fsop_outcome_name(FSOP_OUTCOME_UNKNOWN), "unknown");
        ck_assert_int_eq(fsop_verb_from_name("copy-range"), FSOP_VERB_COPY_RANGE);
        ck_assert_int_eq(fsop_verb_from_name("nonsense"), FSOP_VERB_NONE);
        ck_assert_int_eq(fsop_verb_from_name(NULL), FSOP_VERB_NONE);
        ck_assert_int_eq(fsop_as_from_name("elevated"), FSOP_AS_ELEVATED);
        ck_assert_int_eq(fsop_as_from_name("root"), -FSOP_EINVAL);
        ck_assert_int_eq(fsop_advice_from_name("willneed"), FSOP_ADVICE_WILLNEED);
        ck_assert_int_eq(fsop_clone_from_name("never"), FSOP_CLONE_NEVER);
        ck_assert_str_eq(fsop_advice_name(FSOP_ADVICE_RANDOM), "random");
        ck_assert_str_eq(fsop_clone_name(FSOP_CLONE_AUTO), "auto");
        ck_assert_str_eq(fsop_job_state_name(FSOP_JOB_VERIFYING), "verifying");
        ck_assert_ptr_null(fsop_job_state_name((enum fsop_job_state)9));
        ck_assert_str_eq(fsop_sync_name(FSOP_SYNC_FILE), "file");
        ck_assert_int_eq(fsop_sync_from_name("none"), FSOP_SYNC_NONE);
        ck_assert_int_eq(fsop_sync_from_name(NULL), -FSOP_EINVAL);
        ck_assert_str_eq(fsop_update_name(FSOP_UPDATE_OLDER), "older");
        ck_assert_int_eq(fsop_update_from_name("none-fail"), FSOP_UPDATE_NONE_FAIL);
        ck_assert_int_eq(fsop_update_from_name("never"), -FSOP_EINVAL);
        ck_assert_str_eq(fsop_file_type_name(FSOP_TYPE_FIFO), "fifo");
        ck_assert_str_eq(fsop_support_level_name(FSOP_SUPPORT_EMULATED), "emulated");
        ck_assert_ptr_nonnull(strchr(fsop_version(), '.'));
}
END_TEST

/* ---- all of it -------------------------------------------------------------------------------------------------- */

static Suite *request_suite(void) {
        Suite *suite = suite_create("client_request");
        TCase *local = tcase_create("local"), *foreign = tcase_create("foreign"), *small = tcase_create("small");
        tcase_add_checked_fixture(local, setup, teardown);
        tcase_add_test(local, paths_become_absolute);
        tcase_add_test(local, parents_directory_by_dots);
        tcase_add_test(local, names_that_are_none);
        tcase_add_test(local, long_paths);
        tcase_add_test(local, a_directory_that_is_gone);
        tcase_add_test(local, below_handles_and_descriptors);
        tcase_add_test(local, everything_is_sent_as_given);
        tcase_add_test(local, what_is_left_out_has_a_meaning);
        tcase_add_test(local, what_can_never_be_right_stays_here);
        tcase_add_test(local, structures_of_other_versions);
        tcase_add_test(local, every_kind_of_answer);
        tcase_add_test(local, words_for_numbers);
        suite_add_tcase(suite, local);
        tcase_add_checked_fixture(foreign, setup_foreign, teardown);
        tcase_add_test(foreign, foreign_paths_go_as_descriptors);
        tcase_add_test(foreign, foreign_directories_are_limited);
        tcase_add_test(foreign, batches_that_are_not_sent_keep_nothing);
        suite_add_tcase(suite, foreign);
        tcase_add_checked_fixture(small, setup_small, teardown);
        tcase_add_test(small, full_batches_say_so);
        tcase_add_test(small, what_was_accepted_can_be_sent);
        suite_add_tcase(suite, small);
        return suite;
}

int main(void) {
        return suite_run(request_suite());
}
