/* SPDX-License-Identifier: MIT */
/*
 * test_run_filesystems.c: copies within one file and between filesystems, and that no set-id bit survives an elevated
 * change where the rule does not say so: here, and on xfs, btrfs and ext4.
 */
#include <check.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backends/linux/sys_linux.h"
#include "tests/support/scene.h"
#include "tests/support/suite.h"

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
        bool same = pread(a_fd, one, len, (off_t)a_offset) == (ssize_t)len &&
                    pread(b_fd, other, len, (off_t)b_offset) == (ssize_t)len && memcmp(one, other, len) == 0;

        close(a_fd);
        close(b_fd);
        free(one);
        free(other);
        return same;
}

static struct request *copy(const char *from, const char *to, struct copy_range_args args) {
        struct request *request = request_root(FSOP_VERB_COPY_RANGE, from);

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
                request = copy("tree/from", "tree/to",
                               (struct copy_range_args){.clone = (enum fsop_clone)clone, .create = create});
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
                request = copy("tree/from", "tree/to",
                               (struct copy_range_args){.clone = (enum fsop_clone)clone,
                                                        .create = create,
                                                        .src_offset = 5,
                                                        .dst_offset = 1001,
                                                        .has_length = true,
                                                        .length = 100000});
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
        assert_ok(request_finish(
                copy("tree/from", "tree/from",
                     (struct copy_range_args){.dst_offset = 4 << 20, .has_length = true, .length = 4096})));
        ck_assert(same_bytes("tree/from", 0, "tree/from", 4 << 20, 4096));
        ck_assert_int_eq(
                request_finish(copy("tree/from", "tree/from",
                                    (struct copy_range_args){.dst_offset = 100, .has_length = true, .length = 4096})),
                -FSOP_EINVAL);
        request = copy("tree/from", "tree/to", (struct copy_range_args){.create = create});
        request->sys.cancelled = 1;
        ck_assert_int_eq(request_finish(request), -FSOP_ECANCELED);
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
        ck_assert_int_lt(
                request_finish(copy("tree/from", "tree/m/to", (struct copy_range_args){.clone = FSOP_CLONE_ALWAYS})),
                0);
        /* values of 64 KiB, which few filesystems take */
        char *value = malloc(65536);
        memset(value, 'v', 65536);
        request = request_attribute(FSOP_VERB_SETXATTR, "tree/m/to", "trusted.large", value, 65536);
        int code = request_finish(request);
        if (code == 0) {
                request = request_attribute(FSOP_VERB_GETXATTR, "tree/m/to", "trusted.large", NULL, 0);
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
        struct request *request = request_elevated(FSOP_VERB_OPEN, "victim");
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
                request = request_on(FSOP_VERB_WRITE, fd);
                request->sys.at.guard = &scene.guard;
                request->op.args.write.data = (struct bytes){(const uint8_t *)"evil", 4};
                assert_ok(request_finish(request));
                sys_close(fd);
                stripped("write");

                victim(modes[i]);
                request = request_elevated(FSOP_VERB_TRUNCATE, "victim");
                request->op.args.truncate.size = 3;
                assert_ok(request_finish(request));
                stripped("truncate");

                victim(modes[i]);
                request = request_elevated(FSOP_VERB_OPEN, "victim");
                request->op.args.open = (struct open_args){.write = true, .truncate = true};
                assert_ok(request_finish(request));
                stripped("open with truncate");

                victim(modes[i]);
                request = request_elevated(FSOP_VERB_FALLOCATE, "victim");
                request->op.args.fallocate = (struct fallocate_args){.length = 8192};
                assert_ok(request_finish(request));
                stripped("fallocate");

                victim(modes[i]);
                request = request_elevated(FSOP_VERB_FALLOCATE, "victim");
                request->op.args.fallocate = (struct fallocate_args){.mode = FSOP_FALLOCATE_PUNCH_HOLE, .length = 4096};
                assert_ok(request_finish(request));
                stripped("punching a hole");

                victim(modes[i]);
                request = request_elevated(FSOP_VERB_CHOWN, "victim");
                request->op.args.chown = (struct chown_args){.has_uid = true, .uid = 0};
                assert_ok(request_finish(request));
                stripped("chown to root");

                victim(modes[i]);
                request = request_elevated(FSOP_VERB_CHOWN, "victim");
                request->op.args.chown = (struct chown_args){.has_gid = true, .gid = 0};
                assert_ok(request_finish(request));
                stripped("chgrp to root");

                /* the kernel leaves set-gid without group execution to members of the group: the service is one of
                 * root's */
                victim(modes[i]);
                ck_assert_int_eq(chown(scene_path("tree/victim"), NOBODY, 0), 0);
                assert_ok(identity_wear(identity_of_service(true)));
                ck_assert_int_eq(chmod(scene_path("tree/victim"), modes[i]), 0);
                identity_wear_service();
                request = request_elevated(FSOP_VERB_CHOWN, "victim");
                request->op.args.chown = (struct chown_args){.has_uid = true, .uid = 0};
                assert_ok(request_finish(request));
                stripped("chown in root's group");

                for (int clone = 0; clone < 3; clone++) {
                        if (clone == FSOP_CLONE_ALWAYS && !can_clone)
                                continue;
                        victim(modes[i]);
                        request = request_elevated(FSOP_VERB_COPY_RANGE, "source");
                        request_to(request, "victim");
                        request->op.args.copy_range.clone = (enum fsop_clone)clone;
                        assert_ok(request_finish(request));
                        stripped("copying over it");
                }
        }
        /* and they do where the rule lets them, if the kernel does */
        scene.guard.set_id = true;
        victim(06755);
        struct request *request = request_elevated(FSOP_VERB_TRUNCATE, "victim");
        request->op.args.truncate.size = 3;
        assert_ok(request_finish(request));
        ck_assert_uint_eq(scene_stat("tree/victim").mode & 07777, 06755);
}

START_TEST(set_id_bits_go) {
        no_bit_survives(false);
}
END_TEST

/* ---- on other filesystems ---------------------------------------------------------------------------------------- */

static const char *feature_level(const struct support *features, int n, const char *name) {
        for (int i = 0; i < n; i++)
                if (features[i].feature.len == strlen(name) &&
                    memcmp(features[i].feature.data, name, strlen(name)) == 0) {
                        static const char *const levels[] = {"unsupported", "emulated", "native", "unknown"};

                        return levels[features[i].level];
                }
        return "missing";
}

static void probe_says(const char *fs, const char *feature, const char *level) {
        struct request *request = request_root(FSOP_VERB_INFO, "tree");
        struct support features[64];
        const char *name;
        int n;

        assert_ok(sys_resolve(&request->sys, 0));
        n = sys_probe(&request->sys.at, &name, features, 64);
        ck_assert_int_gt(n, 8);
        ck_assert_str_eq(name, fs);
        ck_assert_msg(strcmp(feature_level(features, n, feature), level) == 0, "%s on %s: %s", feature, fs,
                      feature_level(features, n, feature));
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

int main(void) {
        Suite *suite = suite_create("run_filesystems");
        TCase *here = tcase_create("here"), *elsewhere = tcase_create("elsewhere");

        scene_need_root();
        tcase_add_checked_fixture(here, scene_open, scene_close);
        tcase_set_timeout(here, 120);
        tcase_add_test(here, copies);
        tcase_add_test(here, copies_between_filesystems);
        tcase_add_test(here, set_id_bits_go);
        tcase_set_timeout(elsewhere, 300);
        tcase_add_test(elsewhere, on_xfs);
        tcase_add_test(elsewhere, on_btrfs);
        tcase_add_test(elsewhere, on_ext4);
        suite_add_tcase(suite, here);
        suite_add_tcase(suite, elsewhere);
        return suite_run(suite);
}
