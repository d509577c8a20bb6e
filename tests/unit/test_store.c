/* SPDX-License-Identifier: MIT */
/*
 * test_store.c: the store of copy jobs on a real disk: everything that is put in comes back, whatever happens to the
 * process and to the file in between.
 */
#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
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

int main(void) {
        Suite *suite = suite_create("store");
        TCase *group = tcase_create("store");
        const TTest *const tests[] = {every_field_comes_back};

        tcase_add_checked_fixture(group, setup, teardown);
        for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
                tcase_add_test(group, tests[i]);
        tcase_set_timeout(group, 120);
        suite_add_tcase(suite, group);
        SRunner *runner = srunner_create(suite);
        srunner_run_all(runner, CK_ENV);
        int failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
