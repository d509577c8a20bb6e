/* SPDX-License-Identifier: MIT */
/*
 * show.h: everything that is printed. Text for people here, one JSON object a line in json.c. Standard output gets
 * results, standard error what went wrong; with --json failures of operations are results, too.
 */
#ifndef CLI_SHOW_H
#define CLI_SHOW_H

#include "client/cli/cli.h"

/* What went wrong, however it came to be known. */
struct failure {
        int code; /* FSOP_E… */
        enum fsop_error_class class_;
        bool retryable;
        int32_t os_error;
        enum fsop_outcome outcome;
        struct fsop_bytes rule, message;
        const struct fsop_walk_result *walk; /* beside the error, or NULL */
};

struct failure failure_of_error(const struct fsop_error *error, enum fsop_outcome outcome);

/* Counts it for the exit status; ends the run where the first failure does. (In run.c.) */
void cli_count_failure(struct cli *cli, const struct failure *failure);

/* An action that succeeded; result is that of its last step. */
void show_success(struct cli *cli, const struct action *action, const struct fsop_result *result);
void show_failure(struct cli *cli, const struct action *action, const struct failure *failure);
/* No connection. action may be NULL. */
void show_no_daemon(struct cli *cli, const struct action *action, int code, int32_t os_error, const char *message);
/* A sentence on standard error: "fsop: …". */
__attribute__((format(printf, 1, 2))) void show_note(const char *format, ...);

/* Writes to standard output. Failures are remembered for show_finish. */
void show_raw(const char *data, size_t len);
void show_text(struct text *text); /* and frees it */
/* Brings what was written to whoever reads it now. */
void show_flush(void);
/* Flushes. False after saying that standard output could not be written. */
bool show_finish(void);

/* Whether an action walks a tree. */
bool action_walks(const struct action *action);

/* The text of results; they are the `show` of actions. */
void show_stat(struct cli *cli, const struct action *action, const struct fsop_result *result);
void show_statfs(struct cli *cli, const struct action *action, const struct fsop_result *result);
void show_line(struct cli *cli, const struct action *action, const struct fsop_result *result);  /* readlink */
void show_names(struct cli *cli, const struct action *action, const struct fsop_result *result); /* listxattr */
void show_info(struct cli *cli, const struct action *action, const struct fsop_result *result);
void show_status(struct cli *cli, const struct action *action, const struct fsop_result *result);
void show_explain(struct cli *cli, const struct action *action, const struct fsop_result *result);
void show_reload(struct cli *cli, const struct action *action, const struct fsop_result *result);

/* One entry of ls -l; link: where a symbolic link leads; NULL: it is none, or that is not known, which is shown as
 * "?". */
void show_entry_long(struct cli *cli, struct text *text, const struct fsop_entry *entry, const struct fsop_bytes *link);
/* A name for standard output: quoted on a terminal, raw elsewhere. */
void show_add_name(const struct cli *cli, struct text *text, const char *name, size_t len);

/* ---- json.c ------------------------------------------------------------------------------------------------------ */

void json_success(const struct action *action, const struct fsop_result *result);
void json_failure(const struct action *action, const char *op, const struct failure *failure);
/* One line of ls. */
void json_entry(const struct action *action, const struct fsop_entry *entry);
/* A success of an action that sent nothing. */
void json_nothing(const struct action *action);
/* A job; verb: the operation that says so. */
void json_job(enum fsop_verb verb, const struct fsop_job_info *job);
/* job show: with the files that failed. */
struct json_failures;
struct json_failures *json_failures_new(void);
void json_failures_add(struct json_failures *failures, const struct fsop_job_failure *failure);
void json_failures_free(struct json_failures *failures);
void json_job_shown(const struct fsop_job_info *job, const struct json_failures *failures);
void json_job_digest(uint64_t job, const struct fsop_job_digest *digest);
void json_job_event(uint64_t job, const struct fsop_job_event *event);
/* Ends a listing. */
void json_entries_end(const struct action *action, uint64_t n);
void json_ping(const struct action *action, uint64_t us);
/* One remark of policy check; line 0: none. */
void json_policy_note(const char *path, unsigned line, unsigned column, bool is_error, const char *message);
void json_policy_end(bool ok);

#endif
