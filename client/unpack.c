/* SPDX-License-Identifier: MIT */
/*
 * unpack.c: results of the wire as the public header shows them. Every string gets a NUL behind it, save the data of a
 * read, which stays where it was decoded.
 */
#include "client/client.h"

#include <string.h>

#include "proto/names.h"

int unpack_bytes(struct arena *arena, struct bytes bytes, struct fsop_bytes *ret) {
        if (bytes.len == 0) {
                *ret = fsop_bytes_of("");
                return 0;
        }
        struct bytes copy = arena_copy(arena, bytes);
        *ret = (struct fsop_bytes){copy.data, copy.len};
        return copy.data ? 0 : -FSOP_ENOMEM;
}

static int unpack_error(struct arena *arena, const struct error *error, struct fsop_error *ret_error) {
        ret_error->code = (int)error->code;
        ret_error->class_ = error->class_;
        ret_error->retryable = error->retryable;
        ret_error->os_error = error->os_error;
        if (error->code && error->message.len == 0)
                ret_error->message = fsop_bytes_of(error_text((int)error->code));
        else if (unpack_bytes(arena, error->message, &ret_error->message) < 0)
                return -FSOP_ENOMEM;
        return unpack_bytes(arena, error->rule, &ret_error->rule);
}

int unpack_support(struct arena *arena, const struct support *support, uint32_t n, const struct fsop_support **ret) {
        struct fsop_support *list = arena_calloc(arena, n, sizeof(*list));
        if (!list)
                return -FSOP_ENOMEM;
        for (uint32_t i = 0; i < n; i++) {
                list[i].verb = support[i].verb;
                list[i].level = support[i].level;
                if (unpack_bytes(arena, support[i].feature, &list[i].feature) < 0 ||
                    unpack_bytes(arena, support[i].note, &list[i].note) < 0)
                        return -FSOP_ENOMEM;
        }
        *ret = list;
        return 0;
}

static int unpack_list(struct arena *arena, const struct bytes *strings, uint32_t n, const struct fsop_bytes **ret) {
        struct fsop_bytes *list = arena_calloc(arena, n, sizeof(*list));
        if (!list)
                return -FSOP_ENOMEM;
        for (uint32_t i = 0; i < n; i++)
                if (unpack_bytes(arena, strings[i], &list[i]) < 0)
                        return -FSOP_ENOMEM;
        *ret = list;
        return 0;
}

static int unpack_ls(struct arena *arena, const struct result *result, struct fsop_ls_result *ret) {
        uint32_t n = result->value.ls.n_entries;
        struct fsop_entry *list = arena_calloc(arena, n, sizeof(*list));
        if (!list)
                return -FSOP_ENOMEM;
        for (uint32_t i = 0; i < n; i++) {
                const struct entry *entry = &result->value.ls.entries[i];
                list[i].type = entry->type;
                list[i].ino = entry->ino;
                list[i].has_stat = entry->has_stat;
                if (entry->has_stat)
                        list[i].stat = entry->stat;
                if (unpack_bytes(arena, entry->name, &list[i].name) < 0)
                        return -FSOP_ENOMEM;
        }
        *ret = (struct fsop_ls_result){
                .entries = list, .n_entries = n, .end = result->value.ls.end, .cookie = result->value.ls.cookie};
        return 0;
}

static int unpack_walk(struct arena *arena, const struct walk_result *walk, struct fsop_walk_result *ret) {
        struct fsop_walk_failure *list = arena_calloc(arena, walk->n_failures, sizeof(*list));
        if (!list)
                return -FSOP_ENOMEM;
        for (uint32_t i = 0; i < walk->n_failures; i++) {
                list[i].code = (int)walk->failures[i].code;
                list[i].os_error = walk->failures[i].os_error;
                if (unpack_bytes(arena, walk->failures[i].path, &list[i].path) < 0)
                        return -FSOP_ENOMEM;
        }
        *ret = (struct fsop_walk_result){.visited = walk->visited,
                                         .changed = walk->changed,
                                         .failed = walk->failed,
                                         .failures = list,
                                         .n_failures = walk->n_failures};
        return 0;
}

static int unpack_info(struct arena *arena, const struct info_result *info, struct fsop_info_result *ret) {
        ret->n_support = info->n_support;
        ret->has_filesystem = info->has_filesystem;
        ret->n_features = info->n_features;
        if (unpack_bytes(arena, info->version, &ret->version) < 0 ||
            unpack_bytes(arena, info->platform, &ret->platform) < 0 ||
            unpack_bytes(arena, info->engine, &ret->engine) < 0 ||
            unpack_bytes(arena, info->filesystem, &ret->filesystem) < 0 ||
            unpack_support(arena, info->support, info->n_support, &ret->support) < 0)
                return -FSOP_ENOMEM;
        return unpack_support(arena, info->features, info->n_features, &ret->features);
}

static int unpack_status(struct arena *arena, const struct result *result, struct fsop_status_result *ret) {
        uint32_t n = result->value.status.n_counters;
        struct fsop_counter *list = arena_calloc(arena, n, sizeof(*list));
        if (!list)
                return -FSOP_ENOMEM;
        for (uint32_t i = 0; i < n; i++) {
                const struct counter *counter = &result->value.status.counters[i];
                list[i].value = counter->value;
                list[i].has_limit = counter->has_limit;
                list[i].limit = counter->limit;
                if (unpack_bytes(arena, counter->name, &list[i].name) < 0)
                        return -FSOP_ENOMEM;
        }
        *ret = (struct fsop_status_result){.counters = list, .n_counters = n};
        return unpack_bytes(arena, result->value.status.no_jobs, &ret->no_jobs);
}

static int unpack_explain(struct arena *arena, const struct explain_result *explain, struct fsop_explain_result *ret) {
        ret->allowed = explain->allowed;
        ret->as = explain->as;
        ret->n_notes = explain->n_notes;
        if (unpack_bytes(arena, explain->rule, &ret->rule) < 0 ||
            unpack_bytes(arena, explain->where, &ret->where) < 0 ||
            unpack_bytes(arena, explain->reason, &ret->reason) < 0)
                return -FSOP_ENOMEM;
        return unpack_list(arena, explain->notes, explain->n_notes, &ret->notes);
}

static int unpack_reload(struct arena *arena, const struct reload_result *reload, struct fsop_reload_result *ret) {
        ret->rules = reload->rules;
        ret->n_warnings = reload->n_warnings;
        return unpack_list(arena, reload->warnings, reload->n_warnings, &ret->warnings);
}

/* ---- jobs -------------------------------------------------------------------------------------------------------- */

/* What failed was not the operation that asks, but the copying. */
static int unpack_job_error(struct arena *arena, const struct error *error, struct fsop_error *ret) {
        ret->verb = error->code ? FSOP_VERB_CP : FSOP_VERB_NONE;
        return unpack_error(arena, error, ret);
}

static int unpack_job(struct arena *arena, const struct job_info *job, struct fsop_job_info *ret) {
        *ret = (struct fsop_job_info){
                .id = job->id,
                .state = job->state,
                .uid = job->uid,
                .priority = job->priority,
                .as = job->as,
                .elevated = job->elevated,
                .created = job->created,
                .started = job->started,
                .finished = job->finished,
                .retry = job->retry,
                .n_places = job->n_places,
                .totals_known = job->totals_known,
                .files_total = job->files_total,
                .bytes_total = job->bytes_total,
                .files_done = job->files_done,
                .files_failed = job->files_failed,
                .files_skipped = job->files_skipped,
                .bytes_copied = job->bytes_copied,
                .bytes_flushed = job->bytes_flushed,
                .bytes_verified = job->bytes_verified,
                .bytes_per_s = job->bytes_per_s,
                .has_seconds_left = job->has_seconds_left,
                .seconds_left = job->seconds_left,
                .verify = job->verify,
                .runs = job->runs,
                .event = job->event,
        };
        if (unpack_bytes(arena, job->user, &ret->user) < 0 || unpack_bytes(arena, job->source, &ret->source) < 0 ||
            unpack_bytes(arena, job->target, &ret->target) < 0)
                return -FSOP_ENOMEM;
        return unpack_job_error(arena, &job->error, &ret->error);
}

static int unpack_job_failure(struct arena *arena, const struct job_failure *failure, struct fsop_job_failure *ret) {
        if (unpack_bytes(arena, failure->path, &ret->path) < 0)
                return -FSOP_ENOMEM;
        return unpack_job_error(arena, &failure->error, &ret->error);
}

static int unpack_jobs(struct arena *arena, const struct job_answer *answer, struct fsop_job_answer *ret) {
        struct fsop_job_info *list = arena_calloc(arena, answer->n_jobs, sizeof(*list));
        if (!list)
                return -FSOP_ENOMEM;
        for (uint32_t i = 0; i < answer->n_jobs; i++)
                if (unpack_job(arena, &answer->jobs[i], &list[i]) < 0)
                        return -FSOP_ENOMEM;
        ret->jobs = list;
        ret->n_jobs = answer->n_jobs;
        return 0;
}

static int unpack_job_failures(struct arena *arena, const struct job_answer *answer, struct fsop_job_answer *ret) {
        struct fsop_job_failure *list = arena_calloc(arena, answer->n_failures, sizeof(*list));
        if (!list)
                return -FSOP_ENOMEM;
        for (uint32_t i = 0; i < answer->n_failures; i++)
                if (unpack_job_failure(arena, &answer->failures[i], &list[i]) < 0)
                        return -FSOP_ENOMEM;
        ret->failures = list;
        ret->n_failures = answer->n_failures;
        return 0;
}

static int unpack_job_digests(struct arena *arena, const struct job_answer *answer, struct fsop_job_answer *ret) {
        struct fsop_job_digest *list = arena_calloc(arena, answer->n_digests, sizeof(*list));
        if (!list)
                return -FSOP_ENOMEM;
        for (uint32_t i = 0; i < answer->n_digests; i++) {
                memcpy(list[i].digest, answer->digests[i].digest, sizeof(list[i].digest));
                if (unpack_bytes(arena, answer->digests[i].path, &list[i].path) < 0)
                        return -FSOP_ENOMEM;
        }
        ret->digests = list;
        ret->n_digests = answer->n_digests;
        return 0;
}

static int unpack_job_events(struct arena *arena, const struct job_answer *answer, struct fsop_job_answer *ret) {
        struct fsop_job_event *list = arena_calloc(arena, answer->n_events, sizeof(*list));
        if (!list)
                return -FSOP_ENOMEM;
        for (uint32_t i = 0; i < answer->n_events; i++) {
                const struct job_event *event = &answer->events[i];
                list[i].number = event->number;
                list[i].time = event->time;
                list[i].kind = event->kind;
                if (unpack_job(arena, &event->job, &list[i].job) < 0 ||
                    unpack_job_failure(arena, &event->failure, &list[i].failure) < 0)
                        return -FSOP_ENOMEM;
        }
        ret->events = list;
        ret->n_events = answer->n_events;
        return 0;
}

static int unpack_job_answer(struct arena *arena, const struct job_answer *answer, struct fsop_job_answer *ret) {
        *ret = (struct fsop_job_answer){.end = answer->end, .cookie = answer->cookie};
        int r = unpack_jobs(arena, answer, ret);
        if (r == 0)
                r = unpack_job_failures(arena, answer, ret);
        if (r == 0)
                r = unpack_job_digests(arena, answer, ret);
        return r < 0 ? r : unpack_job_events(arena, answer, ret);
}

/* ---- by operation ------------------------------------------------------------------------------------------------ */

static bool is_walk(enum fsop_verb verb) {
        return verb == FSOP_VERB_CHMOD || verb == FSOP_VERB_CHOWN || verb == FSOP_VERB_UNLINK;
}

static int unpack_value(struct arena *arena, uint64_t connection, const struct result *result,
                        struct fsop_result *ret) {
        switch (result->verb) {
        case FSOP_VERB_STAT:
                ret->value.stat = result->value.stat;
                return 0;
        case FSOP_VERB_STATFS:
                ret->value.statfs = result->value.statfs;
                return 0;
        case FSOP_VERB_READ:
                ret->value.data = (struct fsop_bytes){result->value.data.data, result->value.data.len};
                return 0;
        case FSOP_VERB_READLINK:
        case FSOP_VERB_GETXATTR:
        case FSOP_VERB_LISTXATTR:
        case FSOP_VERB_PING:
                return unpack_bytes(arena, result->value.data, &ret->value.data);
        case FSOP_VERB_OPEN:
        case FSOP_VERB_OPENDIR:
                ret->value.handle = (struct fsop_handle){.connection = connection, .id = result->value.handle};
                return 0;
        case FSOP_VERB_WRITE:
        case FSOP_VERB_COPY_RANGE:
                ret->value.count = result->value.count;
                return 0;
        case FSOP_VERB_LS:
                return unpack_ls(arena, result, &ret->value.ls);
        case FSOP_VERB_CHMOD:
        case FSOP_VERB_CHOWN:
        case FSOP_VERB_UNLINK:
                return unpack_walk(arena, &result->value.walk, &ret->value.walk);
        case FSOP_VERB_INFO:
                return unpack_info(arena, &result->value.info, &ret->value.info);
        case FSOP_VERB_STATUS:
                return unpack_status(arena, result, &ret->value.status);
        case FSOP_VERB_EXPLAIN:
                return unpack_explain(arena, &result->value.explain, &ret->value.explain);
        case FSOP_VERB_POLICY_RELOAD:
                return unpack_reload(arena, &result->value.reload, &ret->value.reload);
        case FSOP_VERB_CP:
        case FSOP_VERB_JOB_LIST:
        case FSOP_VERB_JOB_SHOW:
        case FSOP_VERB_JOB_WATCH:
        case FSOP_VERB_JOB_PAUSE:
        case FSOP_VERB_JOB_RESUME:
        case FSOP_VERB_JOB_CANCEL:
        case FSOP_VERB_JOB_RETRY:
        case FSOP_VERB_JOB_FORGET:
                return unpack_job_answer(arena, &result->value.job, &ret->value.job);
        default:
                return 0;
        }
}

int unpack_result(struct arena *arena, uint64_t connection, const struct result *result,
                  struct fsop_result *ret_result) {
        *ret_result = (struct fsop_result){.verb = result->verb,
                                           .outcome = result->outcome,
                                           .elevated = result->elevated,
                                           .cloned = result->cloned};
        int r = unpack_error(arena, &result->error, &ret_result->error);
        ret_result->error.index = result->index;
        ret_result->error.verb = result->verb;
        if (r < 0 || (result->error.code && !is_walk(result->verb)))
                return r;
        return unpack_value(arena, connection, result, ret_result);
}
