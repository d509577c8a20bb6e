/* SPDX-License-Identifier: MIT */
/*
 * test_steps_reload.c: rules that change while requests wait: by which of them each is judged.
 */
#include "tests/support/steps_kit.h"
#include "tests/support/suite.h"

enum change { RULES_STAY, RULES_CHANGE, RULES_GO };

/* The rules are loaded anew. */
static void reload(enum change change) {
        struct policy_report report;

        if (change == RULES_CHANGE) /* they still say the same of everybody */
                fake_file_add("/etc/fsopd/policy.d/b.yaml", "rules: # none yet\n");
        if (change == RULES_GO)
                fake_n_files = 0;
        ck_assert_int_eq(server_reload(&server, &report), 0);
        policy_report_fini(&report);
}

/* What was judged long ago is not done by rules that are no more. */
START_TEST(a_reload_revokes_what_was_made_to_wait) {
        static const struct {
                unsigned ms;
                enum change change;
                int code;
        } cases[] = {{10, RULES_CHANGE, 0},
                     {1000, RULES_STAY, 0},
                     {1000, RULES_CHANGE, FSOP_EAGAIN},
                     {1000, RULES_GO, FSOP_EAGAIN}};
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
 * Its intent is written, and it waits for a worker: rules that are no more leave it a second, and the caller's own as
 * long as it takes. So do rules that are the same, however often they are loaded.
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
        struct operation op = {.verb = FSOP_VERB_CHOWN,
                               .at = {.kind = LOCATION_FD, .path = {(const uint8_t *)"y", 1}},
                               .args.chown = {.has_uid = true, .uid = 1000}};
        struct message message = {.kind = MESSAGE_BATCH, .body.batch = {.id = 1, .ops = &op, .n_ops = 1}};

        for (int calls = 0; calls < 3;
             calls++) { /* rules change while the first call hangs, while the second does, not at all */
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

int main(void) {
        Suite *suite = suite_create("steps_reload");
        TCase *tcase = tcase_create("steps");

        tcase_set_timeout(tcase, 60);
        tcase_add_test(tcase, a_reload_revokes_what_was_made_to_wait);
        tcase_add_test(tcase, a_reload_revokes_what_waits_to_run);
        tcase_add_test(tcase, a_reload_leaves_the_next_window_alone);
        tcase_add_test(tcase, what_waits_to_be_located_is_judged_by_the_rules_of_then);
        tcase_add_test(tcase, what_waits_for_another_is_judged_by_the_rules_of_then);
        suite_add_tcase(suite, tcase);
        return suite_run(suite);
}
