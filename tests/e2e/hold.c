/* SPDX-License-Identifier: MIT */
/*
 * hold: opens handles, keeps requests in flight and reads no answer, says "holding" and waits to be killed.
 *
 *      hold SOCKET DIRECTORY COUNT
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "client/fsop.h"

static void fail(struct fsop_client *client, const char *what) {
        printf("%s: %s\n", what, (const char *)fsop_last_error(client)->message.data);
        exit(1);
}

int main(int argc, char **argv) {
        struct fsop_client_options options = {.size = sizeof(options)};
        struct fsop_open_args args = {
                .size = sizeof(args), .read = true, .write = true, .create = {.create = true, .mode = 0600}};
        struct fsop_client *client;
        unsigned count;

        if (argc != 4)
                return 2;
        count = (unsigned)strtoul(argv[3], NULL, 10);
        options.socket_path = argv[1];
        if (fsop_open(&options, &client) < 0)
                return 2;
        for (unsigned i = 0; i < count; i++) {
                struct fsop_at file, directory = fsop_at_path(argv[2], true);
                struct fsop_handle handle;
                char path[512];

                snprintf(path, sizeof(path), "%s/held%u", argv[2], i);
                file = fsop_at_path(path, false);
                if (fsop_open_handle(client, &file, &args, &handle) < 0)
                        fail(client, path);
                if (fsop_opendir(client, &directory, &handle) < 0)
                        fail(client, argv[2]);
        }
        for (unsigned i = 0; i < 4; i++) {
                struct fsop_at directory = fsop_at_path(argv[2], true);
                struct fsop_batch *batch;

                if (fsop_batch_new(client, FSOP_BATCH_ORDERED, &batch) < 0)
                        return 2;
                for (unsigned j = 0; j < 100; j++)
                        if (fsop_batch_fsync(batch, &directory, NULL) < 0)
                                fail(client, "fsync");
                if (fsop_batch_submit(batch, NULL, NULL, NULL) < 0)
                        fail(client, "submit");
        }
        printf("holding\n");
        fflush(stdout);
        for (;;)
                pause();
}
