/* SPDX-License-Identifier: MIT */
/*
 * fuzz_frame.c: a stream of bytes with descriptors on it, cut into frames by a session of the daemon and by the
 * library, however it comes in pieces; both must take what a third, simple cutter makes of it. Bodies are not looked
 * into: what would decode them is replaced (--wrap), and notes what it is given.
 *
 * The input: pieces, each a byte of descriptors (its low 2 bits), a byte of length, and its bytes.
 */
#include <check.h>
#include <string.h>

#include "tests/support/steps_kit.h"

#include "daemon/log.h"
#include "tests/fuzz/frame_pieces.h"

/* ---- the stream, and what it says -------------------------------------------------------------------------------- */

struct piece pieces[PIECES_MAX];
uint32_t n_pieces;

static struct {
        uint8_t bytes[PIECES_MAX * 256];
        size_t len;
        size_t fds_before[PIECES_MAX + 1]; /* how many have come with the first so many pieces */
} whole;

static void cut_input(struct input input) {
        n_pieces = 0;
        whole.len = whole.fds_before[0] = 0;
        while (input.len > 2 && n_pieces < PIECES_MAX) {
                struct piece *piece = &pieces[n_pieces];

                piece->n_fds = input_byte(&input) % 4;
                piece->len = 1 + input_byte(&input) % 255u;
                piece->data = input_bytes(&input, &piece->len);
                if (piece->len == 0)
                        break;
                memcpy(whole.bytes + whole.len, piece->data, piece->len);
                whole.len += piece->len;
                whole.fds_before[n_pieces + 1] = whole.fds_before[n_pieces] + piece->n_fds;
                n_pieces++;
        }
}

static struct taking expected, by_daemon, by_library;

void take(struct taking *taking, struct bytes body, uint32_t n_fds) {
        struct taken *frame = &taking->frames[taking->n++];

        frame->sum = 14695981039346656037u;
        for (size_t i = 0; i < body.len; i++)
                frame->sum = (frame->sum ^ body.data[i]) * 1099511628211u;
        frame->len = (uint32_t)body.len;
        frame->n_fds = n_fds;
}

/* The simple cutter. Descriptors come with their frame: none may be left where all bytes are used up. */
static void cut_simply(void) {
        size_t at = 0, end = 0;
        uint32_t fds_used = 0;

        expected.n = 0;
        expected.refused = false;
        for (uint32_t i = 0; i < n_pieces && !expected.refused; i++) {
                uint32_t fds = (uint32_t)whole.fds_before[i + 1] - fds_used;

                end += pieces[i].len;
                expected.refused = fds > 2 * WIRE_FRAME_FDS_MAX; /* what either side keeps */
                while (!expected.refused && end - at >= FRAME_HEADER_BYTES) {
                        const uint8_t *h = whole.bytes + at;
                        uint32_t body = h[0] + h[1] * 256u + h[2] * 65536u + h[3] * 16777216u,
                                 n_fds = h[4] + h[5] * 256u;

                        expected.refused =
                                body == 0 || body > FRAME_BYTES_MAX || n_fds > WIRE_FRAME_FDS_MAX || h[6] || h[7];
                        if (expected.refused || end - at < FRAME_HEADER_BYTES + body)
                                break;
                        expected.refused = n_fds > fds;
                        if (expected.refused)
                                break;
                        take(&expected, (struct bytes){h + FRAME_HEADER_BYTES, body}, n_fds);
                        fds -= n_fds;
                        fds_used += n_fds;
                        at += FRAME_HEADER_BYTES + body;
                }
                expected.refused |= at == end && fds > 0;
        }
}

static void compare(const struct taking *taking) {
        must(taking->n == expected.n && taking->refused == expected.refused);
        for (uint32_t i = 0; i < expected.n; i++)
                must(taking->frames[i].sum == expected.frames[i].sum &&
                     taking->frames[i].len == expected.frames[i].len &&
                     taking->frames[i].n_fds == expected.frames[i].n_fds);
}

/* ---- the daemon -------------------------------------------------------------------------------------------------- */

__typeof__(codec_decode_request) __wrap_codec_decode_request;
int __wrap_codec_decode_request(struct arena *arena, struct bytes body, const struct codec_limits *limits,
                                struct message *ret_message, struct error *ret_error) {
        (void)arena, (void)ret_error;
        take(&by_daemon, body, limits->fds);
        *ret_message = (struct message){.kind = MESSAGE_CANCEL, .body.cancel_id = 1}; /* of nothing */
        return 0;
}

static void deliver_to(struct session *it, const struct piece *piece) {
        os_fd fds[4];

        for (uint32_t i = 0; i < piece->n_fds; i++)
                fds[i] = fake_fd_open(NULL);
        fake_engine_receive(&it->receive, piece->data, piece->len, fds, piece->n_fds);
}

static void end_session(void) {
        struct io *io;

        session_close(server.sessions);
        for (int i = 0; i < 4 && server.sessions; i++) {
                while ((io = fake_engine_pending(server.engine, IO_SEND, 0)))
                        fake_engine_complete(server.engine, io, -FSOP_ECANCELED, 0);
                server.engine->ops->wait(server.engine, 0);
                server_end_round(&server);
        }
        must(!server.sessions);
        server.engine->ops->wait(server.engine, 0);
        must(graveyard_pending() == 0 && fake_fds_open == 0);
}

static void cut_by_daemon(void) {
        struct session *it;

        by_daemon.n = 0;
        fake_n_fds = 0;
        session_start(&server, fake_fd_open(NULL));
        it = server.sessions;
        must(it);
        it->state = SESSION_OPEN; /* as after a Hello that agreed on them */
        it->features = WIRE_FEATURE_FDS;
        it->frame_bytes_max = FRAME_BYTES_MAX;
        for (uint32_t i = 0; i < n_pieces && it->state == SESSION_OPEN; i++) {
                deliver_to(it, &pieces[i]);
                server_end_round(&server);
        }
        by_daemon.refused = it->state != SESSION_OPEN;
        end_session();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static bool ready;

        if (!ready) {
                log_setup(0, false);
                start_daemon(1000);
                ready = true;
        }
        cut_input((struct input){data, size});
        cut_simply();
        cut_by_daemon();
        compare(&by_daemon);
        cut_by_library(&by_library);
        compare(&by_library);
        fuzz_accepted = !expected.refused;
        return 0;
}
