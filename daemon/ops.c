/* SPDX-License-Identifier: MIT */
/*
 * ops.c: the operation table itself.
 */
#include "daemon/ops.h"

#include <string.h>

#include "proto/names.h"

/* Room for the texts and lists that an answer points to. */

static size_t out_none(const struct operation *op) {
        (void)op;
        return 0;
}

static size_t out_read(const struct operation *op) {
        return op->args.read.length;
}

static size_t out_readlink(const struct operation *op) {
        (void)op;
        return WIRE_PATH_BYTES_MAX + 1;
}

static size_t out_xattr(const struct operation *op) {
        uint32_t size = op->args.xattr.size_max;

        return size == 0 || size > WIRE_XATTR_BYTES_MAX ? WIRE_XATTR_BYTES_MAX : size;
}

static size_t out_ls(const struct operation *op) {
        uint32_t entries = op->args.ls.entries_max;

        if (entries == 0 || entries > WIRE_LS_ENTRIES_MAX)
                entries = WIRE_LS_ENTRIES_MAX;
        /* a page ends early when its names are longer than this on average */
        return entries * (sizeof(struct entry) + 32) + WIRE_NAME_BYTES_MAX + 1;
}

static size_t out_walk(const struct operation *op) {
        bool recursive = op->verb == FSOP_VERB_UNLINK  ? op->args.unlink.recursive
                         : op->verb == FSOP_VERB_CHMOD ? op->args.chmod.walk.recursive
                                                       : op->args.chown.walk.recursive;

        return recursive ? 32768 : 0;
}

/* Lists end early when their texts are longer than this. */
static size_t out_jobs(const struct operation *op) {
        uint32_t entries = op->args.job.entries_max;

        if (op->verb == FSOP_VERB_CP)
                return 0;
        if (entries == 0 || entries > WIRE_JOB_ENTRIES_MAX)
                entries = WIRE_JOB_ENTRIES_MAX;
        return op->verb == FSOP_VERB_JOB_LIST || op->verb == FSOP_VERB_JOB_SHOW || op->verb == FSOP_VERB_JOB_WATCH
                       ? (size_t)entries * (sizeof(struct job_event) + 256) + (size_t)4 * WIRE_PATH_BYTES_MAX
                       : (size_t)4 * WIRE_PATH_BYTES_MAX;
}

/* Some 40 counters, and 10 for each of so many users; those that do not fit are left out. */
static size_t out_status(const struct operation *op) {
        enum { USERS_MAX = 100 };

        (void)op;
        return (40 + 10 * USERS_MAX) * sizeof(struct counter);
}

static size_t out_info(const struct operation *op) {
        (void)op;
        return 64 * sizeof(struct support);
}

#define SERVICE(v, loc, admin_only, out)                                                                               \
        [v] = {.verb = v, .group = "service", .at = loc, .to = LOCATE_NONE, .admin = admin_only, .out_bytes = out}

/* A row is a few lines, not one for each of its fields. */
/* clang-format off */
static const struct op_row rows[FSOP_VERB_LIMIT] = {
        SERVICE(FSOP_VERB_PING, LOCATE_NONE, false, out_none),
        SERVICE(FSOP_VERB_INFO, LOCATE_OPTIONAL, false, out_info),
        SERVICE(FSOP_VERB_STATUS, LOCATE_NONE, false, out_status),
        SERVICE(FSOP_VERB_EXPLAIN, LOCATE_NONE, false, out_none),
        SERVICE(FSOP_VERB_POLICY_RELOAD, LOCATE_NONE, true, out_none),
        SERVICE(FSOP_VERB_JOB_LIST, LOCATE_NONE, false, out_jobs),
        SERVICE(FSOP_VERB_JOB_SHOW, LOCATE_NONE, false, out_jobs),
        SERVICE(FSOP_VERB_JOB_WATCH, LOCATE_NONE, false, out_jobs),
        SERVICE(FSOP_VERB_JOB_PAUSE, LOCATE_NONE, false, out_jobs),
        SERVICE(FSOP_VERB_JOB_RESUME, LOCATE_NONE, false, out_jobs),
        SERVICE(FSOP_VERB_JOB_CANCEL, LOCATE_NONE, false, out_jobs),
        SERVICE(FSOP_VERB_JOB_RETRY, LOCATE_NONE, false, out_jobs),
        SERVICE(FSOP_VERB_JOB_FORGET, LOCATE_NONE, false, out_jobs),

        [FSOP_VERB_STAT] = {.verb = FSOP_VERB_STAT, .group = "metadata", .at = LOCATE_OBJECT, .elevates = true,
                .audit = true, .reads = true, .out_bytes = out_none},
        [FSOP_VERB_STATFS] = {.verb = FSOP_VERB_STATFS, .group = "metadata", .at = LOCATE_OBJECT, .elevates = true,
                .audit = true, .reads = true, .out_bytes = out_none},
        [FSOP_VERB_UTIMENS] = {.verb = FSOP_VERB_UTIMENS, .group = "metadata", .at = LOCATE_EITHER,
                .needs = NEEDS_MODE, .elevates = true, .audit = true, .out_bytes = out_none},
        [FSOP_VERB_CHMOD] = {.verb = FSOP_VERB_CHMOD, .group = "metadata", .at = LOCATE_OBJECT, .needs = NEEDS_MODE,
                .elevates = true, .audit = true, .cuts = true, .out_bytes = out_walk},
        [FSOP_VERB_CHOWN] = {.verb = FSOP_VERB_CHOWN, .group = "owner", .at = LOCATE_OBJECT, .needs = NEEDS_OWNER,
                .elevates = true, .audit = true, .cuts = true, .out_bytes = out_walk},
        [FSOP_VERB_MKNOD] = {.verb = FSOP_VERB_MKNOD, .group = "special", .at = LOCATE_NAME,
                .needs = NEEDS_DEVICE | NEEDS_MODE, .elevates = true, .audit = true, .out_bytes = out_none},

        [FSOP_VERB_OPENDIR] = {.verb = FSOP_VERB_OPENDIR, .group = "directories", .at = LOCATE_OBJECT,
                .elevates = true, .audit = true, .out_bytes = out_none},
        [FSOP_VERB_MKDIR] = {.verb = FSOP_VERB_MKDIR, .group = "directories", .at = LOCATE_NAME, .needs = NEEDS_MODE,
                .elevates = true, .audit = true, .out_bytes = out_none},
        [FSOP_VERB_RMDIR] = {.verb = FSOP_VERB_RMDIR, .group = "directories", .at = LOCATE_NAME, .elevates = true,
                .audit = true, .out_bytes = out_none},
        [FSOP_VERB_UNLINK] = {.verb = FSOP_VERB_UNLINK, .group = "directories", .at = LOCATE_NAME, .elevates = true,
                .audit = true, .cuts = true, .out_bytes = out_walk},
        [FSOP_VERB_RENAME] = {.verb = FSOP_VERB_RENAME, .group = "directories", .at = LOCATE_NAME, .to = LOCATE_NAME,
                .elevates = true, .audit = true, .out_bytes = out_none},
        [FSOP_VERB_LS] = {.verb = FSOP_VERB_LS, .group = "directories", .at = LOCATE_OBJECT, .elevates = true,
                .audit = true, .reads = true, .cuts = true, .out_bytes = out_ls},

        [FSOP_VERB_SYMLINK] = {.verb = FSOP_VERB_SYMLINK, .group = "links", .at = LOCATE_NAME, .elevates = true,
                .audit = true, .out_bytes = out_none},
        [FSOP_VERB_LINK] = {.verb = FSOP_VERB_LINK, .group = "links", .at = LOCATE_OBJECT, .to = LOCATE_NAME,
                .elevates = true, .audit = true, .out_bytes = out_none},
        [FSOP_VERB_READLINK] = {.verb = FSOP_VERB_READLINK, .group = "links", .at = LOCATE_OBJECT, .elevates = true,
                .audit = true, .reads = true, .out_bytes = out_readlink},

        [FSOP_VERB_GETXATTR] = {.verb = FSOP_VERB_GETXATTR, .group = "xattr", .at = LOCATE_OBJECT,
                .needs = NEEDS_XATTR, .elevates = true, .audit = true, .reads = true, .out_bytes = out_xattr},
        [FSOP_VERB_SETXATTR] = {.verb = FSOP_VERB_SETXATTR, .group = "xattr", .at = LOCATE_OBJECT,
                .needs = NEEDS_XATTR, .elevates = true, .audit = true, .out_bytes = out_none},
        [FSOP_VERB_LISTXATTR] = {.verb = FSOP_VERB_LISTXATTR, .group = "xattr", .at = LOCATE_OBJECT,
                .elevates = true, .audit = true, .reads = true, .out_bytes = out_xattr},
        [FSOP_VERB_REMOVEXATTR] = {.verb = FSOP_VERB_REMOVEXATTR, .group = "xattr", .at = LOCATE_OBJECT,
                .needs = NEEDS_XATTR, .elevates = true, .audit = true, .out_bytes = out_none},

        [FSOP_VERB_FALLOCATE] = {.verb = FSOP_VERB_FALLOCATE, .group = "space", .at = LOCATE_EITHER,
                .needs = NEEDS_BYTES | NEEDS_MODE, .elevates = true, .audit = true, .out_bytes = out_none},
        [FSOP_VERB_TRUNCATE] = {.verb = FSOP_VERB_TRUNCATE, .group = "space", .at = LOCATE_EITHER,
                .needs = NEEDS_BYTES | NEEDS_MODE, .elevates = true, .audit = true, .out_bytes = out_none},
        [FSOP_VERB_FADVISE] = {.verb = FSOP_VERB_FADVISE, .group = "advice", .at = LOCATE_OBJECT, .elevates = true,
                .audit = true, .out_bytes = out_none},

        [FSOP_VERB_COPY_RANGE] = {.verb = FSOP_VERB_COPY_RANGE, .group = "copy", .at = LOCATE_OBJECT,
                .to = LOCATE_EITHER, .needs = NEEDS_BYTES | NEEDS_MODE, .elevates = true, .audit = true,
                .out_bytes = out_none},
        [FSOP_VERB_CP] = {.verb = FSOP_VERB_CP, .group = "copy", .at = LOCATE_OBJECT, .to = LOCATE_NAME,
                .elevates = true, .audit = true, .out_bytes = out_jobs},

        [FSOP_VERB_OPEN] = {.verb = FSOP_VERB_OPEN, .group = "files", .at = LOCATE_EITHER, .needs = NEEDS_MODE,
                .elevates = true, .audit = true, .out_bytes = out_none},
        [FSOP_VERB_OPEN_FD] = {.verb = FSOP_VERB_OPEN_FD, .group = NULL, .at = LOCATE_EITHER, .needs = NEEDS_MODE,
                .elevates = true, .audit = true, .out_bytes = out_none},
        [FSOP_VERB_CLOSE] = {.verb = FSOP_VERB_CLOSE, .group = "files", .at = LOCATE_HANDLE, .out_bytes = out_none},
        [FSOP_VERB_READ] = {.verb = FSOP_VERB_READ, .group = "files", .at = LOCATE_HANDLE, .elevates = true,
                .audit = true, .reads = true, .out_bytes = out_read},
        [FSOP_VERB_WRITE] = {.verb = FSOP_VERB_WRITE, .group = "files", .at = LOCATE_HANDLE, .needs = NEEDS_BYTES,
                .elevates = true, .audit = true, .out_bytes = out_none},
        [FSOP_VERB_FSYNC] = {.verb = FSOP_VERB_FSYNC, .group = "files", .at = LOCATE_OBJECT, .elevates = true,
                .audit = true, .out_bytes = out_none},
};
/* clang-format on */

const struct op_row *op_row(enum fsop_verb verb) {
        if ((unsigned)verb >= FSOP_VERB_LIMIT || rows[verb].verb == FSOP_VERB_NONE || !rows[verb].out_bytes)
                return NULL;
        return &rows[verb];
}

static op_set permission_to_open(const struct operation *op) {
        op_set set = OP_BIT(op->verb);

        if (op->args.open.read)
                set |= OP_BIT(FSOP_VERB_READ);
        if (op->args.open.write || op->args.open.append)
                set |= OP_BIT(FSOP_VERB_WRITE);
        if (op->args.open.truncate)
                set |= OP_BIT(FSOP_VERB_TRUNCATE);
        return set;
}

bool op_is_copy(enum fsop_verb verb) {
        return verb == FSOP_VERB_COPY_RANGE || verb == FSOP_VERB_CP;
}

op_set op_permission_at(const struct operation *op) {
        switch (op->verb) {
        case FSOP_VERB_COPY_RANGE:
        case FSOP_VERB_CP:
                return OP_COPY_FROM;
        case FSOP_VERB_OPEN:
        case FSOP_VERB_OPEN_FD:
                return permission_to_open(op);
        default:
                return OP_BIT(op->verb);
        }
}

op_set op_permission_to(const struct operation *op) {
        return op_is_copy(op->verb) ? OP_COPY_TO : OP_BIT(op->verb);
}

op_set op_reach_to(const struct operation *op) {
        op_set set = op_permission_to(op);

        if (op->verb != FSOP_VERB_CP)
                return set;
        if (op->args.cp.recursive)
                set |= OP_BIT(FSOP_VERB_MKNOD);
        if (op->args.cp.preserve & FSOP_PRESERVE_OWNER)
                set |= OP_BIT(FSOP_VERB_CHOWN);
        if (op->args.cp.preserve & FSOP_PRESERVE_XATTR)
                set |= OP_BIT(FSOP_VERB_SETXATTR);
        return set;
}

static bool name_is(const char *word, const char *name, size_t len) {
        return word && strlen(word) == len && memcmp(word, name, len) == 0;
}

/* Rows of a group, or of every group for NULL. open-fd is in none: it must be named. */
static op_set group_set(const char *group, size_t len) {
        op_set set = 0;

        for (unsigned verb = 0; verb < FSOP_VERB_LIMIT; verb++)
                if (rows[verb].elevates && rows[verb].group && (!group || name_is(rows[verb].group, group, len)))
                        set |= op_is_copy((enum fsop_verb)verb) ? OP_COPY_FROM | OP_COPY_TO : OP_BIT(verb);
        return set;
}

op_set op_set_from_name(const char *name, size_t len) {
        enum fsop_verb verb;

        if (name_is("all", name, len))
                return group_set(NULL, 0);
        if (name_is("copy-from", name, len))
                return OP_COPY_FROM;
        if (name_is("copy-to", name, len))
                return OP_COPY_TO;
        verb = verb_from_name(name, len);
        if (op_is_copy(verb))
                return OP_COPY_FROM | OP_COPY_TO;
        if (verb != FSOP_VERB_NONE)
                return rows[verb].elevates ? OP_BIT(verb) : 0;
        return group_set(name, len);
}
