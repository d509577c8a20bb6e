/* SPDX-License-Identifier: MIT */
/*
 * test_steps.c: the way of a request, from the bytes of a frame to the bytes of its answer, over a fake engine and a fake
 * system in which every call can be made to fail. What it watches: each operation is answered exactly once, and
 * everything that was taken for it is given back, whatever failed.
 */
#include <check.h>

#include "daemon/server.h"
#include "daemon/graveyard.h"
#include "proto/codec.h"
#include "proto/frame.h"
#include "tests/support/fake_engine.h"
#include "tests/support/fake_sys.h"

/* ---- the rest of the system: everything succeeds, unless it is told not to ------------------------------------------- */

static struct {
        unsigned calls, fail_at; /* the fail_at-th call from now on fails with code */
        int code;
        int pinned;       /* resolved and not released */
        int identities;   /* references out */
        int opened;       /* descriptors that run opened and nobody closed */
        unsigned runs;    /* sys_run that did something */
        bool slow;        /* sys_resolve asks for a worker, and what it pins is not local */
        uint32_t uid;
        bool foreign;
        unsigned ran_as_service, ran_as_caller;
} sys;

struct identity {
        int refs;
        bool service;
};
static struct identity service_identity = {.refs = 1, .service = true}, caller_identity = {.refs = 1};

static int may_fail(void) {
        sys.calls++;
        return sys.fail_at > 0 && sys.calls == sys.fail_at ? sys.code : 0;
}

int peer_query(os_fd socket, struct peer *ret_peer) {
        (void)socket;
        *ret_peer = (struct peer){.uid = sys.uid, .gid = sys.uid, .pid = 4711, .pidfd = OS_FD_NONE, .foreign = sys.foreign,
                                  .fully_capable = sys.uid == 0};
        return 0;
}

void peer_fini(struct peer *peer) {
        free(peer->groups);
        peer->groups = NULL;
}

int identity_of_peer(const struct peer *peer, struct identity **ret_identity) {
        (void)peer;
        *ret_identity = identity_ref(&caller_identity);
        return 0;
}

struct identity *identity_of_service(bool set_id) {
        (void)set_id;
        return &service_identity;
}

int identity_to_create_as(uint32_t uid, uint32_t gid, const uint32_t *groups, uint32_t n_groups, bool mknod, bool set_id,
                          struct identity **ret_identity) {
        int code = may_fail();

        (void)uid, (void)gid, (void)groups, (void)n_groups, (void)mknod, (void)set_id;
        if (code == 0)
                *ret_identity = identity_ref(&service_identity);
        return code;
}

struct identity *identity_ref(struct identity *identity) {
        sys.identities++;
        return identity;
}

struct identity *identity_unref(struct identity *identity) {
        if (identity)
                sys.identities--;
        return NULL;
}

int identity_wear(struct identity *identity) {
        (void)identity;
        return 0;
}

void parent_cache_init(struct parent_cache *cache) {
        memset(cache, 0, sizeof(*cache));
}

void parent_cache_clear(struct parent_cache *cache) {
        (void)cache;
}

int sys_resolve(struct sys_op *op, unsigned flags) {
        op->code = sys.slow && (flags & SYS_CACHED_ONLY) ? -FSOP_EAGAIN : may_fail();
        op->at.fs = op->to.fs = sys.slow ? FS_SLOW : FS_LOCAL;
        if (op->code == 0)
                sys.pinned++;
        return op->code;
}

int sys_run(struct sys_op *op) {
        op->code = may_fail();
        if (op->code < 0)
                return op->code;
        sys.runs++;
        if (op->identity == &service_identity)
                sys.ran_as_service++;
        else
                sys.ran_as_caller++;
        op->result->outcome = FSOP_OUTCOME_DONE;
        if (op->op->verb == FSOP_VERB_OPEN || op->op->verb == FSOP_VERB_OPENDIR || op->op->verb == FSOP_VERB_OPEN_FD) {
                op->opened = 9000;
                sys.opened++;
        }
        if (op->op->verb == FSOP_VERB_STAT)
                op->result->value.stat.ino = 77;
        return 0;
}

void sys_release(struct sys_op *op) {
        (void)op;
        sys.pinned--;
}

int sys_fd_check(os_fd fd, bool *ret_readable, bool *ret_writable, bool *ret_path_only) {
        (void)fd;
        *ret_readable = *ret_writable = true;
        *ret_path_only = false;
        return may_fail();
}

int sys_probe(const struct place *place, const char **ret_fs_name, struct support *ret_features, uint32_t features_max) {
        (void)place, (void)ret_features, (void)features_max;
        *ret_fs_name = "fakefs";
        return may_fail();
}

const struct support *sys_support(uint32_t *ret_n) {
        *ret_n = 0;
        return NULL;
}

const char *sys_platform(void) {
        return "Fake 1";
}

uint64_t sys_resident_bytes(void) {
        return 1;
}

os_fd sys_mount_watch(void) {
        return OS_FD_NONE;
}

void sys_mounts_changed(void) {
}

int sys_make_directory(const char *path, uint32_t mode) {
        (void)path, (void)mode;
        return 0;
}

int sys_listen(const char *path, uint32_t mode, uint32_t gid, os_fd *ret_listener, os_fd *ret_lock, const char **ret_why) {
        (void)path, (void)mode, (void)gid, (void)ret_listener, (void)ret_lock, (void)ret_why;
        return -FSOP_EBUSY;
}

void sys_unlisten(const char *path, os_fd listener, os_fd lock) {
        (void)path, (void)listener, (void)lock;
}

int engine_open(const char *name, const struct engine_config *config, struct engine **ret_engine, const char **ret_why) {
        (void)name, (void)config, (void)ret_engine, (void)ret_why;
        return -FSOP_EINVAL;
}

int service_start(void (*wake)(void *userdata), void *userdata) {
        (void)wake, (void)userdata;
        return 0;
}

unsigned service_take_requests(void) {
        return 0;
}

int service_inherited_sockets(os_fd *ret_fds, uint32_t fds_max) {
        (void)ret_fds, (void)fds_max;
        return 0;
}

void service_notify(const char *state) {
        (void)state;
}

/* ---- a daemon with one client ------------------------------------------------------------------------------------------ */

#define RESULTS_MAX 2048u
#define CALLER_UID 1000u

static struct server server;
static struct config *config;
static struct session *session;
static struct {
        unsigned welcomes, failures, frames, last_frames;
        unsigned answers[RESULTS_MAX]; /* how often each index was answered */
        struct result results[RESULTS_MAX];
        struct error failure;
} got;
static struct arena got_arena;
static bool client_reads;

static const char rules[] = "rules:\n"
                            "  - name: tree\n    effect: allow\n    user: [builder]\n    path: /srv/build\n"
                            "    ops: [all, open-fd]\n    chown-to: [\"builder:*\"]\n";

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
        for (uint32_t i = 0; i < message.body.results.n_results; i++) {
                const struct result *result = &message.body.results.results[i];

                ck_assert_uint_lt(result->index, RESULTS_MAX);
                got.answers[result->index]++;
                got.results[result->index] = *result;
        }
}

/* The client reads one send. */
static bool read_send(void) {
        struct io *io = fake_engine_pending(server.engine, IO_SEND, 0);
        size_t at = 0;

        if (!io)
                return false;
        while (at < io->u.send.len) {
                struct frame_header header;

                ck_assert_int_eq(frame_read_header(io->u.send.data + at, io->u.send.len - at, WIRE_FRAME_BYTES_MAX, &header), 1);
                ck_assert_uint_le(at + FRAME_HEADER_BYTES + header.body_bytes, io->u.send.len);
                take_frame(io->u.send.data + at + FRAME_HEADER_BYTES, header.body_bytes, header.n_fds);
                at += FRAME_HEADER_BYTES + header.body_bytes;
        }
        sys.opened -= (int)io->u.send.n_fds; /* the client has them now */
        fake_engine_complete(server.engine, io, (int64_t)io->u.send.len, 0);
        return true;
}

/* Receives that were cancelled end; sends of a closed session too. */
static void end_cancelled(void) {
        struct io *io;

        if (session && session->pausing && (io = fake_engine_pending(server.engine, IO_RECEIVE, 0)))
                fake_engine_complete(server.engine, io, -FSOP_ECANCELED, 0);
}

static void rounds(void) {
        for (int i = 0; i < 400; i++) {
                int n = server.engine->ops->wait(server.engine, 0);

                server_end_round(&server);
                if (!server.sessions)
                        session = NULL;
                end_cancelled();
                if (client_reads && read_send())
                        continue;
                if (n == 0 && !server.dirty)
                        break;
        }
}

static void send_message(const struct message *message, os_fd *fds, uint32_t n_fds) {
        struct arena scratch;
        struct buffer buffer = {0};

        arena_init(&scratch, 8u << 20);
        ck_assert_int_eq(codec_encode(&scratch, message, (uint16_t)n_fds, WIRE_FRAME_BYTES_MAX, &buffer), 0);
        fake_engine_receive(fake_engine_pending(server.engine, IO_RECEIVE, 0), buffer.data + buffer.start, buffer_len(&buffer), fds,
                            n_fds);
        buffer_fini(&buffer);
        arena_fini(&scratch);
}

static void say_hello(void) {
        struct message hello = {.kind = MESSAGE_HELLO, .body.hello = {.version_min = 1, .version_max = 1, .features = WIRE_FEATURE_FDS}};

        send_message(&hello, NULL, 0);
}

static void start(uint32_t uid) {
        char *error = NULL;
        const char *why = NULL;
        struct policy_config policy_config = {.directories = (const char *const[]){"/etc/fsopd/policy.d"}, .n_directories = 1};
        struct policy_report report = {0};

        fake_reset();
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
        ck_assert_int_eq(config_load(NULL, true, &config, &error), 0);
        server.config = config;
        server.engine = fake_engine_new();
        server.next_deadline_ms = UINT64_MAX;
        server.now_ms = fake_now_ms;
        fake_engine_run_inline(server.engine, true);
        graveyard_start(server.engine);
        ck_assert_int_eq(audit_open("file:/audit", &server.audit, &why), 0);
        ck_assert_int_eq(policy_load(&policy_config, &server.policy, &report), 0);
        policy_report_fini(&report);
        ck_assert_int_eq(roots_new(server.policy, &server.roots), 0);
        session_start(&server, 3);
        session = server.sessions;
        ck_assert_ptr_nonnull(session);
        say_hello();
        rounds();
        ck_assert_uint_eq(got.welcomes, 1);
}

/* The client goes away; whatever was taken must be back. */
static void stop(void) {
        struct io *io;

        fake_engine_run_inline(server.engine, true);
        if (session) {
                session_close(session);
                for (int i = 0; i < 8 && server.sessions; i++) {
                        rounds();
                        while ((io = fake_engine_pending(server.engine, IO_RECEIVE, 0)) ||
                               (io = fake_engine_pending(server.engine, IO_SEND, 0))) {
                                if (io->kind == IO_SEND)
                                        sys.opened -= (int)io->u.send.n_fds;
                                fake_engine_complete(server.engine, io, -FSOP_ECANCELED, 0);
                                server.engine->ops->wait(server.engine, 0);
                        }
                }
                rounds();
        }
        ck_assert_ptr_null(server.sessions);
        ck_assert_int_eq(sys.pinned, 0);
        ck_assert_int_eq(sys.identities, 0);
        for (unsigned i = 0; i < 64; i++)
                ck_assert_ptr_null(server.accounts.buckets[i]);
        ck_assert_uint_eq(graveyard_pending(), 0);
        ck_assert_ptr_null(roots_unref(server.roots));
        ck_assert_ptr_null(policy_unref(server.policy));
        policy_accounts_fini();
        ck_assert_int_eq(fake_open_directories, 0);
        audit_free(server.audit);
        session_free_spares();
        task_free_spares();
        server.engine->ops->close(server.engine);
        config_free(config);
        arena_fini(&got_arena);
}

static struct location at(const char *path) {
        return (struct location){.kind = LOCATION_PATH, .path = {(const uint8_t *)path, strlen(path)}};
}

static struct operation stat_op(const char *path) {
        return (struct operation){.verb = FSOP_VERB_STAT, .at = at(path)};
}

static struct operation chown_op(const char *path, uint32_t uid) {
        return (struct operation){.verb = FSOP_VERB_CHOWN, .at = at(path), .args.chown = {.has_uid = true, .uid = uid}};
}

static void send_batch(uint64_t id, enum fsop_batch_mode mode, struct operation *ops, uint32_t n) {
        struct message message = {.kind = MESSAGE_BATCH, .body.batch = {.id = id, .mode = mode, .ops = ops, .n_ops = n}};

        send_message(&message, NULL, 0);
}

static void answered_once(uint32_t n) {
        for (uint32_t i = 0; i < n; i++)
                ck_assert_msg(got.answers[i] == 1, "operation %u was answered %u times", i, got.answers[i]);
        ck_assert_uint_eq(got.last_frames, 1);
}

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
                        sys.opened -= sys.opened > 0; /* the handle of `open` was closed by stop */
                        ck_assert_int_le(sys.opened, 0 + 1);
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
        SRunner *runner;
        int failed;

        tcase_set_timeout(tcase, 60);
        tcase_add_test(tcase, a_stat_is_answered);
        tcase_add_test(tcase, a_rule_elevates_inside_its_path_only);
        tcase_add_test(tcase, windows_cover_a_large_batch);
        tcase_add_test(tcase, ordered_stop_stops);
        tcase_add_test(tcase, every_failure_is_answered_once);
        tcase_add_test(tcase, every_engine_failure_is_answered_once);
        tcase_add_test(tcase, without_audit_nothing_is_elevated);
        tcase_add_test(tcase, cancel_answers_once);
        tcase_add_test(tcase, a_deadline_answers_once);
        tcase_add_test(tcase, death_gives_everything_back);
        tcase_add_test(tcase, a_silent_reader_is_held_back);
        tcase_add_test(tcase, garbage_is_refused);
        tcase_add_test(tcase, descriptors_that_no_frame_declares_are_refused);
        tcase_add_test(tcase, a_batch_id_in_use_is_refused);
        tcase_add_test(tcase, handles_are_opened_used_and_closed);
        tcase_add_test(tcase, a_foreign_client_has_no_paths);
        tcase_add_test(tcase, only_administrators_reload);
        suite_add_tcase(suite, tcase);
        runner = srunner_create(suite);
        srunner_run_all(runner, CK_ENV);
        failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed == 0 ? 0 : 1;
}
