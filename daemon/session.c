/* SPDX-License-Identifier: MIT */
/*
 * session.c: a connection's life. Bytes come from the engine, frames become tasks, answers are queued as chunks and
 * sent one send at a time; a client that does not read is not read from either.
 */
#include "daemon/session.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/graveyard.h"
#include "daemon/jobs.h"
#include "daemon/log.h"
#include "daemon/server.h"
#include "daemon/share.h"
#include "daemon/steps.h"
#include "proto/codec.h"
#include "proto/frame.h"
#include "proto/names.h"

/* With more than this unread and nothing that may be begun, the socket is left alone; with anything, if its user has no
 * room and it has nothing in flight that a Cancel could be for. */
#define IN_PAUSE_BYTES (64u << 10)
/* after this it is looked again whether a client is gone, or has read its last words or descriptors */
#define LOOK_MS 1000u
#define FDS_WAIT_MS 60000u
#define SCRATCH_BYTES (4u << 20)
#define CANCEL_BYTES_MAX 16u /* the body of a Cancel has 13 at most */
/* are looked through at once: more than wait of a client that keeps to what was agreed */
#define HEAR_FRAMES_MAX 256u
#define SPARE_CHUNKS 8u
#define SPARE_CHUNK_BYTES (64u << 10)

static struct arena scratch; /* of one message that is encoded, or looked at */

static struct arena *prepare_scratch(void) {
        if (scratch.cap_bytes == 0)
                arena_init(&scratch, SCRATCH_BYTES);
        return &scratch;
}

/* Tells the client why (CODE with a sentence), then closes. */
__attribute__((format(printf, 4, 5))) static void session_refuse(struct session *session, int code,
                                                                 enum fsop_error_class class_, const char *format, ...);

/* ---- chunks ------------------------------------------------------------------------------------------------------ */

static struct chunk *spare_chunks;
static unsigned n_spare_chunks;

static struct chunk *chunk_new(void) {
        struct chunk *chunk = spare_chunks;

        if (!chunk)
                return calloc(1, sizeof(*chunk));
        spare_chunks = chunk->next;
        n_spare_chunks--;
        chunk->next = NULL;
        return chunk;
}

static void chunk_free(struct session *session, struct chunk *chunk) {
        for (uint32_t i = 0; i < chunk->n_fds; i++)
                graveyard_bury(chunk->fds[i], session->account);
        chunk->n_fds = 0;
        buffer_consume(&chunk->data, buffer_len(&chunk->data), SPARE_CHUNK_BYTES);
        if (n_spare_chunks == SPARE_CHUNKS) {
                buffer_fini(&chunk->data);
                free(chunk);
                return;
        }
        chunk->next = spare_chunks;
        spare_chunks = chunk;
        n_spare_chunks++;
}

void session_free_spares(void) {
        struct chunk *chunk;

        while ((chunk = spare_chunks)) {
                spare_chunks = chunk->next;
                buffer_fini(&chunk->data);
                free(chunk);
        }
        n_spare_chunks = 0;
        arena_fini(&scratch);
}

/* ---- lists of the server ----------------------------------------------------------------------------------------- */

static uint32_t delay_of(const struct server *server, enum deadline kind) {
        switch (kind) {
        case DEADLINE_HELLO:
                return server->config->limits.hello_timeout_ms;
        case DEADLINE_LOOK:
                return LOOK_MS;
        default:
                return FDS_WAIT_MS;
        }
}

/* What waits equally long ends in the order in which it began. */
static void deadline_link(struct session *session, enum deadline kind) {
        struct deadlines *list = &session->server->deadlines[kind];

        session->deadline_ms = session->server->now_ms + delay_of(session->server, kind);
        session->deadline_kind = kind;
        session->deadline_prev = list->last;
        session->deadline_next = NULL;
        *(list->last ? &list->last->deadline_next : &list->first) = session;
        list->last = session;
}

static void deadline_unlink(struct session *session) {
        struct deadlines *list = &session->server->deadlines[session->deadline_kind];

        if (session->deadline_kind == DEADLINE_NONE)
                return;
        *(session->deadline_prev ? &session->deadline_prev->deadline_next : &list->first) = session->deadline_next;
        *(session->deadline_next ? &session->deadline_next->deadline_prev : &list->last) = session->deadline_prev;
        session->deadline_kind = DEADLINE_NONE;
}

static void mark_dirty(struct session *session) {
        if (session->dirty)
                return;
        session->dirty = true;
        session->dirty_next = session->server->dirty;
        session->server->dirty = session;
}

/* ---- room -------------------------------------------------------------------------------------------------------- */

/* Unread answers alone do not keep out the first task, until they are twice too many. */
bool session_has_room(const struct session *session) {
        const struct config_limits *limits = &session->server->config->limits;
        const struct account *account = session->account;

        if (account->tasks >= limits->batches_per_uid)
                return false;
        return account->bytes < limits->bytes_per_uid ||
               (account->tasks == 0 && account->bytes / 2 < limits->bytes_per_uid);
}

static void charge(struct session *session, uint64_t bytes) {
        session->bytes_in_flight += bytes;
        session->account->bytes += bytes;
        server_charge(session->server, (int64_t)bytes);
}

static void uncharge(struct session *session, uint64_t bytes) {
        session->bytes_in_flight -= bytes;
        session->account->bytes -= bytes;
        server_charge(session->server, -(int64_t)bytes);
        turns_room(session);
}

/* A large frame comes in parts: room for all of it is taken when its first part is there, or else no further one is
 * read. BYTES 0: it is whole, or there is none. */
static void reserve_in(struct session *session, uint32_t bytes) {
        if (session->in_reserved == bytes || (bytes > 0 && !session_has_room(session)))
                return;
        session->account->bytes += bytes;
        session->account->bytes -= session->in_reserved;
        server_charge(session->server, (int64_t)bytes - session->in_reserved);
        session->in_reserved = bytes;
        if (bytes == 0)
                turns_room(session);
}

/* ---- the end of it ----------------------------------------------------------------------------------------------- */

static void session_free(struct session *session) {
        struct server *server = session->server;
        struct chunk *chunk;

        jobs_session_closed(server->jobs, session->id);
        deadline_unlink(session);
        reserve_in(session, 0);
        uncharge(session, session->out_bytes);
        turns_forget(session);
        session->account->fds -= session->n_in_fds + session->fds_queued + session->fds_unread;
        session->account->handles -= session->handles.used;
        while ((chunk = session->out_first)) {
                session->out_first = chunk->next;
                chunk_free(session, chunk);
        }
        for (uint32_t i = 0; i < session->n_in_fds; i++)
                graveyard_bury(session->in_fds[i], session->account);
        /* descriptors may still lie in the socket's queue: closing it closes them, which may hang */
        graveyard_bury_socket(session->fd, session->peer.uid);
        buffer_fini(&session->in);
        handles_fini(&session->handles);
        identity_unref(session->identity);
        peer_fini(&session->peer);
        accounts_disconnect(&server->accounts, session->account);
        *(session->prev ? &session->prev->next : &server->sessions) = session->next;
        if (session->next)
                session->next->prev = session->prev;
        server->n_sessions--;
        server_charge(server, -(int64_t)sizeof(*session));
        free(session);
}

/* Marks only: whoever is on the stack may still hold the session and its tasks; the end of the round does the rest. */
void session_close(struct session *session) {
        struct engine *engine = session->server->engine;

        mark_dirty(session);
        if (session->state == SESSION_CLOSED)
                return;
        session->state = SESSION_CLOSED;
        session->server->audit_due_ms = 0; /* who has gone may look at what the audit says */
        deadline_unlink(session);
        if (session->receiving && !session->pausing)
                engine->ops->cancel(engine, &session->receive);
        if (session->sending)
                engine->ops->cancel(engine, &session->send);
        for (struct task *task = session->tasks; task; task = task->next)
                task_cancel(task, -FSOP_ECANCELED);
}

/* Who is not read from is not heard to leave either. */
static void look_whether_gone(struct session *session) {
        if (sys_socket_is_gone(session->fd))
                session_close(session);
        else
                deadline_link(session, DEADLINE_LOOK);
}

void session_expire(struct session *session) {
        bool was_look = session->deadline_kind == DEADLINE_LOOK;

        deadline_unlink(session);
        if (session->state == SESSION_HELLO)
                session_refuse(session, -FSOP_ETIMEDOUT, FSOP_CLASS_INVALID, "no Hello within %u ms of connecting",
                               session->server->config->limits.hello_timeout_ms);
        else if (session->state == SESSION_OPEN && was_look)
                look_whether_gone(session);
        else if (session->state == SESSION_OPEN)
                session_refuse(session, -FSOP_ETIMEDOUT, FSOP_CLASS_INVALID,
                               "descriptors were passed, and for %u s neither was the rest of their request sent nor "
                               "an answer read",
                               FDS_WAIT_MS / 1000);
        else
                session_close(session);
}

void session_drain(struct session *session) {
        struct engine *engine = session->server->engine;

        if (session->receiving && !session->pausing) {
                session->pausing = true;
                engine->ops->cancel(engine, &session->receive);
        }
}

/* ---- out --------------------------------------------------------------------------------------------------------- */

bool session_is_held(const struct session *session) {
        return session->out_bytes > SESSION_OUT_HIGH_BYTES;
}

/* Room to append one frame that carries FDS (taken over on success). NULL on lack of memory. */
static struct buffer *session_out(struct session *session, const os_fd *fds, uint32_t n_fds) {
        struct chunk *chunk = session->out_last;
        bool busy = chunk && chunk == session->out_first && session->sending;

        if (!chunk || busy || n_fds > 0) {
                chunk = chunk_new();
                if (!chunk)
                        return NULL;
                if (n_fds > 0)
                        memcpy(chunk->fds, fds, n_fds * sizeof(*fds));
                chunk->n_fds = n_fds;
                *(session->out_last ? &session->out_last->next : &session->out_first) = chunk;
                session->out_last = chunk;
        }
        mark_dirty(session);
        return &chunk->data;
}

void session_send(struct session *session, const struct message *message, const os_fd *fds, uint32_t n_fds) {
        struct buffer *out;
        size_t before;
        int code;

        if (session->state == SESSION_CLOSED) {
                for (uint32_t i = 0; i < n_fds; i++)
                        graveyard_bury(fds[i], session->account);
                return;
        }
        out = session_out(session, fds, n_fds);
        if (!out) {
                for (uint32_t i = 0; i < n_fds; i++)
                        graveyard_bury(fds[i], session->account);
                session_close(session);
                return;
        }
        before = buffer_len(out);
        code = codec_encode(prepare_scratch(), message, (uint16_t)n_fds, session->frame_bytes_max, out);
        arena_reset(&scratch);
        if (code < 0) {
                log_line(LOG_LEVEL_ERROR, "session %llu: an answer could not be encoded (%s); closing",
                         (unsigned long long)session->id, error_name(-code));
                session_close(session);
                return;
        }
        session->fds_queued += n_fds;
        session->account->fds += n_fds;
        session->out_bytes += buffer_len(out) - before;
        charge(session, buffer_len(out) - before);
}

/* The first chunk is through, or will never be. */
static void end_send(struct session *session) {
        struct chunk *chunk = session->out_first;

        session->sending = false;
        session->out_bytes -= buffer_len(&chunk->data);
        uncharge(session, buffer_len(&chunk->data));
        session->out_first = chunk->next;
        if (!session->out_first)
                session->out_last = NULL;
        chunk_free(session, chunk);
        if (session->send.result < 0 || session->state == SESSION_CLOSED ||
            (!session->out_first && session->state == SESSION_LAST_WORDS))
                session_close(session);
}

static void sent(struct io *io) {
        struct session *session = io->owner;

        end_send(session);
        if (session->state == SESSION_OPEN)
                deadline_unlink(session); /* it goes on, and has time again */
        mark_dirty(session);
}

/* A send that makes room for something which waits is reported by the next wait: others have their turn before that
 * goes on. */
static bool waits_for_room(const struct session *session) {
        return session->n_tasks > 0 || buffer_len(&session->in) > 0 || !session->receiving;
}

/* The kernel keeps descriptors that nobody fetches, in the daemon's name and only so many: they count as their user's
 * until they are read. */
bool session_has_unread_fds(struct session *session) {
        if (session->fds_unread > 0 && sys_socket_is_read(session->fd)) {
                session->account->fds -= session->fds_unread;
                session->fds_unread = 0;
        }
        return session->fds_unread > 0;
}

static void count_sent_fds(struct session *session, uint32_t n) {
        if (n == 0)
                return;
        session_has_unread_fds(session);
        session->fds_queued -= n;
        session->fds_unread += n;
}

static void send_first(struct session *session) {
        const struct chunk *chunk = session->out_first;
        struct engine *engine = session->server->engine;

        session->sending = true;
        count_sent_fds(session, chunk->n_fds);
        session->send = (struct io){.kind = IO_SEND, .done = sent, .owner = session};
        if (!waits_for_room(session))
                session->send.flags = IO_AT_ONCE;
        session->send.u.send.fd = session->fd;
        session->send.u.send.data = chunk->data.data + chunk->data.start;
        session->send.u.send.len = buffer_len(&chunk->data);
        session->send.u.send.fds = chunk->fds;
        session->send.u.send.n_fds = chunk->n_fds;
        engine->ops->submit(engine, &session->send);
        if (session->send.flags & IO_ENDED)
                end_send(session);
}

/* Sends what is queued, if nothing is being sent. */
static void session_flush(struct session *session) {
        while (!session->sending && session->out_first && session->state != SESSION_CLOSED)
                send_first(session);
}

static void session_refuse(struct session *session, int code, enum fsop_error_class class_, const char *format, ...) {
        struct message message = {.kind = MESSAGE_FAILURE};
        char text[512], quoted[512];
        va_list args;

        if (session->state == SESSION_CLOSED || session->state == SESSION_LAST_WORDS)
                return;
        va_start(args, format);
        vsnprintf(text, sizeof(text), format, args);
        va_end(args);
        message.body.failure.code = (enum fsop_errno) - code;
        message.body.failure.class_ = class_;
        message.body.failure.retryable = error_is_retryable(-code);
        message.body.failure.message = (struct bytes){(const uint8_t *)text, strlen(text)};
        session->server->totals.refused++;
        if (refusals_add(&session->server->refusals, REFUSAL_SESSION, session->server->now_ms))
                log_line(LOG_LEVEL_NOTICE, "session %llu (uid %u, pid %lld): closing: %s",
                         (unsigned long long)session->id, session->peer.uid, (long long)session->peer.pid,
                         log_quote(quoted, sizeof(quoted), message.body.failure.message));
        session_send(session, &message, NULL, 0);
        if (session->state == SESSION_CLOSED)
                return;
        session->state = SESSION_LAST_WORDS;
        deadline_unlink(session);
        deadline_link(session, DEADLINE_LOOK);
        session_drain(session);
        for (struct task *task = session->tasks; task; task = task->next)
                task_cancel(task, -FSOP_ECANCELED);
}

/* ---- messages ---------------------------------------------------------------------------------------------------- */

static uint32_t negotiated(uint32_t asked, uint32_t least, uint32_t ours) {
        if (asked == 0 || asked > ours)
                return ours;
        return asked < least ? least : asked;
}

static void log_client(const struct session *session, struct bytes name) {
        char quoted[WIRE_NAME_BYTES_MAX + 1];

        if (log_wants(LOG_LEVEL_DEBUG))
                log_line(LOG_LEVEL_DEBUG, "session %llu (uid %u, pid %lld): %s", (unsigned long long)session->id,
                         session->peer.uid, (long long)session->peer.pid, log_quote(quoted, sizeof(quoted), name));
}

static void take_hello(struct session *session, const struct hello *hello) {
        const struct config_limits *limits = &session->server->config->limits;
        struct message message = {.kind = MESSAGE_WELCOME};
        struct welcome *welcome = &message.body.welcome;
        const char *engine = session->server->engine->ops->name;

        if (hello->version_min > WIRE_VERSION || hello->version_max < WIRE_VERSION) {
                session_refuse(session, -FSOP_EPROTO, FSOP_CLASS_UNSUPPORTED,
                               "the client speaks protocol versions %u to %u, this daemon %u", hello->version_min,
                               hello->version_max, WIRE_VERSION);
                return;
        }
        session->frame_bytes_max = negotiated(hello->frame_bytes_max, 4096, limits->frame_bytes);
        session->batch_ops_max = negotiated(hello->batch_ops_max, 1, limits->batch_ops);
        session->batches_max = negotiated(hello->batches_max, 1, limits->batches_in_flight);
        session->state = SESSION_OPEN;
        deadline_unlink(session);
        log_client(session, hello->client);

        welcome->version = WIRE_VERSION;
        session->features = welcome->features = hello->features & WIRE_FEATURE_FDS;
        welcome->frame_bytes_max = session->frame_bytes_max;
        welcome->batch_ops_max = session->batch_ops_max;
        welcome->batches_max = session->batches_max;
        welcome->engine = (struct bytes){(const uint8_t *)engine, strlen(engine)};
        welcome->daemon_version = (struct bytes){(const uint8_t *)FSOPD_VERSION, strlen(FSOPD_VERSION)};
        welcome->platform = (struct bytes){(const uint8_t *)sys_platform(), strlen(sys_platform())};
        welcome->foreign = session->peer.foreign;
        if (hello->want_support)
                welcome->support = sys_support(&welcome->n_support);
        session_send(session, &message, NULL, 0);
}

static struct task *find_task(struct session *session, uint64_t id) {
        for (struct task *task = session->tasks; task; task = task->next)
                if (task->batch.id == id)
                        return task;
        return NULL;
}

/* Puts a decoded batch among the session's tasks and begins it. */
static void take_batch(struct session *session, struct task *task, const struct batch *batch, size_t frame_bytes) {
        struct server *server = session->server;

        if (find_task(session, batch->id)) {
                task_free(task);
                session_refuse(session, -FSOP_EPROTO, FSOP_CLASS_INVALID, "batch %llu is in flight already",
                               (unsigned long long)batch->id);
                return;
        }
        task->batch = *batch;
        if (batch->deadline_ms > 0) {
                server->now_ms = sys_monotonic_ms(); /* this runs inside a wait that may have been long */
                task->deadline_ms = server->now_ms + batch->deadline_ms;
                if (task->deadline_ms < server->next_deadline_ms)
                        server->next_deadline_ms = task->deadline_ms;
        }
        task->charged_bytes =
                frame_bytes + batch->n_ops * sizeof(struct operation) +
                (batch->n_ops < TASK_WINDOW_OPS ? batch->n_ops : TASK_WINDOW_OPS) * sizeof(struct task_op) +
                batch_out_bytes(batch) + share_bytes(batch);
        charge(session, task->charged_bytes);
        session->account->tasks++;
        task->prev = session->tasks_last;
        *(task->prev ? &task->prev->next : &session->tasks) = task;
        session->tasks_last = task;
        session->n_tasks++;
        server->totals.batches++;
        server->totals.operations += batch->n_ops;
        session->account->operations += batch->n_ops;
        task_run(task);
}

static void take_cancel(struct session *session, uint64_t id) {
        struct task *task = find_task(session, id);

        if (task)
                task_cancel(task, -FSOP_ECANCELED);
}

void session_task_done(struct session *session, struct task *task) {
        *(task->prev ? &task->prev->next : &session->tasks) = task->next;
        *(task->next ? &task->next->prev : &session->tasks_last) = task->prev;
        session->n_tasks--;
        session->account->tasks--;
        uncharge(session, task->charged_bytes);
        task_free(task);
        mark_dirty(session); /* the end of the round looks for more to do */
}

/* One whole frame. */
static void take_frame(struct session *session, const struct frame_header *header, struct bytes body) {
        struct task *task = task_new(session);
        struct message message;
        struct error error = {0};
        int code;

        if (!task) {
                session_refuse(session, -FSOP_ENOMEM, FSOP_CLASS_BUSY, "the daemon is out of memory");
                return;
        }
        memcpy(task->fds, session->in_fds, header->n_fds * sizeof(os_fd));
        task->n_fds = header->n_fds;
        session->n_in_fds -= header->n_fds;
        memmove(session->in_fds, session->in_fds + header->n_fds, session->n_in_fds * sizeof(os_fd));

        code = decode_frame(task, body, &message, &error);
        if (code < 0) {
                session_refuse(session, code, FSOP_CLASS_INVALID, "%.*s", (int)error.message.len,
                               error.message.len > 0 ? (const char *)error.message.data : "");
                task_free(task);
                return;
        }
        if (message.kind == MESSAGE_BATCH && session->state == SESSION_OPEN) {
                take_batch(session, task, &message.body.batch, body.len);
                return;
        }
        if (message.kind == MESSAGE_CANCEL && session->state == SESSION_OPEN)
                take_cancel(session, message.body.cancel_id);
        else if (message.kind == MESSAGE_HELLO && session->state == SESSION_HELLO)
                take_hello(session, &message.body.hello);
        else
                session_refuse(session, -FSOP_EPROTO, FSOP_CLASS_INVALID,
                               session->state == SESSION_HELLO ? "Hello must come first" : "Hello came twice");
        task_free(task);
}

/* ---- in ---------------------------------------------------------------------------------------------------------- */

/* Whether another frame may be begun now. */
static bool may_begin(const struct session *session) {
        const struct config_limits *limits = &session->server->config->limits;

        if (session->server->draining || session_is_held(session))
                return false;
        if (session->state != SESSION_HELLO && session->in_reserved == 0 && !session_has_room(session))
                return false;
        if (session->n_tasks == 0)
                return true;
        return session->n_tasks < session->batches_max && session->bytes_in_flight < limits->bytes_in_flight;
}

static bool is_cancel(const struct session *session, struct bytes body, uint64_t *ret_id) {
        const struct codec_limits limits = {.batch_ops_max = session->batch_ops_max};
        struct message message;
        struct error error;
        int code;

        if (body.len > CANCEL_BYTES_MAX)
                return false;
        code = codec_decode_request(prepare_scratch(), body, &limits, &message, &error);
        arena_reset(&scratch);
        *ret_id = message.body.cancel_id;
        return code == 0 && message.kind == MESSAGE_CANCEL;
}

/* A Cancel does not wait behind frames that do: what it ends may be what they wait for. It is heard where it stands;
 * when it is taken in its turn there is nothing left for it to do. */
static void hear_cancels(struct session *session) {
        for (unsigned n = 0; n < HEAR_FRAMES_MAX && session->in_heard < buffer_len(&session->in); n++) {
                const uint8_t *data = session->in.data + session->in.start + session->in_heard;
                size_t len = buffer_len(&session->in) - session->in_heard;
                struct frame_header header;
                uint64_t id;

                if (session->state != SESSION_OPEN ||
                    frame_read_header(data, len, session->frame_bytes_max, &header) <= 0 ||
                    len - FRAME_HEADER_BYTES < header.body_bytes)
                        return;
                session->in_heard += FRAME_HEADER_BYTES + header.body_bytes;
                if (is_cancel(session, (struct bytes){data + FRAME_HEADER_BYTES, header.body_bytes}, &id))
                        take_cancel(session, id);
        }
}

static void refuse_header(struct session *session, int code) {
        if (code == -FSOP_EMSGSIZE)
                session_refuse(session, code, FSOP_CLASS_INVALID, "a frame is longer than the limit of %u bytes",
                               session->frame_bytes_max);
        else if (code == -FSOP_E2BIG)
                session_refuse(session, code, FSOP_CLASS_INVALID, "a frame declares more than %u descriptors",
                               WIRE_FRAME_FDS_MAX);
        else
                session_refuse(session, code, FSOP_CLASS_INVALID, "what came is not a frame of this protocol");
}

/* Cuts and takes whole frames from data, as far as its user's turn goes; returns how many bytes they were. */
static size_t take_frames(struct session *session, const uint8_t *data, size_t len) {
        size_t taken = 0;

        while ((session->state == SESSION_HELLO || session->state == SESSION_OPEN) && taken < len &&
               may_begin(session)) {
                struct frame_header header;
                int ret = frame_read_header(data + taken, len - taken, session->frame_bytes_max, &header);

                if (ret < 0) {
                        refuse_header(session, ret);
                        break;
                }
                if (ret == 0)
                        break;
                if (len - taken - FRAME_HEADER_BYTES < header.body_bytes) {
                        reserve_in(session, header.body_bytes > IN_PAUSE_BYTES ? header.body_bytes : 0);
                        break;
                }
                if (session->state == SESSION_OPEN && turn_is_over(session)) /* Hello comes once, and has a deadline */
                        break;
                if (header.n_fds > 0 && !(session->features & WIRE_FEATURE_FDS)) {
                        session_refuse(session, -FSOP_EPROTO, FSOP_CLASS_INVALID,
                                       "a frame carries descriptors, and Hello did not agree on them");
                        break;
                }
                if (header.n_fds > session->n_in_fds) {
                        session_refuse(session, -FSOP_EPROTO, FSOP_CLASS_INVALID,
                                       "a frame declares %u descriptors, %u came", header.n_fds, session->n_in_fds);
                        break;
                }
                reserve_in(session, 0);
                taken += FRAME_HEADER_BYTES;
                take_frame(session, &header, (struct bytes){data + taken, header.body_bytes});
                taken += header.body_bytes;
        }
        if (taken == len && session->n_in_fds > 0)
                session_refuse(session, -FSOP_EPROTO, FSOP_CLASS_INVALID, "%u descriptors came that no frame declares",
                               session->n_in_fds);
        return taken;
}

static void received(struct io *io);

static void start_receiving(struct session *session) {
        struct engine *engine = session->server->engine;

        session->receiving = true;
        session->pausing = false;
        session->receive = (struct io){.kind = IO_RECEIVE, .done = received, .owner = session};
        session->receive.u.receive.fd = session->fd;
        engine->ops->submit(engine, &session->receive);
}

/* Runs the tasks that wait for nothing but room in the queue, or their turn. A task that runs may end, so the list is
 * read anew each time. */
static void run_held_tasks(struct session *session) {
        struct task *task = session->tasks;

        while (task && !session->yielded && (session->state == SESSION_CLOSED || !session_is_held(session))) {
                if (task->pending > 0) {
                        task = task->next;
                        continue;
                }
                task_run(task);
                task = session->tasks;
        }
}

/* Whether more is to be read. WAITS: nothing of it can be begun now. */
static bool wants_more(const struct session *session, bool waits) {
        size_t len = buffer_len(&session->in);

        return (!waits && may_begin(session)) || len < session->in_reserved ||
               len < (session_has_room(session) || session->n_tasks > 0 ? IN_PAUSE_BYTES : 1);
}

/* Cuts what was kept, and begins or stops to read as what is left demands. */
static void session_resume(struct session *session) {
        if (buffer_len(&session->in) > 0 && session->state != SESSION_CLOSED) {
                size_t taken = take_frames(session, session->in.data + session->in.start, buffer_len(&session->in));

                buffer_consume(&session->in, taken, 4096);
                if (taken > 0) /* what has begun now may be what a Cancel behind it is for */
                        session->in_heard = 0;
                hear_cancels(session);
        }
        if (buffer_len(&session->in) > 0 && session->state == SESSION_OPEN && !session->yielded &&
            session->in_reserved == 0 && !session_has_room(session))
                turns_queue_for_room(session);
        if (session->state != SESSION_HELLO && session->state != SESSION_OPEN)
                return;
        bool wanted = wants_more(session, session->yielded);
        if (!session->receiving && !session->server->draining && wanted)
                start_receiving(session);
        else if (session->receiving && !wanted)
                session_drain(session);
}

/* Takes over the descriptors of one receive. */
static bool keep_fds(struct session *session, const struct io *io) {
        uint32_t n = io->u.receive.n_fds, room = SESSION_FDS_MAX - session->n_in_fds;
        bool wanted = session->state == SESSION_HELLO || session->state == SESSION_OPEN;

        for (uint32_t i = 0; i < n; i++) {
                if (wanted && i < room)
                        session->in_fds[session->n_in_fds++] = io->u.receive.fds[i];
                else
                        graveyard_bury(io->u.receive.fds[i], session->account);
        }
        session->account->fds += wanted ? (n < room ? n : room) : 0;
        return n <= room && !(io->flags & IO_FDS_LOST);
}

static void take_bytes(struct session *session, const uint8_t *data, size_t len) {
        size_t taken = 0;

        if (buffer_len(&session->in) == 0 && !session->yielded) {
                bool began = turn_begin(session);

                taken = take_frames(session, data, len);
                turn_end(session, began);
        }
        if (taken < len && (session->state == SESSION_HELLO || session->state == SESSION_OPEN) &&
            buffer_append(&session->in, data + taken, len - taken) < 0)
                session_refuse(session, -FSOP_ENOMEM, FSOP_CLASS_BUSY, "the daemon is out of memory");
}

static void received(struct io *io) {
        struct session *session = io->owner;
        bool fds_fit = true;

        if (io->result > 0)
                fds_fit = keep_fds(session, io);
        if (!(io->flags & IO_MORE))
                session->receiving = false;
        mark_dirty(session);
        if (session->state == SESSION_CLOSED)
                return;
        if (io->result == 0 || (io->result < 0 && io->result != -FSOP_ECANCELED)) {
                session_close(session);
                return;
        }
        if (io->result > 0 && io->u.receive.n_fds > 0 &&
            session->account->fds > session->server->config->limits.descriptors_per_uid)
                session_refuse(session, -FSOP_EMFILE, FSOP_CLASS_BUSY, "this user has more than %u passed descriptors",
                               session->server->config->limits.descriptors_per_uid);
        if (!fds_fit)
                session_refuse(session, -FSOP_E2BIG, FSOP_CLASS_INVALID,
                               "more descriptors than frames may carry (%u each)", WIRE_FRAME_FDS_MAX);
        if (io->result > 0 && session->state != SESSION_LAST_WORDS)
                take_bytes(session, io->u.receive.data, (size_t)io->result);
}

static void go_on(struct session *session) {
        bool began = turn_begin(session);

        session->yielded = false;
        run_held_tasks(session);
        if (session->state != SESSION_CLOSED)
                session_resume(session);
        if (session->yielded)
                turns_queue(session);
        turn_end(session, began);
}

void session_take_turn(struct session *session) {
        go_on(session);
        mark_dirty(session); /* the end of the round sends its answers */
}

/* Whether it holds descriptors that its client passed, and all it does is wait for that client: for the rest of a
 * frame, or to read answers. (A job that is watched may never end either.) */
static bool waits_with_fds(const struct session *session) {
        bool waits = session->n_in_fds > 0;

        for (const struct task *task = session->tasks; task; task = task->next) {
                if (task->pending > 0 && !task_is_parked(task))
                        return false;
                waits |= task->n_fds > 0 && session->sending;
        }
        return waits;
}

/* A client may have passed its own end of the connection, and be gone: then what waits for it would wait for ever. And
 * it may be gone while nothing is read from it, and what it waits for may never come. */
static void watch(struct session *session) {
        bool paused = !session->receiving && session->n_tasks > 0;
        enum deadline kind = waits_with_fds(session) ? DEADLINE_FDS : paused ? DEADLINE_LOOK : DEADLINE_NONE;

        if (kind == session->deadline_kind)
                return;
        deadline_unlink(session);
        if (kind != DEADLINE_NONE)
                deadline_link(session, kind);
}

/* As long as its client leaves descriptors unread it stays: they would be nobody's. */
static void session_bury(struct session *session) {
        if (!session_has_unread_fds(session) || session->server->draining) {
                session_free(session);
                return;
        }
        sys_socket_shut(session->fd);
        if (session->deadline_kind == DEADLINE_NONE)
                deadline_link(session, DEADLINE_LOOK);
}

void session_end_round(struct session *session) {
        if (!session->yielded && !turns_others_wait(session)) {
                go_on(session);
        } else {
                turns_queue(session);
                if (session->receiving &&
                    !wants_more(session, true)) /* its turn may be long in coming, and its client fast */
                        session_drain(session);
        }
        if (session->state == SESSION_OPEN)
                watch(session);
        if (session->state != SESSION_CLOSED)
                session_flush(session);
        else if (!session->receiving && !session->sending && session->n_tasks == 0 && !session->dirty)
                session_bury(session);
}

/* ---- start ------------------------------------------------------------------------------------------------------- */

static void refuse_unknown(struct server *server, os_fd fd, const struct peer *peer, int code, const char *why) {
        struct audit_record record = {.event = AUDIT_REFUSED, .peer = peer, .code = code, .message = why};

        server->totals.refused++;
        if (refusals_add(&server->refusals, REFUSAL_CONNECTION, server->now_ms)) {
                audit_record(server->audit, &record);
                if (peer)
                        log_line(LOG_LEVEL_WARNING, "a connection of uid %u was refused: %s (%s)", peer->uid, why,
                                 error_name(-code));
                else
                        log_line(LOG_LEVEL_WARNING, "a connection was refused: %s (%s)", why, error_name(-code));
        }
        graveyard_bury_socket(fd, peer ? peer->uid : WIRE_NOBODY);
}

void session_start(struct server *server, os_fd fd) {
        const struct config_limits *limits = &server->config->limits;
        struct session *session = NULL;
        struct account *account = NULL;
        struct identity *identity = NULL;
        struct peer peer;
        int code;

        sys_socket_accepted(fd);
        code = peer_query(fd, &peer);
        if (code < 0) {
                refuse_unknown(server, fd, NULL, code, "the kernel does not say who it is");
                return;
        }
        if (sys_is_last_descriptor(fd, limits->descriptors_reserved)) {
                refuse_unknown(server, fd, &peer, -FSOP_EMFILE, "the process is short of descriptors");
                goto fail;
        }
        if (server->n_sessions >= server->connections_max) {
                refuse_unknown(server, fd, &peer, -FSOP_EMFILE,
                               "the daemon has as many connections as its limit allows");
                goto fail;
        }
        account = accounts_connect(&server->accounts, peer.uid, limits->connections_per_uid);
        if (!account) {
                refuse_unknown(server, fd, &peer, -FSOP_EMFILE,
                               "this user has as many connections as its limit allows");
                goto fail;
        }
        code = identity_of_peer(&peer, &identity);
        session = calloc(1, sizeof(*session));
        if (code < 0 || !session) {
                refuse_unknown(server, fd, &peer, code < 0 ? code : -FSOP_ENOMEM, "its identity cannot be worn");
                goto fail;
        }
        session->server = server;
        session->account = account;
        session->id = ++server->next_session_id;
        session->fd = fd;
        session->peer = peer;
        session->identity = identity;
        session->state = SESSION_HELLO;
        session->frame_bytes_max = limits->frame_bytes;
        session->batch_ops_max = limits->batch_ops;
        session->batches_max = limits->batches_in_flight;
        session->next = server->sessions;
        if (session->next)
                session->next->prev = session;
        server->sessions = session;
        server->n_sessions++;
        server_charge(server, sizeof(*session));
        server->totals.connections++;
        deadline_link(session, DEADLINE_HELLO);
        start_receiving(session);
        return;
fail:
        free(session);
        identity_unref(identity);
        if (account)
                accounts_disconnect(&server->accounts, account);
        peer_fini(&peer);
}
