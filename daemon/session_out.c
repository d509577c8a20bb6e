/* SPDX-License-Identifier: MIT */
/*
 * session_out.c: what a connection is told: answers are queued as chunks and sent one send at a time.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/graveyard.h"
#include "daemon/log.h"
#include "daemon/server.h"
#include "daemon/session_internal.h"
#include "proto/codec.h"
#include "proto/names.h"

#define SCRATCH_BYTES (4u << 20)
#define SPARE_CHUNKS 8u
#define SPARE_CHUNK_BYTES (64u << 10)

static struct arena scratch;

struct arena *session_scratch(void) {
        if (scratch.cap_bytes == 0)
                arena_init(&scratch, SCRATCH_BYTES);
        return &scratch;
}

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

/* ---- frames ------------------------------------------------------------------------------------------------------ */

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
        session_mark_dirty(session);
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
        code = codec_encode(session_scratch(), message, (uint16_t)n_fds, session->frame_bytes_max, out);
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
        session_charge(session, buffer_len(out) - before);
}

void session_drop_out(struct session *session) {
        struct chunk *chunk;

        while ((chunk = session->out_first)) {
                session->out_first = chunk->next;
                chunk_free(session, chunk);
        }
}

/* The first chunk is through, or will never be. */
static void end_send(struct session *session) {
        struct chunk *chunk = session->out_first;

        session->sending = false;
        session->out_bytes -= buffer_len(&chunk->data);
        session_uncharge(session, buffer_len(&chunk->data));
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
                session_clear_deadline(session); /* it goes on, and has time again */
        session_mark_dirty(session);
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

void session_flush(struct session *session) {
        while (!session->sending && session->out_first && session->state != SESSION_CLOSED)
                send_first(session);
}

/* ---- last words -------------------------------------------------------------------------------------------------- */

void session_refuse(struct session *session, int code, enum fsop_error_class class_, const char *format, ...) {
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
        session_clear_deadline(session);
        session_set_deadline(session, DEADLINE_LOOK);
        session_drain(session);
        for (struct task *task = session->tasks; task; task = task->next)
                task_cancel(task, -FSOP_ECANCELED);
}
