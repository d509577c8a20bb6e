/* SPDX-License-Identifier: MIT */
/*
 * fuzz_session.c: a whole daemon, from its start to its end, over a fake engine and a fake system. The input is a
 * script of what happens to it: clients connect, send bytes in pieces with descriptors beside them, read or do not,
 * hang up; work comes back in any order or fails; time passes, rules are read anew, the daemon is told to stop. When
 * the script is over the clients become patient and honest: then everything that was asked must have been answered,
 * exactly once, and when the daemon ends everything that was taken must be back.
 *
 * A step of the script is a byte, its low half what happens and its high half a detail, and what that needs.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "backends/service.h"
#include "daemon/graveyard.h"
#include "daemon/jobs.h"
#include "daemon/log.h"
#include "daemon/server.h"
#include "proto/codec.h"
#include "proto/frame.h"
#include "tests/support/codec_samples.h"
#include "tests/support/fake_copy.h"
#include "tests/support/fake_engine.h"
#include "tests/support/fake_steps.h"
#include "tests/support/fake_sys.h"

#define CONNECTIONS 4u
#define BATCHES 192u /* of one connection */
#define FRAME_BYTES_MAX 8192u
#define SAMPLE_BYTES_MAX 300u
#define WAITS_MAX 200000u
#define PATIENCE_MS 8000u /* of a daemon that is told to stop, less than it has */

struct seen_batch {
        uint64_t id;
        uint32_t n_ops, n_answered;
        bool over, cancelled; /* cancelled: when the script was over */
        uint8_t answered[WIRE_BATCH_OPS_MAX / 8];
        uint8_t verbs[WIRE_BATCH_OPS_MAX];
};

/* The client's end: what it has sent, as it would cut it itself, and what is owed for it. */
struct connection {
        os_fd fd;
        bool used, owed; /* owed: nothing has happened for which the daemon may leave batches unanswered */
        bool confused;   /* it used an id twice: nobody can tell the answers apart */
        bool gone;       /* it hung up */
        bool greeted, welcome;
        uint32_t frame_bytes_max, batch_ops_max; /* agreed on */
        bool may_pass_fds;
        uint32_t n_fds;        /* sent and not yet declared by a frame */
        uint64_t fds_since_ms; /* when the first was sent; 0: none was */
        struct buffer sent;
        struct seen_batch batches[BATCHES];
        uint32_t n_batches;
};

static struct {
        struct input input;
        bool late_cancels, reads_rules;
        bool settling, told, checked;
        uint64_t ends_by_ms; /* told to stop, it does not wait longer than until then, and leaves what is under way: not
                                meant here */
        unsigned waits, quiet;
        struct connection connections[CONNECTIONS];
        uint32_t n_connections;
} visit;
static struct engine *engine;
static const struct engine_ops *fake_ops;
static struct arena arena, scratch;

static const int codes[] = {-FSOP_ENOMEM, -FSOP_EAGAIN, -FSOP_ECANCELED, -FSOP_EIO,   -FSOP_ENOENT, -FSOP_ENOSPC,
                            -FSOP_EMFILE, -FSOP_EACCES, -FSOP_EINVAL,    -FSOP_EINTR, -FSOP_ESTALE, -FSOP_EXDEV};

static int some_code(void) {
        return codes[input_byte(&visit.input) % (sizeof(codes) / sizeof(codes[0]))];
}

/* ---- what the client knows --------------------------------------------------------------------------------------- */

static struct connection *connection_of(os_fd fd) {
        for (uint32_t i = 0; i < visit.n_connections; i++)
                if (visit.connections[i].used && visit.connections[i].fd == fd)
                        return &visit.connections[i];
        return NULL;
}

static struct seen_batch *find_batch(struct connection *connection, uint64_t id) {
        for (uint32_t i = 0; i < connection->n_batches; i++)
                if (connection->batches[i].id == id && !connection->batches[i].over)
                        return &connection->batches[i];
        return NULL;
}

static void note_batch(struct connection *connection, const struct batch *batch) {
        struct seen_batch *seen = &connection->batches[connection->n_batches];

        if (find_batch(connection, batch->id) || connection->n_batches == BATCHES) {
                connection->owed = false;
                connection->confused = true;
                return;
        }
        connection->n_batches++;
        seen->id = batch->id;
        seen->n_ops = batch->n_ops;
        seen->n_answered = 0;
        seen->over = seen->cancelled = false;
        memset(seen->answered, 0, (batch->n_ops + 7) / 8);
        for (uint32_t i = 0; i < batch->n_ops; i++)
                seen->verbs[i] = (uint8_t)batch->ops[i].verb;
}

static void note_hello(struct connection *connection, const struct hello *hello) {
        connection->greeted = true;
        connection->owed = hello->version_min <= WIRE_VERSION && hello->version_max >= WIRE_VERSION;
        if (hello->frame_bytes_max > 0 && hello->frame_bytes_max < FRAME_BYTES_MAX)
                connection->frame_bytes_max = hello->frame_bytes_max < 4096 ? 4096 : hello->frame_bytes_max;
        if (hello->batch_ops_max > 0 && hello->batch_ops_max < WIRE_BATCH_OPS_MAX)
                connection->batch_ops_max = hello->batch_ops_max;
        connection->may_pass_fds = hello->features & WIRE_FEATURE_FDS;
}

static void note_frame(struct connection *connection, struct bytes body, uint32_t n_fds) {
        const struct codec_limits limits = {.batch_ops_max = connection->batch_ops_max, .fds = n_fds};
        struct message message;
        struct error error;

        if (n_fds > connection->n_fds || (n_fds > 0 && !connection->may_pass_fds)) {
                connection->owed = false;
                return;
        }
        connection->n_fds -= n_fds;
        if (codec_decode_request(&scratch, body, &limits, &message, &error) < 0)
                connection->owed = false;
        else if (message.kind == MESSAGE_HELLO && !connection->greeted)
                note_hello(connection, &message.body.hello);
        else if (message.kind == MESSAGE_BATCH && connection->greeted)
                note_batch(connection, &message.body.batch);
        else if (message.kind != MESSAGE_CANCEL)
                connection->owed = false;
        arena_reset(&scratch);
}

/* Cuts what was sent; after the first frame that is none, nothing more is owed. */
static void note_sent(struct connection *connection, const uint8_t *data, size_t len, unsigned n_fds) {
        struct buffer *sent = &connection->sent;
        struct frame_header header;
        int r;

        connection->n_fds += n_fds;
        if (n_fds > 0 && connection->fds_since_ms == 0)
                connection->fds_since_ms = fake_now_ms;
        connection->owed &= connection->n_fds <= SESSION_FDS_MAX;
        if (!connection->owed)
                return;
        must(buffer_append(sent, data, len) == 0);
        while (connection->owed && (r = frame_read_header(sent->data + sent->start, buffer_len(sent),
                                                          connection->frame_bytes_max, &header)) != 0) {
                if (r < 0)
                        connection->owed = false;
                if (r < 0 || buffer_len(sent) - FRAME_HEADER_BYTES < header.body_bytes)
                        break;
                note_frame(connection, (struct bytes){sent->data + sent->start + FRAME_HEADER_BYTES, header.body_bytes},
                           header.n_fds);
                buffer_consume(sent, FRAME_HEADER_BYTES + header.body_bytes, SIZE_MAX);
        }
        if (buffer_len(sent) == 0 && connection->n_fds > 0)
                connection->owed = false;
}

static void note_results(struct connection *connection, const struct results *results) {
        struct seen_batch *batch = find_batch(connection, results->id);

        must(connection->welcome && (batch || !connection->owed));
        if (!batch || connection->confused)
                return;
        for (uint32_t i = 0; i < results->n_results; i++) {
                const struct result *result = &results->results[i];
                uint8_t bit = (uint8_t)(1u << result->index % 8);

                must(result->index < batch->n_ops);
                must(!(batch->answered[result->index / 8] & bit));
                must(result->verb == batch->verbs[result->index]);
                batch->answered[result->index / 8] |= bit;
                batch->n_answered++;
        }
        if (results->last) {
                must(batch->n_answered == batch->n_ops);
                batch->over = true;
        }
}

static void note_answer(struct connection *connection, struct bytes body, uint32_t n_fds) {
        struct message message;
        struct error error;

        must(codec_decode_reply(&arena, body, n_fds, &message, &error) == 0);
        switch (message.kind) {
        case MESSAGE_WELCOME:
                must(connection->greeted && !connection->welcome);
                connection->welcome = true;
                break;
        case MESSAGE_FAILURE:
                connection->owed = false;
                break;
        default:
                must(message.kind == MESSAGE_RESULTS);
                note_results(connection, &message.body.results);
        }
        arena_reset(&arena);
}

/* A send arrives: only whole frames, and no more descriptors than they declare. */
static void note_send(const struct io *io) {
        struct connection *connection = connection_of(io->u.send.fd);
        uint32_t n_fds = 0;
        size_t at = 0;

        must(connection);
        while (at < io->u.send.len) {
                struct frame_header header;

                must(frame_read_header(io->u.send.data + at, io->u.send.len - at, WIRE_FRAME_BYTES_MAX, &header) == 1);
                at += FRAME_HEADER_BYTES;
                must(io->u.send.len - at >= header.body_bytes);
                note_answer(connection, (struct bytes){io->u.send.data + at, header.body_bytes}, header.n_fds);
                n_fds += header.n_fds;
                at += header.body_bytes;
        }
        must(n_fds == io->u.send.n_fds);
}

/* ---- what the engine does ---------------------------------------------------------------------------------------- */

static bool is_work(const struct io *io) {
        return io->kind == IO_RESOLVE || io->kind == IO_RUN || io->kind == IO_CALL;
}

static struct io *pending_work(unsigned index) {
        for (unsigned kind = IO_RESOLVE; kind <= IO_CALL; kind++) {
                unsigned n = fake_engine_count(engine, (enum io_kind)kind);

                if (index < n)
                        return fake_engine_pending(engine, (enum io_kind)kind, index);
                index -= n;
        }
        return NULL;
}

static unsigned count_work(void) {
        return fake_engine_count(engine, IO_RESOLVE) + fake_engine_count(engine, IO_RUN) +
               fake_engine_count(engine, IO_CALL);
}

static struct io *same_op(enum io_kind kind, const struct sys_op *op) {
        struct io *io;

        for (unsigned i = 0; (io = fake_engine_pending(engine, kind, i)); i++)
                if (io->u.op == op)
                        return io;
        return NULL;
}

/* Does what a worker would; CODE below 0: nothing, it failed before. What waits for another io of its operation lets
 * that pass. */
static void do_work(struct io *io, int code) {
        struct io *other;

        if (io->kind == IO_RUN && (other = same_op(IO_RESOLVE, io->u.op)))
                io = other;
        if (io->kind == IO_CALL && code == 0) {
                io->result = 0;
                io->os_error = 0;
                io->u.call(io);
                code = (int)io->result;
        } else if (code == 0)
                code = io->kind == IO_RESOLVE ? sys_resolve(io->u.op, 0) : sys_run(io->u.op);
        if (io->kind == IO_RESOLVE && code < 0 && (other = same_op(IO_RUN, io->u.op)))
                fake_engine_complete(engine, other, code, 0);
        fake_engine_complete(engine, io, code, 0);
}

static void cancel(struct engine *it, struct io *io) {
        if (visit.late_cancels && is_work(io)) {
                if (io->kind != IO_CALL)
                        io->u.op->cancelled = true;
                return;
        }
        if (is_work(io) && io->kind == IO_RESOLVE) {
                struct io *other = same_op(IO_RUN, io->u.op);

                if (other)
                        fake_ops->cancel(it, other);
        }
        fake_ops->cancel(it, io);
}

static void read_send(struct io *io) {
        note_send(io);
        fake_engine_complete(engine, io, (int64_t)io->u.send.len, 0);
}

static struct io *of_connection(enum io_kind kind, const struct connection *connection) {
        struct io *io;

        for (unsigned i = 0; (io = fake_engine_pending(engine, kind, i)); i++)
                if ((kind == IO_RECEIVE ? io->u.receive.fd : io->u.send.fd) == connection->fd)
                        return io;
        return NULL;
}

/* ---- what the script can do -------------------------------------------------------------------------------------- */

static struct connection *some_connection(unsigned detail) {
        return visit.n_connections > 0 ? &visit.connections[detail % visit.n_connections] : NULL;
}

static void deliver(struct connection *connection, const uint8_t *data, size_t len, unsigned n_fds) {
        struct io *io = connection ? of_connection(IO_RECEIVE, connection) : NULL;
        os_fd fds[8];

        if (!io || len == 0)
                return;
        for (unsigned i = 0; i < n_fds; i++)
                fds[i] = fake_fd_open(i % 2 ? NULL : "/srv/build");
        note_sent(connection, data, len, n_fds);
        fake_engine_receive(io, data, len, fds, n_fds);
}

static void script_bytes(unsigned detail) {
        size_t len = input_byte(&visit.input);
        const uint8_t *data;

        if (len == 255)
                len = input_number(&visit.input, 2);
        data = input_bytes(&visit.input, &len);
        deliver(some_connection(detail), data, len, detail / 4);
}

static void send_message(struct connection *connection, const struct message *message, unsigned n_fds) {
        static struct buffer buffer;

        must(codec_encode(&scratch, message, (uint16_t)n_fds, WIRE_FRAME_BYTES_MAX, &buffer) == 0);
        arena_reset(&scratch);
        deliver(connection, buffer.data + buffer.start, buffer_len(&buffer), n_fds);
        buffer_consume(&buffer, buffer_len(&buffer), SIZE_MAX);
}

static void send_hello(struct connection *connection) {
        struct message hello = {.kind = MESSAGE_HELLO,
                                .body.hello = {.version_min = 1, .version_max = 1, .features = WIRE_FEATURE_FDS}};

        send_message(connection, &hello, 0);
}

static void send_cancel(struct connection *connection, uint64_t id) {
        struct message message = {.kind = MESSAGE_CANCEL, .body.cancel_id = id};

        send_message(connection, &message, 0);
}

static struct location some_place(enum location_kind kind) {
        static const char *const paths[] = {"/srv/build/a",
                                            "/srv/build/b",
                                            "/srv/service/c",
                                            "/srv/watched/d",
                                            "/home/alice/e",
                                            "/srv/build/ab",
                                            "/",
                                            "/srv/build"};
        uint8_t which = input_byte(&visit.input);
        const char *path = paths[which % 8];
        struct location location = {.kind = kind, .follow = which / 8 % 2};

        if (kind == LOCATION_NONE)
                return location;
        if (kind == LOCATION_PATH && which / 64 == 1)
                location.kind = LOCATION_FD;
        else if (kind == LOCATION_PATH && which / 64 == 2)
                location.kind = LOCATION_HANDLE;
        location.handle = which / 16 % 4;
        location.fd_index = which / 16 % 3;
        if (location.kind == LOCATION_PATH || which / 32 % 2)
                location.path = (struct bytes){(const uint8_t *)path + (location.kind != LOCATION_PATH),
                                               strlen(path) - (location.kind != LOCATION_PATH)};
        return location;
}

/* A sample operation that is not as long as it could be. */
static struct operation some_operation(void) {
        static const struct operation *samples[256];
        static uint32_t n;
        uint32_t n_all;
        const struct operation *all = sample_operations(&n_all);

        for (uint32_t i = n > 0 ? n_all : 0; i < n_all; i++) {
                struct bytes body = sample_encode_operation(&all[i]);

                if (body.len <= SAMPLE_BYTES_MAX && n < sizeof(samples) / sizeof(samples[0]))
                        samples[n++] = &all[i];
                sample_free(body);
        }
        return *samples[input_byte(&visit.input) % n];
}

/* A batch of sample operations in places where rules say something: what random bytes would take long to find. */
static void script_batch(unsigned detail) {
        static struct operation ops[16];
        struct message message = {.kind = MESSAGE_BATCH};
        struct batch *batch = &message.body.batch;
        uint8_t shape = input_byte(&visit.input);

        batch->id = input_byte(&visit.input);
        batch->mode = (enum fsop_batch_mode)(shape % 3);
        batch->deadline_ms = shape / 4 % 4 == 3 ? input_byte(&visit.input) * 10u : 0;
        batch->ops = ops;
        batch->n_ops = 1u + shape / 16;
        for (uint32_t i = 0; i < batch->n_ops; i++) {
                ops[i] = some_operation();
                ops[i].as = (enum fsop_as)(FSOP_AS_AUTO + input_byte(&visit.input) % 3);
                if (ops[i].at.kind == LOCATION_PATH)
                        ops[i].at = some_place(LOCATION_PATH);
                if (ops[i].to.kind == LOCATION_PATH)
                        ops[i].to = some_place(LOCATION_PATH);
        }
        if (batch->id == 0)
                batch->id = 1;
        send_message(some_connection(detail), &message, SAMPLE_FDS);
}

static bool hang_up(struct connection *connection, int code) {
        struct io *io = connection ? of_connection(IO_RECEIVE, connection) : NULL;

        if (!io)
                return false;
        connection->owed = false;
        connection->gone = true;
        fake_engine_complete(engine, io, code, 0);
        return true;
}

static void script_hang_up(unsigned detail) {
        hang_up(some_connection(detail), detail / 4 == 0 ? 0 : detail / 4 == 1 ? -FSOP_ECONNRESET : -FSOP_ENOMEM);
}

static void script_read(unsigned detail) {
        struct connection *connection = some_connection(detail);
        struct io *io = connection ? of_connection(IO_SEND, connection) : NULL;

        if (!io)
                return;
        if (detail / 4 < 3) {
                read_send(io);
                return;
        }
        connection->owed = false;
        fake_engine_complete(engine, io, -FSOP_ECONNRESET, 0);
}

static void script_accept(unsigned detail) {
        static const uint32_t uids[] = {1000, 0, 1001, 33};
        struct io *io = fake_engine_pending(engine, IO_ACCEPT, 0);
        struct connection *connection = &visit.connections[visit.n_connections];

        if (!io)
                return;
        if (detail / 4 == 3) {
                fake_engine_complete(engine, io, -FSOP_EMFILE, 24);
                return;
        }
        if (visit.n_connections == CONNECTIONS)
                return;
        visit.n_connections++;
        sys.uid = uids[detail % 4];
        sys.foreign = detail / 4 == 1;
        connection->fd = fake_fd_open(NULL);
        connection->used = connection->owed = true;
        connection->greeted = connection->welcome = connection->confused = connection->gone = false;
        connection->frame_bytes_max = FRAME_BYTES_MAX;
        connection->batch_ops_max = WIRE_BATCH_OPS_MAX;
        connection->n_fds = connection->n_batches = 0;
        connection->fds_since_ms = 0;
        buffer_consume(&connection->sent, buffer_len(&connection->sent), SIZE_MAX);
        fake_engine_accept(io, connection->fd);
        if (!of_connection(IO_RECEIVE, connection))
                connection->owed = false; /* it was refused */
        else if (detail / 4 == 2)
                send_hello(connection);
}

static void pass(uint64_t ms) {
        fake_now_ms += ms;
        fake_realtime.sec += (int64_t)(ms / 1000);
}

#define FDS_WAIT_MS 60000u

static void script_time(unsigned detail) {
        static const uint64_t table[] = {1,    5,    10,   20,    50,    100,   200,     500,
                                         1000, 2000, 5000, 10000, 30000, 60000, 3600000, 86400000};
        uint64_t ms = table[detail];

        if (visit.ends_by_ms > 0 && fake_now_ms + ms > visit.ends_by_ms)
                ms = visit.ends_by_ms - fake_now_ms;
        pass(ms);
        /* descriptors wait a minute for their request to be begun, which one who reads no answers may hinder */
        for (uint32_t i = 0; i < visit.n_connections; i++) {
                struct connection *connection = &visit.connections[i];

                if (connection->fds_since_ms > 0 && fake_now_ms - connection->fds_since_ms >= FDS_WAIT_MS)
                        connection->owed = false;
        }
}

static void script_rules(unsigned detail) {
        static const char *const files[] = {rules, "rules: []\n", "rules: [\n",
                                            "rules:\n  - name: n\n    effect: deny\n    path: /srv\n    ops: all\n"};

        fake_files[0].data = files[detail % 4];
        kit_requests |= SERVICE_RELOAD;
}

static void script_failure(unsigned detail) {
        switch (detail % 4) {
        case 0: /* the daemon's calls */
        case 1:
                sys.fail_at = sys.calls + 1 + detail / 4 * 2 + detail % 2;
                sys.code = some_code();
                break;
        case 2: /* those of copies */
                copies.fail_at = 1 + detail / 4 * 2;
                copies.calls = 0;
                copies.lasting = input_byte(&visit.input) % 2;
                copies.error = (struct copy_error){.code = some_code()};
                break;
        default:
                fake_write_code = detail / 4 == 0 ? 0 : -FSOP_ENOSPC; /* the audit */
                sys.slow = detail / 4 >= 2;
                copies.clones = detail / 4 == 3;
        }
}

static void run_all_work(void) {
        struct io *io;

        for (unsigned n = count_work(); n > 0 && (io = pending_work(0)); n--)
                do_work(io, 0);
}

static void script_step(void) {
        uint8_t step = input_byte(&visit.input);
        unsigned detail = step >> 4;
        struct connection *connection = some_connection(detail);
        struct io *io;

        switch (step & 15) {
        case 0:
        case 1:
                script_bytes(detail);
                break;
        case 2:
                script_batch(detail);
                break;
        case 3:
                script_accept(detail);
                break;
        case 4:
                if (connection)
                        send_hello(connection);
                break;
        case 5:
                if (connection)
                        send_cancel(connection, input_byte(&visit.input));
                break;
        case 6:
                script_hang_up(detail);
                break;
        case 7:
                script_read(detail);
                break;
        case 8: /* the oldest work of its kind, or the newest */
                if ((io = pending_work(detail < 8 ? detail : count_work() - 1 - (detail - 8))))
                        do_work(io, 0);
                break;
        case 9:
                if ((io = pending_work(detail)))
                        do_work(io, some_code());
                break;
        case 10:
                run_all_work();
                break;
        case 11:
                script_time(detail);
                break;
        case 12:
                script_rules(detail);
                break;
        case 13:
                script_failure(detail);
                break;
        case 14: /* several at once, before the daemon sees any of it */
                for (unsigned n = 1 + detail % 8; n > 0 && visit.input.len > 0; n--)
                        script_step();
                break;
        default:
                if (detail == 15 && visit.ends_by_ms == 0) {
                        kit_requests |= SERVICE_TERMINATE;
                        visit.ends_by_ms = fake_now_ms + PATIENCE_MS;
                }
        }
}

/* ---- the end of the script --------------------------------------------------------------------------------------- */

static void become_honest(void) {
        visit.settling = true;
        sys.fail_at = 0;
        copies.fail_at = 0;
        fake_write_code = 0;
        visit.late_cancels = false;
}

static bool read_all_sends(void) {
        struct io *io;
        bool any = false;

        while ((io = fake_engine_pending(engine, IO_SEND, 0))) {
                read_send(io);
                any = true;
        }
        return any;
}

static bool is_answered(const struct connection *connection) {
        for (uint32_t i = 0; i < connection->n_batches; i++)
                if (!connection->batches[i].over)
                        return false;
        return true;
}

/* A client that kept to the protocol, and has nothing half sent. */
static bool is_at_rest(const struct connection *connection) {
        return connection->owed && buffer_len(&connection->sent) == 0;
}

static bool cancel_the_rest(struct connection *connection) {
        bool any = false;

        for (uint32_t i = 0; i < connection->n_batches && of_connection(IO_RECEIVE, connection); i++) {
                struct seen_batch *batch = &connection->batches[i];

                if (batch->over || batch->cancelled)
                        continue;
                batch->cancelled = any = true;
                send_cancel(connection, batch->id);
        }
        return any;
}

/* Whoever waits for something that may never happen stops waiting, and who did not keep to the protocol goes: both hold
 * what other connections of the same user may wait for. */
static bool stop_waiting(void) {
        bool any = false;

        for (uint32_t i = 0; i < visit.n_connections; i++) {
                struct connection *connection = &visit.connections[i];

                any |= is_at_rest(connection) ? cancel_the_rest(connection) : hang_up(connection, 0);
        }
        return any;
}

/* Everything was answered, and what was charged for it is back. */
static void check(const struct connection *connection, bool all_at_rest) {
        const struct io *receive = of_connection(IO_RECEIVE, connection);
        const struct session *session = receive ? receive->owner : NULL;
        const struct account *account = session ? session->account : NULL;

        must(is_answered(connection) && (connection->welcome || !connection->greeted));
        must(session || !connection->greeted);
        if (!session)
                return;
        for (struct session *each = session->server->sessions; each; each = each->next)
                session_has_unread_fds(each); /* descriptors count until that is looked at */
        must(session->n_tasks == 0 && session->bytes_in_flight == 0 && session->out_bytes == 0);
        must(!all_at_rest || (account->tasks == 0 && account->bytes == 0 && account->fds == 0));
        must(account->handles >= session->handles.used);
}

static void check_all(void) {
        bool all_at_rest = true;

        fuzz_accepted = visit.n_connections > 0;
        for (uint32_t i = 0; i < visit.n_connections; i++) {
                all_at_rest &= is_at_rest(&visit.connections[i]) || visit.connections[i].gone;
                fuzz_accepted &= visit.connections[i].owed && visit.connections[i].n_batches > 0;
        }
        for (uint32_t i = 0; i < visit.n_connections; i++)
                if (is_at_rest(&visit.connections[i]))
                        check(&visit.connections[i], all_at_rest);
}

static void settle(int timeout_ms) {
        bool busy = count_work() > 0;

        run_all_work();
        busy |= read_all_sends();
        visit.quiet = busy ? 0 : visit.quiet + 1;
        if (visit.quiet < 3)
                return;
        visit.quiet = 0;
        if (!visit.checked && !stop_waiting()) {
                visit.checked = true;
                check_all();
                kit_requests |= SERVICE_TERMINATE;
                visit.told = true;
        } else if (visit.checked)
                pass(timeout_ms > 0 ? (uint64_t)timeout_ms : 1000);
}

static int script_wait(struct engine *it, int timeout_ms) {
        must(++visit.waits < WAITS_MAX);
        if (visit.input.len > 0)
                script_step();
        else {
                if (!visit.settling)
                        become_honest();
                settle(timeout_ms);
        }
        /* what the daemon was told to do while the script ran ends the debt */
        if (kit_requests & SERVICE_TERMINATE && !visit.told)
                for (uint32_t i = 0; i < visit.n_connections; i++)
                        visit.connections[i].owed = false;
        return fake_ops->wait(it, 0);
}

static struct engine_ops script_ops;

static void new_engine(void) {
        engine = kit_engine = fake_engine_new();
        fake_ops = engine->ops;
        script_ops = *fake_ops;
        script_ops.wait = script_wait;
        script_ops.cancel = cancel;
        engine->ops = &script_ops;
}

static void nothing_is_left(void) {
        must(sys.pinned == 0 && sys.identities == 0);
        must(copies.trees == 0 && copies.dirs == 0 && copies.dir_fds == 0 && copies.parts == 0);
        must(graveyard_pending() == 0);
        must(fake_open_directories == 0 && fake_fds_open == 0 && fake_appends_open == 0);
}

/* Rules that are good are read once for all visits (--wrap), else reading them would take most of the time; but in some
 * visits every time, for what is freed with them. */
__typeof__(policy_load) __real_policy_load, __wrap_policy_load;
int __wrap_policy_load(const struct policy_config *config, struct policy **ret_policy,
                       struct policy_report *ret_report) {
        static struct known {
                const char *text;
                struct policy *policy;
                uint32_t n_rules;
        } all[4]; /* as many as script_rules() has, one of which is not good */
        const char *text = fake_files[0].data;
        struct known *it = all;
        int code;

        if (visit.reads_rules)
                return __real_policy_load(config, ret_policy, ret_report);
        while (it->text && it->text != text)
                it++;
        if (it->text) {
                *ret_policy = policy_ref(it->policy);
                ret_report->n_rules = it->n_rules;
                return 0;
        }
        code = __real_policy_load(config, ret_policy, ret_report);
        if (code == 0 && ret_report->n_notes == 0) {
                it->text = text;
                it->policy = policy_ref(*ret_policy);
                it->n_rules = ret_report->n_rules;
        }
        return code;
}

/* Settings that are soon reached. */
static struct config *small_config(void) {
        struct config *config = NULL;
        char *error = NULL;
        bool overridden = false;

        must(config_load(NULL, false, &config, &error) == 0);
        must(config_add_policy_dir(config, "/etc/fsopd/policy.d", &overridden) == 0);
        must(config_set_audit(config, "file:/var/log/fsopd/audit") == 0);
        config->limits.connections = 4;
        config->limits.connections_per_uid = 3;
        config->limits.batches_in_flight = 4;
        config->limits.frame_bytes = FRAME_BYTES_MAX;
        config->limits.bytes_in_flight = 65536;
        config->limits.bytes_per_uid = 262144;
        config->limits.handles = 3;
        config->limits.handles_per_uid = 4;
        config->limits.jobs_per_uid = 3;
        config->limits.jobs = 4;
        config->limits.jobs_running = 2;
        return config;
}

static void set_scene(void) {
        static uint64_t scene;

        fake_reset();
        if (!fake_fs || fake_fs->serials != scene) {
                fake_copy_reset();
                fake_make("/srv/build/a/b/c", FSOP_TYPE_REGULAR, 100);
                fake_make("/srv/build/a/d", FSOP_TYPE_REGULAR, 40000000);
                fake_make("/srv/service/c", FSOP_TYPE_REGULAR, 10);
                fake_make("/home/alice/e", FSOP_TYPE_REGULAR, 10);
                scene = fake_fs->serials;
        } else
                fake_copy_forget();
        memset(&sys, 0, sizeof(sys));
        kit_requests = 0;
        fake_file_add("/etc/fsopd/policy.d/a.yaml", rules);
        fake_directory_add("/", 0);
        fake_directory_add("/srv", 0);
        fake_directory_add("/srv/build", 0);
        fake_directory_add("/srv/service", 0);
        fake_directory_add("/srv/watched", 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static struct config *config;
        uint8_t flags;

        set_scene();
        if (!config) {
                log_setup(getenv("FUZZ_LOG") ? LOG_LEVEL_DEBUG : 0, false);
                arena_init(&arena, 64u << 20);
                arena_init(&scratch, 64u << 20);
                config = small_config();
        }
        visit.input = (struct input){data, size};
        visit.settling = visit.told = visit.checked = false;
        visit.waits = visit.quiet = visit.n_connections = 0;
        visit.ends_by_ms = 0;
        fuzz_accepted = false;
        flags = input_byte(&visit.input);
        visit.late_cancels = flags & 1;
        sys.slow = flags & 2;
        visit.reads_rules = flags == 255;
        new_engine();
        must(server_main(config, false) == 0);
        nothing_is_left();
        return 0;
}
