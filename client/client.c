/* SPDX-License-Identifier: MIT */
/*
 * client.c: the connection as a whole: what goes through it, how it breaks and ends, and the face towards event loops.
 */
#include "client/client.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/codec.h"
#include "proto/names.h"

#define ERROR_TEXT_BYTES 600u
#define CHUNK_BYTES_MAX (64u << 20) /* what one frame may decode to */
#define SPARE_CHUNKS_MAX 8u
#define SLOTS_MAX 1024u
#define FRAME_BYTES_SANE_MIN (4u << 10)
#define FRAME_BYTES_SANE_MAX (64u << 20)
#define RECEIVES_MAX 16u /* per fsop_process(), so that a busy daemon cannot hold the caller's loop */

/* ---- errors ------------------------------------------------------------------------------------------------------ */

int client_fail_with(struct fsop_client *client, const struct fsop_error *error) {
        struct fsop_error kept = *error;
        arena_reset(&client->error_arena);
        struct bytes rule = arena_copy(&client->error_arena, (struct bytes){error->rule.data, error->rule.len});
        struct bytes message =
                arena_copy(&client->error_arena, (struct bytes){error->message.data, error->message.len});
        kept.rule = (struct fsop_bytes){rule.data ? rule.data : (const uint8_t *)"", rule.len};
        kept.message = fsop_bytes_of(fsop_strerror(error->code));
        if (message.data)
                kept.message = (struct fsop_bytes){message.data, message.len};
        client->error = kept;
        return -error->code;
}

static int client_fail_text(struct fsop_client *client, int code, int32_t os_error, const char *text) {
        struct fsop_error error = {
                .code = code,
                .class_ = error_class_of(code),
                .retryable = error_is_retryable(code),
                .os_error = os_error,
                .rule = fsop_bytes_of(""),
                .message = fsop_bytes_of(text),
        };
        return client_fail_with(client, &error);
}

int client_fail(struct fsop_client *client, int code, int32_t os_error, const char *format, ...) {
        char text[ERROR_TEXT_BYTES];
        va_list list;
        va_start(list, format);
        vsnprintf(text, sizeof(text), format, list);
        va_end(list);
        return client_fail_text(client, code, os_error, text);
}

const struct fsop_error *fsop_last_error(const struct fsop_client *client) {
        return &client->error;
}

static int client_enter_broken(struct fsop_client *client) {
        client->last_result = NULL;
        if (connect_is_forked(&client->connection))
                return client_fail(client, FSOP_ECHILD, 0, "this connection belongs to the parent process");
        return 0;
}

int client_enter(struct fsop_client *client) {
        int r = client_enter_broken(client);
        if (r < 0)
                return r;
        if (client->state == CLIENT_BROKEN)
                return client_fail(client, FSOP_ENOTCONN, 0, "not connected any more: %s", client->break_text);
        return 0;
}

/* ---- memory of answers ------------------------------------------------------------------------------------------- */

static struct chunk *client_get_chunk(struct fsop_client *client) {
        struct chunk *chunk = client->spares;
        if (chunk) {
                client->spares = chunk->next;
                client->n_spares--;
                chunk->next = NULL;
                return chunk;
        }
        chunk = calloc(1, sizeof(*chunk));
        if (chunk)
                arena_init(&chunk->arena, CHUNK_BYTES_MAX);
        return chunk;
}

void client_put_chunks(struct fsop_client *client, struct chunk *chunks) {
        while (chunks) {
                struct chunk *chunk = chunks;
                chunks = chunk->next;
                if (client && client->n_spares < SPARE_CHUNKS_MAX) {
                        arena_reset(&chunk->arena);
                        chunk->next = client->spares;
                        client->spares = chunk;
                        client->n_spares++;
                } else {
                        arena_fini(&chunk->arena);
                        free(chunk);
                }
        }
}

/* ---- batches in flight ------------------------------------------------------------------------------------------- */

void client_queue_done(struct fsop_client *client, struct fsop_batch *batch) {
        batch->queued = true;
        batch->next_done = NULL;
        *client->done_end = batch;
        client->done_end = &batch->next_done;
}

void client_unqueue_done(struct fsop_client *client, struct fsop_batch *batch) {
        if (!batch->queued)
                return;
        struct fsop_batch **place = &client->done;
        while (*place != batch)
                place = &(*place)->next_done;
        *place = batch->next_done;
        if (!*place)
                client->done_end = place;
        batch->queued = false;
}

struct slot *client_find_slot(struct fsop_client *client, uint64_t id) {
        for (uint32_t i = 0; id != 0 && client->slots && i < client->info.batches_max; i++)
                if (client->slots[i].id == id)
                        return &client->slots[i];
        return NULL;
}

struct slot *client_free_slot(struct fsop_client *client) {
        for (uint32_t i = 0; i < client->info.batches_max; i++)
                if (client->slots[i].id == 0)
                        return &client->slots[i];
        return NULL;
}

/* Whether the daemon may have begun with it: it cannot before the last byte of the frame was sent. */
static enum fsop_outcome outcome_of_unanswered(const struct fsop_client *client, const struct fsop_batch *batch) {
        return batch->end <= client->out_position ? FSOP_OUTCOME_UNKNOWN : FSOP_OUTCOME_NOT_STARTED;
}

static void client_abort_all(struct fsop_client *client, int code, const char *text) {
        for (uint32_t i = 0; client->slots && i < client->info.batches_max; i++) {
                struct fsop_batch *batch = client->slots[i].batch;
                client->slots[i] = (struct slot){0};
                if (batch)
                        batch_abort(batch, code, outcome_of_unanswered(client, batch), text);
        }
}

int client_break(struct fsop_client *client, int code, int32_t os_error, const char *format, ...) {
        if (client->state == CLIENT_BROKEN)
                return -client->break_code;
        va_list list;
        va_start(list, format);
        vsnprintf(client->break_text, sizeof(client->break_text), format, list);
        va_end(list);
        client->break_code = code;
        client->break_os_error = os_error;
        client->state = CLIENT_BROKEN;
        connect_shut(&client->connection);
        client_abort_all(client, code, client->break_text);
        client->out_position = stream_end(client);
        stream_fini(client);
        return client_fail_text(client, code, os_error, client->break_text);
}

int client_send_cancel(struct fsop_client *client, uint64_t id) {
        struct message message = {.kind = MESSAGE_CANCEL, .body.cancel_id = id};
        int r = stream_append(client, &message, NULL, 0);
        return r < 0 ? r : stream_flush(client);
}

/* Gives up batches that have been in flight for too long. Returns when the next one will have been. */
static uint64_t client_expire(struct fsop_client *client) {
        uint64_t next = CONNECT_FOREVER, now = 0;
        for (uint32_t i = 0; client->n_timed > 0 && client->slots && i < client->info.batches_max; i++) {
                struct fsop_batch *batch = client->slots[i].batch;
                if (!batch || batch->expires_ms == CONNECT_FOREVER)
                        continue;
                if (now == 0)
                        now = connect_now_ms();
                if (now < batch->expires_ms) {
                        if (batch->expires_ms < next)
                                next = batch->expires_ms;
                        continue;
                }
                client->slots[i].batch = NULL;
                batch_abort(batch, FSOP_ETIMEDOUT, FSOP_OUTCOME_UNKNOWN, "the daemon did not answer in time");
                if (client_send_cancel(client, client->slots[i].id) < 0 && client->state == CLIENT_BROKEN)
                        return CONNECT_FOREVER;
        }
        return next;
}

int client_step(struct fsop_client *client, uint64_t end_ms) {
        uint64_t next = client_expire(client);
        int r = stream_flush(client);
        if (r < 0)
                return r;
        if (next < end_ms)
                end_ms = next;
        uint64_t timeout_ms = CONNECT_FOREVER;
        if (end_ms != CONNECT_FOREVER) {
                uint64_t now = connect_now_ms();
                timeout_ms = end_ms > now ? end_ms - now : 0;
        }
        /* Not by a receive that blocks: it would also be woken when the daemon takes the request, because there is room
         * again, and on one processor that costs two switches for each round trip. */
        int events = connect_wait(&client->connection, !stream_is_flushed(client), false, timeout_ms);
        if (events < 0)
                return client_break(client, -events, 0, "waiting for the daemon failed: %s", fsop_strerror(events));
        if (events & CONNECT_READABLE)
                r = stream_receive(client);
        client_expire(client);
        return client->state == CLIENT_BROKEN ? -client->break_code : r < 0 ? r : 0;
}

/* ---- messages ---------------------------------------------------------------------------------------------------- */

static int client_take_welcome(struct fsop_client *client, const struct welcome *welcome) {
        if (welcome->version != WIRE_VERSION)
                return client_break(client, FSOP_EPROTO, 0,
                                    "the daemon speaks version %u of the protocol, this library %u", welcome->version,
                                    WIRE_VERSION);
        struct fsop_server_info *info = &client->info;
        struct arena *arena = &client->info_arena;
        if (welcome->batches_max == 0 || welcome->batch_ops_max == 0 ||
            welcome->frame_bytes_max < FRAME_BYTES_SANE_MIN || welcome->frame_bytes_max > FRAME_BYTES_SANE_MAX)
                return client_break(client, FSOP_EPROTO, 0, "the daemon's limits make no sense");
        info->protocol = welcome->version;
        info->foreign = welcome->foreign;
        info->descriptors = welcome->features & WIRE_FEATURE_FDS;
        info->batch_ops_max = welcome->batch_ops_max;
        info->batches_max = welcome->batches_max < SLOTS_MAX ? welcome->batches_max : SLOTS_MAX;
        info->frame_bytes_max = welcome->frame_bytes_max;
        client->receive_bytes_max = welcome->frame_bytes_max;
        client->slots = calloc(info->batches_max, sizeof(*client->slots));
        if (!client->slots || unpack_bytes(arena, welcome->daemon_version, &info->version) < 0 ||
            unpack_bytes(arena, welcome->engine, &info->engine) < 0 ||
            unpack_bytes(arena, welcome->platform, &info->platform) < 0 ||
            unpack_support(arena, welcome->support, welcome->n_support, &info->support) < 0)
                return client_break(client, FSOP_ENOMEM, 0, "no memory for the daemon's greeting");
        info->n_support = welcome->n_support;
        client->state = CLIENT_READY;
        return 0;
}

/* Takes the chunk over in any case. */
static int client_take_results(struct fsop_client *client, const struct results *results, struct chunk *chunk,
                               intptr_t *fds, uint32_t n_fds) {
        struct slot *slot = client_find_slot(client, results->id);
        if (!slot) {
                client_put_chunks(client, chunk);
                return client_break(client, FSOP_EPROTO, 0, "the daemon answers a request that is not in flight");
        }
        struct fsop_batch *batch = slot->batch;
        if (results->last)
                *slot = (struct slot){0};
        if (!batch) {
                client_put_chunks(client, chunk);
                return 0;
        }
        int r = batch_take_results(batch, results, chunk, fds, n_fds);
        if (r == 0)
                return 0;
        slot->batch = batch; /* for client_break() to end it */
        slot->id = batch->id;
        return client_break(client, -r, 0,
                            r == -FSOP_ENOMEM ? "no memory for an answer"
                                              : "the daemon's answer does not fit the request");
}

static int client_take_failure(struct fsop_client *client, const struct error *failure) {
        int code = client->state == CLIENT_GREETING && failure->code ? (int)failure->code : FSOP_ECONNRESET;
        char text[400];
        show_bytes((struct fsop_bytes){failure->message.data, failure->message.len}, text, sizeof(text));
        return client_break(client, code, failure->os_error, "the daemon closed the connection: %s",
                            text[0] ? text : error_text((int)failure->code));
}

int client_take_message(struct fsop_client *client, struct bytes body, intptr_t *fds, uint32_t n_fds) {
        struct chunk *chunk = client_get_chunk(client);
        if (!chunk)
                return client_break(client, FSOP_ENOMEM, 0, "no memory for an answer");
        struct message message;
        struct error error = {0};
        int r = codec_decode_reply(&chunk->arena, body, n_fds, &message, &error);
        if (r < 0) {
                char text[400];
                show_bytes((struct fsop_bytes){error.message.data, error.message.len}, text, sizeof(text));
                r = client_break(client, r == -FSOP_ENOMEM ? FSOP_ENOMEM : FSOP_EPROTO, 0,
                                 "the daemon's message makes no sense: %s", text);
        } else if (message.kind == MESSAGE_RESULTS && client->state == CLIENT_READY) {
                return client_take_results(client, &message.body.results, chunk, fds, n_fds);
        } else if (message.kind == MESSAGE_WELCOME && client->state == CLIENT_GREETING) {
                r = client_take_welcome(client, &message.body.welcome);
        } else if (message.kind == MESSAGE_FAILURE) {
                r = client_take_failure(client, &message.body.failure);
        } else {
                r = client_break(client, FSOP_EPROTO, 0, "the daemon sent a message out of turn");
        }
        client_put_chunks(client, chunk);
        return r;
}

/* ---- the end ----------------------------------------------------------------------------------------------------- */

void client_free(struct fsop_client *client) {
        client_abort_all(client, FSOP_ECONNRESET, "the connection was closed here");
        batch_fini(&client->call);
        while (client->batches)
                batch_detach(client->batches);
        connect_close(&client->connection);
        stream_fini(client);
        client_put_chunks(NULL, client->spares);
        arena_fini(&client->scratch);
        arena_fini(&client->info_arena);
        arena_fini(&client->error_arena);
        free(client->slots);
        free(client);
}

void fsop_close(struct fsop_client *client) {
        if (!client)
                return;
        if (client->dispatching)
                client->closing = true;
        else
                client_free(client);
}

/* ---- event loops ------------------------------------------------------------------------------------------------- */

int fsop_descriptor(struct fsop_client *client, intptr_t *ret_fd) {
        int r = client_enter_broken(client);
        if (r < 0)
                return r;
        int32_t os_error = 0;
        r = connect_watch(&client->connection, ret_fd, &os_error);
        return r < 0 ? client_fail(client, -r, os_error, "no descriptor to watch: %s", fsop_strerror(r)) : 0;
}

int fsop_events(struct fsop_client *client) {
        int r = client_enter_broken(client);
        /* The descriptor stands for the stream in both directions and for the wake-up: it is readable when any is
         * ready. */
        return r < 0 ? r : FSOP_EVENT_READ;
}

static bool client_has_news(const struct fsop_client *client) {
        return client->done || (client->state == CLIENT_BROKEN && !client->break_reported);
}

int fsop_timeout_ms(struct fsop_client *client, uint64_t *ret_ms) {
        int r = client_enter_broken(client);
        if (r < 0)
                return r;
        *ret_ms = UINT64_MAX;
        for (uint32_t i = 0; client->n_timed > 0 && client->slots && i < client->info.batches_max; i++) {
                const struct fsop_batch *batch = client->slots[i].batch;
                if (batch && batch->expires_ms < *ret_ms)
                        *ret_ms = batch->expires_ms;
        }
        if (*ret_ms != UINT64_MAX) {
                uint64_t now = connect_now_ms();
                *ret_ms = *ret_ms > now ? *ret_ms - now : 0;
        }
        if (client_has_news(client))
                *ret_ms = 0;
        return 0;
}

static int client_dispatch(struct fsop_client *client) {
        int n = 0;
        client->dispatching = true;
        while (client->done && !client->closing) {
                struct fsop_batch *batch = client->done;
                client_unqueue_done(client, batch);
                batch->done(batch, batch->userdata);
                n++;
        }
        client->dispatching = false;
        return n;
}

int fsop_process(struct fsop_client *client) {
        int r = client_enter_broken(client);
        if (r < 0)
                return r;
        if (client->dispatching)
                return client_fail(client, FSOP_EDEADLK, 0, "called from a callback");
        connect_wake_clear(&client->connection);
        if (client->state != CLIENT_BROKEN && stream_flush(client) >= 0) {
                for (uint32_t i = 0; i < RECEIVES_MAX && stream_receive(client) > 0; i++)
                        ;
                client_expire(client);
        }
        int n = client_dispatch(client);
        if (client->closing) {
                client_free(client);
                return n;
        }
        if (client->state != CLIENT_BROKEN || (client->break_reported && n > 0))
                return n;
        if (client->break_reported)
                return client_enter(client);
        client->break_reported = true;
        return client_fail_text(client, FSOP_ECONNRESET, client->break_os_error, client->break_text);
}

int fsop_wait(struct fsop_client *client, uint64_t timeout_ms) {
        int r = client_enter_broken(client);
        if (r < 0)
                return r;
        if (client_has_news(client))
                return 1;
        r = client_enter(client);
        if (r < 0)
                return r;
        uint64_t due_ms;
        r = fsop_timeout_ms(client, &due_ms);
        if (r < 0)
                return r;
        int events = connect_wait(&client->connection, !stream_is_flushed(client), true,
                                  due_ms < timeout_ms ? due_ms : timeout_ms);
        if (events < 0)
                return client_fail(client, -events, 0, "waiting failed: %s", fsop_strerror(events));
        if (events & CONNECT_WOKEN)
                connect_wake_clear(&client->connection);
        return (events & (CONNECT_READABLE | CONNECT_WRITABLE)) || (events == 0 && due_ms < timeout_ms) ? 1 : 0;
}

void fsop_wakeup(struct fsop_client *client) {
        connect_wake(&client->connection);
}

int fsop_cancel(struct fsop_client *client, uint64_t id) {
        int r = client_enter(client);
        if (r < 0)
                return r;
        const struct slot *slot = client_find_slot(client, id);
        if (!slot || !slot->batch)
                return client_fail(client, FSOP_ENOENT, 0, "no such batch in flight");
        r = client_send_cancel(client, id);
        return client->state == CLIENT_BROKEN ? 0 : r; /* broken: it is answered for that reason */
}

/* ---- settings ---------------------------------------------------------------------------------------------------- */

const struct fsop_server_info *fsop_server_info(const struct fsop_client *client) {
        return &client->info;
}

int fsop_set_as(struct fsop_client *client, enum fsop_as as) {
        int r = client_enter_broken(client);
        if (r < 0)
                return r;
        if (!as_name(as))
                return client_fail(client, FSOP_EINVAL, 0, "%d is not one of auto, caller and elevated", (int)as);
        client->as = as;
        return 0;
}

int fsop_set_spin_us(struct fsop_client *client, uint32_t us) {
        int r = client_enter_broken(client);
        if (r < 0)
                return r;
        if (us > SPIN_US_MAX)
                return client_fail(client, FSOP_EINVAL, 0, "%u microseconds are more than %u", us, SPIN_US_MAX);
        spin_init(&client->connection.spin, us);
        return 0;
}

int fsop_set_timeout_ms(struct fsop_client *client, uint64_t timeout_ms) {
        int r = client_enter_broken(client);
        if (r < 0)
                return r;
        client->timeout_ms = timeout_ms;
        return 0;
}
