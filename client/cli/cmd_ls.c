/* SPDX-License-Identifier: MIT */
/* cmd_ls.c: ls. Pages are fetched until the end; text comes sorted, JSON as it comes. */
#include <stdlib.h>
#include <string.h>

#include "client/cli/cli.h"
#include "client/cli/show.h"

#define LINKS_AT_ONCE 64u

struct row {
        struct fsop_entry entry; /* the name is owned */
        struct fsop_bytes link;  /* owned; data NULL: not known, or it is none */
};

struct ls_state {
        bool long_format;
        uint64_t n_shown; /* as JSON */
        struct row *rows;
        size_t n_rows, n_rows_allocated;
        size_t n_looked; /* rows whose link is known, or is none */
        struct fsop_ls_args next;
        bool is_file; /* what was named, and the only row */
        enum { READING, READING_LINKS, LOOKING_AT_FILE } doing;
};

static void ls_state_free(void *opaque) {
        struct ls_state *state = opaque;
        for (size_t i = 0; i < state->n_rows; i++) {
                free((void *)(uintptr_t)state->rows[i].entry.name.data);
                free((void *)(uintptr_t)state->rows[i].link.data);
        }
        free(state->rows);
        free(state);
}

static struct fsop_bytes copy_bytes(struct fsop_bytes bytes) {
        return (struct fsop_bytes){cli_copy(bytes.data, bytes.len), bytes.len};
}

static enum fsop_file_type file_type_of(uint32_t mode) {
        static const enum fsop_file_type types[16] = {
                [1] = FSOP_TYPE_FIFO,    [2] = FSOP_TYPE_CHAR,     [4] = FSOP_TYPE_DIRECTORY, [6] = FSOP_TYPE_BLOCK,
                [8] = FSOP_TYPE_REGULAR, [10] = FSOP_TYPE_SYMLINK, [12] = FSOP_TYPE_SOCKET};
        return types[mode >> 12 & 15];
}

/* JSON is printed as it comes; text is kept, to be sorted. */
static void take_entry(struct cli *cli, const struct action *action, struct ls_state *state,
                       const struct fsop_entry *entry) {
        if (cli->json) {
                json_entry(action, entry);
                state->n_shown++;
                return;
        }
        if (state->n_rows == state->n_rows_allocated) {
                state->n_rows_allocated = state->n_rows_allocated * 2 + 64;
                state->rows = cli_realloc(state->rows, state->n_rows_allocated * sizeof(*state->rows));
        }
        struct row *row = &state->rows[state->n_rows++];
        *row = (struct row){.entry = *entry};
        row->entry.name = copy_bytes(entry->name);
}

static int compare_rows(const void *a, const void *b) {
        const struct row *x = a, *y = b;
        return strcmp(x->entry.name.data, y->entry.name.data);
}

static void show_ls(struct cli *cli, const struct action *action, const struct fsop_result *result) {
        struct ls_state *state = action->state;
        struct text text = {0};
        (void)result;
        if (cli->json) {
                json_entries_end(action, state->n_shown);
                return;
        }
        if (state->n_rows)
                qsort(state->rows, state->n_rows, sizeof(*state->rows), compare_rows);
        for (size_t i = 0; i < state->n_rows; i++) {
                const struct row *row = &state->rows[i];
                if (state->long_format)
                        show_entry_long(cli, &text, &row->entry, row->link.data ? &row->link : NULL);
                else {
                        show_add_name(cli, &text, row->entry.name.data, row->entry.name.len);
                        text_adds(&text, "\n");
                }
                show_text(&text);
        }
}

static void put_ls(struct action *action, const struct ls_state *state) {
        struct step *step = action_step(action, FSOP_VERB_LS, true);
        struct fsop_ls_args *args = step_args(step, sizeof(*args));
        *args = state->next;
        args->size = sizeof(*args);
        args->with_stat = state->long_format;
}

/* Asks where the next symbolic links lead. False when there are none left. */
static bool put_readlinks(struct action *action, struct ls_state *state) {
        for (; state->n_looked < state->n_rows && action->n_steps < LINKS_AT_ONCE; state->n_looked++) {
                const struct fsop_entry *entry = &state->rows[state->n_looked].entry;
                if (entry->type != FSOP_TYPE_SYMLINK)
                        continue;
                const char *path = action->path;
                if (!state->is_file) {
                        char *joined = cli_join(action->path, entry->name.data);
                        action_own(action, joined);
                        path = joined;
                }
                action_step_at(action, FSOP_VERB_READLINK, path, false)->user = state->n_looked;
        }
        return action->n_steps > 0;
}

static enum verdict next_links(struct action *action, struct ls_state *state) {
        action_clear_steps(action);
        state->doing = READING_LINKS;
        if (state->long_format && put_readlinks(action, state))
                return VERDICT_AGAIN;
        /* Settled by something that is there to be looked at: the results of before. */
        action->n_steps = 1;
        return VERDICT_SETTLED;
}

/* It is not there any more, is no link any more, or is not for this caller to read: shown as not known. All else is a
 * failure. */
static bool is_about_the_link(const struct fsop_error *error) {
        return error->code == FSOP_ENOENT || error->code == FSOP_EINVAL || error->code == FSOP_EACCES ||
               error->class_ == FSOP_CLASS_DENIED;
}

static enum verdict take_links(struct action *action, struct ls_state *state,
                               const struct fsop_result *const *results) {
        for (unsigned i = 0; i < action->n_steps; i++)
                if (results[i]->error.code == 0)
                        state->rows[action->steps[i].user].link = copy_bytes(results[i]->value.data);
                else if (!is_about_the_link(&results[i]->error))
                        return VERDICT_SETTLED;
                else
                        action->steps[i].tolerated = results[i]->error.code;
        return next_links(action, state);
}

static enum verdict ls_advance(struct cli *cli, struct action *action, const struct fsop_result *const *results) {
        struct ls_state *state = action->state;
        const struct fsop_result *result = results[0];
        if (state->doing == READING_LINKS)
                return take_links(action, state, results);
        if (state->doing == LOOKING_AT_FILE) {
                if (result->error.code)
                        return VERDICT_SETTLED;
                struct fsop_entry entry = {.name = fsop_bytes_of(action->path),
                                           .type = file_type_of(result->value.stat.mode),
                                           .ino = result->value.stat.ino,
                                           .has_stat = true,
                                           .stat = result->value.stat};
                take_entry(cli, action, state, &entry);
                state->is_file = true;
                return next_links(action, state);
        }
        if (result->error.code == FSOP_ENOTDIR) {
                action_clear_steps(action);
                action_step(action, FSOP_VERB_STAT, !state->long_format);
                state->doing = LOOKING_AT_FILE;
                return VERDICT_AGAIN;
        }
        if (result->error.code)
                return VERDICT_SETTLED;
        for (uint32_t i = 0; i < result->value.ls.n_entries; i++)
                take_entry(cli, action, state, &result->value.ls.entries[i]);
        if (result->value.ls.end)
                return next_links(action, state);
        state->next.cookie = result->value.ls.cookie;
        action_clear_steps(action);
        put_ls(action, state);
        return VERDICT_AGAIN;
}

int plan_ls(struct cli *cli, const struct invocation *invocation) {
        struct action *action = action_new(cli, invocation, FSOP_VERB_LS, invocation->operands[0]);
        struct ls_state *state = cli_alloc(sizeof(*state));
        state->long_format = given(invocation, OPT_LONG);
        action->state = state;
        action->free_state = ls_state_free;
        action->advance = ls_advance;
        action->show = show_ls;
        action->shows_json = true;
        put_ls(action, state);
        cli_submit(cli, action);
        return 0;
}
