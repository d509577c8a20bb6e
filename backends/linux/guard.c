/* SPDX-License-Identifier: MIT */
/*
 * guard.c: what a rule demands of the objects that an elevated operation meets, checked on what is pinned. Each demand
 * stands here once; resolve.c and walk.c ask.
 */
#include "backends/linux/sys_linux.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

bool guard_accepts_path(const struct bytes *path) {
        const char *p = (const char *)path->data, *end = p + path->len;

        while (p <= end) {
                const char *slash = memchr(p, '/', (size_t)(end - p));
                size_t len = (size_t)((slash != NULL ? slash : end) - p);

                if (len == 0 || (len == 1 && p[0] == '.') || (len == 2 && p[0] == '.' && p[1] == '.'))
                        return false;
                p += len + 1;
        }
        return true;
}

/*
 * Whether no mount may be crossed from where the place starts. Mounts below the rule's directory are the system's as
 * long as they are met from there; a descriptor on another mount may come from a client's own namespace, itself or the
 * handle that was opened from it, and there a client mounts what it likes.
 */
bool guard_stays_on_mount(const struct place *place) {
        const struct guard *guard = place->guard;
        struct fsop_stat base;

        if (guard->one_filesystem || place->base_is_client_fd)
                return true;
        if (place->base == OS_FD_NONE || place->base == guard->root->fd)
                return false;
        return lookup_stat((int)place->base, "", false, &base) < 0 || base.mnt_id != guard->root->mnt_id;
}

static bool is_excluded(const struct guard *guard, const struct fsop_stat *stat) {
        for (uint32_t i = 0; i < guard->n_excluded; i++)
                if (guard->excluded[i].ino != 0 && same_object(stat, guard->excluded[i].dev, guard->excluded[i].ino))
                        return true;
        return false;
}

int guard_refuse_excluded(struct sys_op *op, const struct guard *guard, const struct fsop_stat *stat) {
        return is_excluded(guard, stat)
                       ? op_guarded(op, -FSOP_EPERM, "it is, or lies in, a directory that the rule excludes")
                       : 0;
}

/*
 * Up from a pinned directory to the rule's. Being opened beneath it is not enough: what is pinned may have been moved
 * away since, or been brought here by a mount of the client's own.
 */
int guard_check_directory(struct sys_op *op, const struct place *place, os_fd fd, const struct fsop_stat *stat) {
#ifdef FSOP_TEST_WEAK_RESOLVER
        (void)op, (void)place, (void)fd, (void)stat;
        return 0;
#else
        const struct guard *guard = place->guard;
        struct fsop_stat here = *stat, above;

        for (unsigned level = 1;; level++) {
                int r = guard_refuse_excluded(op, guard, &here);

                if (r < 0)
                        return r;
                if (same_object(&here, guard->root->dev, guard->root->ino))
                        return 0;
                r = lookup_stat_above((int)fd, level, &above);
                if (r < 0)
                        return op_failed(op, -r);
                if (place->base_is_client_fd && above.mnt_id != here.mnt_id)
                        return op_guarded(op, -FSOP_EXDEV, "a mount lies between it and the rule's directory");
                if (above.mnt_id == here.mnt_id && same_object(&above, stat_dev(&here), here.ino))
                        return op_guarded(op, -FSOP_EXDEV, "it is no longer beneath the rule's directory");
                here = above;
        }
#endif
}

int guard_look_at_names(const struct guard *guard, unsigned flags) {
        for (uint32_t i = 0; i < guard->n_named; i++) {
                const struct object_id *was = &guard->named_ids[i];
                struct object_id is;
                int r = directory_look(guard->named[i], flags, &is);

                if (r == -FSOP_EAGAIN && (flags & SYS_CACHED_ONLY))
                        return r;
                if (r == 0 &&
                    is.ino == 0) /* what stood there is known still, and nothing else was kept out by this name */
                        continue;
                if (r < 0 || is.ino != was->ino || is.dev != was->dev) {
                        __atomic_store_n(guard->outdated, 1, __ATOMIC_RELAXED);
                        return -FSOP_ESTALE;
                }
        }
        return 0;
}

/* Whether the first LEN bytes of a path lead to this directory now. 1, 0 or -FSOP_E… */
static int leads_to(const char *path, size_t len, const struct fsop_stat *directory, unsigned flags) {
        char prefix[WIRE_PATH_BYTES_MAX + 1] = "/";
        struct object_id is;
        int r;

        if (len > 0)
                snprintf(prefix, sizeof(prefix), "%.*s", (int)len, path);
        r = directory_look(prefix, flags, &is);
        return r < 0 ? r : same_object(directory, is.dev, is.ino);
}

int guard_look_at_new_name(const struct guard *guard, const struct fsop_stat *directory, const char *name, bool holds,
                           unsigned flags) {
        size_t len = strlen(name);
        int r = 0;

        for (uint32_t i = 0; i < guard->n_reserved && r == 0; i++) {
                const char *path = guard->named[i];

                for (const char *slash = path, *next; slash != NULL && r == 0; slash = next) {
                        next = strchr(slash + 1, '/');
                        if ((holds || next == NULL) && strncmp(slash + 1, name, len) == 0 &&
                            (slash[1 + len] == '/' || slash[1 + len] == 0))
                                r = leads_to(path, (size_t)(slash - path), directory, flags);
                }
        }
        return r;
}

bool guard_is_by_name(const struct place *place) {
        return place->guard == NULL || place->guard->n_named == 0 ||
               (!place->followed && (place->base == OS_FD_NONE || place->base == place->guard->root->fd));
}

/* What is made or moved there. 1, 0 or -FSOP_E… */
static int look_at_new_name(const struct sys_op *op, const struct place *place, unsigned flags) {
        const struct shape *shape = shape_of(op->op);
        bool moves = op->op->verb == FSOP_VERB_RENAME;
        bool creates = place == &op->at ? shape->at_creates : shape->to_creates;
        struct fsop_stat parent;

        if (place->leaf == NULL || !(moves || creates || shape_may_create(op)))
                return 0;
        if (lookup_stat((int)place->parent, "", false, &parent) < 0)
                return -FSOP_ESTALE;
        return guard_look_at_new_name(place->guard, &parent, place->leaf, moves, flags);
}

int guard_check_names(struct sys_op *op, const struct place *place, unsigned flags) {
        int r;

        if (guard_is_by_name(place))
                return op->code;
        r = guard_look_at_names(place->guard, flags);
        if (r == 0)
                r = look_at_new_name(op, place, flags);
        if (r == 0)
                return op->code;
        if (r > 0)
                return op_guarded(op, -FSOP_EPERM, GUARD_NAME_EXCLUDED);
        if (r == -FSOP_ESTALE)
                return op_refused(op, -FSOP_EAGAIN, GUARD_NAMES_CHANGED);
        op->held_up_by = SYS_MOUNT_UNKNOWN;
        return op_refused(op, r, NULL);
}

static bool is_trusted_owner(const struct guard *guard, uint32_t uid) {
        return uid == 0 || uid == guard->service_uid || uid == guard->caller_uid || uid == guard->create_uid;
}

int guard_check_parent_owner(struct sys_op *op, const struct place *place, const struct fsop_stat *parent) {
        const struct guard *guard = place->guard;

        if (guard->foreign_parent || is_trusted_owner(guard, parent->uid))
                return 0;
        return op_guarded(op, -FSOP_EPERM,
                          "the directory belongs to somebody else, and the rule does not allow creating there");
}

const char *guard_object_fault(const struct guard *guard, const struct fsop_stat *stat, bool changes) {
        if (is_excluded(guard, stat))
                return "the rule excludes it";
        if (guard->owned_by_caller && stat->uid != guard->caller_uid)
                return "the rule is for objects that belong to the caller";
#ifndef FSOP_TEST_WEAK_RESOLVER
        if (changes && !guard->links_any && !stat_is_directory(stat) && stat->nlink > 1)
                return "the file has several links, and the rule is for files with one";
#else
        (void)changes;
#endif
        return NULL;
}

/* In a sticky directory that others may write to, a file that is there already may be a trap: the kernel's
 * protected_regular. */
static bool is_trap(const struct sys_op *op, const struct guard *guard, const struct fsop_stat *stat,
                    const struct fsop_stat *parent) {
        const struct create_args *args = operation_create_args(op->op);

        if (args == NULL || !args->create || parent == NULL || guard->foreign_parent)
                return false;
        if (!(parent->mode & S_ISVTX) || !(parent->mode & (S_IWOTH | S_IWGRP)))
                return false;
        return !is_trusted_owner(guard, stat->uid) && stat->uid != parent->uid;
}

int guard_check_object(struct sys_op *op, const struct place *place, const struct fsop_stat *stat,
                       const struct fsop_stat *parent) {
        const struct guard *guard = place->guard;
        const struct shape *shape = shape_of(op->op);
        bool changes = place == &op->at ? shape->at_changes : shape->to_changes;
        const char *fault = guard_object_fault(guard, stat, changes);

        if (fault != NULL)
                return op_guarded(op, -FSOP_EPERM, fault);
        if (op->op->verb == FSOP_VERB_LINK && place == &op->at && stat->uid != guard->caller_uid)
                return op_guarded(op, -FSOP_EPERM,
                                  "only a file that belongs to the caller can be linked with a rule's rights");
        if (is_trap(op, guard, stat, parent))
                return op_guarded(op, -FSOP_EPERM, "the file belongs to somebody else, in a sticky directory");
        if (op->op->verb == FSOP_VERB_CHMOD && !op->op->args.chmod.walk.recursive &&
            !guard_accepts_mode(guard, new_mode(&op->op->args.chmod, stat->mode), stat))
                return op_guarded(op, -FSOP_EPERM, "the rule does not let set-id bits be set or survive");
        return 0;
}

bool guard_accepts_mode(const struct guard *guard, uint32_t mode, const struct fsop_stat *old) {
        uint32_t bits = mode & (S_ISUID | S_ISGID);

        if (guard->set_id || bits == 0)
                return true;
        /* On a directory they mean inheritance, and stay. */
        return old != NULL && stat_is_directory(old) && (bits & ~old->mode) == 0;
}

/* The modes with which things are made. */
int guard_check_arguments(struct sys_op *op) {
        const struct shape *shape = shape_of(op->op);
        const struct place *place = shape->to != PIN_NOTHING ? &op->to : &op->at;
        const struct create_args *args = operation_create_args(op->op);

        if (place->guard == NULL || args == NULL || !args->create)
                return 0;
        if (guard_accepts_mode(place->guard, args->mode, NULL))
                return 0;
        return op_guarded(op, -FSOP_EPERM, "the rule does not let set-id bits be set");
}

/* Whether an excluded directory lies, at whatever depth, in another one. 1, 0 or a negative errno. */
static int lies_in(const struct guard *guard, int fd, const struct fsop_stat *other) {
        struct fsop_stat here, above;
        int r = lookup_stat(fd, "", false, &here);

        if (r < 0 ||
            !stat_is_directory(
                    &here)) /* above a file nothing can be looked at; it stays kept out wherever it is carried */
                return r;
        for (unsigned level = 1; !same_object(&here, stat_dev(other), other->ino); level++) {
                if (same_object(&here, guard->root->dev, guard->root->ino))
                        return 0;
                r = lookup_stat_above(fd, level, &above);
                if (r < 0)
                        return r;
                if (above.mnt_id == here.mnt_id && same_object(&above, stat_dev(&here), here.ino))
                        return 0;
                here = above;
        }
        return 1;
}

int guard_check_holds_none(struct sys_op *op, const struct place *place) {
        const struct guard *guard = place->guard;

        if (guard == NULL || !place->has_stat || !stat_is_directory(&place->stat))
                return 0;
        for (uint32_t i = 0; i < guard->n_excluded; i++) {
                int r = guard->excluded_fds[i] == OS_FD_NONE
                                ? 0
                                : lies_in(guard, (int)guard->excluded_fds[i], &place->stat);

                if (r < 0)
                        return op_guarded(op, -FSOP_EPERM, "where an excluded directory lies could not be told");
                if (r > 0)
                        return op_guarded(op, -FSOP_EPERM, "a directory that the rule excludes lies inside it");
        }
        return 0;
}

int guard_check_bytes(struct sys_op *op, const struct place *place, uint64_t offset, uint64_t length) {
        const struct guard *guard = place->guard;

        if (guard == NULL || !guard->has_bytes_max)
                return 0;
        if (offset <= guard->bytes_max && length <= guard->bytes_max - offset)
                return 0;
        return op_guarded(op, -FSOP_EPERM, "the file would become larger than the rule's max-bytes");
}
