/* SPDX-License-Identifier: MIT */
/*
 * codec_internal.h: what the codec's files share. codec.c: the entry points and the envelopes; codec_operation.c:
 * batches and operations; codec_args.c: the arguments of each operation; codec_result.c: results; codec_answers.c and
 * codec_jobs.c: what they hold seldom; codec_leaf.c: the small messages, by protobuf-c.
 */
#ifndef FSOP_CODEC_INTERNAL_H
#define FSOP_CODEC_INTERNAL_H

#include "fsop.pb-c.h"
#include "proto/arena.h"
#include "proto/codec.h"
#include "proto/wire.h"

#define ARGS_FIELD_BASE 100u /* the member of Operation.args for a verb has this number plus the verb */

/* One decoding. Every function below that can fail returns 0 or -FSOP_E…, and has then filled the error. */
struct decoder {
        struct arena *arena;
        uint32_t ops_max;
        uint32_t fds;
        struct error *error;
        bool memory_ran_out;
        /* where we are, for the error's sentence */
        bool in_operation;
        uint32_t index;
        enum fsop_verb verb;
        bool explained; /* inside an explain: verb is the explained one */
};

__attribute__((format(printf, 3, 4))) int decoder_refuse(struct decoder *decoder, enum fsop_errno code,
                                                         const char *format, ...);
int decoder_no_memory(struct decoder *decoder);
int decoder_malformed(struct decoder *decoder, const char *what);
/* A copy in the arena with a NUL behind it; never NULL data on success. */
int decoder_copy(struct decoder *decoder, struct bytes bytes, struct bytes *ret_copy);

/* Where a message is read by hand: that a field has the type and range of its kind, and was not there before (SEEN: one
 * bit per number below 64). */
int field_once(struct decoder *decoder, const char *message, uint32_t number, uint64_t *seen);
int field_bytes(struct decoder *decoder, const char *message, const struct wire_field *field, struct bytes *ret);
int field_u64(struct decoder *decoder, const char *message, const struct wire_field *field, uint64_t *ret);
int field_u32(struct decoder *decoder, const char *message, const struct wire_field *field, uint32_t *ret);
int field_bool(struct decoder *decoder, const char *message, const struct wire_field *field, bool *ret);

/* How many fields of a number there are, for repeated ones to be counted before memory is taken; -FSOP_EPROTO when one
 * is of another type than bytes, or anything is malformed. */
int64_t count_fields(struct bytes bytes, uint32_t number);

/* ---- codec_leaf.c ------------------------------------------------------------------------------------------------ */

/*
 * Unpacks a small message by protobuf-c into the arena, after looking through it: field types, repetitions, numbers
 * that do not fit. Byte strings have a NUL behind them. UNKNOWN: how many fields that the schema does not have are let
 * pass.
 */
int leaf_unpack(struct decoder *decoder, const ProtobufCMessageDescriptor *descriptor, struct bytes bytes,
                uint32_t unknown_max, ProtobufCMessage **ret_message);
/* Packs one as field NUMBER. */
void leaf_put(struct wire_writer *writer, uint32_t number, const ProtobufCMessage *message);

static inline struct bytes leaf_bytes(ProtobufCBinaryData data) {
        return (struct bytes){.data = data.len ? data.data : (const uint8_t *)"", .len = data.len};
}

static inline ProtobufCBinaryData leaf_data(struct bytes bytes) {
        return (ProtobufCBinaryData){.data = (uint8_t *)(uintptr_t)bytes.data, .len = bytes.len};
}

/* ---- codec_operation.c, codec_args.c ----------------------------------------------------------------------------- */

int batch_decode(struct decoder *decoder, struct bytes bytes, struct batch *ret_batch);
void batch_put(struct wire_writer *writer, uint32_t number, const struct batch *batch);

/* Fields of CpArgs, which is read and written by hand. */
enum {
        CP_JOB = 1,
        CP_HOLD = 2,
        CP_KEY = 3,
        CP_RECURSIVE = 4,
        CP_ONE_FILESYSTEM = 5,
        CP_VERIFY = 6,
        CP_PRESERVE = 7,
        CP_UMASK = 8,
        CP_CLONE = 9,
        CP_SYNC = 10,
        CP_UPDATE = 11,
        CP_BYTES_PER_S = 12,
        CP_PRIORITY = 13,
        CP_EXCLUDES = 14,
        CP_NAMES = 15,
};

/* Arguments of op->verb, but for explain, which holds an operation. */
int args_decode(struct decoder *decoder, struct bytes bytes, struct operation *op);
void args_put(struct wire_writer *writer, const struct operation *op);

/* ---- codec_result.c ---------------------------------------------------------------------------------------------- */

int results_decode(struct decoder *decoder, struct bytes bytes, struct results *ret_results);
void results_put(struct wire_writer *writer, struct arena *scratch, uint32_t number, const struct results *results);

int error_decode(struct decoder *decoder, struct bytes bytes, struct error *ret_error);
void error_put(struct wire_writer *writer, uint32_t number, const struct error *error);

/* ---- codec_answers.c, codec_jobs.c: the rare answers, by protobuf-c ---------------------------------------------- */

#define ANSWER_UNKNOWN_MAX 4096u /* fields of newer daemons, skipped */

/* An array of N structs and one of pointers to the messages in them, as protobuf-c wants repeated ones. */
#define LEAVES_IN(scratch, item, type, n, items, pointers)                                                             \
        item *items = arena_calloc(scratch, (n) + 1u, sizeof(item));                                                   \
        type **pointers = arena_calloc(scratch, (n) + 1u, sizeof(type *))
#define LEAVES(scratch, type, n, items, pointers) LEAVES_IN(scratch, type, type, n, items, pointers)

/* A text that is left out when it is empty. */
#define PUT_TEXT(leaf, field, from)                                                                                    \
        do {                                                                                                           \
                (leaf).has_##field = (from).len != 0;                                                                  \
                (leaf).field = leaf_data(from);                                                                        \
        } while (0)
#define PUT_NUMBER(leaf, field, from)                                                                                  \
        do {                                                                                                           \
                (leaf).has_##field = (from) != 0;                                                                      \
                (leaf).field = (from);                                                                                 \
        } while (0)

int answer_decode(struct decoder *decoder, uint32_t number, struct bytes bytes, struct result *result);
void answer_put(struct wire_writer *writer, struct arena *scratch, uint32_t number, const struct result *result);
int jobs_decode(struct decoder *decoder, struct bytes bytes, struct job_answer *ret_answer);
void jobs_put(struct wire_writer *writer, struct arena *scratch, uint32_t number, const struct job_answer *answer);
size_t jobs_bytes(const struct job_answer *answer);
int welcome_decode(struct decoder *decoder, struct bytes bytes, struct welcome *ret_welcome);
void welcome_put(struct wire_writer *writer, struct arena *scratch, uint32_t number, const struct welcome *welcome);

#endif
