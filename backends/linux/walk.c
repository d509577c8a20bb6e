/* SPDX-License-Identifier: MIT */
/*
 * walk.c: chmod, chown and unlink of whole trees, by descriptors alone: each object is pinned by its one name in its
 * parent's descriptor, looked at, and changed through the pin. No path is ever built for the kernel.
 *
 * However deep the tree, only so many directories are open: those further up are closed and found again through "..",
 * and must then be the same ones by device and inode, or the walk ends.
 */
#include "backends/linux/sys_linux.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define OPEN_MAX_FRAMES 32u
#define KEPT_MAX 24u /* directories below which a link was followed: ".." would not lead back to them */
#define READ_BYTES 8192u
#define TRAIL_BYTES_MAX (1u << 20)
#define RESCANS_MAX 3

#ifdef FSOP_TEST_WEAK_RESOLVER
#define CHILD_FLAGS (uint64_t) O_PATH
#define CHILD_RESOLVE (uint64_t)0
#else
#define CHILD_FLAGS (uint64_t)(O_PATH | O_NOFOLLOW)
#define CHILD_RESOLVE (uint64_t)(RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS)
#endif

/* A directory on the way down. */
struct frame {
        int fd; /* -1: closed, to be found again */
        struct fsop_stat stat;
        enum fs_class fs;
        size_t trail_len; /* of its own path */
        int64_t resume;   /* behind the last entry taken */
        uint8_t *buffer;
        size_t at, len;
        uint64_t failed_before;
        unsigned rescans;
        bool took_any; /* in this pass */
        bool kept;
};

struct walk {
        struct sys_op *op;
        enum fsop_verb verb;
        const struct guard *guard;
        enum fsop_follow follow;
        uint64_t child_resolve;
        bool skips_mounts; /* asked for by the request: skipped in silence */
        struct frame *frames;
        size_t n_frames, room;
        size_t n_kept;
        char *trail;
        size_t trail_len, trail_room;
        struct object_id *seen; /* directories visited with -L, hashed */
        size_t n_seen, seen_room;
        struct walk_failure *failures;
        uint8_t *texts;
        struct walk_result result;
        int code, os_error; /* of the first failure */
        const char *why;
        bool guarded, broken;
        bool by_name; /* the trail is what rules know it by: no link was followed */
};

/* ---- failures ---------------------------------------------------------------------------------------------------- */

static void note_failure(struct walk *walk, int code, int os_error) {
        struct walk_failure *failure = &walk->failures[walk->result.n_failures];

        walk->result.failed++;
        if (walk->code == 0) {
                walk->code = code;
                walk->os_error = os_error;
        }
        if (walk->result.n_failures == WIRE_WALK_FAILURES_MAX || walk->op->out == NULL ||
            (uint8_t *)(failure + 1) + walk->trail_len > walk->texts)
                return;
        walk->texts -= walk->trail_len;
        if (walk->trail_len > 0) /* the root itself has no trail */
                memcpy(walk->texts, walk->trail, walk->trail_len);
        *failure = (struct walk_failure){
                .path = {walk->texts, walk->trail_len}, .code = (enum fsop_errno) - code, .os_error = os_error};
        walk->result.n_failures++;
}

static void note_errno(struct walk *walk, int error) {
        note_failure(walk, error_from_errno(error), error);
}

static void note_guarded(struct walk *walk, const char *why) {
        if (walk->code == 0) {
                walk->guarded = true;
                walk->why = why;
        }
        note_failure(walk, -FSOP_EPERM, 0);
}

/* What a called function left in op. */
static void note_op(struct walk *walk) {
        struct sys_op *op = walk->op;

        if (walk->code == 0) {
                walk->guarded = op->guarded;
                walk->why = op->why;
        }
        note_failure(walk, op->code, op->os_error);
        op->code = op->os_error = 0;
        op->why = NULL;
        op->guarded = false;
}

/* ---- the way so far ---------------------------------------------------------------------------------------------- */

static bool trail_push(struct walk *walk, const char *name) {
        size_t len = strlen(name), needed = walk->trail_len + 1 + len + 1;

        if (needed > TRAIL_BYTES_MAX)
                return false;
        if (needed > walk->trail_room) {
                size_t room = needed * 2;
                char *grown = realloc(walk->trail, room);

                if (grown == NULL)
                        return false;
                walk->trail = grown;
                walk->trail_room = room;
        }
        if (walk->trail_len > 0)
                walk->trail[walk->trail_len++] = '/';
        memcpy(walk->trail + walk->trail_len, name, len + 1);
        walk->trail_len += len;
        return true;
}

static void trail_cut(struct walk *walk, size_t len) {
        walk->trail_len = len;
        if (walk->trail != NULL)
                walk->trail[len] = 0;
}

static const char *last_name(const struct walk *walk) {
        size_t at = walk->trail_len;

        while (at > 0 && walk->trail[at - 1] != '/')
                at--;
        return walk->trail + at;
}

/* ---- directories seen, where links are followed ------------------------------------------------------------------ */

static size_t seen_slot(const struct object_id *table, size_t room, const struct object_id *id) {
        size_t i = (size_t)((id->ino ^ id->dev << 17) * UINT64_C(0x9e3779b97f4a7c15) >> 20) & (room - 1);

        while (table[i].ino != 0 && (table[i].ino != id->ino || table[i].dev != id->dev))
                i = (i + 1) & (room - 1);
        return i;
}

static bool seen_grow(struct walk *walk) {
        size_t room = walk->seen_room == 0 ? 256 : walk->seen_room * 2;
        struct object_id *table = calloc(room, sizeof(*table));

        if (table == NULL)
                return false;
        for (size_t i = 0; i < walk->seen_room; i++)
                if (walk->seen[i].ino != 0)
                        table[seen_slot(table, room, &walk->seen[i])] = walk->seen[i];
        free(walk->seen);
        walk->seen = table;
        walk->seen_room = room;
        return true;
}

/* Whether a directory is met for the first time. */
static bool first_visit(struct walk *walk, const struct fsop_stat *stat) {
        struct object_id id = {stat_dev(stat), stat->ino};
        size_t i;

        if (walk->follow != FSOP_FOLLOW_ALWAYS)
                return true;
        if (walk->n_seen * 2 >= walk->seen_room && !seen_grow(walk)) {
                note_errno(walk, ENOMEM);
                return false;
        }
        i = seen_slot(walk->seen, walk->seen_room, &id);
        if (walk->seen[i].ino != 0)
                return false;
        walk->seen[i] = id;
        walk->n_seen++;
        return true;
}

/* ---- one object -------------------------------------------------------------------------------------------------- */

static const char *object_fault(const struct walk *walk, const struct fsop_stat *stat) {
        const char *fault;

        if (walk->guard == NULL)
                return NULL;
        fault = guard_object_fault(walk->guard, stat, walk->verb != FSOP_VERB_UNLINK);
        if (fault == NULL && walk->verb == FSOP_VERB_CHMOD &&
            !guard_accepts_mode(walk->guard, new_mode(&walk->op->op->args.chmod, stat->mode), stat))
                fault = "the rule does not let set-id bits be set or survive";
        return fault;
}

/* What rules say of the name that the trail leads to: guards know only what was there when they were made. */
static const char *name_fault(const struct walk *walk) {
        const struct sys_op *op = walk->op;

        if (op->excluded == NULL)
                return NULL;
        return op->excluded(op->excluded_context, (struct bytes){(const uint8_t *)walk->trail, walk->trail_len});
}

/* Where that is not its name for rules: what stands at those that they exclude must be known, after it was pinned. */
static bool names_changed(struct walk *walk) {
        if (walk->by_name)
                return false;
        if (guard_look_at_names(walk->guard, 0) < 0)
                op_refused(walk->op, -FSOP_EAGAIN, GUARD_NAMES_CHANGED);
        else if (identity_wear(walk->op->identity) < 0)
                op_refused(walk->op, -FSOP_EPERM, "the identity could not be taken");
        else
                return false;
        note_op(walk);
        walk->broken = true;
        return true;
}

/* chmod or chown of something pinned. Links that are met keep their mode, as in chmod(1). */
static void change(struct walk *walk, int fd, const struct fsop_stat *stat) {
        bool changed = false;

        if (walk->verb == FSOP_VERB_CHMOD && stat_is_link(stat))
                return;
        if (walk->verb == FSOP_VERB_CHMOD)
                change_mode(walk->op, fd, stat, &changed);
        else
                change_owner(walk->op, fd, stat, &changed);
        if (walk->op->code < 0)
                note_op(walk);
        else
                walk->result.changed += changed;
}

static void remove_name(struct walk *walk, int dir_fd, const char *name, int flags) {
        if (unlinkat(dir_fd, name, flags) == 0)
                walk->result.changed++;
        else if (errno != ENOENT)
                note_errno(walk, errno);
}

/* ---- frames ------------------------------------------------------------------------------------------------------ */

static struct frame *top(struct walk *walk) {
        return &walk->frames[walk->n_frames - 1];
}

static void frame_close(struct frame *frame) {
        if (frame->fd >= 0)
                close(frame->fd);
        free(frame->buffer);
        frame->fd = -1;
        frame->buffer = NULL;
        frame->at = frame->len = 0;
}

/* Closes what is too far up to keep open. */
static void close_far(struct walk *walk) {
        if (walk->n_frames <= OPEN_MAX_FRAMES)
                return;
        struct frame *far = &walk->frames[walk->n_frames - 1 - OPEN_MAX_FRAMES];

        if (!far->kept)
                frame_close(far);
}

static bool room_for_frame(struct walk *walk) {
        size_t room = walk->room == 0 ? 64 : walk->room * 2;
        struct frame *grown;

        if (walk->n_frames < walk->room)
                return true;
        grown = realloc(walk->frames, room * sizeof(*grown));
        if (grown == NULL)
                return false;
        walk->frames = grown;
        walk->room = room;
        return true;
}

/* Goes down into a pinned directory. Takes over nothing. */
static void enter(struct walk *walk, int object, const struct fsop_stat *stat, enum fs_class fs) {
        uint8_t *buffer;
        int fd;

        if (!first_visit(walk, stat))
                return;
        fd = lookup_reopen(object, O_RDONLY | O_DIRECTORY);
        if (fd < 0 && walk->verb == FSOP_VERB_UNLINK && walk->n_frames > 0 && fd == -EACCES) {
                /* one that cannot be read may still be empty */
                remove_name(walk, top(walk)->fd, last_name(walk), AT_REMOVEDIR);
                return;
        }
        if (fd < 0) {
                note_errno(walk, -fd);
                return;
        }
        buffer = malloc(READ_BYTES);
        if (buffer == NULL || !room_for_frame(walk)) {
                free(buffer);
                close(fd);
                note_errno(walk, ENOMEM);
                return;
        }
        walk->frames[walk->n_frames++] = (struct frame){.fd = fd,
                                                        .stat = *stat,
                                                        .fs = fs,
                                                        .trail_len = walk->trail_len,
                                                        .buffer = buffer,
                                                        .failed_before = walk->result.failed};
        close_far(walk);
}

/* Finds a closed parent again, from its child. */
static bool reopen_parent(struct walk *walk, struct frame *parent, int child_fd) {
        struct fsop_stat stat;
        int fd, r;

        if (parent->fd >= 0)
                return true;
        fd = lookup_open(child_fd, "..", O_RDONLY | O_DIRECTORY, 0, RESOLVE_NO_MAGICLINKS, 0);
        r = fd < 0 ? fd : lookup_stat(fd, "", false, &stat);
        if (r >= 0 && !same_object(&stat, stat_dev(&parent->stat), parent->stat.ino))
                r = -ESTALE;
        if (r >= 0 && lseek(fd, parent->resume, SEEK_SET) < 0)
                r = -errno;
        if (r >= 0) {
                parent->buffer = malloc(READ_BYTES);
                r = parent->buffer == NULL ? -ENOMEM : 0;
        }
        if (r < 0) {
                if (fd >= 0)
                        close(fd);
                if (r == -ESTALE && walk->code == 0)
                        walk->why = "a directory was moved while the tree was walked; the walk ended there";
                note_errno(walk, -r);
                walk->broken = true;
                return false;
        }
        parent->fd = fd;
        return true;
}

/* The next name in the topmost directory. 1, 0 at the end, or a negative errno. */
static int next_name(struct frame *frame, const char **ret_name) {
        for (;;) {
                while (frame->at < frame->len) {
                        const struct kernel_entry *entry =
                                (const struct kernel_entry *)(const void *)(frame->buffer + frame->at);

                        frame->at += entry->length;
                        frame->resume = entry->offset;
                        if (strcmp(entry->name, ".") == 0 || strcmp(entry->name, "..") == 0)
                                continue;
                        *ret_name = entry->name;
                        frame->took_any = true;
                        return 1;
                }
                long n = syscall(SYS_getdents64, frame->fd, frame->buffer, READ_BYTES);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return n < 0 ? -errno : 0;
                frame->at = 0;
                frame->len = (size_t)n;
        }
}

/* Some filesystems skip entries while others are removed: a pass that removed something is followed by another. */
static bool should_rescan(struct walk *walk, struct frame *frame) {
        if (walk->verb != FSOP_VERB_UNLINK || !frame->took_any || walk->result.failed != frame->failed_before ||
            frame->rescans >= RESCANS_MAX || lseek(frame->fd, 0, SEEK_SET) < 0)
                return false;
        frame->took_any = false;
        frame->rescans++;
        return true;
}

static void remove_directory(struct walk *walk, int dir_fd, const char *name, const struct fsop_stat *expected) {
        struct fsop_stat stat;
        int r = lookup_stat(dir_fd, name, false, &stat);

        if (r < 0)
                note_errno(walk, -r);
        else if (!same_object(&stat, stat_dev(expected), expected->ino))
                note_errno(walk, ESTALE);
        else
                remove_name(walk, dir_fd, name, AT_REMOVEDIR);
}

/* All entries are done: the directory itself, and back to its parent. */
static void leave(struct walk *walk) {
        struct frame frame = *top(walk);

        trail_cut(walk, frame.trail_len);
        if (walk->verb == FSOP_VERB_CHOWN)
                change(walk, frame.fd, &frame.stat);
        walk->n_frames--;
        if (walk->n_frames > 0 && reopen_parent(walk, top(walk), frame.fd)) {
                struct frame *parent = top(walk);

                if (parent->kept) {
                        parent->kept = false;
                        walk->n_kept--;
                }
                /* what could not be emptied has been reported by what is still in it */
                if (walk->verb == FSOP_VERB_UNLINK && walk->result.failed == frame.failed_before)
                        remove_directory(walk, parent->fd, last_name(walk), &frame.stat);
        }
        frame_close(&frame);
}

/* ---- children ---------------------------------------------------------------------------------------------------- */

/* 0 and the stat, or false after it was noted. */
static bool look_at(struct walk *walk, int fd, const struct frame *parent, struct fsop_stat *ret_stat,
                    enum fs_class *ret_fs) {
        int r = lookup_stat(fd, "", parent->fs != FS_LOCAL, ret_stat);

        if (r < 0) {
                note_errno(walk, -r);
                return false;
        }
        *ret_fs = parent->fs;
        if (ret_stat->mnt_id != parent->stat.mnt_id) {
                *ret_fs = mounts_class(ret_stat->mnt_id, walk->op->at.base_is_client_fd);
                if (*ret_fs == FS_UNKNOWN)
                        *ret_fs = mounts_learn(fd, ret_stat->mnt_id, walk->op->at.base_is_client_fd);
        }
        if (*ret_fs != FS_FORBIDDEN)
                return true;
        note_errno(walk, EACCES);
        return false;
}

/* -L: what the link leads to is met in its stead. */
static void follow_link(struct walk *walk, struct frame *parent, const char *name) {
        struct fsop_stat stat;
        os_fd object;
        const char *fault;

        walk->by_name = walk->guard == NULL || walk->guard->n_named == 0;
        if (resolve_link_met(walk->op, parent->fd, name, walk->trail, &object, &stat) < 0) {
                note_op(walk);
                return;
        }
        fault = object_fault(walk, &stat);
        if (fault != NULL) {
                note_guarded(walk, fault);
        } else if (!stat_is_directory(&stat)) {
                change(walk, (int)object, &stat);
        } else if (walk->n_kept >= KEPT_MAX) {
                note_errno(walk, ELOOP);
        } else {
                size_t depth = walk->n_frames;

                if (walk->verb == FSOP_VERB_CHMOD)
                        change(walk, (int)object, &stat);
                enter(walk, (int)object, &stat, FS_UNKNOWN);
                if (walk->n_frames > depth && !walk->frames[depth - 1].kept) {
                        walk->frames[depth - 1].kept = true;
                        walk->n_kept++;
                }
        }
        close((int)object);
}

static void visit_pinned(struct walk *walk, struct frame *parent, const char *name, int fd) {
        struct fsop_stat stat = {0};
        enum fs_class fs;
        const char *fault;

        if (!look_at(walk, fd, parent, &stat, &fs) || names_changed(walk))
                return;
        if (stat_is_link(&stat) && walk->follow == FSOP_FOLLOW_ALWAYS && walk->verb != FSOP_VERB_UNLINK) {
                follow_link(walk, parent, name);
                return;
        }
        fault = stat_is_link(&stat) && walk->verb == FSOP_VERB_CHMOD ? NULL : object_fault(walk, &stat);
        if (fault != NULL) {
                note_guarded(walk, fault);
        } else if (stat_is_directory(&stat)) {
                if (walk->verb == FSOP_VERB_CHMOD)
                        change(walk, fd, &stat);
                enter(walk, fd, &stat, fs);
        } else if (walk->verb == FSOP_VERB_UNLINK) {
                remove_name(walk, parent->fd, name, 0);
        } else {
                change(walk, fd, &stat);
        }
}

static void visit(struct walk *walk, const char *entry_name) {
        struct frame *parent = top(walk);
        char name[NAME_MAX + 1];
        const char *fault;
        int fd;

        snprintf(name, sizeof(name), "%s", entry_name); /* the buffer goes when its frame is closed */
        walk->result.visited++;
        if (!trail_push(walk, name)) {
                note_errno(walk, ENAMETOOLONG);
                return;
        }
        fault = name_fault(walk);
        if (fault != NULL) {
                note_guarded(walk, fault);
                return;
        }
        fd = lookup_open(parent->fd, name, CHILD_FLAGS, 0, walk->child_resolve, 0);
        if (fd >= 0) {
                visit_pinned(walk, parent, name, fd);
                close(fd);
        } else if (fd == -EXDEV && walk->skips_mounts) {
                walk->result.visited--;
        } else if (fd != -ENOENT) {
                note_errno(walk, -fd); /* what vanished meanwhile is nobody's failure */
        }
}

/* ---- the walk ---------------------------------------------------------------------------------------------------- */

static void step(struct walk *walk) {
        struct frame *frame = top(walk);
        const char *name = NULL;
        int r;

        trail_cut(walk, frame->trail_len);
        r = next_name(frame, &name);
        if (r > 0) {
                visit(walk, name);
                return;
        }
        if (r < 0)
                note_errno(walk, -r);
        else if (should_rescan(walk, frame))
                return;
        leave(walk);
}

static void walk_all(struct walk *walk) {
        while (walk->n_frames > 0 && !walk->broken) {
                if (op_is_cancelled(walk->op)) {
                        op_refused(walk->op, -FSOP_ECANCELED, "cancelled while it was walking");
                        walk->op->result->outcome = FSOP_OUTCOME_UNKNOWN;
                        return;
                }
                step(walk);
        }
}

/* The name of an unlink's root, without slashes behind it. */
static int root_name(struct sys_op *op, char name[NAME_MAX + 1], bool *ret_slashes) {
        size_t len = strlen(op->at.leaf);

        *ret_slashes = false;
        while (len > 0 && op->at.leaf[len - 1] == '/') {
                len--;
                *ret_slashes = true;
        }
        if (len > NAME_MAX)
                return op_failed(op, ENAMETOOLONG);
        memcpy(name, op->at.leaf, len);
        name[len] = 0;
        if (len == 0 || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
                return op_failed(op, EINVAL);
        return 0;
}

static int unlink_root(struct walk *walk) {
        struct sys_op *op = walk->op;
        char name[NAME_MAX + 1];
        struct fsop_stat stat;
        bool slashes;
        int fd, r;

        if (root_name(op, name, &slashes) < 0)
                return op->code;
        fd = lookup_open((int)op->at.parent, name, CHILD_FLAGS, 0, walk->child_resolve, 0);
        if (fd < 0)
                return op_failed(op, -fd);
        r = lookup_stat(fd, "", false, &stat);
        if (r < 0 || (slashes && !stat_is_directory(&stat))) {
                close(fd);
                return op_failed(op, r < 0 ? -r : ENOTDIR);
        }
        if (op->at.has_stat && !same_object(&stat, stat_dev(&op->at.stat), op->at.stat.ino)) {
                close(fd);
                return op_refused(op, -FSOP_ESTALE, "something else was given its name meanwhile");
        }
        if (!stat_is_directory(&stat)) {
                remove_name(walk, (int)op->at.parent, name, 0);
        } else {
                const char *fault = object_fault(walk, &stat);

                if (fault != NULL)
                        note_guarded(walk, fault);
                else
                        enter(walk, fd, &stat, op->at.fs);
                walk_all(walk);
                if (walk->result.failed == 0 && !walk->broken && op->code == 0)
                        remove_directory(walk, (int)op->at.parent, name, &stat);
        }
        close(fd);
        return op->code;
}

static int change_root(struct walk *walk) {
        struct sys_op *op = walk->op;
        const char *fault = object_fault(walk, &op->at.stat);

        if (fault != NULL)
                return op_guarded(op, -FSOP_EPERM, fault);
        if (!stat_is_directory(&op->at.stat)) {
                if (walk->verb == FSOP_VERB_CHMOD && stat_is_link(&op->at.stat)) {
                        walk->result.failed = 1;
                        return op_refused(op, -FSOP_EOPNOTSUPP, "on Linux a symbolic link has no mode of its own");
                }
                change(walk, (int)op->at.object, &op->at.stat);
                return op->code;
        }
        if (walk->verb == FSOP_VERB_CHMOD)
                change(walk, (int)op->at.object, &op->at.stat);
        enter(walk, (int)op->at.object, &op->at.stat, op->at.fs);
        walk_all(walk);
        return op->code;
}

static const struct walk_args *args_of(const struct operation *op) {
        switch (op->verb) {
        case FSOP_VERB_CHMOD:
                return &op->args.chmod.walk;
        case FSOP_VERB_CHOWN:
                return &op->args.chown.walk;
        default:
                return &op->args.unlink;
        }
}

static void walk_init(struct walk *walk, struct sys_op *op) {
        const struct walk_args *args = args_of(op->op);
        uintptr_t start = (uintptr_t)op->out;

        *walk = (struct walk){.op = op, .verb = op->op->verb, .guard = op->at.guard, .follow = args->follow};
        walk->by_name = guard_is_by_name(&op->at);
        walk->skips_mounts = args->one_filesystem;
        walk->child_resolve = CHILD_RESOLVE;
        if (walk->skips_mounts || (walk->guard != NULL && guard_stays_on_mount(&op->at)))
                walk->child_resolve |= RESOLVE_NO_XDEV;
        start = (start + _Alignof(struct walk_failure) - 1) & ~(_Alignof(struct walk_failure) - 1);
        walk->failures = (struct walk_failure *)start;
        walk->texts = op->out + op->out_bytes;
        walk->result.visited = 1;
}

static void walk_fini(struct walk *walk) {
        for (size_t i = 0; i < walk->n_frames; i++)
                frame_close(&walk->frames[i]);
        free(walk->frames);
        free(walk->trail);
        free(walk->seen);
}

int run_walk(struct sys_op *op) {
        struct walk walk;

        walk_init(&walk, op);
        if (walk.verb == FSOP_VERB_UNLINK)
                unlink_root(&walk);
        else
                change_root(&walk);
        walk.result.failures = walk.failures;
        op->result->value.walk = walk.result;
        if (op->code == 0 && walk.code != 0) {
                op->code = walk.code;
                op->os_error = walk.os_error;
                op->why = walk.why;
                op->guarded = walk.guarded;
        }
        walk_fini(&walk);
        return op->code;
}
