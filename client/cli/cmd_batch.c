/* SPDX-License-Identifier: MIT */
/* cmd_batch.c: batch. Commands from a file become requests of as many operations as the daemon takes at once. */
#include <string.h>

#include "client/cli/batchfile.h"
#include "client/cli/cli.h"
#include "client/cli/show.h"
#include "client/cli/terminal.h"

/* A line that cannot be understood counts as a command that failed. */
static void refuse_line(struct cli *cli, const struct invocation *batch, unsigned number, const char *why) {
        struct invocation line = {.command = batch->command, .line = number};
        cli_usage(cli, &line, "%s", why);
}

static void run_line(struct cli *cli, const struct invocation *batch, const char *line, size_t len, unsigned number) {
        struct words words;
        const char *why;
        if (words_split(line, len, &words, &why) < 0) {
                refuse_line(cli, batch, number, why);
                return;
        }
        if (words.n > 0)
                cli_plan_words(cli, words.words, words.n, number);
        words_free(&words);
}

static void run_file(struct cli *cli, const struct invocation *invocation, struct batchfile *file) {
        const char *line, *why;
        unsigned number = 0;
        size_t len;
        int r = 1;
        while (cli_goes_on(cli)) {
                /* Whoever writes the commands one by one waits for the answers, too. */
                if (batchfile_would_wait(file))
                        cli_flush(cli);
                r = batchfile_next(file, &line, &len, &number, &why);
                if (r <= 0)
                        break;
                run_line(cli, invocation, line, len, number);
        }
        if (r < 0 && !terminal_interrupted())
                refuse_line(cli, invocation, number + 1, why);
        cli_flush(cli);
        if (cli->json)
                return;
        if (cli_was_stopped(cli))
                show_note("batch: stopped at the first failure; nothing behind it was run");
        else if (cli->no_daemon && cli->client)
                show_note("batch: the connection was lost; of what follows nothing was run");
}

int plan_batch(struct cli *cli, const struct invocation *invocation) {
        const char *path = invocation->n_operands ? invocation->operands[0] : "-";
        const struct runner_options options = {.pipelined = given(invocation, OPT_PARALLEL),
                                               .strict = !given(invocation, OPT_PARALLEL),
                                               .stop_on_error = given(invocation, OPT_STOP_ON_ERROR)};
        struct batchfile *file = batchfile_open(path, given(invocation, OPT_NUL));
        if (!file) {
                const char *why = terminal_why();
                struct text name = {0};
                text_add_name(&name, path, strlen(path));
                show_note("batch: cannot open %s: %s", name.data, why);
                text_free(&name);
                cli->n_failed++;
                return 0;
        }
        runner_start(cli, &options);
        run_file(cli, invocation, file);
        batchfile_close(file);
        return 0;
}
