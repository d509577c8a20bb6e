/* SPDX-License-Identifier: MIT */
/*
 * message.c: what can be asked of any operation without knowing its verb.
 */
#include "proto/message.h"

const struct create_args *operation_create_args(const struct operation *op) {
        switch (op->verb) {
        case FSOP_VERB_UTIMENS:
                return &op->args.utimens.create;
        case FSOP_VERB_MKNOD:
                return &op->args.mknod.create;
        case FSOP_VERB_MKDIR:
                return &op->args.mkdir;
        case FSOP_VERB_FALLOCATE:
                return &op->args.fallocate.create;
        case FSOP_VERB_TRUNCATE:
                return &op->args.truncate.create;
        case FSOP_VERB_COPY_RANGE:
                return &op->args.copy_range.create;
        case FSOP_VERB_OPEN:
        case FSOP_VERB_OPEN_FD:
                return &op->args.open.create;
        default:
                return NULL;
        }
}

bool operation_may_create(const struct operation *op) {
        const struct create_args *args = operation_create_args(op);

        switch (op->verb) {
        case FSOP_VERB_MKDIR:
        case FSOP_VERB_MKNOD:
        case FSOP_VERB_SYMLINK:
        case FSOP_VERB_CP:
                return true;
        default:
                return args && args->create;
        }
}
