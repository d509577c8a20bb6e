/* SPDX-License-Identifier: MIT */
/*
 * policy_account.c: how much of its rule's total-bytes each uid has used. Kept by the rule's name, not with the policy:
 * a reload must not refill anybody's allowance. Loop thread only.
 */
#include <stdlib.h>
#include <string.h>

#include "daemon/policy_internal.h"

#define BUCKETS 256u

struct sum {
        struct sum *next;
        uint32_t uid;
        uint64_t bytes;
        char rule[];
};

static struct sum *sums[BUCKETS];

static struct sum **find(const char *rule, uint32_t uid) {
        uint32_t hash = uid * 2654435761u;
        struct sum **slot;

        for (const char *c = rule; *c; c++)
                hash = hash * 31 + (unsigned char)*c;
        slot = &sums[hash % BUCKETS];
        while (*slot && ((*slot)->uid != uid || strcmp((*slot)->rule, rule) != 0))
                slot = &(*slot)->next;
        return slot;
}

static struct sum *find_or_make(const char *rule, uint32_t uid) {
        struct sum **slot = find(rule, uid);

        if (!*slot) {
                *slot = calloc(1, sizeof(**slot) + strlen(rule) + 1);
                if (*slot) {
                        (*slot)->uid = uid;
                        memcpy((*slot)->rule, rule, strlen(rule) + 1);
                }
        }
        return *slot;
}

static uint64_t end_of(uint64_t offset, uint64_t length) {
        return offset > UINT64_MAX - length ? UINT64_MAX : offset + length;
}

/* What lies between the size now and the size then. */
static uint64_t beyond(uint64_t old_size, uint64_t offset, uint64_t length) {
        uint64_t size = end_of(offset, length);

        return size > old_size ? size - old_size : 0;
}

static uint64_t fallocate_growth(const struct fallocate_args *args, uint64_t old_size) {
        switch (args->mode) {
        case FSOP_FALLOCATE_PUNCH_HOLE:
        case FSOP_FALLOCATE_COLLAPSE_RANGE:
                return 0;
        case FSOP_FALLOCATE_INSERT_RANGE:
                return args->length;
        default:
                return beyond(old_size, args->offset, args->length);
        }
}

uint64_t policy_growth_max(const struct operation *op, uint64_t old_size, uint64_t source_size) {
        const struct copy_range_args *copy = &op->args.copy_range;

        switch (op->verb) {
        case FSOP_VERB_TRUNCATE:
                return beyond(old_size, op->args.truncate.size, 0);
        case FSOP_VERB_FALLOCATE:
                return fallocate_growth(&op->args.fallocate, old_size);
        case FSOP_VERB_WRITE: {
                uint64_t length = op->args.write.data.len, growth = beyond(old_size, op->args.write.offset, length);

                return growth > length ? growth
                                       : length; /* a handle for appending writes at the end, whatever the offset */
        }
        case FSOP_VERB_COPY_RANGE: {
                uint64_t rest = source_size > copy->src_offset ? source_size - copy->src_offset : 0;

                return beyond(old_size, copy->dst_offset,
                              copy->has_length && copy->length < rest ? copy->length : rest);
        }
        default:
                return 0;
        }
}

int policy_account_charge(const struct rule *rule, uint32_t uid, uint64_t bytes) {
        struct sum *sum;

        if (!rule->has_bytes_total || bytes == 0)
                return 0;
        if (bytes > rule->bytes_total)
                return -FSOP_EDQUOT;
        sum = find_or_make(rule->name, uid);
        if (!sum)
                return -FSOP_ENOMEM;
        if (sum->bytes > rule->bytes_total - bytes)
                return -FSOP_EDQUOT;
        sum->bytes += bytes;
        return 0;
}

void policy_account_refund(const struct rule *rule, uint32_t uid, uint64_t bytes) {
        struct sum *sum;

        if (!rule->has_bytes_total)
                return;
        sum = *find(rule->name, uid);
        if (sum)
                sum->bytes -= bytes < sum->bytes ? bytes : sum->bytes;
}

void policy_accounts_fini(void) {
        for (uint32_t i = 0; i < BUCKETS; i++)
                while (sums[i]) {
                        struct sum *next = sums[i]->next;

                        free(sums[i]);
                        sums[i] = next;
                }
}
