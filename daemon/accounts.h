/* SPDX-License-Identifier: MIT */
/*
 * accounts.h: what each uid has of the daemon: connections, handles, bytes in flight. One account per uid that is
 * connected; everything taken is given back by name.
 */
#ifndef FSOP_ACCOUNTS_H
#define FSOP_ACCOUNTS_H

#include <stdbool.h>
#include <stdint.h>

struct account {
        struct account *next;
        uint32_t uid;
        uint32_t connections;
        uint32_t handles;
        uint32_t tasks;
        uint32_t waiting; /* connections that could go on if there were fewer bytes */
        uint64_t bytes;   /* of requests held, room for their answers, answers unread */
};

struct accounts {
        struct account *buckets[64];
};

/* The account of UID with one more connection, or NULL when the limit is reached or there is no memory. */
struct account *accounts_connect(struct accounts *accounts, uint32_t uid, uint32_t connections_max);
/* One connection less; the last one closes the account. */
void accounts_disconnect(struct accounts *accounts, struct account *account);

#endif
