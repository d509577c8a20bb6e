/* SPDX-License-Identifier: MIT */
/* test_jobs_submit.c: how jobs are put together, whose they are, how many there may be, and which one runs. */
#include <stdio.h>
#include <string.h>

#include "tests/support/jobs_kit.h"
#include "tests/support/suite.h"

/* ---- jobs that are put together ---------------------------------------------------------------------------------- */

static bool says(const struct result *result, const char *what) {
        char message[512];

        snprintf(message, sizeof(message), "%.*s", (int)result->error.message.len,
                 (const char *)result->error.message.data);
        return strstr(message, what) != NULL;
}

START_TEST(a_held_job_is_put_together) {
        struct operation first = cp_op("/home/a", "/home/a2"), second = cp_op("/home/b", "/home/b2"),
                         names = cp_op("/home/a", "/home/a3");
        const struct bytes one = text("one"), three = text("sub/three");
        const struct job_info *info;
        uint64_t id;

        jobs_begin(CALLER_UID);
        make_homes();
        first.args.cp.hold = second.args.cp.hold = names.args.cp.hold = true;
        info = info_of(ask(first));
        id = info->id;
        ck_assert_int_eq(info->state, FSOP_JOB_UNKNOWN);
        refused(ask(job_op(FSOP_VERB_JOB_SHOW, id)), FSOP_ENOENT, FSOP_CLASS_OS);
        ck_assert_uint_eq(ask(job_op(FSOP_VERB_JOB_LIST, 0))->value.job.n_jobs, 0);
        second.args.cp.job = names.args.cp.job = id;
        ck_assert_uint_eq(submit(second), id);
        refused(ask(second), FSOP_EBUSY, FSOP_CLASS_BUSY); /* the same target again */
        names.args.cp.names = &one;
        names.args.cp.n_names = 1;
        ck_assert_uint_eq(submit(names), id);
        settle();
        pass(100000);
        ck_assert_ptr_null(fake_at("/home/a2"));
        names.args.cp.names = &three;
        names.args.cp.hold = false;
        ck_assert_uint_eq(submit(names), id);
        ck_assert_uint_eq(job_of(id)->kept.n_places, 3);
        ck_assert_uint_eq(job_of(id)->kept.places[2].n_names, 2);
        refused(ask(names), FSOP_ENOENT, FSOP_CLASS_INVALID); /* it is held no more */
        run_to_end(id);
        is_in_state(id, FSOP_JOB_DONE);
        is_copy_of("/home/a2", "/home/a");
        is_copy_of("/home/b2", "/home/b");
        ck_assert_ptr_nonnull(fake_at("/home/a3/one"));
        ck_assert_ptr_nonnull(fake_at("/home/a3/sub/three"));
        ck_assert_ptr_null(fake_at("/home/a3/two"));
        ck_assert_uint_eq(job_of(id)->kept.counters.files_done, 6);
        stop();
}
END_TEST

START_TEST(a_held_job_belongs_to_its_connection) {
        struct operation op = cp_op("/home/a", "/home/a2"), more = cp_op("/home/b", "/home/b2");
        struct session *other;
        uint64_t id;

        jobs_begin(CALLER_UID);
        make_homes();
        other = connect_as(CALLER_UID);
        op.args.cp.hold = true;
        id = info_of(ask_on(other, op))->id;
        more.args.cp.job = id;
        refused(ask(more), FSOP_ENOENT, FSOP_CLASS_INVALID);
        refused(ask(cp_op("/home/b", "/home/a2")), FSOP_EBUSY, FSOP_CLASS_BUSY);
        disconnect(other);
        ck_assert_ptr_null(job_of(id));
        ck_assert_uint_eq(server.jobs->n_drafts, 0);
        submit(cp_op("/home/b", "/home/a2"));
        settle();
        stop();
}
END_TEST

START_TEST(a_key_gives_the_same_job) {
        struct operation op = cp_op("/home/a", "/home/a2"), other = cp_op("/home/b", "/home/b2");
        struct session *alice;
        uint64_t id;

        jobs_begin(CALLER_UID);
        make_homes();
        op.args.cp.key = other.args.cp.key = text("nightly");
        id = submit(op);
        ck_assert_uint_eq(submit(op), id);
        ck_assert_uint_eq(submit(other), id); /* the key decides */
        run_to_end(id);
        ck_assert_uint_eq(submit(op), id);
        alice = connect_as(1001);
        ck_assert_uint_ne(info_of(ask_on(alice, other))->id, id);
        jobs_restart(CALLER_UID);
        ck_assert_uint_eq(submit(op), id);
        info_of(ask(job_op(FSOP_VERB_JOB_SHOW, id)));
        ck_assert_int_eq(ask(job_op(FSOP_VERB_JOB_FORGET, id))->error.code, 0);
        settle();
        fake_remove("/home/a2");
        ck_assert_uint_gt(submit(op), id + 1); /* numbers do not come twice */
        settle();
        stop();
}
END_TEST

/* … of one user; who else may write there is refused nothing, and learns nothing. */
START_TEST(two_jobs_do_not_write_to_one_target) {
        const struct result *result;
        struct session *alice;
        char number[32];
        uint64_t id;

        jobs_begin(CALLER_UID);
        make_homes();
        id = submit_paused(cp_op("/home/a", "/home/same"));
        snprintf(number, sizeof(number), "job %d", (int)id);
        result = ask(cp_op("/home/b", "/home/same"));
        refused(result, FSOP_EBUSY, FSOP_CLASS_BUSY);
        ck_assert(says(result, number));
        alice = connect_as(1001);
        ck_assert_uint_ne(info_of(ask_on(alice, cp_op("/home/b", "/home/same")))->id, id);
        settle();
        info_of(ask(job_op(FSOP_VERB_JOB_CANCEL, id)));
        settle();
        id = submit(cp_op("/home/b", "/home/same"));
        run_to_end(id);
        is_in_state(id, FSOP_JOB_DONE);
        stop();
}
END_TEST

START_TEST(others_neither_see_nor_touch_it) {
        static const enum fsop_verb verbs[] = {FSOP_VERB_JOB_SHOW,   FSOP_VERB_JOB_WATCH,  FSOP_VERB_JOB_PAUSE,
                                               FSOP_VERB_JOB_RESUME, FSOP_VERB_JOB_CANCEL, FSOP_VERB_JOB_RETRY,
                                               FSOP_VERB_JOB_FORGET};
        struct operation list = job_op(FSOP_VERB_JOB_LIST, 0);
        struct session *alice, *root;
        uint64_t id;

        jobs_begin(CALLER_UID);
        make_homes();
        id = submit_paused(cp_op("/home/a", "/home/a2"));
        alice = connect_as(1001);
        for (unsigned i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
                refused(ask_on(alice, job_op(verbs[i], id)), FSOP_ENOENT, FSOP_CLASS_OS);
        ck_assert_uint_eq(ask_on(alice, list)->value.job.n_jobs, 0);
        list.args.job.all_users = true;
        refused(ask_on(alice, list), FSOP_EPERM, FSOP_CLASS_DENIED);
        is_in_state(id, FSOP_JOB_PAUSED);
        root = connect_as(0);
        ck_assert_uint_eq(ask_on(root, list)->value.job.n_jobs, 1);
        info_of(ask_on(root, job_op(FSOP_VERB_JOB_RESUME, id)));
        run_to_end(id);
        is_in_state(id, FSOP_JOB_DONE);
        stop();
}
END_TEST

START_TEST(a_list_comes_in_pages) {
        struct operation list = job_op(FSOP_VERB_JOB_LIST, 0);
        char target[64];
        unsigned n = 0;
        bool end = false;

        jobs_begin(CALLER_UID);
        make_homes();
        for (unsigned i = 0; i < 25; i++) {
                snprintf(target, sizeof(target), "/home/copy-%u", i);
                submit(cp_op("/home/a", target));
        }
        list.args.job.entries_max = 7;
        while (!end) {
                const struct result *result = ask(list);

                for (uint32_t i = 0; i < result->value.job.n_jobs; i++)
                        ck_assert_uint_eq(result->value.job.jobs[i].id, ++n);
                end = result->value.job.end;
                list.args.job.after = result->value.job.cookie;
        }
        ck_assert_uint_eq(n, 25);
        settle();
        stop();
}
END_TEST

START_TEST(limits_are_kept) {
        uint64_t first;

        jobs_begin(CALLER_UID);
        make_homes();
        config->limits.jobs_per_uid = 2;
        first = submit(cp_op("/home/a", "/home/a2"));
        info_of(ask(job_op(FSOP_VERB_JOB_PAUSE, first)));
        settle();
        submit(cp_op("/home/a", "/home/a3"));
        info_of(ask(job_op(FSOP_VERB_JOB_PAUSE, first + 1)));
        settle();
        refused(ask(cp_op("/home/a", "/home/a4")), FSOP_EUSERS, FSOP_CLASS_BUSY);
        info_of(ask_on(connect_as(1001), cp_op("/home/b", "/home/a5")));
        info_of(ask(job_op(FSOP_VERB_JOB_CANCEL, first))); /* what has ended gives way */
        settle();
        submit(cp_op("/home/a", "/home/a4"));
        settle();
        ck_assert_ptr_null(job_of(first));
        config->limits.jobs = 2;
        config->limits.jobs_per_uid = 100;
        config->limits.job_bytes_per_uid = 1;
        refused(ask(cp_op("/home/a", "/home/a6")), FSOP_EUSERS, FSOP_CLASS_BUSY);
        stop();
}
END_TEST

/* Half of the table for the first, half of the rest for the next; who has none gets one that has ended from who has
 * most. */
START_TEST(no_few_users_fill_the_table) {
        char to[32];
        uint64_t first;

        jobs_begin(CALLER_UID);
        make_homes();
        config->limits.jobs = 8;
        for (unsigned i = 0; i < 4; i++) {
                snprintf(to, sizeof(to), "/home/to-%u", i);
                first = submit(cp_op("/home/a", to));
                info_of(ask(job_op(FSOP_VERB_JOB_PAUSE, first)));
                settle();
        }
        first -= 3;
        refused(ask(cp_op("/home/a", "/home/to-4")), FSOP_EUSERS, FSOP_CLASS_BUSY);
        for (uint32_t uid = 1001; uid < 1003; uid++) { /* 2 of the 4 that are left, then 1 of 2 */
                struct session *other = connect_as(uid);

                snprintf(to, sizeof(to), "/home/to-%u", uid);
                info_of(ask_on(other, cp_op("/home/b", to)));
        }
        config->limits.jobs = server.jobs->n;
        refused(ask_on(connect_as(1003), cp_op("/home/b", "/home/to-9")), FSOP_EUSERS, FSOP_CLASS_BUSY);
        info_of(ask(job_op(FSOP_VERB_JOB_CANCEL, first)));
        settle();
        info_of(ask_on(connect_as(1004), cp_op("/home/b", "/home/to-10")));
        settle();
        ck_assert_ptr_null(job_of(first));
        stop();
}
END_TEST

/* ---- which one runs ---------------------------------------------------------------------------------------------- */

static uint64_t submit_large(const char *disk, unsigned number, int32_t priority) {
        char from[64], to[64];
        struct operation op;

        snprintf(from, sizeof(from), "/%s/from-%u", disk, number);
        snprintf(to, sizeof(to), "/%s/to-%u", disk, number);
        fake_make(from, FSOP_TYPE_REGULAR, 100 * MIB);
        op = cp_op(from, to);
        op.args.cp.priority = priority;
        return submit(op);
}

static void make_disks(void) {
        fake_make("/disk-1", FSOP_TYPE_DIRECTORY, 0)->dev = 101;
        fake_make("/disk-2", FSOP_TYPE_DIRECTORY, 0)->dev = 102;
}

START_TEST(one_job_at_a_time_on_a_disk) {
        uint64_t a, b, c;

        jobs_begin(0);
        make_disks();
        a = submit_large("disk-1", 1, 0);
        b = submit_large("disk-1", 2, 0);
        c = submit_large("disk-2", 3, 0);
        is_in_state(a, FSOP_JOB_RUNNING);
        is_in_state(b, FSOP_JOB_QUEUED);
        is_in_state(c, FSOP_JOB_RUNNING);
        run_until(b, FSOP_JOB_RUNNING);
        is_in_state(a, FSOP_JOB_DONE);
        run_to_end(b);
        run_to_end(c);
        stop();
}
END_TEST

START_TEST(a_higher_priority_comes_first) {
        uint64_t low, first, urgent;

        jobs_begin(0);
        make_disks();
        low = submit_large("disk-1", 1, 0);
        first = submit_large("disk-1", 2, -5);
        for (unsigned i = 0; i < 12; i++)
                step();
        is_in_state(low, FSOP_JOB_RUNNING);
        urgent = submit_large("disk-1", 3, 10);
        run_until(urgent, FSOP_JOB_RUNNING);
        is_in_state(low, FSOP_JOB_QUEUED); /* it stepped aside */
        run_until(low, FSOP_JOB_RUNNING);
        is_in_state(urgent, FSOP_JOB_DONE);
        is_in_state(first, FSOP_JOB_QUEUED);
        run_to_end(low);
        run_to_end(first);
        is_in_state(first, FSOP_JOB_DONE);
        ck_assert_uint_eq(job_of(low)->kept.runs, 2);
        ck_assert_uint_eq(job_of(low)->kept.counters.bytes_copied, 100 * MIB);
        ck_assert_uint_le(fake_fs->bytes_written, 300 * MIB + 64 * MIB);
        stop();
}
END_TEST

START_TEST(a_high_priority_is_for_administrators) {
        struct operation op = cp_op("/home/a", "/home/a2");

        jobs_begin(CALLER_UID);
        make_homes();
        op.args.cp.priority = 1;
        refused(ask(op), FSOP_EPERM, FSOP_CLASS_DENIED);
        op.args.cp.priority = -1;
        submit(op);
        settle();
        stop();
}
END_TEST

int main(void) {
        Suite *suite = suite_create("jobs_submit");
        TCase *tcase = tcase_create("jobs");

        tcase_set_timeout(tcase, 120);
        tcase_add_checked_fixture(tcase, kit_setup, kit_teardown);
        tcase_add_test(tcase, a_held_job_is_put_together);
        tcase_add_test(tcase, a_held_job_belongs_to_its_connection);
        tcase_add_test(tcase, a_key_gives_the_same_job);
        tcase_add_test(tcase, two_jobs_do_not_write_to_one_target);
        tcase_add_test(tcase, others_neither_see_nor_touch_it);
        tcase_add_test(tcase, a_list_comes_in_pages);
        tcase_add_test(tcase, limits_are_kept);
        tcase_add_test(tcase, no_few_users_fill_the_table);
        tcase_add_test(tcase, one_job_at_a_time_on_a_disk);
        tcase_add_test(tcase, a_higher_priority_comes_first);
        tcase_add_test(tcase, a_high_priority_is_for_administrators);
        suite_add_tcase(suite, tcase);
        return suite_run(suite);
}
