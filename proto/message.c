/* SPDX-License-Identifier: MIT */
/*
 * message.c: what can be asked of any operation without knowing its verb, and the rules about arguments that both sides
 * apply: the daemon to what comes in, the library to what goes out.
 */
#include "proto/message.h"

#include <string.h>

#include "proto/names.h"

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

/* ---- copy jobs --------------------------------------------------------------------------------------------------- */

static bool is_text(struct bytes bytes) {
        return bytes.len > 0 && bytes.len <= WIRE_PATH_BYTES_MAX && !memchr(bytes.data, 0, bytes.len);
}

bool path_is_below(struct bytes path) {
        if (!is_text(path))
                return false;
        for (size_t i = 0; i <= path.len;) {
                const uint8_t *name = path.data + i;
                size_t n = 0;
                while (i + n < path.len && name[n] != '/')
                        n++;
                if (n == 0 || (n == 1 && name[0] == '.') || (n == 2 && name[0] == '.' && name[1] == '.'))
                        return false;
                i += n + 1;
        }
        return true;
}

static const char *cp_lists_problem(const struct cp_args *args) {
        if (args->n_excludes > WIRE_JOB_EXCLUDES_MAX)
                return "more than 256 patterns to exclude";
        for (uint32_t i = 0; i < args->n_excludes; i++)
                if (!is_text(args->excludes[i]))
                        return "a pattern to exclude has 1 to 4095 bytes and no NUL";
        if (args->n_names > WIRE_JOB_NAMES_MAX)
                return "more than 1024 names in one operation";
        for (uint32_t i = 0; i < args->n_names; i++)
                if (!path_is_below(args->names[i]))
                        return "a name is a relative path of 1 to 4095 bytes, without NUL, empty components, `.` and "
                               "`..`";
        return NULL;
}

const char *cp_args_problem(const struct cp_args *args) {
        if (args->key.len > WIRE_JOB_KEY_BYTES_MAX)
                return "the key is longer than 128 bytes";
        if (args->preserve & ~(uint32_t)FSOP_PRESERVE_ALL)
                return "preserve has bits that mean nothing";
        if (args->umask > 0777)
                return "the umask has bits beyond 0777";
        if (!clone_name(args->clone))
                return "no such way to clone";
        if (!sync_name(args->sync))
                return "no such sync";
        if (!update_name(args->update))
                return "no such update";
        if (args->bytes_per_s > INT64_MAX)
                return "bytes_per_s is beyond 2^63 - 1";
        if (args->priority < -WIRE_JOB_PRIORITY_MAX || args->priority > WIRE_JOB_PRIORITY_MAX)
                return "the priority is not between -100 and 100";
        return cp_lists_problem(args);
}

const char *job_args_problem(enum fsop_verb verb, const struct job_args *args) {
        bool list = verb == FSOP_VERB_JOB_LIST, show = verb == FSOP_VERB_JOB_SHOW;
        if (list && args->id)
                return "takes no id";
        if (!list && !args->id)
                return "needs the id of a job";
        if (!list && args->all_users)
                return "takes no all_users";
        if (!show && args->want != JOB_WANT_JOB)
                return "takes no want";
        if ((unsigned)args->want > JOB_WANT_DIGESTS)
                return "no such want";
        if (!list && !show && verb != FSOP_VERB_JOB_WATCH && (args->after || args->entries_max))
                return "takes neither after nor entries_max";
        return NULL;
}
