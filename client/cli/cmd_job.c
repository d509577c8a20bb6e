/* SPDX-License-Identifier: MIT */
/* cmd_job.c: job list, show, watch, pause, resume, cancel, retry, forget; and manifests. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "client/cli/cli.h"
#include "client/cli/jobtext.h"
#include "client/cli/show.h"
#include "client/cli/terminal.h"
#include "client/cli/watch.h"

/* ---- list -------------------------------------------------------------------------------------------------------- */

struct list_state {
        struct job_table *table;
        bool all_users;
};

static void list_state_free(void *opaque) {
        struct list_state *state = opaque;
        job_table_free(state->table);
        free(state);
}

static void put_list(struct action *action, uint64_t after) {
        const struct list_state *state = action->state;
        struct fsop_job_args *args = step_args(action_step(action, FSOP_VERB_JOB_LIST, false), sizeof(*args));
        args->all_users = state->all_users;
        args->after = after;
}

static enum verdict list_advance(struct cli *cli, struct action *action, const struct fsop_result *const *results) {
        const struct list_state *state = action->state;
        const struct fsop_job_answer *answer = &results[0]->value.job;
        if (results[0]->error.code)
                return VERDICT_SETTLED;
        for (uint32_t i = 0; i < answer->n_jobs; i++)
                if (cli->json)
                        json_job(FSOP_VERB_JOB_LIST, &answer->jobs[i]);
                else
                        job_table_add(state->table, &answer->jobs[i]);
        if (answer->end || answer->n_jobs == 0)
                return VERDICT_SETTLED;
        action_clear_steps(action);
        put_list(action, answer->cookie);
        return VERDICT_AGAIN;
}

/* As wide as the terminal, else as $COLUMNS says, else as terminals were. */
static unsigned table_columns(void) {
        const char *given_columns = getenv("COLUMNS"), *why;
        unsigned columns = terminal_columns(stdout);
        uint64_t number;
        if (!columns && given_columns && parse_number(given_columns, false, 10000, &number, &why) == 0)
                columns = (unsigned)number;
        return columns ? columns : 80;
}

static void show_list(struct cli *cli, const struct action *action, const struct fsop_result *result) {
        const struct list_state *state = action->state;
        struct text text = {0};
        (void)result;
        if (cli->json)
                return;
        job_table_format(state->table, table_columns(), &text);
        show_text(&text);
}

int plan_job_list(struct cli *cli, const struct invocation *invocation) {
        struct action *action = action_new(cli, invocation, FSOP_VERB_JOB_LIST, NULL);
        struct list_state *state = cli_alloc(sizeof(*state));
        state->all_users = given(invocation, OPT_ALL);
        state->table = job_table_new(state->all_users, (int64_t)time(NULL));
        action->state = state;
        action->free_state = list_state_free;
        action->advance = list_advance;
        action->show = show_list;
        action->shows_json = true;
        put_list(action, 0);
        cli_submit(cli, action);
        return 0;
}

/* ---- show -------------------------------------------------------------------------------------------------------- */

/* The failures come in pages, each with the job; what the first page says of that is shown, once all are there. */
struct show_state {
        struct text text;
        struct json_failures *failures;
        bool begun;
};

static void show_state_free(void *opaque) {
        struct show_state *state = opaque;
        text_free(&state->text);
        if (state->failures)
                json_failures_free(state->failures);
        free(state);
}

static void put_show(struct action *action, uint64_t after) {
        struct fsop_job_args *args = step_args(action_step(action, FSOP_VERB_JOB_SHOW, false), sizeof(*args));
        args->id = action->job;
        args->want = FSOP_JOB_WANT_FAILURES;
        args->after = after;
}

static void take_page(struct cli *cli, struct show_state *state, const struct fsop_job_answer *answer) {
        if (!cli->json && !state->begun && answer->n_jobs)
                job_add_details(&state->text, &answer->jobs[0]);
        for (uint32_t i = 0; i < answer->n_failures; i++)
                if (cli->json)
                        json_failures_add(state->failures, &answer->failures[i]);
                else {
                        if (!state->begun && i == 0)
                                text_adds(&state->text, "failures:\n");
                        job_add_failure(&state->text, &answer->failures[i]);
                }
        state->begun = true;
        show_text(&state->text);
}

static enum verdict show_advance(struct cli *cli, struct action *action, const struct fsop_result *const *results) {
        const struct fsop_job_answer *answer = &results[0]->value.job;
        if (results[0]->error.code)
                return VERDICT_SETTLED;
        take_page(cli, action->state, answer);
        if (answer->end || answer->n_failures == 0)
                return VERDICT_SETTLED;
        action_clear_steps(action);
        put_show(action, answer->cookie);
        return VERDICT_AGAIN;
}

static void show_job(struct cli *cli, const struct action *action, const struct fsop_result *result) {
        const struct show_state *state = action->state;
        if (cli->json && result->value.job.n_jobs)
                json_job_shown(&result->value.job.jobs[0], state->failures);
}

/* ---- manifests --------------------------------------------------------------------------------------------------- */

static bool is_odd(const char *path, size_t len) {
        for (size_t i = 0; i < len; i++)
                if (path[i] == '\\' || path[i] == '\n' || path[i] == '\r')
                        return true;
        return false;
}

void manifest_add_line(struct text *text, const struct fsop_job_digest *digest) {
        const char *path = digest->path.data;
        const bool odd = is_odd(path, digest->path.len);
        char *hex = value_encode(VALUE_HEX, digest->digest, sizeof(digest->digest));
        text_addf(text, "%s%s  ", odd ? "\\" : "", hex ? hex : "");
        free(hex);
        for (size_t i = 0; i < digest->path.len; i++) {
                const char *escape = path[i] == '\\'   ? "\\\\"
                                     : path[i] == '\n' ? "\\n"
                                     : path[i] == '\r' ? "\\r"
                                                       : NULL;
                if (escape)
                        text_adds(text, escape);
                else
                        text_add(text, path + i, 1);
        }
        text_adds(text, "\n");
}

static void put_digests(struct action *action, uint64_t after) {
        put_show(action, after);
        action->steps[0].args.job.want = FSOP_JOB_WANT_DIGESTS;
}

static enum verdict digests_advance(struct cli *cli, struct action *action, const struct fsop_result *const *results) {
        const struct fsop_job_answer *answer = &results[0]->value.job;
        struct text text = {0};
        if (results[0]->error.code)
                return VERDICT_SETTLED;
        if (action->stage == 0 && answer->n_jobs && !answer->jobs[0].verify) {
                action->why = "it was not submitted with --verify: there are no digests";
                action->why_code = FSOP_ENODATA;
                return VERDICT_SETTLED;
        }
        for (uint32_t i = 0; i < answer->n_digests; i++)
                if (cli->json)
                        json_job_digest(action->job, &answer->digests[i]);
                else
                        manifest_add_line(&text, &answer->digests[i]);
        show_text(&text);
        if (answer->end || answer->n_digests == 0)
                return VERDICT_SETTLED;
        action_clear_steps(action);
        put_digests(action, answer->cookie);
        return VERDICT_AGAIN;
}

/* The pages of digests, to a file. Returns an error of the daemon's, or 0 with *ret_why where the file could not be
 * written. */
static int write_pages(struct cli *cli, uint64_t job, FILE *file, const char **ret_why) {
        struct fsop_job_args args = {.size = sizeof(args), .id = job, .want = FSOP_JOB_WANT_DIGESTS};
        const struct fsop_job_answer *answer = NULL;
        do {
                struct text text = {0};
                int r = fsop_job_show(cli->client, &args, &answer);
                if (r < 0)
                        return r;
                for (uint32_t i = 0; i < answer->n_digests; i++)
                        manifest_add_line(&text, &answer->digests[i]);
                if (text.len && fwrite(text.data, 1, text.len, file) != text.len)
                        *ret_why = terminal_why();
                text_free(&text);
                args.after = answer->cookie;
        } while (!*ret_why && !answer->end && answer->n_digests > 0);
        return 0;
}

bool manifest_write(struct cli *cli, const struct command *command, uint64_t job, const char *path) {
        FILE *file = terminal_output_open(path);
        const char *why = file ? NULL : terminal_why();
        int r = file ? write_pages(cli, job, file, &why) : 0;
        if (file && file != stdout && fclose(file) != 0 && !why)
                why = terminal_why();
        if (r < 0)
                why = fsop_strerror(r);
        if (!why)
                return true;
        struct text name = {0};
        text_add_name(&name, path, strlen(path));
        show_note("%s: cannot write the manifest %s: %s; all is copied, and `fsop job show --manifest %llu` prints it",
                  command->name, name.data, why, (unsigned long long)job);
        text_free(&name);
        return false;
}

/* ---- those that take numbers ------------------------------------------------------------------------------------- */

static struct action *job_action(struct cli *cli, const struct invocation *invocation, enum fsop_verb verb,
                                 uint64_t job) {
        struct action *action = action_new(cli, invocation, verb, NULL);
        action->job = job;
        return action;
}

/* All numbers are looked at before anything is done. */
static uint64_t *parse_jobs(struct cli *cli, const struct invocation *invocation) {
        uint64_t *jobs = cli_alloc((size_t)invocation->n_operands * sizeof(*jobs));
        const char *why;
        for (int i = 0; i < invocation->n_operands; i++)
                if (parse_job(invocation->operands[i], &jobs[i], &why) < 0) {
                        cli_usage_value(cli, invocation, "job", invocation->operands[i], why);
                        free(jobs);
                        return NULL;
                }
        return jobs;
}

static void submit_show(struct cli *cli, const struct invocation *invocation, uint64_t job) {
        struct action *action = job_action(cli, invocation, FSOP_VERB_JOB_SHOW, job);
        if (given(invocation, OPT_MANIFEST)) {
                action->advance = digests_advance;
                put_digests(action, 0);
        } else {
                struct show_state *state = cli_alloc(sizeof(*state));
                state->failures = json_failures_new();
                action->state = state;
                action->free_state = show_state_free;
                action->advance = show_advance;
                action->show = show_job;
                put_show(action, 0);
        }
        action->shows_json = true;
        cli_submit(cli, action);
}

int plan_job_show(struct cli *cli, const struct invocation *invocation) {
        uint64_t *jobs = parse_jobs(cli, invocation);
        if (!jobs)
                return -1;
        for (int i = 0; i < invocation->n_operands; i++)
                submit_show(cli, invocation, jobs[i]);
        free(jobs);
        return 0;
}

int plan_job_watch(struct cli *cli, const struct invocation *invocation) {
        uint64_t *jobs = parse_jobs(cli, invocation);
        struct action *action = action_new(cli, invocation, FSOP_VERB_JOB_WATCH, NULL);
        if (!jobs || cli_connect(cli, action) < 0) {
                action_free(action);
                free(jobs);
                return -1;
        }
        const struct watching watching = {.command = invocation->command, .job = jobs[0]};
        action_free(action);
        free(jobs);
        watch_job(cli, &watching);
        return 0;
}

static int plan_verb(struct cli *cli, const struct invocation *invocation, enum fsop_verb verb) {
        uint64_t *jobs = parse_jobs(cli, invocation);
        if (!jobs)
                return -1;
        for (int i = 0; i < invocation->n_operands; i++) {
                struct action *action = job_action(cli, invocation, verb, jobs[i]);
                struct fsop_job_args *args = step_args(action_step(action, verb, false), sizeof(*args));
                args->id = jobs[i];
                cli_submit(cli, action);
        }
        free(jobs);
        return 0;
}

int plan_job_pause(struct cli *cli, const struct invocation *invocation) {
        return plan_verb(cli, invocation, FSOP_VERB_JOB_PAUSE);
}

int plan_job_resume(struct cli *cli, const struct invocation *invocation) {
        return plan_verb(cli, invocation, FSOP_VERB_JOB_RESUME);
}

int plan_job_cancel(struct cli *cli, const struct invocation *invocation) {
        return plan_verb(cli, invocation, FSOP_VERB_JOB_CANCEL);
}

int plan_job_retry(struct cli *cli, const struct invocation *invocation) {
        return plan_verb(cli, invocation, FSOP_VERB_JOB_RETRY);
}

int plan_job_forget(struct cli *cli, const struct invocation *invocation) {
        return plan_verb(cli, invocation, FSOP_VERB_JOB_FORGET);
}
