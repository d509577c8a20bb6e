/* SPDX-License-Identifier: MIT */
/*
 * completion.c: the completions of bash, zsh and fish, printed from the table of commands. The scripts hold the words;
 * nothing is asked of fsop while somebody types.
 */
#include <string.h>

#include "client/cli/options.h"

/* Text between the single quotes of a shell. */
static void add_quoted(struct text *text, const char *words) {
        for (; *words; words++)
                if (*words == '\'')
                        text_adds(text, "'\\''");
                else
                        text_add(text, words, 1);
}

/* The first words of all commands, each once; only those that can be explained, if asked so. */
static void add_command_words(struct text *text, const char *separator, bool explained) {
        const char *before = "";
        for (const struct command *command = commands; command->name; command++) {
                size_t len = strcspn(command->name, " ");
                if (explained && command->alone)
                        continue;
                if (command > commands && strncmp(command[-1].name, command->name, len) == 0 &&
                    command[-1].name[len] == ' ')
                        continue;
                text_adds(text, before);
                text_add(text, command->name, len);
                before = separator;
        }
}

/* ---- bash -------------------------------------------------------------------------------------------------------- */

static void bash_options(struct text *text, const struct option *options) {
        for (; options && options->key; options++) {
                if (options->letter)
                        text_addf(text, " -%c", options->letter);
                if (options->name)
                        text_addf(text, " --%s", options->name);
        }
}

static void bash_complete(struct text *text, enum completes completes, const char *words) {
        switch (completes) {
        case COMPLETE_WORDS:
                text_addf(text, "_fsop_words '%s'", words);
                break;
        case COMPLETE_FILE:
                text_adds(text, "_fsop_files");
                break;
        case COMPLETE_OWNER:
                text_adds(text, "_fsop_owners");
                break;
        case COMPLETE_USER:
                text_adds(text, "COMPREPLY=($(compgen -u -- \"$cur\"))");
                break;
        case COMPLETE_COMMAND:
                text_adds(text, "_fsop_words '");
                add_command_words(text, " ", true);
                text_adds(text, "'");
                break;
        case COMPLETE_NOTHING:
                text_adds(text, "return 0");
                break;
        }
}

/* What follows an option that takes a value. NAME: the command, or nothing for options of fsop itself. */
static void bash_values(struct text *text, const char *name, const struct option *options) {
        for (; options && options->key; options++) {
                if (!options->value)
                        continue;
                text_adds(text, "        ");
                if (options->letter)
                        text_addf(text, "'%s -%c'|", name, options->letter);
                if (options->name && !options->optional)
                        text_addf(text, "'%s --%s'|", name, options->name);
                text_addf(text, "'%s --%s='", name, options->name ? options->name : "");
                text_adds(text, ") ");
                bash_complete(text, options->completes, options->words);
                text_adds(text, "; return 0 ;;\n");
        }
}

static const char bash_head[] =
        "# Completion of fsop for bash; made by `fsop completion bash`.\n"
        "_fsop_words() { COMPREPLY=($(compgen -W \"$1\" -- \"$cur\")); }\n"
        "_fsop_files() { compopt -o filenames 2>/dev/null; local IFS=$'\\n'; COMPREPLY=($(compgen -f -- \"$cur\")); }\n"
        "_fsop_owners() {\n"
        "        case $cur in\n"
        "        *:*) COMPREPLY=($(compgen -P \"${cur%%:*}:\" -g -- \"${cur#*:}\")) ;;\n"
        "        *) COMPREPLY=($(compgen -u -- \"$cur\")) ;;\n"
        "        esac\n"
        "}\n";

/* Finds the command among the words: options of fsop, and what belongs to them, are passed over. */
static const char bash_body[] =
        "        COMPREPLY=()\n"
        "        for ((i = 1; i < COMP_CWORD; i++)); do\n"
        "                word=${COMP_WORDS[i]}\n"
        "                case $word in\n"
        "                --socket|--as|--timeout) [[ $cmd ]] || ((i++)) ;;\n"
        "                -*) ;;\n"
        "                *)\n"
        "                        if [[ ! $cmd || $cmd == explain ]]; then cmd=$word; operands=0\n"
        "                        elif [[ \" $pairs \" == *\" $cmd.$word \"* ]]; then cmd=\"$cmd $word\"\n"
        "                        else ((operands++)); fi ;;\n"
        "                esac\n"
        "        done\n"
        "        prev=${COMP_WORDS[COMP_CWORD-1]}\n"
        "        if [[ $cur == = ]]; then cur=''; prev+='='\n"
        "        elif [[ $prev == = ]]; then prev=\"${COMP_WORDS[COMP_CWORD-2]}=\"; fi\n";

static void bash_pairs(struct text *text) {
        for (const struct command *command = commands; command->name; command++) {
                const char *blank = strchr(command->name, ' ');
                if (blank)
                        text_addf(text, " %.*s.%s", (int)(blank - command->name), command->name, blank + 1);
        }
}

/* The second word of commands that have two: "policy" -> "check reload". */
static void bash_second_words(struct text *text) {
        for (const struct command *command = commands; command->name; command++) {
                const char *blank = strchr(command->name, ' ');
                if (!blank || (command > commands &&
                               strncmp(command[-1].name, command->name, (size_t)(blank - command->name) + 1) == 0))
                        continue;
                size_t len = (size_t)(blank - command->name) + 1;
                text_addf(text, "        '%.*s') _fsop_words '", (int)len - 1, command->name);
                for (const struct command *other = command;
                     other->name && strncmp(other->name, command->name, len) == 0; other++)
                        text_addf(text, "%s%s", other == command ? "" : " ", other->name + len);
                text_adds(text, "' ;;\n");
        }
}

static void completion_bash(struct text *text) {
        text_adds(text, bash_head);
        text_adds(text, "_fsop() {\n        local cur=${COMP_WORDS[COMP_CWORD]} prev word cmd='' operands=0 i\n        "
                        "local commands='");
        add_command_words(text, " ", false);
        text_adds(text, "'\n        local pairs='");
        bash_pairs(text);
        text_adds(text, "'\n");
        text_adds(text, bash_body);
        text_adds(text, "        case \"$cmd $prev\" in\n");
        for (const struct command *command = commands; command->name; command++)
                bash_values(text, command->name, command->options);
        text_adds(text, "        esac\n        case \" $prev\" in\n");
        bash_values(text, "", global_options);
        text_adds(text, "        esac\n        if [[ $cur == -* ]]; then\n                case $cmd in\n");
        for (const struct command *command = commands; command->name; command++) {
                text_addf(text, "                '%s') _fsop_words '", command->name);
                bash_options(text, command->options);
                text_adds(text, " --help' ;;\n");
        }
        text_adds(text, "                *) _fsop_words '");
        bash_options(text, global_options);
        text_adds(text, "' ;;\n                esac\n                return 0\n        fi\n        case $cmd in\n      "
                        "  '') _fsop_words \"$commands\" ;;\n");
        bash_second_words(text);
        for (const struct command *command = commands; command->name; command++) {
                /* Behind the owner of chown there are files, as behind the mode of chmod. */
                if (command->completes == COMPLETE_OWNER)
                        text_addf(text, "        '%s') if ((operands)); then _fsop_files; else _fsop_owners; fi ;;\n",
                                  command->name);
                else {
                        text_addf(text, "        '%s') ", command->name);
                        bash_complete(text, command->completes, command->words);
                        text_adds(text, " ;;\n");
                }
        }
        text_adds(text, "        esac\n}\ncomplete -F _fsop fsop\n");
}

/* ---- zsh --------------------------------------------------------------------------------------------------------- */

/* Descriptions must be free of what _arguments reads itself. */
static void zsh_words(struct text *text, const char *words) {
        for (; *words; words++) {
                if (strchr("[]:\\", *words))
                        text_adds(text, "\\");
                char one[2] = {*words, 0};
                add_quoted(text, one);
        }
}

static void zsh_action(struct text *text, enum completes completes, const char *words) {
        switch (completes) {
        case COMPLETE_WORDS:
                text_addf(text, "(%s)", words);
                break;
        case COMPLETE_FILE:
                text_adds(text, "_files");
                break;
        case COMPLETE_OWNER:
        case COMPLETE_USER:
                text_adds(text, "_users");
                break;
        case COMPLETE_COMMAND:
                text_adds(text, "_fsop_command");
                break;
        case COMPLETE_NOTHING:
                text_adds(text, " ");
                break;
        }
}

static void zsh_option(struct text *text, const struct option *option, const char *form, bool is_long) {
        const char *joint = !option->value || !is_long ? "" : option->optional ? "=-" : "=";
        text_addf(text, " \\\n                '%s%s[", form, joint);
        zsh_words(text, option->help);
        text_adds(text, "]");
        if (option->value) {
                text_adds(text, option->optional ? "::" : ":");
                zsh_words(text, option->value);
                text_adds(text, ":");
                zsh_action(text, option->completes, option->words);
        }
        text_adds(text, "'");
}

static void zsh_options(struct text *text, const struct option *options) {
        for (; options && options->key; options++) {
                char form[40] = {'-', options->letter, 0};
                if (options->letter)
                        zsh_option(text, options, form, false);
                if (!options->name)
                        continue;
                strcpy(form, "--");
                strncat(form, options->name, sizeof(form) - 3);
                zsh_option(text, options, form, true);
        }
}

static void zsh_command(struct text *text, const struct command *command) {
        text_addf(text, "        '%s') _arguments -s -S '--help[show help]'", command->name);
        zsh_options(text, command->options);
        if (command->completes == COMPLETE_COMMAND)
                text_adds(text, " \\\n                '*::command:_fsop_command'");
        else if (command->completes == COMPLETE_OWNER)
                text_adds(text, " \\\n                '1:owner:_users' '*:file:_files'");
        else if (command->completes != COMPLETE_NOTHING) {
                text_adds(text, " \\\n                '*:argument:");
                zsh_action(text, command->completes, command->words);
                text_adds(text, "'");
        }
        text_adds(text, " ;;\n");
}

static void completion_zsh(struct text *text) {
        text_adds(
                text,
                "#compdef fsop\n# Completion of fsop for zsh; made by `fsop completion zsh`.\n"
                "_fsop_command() {\n        local name=$words[1]\n        local -a commands pairs\n        commands=(");
        for (const struct command *command = commands; command->name; command++) {
                size_t len = strcspn(command->name, " ");
                if (command > commands && command->name[len] && strncmp(command[-1].name, command->name, len + 1) == 0)
                        continue;
                text_addf(text, "\n                '%.*s:", (int)len, command->name);
                zsh_words(text, !command->name[len]     ? command->help
                                : *command->name == 'j' ? "copy jobs"
                                                        : "the policy of the daemon");
                text_adds(text, "'");
        }
        text_adds(text, ")\n        pairs=(");
        for (const struct command *command = commands; command->name; command++)
                if (strchr(command->name, ' '))
                        text_addf(text, " '%s'", command->name);
        text_adds(text, ")\n"
                        "        if ((CURRENT == 1)); then _describe command commands; return; fi\n"
                        "        if [[ -n ${(M)pairs:#$name *} ]]; then\n"
                        "                if ((CURRENT == 2)); then compadd ${${(M)pairs:#$name *}#$name }; return; fi\n"
                        "                name=\"$name $words[2]\"; shift words; ((CURRENT--))\n"
                        "        fi\n"
                        "        case $name in\n");
        for (const struct command *command = commands; command->name; command++)
                zsh_command(text, command);
        text_adds(text, "        esac\n}\n_fsop() {\n        _arguments -S");
        zsh_options(text, global_options);
        text_adds(text, " \\\n                '*::command:_fsop_command'\n}\n"
                        "if [[ $funcstack[1] == _fsop ]]; then _fsop \"$@\"; else compdef _fsop fsop; fi\n");
}

/* ---- fish -------------------------------------------------------------------------------------------------------- */

static void fish_value(struct text *text, enum completes completes, const char *words) {
        switch (completes) {
        case COMPLETE_WORDS:
                text_addf(text, " -x -a '%s'", words);
                break;
        case COMPLETE_FILE:
                text_adds(text, " -r -F");
                break;
        case COMPLETE_OWNER:
        case COMPLETE_USER:
                text_adds(text, " -x -a '(__fish_complete_users)'");
                break;
        default:
                text_adds(text, " -x");
        }
}

static void fish_options(struct text *text, const char *condition, const struct option *options) {
        for (; options && options->key; options++) {
                text_addf(text, "complete -c fsop%s", condition);
                if (options->letter)
                        text_addf(text, " -s %c", options->letter);
                if (options->name)
                        text_addf(text, " -l %s", options->name);
                if (options->optional && options->words)
                        text_addf(text, " -a '%s'", options->words);
                else if (options->value && !options->optional)
                        fish_value(text, options->completes, options->words);
                text_adds(text, " -d '");
                add_quoted(text, options->help);
                text_adds(text, "'\n");
        }
}

/* The condition under which a command's own words are offered. */
static void fish_condition(struct text *text, const struct command *command) {
        const char *blank = strchr(command->name, ' ');
        int len = blank ? (int)(blank - command->name) : (int)strlen(command->name);
        text_addf(text, " -n '__fish_seen_subcommand_from %.*s", len, command->name);
        if (blank)
                text_addf(text, "; and __fish_seen_subcommand_from %s", blank + 1);
        text_adds(text, "'");
}

static void fish_command(struct text *text, const struct command *command) {
        struct text condition = {0};
        const char *blank = strchr(command->name, ' ');
        if (blank) {
                int len = (int)(blank - command->name);
                text_addf(text, "complete -c fsop -f -n __fish_use_subcommand -a %.*s\n", len, command->name);
                text_addf(text,
                          "complete -c fsop -f -n '__fish_seen_subcommand_from %.*s; and not "
                          "__fish_seen_subcommand_from %s' -a %s",
                          len, command->name, blank + 1, blank + 1);
        } else
                text_addf(text, "complete -c fsop -f -n __fish_use_subcommand -a %s", command->name);
        text_adds(text, " -d '");
        add_quoted(text, command->help);
        text_adds(text, "'\n");
        fish_condition(&condition, command);
        fish_options(text, condition.data, command->options);
        if (command->completes == COMPLETE_WORDS || command->completes == COMPLETE_COMMAND) {
                text_addf(text, "complete -c fsop -f%s -a '", condition.data);
                if (command->completes == COMPLETE_WORDS)
                        add_quoted(text, command->words);
                else
                        add_command_words(text, " ", true);
                text_adds(text, "'\n");
        }
        text_free(&condition);
}

static void completion_fish(struct text *text) {
        text_adds(text, "# Completion of fsop for fish; made by `fsop completion fish`.\n");
        fish_options(text, "", global_options);
        for (const struct command *command = commands; command->name; command++)
                fish_command(text, command);
}

int completion_script(const char *shell, struct text *text) {
        if (strcmp(shell, "bash") == 0)
                completion_bash(text);
        else if (strcmp(shell, "zsh") == 0)
                completion_zsh(text);
        else if (strcmp(shell, "fish") == 0)
                completion_fish(text);
        else
                return -1;
        return 0;
}
