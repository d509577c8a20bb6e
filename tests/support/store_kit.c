/* SPDX-License-Identifier: MIT */
/*
 * store_kit.c: a directory for a store, jobs to put into it, and what must come back.
 */
#include "tests/support/store_kit.h"

#include <check.h>
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

char kit_directory[256];
char kit_file[300];

void kit_setup(void) {
        const char *base = getenv("FSOP_TEST_DIR");
        bool own_root;

        ck_assert_int_eq(sys_start(&(struct sys_config){.private_service = geteuid() != 0}, &own_root), 0);
        snprintf(kit_directory, sizeof(kit_directory), "%s/fsop-store-XXXXXX", base ? base : "/var/tmp");
        ck_assert_ptr_nonnull(mkdtemp(kit_directory));
        snprintf(kit_file, sizeof(kit_file), "%s/%s", kit_directory, STORE_SQLITE_FILE);
}

/* Calls EACH with every name in the directory. */
void kit_each_name(void (*each)(const char *name, void *context), void *context) {
        DIR *dir = opendir(kit_directory);
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
        snprintf(path, sizeof(path), "%s/%s", kit_directory, name);
        unlink(path);
}

void kit_teardown(void) {
        kit_each_name(remove_name, NULL);
        rmdir(kit_directory);
        sys_stop();
}

/* ---- opening and closing */

struct store *kit_open(void) {
        struct store *store = NULL;
        char *note = NULL;
        int code = store_sqlite.open(kit_directory, &store, &note);

        ck_assert_msg(code == 0, "open: %d, %s", code, note ? note : "-");
        ck_assert_msg(note == NULL, "%s", note);
        return store;
}

/* Opening fails with this code, and a note that has this in it. */
void kit_open_fails(int expected, const char *in_note) {
        struct store *store = NULL;
        char *note = NULL;
        int code = store_sqlite.open(kit_directory, &store, &note);

        ck_assert_msg(code == expected, "open: %d, %s", code, note ? note : "-");
        ck_assert_ptr_nonnull(note);
        ck_assert_msg(strstr(note, in_note) != NULL, "%s", note);
        free(note);
}

/* Closes it as a crash would, but for the memory: the log stays for the next one. */
void kit_leave(struct store *store) {
        store_sqlite_close_file((struct store_sqlite *)(void *)store, true);
        free(store);
}

void kit_wait_for(pid_t pid, bool killed) {
        int status;

        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        if (killed)
                ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        else
                ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* ---- what must be the same */

static void same_bytes(struct bytes a, struct bytes b) {
        ck_assert_uint_eq(a.len, b.len);
        ck_assert_ptr_nonnull(a.data);
        if (b.len > 0)
                ck_assert_mem_eq(a.data, b.data, b.len);
}

void kit_same_time(struct fsop_time a, struct fsop_time b) {
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
        KIT_SAME(a, b, code);
        KIT_SAME(a, b, class_);
        KIT_SAME(a, b, retryable);
        KIT_SAME(a, b, os_error);
        same_bytes(a->rule, b->rule);
        same_bytes(a->message, b->message);
}

static void same_place(const struct store_place *a, const struct store_place *b) {
        same_bytes(a->source, b->source);
        same_bytes(a->target, b->target);
        KIT_SAME(a, b, follow);
        KIT_SAME(a, b, source_id.dev);
        KIT_SAME(a, b, source_id.ino);
        KIT_SAME(a, b, parent_id.dev);
        KIT_SAME(a, b, parent_id.ino);
        kit_same_time(a->source_btime, b->source_btime);
        KIT_SAME(a, b, top.ino);
        kit_same_time(a->top.btime, b->top.btime);
        same_list(a->names, a->n_names, b->names, b->n_names);
        KIT_SAME(a, b, finished);
}

static void same_state(const struct store_job *a, const struct store_job *b) {
        KIT_SAME(a, b, state);
        kit_same_time(a->started, b->started);
        kit_same_time(a->finished, b->finished);
        kit_same_time(a->progressed, b->progressed);
        KIT_SAME(a, b, runs);
        KIT_SAME(a, b, elevated);
        KIT_SAME(a, b, counters.files_total);
        KIT_SAME(a, b, counters.bytes_total);
        KIT_SAME(a, b, counters.totals_known);
        KIT_SAME(a, b, counters.files_done);
        KIT_SAME(a, b, counters.files_failed);
        KIT_SAME(a, b, counters.files_skipped);
        KIT_SAME(a, b, counters.bytes_copied);
        KIT_SAME(a, b, counters.bytes_flushed);
        KIT_SAME(a, b, counters.bytes_verified);
        same_error(&a->error, &b->error);
}

static void same_job(const struct store_job *a, const struct store_job *b) {
        KIT_SAME(a, b, id);
        KIT_SAME(a, b, uid);
        KIT_SAME(a, b, gid);
        ck_assert_uint_eq(a->n_groups, b->n_groups);
        for (uint32_t i = 0; i < a->n_groups; i++)
                ck_assert_uint_eq(a->groups[i], b->groups[i]);
        KIT_SAME(a, b, capabilities);
        KIT_SAME(a, b, fully_capable);
        same_bytes(a->user, b->user);
        same_bytes(a->key, b->key);
        KIT_SAME(a, b, as);
        KIT_SAME(a, b, recursive);
        KIT_SAME(a, b, one_filesystem);
        KIT_SAME(a, b, verify);
        KIT_SAME(a, b, preserve);
        KIT_SAME(a, b, umask);
        KIT_SAME(a, b, clone);
        KIT_SAME(a, b, sync);
        KIT_SAME(a, b, update);
        KIT_SAME(a, b, bytes_per_s);
        KIT_SAME(a, b, priority);
        same_list(a->excludes, a->n_excludes, b->excludes, b->n_excludes);
        ck_assert_str_eq(a->random, b->random);
        kit_same_time(a->created, b->created);
        ck_assert_uint_eq(a->n_places, b->n_places);
        for (uint32_t i = 0; i < a->n_places; i++)
                same_place(&a->places[i], &b->places[i]);
        same_state(a, b);
}

/* ---- jobs to put in */

/* Every field at its largest, every text with bytes that no SQL would survive. */
struct store_job *kit_largest_job(uint64_t id) {
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
                        .top = {i == 1 ? 0 : UINT64_MAX - i, {i == 0 ? INT64_MIN : 0, i}},
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
struct store_job *kit_smallest_job(uint64_t id) {
        static struct store_job job;

        job = (struct store_job){.id = id, .state = FSOP_JOB_QUEUED};
        return &job;
}

struct store_job *kit_plain_job(uint64_t id) {
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

/* ---- putting in */

void kit_commit(struct store *store, const struct store_change *changes, uint32_t n) {
        int code = store->ops->commit(store, changes, n);

        ck_assert_msg(code == 0, "commit: %d", code);
}

int kit_commit_one(struct store *store, struct store_change change) {
        return store->ops->commit(store, &change, 1);
}

void kit_add(struct store *store, const struct store_job *job) {
        kit_commit(store, &(struct store_change){.kind = STORE_ADD, .id = job->id, .job = job}, 1);
}

int kit_append(struct store *store, uint64_t id, uint32_t place, uint8_t byte, size_t len) {
        uint8_t *data = malloc(len + 1);
        int code;

        memset(data, byte, len);
        code = kit_commit_one(
                store, (struct store_change){.kind = STORE_FILES, .id = id, .place = place, .data = {data, len}});
        free(data);
        return code;
}

void kit_fill(struct store *store) {
        kit_add(store, kit_largest_job(1));
        for (uint64_t id = 2; id < 40; id++)
                kit_add(store, kit_plain_job(id));
        ck_assert_int_eq(kit_append(store, 1, 0, 1, 100000), 0);
}

/* A process that adds job after job, each with its files in the same commit, and says what was acknowledged. */
void kit_add_for_ever(int acknowledge, uint64_t first) {
        struct store *store = kit_open();
        uint8_t data[9000];

        memset(data, 1, sizeof(data));
        for (uint64_t id = first;; id++) {
                struct store_change changes[] = {
                        {.kind = STORE_ADD, .id = id, .job = kit_plain_job(id)},
                        {.kind = STORE_FILES, .id = id, .data = {data, sizeof(data)}},
                        {.kind = STORE_UPDATE, .id = id, .job = kit_largest_job(id)},
                };

                if (store->ops->commit(store, changes, 3) < 0 || write(acknowledge, &id, sizeof(id)) != sizeof(id))
                        _exit(1);
        }
}

/* ---- reading back */

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
void kit_has_jobs(struct store *store, const struct store_job *jobs, uint32_t n, uint64_t next_id) {
        struct expected expected = {jobs, n, 0};
        uint64_t next = 0;

        ck_assert_int_eq(store->ops->load(store, compare_job, &expected, &next), 0);
        ck_assert_uint_eq(expected.seen, n);
        ck_assert_uint_eq(next, next_id);
}

int kit_take_blob(void *context, struct bytes data) {
        struct blobs *blobs = context;

        ck_assert_uint_lt(blobs->n, 16);
        blobs->len[blobs->n] = data.len;
        blobs->first[blobs->n++] = data.len > 0 ? data.data[0] : 0;
        for (size_t i = 1; i < data.len; i++)
                if (data.data[i] != data.data[0])
                        return -FSOP_EIO;
        return 0;
}

int kit_stop_at_once(void *context, const struct store_job *job) {
        (void)job;
        ++*(int *)context;
        return -FSOP_ECANCELED;
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
uint64_t kit_count_whole_jobs(struct store *store) {
        struct present present = {0};
        struct blobs blobs = {0};
        uint64_t next;

        ck_assert_int_eq(store->ops->load(store, count_job, &present, &next), 0);
        ck_assert_uint_eq(next, present.n + 1);
        for (uint64_t id = 1; id <= present.n; id++) {
                blobs.n = 0;
                ck_assert_int_eq(store->ops->read_files(store, id, 0, kit_take_blob, &blobs), 0);
                ck_assert(blobs.n == 1 && blobs.len[0] == 9000);
        }
        return present.n;
}

/* ---- the file itself */

struct image kit_read_image(const char *path) {
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

bool kit_same_image(const char *path, const struct image *image) {
        struct image now = kit_read_image(path);
        bool same = now.len == image->len && memcmp(now.data, image->data, now.len) == 0;

        free(now.data);
        return same;
}

void kit_write_at(const char *path, off_t at, const void *data, size_t len) {
        int fd = open(path, O_WRONLY | O_CREAT, 0600);

        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(pwrite(fd, data, len, at), (ssize_t)len);
        close(fd);
}

void kit_garbage_at(off_t at, size_t len) {
        uint8_t *data = malloc(len);

        for (size_t i = 0; i < len; i++)
                data[i] = (uint8_t)rand();
        kit_write_at(kit_file, at, data, len);
        free(data);
}

/* What a person with sqlite3 at hand could do. */
void kit_execute(const char *sql) {
        char *message = NULL;
        sqlite3 *db;

        ck_assert_int_eq(sqlite3_open_v2(kit_file, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
        sqlite3_exec(db, sql, NULL, NULL, &message);
        ck_assert_msg(message == NULL, "%s: %s", sql, message);
        sqlite3_close(db);
}

int64_t kit_count_rows(const char *sql) {
        sqlite3_stmt *statement;
        sqlite3 *db;
        int64_t n;

        ck_assert_int_eq(sqlite3_open_v2(kit_file, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
        ck_assert_int_eq(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), SQLITE_OK);
        ck_assert_int_eq(sqlite3_step(statement), SQLITE_ROW);
        n = sqlite3_column_int64(statement, 0);
        sqlite3_finalize(statement);
        sqlite3_close(db);
        return n;
}

off_t kit_file_bytes(const char *path) {
        struct stat st;

        return stat(path, &st) == 0 ? st.st_size : -1;
}

off_t kit_log_bytes(void) {
        char path[320];

        snprintf(path, sizeof(path), "%s-wal", kit_file);
        return kit_file_bytes(path);
}
