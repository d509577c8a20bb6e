/* SPDX-License-Identifier: MIT */
/*
 * chown_batch.c: makes files in a directory and gives them to another user, a whole batch at a time.
 *
 *      cc chown_batch.c -o chown_batch $(pkg-config --cflags --libs fsop)
 *      ./chown_batch /srv/build 100000
 *
 * An unprivileged program may do this where a rule of fsopd's policy lets it: see docs/policy.md.
 */
#include <fsop.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { FILES = 1000, REPORTS = 5 };

/* Says what failed first in a batch that was answered. Returns how many operations did. */
static uint32_t report(const struct fsop_batch *batch) {
        int said = 0;
        for (uint32_t i = 0; i < fsop_batch_count(batch); i++) {
                const struct fsop_result *result = fsop_batch_result(batch, i);
                if (result->error.code && said++ < REPORTS)
                        fprintf(stderr, "%s number %" PRIu32 ": %s (%s)\n", fsop_verb_name(result->verb), i,
                                (const char *)result->error.message.data, fsop_error_name(result->error.code));
        }
        return fsop_batch_failed(batch);
}

/* What is done to one file. Both return an index, or -FSOP_E2BIG when the batch is full. */
static int add_file(struct fsop_batch *batch, const struct fsop_at *at, uint32_t uid) {
        (void)uid;
        struct fsop_truncate_args args = {.size = sizeof(args), .length = 0, .create = {.create = true, .mode = 0644}};
        return fsop_batch_truncate(batch, at, &args);
}

static int add_chown(struct fsop_batch *batch, const struct fsop_at *at, uint32_t uid) {
        struct fsop_chown_args args = {.size = sizeof(args), .has_uid = true, .uid = uid};
        return fsop_batch_chown(batch, at, &args);
}

/* Does something to all files, in as few requests as possible. Returns how many operations failed, or a negative
 * error. */
static int for_all_files(struct fsop_client *client, const char *directory,
                         int (*add)(struct fsop_batch *batch, const struct fsop_at *at, uint32_t uid), uint32_t uid) {
        struct fsop_batch *batch;
        int failed = 0;
        int r = fsop_batch_new(client, FSOP_BATCH_PARALLEL, &batch);
        for (int i = 0; r >= 0 && i < FILES;) {
                char path[4096];
                snprintf(path, sizeof(path), "%s/%d", directory, i);
                struct fsop_at at = fsop_at_path(path, false);
                r = add(batch, &at, uid);
                i += r >= 0;
                if (r >= 0 && i < FILES)
                        continue;
                if (r < 0 && r != -FSOP_E2BIG)
                        break;
                r = fsop_batch_run(batch); /* full, or all are in it */
                if (r < 0)
                        break;
                failed += (int)report(batch);
                r = fsop_batch_reset(batch);
        }
        fsop_batch_free(batch);
        return r < 0 ? r : failed;
}

int main(int argc, char **argv) {
        if (argc < 2) {
                fprintf(stderr, "usage: %s DIRECTORY [UID]\n", argv[0]);
                return 2;
        }
        uint32_t uid = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : 2000;
        struct fsop_open_failure failure = {.size = sizeof(failure)};
        struct fsop_client_options options = {.size = sizeof(options),
                                              .socket_path = getenv("FSOP_SOCKET"),
                                              .name = "chown_batch",
                                              .failure = &failure};
        struct fsop_client *client;
        if (fsop_open(&options, &client) < 0) {
                fprintf(stderr, "%s\n", failure.message);
                return 4;
        }
        int r = for_all_files(client, argv[1], add_file, 0);
        if (r == 0)
                r = for_all_files(client, argv[1], add_chown, uid);
        if (r < 0)
                fprintf(stderr, "%s\n", (const char *)fsop_last_error(client)->message.data);
        else
                printf("%d files in %s belong to uid %" PRIu32 " now\n", FILES - r, argv[1], uid);
        fsop_close(client);
        return r != 0;
}
