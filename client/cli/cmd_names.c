/* SPDX-License-Identifier: MIT */
/* cmd_names.c: what makes, removes and moves names: mkdir, rmdir, rm, mv, ln, readlink, mknod, mkfifo. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/cli.h"
#include "client/cli/show.h"
#include "client/cli/terminal.h"

static bool is_directory(const struct fsop_stat *stat) {
        return (stat->mode & 0170000) == 0040000;
}

/* ---- mkdir ------------------------------------------------------------------------------------------------------- */

struct mkdir_state {
        struct fsop_create create;
        bool parents;
        enum { MAKING, MAKING_PARENTS, LOOKING, SETTING_MODE } doing;
};

static void put_mkdir(struct action *action, const char *path, struct fsop_create create) {
        struct fsop_mkdir_args *args = step_args(action_step_at(action, FSOP_VERB_MKDIR, path, false), sizeof(*args));
        args->create = create;
}

static bool is_dots(const char *path, size_t len) {
        size_t start = len;
        while (start > 0 && path[start - 1] != '/')
                start--;
        return (len - start == 1 || len - start == 2) && strspn(path + start, ".") >= len - start;
}

/* All directories above the path, from the top, and then itself. */
static void put_parents(struct action *action, const struct mkdir_state *state) {
        struct fsop_create create = state->create;
        create.mode = 0777;
        create.has_umask = false;
        const char *path = action->path;
        for (size_t i = 1; path[i]; i++)
                if (path[i] == '/' && path[i - 1] != '/' && !is_dots(path, i))
                        put_mkdir(action, action_keep(action, path, i), create);
        put_mkdir(action, path, state->create);
}

static enum verdict mkdir_again(struct action *action, struct mkdir_state *state, int doing) {
        action_clear_steps(action);
        state->doing = doing;
        if (doing == MAKING_PARENTS)
                put_parents(action, state);
        else if (doing == LOOKING)
                action_step(action, FSOP_VERB_STAT, true);
        else {
                struct fsop_chmod_args *args = step_args(action_step(action, FSOP_VERB_CHMOD, false), sizeof(*args));
                args->set = state->create.mode;
                args->clear = 07777;
        }
        return VERDICT_AGAIN;
}

/* When the directory itself was made, or failed for a reason of its own, those above do not matter. */
static void forgive_parents(struct action *action, const struct fsop_result *const *results, int code) {
        for (unsigned i = 0; i + 1 < action->n_steps; i++)
                action->steps[i].tolerated = code != FSOP_ENOENT ? results[i]->error.code : FSOP_EEXIST;
}

static enum verdict mkdir_advance(struct cli *cli, struct action *action, const struct fsop_result *const *results) {
        struct mkdir_state *state = action->state;
        const struct fsop_result *last = results[action->n_steps - 1];
        int code = last->error.code;
        (void)cli;
        if (state->doing == LOOKING) {
                if (code || !is_directory(&last->value.stat)) {
                        action->why = "exists, and is no directory";
                        action->why_code = FSOP_EEXIST;
                }
                return VERDICT_SETTLED;
        }
        if (state->doing == SETTING_MODE)
                return VERDICT_SETTLED;
        if (code == FSOP_EEXIST && state->parents)
                return mkdir_again(action, state, LOOKING);
        if (code == FSOP_ENOENT && state->parents && state->doing == MAKING && strchr(action->path + 1, '/'))
                return mkdir_again(action, state, MAKING_PARENTS);
        forgive_parents(action, results, code);
        /* mkdir itself sets no set-id bits. */
        if (code == 0 && (state->create.mode & 06000))
                return mkdir_again(action, state, SETTING_MODE);
        return VERDICT_SETTLED;
}

int plan_mkdir(struct cli *cli, const struct invocation *invocation) {
        bool parents = given(invocation, OPT_PARENTS);
        struct fsop_create create;
        if (cli_create_mode(cli, invocation, 0777, &create) < 0)
                return -1;
        if (parents)
                cli_unordered(cli, invocation);
        for (int i = 0; i < invocation->n_operands; i++) {
                struct action *action = action_new(cli, invocation, FSOP_VERB_MKDIR, invocation->operands[i]);
                struct fsop_bytes leaf = path_leaf(action->path);
                action->path =
                        action_keep(action, action->path, (size_t)((const char *)leaf.data - action->path) + leaf.len);
                put_mkdir(action, action->path, create);
                if (parents || (create.mode & 06000)) {
                        struct mkdir_state *state = cli_alloc(sizeof(*state));
                        *state = (struct mkdir_state){.create = create, .parents = parents};
                        action->state = state;
                        action_own(action, state);
                        action->advance = mkdir_advance;
                }
                cli_submit(cli, action);
        }
        return 0;
}

/* ---- rmdir, rm --------------------------------------------------------------------------------------------------- */

int plan_rmdir(struct cli *cli, const struct invocation *invocation) {
        for (int i = 0; i < invocation->n_operands; i++) {
                struct action *action = action_new(cli, invocation, FSOP_VERB_RMDIR, invocation->operands[i]);
                action_step(action, FSOP_VERB_RMDIR, false);
                cli_submit(cli, action);
        }
        return 0;
}

/* rm -f: what cannot be there is not there. A read-only filesystem says so before it looks for the name. */
static enum verdict rm_advance(struct cli *cli, struct action *action, const struct fsop_result *const *results) {
        int code = results[0]->error.code;
        (void)cli;
        if (action->stage > 0) {
                action->steps[0].tolerated = FSOP_ENOENT;
                if (code != FSOP_ENOENT) {
                        action->why = "read-only filesystem";
                        action->why_code = FSOP_EROFS;
                }
        } else if (code == FSOP_ENOENT || code == FSOP_ENOTDIR)
                action->steps[0].tolerated = code;
        else if (code == FSOP_EROFS && !(action_walks(action) && results[0]->value.walk.visited > 0)) {
                action_clear_steps(action);
                action_step(action, FSOP_VERB_STAT, false);
                return VERDICT_AGAIN;
        }
        return VERDICT_SETTLED;
}

int plan_rm(struct cli *cli, const struct invocation *invocation) {
        struct fsop_walk walk = {.recursive = given(invocation, OPT_RECURSIVE),
                                 .one_filesystem = given(invocation, OPT_ONE_FILESYSTEM)};
        for (int i = 0; i < invocation->n_operands; i++) {
                struct fsop_bytes leaf = path_leaf(invocation->operands[i]);
                if (leaf.len > 0 && (*(const char *)leaf.data == '/' || is_dots(leaf.data, leaf.len)))
                        return cli_usage(cli, invocation, "refusing to remove '%s'", invocation->operands[i]);
        }
        for (int i = 0; i < invocation->n_operands; i++) {
                if (given(invocation, OPT_FORCE) && *invocation->operands[i] == 0)
                        continue; /* which nothing is called */
                struct action *action = action_new(cli, invocation, FSOP_VERB_UNLINK, invocation->operands[i]);
                struct step *step = action_step(action, FSOP_VERB_UNLINK, false);
                struct fsop_unlink_args *args = step_args(step, sizeof(*args));
                args->walk = walk;
                if (given(invocation, OPT_FORCE))
                        action->advance = rm_advance;
                cli_submit(cli, action);
        }
        return 0;
}

/* ---- mv ---------------------------------------------------------------------------------------------------------- */

int plan_mv(struct cli *cli, const struct invocation *invocation) {
        const char *target = invocation->operands[invocation->n_operands - 1];
        const char *clobber = invocation->values[OPT_NO_CLOBBER];
        bool no_replace = clobber && *clobber == 'n', exchange = given(invocation, OPT_EXCHANGE);
        bool exact = exchange || given(invocation, OPT_NO_TARGET_DIRECTORY);
        if (exact && invocation->n_operands > 2)
                return cli_usage(cli, invocation, "%s takes one SRC and one DST", exchange ? "--exchange" : "-T");
        if (exchange && no_replace)
                return cli_usage(cli, invocation, "--exchange and -n exclude each other");
        bool into = !exact && cli_is_directory(cli, target);
        if (!into && invocation->n_operands > 2 && cli_goes_on(cli))
                return cli_usage_value(cli, invocation, "target", target, "is no directory, but there are several SRC");
        if (!into && target[0] != 0 && target[strlen(target) - 1] == '/' &&
            !cli_is_directory(cli, invocation->operands[0]) && cli_goes_on(cli))
                return cli_usage_value(cli, invocation, "target", target, "is no directory");
        for (int i = 0; i + 1 < invocation->n_operands; i++) {
                struct action *action = action_new(cli, invocation, FSOP_VERB_RENAME, invocation->operands[i]);
                char *joined = into ? cli_join(target, invocation->operands[i]) : cli_copy(target, strlen(target));
                action_own(action, joined);
                action->to = joined;
                struct step *step = action_step(action, FSOP_VERB_RENAME, false);
                step_to(step, joined, false);
                struct fsop_rename_args *args = step_args(step, sizeof(*args));
                args->no_replace = no_replace;
                args->exchange = exchange;
                cli_submit(cli, action);
        }
        return 0;
}

/* ---- ln ---------------------------------------------------------------------------------------------------------- */

struct ln_state {
        const char *target; /* the text of a symbolic link, or the existing file */
        bool symbolic, force, exact;
        enum { LINKING, LOOKING_AT_LINK, REPLACING } doing;
};

static void put_link(struct action *action, const char *link) {
        const struct ln_state *state = action->state;
        if (state->symbolic) {
                struct step *step = action_step_at(action, FSOP_VERB_SYMLINK, link, false);
                struct fsop_symlink_args *args = step_args(step, sizeof(*args));
                args->text = fsop_bytes_of(state->target);
                return;
        }
        step_to(action_step_at(action, FSOP_VERB_LINK, state->target, false), link, false);
}

static const char *link_path(const struct action *action) {
        const struct ln_state *state = action->state;
        return state->symbolic ? action->path : action->to;
}

static void set_link_path(struct action *action, char *path) {
        const struct ln_state *state = action->state;
        action_own(action, path);
        if (state->symbolic)
                action->path = path;
        else
                action->to = path;
}

/* A temporary name beside the link, renamed over it: nobody finds the name missing. Two names of one file are not
 * renamed by the kernel, so that the temporary one is removed in the end, whether it is there or not. */
static void put_replacement(struct action *action) {
        const char *link = link_path(action);
        struct fsop_bytes leaf = path_leaf(link);
        struct text name = {0};
        text_add(&name, link, (size_t)((const char *)leaf.data - link));
        text_addf(&name, ".fsop-%016llx", (unsigned long long)terminal_random());
        action_own(action, name.data);
        put_link(action, name.data);
        step_to(action_step_at(action, FSOP_VERB_RENAME, name.data, false), link, false);
        struct step *step = action_step_at(action, FSOP_VERB_UNLINK, name.data, false);
        step->tolerated = FSOP_ENOENT;
}

/* In the place of LINK, which would be lost for it. */
static bool leads_to_itself(const struct ln_state *state, const char *link) {
        struct fsop_bytes leaf = path_leaf(link);
        size_t len = strlen(state->target);
        return state->symbolic &&
               (strcmp(state->target, link) == 0 || (len == leaf.len && memcmp(state->target, leaf.data, len) == 0));
}

/* The name exists: a directory means inside of it, else -f means instead of it. */
static enum verdict ln_advance(struct cli *cli, struct action *action, const struct fsop_result *const *results) {
        struct ln_state *state = action->state;
        int code = results[0]->error.code;
        (void)cli;
        if (state->doing == REPLACING || (state->doing == LINKING && code != FSOP_EEXIST))
                return VERDICT_SETTLED;
        if (state->doing == LINKING && !state->exact) {
                action_clear_steps(action);
                action_step_at(action, FSOP_VERB_STAT, link_path(action), true);
                state->doing = LOOKING_AT_LINK;
                return VERDICT_AGAIN;
        }
        bool into = state->doing == LOOKING_AT_LINK && code == 0 && is_directory(&results[0]->value.stat);
        if (!into && !state->force) {
                action->why = "exists already";
                action->why_code = FSOP_EEXIST;
                action->hint = "-f replaces it";
                return VERDICT_SETTLED;
        }
        if (!into && leads_to_itself(state, link_path(action))) {
                action->why = "would lead to itself, and what is there be lost";
                action->why_code = FSOP_EINVAL;
                return VERDICT_SETTLED;
        }
        action_clear_steps(action);
        if (into) {
                set_link_path(action, cli_join(link_path(action), state->target));
                put_link(action, link_path(action));
                state->doing = LINKING;
                state->exact = true;
        } else {
                put_replacement(action);
                state->doing = REPLACING;
        }
        return VERDICT_AGAIN;
}

int plan_ln(struct cli *cli, const struct invocation *invocation) {
        bool symbolic = given(invocation, OPT_SYMBOLIC);
        const char *target = invocation->operands[0], *link = invocation->operands[1];
        struct action *action =
                action_new(cli, invocation, symbolic ? FSOP_VERB_SYMLINK : FSOP_VERB_LINK, symbolic ? link : target);
        struct ln_state *state = cli_alloc(sizeof(*state));
        *state = (struct ln_state){.target = action_keep(action, target, strlen(target)),
                                   .symbolic = symbolic,
                                   .force = given(invocation, OPT_FORCE),
                                   .exact = given(invocation, OPT_NO_TARGET_DIRECTORY)};
        action->state = state;
        action_own(action, state);
        if (!symbolic)
                action->to = action_keep(action, link, strlen(link));
        if (!state->exact || state->force)
                action->advance = ln_advance;
        put_link(action, link_path(action));
        cli_submit(cli, action);
        return 0;
}

int plan_readlink(struct cli *cli, const struct invocation *invocation) {
        cli_unordered(cli, invocation);
        for (int i = 0; i < invocation->n_operands; i++) {
                struct action *action = action_new(cli, invocation, FSOP_VERB_READLINK, invocation->operands[i]);
                action_step(action, FSOP_VERB_READLINK, false);
                action->show = show_line;
                cli_submit(cli, action);
        }
        return 0;
}

/* ---- mknod, mkfifo ----------------------------------------------------------------------------------------------- */

static void submit_mknod(struct cli *cli, const struct invocation *invocation, const char *path,
                         const struct fsop_mknod_args *what) {
        struct action *action = action_new(cli, invocation, FSOP_VERB_MKNOD, path);
        struct fsop_mknod_args *args = step_args(action_step(action, FSOP_VERB_MKNOD, false), sizeof(*args));
        *args = *what;
        args->size = sizeof(*args);
        cli_submit(cli, action);
}

static int node_type(struct cli *cli, const struct invocation *invocation, enum fsop_file_type *ret_type) {
        static const char letters[] = "psbcu";
        static const enum fsop_file_type types[] = {FSOP_TYPE_FIFO, FSOP_TYPE_SOCKET, FSOP_TYPE_BLOCK, FSOP_TYPE_CHAR,
                                                    FSOP_TYPE_CHAR};
        const char *type = invocation->operands[1];
        const char *at = strlen(type) == 1 ? strchr(letters, *type) : NULL;
        if (!at)
                return cli_usage_value(cli, invocation, "type", type,
                                       "there are p (FIFO), s (socket), b (block) and c (character)");
        bool device = types[at - letters] == FSOP_TYPE_BLOCK || types[at - letters] == FSOP_TYPE_CHAR;
        if (device != (invocation->n_operands == 4) || invocation->n_operands == 3)
                return cli_usage(cli, invocation,
                                 device ? "a device has MAJOR and MINOR" : "only devices have MAJOR and MINOR");
        *ret_type = types[at - letters];
        return 0;
}

int plan_mknod(struct cli *cli, const struct invocation *invocation) {
        struct fsop_mknod_args args = {0};
        const char *why;
        if (node_type(cli, invocation, &args.type) < 0 || cli_create_mode(cli, invocation, 0666, &args.create) < 0)
                return -1;
        for (int i = 2; i < invocation->n_operands; i++)
                if (parse_device_number(invocation->operands[i], i == 2 ? &args.major : &args.minor, &why) < 0)
                        return cli_usage_value(cli, invocation, i == 2 ? "major" : "minor", invocation->operands[i],
                                               why);
        submit_mknod(cli, invocation, invocation->operands[0], &args);
        return 0;
}

int plan_mkfifo(struct cli *cli, const struct invocation *invocation) {
        struct fsop_mknod_args args = {.type = FSOP_TYPE_FIFO};
        if (cli_create_mode(cli, invocation, 0666, &args.create) < 0)
                return -1;
        for (int i = 0; i < invocation->n_operands; i++)
                submit_mknod(cli, invocation, invocation->operands[i], &args);
        return 0;
}
