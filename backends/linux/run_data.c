/* SPDX-License-Identifier: MIT */
/*
 * run_data.c: what needs a file open for real: opening, creating, reading, writing, space, advice, flushing.
 */
#include "backends/linux/sys_linux.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define OWN_UMASK 077
#define RACES_MAX 8

/* ---- opening ----------------------------------------------------------------------------------------------------- */

/* Devices, FIFOs and sockets act or hang when they are opened. */
static int check_type(struct sys_op *op, const struct fsop_stat *stat) {
        switch (posix_file_type(stat->mode)) {
        case FSOP_TYPE_REGULAR:
                return 0;
        case FSOP_TYPE_DIRECTORY:
                return op_failed(op, EISDIR);
        case FSOP_TYPE_SYMLINK:
                return op_failed(op, ELOOP);
        default:
                return op_refused(op, -FSOP_EINVAL, "only regular files are opened: no devices, FIFOs or sockets");
        }
}

/* What a creating open through a link brought up is looked at afterwards: it did not exist before. */
static int check_opened(struct sys_op *op, int fd) {
        struct fsop_stat stat;
        int r = lookup_stat(fd, "", false, &stat);

        return r < 0 ? op_failed(op, -r) : check_type(op, &stat);
}

/* A regular file at the leaf, as whoever is worn. The descriptor, -EEXIST when one appeared, another negative errno. */
static int create_leaf(struct place *place, const struct create_args *args, int open_flags) {
        int flags = open_flags | O_CREAT | O_CLOEXEC | O_NOCTTY, fd;

        umask(args->umask & 0777);
        if (place->through_link)
                fd = resolve_create_through_link(place, open_flags, args->mode & 07777);
        else {
                fd = openat((int)place->parent, place->leaf, flags | O_EXCL | O_NOFOLLOW, args->mode & 07777);
                fd = fd < 0 ? -errno : fd;
        }
        umask(OWN_UMASK);
        return fd;
}

/* Creates, or opens what somebody else created meanwhile. */
static int create_or_open(struct sys_op *op, struct place *place, int open_flags, bool exclusive) {
        const struct create_args *args = operation_create_args(op->op);

        for (int races = 0; races < RACES_MAX; races++) {
                int fd = create_leaf(place, args, open_flags), r;

                if (fd >= 0 && place->through_link && check_opened(op, fd) < 0) {
                        close(fd);
                        return op->code;
                }
                if (fd >= 0)
                        return fd;
                if (fd != -EEXIST || exclusive || place->through_link)
                        return op_failed(op, -fd);
                r = resolve_leaf_again(op, place);
                if (r >= 0)
                        r = check_type(op, &place->stat);
                if (r >= 0) {
                        fd = lookup_reopen(place->object, open_flags);
                        r = fd < 0 ? op_failed(op, -fd) : fd;
                }
                if (identity_wear(op->identity) < 0) {
                        if (r >= 0)
                                close(r);
                        return op_refused(op, -FSOP_EPERM, "the identity could not be taken");
                }
                if (r != -FSOP_ENOENT)
                        return r;
                op->code = op->os_error = 0;
        }
        return op_refused(op, -FSOP_EAGAIN, "the name kept changing");
}

/* The place's object, opened as the place's identity. */
static int open_existing(struct sys_op *op, struct place *place, int open_flags) {
        int fd, r = identity_wear(place->identity);

        if (r < 0)
                return op_refused(op, r, "the identity could not be taken");
        fd = lookup_reopen(place->object, open_flags);
        r = identity_wear(op->identity);
        if (r < 0) {
                if (fd >= 0)
                        close(fd);
                return op_refused(op, r, "the identity could not be taken");
        }
        return fd < 0 ? op_failed(op, -fd) : fd;
}

bool data_is_open(const struct place *place) {
        return place->base_is_object && (fcntl((int)place->object, F_GETFL) & O_PATH) == 0;
}

int data_open(struct sys_op *op, struct place *place, int open_flags, int *ret_fd, bool *ret_own) {
        int fd;

        *ret_own = false;
        if (place->object == OS_FD_NONE) {
                fd = create_or_open(op, place, open_flags, false);
        } else {
                int r = check_type(op, &place->stat);

                if (r >= 0 && (open_flags & O_ACCMODE) != O_RDONLY)
                        r = strip_set_gid(op, place);
                if (r < 0)
                        return r;
                if (data_is_open(place)) {
                        *ret_fd = (int)place->object;
                        return 0;
                }
                fd = open_existing(op, place, open_flags);
        }
        if (fd < 0)
                return op->code;
        *ret_fd = fd;
        *ret_own = true;
        return 0;
}

static int open_flags_of(const struct open_args *args) {
        bool write = args->write || args->append;
        int flags = write ? (args->read ? O_RDWR : O_WRONLY) : O_RDONLY;

        return flags | (args->append ? O_APPEND : 0) | (args->truncate ? O_TRUNC : 0);
}

/* open-fd may give a directory to someone who opens it with no more than its own rights. */
static int open_directory_fd(struct sys_op *op) {
        const struct open_args *args = &op->op->args.open;

        if (op->op->verb != FSOP_VERB_OPEN_FD || args->write || args->append || args->truncate || args->create.create)
                return op_failed(op, EISDIR);
        if (op->at.guard != NULL)
                return op_guarded(op, -FSOP_EPERM, "a directory opened with a rule's rights is not handed out");
        return open_existing(op, &op->at, O_RDONLY | O_DIRECTORY);
}

static void give_hint(int fd, enum fsop_advice hint) {
        if (hint == FSOP_ADVICE_SEQUENTIAL)
                posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
        else if (hint == FSOP_ADVICE_RANDOM)
                posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM);
}

int run_open(struct sys_op *op) {
        const struct open_args *args = &op->op->args.open;
        bool exclusive = args->create.create && args->exclusive;
        int fd;

        if (!args->read && !args->write && !args->append)
                return op_refused(op, -FSOP_EINVAL, "open for reading, writing or both");
        if (args->truncate && !args->write && !args->append)
                return op_refused(op, -FSOP_EINVAL, "only what is open for writing can be truncated");
        if (op->at.object == OS_FD_NONE) {
                fd = create_or_open(op, &op->at, open_flags_of(args), exclusive);
        } else if (exclusive) {
                return op_failed(op, EEXIST);
        } else if (S_ISDIR(op->at.stat.mode)) {
                fd = open_directory_fd(op);
        } else {
                fd = check_type(op, &op->at.stat);
                if (fd >= 0 && (args->write || args->append))
                        fd = strip_set_gid(op, &op->at);
                if (fd >= 0)
                        fd = open_existing(op, &op->at, open_flags_of(args));
        }
        if (fd < 0)
                return op->code;
        give_hint(fd, args->hint);
        if (op->op->verb == FSOP_VERB_OPEN_FD)
                fcntl(fd, F_SETFL, args->append ? O_APPEND : 0); /* it was opened with O_NONBLOCK */
        op->opened = fd;
        return 0;
}

int run_opendir(struct sys_op *op) {
        int fd = open_existing(op, &op->at, O_RDONLY | O_DIRECTORY);

        if (fd >= 0)
                op->opened = fd;
        return op->code;
}

/* ---- reading and writing ----------------------------------------------------------------------------------------- */

static int check_handle(struct sys_op *op) {
        int r = check_type(op, &op->at.stat);

        if (r < 0)
                return r;
        return data_is_open(&op->at) ? 0 : op_failed(op, EBADF);
}

int run_read(struct sys_op *op) {
        const struct read_args *args = &op->op->args.read;
        size_t length = args->length < op->out_bytes ? args->length : op->out_bytes, done = 0;

        if (check_handle(op) < 0)
                return op->code;
        while (done < length) {
                ssize_t n = pread((int)op->at.object, op->out + done, length - done, (off_t)(args->offset + done));

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0 && done == 0)
                        return op_failed(op, errno);
                if (n <= 0)
                        break;
                done += (size_t)n;
        }
        op->result->value.data = (struct bytes){op->out, done};
        return 0;
}

int run_write(struct sys_op *op) {
        const struct write_args *args = &op->op->args.write;
        size_t done = 0;

        if (check_handle(op) < 0 || strip_set_gid(op, &op->at) < 0)
                return op->code;
        /* A handle for appending writes at the end, wherever that is by now. */
        if (op->at.guard != NULL && op->at.guard->has_bytes_max && (fcntl((int)op->at.object, F_GETFL) & O_APPEND) &&
            guard_check_bytes(op, &op->at, op->at.stat.size, args->data.len) < 0)
                return op->code;
        while (done < args->data.len) {
                ssize_t n = pwrite((int)op->at.object, args->data.data + done, args->data.len - done,
                                   (off_t)(args->offset + done));

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0 && done == 0)
                        return op_failed(op, errno);
                if (n <= 0)
                        break; /* the count says how far it came; the next write says why */
                done += (size_t)n;
        }
        op->result->value.count = done;
        return 0;
}

/* ---- space and advice -------------------------------------------------------------------------------------------- */

int data_fallocate_flags(const struct fallocate_args *args) {
        int keep = args->keep_size ? FALLOC_FL_KEEP_SIZE : 0;

        switch (args->mode) {
        case FSOP_FALLOCATE_ALLOCATE:
                return keep;
        case FSOP_FALLOCATE_PUNCH_HOLE:
                return FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
        case FSOP_FALLOCATE_ZERO_RANGE:
                return FALLOC_FL_ZERO_RANGE | keep;
        case FSOP_FALLOCATE_COLLAPSE_RANGE:
                return FALLOC_FL_COLLAPSE_RANGE;
        case FSOP_FALLOCATE_INSERT_RANGE:
                return FALLOC_FL_INSERT_RANGE;
        case FSOP_FALLOCATE_UNSHARE_RANGE:
                return FALLOC_FL_UNSHARE_RANGE | keep;
        }
        return -1;
}

int run_fallocate(struct sys_op *op) {
        const struct fallocate_args *args = &op->op->args.fallocate;
        int flags = data_fallocate_flags(args), fd = -1, r;
        bool own;

        if (flags < 0)
                return op_failed(op, EINVAL);
        if (data_open(op, &op->at, O_WRONLY, &fd, &own) < 0)
                return op->code;
        do
                r = fallocate(fd, flags, (off_t)args->offset, (off_t)args->length);
        while (r < 0 && errno == EINTR && !op_is_cancelled(op));
        if (r < 0)
                op_failed(op, errno);
        if (own)
                close(fd);
        return op->code;
}

int run_truncate(struct sys_op *op) {
        int fd = -1;
        bool own;

        if (data_open(op, &op->at, O_WRONLY, &fd, &own) < 0)
                return op->code;
        if (ftruncate(fd, (off_t)op->op->args.truncate.size) < 0)
                op_failed(op, errno);
        if (own)
                close(fd);
        return op->code;
}

/* For what needs an open file but neither reads nor writes it: whichever of the two is allowed. */
static int open_any(struct sys_op *op, int *ret_fd, bool *ret_own) {
        int type_flag = S_ISDIR(op->at.stat.mode) ? O_DIRECTORY : 0, fd;

        *ret_own = false;
        if (type_flag == 0 && check_type(op, &op->at.stat) < 0)
                return op->code;
        if (data_is_open(&op->at)) {
                *ret_fd = (int)op->at.object;
                return 0;
        }
        fd = open_existing(op, &op->at, O_RDONLY | type_flag);
        if (fd == -FSOP_EACCES && type_flag == 0) {
                op->code = op->os_error = 0;
                fd = open_existing(op, &op->at, O_WRONLY);
        }
        if (fd < 0)
                return op->code;
        *ret_fd = fd;
        *ret_own = true;
        return 0;
}

int data_advice(enum fsop_advice advice) {
        static const int advices[] = {
                [FSOP_ADVICE_NORMAL] = POSIX_FADV_NORMAL,     [FSOP_ADVICE_SEQUENTIAL] = POSIX_FADV_SEQUENTIAL,
                [FSOP_ADVICE_RANDOM] = POSIX_FADV_RANDOM,     [FSOP_ADVICE_WILLNEED] = POSIX_FADV_WILLNEED,
                [FSOP_ADVICE_DONTNEED] = POSIX_FADV_DONTNEED, [FSOP_ADVICE_NOREUSE] = POSIX_FADV_NOREUSE,
        };

        return (unsigned)advice < sizeof(advices) / sizeof(advices[0]) ? advices[advice] : -1;
}

int run_fadvise(struct sys_op *op) {
        const struct fadvise_args *args = &op->op->args.fadvise;
        int advice = data_advice(args->advice), fd = -1, error;
        bool own;

        if (advice < 0)
                return op_failed(op, EINVAL);
        if (S_ISDIR(op->at.stat.mode))
                return op_failed(op, EISDIR);
        if (open_any(op, &fd, &own) < 0)
                return op->code;
        error = posix_fadvise(fd, (off_t)args->offset, (off_t)args->length, advice);
        if (error != 0)
                op_failed(op, error);
        if (own)
                close(fd);
        return op->code;
}

int run_fsync(struct sys_op *op) {
        const struct fsync_args *args = &op->op->args.fsync;
        int fd = -1, r;
        bool own;

        if (open_any(op, &fd, &own) < 0)
                return op->code;
        r = args->filesystem ? syncfs(fd) : args->data_only ? fdatasync(fd) : fsync(fd);
        if (r < 0)
                op_failed(op, errno);
        if (own)
                close(fd);
        return op->code;
}
