/* SPDX-License-Identifier: MIT */
/*
 * watch.c: follows a job, event by event. On a terminal a bar is redrawn on standard error; elsewhere a line comes
 * there every few seconds; with --json every event is a line of standard output.
 */
#include "client/cli/watch.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "client/cli/jobtext.h"
#include "client/cli/progress.h"
#include "client/cli/show.h"
#include "client/cli/terminal.h"

#define MS UINT64_C(1000) /* in microseconds */
#define DRAW_EVERY (100 * MS)
#define LINE_EVERY (5000 * MS)
#define LOST_AFTER (10000 * MS) /* without a connection */
#define RETRY_MS 250

enum style { STYLE_JSON, STYLE_BAR, STYLE_LINES };

struct watch {
        struct cli *cli;
        const struct watching *what;
        enum style style;
        struct fsop_batch *asking; /* NULL: nobody is asked */
        struct fsop_batch *answer; /* what `job` points into */
        struct fsop_job_info job;
        bool known;               /* job says something */
        enum fsop_job_state told; /* the last state that people were told of */
        uint64_t after;           /* the last event known */
        uint64_t started_us, drawn_us, line_us, lost_us, deadline_us;
        unsigned tick;
        bool drawn;                    /* a bar stands on the terminal */
        bool cancelling;               /* the daemon has said that it will be cancelled */
        bool interrupted, over;        /* over: there is nothing more to wait for */
        uint64_t n_failures, n_denied; /* files that failed while somebody watched */
};

/* ---- showing ----------------------------------------------------------------------------------------------------- */

static bool terminal_can_redraw(void) {
        const char *kind = getenv("TERM");
        return terminal_is_terminal(stderr) && kind && *kind && strcmp(kind, "dumb") != 0;
}

static void clear_bar(struct watch *watch) {
        if (watch->drawn)
                fputs("\r\033[K", stderr);
        watch->drawn = false;
}

static void draw_bar(struct watch *watch, bool lost) {
        const unsigned columns = terminal_columns(stderr);
        const struct progress progress = {.job = &watch->job,
                                          .columns = columns > 1 ? columns - 1 : 79,
                                          .tick = watch->tick++,
                                          .now_sec = (int64_t)time(NULL),
                                          .lost = lost};
        struct text text = {0};
        text_adds(&text, "\r");
        progress_add_bar(&text, &progress);
        text_adds(&text, "\033[K");
        fwrite(text.data, 1, text.len, stderr);
        fflush(stderr);
        text_free(&text);
        watch->drawn = true;
}

static void draw_line(struct watch *watch) {
        struct text text = {0};
        progress_add_plain(&text, &watch->job);
        show_note("%s: job %llu: %s", watch->what->command->name, (unsigned long long)watch->what->job, text.data);
        text_free(&text);
        watch->drawn = false;
}

static void draw(struct watch *watch, bool lost) {
        const uint64_t now = terminal_monotonic_us();
        if (!watch->known)
                return;
        if (watch->style == STYLE_BAR && now - watch->drawn_us >= DRAW_EVERY) {
                watch->drawn_us = now;
                draw_bar(watch, lost);
        } else if (watch->style == STYLE_LINES && now - watch->line_us >= LINE_EVERY && !lost) {
                watch->line_us = now;
                draw_line(watch);
        }
}

/* What comes before the subject of a sentence: "cp: job 17". */
static void note(struct watch *watch, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void note(struct watch *watch, const char *format, ...) {
        struct text text = {0};
        va_list ap;
        if (watch->style == STYLE_JSON)
                return;
        clear_bar(watch);
        va_start(ap, format);
        text_addv(&text, format, ap);
        va_end(ap);
        show_note("%s: job %llu %s", watch->what->command->name, (unsigned long long)watch->what->job, text.data);
        text_free(&text);
}

static void tell_waiting(struct watch *watch) {
        const struct fsop_job_info *job = &watch->job;
        struct text text = {0};
        job_add_reason(&text, &job->error);
        if (job->retry.sec) {
                text_adds(&text, "; it tries again at ");
                text_add_clock(&text, job->retry);
        }
        note(watch, "waits: %s", text.data);
        text_free(&text);
}

/* States that somebody who watches will want to understand. Ends have a sentence of their own. */
static void tell_state(struct watch *watch) {
        const enum fsop_job_state state = watch->job.state, before = watch->told;
        if (state == before)
                return;
        watch->told = state;
        if (state == FSOP_JOB_WAITING)
                tell_waiting(watch);
        else if (state == FSOP_JOB_PAUSED)
                note(watch, "is paused; `fsop job resume %llu` lets it go on", (unsigned long long)watch->what->job);
        else if (before == FSOP_JOB_WAITING && state == FSOP_JOB_RUNNING)
                note(watch, "goes on");
}

static void tell_failure(struct watch *watch, const struct fsop_job_failure *failure) {
        struct text text = {0};
        watch->n_failures++;
        if (failure->error.class_ == FSOP_CLASS_DENIED)
                watch->n_denied++;
        if (watch->style == STYLE_JSON)
                return;
        clear_bar(watch);
        text_add_name(&text, failure->path.data, failure->path.len);
        text_adds(&text, ": ");
        job_add_reason(&text, &failure->error);
        show_note("%s: %s", watch->what->command->name, text.data);
        text_free(&text);
}

/* ---- asking ------------------------------------------------------------------------------------------------------ */

static int ask(struct watch *watch) {
        const struct fsop_job_args args = {.size = sizeof(args), .id = watch->what->job, .after = watch->after};
        int r = fsop_batch_new(watch->cli->client, FSOP_BATCH_PARALLEL, &watch->asking);
        if (r >= 0)
                r = fsop_batch_set_timeout_ms(watch->asking, 0);
        if (r >= 0)
                r = fsop_batch_job(watch->asking, FSOP_VERB_JOB_WATCH, &args);
        if (r >= 0)
                r = fsop_batch_submit(watch->asking, NULL, NULL, NULL);
        return r < 0 ? r : 0;
}

static void take_event(struct watch *watch, const struct fsop_job_event *event) {
        if (event->number > watch->after)
                watch->after = event->number;
        if (watch->style == STYLE_JSON)
                json_job_event(watch->what->job, event);
        if (event->kind == FSOP_JOB_EVENT_FAILURE) {
                tell_failure(watch, &event->failure);
                return;
        }
        watch->job = event->job;
        watch->known = true;
}

/* A job that ended before anybody watched has no events: what it has become is asked for. */
static bool look_at_end(struct watch *watch) {
        const struct fsop_job_args args = {.size = sizeof(args), .id = watch->what->job};
        const struct fsop_job_answer *answer;
        if (watch->known)
                return true;
        watch->known = fsop_job_show(watch->cli->client, &args, &answer) >= 0 && answer->n_jobs > 0;
        if (watch->known)
                watch->job = answer->jobs[0];
        return watch->known;
}

/* False where the daemon had nothing to say, although the job has not ended: it is about to go. */
static bool take_answer(struct watch *watch, const struct fsop_job_answer *answer) {
        for (uint32_t i = 0; i < answer->n_events; i++)
                take_event(watch, &answer->events[i]);
        show_flush();
        if (answer->n_events == 0 && answer->end && !look_at_end(watch))
                return false;
        if (!watch->known)
                return answer->n_events > 0;
        watch->over = progress_has_ended(watch->job.state);
        if (answer->n_events > 0)
                tell_state(watch);
        else if (watch->over && watch->style == STYLE_JSON)
                json_job(FSOP_VERB_JOB_WATCH, &watch->job); /* it ended before anybody watched */
        return answer->n_events > 0 || watch->over;
}

/* The daemon has answered, or will not. Negative: the connection is to be made anew. */
static int settle(struct watch *watch) {
        const struct fsop_result *result = fsop_batch_result(watch->asking, 0);
        int code = result ? result->error.code : FSOP_ECONNRESET;
        if (code == 0) {
                fsop_batch_free(watch->answer);
                watch->answer = watch->asking;
                watch->asking = NULL;
                if (result->value.job.n_events > 0)
                        watch->lost_us = 0;
                return take_answer(watch, &result->value.job) ? 0 : -FSOP_ECANCELED;
        }
        if (!result || result->outcome == FSOP_OUTCOME_UNKNOWN || result->error.retryable || code == FSOP_ECANCELED ||
            code == FSOP_ECONNRESET || code == FSOP_ENOTCONN)
                return -code;
        struct action action = {.command = watch->what->command,
                                .verb = FSOP_VERB_JOB_WATCH,
                                .as = watch->cli->as,
                                .job = watch->what->job};
        struct failure failure = failure_of_error(&result->error, result->outcome);
        clear_bar(watch);
        cli_count_failure(watch->cli, &failure);
        show_failure(watch->cli, &action, &failure);
        watch->known = false;
        watch->over = true;
        return 0;
}

/* ---- losing and finding the connection --------------------------------------------------------------------------- */

/* Forgets what belongs to the connection. Texts of the job go with it. */
static void let_go(struct watch *watch) {
        fsop_batch_free(watch->asking);
        fsop_batch_free(watch->answer);
        watch->asking = watch->answer = NULL;
        watch->job.user = watch->job.source = watch->job.target = (struct fsop_bytes){0};
        watch->job.error.rule = watch->job.error.message = (struct fsop_bytes){0};
}

static void give_up(struct watch *watch) {
        const unsigned long long job = watch->what->job;
        const char *what = watch->cancelling                                ? "is being cancelled"
                           : terminal_interrupted() && watch->what->cancels ? "could not be cancelled"
                                                                            : "goes on when fsopd does";
        note(watch, "%s, but the connection to the daemon was lost; `fsop job watch %llu` follows it", what, job);
        if (watch->style == STYLE_JSON) {
                const struct action action = {.verb = FSOP_VERB_JOB_WATCH, .job = job};
                const struct failure failure = {.code = FSOP_ECONNRESET,
                                                .class_ = FSOP_CLASS_OS,
                                                .retryable = true,
                                                .outcome = FSOP_OUTCOME_UNKNOWN};
                json_failure(&action, fsop_verb_name(action.verb), &failure);
        }
        watch->cli->no_daemon = true;
        watch->known = false;
        watch->over = true;
}

/* A daemon that starts again takes a moment, and more where much is to be resumed. */
static void reconnect(struct watch *watch) {
        const uint64_t now = terminal_monotonic_us();
        if (!watch->lost_us)
                watch->lost_us = now;
        let_go(watch);
        for (;;) {
                /* Not at once after an answer that sent us here: it may be the same again. */
                if (terminal_monotonic_us() - watch->lost_us > LOST_AFTER ||
                    (terminal_interrupted() && !watch->cancelling)) {
                        give_up(watch);
                        return;
                }
                terminal_sleep_ms(RETRY_MS);
                draw(watch, true);
                if (cli_reconnect(watch->cli) == 0)
                        return;
        }
}

/* ---- interrupts -------------------------------------------------------------------------------------------------- */

/* The first interrupt; another one kills. */
static void on_interrupt(struct watch *watch) {
        watch->interrupted = true;
        if (!watch->what->cancels) {
                watch->over = true;
                return;
        }
        const int r = fsop_job_cancel(watch->cli->client, watch->what->job, NULL);
        watch->cancelling = r >= 0;
        if (watch->cancelling)
                note(watch, "is being cancelled");
        else if (r != -FSOP_EINVAL && r != -FSOP_ECONNRESET && r != -FSOP_ENOTCONN) {
                note(watch, "could not be cancelled: %s", fsop_strerror(r));
                watch->over = true;
        }
}

/* --timeout ends the watching, not the job. */
static void on_deadline(struct watch *watch) {
        struct action action = {.command = watch->what->command, .verb = FSOP_VERB_JOB_WATCH, .job = watch->what->job};
        action.hint = "the job goes on; `fsop job watch` follows it";
        struct failure failure = {
                .code = FSOP_ETIMEDOUT, .class_ = FSOP_CLASS_OS, .retryable = true, .outcome = FSOP_OUTCOME_DONE};
        clear_bar(watch);
        cli_count_failure(watch->cli, &failure);
        show_failure(watch->cli, &action, &failure);
        watch->known = false;
        watch->over = true;
}

/* ---- the end ----------------------------------------------------------------------------------------------------- */

static void tell_failed(struct watch *watch) {
        const struct fsop_job_info *job = &watch->job;
        const unsigned long long id = watch->what->job;
        struct text text = {0};
        if (job->error.code) {
                job_add_reason(&text, &job->error);
                note(watch, "failed: %s", text.data);
                text_free(&text);
        }
        /* What there is to say of one file has been said. */
        if (job->files_failed == 0 || (job->files_failed == 1 && watch->n_failures == 1 && job->files_done == 0))
                return;
        text_add_count(&text, job->files_failed);
        if (job->totals_known) {
                text_adds(&text, " of ");
                text_add_count(&text, job->files_total);
        }
        clear_bar(watch);
        if (watch->style != STYLE_JSON)
                show_note("%s: %s %s failed; `fsop job show %llu` lists them", watch->what->command->name, text.data,
                          (job->totals_known ? job->files_total : job->files_failed) == 1 ? "file" : "files", id);
        text_free(&text);
}

/* Counts it for the exit status: denied is what policy refused, all of it. */
static void count_failed(struct watch *watch) {
        const struct fsop_job_info *job = &watch->job;
        const bool all_denied = job->error.code == 0 && job->files_done == 0 && watch->n_denied > 0 &&
                                watch->n_denied == job->files_failed;
        const bool denied = job->error.code ? job->error.class_ == FSOP_CLASS_DENIED : all_denied;
        watch->cli->n_failed++;
        if (denied)
                watch->cli->n_denied++;
        else if (job->files_done > 0 && job->state == FSOP_JOB_FAILED)
                watch->cli->n_partial++;
}

static void tell_end(struct watch *watch) {
        const enum fsop_job_state state = watch->job.state;
        /* The bar stays where it is, with its last word; short jobs are as silent as cp(1). */
        if (watch->style == STYLE_BAR && watch->drawn) {
                draw_bar(watch, false);
                fputs("\n", stderr);
                watch->drawn = false;
        } else if (watch->style == STYLE_LINES && watch->line_us != watch->started_us)
                draw_line(watch);
        if (state == FSOP_JOB_DONE) {
                const char *manifest = watch->what->manifest;
                if (!manifest || manifest_write(watch->cli, watch->what->command, watch->what->job, manifest))
                        watch->cli->n_done++;
                else
                        watch->cli->n_failed++;
                return;
        }
        count_failed(watch);
        if (state == FSOP_JOB_CANCELLED)
                note(watch, "was cancelled");
        else
                tell_failed(watch);
}

static void begin(struct watch *watch) {
        watch->style = watch->cli->json ? STYLE_JSON : terminal_can_redraw() ? STYLE_BAR : STYLE_LINES;
        watch->started_us = watch->line_us = watch->drawn_us = terminal_monotonic_us();
        if (watch->what->cancels)
                watch->cli->n_done--; /* its submission was only the beginning */
        if (watch->cli->timeout_ms)
                watch->deadline_us = watch->started_us + watch->cli->timeout_ms * MS;
}

static uint64_t patience_ms(const struct watch *watch) {
        if (watch->style == STYLE_BAR)
                return DRAW_EVERY / MS;
        return watch->style == STYLE_LINES ? 500 : watch->deadline_us ? 100 : UINT64_MAX;
}

void watch_job(struct cli *cli, const struct watching *watching) {
        struct watch watch = {.cli = cli, .what = watching};
        begin(&watch);
        while (!watch.over) {
                int r = watch.asking ? 0 : ask(&watch);
                if (r >= 0 && terminal_interrupted() && !watch.interrupted)
                        on_interrupt(&watch);
                /* To cancel was a blocking call, which may have brought this answer as well. */
                if (r >= 0 && !watch.over && !fsop_batch_is_done(watch.asking))
                        r = fsop_wait(cli->client, patience_ms(&watch));
                if (r >= 0 && !watch.over)
                        r = fsop_process(cli->client);
                if (r >= 0 && fsop_batch_is_done(watch.asking))
                        r = settle(&watch);
                if (r < 0)
                        reconnect(&watch);
                else if (!watch.over)
                        draw(&watch, false);
                if (!watch.over && watch.deadline_us && terminal_monotonic_us() >= watch.deadline_us)
                        on_deadline(&watch);
        }
        if (watch.known && progress_has_ended(watch.job.state))
                tell_end(&watch);
        clear_bar(&watch);
        let_go(&watch);
}
