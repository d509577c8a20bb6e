/* SPDX-License-Identifier: MIT */
/*
 * jobs.c: the table of jobs and what moves them from state to state: which may run, what follows when a run ends, what
 * is due.
 */
#include "daemon/jobs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/copy.h"
#include "daemon/log.h"
#include "daemon/server.h"
#include "proto/names.h"

#define TICK_MS 500u
#define TICK_SLOWED_MS 50u /* while a bandwidth limit counts out its bytes */
#define BACKOFF_MS_MAX 60000u
#define DAY_S INT64_C(86400)
#define FORGET_AFTER_S (7 * DAY_S)
#define FAIL_AFTER_S (14 * DAY_S)
#define HOUSEKEEPING_MS 60000u

/* ---- the table --------------------------------------------------------------------------------------------------- */

struct job *jobs_find(struct jobs *jobs, uint64_t id) {
        struct job *job = jobs->first;

        while (job && job->kept.id < id)
                job = job->next;
        return job && job->kept.id == id ? job : NULL;
}

struct job *jobs_find_for(struct jobs *jobs, uint64_t id, const struct peer *peer) {
        struct job *job = jobs_find(jobs, id);

        if (!job || job->draft || job->forgetting)
                return NULL;
        return job->kept.uid == peer->uid || server_is_admin(jobs->server, peer) ? job : NULL;
}

struct job *job_new(struct jobs *jobs) {
        struct job *job = calloc(1, sizeof(*job));

        if (job)
                job->jobs = jobs;
        return job;
}

void jobs_insert(struct jobs *jobs, struct job *job) {
        if (job->kept.id == 0)
                job->kept.id = jobs->next_id++;
        job->next = NULL;
        *(jobs->last ? &jobs->last->next : &jobs->first) = job;
        jobs->last = job;
        jobs->n++;
}

uint32_t jobs_of(const struct jobs *jobs, uint32_t uid, uint64_t *ret_bytes) {
        uint64_t bytes = 0;
        uint32_t n = 0;

        for (const struct job *job = jobs->first; job; job = job->next) {
                n += job->kept.uid == uid;
                bytes += job->kept.uid == uid ? job->bytes : 0;
        }
        if (ret_bytes)
                *ret_bytes = bytes;
        return n;
}

uint64_t jobs_failure_bytes(const struct jobs *jobs, uint32_t uid) {
        uint64_t bytes = 0;

        for (const struct job *job = jobs->first; job; job = job->next)
                bytes += job->kept.uid == uid ? job->kept.counters.failure_bytes : 0;
        return bytes;
}

static void unlink_job(struct job *job) {
        struct jobs *jobs = job->jobs;
        struct job *before = NULL;

        for (struct job *each = jobs->first; each && each != job; each = each->next)
                before = each;
        if (before ? before->next != job : jobs->first != job)
                return; /* it never was in the table */
        *(before ? &before->next : &jobs->first) = job->next;
        if (jobs->last == job)
                jobs->last = before;
        jobs->n--;
}

void job_free(struct job *job) {
        unlink_job(job);
        job->jobs->n_drafts -= job->draft;
        job_events_free(job);
        job_remove_targets(job);
        kept_fini(&job->kept);
        free(job);
}

bool job_has_ended(const struct job *job) {
        if (job->stop == STOP_CANCEL)
                return false; /* it will have when its run is over */
        return job->kept.state == FSOP_JOB_DONE || job->kept.state == FSOP_JOB_FAILED ||
               job->kept.state == FSOP_JOB_CANCELLED;
}

/* ---- what is kept of a job --------------------------------------------------------------------------------------- */

/* Copies an error into what is kept of the job. */
static void job_set_error(struct job *job, const struct error *error) {
        struct error before = job->kept.error;

        job->kept.error = error ? error_copy(error) : (struct error){0};
        error_fini(&before); /* last: ERROR may be this one */
}

struct store_change job_update(const struct job *job) {
        return (struct store_change){.kind = STORE_UPDATE, .id = job->kept.id, .job = &job->kept};
}

static void update_recorded(void *owner, int code) {
        struct jobs *jobs = owner;

        if (code < 0 && !jobs->update_failed)
                log_line(LOG_LEVEL_ERROR, "jobs: their states could not be recorded: %s", error_text(-code));
        jobs->update_failed = code < 0;
}

static void fail_asker(struct task_op *asker, int code) {
        task_op_fail(asker, code, error_class_of(-code),
                     "it is done, but could not be recorded, and may be undone when the daemon ends: %s",
                     error_text(-code));
}

static void asker_recorded(void *owner, int code) {
        struct task_op *asker = owner;

        update_recorded(asker->task->session->server->jobs, code);
        if (code < 0)
                fail_asker(asker, code);
        task_unpark(asker);
}

/* It is soon over by itself. */
static void no_cancel(struct task_op *asker) {
        (void)asker;
}

/* In one set with what goes before it, if anything does. Whoever asked for it (may be NULL) is answered when it is on
 * the disk. */
static void record_state(struct job *job, const struct store_change *first, struct task_op *asker) {
        struct store_change changes[2];
        uint32_t n = 0;
        int code;

        if (first)
                changes[n++] = *first;
        changes[n++] = job_update(job);
        code = asker ? journal_change(job->jobs->journal, changes, n, asker_recorded, asker)
                     : journal_change(job->jobs->journal, changes, n, update_recorded, job->jobs);
        if (code < 0)
                update_recorded(job->jobs, code);
        if (asker && code < 0)
                fail_asker(asker, code);
        else if (asker)
                task_park(asker, no_cancel);
}

static void audit_end(const struct job *job) {
        const struct store_counters *counters = &job->kept.counters;
        struct peer peer = {.uid = job->kept.uid, .gid = job->kept.gid, .pidfd = OS_FD_NONE};
        struct audit_record record = {
                .event = AUDIT_JOB, .peer = &peer, .job = job->kept.id, .code = -(int32_t)job->kept.error.code};
        char text[256];

        snprintf(text, sizeof(text), "%s: %llu done, %llu skipped, %llu failed", job_state_name(job->kept.state),
                 (unsigned long long)counters->files_done, (unsigned long long)counters->files_skipped,
                 (unsigned long long)counters->files_failed);
        record.message = text;
        audit_record(job->jobs->server->audit, &record);
        log_line(LOG_LEVEL_INFO, "job %llu (uid %u): %s%s%.*s", (unsigned long long)job->kept.id, job->kept.uid, text,
                 job->kept.error.code ? ": " : "", (int)job->kept.error.message.len,
                 job->kept.error.message.len > 0 ? (const char *)job->kept.error.message.data : "");
}

static bool is_all_finished(const struct job *job) {
        for (uint32_t i = 0; i < job->kept.n_places; i++)
                if (!job->kept.places[i].finished)
                        return false;
        return true;
}

static enum fsop_job_state state_when_finished(const struct job *job) {
        return job->kept.counters.files_failed > 0 ? FSOP_JOB_FAILED : FSOP_JOB_DONE;
}

static void forget_running(const struct job *job) {
        struct jobs *jobs = job->jobs;
        uint32_t i = 0;

        while (jobs->running[i] != job)
                i++;
        jobs->running[i] = jobs->running[--jobs->n_running];
}

static void enter_state(struct job *job, enum fsop_job_state state, const struct error *error,
                        const struct store_change *first, struct task_op *asker) {
        job->kept.state = state;
        job_set_error(job, error);
        if (job_has_ended(job))
                job->kept.finished = sys_realtime();
        record_state(job, first, asker);
        job_event_state(job);
        if (job_has_ended(job))
                audit_end(job);
        job->jobs->schedule_wanted = true;
}

/* The job is in a state: records that with the counters, tells watchers. error (may be NULL) is copied. */
static void job_set_state(struct job *job, enum fsop_job_state state, const struct error *error) {
        enter_state(job, state, error, NULL, NULL);
}

struct store_counters job_counters(const struct job *job) {
        struct store_counters counters = job->live;

        counters.files_done = job->kept.counters.files_done - job->recording.files_done;
        counters.files_skipped = job->kept.counters.files_skipped - job->recording.files_skipped;
        /* places that an earlier run finished uncounted are not in the totals; and sources grow */
        if (counters.totals_known && counters.bytes_total < counters.bytes_copied)
                counters.bytes_total = counters.bytes_copied;
        if (counters.totals_known &&
            counters.files_total < counters.files_done + counters.files_skipped + counters.files_failed)
                counters.files_total = counters.files_done + counters.files_skipped + counters.files_failed;
        return counters;
}

struct job_info job_describe(const struct job *job) {
        const struct store_job *kept = &job->kept;
        const struct store_counters counters = job_counters(job), *live = &counters;
        uint64_t left = live->bytes_total > live->bytes_copied ? live->bytes_total - live->bytes_copied : 0;

        return (struct job_info){
                .id = kept->id,
                .state = job->announced,
                .uid = kept->uid,
                .user = kept->user,
                .priority = kept->priority,
                .as = kept->as,
                .elevated = kept->elevated,
                .created = kept->created,
                .started = kept->started,
                .finished = job->announced == kept->state ? kept->finished : (struct fsop_time){0},
                .retry = kept->state == FSOP_JOB_WAITING ? job->retry : (struct fsop_time){0},
                .source = kept->n_places > 0 ? kept->places[0].source : (struct bytes){NULL, 0},
                .target = kept->n_places > 0 ? kept->places[0].target : (struct bytes){NULL, 0},
                .n_places = kept->n_places,
                .totals_known = live->totals_known,
                .files_total = live->files_total,
                .bytes_total = live->bytes_total,
                .files_done = live->files_done,
                .files_failed = live->files_failed,
                .files_skipped = live->files_skipped,
                .bytes_copied = live->bytes_copied,
                .bytes_flushed = live->bytes_flushed,
                .bytes_verified = live->bytes_verified,
                .bytes_per_s = job->run ? job->bytes_per_s : 0,
                .has_seconds_left = job->run && live->totals_known && job->bytes_per_s > 0,
                .seconds_left = job->bytes_per_s > 0 ? left / job->bytes_per_s : 0,
                .verify = kept->verify,
                .runs = kept->runs,
                .error = kept->error,
                .event = job->last_event,
        };
}

/* ---- starting ---------------------------------------------------------------------------------------------------- */

void job_start(struct job *job, bool clean) {
        if (run_start(job, clean) < 0) {
                log_line(LOG_LEVEL_ERROR, "job %llu: out of memory", (unsigned long long)job->kept.id);
                job->wants_cleaning = job->wants_cleaning || clean;
                job->jobs->schedule_wanted = true; /* in the next round */
                return;
        }
        job->cleaning = clean;
        job->stop = STOP_NOT;
        job->jobs->running[job->jobs->n_running++] = job;
        job->rate_ms = job->jobs->now_ms;
        job->rate_bytes = job->kept.counters.bytes_copied;
        job->bytes_per_s = 0;
        if (clean)
                return;
        job->kept.runs++;
        if (job->kept.started.sec == 0)
                job->kept.started = sys_realtime();
        job_set_state(job, FSOP_JOB_RUNNING, NULL);
}

/* ---- stopping ---------------------------------------------------------------------------------------------------- */

void job_stop(struct job *job, enum job_stop stop) {
        if (!job->run || stop <= job->stop)
                return;
        job->stop = stop;
        run_stop(job->run);
}

/* What its user wants of it. While it runs that is recorded, so that nothing undoes it, and told when the run is
 * over. */
static void stop_for(struct job *job, enum job_stop stop, enum fsop_job_state state, struct task_op *asker) {
        if (!job->run) {
                enter_state(job, state, NULL, NULL, asker);
                return;
        }
        job_stop(job, stop);
        job->kept.state = state;
        if (state == FSOP_JOB_CANCELLED)
                job->kept.finished = sys_realtime();
        record_state(job, NULL, asker);
}

void job_pause(struct job *job, struct task_op *asker) {
        stop_for(job, STOP_PAUSE, FSOP_JOB_PAUSED, asker);
}

void job_cancel(struct job *job, struct task_op *asker) {
        if (!job->run)
                job->wants_cleaning = job->kept.runs > 0 || job->reloaded;
        stop_for(job, STOP_CANCEL, FSOP_JOB_CANCELLED, asker);
}

void job_resume(struct job *job, struct task_op *asker) {
        if (job->run && job->stop == STOP_PAUSE) {
                job->stop = STOP_YIELD; /* it stops, and is queued again */
                job->kept.state = job->announced;
                record_state(job, NULL, asker);
                return;
        }
        job->backoff = 0;
        enter_state(job, FSOP_JOB_QUEUED, NULL, NULL, asker);
}

void job_retry(struct job *job, struct task_op *asker) {
        struct store_change change = {.kind = STORE_RETRY, .id = job->kept.id};

        job->kept.counters.files_failed = job->kept.counters.failure_bytes = 0;
        job->live = job->kept.counters;
        job->kept.finished = (struct fsop_time){0};
        for (uint32_t i = 0; i < job->kept.n_places; i++)
                job->kept.places[i].finished = false;
        job->backoff = 0;
        enter_state(job, FSOP_JOB_QUEUED, NULL, &change, asker);
}

/* It is still there, to be forgotten another time. */
static void not_removed(struct job *job, int code) {
        update_recorded(job->jobs, code);
        job->forgetting = false;
        if (job->remover)
                task_op_fail(job->remover, code, error_class_of(-code),
                             "that it is forgotten could not be recorded: %s", error_text(-code));
}

static void removed(void *owner, int code) {
        struct job *job = owner;
        struct task_op *asker = job->remover;

        if (code < 0)
                not_removed(job, code);
        else
                job_free(job);
        if (asker)
                task_unpark(asker);
}

static void remove_job(struct job *job, struct task_op *asker) {
        struct store_change change = {.kind = STORE_REMOVE, .id = job->kept.id};

        job->remover = asker;
        if (journal_change(job->jobs->journal, &change, 1, removed, job) < 0)
                not_removed(job, -FSOP_ENOMEM);
        else if (asker)
                task_park(asker, no_cancel);
}

/* What is forgotten before it is cleaned up has no time when it finished: load_job goes on with it. */
void job_forget(struct job *job, struct task_op *asker) {
        job->forgetting = true;
        if (job->kept.state == FSOP_JOB_FAILED && job->kept.runs > 0 && job->kept.error.code != 0 && !job->run)
                job->wants_cleaning = true; /* it broke off: something may be left */
        if (!job->run && !job->wants_cleaning) {
                remove_job(job, asker);
                return;
        }
        job->kept.finished = (struct fsop_time){0};
        record_state(job, NULL, asker);
        job->jobs->schedule_wanted = true;
}

uint64_t jobs_backoff_ms(uint32_t n) {
        uint64_t ms = (uint64_t)1000 << (n < 6 ? n : 6);

        return ms < BACKOFF_MS_MAX ? ms : BACKOFF_MS_MAX;
}

static void wait_to_retry(struct job *job, const struct error *error) {
        uint64_t ms = jobs_backoff_ms(job->backoff++);

        job->retry_ms = job->jobs->now_ms + ms;
        job->retry = sys_realtime();
        job->retry.sec += (int64_t)(ms / 1000);
        job_set_state(job, FSOP_JOB_WAITING, error);
}

void job_run_ended(struct job *job, const struct error *error, bool transient) {
        enum job_stop stop = job->stop;
        struct jobs *jobs = job->jobs;

        forget_running(job);
        jobs->schedule_wanted = true;
        job->stop = STOP_NOT;
        if (job->cleaning) {
                job->cleaning = false;
                if (error->code != 0)
                        log_line(LOG_LEVEL_WARNING, "job %llu: its temporary files could not be removed: %.*s",
                                 (unsigned long long)job->kept.id, (int)error->message.len,
                                 error->message.len > 0 ? (const char *)error->message.data : "");
                if (job->forgetting)
                        remove_job(job, NULL);
                return;
        }
        if (job_has_ended(job) && stop != STOP_CANCEL) { /* recorded with its last files */
                job_event_state(job);
                audit_end(job);
        } else if (is_all_finished(job)) /* the wish to stop came too late */
                job_set_state(job, state_when_finished(job), NULL);
        else if (stop == STOP_CANCEL)
                job_set_state(job, FSOP_JOB_CANCELLED, NULL);
        else if (stop == STOP_PAUSE)
                job_set_state(job, FSOP_JOB_PAUSED, NULL);
        else if (stop == STOP_SHUTDOWN)
                return; /* the next start finds it as it is */
        else if (error->code != 0 && transient)
                wait_to_retry(job, error);
        else if (error->code != 0)
                job_set_state(job, FSOP_JOB_FAILED, error);
        else
                job_set_state(job, FSOP_JOB_QUEUED, NULL);
}

void jobs_policy_changed(struct jobs *jobs) {
        for (struct job *job = jobs->first; job; job = job->next)
                if (job->run && !job->cleaning)
                        job_stop(job, STOP_YIELD);
}

void jobs_session_closed(struct jobs *jobs, uint64_t session_id) {
        struct job *next;

        for (struct job *job = jobs->n_drafts > 0 ? jobs->first : NULL; job; job = next) {
                next = job->next;
                if (job->draft && !job->adding && job->session_id == session_id)
                        job_free(job);
        }
}

/* ---- timers ------------------------------------------------------------------------------------------------------ */

static void measure_rate(struct job *job) {
        uint64_t ms = job->jobs->now_ms - job->rate_ms, bytes = job->live.bytes_copied, now;

        if (ms < TICK_MS)
                return;
        now = bytes > job->rate_bytes ? (bytes - job->rate_bytes) * 1000 / ms : 0;
        job->bytes_per_s = job->bytes_per_s == 0 ? now : (job->bytes_per_s * 3 + now) / 4;
        job->rate_ms = job->jobs->now_ms;
        job->rate_bytes = bytes;
}

static void tick_running(struct job *job) {
        bool due = job->jobs->now_ms - job->rate_ms >= TICK_MS;
        bool verifies = job->kept.verify && job->live.totals_known && job->live.bytes_copied >= job->live.bytes_total;

        measure_rate(job);
        if (verifies && job->kept.state == FSOP_JOB_RUNNING && job->live.bytes_verified < job->live.bytes_total &&
            !job->cleaning)
                job_set_state(job, FSOP_JOB_VERIFYING, NULL);
        if (run_tick(job->run, job->jobs->now_ms, due) && due && !job->cleaning)
                job_event_progress(job);
}

static void keep_house(struct jobs *jobs) {
        int64_t now = sys_realtime().sec;
        struct job *next;

        for (struct job *job = jobs->first; job; job = next) {
                int64_t progressed = job->kept.progressed.sec ? job->kept.progressed.sec : job->kept.created.sec;

                next = job->next;
                if (job->draft || job->forgetting)
                        continue;
                if (job_has_ended(job) && now - job->kept.finished.sec > FORGET_AFTER_S)
                        job_forget(job, NULL);
                else if (!job_has_ended(job) && job->kept.state != FSOP_JOB_PAUSED && !job->run &&
                         now - progressed > FAIL_AFTER_S) {
                        struct error error = {.code = FSOP_ETIMEDOUT, .class_ = FSOP_CLASS_CANCELLED};
                        static const char why[] = "nothing of it could be done for 14 days";

                        error.message = (struct bytes){(const uint8_t *)why, sizeof(why) - 1};
                        job_set_state(job, FSOP_JOB_FAILED, &error);
                }
        }
        jobs->next_house_ms = jobs->now_ms + HOUSEKEEPING_MS;
}

int jobs_tick(struct jobs *jobs, uint64_t now_ms) {
        uint64_t next = UINT64_MAX;

        jobs->now_ms = now_ms;
        if (jobs->unavailable)
                return jobs_tick_store(jobs);
        if (!jobs->first)
                return -1;
        if (now_ms >= jobs->next_house_ms)
                keep_house(jobs);
        for (struct job *job = jobs->first; job; job = job->next) {
                uint64_t due = UINT64_MAX;

                if (job->run) {
                        tick_running(job);
                        due = now_ms + (job->kept.bytes_per_s > 0 ? TICK_SLOWED_MS : TICK_MS);
                } else if (job->kept.state == FSOP_JOB_WAITING && !jobs->draining) {
                        if (now_ms >= job->retry_ms)
                                job_set_state(job, FSOP_JOB_QUEUED, NULL);
                        else
                                due = job->retry_ms;
                }
                next = due < next ? due : next;
        }
        if (jobs->next_house_ms < next)
                next = jobs->next_house_ms;
        return next <= now_ms ? 0 : next - now_ms > 60000 ? 60000 : (int)(next - now_ms);
}

void jobs_end_round(struct jobs *jobs) {
        jobs->now_ms = jobs->server->now_ms;
        if (jobs->schedule_wanted)
                jobs_schedule(jobs);
        for (uint32_t i = jobs->n_running; i > 0; i--) /* one that ends leaves its place to the last */
                run_end_round(jobs->running[i - 1]->run);
        jobs_tell_watchers(jobs);
}

/* ---- the daemon's start and end ---------------------------------------------------------------------------------- */

int jobs_load(void *context, const struct store_job *from) {
        struct jobs *jobs = context;
        struct job *job = job_new(jobs);

        if (!job)
                return -FSOP_ENOMEM;
        if (!kept_copy(from, &job->kept)) {
                job_free(job);
                return -FSOP_ENOMEM;
        }
        jobs_insert(jobs, job);
        job->reloaded = true;
        job->live = job->kept.counters;
        job->bytes = kept_bytes(&job->kept);
        for (uint32_t i = 0; i < job->kept.n_places; i++) {
                job_note_devices(job, &job->kept.places[i]);
                if (job_add_target(job, i) < 0)
                        return -FSOP_ENOMEM; /* it is freed with all the others */
        }
        job->last_event = jobs->event_base;
        if (job->kept.state == FSOP_JOB_RUNNING || job->kept.state == FSOP_JOB_VERIFYING ||
            job->kept.state == FSOP_JOB_WAITING)
                job->kept.state = FSOP_JOB_QUEUED;
        if (job->kept.state == FSOP_JOB_CANCELLED && is_all_finished(job))
                job->kept.state =
                        state_when_finished(job); /* as job_run_ended would have said, had there been the time */
        job->announced = job->kept.state;
        /* what was cancelled may not have been cleaned up; to look costs little */
        job->forgetting = job_has_ended(job) && job->kept.finished.sec == 0;
        job->wants_cleaning = job->forgetting || (job->kept.state == FSOP_JOB_CANCELLED && job->kept.runs > 0 &&
                                                  sys_realtime().sec - job->kept.finished.sec < DAY_S);
        return 0;
}

int jobs_start(struct server *server, struct jobs **ret_jobs) {
        struct jobs *jobs = calloc(1, sizeof(*jobs));

        if (!jobs)
                return -FSOP_ENOMEM;
        jobs->server = server;
        jobs->next_id = 1;
        jobs->now_ms = server->now_ms;
        *ret_jobs = jobs;
        if (store_sqlite.exists(server->config->state_dir))
                jobs_start_store(jobs);
        return 0;
}

void jobs_drain(struct jobs *jobs) {
        jobs->draining = true;
        for (struct job *job = jobs->first; job; job = job->next)
                if (job->run)
                        job_stop(job, STOP_SHUTDOWN);
        jobs_cancel_watchers(jobs);
}

bool jobs_is_idle(const struct jobs *jobs) {
        return jobs->n_running == 0 && !jobs->opening && (!jobs->journal || journal_is_idle(jobs->journal));
}

struct jobs *jobs_free(struct jobs *jobs) {
        if (!jobs)
                return NULL;
        while (jobs->first)
                /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): job_free takes it off the list */
                job_free(jobs->first);
        if (jobs->journal)
                journal_free(jobs->journal);
        free(jobs->targets);
        free(jobs);
        return NULL;
}
