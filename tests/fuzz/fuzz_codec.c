/* SPDX-License-Identifier: MIT */
/*
 * fuzz_codec.c: the decoder of both directions, with what a stranger may send: behind a byte, even for a request and
 * odd for a reply. What can be decoded is encoded and decoded again: the same bytes must come out from then on.
 */
#include <string.h>

#include "proto/arena.h"
#include "proto/buffer.h"
#include "proto/codec.h"
#include "proto/frame.h"
#include "tests/fuzz/fuzz.h"
#include "tests/support/codec_samples.h"

static const struct codec_limits limits = {.batch_ops_max = WIRE_BATCH_OPS_MAX, .fds = SAMPLE_FDS};

static int decode(struct arena *arena, struct bytes body, bool request, struct message *ret_message) {
        struct error error = {0};

        *ret_message = (struct message){0};
        if (request)
                return codec_decode_request(arena, body, &limits, ret_message, &error);
        return codec_decode_reply(arena, body, SAMPLE_FDS, ret_message, &error);
}

static struct bytes encode(struct arena *scratch, const struct message *message, struct buffer *buffer) {
        struct frame_header header;

        must(codec_encode(scratch, message, SAMPLE_FDS, WIRE_FRAME_BYTES_MAX, buffer) == 0);
        arena_reset(scratch);
        must(frame_read_header(buffer->data + buffer->start, buffer_len(buffer), WIRE_FRAME_BYTES_MAX, &header) == 1);
        must(header.body_bytes == buffer_len(buffer) - FRAME_HEADER_BYTES && header.n_fds == SAMPLE_FDS);
        return (struct bytes){buffer->data + buffer->start + FRAME_HEADER_BYTES, header.body_bytes};
}

static void again(struct arena *arena, const struct message *message, bool request) {
        static struct arena scratch;
        static struct buffer first, second;
        struct message copy;
        struct bytes a, b;

        if (scratch.cap_bytes == 0)
                arena_init(&scratch, 64u << 20);
        a = encode(&scratch, message, &first);
        must(decode(arena, a, request, &copy) == 0 && copy.kind == message->kind);
        b = encode(&scratch, &copy, &second);
        must(a.len == b.len && memcmp(a.data, b.data, a.len) == 0);
        buffer_consume(&first, buffer_len(&first), SIZE_MAX);
        buffer_consume(&second, buffer_len(&second), SIZE_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static struct arena arena;
        struct input input = {data, size};
        bool request = input_byte(&input) % 2 == 0;
        struct message message;

        if (arena.cap_bytes == 0)
                arena_init(&arena, 64u << 20);
        fuzz_accepted = decode(&arena, (struct bytes){input.data, input.len}, request, &message) == 0;
        if (fuzz_accepted)
                again(&arena, &message, request);
        arena_reset(&arena);
        return 0;
}
