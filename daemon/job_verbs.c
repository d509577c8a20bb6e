/* SPDX-License-Identifier: MIT */
/*
 * job_verbs.c: what can be asked of jobs that are there. A job that belongs to somebody else is answered like one that
 * does not exist.
 */
#include <stdlib.h>
#include <string.h>

#include "daemon/done.h"
#include "daemon/jobs.h"
#include "daemon/server.h"
#include "daemon/session.h"
#include "proto/names.h"

#define READING_BYTES_MAX (1u << 20) /* of texts that a worker reads for an answer */

static void no_memory(struct task_op *o) {
        task_op_fail(o, -FSOP_ENOMEM, FSOP_CLASS_BUSY, "the daemon is out of memory");
}

uint32_t job_entries_max(const struct task_op *o) {
        uint32_t max = o->op->args.job.entries_max;

        return max == 0 || max > WIRE_JOB_ENTRIES_MAX ? WIRE_JOB_ENTRIES_MAX : max;
}

size_t job_answer_room(const struct task_op *o) {
        enum { ROOM_BYTES_MAX = 288 << 10, ENVELOPE_BYTES = 256 };
        size_t frame = o->task->session->frame_bytes_max - ENVELOPE_BYTES;

        return frame < ROOM_BYTES_MAX ? frame : ROOM_BYTES_MAX;
}

size_t job_text_bytes(const struct job_info *info) {
        return info->user.len + info->source.len + info->target.len + info->error.message.len + info->error.rule.len;
}

static bool own(struct arena *out, struct bytes *text) {
        if (text->len == 0)
                return true;
        *text = arena_copy(out, *text);
        return text->data != NULL;
}

static bool own_info(struct arena *out, struct job_info *info) {
        return own(out, &info->user) && own(out, &info->source) && own(out, &info->target) &&
               own(out, &info->error.message) && own(out, &info->error.rule);
}

void job_answer_with(struct task_op *o, const struct job *job) {
        struct job_info *info = arena_calloc(&o->task->out, 1, sizeof(*info));

        if (info)
                *info = job_describe(job);
        if (!info || !own_info(&o->task->out, info)) {
                no_memory(o);
                return;
        }
        o->result.value.job.jobs = info;
        o->result.value.job.n_jobs = 1;
        o->result.value.job.end = true;
}

/* ---- list -------------------------------------------------------------------------------------------------------- */

static void answer_list(struct task_op *o, struct jobs *jobs) {
        const struct peer *peer = &o->task->session->peer;
        const struct job_args *args = &o->op->args.job;
        struct job_answer *answer = &o->result.value.job;
        uint32_t max = job_entries_max(o), n = 0;
        struct job_info *list = arena_calloc(&o->task->out, max, sizeof(*list));
        size_t bytes = 0;
        struct job *job;

        if (args->all_users && !server_is_admin(jobs->server, peer)) {
                task_op_fail(o, -FSOP_EPERM, FSOP_CLASS_DENIED,
                             "the jobs of all users are for uid 0 and the admin group to see");
                return;
        }
        if (!list) {
                no_memory(o);
                return;
        }
        for (job = jobs->first; job; job = job->next) {
                if (job->kept.id <= args->after || job->draft || job->forgetting ||
                    (!args->all_users && job->kept.uid != peer->uid))
                        continue;
                list[n] = job_describe(job);
                bytes += job_text_bytes(&list[n]) + JOB_ENTRY_BYTES;
                if (n == max || (n > 0 && bytes > job_answer_room(o)))
                        break;
                if (!own_info(&o->task->out, &list[n])) {
                        no_memory(o);
                        return;
                }
                if (++n == max) {
                        job = job->next;
                        break;
                }
        }
        answer->jobs = list;
        answer->n_jobs = n;
        answer->end = job == NULL;
        answer->cookie = n > 0 ? list[n - 1].id : args->after;
}

/* ---- show: failures and digests come from the store -------------------------------------------------------------- */

struct reading {
        struct task_op *op;
        uint64_t id;
        enum job_want want;
        uint64_t after;
        uint32_t max, n;
        struct bytes *targets; /* of the job's places; copied, as the job may go */
        uint32_t n_places, place;
        uint64_t number, at; /* the append that is read, and how many of its entries are */
        size_t bytes, room;
        bool full, no_memory;
        struct arena texts; /* the worker's: the answer's own arena is the loop's, where other operations of the batch
                               use it */
        struct job_failure *failures;
        struct job_digest *digests;
        uint64_t cookie;
};

/* On a worker. */
static int take_failure(void *context, const struct store_failure *failure) {
        struct reading *reading = context;
        struct arena *out = &reading->texts;
        struct job_failure *entry = &reading->failures[reading->n];

        reading->bytes += failure->path.len + failure->error.message.len + failure->error.rule.len + 96;
        if (reading->n == reading->max || (reading->n > 0 && reading->bytes > reading->room)) {
                reading->full = true;
                return -FSOP_ECANCELED;
        }
        *entry = (struct job_failure){.path = failure->path, .error = failure->error};
        if (!own(out, &entry->path) || !own(out, &entry->error.message) || !own(out, &entry->error.rule)) {
                reading->no_memory = true;
                return -FSOP_ENOMEM;
        }
        reading->n++;
        reading->cookie = failure->cookie;
        return 0;
}

/* Of a digest: the number of its append, and its own in that. An append has far fewer entries: they all were in
 * memory. */
#define COOKIE_BITS 24u
#define COOKIE(number, at) ((number) << COOKIE_BITS | (at))
#define COOKIE_NUMBER(cookie) ((cookie) >> COOKIE_BITS)

/* By a page before. */
static bool was_given(const struct reading *reading) {
        return reading->number == COOKIE_NUMBER(reading->after) &&
               COOKIE(reading->number, reading->at) <= reading->after;
}

static int take_digest(void *context, const struct done_entry *entry) {
        struct reading *reading = context;
        struct job_digest *digest = &reading->digests[reading->n];
        struct bytes top = reading->targets[reading->place];

        reading->at++;
        if (!entry->has_digest || was_given(reading))
                return 0;
        reading->bytes += top.len + entry->path.len + 96;
        if (reading->n == reading->max || (reading->n > 0 && reading->bytes > reading->room)) {
                reading->full = true;
                return -FSOP_ECANCELED;
        }
        digest->path = entry->path.len > 0
                               ? arena_printf(&reading->texts, "%.*s/%.*s", (int)top.len, (const char *)top.data,
                                              (int)entry->path.len, (const char *)entry->path.data)
                               : arena_copy(&reading->texts, top);
        if (!digest->path.data || digest->path.len == 0) {
                reading->no_memory = true;
                return -FSOP_ENOMEM;
        }
        memcpy(digest->digest, entry->digest, sizeof(digest->digest));
        reading->n++;
        reading->cookie = COOKIE(reading->number, reading->at);
        return 0;
}

static int take_files(void *context, const struct store_files *files) {
        struct reading *reading = context;

        if (files->place >= reading->n_places)
                return -FSOP_EIO;
        reading->place = files->place;
        reading->number = files->number;
        reading->at = 0;
        return done_read(files->data, take_digest, reading);
}

static int read_pages(struct store *store, void *owner) {
        struct reading *reading = owner;
        int code;

        if (reading->want == JOB_WANT_FAILURES)
                code = store->ops->read_failures(store, reading->id, reading->after, reading->max + 1, take_failure,
                                                 reading);
        else
                code = store->ops->read_all_files(store, reading->id, COOKIE_NUMBER(reading->after), take_files,
                                                  reading);
        return reading->full ? 0 : code;
}

/* What the worker has read becomes the answer's. */
static bool own_pages(struct reading *reading) {
        struct arena *out = &reading->op->task->out;

        for (uint32_t i = 0; i < reading->n; i++)
                if (reading->want == JOB_WANT_FAILURES) {
                        struct job_failure *entry = &reading->failures[i];

                        if (!own(out, &entry->path) || !own(out, &entry->error.message) ||
                            !own(out, &entry->error.rule))
                                return false;
                } else if (!own(out, &reading->digests[i].path))
                        return false;
        return true;
}

static void pages_read(void *owner, int code) {
        struct reading *reading = owner;
        struct task_op *o = reading->op;
        struct job_answer *answer = &o->result.value.job;

        reading->no_memory = reading->no_memory || !own_pages(reading);
        arena_fini(&reading->texts);
        if (code < 0 || reading->no_memory)
                task_op_fail(o, code < 0 ? code : -FSOP_ENOMEM, FSOP_CLASS_OS,
                             "what is recorded of the job could not be read");
        answer->failures = reading->failures;
        answer->n_failures = reading->want == JOB_WANT_FAILURES ? reading->n : 0;
        answer->digests = reading->digests;
        answer->n_digests = reading->want == JOB_WANT_DIGESTS ? reading->n : 0;
        answer->end = !reading->full;
        answer->cookie = reading->cookie;
        task_unpark(o);
}

/* It is soon over by itself. */
static void no_cancel(struct task_op *o) {
        (void)o;
}

static bool copy_targets(struct reading *reading, const struct job *job) {
        struct arena *out = &reading->op->task->out;

        reading->n_places = job->kept.n_places;
        reading->targets = arena_calloc(out, job->kept.n_places + 1, sizeof(*reading->targets));
        for (uint32_t i = 0; reading->targets && i < job->kept.n_places; i++) {
                reading->targets[i] = arena_copy(out, job->kept.places[i].target);
                if (!reading->targets[i].data)
                        return false;
        }
        return reading->targets != NULL;
}

static void answer_show(struct task_op *o, struct job *job) {
        const struct job_args *args = &o->op->args.job;
        struct arena *out = &o->task->out;
        struct reading *reading;

        job_answer_with(o, job);
        if (o->failed || args->want == JOB_WANT_JOB || (args->want == JOB_WANT_DIGESTS && !job->kept.verify))
                return;
        reading = arena_calloc(out, 1, sizeof(*reading));
        if (reading) {
                *reading = (struct reading){.op = o,
                                            .id = job->kept.id,
                                            .want = args->want,
                                            .after = args->after,
                                            .cookie = args->after,
                                            .bytes = job_text_bytes(o->result.value.job.jobs) + JOB_ENTRY_BYTES,
                                            .room = job_answer_room(o),
                                            .max = job_entries_max(o)};
                arena_init(&reading->texts, READING_BYTES_MAX);
                reading->failures = arena_calloc(out, reading->max + 1, sizeof(*reading->failures));
                reading->digests = arena_calloc(out, reading->max + 1, sizeof(*reading->digests));
        }
        if (!reading || !reading->failures || !reading->digests ||
            (args->want == JOB_WANT_DIGESTS && !copy_targets(reading, job)) ||
            journal_read(job->jobs->journal, read_pages, pages_read, reading) < 0) {
                no_memory(o);
                return;
        }
        task_park(o, no_cancel);
}

/* ---- changes ----------------------------------------------------------------------------------------------------- */

static void not_now(struct task_op *o, const struct job *job) {
        task_op_fail(o, -FSOP_EINVAL, FSOP_CLASS_INVALID, "job %llu is %s", (unsigned long long)job->kept.id,
                     job_state_name(job->kept.state));
}

static void answer_pause(struct task_op *o, struct job *job) {
        if (job_has_ended(job) || job->stop == STOP_CANCEL) {
                not_now(o, job);
                return;
        }
        job_pause(job, o);
        job_answer_with(o, job);
}

static void answer_resume(struct task_op *o, struct job *job) {
        if (job->kept.state != FSOP_JOB_PAUSED && job->kept.state != FSOP_JOB_WAITING && job->stop != STOP_PAUSE) {
                not_now(o, job);
                return;
        }
        job_resume(job, o);
        job_answer_with(o, job);
}

static void answer_cancel(struct task_op *o, struct job *job) {
        if (job_has_ended(job)) {
                not_now(o, job);
                return;
        }
        job_cancel(job, o);
        job_answer_with(o, job);
}

static void answer_retry(struct task_op *o, struct job *job) {
        const struct job *other;

        if (job->kept.state != FSOP_JOB_FAILED || job->run) {
                not_now(o, job);
                return;
        }
        other = job_in_the_way(job);
        if (other) {
                job_refuse_target(o, other);
                return;
        }
        job_retry(job, o);
        job_answer_with(o, job);
}

static void answer_forget(struct task_op *o, struct job *job) {
        if (!job_has_ended(job) || job->announced != job->kept.state) {
                task_op_fail(o, -FSOP_EINVAL, FSOP_CLASS_INVALID, "job %llu is %s; cancel it first",
                             (unsigned long long)job->kept.id, job_state_name(job->announced));
                return;
        }
        o->result.value.job.end = true;
        job_forget(job, o);
}

void job_answer(struct task_op *o) {
        struct session *session = o->task->session;
        struct jobs *jobs = session->server->jobs;
        const struct job_args *args = &o->op->args.job;
        struct job *job;

        if (jobs->unavailable && job_needs_store(o))
                return;
        if (o->op->verb == FSOP_VERB_JOB_LIST) {
                answer_list(o, jobs);
                return;
        }
        job = jobs_find_for(jobs, args->id, &session->peer);
        if (!job) {
                task_op_fail(o, -FSOP_ENOENT, FSOP_CLASS_OS, "there is no job %llu of yours",
                             (unsigned long long)args->id);
                return;
        }
        switch (o->op->verb) {
        case FSOP_VERB_JOB_SHOW:
                answer_show(o, job);
                break;
        case FSOP_VERB_JOB_WATCH:
                job_watch(o, job);
                break;
        case FSOP_VERB_JOB_PAUSE:
                answer_pause(o, job);
                break;
        case FSOP_VERB_JOB_RESUME:
                answer_resume(o, job);
                break;
        case FSOP_VERB_JOB_CANCEL:
                answer_cancel(o, job);
                break;
        case FSOP_VERB_JOB_RETRY:
                answer_retry(o, job);
                break;
        default:
                answer_forget(o, job);
                break;
        }
}
