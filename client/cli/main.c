/* SPDX-License-Identifier: MIT */
/* main.c: fsop, the command line of fsopd: options of its own, then a command, then an exit status. */
#include <stdlib.h>

#include "client/cli/cli.h"
#include "client/cli/show.h"
#include "client/cli/terminal.h"

/* Reads what stands before the command. Returns how many words that was; -1: nothing more to do. */
static int begin(struct cli *cli, const char *const *words, int n_words) {
        const char *values[OPT_COUNT] = {0};
        const struct invocation nobody = {0};
        struct text why = {0};
        int n = options_parse_global(words, n_words, values, &why);
        if (n < 0)
                cli_complain(cli, NULL, 0, &why);
        else if (cli_take_global(cli, &nobody, values) < 0)
                n = -1;
        else if (values[OPT_HELP]) {
                cli_show_help(NULL, NULL);
                n = -1;
        } else if (values[OPT_VERSION]) {
                text_addf(&why, "fsop %s\n", fsop_version());
                show_raw(why.data, why.len);
                n = -1;
        } else if (n == n_words) {
                text_adds(&why, "a command is missing");
                n = cli_complain(cli, NULL, 0, &why);
        }
        text_free(&why);
        return n;
}

/* How far it came, where more than one thing was to be done. */
static void show_interrupted(const struct cli *cli) {
        if (cli->json || cli->n_done + cli->n_failed < 2)
                return;
        show_note("interrupted: %llu done, %llu failed, %llu not begun", (unsigned long long)cli->n_done,
                  (unsigned long long)(cli->n_failed - cli->n_kept_back), (unsigned long long)cli->n_kept_back);
}

int main(int argc, char **argv) {
        struct cli cli = {.socket = getenv("FSOP_SOCKET"), .umask = terminal_umask()};
        const struct runner_options in_order = {0};
        const char *const *words = (const char *const *)argv + 1;
        terminal_start();
        cli.on_terminal = terminal_is_terminal(stdout);
        if (cli.socket && !*cli.socket)
                cli.socket = NULL;
        runner_start(&cli, &in_order);
        int n = argc > 0 ? begin(&cli, words, argc - 1) : -1;
        if (n >= 0 && cli_plan_words(&cli, words + n, argc - 1 - n, 0) == 0)
                cli_flush(&cli);
        runner_free(&cli);
        fsop_close(cli.client);
        int status = cli_exit_status(&cli);
        if (!show_finish() && status == EXIT_DONE)
                status = EXIT_FAILED;
        if (terminal_interrupted()) {
                show_interrupted(&cli);
                terminal_die_of_interrupt();
        }
        return status;
}
