/* SPDX-License-Identifier: MIT */
/*
 * wire.h: protobuf's wire format, one field at a time. The messages that nest and repeat (batches, results) are read
 * and written with this in one pass, so that counts and depth are known before memory is taken, and so that an
 * operation costs tens of nanoseconds. The small messages inside them go through protobuf-c (leaf.h).
 */
#ifndef FSOP_WIRE_H
#define FSOP_WIRE_H

#include "proto/buffer.h"
#include "proto/message.h"

enum wire_type { WIRE_VARINT = 0, WIRE_64BIT = 1, WIRE_BYTES = 2, WIRE_32BIT = 5 };

/* ---- reading ----------------------------------------------------------------------------------------------------- */

struct wire_reader {
        const uint8_t *at, *end;
};

struct wire_field {
        uint32_t number;
        enum wire_type type;
        uint64_t value;     /* of WIRE_VARINT */
        struct bytes bytes; /* of WIRE_BYTES: borrowed from what is read */
};

static inline struct wire_reader wire_reader(struct bytes bytes) {
        return (struct wire_reader){.at = bytes.data, .end = bytes.len ? bytes.data + bytes.len : bytes.data};
}

/* Reads the next field. 1: there is one; 0: the end; -FSOP_EPROTO: malformed. */
int wire_next(struct wire_reader *reader, struct wire_field *ret_field);

/* Reads a varint of at most 64 bits; false where none stands. */
bool wire_varint_read(struct wire_reader *reader, uint64_t *ret_value);

static inline bool wire_varint_take(struct wire_reader *reader, uint64_t *ret_value) {
        if (reader->at < reader->end && *reader->at < 0x80) {
                *ret_value = *reader->at++;
                return true;
        }
        return wire_varint_read(reader, ret_value);
}

static inline int64_t wire_unzigzag(uint64_t value) {
        return (int64_t)(value >> 1 ^ (0 - (value & 1)));
}

/* ---- writing ----------------------------------------------------------------------------------------------------- */

/* Appends to a buffer. Running out of memory is remembered in failed, and asked about once at the end. */
struct wire_writer {
        struct buffer *buffer;
        bool failed;
};

/* Room for N more bytes, or NULL. They count once wire_advance was called. */
uint8_t *wire_room(struct wire_writer *writer, size_t n);

static inline void wire_advance(struct wire_writer *writer, const uint8_t *end) {
        writer->buffer->end = (size_t)(end - writer->buffer->data);
}

/* Any field of a number; absent where the value is 0 unless ALWAYS. */
void wire_put_uint(struct wire_writer *writer, uint32_t number, uint64_t value);
void wire_put_uint_always(struct wire_writer *writer, uint32_t number, uint64_t value);
/* Bytes; absent where empty unless ALWAYS. */
void wire_put_bytes(struct wire_writer *writer, uint32_t number, struct bytes bytes);
void wire_put_bytes_always(struct wire_writer *writer, uint32_t number, struct bytes bytes);

/* A message inside the message: begin, put its fields, end with what begin returned. expected_bytes is a guess of its
 * length that saves moving it when it is right. */
struct wire_mark {
        size_t at; /* of the body, counted from the buffer's start */
        unsigned gap;
};
struct wire_mark wire_begin(struct wire_writer *writer, uint32_t number, size_t expected_bytes);
void wire_end(struct wire_writer *writer, struct wire_mark mark);

/* The pieces: a varint written at PLACE (at most 10 bytes); returns what follows it. */
static inline uint8_t *wire_varint(uint8_t *place, uint64_t value) {
        while (value >= 0x80) {
                *place++ = (uint8_t)(value | 0x80);
                value >>= 7;
        }
        *place++ = (uint8_t)value;
        return place;
}

static inline unsigned wire_varint_bytes(uint64_t value) {
        unsigned n = 1;
        while (value >>= 7)
                n++;
        return n;
}

static inline uint64_t wire_zigzag(int64_t value) {
        return (uint64_t)value << 1 ^ (0 - ((uint64_t)value >> 63));
}

#endif
