/* SPDX-License-Identifier: MIT */
/*
 * test_store.c: the store of copy jobs on a real disk: everything that is put in comes back, all of a commit or
 * nothing, also after the process was killed.
 */
#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tests/support/store_kit.h"
#include "tests/support/suite.h"

/* ---- reading back ------------------------------------------------------------------------------------------------ */

START_TEST(every_field_comes_back) {
        struct store *store = kit_open();
        struct store_job jobs[3];

        kit_has_jobs(store, NULL, 0, 1);
        jobs[0] = *kit_smallest_job(1);
        jobs[1] = *kit_largest_job(700);
        jobs[2] = *kit_plain_job(INT64_MAX - 1);
        kit_add(store, &jobs[2]);
        kit_add(store, &jobs[0]);
        kit_add(store, &jobs[1]);
        kit_has_jobs(store, jobs, 3, INT64_MAX);
        store->ops->close(store);
        store = kit_open();
        kit_has_jobs(store, jobs, 3, INT64_MAX);
        ck_assert_ptr_null(store->ops->close(store));
}
END_TEST

/* ---- changes ----------------------------------------------------------------------------------------------------- */

START_TEST(update_changes_what_may_change) {
        struct store *store = kit_open();
        struct store_job jobs[2] = {*kit_plain_job(1), {0}}, expected;
        struct store_job *largest;

        kit_add(store, &jobs[0]);
        largest = kit_largest_job(2);
        kit_add(store, largest);
        jobs[1] = *largest;
        /* the first gets the state of the second, whose arrays are not looked at, and the other way round */
        expected = *kit_plain_job(1);
        expected.state = largest->state;
        expected.started = largest->started;
        expected.finished = largest->finished;
        expected.progressed = largest->progressed;
        expected.runs = largest->runs;
        expected.elevated = largest->elevated;
        expected.counters = largest->counters;
        expected.error = largest->error;
        ck_assert_int_eq(kit_commit_one(store, (struct store_change){.kind = STORE_UPDATE, .id = 1, .job = largest}),
                         0);
        ck_assert_int_eq(
                kit_commit_one(store, (struct store_change){.kind = STORE_UPDATE, .id = 2, .job = kit_smallest_job(9)}),
                0);
        jobs[0] = expected;
        jobs[1].state = FSOP_JOB_QUEUED;
        jobs[1].started = jobs[1].finished = jobs[1].progressed = (struct fsop_time){0};
        jobs[1].runs = 0;
        jobs[1].elevated = false;
        jobs[1].counters = (struct store_counters){0};
        jobs[1].error = (struct error){0};
        kit_has_jobs(store, jobs, 2, 3);
        ck_assert_int_eq(
                kit_commit_one(store, (struct store_change){.kind = STORE_PLACE_FINISHED, .id = 2, .place = 1}), 0);
        jobs[1].places[1].finished = true;
        jobs[1].places[0].top = (struct copy_made){77, {1700000000, 5}};
        ck_assert_int_eq(
                kit_commit_one(store, (struct store_change){.kind = STORE_TOP, .id = 2, .top = &jobs[1].places[0].top}),
                0);
        kit_has_jobs(store, jobs, 2, 3);
        store->ops->close(store);
        store = kit_open();
        kit_has_jobs(store, jobs, 2, 3);
        store->ops->close(store);
}
END_TEST

START_TEST(files_are_appended_in_order) {
        struct store *store = kit_open();
        struct blobs blobs = {0};

        kit_add(store, kit_largest_job(5));
        kit_add(store, kit_plain_job(6));
        ck_assert_int_eq(kit_append(store, 5, 0, 9, 500000), 0);
        ck_assert_int_eq(kit_append(store, 5, 1, 8, 1), 0);
        ck_assert_int_eq(kit_append(store, 6, 0, 7, 3), 0);
        ck_assert_int_eq(kit_append(store, 5, 0, 6, 0), 0);
        ck_assert_int_eq(kit_append(store, 5, 0, 5, 12), 0);
        store->ops->close(store);
        store = kit_open();
        ck_assert_int_eq(store->ops->read_files(store, 5, 0, kit_take_blob, &blobs), 0);
        ck_assert_uint_eq(blobs.n, 3);
        ck_assert(blobs.len[0] == 500000 && blobs.len[1] == 0 && blobs.len[2] == 12);
        ck_assert(blobs.first[0] == 9 && blobs.first[2] == 5);
        blobs.n = 0;
        ck_assert_int_eq(store->ops->read_files(store, 5, 1, kit_take_blob, &blobs), 0);
        ck_assert(blobs.n == 1 && blobs.first[0] == 8);
        blobs.n = 0;
        ck_assert_int_eq(store->ops->read_files(store, 5, 2, kit_take_blob, &blobs), 0);
        ck_assert_int_eq(store->ops->read_files(store, 77, 0, kit_take_blob, &blobs), 0);
        ck_assert_uint_eq(blobs.n, 0);
        store->ops->close(store);
}
END_TEST

struct appends {
        uint32_t n, enough;
        struct store_files files[16];
};

static int take_append(void *context, const struct store_files *files) {
        struct appends *appends = context;

        ck_assert_uint_lt(appends->n, 16);
        appends->files[appends->n] = *files;
        appends->files[appends->n].data.data = NULL;
        return ++appends->n == appends->enough ? -FSOP_ECANCELED : 0;
}

/* By place, however they came; from any of them on. */
START_TEST(files_of_all_places_are_read_on) {
        static const struct {
                uint64_t id;
                uint32_t place;
        } added[] = {{5, 1}, {5, 0}, {6, 0}, {5, 1}, {5, 0}, {6, 0}, {5, 0}, {5, 1}};
        static const size_t order[] = {1, 4, 6, 0, 3, 7}; /* those of job 5 */
        struct store *store = kit_open();
        struct appends all = {0}, other = {0};

        kit_add(store, kit_largest_job(5));
        kit_add(store, kit_plain_job(6));
        for (size_t i = 0; i < sizeof(added) / sizeof(added[0]); i++)
                ck_assert_int_eq(kit_append(store, added[i].id, added[i].place, 1, 100 + i), 0);
        ck_assert_int_eq(store->ops->read_all_files(store, 5, 0, take_append, &all), 0);
        ck_assert_uint_eq(all.n, 6);
        for (uint32_t i = 0; i < all.n; i++) {
                struct appends rest = {0}, first = {.enough = 1};

                ck_assert_uint_gt(all.files[i].number, 0);
                ck_assert_uint_eq(all.files[i].place, added[order[i]].place);
                ck_assert_uint_eq(all.files[i].data.len, 100 + order[i]);
                ck_assert_int_eq(store->ops->read_all_files(store, 5, all.files[i].number, take_append, &rest), 0);
                ck_assert_uint_eq(rest.n, all.n - i);
                ck_assert_mem_eq(rest.files, all.files + i, rest.n * sizeof(rest.files[0]));
                ck_assert_int_eq(store->ops->read_all_files(store, 5, all.files[i].number, take_append, &first),
                                 -FSOP_ECANCELED);
                ck_assert_uint_eq(first.n, 1);
        }
        ck_assert_int_eq(store->ops->read_all_files(store, 6, 0, take_append, &other), 0);
        ck_assert_uint_eq(other.n, 2);
        other.n = 0;
        ck_assert_int_eq(store->ops->read_all_files(store, 77, all.files[2].number, take_append, &other), 0);
        ck_assert_uint_eq(other.n, 0);
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
        return kit_commit_one(
                store, (struct store_change){
                               .kind = STORE_PART, .id = id, .place = place, .path = text(path), .part = record});
}

START_TEST(parts_are_replaced_and_forgotten) {
        struct store *store = kit_open();
        struct copy_part_record small = {.offset = 1}, large = {.offset = UINT64_MAX,
                                                                .ino = UINT64_MAX - 1,
                                                                .size = UINT64_MAX - 2,
                                                                .mtime = {INT64_MIN, 999999999},
                                                                .ctime = {INT64_MAX, 1}};
        struct parts parts;

        memset(large.temporary, 'x', sizeof(large.temporary) - 1);
        kit_add(store, kit_largest_job(1));
        ck_assert_int_eq(put_part(store, 1, 0, "a/b", &small), 0);
        ck_assert_int_eq(put_part(store, 1, 0, "a", &small), 0);
        ck_assert_int_eq(put_part(store, 1, 1, "a", &small), 0);
        ck_assert_int_eq(put_part(store, 1, 0, "a", &large), 0);
        store->ops->close(store);
        store = kit_open();
        read_parts(store, 1, 0, &parts);
        ck_assert_uint_eq(parts.n, 2);
        ck_assert_str_eq(parts.paths[0], "a");
        ck_assert_str_eq(parts.paths[1], "a/b");
        ck_assert_str_eq(parts.records[0].temporary, large.temporary);
        KIT_SAME(&parts.records[0], &large, offset);
        KIT_SAME(&parts.records[0], &large, ino);
        KIT_SAME(&parts.records[0], &large, size);
        kit_same_time(parts.records[0].mtime, large.mtime);
        kit_same_time(parts.records[0].ctime, large.ctime);
        ck_assert_str_eq(parts.records[1].temporary, "");
        ck_assert_uint_eq(parts.records[1].offset, 1);
        for (int twice = 0; twice < 2; twice++) /* what is gone may go again */
                ck_assert_int_eq(
                        kit_commit_one(store,
                                       (struct store_change){.kind = STORE_PART_GONE, .id = 1, .path = text("a")}),
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
        return kit_commit_one(
                store, (struct store_change){
                               .kind = STORE_FAILURE, .id = id, .place = place, .path = text(path), .error = error});
}

START_TEST(failures_are_read_page_by_page) {
        struct store *store = kit_open();
        struct error error = {FSOP_EACCES, FSOP_CLASS_DENIED, false, 13, text("a rule"), text("no")},
                     other = kit_largest_job(1)->error;
        struct failures failures = {0};
        uint64_t after = 0;
        uint32_t pages = 0, before;

        kit_add(store, kit_largest_job(1));
        kit_add(store, kit_plain_job(2));
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
        KIT_SAME(&failures.last, &error, code);
        KIT_SAME(&failures.last, &error, class_);
        KIT_SAME(&failures.last, &error, os_error);
        failures.n = 0;
        ck_assert_int_eq(store->ops->read_failures(store, 1, failures.cookies[3], 1, take_failure, &failures), 0);
        ck_assert_uint_eq(failures.numbers[0], 4);
        KIT_SAME(&failures.last, &other, code);
        KIT_SAME(&failures.last, &other, retryable);
        KIT_SAME(&failures.last, &other, os_error);
        KIT_SAME(&failures.last, &other, message.len);
        failures.n = 0;
        ck_assert_int_eq(store->ops->read_failures(store, 1, UINT64_MAX, 7, take_failure, &failures), 0);
        ck_assert_uint_eq(failures.n, 0);
        /* forgotten, of this job only; and who reads on sees what comes after */
        ck_assert_int_eq(kit_commit_one(store, (struct store_change){.kind = STORE_RETRY, .id = 1}), 0);
        ck_assert_int_eq(kit_commit_one(store, (struct store_change){.kind = STORE_RETRY, .id = 2}), 0);
        ck_assert_int_eq(store->ops->read_failures(store, 2, 0, 64, take_failure, &failures), 0);
        ck_assert_uint_eq(failures.n, 0);
        ck_assert_int_eq(put_failure(store, 1, 0, 123, &error), 0);
        ck_assert_int_eq(store->ops->read_failures(store, 1, after, 64, take_failure, &failures), 0);
        ck_assert_uint_eq(failures.n, 1);
        ck_assert_uint_eq(failures.numbers[0], 123);
        store->ops->close(store);
}
END_TEST

START_TEST(nothing_of_a_removed_job_stays) {
        struct store *store = kit_open();
        struct error error = {.code = FSOP_EIO};
        struct copy_part_record part = {.offset = 1};
        struct store_job other = *kit_smallest_job(4);

        kit_add(store, kit_largest_job(3));
        kit_add(store, &other);
        for (uint32_t place = 0; place < 3; place++) {
                ck_assert_int_eq(kit_append(store, 3, place, 1, 100000), 0);
                ck_assert_int_eq(put_part(store, 3, place, "p", &part), 0);
                ck_assert_int_eq(put_failure(store, 3, place, 1, &error), 0);
        }
        for (int twice = 0; twice < 2; twice++)
                ck_assert_int_eq(kit_commit_one(store, (struct store_change){.kind = STORE_REMOVE, .id = 3}), 0);
        kit_has_jobs(store, &other, 1, 5); /* its id is not given again */
        store->ops->close(store);
        ck_assert_int_eq(kit_count_rows("SELECT (SELECT count(*) FROM jobs) + (SELECT count(*) FROM states)"), 2);
        ck_assert_int_eq(kit_count_rows("SELECT (SELECT count(*) FROM places) + (SELECT count(*) FROM files) + "
                                        "(SELECT count(*) FROM parts) + (SELECT count(*) FROM failures)"),
                         0);
        store = kit_open();
        kit_has_jobs(store, &other, 1, 5);
        ck_assert_int_eq(kit_commit_one(store, (struct store_change){.kind = STORE_REMOVE, .id = 4}), 0);
        store->ops->close(store);
        store = kit_open();
        kit_has_jobs(store, NULL, 0, 5);
        store->ops->close(store);
}
END_TEST

START_TEST(all_of_a_commit_or_nothing) {
        struct store *store = kit_open();
        struct store_job one = *kit_plain_job(1), two = *kit_largest_job(2), zero = *kit_smallest_job(0),
                         huge = *kit_smallest_job(INT64_MAX);
        struct error error = {.code = FSOP_EIO};
        struct copy_part_record part = {.offset = 1};
        struct copy_made top = {.ino = 1};
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
                {{.kind = STORE_TOP, .id = 3, .top = &top}, -FSOP_ENOENT},
                {{.kind = STORE_TOP, .id = 1, .place = 1, .top = &top}, -FSOP_ENOENT},
                {{.kind = STORE_FILES, .id = 3, .data = text("x")}, -FSOP_ENOENT},
                {{.kind = STORE_FILES, .id = 1, .place = 1, .data = text("x")}, -FSOP_ENOENT},
                {{.kind = STORE_PART, .id = 3, .path = text("x"), .part = &part}, -FSOP_ENOENT},
                {{.kind = STORE_FAILURE, .id = 3, .path = text("x"), .error = &error}, -FSOP_ENOENT},
                {{.kind = (enum store_change_kind)99, .id = 1}, -FSOP_EINVAL},
        };

        kit_add(store, &one);
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                struct store_change changes[] = {{.kind = STORE_ADD, .id = 2, .job = &two},
                                                 {.kind = STORE_FILES, .id = 1, .data = text("lost")},
                                                 {.kind = STORE_REMOVE, .id = 1},
                                                 {.kind = STORE_ADD, .id = 1, .job = &one},
                                                 cases[i].bad};
                struct blobs blobs = {0};
                int code = store->ops->commit(store, changes, 5);

                ck_assert_msg(code == cases[i].code, "case %zu: %d", i, code);
                kit_has_jobs(store, &one, 1, 2);
                ck_assert_int_eq(store->ops->read_files(store, 1, 0, kit_take_blob, &blobs), 0);
                ck_assert_uint_eq(blobs.n, 0);
        }
        store->ops->close(store);
        store = kit_open();
        kit_has_jobs(store, &one, 1, 2);
        kit_add(store, &two);
        store->ops->close(store);
}
END_TEST

START_TEST(reading_ends_when_it_is_told_to) {
        struct store *store = kit_open();
        uint64_t next;
        int calls = 0;

        kit_add(store, kit_plain_job(1));
        kit_add(store, kit_plain_job(2));
        ck_assert_int_eq(store->ops->load(store, kit_stop_at_once, &calls, &next), -FSOP_ECANCELED);
        ck_assert_int_eq(calls, 1);
        kit_add(store, kit_plain_job(3)); /* a read that ended holds nothing */
        store->ops->close(store);
}
END_TEST

START_TEST(generation_grows_with_every_open) {
        uint64_t last = 0;

        for (int i = 0; i < 5; i++) {
                struct store *store = kit_open();

                ck_assert_uint_gt(store->ops->generation(store), last);
                last = store->ops->generation(store);
                store->ops->close(store);
        }
}
END_TEST

/* ---- several processes ------------------------------------------------------------------------------------------- */

START_TEST(one_daemon_at_a_time) {
        struct store *store = kit_open();
        pid_t pid;

        kit_add(store, kit_plain_job(1));
        pid = fork();
        if (pid == 0) {
                struct store *second = NULL;
                char *note = NULL;
                int code = store_sqlite.open(kit_directory, &second, &note);

                _exit(code == -FSOP_EBUSY && note && strstr(note, "another daemon") ? 0 : 1);
        }
        kit_wait_for(pid, false);
        kit_add(store, kit_plain_job(2)); /* the refused one has taken nothing away */
        store->ops->close(store);
        store = kit_open();
        store->ops->close(store);
}
END_TEST

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
                        kit_add_for_ever(pipes[1], acknowledged + 1);
                close(pipes[1]);
                ck_assert_int_eq(read(pipes[0], &id, sizeof(id)), sizeof(id));
                acknowledged = id;
                nanosleep(&(struct timespec){.tv_nsec = rand() % 30000000}, NULL);
                kill(pid, SIGKILL);
                while (read(pipes[0], &id, sizeof(id)) == sizeof(id))
                        acknowledged = id;
                close(pipes[0]);
                kit_wait_for(pid, true);
                store = kit_open();
                n = kit_count_whole_jobs(store);
                ck_assert_msg(n == acknowledged || n == acknowledged + 1, "%llu acknowledged, %llu there",
                              (unsigned long long)acknowledged, (unsigned long long)n);
                acknowledged = n;
                if (round % 5 == 0)
                        store->ops->close(store);
                else
                        kit_leave(store);
        }
        ck_assert_uint_ge(acknowledged, (uint64_t)rounds);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("store");
        TCase *group = tcase_create("store");
        const TTest *const tests[] = {every_field_comes_back,
                                      update_changes_what_may_change,
                                      files_are_appended_in_order,
                                      files_of_all_places_are_read_on,
                                      parts_are_replaced_and_forgotten,
                                      failures_are_read_page_by_page,
                                      nothing_of_a_removed_job_stays,
                                      all_of_a_commit_or_nothing,
                                      reading_ends_when_it_is_told_to,
                                      generation_grows_with_every_open,
                                      one_daemon_at_a_time,
                                      acknowledged_is_there_after_a_kill};

        tcase_add_checked_fixture(group, kit_setup, kit_teardown);
        for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
                tcase_add_test(group, tests[i]);
        tcase_set_timeout(group, 500); /* thousands of flushes, and a disk may be slow */
        suite_add_tcase(suite, group);
        return suite_run(suite);
}
