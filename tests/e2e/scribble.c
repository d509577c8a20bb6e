/* SPDX-License-Identifier: MIT */
/*
 * scribble: opens files for writing and writes to each by its handle, all at once. Says "written" when all have been
 * answered.
 *
 *      scribble SOCKET FILE…
 */
#include <stdio.h>

#include "client/fsop.h"

/* What could not be done, or NULL. */
static const char *scribble(struct fsop_client *client, struct fsop_batch *batch, char **paths, int n) {
        const struct fsop_open_args for_writing = {.size = sizeof(for_writing), .write = true};
        const struct fsop_write_args text = {.size = sizeof(text), .data = {(const uint8_t *)"x", 1}};

        for (int i = 0; i < n; i++) {
                struct fsop_at file = fsop_at_path(paths[i], true);
                struct fsop_handle handle;

                if (fsop_open_handle(client, &file, &for_writing, &handle) < 0)
                        return paths[i];
                file = fsop_at_handle(handle, "", false);
                if (fsop_batch_write(batch, &file, &text) < 0)
                        return paths[i];
        }
        return fsop_batch_run(batch) < 0 || fsop_batch_failed(batch) > 0 ? "write" : NULL;
}

int main(int argc, char **argv) {
        struct fsop_client_options options = {.size = sizeof(options)};
        struct fsop_client *client;
        struct fsop_batch *batch;
        const char *what;

        if (argc < 3)
                return 2;
        options.socket_path = argv[1];
        if (fsop_open(&options, &client) < 0 || fsop_batch_new(client, FSOP_BATCH_PARALLEL, &batch) < 0)
                return 2;
        what = scribble(client, batch, argv + 2, argc - 2);
        if (what)
                printf("%s: %s\n", what, (const char *)fsop_last_error(client)->message.data);
        else
                printf("written\n");
        fsop_batch_free(batch);
        fsop_close(client);
        return what ? 1 : 0;
}
