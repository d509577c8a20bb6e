/* SPDX-License-Identifier: MIT */
/* help.c: --help, from the table of commands. */
#include <stdio.h>
#include <string.h>

#include "client/cli/options.h"

#define COLUMN 27
#define SYNOPSIS_COLUMNS 110

/* Columns a UTF-8 text takes: its characters, as ours are all one wide. */
static int width(const char *text) {
        int n = 0;
        for (; *text; text++)
                n += ((unsigned char)*text & 0xc0) != 0x80;
        return n;
}

/* A piece of the synopsis, on another line where this one is full. */
static void add_item(struct text *text, size_t *line_start, const char *item) {
        if (width(text->data + *line_start) + 1 + width(item) > SYNOPSIS_COLUMNS) {
                text_adds(text, "\n       ");
                *line_start = text->len - 7;
        }
        text_addf(text, " %s", item);
}

void help_synopsis(const struct command *command, struct text *text) {
        size_t line_start = text->len;
        text_addf(text, "fsop %s", command->name);
        for (const struct option *option = command->options; option && option->key; option++) {
                char form[64], item[128];
                if (option->letter)
                        snprintf(form, sizeof(form), "-%c", option->letter);
                else
                        snprintf(form, sizeof(form), "--%s", option->name);
                /* What the synopsis of the operands shows already is mandatory. */
                if (strncmp(command->operands, form, strlen(form)) == 0)
                        continue;
                if (option->optional)
                        snprintf(item, sizeof(item), "[%s[=%s]]", form, option->value);
                else
                        snprintf(item, sizeof(item), "[%s%s%s]%s", form, option->value ? " " : "",
                                 option->value ? option->value : "", option->many ? "…" : "");
                add_item(text, &line_start, item);
        }
        if (*command->operands)
                add_item(text, &line_start, command->operands);
}

static void add_row(struct text *text, const char *left, const char *right) {
        int pad = COLUMN - width(left);
        text_addf(text, "  %s", left);
        if (pad < 2)
                text_addf(text, "\n%*s", COLUMN + 2, "");
        else
                text_addf(text, "%*s", pad, "");
        text_addf(text, "%s\n", right);
}

static void add_options(struct text *text, const struct option *options) {
        for (const struct option *option = options; option && option->key; option++) {
                char left[96], letter[8] = "    ";
                const char *before = option->optional ? "[=" : option->name ? "=" : " ";
                if (option->letter)
                        snprintf(letter, sizeof(letter), "-%c%s", option->letter, option->name ? ", " : "  ");
                snprintf(left, sizeof(left), "%s%s%s%s%s%s", letter, option->name ? "--" : "",
                         option->name ? option->name : "", option->value ? before : "",
                         option->value ? option->value : "", option->optional ? "]" : "");
                add_row(text, left, option->help);
                if (option->words && option->value)
                        text_addf(text, "%*s%s\n", COLUMN + 2, "", option->words);
        }
}

void help_command(const struct command *command, struct text *text) {
        text_adds(text, "usage: ");
        help_synopsis(command, text);
        text_addf(text, "\n\n%c%s.\n", *command->help - 'a' + 'A', command->help + 1);
        if (command->more)
                text_addf(text, "%s", command->more);
        if (command->options) {
                text_adds(text, "\noptions:\n");
                add_options(text, command->options);
        }
        text_adds(text, "\n`fsop --help` lists the options that every command takes.\n");
}

/* All of them, or those that begin with the word FIRST. */
static void add_commands(struct text *text, const char *first) {
        text_adds(text, "commands:\n");
        for (const struct command *command = commands; command->name; command++) {
                char left[96];
                if (first && !command_begins_with(command->name, first))
                        continue;
                snprintf(left, sizeof(left), "%s%s%s", command->name, *command->operands ? " " : "", command->operands);
                add_row(text, left, command->help);
        }
}

void help_group(const char *first, struct text *text) {
        text_addf(text, "usage: fsop %s COMMAND …\n\n", first);
        add_commands(text, first);
        text_addf(text, "\n`fsop %s COMMAND --help` tells more about one.\n", first);
}

void help_all(struct text *text) {
        text_adds(text, "usage: fsop [OPTION]… COMMAND …\n\nAsks fsopd to do something with files.\n\n");
        add_commands(text, NULL);
        text_adds(text, "\noptions:\n");
        add_options(text, global_options);
        text_adds(text,
                  "\n`fsop COMMAND --help` tells more about one.\n"
                  "Exit status: 0 done, 1 failed, 2 wrong usage, 3 denied, 4 no daemon, 5 some of several failed.\n");
}
