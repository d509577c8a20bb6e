/* SPDX-License-Identifier: MIT */
/* cli.c: from words to a planned command: wrong usage, the connection, the exit status. */
#include <stdlib.h>
#include <string.h>

#include "client/cli/cli.h"
#include "client/cli/show.h"
#include "client/cli/terminal.h"

/* ---- wrong usage ------------------------------------------------------------------------------------------------- */

/* In a batch file a wrong line is a failure like others; alone it is wrong usage, with a way to help. */
int cli_complain(struct cli *cli, const struct command *command, unsigned line, const struct text *why) {
        const char *text = why->data ? why->data : "";
        if (line) {
                cli_flush(cli); /* what stands before it comes before it */
                if (!cli_goes_on(cli))
                        return -1;
        }
        cli->n_usage++;
        if (line) {
                struct action action = {.command = command, .line = line};
                struct failure failure = {
                        .code = FSOP_EINVAL, .class_ = FSOP_CLASS_INVALID, .message = fsop_bytes_of(text)};
                cli_count_failure(cli, &failure);
                if (cli->json)
                        json_failure(&action, command ? command->name : NULL, &failure);
                else
                        show_note("line %u: %s%s%s", line, command ? command->name : "", command ? ": " : "", text);
        } else if (command)
                show_note("%s: %s\nTry `fsop %s --help`.", command->name, text, command->name);
        else
                show_note("%s\nTry `fsop --help`.", text);
        return -1;
}

int cli_usage(struct cli *cli, const struct invocation *invocation, const char *format, ...) {
        struct text why = {0};
        va_list ap;
        va_start(ap, format);
        text_addv(&why, format, ap);
        va_end(ap);
        cli_complain(cli, invocation->command, invocation->line, &why);
        text_free(&why);
        return -1;
}

int cli_usage_value(struct cli *cli, const struct invocation *invocation, const char *what, const char *value,
                    const char *why) {
        struct text name = {0};
        text_add_sentence(&name, value, strlen(value));
        cli_usage(cli, invocation, "%s '%s': %s", what, name.data ? name.data : "", why);
        text_free(&name);
        return -1;
}

/* ---- the connection ---------------------------------------------------------------------------------------------- */

static struct cli *interrupted_cli;

static void wake_up(void) {
        if (interrupted_cli->client)
                fsop_wakeup(interrupted_cli->client);
}

static int open_client(struct cli *cli, struct fsop_open_failure *failure) {
        struct fsop_client_options options = {
                .size = sizeof(options),
                .socket_path = cli->socket,
                .as = cli->as,
                .timeout_ms = cli->timeout_ms,
                .connect_ms = cli->timeout_ms && cli->timeout_ms < 5000 ? (uint32_t)cli->timeout_ms : 0,
                .name = "fsop",
                .failure = failure};
        return fsop_open(&options, &cli->client);
}

int cli_connect(struct cli *cli, const struct action *action) {
        struct fsop_open_failure failure = {.size = sizeof(failure)};
        if (cli->client)
                return 0;
        if (cli->no_daemon)
                return -1;
        int r = open_client(cli, &failure);
        if (r < 0) {
                cli->no_daemon = true;
                show_no_daemon(cli, action, -r, failure.os_error, failure.message);
                return -1;
        }
        interrupted_cli = cli;
        terminal_on_interrupt(wake_up);
        return 0;
}

int cli_reconnect(struct cli *cli) {
        struct fsop_client *lost = cli->client;
        struct fsop_open_failure failure = {.size = sizeof(failure)};
        cli->client = NULL; /* before it goes: an interrupt wakes up whatever stands here */
        fsop_close(lost);
        return open_client(cli, &failure) < 0 ? -1 : 0;
}

/* ---- commands ---------------------------------------------------------------------------------------------------- */

void cli_show_help(const struct command *command, const char *first) {
        struct text text = {0};
        if (command)
                help_command(command, &text);
        else if (first)
                help_group(first, &text);
        else
                help_all(&text);
        show_text(&text);
}

/* Options of fsop may stand behind the command, too. */
int cli_take_global(struct cli *cli, const struct invocation *where, const char *const values[OPT_COUNT]) {
        const char *why;
        cli->json = cli->json || values[OPT_JSON];
        if (values[OPT_SOCKET] && !*values[OPT_SOCKET])
                return cli_usage_value(cli, where, "socket", "", "a path is expected");
        if (values[OPT_SOCKET])
                cli->socket = values[OPT_SOCKET];
        if (values[OPT_AS] && !where->line)
                cli->as = (enum fsop_as)fsop_as_from_name(values[OPT_AS]);
        if (values[OPT_TIMEOUT] && parse_seconds(values[OPT_TIMEOUT], &cli->timeout_ms, &why) < 0)
                return cli_usage_value(cli, where, "timeout", values[OPT_TIMEOUT], why);
        return 0;
}

int cli_plan_words(struct cli *cli, const char *const *words, int n_words, unsigned line) {
        struct invocation invocation = {.line = line};
        const struct command *command = NULL;
        struct text why = {0};
        const char **operands = cli_alloc((size_t)n_words * sizeof(*operands));
        int n = command_find(words, n_words, &command, &why), r = -1;
        if (n == 0 && n_words > 1 && strcmp(words[1], "--help") == 0 && line == 0) {
                cli_show_help(NULL, words[0]);
                r = 0;
                goto out;
        }
        if (n <= 0 || options_parse(command, words + n, n_words - n, operands, &invocation, &why) < 0) {
                cli_complain(cli, command, line, &why);
                goto out;
        }
        invocation.line = line;
        if (command->alone && (line || cli->explaining)) {
                cli_usage(cli, &invocation, "cannot be used %s", line ? "in a batch file" : "with explain");
                goto out;
        }
        if (line && (invocation.values[OPT_SOCKET] || invocation.values[OPT_JSON] || invocation.values[OPT_TIMEOUT] ||
                     invocation.values[OPT_HELP])) {
                cli_usage(cli, &invocation, "--socket, --json, --timeout and --help have no place in a batch file");
                goto out;
        }
        if (invocation.values[OPT_HELP]) {
                cli_show_help(command, NULL);
                r = 0;
                goto out;
        }
        if (cli_take_global(cli, &invocation, invocation.values) == 0)
                r = command->plan(cli, &invocation);
out:
        text_free(&why);
        free(operands);
        return r;
}

int cli_exit_status(const struct cli *cli) {
        if (cli->no_daemon)
                return EXIT_NO_DAEMON;
        if (cli->n_failed == 0)
                return cli->n_usage ? EXIT_USAGE : EXIT_DONE;
        if (cli->n_done > 0 || cli->n_partial > 0)
                return EXIT_SOME_FAILED;
        return cli->n_denied == cli->n_failed ? EXIT_DENIED : EXIT_FAILED;
}
