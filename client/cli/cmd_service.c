/* SPDX-License-Identifier: MIT */
/* cmd_service.c: what is about the daemon: ping, info, status, explain, policy check, policy reload, completion. */
#include <stdlib.h>
#include <string.h>

#include "client/cli/cli.h"
#include "client/cli/show.h"
#include "client/cli/terminal.h"

static void show_ping(struct cli *cli, const struct action *action, const struct fsop_result *result) {
        uint64_t us = terminal_monotonic_us() - action->started_us;
        const struct fsop_server_info *server = fsop_server_info(cli->client);
        struct text text = {0};
        (void)result;
        if (cli->json) {
                json_ping(action, us);
                return;
        }
        text_adds(&text, "fsopd ");
        text_add_sentence(&text, server->version.data, server->version.len);
        text_addf(&text, " answered in %llu.%03llu ms (engine ", (unsigned long long)(us / 1000),
                  (unsigned long long)(us % 1000));
        text_add_sentence(&text, server->engine.data, server->engine.len);
        text_adds(&text, ")\n");
        show_text(&text);
}

int plan_ping(struct cli *cli, const struct invocation *invocation) {
        struct action *action = action_new(cli, invocation, FSOP_VERB_PING, NULL);
        action_step(action, FSOP_VERB_PING, false);
        action->show = show_ping;
        action->shows_json = true;
        cli_submit(cli, action);
        return 0;
}

int plan_info(struct cli *cli, const struct invocation *invocation) {
        const char *path = invocation->n_operands ? invocation->operands[0] : NULL;
        struct action *action = action_new(cli, invocation, FSOP_VERB_INFO, path);
        action_step(action, FSOP_VERB_INFO, true);
        action->show = show_info;
        cli_submit(cli, action);
        return 0;
}

int plan_status(struct cli *cli, const struct invocation *invocation) {
        struct action *action = action_new(cli, invocation, FSOP_VERB_STATUS, NULL);
        action_step(action, FSOP_VERB_STATUS, false);
        action->show = show_status;
        cli_submit(cli, action);
        return 0;
}

int plan_explain(struct cli *cli, const struct invocation *invocation) {
        if (given(invocation, OPT_AS))
                cli->as = (enum fsop_as)fsop_as_from_name(given(invocation, OPT_AS));
        cli->explaining = true;
        cli->explain_user = given(invocation, OPT_USER);
        int r = cli_plan_words(cli, invocation->operands, invocation->n_operands, 0);
        cli->explaining = false;
        return r;
}

int plan_policy_reload(struct cli *cli, const struct invocation *invocation) {
        struct action *action = action_new(cli, invocation, FSOP_VERB_POLICY_RELOAD, NULL);
        action_step(action, FSOP_VERB_POLICY_RELOAD, false);
        action->show = show_reload;
        cli_submit(cli, action);
        return 0;
}

int plan_completion(struct cli *cli, const struct invocation *invocation) {
        struct text text = {0};
        if (completion_script(invocation->operands[0], &text) < 0)
                return cli_usage_value(cli, invocation, "shell", invocation->operands[0],
                                       "there are bash, zsh and fish");
        show_text(&text);
        return 0;
}

/* ---- policy check ------------------------------------------------------------------------------------------------ */

struct check {
        struct cli *cli;
        bool failed;
};

/* Takes ":NUMBER" off the end of text, which is cut there. 0: there is none. */
static unsigned cut_number(char *text) {
        char *colon = strrchr(text, ':');
        if (!colon || !colon[1] || colon[1 + strspn(colon + 1, "0123456789")])
                return 0;
        *colon = 0;
        return (unsigned)strtoul(colon + 1, NULL, 10);
}

/* "FILE:LINE:COLUMN: error: TEXT". FILE may hold colons, but not ": error: ". */
static void show_remark(const char *line, void *context) {
        struct check *check = context;
        static const char error[] = ": error: ", warning[] = ": warning: ";
        const char *at = strstr(line, error), *other = strstr(line, warning);
        bool is_error = at && (!other || at < other);
        if (is_error)
                check->failed = true;
        else
                at = other;
        if (!check->cli->json || !at) {
                struct text text = {0};
                text_add_sentence(&text, line, strlen(line));
                text_adds(&text, "\n");
                if (!check->cli->json)
                        show_text(&text);
                text_free(&text);
                return;
        }
        char *file = cli_copy(line, (size_t)(at - line));
        unsigned second = cut_number(file), first = second ? cut_number(file) : 0;
        json_policy_note(file, first ? first : second, first ? second : 0, is_error,
                         at + (is_error ? sizeof(error) : sizeof(warning)) - 1);
        free(file);
}

int plan_policy_check(struct cli *cli, const struct invocation *invocation) {
        struct check check = {.cli = cli};
        const char *why = NULL;
        size_t n = (size_t)invocation->n_operands;
        struct text *files = cli_alloc(n * sizeof(*files));
        const char **args = cli_alloc((n + 2) * sizeof(*args));
        args[0] = "--check-policy";
        for (size_t i = 0; i < n; i++) {
                /* What begins with a dash must not be an option there. */
                text_addf(&files[i], "%s%s", *invocation->operands[i] == '-' ? "./" : "", invocation->operands[i]);
                args[i + 1] = files[i].data;
        }
        int status = terminal_run_daemon(args, show_remark, &check, &why);
        for (size_t i = 0; i < n; i++)
                text_free(&files[i]);
        free(args);
        free(files);
        if (status < 0)
                show_note("policy check: %s", why);
        if (status == 0)
                cli->n_done++;
        else
                cli->n_failed++;
        if (cli->json && status >= 0)
                json_policy_end(status == 0);
        return 0;
}
