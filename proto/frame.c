/* SPDX-License-Identifier: MIT */
/*
 * frame.c: the eight bytes before each message.
 */
#include "proto/frame.h"

#include "proto/fsop-errors.h"
#include "proto/message.h"

int frame_read_header(const uint8_t *data, size_t len, uint32_t body_bytes_max, struct frame_header *ret_header) {
        if (len < FRAME_HEADER_BYTES)
                return 0;
        uint32_t body_bytes =
                (uint32_t)data[0] | (uint32_t)data[1] << 8 | (uint32_t)data[2] << 16 | (uint32_t)data[3] << 24;
        uint16_t n_fds = (uint16_t)(data[4] | data[5] << 8);
        if (data[6] || data[7] || body_bytes == 0)
                return -FSOP_EPROTO;
        if (body_bytes > body_bytes_max)
                return -FSOP_EMSGSIZE;
        if (n_fds > WIRE_FRAME_FDS_MAX)
                return -FSOP_E2BIG;
        *ret_header = (struct frame_header){.body_bytes = body_bytes, .n_fds = n_fds};
        return 1;
}

void frame_write_header(uint8_t *data, const struct frame_header *header) {
        for (unsigned i = 0; i < 4; i++)
                data[i] = (uint8_t)(header->body_bytes >> 8 * i);
        for (unsigned i = 0; i < 2; i++)
                data[4 + i] = (uint8_t)(header->n_fds >> 8 * i);
        data[6] = data[7] = 0;
}
