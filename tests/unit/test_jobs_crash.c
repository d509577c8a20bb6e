/* SPDX-License-Identifier: MIT */
/*
 * test_jobs_crash.c: the daemon is killed before and after every commit of a job, and at every other moment, or the
 * machine loses its power there; or a commit fails. The next daemon goes on from what is left: no acknowledged job is
 * lost, nothing that the store calls done is copied again, everything is there in the end, and no temporary name.
 *
 * Each daemon is a process of its own; the tree of files lies in memory that they share, the store on a disk.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/done.h"
#include "tests/support/jobs_kit.h"
#include "tests/support/suite.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

/* ---- what is copied ---------------------------------------------------------------------------------------------- */

enum { FRESH = 1, VERIFY = 2, LARGE = 4, SYNC_FILE = 8, SINGLE = 16, SMALL = 32, TWO = 64, CLONES = 128 };

static const struct {
        const char *name;
        unsigned what;
} scenes[] = {
        {"a fresh tree", FRESH},
        {"an existing tree", 0},
        {"a fresh tree, verified", FRESH | VERIFY},
        {"an existing tree, verified", VERIFY},
        {"a large file in a fresh tree", FRESH | LARGE | SMALL},
        {"a large file in an existing tree", LARGE | SMALL},
        {"one large file", SINGLE | LARGE},
        {"one small file", SINGLE},
        {"each file flushed", SYNC_FILE | SMALL},
        {"two places", FRESH | TWO | SMALL},
        {"clones", CLONES},
};
#define SCENES ((int)(sizeof(scenes) / sizeof(scenes[0])))

#define LARGE_BYTES (150 * MIB)

static struct shared {
        uint64_t job; /* that was acknowledged; 0: none */
        uint64_t commits, steps;
        struct store_counters counters; /* in the end */
} * shared;

static struct store_counters expected; /* when nothing happens */

static void make_scene(unsigned what) {
        fake_copy_reset();
        if (what & SINGLE)
                fake_make("/home/src", FSOP_TYPE_REGULAR, what & LARGE ? LARGE_BYTES : 1000);
        else if (what & SMALL) {
                fake_make("/home/src/one", FSOP_TYPE_REGULAR, 100);
                fake_make("/home/src/dir/two", FSOP_TYPE_REGULAR, 100);
        } else
                make_source("/home/src");
        if ((what & LARGE) && !(what & SINGLE))
                fake_make("/home/src/dir/large", FSOP_TYPE_REGULAR, LARGE_BYTES);
        if (what & TWO) {
                fake_make("/home/other/three", FSOP_TYPE_REGULAR, 100);
                fake_make("/home/other/sub/four", FSOP_TYPE_REGULAR, 100);
        }
        if (!(what & (FRESH | SINGLE)))
                fake_make("/home/dst", FSOP_TYPE_DIRECTORY, 0);
        fake_sync();
        memset(shared, 0, sizeof(*shared));
}

static struct operation scene_op(unsigned what) {
        struct operation op = cp_op("/home/src", "/home/dst");

        op.args.cp.verify = what & VERIFY;
        op.args.cp.sync = what & SYNC_FILE ? FSOP_SYNC_FILE : FSOP_SYNC_BATCH;
        return op;
}

/* ---- daemons ----------------------------------------------------------------------------------------------------- */

/* Calls take their time, so that not all is recorded at once. */
static void take_time(enum fake_copy_call call, const char *name) {
        (void)call, (void)name;
        fake_now_ms += 1500;
}

static void begin(unsigned what) {
        kit_keeps_tree = true;
        jobs_begin(CALLER_UID);
        copies.between = take_time;
        copies.clones = what & CLONES;
        copies.names_max = 5;
}

static void submit_scene(unsigned what) {
        struct operation op = scene_op(what), other = cp_op("/home/other", "/home/dst2");
        uint64_t id;

        if (what & TWO) {
                op.args.cp.hold = true;
                id = submit(op);
                other.args.cp.job = id;
                op = other;
        }
        id = submit(op);
        shared->job = id;
}

static bool count_step(void) {
        bool stepped = step();

        shared->steps++;
        shared->commits = faulty_store_commits(kit_store);
        return stepped;
}

/* To the end of all jobs there are. */
static void run_all_jobs(void) {
        for (unsigned i = 0; i < 20000; i++) {
                bool over = true;

                for (struct job *job = server.jobs->first; job; job = job->next)
                        over = over && job_has_ended(job) && !job->run;
                if (over && server.jobs->first)
                        break;
                if (!count_step())
                        pass(1000);
        }
        while (step())
                ;
}

/* Runs LIFE in a process of its own. True: it came to its end; false: it was killed. Whatever goes wrong in it fails
 * the test. */
static bool in_child(void (*life)(unsigned what, const struct faulty_plan *plan, uint64_t steps), unsigned what,
                     const struct faulty_plan *plan, uint64_t steps) {
        pid_t pid = fork();
        int status;

        ck_assert_int_ge(pid, 0);
        if (pid == 0) {
                if (plan)
                        kit_plan = *plan;
                life(what, plan, steps);
                _exit(0);
        }
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        if (WIFSIGNALED(status)) {
                ck_assert_msg(WTERMSIG(status) == SIGKILL, "the daemon died of signal %d", WTERMSIG(status));
                return false;
        }
        ck_assert_msg(WEXITSTATUS(status) == 0, "the daemon's test failed (%d)", WEXITSTATUS(status));
        return true;
}

/* Submits and copies, until it is killed; or STEPS steps long (0: to the end). */
static void first_life(unsigned what, const struct faulty_plan *plan, uint64_t steps) {
        (void)plan;
        begin(what);
        submit_scene(what);
        if (steps == 0)
                run_all_jobs();
        else {
                for (uint64_t i = 0; i < steps; i++)
                        if (!step())
                                pass(1000);
                kill(getpid(), SIGKILL);
        }
        is_in_state(shared->job, FSOP_JOB_DONE);
        shared->counters = job_of(shared->job)->kept.counters;
        stop();
}

/* As if nothing had happened. */
static void counted_right(const struct job *job) {
        const struct store_counters *counters = &job->kept.counters;

        ck_assert_uint_eq(counters->files_done, expected.files_done);
        ck_assert_uint_eq(counters->files_failed, 0);
        ck_assert_uint_eq(counters->files_skipped, 0);
        ck_assert_uint_eq(counters->bytes_copied, expected.bytes_copied);
        ck_assert_uint_eq(counters->bytes_flushed, expected.bytes_flushed);
        ck_assert_uint_eq(counters->bytes_verified, expected.bytes_verified);
}

/* Finds what is left, and goes on. */
static void second_life(unsigned what, const struct faulty_plan *plan, uint64_t steps) {
        (void)plan, (void)steps;
        begin(what);
        if (server.jobs->n == 0)
                submit_scene(what); /* it was never acknowledged: the client tries again */
        run_all_jobs();
        for (struct job *job = server.jobs->first; job; job = job->next) {
                ck_assert_msg(job->kept.state == FSOP_JOB_DONE, "job %d ended in state %d", (int)job->kept.id,
                              job->kept.state);
                counted_right(job);
        }
        stop();
}

/* ---- what the store calls done ----------------------------------------------------------------------------------- */

#define KNOWN_MAX 256u

static struct {
        unsigned n, jobs;
        char path[KNOWN_MAX][256];
        uint64_t serial[KNOWN_MAX];
        enum fsop_job_state state;
        struct store *store;
        bool fresh;
        char random[17];
        uint64_t id;
} known;

static int take_done(void *context, const struct done_entry *entry) {
        struct fake_inode *inode;
        char top[128], path[512];
        unsigned place = *(unsigned *)context;
        const char *name = place ? "/home/dst2" : "/home/dst";

        snprintf(top, sizeof(top), "%s", name);
        if (!fake_at(top)) { /* not published yet */
                char number[16] = "";

                if (place)
                        snprintf(number, sizeof(number), "%x", place);
                snprintf(top, sizeof(top), "/home/.fsop-%llu-%s%s", (unsigned long long)known.id, known.random, number);
        }
        snprintf(path, sizeof(path), "%s%s%.*s", top, entry->path.len > 0 ? "/" : "", (int)entry->path.len,
                 (const char *)entry->path.data);
        inode = fake_at(path);
        ck_assert_msg(inode != NULL, "%s is called done and is not there", path);
        ck_assert_msg(inode->valid == inode->size && inode->finished, "%s is called done and is not whole", path);
        ck_assert_uint_lt(known.n, KNOWN_MAX);
        snprintf(known.path[known.n], sizeof(known.path[0]), "%s%s%.*s", name, entry->path.len > 0 ? "/" : "",
                 (int)entry->path.len, (const char *)entry->path.data);
        known.serial[known.n++] = inode->serial;
        return 0;
}

static int take_done_blob(void *context, struct bytes data) {
        return done_read(data, take_done, context);
}

static int take_job(void *context, const struct store_job *job) {
        (void)context;
        known.jobs++;
        known.state = job->state;
        known.id = job->id;
        memcpy(known.random, job->random, sizeof(known.random));
        return 0;
}

/* After a crash: everything that is done is there, and remembered for later. */
static void look_at_store(void) {
        struct store *store;
        char *note = NULL;
        uint64_t next;

        memset(&known, 0, sizeof(known));
        if (!__real_store_sqlite.exists(kit_directory))
                return;
        ck_assert_int_eq(__real_store_sqlite.open(kit_directory, &store, &note), 0);
        ck_assert_msg(note == NULL, "%s", note);
        ck_assert_int_eq(__real_store_sqlite.load(store, take_job, NULL, &next), 0);
        ck_assert_msg(shared->job == 0 || known.jobs == 1, "an acknowledged job is lost");
        for (unsigned place = 0; known.jobs > 0 && place < 2; place++)
                ck_assert_int_eq(__real_store_sqlite.read_files(store, known.id, place, take_done_blob, &place), 0);
        __real_store_sqlite.close(store);
}

/* In the end. */
static void all_is_well(unsigned what, uint64_t again_max) {
        uint64_t size = 0;

        is_copy_of("/home/dst", "/home/src");
        if (what & TWO)
                is_copy_of("/home/dst2", "/home/other");
        for (unsigned i = 0; i < known.n; i++) {
                const struct fake_inode *inode = fake_at(known.path[i]);

                ck_assert_msg(inode != NULL, "%s was done and is gone", known.path[i]);
                ck_assert_msg(inode->serial == known.serial[i], "%s was done and was copied again", known.path[i]);
        }
        if (what & LARGE)
                size = LARGE_BYTES;
        ck_assert_msg(fake_fs->bytes_written <= size + 100000 + again_max, "%llu MiB were copied again",
                      (unsigned long long)((fake_fs->bytes_written - size) / MIB));
}

/* ---- the tests --------------------------------------------------------------------------------------------------- */

static void setup(void) {
        kit_setup();
        if (!shared)
                shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
}

static uint64_t count_commits(unsigned what) {
        make_scene(what);
        ck_assert(in_child(first_life, what, NULL, 0));
        all_is_well(what, 0);
        kit_empty_directory();
        expected = shared->counters;
        return shared->commits;
}

static void crash_at_every_commit(unsigned what, enum faulty_kind kind, bool power_cut) {
        uint64_t commits = count_commits(what);

        ck_assert_uint_ge(commits, 3);
        for (uint64_t n = 1; n <= commits; n++) {
                struct faulty_plan plan = {.kind = kind, .nth = n};

                make_scene(what);
                if (in_child(first_life, what, &plan, 0))
                        break; /* it took fewer commits this time */
                if (power_cut)
                        fake_power_cut();
                look_at_store();
                ck_assert(in_child(second_life, what, NULL, 0));
                all_is_well(what, 64 * MIB);
                kit_empty_directory();
        }
        kit_empty_directory();
}

START_TEST(killed_before_every_commit) {
        crash_at_every_commit(scenes[_i].what, FAULTY_CRASH_BEFORE, false);
}
END_TEST

START_TEST(killed_after_every_commit) {
        crash_at_every_commit(scenes[_i].what, FAULTY_CRASH_AFTER, false);
}
END_TEST

START_TEST(power_lost_before_every_commit) {
        crash_at_every_commit(scenes[_i].what, FAULTY_CRASH_BEFORE, true);
}
END_TEST

START_TEST(power_lost_after_every_commit) {
        crash_at_every_commit(scenes[_i].what, FAULTY_CRASH_AFTER, true);
}
END_TEST

/* Between any two calls of workers. */
START_TEST(killed_at_every_step) {
        unsigned what = scenes[_i / 2].what;
        uint64_t steps;

        count_commits(what);
        steps = shared->steps;
        for (uint64_t n = 1; n <= steps; n++) {
                make_scene(what);
                ck_assert(!in_child(first_life, what, NULL, n));
                if (_i % 2)
                        fake_power_cut();
                look_at_store();
                ck_assert(in_child(second_life, what, NULL, 0));
                all_is_well(what, 64 * MIB);
                kit_empty_directory();
        }
}
END_TEST

/* Killed again and again, a few steps further each time. */
START_TEST(killed_again_and_again) {
        unsigned what = scenes[_i].what;

        count_commits(what);
        for (uint64_t steps = 7; steps < 60; steps += 11) {
                unsigned lives = 0;

                make_scene(what);
                ck_assert(!in_child(first_life, what, NULL, steps));
                look_at_store();
                for (; lives < 3; lives++) {
                        struct faulty_plan plan = {.kind = lives % 2 ? FAULTY_CRASH_BEFORE : FAULTY_CRASH_AFTER,
                                                   .nth = 2 + lives};

                        if (in_child(second_life, what, &plan, 0))
                                break;
                        look_at_store();
                }
                ck_assert(in_child(second_life, what, NULL, 0));
                all_is_well(what, (lives + 1) * 64 * MIB);
                kit_empty_directory();
        }
}
END_TEST

/* ---- what a user was told ---------------------------------------------------------------------------------------- */

static const struct {
        const char *name;
        enum fsop_verb before,
                verb; /* the first is answered, and what follows from it done, before the other is asked for */
        enum fsop_job_state left; /* what the next daemon finds; or DONE, if it came too late */
} wishes[] = {
        {"pause", FSOP_VERB_NONE, FSOP_VERB_JOB_PAUSE, FSOP_JOB_PAUSED},
        {"cancel", FSOP_VERB_NONE, FSOP_VERB_JOB_CANCEL, FSOP_JOB_CANCELLED},
        {"resume", FSOP_VERB_JOB_PAUSE, FSOP_VERB_JOB_RESUME, FSOP_JOB_QUEUED},
        {"cancel what is paused", FSOP_VERB_JOB_PAUSE, FSOP_VERB_JOB_CANCEL, FSOP_JOB_CANCELLED},
        {"forget", FSOP_VERB_JOB_CANCEL, FSOP_VERB_JOB_FORGET, FSOP_JOB_UNKNOWN},
};
#define WISHES ((int)(sizeof(wishes) / sizeof(wishes[0])))

static unsigned wish; /* of these */

/* Is killed as soon as the wish is answered; comes to its end if the job did before. */
static void wishing_life(unsigned what, const struct faulty_plan *plan, uint64_t steps) {
        (void)plan;
        begin(what);
        submit_scene(what);
        for (uint64_t i = 0; i < steps; i++)
                if (!step())
                        pass(1000);
        if (wishes[wish].before && !job_has_ended(job_of(shared->job)))
                info_of(ask(job_op(wishes[wish].before, shared->job)));
        if (wishes[wish].before)
                settle();
        if (state_of(shared->job) == FSOP_JOB_DONE && wishes[wish].verb != FSOP_VERB_JOB_FORGET) {
                stop();
                return;
        }
        ck_assert_int_eq(ask(job_op(wishes[wish].verb, shared->job))->error.code, 0);
        kill(getpid(), SIGKILL);
}

/* It is as was answered, and what may be left of it goes. */
static void obeying_life(unsigned what, const struct faulty_plan *plan, uint64_t steps) {
        struct job *job;

        (void)plan, (void)steps;
        begin(what);
        job = job_of(shared->job);
        if (wishes[wish].left == FSOP_JOB_UNKNOWN)
                ck_assert(!job || job->forgetting);
        else if (!job || job->kept.state != FSOP_JOB_DONE)
                is_in_state(shared->job, wishes[wish].left);
        else
                is_copy_of("/home/dst", "/home/src"); /* it came too late */
        settle();
        if (wishes[wish].left == FSOP_JOB_UNKNOWN)
                ck_assert_ptr_null(job_of(shared->job));
        if (wishes[wish].left == FSOP_JOB_CANCELLED || wishes[wish].left == FSOP_JOB_UNKNOWN)
                ck_assert_uint_eq(fake_count_names(".fsop-"), 0);
        stop();
}

START_TEST(killed_after_an_answer) {
        unsigned what = _i % 2 ? LARGE | SMALL : FRESH | LARGE | SMALL;

        wish = (unsigned)_i / 2;
        for (uint64_t n = 0;; n++) {
                bool ended;

                make_scene(what);
                ended = in_child(wishing_life, what, NULL, n);
                if (!ended)
                        ck_assert(in_child(obeying_life, what, NULL, 0));
                kit_empty_directory();
                if (ended || n == 100)
                        break;
        }
}
END_TEST

/* ---- a store that fails, and lives ------------------------------------------------------------------------------- */

static const struct faulty_plan no_plan;

/* Until the job is done; what it says on the way has a reason. */
static void run_with_retries(unsigned what, bool lasting) {
        unsigned stops = 0;
        uint64_t told = 0;

        for (unsigned i = 0; i < 20000; i++) {
                struct job *job = job_of(shared->job);

                ck_assert_msg(job_describe(job).files_done >= told, "files were done, and are no more");
                told = job_describe(job).files_done;
                if (job->kept.state == FSOP_JOB_DONE && !job->run)
                        break;
                if (job->kept.state == FSOP_JOB_WAITING || (job->kept.state == FSOP_JOB_FAILED && !job->run)) {
                        ck_assert_msg(job->kept.error.code != 0 && job->kept.error.message.len > 0,
                                      "it stops without a reason");
                        stops++;
                        if (lasting && stops == 3)
                                faulty_store_plan(kit_store, &no_plan);
                }
                if (job->kept.state == FSOP_JOB_FAILED && !job->run)
                        ask(job_op(FSOP_VERB_JOB_RETRY, shared->job)); /* done, whether or not it could be recorded */
                if (!step())
                        pass(1000);
        }
        is_in_state(shared->job, FSOP_JOB_DONE);
        counted_right(job_of(shared->job));
        all_is_well(what, 3 * 64 * MIB);
}

static void commit_fails(unsigned what, int code, bool lasting) {
        uint64_t commits = count_commits(what);

        memset(&known, 0, sizeof(known));
        for (uint64_t n = 1; n <= commits; n++) {
                struct faulty_plan plan = {.kind = FAULTY_ERROR, .nth = n, .code = code, .lasting = lasting};
                const struct result *result;

                make_scene(what);
                begin(what);
                kit_plan = plan;
                result = ask(scene_op(what));
                kit_plan = no_plan;
                if (result->error.code != 0) {
                        ck_assert_uint_eq(n, 1);
                        refused(result, (enum fsop_errno) - code, FSOP_CLASS_BUSY);
                        ck_assert_uint_eq(server.jobs->n, 0);
                        ck_assert_uint_eq(server.jobs->n_drafts, 0);
                        faulty_store_plan(kit_store, &no_plan);
                        result = ask(scene_op(what));
                }
                shared->job = info_of(result)->id;
                run_with_retries(what, lasting);
                stop();
                /* what is there is also what is on the disk */
                kit_keeps_tree = true;
                jobs_begin(CALLER_UID);
                is_in_state(shared->job, FSOP_JOB_DONE);
                stop();
                kit_empty_directory();
        }
}

START_TEST(a_commit_fails_once) {
        commit_fails(scenes[_i / 2].what & ~(unsigned)TWO, _i % 2 ? -FSOP_ENOSPC : -FSOP_EIO, false);
}
END_TEST

/* Who asks is told, and it is so all the same; but a job whose removal failed is still there. */
START_TEST(what_is_wanted_cannot_be_recorded) {
        static const struct {
                enum fsop_verb verb;
                enum fsop_job_state then;
        } wanted[] = {
                {FSOP_VERB_JOB_PAUSE, FSOP_JOB_PAUSED},
                {FSOP_VERB_JOB_CANCEL, FSOP_JOB_CANCELLED},
                {FSOP_VERB_JOB_FORGET, FSOP_JOB_CANCELLED},
        };
        struct faulty_plan plan = {.kind = FAULTY_ERROR, .nth = 1, .code = -FSOP_ENOSPC};

        make_scene(LARGE | SMALL);
        begin(LARGE | SMALL);
        submit_scene(LARGE | SMALL);
        run_until(shared->job, FSOP_JOB_RUNNING);
        for (unsigned i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
                while (!journal_is_idle(server.jobs->journal))
                        ck_assert(step());
                faulty_store_plan(kit_store, &plan);
                refused(ask(job_op(wanted[i].verb, shared->job)), FSOP_ENOSPC, FSOP_CLASS_OS);
                settle();
                is_in_state(shared->job, wanted[i].then);
                ck_assert_int_eq(info_of(ask(job_op(FSOP_VERB_JOB_SHOW, shared->job)))->state, wanted[i].then);
        }
        ck_assert_int_eq(ask(job_op(FSOP_VERB_JOB_FORGET, shared->job))->error.code, 0);
        ck_assert_ptr_null(job_of(shared->job));
        stop();
}
END_TEST

START_TEST(commits_fail_for_a_while) {
        commit_fails(scenes[_i / 2].what & ~(unsigned)TWO, _i % 2 ? -FSOP_ENOSPC : -FSOP_EIO, true);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("jobs_crash");
        TCase *tcase = tcase_create("jobs_crash");

        tcase_set_timeout(tcase, 300);
        tcase_add_checked_fixture(tcase, setup, kit_teardown);
        tcase_add_loop_test(tcase, killed_before_every_commit, 0, SCENES);
        tcase_add_loop_test(tcase, killed_after_every_commit, 0, SCENES);
        tcase_add_loop_test(tcase, power_lost_before_every_commit, 0, SCENES);
        tcase_add_loop_test(tcase, power_lost_after_every_commit, 0, SCENES);
        tcase_add_loop_test(tcase, killed_at_every_step, 0, 2 * SCENES);
        tcase_add_loop_test(tcase, killed_again_and_again, 0, SCENES);
        tcase_add_loop_test(tcase, a_commit_fails_once, 0, 2 * SCENES);
        tcase_add_loop_test(tcase, killed_after_an_answer, 0, 2 * WISHES);
        tcase_add_test(tcase, what_is_wanted_cannot_be_recorded);
        tcase_add_loop_test(tcase, commits_fail_for_a_while, 0, 2 * SCENES);
        suite_add_tcase(suite, tcase);
        return suite_run(suite);
}
