/* SPDX-License-Identifier: MIT */
/*
 * codec.c: the entry points, the two envelopes, Hello, and what every decoding shares.
 */
#include "proto/codec_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "proto/frame.h"
#include "proto/names.h"

#define HELLO_UNKNOWN_MAX 16u /* a newer client may say more; Hello is where that is found out */

/* ---- what every decoding shares ---------------------------------------------------------------------------------- */

static void decoder_fail(struct decoder *decoder, enum fsop_errno code, struct bytes message) {
        *decoder->error = (struct error){
                .code = code,
                .class_ = error_class_of((int)code),
                .retryable = error_is_retryable((int)code),
                .message = message,
        };
}

int decoder_refuse(struct decoder *decoder, enum fsop_errno code, const char *format, ...) {
        char text[256];
        va_list args;
        va_start(args, format);
        vsnprintf(text, sizeof(text), format, args);
        va_end(args);
        const char *verb = verb_name(decoder->verb);
        struct bytes message;
        if (!decoder->in_operation)
                message = arena_printf(decoder->arena, "%s", text);
        else if (!verb)
                message = arena_printf(decoder->arena, "operation %u: %s", decoder->index, text);
        else
                message = arena_printf(decoder->arena, "operation %u (%s%s): %s", decoder->index,
                                       decoder->explained ? "explain " : "", verb, text);
        if (message.len == 0) { /* no memory for the sentence */
                const char *few_words = error_text((int)code);
                message = (struct bytes){.data = (const uint8_t *)few_words, .len = strlen(few_words)};
        }
        decoder_fail(decoder, code, message);
        decoder->error->class_ = FSOP_CLASS_INVALID;
        return -(int)code;
}

int decoder_no_memory(struct decoder *decoder) {
        static const char text[] = "the message needs more memory than one request may take";
        decoder_fail(decoder, FSOP_ENOMEM, (struct bytes){.data = (const uint8_t *)text, .len = sizeof(text) - 1});
        return -FSOP_ENOMEM;
}

int decoder_malformed(struct decoder *decoder, const char *what) {
        return decoder_refuse(decoder, FSOP_EPROTO, "%s is malformed", what);
}

int decoder_copy(struct decoder *decoder, struct bytes bytes, struct bytes *ret_copy) {
        if (bytes.len == 0) {
                *ret_copy = (struct bytes){.data = (const uint8_t *)"", .len = 0};
                return 0;
        }
        *ret_copy = arena_copy(decoder->arena, bytes);
        return ret_copy->data ? 0 : decoder_no_memory(decoder);
}

int field_once(struct decoder *decoder, const char *message, uint32_t number, uint64_t *seen) {
        uint64_t bit = (uint64_t)1 << (number & 63);
        if (*seen & bit)
                return decoder_refuse(decoder, FSOP_EPROTO, "%s: field %u is there twice", message, number);
        *seen |= bit;
        return 0;
}

static int field_mistyped(struct decoder *decoder, const char *message, const struct wire_field *field) {
        return decoder_refuse(decoder, FSOP_EPROTO, "%s: field %u has the wrong type", message, field->number);
}

int field_bytes(struct decoder *decoder, const char *message, const struct wire_field *field, struct bytes *ret) {
        if (field->type != WIRE_BYTES)
                return field_mistyped(decoder, message, field);
        *ret = field->bytes;
        return 0;
}

int field_u64(struct decoder *decoder, const char *message, const struct wire_field *field, uint64_t *ret) {
        if (field->type != WIRE_VARINT)
                return field_mistyped(decoder, message, field);
        *ret = field->value;
        return 0;
}

static int field_up_to(struct decoder *decoder, const char *message, const struct wire_field *field, uint64_t max) {
        if (field->type != WIRE_VARINT)
                return field_mistyped(decoder, message, field);
        if (field->value > max)
                return decoder_refuse(decoder, FSOP_EINVAL, "%s: field %u: %llu is out of range", message,
                                      field->number, (unsigned long long)field->value);
        return 0;
}

int field_u32(struct decoder *decoder, const char *message, const struct wire_field *field, uint32_t *ret) {
        int r = field_up_to(decoder, message, field, UINT32_MAX);
        if (r == 0)
                *ret = (uint32_t)field->value;
        return r;
}

int field_bool(struct decoder *decoder, const char *message, const struct wire_field *field, bool *ret) {
        int r = field_up_to(decoder, message, field, 1);
        if (r == 0)
                *ret = field->value != 0;
        return r;
}

int64_t count_fields(struct bytes bytes, uint32_t number) {
        struct wire_reader reader = wire_reader(bytes);
        struct wire_field field;
        int64_t n = 0;
        int r;
        while ((r = wire_next(&reader, &field)) > 0) {
                if (field.number == number && field.type != WIRE_BYTES)
                        return -FSOP_EPROTO;
                n += field.number == number;
        }
        return r < 0 ? r : n;
}

/* ---- Hello, Cancel ----------------------------------------------------------------------------------------------- */

static int hello_decode(struct decoder *decoder, struct bytes bytes, struct hello *ret_hello) {
        ProtobufCMessage *message;
        int r = leaf_unpack(decoder, &fsop__v1__hello__descriptor, bytes, HELLO_UNKNOWN_MAX, &message);
        if (r < 0)
                return r;
        const Fsop__V1__Hello *hello = (const Fsop__V1__Hello *)message;
        if (!hello->has_version_min || !hello->has_version_max || hello->version_min == 0 ||
            hello->version_min > hello->version_max)
                return decoder_refuse(decoder, FSOP_EINVAL, "Hello needs version_min and version_max, in this order");
        if (hello->client.len > WIRE_NAME_BYTES_MAX)
                return decoder_refuse(decoder, FSOP_EINVAL, "Hello.client is longer than %u bytes",
                                      WIRE_NAME_BYTES_MAX);
        *ret_hello = (struct hello){
                .version_min = hello->version_min,
                .version_max = hello->version_max,
                .features = hello->features,
                .frame_bytes_max = hello->frame_bytes_max,
                .batch_ops_max = hello->batch_ops_max,
                .batches_max = hello->batches_max,
                .want_support = hello->want_support,
                .client = leaf_bytes(hello->client),
        };
        return 0;
}

static void hello_put(struct wire_writer *writer, uint32_t number, const struct hello *hello) {
        Fsop__V1__Hello leaf = FSOP__V1__HELLO__INIT;
        leaf.has_version_min = leaf.has_version_max = 1;
        leaf.version_min = hello->version_min;
        leaf.version_max = hello->version_max;
        leaf.has_features = hello->features != 0;
        leaf.features = hello->features;
        leaf.has_frame_bytes_max = hello->frame_bytes_max != 0;
        leaf.frame_bytes_max = hello->frame_bytes_max;
        leaf.has_batch_ops_max = hello->batch_ops_max != 0;
        leaf.batch_ops_max = hello->batch_ops_max;
        leaf.has_batches_max = hello->batches_max != 0;
        leaf.batches_max = hello->batches_max;
        leaf.has_want_support = hello->want_support;
        leaf.want_support = hello->want_support;
        leaf.has_client = hello->client.len != 0;
        leaf.client = leaf_data(hello->client);
        leaf_put(writer, number, &leaf.base);
}

static int cancel_decode(struct decoder *decoder, struct bytes bytes, uint64_t *ret_id) {
        ProtobufCMessage *message;
        int r = leaf_unpack(decoder, &fsop__v1__cancel__descriptor, bytes, 0, &message);
        if (r < 0)
                return r;
        *ret_id = ((const Fsop__V1__Cancel *)message)->id;
        return *ret_id ? 0 : decoder_refuse(decoder, FSOP_EINVAL, "Cancel needs the id of a batch");
}

static void cancel_put(struct wire_writer *writer, uint32_t number, uint64_t id) {
        Fsop__V1__Cancel leaf = FSOP__V1__CANCEL__INIT;
        leaf.has_id = 1;
        leaf.id = id;
        leaf_put(writer, number, &leaf.base);
}

/* ---- the envelopes ----------------------------------------------------------------------------------------------- */

/* The one field of an envelope. */
static int envelope_decode(struct decoder *decoder, const char *name, struct bytes body, struct wire_field *ret_field) {
        struct wire_reader reader = wire_reader(body);
        if (wire_next(&reader, ret_field) <= 0)
                return decoder_malformed(decoder, name);
        if (reader.at != reader.end)
                return decoder_refuse(decoder, FSOP_EPROTO, "%s holds more than one message", name);
        if (ret_field->type != WIRE_BYTES)
                return field_mistyped(decoder, name, ret_field);
        return 0;
}

static int request_decode(struct decoder *decoder, const struct wire_field *field, struct message *message) {
        switch (field->number) {
        case FSOP__V1__CLIENT_MESSAGE__MESSAGE_HELLO:
                message->kind = MESSAGE_HELLO;
                return hello_decode(decoder, field->bytes, &message->body.hello);
        case FSOP__V1__CLIENT_MESSAGE__MESSAGE_BATCH:
                message->kind = MESSAGE_BATCH;
                return batch_decode(decoder, field->bytes, &message->body.batch);
        case FSOP__V1__CLIENT_MESSAGE__MESSAGE_CANCEL:
                message->kind = MESSAGE_CANCEL;
                return cancel_decode(decoder, field->bytes, &message->body.cancel_id);
        default:
                return decoder_refuse(decoder, FSOP_EPROTO, "no message of a client has the number %u", field->number);
        }
}

int codec_decode_request(struct arena *arena, struct bytes body, const struct codec_limits *limits,
                         struct message *ret_message, struct error *ret_error) {
        *ret_error = (struct error){0};
        *ret_message = (struct message){0};
        struct decoder decoder = {
                .arena = arena,
                .ops_max = limits->batch_ops_max,
                .fds = limits->fds,
                .error = ret_error,
        };
        struct wire_field field;
        int r = envelope_decode(&decoder, "ClientMessage", body, &field);
        if (r < 0)
                return r;
        r = request_decode(&decoder, &field, ret_message);
        if (r < 0)
                *ret_message = (struct message){0};
        return r;
}

static int reply_decode(struct decoder *decoder, const struct wire_field *field, struct message *message) {
        switch (field->number) {
        case FSOP__V1__SERVER_MESSAGE__MESSAGE_WELCOME:
                message->kind = MESSAGE_WELCOME;
                return welcome_decode(decoder, field->bytes, &message->body.welcome);
        case FSOP__V1__SERVER_MESSAGE__MESSAGE_RESULTS:
                message->kind = MESSAGE_RESULTS;
                return results_decode(decoder, field->bytes, &message->body.results);
        case FSOP__V1__SERVER_MESSAGE__MESSAGE_FAILURE:
                message->kind = MESSAGE_FAILURE;
                return error_decode(decoder, field->bytes, &message->body.failure);
        default:
                return decoder_refuse(decoder, FSOP_EPROTO, "no message of a daemon has the number %u", field->number);
        }
}

int codec_decode_reply(struct arena *arena, struct bytes body, uint32_t n_fds, struct message *ret_message,
                       struct error *ret_error) {
        *ret_error = (struct error){0};
        *ret_message = (struct message){0};
        struct decoder decoder = {.arena = arena, .fds = n_fds, .error = ret_error};
        struct wire_field field;
        int r = envelope_decode(&decoder, "ServerMessage", body, &field);
        if (r == 0)
                r = reply_decode(&decoder, &field, ret_message);
        if (r < 0)
                *ret_message = (struct message){0};
        return r;
}

static void message_put(struct wire_writer *writer, struct arena *scratch, const struct message *message) {
        switch (message->kind) {
        case MESSAGE_HELLO:
                hello_put(writer, FSOP__V1__CLIENT_MESSAGE__MESSAGE_HELLO, &message->body.hello);
                break;
        case MESSAGE_BATCH:
                batch_put(writer, FSOP__V1__CLIENT_MESSAGE__MESSAGE_BATCH, &message->body.batch);
                break;
        case MESSAGE_CANCEL:
                cancel_put(writer, FSOP__V1__CLIENT_MESSAGE__MESSAGE_CANCEL, message->body.cancel_id);
                break;
        case MESSAGE_WELCOME:
                welcome_put(writer, scratch, FSOP__V1__SERVER_MESSAGE__MESSAGE_WELCOME, &message->body.welcome);
                break;
        case MESSAGE_RESULTS:
                results_put(writer, scratch, FSOP__V1__SERVER_MESSAGE__MESSAGE_RESULTS, &message->body.results);
                break;
        case MESSAGE_FAILURE:
                error_put(writer, FSOP__V1__SERVER_MESSAGE__MESSAGE_FAILURE, &message->body.failure);
                break;
        case MESSAGE_NONE:
                writer->failed = true;
                break;
        }
}

int codec_encode(struct arena *scratch, const struct message *message, uint16_t n_fds, uint32_t body_bytes_max,
                 struct buffer *buffer) {
        struct wire_writer writer = {.buffer = buffer};
        size_t before = buffer_len(buffer);
        int r = -FSOP_ENOMEM;
        uint8_t *place = wire_room(&writer, FRAME_HEADER_BYTES);
        if (place) {
                wire_advance(&writer, place + FRAME_HEADER_BYTES);
                message_put(&writer, scratch, message);
        }
        size_t body_bytes = buffer_len(buffer) - before - FRAME_HEADER_BYTES;
        if (writer.failed)
                goto undo;
        if (body_bytes > body_bytes_max) {
                r = -FSOP_EMSGSIZE;
                goto undo;
        }
        struct frame_header header = {.body_bytes = (uint32_t)body_bytes, .n_fds = n_fds};
        frame_write_header(buffer->data + buffer->start + before, &header);
        return 0;
undo:
        buffer->end = buffer->start + before;
        return r;
}
