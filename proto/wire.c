/* SPDX-License-Identifier: MIT */
/*
 * wire.c: varints, tags and lengths. Reading trusts nothing: every length is compared with what is left.
 */
#include "proto/wire.h"

#include <string.h>

#define WIRE_FIELD_MAX 536870911u /* 2^29 - 1, as protobuf says */

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
/* A varint of up to eight bytes at once, where as many can be looked at: the bits of each byte are moved together. */
static bool read_short_varint(struct wire_reader *reader, uint64_t *ret_value) {
        uint64_t bytes, last;
        if (reader->end - reader->at < 8)
                return false;
        memcpy(&bytes, reader->at, sizeof(bytes));
        last = ~bytes & UINT64_C(0x8080808080808080); /* marks of bytes that nothing follows; the lowest one counts */
        if (!last)
                return false;
        reader->at += __builtin_ctzll(last) / 8 + 1;
        last &= 0 - last;
        bytes &= (2 * last - 1) & UINT64_C(0x7f7f7f7f7f7f7f7f);
        bytes = (bytes & UINT64_C(0x007f007f007f007f)) | (bytes & UINT64_C(0x7f007f007f007f00)) >> 1;
        bytes = (bytes & UINT64_C(0x00003fff00003fff)) | (bytes & UINT64_C(0x3fff00003fff0000)) >> 2;
        *ret_value = (bytes & UINT64_C(0x0fffffff)) | (bytes & UINT64_C(0x0fffffff00000000)) >> 4;
        return true;
}
#else
static bool read_short_varint(struct wire_reader *reader, uint64_t *ret_value) {
        (void)reader;
        (void)ret_value;
        return false;
}
#endif

bool wire_varint_read(struct wire_reader *reader, uint64_t *ret_value) {
        if (read_short_varint(reader, ret_value))
                return true;
        const uint8_t *at = reader->at;
        /* Ten bytes at most, and no look at the end for each of them where there are ten. */
        const uint8_t *end = reader->end - at > 10 ? at + 10 : reader->end;
        uint64_t value = 0;
        for (unsigned shift = 0; at < end; shift += 7) {
                uint64_t byte = *at++;
                value |= (byte & 0x7f) << shift;
                if (byte < 0x80) {
                        reader->at = at;
                        *ret_value = value;
                        return shift < 63 || byte <= 1;
                }
        }
        return false;
}

static bool read_bytes(struct wire_reader *reader, uint64_t len, struct bytes *ret_bytes) {
        if (len > (uint64_t)(reader->end - reader->at))
                return false;
        *ret_bytes = (struct bytes){.data = reader->at, .len = (size_t)len};
        reader->at += len;
        return true;
}

int wire_next(struct wire_reader *reader, struct wire_field *ret_field) {
        if (reader->at == reader->end)
                return 0;
        uint64_t tag;
        if (!wire_varint_take(reader, &tag) || tag >> 3 == 0 || tag >> 3 > WIRE_FIELD_MAX)
                return -FSOP_EPROTO;
        ret_field->number = (uint32_t)(tag >> 3);
        ret_field->type = (enum wire_type)(tag & 7);
        bool good = false;
        uint64_t len;
        switch (tag & 7) {
        case WIRE_VARINT:
                good = wire_varint_take(reader, &ret_field->value);
                break;
        case WIRE_BYTES:
                good = wire_varint_take(reader, &len) && read_bytes(reader, len, &ret_field->bytes);
                break;
        case WIRE_64BIT:
                good = read_bytes(reader, 8, &ret_field->bytes);
                break;
        case WIRE_32BIT:
                good = read_bytes(reader, 4, &ret_field->bytes);
                break;
        default: /* groups, and numbers without a meaning */
                break;
        }
        return good ? 1 : -FSOP_EPROTO;
}

uint8_t *wire_room(struct wire_writer *writer, size_t n) {
        struct buffer *buffer = writer->buffer;
        if (writer->failed)
                return NULL;
        if (buffer->cap - buffer->end < n && buffer_reserve(buffer, n) < 0) {
                writer->failed = true;
                return NULL;
        }
        return buffer->data + buffer->end;
}

void wire_put_uint_always(struct wire_writer *writer, uint32_t number, uint64_t value) {
        uint8_t *place = wire_room(writer, 15);
        if (!place)
                return;
        place = wire_varint(place, number << 3 | WIRE_VARINT);
        wire_advance(writer, wire_varint(place, value));
}

void wire_put_uint(struct wire_writer *writer, uint32_t number, uint64_t value) {
        if (value)
                wire_put_uint_always(writer, number, value);
}

void wire_put_bytes_always(struct wire_writer *writer, uint32_t number, struct bytes bytes) {
        uint8_t *place = bytes.len < SIZE_MAX - 16 ? wire_room(writer, bytes.len + 15) : NULL;
        if (!place) {
                writer->failed = true;
                return;
        }
        place = wire_varint(place, number << 3 | WIRE_BYTES);
        place = wire_varint(place, bytes.len);
        if (bytes.len)
                memcpy(place, bytes.data, bytes.len);
        wire_advance(writer, place + bytes.len);
}

void wire_put_bytes(struct wire_writer *writer, uint32_t number, struct bytes bytes) {
        if (bytes.len)
                wire_put_bytes_always(writer, number, bytes);
}

struct wire_mark wire_begin(struct wire_writer *writer, uint32_t number, size_t expected_bytes) {
        unsigned gap = wire_varint_bytes(expected_bytes);
        uint8_t *place = wire_room(writer, 15);
        if (!place)
                return (struct wire_mark){0};
        place = wire_varint(place, number << 3 | WIRE_BYTES);
        wire_advance(writer, place + gap);
        return (struct wire_mark){.at = buffer_len(writer->buffer), .gap = gap};
}

void wire_end(struct wire_writer *writer, struct wire_mark mark) {
        if (writer->failed)
                return;
        size_t len = buffer_len(writer->buffer) - mark.at;
        unsigned needed = wire_varint_bytes(len);
        if (needed > mark.gap && !wire_room(writer, needed - mark.gap))
                return;
        uint8_t *body = writer->buffer->data + writer->buffer->start + mark.at;
        uint8_t *place = body - mark.gap;
        if (needed != mark.gap)
                memmove(place + needed, body, len);
        wire_varint(place, len);
        wire_advance(writer, place + needed + len);
}
