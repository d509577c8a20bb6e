/* SPDX-License-Identifier: MIT */
/* options.c: takes command lines apart, driven by the table of commands, and says helpfully what is wrong with them. */
#include <stdlib.h>
#include <string.h>

#include "client/cli/options.h"

/* ---- words and suggestions --------------------------------------------------------------------------------------- */

/* Whether WORD is among WORDS, which blanks separate. */
static bool words_hold(const char *words, const char *word) {
        size_t len = strchr(word, ' ') ? 0 : strlen(word);
        for (const char *p = words; len && (p = strstr(p, word)); p += len)
                if ((p == words || p[-1] == ' ') && (p[len] == 0 || p[len] == ' '))
                        return true;
        return false;
}

/* Remembers the candidate nearest to what was typed. */
struct nearest {
        const char *typed, *best;
        unsigned distance;
};

static void nearest_offer(struct nearest *nearest, const char *candidate) {
        unsigned distance = text_distance(nearest->typed, candidate);
        size_t len = strlen(nearest->typed);
        if (distance <= 1 + len / 4 && (!nearest->best || distance < nearest->distance)) {
                nearest->best = candidate;
                nearest->distance = distance;
        }
}

static void add_quoted(struct text *why, const char *before, const char *name, const char *behind) {
        text_adds(why, before);
        text_add_sentence(why, name, strlen(name));
        text_adds(why, behind);
}

/* ---- commands ---------------------------------------------------------------------------------------------------- */

bool command_begins_with(const char *name, const char *word) {
        size_t len = strlen(word);
        return strncmp(name, word, len) == 0 && name[len] == ' ';
}

/* The second words that "policy" may have. */
static void add_second_words(const char *first, struct text *why) {
        const char *separator = "";
        for (const struct command *command = commands; command->name; command++) {
                if (!command_begins_with(command->name, first))
                        continue;
                text_addf(why, "%s'%s'", separator, command->name);
                separator = ", ";
        }
}

int command_find(const char *const *words, int n_words, const struct command **ret_command, struct text *why) {
        struct nearest nearest = {.typed = words[0]};
        bool first_only = false;
        for (const struct command *command = commands; command->name; command++) {
                bool two = command_begins_with(command->name, words[0]);
                if (strcmp(command->name, words[0]) == 0 ||
                    (two && n_words > 1 && strcmp(strchr(command->name, ' ') + 1, words[1]) == 0)) {
                        *ret_command = command;
                        return two ? 2 : 1;
                }
                first_only |= two;
        }
        if (first_only) {
                add_quoted(why, "'", words[0], "' is followed by another word: ");
                add_second_words(words[0], why);
                return 0;
        }
        for (const struct command *command = commands; command->name; command++)
                nearest_offer(&nearest, command->name);
        add_quoted(why, "unknown command '", words[0], "'");
        if (nearest.best)
                text_addf(why, "; did you mean '%s'?", nearest.best);
        return -1;
}

/* ---- options ----------------------------------------------------------------------------------------------------- */

static const struct option *find_letter(const struct option *options, char letter) {
        for (; options && options->key; options++)
                if (options->letter == letter)
                        return options;
        return NULL;
}

/* A long option by its name or by an abbreviation that only one has. */
static const struct option *find_name(const struct option *options, const char *name, size_t len, unsigned *matches) {
        const struct option *found = NULL;
        for (; options && options->key; options++) {
                if (!options->name || strncmp(options->name, name, len) != 0)
                        continue;
                if (options->name[len] == 0) {
                        *matches = 1;
                        return options;
                }
                ++*matches;
                found = options;
        }
        return found;
}

static void offer_names(struct nearest *nearest, const struct option *options) {
        for (; options && options->key; options++)
                if (options->name)
                        nearest_offer(nearest, options->name);
}

/* One pass over the words. */
struct parser {
        const struct option *own; /* NULL before the command */
        const char *const *words;
        int n_words, at;
        const char **values;
        const char **repeated; /* grows downwards */
        int n_repeated;
        struct text *why;
};

static int store(struct parser *parser, const struct option *option, const char *value) {
        if (option->words && value && !words_hold(option->words, value)) {
                add_quoted(parser->why, "'", value, "'");
                text_addf(parser->why, " is no %s; there are: %s", option->value, option->words);
                return -1;
        }
        if (option->many) {
                *--parser->repeated = value;
                parser->n_repeated++;
        }
        parser->values[option->key] = value ? value : option->sets ? option->sets : "";
        return 0;
}

/* --name, --name=value, --name value */
static int parse_long(struct parser *parser) {
        const char *word = parser->words[parser->at] + 2;
        const char *equals = strchr(word, '=');
        size_t len = equals ? (size_t)(equals - word) : strlen(word);
        unsigned matches = 0;
        const struct option *option = find_name(parser->own, word, len, &matches);
        if (!option)
                option = find_name(global_options, word, len, &matches);
        if (!option || matches > 1) {
                char *typed = cli_copy(word, len);
                struct nearest nearest = {.typed = typed};
                offer_names(&nearest, parser->own);
                offer_names(&nearest, global_options);
                add_quoted(parser->why, matches > 1 ? "ambiguous option '--" : "unknown option '--", typed, "'");
                if (nearest.best && matches == 0)
                        text_addf(parser->why, "; did you mean '--%s'?", nearest.best);
                free(typed);
                return -1;
        }
        if ((!option->value || option->optional) && !equals)
                return store(parser, option, NULL);
        if (!option->value) {
                text_addf(parser->why, "option '--%s' takes no value", option->name);
                return -1;
        }
        if (equals)
                return store(parser, option, equals + 1);
        if (parser->at + 1 == parser->n_words) {
                text_addf(parser->why, "option '--%s' needs a value: --%s=%s", option->name, option->name,
                          option->value);
                return -1;
        }
        return store(parser, option, parser->words[++parser->at]);
}

/* -a, -ab, -mMODE, -m MODE */
static int parse_letters(struct parser *parser) {
        for (const char *p = parser->words[parser->at] + 1; *p; p++) {
                const struct option *option = parser->own ? find_letter(parser->own, *p) : NULL;
                if (!option)
                        option = find_letter(global_options, *p);
                if (!option) {
                        char typed[2] = {*p, 0};
                        add_quoted(parser->why, "unknown option '-", typed, "'");
                        return -1;
                }
                if (!option->value) {
                        if (store(parser, option, NULL) < 0)
                                return -1;
                        continue;
                }
                if (p[1])
                        return store(parser, option, p + 1);
                if (parser->at + 1 == parser->n_words) {
                        text_addf(parser->why, "option '-%c' needs a value: -%c %s", *p, *p, option->value);
                        return -1;
                }
                return store(parser, option, parser->words[++parser->at]);
        }
        return 0;
}

static bool is_option(const struct command *command, const char *word) {
        if (word[0] != '-' || !word[1])
                return false;
        return !command || !command->dash_letters || word[strspn(word + 1, command->dash_letters) + 1];
}

int options_parse_global(const char *const *words, int n_words, const char *values[OPT_COUNT], struct text *why) {
        struct parser parser = {.words = words, .n_words = n_words, .values = values, .why = why};
        for (; parser.at < n_words && is_option(NULL, words[parser.at]); parser.at++) {
                if (strcmp(words[parser.at], "--") == 0)
                        return parser.at + 1;
                if ((words[parser.at][1] == '-' ? parse_long : parse_letters)(&parser) < 0)
                        return -1;
        }
        return parser.at;
}

static int check_operands(const struct command *command, const struct invocation *invocation, struct text *why) {
        int n_operands = invocation->n_operands;
        bool may_be_none = invocation->values[command->none_with] != NULL;
        bool missing = n_operands < command->operands_min && !(n_operands == 0 && may_be_none);
        if (!missing && (command->operands_max < 0 || n_operands <= command->operands_max))
                return 0;
        text_adds(why, missing ? "too few arguments; usage: " : "too many arguments; usage: ");
        help_synopsis(command, why);
        return -1;
}

int options_parse(const struct command *command, const char *const *words, int n_words, const char **operands,
                  struct invocation *ret_invocation, struct text *why) {
        struct invocation invocation = {.command = command, .operands = operands};
        struct parser parser = {.own = command->options,
                                .words = words,
                                .n_words = n_words,
                                .values = invocation.values,
                                .repeated = operands + n_words,
                                .why = why};
        bool options_end = false;
        for (; parser.at < n_words; parser.at++) {
                const char *word = words[parser.at];
                if (!options_end && strcmp(word, "--") == 0)
                        options_end = true;
                else if (options_end || !is_option(command, word)) {
                        operands[invocation.n_operands++] = word;
                        options_end |= command->nested;
                } else if ((word[1] == '-' ? parse_long : parse_letters)(&parser) < 0)
                        return -1;
        }
        if (!invocation.values[OPT_HELP] && check_operands(command, &invocation, why) < 0)
                return -1;
        invocation.repeated = parser.repeated;
        invocation.n_repeated = parser.n_repeated;
        *ret_invocation = invocation;
        return 0;
}
