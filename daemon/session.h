/* SPDX-License-Identifier: MIT */
/*
 * session.h: one connection: bytes in, frames cut, tasks begun, answers queued, and the limits that hold a client back.
 */
#ifndef FSOP_SESSION_H
#define FSOP_SESSION_H

#include "backends/engine.h"
#include "daemon/accounts.h"
#include "daemon/handles.h"
#include "daemon/task.h"
#include "proto/buffer.h"

/* More unsent answers than this: no further task of the connection is begun, no further window. */
#define SESSION_OUT_HIGH_BYTES (256u << 10)
#define SESSION_FDS_MAX (2 * WIRE_FRAME_FDS_MAX)

struct server;

enum session_state {
        SESSION_HELLO, /* waits for Hello */
        SESSION_OPEN,
        SESSION_LAST_WORDS, /* a failure is being sent, then it closes */
        SESSION_CLOSED,     /* the socket is gone; tasks and ios still come back */
};

/* Frames to be sent with one set of descriptors; those without any are put together. */
struct chunk {
        struct chunk *next;
        struct buffer data;
        os_fd fds[WIRE_FRAME_FDS_MAX]; /* ours to close */
        uint32_t n_fds;
};

/* What a session has a deadline for: one at a time. */
enum deadline {
        DEADLINE_NONE = 0,
        DEADLINE_HELLO,
        DEADLINE_LOOK, /* whether its client is gone, or has read the last words or descriptors */
        DEADLINE_FDS,  /* descriptors wait for the rest of their request */
        DEADLINE_KINDS,
};
struct deadlines {
        struct session *first, *last;
};

struct session {
        struct session *prev, *next;                   /* the server's list */
        struct session *dirty_next;                    /* the server's list of those with something to send */
        struct session *deadline_prev, *deadline_next; /* those with a deadline of one kind, the next one first */
        struct session *turn_prev, *turn_next;         /* in turn_queue */
        struct turn_queue *turn_queue;                 /* of its account; NULL: in none */
        struct server *server;
        struct account *account;
        uint64_t id;
        os_fd fd;
        struct peer peer;
        struct identity *identity; /* the caller, as worn */
        enum session_state state;
        enum deadline deadline_kind;
        uint64_t deadline_ms;
        uint64_t features; /* agreed on in Hello */
        uint32_t frame_bytes_max, batch_ops_max, batches_max;

        struct io receive;
        bool receiving, pausing;
        struct buffer in;
        size_t in_heard;      /* of which so many bytes were looked through for Cancels */
        uint32_t in_reserved; /* charged to the account for a large frame of which a part is there; 0: nothing is */
        os_fd in_fds[SESSION_FDS_MAX];
        uint32_t n_in_fds;

        struct io send;
        bool sending, dirty;
        bool yielded;                       /* something waits for its user's next turn */
        struct chunk *out_first, *out_last; /* first is being sent when `sending` */
        size_t out_bytes;
        uint32_t fds_queued, fds_unread; /* in those chunks, and sent: to be read, as far as is known */

        struct task *tasks, *tasks_last; /* the oldest first */
        uint32_t n_tasks;
        uint32_t op_ns; /* what an operation took on the loop lately; 0: not known */
        uint64_t bytes_in_flight;
        struct handles handles;
};

/* Takes over the socket. Refuses (closing it) when the peer cannot be told or is over its limits. */
void session_start(struct server *server, os_fd fd);

/* Encodes and queues a message; on failure the connection closes. */
void session_send(struct session *session, const struct message *message, const os_fd *fds, uint32_t n_fds);
/* Whether its client has descriptors to read that were sent; those that it has read no longer count as its user's. */
bool session_has_unread_fds(struct session *session);
/* True while its client has enough unread answers. */
bool session_is_held(const struct session *session);

/* A task is over: its bytes are given back, the next frame may be cut. */
void session_task_done(struct session *session, struct task *task);

/* Closes at once: cancels its tasks, closes its handles. The struct goes at the end of the round in which the last io
 * is back. */
void session_close(struct session *session);
/* Its deadline is over: for Hello, for the rest of a frame that descriptors came for, for its last words to be read; or
 * it is time to look whether a client that is not read from is there still. */
void session_expire(struct session *session);
/* Stops reading; what is in flight goes on. */
void session_drain(struct session *session);
/* Whether its user's budget has room for one more request. */
bool session_has_room(const struct session *session);
/* It is its turn: goes on with what waited. */
void session_take_turn(struct session *session);
/* The end of a loop round for a session that is on the dirty list: goes on with what waited, sends what is queued. */
void session_end_round(struct session *session);
/* Gives back what is kept for reuse, at exit. */
void session_free_spares(void);

#endif
