/* SPDX-License-Identifier: MIT */
/*
 * batch.c: a request: operations are collected, sent together, and answered one by one.
 */
#include "client/client.h"

#include <stdlib.h>
#include <string.h>

#include "proto/names.h"

#define BATCH_BYTES 64u                /* of a request without operations */
#define BATCH_ARENA_BYTES (128u << 20) /* a bound for paths and data; frames are agreed to be smaller */
#define GRACE_MS 1000u                 /* how much longer than the daemon the library waits */

/* ---- making and emptying ---------------------------------------------------------------------------------------- */

void batch_init(struct fsop_batch *batch, struct fsop_client *client, enum fsop_batch_mode mode) {
        *batch = (struct fsop_batch){.client = client,
                                     .mode = mode,
                                     .as = client->as,
                                     .timeout_ms = client->timeout_ms,
                                     .body_bytes = BATCH_BYTES};
        arena_init(&batch->arena, BATCH_ARENA_BYTES);
        batch->next = client->batches;
        if (batch->next)
                batch->next->prev = batch;
        client->batches = batch;
}

static void batch_close_result_fds(struct fsop_batch *batch) {
        for (uint32_t i = 0; batch->state != BATCH_FILLING && i < batch->n_ops; i++)
                if (batch->answered[i] == ANSWERED_WITH_FD)
                        connect_fd_close(batch->results[i].value.fd);
}

static void batch_close_request_fds(struct fsop_batch *batch) {
        for (uint32_t i = 0; i < batch->n_fds; i++)
                if (batch->fds[i].owned)
                        connect_fd_close(batch->fds[i].fd);
        batch->n_fds = 0;
}

int batch_clear(struct fsop_batch *batch) {
        if (batch->state == BATCH_IN_FLIGHT)
                return -FSOP_EBUSY;
        if (batch->queued)
                client_unqueue_done(batch->client, batch);
        batch_close_result_fds(batch);
        batch_close_request_fds(batch);
        client_put_chunks(batch->client, batch->chunks);
        batch->chunks = NULL;
        arena_reset(&batch->arena);
        batch->state = BATCH_FILLING;
        batch->n_ops = batch->n_answered = batch->n_failed = 0;
        batch->body_bytes = BATCH_BYTES;
        batch->has_umask = false;
        batch->failure = 0;
        batch->id = 0;
        return 0;
}

/* Leaves the state in flight. */
static void batch_land(struct fsop_batch *batch) {
        if (batch->expires_ms != CONNECT_FOREVER)
                batch->client->n_timed--;
        batch->state = BATCH_DONE;
}

/* A batch that is freed while in flight: the daemon is told, and its answer will go nowhere. */
static void batch_abandon(struct fsop_batch *batch) {
        struct fsop_client *client = batch->client;
        struct slot *slot = client_find_slot(client, batch->id);
        batch_land(batch);
        if (slot)
                slot->batch = NULL;
        if (slot && client->state == CLIENT_READY && !connect_is_forked(&client->connection))
                client_send_cancel(client, batch->id);
}

void batch_detach(struct fsop_batch *batch) {
        struct fsop_client *client = batch->client;
        if (!client)
                return;
        if (batch->state == BATCH_IN_FLIGHT)
                batch_abandon(batch);
        if (batch->queued)
                client_unqueue_done(client, batch);
        if (batch->prev)
                batch->prev->next = batch->next;
        else
                client->batches = batch->next;
        if (batch->next)
                batch->next->prev = batch->prev;
        batch->prev = batch->next = NULL;
        batch->client = NULL;
}

void batch_fini(struct fsop_batch *batch) {
        struct fsop_client *client = batch->client;
        batch_detach(batch);
        batch_close_result_fds(batch);
        batch_close_request_fds(batch);
        client_put_chunks(client, batch->chunks);
        arena_fini(&batch->arena);
        free(batch->ops);
        free(batch->results);
        free(batch->answered);
}

int fsop_batch_new(struct fsop_client *client, enum fsop_batch_mode mode, struct fsop_batch **ret_batch) {
        *ret_batch = NULL;
        int r = client_enter(client);
        if (r < 0)
                return r;
        if (mode != FSOP_BATCH_PARALLEL && mode != FSOP_BATCH_ORDERED && mode != FSOP_BATCH_ORDERED_STOP)
                return client_fail(client, FSOP_EINVAL, 0, "%d is no mode of a batch", (int)mode);
        struct fsop_batch *batch = malloc(sizeof(*batch));
        if (!batch)
                return client_fail(client, FSOP_ENOMEM, 0, "no memory for a batch");
        batch_init(batch, client, mode);
        *ret_batch = batch;
        return 0;
}

void fsop_batch_free(struct fsop_batch *batch) {
        if (!batch)
                return;
        batch_fini(batch);
        free(batch);
}

/* Before every call on a batch: 0 or negative. */
static int batch_enter(struct fsop_batch *batch) {
        return batch->client ? client_enter(batch->client) : -FSOP_ENOTCONN;
}

static int batch_enter_filling(struct fsop_batch *batch) {
        int r = batch_enter(batch);
        if (r == 0 && batch->state != BATCH_FILLING)
                r = client_fail(batch->client, FSOP_EBUSY, 0, "the batch has been submitted; reset it first");
        return r;
}

int fsop_batch_reset(struct fsop_batch *batch) {
        int r = batch_enter(batch);
        if (r < 0)
                return r;
        r = batch_clear(batch);
        return r < 0 ? client_fail(batch->client, -r, 0, "the batch is in flight") : 0;
}

int fsop_batch_set_as(struct fsop_batch *batch, enum fsop_as as) {
        int r = batch_enter_filling(batch);
        if (r < 0)
                return r;
        if (!as_name(as))
                return client_fail(batch->client, FSOP_EINVAL, 0, "%d is not one of auto, caller and elevated",
                                   (int)as);
        batch->as = as;
        return 0;
}

int fsop_batch_set_timeout_ms(struct fsop_batch *batch, uint64_t timeout_ms) {
        int r = batch_enter_filling(batch);
        if (r == 0)
                batch->timeout_ms = timeout_ms;
        return r;
}

/* ---- collecting -------------------------------------------------------------------------------------------------- */

static int batch_grow_ops(struct fsop_batch *batch) {
        if (batch->n_ops < batch->ops_cap)
                return 0;
        uint32_t cap = batch->ops_cap ? 4 * batch->ops_cap : 1;
        struct operation *ops = realloc(batch->ops, cap * sizeof(*ops));
        if (!ops)
                return client_fail(batch->client, FSOP_ENOMEM, 0, "no memory for an operation");
        batch->ops = ops;
        batch->ops_cap = cap;
        return 0;
}

/* Room for all results is there before anything is sent. */
static int batch_grow_results(struct fsop_batch *batch) {
        if (batch->results_cap < batch->n_ops) {
                free(batch->results);
                free(batch->answered);
                batch->results = malloc(batch->n_ops * sizeof(*batch->results));
                batch->answered = malloc(batch->n_ops);
                batch->results_cap = batch->results && batch->answered ? batch->n_ops : 0;
                if (batch->results_cap == 0) {
                        free(batch->results);
                        free(batch->answered);
                        batch->results = NULL;
                        batch->answered = NULL;
                        return client_fail(batch->client, FSOP_ENOMEM, 0, "no memory for %u results", batch->n_ops);
                }
        }
        memset(batch->answered, 0, batch->n_ops);
        return 0;
}

/* Forgets descriptors that were collected for an operation that is not taken after all. */
static void batch_drop_fds(struct fsop_batch *batch, uint32_t n_fds) {
        while (batch->n_fds > n_fds) {
                const struct batch_fd *last = &batch->fds[--batch->n_fds];
                if (last->owned)
                        connect_fd_close(last->fd);
        }
}

static int batch_check_bytes(struct fsop_batch *batch, const struct operation *op) {
        size_t bytes = pack_bytes(op);
        uint32_t bytes_max = batch->client->info.frame_bytes_max;
        if (bytes + BATCH_BYTES > bytes_max)
                return client_fail(batch->client, FSOP_EMSGSIZE, 0, "%s: larger than the %u bytes of a request",
                                   verb_name(op->verb), bytes_max);
        if (batch->body_bytes + bytes > bytes_max)
                return client_fail(batch->client, FSOP_E2BIG, 0, "the batch is full: %u bytes of a request", bytes_max);
        batch->body_bytes += bytes;
        return 0;
}

int fsop_batch_add(struct fsop_batch *batch, enum fsop_verb verb, const struct fsop_at *at, const struct fsop_at *to,
                   const void *args) {
        int r = batch_enter_filling(batch);
        if (r < 0)
                return r;
        struct fsop_client *client = batch->client;
        if (batch->n_ops >= client->info.batch_ops_max)
                return client_fail(client, FSOP_E2BIG, 0, "the batch is full: %u operations", batch->n_ops);
        r = batch_grow_ops(batch);
        if (r < 0)
                return r;
        uint32_t n_fds = batch->n_fds;
        struct operation *op = &batch->ops[batch->n_ops];
        r = pack_operation(batch, verb, at, to, args, op);
        if (r == 0)
                r = batch_check_bytes(batch, op);
        if (r < 0) {
                batch_drop_fds(batch, n_fds);
                client->error.verb = verb;
                client->error.index = batch->n_ops;
                return r;
        }
        return (int)batch->n_ops++;
}

/* ---- sending ----------------------------------------------------------------------------------------------------- */

static uint64_t batch_expiry(const struct fsop_batch *batch) {
        if (batch->timeout_ms == 0)
                return CONNECT_FOREVER;
        uint64_t now = connect_now_ms();
        if (batch->timeout_ms >= CONNECT_FOREVER - now - GRACE_MS)
                return CONNECT_FOREVER;
        return now + batch->timeout_ms + GRACE_MS;
}

/* Puts the batch into the stream and into a slot. */
static int batch_launch(struct fsop_batch *batch, struct slot *slot) {
        struct fsop_client *client = batch->client;
        uint64_t start = stream_end(client);
        struct message message = {
                .kind = MESSAGE_BATCH,
                .body.batch = {.id = client->last_id + 1,
                               .mode = batch->mode,
                               .deadline_ms = batch->timeout_ms,
                               .ops = batch->ops,
                               .n_ops = batch->n_ops},
        };
        int r = stream_append(client, &message, batch->fds, batch->n_fds);
        if (r < 0)
                return r;
        batch->id = ++client->last_id;
        batch->end = stream_end(client);
        batch->expires_ms = batch_expiry(batch);
        batch->state = BATCH_IN_FLIGHT;
        if (batch->expires_ms != CONNECT_FOREVER)
                client->n_timed++;
        *slot = (struct slot){.id = batch->id, .batch = batch};
        /* If the connection breaks now, the batch is over, and says so like any other. */
        stream_flush(client);
        r = stream_keep_descriptors(client, start);
        if (r < 0) {
                *slot = (struct slot){0};
                batch_land(batch);
                batch->state = BATCH_FILLING;
                return r;
        }
        batch->n_fds = 0; /* the stream has them, or had them */
        return 0;
}

static int batch_send(struct fsop_batch *batch, struct slot *slot,
                      void (*done)(struct fsop_batch *batch, void *userdata), void *userdata) {
        struct fsop_client *client = batch->client;
        if (batch->n_ops == 0)
                return client_fail(client, FSOP_EINVAL, 0, "the batch is empty");
        if (!slot)
                return client_fail(client, FSOP_EAGAIN, 0, "%u batches are in flight, more were not agreed",
                                   client->info.batches_max);
        int r = batch_grow_results(batch);
        if (r < 0)
                return r;
        batch->done = done;
        batch->userdata = userdata;
        return batch_launch(batch, slot);
}

int fsop_batch_submit(struct fsop_batch *batch, void (*done)(struct fsop_batch *batch, void *userdata), void *userdata,
                      uint64_t *ret_id) {
        int r = batch_enter_filling(batch);
        if (r < 0)
                return r;
        r = batch_send(batch, client_free_slot(batch->client), done, userdata);
        if (r == 0 && ret_id)
                *ret_id = batch->id;
        return r;
}

int fsop_batch_run(struct fsop_batch *batch) {
        int r = batch_enter_filling(batch);
        if (r < 0)
                return r;
        struct fsop_client *client = batch->client;
        struct slot *slot;
        while (!(slot = client_free_slot(client)) && batch->n_ops > 0) {
                r = client_step(client, CONNECT_FOREVER);
                if (r < 0)
                        return r;
        }
        r = batch_send(batch, slot, NULL, NULL);
        if (r < 0)
                return r;
        while (batch->state == BATCH_IN_FLIGHT)
                client_step(client, CONNECT_FOREVER); /* a break ends the batch, too */
        return batch->failure;
}

/* ---- answers ----------------------------------------------------------------------------------------------------- */

static void batch_finish(struct fsop_batch *batch) {
        batch_land(batch);
        if (batch->done)
                client_queue_done(batch->client, batch);
}

void batch_abort(struct fsop_batch *batch, int code, enum fsop_outcome outcome, const char *message) {
        struct bytes copy = arena_copy(&batch->arena, (struct bytes){(const uint8_t *)message, strlen(message)});
        struct fsop_bytes text = fsop_bytes_of(fsop_strerror(code));
        if (copy.data)
                text = (struct fsop_bytes){copy.data, copy.len};
        for (uint32_t i = 0; i < batch->n_ops; i++) {
                if (batch->answered[i])
                        continue;
                batch->results[i] = (struct fsop_result){
                        .verb = batch->ops[i].verb,
                        .outcome = outcome,
                        .error = {.code = code,
                                  .class_ = error_class_of(code),
                                  .retryable = error_is_retryable(code),
                                  .verb = batch->ops[i].verb,
                                  .index = i,
                                  .rule = fsop_bytes_of(""),
                                  .message = text},
                };
                batch->answered[i] = ANSWERED;
                batch->n_answered++;
                batch->n_failed++;
        }
        batch->failure = -code;
        batch_finish(batch);
}

static int batch_take_result(struct fsop_batch *batch, const struct result *result, struct arena *arena, intptr_t *fds,
                             uint32_t n_fds) {
        if (result->index >= batch->n_ops || batch->answered[result->index] ||
            result->verb != batch->ops[result->index].verb)
                return -FSOP_EPROTO;
        struct fsop_result *place = &batch->results[result->index];
        int r = unpack_result(arena, batch->client->unique, result, place);
        if (r < 0)
                return r;
        uint8_t answered = ANSWERED;
        if (result->verb == FSOP_VERB_OPEN_FD && !result->error.code) {
                if (result->value.fd_index >= n_fds || fds[result->value.fd_index] == CONNECT_FD_NONE)
                        return -FSOP_EPROTO;
                place->value.fd = fds[result->value.fd_index];
                fds[result->value.fd_index] = CONNECT_FD_NONE;
                answered = ANSWERED_WITH_FD;
        }
        batch->answered[result->index] = answered;
        batch->n_answered++;
        batch->n_failed += result->error.code != 0;
        return 0;
}

int batch_take_results(struct fsop_batch *batch, const struct results *results, struct chunk *chunk, intptr_t *fds,
                       uint32_t n_fds) {
        chunk->next = batch->chunks;
        batch->chunks = chunk;
        for (uint32_t i = 0; i < results->n_results; i++) {
                int r = batch_take_result(batch, &results->results[i], &chunk->arena, fds, n_fds);
                if (r < 0)
                        return r;
        }
        if (!results->last)
                return 0;
        if (batch->n_answered < batch->n_ops)
                return -FSOP_EPROTO;
        batch_finish(batch);
        return 0;
}

bool fsop_batch_is_done(const struct fsop_batch *batch) {
        return batch->state == BATCH_DONE;
}

uint32_t fsop_batch_count(const struct fsop_batch *batch) {
        return batch->n_ops;
}

uint32_t fsop_batch_failed(const struct fsop_batch *batch) {
        return batch->state == BATCH_FILLING ? 0 : batch->n_failed;
}

const struct fsop_result *fsop_batch_result(const struct fsop_batch *batch, uint32_t index) {
        if (batch->state == BATCH_FILLING || index >= batch->n_ops || !batch->answered[index])
                return NULL;
        return &batch->results[index];
}

int fsop_batch_take_fd(struct fsop_batch *batch, uint32_t index, intptr_t *ret_fd) {
        if (!fsop_batch_result(batch, index) || batch->answered[index] != ANSWERED_WITH_FD)
                return -FSOP_ENOENT;
        *ret_fd = batch->results[index].value.fd;
        batch->results[index].value.fd = CONNECT_FD_NONE;
        batch->answered[index] = ANSWERED;
        return 0;
}
