/* SPDX-License-Identifier: MIT */
/*
 * config.c: the settings' keys, their defaults and their limits.
 */
#include "daemon/config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backends/service.h"
#include "backends/sys.h"
#include "daemon/log.h"
#include "daemon/yaml.h"
#include "proto/names.h"
#include "proto/spin.h"

#ifndef FSOPD_SYSCONFDIR
#define FSOPD_SYSCONFDIR "/etc/fsopd"
#endif
#ifndef FSOPD_VENDORDIR
#define FSOPD_VENDORDIR "/usr/share/fsopd"
#endif

#define WORKERS_MAX 64u

static const char *const engine_names[] = {"auto", "uring", "kqueue", "iocp", "threads"};
#define N_ENGINES (sizeof(engine_names) / sizeof(engine_names[0]))

int config_engine_from_name(const char *name) {
        for (size_t i = 0; i < N_ENGINES; i++)
                if (strcmp(engine_names[i], name) == 0)
                        return (int)i;
        return -1;
}

const char *config_engine_name(enum config_engine engine) {
        return (size_t)engine < N_ENGINES ? engine_names[engine] : "auto";
}

/* ---- setting ----------------------------------------------------------------------------------------------------- */

static bool is_absolute(const char *path) {
#ifdef _WIN32
        if (path[0] && path[1] == ':' && (path[2] == '\\' || path[2] == '/'))
                return true;
        if (path[0] == '\\' && path[1] == '\\')
                return true;
#endif
        return path[0] == '/';
}

static int replace(char **setting, const char *value) {
        char *copy = strdup(value);

        if (!copy)
                return -FSOP_ENOMEM;
        free(*setting);
        *setting = copy;
        return 0;
}

char *config_parent_of(const char *path) {
        const char *slash = strrchr(path, '/');

        if (!slash || slash == path)
                return strdup("/");
        return strndup(path, (size_t)(slash - path));
}

int config_set_path(char **setting, const char *value) {
        return is_absolute(value) ? replace(setting, value) : -FSOP_EINVAL;
}

int config_set_audit(struct config *config, const char *where) {
        bool is_file = strncmp(where, "file:", 5) == 0 && is_absolute(where + 5);

        if (!is_file && strcmp(where, "journal") != 0 && strcmp(where, "stderr") != 0)
                return -FSOP_EINVAL;
        return replace(&config->audit, where);
}

static void drop_policy_dirs(struct config *config) {
        for (uint32_t i = 0; i < config->n_policy_dirs; i++)
                free(config->policy_dirs[i]);
        config->n_policy_dirs = 0;
}

static int add_policy_dir(struct config *config, const char *directory, struct config_mark mark) {
        char **directories;

        if (!is_absolute(directory) || config->n_policy_dirs == CONFIG_POLICY_DIRS_MAX)
                return -FSOP_EINVAL;
        directories = realloc(config->policy_dirs, (config->n_policy_dirs + 1) * sizeof(*directories));
        if (!directories)
                return -FSOP_ENOMEM;
        config->policy_dirs = directories;
        directories[config->n_policy_dirs] = strdup(directory);
        if (!directories[config->n_policy_dirs])
                return -FSOP_ENOMEM;
        config->given.policy_dirs[config->n_policy_dirs++] = mark;
        return 0;
}

int config_add_policy_dir(struct config *config, const char *directory, bool *overridden) {
        if (!*overridden)
                drop_policy_dirs(config);
        *overridden = true;
        return add_policy_dir(config, directory, (struct config_mark){.on_command_line = true});
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

static bool say_unless(struct yaml_reader *reader, const struct yaml_node *node, int code, const char *must) {
        if (code == 0)
                return true;
        if (code == -FSOP_ENOMEM)
                return yaml_error(reader, node, "out of memory");
        return yaml_error(reader, node, "'%.200s' must be %s", node->text, must);
}

static struct config_mark mark_of(const struct yaml_node *node) {
        return (struct config_mark){.line = node->line, .column = node->column};
}

static bool read_path(struct yaml_reader *reader, const struct yaml_node *node, char **setting,
                      struct config_mark *mark) {
        const char *text;

        *mark = mark_of(node);
        return yaml_read_text(reader, node, &text) &&
               say_unless(reader, node, config_set_path(setting, text), "an absolute path");
}

static bool read_socket(struct yaml_reader *reader, const struct yaml_node *node, void *target) {
        struct config *config = target;

        return read_path(reader, node, &config->socket, &config->given.socket);
}

static bool read_state_dir(struct yaml_reader *reader, const struct yaml_node *node, void *target) {
        struct config *config = target;

        return read_path(reader, node, &config->state_dir, &config->given.state_dir);
}

static bool read_copy(struct yaml_reader *reader, const struct yaml_node *node, char **setting,
                      struct config_mark *mark) {
        const char *text;

        *mark = mark_of(node);
        return yaml_read_text(reader, node, &text) && say_unless(reader, node, replace(setting, text), "");
}

static bool read_socket_group(struct yaml_reader *reader, const struct yaml_node *node, void *target) {
        struct config *config = target;

        return read_copy(reader, node, &config->socket_group, &config->given.socket_group);
}

static bool read_admin_group(struct yaml_reader *reader, const struct yaml_node *node, void *target) {
        struct config *config = target;

        return read_copy(reader, node, &config->admin_group, &config->given.admin_group);
}

static bool read_socket_mode(struct yaml_reader *reader, const struct yaml_node *node, void *target) {
        struct config *config = target;

        if (!yaml_read_mode(reader, node, &config->socket_mode))
                return false;
        if (config->socket_mode & ~0777u)
                return yaml_error(reader, node, "'%.64s' must be a mode from 0000 to 0777", node->text);
        return true;
}

static bool read_policy_dir(struct yaml_reader *reader, const struct yaml_node *node, void *target) {
        const char *text;

        return yaml_read_text(reader, node, &text) &&
               say_unless(reader, node, add_policy_dir(target, text, mark_of(node)),
                          "an absolute path, and one of at most 64");
}

static bool read_policy_dirs(struct yaml_reader *reader, const struct yaml_node *node, void *target) {
        drop_policy_dirs(target);
        return yaml_read_list(reader, node, read_policy_dir, target);
}

static bool read_engine(struct yaml_reader *reader, const struct yaml_node *node, void *target) {
        struct config *config = target;
        size_t index;

        if (!yaml_read_word(reader, node, engine_names, N_ENGINES, &index))
                return false;
        config->engine = (enum config_engine)index;
        config->given.engine = mark_of(node);
        return true;
}

static bool read_routes(struct yaml_reader *reader, const struct yaml_node *node, void *target) {
        static const char *const names[] = {"auto", "inline", "pool", "ring"};
        size_t index;

        if (!yaml_read_word(reader, node, names, sizeof(names) / sizeof(names[0]), &index))
                return false;
        ((struct config *)target)->routes = (enum config_routes)index;
        return true;
}

static bool read_spin(struct yaml_reader *reader, const struct yaml_node *node, void *target) {
        uint64_t value;

        if (!yaml_read_number(reader, node, 0, SPIN_US_MAX, &value))
                return false;
        ((struct config *)target)->spin_us = (uint32_t)value;
        return true;
}

static bool read_workers(struct yaml_reader *reader, const struct yaml_node *node, void *target) {
        struct config *config = target;
        uint64_t value = 0;

        if (node->kind == YAML_SCALAR && strcmp(node->text, "auto") == 0) {
                config->workers = 0;
                return true;
        }
        if (!yaml_read_number(reader, node, 0, WORKERS_MAX, &value))
                return false;
        config->workers = (uint32_t)value;
        return true;
}

static bool read_audit(struct yaml_reader *reader, const struct yaml_node *node, void *target) {
        struct config *config = target;
        const char *text;

        config->given.audit = mark_of(node);
        return yaml_read_text(reader, node, &text) &&
               say_unless(reader, node, config_set_audit(config, text), "journal, stderr or file:/ABSOLUTE/PATH");
}

static bool read_log_level(struct yaml_reader *reader, const struct yaml_node *node, void *target) {
        static const char *const words[] = {"error", "warning", "notice", "info", "debug"};
        size_t index;

        if (!yaml_read_word(reader, node, words, sizeof(words) / sizeof(words[0]), &index))
                return false;
        ((struct config *)target)->log_level = LOG_LEVEL_ERROR + (int)index;
        return true;
}

static bool read_count(struct yaml_reader *reader, const struct yaml_node *node, uint32_t max, uint32_t *ret) {
        uint64_t value = 0;

        if (!yaml_read_number(reader, node, 1, max, &value))
                return false;
        *ret = (uint32_t)value;
        return true;
}

#define LIMIT(field, max)                                                                                              \
        static bool read_##field(struct yaml_reader *reader, const struct yaml_node *node, void *target) {             \
                return read_count(reader, node, max, &((struct config_limits *)target)->field);                        \
        }
LIMIT(connections, 1000000)
LIMIT(connections_per_uid, 1000000)
LIMIT(batches_in_flight, WIRE_BATCHES_MAX)
LIMIT(batch_ops, WIRE_BATCH_OPS_MAX)
LIMIT(batches_per_uid, 1000000)
LIMIT(audit_lines_per_uid, 1000000000)
LIMIT(handles, 1000000)
LIMIT(handles_per_uid, 1000000)
LIMIT(descriptors_per_uid, 1000000)
LIMIT(descriptors_reserved, 100000)
LIMIT(jobs_per_uid, 1000000)
LIMIT(jobs, 1000000)
LIMIT(jobs_running, 64) /* JOBS_RUNNING_MAX */
LIMIT(jobs_per_device, 64)

static bool read_frame_bytes(struct yaml_reader *reader, const struct yaml_node *node, void *target) {
        uint64_t value = 0;

        if (!yaml_read_size(reader, node, 4096, WIRE_FRAME_BYTES_MAX, &value))
                return false;
        ((struct config_limits *)target)->frame_bytes = (uint32_t)value;
        return true;
}

static bool read_bytes_in_flight(struct yaml_reader *reader, const struct yaml_node *node, void *target) {
        return yaml_read_size(reader, node, 4096, UINT32_MAX, &((struct config_limits *)target)->bytes_in_flight);
}

static bool read_bytes_per_uid(struct yaml_reader *reader, const struct yaml_node *node, void *target) {
        return yaml_read_size(reader, node, 4096, INT64_MAX, &((struct config_limits *)target)->bytes_per_uid);
}

static bool read_job_bytes_per_uid(struct yaml_reader *reader, const struct yaml_node *node, void *target) {
        return yaml_read_size(reader, node, 4096, INT64_MAX, &((struct config_limits *)target)->job_bytes_per_uid);
}

static bool read_hello_timeout(struct yaml_reader *reader, const struct yaml_node *node, void *target) {
        return yaml_read_duration(reader, node, 1, 3600000, &((struct config_limits *)target)->hello_timeout_ms);
}

static bool read_limits(struct yaml_reader *reader, const struct yaml_node *node, void *target) {
        static const struct yaml_key keys[] = {
                {"connections", read_connections, false},
                {"connections-per-uid", read_connections_per_uid, false},
                {"batches-in-flight", read_batches_in_flight, false},
                {"batch-operations", read_batch_ops, false},
                {"frame-bytes", read_frame_bytes, false},
                {"bytes-in-flight-per-connection", read_bytes_in_flight, false},
                {"bytes-per-uid", read_bytes_per_uid, false},
                {"batches-per-uid", read_batches_per_uid, false},
                {"audit-lines-per-uid", read_audit_lines_per_uid, false},
                {"handles-per-connection", read_handles, false},
                {"handles-per-uid", read_handles_per_uid, false},
                {"jobs-per-uid", read_jobs_per_uid, false},
                {"jobs", read_jobs, false},
                {"job-bytes-per-uid", read_job_bytes_per_uid, false},
                {"jobs-running", read_jobs_running, false},
                {"jobs-per-device", read_jobs_per_device, false},
                {"hello-timeout", read_hello_timeout, false},
                {"descriptors-per-uid", read_descriptors_per_uid, false},
                {"descriptors-reserved", read_descriptors_reserved, false},
        };

        return yaml_read_map(reader, node, keys, sizeof(keys) / sizeof(keys[0]), &((struct config *)target)->limits);
}

static const struct yaml_key config_keys[] = {
        {"socket", read_socket, false},
        {"socket-group", read_socket_group, false},
        {"socket-mode", read_socket_mode, false},
        {"admin-group", read_admin_group, false},
        {"state-dir", read_state_dir, false},
        {"policy-dir", read_policy_dirs, false},
        {"engine", read_engine, false},
        {"routes", read_routes, false},
        {"workers", read_workers, false},
        {"spin-us", read_spin, false},
        {"audit", read_audit, false},
        {"log-level", read_log_level, false},
        {"limits", read_limits, false},
};

/* ---- defaults ---------------------------------------------------------------------------------------------------- */

static const struct config_limits default_limits = {
        .connections = 2048,
        .connections_per_uid = 1024,
        .batches_in_flight = WIRE_BATCHES_MAX,
        .batch_ops = WIRE_BATCH_OPS_MAX,
        .frame_bytes = WIRE_FRAME_BYTES_MAX,
        .bytes_in_flight = 1u << 20,
        .bytes_per_uid = 64u << 20,
        .batches_per_uid = 4096,
        .audit_lines_per_uid = 1000000,
        .handles = 256,
        .handles_per_uid = 1024,
        .jobs_per_uid = 10000,
        .jobs = 20000,
        .job_bytes_per_uid = 64u << 20,
        .jobs_running = 4,
        .jobs_per_device = 1,
        .hello_timeout_ms = 5000,
        .descriptors_per_uid = 4096,
        .descriptors_reserved = 64,
};

static int set_defaults(struct config *config, bool private_service) {
        config->socket = service_default_socket(private_service);
        config->state_dir = service_default_state_dir(private_service);
        config->socket_mode = private_service ? 0600 : 0660;
        config->audit = strdup("stderr");
        config->log_level = LOG_LEVEL_INFO;
        config->spin_us = SPIN_US_DEFAULT;
        config->limits = default_limits;
        if (!config->socket || !config->state_dir || !config->audit)
                return -FSOP_ENOMEM;
        if (private_service)
                return 0;
        if (add_policy_dir(config, FSOPD_VENDORDIR "/policy.d", (struct config_mark){0}) < 0 ||
            add_policy_dir(config, FSOPD_SYSCONFDIR "/policy.d", (struct config_mark){0}) < 0)
                return -FSOP_ENOMEM;
        return replace(&config->socket_group, "fsop");
}

struct config *config_free(struct config *config) {
        if (!config)
                return NULL;
        drop_policy_dirs(config);
        free(config->policy_dirs);
        free(config->file);
        free(config->socket);
        free(config->socket_group);
        free(config->admin_group);
        free(config->state_dir);
        free(config->audit);
        free(config);
        return NULL;
}

/* ---- the file ---------------------------------------------------------------------------------------------------- */

/* Errors become a line each. */
static void keep_error(void *userdata, bool is_error, char *where, char *text) {
        char **ret_error = userdata;
        size_t len = *ret_error ? strlen(*ret_error) : 0;
        size_t size = len + (where ? strlen(where) : 0) + (text ? strlen(text) : 0) + 4;
        char *grown = is_error && where && text ? realloc(*ret_error, size) : NULL;

        if (grown) {
                snprintf(grown + len, size - len, "%s%s: %s", len > 0 ? "\n" : "", where, text);
                *ret_error = grown;
        }
        free(where);
        free(text);
}

static int parse(struct config *config, const char *path, const char *data, size_t len, char **ret_error) {
        struct yaml_reader reader;
        struct yaml_node *root;
        bool ok;

        yaml_reader_init(&reader, path, keep_error, ret_error);
        ok = yaml_reader_parse(&reader, data, len, &root) &&
             (!root || yaml_read_map(&reader, root, config_keys, sizeof(config_keys) / sizeof(config_keys[0]), config));
        yaml_reader_fini(&reader);
        return ok ? 0 : -FSOP_EINVAL;
}

/* 1: there is none; a link to /dev/null is an empty one. */
static int load_file(struct config *config, const char *path, char **ret_error) {
        const char *why = NULL;
        bool masked = false;
        char *data = NULL;
        size_t len = 0;
        int code = sys_read_trusted_file(path, YAML_FILE_BYTES_MAX, &data, &len, &masked, &why);

        if (code < 0) {
                keep_error(ret_error, true, strdup(path), strdup(why ? why : error_text(-code)));
                return code;
        }
        code = masked ? 0 : parse(config, path, data, len, ret_error);
        free(data);
        return code < 0 ? code : replace(&config->file, path);
}

static int load_default_file(struct config *config, char **ret_error) {
        static const char *const paths[] = {FSOPD_SYSCONFDIR "/fsopd.yaml", FSOPD_SYSCONFDIR "/fsopd.conf"};
        int code = -FSOP_ENOENT;

        for (size_t i = 0; i < 2 && code == -FSOP_ENOENT; i++) {
                code = load_file(config, paths[i], ret_error);
                if (code == -FSOP_ENOENT) {
                        free(*ret_error);
                        *ret_error = NULL;
                }
        }
        return code == -FSOP_ENOENT ? 0 : code;
}

int config_load(const char *path, bool private_service, struct config **ret_config, char **ret_error) {
        struct config *config = calloc(1, sizeof(*config));
        int code = config ? set_defaults(config, private_service) : -FSOP_ENOMEM;

        *ret_config = NULL;
        *ret_error = NULL;
        if (code == 0 && path)
                code = load_file(config, path, ret_error);
        else if (code == 0 && !private_service)
                code = load_default_file(config, ret_error);
        if (code < 0) {
                config_free(config);
                return code;
        }
        *ret_config = config;
        return 0;
}
