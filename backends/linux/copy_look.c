/* SPDX-License-Identifier: MIT */
/*
 * copy_look.c: from held directories of a tree to what is in them, and what a rule and the kind of filesystem say of
 * it.
 */
#include "backends/linux/copy_linux.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CHUNK_BYTES 4000u /* of a path that the kernel would find too long */

/* A name in a directory, not followed, leads nowhere but to the top of a mount: openat will do where that may be (see
 * resolve.c). */
static int pin(int dir_fd, const char *name, uint64_t open_flags, bool stays) {
        if (!stays)
                return lookup_open_name(dir_fd, name, open_flags | O_NOFOLLOW);
        return lookup_open(dir_fd, name, open_flags | O_NOFOLLOW, 0,
                           RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV, 0);
}

int copy_pin_source(const struct copy_tree *tree, int dir_fd, const char *name, uint64_t open_flags) {
        return pin(dir_fd, name, open_flags, tree->state->from_stays);
}

int copy_pin_target(const struct copy_tree *tree, int dir_fd, const char *name, uint64_t open_flags) {
        return pin(dir_fd, name, open_flags, tree->state->to_stays);
}

/* The longest part of a path that ends before a slash and is short enough. */
static size_t chunk_of(const char *path, size_t len) {
        size_t chunk = CHUNK_BYTES;

        if (len <= CHUNK_BYTES)
                return len;
        while (chunk > 0 && path[chunk] != '/')
                chunk--;
        return chunk;
}

int copy_open_below(int top_fd, const char *path, uint64_t open_flags, bool stays) {
        const uint64_t resolve =
                RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | (stays ? (uint64_t)RESOLVE_NO_XDEV : 0);
        size_t len = strlen(path);
        char part[CHUNK_BYTES + 1];
        int at = top_fd, fd;

        if (len == 0)
                return lookup_open(top_fd, ".", open_flags | O_DIRECTORY, 0, resolve, 0);
        for (;;) {
                size_t n = chunk_of(path, len);

                if (n == 0)
                        fd = -ENAMETOOLONG;
                else {
                        memcpy(part, path, n);
                        part[n] = 0;
                        fd = lookup_open(at, part, n == len ? open_flags | O_NOFOLLOW : O_PATH | O_DIRECTORY, 0,
                                         resolve, 0);
                }
                if (at != top_fd)
                        close(at);
                if (fd < 0 || n == len)
                        return fd;
                at = fd;
                path += n + 1;
                len -= n + 1;
        }
}

int copy_check_mount(int fd, const struct fsop_stat *stat, const struct fsop_stat *parent, bool client,
                     enum fs_class *fs, struct copy_error *ret) {
        if (stat->mnt_id == parent->mnt_id)
                return 0;
        *fs = mounts_class(stat->mnt_id, client);
        if (*fs == FS_UNKNOWN)
                *fs = mounts_learn(fd, stat->mnt_id, client);
        if (*fs == FS_FORBIDDEN)
                return copy_refused(ret, -FSOP_EACCES, "nothing on procfs is touched");
        return 0;
}

/* ---- what a rule demands ----------------------------------------------------------------------------------------- */

int copy_guard_object(const struct guard *guard, const struct fsop_stat *stat, struct copy_error *ret) {
        const char *fault = guard != NULL ? guard_object_fault(guard, stat, false) : NULL;

        return fault != NULL ? copy_denied(ret, -FSOP_EPERM, fault) : 0;
}

static int from_op(struct copy_error *ret, const struct sys_op *op) {
        *ret = (struct copy_error){.code = op->code, .os_error = op->os_error, .why = op->why, .denied = op->guarded};
        return ret->code;
}

int copy_guard_directory(const struct guard *guard, bool client, int fd, const struct fsop_stat *stat,
                         struct copy_error *ret) {
        struct sys_op op = {.opened = OS_FD_NONE};
        int r;

        if (guard == NULL)
                return 0;
        op.at.guard = guard;
        op.at.base_is_client_fd = client;
        r = guard_check_directory(&op, &op.at, fd, stat);
        return r < 0 ? from_op(ret, &op) : 0;
}

int copy_check_new_name(const struct copy_tree *tree, const struct fsop_stat *directory, const char *name, bool holds,
                        struct identity *worn, struct copy_error *ret) {
        int r, looked;

        if (tree->state->to_by_name)
                return 0;
        looked = guard_look_at_new_name(tree->to_guard, directory, name, holds, 0);
        r = copy_wear(worn, ret);
        if (looked > 0)
                return copy_denied(ret, -FSOP_EPERM, GUARD_NAME_EXCLUDED);
        return looked < 0 ? copy_refused(ret, -FSOP_EAGAIN, GUARD_NAMES_CHANGED) : r;
}

int copy_check_reach(const struct copy_tree *tree, const struct copy_dir *dir, const char *name,
                     struct copy_error *ret) {
        const struct copy_reach *reach = &tree->reach;
        const char *why = NULL;
        struct bytes path;
        char *text;
        int r = copy_check_new_name(tree, &dir->to, name, false, tree->reader, ret);

        if (r < 0 || (reach->source == NULL && reach->target == NULL))
                return r;
        text = copy_join(dir->path, name);
        if (text == NULL)
                return copy_failed(ret, ENOMEM);
        path = (struct bytes){(const uint8_t *)text, strlen(text)};
        if (reach->source != NULL)
                why = reach->source(reach->context, path);
        if (why == NULL && reach->target != NULL)
                why = reach->target(reach->context, path);
        free(text);
        return why != NULL ? copy_denied(ret, -FSOP_EPERM, why) : 0;
}

int copy_check_names(const struct copy_tree *tree, struct identity *worn, struct copy_error *ret) {
        const struct copy_state *state = tree->state;
        bool changed;
        int r;

        if (state->from_by_name && state->to_by_name)
                return 0;
        changed = (!state->from_by_name && guard_look_at_names(tree->from_guard, 0) < 0) ||
                  (!state->to_by_name && guard_look_at_names(tree->to_guard, 0) < 0);
        r = copy_wear(worn, ret);
        return r >= 0 && changed ? copy_refused(ret, -FSOP_EAGAIN, GUARD_NAMES_CHANGED) : r;
}

const char *copy_guard_creating(const struct guard *guard, const struct fsop_stat *parent) {
        struct sys_op op = {.opened = OS_FD_NONE};

        op.at.guard = guard;
        return guard == NULL || guard_check_parent_owner(&op, &op.at, parent) == 0 ? NULL : op.why;
}

int copy_check_made(const struct copy_tree *tree, const struct fsop_stat *stat, struct copy_error *ret) {
        const struct copy_made *made = &tree->top;

        if (made->ino == 0 ||
            (stat->ino == made->ino &&
             (made->btime.sec == 0 || (stat->btime.sec == made->btime.sec && stat->btime.nsec == made->btime.nsec))))
                return 0;
        return copy_refused(ret, -FSOP_ESTALE, "something else has the temporary name of the directory that was made");
}

int copy_guard_size(const struct guard *guard, uint64_t size, struct copy_error *ret) {
        struct sys_op op = {.opened = OS_FD_NONE};

        if (guard == NULL || !guard->has_bytes_max)
                return 0;
        op.at.guard = guard;
        return guard_check_bytes(&op, &op.at, 0, size) < 0 ? from_op(ret, &op) : 0;
}
