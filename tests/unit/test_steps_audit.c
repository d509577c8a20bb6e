/* SPDX-License-Identifier: MIT */
/*
 * test_steps_audit.c: what is recorded of a request, when, and what is not done without that.
 */
#include <string.h>

#include "tests/support/steps_kit.h"
#include "tests/support/suite.h"

/* An intent that cannot be written keeps the elevated ones from being done, and only those. */
START_TEST(without_audit_nothing_is_elevated) {
        struct operation ops[] = {stat_op("/etc/passwd"), chown_op("/srv/build/f", 1000)};

        start(CALLER_UID);
        fake_write_code = -FSOP_ENOSPC;
        send_batch(1, FSOP_BATCH_PARALLEL, ops, 2);
        rounds();
        answered_once(2);
        ck_assert_int_eq(got.results[0].error.code, 0);
        ck_assert_int_eq(got.results[1].error.code, FSOP_ENOSPC);
        ck_assert_int_eq(got.results[1].outcome, FSOP_OUTCOME_NOT_STARTED);
        ck_assert_uint_eq(sys.ran_as_service, 0);
        stop();
}
END_TEST

/* What was read is not told when that cannot be recorded. */
START_TEST(without_audit_nothing_elevated_is_told) {
        struct operation ops[] = {stat_op("/etc/passwd"), stat_op("/srv/build/f")};

        start(CALLER_UID);
        fake_write_code = -FSOP_ENOSPC;
        send_batch(1, FSOP_BATCH_PARALLEL, ops, 2);
        rounds();
        answered_once(2);
        ck_assert_int_eq(got.results[0].error.code, 0);
        ck_assert_uint_eq(got.results[0].value.stat.ino, 77);
        ck_assert_int_eq(got.results[1].error.code, FSOP_ENOSPC);
        ck_assert_uint_eq(got.results[1].value.stat.ino, 0);
        stop();
}
END_TEST

static unsigned events_written(const char *event) {
        unsigned n = 0;

        for (const char *at = fake_written; (at = strstr(at, event)); at++)
                n++;
        return n;
}

/* The intent is there before anything is done; the outcome comes with the next line, after a while, or when the client
 * goes. */
START_TEST(outcomes_wait_for_the_next_line) {
        struct operation op = chown_op("/srv/build/f", 1000), denied = chown_op("/srv/build/f", 0);

        start(CALLER_UID);
        server.audit_due_ms = UINT64_MAX;
        send_batch(1, FSOP_BATCH_PARALLEL, &op, 1);
        rounds();
        answered_once(1);
        ck_assert_uint_eq(events_written("\"event\":\"intent\""), 1);
        ck_assert_uint_eq(events_written("\"event\":\"outcome\""), 0);
        send_batch(2, FSOP_BATCH_PARALLEL, &op, 1);
        rounds();
        ck_assert_uint_eq(events_written("\"event\":\"intent\""), 2);
        ck_assert_uint_eq(events_written("\"event\":\"outcome\""), 1);

        server.now_ms += 1000;
        server_end_round(&server);
        ck_assert_uint_eq(events_written("\"event\":\"outcome\""), 2);

        denied.as = FSOP_AS_ELEVATED;
        send_batch(3, FSOP_BATCH_PARALLEL, &op, 1);
        rounds();
        send_batch(4, FSOP_BATCH_PARALLEL, &denied, 1);
        rounds();
        ck_assert_uint_eq(events_written("\"event\":\"denied\""), 1); /* at once, and what waited before it */
        ck_assert_uint_eq(events_written("\"event\":\"outcome\""), 3);

        send_batch(5, FSOP_BATCH_PARALLEL, &op, 1);
        rounds();
        ck_assert_uint_eq(events_written("\"event\":\"outcome\""), 3);
        stop();
        ck_assert_uint_eq(events_written("\"event\":\"outcome\""), 4);
}
END_TEST

/* Of what only reads one line, at once; but an intent as well where it may be kept waiting. */
START_TEST(what_reads_is_recorded_once) {
        struct operation op = stat_op("/srv/build/f");

        for (int slow = 0; slow < 2; slow++) {
                start(CALLER_UID);
                fake_engine_run_inline(server.engine, true);
                sys.slow = slow;
                server.audit_due_ms = UINT64_MAX;
                send_batch(1, FSOP_BATCH_PARALLEL, &op, 1);
                rounds();
                answered_once(1);
                ck_assert_uint_eq(events_written("\"event\":\"intent\""), slow ? 1 : 0);
                ck_assert_uint_eq(events_written("\"event\":\"outcome\""), 1); /* though outcomes else may wait */
                stop();
        }
}
END_TEST

/* A rule let somebody look for what is not there: that is on record before it is told, once a window, and else not
 * told. */
START_TEST(what_is_looked_up_in_vain_is_recorded) {
        struct operation ops[] = {stat_op("/srv/build/f"), chown_op("/srv/build/f", 1000), stat_op("/etc/passwd")};

        for (int lost = 0; lost < 2; lost++)
                for (int i = 0; i < 3; i++) {
                        bool elevated = i < 2;

                        start(CALLER_UID);
                        server.audit_due_ms = UINT64_MAX;
                        sys.fail_at = sys.calls + 1;
                        sys.code = -FSOP_ENOENT;
                        fake_write_code = lost ? -FSOP_ENOSPC : 0;
                        send_batch(1, FSOP_BATCH_PARALLEL, &ops[i], 1);
                        rounds();
                        answered_once(1);
                        ck_assert_uint_eq(sys.runs, 0);
                        ck_assert_int_eq(got.results[0].error.code, lost && elevated ? FSOP_ENOSPC : FSOP_ENOENT);
                        ck_assert_int_eq(got.results[0].outcome, FSOP_OUTCOME_NOT_STARTED);
                        ck_assert_uint_eq(events_written("\"event\":\"intent\""), 0);
                        ck_assert_uint_eq(events_written("\"event\":\"outcome\""), elevated && !lost);
                        ck_assert_uint_eq(events_written("\"error\":\"ENOENT\""), elevated && !lost);
                        stop();
                }
}
END_TEST

/* … with one call for all of a window, and after the intents of what was found. */
START_TEST(what_is_looked_up_in_vain_is_recorded_together) {
        struct operation ops[64];
        unsigned writes;

        start(CALLER_UID);
        server.audit_due_ms = UINT64_MAX;
        for (unsigned i = 0; i < 64; i++)
                ops[i] = i % 2 ? chown_op("/srv/build/f", 1000) : stat_op("/srv/build/f");
        sys.every = true;
        sys.code = -FSOP_ENOENT;
        writes = fake_writes;
        send_batch(1, FSOP_BATCH_PARALLEL, ops, 64);
        rounds();
        answered_once(64);
        ck_assert_uint_eq(events_written("\"event\":\"outcome\""), 64);
        ck_assert_uint_eq(fake_writes - writes, 1);
        stop();
}
END_TEST

int main(void) {
        Suite *suite = suite_create("steps_audit");
        TCase *tcase = tcase_create("steps");

        tcase_set_timeout(tcase, 60);
        tcase_add_test(tcase, without_audit_nothing_is_elevated);
        tcase_add_test(tcase, without_audit_nothing_elevated_is_told);
        tcase_add_test(tcase, what_reads_is_recorded_once);
        tcase_add_test(tcase, what_is_looked_up_in_vain_is_recorded);
        tcase_add_test(tcase, what_is_looked_up_in_vain_is_recorded_together);
        tcase_add_test(tcase, outcomes_wait_for_the_next_line);
        suite_add_tcase(suite, tcase);
        return suite_run(suite);
}
