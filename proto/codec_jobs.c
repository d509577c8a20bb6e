/* SPDX-License-Identifier: MIT */
/*
 * codec_jobs.c: the answer of cp and the operations on jobs. A daemon may be newer than its client: fields that are not
 * known here are skipped, and a state or event that is not known here is said to be unknown.
 */
#include "proto/codec_internal.h"

#include <string.h>

#include "proto/names.h"

enum {
        JOBS_JOBS = 1,
        JOBS_FAILURES = 2,
        JOBS_DIGESTS = 3,
        JOBS_EVENTS = 4,
};

#define INFO_BYTES_MAX 288u /* the fields of a job with their tags, but the texts and the error, rounded up */
#define ERROR_BYTES_MAX 48u /* likewise */
#define ITEM_BYTES_MAX 48u  /* of a failure, digest or event, but what it holds */

/* ---- writing ----------------------------------------------------------------------------------------------------- */

static Fsop__V1__Error error_leaf(const struct error *error) {
        Fsop__V1__Error leaf = FSOP__V1__ERROR__INIT;
        PUT_NUMBER(leaf, code, (uint32_t)error->code);
        PUT_NUMBER(leaf, error_class, (Fsop__V1__ErrorClass)error->class_);
        PUT_NUMBER(leaf, retryable, error->retryable);
        PUT_NUMBER(leaf, os_error, error->os_error);
        PUT_TEXT(leaf, rule, error->rule);
        PUT_TEXT(leaf, message, error->message);
        return leaf;
}

/* A message and those inside it, which it points to. */
struct info_leaf {
        Fsop__V1__JobInfo info;
        Fsop__V1__Error error;
};

struct failure_leaf {
        Fsop__V1__JobFailure failure;
        Fsop__V1__Error error;
};

struct event_leaf {
        Fsop__V1__JobEvent event;
        struct info_leaf job;
        struct failure_leaf failure;
};

static void info_fill(struct info_leaf *leaf, const struct job_info *job) {
        fsop__v1__job_info__init(&leaf->info);
        PUT_NUMBER(leaf->info, id, job->id);
        PUT_NUMBER(leaf->info, state, (Fsop__V1__JobState)job->state);
        PUT_NUMBER(leaf->info, uid, job->uid);
        PUT_TEXT(leaf->info, user, job->user);
        PUT_NUMBER(leaf->info, priority, job->priority);
        PUT_NUMBER(leaf->info, as, (Fsop__V1__As)job->as);
        PUT_NUMBER(leaf->info, elevated, job->elevated);
        PUT_NUMBER(leaf->info, created_sec, job->created.sec);
        PUT_NUMBER(leaf->info, created_nsec, job->created.nsec);
        PUT_NUMBER(leaf->info, started_sec, job->started.sec);
        PUT_NUMBER(leaf->info, started_nsec, job->started.nsec);
        PUT_NUMBER(leaf->info, finished_sec, job->finished.sec);
        PUT_NUMBER(leaf->info, finished_nsec, job->finished.nsec);
        PUT_NUMBER(leaf->info, retry_sec, job->retry.sec);
        PUT_NUMBER(leaf->info, retry_nsec, job->retry.nsec);
        PUT_TEXT(leaf->info, source, job->source);
        PUT_TEXT(leaf->info, target, job->target);
        PUT_NUMBER(leaf->info, n_places, job->n_places);
        PUT_NUMBER(leaf->info, totals_known, job->totals_known);
        PUT_NUMBER(leaf->info, files_total, job->files_total);
        PUT_NUMBER(leaf->info, bytes_total, job->bytes_total);
        PUT_NUMBER(leaf->info, files_done, job->files_done);
        PUT_NUMBER(leaf->info, files_failed, job->files_failed);
        PUT_NUMBER(leaf->info, files_skipped, job->files_skipped);
        PUT_NUMBER(leaf->info, bytes_copied, job->bytes_copied);
        PUT_NUMBER(leaf->info, bytes_flushed, job->bytes_flushed);
        PUT_NUMBER(leaf->info, bytes_verified, job->bytes_verified);
        PUT_NUMBER(leaf->info, bytes_per_s, job->bytes_per_s);
        leaf->info.has_seconds_left = job->has_seconds_left;
        leaf->info.seconds_left = job->seconds_left;
        PUT_NUMBER(leaf->info, verify, job->verify);
        PUT_NUMBER(leaf->info, runs, job->runs);
        PUT_NUMBER(leaf->info, event, job->event);
        leaf->error = error_leaf(&job->error);
        leaf->info.error = job->error.code ? &leaf->error : NULL;
}

static void failure_fill(struct failure_leaf *leaf, const struct job_failure *failure) {
        fsop__v1__job_failure__init(&leaf->failure);
        PUT_TEXT(leaf->failure, path, failure->path);
        leaf->error = error_leaf(&failure->error);
        leaf->failure.error = &leaf->error;
}

static void event_fill(struct event_leaf *leaf, const struct job_event *event) {
        fsop__v1__job_event__init(&leaf->event);
        PUT_NUMBER(leaf->event, number, event->number);
        PUT_NUMBER(leaf->event, time_sec, event->time.sec);
        PUT_NUMBER(leaf->event, time_nsec, event->time.nsec);
        PUT_NUMBER(leaf->event, kind, (Fsop__V1__JobEventKind)event->kind);
        if (event->kind == FSOP_JOB_EVENT_FAILURE) {
                failure_fill(&leaf->failure, &event->failure);
                leaf->event.failure = &leaf->failure.failure;
        } else if (event->kind != FSOP_JOB_EVENT_NONE) {
                info_fill(&leaf->job, &event->job);
                leaf->event.job = &leaf->job.info;
        }
}

static Fsop__V1__JobInfo **infos_to_leaf(struct arena *scratch, const struct job_info *jobs, uint32_t n) {
        LEAVES_IN(scratch, struct info_leaf, Fsop__V1__JobInfo, n, items, pointers);
        for (uint32_t i = 0; items && pointers && i < n; i++) {
                info_fill(&items[i], &jobs[i]);
                pointers[i] = &items[i].info;
        }
        return items ? pointers : NULL;
}

static Fsop__V1__JobFailure **failures_to_leaf(struct arena *scratch, const struct job_failure *failures, uint32_t n) {
        LEAVES_IN(scratch, struct failure_leaf, Fsop__V1__JobFailure, n, items, pointers);
        for (uint32_t i = 0; items && pointers && i < n; i++) {
                failure_fill(&items[i], &failures[i]);
                pointers[i] = &items[i].failure;
        }
        return items ? pointers : NULL;
}

static Fsop__V1__JobDigest **digests_to_leaf(struct arena *scratch, const struct job_digest *digests, uint32_t n) {
        LEAVES_IN(scratch, Fsop__V1__JobDigest, Fsop__V1__JobDigest, n, items, pointers);
        for (uint32_t i = 0; items && pointers && i < n; i++) {
                fsop__v1__job_digest__init(&items[i]);
                PUT_TEXT(items[i], path, digests[i].path);
                items[i].has_digest = 1;
                items[i].digest = leaf_data((struct bytes){digests[i].digest, WIRE_DIGEST_BYTES});
                pointers[i] = &items[i];
        }
        return items ? pointers : NULL;
}

static Fsop__V1__JobEvent **events_to_leaf(struct arena *scratch, const struct job_event *events, uint32_t n) {
        LEAVES_IN(scratch, struct event_leaf, Fsop__V1__JobEvent, n, items, pointers);
        for (uint32_t i = 0; items && pointers && i < n; i++) {
                event_fill(&items[i], &events[i]);
                pointers[i] = &items[i].event;
        }
        return items ? pointers : NULL;
}

void jobs_put(struct wire_writer *writer, struct arena *scratch, uint32_t number, const struct job_answer *answer) {
        Fsop__V1__Jobs leaf = FSOP__V1__JOBS__INIT;
        leaf.n_jobs = answer->n_jobs;
        leaf.jobs = infos_to_leaf(scratch, answer->jobs, answer->n_jobs);
        leaf.n_failures = answer->n_failures;
        leaf.failures = failures_to_leaf(scratch, answer->failures, answer->n_failures);
        leaf.n_digests = answer->n_digests;
        leaf.digests = digests_to_leaf(scratch, answer->digests, answer->n_digests);
        leaf.n_events = answer->n_events;
        leaf.events = events_to_leaf(scratch, answer->events, answer->n_events);
        PUT_NUMBER(leaf, end, answer->end);
        PUT_NUMBER(leaf, cookie, answer->cookie);
        if (!leaf.jobs || !leaf.failures || !leaf.digests || !leaf.events)
                writer->failed = true;
        else
                leaf_put(writer, number, &leaf.base);
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

/* As error_decode() does it. */
static struct error error_from(const Fsop__V1__Error *leaf) {
        unsigned class_ = (unsigned)leaf->error_class;
        return (struct error){
                .code = leaf->code >= FSOP_EPERM && leaf->code <= FSOP_EUNKNOWN ? (enum fsop_errno)leaf->code
                                                                                : FSOP_EUNKNOWN,
                .class_ = class_ <= FSOP_CLASS_CANCELLED ? (enum fsop_error_class)class_ : FSOP_CLASS_OS,
                .retryable = leaf->retryable,
                .os_error = leaf->os_error,
                .rule = leaf_bytes(leaf->rule),
                .message = leaf_bytes(leaf->message),
        };
}

static struct job_info info_from(const Fsop__V1__JobInfo *leaf) {
        unsigned state = (unsigned)leaf->state, as = (unsigned)leaf->as;
        struct job_info job = {
                .id = leaf->id,
                .state = state <= FSOP_JOB_CANCELLED ? (enum fsop_job_state)state : FSOP_JOB_UNKNOWN,
                .uid = leaf->uid,
                .user = leaf_bytes(leaf->user),
                .priority = leaf->priority,
                .as = as <= FSOP_AS_ELEVATED ? (enum fsop_as)as : FSOP_AS_AUTO,
                .elevated = leaf->elevated,
                .created = {leaf->created_sec, leaf->created_nsec},
                .started = {leaf->started_sec, leaf->started_nsec},
                .finished = {leaf->finished_sec, leaf->finished_nsec},
                .retry = {leaf->retry_sec, leaf->retry_nsec},
                .source = leaf_bytes(leaf->source),
                .target = leaf_bytes(leaf->target),
                .n_places = leaf->n_places,
                .totals_known = leaf->totals_known,
                .files_total = leaf->files_total,
                .bytes_total = leaf->bytes_total,
                .files_done = leaf->files_done,
                .files_failed = leaf->files_failed,
                .files_skipped = leaf->files_skipped,
                .bytes_copied = leaf->bytes_copied,
                .bytes_flushed = leaf->bytes_flushed,
                .bytes_verified = leaf->bytes_verified,
                .bytes_per_s = leaf->bytes_per_s,
                .has_seconds_left = leaf->has_seconds_left,
                .seconds_left = leaf->seconds_left,
                .verify = leaf->verify,
                .runs = leaf->runs,
                .event = leaf->event,
        };
        if (leaf->error)
                job.error = error_from(leaf->error);
        return job;
}

static struct job_failure failure_from(const Fsop__V1__JobFailure *leaf) {
        static const Fsop__V1__Error unknown = FSOP__V1__ERROR__INIT;
        return (struct job_failure){.path = leaf_bytes(leaf->path),
                                    .error = error_from(leaf->error ? leaf->error : &unknown)};
}

static struct job_event event_from(const Fsop__V1__JobEvent *leaf) {
        unsigned kind = (unsigned)leaf->kind;
        struct job_event event = {
                .number = leaf->number,
                .time = {leaf->time_sec, leaf->time_nsec},
                .kind = kind <= FSOP_JOB_EVENT_FAILURE ? (enum fsop_job_event_kind)kind : FSOP_JOB_EVENT_NONE,
        };
        if (leaf->job)
                event.job = info_from(leaf->job);
        if (leaf->failure)
                event.failure = failure_from(leaf->failure);
        if (event.kind == FSOP_JOB_EVENT_FAILURE ? !leaf->failure : !leaf->job)
                event.kind = FSOP_JOB_EVENT_NONE; /* it does not have what it would be about */
        return event;
}

static int infos_from(struct decoder *decoder, const Fsop__V1__Jobs *leaf, struct job_answer *answer) {
        struct job_info *jobs = arena_calloc(decoder->arena, leaf->n_jobs + 1, sizeof(*jobs));
        if (!jobs)
                return decoder_no_memory(decoder);
        for (size_t i = 0; i < leaf->n_jobs; i++)
                jobs[i] = info_from(leaf->jobs[i]);
        answer->jobs = jobs;
        answer->n_jobs = (uint32_t)leaf->n_jobs;
        return 0;
}

static int failures_from(struct decoder *decoder, const Fsop__V1__Jobs *leaf, struct job_answer *answer) {
        struct job_failure *failures = arena_calloc(decoder->arena, leaf->n_failures + 1, sizeof(*failures));
        if (!failures)
                return decoder_no_memory(decoder);
        for (size_t i = 0; i < leaf->n_failures; i++)
                failures[i] = failure_from(leaf->failures[i]);
        answer->failures = failures;
        answer->n_failures = (uint32_t)leaf->n_failures;
        return 0;
}

static int digests_from(struct decoder *decoder, const Fsop__V1__Jobs *leaf, struct job_answer *answer) {
        struct job_digest *digests = arena_calloc(decoder->arena, leaf->n_digests + 1, sizeof(*digests));
        if (!digests)
                return decoder_no_memory(decoder);
        for (size_t i = 0; i < leaf->n_digests; i++) {
                if (leaf->digests[i]->digest.len != WIRE_DIGEST_BYTES)
                        return decoder_malformed(decoder, "JobDigest");
                digests[i].path = leaf_bytes(leaf->digests[i]->path);
                memcpy(digests[i].digest, leaf->digests[i]->digest.data, WIRE_DIGEST_BYTES);
        }
        answer->digests = digests;
        answer->n_digests = (uint32_t)leaf->n_digests;
        return 0;
}

static int events_from(struct decoder *decoder, const Fsop__V1__Jobs *leaf, struct job_answer *answer) {
        struct job_event *events = arena_calloc(decoder->arena, leaf->n_events + 1, sizeof(*events));
        if (!events)
                return decoder_no_memory(decoder);
        for (size_t i = 0; i < leaf->n_events; i++)
                events[i] = event_from(leaf->events[i]);
        answer->events = events;
        answer->n_events = (uint32_t)leaf->n_events;
        return 0;
}

int jobs_decode(struct decoder *decoder, struct bytes bytes, struct job_answer *ret_answer) {
        ProtobufCMessage *message;
        for (uint32_t number = JOBS_JOBS; number <= JOBS_EVENTS; number++) {
                int64_t n = count_fields(bytes, number);
                if (n < 0 || n > WIRE_JOB_ENTRIES_MAX)
                        return decoder_malformed(decoder, "Jobs");
        }
        int r = leaf_unpack(decoder, &fsop__v1__jobs__descriptor, bytes, ANSWER_UNKNOWN_MAX, &message);
        if (r < 0)
                return r;
        const Fsop__V1__Jobs *leaf = (const Fsop__V1__Jobs *)message;
        *ret_answer = (struct job_answer){.end = leaf->end, .cookie = leaf->cookie};
        r = infos_from(decoder, leaf, ret_answer);
        if (r == 0)
                r = failures_from(decoder, leaf, ret_answer);
        if (r == 0)
                r = digests_from(decoder, leaf, ret_answer);
        return r < 0 ? r : events_from(decoder, leaf, ret_answer);
}

/* ---- sizes ------------------------------------------------------------------------------------------------------- */

static size_t error_bytes(const struct error *error) {
        return ERROR_BYTES_MAX + error->rule.len + error->message.len;
}

static size_t info_bytes(const struct job_info *job) {
        return INFO_BYTES_MAX + job->user.len + job->source.len + job->target.len +
               (job->error.code ? error_bytes(&job->error) : 0);
}

static size_t failure_bytes(const struct job_failure *failure) {
        return ITEM_BYTES_MAX + failure->path.len + error_bytes(&failure->error);
}

size_t jobs_bytes(const struct job_answer *answer) {
        size_t bytes = 32;
        for (uint32_t i = 0; i < answer->n_jobs; i++)
                bytes += info_bytes(&answer->jobs[i]);
        for (uint32_t i = 0; i < answer->n_failures; i++)
                bytes += failure_bytes(&answer->failures[i]);
        for (uint32_t i = 0; i < answer->n_digests; i++)
                bytes += ITEM_BYTES_MAX + answer->digests[i].path.len + WIRE_DIGEST_BYTES;
        for (uint32_t i = 0; i < answer->n_events; i++) {
                const struct job_event *event = &answer->events[i];
                bytes += ITEM_BYTES_MAX;
                bytes += event->kind == FSOP_JOB_EVENT_FAILURE ? failure_bytes(&event->failure)
                                                               : info_bytes(&event->job);
        }
        return bytes;
}
