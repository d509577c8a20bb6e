/* SPDX-License-Identifier: MIT */
/*
 * ours.c: asks fsopd, as any program would, through libfsop: blocking calls one by one, or batches through the
 * asynchronous face, or copy jobs. What is asked for is built anew for every request.
 */
#include <stdlib.h>
#include <string.h>

#include "tests/bench/bench.h"

struct ours;

/* One of the batches in flight: always the same part of the files, so that passes follow each other file by file. */
struct lane {
        struct ours *ours;
        struct fsop_batch *batch;
        uint32_t first, n; /* files */
        uint32_t pass;
        bool ready; /* answered */
};

struct ours {
        struct fsop_client *client;
        struct lane lanes[BENCH_BATCHES];
        bool failed;
        const struct files *files;
        const struct job *job;
};

struct ours *ours_open(const char *socket_path) {
        struct ours *ours = bench_alloc(1, sizeof(*ours));
        struct fsop_open_failure failure = {.size = sizeof(failure)};
        struct fsop_client_options options = {
                .size = sizeof(options), .socket_path = socket_path, .name = "fsop-bench", .failure = &failure};

        if (fsop_open(&options, &ours->client) < 0) {
                bench_fail("%s: %s", socket_path, failure.message);
                goto fail;
        }
        for (uint32_t i = 0; i < BENCH_BATCHES; i++) {
                ours->lanes[i].ours = ours;
                if (fsop_batch_new(ours->client, FSOP_BATCH_PARALLEL, &ours->lanes[i].batch) < 0) {
                        bench_fail("cannot make a batch");
                        goto fail;
                }
        }
        return ours;
fail:
        ours_close(ours);
        return NULL;
}

void ours_close(struct ours *ours) {
        if (!ours)
                return;
        for (uint32_t i = 0; i < BENCH_BATCHES; i++)
                fsop_batch_free(ours->lanes[i].batch);
        fsop_close(ours->client);
        free(ours);
}

const struct fsop_server_info *ours_info(const struct ours *ours) {
        return fsop_server_info(ours->client);
}

static struct fsop_chown_args chown_args(const struct files *files, uint32_t phase) {
        return (struct fsop_chown_args){.size = sizeof(struct fsop_chown_args),
                                        .has_uid = true,
                                        .has_gid = true,
                                        .uid = files_owner(files, phase),
                                        .gid = files->group};
}

static struct fsop_setxattr_args setxattr_args(uint32_t phase) {
        return (struct fsop_setxattr_args){.size = sizeof(struct fsop_setxattr_args),
                                           .name = fsop_bytes_of(BENCH_XATTR),
                                           .value = {files_value(phase), BENCH_XATTR_BYTES}};
}

static int complain(struct ours *ours, const char *path) {
        const struct fsop_error *error = fsop_last_error(ours->client);

        return bench_fail("fsopd: %s: %.*s", path, (int)error->message.len, (const char *)error->message.data);
}

/* What should have been elevated and was not, or the other way round, measures something else. */
static int check_identity(const struct ours *ours, const struct fsop_result *result) {
        bool expected = ours->job->as != FSOP_AS_CALLER;

        if (result && result->elevated == expected)
                return 0;
        return bench_fail("fsopd ran it %s", expected ? "as the caller: the rule does not apply" : "elevated");
}

/* ---- one by one ---- */

static int call(struct ours *ours, const char *path, uint32_t phase) {
        struct fsop_at at = fsop_at_path(path, ours->files->follow);

        switch (ours->job->what) {
        case WHAT_STAT: {
                struct fsop_stat stat;

                return fsop_stat(ours->client, &at, &stat);
        }
        case WHAT_CHOWN: {
                struct fsop_chown_args args = chown_args(ours->files, phase);

                return fsop_chown(ours->client, &at, &args, NULL);
        }
        case WHAT_SETXATTR: {
                struct fsop_setxattr_args args = setxattr_args(phase);

                return fsop_setxattr(ours->client, &at, &args);
        }
        }
        return -1;
}

static uint64_t run_one(struct ours *ours, uint32_t *samples) {
        const struct job *job = ours->job;
        uint64_t begin = bench_now_ns(), last = begin;

        for (uint32_t i = 0; i < job->n_files * job->passes; i++) {
                const char *path = ours->files->paths[i % job->n_files];
                uint64_t now;

                if (call(ours, path, job->phase + i / job->n_files) < 0) {
                        complain(ours, path);
                        return 0;
                }
                now = bench_now_ns();
                samples[i] = (uint32_t)(now - last);
                last = now;
        }
        return check_identity(ours, fsop_last_result(ours->client)) < 0 ? 0 : last - begin;
}

/* ---- batches ---- */

static int add(struct ours *ours, struct fsop_batch *batch, const char *path, uint32_t phase) {
        struct fsop_at at = fsop_at_path(path, ours->files->follow);

        switch (ours->job->what) {
        case WHAT_STAT:
                return fsop_batch_stat(batch, &at);
        case WHAT_CHOWN: {
                struct fsop_chown_args args = chown_args(ours->files, phase);

                return fsop_batch_chown(batch, &at, &args);
        }
        case WHAT_SETXATTR: {
                struct fsop_setxattr_args args = setxattr_args(phase);

                return fsop_batch_setxattr(batch, &at, &args);
        }
        }
        return -1;
}

static void check_results(struct lane *lane) {
        struct ours *ours = lane->ours;

        for (uint32_t i = 0; i < fsop_batch_count(lane->batch); i++) {
                const struct fsop_result *result = fsop_batch_result(lane->batch, i);

                if (!result || result->error.code != 0) {
                        bench_fail("fsopd: %s: %.*s", ours->files->paths[lane->first + i],
                                   result ? (int)result->error.message.len : 9,
                                   result ? (const char *)result->error.message.data : "no answer");
                        ours->failed = true;
                        return;
                }
        }
}

static void on_done(struct fsop_batch *batch, void *userdata) {
        struct lane *lane = userdata;

        if (fsop_batch_failed(batch) > 0)
                check_results(lane);
        else if (check_identity(lane->ours, fsop_batch_result(batch, 0)) < 0)
                lane->ours->failed = true;
        lane->ready = true;
}

static int submit(struct lane *lane) {
        struct ours *ours = lane->ours;
        uint32_t phase = ours->job->phase + lane->pass;

        lane->ready = false;
        lane->pass++;
        if (fsop_batch_reset(lane->batch) < 0 || fsop_batch_set_as(lane->batch, ours->job->as) < 0)
                return complain(ours, "batch");
        for (uint32_t i = lane->first; i < lane->first + lane->n; i++)
                if (add(ours, lane->batch, ours->files->paths[i], phase) < 0)
                        return complain(ours, ours->files->paths[i]);
        if (fsop_batch_submit(lane->batch, on_done, lane, NULL) < 0)
                return complain(ours, "batch");
        return 0;
}

/* Sends the next of every batch that was answered. Returns how many are in flight, or -1. */
static int refill(struct ours *ours) {
        int in_flight = 0;

        for (uint32_t i = 0; i < BENCH_BATCHES; i++) {
                struct lane *lane = &ours->lanes[i];

                if (lane->ready && lane->pass < ours->job->passes && lane->n > 0 && submit(lane) < 0)
                        return -1;
                if (!lane->ready)
                        in_flight++;
        }
        return in_flight;
}

static void prepare_lanes(struct ours *ours) {
        for (uint32_t i = 0; i < BENCH_BATCHES; i++) {
                struct lane *lane = &ours->lanes[i];

                lane->first = i * BENCH_BATCH_OPS;
                lane->n = lane->first < ours->job->n_files ? ours->job->n_files - lane->first : 0;
                if (lane->n > BENCH_BATCH_OPS)
                        lane->n = BENCH_BATCH_OPS;
                lane->pass = 0;
                lane->ready = true;
        }
}

static uint64_t run_batches(struct ours *ours) {
        uint64_t begin = bench_now_ns();
        int in_flight;

        prepare_lanes(ours);
        while ((in_flight = refill(ours)) > 0) {
                if (fsop_wait(ours->client, UINT64_MAX) < 0 || fsop_process(ours->client) < 0) {
                        complain(ours, "connection");
                        return 0;
                }
                if (ours->failed)
                        return 0;
        }
        return in_flight < 0 ? 0 : bench_now_ns() - begin;
}

uint64_t ours_run(struct ours *ours, const struct files *files, const struct job *job, uint32_t *samples) {
        ours->files = files;
        ours->job = job;
        ours->failed = false;
        if (job->side == SIDE_OURS_BATCH)
                return run_batches(ours);
        if (fsop_set_as(ours->client, job->as) < 0)
                return 0;
        return run_one(ours, samples);
}

/* ---- copy jobs ---- */

static bool has_ended(enum fsop_job_state state) {
        return state == FSOP_JOB_DONE || state == FSOP_JOB_FAILED || state == FSOP_JOB_CANCELLED;
}

static int watch(struct ours *ours, uint64_t id) {
        struct fsop_job_args args = {.size = sizeof(args), .id = id};

        for (;;) {
                const struct fsop_job_answer *answer;

                if (fsop_job_watch(ours->client, &args, &answer) < 0)
                        return complain(ours, "job");
                if (answer->n_events == 0)
                        return 0;
                for (uint32_t i = 0; i < answer->n_events; i++) {
                        const struct fsop_job_event *event = &answer->events[i];

                        args.after = event->number;
                        if (event->kind == FSOP_JOB_EVENT_STATE && has_ended(event->job.state))
                                return 0;
                }
        }
}

/* That it is done, all of it, with the rights of a rule. */
static int check_job(struct ours *ours, uint64_t id, uint32_t n_files) {
        struct fsop_job_args args = {.size = sizeof(args), .id = id};
        const struct fsop_job_answer *answer;
        const struct fsop_job_info *job;

        if (fsop_job_show(ours->client, &args, &answer) < 0 || answer->n_jobs != 1)
                return complain(ours, "job");
        job = &answer->jobs[0];
        if (job->state != FSOP_JOB_DONE || job->files_failed > 0 || job->files_done != n_files)
                return bench_fail("fsopd: the job is %s, with %llu of %u files: %.*s", fsop_job_state_name(job->state),
                                  (unsigned long long)job->files_done, n_files, (int)job->error.message.len,
                                  (const char *)job->error.message.data);
        if (!job->elevated)
                return bench_fail("fsopd ran the job as the caller: the rule does not apply");
        return fsop_job_forget(ours->client, id) < 0 ? complain(ours, "job") : 0;
}

uint64_t ours_copy(struct ours *ours, const struct place *place, const struct copying *copying) {
        char *source = copy_source(place, copying), *target = copy_target(place);
        struct fsop_at from = fsop_at_path(source, false), to = fsop_at_path(target, false);
        struct fsop_cp_args args = {.size = sizeof(args),
                                    .recursive = copying->is_tree,
                                    .preserve = FSOP_PRESERVE_ALL,
                                    .clone = copying->clone,
                                    .sync = FSOP_SYNC_BATCH};
        const struct fsop_job_info *job;
        uint64_t begin = bench_now_ns(), ns = 0, id = 0;

        if (fsop_set_as(ours->client, FSOP_AS_AUTO) < 0 || fsop_cp(ours->client, &from, &to, &args, &job) < 0)
                complain(ours, source);
        else
                id = job->id;
        if (id != 0 && watch(ours, id) == 0)
                ns = bench_now_ns() - begin;
        if (ns != 0 && check_job(ours, id, copy_files(place, copying)) < 0)
                ns = 0;
        free(source);
        free(target);
        return ns;
}
