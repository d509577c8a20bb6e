/* SPDX-License-Identifier: MIT */
/*
 * transfer.c: bytes from one open file to another, in three ways. Each falls back to the next only on errors that mean
 * "not this way"; a full disk is no such error.
 */
#include "backends/linux/sys_linux.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define STEP_BYTES (UINT64_C(64) << 20) /* of the kernel's copy: so that a stop is seen soon */

static void advance(struct transfer *t, uint64_t bytes) {
        t->from += bytes;
        t->to += bytes;
        t->left -= bytes;
        t->done += bytes;
}

static bool stopped(const struct transfer *t) {
        return t->stop != NULL && __atomic_load_n(t->stop, __ATOMIC_RELAXED) != 0;
}

int transfer_share(struct transfer *t) {
        /* Never "to the end": that could have moved since it was measured. */
        struct file_clone_range range = {
                .src_fd = t->from_fd, .src_offset = t->from, .dest_offset = t->to, .src_length = t->left};

        if (ioctl(t->to_fd, FICLONERANGE, &range) < 0)
                return errno;
        advance(t, t->left);
        return 0;
}

bool transfer_not_shareable(int error) {
        return error == EOPNOTSUPP || error == ENOTTY || error == EXDEV || error == EINVAL || error == ENOSYS ||
               error == ETXTBSY;
}

int transfer_in_kernel(struct transfer *t) {
        while (t->left > 0) {
                loff_t from = (loff_t)t->from, to = (loff_t)t->to;
                size_t step = (size_t)(t->left < STEP_BYTES ? t->left : STEP_BYTES);
                ssize_t n;

                if (stopped(t))
                        return -ECANCELED;
                n = copy_file_range(t->from_fd, &from, t->to_fd, &to, step, 0);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0 && (errno == EXDEV || errno == EOPNOTSUPP || errno == ENOSYS || errno == EINVAL))
                        return 1;
                if (n < 0)
                        return -errno;
                if (n == 0)
                        return 1; /* the end, or a filesystem that knows no better: reading will tell */
                advance(t, (uint64_t)n);
        }
        return 0;
}

static int write_all_at(struct transfer *t, const char *data, size_t len) {
        for (size_t done = 0; done < len;) {
                ssize_t n = pwrite(t->to_fd, data + done, len - done, (off_t)(t->to + done));

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return n < 0 ? -errno : -EIO;
                done += (size_t)n;
        }
        advance(t, len);
        return 0;
}

int transfer_by_hand(struct transfer *t, void *buffer, size_t bytes) {
        while (t->left > 0) {
                size_t step = (size_t)(t->left < bytes ? t->left : bytes);
                ssize_t n;
                int r;

                if (stopped(t))
                        return -ECANCELED;
                n = pread(t->from_fd, buffer, step, (off_t)t->from);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                if (n == 0)
                        return 0;
                r = write_all_at(t, buffer, (size_t)n);
                if (r < 0)
                        return r;
        }
        return 0;
}
