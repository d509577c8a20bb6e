/* SPDX-License-Identifier: MIT */
/*
 * submit: copy jobs by the library: many at once, with an idempotency key, and how long asking about them takes.
 *
 *      submit SOCKET many SOURCE DIRECTORY COUNT     copies SOURCE to DIRECTORY/job0 and on; prints the highest number
 *
 *      submit SOCKET key KEY SOURCE TARGET           prints the job's number
 *
 *      submit SOCKET measure ID                      the least time of several tries, which no busy machine makes
 *                                                    shorter; ID and the four before, none ended yet, are cancelled
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "client/fsop.h"

enum { JOBS_PER_BATCH = 250, TRIES = 5 };

static struct fsop_client *client;

__attribute__((noreturn)) static void refused(const char *what, const struct fsop_error *error) {
        printf("%s: %s (%s): %s\n", what, error->code ? fsop_error_name(error->code) : "?",
               error->code ? fsop_error_class_name(error->class_) : "?",
               error->message.data ? (const char *)error->message.data : "");
        exit(1);
}

static void must(const char *what, int r) {
        if (r < 0)
                refused(what, fsop_last_error(client));
}

/* ---- many -------------------------------------------------------------------------------------------------------- */

static uint64_t submit_some(const struct fsop_at *source, const char *directory, unsigned first, unsigned n) {
        static char paths[JOBS_PER_BATCH][512];
        struct fsop_batch *batch;
        uint64_t last = 0;

        must("batch", fsop_batch_new(client, FSOP_BATCH_PARALLEL, &batch));
        for (unsigned i = 0; i < n; i++) {
                struct fsop_at target;
                snprintf(paths[i], sizeof(paths[i]), "%s/job%u", directory, first + i);
                target = fsop_at_path(paths[i], false);
                must("add", fsop_batch_cp(batch, source, &target, NULL));
        }
        must("run", fsop_batch_run(batch));
        for (unsigned i = 0; i < n; i++) {
                const struct fsop_result *result = fsop_batch_result(batch, i);
                if (result->error.code)
                        refused(paths[i], &result->error);
                if (result->value.job.jobs[0].id > last)
                        last = result->value.job.jobs[0].id;
        }
        fsop_batch_free(batch);
        return last;
}

static void many(const char *source_path, const char *directory, unsigned count) {
        struct fsop_at source = fsop_at_path(source_path, false);
        uint64_t last = 0;

        for (unsigned done = 0; done < count; done += JOBS_PER_BATCH)
                last = submit_some(&source, directory, done,
                                   count - done < JOBS_PER_BATCH ? count - done : JOBS_PER_BATCH);
        printf("%" PRIu64 "\n", last);
}

static void with_key(const char *key, const char *source_path, const char *target_path) {
        struct fsop_at source = fsop_at_path(source_path, false), target = fsop_at_path(target_path, false);
        struct fsop_cp_args args = {.size = sizeof(args), .key = fsop_bytes_of(key)};
        const struct fsop_job_info *job;

        must("cp", fsop_cp(client, &source, &target, &args, &job));
        printf("%" PRIu64 "\n", job->id);
}

/* ---- measuring --------------------------------------------------------------------------------------------------- */

static double now_ms(void) {
        struct timespec now;

        clock_gettime(CLOCK_MONOTONIC, &now);
        return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static unsigned list_all(void) {
        struct fsop_job_args args = {.size = sizeof(args)};
        const struct fsop_job_answer *answer;
        unsigned n = 0;

        do {
                must("list", fsop_job_list(client, &args, &answer));
                n += answer->n_jobs;
                args.after = answer->cookie;
        } while (!answer->end);
        return n;
}

static void keep_least(double *least, double begin) {
        double ms = now_ms() - begin;

        if (*least == 0 || ms < *least)
                *least = ms;
}

static void measure(uint64_t id) {
        struct fsop_job_args args = {.size = sizeof(args), .id = id};
        double list_ms = 0, watch_ms = 0, cancel_ms = 0;
        const struct fsop_job_answer *answer;
        const struct fsop_job_info *job;
        unsigned n_jobs = 0, n_events = 0;

        for (unsigned i = 0; i < TRIES; i++) {
                double begin = now_ms();

                n_jobs = list_all();
                keep_least(&list_ms, begin);
                begin = now_ms();
                must("watch", fsop_job_watch(client, &args, &answer));
                n_events = answer->n_events;
                keep_least(&watch_ms, begin);
        }
        printf("list %.1f ms, %u jobs\nwatch %.1f ms, %u events\n", list_ms, n_jobs, watch_ms, n_events);
        for (unsigned i = 0; i < TRIES; i++) {
                double begin = now_ms();

                must("cancel", fsop_job_cancel(client, id - i, &job));
                if (job->state != FSOP_JOB_CANCELLED)
                        break;
                keep_least(&cancel_ms, begin);
        }
        printf("cancel %.1f ms, %s\n", cancel_ms, fsop_job_state_name(job->state));
}

int main(int argc, char **argv) {
        struct fsop_client_options options = {.size = sizeof(options)};

        if (argc < 4)
                return 2;
        options.socket_path = argv[1];
        if (fsop_open(&options, &client) < 0)
                return 2;
        if (argc == 6 && strcmp(argv[2], "many") == 0)
                many(argv[3], argv[4], (unsigned)strtoul(argv[5], NULL, 10));
        else if (argc == 6 && strcmp(argv[2], "key") == 0)
                with_key(argv[3], argv[4], argv[5]);
        else if (strcmp(argv[2], "measure") == 0)
                measure(strtoull(argv[3], NULL, 10));
        else
                return 2;
        fsop_close(client);
        return 0;
}
