/* SPDX-License-Identifier: MIT */
/*
 * test_jobs.c: the life of copy jobs in the daemon: what is copied, what time, rules and full disks do to them, what is
 * told to whom, and the daemon's end.
 */
#include <stdio.h>
#include <string.h>

#include "proto/names.h"
#include "tests/support/jobs_kit.h"
#include "tests/support/suite.h"

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

/* While one place is opened by a worker, what others have written is flushed: only those are looked at. */
START_TEST(more_places_than_are_open_at_a_time) {
        enum { PLACES = 150 };
        uint64_t id = 0;

        jobs_begin(CALLER_UID);
        for (int i = 0; i < PLACES; i++) {
                char from[32], to[32];
                struct operation op;

                snprintf(from, sizeof(from), "/home/from-%d", i);
                snprintf(to, sizeof(to), "/home/to-%d", i);
                fake_make(from, FSOP_TYPE_REGULAR, 10);
                op = cp_op(from, to);
                op.args.cp.job = id;
                op.args.cp.hold = i + 1 < PLACES;
                id = submit(op);
        }
        run_to_end(id);
        is_in_state(id, FSOP_JOB_DONE);
        ck_assert_uint_eq(job_of(id)->kept.counters.files_done, PLACES);
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

static void removing_fails(enum fake_copy_call call, const char *name) {
        (void)name;
        if (call == FAKE_COPY_DISCARD) {
                copies.only = FAKE_COPY_DISCARD;
                copies.fail_at = copies.calls + 1;
        }
}

/* … and where it cannot be removed, its directory is not published: the job tries again. */
START_TEST(what_cannot_be_removed_is_not_published) {
        struct operation op = cp_op("/home/src", "/home/dst");
        uint64_t id;

        jobs_begin(CALLER_UID);
        make_source("/home/src");
        op.args.cp.verify = true;
        copies.only = FAKE_COPY_VERIFY;
        copies.fail_at = 3;
        copies.error = (struct copy_error){.code = -FSOP_EIO, .why = "the copy differs from its source"};
        copies.between = removing_fails;
        id = submit(op);
        run_until(id, FSOP_JOB_WAITING);
        ck_assert_ptr_null(fake_at("/home/dst"));
        ck_assert_uint_eq(job_of(id)->kept.counters.files_failed, 0);
        fake_copy_forget();
        copies.between = NULL;
        stop();
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
        make_homes();
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

/* ---- rules ------------------------------------------------------------------------------------------------------- */

static void reload(void) {
        struct policy_report report;

        ck_assert_int_eq(server_reload(&server, &report), 0);
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
        make_homes();
        id = submit_paused(cp_op("/home/a", "/home/a2"));
        batch = park(id);
        begin_on(session, job_op(FSOP_VERB_JOB_RESUME, id));
        ck_assert_uint_eq(got.batches[batch], 1);
        run_to_end(id);
        ck_assert_uint_eq(got.batches[batch], 1);
        /* by its client, which wants it no more */
        fake_remove("/home/a2");
        id = submit_paused(cp_op("/home/a", "/home/a2"));
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
        struct message message = {.kind = MESSAGE_BATCH,
                                  .body.batch = {.ops = ops, .n_ops = 2, .mode = FSOP_BATCH_ORDERED}};
        uint64_t batch;

        jobs_begin(CALLER_UID);
        make_homes();
        ops[0] = cp_op("/home/a", "/home/a2");
        ops[1] = cp_op("/home/a", "/home/a3");
        batch = message.body.batch.id = ++kit_batch;
        got.answers[0] = got.answers[1] = 0;
        send_message(&message, NULL, 0);
        rounds();
        step();                                   /* the store is made */
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
        make_homes();
        id = submit_paused(cp_op("/home/a", "/home/a2"));
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
        make_homes();
        id = submit_paused(cp_op("/home/a", "/home/a2"));
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
        kit_closed_for = 3;
        jobs_restart(CALLER_UID);
        ck_assert_uint_eq(kit_closed_for, 0);
        ck_assert_ptr_nonnull(job_of(id));

        kit_closed_for = 100000;
        jobs_restart(CALLER_UID);
        ck_assert_ptr_nonnull(server.jobs->unavailable);
        refused(ask(job_op(FSOP_VERB_JOB_LIST, 0)), FSOP_EBUSY, FSOP_CLASS_BUSY);
        pass(1000);
        settle();
        ck_assert_ptr_nonnull(server.jobs->unavailable);
        kit_closed_for = 0;
        pass(2000);
        settle();
        ck_assert_ptr_null(server.jobs->unavailable);
        run_to_end(id);
        is_in_state(id, FSOP_JOB_DONE);
        is_copy_of("/home/dst", "/home/src");
        stop();
}
END_TEST

/* How often it was tried: by one call of the store each. */
static unsigned tries(unsigned *before) {
        unsigned n = *before - kit_closed_for;

        *before = kit_closed_for;
        return n;
}

/* A state directory without room: said, and tried again by itself, less and less often. */
START_TEST(without_a_store_there_are_no_jobs_until_there_is_one) {
        static const int codes[] = {-FSOP_ENOSPC, -FSOP_EDQUOT, -FSOP_EROFS, -FSOP_EIO};
        const struct result *result;
        unsigned before;
        uint64_t id;

        jobs_begin(CALLER_UID);
        make_source("/home/src");
        id = submit(cp_op("/home/src", "/home/dst"));
        kit_closed_with = codes[_i];
        before = kit_closed_for = 100000;
        jobs_restart(CALLER_UID);
        ck_assert_uint_eq(tries(&before), 1); /* the start does not wait for it */
        result = ask(cp_op("/home/src", "/home/other"));
        refused(result, -codes[_i], error_class_of(-codes[_i]));
        ck_assert(result->error.retryable);
        ck_assert_ptr_nonnull(strstr((const char *)result->error.message.data, error_name(-codes[_i])));
        result = ask((struct operation){.verb = FSOP_VERB_STATUS});
        ck_assert_uint_gt(result->value.status.no_jobs.len, 0);
        ck_assert_int_eq(ask((struct operation){.verb = FSOP_VERB_STAT, .at = at("/home/src")})->error.code, 0);
        ck_assert_uint_eq(tries(&before), 0);
        for (unsigned n = 0; n < 9; n++) {
                uint64_t wait_ms = n < 6 ? UINT64_C(1000) << n : 60000;

                ck_assert_int_eq(jobs_tick(server.jobs, server.now_ms), (int)wait_ms);
                pass(wait_ms - 1);
                settle();
                ck_assert_uint_eq(tries(&before), 0);
                pass(1);
                settle();
                ck_assert_uint_eq(tries(&before), 1);
        }
        ck_assert_ptr_null(server.jobs->first);
        kit_closed_for = 0;
        pass(60000);
        settle();
        ck_assert_ptr_null(server.jobs->unavailable);
        ck_assert_uint_eq(ask((struct operation){.verb = FSOP_VERB_STATUS})->value.status.no_jobs.len, 0);
        run_to_end(id);
        is_in_state(id, FSOP_JOB_DONE);
        is_copy_of("/home/dst", "/home/src");
        ck_assert_uint_eq(submit(cp_op("/home/src", "/home/other")), id + 1);
        stop();
}
END_TEST

/* With a paused job in a store that cannot be opened, and by now is tried seldom. */
static uint64_t begin_without_room(void) {
        uint64_t id;

        jobs_begin(CALLER_UID);
        make_homes();
        id = submit_paused(cp_op("/home/a", "/home/a2"));
        kit_closed_with = -FSOP_ENOSPC;
        kit_closed_for = 100000;
        jobs_restart(CALLER_UID);
        for (unsigned n = 0; n < 7; n++) {
                pass(60000);
                settle();
        }
        return id;
}

START_TEST(a_request_and_a_reload_try_the_store_again) {
        struct policy_report report;
        unsigned before;
        uint64_t id, batch;

        id = begin_without_room();
        before = kit_closed_for;
        refused(ask(job_op(FSOP_VERB_JOB_SHOW, id)), FSOP_ENOSPC, FSOP_CLASS_OS);
        pass(2999);
        refused(ask(cp_op("/home/a", "/home/a3")), FSOP_ENOSPC, FSOP_CLASS_OS);
        settle();
        ck_assert_uint_eq(tries(&before), 0);
        pass(1);
        batch = begin_on(session, job_op(FSOP_VERB_JOB_SHOW, id)); /* this one asks again, and waits */
        ck_assert_uint_eq(got.batches[batch], 0);
        refused(ask(job_op(FSOP_VERB_JOB_SHOW, id)), FSOP_ENOSPC, FSOP_CLASS_OS); /* … but no other one */
        settle();
        ck_assert_uint_eq(got.batches[batch], 1);
        ck_assert_uint_eq(tries(&before), 1);

        if (_i == 0) {
                kit_closed_for = 0;
                pass(3000);
                ck_assert_uint_eq(info_of(ask(job_op(FSOP_VERB_JOB_SHOW, id)))->id, id);
        } else {
                ck_assert_int_eq(server_reload(&server, &report), 0);
                policy_report_fini(&report);
                settle();
                ck_assert_uint_eq(tries(&before), 1);
                kit_closed_for = 0;
                ck_assert_int_eq(server_reload(&server, &report), 0);
                policy_report_fini(&report);
                settle();
        }
        ck_assert_ptr_null(server.jobs->unavailable);
        is_in_state(id, FSOP_JOB_PAUSED);
        park(id);
        stop();
}
END_TEST

/* Who has waited for the store, and now waits for the job, is seen to go away all the same. */
START_TEST(who_watches_what_is_not_open_yet_goes_away) {
        struct session *other;
        uint64_t id, batch;

        id = begin_without_room();
        pass(3000);
        kit_closed_for = 0;
        other = connect_as(CALLER_UID);
        batch = begin_on(other, watch_op(id, UINT64_MAX));
        settle();
        ck_assert_ptr_nonnull(server.jobs->journal);
        ck_assert_uint_eq(server.n_sessions, 2);
        ck_assert_uint_eq(got.batches[batch], 0);
        disconnect(other);
        settle();
        ck_assert_uint_eq(got.batches[batch], 0);
        ck_assert_uint_eq(server.n_sessions, 1);
        park(id);
        stop();
}
END_TEST

/* A request that waits for the store is not held up by it, nor the end of the daemon. */
START_TEST(the_daemon_ends_while_the_store_is_opened) {
        struct operation op;
        uint64_t batch;

        jobs_begin(CALLER_UID);
        make_homes();
        op = cp_op("/home/a", "/home/a2");
        batch = begin_on(session, op);
        ck_assert(server.jobs->opening);
        ck_assert(!jobs_is_idle(server.jobs));
        if (_i == 0) {
                session_close(session);
                settle();
        } else {
                server.draining = true;
                jobs_drain(server.jobs);
                settle();
                ck_assert_uint_eq(got.batches[batch], 1);
                refused(&got.results[0], FSOP_ECANCELED, FSOP_CLASS_CANCELLED);
        }
        ck_assert(jobs_is_idle(server.jobs));
        ck_assert_ptr_nonnull(server.jobs->journal);
        ck_assert_ptr_null(server.jobs->first);
        server.draining = false;
        stop();
}
END_TEST

START_TEST(a_uid_that_is_somebody_else) {
        uint64_t id;

        jobs_begin(1003);
        fake_odd_name = "carol";
        make_homes();
        id = submit_paused(cp_op("/home/a", "/home/a2"));
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

        tcase_set_timeout(tcase, 120);
        tcase_add_checked_fixture(tcase, kit_setup, kit_teardown);
        tcase_add_test(tcase, a_tree_is_copied);
        tcase_add_test(tcase, into_a_tree_that_exists);
        tcase_add_test(tcase, totals_are_of_all_places);
        tcase_add_test(tcase, more_places_than_are_open_at_a_time);
        tcase_add_test(tcase, a_single_file);
        tcase_add_test(tcase, an_end_is_told_when_it_is_kept);
        tcase_add_test(tcase, failures_are_listed);
        tcase_add_test(tcase, what_differs_does_not_stay);
        tcase_add_test(tcase, what_cannot_be_removed_is_not_published);
        tcase_add_test(tcase, a_large_file_fails);
        tcase_add_test(tcase, only_these_names);
        tcase_add_test(tcase, links_that_were_removed);
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
        tcase_add_loop_test(tcase, without_a_store_there_are_no_jobs_until_there_is_one, 0, 4);
        tcase_add_loop_test(tcase, a_request_and_a_reload_try_the_store_again, 0, 2);
        tcase_add_test(tcase, who_watches_what_is_not_open_yet_goes_away);
        tcase_add_loop_test(tcase, the_daemon_ends_while_the_store_is_opened, 0, 2);
        tcase_add_test(tcase, a_uid_that_is_somebody_else);
        suite_add_tcase(suite, tcase);
        return suite_run(suite);
}
