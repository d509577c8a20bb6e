/* SPDX-License-Identifier: MIT */
/*
 * test_jobs_targets.c: who writes to a target: the table of all of them, as jobs come, end, are tried again and go.
 */
#include <stdio.h>
#include <stdlib.h>

#include "tests/support/jobs_kit.h"
#include "tests/support/suite.h"

#define MANY_JOBS 4u
#define MANY_PLACES 65536u

static void is_blocked_by(const struct result *result, uint64_t id) {
        char wanted[64], said[512];

        refused(result, FSOP_EBUSY, FSOP_CLASS_BUSY);
        snprintf(wanted, sizeof(wanted), "job %llu writes to this target", (unsigned long long)id);
        snprintf(said, sizeof(said), "%.*s", (int)result->error.message.len, (const char *)result->error.message.data);
        ck_assert_str_eq(said, wanted);
}

static void make_some(void) {
        fake_make("/home/a/one", FSOP_TYPE_REGULAR, 10);
        fake_make("/home/a/bad", FSOP_TYPE_REGULAR, 10);
        fake_make("/home/b/two", FSOP_TYPE_REGULAR, 10);
}

/* A job of two places, the first of which comes to its end; the other fails. */
static uint64_t failed_job(void) {
        struct operation op = cp_op("/home/b", "/home/whole");
        uint64_t id;

        fake_at("/home/a/bad")->read_code = -FSOP_EACCES;
        op.args.cp.hold = true;
        id = submit(op);
        op = cp_op("/home/a", "/home/same");
        op.args.cp.job = id;
        ck_assert_uint_eq(submit(op), id);
        run_to_end(id);
        is_in_state(id, FSOP_JOB_FAILED);
        fake_at("/home/a/bad")->read_code = 0;
        return id;
}

/* A job that came when this one had failed is in its way, until it has ended. */
START_TEST(a_retry_waits_for_the_target) {
        static const char *const targets[] = {"/home/same", "/home/whole", "/home/same/"};
        uint64_t failed, other;

        jobs_begin(CALLER_UID);
        make_some();
        failed = failed_job();
        other = submit(cp_op("/home/b", targets[_i]));
        info_of(ask(job_op(FSOP_VERB_JOB_PAUSE, other)));
        settle();
        is_blocked_by(ask(job_op(FSOP_VERB_JOB_RETRY, failed)), other);
        is_in_state(failed, FSOP_JOB_FAILED);
        ck_assert_uint_eq(job_of(failed)->kept.counters.files_failed, 1);
        jobs_restart(CALLER_UID);
        is_in_state(other, FSOP_JOB_PAUSED);
        is_blocked_by(ask(job_op(FSOP_VERB_JOB_RETRY, failed)), other);
        info_of(ask(job_op(FSOP_VERB_JOB_RESUME, other)));
        run_to_end(other);
        info_of(ask(job_op(FSOP_VERB_JOB_RETRY, failed)));
        is_blocked_by(ask(cp_op("/home/b", "/home/same")), failed); /* it is in the way itself again */
        run_to_end(failed);
        is_in_state(failed, FSOP_JOB_DONE);
        stop();
}
END_TEST

/* Two that have failed are in nobody's way; the one that is tried again first is. */
START_TEST(two_retries_of_one_target) {
        uint64_t first, second;

        jobs_begin(CALLER_UID);
        make_some();
        first = failed_job();
        second = failed_job();
        info_of(ask(job_op(FSOP_VERB_JOB_RETRY, second)));
        is_blocked_by(ask(job_op(FSOP_VERB_JOB_RETRY, first)), second);
        run_to_end(second);
        is_in_state(second, FSOP_JOB_DONE);
        ck_assert_int_eq(ask(job_op(FSOP_VERB_JOB_FORGET, second))->error.code, 0);
        settle();
        info_of(ask(job_op(FSOP_VERB_JOB_RETRY, first)));
        run_to_end(first);
        is_in_state(first, FSOP_JOB_DONE);
        stop();
}
END_TEST

/* Whatever becomes of jobs, the table has the targets of those that are there. */
START_TEST(targets_come_and_go_with_their_jobs) {
        uint64_t id;

        jobs_begin(CALLER_UID);
        make_some();
        ck_assert_uint_eq(server.jobs->n_targets, 0);
        failed_job();
        id = failed_job();
        ck_assert_uint_eq(server.jobs->n_targets, 4);
        refused(ask(cp_op("/home/none", "/home/new")), FSOP_ENOENT, FSOP_CLASS_OS);
        ck_assert_uint_eq(server.jobs->n_targets, 4);
        jobs_restart(CALLER_UID);
        ck_assert_uint_eq(server.jobs->n_targets, 4);
        ck_assert_int_eq(ask(job_op(FSOP_VERB_JOB_FORGET, id))->error.code, 0);
        settle();
        ck_assert_uint_eq(server.jobs->n_targets, 2);
        stop();
}
END_TEST

static struct object_id parent_of(uint32_t job, uint32_t place) {
        return (struct object_id){job, place / 7};
}

static struct bytes target_of(uint32_t place, char path[32]) {
        snprintf(path, 32, "/directory/target-%u", place);
        return text(path);
}

/* As many as there can be; were they looked at one after the other, this would take minutes. */
START_TEST(asking_does_not_cost_more_with_many) {
        struct job *jobs[MANY_JOBS];
        char path[32];

        jobs_begin(CALLER_UID);
        in_client++; /* the test's own */
        for (uint32_t n = 0; n < MANY_JOBS; n++) {
                struct job *job = jobs[n] = job_new(server.jobs);

                ck_assert_ptr_nonnull(job);
                jobs_insert(server.jobs, job);
                job->kept.uid = 7;
                job->kept.state = FSOP_JOB_QUEUED;
                job->kept.places = calloc(MANY_PLACES, sizeof(struct store_place));
                for (uint32_t i = 0; i < MANY_PLACES; i++) {
                        struct store_place *place = &job->kept.places[i];

                        place->parent_id = parent_of(n, i);
                        if (jobs_writing_to(server.jobs, 7, place->parent_id, target_of(i, path)))
                                ck_abort_msg("nobody writes to %s yet", path);
                        job->kept.n_places++;
                        if (!kept_text(target_of(i, path), &place->target) || job_add_target(job, i) < 0)
                                ck_abort_msg("no memory");
                }
        }
        for (uint32_t n = 0; n < MANY_JOBS; n++)
                for (uint32_t i = 0; i < MANY_PLACES; i++) {
                        struct bytes target = target_of(i, path);

                        jobs[n]->kept.places[i].finished = i % 5 == 0;
                        if (jobs_writing_to(server.jobs, 7, parent_of(n, i), target) != (i % 5 == 0 ? NULL : jobs[n]) ||
                            jobs_writing_to(server.jobs, 8, parent_of(n, i), target) ||
                            jobs_writing_to(server.jobs, 7, parent_of(n, i + 7), target))
                                ck_abort_msg("it is wrong who writes to %s", path);
                }
        jobs[0]->kept.state = FSOP_JOB_DONE;
        ck_assert_ptr_null(jobs_writing_to(server.jobs, 7, parent_of(0, 1), target_of(1, path)));
        for (uint32_t n = 0; n < MANY_JOBS; n++)
                job_free(jobs[n]);
        ck_assert_uint_eq(server.jobs->n_targets, 0);
        ck_assert_ptr_null(jobs_writing_to(server.jobs, 7, parent_of(1, 1), target_of(1, path)));
        in_client--;
        stop();
}
END_TEST

int main(void) {
        Suite *suite = suite_create("jobs_targets");
        TCase *tcase = tcase_create("targets");

        tcase_set_timeout(tcase, 120);
        tcase_add_checked_fixture(tcase, kit_setup, kit_teardown);
        tcase_add_loop_test(tcase, a_retry_waits_for_the_target, 0, 3);
        tcase_add_test(tcase, two_retries_of_one_target);
        tcase_add_test(tcase, targets_come_and_go_with_their_jobs);
        tcase_add_test(tcase, asking_does_not_cost_more_with_many);
        suite_add_tcase(suite, tcase);
        return suite_run(suite);
}
