/* SPDX-License-Identifier: MIT */
/*
 * test_codec_reply.c: Welcome, results and failures. What goes round comes back, as the bytes protobuf-c would make of
 * the schema, and never longer than codec_result_bytes promised.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fsop.pb-c.h"
#include "proto/names.h"
#include "tests/support/codec_kit.h"
#include "tests/support/codec_samples.h"
#include "tests/support/suite.h"

START_TEST(every_result_comes_back) {
        uint32_t n;
        const struct result *results = sample_results(&n);
        bool seen[FSOP_VERB_LIMIT] = {false};
        for (uint32_t i = 0; i < n; i++) {
                struct bytes body = sample_encode_result(&results[i]);
                int r = decode_reply(body, SAMPLE_FDS);
                sample_free(body); /* what came out must not point into it */
                ck_assert_msg(r == 0, "sample %u (%s): %s", i, verb_name(results[i].verb),
                              r ? (const char *)decoded.error.message.data : "");
                ck_assert_int_eq(decoded.message.kind, MESSAGE_RESULTS);
                ck_assert(decoded.message.body.results.id == 7 && !decoded.message.body.results.last);
                ck_assert_uint_eq(decoded.message.body.results.n_results, 1);
                ck_assert_msg(result_equal(&results[i], &decoded.message.body.results.results[0]),
                              "sample %u (%s) differs", i, verb_name(results[i].verb));
                seen[results[i].verb] = true;
        }
        for (unsigned verb = 0; verb < FSOP_VERB_LIMIT; verb++)
                ck_assert_msg(seen[verb] || !verb_name((enum fsop_verb)verb), "no sample of %s",
                              verb_name((enum fsop_verb)verb));
}
END_TEST

START_TEST(results_of_a_batch_come_back) {
        uint32_t n;
        const struct result *results = sample_results(&n);
        struct message sent = {.kind = MESSAGE_RESULTS,
                               .body.results = {.id = UINT64_MAX, .results = results, .n_results = n, .last = true}};
        struct bytes body = sample_encode(&sent);
        ck_assert_int_eq(decode_reply(body, SAMPLE_FDS), 0);
        ck_assert(decoded.message.body.results.id == UINT64_MAX && decoded.message.body.results.last);
        ck_assert_uint_eq(decoded.message.body.results.n_results, n);
        for (uint32_t i = 0; i < n; i++)
                ck_assert(result_equal(&results[i], &decoded.message.body.results.results[i]));
        sample_free(body);

        sent.body.results = (struct results){.id = 1, .last = true}; /* an end without results */
        body = sample_encode(&sent);
        ck_assert_int_eq(decode_reply(body, 0), 0);
        ck_assert(decoded.message.body.results.n_results == 0 && decoded.message.body.results.last);
        sample_free(body);
}
END_TEST

START_TEST(welcome_and_failure_come_back) {
        struct message sent = {.kind = MESSAGE_WELCOME, .body.welcome = sample_welcome()};
        struct bytes body = sample_encode(&sent);
        ck_assert_int_eq(decode_reply(body, 0), 0);
        sample_free(body);
        const struct welcome *a = &sent.body.welcome, *b = &decoded.message.body.welcome;
        ck_assert(a->version == b->version && a->features == b->features && a->foreign == b->foreign);
        ck_assert(a->frame_bytes_max == b->frame_bytes_max && a->batch_ops_max == b->batch_ops_max);
        ck_assert(a->batches_max == b->batches_max && bytes_equal(a->engine, b->engine));
        ck_assert(bytes_equal(a->daemon_version, b->daemon_version) && bytes_equal(a->platform, b->platform));
        ck_assert(support_equal(a->support, a->n_support, b->support, b->n_support));

        sent = (struct message){.kind = MESSAGE_FAILURE, .body.failure = sample_error()};
        body = sample_encode(&sent);
        ck_assert_int_eq(decode_reply(body, 0), 0);
        sample_free(body);
        ck_assert_int_eq(decoded.message.kind, MESSAGE_FAILURE);
        ck_assert(error_equal(&sent.body.failure, &decoded.message.body.failure));
}
END_TEST

static void check_against_protobuf(struct bytes body, const char *what) {
        Fsop__V1__ServerMessage *read = fsop__v1__server_message__unpack(NULL, body.len, body.data);
        ck_assert_msg(read, "protobuf-c does not understand %s", what);
        size_t size = fsop__v1__server_message__get_packed_size(read);
        ck_assert_msg(size == body.len, "%s: %zu bytes, protobuf-c makes %zu", what, body.len, size);
        uint8_t *again = malloc(size);
        fsop__v1__server_message__pack(read, again);
        ck_assert_msg(memcmp(again, body.data, size) == 0, "%s: other bytes than protobuf-c's", what);
        free(again);
        fsop__v1__server_message__free_unpacked(read, NULL);
}

START_TEST(bytes_are_those_of_the_schema) {
        uint32_t n;
        const struct result *results = sample_results(&n);
        for (uint32_t i = 0; i < n; i++) {
                struct bytes body = sample_encode_result(&results[i]);
                check_against_protobuf(body, verb_name(results[i].verb));
                sample_free(body);
        }
        struct message sent = {.kind = MESSAGE_WELCOME, .body.welcome = sample_welcome()};
        struct bytes body = sample_encode(&sent);
        check_against_protobuf(body, "Welcome");
        sample_free(body);
        sent = (struct message){.kind = MESSAGE_FAILURE, .body.failure = sample_error()};
        body = sample_encode(&sent);
        check_against_protobuf(body, "Failure");
        sample_free(body);
}
END_TEST

/* Stat is read and written by hand: each field by the number and type that the schema gives its name. */
START_TEST(stat_fields_have_the_schemas_numbers) {
        const struct result result = {
                .verb = FSOP_VERB_STAT,
                .value.stat = {.mask = 1,
                               .mode = 2,
                               .nlink = 3,
                               .uid = 4,
                               .gid = 5,
                               .blksize = 6,
                               .attributes = 7,
                               .attributes_mask = 8,
                               .ino = 9,
                               .size = 10,
                               .blocks = 11,
                               .atime = {-12, 13},
                               .btime = {-14, 15},
                               .ctime = {-16, 17},
                               .mtime = {-18, 19},
                               .rdev_major = 20,
                               .rdev_minor = 21,
                               .dev_major = 22,
                               .dev_minor = 23,
                               .mnt_id = 24},
        };
        struct bytes body = sample_encode_result(&result);
        Fsop__V1__ServerMessage *read = fsop__v1__server_message__unpack(NULL, body.len, body.data);
        ck_assert(read && read->results && read->results->n_results == 1);
        const Fsop__V1__Stat *stat = read->results->results[0]->stat;
        ck_assert(stat->mask == 1 && stat->mode == 2 && stat->nlink == 3 && stat->uid == 4 && stat->gid == 5);
        ck_assert(stat->blksize == 6 && stat->attributes == 7 && stat->attributes_mask == 8 && stat->ino == 9);
        ck_assert(stat->size == 10 && stat->blocks == 11 && stat->atime_sec == -12 && stat->atime_nsec == 13);
        ck_assert(stat->btime_sec == -14 && stat->btime_nsec == 15 && stat->ctime_sec == -16 && stat->ctime_nsec == 17);
        ck_assert(stat->mtime_sec == -18 && stat->mtime_nsec == 19 && stat->rdev_major == 20 && stat->rdev_minor == 21);
        ck_assert(stat->dev_major == 22 && stat->dev_minor == 23 && stat->mnt_id == 24);
        fsop__v1__server_message__free_unpacked(read, NULL);
        sample_free(body);
}
END_TEST

START_TEST(no_result_is_longer_than_promised) {
        uint32_t n;
        const struct result *results = sample_results(&n);
        struct result worst = {.index = UINT32_MAX,
                               .verb = FSOP_VERB_FSYNC,
                               .outcome = FSOP_OUTCOME_UNKNOWN,
                               .elevated = true,
                               .cloned = true,
                               .error = sample_error()};
        for (uint32_t i = 0; i <= n; i++) {
                const struct result *result = i < n ? &results[i] : &worst;
                struct bytes body = sample_encode_result(result);
                /* the envelope and Results around it: two tags, a length of at most five bytes each, and the id */
                ck_assert_msg(codec_result_bytes(result) + 14 >= body.len, "sample %u (%s): %zu promised, %zu made", i,
                              verb_name(result->verb), codec_result_bytes(result), body.len);
                sample_free(body);
        }
}
END_TEST

static void check_promise(const struct job_answer *answer, const char *what) {
        const struct result result = {.verb = FSOP_VERB_JOB_SHOW, .value.job = *answer};
        struct bytes body = sample_encode_result(&result);
        size_t promised = codec_result_bytes(&result);
        ck_assert_msg(promised >= body.len, "%s: %zu promised, %zu made", what, promised, body.len);
        ck_assert_msg(promised <= body.len * 5 / 4, "%s: %zu promised, only %zu made", what, promised, body.len);
        sample_free(body);
}

/* Pages are cut by what is promised of each entry, so each alone must keep it: many of the longest, and nothing
 * else. */
START_TEST(no_job_is_longer_than_promised) {
        static struct job_info jobs[WIRE_JOB_ENTRIES_MAX];
        static struct job_failure failures[WIRE_JOB_ENTRIES_MAX];
        static struct job_digest digests[WIRE_JOB_ENTRIES_MAX];
        static struct job_event events[WIRE_JOB_ENTRIES_MAX];
        struct job_info job = sample_longest_job();
        for (uint32_t i = 0; i < WIRE_JOB_ENTRIES_MAX; i++) {
                jobs[i] = job;
                failures[i] = (struct job_failure){.path = job.source, .error = job.error};
                digests[i].path = job.source;
                events[i] = (struct job_event){
                        .number = UINT64_MAX, .time = job.created, .kind = FSOP_JOB_EVENT_PROGRESS, .job = job};
        }
        const uint32_t n = WIRE_JOB_ENTRIES_MAX;
        check_promise(&(struct job_answer){.jobs = jobs, .n_jobs = n}, "jobs");
        check_promise(&(struct job_answer){.failures = failures, .n_failures = n}, "failures");
        check_promise(&(struct job_answer){.digests = digests, .n_digests = n}, "digests");
        check_promise(&(struct job_answer){.events = events, .n_events = n}, "events");
        for (uint32_t i = 0; i < n; i++)
                events[i] = (struct job_event){.number = UINT64_MAX,
                                               .time = job.created,
                                               .kind = FSOP_JOB_EVENT_FAILURE,
                                               .failure = failures[i]};
        check_promise(&(struct job_answer){.events = events, .n_events = n}, "failures told");
}
END_TEST

/* ---- what newer daemons say -------------------------------------------------------------------------------------- */

START_TEST(newer_daemons_are_understood) {
        static const uint8_t body[] = {
                0x12, 27,                                              /* results */
                0x08, 7,                                               /* id */
                0x12, 18,                                              /* one result: */
                0x10, 14,                                              /* verb: chown */
                0x18, 9,                                               /* an outcome that is not known */
                0x2a, 8,    0x08, 0xe7, 0x07, 0x10, 99, 0xa0, 0x01, 1, /* an error: code 999, class 99, a field 20 */
                0xc2, 0x02, 1,    'x',                                 /* a field 40 */
                0xf0, 0x01, 1,                                         /* a field 30 of Results */
                0x18, 1,                                               /* last */
        };
        int r = decode_reply((struct bytes){body, sizeof(body)}, 0);
        ck_assert_msg(r == 0, "%s", r ? (const char *)decoded.error.message.data : "");
        const struct result *result = &decoded.message.body.results.results[0];
        ck_assert(decoded.message.body.results.last && decoded.message.body.results.id == 7);
        ck_assert_int_eq(result->verb, FSOP_VERB_CHOWN);
        ck_assert_int_eq(result->outcome, FSOP_OUTCOME_UNKNOWN);
        ck_assert_int_eq(result->error.code, FSOP_EUNKNOWN);
        ck_assert_int_eq(result->error.class_, FSOP_CLASS_OS);
}
END_TEST

/* Decodes what protobuf-c makes of an answer about jobs. */
static int decode_jobs(Fsop__V1__Verb verb, Fsop__V1__Jobs *jobs) {
        static uint8_t body[64 << 10];
        Fsop__V1__ServerMessage server = FSOP__V1__SERVER_MESSAGE__INIT;
        Fsop__V1__Results results = FSOP__V1__RESULTS__INIT;
        Fsop__V1__Result result = FSOP__V1__RESULT__INIT, *list[] = {&result};
        result.has_verb = 1;
        result.verb = verb;
        result.value_case = FSOP__V1__RESULT__VALUE_JOBS;
        result.jobs = jobs;
        results.has_id = 1;
        results.id = 7;
        results.n_results = 1;
        results.results = list;
        server.message_case = FSOP__V1__SERVER_MESSAGE__MESSAGE_RESULTS;
        server.results = &results;
        ck_assert_uint_le(fsop__v1__server_message__get_packed_size(&server), sizeof(body));
        size_t len = fsop__v1__server_message__pack(&server, body);
        uint8_t *copy = malloc(len);
        memcpy(copy, body, len);
        int r = decode_reply((struct bytes){copy, len}, 0);
        free(copy);
        return r;
}

START_TEST(jobs_of_newer_daemons_are_understood) {
        static uint8_t text[] = "x";
        ProtobufCMessageUnknownField unknown = {
                .tag = 500, .wire_type = PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED, .len = 2, .data = (uint8_t *)"\1x"};
        Fsop__V1__Error why = FSOP__V1__ERROR__INIT;
        why.has_code = why.has_error_class = 1;
        why.code = 999;
        why.error_class = (Fsop__V1__ErrorClass)99;
        why.base.n_unknown_fields = 1;
        why.base.unknown_fields = &unknown;
        Fsop__V1__JobInfo job = FSOP__V1__JOB_INFO__INIT, *jobs[] = {&job};
        job.has_state = job.has_as = job.has_source = 1;
        job.state = (Fsop__V1__JobState)9;
        job.as = (Fsop__V1__As)77;
        job.source = (ProtobufCBinaryData){.data = text, .len = 1};
        job.error = &why;
        job.base.n_unknown_fields = 1;
        job.base.unknown_fields = &unknown;
        Fsop__V1__JobFailure failure = FSOP__V1__JOB_FAILURE__INIT, *failures[] = {&failure}; /* no error */
        Fsop__V1__JobEvent event = FSOP__V1__JOB_EVENT__INIT, *events[] = {&event};
        event.has_number = event.has_kind = 1;
        event.number = 5;
        event.kind = (Fsop__V1__JobEventKind)4;
        event.base.n_unknown_fields = 1;
        event.base.unknown_fields = &unknown;
        Fsop__V1__Jobs answer = FSOP__V1__JOBS__INIT;
        answer.n_jobs = answer.n_failures = answer.n_events = 1;
        answer.jobs = jobs;
        answer.failures = failures;
        answer.events = events;
        answer.base.n_unknown_fields = 1;
        answer.base.unknown_fields = &unknown;
        int r = decode_jobs(FSOP__V1__VERB__VERB_JOB_WATCH, &answer);
        ck_assert_msg(r == 0, "%s", r ? (const char *)decoded.error.message.data : "");
        const struct job_answer *got = &decoded.message.body.results.results[0].value.job;
        ck_assert(got->n_jobs == 1 && got->n_failures == 1 && got->n_events == 1 && got->n_digests == 0);
        ck_assert_int_eq(got->jobs[0].state, FSOP_JOB_UNKNOWN);
        ck_assert_int_eq(got->jobs[0].as, FSOP_AS_AUTO);
        ck_assert_str_eq((const char *)got->jobs[0].source.data, "x");
        ck_assert_int_eq(got->jobs[0].error.code, FSOP_EUNKNOWN);
        ck_assert_int_eq(got->jobs[0].error.class_, FSOP_CLASS_OS);
        ck_assert_int_eq(got->failures[0].error.code, FSOP_EUNKNOWN);
        ck_assert_int_eq(got->events[0].kind, FSOP_JOB_EVENT_NONE);
        ck_assert(got->events[0].number == 5);
}
END_TEST

/* Each field of a job by the name that the schema gives it. */
START_TEST(job_fields_have_the_schemas_names) {
        const struct job_info info = {
                .id = 1,
                .state = FSOP_JOB_WAITING,
                .uid = 3,
                .user = {(const uint8_t *)"u", 1},
                .priority = -5,
                .as = FSOP_AS_CALLER,
                .elevated = true,
                .created = {8, 9},
                .started = {10, 11},
                .finished = {12, 13},
                .retry = {14, 15},
                .source = {(const uint8_t *)"/s", 2},
                .target = {(const uint8_t *)"/t", 2},
                .n_places = 18,
                .totals_known = true,
                .files_total = 20,
                .bytes_total = 21,
                .files_done = 22,
                .files_failed = 23,
                .files_skipped = 24,
                .bytes_copied = 25,
                .bytes_flushed = 26,
                .bytes_verified = 27,
                .bytes_per_s = 28,
                .has_seconds_left = true,
                .seconds_left = 0,
                .verify = true,
                .runs = 31,
                .error = {.code = FSOP_ENOSPC, .class_ = FSOP_CLASS_OS, .retryable = true, .os_error = 28},
                .event = 33,
        };
        const struct result result = {.verb = FSOP_VERB_JOB_PAUSE, .value.job = {.jobs = &info, .n_jobs = 1}};
        struct bytes body = sample_encode_result(&result);
        Fsop__V1__ServerMessage *read = fsop__v1__server_message__unpack(NULL, body.len, body.data);
        ck_assert(read && read->results && read->results->n_results == 1 && read->results->results[0]->jobs);
        const Fsop__V1__JobInfo *job = read->results->results[0]->jobs->jobs[0];
        ck_assert(job->id == 1 && job->state == FSOP__V1__JOB_STATE__JOB_WAITING && job->uid == 3);
        ck_assert(job->user.len == 1 && job->priority == -5 && job->as == FSOP__V1__AS__AS_CALLER && job->elevated);
        ck_assert(job->created_sec == 8 && job->created_nsec == 9 && job->started_sec == 10 && job->started_nsec == 11);
        ck_assert(job->finished_sec == 12 && job->finished_nsec == 13 && job->retry_sec == 14 && job->retry_nsec == 15);
        ck_assert(job->source.data[1] == 's' && job->target.data[1] == 't' && job->n_places == 18);
        ck_assert(job->totals_known && job->files_total == 20 && job->bytes_total == 21 && job->files_done == 22);
        ck_assert(job->files_failed == 23 && job->files_skipped == 24 && job->bytes_copied == 25);
        ck_assert(job->bytes_flushed == 26 && job->bytes_verified == 27 && job->bytes_per_s == 28);
        ck_assert(job->has_seconds_left && job->seconds_left == 0 && job->verify && job->runs == 31);
        ck_assert(job->error && job->error->code == FSOP_ENOSPC && job->error->retryable && job->error->os_error == 28);
        ck_assert(job->event == 33);
        fsop__v1__server_message__free_unpacked(read, NULL);
        sample_free(body);
}
END_TEST

/* ---- refusals ---------------------------------------------------------------------------------------------------- */

START_TEST(wrong_results_are_refused) {
        static const struct {
                const char *what, *bytes;
                size_t len;
        } rows[] = {
                {"an unknown message", "\x52\x00", 2},
                {"Results without an id", "\x12\x02\x18\x01", 4},
                {"a result that is a number", "\x12\x04\x08\x07\x10\x01", 6},
                {"a result of nothing", "\x12\x04\x08\x07\x12\x00", 6},
                {"a result of an unknown operation", "\x12\x06\x08\x07\x12\x02\x10\x40", 8},
                {"cp without its job", "\x12\x06\x08\x07\x12\x02\x10\x2e", 8},
                {"cp with a count", "\x12\x08\x08\x07\x12\x04\x10\x2e\x58\x01", 10},
                {"jobs that are a number", "\x12\x09\x08\x07\x12\x05\x10\x2e\xa0\x01\x01", 11},
                {"a job that is a number", "\x12\x0b\x08\x07\x12\x07\x10\x2e\xa2\x01\x02\x08\x01", 13},
                {"stat without its answer", "\x12\x06\x08\x07\x12\x02\x10\x0a", 8},
                {"stat with a count", "\x12\x08\x08\x07\x12\x04\x10\x0a\x58\x01", 10},
                {"mkdir with a count", "\x12\x08\x08\x07\x12\x04\x10\x15\x58\x01", 10},
                {"a value beside an error", "\x12\x0c\x08\x07\x12\x08\x10\x36\x2a\x02\x08\x65\x58\x01", 14},
                {"a count that is bytes", "\x12\x08\x08\x07\x12\x04\x10\x36\x5a\x00", 10},
                {"a descriptor that did not come", "\x12\x08\x08\x07\x12\x04\x10\x33\x78\x03", 10},
                {"a uid of 33 bits", "\x12\x0e\x08\x07\x12\x0a\x10\x0a\x42\x06\x20\x80\x80\x80\x80\x10", 16},
                {"a stat of bytes", "\x12\x0a\x08\x07\x12\x06\x10\x0a\x42\x02\x0a\x00", 12},
                {"an entry without a name", "\x12\x0a\x08\x07\x12\x06\x10\x19\x6a\x02\x0a\x00", 12},
                {"an entry with a NUL", "\x12\x0d\x08\x07\x12\x09\x10\x19\x6a\x05\x0a\x03\x0a\x01\x00", 15},
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                uint8_t *copy = malloc(rows[i].len);
                memcpy(copy, rows[i].bytes, rows[i].len);
                int r = decode_reply((struct bytes){.data = copy, .len = rows[i].len}, SAMPLE_FDS);
                ck_assert_msg(r == -FSOP_EPROTO, "%s: %d", rows[i].what, r);
                ck_assert(decoded.error.code == FSOP_EPROTO && decoded.error.message.len > 0 &&
                          decoded.message.kind == MESSAGE_NONE);
                free(copy);
        }
}
END_TEST

START_TEST(digests_have_their_length) {
        static uint8_t digest[WIRE_DIGEST_BYTES + 1];
        Fsop__V1__JobDigest leaf = FSOP__V1__JOB_DIGEST__INIT, *list[] = {&leaf};
        Fsop__V1__Jobs answer = FSOP__V1__JOBS__INIT;
        answer.n_digests = 1;
        answer.digests = list;
        for (size_t len = 0; len <= sizeof(digest); len++) {
                leaf.has_digest = len > 0;
                leaf.digest = (ProtobufCBinaryData){.data = digest, .len = len};
                int r = decode_jobs(FSOP__V1__VERB__VERB_JOB_SHOW, &answer);
                ck_assert_msg(r == (len == WIRE_DIGEST_BYTES ? 0 : -FSOP_EPROTO), "%zu bytes: %d", len, r);
        }
}
END_TEST

START_TEST(too_many_jobs_are_refused) {
        static Fsop__V1__JobInfo job = FSOP__V1__JOB_INFO__INIT;
        static Fsop__V1__JobEvent event = FSOP__V1__JOB_EVENT__INIT;
        static Fsop__V1__JobInfo *jobs[WIRE_JOB_ENTRIES_MAX + 1];
        static Fsop__V1__JobEvent *events[WIRE_JOB_ENTRIES_MAX + 1];
        for (size_t i = 0; i <= WIRE_JOB_ENTRIES_MAX; i++) {
                jobs[i] = &job;
                events[i] = &event;
        }
        Fsop__V1__Jobs answer = FSOP__V1__JOBS__INIT;
        answer.jobs = jobs;
        answer.events = events;
        answer.n_jobs = answer.n_events = WIRE_JOB_ENTRIES_MAX;
        ck_assert_int_eq(decode_jobs(FSOP__V1__VERB__VERB_JOB_LIST, &answer), 0);
        answer.n_jobs++;
        ck_assert_int_eq(decode_jobs(FSOP__V1__VERB__VERB_JOB_LIST, &answer), -FSOP_EPROTO);
        answer.n_jobs--;
        answer.n_events++;
        ck_assert_int_eq(decode_jobs(FSOP__V1__VERB__VERB_JOB_LIST, &answer), -FSOP_EPROTO);
        answer.n_events = 0;
        ck_assert_int_eq(decode_jobs(FSOP__V1__VERB__VERB_STAT, &answer), -FSOP_EPROTO);
}
END_TEST

START_TEST(too_many_results_are_refused) {
        static struct result results[WIRE_BATCH_OPS_MAX + 1];
        for (size_t i = 0; i <= WIRE_BATCH_OPS_MAX; i++)
                results[i].verb = FSOP_VERB_FSYNC;
        struct message sent = {.kind = MESSAGE_RESULTS,
                               .body.results = {.id = 1, .results = results, .n_results = WIRE_BATCH_OPS_MAX}};
        struct bytes body = sample_encode(&sent);
        ck_assert_int_eq(decode_reply(body, 0), 0);
        sample_free(body);
        sent.body.results.n_results++;
        body = sample_encode(&sent);
        ck_assert_int_eq(decode_reply(body, 0), -FSOP_EPROTO);
        sample_free(body);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("codec_reply");
        TCase *tcase = tcase_create("replies");
        tcase_add_checked_fixture(tcase, decoded_setup, decoded_teardown);
        tcase_add_test(tcase, every_result_comes_back);
        tcase_add_test(tcase, results_of_a_batch_come_back);
        tcase_add_test(tcase, welcome_and_failure_come_back);
        tcase_add_test(tcase, bytes_are_those_of_the_schema);
        tcase_add_test(tcase, stat_fields_have_the_schemas_numbers);
        tcase_add_test(tcase, no_result_is_longer_than_promised);
        tcase_add_test(tcase, no_job_is_longer_than_promised);
        tcase_add_test(tcase, newer_daemons_are_understood);
        tcase_add_test(tcase, jobs_of_newer_daemons_are_understood);
        tcase_add_test(tcase, job_fields_have_the_schemas_names);
        tcase_add_test(tcase, wrong_results_are_refused);
        tcase_add_test(tcase, digests_have_their_length);
        tcase_add_test(tcase, too_many_jobs_are_refused);
        tcase_add_test(tcase, too_many_results_are_refused);
        suite_add_tcase(suite, tcase);
        return suite_run(suite);
}
