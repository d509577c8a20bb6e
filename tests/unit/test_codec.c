/* SPDX-License-Identifier: MIT */
/*
 * test_codec.c: requests: what goes round comes back, and the bytes are those that protobuf-c itself would make of the
 * schema.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "fsop.pb-c.h"
#include "proto/frame.h"
#include "proto/names.h"
#include "tests/support/codec_kit.h"
#include "tests/support/codec_samples.h"
#include "tests/support/suite.h"

/* ---- round trips ------------------------------------------------------------------------------------------------- */

START_TEST(every_operation_comes_back) {
        uint32_t n;
        const struct operation *ops = sample_operations(&n);
        bool seen[FSOP_VERB_LIMIT] = {false};
        for (uint32_t i = 0; i < n; i++) {
                struct bytes body = sample_encode_operation(&ops[i]);
                int r = decode_request(body, SAMPLE_FDS);
                ck_assert_msg(r == 0, "sample %u (%s): %s", i, verb_name(ops[i].verb),
                              (const char *)decoded.error.message.data);
                ck_assert_uint_eq(decoded.message.body.batch.id, 7);
                ck_assert_uint_eq(decoded.message.body.batch.n_ops, 1);
                ck_assert_msg(operation_equal(&ops[i], &decoded.message.body.batch.ops[0]), "sample %u (%s) differs", i,
                              verb_name(ops[i].verb));
                seen[ops[i].verb] = true;
                sample_free(body);
        }
        for (unsigned verb = 0; verb < FSOP_VERB_LIMIT; verb++)
                ck_assert_msg(seen[verb] || !verb_name((enum fsop_verb)verb), "no sample of %s",
                              verb_name((enum fsop_verb)verb));
}
END_TEST

START_TEST(a_batch_of_everything_comes_back) {
        uint32_t n;
        const struct operation *ops = sample_operations(&n);
        struct message sent = {.kind = MESSAGE_BATCH,
                               .body.batch = {.id = UINT64_MAX,
                                              .mode = FSOP_BATCH_ORDERED_STOP,
                                              .deadline_ms = UINT64_MAX,
                                              .ops = (struct operation *)(uintptr_t)ops,
                                              .n_ops = n}};
        struct bytes body = sample_encode(&sent);
        ck_assert_int_eq(decode_request(body, SAMPLE_FDS), 0);
        sample_free(body); /* what came out must not point into it */
        ck_assert_int_eq(decoded.message.kind, MESSAGE_BATCH);
        ck_assert(decoded.message.body.batch.id == UINT64_MAX && decoded.message.body.batch.deadline_ms == UINT64_MAX);
        ck_assert_int_eq(decoded.message.body.batch.mode, FSOP_BATCH_ORDERED_STOP);
        ck_assert_uint_eq(decoded.message.body.batch.n_ops, n);
        for (uint32_t i = 0; i < n; i++)
                ck_assert(operation_equal(&ops[i], &decoded.message.body.batch.ops[i]));
}
END_TEST

START_TEST(hello_and_cancel_come_back) {
        struct message sent = {.kind = MESSAGE_HELLO, .body.hello = sample_hello()};
        struct bytes body = sample_encode(&sent);
        ck_assert_int_eq(decode_request(body, 0), 0);
        sample_free(body);
        const struct hello *a = &sent.body.hello, *b = &decoded.message.body.hello;
        ck_assert_int_eq(decoded.message.kind, MESSAGE_HELLO);
        ck_assert(a->version_min == b->version_min && a->version_max == b->version_max && a->features == b->features);
        ck_assert(a->frame_bytes_max == b->frame_bytes_max && a->batch_ops_max == b->batch_ops_max);
        ck_assert(a->batches_max == b->batches_max && a->want_support == b->want_support);
        ck_assert(bytes_equal(a->client, b->client));

        sent = (struct message){.kind = MESSAGE_CANCEL, .body.cancel_id = UINT64_MAX};
        body = sample_encode(&sent);
        ck_assert_int_eq(decode_request(body, 0), 0);
        ck_assert(decoded.message.kind == MESSAGE_CANCEL && decoded.message.body.cancel_id == UINT64_MAX);
        sample_free(body);
}
END_TEST

START_TEST(paths_and_names_end_in_nul) {
        uint32_t n;
        const struct operation *ops = sample_operations(&n);
        for (uint32_t i = 0; i < n; i++) {
                struct bytes body = sample_encode_operation(&ops[i]);
                ck_assert_int_eq(decode_request(body, SAMPLE_FDS), 0);
                const struct operation *op = &decoded.message.body.batch.ops[0];
                const struct bytes *ends[] = {&op->at.path, &op->to.path, &op->args.xattr.name, &op->args.symlink};
                unsigned checked = op->at.kind == LOCATION_NONE ? 0 : op->to.kind == LOCATION_NONE ? 1 : 2;
                for (unsigned e = 0; e < checked; e++)
                        ck_assert_int_eq(ends[e]->data[ends[e]->len], 0);
                if (op->verb == FSOP_VERB_GETXATTR || op->verb == FSOP_VERB_SETXATTR ||
                    op->verb == FSOP_VERB_REMOVEXATTR)
                        ck_assert_int_eq(op->args.xattr.name.data[op->args.xattr.name.len], 0);
                if (op->verb == FSOP_VERB_SYMLINK)
                        ck_assert_int_eq(op->args.symlink.data[op->args.symlink.len], 0);
                if (op->verb == FSOP_VERB_CP) {
                        const struct cp_args *cp = &op->args.cp;
                        ck_assert_int_eq(cp->key.data[cp->key.len], 0);
                        for (uint32_t k = 0; k < cp->n_excludes; k++)
                                ck_assert_int_eq(cp->excludes[k].data[cp->excludes[k].len], 0);
                        for (uint32_t k = 0; k < cp->n_names; k++)
                                ck_assert_int_eq(cp->names[k].data[cp->names[k].len], 0);
                }
                sample_free(body);
        }
}
END_TEST

START_TEST(defaults_are_filled_in) {
        const struct operation ls = {.verb = FSOP_VERB_LS, .at = PATH("/l"), .args.ls = {.entries_max = UINT32_MAX}};
        const struct operation get = {
                .verb = FSOP_VERB_GETXATTR, .at = PATH("/l"), .args.xattr = {.name = {(const uint8_t *)"user.a", 6}}};
        struct bytes body = sample_encode_operation(&ls);
        ck_assert_int_eq(decode_request(body, 0), 0);
        ck_assert_uint_eq(decoded.message.body.batch.ops[0].args.ls.entries_max, WIRE_LS_ENTRIES_MAX);
        sample_free(body);
        body = sample_encode_operation(&get);
        ck_assert_int_eq(decode_request(body, 0), 0);
        ck_assert_uint_eq(decoded.message.body.batch.ops[0].args.xattr.size_max, WIRE_XATTR_BYTES_MAX);
        sample_free(body);
        const struct operation jobs[] = {{.verb = FSOP_VERB_JOB_LIST},
                                         {.verb = FSOP_VERB_JOB_SHOW, .args.job = {.id = 1, .entries_max = UINT32_MAX}},
                                         {.verb = FSOP_VERB_JOB_WATCH, .args.job = {.id = 1, .entries_max = 257}}};
        for (unsigned i = 0; i < 3; i++) {
                body = sample_encode_operation(&jobs[i]);
                ck_assert_int_eq(decode_request(body, 0), 0);
                ck_assert_uint_eq(decoded.message.body.batch.ops[0].args.job.entries_max, WIRE_JOB_ENTRIES_MAX);
                sample_free(body);
        }
}
END_TEST

/* ---- against protobuf-c itself ----------------------------------------------------------------------------------- */

/* protobuf-c reads BODY by the schema and writes it again: the same bytes. */
static void check_against_protobuf(struct bytes body, const char *what) {
        Fsop__V1__ClientMessage *read = fsop__v1__client_message__unpack(NULL, body.len, body.data);
        ck_assert_msg(read, "protobuf-c does not understand %s", what);
        size_t size = fsop__v1__client_message__get_packed_size(read);
        ck_assert_msg(size == body.len, "%s: %zu bytes, protobuf-c makes %zu", what, body.len, size);
        uint8_t *again = malloc(size);
        fsop__v1__client_message__pack(read, again);
        ck_assert_msg(memcmp(again, body.data, size) == 0, "%s: other bytes than protobuf-c's", what);
        free(again);
        fsop__v1__client_message__free_unpacked(read, NULL);
}

START_TEST(bytes_are_those_of_the_schema) {
        uint32_t n;
        const struct operation *ops = sample_operations(&n);
        for (uint32_t i = 0; i < n; i++) {
                struct bytes body = sample_encode_operation(&ops[i]);
                check_against_protobuf(body, verb_name(ops[i].verb));
                sample_free(body);
        }
        struct message sent = {.kind = MESSAGE_HELLO, .body.hello = sample_hello()};
        struct bytes body = sample_encode(&sent);
        check_against_protobuf(body, "Hello");
        sample_free(body);
}
END_TEST

/* "copy-range" is copy_range there. */
static bool same_name(const char *field, const char *name) {
        size_t i = 0;
        for (; name[i]; i++)
                if (field[i] != (name[i] == '-' ? '_' : name[i]))
                        return false;
        return field[i] == 0;
}

START_TEST(schema_numbers_operations_by_the_rule) {
        const ProtobufCMessageDescriptor *descriptor = &fsop__v1__operation__descriptor;
        unsigned verbs = 0, members = 0;
        for (unsigned verb = 0; verb < FSOP_VERB_LIMIT; verb++) {
                const char *name = verb_name((enum fsop_verb)verb);
                const ProtobufCFieldDescriptor *field = protobuf_c_message_descriptor_get_field(descriptor, 100 + verb);
                ck_assert_msg(!name == !field, "field %u", 100 + verb);
                ck_assert(!name || same_name(field->name, name));
                ck_assert(!name || protobuf_c_enum_descriptor_get_value(&fsop__v1__verb__descriptor, (int)verb));
                verbs += name != NULL;
        }
        for (unsigned i = 0; i < descriptor->n_fields; i++)
                members += (descriptor->fields[i].flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0;
        ck_assert_uint_eq(verbs, members);
        ck_assert_uint_eq(fsop__v1__verb__descriptor.n_values, verbs + 1);
}
END_TEST

START_TEST(schema_numbers_enumerations_as_the_headers) {
        const struct {
                const ProtobufCEnumDescriptor *descriptor;
                const char *name;
                int value;
        } rows[] = {
                {&fsop__v1__as__descriptor, "AS_ELEVATED", FSOP_AS_ELEVATED},
                {&fsop__v1__as__descriptor, "AS_CALLER", FSOP_AS_CALLER},
                {&fsop__v1__batch_mode__descriptor, "BATCH_ORDERED", FSOP_BATCH_ORDERED},
                {&fsop__v1__batch_mode__descriptor, "BATCH_ORDERED_STOP", FSOP_BATCH_ORDERED_STOP},
                {&fsop__v1__outcome__descriptor, "OUTCOME_NOT_STARTED", FSOP_OUTCOME_NOT_STARTED},
                {&fsop__v1__outcome__descriptor, "OUTCOME_DONE", FSOP_OUTCOME_DONE},
                {&fsop__v1__outcome__descriptor, "OUTCOME_UNKNOWN", FSOP_OUTCOME_UNKNOWN},
                {&fsop__v1__file_type__descriptor, "TYPE_CHAR", FSOP_TYPE_CHAR},
                {&fsop__v1__file_type__descriptor, "TYPE_BLOCK", FSOP_TYPE_BLOCK},
                {&fsop__v1__file_type__descriptor, "TYPE_FIFO", FSOP_TYPE_FIFO},
                {&fsop__v1__file_type__descriptor, "TYPE_SOCKET", FSOP_TYPE_SOCKET},
                {&fsop__v1__file_type__descriptor, "TYPE_SYMLINK", FSOP_TYPE_SYMLINK},
                {&fsop__v1__follow__descriptor, "FOLLOW_ARGUMENT", FSOP_FOLLOW_ARGUMENT},
                {&fsop__v1__follow__descriptor, "FOLLOW_ALWAYS", FSOP_FOLLOW_ALWAYS},
                {&fsop__v1__time_change__descriptor, "TIME_NOW", TIME_NOW},
                {&fsop__v1__time_change__descriptor, "TIME_SET", TIME_SET},
                {&fsop__v1__fallocate_mode__descriptor, "FALLOCATE_PUNCH_HOLE", FSOP_FALLOCATE_PUNCH_HOLE},
                {&fsop__v1__fallocate_mode__descriptor, "FALLOCATE_ZERO_RANGE", FSOP_FALLOCATE_ZERO_RANGE},
                {&fsop__v1__fallocate_mode__descriptor, "FALLOCATE_COLLAPSE_RANGE", FSOP_FALLOCATE_COLLAPSE_RANGE},
                {&fsop__v1__fallocate_mode__descriptor, "FALLOCATE_INSERT_RANGE", FSOP_FALLOCATE_INSERT_RANGE},
                {&fsop__v1__fallocate_mode__descriptor, "FALLOCATE_UNSHARE_RANGE", FSOP_FALLOCATE_UNSHARE_RANGE},
                {&fsop__v1__advice__descriptor, "ADVICE_SEQUENTIAL", FSOP_ADVICE_SEQUENTIAL},
                {&fsop__v1__advice__descriptor, "ADVICE_RANDOM", FSOP_ADVICE_RANDOM},
                {&fsop__v1__advice__descriptor, "ADVICE_WILLNEED", FSOP_ADVICE_WILLNEED},
                {&fsop__v1__advice__descriptor, "ADVICE_DONTNEED", FSOP_ADVICE_DONTNEED},
                {&fsop__v1__advice__descriptor, "ADVICE_NOREUSE", FSOP_ADVICE_NOREUSE},
                {&fsop__v1__clone__descriptor, "CLONE_ALWAYS", FSOP_CLONE_ALWAYS},
                {&fsop__v1__clone__descriptor, "CLONE_NEVER", FSOP_CLONE_NEVER},
                {&fsop__v1__sync__descriptor, "SYNC_NONE", FSOP_SYNC_NONE},
                {&fsop__v1__sync__descriptor, "SYNC_FILE", FSOP_SYNC_FILE},
                {&fsop__v1__update__descriptor, "UPDATE_NONE", FSOP_UPDATE_NONE},
                {&fsop__v1__update__descriptor, "UPDATE_NONE_FAIL", FSOP_UPDATE_NONE_FAIL},
                {&fsop__v1__update__descriptor, "UPDATE_OLDER", FSOP_UPDATE_OLDER},
                {&fsop__v1__job_state__descriptor, "JOB_QUEUED", FSOP_JOB_QUEUED},
                {&fsop__v1__job_state__descriptor, "JOB_RUNNING", FSOP_JOB_RUNNING},
                {&fsop__v1__job_state__descriptor, "JOB_PAUSED", FSOP_JOB_PAUSED},
                {&fsop__v1__job_state__descriptor, "JOB_WAITING", FSOP_JOB_WAITING},
                {&fsop__v1__job_state__descriptor, "JOB_VERIFYING", FSOP_JOB_VERIFYING},
                {&fsop__v1__job_state__descriptor, "JOB_DONE", FSOP_JOB_DONE},
                {&fsop__v1__job_state__descriptor, "JOB_FAILED", FSOP_JOB_FAILED},
                {&fsop__v1__job_state__descriptor, "JOB_CANCELLED", FSOP_JOB_CANCELLED},
                {&fsop__v1__job_want__descriptor, "JOB_WANT_FAILURES", JOB_WANT_FAILURES},
                {&fsop__v1__job_want__descriptor, "JOB_WANT_DIGESTS", JOB_WANT_DIGESTS},
                {&fsop__v1__job_event_kind__descriptor, "JOB_EVENT_STATE", FSOP_JOB_EVENT_STATE},
                {&fsop__v1__job_event_kind__descriptor, "JOB_EVENT_PROGRESS", FSOP_JOB_EVENT_PROGRESS},
                {&fsop__v1__job_event_kind__descriptor, "JOB_EVENT_FAILURE", FSOP_JOB_EVENT_FAILURE},
                {&fsop__v1__support_level__descriptor, "SUPPORT_EMULATED", FSOP_SUPPORT_EMULATED},
                {&fsop__v1__support_level__descriptor, "SUPPORT_NATIVE", FSOP_SUPPORT_NATIVE},
                {&fsop__v1__support_level__descriptor, "SUPPORT_UNKNOWN", FSOP_SUPPORT_UNKNOWN},
                {&fsop__v1__error_class__descriptor, "CLASS_DENIED", FSOP_CLASS_DENIED},
                {&fsop__v1__error_class__descriptor, "CLASS_CANCELLED", FSOP_CLASS_CANCELLED},
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                const ProtobufCEnumValue *value =
                        protobuf_c_enum_descriptor_get_value_by_name(rows[i].descriptor, rows[i].name);
                ck_assert_msg(value && value->value == rows[i].value, "%s", rows[i].name);
        }
}
END_TEST

/* ---- encoding ---------------------------------------------------------------------------------------------------- */

START_TEST(frames_follow_each_other_in_a_buffer) {
        struct arena scratch;
        struct buffer buffer = {0};
        arena_init(&scratch, 1u << 20);
        for (uint64_t i = 1; i <= 3000; i++) {
                struct message sent = {.kind = MESSAGE_CANCEL, .body.cancel_id = i};
                ck_assert_int_eq(codec_encode(&scratch, &sent, (uint16_t)(i % 60), 100, &buffer), 0);
                if (i % 7 == 0) /* half-read streams move inside their buffer */
                        buffer_consume(&buffer, 0, 0);
        }
        for (uint64_t i = 1; i <= 3000; i++) {
                struct frame_header header;
                const uint8_t *at = buffer.data + buffer.start;
                ck_assert_int_eq(frame_read_header(at, buffer_len(&buffer), 100, &header), 1);
                ck_assert_uint_eq(header.n_fds, i % 60);
                ck_assert_int_eq(decode_request((struct bytes){at + FRAME_HEADER_BYTES, header.body_bytes}, 0), 0);
                ck_assert(decoded.message.body.cancel_id == i);
                buffer_consume(&buffer, FRAME_HEADER_BYTES + header.body_bytes, 0);
        }
        ck_assert_uint_eq(buffer_len(&buffer), 0);
        buffer_fini(&buffer);
        arena_fini(&scratch);
}
END_TEST

/* The frames that PROTOCOL.md shows. */
START_TEST(the_protocols_example_holds) {
        static const char hello[] = "\x06\0\0\0\0\0\0\0\x0a\x04\x08\x01\x10\x01";
        static const char batch[] = "\x16\0\0\0\0\0\0\0\x12\x14\x08\x07\x22\x10\x12\x0b\x1a\x09/etc/none\xf2\x06\x00";
        static const char results[] =
                "\x14\0\0\0\0\0\0\0\x12\x12\x08\x07\x12\x0c\x10\x0a\x18\x01\x2a\x06\x08\x66\x10\x04"
                "\x20\x04\x18\x01";
        struct operation op = {.verb = FSOP_VERB_STAT, .at = PATH("/etc/none")};
        struct result result = {.verb = FSOP_VERB_STAT,
                                .outcome = FSOP_OUTCOME_DONE,
                                .error = {.code = FSOP_ENOENT, .class_ = FSOP_CLASS_OS, .os_error = 2}};
        struct {
                struct message message;
                const char *bytes;
                size_t len;
        } rows[] = {
                {{.kind = MESSAGE_HELLO, .body.hello = {.version_min = 1, .version_max = 1}}, hello, sizeof(hello) - 1},
                {{.kind = MESSAGE_BATCH, .body.batch = {.id = 7, .ops = &op, .n_ops = 1}}, batch, sizeof(batch) - 1},
                {{.kind = MESSAGE_RESULTS, .body.results = {.id = 7, .results = &result, .n_results = 1, .last = true}},
                 results,
                 sizeof(results) - 1},
        };
        struct arena scratch;
        arena_init(&scratch, 1u << 20);
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct buffer buffer = {0};
                ck_assert_int_eq(codec_encode(&scratch, &rows[i].message, 0, 4096, &buffer), 0);
                ck_assert_uint_eq(buffer_len(&buffer), rows[i].len);
                ck_assert_mem_eq(buffer.data + buffer.start, rows[i].bytes, rows[i].len);
                buffer_fini(&buffer);
        }
        arena_fini(&scratch);
}
END_TEST

START_TEST(what_is_too_long_leaves_the_buffer_alone) {
        struct arena scratch;
        struct buffer buffer = {0};
        struct operation op = {.verb = FSOP_VERB_STAT, AT};
        struct message sent = {.kind = MESSAGE_BATCH, .body.batch = {.id = 1, .ops = &op, .n_ops = 1}};
        arena_init(&scratch, 1u << 20);
        ck_assert_int_eq(buffer_append(&buffer, "before", 6), 0);
        ck_assert_int_eq(codec_encode(&scratch, &sent, 0, 12, &buffer), -FSOP_EMSGSIZE);
        ck_assert_uint_eq(buffer_len(&buffer), 6);
        ck_assert_int_eq(memcmp(buffer.data + buffer.start, "before", 6), 0);
        struct bytes body = sample_encode_operation(&op);
        size_t body_bytes = body.len;
        sample_free(body);
        ck_assert_int_eq(codec_encode(&scratch, &sent, 0, (uint32_t)body_bytes - 1, &buffer), -FSOP_EMSGSIZE);
        ck_assert_int_eq(codec_encode(&scratch, &sent, 0, (uint32_t)body_bytes, &buffer), 0);
        ck_assert_uint_eq(buffer_len(&buffer), 6 + FRAME_HEADER_BYTES + body_bytes);
        buffer_fini(&buffer);
        arena_fini(&scratch);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("codec");
        TCase *tcase = tcase_create("requests");

        tcase_add_checked_fixture(tcase, decoded_setup, decoded_teardown);
        tcase_add_test(tcase, every_operation_comes_back);
        tcase_add_test(tcase, a_batch_of_everything_comes_back);
        tcase_add_test(tcase, hello_and_cancel_come_back);
        tcase_add_test(tcase, paths_and_names_end_in_nul);
        tcase_add_test(tcase, defaults_are_filled_in);
        tcase_add_test(tcase, bytes_are_those_of_the_schema);
        tcase_add_test(tcase, schema_numbers_operations_by_the_rule);
        tcase_add_test(tcase, schema_numbers_enumerations_as_the_headers);
        tcase_add_test(tcase, frames_follow_each_other_in_a_buffer);
        tcase_add_test(tcase, the_protocols_example_holds);
        tcase_add_test(tcase, what_is_too_long_leaves_the_buffer_alone);
        suite_add_tcase(suite, tcase);
        return suite_run(suite);
}
