/* SPDX-License-Identifier: MIT */
/*
 * run.c: does an operation on what resolve pinned, wearing its identity; and how an operation says that it failed.
 */
#include "backends/linux/sys_linux.h"

#include <errno.h>

int op_failed(struct sys_op *op, int os_errno) {
        op->os_error = os_errno;
        op->why = NULL;
        return op->code = error_from_errno(os_errno);
}

int op_refused(struct sys_op *op, int code, const char *why) {
        op->os_error = 0;
        op->why = why;
        return op->code = code;
}

int op_guarded(struct sys_op *op, int code, const char *why) {
        op->guarded = true;
        return op_refused(op, code, why);
}

bool op_is_cancelled(const struct sys_op *op) {
        return __atomic_load_n(&op->cancelled, __ATOMIC_RELAXED) != 0;
}

static int (*const runs[FSOP_VERB_LIMIT])(struct sys_op *op) = {
        [FSOP_VERB_STAT] = run_stat,
        [FSOP_VERB_STATFS] = run_statfs,
        [FSOP_VERB_UTIMENS] = run_utimens,
        [FSOP_VERB_CHMOD] = run_chmod,
        [FSOP_VERB_CHOWN] = run_chown,
        [FSOP_VERB_MKNOD] = run_mknod,
        [FSOP_VERB_OPENDIR] = run_opendir,
        [FSOP_VERB_MKDIR] = run_mkdir,
        [FSOP_VERB_RMDIR] = run_rmdir,
        [FSOP_VERB_UNLINK] = run_unlink,
        [FSOP_VERB_RENAME] = run_rename,
        [FSOP_VERB_LS] = run_ls,
        [FSOP_VERB_SYMLINK] = run_symlink,
        [FSOP_VERB_LINK] = run_link,
        [FSOP_VERB_READLINK] = run_readlink,
        [FSOP_VERB_GETXATTR] = run_getxattr,
        [FSOP_VERB_SETXATTR] = run_setxattr,
        [FSOP_VERB_LISTXATTR] = run_listxattr,
        [FSOP_VERB_REMOVEXATTR] = run_removexattr,
        [FSOP_VERB_FALLOCATE] = run_fallocate,
        [FSOP_VERB_TRUNCATE] = run_truncate,
        [FSOP_VERB_FADVISE] = run_fadvise,
        [FSOP_VERB_COPY_RANGE] = run_copy_range,
        [FSOP_VERB_OPEN] = run_open,
        [FSOP_VERB_OPEN_FD] = run_open,
        [FSOP_VERB_READ] = run_read,
        [FSOP_VERB_WRITE] = run_write,
        [FSOP_VERB_FSYNC] = run_fsync,
};

/* Whether a path may mean something else now: another object, or one that may no longer be reached. */
static bool may_change_paths(const struct sys_op *op) {
        switch (op->op->verb) {
        case FSOP_VERB_RENAME:
        case FSOP_VERB_RMDIR:
                return true;
        case FSOP_VERB_UNLINK:
        case FSOP_VERB_CHMOD:
        case FSOP_VERB_CHOWN:
        case FSOP_VERB_SETXATTR:
        case FSOP_VERB_REMOVEXATTR:
                return !op->at.has_stat || posix_file_type(op->at.stat.mode) != FSOP_TYPE_REGULAR;
        default:
                return false;
        }
}

int op_begin(struct sys_op *op) {
        op->code = 0;
        op->os_error = 0;
        op->why = NULL;
        op->guarded = false;
        op->source_failed = false;
        op->opened = OS_FD_NONE;
        if (op_is_cancelled(op))
                return op_refused(op, -FSOP_ECANCELED, "cancelled before it was begun");
        return 0;
}

bool op_is_old(const struct sys_op *op) {
        return posix_coarse_ms() - op->since_ms >= PINNED_MS;
}

/* Here, and not on the loop afterwards. */
static void close_pins(struct sys_op *op, struct place *place) {
        bool is_far = place_is_far(place);

        if (is_far || op->last_use) {
                if (!place->object_borrowed)
                        sys_close(place->object);
                place->object = OS_FD_NONE;
                place->object_borrowed = false;
        }
        if (is_far && !place->parent_borrowed) {
                sys_close(place->parent);
                place->parent = OS_FD_NONE;
        }
}

void op_end(struct sys_op *op) {
        close_pins(op, &op->at);
        close_pins(op, &op->to);
        if (op->cache != NULL && may_change_paths(op))
                __atomic_store_n(&op->cache->stale, 1, __ATOMIC_RELEASE);
}

int sys_run(struct sys_op *op) {
        enum fsop_verb verb = op->op->verb;
        int r = op_begin(op);

        if (r < 0)
                return r;
        if ((unsigned)verb >= FSOP_VERB_LIMIT || runs[verb] == NULL)
                return op_refused(op, -FSOP_EOPNOTSUPP, "this is not for the backend to run");
        if (op_is_old(op) && resolve_check_again(op) < 0)
                return op->code;
        r = identity_wear(op->identity);
        if (r < 0)
                return op_refused(op, r, "the identity could not be taken");
        op->result->outcome = FSOP_OUTCOME_DONE;
        runs[verb](op);
        op_end(op);
        return op->code;
}
