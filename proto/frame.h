/* SPDX-License-Identifier: MIT */
/*
 * frame.h: how messages are cut out of a byte stream.
 *
 * A frame is 8 bytes of header — body length (u32, little-endian), number of descriptors that belong to it (u16,
 * little-endian), zero (u16) — and then one message. Pure functions, no I/O.
 */
#ifndef FSOP_FRAME_H
#define FSOP_FRAME_H

#include <stddef.h>
#include <stdint.h>

#define FRAME_HEADER_BYTES 8u

struct frame_header {
        uint32_t body_bytes;
        uint16_t n_fds;
};

/*
 * Reads a header from the first bytes of a stream.
 * Returns 1 and fills ret_header when 8 bytes are there and are acceptable, 0 when more bytes are needed,
 * -FSOP_EMSGSIZE when the body is longer than body_bytes_max, -FSOP_E2BIG when it declares more than
 * WIRE_FRAME_FDS_MAX descriptors, -FSOP_EPROTO when the reserved bytes are not zero or the body is empty.
 */
int frame_read_header(const uint8_t *data, size_t len, uint32_t body_bytes_max, struct frame_header *ret_header);

/* Writes a header to 8 bytes. */
void frame_write_header(uint8_t *data, const struct frame_header *header);

#endif
