/* SPDX-License-Identifier: MIT */
/*
 * test_steps_shared.c: windows that workers share: who gets which slice, and what comes back of it.
 */
#include <string.h>

#include "tests/support/steps_kit.h"
#include "tests/support/suite.h"

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
                        ops[i] = (struct operation){.verb = FSOP_VERB_MKDIR,
                                                    .at = at("/srv/build/d"),
                                                    .args.mkdir = {.create = true, .mode = 0755}};
                        break;
                case 3:
                        ops[i] = (struct operation){
                                .verb = FSOP_VERB_RENAME, .at = at("/srv/build/a"), .to = at("/srv/build/b")};
                        break;
                default:
                        ops[i] = (struct operation){
                                .verb = FSOP_VERB_OPEN, .at = at("/etc/passwd"), .args.open = {.read = true}};
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

static uint64_t charged_for(uint32_t n) {
        struct operation ops[40];
        uint64_t bytes;

        for (uint32_t i = 0; i < n; i++)
                ops[i] = chown_op("/srv/build/f", 1000);
        start(CALLER_UID);
        bytes = server.bytes_most = server.bytes;
        begin_held(ops, n);
        bytes = server.bytes_most - bytes;
        complete_all(IO_RESOLVE, 0);
        rounds();
        complete_all(IO_RUN, 0);
        rounds();
        answered_once(n);
        ck_assert_uint_eq(session->account->tasks, 0);
        stop();
        return bytes;
}

/* From 32 on the slices' own memory is its user's, too. */
START_TEST(slices_are_charged) {
        uint64_t few = charged_for(31), many = charged_for(32);

        ck_assert_uint_lt(few - charged_for(30), 4096);
        ck_assert_uint_gt(many - few, 8192);
        ck_assert_uint_lt(charged_for(33) - many, 4096);
}
END_TEST

/* One directory's lock is not fought over: whoever makes names in it is in one slice. */
START_TEST(names_of_a_directory_stay_together) {
        static struct operation ops[SHARED_OPS];
        unsigned slices = 0;

        for (int i = 0; i < SHARED_OPS; i++)
                ops[i] = (struct operation){.verb = FSOP_VERB_MKDIR,
                                            .at = at(i % 2 ? "/srv/build/x/d" : "/srv/build/y/d"),
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

/* Whoever removes large files gives way between any two of them: they are no slice. */
START_TEST(large_files_are_no_slice) {
        static struct operation ops[SHARED_OPS];
        const struct io *io;
        unsigned n = 0;

        for (int i = 0; i < SHARED_OPS; i++)
                ops[i] = (struct operation){.verb = FSOP_VERB_UNLINK, .at = at("/srv/build/f")};
        begin_shared(ops);
        complete_all(IO_RESOLVE, 0);
        for (int i = 0; i < SHARED_OPS / 2; i++) {
                session->tasks->ops[i].sys.at.has_stat = true;
                session->tasks->ops[i].sys.at.stat =
                        (struct fsop_stat){.nlink = 1, .size = 1u << 30, .blocks = 1u << 21};
        }
        rounds();
        for (unsigned i = 0; (io = fake_engine_pending(server.engine, IO_RUN, i)); i++)
                if (io->u.op->at.stat.blocks > SYS_SMALL_BLOCKS) {
                        ck_assert_ptr_null(io->u.op->next);
                        n++;
                }
        ck_assert_uint_eq(n, SHARED_OPS / 2);
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
                        if (when == 0 ||
                            got.results[i].verb != FSOP_VERB_STAT) /* those were answered when they were looked up */
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

/* What slices would have to wait for goes to workers by itself; but nothing does any more of what was cancelled
 * meanwhile. */
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

int main(void) {
        Suite *suite = suite_create("steps_shared");
        TCase *tcase = tcase_create("steps");

        tcase_set_timeout(tcase, 60);
        tcase_add_test(tcase, a_large_window_is_shared);
        tcase_add_test(tcase, a_forced_route_is_not_shared);
        tcase_add_test(tcase, slices_are_charged);
        tcase_add_test(tcase, names_of_a_directory_stay_together);
        tcase_add_test(tcase, large_files_are_no_slice);
        tcase_add_test(tcase, a_shared_window_is_cancelled);
        tcase_add_test(tcase, every_failure_in_a_shared_window_is_answered_once);
        tcase_add_test(tcase, what_slices_give_back_is_handed_over_by_itself);
        tcase_add_test(tcase, what_is_held_up_shares_no_parents);
        suite_add_tcase(suite, tcase);
        return suite_run(suite);
}
