/* SPDX-License-Identifier: MIT */
/*
 * session_in.c: what a connection asks for: bytes come from the engine, frames are cut from them, messages become
 * tasks. A client that does not read is not read from either.
 */
#include <stdio.h>
#include <string.h>

#include "daemon/graveyard.h"
#include "daemon/log.h"
#include "daemon/server.h"
#include "daemon/session_internal.h"
#include "daemon/share.h"
#include "daemon/steps.h"
#include "proto/codec.h"
#include "proto/frame.h"

/* With more than this unread and nothing that may be begun, the socket is left alone; with anything, if its user has no
 * room and it has nothing in flight that a Cancel could be for. */
#define IN_PAUSE_BYTES (64u << 10)
#define CANCEL_BYTES_MAX 16u /* the body of a Cancel has 13 at most */
/* are looked through at once: more than wait of a client that keeps to what was agreed */
#define HEAR_FRAMES_MAX 256u

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
        session_clear_deadline(session);
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
        session_charge(session, task->charged_bytes);
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
        session_uncharge(session, task->charged_bytes);
        task_free(task);
        session_mark_dirty(session); /* the end of the round looks for more to do */
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

/* ---- frames ------------------------------------------------------------------------------------------------------ */

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
        code = codec_decode_request(session_scratch(), body, &limits, &message, &error);
        arena_reset(session_scratch());
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
                        session_reserve_in(session, header.body_bytes > IN_PAUSE_BYTES ? header.body_bytes : 0);
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
                session_reserve_in(session, 0);
                taken += FRAME_HEADER_BYTES;
                take_frame(session, &header, (struct bytes){data + taken, header.body_bytes});
                taken += header.body_bytes;
        }
        if (taken == len && session->n_in_fds > 0)
                session_refuse(session, -FSOP_EPROTO, FSOP_CLASS_INVALID, "%u descriptors came that no frame declares",
                               session->n_in_fds);
        return taken;
}

/* ---- bytes ------------------------------------------------------------------------------------------------------- */

static void received(struct io *io);

void session_start_receiving(struct session *session) {
        struct engine *engine = session->server->engine;

        session->receiving = true;
        session->pausing = false;
        session->receive = (struct io){.kind = IO_RECEIVE, .done = received, .owner = session};
        session->receive.u.receive.fd = session->fd;
        engine->ops->submit(engine, &session->receive);
}

bool session_wants_more(const struct session *session, bool waits) {
        size_t len = buffer_len(&session->in);

        return (!waits && may_begin(session)) || len < session->in_reserved ||
               len < (session_has_room(session) || session->n_tasks > 0 ? IN_PAUSE_BYTES : 1);
}

void session_resume(struct session *session) {
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
        bool wanted = session_wants_more(session, session->yielded);
        if (!session->receiving && !session->server->draining && wanted)
                session_start_receiving(session);
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
        session_mark_dirty(session);
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
