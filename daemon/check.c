/* SPDX-License-Identifier: MIT */
/*
 * check.c: reports on settings and rules.
 */
#include "daemon/check.h"

#include <stdio.h>
#include <string.h>

#include "backends/sys.h"
#include "daemon/policy.h"

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

int check_config(const struct config *config) {
        struct policy_config policy_config = {
                .directories = (const char *const *)config->policy_dirs,
                .n_directories = config->n_policy_dirs,
        };
        struct policy_report report = {0};
        struct policy *policy = NULL;
        uint32_t gid = WIRE_NOBODY;
        int code, status;

        code = policy_load(&policy_config, &policy, &report);
        if (code == 0 && !(config->socket_mode & 0002) && config->socket_group && sys_group_by_name(config->socket_group, &gid) == 0)
                policy_warn_connect(policy, gid, &report);
        status = print_report(&report, true);
        if (code < 0)
                status = 1;
        if (status == 0)
                printf("settings%s%s and %u rules are good\n", config->file ? " in " : "", config->file ? config->file : "",
                       report.n_rules);
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
                printf("%u rules are good\n", report.n_rules);
        policy_report_fini(&report);
        policy_unref(policy);
        return status;
}
