/* SPDX-License-Identifier: MIT */
/* cmd_space.c: what is about the contents of files: truncate, fallocate, sync, fadvise, copy-range. */
#include <string.h>

#include "client/cli/cli.h"
#include "client/cli/show.h"

/* A size that an option gives; DEFAULT_BYTES where it was not given. */
static int size_option(struct cli *cli, const struct invocation *invocation, enum option_key key, const char *what,
                       uint64_t default_bytes, uint64_t *ret_bytes) {
        const char *text = given(invocation, key), *why;
        *ret_bytes = default_bytes;
        if (text && parse_size(text, ret_bytes, &why) < 0)
                return cli_usage_value(cli, invocation, what, text, why);
        return 0;
}

/* ---- truncate ---------------------------------------------------------------------------------------------------- */

struct truncate_state {
        enum size_change change;
        uint64_t bytes;
        struct fsop_create create;
};

static void put_truncate(struct action *action, const struct truncate_state *state, uint64_t length) {
        struct step *step = action_step(action, FSOP_VERB_TRUNCATE, true);
        struct fsop_truncate_args *args = step_args(step, sizeof(*args));
        args->length = length;
        args->create = state->create;
        args->create.create = state->create.create && path_may_be_file(action->path);
        step->tolerated = state->create.create ? 0 : FSOP_ENOENT;
}

/* The size is known: what it becomes. False when that is none. */
static bool put_relative(struct action *action, const struct truncate_state *state, uint64_t size) {
        uint64_t length;
        action_clear_steps(action);
        if (size_apply(state->change, state->bytes, size, &length, &action->why) < 0) {
                action->why_code = FSOP_EFBIG;
                action_step(action, FSOP_VERB_STAT, true);
                return false;
        }
        put_truncate(action, state, length);
        return true;
}

static enum verdict truncate_advance(struct cli *cli, struct action *action, const struct fsop_result *const *results) {
        const struct truncate_state *state = action->state;
        const struct fsop_result *result = results[0];
        (void)cli;
        bool missing = result->error.code == FSOP_ENOENT && state->create.create;
        if (action->stage > 0 || (result->error.code && !missing))
                return VERDICT_SETTLED;
        return put_relative(action, state, missing ? 0 : result->value.stat.size) ? VERDICT_AGAIN : VERDICT_SETTLED;
}

static void submit_truncate(struct cli *cli, struct action *action, const struct truncate_state *wanted) {
        struct truncate_state *state = cli_alloc(sizeof(*state));
        struct fsop_stat stat = {0};
        *state = *wanted;
        action->state = state;
        action_own(action, state);
        if (state->change == SIZE_SET)
                put_truncate(action, state, state->bytes);
        else if (cli->explaining) {
                cli_query_stat(cli, action->path, true, &stat);
                put_relative(action, state, stat.size);
        } else {
                action_step(action, FSOP_VERB_STAT, true)->tolerated = state->create.create ? 0 : FSOP_ENOENT;
                action->advance = truncate_advance;
        }
        cli_submit(cli, action);
}

int plan_truncate(struct cli *cli, const struct invocation *invocation) {
        struct truncate_state state = {0};
        const char *size = given(invocation, OPT_SIZE), *why;
        if (!size)
                return cli_usage(cli, invocation, "-s SIZE is missing");
        if (parse_size_change(size, &state.change, &state.bytes, &why) < 0)
                return cli_usage_value(cli, invocation, "size", size, why);
        if (cli_create_mode(cli, invocation, 0666, &state.create) < 0)
                return -1;
        state.create.create = !given(invocation, OPT_NO_CREATE);
        for (int i = 0; i < invocation->n_operands; i++)
                submit_truncate(cli, action_new(cli, invocation, FSOP_VERB_TRUNCATE, invocation->operands[i]), &state);
        return 0;
}

/* ---- fallocate --------------------------------------------------------------------------------------------------- */

static int fallocate_mode(struct cli *cli, const struct invocation *invocation, enum fsop_fallocate_mode *ret_mode) {
        static const struct {
                enum option_key key;
                enum fsop_fallocate_mode mode;
        } modes[] = {{OPT_PUNCH, FSOP_FALLOCATE_PUNCH_HOLE},
                     {OPT_ZERO, FSOP_FALLOCATE_ZERO_RANGE},
                     {OPT_COLLAPSE, FSOP_FALLOCATE_COLLAPSE_RANGE},
                     {OPT_INSERT, FSOP_FALLOCATE_INSERT_RANGE},
                     {OPT_UNSHARE, FSOP_FALLOCATE_UNSHARE_RANGE}};
        int n = 0;
        if (given(invocation, OPT_DIG))
                return cli_usage(
                        cli, invocation,
                        "--dig-holes is not offered: it means reading the whole file; use fallocate(1), or punch "
                        "known ranges with -p");
        *ret_mode = FSOP_FALLOCATE_ALLOCATE;
        for (size_t i = 0; i < sizeof(modes) / sizeof(*modes); i++) {
                if (!given(invocation, modes[i].key))
                        continue;
                *ret_mode = modes[i].mode;
                n++;
        }
        if (n > 1)
                return cli_usage(cli, invocation, "-p, -z, -c, -i and --unshare-range exclude each other");
        if (given(invocation, OPT_KEEP_SIZE) &&
            (*ret_mode == FSOP_FALLOCATE_COLLAPSE_RANGE || *ret_mode == FSOP_FALLOCATE_INSERT_RANGE))
                return cli_usage(cli, invocation, "-n contradicts -c and -i, which change the size");
        return 0;
}

int plan_fallocate(struct cli *cli, const struct invocation *invocation) {
        struct fsop_fallocate_args wanted = {.size = sizeof(wanted)};
        if (fallocate_mode(cli, invocation, &wanted.mode) < 0)
                return -1;
        if (!given(invocation, OPT_LENGTH))
                return cli_usage(cli, invocation, "-l LENGTH is missing");
        if (size_option(cli, invocation, OPT_OFFSET, "offset", 0, &wanted.offset) < 0 ||
            size_option(cli, invocation, OPT_LENGTH, "length", 0, &wanted.length) < 0 ||
            cli_create_mode(cli, invocation, 0666, &wanted.create) < 0)
                return -1;
        if (wanted.length == 0)
                return cli_usage_value(cli, invocation, "length", given(invocation, OPT_LENGTH), "must be more than 0");
        wanted.keep_size = given(invocation, OPT_KEEP_SIZE) || wanted.mode == FSOP_FALLOCATE_PUNCH_HOLE;
        wanted.create.create = wanted.mode == FSOP_FALLOCATE_ALLOCATE || wanted.mode == FSOP_FALLOCATE_ZERO_RANGE;
        struct action *action = action_new(cli, invocation, FSOP_VERB_FALLOCATE, invocation->operands[0]);
        struct fsop_fallocate_args *args = step_args(action_step(action, FSOP_VERB_FALLOCATE, true), sizeof(*args));
        *args = wanted;
        args->create.create = wanted.create.create && path_may_be_file(action->path);
        cli_submit(cli, action);
        return 0;
}

/* ---- sync, fadvise ----------------------------------------------------------------------------------------------- */

int plan_sync(struct cli *cli, const struct invocation *invocation) {
        bool data = given(invocation, OPT_DATA), filesystem = given(invocation, OPT_FILESYSTEM);
        if (data && filesystem)
                return cli_usage(cli, invocation, "-d and -f exclude each other");
        cli_unordered(cli, invocation);
        for (int i = 0; i < invocation->n_operands; i++) {
                struct action *action = action_new(cli, invocation, FSOP_VERB_FSYNC, invocation->operands[i]);
                struct fsop_fsync_args *args = step_args(action_step(action, FSOP_VERB_FSYNC, true), sizeof(*args));
                args->data_only = data;
                args->filesystem = filesystem;
                cli_submit(cli, action);
        }
        return 0;
}

int plan_fadvise(struct cli *cli, const struct invocation *invocation) {
        struct fsop_fadvise_args wanted = {.size = sizeof(wanted)};
        const char *advice = given(invocation, OPT_ADVICE);
        if (!advice)
                return cli_usage(cli, invocation, "-a ADVICE is missing");
        wanted.advice = (enum fsop_advice)fsop_advice_from_name(advice);
        if (size_option(cli, invocation, OPT_OFFSET, "offset", 0, &wanted.offset) < 0 ||
            size_option(cli, invocation, OPT_LENGTH, "length", 0, &wanted.length) < 0)
                return -1;
        struct action *action = action_new(cli, invocation, FSOP_VERB_FADVISE, invocation->operands[0]);
        struct fsop_fadvise_args *args = step_args(action_step(action, FSOP_VERB_FADVISE, true), sizeof(*args));
        *args = wanted;
        cli_submit(cli, action);
        return 0;
}

/* ---- copy-range -------------------------------------------------------------------------------------------------- */

int plan_copy_range(struct cli *cli, const struct invocation *invocation) {
        struct fsop_copy_range_args wanted = {.size = sizeof(wanted), .has_length = given(invocation, OPT_LENGTH)};
        const char *clone = given(invocation, OPT_CLONE), *to = invocation->operands[1];
        wanted.clone = clone ? (enum fsop_clone)fsop_clone_from_name(clone) : FSOP_CLONE_AUTO;
        if (size_option(cli, invocation, OPT_SRC_OFFSET, "offset", 0, &wanted.src_offset) < 0 ||
            size_option(cli, invocation, OPT_DST_OFFSET, "offset", 0, &wanted.dst_offset) < 0 ||
            size_option(cli, invocation, OPT_LENGTH, "length", 0, &wanted.length) < 0 ||
            cli_create_mode(cli, invocation, 0666, &wanted.create) < 0)
                return -1;
        struct action *action = action_new(cli, invocation, FSOP_VERB_COPY_RANGE, invocation->operands[0]);
        action->to = action_keep(action, to, strlen(to));
        struct step *step = action_step(action, FSOP_VERB_COPY_RANGE, true);
        step_to(step, action->to, true);
        struct fsop_copy_range_args *args = step_args(step, sizeof(*args));
        *args = wanted;
        cli_submit(cli, action);
        return 0;
}
