/* SPDX-License-Identifier: MIT */
/*
 * drain: has many operations in flight when the daemon is told to end, and holds what it was told against what is
 * there. A batch that was answered is answered for every operation: done means that the directory exists, not-started
 * that it does not. A batch without an answer was never taken: none of its directories exists.
 *
 *      drain SOCKET DIRECTORY PID-OF-THE-DAEMON
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "client/fsop.h"

enum { BATCHES = 16, OPS = 128 };

static unsigned answered;

static void done(struct fsop_batch *batch, void *userdata) {
        (void)batch;
        (void)userdata;
        answered++;
}

static void name_of(char *buffer, size_t size, const char *directory, unsigned batch, unsigned op) {
        snprintf(buffer, size, "%s/%u.%u", directory, batch, op);
}

static struct fsop_batch *submit(struct fsop_client *client, const char *directory, unsigned number) {
        struct fsop_mkdir_args args = {.size = sizeof(args), .create = {.create = true, .mode = 0755}};
        struct fsop_batch *batch;
        char path[512];

        if (fsop_batch_new(client, FSOP_BATCH_PARALLEL, &batch) < 0)
                exit(2);
        for (unsigned i = 0; i < OPS; i++) {
                name_of(path, sizeof(path), directory, number, i);
                struct fsop_at at = fsop_at_path(path, false);
                if (fsop_batch_mkdir(batch, &at, &args) < 0)
                        exit(2);
        }
        if (fsop_batch_submit(batch, done, NULL, NULL) < 0) {
                printf("submit: %s\n", (const char *)fsop_last_error(client)->message.data);
                exit(2);
        }
        return batch;
}

static unsigned check(struct fsop_batch *batch, const char *directory, unsigned number, unsigned counts[3]) {
        unsigned wrong = 0;

        for (unsigned i = 0; i < OPS; i++) {
                const struct fsop_result *result = fsop_batch_result(batch, i);
                enum fsop_outcome outcome = result ? result->outcome : FSOP_OUTCOME_UNKNOWN;
                struct stat st;
                char path[512];
                bool exists;

                name_of(path, sizeof(path), directory, number, i);
                exists = stat(path, &st) == 0;
                counts[outcome]++;
                if (exists != (outcome == FSOP_OUTCOME_DONE && result->error.code == 0)) {
                        printf("%s: outcome %s, error %d, but it %s\n", path, fsop_outcome_name(outcome),
                               result ? result->error.code : 0, exists ? "exists" : "does not exist");
                        wrong++;
                }
        }
        return wrong;
}

int main(int argc, char **argv) {
        struct fsop_client_options options = {.size = sizeof(options)};
        unsigned counts[3] = {0}, wrong = 0;
        struct fsop_batch *batches[BATCHES];
        struct fsop_client *client;

        if (argc != 4)
                return 2;
        options.socket_path = argv[1];
        if (fsop_open(&options, &client) < 0)
                return 2;
        for (unsigned i = 0; i < BATCHES; i++)
                batches[i] = submit(client, argv[2], i);
        while (answered == 0 && fsop_wait(client, 10000) > 0 && fsop_process(client) >= 0)
                ;
        kill((pid_t)atol(argv[3]), SIGTERM);
        while (answered < BATCHES && fsop_wait(client, 15000) > 0 && fsop_process(client) >= 0)
                ;
        for (unsigned i = 0; i < BATCHES; i++)
                wrong += check(batches[i], argv[2], i, counts);
        printf("done %u, not started %u, never taken %u; wrong %u; answered batches %u\n", counts[FSOP_OUTCOME_DONE],
               counts[FSOP_OUTCOME_NOT_STARTED], counts[FSOP_OUTCOME_UNKNOWN], wrong, answered);
        for (unsigned i = 0; i < BATCHES; i++)
                fsop_batch_free(batches[i]);
        fsop_close(client);
        return wrong > 0 || answered < BATCHES || counts[FSOP_OUTCOME_DONE] == 0;
}
