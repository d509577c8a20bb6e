/* SPDX-License-Identifier: MIT */
/*
 * scribble: opens files for writing and writes to each by its handle, all at once. Says "written" when all have been
 * answered.
 *
 *      scribble SOCKET FILE…
 */
#include <stdio.h>

#include "client/fsop.h"

static int fail(const struct fsop_client *client, const char *what) {
        printf("%s: %s\n", what, (const char *)fsop_last_error(client)->message.data);
        return 1;
}

int main(int argc, char **argv) {
        struct fsop_client_options options = {.size = sizeof(options)};
        const struct fsop_open_args for_writing = {.size = sizeof(for_writing), .write = true};
        const struct fsop_write_args text = {.size = sizeof(text), .data = {(const uint8_t *)"x", 1}};
        struct fsop_client *client;
        struct fsop_batch *batch;

        if (argc < 3)
                return 2;
        options.socket_path = argv[1];
        if (fsop_open(&options, &client) < 0 || fsop_batch_new(client, FSOP_BATCH_PARALLEL, &batch) < 0)
                return 2;
        for (int i = 2; i < argc; i++) {
                struct fsop_at file = fsop_at_path(argv[i], true);
                struct fsop_handle handle;

                if (fsop_open_handle(client, &file, &for_writing, &handle) < 0)
                        return fail(client, argv[i]);
                file = fsop_at_handle(handle, "", false);
                if (fsop_batch_write(batch, &file, &text) < 0)
                        return fail(client, argv[i]);
        }
        if (fsop_batch_run(batch) < 0 || fsop_batch_failed(batch) > 0)
                return fail(client, "write");
        printf("written\n");
        return 0;
}
