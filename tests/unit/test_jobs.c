/* SPDX-License-Identifier: MIT */
/*
 * test_jobs.c: the life of copy jobs in the daemon: what every verb does in every state, who may do it, what runs when,
 * what is told to whom, and what time does to them.
 */
#include "tests/support/jobs_kit.h"

/* ---- whole jobs -------------------------------------------------------------------------------------------------- */

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

/* A place that is finished before anything is counted is in the totals all the same. */
START_TEST(totals_are_of_all_places) {
        struct operation op = cp_op("/home/src", "/home/dst");
        const struct job *job;
        uint64_t id;

        jobs_begin(CALLER_UID);
        make_source("/home/src");
        fake_make("/home/tree/large", FSOP_TYPE_REGULAR, 1000 * MIB);
        op.args.cp.hold = true;
        id = submit(op);
        op = cp_op("/home/tree", "/home/tree-copy");
        op.args.cp.job = id;
        submit(op);
        job = job_of(id);
        while (!job->kept.places[0].finished)
                ck_assert(step());
        ck_assert_msg(job->run != NULL && !job->live.totals_known, "state %d", job->kept.state);
        pass(1100);
        while (job->run && !job->live.totals_known) {
                if (!step())
                        pass(500);
                pass(10);
        }
        ck_assert_uint_eq(job->live.files_total, 26 + 1);
        ck_assert_uint_eq(job->live.bytes_total, 1000 * MIB + 18 * 1000 + 3 * 15 + 30 + 5000);
        run_to_end(id);
        ck_assert_uint_eq(job_describe(job).files_total, job_describe(job).files_done);
        ck_assert_uint_eq(job_describe(job).bytes_total, job_describe(job).bytes_copied);
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

/* Whichever of several links somebody removed meanwhile: it is there again, and is one file with those that were not
 * there either. */
START_TEST(links_that_were_removed) {
        static const char *const links[] = {"/home/dst/dir-0/linked-a", "/home/dst/dir-1/linked-b",
                                            "/home/dst/linked-c"};
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
        static const char *const list[] = {"top-1", "dir-1/in-2/file-3", "dir-0-", "dir-1/in-2/file-5", "dir-0/file-1",
                                           "top-1", "missing",           "dir-0",  "dir-1/file-2"};
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

/* ---- every verb in every state ----------------------------------------------------------------------------------- */

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
                ck_assert_msg(state_of(id) == before || !job_has_ended(job_of(id)),
                              "a verb that was refused did something");
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

/* ---- at any moment ----------------------------------------------------------------------------------------------- */

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
                        if (fresh) /* where all is there, it came too late */
                                ck_assert_ptr_null(fake_at("/home/dst"));
                } else {
                        is_in_state(id, FSOP_JOB_DONE);
                        is_copy_of("/home/dst", "/home/src");
                        ck_assert_uint_eq(job_of(id)->kept.counters.files_done, 27);
                        ck_assert_uint_eq(job_of(id)->kept.counters.bytes_copied,
                                          job_of(id)->kept.counters.bytes_flushed);
                        ck_assert_uint_eq(job_of(id)->kept.counters.bytes_copied,
                                          60 * MIB + 18 * 1000 + 3 * 15 + 30 + 5000);
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

/* ---- jobs that are put together ---------------------------------------------------------------------------------- */

static void disconnect(struct session *other) {
        fake_engine_complete(server.engine, &other->receive, 0, 0); /* the end of what it sends */
        rounds();
        settle();
}

static bool says(const struct result *result, const char *what) {
        char message[512];

        snprintf(message, sizeof(message), "%.*s", (int)result->error.message.len,
                 (const char *)result->error.message.data);
        return strstr(message, what) != NULL;
}

static void make_some(void) {
        fake_make("/home/a/one", FSOP_TYPE_REGULAR, 10);
        fake_make("/home/a/two", FSOP_TYPE_REGULAR, 10);
        fake_make("/home/a/sub/three", FSOP_TYPE_REGULAR, 10);
        fake_make("/home/b/four", FSOP_TYPE_REGULAR, 10);
}

START_TEST(a_held_job_is_put_together) {
        struct operation first = cp_op("/home/a", "/home/a2"), second = cp_op("/home/b", "/home/b2"),
                         names = cp_op("/home/a", "/home/a3");
        const struct bytes one = text("one"), three = text("sub/three");
        const struct job_info *info;
        uint64_t id;

        jobs_begin(CALLER_UID);
        make_some();
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
        make_some();
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
        make_some();
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
        make_some();
        id = submit(cp_op("/home/a", "/home/same"));
        info_of(ask(job_op(FSOP_VERB_JOB_PAUSE, id)));
        settle();
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
        make_some();
        id = submit(cp_op("/home/a", "/home/a2"));
        info_of(ask(job_op(FSOP_VERB_JOB_PAUSE, id)));
        settle();
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
        make_some();
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
        make_some();
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

/* Half of the table for the first, half of the rest for the next; who has none gets one that has ended from who has most. */
START_TEST(no_few_users_fill_the_table) {
        char to[32];
        uint64_t first;

        jobs_begin(CALLER_UID);
        make_some();
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
        make_some();
        op.args.cp.priority = 1;
        refused(ask(op), FSOP_EPERM, FSOP_CLASS_DENIED);
        op.args.cp.priority = -1;
        submit(op);
        settle();
        stop();
}
END_TEST

/* ---- waiting ----------------------------------------------------------------------------------------------------- */

START_TEST(a_full_disk_is_waited_for) {
        const struct job_info *info;
        uint64_t id, ms = 1000;

        jobs_begin(CALLER_UID);
        make_source("/home/src");
        fake_fs->room = 0;
        id = submit(cp_op("/home/src", "/home/dst"));
        for (unsigned i = 0; i < 9; i++) {
                settle();
                info = info_of(ask(job_op(FSOP_VERB_JOB_SHOW, id)));
                ck_assert_int_eq(info->state, FSOP_JOB_WAITING);
                ck_assert_int_eq(info->error.code, FSOP_ENOSPC);
                ck_assert_uint_gt(info->error.message.len, 0);
                ck_assert_int_eq(info->retry.sec, fake_realtime.sec + (int64_t)(ms / 1000));
                ck_assert_uint_eq(info->runs, i + 1);
                pass(ms - 1);
                is_in_state(id, FSOP_JOB_WAITING);
                fake_realtime.sec++; /* the second that pass() has rounded off */
                pass(1);
                ck_assert_int_ne(state_of(id), FSOP_JOB_WAITING);
                ms = ms * 2 > 60000 ? 60000 : ms * 2;
        }
        settle();
        fake_fs->room = UINT64_MAX;
        run_to_end(id);
        is_in_state(id, FSOP_JOB_DONE);
        is_copy_of("/home/dst", "/home/src");
        stop();
}
END_TEST

START_TEST(time_ends_jobs_and_their_memory) {
        enum { DAY = 86400 };
        uint64_t done, waiting, paused;

        jobs_begin(CALLER_UID);
        make_some();
        done = submit(cp_op("/home/a", "/home/a2"));
        run_to_end(done);
        fake_fs->room = 0;
        waiting = submit(cp_op("/home/a", "/home/a3"));
        run_until(waiting, FSOP_JOB_WAITING);
        paused = submit(cp_op("/home/b", "/home/b2"));
        info_of(ask(job_op(FSOP_VERB_JOB_PAUSE, paused)));
        settle();
        fake_realtime.sec += 7 * DAY - 100;
        pass(61000);
        settle();
        ck_assert_ptr_nonnull(job_of(done));
        fake_realtime.sec += 200;
        pass(61000);
        settle();
        ck_assert_ptr_null(job_of(done));
        ck_assert_ptr_nonnull(job_of(waiting));
        fake_realtime.sec += 7 * DAY;
        for (unsigned i = 0; i < 4; i++) {
                pass(61000);
                settle();
        }
        is_in_state(waiting, FSOP_JOB_FAILED);
        ck_assert_int_eq(job_of(waiting)->kept.error.code, FSOP_ETIMEDOUT);
        is_in_state(paused, FSOP_JOB_PAUSED);
        jobs_restart(CALLER_UID);
        ck_assert_ptr_null(job_of(done));
        is_in_state(waiting, FSOP_JOB_FAILED);
        is_in_state(paused, FSOP_JOB_PAUSED);
        stop();
}
END_TEST

/* ---- rules
 * --------------------------------------------------------------------------------------------------------------------
 */

static void reload(void) {
        struct policy_report report;

        ck_assert_int_eq(server_reload_policy(&server, &report), 0);
        policy_report_fini(&report);
}

static void rules_change(bool taken_away) {
        for (unsigned n = 0; n < 60; n++) {
                const struct job_info *info;
                uint64_t id;

                jobs_begin(CALLER_UID);
                make_source("/srv/build/src");
                fake_make("/srv/build/src/large", FSOP_TYPE_REGULAR, 60 * MIB);
                id = submit(cp_op("/srv/build/src", "/srv/build/dst"));
                ck_assert(job_of(id)->kept.elevated);
                for (unsigned i = 0; i < n; i++)
                        step();
                if (taken_away)
                        fake_n_files = 0;
                reload();
                run_to_end(id);
                info = info_of(ask(job_op(FSOP_VERB_JOB_SHOW, id)));
                if (info->state == FSOP_JOB_DONE) {
                        ck_assert_msg(!taken_away || n > 40, "at %u: it went on without its rule", n);
                        is_copy_of("/srv/build/dst", "/srv/build/src");
                } else {
                        ck_assert(taken_away);
                        is_in_state(id, FSOP_JOB_FAILED);
                        ck_assert_int_eq(info->error.class_, FSOP_CLASS_DENIED);
                        ck_assert_uint_gt(info->error.message.len, 0);
                        ck_assert_ptr_null(fake_at("/srv/build/dst"));
                }
                stop();
                kit_empty_directory();
        }
}

START_TEST(rules_are_read_anew) {
        rules_change(false);
}
END_TEST

START_TEST(a_rule_is_taken_away) {
        rules_change(true);
}
END_TEST

/* What the rule does not grant is that file's failure. */
START_TEST(an_owner_that_no_rule_grants) {
        uint64_t id;

        jobs_begin(CALLER_UID);
        make_source("/srv/build/src");
        fake_at("/srv/build/src/top-1")->uid = 33;
        id = submit(cp_op("/srv/build/src", "/srv/build/dst"));
        run_to_end(id);
        is_in_state(id, FSOP_JOB_FAILED);
        ck_assert_uint_eq(job_of(id)->kept.counters.files_failed, 1);
        ck_assert_uint_eq(job_of(id)->kept.counters.files_done, 25);
        ck_assert_ptr_null(fake_at("/srv/build/dst/top-1"));
        ck_assert_ptr_nonnull(fake_at("/srv/build/dst/top-2"));
        stop();
}
END_TEST

/* What goes beyond a rule's total-bytes does not stay. */
START_TEST(the_bytes_of_a_rule_are_counted) {
        uint64_t id;

        for (int fresh = 0; fresh < 2; fresh++) {
                jobs_begin(CALLER_UID);
                fake_make("/srv/service/src/small", FSOP_TYPE_REGULAR, 1000);
                fake_make("/srv/service/src/too-much", FSOP_TYPE_REGULAR, 2000);
                if (!fresh)
                        fake_make("/srv/service/dst", FSOP_TYPE_DIRECTORY, 0);
                struct operation op = cp_op("/srv/service/src", "/srv/service/dst");

                op.args.cp.preserve = FSOP_PRESERVE_TIMES;
                id = submit(op);
                run_to_end(id);
                is_in_state(id, FSOP_JOB_FAILED);
                ck_assert_uint_eq(job_of(id)->kept.counters.files_failed, 1);
                ck_assert_ptr_nonnull(fake_at("/srv/service/dst/small"));
                ck_assert_ptr_null(fake_at("/srv/service/dst/too-much"));
                ck_assert_uint_eq(fake_count_names(".fsop-"), 0);
                stop();
                kit_empty_directory();
        }
}
END_TEST

/* ---- watching ---------------------------------------------------------------------------------------------------- */

static struct operation watch_op(uint64_t id, uint64_t after) {
        struct operation op = job_op(FSOP_VERB_JOB_WATCH, id);

        op.args.job.after = after;
        return op;
}

START_TEST(events_are_told_in_order) {
        uint64_t id, after = 0, n = 0;
        enum fsop_job_state last = FSOP_JOB_UNKNOWN;
        bool end = false, failure = false, progress = false;

        jobs_begin(CALLER_UID);
        make_source("/home/src");
        fake_make("/home/src/large", FSOP_TYPE_REGULAR, 100 * MIB);
        fake_at("/home/src/dir-0/file-3")->read_code = -FSOP_EACCES;
        id = submit(cp_op("/home/src", "/home/dst"));
        while (!end) {
                uint64_t batch = begin_on(session, watch_op(id, after));
                const struct job_answer *answer = &got.results[0].value.job;

                for (unsigned i = 0; got.batches[batch] == 0; i++) {
                        ck_assert_uint_lt(i, 1000);
                        step();
                        pass(100);
                }
                ck_assert_int_eq(got.results[0].error.code, 0);
                ck_assert(answer->n_events > 0 || answer->end);
                for (uint32_t i = 0; i < answer->n_events; i++) {
                        const struct job_event *event = &answer->events[i];

                        ck_assert_uint_gt(event->number, after);
                        after = event->number;
                        failure = failure || event->kind == FSOP_JOB_EVENT_FAILURE;
                        progress = progress || event->kind == FSOP_JOB_EVENT_PROGRESS;
                        if (event->kind == FSOP_JOB_EVENT_STATE)
                                last = event->job.state;
                        n++;
                }
                end = answer->end;
        }
        ck_assert(failure);
        ck_assert(progress);
        ck_assert_int_eq(last, FSOP_JOB_FAILED);
        ck_assert_uint_ge(n, 4);
        stop();
}
END_TEST

static uint64_t park(uint64_t id) {
        uint64_t batch = begin_on(session, watch_op(id, job_of(id)->last_event));

        rounds();
        ck_assert_uint_eq(got.batches[batch], 0);
        return batch;
}

START_TEST(a_parked_watch_is_answered_once) {
        struct message cancel = {.kind = MESSAGE_CANCEL};
        uint64_t id, batch;

        /* by what happens */
        jobs_begin(CALLER_UID);
        make_some();
        id = submit(cp_op("/home/a", "/home/a2"));
        info_of(ask(job_op(FSOP_VERB_JOB_PAUSE, id)));
        settle();
        batch = park(id);
        begin_on(session, job_op(FSOP_VERB_JOB_RESUME, id));
        ck_assert_uint_eq(got.batches[batch], 1);
        run_to_end(id);
        ck_assert_uint_eq(got.batches[batch], 1);
        /* by its client, which wants it no more */
        fake_remove("/home/a2");
        id = submit(cp_op("/home/a", "/home/a2"));
        info_of(ask(job_op(FSOP_VERB_JOB_PAUSE, id)));
        settle();
        batch = park(id);
        cancel.body.cancel_id = batch;
        send_message(&cancel, NULL, 0);
        rounds();
        ck_assert_uint_eq(got.batches[batch], 1);
        refused(&got.results[0], FSOP_ECANCELED, FSOP_CLASS_CANCELLED);
        /* by the end of the daemon */
        batch = park(id);
        jobs_drain(server.jobs);
        rounds();
        ck_assert_uint_eq(got.batches[batch], 1);
        refused(&got.results[0], FSOP_ECANCELED, FSOP_CLASS_CANCELLED);
        ck_assert_int_eq(got.results[0].outcome, FSOP_OUTCOME_NOT_STARTED);
        stop();
}
END_TEST

/* To send it again to the next daemon is safe. */
START_TEST(a_stopping_daemon_takes_no_jobs) {
        struct operation ops[2];
        struct message message = {.kind = MESSAGE_BATCH, .body.batch = {.ops = ops, .n_ops = 2, .mode = FSOP_BATCH_ORDERED}};
        uint64_t batch;

        jobs_begin(CALLER_UID);
        make_some();
        ops[0] = cp_op("/home/a", "/home/a2");
        ops[1] = cp_op("/home/a", "/home/a3");
        batch = message.body.batch.id = ++kit_batch;
        got.answers[0] = got.answers[1] = 0;
        send_message(&message, NULL, 0);
        rounds();
        ck_assert_uint_eq(got.batches[batch], 0); /* the first one's places are looked at */
        server.draining = true;
        while (got.batches[batch] == 0 && step())
                ;
        ck_assert_uint_eq(got.batches[batch], 1);
        ck_assert_int_eq(got.results[0].outcome, FSOP_OUTCOME_DONE);
        refused(&got.results[1], FSOP_ECANCELED, FSOP_CLASS_CANCELLED);
        ck_assert_int_eq(got.results[1].outcome, FSOP_OUTCOME_NOT_STARTED);
        server.draining = false;
        stop();
}
END_TEST

START_TEST(who_watches_goes_away) {
        struct session *other;
        uint64_t id, batch;

        jobs_begin(CALLER_UID);
        make_some();
        id = submit(cp_op("/home/a", "/home/a2"));
        info_of(ask(job_op(FSOP_VERB_JOB_PAUSE, id)));
        settle();
        other = connect_as(CALLER_UID);
        batch = begin_on(other, watch_op(id, job_of(id)->last_event));
        disconnect(other);
        ck_assert_uint_eq(got.batches[batch], 0);
        info_of(ask(job_op(FSOP_VERB_JOB_RESUME, id)));
        run_to_end(id);
        is_in_state(id, FSOP_JOB_DONE);
        stop();
}
END_TEST

START_TEST(a_watch_is_joined_again_after_a_restart) {
        const struct result *result;
        uint64_t id, before;

        jobs_begin(CALLER_UID);
        make_some();
        id = submit(cp_op("/home/a", "/home/a2"));
        info_of(ask(job_op(FSOP_VERB_JOB_PAUSE, id)));
        settle();
        before = job_of(id)->last_event;
        jobs_restart(CALLER_UID);
        result = ask(watch_op(id, before));
        ck_assert_int_eq(result->error.code, 0);
        ck_assert_uint_eq(result->value.job.n_events, 1);
        ck_assert_uint_gt(result->value.job.events[0].number, before);
        ck_assert_int_eq(result->value.job.events[0].job.state, FSOP_JOB_PAUSED);
        park(id);
        stop();
}
END_TEST

/* ---- the daemon ends, and begins --------------------------------------------------------------------------------- */

START_TEST(the_daemon_is_stopped_at_any_moment) {
        bool happened = true;

        for (unsigned n = 0; happened; n++) {
                struct operation op = cp_op("/home/src", "/home/dst");
                uint64_t id;

                kit_keeps_tree = false;
                jobs_begin(CALLER_UID);
                make_source("/home/src");
                fake_make("/home/src/large", FSOP_TYPE_REGULAR, 60 * MIB);
                if (_i & 1)
                        fake_make("/home/dst/dir-0/file-0", FSOP_TYPE_REGULAR, 3);
                op.args.cp.verify = _i & 2;
                id = submit(op);
                for (unsigned i = 0; i < n && happened; i++)
                        happened = step();
                jobs_restart(CALLER_UID);
                run_to_end(id);
                is_in_state(id, FSOP_JOB_DONE);
                is_copy_of("/home/dst", "/home/src");
                ck_assert_uint_eq(job_of(id)->kept.counters.files_done, 27);
                ck_assert_uint_eq(job_of(id)->kept.counters.bytes_copied, 60 * MIB + 18 * 1000 + 3 * 15 + 30 + 5000);
                ck_assert_uint_eq(job_of(id)->kept.counters.bytes_flushed, job_of(id)->kept.counters.bytes_copied);
                if (op.args.cp.verify)
                        ck_assert_uint_eq(job_of(id)->kept.counters.bytes_verified,
                                          job_of(id)->kept.counters.bytes_copied);
                ck_assert_uint_eq(fake_fs->bytes_written, job_of(id)->kept.counters.bytes_copied); /* nothing twice */
                stop();
                kit_empty_directory();
        }
}
END_TEST

/* The daemon before holds the store for a moment, or for longer than a start waits. */
START_TEST(the_store_is_another_daemons_at_first) {
        uint64_t id;

        jobs_begin(CALLER_UID);
        make_source("/home/src");
        id = submit(cp_op("/home/src", "/home/dst"));
        kit_busy = 3;
        jobs_restart(CALLER_UID);
        ck_assert_uint_eq(kit_busy, 0);
        ck_assert_ptr_nonnull(job_of(id));

        kit_busy = 100000;
        jobs_restart(CALLER_UID);
        ck_assert_ptr_nonnull(server.jobs->unavailable);
        ck_assert_int_eq(jobs_need_store(server.jobs), -FSOP_EBUSY);
        pass(1000);
        ck_assert_ptr_nonnull(server.jobs->unavailable);
        kit_busy = 1;
        ck_assert_int_eq(jobs_need_store(server.jobs), -FSOP_EBUSY); /* not asked for at every request */
        ck_assert_uint_eq(kit_busy, 1);
        pass(1000);
        pass(1000);
        ck_assert_ptr_null(server.jobs->unavailable);
        run_to_end(id);
        is_in_state(id, FSOP_JOB_DONE);
        is_copy_of("/home/dst", "/home/src");
        stop();
}
END_TEST

START_TEST(a_uid_that_is_somebody_else) {
        uint64_t id;

        jobs_begin(1003);
        fake_odd_name = "carol";
        make_some();
        id = submit(cp_op("/home/a", "/home/a2"));
        info_of(ask(job_op(FSOP_VERB_JOB_PAUSE, id)));
        settle();
        fake_odd_name = "mallory";
        info_of(ask(job_op(FSOP_VERB_JOB_RESUME, id)));
        run_to_end(id);
        is_in_state(id, FSOP_JOB_FAILED);
        ck_assert_int_eq(job_of(id)->kept.error.class_, FSOP_CLASS_DENIED);
        ck_assert_ptr_null(fake_at("/home/a2"));
        stop();
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
        tcase_add_test(tcase, totals_are_of_all_places);
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
        tcase_add_test(tcase, a_full_disk_is_waited_for);
        tcase_add_test(tcase, time_ends_jobs_and_their_memory);
        tcase_add_test(tcase, rules_are_read_anew);
        tcase_add_test(tcase, a_rule_is_taken_away);
        tcase_add_test(tcase, an_owner_that_no_rule_grants);
        tcase_add_test(tcase, the_bytes_of_a_rule_are_counted);
        tcase_add_test(tcase, events_are_told_in_order);
        tcase_add_test(tcase, a_parked_watch_is_answered_once);
        tcase_add_test(tcase, a_stopping_daemon_takes_no_jobs);
        tcase_add_test(tcase, who_watches_goes_away);
        tcase_add_test(tcase, a_watch_is_joined_again_after_a_restart);
        tcase_add_loop_test(tcase, the_daemon_is_stopped_at_any_moment, 0, 4);
        tcase_add_test(tcase, the_store_is_another_daemons_at_first);
        tcase_add_test(tcase, a_uid_that_is_somebody_else);
        suite_add_tcase(suite, tcase);
        runner = srunner_create(suite);
        srunner_run_all(runner, CK_ENV);
        failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed == 0 ? 0 : 1;
}
