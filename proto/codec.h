/* SPDX-License-Identifier: MIT */
/*
 * codec.h: bytes <-> plain structs. The only user of protobuf-c, on both sides of the wire.
 *
 * Decoding checks what can be checked without knowing the caller: enumerations, sizes, counts, NULs in paths, uids of
 * 0xFFFFFFFF, nanoseconds, offsets beyond INT64_MAX. What comes out is well-formed; whether it may be done is for
 * later.
 */
#ifndef FSOP_CODEC_H
#define FSOP_CODEC_H

#include "proto/arena.h"
#include "proto/buffer.h"
#include "proto/message.h"

struct codec_limits {
        uint32_t batch_ops_max;
        uint32_t fds; /* descriptors that came with this frame: fd_index must be smaller */
};

/*
 * Decodes the body of a frame that a client sent (Hello, Batch, Cancel). Byte strings in the message point into the
 * arena. The body may be freed afterwards.
 * Returns 0; -FSOP_EPROTO: not a message; -FSOP_EINVAL, -FSOP_ENAMETOOLONG, -FSOP_ERANGE: one with a value that can
 * never be right; -FSOP_E2BIG: more operations than the limit, or too large an xattr value; -FSOP_ENOMEM: the arena's
 * cap was reached. On failure ret_error says what and where (message in the arena).
 */
int codec_decode_request(struct arena *arena, struct bytes body, const struct codec_limits *limits,
                         struct message *ret_message, struct error *ret_error);

/* Decodes the body of a frame that a daemon sent (Welcome, Results, Failure). As above. */
int codec_decode_reply(struct arena *arena, struct bytes body, uint32_t n_fds, struct message *ret_message,
                       struct error *ret_error);

/*
 * Appends one whole frame, header included, for MESSAGE (of either direction) to BUFFER.
 * scratch is used while encoding and may be reset afterwards.
 * Returns 0, -FSOP_ENOMEM, or -FSOP_EMSGSIZE when the body would be longer than body_bytes_max (BUFFER is then as
 * before).
 */
int codec_encode(struct arena *scratch, const struct message *message, uint16_t n_fds, uint32_t body_bytes_max,
                 struct buffer *buffer);

/* An upper bound for the encoded size of one result, for cutting Results into frames. */
size_t codec_result_bytes(const struct result *result);

#endif
