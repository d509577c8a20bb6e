/* SPDX-License-Identifier: MIT */
/*
 * test_engine_files.c: operations on files through the engines. Every case is done twice, in two directories of the
 * same shape: by the engine in the one, by sys_run in the other; outcome, code, raw error and answer must be the same.
 * With the ring, the test also sees whether it was the ring that did it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "tests/support/engine_harness.h"
#include "tests/support/suite.h"

#ifdef FSOP_HAVE_URING
#include "backends/linux/engine_uring.h"
#include "backends/linux/sys_linux.h"
#endif

#define OUT_BYTES 70000u

/* One operation on its way. */
struct subject {
        struct operation op;
        struct sys_op sys;
        struct result result;
        uint8_t out[OUT_BYTES];
        char at[256], to[256];
};

static struct identity *caller; /* as whom everything is done */
static char directory[2][64];   /* by the engine; by sys_run */

static void command(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void command(const char *format, ...) {
        char line[1024];
        va_list arguments;

        va_start(arguments, format);
        vsnprintf(line, sizeof(line), format, arguments);
        va_end(arguments);
        ck_assert_msg(system(line) == 0, "%s", line);
}

/* Both directories get the same things. */
static void make_directories(void) {
        for (int i = 0; i < 2; i++) {
                snprintf(directory[i], sizeof(directory[i]), "/tmp/fsop-engine-XXXXXX");
                ck_assert_ptr_nonnull(mkdtemp(directory[i]));
                command("cd %s && mkdir empty full && echo text > full/file && echo hello world > file && echo other > "
                        "other && "
                        "ln -s file link && chmod 755 . && touch -d @1000000000 file",
                        directory[i]);
        }
}

static void remove_directories(void) {
        for (int i = 0; i < 2; i++)
                command("rm -rf %s", directory[i]);
}

static void be_myself(void) {
        struct peer peer = {
                .uid = geteuid(), .gid = getegid(), .capabilities = UINT64_MAX, .pid = getpid(), .pidfd = OS_FD_NONE};

        ck_assert_int_eq(identity_of_peer(&peer, &caller), 0);
}

static void be_user(uint32_t uid) {
        struct peer peer = {.uid = uid, .gid = uid, .pid = getpid(), .pidfd = OS_FD_NONE};

        ck_assert_int_eq(identity_of_peer(&peer, &caller), 0);
}

static void be_nobody_any_more(void) {
        caller = identity_unref(caller);
}

static void begin(struct subject *s, const struct operation *op) {
        memset(&s->sys, 0, sizeof(s->sys));
        memset(&s->result, 0, sizeof(s->result));
        s->op = *op;
        s->sys.op = &s->op;
        s->sys.identity = s->sys.at.identity = s->sys.to.identity = caller;
        s->sys.at.base = s->sys.to.base = OS_FD_NONE;
        s->sys.at.parent = s->sys.to.parent = s->sys.at.object = s->sys.to.object = OS_FD_NONE;
        s->sys.opened = OS_FD_NONE;
        s->sys.out = s->out;
        s->sys.out_bytes = sizeof(s->out);
        s->sys.result = &s->result;
}

static void by_path(struct place *place, char *room, const char *where, const char *name) {
        int n = snprintf(room, 256, "%s/%s", where, name);

        place->path = (struct bytes){(const uint8_t *)room, (size_t)n};
}

static void by_handle(struct place *place, int fd) {
        place->base = fd;
        place->base_is_object = true;
        place->path = (struct bytes){(const uint8_t *)"", 0};
}

/* ---- comparing --------------------------------------------------------------------------------------------------- */

/* What two files of the same making have in common. */
static void compare_stat(const struct fsop_stat *a, const struct fsop_stat *b) {
        ck_assert_uint_eq(a->mask, b->mask);
        ck_assert_uint_eq(a->mode, b->mode);
        ck_assert_uint_eq(a->nlink, b->nlink);
        ck_assert_uint_eq(a->uid, b->uid);
        ck_assert_uint_eq(a->size, b->size);
        ck_assert_uint_eq(a->attributes, b->attributes);
        ck_assert_uint_eq(a->dev_major, b->dev_major);
        ck_assert_uint_eq(a->dev_minor, b->dev_minor);
        ck_assert_uint_eq(a->mnt_id, b->mnt_id);
        ck_assert_uint_ne(a->ino, b->ino);
        ck_assert_int_ne(a->btime.sec, 0);
}

static void compare_walk(const struct walk_result *a, const struct walk_result *b) {
        ck_assert_uint_eq(a->visited, b->visited);
        ck_assert_uint_eq(a->changed, b->changed);
        ck_assert_uint_eq(a->failed, b->failed);
        ck_assert_uint_eq(a->n_failures, b->n_failures);
}

static void compare(struct subject *s, const char *what) {
        ck_assert_msg(s[0].sys.code == s[1].sys.code, "%s: %d by the engine, %d directly", what, s[0].sys.code,
                      s[1].sys.code);
        ck_assert_msg(s[0].sys.os_error == s[1].sys.os_error, "%s: raw %d, %d", what, s[0].sys.os_error,
                      s[1].sys.os_error);
        ck_assert_msg(s[0].result.outcome == s[1].result.outcome, "%s: outcome", what);
        ck_assert(s[0].sys.guarded == s[1].sys.guarded);
        ck_assert(!s[0].sys.why == !s[1].sys.why);
        if (s->op.verb == FSOP_VERB_UNLINK)
                compare_walk(&s[0].result.value.walk, &s[1].result.value.walk);
        if (s->sys.code < 0)
                return;
        switch (s->op.verb) {
        case FSOP_VERB_STAT:
                compare_stat(&s[0].result.value.stat, &s[1].result.value.stat);
                return;
        case FSOP_VERB_READ:
        case FSOP_VERB_GETXATTR:
                ck_assert_uint_eq(s[0].result.value.data.len, s[1].result.value.data.len);
                ck_assert_int_eq(
                        memcmp(s[0].result.value.data.data, s[1].result.value.data.data, s[0].result.value.data.len),
                        0);
                return;
        case FSOP_VERB_WRITE:
                ck_assert_uint_eq(s[0].result.value.count, s[1].result.value.count);
                return;
        default:
                return;
        }
}

static uint64_t declined(void) {
        struct engine_stats stats;

        engine->ops->stats(engine, &stats);
        return stats.declined;
}

/* Where an operation is done: names below the directories, or the file to open with flags. */
struct where {
        const char *at, *to;
        bool handle;
        int flags;
};

enum { BY_RING, BY_POOL };

static struct subject subjects[2];

static void run_by_engine(struct subject *s) {
        struct tally tally = {0};
        struct io io = io_for(IO_RUN, &tally);

        io.u.op = &s->sys;
        harness_submit(&io);
        WAIT_UNTIL(tally.last);
        ck_assert_int_eq(tally.result, s->sys.code);
        ck_assert_int_eq(io.os_error, s->sys.os_error);
}

/* Does it both ways; the code. expected: who is to do it when the engine is the ring. */
static int twice(const char *what, const struct operation *op, struct where where, int expected) {
        uint64_t before = declined();
        bool resolved = true;

        for (int i = 0; i < 2; i++) {
                struct subject *s = &subjects[i];
                int fd = -1;

                begin(s, op);
                by_path(&s->sys.at, s->at, directory[i], where.at);
                if (where.to)
                        by_path(&s->sys.to, s->to, directory[i], where.to);
                if (where.handle) {
                        fd = open(s->at, where.flags | O_CLOEXEC | O_NONBLOCK);
                        ck_assert_int_ge(fd, 0);
                        by_handle(&s->sys.at, fd);
                }
                if (sys_resolve(&s->sys, 0) < 0)
                        resolved = false;
                else if (i == 0)
                        run_by_engine(s);
                else
                        sys_run(&s->sys);
                identity_wear_service();
                sys_release(&s->sys);
                if (fd >= 0)
                        close(fd);
        }
        compare(subjects, what);
        if (resolved && strcmp(engine->ops->name, "uring") == 0)
                ck_assert_msg(declined() - before == (expected == BY_POOL), "%s: by the wrong one", what);
        return subjects[0].sys.code;
}

#define OPEN_FORCED()                                                                                                  \
        do {                                                                                                           \
                if (!harness_open(_i, 2))                                                                              \
                        return;                                                                                        \
                make_directories();                                                                                    \
                be_myself();                                                                                           \
        } while (0)

static void end(void) {
        be_nobody_any_more();
        remove_directories();
        harness_close();
}

/* ---- names ------------------------------------------------------------------------------------------------------- */

START_TEST(stat_of_everything) {
        struct operation op = {.verb = FSOP_VERB_STAT};
        static const char *const names[] = {"file", "link", "empty", "full/file"};

        OPEN_FORCED();
        for (unsigned i = 0; i < 4; i++) {
                ck_assert_int_eq(twice(names[i], &op, (struct where){.at = names[i]}, BY_RING), 0);
                ck_assert_uint_ne(subjects[0].result.value.stat.mask & FSOP_STAT_MNT_ID, 0);
        }
        ck_assert_int_eq(twice("handle", &op, (struct where){.at = "file", .handle = true, .flags = O_RDONLY}, BY_RING),
                         0);
        ck_assert_uint_eq(subjects[0].result.value.stat.size, 12);
        end();
}
END_TEST

START_TEST(names_made_and_removed) {
        struct operation unlink_op = {.verb = FSOP_VERB_UNLINK}, rmdir_op = {.verb = FSOP_VERB_RMDIR};
        struct operation symlink_op = {.verb = FSOP_VERB_SYMLINK, .args.symlink = {(const uint8_t *)"target\n", 7}};
        struct operation link_op = {.verb = FSOP_VERB_LINK};
        struct where fresh = {.at = "fresh"};
        char text[32] = "";

        OPEN_FORCED();
        ck_assert_int_eq(twice("symlink", &symlink_op, fresh, BY_RING), 0);
        ck_assert_int_eq(twice("symlink again", &symlink_op, fresh, BY_RING), -FSOP_EEXIST);
        ck_assert_int_eq(readlink(subjects[0].at, text, sizeof(text)), 7);
        ck_assert_str_eq(text, "target\n");
        ck_assert_int_eq(twice("unlink", &unlink_op, fresh, BY_RING), 0);
        ck_assert_int_eq(access(subjects[0].at, F_OK), -1);
        ck_assert_int_eq(twice("unlink a directory", &unlink_op, (struct where){.at = "empty"}, BY_RING), -FSOP_EISDIR);
        ck_assert_int_eq(twice("rmdir full", &rmdir_op, (struct where){.at = "full"}, BY_RING), -FSOP_ENOTEMPTY);
        ck_assert_int_eq(twice("rmdir a file", &rmdir_op, (struct where){.at = "file"}, BY_RING), -FSOP_ENOTDIR);
        ck_assert_int_eq(twice("rmdir", &rmdir_op, (struct where){.at = "empty"}, BY_RING), 0);
        ck_assert_int_eq(twice("link", &link_op, (struct where){.at = "file", .to = "linked"}, BY_RING), 0);
        ck_assert_int_eq(twice("link again", &link_op, (struct where){.at = "file", .to = "linked"}, BY_RING),
                         -FSOP_EEXIST);
        end();
}
END_TEST

START_TEST(renames) {
        struct operation op = {.verb = FSOP_VERB_RENAME};
        struct where here = {.at = "file", .to = "other"}, away = {.at = "file", .to = "full/moved"};
        struct stat st;

        OPEN_FORCED();
        op.args.rename.no_replace = true;
        ck_assert_int_eq(twice("no-replace", &op, here, BY_RING), -FSOP_EEXIST);
        op.args.rename = (struct rename_args){.exchange = true};
        ck_assert_int_eq(twice("exchange", &op, here, BY_RING), 0);
        ck_assert_int_eq(stat(subjects[0].at, &st), 0);
        ck_assert_int_eq(st.st_size, 6);
        op.args.rename = (struct rename_args){0};
        ck_assert_int_eq(twice("rename", &op, away, BY_RING), 0);
        ck_assert_int_eq(access(subjects[0].to, F_OK), 0);
        end();
}
END_TEST

/* A rename changes what paths mean: the cache of parents learns it from the ring, too. */
START_TEST(cache_of_parents_goes_stale) {
        struct operation op = {.verb = FSOP_VERB_RENAME};
        struct parent_cache cache;
        struct subject *s = &subjects[0];

        OPEN_FORCED();
        parent_cache_init(&cache);
        begin(s, &op);
        s->sys.cache = &cache;
        by_path(&s->sys.at, s->at, directory[0], "file");
        by_path(&s->sys.to, s->to, directory[0], "moved");
        ck_assert_int_eq(sys_resolve(&s->sys, 0), 0);
        run_by_engine(s);
        ck_assert_int_eq(s->sys.code, 0);
        ck_assert_int_ne(cache.stale, 0);
        sys_release(&s->sys);
        parent_cache_clear(&cache);
        end();
}
END_TEST

/* ---- data -------------------------------------------------------------------------------------------------------- */

static struct operation read_op(uint64_t offset, uint32_t length) {
        struct operation op = {.verb = FSOP_VERB_READ};

        op.args.read = (struct read_args){.offset = offset, .length = length};
        return op;
}

static struct operation write_op(uint64_t offset, const char *text) {
        struct operation op = {.verb = FSOP_VERB_WRITE};

        op.args.write = (struct write_args){.offset = offset, .data = {(const uint8_t *)text, strlen(text)}};
        return op;
}

START_TEST(reads_and_writes) {
        struct where reader = {.at = "file", .handle = true, .flags = O_RDONLY};
        struct where writer = {.at = "file", .handle = true, .flags = O_WRONLY};
        struct where appender = {.at = "file", .handle = true, .flags = O_WRONLY | O_APPEND};
        struct operation read_all = read_op(0, 100), read_some = read_op(6, 3), read_beyond = read_op(100, 10),
                         read_nothing = read_op(0, 0), write_some = write_op(6, "there"), write_none = write_op(0, ""),
                         write_far = write_op(5ull << 30, "far"), read_far = read_op((5ull << 30) - 1, 10);

        OPEN_FORCED();
        ck_assert_int_eq(twice("read", &read_all, reader, BY_RING), 0);
        ck_assert_uint_eq(subjects[0].result.value.data.len, 12);
        ck_assert_int_eq(twice("read some", &read_some, reader, BY_RING), 0);
        ck_assert_int_eq(memcmp(subjects[0].out, "wor", 3), 0);
        ck_assert_int_eq(twice("read beyond", &read_beyond, reader, BY_RING), 0);
        ck_assert_uint_eq(subjects[0].result.value.data.len, 0);
        ck_assert_int_eq(twice("read nothing", &read_nothing, reader, BY_POOL), 0);
        ck_assert_int_eq(twice("read, not open for it", &read_all, writer, BY_RING), -FSOP_EBADF);
        ck_assert_int_eq(twice("write, not open for it", &write_some, reader, BY_RING), -FSOP_EBADF);
        ck_assert_int_eq(twice("write", &write_some, writer, BY_RING), 0);
        ck_assert_int_eq(twice("append", &write_some, appender, BY_RING), 0);
        ck_assert_int_eq(twice("write nothing", &write_none, writer, BY_POOL), 0);
        ck_assert_int_eq(twice("what was written", &read_all, reader, BY_RING), 0);
        ck_assert_int_eq(memcmp(subjects[0].out, "hello there\nthere", 17), 0);
        ck_assert_int_eq(twice("far", &write_far, writer, BY_RING), 0);
        ck_assert_int_eq(twice("far back", &read_far, reader, BY_RING), 0);
        ck_assert_int_eq(memcmp(subjects[0].out, "\0far", 4), 0);
        end();
}
END_TEST

START_TEST(space_and_advice) {
        static const enum fsop_fallocate_mode modes[] = {FSOP_FALLOCATE_ALLOCATE,     FSOP_FALLOCATE_PUNCH_HOLE,
                                                         FSOP_FALLOCATE_ZERO_RANGE,   FSOP_FALLOCATE_COLLAPSE_RANGE,
                                                         FSOP_FALLOCATE_INSERT_RANGE, FSOP_FALLOCATE_UNSHARE_RANGE};
        struct where writer = {.at = "file", .handle = true, .flags = O_RDWR};
        struct where reader = {.at = "file", .handle = true, .flags = O_RDONLY};
        struct operation stat_op = {.verb = FSOP_VERB_STAT}, op = {.verb = FSOP_VERB_FALLOCATE};

        OPEN_FORCED();
        for (unsigned i = 0; i < 6; i++) {
                op.args.fallocate = (struct fallocate_args){
                        .mode = modes[i], .offset = i ? 65536 : 0, .length = i ? 65536 : 1 << 20};
                twice("fallocate", &op, writer, BY_RING);
                twice("what it made", &stat_op, writer, BY_RING);
        }
        ck_assert_int_eq(twice("fallocate, not open for it", &op, reader, BY_RING), -FSOP_EBADF);
        op.args.fallocate = (struct fallocate_args){.length = 4096};
        ck_assert_int_eq(twice("by path", &op, (struct where){.at = "other"}, BY_POOL), 0);
        op = (struct operation){.verb = FSOP_VERB_FADVISE};
        for (int advice = 0; advice < 6; advice++) {
                op.args.fadvise = (struct fadvise_args){.advice = (enum fsop_advice)advice, .length = 4096};
                ck_assert_int_eq(twice("fadvise", &op, reader, BY_RING), 0);
        }
        op.args.fadvise.length = 1ull << 40;
        ck_assert_int_eq(twice("fadvise of more than 32 bits", &op, reader, BY_POOL), 0);
        end();
}
END_TEST

START_TEST(flushes) {
        struct operation op = {.verb = FSOP_VERB_FSYNC};
        struct where file = {.at = "file", .handle = true, .flags = O_RDONLY};
        struct where opened_directory = {.at = "full", .handle = true, .flags = O_RDONLY | O_DIRECTORY};
        struct where pinned_only = {.at = "file", .handle = true, .flags = O_PATH};

        OPEN_FORCED();
        ck_assert_int_eq(twice("fsync", &op, file, BY_RING), 0);
        ck_assert_int_eq(twice("fsync of a directory", &op, opened_directory, BY_RING), 0);
        ck_assert_int_eq(twice("fsync of what is not open", &op, pinned_only, BY_POOL), 0);
        op.args.fsync.data_only = true;
        ck_assert_int_eq(twice("fdatasync", &op, file, BY_RING), 0);
        op.args.fsync = (struct fsync_args){.filesystem = true};
        ck_assert_int_eq(twice("syncfs", &op, file, BY_POOL), 0);
        end();
}
END_TEST

static struct operation xattr_op(enum fsop_verb verb, const char *name, const char *value) {
        struct operation op = {.verb = verb};

        op.args.xattr.name = (struct bytes){(const uint8_t *)name, strlen(name)};
        op.args.xattr.value = (struct bytes){(const uint8_t *)value, strlen(value)};
        return op;
}

START_TEST(attributes) {
        struct where file = {.at = "file", .handle = true, .flags = O_RDWR};
        struct operation set = xattr_op(FSOP_VERB_SETXATTR, "user.test", "value"),
                         get = xattr_op(FSOP_VERB_GETXATTR, "user.test", ""),
                         none = xattr_op(FSOP_VERB_GETXATTR, "user.none", "");

        OPEN_FORCED();
        if (setxattr(directory[0], "user.probe", "x", 1, 0) < 0) {
                printf("SKIP: attributes: %s has none\n", directory[0]);
                end();
                return;
        }
        ck_assert_int_eq(twice("setxattr", &set, file, BY_RING), 0);
        ck_assert_int_eq(twice("getxattr", &get, file, BY_RING), 0);
        ck_assert_int_eq(memcmp(subjects[0].out, "value", 5), 0);
        ck_assert_int_eq(twice("one that is not there", &none, file, BY_RING), -FSOP_ENODATA);
        get.args.xattr.size_max = 3;
        ck_assert_int_eq(twice("too little room", &get, file, BY_RING), -FSOP_ERANGE);
        set.args.xattr.create = true;
        ck_assert_int_eq(twice("create again", &set, file, BY_RING), -FSOP_EEXIST);
        set = xattr_op(FSOP_VERB_SETXATTR, "user.none", "");
        set.args.xattr.replace = true;
        ck_assert_int_eq(twice("replace nothing", &set, file, BY_RING), -FSOP_ENODATA);
        set.args.xattr.replace = false;
        ck_assert_int_eq(twice("an empty one", &set, file, BY_RING), 0);
        ck_assert_int_eq(twice("the empty one", &none, file, BY_RING), 0);
        set = xattr_op(FSOP_VERB_SETXATTR, "user.test", "by path");
        ck_assert_int_eq(twice("setxattr by path", &set, (struct where){.at = "file"}, BY_POOL), 0);
        end();
}
END_TEST

/* ---- what the ring must not do ----------------------------------------------------------------------------------- */

START_TEST(declined_where_it_might_hang_or_differ) {
        struct operation stat_op = {.verb = FSOP_VERB_STAT}, mkdir_op = {.verb = FSOP_VERB_MKDIR},
                         chmod_op = {.verb = FSOP_VERB_CHMOD, .args.chmod = {.set = 0100}},
                         link_op = {.verb = FSOP_VERB_SYMLINK, .args.symlink = {(const uint8_t *)"x", 1}},
                         write = write_op(0, "x"),
                         walk = {.verb = FSOP_VERB_UNLINK, .args.unlink = {.recursive = true}};
        struct subject *s = &subjects[0];
        struct directory root; /* which is asked for once more where it takes long until a worker comes to it */

        OPEN_FORCED();
        ck_assert_int_eq(directory_open(directory[0], &root), 0);
        mkdir_op.args.mkdir = (struct create_args){.create = true, .mode = 0777, .umask = 027};
        ck_assert_int_eq(twice("mkdir", &mkdir_op, (struct where){.at = "fresh"}, BY_POOL), 0);
        ck_assert_int_eq(twice("chmod", &chmod_op, (struct where){.at = "file"}, BY_POOL), 0);
        ck_assert_int_eq(twice("walk", &walk, (struct where){.at = "full"}, BY_POOL), 0);
        for (int i = 0; i < 4; i++) {
                struct guard guard = {.root = &root, .has_bytes_max = true, .bytes_max = 100};
                uint64_t before = declined();
                int fd = open(directory[0], O_RDONLY | O_CLOEXEC);

                begin(s, i < 2 ? &stat_op : i == 2 ? &write : &link_op);
                by_path(&s->sys.at, s->at, directory[0], i < 3 ? "file" : "made");
                if (i == 2) {
                        close(fd);
                        fd = open(s->at, O_WRONLY | O_CLOEXEC);
                        by_handle(&s->sys.at, fd);
                }
                ck_assert_int_eq(sys_resolve(&s->sys, 0), 0);
                if (i == 0)
                        s->sys.at.fs = FS_SLOW;
                else if (i == 1)
                        s->sys.at.base_is_client_fd = true;
                else
                        s->sys.at.guard = &guard;
                run_by_engine(s);
                ck_assert_int_eq(s->sys.code, 0);
                if (strcmp(engine->ops->name, "uring") == 0)
                        ck_assert_uint_eq(declined() - before, 1);
                s->sys.at.guard = NULL;
                sys_release(&s->sys);
                close(fd);
        }
        directory_close(&root);
        end();
}
END_TEST

START_TEST(cancelled_before_it_was_begun) {
        struct operation op = {.verb = FSOP_VERB_UNLINK};
        struct subject *s = &subjects[0];

        OPEN_FORCED();
        begin(s, &op);
        by_path(&s->sys.at, s->at, directory[0], "file");
        ck_assert_int_eq(sys_resolve(&s->sys, 0), 0);
        s->sys.cancelled = 1;
        run_by_engine(s);
        ck_assert_int_eq(s->sys.code, -FSOP_ECANCELED);
        ck_assert_int_eq(s->result.outcome, FSOP_OUTCOME_NOT_STARTED);
        ck_assert_int_eq(access(s->at, F_OK), 0);
        sys_release(&s->sys);
        end();
}
END_TEST

/* Cancelled at any time: what the answer says is what happened. */
START_TEST(cancel_tells_the_truth) {
        struct operation op = {.verb = FSOP_VERB_UNLINK};
        unsigned undone = 0;

        OPEN_FORCED();
        for (int i = 0; i < 200; i++) {
                struct subject *s = &subjects[0];
                struct tally tally = {0};
                struct io io = io_for(IO_RUN, &tally);

                command("touch %s/victim", directory[0]);
                begin(s, &op);
                by_path(&s->sys.at, s->at, directory[0], "victim");
                ck_assert_int_eq(sys_resolve(&s->sys, 0), 0);
                io.u.op = &s->sys;
                harness_submit(&io);
                if (i % 3 == 0)
                        ck_assert_int_ge(engine->ops->wait(engine, 0), 0);
                if (!tally.last)
                        harness_cancel(&io);
                WAIT_UNTIL(tally.last);
                ck_assert_msg(tally.result == 0 || tally.result == -FSOP_ECANCELED, "%d", (int)tally.result);
                ck_assert_int_eq(access(s->at, F_OK) == 0, tally.result < 0);
                undone += tally.result < 0;
                sys_release(&s->sys);
        }
        printf("cancelled in time: %u of 200\n", undone);
        end();
}
END_TEST

/* ---- as whom ----------------------------------------------------------------------------------------------------- */

#define ALICE 54321u
#define BOB 54322u

/* Through the ring an operation is done as its identity, whoever the loop thread is at that time. */
START_TEST(done_as_its_identity) {
        struct operation unlink_op = {.verb = FSOP_VERB_UNLINK}, get = xattr_op(FSOP_VERB_GETXATTR, "user.test", "");
        struct operation symlink_op = {.verb = FSOP_VERB_SYMLINK, .args.symlink = {(const uint8_t *)"x", 1}};
        struct where reader = {.at = "private/secret", .handle = true, .flags = O_RDONLY};
        struct stat st;

        if (geteuid() != 0) {
                printf("SKIP: done_as_its_identity: needs root\n");
                return;
        }
        if (!harness_open(_i, 2))
                return;
        make_directories();
        for (int i = 0; i < 2; i++)
                command("cd %s && mkdir private && echo s > private/secret && setfattr -n user.test -v v "
                        "private/secret && "
                        "chown -R %u:%u private && chmod 711 private && chmod 600 private/secret",
                        directory[i], ALICE, ALICE);
        be_user(BOB);
        ck_assert_int_eq(twice("bob unlinks", &unlink_op, (struct where){.at = "private/secret"}, BY_RING),
                         -FSOP_EACCES);
        ck_assert_int_eq(twice("bob asks", &get, reader, BY_RING), -FSOP_EACCES);
        ck_assert_int_eq(twice("bob links", &symlink_op, (struct where){.at = "private/link"}, BY_RING), -FSOP_EACCES);
        be_nobody_any_more();
        be_user(ALICE);
        ck_assert_int_eq(twice("alice asks", &get, reader, BY_RING), 0);
        ck_assert_int_eq(twice("alice links", &symlink_op, (struct where){.at = "private/link"}, BY_RING), 0);
        ck_assert_int_eq(lstat(subjects[0].at, &st), 0);
        ck_assert_uint_eq(st.st_uid, ALICE);
        ck_assert_uint_eq(st.st_gid, ALICE);
        ck_assert_int_eq(twice("alice unlinks", &unlink_op, (struct where){.at = "private/secret"}, BY_RING), 0);
        end();
}
END_TEST

/* Submitted, and only handed to the kernel by a wait in which the thread wears somebody else. */
START_TEST(identity_of_the_loop_thread_does_not_matter) {
        struct operation op = {.verb = FSOP_VERB_SYMLINK, .args.symlink = {(const uint8_t *)"x", 1}};
        struct subject *s = &subjects[0];
        struct tally tally = {0};
        struct io io = io_for(IO_RUN, &tally);
        struct identity *alice;
        struct stat st;

        if (geteuid() != 0) {
                printf("SKIP: identity_of_the_loop_thread_does_not_matter: needs root\n");
                return;
        }
        if (!harness_open(_i, 2))
                return;
        make_directories();
        command("chmod 777 %s", directory[0]);
        be_user(ALICE);
        alice = identity_ref(caller);
        begin(s, &op);
        by_path(&s->sys.at, s->at, directory[0], "fresh");
        ck_assert_int_eq(sys_resolve(&s->sys, 0), 0);
        io.u.op = &s->sys;
        harness_submit(&io);
        be_nobody_any_more();
        be_user(BOB);
        ck_assert_int_eq(identity_wear(caller), 0);
        WAIT_UNTIL(tally.last);
        identity_wear_service();
        ck_assert_int_eq(tally.result, 0);
        ck_assert_int_eq(lstat(s->at, &st), 0);
        ck_assert_uint_eq(st.st_uid, ALICE);
        sys_release(&s->sys);
        identity_unref(alice);
        end();
}
END_TEST

#ifdef FSOP_HAVE_URING

static void stat_as(struct identity *identity) {
        struct operation op = {.verb = FSOP_VERB_STAT};
        struct subject *s = &subjects[0];

        caller = identity;
        begin(s, &op);
        by_path(&s->sys.at, s->at, directory[0], "file");
        ck_assert_int_eq(sys_resolve(&s->sys, 0), 0);
        run_by_engine(s);
        ck_assert_int_eq(s->sys.code, 0);
        sys_release(&s->sys);
}

/* Registered once, bounded, and given back when the identity goes. */
START_TEST(personalities_come_and_go) {
        enum { MANY = URING_PERSONALITIES_MAX + 50 };
        static struct identity *many[MANY];
        struct uring *e;

        if (geteuid() != 0) {
                printf("SKIP: personalities_come_and_go: needs root\n");
                return;
        }
        if (!harness_open(1, 2))
                return;
        e = (struct uring *)engine;
        make_directories();
        for (unsigned i = 0; i < MANY; i++) {
                be_user(100000 + i);
                many[i] = caller;
                stat_as(many[i]);
                ck_assert_uint_eq(e->n_personalities, i < URING_PERSONALITIES_MAX ? i + 1 : URING_PERSONALITIES_MAX);
                if (i == 100)
                        stat_as(many[0]);
        }
        for (unsigned i = 0; i < MANY; i++)
                if (many[i]->personality)
                        ck_assert_ptr_eq(e->personalities[many[i]->personality - 1].identity, many[i]);
        ck_assert_int_ne(many[0]->personality, 0); /* used once more */
        ck_assert_int_eq(many[1]->personality, 0); /* not used for longest */
        ck_assert_int_ne(many[MANY - 1]->personality, 0);
        for (unsigned i = 0; i < MANY; i++) /* in no order: those that stay keep their own */
                identity_unref(many[i * 7 % MANY]);
        caller = NULL;
        ck_assert_uint_eq(e->n_personalities, 0);
        remove_directories();
        harness_close();
}
END_TEST

/* The kernel answers in pieces, or not at all: what it is told by hand here. */
static struct subject *read_in_pieces(const int32_t *answers, unsigned n) {
        struct operation op = read_op(0, 100);
        struct subject *s = &subjects[0];
        struct tally tally = {0};
        struct io io = io_for(IO_RUN, &tally);

        begin(s, &op);
        by_path(&s->sys.at, s->at, directory[0], "file");
        int fd = open(s->at, O_RDONLY | O_CLOEXEC);
        by_handle(&s->sys.at, fd);
        ck_assert_int_eq(sys_resolve(&s->sys, 0), 0);
        memcpy(s->out, "HELLO", 5); /* what the first piece would have brought */
        io.u.op = &s->sys;
        ck_assert(uring_takes_file((struct uring *)engine, &io));
        for (unsigned i = 0; i < n; i++)
                uring_complete_file((struct uring *)engine, &io, answers[i]);
        WAIT_UNTIL(tally.last);
        sys_release(&s->sys);
        close(fd);
        return s;
}

START_TEST(odd_answers_of_the_kernel) {
        struct subject *s;

        if (!harness_open(1, 2))
                return;
        make_directories();
        be_myself();
        s = read_in_pieces((const int32_t[]){5}, 1); /* the rest is asked for */
        ck_assert_int_eq(s->sys.code, 0);
        ck_assert_uint_eq(s->result.value.data.len, 12);
        ck_assert_int_eq(memcmp(s->out, "HELLO world\n", 12), 0);
        s = read_in_pieces((const int32_t[]){-EINTR}, 1); /* again */
        ck_assert_uint_eq(s->result.value.data.len, 12);
        ck_assert_uint_eq(declined(), 0);
        s = read_in_pieces((const int32_t[]){-EAGAIN}, 1); /* a worker does it */
        ck_assert_uint_eq(s->result.value.data.len, 12);
        ck_assert_int_eq(memcmp(s->out, "hello world\n", 12), 0);
        ck_assert_uint_eq(declined(), 1);
        end();
}
END_TEST

#endif

int main(void) {
        Suite *suite = suite_create("engine-files");

        HARNESS_ADD(suite, "names", stat_of_everything, names_made_and_removed, renames, cache_of_parents_goes_stale);
        HARNESS_ADD(suite, "data", reads_and_writes, space_and_advice, flushes, attributes);
        HARNESS_ADD(suite, "limits", declined_where_it_might_hang_or_differ, cancelled_before_it_was_begun,
                    cancel_tells_the_truth);
        HARNESS_ADD(suite, "identity", done_as_its_identity, identity_of_the_loop_thread_does_not_matter);
#ifdef FSOP_HAVE_URING
        TCase *ring = tcase_create("ring");
        tcase_add_test(ring, personalities_come_and_go);
        tcase_add_test(ring, odd_answers_of_the_kernel);
        suite_add_tcase(suite, ring);
#endif
        return suite_run(suite);
}
