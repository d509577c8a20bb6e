/* SPDX-License-Identifier: MIT */
/*
 * test_codec_refusals.c: requests that are refused: every value that can never be right, and every byte, with a
 * sentence that says where.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/frame.h"
#include "proto/names.h"
#include "tests/support/codec_kit.h"
#include "tests/support/codec_samples.h"
#include "tests/support/suite.h"

/* ---- refusals: values -------------------------------------------------------------------------------------------- */

static uint8_t long_path[WIRE_PATH_BYTES_MAX + 1], long_name[WIRE_NAME_BYTES_MAX + 1];
static uint8_t large[WIRE_IO_BYTES_MAX + 1];

#define CREATE(m, u)                                                                                                   \
        { .create = true, .mode = (m), .umask = (u) }

/* Empty, with a NUL, too long; then as many good ones as one wants and one more. */
static struct bytes bad_texts[3 + WIRE_JOB_NAMES_MAX + 1] = {
        {0}, {(const uint8_t *)"a\0b", 3}, {long_path, sizeof(long_path)}};

static const struct refusal {
        struct operation op;
        int code;
        const char *says;
} refusals[] = {
        /* locations */
        {{.verb = FSOP_VERB_STAT}, FSOP_EINVAL, "needs `at`"},
        {{.verb = FSOP_VERB_STAT, AT, .to = PATH("/y")}, FSOP_EINVAL, "takes no `to`"},
        {{.verb = FSOP_VERB_PING, AT}, FSOP_EINVAL, "takes no `at`"},
        {{.verb = FSOP_VERB_RENAME, AT}, FSOP_EINVAL, "needs `to`"},
        {{.verb = FSOP_VERB_LINK, AT}, FSOP_EINVAL, "needs `to`"},
        {{.verb = FSOP_VERB_COPY_RANGE, .to = PATH("/y")}, FSOP_EINVAL, "needs `at`"},
        {{.verb = FSOP_VERB_STAT, .at = PATH("")}, FSOP_EINVAL, "an empty path"},
        {{.verb = FSOP_VERB_STAT, .at = PATH("x/y")}, FSOP_EINVAL, "starts with /"},
        {{.verb = FSOP_VERB_STAT, .at = PATH("/a\0b")}, FSOP_EINVAL, "a path with a NUL"},
        {{.verb = FSOP_VERB_STAT, .at = {.kind = LOCATION_PATH, .path = {long_path, sizeof(long_path)}}},
         FSOP_ENAMETOOLONG,
         "4096 bytes"},
        {{.verb = FSOP_VERB_STAT, .at = {.kind = LOCATION_HANDLE, .handle = 1, .path = {(const uint8_t *)"/x", 2}}},
         FSOP_EINVAL,
         "cannot start with /"},
        {{.verb = FSOP_VERB_STAT, .at = {.kind = LOCATION_FD, .fd_index = SAMPLE_FDS}}, FSOP_EINVAL, "descriptor 3"},
        {{.verb = FSOP_VERB_STAT, .at = {.kind = LOCATION_FD, .fd_index = UINT32_MAX}}, FSOP_EINVAL, "descriptor"},
        {{.verb = FSOP_VERB_RMDIR, .at = {.kind = LOCATION_HANDLE, .handle = 1}}, FSOP_EINVAL, "needs a name"},
        {{.verb = FSOP_VERB_RENAME, AT, .to = {.kind = LOCATION_FD}}, FSOP_EINVAL, "`to` needs a name"},
        {{.verb = FSOP_VERB_CLOSE, AT}, FSOP_EINVAL, "takes an open handle"},
        {{.verb = FSOP_VERB_CLOSE, .at = {.kind = LOCATION_FD}}, FSOP_EINVAL, "not a descriptor"},
        {{.verb = FSOP_VERB_READ, AT}, FSOP_EINVAL, "takes an open handle"},
        {{.verb = FSOP_VERB_WRITE, .at = {.kind = LOCATION_HANDLE, .path = {(const uint8_t *)"x", 1}}},
         FSOP_EINVAL,
         "takes an open handle"},
        {{.verb = FSOP_VERB_STAT, .as = (enum fsop_as)3, AT}, FSOP_EINVAL, "`as` cannot be 3"},
        /* service */
        {{.verb = FSOP_VERB_PING, .args.ping = {large, sizeof(large)}}, FSOP_EINVAL, "524288 is the most"},
        {{.verb = FSOP_VERB_EXPLAIN}, FSOP_EINVAL, "needs the operation"},
        /* metadata */
        {{.verb = FSOP_VERB_CHOWN, AT, .args.chown = {.has_uid = true, .uid = WIRE_NOBODY}},
         FSOP_EINVAL,
         "operation 0 (chown): uid 4294967295 means 'nobody' and is never an owner"},
        {{.verb = FSOP_VERB_CHOWN, AT, .args.chown = {.has_gid = true, .gid = WIRE_NOBODY}},
         FSOP_EINVAL,
         "gid 4294967295"},
        {{.verb = FSOP_VERB_CHOWN, AT, .args.chown = {.has_from_uid = true, .from_uid = WIRE_NOBODY}},
         FSOP_EINVAL,
         "from_uid 4294967295"},
        {{.verb = FSOP_VERB_CHOWN, AT, .args.chown = {.has_from_gid = true, .from_gid = WIRE_NOBODY}},
         FSOP_EINVAL,
         "from_gid 4294967295"},
        {{.verb = FSOP_VERB_CHOWN, AT, .args.chown = {.walk = {.follow = (enum fsop_follow)3}}}, FSOP_EINVAL, "follow"},
        {{.verb = FSOP_VERB_CHMOD, AT, .args.chmod = {.set = 010000}}, FSOP_EINVAL, "010000"},
        {{.verb = FSOP_VERB_CHMOD, AT, .args.chmod = {.clear = 010000}}, FSOP_EINVAL, "010000"},
        {{.verb = FSOP_VERB_CHMOD, AT, .args.chmod = {.set_x = 010000}}, FSOP_EINVAL, "010000"},
        {{.verb = FSOP_VERB_CHMOD, AT, .args.chmod = {.clear_x = 010000}}, FSOP_EINVAL, "010000"},
        {{.verb = FSOP_VERB_CHMOD, AT, .args.chmod = {.dir_keep = UINT32_MAX}}, FSOP_EINVAL, "mode"},
        {{.verb = FSOP_VERB_UTIMENS, AT, .args.utimens = {.atime_change = TIME_SET, .atime = {0, 1000000000}}},
         FSOP_EINVAL,
         "atime with 1000000000 nanoseconds"},
        {{.verb = FSOP_VERB_UTIMENS, AT, .args.utimens = {.mtime_change = TIME_SET, .mtime = {0, UINT32_MAX}}},
         FSOP_EINVAL,
         "mtime"},
        {{.verb = FSOP_VERB_UTIMENS, AT, .args.utimens = {.mtime_change = (enum time_change)3}},
         FSOP_EINVAL,
         "mtime cannot be 3"},
        {{.verb = FSOP_VERB_UTIMENS, AT, .args.utimens = {.create = CREATE(010000, 0)}}, FSOP_EINVAL, "mode 010000"},
        /* special, directories, links */
        {{.verb = FSOP_VERB_MKNOD, AT, .args.mknod = {.type = FSOP_TYPE_REGULAR}}, FSOP_EINVAL, "type 1"},
        {{.verb = FSOP_VERB_MKNOD, AT, .args.mknod = {.type = FSOP_TYPE_UNKNOWN}}, FSOP_EINVAL, "type 0"},
        {{.verb = FSOP_VERB_MKNOD, AT, .args.mknod = {.type = (enum fsop_file_type)9}}, FSOP_EINVAL, "type 9"},
        {{.verb = FSOP_VERB_MKNOD, AT, .args.mknod = {.type = FSOP_TYPE_FIFO, .major = 1}},
         FSOP_EINVAL,
         "only devices"},
        {{.verb = FSOP_VERB_MKNOD, AT, .args.mknod = {.type = FSOP_TYPE_CHAR, .create = CREATE(0, 01000)}},
         FSOP_EINVAL,
         "umask 01000"},
        {{.verb = FSOP_VERB_MKDIR, AT, .args.mkdir = CREATE(010000, 0)}, FSOP_EINVAL, "mode 010000"},
        {{.verb = FSOP_VERB_RENAME, AT, .to = PATH("/y"), .args.rename = {.no_replace = true, .exchange = true}},
         FSOP_EINVAL,
         "exclude each other"},
        {{.verb = FSOP_VERB_UNLINK, AT, .args.unlink = {.follow = (enum fsop_follow)7}},
         FSOP_EINVAL,
         "follow cannot be 7"},
        {{.verb = FSOP_VERB_SYMLINK, AT}, FSOP_EINVAL, "needs the link's text"},
        {{.verb = FSOP_VERB_SYMLINK, AT, .args.symlink = {(const uint8_t *)"a\0b", 3}}, FSOP_EINVAL, "NUL"},
        {{.verb = FSOP_VERB_SYMLINK, AT, .args.symlink = {long_path, sizeof(long_path)}},
         FSOP_ENAMETOOLONG,
         "4096 bytes"},
        /* xattr */
        {{.verb = FSOP_VERB_GETXATTR, AT}, FSOP_EINVAL, "needs the attribute's name"},
        {{.verb = FSOP_VERB_REMOVEXATTR, AT, .args.xattr = {.name = {long_name, sizeof(long_name)}}},
         FSOP_ERANGE,
         "256 bytes"},
        {{.verb = FSOP_VERB_REMOVEXATTR, AT, .args.xattr = {.name = {(const uint8_t *)"a\0b", 3}}}, FSOP_EINVAL, "NUL"},
        {{.verb = FSOP_VERB_SETXATTR, AT}, FSOP_EINVAL, "needs the attribute's name"},
        {{.verb = FSOP_VERB_SETXATTR,
          AT,
          .args.xattr = {.name = {long_name, 1}, .value = {large, WIRE_XATTR_BYTES_MAX + 1}}},
         FSOP_E2BIG,
         "65536 is the most"},
        {{.verb = FSOP_VERB_SETXATTR, AT, .args.xattr = {.name = {long_name, 1}, .create = true, .replace = true}},
         FSOP_EINVAL,
         "exclude each other"},
        /* space, advice, copy */
        {{.verb = FSOP_VERB_FALLOCATE, AT}, FSOP_EINVAL, "length of at least 1"},
        {{.verb = FSOP_VERB_FALLOCATE, AT, .args.fallocate = {.length = 1ull << 63}},
         FSOP_EINVAL,
         "length 9223372036854775808"},
        {{.verb = FSOP_VERB_FALLOCATE, AT, .args.fallocate = {.offset = 1ull << 63, .length = 1}},
         FSOP_EINVAL,
         "offset"},
        {{.verb = FSOP_VERB_FALLOCATE, AT, .args.fallocate = {.offset = INT64_MAX, .length = 1}},
         FSOP_EINVAL,
         "reach beyond"},
        {{.verb = FSOP_VERB_FALLOCATE, AT, .args.fallocate = {.mode = (enum fsop_fallocate_mode)6, .length = 1}},
         FSOP_EINVAL,
         "mode cannot be 6"},
        {{.verb = FSOP_VERB_TRUNCATE, AT, .args.truncate = {.size = UINT64_MAX}}, FSOP_EINVAL, "size"},
        {{.verb = FSOP_VERB_TRUNCATE, AT, .args.truncate = {.create = CREATE(0, UINT32_MAX)}}, FSOP_EINVAL, "umask"},
        {{.verb = FSOP_VERB_FADVISE, AT, .args.fadvise = {.advice = (enum fsop_advice)6}},
         FSOP_EINVAL,
         "advice cannot be 6"},
        {{.verb = FSOP_VERB_FADVISE, AT, .args.fadvise = {.offset = 2, .length = INT64_MAX}},
         FSOP_EINVAL,
         "reach beyond"},
        {{.verb = FSOP_VERB_COPY_RANGE, AT, .to = PATH("/y"), .args.copy_range = {.clone = (enum fsop_clone)3}},
         FSOP_EINVAL,
         "clone cannot be 3"},
        {{.verb = FSOP_VERB_COPY_RANGE, AT, .to = PATH("/y"), .args.copy_range = {.src_offset = 1ull << 63}},
         FSOP_EINVAL,
         "offset"},
        {{.verb = FSOP_VERB_COPY_RANGE,
          AT,
          .to = PATH("/y"),
          .args.copy_range = {.dst_offset = 2, .has_length = true, .length = INT64_MAX - 1}},
         FSOP_EINVAL,
         "reach beyond"},
        /* files */
        {{.verb = FSOP_VERB_OPEN, AT}, FSOP_EINVAL, "needs read, write or both"},
        {{.verb = FSOP_VERB_OPEN, AT, .args.open = {.read = true, .append = true}}, FSOP_EINVAL, "go with write"},
        {{.verb = FSOP_VERB_OPEN_FD, AT, .args.open = {.read = true, .truncate = true}}, FSOP_EINVAL, "go with write"},
        {{.verb = FSOP_VERB_OPEN, AT, .args.open = {.write = true, .exclusive = true}}, FSOP_EINVAL, "exclusive"},
        {{.verb = FSOP_VERB_OPEN, AT, .args.open = {.read = true, .hint = FSOP_ADVICE_WILLNEED}},
         FSOP_EINVAL,
         "hint cannot be 3"},
        {{.verb = FSOP_VERB_READ, .at = {.kind = LOCATION_HANDLE}, .args.read = {.length = WIRE_IO_BYTES_MAX + 1}},
         FSOP_EINVAL,
         "524288 is the most"},
        {{.verb = FSOP_VERB_READ, .at = {.kind = LOCATION_HANDLE}, .args.read = {.offset = INT64_MAX, .length = 1}},
         FSOP_EINVAL,
         "reach beyond"},
        {{.verb = FSOP_VERB_WRITE, .at = {.kind = LOCATION_HANDLE}, .args.write = {.data = {large, sizeof(large)}}},
         FSOP_EINVAL,
         "524288 is the most"},
        {{.verb = FSOP_VERB_WRITE,
          .at = {.kind = LOCATION_HANDLE},
          .args.write = {.offset = INT64_MAX, .data = {large, 1}}},
         FSOP_EINVAL,
         "reach beyond"},
        {{.verb = FSOP_VERB_FSYNC, AT, .args.fsync = {.data_only = true, .filesystem = true}},
         FSOP_EINVAL,
         "exclude each other"},
        /* jobs */
        {{.verb = FSOP_VERB_CP, AT}, FSOP_EINVAL, "needs `to`"},
        {{.verb = FSOP_VERB_CP, .to = PATH("/y")}, FSOP_EINVAL, "needs `at`"},
        {{.verb = FSOP_VERB_CP, .at = PATH("x"), .to = PATH("/y")}, FSOP_EINVAL, "starts with /"},
        {{.verb = FSOP_VERB_CP, .at = {.kind = LOCATION_HANDLE, .handle = 1}, .to = PATH("/y")},
         FSOP_EINVAL,
         "`at` takes an absolute path"},
        {{.verb = FSOP_VERB_CP, .at = {.kind = LOCATION_FD, .path = {(const uint8_t *)"x", 1}}, .to = PATH("/y")},
         FSOP_EINVAL,
         "`at` takes an absolute path"},
        {{.verb = FSOP_VERB_CP, AT, .to = {.kind = LOCATION_HANDLE, .handle = 1, .path = {(const uint8_t *)"x", 1}}},
         FSOP_EINVAL,
         "`to` takes an absolute path"},
        {{.verb = FSOP_VERB_CP, AT, .to = {.kind = LOCATION_FD, .path = {(const uint8_t *)"x", 1}}},
         FSOP_EINVAL,
         "`to` takes an absolute path"},
        {{.verb = FSOP_VERB_CP, AT, .to = PATH("/y"), .args.cp = {.key = {large, WIRE_JOB_KEY_BYTES_MAX + 1}}},
         FSOP_EINVAL,
         "longer than 128 bytes"},
        {{.verb = FSOP_VERB_CP, AT, .to = PATH("/y"), .args.cp = {.preserve = FSOP_PRESERVE_ALL + 1}},
         FSOP_EINVAL,
         "preserve has bits"},
        {{.verb = FSOP_VERB_CP, AT, .to = PATH("/y"), .args.cp = {.preserve = 1u << 31}},
         FSOP_EINVAL,
         "preserve has bits"},
        {{.verb = FSOP_VERB_CP, AT, .to = PATH("/y"), .args.cp = {.umask = 01000}}, FSOP_EINVAL, "the umask"},
        {{.verb = FSOP_VERB_CP, AT, .to = PATH("/y"), .args.cp = {.clone = (enum fsop_clone)3}},
         FSOP_EINVAL,
         "no such way to clone"},
        {{.verb = FSOP_VERB_CP, AT, .to = PATH("/y"), .args.cp = {.sync = (enum fsop_sync)3}},
         FSOP_EINVAL,
         "no such sync"},
        {{.verb = FSOP_VERB_CP, AT, .to = PATH("/y"), .args.cp = {.update = (enum fsop_update)4}},
         FSOP_EINVAL,
         "no such update"},
        {{.verb = FSOP_VERB_CP, AT, .to = PATH("/y"), .args.cp = {.bytes_per_s = 1ull << 63}},
         FSOP_EINVAL,
         "bytes_per_s"},
        {{.verb = FSOP_VERB_CP, AT, .to = PATH("/y"), .args.cp = {.priority = 101}}, FSOP_EINVAL, "priority"},
        {{.verb = FSOP_VERB_CP, AT, .to = PATH("/y"), .args.cp = {.priority = INT32_MIN}}, FSOP_EINVAL, "priority"},
        {{.verb = FSOP_VERB_CP, AT, .to = PATH("/y"), .args.cp = {.excludes = bad_texts, .n_excludes = 1}},
         FSOP_EINVAL,
         "a pattern to exclude"},
        {{.verb = FSOP_VERB_CP, AT, .to = PATH("/y"), .args.cp = {.excludes = bad_texts + 1, .n_excludes = 1}},
         FSOP_EINVAL,
         "a pattern to exclude"},
        {{.verb = FSOP_VERB_CP, AT, .to = PATH("/y"), .args.cp = {.excludes = bad_texts + 2, .n_excludes = 1}},
         FSOP_EINVAL,
         "a pattern to exclude"},
        {{.verb = FSOP_VERB_CP,
          AT,
          .to = PATH("/y"),
          .args.cp = {.excludes = bad_texts + 3, .n_excludes = WIRE_JOB_EXCLUDES_MAX + 1}},
         FSOP_EINVAL,
         "257 patterns to exclude: 256 is the most"},
        {{.verb = FSOP_VERB_CP, AT, .to = PATH("/y"), .args.cp = {.names = bad_texts, .n_names = 1}},
         FSOP_EINVAL,
         "a name is"},
        {{.verb = FSOP_VERB_CP, AT, .to = PATH("/y"), .args.cp = {.names = bad_texts + 1, .n_names = 1}},
         FSOP_EINVAL,
         "a name is"},
        {{.verb = FSOP_VERB_CP, AT, .to = PATH("/y"), .args.cp = {.names = bad_texts + 2, .n_names = 1}},
         FSOP_EINVAL,
         "a name is"},
        {{.verb = FSOP_VERB_CP,
          AT,
          .to = PATH("/y"),
          .args.cp = {.names = bad_texts + 3, .n_names = WIRE_JOB_NAMES_MAX + 1}},
         FSOP_EINVAL,
         "1025 names in one operation: 1024 is the most"},
        {{.verb = FSOP_VERB_JOB_SHOW}, FSOP_EINVAL, "needs the id of a job"},
        {{.verb = FSOP_VERB_JOB_WATCH}, FSOP_EINVAL, "needs the id of a job"},
        {{.verb = FSOP_VERB_JOB_PAUSE}, FSOP_EINVAL, "needs the id of a job"},
        {{.verb = FSOP_VERB_JOB_RESUME}, FSOP_EINVAL, "needs the id of a job"},
        {{.verb = FSOP_VERB_JOB_CANCEL}, FSOP_EINVAL, "needs the id of a job"},
        {{.verb = FSOP_VERB_JOB_RETRY}, FSOP_EINVAL, "needs the id of a job"},
        {{.verb = FSOP_VERB_JOB_FORGET}, FSOP_EINVAL, "needs the id of a job"},
        {{.verb = FSOP_VERB_JOB_SHOW, AT, .args.job = {.id = 1}}, FSOP_EINVAL, "takes no `at`"},
        {{.verb = FSOP_VERB_JOB_LIST, .args.job = {.id = 1}}, FSOP_EINVAL, "takes no id"},
        {{.verb = FSOP_VERB_JOB_SHOW, .args.job = {.id = 1, .all_users = true}}, FSOP_EINVAL, "takes no all_users"},
        {{.verb = FSOP_VERB_JOB_LIST, .args.job = {.want = JOB_WANT_FAILURES}}, FSOP_EINVAL, "takes no want"},
        {{.verb = FSOP_VERB_JOB_SHOW, .args.job = {.id = 1, .want = (enum job_want)3}}, FSOP_EINVAL, "no such want"},
        {{.verb = FSOP_VERB_JOB_PAUSE, .args.job = {.id = 1, .after = 1}}, FSOP_EINVAL, "neither after nor"},
        {{.verb = FSOP_VERB_JOB_FORGET, .args.job = {.id = 1, .entries_max = 1}}, FSOP_EINVAL, "neither after nor"},
};

static void check_refused(int r, int code, const char *says, const char *what) {
        const char *text = (const char *)decoded.error.message.data;
        ck_assert_msg(r == -code, "%s: %d (%s) instead of -%d", what, r, text ? text : "", code);
        ck_assert_int_eq(decoded.error.code, code);
        ck_assert_int_eq(decoded.error.class_, FSOP_CLASS_INVALID);
        ck_assert_msg(text && strstr(text, says), "%s: \"%s\" does not say \"%s\"", what, text ? text : "", says);
        ck_assert_int_eq(decoded.message.kind, MESSAGE_NONE);
}

START_TEST(wrong_values_are_refused) {
        memset(long_path, '/', sizeof(long_path));
        memset(long_name, 'n', sizeof(long_name));
        for (size_t i = 3; i < sizeof(bad_texts) / sizeof(bad_texts[0]); i++)
                bad_texts[i] = (struct bytes){long_name, 1};
        for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
                char what[64];
                snprintf(what, sizeof(what), "refusal %zu (%s)", i, verb_name(refusals[i].op.verb));
                struct bytes body = sample_encode_operation(&refusals[i].op);
                check_refused(decode_request(body, SAMPLE_FDS), refusals[i].code, refusals[i].says, what);
                sample_free(body);
        }
}
END_TEST

START_TEST(names_lie_below_the_source) {
        static const struct {
                const char *name;
                bool good;
        } rows[] = {
                {"a", true},     {"a/b", true},     {"...", true},  {"..a/.b", true}, {"a b/\n\xff", true},
                {"/", false},    {"/a", false},     {"a/", false},  {"a//b", false},  {".", false},
                {"..", false},   {"./a", false},    {"a/.", false}, {"a/./b", false}, {"../a", false},
                {"a/..", false}, {"a/../b", false},
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct bytes name = {(const uint8_t *)rows[i].name, strlen(rows[i].name)};
                struct operation op = {
                        .verb = FSOP_VERB_CP, AT, .to = PATH("/y"), .args.cp = {.names = &name, .n_names = 1}};
                struct bytes body = sample_encode_operation(&op);
                if (rows[i].good)
                        ck_assert_msg(decode_request(body, 0) == 0, "%s", rows[i].name);
                else
                        check_refused(decode_request(body, 0), FSOP_EINVAL, "operation 0 (cp): a name is",
                                      rows[i].name);
                sample_free(body);
        }
}
END_TEST

/* As many as a frame can hold, none longer than a few letters: they fit the memory of one request. */
START_TEST(a_frame_full_of_names_is_taken) {
        static struct bytes names[WIRE_JOB_NAMES_MAX];
        static struct operation ops[116];
        const uint32_t n = sizeof(ops) / sizeof(ops[0]);
        for (size_t i = 0; i < WIRE_JOB_NAMES_MAX; i++)
                names[i] = TEXT("abcdef");
        for (uint32_t i = 0; i < n; i++)
                ops[i] = (struct operation){.verb = FSOP_VERB_CP,
                                            AT,
                                            .to = PATH("/y"),
                                            .args.cp = {.names = names, .n_names = WIRE_JOB_NAMES_MAX}};
        struct message sent = {.kind = MESSAGE_BATCH, .body.batch = {.id = 1, .ops = ops, .n_ops = n}};
        struct bytes body = sample_encode(&sent);
        ck_assert(body.len > WIRE_FRAME_BYTES_MAX * 9 / 10 && body.len <= WIRE_FRAME_BYTES_MAX);
        int r = decode_request(body, 0);
        ck_assert_msg(r == 0, "%s", r ? (const char *)decoded.error.message.data : "");
        const struct cp_args *last = &decoded.message.body.batch.ops[n - 1].args.cp;
        ck_assert_uint_eq(last->n_names, WIRE_JOB_NAMES_MAX);
        for (uint32_t i = 0; i < WIRE_JOB_NAMES_MAX; i++)
                ck_assert_str_eq((const char *)last->names[i].data, "abcdef");
        sample_free(body);
}
END_TEST

/* The names of one operation are counted, too, before there is memory for them. */
START_TEST(too_many_names_are_refused_before_allocating) {
        static struct bytes names[2 * WIRE_JOB_NAMES_MAX];
        for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
                names[i] = TEXT("n");
        struct operation op = {.verb = FSOP_VERB_CP,
                               AT,
                               .to = PATH("/y"),
                               .args.cp = {.names = names, .n_names = sizeof(names) / sizeof(names[0])}};
        struct bytes body = sample_encode_operation(&op);
        struct codec_limits limits = {.batch_ops_max = WIRE_BATCH_OPS_MAX};
        struct arena small;
        arena_init(&small, 2048);
        int r = codec_decode_request(&small, body, &limits, &decoded.message, &decoded.error);
        check_refused(r, FSOP_EINVAL, "operation 0 (cp): 2048 names in one operation: 1024 is the most", "names");
        arena_fini(&small);
        sample_free(body);
}
END_TEST

START_TEST(an_error_names_the_operation) {
        struct operation ops[4] = {
                {.verb = FSOP_VERB_STAT, AT},
                {.verb = FSOP_VERB_STAT, AT},
                {.verb = FSOP_VERB_STAT, AT},
                {.verb = FSOP_VERB_CHOWN, AT, .args.chown = {.has_uid = true, .uid = WIRE_NOBODY}},
        };
        struct message sent = {.kind = MESSAGE_BATCH, .body.batch = {.id = 99, .ops = ops, .n_ops = 4}};
        struct bytes body = sample_encode(&sent);
        check_refused(decode_request(body, 0), FSOP_EINVAL,
                      "operation 3 (chown): uid 4294967295 means 'nobody' and is never an owner", "chown");
        sample_free(body);

        struct operation explain = {.verb = FSOP_VERB_EXPLAIN, .args.explain = {.op = &ops[3]}};
        body = sample_encode_operation(&explain);
        check_refused(decode_request(body, 0), FSOP_EINVAL, "operation 0 (explain chown): uid", "explained chown");
        sample_free(body);
}
END_TEST

START_TEST(explain_does_not_nest) {
        struct operation inner = {.verb = FSOP_VERB_EXPLAIN}, stat = {.verb = FSOP_VERB_STAT, AT};
        struct operation outer = {.verb = FSOP_VERB_EXPLAIN, .args.explain = {.op = &inner}};
        inner.args.explain.op = &stat;
        struct bytes body = sample_encode_operation(&outer);
        check_refused(decode_request(body, 0), FSOP_EINVAL, "explain cannot explain itself", "explain explain");
        sample_free(body);
        stat = (struct operation){.verb = FSOP_VERB_EXPLAIN};
        outer = (struct operation){.verb = FSOP_VERB_EXPLAIN,
                                   .args.explain = {.op = &inner, .user = {(const uint8_t *)"a\0b", 3}}};
        inner = (struct operation){.verb = FSOP_VERB_STAT, AT};
        body = sample_encode_operation(&outer);
        check_refused(decode_request(body, 0), FSOP_EINVAL, "no user's name", "explain user");
        sample_free(body);
}
END_TEST

START_TEST(batches_have_an_id_a_mode_and_operations) {
        struct operation op = {.verb = FSOP_VERB_PING};
        struct message sent = {.kind = MESSAGE_BATCH, .body.batch = {.ops = &op, .n_ops = 1}};
        struct bytes body = sample_encode(&sent);
        check_refused(decode_request(body, 0), FSOP_EINVAL, "an id other than 0", "id");
        sample_free(body);
        sent.body.batch = (struct batch){.id = 1, .ops = &op, .n_ops = 0};
        body = sample_encode(&sent);
        check_refused(decode_request(body, 0), FSOP_EINVAL, "without operations", "no operations");
        sample_free(body);
        sent.body.batch = (struct batch){.id = 1, .mode = (enum fsop_batch_mode)3, .ops = &op, .n_ops = 1};
        body = sample_encode(&sent);
        check_refused(decode_request(body, 0), FSOP_EINVAL, "Batch.mode cannot be 3", "mode");
        sample_free(body);
        sent = (struct message){.kind = MESSAGE_CANCEL};
        body = sample_encode(&sent);
        check_refused(decode_request(body, 0), FSOP_EINVAL, "needs the id", "cancel");
        sample_free(body);
}
END_TEST

START_TEST(hello_is_checked) {
        struct message sent = {.kind = MESSAGE_HELLO, .body.hello = {.version_min = 2, .version_max = 1}};
        struct bytes body = sample_encode(&sent);
        check_refused(decode_request(body, 0), FSOP_EINVAL, "version_min and version_max", "versions");
        sample_free(body);
        sent.body.hello = (struct hello){.version_max = 1};
        body = sample_encode(&sent);
        check_refused(decode_request(body, 0), FSOP_EINVAL, "version_min and version_max", "version 0");
        sample_free(body);
        memset(long_name, 'n', sizeof(long_name));
        sent.body.hello = (struct hello){.version_min = 1, .version_max = 1, .client = {long_name, sizeof(long_name)}};
        body = sample_encode(&sent);
        check_refused(decode_request(body, 0), FSOP_EINVAL, "255 bytes", "client");
        sample_free(body);
}
END_TEST

/* The count is refused before memory is taken for the operations: the arena would have room for hardly any. */
START_TEST(too_many_operations_are_refused_before_allocating) {
        static struct operation ops[WIRE_BATCH_OPS_MAX + 1];
        for (size_t i = 0; i < WIRE_BATCH_OPS_MAX + 1; i++)
                ops[i].verb = FSOP_VERB_PING;
        struct message sent = {.kind = MESSAGE_BATCH,
                               .body.batch = {.id = 5, .ops = ops, .n_ops = WIRE_BATCH_OPS_MAX + 1}};
        struct bytes body = sample_encode(&sent);
        struct codec_limits limits = {.batch_ops_max = WIRE_BATCH_OPS_MAX};
        struct arena small;
        arena_init(&small, 2048);
        int r = codec_decode_request(&small, body, &limits, &decoded.message, &decoded.error);
        check_refused(r, FSOP_E2BIG, "a batch of 1025 operations: 1024 is the most", "count");
        arena_fini(&small);
        sample_free(body);
        sent.body.batch.n_ops = WIRE_BATCH_OPS_MAX;
        body = sample_encode(&sent);
        ck_assert_int_eq(decode_request(body, 0), 0);
        sample_free(body);
}
END_TEST

/* ---- refusals: bytes --------------------------------------------------------------------------------------------- */

/* Bodies by hand: ClientMessage{ batch(2) { id(1) = 7, operations(4) = OP } } around the bytes of an operation. */
static struct bytes wrap(const uint8_t *op, size_t len) {
        size_t inner = 2 + 2 + len;
        uint8_t *body = malloc(2 + inner);
        ck_assert(body && inner < 128);
        const uint8_t head[] = {2 << 3 | 2, (uint8_t)inner, 1 << 3, 7, 4 << 3 | 2, (uint8_t)len};
        memcpy(body, head, sizeof(head));
        if (len)
                memcpy(body + sizeof(head), op, len);
        return (struct bytes){.data = body, .len = sizeof(head) + len};
}

#define AT_X 0x12, 0x04, 0x1a, 0x02, '/', 'x'                                                  /* at { path "/x" } */
#define TO_Y 0x1a, 0x04, 0x1a, 0x02, '/', 'y'                                                  /* to { path "/y" } */
#define ARGS(number, len) (uint8_t)((number) << 3 | 2 | 0x80), (uint8_t)((number) >> 4), (len) /* a member of args */

static const struct {
        const char *what;
        uint8_t op[48];
        uint8_t len;
        int code;
        const char *says;
} raw[] = {
        {"no args", {AT_X}, 6, FSOP_EINVAL, "unknown operation"},
        {"nothing at all", {0}, 0, FSOP_EINVAL, "operation 0: unknown operation"},
        {"a verb that is none", {AT_X, ARGS(106, 0)}, 9, FSOP_EINVAL, "no field 106"},
        {"a reserved number", {AT_X, ARGS(164, 0)}, 9, FSOP_EINVAL, "no field 164"},
        {"two members of args", {AT_X, ARGS(110, 0), ARGS(111, 0)}, 12, FSOP_EPROTO, "two operations in one"},
        {"the same member twice", {AT_X, ARGS(110, 0), ARGS(110, 0)}, 12, FSOP_EPROTO, "two operations in one"},
        {"at twice", {AT_X, AT_X, ARGS(110, 0)}, 15, FSOP_EPROTO, "field 2 is there twice"},
        {"args as a number", {AT_X, 0xf0, 0x06, 0x01}, 9, FSOP_EPROTO, "wrong type"},
        {"at as a number", {0x10, 0x01, ARGS(110, 0)}, 5, FSOP_EPROTO, "wrong type"},
        {"a group", {AT_X, 0x0b, 0x0c}, 8, FSOP_EPROTO, "malformed"},
        {"field number 0", {AT_X, 0x00, 0x01}, 8, FSOP_EPROTO, "malformed"},
        {"stat with an unknown argument",
         {AT_X, ARGS(110, 2), 0x08, 0x01},
         11,
         FSOP_EPROTO,
         "field 1 that is not known"},
        {"uid 2^32, which is not 0",
         {AT_X, ARGS(114, 6), 0x08, 0x80, 0x80, 0x80, 0x80, 0x10},
         15,
         FSOP_EINVAL,
         "uid: 4294967296 is out of range"},
        {"uid -1 in ten bytes",
         {AT_X, ARGS(114, 11), 0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01},
         20,
         FSOP_EINVAL,
         "out of range"},
        {"uid as bytes", {AT_X, ARGS(114, 3), 0x0a, 0x01, 0x00}, 12, FSOP_EPROTO, "uid has the wrong type"},
        {"uid twice", {AT_X, ARGS(114, 4), 0x08, 0x00, 0x08, 0x01}, 13, FSOP_EPROTO, "uid is there twice"},
        {"walk twice", {AT_X, ARGS(114, 4), 0x2a, 0x00, 0x2a, 0x00}, 13, FSOP_EPROTO, "walk is there twice"},
        {"a flag of 2", {AT_X, ARGS(114, 4), 0x2a, 0x02, 0x08, 0x02}, 13, FSOP_EINVAL, "recursive: 2 is out of range"},
        {"an unknown field in a walk", {AT_X, ARGS(114, 4), 0x2a, 0x02, 0x20, 0x02}, 13, FSOP_EPROTO, "field 4"},
        {"a varint without an end", {AT_X, ARGS(114, 2), 0x08, 0x80}, 11, FSOP_EPROTO, "malformed"},
        {"a varint of 65 bits",
         {AT_X, ARGS(140, 11), 0x18, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02},
         20,
         FSOP_EPROTO,
         "malformed"},
        {"a length beyond the end", {AT_X, ARGS(130, 2), 0x0a, 0x7f}, 11, FSOP_EPROTO, "malformed"},
        {"a length of 2^63",
         {AT_X, ARGS(130, 11), 0x0a, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01},
         20,
         FSOP_EPROTO,
         "malformed"},
        {"mkdir without Create", {AT_X, ARGS(121, 0)}, 9, FSOP_EINVAL, "needs mode and umask"},
        {"mkdir without umask", {AT_X, ARGS(121, 4), 0x0a, 0x02, 0x08, 0x01}, 13, FSOP_EINVAL, "both mode and umask"},
        {"mkdir without mode", {AT_X, ARGS(121, 4), 0x0a, 0x02, 0x10, 0x01}, 13, FSOP_EINVAL, "both mode and umask"},
        {"mknod without numbers", {AT_X, ARGS(115, 2), 0x08, 0x04}, 11, FSOP_EINVAL, "needs major and minor"},
        {"mknod without Create", {AT_X, ARGS(115, 2), 0x08, 0x06}, 11, FSOP_EINVAL, "needs mode and umask"},
        {"truncate without a size", {AT_X, ARGS(141, 0)}, 9, FSOP_EINVAL, "needs a size"},
        {"setxattr without a value", {AT_X, ARGS(136, 3), 0x0a, 0x01, 'a'}, 12, FSOP_EINVAL, "needs a value"},
        {"write without data", {0x12, 0x02, 0x08, 0x01, ARGS(154, 0)}, 7, FSOP_EINVAL, "needs data"},
        {"times without times", {AT_X, ARGS(112, 2), 0x08, 0x02}, 11, FSOP_EINVAL, "atime is to be set"},
        {"a location with two bases", {0x12, 0x04, 0x08, 0x01, 0x10, 0x00, ARGS(110, 0)}, 9, FSOP_EPROTO, "one base"},
        {"a location with an unknown field", {0x12, 0x02, 0x28, 0x01, ARGS(110, 0)}, 7, FSOP_EPROTO, "field 5"},
        {"follow of 2", {0x12, 0x02, 0x20, 0x02, ARGS(110, 0)}, 7, FSOP_EINVAL, "out of range"},
        {"a path as a number", {0x12, 0x02, 0x18, 0x02, ARGS(110, 0)}, 7, FSOP_EPROTO, "wrong type"},
        {"an empty location", {0x12, 0x00, ARGS(110, 0)}, 5, FSOP_EINVAL, "an empty path"},
        {"as of 2^32", {0x08, 0x80, 0x80, 0x80, 0x80, 0x10, AT_X, ARGS(110, 0)}, 15, FSOP_EINVAL, "out of range"},
        {"explain with an unknown field", {ARGS(104, 2), 0x18, 0x01}, 5, FSOP_EPROTO, "field 3"},
        {"cp without a umask", {AT_X, TO_Y, ARGS(146, 0)}, 15, FSOP_EINVAL, "needs a umask"},
        {"cp with an unknown field", {AT_X, TO_Y, ARGS(146, 3), 0x80, 0x01, 0x01}, 18, FSOP_EPROTO, "field 16"},
        {"cp with a field twice",
         {AT_X, TO_Y, ARGS(146, 4), 0x08, 0x01, 0x08, 0x01},
         19,
         FSOP_EPROTO,
         "1 is there twice"},
        {"cp with a flag of 2", {AT_X, TO_Y, ARGS(146, 2), 0x10, 0x02}, 17, FSOP_EINVAL, "out of range"},
        {"cp with a key that is a number", {AT_X, TO_Y, ARGS(146, 2), 0x18, 0x02}, 17, FSOP_EPROTO, "wrong type"},
        {"cp with a name that is a number", {AT_X, TO_Y, ARGS(146, 2), 0x78, 0x02}, 17, FSOP_EPROTO, "malformed"},
        {"cp with preserve of 2^32",
         {AT_X, TO_Y, ARGS(146, 6), 0x38, 0x80, 0x80, 0x80, 0x80, 0x10},
         21,
         FSOP_EINVAL,
         "out of range"},
        {"cp cut in the middle", {AT_X, TO_Y, ARGS(146, 2), 0x7a, 0x05}, 17, FSOP_EPROTO, "malformed"},
        {"a job of no number", {ARGS(157, 0)}, 3, FSOP_EINVAL, "needs the id"},
        {"a job with an unknown field", {ARGS(157, 4), 0x08, 0x01, 0x30, 0x01}, 7, FSOP_EPROTO, "field 6"},
        {"explain of nothing known", {ARGS(104, 2), 0x12, 0x00}, 5, FSOP_EINVAL, "unknown operation"},
};

START_TEST(wrong_bytes_are_refused) {
        for (size_t i = 0; i < sizeof(raw) / sizeof(raw[0]); i++) {
                struct bytes body = wrap(raw[i].op, raw[i].len);
                check_refused(decode_request(body, 1), raw[i].code, raw[i].says, raw[i].what);
                sample_free(body);
        }
}
END_TEST

START_TEST(wrong_envelopes_are_refused) {
        static const struct {
                const char *what, *bytes;
                size_t len;
        } rows[] = {
                {"nothing", "", 0},
                {"garbage", "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 11},
                {"an unknown message", "\x52\x00", 2},
                {"a message of the daemon's kind", "\x0a\x04\x08\x01\x10\x01\x12\x00", 8},
                {"batch as a number", "\x10\x01", 2},
                {"two messages", "\x1a\x02\x08\x01\x1a\x02\x08\x01", 8},
                {"an unknown field in Batch", "\x12\x04\x08\x07\x28\x01", 6},
                {"Batch.id twice", "\x12\x04\x08\x07\x08\x08", 6},
                {"operations as a number", "\x12\x04\x08\x07\x20\x01", 6},
                {"an unknown field in Cancel", "\x1a\x04\x08\x07\x10\x01", 6},
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                uint8_t *copy = malloc(rows[i].len + 1);
                memcpy(copy, rows[i].bytes, rows[i].len);
                int r = decode_request((struct bytes){.data = copy, .len = rows[i].len}, 0);
                check_refused(r, FSOP_EPROTO, "", rows[i].what);
                free(copy);
        }
        ck_assert_int_eq(decode_request((struct bytes){0}, 0), -FSOP_EPROTO);
}
END_TEST

START_TEST(hello_tolerates_what_is_newer) {
        /* version 1 to 1, and up to sixteen fields that nobody knows yet */
        uint8_t body[64] = {0x0a, 0, 0x08, 0x01, 0x10, 0x01};
        for (unsigned n = 1; n <= 17; n++) {
                body[1] = (uint8_t)(4 + 3 * n);
                memcpy(body + 6 + 3 * (n - 1), "\xf8\x01\x01", 3);
                int r = decode_request((struct bytes){.data = body, .len = 6 + 3 * n}, 0);
                ck_assert_int_eq(r, n <= 16 ? 0 : -FSOP_EPROTO);
        }
}
END_TEST

int main(void) {
        Suite *suite = suite_create("codec_refusals");
        TCase *tcase = tcase_create("requests");

        tcase_add_checked_fixture(tcase, decoded_setup, decoded_teardown);
        tcase_add_test(tcase, wrong_values_are_refused);
        tcase_add_test(tcase, names_lie_below_the_source);
        tcase_add_test(tcase, a_frame_full_of_names_is_taken);
        tcase_add_test(tcase, too_many_names_are_refused_before_allocating);
        tcase_add_test(tcase, an_error_names_the_operation);
        tcase_add_test(tcase, explain_does_not_nest);
        tcase_add_test(tcase, batches_have_an_id_a_mode_and_operations);
        tcase_add_test(tcase, hello_is_checked);
        tcase_add_test(tcase, too_many_operations_are_refused_before_allocating);
        tcase_add_test(tcase, wrong_bytes_are_refused);
        tcase_add_test(tcase, wrong_envelopes_are_refused);
        tcase_add_test(tcase, hello_tolerates_what_is_newer);
        suite_add_tcase(suite, tcase);
        return suite_run(suite);
}
