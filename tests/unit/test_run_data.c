/* SPDX-License-Identifier: MIT */
/*
 * test_run_data.c: what operations on open files, and listings, do to a real filesystem, at the edges of what they
 * take.
 */
#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "backends/linux/sys_linux.h"
#include "tests/support/scene.h"
#include "tests/support/suite.h"

/* ---- data -------------------------------------------------------------------------------------------------------- */

static os_fd open_file(const char *name, struct open_args args) {
        struct request *request = request_root(FSOP_VERB_OPEN, name);
        os_fd fd;

        request->op.args.open = args;
        assert_ok(request_run(request));
        fd = request->sys.opened;
        ck_assert(fd != OS_FD_NONE);
        request->sys.opened = OS_FD_NONE;
        request_free(request);
        return fd;
}

static uint64_t write_at(os_fd fd, uint64_t offset, const char *text) {
        struct request *request = request_on(FSOP_VERB_WRITE, fd);
        uint64_t count;

        request->op.args.write = (struct write_args){.offset = offset, .data = {(const uint8_t *)text, strlen(text)}};
        assert_ok(request_run(request));
        count = request->result.value.count;
        request_free(request);
        return count;
}

START_TEST(reading_and_writing) {
        const uint64_t far = UINT64_C(5) << 30;
        os_fd fd = open_file("tree/f",
                             (struct open_args){.read = true, .write = true, .create = {.create = true, .mode = 0600}});
        struct request *request;

        ck_assert_uint_eq(write_at(fd, 0, "hello"), 5);
        ck_assert_uint_eq(write_at(fd, far, "far away"), 8);
        request = request_on(FSOP_VERB_READ, fd);
        request->op.args.read = (struct read_args){.offset = far + 4, .length = 100};
        assert_ok(request_run(request));
        ck_assert_uint_eq(request->result.value.data.len, 4);
        ck_assert_int_eq(memcmp(request->result.value.data.data, "away", 4), 0);
        request->op.args.read.offset = far * 2;
        assert_ok(request_run(request));
        ck_assert_uint_eq(request->result.value.data.len, 0);
        request_free(request);
        for (int i = 0; i < 3; i++) {
                request = request_on(FSOP_VERB_FSYNC, fd);
                request->op.args.fsync = (struct fsync_args){.data_only = i == 1, .filesystem = i == 2};
                assert_ok(request_finish(request));
        }
        sys_close(fd);
        fd = open_file("tree/f", (struct open_args){.append = true, .truncate = true});
        ck_assert_uint_eq(write_at(fd, 1000, "a"), 1);
        ck_assert_uint_eq(write_at(fd, 0, "b"), 1);
        ck_assert_uint_eq(scene_stat("tree/f").size, 2);
        request = request_on(FSOP_VERB_READ, fd);
        request->op.args.read.length = 1;
        ck_assert_int_eq(request_finish(request), -FSOP_EBADF);
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
                        struct request *request = request_root(kind == 0   ? FSOP_VERB_OPEN
                                                               : kind == 1 ? FSOP_VERB_OPEN_FD
                                                               : kind == 2 ? FSOP_VERB_TRUNCATE
                                                                           : FSOP_VERB_FALLOCATE,
                                                               names[i]);

                        if (kind < 2)
                                request->op.args.open = (struct open_args){.read = true, .write = kind == 1};
                        if (kind == 3)
                                request->op.args.fallocate.length = 1;
                        ck_assert_int_eq(request_run(request), -FSOP_EINVAL);
                        ck_assert_ptr_nonnull(request->sys.why);
                        ck_assert_int_eq(request->sys.opened, OS_FD_NONE);
                        request_free(request);
                }
        struct request *request = request_root(FSOP_VERB_OPEN, "tree");
        request->op.args.open.read = true;
        ck_assert_int_eq(request_finish(request), -FSOP_EISDIR);
        request = request_root(FSOP_VERB_OPEN, "tree/link");
        request->op.args.open.read = true;
        ck_assert_int_eq(request_finish(request), -FSOP_ELOOP);
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
        request = request_elevated(FSOP_VERB_OPEN_FD, "dir");
        scene_mkdir("tree/dir", 0, 0755);
        request->op.args.open.read = true;
        ck_assert_int_eq(request_run(request), -FSOP_EPERM);
        ck_assert(request->sys.guarded);
        request_free(request);
        scene_file("tree/f", 0, 0600, "x");
        request = request_elevated(FSOP_VERB_OPEN_FD, "f");
        request->op.args.open = (struct open_args){.read = true, .write = true, .append = true};
        assert_ok(request_run(request));
        ck_assert_int_eq(fcntl((int)request->sys.opened, F_GETFL) & (O_ACCMODE | O_APPEND | O_NONBLOCK | O_PATH),
                         O_RDWR | O_APPEND);
        ck_assert(fcntl((int)request->sys.opened, F_GETFD) & FD_CLOEXEC);
        request_free(request);
        request = request_root(FSOP_VERB_OPEN, "tree/f");
        request->op.args.open =
                (struct open_args){.write = true, .exclusive = true, .create = {.create = true, .mode = 0600}};
        ck_assert_int_eq(request_run(request), -FSOP_EEXIST);
        request->op.args.open = (struct open_args){.truncate = true};
        ck_assert_int_eq(request_finish(request), -FSOP_EINVAL);
}
END_TEST

/* A passed descriptor is good for what it was opened for. */
START_TEST(the_mode_of_a_passed_descriptor) {
        struct request *request;
        int fd;

        scene_file("tree/f", 0, 0666, "hello");
        fd = open(scene_path("tree/f"), O_RDONLY | O_CLOEXEC);
        request = request_on(FSOP_VERB_TRUNCATE, fd);
        ck_assert_int_eq(request_finish(request), -FSOP_EINVAL);
        request = request_on(FSOP_VERB_FALLOCATE, fd);
        request->op.args.fallocate.length = 1;
        ck_assert_int_eq(request_finish(request), -FSOP_EBADF);
        request = request_on(FSOP_VERB_WRITE, fd);
        request->op.args.write.data = (struct bytes){(const uint8_t *)"x", 1};
        ck_assert_int_eq(request_finish(request), -FSOP_EBADF);
        close(fd);
        fd = open(scene_path("tree/f"), O_PATH | O_CLOEXEC);
        request = request_on(FSOP_VERB_READ, fd);
        request->op.args.read.length = 1;
        ck_assert_int_eq(request_finish(request), -FSOP_EBADF);
        close(fd);
        ck_assert_uint_eq(scene_stat("tree/f").size, 5);
}
END_TEST

START_TEST(truncate_and_fallocate) {
        struct request *request = request_root(FSOP_VERB_TRUNCATE, "tree/f");
        uint64_t blocks;
        int code;

        request->op.args.truncate =
                (struct truncate_args){.size = UINT64_C(6) << 30, .create = {.create = true, .mode = 0600}};
        assert_ok(request_run(request));
        ck_assert_uint_eq(scene_stat("tree/f").size, UINT64_C(6) << 30);
        request->op.args.truncate.size = 0;
        assert_ok(request_finish(request));
        request = request_root(FSOP_VERB_FALLOCATE, "tree/f");
        request->op.args.fallocate = (struct fallocate_args){.length = 1 << 20, .keep_size = true};
        assert_ok(request_run(request));
        ck_assert_uint_eq(scene_stat("tree/f").size, 0);
        ck_assert_uint_ge(scene_stat("tree/f").blocks, 2048);
        request->op.args.fallocate = (struct fallocate_args){.length = 1 << 20};
        assert_ok(request_run(request));
        ck_assert_uint_eq(scene_stat("tree/f").size, 1 << 20);
        blocks = scene_stat("tree/f").blocks;
        request->op.args.fallocate =
                (struct fallocate_args){.mode = FSOP_FALLOCATE_PUNCH_HOLE, .offset = 65536, .length = 65536};
        assert_ok(request_run(request));
        ck_assert_uint_lt(scene_stat("tree/f").blocks, blocks);
        ck_assert_uint_eq(scene_stat("tree/f").size, 1 << 20);
        request->op.args.fallocate =
                (struct fallocate_args){.mode = FSOP_FALLOCATE_ZERO_RANGE, .length = 2 << 20, .keep_size = true};
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
        ck_assert_int_eq(request_finish(request), -FSOP_EINVAL);
}
END_TEST

START_TEST(advice) {
        scene_file("tree/f", NOBODY, 0200, "x");
        for (int i = 0; i < 6; i++) {
                struct request *request = request_new(FSOP_VERB_FADVISE, scene_path("tree/f"));

                request->op.args.fadvise.advice = (enum fsop_advice)i;
                assert_ok(request_finish(request)); /* write permission is enough */
        }
        ck_assert_int_eq(request_once(FSOP_VERB_FADVISE, scene_path("tree/f"), scene.somebody), -FSOP_EACCES);
        ck_assert_int_eq(request_once(FSOP_VERB_FADVISE, scene_path("tree"), scene.nobody), -FSOP_EISDIR);
}
END_TEST

/* ---- listing ----------------------------------------------------------------------------------------------------- */

START_TEST(listing_by_pages) {
        const unsigned n = 700;
        bool seen[700] = {false};
        struct request *request = request_root(FSOP_VERB_LS, "tree/d");
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
        ck_assert_int_eq(request_finish(request), -FSOP_ENOBUFS);
        ck_assert_int_eq(request_once(FSOP_VERB_LS, scene_path("none"), scene.nobody), -FSOP_ENOENT);
        ck_assert_int_eq(request_once(FSOP_VERB_LS, scene_path("tree/d/1-with a rather long name"), scene.nobody),
                         -FSOP_ENOTDIR);
        scene_mkdir("tree/x", 0, 0711);
        ck_assert_int_eq(request_once(FSOP_VERB_LS, scene_path("tree/x"), scene.nobody), -FSOP_EACCES);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("run_data");
        TCase *here = tcase_create("here");

        scene_need_root();
        tcase_add_checked_fixture(here, scene_open, scene_close);
        tcase_set_timeout(here, 120);
        tcase_add_test(here, reading_and_writing);
        tcase_add_test(here, only_regular_files_are_opened);
        tcase_add_test(here, passed_back_descriptors);
        tcase_add_test(here, the_mode_of_a_passed_descriptor);
        tcase_add_test(here, truncate_and_fallocate);
        tcase_add_test(here, advice);
        tcase_add_test(here, listing_by_pages);
        suite_add_tcase(suite, here);
        return suite_run(suite);
}
