/* SPDX-License-Identifier: MIT */
/*
 * run_names.c: what makes, removes and changes names: on a pinned parent and one name in it.
 */
#include "backends/linux/sys_linux.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define OWN_UMASK 077

static int finish(struct sys_op *op, int result) {
        return result < 0 ? op_failed(op, errno) : 0;
}

/* The caller's umask goes to the kernel, which uses a default ACL in its stead where there is one. */
int run_mkdir(struct sys_op *op) {
        const struct create_args *args = &op->op->args.mkdir;

        umask(args->umask & 0777);
        finish(op, mkdirat((int)op->at.parent, op->at.leaf, args->mode & 07777));
        umask(OWN_UMASK);
        return op->code;
}

int run_mknod(struct sys_op *op) {
        const struct mknod_args *args = &op->op->args.mknod;
        dev_t device = 0;

        switch (args->type) {
        case FSOP_TYPE_CHAR:
        case FSOP_TYPE_BLOCK:
                if (args->major > sys_device_major_max || args->minor > sys_device_minor_max)
                        return op_refused(op, -FSOP_EINVAL,
                                          "device numbers go up to 4095 (major) and 1048575 (minor) here");
                device = makedev(args->major, args->minor);
                break;
        case FSOP_TYPE_FIFO:
        case FSOP_TYPE_SOCKET:
                break;
        default:
                return op_refused(op, -FSOP_EINVAL, "mknod makes devices, FIFOs and sockets");
        }
        umask(args->create.umask & 0777);
        finish(op, mknodat((int)op->at.parent, op->at.leaf, posix_file_mode(args->type) | (args->create.mode & 07777),
                           device));
        umask(OWN_UMASK);
        return op->code;
}

int run_symlink(struct sys_op *op) {
        const struct bytes *text = &op->op->args.symlink;
        char target[WIRE_PATH_BYTES_MAX + 1];

        if (text->len > WIRE_PATH_BYTES_MAX)
                return op_failed(op, ENAMETOOLONG);
        memcpy(target, text->data, text->len);
        target[text->len] = 0;
        return finish(op, symlinkat(target, (int)op->at.parent, op->at.leaf));
}

int run_rmdir(struct sys_op *op) {
        return finish(op, unlinkat((int)op->at.parent, op->at.leaf, AT_REMOVEDIR));
}

int run_unlink(struct sys_op *op) {
        if (op->op->args.unlink.recursive)
                return run_walk(op);
        finish(op, unlinkat((int)op->at.parent, op->at.leaf, 0));
        op->result->value.walk = (struct walk_result){.visited = 1, .changed = op->code == 0, .failed = op->code < 0};
        return op->code;
}

int run_rename(struct sys_op *op) {
        const struct rename_args *args = &op->op->args.rename;
        unsigned flags = (args->no_replace ? RENAME_NOREPLACE : 0) | (args->exchange ? RENAME_EXCHANGE : 0);

        return finish(op, renameat2((int)op->at.parent, op->at.leaf, (int)op->to.parent, op->to.leaf, flags));
}

/* By way of /proc/self/fd: AT_EMPTY_PATH would need a capability that is not worn. */
int run_link(struct sys_op *op) {
        return finish(op, linkat(service.proc_fd, fd_name(op->at.object).text, (int)op->to.parent, op->to.leaf,
                                 AT_SYMLINK_FOLLOW));
}

int run_readlink(struct sys_op *op) {
        ssize_t n;

        if (!S_ISLNK(op->at.stat.mode))
                return op_failed(op, EINVAL);
        n = readlinkat((int)op->at.object, "", (char *)op->out, op->out_bytes);
        if (n < 0)
                return op_failed(op, errno);
        if ((size_t)n == op->out_bytes)
                return op_refused(op, -FSOP_ERANGE, "the link's text does not fit the answer");
        op->result->value.data = (struct bytes){op->out, (size_t)n};
        return 0;
}
