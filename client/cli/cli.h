/* SPDX-License-Identifier: MIT */
/*
 * cli.h: how commands become requests. A command's plan function makes actions, one for each thing it was asked to do,
 * and gives them to cli_submit(). An action is one or more steps (operations); run.c puts the steps into batches,
 * sends those and settles each action by its results, through show.c.
 */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include "client/cli/options.h"
#include "client/cli/parse.h"
#include "client/cli/text.h"
#include "client/fsop.h"

enum {
        EXIT_DONE = 0,
        EXIT_FAILED = 1,
        EXIT_USAGE = 2,
        EXIT_DENIED = 3,
        EXIT_NO_DAEMON = 4,
        EXIT_SOME_FAILED = 5,
};

struct action;
struct runner;

/* The run of the program. */
struct cli {
        const char *socket; /* as given; NULL: the library's choice */
        bool json;
        enum fsop_as as;
        uint64_t timeout_ms; /* 0: none */
        uint32_t umask;
        bool on_terminal; /* standard output is one: names are quoted there */
        struct fsop_client *client;
        struct runner *runner;
        bool no_daemon;
        /* inside `explain`: actions are explained instead of run */
        bool explaining;
        const char *explain_user;
        /* what became of everything so far */
        uint64_t n_done, n_failed, n_denied, n_partial, n_usage;
        uint64_t n_kept_back; /* of those that failed: an interrupt came before they were begun */
};

/* Connects when that has not happened yet. 0, or -1 after saying why not (no_daemon is set then); action, or NULL, is
 * what it was needed for. */
int cli_connect(struct cli *cli, const struct action *action);

/* Connects anew, in silence, after the connection was lost. 0, or -1. */
int cli_reconnect(struct cli *cli);

/* Says what is wrong with a command line, or with a line of a batch file. Returns -1. */
__attribute__((format(printf, 3, 4))) int cli_usage(struct cli *cli, const struct invocation *invocation,
                                                    const char *format, ...);
/* The same where a parser refused a value: "MODE 'u=q': WHY". */
int cli_usage_value(struct cli *cli, const struct invocation *invocation, const char *what, const char *value,
                    const char *why);

/* The same before there is an invocation; command may be NULL, line 0. */
int cli_complain(struct cli *cli, const struct command *command, unsigned line, const struct text *why);

/* The help of a command, of those that begin with the word FIRST, or of everything (both NULL), on standard output. */
void cli_show_help(const struct command *command, const char *first);

/* Takes over options of fsop itself, wherever they stood. 0, or -1 after a complaint. */
int cli_take_global(struct cli *cli, const struct invocation *where, const char *const values[OPT_COUNT]);

int cli_exit_status(const struct cli *cli);

/* ---- actions ----------------------------------------------------------------------------------------------------- */

union step_args {
        size_t size;
        struct fsop_chmod_args chmod;
        struct fsop_chown_args chown;
        struct fsop_utimens_args utimens;
        struct fsop_mknod_args mknod;
        struct fsop_mkdir_args mkdir;
        struct fsop_unlink_args unlink;
        struct fsop_rename_args rename;
        struct fsop_ls_args ls;
        struct fsop_symlink_args symlink;
        struct fsop_getxattr_args getxattr;
        struct fsop_setxattr_args setxattr;
        struct fsop_removexattr_args removexattr;
        struct fsop_fallocate_args fallocate;
        struct fsop_truncate_args truncate;
        struct fsop_fadvise_args fadvise;
        struct fsop_copy_range_args copy_range;
        struct fsop_fsync_args fsync;
        struct fsop_explain_args explain;
        struct fsop_cp_args cp;
        struct fsop_job_args job;
};

struct step {
        enum fsop_verb verb;
        bool has_at, has_to;
        struct fsop_at at, to;
        union step_args args; /* size 0: the operation takes none */
        int tolerated;        /* FSOP_E…: this error is as good as success; 0: none is */
        size_t user;          /* the action's own */
};

enum verdict {
        VERDICT_SETTLED, /* the results decide: the first error that is not tolerated, or success */
        VERDICT_AGAIN,   /* new steps were put into the action: run those */
};

struct action {
        const struct command *command;
        enum fsop_verb verb; /* what it is called in the output */
        const char *path;    /* as it was given; owned; NULL: none */
        const char *to;      /* likewise: the target of mv, ln, copy-range */
        uint64_t job;        /* the job that it is about; 0: none */
        unsigned line;
        enum fsop_as as;
        struct step *steps;
        unsigned n_steps, n_steps_allocated;
        /* Looks at the results of all steps (as many as n_steps; never NULL). May replace the steps, change path, or
         * set why. */
        enum verdict (*advance)(struct cli *cli, struct action *action, const struct fsop_result *const *results);
        const char *why; /* set by advance: it failed for this reason, which the daemon does not know; static */
        int why_code;    /* FSOP_E… with it */
        /* Shows a success in text; NULL: silence is success. */
        void (*show)(struct cli *cli, const struct action *action, const struct fsop_result *result);
        bool shows_json;  /* show prints JSON itself where that is wanted */
        const char *hint; /* what would help when it fails; static; NULL: what show.c knows */
        void *state;      /* of advance and show */
        void (*free_state)(void *state);
        void **kept; /* memory that lives as long as the action */
        unsigned n_kept;
        uint64_t started_us;      /* when it was sent */
        enum fsop_verb explained; /* of an explanation: the operation it is about */
        unsigned stage;           /* for advance: how often it ran */
};

/* An action on PATH (copied; NULL: none). */
struct action *action_new(struct cli *cli, const struct invocation *invocation, enum fsop_verb verb, const char *path);
void action_free(struct action *action);
/* Copies of strings that live as long as the action. */
const char *action_keep(struct action *action, const char *data, size_t len);
/* Gives malloc'd memory to the action. */
void action_own(struct action *action, void *memory);

/* Adds a step on the action's path, or on none if it has none. The pointer is valid until the next one is added. */
struct step *action_step(struct action *action, enum fsop_verb verb, bool follow);
/* Adds a step on another path, which must be kept. */
struct step *action_step_at(struct action *action, enum fsop_verb verb, const char *path, bool follow);
void step_to(struct step *step, const char *path, bool follow);
/* Gives a step arguments of SIZE bytes, all 0 so far but their size. struct fsop_chmod_args *args = step_args(step,
 * sizeof(*args)); */
void *step_args(struct step *step, size_t size);
void action_clear_steps(struct action *action);

/* Takes the action, which runs as soon as a batch is full or cli_flush is called; ordered unless the runner is
 * parallel. */
void cli_submit(struct cli *cli, struct action *action);

/* Something needed to plan: the object's stat, after everything submitted before it in an ordered run. False on any
 * error. */
bool cli_query_stat(struct cli *cli, const char *path, bool follow, struct fsop_stat *ret_stat);

/* The same for something without which the command makes no sense: takes the action, which names it, and shows a
 * failure. */
bool cli_ask_stat(struct cli *cli, struct action *action, bool follow, struct fsop_stat *ret_stat);

/* The paths of this command do not depend on each other: their order is free (not in batch files, which have their
 * own). */
void cli_unordered(struct cli *cli, const struct invocation *invocation);

/* Whether PATH is, or leads to, a directory. */
bool cli_is_directory(struct cli *cli, const char *path);

/* DIRECTORY/last component of PATH; malloc'd. */
char *cli_join(const char *directory, const char *path);
/* What SOURCE becomes inside DIRECTORY, as cp(1) has it: with its last component, except where that is "." or ".." or
 * the root, whose contents go into DIRECTORY itself. malloc'd. */
char *cp_join(const char *directory, const char *source);
/* Whether a file may be made by this name: one that ends in a slash is a directory's. */
bool path_may_be_file(const char *path);
/* The last component of a path, trailing slashes not counted. */
struct fsop_bytes path_leaf(const char *path);

/* MODE and umask for something new: -m MODE relative to BASE, umask not applied; else BASE and the umask. */
int cli_create_mode(struct cli *cli, const struct invocation *invocation, uint32_t base,
                    struct fsop_create *ret_create);

/* ---- running (run.c) --------------------------------------------------------------------------------------------- */

struct runner_options {
        bool parallel;      /* actions do not depend on each other: one batch at a time, its operations in any order */
        bool pipelined;     /* likewise, and several batches are in flight */
        bool strict;        /* an action is over before the next one begins, however many rounds it takes */
        bool stop_on_error; /* nothing more is begun after a failure */
};
/* Finishes what is there, and begins to run what follows in another way. */
void runner_start(struct cli *cli, const struct runner_options *options);
/* Sends what waits and waits for all answers. */
void cli_flush(struct cli *cli);
/* Whether to go on: false after a failure with stop_on_error, after an interrupt, when the daemon is gone. */
bool cli_goes_on(const struct cli *cli);
/* Whether a failure ended it. */
bool cli_was_stopped(const struct cli *cli);
void runner_free(struct cli *cli);

/* ---- planning (cmd_*.c) ------------------------------------------------------------------------------------------ */

/* The value of an option, NULL if it was not given. */
static inline const char *given(const struct invocation *invocation, enum option_key key) {
        return invocation->values[key];
}

int plan_ping(struct cli *cli, const struct invocation *invocation);
int plan_info(struct cli *cli, const struct invocation *invocation);
int plan_status(struct cli *cli, const struct invocation *invocation);
int plan_explain(struct cli *cli, const struct invocation *invocation);
int plan_policy_check(struct cli *cli, const struct invocation *invocation);
int plan_policy_reload(struct cli *cli, const struct invocation *invocation);
int plan_completion(struct cli *cli, const struct invocation *invocation);
int plan_stat(struct cli *cli, const struct invocation *invocation);
int plan_ls(struct cli *cli, const struct invocation *invocation);
int plan_statfs(struct cli *cli, const struct invocation *invocation);
int plan_readlink(struct cli *cli, const struct invocation *invocation);
int plan_mkdir(struct cli *cli, const struct invocation *invocation);
int plan_rmdir(struct cli *cli, const struct invocation *invocation);
int plan_rm(struct cli *cli, const struct invocation *invocation);
int plan_mv(struct cli *cli, const struct invocation *invocation);
int plan_ln(struct cli *cli, const struct invocation *invocation);
int plan_touch(struct cli *cli, const struct invocation *invocation);
int plan_chmod(struct cli *cli, const struct invocation *invocation);
int plan_chown(struct cli *cli, const struct invocation *invocation);
int plan_mknod(struct cli *cli, const struct invocation *invocation);
int plan_mkfifo(struct cli *cli, const struct invocation *invocation);
int plan_truncate(struct cli *cli, const struct invocation *invocation);
int plan_fallocate(struct cli *cli, const struct invocation *invocation);
int plan_sync(struct cli *cli, const struct invocation *invocation);
int plan_fadvise(struct cli *cli, const struct invocation *invocation);
int plan_copy_range(struct cli *cli, const struct invocation *invocation);
int plan_cp(struct cli *cli, const struct invocation *invocation);
int plan_job_list(struct cli *cli, const struct invocation *invocation);
int plan_job_show(struct cli *cli, const struct invocation *invocation);
int plan_job_watch(struct cli *cli, const struct invocation *invocation);
int plan_job_pause(struct cli *cli, const struct invocation *invocation);
int plan_job_resume(struct cli *cli, const struct invocation *invocation);
int plan_job_cancel(struct cli *cli, const struct invocation *invocation);
int plan_job_retry(struct cli *cli, const struct invocation *invocation);
int plan_job_forget(struct cli *cli, const struct invocation *invocation);
int plan_getxattr(struct cli *cli, const struct invocation *invocation);
int plan_setxattr(struct cli *cli, const struct invocation *invocation);
int plan_listxattr(struct cli *cli, const struct invocation *invocation);
int plan_removexattr(struct cli *cli, const struct invocation *invocation);
int plan_batch(struct cli *cli, const struct invocation *invocation);

/* Plans a command from its words, which begin with its name. 0, or -1 after a message. */
int cli_plan_words(struct cli *cli, const char *const *words, int n_words, unsigned line);

#endif
