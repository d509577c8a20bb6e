/* SPDX-License-Identifier: MIT */
/*
 * buffer.c: bytes wait here between the stream and the frames. Consuming moves a mark; the bytes themselves move only
 * when room is needed.
 */
#include "proto/buffer.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "proto/fsop-errors.h"

#define BUFFER_FIRST_BYTES 4096u

int buffer_reserve(struct buffer *buffer, size_t extra) {
        size_t len = buffer_len(buffer);
        if (extra <= buffer->cap - buffer->end)
                return 0;
        if (extra > SIZE_MAX / 2 - len)
                return -FSOP_ENOMEM;
        /* Move down only where that gains a good deal: else a long queue would be copied at every append. */
        bool fits = len + extra <= buffer->cap;
        if (fits && len / 4 <= buffer->start) {
                memmove(buffer->data, buffer->data + buffer->start, len);
                buffer->start = 0;
                buffer->end = len;
                return 0;
        }
        size_t cap = buffer->cap ? buffer->cap : BUFFER_FIRST_BYTES;
        while (cap < len + extra || (fits && cap == buffer->cap))
                cap *= 2;
        uint8_t *data = malloc(cap);
        if (!data)
                return -FSOP_ENOMEM;
        if (len)
                memcpy(data, buffer->data + buffer->start, len);
        free(buffer->data);
        *buffer = (struct buffer){.data = data, .end = len, .cap = cap};
        return 0;
}

int buffer_append(struct buffer *buffer, const void *data, size_t len) {
        if (len == 0)
                return 0;
        int r = buffer_reserve(buffer, len);
        if (r < 0)
                return r;
        memcpy(buffer->data + buffer->end, data, len);
        buffer->end += len;
        return 0;
}

void buffer_consume(struct buffer *buffer, size_t len, size_t keep) {
        buffer->start += len < buffer_len(buffer) ? len : buffer_len(buffer);
        if (buffer->start < buffer->end)
                return;
        buffer->start = buffer->end = 0;
        if (buffer->cap > keep)
                buffer_fini(buffer);
}

void buffer_fini(struct buffer *buffer) {
        free(buffer->data);
        *buffer = (struct buffer){0};
}
