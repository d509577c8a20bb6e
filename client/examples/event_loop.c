/* SPDX-License-Identifier: MIT */
/*
 * event_loop.c: fsop inside a program that has an event loop of its own, here one around poll(2). Nothing blocks:
 * requests are submitted, the loop watches the client's descriptor, and a callback runs for each request that is
 * complete.
 *
 *      cc event_loop.c -o event_loop $(pkg-config --cflags --libs fsop)
 *      ./event_loop /srv/build/out
 */
#include <fsop.h>

#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

enum { REQUESTS = 4, DIRECTORIES = 50 };

struct program {
        int pending; /* requests without an answer */
        int failed;  /* operations */
};

static void on_answer(struct fsop_batch *batch, void *userdata) {
        struct program *program = userdata;
        for (uint32_t i = 0; i < fsop_batch_count(batch); i++) {
                const struct fsop_result *result = fsop_batch_result(batch, i);
                if (result->error.code)
                        fprintf(stderr, "%s: %s\n", fsop_verb_name(result->verb),
                                (const char *)result->error.message.data);
        }
        program->failed += (int)fsop_batch_failed(batch);
        program->pending--;
        fsop_batch_free(batch);
}

/* One request: directories, each with a preallocated file in it; so the order counts. */
static int submit(struct fsop_client *client, const char *directory, int number, struct program *program) {
        struct fsop_batch *batch;
        int r = fsop_batch_new(client, FSOP_BATCH_ORDERED, &batch);
        if (r < 0)
                return r;
        for (int i = 0; i < DIRECTORIES && r >= 0; i++) {
                char path[4096];
                snprintf(path, sizeof(path), "%s/%d.%d", directory, number, i);
                struct fsop_at at = fsop_at_path(path, false);
                struct fsop_mkdir_args mkdir_args = {.size = sizeof(mkdir_args), .create.mode = 0755};
                r = fsop_batch_mkdir(batch, &at, &mkdir_args);
                if (r < 0)
                        break;
                snprintf(path, sizeof(path), "%s/%d.%d/data", directory, number, i);
                at = fsop_at_path(path, false);
                struct fsop_fallocate_args space_args = {
                        .size = sizeof(space_args), .length = 65536, .create = {.create = true, .mode = 0644}};
                r = fsop_batch_fallocate(batch, &at, &space_args);
        }
        if (r >= 0)
                r = fsop_batch_submit(batch, on_answer, program, NULL);
        if (r >= 0)
                program->pending++;
        else
                fsop_batch_free(batch);
        return r;
}

/* One turn of the loop: what the client wants to be watched for, poll(2), and what came of it. */
static int turn(struct fsop_client *client) {
        intptr_t fd;
        uint64_t timeout_ms;
        int r = fsop_descriptor(client, &fd);
        if (r < 0)
                return r;
        int events = fsop_events(client);
        if (events < 0)
                return events;
        r = fsop_timeout_ms(client, &timeout_ms);
        if (r < 0)
                return r;
        struct pollfd watched = {.fd = (int)fd};
        watched.events = (short)((events & FSOP_EVENT_READ ? POLLIN : 0) | (events & FSOP_EVENT_WRITE ? POLLOUT : 0));
        if (poll(&watched, 1, timeout_ms > INT_MAX ? -1 : (int)timeout_ms) < 0)
                return 0; /* a signal; the next turn sees to it */
        return fsop_process(client);
}

int main(int argc, char **argv) {
        if (argc != 2) {
                fprintf(stderr, "usage: %s DIRECTORY\n", argv[0]);
                return 2;
        }
        struct fsop_open_failure failure = {.size = sizeof(failure)};
        struct fsop_client_options options = {.size = sizeof(options),
                                              .socket_path = getenv("FSOP_SOCKET"),
                                              .name = "event_loop",
                                              .failure = &failure};
        struct fsop_client *client;
        if (fsop_open(&options, &client) < 0) {
                fprintf(stderr, "%s\n", failure.message);
                return 4;
        }
        struct program program = {0};
        int r = 0;
        for (int i = 0; i < REQUESTS && r >= 0; i++)
                r = submit(client, argv[1], i, &program);
        while (program.pending > 0 && r >= 0)
                r = turn(client);
        if (r < 0)
                fprintf(stderr, "%s\n", (const char *)fsop_last_error(client)->message.data);
        else
                printf("%d requests of %d operations, %d failed\n", REQUESTS, 2 * DIRECTORIES, program.failed);
        fsop_close(client);
        return r < 0 || program.failed > 0;
}
