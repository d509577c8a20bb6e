/* SPDX-License-Identifier: MIT */
/*
 * buffer.h: a growable run of bytes, appended at the end and consumed from the front.
 */
#ifndef FSOP_BUFFER_H
#define FSOP_BUFFER_H

#include <stddef.h>
#include <stdint.h>

struct buffer {
        uint8_t *data;
        size_t start, end; /* the live bytes are data[start..end) */
        size_t cap;
};

static inline size_t buffer_len(const struct buffer *buffer) {
        return buffer->end - buffer->start;
}

/* Makes room for EXTRA bytes behind the end. 0 or -FSOP_ENOMEM. */
int buffer_reserve(struct buffer *buffer, size_t extra);

/* Appends LEN bytes. 0 or -FSOP_ENOMEM. */
int buffer_append(struct buffer *buffer, const void *data, size_t len);

/* Drops LEN bytes from the front; an emptied buffer larger than KEEP bytes gives its memory back. */
void buffer_consume(struct buffer *buffer, size_t len, size_t keep);

void buffer_fini(struct buffer *buffer);

#endif
