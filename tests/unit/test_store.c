/* SPDX-License-Identifier: MIT */
/*
 * test_store.c: the store of copy jobs on a real disk: everything that is put in comes back, whatever happens to the
 * process and to the file in between.
 */
#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "daemon/store_sqlite.h"

static char directory[256];
static char file[300];

static void setup(void) {
        const char *base = getenv("FSOP_TEST_DIR");
        bool own_root;

        ck_assert_int_eq(sys_start(&(struct sys_config){.private_service = geteuid() != 0}, &own_root), 0);
        snprintf(directory, sizeof(directory), "%s/fsop-store-XXXXXX", base ? base : "/var/tmp");
        ck_assert_ptr_nonnull(mkdtemp(directory));
        snprintf(file, sizeof(file), "%s/%s", directory, STORE_SQLITE_FILE);
}

/* Calls EACH with every name of the directory. */
static void each_name(void (*each)(const char *name, void *context), void *context) {
        DIR *dir = opendir(directory);
        struct dirent *entry;

        ck_assert_ptr_nonnull(dir);
        while ((entry = readdir(dir)))
                if (entry->d_name[0] != '.')
                        each(entry->d_name, context);
        closedir(dir);
}

static void remove_name(const char *name, void *context) {
        char path[600];

        (void)context;
        snprintf(path, sizeof(path), "%s/%s", directory, name);
        unlink(path);
}

static void teardown(void) {
        each_name(remove_name, NULL);
        rmdir(directory);
        sys_stop();
}

/* ---- opening, and texts
 * ------------------------------------------------------------------------------------------------ */

static struct store *must_open(void) {
        struct store *store = NULL;
        char *note = NULL;
        int code = store_sqlite.open(directory, &store, &note);

        ck_assert_msg(code == 0, "open: %d, %s", code, note ? note : "-");
        ck_assert_msg(note == NULL, "%s", note);
        return store;
}

static void must_commit(struct store *store, const struct store_change *changes, uint32_t n) {
        int code = store->ops->commit(store, changes, n);

        ck_assert_msg(code == 0, "commit: %d", code);
}

static struct bytes text(const char *string) {
        return (struct bytes){(const uint8_t *)string, strlen(string)};
}

static void same_bytes(struct bytes a, struct bytes b) {
        ck_assert_uint_eq(a.len, b.len);
        ck_assert_ptr_nonnull(a.data);
        if (b.len > 0)
                ck_assert_mem_eq(a.data, b.data, b.len);
}

#define SAME(a, b, field) ck_assert_msg((a)->field == (b)->field, "%s differs", #field)

static void same_time(struct fsop_time a, struct fsop_time b) {
        ck_assert_int_eq(a.sec, b.sec);
        ck_assert_uint_eq(a.nsec, b.nsec);
}

static void same_list(const struct bytes *a, uint32_t n_a, const struct bytes *b, uint32_t n_b) {
        ck_assert_uint_eq(n_a, n_b);
        for (uint32_t i = 0; i < n_a; i++) {
                same_bytes(a[i], b[i]);
                ck_assert_int_eq(a[i].data[a[i].len], 0);
        }
}

static void same_error(const struct error *a, const struct error *b) {
        SAME(a, b, code);
        SAME(a, b, class_);
        SAME(a, b, retryable);
        SAME(a, b, os_error);
        same_bytes(a->rule, b->rule);
        same_bytes(a->message, b->message);
}

static void same_place(const struct store_place *a, const struct store_place *b) {
        same_bytes(a->source, b->source);
        same_bytes(a->target, b->target);
        SAME(a, b, follow);
        SAME(a, b, source_id.dev);
        SAME(a, b, source_id.ino);
        SAME(a, b, parent_id.dev);
        SAME(a, b, parent_id.ino);
        same_time(a->source_btime, b->source_btime);
        same_list(a->names, a->n_names, b->names, b->n_names);
        SAME(a, b, finished);
}

static void same_state(const struct store_job *a, const struct store_job *b) {
        SAME(a, b, state);
        same_time(a->started, b->started);
        same_time(a->finished, b->finished);
        same_time(a->progressed, b->progressed);
        SAME(a, b, runs);
        SAME(a, b, elevated);
        SAME(a, b, counters.files_total);
        SAME(a, b, counters.bytes_total);
        SAME(a, b, counters.totals_known);
        SAME(a, b, counters.files_done);
        SAME(a, b, counters.files_failed);
        SAME(a, b, counters.files_skipped);
        SAME(a, b, counters.bytes_copied);
        SAME(a, b, counters.bytes_flushed);
        SAME(a, b, counters.bytes_verified);
        same_error(&a->error, &b->error);
}

static void same_job(const struct store_job *a, const struct store_job *b) {
        SAME(a, b, id);
        SAME(a, b, uid);
        SAME(a, b, gid);
        ck_assert_uint_eq(a->n_groups, b->n_groups);
        for (uint32_t i = 0; i < a->n_groups; i++)
                ck_assert_uint_eq(a->groups[i], b->groups[i]);
        SAME(a, b, capabilities);
        SAME(a, b, fully_capable);
        same_bytes(a->user, b->user);
        same_bytes(a->key, b->key);
        SAME(a, b, as);
        SAME(a, b, recursive);
        SAME(a, b, one_filesystem);
        SAME(a, b, verify);
        SAME(a, b, preserve);
        SAME(a, b, umask);
        SAME(a, b, clone);
        SAME(a, b, sync);
        SAME(a, b, update);
        SAME(a, b, bytes_per_s);
        SAME(a, b, priority);
        same_list(a->excludes, a->n_excludes, b->excludes, b->n_excludes);
        ck_assert_str_eq(a->random, b->random);
        same_time(a->created, b->created);
        ck_assert_uint_eq(a->n_places, b->n_places);
        for (uint32_t i = 0; i < a->n_places; i++)
                same_place(&a->places[i], &b->places[i]);
        same_state(a, b);
}

/* ---- jobs to put in
 * ---------------------------------------------------------------------------------------------------- */

/* Every field at its largest, every text with bytes that no SQL would survive. */
static struct store_job *largest_job(uint64_t id) {
        static uint32_t groups[300];
        static struct bytes names[4], excludes[3];
        static struct store_place places[3];
        static struct store_job job;
        static uint8_t odd[256], long_[100000];

        for (unsigned i = 0; i < 300; i++)
                groups[i] = UINT32_MAX - i;
        for (unsigned i = 0; i < 256; i++)
                odd[i] = (uint8_t)i;
        memset(long_, 0xff, sizeof(long_));
        names[0] = text("'; DROP TABLE jobs; --");
        names[1] = (struct bytes){odd, sizeof(odd)};
        names[2] = (struct bytes){NULL, 0};
        names[3] = (struct bytes){long_, sizeof(long_)};
        excludes[0] = text("*.o");
        excludes[1] = (struct bytes){NULL, 0};
        excludes[2] = (struct bytes){odd, sizeof(odd)};
        for (unsigned i = 0; i < 3; i++)
                places[i] = (struct store_place){
                        .source = {odd, sizeof(odd) - i},
                        .target = {long_, 4096 + i},
                        .follow = i != 1,
                        .source_id = {UINT64_MAX - i, UINT64_MAX},
                        .parent_id = {INT64_MAX, (uint64_t)INT64_MAX + 1},
                        .source_btime = {i == 0 ? INT64_MIN : INT64_MAX, 999999999},
                        .names = i == 2 ? NULL : names,
                        .n_names = i == 2 ? 0 : 4,
                        .finished = i == 2,
                };
        job = (struct store_job){
                .id = id,
                .uid = UINT32_MAX,
                .gid = UINT32_MAX - 1,
                .groups = groups,
                .n_groups = 300,
                .capabilities = UINT64_MAX,
                .fully_capable = true,
                .user = {odd, sizeof(odd)},
                .key = {odd, 17},
                .as = FSOP_AS_ELEVATED,
                .recursive = true,
                .one_filesystem = true,
                .verify = true,
                .preserve = UINT32_MAX,
                .umask = 07777,
                .clone = FSOP_CLONE_NEVER,
                .sync = FSOP_SYNC_FILE,
                .update = FSOP_UPDATE_OLDER,
                .bytes_per_s = UINT64_MAX,
                .priority = INT32_MIN,
                .excludes = excludes,
                .n_excludes = 3,
                .random = "0123456789abcdef",
                .created = {INT64_MAX, UINT32_MAX},
                .places = places,
                .n_places = 3,
                .state = FSOP_JOB_CANCELLED,
                .started = {INT64_MIN, 1},
                .finished = {-1, 999999999},
                .progressed = {1, 0},
                .runs = UINT32_MAX,
                .elevated = true,
                .counters = {UINT64_MAX, UINT64_MAX - 1, true, UINT64_MAX - 2, UINT64_MAX - 3, UINT64_MAX - 4,
                             UINT64_MAX - 5, UINT64_MAX - 6, UINT64_MAX - 7},
                .error = {FSOP_EUNKNOWN,
                          FSOP_CLASS_CANCELLED,
                          true,
                          INT32_MIN,
                          {odd, sizeof(odd)},
                          {long_, sizeof(long_)}},
        };
        return &job;
}

/* Nothing but what must be. */
static struct store_job *smallest_job(uint64_t id) {
        static struct store_job job;

        job = (struct store_job){.id = id, .state = FSOP_JOB_QUEUED};
        return &job;
}

static struct store_job *plain_job(uint64_t id) {
        static struct store_place place;
        static struct store_job job;

        place = (struct store_place){.source = text("/srv/from"), .target = text("/srv/to"), .source_id = {1, id}};
        job = (struct store_job){.id = id,
                                 .uid = 1000,
                                 .gid = 1000,
                                 .user = text("someone"),
                                 .recursive = true,
                                 .random = "00112233445566",
                                 .created = {1700000000, 5},
                                 .places = &place,
                                 .n_places = 1,
                                 .state = FSOP_JOB_QUEUED};
        return &job;
}

static void add(struct store *store, const struct store_job *job) {
        must_commit(store, &(struct store_change){.kind = STORE_ADD, .id = job->id, .job = job}, 1);
}

/* ---- reading back
 * -------------------------------------------------------------------------------------------------------- */

struct expected {
        const struct store_job *jobs;
        uint32_t n, seen;
};

static int compare_job(void *context, const struct store_job *job) {
        struct expected *expected = context;

        ck_assert_uint_lt(expected->seen, expected->n);
        same_job(job, &expected->jobs[expected->seen++]);
        return 0;
}

/* The store has these jobs, and no others. */
static void has_jobs(struct store *store, const struct store_job *jobs, uint32_t n, uint64_t next_id) {
        struct expected expected = {jobs, n, 0};
        uint64_t next = 0;

        ck_assert_int_eq(store->ops->load(store, compare_job, &expected, &next), 0);
        ck_assert_uint_eq(expected.seen, n);
        ck_assert_uint_eq(next, next_id);
}

START_TEST(every_field_comes_back) {
        struct store *store = must_open();
        struct store_job jobs[3];

        has_jobs(store, NULL, 0, 1);
        jobs[0] = *smallest_job(1);
        jobs[1] = *largest_job(700);
        jobs[2] = *plain_job(INT64_MAX - 1);
        add(store, &jobs[2]);
        add(store, &jobs[0]);
        add(store, &jobs[1]);
        has_jobs(store, jobs, 3, INT64_MAX);
        store->ops->close(store);
        store = must_open();
        has_jobs(store, jobs, 3, INT64_MAX);
        ck_assert_ptr_null(store->ops->close(store));
}
END_TEST

/* ---- changes
 * ------------------------------------------------------------------------------------------------------------- */

static int commit_one(struct store *store, struct store_change change) {
        return store->ops->commit(store, &change, 1);
}

START_TEST(update_changes_what_may_change) {
        struct store *store = must_open();
        struct store_job jobs[2] = {*plain_job(1), {0}}, expected;
        struct store_job *largest;

        add(store, &jobs[0]);
        largest = largest_job(2);
        add(store, largest);
        jobs[1] = *largest;
        /* the first gets the state of the second, whose arrays are not looked at, and the other way round */
        expected = *plain_job(1);
        expected.state = largest->state;
        expected.started = largest->started;
        expected.finished = largest->finished;
        expected.progressed = largest->progressed;
        expected.runs = largest->runs;
        expected.elevated = largest->elevated;
        expected.counters = largest->counters;
        expected.error = largest->error;
        ck_assert_int_eq(commit_one(store, (struct store_change){.kind = STORE_UPDATE, .id = 1, .job = largest}), 0);
        ck_assert_int_eq(
                commit_one(store, (struct store_change){.kind = STORE_UPDATE, .id = 2, .job = smallest_job(9)}), 0);
        jobs[0] = expected;
        jobs[1].state = FSOP_JOB_QUEUED;
        jobs[1].started = jobs[1].finished = jobs[1].progressed = (struct fsop_time){0};
        jobs[1].runs = 0;
        jobs[1].elevated = false;
        jobs[1].counters = (struct store_counters){0};
        jobs[1].error = (struct error){0};
        has_jobs(store, jobs, 2, 3);
        ck_assert_int_eq(commit_one(store, (struct store_change){.kind = STORE_PLACE_FINISHED, .id = 2, .place = 1}),
                         0);
        jobs[1].places[1].finished = true;
        has_jobs(store, jobs, 2, 3);
        store->ops->close(store);
        store = must_open();
        has_jobs(store, jobs, 2, 3);
        store->ops->close(store);
}
END_TEST

struct blobs {
        uint32_t n;
        size_t len[16];
        uint8_t first[16];
};

static int take_blob(void *context, struct bytes data) {
        struct blobs *blobs = context;

        ck_assert_uint_lt(blobs->n, 16);
        blobs->len[blobs->n] = data.len;
        blobs->first[blobs->n++] = data.len > 0 ? data.data[0] : 0;
        for (size_t i = 1; i < data.len; i++)
                if (data.data[i] != data.data[0])
                        return -FSOP_EIO;
        return 0;
}

static int append(struct store *store, uint64_t id, uint32_t place, uint8_t byte, size_t len) {
        uint8_t *data = malloc(len + 1);
        int code;

        memset(data, byte, len);
        code = commit_one(store,
                          (struct store_change){.kind = STORE_FILES, .id = id, .place = place, .data = {data, len}});
        free(data);
        return code;
}

START_TEST(files_are_appended_in_order) {
        struct store *store = must_open();
        struct blobs blobs = {0};

        add(store, largest_job(5));
        add(store, plain_job(6));
        ck_assert_int_eq(append(store, 5, 0, 9, 500000), 0);
        ck_assert_int_eq(append(store, 5, 1, 8, 1), 0);
        ck_assert_int_eq(append(store, 6, 0, 7, 3), 0);
        ck_assert_int_eq(append(store, 5, 0, 6, 0), 0);
        ck_assert_int_eq(append(store, 5, 0, 5, 12), 0);
        store->ops->close(store);
        store = must_open();
        ck_assert_int_eq(store->ops->read_files(store, 5, 0, take_blob, &blobs), 0);
        ck_assert_uint_eq(blobs.n, 3);
        ck_assert(blobs.len[0] == 500000 && blobs.len[1] == 0 && blobs.len[2] == 12);
        ck_assert(blobs.first[0] == 9 && blobs.first[2] == 5);
        blobs.n = 0;
        ck_assert_int_eq(store->ops->read_files(store, 5, 1, take_blob, &blobs), 0);
        ck_assert(blobs.n == 1 && blobs.first[0] == 8);
        blobs.n = 0;
        ck_assert_int_eq(store->ops->read_files(store, 5, 2, take_blob, &blobs), 0);
        ck_assert_int_eq(store->ops->read_files(store, 77, 0, take_blob, &blobs), 0);
        ck_assert_uint_eq(blobs.n, 0);
        store->ops->close(store);
}
END_TEST

struct parts {
        uint32_t n;
        struct copy_part_record records[8];
        char paths[8][64];
};

static int take_part(void *context, const struct store_part *part) {
        struct parts *parts = context;

        ck_assert_uint_lt(parts->n, 8);
        ck_assert_int_eq(part->path.data[part->path.len], 0);
        snprintf(parts->paths[parts->n], sizeof(parts->paths[0]), "%s", (const char *)part->path.data);
        parts->records[parts->n++] = part->record;
        return 0;
}

static void read_parts(struct store *store, uint64_t id, uint32_t place, struct parts *ret) {
        *ret = (struct parts){0};
        ck_assert_int_eq(store->ops->read_parts(store, id, place, take_part, ret), 0);
}

static int put_part(struct store *store, uint64_t id, uint32_t place, const char *path,
                    const struct copy_part_record *record) {
        return commit_one(store,
                          (struct store_change){
                                  .kind = STORE_PART, .id = id, .place = place, .path = text(path), .part = record});
}

START_TEST(parts_are_replaced_and_forgotten) {
        struct store *store = must_open();
        struct copy_part_record small = {.offset = 1}, large = {.offset = UINT64_MAX,
                                                                .ino = UINT64_MAX - 1,
                                                                .size = UINT64_MAX - 2,
                                                                .mtime = {INT64_MIN, 999999999},
                                                                .ctime = {INT64_MAX, 1}};
        struct parts parts;

        memset(large.temporary, 'x', sizeof(large.temporary) - 1);
        add(store, largest_job(1));
        ck_assert_int_eq(put_part(store, 1, 0, "a/b", &small), 0);
        ck_assert_int_eq(put_part(store, 1, 0, "a", &small), 0);
        ck_assert_int_eq(put_part(store, 1, 1, "a", &small), 0);
        ck_assert_int_eq(put_part(store, 1, 0, "a", &large), 0);
        store->ops->close(store);
        store = must_open();
        read_parts(store, 1, 0, &parts);
        ck_assert_uint_eq(parts.n, 2);
        ck_assert_str_eq(parts.paths[0], "a");
        ck_assert_str_eq(parts.paths[1], "a/b");
        ck_assert_str_eq(parts.records[0].temporary, large.temporary);
        SAME(&parts.records[0], &large, offset);
        SAME(&parts.records[0], &large, ino);
        SAME(&parts.records[0], &large, size);
        same_time(parts.records[0].mtime, large.mtime);
        same_time(parts.records[0].ctime, large.ctime);
        ck_assert_str_eq(parts.records[1].temporary, "");
        ck_assert_uint_eq(parts.records[1].offset, 1);
        for (int twice = 0; twice < 2; twice++) /* what is gone may go again */
                ck_assert_int_eq(
                        commit_one(store, (struct store_change){.kind = STORE_PART_GONE, .id = 1, .path = text("a")}),
                        0);
        read_parts(store, 1, 0, &parts);
        ck_assert_uint_eq(parts.n, 1);
        ck_assert_str_eq(parts.paths[0], "a/b");
        read_parts(store, 1, 1, &parts);
        ck_assert_uint_eq(parts.n, 1);
        store->ops->close(store);
}
END_TEST

struct failures {
        uint32_t n;
        uint64_t cookies[64];
        uint32_t numbers[64];
        struct error last; /* texts point to nothing any more, but for their length */
};

static int take_failure(void *context, const struct store_failure *failure) {
        struct failures *failures = context;

        ck_assert_uint_lt(failures->n, 64);
        failures->cookies[failures->n] = failure->cookie;
        ck_assert_int_eq(failure->path.data[failure->path.len], 0);
        failures->numbers[failures->n++] = (uint32_t)strtoul((const char *)failure->path.data, NULL, 10);
        failures->last = failure->error;
        return 0;
}

static int put_failure(struct store *store, uint64_t id, uint32_t place, uint32_t number, const struct error *error) {
        char path[32];

        snprintf(path, sizeof(path), "%u/file", number);
        return commit_one(store,
                          (struct store_change){
                                  .kind = STORE_FAILURE, .id = id, .place = place, .path = text(path), .error = error});
}

START_TEST(failures_are_read_page_by_page) {
        struct store *store = must_open();
        struct error error = {FSOP_EACCES, FSOP_CLASS_DENIED, false, 13, text("a rule"), text("no")},
                     other = largest_job(1)->error;
        struct failures failures = {0};
        uint64_t after = 0;
        uint32_t pages = 0, before;

        add(store, largest_job(1));
        add(store, plain_job(2));
        for (uint32_t i = 0; i < 50; i++) {
                ck_assert_int_eq(put_failure(store, 1, i % 3, i, &error), 0);
                ck_assert_int_eq(put_failure(store, 2, 0, 1000 + i, &error), 0);
        }
        do {
                before = failures.n;
                ck_assert_int_eq(store->ops->read_failures(store, 1, after, 7, take_failure, &failures), 0);
                ck_assert_uint_le(failures.n - before, 7);
                after = failures.n > 0 ? failures.cookies[failures.n - 1] : 0;
                if (pages == 2) /* what is recorded again stays in its place */
                        ck_assert_int_eq(put_failure(store, 1, 1, 4, &other), 0);
        } while (failures.n > before && ++pages < 20);
        ck_assert_uint_eq(failures.n, 50);
        for (uint32_t i = 0; i < 50; i++) {
                ck_assert_uint_eq(failures.numbers[i], i);
                ck_assert(i == 0 || failures.cookies[i] > failures.cookies[i - 1]);
        }
        SAME(&failures.last, &error, code);
        SAME(&failures.last, &error, class_);
        SAME(&failures.last, &error, os_error);
        failures.n = 0;
        ck_assert_int_eq(store->ops->read_failures(store, 1, failures.cookies[3], 1, take_failure, &failures), 0);
        ck_assert_uint_eq(failures.numbers[0], 4);
        SAME(&failures.last, &other, code);
        SAME(&failures.last, &other, retryable);
        SAME(&failures.last, &other, os_error);
        SAME(&failures.last, &other, message.len);
        failures.n = 0;
        ck_assert_int_eq(store->ops->read_failures(store, 1, UINT64_MAX, 7, take_failure, &failures), 0);
        ck_assert_uint_eq(failures.n, 0);
        /* forgotten, of this job only; and who reads on sees what comes after */
        ck_assert_int_eq(commit_one(store, (struct store_change){.kind = STORE_RETRY, .id = 1}), 0);
        ck_assert_int_eq(commit_one(store, (struct store_change){.kind = STORE_RETRY, .id = 2}), 0);
        ck_assert_int_eq(store->ops->read_failures(store, 2, 0, 64, take_failure, &failures), 0);
        ck_assert_uint_eq(failures.n, 0);
        ck_assert_int_eq(put_failure(store, 1, 0, 123, &error), 0);
        ck_assert_int_eq(store->ops->read_failures(store, 1, after, 64, take_failure, &failures), 0);
        ck_assert_uint_eq(failures.n, 1);
        ck_assert_uint_eq(failures.numbers[0], 123);
        store->ops->close(store);
}
END_TEST

static int64_t count_rows(const char *sql) {
        sqlite3_stmt *statement;
        sqlite3 *db;
        int64_t n;

        ck_assert_int_eq(sqlite3_open_v2(file, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
        ck_assert_int_eq(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), SQLITE_OK);
        ck_assert_int_eq(sqlite3_step(statement), SQLITE_ROW);
        n = sqlite3_column_int64(statement, 0);
        sqlite3_finalize(statement);
        sqlite3_close(db);
        return n;
}

START_TEST(nothing_of_a_removed_job_stays) {
        struct store *store = must_open();
        struct error error = {.code = FSOP_EIO};
        struct copy_part_record part = {.offset = 1};
        struct store_job other = *smallest_job(4);

        add(store, largest_job(3));
        add(store, &other);
        for (uint32_t place = 0; place < 3; place++) {
                ck_assert_int_eq(append(store, 3, place, 1, 100000), 0);
                ck_assert_int_eq(put_part(store, 3, place, "p", &part), 0);
                ck_assert_int_eq(put_failure(store, 3, place, 1, &error), 0);
        }
        for (int twice = 0; twice < 2; twice++)
                ck_assert_int_eq(commit_one(store, (struct store_change){.kind = STORE_REMOVE, .id = 3}), 0);
        has_jobs(store, &other, 1, 5); /* its id is not given again */
        store->ops->close(store);
        ck_assert_int_eq(count_rows("SELECT (SELECT count(*) FROM jobs) + (SELECT count(*) FROM states)"), 2);
        ck_assert_int_eq(count_rows("SELECT (SELECT count(*) FROM places) + (SELECT count(*) FROM files) + "
                                    "(SELECT count(*) FROM parts) + (SELECT count(*) FROM failures)"),
                         0);
        store = must_open();
        has_jobs(store, &other, 1, 5);
        ck_assert_int_eq(commit_one(store, (struct store_change){.kind = STORE_REMOVE, .id = 4}), 0);
        store->ops->close(store);
        store = must_open();
        has_jobs(store, NULL, 0, 5);
        store->ops->close(store);
}
END_TEST

START_TEST(all_of_a_commit_or_nothing) {
        struct store *store = must_open();
        struct store_job one = *plain_job(1), two = *largest_job(2), zero = *smallest_job(0),
                         huge = *smallest_job(INT64_MAX);
        struct error error = {.code = FSOP_EIO};
        struct copy_part_record part = {.offset = 1};
        struct {
                struct store_change bad;
                int code;
        } cases[] = {
                {{.kind = STORE_ADD, .id = 1, .job = &one}, -FSOP_EEXIST},
                {{.kind = STORE_ADD, .id = 2, .job = &two}, -FSOP_EEXIST}, /* the second in one commit */
                {{.kind = STORE_ADD, .job = &zero}, -FSOP_EINVAL},
                {{.kind = STORE_ADD, .id = INT64_MAX, .job = &huge}, -FSOP_EINVAL},
                {{.kind = STORE_UPDATE, .id = 3, .job = &one}, -FSOP_ENOENT},
                {{.kind = STORE_PLACE_FINISHED, .id = 1, .place = 1}, -FSOP_ENOENT},
                {{.kind = STORE_PLACE_FINISHED, .id = 3}, -FSOP_ENOENT},
                {{.kind = STORE_FILES, .id = 3, .data = text("x")}, -FSOP_ENOENT},
                {{.kind = STORE_FILES, .id = 1, .place = 1, .data = text("x")}, -FSOP_ENOENT},
                {{.kind = STORE_PART, .id = 3, .path = text("x"), .part = &part}, -FSOP_ENOENT},
                {{.kind = STORE_FAILURE, .id = 3, .path = text("x"), .error = &error}, -FSOP_ENOENT},
                {{.kind = (enum store_change_kind)99, .id = 1}, -FSOP_EINVAL},
        };

        add(store, &one);
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                struct store_change changes[] = {{.kind = STORE_ADD, .id = 2, .job = &two},
                                                 {.kind = STORE_FILES, .id = 1, .data = text("lost")},
                                                 {.kind = STORE_REMOVE, .id = 1},
                                                 {.kind = STORE_ADD, .id = 1, .job = &one},
                                                 cases[i].bad};
                struct blobs blobs = {0};
                int code = store->ops->commit(store, changes, 5);

                ck_assert_msg(code == cases[i].code, "case %zu: %d", i, code);
                has_jobs(store, &one, 1, 2);
                ck_assert_int_eq(store->ops->read_files(store, 1, 0, take_blob, &blobs), 0);
                ck_assert_uint_eq(blobs.n, 0);
        }
        store->ops->close(store);
        store = must_open();
        has_jobs(store, &one, 1, 2);
        add(store, &two);
        store->ops->close(store);
}
END_TEST

static int stop_at_once(void *context, const struct store_job *job) {
        (void)job;
        ++*(int *)context;
        return -FSOP_ECANCELED;
}

START_TEST(reading_ends_when_it_is_told_to) {
        struct store *store = must_open();
        uint64_t next;
        int calls = 0;

        add(store, plain_job(1));
        add(store, plain_job(2));
        ck_assert_int_eq(store->ops->load(store, stop_at_once, &calls, &next), -FSOP_ECANCELED);
        ck_assert_int_eq(calls, 1);
        add(store, plain_job(3)); /* a read that ended holds nothing */
        store->ops->close(store);
}
END_TEST

START_TEST(generation_grows_with_every_open) {
        uint64_t last = 0;

        for (int i = 0; i < 5; i++) {
                struct store *store = must_open();

                ck_assert_uint_gt(store->ops->generation(store), last);
                last = store->ops->generation(store);
                store->ops->close(store);
        }
}
END_TEST

/* ---- the file
 * ------------------------------------------------------------------------------------------------------------- */

static void is_expected(const char *name, void *context) {
        struct stat st;
        char path[600];

        ck_assert_msg(strcmp(name, STORE_SQLITE_FILE) == 0 || strcmp(name, STORE_SQLITE_FILE "-wal") == 0, "%s", name);
        snprintf(path, sizeof(path), "%s/%s", directory, name);
        ck_assert_int_eq(lstat(path, &st), 0);
        ck_assert_uint_eq(st.st_mode, S_IFREG | 0600);
        ++*(int *)context;
}

START_TEST(files_are_private) {
        mode_t old = umask(0);
        struct store *store = must_open();
        int n = 0;

        add(store, plain_job(1));
        each_name(is_expected, &n);
        ck_assert_int_eq(n, 2);
        store->ops->close(store);
        n = 0;
        each_name(is_expected, &n);
        ck_assert_int_eq(n, 1);
        umask(old);
}
END_TEST

/* Opening fails with this code, and a note that has this in it. */
static void must_not_open(int expected, const char *in_note) {
        struct store *store = NULL;
        char *note = NULL;
        int code = store_sqlite.open(directory, &store, &note);

        ck_assert_msg(code == expected, "open: %d, %s", code, note ? note : "-");
        ck_assert_ptr_nonnull(note);
        ck_assert_msg(strstr(note, in_note) != NULL, "%s", note);
        free(note);
}

START_TEST(what_is_not_ours_is_refused) {
        char elsewhere[sizeof(directory) + 20];

        snprintf(elsewhere, sizeof(elsewhere), "%s/elsewhere", directory);
        ck_assert_int_eq(symlink(elsewhere, file), 0);
        must_not_open(-FSOP_EPERM, "not a file of the daemon's own");
        ck_assert_int_lt(access(elsewhere, F_OK), 0);
        unlink(file);
        ck_assert_int_eq(mkdir(file, 0700), 0);
        must_not_open(-FSOP_EPERM, "not a file of the daemon's own");
        rmdir(file);
        struct store *store = must_open();
        store->ops->close(store);
        ck_assert_int_eq(chmod(file, 0620), 0);
        must_not_open(-FSOP_EPERM, "not a file of the daemon's own");
        ck_assert_int_eq(chmod(file, 0600), 0);
        ck_assert_int_eq(link(file, elsewhere), 0);
        must_not_open(-FSOP_EPERM, "not a file of the daemon's own");
        unlink(elsewhere);
        store = must_open();
        store->ops->close(store);
        snprintf(directory + strlen(directory), sizeof(directory) - strlen(directory), "/none");
        must_not_open(-FSOP_ENOENT, "could not be made");
        *strrchr(directory, '/') = 0;
}
END_TEST

/* ---- several processes
 * ------------------------------------------------------------------------------------------------------- */

static void wait_for(pid_t pid, bool killed) {
        int status;

        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        if (killed)
                ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        else
                ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

START_TEST(one_daemon_at_a_time) {
        struct store *store = must_open();
        pid_t pid;

        add(store, plain_job(1));
        pid = fork();
        if (pid == 0) {
                struct store *second = NULL;
                char *note = NULL;
                int code = store_sqlite.open(directory, &second, &note);

                _exit(code == -FSOP_EBUSY && note && strstr(note, "another daemon") ? 0 : 1);
        }
        wait_for(pid, false);
        add(store, plain_job(2)); /* the refused one has taken nothing away */
        store->ops->close(store);
        store = must_open();
        store->ops->close(store);
}
END_TEST

/* A process that adds job after job, each with its files in the same commit, and says what was acknowledged. */
static void add_for_ever(int acknowledge, uint64_t first) {
        struct store *store = must_open();
        uint8_t data[9000];

        memset(data, 1, sizeof(data));
        for (uint64_t id = first;; id++) {
                struct store_change changes[] = {
                        {.kind = STORE_ADD, .id = id, .job = plain_job(id)},
                        {.kind = STORE_FILES, .id = id, .data = {data, sizeof(data)}},
                        {.kind = STORE_UPDATE, .id = id, .job = largest_job(id)},
                };

                if (store->ops->commit(store, changes, 3) < 0 || write(acknowledge, &id, sizeof(id)) != sizeof(id))
                        _exit(1);
        }
}

struct present {
        uint64_t n;
};

static int count_job(void *context, const struct store_job *job) {
        struct present *present = context;

        ck_assert_uint_eq(job->id, ++present->n);
        ck_assert_int_eq(job->state, FSOP_JOB_CANCELLED); /* the third change of the commit */
        return 0;
}

/* Every job from 1 on is there, whole; returns how many. */
static uint64_t count_whole_jobs(struct store *store) {
        struct present present = {0};
        struct blobs blobs = {0};
        uint64_t next;

        ck_assert_int_eq(store->ops->load(store, count_job, &present, &next), 0);
        ck_assert_uint_eq(next, present.n + 1);
        for (uint64_t id = 1; id <= present.n; id++) {
                blobs.n = 0;
                ck_assert_int_eq(store->ops->read_files(store, id, 0, take_blob, &blobs), 0);
                ck_assert(blobs.n == 1 && blobs.len[0] == 9000);
        }
        return present.n;
}

/* Closes it as a crash would, but for the memory: the log stays for the next one. */
static void leave(struct store *store) {
        store_sqlite_close_file((struct store_sqlite *)(void *)store, true);
        free(store);
}

START_TEST(acknowledged_is_there_after_a_kill) {
        uint64_t acknowledged = 0;
        int rounds = getenv("FSOP_TEST_LONG") ? 300 : 25;

        srand(7);
        for (int round = 0; round < rounds; round++) {
                int pipes[2];
                uint64_t id, n;
                struct store *store;
                pid_t pid;

                ck_assert_int_eq(pipe(pipes), 0);
                pid = fork();
                if (pid == 0)
                        add_for_ever(pipes[1], acknowledged + 1);
                close(pipes[1]);
                ck_assert_int_eq(read(pipes[0], &id, sizeof(id)), sizeof(id));
                acknowledged = id;
                nanosleep(&(struct timespec){.tv_nsec = rand() % 30000000}, NULL);
                kill(pid, SIGKILL);
                while (read(pipes[0], &id, sizeof(id)) == sizeof(id))
                        acknowledged = id;
                close(pipes[0]);
                wait_for(pid, true);
                store = must_open();
                n = count_whole_jobs(store);
                ck_assert_msg(n == acknowledged || n == acknowledged + 1, "%llu acknowledged, %llu there",
                              (unsigned long long)acknowledged, (unsigned long long)n);
                acknowledged = n;
                if (round % 5 == 0)
                        store->ops->close(store);
                else
                        leave(store);
        }
        ck_assert_uint_ge(acknowledged, (uint64_t)rounds);
}
END_TEST

/* ---- damage
 * ------------------------------------------------------------------------------------------------------------------ */

/* A whole file in memory. */
struct image {
        uint8_t *data;
        size_t len;
};

static struct image read_image(const char *path) {
        struct image image = {0};
        struct stat st;
        int fd = open(path, O_RDONLY);

        ck_assert_msg(fd >= 0, "%s", path);
        ck_assert_int_eq(fstat(fd, &st), 0);
        image.len = (size_t)st.st_size;
        image.data = malloc(image.len + 1);
        ck_assert_int_eq(read(fd, image.data, image.len), (ssize_t)image.len);
        close(fd);
        return image;
}

static bool same_image(const char *path, const struct image *image) {
        struct image now = read_image(path);
        bool same = now.len == image->len && memcmp(now.data, image->data, now.len) == 0;

        free(now.data);
        return same;
}

static void write_at(const char *path, off_t at, const void *data, size_t len) {
        int fd = open(path, O_WRONLY | O_CREAT, 0600);

        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(pwrite(fd, data, len, at), (ssize_t)len);
        close(fd);
}

static void garbage_at(off_t at, size_t len) {
        uint8_t *data = malloc(len);

        for (size_t i = 0; i < len; i++)
                data[i] = (uint8_t)rand();
        write_at(file, at, data, len);
        free(data);
}

/* What a person with sqlite3 at hand could do. */
static void execute(const char *sql) {
        char *message = NULL;
        sqlite3 *db;

        ck_assert_int_eq(sqlite3_open_v2(file, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
        sqlite3_exec(db, sql, NULL, NULL, &message);
        ck_assert_msg(message == NULL, "%s: %s", sql, message);
        sqlite3_close(db);
}

static off_t file_bytes(const char *path) {
        struct stat st;

        return stat(path, &st) == 0 ? st.st_size : -1;
}

static void damage_header(void) {
        garbage_at(0, 100);
}
static void damage_first_page(void) {
        uint8_t zeros[4096] = {0};

        write_at(file, 0, zeros, sizeof(zeros));
}
static void damage_middle(void) {
        for (off_t at = 4096; at < file_bytes(file); at += 2 * 4096)
                garbage_at(at, 4096);
}
static void damage_half(void) {
        ck_assert_int_eq(truncate(file, file_bytes(file) / 2), 0);
}
static void damage_last_page(void) {
        ck_assert_int_eq(truncate(file, file_bytes(file) - 4096), 0);
}
static void damage_to_a_stump(void) {
        ck_assert_int_eq(truncate(file, 50), 0);
}
static void damage_to_nothing(void) {
        ck_assert_int_eq(truncate(file, 0), 0);
}
static void damage_to_text(void) {
        damage_to_nothing();
        write_at(file, 0, "dear diary\n", 11);
}
static void damage_to_another(void) {
        unlink(file);
        write_at(file, 0, "", 0);
        execute("CREATE TABLE recipes (cake)");
}
static void damage_version(void) { /* of a page that is otherwise whole: no newer daemon was here */
        execute("PRAGMA user_version = 77");
}
static void damage_table(void) {
        execute("PRAGMA foreign_keys = OFF; DROP TABLE places");
}
static void damage_column(void) {
        execute("ALTER TABLE jobs RENAME COLUMN umask TO mask");
}
static void damage_state(void) {
        execute("UPDATE states SET state = 99");
}
static void damage_type(void) {
        execute("UPDATE jobs SET uid = 'root'");
}
static void damage_number(void) {
        execute("UPDATE jobs SET uid = -1");
}
static void damage_groups(void) {
        execute("UPDATE jobs SET group_list = x'010203'");
}
static void damage_excludes(void) {
        execute("UPDATE jobs SET excludes = x'ffffffff00'");
}
static void damage_random(void) {
        execute("UPDATE jobs SET random = x'3030303030303030303030303030303030'");
}
static void damage_random_inside(void) {
        execute("UPDATE jobs SET random = x'300030'");
}
static void damage_places(void) {
        execute("UPDATE jobs SET n_places = 4294967295");
}
static void damage_one_place(void) {
        execute("UPDATE places SET place = place + 7");
}
static void damage_no_state(void) {
        execute("DELETE FROM states");
}
static void damage_error(void) {
        execute("UPDATE states SET error_code = 5");
}
static void damage_counters(void) {
        execute("UPDATE meta SET value = -5 WHERE name = 'next-id'");
}
static void damage_meta(void) {
        execute("DELETE FROM meta WHERE name = 'generation'");
}

static const struct {
        const char *name;
        void (*damage)(void);
} damages[] = {
        {"header", damage_header},
        {"first page", damage_first_page},
        {"middle", damage_middle},
        {"half", damage_half},
        {"last page", damage_last_page},
        {"stump", damage_to_a_stump},
        {"nothing", damage_to_nothing},
        {"text", damage_to_text},
        {"another", damage_to_another},
        {"version", damage_version},
        {"table", damage_table},
        {"column", damage_column},
        {"state", damage_state},
        {"type", damage_type},
        {"number", damage_number},
        {"groups", damage_groups},
        {"excludes", damage_excludes},
        {"random", damage_random},
        {"random inside", damage_random_inside},
        {"places", damage_places},
        {"one place", damage_one_place},
        {"no state", damage_no_state},
        {"error", damage_error},
        {"counters", damage_counters},
        {"meta", damage_meta},
};
#define DAMAGES ((int)(sizeof(damages) / sizeof(damages[0])))

/* Opens one that is damaged: a note says where it is now; returns that name. */
static struct store *open_damaged(char *aside, size_t aside_bytes) {
        struct store *store = NULL;
        char *note = NULL, *at;
        int code = store_sqlite.open(directory, &store, &note);

        ck_assert_msg(code == 0, "open: %d, %s", code, note ? note : "-");
        ck_assert_ptr_nonnull(note);
        at = strstr(note, "set aside as ");
        ck_assert_msg(at != NULL && strstr(note, ".fsop-*") != NULL, "%s", note);
        at += strlen("set aside as ");
        snprintf(aside, aside_bytes, "%.*s", (int)strcspn(at, ","), at);
        ck_assert_msg(strncmp(aside, file, strlen(file)) == 0 && strstr(aside, ".damaged-20") != NULL, "%s", aside);
        free(note);
        return store;
}

static void fill(struct store *store) {
        add(store, largest_job(1));
        for (uint64_t id = 2; id < 40; id++)
                add(store, plain_job(id));
        ck_assert_int_eq(append(store, 1, 0, 1, 100000), 0);
}

START_TEST(damaged_files_are_set_aside) {
        struct store *store = must_open();
        struct store_job job;
        struct image damaged;
        char aside[600], second[600];
        uint64_t generation, next;

        fill(store);
        generation = store->ops->generation(store);
        store->ops->close(store);
        damages[_i].damage();
        damaged = read_image(file);
        store = open_damaged(aside, sizeof(aside));
        ck_assert_uint_gt(store->ops->generation(store), generation);
        ck_assert_int_eq(store->ops->load(store, stop_at_once, NULL, &next), 0);
        ck_assert_uint_gt(next, 40); /* an id that somebody remembers is not another job's */
        ck_assert_msg(same_image(aside, &damaged), "%s: what was set aside has changed", damages[_i].name);
        job = *plain_job(next);
        add(store, &job);
        store->ops->close(store);
        store = must_open();
        has_jobs(store, &job, 1, next + 1);
        store->ops->close(store);
        damages[_i].damage(); /* once more, within the same second perhaps */
        store = open_damaged(second, sizeof(second));
        ck_assert_str_ne(aside, second);
        ck_assert(same_image(aside, &damaged));
        store->ops->close(store);
        free(damaged.data);
}
END_TEST

/* The log goes with its file, unread. */
START_TEST(log_of_a_damaged_file_goes_with_it) {
        struct store *store = must_open();
        struct image damaged, log;
        char path[320], aside[600], aside_log[620];

        fill(store);
        store->ops->close(store);
        store = must_open();
        add(store, plain_job(50));
        leave(store);
        snprintf(path, sizeof(path), "%s-wal", file);
        if (_i == 0)
                damage_middle();
        else if (_i == 1)
                ck_assert_int_eq(truncate(file, 0), 0);
        else
                ck_assert_int_eq(unlink(file), 0);
        log = read_image(path);
        ck_assert_uint_gt(log.len, 4096);
        store = open_damaged(aside, sizeof(aside));
        add(store, plain_job(1u << 31));
        snprintf(aside_log, sizeof(aside_log), "%s-wal", aside);
        ck_assert(same_image(aside_log, &log));
        if (_i == 0) {
                damaged = read_image(aside);
                ck_assert_uint_ge(damaged.len, 4096);
                free(damaged.data);
        }
        store->ops->close(store);
        free(log.data);
        store = must_open();
        store->ops->close(store);
}
END_TEST

/* A log that ends anywhere, as after a crash of the machine, or has garbage in it: what was committed before is there,
 * and whole. */
START_TEST(torn_log_ends_at_a_commit) {
        struct store *store = must_open();
        struct image whole, log;
        char path[320];

        snprintf(path, sizeof(path), "%s-wal", file);
        for (uint64_t id = 1; id <= 10; id++) {
                uint8_t data[9000] = {0};
                struct store_change changes[] = {
                        {.kind = STORE_ADD, .id = id, .job = plain_job(id)},
                        {.kind = STORE_FILES, .id = id, .data = {data, sizeof(data)}},
                        {.kind = STORE_UPDATE, .id = id, .job = largest_job(id)},
                };
                must_commit(store, changes, 3);
        }
        leave(store);
        whole = read_image(file);
        log = read_image(path);
        srand(3);
        for (int round = 0; round < 40; round++) {
                size_t at = (size_t)rand() % log.len;

                unlink(file);
                unlink(path);
                write_at(file, 0, whole.data, whole.len);
                write_at(path, 0, log.data, round % 2 ? log.len : at);
                if (round % 2) {
                        uint8_t other = log.data[at] ^ 0x55;

                        write_at(path, (off_t)at, &other, 1);
                }
                if (round == 0)
                        continue;
                store = must_open();
                ck_assert_uint_le(count_whole_jobs(store), 10);
                leave(store);
        }
        free(whole.data);
        free(log.data);
}
END_TEST

/* ---- versions
 * ----------------------------------------------------------------------------------------------------------------- */

static const char *const later_steps[] = {
        NULL, /* the first, as it is */
        "ALTER TABLE jobs ADD COLUMN colour BLOB NOT NULL DEFAULT x'726564'; CREATE TABLE colours (colour)",
        "INSERT INTO colours SELECT colour FROM jobs",
};

static int open_later(uint32_t version, const char *last_step, struct store **ret_store, char **ret_note) {
        const char *steps[8];

        ck_assert_uint_eq(store_sqlite_n_steps, 1); /* a later one has a real older version to test with */
        steps[0] = store_sqlite_steps[0];
        for (uint32_t i = 1; i < version; i++)
                steps[i] = later_steps[i];
        if (last_step)
                steps[version - 1] = last_step;
        return store_sqlite_open_as(directory, steps, version, ret_store, ret_note);
}

START_TEST(older_files_are_brought_up_to_date) {
        struct store *store = must_open();
        struct store_job jobs[2] = {*plain_job(1), {0}};
        char *note = NULL;

        jobs[1] = *largest_job(2);
        add(store, &jobs[0]);
        add(store, &jobs[1]);
        leave(store);
        ck_assert_int_eq(open_later(3, NULL, &store, &note), 0);
        ck_assert_ptr_null(note);
        has_jobs(store, jobs, 2, 3);
        store->ops->close(store);
        ck_assert_int_eq(count_rows("SELECT count(*) FROM colours WHERE colour = x'726564'"), 2);
        ck_assert_int_eq(count_rows("PRAGMA user_version"), 3);
        ck_assert_int_eq(count_rows("SELECT value FROM meta WHERE name = 'version'"), 3);
        ck_assert_int_eq(open_later(3, NULL, &store, &note), 0); /* and no step twice */
        has_jobs(store, jobs, 2, 3);
        store->ops->close(store);
        ck_assert_int_eq(count_rows("SELECT count(*) FROM colours"), 2);
}
END_TEST

START_TEST(a_step_that_fails_changes_nothing) {
        struct store *store = must_open();
        struct store_job job = *plain_job(1);
        struct image before;
        char *note = NULL, *at, aside[600];

        add(store, &job);
        store->ops->close(store);
        before = read_image(file);
        ck_assert_int_eq(open_later(3, "INSERT INTO meta SELECT 'oops', NULL FROM jobs", &store, &note), 0);
        ck_assert_ptr_nonnull(note);
        at = strstr(note, "set aside as ");
        ck_assert_ptr_nonnull(at);
        at += strlen("set aside as ");
        snprintf(aside, sizeof(aside), "%.*s", (int)strcspn(at, ","), at);
        ck_assert(same_image(aside, &before));
        store->ops->close(store);
        free(note);
        free(before.data);
}
END_TEST

START_TEST(newer_files_are_left_alone) {
        struct store *store;
        struct store_job job = *plain_job(1);
        struct image before;
        char *note = NULL;

        ck_assert_int_eq(open_later(2, NULL, &store, &note), 0);
        add(store, &job);
        store->ops->close(store);
        before = read_image(file);
        must_not_open(-FSOP_EOPNOTSUPP, "newer fsopd");
        ck_assert(same_image(file, &before));
        ck_assert_int_eq(open_later(2, NULL, &store, &note), 0);
        has_jobs(store, &job, 1, 2);
        store->ops->close(store);
        free(before.data);
}
END_TEST

/* ---- space
 * ------------------------------------------------------------------------------------------------------------------------
 */

/* Mounts a small filesystem on the directory, in a mount namespace of this process; false, with a line, where that
 * cannot be. */
static bool mount_small(void) {
        if (unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
            mount("tmpfs", directory, "tmpfs", 0, "size=2M,mode=0700") == 0)
                return true;
        printf("SKIP: a_full_disk_is_survived: needs root, and a mount namespace\n");
        return false;
}

static void fill_disk(const char *path) {
        uint8_t block[4096] = {1};
        int fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);

        ck_assert_int_ge(fd, 0);
        while (write(fd, block, sizeof(block)) > 0)
                ;
        ck_assert_int_eq(errno, ENOSPC);
        close(fd);
}

START_TEST(a_full_disk_is_survived) {
        char filler[300];
        struct store *store;
        uint64_t id = 0, whole;

        if (!mount_small())
                return;
        snprintf(filler, sizeof(filler), "%s/filler", directory);
        store = must_open();
        for (int round = 0; round < 5; round++) {
                int code;

                fill_disk(filler);
                do {
                        uint8_t data[9000] = {0};
                        struct store_change changes[] = {
                                {.kind = STORE_ADD, .id = id + 1, .job = plain_job(id + 1)},
                                {.kind = STORE_FILES, .id = id + 1, .data = {data, sizeof(data)}},
                                {.kind = STORE_UPDATE, .id = id + 1, .job = largest_job(id + 1)},
                        };
                        code = store->ops->commit(store, changes, 3);
                        id += code == 0;
                } while (code == 0);
                ck_assert_int_eq(code, -FSOP_ENOSPC);
                ck_assert_uint_eq(count_whole_jobs(store), id);
                if (round == 2) { /* killed while it is full; it starts when there is space again */
                        leave(store);
                        ck_assert_int_eq(unlink(filler), 0);
                        store = must_open();
                }
                unlink(filler);
                ck_assert_uint_eq(count_whole_jobs(store), id);
                for (whole = id / 2; id > whole; id--)
                        ck_assert_int_eq(commit_one(store, (struct store_change){.kind = STORE_REMOVE, .id = id}), 0);
                store->ops->close(store);
                execute("UPDATE meta SET value = 1 + ifnull((SELECT max(id) FROM jobs), 0) WHERE name = 'next-id'");
                store = must_open();
        }
        store->ops->close(store);
        fill_disk(filler);
        must_not_open(-FSOP_ENOSPC, file);
        unlink(filler);
        store = must_open();
        ck_assert_uint_eq(count_whole_jobs(store), id);
        store->ops->close(store);
        umount(directory);
}
END_TEST

static off_t log_bytes(void) {
        char path[320];

        snprintf(path, sizeof(path), "%s-wal", file);
        return file_bytes(path);
}

START_TEST(the_file_does_not_grow_for_ever) {
        struct store *store = must_open();
        off_t most = 0;

        for (int round = 0; round < 30; round++) {
                uint64_t id = (uint64_t)round + 1;

                add(store, plain_job(id));
                for (int i = 0; i < 6; i++)
                        ck_assert_int_eq(append(store, id, 0, 1, 500000), 0);
                if (round == 3)
                        most = file_bytes(file);
                if (round >= 3)
                        ck_assert_int_eq(commit_one(store, (struct store_change){.kind = STORE_REMOVE, .id = id - 3}),
                                         0);
                ck_assert_int_lt(log_bytes(), 12 << 20);
        }
        ck_assert_int_lt(file_bytes(file), most + (6 << 20));
        for (uint64_t id = 28; id <= 30; id++)
                ck_assert_int_eq(commit_one(store, (struct store_change){.kind = STORE_REMOVE, .id = id}), 0);
        for (int i = 0; i < 2000; i++) /* every commit adds to the log, and yet it stays small */
                ck_assert_int_eq(commit_one(store, (struct store_change){.kind = STORE_RETRY, .id = 1}), 0);
        ck_assert_int_le(log_bytes(), 12 << 20);
        store->ops->close(store);
        ck_assert_int_lt(file_bytes(file), 6 << 20);
        store = must_open();
        store->ops->close(store);
        printf("the file after all is removed: %lld KiB\n", (long long)file_bytes(file) >> 10);
}
END_TEST

#define ADD_TESTS(group, ...)                                                                                          \
        do {                                                                                                           \
                const TTest *const tests[] = {__VA_ARGS__};                                                            \
                for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)                                          \
                        tcase_add_test(group, tests[i]);                                                               \
        } while (0)

int main(void) {
        Suite *suite = suite_create("store");
        TCase *group = tcase_create("store");

        tcase_add_checked_fixture(group, setup, teardown);
        ADD_TESTS(group, every_field_comes_back, update_changes_what_may_change, files_are_appended_in_order,
                  parts_are_replaced_and_forgotten, failures_are_read_page_by_page, nothing_of_a_removed_job_stays,
                  all_of_a_commit_or_nothing, reading_ends_when_it_is_told_to, generation_grows_with_every_open,
                  files_are_private, what_is_not_ours_is_refused, one_daemon_at_a_time,
                  acknowledged_is_there_after_a_kill, torn_log_ends_at_a_commit, older_files_are_brought_up_to_date,
                  a_step_that_fails_changes_nothing, newer_files_are_left_alone, a_full_disk_is_survived,
                  the_file_does_not_grow_for_ever);
        tcase_add_loop_test(group, damaged_files_are_set_aside, 0, DAMAGES);
        tcase_add_loop_test(group, log_of_a_damaged_file_goes_with_it, 0, 3);
        tcase_set_timeout(group, 120);
        suite_add_tcase(suite, group);
        SRunner *runner = srunner_create(suite);
        srunner_run_all(runner, CK_ENV);
        int failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
