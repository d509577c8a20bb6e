/* SPDX-License-Identifier: MIT */
/* test_client_jobs.c: what libfsop makes of requests about copy jobs, what it refuses itself, and how answers about
 * them come out. */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/client_kit.h"
#include "tests/support/descriptors.h"
#include "tests/support/suite.h"

static int add_cp(const char *source, const char *target) {
        struct fsop_at at = fsop_at_path(source, false), to = fsop_at_path(target, true);
        return fsop_batch_cp(batch, &at, &to, NULL);
}

START_TEST(jobs_are_given_paths) {
        struct fsop_handle handle = {.connection = 12345, .id = 1};
        struct fsop_at path = fsop_at_path("/x", false), fd = fsop_at_fd(0, "x", false);
        struct fsop_at stale = fsop_at_handle(handle, "x", false);
        umask(027);
        ck_assert_int_eq(fsop_batch_cp(batch, &fd, &path, NULL), -FSOP_EINVAL);
        ck_assert_int_eq(fsop_batch_cp(batch, &path, &fd, NULL), -FSOP_EINVAL);
        ck_assert_int_eq(fsop_batch_cp(batch, &path, NULL, NULL), -FSOP_EINVAL);
        ck_assert_int_eq(fsop_batch_cp(batch, NULL, &path, NULL), -FSOP_EINVAL);
        ck_assert_int_eq(fsop_batch_cp(batch, &path, &stale, NULL), -FSOP_ESTALE);
        ck_assert_int_eq(add_cp("/", "/"), -FSOP_EBUSY);
        ck_assert_int_eq(add_cp("a", "a/.."), -FSOP_EINVAL);
        ck_assert_int_eq(add_cp("a", "."), -FSOP_EINVAL);
        ck_assert_int_eq(add_cp("", "b"), -FSOP_ENOENT);
        ck_assert_int_eq(add_cp("a/.", "new/"), 0);
        ck_assert_int_eq(add_cp("link/", "link"), 1);
        ck_assert_int_eq(add_cp("link", "link/../n"), 2);
        ck_assert_int_eq(umask(022), 027);
        struct batch got = sent();
        ck_assert_uint_eq(fake.n_fds, 0);
        expect_path(got.ops[0].at.path, "%s/a", directory);
        expect_path(got.ops[0].to.path, "%s/new", directory);
        expect_path(got.ops[1].at.path, "%s/a/b", directory);
        expect_path(got.ops[1].to.path, "%s/link", directory); /* the name itself, not where it leads */
        expect_path(got.ops[2].at.path, "%s/link", directory);
        expect_path(got.ops[2].to.path, "%s/a/n", directory);
        ck_assert(!got.ops[0].to.follow && !got.ops[0].args.cp.recursive);
        ck_assert_uint_eq(got.ops[0].args.cp.umask, 027);
}
END_TEST

START_TEST(jobs_need_a_current_directory) {
        ck_assert_int_eq(mkdir("gone", 0700), 0);
        ck_assert_int_eq(chdir("gone"), 0);
        ck_assert_int_eq(rmdir("../gone"), 0);
        unsigned before = open_descriptors();
        ck_assert_int_eq(add_cp("x", "/y"), -FSOP_EINVAL);
        ck_assert_int_eq(add_cp("/x", "y"), -FSOP_EINVAL);
        ck_assert_uint_eq(open_descriptors(), before);
        ck_assert_int_eq(add_cp("/x", "/y"), 0);
}
END_TEST

START_TEST(names_below_a_source_are_cleaned) {
        static const char *const good[][2] = {
                {"a", "a"},     {"./a", "a"},   {"a/", "a"},          {"a//b/./c/.", "a/b/c"},
                {"...", "..."}, {"..a", "..a"}, {"\xff\n", "\xff\n"},
        };
        static const char *const bad[] = {"", "/", "/a", ".", "./", "./.", "..", "../a", "a/..", "a/../b"};
        const uint32_t n = sizeof(good) / sizeof(good[0]);
        struct fsop_at at = fsop_at_path("/x", false), to = fsop_at_path("/y", false);
        struct fsop_bytes names[sizeof(good) / sizeof(good[0])], nul = {"a\0b", 3}, name;
        struct fsop_cp_args args = {.size = sizeof(args), .names = &name, .n_names = 1};
        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
                name = fsop_bytes_of(bad[i]);
                ck_assert_msg(fsop_batch_cp(batch, &at, &to, &args) == -FSOP_EINVAL, "%s", bad[i]);
        }
        name = nul;
        ck_assert_int_eq(fsop_batch_cp(batch, &at, &to, &args), -FSOP_EINVAL);
        for (uint32_t i = 0; i < n; i++)
                names[i] = fsop_bytes_of(good[i][0]);
        args.names = names;
        args.n_names = n;
        ck_assert_int_eq(fsop_batch_cp(batch, &at, &to, &args), 0);
        struct batch got = sent();
        ck_assert_uint_eq(got.ops[0].args.cp.n_names, n);
        for (uint32_t i = 0; i < n; i++)
                expect_path(got.ops[0].args.cp.names[i], "%s", good[i][1]);
}
END_TEST

#define CP_REFUSED(...)                                                                                                \
        do {                                                                                                           \
                struct fsop_cp_args args = {.size = sizeof(args), __VA_ARGS__};                                        \
                ck_assert_int_eq(fsop_batch_cp(batch, &at, &to, &args), -FSOP_EINVAL);                                 \
        } while (0)
#define JOB_REFUSED(verb, ...)                                                                                         \
        do {                                                                                                           \
                struct fsop_job_args args = {.size = sizeof(args), __VA_ARGS__};                                       \
                ck_assert_int_eq(fsop_batch_job(batch, verb, &args), -FSOP_EINVAL);                                    \
        } while (0)

START_TEST(jobs_that_can_never_be_right_stay_here) {
        static const uint8_t data[WIRE_PATH_BYTES_MAX + 1];
        static struct fsop_bytes many[WIRE_JOB_NAMES_MAX + 1];
        struct fsop_at at = fsop_at_path("/x", false), to = fsop_at_path("/y", false);
        struct fsop_bytes nul = {"a\0b", 3}, empty = {NULL, 0}, too_long = {data, sizeof(data)};
        for (size_t i = 0; i <= WIRE_JOB_NAMES_MAX; i++)
                many[i] = fsop_bytes_of("n");
        CP_REFUSED(.key = {data, 129});
        CP_REFUSED(.preserve = 32);
        CP_REFUSED(.has_umask = true, .umask = 01000);
        CP_REFUSED(.clone = (enum fsop_clone)3);
        CP_REFUSED(.sync = (enum fsop_sync)3);
        CP_REFUSED(.update = (enum fsop_update)4);
        CP_REFUSED(.bytes_per_s = 1ull << 63);
        CP_REFUSED(.priority = 101);
        CP_REFUSED(.priority = -101);
        CP_REFUSED(.excludes = &nul, .n_excludes = 1);
        CP_REFUSED(.excludes = &empty, .n_excludes = 1);
        CP_REFUSED(.excludes = &too_long, .n_excludes = 1);
        CP_REFUSED(.excludes = many, .n_excludes = 257);
        CP_REFUSED(.names = many, .n_names = 1025);
        JOB_REFUSED(FSOP_VERB_JOB_LIST, .id = 1);
        JOB_REFUSED(FSOP_VERB_JOB_LIST, .want = FSOP_JOB_WANT_DIGESTS);
        JOB_REFUSED(FSOP_VERB_JOB_SHOW, .want = FSOP_JOB_WANT_DIGESTS);
        JOB_REFUSED(FSOP_VERB_JOB_SHOW, .id = 1, .want = (enum fsop_job_want)3);
        JOB_REFUSED(FSOP_VERB_JOB_SHOW, .id = 1, .all_users = true);
        JOB_REFUSED(FSOP_VERB_JOB_PAUSE, .id = 1, .after = 1);
        JOB_REFUSED(FSOP_VERB_PING, .id = 1);
        JOB_REFUSED((enum fsop_verb)FSOP_VERB_LIMIT, .id = 1);
        ck_assert_int_eq(fsop_batch_job(batch, FSOP_VERB_JOB_SHOW, NULL), -FSOP_EINVAL);
        ck_assert_int_eq(fsop_batch_job(batch, FSOP_VERB_JOB_LIST, NULL), 0);
        ck_assert_uint_eq(sent().n_ops, 1);
}
END_TEST

START_TEST(jobs_are_not_for_foreign_daemons) {
        struct fsop_at at = fsop_at_path("a", false), to = fsop_at_path("n", false);
        unsigned before = open_descriptors();
        ck_assert_int_eq(fsop_batch_cp(batch, &at, &to, NULL), -FSOP_EPERM);
        ck_assert_int_eq(fsop_last_error(fake.client)->class_, FSOP_CLASS_DENIED);
        ck_assert_ptr_nonnull(strstr((const char *)fsop_last_error(fake.client)->message.data, "other paths"));
        ck_assert_uint_eq(open_descriptors(), before);
        /* What policy would say can be asked all the same. */
        struct fsop_explain_args explain = {.size = sizeof(explain), .verb = FSOP_VERB_CP, .at = &at, .to = &to};
        ck_assert_int_eq(fsop_batch_explain(batch, &explain), 0);
        ck_assert_int_eq(fsop_batch_job(batch, FSOP_VERB_JOB_LIST, NULL), 1);
        struct batch got = sent();
        ck_assert_int_eq(got.ops[0].args.explain.op->verb, FSOP_VERB_CP);
        expect_path(got.ops[0].args.explain.op->to.path, "%s/n", directory);
}
END_TEST

START_TEST(answers_about_jobs) {
        struct job_info jobs[] = {{.id = 7,
                                   .state = FSOP_JOB_WAITING,
                                   .uid = 1000,
                                   .user = wire_text("alice"),
                                   .priority = -3,
                                   .created = {100, 5},
                                   .source = wire_text("/from"),
                                   .target = wire_text("/to"),
                                   .n_places = 2,
                                   .has_seconds_left = true,
                                   .seconds_left = 60,
                                   .bytes_copied = 10,
                                   .error = {.code = FSOP_ENOSPC, .class_ = FSOP_CLASS_OS, .os_error = 28},
                                   .event = 40},
                                  {.id = 8, .state = FSOP_JOB_QUEUED}};
        struct job_failure failures[] = {
                {.path = wire_text("/from/x"),
                 .error = {.code = FSOP_EACCES, .class_ = FSOP_CLASS_DENIED, .message = wire_text("no")}}};
        struct job_digest digests[] = {{.path = wire_text("/to/y"), .digest = {1, 2, 3}}};
        struct job_event events[] = {{.number = 41, .time = {7, 8}, .kind = FSOP_JOB_EVENT_STATE, .job = jobs[0]},
                                     {.number = 42, .kind = FSOP_JOB_EVENT_FAILURE, .failure = failures[0]}};
        struct job_answer one = {.jobs = jobs, .n_jobs = 1}, none = {.end = true};
        struct result results[] = {
                {.verb = FSOP_VERB_CP, .outcome = FSOP_OUTCOME_DONE, .value.job = one},
                {.verb = FSOP_VERB_JOB_LIST, .value.job = {.jobs = jobs, .n_jobs = 2, .cookie = 9}},
                {.verb = FSOP_VERB_JOB_SHOW,
                 .value.job = {.jobs = jobs,
                               .n_jobs = 1,
                               .failures = failures,
                               .n_failures = 1,
                               .digests = digests,
                               .n_digests = 1,
                               .end = true}},
                {.verb = FSOP_VERB_JOB_WATCH, .value.job = {.events = events, .n_events = 2}},
                {.verb = FSOP_VERB_JOB_WATCH, .value.job = none},
                {.verb = FSOP_VERB_JOB_PAUSE, .value.job = one},
                {.verb = FSOP_VERB_JOB_RESUME, .value.job = one},
                {.verb = FSOP_VERB_JOB_CANCEL, .value.job = one},
                {.verb = FSOP_VERB_JOB_RETRY, .value.job = none}, /* without the job that it must answer */
                {.verb = FSOP_VERB_JOB_FORGET, .value.job = none},
                failed_result(0, FSOP_VERB_JOB_FORGET, FSOP_ENOENT, FSOP_OUTCOME_DONE),
                failed_result(0, FSOP_VERB_CP, FSOP_EBUSY, FSOP_OUTCOME_DONE),
        };
        struct fsop_at at = fsop_at_path("/from", false), to = fsop_at_path("/to", false);
        struct fsop_job_args args = {.size = sizeof(args), .id = 7};
        const struct fsop_job_info *job;
        const struct fsop_job_answer *answer;
        fake_serve(&fake, results, sizeof(results) / sizeof(results[0]));
        ck_assert_int_eq(fsop_cp(fake.client, &at, &to, NULL, &job), 0);
        ck_assert(job->id == 7 && job->state == FSOP_JOB_WAITING && job->uid == 1000 && job->priority == -3);
        ck_assert(job->created.sec == 100 && job->created.nsec == 5 && job->started.sec == 0 && job->n_places == 2);
        ck_assert(job->has_seconds_left && job->seconds_left == 60 && job->bytes_copied == 10 && job->event == 40);
        expect_text(job->user, "alice");
        expect_text(job->source, "/from");
        expect_text(job->target, "/to");
        ck_assert_int_eq(job->error.code, FSOP_ENOSPC);
        ck_assert_int_eq(job->error.verb, FSOP_VERB_CP);
        expect_text(job->error.message, fsop_strerror(FSOP_ENOSPC)); /* the daemon had nothing to add */
        ck_assert_int_eq(fsop_job_list(fake.client, NULL, &answer), 0);
        ck_assert(answer->n_jobs == 2 && answer->jobs[1].id == 8 && !answer->end && answer->cookie == 9);
        ck_assert_int_eq(answer->jobs[1].error.code, 0);
        expect_text(answer->jobs[1].user, "");
        ck_assert_int_eq(fsop_job_show(fake.client, &args, &answer), 0);
        ck_assert(answer->end && answer->n_jobs == 1 && answer->n_failures == 1 && answer->n_digests == 1);
        expect_text(answer->failures[0].path, "/from/x");
        expect_text(answer->failures[0].error.message, "no");
        expect_text(answer->digests[0].path, "/to/y");
        ck_assert(answer->digests[0].digest[2] == 3 && answer->digests[0].digest[31] == 0);
        ck_assert_int_eq(fsop_job_watch(fake.client, &args, &answer), 0);
        ck_assert(answer->n_events == 2 && answer->events[0].number == 41 && answer->events[0].time.nsec == 8);
        ck_assert_int_eq(answer->events[0].kind, FSOP_JOB_EVENT_STATE);
        expect_text(answer->events[0].job.source, "/from");
        ck_assert_int_eq(answer->events[1].failure.error.class_, FSOP_CLASS_DENIED);
        ck_assert_int_eq(fsop_job_watch(fake.client, &args, &answer), 0);
        ck_assert(answer->n_events == 0 && answer->end);
        ck_assert_int_eq(fsop_job_pause(fake.client, 7, &job), 0);
        ck_assert(job->id == 7);
        ck_assert_int_eq(fsop_job_resume(fake.client, 7, NULL), 0);
        ck_assert_int_eq(fsop_job_cancel(fake.client, 7, &job), 0);
        ck_assert_int_eq(fsop_job_retry(fake.client, 7, &job), -FSOP_EPROTO);
        ck_assert_ptr_null(job);
        ck_assert_int_eq(fsop_job_forget(fake.client, 7), 0);
        ck_assert_int_eq(fsop_job_forget(fake.client, 7), -FSOP_ENOENT);
        ck_assert_int_eq(fsop_cp(fake.client, &at, &to, NULL, &job), -FSOP_EBUSY);
        ck_assert_ptr_null(job);
        fake_served(&fake);
        ck_assert(fake.served[9].args.job.id == 7 && fake.served[9].verb == FSOP_VERB_JOB_FORGET);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("client_jobs");
        TCase *local = tcase_create("local"), *foreign = tcase_create("foreign");
        tcase_add_checked_fixture(local, setup, teardown);
        tcase_add_test(local, jobs_are_given_paths);
        tcase_add_test(local, jobs_need_a_current_directory);
        tcase_add_test(local, names_below_a_source_are_cleaned);
        tcase_add_test(local, jobs_that_can_never_be_right_stay_here);
        tcase_add_test(local, answers_about_jobs);
        suite_add_tcase(suite, local);
        tcase_add_checked_fixture(foreign, setup_foreign, teardown);
        tcase_add_test(foreign, jobs_are_not_for_foreign_daemons);
        suite_add_tcase(suite, foreign);
        return suite_run(suite);
}
