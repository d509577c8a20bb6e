/* SPDX-License-Identifier: MIT */
/*
 * pace: asks the daemon at $FSOP_SOCKET for one operation after the other, and sees how long it waits for the answers.
 *
 *      pace hammer PATH            stats, opens, chowns and batches of names that begin with PATH, until it is killed
 *      pace measure COUNT DIR      so many operations of each kind in DIR, as caller and by a rule: prints "KIND P50
 *                                  P99 MAX" in microseconds. Quick ones are for the daemon's loop (stat, chown),
 *                                  others for workers (a stat of what nobody has looked for, ls)
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "client/fsop.h"

#define SAMPLES_MAX 10000u
#define BATCH_OPS 32

enum kind { STAT, CHOWN, NEW_NAME, LS, N_KINDS };
static const char *const names[] = {"stat", "chown", "new-name", "ls"};

static uint32_t samples[N_KINDS][SAMPLES_MAX];

static uint64_t now_us(void) {
        struct timespec now;

        clock_gettime(CLOCK_MONOTONIC, &now);
        return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

static struct fsop_client *connect_or_exit(void) {
        struct fsop_client_options options = {.size = sizeof(options), .socket_path = getenv("FSOP_SOCKET")};
        struct fsop_client *client;

        if (fsop_open(&options, &client) < 0)
                exit(2);
        return client;
}

/* What the answers are does not matter. */
static void hammer(const char *prefix) {
        struct fsop_client *client = connect_or_exit();
        struct fsop_open_args open_args = {.size = sizeof(open_args), .read = true};
        struct fsop_chown_args chown_args = {.size = sizeof(chown_args), .has_uid = true, .uid = 2000};
        struct fsop_batch *batch;

        for (unsigned n = 0;; n++) {
                char path[512];
                struct fsop_at at;
                struct fsop_stat stat;
                struct fsop_handle handle;

                fsop_set_as(client, n % 2 ? FSOP_AS_AUTO : FSOP_AS_CALLER);
                snprintf(path, sizeof(path), "%s%u", prefix, n);
                at = fsop_at_path(path, true);
                fsop_stat(client, &at, &stat);
                fsop_chown(client, &at, &chown_args, NULL);
                if (fsop_open_handle(client, &at, &open_args, &handle) == 0)
                        fsop_close_handle(client, handle);
                if (fsop_batch_new(client, FSOP_BATCH_PARALLEL, &batch) < 0)
                        exit(2);
                for (unsigned i = 0; i < BATCH_OPS; i++) {
                        snprintf(path, sizeof(path), "%s%u-%u", prefix, n, i);
                        at = fsop_at_path(path, true);
                        fsop_batch_stat(batch, &at);
                }
                fsop_batch_run(batch);
                fsop_batch_free(batch);
        }
}

static int do_one(struct fsop_client *client, enum kind kind, const char *directory, unsigned n) {
        struct fsop_chown_args chown_args = {.size = sizeof(chown_args), .has_uid = true, .uid = 2000 + n % 2};
        struct fsop_ls_args ls_args = {.size = sizeof(ls_args), .entries_max = 8};
        const struct fsop_ls_result *ls;
        struct fsop_stat stat;
        char path[512];
        struct fsop_at at;

        fsop_set_as(client, kind == CHOWN || n % 2 ? FSOP_AS_AUTO : FSOP_AS_CALLER);
        snprintf(path, sizeof(path), kind == NEW_NAME ? "%s/missing%u" : kind == LS ? "%s" : "%s/file", directory, n);
        at = fsop_at_path(path, true);
        switch (kind) {
        case STAT:
                return fsop_stat(client, &at, &stat);
        case CHOWN:
                return fsop_chown(client, &at, &chown_args, NULL);
        case NEW_NAME:
                return fsop_stat(client, &at, &stat) == -FSOP_ENOENT ? 0 : -1;
        case LS:
                return fsop_ls(client, &at, &ls_args, &ls);
        default:
                return -1;
        }
}

static int compare(const void *a, const void *b) {
        uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

        return x < y ? -1 : x > y;
}

static int measure(unsigned count, const char *directory) {
        struct fsop_client *client = connect_or_exit();

        for (unsigned n = 0; n < count; n++)
                for (enum kind kind = STAT; kind < N_KINDS; kind++) {
                        uint64_t begin = now_us();

                        if (do_one(client, kind, directory, n) < 0) {
                                fprintf(stderr, "%s: %s\n", names[kind],
                                        (const char *)fsop_last_error(client)->message.data);
                                fsop_close(client);
                                return 1;
                        }
                        samples[kind][n] = (uint32_t)(now_us() - begin);
                }
        for (enum kind kind = STAT; kind < N_KINDS; kind++) {
                qsort(samples[kind], count, sizeof(samples[kind][0]), compare);
                printf("%s %u %u %u\n", names[kind], samples[kind][count / 2], samples[kind][count * 99 / 100],
                       samples[kind][count - 1]);
        }
        fsop_close(client);
        return 0;
}

int main(int argc, char **argv) {
        if (argc == 3 && strcmp(argv[1], "hammer") == 0)
                hammer(argv[2]);
        if (argc != 4 || strcmp(argv[1], "measure") != 0 || atoi(argv[2]) < 1 || atoi(argv[2]) > (int)SAMPLES_MAX)
                return 2;
        return measure((unsigned)atoi(argv[2]), argv[3]);
}
