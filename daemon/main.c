/* SPDX-License-Identifier: MIT */
/*
 * main.c: the command line of fsopd.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backends/service.h"
#include "daemon/check.h"
#include "daemon/config.h"
#include "daemon/log.h"
#include "daemon/server.h"
#include "proto/names.h"

struct arguments {
        const char *config, *socket, *state_dir, *engine, *audit;
        const char **policy_dirs;
        int n_policy_dirs;
        bool check_config, check_policy, version, help;
        char **rest;
        int n_rest;
};

static const char usage[] = "Usage: fsopd [OPTION]...\n"
                            "Executes filesystem operations for programs that may not. Runs in the foreground.\n"
                            "\n"
                            "  -c, --config FILE      settings (default /etc/fsopd/fsopd.yaml)\n"
                            "      --socket PATH      where to listen\n"
                            "      --state-dir DIR    what must survive a restart\n"
                            "      --policy-dir DIR   rules; may be given several times, later ones override\n"
                            "      --engine NAME      auto, uring or threads\n"
                            "      --audit WHERE      stderr, journal or file:PATH\n"
                            "      --check-config     say whether settings and rules can be used, and exit\n"
                            "      --check-policy FILE...\n"
                            "                         say whether these files are good rules, and exit\n"
                            "      --version, --help\n"
                            "\n"
                            "TERM finishes what is in flight (at most 10 s) and exits 0; HUP reads the rules again.\n"
                            "Started by an ordinary user it is a private service: everything runs as that user.\n";

/* The value of option NAME at argv[*i], as "--name=value" or the next word. 1: taken, 0: another option, -1: no
 * value. */
static int take_value(int argc, char **argv, int *i, const char *name, char short_name, const char **ret) {
        const char *word = argv[*i];
        size_t len = strlen(name);

        if (strncmp(word, name, len) == 0 && word[len] == '=') {
                *ret = word + len + 1;
                return 1;
        }
        if (strcmp(word, name) != 0 && !(short_name && word[0] == '-' && word[1] == short_name && word[2] == 0))
                return 0;
        if (*i + 1 >= argc) {
                fprintf(stderr, "fsopd: option %s needs a value\n", name);
                return -1;
        }
        *ret = argv[++*i];
        return 1;
}

static int parse_option(struct arguments *args, int argc, char **argv, int *i) {
        const char *directory = NULL;
        int ret;

        if ((ret = take_value(argc, argv, i, "--config", 'c', &args->config)) != 0 ||
            (ret = take_value(argc, argv, i, "--socket", 0, &args->socket)) != 0 ||
            (ret = take_value(argc, argv, i, "--state-dir", 0, &args->state_dir)) != 0 ||
            (ret = take_value(argc, argv, i, "--engine", 0, &args->engine)) != 0 ||
            (ret = take_value(argc, argv, i, "--audit", 0, &args->audit)) != 0)
                return ret;
        ret = take_value(argc, argv, i, "--policy-dir", 0, &directory);
        if (ret > 0)
                args->policy_dirs[args->n_policy_dirs++] = directory;
        return ret;
}

static int parse(struct arguments *args, int argc, char **argv) {
        for (int i = 1; i < argc; i++) {
                int ret = parse_option(args, argc, argv, &i);

                if (ret < 0)
                        return ret;
                if (ret > 0)
                        continue;
                if (strcmp(argv[i], "--check-config") == 0)
                        args->check_config = true;
                else if (strcmp(argv[i], "--version") == 0)
                        args->version = true;
                else if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
                        args->help = true;
                else if (strcmp(argv[i], "--check-policy") == 0) {
                        args->check_policy = true;
                        args->rest = argv + i + 1;
                        args->n_rest = argc - i - 1;
                        return 0;
                } else {
                        fprintf(stderr, "fsopd: unknown argument '%s' (fsopd --help lists them)\n", argv[i]);
                        return -FSOP_EINVAL;
                }
        }
        return 0;
}

static int complain(const char *option, const char *value, const char *what) {
        fprintf(stderr, "fsopd: %s %s: %s\n", option, value, what);
        return -FSOP_EINVAL;
}

/* The command line overrides the file. */
static int apply(const struct arguments *args, struct config *config) {
        static const struct config_mark here = {.on_command_line = true};
        bool overridden = false;

        if (args->engine) {
                int engine = config_engine_from_name(args->engine);

                if (engine < 0)
                        return complain("--engine", args->engine, "is not auto, uring, kqueue, iocp or threads");
                config->engine = (enum config_engine)engine;
                config->given.engine = here;
        }
        if (args->socket && config_set_path(&config->socket, args->socket) < 0)
                return complain("--socket", args->socket, "is not an absolute path");
        if (args->state_dir && config_set_path(&config->state_dir, args->state_dir) < 0)
                return complain("--state-dir", args->state_dir, "is not an absolute path");
        if (args->audit && config_set_audit(config, args->audit) < 0)
                return complain("--audit", args->audit, "is not journal, stderr or file:/ABSOLUTE/PATH");
        for (int i = 0; i < args->n_policy_dirs; i++)
                if (config_add_policy_dir(config, args->policy_dirs[i], &overridden) < 0)
                        return complain("--policy-dir", args->policy_dirs[i], "is not an absolute path");
        if (args->socket)
                config->given.socket = here;
        if (args->state_dir)
                config->given.state_dir = here;
        if (args->audit)
                config->given.audit = here;
        return 0;
}

static int run_with_config(const struct arguments *args, bool private_service) {
        struct config *config = NULL;
        char *error = NULL;
        int status = 1;

        if (config_load(args->config, private_service, &config, &error) < 0) {
                fprintf(stderr, "%s\n", error ? error : "fsopd: out of memory");
                free(error);
                return 1;
        }
        if (apply(args, config) < 0)
                status = 2;
        else if (args->check_config)
                status = check_config(config, private_service);
        else {
                log_setup(config->log_level, service_logs_to_journal());
                status = server_main(config, private_service);
        }
        config_free(config);
        return status;
}

static int run(const struct arguments *args) {
        bool private_service = !service_is_privileged(), own_root;
        struct sys_config sys_config = {.private_service = private_service, .log = log_message};
        int code, status;

        log_setup(LOG_LEVEL_INFO, service_logs_to_journal());
        if (!args->check_config && !args->check_policy && (code = service_split()) < 0)
                log_line(LOG_LEVEL_WARNING, "a thread that hangs will delay the end: %s", error_text(-code));
        code = sys_start(&sys_config, &own_root);
        if (code < 0) {
                fprintf(stderr, "fsopd: the identity of the service cannot be taken: %s\n", error_text(-code));
                return 1;
        }
        if (args->check_policy)
                status = check_policy_files((const char *const *)args->rest, (uint32_t)args->n_rest);
        else
                status = run_with_config(args, private_service);
        sys_stop();
        return status;
}

/* What was to be told on standard output and was not (a full disk, a pipe that is closed) is a failure. */
static int finish_output(int status) {
        if (fflush(stdout) == 0 && !ferror(stdout))
                return status;
        fprintf(stderr, "fsopd: cannot write to standard output\n");
        return status ? status : 1;
}

int main(int argc, char **argv) {
        struct arguments args = {0};
        int status = 0;

        args.policy_dirs = calloc((size_t)argc + 1, sizeof(*args.policy_dirs));
        if (!args.policy_dirs)
                return 1;
        if (parse(&args, argc, argv) < 0)
                status = 2;
        else if (args.version)
                printf("fsopd %s\n", FSOPD_VERSION);
        else if (args.help)
                fputs(usage, stdout);
        else
                status = run(&args);
        free(args.policy_dirs);
        return finish_output(status);
}
