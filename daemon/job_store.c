/* SPDX-License-Identifier: MIT */
/*
 * job_store.c: the store of jobs is opened: by a worker, as all of it is read and checked, and again as long as it
 * cannot be. Without it there are no jobs, and everything else is served.
 *
 * The worker loads into a table of its own, of which the loop takes the contents over when it is complete. What fails
 * leaves the store as it was.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/jobs.h"
#include "daemon/log.h"
#include "daemon/server.h"
#include "proto/names.h"

/* The daemon before has it still, at the start. */
#define WAIT_MS 5000u
#define PAUSE_MS 20u
/* After a failure a request makes it be tried again, but not one that comes at once. */
#define ASKED_AGAIN_MS 3000u

struct opening {
        struct io io;
        struct jobs *jobs;
        struct jobs *found; /* with the journal, if it is open */
        int code;           /* -FSOP_EAGAIN: no worker has come to it */
        char *note;         /* malloc'd: of a store that is open, what was wrong with the one before it */
        char why[320];
};

/* ---- on the worker ----------------------------------------------------------------------------------------------- */

static int open_directory(struct opening *opening, const char *directory) {
        const char *why = NULL;
        int code = sys_make_directory(directory, 0700);

        if (code < 0) {
                snprintf(opening->why, sizeof(opening->why), "the state directory %s cannot be made", directory);
                return code;
        }
        /* Whoever can put files there could write jobs for anybody. */
        code = sys_check_trusted_directory(directory, &why);
        if (code < 0)
                snprintf(opening->why, sizeof(opening->why), "the state directory %s is not used: %s", directory,
                         why ? why : error_text(-code));
        return code;
}

static int open_store(struct opening *opening, const char *directory) {
        struct jobs *found = opening->found;
        struct store *store = NULL;
        int code = open_directory(opening, directory);

        if (code < 0)
                return code;
        code = store_sqlite.open(directory, &store, &opening->note);
        if (code == 0) {
                found->event_base = store->ops->generation(store) << 32;
                code = store->ops->load(store, jobs_load, found, &found->next_id);
        }
        if (code == 0)
                code = journal_new(store, found->server->engine, &found->journal);
        if (code < 0 && store)
                store->ops->close(store);
        if (code < 0)
                snprintf(opening->why, sizeof(opening->why), "%s",
                         opening->note ? opening->note : "their journal cannot be read");
        return code;
}

static void open_call(struct io *io) {
        struct opening *opening = io->owner;

        opening->code = open_store(opening, opening->jobs->server->config->state_dir);
        if (opening->code < 0)
                opening->found = jobs_free(opening->found);
        io->result = 0;
}

/* ---- on the loop ------------------------------------------------------------------------------------------------- */

/* What may pass without anybody who changes the daemon, its settings or its directory. */
static bool may_pass(int code) {
        switch (-code) {
        case FSOP_ENOSPC:
        case FSOP_EDQUOT:
        case FSOP_EROFS:
        case FSOP_EIO:
        case FSOP_EBUSY:
        case FSOP_ENOMEM:
        case FSOP_ENFILE:
        case FSOP_EMFILE:
        case FSOP_EAGAIN:
                return true;
        default:
                return false;
        }
}

static const char *what_helps(int code) {
        switch (-code) {
        case FSOP_ENOSPC:
        case FSOP_EDQUOT:
                return "make room there; ";
        case FSOP_EROFS:
                return "make it writable; ";
        case FSOP_EBUSY:
                return "stop that one; ";
        default:
                return "";
        }
}

static void not_opened(struct jobs *jobs, int code, const char *why) {
        char text[sizeof(jobs->unavailable_text)];

        snprintf(text, sizeof(text), "%s (%s); %sthe daemon tries again by itself, and when it is reloaded", why,
                 error_name(-code), what_helps(code));
        if (!jobs->unavailable || strcmp(text, jobs->unavailable) != 0)
                log_line(LOG_LEVEL_ERROR, "no copy jobs: %s", text);
        memcpy(jobs->unavailable_text, text, sizeof(text));
        jobs->unavailable = jobs->unavailable_text;
        jobs->unavailable_code = may_pass(code) ? code : -FSOP_EOPNOTSUPP;
        jobs->store_tries++;
        jobs->store_tried_ms = jobs->server->now_ms;
}

/* Of a table that has no jobs yet: it gets those of the other one, which is freed. */
static void take_over(struct jobs *jobs, struct jobs *found) {
        jobs->journal = found->journal;
        jobs->first = found->first;
        jobs->last = found->last;
        jobs->n = found->n;
        jobs->targets = found->targets;
        jobs->n_targets = found->n_targets;
        jobs->targets_room = found->targets_room;
        memcpy(jobs->targets_key, found->targets_key, sizeof(jobs->targets_key));
        jobs->next_id = found->next_id;
        jobs->event_base = found->event_base;
        for (struct job *job = jobs->first; job; job = job->next)
                job->jobs = jobs;
        free(found);
        jobs->schedule_wanted = true;
}

static void opened(struct jobs *jobs, struct jobs *found, const char *note) {
        take_over(jobs, found);
        if (note)
                log_line(LOG_LEVEL_ERROR, "jobs: %s", note);
        if (jobs->unavailable)
                log_line(LOG_LEVEL_NOTICE, "there are copy jobs again: %u", jobs->n);
        else if (jobs->n > 0)
                log_line(LOG_LEVEL_INFO, "jobs: %u", jobs->n);
        jobs->unavailable = NULL;
        jobs->store_tries = 0;
}

/* NULL: out of memory, which is said. */
static struct opening *opening_new(struct jobs *jobs) {
        struct opening *opening = calloc(1, sizeof(*opening));
        struct jobs *found = calloc(1, sizeof(*found));

        if (!opening || !found) {
                free(opening);
                free(found);
                not_opened(jobs, -FSOP_ENOMEM, "the daemon is out of memory");
                return NULL;
        }
        found->server = jobs->server;
        opening->jobs = jobs;
        opening->found = found;
        opening->code = -FSOP_EAGAIN;
        strcpy(opening->why, "no worker could open their journal");
        opening->io = (struct io){.kind = IO_CALL, .flags = IO_POOL, .owner = opening};
        opening->io.u.call = open_call;
        return opening;
}

/* Frees it. */
static void conclude(struct opening *opening) {
        int code = opening->code;

        if (code == 0)
                opened(opening->jobs, opening->found, opening->note);
        else
                not_opened(opening->jobs, code, opening->why);
        if (code < 0 && opening->found)
                jobs_free(opening->found);
        free(opening->note);
        free(opening);
}

static void begin_anew(struct task_op *o) {
        if (o->task->cancelled || o->task->session->state != SESSION_OPEN)
                task_op_fail_cancelled(o);
        else if (o->op->verb == FSOP_VERB_CP)
                job_submit(o);
        else
                job_answer(o);
}

static void open_done(struct io *io) {
        struct opening *opening = io->owner;
        struct jobs *jobs = opening->jobs;
        struct task_op *asker = jobs->askers;

        if (opening->code == -FSOP_EAGAIN && io->result < 0)
                opening->code = (int)io->result;
        jobs->askers = jobs->last_asker = NULL;
        jobs->opening = false;
        conclude(opening);
        while (asker) {
                struct task_op *next = asker->waits_for;

                task_ask_again(asker, begin_anew);
                asker = next;
        }
}

static void begin(struct jobs *jobs) {
        struct opening *opening = opening_new(jobs);

        if (!opening)
                return;
        jobs->opening = true;
        opening->io.done = open_done;
        jobs->server->engine->ops->submit(jobs->server->engine, &opening->io);
}

void jobs_start_store(struct jobs *jobs) {
        for (uint32_t waited_ms = 0;; waited_ms += PAUSE_MS) {
                struct opening *opening = opening_new(jobs);

                if (!opening)
                        return;
                open_call(&opening->io);
                if (opening->code != -FSOP_EBUSY || waited_ms >= WAIT_MS) {
                        conclude(opening);
                        return;
                }
                free(opening->note);
                free(opening);
                sys_sleep_ms(PAUSE_MS);
        }
}

void jobs_retry_store(struct jobs *jobs) {
        jobs->store_tries = 0;
        if (jobs->unavailable && !jobs->opening && !jobs->draining)
                begin(jobs);
}

int jobs_tick_store(struct jobs *jobs) {
        uint64_t due_ms = jobs->store_tried_ms + jobs_backoff_ms(jobs->store_tries - 1);

        if (jobs->opening || jobs->draining)
                return -1;
        if (jobs->now_ms < due_ms)
                return (int)(due_ms - jobs->now_ms);
        begin(jobs);
        return jobs->opening ? -1 : 1000;
}

/* It is soon over by itself. */
static void no_cancel(struct task_op *asker) {
        (void)asker;
}

bool job_needs_store(struct task_op *o) {
        struct jobs *jobs = o->task->session->server->jobs;
        bool due = !jobs->unavailable || jobs->server->now_ms >= jobs->store_tried_ms + ASKED_AGAIN_MS;

        if (jobs->journal)
                return false;
        if (jobs->draining) {
                task_op_fail_stopping(o, "");
                return true;
        }
        if (due && !jobs->opening)
                begin(jobs);
        else
                due = !jobs->unavailable; /* what is known is said at once: a disk may keep the worker */
        if (!due || !jobs->opening) {
                task_op_fail(o, jobs->unavailable_code, error_class_of(-jobs->unavailable_code),
                             "this daemon has no copy jobs: %s", jobs->unavailable);
                o->result.error.retryable = jobs->unavailable_code != -FSOP_EOPNOTSUPP;
                return true;
        }
        o->waits_for = NULL;
        if (jobs->last_asker)
                jobs->last_asker->waits_for = o;
        else
                jobs->askers = o;
        jobs->last_asker = o;
        task_park(o, no_cancel);
        return true;
}
