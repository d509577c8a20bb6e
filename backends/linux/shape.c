/* SPDX-License-Identifier: MIT */
/*
 * shape.c: what each verb needs of the places it names, so that one resolver and one guard serve them all.
 */
#include "backends/linux/sys_linux.h"

static const struct shape shapes[FSOP_VERB_LIMIT] = {
        [FSOP_VERB_INFO] = {.at = PIN_OBJECT},
        [FSOP_VERB_STAT] = {.at = PIN_OBJECT},
        [FSOP_VERB_STATFS] = {.at = PIN_OBJECT},
        [FSOP_VERB_UTIMENS] = {.at = PIN_EITHER, .at_changes = true},
        [FSOP_VERB_CHMOD] = {.at = PIN_OBJECT, .at_changes = true},
        [FSOP_VERB_CHOWN] = {.at = PIN_OBJECT, .at_changes = true},
        [FSOP_VERB_MKNOD] = {.at = PIN_NAME, .at_creates = true},
        [FSOP_VERB_OPENDIR] = {.at = PIN_OBJECT},
        [FSOP_VERB_MKDIR] = {.at = PIN_NAME, .at_creates = true},
        [FSOP_VERB_RMDIR] = {.at = PIN_NAME, .at_removes = true},
        [FSOP_VERB_UNLINK] = {.at = PIN_NAME, .at_removes = true},
        [FSOP_VERB_RENAME] =
                {.at = PIN_NAME, .to = PIN_NAME, .at_removes = true, .to_creates = true, .to_removes = true},
        [FSOP_VERB_LS] = {.at = PIN_OBJECT},
        [FSOP_VERB_SYMLINK] = {.at = PIN_NAME, .at_creates = true},
        [FSOP_VERB_LINK] = {.at = PIN_OBJECT, .to = PIN_NAME, .to_creates = true},
        [FSOP_VERB_READLINK] = {.at = PIN_OBJECT},
        [FSOP_VERB_GETXATTR] = {.at = PIN_OBJECT},
        [FSOP_VERB_SETXATTR] = {.at = PIN_OBJECT, .at_changes = true},
        [FSOP_VERB_LISTXATTR] = {.at = PIN_OBJECT},
        [FSOP_VERB_REMOVEXATTR] = {.at = PIN_OBJECT, .at_changes = true},
        [FSOP_VERB_FALLOCATE] = {.at = PIN_EITHER, .at_changes = true},
        [FSOP_VERB_TRUNCATE] = {.at = PIN_EITHER, .at_changes = true},
        [FSOP_VERB_FADVISE] = {.at = PIN_OBJECT},
        [FSOP_VERB_COPY_RANGE] = {.at = PIN_OBJECT, .to = PIN_EITHER, .to_changes = true},
        [FSOP_VERB_CP] = {.at = PIN_OBJECT, .to = PIN_NAME, .to_creates = true, .to_removes = true},
        [FSOP_VERB_OPEN] = {.at = PIN_EITHER},
        [FSOP_VERB_OPEN_FD] = {.at = PIN_EITHER},
        [FSOP_VERB_READ] = {.at = PIN_OBJECT},
        [FSOP_VERB_WRITE] = {.at = PIN_OBJECT, .at_changes = true},
        [FSOP_VERB_FSYNC] = {.at = PIN_OBJECT},
};

bool shape_is_open(enum fsop_verb verb) {
        return verb == FSOP_VERB_OPEN || verb == FSOP_VERB_OPEN_FD;
}

const struct shape *shape_of(const struct operation *op) {
        static const struct shape nothing = {0}, open_to_change = {.at = PIN_EITHER, .at_changes = true};
        static const struct shape exchange = {.at = PIN_NAME,
                                              .to = PIN_NAME,
                                              .at_removes = true,
                                              .at_creates = true,
                                              .to_creates = true,
                                              .to_removes = true};

        if ((unsigned)op->verb >= FSOP_VERB_LIMIT)
                return &nothing;
        if (shape_is_open(op->verb) && (op->args.open.write || op->args.open.append || op->args.open.truncate))
                return &open_to_change;
        if (op->verb == FSOP_VERB_RENAME && op->args.rename.exchange)
                return &exchange;
        return &shapes[op->verb];
}

bool shape_may_create(const struct sys_op *op) {
        const struct create_args *args = operation_create_args(op->op);

        return args != NULL && args->create;
}

static bool is_exclusive(const struct operation *op) {
        return shape_is_open(op->verb) && op->args.open.create.create && op->args.open.exclusive;
}

bool shape_wants_directory(const struct operation *op) {
        return op->verb == FSOP_VERB_OPENDIR || op->verb == FSOP_VERB_LS;
}

bool shape_follows(const struct operation *op, const struct place *place) {
        switch (op->verb) {
        case FSOP_VERB_READLINK:
                return false;
        case FSOP_VERB_CHMOD:
                return op->args.chmod.walk.recursive ? op->args.chmod.walk.follow != FSOP_FOLLOW_NEVER : place->follow;
        case FSOP_VERB_CHOWN:
                return op->args.chown.walk.recursive ? op->args.chown.walk.follow != FSOP_FOLLOW_NEVER : place->follow;
        default:
                return place->follow && !is_exclusive(op);
        }
}
