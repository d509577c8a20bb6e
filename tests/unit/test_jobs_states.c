/* SPDX-License-Identifier: MIT */
/* test_jobs_states.c: every verb in every state of a job, and at any moment of its life. */
#include "tests/support/jobs_kit.h"
#include "tests/support/suite.h"

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

int main(void) {
        Suite *suite = suite_create("jobs_states");
        TCase *tcase = tcase_create("jobs");

        tcase_set_timeout(tcase, 120);
        tcase_add_checked_fixture(tcase, kit_setup, kit_teardown);
        tcase_add_loop_test(tcase, every_verb_in_every_state, 0, 2 * (int)(sizeof(states) / sizeof(states[0])));
        tcase_add_loop_test(tcase, paused_at_any_moment, 0, 4);
        tcase_add_loop_test(tcase, paused_and_resumed_at_any_moment, 0, 4);
        tcase_add_loop_test(tcase, cancelled_at_any_moment, 0, 4);
        tcase_add_loop_test(tcase, paused_and_cancelled_at_any_moment, 0, 4);
        tcase_add_loop_test(tcase, resumed_and_cancelled_at_any_moment, 0, 2);
        suite_add_tcase(suite, tcase);
        return suite_run(suite);
}
