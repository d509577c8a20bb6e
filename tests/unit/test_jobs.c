/* SPDX-License-Identifier: MIT */
/*
 * test_jobs.c: the life of copy jobs in the daemon: what every verb does in every state, who may do it, what runs when, what
 * is told to whom, and what time does to them.
 */
#include "tests/support/jobs_kit.h"

/* ---- whole jobs -------------------------------------------------------------------------------------------------------- */

START_TEST(a_tree_is_copied) {
        const struct job_info *info;
        uint64_t id;

        jobs_begin(CALLER_UID);
        make_source("/home/src");
        fake_make("/home/src/large", FSOP_TYPE_REGULAR, 100 * MIB);
        info = info_of(ask(cp_op("/home/src", "/home/dst")));
        ck_assert_int_eq(info->state, FSOP_JOB_QUEUED);
        ck_assert_ptr_null(fake_at("/home/dst"));
        id = info->id;
        run_to_end(id);
        is_in_state(id, FSOP_JOB_DONE);
        is_copy_of("/home/dst", "/home/src");
        info = info_of(ask(job_op(FSOP_VERB_JOB_SHOW, id)));
        ck_assert_uint_eq(info->files_done, 27);
        ck_assert_uint_eq(info->files_failed, 0);
        ck_assert_uint_eq(info->files_skipped, 0);
        ck_assert_uint_eq(info->bytes_copied, fake_fs->bytes_written);
        ck_assert_uint_eq(info->bytes_flushed, info->bytes_copied);
        ck_assert_uint_eq(info->bytes_verified, 0);
        ck_assert_uint_eq(info->runs, 1);
        ck_assert_int_ne(info->finished.sec, 0);
        stop();
}
END_TEST

START_TEST(into_a_tree_that_exists) {
        struct operation op = cp_op("/home/src", "/home/dst");
        uint64_t id, kept;

        jobs_begin(CALLER_UID);
        make_source("/home/src");
        fake_make("/home/src/large", FSOP_TYPE_REGULAR, 30 * MIB);
        fake_make("/home/dst/dir-0/file-0", FSOP_TYPE_REGULAR, 7)->mtime = 2000;
        fake_make("/home/dst/other", FSOP_TYPE_REGULAR, 7);
        kept = fake_at("/home/dst/dir-0/file-0")->serial;
        op.args.cp.update = FSOP_UPDATE_OLDER;
        op.args.cp.verify = true;
        id = submit(op);
        run_to_end(id);
        is_in_state(id, FSOP_JOB_DONE);
        ck_assert_uint_eq(job_of(id)->kept.counters.files_done, 26);
        ck_assert_uint_eq(job_of(id)->kept.counters.files_skipped, 1);
        ck_assert_uint_eq(job_of(id)->kept.counters.bytes_verified, job_of(id)->kept.counters.bytes_copied);
        ck_assert_uint_eq(fake_at("/home/dst/dir-0/file-0")->serial, kept);
        fake_remove("/home/dst/other");
        fake_remove("/home/dst/dir-0/file-0");
        fake_remove("/home/src/dir-0/file-0");
        is_copy_of("/home/dst", "/home/src");
        stop();
}
END_TEST

START_TEST(a_single_file) {
        uint64_t id;

        for (int large = 0; large < 2; large++) {
                jobs_begin(CALLER_UID);
                fake_make("/home/src", FSOP_TYPE_REGULAR, large ? 100 * MIB : 100);
                fake_make("/home/dst", FSOP_TYPE_REGULAR, 5);
                id = submit(cp_op("/home/src", "/home/dst"));
                run_to_end(id);
                is_in_state(id, FSOP_JOB_DONE);
                is_copy_of("/home/dst", "/home/src");
                stop();
                kit_empty_directory();
        }
}
END_TEST

/* Nobody is told of an end before it is on the disk. */
START_TEST(an_end_is_told_when_it_is_kept) {
        uint64_t id;

        jobs_begin(CALLER_UID);
        make_source("/home/src");
        id = submit(cp_op("/home/src", "/home/dst"));
        while (job_describe(job_of(id)).state != FSOP_JOB_DONE) {
                ck_assert_int_eq(job_describe(job_of(id)).finished.sec, 0);
                ck_assert(step());
        }
        ck_assert(journal_is_idle(server.jobs->journal));
        ck_assert_int_ne(job_describe(job_of(id)).finished.sec, 0);
        stop();
}
END_TEST

/* What fails for good is recorded, the rest is copied. */
START_TEST(failures_are_listed) {
        const struct result *result;
        struct operation show;
        uint64_t id;

        for (int fresh = 0; fresh < 2; fresh++) {
                jobs_begin(CALLER_UID);
                make_source("/home/src");
                if (!fresh)
                        fake_make("/home/dst", FSOP_TYPE_DIRECTORY, 0);
                fake_at("/home/src/dir-0/file-3")->read_code = -FSOP_EACCES;
                fake_at("/home/src/dir-1")->read_code = -FSOP_EACCES;
                id = submit(cp_op("/home/src", "/home/dst"));
                run_to_end(id);
                is_in_state(id, FSOP_JOB_FAILED);
                show = job_op(FSOP_VERB_JOB_SHOW, id);
                show.args.job.want = JOB_WANT_FAILURES;
                result = ask(show);
                ck_assert_uint_eq(info_of(result)->files_failed, 2);
                ck_assert_int_eq(info_of(result)->error.code, 0);
                ck_assert_uint_eq(result->value.job.n_failures, 2);
                ck_assert(result->value.job.end);
                for (unsigned i = 0; i < 2; i++) {
                        const struct job_failure *failure = &result->value.job.failures[i];

                        ck_assert_int_eq(failure->error.code, FSOP_EACCES);
                        ck_assert_int_eq(failure->error.class_, FSOP_CLASS_DENIED);
                        ck_assert_uint_gt(failure->error.message.len, 0);
                        ck_assert(strcmp((const char *)failure->path.data, "/home/src/dir-0/file-3") == 0 ||
                                  strcmp((const char *)failure->path.data, "/home/src/dir-1") == 0);
                }
                ck_assert_ptr_nonnull(fake_at("/home/dst/dir-0/file-4"));
                ck_assert_uint_eq(fake_count_names(".fsop-"), 0);

                fake_at("/home/src/dir-0/file-3")->read_code = fake_at("/home/src/dir-1")->read_code = 0;
                info_of(ask(job_op(FSOP_VERB_JOB_RETRY, id)));
                run_to_end(id);
                is_in_state(id, FSOP_JOB_DONE);
                is_copy_of("/home/dst", "/home/src");
                ck_assert_uint_eq(job_of(id)->kept.counters.files_done, 26);
                ck_assert_uint_eq(job_of(id)->kept.counters.files_failed, 0);
                stop();
                kit_empty_directory();
        }
}
END_TEST

/* A file that does not stay has left nothing. */
START_TEST(what_differs_does_not_stay) {
        uint64_t id;

        for (int fresh = 0; fresh < 2; fresh++) {
                struct operation op = cp_op("/home/src", "/home/dst");

                jobs_begin(CALLER_UID);
                make_source("/home/src");
                if (!fresh)
                        fake_make("/home/dst/top-1", FSOP_TYPE_REGULAR, 3);
                op.args.cp.verify = true;
                copies.only = FAKE_COPY_VERIFY;
                copies.fail_at = 3;
                copies.error = (struct copy_error){.code = -FSOP_EIO, .why = "the copy differs from its source"};
                id = submit(op);
                run_to_end(id);
                is_in_state(id, FSOP_JOB_FAILED);
                ck_assert_uint_eq(job_of(id)->kept.counters.files_failed, 1);
                ck_assert_uint_eq(fake_count_names(".fsop-"), 0);
                ck_assert_uint_eq(fake_count_names("file-") + fake_count_names("top-") + fake_count_names("linked-") +
                                          fake_count_names("fifo") + fake_count_names("symlink"),
                                  fresh ? 2 * 26 - 1 : 2 * 26 - 1 + (fake_at("/home/dst/top-1")->size == 3));
                stop();
                kit_empty_directory();
        }
}
END_TEST

/* What had been recorded of a large file does not count when it fails in the end. */
START_TEST(a_large_file_fails) {
        uint64_t id, rest;

        for (int fresh = 0; fresh < 2; fresh++)
                for (int at_end = 0; at_end < 2; at_end++) {
                        jobs_begin(CALLER_UID);
                        make_source("/home/src");
                        fake_make("/home/src/large", FSOP_TYPE_REGULAR, 100 * MIB);
                        if (!fresh)
                                fake_make("/home/dst", FSOP_TYPE_DIRECTORY, 0);
                        copies.only = at_end ? FAKE_COPY_PART_FINISH : FAKE_COPY_PART_STEP;
                        copies.fail_at = at_end ? 1 : 10;
                        copies.error = (struct copy_error){.code = -FSOP_EIO, .why = "the disk cannot read it"};
                        id = submit(cp_op("/home/src", "/home/dst"));
                        run_to_end(id);
                        is_in_state(id, FSOP_JOB_FAILED);
                        ck_assert_uint_eq(job_of(id)->kept.counters.files_failed, 1);
                        ck_assert_uint_eq(job_of(id)->kept.counters.files_done, 26);
                        rest = job_of(id)->kept.counters.bytes_copied;
                        ck_assert_uint_lt(rest, MIB);
                        ck_assert_uint_eq(job_of(id)->kept.counters.bytes_flushed, rest);
                        info_of(ask(job_op(FSOP_VERB_JOB_RETRY, id)));
                        run_to_end(id);
                        is_in_state(id, FSOP_JOB_DONE);
                        is_copy_of("/home/dst", "/home/src");
                        ck_assert_uint_eq(job_of(id)->kept.counters.bytes_copied, rest + 100 * MIB);
                        ck_assert_uint_eq(job_of(id)->kept.counters.bytes_flushed, rest + 100 * MIB);
                        stop();
                        kit_empty_directory();
                }
}
END_TEST

/* Whichever of several links somebody removed meanwhile: it is there again, and is one file with those that were not there either. */
START_TEST(links_that_were_removed) {
        static const char *const links[] = {"/home/dst/dir-0/linked-a", "/home/dst/dir-1/linked-b", "/home/dst/linked-c"};
        uint64_t id, bytes;

        for (unsigned removed = 1; removed < 8; removed++) {
                jobs_begin(CALLER_UID);
                make_source("/home/src");
                fake_at("/home/src/dir-0/file-3")->read_code = -FSOP_EACCES;
                id = submit(cp_op("/home/src", "/home/dst"));
                run_to_end(id);
                is_in_state(id, FSOP_JOB_FAILED);
                bytes = job_of(id)->kept.counters.bytes_copied;
                for (unsigned i = 0; i < 3; i++)
                        if (removed & 1u << i)
                                fake_remove(links[i]);
                fake_at("/home/src/dir-0/file-3")->read_code = 0;
                info_of(ask(job_op(FSOP_VERB_JOB_RETRY, id)));
                run_to_end(id);
                is_in_state(id, FSOP_JOB_DONE);
                ck_assert_uint_eq(job_of(id)->kept.counters.files_done, 26);
                ck_assert_uint_eq(job_of(id)->kept.counters.bytes_copied, bytes + 1003);
                for (unsigned i = 0; i < 3; i++)
                        ck_assert_ptr_nonnull(fake_at(links[i]));
                if (removed == 7)
                        ck_assert_uint_eq(fake_at(links[0])->nlink, 3);
                stop();
                kit_empty_directory();
        }
}
END_TEST

/* A list instead of a listing: sorted, merged, directories of it whole. */
START_TEST(only_these_names) {
        static const char *const list[] = {"top-1", "dir-1/in-2/file-3", "dir-0-", "dir-1/in-2/file-5", "dir-0/file-1", "top-1", "missing",
                                           "dir-0", "dir-1/file-2"};
        struct operation op = cp_op("/home/src", "/home/dst");
        struct bytes names[sizeof(list) / sizeof(list[0])];
        uint64_t id;

        jobs_begin(CALLER_UID);
        make_source("/home/src");
        fake_make("/home/src/dir-0-", FSOP_TYPE_REGULAR, 10);
        for (unsigned i = 0; i < sizeof(list) / sizeof(list[0]); i++)
                names[i] = text(list[i]);
        op.args.cp.names = names;
        op.args.cp.n_names = sizeof(list) / sizeof(list[0]);
        id = submit(op);
        run_to_end(id);
        is_in_state(id, FSOP_JOB_FAILED);
        ck_assert_uint_eq(job_of(id)->kept.counters.files_failed, 1);
        ck_assert_uint_eq(job_of(id)->kept.counters.files_done, 7 + 5);
        ck_assert_ptr_nonnull(fake_at("/home/dst/dir-0/file-5"));
        ck_assert_ptr_nonnull(fake_at("/home/dst/dir-0-"));
        ck_assert_ptr_nonnull(fake_at("/home/dst/dir-1/in-2/file-5"));
        ck_assert_ptr_null(fake_at("/home/dst/dir-1/in-2/file-4"));
        ck_assert_ptr_null(fake_at("/home/dst/top-2"));
        ck_assert_uint_eq(fake_count_names(".fsop-"), 0);
        stop();
}
END_TEST

/* ---- every verb in every state ------------------------------------------------------------------------------------------ */

static uint64_t blocker; /* a job that keeps another one waiting */

static void to_queued(struct operation op, uint64_t *ret_id) {
        fake_make("/home/blocker", FSOP_TYPE_REGULAR, 200 * MIB);
        blocker = submit(cp_op("/home/blocker", "/home/blocked"));
        run_until(blocker, FSOP_JOB_RUNNING);
        *ret_id = submit(op);
        is_in_state(*ret_id, FSOP_JOB_QUEUED);
}

static void to_running(struct operation op, uint64_t *ret_id) {
        *ret_id = submit(op);
        while (copies.made[FAKE_COPY_FILE] < 5)
                ck_assert(step());
        is_in_state(*ret_id, FSOP_JOB_RUNNING);
}

static void to_paused(struct operation op, uint64_t *ret_id) {
        to_running(op, ret_id);
        info_of(ask(job_op(FSOP_VERB_JOB_PAUSE, *ret_id)));
        settle();
        is_in_state(*ret_id, FSOP_JOB_PAUSED);
}

static void to_waiting(struct operation op, uint64_t *ret_id) {
        fake_fs->room = 3000;
        *ret_id = submit(op);
        run_until(*ret_id, FSOP_JOB_WAITING);
        settle();
        fake_fs->room = UINT64_MAX;
}

static void to_verifying(struct operation op, uint64_t *ret_id) {
        op.at = at("/home/single");
        op.to = at("/home/single-copy");
        op.args.cp.verify = true;
        fake_make("/home/single", FSOP_TYPE_REGULAR, 50 * MIB);
        *ret_id = submit(op);
        while (job_of(*ret_id)->live.bytes_copied < 50 * MIB)
                ck_assert(step());
        pass(600);
        is_in_state(*ret_id, FSOP_JOB_VERIFYING);
}

static void to_done(struct operation op, uint64_t *ret_id) {
        *ret_id = submit(op);
        run_to_end(*ret_id);
        is_in_state(*ret_id, FSOP_JOB_DONE);
}

static void to_failed(struct operation op, uint64_t *ret_id) {
        fake_at("/home/src/dir-0/file-3")->read_code = -FSOP_EACCES;
        *ret_id = submit(op);
        run_to_end(*ret_id);
        is_in_state(*ret_id, FSOP_JOB_FAILED);
        fake_at("/home/src/dir-0/file-3")->read_code = 0;
}

static void to_cancelled(struct operation op, uint64_t *ret_id) {
        to_running(op, ret_id);
        info_of(ask(job_op(FSOP_VERB_JOB_CANCEL, *ret_id)));
        settle();
        is_in_state(*ret_id, FSOP_JOB_CANCELLED);
}

#define REFUSED (-1)
#define GONE FSOP_JOB_UNKNOWN

static const struct {
        const char *name;
        void (*come_to)(struct operation op, uint64_t *ret_id);
        int pause, resume, cancel, retry, forget; /* the state when everything has come to rest; or refused */
} states[] = {
        {"queued", to_queued, FSOP_JOB_PAUSED, REFUSED, FSOP_JOB_CANCELLED, REFUSED, REFUSED},
        {"running", to_running, FSOP_JOB_PAUSED, REFUSED, FSOP_JOB_CANCELLED, REFUSED, REFUSED},
        {"paused", to_paused, FSOP_JOB_PAUSED, FSOP_JOB_DONE, FSOP_JOB_CANCELLED, REFUSED, REFUSED},
        {"waiting", to_waiting, FSOP_JOB_PAUSED, FSOP_JOB_DONE, FSOP_JOB_CANCELLED, REFUSED, REFUSED},
        {"verifying", to_verifying, FSOP_JOB_PAUSED, REFUSED, FSOP_JOB_CANCELLED, REFUSED, REFUSED},
        {"done", to_done, REFUSED, REFUSED, REFUSED, REFUSED, GONE},
        {"failed", to_failed, REFUSED, REFUSED, REFUSED, FSOP_JOB_DONE, GONE},
        {"cancelled", to_cancelled, REFUSED, REFUSED, REFUSED, REFUSED, GONE},
};

static void try_verb(unsigned state, enum fsop_verb verb, int expected, bool fresh) {
        const struct result *result;
        enum fsop_job_state before;
        uint64_t id;

        jobs_begin(CALLER_UID);
        make_source("/home/src");
        fake_make("/home/src/zz-large", FSOP_TYPE_REGULAR, 60 * MIB);
        if (!fresh)
                fake_make("/home/dst", FSOP_TYPE_DIRECTORY, 0);
        states[state].come_to(cp_op("/home/src", "/home/dst"), &id);
        before = state_of(id);
        result = ask(job_op(verb, id));
        if (expected == REFUSED) {
                refused(result, FSOP_EINVAL, FSOP_CLASS_INVALID);
                ck_assert_msg(state_of(id) == before || !job_has_ended(job_of(id)), "a verb that was refused did something");
        } else if (expected != GONE)
                ck_assert_uint_eq(info_of(result)->id, id);
        for (unsigned i = 0; i < 400 && !(job_of(id) && job_has_ended(job_of(id)) && !job_of(id)->run); i++) {
                settle();
                pass(1000);
        }
        if (expected != REFUSED)
                is_in_state(id, (enum fsop_job_state)expected);
        if (state_of(id) == FSOP_JOB_CANCELLED)
                ck_assert_uint_eq(fake_count_names(".fsop-"), 0);
        if (state_of(id) == FSOP_JOB_PAUSED) { /* and goes on */
                info_of(ask(job_op(FSOP_VERB_JOB_RESUME, id)));
                run_to_end(id);
        }
        if (state_of(id) == FSOP_JOB_DONE) {
                if (states[state].come_to == to_verifying)
                        is_copy_of("/home/single-copy", "/home/single");
                else
                        is_copy_of("/home/dst", "/home/src");
        }
        stop();
        kit_empty_directory();
}

START_TEST(every_verb_in_every_state) {
        unsigned state = (unsigned)_i / 2;
        bool fresh = _i % 2;

        try_verb(state, FSOP_VERB_JOB_PAUSE, states[state].pause, fresh);
        try_verb(state, FSOP_VERB_JOB_RESUME, states[state].resume, fresh);
        try_verb(state, FSOP_VERB_JOB_CANCEL, states[state].cancel, fresh);
        try_verb(state, FSOP_VERB_JOB_RETRY, states[state].retry, fresh);
        try_verb(state, FSOP_VERB_JOB_FORGET, states[state].forget, fresh);
}
END_TEST

/* ---- at any moment ------------------------------------------------------------------------------------------------------ */

static void at_any_moment(enum fsop_verb verb, enum fsop_verb then, bool fresh, bool verify) {
        bool happened = true;

        for (unsigned n = 0; happened; n++) {
                struct operation op = cp_op("/home/src", "/home/dst");
                uint64_t id;

                jobs_begin(CALLER_UID);
                make_source("/home/src");
                fake_make("/home/src/large", FSOP_TYPE_REGULAR, 60 * MIB);
                if (!fresh)
                        fake_make("/home/dst/dir-0/file-0", FSOP_TYPE_REGULAR, 3);
                op.args.cp.verify = verify;
                copies.names_max = 4;
                id = submit(op);
                for (unsigned i = 0; i < n && happened; i++)
                        happened = step();
                if (!job_has_ended(job_of(id)))
                        info_of(ask(job_op(verb, id)));
                if (then != FSOP_VERB_NONE && !job_has_ended(job_of(id)))
                        info_of(ask(job_op(then, id)));
                settle();
                ck_assert_ptr_null(job_of(id)->run);
                if (state_of(id) == FSOP_JOB_PAUSED) {
                        info_of(ask(job_op(FSOP_VERB_JOB_RESUME, id)));
                        settle();
                }
                if (state_of(id) == FSOP_JOB_CANCELLED) {
                        ck_assert_uint_eq(fake_count_names(".fsop-"), 0);
                        if (fresh && fake_at("/home/dst")) /* it came too late */
                                is_copy_of("/home/dst", "/home/src");
                } else {
                        is_in_state(id, FSOP_JOB_DONE);
                        is_copy_of("/home/dst", "/home/src");
                        ck_assert_uint_eq(job_of(id)->kept.counters.files_done, 27);
                        ck_assert_uint_eq(job_of(id)->kept.counters.bytes_copied, job_of(id)->kept.counters.bytes_flushed);
                        ck_assert_uint_eq(job_of(id)->kept.counters.bytes_copied, 60 * MIB + 18 * 1000 + 3 * 15 + 30 + 5000);
                }
                stop();
                kit_empty_directory();
        }
}

START_TEST(paused_at_any_moment) {
        at_any_moment(FSOP_VERB_JOB_PAUSE, FSOP_VERB_NONE, _i & 1, _i & 2);
}
END_TEST

START_TEST(paused_and_resumed_at_any_moment) {
        at_any_moment(FSOP_VERB_JOB_PAUSE, FSOP_VERB_JOB_RESUME, _i & 1, _i & 2);
}
END_TEST

START_TEST(cancelled_at_any_moment) {
        at_any_moment(FSOP_VERB_JOB_CANCEL, FSOP_VERB_NONE, _i & 1, _i & 2);
}
END_TEST

START_TEST(paused_and_cancelled_at_any_moment) {
        at_any_moment(FSOP_VERB_JOB_PAUSE, FSOP_VERB_JOB_CANCEL, _i & 1, _i & 2);
}
END_TEST

/* What an earlier run has left goes, too, wherever the later one stands. */
START_TEST(resumed_and_cancelled_at_any_moment) {
        bool happened = true;

        for (unsigned n = 0; happened; n++) {
                uint64_t id;

                jobs_begin(CALLER_UID);
                make_source("/home/src");
                fake_make("/home/src/zz-large", FSOP_TYPE_REGULAR, 60 * MIB);
                if (_i)
                        fake_make("/home/dst", FSOP_TYPE_DIRECTORY, 0);
                to_paused(cp_op("/home/src", "/home/dst"), &id);
                info_of(ask(job_op(FSOP_VERB_JOB_RESUME, id)));
                for (unsigned i = 0; i < n && happened; i++)
                        happened = step();
                if (!job_has_ended(job_of(id)))
                        info_of(ask(job_op(FSOP_VERB_JOB_CANCEL, id)));
                settle();
                ck_assert_ptr_null(job_of(id)->run);
                ck_assert_msg(fake_count_names(".fsop-") == 0, "something is left after %u steps", n);
                stop();
                kit_empty_directory();
        }
}
END_TEST

int main(void) {
        Suite *suite = suite_create("jobs");
        TCase *tcase = tcase_create("jobs");
        SRunner *runner;
        int failed;

        tcase_set_timeout(tcase, 120);
        tcase_add_checked_fixture(tcase, kit_setup, kit_teardown);
        tcase_add_test(tcase, a_tree_is_copied);
        tcase_add_test(tcase, into_a_tree_that_exists);
        tcase_add_test(tcase, a_single_file);
        tcase_add_test(tcase, an_end_is_told_when_it_is_kept);
        tcase_add_test(tcase, failures_are_listed);
        tcase_add_test(tcase, what_differs_does_not_stay);
        tcase_add_test(tcase, a_large_file_fails);
        tcase_add_test(tcase, only_these_names);
        tcase_add_test(tcase, links_that_were_removed);
        tcase_add_loop_test(tcase, every_verb_in_every_state, 0, 2 * (int)(sizeof(states) / sizeof(states[0])));
        tcase_add_loop_test(tcase, paused_at_any_moment, 0, 4);
        tcase_add_loop_test(tcase, paused_and_resumed_at_any_moment, 0, 4);
        tcase_add_loop_test(tcase, cancelled_at_any_moment, 0, 4);
        tcase_add_loop_test(tcase, paused_and_cancelled_at_any_moment, 0, 4);
        tcase_add_loop_test(tcase, resumed_and_cancelled_at_any_moment, 0, 2);
        suite_add_tcase(suite, tcase);
        runner = srunner_create(suite);
        srunner_run_all(runner, CK_ENV);
        failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed == 0 ? 0 : 1;
}
