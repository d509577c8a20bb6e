/* SPDX-License-Identifier: MIT */
/*
 * open.c: how a connection comes about: the socket found, the server checked, Hello and Welcome exchanged.
 */
#include "client/client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/names.h"

#define CONNECT_MS_DEFAULT 5000u
#define SMALL_ARENA_BYTES (1u << 20)
#define ENCODE_BYTES_MAX (64u << 20)
#define CLIENT_NAME_BYTES_MAX 255u

static int open_connect(struct fsop_client *client, const char *path, uint64_t timeout_ms) {
        int32_t os_error = 0;
        int r = connect_open(&client->connection, path, timeout_ms, &os_error);
        if (r == 0)
                return 0;
        const char *hint = "";
        if (r == -FSOP_ENOENT || r == -FSOP_ECONNREFUSED)
                hint = " (is fsopd running?)";
        else if (r == -FSOP_EACCES)
                hint = " (members of the socket's group, fsop by default, may connect)";
        return client_fail(client, -r, os_error, "cannot connect to %s: %s%s", path, fsop_strerror(r), hint);
}

/* The system's daemon, else one of the user's own. What went wrong at the first counts, unless there was nothing. */
static int open_default(struct fsop_client *client, uint64_t timeout_ms) {
        int system_r = open_connect(client, connect_system_socket(), timeout_ms);
        if (system_r == 0)
                return 0;
        char *path = connect_private_socket();
        if (!path)
                return system_r;
        int r = open_connect(client, path, timeout_ms);
        if (r == -FSOP_ENOENT && system_r != -FSOP_ENOENT)
                r = open_connect(client, connect_system_socket(), timeout_ms);
        else if (r == -FSOP_ENOENT)
                r = client_fail(client, FSOP_ENOENT, client->error.os_error,
                                "there is no socket at %s, nor at %s (is fsopd running?)", connect_system_socket(),
                                path);
        free(path);
        return r;
}

static int open_stream(struct fsop_client *client, const struct fsop_client_options *options, uint64_t timeout_ms) {
        if (options->has_fd) {
                int32_t os_error = 0;
                int r = connect_adopt(&client->connection, options->fd, &os_error);
                return r < 0 ? client_fail(client, -r, os_error, "the socket given cannot be used: %s",
                                           fsop_strerror(r))
                             : 0;
        }
        if (options->socket_path)
                return open_connect(client, options->socket_path, timeout_ms);
        return open_default(client, timeout_ms);
}

/* Whoever can answer in the daemon's place learns every path and says that all was done: only root and oneself may. */
static int open_check_server(struct fsop_client *client, const struct fsop_client_options *options) {
        int32_t os_error = 0;
        int r = connect_peer_uid(&client->connection, &client->info.uid, &os_error);
        if (r < 0)
                return client_fail(client, -r, os_error, "who serves the socket cannot be told: %s", fsop_strerror(r));
        uint32_t uid = client->info.uid;
        if (uid == 0 || uid == connect_own_uid() || (options->has_server_uid && uid == options->server_uid))
                return 0;
        return client_fail(client, FSOP_EPERM, 0,
                           "the server runs as uid %u, and only root and the user itself are trusted", uid);
}

static int open_greet(struct fsop_client *client, const struct fsop_client_options *options, uint64_t end_ms) {
        struct bytes name = {0};
        if (options->name) {
                size_t len = strlen(options->name);
                name = (struct bytes){(const uint8_t *)options->name,
                                      len < CLIENT_NAME_BYTES_MAX ? len : CLIENT_NAME_BYTES_MAX};
        }
        struct message hello = {
                .kind = MESSAGE_HELLO,
                .body.hello = {.version_min = WIRE_VERSION,
                               .version_max = WIRE_VERSION,
                               .features = WIRE_FEATURE_FDS,
                               .want_support = options->want_support,
                               .client = name},
        };
        int r = stream_append(client, &hello, NULL, 0);
        while (r >= 0 && client->state == CLIENT_GREETING) {
                bool late = connect_now_ms() >= end_ms; /* what has come by then is taken all the same */
                r = client_step(client, end_ms);
                if (r >= 0 && late && client->state == CLIENT_GREETING)
                        return client_fail(client, FSOP_ETIMEDOUT, 0, "the daemon did not answer the greeting in time");
        }
        return r;
}

/* The caller's structure may be of a later version; this library fills what it knows. */
static void open_tell(struct fsop_open_failure *failure, const struct fsop_error *error) {
        if (!failure || failure->size < sizeof(*failure))
                return;
        failure->os_error = error->os_error;
        snprintf(failure->message, sizeof(failure->message), "%.*s", (int)error->message.len,
                 (const char *)error->message.data);
}

static struct fsop_client *client_new(const struct fsop_client_options *options) {
        struct fsop_client *client = calloc(1, sizeof(*client));
        if (!client)
                return NULL;
        connect_init(&client->connection);
        client->unique = connect_unique();
        client->as = options->as;
        client->timeout_ms = options->timeout_ms;
        client->parcels_end = &client->parcels;
        client->done_end = &client->done;
        client->receive_bytes_max = WIRE_FRAME_BYTES_MAX;
        client->error.rule = client->error.message = fsop_bytes_of("");
        arena_init(&client->scratch, ENCODE_BYTES_MAX);
        arena_init(&client->info_arena, SMALL_ARENA_BYTES);
        arena_init(&client->error_arena, SMALL_ARENA_BYTES);
        batch_init(&client->call, client, FSOP_BATCH_PARALLEL);
        return client;
}

int fsop_open(const struct fsop_client_options *options, struct fsop_client **ret_client) {
        *ret_client = NULL;
        struct fsop_client_options taken = {.size = sizeof(taken)};
        if (options && take_struct(&taken, sizeof(taken), options) < 0)
                return -FSOP_EINVAL;
        struct fsop_client *client = client_new(&taken);
        if (!client) {
                open_tell(taken.failure, &(struct fsop_error){.message = fsop_bytes_of(fsop_strerror(FSOP_ENOMEM))});
                if (taken.has_fd)
                        connect_fd_close(taken.fd);
                return -FSOP_ENOMEM;
        }
        uint64_t timeout_ms = taken.connect_ms ? taken.connect_ms : CONNECT_MS_DEFAULT;
        uint64_t end_ms = connect_now_ms() + timeout_ms;
        int r = open_stream(client, &taken, timeout_ms);
        if (r == 0 && !as_name(taken.as))
                r = client_fail(client, FSOP_EINVAL, 0, "%d is not one of auto, caller and elevated", (int)taken.as);
        if (r == 0)
                r = open_check_server(client, &taken);
        if (r == 0)
                r = open_greet(client, &taken, end_ms);
        if (r < 0) {
                open_tell(taken.failure, &client->error);
                client_free(client);
                return r;
        }
        *ret_client = client;
        return 0;
}
