/* SPDX-License-Identifier: MIT */
/* frame_pieces.h: what the two halves of fuzz_frame share, whose headers do not go together. */
#ifndef FSOP_FRAME_PIECES_H
#define FSOP_FRAME_PIECES_H

#include "proto/frame.h"
#include "proto/message.h"
#include "tests/fuzz/fuzz.h"

#define PIECES_MAX 256u
#define FRAME_BYTES_MAX 4096u

/* The stream as it comes. */
struct piece {
        const uint8_t *data;
        size_t len;
        uint32_t n_fds;
};
extern struct piece pieces[PIECES_MAX];
extern uint32_t n_pieces;

/* The frames that were cut out of it; refused: and then the stream was none any more. */
struct taken {
        uint64_t sum; /* of the body */
        uint32_t len, n_fds;
};
struct taking {
        struct taken frames[PIECES_MAX * 256 / (FRAME_HEADER_BYTES + 1) + 1];
        uint32_t n;
        bool refused;
};
void take(struct taking *taking, struct bytes body, uint32_t n_fds);

void cut_by_library(struct taking *ret_taking);

#endif
