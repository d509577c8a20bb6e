/* SPDX-License-Identifier: MIT */
/*
 * test_copy_parts.c: large files copied part by part, gone on with after a restart, flushed beside it; what was copied
 * read back; and every system call on the way failing.
 */
#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "backends/linux/copy_linux.h"
#include "tests/support/copy_kit.h"
#include "tests/support/descriptors.h"
#include "tests/support/fail_alloc.h"
#include "tests/support/fail_calls.h"
#include "tests/support/suite.h"

#define MIB (1u << 20)

/* ---- a file and its copy ----------------------------------------------------------------------------------------- */

static struct copy_job *job;
static struct copy_dir *top;
static struct copy_file file;

/* src/big to dst/big; fresh: dst does not exist. */
static void begin(bool fresh) {
        if (!fresh && !scene_exists("tree/dst"))
                scene_mkdir("tree/dst", 0, 0755);
        job = copy_job_new("tree/src", "tree/dst");
        job->options.clone = FSOP_CLONE_NEVER;
}

static void enter(void) {
        ck_assert_int_eq(copy_job_open(job), 0);
        ck_assert_int_eq(copy_top(&job->tree, &top, &job->error), 0);
        file = (struct copy_file){.name = "big", .type = FSOP_TYPE_REGULAR};
        copy_files(&job->tree, top, &file, 1);
}

static void leave(void) {
        copy_dir_free(top);
        copy_job_free(job);
}

static void publish(void) {
        struct copy_error error;

        ck_assert_int_eq(file.outcome, COPY_COPIED);
        copy_publish(&job->tree, top, &file, 1);
        ck_assert_int_eq(file.outcome, COPY_COPIED);
        ck_assert_int_eq(copy_finish_dir(&job->tree, top, &error), 0);
        if (job->tree.fresh)
                ck_assert_int_eq(copy_publish_top(&job->tree, true, &error), 0);
        ck_assert_uint_eq(copy_count_temporaries("tree"), 0);
        copy_expect_same("tree/src/big", "tree/dst/big");
}

/* Lets the clock by which the kernel says when a file was changed go on. */
static void be_later(void) {
        usleep(20000);
}

/* All of it but what comes before it; its steps. */
static unsigned step_all(struct copy_part *part, uint64_t bytes) {
        struct copy_error error;
        unsigned steps = 0;
        int64_t n;

        while ((n = copy_part_step(part, bytes, &error)) > 0) {
                ck_assert_int_le(n, (int64_t)(bytes > file.size ? bytes : file.size));
                steps++;
        }
        ck_assert_msg(n == 0, "step: %d, errno %d, %s", error.code, error.os_error, error.why ? error.why : "");
        ck_assert_uint_eq(copy_part_offset(part), file.size);
        return steps;
}

/* ---- parts ------------------------------------------------------------------------------------------------------- */

static void build_big(int kind) {
        scene_mkdir("tree/src", 0, 0755);
        switch (kind) {
        case 0:
                scene_fill("tree/src/big", 0, 21 * MIB + 4321);
                break;
        case 1: /* data, holes, and a hole at the end */
                scene_fill("tree/src/big", 0, MIB + 5);
                scene_fill("tree/src/big", 30 * MIB, 5 * MIB);
                scene_fill("tree/src/big", 60 * MIB, 7);
                ck_assert_int_eq(truncate(scene_path("tree/src/big"), 100 * MIB + 1), 0);
                break;
        case 2: /* a hole first */
                scene_fill("tree/src/big", 50 * MIB, 6 * MIB + 1);
                break;
        }
        ck_assert_int_eq(chown(scene_path("tree/src/big"), NOBODY, SOMEBODY), 0);
        ck_assert_int_eq(setxattr(scene_path("tree/src/big"), "user.big", "yes", 3, 0), 0);
        ck_assert_int_eq(chmod(scene_path("tree/src/big"), 0444), 0);
}

START_TEST(in_parts) {
        struct copy_part *part;

        copy_pump_allow_ring(_i < 6);
        build_big(_i % 3);
        begin(_i / 3 % 2 == 0);
        enter();
        ck_assert_int_eq(file.outcome, COPY_LARGE);
        copy_part_begin(&job->tree, top, &file, NULL, &part);
        ck_assert_ptr_nonnull(part);
        ck_assert_uint_ge(step_all(part, 4 * MIB), 2);
        copy_part_finish(part, &file);
        ck_assert_uint_eq(file.bytes, file.size);
        publish();
        leave();
}
END_TEST

/* Killed at one offset after the other, with more written than was flushed. */
START_TEST(gone_on_with) {
        struct copy_part_record record = {.size = 0};
        struct copy_part *part;
        struct copy_error error;
        uint64_t again = 0;
        unsigned rounds = 0;

        build_big(_i % 3);
        begin(_i < 3);
        for (bool done = false; !done; rounds++) {
                enter();
                ck_assert_int_eq(file.outcome, COPY_LARGE);
                copy_part_begin(&job->tree, top, &file, rounds > 0 ? &record : NULL, &part);
                ck_assert_ptr_nonnull(part);
                ck_assert_uint_eq(copy_part_offset(part), rounds > 0 ? record.offset : 0);
                copy_part_step(part, 2 * MIB + 17, &error);
                ck_assert_int_eq(copy_part_flush(part, &record, &error), 0);
                ck_assert_uint_eq(record.offset, copy_part_offset(part));
                again += (uint64_t)copy_part_step(part, MIB, &error);
                done = rounds == 5;
                if (!done) {
                        copy_part_free(part, true, NULL);
                        leave();
                        begin(_i < 3);
                        job->tree.resumed = true;
                        static const char *parts[1];

                        parts[0] = record.temporary;
                        job->tree.parts = parts;
                        job->tree.n_parts = record.temporary[0] != 0;
                }
        }
        ck_assert_uint_gt(again, 0);
        step_all(part, 8 * MIB);
        copy_part_finish(part, &file);
        publish();
        leave();
}
END_TEST

enum {
        OTHER_SOURCE,
        TOUCHED_SOURCE,
        SHORTER_TARGET,
        GONE_TARGET,
        LINK_TARGET,
        TWO_LINKS,
        STRANGERS_TARGET,
        FIFO_TARGET,
        OTHERS
};

/* What is no longer what was begun is begun anew. */
START_TEST(begun_anew) {
        struct copy_part_record record;
        struct copy_part *part;
        struct copy_error error;
        char name[160];

        build_big(0);
        begin(false);
        enter();
        copy_part_begin(&job->tree, top, &file, NULL, &part);
        copy_part_step(part, 5 * MIB, &error);
        ck_assert_int_eq(copy_part_flush(part, &record, &error), 0);
        copy_part_free(part, true, NULL);
        leave();
        snprintf(name, sizeof(name), "tree/dst/%s", record.temporary);
        ck_assert_uint_eq(scene_stat(name).size, 5 * MIB);
        scene_file("tree/other", 0, 0600, "not to be written to");
        switch (_i) {
        case OTHER_SOURCE:
                scene_remove("tree/src");
                build_big(0);
                break;
        case TOUCHED_SOURCE:
                ck_assert_int_eq(truncate(scene_path("tree/src/big"), 21 * MIB + 4320), 0);
                break;
        case SHORTER_TARGET:
                ck_assert_int_eq(truncate(scene_path(name), 5 * MIB - 1), 0);
                break;
        case TWO_LINKS:
                ck_assert_int_eq(link(scene_path(name), scene_path("tree/second")), 0);
                break;
        case STRANGERS_TARGET:
                ck_assert_int_eq(chown(scene_path(name), 4711, 4711), 0);
                break;
        default:
                ck_assert_int_eq(unlink(scene_path(name)), 0);
                if (_i == LINK_TARGET)
                        scene_symlink("../other", name);
                else if (_i == FIFO_TARGET)
                        ck_assert_int_eq(mkfifo(scene_path(name), 0666), 0);
        }
        begin(false);
        const char *parts[] = {record.temporary};

        job->tree.resumed = true;
        job->tree.parts = parts;
        job->tree.n_parts = 1;
        enter();
        copy_part_begin(&job->tree, top, &file, &record, &part);
        ck_assert_ptr_nonnull(part);
        ck_assert_uint_eq(copy_part_offset(part), 0);
        ck_assert(!scene_exists(name));
        step_all(part, 16 * MIB);
        copy_part_finish(part, &file);
        publish();
        ck_assert_uint_eq(scene_stat("tree/other").size, 20);
        leave();
}
END_TEST

/* Killed after everything was set, and before it was published. */
START_TEST(gone_on_with_at_the_end) {
        struct copy_part_record record;
        struct copy_part *part;
        struct copy_error error;
        char name[160];
        uint64_t ino;

        build_big(0);
        begin(_i != 0);
        enter();
        copy_part_begin(&job->tree, top, &file, NULL, &part);
        step_all(part, 32 * MIB);
        ck_assert_int_eq(copy_part_flush(part, &record, &error), 0);
        copy_part_finish(part, &file);
        ck_assert_int_eq(file.outcome, COPY_COPIED);
        leave();
        snprintf(name, sizeof(name), "tree/%s/%s", _i ? ".fsop-7-0123456789abcdef" : "dst",
                 _i ? "big" : record.temporary);
        ino = scene_stat(name).ino;
        begin(_i != 0);
        const char *parts[] = {record.temporary};

        job->tree.resumed = true;
        job->tree.parts = parts;
        job->tree.n_parts = 1;
        enter();
        copy_part_begin(&job->tree, top, &file, &record, &part);
        ck_assert_ptr_nonnull(part);
        ck_assert_uint_eq(copy_part_offset(part), file.size);
        copy_part_finish(part, &file);
        publish();
        ck_assert_uint_eq(scene_stat("tree/dst/big").ino, ino);
        leave();
}
END_TEST

START_TEST(the_source_changes) {
        struct copy_part *part;
        struct copy_error error;
        int64_t n;

        build_big(0);
        begin(_i != 0);
        enter();
        copy_part_begin(&job->tree, top, &file, NULL, &part);
        copy_part_step(part, 5 * MIB, &error);
        be_later();
        if (_i % 2 == 0)
                scene_fill("tree/src/big", MIB, 10); /* behind us */
        else
                ck_assert_int_eq(truncate(scene_path("tree/src/big"), 6 * MIB), 0);
        while ((n = copy_part_step(part, 5 * MIB, &error)) > 0)
                ;
        if (_i % 2 == 0) {
                ck_assert_int_eq(n, 0);
                copy_part_finish(part, &file);
                ck_assert_int_eq(file.outcome, COPY_FAILED);
                ck_assert_int_eq(file.error.code, -FSOP_EBUSY);
                ck_assert_ptr_nonnull(file.error.why);
        } else {
                ck_assert_int_eq(n, -FSOP_EBUSY);
                copy_part_free(part, false, NULL);
        }
        ck_assert(!scene_exists("tree/dst/big"));
        if (_i == 0)
                ck_assert_uint_eq(copy_count_temporaries("tree"), 0);
        else
                ck_assert(!scene_exists("tree/.fsop-7-0123456789abcdef/big"));
        leave();
}
END_TEST

START_TEST(parts_are_stopped) {
        struct copy_part *part;
        struct copy_error error;

        build_big(0);
        begin(false);
        enter();
        copy_part_begin(&job->tree, top, &file, NULL, &part);
        ck_assert_int_eq(copy_part_step(part, 3 * MIB, &error), 3 * MIB);
        job->tree.stop = 1;
        ck_assert_int_eq(copy_part_step(part, 3 * MIB, &error), -FSOP_ECANCELED);
        ck_assert_uint_eq(copy_part_offset(part), 3 * MIB);
        job->tree.stop = 0;
        step_all(part, 32 * MIB);
        copy_part_finish(part, &file);
        publish();
        leave();
}
END_TEST

static void *flush_on(void *userdata) {
        static char failed[] = "failed";
        struct copy_part_record record = {.offset = 0};
        struct copy_error error;
        uint64_t last = 0;

        do {
                if (copy_part_flush(userdata, &record, &error) < 0 || record.offset < last)
                        return failed;
                last = record.offset;
        } while (last < record.size);
        return NULL;
}

START_TEST(flushed_beside_it) {
        struct copy_part *part;
        pthread_t thread;
        void *result;

        build_big(1);
        begin(true);
        enter();
        copy_part_begin(&job->tree, top, &file, NULL, &part);
        ck_assert_int_eq(pthread_create(&thread, NULL, flush_on, part), 0);
        step_all(part, MIB);
        pthread_join(thread, &result);
        ck_assert_ptr_null(result);
        copy_part_finish(part, &file);
        publish();
        leave();
}
END_TEST

/* ---- reading back ------------------------------------------------------------------------------------------------ */

static void digest_of(const char *name, uint8_t digest[COPY_DIGEST_BYTES]) {
        crypto_generichash_state state;
        uint8_t buffer[4096];
        int fd = open(scene_path(name), O_RDONLY | O_CLOEXEC);
        ssize_t n;

        crypto_generichash_init(&state, NULL, 0, COPY_DIGEST_BYTES);
        while ((n = read(fd, buffer, sizeof(buffer))) > 0)
                crypto_generichash_update(&state, buffer, (unsigned long long)n);
        close(fd);
        crypto_generichash_final(&state, digest, COPY_DIGEST_BYTES);
}

static void damage(const char *name, uint64_t offset) {
        struct fsop_stat stat = scene_stat(name);
        struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {stat.mtime.sec, (long)stat.mtime.nsec}};
        int fd = open(scene_path(name), O_WRONLY | O_CLOEXEC);

        ck_assert_int_eq(pwrite(fd, "?", 1, (off_t)offset), 1);
        ck_assert_int_eq(futimens(fd, times), 0);
        close(fd);
}

static void move(const char *from, const char *to) {
        ck_assert_int_eq(rename(scene_path(from), scene_path(to)), 0);
}

START_TEST(verified) {
        struct copy_file files[] = {{.name = "small"}, {.name = "link"}, {.name = "empty"}};
        uint8_t digest[COPY_DIGEST_BYTES], expected[COPY_DIGEST_BYTES];
        struct copy_error error;
        struct copy_part *part;

        build_big(1);
        scene_file("tree/src/small", 0, 0600, "small text");
        scene_file("tree/src/empty", 0, 0600, "");
        scene_symlink("small", "tree/src/link");
        begin(false);
        job->options.verify = true;
        enter();
        copy_part_begin(&job->tree, top, &file, NULL, &part);
        step_all(part, 32 * MIB);
        copy_part_finish(part, &file);
        copy_files(&job->tree, top, files, 3);
        ck_assert_int_eq(copy_flush(&job->tree, &error), 0);
        ck_assert_int_eq(copy_verify(&job->tree, top, &file, digest, &error), 0);
        digest_of("tree/src/big", expected);
        ck_assert_mem_eq(digest, expected, sizeof(digest));
        for (int i = 0; i < 3; i++)
                ck_assert_int_eq(copy_verify(&job->tree, top, &files[i], digest, &error), 0);
        copy_publish(&job->tree, top, files, 3);
        copy_publish(&job->tree, top, &file, 1);
        ck_assert_int_eq(copy_verify(&job->tree, top, &files[0], digest, &error), 0);
        digest_of("tree/src/small", expected);
        ck_assert_mem_eq(digest, expected, sizeof(digest));

        scene_file("tree/dst/other", 0, 0600, "small text"); /* the same, but not what was made */
        move("tree/dst/small", "tree/dst/was");
        move("tree/dst/other", "tree/dst/small");
        ck_assert_int_eq(copy_verify(&job->tree, top, &files[0], digest, &error), -FSOP_ESTALE);
        move("tree/dst/was", "tree/dst/small");

        damage("tree/dst/big", 60 * MIB + 3);
        ck_assert_int_eq(copy_verify(&job->tree, top, &file, digest, &error), -FSOP_EIO);
        ck_assert_ptr_nonnull(error.why);
        ck_assert(!error.denied);
        damage("tree/dst/small", 2);
        ck_assert_int_eq(copy_verify(&job->tree, top, &files[0], digest, &error), -FSOP_EIO);
        be_later();
        damage("tree/src/small", 3);
        ck_assert_int_eq(copy_verify(&job->tree, top, &files[0], digest, &error), -FSOP_EBUSY);
        ck_assert_ptr_nonnull(error.why);
        ck_assert(copy_is_there(&job->tree, top, "small"));
        ck_assert(copy_is_there(&job->tree, top, "link"));
        ck_assert(!copy_is_there(&job->tree, top, "none"));
        ck_assert_int_eq(truncate(scene_path("tree/dst/small"), 3), 0);
        ck_assert(!copy_is_there(&job->tree, top, "small"));
        leave();
}
END_TEST

/* ---- each call fails --------------------------------------------------------------------------------------------- */

static void build_small(void) {
        scene_mkdir("tree/src", 0, 0755);
        scene_mkdir("tree/src/d", NOBODY, 0750);
        scene_file("tree/src/d/f", NOBODY, 0640, "some text");
        scene_file("tree/src/g", 0, 0644, "more text");
        ck_assert_int_eq(link(scene_path("tree/src/g"), scene_path("tree/src/d/g")), 0);
        scene_symlink("g", "tree/src/link");
        ck_assert_int_eq(mkfifo(scene_path("tree/src/fifo"), 0600), 0);
        ck_assert_int_eq(setxattr(scene_path("tree/src/g"), "user.name", "v", 1, 0), 0);
        scene_fill("tree/src/holes", 200000, 5000);
        ck_assert_int_eq(truncate(scene_path("tree/src/holes"), 500000), 0);
        scene_fill("tree/src/large", 0, 5 * MIB);
}

static void system_clean(void) {
        char command[400];

        snprintf(command, sizeof(command), "find %s -depth -name '.fsop-*' -exec rm -rf {} +", scene_path("tree"));
        ck_assert_int_eq(system(command), 0);
}

/* A copy of it with the n-th call failing: what says that it did all did; what did not left nothing. False: there are
 * fewer. */
static bool try(unsigned n, int error, bool memory, bool fresh) {
        bool somebody = !memory && error == EEXIST; /* what is in the way then is somebody's, and stays */
        unsigned before = open_descriptors();
        struct copy_error ignored;
        mode_t mask;
        bool hit;
        int r;

        if (!fresh)
                scene_mkdir("tree/dst", 0, 0755);
        job = copy_job_new("tree/src", "tree/dst");
        job->options.flush_each = true;
        if (memory)
                alloc_fail(n);
        else
                calls_fail(n, error);
        r = copy_job_run(job);
        hit = memory ? alloc_calls >= n : calls_made >= n;
        alloc_fail(0);
        calls_fail(0, 0);
        if (r == 0 && job->n_failures == 0 && !somebody)
                copy_expect_same("tree/src/d", "tree/dst/d");
        if (somebody)
                system_clean();
        else if (r == 0)
                ck_assert_msg(copy_count_temporaries("tree") == 0, "call %u (%s) left something", n, strerror(error));
        else if (job->tree.state != NULL)
                ck_assert_int_eq(copy_remove_temporaries(&job->tree, &ignored), 0);
        ck_assert_uint_eq(copy_count_temporaries("tree"), 0);
        copy_job_free(job);
        ck_assert_uint_eq(geteuid(), 0);
        mask = umask(077);
        ck_assert_uint_eq(mask, 077);
        ck_assert_msg(open_descriptors() == before, "call %u (%s) left a descriptor open", n, strerror(error));
        if (scene_exists("tree/dst"))
                scene_remove("tree/dst");
        return hit;
}

START_TEST(each_call_fails) {
        static const int errors[] = {EIO, ENOSPC, EINTR, EMFILE, ENOENT, EEXIST};
        unsigned n = 1;

        build_small();
        for (; try(n, errors[_i / 2], false, _i % 2 == 0); n++)
                ;
        ck_assert_uint_gt(n, 80);
}
END_TEST

START_TEST(each_allocation_fails) {
        unsigned n = 1;

        build_small();
        for (; try(n, 0, true, _i == 0); n++)
                ;
        ck_assert_uint_gt(n, 12);
}
END_TEST

static Suite *parts_suite(void) {
        Suite *suite = suite_create("copy_parts");
        TCase *tcase = tcase_create("parts");

        tcase_set_timeout(tcase, 120);
        tcase_add_checked_fixture(tcase, scene_open, scene_close);
        tcase_add_loop_test(tcase, in_parts, 0, 12);
        tcase_add_loop_test(tcase, gone_on_with, 0, 6);
        tcase_add_loop_test(tcase, begun_anew, 0, OTHERS);
        tcase_add_loop_test(tcase, gone_on_with_at_the_end, 0, 2);
        tcase_add_loop_test(tcase, the_source_changes, 0, 4);
        tcase_add_test(tcase, parts_are_stopped);
        tcase_add_test(tcase, flushed_beside_it);
        tcase_add_test(tcase, verified);
        tcase_add_loop_test(tcase, each_call_fails, 0, 12);
        tcase_add_loop_test(tcase, each_allocation_fails, 0, 2);
        suite_add_tcase(suite, tcase);
        return suite;
}

int main(void) {
        scene_need_root();
        if (sodium_init() < 0)
                return 1;
        return suite_run(parts_suite());
}
