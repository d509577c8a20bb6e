/* SPDX-License-Identifier: MIT */
/* test_cli_watch.c: what cp sends, and what becomes of a job that is watched, against a daemon made of answers. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/cli/cli.h"
#include "client/cli/watch.h"
#include "tests/support/fake_server.h"
#include "tests/support/suite.h"

#define COUNT(table) (sizeof(table) / sizeof(*(table)))

static struct fake_server fake;
static struct cli cli;

static void set_up(void) {
        const struct runner_options in_order = {0};
        fake_start(&fake, NULL);
        cli = (struct cli){.client = fake.client, .umask = 022};
        runner_start(&cli, &in_order);
}

static void tear_down(void) {
        runner_free(&cli);
        fake_fini(&fake);
}

/* ---- answers ----------------------------------------------------------------------------------------------------- */

static struct job_info info(enum fsop_job_state state, uint64_t done, uint64_t failed) {
        return (struct job_info){.id = 17,
                                 .state = state,
                                 .user = wire_text("nobody"),
                                 .source = wire_text("/a"),
                                 .target = wire_text("/b"),
                                 .n_places = 1,
                                 .files_done = done,
                                 .files_failed = failed};
}

static struct job_event state_event(uint64_t number, enum fsop_job_state state, uint64_t done, uint64_t failed) {
        return (struct job_event){.number = number, .kind = FSOP_JOB_EVENT_STATE, .job = info(state, done, failed)};
}

static struct job_event failure_event(uint64_t number, enum fsop_error_class class_) {
        return (struct job_event){
                .number = number,
                .kind = FSOP_JOB_EVENT_FAILURE,
                .failure = {
                        .path = wire_text("/a/x"),
                        .error = {.code = FSOP_EACCES, .class_ = class_, .message = wire_text("it may not be read")}}};
}

static struct result watch_answer(const struct job_event *events, uint32_t n, bool end) {
        return (struct result){.verb = FSOP_VERB_JOB_WATCH,
                               .outcome = FSOP_OUTCOME_DONE,
                               .value.job = {.events = events, .n_events = n, .end = end}};
}

static struct result job_answer_of(enum fsop_verb verb, const struct job_info *job) {
        return (struct result){
                .verb = verb, .outcome = FSOP_OUTCOME_DONE, .value.job = {.jobs = job, .n_jobs = 1, .end = true}};
}

/* Watches job 17 while these are answered, and returns the exit status. */
static int watch(bool submitted, const struct result *answers, unsigned n) {
        const struct command command = {.name = "cp"};
        const struct watching watching = {.command = &command, .job = 17, .cancels = submitted};
        cli.n_done = submitted ? 1 : 0;
        fake_serve(&fake, answers, n);
        watch_job(&cli, &watching);
        fake_served(&fake);
        for (unsigned i = 0; i < n; i++)
                ck_assert_uint_eq(fake.served[i].args.job.id, 17);
        return cli_exit_status(&cli);
}

/* ---- watching ---------------------------------------------------------------------------------------------------- */

START_TEST(a_job_is_followed_to_its_end) {
        const struct job_event first[] = {state_event(5, FSOP_JOB_QUEUED, 0, 0),
                                          state_event(7, FSOP_JOB_RUNNING, 0, 0)};
        const struct job_event progress = {
                .number = 9, .kind = FSOP_JOB_EVENT_PROGRESS, .job = info(FSOP_JOB_RUNNING, 1, 0)};
        const struct job_event last = state_event(12, FSOP_JOB_DONE, 2, 0);
        const struct result answers[] = {watch_answer(first, 2, false), watch_answer(&progress, 1, false),
                                         watch_answer(&last, 1, true)};
        ck_assert_int_eq(watch(true, answers, COUNT(answers)), EXIT_DONE);
        static const uint64_t after[] = {0, 7, 9};
        for (unsigned i = 0; i < COUNT(answers); i++) {
                ck_assert_int_eq(fake.served[i].verb, FSOP_VERB_JOB_WATCH);
                ck_assert_uint_eq(fake.served[i].args.job.after, after[i]);
        }
        ck_assert_uint_eq(cli.n_done, 1);
}
END_TEST

START_TEST(failures_make_the_exit_status) {
        static const struct {
                uint64_t done, failed;
                enum fsop_error_class class_;
                int status;
        } rows[] = {{2, 1, FSOP_CLASS_OS, EXIT_SOME_FAILED},
                    {2, 1, FSOP_CLASS_DENIED, EXIT_SOME_FAILED},
                    {0, 1, FSOP_CLASS_OS, EXIT_FAILED},
                    {0, 1, FSOP_CLASS_DENIED, EXIT_DENIED},
                    {0, 2, FSOP_CLASS_DENIED, EXIT_FAILED}}; /* of the other one nobody knows why */
        const size_t i = (size_t)_i;
        const struct job_event events[] = {failure_event(5, rows[i].class_),
                                           state_event(6, FSOP_JOB_FAILED, rows[i].done, rows[i].failed)};
        const struct result answer = watch_answer(events, 2, true);
        ck_assert_int_eq(watch(true, &answer, 1), rows[i].status);
}
END_TEST

START_TEST(the_error_of_a_job_counts_most) {
        struct job_event event = state_event(5, FSOP_JOB_FAILED, 3, 0);
        event.job.error = (struct error){.code = FSOP_EPERM, .class_ = FSOP_CLASS_DENIED, .rule = wire_text("r")};
        const struct result answer = watch_answer(&event, 1, true);
        ck_assert_int_eq(watch(true, &answer, 1), EXIT_DENIED);
}
END_TEST

START_TEST(cancelled_is_failed) {
        const struct job_event event = state_event(5, FSOP_JOB_CANCELLED, 3, 0);
        const struct result answer = watch_answer(&event, 1, true);
        ck_assert_int_eq(watch(false, &answer, 1), EXIT_FAILED);
}
END_TEST

START_TEST(what_ended_before_is_asked_for) {
        const struct job_info job = info(FSOP_JOB_FAILED, 3, 1);
        const struct result answers[] = {watch_answer(NULL, 0, true), job_answer_of(FSOP_VERB_JOB_SHOW, &job)};
        ck_assert_int_eq(watch(false, answers, 2), EXIT_SOME_FAILED);
        ck_assert_int_eq(fake.served[1].verb, FSOP_VERB_JOB_SHOW);
}
END_TEST

START_TEST(a_job_that_is_not_there) {
        const struct result answer = failed_result(0, FSOP_VERB_JOB_WATCH, FSOP_ENOENT, FSOP_OUTCOME_DONE);
        ck_assert_int_eq(watch(false, &answer, 1), EXIT_FAILED);
}
END_TEST

/* ---- submitting -------------------------------------------------------------------------------------------------- */

static void run(const char *const *words, int n, const struct result *answers, unsigned n_answers) {
        fake_serve(&fake, answers, n_answers);
        ck_assert_int_eq(cli_plan_words(&cli, words, n, 0), 0);
        cli_flush(&cli);
        fake_served(&fake);
}

static bool is_text(struct bytes bytes, const char *text) {
        return bytes.len == strlen(text) && memcmp(bytes.data, text, bytes.len) == 0;
}

static struct result directory_result(void) {
        struct result result = stat_result(0);
        result.value.stat.mask = FSOP_STAT_TYPE | FSOP_STAT_MODE;
        result.value.stat.mode = 0040755;
        return result;
}

START_TEST(several_sources_are_held_until_the_last) {
        static const char *const words[] = {
                "cp", "-a", "--detach", "--idempotency-key=k", "--exclude=*.o", "/a", "/x/link/.", "/c/", "/d"};
        const struct job_info draft = {.id = 17}, queued = info(FSOP_JOB_QUEUED, 0, 0);
        const struct result answers[] = {directory_result(), job_answer_of(FSOP_VERB_CP, &draft),
                                         job_answer_of(FSOP_VERB_CP, &draft), job_answer_of(FSOP_VERB_CP, &queued)};
        static const char *const targets[] = {"/d/a", "/d", "/d/c"};
        run(words, (int)COUNT(words), answers, COUNT(answers));
        for (unsigned i = 0; i < 3; i++) {
                const struct operation *op = &fake.served[1 + i];
                ck_assert_int_eq(op->verb, FSOP_VERB_CP);
                ck_assert_uint_eq(op->args.cp.job, i == 0 ? 0 : 17);
                ck_assert(op->args.cp.hold == (i < 2));
                ck_assert_uint_eq(op->args.cp.key.len, i == 0 ? 1 : 0);
                ck_assert_uint_eq(op->args.cp.n_excludes, i == 0 ? 1 : 0);
                ck_assert(op->args.cp.recursive && op->args.cp.preserve == FSOP_PRESERVE_ALL);
                if (i == 0)
                        ck_assert(!op->at.follow);
                ck_assert_uint_eq(op->args.cp.umask, 022);
                ck_assert(is_text(op->to.path, targets[i]));
        }
        ck_assert_int_eq(cli_exit_status(&cli), EXIT_DONE);
}
END_TEST

START_TEST(a_known_key_ends_the_submission) {
        static const char *const words[] = {"cp", "--detach", "--idempotency-key=k", "/a", "/b", "/d"};
        const struct job_info running = info(FSOP_JOB_RUNNING, 0, 0);
        const struct result answers[] = {directory_result(), job_answer_of(FSOP_VERB_CP, &running)};
        run(words, (int)COUNT(words), answers, COUNT(answers));
        ck_assert(fake_is_silent(&fake));
        ck_assert_int_eq(cli_exit_status(&cli), EXIT_DONE);
}
END_TEST

START_TEST(a_refusal_on_the_way_ends_the_submission) {
        static const char *const words[] = {"cp", "--detach", "/a", "/b", "/c", "/d"};
        const struct job_info draft = {.id = 17};
        const struct result answers[] = {directory_result(), job_answer_of(FSOP_VERB_CP, &draft),
                                         failed_result(0, FSOP_VERB_CP, FSOP_ENOENT, FSOP_OUTCOME_DONE)};
        run(words, (int)COUNT(words), answers, COUNT(answers));
        ck_assert(fake_is_silent(&fake)); /* nothing that would let it begin */
        ck_assert_int_eq(cli_exit_status(&cli), EXIT_FAILED);
}
END_TEST

START_TEST(many_names_are_sent_in_turn) {
        char path[] = "/tmp/fsop-names.XXXXXX";
        int fd = mkstemp(path);
        ck_assert_int_ge(fd, 0);
        for (int i = 0; i < 600; i++)
                dprintf(fd, "./d//%d\n", i);
        close(fd);
        const char *const words[] = {"cp", "--detach", "--files-from", path, "/a", "/b"};
        const struct job_info draft = {.id = 17}, queued = info(FSOP_JOB_QUEUED, 0, 0);
        const struct result answers[] = {job_answer_of(FSOP_VERB_CP, &draft), job_answer_of(FSOP_VERB_CP, &queued)};
        run(words, (int)COUNT(words), answers, COUNT(answers));
        unlink(path);
        ck_assert_uint_eq(fake.served[0].args.cp.n_names, 512);
        ck_assert(fake.served[0].args.cp.hold);
        ck_assert_uint_eq(fake.served[1].args.cp.n_names, 88);
        ck_assert_uint_eq(fake.served[1].args.cp.job, 17);
        ck_assert(!fake.served[1].args.cp.hold);
        ck_assert(is_text(fake.served[1].args.cp.names[87], "d/599"));
        ck_assert(is_text(fake.served[1].to.path, "/b")); /* whether /b is a directory does not matter */
}
END_TEST

START_TEST(options_become_arguments) {
        static const char *const words[] = {"cp", "-xpu",     "--clone=never", "--sync=file", "--verify",
                                            "-T", "--detach", "--bwlimit=3M",  "--priority",  "-7",
                                            "/a", "/b"};
        const struct job_info queued = info(FSOP_JOB_QUEUED, 0, 0);
        const struct result answer = job_answer_of(FSOP_VERB_CP, &queued);
        run(words, (int)COUNT(words), &answer, 1);
        const struct cp_args *args = &fake.served[0].args.cp;
        ck_assert(args->one_filesystem && args->verify && !args->recursive && !args->hold);
        ck_assert(fake.served[0].at.follow);
        ck_assert_uint_eq(args->preserve, FSOP_PRESERVE_MODE | FSOP_PRESERVE_OWNER | FSOP_PRESERVE_TIMES);
        ck_assert_int_eq(args->update, FSOP_UPDATE_OLDER);
        ck_assert_int_eq(args->clone, FSOP_CLONE_NEVER);
        ck_assert_int_eq(args->sync, FSOP_SYNC_FILE);
        ck_assert_uint_eq(args->bytes_per_s, 3 << 20);
        ck_assert_int_eq(args->priority, -7);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("cli_watch");
        TCase *watching = tcase_create("watching"), *submitting = tcase_create("submitting");
        setenv("TERM", "dumb", 1);
        tcase_add_checked_fixture(watching, set_up, tear_down);
        tcase_add_checked_fixture(submitting, set_up, tear_down);
        tcase_add_test(watching, a_job_is_followed_to_its_end);
        tcase_add_loop_test(watching, failures_make_the_exit_status, 0, 5);
        tcase_add_test(watching, the_error_of_a_job_counts_most);
        tcase_add_test(watching, cancelled_is_failed);
        tcase_add_test(watching, what_ended_before_is_asked_for);
        tcase_add_test(watching, a_job_that_is_not_there);
        tcase_add_test(submitting, several_sources_are_held_until_the_last);
        tcase_add_test(submitting, a_known_key_ends_the_submission);
        tcase_add_test(submitting, a_refusal_on_the_way_ends_the_submission);
        tcase_add_test(submitting, many_names_are_sent_in_turn);
        tcase_add_test(submitting, options_become_arguments);
        suite_add_tcase(suite, watching);
        suite_add_tcase(suite, submitting);
        return suite_run(suite);
}
