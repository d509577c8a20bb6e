/* SPDX-License-Identifier: MIT */
/*
 * test_failures.c: a whole visit of a client, from its connection to its end, again and again; each time one thing more
 * goes well before something fails: an allocation, a call of the system, an io of the engine; or the client cancels,
 * dies, comes to its deadline, or the policy changes under it. Whatever happens, no operation is answered twice, all
 * are answered unless the connection is closed, and everything that was taken is given back.
 */
#include <stdlib.h>
#include <string.h>

#include "tests/support/steps_kit.h"

#include "tests/support/fail_alloc.h"
#include "tests/support/suite.h"

struct visit {
        bool slow;
        bool step_by_step;             /* one io of the engine at a time, with before_step before each */
        unsigned steps;                /* done so far */
        unsigned event_at;             /* before which step the event comes */
        void (*event)(unsigned batch); /* what then happens */
        unsigned batch;                /* in flight */
        bool refused;                  /* the connection ended before the visit did */
};
static struct visit visit;

static struct location below(enum location_kind kind, uint64_t which, const char *path) {
        struct location location = {.kind = kind, .path = {(const uint8_t *)path, strlen(path)}};

        if (kind == LOCATION_HANDLE)
                location.handle = which;
        else
                location.fd_index = (uint32_t)which;
        return location;
}

/* Lets one io happen, the oldest of its kind. */
static bool step_one(void) {
        static const enum io_kind kinds[] = {IO_CALL, IO_RESOLVE, IO_RUN};

        for (unsigned i = 0; i < 3; i++) {
                struct io *io = fake_engine_pending(server.engine, kinds[i], 0);

                if (!io)
                        continue;
                do_io(io);
                return true;
        }
        return false;
}

static void go_on(void) {
        rounds();
        if (!visit.step_by_step)
                return;
        do {
                if (++visit.steps == visit.event_at && session)
                        visit.event(visit.batch);
                rounds();
        } while (step_one());
        rounds();
}

static bool is_connected(void) {
        return session && (session->state == SESSION_OPEN || session->state == SESSION_HELLO);
}

/* One batch of the visit. False: the connection is over. */
static bool do_batch(enum fsop_batch_mode mode, struct operation *ops, uint32_t n, os_fd *fds, uint32_t n_fds) {
        struct message message = {.kind = MESSAGE_BATCH,
                                  .body.batch = {.id = ++visit.batch, .mode = mode, .ops = ops, .n_ops = n}};

        memset(&got.answers, 0, sizeof(got.answers));
        got.last_frames = 0;
        send_message(&message, fds, n_fds);
        go_on();
        in_client++; /* Check allocates, too */
        for (uint32_t i = 0; i < n; i++)
                ck_assert_msg(got.answers[i] <= 1, "operation %u was answered %u times", i, got.answers[i]);
        if (is_connected())
                answered_once(n);
        in_client--;
        return is_connected();
}

static uint64_t opened_handle(uint32_t i) {
        return got.results[i].error.code == 0 ? got.results[i].value.handle : 12345;
}

#define BYTES(text)                                                                                                    \
        { (const uint8_t *)(text), sizeof(text) - 1 }

static bool use_everything(uint64_t directory, uint64_t file, uint64_t placeless) {
        struct operation nested = chown_op("/srv/build/f", 1000);
        struct operation ops[] = {
                stat_op("/etc/passwd"),
                chown_op("/srv/build/f", 1000),
                chown_op("/srv/build/f", 0),
                {.verb = FSOP_VERB_MKDIR, .at = at("/srv/build/d"), .args.mkdir = {.create = true, .mode = 0755}},
                {.verb = FSOP_VERB_MKNOD,
                 .at = at("/srv/build/p"),
                 .args.mknod = {.type = FSOP_TYPE_FIFO, .create = {.create = true}}},
                {.verb = FSOP_VERB_RENAME, .at = at("/srv/build/a"), .to = at("/srv/build/b")},
                {.verb = FSOP_VERB_RENAME,
                 .at = below(LOCATION_HANDLE, directory, "a"),
                 .to = below(LOCATION_HANDLE, directory, "b")},
                {.verb = FSOP_VERB_STAT, .at = below(LOCATION_HANDLE, directory, "x")},
                {.verb = FSOP_VERB_CHOWN,
                 .at = below(LOCATION_FD, 0, "y"),
                 .args.chown = {.has_uid = true, .uid = 1000}},
                {.verb = FSOP_VERB_STAT, .as = FSOP_AS_CALLER, .at = below(LOCATION_FD, 1, "")},
                {.verb = FSOP_VERB_READ, .at = below(LOCATION_HANDLE, file, ""), .args.read = {.length = 100}},
                {.verb = FSOP_VERB_READ, .at = below(LOCATION_HANDLE, placeless, ""), .args.read = {.length = 100}},
                {.verb = FSOP_VERB_MKDIR, .at = at("/srv/service/d"), .args.mkdir = {.create = true, .mode = 0755}},
                {.verb = FSOP_VERB_TRUNCATE,
                 .at = at("/srv/service/t"),
                 .args.truncate = {.size = 1 << 20, .create = {.create = true}}},
                stat_op("/srv/watched/f"),
                {.verb = FSOP_VERB_INFO, .as = FSOP_AS_ELEVATED, .at = at("/srv")},
                {.verb = FSOP_VERB_COPY_RANGE,
                 .at = below(LOCATION_HANDLE, file, ""),
                 .to = at("/srv/build/copy"),
                 .args.copy_range = {.length = 10, .create = {.create = true}}},
                {.verb = FSOP_VERB_TRUNCATE,
                 .at = at("/srv/build/t"),
                 .args.truncate = {.size = 5, .create = {.create = true}}},
                {.verb = FSOP_VERB_OPEN_FD, .at = at("/srv/build/f"), .args.open = {.read = true}},
                {.verb = FSOP_VERB_OPENDIR, .at = below(LOCATION_HANDLE, directory, "sub")},
                {.verb = FSOP_VERB_LS, .at = at("/srv/build"), .args.ls = {.entries_max = 10}},
                {.verb = FSOP_VERB_UNLINK, .at = at("/srv/build/x"), .args.unlink = {.recursive = true}},
                {.verb = FSOP_VERB_INFO, .at = at("/srv")},
                {.verb = FSOP_VERB_STATUS},
                {.verb = FSOP_VERB_PING, .args.ping = BYTES("hello")},
                {.verb = FSOP_VERB_EXPLAIN, .args.explain = {.op = &nested}},
                {.verb = FSOP_VERB_EXPLAIN, .args.explain = {.user = BYTES("builder"), .op = &nested}},
                {.verb = FSOP_VERB_POLICY_RELOAD},
        };
        os_fd fds[2] = {fake_fd_open("/srv/build"), fake_fd_open(NULL)};

        return do_batch(FSOP_BATCH_PARALLEL, ops, sizeof(ops) / sizeof(ops[0]), fds, 2);
}

static bool whole_visit(void) {
        struct operation opens[] = {
                {.verb = FSOP_VERB_OPENDIR, .at = at("/srv/build")},
                {.verb = FSOP_VERB_OPEN, .at = at("/etc/passwd"), .args.open = {.read = true}},
                {.verb = FSOP_VERB_OPEN,
                 .at = below(LOCATION_FD, 0, "f"),
                 .args.open = {.read = true}}, /* elevated, path unknown */
        };
        os_fd fd;
        struct operation ends[] = {
                stat_op("/a"), {.verb = FSOP_VERB_CLOSE, .at = {.kind = LOCATION_HANDLE}}, stat_op("/b")};
        uint64_t directory, file, placeless;

        session_start(&server, fake_fd_open(NULL));
        session = server.sessions;
        if (!session)
                return false;
        say_hello(&session->receive);
        rounds();
        if (!is_connected())
                return false;
        fd = fake_fd_open("/srv/build");
        if (!do_batch(FSOP_BATCH_ORDERED, opens, 3, &fd, 1))
                return false;
        directory = opened_handle(0);
        file = opened_handle(1);
        placeless = opened_handle(2);
        if (!use_everything(directory, file, placeless))
                return false;
        ends[1].at.handle = directory;
        return do_batch(FSOP_BATCH_ORDERED_STOP, ends, 3, NULL, 0);
}

static void visit_begins(bool slow) {
        start_daemon(CALLER_UID);
        server.has_admin_gid = true;
        server.admin_gid = CALLER_UID;
        visit = (struct visit){.slow = slow};
        sys.slow = slow;
}

static void visit_ends(void) {
        visit.event = NULL;
        visit.step_by_step = false;
        rounds();
        stop();
}

START_TEST(nothing_fails) {
        visit_begins(_i != 0);
        ck_assert(whole_visit());
        for (uint32_t i = 0; i < 3; i++)
                ck_assert_int_eq(got.results[i].error.code, 0);
        visit_ends();
}
END_TEST

START_TEST(memory_runs_out) {
        bool enough = false;
        unsigned refused = 0;

        alloc_spared = &in_client;
        for (unsigned n = 1; !enough; n++) {
                visit_begins(_i != 0);
                alloc_fail(n);
                refused += !whole_visit();
                enough = alloc_calls < n;
                alloc_fail(0);
                visit_ends();
        }
        ck_assert_uint_gt(refused, 0);
}
END_TEST

START_TEST(a_system_call_fails) {
        static const int codes[] = {-FSOP_EIO, -FSOP_EMFILE, -FSOP_ENOMEM, -FSOP_EPERM};
        bool enough = false;

        for (unsigned n = 1; !enough; n++) {
                visit_begins(_i != 0);
                sys.fail_at = n;
                sys.code = codes[n % 4];
                ck_assert_int_eq(whole_visit(), n > 2); /* who it is must be known */
                enough = sys.calls < n;
                visit_ends();
        }
}
END_TEST

START_TEST(an_io_of_the_engine_fails) {
        static const enum io_kind kinds[] = {IO_RESOLVE, IO_RUN, IO_CALL, IO_SEND};

        for (unsigned kind = 0; kind < 4; kind++)
                for (unsigned n = 1; n < 40; n++) {
                        visit_begins(true);
                        fake_engine_fail_nth(server.engine, kinds[kind], n, -FSOP_EAGAIN, 0);
                        whole_visit();
                        if (kinds[kind] != IO_SEND && kinds[kind] != IO_CALL)
                                ck_assert(is_connected());
                        visit_ends();
                }
}
END_TEST

/* ---- what others do meanwhile ------------------------------------------------------------------------------------ */

static void client_cancels(unsigned batch) {
        struct message cancel = {.kind = MESSAGE_CANCEL, .body.cancel_id = batch};

        if (fake_engine_pending(server.engine, IO_RECEIVE, 0))
                send_message(&cancel, NULL, 0);
}

static void client_dies(unsigned batch) {
        (void)batch;
        session_close(session);
}

static void deadline_passes(unsigned batch) {
        (void)batch;
        for (struct task *task = session->tasks; task; task = task->next)
                task_cancel(task, -FSOP_ETIMEDOUT);
}

static void policy_changes(unsigned batch) {
        struct policy_report report;

        (void)batch;
        ck_assert_int_eq(server_reload(&server, &report), 0);
        policy_report_fini(&report);
}

static void rights_are_revoked(unsigned batch) {
        fake_n_files = 0;
        policy_changes(batch);
}

static void mounts_change(unsigned batch) {
        (void)batch;
        fake_now_ms += 100000;
        roots_tick(server.roots, fake_now_ms, true);
}

static void garbage_comes(unsigned batch) {
        static const uint8_t garbage[] = {5, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff};

        (void)batch;
        if (fake_engine_pending(server.engine, IO_RECEIVE, 0))
                fake_engine_receive(fake_engine_pending(server.engine, IO_RECEIVE, 0), garbage, sizeof(garbage), NULL,
                                    0);
}

static const struct {
        void (*event)(unsigned batch);
        bool survives;
} events[] = {{client_cancels, true},     {client_dies, false},  {deadline_passes, true}, {policy_changes, true},
              {rights_are_revoked, true}, {mounts_change, true}, {garbage_comes, false}};

START_TEST(something_happens_between) {
        bool happened = true;

        for (unsigned n = 1; happened; n++) {
                visit_begins(true);
                fake_engine_run_inline(server.engine, false);
                visit.step_by_step = true;
                visit.event = events[_i].event;
                visit.event_at = n;
                bool whole = whole_visit();

                happened = visit.steps >= n;
                if (events[_i].survives || !happened)
                        ck_assert_msg(whole, "the connection ended at step %u", n);
                visit_ends();
        }
}
END_TEST

/* ---- exact answers ----------------------------------------------------------------------------------------------- */

/* OP waits for a worker, and is cancelled there: it says so, whatever it waited for. */
static void cancelled_while_it_waits(struct operation *op, os_fd *fds, uint32_t n_fds) {
        struct message message = {.kind = MESSAGE_BATCH, .body.batch = {.id = 1, .ops = op, .n_ops = 1}};

        for (int late = 0; late < 2; late++) {
                start(CALLER_UID);
                server.has_admin_gid = true;
                server.admin_gid = CALLER_UID;
                sys.slow = true;
                fake_engine_run_inline(server.engine, false);
                for (uint32_t i = 0; i < n_fds; i++)
                        fds[i] = fake_fd_open("/srv/build");
                send_message(&message, fds, n_fds);
                rounds();
                ck_assert_uint_eq(got.answers[0], 0);
                task_cancel(session->tasks, late ? -FSOP_ETIMEDOUT : -FSOP_ECANCELED);
                rounds();
                answered_once(1);
                ck_assert_int_eq(got.results[0].error.code, late ? FSOP_ETIMEDOUT : FSOP_ECANCELED);
                ck_assert_int_eq(got.results[0].error.class_, FSOP_CLASS_CANCELLED);
                ck_assert_uint_eq(sys.runs, 0);
                stop();
        }
}

START_TEST(who_waits_for_a_worker_can_be_cancelled) {
        struct operation nested = chown_op("/srv/build/f", 1000);
        struct operation by_path = chown_op("/srv/build/f", 1000), as_caller = stat_op("/net/f");
        struct operation by_fd = {.verb = FSOP_VERB_CHOWN,
                                  .at = below(LOCATION_FD, 0, "y"),
                                  .args.chown = {.has_uid = true, .uid = 1000}};
        struct operation info = {.verb = FSOP_VERB_INFO, .at = at("/srv")};
        struct operation explain = {.verb = FSOP_VERB_EXPLAIN,
                                    .args.explain = {.user = BYTES("builder"), .op = &nested}};
        os_fd fd;

        cancelled_while_it_waits(&by_path, NULL, 0);
        cancelled_while_it_waits(&as_caller, NULL, 0);
        cancelled_while_it_waits(&by_fd, &fd, 1);
        cancelled_while_it_waits(&info, NULL, 0);
        cancelled_while_it_waits(&explain, NULL, 0);
}
END_TEST

/* What a rule does with an operation that succeeds is told exactly. */
START_TEST(rules_of_every_kind) {
        struct operation ops[] = {
                {.verb = FSOP_VERB_MKDIR, .at = at("/srv/service/d"), .args.mkdir = {.create = true, .mode = 0755}},
                {.verb = FSOP_VERB_TRUNCATE,
                 .at = at("/srv/service/t"),
                 .args.truncate = {.size = 1 << 20, .create = {.create = true}}},
                {.verb = FSOP_VERB_TRUNCATE,
                 .at = at("/srv/service/t"),
                 .args.truncate = {.size = 1000, .create = {.create = true}}},
                stat_op("/srv/watched/f"),
                {.verb = FSOP_VERB_INFO, .as = FSOP_AS_ELEVATED, .at = at("/srv")},
        };
        struct operation copy = {.verb = FSOP_VERB_COPY_RANGE, .at = at("/srv/build/f"), .to = at("/srv/service/f")};

        start(CALLER_UID);
        send_batch(1, FSOP_BATCH_PARALLEL, &copy, 1); /* both ends elevated, each by a rule of its own */
        rounds();
        answered_once(1);
        ck_assert(got.results[0].elevated && got.results[0].error.code == 0);
        memset(&got.answers, 0, sizeof(got.answers));
        got.last_frames = 0;
        send_batch(2, FSOP_BATCH_ORDERED, ops, 5);
        rounds();
        answered_once(5);
        ck_assert(got.results[0].elevated && got.results[0].error.code == 0);
        ck_assert_int_eq(got.results[1].error.code, FSOP_EDQUOT);
        ck_assert_int_eq(got.results[1].error.class_, FSOP_CLASS_DENIED);
        ck_assert_int_eq(got.results[1].outcome, FSOP_OUTCOME_NOT_STARTED);
        ck_assert_int_eq(got.results[2].error.code, 0);
        ck_assert(!got.results[3].elevated && got.results[3].error.code == 0);
        ck_assert_ptr_nonnull(strstr(fake_written, "would-allow"));
        ck_assert_int_eq(got.results[4].error.class_, FSOP_CLASS_DENIED);
        ck_assert_uint_eq(sys.runs, 4);
        stop();
}
END_TEST

/* Nothing is given to who cannot be known. */
START_TEST(who_cannot_be_known_is_refused) {
        start_daemon(CALLER_UID);
        for (unsigned n = 1; n <= 2; n++) {
                sys.fail_at = n;
                sys.code = -FSOP_EMFILE;
                sys.calls = 0;
                session_start(&server, fake_fd_open(NULL));
                session = server.sessions;
                ck_assert_ptr_null(session);
                ck_assert_uint_eq(server.totals.refused, n);
                rounds();
                rounds(); /* a worker closes it */
                ck_assert_int_eq(fake_fds_open, 0);
        }
        sys.fail_at = 0;
        stop();
}
END_TEST

/* Settings and rules are all there or refused. */
START_TEST(memory_runs_out_at_the_start) {
        struct policy_config policy_config = {.directories = (const char *const[]){"/etc/fsopd/policy.d"},
                                              .n_directories = 1};
        bool enough = false;

        in_client = 0;
        alloc_spared = &in_client;
        for (unsigned n = 1; !enough; n++) {
                struct policy_report report = {0};
                struct policy *policy = NULL;
                struct roots *roots = NULL;
                struct config *settings = NULL;
                struct audit *audit = NULL;
                const char *why = NULL;
                char *error = NULL;
                int code;

                fake_reset();
                fake_directory_add("/srv/build", 0); /* no warnings, which could be lost without harm */
                fake_directory_add("/srv/service", 0);
                fake_directory_add("/srv/watched", 0);
                fake_file_add("/etc/fsopd/policy.d/a.yaml", rules);
                fake_file_add(
                        "/etc/fsopd/fsopd.yaml",
                        "socket: /run/x/y.sock\nsocket-group: staff\nadmin-group: staff\npolicy-dir: [/etc/a, /etc/b]\n"
                        "audit: file:/var/log/audit\nlimits:\n  connections: 10\n");
                alloc_fail(n);
                code = config_load("/etc/fsopd/fsopd.yaml", false, &settings, &error);
                if (code == 0)
                        code = policy_load(&policy_config, &policy, &report);
                if (code == 0)
                        code = roots_new(policy, &roots);
                if (code == 0)
                        code = audit_open("file:/audit", &audit, &why);
                enough = alloc_calls < n;
                alloc_fail(0);
                if (enough)
                        ck_assert_int_eq(code, 0);
                else
                        ck_assert_msg(code < 0, "loaded without allocation %u", n);
                roots_unref(roots);
                policy_unref(policy);
                policy_report_fini(&report);
                audit_free(audit);
                config_free(settings);
                free(error);
        }
}
END_TEST

int main(void) {
        Suite *suite = suite_create("failures");
        TCase *tcase = tcase_create("failures");

        tcase_set_timeout(tcase, 120);
        tcase_add_loop_test(tcase, nothing_fails, 0, 2);
        tcase_add_loop_test(tcase, memory_runs_out, 0, 2);
        tcase_add_loop_test(tcase, a_system_call_fails, 0, 2);
        tcase_add_test(tcase, an_io_of_the_engine_fails);
        tcase_add_loop_test(tcase, something_happens_between, 0, (int)(sizeof(events) / sizeof(events[0])));
        tcase_add_test(tcase, who_waits_for_a_worker_can_be_cancelled);
        tcase_add_test(tcase, rules_of_every_kind);
        tcase_add_test(tcase, who_cannot_be_known_is_refused);
        tcase_add_test(tcase, memory_runs_out_at_the_start);
        suite_add_tcase(suite, tcase);
        return suite_run(suite);
}
