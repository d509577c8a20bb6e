/* SPDX-License-Identifier: MIT */
/* frame_library.c: the half of fuzz_frame in which libfsop cuts the stream. */
#include <string.h>

#include "client/client.h"
#include "tests/fuzz/frame_pieces.h"

static uint32_t next_piece;
static int64_t fds_open;
static struct taking *taking;

__typeof__(client_take_message) __wrap_client_take_message;
int __wrap_client_take_message(struct fsop_client *client, struct bytes body, intptr_t *fds, uint32_t n_fds) {
        (void)client, (void)fds;
        take(taking, body, n_fds);
        return 0;
}

__typeof__(connect_receive) __wrap_connect_receive;
int64_t __wrap_connect_receive(struct connection *connection, void *data, size_t len, intptr_t *fds, uint32_t fds_max,
                               uint32_t *ret_n_fds, int32_t *ret_os_error) {
        const struct piece *piece = &pieces[next_piece++];

        (void)connection, (void)ret_os_error;
        must(next_piece <= n_pieces && piece->len <= len);
        memcpy(data, piece->data, piece->len);
        *ret_n_fds = piece->n_fds < fds_max ? piece->n_fds : fds_max;
        for (uint32_t i = 0; i < *ret_n_fds; i++)
                fds[i] = 1;
        fds_open += *ret_n_fds;
        return piece->n_fds > fds_max ? -FSOP_EPROTO : (int64_t)piece->len;
}

__typeof__(connect_fd_close) __wrap_connect_fd_close;
void __wrap_connect_fd_close(intptr_t fd) {
        must(fd == 1);
        fds_open--;
}

__typeof__(connect_shut) __wrap_connect_shut;
void __wrap_connect_shut(struct connection *connection) {
        (void)connection;
}

void cut_by_library(struct taking *ret_taking) {
        static struct fsop_client it;

        if (it.error_arena.cap_bytes == 0)
                arena_init(&it.error_arena, 1u << 20);
        it.state = CLIENT_READY;
        it.receive_bytes_max = FRAME_BYTES_MAX;
        it.parcels_end = &it.parcels;
        taking = ret_taking;
        next_piece = taking->n = 0;
        fds_open = 0;
        while (next_piece < n_pieces && stream_receive(&it) >= 0)
                ;
        taking->refused = it.state == CLIENT_BROKEN;
        stream_fini(&it);
        must(fds_open == 0);
}
