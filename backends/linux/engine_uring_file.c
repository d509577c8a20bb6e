/* SPDX-License-Identifier: MIT */
/*
 * engine_uring_file.c: operations on files. One table says which verb is which opcode; the ring's restrictions are made
 * of it. Each submission wears its operation's identity.
 *
 * The ring does what is one system call on what is pinned or open already, on local filesystems: a request that hangs
 * in a FUSE server or on the network would keep the ring from being closed. Everything else is declined. mkdir is, too:
 * the kernel's workers share the loop thread's umask, which is another one from moment to moment. So is whatever a rule
 * demands of the directory of: it may wait in the kernel's queue, where nobody looks again whether that was moved. What
 * the ring does has the same outcome as sys_run, and shares its functions to say so.
 */
#include "backends/linux/engine_uring.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/xattr.h>

#include "backends/linux/sys_linux.h"

#ifndef STATX_MNT_ID_UNIQUE
#define STATX_MNT_ID_UNIQUE 0x4000U
#endif

struct file_row {
        uint8_t opcode; /* 0 (no operation): the ring cannot do it */
        bool (*fits)(const struct sys_op *op);
        /* 0 or an errno. progress: bytes that are through already. */
        int (*prepare)(struct sys_op *op, struct io_uring_sqe *sqe, struct scratch *scratch, uint64_t progress);
        /* What a result that is no error means; false: it is to go on. NULL: nothing but that it is done. */
        bool (*complete)(struct sys_op *op, struct scratch *scratch, uint64_t progress, int32_t result);
};

/* ---- what fits --------------------------------------------------------------------------------------------------- */

static bool is_open_file(const struct sys_op *op) {
        return op->at.has_stat && S_ISREG(op->at.stat.mode) && data_is_open(&op->at);
}

static bool has_name(const struct place *place) {
        return place->parent != OS_FD_NONE && place->leaf != NULL;
}

static bool stat_fits(const struct sys_op *op) {
        return op->at.object != OS_FD_NONE;
}

static bool name_fits(const struct sys_op *op) {
        return has_name(&op->at);
}

static bool rename_fits(const struct sys_op *op) {
        return has_name(&op->at) && has_name(&op->to);
}

static bool unlink_fits(const struct sys_op *op) {
        return has_name(&op->at) && !op->op->args.unlink.recursive;
}

static bool symlink_fits(const struct sys_op *op) {
        return has_name(&op->at) && op->op->args.symlink.len <= WIRE_PATH_BYTES_MAX;
}

static bool link_fits(const struct sys_op *op) {
        return op->at.object != OS_FD_NONE && has_name(&op->to);
}

static bool xattr_fits(const struct sys_op *op) {
        size_t len = op->op->args.xattr.name.len;

        return is_open_file(op) && len > 0 && len <= WIRE_NAME_BYTES_MAX;
}

static bool fallocate_fits(const struct sys_op *op) {
        return is_open_file(op) && !keeps_set_gid(&op->at) && data_fallocate_flags(&op->op->args.fallocate) >= 0;
}

/* Before Linux 6.8 the ring takes 32 bits of length. */
static bool fadvise_fits(const struct sys_op *op) {
        return is_open_file(op) && data_advice(op->op->args.fadvise.advice) >= 0 &&
               op->op->args.fadvise.length <= UINT32_MAX;
}

static size_t read_length(const struct sys_op *op) {
        return op->op->args.read.length < op->out_bytes ? op->op->args.read.length : op->out_bytes;
}

static bool read_fits(const struct sys_op *op) {
        return is_open_file(op) && read_length(op) > 0;
}

/* A limit on what is appended is checked by the worker that appends. */
static bool write_fits(const struct sys_op *op) {
        return is_open_file(op) && !keeps_set_gid(&op->at) && op->op->args.write.data.len > 0 &&
               !(op->at.guard && op->at.guard->has_bytes_max);
}

static bool fsync_fits(const struct sys_op *op) {
        return op->at.has_stat && (S_ISREG(op->at.stat.mode) || S_ISDIR(op->at.stat.mode)) && data_is_open(&op->at) &&
               !op->op->args.fsync.filesystem;
}

/* ---- preparing --------------------------------------------------------------------------------------------------- */

static void copy_text(char *target, const struct bytes *text) {
        memcpy(target, text->data, text->len);
        target[text->len] = 0;
}

static int prepare_stat(struct sys_op *op, struct io_uring_sqe *sqe, struct scratch *scratch, uint64_t progress) {
        (void)progress;
        io_uring_prep_statx(sqe, (int)op->at.object, "", AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT,
                            STATX_BASIC_STATS | STATX_BTIME | STATX_MNT_ID | STATX_MNT_ID_UNIQUE, &scratch->u.statx);
        return 0;
}

static int prepare_unlink(struct sys_op *op, struct io_uring_sqe *sqe, struct scratch *scratch, uint64_t progress) {
        (void)scratch;
        (void)progress;
        io_uring_prep_unlinkat(sqe, (int)op->at.parent, op->at.leaf,
                               op->op->verb == FSOP_VERB_RMDIR ? AT_REMOVEDIR : 0);
        return 0;
}

static int prepare_rename(struct sys_op *op, struct io_uring_sqe *sqe, struct scratch *scratch, uint64_t progress) {
        const struct rename_args *args = &op->op->args.rename;
        unsigned flags = (args->no_replace ? RENAME_NOREPLACE : 0) | (args->exchange ? RENAME_EXCHANGE : 0);

        (void)scratch;
        (void)progress;
        io_uring_prep_renameat(sqe, (int)op->at.parent, op->at.leaf, (int)op->to.parent, op->to.leaf, flags);
        return 0;
}

static int prepare_symlink(struct sys_op *op, struct io_uring_sqe *sqe, struct scratch *scratch, uint64_t progress) {
        (void)progress;
        copy_text(scratch->u.text, &op->op->args.symlink);
        io_uring_prep_symlinkat(sqe, scratch->u.text, (int)op->at.parent, op->at.leaf);
        return 0;
}

/* As run_link: AT_EMPTY_PATH would need a capability that is not worn. */
static int prepare_link(struct sys_op *op, struct io_uring_sqe *sqe, struct scratch *scratch, uint64_t progress) {
        struct fd_name name = fd_name(op->at.object);

        (void)progress;
        memcpy(scratch->u.text, name.text, sizeof(name.text));
        io_uring_prep_linkat(sqe, service.proc_fd, scratch->u.text, (int)op->to.parent, op->to.leaf, AT_SYMLINK_FOLLOW);
        return 0;
}

static int prepare_getxattr(struct sys_op *op, struct io_uring_sqe *sqe, struct scratch *scratch, uint64_t progress) {
        (void)progress;
        copy_text(scratch->u.text, &op->op->args.xattr.name);
        io_uring_prep_fgetxattr(sqe, (int)op->at.object, scratch->u.text, (char *)op->out,
                                (unsigned)data_xattr_bytes(op));
        return 0;
}

static int prepare_setxattr(struct sys_op *op, struct io_uring_sqe *sqe, struct scratch *scratch, uint64_t progress) {
        const struct xattr_args *args = &op->op->args.xattr;
        int flags = (args->create ? XATTR_CREATE : 0) | (args->replace ? XATTR_REPLACE : 0);

        (void)progress;
        copy_text(scratch->u.text, &args->name);
        io_uring_prep_fsetxattr(sqe, (int)op->at.object, scratch->u.text, (const char *)args->value.data, flags,
                                (unsigned)args->value.len);
        return 0;
}

static int prepare_fallocate(struct sys_op *op, struct io_uring_sqe *sqe, struct scratch *scratch, uint64_t progress) {
        const struct fallocate_args *args = &op->op->args.fallocate;

        (void)scratch;
        (void)progress;
        io_uring_prep_fallocate(sqe, (int)op->at.object, data_fallocate_flags(args), (off_t)args->offset,
                                (off_t)args->length);
        return 0;
}

static int prepare_fadvise(struct sys_op *op, struct io_uring_sqe *sqe, struct scratch *scratch, uint64_t progress) {
        const struct fadvise_args *args = &op->op->args.fadvise;

        (void)scratch;
        (void)progress;
        io_uring_prep_fadvise(sqe, (int)op->at.object, args->offset, (off_t)args->length, data_advice(args->advice));
        return 0;
}

static int prepare_read(struct sys_op *op, struct io_uring_sqe *sqe, struct scratch *scratch, uint64_t progress) {
        (void)scratch;
        io_uring_prep_read(sqe, (int)op->at.object, op->out + progress, (unsigned)(read_length(op) - progress),
                           op->op->args.read.offset + progress);
        return 0;
}

static int prepare_write(struct sys_op *op, struct io_uring_sqe *sqe, struct scratch *scratch, uint64_t progress) {
        const struct write_args *args = &op->op->args.write;

        (void)scratch;
        io_uring_prep_write(sqe, (int)op->at.object, args->data.data + progress, (unsigned)(args->data.len - progress),
                            args->offset + progress);
        return 0;
}

static int prepare_fsync(struct sys_op *op, struct io_uring_sqe *sqe, struct scratch *scratch, uint64_t progress) {
        (void)scratch;
        (void)progress;
        io_uring_prep_fsync(sqe, (int)op->at.object, op->op->args.fsync.data_only ? IORING_FSYNC_DATASYNC : 0);
        return 0;
}

/* ---- completing -------------------------------------------------------------------------------------------------- */

static bool complete_stat(struct sys_op *op, struct scratch *scratch, uint64_t progress, int32_t result) {
        (void)progress;
        (void)result;
        stat_from_statx(&op->at.stat, &scratch->u.statx);
        run_stat(op);
        return true;
}

static bool complete_getxattr(struct sys_op *op, struct scratch *scratch, uint64_t progress, int32_t result) {
        (void)scratch;
        (void)progress;
        data_xattr_answer(op, result, data_xattr_bytes(op));
        return true;
}

static bool complete_read(struct sys_op *op, struct scratch *scratch, uint64_t progress, int32_t result) {
        (void)scratch;
        op->result->value.data = (struct bytes){op->out, (size_t)progress};
        return result == 0 || progress == read_length(op);
}

static bool complete_write(struct sys_op *op, struct scratch *scratch, uint64_t progress, int32_t result) {
        (void)scratch;
        op->result->value.count = progress;
        return result == 0 || progress == op->op->args.write.data.len;
}

/* ---- the table --------------------------------------------------------------------------------------------------- */

static const struct file_row rows[FSOP_VERB_LIMIT] = {
        [FSOP_VERB_STAT] = {IORING_OP_STATX, stat_fits, prepare_stat, complete_stat},
        [FSOP_VERB_RMDIR] = {IORING_OP_UNLINKAT, name_fits, prepare_unlink, NULL},
        [FSOP_VERB_UNLINK] = {IORING_OP_UNLINKAT, unlink_fits, prepare_unlink, NULL},
        [FSOP_VERB_RENAME] = {IORING_OP_RENAMEAT, rename_fits, prepare_rename, NULL},
        [FSOP_VERB_SYMLINK] = {IORING_OP_SYMLINKAT, symlink_fits, prepare_symlink, NULL},
        [FSOP_VERB_LINK] = {IORING_OP_LINKAT, link_fits, prepare_link, NULL},
        [FSOP_VERB_GETXATTR] = {IORING_OP_FGETXATTR, xattr_fits, prepare_getxattr, complete_getxattr},
        [FSOP_VERB_SETXATTR] = {IORING_OP_FSETXATTR, xattr_fits, prepare_setxattr, NULL},
        [FSOP_VERB_FALLOCATE] = {IORING_OP_FALLOCATE, fallocate_fits, prepare_fallocate, NULL},
        [FSOP_VERB_FADVISE] = {IORING_OP_FADVISE, fadvise_fits, prepare_fadvise, NULL},
        [FSOP_VERB_READ] = {IORING_OP_READ, read_fits, prepare_read, complete_read},
        [FSOP_VERB_WRITE] = {IORING_OP_WRITE, write_fits, prepare_write, complete_write},
        [FSOP_VERB_FSYNC] = {IORING_OP_FSYNC, fsync_fits, prepare_fsync, NULL},
};

unsigned uring_file_opcodes(uint8_t *opcodes, unsigned n) {
        for (unsigned verb = 0; verb < FSOP_VERB_LIMIT; verb++)
                if (rows[verb].opcode && !memchr(opcodes, rows[verb].opcode, n))
                        opcodes[n++] = rows[verb].opcode;
        return n;
}

bool uring_takes_file(struct uring *e, const struct io *io) {
        struct sys_op *op = io->u.op;
        enum fsop_verb verb = op->op->verb;

        if (io->chain || op->next || (io->flags & IO_POOL))
                return false;
        if ((unsigned)verb >= FSOP_VERB_LIMIT || !rows[verb].opcode || place_is_far(&op->at))
                return false;
        if ((verb == FSOP_VERB_RENAME || verb == FSOP_VERB_LINK) && place_is_far(&op->to))
                return false;
        if (!rows[verb].fits(op) || uring_personality(e, op->identity) < 0)
                return false;
        return !resolve_can_stray(op) && op_begin(op) == 0;
}

int uring_prepare_file(struct uring *e, struct io *io, struct io_uring_sqe *sqe) {
        struct sys_op *op = io->u.op;
        struct scratch *scratch = uring_scratch(e, io);
        uint64_t progress = io->engine_word[WORD_PROGRESS];
        int error, personality = uring_personality(e, op->identity);

        if (personality < 0)
                return EPERM;
        if (!scratch)
                return ENOMEM;
        error = rows[op->op->verb].prepare(op, sqe, scratch, progress);
        sqe->personality = (uint16_t)personality;
        return error;
}

static int finish(struct uring *e, struct io *io) {
        struct sys_op *op = io->u.op;

        if (op->op->verb == FSOP_VERB_UNLINK)
                op->result->value.walk =
                        (struct walk_result){.visited = 1, .changed = op->code == 0, .failed = op->code < 0};
        op_end(op);
        return uring_finish(e, io, op->code, op->os_error);
}

int uring_complete_file(struct uring *e, struct io *io, int32_t result) {
        struct sys_op *op = io->u.op;
        const struct file_row *row = &rows[op->op->verb];
        uint64_t *progress = &io->engine_word[WORD_PROGRESS];
        bool cancelled = io->engine_word[WORD_CANCELLED];

        if (result == -ECANCELED && *progress == 0) {
                op_refused(op, -FSOP_ECANCELED, "cancelled before it was begun");
                return uring_finish(e, io, op->code, 0);
        }
        if (result == -EAGAIN && *progress == 0 && !cancelled) {
                uring_to_pool(e, io); /* the file can only wait in a system call of its own */
                return 0;
        }
        op->result->outcome = FSOP_OUTCOME_DONE;
        if (result == -EINTR && !cancelled) {
                uring_arm(e, io);
                return 0;
        }
        if (result < 0 && *progress == 0) {
                op_failed(op, -result);
                return finish(e, io);
        }
        if (result > 0)
                *progress += (uint32_t)result;
        if (row->complete &&
            !row->complete(op, (struct scratch *)(uintptr_t)io->engine_word[WORD_SCRATCH], *progress, result) &&
            result > 0 && !cancelled) {
                uring_arm(e, io);
                return 0;
        }
        return finish(e, io);
}
