/* SPDX-License-Identifier: MIT */
/*
 * codec_samples.c: the samples are made once, at first use, out of static memory.
 */
#include "tests/support/codec_samples.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/codec.h"
#include "proto/frame.h"

#define TEXT(text)                                                                                                     \
        { .data = (const uint8_t *)(text), .len = sizeof(text) - 1 }
#define COUNT(array) ((uint32_t)(sizeof(array) / sizeof((array)[0])))

static uint8_t long_path[WIRE_PATH_BYTES_MAX];
static uint8_t long_name[1 + WIRE_NAME_BYTES_MAX];
static uint8_t large_value[WIRE_XATTR_BYTES_MAX];
static uint8_t large_data[WIRE_IO_BYTES_MAX];
static struct bytes many_texts[WIRE_JOB_NAMES_MAX];

#define PATH(text)                                                                                                     \
        { .kind = LOCATION_PATH, .path = TEXT(text) }
#define ODD_PATH PATH("/new\nline/\xff\xfe invalid \xc0\x80/%s%n; rm -rf ~")
#define LONG_PATH                                                                                                      \
        { .kind = LOCATION_PATH, .path = {long_path, sizeof(long_path)}, .follow = true }
#define LONG_NAME                                                                                                      \
        {                                                                                                              \
                .kind = LOCATION_PATH, .path = { long_name, sizeof(long_name) }                                        \
        }
#define HANDLE(number, text)                                                                                           \
        { .kind = LOCATION_HANDLE, .handle = (number), .path = TEXT(text) }
#define DESCRIPTOR(number, text)                                                                                       \
        { .kind = LOCATION_FD, .fd_index = (number), .path = TEXT(text) }
#define CREATE(m, u)                                                                                                   \
        { .create = true, .mode = (m), .umask = (u) }
#define NEVER_1969                                                                                                     \
        { .sec = -1, .nsec = 999999999 }

static void fill(void) {
        memset(long_path, 'p', sizeof(long_path));
        for (size_t i = 0; i < sizeof(long_path); i += 200)
                long_path[i] = '/';
        memset(long_name, 0xff, sizeof(long_name));
        long_name[0] = '/';
        for (size_t i = 0; i < sizeof(large_value); i++)
                large_value[i] = (uint8_t)(i * 7);
        for (size_t i = 0; i < sizeof(large_data); i++)
                large_data[i] = (uint8_t)(i * 13 >> 3);
        for (size_t i = 0; i < WIRE_JOB_NAMES_MAX; i++)
                many_texts[i] = (struct bytes){long_name + 1, 1 + i % WIRE_NAME_BYTES_MAX};
}

/* ---- operations -------------------------------------------------------------------------------------------------- */

const struct operation *sample_operations(uint32_t *ret_n) {
        static const struct bytes odd_patterns[] = {
                TEXT("*"), TEXT("/"), TEXT("\xff[!a-\n]/**"), {long_path, sizeof(long_path)}};
        static const struct bytes odd_names[] = {
                TEXT("a"), TEXT("..."), TEXT("\xff/.a/..b"), TEXT(" "), {long_path + 1, sizeof(long_path) - 1}};
        static struct operation explained, explained_cp;
        static struct operation ops[] = {
                {.verb = FSOP_VERB_PING, .args.ping = TEXT("\0any \xff bytes\n")},
                {.verb = FSOP_VERB_PING, .as = FSOP_AS_CALLER},
                {.verb = FSOP_VERB_INFO},
                {.verb = FSOP_VERB_INFO, .at = PATH("/")},
                {.verb = FSOP_VERB_STATUS},
                {.verb = FSOP_VERB_EXPLAIN, .args.explain = {.user = TEXT("builder"), .op = &explained}},
                {.verb = FSOP_VERB_EXPLAIN, .args.explain = {.op = &explained}},
                {.verb = FSOP_VERB_POLICY_RELOAD},
                {.verb = FSOP_VERB_STAT, .as = FSOP_AS_ELEVATED, .at = LONG_PATH},
                {.verb = FSOP_VERB_STAT, .at = DESCRIPTOR(0, "")},
                {.verb = FSOP_VERB_STATFS, .at = ODD_PATH},
                {.verb = FSOP_VERB_UTIMENS,
                 .at = LONG_NAME,
                 .args.utimens = {.atime_change = TIME_SET,
                                  .atime = NEVER_1969,
                                  .mtime_change = TIME_SET,
                                  .mtime = {.sec = INT64_MIN},
                                  .create = CREATE(07777, 0777)}},
                {.verb = FSOP_VERB_UTIMENS,
                 .at = PATH("/t"),
                 .args.utimens = {.atime_change = TIME_NOW, .mtime_change = TIME_OMIT}},
                {.verb = FSOP_VERB_UTIMENS,
                 .at = PATH("/t"),
                 .args.utimens = {.atime_change = TIME_OMIT, .mtime_change = TIME_SET, .mtime = {.sec = INT64_MAX}}},
                {.verb = FSOP_VERB_CHMOD,
                 .at = PATH("/c"),
                 .args.chmod = {.set = 07777,
                                .clear = 07000,
                                .set_x = 0111,
                                .clear_x = 01,
                                .dir_keep = 06000,
                                .walk = {.recursive = true, .follow = FSOP_FOLLOW_ALWAYS, .one_filesystem = true}}},
                {.verb = FSOP_VERB_CHMOD, .at = PATH("/c")},
                {.verb = FSOP_VERB_CHOWN,
                 .at = ODD_PATH,
                 .args.chown = {.has_uid = true,
                                .has_gid = true,
                                .has_from_uid = true,
                                .has_from_gid = true,
                                .uid = 0xfffffffe,
                                .gid = 0x80000000,
                                .from_uid = 0,
                                .from_gid = 1}},
                {.verb = FSOP_VERB_CHOWN, .at = HANDLE(UINT64_MAX, "below"), .args.chown = {.has_uid = true, .uid = 0}},
                {.verb = FSOP_VERB_CHOWN,
                 .at = HANDLE(1, ""),
                 .args.chown = {.has_gid = true, .walk = {.follow = FSOP_FOLLOW_ARGUMENT}}},
                {.verb = FSOP_VERB_MKNOD,
                 .at = PATH("/dev"),
                 .args.mknod = {.type = FSOP_TYPE_BLOCK, .major = 300, .minor = 300000, .create = CREATE(0660, 022)}},
                {.verb = FSOP_VERB_MKNOD,
                 .at = PATH("/dev"),
                 .args.mknod = {.type = FSOP_TYPE_CHAR, .major = UINT32_MAX, .minor = 0, .create = CREATE(0, 0)}},
                {.verb = FSOP_VERB_MKNOD,
                 .at = PATH("/fifo"),
                 .args.mknod = {.type = FSOP_TYPE_FIFO, .create = CREATE(0666, 022)}},
                {.verb = FSOP_VERB_MKNOD,
                 .at = PATH("/socket"),
                 .args.mknod = {.type = FSOP_TYPE_SOCKET, .create = CREATE(0666, 022)}},
                {.verb = FSOP_VERB_OPENDIR, .at = PATH("/")},
                {.verb = FSOP_VERB_MKDIR, .at = LONG_NAME, .args.mkdir = CREATE(01777, 0)},
                {.verb = FSOP_VERB_RMDIR, .at = HANDLE(7, "a/../b")},
                {.verb = FSOP_VERB_UNLINK, .at = PATH("/u"), .args.unlink = {.recursive = true}},
                {.verb = FSOP_VERB_UNLINK, .at = PATH("/u")},
                {.verb = FSOP_VERB_RENAME, .at = PATH("/a"), .to = LONG_NAME, .args.rename = {.no_replace = true}},
                {.verb = FSOP_VERB_RENAME,
                 .at = DESCRIPTOR(1, "a"),
                 .to = DESCRIPTOR(2, "\n"),
                 .args.rename = {.exchange = true}},
                {.verb = FSOP_VERB_LS,
                 .at = PATH("/l"),
                 .args.ls = {.cookie = UINT64_MAX, .entries_max = WIRE_LS_ENTRIES_MAX, .with_stat = true}},
                {.verb = FSOP_VERB_LS, .at = PATH("/l"), .args.ls = {.entries_max = 1}},
                {.verb = FSOP_VERB_SYMLINK, .at = PATH("/s"), .args.symlink = {long_path, sizeof(long_path)}},
                {.verb = FSOP_VERB_SYMLINK, .at = PATH("/s"), .args.symlink = TEXT("\xff")},
                {.verb = FSOP_VERB_LINK, .at = DESCRIPTOR(2, ""), .to = PATH("/new")},
                {.verb = FSOP_VERB_READLINK, .at = PATH("/r")},
                {.verb = FSOP_VERB_GETXATTR,
                 .at = PATH("/x"),
                 .args.xattr = {.name = {long_name + 1, WIRE_NAME_BYTES_MAX}, .size_max = WIRE_XATTR_BYTES_MAX}},
                {.verb = FSOP_VERB_SETXATTR,
                 .at = PATH("/x"),
                 .args.xattr = {.name = TEXT("user.large"),
                                .value = {large_value, sizeof(large_value)},
                                .create = true}},
                {.verb = FSOP_VERB_SETXATTR,
                 .at = PATH("/x"),
                 .args.xattr = {.name = TEXT("user.empty"), .replace = true}},
                {.verb = FSOP_VERB_LISTXATTR, .at = PATH("/x"), .args.xattr = {.size_max = 1}},
                {.verb = FSOP_VERB_REMOVEXATTR,
                 .at = PATH("/x"),
                 .args.xattr = {.name = TEXT("system.posix_acl_access")}},
                {.verb = FSOP_VERB_FALLOCATE,
                 .at = PATH("/f"),
                 .args.fallocate = {.mode = FSOP_FALLOCATE_UNSHARE_RANGE,
                                    .keep_size = true,
                                    .offset = INT64_MAX - 1,
                                    .length = 1,
                                    .create = CREATE(0644, 022)}},
                {.verb = FSOP_VERB_FALLOCATE, .at = PATH("/f"), .args.fallocate = {.length = INT64_MAX}},
                {.verb = FSOP_VERB_TRUNCATE,
                 .at = PATH("/f"),
                 .args.truncate = {.size = INT64_MAX, .create = CREATE(0600, 077)}},
                {.verb = FSOP_VERB_TRUNCATE, .at = PATH("/f")},
                {.verb = FSOP_VERB_FADVISE,
                 .at = HANDLE(3, ""),
                 .args.fadvise = {.advice = FSOP_ADVICE_NOREUSE, .offset = 1, .length = INT64_MAX - 1}},
                {.verb = FSOP_VERB_FADVISE, .at = PATH("/f")},
                {.verb = FSOP_VERB_COPY_RANGE,
                 .at = PATH("/from"),
                 .to = HANDLE(4, ""),
                 .args.copy_range = {.src_offset = 1ull << 40,
                                     .dst_offset = INT64_MAX - 5,
                                     .has_length = true,
                                     .length = 5,
                                     .clone = FSOP_CLONE_NEVER}},
                {.verb = FSOP_VERB_COPY_RANGE,
                 .at = PATH("/from"),
                 .to = PATH("/to"),
                 .args.copy_range = {.clone = FSOP_CLONE_ALWAYS, .create = CREATE(0644, 022)}},
                {.verb = FSOP_VERB_OPEN,
                 .at = PATH("/o"),
                 .args.open = {.read = true,
                               .write = true,
                               .append = true,
                               .truncate = true,
                               .exclusive = true,
                               .hint = FSOP_ADVICE_RANDOM,
                               .create = CREATE(04755, 022)}},
                {.verb = FSOP_VERB_OPEN, .at = PATH("/o"), .args.open = {.read = true}},
                {.verb = FSOP_VERB_OPEN_FD, .at = DESCRIPTOR(0, "o"), .args.open = {.write = true}},
                {.verb = FSOP_VERB_CLOSE, .at = HANDLE(9, "")},
                {.verb = FSOP_VERB_READ,
                 .at = HANDLE(9, ""),
                 .args.read = {.offset = INT64_MAX - WIRE_IO_BYTES_MAX, .length = WIRE_IO_BYTES_MAX}},
                {.verb = FSOP_VERB_WRITE,
                 .at = DESCRIPTOR(0, ""),
                 .args.write = {.offset = 5ull << 30, .data = {large_data, sizeof(large_data)}}},
                {.verb = FSOP_VERB_WRITE, .at = HANDLE(9, "")},
                {.verb = FSOP_VERB_FSYNC, .at = PATH("/f"), .args.fsync = {.filesystem = true}},
                {.verb = FSOP_VERB_FSYNC, .at = HANDLE(9, ""), .args.fsync = {.data_only = true}},
                {.verb = FSOP_VERB_CP,
                 .as = FSOP_AS_ELEVATED,
                 .at = LONG_PATH,
                 .to = ODD_PATH,
                 .args.cp = {.job = UINT64_MAX,
                             .hold = true,
                             .key = {large_value, WIRE_JOB_KEY_BYTES_MAX},
                             .recursive = true,
                             .one_filesystem = true,
                             .verify = true,
                             .preserve = FSOP_PRESERVE_ALL,
                             .umask = 0777,
                             .clone = FSOP_CLONE_NEVER,
                             .sync = FSOP_SYNC_FILE,
                             .update = FSOP_UPDATE_OLDER,
                             .bytes_per_s = INT64_MAX,
                             .priority = -WIRE_JOB_PRIORITY_MAX,
                             .excludes = many_texts,
                             .n_excludes = WIRE_JOB_EXCLUDES_MAX,
                             .names = many_texts,
                             .n_names = WIRE_JOB_NAMES_MAX}},
                {.verb = FSOP_VERB_CP, .at = PATH("/from"), .to = PATH("/to")},
                {.verb = FSOP_VERB_CP,
                 .at = PATH("/from/"),
                 .to = PATH("/"),
                 .args.cp = {.key = TEXT("\0"),
                             .priority = WIRE_JOB_PRIORITY_MAX,
                             .excludes = odd_patterns,
                             .n_excludes = COUNT(odd_patterns),
                             .names = odd_names,
                             .n_names = COUNT(odd_names)}},
                {.verb = FSOP_VERB_CP,
                 .at = PATH("/from"),
                 .to = PATH("/to"),
                 .args.cp = {.job = 5,
                             .hold = true,
                             .key = TEXT("k"),
                             .recursive = true,
                             .one_filesystem = true,
                             .verify = true,
                             .preserve = FSOP_PRESERVE_MODE | FSOP_PRESERVE_LINKS,
                             .umask = 022,
                             .clone = FSOP_CLONE_ALWAYS,
                             .sync = FSOP_SYNC_NONE,
                             .update = FSOP_UPDATE_NONE,
                             .bytes_per_s = 1,
                             .priority = 7,
                             .excludes = odd_patterns,
                             .n_excludes = 2,
                             .names = odd_names,
                             .n_names = 2}},
                {.verb = FSOP_VERB_EXPLAIN, .args.explain = {.op = &explained_cp}},
                {.verb = FSOP_VERB_JOB_LIST,
                 .args.job = {.all_users = true, .after = UINT64_MAX, .entries_max = WIRE_JOB_ENTRIES_MAX}},
                {.verb = FSOP_VERB_JOB_LIST, .args.job = {.entries_max = 1}},
                {.verb = FSOP_VERB_JOB_SHOW,
                 .args.job = {.id = UINT64_MAX,
                              .want = JOB_WANT_DIGESTS,
                              .after = UINT64_MAX,
                              .entries_max = WIRE_JOB_ENTRIES_MAX}},
                {.verb = FSOP_VERB_JOB_SHOW, .args.job = {.id = 1, .want = JOB_WANT_FAILURES, .entries_max = 1}},
                {.verb = FSOP_VERB_JOB_WATCH, .args.job = {.id = 1, .after = UINT64_MAX, .entries_max = 2}},
                {.verb = FSOP_VERB_JOB_PAUSE, .args.job = {.id = 1}},
                {.verb = FSOP_VERB_JOB_RESUME, .args.job = {.id = UINT64_MAX}},
                {.verb = FSOP_VERB_JOB_CANCEL, .as = FSOP_AS_CALLER, .args.job = {.id = 1}},
                {.verb = FSOP_VERB_JOB_RETRY, .args.job = {.id = 1}},
                {.verb = FSOP_VERB_JOB_FORGET, .args.job = {.id = 1}},
        };
        static bool filled;
        if (!filled) {
                fill();
                explained = (struct operation){
                        .verb = FSOP_VERB_CHOWN,
                        .as = FSOP_AS_ELEVATED,
                        .at = ODD_PATH,
                        .args.chown = {.has_uid = true, .uid = 1000},
                };
                explained_cp = (struct operation){
                        .verb = FSOP_VERB_CP,
                        .at = PATH("/from"),
                        .to = PATH("/to"),
                        .args.cp = {.recursive = true, .names = many_texts, .n_names = 1},
                };
                filled = true;
        }
        *ret_n = COUNT(ops);
        return ops;
}

/* ---- answers ----------------------------------------------------------------------------------------------------- */

static const struct support some_support[] = {
        {.verb = FSOP_VERB_CHOWN,
         .feature = TEXT("chown"),
         .level = FSOP_SUPPORT_NATIVE,
         .note = TEXT("by descriptor")},
        {.feature = TEXT("reflink"), .level = FSOP_SUPPORT_UNKNOWN},
        {.verb = FSOP_VERB_FSYNC, .level = FSOP_SUPPORT_UNSUPPORTED, .note = TEXT("\xe2\x80\xa6")},
};
static const struct bytes some_texts[] = {TEXT("first"), TEXT(""), TEXT("line\n\xc3\xa9")};
static const struct counter some_counters[] = {
        {.name = TEXT("connections"), .value = 3, .has_limit = true, .limit = 0},
        {.name = TEXT("bytes"), .value = UINT64_MAX, .has_limit = true, .limit = UINT64_MAX},
        {.name = TEXT("zero")},
};

#define EXTREME_STAT                                                                                                   \
        {                                                                                                              \
                .mask = UINT32_MAX, .mode = UINT32_MAX, .nlink = UINT32_MAX, .uid = UINT32_MAX, .gid = UINT32_MAX,     \
                .blksize = UINT32_MAX, .attributes = UINT64_MAX, .attributes_mask = UINT64_MAX, .ino = UINT64_MAX,     \
                .size = UINT64_MAX, .blocks = UINT64_MAX, .atime = {INT64_MIN, 999999999},                             \
                .btime = {INT64_MAX, UINT32_MAX}, .ctime = {-1, 1}, .mtime = {INT64_MIN, 0}, .rdev_major = UINT32_MAX, \
                .rdev_minor = UINT32_MAX, .dev_major = UINT32_MAX, .dev_minor = UINT32_MAX, .mnt_id = UINT64_MAX       \
        }

struct error sample_error(void) {
        return (struct error){
                .code = FSOP_EPERM,
                .class_ = FSOP_CLASS_DENIED,
                .retryable = true,
                .os_error = INT32_MIN,
                .rule = TEXT("build-tree"),
                .message = TEXT("chown of /srv/build/x: no rule allows it"),
        };
}

#define EXTREME_JOB                                                                                                    \
        {                                                                                                              \
                .id = UINT64_MAX, .state = FSOP_JOB_CANCELLED, .uid = UINT32_MAX, .user = {long_name, 200},            \
                .priority = INT32_MIN, .as = FSOP_AS_ELEVATED, .elevated = true, .created = {INT64_MIN, UINT32_MAX},   \
                .started = {INT64_MAX, UINT32_MAX}, .finished = {-1, 999999999}, .retry = {INT64_MIN, UINT32_MAX},     \
                .source = {long_path, sizeof(long_path)}, .target = {long_path, sizeof(long_path)},                    \
                .n_places = UINT32_MAX, .totals_known = true, .files_total = UINT64_MAX, .bytes_total = UINT64_MAX,    \
                .files_done = UINT64_MAX, .files_failed = UINT64_MAX, .files_skipped = UINT64_MAX,                     \
                .bytes_copied = UINT64_MAX, .bytes_flushed = UINT64_MAX, .bytes_verified = UINT64_MAX,                 \
                .bytes_per_s = UINT64_MAX, .has_seconds_left = true, .seconds_left = UINT64_MAX, .verify = true,       \
                .runs = UINT32_MAX, .event = UINT64_MAX                                                                \
        }

static struct job_info some_jobs[WIRE_JOB_ENTRIES_MAX];
static struct job_failure some_job_failures[WIRE_JOB_ENTRIES_MAX];
static struct job_digest some_digests[WIRE_JOB_ENTRIES_MAX];
static struct job_event some_events[WIRE_JOB_ENTRIES_MAX];

static struct job_info short_jobs[] = {{.id = 1,
                                        .state = FSOP_JOB_WAITING,
                                        .uid = 2,
                                        .user = TEXT("u"),
                                        .priority = -1,
                                        .as = FSOP_AS_CALLER,
                                        .elevated = true,
                                        .created = {1, 2},
                                        .started = {3, 4},
                                        .finished = {5, 6},
                                        .retry = {7, 8},
                                        .source = TEXT("/s"),
                                        .target = TEXT("/t"),
                                        .n_places = 1,
                                        .totals_known = true,
                                        .files_total = 9,
                                        .bytes_total = 10,
                                        .files_done = 11,
                                        .files_failed = 12,
                                        .files_skipped = 13,
                                        .bytes_copied = 14,
                                        .bytes_flushed = 15,
                                        .bytes_verified = 16,
                                        .bytes_per_s = 17,
                                        .has_seconds_left = true,
                                        .seconds_left = 0,
                                        .verify = true,
                                        .runs = 18,
                                        .error = {.code = FSOP_ENOSPC, .class_ = FSOP_CLASS_OS},
                                        .event = 19}};
static struct job_failure short_failures[] = {
        {.path = TEXT("/s/a"), .error = {.code = FSOP_EACCES, .class_ = FSOP_CLASS_DENIED, .message = TEXT("no")}},
        {.error = {.code = FSOP_EIO, .class_ = FSOP_CLASS_OS, .os_error = 5}}};
static struct job_event short_events[3];

static struct job_info sample_job(uint32_t i) {
        struct job_info job = EXTREME_JOB;
        if (i % 3 == 1)
                job.error = sample_error();
        if (i % 3 == 2) /* one that has not begun */
                job = (struct job_info){.id = i, .state = FSOP_JOB_QUEUED, .user = TEXT("u"), .has_seconds_left = true};
        job.state = (enum fsop_job_state)(i % 9);
        return job;
}

struct job_info sample_longest_job(void) {
        struct job_info job = EXTREME_JOB;
        fill();
        job.source.len = job.target.len = job.user.len = 128; /* two bytes to say so */
        job.error = sample_error();
        job.error.code = FSOP_EUNKNOWN;
        job.error.message = (struct bytes){long_name, 128};
        job.error.rule = (struct bytes){long_name, 128};
        return job;
}

static void fill_jobs(void) {
        short_events[0] =
                (struct job_event){.number = 1, .time = {1, 2}, .kind = FSOP_JOB_EVENT_STATE, .job = short_jobs[0]};
        short_events[1] = (struct job_event){.number = 2, .kind = FSOP_JOB_EVENT_FAILURE, .failure = short_failures[0]};
        short_events[2] = (struct job_event){.number = 3, .kind = FSOP_JOB_EVENT_PROGRESS, .job = short_jobs[0]};
        for (uint32_t i = 0; i < WIRE_JOB_ENTRIES_MAX; i++) {
                some_jobs[i] = sample_job(i);
                some_job_failures[i] = (struct job_failure){.path = {long_path, i * 15}, .error = sample_error()};
                some_digests[i].path = (struct bytes){long_path, i * 15};
                memset(some_digests[i].digest, (int)i, WIRE_DIGEST_BYTES);
                some_events[i] = (struct job_event){
                        .number = UINT64_MAX - i,
                        .time = NEVER_1969,
                        .kind = (enum fsop_job_event_kind)(1 + i % 3),
                };
                if (some_events[i].kind == FSOP_JOB_EVENT_FAILURE)
                        some_events[i].failure = some_job_failures[i];
                else
                        some_events[i].job = some_jobs[i];
        }
}

static struct entry some_entries[WIRE_LS_ENTRIES_MAX];

static void fill_entries(void) {
        const struct fsop_stat extreme = EXTREME_STAT;
        fill();
        for (uint32_t i = 0; i < WIRE_LS_ENTRIES_MAX; i++)
                some_entries[i] = (struct entry){
                        .name = {long_name + 1, 1 + i % WIRE_NAME_BYTES_MAX},
                        .type = (enum fsop_file_type)(i % 8),
                        .ino = i % 3 ? UINT64_MAX - i : 0,
                        .has_stat = i % 2,
                        .stat = i % 2 ? extreme : (struct fsop_stat){0},
                };
}

const struct result *sample_results(uint32_t *ret_n) {
        static struct walk_failure failures[WIRE_WALK_FAILURES_MAX];
        static struct result results[] = {
                {.verb = FSOP_VERB_PING, .outcome = FSOP_OUTCOME_DONE, .value.data = TEXT("\0x")},
                {.index = 1, .verb = FSOP_VERB_PING, .outcome = FSOP_OUTCOME_DONE},
                {.index = 2,
                 .verb = FSOP_VERB_INFO,
                 .value.info = {.version = TEXT("1.0.0"),
                                .platform = TEXT("Linux"),
                                .engine = TEXT("uring"),
                                .support = some_support,
                                .n_support = COUNT(some_support),
                                .has_filesystem = true,
                                .filesystem = TEXT("xfs"),
                                .features = some_support,
                                .n_features = 2}},
                {.verb = FSOP_VERB_INFO},
                {.verb = FSOP_VERB_STATUS,
                 .value.status = {.counters = some_counters, .n_counters = COUNT(some_counters)}},
                {.verb = FSOP_VERB_STATUS, .value.status = {.counters = some_counters, .no_jobs = TEXT("no room")}},
                {.verb = FSOP_VERB_EXPLAIN,
                 .value.explain = {.allowed = true,
                                   .as = FSOP_AS_ELEVATED,
                                   .rule = TEXT("r"),
                                   .where = TEXT("/etc/fsopd/policy.d/a.yaml:3"),
                                   .reason = TEXT("why"),
                                   .notes = some_texts,
                                   .n_notes = COUNT(some_texts)}},
                {.verb = FSOP_VERB_POLICY_RELOAD,
                 .value.reload = {.rules = UINT32_MAX, .warnings = some_texts, .n_warnings = COUNT(some_texts)}},
                {.verb = FSOP_VERB_STAT, .outcome = FSOP_OUTCOME_DONE, .elevated = true, .value.stat = EXTREME_STAT},
                {.verb = FSOP_VERB_STAT, .outcome = FSOP_OUTCOME_DONE},
                {.verb = FSOP_VERB_STATFS,
                 .value.statfs = {UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX,
                                  UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX}},
                {.verb = FSOP_VERB_UTIMENS, .outcome = FSOP_OUTCOME_DONE},
                {.verb = FSOP_VERB_CHMOD, .value.walk = {.visited = 1, .changed = 1}},
                {.verb = FSOP_VERB_CHOWN,
                 .outcome = FSOP_OUTCOME_DONE,
                 .elevated = true,
                 .value.walk = {.visited = UINT64_MAX,
                                .changed = UINT64_MAX,
                                .failed = UINT64_MAX,
                                .failures = failures,
                                .n_failures = COUNT(failures)}},
                {.verb = FSOP_VERB_CHOWN, .outcome = FSOP_OUTCOME_DONE},
                {.verb = FSOP_VERB_MKNOD, .outcome = FSOP_OUTCOME_DONE},
                {.verb = FSOP_VERB_OPENDIR, .value.handle = UINT64_MAX},
                {.verb = FSOP_VERB_MKDIR, .outcome = FSOP_OUTCOME_UNKNOWN},
                {.verb = FSOP_VERB_RMDIR},
                {.verb = FSOP_VERB_UNLINK},
                {.verb = FSOP_VERB_RENAME},
                {.verb = FSOP_VERB_LS,
                 .value.ls = {.entries = some_entries,
                              .n_entries = WIRE_LS_ENTRIES_MAX,
                              .end = true,
                              .cookie = UINT64_MAX}},
                {.verb = FSOP_VERB_LS},
                {.verb = FSOP_VERB_SYMLINK},
                {.verb = FSOP_VERB_LINK},
                {.verb = FSOP_VERB_READLINK, .value.data = {long_path, sizeof(long_path)}},
                {.verb = FSOP_VERB_GETXATTR, .value.data = {large_value, sizeof(large_value)}},
                {.verb = FSOP_VERB_SETXATTR},
                {.verb = FSOP_VERB_LISTXATTR, .value.data = TEXT("user.a\0user.b\0")},
                {.verb = FSOP_VERB_REMOVEXATTR},
                {.verb = FSOP_VERB_FALLOCATE},
                {.verb = FSOP_VERB_TRUNCATE},
                {.verb = FSOP_VERB_FADVISE},
                {.verb = FSOP_VERB_COPY_RANGE, .value.count = UINT64_MAX, .cloned = true},
                {.verb = FSOP_VERB_OPEN, .value.handle = 1},
                {.verb = FSOP_VERB_OPEN_FD, .value.fd_index = SAMPLE_FDS - 1},
                {.verb = FSOP_VERB_CLOSE},
                {.verb = FSOP_VERB_READ, .value.data = {large_data, sizeof(large_data)}},
                {.verb = FSOP_VERB_WRITE, .value.count = 0},
                {.verb = FSOP_VERB_FSYNC},
                {.verb = FSOP_VERB_CP, .outcome = FSOP_OUTCOME_DONE, .value.job = {.jobs = some_jobs, .n_jobs = 1}},
                {.verb = FSOP_VERB_JOB_LIST,
                 .value.job = {.jobs = some_jobs, .n_jobs = WIRE_JOB_ENTRIES_MAX, .cookie = UINT64_MAX}},
                {.verb = FSOP_VERB_JOB_LIST, .value.job = {.end = true}},
                {.verb = FSOP_VERB_JOB_LIST, .value.job = {.jobs = some_jobs + 2, .n_jobs = 1, .end = true}},
                {.verb = FSOP_VERB_JOB_SHOW,
                 .value.job = {.jobs = some_jobs + 1,
                               .n_jobs = 1,
                               .failures = some_job_failures,
                               .n_failures = WIRE_JOB_ENTRIES_MAX,
                               .cookie = 1}},
                {.verb = FSOP_VERB_JOB_SHOW,
                 .value.job = {.jobs = some_jobs + 2,
                               .n_jobs = 1,
                               .digests = some_digests,
                               .n_digests = WIRE_JOB_ENTRIES_MAX,
                               .end = true}},
                {.verb = FSOP_VERB_JOB_SHOW,
                 .value.job = {.jobs = some_jobs + 2,
                               .n_jobs = 1,
                               .failures = some_job_failures,
                               .n_failures = 2,
                               .digests = some_digests,
                               .n_digests = 2,
                               .end = true}},
                {.verb = FSOP_VERB_JOB_WATCH,
                 .value.job = {.events = some_events, .n_events = WIRE_JOB_ENTRIES_MAX, .end = true}},
                {.verb = FSOP_VERB_JOB_WATCH, .value.job = {.events = some_events + 1, .n_events = 2}},
                {.verb = FSOP_VERB_JOB_PAUSE, .value.job = {.jobs = some_jobs, .n_jobs = 1}},
                {.verb = FSOP_VERB_JOB_RESUME, .value.job = {.jobs = some_jobs + 2, .n_jobs = 1}},
                {.verb = FSOP_VERB_JOB_CANCEL, .value.job = {.jobs = some_jobs + 5, .n_jobs = 1}},
                {.verb = FSOP_VERB_JOB_RETRY, .value.job = {.jobs = some_jobs + 8, .n_jobs = 1}},
                {.verb = FSOP_VERB_JOB_FORGET, .outcome = FSOP_OUTCOME_DONE},
                /* and short ones */
                {.verb = FSOP_VERB_JOB_SHOW,
                 .value.job = {.jobs = short_jobs,
                               .n_jobs = 1,
                               .failures = short_failures,
                               .n_failures = COUNT(short_failures),
                               .digests = some_digests,
                               .n_digests = 1,
                               .end = true,
                               .cookie = 2}},
                {.verb = FSOP_VERB_JOB_WATCH,
                 .value.job = {.events = short_events, .n_events = COUNT(short_events), .cookie = 1}},
                /* failures: a walk may stand beside one, no other value does */
                {.verb = FSOP_VERB_CP},
                {.index = UINT32_MAX, .verb = FSOP_VERB_STAT, .outcome = FSOP_OUTCOME_NOT_STARTED},
                {.index = 41, .verb = FSOP_VERB_CHOWN, .outcome = FSOP_OUTCOME_DONE, .value.walk = {.visited = 9}},
                {.index = 42, .verb = FSOP_VERB_OPEN_FD},
        };
        enum { N_FAILURES = 4 };
        static bool filled;
        if (!filled) {
                fill_entries();
                for (uint32_t i = 0; i < COUNT(failures); i++)
                        failures[i] = (struct walk_failure){
                                .path = {long_path, i * 40},
                                .code = (enum fsop_errno)(FSOP_EPERM + i % 50),
                                .os_error = -(int32_t)i,
                        };
                fill_jobs();
                for (uint32_t i = COUNT(results) - N_FAILURES; i < COUNT(results); i++)
                        results[i].error = sample_error();
                filled = true;
        }
        *ret_n = COUNT(results);
        return results;
}

struct hello sample_hello(void) {
        return (struct hello){
                .version_min = 1,
                .version_max = UINT32_MAX,
                .features = UINT64_MAX,
                .frame_bytes_max = UINT32_MAX,
                .batch_ops_max = 1,
                .batches_max = 2,
                .want_support = true,
                .client = TEXT("odd \xff name\n"),
        };
}

struct welcome sample_welcome(void) {
        return (struct welcome){
                .version = 1,
                .features = WIRE_FEATURE_FDS,
                .frame_bytes_max = WIRE_FRAME_BYTES_MAX,
                .batch_ops_max = WIRE_BATCH_OPS_MAX,
                .batches_max = WIRE_BATCHES_MAX,
                .engine = TEXT("threads"),
                .daemon_version = TEXT("1.0.0"),
                .platform = TEXT("Linux 6.1.0 x86_64"),
                .foreign = true,
                .support = some_support,
                .n_support = COUNT(some_support),
        };
}

/* ---- encoding ---------------------------------------------------------------------------------------------------- */

struct bytes sample_encode(const struct message *message) {
        struct arena scratch;
        struct buffer buffer = {0};
        arena_init(&scratch, 16u << 20);
        int r = codec_encode(&scratch, message, 0, 16u << 20, &buffer);
        size_t len = r == 0 ? buffer_len(&buffer) - FRAME_HEADER_BYTES : 0;
        uint8_t *body = r == 0 ? malloc(len) : NULL;
        if (!body) {
                fprintf(stderr, "a sample cannot be encoded: %d\n", r);
                abort();
        }
        memcpy(body, buffer.data + buffer.start + FRAME_HEADER_BYTES, len);
        buffer_fini(&buffer);
        arena_fini(&scratch);
        return (struct bytes){.data = body, .len = len};
}

struct bytes sample_encode_operation(const struct operation *op) {
        struct operation copy = *op;
        struct message message = {.kind = MESSAGE_BATCH, .body.batch = {.id = 7, .ops = &copy, .n_ops = 1}};
        return sample_encode(&message);
}

struct bytes sample_encode_result(const struct result *result) {
        struct message message = {.kind = MESSAGE_RESULTS,
                                  .body.results = {.id = 7, .results = result, .n_results = 1}};
        return sample_encode(&message);
}

void sample_free(struct bytes body) {
        free((void *)(uintptr_t)body.data);
}

/* ---- comparisons ------------------------------------------------------------------------------------------------- */

bool bytes_equal(struct bytes a, struct bytes b) {
        return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

static bool time_equal(struct fsop_time a, struct fsop_time b) {
        return a.sec == b.sec && a.nsec == b.nsec;
}

static bool create_equal(struct create_args a, struct create_args b) {
        return a.create == b.create && (!a.create || (a.mode == b.mode && a.umask == b.umask));
}

static bool walk_args_equal(struct walk_args a, struct walk_args b) {
        return a.recursive == b.recursive && a.follow == b.follow && a.one_filesystem == b.one_filesystem;
}

static bool location_equal(const struct location *a, const struct location *b) {
        return a->kind == b->kind && a->follow == b->follow && a->fd_index == b->fd_index && a->handle == b->handle &&
               bytes_equal(a->path, b->path);
}

static bool chmod_equal(const struct chmod_args *a, const struct chmod_args *b) {
        return a->set == b->set && a->clear == b->clear && a->set_x == b->set_x && a->clear_x == b->clear_x &&
               a->dir_keep == b->dir_keep && walk_args_equal(a->walk, b->walk);
}

static bool chown_equal(const struct chown_args *a, const struct chown_args *b) {
        return a->has_uid == b->has_uid && a->has_gid == b->has_gid && a->has_from_uid == b->has_from_uid &&
               a->has_from_gid == b->has_from_gid && a->uid == b->uid && a->gid == b->gid &&
               a->from_uid == b->from_uid && a->from_gid == b->from_gid && walk_args_equal(a->walk, b->walk);
}

static bool utimens_equal(const struct utimens_args *a, const struct utimens_args *b) {
        return a->atime_change == b->atime_change && a->mtime_change == b->mtime_change &&
               time_equal(a->atime, b->atime) && time_equal(a->mtime, b->mtime) && create_equal(a->create, b->create);
}

static bool open_equal(const struct open_args *a, const struct open_args *b) {
        return a->read == b->read && a->write == b->write && a->append == b->append && a->truncate == b->truncate &&
               a->exclusive == b->exclusive && a->hint == b->hint && create_equal(a->create, b->create);
}

static bool copy_range_equal(const struct copy_range_args *a, const struct copy_range_args *b) {
        return a->src_offset == b->src_offset && a->dst_offset == b->dst_offset && a->has_length == b->has_length &&
               a->length == b->length && a->clone == b->clone && create_equal(a->create, b->create);
}

static bool fallocate_equal(const struct fallocate_args *a, const struct fallocate_args *b) {
        return a->mode == b->mode && a->keep_size == b->keep_size && a->offset == b->offset && a->length == b->length &&
               create_equal(a->create, b->create);
}

static bool xattr_equal(enum fsop_verb verb, const struct xattr_args *a, const struct xattr_args *b) {
        bool size = verb == FSOP_VERB_GETXATTR || verb == FSOP_VERB_LISTXATTR;
        return bytes_equal(a->name, b->name) && bytes_equal(a->value, b->value) && a->create == b->create &&
               a->replace == b->replace && (!size || a->size_max == b->size_max);
}

static bool texts_equal(const struct bytes *a, uint32_t n_a, const struct bytes *b, uint32_t n_b) {
        if (n_a != n_b)
                return false;
        for (uint32_t i = 0; i < n_a; i++)
                if (!bytes_equal(a[i], b[i]))
                        return false;
        return true;
}

static bool cp_equal(const struct cp_args *a, const struct cp_args *b) {
        return a->job == b->job && a->hold == b->hold && bytes_equal(a->key, b->key) && a->recursive == b->recursive &&
               a->one_filesystem == b->one_filesystem && a->verify == b->verify && a->preserve == b->preserve &&
               a->umask == b->umask && a->clone == b->clone && a->sync == b->sync && a->update == b->update &&
               a->bytes_per_s == b->bytes_per_s && a->priority == b->priority &&
               texts_equal(a->excludes, a->n_excludes, b->excludes, b->n_excludes) &&
               texts_equal(a->names, a->n_names, b->names, b->n_names);
}

static bool job_args_equal(const struct job_args *a, const struct job_args *b) {
        return a->id == b->id && a->all_users == b->all_users && a->want == b->want && a->after == b->after &&
               a->entries_max == b->entries_max;
}

static bool args_equal(const struct operation *a, const struct operation *b) {
        switch (a->verb) {
        case FSOP_VERB_PING:
                return bytes_equal(a->args.ping, b->args.ping);
        case FSOP_VERB_EXPLAIN:
                return bytes_equal(a->args.explain.user, b->args.explain.user) &&
                       operation_equal(a->args.explain.op, b->args.explain.op);
        case FSOP_VERB_UTIMENS:
                return utimens_equal(&a->args.utimens, &b->args.utimens);
        case FSOP_VERB_CHMOD:
                return chmod_equal(&a->args.chmod, &b->args.chmod);
        case FSOP_VERB_CHOWN:
                return chown_equal(&a->args.chown, &b->args.chown);
        case FSOP_VERB_MKNOD:
                return a->args.mknod.type == b->args.mknod.type && a->args.mknod.major == b->args.mknod.major &&
                       a->args.mknod.minor == b->args.mknod.minor &&
                       create_equal(a->args.mknod.create, b->args.mknod.create);
        case FSOP_VERB_MKDIR:
                return create_equal(a->args.mkdir, b->args.mkdir);
        case FSOP_VERB_UNLINK:
                return walk_args_equal(a->args.unlink, b->args.unlink);
        case FSOP_VERB_RENAME:
                return a->args.rename.no_replace == b->args.rename.no_replace &&
                       a->args.rename.exchange == b->args.rename.exchange;
        case FSOP_VERB_LS:
                return a->args.ls.cookie == b->args.ls.cookie && a->args.ls.entries_max == b->args.ls.entries_max &&
                       a->args.ls.with_stat == b->args.ls.with_stat;
        case FSOP_VERB_SYMLINK:
                return bytes_equal(a->args.symlink, b->args.symlink);
        case FSOP_VERB_GETXATTR:
        case FSOP_VERB_SETXATTR:
        case FSOP_VERB_LISTXATTR:
        case FSOP_VERB_REMOVEXATTR:
                return xattr_equal(a->verb, &a->args.xattr, &b->args.xattr);
        case FSOP_VERB_FALLOCATE:
                return fallocate_equal(&a->args.fallocate, &b->args.fallocate);
        case FSOP_VERB_TRUNCATE:
                return a->args.truncate.size == b->args.truncate.size &&
                       create_equal(a->args.truncate.create, b->args.truncate.create);
        case FSOP_VERB_FADVISE:
                return a->args.fadvise.advice == b->args.fadvise.advice &&
                       a->args.fadvise.offset == b->args.fadvise.offset &&
                       a->args.fadvise.length == b->args.fadvise.length;
        case FSOP_VERB_COPY_RANGE:
                return copy_range_equal(&a->args.copy_range, &b->args.copy_range);
        case FSOP_VERB_OPEN:
        case FSOP_VERB_OPEN_FD:
                return open_equal(&a->args.open, &b->args.open);
        case FSOP_VERB_CP:
                return cp_equal(&a->args.cp, &b->args.cp);
        case FSOP_VERB_JOB_LIST:
        case FSOP_VERB_JOB_SHOW:
        case FSOP_VERB_JOB_WATCH:
        case FSOP_VERB_JOB_PAUSE:
        case FSOP_VERB_JOB_RESUME:
        case FSOP_VERB_JOB_CANCEL:
        case FSOP_VERB_JOB_RETRY:
        case FSOP_VERB_JOB_FORGET:
                return job_args_equal(&a->args.job, &b->args.job);
        case FSOP_VERB_READ:
                return a->args.read.offset == b->args.read.offset && a->args.read.length == b->args.read.length;
        case FSOP_VERB_WRITE:
                return a->args.write.offset == b->args.write.offset &&
                       bytes_equal(a->args.write.data, b->args.write.data);
        case FSOP_VERB_FSYNC:
                return a->args.fsync.data_only == b->args.fsync.data_only &&
                       a->args.fsync.filesystem == b->args.fsync.filesystem;
        default:
                return true;
        }
}

bool operation_equal(const struct operation *a, const struct operation *b) {
        return a->verb == b->verb && a->as == b->as && location_equal(&a->at, &b->at) &&
               location_equal(&a->to, &b->to) && args_equal(a, b);
}

bool error_equal(const struct error *a, const struct error *b) {
        return a->code == b->code && a->class_ == b->class_ && a->retryable == b->retryable &&
               a->os_error == b->os_error && bytes_equal(a->rule, b->rule) && bytes_equal(a->message, b->message);
}

static bool stat_equal(const struct fsop_stat *a, const struct fsop_stat *b) {
        return a->mask == b->mask && a->mode == b->mode && a->nlink == b->nlink && a->uid == b->uid &&
               a->gid == b->gid && a->blksize == b->blksize && a->attributes == b->attributes &&
               a->attributes_mask == b->attributes_mask && a->ino == b->ino && a->size == b->size &&
               a->blocks == b->blocks && time_equal(a->atime, b->atime) && time_equal(a->btime, b->btime) &&
               time_equal(a->ctime, b->ctime) && time_equal(a->mtime, b->mtime) && a->rdev_major == b->rdev_major &&
               a->rdev_minor == b->rdev_minor && a->dev_major == b->dev_major && a->dev_minor == b->dev_minor &&
               a->mnt_id == b->mnt_id;
}

static bool listing_equal(const struct result *a, const struct result *b) {
        if (a->value.ls.n_entries != b->value.ls.n_entries || a->value.ls.end != b->value.ls.end ||
            a->value.ls.cookie != b->value.ls.cookie)
                return false;
        for (uint32_t i = 0; i < a->value.ls.n_entries; i++) {
                const struct entry *x = &a->value.ls.entries[i], *y = &b->value.ls.entries[i];
                if (!bytes_equal(x->name, y->name) || x->type != y->type || x->ino != y->ino ||
                    x->has_stat != y->has_stat || !stat_equal(&x->stat, &y->stat))
                        return false;
        }
        return true;
}

static bool walk_equal(const struct walk_result *a, const struct walk_result *b) {
        if (a->visited != b->visited || a->changed != b->changed || a->failed != b->failed ||
            a->n_failures != b->n_failures)
                return false;
        for (uint32_t i = 0; i < a->n_failures; i++)
                if (!bytes_equal(a->failures[i].path, b->failures[i].path) ||
                    a->failures[i].code != b->failures[i].code || a->failures[i].os_error != b->failures[i].os_error)
                        return false;
        return true;
}

bool support_equal(const struct support *a, uint32_t n_a, const struct support *b, uint32_t n_b) {
        if (n_a != n_b)
                return false;
        for (uint32_t i = 0; i < n_a; i++)
                if (a[i].verb != b[i].verb || a[i].level != b[i].level || !bytes_equal(a[i].feature, b[i].feature) ||
                    !bytes_equal(a[i].note, b[i].note))
                        return false;
        return true;
}

static bool info_equal(const struct info_result *a, const struct info_result *b) {
        return bytes_equal(a->version, b->version) && bytes_equal(a->platform, b->platform) &&
               bytes_equal(a->engine, b->engine) && a->has_filesystem == b->has_filesystem &&
               bytes_equal(a->filesystem, b->filesystem) &&
               support_equal(a->support, a->n_support, b->support, b->n_support) &&
               support_equal(a->features, a->n_features, b->features, b->n_features);
}

static bool status_equal(const struct result *a, const struct result *b) {
        if (a->value.status.n_counters != b->value.status.n_counters ||
            !bytes_equal(a->value.status.no_jobs, b->value.status.no_jobs))
                return false;
        for (uint32_t i = 0; i < a->value.status.n_counters; i++) {
                const struct counter *x = &a->value.status.counters[i], *y = &b->value.status.counters[i];
                if (!bytes_equal(x->name, y->name) || x->value != y->value || x->has_limit != y->has_limit ||
                    x->limit != y->limit)
                        return false;
        }
        return true;
}

static bool explain_equal(const struct explain_result *a, const struct explain_result *b) {
        return a->allowed == b->allowed && a->as == b->as && bytes_equal(a->rule, b->rule) &&
               bytes_equal(a->where, b->where) && bytes_equal(a->reason, b->reason) &&
               texts_equal(a->notes, a->n_notes, b->notes, b->n_notes);
}

static bool statfs_equal(const struct fsop_statfs *a, const struct fsop_statfs *b) {
        return a->type == b->type && a->bsize == b->bsize && a->frsize == b->frsize && a->blocks == b->blocks &&
               a->bfree == b->bfree && a->bavail == b->bavail && a->files == b->files && a->ffree == b->ffree &&
               a->fsid == b->fsid && a->namelen == b->namelen && a->flags == b->flags;
}

static bool job_equal(const struct job_info *a, const struct job_info *b) {
        return a->id == b->id && a->state == b->state && a->uid == b->uid && bytes_equal(a->user, b->user) &&
               a->priority == b->priority && a->as == b->as && a->elevated == b->elevated &&
               time_equal(a->created, b->created) && time_equal(a->started, b->started) &&
               time_equal(a->finished, b->finished) && time_equal(a->retry, b->retry) &&
               bytes_equal(a->source, b->source) && bytes_equal(a->target, b->target) && a->n_places == b->n_places &&
               a->totals_known == b->totals_known && a->files_total == b->files_total &&
               a->bytes_total == b->bytes_total && a->files_done == b->files_done &&
               a->files_failed == b->files_failed && a->files_skipped == b->files_skipped &&
               a->bytes_copied == b->bytes_copied && a->bytes_flushed == b->bytes_flushed &&
               a->bytes_verified == b->bytes_verified && a->bytes_per_s == b->bytes_per_s &&
               a->has_seconds_left == b->has_seconds_left && a->seconds_left == b->seconds_left &&
               a->verify == b->verify && a->runs == b->runs && a->event == b->event &&
               error_equal(&a->error, &b->error);
}

static bool job_failure_equal(const struct job_failure *a, const struct job_failure *b) {
        return bytes_equal(a->path, b->path) && error_equal(&a->error, &b->error);
}

static bool job_event_equal(const struct job_event *a, const struct job_event *b) {
        return a->number == b->number && time_equal(a->time, b->time) && a->kind == b->kind &&
               job_equal(&a->job, &b->job) && job_failure_equal(&a->failure, &b->failure);
}

static bool job_answer_equal(const struct job_answer *a, const struct job_answer *b) {
        if (a->n_jobs != b->n_jobs || a->n_failures != b->n_failures || a->n_digests != b->n_digests ||
            a->n_events != b->n_events || a->end != b->end || a->cookie != b->cookie)
                return false;
        for (uint32_t i = 0; i < a->n_jobs; i++)
                if (!job_equal(&a->jobs[i], &b->jobs[i]))
                        return false;
        for (uint32_t i = 0; i < a->n_failures; i++)
                if (!job_failure_equal(&a->failures[i], &b->failures[i]))
                        return false;
        for (uint32_t i = 0; i < a->n_digests; i++)
                if (!bytes_equal(a->digests[i].path, b->digests[i].path) ||
                    memcmp(a->digests[i].digest, b->digests[i].digest, WIRE_DIGEST_BYTES) != 0)
                        return false;
        for (uint32_t i = 0; i < a->n_events; i++)
                if (!job_event_equal(&a->events[i], &b->events[i]))
                        return false;
        return true;
}

static bool value_equal(const struct result *a, const struct result *b) {
        switch (a->verb) {
        case FSOP_VERB_STAT:
                return stat_equal(&a->value.stat, &b->value.stat);
        case FSOP_VERB_STATFS:
                return statfs_equal(&a->value.statfs, &b->value.statfs);
        case FSOP_VERB_PING:
        case FSOP_VERB_READLINK:
        case FSOP_VERB_GETXATTR:
        case FSOP_VERB_LISTXATTR:
        case FSOP_VERB_READ:
                return bytes_equal(a->value.data, b->value.data);
        case FSOP_VERB_OPEN:
        case FSOP_VERB_OPENDIR:
                return a->value.handle == b->value.handle;
        case FSOP_VERB_WRITE:
        case FSOP_VERB_COPY_RANGE:
                return a->value.count == b->value.count;
        case FSOP_VERB_LS:
                return listing_equal(a, b);
        case FSOP_VERB_INFO:
                return info_equal(&a->value.info, &b->value.info);
        case FSOP_VERB_STATUS:
                return status_equal(a, b);
        case FSOP_VERB_EXPLAIN:
                return explain_equal(&a->value.explain, &b->value.explain);
        case FSOP_VERB_POLICY_RELOAD:
                return a->value.reload.rules == b->value.reload.rules &&
                       texts_equal(a->value.reload.warnings, a->value.reload.n_warnings, b->value.reload.warnings,
                                   b->value.reload.n_warnings);
        case FSOP_VERB_OPEN_FD:
                return a->value.fd_index == b->value.fd_index;
        case FSOP_VERB_CP:
        case FSOP_VERB_JOB_LIST:
        case FSOP_VERB_JOB_SHOW:
        case FSOP_VERB_JOB_WATCH:
        case FSOP_VERB_JOB_PAUSE:
        case FSOP_VERB_JOB_RESUME:
        case FSOP_VERB_JOB_CANCEL:
        case FSOP_VERB_JOB_RETRY:
        case FSOP_VERB_JOB_FORGET:
                return job_answer_equal(&a->value.job, &b->value.job);
        default:
                return true;
        }
}

bool result_equal(const struct result *a, const struct result *b) {
        bool walks = a->verb == FSOP_VERB_CHMOD || a->verb == FSOP_VERB_CHOWN || a->verb == FSOP_VERB_UNLINK;
        if (a->index != b->index || a->verb != b->verb || a->outcome != b->outcome || a->elevated != b->elevated ||
            a->cloned != b->cloned || !error_equal(&a->error, &b->error))
                return false;
        if (walks)
                return walk_equal(&a->value.walk, &b->value.walk);
        return a->error.code || value_equal(a, b);
}
