/* SPDX-License-Identifier: MIT */
/*
 * steps_kit.h: a daemon with one client, over a fake engine, a fake system and a fake backend of copying in which every call can be
 * made to fail. Its jobs are kept by a store that forgets them (KIT_STORE: by the real one, below kit_state_dir).
 * Included by one test program, which thereby defines these functions itself, before the backend can. What stop()
 * demands: everything that was taken for an operation is given back, whatever failed. KIT_SYSTEM_ONLY: without the daemon.
 */
#ifndef FSOP_STEPS_KIT_H
#define FSOP_STEPS_KIT_H

#include <check.h>

#include "daemon/server.h"
#include "daemon/graveyard.h"
#include "daemon/jobs.h"
#include "proto/codec.h"
#include "proto/frame.h"
#include "tests/support/fake_copy.h"
#include "tests/support/fake_engine.h"
#include "tests/support/fake_sys.h"

/* As ck_assert_msg, which writes to a file each time that all is well: for what is asked very often. Fuzzers have their own. */
#ifndef must
#define must(condition, ...)                                                                                           \
        do {                                                                                                           \
                if (!(condition))                                                                                      \
                        ck_abort_msg(__VA_ARGS__);                                                                     \
        } while (0)
#endif

/* ---- the rest of the system: everything succeeds, unless it is told not to ------------------------------------------- */

static struct {
        unsigned calls, fail_at; /* the fail_at-th call from now on fails with code */
        int code;
        bool every;       /* … or all of them do */
        int pinned;       /* resolved and not released */
        int identities;   /* references out */
        unsigned runs;    /* sys_run that did something */
        uint64_t held_up_by; /* … and says which mount it is that keeps it */
        bool slow;        /* sys_resolve asks for a worker (of its own, in a slice), and what it pins is not local */
        bool large;       /* closing what was pinned, or is a handle's, may take long */
        uint32_t uid;
        bool foreign;
        unsigned ran_as_service, ran_as_caller;
        void (*ran)(const struct sys_op *op, int code); /* told of each sys_run; NULL: nobody is */
} sys;

struct identity {
        int refs;
        bool service;
};
static struct identity service_identity = {.refs = 1, .service = true}, caller_identity = {.refs = 1};
static struct identity creator_identity = {.refs = 1, .service = true}; /* of what is created as somebody */

static int may_fail(void) {
        sys.calls++;
        return sys.every || (sys.fail_at > 0 && sys.calls == sys.fail_at) ? sys.code : 0;
}

int peer_query(os_fd socket, struct peer *ret_peer) {
        int code = may_fail();

        (void)socket;
        if (code < 0)
                return code;
        *ret_peer = (struct peer){.uid = sys.uid, .gid = sys.uid, .pid = 4711, .pidfd = OS_FD_NONE, .foreign = sys.foreign,
                                  .fully_capable = sys.uid == 0};
        return 0;
}

void peer_fini(struct peer *peer) {
        free(peer->groups);
        peer->groups = NULL;
}

int identity_of_peer(const struct peer *peer, struct identity **ret_identity) {
        int code = may_fail();

        (void)peer;
        if (code == 0)
                *ret_identity = identity_ref(&caller_identity);
        return code;
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
                *ret_identity = identity_ref(&creator_identity);
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

void parent_cache_close_released(struct parent_cache *cache) {
        (void)cache;
}

void parent_cache_clear(struct parent_cache *cache) {
        (void)cache;
}

#define PINNED_FD ((os_fd)8000) /* the object of every operation that is pinned */

int sys_resolve(struct sys_op *op, unsigned flags) {
        must(op->at.object != PINNED_FD, "resolved twice");
        op->code = sys.slow && (flags & (SYS_CACHED_ONLY | SYS_LOCAL_ONLY)) ? -FSOP_EAGAIN : may_fail();
        op->held_up_by = op->code == -FSOP_EAGAIN ? sys.held_up_by : 0;
        op->since_ms = op->at.guard || op->to.guard ? sys_monotonic_ms() : 0;
        op->at.fs = op->to.fs = sys.slow ? FS_SLOW : FS_LOCAL;
        if (op->code == 0) {
                op->at.object = PINNED_FD;
                sys.pinned++;
        }
        return op->code;
}

int sys_run(struct sys_op *op) {
        must(op->at.object == PINNED_FD, "run without being pinned");
        op->code = may_fail();
        if (sys.ran)
                sys.ran(op, op->code);
        if (op->code < 0)
                return op->code;
        sys.runs++;
        if (op->identity->service)
                sys.ran_as_service++;
        else
                sys.ran_as_caller++;
        op->result->outcome = FSOP_OUTCOME_DONE;
        if (op->op->verb == FSOP_VERB_OPEN || op->op->verb == FSOP_VERB_OPENDIR || op->op->verb == FSOP_VERB_OPEN_FD) {
                op->opened = fake_fd_open(op->op->verb == FSOP_VERB_OPENDIR ? "/srv/build" : NULL);
        }
        if (op->op->verb == FSOP_VERB_STAT)
                op->result->value.stat.ino = 77;
        return 0;
}

void sys_release(struct sys_op *op) {
        must(op->at.object == PINNED_FD, "released twice, or never pinned");
        op->at.object = OS_FD_NONE;
        sys.pinned--;
}

uint32_t sys_take_large(struct sys_op *op, os_fd ret_fds[2]) {
        (void)op;
        if (sys.large)
                ret_fds[0] = fake_fd_open(NULL);
        return sys.large;
}

static bool kit_is_unread;

bool sys_socket_is_read(os_fd socket) {
        (void)socket;
        return !kit_is_unread;
}

void sys_socket_shut(os_fd socket) {
        (void)socket;
}

bool sys_is_large(os_fd fd) {
        (void)fd;
        return sys.large;
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

uint32_t sys_descriptors_max(uint32_t needed) {
        (void)needed;
        return 1024;
}

static bool kit_descriptors_are_short;

bool sys_is_last_descriptor(os_fd fd, uint32_t n) {
        (void)fd, (void)n;
        return kit_descriptors_are_short;
}

void sys_trim_memory(void) {
}

uint32_t sys_processors(void) {
        return 2;
}

uint64_t sys_resident_bytes(void) {
        return 1;
}

os_fd sys_mount_watch(void) {
        return OS_FD_NONE;
}

void sys_mounts_changed(void) {
}

bool sys_locks_may_be_kept(void) {
        return false;
}

uint64_t sys_mount_demote(uint64_t mnt_id, bool demoted) {
        (void)demoted;
        return mnt_id;
}

int sys_check_trusted_directory(const char *path, const char **ret_why) {
        (void)path;
        *ret_why = NULL;
        return 0;
}

int sys_make_directory(const char *path, uint32_t mode) {
        (void)path, (void)mode;
        return 0;
}

/* What the real store asks for, and asks of a real disk. */
#ifdef KIT_STORE
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

int sys_own_file(const char *path, uint64_t *ret_bytes) {
        struct stat st;

        if (lstat(path, &st) < 0)
                return sys_error(errno);
        *ret_bytes = (uint64_t)st.st_size;
        return S_ISREG(st.st_mode) ? 0 : -FSOP_EPERM;
}

int sys_make_own_file(const char *path) {
        uint64_t bytes;
        int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

        if (fd < 0)
                return errno == EEXIST ? sys_own_file(path, &bytes) : sys_error(errno);
        close(fd);
        return 1;
}

int sys_rename_own_file(const char *from, const char *to) {
        return rename(from, to) < 0 ? sys_error(errno) : 0;
}
#else
static struct store forgetful = {.ops = &store_sqlite};

static bool forgetful_exists(const char *directory) {
        (void)directory;
        return false;
}

static int forgetful_open(const char *directory, struct store **ret_store, char **ret_note) {
        (void)directory, (void)ret_note;
        *ret_store = &forgetful;
        return may_fail();
}

static int forgetful_commit(struct store *store, const struct store_change *changes, uint32_t n) {
        (void)store, (void)changes, (void)n;
        return may_fail();
}

static int forgetful_load(struct store *store, int (*each)(void *context, const struct store_job *job), void *context,
                          uint64_t *ret_next_id) {
        (void)store, (void)each, (void)context;
        *ret_next_id = 1;
        return may_fail();
}

static int forgetful_read_files(struct store *store, uint64_t id, uint32_t place, int (*each)(void *context, struct bytes data),
                                void *context) {
        (void)store, (void)id, (void)place, (void)each, (void)context;
        return may_fail();
}

static int forgetful_read_all_files(struct store *store, uint64_t id, uint64_t from,
                                    int (*each)(void *context, const struct store_files *files), void *context) {
        (void)store, (void)id, (void)from, (void)each, (void)context;
        return may_fail();
}

static int forgetful_read_parts(struct store *store, uint64_t id, uint32_t place,
                                int (*each)(void *context, const struct store_part *part), void *context) {
        (void)store, (void)id, (void)place, (void)each, (void)context;
        return may_fail();
}

static int forgetful_read_failures(struct store *store, uint64_t id, uint64_t after, uint32_t max,
                                   int (*each)(void *context, const struct store_failure *failure), void *context) {
        (void)store, (void)id, (void)after, (void)max, (void)each, (void)context;
        return may_fail();
}

static uint64_t forgetful_generation(const struct store *store) {
        (void)store;
        return 1;
}

static struct store *forgetful_close(struct store *store) {
        (void)store;
        return NULL;
}

const struct store_ops store_sqlite = {
        .name = "forgetful",
        .exists = forgetful_exists,
        .open = forgetful_open,
        .commit = forgetful_commit,
        .load = forgetful_load,
        .read_files = forgetful_read_files,
        .read_all_files = forgetful_read_all_files,
        .read_parts = forgetful_read_parts,
        .read_failures = forgetful_read_failures,
        .generation = forgetful_generation,
        .close = forgetful_close,
};
#endif

/* For programs that run server_main: its engine, and what its service manager asks of it. */
static struct engine *kit_engine;
static unsigned kit_requests;

int sys_listen(const char *path, uint32_t mode, uint32_t gid, os_fd *ret_listener, os_fd *ret_lock, const char **ret_why) {
        (void)path, (void)mode, (void)gid, (void)ret_why;
        *ret_listener = fake_fd_open(NULL);
        *ret_lock = OS_FD_NONE;
        return 0;
}

void sys_unlisten(const char *path, os_fd listener, os_fd lock) {
        (void)path, (void)lock;
        sys_close(listener);
}

int engine_open(const char *name, const struct engine_config *config, struct engine **ret_engine, const char **ret_why) {
        (void)name, (void)config, (void)ret_why;
        *ret_engine = kit_engine;
        return kit_engine ? 0 : -FSOP_EINVAL;
}

int service_start(void (*wake)(void *userdata), void *userdata) {
        (void)wake, (void)userdata;
        return 0;
}

unsigned service_take_requests(void) {
        unsigned requests = kit_requests;

        kit_requests = 0;
        return requests;
}

int service_inherited_sockets(os_fd *ret_fds, uint32_t fds_max) {
        (void)ret_fds, (void)fds_max;
        return 0;
}

void service_notify(const char *state) {
        (void)state;
}

void service_end(int status) {
        (void)status;
}

static const char rules[] = "rules:\n"
                            "  - name: tree\n    effect: allow\n    user: [builder]\n    path: /srv/build\n"
                            "    ops: [all, open-fd]\n    chown-to: [\"builder:*\"]\n"
                            "  - name: service\n    effect: allow\n    user: [builder]\n    path: /srv/service\n"
                            "    ops: all\n    create-as: service\n    total-bytes: 1K\n"
                            "  - name: watch\n    effect: audit\n    user: [builder]\n    path: /srv/watched\n    ops: all\n";

/* ---- a daemon with one client ------------------------------------------------------------------------------------------ */

#ifndef KIT_SYSTEM_ONLY
#define RESULTS_MAX 2048u
#define BATCHES_MAX 1024u
#define CALLER_UID 1000u

static struct server server;
static struct config *config;
static struct session *session;
static const char *kit_state_dir; /* NULL: the default */
static bool kit_keeps_tree;       /* a daemon that starts finds what another one left */
static struct {
        unsigned welcomes, failures, frames, last_frames;
        unsigned batches[BATCHES_MAX]; /* how often each batch was answered to its end */
        unsigned answers[RESULTS_MAX]; /* how often each index was answered */
        struct result results[RESULTS_MAX];
        struct error failure;
} got;
static struct arena got_arena;
static bool client_reads;
static unsigned in_client; /* what runs now is the client's doing, not the daemon's */

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

/* The client reads one send. */
static bool read_send(void) {
        struct io *io = fake_engine_pending(server.engine, IO_SEND, 0);
        size_t at = 0;

        if (!io)
                return false;
        in_client++;
        while (at < io->u.send.len) {
                struct frame_header header;

                ck_assert_int_eq(frame_read_header(io->u.send.data + at, io->u.send.len - at, WIRE_FRAME_BYTES_MAX, &header), 1);
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

static void rounds(void) {
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

/* What the connection that reads by RECEIVE is sent. */
static void send_to(struct io *receive, const struct message *message, os_fd *fds, uint32_t n_fds) {
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

static void send_message(const struct message *message, os_fd *fds, uint32_t n_fds) {
        send_to(fake_engine_pending(server.engine, IO_RECEIVE, 0), message, fds, n_fds);
}

static void say_hello(struct io *receive) {
        struct message hello = {.kind = MESSAGE_HELLO, .body.hello = {.version_min = 1, .version_max = 1, .features = WIRE_FEATURE_FDS}};

        send_to(receive, &hello, NULL, 0);
}

/* A daemon, and nobody connected. */
static void start_daemon(uint32_t uid) {
        char *error = NULL;
        const char *why = NULL;
        struct policy_config policy_config = {.directories = (const char *const[]){"/etc/fsopd/policy.d"}, .n_directories = 1};
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

__attribute__((unused)) static void start(uint32_t uid) {
        start_daemon(uid);
        session_start(&server, fake_fd_open(NULL));
        session = server.sessions;
        ck_assert_ptr_nonnull(session);
        say_hello(&session->receive);
        rounds();
        ck_assert_uint_eq(got.welcomes, 1);
        sys.calls = 0;
}

/* Another connection, of this user. */
__attribute__((unused)) static struct session *connect_as(uint32_t uid) {
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

/* The client goes away; whatever was taken must be back. */
__attribute__((unused)) static void stop(void) {
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

static struct location at(const char *path) {
        return (struct location){.kind = LOCATION_PATH, .path = {(const uint8_t *)path, strlen(path)}};
}

__attribute__((unused)) static struct operation stat_op(const char *path) {
        return (struct operation){.verb = FSOP_VERB_STAT, .at = at(path)};
}

__attribute__((unused)) static struct operation chown_op(const char *path, uint32_t uid) {
        return (struct operation){.verb = FSOP_VERB_CHOWN, .at = at(path), .args.chown = {.has_uid = true, .uid = uid}};
}

/* Some programs have no use for it. */
__attribute__((unused)) static void send_batch(uint64_t id, enum fsop_batch_mode mode, struct operation *ops, uint32_t n) {
        struct message message = {.kind = MESSAGE_BATCH, .body.batch = {.id = id, .mode = mode, .ops = ops, .n_ops = n}};

        send_message(&message, NULL, 0);
}

__attribute__((unused)) static void answered_once(uint32_t n) {
        for (uint32_t i = 0; i < n; i++)
                ck_assert_msg(got.answers[i] == 1, "operation %u was answered %u times", i, got.answers[i]);
        ck_assert_uint_eq(got.last_frames, 1);
}

#endif /* KIT_SYSTEM_ONLY */

#endif
