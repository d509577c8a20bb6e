/* SPDX-License-Identifier: MIT */
/*
 * codec_operation.c: batches, operations and locations. Read in one pass by hand: operations are counted before memory
 * is taken for them, and the only nesting there is, an operation inside explain, is followed once.
 */
#include "proto/codec_internal.h"

#include <string.h>

#include "proto/names.h"

enum {
        BATCH_ID = 1,
        BATCH_MODE = 2,
        BATCH_DEADLINE = 3,
        BATCH_OPERATIONS = 4,

        OPERATION_AS = 1,
        OPERATION_AT = 2,
        OPERATION_TO = 3,

        LOCATION_FIELD_HANDLE = 1,
        LOCATION_FIELD_FD_INDEX = 2,
        LOCATION_FIELD_PATH = 3,
        LOCATION_FIELD_FOLLOW = 4,

        EXPLAIN_USER = 1,
        EXPLAIN_OPERATION = 2,
};

/* ---- locations --------------------------------------------------------------------------------------------------- */

/* What a location must be for an operation that takes one. */
enum place {
        PLACE_NONE = 0, /* none */
        PLACE_OPTIONAL,
        PLACE_OBJECT, /* any */
        PLACE_NAME,   /* a name in a directory: the path cannot be empty */
        PLACE_OPEN,   /* a handle or descriptor itself: the path must be empty */
        PLACE_HANDLE, /* a handle itself */
        PLACE_PATH,   /* an absolute path */
};

static const struct {
        enum place at, to;
} places[FSOP_VERB_LIMIT] = {
        [FSOP_VERB_INFO] = {.at = PLACE_OPTIONAL},
        [FSOP_VERB_STAT] = {.at = PLACE_OBJECT},
        [FSOP_VERB_STATFS] = {.at = PLACE_OBJECT},
        [FSOP_VERB_UTIMENS] = {.at = PLACE_OBJECT},
        [FSOP_VERB_CHMOD] = {.at = PLACE_OBJECT},
        [FSOP_VERB_CHOWN] = {.at = PLACE_OBJECT},
        [FSOP_VERB_MKNOD] = {.at = PLACE_NAME},
        [FSOP_VERB_OPENDIR] = {.at = PLACE_OBJECT},
        [FSOP_VERB_MKDIR] = {.at = PLACE_NAME},
        [FSOP_VERB_RMDIR] = {.at = PLACE_NAME},
        [FSOP_VERB_UNLINK] = {.at = PLACE_NAME},
        [FSOP_VERB_RENAME] = {.at = PLACE_NAME, .to = PLACE_NAME},
        [FSOP_VERB_LS] = {.at = PLACE_OBJECT},
        [FSOP_VERB_SYMLINK] = {.at = PLACE_NAME},
        [FSOP_VERB_LINK] = {.at = PLACE_OBJECT, .to = PLACE_NAME},
        [FSOP_VERB_READLINK] = {.at = PLACE_OBJECT},
        [FSOP_VERB_GETXATTR] = {.at = PLACE_OBJECT},
        [FSOP_VERB_SETXATTR] = {.at = PLACE_OBJECT},
        [FSOP_VERB_LISTXATTR] = {.at = PLACE_OBJECT},
        [FSOP_VERB_REMOVEXATTR] = {.at = PLACE_OBJECT},
        [FSOP_VERB_FALLOCATE] = {.at = PLACE_OBJECT},
        [FSOP_VERB_TRUNCATE] = {.at = PLACE_OBJECT},
        [FSOP_VERB_FADVISE] = {.at = PLACE_OBJECT},
        [FSOP_VERB_COPY_RANGE] = {.at = PLACE_OBJECT, .to = PLACE_OBJECT},
        [FSOP_VERB_CP] = {.at = PLACE_PATH, .to = PLACE_PATH},
        [FSOP_VERB_OPEN] = {.at = PLACE_OBJECT},
        [FSOP_VERB_OPEN_FD] = {.at = PLACE_OBJECT},
        [FSOP_VERB_CLOSE] = {.at = PLACE_HANDLE},
        [FSOP_VERB_READ] = {.at = PLACE_OPEN},
        [FSOP_VERB_WRITE] = {.at = PLACE_OPEN},
        [FSOP_VERB_FSYNC] = {.at = PLACE_OBJECT},
};

static int location_base(struct decoder *decoder, const struct wire_field *field, struct location *location) {
        if (location->kind != LOCATION_NONE)
                return decoder_refuse(decoder, FSOP_EPROTO, "a Location has one base");
        if (field->number == LOCATION_FIELD_HANDLE) {
                location->kind = LOCATION_HANDLE;
                return field_u64(decoder, "Location", field, &location->handle);
        }
        location->kind = LOCATION_FD;
        int r = field_u32(decoder, "Location", field, &location->fd_index);
        if (r < 0)
                return r;
        if (location->fd_index >= decoder->fds)
                return decoder_refuse(decoder, FSOP_EINVAL, "descriptor %u is named, but %u came with the message",
                                      location->fd_index, decoder->fds);
        return 0;
}

static int location_read(struct decoder *decoder, struct bytes bytes, struct location *location) {
        struct wire_reader reader = wire_reader(bytes);
        struct wire_field field;
        uint64_t seen = 0;
        int r;
        while ((r = wire_next(&reader, &field)) > 0) {
                r = field_once(decoder, "Location", field.number, &seen);
                if (r < 0)
                        return r;
                switch (field.number) {
                case LOCATION_FIELD_HANDLE:
                case LOCATION_FIELD_FD_INDEX:
                        r = location_base(decoder, &field, location);
                        break;
                case LOCATION_FIELD_PATH:
                        r = field_bytes(decoder, "Location", &field, &location->path);
                        break;
                case LOCATION_FIELD_FOLLOW:
                        r = field_bool(decoder, "Location", &field, &location->follow);
                        break;
                default:
                        r = decoder_refuse(decoder, FSOP_EPROTO, "Location has a field %u that is not known here",
                                           field.number);
                }
                if (r < 0)
                        return r;
        }
        return r < 0 ? decoder_malformed(decoder, "Location") : 0;
}

static int path_check(struct decoder *decoder, const struct location *location) {
        struct bytes path = location->path;
        bool absolute = path.len && path.data[0] == '/';
        if (path.len > WIRE_PATH_BYTES_MAX)
                return decoder_refuse(decoder, FSOP_ENAMETOOLONG, "a path of %zu bytes: %u is the most", path.len,
                                      WIRE_PATH_BYTES_MAX);
        if (path.len && memchr(path.data, 0, path.len))
                return decoder_refuse(decoder, FSOP_EINVAL, "a path with a NUL in it");
        if (location->kind == LOCATION_PATH && path.len == 0)
                return decoder_refuse(decoder, FSOP_EINVAL, "an empty path");
        if (location->kind == LOCATION_PATH && !absolute)
                return decoder_refuse(decoder, FSOP_EINVAL,
                                      "a relative path needs a handle or a descriptor; without one it starts with /");
        if (location->kind != LOCATION_PATH && absolute)
                return decoder_refuse(decoder, FSOP_EINVAL, "a path below a handle or descriptor cannot start with /");
        return 0;
}

static int place_check(struct decoder *decoder, enum place place, const struct location *location, const char *which) {
        if (place == PLACE_NAME && location->path.len == 0)
                return decoder_refuse(decoder, FSOP_EINVAL, "`%s` needs a name in a directory", which);
        if (place == PLACE_PATH && location->kind != LOCATION_PATH)
                return decoder_refuse(decoder, FSOP_EINVAL,
                                      "`%s` takes an absolute path: a job outlives handles and descriptors", which);
        if (place != PLACE_OPEN && place != PLACE_HANDLE)
                return 0;
        if (location->kind == LOCATION_PATH || location->path.len)
                return decoder_refuse(decoder, FSOP_EINVAL, "`%s` takes an open handle, not a path", which);
        if (place == PLACE_HANDLE && location->kind != LOCATION_HANDLE)
                return decoder_refuse(decoder, FSOP_EINVAL, "`%s` takes a handle, not a descriptor", which);
        return 0;
}

/* PRESENT: the message had the field. */
static int location_decode(struct decoder *decoder, enum place place, bool present, struct bytes bytes,
                           const char *which, struct location *ret_location) {
        if (!present && (place == PLACE_NONE || place == PLACE_OPTIONAL))
                return 0;
        if (!present)
                return decoder_refuse(decoder, FSOP_EINVAL, "needs `%s`", which);
        if (place == PLACE_NONE)
                return decoder_refuse(decoder, FSOP_EINVAL, "takes no `%s`", which);
        struct location location = {0};
        int r = location_read(decoder, bytes, &location);
        if (r < 0)
                return r;
        if (location.kind == LOCATION_NONE)
                location.kind = LOCATION_PATH;
        r = path_check(decoder, &location);
        if (r == 0)
                r = place_check(decoder, place, &location, which);
        if (r == 0)
                r = decoder_copy(decoder, location.path, &location.path);
        if (r == 0)
                *ret_location = location;
        return r;
}

static void location_put(struct wire_writer *writer, uint32_t number, const struct location *location) {
        if (location->kind == LOCATION_NONE)
                return;
        struct wire_mark mark = wire_begin(writer, number, location->path.len + 4);
        if (location->kind == LOCATION_HANDLE)
                wire_put_uint_always(writer, LOCATION_FIELD_HANDLE, location->handle);
        else if (location->kind == LOCATION_FD)
                wire_put_uint_always(writer, LOCATION_FIELD_FD_INDEX, location->fd_index);
        wire_put_bytes(writer, LOCATION_FIELD_PATH, location->path);
        wire_put_uint(writer, LOCATION_FIELD_FOLLOW, location->follow);
        wire_end(writer, mark);
}

/* ---- operations -------------------------------------------------------------------------------------------------- */

/* The parts of an operation as they stand in the message, in whatever order they came. */
struct operation_parts {
        bool has_at, has_to, has_args;
        struct bytes at, to, args;
        uint32_t as;
        enum fsop_verb verb;
};

static int parts_add(struct decoder *decoder, const struct wire_field *field, struct operation_parts *parts) {
        switch (field->number) {
        case OPERATION_AS:
                return field_u32(decoder, "Operation", field, &parts->as);
        case OPERATION_AT:
                parts->has_at = true;
                return field_bytes(decoder, "Operation", field, &parts->at);
        case OPERATION_TO:
                parts->has_to = true;
                return field_bytes(decoder, "Operation", field, &parts->to);
        default:
                break;
        }
        uint32_t verb = field->number - ARGS_FIELD_BASE; /* wraps for small numbers: no verb then either */
        if (verb >= FSOP_VERB_LIMIT || !verb_name((enum fsop_verb)verb))
                return decoder_refuse(decoder, FSOP_EINVAL, "unknown operation: Operation has no field %u here",
                                      field->number);
        if (parts->has_args)
                return decoder_refuse(decoder, FSOP_EPROTO, "asks for two operations in one");
        parts->has_args = true;
        parts->verb = (enum fsop_verb)verb;
        return field_bytes(decoder, "Operation", field, &parts->args);
}

static int parts_read(struct decoder *decoder, struct bytes bytes, struct operation_parts *ret_parts) {
        struct wire_reader reader = wire_reader(bytes);
        struct wire_field field;
        uint64_t seen = 0;
        int r;
        while ((r = wire_next(&reader, &field)) > 0) {
                r = field.number < 64 ? field_once(decoder, "Operation", field.number, &seen) : 0;
                if (r == 0)
                        r = parts_add(decoder, &field, ret_parts);
                if (r < 0)
                        return r;
        }
        return r < 0 ? decoder_malformed(decoder, "Operation") : 0;
}

static int operation_decode(struct decoder *decoder, struct bytes bytes, struct operation *ret_op);
static void operation_put(struct wire_writer *writer, uint32_t number, const struct operation *op);

static int explain_read(struct decoder *decoder, struct bytes bytes, struct bytes *ret_user, struct bytes *ret_op,
                        bool *ret_has_op) {
        struct wire_reader reader = wire_reader(bytes);
        struct wire_field field;
        uint64_t seen = 0;
        int r;
        while ((r = wire_next(&reader, &field)) > 0) {
                r = field_once(decoder, "ExplainArgs", field.number, &seen);
                if (r < 0)
                        return r;
                if (field.number == EXPLAIN_USER)
                        r = field_bytes(decoder, "ExplainArgs", &field, ret_user);
                else if (field.number == EXPLAIN_OPERATION)
                        r = field_bytes(decoder, "ExplainArgs", &field, ret_op);
                else
                        r = decoder_refuse(decoder, FSOP_EPROTO, "ExplainArgs has a field %u that is not known here",
                                           field.number);
                if (r < 0)
                        return r;
        }
        *ret_has_op = seen >> EXPLAIN_OPERATION & 1;
        return r < 0 ? decoder_malformed(decoder, "ExplainArgs") : 0;
}

static int explain_decode(struct decoder *decoder, struct bytes bytes, struct explain_args *ret_args) {
        struct bytes user = {0}, inner = {0};
        bool has_inner = false;
        if (decoder->explained)
                return decoder_refuse(decoder, FSOP_EINVAL, "explain cannot explain itself");
        int r = explain_read(decoder, bytes, &user, &inner, &has_inner);
        if (r < 0)
                return r;
        if (!has_inner)
                return decoder_refuse(decoder, FSOP_EINVAL, "needs the operation to explain");
        if (user.len > WIRE_NAME_BYTES_MAX || (user.len && memchr(user.data, 0, user.len)))
                return decoder_refuse(decoder, FSOP_EINVAL, "that is no user's name");
        struct operation *op = arena_calloc(decoder->arena, 1, sizeof(*op));
        if (!op)
                return decoder_no_memory(decoder);
        decoder->explained = true;
        r = operation_decode(decoder, inner, op);
        decoder->explained = false;
        if (r == 0)
                r = decoder_copy(decoder, user, &ret_args->user);
        ret_args->op = op;
        return r;
}

static int operation_decode(struct decoder *decoder, struct bytes bytes, struct operation *ret_op) {
        struct operation_parts parts = {0};
        decoder->verb = FSOP_VERB_NONE;
        int r = parts_read(decoder, bytes, &parts);
        if (r < 0)
                return r;
        if (!parts.has_args)
                return decoder_refuse(decoder, FSOP_EINVAL, "unknown operation: no arguments of any are there");
        decoder->verb = parts.verb;
        if (parts.as > FSOP_AS_ELEVATED)
                return decoder_refuse(decoder, FSOP_EINVAL, "`as` cannot be %u", parts.as);
        ret_op->verb = parts.verb;
        ret_op->as = (enum fsop_as)parts.as;
        r = location_decode(decoder, places[parts.verb].at, parts.has_at, parts.at, "at", &ret_op->at);
        if (r == 0)
                r = location_decode(decoder, places[parts.verb].to, parts.has_to, parts.to, "to", &ret_op->to);
        if (r < 0)
                return r;
        if (parts.verb == FSOP_VERB_EXPLAIN)
                return explain_decode(decoder, parts.args, &ret_op->args.explain);
        return args_decode(decoder, parts.args, ret_op);
}

static void explain_put(struct wire_writer *writer, const struct explain_args *args) {
        struct wire_mark mark = wire_begin(writer, ARGS_FIELD_BASE + FSOP_VERB_EXPLAIN, 0);
        wire_put_bytes(writer, EXPLAIN_USER, args->user);
        if (args->op)
                operation_put(writer, EXPLAIN_OPERATION, args->op);
        wire_end(writer, mark);
}

static void operation_put(struct wire_writer *writer, uint32_t number, const struct operation *op) {
        struct wire_mark mark = wire_begin(writer, number, op->at.path.len + op->to.path.len);
        wire_put_uint(writer, OPERATION_AS, op->as);
        location_put(writer, OPERATION_AT, &op->at);
        location_put(writer, OPERATION_TO, &op->to);
        if (op->verb == FSOP_VERB_EXPLAIN)
                explain_put(writer, &op->args.explain);
        else
                args_put(writer, op);
        wire_end(writer, mark);
}

/* ---- batches ----------------------------------------------------------------------------------------------------- */

/* Everything but the operations, which are counted. */
static int batch_read(struct decoder *decoder, struct bytes bytes, struct batch *batch) {
        struct wire_reader reader = wire_reader(bytes);
        struct wire_field field;
        uint64_t seen = 0;
        uint32_t mode = 0;
        int r;
        while ((r = wire_next(&reader, &field)) > 0) {
                r = field.number == BATCH_OPERATIONS ? 0 : field_once(decoder, "Batch", field.number, &seen);
                if (r < 0)
                        return r;
                struct bytes op;
                switch (field.number) {
                case BATCH_ID:
                        r = field_u64(decoder, "Batch", &field, &batch->id);
                        break;
                case BATCH_MODE:
                        r = field_u32(decoder, "Batch", &field, &mode);
                        break;
                case BATCH_DEADLINE:
                        r = field_u64(decoder, "Batch", &field, &batch->deadline_ms);
                        break;
                case BATCH_OPERATIONS:
                        r = field_bytes(decoder, "Batch", &field, &op);
                        batch->n_ops++;
                        break;
                default:
                        r = decoder_refuse(decoder, FSOP_EPROTO, "Batch has a field %u that is not known here",
                                           field.number);
                }
                if (r < 0)
                        return r;
        }
        if (r < 0)
                return decoder_malformed(decoder, "Batch");
        if (mode > FSOP_BATCH_ORDERED_STOP)
                return decoder_refuse(decoder, FSOP_EINVAL, "Batch.mode cannot be %u", mode);
        batch->mode = (enum fsop_batch_mode)mode;
        return 0;
}

static int batch_operations(struct decoder *decoder, struct bytes bytes, struct batch *batch) {
        struct wire_reader reader = wire_reader(bytes);
        struct wire_field field;
        decoder->in_operation = true;
        while (wire_next(&reader, &field) > 0) {
                if (field.number != BATCH_OPERATIONS)
                        continue;
                int r = operation_decode(decoder, field.bytes, &batch->ops[decoder->index]);
                if (r < 0)
                        return r;
                decoder->index++;
        }
        decoder->in_operation = false;
        return 0;
}

int batch_decode(struct decoder *decoder, struct bytes bytes, struct batch *ret_batch) {
        int r = batch_read(decoder, bytes, ret_batch);
        if (r < 0)
                return r;
        if (ret_batch->id == 0)
                return decoder_refuse(decoder, FSOP_EINVAL, "a batch needs an id other than 0");
        if (ret_batch->n_ops == 0)
                return decoder_refuse(decoder, FSOP_EINVAL, "a batch without operations");
        if (ret_batch->n_ops > decoder->ops_max)
                return decoder_refuse(decoder, FSOP_E2BIG, "a batch of %u operations: %u is the most", ret_batch->n_ops,
                                      decoder->ops_max);
        ret_batch->ops = arena_calloc(decoder->arena, ret_batch->n_ops, sizeof(struct operation));
        if (!ret_batch->ops)
                return decoder_no_memory(decoder);
        return batch_operations(decoder, bytes, ret_batch);
}

void batch_put(struct wire_writer *writer, uint32_t number, const struct batch *batch) {
        struct wire_mark mark = wire_begin(writer, number, (size_t)batch->n_ops * 40);
        wire_put_uint(writer, BATCH_ID, batch->id);
        wire_put_uint(writer, BATCH_MODE, batch->mode);
        wire_put_uint(writer, BATCH_DEADLINE, batch->deadline_ms);
        for (uint32_t i = 0; i < batch->n_ops; i++)
                operation_put(writer, BATCH_OPERATIONS, &batch->ops[i]);
        wire_end(writer, mark);
}
