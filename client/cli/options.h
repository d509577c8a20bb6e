/* SPDX-License-Identifier: MIT */
/*
 * options.h: the commands and their options as one table (commands.c), and what is driven by it: the parser here, the
 * help in help.c, the completions in completion.c. Adding a command is adding a row.
 */
#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

#include "client/cli/text.h"

struct cli;
struct invocation;

/* What an option means; the values of an invocation are indexed by it. */
enum option_key {
        OPT_END = 0, /* ends an array of options */
        /* of fsop itself */
        OPT_HELP,
        OPT_VERSION,
        OPT_SOCKET,
        OPT_JSON,
        OPT_AS,
        OPT_TIMEOUT,
        /* of commands */
        OPT_ACCESS,
        OPT_ADVICE,
        OPT_ALL,
        OPT_ARCHIVE,
        OPT_BWLIMIT,
        OPT_CLONE,
        OPT_COLLAPSE,
        OPT_CREATE,
        OPT_DATA,
        OPT_DATE,
        OPT_DEREFERENCE,
        OPT_DETACH,
        OPT_DIG,
        OPT_DST_OFFSET,
        OPT_ENCODING,
        OPT_EXCHANGE,
        OPT_EXCLUDE,
        OPT_FILES_FROM,
        OPT_FILESYSTEM,
        OPT_FOLLOW,
        OPT_FORCE,
        OPT_FROM,
        OPT_IDEMPOTENCY_KEY,
        OPT_INSERT,
        OPT_KEEP_SIZE,
        OPT_LENGTH,
        OPT_LINKS_TOO,
        OPT_LONG,
        OPT_MANIFEST,
        OPT_MODE,
        OPT_MODIFICATION,
        OPT_NO_CLOBBER,
        OPT_NO_CREATE,
        OPT_NO_DEREFERENCE,
        OPT_NO_TARGET_DIRECTORY,
        OPT_NUL,
        OPT_OFFSET,
        OPT_ONE_FILESYSTEM,
        OPT_PARALLEL,
        OPT_PARENTS,
        OPT_PRESERVE,
        OPT_PRESERVE_USUAL,
        OPT_PRIORITY,
        OPT_PUNCH,
        OPT_RECURSIVE,
        OPT_REFERENCE,
        OPT_REPLACE,
        OPT_SIZE,
        OPT_SRC_OFFSET,
        OPT_STOP_ON_ERROR,
        OPT_SYMBOLIC,
        OPT_SYNC,
        OPT_TARGET_DIRECTORY,
        OPT_UNSHARE,
        OPT_UPDATE,
        OPT_USER,
        OPT_VERIFY,
        OPT_ZERO,
        OPT_COUNT
};

enum completes { COMPLETE_NOTHING, COMPLETE_FILE, COMPLETE_OWNER, COMPLETE_USER, COMPLETE_COMMAND, COMPLETE_WORDS };

struct option {
        enum option_key key;
        char letter;       /* 0: none */
        const char *name;  /* NULL: none */
        const char *value; /* what its value is called; NULL: it takes none */
        const char *help;
        enum completes completes;
        const char *words; /* the values it may have, with blanks between; NULL: any */
        const char *sets;  /* what it stores when it takes no value; NULL: that it was given */
        bool optional;     /* its value may be left out, and stands behind = where it is given; only with a name */
        bool many;         /* every value counts: they are in `repeated`; at most one option of a command */
};

struct command {
        const char *name;     /* one word, or two: "policy reload" */
        const char *operands; /* for the synopsis */
        const char *help;     /* one line */
        const struct option *options;
        int operands_min, operands_max; /* -1: any number */
        enum completes completes;       /* the operands */
        const char *words;              /* their values, for COMPLETE_WORDS */
        const char *dash_letters;       /* "-x" is an operand when its letters are among these: chmod -x */
        enum option_key none_with;      /* with this option there need be no operands; OPT_END: with none */
        bool nested;                    /* the operands are a command with options of its own */
        bool alone;                     /* not in a batch file, not to be explained */
        /* Turns the invocation into actions (cli.h). 0, or -1 after cli_usage(). */
        int (*plan)(struct cli *cli, const struct invocation *invocation);
        const char *more; /* further text of its --help; NULL: none */
};

/* In commands.c. Both end with an empty row. */
extern const struct command commands[];
extern const struct option global_options[];

/* A command line taken apart. Everything points into the words it was made from. */
struct invocation {
        const struct command *command;
        const char *values[OPT_COUNT]; /* NULL: not given; the value, or "" */
        const char *const *operands;
        int n_operands;
        const char *const *repeated; /* all values of the option that may be repeated, the last one first */
        int n_repeated;
        unsigned line; /* in a batch file; 0: none */
};

/*
 * Finds the command that WORDS begin with. Returns how many words its name has, or the reason, a suggestion included,
 * with 0 where the first word begins several commands ("job"), else -1.
 */
int command_find(const char *const *words, int n_words, const struct command **ret_command, struct text *why);
/* Whether NAME has two words, and WORD is the first. */
bool command_begins_with(const char *name, const char *word);

/*
 * Takes the words behind the command's name apart. Options and operands may be mixed, "--" ends the options. operands
 * gets the operands' pointers, those of repeated values at its end, and must have room for n_words. Global options may
 * stand here, too, in their long form. Returns 0, or -1 with the reason. The number of operands is not checked when
 * --help was given.
 */
int options_parse(const struct command *command, const char *const *words, int n_words, const char **operands,
                  struct invocation *ret_invocation, struct text *why);

/* The options of fsop that stand before the command. Returns how many words they take, or -1. */
int options_parse_global(const char *const *words, int n_words, const char *values[OPT_COUNT], struct text *why);

/* "fsop chmod [-R] MODE PATH…" */
void help_synopsis(const struct command *command, struct text *text);
void help_command(const struct command *command, struct text *text);
void help_group(const char *first, struct text *text); /* the commands that begin with this word */
void help_all(struct text *text);

/* The completion script for "bash", "zsh" or "fish"; -1 for another shell. */
int completion_script(const char *shell, struct text *text);

#endif
