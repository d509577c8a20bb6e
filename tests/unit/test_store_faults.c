/* SPDX-License-Identifier: MIT */
/*
 * test_store_faults.c: the SQLite store over a disk and a memory that fail: each read, write, flush and allocation in
 * its turn. Whatever fails, what was acknowledged is there, a commit is whole or absent, and a file that is not damaged
 * is not set aside.
 *
 * SQLite sees the disk through a layer of this test, which offers no shared memory: the store must do without.
 */
#include "tests/support/fail_alloc.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/store_kit.h"
#include "tests/support/suite.h"

/* ---- what fails -------------------------------------------------------------------------------------------------- */

static struct {
        unsigned calls, fail_at; /* the fail_at-th call from now on fails; 0: none */
        bool lasting;            /* and all after it */
        int code, os_error;      /* with this result of SQLite, which only writing has; 0: the one that fits the call */
} disk;

/* The result of a call of this kind: SQLITE_OK if it is to be made. */
static int disk_result(int fitting) {
        bool counts = disk.code == 0 || fitting == SQLITE_IOERR_WRITE || fitting == SQLITE_IOERR_TRUNCATE ||
                      fitting == SQLITE_IOERR_FSYNC;
        bool now = counts && disk.fail_at > 0 &&
                   (++disk.calls == disk.fail_at || (disk.lasting && disk.calls > disk.fail_at));

        if (!now)
                return SQLITE_OK;
        return disk.code ? disk.code : fitting;
}

/* ---- the layer --------------------------------------------------------------------------------------------------- */

struct layer_file {
        sqlite3_file file;
        sqlite3_file *below; /* behind this */
};

static sqlite3_file *below(sqlite3_file *file) {
        return ((struct layer_file *)(void *)file)->below;
}

#define PASS(call, ...) below(file)->pMethods->call(below(file), ##__VA_ARGS__)
#define FAIL_OR_PASS(fitting, call, ...)                                                                               \
        int result = disk_result(fitting);                                                                             \
        return result != SQLITE_OK ? result : PASS(call, ##__VA_ARGS__)

static int layer_close(sqlite3_file *file) {
        return PASS(xClose);
}
static int layer_read(sqlite3_file *file, void *data, int n, sqlite3_int64 at) {
        FAIL_OR_PASS(SQLITE_IOERR_READ, xRead, data, n, at);
}
static int layer_write(sqlite3_file *file, const void *data, int n, sqlite3_int64 at) {
        FAIL_OR_PASS(SQLITE_IOERR_WRITE, xWrite, data, n, at);
}
static int layer_truncate(sqlite3_file *file, sqlite3_int64 size) {
        FAIL_OR_PASS(SQLITE_IOERR_TRUNCATE, xTruncate, size);
}
static int layer_sync(sqlite3_file *file, int flags) {
        FAIL_OR_PASS(SQLITE_IOERR_FSYNC, xSync, flags);
}
static int layer_size(sqlite3_file *file, sqlite3_int64 *ret) {
        FAIL_OR_PASS(SQLITE_IOERR_FSTAT, xFileSize, ret);
}
static int layer_lock(sqlite3_file *file, int lock) {
        return PASS(xLock, lock);
}
static int layer_unlock(sqlite3_file *file, int lock) {
        return PASS(xUnlock, lock);
}
static int layer_reserved(sqlite3_file *file, int *ret) {
        return PASS(xCheckReservedLock, ret);
}
static int layer_control(sqlite3_file *file, int op, void *argument) {
        if (op != SQLITE_FCNTL_LAST_ERRNO)
                return PASS(xFileControl, op, argument);
        *(int *)argument = disk.os_error;
        return SQLITE_OK;
}
static int layer_sector(sqlite3_file *file) {
        return PASS(xSectorSize);
}
static int layer_device(sqlite3_file *file) {
        return PASS(xDeviceCharacteristics);
}

static const sqlite3_io_methods layer_methods = {
        .iVersion = 1,
        .xClose = layer_close,
        .xRead = layer_read,
        .xWrite = layer_write,
        .xTruncate = layer_truncate,
        .xSync = layer_sync,
        .xFileSize = layer_size,
        .xLock = layer_lock,
        .xUnlock = layer_unlock,
        .xCheckReservedLock = layer_reserved,
        .xFileControl = layer_control,
        .xSectorSize = layer_sector,
        .xDeviceCharacteristics = layer_device,
};

static sqlite3_vfs *real_vfs, layer_vfs;

static int layer_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *ret_flags) {
        struct layer_file *layer = (struct layer_file *)(void *)file;
        int result = disk_result(SQLITE_CANTOPEN);

        (void)vfs;
        layer->file.pMethods = NULL;
        layer->below = (sqlite3_file *)(void *)(layer + 1);
        if (result == SQLITE_OK)
                result = real_vfs->xOpen(real_vfs, name, layer->below, flags, ret_flags);
        if (result == SQLITE_OK)
                layer->file.pMethods = &layer_methods;
        return result;
}

static int layer_delete(sqlite3_vfs *vfs, const char *name, int flush) {
        int result = disk_result(SQLITE_IOERR_DELETE);

        (void)vfs;
        return result != SQLITE_OK ? result : real_vfs->xDelete(real_vfs, name, flush);
}

static int layer_last_error(sqlite3_vfs *vfs, int n, char *text_) { /* NOLINT(readability-non-const-parameter) */
        (void)vfs;
        (void)n;
        (void)text_;
        return disk.os_error;
}

static void lay(void) {
        real_vfs = sqlite3_vfs_find(NULL);
        layer_vfs = *real_vfs;
        layer_vfs.zName = "layer";
        layer_vfs.pNext = NULL;
        layer_vfs.szOsFile = (int)sizeof(struct layer_file) + real_vfs->szOsFile;
        layer_vfs.xOpen = layer_open;
        layer_vfs.xDelete = layer_delete;
        layer_vfs.xGetLastError = layer_last_error;
        ck_assert_int_eq(sqlite3_vfs_register(&layer_vfs, 1), SQLITE_OK);
}

/* ---- memory of SQLite -------------------------------------------------------------------------------------------- */

static sqlite3_mem_methods real_memory;
static unsigned memory_calls, memory_fail_at;
static bool memory_lasting;

static bool memory_fails(void) {
        return memory_fail_at > 0 &&
               (++memory_calls == memory_fail_at || (memory_lasting && memory_calls > memory_fail_at));
}

static void *failing_malloc(int n) {
        return memory_fails() ? NULL : real_memory.xMalloc(n);
}

static void *failing_realloc(void *old, int n) {
        return memory_fails() ? NULL : real_memory.xRealloc(old, n);
}

static void take_memory(void) {
        sqlite3_mem_methods methods;

        ck_assert_int_eq(sqlite3_config(SQLITE_CONFIG_GETMALLOC, &real_memory), SQLITE_OK);
        methods = real_memory;
        methods.xMalloc = failing_malloc;
        methods.xRealloc = failing_realloc;
        ck_assert_int_eq(sqlite3_config(SQLITE_CONFIG_MALLOC, &methods), SQLITE_OK);
}

/* ---- a story, and its end ---------------------------------------------------------------------------------------- */

#define FIRST 6u /* jobs that are there before anything fails */
#define ADDED 4u /* … that the story adds */

static struct {
        int open, load, added[ADDED], removed;
        char *note; /* of an open that succeeded: there is to be none */
        uint32_t loaded;
} story;

static void not_set_aside(const char *name, void *context) {
        (void)context;
        ck_assert_msg(strstr(name, "damaged") == NULL, "set aside: %s", name);
}

static int count_one(void *context, const struct store_job *job) {
        (void)job;
        ++*(uint32_t *)context;
        return 0;
}

static int add_with_files(struct store *store, uint64_t id) {
        static uint8_t data[9000];
        struct store_change changes[] = {
                {.kind = STORE_ADD, .id = id, .job = kit_plain_job(id)},
                {.kind = STORE_FILES, .id = id, .data = {data, sizeof(data)}},
                {.kind = STORE_UPDATE, .id = id, .job = kit_largest_job(id)},
        };

        return store->ops->commit(store, changes, 3);
}

/* A file with some jobs, half of them in the log. */
static void prologue(void) {
        struct store *store = kit_open();

        for (uint64_t id = 1; id <= FIRST; id++) {
                ck_assert_int_eq(add_with_files(store, id), 0);
                if (id == FIRST / 2) {
                        store->ops->close(store);
                        store = kit_open();
                }
        }
        kit_leave(store);
}

static struct image before_file, before_log;

/* The same file for every round. */
static void reset_files(void) {
        char log[320];

        snprintf(log, sizeof(log), "%s-wal", kit_file);
        remove(kit_file);
        remove(log);
        kit_write_at(kit_file, 0, before_file.data, before_file.len);
        kit_write_at(log, 0, before_log.data, before_log.len);
}

static void keep_files(void) {
        char log[320];

        snprintf(log, sizeof(log), "%s-wal", kit_file);
        before_file = kit_read_image(kit_file);
        before_log = kit_read_image(log);
}

/* Nothing of Check is called, whose memory would be counted. */
static void tell_story(void) {
        struct store *store = NULL;
        char *note = NULL;
        uint64_t next = 0;

        memset(&story, 0, sizeof(story));
        story.open = store_sqlite.open(kit_directory, &store, &note);
        if (story.open < 0) {
                free(note);
                return;
        }
        story.note = note;
        story.load = store->ops->load(store, count_one, &story.loaded, &next);
        for (uint32_t i = 0; i < ADDED; i++)
                story.added[i] = add_with_files(store, FIRST + 1 + i);
        story.removed = store->ops->commit(store, &(struct store_change){.kind = STORE_REMOVE, .id = FIRST + ADDED}, 1);
        kit_leave(store);
}

struct found {
        bool there[FIRST + ADDED + 1];
};

static int mark_job(void *context, const struct store_job *job) {
        struct found *found = context;

        ck_assert_uint_le(job->id, FIRST + ADDED);
        ck_assert_int_eq(job->state, FSOP_JOB_CANCELLED); /* the third change of its commit */
        found->there[job->id] = true;
        return 0;
}

/*
 * When nothing fails any more: what was told to be there is there, and nothing else. A disk that failed until the end
 * may have kept what it was said not to have.
 */
static void epilogue(void) {
        struct store *store = kit_open();
        struct found found = {0};
        uint64_t next;

        kit_each_name(not_set_aside, NULL);
        ck_assert_int_eq(store->ops->load(store, mark_job, &found, &next), 0);
        for (uint32_t id = 1; id <= FIRST; id++)
                ck_assert(found.there[id]);
        for (uint32_t i = 0; i < ADDED; i++) {
                bool expected = story.open == 0 && story.added[i] == 0 && !(i == ADDED - 1 && story.removed == 0);

                if (disk.lasting && (story.added[i] < 0 || (i == ADDED - 1 && story.removed < 0)))
                        continue;
                ck_assert_msg(found.there[FIRST + 1 + i] == expected, "job %u: %d, removed: %d", FIRST + 1 + i,
                              story.added[i], story.removed);
        }
        store->ops->close(store);
}

/* Every place for a fault, where there is time; where not, each run of the test skips most of those that resemble each
 * other. */
static unsigned step(bool alike) {
        return getenv("FSOP_TEST_LONG") ? 1 : alike ? 7 : 2;
}

static bool is_one_of(int code, const int *codes) {
        for (; *codes; codes++)
                if (code == *codes)
                        return true;
        return code == 0;
}

static void check_codes(const int *codes) {
        ck_assert_msg(story.note == NULL, "%s", story.note);
        ck_assert_msg(is_one_of(story.open, codes), "open: %d", story.open);
        ck_assert_msg(is_one_of(story.load, codes), "load: %d", story.load);
        for (uint32_t i = 0; i < ADDED; i++)
                ck_assert_msg(is_one_of(story.added[i], codes), "commit: %d", story.added[i]);
        ck_assert_msg(is_one_of(story.removed, codes), "commit: %d", story.removed);
        ck_assert(story.open < 0 || story.load < 0 || story.loaded == FIRST);
}

static bool anything_failed(void) {
        bool failed = story.open < 0 || story.load < 0 || story.removed < 0;

        for (uint32_t i = 0; i < ADDED; i++)
                failed |= story.added[i] < 0;
        return failed;
}

/* ---- tests ------------------------------------------------------------------------------------------------------- */

static const struct {
        bool lasting;
        int code, os_error;
        int codes[4];
} disks[] = {
        {false, 0, EIO, {-FSOP_EIO}},
        {true, 0, EIO, {-FSOP_EIO}},
        {false, SQLITE_FULL, 0, {-FSOP_ENOSPC}},
        {true, SQLITE_FULL, 0, {-FSOP_ENOSPC}},
        {true, SQLITE_IOERR_WRITE, EDQUOT, {-FSOP_EDQUOT}},
};

START_TEST(the_disk_fails) {
        unsigned rounds = 0, failed = 0;

        lay();
        prologue();
        keep_files();
        for (unsigned at = 1;; at += disks[_i].lasting ? step(true) : 1) {
                reset_files();
                memset(&disk, 0, sizeof(disk));
                disk.fail_at = at;
                disk.lasting = disks[_i].lasting;
                disk.code = disks[_i].code;
                disk.os_error = disks[_i].os_error;
                tell_story();
                disk.fail_at = 0;
                check_codes(disks[_i].codes);
                epilogue();
                failed += anything_failed();
                if (disk.calls < at)
                        break;
                rounds++;
        }
        printf("%u calls to the disk failed, one in each run; %u times that was an error\n", rounds, failed);
        ck_assert_uint_gt(failed, 20);
}
END_TEST

START_TEST(memory_runs_out) {
        static const int codes[] = {-FSOP_ENOMEM, 0};
        unsigned rounds = 0, failed = 0;

        take_memory();
        prologue();
        keep_files();
        memory_lasting = _i == 1;
        for (unsigned at = 1;; at += step(memory_lasting)) {
                reset_files();
                memory_calls = 0;
                memory_fail_at = at;
                tell_story();
                memory_fail_at = 0;
                check_codes(codes);
                epilogue();
                failed += anything_failed();
                if (memory_calls < at)
                        break;
                rounds++;
        }
        printf("%u allocations of SQLite failed, one in each run; %u times that was an error\n", rounds, failed);
        ck_assert_uint_gt(failed, 100);
}
END_TEST

START_TEST(our_memory_runs_out) {
        static const int codes[] = {-FSOP_ENOMEM, 0};
        unsigned at = 1, calls;

        prologue();
        keep_files();
        do {
                reset_files();
                alloc_fail(at);
                tell_story();
                calls = alloc_calls;
                alloc_fail(0);
                check_codes(codes);
                epilogue();
        } while (calls >= at++);
        printf("%u allocations of ours\n", at - 2);
        ck_assert_uint_gt(at, 20);
}
END_TEST

int main(void) {
        if (access("/dev/shm", W_OK) == 0) /* many starts, and no disk to wait for */
                setenv("FSOP_TEST_DIR", "/dev/shm", 0);
        Suite *suite = suite_create("store_faults");
        TCase *group = tcase_create("store_faults");

        tcase_add_checked_fixture(group, kit_setup, kit_teardown);
        tcase_add_loop_test(group, the_disk_fails, 0, (int)(sizeof(disks) / sizeof(disks[0])));
        tcase_add_loop_test(group, memory_runs_out, 0, 2);
        tcase_add_test(group, our_memory_runs_out);
        tcase_set_timeout(group, 300);
        suite_add_tcase(suite, group);
        return suite_run(suite);
}
