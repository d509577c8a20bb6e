/* SPDX-License-Identifier: MIT */
#include "tests/support/jobs_kit.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- the store --------------------------------------------------------------------------------------------------- */

extern const struct store_ops __wrap_store_sqlite;
struct store *kit_store;
struct faulty_plan kit_plan;
char kit_directory[128];
unsigned kit_closed_for;
int kit_closed_with;

static bool kit_exists(const char *directory) {
        return __real_store_sqlite.exists(directory);
}

static int kit_open(const char *directory, struct store **ret_store, char **ret_note) {
        struct store *inner;
        int code;

        if (kit_closed_for > 0) {
                kit_closed_for--;
                *ret_note = NULL;
                return kit_closed_with;
        }
        code = __real_store_sqlite.open(directory, &inner, ret_note);
        if (code < 0)
                return code;
        inner->ops = &__real_store_sqlite; /* its own files see the other one, too */
        in_client++;                       /* the test's own memory does not run out */
        *ret_store = kit_store = faulty_store_new(inner);
        in_client--;
        faulty_store_plan(kit_store, &kit_plan);
        return 0;
}

const struct store_ops __wrap_store_sqlite = {.name = "kit", .exists = kit_exists, .open = kit_open};

void kit_setup(void) {
        const char *base = getenv("FSOP_TEST_DIR");

        if (!base)
                base = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/var/tmp";
        snprintf(kit_directory, sizeof(kit_directory), "%s/fsop-jobs-XXXXXX", base);
        ck_assert_ptr_nonnull(mkdtemp(kit_directory));
        kit_state_dir = kit_directory;
        kit_keeps_tree = false;
        kit_closed_for = 0;
        kit_closed_with = -FSOP_EBUSY;
        memset(&kit_plan, 0, sizeof(kit_plan));
}

void kit_empty_directory(void) {
        DIR *dir = opendir(kit_directory);
        struct dirent *entry;
        char path[512];

        while (dir && (entry = readdir(dir)))
                if (entry->d_name[0] != '.') {
                        snprintf(path, sizeof(path), "%s/%s", kit_directory, entry->d_name);
                        unlink(path);
                }
        if (dir)
                closedir(dir);
}

void kit_teardown(void) {
        kit_empty_directory();
        rmdir(kit_directory);
}

/* ---- the loop ---------------------------------------------------------------------------------------------------- */

uint64_t kit_batch;

bool step(void) {
        static const enum io_kind kinds[] = {IO_RESOLVE, IO_RUN, IO_CALL};

        rounds();
        for (unsigned i = 0; i < 3; i++) {
                struct io *io = fake_engine_pending(server.engine, kinds[i], 0);

                if (!io)
                        continue;
                do_io(io);
                rounds();
                return true;
        }
        return false;
}

void settle(void) {
        for (unsigned i = 0; step(); i++)
                ck_assert_msg(i < 100000, "it never comes to rest");
}

void pass(uint64_t ms) {
        fake_now_ms += ms;
        fake_realtime.sec += (int64_t)(ms / 1000);
        server.now_ms = fake_now_ms;
        jobs_tick(server.jobs, server.now_ms);
        rounds();
}

void jobs_begin(uint32_t uid) {
        start(uid);
        fake_engine_run_inline(server.engine, false);
        kit_batch = 0;
}

void jobs_restart(uint32_t uid) {
        uint64_t now = fake_now_ms;
        struct fsop_time realtime = fake_realtime;

        stop();
        kit_keeps_tree = true;
        start(uid);
        fake_now_ms = server.now_ms = now;
        fake_realtime = realtime;
        server.jobs->now_ms = now;
        fake_engine_run_inline(server.engine, false);
        kit_batch = 0;
}

/* ---- what is asked ----------------------------------------------------------------------------------------------- */

uint64_t begin_on(struct session *to, struct operation op) {
        struct message message = {.kind = MESSAGE_BATCH, .body.batch = {.id = ++kit_batch, .ops = &op, .n_ops = 1}};
        struct arena scratch;
        struct buffer buffer = {0};

        in_client++;
        arena_init(&scratch, 8u << 20);
        ck_assert_int_eq(codec_encode(&scratch, &message, 0, WIRE_FRAME_BYTES_MAX, &buffer), 0);
        in_client--;
        got.answers[0] = 0;
        fake_engine_receive(&to->receive, buffer.data + buffer.start, buffer_len(&buffer), NULL, 0);
        in_client++;
        buffer_fini(&buffer);
        arena_fini(&scratch);
        in_client--;
        rounds();
        return kit_batch;
}

const struct result *ask_on(struct session *to, struct operation op) {
        uint64_t id = begin_on(to, op);

        while (got.batches[id] == 0 && step())
                ;
        in_client++;
        ck_assert_msg(got.batches[id] == 1, "it was answered %u times", got.batches[id]);
        in_client--;
        return &got.results[0];
}

const struct result *ask(struct operation op) {
        return ask_on(session, op);
}

struct operation cp_op(const char *from, const char *to) {
        return (struct operation){.verb = FSOP_VERB_CP,
                                  .at = at(from),
                                  .to = at(to),
                                  .args.cp = {.recursive = true, .preserve = FSOP_PRESERVE_ALL, .umask = 022}};
}

struct operation job_op(enum fsop_verb verb, uint64_t id) {
        return (struct operation){.verb = verb, .args.job = {.id = id}};
}

struct bytes text(const char *string) {
        return (struct bytes){(const uint8_t *)string, strlen(string)};
}

const struct job_info *info_of(const struct result *result) {
        ck_assert_msg(result->error.code == 0, "%.*s", (int)result->error.message.len,
                      (const char *)result->error.message.data);
        ck_assert_uint_eq(result->value.job.n_jobs, 1);
        return &result->value.job.jobs[0];
}

uint64_t submit(struct operation op) {
        return info_of(ask(op))->id;
}

uint64_t submit_paused(struct operation op) {
        uint64_t id = submit(op);

        info_of(ask(job_op(FSOP_VERB_JOB_PAUSE, id)));
        settle();
        return id;
}

void refused(const struct result *result, enum fsop_errno code, enum fsop_error_class class_) {
        ck_assert_int_eq(result->error.code, code);
        ck_assert_int_eq(result->error.class_, class_);
        ck_assert(class_ != FSOP_CLASS_BUSY || result->error.retryable);
        ck_assert_uint_gt(result->error.message.len, 0);
}

struct job *job_of(uint64_t id) {
        return jobs_find(server.jobs, id);
}

enum fsop_job_state state_of(uint64_t id) {
        struct job *job = job_of(id);

        return job ? job->kept.state : FSOP_JOB_UNKNOWN;
}

void is_in_state(uint64_t id, enum fsop_job_state state) {
        ck_assert_msg(state_of(id) == state, "job %d is in state %d and not %d", (int)id, state_of(id), state);
}

void run_until(uint64_t id, enum fsop_job_state state) {
        for (unsigned i = 0; i < 20000 && state_of(id) != state; i++)
                if (!step())
                        pass(200);
        in_client++;
        is_in_state(id, state);
        in_client--;
}

void run_to_end(uint64_t id) {
        for (unsigned i = 0; i < 20000 && job_of(id) && (job_of(id)->run || !job_has_ended(job_of(id))); i++)
                if (!step())
                        pass(200);
        in_client++;
        ck_assert_msg(job_of(id) && job_has_ended(job_of(id)) && !job_of(id)->run, "job %d is in state %d", (int)id,
                      state_of(id));
        in_client--;
}

/* ---- what became of it ------------------------------------------------------------------------------------------- */

void make_source(const char *top) {
        char path[256], other[256];

        for (unsigned dir = 0; dir < 3; dir++)
                for (unsigned i = 0; i < 6; i++) {
                        snprintf(path, sizeof(path), "%s/%s%u/file-%u", top, dir == 2 ? "dir-1/in-" : "dir-", dir, i);
                        fake_make(path, FSOP_TYPE_REGULAR, 1000 + i);
                }
        for (unsigned i = 0; i < 3; i++) {
                snprintf(path, sizeof(path), "%s/top-%u", top, i);
                fake_make(path, FSOP_TYPE_REGULAR, 10 * i);
        }
        snprintf(path, sizeof(path), "%s/fifo", top);
        fake_make(path, FSOP_TYPE_FIFO, 0);
        snprintf(path, sizeof(path), "%s/symlink", top);
        fake_make(path, FSOP_TYPE_SYMLINK, 12);
        snprintf(path, sizeof(path), "%s/empty", top);
        fake_make(path, FSOP_TYPE_DIRECTORY, 0);
        snprintf(other, sizeof(other), "%s/dir-0/linked-a", top);
        fake_make(other, FSOP_TYPE_REGULAR, 5000);
        snprintf(path, sizeof(path), "%s/dir-1/linked-b", top);
        fake_link(path, other);
        snprintf(path, sizeof(path), "%s/linked-c", top);
        fake_link(path, other);
}

/* Why B is not a whole copy of A; NULL: it is. */
static const char *difference(uint32_t a, uint32_t b) {
        const struct fake_inode *is = fake_inode_of(b), *was = fake_inode_of(a);
        unsigned n_a = 0, n_b = 0;

        if (is->type != was->type)
                return "a type differs";
        if (is->type != FSOP_TYPE_DIRECTORY)
                return is->size != was->size || is->content != was->content || is->valid != was->valid
                               ? "a file's contents differ"
                       : is->mtime != was->mtime || !is->finished ? "a file is not finished"
                       : is->nlink != was->nlink                  ? "a number of links differs"
                                                                  : NULL;
        if (!is->finished || is->mtime != was->mtime)
                return "a directory is not finished";
        for (uint32_t i = 0; i < fake_fs->now.n_entries; i++) {
                const struct fake_entry *entry = &fake_fs->now.entries[i], *other;
                const char *why;

                n_b += entry->used && entry->parent == b;
                if (!entry->used || entry->parent != a)
                        continue;
                n_a++;
                other = fake_entry_find(b, entry->name);
                why = other ? difference(entry->inode, other->inode) : "something is missing";
                if (why) {
                        fprintf(stderr, "%s: %s\n", entry->name, why);
                        return why;
                }
        }
        for (uint32_t i = 0; n_a != n_b && i < fake_fs->now.n_entries; i++)
                if (fake_fs->now.entries[i].used && fake_fs->now.entries[i].parent == b &&
                    !fake_entry_find(a, fake_fs->now.entries[i].name))
                        fprintf(stderr, "%s: it should not be there\n", fake_fs->now.entries[i].name);
        return n_a == n_b ? NULL : "there is more than there was";
}

void is_copy_of(const char *target, const char *source) {
        int from = fake_look(source), to = fake_look(target);
        const char *why;

        ck_assert_msg(to >= 0, "%s is not there", target);
        why = difference((uint32_t)from, (uint32_t)to);
        ck_assert_msg(!why, "%s: %s", target, why);
        ck_assert_uint_eq(fake_count_names(".fsop-"), 0);
}

void disconnect(struct session *other) {
        fake_engine_complete(server.engine, &other->receive, 0, 0); /* the end of what it sends */
        rounds();
        settle();
}

void make_homes(void) {
        fake_make("/home/a/one", FSOP_TYPE_REGULAR, 10);
        fake_make("/home/a/two", FSOP_TYPE_REGULAR, 10);
        fake_make("/home/a/sub/three", FSOP_TYPE_REGULAR, 10);
        fake_make("/home/b/four", FSOP_TYPE_REGULAR, 10);
}
