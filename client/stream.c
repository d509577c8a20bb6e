/* SPDX-License-Identifier: MIT */
/*
 * stream.c: frames and their descriptors in both directions. Out: bytes wait in one buffer, descriptors in parcels that
 * name the byte they travel with. In: bytes and descriptors are collected until a frame is whole.
 */
#include "client/client.h"

#include <stdlib.h>
#include <string.h>

#include "proto/codec.h"
#include "proto/frame.h"

#define RECEIVE_BYTES (64u << 10)
#define KEEP_BYTES (128u << 10) /* a buffer larger than this gives its memory back when it is empty */

uint64_t stream_end(const struct fsop_client *client) {
        return client->out_position + buffer_len(&client->out);
}

bool stream_is_flushed(const struct fsop_client *client) {
        return buffer_len(&client->out) == 0;
}

/* ---- out -------------------------------------------------------------------------------------------------------- */

static struct parcel *parcel_new(const struct batch_fd *fds, uint32_t n_fds, uint64_t position) {
        struct parcel *parcel = calloc(1, sizeof(*parcel));
        if (!parcel)
                return NULL;
        parcel->position = position;
        parcel->n_fds = n_fds;
        for (uint32_t i = 0; i < n_fds; i++) {
                parcel->fds[i] = fds[i].fd;
                parcel->owned[i] = fds[i].owned;
        }
        return parcel;
}

static void parcel_free(struct parcel *parcel, bool close_fds) {
        for (uint32_t i = 0; close_fds && i < parcel->n_fds; i++)
                if (parcel->owned[i])
                        connect_fd_close(parcel->fds[i]);
        free(parcel);
}

int stream_append(struct fsop_client *client, const struct message *message, const struct batch_fd *fds,
                  uint32_t n_fds) {
        struct parcel *parcel = NULL;
        if (n_fds > 0) {
                parcel = parcel_new(fds, n_fds, stream_end(client));
                if (!parcel)
                        return client_fail(client, FSOP_ENOMEM, 0, "no memory for a request");
        }
        uint32_t body_bytes_max = client->info.frame_bytes_max ? client->info.frame_bytes_max : WIRE_FRAME_BYTES_MAX;
        int r = codec_encode(&client->scratch, message, (uint16_t)n_fds, body_bytes_max, &client->out);
        arena_reset(&client->scratch);
        if (r < 0) {
                if (parcel)
                        parcel_free(parcel, false);
                if (r == -FSOP_EMSGSIZE)
                        return client_fail(client, FSOP_EMSGSIZE, 0,
                                           "the request is larger than the %u bytes agreed with the daemon",
                                           body_bytes_max);
                return client_fail(client, -r, 0, "the request cannot be encoded: %s", fsop_strerror(r));
        }
        if (parcel) {
                *client->parcels_end = parcel;
                client->parcels_end = &parcel->next;
        }
        return 0;
}

static void stream_drop_first_parcel(struct fsop_client *client) {
        struct parcel *parcel = client->parcels;
        client->parcels = parcel->next;
        if (!client->parcels)
                client->parcels_end = &client->parcels;
        parcel_free(parcel, true);
}

/* One send: up to the next byte that descriptors travel with. */
static int64_t stream_send_piece(struct fsop_client *client, int32_t *ret_os_error) {
        const struct parcel *parcel = client->parcels;
        const struct parcel *now = parcel && parcel->position == client->out_position ? parcel : NULL;
        const struct parcel *next = now ? now->next : parcel;
        size_t len = buffer_len(&client->out);
        if (next && next->position - client->out_position < len)
                len = (size_t)(next->position - client->out_position);
        int64_t n = connect_send(&client->connection, client->out.data + client->out.start, len, now ? now->fds : NULL,
                                 now ? now->n_fds : 0, ret_os_error);
        if (n > 0 && now)
                stream_drop_first_parcel(client);
        return n;
}

int stream_flush(struct fsop_client *client) {
        int32_t os_error = 0;
        while (client->state != CLIENT_BROKEN && buffer_len(&client->out) > 0) {
                int64_t n = stream_send_piece(client, &os_error);
                if (n == -FSOP_EAGAIN || n == -FSOP_ENOBUFS)
                        break;
                if (n == -FSOP_ECONNRESET) {
                        /* The daemon may have said why before it closed. */
                        while ((n = stream_receive(client)) > 0)
                                ;
                        return n < 0 ? (int)n
                                     : client_break(client, FSOP_ECONNRESET, os_error,
                                                    "the daemon closed the connection");
                }
                if (n < 0)
                        return client_break(client, (int)-n, os_error, "sending to the daemon failed: %s",
                                            fsop_strerror((int)n));
                buffer_consume(&client->out, (size_t)n, KEEP_BYTES);
                client->out_position += (uint64_t)n;
        }
        connect_watch_writes(&client->connection, client->state != CLIENT_BROKEN && buffer_len(&client->out) > 0);
        return client->state == CLIENT_BROKEN ? -FSOP_ECONNRESET : 0;
}

/* Takes the last message back out of the stream; nothing of it has been sent. */
static void stream_take_back(struct fsop_client *client, uint64_t message_start) {
        client->out.end -= (size_t)(stream_end(client) - message_start);
        struct parcel **place = &client->parcels;
        while (*place && (*place)->position != message_start)
                place = &(*place)->next;
        struct parcel *parcel = *place;
        if (!parcel)
                return;
        *place = NULL; /* it was the last */
        client->parcels_end = place;
        parcel_free(parcel, false);
}

int stream_keep_descriptors(struct fsop_client *client, uint64_t message_start) {
        struct parcel *parcel = client->parcels;
        while (parcel && parcel->position != message_start)
                parcel = parcel->next;
        if (!parcel)
                return 0;
        intptr_t copies[WIRE_FRAME_FDS_MAX];
        int32_t os_error = 0;
        int r = 0;
        uint32_t n = 0;
        for (; n < parcel->n_fds && r >= 0; n++) {
                copies[n] = CONNECT_FD_NONE;
                if (!parcel->owned[n])
                        r = connect_fd_copy(parcel->fds[n], &copies[n], &os_error);
        }
        if (r < 0) {
                while (n > 0)
                        connect_fd_close(copies[--n]);
                stream_take_back(client, message_start);
                return client_fail(client, -r, os_error, "a descriptor cannot be kept for sending: %s",
                                   fsop_strerror(r));
        }
        for (uint32_t i = 0; i < parcel->n_fds; i++) {
                if (parcel->owned[i])
                        continue;
                parcel->fds[i] = copies[i];
                parcel->owned[i] = true;
        }
        return 0;
}

/* ---- in --------------------------------------------------------------------------------------------------------- */

/* Hands on the first message if it is whole. 1, 0 or negative after client_break(). */
static int stream_take_frame(struct fsop_client *client) {
        struct frame_header header;
        int r = frame_read_header(client->in.data + client->in.start, buffer_len(&client->in),
                                  client->receive_bytes_max, &header);
        if (r < 0)
                return client_break(client, FSOP_EPROTO, 0, "what the daemon sends is no frame: %s", fsop_strerror(r));
        if (r == 0)
                return 0;
        size_t frame_bytes = FRAME_HEADER_BYTES + (size_t)header.body_bytes;
        if (buffer_len(&client->in) < frame_bytes) {
                r = buffer_reserve(&client->in, frame_bytes - buffer_len(&client->in));
                return r < 0 ? client_break(client, -r, 0, "no memory for an answer of %u bytes", header.body_bytes)
                             : 0;
        }
        if (header.n_fds > client->n_in_fds)
                return client_break(client, FSOP_EPROTO, 0, "the daemon announced %u descriptors and sent %u",
                                    header.n_fds, client->n_in_fds);
        struct bytes body = {client->in.data + client->in.start + FRAME_HEADER_BYTES, header.body_bytes};
        r = client_take_message(client, body, client->in_fds, header.n_fds);
        if (client->state == CLIENT_BROKEN)
                return r < 0 ? r : -FSOP_ECONNRESET;
        for (uint32_t i = 0; i < header.n_fds; i++) /* those that nobody took */
                connect_fd_close(client->in_fds[i]);
        client->n_in_fds -= header.n_fds;
        memmove(client->in_fds, client->in_fds + header.n_fds, client->n_in_fds * sizeof(client->in_fds[0]));
        buffer_consume(&client->in, frame_bytes, KEEP_BYTES);
        return r < 0 ? r : 1;
}

int stream_receive(struct fsop_client *client) {
        if (client->state == CLIENT_BROKEN)
                return -FSOP_ECONNRESET;
        if (buffer_reserve(&client->in, RECEIVE_BYTES) < 0)
                return client_break(client, FSOP_ENOMEM, 0, "no memory to receive");
        uint32_t n_fds = 0;
        int32_t os_error = 0;
        int64_t n = connect_receive(&client->connection, client->in.data + client->in.end,
                                    client->in.cap - client->in.end, client->in_fds + client->n_in_fds,
                                    CLIENT_FDS_QUEUED_MAX - client->n_in_fds, &n_fds, &os_error);
        client->n_in_fds += n_fds;
        if (n == -FSOP_EAGAIN)
                return 0;
        if (n == -FSOP_ECONNRESET)
                return client_break(client, FSOP_ECONNRESET, os_error, "the daemon closed the connection");
        if (n < 0)
                return client_break(client, (int)-n, os_error, "receiving from the daemon failed: %s",
                                    fsop_strerror((int)n));
        client->in.end += (size_t)n;
        int r;
        while ((r = stream_take_frame(client)) > 0)
                ;
        if (r < 0)
                return r;
        if (buffer_len(&client->in) == 0 && client->n_in_fds > 0)
                return client_break(client, FSOP_EPROTO, 0, "the daemon sent %u descriptors that belong to nothing",
                                    client->n_in_fds);
        return 1;
}

void stream_fini(struct fsop_client *client) {
        while (client->parcels)
                stream_drop_first_parcel(client);
        for (uint32_t i = 0; i < client->n_in_fds; i++)
                connect_fd_close(client->in_fds[i]);
        client->n_in_fds = 0;
        buffer_fini(&client->in);
        buffer_fini(&client->out);
}
