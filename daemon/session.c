/* SPDX-License-Identifier: MIT */
/*
 * session.c: a connection's life: its start, its turns, its deadlines, its end. What it is asked is in session_in.c,
 * what it answers in session_out.c.
 */
#include "daemon/session.h"

#include <stdlib.h>

#include "daemon/graveyard.h"
#include "daemon/jobs.h"
#include "daemon/log.h"
#include "daemon/server.h"
#include "daemon/session_internal.h"
#include "proto/names.h"

/* after this it is looked again whether a client is gone, or has read its last words or descriptors */
#define LOOK_MS 1000u
#define FDS_WAIT_MS 60000u

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
void session_set_deadline(struct session *session, enum deadline kind) {
        struct deadlines *list = &session->server->deadlines[kind];

        session->deadline_ms = session->server->now_ms + delay_of(session->server, kind);
        session->deadline_kind = kind;
        session->deadline_prev = list->last;
        session->deadline_next = NULL;
        *(list->last ? &list->last->deadline_next : &list->first) = session;
        list->last = session;
}

void session_clear_deadline(struct session *session) {
        struct deadlines *list = &session->server->deadlines[session->deadline_kind];

        if (session->deadline_kind == DEADLINE_NONE)
                return;
        *(session->deadline_prev ? &session->deadline_prev->deadline_next : &list->first) = session->deadline_next;
        *(session->deadline_next ? &session->deadline_next->deadline_prev : &list->last) = session->deadline_prev;
        session->deadline_kind = DEADLINE_NONE;
}

void session_mark_dirty(struct session *session) {
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

void session_charge(struct session *session, uint64_t bytes) {
        session->bytes_in_flight += bytes;
        session->account->bytes += bytes;
        server_charge(session->server, (int64_t)bytes);
}

void session_uncharge(struct session *session, uint64_t bytes) {
        session->bytes_in_flight -= bytes;
        session->account->bytes -= bytes;
        server_charge(session->server, -(int64_t)bytes);
        turns_room(session);
}

void session_reserve_in(struct session *session, uint32_t bytes) {
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

        jobs_session_closed(server->jobs, session->id);
        session_clear_deadline(session);
        session_reserve_in(session, 0);
        session_uncharge(session, session->out_bytes);
        turns_forget(session);
        session->account->fds -= session->n_in_fds + session->fds_queued + session->fds_unread;
        session->account->handles -= session->handles.used;
        session_drop_out(session);
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

        session_mark_dirty(session);
        if (session->state == SESSION_CLOSED)
                return;
        session->state = SESSION_CLOSED;
        session->server->audit_due_ms = 0; /* who has gone may look at what the audit says */
        session_clear_deadline(session);
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
                session_set_deadline(session, DEADLINE_LOOK);
}

void session_expire(struct session *session) {
        bool was_look = session->deadline_kind == DEADLINE_LOOK;

        session_clear_deadline(session);
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

/* ---- rounds ------------------------------------------------------------------------------------------------------ */

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
        session_mark_dirty(session); /* the end of the round sends its answers */
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
        session_clear_deadline(session);
        if (kind != DEADLINE_NONE)
                session_set_deadline(session, kind);
}

/* As long as its client leaves descriptors unread it stays: they would be nobody's. */
static void session_bury(struct session *session) {
        if (!session_has_unread_fds(session) || session->server->draining) {
                session_free(session);
                return;
        }
        sys_socket_shut(session->fd);
        if (session->deadline_kind == DEADLINE_NONE)
                session_set_deadline(session, DEADLINE_LOOK);
}

void session_end_round(struct session *session) {
        if (!session->yielded && !turns_others_wait(session)) {
                go_on(session);
        } else {
                turns_queue(session);
                if (session->receiving &&
                    !session_wants_more(session, true)) /* its turn may be long in coming, and its client fast */
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
        session_set_deadline(session, DEADLINE_HELLO);
        session_start_receiving(session);
        return;
fail:
        free(session);
        identity_unref(identity);
        if (account)
                accounts_disconnect(&server->accounts, account);
        peer_fini(&peer);
}
