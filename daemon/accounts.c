/* SPDX-License-Identifier: MIT */
/*
 * accounts.c: one small record per connected uid, and per uid that has written more to the audit than time has paid
 * for, whose descriptors are still being closed, or whose turns took long.
 */
#include "daemon/accounts.h"

#include <stdlib.h>

#include "backends/sys.h"

#define BUCKETS (sizeof(((struct accounts *)0)->buckets) / sizeof(struct account *))

/* Those of a bucket that nothing speaks for any more. ALL: that have no connections. */
static void forget_paid(struct account **link, bool all) {
        uint64_t now_ns = sys_monotonic_ns();

        for (struct account *account; (account = *link);) {
                if (account->connections > 0 || (!all && (account->fds > 0 || account->audit_paid_ns > now_ns ||
                                                          account->watched_until_ns > now_ns))) {
                        link = &account->next;
                        continue;
                }
                *link = account->next;
                free(account);
        }
}

struct account *accounts_connect(struct accounts *accounts, uint32_t uid, uint32_t connections_max) {
        struct account **bucket = &accounts->buckets[uid % BUCKETS];
        struct account *account;

        forget_paid(bucket, false);
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
        if (--account->connections > 0)
                return;
        account->audit_lines = account->operations = 0;
        forget_paid(&accounts->buckets[account->uid % BUCKETS], false);
}

void accounts_fini(struct accounts *accounts) {
        for (size_t i = 0; i < BUCKETS; i++)
                forget_paid(&accounts->buckets[i], true);
}
