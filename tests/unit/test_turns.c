/* SPDX-License-Identifier: MIT */
/*
 * test_turns.c: no user takes more than its turn on the loop, with however many connections and however large batches;
 * and what is over a budget waits, and goes on when there is room. The clock stands still unless a test moves it, so
 * that turns are counted in operations here.
 */
#include <stdlib.h>
#include <string.h>

#include "tests/support/steps_kit.h"
#include "tests/support/suite.h"

#define OTHER_UID 2000u

static bool bytes_are(struct bytes bytes, const char *string) {
        return bytes.len == strlen(string) && memcmp(bytes.data, string, bytes.len) == 0;
}

static struct buffer encode_batch(uint64_t id, struct operation *ops, uint32_t n) {
        struct message message = {.kind = MESSAGE_BATCH, .body.batch = {.id = id, .ops = ops, .n_ops = n}};
        struct arena scratch;
        struct buffer buffer = {0};

        arena_init(&scratch, 8u << 20);
        ck_assert_int_eq(codec_encode(&scratch, &message, 0, WIRE_FRAME_BYTES_MAX, &buffer), 0);
        arena_fini(&scratch);
        return buffer;
}

static void send_stats(struct session *from, uint64_t id, uint32_t n) {
        struct operation *ops = calloc(n, sizeof(*ops));
        struct message message = {.kind = MESSAGE_BATCH, .body.batch = {.id = id, .ops = ops, .n_ops = n}};

        ck_assert_ptr_nonnull(ops);
        for (uint32_t i = 0; i < n; i++)
                ops[i] = stat_op("/home/file");
        send_to(&from->receive, &message, NULL, 0);
        free(ops);
}

static void one_round(void) {
        server.engine->ops->wait(server.engine, 0);
        server_end_round(&server);
        while (read_send())
                server.engine->ops->wait(server.engine, 0);
}

START_TEST(a_turn_is_bounded) {
        unsigned before;

        start(CALLER_UID);
        send_stats(session, 1, 1024);
        one_round(); /* workers take part */
        ck_assert_uint_gt(sys.runs, 0);
        ck_assert_uint_le(sys.runs, TURN_OPS);
        while (got.batches[1] == 0) {
                before = sys.runs;
                one_round();
                ck_assert_uint_le(sys.runs - before,
                                  2 * TURN_OPS); /* what workers had of the turn before, and a turn */
                if (session->tasks && session->tasks->pending == 0) /* else workers say when they are done */
                        ck_assert_int_eq(turns_wait_ms(&server), 0);
        }
        ck_assert_uint_eq(sys.runs, 1024);
        rounds();
        answered_once(1024);
        ck_assert_int_eq(turns_wait_ms(&server), -1);
        stop();
}
END_TEST

/* What others have queued makes no difference to who has not had a turn yet. */
START_TEST(a_small_request_does_not_wait) {
        struct session *greedy[8], *small;
        unsigned before;

        start(CALLER_UID);
        small = connect_as(OTHER_UID);
        for (unsigned i = 0; i < 8; i++)
                greedy[i] = connect_as(CALLER_UID);
        for (unsigned i = 0; i < 8; i++)
                for (uint64_t id = 10; id < 14; id++)
                        send_stats(greedy[i], id, 1024);
        for (unsigned i = 0; i < 5; i++) {
                one_round();
                before = sys.runs;
                ck_assert_uint_lt(before, 8192);
                send_stats(small, 100 + i, 1);
                ck_assert_uint_eq(sys.runs, before + 1);
                one_round();
                ck_assert_uint_eq(got.batches[100 + i], 1);
        }
        rounds();
        rounds();
        ck_assert_uint_eq(sys.runs, 8u * 4 * 1024 + 5);
        stop();
}
END_TEST

/* Eight connections against one: each user gets half. */
START_TEST(users_share_and_not_connections) {
        struct session *greedy[8], *small;

        start(CALLER_UID);
        small = connect_as(OTHER_UID);
        for (unsigned i = 0; i < 8; i++)
                greedy[i] = connect_as(CALLER_UID);
        for (unsigned i = 0; i < 8; i++)
                send_stats(greedy[i], 10 + i, 1024);
        send_stats(small, 100, 1024);
        while (got.batches[100] == 0)
                one_round();
        ck_assert_uint_le(sys.runs, 2 * 1024 + 4 * TURN_OPS);
        ck_assert_uint_ge(sys.runs, 2 * 1024 - 4 * TURN_OPS);
        rounds();
        ck_assert_uint_eq(sys.runs, 9 * 1024);
        stop();
}
END_TEST

/* Nor does one connection starve another of its user's. */
START_TEST(connections_of_a_user_take_turns) {
        struct session *other;

        start(CALLER_UID);
        other = connect_as(CALLER_UID);
        for (uint64_t id = 10; id < 14; id++)
                send_stats(session, id, 1024);
        send_stats(other, 100, 1);
        for (unsigned i = 0; i < 3; i++)
                one_round();
        ck_assert_uint_eq(got.batches[100], 1);
        ck_assert_uint_eq(got.batches[13], 0);
        rounds();
        stop();
}
END_TEST

/* Slowed down, not left out of the audit. */
START_TEST(the_audit_has_a_rate) {
        struct operation ops[512];
        struct session *small;
        uint64_t lines;
        unsigned before;

        start(CALLER_UID);
        small = connect_as(OTHER_UID);
        config->limits.audit_lines_per_uid = 100;
        for (unsigned i = 0; i < 512; i++)
                ops[i] = chown_op("/srv/build/file", CALLER_UID);
        send_batch(1, FSOP_BATCH_PARALLEL, ops, 512);
        rounds();
        ck_assert_uint_eq(sys.ran_as_service, TURN_OPS);
        lines = session->account->audit_lines;
        ck_assert_uint_eq(lines, 2 * TURN_OPS);
        ck_assert_int_gt(turns_wait_ms(&server), 1500);
        ck_assert_int_le(turns_wait_ms(&server), 1561);
        before = sys.runs;
        send_stats(small, 100, 1);
        ck_assert_uint_eq(sys.runs, before + 1);
        fake_now_ms += 1500;
        rounds();
        ck_assert_uint_eq(sys.ran_as_service, TURN_OPS);
        fake_now_ms += 61;
        rounds(); /* begins what workers have done in the next ones */
        rounds();
        ck_assert_uint_eq(sys.ran_as_service, 2 * TURN_OPS);
        for (unsigned i = 0; i < 20 && got.batches[1] == 0; i++) {
                fake_now_ms += 2600;
                rounds();
        }
        ck_assert_uint_eq(got.batches[1], 1);
        ck_assert_uint_eq(sys.ran_as_service, 512);
        ck_assert_uint_eq(session->account->audit_lines, 1024);
        stop();
}
END_TEST

static void leave(void) {
        session_close(session);
        session = NULL; /* the kit is not to look at it any more */
        rounds();
}

/* Who connects anew has still written what it has written. */
START_TEST(the_audit_remembers_who_left) {
        struct operation ops[128];
        struct session *other;

        start(CALLER_UID);
        config->limits.audit_lines_per_uid = 100;
        for (unsigned i = 0; i < 128; i++)
                ops[i] = chown_op("/srv/build/file", CALLER_UID);
        send_batch(1, FSOP_BATCH_PARALLEL, ops, 128);
        rounds();
        ck_assert_uint_eq(got.batches[1], 1);
        leave();
        ck_assert_ptr_null(server.sessions);
        session = connect_as(CALLER_UID);
        ck_assert_uint_gt(turns_audit_lines(&server, session->account), 200);
        ck_assert_uint_eq(session->account->audit_lines, 0);
        other = connect_as(OTHER_UID);
        ck_assert_uint_eq(turns_audit_lines(&server, other->account), 0);
        fake_now_ms += 2561;
        leave();
        session = connect_as(CALLER_UID);
        ck_assert_uint_eq(session->account->audit_paid_ns, 0);
        stop();
}
END_TEST

static void look_up(struct session *from, uint64_t id, unsigned n_looked_up_on_loop) {
        send_stats(from, id, 1);
        rounds();
        ck_assert_uint_eq(got.batches[id], 1);
        ck_assert_uint_eq(sys.looked_up_on_loop, n_looked_up_on_loop);
}

/* A user whose paths take long on the loop is left to the workers, the others are not. */
START_TEST(who_is_dear_leaves_the_loop) {
        struct session *other;

        start(CALLER_UID);
        other = connect_as(OTHER_UID);
        sys.look_up_ms = 3;
        look_up(session, 1, 1); /* which may have been somebody else's doing */
        look_up(session, 2, 2);
        look_up(session, 3, 2);
        look_up(other, 4, 3);
        leave();
        session = connect_as(CALLER_UID); /* is not forgotten */
        look_up(session, 5, 3);
        fake_now_ms += 1000;
        look_up(session, 6, 4);
        fake_now_ms += 1500; /* longer the second time */
        look_up(session, 7, 4);
        sys.look_up_ms = 0;
        fake_now_ms += 20000;
        look_up(session, 8, 5);
        look_up(session, 9, 6);
        stop();
}
END_TEST

START_TEST(a_turn_that_takes_long_ends_with_workers) {
        start(CALLER_UID);
        sys.look_up_ms = 3;
        send_stats(session, 1, 8);
        rounds();
        ck_assert_uint_eq(got.batches[1], 1);
        ck_assert_uint_eq(sys.looked_up_on_loop, 1);
        stop();
}
END_TEST

START_TEST(requests_in_flight_have_a_budget) {
        struct session *other, *foreign;
        struct io *io;

        start(CALLER_UID);
        other = connect_as(CALLER_UID);
        foreign = connect_as(OTHER_UID);
        config->limits.batches_per_uid = 2;
        sys.slow = true;
        fake_engine_run_inline(server.engine, false);
        send_stats(session, 10, 1);
        send_stats(session, 11, 1);
        send_stats(other, 12, 1);
        send_stats(other, 13, 1);
        send_stats(foreign, 14, 1);
        rounds();
        ck_assert_uint_eq(session->account->tasks, 2);
        ck_assert_uint_eq(other->n_tasks, 0);
        ck_assert_uint_eq(foreign->n_tasks, 1);
        ck_assert_uint_eq(fake_engine_count(server.engine, IO_RESOLVE), 3);
        io = fake_engine_pending(server.engine, IO_RESOLVE, 0);
        io->u.op->code = -FSOP_ENOENT;
        fake_engine_complete(server.engine, io, -FSOP_ENOENT, 0);
        rounds();
        ck_assert_uint_eq(got.batches[10], 1);
        ck_assert_uint_eq(other->n_tasks, 1);
        ck_assert_uint_eq(session->account->tasks, 2);
        sys.slow = false;
        fake_engine_run_inline(server.engine, true);
        rounds();
        rounds();
        for (unsigned id = 10; id < 15; id++)
                ck_assert_uint_eq(got.batches[id], 1);
        stop();
}
END_TEST

static void send_cancel(uint64_t id) {
        struct message message = {.kind = MESSAGE_CANCEL, .body.cancel_id = id};

        send_to(&session->receive, &message, NULL, 0);
}

/* What it ends may be what everything else waits for: it waits neither for room nor behind what does; and it waits for
 * nobody that the request in front of it has not begun yet. */
START_TEST(a_cancel_does_not_wait) {
        start(CALLER_UID);
        config->limits.batches_per_uid = 1;
        sys.slow = true;
        fake_engine_run_inline(server.engine, false);
        for (uint64_t id = 10; id < 13; id++)
                send_stats(session, id, 1);
        send_cancel(11);
        rounds();
        ck_assert_uint_eq(session->n_tasks, 1);
        ck_assert(!session->tasks->cancelled);
        ck_assert(session->receiving && !session->pausing);
        send_cancel(10);
        rounds();
        rounds(); /* the engine answers what is cancelled */
        rounds();
        ck_assert_uint_eq(got.batches[10], 1);
        ck_assert_uint_eq(got.batches[11], 1);
        ck_assert_uint_eq(session->n_tasks, 1);
        ck_assert_uint_eq(session->tasks->batch.id, 12);
        ck_assert(!session->tasks->cancelled);
        ck_assert_uint_gt(buffer_len(&session->in), 0);
        sys.slow = false;
        fake_engine_run_inline(server.engine, true);
        rounds();
        rounds();
        ck_assert_uint_eq(got.batches[12], 1);
        ck_assert_uint_eq(buffer_len(&session->in), 0);
        ck_assert_uint_eq(session->in_heard, 0);
        stop();
}
END_TEST

/* It is not read from, and what it waits for does not come. */
START_TEST(who_is_gone_while_not_read_from_is_seen) {
        static uint8_t data[40000];
        const struct message ping = {
                .kind = MESSAGE_BATCH,
                .body.batch = {.id = 11,
                               .n_ops = 1,
                               .ops = &(struct operation){.verb = FSOP_VERB_PING, .args.ping = {data, sizeof(data)}}}};

        start(CALLER_UID);
        kit_is_gone = false;
        config->limits.batches_per_uid = 1;
        sys.slow = true;
        fake_engine_run_inline(server.engine, false);
        send_stats(session, 10, 1);
        ck_assert_int_eq(session->deadline_kind, DEADLINE_NONE);
        for (int i = 0; i < 2; i++)
                send_to(&session->receive, &ping, NULL, 0);
        rounds();
        rounds(); /* the receive is cancelled */
        ck_assert(!session->receiving);
        ck_assert_uint_eq(session->n_tasks, 1);
        for (int i = 0; i < 3; i++) {
                ck_assert_ptr_eq(server.deadlines[DEADLINE_LOOK].first, session);
                ck_assert_uint_eq(session->deadline_ms, server.now_ms + 1000);
                server.now_ms += 1000;
                session_expire(session);
                rounds();
                ck_assert_int_eq(session->state, SESSION_OPEN);
        }
        kit_is_gone = true;
        session_expire(session);
        rounds();
        rounds();
        ck_assert_uint_eq(server.n_sessions, 0);
        kit_is_gone = false;
        stop();
}
END_TEST

static void receive_some(struct session *to, const struct buffer *frame, size_t from, size_t len) {
        fake_engine_receive(&to->receive, frame->data + frame->start + from, len, NULL, 0);
        server_end_round(&server);
}

/* A large frame of which a part is there is charged as a whole; one for which there is no room is not read on. */
START_TEST(half_sent_frames_are_charged) {
        static uint8_t data[500000];
        struct operation op = {.verb = FSOP_VERB_PING, .args.ping = {data, sizeof(data)}};
        struct session *other;
        struct account *account;
        struct buffer frame;
        size_t part = 100000, len;

        start(CALLER_UID);
        other = connect_as(CALLER_UID);
        account = session->account;
        config->limits.bytes_per_uid = 200000;
        frame = encode_batch(20, &op, 1);
        len = buffer_len(&frame);
        receive_some(session, &frame, 0, part);
        ck_assert_uint_ge(account->bytes, sizeof(data));
        ck_assert(session->receiving && !session->pausing);
        receive_some(other, &frame, 0, part);
        ck_assert_uint_lt(account->bytes, 2 * sizeof(data));
        ck_assert(other->pausing);
        fake_engine_complete(server.engine, &other->receive, -FSOP_ECANCELED, 0);
        rounds();
        ck_assert(!other->receiving);
        receive_some(session, &frame, part, len - part);
        rounds();
        ck_assert_uint_eq(got.batches[20], 1);
        ck_assert(other->receiving);
        ck_assert_uint_ge(account->bytes, sizeof(data));
        receive_some(other, &frame, part, len - part);
        rounds();
        ck_assert_uint_eq(got.batches[20], 2);
        ck_assert_uint_eq(account->bytes, 0);
        receive_some(other, &frame, 0, part);
        ck_assert_uint_ge(account->bytes, sizeof(data));
        session_close(other);
        fake_engine_complete(server.engine, &other->receive, -FSOP_ECANCELED, 0);
        rounds();
        ck_assert_uint_eq(account->bytes, 0);
        buffer_fini(&frame);
        stop();
}
END_TEST

/* However fast its client is, and however long its turn is in coming. */
START_TEST(who_waits_for_a_turn_is_not_read_on) {
        static uint8_t data[40000];
        struct operation op = {.verb = FSOP_VERB_PING, .args.ping = {data, sizeof(data)}};
        struct session *other;
        uint64_t id = 100;

        start(CALLER_UID);
        other = connect_as(CALLER_UID);
        for (uint64_t stats = 10; stats < 60; stats++)
                send_stats(session, stats, 20);
        while (!other->pausing && id < 200) {
                struct buffer frame = encode_batch(id++, &op, 1);

                receive_some(other, &frame, 0, buffer_len(&frame));
                buffer_fini(&frame);
        }
        ck_assert_uint_eq(id, 102); /* 64 KiB are enough to wait with */
        ck_assert_uint_eq(got.batches[100], 0);
        rounds();
        ck_assert_uint_eq(got.batches[100], 1);
        ck_assert_uint_eq(got.batches[101], 1);
        ck_assert(other->receiving && !other->pausing);
        stop();
}
END_TEST

/* The last descriptors are for work in hand: neither a connection nor a handle gets one; and the log does not tell it
 * each time. */
START_TEST(the_last_descriptors_are_kept) {
        struct operation op = {.verb = FSOP_VERB_OPEN, .at = at("/home/file"), .args.open.read = true};
        uint64_t connections;

        start(CALLER_UID);
        connections = server.totals.connections;
        kit_descriptors_are_short = true;
        for (unsigned i = 0; i < 50; i++)
                session_start(&server, fake_fd_open(NULL));
        ck_assert_uint_eq(server.n_sessions, 1);
        ck_assert_uint_eq(server.totals.connections, connections);
        ck_assert_uint_eq(server.totals.refused, 50);
        ck_assert_uint_eq(server.refusals.n[REFUSAL_CONNECTION], 50);
        ck_assert(!refusals_add(&server.refusals, REFUSAL_CONNECTION, server.now_ms));
        ck_assert(refusals_add(&server.refusals, REFUSAL_SESSION, server.now_ms));
        ck_assert(refusals_add(&server.refusals, REFUSAL_CONNECTION, server.now_ms + REFUSALS_PERIOD_MS));
        send_batch(1, FSOP_BATCH_PARALLEL, &op, 1);
        rounds();
        ck_assert_int_eq(got.results[0].error.code, FSOP_EMFILE);
        ck_assert_int_eq(got.results[0].error.class_, FSOP_CLASS_BUSY);
        kit_descriptors_are_short = false;
        send_batch(2, FSOP_BATCH_PARALLEL, &op, 1);
        rounds();
        ck_assert_int_eq(got.results[0].error.code, 0);
        connect_as(OTHER_UID);
        stop();
}
END_TEST

/* Its own, and to an administrator everybody's. */
START_TEST(status_is_by_user) {
        struct operation op = {.verb = FSOP_VERB_STATUS};
        bool own = false, others = false;

        for (unsigned admin = 0; admin < 2; admin++) {
                start(admin ? 0 : CALLER_UID);
                connect_as(OTHER_UID);
                own = others = false;
                send_batch(1, FSOP_BATCH_PARALLEL, &op, 1);
                rounds();
                for (uint32_t i = 0; i < got.results[0].value.status.n_counters; i++) {
                        const struct counter *counter = &got.results[0].value.status.counters[i];

                        own = own || bytes_are(counter->name, "own-requests-in-flight");
                        others = others || bytes_are(counter->name, "uid-2000-connections");
                }
                ck_assert(own);
                ck_assert(others == (admin == 1));
                stop();
        }
}
END_TEST

int main(void) {
        Suite *suite = suite_create("turns");
        TCase *tests = tcase_create("turns");

        tcase_set_timeout(tests, 60);
        tcase_add_test(tests, a_turn_is_bounded);
        tcase_add_test(tests, a_small_request_does_not_wait);
        tcase_add_test(tests, users_share_and_not_connections);
        tcase_add_test(tests, connections_of_a_user_take_turns);
        tcase_add_test(tests, the_audit_has_a_rate);
        tcase_add_test(tests, the_audit_remembers_who_left);
        tcase_add_test(tests, who_is_dear_leaves_the_loop);
        tcase_add_test(tests, a_turn_that_takes_long_ends_with_workers);
        tcase_add_test(tests, requests_in_flight_have_a_budget);
        tcase_add_test(tests, a_cancel_does_not_wait);
        tcase_add_test(tests, who_is_gone_while_not_read_from_is_seen);
        tcase_add_test(tests, half_sent_frames_are_charged);
        tcase_add_test(tests, who_waits_for_a_turn_is_not_read_on);
        tcase_add_test(tests, the_last_descriptors_are_kept);
        tcase_add_test(tests, status_is_by_user);
        suite_add_tcase(suite, tests);
        return suite_run(suite);
}
