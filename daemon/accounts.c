/* SPDX-License-Identifier: MIT */
/*
 * accounts.c: one small record per connected uid.
 */
#include "daemon/accounts.h"

#include <stdlib.h>

#define BUCKETS (sizeof(((struct accounts *)0)->buckets) / sizeof(struct account *))

struct account *accounts_connect(struct accounts *accounts, uint32_t uid, uint32_t connections_max) {
        struct account **bucket = &accounts->buckets[uid % BUCKETS];
        struct account *account;

        for (account = *bucket; account && account->uid != uid;)
                account = account->next;
        if (!account) {
                account = calloc(1, sizeof(*account));
                if (!account)
                        return NULL;
                account->uid = uid;
                account->next = *bucket;
                *bucket = account;
        }
        if (account->connections >= connections_max)
                return NULL;
        account->connections++;
        return account;
}

void accounts_disconnect(struct accounts *accounts, struct account *account) {
        struct account **link;

        if (--account->connections > 0)
                return;
        for (link = &accounts->buckets[account->uid % BUCKETS]; *link != account;)
                link = &(*link)->next;
        *link = account->next;
        free(account);
}
