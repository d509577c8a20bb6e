/* SPDX-License-Identifier: MIT */
/*
 * ours.c: asks fsopd, as any program would, through libfsop: blocking calls one by one, what a batch is filled with, or
 * copy jobs. What is asked for is built anew for every request.
 */
#include <stdlib.h>
#include <string.h>

#include "tests/bench/bench.h"

struct ours {
        struct fsop_client *client;
        const struct files *files;
        const struct work *work;
};

struct fsop_client *ours_connect(const char *socket_path) {
        struct fsop_open_failure failure = {.size = sizeof(failure)};
        struct fsop_client_options options = {
                .size = sizeof(options), .socket_path = socket_path, .name = "fsop-bench", .failure = &failure};
        struct fsop_client *client;

        if (fsop_open(&options, &client) < 0)
                bench_fail("%s: %s", socket_path, failure.message);
        return client;
}

struct ours *ours_open(const char *socket_path) {
        struct ours *ours = bench_alloc(1, sizeof(*ours));

        ours->client = ours_connect(socket_path);
        if (ours->client)
                return ours;
        free(ours);
        return NULL;
}

void ours_settle(struct ours *ours) {
        for (unsigned i = 0; i < 20; i++)
                fsop_ping(ours->client);
}

int ours_sleep(struct ours *ours) {
        return fsop_set_spin_us(ours->client, 0);
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

static int complain(struct fsop_client *client, const char *path) {
        const struct fsop_error *error = fsop_last_error(client);

        return bench_fail("fsopd: %s: %.*s", path, (int)error->message.len, (const char *)error->message.data);
}

/* What should have been elevated and was not, or the other way round, measures something else. */
static int check_identity(const struct fsop_result *result, enum fsop_as as) {
        bool expected = as != FSOP_AS_CALLER;

        if (result && result->elevated == expected)
                return 0;
        return bench_fail("fsopd ran it %s", expected ? "as the caller: the rule does not apply" : "elevated");
}

/* ---- one by one ---- */

static int call(struct ours *ours, const char *path, uint32_t phase) {
        struct fsop_at at = fsop_at_path(path, ours->files->follow);

        switch (ours->work->what) {
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

uint64_t ours_run(struct ours *ours, const struct files *files, const struct work *work, uint32_t *samples) {
        uint64_t begin, last;

        ours->files = files;
        ours->work = work;
        if (fsop_set_as(ours->client, work->as) < 0)
                return 0;
        begin = last = bench_now_ns();
        for (uint32_t i = 0; i < work->n_files * work->passes; i++) {
                const char *path = files->paths[i % work->n_files];
                uint64_t now;

                if (call(ours, path, work->phase + i / work->n_files) < 0) {
                        complain(ours->client, path);
                        return 0;
                }
                now = bench_now_ns();
                samples[i] = (uint32_t)(now - last);
                last = now;
        }
        return check_identity(fsop_last_result(ours->client), work->as) < 0 ? 0 : last - begin;
}

/* ---- batches ---- */

int ours_add(struct fsop_client *client, struct fsop_batch *batch, const struct files *files, enum what what,
             const char *path, uint32_t phase) {
        struct fsop_at at = fsop_at_path(path, files->follow);
        struct fsop_chown_args chown = chown_args(files, phase);
        struct fsop_setxattr_args setxattr = setxattr_args(phase);
        int ret = -1;

        switch (what) {
        case WHAT_STAT:
                ret = fsop_batch_stat(batch, &at);
                break;
        case WHAT_CHOWN:
                ret = fsop_batch_chown(batch, &at, &chown);
                break;
        case WHAT_SETXATTR:
                ret = fsop_batch_setxattr(batch, &at, &setxattr);
                break;
        }
        return ret < 0 ? complain(client, path) : 0;
}

int ours_check(const struct fsop_batch *batch, enum fsop_as as) {
        for (uint32_t i = 0; fsop_batch_failed(batch) > 0 && i < fsop_batch_count(batch); i++) {
                const struct fsop_result *result = fsop_batch_result(batch, i);

                if (!result)
                        return bench_fail("fsopd: no answer");
                if (result->error.code != 0)
                        return bench_fail("fsopd: %.*s", (int)result->error.message.len,
                                          (const char *)result->error.message.data);
        }
        return check_identity(fsop_batch_result(batch, 0), as);
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
                        return complain(ours->client, "job");
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
                return complain(ours->client, "job");
        job = &answer->jobs[0];
        if (job->state != FSOP_JOB_DONE || job->files_failed > 0 || job->files_done != n_files)
                return bench_fail("fsopd: the job is %s, with %llu of %u files: %.*s", fsop_job_state_name(job->state),
                                  (unsigned long long)job->files_done, n_files, (int)job->error.message.len,
                                  (const char *)job->error.message.data);
        if (!job->elevated)
                return bench_fail("fsopd ran the job as the caller: the rule does not apply");
        return fsop_job_forget(ours->client, id) < 0 ? complain(ours->client, "job") : 0;
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
                complain(ours->client, source);
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
