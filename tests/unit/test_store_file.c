/* SPDX-License-Identifier: MIT */
/*
 * test_store_file.c: the file of the SQLite store: whose it is, damage of every kind, older and newer versions, a full
 * disk, and how large it gets.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "tests/support/store_kit.h"
#include "tests/support/suite.h"

/* ---- the file ---------------------------------------------------------------------------------------------------- */

static void is_expected(const char *name, void *context) {
        struct stat st;
        char path[600];

        ck_assert_msg(strcmp(name, STORE_SQLITE_FILE) == 0 || strcmp(name, STORE_SQLITE_FILE "-wal") == 0, "%s", name);
        snprintf(path, sizeof(path), "%s/%s", kit_directory, name);
        ck_assert_int_eq(lstat(path, &st), 0);
        ck_assert_uint_eq(st.st_mode, S_IFREG | 0600);
        ++*(int *)context;
}

START_TEST(files_are_private) {
        mode_t old = umask(0);
        struct store *store = kit_open();
        int n = 0;

        kit_add(store, kit_plain_job(1));
        kit_each_name(is_expected, &n);
        ck_assert_int_eq(n, 2);
        store->ops->close(store);
        n = 0;
        kit_each_name(is_expected, &n);
        ck_assert_int_eq(n, 1);
        umask(old);
}
END_TEST

START_TEST(what_is_not_ours_is_refused) {
        char elsewhere[sizeof(kit_directory) + 20];

        snprintf(elsewhere, sizeof(elsewhere), "%s/elsewhere", kit_directory);
        ck_assert_int_eq(symlink(elsewhere, kit_file), 0);
        kit_open_fails(-FSOP_EPERM, "not a file of the daemon's own");
        ck_assert_int_lt(access(elsewhere, F_OK), 0);
        unlink(kit_file);
        ck_assert_int_eq(mkdir(kit_file, 0700), 0);
        kit_open_fails(-FSOP_EPERM, "not a file of the daemon's own");
        rmdir(kit_file);
        struct store *store = kit_open();
        store->ops->close(store);
        ck_assert_int_eq(chmod(kit_file, 0620), 0);
        kit_open_fails(-FSOP_EPERM, "not a file of the daemon's own");
        ck_assert_int_eq(chmod(kit_file, 0600), 0);
        ck_assert_int_eq(link(kit_file, elsewhere), 0);
        kit_open_fails(-FSOP_EPERM, "not a file of the daemon's own");
        unlink(elsewhere);
        store = kit_open();
        store->ops->close(store);
        snprintf(kit_directory + strlen(kit_directory), sizeof(kit_directory) - strlen(kit_directory), "/none");
        kit_open_fails(-FSOP_ENOENT, "could not be made");
        *strrchr(kit_directory, '/') = 0;
}
END_TEST

/* ---- damage ------------------------------------------------------------------------------------------------------ */

static void damage_header(void) {
        kit_garbage_at(0, 100);
}
static void damage_first_page(void) {
        uint8_t zeros[4096] = {0};

        kit_write_at(kit_file, 0, zeros, sizeof(zeros));
}
static void damage_middle(void) {
        for (off_t at = 4096; at < kit_file_bytes(kit_file); at += 2 * 4096)
                kit_garbage_at(at, 4096);
}
static void damage_half(void) {
        ck_assert_int_eq(truncate(kit_file, kit_file_bytes(kit_file) / 2), 0);
}
static void damage_last_page(void) {
        ck_assert_int_eq(truncate(kit_file, kit_file_bytes(kit_file) - 4096), 0);
}
static void damage_to_a_stump(void) {
        ck_assert_int_eq(truncate(kit_file, 50), 0);
}
static void damage_to_nothing(void) {
        ck_assert_int_eq(truncate(kit_file, 0), 0);
}
static void damage_to_text(void) {
        damage_to_nothing();
        kit_write_at(kit_file, 0, "dear diary\n", 11);
}
static void damage_to_another(void) {
        unlink(kit_file);
        kit_write_at(kit_file, 0, "", 0);
        kit_execute("CREATE TABLE recipes (cake)");
}
static void damage_version(void) { /* of a page that is otherwise whole: no newer daemon was here */
        kit_execute("PRAGMA user_version = 77");
}
static void damage_table(void) {
        kit_execute("PRAGMA foreign_keys = OFF; DROP TABLE places");
}
static void damage_column(void) {
        kit_execute("ALTER TABLE jobs RENAME COLUMN umask TO mask");
}
static void damage_state(void) {
        kit_execute("UPDATE states SET state = 99");
}
static void damage_type(void) {
        kit_execute("UPDATE jobs SET uid = 'root'");
}
static void damage_number(void) {
        kit_execute("UPDATE jobs SET uid = -1");
}
static void damage_groups(void) {
        kit_execute("UPDATE jobs SET group_list = x'010203'");
}
static void damage_excludes(void) {
        kit_execute("UPDATE jobs SET excludes = x'ffffffff00'");
}
static void damage_random(void) {
        kit_execute("UPDATE jobs SET random = x'3030303030303030303030303030303030'");
}
static void damage_random_inside(void) {
        kit_execute("UPDATE jobs SET random = x'300030'");
}
static void damage_places(void) {
        kit_execute("UPDATE jobs SET n_places = 4294967295");
}
static void damage_one_place(void) {
        kit_execute("UPDATE places SET place = place + 7");
}
static void damage_no_state(void) {
        kit_execute("DELETE FROM states");
}
static void damage_error(void) {
        kit_execute("UPDATE states SET error_code = 5");
}
static void damage_counters(void) {
        kit_execute("UPDATE meta SET value = -5 WHERE name = 'next-id'");
}
static void damage_meta(void) {
        kit_execute("DELETE FROM meta WHERE name = 'generation'");
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
        int code = store_sqlite.open(kit_directory, &store, &note);

        ck_assert_msg(code == 0, "open: %d, %s", code, note ? note : "-");
        ck_assert_ptr_nonnull(note);
        at = strstr(note, "set aside as ");
        ck_assert_msg(at != NULL && strstr(note, ".fsop-*") != NULL, "%s", note);
        at += strlen("set aside as ");
        snprintf(aside, aside_bytes, "%.*s", (int)strcspn(at, ","), at);
        ck_assert_msg(strncmp(aside, kit_file, strlen(kit_file)) == 0 && strstr(aside, ".damaged-20") != NULL, "%s",
                      aside);
        free(note);
        return store;
}

START_TEST(damaged_files_are_set_aside) {
        struct store *store = kit_open();
        struct store_job job;
        struct image damaged;
        char aside[600], second[600];
        uint64_t generation, next;

        kit_fill(store);
        generation = store->ops->generation(store);
        store->ops->close(store);
        damages[_i].damage();
        damaged = kit_read_image(kit_file);
        store = open_damaged(aside, sizeof(aside));
        ck_assert_uint_gt(store->ops->generation(store), generation);
        ck_assert_int_eq(store->ops->load(store, kit_stop_at_once, NULL, &next), 0);
        ck_assert_uint_gt(next, 40); /* an id that somebody remembers is not another job's */
        ck_assert_msg(kit_same_image(aside, &damaged), "%s: what was set aside has changed", damages[_i].name);
        job = *kit_plain_job(next);
        kit_add(store, &job);
        store->ops->close(store);
        store = kit_open();
        kit_has_jobs(store, &job, 1, next + 1);
        store->ops->close(store);
        damages[_i].damage(); /* once more, within the same second perhaps */
        store = open_damaged(second, sizeof(second));
        ck_assert_str_ne(aside, second);
        ck_assert(kit_same_image(aside, &damaged));
        store->ops->close(store);
        free(damaged.data);
}
END_TEST

/* The log goes with its kit_file, unread. */
START_TEST(log_of_a_damaged_file_goes_with_it) {
        struct store *store = kit_open();
        struct image damaged, log;
        char path[320], aside[600], aside_log[620];

        kit_fill(store);
        store->ops->close(store);
        store = kit_open();
        kit_add(store, kit_plain_job(50));
        kit_leave(store);
        snprintf(path, sizeof(path), "%s-wal", kit_file);
        if (_i == 0)
                damage_middle();
        else if (_i == 1)
                ck_assert_int_eq(truncate(kit_file, 0), 0);
        else
                ck_assert_int_eq(unlink(kit_file), 0);
        log = kit_read_image(path);
        ck_assert_uint_gt(log.len, 4096);
        store = open_damaged(aside, sizeof(aside));
        kit_add(store, kit_plain_job(1u << 31));
        snprintf(aside_log, sizeof(aside_log), "%s-wal", aside);
        ck_assert(kit_same_image(aside_log, &log));
        if (_i == 0) {
                damaged = kit_read_image(aside);
                ck_assert_uint_ge(damaged.len, 4096);
                free(damaged.data);
        }
        store->ops->close(store);
        free(log.data);
        store = kit_open();
        store->ops->close(store);
}
END_TEST

/* A log that ends anywhere, as after a crash of the machine, or has garbage in it: what was committed before is there,
 * and whole. */
START_TEST(torn_log_ends_at_a_commit) {
        struct store *store = kit_open();
        struct image whole, log;
        char path[320];

        snprintf(path, sizeof(path), "%s-wal", kit_file);
        for (uint64_t id = 1; id <= 10; id++) {
                uint8_t data[9000] = {0};
                struct store_change changes[] = {
                        {.kind = STORE_ADD, .id = id, .job = kit_plain_job(id)},
                        {.kind = STORE_FILES, .id = id, .data = {data, sizeof(data)}},
                        {.kind = STORE_UPDATE, .id = id, .job = kit_largest_job(id)},
                };
                kit_commit(store, changes, 3);
        }
        kit_leave(store);
        whole = kit_read_image(kit_file);
        log = kit_read_image(path);
        srand(3);
        for (int round = 0; round < 40; round++) {
                size_t at = (size_t)rand() % log.len;

                unlink(kit_file);
                unlink(path);
                kit_write_at(kit_file, 0, whole.data, whole.len);
                kit_write_at(path, 0, log.data, round % 2 ? log.len : at);
                if (round % 2) {
                        uint8_t other = log.data[at] ^ 0x55;

                        kit_write_at(path, (off_t)at, &other, 1);
                }
                if (round == 0)
                        continue;
                store = kit_open();
                ck_assert_uint_le(kit_count_whole_jobs(store), 10);
                kit_leave(store);
        }
        free(whole.data);
        free(log.data);
}
END_TEST

/* ---- versions ---------------------------------------------------------------------------------------------------- */

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
        return store_sqlite_open_as(kit_directory, steps, version, ret_store, ret_note);
}

START_TEST(older_files_are_brought_up_to_date) {
        struct store *store = kit_open();
        struct store_job jobs[2] = {*kit_plain_job(1), {0}};
        char *note = NULL;

        jobs[1] = *kit_largest_job(2);
        kit_add(store, &jobs[0]);
        kit_add(store, &jobs[1]);
        kit_leave(store);
        ck_assert_int_eq(open_later(3, NULL, &store, &note), 0);
        ck_assert_ptr_null(note);
        kit_has_jobs(store, jobs, 2, 3);
        store->ops->close(store);
        ck_assert_int_eq(kit_count_rows("SELECT count(*) FROM colours WHERE colour = x'726564'"), 2);
        ck_assert_int_eq(kit_count_rows("PRAGMA user_version"), 3);
        ck_assert_int_eq(kit_count_rows("SELECT value FROM meta WHERE name = 'version'"), 3);
        ck_assert_int_eq(open_later(3, NULL, &store, &note), 0); /* and no step twice */
        kit_has_jobs(store, jobs, 2, 3);
        store->ops->close(store);
        ck_assert_int_eq(kit_count_rows("SELECT count(*) FROM colours"), 2);
}
END_TEST

START_TEST(a_step_that_fails_changes_nothing) {
        struct store *store = kit_open();
        struct store_job job = *kit_plain_job(1);
        struct image before;
        char *note = NULL, *at, aside[600];

        kit_add(store, &job);
        store->ops->close(store);
        before = kit_read_image(kit_file);
        ck_assert_int_eq(open_later(3, "INSERT INTO meta SELECT 'oops', NULL FROM jobs", &store, &note), 0);
        ck_assert_ptr_nonnull(note);
        at = strstr(note, "set aside as ");
        ck_assert_ptr_nonnull(at);
        at += strlen("set aside as ");
        snprintf(aside, sizeof(aside), "%.*s", (int)strcspn(at, ","), at);
        ck_assert(kit_same_image(aside, &before));
        store->ops->close(store);
        free(note);
        free(before.data);
}
END_TEST

START_TEST(newer_files_are_left_alone) {
        struct store *store;
        struct store_job job = *kit_plain_job(1);
        struct image before;
        char *note = NULL;

        ck_assert_int_eq(open_later(2, NULL, &store, &note), 0);
        kit_add(store, &job);
        store->ops->close(store);
        before = kit_read_image(kit_file);
        kit_open_fails(-FSOP_EOPNOTSUPP, "newer fsopd");
        ck_assert(kit_same_image(kit_file, &before));
        ck_assert_int_eq(open_later(2, NULL, &store, &note), 0);
        kit_has_jobs(store, &job, 1, 2);
        store->ops->close(store);
        free(before.data);
}
END_TEST

/* ---- space ------------------------------------------------------------------------------------------------------- */

/* Mounts a small filesystem on the directory, in a mount namespace of this process; false, with a line, where that
 * cannot be. */
static bool mount_small(void) {
        if (unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
            mount("tmpfs", kit_directory, "tmpfs", 0, "size=2M,mode=0700") == 0)
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
        snprintf(filler, sizeof(filler), "%s/filler", kit_directory);
        store = kit_open();
        for (int round = 0; round < 5; round++) {
                int code;

                fill_disk(filler);
                do {
                        uint8_t data[9000] = {0};
                        struct store_change changes[] = {
                                {.kind = STORE_ADD, .id = id + 1, .job = kit_plain_job(id + 1)},
                                {.kind = STORE_FILES, .id = id + 1, .data = {data, sizeof(data)}},
                                {.kind = STORE_UPDATE, .id = id + 1, .job = kit_largest_job(id + 1)},
                        };
                        code = store->ops->commit(store, changes, 3);
                        id += code == 0;
                } while (code == 0);
                ck_assert_int_eq(code, -FSOP_ENOSPC);
                ck_assert_uint_eq(kit_count_whole_jobs(store), id);
                if (round == 2) { /* killed while it is full; it starts when there is space again */
                        kit_leave(store);
                        ck_assert_int_eq(unlink(filler), 0);
                        store = kit_open();
                }
                unlink(filler);
                ck_assert_uint_eq(kit_count_whole_jobs(store), id);
                for (whole = id / 2; id > whole; id--)
                        ck_assert_int_eq(kit_commit_one(store, (struct store_change){.kind = STORE_REMOVE, .id = id}),
                                         0);
                store->ops->close(store);
                kit_execute("UPDATE meta SET value = 1 + ifnull((SELECT max(id) FROM jobs), 0) WHERE name = 'next-id'");
                store = kit_open();
        }
        store->ops->close(store);
        fill_disk(filler);
        kit_open_fails(-FSOP_ENOSPC, kit_file);
        unlink(filler);
        store = kit_open();
        ck_assert_uint_eq(kit_count_whole_jobs(store), id);
        store->ops->close(store);
        umount(kit_directory);
}
END_TEST

static void count_begun(const char *name, void *context) {
        if (strcmp(name, "filler") != 0)
                ++*(int *)context;
}

static void count_aside(const char *name, void *context) {
        if (strstr(name, ".damaged-"))
                ++*(int *)context;
}

/* A start that fails leaves what it found: nothing, so that numbers begin at 1 when there is room; or a damaged file
 * under its own name, so that they do not. */
START_TEST(a_start_without_room_changes_nothing) {
        char filler[300], aside[600];
        struct image damaged;
        struct store *store;
        uint64_t next = 0;

        if (!mount_small())
                return;
        snprintf(filler, sizeof(filler), "%s/filler", kit_directory);
        fill_disk(filler);
        for (int i = 0; i < 3; i++) {
                int n = 0;

                kit_open_fails(-FSOP_ENOSPC, kit_file);
                kit_each_name(count_begun, &n);
                ck_assert_int_eq(n, 0);
        }
        unlink(filler);
        store = kit_open();
        ck_assert_int_eq(store->ops->load(store, kit_stop_at_once, NULL, &next), 0);
        ck_assert_uint_eq(next, 1);
        kit_fill(store);
        store->ops->close(store);
        if (_i == 0)
                damage_middle();
        else
                damage_to_text();
        damaged = kit_read_image(kit_file);
        fill_disk(filler);
        for (int i = 0; i < 3; i++) {
                int n = 0;

                kit_open_fails(-FSOP_ENOSPC, "is damaged, and a new one cannot be begun");
                kit_each_name(count_aside, &n);
                ck_assert_int_eq(n, 0);
                ck_assert(kit_same_image(kit_file, &damaged));
        }
        unlink(filler);
        store = open_damaged(aside, sizeof(aside));
        ck_assert(kit_same_image(aside, &damaged));
        ck_assert_int_eq(store->ops->load(store, kit_stop_at_once, NULL, &next), 0);
        ck_assert_uint_gt(next, 40);
        store->ops->close(store);
        free(damaged.data);
        umount(kit_directory);
}
END_TEST

START_TEST(the_file_does_not_grow_for_ever) {
        struct store *store = kit_open();
        off_t most = 0;

        for (int round = 0; round < 30; round++) {
                uint64_t id = (uint64_t)round + 1;

                kit_add(store, kit_plain_job(id));
                for (int i = 0; i < 6; i++)
                        ck_assert_int_eq(kit_append(store, id, 0, 1, 500000), 0);
                if (round == 3)
                        most = kit_file_bytes(kit_file);
                if (round >= 3)
                        ck_assert_int_eq(
                                kit_commit_one(store, (struct store_change){.kind = STORE_REMOVE, .id = id - 3}), 0);
                ck_assert_int_lt(kit_log_bytes(), 12 << 20);
        }
        ck_assert_int_lt(kit_file_bytes(kit_file), most + (6 << 20));
        for (uint64_t id = 28; id <= 30; id++)
                ck_assert_int_eq(kit_commit_one(store, (struct store_change){.kind = STORE_REMOVE, .id = id}), 0);
        for (int i = 0; i < 2000; i++) /* every commit adds to the log, and yet it stays small */
                ck_assert_int_eq(kit_commit_one(store, (struct store_change){.kind = STORE_RETRY, .id = 1}), 0);
        ck_assert_int_le(kit_log_bytes(), 12 << 20);
        store->ops->close(store);
        ck_assert_int_lt(kit_file_bytes(kit_file), 6 << 20);
        store = kit_open();
        store->ops->close(store);
        printf("the file after all is removed: %lld KiB\n", (long long)kit_file_bytes(kit_file) >> 10);
}
END_TEST

/* ---- how fast, and how much memory ------------------------------------------------------------------------------- */

static double now_ms(void) {
        struct timespec now;

        clock_gettime(CLOCK_MONOTONIC, &now);
        return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static int count_one(void *context, const struct store_job *job) {
        (void)job;
        ++*(uint32_t *)context;
        return 0;
}

static int by_size(const void *a, const void *b) {
        double x = *(const double *)a, y = *(const double *)b;

        return (x > y) - (x < y);
}

static double median_of_commits(struct store *store, uint32_t n, size_t files_bytes) {
        static double took[500];

        for (uint32_t i = 0; i < n; i++) {
                struct store_job *job = kit_plain_job(1);
                double start = now_ms();

                job->counters.bytes_copied = i + 1; /* what does not change anything is not written */
                if (files_bytes > 0)
                        ck_assert_int_eq(kit_append(store, 1, 0, 1, files_bytes), 0);
                else
                        kit_commit(store, &(struct store_change){.kind = STORE_UPDATE, .id = 1, .job = job}, 1);
                took[i] = now_ms() - start;
        }
        qsort(took, n, sizeof(took[0]), by_size);
        return took[n / 2];
}

START_TEST(ten_thousand_jobs) {
        enum { JOBS = 10000, GROUP = 100 };
        static struct store_change changes[GROUP];
        static struct store_job jobs[GROUP];
        const char *sanitizers = getenv("FSOP_SANITIZE");
        struct store *store = kit_open();
        uint32_t n = 0;
        uint64_t next, before, after;
        double start = now_ms();

        for (uint64_t id = 1; id <= JOBS; id++) {
                uint32_t i = (uint32_t)((id - 1) % GROUP);

                jobs[i] = *kit_plain_job(id);
                changes[i] = (struct store_change){.kind = STORE_ADD, .id = id, .job = &jobs[i]};
                if (i == GROUP - 1)
                        kit_commit(store, changes, GROUP);
        }
        printf("%d jobs added in commits of %d: %.0f ms\n", JOBS, GROUP, now_ms() - start);
        store->ops->close(store);
        before = sys_resident_bytes();
        start = now_ms();
        store = kit_open();
        printf("opened, with its check: %.1f ms; ", now_ms() - start);
        start = now_ms();
        ck_assert_int_eq(store->ops->load(store, count_one, &n, &next), 0);
        after = sys_resident_bytes();
        printf("loaded: %.1f ms, %lld KiB more in memory; the file: %lld KiB\n", now_ms() - start,
               ((long long)after - (long long)before) / 1024, (long long)kit_file_bytes(kit_file) / 1024);
        ck_assert_uint_eq(n, JOBS);
        if (!sanitizers || !*sanitizers)
                ck_assert_uint_lt(after, before + (4u << 20));
        printf("a commit of one small change: %.0f us; of 500 kB of files: %.1f ms\n",
               median_of_commits(store, 500, 0) * 1e3, median_of_commits(store, 40, 500000));
        start = now_ms();
        ck_assert_int_eq(kit_commit_one(store, (struct store_change){.kind = STORE_REMOVE, .id = 1}), 0);
        printf("a job with 20 MB of files removed: %.1f ms; %lld KiB more in memory than at first\n", now_ms() - start,
               ((long long)sys_resident_bytes() - (long long)before) / 1024);
        store->ops->close(store);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("store_file");
        TCase *group = tcase_create("store_file");
        const TTest *const tests[] = {files_are_private,
                                      what_is_not_ours_is_refused,
                                      torn_log_ends_at_a_commit,
                                      older_files_are_brought_up_to_date,
                                      a_step_that_fails_changes_nothing,
                                      newer_files_are_left_alone,
                                      a_full_disk_is_survived,
                                      the_file_does_not_grow_for_ever,
                                      ten_thousand_jobs};

        tcase_add_checked_fixture(group, kit_setup, kit_teardown);
        for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
                tcase_add_test(group, tests[i]);
        tcase_add_loop_test(group, damaged_files_are_set_aside, 0, DAMAGES);
        tcase_add_loop_test(group, log_of_a_damaged_file_goes_with_it, 0, 3);
        tcase_add_loop_test(group, a_start_without_room_changes_nothing, 0, 2);
        tcase_set_timeout(group, 500); /* thousands of flushes, and a disk may be slow */
        suite_add_tcase(suite, group);
        return suite_run(suite);
}
