/* SPDX-License-Identifier: MIT */
/*
 * turns.h: whose turn it is on the loop. Users take turns, not connections or batches: in each round of the loop the
 * connections of one user do together what fits one turn, then whatever has come from others is looked at. What does
 * not fit waits in its user's queue for the next round. All on the loop thread; nothing is allocated.
 *
 * The daemon's own tasks have no account, and are never over their turn.
 */
#ifndef FSOP_TURNS_H
#define FSOP_TURNS_H

#include <stdbool.h>
#include <stdint.h>

/* A turn ends with the first of: so many operations, so much time; less where somebody else was there within the last
 * 100 ms, who would wait for all of a window. docs/performance.md has what other values are worth. */
#define TURN_OPS 128u
#define TURN_NS 500000u
#define TURN_NS_SHARED 30000u

/* What a user's turn may take when all goes well, several times over. Beyond it the user is dear. */
#define TURN_DEAR_NS 2000000u

struct account;
struct server;
struct session;

struct turns {
        struct account *first, *last; /* users who have something to do, or wait for room that there is now */
        uint64_t round;
        struct account *running; /* whose work runs now */
        uint64_t began_ns;
        bool watched; /* whose work runs: then the next two were looked at when it began */
        uint64_t began_cpu_ns, began_waits;
        uint32_t ops;           /* of what runs */
        bool from_queue;        /* what runs has queued up for it */
        struct account *latest; /* to be compared only: it may be gone */
        uint64_t shared_until_ns;
};

/* What follows is done for the session's user; the time until turn_end is its. Returns whether it began: not where one
 * has begun already, which then goes on. */
bool turn_begin(struct session *session);
void turn_end(struct session *session, bool began);

/* Whether the rest must wait for the user's next turn; the session notes that there is a rest (session->yielded). */
bool turn_is_over(struct session *session);

/*
 * Whether what the loop looks up or changes for the user may take long: this turn has, or others lately have, and not
 * for want of a processor. (A path through forty links of 4 KB each, a lock for which a hundred others queue.) Then
 * workers do it, for a second, and twice as long each time that it is found again.
 */
bool turn_is_dear(const struct session *session);

/* How many operations may go together. */
uint32_t turn_window(const struct session *session);
void turn_charge_ops(struct session *session, uint32_t n);
/* So many lines of the audit were written for its user, who is slowed down when they become too many. */
void turn_charge_audit(struct session *session, uint32_t lines);

/* Of those written, how many are not paid for by the time that has passed: at most about what a second allows. */
uint64_t turns_audit_lines(const struct server *server, const struct account *account);

/* The session goes on in its user's next turn. */
void turns_queue(struct session *session);
/* … when there is room in its user's budget; turns_room says when there may be. */
void turns_queue_for_room(struct session *session);
void turns_room(struct session *session);
/* The session is in no queue any more. */
void turns_forget(struct session *session);
/* Whether others of its user wait for their turn: it is to queue up behind them. */
bool turns_others_wait(const struct session *session);

/* Gives every user a turn who has something to do. */
void turns_run(struct server *server);
/* How long the loop may sleep because of those who still have: 0, until one who was slowed down may go on, or -1. */
int turns_wait_ms(const struct server *server);

#endif
