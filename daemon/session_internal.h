/* SPDX-License-Identifier: MIT */
/*
 * session_internal.h: what the files of a session share.
 *
 *      session.c      its life: start, turns, deadlines, the end
 *      session_in.c   bytes in, frames cut, messages taken, tasks begun
 *      session_out.c  answers encoded, queued and sent; last words
 */
#ifndef FSOP_SESSION_INTERNAL_H
#define FSOP_SESSION_INTERNAL_H

#include "daemon/session.h"
#include "proto/arena.h"

/* ---- session.c --------------------------------------------------------------------------------------------------- */

/* It has something to do at the end of this round. */
void session_mark_dirty(struct session *session);
/* It has none. */
void session_set_deadline(struct session *session, enum deadline kind);
void session_clear_deadline(struct session *session);

/* Bytes of requests and answers, against its user's budget and the daemon's. */
void session_charge(struct session *session, uint64_t bytes);
void session_uncharge(struct session *session, uint64_t bytes);
/* A large frame comes in parts: room for all of it is taken when its first part is there, or else no further one is
 * read. BYTES 0: it is whole, or there is none. */
void session_reserve_in(struct session *session, uint32_t bytes);

/* ---- session_in.c ------------------------------------------------------------------------------------------------ */

void session_start_receiving(struct session *session);
/* Whether more is to be read. WAITS: nothing of it can be begun now. */
bool session_wants_more(const struct session *session, bool waits);
/* Cuts what was kept, and begins or stops to read as what is left demands. */
void session_resume(struct session *session);

/* ---- session_out.c ----------------------------------------------------------------------------------------------- */

/* Sends what is queued, if nothing is being sent. */
void session_flush(struct session *session);
/* What is queued will not be sent. */
void session_drop_out(struct session *session);
/* Tells the client why (CODE with a sentence), then closes. */
__attribute__((format(printf, 4, 5))) void session_refuse(struct session *session, int code,
                                                          enum fsop_error_class class_, const char *format, ...);
/* For one message that is encoded, or looked at; to be reset by who used it. */
struct arena *session_scratch(void);

#endif
