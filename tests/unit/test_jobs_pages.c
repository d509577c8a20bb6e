/* SPDX-License-Identifier: MIT */
/*
 * test_jobs_pages.c: what is recorded of a job, page after page: all of it, once, in order, and no page reads what
 * others give.
 */
#include <stdio.h>

#include "daemon/done.h"
#include "tests/support/jobs_kit.h"
#include "tests/support/suite.h"

#define PLACES 3u
#define APPENDS 40u
#define ENTRIES 30u /* of an append; every third without a digest */

static uint32_t names_written;

/* One append of every place after the other, as the batches of a run write them. */
static void append(struct done_writer *writer, uint64_t id, uint32_t place) {
        struct store_change change = {.kind = STORE_FILES, .id = id, .place = place};

        for (uint32_t i = 0; i < ENTRIES; i++) {
                char path[32];
                struct done_entry entry = {.has_digest = i % 3 != 0};

                snprintf(path, sizeof(path), "file-%06u", names_written++);
                entry.path = text(path);
                ck_assert_int_eq(done_write(writer, &entry), 0);
        }
        change.data = (struct bytes){writer->data.data + writer->data.start, buffer_len(&writer->data)};
        ck_assert_int_eq(kit_store->ops->commit(kit_store, &change, 1), 0);
        done_writer_reset(writer);
}

/* A verified job of three places, which are empty directories: nothing is recorded of them but what the test adds. */
static uint64_t verified_job(bool verify) {
        struct done_writer writer = {0};
        uint64_t id = 0;

        for (uint32_t i = 0; i < PLACES; i++) {
                char from[32], to[32];
                struct operation op;

                snprintf(from, sizeof(from), "/home/from-%u", i);
                snprintf(to, sizeof(to), "/home/to-%u", i);
                fake_make(from, FSOP_TYPE_DIRECTORY, 0);
                op = cp_op(from, to);
                op.args.cp.verify = verify;
                op.args.cp.job = id;
                op.args.cp.hold = i + 1 < PLACES;
                id = submit(op);
        }
        run_to_end(id);
        is_in_state(id, FSOP_JOB_DONE);
        settle();
        names_written = 0;
        for (uint32_t i = 0; i < APPENDS; i++)
                for (uint32_t place = 0; place < PLACES; place++)
                        append(&writer, id, place);
        done_writer_fini(&writer);
        return id;
}

/* The path of the entry with the Nth digest, as pages give them. */
static const char *nth_path(uint32_t n, char path[64]) {
        uint32_t per_append = ENTRIES - ENTRIES / 3, place = n / (APPENDS * per_append);
        uint32_t at = n / per_append % APPENDS, in = n % per_append;

        snprintf(path, 64, "/home/to-%u/file-%06u", place, (at * PLACES + place) * ENTRIES + in / 2 * 3 + 1 + in % 2);
        return path;
}

START_TEST(digests_page_by_page) {
        static const uint32_t sizes[] = {0, 1, 7, 20, 256};
        struct operation show;
        uint32_t n = 0;
        uint64_t id;
        bool end = false;

        jobs_begin(CALLER_UID);
        id = verified_job(true);
        show = job_op(FSOP_VERB_JOB_SHOW, id);
        show.args.job.want = JOB_WANT_DIGESTS;
        show.args.job.entries_max = sizes[_i];
        while (!end) {
                uint64_t before = faulty_store_appends_read(kit_store);
                const struct job_answer *answer = &ask(show)->value.job;
                char path[64];

                for (uint32_t i = 0; i < answer->n_digests; i++, n++)
                        ck_assert_str_eq((const char *)answer->digests[i].path.data, nth_path(n, path));
                /* beside those that it gives whole: where it begins, and where the next one does */
                ck_assert_uint_le(faulty_store_appends_read(kit_store) - before,
                                  answer->n_digests / (ENTRIES - ENTRIES / 3) + 2);
                ck_assert(answer->end || answer->n_digests > 0);
                end = answer->end;
                show.args.job.after = answer->cookie;
                got.batches[kit_batch--] = 0; /* the kit counts only so many */
        }
        ck_assert_uint_eq(n, PLACES * APPENDS * (ENTRIES - ENTRIES / 3));
        stop();
}
END_TEST

/* A cookie that no page has given: of a later append than there is, of another job, of no append at all. */
START_TEST(cookies_that_are_made_up) {
        struct operation show;
        const struct result *result;

        jobs_begin(CALLER_UID);
        show = job_op(FSOP_VERB_JOB_SHOW, verified_job(true));
        show.args.job.want = JOB_WANT_DIGESTS;
        for (unsigned i = 0; i < 64; i++) {
                show.args.job.after = (UINT64_C(1) << i) + (i & 1);
                result = ask(show);
                info_of(result);
                ck_assert(result->value.job.n_digests > 0 || result->value.job.end);
        }
        stop();
}
END_TEST

START_TEST(no_digests_where_nothing_was_verified) {
        struct operation show;
        const struct result *result;
        uint64_t before;

        jobs_begin(CALLER_UID);
        show = job_op(FSOP_VERB_JOB_SHOW, verified_job(false));
        before = faulty_store_appends_read(kit_store);
        show.args.job.want = JOB_WANT_DIGESTS;
        result = ask(show);
        info_of(result);
        ck_assert(result->value.job.n_digests == 0 && result->value.job.end);
        ck_assert_uint_eq(faulty_store_appends_read(kit_store), before);
        stop();
}
END_TEST

int main(void) {
        Suite *suite = suite_create("jobs_pages");
        TCase *tcase = tcase_create("pages");

        tcase_set_timeout(tcase, 120);
        tcase_add_checked_fixture(tcase, kit_setup, kit_teardown);
        tcase_add_loop_test(tcase, digests_page_by_page, 0, 5);
        tcase_add_test(tcase, cookies_that_are_made_up);
        tcase_add_test(tcase, no_digests_where_nothing_was_verified);
        suite_add_tcase(suite, tcase);
        return suite_run(suite);
}
