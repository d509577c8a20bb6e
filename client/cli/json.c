/* SPDX-License-Identifier: MIT */
/*
 * json.c: results as JSON, one object a line; docs/json.md lists the keys. Bytes that are not UTF-8 stand as base64
 * under the key with _b64 behind it.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/progress.h"
#include "client/cli/show.h"
#include "client/cli/terminal.h"

/* ---- values ------------------------------------------------------------------------------------------------------ */

__attribute__((noreturn)) static void no_memory(void) {
        fputs("fsop: out of memory\n", stderr);
        exit(EXIT_FAILED);
}

static void put(json_t *object, const char *key, json_t *value) {
        if (!value || json_object_set_new(object, key, value) < 0)
                no_memory();
}

static void put_u64(json_t *object, const char *key, uint64_t value) {
        put(object, key, json_integer((json_int_t)value));
}

static void put_bool(json_t *object, const char *key, bool value) {
        put(object, key, json_boolean(value));
}

static void put_string(json_t *object, const char *key, const char *value) {
        put(object, key, json_string(value ? value : "unknown"));
}

static json_t *base64(struct fsop_bytes bytes) {
        char *encoded = value_encode(VALUE_BASE64, bytes.data, bytes.len);
        json_t *value = encoded ? json_string(encoded) : NULL;
        free(encoded);
        return value;
}

static void put_bytes(json_t *object, const char *key, struct fsop_bytes bytes) {
        char name[32];
        json_t *value = json_stringn(bytes.len ? bytes.data : "", bytes.len);
        if (value) {
                put(object, key, value);
                return;
        }
        snprintf(name, sizeof(name), "%s_b64", key);
        put(object, name, base64(bytes));
}

/* Texts of the daemon are UTF-8; should they not be, their strange bytes are escaped. */
static void put_sentence(json_t *object, const char *key, struct fsop_bytes bytes) {
        struct text text = {0};
        text_add_sentence(&text, bytes.len ? bytes.data : "", bytes.len);
        put(object, key, json_stringn(text.data ? text.data : "", text.len));
        text_free(&text);
}

static json_t *sentences(const struct fsop_bytes *list, uint32_t n) {
        json_t *array = json_array();
        for (uint32_t i = 0; i < n; i++) {
                json_t *holder = json_object();
                put_sentence(holder, "text", list[i]);
                if (json_array_append(array, json_object_get(holder, "text")) < 0)
                        no_memory();
                json_decref(holder);
        }
        return array;
}

static void emit(json_t *object) {
        /* a terminal would obey some of the characters that JSON lets through */
        char *line = json_dumps(object, JSON_COMPACT | (terminal_is_terminal(stdout) ? JSON_ENSURE_ASCII : 0));
        json_decref(object);
        if (!line)
                no_memory();
        show_raw(line, strlen(line));
        show_raw("\n", 1);
        free(line);
}

/* A number that is kept as it is by whatever reads it, and a name rather than a quantity. */
static void put_job(json_t *object, uint64_t job) {
        char text[24];
        snprintf(text, sizeof(text), "%llu", (unsigned long long)job);
        put_string(object, "job", text);
}

/* ---- what every line has ----------------------------------------------------------------------------------------- */

static json_t *begin(const struct action *action, const char *op, bool ok) {
        json_t *object = json_object();
        if (op)
                put_string(object, "op", op);
        if (action && action->line)
                put_u64(object, "line", action->line);
        if (action && action->job)
                put_job(object, action->job);
        if (action && action->path)
                put_bytes(object, "path", fsop_bytes_of(action->path));
        if (action && action->to)
                put_bytes(object, "to", fsop_bytes_of(action->to));
        put_bool(object, "ok", ok);
        return object;
}

/* ---- results ----------------------------------------------------------------------------------------------------- */

static void put_time(json_t *object, const char *key, struct fsop_time time) {
        json_t *value = json_object();
        put(value, "tv_sec", json_integer(time.sec));
        put_u64(value, "tv_nsec", time.nsec);
        put(object, key, value);
}

static void put_stat(json_t *object, const struct fsop_stat *stat) {
        put_u64(object, "stx_mask", stat->mask);
        put_u64(object, "stx_blksize", stat->blksize);
        put_u64(object, "stx_attributes", stat->attributes);
        put_u64(object, "stx_nlink", stat->nlink);
        put_u64(object, "stx_uid", stat->uid);
        put_u64(object, "stx_gid", stat->gid);
        put_u64(object, "stx_mode", stat->mode);
        put_u64(object, "stx_ino", stat->ino);
        put_u64(object, "stx_size", stat->size);
        put_u64(object, "stx_blocks", stat->blocks);
        put_u64(object, "stx_attributes_mask", stat->attributes_mask);
        put_time(object, "stx_atime", stat->atime);
        if (stat->mask & FSOP_STAT_BTIME)
                put_time(object, "stx_btime", stat->btime);
        put_time(object, "stx_ctime", stat->ctime);
        put_time(object, "stx_mtime", stat->mtime);
        put_u64(object, "stx_rdev_major", stat->rdev_major);
        put_u64(object, "stx_rdev_minor", stat->rdev_minor);
        put_u64(object, "stx_dev_major", stat->dev_major);
        put_u64(object, "stx_dev_minor", stat->dev_minor);
        if (stat->mask & FSOP_STAT_MNT_ID)
                put_u64(object, "stx_mnt_id", stat->mnt_id);
}

static void put_statfs(json_t *object, const struct fsop_statfs *statfs) {
        char fsid[20];
        snprintf(fsid, sizeof(fsid), "%016llx", (unsigned long long)statfs->fsid);
        put_u64(object, "f_type", statfs->type);
        put_u64(object, "f_bsize", statfs->bsize);
        put_u64(object, "f_blocks", statfs->blocks);
        put_u64(object, "f_bfree", statfs->bfree);
        put_u64(object, "f_bavail", statfs->bavail);
        put_u64(object, "f_files", statfs->files);
        put_u64(object, "f_ffree", statfs->ffree);
        put_string(object, "f_fsid", fsid);
        put_u64(object, "f_namelen", statfs->namelen);
        put_u64(object, "f_frsize", statfs->frsize);
        put_u64(object, "f_flags", statfs->flags);
}

static void put_walk(json_t *object, const struct fsop_walk_result *walk) {
        json_t *failures = json_array();
        put_u64(object, "visited", walk->visited);
        put_u64(object, "changed", walk->changed);
        put_u64(object, "failed", walk->failed);
        for (uint32_t i = 0; i < walk->n_failures; i++) {
                json_t *failure = json_object();
                put_bytes(failure, "path", walk->failures[i].path);
                put_string(failure, "code", fsop_error_name(walk->failures[i].code));
                put(failure, "os_error", json_integer(walk->failures[i].os_error));
                json_array_append_new(failures, failure);
        }
        put(object, "failures", failures);
}

/* Names one after the other with NULs between. */
static void put_names(json_t *object, struct fsop_bytes data) {
        const char *p = data.data, *end = p ? p + data.len : NULL;
        json_t *names = json_array(), *encoded = json_array();
        bool all_text = true;
        for (; p < end; p += strlen(p) + 1) {
                json_t *name = json_string(p);
                if (name)
                        json_array_append_new(names, name);
                else
                        all_text = false;
                json_array_append_new(encoded, base64(fsop_bytes_of(p)));
        }
        put(object, all_text ? "names" : "names_b64", json_incref(all_text ? names : encoded));
        json_decref(names);
        json_decref(encoded);
}

static json_t *support_list(const struct fsop_support *support, uint32_t n) {
        json_t *list = json_array();
        for (uint32_t i = 0; i < n; i++) {
                json_t *row = json_object();
                put_sentence(row, "name", support[i].feature);
                put_string(row, "level", fsop_support_level_name(support[i].level));
                put_sentence(row, "note", support[i].note);
                json_array_append_new(list, row);
        }
        return list;
}

static void put_info(json_t *object, const struct fsop_info_result *info) {
        put_sentence(object, "version", info->version);
        put_sentence(object, "platform", info->platform);
        put_sentence(object, "engine", info->engine);
        put(object, "support", support_list(info->support, info->n_support));
        if (!info->has_filesystem)
                return;
        put_sentence(object, "filesystem", info->filesystem);
        put(object, "features", support_list(info->features, info->n_features));
}

static void put_status(json_t *object, const struct fsop_status_result *status) {
        json_t *counters = json_object(), *limits = json_object();
        for (uint32_t i = 0; i < status->n_counters; i++) {
                char *name = cli_copy(status->counters[i].name.data, status->counters[i].name.len);
                put_u64(counters, name, status->counters[i].value);
                if (status->counters[i].has_limit)
                        put_u64(limits, name, status->counters[i].limit);
                free(name);
        }
        put(object, "counters", counters);
        put(object, "limits", limits);
        if (status->no_jobs.len > 0)
                put_sentence(object, "no_jobs", status->no_jobs);
}

static void put_explain(json_t *object, const struct action *action, const struct fsop_explain_result *explain) {
        put_string(object, "operation", fsop_verb_name(action->explained));
        put_bool(object, "allowed", explain->allowed);
        put_string(object, "as", fsop_as_name(explain->as));
        if (explain->rule.len)
                put_sentence(object, "rule", explain->rule);
        if (explain->where.len)
                put_sentence(object, "where", explain->where);
        put_sentence(object, "reason", explain->reason);
        put(object, "notes", sentences(explain->notes, explain->n_notes));
}

static void put_value(json_t *object, const struct action *action, const struct fsop_result *result) {
        switch (action->verb) {
        case FSOP_VERB_STAT:
                put_stat(object, &result->value.stat);
                break;
        case FSOP_VERB_STATFS:
                put_statfs(object, &result->value.statfs);
                break;
        case FSOP_VERB_READLINK:
                put_bytes(object, "target", result->value.data);
                break;
        case FSOP_VERB_GETXATTR:
                put_bytes(object, "name", action->steps[0].args.getxattr.name);
                put_bytes(object, "value", result->value.data);
                break;
        case FSOP_VERB_LISTXATTR:
                put_names(object, result->value.data);
                break;
        case FSOP_VERB_COPY_RANGE:
                put_u64(object, "bytes", result->value.count);
                put_bool(object, "cloned", result->cloned);
                break;
        case FSOP_VERB_CP:
                if (result->value.job.n_jobs)
                        put_job(object, result->value.job.jobs[0].id);
                break;
        case FSOP_VERB_JOB_PAUSE:
        case FSOP_VERB_JOB_RESUME:
        case FSOP_VERB_JOB_CANCEL:
        case FSOP_VERB_JOB_RETRY:
                if (result->value.job.n_jobs)
                        put_string(object, "state", fsop_job_state_name(result->value.job.jobs[0].state));
                break;
        case FSOP_VERB_INFO:
                put_info(object, &result->value.info);
                break;
        case FSOP_VERB_STATUS:
                put_status(object, &result->value.status);
                break;
        case FSOP_VERB_EXPLAIN:
                put_explain(object, action, &result->value.explain);
                break;
        case FSOP_VERB_POLICY_RELOAD:
                put_u64(object, "rules", result->value.reload.rules);
                put(object, "warnings", sentences(result->value.reload.warnings, result->value.reload.n_warnings));
                break;
        default:
                if (action_walks(action))
                        put_walk(object, &result->value.walk);
        }
}

void json_success(const struct action *action, const struct fsop_result *result) {
        json_t *object = begin(action, fsop_verb_name(action->verb), true);
        if (result->verb != FSOP_VERB_EXPLAIN)
                put_bool(object, "elevated", result->elevated);
        /* The last step need not be of the action's own kind, nor its error be none: what was tolerated has no
         * value. */
        if (result->verb == action->verb && result->error.code == 0)
                put_value(object, action, result);
        emit(object);
}

void json_failure(const struct action *action, const char *op, const struct failure *failure) {
        json_t *object = begin(action, op, false), *error = json_object();
        put_string(error, "code", fsop_error_name(failure->code));
        put_string(error, "class", fsop_error_class_name(failure->class_));
        put(error, "os_error", json_integer(failure->os_error));
        if (failure->rule.len)
                put_sentence(error, "rule", failure->rule);
        put_sentence(error, "message",
                     failure->message.len ? failure->message : fsop_bytes_of(fsop_strerror(failure->code)));
        put_bool(error, "retryable", failure->retryable);
        put_string(error, "outcome", fsop_outcome_name(failure->outcome));
        put(object, "error", error);
        if (failure->walk)
                put_walk(object, failure->walk);
        emit(object);
}

/* ---- jobs -------------------------------------------------------------------------------------------------------- */

static json_t *error_object(const struct fsop_error *error) {
        json_t *object = json_object();
        put_string(object, "code", fsop_error_name(error->code));
        put_string(object, "class", fsop_error_class_name(error->class_));
        put(object, "os_error", json_integer(error->os_error));
        if (error->rule.len)
                put_sentence(object, "rule", error->rule);
        put_sentence(object, "message",
                     error->message.len ? error->message : fsop_bytes_of(fsop_strerror(error->code)));
        put_bool(object, "retryable", error->retryable);
        return object;
}

static void put_job_times(json_t *object, const struct fsop_job_info *job) {
        put_time(object, "created", job->created);
        if (job->started.sec)
                put_time(object, "started", job->started);
        if (job->finished.sec)
                put_time(object, "finished", job->finished);
        if (job->retry.sec)
                put_time(object, "retry", job->retry);
}

static void put_job_counters(json_t *object, const struct fsop_job_info *job) {
        const int percent = progress_percent(job);
        put_bool(object, "totals_known", job->totals_known);
        if (job->totals_known) {
                put_u64(object, "files_total", job->files_total);
                put_u64(object, "bytes_total", job->bytes_total);
        }
        put_u64(object, "files_done", job->files_done);
        put_u64(object, "files_failed", job->files_failed);
        put_u64(object, "files_skipped", job->files_skipped);
        put_u64(object, "bytes_copied", job->bytes_copied);
        put_u64(object, "bytes_flushed", job->bytes_flushed);
        put_u64(object, "bytes_verified", job->bytes_verified);
        put_u64(object, "bytes_per_s", job->bytes_per_s);
        if (job->has_seconds_left)
                put_u64(object, "seconds_left", job->seconds_left);
        if (percent >= 0)
                put_u64(object, "percent", (uint64_t)percent);
}

/* What is said of a job everywhere. */
static void put_job_info(json_t *object, const struct fsop_job_info *job) {
        put_string(object, "state", fsop_job_state_name(job->state));
        put_u64(object, "uid", job->uid);
        put_bytes(object, "user", job->user);
        put(object, "priority", json_integer(job->priority));
        put_string(object, "as", fsop_as_name(job->as));
        put_bool(object, "elevated", job->elevated);
        put_bytes(object, "source", job->source);
        put_bytes(object, "target", job->target);
        put_u64(object, "places", job->n_places);
        put_bool(object, "verify", job->verify);
        put_u64(object, "runs", job->runs);
        put_job_times(object, job);
        put_job_counters(object, job);
        if (job->error.code)
                put(object, "error", error_object(&job->error));
}

static json_t *begin_job(enum fsop_verb verb, const struct fsop_job_info *job) {
        json_t *object = begin(NULL, fsop_verb_name(verb), true);
        put_job(object, job->id);
        put_job_info(object, job);
        put_u64(object, "event", job->event);
        return object;
}

void json_job(enum fsop_verb verb, const struct fsop_job_info *job) {
        emit(begin_job(verb, job));
}

/* An array of jansson's under a name of ours. */
struct json_failures {
        json_t *array;
};

struct json_failures *json_failures_new(void) {
        struct json_failures *failures = cli_alloc(sizeof(*failures));
        failures->array = json_array();
        return failures;
}

void json_failures_add(struct json_failures *failures, const struct fsop_job_failure *failure) {
        json_t *object = json_object();
        put_bytes(object, "path", failure->path);
        put(object, "error", error_object(&failure->error));
        json_array_append_new(failures->array, object);
}

void json_failures_free(struct json_failures *failures) {
        json_decref(failures->array);
        free(failures);
}

void json_job_shown(const struct fsop_job_info *job, const struct json_failures *failures) {
        json_t *object = begin_job(FSOP_VERB_JOB_SHOW, job);
        put(object, "failures", json_incref(failures->array));
        emit(object);
}

void json_job_digest(uint64_t job, const struct fsop_job_digest *digest) {
        json_t *object = begin(NULL, fsop_verb_name(FSOP_VERB_JOB_SHOW), true);
        char *hex = value_encode(VALUE_HEX, digest->digest, sizeof(digest->digest));
        put_job(object, job);
        put_bytes(object, "path", digest->path);
        put_string(object, "blake2b_256", hex);
        free(hex);
        emit(object);
}

/* The line of a failure is about a file, all others about the job. */
void json_job_event(uint64_t job, const struct fsop_job_event *event) {
        static const char *const kinds[] = {[FSOP_JOB_EVENT_NONE] = "unknown",
                                            [FSOP_JOB_EVENT_STATE] = "state",
                                            [FSOP_JOB_EVENT_PROGRESS] = "progress",
                                            [FSOP_JOB_EVENT_FAILURE] = "failure"};
        const bool failure = event->kind == FSOP_JOB_EVENT_FAILURE;
        const enum fsop_job_state state = event->job.state;
        const bool bad = failure || state == FSOP_JOB_FAILED || state == FSOP_JOB_CANCELLED;
        json_t *object = begin(NULL, fsop_verb_name(FSOP_VERB_JOB_WATCH), !bad);
        put_job(object, job);
        put_u64(object, "event", event->number);
        put_time(object, "time", event->time);
        put_string(object, "kind", event->kind <= FSOP_JOB_EVENT_FAILURE ? kinds[event->kind] : kinds[0]);
        if (failure) {
                put_bytes(object, "path", event->failure.path);
                put(object, "error", error_object(&event->failure.error));
        } else
                put_job_info(object, &event->job);
        emit(object);
}

/* ---- listings, ping, policy check -------------------------------------------------------------------------------- */

void json_entry(const struct action *action, const struct fsop_entry *entry) {
        json_t *object = begin(action, "ls", true);
        put_bytes(object, "name", entry->name);
        put_string(object, "type", fsop_file_type_name(entry->type));
        put_u64(object, "ino", entry->ino);
        if (entry->has_stat)
                put_stat(object, &entry->stat);
        emit(object);
}

void json_entries_end(const struct action *action, uint64_t n) {
        json_t *object = begin(action, "ls", true);
        put_u64(object, "entries", n);
        emit(object);
}

void json_ping(const struct action *action, uint64_t us) {
        json_t *object = begin(action, "ping", true);
        put_u64(object, "rtt_us", us);
        emit(object);
}

void json_policy_note(const char *path, unsigned line, unsigned column, bool is_error, const char *message) {
        json_t *object = begin(NULL, "policy-check", !is_error);
        put_bytes(object, "path", fsop_bytes_of(path));
        if (line) {
                put_u64(object, "line", line);
                put_u64(object, "column", column);
        }
        put_string(object, "severity", is_error ? "error" : "warning");
        put_sentence(object, "message", fsop_bytes_of(message));
        emit(object);
}

void json_nothing(const struct action *action) {
        emit(begin(action, fsop_verb_name(action->verb), true));
}

void json_policy_end(bool ok) {
        emit(begin(NULL, "policy-check", ok));
}
