/* SPDX-License-Identifier: MIT */
/*
 * job_events.c: what happened to a job, numbered, the last of it kept; and the operations that wait for more. Progress
 * that nobody has been told is replaced by what came after it.
 */
#include <stdlib.h>
#include <string.h>

#include "daemon/jobs.h"
#include "daemon/server.h"

#define EVENTS_KEPT 64u /* the list grows only as far as something happens: ten thousand jobs that wait have none */

struct event {
        uint64_t number;
        struct fsop_time time;
        enum fsop_job_event_kind kind;
        enum fsop_job_state state;
        struct store_counters counters;
        char *path; /* of a failure */
        struct error error;
        char *message;
};

struct watcher {
        struct watcher *next;
        struct task_op *op;
        struct job *job; /* NULL: it is gone */
        bool cancelled;
};

struct job_events {
        struct event *list;
        uint32_t n, room;
        uint64_t told; /* the last number that anyone was told */
        struct watcher *watchers;
};

/* ---- what happened ----------------------------------------------------------------------------------------------- */

static struct job_events *events_of(struct job *job) {
        if (!job->events)
                job->events = calloc(1, sizeof(*job->events));
        return job->events;
}

static void event_fini(struct event *event) {
        /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): n events stand in a list */
        free(event->path);
        free(event->message);
        *event = (struct event){0};
}

static bool make_room(struct job_events *events) {
        uint32_t room = events->room ? events->room * 2 : 4;
        struct event *list;

        if (events->n == EVENTS_KEPT) {
                event_fini(&events->list[0]);
                memmove(events->list, events->list + 1, --events->n * sizeof(*events->list));
        }
        if (events->n < events->room)
                return true;
        list = realloc(events->list, room * sizeof(*list));
        if (!list)
                return false;
        events->list = list;
        events->room = room;
        return true;
}

/* The next event of a job, or the last one again: progress that nobody was told. */
static struct event *next_event(struct job_events *events, enum fsop_job_event_kind kind) {
        struct event *last = events->n > 0 ? &events->list[events->n - 1] : NULL;

        if (last && last->kind == FSOP_JOB_EVENT_PROGRESS && kind == FSOP_JOB_EVENT_PROGRESS &&
            last->number > events->told) {
                event_fini(last);
                return last;
        }
        if (!make_room(events))
                return NULL;
        last = &events->list[events->n++];
        /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): make_room() made the list */
        *last = (struct event){0};
        return last;
}

static struct event *event_add(struct job *job, enum fsop_job_event_kind kind) {
        struct job_events *events;
        struct event *event;

        job->last_event = ++job->jobs->event_base;
        if (!job->events && !job->run) /* what state it is in can be told without */
                return NULL;
        events = events_of(job);
        event = events ? next_event(events, kind) : NULL;
        if (!event)
                return NULL;
        event->number = job->last_event;
        event->time = sys_realtime();
        event->kind = kind;
        event->state = job->announced;
        event->counters = job_counters(job);
        return event;
}

static void tell(struct job *job, bool cancelled) {
        struct jobs *jobs = job->jobs;

        while (job->events && job->events->watchers) {
                struct watcher *watcher = job->events->watchers;

                job->events->watchers = watcher->next;
                watcher->cancelled = watcher->cancelled || cancelled;
                watcher->next = jobs->told;
                jobs->told = watcher;
        }
}

void job_event_state(struct job *job) {
        job->announced = job->kept.state;
        event_add(job, FSOP_JOB_EVENT_STATE);
        tell(job, false);
}

void job_event_progress(struct job *job) {
        event_add(job, FSOP_JOB_EVENT_PROGRESS);
        tell(job, false);
}

void job_event_failure(struct job *job, struct bytes path, const struct error *error) {
        struct event *event = event_add(job, FSOP_JOB_EVENT_FAILURE);

        if (event) {
                event->path = strndup((const char *)path.data, path.len);
                event->message = strndup((const char *)error->message.data, error->message.len);
                event->error = *error;
                event->error.rule = (struct bytes){NULL, 0};
        }
        tell(job, false);
}

/* ---- who waits --------------------------------------------------------------------------------------------------- */

static struct job_event describe(const struct job *job, const struct event *event) {
        struct job_event ret = {.number = event->number, .time = event->time, .kind = event->kind};

        if (event->kind == FSOP_JOB_EVENT_FAILURE) {
                ret.failure.error = event->error;
                if (event->path)
                        ret.failure.path = (struct bytes){(const uint8_t *)event->path, strlen(event->path)};
                if (event->message)
                        ret.failure.error.message =
                                (struct bytes){(const uint8_t *)event->message, strlen(event->message)};
                return ret;
        }
        ret.job = job_describe(job);
        ret.job.event = event->number;
        ret.job.state = event->state;
        ret.job.files_done = event->counters.files_done;
        ret.job.files_failed = event->counters.files_failed;
        ret.job.files_skipped = event->counters.files_skipped;
        ret.job.bytes_copied = event->counters.bytes_copied;
        ret.job.bytes_flushed = event->counters.bytes_flushed;
        ret.job.bytes_verified = event->counters.bytes_verified;
        return ret;
}

static size_t event_bytes(const struct job_event *event) {
        return JOB_ENTRY_BYTES + job_text_bytes(&event->job) + event->failure.path.len +
               event->failure.error.message.len;
}

/* Texts that belong to the job are copied: the answer lives longer. */
static bool own_texts(struct arena *out, struct job_event *event) {
        struct bytes *texts[] = {
                &event->job.user,       &event->job.source,   &event->job.target,           &event->job.error.message,
                &event->job.error.rule, &event->failure.path, &event->failure.error.message};

        for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
                if (texts[i]->len == 0)
                        continue;
                *texts[i] = arena_copy(out, *texts[i]);
                if (!texts[i]->data)
                        return false;
        }
        return true;
}

/* How things stand, for one who knows less than what is still kept. */
static struct event event_now(const struct job *job) {
        return (struct event){.number = job->last_event,
                              .time = sys_realtime(),
                              .kind = FSOP_JOB_EVENT_STATE,
                              .state = job->announced,
                              .counters = job_counters(job)};
}

static bool is_over(const struct job *job) {
        return job_has_ended(job) && job->announced == job->kept.state;
}

/* Events beyond AFTER, the oldest first, as many as one answer holds: the next watch brings the others.
 * -FSOP_ENOMEM. */
static int take_events(struct task_op *o, const struct job *job, struct job_answer *answer) {
        uint64_t after = o->op->args.job.after;
        uint32_t max = job_entries_max(o), kept = job->events ? job->events->n : 0, i = 0;
        struct arena *out = &o->task->out;
        struct event now = event_now(job);
        struct job_event *list;
        size_t bytes = 0;

        while (i < kept && job->events->list[i].number <= after)
                i++;
        if (i == kept && job->last_event <= after) {
                answer->end = is_over(job);
                return 0;
        }
        max = i == kept ? 1 : max < kept - i ? max : kept - i;
        list = arena_calloc(out, max, sizeof(*list));
        if (!list)
                return -FSOP_ENOMEM;
        answer->events = list;
        while (answer->n_events < max) {
                struct job_event *entry = &list[answer->n_events];

                *entry = describe(job, i == kept ? &now : &job->events->list[i]);
                bytes += event_bytes(entry);
                if (answer->n_events > 0 && bytes > job_answer_room(o))
                        break;
                if (!own_texts(out, entry))
                        return -FSOP_ENOMEM;
                answer->n_events++;
                i += i < kept;
        }
        answer->end = i == kept && is_over(job);
        return 0;
}

/* What has happened into the answer; false: nothing. */
static bool answer_events(struct task_op *o, struct job *job) {
        struct job_answer *answer = &o->result.value.job;

        if (take_events(o, job, answer) < 0) {
                task_op_fail(o, -FSOP_ENOMEM, FSOP_CLASS_BUSY, "the daemon is out of memory");
                return true;
        }
        if (answer->n_events > 0 && job->events)
                job->events->told = answer->events[answer->n_events - 1].number;
        return answer->n_events > 0 || answer->end;
}

static void unwatch(struct task_op *o) {
        struct watcher *watcher = o->waits_for;
        struct watcher **link;

        watcher->cancelled = true;
        if (!watcher->job || !watcher->job->events)
                return; /* among those to be told already */
        for (link = &watcher->job->events->watchers; *link && *link != watcher;)
                link = &(*link)->next;
        if (!*link)
                return;
        *link = watcher->next;
        watcher->next = o->task->session->server->jobs->told;
        o->task->session->server->jobs->told = watcher;
}

static void fail_stopping(struct task_op *o) {
        task_op_fail_stopping(o, "; the job goes on when it is back");
}

void job_watch(struct task_op *o, struct job *job) {
        struct watcher *watcher;
        struct job_events *events;

        if (o->task->n_fds >
            0) { /* its client's own end of the connection, perhaps: then nobody would see that it is gone */
                task_op_fail(o, -FSOP_EINVAL, FSOP_CLASS_INVALID,
                             "a batch that carries descriptors cannot watch a job");
                return;
        }
        if (answer_events(o, job))
                return;
        if (job->jobs->draining) {
                fail_stopping(o);
                return;
        }
        events = events_of(job);
        watcher = arena_calloc(&o->task->out, 1, sizeof(*watcher));
        if (!events || !watcher) {
                task_op_fail(o, -FSOP_ENOMEM, FSOP_CLASS_BUSY, "the daemon is out of memory");
                return;
        }
        watcher->op = o;
        watcher->job = job;
        watcher->next = events->watchers;
        events->watchers = watcher;
        o->waits_for = watcher;
        task_park(o, unwatch);
}

void job_events_free(struct job *job) {
        struct job_events *events = job->events;

        if (!events)
                return;
        for (struct watcher *watcher = events->watchers; watcher; watcher = watcher->next)
                watcher->job = NULL;
        for (struct watcher *watcher = job->jobs->told; watcher; watcher = watcher->next)
                if (watcher->job == job)
                        watcher->job = NULL;
        tell(job, false);
        for (uint32_t i = 0; i < events->n; i++)
                event_fini(&events->list[i]);
        free(events->list);
        free(events);
        job->events = NULL;
}

void jobs_cancel_watchers(struct jobs *jobs) {
        for (struct job *job = jobs->first; job; job = job->next)
                tell(job, true);
}

void jobs_tell_watchers(struct jobs *jobs) {
        struct watcher *watcher;

        while ((watcher = jobs->told)) {
                struct task_op *o = watcher->op;
                struct job *job = watcher->job;

                jobs->told = watcher->next;
                if (watcher->cancelled) {
                        if (!o->task->cancelled)
                                fail_stopping(o);
                        else
                                task_op_fail_cancelled(o);
                } else if (!job)
                        task_op_fail(o, -FSOP_ENOENT, FSOP_CLASS_OS, "the job has been forgotten");
                else
                        answer_events(o, job);
                task_unpark(o);
        }
}
