/* SPDX-License-Identifier: MIT */
/*
 * policy_load.c: which files make up a policy, reading them, and the life of the result.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/policy_internal.h"
#include "proto/names.h"

#define ARENA_BYTES_MAX ((size_t)256 << 20)
#define NOTES_MAX 256u

/* ---- notes -------------------------------------------------------------------------------------- */

void policy_report_fini(struct policy_report *report) {
        for (uint32_t i = 0; i < report->n_notes; i++) {
                free(report->notes[i].where);
                free(report->notes[i].text);
        }
        free(report->notes);
        memset(report, 0, sizeof(*report));
}

/* Takes over both strings. Beyond NOTES_MAX only what makes the first error is kept: one must always be there to be
 * told. */
static void take_note(void *userdata, bool is_error, char *where, char *text) {
        struct policy_report *report = userdata;
        struct policy_note *notes = NULL;

        if (report->n_notes < NOTES_MAX || (is_error && report->n_notes == NOTES_MAX))
                notes = realloc(report->notes, (report->n_notes + 1) * sizeof(*notes));
        if (!notes || !where || !text) {
                if (notes)
                        report->notes = notes;
                free(where);
                free(text);
                return;
        }
        notes[report->n_notes++] = (struct policy_note){.is_error = is_error, .where = where, .text = text};
        report->notes = notes;
}

static char *join(const char *directory, const char *name) {
        size_t size = strlen(directory) + strlen(name) + 2;
        char *path = malloc(size);

        if (path)
                snprintf(path, size, "%s/%s", directory, name);
        return path;
}

static void note_about(struct policy_report *report, bool is_error, const char *where, const char *text) {
        take_note(report, is_error, strdup(where), strdup(text));
}

/* ---- the policy's life -------------------------------------------------------------------------- */

static struct policy *policy_free(struct policy *policy) {
        if (policy) {
                user_names_free(policy->names);
                arena_fini(&policy->arena);
                buffer_fini(&policy->source);
                free(policy);
        }
        return NULL;
}

static struct policy *policy_new(void) {
        static uint64_t editions;
        struct policy *policy = calloc(1, sizeof(*policy));

        if (!policy)
                return NULL;
        policy->refs = 1;
        policy->edition = ++editions;
        arena_init(&policy->arena, ARENA_BYTES_MAX);
        if (user_names_new(&policy->names) < 0)
                return policy_free(policy);
        return policy;
}

struct policy *policy_ref(struct policy *policy) {
        policy->refs++;
        return policy;
}

struct policy *policy_unref(struct policy *policy) {
        if (policy && --policy->refs == 0)
                policy_free(policy);
        return NULL;
}

/* ---- whether rules are the same as before ------------------------------------------------------------------------ */

void policy_remember(struct policy *policy, const void *data, size_t len) {
        if (buffer_append(&policy->source, data, len) < 0)
                policy->source_lost = true;
}

/* Texts are compared, not rules: a rule's parts would have to be listed here, and one that was forgotten would not be
 * revoked. */
void policy_compare(struct policy *policy, const struct policy *before) {
        const struct buffer *a = &policy->source, *b = &before->source;

        if (buffer_len(a) == buffer_len(b) &&
            (buffer_len(a) == 0 || memcmp(a->data + a->start, b->data + b->start, buffer_len(a)) == 0))
                policy->edition = before->edition;
}

bool policy_is_same(const struct policy *policy, const struct policy *before, const struct peer *peer) {
        if (policy == before)
                return true;
        return policy->edition == before->edition &&
               (!policy->any_per_user || user_names_agree(before->names, policy->names, peer->uid));
}

static int take_own_paths(struct policy *policy, const struct policy_config *config, struct policy_report *report) {
        policy->own = arena_calloc(&policy->arena, config->n_own_paths + 1, sizeof(*policy->own));
        if (!policy->own)
                return -FSOP_ENOMEM;
        for (uint32_t i = 0; i < config->n_own_paths; i++) {
                const char *wrong = rule_path_set(&policy->arena, &policy->own[i], config->own_paths[i]);

                if (wrong) {
                        note_about(report, true, config->own_paths[i], wrong);
                        return -FSOP_EINVAL;
                }
                policy->own[i].per_user = false; /* a % in it is a % */
                policy->n_own++;
        }
        return 0;
}

/* ---- files -------------------------------------------------------------------------------------- */

static int load_text(struct policy *policy, const char *name, const char *data, size_t len,
                     struct policy_report *report) {
        struct yaml_reader reader;
        struct yaml_node *root;
        bool ok;

        policy_remember(policy, name, strlen(name) + 1);
        policy_remember(policy, &len, sizeof(len));
        policy_remember(policy, data, len);
        yaml_reader_init(&reader, name, take_note, report);
        ok = yaml_reader_parse(&reader, data, len, &root) && policy_parse(policy, &reader, root);
        yaml_reader_fini(&reader);
        return ok ? 0 : -FSOP_EINVAL;
}

static int load_trusted(struct policy *policy, const char *path, struct policy_report *report) {
        const char *why = NULL;
        bool masked = false;
        char *data = NULL;
        size_t len = 0;
        int code = sys_read_trusted_file(path, YAML_FILE_BYTES_MAX, &data, &len, &masked, &why);

        if (code < 0) {
                note_about(report, true, path, why ? why : error_text(-code));
                return code;
        }
        if (!masked)
                code = load_text(policy, path, data, len, report);
        free(data);
        return code;
}

/* For looking at a file before it is put in place; nothing is granted by it. */
static int load_untrusted(struct policy *policy, const char *path, struct policy_report *report) {
        char *data = NULL;
        size_t len = 0;
        int code = sys_read_any_file(path, YAML_FILE_BYTES_MAX, &data, &len);

        if (code < 0)
                note_about(report, true, path, error_text(-code));
        else
                code = load_text(policy, path, data, len, report);
        free(data);
        return code;
}

static bool is_policy_name(const char *name) {
        const char *dot = strrchr(name, '.');

        return name[0] != '.' && dot &&
               (strcmp(dot, ".yaml") == 0 || strcmp(dot, ".yml") == 0 || strcmp(dot, ".conf") == 0);
}

/* Names of policy files, each with the last directory that has it. */
struct found {
        struct {
                char *name;
                const char *directory;
        } * files;
        size_t n_files, cap;
};

static void found_fini(struct found *found) {
        for (size_t i = 0; i < found->n_files; i++)
                free(found->files[i].name);
        free(found->files);
}

/* Takes over NAME. */
static int found_add(struct found *found, const char *directory, char *name) {
        for (size_t i = 0; i < found->n_files; i++)
                if (strcmp(found->files[i].name, name) == 0) {
                        found->files[i].directory = directory;
                        free(name);
                        return 0;
                }
        if (found->n_files == found->cap) {
                size_t cap = found->cap ? 2 * found->cap : 16;
                void *files = realloc(found->files, cap * sizeof(*found->files));

                if (!files) {
                        free(name);
                        return -FSOP_ENOMEM;
                }
                found->files = files;
                found->cap = cap;
        }
        found->files[found->n_files].name = name;
        found->files[found->n_files++].directory = directory;
        return 0;
}

static int found_scan(struct found *found, const char *directory, struct policy_report *report) {
        const char *why = NULL;
        char **names = NULL;
        size_t n_names = 0;
        int code = sys_list_trusted_directory(directory, &names, &n_names, &why);

        if (code == -FSOP_ENOENT)
                return 0;
        if (code < 0) {
                note_about(report, true, directory, why ? why : error_text(-code));
                return code;
        }
        for (size_t i = 0; i < n_names; i++)
                if (code >= 0 && is_policy_name(names[i]))
                        code = found_add(found, directory, names[i]);
                else
                        free(names[i]);
        free(names);
        return code < 0 ? code : 0;
}

static int compare_files(const void *a, const void *b) {
        return strcmp(*(char *const *)a, *(char *const *)b); /* the name is the first member */
}

/* Every file is read even after an error, so that all are told at once. */
static int load_found(struct policy *policy, struct found *found, struct policy_report *report) {
        int result = 0;

        if (found->n_files)
                qsort(found->files, found->n_files, sizeof(*found->files), compare_files);
        for (size_t i = 0; i < found->n_files; i++) {
                char *path = join(found->files[i].directory, found->files[i].name);
                int code = path ? load_trusted(policy, path, report) : -FSOP_ENOMEM;

                free(path);
                if (code < 0 && result == 0)
                        result = code;
        }
        return result;
}

static bool has_error(const struct policy_report *report) {
        for (uint32_t i = 0; i < report->n_notes; i++)
                if (report->notes[i].is_error)
                        return true;
        return false;
}

/* Hands the policy out, or frees it: a bad file anywhere makes no policy at all. */
static int finish(struct policy *policy, int code, struct policy **ret_policy, struct policy_report *report) {
        if (code < 0) {
                policy_free(policy);
                if (!has_error(report))
                        note_about(report, true, "policy", code == -FSOP_ENOMEM ? "out of memory" : "cannot be read");
                return -FSOP_EINVAL;
        }
        report->n_rules = policy->n_rules;
        *ret_policy = policy;
        return 0;
}

int policy_load(const struct policy_config *config, struct policy **ret_policy, struct policy_report *ret_report) {
        struct policy *policy = policy_new();
        struct found found = {0};
        int code = policy ? 0 : -FSOP_ENOMEM;

        memset(ret_report, 0, sizeof(*ret_report));
        *ret_policy = NULL;
        if (code == 0)
                code = take_own_paths(policy, config, ret_report);
        for (uint32_t i = 0; i < config->n_directories && code == 0; i++)
                code = found_scan(&found, config->directories[i], ret_report);
        if (code == 0)
                code = load_found(policy, &found, ret_report);
        if (code == 0 && policy->source_lost)
                code = -FSOP_ENOMEM;
        found_fini(&found);
        return finish(policy, code, ret_policy, ret_report);
}

int policy_load_files(const char *const *files, uint32_t n_files, bool trusted_only, struct policy **ret_policy,
                      struct policy_report *ret_report) {
        struct policy *policy = policy_new();
        int result = policy ? 0 : -FSOP_ENOMEM;

        memset(ret_report, 0, sizeof(*ret_report));
        *ret_policy = NULL;
        for (uint32_t i = 0; i < n_files && policy; i++) {
                int code = trusted_only ? load_trusted(policy, files[i], ret_report)
                                        : load_untrusted(policy, files[i], ret_report);

                if (code < 0 && result == 0)
                        result = code;
        }
        return finish(policy, result, ret_policy, ret_report);
}

/* ---- who may connect --------------------------------------------------------------------------------------------- */

static bool uid_may_connect(uint32_t uid, uint32_t socket_gid) {
        uint32_t *groups = NULL, n_groups = 0, named_uid, gid;
        char name[256];
        bool may = false;

        if (uid == 0)
                return true;
        if (sys_name_of_user(uid, name, sizeof(name)) < 0 || sys_user_by_name(name, &named_uid, &gid) < 0 ||
            sys_groups_of_user(name, gid, &groups, &n_groups) < 0)
                return false;
        for (uint32_t i = 0; i < n_groups; i++)
                may |= groups[i] == socket_gid;
        free(groups);
        return may;
}

int policy_warn_connect(const struct policy *policy, uint32_t socket_gid, struct policy_report *report) {
        for (uint32_t i = 0; i < policy->n_rules; i++) {
                const struct rule *rule = policy->rules[i];

                if (rule->effect == EFFECT_DENY || rule->inert)
                        continue;
                for (uint32_t j = 0; j < rule->users.n_ids; j++) {
                        char text[128];

                        if (uid_may_connect(rule->users.ids[j], socket_gid))
                                continue;
                        snprintf(text, sizeof(text), "uid %u may not connect: it is not in the socket's group",
                                 (unsigned)rule->users.ids[j]);
                        note_about(report, false, rule->where, text);
                }
        }
        return 0;
}
