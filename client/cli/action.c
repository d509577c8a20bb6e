/* SPDX-License-Identifier: MIT */
/* action.c: making actions and steps, and what several commands need for that. */
#include <stdlib.h>
#include <string.h>

#include "client/cli/cli.h"
#include "client/cli/terminal.h"

/* ---- actions ----------------------------------------------------------------------------------------------------- */

struct action *action_new(struct cli *cli, const struct invocation *invocation, enum fsop_verb verb, const char *path) {
        struct action *action = cli_alloc(sizeof(*action));
        const char *as = given(invocation, OPT_AS);
        action->command = invocation->command;
        action->verb = verb;
        action->line = invocation->line;
        action->as = as ? (enum fsop_as)fsop_as_from_name(as) : cli->as;
        action->path = path ? action_keep(action, path, strlen(path)) : NULL;
        return action;
}

void action_free(struct action *action) {
        if (action->free_state)
                action->free_state(action->state);
        for (unsigned i = 0; i < action->n_kept; i++)
                free(action->kept[i]);
        free(action->kept);
        free(action->steps);
        free(action);
}

void action_own(struct action *action, void *memory) {
        action->kept = cli_realloc(action->kept, (action->n_kept + 1) * sizeof(*action->kept));
        action->kept[action->n_kept++] = memory;
}

const char *action_keep(struct action *action, const char *data, size_t len) {
        char *copy = cli_copy(data, len);
        action_own(action, copy);
        return copy;
}

struct step *action_step_at(struct action *action, enum fsop_verb verb, const char *path, bool follow) {
        if (action->n_steps == action->n_steps_allocated) {
                action->n_steps_allocated = action->n_steps_allocated * 2 + 1;
                action->steps = cli_realloc(action->steps, action->n_steps_allocated * sizeof(*action->steps));
        }
        struct step *step = &action->steps[action->n_steps++];
        memset(step, 0, sizeof(*step));
        step->verb = verb;
        if (path) {
                step->at = fsop_at_path(path, follow);
                step->has_at = true;
        }
        return step;
}

struct step *action_step(struct action *action, enum fsop_verb verb, bool follow) {
        return action_step_at(action, verb, action->path, follow);
}

void step_to(struct step *step, const char *path, bool follow) {
        step->to = fsop_at_path(path, follow);
        step->has_to = true;
}

void *step_args(struct step *step, size_t size) {
        step->args.size = size;
        return &step->args;
}

void action_clear_steps(struct action *action) {
        action->n_steps = 0;
}

/* ---- paths ------------------------------------------------------------------------------------------------------- */

bool path_may_be_file(const char *path) {
        size_t len = strlen(path);
        return len == 0 || path[len - 1] != '/';
}

struct fsop_bytes path_leaf(const char *path) {
        size_t end = strlen(path);
        while (end > 1 && path[end - 1] == '/')
                end--;
        size_t start = end;
        while (start > 0 && path[start - 1] != '/')
                start--;
        return (struct fsop_bytes){path + start, end - start};
}

char *cli_join(const char *directory, const char *path) {
        struct fsop_bytes leaf = path_leaf(path);
        struct text joined = {0};
        text_adds(&joined, directory);
        if (joined.len == 0 || joined.data[joined.len - 1] != '/')
                text_adds(&joined, "/");
        text_add(&joined, leaf.data, leaf.len);
        return joined.data;
}

/* ---- modes ------------------------------------------------------------------------------------------------------- */

int cli_create_mode(struct cli *cli, const struct invocation *invocation, uint32_t base,
                    struct fsop_create *ret_create) {
        const char *text = given(invocation, OPT_MODE), *why;
        struct mode_spec spec;
        *ret_create = (struct fsop_create){.create = true, .mode = base, .has_umask = true, .umask = cli->umask};
        if (!text)
                return 0;
        if (parse_mode(text, &spec, &why) < 0)
                return cli_usage_value(cli, invocation, "mode", text, why);
        ret_create->mode = mode_apply(&spec, base, false, cli->umask);
        ret_create->umask = 0;
        return 0;
}
