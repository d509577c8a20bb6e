/* SPDX-License-Identifier: MIT */
/*
 * test_client_failures.c: libfsop with every allocation failing in turn: while it connects, while a batch is filled,
 * sent and answered, in blocking calls and while a directory is listed. What fails says -FSOP_ENOMEM, a batch that was
 * sent is called back once, no descriptor is left open, and the client can still be used or says that its connection is
 * gone.
 */
#include <check.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/descriptors.h"
#include "tests/support/fail_alloc.h"
#include "tests/support/fake_server.h"
#include "tests/support/suite.h"

#define BYTES(text)                                                                                                    \
        { (const uint8_t *)(text), sizeof(text) - 1 }

static struct fake_server fake;
static unsigned spared; /* while it is not 0, the test itself asks for memory */

static void connect_again(void) {
        spared++;
        fake_start(&fake, NULL);
        spared--;
}

static void disconnect(void) {
        spared++;
        fake_fini(&fake);
        spared--;
}

static void set_up(void) {
        alloc_spared = &spared;
}

/* ---- connecting -------------------------------------------------------------------------------------------------- */

START_TEST(while_it_connects) {
        unsigned before = open_descriptors();

        for (unsigned n = 1;; n++) {
                struct fsop_open_failure failure = {.size = sizeof(failure)};
                struct fsop_client_options options = {
                        .size = sizeof(options), .name = "test", .failure = &failure, .want_support = true};
                struct support support = {.verb = FSOP_VERB_STAT, .feature = BYTES("stat"), .note = BYTES("note")};
                struct message message = {.kind = MESSAGE_WELCOME, .body.welcome = fake_welcome()};
                int r;

                message.body.welcome.support = &support;
                message.body.welcome.n_support = 1;
                fake_init(&fake);
                fake_send(&fake, &message, NULL, 0);
                alloc_fail(n);
                r = fake_open(&fake, NULL, &options);
                bool enough = alloc_calls < n;
                alloc_fail(0);
                if (enough)
                        ck_assert_int_eq(r, 0);
                else {
                        ck_assert_msg(r == 0 || r == -FSOP_ENOMEM, "allocation %u: %d", n, r);
                        ck_assert_msg(r == 0 || !fake.client, "allocation %u", n);
                        ck_assert_msg(r == 0 || failure.message[0], "allocation %u: no message", n);
                }
                fake_fini(&fake);
                ck_assert_uint_eq(open_descriptors(), before);
                if (enough)
                        break;
        }
}
END_TEST

/* ---- a batch of everything --------------------------------------------------------------------------------------- */

static int called;

static void note_call(struct fsop_batch *batch, void *userdata) {
        (void)userdata;
        called += fsop_batch_is_done(batch) ? 1 : 100;
}

/* The operations whose arguments and answers need memory. -FSOP_ENOMEM from any of them, else how many there are. */
static int fill(struct fsop_batch *batch, int directory) {
        static const struct fsop_bytes names[] = {{"one", 3}, {"two", 3}};
        struct fsop_at a = fsop_at_path("/srv/a", false), b = fsop_at_path("relative/b", false);
        struct fsop_at below = fsop_at_fd(directory, "below", false);
        struct fsop_setxattr_args setxattr = {.size = sizeof(setxattr), .name = {"user.k", 6}, .value = {"value", 5}};
        struct fsop_getxattr_args getxattr = {.size = sizeof(getxattr), .name = {"user.k", 6}};
        struct fsop_symlink_args symlink = {.size = sizeof(symlink), .text = {"text", 4}};
        struct fsop_chown_args chown = {.size = sizeof(chown), .has_uid = true, .uid = 1, .walk = {.recursive = true}};
        struct fsop_open_args open = {.size = sizeof(open), .read = true};
        struct fsop_ls_args ls = {.size = sizeof(ls)};
        struct fsop_cp_args cp = {.size = sizeof(cp),
                                  .names = names,
                                  .n_names = 2,
                                  .excludes = names,
                                  .n_excludes = 1,
                                  .key = {"key", 3}};
        struct fsop_job_args list = {.size = sizeof(list)};
        int r = 0;

#define ADD(call)                                                                                                      \
        if (r >= 0)                                                                                                    \
        r = call
        ADD(fsop_batch_stat(batch, &a));
        ADD(fsop_batch_rename(batch, &a, &b, NULL));
        ADD(fsop_batch_setxattr(batch, &below, &setxattr));
        ADD(fsop_batch_getxattr(batch, &a, &getxattr));
        ADD(fsop_batch_symlink(batch, &a, &symlink));
        ADD(fsop_batch_chown(batch, &a, &chown));
        ADD(fsop_batch_open_fd(batch, &a, &open));
        ADD(fsop_batch_ls(batch, &a, &ls));
        ADD(fsop_batch_info(batch, &a));
        ADD(fsop_batch_status(batch));
        ADD(fsop_batch_cp(batch, &a, &b, &cp));
        ADD(fsop_batch_job(batch, FSOP_VERB_JOB_LIST, &list));
        return r < 0 ? r : r + 1;
}

static void answer_all(uint64_t id, unsigned n) {
        static const struct walk_failure failure = {.path = BYTES("gone"), .code = FSOP_ENOENT};
        static const struct entry entries[] = {{.name = BYTES("one")}, {.name = BYTES("two"), .has_stat = true}};
        static const struct support feature = {.feature = BYTES("reflink"), .note = BYTES("note")};
        static const struct counter counter = {.name = BYTES("connections"), .value = 1};
        static const struct job_info job = {.id = 1, .user = BYTES("u"), .source = BYTES("/a"), .target = BYTES("/b")};
        struct result results[12] = {
                {.verb = FSOP_VERB_STAT},
                failed_result(1, FSOP_VERB_RENAME, FSOP_ENOENT, FSOP_OUTCOME_NOT_STARTED),
                {.verb = FSOP_VERB_SETXATTR},
                {.verb = FSOP_VERB_GETXATTR, .value.data = BYTES("value")},
                {.verb = FSOP_VERB_SYMLINK},
                {.verb = FSOP_VERB_CHOWN,
                 .value.walk = {.visited = 2, .failed = 1, .failures = &failure, .n_failures = 1}},
                {.verb = FSOP_VERB_OPEN_FD},
                {.verb = FSOP_VERB_LS, .value.ls = {.entries = entries, .n_entries = 2, .end = true}},
                {.verb = FSOP_VERB_INFO, .value.info = {.version = BYTES("1"), .features = &feature, .n_features = 1}},
                {.verb = FSOP_VERB_STATUS, .value.status = {.counters = &counter, .n_counters = 1}},
                {.verb = FSOP_VERB_CP, .value.job = {.jobs = &job, .n_jobs = 1}},
                {.verb = FSOP_VERB_JOB_LIST, .value.job = {.jobs = &job, .n_jobs = 1, .end = true}},
        };
        struct message message = {.kind = MESSAGE_RESULTS,
                                  .body.results = {.id = id, .results = results, .n_results = n, .last = true}};
        int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

        ck_assert_uint_eq(n, 12);
        for (unsigned i = 0; i < n; i++) {
                results[i].index = i;
                if (results[i].error.code == 0)
                        results[i].outcome = FSOP_OUTCOME_DONE;
        }
        fake_send(&fake, &message, &fd, 1);
        close(fd);
}

/* The daemon's side of it: takes the batch, answers. */
static void serve(unsigned n) {
        spared++;
        struct batch batch = fake_receive_batch(&fake);

        ck_assert_uint_eq(batch.n_ops, n);
        answer_all(batch.id, n);
        spared--;
}

static void check_results(const struct fsop_batch *batch, unsigned n) {
        for (unsigned i = 0; i < n; i++) {
                const struct fsop_result *result = fsop_batch_result(batch, i);

                ck_assert_ptr_nonnull(result);
                ck_assert_msg(result->error.code == 0 || result->error.code == FSOP_ENOMEM || i == 1 ||
                                      result->outcome != FSOP_OUTCOME_DONE,
                              "operation %u: %d", i, result->error.code);
        }
}

/* False: it had all the memory that it wanted. */
static bool batch_with(unsigned fail_at, int directory) {
        struct fsop_batch *batch = NULL;
        int r, n = 0;

        connect_again();
        called = 0;
        alloc_fail(fail_at);
        r = fsop_batch_new(fake.client, FSOP_BATCH_PARALLEL, &batch);
        if (r == 0)
                r = n = fill(batch, directory);
        if (r > 0)
                r = fsop_batch_submit(batch, note_call, NULL, NULL);
        bool sent = r == 0;

        if (sent) {
                serve((unsigned)n);
                for (unsigned i = 0; i < 5 && called == 0 && r >= 0; i++)
                        r = fsop_process(fake.client);
        }
        bool hit = alloc_calls >= fail_at;

        alloc_fail(0);
        ck_assert_msg(r >= 0 || r == -FSOP_ENOMEM || (sent && r == -FSOP_ECONNRESET), "allocation %u: %d", fail_at, r);
        if (sent && called == 0) /* with memory again, it is called back; or told that the connection broke */
                for (unsigned i = 0; i < 5 && called == 0; i++)
                        fsop_process(fake.client);
        ck_assert_msg(called == (sent ? 1 : 0), "allocation %u: called back %d times", fail_at, called);
        if (sent)
                check_results(batch, (unsigned)n);
        if (sent && !hit)
                ck_assert_uint_eq(fsop_batch_failed(batch), 1);
        fsop_batch_free(batch);
        if (!sent) { /* it can still be used */
                r = fsop_batch_new(fake.client, FSOP_BATCH_PARALLEL, &batch);
                ck_assert_int_eq(r, 0);
                n = fill(batch, directory);
                ck_assert_int_eq(fsop_batch_submit(batch, note_call, NULL, NULL), 0);
                serve((unsigned)n);
                ck_assert_int_eq(fsop_process(fake.client), 1);
                ck_assert_uint_eq(fsop_batch_failed(batch), 1);
                fsop_batch_free(batch);
        }
        disconnect();
        return hit;
}

START_TEST(while_a_batch_is_made_and_answered) {
        int directory = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
        unsigned before = open_descriptors(), n = 1;

        for (; batch_with(n, directory); n++)
                ck_assert_uint_eq(open_descriptors(), before);
        ck_assert_uint_gt(n, 5);
        ck_assert_uint_eq(open_descriptors(), before);
        close(directory);
}
END_TEST

/* ---- blocking calls ---------------------------------------------------------------------------------------------- */

/* Answers are sent ahead; the connection is not used again where its question never left. */
START_TEST(in_a_blocking_call) {
        static const struct entry entries[] = {{.name = BYTES("one")}, {.name = BYTES("two")}};
        static const struct result list = {.verb = FSOP_VERB_LS,
                                           .value.ls = {.entries = entries, .n_entries = 2, .end = true}};
        static const struct result text = {.verb = FSOP_VERB_READLINK, .value.data = BYTES("text")};
        unsigned before = open_descriptors();
        bool more = true;

        for (unsigned n = 1; more; n++) {
                struct fsop_at at = fsop_at_path("/srv/a", false);
                struct fsop_bytes answer;
                struct fsop_ls *ls = NULL;
                unsigned names = 0;
                int r;

                connect_again();
                spared++;
                fake_answer_one(&fake, 1, text);
                spared--;
                alloc_fail(n);
                r = fsop_readlink(fake.client, &at, &answer);
                if (r == 0) {
                        spared++;
                        fake_answer_one(&fake, 2, list);
                        spared--;
                        r = answer.len == 4 ? fsop_ls_open(fake.client, &at, false, &ls) : -FSOP_EPROTO;
                }
                for (const struct fsop_entry *entry; ls && (r = fsop_ls_next(ls, &entry)) == 1;)
                        names++;
                more = alloc_calls >= n;
                alloc_fail(0);
                ck_assert_msg(r == 0 || (more && (r == -FSOP_ENOMEM || r == -FSOP_ECONNRESET)), "allocation %u: %d", n,
                              r);
                ck_assert(more || names == 2);
                if (r < 0)
                        ck_assert(fsop_last_error(fake.client)->code == -r &&
                                  fsop_last_error(fake.client)->message.len > 0);
                fsop_ls_close(ls);
                disconnect();
                ck_assert_uint_eq(open_descriptors(), before);
        }
}
END_TEST

int main(void) {
        Suite *suite = suite_create("client failures");
        TCase *tcase = tcase_create("client failures");

        tcase_set_timeout(tcase, 120);
        tcase_add_checked_fixture(tcase, set_up, NULL);
        tcase_add_test(tcase, while_it_connects);
        tcase_add_test(tcase, while_a_batch_is_made_and_answered);
        tcase_add_test(tcase, in_a_blocking_call);
        suite_add_tcase(suite, tcase);
        return suite_run(suite);
}
