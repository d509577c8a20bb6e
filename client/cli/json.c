/* SPDX-License-Identifier: MIT */
/*
 * json.c: results as JSON, one object a line; docs/json.md lists the keys. Bytes that are not UTF-8 stand as base64
 * under the key with _b64 behind it.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/show.h"

/* ---- values ------------------------------------------------------------------------------------------------------ */

static void put(json_t *object, const char *key, json_t *value) {
        if (!value || json_object_set_new(object, key, value) < 0) {
                fputs("fsop: out of memory\n", stderr);
                exit(EXIT_FAILED);
        }
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
                json_array_append(array, json_object_get(holder, "text"));
                json_decref(holder);
        }
        return array;
}

static void emit(json_t *object) {
        char *line = json_dumps(object, JSON_COMPACT);
        json_decref(object);
        if (line) {
                show_raw(line, strlen(line));
                show_raw("\n", 1);
        }
        free(line);
}

/* ---- what every line has ----------------------------------------------------------------------------------------- */

static json_t *begin(const struct action *action, const char *op, bool ok) {
        json_t *object = json_object();
        if (op)
                put_string(object, "op", op);
        if (action && action->line)
                put_u64(object, "line", action->line);
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
        /* The last step need not be of the action's own kind, nor its error be none: what was tolerated has no value.
         */
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

void json_policy_end(bool ok) {
        emit(begin(NULL, "policy-check", ok));
}
