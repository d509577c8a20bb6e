/* SPDX-License-Identifier: MIT */
#include "tests/support/codec_kit.h"

struct decoded decoded;

void decoded_setup(void) {
        arena_init(&decoded.arena, 8u << 20);
}

void decoded_teardown(void) {
        arena_fini(&decoded.arena);
}

int decode_request(struct bytes body, uint32_t fds) {
        struct codec_limits limits = {.batch_ops_max = WIRE_BATCH_OPS_MAX, .fds = fds};

        arena_reset(&decoded.arena);
        return codec_decode_request(&decoded.arena, body, &limits, &decoded.message, &decoded.error);
}

int decode_reply(struct bytes body, uint32_t fds) {
        arena_reset(&decoded.arena);
        return codec_decode_reply(&decoded.arena, body, fds, &decoded.message, &decoded.error);
}
