/* SPDX-License-Identifier: MIT */
/* cmd_meta.c: stat, statfs, touch, chmod, chown. */
#include <string.h>

#include "client/cli/cli.h"
#include "client/cli/show.h"

/* ---- looking ----------------------------------------------------------------------------------------------------- */

int plan_stat(struct cli *cli, const struct invocation *invocation) {
        cli_unordered(cli, invocation);
        for (int i = 0; i < invocation->n_operands; i++) {
                struct action *action = action_new(cli, invocation, FSOP_VERB_STAT, invocation->operands[i]);
                action_step(action, FSOP_VERB_STAT, given(invocation, OPT_DEREFERENCE));
                action->show = show_stat;
                cli_submit(cli, action);
        }
        return 0;
}

int plan_statfs(struct cli *cli, const struct invocation *invocation) {
        cli_unordered(cli, invocation);
        for (int i = 0; i < invocation->n_operands; i++) {
                struct action *action = action_new(cli, invocation, FSOP_VERB_STATFS, invocation->operands[i]);
                action_step(action, FSOP_VERB_STATFS, true);
                action->show = show_statfs;
                cli_submit(cli, action);
        }
        return 0;
}

/* ---- touch ------------------------------------------------------------------------------------------------------- */

struct touch_times {
        enum fsop_time_change change;
        struct fsop_time atime, mtime;
};

static int touch_times(struct cli *cli, const struct invocation *invocation, struct touch_times *ret_times) {
        const char *date = given(invocation, OPT_DATE), *reference = given(invocation, OPT_REFERENCE), *why;
        struct touch_times times = {.change = FSOP_TIME_NOW};
        struct fsop_stat stat;
        bool now = false;
        if (date && reference)
                return cli_usage(cli, invocation, "-d and -r exclude each other: both say which time it is to be");
        if (date) {
                if (parse_time(date, &times.atime, &now, &why) < 0)
                        return cli_usage_value(cli, invocation, "time", date, why);
                times.mtime = times.atime;
        }
        if (reference) {
                struct action *question = action_new(cli, invocation, FSOP_VERB_STAT, reference);
                if (!cli_ask_stat(cli, question, !given(invocation, OPT_NO_DEREFERENCE), &stat))
                        return -1;
                times.atime = stat.atime;
                times.mtime = stat.mtime;
        }
        if ((date && !now) || reference)
                times.change = FSOP_TIME_SET;
        *ret_times = times;
        return 0;
}

int plan_touch(struct cli *cli, const struct invocation *invocation) {
        bool only_access = given(invocation, OPT_ACCESS) && !given(invocation, OPT_MODIFICATION);
        bool only_modification = given(invocation, OPT_MODIFICATION) && !given(invocation, OPT_ACCESS);
        bool no_follow = given(invocation, OPT_NO_DEREFERENCE), no_create = given(invocation, OPT_NO_CREATE);
        struct touch_times times = {0};
        struct fsop_create create;
        if (touch_times(cli, invocation, &times) < 0 || cli_create_mode(cli, invocation, 0666, &create) < 0)
                return -1;
        create.create = !no_follow && !no_create;
        for (int i = 0; i < invocation->n_operands; i++) {
                struct action *action = action_new(cli, invocation, FSOP_VERB_UTIMENS, invocation->operands[i]);
                struct step *step = action_step(action, FSOP_VERB_UTIMENS, !no_follow);
                struct fsop_utimens_args *args = step_args(step, sizeof(*args));
                args->atime_change = only_modification ? FSOP_TIME_OMIT : times.change;
                args->mtime_change = only_access ? FSOP_TIME_OMIT : times.change;
                args->atime = times.atime;
                args->mtime = times.mtime;
                args->create = create;
                args->create.create = create.create && path_may_be_file(action->path);
                step->tolerated = no_create ? FSOP_ENOENT : 0;
                cli_submit(cli, action);
        }
        return 0;
}

/* ---- chmod ------------------------------------------------------------------------------------------------------- */

struct chmod_state {
        struct mode_spec spec;
        uint32_t umask;
};

static void put_masks(struct action *action, const struct mode_masks *masks, struct fsop_walk walk) {
        struct fsop_chmod_args *args = step_args(action_step(action, FSOP_VERB_CHMOD, true), sizeof(*args));
        args->set = masks->set;
        args->clear = masks->clear;
        args->set_x = masks->set_x;
        args->clear_x = masks->clear_x;
        args->dir_keep = masks->dir_keep;
        args->walk = walk;
}

static void put_exact(struct action *action, const struct fsop_stat *stat) {
        const struct chmod_state *state = action->state;
        uint32_t mode = mode_apply(&state->spec, stat->mode, (stat->mode & 0170000) == 0040000, state->umask);
        struct mode_masks masks = {.set = mode, .clear = 07777};
        action_clear_steps(action);
        put_masks(action, &masks, (struct fsop_walk){0});
}

/* A mode that copies from itself needs to be known first. */
static enum verdict chmod_advance(struct cli *cli, struct action *action, const struct fsop_result *const *results) {
        (void)cli;
        if (action->stage > 0 || results[0]->error.code)
                return VERDICT_SETTLED;
        put_exact(action, &results[0]->value.stat);
        return VERDICT_AGAIN;
}

static void submit_chmod_exact(struct cli *cli, struct action *action, const struct mode_spec *spec) {
        struct chmod_state *state = cli_alloc(sizeof(*state));
        struct fsop_stat stat = {0};
        *state = (struct chmod_state){.spec = *spec, .umask = cli->umask};
        action->state = state;
        action_own(action, state);
        if (cli->explaining) {
                cli_query_stat(cli, action->path, true, &stat);
                put_exact(action, &stat);
        } else {
                action_step(action, FSOP_VERB_STAT, true);
                action->advance = chmod_advance;
        }
        cli_submit(cli, action);
}

int plan_chmod(struct cli *cli, const struct invocation *invocation) {
        struct fsop_walk walk = {.recursive = given(invocation, OPT_RECURSIVE),
                                 .follow = FSOP_FOLLOW_ARGUMENT,
                                 .one_filesystem = given(invocation, OPT_ONE_FILESYSTEM)};
        struct mode_masks masks;
        struct mode_spec spec;
        const char *why;
        if (parse_mode(invocation->operands[0], &spec, &why) < 0)
                return cli_usage_value(cli, invocation, "mode", invocation->operands[0], why);
        bool simple = mode_to_masks(&spec, cli->umask, &masks);
        if (!simple && walk.recursive)
                return cli_usage_value(
                        cli, invocation, "mode", invocation->operands[0],
                        "with -R a mode can neither copy (g=u) nor use X behind a clause that takes x away; "
                        "use clauses that do not depend on each other, or several commands");
        for (int i = 1; i < invocation->n_operands; i++) {
                struct action *action = action_new(cli, invocation, FSOP_VERB_CHMOD, invocation->operands[i]);
                if (!simple) {
                        submit_chmod_exact(cli, action, &spec);
                        continue;
                }
                put_masks(action, &masks, walk);
                cli_submit(cli, action);
        }
        return 0;
}

/* ---- chown ------------------------------------------------------------------------------------------------------- */

static int chown_walk(struct cli *cli, const struct invocation *invocation, struct fsop_walk *ret_walk,
                      bool *ret_follow) {
        const char *follow = given(invocation, OPT_FOLLOW);
        struct fsop_walk walk = {.recursive = given(invocation, OPT_RECURSIVE),
                                 .one_filesystem = given(invocation, OPT_ONE_FILESYSTEM)};
        *ret_follow = !given(invocation, OPT_NO_DEREFERENCE);
        if (walk.recursive) {
                if (follow && *follow != 'P' && !*ret_follow)
                        return cli_usage(cli, invocation,
                                         "-R with -h needs -P: links cannot be both followed and changed");
                walk.follow = !follow || *follow == 'P' ? FSOP_FOLLOW_NEVER
                              : *follow == 'L'          ? FSOP_FOLLOW_ALWAYS
                                                        : FSOP_FOLLOW_ARGUMENT;
                *ret_follow = walk.follow != FSOP_FOLLOW_NEVER;
        }
        *ret_walk = walk;
        return 0;
}

int plan_chown(struct cli *cli, const struct invocation *invocation) {
        const char *from_text = given(invocation, OPT_FROM), *why;
        struct owner owner, from = {0};
        struct fsop_walk walk;
        bool follow;
        if (parse_owner(invocation->operands[0], &owner, &why) < 0)
                return cli_usage_value(cli, invocation, "owner", invocation->operands[0], why);
        if (!owner.has_uid && !owner.has_gid)
                return cli_usage_value(cli, invocation, "owner", invocation->operands[0],
                                       "names neither owner nor group");
        if (from_text && parse_owner(from_text, &from, &why) < 0)
                return cli_usage_value(cli, invocation, "owner", from_text, why);
        if (chown_walk(cli, invocation, &walk, &follow) < 0)
                return -1;
        for (int i = 1; i < invocation->n_operands; i++) {
                struct action *action = action_new(cli, invocation, FSOP_VERB_CHOWN, invocation->operands[i]);
                struct fsop_chown_args *args = step_args(action_step(action, FSOP_VERB_CHOWN, follow), sizeof(*args));
                args->has_uid = owner.has_uid;
                args->has_gid = owner.has_gid;
                args->uid = owner.uid;
                args->gid = owner.gid;
                args->has_from_uid = from.has_uid;
                args->has_from_gid = from.has_gid;
                args->from_uid = from.uid;
                args->from_gid = from.gid;
                args->walk = walk;
                cli_submit(cli, action);
        }
        return 0;
}
