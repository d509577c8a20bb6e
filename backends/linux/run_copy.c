/* SPDX-License-Identifier: MIT */
/*
 * run_copy.c: a range from one file to another: shared extents where asked and possible, else the kernel's copy, else
 * reading and writing (transfer.c).
 */
#include "backends/linux/sys_linux.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#define BUFFER_BYTES (256u << 10)

struct copy {
        struct sys_op *op;
        struct transfer t;
};

/* A range that would be read after it was written. */
static bool overlaps(const struct transfer *t, const struct fsop_stat *from, const struct fsop_stat *to) {
        return same_object(from, stat_dev(to), to->ino) && t->from < t->to + t->left && t->to < t->from + t->left;
}

static int transfer_failed(struct copy *copy, int error) {
        if (error != ECANCELED)
                return op_failed(copy->op, error);
        op_refused(copy->op, -FSOP_ECANCELED, "cancelled while it was copying");
        copy->op->result->outcome = FSOP_OUTCOME_UNKNOWN;
        return copy->op->code;
}

static int copy_by_hand(struct copy *copy) {
        void *buffer = malloc(BUFFER_BYTES);
        int r = buffer == NULL ? -ENOMEM : transfer_by_hand(&copy->t, buffer, BUFFER_BYTES);

        free(buffer);
        return r < 0 ? transfer_failed(copy, -r) : 0;
}

static int copy_bytes(struct copy *copy) {
        enum fsop_clone clone = copy->op->op->args.copy_range.clone;
        int r;

        if (copy->t.left == 0)
                return 0;
        if (clone != FSOP_CLONE_NEVER) {
                int error = transfer_share(&copy->t);

                if (error == 0) {
                        copy->op->result->cloned = true;
                        return 0;
                }
                if (clone == FSOP_CLONE_ALWAYS || !transfer_not_shareable(error)) {
                        op_failed(copy->op, error == ENOTTY ? EOPNOTSUPP : error);
                        if (transfer_not_shareable(error))
                                copy->op->why = "these files or offsets cannot share extents here";
                        return copy->op->code;
                }
                r = transfer_in_kernel(&copy->t);
                if (r <= 0)
                        return r < 0 ? transfer_failed(copy, -r) : 0;
        }
        return copy_by_hand(copy);
}

/* How much there is to copy, from the source as it is now. */
static int measure(struct copy *copy) {
        const struct copy_range_args *args = &copy->op->op->args.copy_range;
        struct fsop_stat from, to;
        uint64_t available;
        int r = lookup_stat(copy->t.from_fd, "", true, &from);

        if (r >= 0)
                r = lookup_stat(copy->t.to_fd, "", true, &to);
        if (r < 0)
                return op_failed(copy->op, -r);
        available = args->src_offset < from.size ? from.size - args->src_offset : 0;
        copy->t.left = args->has_length && args->length < available ? args->length : available;
        if (copy->t.to > INT64_MAX - copy->t.left)
                return op_failed(copy->op, EFBIG);
        if (overlaps(&copy->t, &from, &to))
                return op_refused(copy->op, -FSOP_EINVAL, "source and target overlap in the same file");
        return guard_check_bytes(copy->op, &copy->op->to, copy->t.to, copy->t.left);
}

int run_copy_range(struct sys_op *op) {
        const struct copy_range_args *args = &op->op->args.copy_range;
        struct copy copy = {.op = op, .t = {.from = args->src_offset, .to = args->dst_offset, .stop = &op->cancelled}};
        bool own_from = false, own_to = false;

        op->result->cloned = false;
        if (data_open(op, &op->at, O_RDONLY, &copy.t.from_fd, &own_from) < 0) {
                op->source_failed = true;
                return op->code;
        }
        if (data_open(op, &op->to, O_WRONLY, &copy.t.to_fd, &own_to) < 0)
                goto out;
        if (measure(&copy) < 0)
                goto out;
        if (copy_bytes(&copy) == 0)
                op->result->value.count = copy.t.done;
out:
        if (own_from)
                close(copy.t.from_fd);
        if (own_to)
                close(copy.t.to_fd);
        return op->code;
}
