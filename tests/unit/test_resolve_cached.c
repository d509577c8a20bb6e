/* SPDX-License-Identifier: MIT */
/*
 * test_resolve_cached.c: directories that are remembered between operations, and what is answered from what is known.
 */
#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backends/linux/sys_linux.h"
#include "tests/support/scene.h"
#include "tests/support/suite.h"

static int stat_through(struct parent_cache *cache, const char *path) {
        struct request *request = request_new(FSOP_VERB_STAT, path);

        request->sys.cache = cache;
        return request_finish(request);
}

START_TEST(shared_parents_are_found_and_forgotten) {
        struct parent_cache cache;
        char file[600], moved[600];

        scene_mkdir("tree/d", NOBODY, 0755);
        scene_file("tree/d/file", NOBODY, 0644, "x");
        strcpy(file, scene_path("tree/d/file"));
        strcpy(moved, scene_path("tree/moved"));
        ck_assert_int_eq(chmod(scene_path("tree"), 0777), 0);
        parent_cache_init(&cache);
        ck_assert_int_eq(stat_through(&cache, file), 0);
        ck_assert_int_eq(stat_through(&cache, file), 0);
        /* an operation that moves the directory is followed by the truth */
        struct request *request = request_new(FSOP_VERB_RENAME, scene_path("tree/d"));
        request_to(request, moved);
        request->sys.cache = &cache;
        ck_assert_int_eq(request_finish(request), 0);
        ck_assert_int_eq(stat_through(&cache, file), -FSOP_ENOENT);
        strcpy(file, scene_path("tree/moved/file"));
        ck_assert_int_eq(stat_through(&cache, file), 0);
        /* as is one that closes it */
        request = request_new(FSOP_VERB_CHMOD, moved);
        request->op.args.chmod = (struct chmod_args){.clear = 07777, .set = 0};
        request->sys.cache = &cache;
        request->sys.at.follow = true;
        ck_assert_int_eq(request_finish(request), 0);
        ck_assert_int_eq(stat_through(&cache, file), -FSOP_EACCES);
        parent_cache_clear(&cache);
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
                ck_assert_int_eq(request_finish(request), i ? -FSOP_EACCES : 0);
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

/* A batch may be made to last: a directory that was moved out of the rule's meanwhile is not changed by the rest of
 * it. */
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
        ck_assert_int_eq(request_resolve_known(request, SYS_CACHED_ONLY), 0);
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
        ck_assert_int_eq(request_resolve_known(request, flags), 0);
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

/* What would have to be looked for on a disk is not, anywhere on the way, with and without a parent that is known. */
START_TEST(names_that_were_never_looked_up) {
        struct parent_cache cache;

        scene_mkdir("tree/d", 0, 0755);
        parent_cache_init(&cache);
        for (unsigned i = 0; i < 8; i++) {
                unsigned flags = i % 2 ? SYS_CACHED_ONLY : SYS_LOCAL_ONLY;
                bool elevated = i / 2 % 2, leaf = i / 4;
                struct request *request;
                char name[32];

                if (leaf && !(flags & SYS_CACHED_ONLY)) /* for a last name a disk may be waited for */
                        continue;
                snprintf(name, sizeof(name), "tree/d/%u%s", i, leaf ? "" : "/x");
                request = request_new(FSOP_VERB_CHMOD, elevated ? name + strlen("tree/") : scene_path(name));
                request->sys.cache = leaf ? &cache : NULL;
                if (elevated)
                        request_elevate(request, NULL);
                ck_assert_msg(sys_resolve(&request->sys, flags) == -FSOP_EAGAIN, "%s", name);
                ck_assert_msg(sys_resolve(&request->sys, 0) == -FSOP_ENOENT, "%s", name);
                request_free(request);
        }
        parent_cache_clear(&cache);
        identity_wear_service();
}
END_TEST

/* For slices: a mount that keeps its callers waiting is not waited for, and is named; with a parent's slot and
 * without. */
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
                ck_assert_int_eq(request_resolve_known(request, SYS_LOCAL_ONLY), 0);
                sys_release(&request->sys);
                request->op.verb = FSOP_VERB_RMDIR; /* of which only the parent is pinned */
                sys_mount_demote(mount, true);
                parent_cache_clear(&cache);
                for (int again = 0; again < 2; again++) {
                        ck_assert_int_eq(sys_resolve(&request->sys, 0), 0);
                        ck_assert(request->sys.at.demoted);
                        sys_release(&request->sys);
                }
                sys_mount_demote(mount, false);
                request_free(request);
        }
        parent_cache_clear(&cache);
        identity_wear_service();
}
END_TEST

int main(void) {
        Suite *suite = suite_create("resolve_cached");
        TCase *cache = tcase_create("cache");

        scene_need_root();
        tcase_add_checked_fixture(cache, scene_open, scene_close);
        tcase_add_test(cache, shared_parents_are_found_and_forgotten);
        tcase_add_test(cache, parents_in_use_are_kept);
        tcase_add_test(cache, parents_are_not_shared_between_people);
        tcase_add_test(cache, parents_are_not_trusted_for_long);
        tcase_add_test(cache, what_was_pinned_is_not_trusted_for_long);
        tcase_add_test(cache, only_from_the_cache);
        tcase_add_test(cache, the_last_name_at_once);
        tcase_add_test(cache, mounts_below_are_found);
        tcase_add_test(cache, names_that_were_never_looked_up);
        tcase_add_test(cache, only_what_is_local);
        suite_add_tcase(suite, cache);
        return suite_run(suite);
}
