/* SPDX-License-Identifier: MIT */
/*
 * check.c: reports on settings and rules.
 */
#include "daemon/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backends/engine.h"
#include "backends/sys.h"
#include "daemon/listen.h"
#include "daemon/policy.h"
#include "daemon/server.h"
#include "proto/names.h"

static int print_report(const struct policy_report *report, bool warnings_fail) {
        int status = 0;

        for (uint32_t i = 0; i < report->n_notes; i++) {
                const struct policy_note *note = &report->notes[i];

                printf("%s: %s: %s\n", note->where, note->is_error ? "error" : "warning", note->text);
                if (note->is_error || warnings_fail)
                        status = 1;
        }
        return status;
}

/* ---- what the settings name, and must be here -------------------------------------------------------------------- */

/* FILE:LINE:COLUMN: error: KEY VALUE WHAT. The status: 1, but 0 for a warning about a default, which nobody asked
 * for. */
static int print_setting(const struct config *config, const struct config_mark *mark, bool is_error, const char *key,
                         const char *value, const char *what) {
        bool is_default = mark->line == 0 && !mark->on_command_line;

        if (mark->line > 0)
                printf("%s:%u:%u: ", config->file, (unsigned)mark->line, (unsigned)mark->column);
        else
                printf("%s: ", is_default ? "default" : "fsopd");
        printf("%s: %s%s %s %s\n", is_error ? "error" : "warning", mark->on_command_line ? "--" : "", key, value, what);
        return is_error || !is_default;
}

static int check_engine(const struct config *config) {
        struct engine_config engine_config = {.workers = 1};
        const char *name = config_engine_name(config->engine), *why = NULL;
        struct engine *engine = NULL;
        int code = engine_open(name, &engine_config, &engine, &why);
        char text[300];

        if (code == 0) {
                engine->ops->close(engine);
                return 0;
        }
        snprintf(text, sizeof(text), "cannot be used here: %s; engine: auto takes what there is",
                 why ? why : error_text(-code));
        return print_setting(config, &config->given.engine, true, "engine", name, text);
}

static bool is_missing(const char *directory) {
        const char *why = NULL;

        return sys_check_trusted_directory(directory, &why) == -FSOP_ENOENT;
}

static int check_audit(const struct config *config) {
        bool missing = false;
        char *directory;

        if (strncmp(config->audit, "file:", 5) == 0) {
                directory = config_parent_of(config->audit + 5);
                missing = directory && is_missing(directory);
                free(directory);
        }
        return missing ? print_setting(config, &config->given.audit, true, "audit", config->audit,
                                       "is in a directory that does not exist: make it")
                       : 0;
}

/* (A service manager that passes the socket makes its directory, too, but cannot be asked here.) */
static int check_socket(const struct config *config, bool private_service) {
        char *directory = config_parent_of(config->socket);
        bool missing = directory && !listen_is_default_directory(directory, private_service) && is_missing(directory);

        free(directory);
        return missing ? print_setting(config, &config->given.socket, true, "socket", config->socket,
                                       "is in a directory that does not exist: make it; only the default one is made")
                       : 0;
}

/* One that is not there is made. */
static int check_state_dir(const struct config *config) {
        const char *why = NULL;
        int code = sys_check_trusted_directory(config->state_dir, &why);
        char text[300];

        if (code == 0 || code == -FSOP_ENOENT)
                return 0;
        snprintf(text, sizeof(text), "is not used, and there are no jobs: %s", why ? why : error_text(-code));
        return print_setting(config, &config->given.state_dir, true, "state-dir", config->state_dir, text);
}

static int check_group(const struct config *config, const struct config_mark *mark, const char *key, const char *group,
                       const char *what) {
        uint32_t gid;

        return group && sys_group_by_name(group, &gid) < 0 ? print_setting(config, mark, false, key, group, what) : 0;
}

/* The default ones need not be there. */
static int check_policy_dirs(const struct config *config) {
        int status = 0;

        for (uint32_t i = 0; i < config->n_policy_dirs; i++) {
                const struct config_mark *mark = &config->given.policy_dirs[i];

                if ((mark->line > 0 || mark->on_command_line) && is_missing(config->policy_dirs[i]))
                        status = print_setting(config, mark, false, "policy-dir", config->policy_dirs[i],
                                               "does not exist: no rules come from it");
        }
        return status;
}

static int check_settings(const struct config *config, bool private_service) {
        int status = check_engine(config);

        status |= check_socket(config, private_service) | check_state_dir(config) | check_audit(config);
        status |= check_group(config, &config->given.socket_group, "socket-group", config->socket_group,
                              config->socket_mode & 0002
                                      ? "does not exist; anybody may connect all the same, by socket-mode"
                                      : "does not exist: only root may connect; make the group, or name another");
        status |= check_group(config, &config->given.admin_group, "admin-group", config->admin_group,
                              "does not exist: only uid 0 administrates; make the group, or name another");
        return status | check_policy_dirs(config);
}

int check_config(const struct config *config, bool private_service) {
        struct policy_report report = {0};
        struct policy *policy = NULL;
        uint32_t gid = WIRE_NOBODY;
        int code, status;

        code = server_load_policy(config, &(struct listening){0}, &policy, &report);
        if (code == 0 && !(config->socket_mode & 0002) && config->socket_group &&
            sys_group_by_name(config->socket_group, &gid) == 0)
                policy_warn_connect(policy, gid, &report);
        status = print_report(&report, true) | check_settings(config, private_service);
        if (code < 0)
                status = 1;
        if (status == 0)
                printf("settings%s%s and %u rule%s are good\n", config->file ? " in " : "",
                       config->file ? config->file : "", report.n_rules, report.n_rules == 1 ? "" : "s");
        policy_report_fini(&report);
        policy_unref(policy);
        return status;
}

int check_policy_files(const char *const *files, uint32_t n_files) {
        struct policy_report report = {0};
        struct policy *policy = NULL;
        int code, status;

        if (n_files == 0) {
                fprintf(stderr, "fsopd: --check-policy needs at least one file\n");
                return 2;
        }
        code = policy_load_files(files, n_files, false, &policy, &report);
        status = print_report(&report, false);
        if (code < 0)
                status = 1;
        if (status == 0)
                printf("%u rule%s good\n", report.n_rules, report.n_rules == 1 ? " is" : "s are");
        policy_report_fini(&report);
        policy_unref(policy);
        return status;
}
