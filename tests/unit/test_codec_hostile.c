/* SPDX-License-Identifier: MIT */
/*
 * test_codec_hostile.c: what nobody sends in good faith. Every valid message cut at every length, thousands of damaged
 * ones, and too little memory: an error that says something, or a message in which every promise of codec.h holds.
 * Bodies lie in memory of exactly their size, so that AddressSanitizer sees a byte read too far.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/codec.h"
#include "proto/names.h"
#include "tests/support/codec_samples.h"
#include "tests/support/suite.h"

#define LONG_BYTES 6000u  /* messages beyond this are cut and damaged at fewer places */
#define DAMAGES_EACH 400u /* of every sample */
#define ARENA_BYTES (4u << 20)

static struct arena arena;

static void setup(void) {
        arena_init(&arena, ARENA_BYTES);
}

static void teardown(void) {
        arena_fini(&arena);
}

/* xorshift: the same sequence everywhere. */
static uint64_t random_state;
static uint32_t random_below(uint32_t limit) {
        random_state ^= random_state << 13;
        random_state ^= random_state >> 7;
        random_state ^= random_state << 17;
        return (uint32_t)(random_state >> 16) % limit;
}

/* ---- what must hold of everything that is let through ------------------------------------------------------------ */

static void check_path(struct bytes path) {
        ck_assert(path.data && path.len <= WIRE_PATH_BYTES_MAX && path.data[path.len] == 0);
        ck_assert(path.len == 0 || !memchr(path.data, 0, path.len));
}

static void check_location(const struct location *location) {
        if (location->kind == LOCATION_NONE)
                return;
        check_path(location->path);
        if (location->kind == LOCATION_PATH)
                ck_assert(location->path.data[0] == '/');
        else
                ck_assert(location->path.data[0] != '/');
        ck_assert(location->kind != LOCATION_FD || location->fd_index < SAMPLE_FDS);
}

static void check_create(struct create_args create) {
        ck_assert(!create.create || (create.mode <= 07777 && create.umask <= 0777));
}

static void check_cp(const struct operation *op) {
        const struct cp_args *cp = &op->args.cp;
        ck_assert(op->at.kind == LOCATION_PATH && op->to.kind == LOCATION_PATH);
        ck_assert(cp->key.data && cp->key.len <= WIRE_JOB_KEY_BYTES_MAX && cp->key.data[cp->key.len] == 0);
        ck_assert(cp->preserve <= FSOP_PRESERVE_ALL && cp->umask <= 0777 && cp->bytes_per_s <= INT64_MAX);
        ck_assert(cp->priority >= -WIRE_JOB_PRIORITY_MAX && cp->priority <= WIRE_JOB_PRIORITY_MAX);
        ck_assert(clone_name(cp->clone) && sync_name(cp->sync) && update_name(cp->update));
        ck_assert(cp->n_excludes <= WIRE_JOB_EXCLUDES_MAX && cp->n_names <= WIRE_JOB_NAMES_MAX);
        for (uint32_t i = 0; i < cp->n_excludes; i++) {
                check_path(cp->excludes[i]);
                ck_assert(cp->excludes[i].len > 0);
        }
        for (uint32_t i = 0; i < cp->n_names; i++) {
                check_path(cp->names[i]);
                ck_assert(cp->names[i].len > 0 && cp->names[i].data[0] != '/');
        }
}

static void check_job(const struct job_info *job) {
        ck_assert(job_state_name(job->state) && as_name(job->as));
        ck_assert(job->user.data[job->user.len] == 0 && job->source.data[job->source.len] == 0);
        ck_assert(job->target.data[job->target.len] == 0);
        ck_assert(job->error.code == 0 || error_name((int)job->error.code));
}

static void check_failure(const struct job_failure *failure) {
        ck_assert(error_name((int)failure->error.code) && failure->path.data[failure->path.len] == 0);
}

static void check_jobs(const struct job_answer *answer) {
        ck_assert(answer->n_jobs <= WIRE_JOB_ENTRIES_MAX && answer->n_failures <= WIRE_JOB_ENTRIES_MAX);
        ck_assert(answer->n_digests <= WIRE_JOB_ENTRIES_MAX && answer->n_events <= WIRE_JOB_ENTRIES_MAX);
        for (uint32_t i = 0; i < answer->n_jobs; i++)
                check_job(&answer->jobs[i]);
        for (uint32_t i = 0; i < answer->n_failures; i++)
                check_failure(&answer->failures[i]);
        for (uint32_t i = 0; i < answer->n_digests; i++)
                ck_assert(answer->digests[i].path.data[answer->digests[i].path.len] == 0);
        for (uint32_t i = 0; i < answer->n_events; i++) {
                ck_assert_int_le(answer->events[i].kind, FSOP_JOB_EVENT_FAILURE);
                if (answer->events[i].job.source.data)
                        check_job(&answer->events[i].job);
                if (answer->events[i].failure.path.data)
                        check_failure(&answer->events[i].failure);
        }
}

static void check_result(const struct result *result) {
        ck_assert(verb_name(result->verb));
        bool jobs = result->verb == FSOP_VERB_CP ||
                    (result->verb >= FSOP_VERB_JOB_LIST && result->verb <= FSOP_VERB_JOB_FORGET);
        if (jobs && result->error.code == 0)
                check_jobs(&result->value.job);
}

static void check_operation(const struct operation *op) {
        ck_assert(verb_name(op->verb) && (unsigned)op->as <= FSOP_AS_ELEVATED);
        check_location(&op->at);
        check_location(&op->to);
        switch (op->verb) {
        case FSOP_VERB_CHOWN:
                ck_assert(op->args.chown.uid != WIRE_NOBODY && op->args.chown.gid != WIRE_NOBODY);
                ck_assert(op->args.chown.from_uid != WIRE_NOBODY && op->args.chown.from_gid != WIRE_NOBODY);
                break;
        case FSOP_VERB_CHMOD:
                ck_assert((op->args.chmod.set | op->args.chmod.clear | op->args.chmod.set_x) <= 07777);
                break;
        case FSOP_VERB_UTIMENS:
                ck_assert(op->args.utimens.atime.nsec < 1000000000 && op->args.utimens.mtime.nsec < 1000000000);
                check_create(op->args.utimens.create);
                break;
        case FSOP_VERB_MKNOD:
                ck_assert(op->args.mknod.create.create);
                check_create(op->args.mknod.create);
                break;
        case FSOP_VERB_SYMLINK:
                check_path(op->args.symlink);
                break;
        case FSOP_VERB_GETXATTR:
        case FSOP_VERB_SETXATTR:
        case FSOP_VERB_REMOVEXATTR:
                check_path(op->args.xattr.name);
                ck_assert(op->args.xattr.name.len >= 1 && op->args.xattr.name.len <= WIRE_NAME_BYTES_MAX);
                ck_assert(op->args.xattr.value.len <= WIRE_XATTR_BYTES_MAX);
                break;
        case FSOP_VERB_FALLOCATE:
                ck_assert(op->args.fallocate.length >= 1);
                ck_assert(op->args.fallocate.length <= INT64_MAX - op->args.fallocate.offset);
                break;
        case FSOP_VERB_TRUNCATE:
                ck_assert(op->args.truncate.size <= INT64_MAX);
                break;
        case FSOP_VERB_LS:
                ck_assert(op->args.ls.entries_max >= 1 && op->args.ls.entries_max <= WIRE_LS_ENTRIES_MAX);
                break;
        case FSOP_VERB_READ:
                ck_assert(op->args.read.length <= WIRE_IO_BYTES_MAX);
                break;
        case FSOP_VERB_CP:
                check_cp(op);
                break;
        case FSOP_VERB_JOB_LIST:
                ck_assert(op->args.job.id == 0 && op->args.job.entries_max <= WIRE_JOB_ENTRIES_MAX);
                break;
        case FSOP_VERB_JOB_SHOW:
        case FSOP_VERB_JOB_WATCH:
                ck_assert(op->args.job.id != 0 && op->args.job.entries_max >= 1);
                ck_assert(op->args.job.entries_max <= WIRE_JOB_ENTRIES_MAX && op->args.job.want <= JOB_WANT_DIGESTS);
                break;
        case FSOP_VERB_EXPLAIN:
                ck_assert(op->args.explain.op && op->args.explain.op->verb != FSOP_VERB_EXPLAIN);
                check_path(op->args.explain.user);
                check_operation(op->args.explain.op);
                break;
        default:
                break;
        }
}

/* Returns whether BODY was let through. */
static bool try_request(struct bytes body) {
        struct codec_limits limits = {.batch_ops_max = 64, .fds = SAMPLE_FDS};
        struct message message;
        struct error error;
        arena_reset(&arena);
        int r = codec_decode_request(&arena, body, &limits, &message, &error);
        ck_assert(arena.used_bytes <= ARENA_BYTES);
        if (r < 0) {
                ck_assert_int_eq(error.code, -r);
                ck_assert(error.message.data && error.message.len > 0 && message.kind == MESSAGE_NONE);
                return false;
        }
        ck_assert(r == 0 && message.kind >= MESSAGE_HELLO && message.kind <= MESSAGE_CANCEL);
        if (message.kind == MESSAGE_BATCH) {
                ck_assert(message.body.batch.id != 0);
                ck_assert(message.body.batch.n_ops >= 1 && message.body.batch.n_ops <= 64);
                for (uint32_t i = 0; i < message.body.batch.n_ops; i++)
                        check_operation(&message.body.batch.ops[i]);
        }
        return true;
}

static bool try_reply(struct bytes body) {
        struct message message;
        struct error error;
        arena_reset(&arena);
        int r = codec_decode_reply(&arena, body, SAMPLE_FDS, &message, &error);
        if (r < 0) {
                ck_assert_int_eq(error.code, -r);
                ck_assert(error.message.data && error.message.len > 0 && message.kind == MESSAGE_NONE);
                return false;
        }
        ck_assert(r == 0 && message.kind >= MESSAGE_WELCOME && message.kind <= MESSAGE_FAILURE);
        if (message.kind == MESSAGE_RESULTS)
                for (uint32_t i = 0; i < message.body.results.n_results; i++)
                        check_result(&message.body.results.results[i]);
        return true;
}

/* ---- the samples, one after the other ---------------------------------------------------------------------------- */

static struct bytes request_sample(uint32_t i) {
        uint32_t n;
        const struct operation *ops = sample_operations(&n);
        if (i < n)
                return sample_encode_operation(&ops[i]);
        struct message message = {.kind = MESSAGE_HELLO, .body.hello = sample_hello()};
        if (i == n)
                return sample_encode(&message);
        message = (struct message){.kind = MESSAGE_CANCEL, .body.cancel_id = 1u << 20};
        return i == n + 1 ? sample_encode(&message) : (struct bytes){0};
}

static struct bytes reply_sample(uint32_t i) {
        uint32_t n;
        const struct result *results = sample_results(&n);
        if (i < n)
                return sample_encode_result(&results[i]);
        struct message message = {.kind = MESSAGE_WELCOME, .body.welcome = sample_welcome()};
        if (i == n)
                return sample_encode(&message);
        message = (struct message){.kind = MESSAGE_FAILURE, .body.failure = sample_error()};
        return i == n + 1 ? sample_encode(&message) : (struct bytes){0};
}

static const struct side {
        const char *name;
        struct bytes (*sample)(uint32_t i);
        bool (*try)(struct bytes body);
} sides[] = {{"request", request_sample, try_request}, {"reply", reply_sample, try_reply}};

/* ---- cut short --------------------------------------------------------------------------------------------------- */

/* A cut always hurts: the envelope's length no longer fits. */
static void cut_everywhere(const struct side *side, uint32_t i, struct bytes body) {
        size_t step = body.len > LONG_BYTES ? body.len / 997 : 1;
        for (size_t len = 0; len < body.len; len += step) {
                uint8_t *copy = malloc(len ? len : 1);
                memcpy(copy, body.data, len);
                ck_assert_msg(!side->try((struct bytes){copy, len}), "%s %u cut to %zu of %zu bytes is let through",
                              side->name, i, len, body.len);
                free(copy);
        }
}

START_TEST(messages_cut_short_are_refused) {
        const struct side *side = &sides[_i];
        struct bytes body;
        for (uint32_t i = 0; (body = side->sample(i)).data; i++) {
                ck_assert_msg(side->try(body), "%s %u whole is refused", side->name, i);
                cut_everywhere(side, i, body);
                sample_free(body);
        }
}
END_TEST

/* The envelope mended, so that the cut shows further in: the outermost length, then that of Batch's last member. */
START_TEST(batches_cut_inside_are_survived) {
        struct bytes body;
        for (uint32_t i = 0; (body = request_sample(i)).data; i++) {
                for (size_t len = 3; len < body.len && len < 130; len++) {
                        if (body.data[1] >= 0x80) /* a length of one byte only */
                                break;
                        uint8_t *copy = malloc(len);
                        memcpy(copy, body.data, len);
                        copy[1] = (uint8_t)(len - 2);
                        try_request((struct bytes){copy, len});
                        if (len > 6 && copy[4] == (4 << 3 | 2)) {
                                copy[5] = (uint8_t)(len - 6);
                                try_request((struct bytes){copy, len});
                        }
                        free(copy);
                }
                sample_free(body);
        }
}
END_TEST

/* ---- damaged ----------------------------------------------------------------------------------------------------- */

static void damage(uint8_t *data, size_t len) {
        /* mostly near the front, where structure is; far behind are only paths and data */
        size_t at = random_below(4) ? random_below(len < 64 ? (uint32_t)len : 64) : random_below((uint32_t)len);
        switch (random_below(4)) {
        case 0:
                data[at] ^= (uint8_t)(1u << random_below(8));
                break;
        case 1:
                data[at] = (uint8_t)random_below(256);
                break;
        case 2:
                data[at] = (uint8_t)(random_below(2) ? 0xff : 0);
                break;
        default:
                data[at] = (uint8_t)(data[at] + (random_below(2) ? 1 : -1));
                break;
        }
}

START_TEST(damaged_messages_are_survived) {
        const struct side *side = &sides[_i];
        struct bytes body;
        unsigned passed = 0, refused = 0;
        random_state = 0x9e3779b97f4a7c15u;
        for (uint32_t i = 0; (body = side->sample(i)).data; i++) {
                unsigned rounds = body.len > LONG_BYTES ? DAMAGES_EACH / 8 : DAMAGES_EACH;
                for (unsigned round = 0; round < rounds; round++) {
                        uint8_t *copy = malloc(body.len);
                        memcpy(copy, body.data, body.len);
                        for (uint32_t n = 1 + random_below(3); n > 0; n--)
                                damage(copy, body.len);
                        if (side->try((struct bytes){copy, body.len}))
                                passed++;
                        else
                                refused++;
                        free(copy);
                }
                sample_free(body);
        }
        ck_assert(passed > 100 && refused > 1000); /* it did both */
}
END_TEST

/* Pieces of one message inside another: tags and lengths that make sense, in places where they do not. */
START_TEST(mixed_messages_are_survived) {
        const struct side *side = &sides[_i];
        struct bytes body, other;
        random_state = 0x2545f4914f6cdd1du;
        for (uint32_t i = 0; (body = side->sample(i)).data; i++) {
                for (uint32_t j = 0; body.len <= LONG_BYTES && (other = side->sample(j)).data; j++) {
                        size_t shorter = body.len < other.len ? body.len : other.len;
                        for (unsigned round = 0; round < 8 && shorter > 4; round++) {
                                uint8_t *copy = malloc(body.len);
                                size_t at = 2 + random_below((uint32_t)shorter - 2);
                                size_t len = 1 + random_below((uint32_t)(shorter - at < 24 ? shorter - at : 24));
                                memcpy(copy, body.data, body.len);
                                memcpy(copy + at, other.data + at, at + len <= shorter ? len : shorter - at);
                                side->try((struct bytes){copy, body.len});
                                free(copy);
                        }
                        sample_free(other);
                }
                sample_free(body);
        }
}
END_TEST

/* ---- too little memory ------------------------------------------------------------------------------------------- */

START_TEST(too_little_memory_is_an_error) {
        const struct side *side = &sides[_i];
        struct bytes body;
        for (uint32_t i = 0; (body = side->sample(i)).data; i++) {
                bool passed = false;
                unsigned failed = 0;
                for (size_t cap = 0; !passed; cap += cap < 4096 ? 64 : cap / 8) {
                        struct arena small;
                        struct message message;
                        struct error error;
                        struct codec_limits limits = {.batch_ops_max = 64, .fds = SAMPLE_FDS};
                        arena_init(&small, cap);
                        int r = side->try == try_request
                                        ? codec_decode_request(&small, body, &limits, &message, &error)
                                        : codec_decode_reply(&small, body, SAMPLE_FDS, &message, &error);
                        ck_assert_msg(r == 0 || r == -FSOP_ENOMEM, "%s %u with %zu bytes: %d", side->name, i, cap, r);
                        ck_assert(r == 0 || (error.code == FSOP_ENOMEM && error.message.len > 0));
                        ck_assert(small.used_bytes <= cap);
                        passed = r == 0;
                        failed += !passed;
                        arena_fini(&small);
                }
                ck_assert(failed > 0 || body.len < 24);
                sample_free(body);
        }
}
END_TEST

/* Thousands of tiny messages in one frame: memory stays within the cap, whatever they unfold to. */
START_TEST(floods_stay_within_the_cap) {
        enum { FLOOD_BYTES = 1 << 20 };
        /* Results 1 { id; results 2 {} ... }, Welcome { support {} ... }, Batch { id, operations {} ... } */
        static const struct {
                uint8_t envelope, repeated;
                unsigned side;
        } floods[] = {{0x12, 0x12, 1}, {0x0a, 0x52, 1}, {0x12, 0x22, 0}};
        uint8_t *body = malloc(FLOOD_BYTES);
        for (size_t f = 0; f < sizeof(floods) / sizeof(floods[0]); f++) {
                size_t len = 6;
                const size_t inner = FLOOD_BYTES - 4 - 2;
                body[0] = floods[f].envelope;
                body[1] = (uint8_t)(inner | 0x80), body[2] = (uint8_t)(inner >> 7 | 0x80),
                body[3] = (uint8_t)(inner >> 14);
                body[4] = 0x08, body[5] = 1;
                for (; len + 2 <= inner + 4; len += 2)
                        body[len] = floods[f].repeated, body[len + 1] = 0;
                ck_assert(!sides[floods[f].side].try((struct bytes){body, len}));
                ck_assert(arena.used_bytes <= ARENA_BYTES);
        }
        free(body);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("codec_hostile");
        TCase *tcase = tcase_create("hostile");
        tcase_add_checked_fixture(tcase, setup, teardown);
        tcase_add_loop_test(tcase, messages_cut_short_are_refused, 0, 2);
        tcase_add_test(tcase, batches_cut_inside_are_survived);
        tcase_add_loop_test(tcase, damaged_messages_are_survived, 0, 2);
        tcase_add_loop_test(tcase, mixed_messages_are_survived, 0, 2);
        tcase_add_loop_test(tcase, too_little_memory_is_an_error, 0, 2);
        tcase_add_test(tcase, floods_stay_within_the_cap);
        suite_add_tcase(suite, tcase);
        return suite_run(suite);
}
