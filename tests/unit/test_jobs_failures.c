/* SPDX-License-Identifier: MIT */
/*
 * test_jobs_failures.c: jobs submitted, watched, asked about, stopped and run to their ends, again and again; each time
 * one thing more goes well before an allocation or a call of the copying backend fails. Whatever happens, no request is
 * answered twice, none is left without an answer, nothing hangs, everything that was taken is given back; and the jobs
 * end as they should when memory is back.
 */
#include "tests/support/jobs_kit.h"

#include "tests/support/fail_alloc.h"
#include "tests/support/suite.h"

#define WANTED_MAX 64u

static struct {
        uint64_t sent[WANTED_MAX]; /* batches, of this session */
        unsigned n;
        bool fresh, verify;
} visit;

static bool is_connected(void) {
        return session && session->state == SESSION_OPEN;
}

/* Sends, if it still can; nothing is asserted here, as Check takes memory, too. */
static uint64_t say(struct operation op) {
        uint64_t id;

        if (!is_connected() || !session->receiving || session->pausing)
                return 0;
        id = begin_on(session, op);
        visit.sent[visit.n++ % WANTED_MAX] = id;
        return id;
}

static void wait_for(uint64_t id) {
        while (id > 0 && got.batches[id] == 0 && is_connected() && step())
                ;
}

static uint64_t job_answered(void) {
        const struct result *result = &got.results[0];

        return result->error.code == 0 && result->verb == FSOP_VERB_CP && result->value.job.n_jobs == 1
                       ? result->value.job.jobs[0].id
                       : 0;
}

static uint64_t say_cp(struct operation op) {
        uint64_t id = say(op);

        got.results[0] = (struct result){0};
        wait_for(id);
        return id > 0 && got.batches[id] > 0 ? job_answered() : 0;
}

static bool over(uint64_t id) {
        struct job *job = job_of(id);

        return !job || (!job->run && (job_has_ended(job) || job->kept.state == FSOP_JOB_PAUSED));
}

static void go_on(uint64_t id) {
        for (unsigned i = 0; i < 5000 && !over(id); i++)
                if (!step())
                        pass(500);
}

static void whole_visit(void) {
        struct operation op = cp_op("/home/src", "/home/dst"), more = cp_op("/home/one", "/home/one-copy");
        const struct bytes names[] = {text("top-1"), text("dir-0/file-1")}, excludes[] = {text("*.o")};
        struct operation show;
        uint64_t job, held;

        session_start(&server, fake_fd_open(NULL));
        session = server.sessions;
        if (!session)
                return;
        say_hello(&session->receive);
        rounds();
        op.args.cp.verify = visit.verify;
        op.args.cp.key = text("key");
        op.args.cp.excludes = excludes;
        op.args.cp.n_excludes = 1;
        job = say_cp(op);
        say_cp(op); /* the same key */
        say(job_op(FSOP_VERB_JOB_WATCH, job ? job : 99));
        for (unsigned i = 0; i < 12; i++)
                step();
        say(job_op(FSOP_VERB_JOB_PAUSE, job ? job : 99));
        say(job_op(FSOP_VERB_JOB_LIST, 0));
        go_on(job);
        say(job_op(FSOP_VERB_JOB_RESUME, job ? job : 99));
        go_on(job);
        show = job_op(FSOP_VERB_JOB_SHOW, job ? job : 99);
        show.args.job.want = JOB_WANT_FAILURES;
        wait_for(say(show));
        show.args.job.want = JOB_WANT_DIGESTS;
        wait_for(say(show));
        more.args.cp.hold = true;
        held = say_cp(more);
        more = cp_op("/home/src", "/home/some");
        more.args.cp.job = held;
        more.args.cp.hold = true;
        more.args.cp.names = names;
        more.args.cp.n_names = 1;
        if (held)
                say_cp(more);
        more.args.cp.names = names + 1;
        more.args.cp.hold = false;
        if (held)
                say_cp(more);
        go_on(held);
        say_cp(cp_op("/home/one", "/home/another"));
        say(job_op(FSOP_VERB_JOB_CANCEL, 3));
        go_on(3);
        wait_for(say(job_op(FSOP_VERB_JOB_FORGET, 3)));
        say(job_op(FSOP_VERB_JOB_WATCH, job ? job : 99));
}

static void visit_begins(unsigned kind) {
        visit.fresh = kind & 1;
        visit.verify = kind & 2;
        visit.n = 0;
        start_daemon(CALLER_UID);
        fake_engine_run_inline(server.engine, false);
        kit_batch = 0;
        make_source("/home/src");
        fake_make("/home/src/large", FSOP_TYPE_REGULAR, 30 * MIB);
        fake_make("/home/one", FSOP_TYPE_REGULAR, 10);
        if (!visit.fresh)
                fake_make("/home/dst/dir-0/file-0", FSOP_TYPE_REGULAR, 3);
        copies.names_max = 5;
}

/* Memory is back, calls succeed: everything ends well. */
static void jobs_end(unsigned n) {
        for (unsigned i = 0; i < 3000; i++) {
                bool all = true;

                for (struct job *job = server.jobs->first; job; job = job->next)
                        all = all && !job->run &&
                              (job_has_ended(job) || job->kept.state == FSOP_JOB_PAUSED || job->draft);
                if (!step()) {
                        if (all)
                                break;
                        pass(1000);
                }
        }
        for (struct job *job = server.jobs->first; job; job = job->next) {
                if (job->draft)
                        continue;
                ck_assert_msg(!job->run, "at %u: job %d does not end", n, (int)job->kept.id);
                if (job->kept.state == FSOP_JOB_PAUSED) {
                        job_resume(job, NULL);
                        go_on(job->kept.id);
                }
                if (job->kept.state == FSOP_JOB_FAILED) {
                        ck_assert_msg(job->kept.error.code != 0 || job->kept.counters.files_failed > 0,
                                      "at %u: job %d failed for no reason", n, (int)job->kept.id);
                        job_retry(job, NULL);
                        go_on(job->kept.id);
                }
                ck_assert_msg(job_has_ended(job) && job->kept.state != FSOP_JOB_FAILED,
                              "at %u: job %d is in state %d: %.*s", n, (int)job->kept.id, job->kept.state,
                              (int)job->kept.error.message.len, (const char *)job->kept.error.message.data);
        }
        if (server.jobs->first && server.jobs->first->kept.id == 1 && server.jobs->first->kept.state == FSOP_JOB_DONE) {
                if (!visit.fresh && !fake_at("/home/dst/dir-0/file-0")->finished)
                        ck_abort_msg("at %u: an old file stays", n);
                is_copy_of("/home/dst", "/home/src");
        }
        ck_assert_uint_eq(fake_count_names(".fsop-"), 0);
}

static void visit_ends(unsigned n, bool *ret_connected) {
        *ret_connected = is_connected();
        jobs_end(n);
        for (unsigned i = 0; i < 100 && step(); i++)
                ;
        for (unsigned i = 0; i < visit.n; i++) {
                ck_assert_msg(got.batches[visit.sent[i]] <= 1, "at %u: request %u was answered twice", n, i);
                if (is_connected())
                        ck_assert_msg(got.batches[visit.sent[i]] == 1, "at %u: request %u was not answered", n, i);
        }
        stop();
        kit_empty_directory();
}

START_TEST(nothing_fails) {
        bool connected;

        visit_begins((unsigned)_i);
        whole_visit();
        ck_assert(is_connected());
        is_in_state(1, FSOP_JOB_DONE);
        is_in_state(2, FSOP_JOB_DONE);
        ck_assert_ptr_null(job_of(3));
        visit_ends(0, &connected);
        ck_assert(connected);
}
END_TEST

START_TEST(memory_runs_out) {
        bool enough = false, connected;

        alloc_spared = &in_client;
        for (unsigned n = 1; !enough; n++) {
                visit_begins((unsigned)_i);
                alloc_fail(n);
                whole_visit();
                enough = alloc_calls < n;
                alloc_fail(0);
                visit_ends(n, &connected);
        }
}
END_TEST

static const struct copy_error call_errors[] = {
        {.code = -FSOP_ENOMEM}, {.code = -FSOP_EIO},
        {.code = -FSOP_ENOSPC}, {.code = -FSOP_EPERM, .why = "a rule says no", .denied = true},
        {.code = -FSOP_EACCES},
};
#define CALL_ERRORS (sizeof(call_errors) / sizeof(call_errors[0]))

START_TEST(a_call_fails) {
        bool enough = false, connected;

        for (unsigned n = 1; !enough; n++) {
                visit_begins((unsigned)_i % 4);
                copies.fail_at = n;
                copies.error = call_errors[(unsigned)_i / 4];
                whole_visit();
                enough = copies.calls < n;
                copies.fail_at = 0;
                visit_ends(n, &connected);
                ck_assert(connected);
        }
}
END_TEST

/* All calls of one kind fail for a while. */
START_TEST(calls_of_a_kind_fail) {
        bool connected;

        for (unsigned error = 0; error < CALL_ERRORS; error++)
                for (unsigned nth = 1; nth < 4; nth++) {
                        visit_begins(3 & nth);
                        copies.only = _i;
                        copies.fail_at = nth;
                        copies.lasting = true;
                        copies.error = call_errors[error];
                        whole_visit();
                        copies.fail_at = 0;
                        visit_ends(nth, &connected);
                        ck_assert(connected);
                }
}
END_TEST

/* The engine cannot run what it is given. */
START_TEST(an_io_of_the_engine_fails) {
        bool connected;

        for (unsigned n = 1; n < 150; n++) {
                visit_begins((unsigned)_i);
                fake_engine_fail_nth(server.engine, IO_CALL, n, -FSOP_EAGAIN, 0);
                whole_visit();
                visit_ends(n, &connected);
                ck_assert(connected);
        }
}
END_TEST

int main(void) {
        Suite *suite = suite_create("jobs_failures");
        TCase *tcase = tcase_create("jobs_failures");

        tcase_set_timeout(tcase, 300);
        tcase_add_checked_fixture(tcase, kit_setup, kit_teardown);
        tcase_add_loop_test(tcase, nothing_fails, 0, 4);
        tcase_add_loop_test(tcase, memory_runs_out, 0, 4);
        tcase_add_loop_test(tcase, a_call_fails, 0, 4 * (int)CALL_ERRORS);
        tcase_add_loop_test(tcase, calls_of_a_kind_fail, 0, FAKE_COPY_CALLS);
        tcase_add_loop_test(tcase, an_io_of_the_engine_fails, 0, 4);
        suite_add_tcase(suite, tcase);
        return suite_run(suite);
}
