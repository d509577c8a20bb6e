/* SPDX-License-Identifier: MIT */
/*
 * fuzz_codec: the decoder of both directions, with what a stranger may send. What can be decoded is encoded and decoded again:
 * the same kind of message must come out, and it must fit the limit that it came with.
 */
#include <stdlib.h>

#include "proto/arena.h"
#include "proto/buffer.h"
#include "proto/codec.h"
#include "proto/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void again(const struct message *message, bool request) {
        const struct codec_limits limits = {.batch_ops_max = WIRE_BATCH_OPS_MAX, .fds = WIRE_FRAME_FDS_MAX};
        struct buffer buffer = {0};
        struct message copy = {0};
        struct error error = {0};
        struct arena arena;

        arena_init(&arena, 64u << 20);
        if (codec_encode(&arena, message, 0, WIRE_FRAME_BYTES_MAX, &buffer) == 0) {
                struct bytes body = {buffer.data + buffer.start + FRAME_HEADER_BYTES, buffer_len(&buffer) - FRAME_HEADER_BYTES};
                int r = request ? codec_decode_request(&arena, body, &limits, &copy, &error)
                                : codec_decode_reply(&arena, body, WIRE_FRAME_FDS_MAX, &copy, &error);
                if (r < 0 || copy.kind != message->kind)
                        abort();
        }
        buffer_fini(&buffer);
        arena_fini(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        const struct codec_limits limits = {.batch_ops_max = WIRE_BATCH_OPS_MAX, .fds = WIRE_FRAME_FDS_MAX};
        struct frame_header header;
        struct message message = {0};
        struct error error = {0};
        struct arena arena;

        frame_read_header(data, size, WIRE_FRAME_BYTES_MAX, &header);
        arena_init(&arena, 16u << 20);
        if (codec_decode_request(&arena, (struct bytes){data, size}, &limits, &message, &error) == 0)
                again(&message, true);
        arena_reset(&arena);
        message = (struct message){0};
        if (codec_decode_reply(&arena, (struct bytes){data, size}, WIRE_FRAME_FDS_MAX, &message, &error) == 0)
                again(&message, false);
        arena_fini(&arena);
        return 0;
}
