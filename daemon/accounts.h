/* SPDX-License-Identifier: MIT */
/*
 * accounts.h: what each uid has of the daemon: connections, handles, requests and bytes in flight, its turns. One
 * account per uid that is connected; everything taken is given back by name.
 */
#ifndef FSOP_ACCOUNTS_H
#define FSOP_ACCOUNTS_H

#include <stdbool.h>
#include <stdint.h>

struct session;

/* Connections of one user, first in first out; linked by their turn_prev and turn_next. */
struct turn_queue {
        struct session *first, *last;
};

struct account {
        struct account *next;
        uint32_t uid;
        uint32_t connections;
        uint32_t handles;
        uint32_t fds; /* passed with requests that are not done, or on their way to be closed */
        uint32_t tasks;
        uint64_t bytes;                   /* of requests held, frames on their way, room for answers, answers unread */
        uint64_t audit_lines, operations; /* since the user's first connection of those that it has */

        /* turns.c's */
        struct turn_queue ready;    /* have something to do that did not fit their turn */
        struct turn_queue for_room; /* could begin a request if others of the user took up less room */
        struct account *ring_prev, *ring_next;
        bool in_ring;
        uint64_t round; /* of the loop, plus 1, for which the next two say what is left */
        uint32_t ops_left;
        int64_t ns_left;
        uint64_t watched_until_ns, dear_until_ns, dear_term_ns; /* its turns took long (turn_is_dear) */
        uint64_t audit_paid_ns; /* until when the lines written so far last at the rate that is allowed; 0: none were */
};

struct accounts {
        struct account *buckets[64];
};

/* The account of UID with one more connection, or NULL when the limit is reached or there is no memory. */
struct account *accounts_connect(struct accounts *accounts, uint32_t uid, uint32_t connections_max);
/* One connection less; the last one closes the account. What its user has written to the audit is not forgotten with
 * it: else who connects anew would begin anew. Nor are the descriptors that are not closed yet. */
void accounts_disconnect(struct accounts *accounts, struct account *account);
/* At exit: those that were kept. */
void accounts_fini(struct accounts *accounts);

#endif
