/* SPDX-License-Identifier: MIT */
/*
 * run_xattr.c: extended attributes of pinned objects, symbolic links included, through the daemon's own /proc/self/fd:
 * relative to a held descriptor where the kernel has setxattrat and its like (6.13), by path before.
 */
#include "backends/linux/sys_linux.h"

#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#ifndef SYS_setxattrat
#define SYS_setxattrat 463
#endif
#ifndef SYS_getxattrat
#define SYS_getxattrat 464
#endif
#ifndef SYS_listxattrat
#define SYS_listxattrat 465
#endif
#ifndef SYS_removexattrat
#define SYS_removexattrat 466
#endif

/* most values are small, and the kernel clears a buffer of the size that is asked for */
#define FIRST_TRY_BYTES 1024u

/* struct xattr_args of linux/xattr.h, which older headers lack. */
struct value_args {
        uint64_t value __attribute__((aligned(8)));
        uint32_t size;
        uint32_t flags;
};

ssize_t xattr_get(os_fd object, const char *name, void *buffer, size_t bytes) {
        struct value_args args = {.value = (uintptr_t)buffer, .size = (uint32_t)bytes};

        if (service.xattr_at)
                return syscall(SYS_getxattrat, service.proc_fd, fd_name(object).text, 0, name, &args, sizeof(args));
        return getxattr(fd_path(object).text, name, buffer, bytes);
}

int xattr_set(os_fd object, const char *name, const struct bytes *value, int flags) {
        struct value_args args = {
                .value = (uintptr_t)value->data, .size = (uint32_t)value->len, .flags = (uint32_t)flags};

        if (service.xattr_at)
                return (int)syscall(SYS_setxattrat, service.proc_fd, fd_name(object).text, 0, name, &args,
                                    sizeof(args));
        return setxattr(fd_path(object).text, name, value->data, value->len, flags);
}

ssize_t xattr_list(os_fd object, char *buffer, size_t bytes) {
        if (service.xattr_at)
                return syscall(SYS_listxattrat, service.proc_fd, fd_name(object).text, 0, buffer, bytes);
        return listxattr(fd_path(object).text, buffer, bytes);
}

int xattr_remove(os_fd object, const char *name) {
        if (service.xattr_at)
                return (int)syscall(SYS_removexattrat, service.proc_fd, fd_name(object).text, 0, name);
        return removexattr(fd_path(object).text, name);
}

/* The attribute's name as a C string; the kernel says ERANGE of one that is too long or empty. */
static int take_name(struct sys_op *op, char name[WIRE_NAME_BYTES_MAX + 1]) {
        const struct bytes *given = &op->op->args.xattr.name;

        if (given->len == 0 || given->len > WIRE_NAME_BYTES_MAX)
                return op_failed(op, ERANGE);
        memcpy(name, given->data, given->len);
        name[given->len] = 0;
        return 0;
}

size_t data_xattr_bytes(const struct sys_op *op) {
        uint32_t size_max = op->op->args.xattr.size_max;

        return size_max != 0 && size_max < op->out_bytes ? size_max : op->out_bytes;
}

/* A buffer of no bytes would only be told the size. */
int data_xattr_answer(struct sys_op *op, int64_t n, size_t bytes) {
        if (n < 0)
                return op_failed(op, (int)-n);
        if ((size_t)n > bytes)
                return op_failed(op, ERANGE);
        op->result->value.data = (struct bytes){op->out, (size_t)n};
        return 0;
}

int run_getxattr(struct sys_op *op) {
        char name[WIRE_NAME_BYTES_MAX + 1];
        size_t bytes = data_xattr_bytes(op), first = bytes < FIRST_TRY_BYTES ? bytes : FIRST_TRY_BYTES;
        ssize_t n;

        if (take_name(op, name) < 0)
                return op->code;
        n = xattr_get(op->at.object, name, op->out, first);
        if (n < 0 && errno == ERANGE && bytes > first)
                n = xattr_get(op->at.object, name, op->out, bytes);
        return data_xattr_answer(op, n < 0 ? -errno : n, bytes);
}

int run_listxattr(struct sys_op *op) {
        size_t bytes = data_xattr_bytes(op), first = bytes < FIRST_TRY_BYTES ? bytes : FIRST_TRY_BYTES;
        ssize_t n = xattr_list(op->at.object, (char *)op->out, first);

        if (n < 0 && errno == ERANGE && bytes > first)
                n = xattr_list(op->at.object, (char *)op->out, bytes);
        return data_xattr_answer(op, n < 0 ? -errno : n, bytes);
}

int run_setxattr(struct sys_op *op) {
        const struct xattr_args *args = &op->op->args.xattr;
        char name[WIRE_NAME_BYTES_MAX + 1];
        int flags = (args->create ? XATTR_CREATE : 0) | (args->replace ? XATTR_REPLACE : 0);

        if (take_name(op, name) < 0)
                return op->code;
        if (xattr_set(op->at.object, name, &args->value, flags) < 0)
                return op_failed(op, errno);
        return 0;
}

int run_removexattr(struct sys_op *op) {
        char name[WIRE_NAME_BYTES_MAX + 1];

        if (take_name(op, name) < 0)
                return op->code;
        if (xattr_remove(op->at.object, name) < 0)
                return op_failed(op, errno);
        return 0;
}
