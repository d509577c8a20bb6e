/* SPDX-License-Identifier: MIT */
/*
 * test_steps.c: the way of a request, from the bytes of a frame to the bytes of its answer. What it watches: each
 * operation is answered exactly once, and everything that was taken for it is given back, whatever failed.
 */
#include "tests/support/steps_kit.h"
#include "tests/support/suite.h"

/* ---- tests ---------------------------------------------------------------------------------------------------------------- */

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
        struct operation ops[] = {chown_op("/srv/build/f", 1000), chown_op("/srv/building/f", 1000), chown_op("/srv/build/f", 0)};

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

enum { SHARED_OPS = 100 };

/* Different shapes, as caller and elevated. */
static struct operation *shared_ops(void) {
        static struct operation ops[SHARED_OPS];

        for (int i = 0; i < SHARED_OPS; i++)
                switch (i % 5) {
                case 0:
                        ops[i] = chown_op("/srv/build/f", 1000);
                        break;
                case 1:
                        ops[i] = stat_op("/etc/passwd");
                        break;
                case 2:
                        ops[i] = (struct operation){.verb = FSOP_VERB_MKDIR, .at = at("/srv/build/d"), .args.mkdir = {.create = true, .mode = 0755}};
                        break;
                case 3:
                        ops[i] = (struct operation){.verb = FSOP_VERB_RENAME, .at = at("/srv/build/a"), .to = at("/srv/build/b")};
                        break;
                default:
                        ops[i] = (struct operation){.verb = FSOP_VERB_OPEN, .at = at("/etc/passwd"), .args.open = {.read = true}};
                }
        return ops;
}

/* What is pending of a kind is complete and of one identity. */
static unsigned look_at_slices(enum io_kind kind) {
        unsigned n = 0;

        for (unsigned i = 0; fake_engine_pending(server.engine, kind, i); i++) {
                const struct io *io = fake_engine_pending(server.engine, kind, i);

                for (const struct sys_op *op = io->u.op; op; op = op->next, n++)
                        ck_assert_ptr_eq(kind == IO_RUN ? op->identity : op->at.identity,
                                         kind == IO_RUN ? io->u.op->identity : io->u.op->at.identity);
        }
        return n;
}

static void complete_all(enum io_kind kind, int code) {
        struct io *io;

        while ((io = fake_engine_pending(server.engine, kind, 0))) {
                for (struct sys_op *op = io->u.op; op && code == 0; op = op->next)
                        kind == IO_RESOLVE ? io_resolve(op) : sys_run(op);
                fake_engine_complete(server.engine, io, code, 0);
        }
}

/* The directories of the rules are opened; then the window is resolved. */
static void begin_held(struct operation *ops, uint32_t n) {
        struct io *io;

        fake_engine_run_inline(server.engine, false);
        send_batch(1, FSOP_BATCH_PARALLEL, ops, n);
        rounds();
        while ((io = fake_engine_pending(server.engine, IO_CALL, 0))) {
                io->u.call(io);
                fake_engine_complete(server.engine, io, 0, 0);
        }
        rounds();
}

static void begin_by(enum config_routes routes, struct operation *ops) {
        start(CALLER_UID);
        server.routes.choice = routes;
        begin_held(ops, SHARED_OPS);
}

static void begin_shared(struct operation *ops) {
        begin_by(CONFIG_ROUTES_AUTO, ops);
}

START_TEST(a_large_window_is_shared) {
        begin_shared(shared_ops());
        ck_assert_ptr_nonnull(fake_engine_pending(server.engine, IO_RESOLVE, 1));
        ck_assert_uint_eq(look_at_slices(IO_RESOLVE), SHARED_OPS - 1); /* the first one is tried on the loop */
        complete_all(IO_RESOLVE, 0);
        rounds();
        ck_assert_ptr_nonnull(fake_engine_pending(server.engine, IO_RUN, 1));
        ck_assert_uint_eq(look_at_slices(IO_RUN), SHARED_OPS - SHARED_OPS / 5); /* stats are done */
        complete_all(IO_RUN, 0);
        rounds();
        answered_once(SHARED_OPS);
        ck_assert_uint_eq(sys.runs, SHARED_OPS);
        ck_assert_uint_eq(sys.ran_as_service, SHARED_OPS / 5 * 3);
        for (int i = 0; i < SHARED_OPS; i++)
                ck_assert_int_eq(got.results[i].error.code, 0);
        stop();
}
END_TEST

START_TEST(a_forced_route_is_not_shared) {
        begin_by(CONFIG_ROUTES_INLINE, shared_ops());
        ck_assert_ptr_null(fake_engine_pending(server.engine, IO_RESOLVE, 0));
        ck_assert_ptr_null(fake_engine_pending(server.engine, IO_RUN, 0));
        answered_once(SHARED_OPS);
        ck_assert_uint_eq(sys.runs, SHARED_OPS);
        stop();
}
END_TEST

/* One directory's lock is not fought over: whoever makes names in it is in one slice. */
START_TEST(names_of_a_directory_stay_together) {
        static struct operation ops[SHARED_OPS];
        unsigned slices = 0;

        for (int i = 0; i < SHARED_OPS; i++)
                ops[i] = (struct operation){.verb = FSOP_VERB_MKDIR, .at = at(i % 2 ? "/srv/build/x/d" : "/srv/build/y/d"),
                                            .args.mkdir = {.create = true, .mode = 0755}};
        begin_shared(ops);
        for (unsigned i = 0; fake_engine_pending(server.engine, IO_RESOLVE, i); i++)
                for (struct sys_op *op = fake_engine_pending(server.engine, IO_RESOLVE, i)->u.op; op; op = op->next)
                        op->at.leaf = strrchr((const char *)op->at.path.data, '/') + 1;
        complete_all(IO_RESOLVE, 0);
        session->tasks->ops[0].sys.at.leaf = strrchr((const char *)session->tasks->ops[0].sys.at.path.data, '/') + 1;
        rounds();
        for (; fake_engine_pending(server.engine, IO_RUN, slices); slices++) {
                const struct sys_op *first = fake_engine_pending(server.engine, IO_RUN, slices)->u.op;

                for (const struct sys_op *op = first; op; op = op->next)
                        ck_assert_int_eq(op->at.path.data[0], first->at.path.data[0]);
        }
        ck_assert_uint_eq(slices, 2);
        complete_all(IO_RUN, 0);
        rounds();
        answered_once(SHARED_OPS);
        stop();
}
END_TEST

START_TEST(a_shared_window_is_cancelled) {
        for (int when = 0; when < 2; when++) {
                struct message cancel = {.kind = MESSAGE_CANCEL, .body.cancel_id = 1};

                begin_shared(shared_ops());
                if (when == 1) {
                        complete_all(IO_RESOLVE, 0);
                        rounds();
                }
                ck_assert_uint_gt(look_at_slices(when == 0 ? IO_RESOLVE : IO_RUN), SHARED_OPS / 2);
                send_message(&cancel, NULL, 0);
                rounds(); /* the engine answers each with ECANCELED, and there is one answer */
                answered_once(SHARED_OPS);
                for (int i = 1; i < SHARED_OPS; i++)
                        if (when == 0 || got.results[i].verb != FSOP_VERB_STAT) /* those were answered when they were looked up */
                                ck_assert_int_eq(got.results[i].error.code, FSOP_ECANCELED);
                stop();
        }
}
END_TEST

/* Every call of the system in turn fails, every slice in turn is not run: each operation is still answered once. */
START_TEST(every_failure_in_a_shared_window_is_answered_once) {
        const enum io_kind kinds[] = {IO_RESOLVE, IO_RUN};

        for (unsigned n = 1; n < 2 * SHARED_OPS + 30; n++) {
                start(CALLER_UID);
                sys.fail_at = n;
                sys.code = -FSOP_EIO;
                send_batch(1, FSOP_BATCH_PARALLEL, shared_ops(), SHARED_OPS);
                rounds();
                answered_once(SHARED_OPS);
                stop();
        }
        for (unsigned n = 1; n < 10; n++)
                for (unsigned kind = 0; kind < 2; kind++) {
                        start(CALLER_UID);
                        fake_engine_fail_nth(server.engine, kinds[kind], n, -FSOP_EAGAIN, 0);
                        send_batch(1, FSOP_BATCH_PARALLEL, shared_ops(), SHARED_OPS);
                        rounds();
                        answered_once(SHARED_OPS);
                        stop();
                }
}
END_TEST

/* What slices would have to wait for goes to workers by itself; but nothing does any more of what was cancelled meanwhile. */
START_TEST(what_slices_give_back_is_handed_over_by_itself) {
        struct message cancel = {.kind = MESSAGE_CANCEL, .body.cancel_id = 1};

        for (int cancelled = 0; cancelled < 2; cancelled++) {
                const struct io *io;
                unsigned n = 0;

                begin_shared(shared_ops());
                sys.slow = true;
                sys.held_up_by = 7;
                complete_all(IO_RESOLVE, 0);
                if (cancelled)
                        send_message(&cancel, NULL, 0);
                rounds();
                for (; (io = fake_engine_pending(server.engine, IO_RESOLVE, n)); n++) {
                        ck_assert_ptr_null(io->u.op->next);
                        ck_assert_ptr_null(io->u.op->cache);
                        ck_assert_uint_eq(io->mount, 7);
                }
                ck_assert_uint_eq(n, cancelled ? 0 : SHARED_OPS - 1);
                while (fake_engine_count(server.engine, IO_RESOLVE) + fake_engine_count(server.engine, IO_RUN) > 0) {
                        complete_all(IO_RESOLVE, 0);
                        complete_all(IO_RUN, 0);
                        rounds();
                }
                answered_once(SHARED_OPS);
                for (int i = 0; i < SHARED_OPS; i++)
                        ck_assert_int_eq(got.results[i].error.code, cancelled ? FSOP_ECANCELED : 0);
                sys.held_up_by = 0;
                stop();
        }
}
END_TEST

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

/* Each on a worker of its own: then none may use the parents of the batch, which are for one thread at a time. */
START_TEST(what_is_held_up_shares_no_parents) {
        struct operation ops[3];
        struct io *io;

        start(CALLER_UID);
        for (int i = 0; i < 3; i++)
                ops[i] = chown_op("/srv/build/f", CALLER_UID);
        sys.slow = true;
        sys.held_up_by = 7;
        begin_held(ops, 3);
        for (unsigned i = 0; i < 3; i++) {
                io = fake_engine_pending(server.engine, IO_RESOLVE, i);
                ck_assert_ptr_nonnull(io);
                ck_assert_ptr_null(io->chain);
                ck_assert_ptr_null(io->u.op->cache);
        }
        fake_engine_run_inline(server.engine, true);
        complete_all(IO_RESOLVE, 0);
        rounds();
        complete_all(IO_RUN, 0);
        rounds();
        answered_once(3);
        sys.held_up_by = 0;
        stop();
}
END_TEST

enum change { RULES_STAY, RULES_CHANGE, RULES_GO };

/* The rules are loaded anew. */
static void reload(enum change change) {
        struct policy_report report;

        if (change == RULES_CHANGE) /* they still say the same of everybody */
                fake_file_add("/etc/fsopd/policy.d/b.yaml", "rules: # none yet\n");
        if (change == RULES_GO)
                fake_n_files = 0;
        ck_assert_int_eq(server_reload_policy(&server, &report), 0);
        policy_report_fini(&report);
}

/* What was judged long ago is not done by rules that are no more. */
START_TEST(a_reload_revokes_what_was_made_to_wait) {
        static const struct {
                unsigned ms;
                enum change change;
                int code;
        } cases[] = {{10, RULES_CHANGE, 0}, {1000, RULES_STAY, 0}, {1000, RULES_CHANGE, FSOP_EAGAIN}, {1000, RULES_GO, FSOP_EAGAIN}};
        struct operation ops[3];

        for (unsigned n = 0; n < 4; n++) {
                start(CALLER_UID);
                for (int i = 0; i < 3; i++)
                        ops[i] = chown_op("/srv/build/f", CALLER_UID);
                sys.slow = true;
                sys.held_up_by = 7;
                begin_held(ops, 3);
                complete_all(IO_RESOLVE, 0);
                fake_now_ms += cases[n].ms;
                fake_engine_run_inline(server.engine, true);
                reload(cases[n].change);
                rounds();
                answered_once(3);
                ck_assert_uint_eq(sys.ran_as_service, cases[n].code ? 0 : 3);
                for (int i = 0; i < 3; i++)
                        ck_assert_int_eq(got.results[i].error.code, cases[n].code);
                stop();
        }
}
END_TEST

/* MS pass in the loop. */
static void time_passes(uint64_t ms) {
        server.now_ms = fake_now_ms += ms;
        server_expire_tasks(&server);
        rounds();
}

/*
 * Its intent is written, and it waits for a worker: rules that are no more leave it a second, and the caller's own as long as it takes.
 * So do rules that are the same, however often they are loaded.
 */
START_TEST(a_reload_revokes_what_waits_to_run) {
        struct operation ops[] = {chown_op("/srv/build/f", 1000), stat_op("/net/f"), chown_op("/srv/build/f", 1000)};

        for (int n = 0; n < 3; n++) {
                bool stays = n > 0;

                start(CALLER_UID);
                sys.slow = true;
                begin_held(&ops[n], 1);
                complete_all(IO_RESOLVE, 0);
                rounds();
                ck_assert_uint_eq(fake_engine_count(server.engine, IO_RUN), 1);
                time_passes(100000);
                reload(n == 2 ? RULES_STAY : RULES_CHANGE);
                time_passes(999);
                reload(n == 2 ? RULES_STAY : RULES_GO);
                ck_assert_uint_eq(fake_engine_count(server.engine, IO_RUN), 1);
                time_passes(1);
                ck_assert_uint_eq(fake_engine_count(server.engine, IO_RUN), stays);
                ck_assert_uint_eq(sys.runs, 0);
                complete_all(IO_RUN, 0);
                rounds();
                answered_once(1);
                ck_assert_int_eq(got.results[0].error.code, stays ? 0 : FSOP_EAGAIN);
                if (!stays)
                        ck_assert_int_eq(got.results[0].error.class_, FSOP_CLASS_BUSY);
                stop();
        }
}
END_TEST

/* What is with workers comes back. False: nothing was. */
static bool workers_go_on(void) {
        unsigned n = fake_engine_count(server.engine, IO_RESOLVE) + fake_engine_count(server.engine, IO_RUN);
        struct io *io;

        complete_all(IO_RESOLVE, 0);
        complete_all(IO_RUN, 0);
        for (; (io = fake_engine_pending(server.engine, IO_CALL, 0)); n++) {
                io->u.call(io);
                fake_engine_complete(server.engine, io, 0, 0);
        }
        rounds();
        return n > 0;
}

/* Only the windows that were judged before are: the next ones of the same batch are asked about anew. */
START_TEST(a_reload_leaves_the_next_window_alone) {
        struct operation ops[] = {chown_op("/srv/build/f", 1000), chown_op("/srv/build/g", 1000)};

        start(CALLER_UID);
        sys.slow = true;
        fake_engine_run_inline(server.engine, false);
        send_batch(1, FSOP_BATCH_ORDERED, ops, 2);
        rounds();
        while (fake_engine_count(server.engine, IO_RUN) == 0)
                ck_assert(workers_go_on());
        reload(RULES_CHANGE);
        ck_assert(workers_go_on());
        ck_assert_uint_eq(sys.runs, 1);
        time_passes(1000);
        while (workers_go_on())
                ;
        answered_once(2);
        ck_assert_int_eq(got.results[1].error.code, 0);
        ck_assert_uint_eq(sys.ran_as_service, 2);
        stop();
}
END_TEST

/* A descriptor can make it wait before anybody is asked: then the rules that are in force by then are. */
START_TEST(what_waits_to_be_located_is_judged_by_the_rules_of_then) {
        struct operation op = {.verb = FSOP_VERB_CHOWN, .at = {.kind = LOCATION_FD, .path = {(const uint8_t *)"y", 1}},
                               .args.chown = {.has_uid = true, .uid = 1000}};
        struct message message = {.kind = MESSAGE_BATCH, .body.batch = {.id = 1, .ops = &op, .n_ops = 1}};

        for (int calls = 0; calls < 3; calls++) { /* rules change while the first call hangs, while the second does, not at all */
                os_fd fd;

                start(CALLER_UID);
                fake_engine_run_inline(server.engine, false);
                fd = fake_fd_open("/srv/build");
                send_message(&message, &fd, 1);
                for (int call = 0; call < 2; call++) {
                        struct io *io;

                        rounds();
                        io = fake_engine_pending(server.engine, IO_CALL, 0);
                        ck_assert_ptr_nonnull(io);
                        io->result = 0;
                        if (call == calls) {
                                fake_engine_run_inline(server.engine, true);
                                reload(RULES_GO);
                        }
                        io->u.call(io);
                        fake_engine_complete(server.engine, io, io->result, 0);
                        if (call == calls)
                                break;
                }
                fake_engine_run_inline(server.engine, true);
                rounds();
                answered_once(1);
                ck_assert_uint_eq(sys.ran_as_service, calls == 2);
                ck_assert_uint_eq(sys.ran_as_caller, calls != 2);
                stop();
        }
}
END_TEST

/* … also what only shares the window with a descriptor. */
START_TEST(what_waits_for_another_is_judged_by_the_rules_of_then) {
        struct operation ops[] = {{.verb = FSOP_VERB_STAT, .as = FSOP_AS_CALLER, .at = {.kind = LOCATION_FD}},
                                  chown_op("/srv/build/f", 1000)};
        struct message message = {.kind = MESSAGE_BATCH, .body.batch = {.id = 1, .ops = ops, .n_ops = 2}};
        os_fd fd;

        start(CALLER_UID);
        fake_engine_run_inline(server.engine, false);
        fd = fake_fd_open("/srv/build");
        send_message(&message, &fd, 1);
        rounds();
        reload(RULES_GO);
        while (workers_go_on())
                ;
        answered_once(2);
        ck_assert(!got.results[1].elevated);
        ck_assert_uint_eq(sys.ran_as_caller, 2);
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
                                stat_op("/etc/passwd"), chown_op("/srv/build/f", 1000),
                                {.verb = FSOP_VERB_MKDIR, .at = at("/srv/build/d"), .args.mkdir = {.create = true, .mode = 0755}},
                                {.verb = FSOP_VERB_RENAME, .at = at("/srv/build/a"), .to = at("/srv/build/b")},
                                {.verb = FSOP_VERB_OPEN, .at = at("/srv/build/f"), .args.open = {.read = true}},
                                {.verb = FSOP_VERB_OPEN_FD, .at = at("/srv/build/f"), .args.open = {.read = true}},
                                {.verb = FSOP_VERB_LS, .at = at("/srv/build"), .args.ls = {.entries_max = 10}},
                                {.verb = FSOP_VERB_INFO, .at = at("/srv")},
                                {.verb = FSOP_VERB_STATUS},
                                {.verb = FSOP_VERB_UNLINK, .at = at("/srv/build/x"), .args.unlink = {.recursive = true}},
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
                                stat_op("/etc/passwd"), chown_op("/srv/build/f", 1000),
                                {.verb = FSOP_VERB_LS, .at = at("/srv/build"), .args.ls = {.entries_max = 10}},
                                {.verb = FSOP_VERB_INFO, .at = at("/srv")},
                                {.verb = FSOP_VERB_EXPLAIN, .args.explain = {.user = {(const uint8_t *)"alice", 5}, .op = NULL}},
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

/* The intent is there before anything is done; the outcome comes with the next line, after a while, or when the client goes. */
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

/* A rule let somebody look for what is not there: that is on record before it is told, once a window, and else not told. */
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
                fake_engine_complete(server.engine, fake_engine_pending(server.engine, IO_RESOLVE, 0), -FSOP_ECANCELED, 0);
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
        struct message message = {.kind = MESSAGE_BATCH, .body.batch = {.id = 1, .deadline_ms = 10, .ops = &op, .n_ops = 1}};

        start(CALLER_UID);
        sys.slow = true;
        fake_engine_run_inline(server.engine, false);
        send_message(&message, NULL, 0);
        rounds();
        task_cancel(session->tasks, -FSOP_ETIMEDOUT); /* what the loop does when the time has come */
        if (fake_engine_pending(server.engine, IO_RESOLVE, 0))
                fake_engine_complete(server.engine, fake_engine_pending(server.engine, IO_RESOLVE, 0), -FSOP_ECANCELED, 0);
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
                                        fake_engine_complete(server.engine, io, io->kind == IO_RESOLVE ? sys_resolve(io->u.op, 0) :
                                                             io->kind == IO_RUN ? sys_run(io->u.op) : io->result, 0);
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

START_TEST(descriptors_that_no_frame_declares_are_refused) {
        struct message ping = {.kind = MESSAGE_CANCEL, .body.cancel_id = 9};
        struct arena scratch;
        struct buffer buffer = {0};
        os_fd fd = 4;

        start(CALLER_UID);
        arena_init(&scratch, 1u << 20);
        ck_assert_int_eq(codec_encode(&scratch, &ping, 0, WIRE_FRAME_BYTES_MAX, &buffer), 0);
        fake_engine_receive(fake_engine_pending(server.engine, IO_RECEIVE, 0), buffer.data, buffer_len(&buffer), &fd, 1);
        rounds();
        ck_assert_uint_eq(got.failures, 1);
        buffer_fini(&buffer);
        arena_fini(&scratch);
        stop();
}
END_TEST

START_TEST(descriptors_that_hello_did_not_agree_on_are_refused) {
        struct message cancel = {.kind = MESSAGE_CANCEL, .body.cancel_id = 9};
        os_fd fd = 4;

        start(CALLER_UID);
        session->features = 0;
        send_message(&cancel, &fd, 1);
        rounds();
        ck_assert_uint_eq(got.failures, 1);
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

START_TEST(handles_are_opened_used_and_closed) {
        struct operation open_op = {.verb = FSOP_VERB_OPEN, .at = at("/srv/build/f"), .args.open = {.read = true}};
        struct operation read_op = {.verb = FSOP_VERB_READ, .at = {.kind = LOCATION_HANDLE}, .args.read = {.length = 10}};
        struct operation close_op = {.verb = FSOP_VERB_CLOSE, .at = {.kind = LOCATION_HANDLE}};

        start(CALLER_UID);
        send_batch(1, FSOP_BATCH_PARALLEL, &open_op, 1);
        rounds();
        ck_assert_int_eq(got.results[0].error.code, 0);
        read_op.at.handle = close_op.at.handle = got.results[0].value.handle;
        send_batch(2, FSOP_BATCH_PARALLEL, &read_op, 1);
        rounds();
        ck_assert_int_eq(got.results[0].error.code, 0);
        ck_assert(got.results[0].elevated);
        read_op.as = FSOP_AS_CALLER; /* a caller operation on an elevated handle */
        send_batch(3, FSOP_BATCH_PARALLEL, &read_op, 1);
        rounds();
        ck_assert_int_eq(got.results[0].error.class_, FSOP_CLASS_DENIED);
        send_batch(4, FSOP_BATCH_PARALLEL, &close_op, 1);
        rounds();
        ck_assert_int_eq(got.results[0].error.code, 0);
        ck_assert_uint_eq(session->account->handles, 0);
        send_batch(5, FSOP_BATCH_PARALLEL, &close_op, 1);
        rounds();
        ck_assert_int_eq(got.results[0].error.code, FSOP_ESTALE);
        stop();
}
END_TEST

/* What is still to be closed once everything is answered, or NULL. */
static struct io *still_to_be_closed(void) {
        struct io *io = NULL;

        rounds();
        while (!(got.last_frames > 0 && (io = fake_engine_pending(server.engine, IO_CALL, 0))) && workers_go_on())
                ;
        return io;
}

/* Whose closing hangs is hurt by it, and nobody else; and it does not get more descriptors by that than it may have. */
START_TEST(what_hangs_while_it_is_closed_is_its_users) {
        struct operation op = {.verb = FSOP_VERB_STAT, .as = FSOP_AS_CALLER, .at = {.kind = LOCATION_FD}};
        struct message message = {.kind = MESSAGE_BATCH, .body.batch = {.id = 1, .ops = &op, .n_ops = 1}};
        struct account *account;
        struct io *io;
        os_fd fd;

        start(CALLER_UID);
        account = session->account;
        fake_engine_run_inline(server.engine, false);
        fd = fake_fd_open("/srv/build");
        send_message(&message, &fd, 1);
        io = still_to_be_closed();
        ck_assert_ptr_nonnull(io);
        ck_assert_uint_eq(io->whose, CALLER_UID);
        ck_assert_uint_eq(account->fds, 1);
        ck_assert_ptr_eq(accounts_connect(&server.accounts, CALLER_UID, 2), account);
        accounts_disconnect(&server.accounts, account);
        ck_assert_uint_eq(account->fds, 1);
        fake_engine_run_inline(server.engine, true);
        rounds();
        ck_assert_uint_eq(account->fds, 0);
        stop();
}
END_TEST

/* The last descriptor of a removed file frees it, which is not for the loop to wait for. */
START_TEST(large_files_are_closed_by_workers) {
        struct operation ops[2] = {chown_op("/srv/build/f", 1000),
                                   {.verb = FSOP_VERB_OPEN, .at = at("/srv/build/f"), .args.open = {.read = true}}};
        struct operation close_op = {.verb = FSOP_VERB_CLOSE, .at = {.kind = LOCATION_HANDLE}};

        for (int large = 0; large < 2; large++) {
                start(CALLER_UID);
                send_batch(1, FSOP_BATCH_PARALLEL, &ops[1], 1);
                rounds();
                close_op.at.handle = got.results[0].value.handle;
                fake_engine_run_inline(server.engine, false);
                sys.large = large;
                memset(&got, 0, sizeof(got));
                send_batch(2, FSOP_BATCH_PARALLEL, &ops[0], 1);
                ck_assert_int_eq(still_to_be_closed() != NULL, large);
                while (workers_go_on())
                        ;
                memset(&got, 0, sizeof(got));
                send_batch(3, FSOP_BATCH_PARALLEL, &close_op, 1);
                ck_assert_int_eq(still_to_be_closed() != NULL, large);
                sys.large = false;
                stop();
        }
}
END_TEST

/* The kernel keeps what nobody fetches, in the daemon's name. */
START_TEST(descriptors_that_nobody_reads_are_counted) {
        struct operation ops[3];
        struct account *account;

        start(CALLER_UID);
        account = session->account;
        config->limits.descriptors_per_uid = 2;
        for (int i = 0; i < 3; i++)
                ops[i] = (struct operation){.verb = FSOP_VERB_OPEN_FD, .as = FSOP_AS_CALLER, .at = at("/home/f"), .args.open = {.read = true}};
        kit_is_unread = true;
        send_batch(1, FSOP_BATCH_PARALLEL, ops, 3);
        rounds();
        answered_once(3);
        ck_assert_int_eq(got.results[1].error.code, 0);
        ck_assert_int_eq(got.results[2].error.code, FSOP_EMFILE);
        ck_assert_uint_eq(account->fds, 2);
        kit_is_unread = false;
        send_batch(2, FSOP_BATCH_PARALLEL, ops, 1);
        rounds();
        ck_assert_int_eq(got.results[0].error.code, 0);
        /* nor are they forgotten with the connection */
        kit_is_unread = true;
        session_close(session);
        rounds();
        ck_assert_ptr_nonnull(server.sessions);
        ck_assert_uint_eq(account->fds, 1);
        kit_is_unread = false;
        session_expire(server.hello_first);
        rounds();
        ck_assert_ptr_null(server.sessions);
        stop();
}
END_TEST

/* Its client has passed its own end of the connection, and is gone: nothing more can come, not even the end. */
START_TEST(descriptors_do_not_wait_for_ever) {
        static const uint8_t part[] = {100, 0, 0, 0, 1, 0, 0, 0, 1};
        os_fd fd;

        start(CALLER_UID);
        fd = fake_fd_open(NULL);
        ck_assert_ptr_null(server.hello_first);
        fake_engine_receive(&session->receive, part, sizeof(part), &fd, 1);
        rounds();
        ck_assert_ptr_eq(server.hello_first, session);
        connect_as(CALLER_UID + 1); /* whose Hello, which comes sooner, did not wait behind it */
        ck_assert_ptr_eq(server.hello_first, session);
        ck_assert_ptr_eq(server.hello_last, session);
        session_expire(session);
        rounds();
        ck_assert_uint_eq(got.failures, 1);
        stop();
}
END_TEST

static void is_not_called_back(struct task_op *o) {
        (void)o;
}

/* A request that waits for what may never happen is no work of the daemon's that they could be waiting for. */
START_TEST(descriptors_do_not_wait_behind_a_watch) {
        static const uint8_t part[] = {100, 0, 0, 0, 1, 0, 0, 0, 1};
        struct operation op = chown_op("/srv/build/f", 1000);
        os_fd fd;

        start(CALLER_UID);
        fake_engine_run_inline(server.engine, false);
        send_batch(1, FSOP_BATCH_PARALLEL, &op, 1);
        fd = fake_fd_open(NULL);
        fake_engine_receive(&session->receive, part, sizeof(part), &fd, 1);
        session_end_round(session);
        ck_assert_uint_eq(session->n_tasks, 1);
        ck_assert_ptr_null(server.hello_first);
        task_park(&session->tasks->ops[0], is_not_called_back);
        session_end_round(session);
        ck_assert_ptr_null(server.hello_first); /* one of the two is the engine's */
        session->tasks->pending--;
        session_end_round(session);
        ck_assert_ptr_eq(server.hello_first, session);
        session->tasks->ops[0].on_cancel = NULL;
        fake_engine_run_inline(server.engine, true);
        while (workers_go_on())
                ;
        stop();
}
END_TEST

static uint64_t other_handle;

/* As if another batch closed it meanwhile. */
static void close_other_handle(const struct sys_op *op, int code) {
        (void)code;
        if (op->op->verb == FSOP_VERB_STAT)
                ck_assert(handles_remove(&session->handles, other_handle));
        else
                ck_assert_int_eq(op->cache->stale, op->result->index == 2);
}

/* What a batch knows below a handle's descriptor is worth nothing once that number may be another directory's. */
START_TEST(parents_below_a_closed_handle_are_forgotten) {
        struct operation open_op = {.verb = FSOP_VERB_OPENDIR, .at = at("/srv/build")};
        struct operation ops[3] = {chown_op("sub/f", CALLER_UID), stat_op("/home/file"), chown_op("/srv/build/g", CALLER_UID)};

        start(CALLER_UID);
        send_batch(1, FSOP_BATCH_PARALLEL, &open_op, 1);
        rounds();
        ck_assert_int_eq(got.results[0].error.code, 0);
        ops[0].at.kind = LOCATION_HANDLE;
        ops[0].at.handle = other_handle = got.results[0].value.handle;
        sys.ran = close_other_handle;
        send_batch(2, FSOP_BATCH_ORDERED, ops, 3);
        rounds();
        ck_assert_uint_eq(got.batches[2], 1);
        ck_assert_uint_eq(session->handles.used, 0);
        session->account->handles--;
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
        tcase_add_test(tcase, windows_cover_a_large_batch);
        tcase_add_test(tcase, a_large_window_is_shared);
        tcase_add_test(tcase, a_forced_route_is_not_shared);
        tcase_add_test(tcase, names_of_a_directory_stay_together);
        tcase_add_test(tcase, a_shared_window_is_cancelled);
        tcase_add_test(tcase, every_failure_in_a_shared_window_is_answered_once);
        tcase_add_test(tcase, what_slices_give_back_is_handed_over_by_itself);
        tcase_add_test(tcase, nothing_cancelled_is_looked_up);
        tcase_add_test(tcase, what_is_held_up_shares_no_parents);
        tcase_add_test(tcase, a_reload_revokes_what_was_made_to_wait);
        tcase_add_test(tcase, a_reload_revokes_what_waits_to_run);
        tcase_add_test(tcase, a_reload_leaves_the_next_window_alone);
        tcase_add_test(tcase, what_waits_to_be_located_is_judged_by_the_rules_of_then);
        tcase_add_test(tcase, what_waits_for_another_is_judged_by_the_rules_of_then);
        tcase_add_test(tcase, ordered_stop_stops);
        tcase_add_test(tcase, every_failure_is_answered_once);
        tcase_add_test(tcase, every_engine_failure_is_answered_once);
        tcase_add_test(tcase, without_audit_nothing_is_elevated);
        tcase_add_test(tcase, without_audit_nothing_elevated_is_told);
        tcase_add_test(tcase, what_reads_is_recorded_once);
        tcase_add_test(tcase, what_is_looked_up_in_vain_is_recorded);
        tcase_add_test(tcase, what_is_looked_up_in_vain_is_recorded_together);
        tcase_add_test(tcase, outcomes_wait_for_the_next_line);
        tcase_add_test(tcase, cancel_answers_once);
        tcase_add_test(tcase, a_deadline_answers_once);
        tcase_add_test(tcase, death_gives_everything_back);
        tcase_add_test(tcase, a_silent_reader_is_held_back);
        tcase_add_test(tcase, no_more_batches_at_a_time_than_agreed);
        tcase_add_test(tcase, garbage_is_refused);
        tcase_add_test(tcase, descriptors_that_no_frame_declares_are_refused);
        tcase_add_test(tcase, descriptors_that_hello_did_not_agree_on_are_refused);
        tcase_add_test(tcase, a_batch_id_in_use_is_refused);
        tcase_add_test(tcase, handles_are_opened_used_and_closed);
        tcase_add_test(tcase, what_hangs_while_it_is_closed_is_its_users);
        tcase_add_test(tcase, large_files_are_closed_by_workers);
        tcase_add_test(tcase, descriptors_that_nobody_reads_are_counted);
        tcase_add_test(tcase, descriptors_do_not_wait_for_ever);
        tcase_add_test(tcase, descriptors_do_not_wait_behind_a_watch);
        tcase_add_test(tcase, parents_below_a_closed_handle_are_forgotten);
        tcase_add_test(tcase, a_foreign_client_has_no_paths);
        tcase_add_test(tcase, only_administrators_reload);
        suite_add_tcase(suite, tcase);
        return suite_run(suite);
}
