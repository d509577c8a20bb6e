/* SPDX-License-Identifier: MIT */
/*
 * test_steps.c: the way of a request, from the bytes of a frame to the bytes of its answer. What it watches: each
 * operation is answered exactly once, and everything that was taken for it is given back, whatever failed.
 */
#include "tests/support/steps_kit.h"
#include "tests/support/suite.h"

/* ---- tests ------------------------------------------------------------------------------------------------------- */

START_TEST(a_stat_is_answered) {
        struct operation op = stat_op("/etc/passwd");

        start(CALLER_UID);
        send_batch(1, FSOP_BATCH_PARALLEL, &op, 1);
        rounds();
        answered_once(1);
        ck_assert_int_eq(got.results[0].error.code, 0);
        ck_assert_uint_eq(got.results[0].value.stat.ino, 77);
        ck_assert_uint_eq(sys.ran_as_caller, 1);
        stop();
}
END_TEST

START_TEST(a_rule_elevates_inside_its_path_only) {
        struct operation ops[] = {chown_op("/srv/build/f", 1000), chown_op("/srv/building/f", 1000),
                                  chown_op("/srv/build/f", 0)};

        start(CALLER_UID);
        send_batch(1, FSOP_BATCH_PARALLEL, ops, 3);
        rounds();
        answered_once(3);
        ck_assert_int_eq(got.results[0].error.code, 0);
        ck_assert(got.results[0].elevated);
        ck_assert(!got.results[1].elevated);
        ck_assert(!got.results[2].elevated);
        ck_assert_uint_eq(sys.ran_as_service, 1);
        stop();
}
END_TEST

static bool source_fails;

static void refuse(const struct sys_op *ran, int code) {
        struct sys_op *op = (struct sys_op *)(uintptr_t)ran;

        (void)code;
        op->code = -FSOP_EACCES;
        op->source_failed = source_fails;
}

/* Of two ends the one that failed says which rule it was, or that there was none: then the kernel's refusal is a
 * denial, where the caller left that open. */
START_TEST(the_end_that_failed_is_named) {
        static const struct {
                const char *at, *to;
                enum fsop_as as;
                bool source;
                const char *rule;
                enum fsop_error_class class_;
        } cases[] = {
                {"/srv/build/a", "/srv/service/b", FSOP_AS_AUTO, true, "tree", FSOP_CLASS_OS},
                {"/srv/build/a", "/srv/service/b", FSOP_AS_AUTO, false, "service", FSOP_CLASS_OS},
                {"/home/a", "/srv/build/b", FSOP_AS_AUTO, true, NULL, FSOP_CLASS_DENIED},
                {"/home/a", "/srv/build/b", FSOP_AS_AUTO, false, "tree", FSOP_CLASS_OS},
                {"/home/a", "/home/b", FSOP_AS_CALLER, true, NULL, FSOP_CLASS_OS},
        };

        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                struct operation op = {.verb = FSOP_VERB_COPY_RANGE,
                                       .as = cases[i].as,
                                       .at = at(cases[i].at),
                                       .to = at(cases[i].to),
                                       .args.copy_range = {.has_length = true, .length = 10}};
                const struct error *error = &got.results[0].error;
                const char *rule = cases[i].rule ? cases[i].rule : "";

                start(CALLER_UID);
                source_fails = cases[i].source;
                sys.ran = refuse;
                send_batch(1, FSOP_BATCH_PARALLEL, &op, 1);
                rounds();
                answered_once(1);
                ck_assert_msg(error->code == FSOP_EACCES && error->class_ == cases[i].class_, "case %zu: %d, class %d",
                              i, error->code, error->class_);
                ck_assert_msg(error->rule.len == strlen(rule) && memcmp(error->rule.data, rule, strlen(rule)) == 0,
                              "case %zu: rule %.*s", i, (int)error->rule.len, (const char *)error->rule.data);
                stop();
        }
}
END_TEST

START_TEST(windows_cover_a_large_batch) {
        enum { N = 1000 };
        static struct operation ops[N];

        start(CALLER_UID);
        for (int i = 0; i < N; i++)
                ops[i] = stat_op("/etc/passwd");
        send_batch(1, FSOP_BATCH_PARALLEL, ops, N);
        rounds();
        answered_once(N);
        ck_assert_uint_eq(sys.runs, N);
        stop();
}
END_TEST

/* ---- windows that workers share ---------------------------------------------------------------------------------- */

/* Directories of rules that a worker has been opening when all was cancelled: nothing is looked up in them. */
START_TEST(nothing_cancelled_is_looked_up) {
        struct message cancel = {.kind = MESSAGE_CANCEL, .body.cancel_id = 1};
        struct operation op = chown_op("/srv/build/f", 1000);
        struct io *io;

        start(CALLER_UID);
        fake_engine_run_inline(server.engine, false);
        send_batch(1, FSOP_BATCH_PARALLEL, &op, 1);
        rounds();
        io = fake_engine_pending(server.engine, IO_CALL, 0);
        ck_assert_ptr_nonnull(io);
        io->u.call(io);
        fake_engine_complete(server.engine, io, 0, 0);
        send_message(&cancel, NULL, 0);
        sys.slow = true;
        rounds();
        answered_once(1);
        ck_assert_int_eq(got.results[0].error.code, FSOP_ECANCELED);
        stop();
}
END_TEST

START_TEST(ordered_stop_stops) {
        struct operation ops[] = {stat_op("/a"), stat_op("/b"), stat_op("/c")};

        start(CALLER_UID);
        sys.fail_at = 3; /* resolve, run, then the second one's resolve */
        sys.code = -FSOP_ENOENT;
        send_batch(1, FSOP_BATCH_ORDERED_STOP, ops, 3);
        rounds();
        answered_once(3);
        ck_assert_int_eq(got.results[0].error.code, 0);
        ck_assert_int_eq(got.results[1].error.code, FSOP_ENOENT);
        ck_assert_int_eq(got.results[2].error.code, FSOP_ECANCELED);
        ck_assert_int_eq(got.results[2].outcome, FSOP_OUTCOME_NOT_STARTED);
        ck_assert_uint_eq(sys.runs, 1);
        stop();
}
END_TEST

/* Every call of the system in turn fails, for operations of every shape: each is still answered once. */
START_TEST(every_failure_is_answered_once) {
        for (int slow = 0; slow < 2; slow++)
                for (unsigned n = 1; n < 40; n++) {
                        struct operation ops[] = {
                                stat_op("/etc/passwd"),
                                chown_op("/srv/build/f", 1000),
                                {.verb = FSOP_VERB_MKDIR,
                                 .at = at("/srv/build/d"),
                                 .args.mkdir = {.create = true, .mode = 0755}},
                                {.verb = FSOP_VERB_RENAME, .at = at("/srv/build/a"), .to = at("/srv/build/b")},
                                {.verb = FSOP_VERB_OPEN, .at = at("/srv/build/f"), .args.open = {.read = true}},
                                {.verb = FSOP_VERB_OPEN_FD, .at = at("/srv/build/f"), .args.open = {.read = true}},
                                {.verb = FSOP_VERB_LS, .at = at("/srv/build"), .args.ls = {.entries_max = 10}},
                                {.verb = FSOP_VERB_INFO, .at = at("/srv")},
                                {.verb = FSOP_VERB_STATUS},
                                {.verb = FSOP_VERB_UNLINK,
                                 .at = at("/srv/build/x"),
                                 .args.unlink = {.recursive = true}},
                        };

                        start(CALLER_UID);
                        sys.slow = slow != 0;
                        sys.fail_at = n;
                        sys.code = -FSOP_EIO;
                        send_batch(1, FSOP_BATCH_PARALLEL, ops, sizeof(ops) / sizeof(ops[0]));
                        rounds();
                        answered_once(sizeof(ops) / sizeof(ops[0]));
                        stop();
                }
}
END_TEST

/* The engine fails the n-th io of each kind instead of running it. */
START_TEST(every_engine_failure_is_answered_once) {
        const enum io_kind kinds[] = {IO_RESOLVE, IO_RUN, IO_CALL};

        for (unsigned kind = 0; kind < 3; kind++)
                for (unsigned n = 1; n < 12; n++) {
                        struct operation ops[] = {
                                stat_op("/etc/passwd"),
                                chown_op("/srv/build/f", 1000),
                                {.verb = FSOP_VERB_LS, .at = at("/srv/build"), .args.ls = {.entries_max = 10}},
                                {.verb = FSOP_VERB_INFO, .at = at("/srv")},
                                {.verb = FSOP_VERB_EXPLAIN,
                                 .args.explain = {.user = {(const uint8_t *)"alice", 5}, .op = NULL}},
                        };
                        struct operation nested = stat_op("/srv/build/f");

                        ops[4].args.explain.op = &nested;
                        start(0);
                        sys.slow = true;
                        fake_engine_fail_nth(server.engine, kinds[kind], n, -FSOP_ECANCELED, 0);
                        send_batch(1, FSOP_BATCH_PARALLEL, ops, 5);
                        rounds();
                        answered_once(5);
                        stop();
                }
}
END_TEST

/* Cancel while it waits for a worker: one answer, and nothing ran. */
START_TEST(cancel_answers_once) {
        struct operation op = stat_op("/net/f");
        struct message cancel = {.kind = MESSAGE_CANCEL, .body.cancel_id = 1};

        start(CALLER_UID);
        sys.slow = true;
        fake_engine_run_inline(server.engine, false);
        send_batch(1, FSOP_BATCH_PARALLEL, &op, 1);
        rounds();
        ck_assert_uint_eq(got.answers[0], 0);
        send_message(&cancel, NULL, 0);
        if (fake_engine_pending(server.engine, IO_RESOLVE, 0))
                fake_engine_complete(server.engine, fake_engine_pending(server.engine, IO_RESOLVE, 0), -FSOP_ECANCELED,
                                     0);
        rounds();
        answered_once(1);
        ck_assert_int_eq(got.results[0].error.code, FSOP_ECANCELED);
        ck_assert_int_eq(got.results[0].error.class_, FSOP_CLASS_CANCELLED);
        ck_assert_uint_eq(sys.runs, 0);
        stop();
}
END_TEST

START_TEST(a_deadline_answers_once) {
        struct operation op = stat_op("/net/f");
        struct message message = {.kind = MESSAGE_BATCH,
                                  .body.batch = {.id = 1, .deadline_ms = 10, .ops = &op, .n_ops = 1}};

        start(CALLER_UID);
        sys.slow = true;
        fake_engine_run_inline(server.engine, false);
        send_message(&message, NULL, 0);
        rounds();
        task_cancel(session->tasks, -FSOP_ETIMEDOUT); /* what the loop does when the time has come */
        if (fake_engine_pending(server.engine, IO_RESOLVE, 0))
                fake_engine_complete(server.engine, fake_engine_pending(server.engine, IO_RESOLVE, 0), -FSOP_ECANCELED,
                                     0);
        rounds();
        answered_once(1);
        ck_assert_int_eq(got.results[0].error.code, FSOP_ETIMEDOUT);
        stop();
}
END_TEST

/* The client dies while its operation is with a worker: nothing is sent, everything comes back. */
START_TEST(death_gives_everything_back) {
        struct operation ops[] = {stat_op("/net/f"), chown_op("/srv/build/f", 1000)};
        struct io *io;

        for (unsigned steps = 0; steps < 6; steps++) {
                start(CALLER_UID);
                sys.slow = true;
                fake_engine_run_inline(server.engine, false);
                send_batch(1, FSOP_BATCH_PARALLEL, ops, 2);
                for (unsigned i = 0; i < steps; i++) {
                        const enum io_kind kinds[] = {IO_CALL, IO_RESOLVE, IO_RUN};

                        for (unsigned kind = 0; kind < 3; kind++)
                                if ((io = fake_engine_pending(server.engine, kinds[kind], 0))) {
                                        if (io->kind == IO_CALL)
                                                io->u.call(io);
                                        fake_engine_complete(server.engine, io,
                                                             io->kind == IO_RESOLVE ? sys_resolve(io->u.op, 0)
                                                             : io->kind == IO_RUN   ? sys_run(io->u.op)
                                                                                    : io->result,
                                                             0);
                                        break;
                                }
                        client_reads = false;
                        rounds();
                }
                fake_engine_run_inline(server.engine, true);
                session_close(session);
                stop();
        }
}
END_TEST

/* A client that does not read is not read from either; when it reads again, everything is answered. */
START_TEST(a_silent_reader_is_held_back) {
        enum { N = 4000 };
        struct operation ops[64];
        struct message message = {.kind = MESSAGE_BATCH, .body.batch = {.ops = ops, .n_ops = 64}};
        unsigned sent = 0;

        start(CALLER_UID);
        client_reads = false;
        for (int i = 0; i < 64; i++)
                ops[i] = stat_op("/etc/passwd");
        while (sent < N && fake_engine_pending(server.engine, IO_RECEIVE, 0) && !session->pausing) {
                message.body.batch.id = ++sent;
                send_message(&message, NULL, 0);
                rounds();
        }
        ck_assert_uint_lt(sent, N);
        ck_assert_uint_le(session->out_bytes, SESSION_OUT_HIGH_BYTES + (64u << 10));
        ck_assert_uint_le(buffer_len(&session->in), 256u << 10);
        client_reads = true;
        rounds();
        ck_assert_uint_eq(got.last_frames, sent);
        ck_assert_uint_eq(sys.runs, sent * 64);
        stop();
}
END_TEST

/* What the client agreed on in its Hello: a batch beyond it waits until another has been answered. */
START_TEST(no_more_batches_at_a_time_than_agreed) {
        struct operation op = stat_op("/net/f");

        start(CALLER_UID);
        session->batches_max = 2;
        sys.slow = true;
        fake_engine_run_inline(server.engine, false);
        for (uint64_t id = 1; id <= 3; id++)
                send_batch(id, FSOP_BATCH_PARALLEL, &op, 1);
        rounds();
        ck_assert_uint_eq(session->n_tasks, 2);
        ck_assert_uint_eq(fake_engine_count(server.engine, IO_RESOLVE), 2);
        fake_engine_run_inline(server.engine, true);
        complete_all(IO_RESOLVE, -FSOP_ENOENT);
        rounds();
        ck_assert_uint_eq(session->n_tasks, 0);
        ck_assert_uint_eq(got.last_frames, 3);
        stop();
}
END_TEST

/* All of a window is looked at before any of it is done: what a rename has put there meanwhile nobody has looked at. */
START_TEST(what_stands_elsewhere_meanwhile_is_freed_by_workers) {
        struct operation ops[] = {
                {.verb = FSOP_VERB_RENAME, .at = at("/srv/build/large"), .to = at("/srv/build/a")},
                stat_op("/srv/build/f"),
                {.verb = FSOP_VERB_RENAME, .at = at("/srv/build/small"), .to = at("/srv/build/a")},
        };

        start(CALLER_UID);
        send_batch(1, FSOP_BATCH_PARALLEL, &ops[1], 1); /* the directory is opened */
        rounds();
        fake_engine_run_inline(server.engine, false);
        sys.runs = 0;
        send_batch(2, FSOP_BATCH_PARALLEL, ops, 3);
        rounds();
        ck_assert_uint_eq(sys.runs, 2);
        ck_assert_uint_eq(fake_engine_count(server.engine, IO_RUN), 1);
        ck_assert_ptr_eq(fake_engine_pending(server.engine, IO_RUN, 0), &session->tasks->ops[2].io);
        complete_all(IO_RUN, 0);
        rounds();
        ck_assert_uint_eq(got.last_frames, 2);
        stop();
}
END_TEST

START_TEST(garbage_is_refused) {
        static const uint8_t garbage[] = {5, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff};

        start(CALLER_UID);
        fake_engine_receive(fake_engine_pending(server.engine, IO_RECEIVE, 0), garbage, sizeof(garbage), NULL, 0);
        rounds();
        ck_assert_uint_eq(got.failures, 1);
        ck_assert_int_eq(got.failure.code, FSOP_EPROTO);
        ck_assert_uint_gt(got.failure.message.len, 0);
        stop();
}
END_TEST

START_TEST(a_batch_id_in_use_is_refused) {
        struct operation op = stat_op("/net/f");

        start(CALLER_UID);
        sys.slow = true;
        fake_engine_run_inline(server.engine, false);
        send_batch(1, FSOP_BATCH_PARALLEL, &op, 1);
        send_batch(1, FSOP_BATCH_PARALLEL, &op, 1);
        fake_engine_run_inline(server.engine, true);
        rounds();
        ck_assert_uint_eq(got.failures, 1);
        stop();
}
END_TEST

START_TEST(a_foreign_client_has_no_paths) {
        struct operation op = stat_op("/etc/passwd");

        start(CALLER_UID);
        session->peer.foreign = true;
        send_batch(1, FSOP_BATCH_PARALLEL, &op, 1);
        rounds();
        answered_once(1);
        ck_assert_int_eq(got.results[0].error.class_, FSOP_CLASS_DENIED);
        ck_assert_uint_eq(sys.runs, 0);
        stop();
}
END_TEST

START_TEST(only_administrators_reload) {
        struct operation op = {.verb = FSOP_VERB_POLICY_RELOAD};

        start(CALLER_UID);
        send_batch(1, FSOP_BATCH_PARALLEL, &op, 1);
        rounds();
        ck_assert_int_eq(got.results[0].error.class_, FSOP_CLASS_DENIED);
        stop();
}
END_TEST

int main(void) {
        Suite *suite = suite_create("steps");
        TCase *tcase = tcase_create("steps");

        tcase_set_timeout(tcase, 60);
        tcase_add_test(tcase, a_stat_is_answered);
        tcase_add_test(tcase, a_rule_elevates_inside_its_path_only);
        tcase_add_test(tcase, the_end_that_failed_is_named);
        tcase_add_test(tcase, windows_cover_a_large_batch);
        tcase_add_test(tcase, nothing_cancelled_is_looked_up);
        tcase_add_test(tcase, ordered_stop_stops);
        tcase_add_test(tcase, every_failure_is_answered_once);
        tcase_add_test(tcase, every_engine_failure_is_answered_once);
        tcase_add_test(tcase, cancel_answers_once);
        tcase_add_test(tcase, a_deadline_answers_once);
        tcase_add_test(tcase, death_gives_everything_back);
        tcase_add_test(tcase, a_silent_reader_is_held_back);
        tcase_add_test(tcase, no_more_batches_at_a_time_than_agreed);
        tcase_add_test(tcase, what_stands_elsewhere_meanwhile_is_freed_by_workers);
        tcase_add_test(tcase, garbage_is_refused);
        tcase_add_test(tcase, a_batch_id_in_use_is_refused);
        tcase_add_test(tcase, a_foreign_client_has_no_paths);
        tcase_add_test(tcase, only_administrators_reload);
        suite_add_tcase(suite, tcase);
        return suite_run(suite);
}
