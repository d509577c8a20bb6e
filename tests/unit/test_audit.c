/* SPDX-License-Identifier: MIT */
/*
 * test_audit.c: every line is one JSON object whatever the names are, nothing is written before a flush, and what could
 * not be written is known. With AUDIT_BENCH=1 in the environment it also says what a line costs, here and with jansson.
 */
#include <check.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "daemon/audit.h"
#include "proto/names.h"
#include "tests/support/fake_sys.h"
#include "tests/support/suite.h"

static struct audit *audit;
static const char *why;
static const struct peer peer = {.uid = 65534, .gid = 65534, .pid = 4711};

static struct bytes text(const char *word) {
        return (struct bytes){(const uint8_t *)word, strlen(word)};
}

static void setup(void) {
        fake_reset();
        ck_assert_int_eq(audit_open("file:/var/log/audit", &audit, &why), 0);
}

static void teardown(void) {
        audit = audit_free(audit);
        ck_assert_uint_eq(fake_appends_open, 0);
}

static struct audit_record a_record(enum audit_event event, const struct operation *op, const char *path) {
        return (struct audit_record){.event = event,
                                     .peer = &peer,
                                     .session_id = 1,
                                     .batch_id = 2,
                                     .index = 3,
                                     .op = op,
                                     .at_path = text(path),
                                     .as = FSOP_AS_ELEVATED,
                                     .rule = "build-tree"};
}

/* Records, flushes, and gives back the one line, which must be JSON. */
static json_t *line_of(const struct audit_record *record) {
        json_error_t error;
        json_t *object;

        fake_written_len = 0;
        audit_record(audit, record);
        ck_assert_int_eq(audit_flush(audit), 0);
        ck_assert_ptr_eq(memchr(fake_written, '\n', fake_written_len), fake_written + fake_written_len - 1);
        for (size_t i = 0; i + 1 < fake_written_len; i++)
                ck_assert((unsigned char)fake_written[i] >= ' ' && fake_written[i] != 127);
        object = json_loadb(fake_written, fake_written_len, JSON_REJECT_DUPLICATES, &error);
        if (!object)
                ck_abort_msg("%s: %s", error.text, fake_written);
        return object;
}

static void has_text(json_t *object, const char *key, const char *value) {
        const char *found = json_string_value(json_object_get(object, key));

        if (!found || strcmp(found, value) != 0)
                ck_abort_msg("\"%s\" is %s, not %s: %s", key, found ? found : "missing", value, fake_written);
}

static void has_number(json_t *object, const char *key, json_int_t value) {
        ck_assert(json_is_integer(json_object_get(object, key)));
        ck_assert_int_eq(json_integer_value(json_object_get(object, key)), value);
}

static void lacks(json_t *object, const char *key) {
        ck_assert_msg(!json_object_get(object, key), "\"%s\" should not be there: %s", key, fake_written);
}

START_TEST(whole_line) {
        struct operation op = {
                .verb = FSOP_VERB_CHOWN,
                .args.chown = {.has_uid = true, .has_gid = true, .uid = 1000, .gid = 33, .walk.recursive = true}};
        struct audit_record record = a_record(AUDIT_INTENT, &op, "/srv/build/x");

        fake_realtime = (struct fsop_time){1709210096, 7};
        json_decref(line_of(&record));
        ck_assert_str_eq(
                fake_written,
                "{\"time\":\"2024-02-29T12:34:56.000000007Z\",\"event\":\"intent\",\"id\":\"1:2:3\",\"uid\":65534,"
                "\"gid\":65534,"
                "\"pid\":4711,\"op\":\"chown\",\"path\":\"/srv/build/x\",\"as\":\"elevated\",\"rule\":\"build-tree\","
                "\"owner\":\"1000:33\",\"recursive\":true}\n");
}
END_TEST

START_TEST(outcome) {
        struct operation op = {.verb = FSOP_VERB_RENAME, .args.rename.exchange = true};
        struct audit_record record = a_record(AUDIT_OUTCOME, &op, "/a");
        json_t *object;

        record.to_path = text("/b");
        record.user = "nobody";
        record.code = -FSOP_ENOENT;
        record.os_error = 2;
        record.outcome = FSOP_OUTCOME_DONE;
        record.message = "gone \"away\"";
        object = line_of(&record);
        has_text(object, "event", "outcome");
        has_text(object, "to", "/b");
        has_text(object, "user", "nobody");
        has_text(object, "outcome", "done");
        has_text(object, "error", "ENOENT");
        has_number(object, "os_error", 2);
        has_text(object, "message", "gone \"away\"");
        ck_assert(json_is_true(json_object_get(object, "exchange")));
        lacks(object, "no_replace");
        json_decref(object);
        record.code = -1; /* no name of ours */
        object = line_of(&record);
        has_text(object, "error", "EUNKNOWN");
        json_decref(object);
}
END_TEST

START_TEST(every_event) {
        static const struct {
                enum audit_event event;
                const char *name;
        } events[] = {{AUDIT_START, "start"},
                      {AUDIT_STOP, "stop"},
                      {AUDIT_RELOAD, "reload"},
                      {AUDIT_REFUSED, "refused"},
                      {AUDIT_DENIED, "denied"},
                      {AUDIT_OUTCOME, "outcome"},
                      {AUDIT_WOULD_ALLOW, "would-allow"}};

        for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++) {
                struct audit_record record = {.event = events[i].event, .message = "why"};
                json_t *object = line_of(&record);

                has_text(object, "event", events[i].name);
                lacks(object, "id");
                lacks(object, "uid");
                lacks(object, "op");
                lacks(object, "as");
                json_decref(object);
        }
}
END_TEST

START_TEST(session_alone_is_an_id) {
        struct audit_record record = {.event = AUDIT_REFUSED, .peer = &peer, .session_id = 9};
        json_t *object = line_of(&record);

        has_text(object, "id", "9");
        json_decref(object);
}
END_TEST

static const struct {
        const char *path, *escaped;
} names[] = {
        {"/plain", "\"path\":\"/plain\""},
        {"/a\nb\tc", "\"path\":\"/a\\nb\\tc\""},
        {"/quote\"back\\slash", "\"path\":\"/quote\\\"back\\\\slash\""},
        {"/\x1b[31mred\x7f\x01", "\"path\":\"/\\u001b[31mred\\u007f\\u0001\""},
        {"/\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", "\"path\":\"/\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\""},
        {"/next\xc2\x85line", "\"path\":\"/next\\u0085line\""},
        {"/\xff", "\"path_b64\":\"L/8=\""},
        {"/a\xff", "\"path_b64\":\"L2H/\""},
        {"/ab\xff", "\"path_b64\":\"L2Fi/w==\""},
        {"/\xed\xa0\x80", "\"path_b64\":\"L+2ggA==\""},
        {"/\xc0\xaf", "\"path_b64\":\"L8Cv\""},
        {"/\xff\n", "\"path_b64\":\"L/8K\""},
};

START_TEST(odd_names) {
        struct operation op = {.verb = FSOP_VERB_STAT};
        struct audit_record record = a_record(AUDIT_INTENT, &op, names[_i].path);

        json_decref(line_of(&record));
        ck_assert_msg(strstr(fake_written, names[_i].escaped) != NULL, "%s in %s", names[_i].escaped, fake_written);
}
END_TEST

START_TEST(every_byte_survives) {
        uint8_t name[256];
        struct operation op = {.verb = FSOP_VERB_STAT};
        struct audit_record record = a_record(AUDIT_INTENT, &op, "");
        json_t *object;

        for (unsigned i = 0; i < 127; i++)
                name[i] = (uint8_t)(i + 1);
        record.at_path = (struct bytes){name, 127};
        object = line_of(&record);
        ck_assert_uint_eq(json_string_length(json_object_get(object, "path")), 127);
        ck_assert_mem_eq(json_string_value(json_object_get(object, "path")), name, 127);
        json_decref(object);
}
END_TEST

START_TEST(longest_line) {
        static uint8_t bytes[20000];
        struct operation op = {.verb = FSOP_VERB_SYMLINK, .args.symlink = {bytes, sizeof(bytes)}};
        struct audit_record record = a_record(AUDIT_DENIED, &op, "");
        static char words[5000];
        json_t *object;

        memset(bytes, 1, sizeof(bytes)); /* six characters each */
        memset(words, 2, sizeof(words) - 1);
        record.at_path = record.to_path = (struct bytes){bytes, sizeof(bytes)};
        record.rule = record.user = record.message = words;
        record.code = -FSOP_EPERM;
        for (unsigned i = 0; i < 4; i++)
                audit_record(audit, &record); /* more than the buffer takes at once */
        ck_assert_uint_ge(fake_writes, 2);
        ck_assert_int_eq(audit_flush(audit), 0);
        object = line_of(&record);
        ck_assert(json_is_true(json_object_get(object, "path_cut")));
        ck_assert_uint_eq(json_string_length(json_object_get(object, "path")), 8192);
        json_decref(object);
}
END_TEST

static const struct {
        struct operation op;
        const char *args;
} arguments[] = {
        {{.verb = FSOP_VERB_CHOWN, .args.chown = {.has_uid = true, .uid = 5}}, "\"owner\":\"5:\"}"},
        {{.verb = FSOP_VERB_CHOWN, .args.chown = {.has_gid = true, .gid = 5, .has_from_uid = true, .from_uid = 7}},
         "\"owner\":\":5\",\"from_owner\":\"7:\"}"},
        {{.verb = FSOP_VERB_CHMOD, .args.chmod = {.set = 04755, .clear = 07777}}, "\"mode\":\"04755\"}"},
        {{.verb = FSOP_VERB_CHMOD, .args.chmod = {.set = 0020, .clear = 0002, .walk.recursive = true}},
         "\"set\":\"00020\",\"clear\":\"00002\",\"recursive\":true}"},
        {{.verb = FSOP_VERB_CHMOD, .args.chmod = {.set_x = 0111, .clear_x = 0001}},
         "\"set\":\"00000\",\"clear\":\"00000\",\"set_x\":\"00111\",\"clear_x\":\"00001\"}"},
        {{.verb = FSOP_VERB_MKNOD,
          .args.mknod = {.type = FSOP_TYPE_CHAR, .major = 300, .minor = 300000, .create.mode = 0666}},
         "\"device\":\"300:300000\",\"mode\":\"00666\"}"},
        {{.verb = FSOP_VERB_MKDIR, .args.mkdir.mode = 0755}, "\"mode\":\"00755\"}"},
        {{.verb = FSOP_VERB_UTIMENS,
          .args.utimens = {.atime_change = TIME_NOW,
                           .mtime_change = TIME_SET,
                           .mtime = {-2, 500000000},
                           .create = {true, 0644, 022}}},
         "\"atime\":\"now\",\"mtime\":{\"tv_sec\":-2,\"tv_nsec\":500000000},\"mode\":\"00644\"}"},
        {{.verb = FSOP_VERB_UTIMENS, .args.utimens = {.mtime_change = TIME_NOW}},
         "\"as\":\"elevated\",\"rule\":\"build-tree\",\"mtime\":\"now\"}"},
        {{.verb = FSOP_VERB_UNLINK, .args.unlink.recursive = true}, "\"recursive\":true}"},
        {{.verb = FSOP_VERB_SYMLINK, .args.symlink = {(const uint8_t *)"../x", 4}}, "\"text\":\"../x\"}"},
        {{.verb = FSOP_VERB_SETXATTR, .args.xattr = {.name = {(const uint8_t *)"user.a", 6}, .value = {NULL, 12}}},
         "\"xattr\":\"user.a\",\"size\":12}"},
        {{.verb = FSOP_VERB_REMOVEXATTR, .args.xattr = {.name = {(const uint8_t *)"user.\xff", 6}}},
         "\"xattr_b64\":\"dXNlci7/\"}"},
        {{.verb = FSOP_VERB_FALLOCATE,
          .args.fallocate = {.mode = FSOP_FALLOCATE_PUNCH_HOLE, .offset = 1, .length = 1ull << 40}},
         "\"kind\":\"punch-hole\",\"offset\":1,\"length\":1099511627776}"},
        {{.verb = FSOP_VERB_FALLOCATE, .args.fallocate = {.keep_size = true, .length = 9}},
         "\"kind\":\"allocate\",\"offset\":0,\"length\":9,\"keep_size\":true}"},
        {{.verb = FSOP_VERB_TRUNCATE, .args.truncate.size = 77}, "\"size\":77}"},
        {{.verb = FSOP_VERB_FADVISE, .args.fadvise.advice = FSOP_ADVICE_WILLNEED},
         "\"advice\":\"willneed\",\"offset\":0,\"length\":0}"},
        {{.verb = FSOP_VERB_COPY_RANGE,
          .args.copy_range = {.src_offset = 1, .dst_offset = 2, .has_length = true, .length = 3}},
         "\"offset\":1,\"to_offset\":2,\"length\":3}"},
        {{.verb = FSOP_VERB_OPEN, .args.open = {.read = true, .write = true, .truncate = true}},
         "\"access\":\"read-write\",\"truncate\":true}"},
        {{.verb = FSOP_VERB_OPEN_FD, .args.open = {.append = true}}, "\"access\":\"write\",\"append\":true}"},
        {{.verb = FSOP_VERB_OPEN, .args.open = {.read = true}}, "\"access\":\"read\"}"},
        {{.verb = FSOP_VERB_OPEN}, "\"access\":\"none\"}"},
        {{.verb = FSOP_VERB_READ, .args.read = {.offset = 4, .length = 5}}, "\"offset\":4,\"length\":5}"},
        {{.verb = FSOP_VERB_WRITE, .args.write = {.offset = 4, .data = {NULL, 6}}}, "\"offset\":4,\"length\":6}"},
        {{.verb = FSOP_VERB_FSYNC}, "\"rule\":\"build-tree\"}"},
};

START_TEST(operation_arguments) {
        struct audit_record record = a_record(AUDIT_INTENT, &arguments[_i].op, "/x");

        json_decref(line_of(&record));
        ck_assert_msg(strstr(fake_written, arguments[_i].args) != NULL, "%s in %s", arguments[_i].args, fake_written);
}
END_TEST

START_TEST(times) {
        static const struct {
                int64_t sec;
                const char *text;
        } seconds[] = {{0, "1970-01-01T00:00:00."},          {951782400, "2000-02-29T00:00:00."},
                       {1709251199, "2024-02-29T23:59:59."}, {1709251200, "2024-03-01T00:00:00."},
                       {4102444799, "2099-12-31T23:59:59."}, {-1, "1969-12-31T23:59:59."},
                       {951868800, "2000-03-01T00:00:00."}};

        for (size_t i = 0; i < sizeof(seconds) / sizeof(seconds[0]); i++) {
                struct audit_record record = {.event = AUDIT_START};

                fake_realtime.sec = seconds[i].sec;
                json_decref(line_of(&record));
                ck_assert_msg(strstr(fake_written, seconds[i].text) != NULL, "%s in %s", seconds[i].text, fake_written);
        }
}
END_TEST

START_TEST(one_write_a_flush) {
        struct audit_record record = {.event = AUDIT_START};

        for (unsigned i = 0; i < 100; i++)
                audit_record(audit, &record);
        ck_assert_uint_eq(fake_writes, 0);
        ck_assert_int_eq(audit_flush(audit), 0);
        ck_assert_uint_eq(fake_writes, 1);
        ck_assert_int_eq(audit_flush(audit), 0);
        ck_assert_uint_eq(fake_writes, 1);
}
END_TEST

START_TEST(outcomes_alone_may_wait) {
        struct audit_record record = {.event = AUDIT_OUTCOME};

        ck_assert_int_eq(audit_owed(audit), AUDIT_OWES_NOTHING);
        audit_record(audit, &record);
        audit_record(audit, &record);
        ck_assert_int_eq(audit_owed(audit), AUDIT_OWES_OUTCOMES);
        record.event = AUDIT_DENIED;
        audit_record(audit, &record);
        record.event = AUDIT_OUTCOME;
        audit_record(audit, &record);
        ck_assert_int_eq(audit_owed(audit), AUDIT_OWES_MORE);
        ck_assert_int_eq(audit_flush(audit), 0);
        ck_assert_int_eq(audit_owed(audit), AUDIT_OWES_NOTHING);
        audit_record(audit, &record);
        ck_assert_int_eq(audit_owed(audit), AUDIT_OWES_OUTCOMES);
        ck_assert_int_eq(audit_flush(audit), 0);
}
END_TEST

START_TEST(failing_write) {
        struct audit_record record = {.event = AUDIT_START};

        fake_write_code = -FSOP_ENOSPC;
        audit_record(audit, &record);
        audit_record(audit, &record);
        ck_assert_int_eq(audit_flush(audit), -FSOP_ENOSPC);
        ck_assert_int_eq(audit_flush(audit), 0); /* said once; there is nothing more to lose */
        fake_write_code = 0;
        ck_assert_uint_eq(fake_written_len, 0);
        record.event = AUDIT_STOP;
        audit_record(audit, &record);
        ck_assert_int_eq(audit_flush(audit), 0);
        ck_assert_str_eq(fake_written, "\n{\"time\":\"2023-11-14T22:13:20Z\",\"event\":\"lost\",\"records\":2}\n"
                                       "{\"time\":\"2023-11-14T22:13:20.000000005Z\",\"event\":\"stop\"}\n");
        audit_record(audit, &record);
        fake_written_len = 0;
        ck_assert_int_eq(audit_flush(audit), 0);
        ck_assert_ptr_null(strstr(fake_written, "lost"));
}
END_TEST

/* A buffer that had to be written in the middle of a step: the flush at the step's end tells of it. */
START_TEST(failing_write_in_the_middle) {
        struct audit_record record = {.event = AUDIT_START};
        unsigned n = 0;

        fake_write_code = -FSOP_EIO;
        while (fake_writes == 0 && n++ < 100000)
                audit_record(audit, &record);
        ck_assert_uint_eq(fake_writes, 1);
        fake_write_code = 0;
        ck_assert_int_eq(audit_flush(audit), -FSOP_EIO);
        ck_assert_int_eq(audit_flush(audit), 0);
}
END_TEST

START_TEST(reopen) {
        struct audit_record record = {.event = AUDIT_START};

        audit_record(audit, &record);
        ck_assert_int_eq(audit_reopen(audit), 0);
        ck_assert_uint_eq(fake_appends, 2);
        ck_assert_uint_eq(fake_appends_open, 1);
        ck_assert_uint_eq(fake_writes, 1);
        fake_append_code = -FSOP_EACCES;
        ck_assert_int_eq(audit_reopen(audit), -FSOP_EACCES);
        ck_assert_uint_eq(fake_appends_open, 1);
        audit_record(audit, &record);
        ck_assert_int_eq(audit_flush(audit), 0);
        audit_record(audit, &record); /* written when it is freed */
}
END_TEST

START_TEST(places) {
        struct audit *other;

        fake_append_code = -FSOP_EROFS;
        ck_assert_int_eq(audit_open("file:/x", &other, &why), -FSOP_EROFS);
        ck_assert_ptr_null(other);
        ck_assert_ptr_nonnull(why);
        ck_assert_int_eq(audit_open("syslog", &other, &why), -FSOP_EINVAL);
        ck_assert_int_eq(audit_open("journal", &other, &why), -FSOP_EINVAL);
        ck_assert_ptr_nonnull(strstr(why, "StandardError=journal"));
        fake_journal = true;
        ck_assert_int_eq(audit_open("journal", &other, &why), 0);
        other = audit_free(other);
        fake_journal = false;
        ck_assert_int_eq(audit_open("stderr", &other, &why), 0);
        ck_assert_int_eq(audit_reopen(other), 0);
        audit_free(other);
}
END_TEST

START_TEST(standard_error) {
        FILE *file = tmpfile(), *old = stderr;
        struct audit_record record = {.event = AUDIT_START};
        struct audit *other;
        char line[256] = "";

        ck_assert_ptr_nonnull(file);
        fake_journal = true;
        ck_assert_int_eq(audit_open("stderr", &other, &why), 0);
        audit_record(other, &record);
        stderr = file;
        ck_assert_int_eq(audit_flush(other), 0);
        stderr = old;
        rewind(file);
        ck_assert_ptr_nonnull(fgets(line, sizeof(line), file));
        ck_assert_str_eq(line, "<5>{\"time\":\"2023-11-14T22:13:20.000000005Z\",\"event\":\"start\"}\n");
        fclose(file);
        file = fopen("/dev/full", "w");
        if (file) {
                stderr = file;
                audit_record(other, &record);
                ck_assert_int_eq(audit_flush(other), -FSOP_EIO);
                stderr = old;
                fclose(file);
        }
        audit_free(other);
}
END_TEST

/* ---- not a test: what a line costs -------------------------------------------------------------- */

static double seconds_now(void) {
        struct timespec now;

        clock_gettime(CLOCK_MONOTONIC, &now);
        return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void with_jansson(const struct audit_record *record) {
        json_t *object = json_pack("{s:s,s:s,s:s,s:i,s:i,s:i,s:s,s:s%,s:s,s:s,s:s,s:s}", "time",
                                   "2023-11-14T22:13:20.000000005Z", "event", "intent", "id", "1:2:3", "uid",
                                   (int)record->peer->uid, "gid", (int)record->peer->gid, "pid", (int)record->peer->pid,
                                   "op", "chown", "path", (const char *)record->at_path.data, record->at_path.len, "as",
                                   "elevated", "rule", record->rule, "owner", "1000:33", "outcome", "done");
        char *line = json_dumps(object, JSON_COMPACT);

        free(line);
        json_decref(object);
}

static void bench(void) {
        enum { ROUNDS = 200, RECORDS = 1000 };
        struct operation op = {.verb = FSOP_VERB_CHOWN,
                               .args.chown = {.has_uid = true, .has_gid = true, .uid = 1000, .gid = 33}};
        struct audit_record record = a_record(AUDIT_OUTCOME, &op, "/srv/build/project/objects/some-file-0001.o");
        double start, ours, theirs;

        audit_open("file:/x", &audit, &why);
        start = seconds_now();
        for (unsigned i = 0; i < ROUNDS; i++) {
                for (unsigned j = 0; j < RECORDS; j++)
                        audit_record(audit, &record);
                audit_flush(audit);
                fake_written_len = 0;
        }
        ours = seconds_now() - start;
        start = seconds_now();
        for (unsigned i = 0; i < ROUNDS * RECORDS; i++)
                with_jansson(&record);
        theirs = seconds_now() - start;
        printf("one line: %.3f us; with jansson: %.3f us\n", ours * 1e6 / (ROUNDS * RECORDS),
               theirs * 1e6 / (ROUNDS * RECORDS));
        audit = audit_free(audit);
}

int main(void) {
        Suite *suite = suite_create("audit");
        TCase *tcase = tcase_create("audit");

        if (getenv("AUDIT_BENCH"))
                bench();
        tcase_add_checked_fixture(tcase, setup, teardown);
        tcase_add_test(tcase, whole_line);
        tcase_add_test(tcase, outcome);
        tcase_add_test(tcase, every_event);
        tcase_add_test(tcase, session_alone_is_an_id);
        tcase_add_loop_test(tcase, odd_names, 0, (int)(sizeof(names) / sizeof(names[0])));
        tcase_add_test(tcase, every_byte_survives);
        tcase_add_test(tcase, longest_line);
        tcase_add_loop_test(tcase, operation_arguments, 0, (int)(sizeof(arguments) / sizeof(arguments[0])));
        tcase_add_test(tcase, times);
        tcase_add_test(tcase, one_write_a_flush);
        tcase_add_test(tcase, outcomes_alone_may_wait);
        tcase_add_test(tcase, failing_write);
        tcase_add_test(tcase, failing_write_in_the_middle);
        tcase_add_test(tcase, reopen);
        tcase_add_test(tcase, places);
        tcase_add_test(tcase, standard_error);
        suite_add_tcase(suite, tcase);
        return suite_run(suite);
}
