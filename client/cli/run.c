/* SPDX-License-Identifier: MIT */
/*
 * run.c: puts the steps of actions into batches, sends them and settles the actions by what comes back. In order, one
 * batch at a time, or pipelined. An action that wants another round after its results gets one.
 */
#include <stdlib.h>
#include <string.h>

#include "client/cli/cli.h"
#include "client/cli/show.h"
#include "client/cli/terminal.h"

#define PIPELINED_OPS 256u   /* per batch: what keeps several workers busy */
#define PIPELINED_BATCHES 4u /* in flight */

/* A batch and the actions whose steps are in it. */
struct flight {
        struct flight *next;
        struct fsop_batch *batch;
        uint64_t id;
        bool submitted, done;
        struct action **actions; /* in the order of their steps */
        unsigned n_actions, n_actions_allocated;
};

struct runner {
        struct runner_options options;
        struct flight *filling; /* not sent yet; NULL: none */
        struct flight *flights; /* sent, oldest first */
        unsigned n_flights;
        struct action **again; /* want another round */
        unsigned n_again, n_again_allocated;
        bool cancelled, stopped;
};

static void push(struct action ***list, unsigned *n, unsigned *n_allocated, struct action *action) {
        if (*n == *n_allocated) {
                *n_allocated = *n_allocated * 2 + 8;
                *list = cli_realloc(*list, *n_allocated * sizeof(**list));
        }
        (*list)[(*n)++] = action;
}

static void flight_free(struct flight *flight) {
        for (unsigned i = 0; i < flight->n_actions; i++)
                if (flight->actions[i])
                        action_free(flight->actions[i]);
        fsop_batch_free(flight->batch);
        free(flight->actions);
        free(flight);
}

void runner_start(struct cli *cli, const struct runner_options *options) {
        if (!cli->runner)
                cli->runner = cli_alloc(sizeof(*cli->runner));
        else
                cli_flush(cli);
        cli->runner->options = *options;
}

void runner_free(struct cli *cli) {
        struct runner *runner = cli->runner;
        if (!runner)
                return;
        if (runner->filling)
                flight_free(runner->filling);
        while (runner->flights) {
                struct flight *flight = runner->flights;
                runner->flights = flight->next;
                flight_free(flight);
        }
        for (unsigned i = 0; i < runner->n_again; i++)
                action_free(runner->again[i]);
        free(runner->again);
        free(runner);
        cli->runner = NULL;
}

bool cli_goes_on(const struct cli *cli) {
        return !cli->no_daemon && !cli->runner->stopped && !terminal_interrupted();
}

bool cli_was_stopped(const struct cli *cli) {
        return cli->runner->stopped;
}

/* ---- settling ---------------------------------------------------------------------------------------------------- */

void cli_count_failure(struct cli *cli, const struct failure *failure) {
        cli->n_failed++;
        if (failure->class_ == FSOP_CLASS_DENIED)
                cli->n_denied++;
        if (failure->walk && failure->walk->failed < failure->walk->visited)
                cli->n_partial++;
        if (cli->runner->options.stop_on_error)
                cli->runner->stopped = true;
}

struct failure failure_of_error(const struct fsop_error *error, enum fsop_outcome outcome) {
        return (struct failure){.code = error->code,
                                .class_ = error->class_,
                                .retryable = error->retryable,
                                .os_error = error->os_error,
                                .outcome = outcome,
                                .rule = error->rule,
                                .message = error->message};
}

static struct failure failure_of(const struct action *action, const struct fsop_result *result) {
        struct failure failure = failure_of_error(&result->error, result->outcome);
        if (action_walks(action) && result->value.walk.failed > 0)
                failure.walk = &result->value.walk;
        return failure;
}

/* An interrupt keeps many from being begun: one line at the end is enough for a person. */
static bool is_kept_back(const struct cli *cli, const struct failure *failure) {
        return cli->runner->cancelled && failure->class_ == FSOP_CLASS_CANCELLED &&
               failure->outcome == FSOP_OUTCOME_NOT_STARTED;
}

static void settle_failure(struct cli *cli, struct action *action, const struct failure *failure) {
        if (is_kept_back(cli, failure)) {
                cli->n_failed++;
                cli->n_kept_back++;
                if (!cli->json)
                        return;
        } else
                cli_count_failure(cli, failure);
        show_failure(cli, action, failure);
}

static void settle(struct cli *cli, struct action *action, const struct fsop_result *const *results) {
        const struct fsop_result *result = results[action->n_steps - 1];
        if (action->why) {
                struct failure failure = {
                        .code = action->why_code, .class_ = FSOP_CLASS_OS, .message = fsop_bytes_of(action->why)};
                settle_failure(cli, action, &failure);
                return;
        }
        for (unsigned i = 0; i < action->n_steps; i++) {
                if (results[i]->error.code == 0 || results[i]->error.code == action->steps[i].tolerated)
                        continue;
                struct failure failure = failure_of(action, results[i]);
                settle_failure(cli, action, &failure);
                return;
        }
        cli->n_done++;
        show_success(cli, action, result);
}

/* What stands for an answer that never came. */
static struct fsop_result lost_result(const struct cli *cli, const struct flight *flight) {
        struct fsop_result result = {.outcome = flight->submitted ? FSOP_OUTCOME_UNKNOWN : FSOP_OUTCOME_NOT_STARTED};
        result.error = *fsop_last_error(cli->client);
        if (result.error.code == 0) {
                result.error.code = FSOP_ECONNRESET;
                result.error.class_ = FSOP_CLASS_OS;
        }
        return result;
}

/* Shares out the results of a flight to its actions. */
static void flight_settle(struct cli *cli, struct flight *flight) {
        struct runner *runner = cli->runner;
        struct fsop_result lost = lost_result(cli, flight);
        uint32_t index = 0;
        for (unsigned i = 0; i < flight->n_actions; i++) {
                struct action *action = flight->actions[i];
                const struct fsop_result **results = cli_alloc(action->n_steps * sizeof(*results));
                for (unsigned k = 0; k < action->n_steps; k++) {
                        results[k] = fsop_batch_result(flight->batch, index++);
                        if (!results[k])
                                results[k] = &lost;
                }
                flight->actions[i] = NULL;
                /* After the failure at which it stopped, what was not begun is not reported. */
                bool skip = runner->stopped && results[0]->error.code == FSOP_ECANCELED;
                if (!skip && action->advance && action->advance(cli, action, results) == VERDICT_AGAIN) {
                        action->stage++;
                        push(&runner->again, &runner->n_again, &runner->n_again_allocated, action);
                } else {
                        if (!skip)
                                settle(cli, action, results);
                        action_free(action);
                }
                free(results);
        }
}

/* ---- flying ------------------------------------------------------------------------------------------------------ */

static void on_done(struct fsop_batch *batch, void *userdata) {
        struct flight *flight = userdata;
        (void)batch;
        flight->done = true;
}

static void submit_filling(struct cli *cli) {
        struct runner *runner = cli->runner;
        struct flight *flight = runner->filling, **last = &runner->flights;
        if (!flight)
                return;
        runner->filling = NULL;
        while (*last)
                last = &(*last)->next;
        *last = flight;
        runner->n_flights++;
        for (unsigned i = 0; i < flight->n_actions; i++)
                flight->actions[i]->started_us = terminal_monotonic_us();
        flight->submitted = fsop_batch_submit(flight->batch, on_done, flight, &flight->id) >= 0;
        if (!flight->submitted)
                flight->done = true;
}

static void cancel_flights(struct runner *runner, struct fsop_client *client) {
        runner->cancelled = true;
        for (struct flight *flight = runner->flights; flight; flight = flight->next)
                if (!flight->done)
                        fsop_cancel(client, flight->id);
}

/* Settles flights that are done; only the oldest ones where order counts. */
static void settle_done(struct cli *cli) {
        struct runner *runner = cli->runner;
        for (struct flight **at = &runner->flights; *at;) {
                struct flight *flight = *at;
                if (!flight->done) {
                        at = &flight->next;
                        continue;
                }
                *at = flight->next;
                runner->n_flights--;
                flight_settle(cli, flight);
                flight_free(flight);
                at = &runner->flights;
        }
}

/* Waits until at most n_max batches are in flight. */
static void wait_flights(struct cli *cli, unsigned n_max) {
        struct runner *runner = cli->runner;
        settle_done(cli);
        while (runner->n_flights > n_max) {
                if (terminal_interrupted() && !runner->cancelled)
                        cancel_flights(runner, cli->client);
                int r = fsop_wait(cli->client, UINT64_MAX);
                if (r >= 0)
                        r = fsop_process(cli->client);
                if (r < 0) {
                        cli->no_daemon = true;
                        for (struct flight *flight = runner->flights; flight; flight = flight->next)
                                flight->done = true;
                }
                settle_done(cli);
        }
}

/* ---- filling ----------------------------------------------------------------------------------------------------- */

static int flight_new(struct cli *cli, enum fsop_batch_mode mode) {
        struct flight *flight = cli_alloc(sizeof(*flight));
        int r = fsop_batch_new(cli->client, mode, &flight->batch);
        if (r < 0) {
                free(flight);
                return r;
        }
        cli->runner->filling = flight;
        return 0;
}

static bool is_complex(const struct action *action) {
        return action->advance || action->n_steps > 1 || action->steps[0].tolerated;
}

static int add_step(struct fsop_batch *batch, const struct step *step) {
        return fsop_batch_add(batch, step->verb, step->has_at ? &step->at : NULL, step->has_to ? &step->to : NULL,
                              step->args.size ? &step->args : NULL);
}

/* Adds all steps to the batch being filled. On failure a single step has left the batch as it was. */
static int add_steps(struct cli *cli, const struct action *action) {
        struct fsop_batch *batch = cli->runner->filling->batch;
        int r = fsop_batch_set_as(batch, action->as);
        for (unsigned i = 0; r >= 0 && i < action->n_steps; i++)
                r = add_step(batch, &action->steps[i]);
        return r;
}

/* A refusal before anything was sent. */
static void settle_unsent(struct cli *cli, struct action *action, int code) {
        const struct fsop_error *error = fsop_last_error(cli->client);
        struct failure failure = {.code = -code, .class_ = FSOP_CLASS_INVALID, .outcome = FSOP_OUTCOME_NOT_STARTED};
        if (error->code == -code) {
                failure.class_ = error->class_;
                failure.os_error = error->os_error;
                failure.message = error->message;
        }
        settle_failure(cli, action, &failure);
        action_free(action);
}

/* The mode of a batch that may hold other actions, too. */
static enum fsop_batch_mode shared_mode(const struct runner_options *options) {
        if (options->pipelined || options->parallel)
                return FSOP_BATCH_PARALLEL;
        return options->stop_on_error ? FSOP_BATCH_ORDERED_STOP : FSOP_BATCH_ORDERED;
}

static unsigned flights_max(const struct cli *cli) {
        uint32_t agreed = fsop_server_info(cli->client)->batches_max;
        if (!cli->runner->options.pipelined)
                return 1;
        return agreed && agreed < PIPELINED_BATCHES ? agreed : PIPELINED_BATCHES;
}

static uint32_t ops_max(const struct cli *cli) {
        uint32_t agreed = fsop_server_info(cli->client)->batch_ops_max;
        if (cli->runner->options.pipelined && agreed > PIPELINED_OPS)
                return PIPELINED_OPS;
        return agreed;
}

/* Sends the batch being filled, without waiting longer than there is room for it in flight. */
static void send_filling(struct cli *cli) {
        if (!cli->runner->filling)
                return;
        wait_flights(cli, flights_max(cli) - 1);
        submit_filling(cli);
}

/* Puts an action into the batch being filled, or into the next one when that is full. */
static int place(struct cli *cli, struct action *action, enum fsop_batch_mode mode) {
        struct runner *runner = cli->runner;
        if (runner->filling && fsop_batch_count(runner->filling->batch) >= ops_max(cli))
                send_filling(cli);
        bool fresh = !runner->filling;
        int r = fresh ? flight_new(cli, mode) : 0;
        if (r >= 0)
                r = add_steps(cli, action);
        if (r == -FSOP_E2BIG && !fresh) {
                send_filling(cli);
                return place(cli, action, mode);
        }
        if (r >= 0) {
                struct flight *flight = runner->filling;
                push(&flight->actions, &flight->n_actions, &flight->n_actions_allocated, action);
        } else if (fresh && runner->filling) {
                flight_free(runner->filling);
                runner->filling = NULL;
        }
        return r;
}

/* Several steps get a batch of their own, in order; so does what may fail without being a failure, where a failure ends
 * all. */
static void run_action(struct cli *cli, struct action *action) {
        const struct runner_options *options = &cli->runner->options;
        if (!cli_goes_on(cli) || cli_connect(cli, action) < 0) {
                if (terminal_interrupted()) {
                        cli->n_failed++;
                        cli->n_kept_back++;
                }
                action_free(action);
                return;
        }
        bool unordered = options->parallel || options->pipelined;
        bool alone = action->n_steps > 1 || (!unordered && options->stop_on_error && is_complex(action));
        if (alone)
                send_filling(cli);
        int r = place(cli, action, alone ? FSOP_BATCH_ORDERED : shared_mode(options));
        if (r < 0)
                settle_unsent(cli, action, r);
        else if (alone)
                send_filling(cli);
}

/* Another round for those that asked for it. */
static void run_again(struct cli *cli) {
        struct runner *runner = cli->runner;
        struct action **again = runner->again;
        unsigned n = runner->n_again;
        runner->again = NULL;
        runner->n_again = runner->n_again_allocated = 0;
        for (unsigned i = 0; i < n; i++)
                run_action(cli, again[i]);
        free(again);
}

void cli_flush(struct cli *cli) {
        struct runner *runner = cli->runner;
        do {
                send_filling(cli);
                if (runner->n_flights)
                        wait_flights(cli, 0);
                run_again(cli);
        } while (runner->filling || runner->n_flights || runner->n_again);
}

/* Instead of an action: what policy says to each of its steps. */
static void submit_explanations(struct cli *cli, struct action *action) {
        struct invocation invocation = {.command = action->command, .line = action->line};
        for (unsigned i = 0; i < action->n_steps; i++) {
                const struct step *step = &action->steps[i];
                struct action *explain = action_new(cli, &invocation, FSOP_VERB_EXPLAIN, NULL);
                struct fsop_explain_args *args =
                        step_args(action_step(explain, FSOP_VERB_EXPLAIN, false), sizeof(*args));
                explain->path = action->path ? action_keep(explain, action->path, strlen(action->path)) : NULL;
                explain->to = action->to ? action_keep(explain, action->to, strlen(action->to)) : NULL;
                explain->as = action->as;
                explain->explained = step->verb;
                explain->show = show_explain;
                *args = (struct fsop_explain_args){.size = sizeof(*args), .user = fsop_bytes_of(cli->explain_user)};
                args->verb = step->verb;
                args->at = step->has_at ? &step->at : NULL;
                args->to = step->has_to ? &step->to : NULL;
                args->args = step->args.size ? &step->args : NULL;
                run_action(cli, explain);
        }
        action_free(action);
}

void cli_submit(struct cli *cli, struct action *action) {
        struct runner *runner = cli->runner;
        if (cli->explaining) {
                submit_explanations(cli, action);
                return;
        }
        bool waits = runner->options.strict && !runner->options.pipelined && is_complex(action);
        if (runner->n_again >= PIPELINED_OPS)
                run_again(cli);
        run_action(cli, action);
        if (waits)
                cli_flush(cli);
}

/* ---- questions while planning ------------------------------------------------------------------------------------ */

bool cli_query_stat(struct cli *cli, const char *path, bool follow, struct fsop_stat *ret_stat) {
        struct fsop_at at = fsop_at_path(path, follow);
        if (!cli->runner->options.pipelined)
                cli_flush(cli);
        if (!cli_goes_on(cli) || cli_connect(cli, NULL) < 0)
                return false;
        return fsop_stat(cli->client, &at, ret_stat) >= 0;
}

bool cli_ask_stat(struct cli *cli, struct action *action, bool follow, struct fsop_stat *ret_stat) {
        bool ok = cli_query_stat(cli, action->path, follow, ret_stat);
        if (!ok && cli->client && cli_goes_on(cli))
                settle_unsent(cli, action, -fsop_last_error(cli->client)->code);
        else
                action_free(action);
        return ok;
}

void cli_unordered(struct cli *cli, const struct invocation *invocation) {
        const struct runner_options unordered = {.parallel = true};
        if (!invocation->line)
                runner_start(cli, &unordered);
}

bool cli_is_directory(struct cli *cli, const char *path) {
        struct fsop_stat stat;
        return cli_query_stat(cli, path, true, &stat) && (stat.mode & 0170000) == 0040000;
}
