/* SPDX-License-Identifier: MIT */
/*
 * test_steps_handles.c: what stays open between requests: handles, and descriptors that clients pass.
 */
#include <string.h>

#include "tests/support/steps_kit.h"
#include "tests/support/suite.h"

START_TEST(descriptors_that_no_frame_declares_are_refused) {
        struct message ping = {.kind = MESSAGE_CANCEL, .body.cancel_id = 9};
        struct arena scratch;
        struct buffer buffer = {0};
        os_fd fd = 4;

        start(CALLER_UID);
        arena_init(&scratch, 1u << 20);
        ck_assert_int_eq(codec_encode(&scratch, &ping, 0, WIRE_FRAME_BYTES_MAX, &buffer), 0);
        fake_engine_receive(fake_engine_pending(server.engine, IO_RECEIVE, 0), buffer.data, buffer_len(&buffer), &fd,
                            1);
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

START_TEST(handles_are_opened_used_and_closed) {
        struct operation open_op = {.verb = FSOP_VERB_OPEN, .at = at("/srv/build/f"), .args.open = {.read = true}};
        struct operation read_op = {
                .verb = FSOP_VERB_READ, .at = {.kind = LOCATION_HANDLE}, .args.read = {.length = 10}};
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
                ops[i] = (struct operation){.verb = FSOP_VERB_OPEN_FD,
                                            .as = FSOP_AS_CALLER,
                                            .at = at("/home/f"),
                                            .args.open = {.read = true}};
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
        /* nor are they forgotten with the connection, which its client is not to wait for */
        kit_is_unread = true;
        kit_shut = 0;
        session_close(session);
        rounds();
        ck_assert_ptr_nonnull(server.sessions);
        ck_assert_uint_eq(kit_shut, 1);
        ck_assert_uint_eq(account->fds, 1);
        kit_is_unread = false;
        session_expire(server.deadlines[DEADLINE_LOOK].first);
        rounds();
        ck_assert_ptr_null(server.sessions);
        stop();
}
END_TEST

/* What was read before more is sent is read, and who has too many on their way is kept from nothing else. */
START_TEST(descriptors_that_are_read) {
        struct operation op = {
                .verb = FSOP_VERB_OPEN_FD, .as = FSOP_AS_CALLER, .at = at("/home/f"), .args.open = {.read = true}};

        start(CALLER_UID);
        for (unsigned i = 1; i <= 3; i++) {
                kit_is_unread = false; /* until then */
                send_batch(i, FSOP_BATCH_PARALLEL, &op, 1);
                rounds();
                ck_assert_uint_eq(session->account->fds, 1);
        }
        kit_is_unread = true;
        config->limits.descriptors_per_uid = 0;
        op = (struct operation){.verb = FSOP_VERB_PING};
        memset(&got, 0, sizeof(got));
        send_batch(4, FSOP_BATCH_PARALLEL, &op, 1);
        rounds();
        answered_once(1);
        ck_assert_int_eq(got.results[0].error.code, 0);
        kit_is_unread = false;
        stop();
}
END_TEST

/* Nor does it count twice in what follows of its batch; and as many may be on their way, no handle is opened either. */
START_TEST(descriptors_of_two_windows) {
        struct operation ops[TASK_WINDOW_OPS + 1], open_op = {.verb = FSOP_VERB_OPENDIR, .at = at("/home/d")};

        start(CALLER_UID);
        config->limits.descriptors_per_uid = 2;
        kit_is_unread = true;
        for (uint32_t i = 0; i <= TASK_WINDOW_OPS; i++)
                ops[i] = stat_op("/home/f");
        ops[0] = ops[TASK_WINDOW_OPS] = (struct operation){
                .verb = FSOP_VERB_OPEN_FD, .as = FSOP_AS_CALLER, .at = at("/home/f"), .args.open = {.read = true}};
        send_batch(1, FSOP_BATCH_PARALLEL, ops, TASK_WINDOW_OPS + 1);
        rounds();
        answered_once(TASK_WINDOW_OPS + 1);
        ck_assert_int_eq(got.results[0].error.code, 0);
        ck_assert_int_eq(got.results[TASK_WINDOW_OPS].error.code, 0);
        ck_assert_uint_eq(session->account->fds, 2);
        send_batch(2, FSOP_BATCH_PARALLEL, &open_op, 1);
        rounds();
        ck_assert_int_eq(got.results[0].error.code, FSOP_EMFILE);
        kit_is_unread = false;
        stop();
}
END_TEST

/* A daemon that stops waits for no reader, and owes nothing to whoever has other connections. */
START_TEST(descriptors_that_nobody_reads_at_the_end) {
        struct operation op = {
                .verb = FSOP_VERB_OPEN_FD, .as = FSOP_AS_CALLER, .at = at("/home/f"), .args.open = {.read = true}};
        struct session *other;
        struct account *account;

        start(CALLER_UID);
        account = session->account;
        kit_is_unread = true;
        send_batch(1, FSOP_BATCH_PARALLEL, &op, 1);
        rounds();
        ck_assert_uint_eq(account->fds, 1);
        other = connect_as(CALLER_UID);
        server.draining = true;
        session_close(session);
        rounds();
        ck_assert_ptr_eq(server.sessions, other);
        ck_assert_ptr_null(other->next);
        ck_assert_uint_eq(account->fds, 0);
        server.draining = kit_is_unread = false;
        session_close(other);
        rounds();
        stop();
}
END_TEST

/* Its client has passed its own end of the connection, and is gone: nothing more can come, not even the end. */
START_TEST(descriptors_do_not_wait_for_ever) {
        static const uint8_t part[] = {100, 0, 0, 0, 1, 0, 0, 0, 1};
        os_fd fd;

        start(CALLER_UID);
        fd = fake_fd_open(NULL);
        ck_assert_ptr_null(server.deadlines[DEADLINE_FDS].first);
        fake_engine_receive(&session->receive, part, sizeof(part), &fd, 1);
        rounds();
        ck_assert_ptr_eq(server.deadlines[DEADLINE_FDS].first, session);
        connect_as(CALLER_UID + 1); /* whose Hello, which comes sooner, did not wait behind it */
        ck_assert_ptr_eq(server.deadlines[DEADLINE_FDS].first, session);
        ck_assert_ptr_eq(server.deadlines[DEADLINE_FDS].last, session);
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
        ck_assert_ptr_null(server.deadlines[DEADLINE_FDS].first);
        task_park(&session->tasks->ops[0], is_not_called_back);
        session_end_round(session);
        ck_assert_ptr_null(server.deadlines[DEADLINE_FDS].first); /* one of the two is the engine's */
        session->tasks->pending--;
        session_end_round(session);
        ck_assert_ptr_eq(server.deadlines[DEADLINE_FDS].first, session);
        session->tasks->ops[0].on_cancel = NULL;
        session->tasks->n_parked = 0;
        fake_engine_run_inline(server.engine, true);
        while (workers_go_on())
                ;
        stop();
}
END_TEST

/* Nor are answers that nobody reads: the client may be gone, and what it passed be its own end. Whoever reads has time
 * again. */
START_TEST(descriptors_do_not_wait_for_a_reader) {
        static const uint8_t much[1500];
        struct operation ops[640];
        struct message message = {.kind = MESSAGE_BATCH, .body.batch = {.id = 1, .ops = ops, .n_ops = 640}};
        uint64_t deadline_ms;
        os_fd fd;

        start(CALLER_UID);
        client_reads = false;
        for (int i = 0; i < 640; i++)
                ops[i] = (struct operation){.verb = FSOP_VERB_PING, .args.ping = {much, sizeof(much)}};
        fd = fake_fd_open(NULL);
        send_message(&message, &fd, 1);
        rounds();
        ck_assert_uint_eq(session->n_tasks, 1);
        ck_assert(session->sending);
        ck_assert_ptr_eq(server.deadlines[DEADLINE_FDS].first, session);
        deadline_ms = session->deadline_ms;
        ck_assert_uint_eq(deadline_ms, server.now_ms + 60000);
        server.now_ms = fake_now_ms += 1000;
        ck_assert(read_send());
        rounds();
        ck_assert_uint_eq(session->n_tasks, 1);
        ck_assert_uint_eq(session->deadline_ms, deadline_ms + 1000);
        session_expire(session);
        ck_assert_int_ne(session->state, SESSION_OPEN);
        client_reads = true;
        rounds();
        ck_assert_uint_eq(got.failures, 1);
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
        struct operation ops[3] = {chown_op("sub/f", CALLER_UID), stat_op("/home/file"),
                                   chown_op("/srv/build/g", CALLER_UID)};

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

int main(void) {
        Suite *suite = suite_create("steps_handles");
        TCase *tcase = tcase_create("steps");

        tcase_set_timeout(tcase, 60);
        tcase_add_test(tcase, descriptors_that_no_frame_declares_are_refused);
        tcase_add_test(tcase, descriptors_that_hello_did_not_agree_on_are_refused);
        tcase_add_test(tcase, handles_are_opened_used_and_closed);
        tcase_add_test(tcase, what_hangs_while_it_is_closed_is_its_users);
        tcase_add_test(tcase, large_files_are_closed_by_workers);
        tcase_add_test(tcase, descriptors_that_nobody_reads_are_counted);
        tcase_add_test(tcase, descriptors_that_nobody_reads_at_the_end);
        tcase_add_test(tcase, descriptors_that_are_read);
        tcase_add_test(tcase, descriptors_of_two_windows);
        tcase_add_test(tcase, descriptors_do_not_wait_for_ever);
        tcase_add_test(tcase, descriptors_do_not_wait_behind_a_watch);
        tcase_add_test(tcase, descriptors_do_not_wait_for_a_reader);
        tcase_add_test(tcase, parents_below_a_closed_handle_are_forgotten);
        suite_add_tcase(suite, tcase);
        return suite_run(suite);
}
