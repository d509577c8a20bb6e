/* SPDX-License-Identifier: MIT */
/*
 * cmd_cp.c: cp. What is to be copied becomes places, a source and its final path each; those are submitted in as many
 * operations as it takes, all but the last one held, and the job is then watched to its end (watch.c).
 */
#include <stdlib.h>
#include <string.h>

#include "client/cli/cli.h"
#include "client/cli/filesfrom.h"
#include "client/cli/show.h"
#include "client/cli/watch.h"

enum {
        NAMES_PER_OPERATION = 512,
        OPERATIONS_PER_ROUND = 256,
        LOCATION_BYTES = 2 * 4200, /* what a source and a target may take in a request once they are absolute */
};

struct place {
        const char *source, *target; /* kept by the action */
};

/* A submission under way. */
struct submission {
        struct place *places;
        size_t n_places, n_allocated;
        struct filesfrom files; /* names below the only place; none: all of each place */
        struct fsop_bytes *excludes;
        struct fsop_cp_args args; /* of every operation */
        bool follow, detach;
        uint64_t round_bytes_max;
        size_t at;         /* the next name, or the next place */
        bool complete;     /* the operation that ends it was sent */
        uint64_t *ret_job; /* NULL: nobody waits for it */
};

static void submission_free(void *opaque) {
        struct submission *submission = opaque;
        filesfrom_free(&submission->files);
        free(submission->places);
        free(submission->excludes);
        free(submission);
}

/* ---- options ----------------------------------------------------------------------------------------------------- */

static int take_preserve(struct cli *cli, const struct invocation *invocation, struct fsop_cp_args *args) {
        const char *list = given(invocation, OPT_PRESERVE), *why;
        if (given(invocation, OPT_ARCHIVE))
                args->preserve = FSOP_PRESERVE_ALL;
        if (given(invocation, OPT_PRESERVE_USUAL))
                args->preserve |= FSOP_PRESERVE_MODE | FSOP_PRESERVE_OWNER | FSOP_PRESERVE_TIMES;
        if (given(invocation, OPT_LINKS_TOO))
                args->preserve |= FSOP_PRESERVE_LINKS;
        if (list && parse_preserve(list, &args->preserve, &why) < 0)
                return cli_usage_value(cli, invocation, "preserve", list, why);
        return 0;
}

static int take_key(struct cli *cli, const struct invocation *invocation, struct fsop_cp_args *args) {
        const char *key = given(invocation, OPT_IDEMPOTENCY_KEY);
        if (key && (!*key || strlen(key) > 128))
                return cli_usage_value(cli, invocation, "key", key, "a key has 1 to 128 bytes");
        args->key = fsop_bytes_of(key);
        return 0;
}

static int take_numbers(struct cli *cli, const struct invocation *invocation, struct fsop_cp_args *args) {
        const char *rate = given(invocation, OPT_BWLIMIT), *priority = given(invocation, OPT_PRIORITY), *why;
        if (rate && parse_size(rate, &args->bytes_per_s, &why) < 0)
                return cli_usage_value(cli, invocation, "rate", rate, why);
        if (priority && parse_priority(priority, &args->priority, &why) < 0)
                return cli_usage_value(cli, invocation, "priority", priority, why);
        return 0;
}

/* Those that exclude or need each other. */
static int check_options(struct cli *cli, const struct invocation *invocation) {
        const bool listed = given(invocation, OPT_FILES_FROM), detach = given(invocation, OPT_DETACH);
        if (given(invocation, OPT_TARGET_DIRECTORY) && given(invocation, OPT_NO_TARGET_DIRECTORY))
                return cli_usage(cli, invocation, "-t and -T exclude each other");
        if (given(invocation, OPT_NUL) && !listed)
                return cli_usage(cli, invocation, "-0 says how the names of --files-from end");
        if (given(invocation, OPT_MANIFEST) && (detach || invocation->line))
                return cli_usage(cli, invocation,
                                 "--manifest is written at the end, which nobody waits for here; "
                                 "`fsop job show --manifest` prints it then");
        const int n = invocation->n_operands - (given(invocation, OPT_TARGET_DIRECTORY) ? 0 : 1);
        if (n < 1)
                return cli_usage(cli, invocation, "a source or a target is missing");
        if (n > 1 && (listed || given(invocation, OPT_NO_TARGET_DIRECTORY)))
                return cli_usage(cli, invocation, "%s takes one SRC and one DST", listed ? "--files-from" : "-T");
        if (invocation->n_repeated > 256)
                return cli_usage(cli, invocation, "a job has at most 256 patterns to exclude");
        return 0;
}

static int take_options(struct cli *cli, const struct invocation *invocation, struct submission *submission) {
        struct fsop_cp_args *args = &submission->args;
        const char *clone = given(invocation, OPT_CLONE), *sync = given(invocation, OPT_SYNC),
                   *update = given(invocation, OPT_UPDATE), *follow = given(invocation, OPT_FOLLOW);
        const bool archive = given(invocation, OPT_ARCHIVE), links = given(invocation, OPT_LINKS_TOO);
        args->size = sizeof(*args);
        args->has_umask = true;
        args->umask = cli->umask;
        args->recursive = archive || given(invocation, OPT_RECURSIVE);
        args->one_filesystem = given(invocation, OPT_ONE_FILESYSTEM);
        args->verify = given(invocation, OPT_VERIFY) || given(invocation, OPT_MANIFEST);
        args->clone = clone ? (enum fsop_clone)fsop_clone_from_name(clone) : FSOP_CLONE_AUTO;
        args->sync = sync ? (enum fsop_sync)fsop_sync_from_name(sync) : FSOP_SYNC_BATCH;
        args->update = update ? (enum fsop_update)fsop_update_from_name(update) : FSOP_UPDATE_ALL;
        submission->follow =
                given(invocation, OPT_FILES_FROM) || (follow ? *follow == 'H' : !args->recursive && !links);
        submission->detach = given(invocation, OPT_DETACH) || invocation->line;
        submission->excludes = cli_alloc((size_t)invocation->n_repeated * sizeof(*submission->excludes));
        for (int i = 0; i < invocation->n_repeated; i++)
                submission->excludes[i] = fsop_bytes_of(invocation->repeated[i]);
        args->excludes = submission->excludes;
        args->n_excludes = (uint32_t)invocation->n_repeated;
        if (check_options(cli, invocation) < 0 || take_preserve(cli, invocation, args) < 0 ||
            take_key(cli, invocation, args) < 0 || take_numbers(cli, invocation, args) < 0)
                return -1;
        return 0;
}

/* ---- sources and targets ----------------------------------------------------------------------------------------- */

char *cp_join(const char *directory, const char *source) {
        struct fsop_bytes leaf = path_leaf(source);
        const char *name = leaf.data;
        bool dots = leaf.len <= 2 && memcmp(name, "..", leaf.len) == 0;
        if (leaf.len == 0 || *name == '/' || dots)
                return cli_copy(directory, strlen(directory));
        return cli_join(directory, source);
}

static void add_place(struct action *action, struct submission *submission, const char *source, char *target) {
        if (submission->n_places == submission->n_allocated) {
                submission->n_allocated = submission->n_allocated * 2 + 16;
                submission->places =
                        cli_realloc(submission->places, submission->n_allocated * sizeof(*submission->places));
        }
        action_own(action, target);
        submission->places[submission->n_places++] =
                (struct place){.source = action_keep(action, source, strlen(source)), .target = target};
}

static int compare_targets(const void *a, const void *b) {
        const struct place *const *x = a, *const *y = b;
        return strcmp((*x)->target, (*y)->target);
}

/* Two sources of one name would become one target, whichever came last. */
static const char *shared_target(const struct submission *submission) {
        const struct place **sorted = cli_alloc(submission->n_places * sizeof(*sorted));
        const char *shared = NULL;
        for (size_t i = 0; i < submission->n_places; i++)
                sorted[i] = &submission->places[i];
        qsort(sorted, submission->n_places, sizeof(*sorted), compare_targets);
        for (size_t i = 1; i < submission->n_places && !shared; i++)
                if (strcmp(sorted[i - 1]->target, sorted[i]->target) == 0)
                        shared = sorted[i]->target;
        free(sorted);
        return shared;
}

/* A directory may be named with a slash before it is there. */
static char *exact_target(struct cli *cli, const struct submission *submission, const char *source,
                          const char *target) {
        size_t len = strlen(target);
        if (len > 1 && target[len - 1] == '/' && submission->args.recursive && cli_is_directory(cli, source))
                while (len > 1 && target[len - 1] == '/')
                        len--;
        return cli_copy(target, len);
}

static int plan_places(struct cli *cli, const struct invocation *invocation, struct action *action,
                       struct submission *submission) {
        const char *into = given(invocation, OPT_TARGET_DIRECTORY);
        const bool exact = given(invocation, OPT_NO_TARGET_DIRECTORY) || given(invocation, OPT_FILES_FROM);
        const int n = into ? invocation->n_operands : invocation->n_operands - 1;
        const char *target = into ? into : invocation->operands[invocation->n_operands - 1];
        const bool join = !exact && cli_is_directory(cli, target);
        if (!cli_goes_on(cli))
                return -1;
        if (!join && (n > 1 || into) && !exact)
                return cli_usage_value(cli, invocation, "target", target,
                                       n > 1 ? "is no directory, but there are several SRC" : "is no directory");
        if (!join && !exact && *target && target[strlen(target) - 1] == '/' &&
            !cli_is_directory(cli, invocation->operands[0]) && cli_goes_on(cli))
                return cli_usage_value(cli, invocation, "target", target, "is no directory");
        for (int i = 0; i < n; i++) {
                const char *source = invocation->operands[i];
                add_place(action, submission, source,
                          join ? cp_join(target, source) : exact_target(cli, submission, source, target));
        }
        const char *shared = shared_target(submission);
        if (shared)
                return cli_usage_value(cli, invocation, "target", shared, "several SRC would get this name");
        return 0;
}

/* ---- --files-from ------------------------------------------------------------------------------------------------ */

static int read_names(struct cli *cli, const struct invocation *invocation, struct submission *submission) {
        const char *path = given(invocation, OPT_FILES_FROM), *why;
        unsigned number;
        if (!path)
                return 0;
        if (filesfrom_read(&submission->files, path, given(invocation, OPT_NUL), &number, &why) == 0)
                return 0;
        struct text where = {0};
        text_add_sentence(&where, path, strlen(path));
        if (number)
                text_addf(&where, ":%u", number);
        cli_usage(cli, invocation, "%s: %s", where.data ? where.data : "", why);
        text_free(&where);
        return -1;
}

/* ---- submitting -------------------------------------------------------------------------------------------------- */

/* The next names that go into one operation of at most so many bytes. */
static uint32_t count_names(const struct submission *submission, uint64_t bytes_max) {
        uint64_t bytes = 0;
        uint32_t n = 0;
        for (size_t at = submission->at; at < submission->files.n && n < NAMES_PER_OPERATION; at++, n++) {
                bytes += submission->files.names[at].len + 8;
                if (n > 0 && bytes > bytes_max)
                        break;
        }
        return n;
}

static uint64_t bytes_of(const struct fsop_bytes *list, uint32_t n) {
        uint64_t bytes = 0;
        for (uint32_t i = 0; i < n; i++)
                bytes += list[i].len + 8;
        return bytes;
}

/*
 * Adds the next operation if it fits into bytes_max, of which it takes away what it needs; the one that ends the
 * submission only into a round of its own: where a held one before it failed, the job must not begin.
 */
static bool put_operation(struct action *action, struct submission *submission, uint64_t job, uint64_t *bytes_max) {
        const bool listed = submission->files.n > 0;
        const size_t total = listed ? submission->files.n : submission->n_places;
        const struct place *place = &submission->places[listed ? 0 : submission->at];
        struct fsop_cp_args args = submission->args;
        uint64_t bytes = LOCATION_BYTES;
        args.job = job;
        if (job) {
                args.key = (struct fsop_bytes){0};
                args.excludes = NULL;
                args.n_excludes = 0;
        }
        bytes += args.key.len + bytes_of(args.excludes, args.n_excludes);
        if (listed) {
                args.n_names = count_names(submission, *bytes_max > bytes ? *bytes_max - bytes : 0);
                args.names = submission->files.names + submission->at;
                bytes += bytes_of(args.names, args.n_names);
        }
        const size_t next = submission->at + (listed ? args.n_names : 1);
        args.hold = next < total;
        if (action->n_steps > 0 && (!args.hold || bytes > *bytes_max))
                return false;
        struct step *step = action_step_at(action, FSOP_VERB_CP, place->source, submission->follow);
        step_to(step, place->target, false);
        step->user = (size_t)(place - submission->places);
        step->args.cp = args;
        *bytes_max -= bytes < *bytes_max ? bytes : *bytes_max;
        submission->at = next;
        submission->complete = !args.hold;
        return true;
}

/* An action is about the place at which it is. */
static void show_place(struct action *action, const struct place *place) {
        action->path = place->source;
        action->to = place->target;
}

static enum verdict cp_advance(struct cli *cli, struct action *action, const struct fsop_result *const *results) {
        struct submission *submission = action->state;
        (void)cli;
        for (unsigned i = 0; i < action->n_steps; i++)
                if (results[i]->error.code) {
                        show_place(action, &submission->places[action->steps[i].user]);
                        return VERDICT_SETTLED;
                }
        const struct fsop_job_answer *answer = &results[action->n_steps - 1]->value.job;
        const uint64_t job = answer->n_jobs ? answer->jobs[0].id : 0;
        if (!job) {
                action->why = "the daemon does not say which job it has become";
                action->why_code = FSOP_EPROTO;
                return VERDICT_SETTLED;
        }
        /* Only a held job has no state yet: this is the one that was submitted with the same key before. */
        if (submission->complete || answer->jobs[0].state != FSOP_JOB_UNKNOWN) {
                if (submission->ret_job)
                        *submission->ret_job = job;
                return VERDICT_SETTLED;
        }
        uint64_t bytes_max = submission->round_bytes_max;
        action_clear_steps(action);
        while (!submission->complete && action->n_steps < OPERATIONS_PER_ROUND &&
               put_operation(action, submission, job, &bytes_max))
                ;
        return VERDICT_AGAIN;
}

static void show_job(struct cli *cli, const struct action *action, const struct fsop_result *result) {
        struct text text = {0};
        (void)cli, (void)action;
        if (result->value.job.n_jobs)
                text_addf(&text, "job %llu\n", (unsigned long long)result->value.job.jobs[0].id);
        show_text(&text);
}

/* Every place is a question of its own to policy. */
static void put_questions(struct action *action, struct submission *submission) {
        for (size_t i = 0; i < submission->n_places; i++) {
                const struct place *place = &submission->places[i];
                struct step *step = action_step_at(action, FSOP_VERB_CP, place->source, submission->follow);
                step_to(step, place->target, false);
                step->args.cp = submission->args;
        }
}

static void submit(struct cli *cli, struct action *action, struct submission *submission) {
        uint64_t bytes_max = submission->round_bytes_max = fsop_server_info(cli->client)->frame_bytes_max / 2;
        show_place(action, &submission->places[0]);
        if (cli->explaining)
                put_questions(action, submission);
        else {
                put_operation(action, submission, 0, &bytes_max);
                /* Of one operation that nobody waits for there is nothing to be made of the answer. */
                if (!submission->complete || submission->ret_job)
                        action->advance = cp_advance;
        }
        cli_submit(cli, action);
}

/* A list without names is not the same as no list: nothing is to be copied. */
static void submit_nothing(struct cli *cli, struct action *action, const struct submission *submission) {
        show_place(action, &submission->places[0]);
        cli->n_done++;
        if (cli->json)
                json_nothing(action);
        action_free(action);
}

int plan_cp(struct cli *cli, const struct invocation *invocation) {
        struct action *action = action_new(cli, invocation, FSOP_VERB_CP, invocation->operands[0]);
        struct submission *submission = cli_alloc(sizeof(*submission));
        uint64_t job = 0;
        action->state = submission;
        action->free_state = submission_free;
        if (take_options(cli, invocation, submission) < 0 || read_names(cli, invocation, submission) < 0)
                goto fail;
        if (cli_connect(cli, action) < 0 || plan_places(cli, invocation, action, submission) < 0)
                goto fail;
        const bool watched = !submission->detach && !cli->explaining;
        if (given(invocation, OPT_FILES_FROM) && submission->files.n == 0) {
                submit_nothing(cli, action, submission);
                return 0;
        }
        if (watched)
                submission->ret_job = &job;
        else
                action->show = show_job;
        submit(cli, action, submission);
        if (!watched)
                return 0;
        cli_flush(cli);
        if (job) {
                struct watching watching = {.command = invocation->command,
                                            .job = job,
                                            .cancels = true,
                                            .manifest = given(invocation, OPT_MANIFEST)};
                watch_job(cli, &watching);
        }
        return 0;
fail:
        action_free(action);
        return -1;
}
