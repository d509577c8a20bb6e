/* SPDX-License-Identifier: MIT */
/*
 * codec_kit.h: what the tests of the codec share: frames' bodies decoded into one place, and shorthand for what is in
 * them.
 */
#ifndef FSOP_TEST_CODEC_KIT_H
#define FSOP_TEST_CODEC_KIT_H

#include "proto/codec.h"

#define TEXT(text) ((struct bytes){.data = (const uint8_t *)(text), .len = sizeof(text) - 1})
#define PATH(text)                                                                                                     \
        {                                                                                                              \
                .kind = LOCATION_PATH, .path = {.data = (const uint8_t *)(text), .len = sizeof(text) - 1 }             \
        }
#define AT .at = PATH("/x")

/* What was decoded last. */
struct decoded {
        struct arena arena;
        struct message message;
        struct error error;
};
extern struct decoded decoded;

/* A checked fixture. */
void decoded_setup(void);
void decoded_teardown(void);
/* The codec's answer; what came out before is gone. */
int decode_request(struct bytes body, uint32_t fds);
int decode_reply(struct bytes body, uint32_t fds);

#endif
