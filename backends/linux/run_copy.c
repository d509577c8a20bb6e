/* SPDX-License-Identifier: MIT */
/*
 * run_copy.c: bytes from one file to another: shared extents where asked and possible, else the kernel's copy, else reading and
 * writing. Each way falls back to the next only on errors that mean "not this way"; a full disk is no such error.
 */
#include "backends/linux/sys_linux.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define STEP_BYTES (UINT64_C(64) << 20) /* of the kernel's copy: so that a cancel is seen soon */
#define BUFFER_BYTES (256u << 10)

struct copy {
        struct sys_op *op;
        int from_fd, to_fd;
        uint64_t from, to, left, done;
};

static void advance(struct copy *copy, uint64_t bytes) {
        copy->from += bytes;
        copy->to += bytes;
        copy->left -= bytes;
        copy->done += bytes;
}

static bool cancelled(struct copy *copy) {
        if (!op_is_cancelled(copy->op))
                return false;
        op_refused(copy->op, -FSOP_ECANCELED, "cancelled while it was copying");
        copy->op->result->outcome = FSOP_OUTCOME_UNKNOWN;
        return true;
}

/* ---- sharing extents --------------------------------------------------------------------------------------------- */

/* 0 or an errno. */
static int share(struct copy *copy) {
        /* Never "to the end": that could have moved since it was measured. */
        struct file_clone_range range = {.src_fd = copy->from_fd, .src_offset = copy->from, .dest_offset = copy->to,
                                         .src_length = copy->left};

        if (ioctl(copy->to_fd, FICLONERANGE, &range) < 0)
                return errno;
        return 0;
}

static bool means_not_shareable(int error) {
        return error == EOPNOTSUPP || error == ENOTTY || error == EXDEV || error == EINVAL || error == ENOSYS || error == ETXTBSY;
}

/* ---- the kernel's copy ------------------------------------------------------------------------------------------- */

/* 0: all done. 1: go on by reading and writing. Negative: op's code. */
static int copy_in_kernel(struct copy *copy) {
        while (copy->left > 0) {
                loff_t from = (loff_t)copy->from, to = (loff_t)copy->to;
                size_t step = (size_t)(copy->left < STEP_BYTES ? copy->left : STEP_BYTES);
                ssize_t n;

                if (cancelled(copy))
                        return copy->op->code;
                n = copy_file_range(copy->from_fd, &from, copy->to_fd, &to, step, 0);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0 && (errno == EXDEV || errno == EOPNOTSUPP || errno == ENOSYS || errno == EINVAL))
                        return 1;
                if (n < 0)
                        return op_failed(copy->op, errno);
                if (n == 0)
                        return 1; /* the end, or a filesystem that knows no better: reading will tell */
                advance(copy, (uint64_t)n);
        }
        return 0;
}

/* ---- reading and writing ----------------------------------------------------------------------------------------- */

static int write_all_at(struct copy *copy, const char *data, size_t len) {
        for (size_t done = 0; done < len;) {
                ssize_t n = pwrite(copy->to_fd, data + done, len - done, (off_t)(copy->to + done));

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return op_failed(copy->op, n < 0 ? errno : EIO);
                done += (size_t)n;
        }
        advance(copy, len);
        return 0;
}

static int copy_by_hand(struct copy *copy) {
        char *buffer = malloc(BUFFER_BYTES);

        if (buffer == NULL)
                return op_failed(copy->op, ENOMEM);
        while (copy->left > 0 && !cancelled(copy)) {
                size_t step = (size_t)(copy->left < BUFFER_BYTES ? copy->left : BUFFER_BYTES);
                ssize_t n = pread(copy->from_fd, buffer, step, (off_t)copy->from);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        op_failed(copy->op, errno);
                if (n <= 0 || write_all_at(copy, buffer, (size_t)n) < 0)
                        break;
        }
        free(buffer);
        return copy->op->code;
}

/* ---- all of it --------------------------------------------------------------------------------------------------- */

/* A range that would be read after it was written. */
static bool overlaps(const struct copy *copy, const struct fsop_stat *from, const struct fsop_stat *to) {
        return same_object(from, stat_dev(to), to->ino) && copy->from < copy->to + copy->left && copy->to < copy->from + copy->left;
}

static int copy_bytes(struct copy *copy) {
        enum fsop_clone clone = copy->op->op->args.copy_range.clone;
        int r;

        if (copy->left == 0)
                return 0;
        if (clone != FSOP_CLONE_NEVER) {
                int error = share(copy);

                if (error == 0) {
                        advance(copy, copy->left);
                        copy->op->result->cloned = true;
                        return 0;
                }
                if (clone == FSOP_CLONE_ALWAYS || !means_not_shareable(error)) {
                        op_failed(copy->op, error == ENOTTY ? EOPNOTSUPP : error);
                        if (means_not_shareable(error))
                                copy->op->why = "these files or offsets cannot share extents here";
                        return copy->op->code;
                }
                r = copy_in_kernel(copy);
                if (r <= 0)
                        return r;
        }
        return copy_by_hand(copy);
}

/* How much there is to copy, from the source as it is now. */
static int measure(struct copy *copy) {
        const struct copy_range_args *args = &copy->op->op->args.copy_range;
        struct fsop_stat from, to;
        uint64_t available;
        int r = lookup_stat(copy->from_fd, "", true, &from);

        if (r >= 0)
                r = lookup_stat(copy->to_fd, "", true, &to);
        if (r < 0)
                return op_failed(copy->op, -r);
        available = args->src_offset < from.size ? from.size - args->src_offset : 0;
        copy->left = args->has_length && args->length < available ? args->length : available;
        if (copy->to > INT64_MAX - copy->left)
                return op_failed(copy->op, EFBIG);
        if (overlaps(copy, &from, &to))
                return op_refused(copy->op, -FSOP_EINVAL, "source and target overlap in the same file");
        return guard_check_bytes(copy->op, &copy->op->to, copy->to, copy->left);
}

int run_copy_range(struct sys_op *op) {
        const struct copy_range_args *args = &op->op->args.copy_range;
        struct copy copy = {.op = op, .from = args->src_offset, .to = args->dst_offset};
        bool own_from = false, own_to = false;

        op->result->cloned = false;
        if (data_open(op, &op->at, O_RDONLY, &copy.from_fd, &own_from) < 0)
                return op->code;
        if (data_open(op, &op->to, O_WRONLY, &copy.to_fd, &own_to) < 0)
                goto out;
        if (measure(&copy) < 0)
                goto out;
        if (copy_bytes(&copy) == 0)
                op->result->value.count = copy.done;
out:
        if (own_from)
                close(copy.from_fd);
        if (own_to)
                close(copy.to_fd);
        return op->code;
}
