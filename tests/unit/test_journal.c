/* SPDX-License-Identifier: MIT */
/*
 * test_journal.c: the queue before the store. The engine runs a call when the test says so, and the store is one that
 * remembers what it was asked, copies nothing, and fails where the test says.
 */
#include "tests/support/fail_alloc.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/journal.h"
#include "tests/support/fake_engine.h"
#include "tests/support/faulty_store.h"
#include "tests/support/suite.h"

/* ---- a store that remembers -------------------------------------------------------------------------------------- */

struct memory {
        struct store store;
        char log[32768]; /* "(a b)": a commit of two changes; "(a b)!": that failed; "r": a read */
        bool closed;
        uint64_t poison;    /* a change of this id fails */
        unsigned fail_next; /* so many commits, whatever is in them */
        void (*look)(const struct store_change *changes, uint32_t n);
};
static struct memory memory;

static void note(const char *text) {
        size_t len = strlen(memory.log);

        ck_assert_uint_lt(len + strlen(text), sizeof(memory.log));
        strcpy(memory.log + len, text);
}

static void note_number(const char *before, uint64_t number) {
        char text[64];

        snprintf(text, sizeof(text), "%s%llu", before, (unsigned long long)number);
        note(text);
}

static int memory_commit(struct store *store, const struct store_change *changes, uint32_t n) {
        int code = 0;

        ck_assert_ptr_eq(store, &memory.store);
        for (uint32_t i = 0; i < n; i++) {
                note_number(i == 0 ? "(" : " ", changes[i].id);
                if (memory.poison > 0 && changes[i].id == memory.poison)
                        code = -FSOP_EEXIST;
        }
        if (memory.fail_next > 0) {
                memory.fail_next--;
                code = -FSOP_ENOSPC;
        }
        note(code < 0 ? ")!" : ")");
        if (memory.look)
                memory.look(changes, n);
        return code;
}

static struct store *memory_close(struct store *store) {
        ck_assert_ptr_eq(store, &memory.store);
        memory.closed = true;
        return NULL;
}

static const struct store_ops memory_ops = {.name = "memory", .commit = memory_commit, .close = memory_close};

/* ---- around it --------------------------------------------------------------------------------------------------- */

static struct engine *engine;
static struct journal *journal;
static char told[8192]; /* "1=0 2=-113 ": whose done was called, with what */

static void setup(void) {
        memory = (struct memory){.store.ops = &memory_ops};
        told[0] = 0;
        engine = fake_engine_new();
        ck_assert_int_eq(journal_new(&memory.store, engine, &journal), 0);
}

static void teardown(void) {
        ck_assert(journal_is_idle(journal));
        ck_assert_ptr_null(journal_free(journal));
        ck_assert(memory.closed);
        engine->ops->close(engine);
        ck_assert_ptr_null(journal_free(NULL));
}

static void tell(void *owner, int code) {
        size_t len = strlen(told);

        ck_assert(!journal_is_idle(journal));
        snprintf(told + len, sizeof(told) - len, "%llu=%d ", (unsigned long long)(uintptr_t)owner, code);
}

static void change(uint64_t id) {
        struct store_change one = {.kind = STORE_RETRY, .id = id};

        ck_assert_int_eq(journal_change(journal, &one, 1, tell, (void *)(uintptr_t)id), 0);
}

static int read_call(struct store *store, void *owner) {
        ck_assert_ptr_eq(store, &memory.store);
        note_number("r", (uintptr_t)owner);
        return 7;
}

static void read_(uint64_t id) {
        ck_assert_int_eq(journal_read(journal, read_call, tell, (void *)(uintptr_t)id), 0);
}

/* Runs what is on the worker, and what that leads to on the loop; false if there is nothing. */
static bool turn(void) {
        struct io *io = fake_engine_pending(engine, IO_CALL, 0);

        ck_assert_uint_le(fake_engine_count(engine, IO_CALL), 1); /* one call at a time */
        if (!io)
                return false;
        ck_assert(!journal_is_idle(journal));
        ck_assert_uint_eq(io->whose, 0);
        ck_assert(io->flags & IO_POOL);
        io->result = 0;
        io->u.call(io);
        fake_engine_complete(engine, io, io->result, 0);
        engine->ops->wait(engine, 0);
        return true;
}

static void finish(void) {
        while (!journal_is_idle(journal))
                if (!turn())
                        engine->ops->wait(engine, 0); /* for what failed when it was submitted */
}

/* ---- order and grouping ------------------------------------------------------------------------------------------ */

START_TEST(what_waits_is_committed_together) {
        ck_assert(journal_is_idle(journal));
        change(1);
        ck_assert_str_eq(memory.log, ""); /* nothing happens inside the call */
        change(2);
        change(3);
        ck_assert(turn());
        ck_assert_str_eq(memory.log, "(1)");
        ck_assert_str_eq(told, "1=0 ");
        change(4); /* 2 and 3 are under way already */
        finish();
        ck_assert_str_eq(memory.log, "(1)(2 3)(4)");
        ck_assert_str_eq(told, "1=0 2=0 3=0 4=0 ");
}
END_TEST

START_TEST(reads_come_after_what_was_queued_before) {
        change(1);
        change(2);
        read_(10);
        read_(11);
        change(3);
        change(4);
        read_(12);
        finish();
        ck_assert_str_eq(memory.log, "(1)(2)r10r11(3 4)r12");
        ck_assert_str_eq(told, "1=0 2=0 10=7 11=7 3=0 4=0 12=7 ");
        read_(13);
        change(5);
        finish();
        ck_assert_str_eq(told, "1=0 2=0 10=7 11=7 3=0 4=0 12=7 13=7 5=0 ");
}
END_TEST

START_TEST(a_set_stays_together) {
        struct store_change set[] = {
                {.kind = STORE_RETRY, .id = 2}, {.kind = STORE_REMOVE, .id = 3}, {.kind = STORE_RETRY, .id = 4}};

        change(1);
        ck_assert_int_eq(journal_change(journal, set, 3, tell, (void *)2), 0);
        ck_assert_int_eq(journal_change(journal, set, 0, NULL, NULL), 0); /* of nothing, and nobody wants to know */
        change(5);
        finish();
        ck_assert_str_eq(memory.log, "(1)(2 3 4 5)");
        ck_assert_str_eq(told, "1=0 2=0 5=0 ");
}
END_TEST

START_TEST(commits_do_not_get_too_large) {
        static uint8_t blob[3 << 20];
        struct store_change files = {.kind = STORE_FILES, .id = 2, .data = {blob, sizeof(blob)}};
        static struct store_change many[5000];
        unsigned commits = 0;

        change(1);
        for (int i = 0; i < 3; i++)
                ck_assert_int_eq(journal_change(journal, &files, 1, NULL, NULL), 0);
        finish();
        ck_assert_str_eq(memory.log, "(1)(2 2)(2)");
        memory.log[0] = 0;
        for (int i = 0; i < 5000; i++)
                many[i] = (struct store_change){.kind = STORE_RETRY, .id = 1};
        change(1);
        ck_assert_int_eq(journal_change(journal, many, 3000, NULL, NULL), 0);
        ck_assert_int_eq(journal_change(journal, many, 3000, NULL, NULL), 0);
        ck_assert_int_eq(journal_change(journal, many, 5000, NULL, NULL), 0); /* a set is not divided */
        finish();
        for (const char *p = memory.log; *p; p++)
                commits += *p == '(';
        ck_assert_uint_eq(commits, 4);
}
END_TEST

static void change_again(void *owner, int code) {
        tell(owner, code);
        if ((uintptr_t)owner < 5)
                ck_assert_int_eq(journal_change(journal,
                                                &(struct store_change){.kind = STORE_RETRY, .id = (uintptr_t)owner + 1},
                                                1, change_again, (void *)((uintptr_t)owner + 1)),
                                 0);
}

START_TEST(a_done_may_queue_more) {
        struct store_change one = {.kind = STORE_RETRY, .id = 1};

        ck_assert_int_eq(journal_change(journal, &one, 1, change_again, (void *)1), 0);
        change(20);
        ck_assert(turn()); /* 1 is told, and queues 2, while 20 is under way */
        finish();
        ck_assert_str_eq(told, "1=0 20=0 2=0 3=0 4=0 5=0 ");
        ck_assert_str_eq(memory.log, "(1)(20)(2)(3)(4)(5)");
}
END_TEST

/* ---- failures ---------------------------------------------------------------------------------------------------- */

START_TEST(one_bad_set_leaves_the_others_alone) {
        struct store_change set[] = {{.kind = STORE_RETRY, .id = 30}, {.kind = STORE_RETRY, .id = 66}};

        memory.poison = 66;
        change(1);
        change(2);
        ck_assert_int_eq(journal_change(journal, set, 2, tell, (void *)3), 0);
        change(4);
        finish();
        ck_assert_str_eq(memory.log, "(1)(2 30 66 4)!(2)(30 66)!(4)");
        ck_assert_str_eq(told, "1=0 2=0 3=-114 4=0 ");
        ck_assert_int_eq(FSOP_EEXIST, 114);
}
END_TEST

START_TEST(each_set_gets_its_own_code) {
        memory.poison = 2;
        memory.fail_next = 2; /* the commit of all, and that of 1 */
        change(9);
        ck_assert(turn());
        ck_assert_str_eq(memory.log, "(9)!"); /* one alone is not tried again */
        change(1);
        change(2);
        change(3);
        ck_assert(turn());
        ck_assert_str_eq(told, "9=-125 1=-125 ");
        finish();
        ck_assert_int_eq(FSOP_ENOSPC, 125);
}
END_TEST

START_TEST(no_worker_is_an_error_for_all) {
        fake_engine_fail_nth(engine, IO_CALL, 2, -FSOP_ENOMEM, 0);
        change(1);
        change(2);
        change(3);
        read_(4);
        finish();
        ck_assert_str_eq(memory.log, "(1)r4");
        ck_assert_str_eq(told, "1=0 2=-109 3=-109 4=7 ");
        ck_assert_int_eq(FSOP_ENOMEM, 109);
        told[0] = 0;
        fake_engine_fail_nth(engine, IO_CALL, 1, -FSOP_ECANCELED, 0);
        read_(5);
        finish();
        engine->ops->wait(engine, 0);
        ck_assert_msg(strncmp(told, "5=-", 3) == 0, "%s", told);
}
END_TEST

START_TEST(out_of_memory_is_said_at_once) {
        struct store_change one = {.kind = STORE_RETRY, .id = 1};
        struct journal *none = NULL;

        alloc_fail(1);
        ck_assert_int_eq(journal_change(journal, &one, 1, tell, NULL), -FSOP_ENOMEM);
        alloc_fail(1);
        ck_assert_int_eq(journal_read(journal, read_call, tell, NULL), -FSOP_ENOMEM);
        alloc_fail(1);
        ck_assert_int_eq(journal_new(&memory.store, engine, &none), -FSOP_ENOMEM);
        alloc_fail(0);
        ck_assert_ptr_null(none);
        ck_assert(journal_is_idle(journal));
        ck_assert_str_eq(told, "");
}
END_TEST

static void next_allocation_fails(const struct store_change *changes, uint32_t n) {
        (void)changes;
        (void)n;
        alloc_fail(1);
}

START_TEST(without_memory_for_a_group_sets_go_alone) {
        change(1);
        change(2);
        change(3);
        change(4);
        memory.look = next_allocation_fails; /* that of the next turn's array */
        ck_assert(turn());
        memory.look = NULL;
        finish();
        ck_assert_str_eq(memory.log, "(1)(2)(3 4)");
        ck_assert_str_eq(told, "1=0 2=0 3=0 4=0 ");
}
END_TEST

/* ---- copies ------------------------------------------------------------------------------------------------------ */

/* A text of its own, which is overwritten and freed when it has been queued. */
static struct {
        void *memory;
        size_t len;
} lent[64];
static unsigned n_lent;

static void *lend(const void *data, size_t len) {
        void *copy = malloc(len + 1);

        ck_assert_uint_lt(n_lent, 64);
        memcpy(copy, data, len);
        lent[n_lent].memory = copy;
        lent[n_lent++].len = len;
        return copy;
}

static struct bytes lend_text(const char *string) {
        return (struct bytes){lend(string, strlen(string)), strlen(string)};
}

static void take_back(void) {
        while (n_lent > 0) {
                n_lent--;
                memset(lent[n_lent].memory, 0xaa, lent[n_lent].len);
                free(lent[n_lent].memory);
        }
}

static void is_text(struct bytes bytes, const char *expected) {
        ck_assert_uint_eq(bytes.len, strlen(expected));
        ck_assert_int_eq(memcmp(bytes.data, expected, bytes.len + 1), 0); /* with a NUL behind it */
}

static void look_at_all(const struct store_change *changes, uint32_t n) {
        const struct store_job *job = changes[0].job;

        ck_assert_uint_eq(n, 9);
        ck_assert_int_eq(changes[0].kind, STORE_ADD);
        ck_assert(job->id == 1 && job->n_groups == 2 && job->groups[0] == 5 && job->groups[1] == 6);
        is_text(job->user, "user");
        is_text(job->key, "key");
        ck_assert_uint_eq(job->n_excludes, 2);
        is_text(job->excludes[0], "*.o");
        is_text(job->excludes[1], "");
        ck_assert_str_eq(job->random, "random");
        ck_assert_uint_eq(job->n_places, 2);
        is_text(job->places[0].source, "/from");
        is_text(job->places[0].target, "/to");
        ck_assert(job->places[0].n_names == 2 && job->places[1].n_names == 0 && job->places[1].finished);
        is_text(job->places[0].names[0], "one");
        is_text(job->places[0].names[1], "two");
        is_text(job->places[1].source, "/more");
        is_text(job->error.message, "message");
        is_text(job->error.rule, "rule");
        job = changes[1].job;
        ck_assert(job->state == FSOP_JOB_FAILED && job->error.code == FSOP_EIO && job->counters.bytes_verified == 77);
        is_text(job->error.message, "message");
        ck_assert(job->n_places == 0 && job->n_groups == 0); /* what does not change is not copied */
        ck_assert(changes[2].kind == STORE_PLACE_FINISHED && changes[2].place == 1);
        is_text(changes[3].data, "data");
        is_text(changes[4].path, "part");
        ck_assert(changes[4].part->offset == 99 && strcmp(changes[4].part->temporary, ".fsop-1") == 0);
        is_text(changes[5].path, "gone");
        is_text(changes[6].path, "failure");
        ck_assert(changes[6].error->code == FSOP_EACCES && changes[6].error->retryable);
        is_text(changes[6].error->rule, "a rule");
        is_text(changes[6].error->message, "no");
        ck_assert(changes[7].kind == STORE_RETRY && changes[7].id == 8 && changes[8].kind == STORE_REMOVE);
        note("ok");
}

static const struct store_job *lend_job(void) {
        struct bytes names[2] = {lend_text("one"), lend_text("two")}, excludes[2] = {lend_text("*.o"), {NULL, 0}};
        struct store_place places[2] = {{.source = lend_text("/from"), .target = lend_text("/to"), .n_names = 2},
                                        {.source = lend_text("/more"), .target = lend_text("/most"), .finished = true}};
        struct store_job job = {
                .id = 1,
                .n_groups = 2,
                .user = lend_text("user"),
                .key = lend_text("key"),
                .n_excludes = 2,
                .random = "random",
                .n_places = 2,
                .state = FSOP_JOB_FAILED,
                .counters.bytes_verified = 77,
                .error = {.code = FSOP_EIO, .rule = lend_text("rule"), .message = lend_text("message")}};

        places[0].names = lend(names, sizeof(names));
        job.groups = lend((const uint32_t[]){5, 6}, 8);
        job.excludes = lend(excludes, sizeof(excludes));
        job.places = lend(places, sizeof(places));
        return lend(&job, sizeof(job));
}

START_TEST(everything_is_copied) {
        struct copy_part_record part = {.temporary = ".fsop-1", .offset = 99};
        struct error error = {FSOP_EACCES, FSOP_CLASS_DENIED, true, 13, lend_text("a rule"), lend_text("no")};
        struct store_change changes[] = {
                {.kind = STORE_ADD, .id = 1, .job = lend_job()},
                {.kind = STORE_UPDATE, .id = 1, .job = lend_job()},
                {.kind = STORE_PLACE_FINISHED, .id = 1, .place = 1},
                {.kind = STORE_FILES, .id = 1, .data = lend_text("data")},
                {.kind = STORE_PART, .id = 1, .path = lend_text("part"), .part = lend(&part, sizeof(part))},
                {.kind = STORE_PART_GONE, .id = 1, .path = lend_text("gone")},
                {.kind = STORE_FAILURE, .id = 1, .path = lend_text("failure"), .error = lend(&error, sizeof(error))},
                /* what a kind does not use is not looked at */
                {.kind = STORE_RETRY,
                 .id = 8,
                 .job = (void *)1,
                 .data = {(void *)1, 5},
                 .part = (void *)1,
                 .error = (void *)1},
                {.kind = STORE_REMOVE, .id = 1},
        };

        memory.look = look_at_all;
        ck_assert_int_eq(journal_change(journal, changes, 9, tell, (void *)1), 0);
        memset(changes, 0xaa, sizeof(changes));
        take_back();
        finish();
        ck_assert_ptr_nonnull(strstr(memory.log, "ok"));
}
END_TEST

/* ---- with a real store, on real workers -------------------------------------------------------------------------- */

#define SETS 400u

static struct {
        char directory[64];
        int codes[SETS + 1];
        unsigned done, next_in_order;
        unsigned kept[SETS + 1]; /* read back, by a worker: changes of each */
} real;

static void real_done(void *owner, int code) {
        ck_assert_uint_eq((uintptr_t)owner, real.next_in_order++);
        real.codes[(uintptr_t)owner] = code;
        real.done++;
}

static int count_changes(void *context, struct bytes data) {
        uint32_t number;

        ck_assert_uint_eq(data.len, sizeof(number));
        memcpy(&number, data.data, sizeof(number));
        ck_assert_uint_le(number, SETS);
        ++((unsigned *)context)[number];
        return 0;
}

static int read_files(struct store *store, void *owner) {
        (void)owner;
        return store->ops->read_files(store, 1, 0, count_changes, real.kept);
}

static void read_done(void *owner, int code) {
        *(int *)owner = code;
}

static void real_open(struct store **ret_store) {
        struct engine_config config = {.workers = 2};
        const char *why = NULL;
        char *why_not = NULL;
        bool own_root;

        snprintf(real.directory, sizeof(real.directory), "%s/fsop-journal-XXXXXX",
                 access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/var/tmp"); /* some 400 commits: not for a slow disk */
        ck_assert_ptr_nonnull(mkdtemp(real.directory));
        ck_assert_int_eq(sys_start(&(struct sys_config){.private_service = geteuid() != 0}, &own_root), 0);
        ck_assert_int_eq(engine_threads.open(&config, &engine, &why), 0);
        ck_assert_int_eq(store_faulty.open(real.directory, ret_store, &why_not), 0);
        ck_assert_int_eq(journal_new(*ret_store, engine, &journal), 0);
}

static void real_close(void) {
        char command[128];

        journal_free(journal);
        engine->ops->close(engine);
        sys_stop();
        snprintf(command, sizeof(command), "rm -r %s", real.directory);
        ck_assert_int_eq(system(command), 0);
}

START_TEST(what_is_told_is_what_is_kept) {
        struct store_place place = {.source = {(const uint8_t *)"/a", 2}, .target = {(const uint8_t *)"/b", 2}};
        struct store_job job = {.id = 1, .places = &place, .n_places = 1, .state = FSOP_JOB_QUEUED};
        struct store_change add = {.kind = STORE_ADD, .id = 1, .job = &job};
        uint64_t good = 0, commits;
        int code = 1;
        struct store *store;

        real_open(&store);
        ck_assert_int_eq(journal_change(journal, &add, 1, real_done, (void *)0), 0);
        for (uint32_t i = 1; i <= SETS; i++) {
                struct store_change set[] = {
                        {.kind = STORE_FILES, .id = 1, .data = {(const uint8_t *)&i, sizeof(i)}},
                        {.kind = STORE_FILES,
                         .id = i % 50 == 7 ? 2 : 1,
                         .place = 0,
                         .data = {(const uint8_t *)&i, sizeof(i)}},
                };

                ck_assert_int_eq(journal_change(journal, set, 2, real_done, (void *)(uintptr_t)i), 0);
                if (i % 100 == 0)
                        engine->ops->wait(engine, 0);
                if (i == SETS / 2) {
                        while (!journal_is_idle(journal))
                                engine->ops->wait(engine, 1000);
                        faulty_store_plan(store,
                                          &(struct faulty_plan){.kind = FAULTY_ERROR, .nth = 3, .code = -FSOP_ENOSPC});
                }
        }
        ck_assert_int_eq(journal_read(journal, read_files, read_done, &code), 0);
        while (!journal_is_idle(journal))
                engine->ops->wait(engine, 1000);
        ck_assert_int_eq(code, 0);
        ck_assert_uint_eq(real.done, SETS + 1);
        for (uint32_t i = 1; i <= SETS; i++) {
                ck_assert(real.codes[i] == 0 || real.codes[i] == -FSOP_ENOSPC || real.codes[i] == -FSOP_ENOENT);
                ck_assert(i % 50 != 7 || real.codes[i] < 0);
                ck_assert_uint_eq(real.kept[i], real.codes[i] == 0 ? 2 : 0);
                good += real.codes[i] == 0;
        }
        ck_assert_uint_ge(good, SETS - SETS / 50 - 1);
        commits = faulty_store_commits(store);
        ck_assert_msg(commits < SETS + 50, "%llu commits", (unsigned long long)commits);
        real_close();
}
END_TEST

/* ---- the faulty store -------------------------------------------------------------------------------------------- */

static void count_crash(void *context) {
        ++*(int *)context;
}

START_TEST(the_faulty_store_keeps_its_plan) {
        struct store *store;
        struct store_change one = {.kind = STORE_RETRY, .id = 1};
        uint64_t next;
        int crashes = 0;

        memory = (struct memory){.store.ops = &memory_ops};
        store = faulty_store_new(&memory.store);
        ck_assert_int_eq(store->ops->commit(store, &one, 1), 0);
        faulty_store_plan(store, &(struct faulty_plan){.kind = FAULTY_ERROR, .nth = 2, .code = -FSOP_EIO});
        ck_assert_int_eq(store->ops->commit(store, &one, 1), 0);
        ck_assert_int_eq(store->ops->commit(store, &one, 1), -FSOP_EIO);
        ck_assert_int_eq(store->ops->commit(store, &one, 1), 0);
        ck_assert_str_eq(memory.log, "(1)(1)(1)");
        faulty_store_plan(store,
                          &(struct faulty_plan){.kind = FAULTY_ERROR, .nth = 1, .code = -FSOP_EIO, .lasting = true});
        for (int i = 0; i < 3; i++)
                ck_assert_int_eq(store->ops->commit(store, &one, 1), -FSOP_EIO);
        ck_assert_uint_eq(faulty_store_commits(store), 7);
        memory.log[0] = 0;
        faulty_store_plan(store, &(struct faulty_plan){.kind = _i ? FAULTY_CRASH_AFTER : FAULTY_CRASH_BEFORE,
                                                       .nth = 2,
                                                       .crash = count_crash,
                                                       .context = &crashes});
        ck_assert_int_eq(store->ops->commit(store, &one, 1), 0);
        ck_assert(!faulty_store_crashed(store));
        for (int i = 0; i < 3; i++)
                ck_assert_int_eq(store->ops->commit(store, &one, 1), -FSOP_EIO);
        ck_assert(faulty_store_crashed(store));
        ck_assert_int_eq(crashes, 1);
        ck_assert_str_eq(memory.log, _i ? "(1)(1)" : "(1)");
        ck_assert_int_eq(store->ops->load(store, NULL, NULL, &next), -FSOP_EIO);
        store->ops->close(store);
        ck_assert(memory.closed);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("journal");
        TCase *queue = tcase_create("queue"), *whole = tcase_create("whole");
        const TTest *const tests[] = {what_waits_is_committed_together,
                                      reads_come_after_what_was_queued_before,
                                      a_set_stays_together,
                                      commits_do_not_get_too_large,
                                      a_done_may_queue_more,
                                      one_bad_set_leaves_the_others_alone,
                                      each_set_gets_its_own_code,
                                      no_worker_is_an_error_for_all,
                                      out_of_memory_is_said_at_once,
                                      without_memory_for_a_group_sets_go_alone,
                                      everything_is_copied};

        tcase_add_checked_fixture(queue, setup, teardown);
        for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
                tcase_add_test(queue, tests[i]);
        tcase_add_test(whole, what_is_told_is_what_is_kept);
        tcase_add_loop_test(whole, the_faulty_store_keeps_its_plan, 0, 2);
        tcase_set_timeout(queue, 120);
        tcase_set_timeout(whole, 120);
        suite_add_tcase(suite, queue);
        suite_add_tcase(suite, whole);
        return suite_run(suite);
}
