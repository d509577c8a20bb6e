/* SPDX-License-Identifier: MIT */
#include "tests/support/steps_kit.h"

#include <string.h>

/* ---- a daemon with one client ------------------------------------------------------------------------------------ */

struct server server;
struct config *config;
struct session *session;
const char *kit_state_dir;
bool kit_keeps_tree;
struct got got;
static struct arena got_arena;
bool client_reads;
unsigned in_client;

static void take_frame(const uint8_t *body, size_t len, uint32_t n_fds) {
        struct message message;
        struct error error;

        ck_assert_int_eq(codec_decode_reply(&got_arena, (struct bytes){body, len}, n_fds, &message, &error), 0);
        got.frames++;
        if (message.kind == MESSAGE_WELCOME)
                got.welcomes++;
        if (message.kind == MESSAGE_FAILURE) {
                got.failures++;
                got.failure = message.body.failure;
        }
        if (message.kind != MESSAGE_RESULTS)
                return;
        got.last_frames += message.body.results.last;
        if (message.body.results.last && message.body.results.id < BATCHES_MAX)
                got.batches[message.body.results.id]++;
        for (uint32_t i = 0; i < message.body.results.n_results; i++) {
                const struct result *result = &message.body.results.results[i];

                ck_assert_uint_lt(result->index, RESULTS_MAX);
                got.answers[result->index]++;
                got.results[result->index] = *result;
        }
}

bool read_send(void) {
        struct io *io = fake_engine_pending(server.engine, IO_SEND, 0);
        size_t at = 0;

        if (!io)
                return false;
        in_client++;
        while (at < io->u.send.len) {
                struct frame_header header;

                ck_assert_int_eq(
                        frame_read_header(io->u.send.data + at, io->u.send.len - at, WIRE_FRAME_BYTES_MAX, &header), 1);
                ck_assert_uint_le(at + FRAME_HEADER_BYTES + header.body_bytes, io->u.send.len);
                take_frame(io->u.send.data + at + FRAME_HEADER_BYTES, header.body_bytes, header.n_fds);
                at += FRAME_HEADER_BYTES + header.body_bytes;
        }
        in_client--;
        fake_engine_complete(server.engine, io, (int64_t)io->u.send.len, 0);
        return true;
}

/* Receives that were cancelled end; sends of a closed session too. */
static void end_cancelled(void) {
        struct io *io;

        if (session && session->pausing && (io = fake_engine_pending(server.engine, IO_RECEIVE, 0)))
                fake_engine_complete(server.engine, io, -FSOP_ECANCELED, 0);
}

static void forget_freed(void) {
        struct session *each = server.sessions;

        while (each && each != session)
                each = each->next;
        session = each;
}

void rounds(void) {
        for (int i = 0; i < 400; i++) {
                int n = server.engine->ops->wait(server.engine, 0);

                server_end_round(&server);
                forget_freed();
                end_cancelled();
                if (client_reads && read_send())
                        continue;
                if (n == 0 && !server.dirty && turns_wait_ms(&server) != 0)
                        break;
        }
}

void send_to(struct io *receive, const struct message *message, os_fd *fds, uint32_t n_fds) {
        struct arena scratch;
        struct buffer buffer = {0};

        in_client++;
        arena_init(&scratch, 8u << 20);
        ck_assert_int_eq(codec_encode(&scratch, message, (uint16_t)n_fds, WIRE_FRAME_BYTES_MAX, &buffer), 0);
        in_client--;
        fake_engine_receive(receive, buffer.data + buffer.start, buffer_len(&buffer), fds, n_fds);
        buffer_fini(&buffer);
        arena_fini(&scratch);
}

void send_message(const struct message *message, os_fd *fds, uint32_t n_fds) {
        send_to(fake_engine_pending(server.engine, IO_RECEIVE, 0), message, fds, n_fds);
}

void say_hello(struct io *receive) {
        struct message hello = {.kind = MESSAGE_HELLO,
                                .body.hello = {.version_min = 1, .version_max = 1, .features = WIRE_FEATURE_FDS}};

        send_to(receive, &hello, NULL, 0);
}

void start_daemon(uint32_t uid) {
        char *error = NULL;
        const char *why = NULL;
        struct policy_config policy_config = {.directories = (const char *const[]){"/etc/fsopd/policy.d"},
                                              .n_directories = 1};
        struct policy_report report = {0};
        bool overridden = false;

        fake_reset();
        if (kit_keeps_tree)
                fake_copy_forget();
        else
                fake_copy_reset();
        memset(&sys, 0, sizeof(sys));
        memset(&got, 0, sizeof(got));
        memset(&server, 0, sizeof(server));
        sys.uid = uid;
        client_reads = true;
        arena_init(&got_arena, 64u << 20);
        fake_file_add("/etc/fsopd/policy.d/a.yaml", rules);
        fake_directory_add("/", 0);
        fake_directory_add("/srv", 0);
        fake_directory_add("/srv/build", 0);
        fake_directory_add("/srv/service", 0);
        fake_directory_add("/srv/watched", 0);
        ck_assert_int_eq(config_load(NULL, true, &config, &error), 0);
        ck_assert_int_eq(config_add_policy_dir(config, "/etc/fsopd/policy.d", &overridden), 0);
        if (kit_state_dir)
                ck_assert_int_eq(config_set_path(&config->state_dir, kit_state_dir), 0);
        server.config = config;
        server.engine = fake_engine_new();
        server.connections_max = 16;
        server.next_deadline_ms = UINT64_MAX;
        server.now_ms = fake_now_ms;
        fake_engine_run_inline(server.engine, true);
        graveyard_start(server.engine);
        ck_assert_int_eq(audit_open("file:/audit", &server.audit, &why), 0);
        ck_assert_int_eq(policy_load(&policy_config, &server.policy, &report), 0);
        policy_report_fini(&report);
        ck_assert_int_eq(roots_new(server.policy, &server.roots), 0);
        ck_assert_int_eq(jobs_start(&server, &server.jobs), 0);
}

void start(uint32_t uid) {
        start_daemon(uid);
        session_start(&server, fake_fd_open(NULL));
        session = server.sessions;
        ck_assert_ptr_nonnull(session);
        say_hello(&session->receive);
        rounds();
        ck_assert_uint_eq(got.welcomes, 1);
        sys.calls = 0;
}

struct session *connect_as(uint32_t uid) {
        struct session *other;

        sys.uid = uid;
        session_start(&server, fake_fd_open(NULL));
        other = server.sessions; /* the newest comes first */
        ck_assert_ptr_nonnull(other);
        ck_assert_int_eq(other->state, SESSION_HELLO);
        say_hello(&other->receive);
        rounds();
        ck_assert_int_eq(other->state, SESSION_OPEN);
        return other;
}

void stop(void) {
        struct io *io;

        fake_engine_run_inline(server.engine, true);
        for (struct session *each = server.sessions; each; each = each->next)
                if (each->state != SESSION_CLOSED)
                        session_close(each);
        if (server.sessions) {
                for (int i = 0; i < 8 && server.sessions; i++) {
                        rounds();
                        while ((io = fake_engine_pending(server.engine, IO_RECEIVE, 0)) ||
                               (io = fake_engine_pending(server.engine, IO_SEND, 0))) {
                                fake_engine_complete(server.engine, io, -FSOP_ECANCELED, 0);
                                server.engine->ops->wait(server.engine, 0);
                        }
                }
        }
        jobs_drain(server.jobs);
        for (int i = 0; i < 100 && !jobs_is_idle(server.jobs); i++)
                rounds();
        ck_assert(jobs_is_idle(server.jobs));
        rounds();
        rounds(); /* what the first one buried is closed */
        server.jobs = jobs_free(server.jobs);
        ck_assert_int_eq(copies.trees, 0);
        ck_assert_int_eq(copies.dirs, 0);
        ck_assert_int_eq(copies.dir_fds, 0);
        ck_assert_int_eq(copies.parts, 0);
        ck_assert_ptr_null(server.sessions);
        ck_assert_int_eq(sys.pinned, 0);
        ck_assert_int_eq(sys.identities, 0);
        for (unsigned i = 0; i < 64; i++)
                for (const struct account *account = server.accounts.buckets[i]; account; account = account->next)
                        ck_assert_uint_eq(account->connections + account->tasks + account->bytes + account->fds, 0);
        accounts_fini(&server.accounts);
        ck_assert_uint_eq(graveyard_pending(), 0);
        ck_assert_ptr_null(roots_unref(server.roots));
        ck_assert_ptr_null(policy_unref(server.policy));
        policy_accounts_fini();
        ck_assert_int_eq(fake_open_directories, 0);
        ck_assert_int_eq(fake_fds_open, 0);
        audit_free(server.audit);
        session_free_spares();
        task_free_spares();
        server.engine->ops->close(server.engine);
        config_free(config);
        arena_fini(&got_arena);
}

struct location at(const char *path) {
        return (struct location){.kind = LOCATION_PATH, .path = {(const uint8_t *)path, strlen(path)}};
}

struct operation stat_op(const char *path) {
        return (struct operation){.verb = FSOP_VERB_STAT, .at = at(path)};
}

struct operation chown_op(const char *path, uint32_t uid) {
        return (struct operation){.verb = FSOP_VERB_CHOWN, .at = at(path), .args.chown = {.has_uid = true, .uid = uid}};
}

void send_batch(uint64_t id, enum fsop_batch_mode mode, struct operation *ops, uint32_t n) {
        struct message message = {.kind = MESSAGE_BATCH,
                                  .body.batch = {.id = id, .mode = mode, .ops = ops, .n_ops = n}};

        send_message(&message, NULL, 0);
}

void answered_once(uint32_t n) {
        for (uint32_t i = 0; i < n; i++)
                ck_assert_msg(got.answers[i] == 1, "operation %u was answered %u times", i, got.answers[i]);
        ck_assert_uint_eq(got.last_frames, 1);
}

void do_io(struct io *io) {
        if (io->kind == IO_CALL) {
                io->result = 0;
                io->os_error = 0;
                io->u.call(io);
        } else
                io->result = io->kind == IO_RESOLVE ? io_resolve(io->u.op) : sys_run(io->u.op);
        fake_engine_complete(server.engine, io, io->result, 0);
}

void complete_all(enum io_kind kind, int code) {
        struct io *io;

        while ((io = fake_engine_pending(server.engine, kind, 0))) {
                for (struct sys_op *op = io->u.op; op && code == 0; op = op->next)
                        kind == IO_RESOLVE ? io_resolve(op) : sys_run(op);
                fake_engine_complete(server.engine, io, code, 0);
        }
}

void begin_held(struct operation *ops, uint32_t n) {
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

bool workers_go_on(void) {
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
