/* SPDX-License-Identifier: MIT */
/*
 * server.c: start, the loop, timers, reload, and an orderly end.
 */
#include "daemon/server.h"

#include <stdlib.h>
#include <string.h>

#include "backends/service.h"
#include "daemon/graveyard.h"
#include "daemon/jobs.h"
#include "daemon/log.h"
#include "proto/names.h"

#define AUDIT_DELAY_MS 20u
#define TICK_MAX_MS 30000
#define TRIM_BYTES (4u << 20) /* a burst of less leaves nothing worth giving back */
#define DRAIN_CANCEL_MS 7000u /* after this, what is still in flight is asked to stop */
#define DRAIN_END_MS 9000u    /* after this, the daemon goes without it */

/* ---- policy ------------------------------------------------------------------------------------------------------ */

/* The directories that no rule may reach. */
static int own_paths(const struct config *config, const struct listening *listening, char ***ret_paths,
                     uint32_t *ret_n) {
        uint32_t n = 0, cap = config->n_policy_dirs + 4 + LISTENERS_MAX;
        char **paths = calloc(cap, sizeof(*paths));

        if (!paths)
                return -FSOP_ENOMEM;
        paths[n++] = config_parent_of(config->socket);
        paths[n++] = strdup(config->state_dir);
        if (config->file)
                paths[n++] = config_parent_of(config->file);
        if (strncmp(config->audit, "file:", 5) == 0)
                paths[n++] = config_parent_of(config->audit + 5);
        for (uint32_t i = 0; i < listening->n; i++)
                if (listening->sockets[i].name[0] == '/')
                        paths[n++] = config_parent_of(listening->sockets[i].name);
        for (uint32_t i = 0; i < config->n_policy_dirs; i++)
                paths[n++] = strdup(config->policy_dirs[i]);
        *ret_paths = paths;
        *ret_n = n;
        for (uint32_t i = 0; i < n; i++)
                if (!paths[i])
                        return -FSOP_ENOMEM;
        return 0;
}

int server_load_policy(const struct config *config, const struct listening *listening, struct policy **ret_policy,
                       struct policy_report *ret_report) {
        char **own = NULL;
        uint32_t n_own = 0;
        int code = own_paths(config, listening, &own, &n_own);

        memset(ret_report, 0, sizeof(*ret_report));
        if (code == 0) {
                struct policy_config policy_config = {
                        .directories = (const char *const *)config->policy_dirs,
                        .n_directories = config->n_policy_dirs,
                        .own_paths = (const char *const *)own,
                        .n_own_paths = n_own,
                };

                code = policy_load(&policy_config, ret_policy, ret_report);
        }
        for (uint32_t i = 0; i < n_own; i++)
                free(own[i]);
        free(own);
        return code;
}

static void log_report(const struct policy_report *report) {
        for (uint32_t i = 0; i < report->n_notes; i++)
                log_line(report->notes[i].is_error ? LOG_LEVEL_ERROR : LOG_LEVEL_WARNING, "policy: %s: %s",
                         report->notes[i].where, report->notes[i].text);
}

/* All roots are opened once as soon as the rules count: what they exclude is then known before anyone can have renamed
 * it. */
struct look {
        struct io io;
        struct server *server;
        struct root **roots;
        uint32_t n_roots;
};

static void look_call(struct io *io) {
        struct look *look = io->owner;

        for (uint32_t i = 0; i < look->n_roots; i++)
                root_open(look->roots[i]); /* one that does not open is tried again when it is needed */
        identity_wear_service();
        io->result = 0;
}

static void look_done(struct io *io) {
        struct look *look = io->owner;

        for (uint32_t i = 0; i < look->n_roots; i++)
                root_release(look->roots[i]);
        look->server->looking--;
        free(look->roots);
        free(look);
}

static void look_at_roots(struct server *server) {
        struct look *look = calloc(1, sizeof(*look));

        if (!look || roots_acquire_all(server->roots, &look->roots, &look->n_roots) < 0) {
                free(look);
                return;
        }
        look->server = server;
        look->io = (struct io){.kind = IO_CALL, .flags = IO_POOL, .done = look_done, .owner = look};
        look->io.u.call = look_call;
        server->looking++;
        server->engine->ops->submit(server->engine, &look->io);
}

static uint64_t earlier(uint64_t a, uint64_t b) {
        return a < b ? a : b;
}

/* What is under way was judged by the rules that were: whoever asked may have it wait for as long as he likes, they do
 * not, unless they are the same. */
static void revoke_later(struct server *server) {
        uint64_t then_ms = server->now_ms + TASK_REVOKE_MS;

        for (struct session *session = server->sessions; session; session = session->next)
                for (struct task *task = session->tasks; task; task = task->next)
                        if (task->policy && task->revoked_ms == 0 &&
                            !policy_is_same(server->policy, task->policy, &session->peer))
                                task->revoked_ms = then_ms;
        server->next_deadline_ms = earlier(server->next_deadline_ms, then_ms);
}

static int reload_policy(struct server *server, struct policy_report *ret_report) {
        struct audit_record record = {.event = AUDIT_RELOAD};
        struct policy *policy = NULL;
        struct roots *roots = NULL;
        int code;

        identity_wear_service();
        code = server_load_policy(server->config, &server->listening, &policy, ret_report);
        if (code == 0)
                code = roots_new(policy, &roots);
        log_report(ret_report);
        record.code = code;
        record.message = code < 0 ? "the old policy stays" : NULL;
        audit_record(server->audit, &record);
        if (code < 0) {
                log_line(LOG_LEVEL_ERROR, "policy: the old rules stay (%s)", error_name(-code));
                policy_unref(policy);
                return code;
        }
        policy_compare(policy, server->policy);
        roots_inherit(roots, server->roots);
        roots_unref(server->roots);
        policy_unref(server->policy);
        server->roots = roots;
        server->policy = policy;
        revoke_later(server);
        look_at_roots(server);
        jobs_policy_changed(server->jobs);
        log_line(LOG_LEVEL_NOTICE, "policy: %u rule%s", ret_report->n_rules, ret_report->n_rules == 1 ? "" : "s");
        return 0;
}

/* Whoever moved the audit file away must not lose what follows, whatever is wrong with the rules; and who made room for
 * the journal of jobs should have them. */
int server_reload(struct server *server, struct policy_report *ret_report) {
        int code = reload_policy(server, ret_report);

        jobs_retry_store(server->jobs);
        if (audit_reopen(server->audit) < 0)
                log_line(LOG_LEVEL_ERROR, "the audit log could not be opened anew; the old file is kept");
        return code;
}

bool server_is_admin(const struct server *server, const struct peer *peer) {
        if (server->private_service)
                return true; /* only its owner can connect */
        if (peer->uid == 0)
                return true;
        if (!server->has_admin_gid)
                return false;
        if (peer->gid == server->admin_gid)
                return true;
        for (uint32_t i = 0; i < peer->n_groups; i++)
                if (peer->groups[i] == server->admin_gid)
                        return true;
        return false;
}

/* ---- mounts ------------------------------------------------------------------------------------------------------ */

static void watch_mounts(struct server *server, os_fd fd);

/* Who could keep a lock once has what it takes still. */
static void look_at_locks(struct server *server) {
        if (server->routes.locks_may_be_kept || !sys_locks_may_be_kept())
                return;
        server->routes.locks_may_be_kept = true;
        log_line(LOG_LEVEL_INFO,
                 "users may have FUSE servers or use userfaultfd: changes are left to workers (docs/routes.md)");
}

static void mounts_changed(struct io *io) {
        struct server *server = io->owner;

        server->watching_mounts = false;
        if (io->result < 0 || server->draining)
                return;
        sys_mounts_changed();
        look_at_locks(server);
        roots_tick(server->roots, server->now_ms, true);
        watch_mounts(server, io->u.poll.fd);
}

static void watch_mounts(struct server *server, os_fd fd) {
        if (fd == OS_FD_NONE)
                return;
        server->mount_watch = (struct io){.kind = IO_POLL, .done = mounts_changed, .owner = server};
        server->mount_watch.u.poll.fd = fd;
        server->watching_mounts = true;
        server->engine->ops->submit(server->engine, &server->mount_watch);
}

/* ---- the loop ---------------------------------------------------------------------------------------------------- */

static void reload(struct server *server) {
        struct policy_report report;

        service_notify("RELOADING=1");
        server_reload(server, &report);
        policy_report_fini(&report);
        service_notify("READY=1");
}

static void drain(struct server *server) {
        if (server->draining)
                return;
        server->draining = true;
        server->drain_cancel_ms = server->now_ms + DRAIN_CANCEL_MS;
        server->drain_end_ms = server->now_ms + DRAIN_END_MS;
        log_line(LOG_LEVEL_NOTICE, "stopping: finishing what is in flight");
        service_notify("STOPPING=1");
        listen_stop(server);
        if (server->watching_mounts)
                server->engine->ops->cancel(server->engine, &server->mount_watch);
        for (struct session *session = server->sessions; session; session = session->next)
                session_drain(session);
        jobs_drain(server->jobs);
}

static void for_requests(struct server *server) {
        unsigned requests = service_take_requests();

        if (requests & SERVICE_RELOAD)
                reload(server);
        if (requests & SERVICE_TERMINATE)
                drain(server);
}

static bool has_elevated(const struct task *task) {
        for (uint32_t i = 0; task->policy && i < task->window_count; i++)
                if (task->ops[i].result.elevated)
                        return true;
        return false;
}

/* When the task comes to its end; UINT64_MAX: of itself, or it has. */
static uint64_t expire_task(struct task *task, uint64_t now_ms) {
        uint64_t next = UINT64_MAX;

        if (task->deadline_ms > now_ms)
                next = task->deadline_ms;
        else if (task->deadline_ms > 0)
                task_cancel(task, -FSOP_ETIMEDOUT);
        if (task->revoked_ms > now_ms)
                next = earlier(next, task->revoked_ms);
        else if (task->revoked_ms > 0 && has_elevated(task))
                task_cancel(task, -FSOP_EAGAIN);
        return task->cancelled ? UINT64_MAX : next;
}

void server_expire_tasks(struct server *server) {
        uint64_t next = UINT64_MAX;

        if (server->now_ms < server->next_deadline_ms)
                return;
        for (struct session *session = server->sessions; session; session = session->next)
                for (struct task *task = session->tasks; task; task = task->next)
                        next = earlier(next, expire_task(task, server->now_ms));
        server->next_deadline_ms = next;
}

static void expire_sessions(struct server *server) {
        for (int kind = 0; kind < DEADLINE_KINDS; kind++) {
                const struct deadlines *list = &server->deadlines[kind];

                while (list->first && list->first->deadline_ms <= server->now_ms)
                        session_expire(list->first);
        }
}

/* Sessions that a drain has nothing more to wait for. */
static void end_idle_sessions(struct server *server) {
        for (struct session *session = server->sessions; session; session = session->next) {
                if (server->now_ms >= server->drain_cancel_ms)
                        for (struct task *task = session->tasks; task; task = task->next)
                                task_cancel(task, -FSOP_ECANCELED);
                if (session->n_tasks == 0 && !session->out_first && session->state != SESSION_CLOSED)
                        session_close(session);
        }
}

/*
 * Outcomes wait a little: the next intent, which must be written before its operation, takes them along in the same
 * call. Everything else is written at once. So a crash can lose outcomes of the last moment, and nothing else: their
 * intents are there.
 */
static void write_audit(struct server *server) {
        enum audit_owed owed = audit_owed(server->audit);

        if (owed == AUDIT_OWES_OUTCOMES && server->audit_due_ms == UINT64_MAX)
                server->audit_due_ms = server->now_ms + AUDIT_DELAY_MS;
        if (owed == AUDIT_OWES_OUTCOMES && server->now_ms < server->audit_due_ms)
                return;
        if (owed != AUDIT_OWES_NOTHING)
                audit_flush(server->audit);
        server->audit_due_ms = UINT64_MAX;
}

static void end_round_of_sessions(struct server *server) {
        struct session *session;

        while ((session = server->dirty)) {
                server->dirty = session->dirty_next;
                session->dirty = false;
                session_end_round(session);
        }
}

void server_end_round(struct server *server) {
        jobs_end_round(server->jobs);
        end_round_of_sessions(server); /* answers that are there do not wait for others' turns */
        turns_run(server);
        end_round_of_sessions(server);
        graveyard_flush();
        write_audit(server);
        server->turns.round++;
}

static int wait_ms(const struct server *server) {
        uint64_t until = earlier(earlier(server->next_deadline_ms, server->next_tick_ms), server->next_jobs_ms);
        int turns_ms = turns_wait_ms(server);

        until = earlier(until, server->audit_due_ms);
        if (turns_ms >= 0)
                until = earlier(until, server->now_ms + (uint64_t)turns_ms);
        if (server->listening.again_ms > 0)
                until = earlier(until, server->listening.again_ms);
        for (int kind = 0; kind < DEADLINE_KINDS; kind++)
                if (server->deadlines[kind].first)
                        until = earlier(until, server->deadlines[kind].first->deadline_ms);
        if (server->refusals.end_ms > 0)
                until = earlier(until, server->refusals.end_ms);
        if (server->draining)
                until = earlier(until,
                                earlier(server->now_ms < server->drain_cancel_ms ? server->drain_cancel_ms : UINT64_MAX,
                                        server->drain_end_ms));
        if (until == UINT64_MAX)
                return -1;
        if (until <= server->now_ms)
                return 0;
        return until - server->now_ms > 3600000 ? 3600000 : (int)(until - server->now_ms);
}

static void tick_jobs(struct server *server) {
        int again = jobs_tick(server->jobs, server->now_ms);

        server->next_jobs_ms = again < 0 ? UINT64_MAX : server->now_ms + (uint64_t)again;
}

void server_charge(struct server *server, int64_t bytes) {
        server->bytes += (uint64_t)bytes;
        if (server->bytes > server->bytes_most)
                server->bytes_most = server->bytes;
}

/* What a burst took is still the allocator's when the burst is over: it keeps what was freed in between what was
 * not. */
static void give_memory_back(struct server *server) {
        if (server->bytes_most < TRIM_BYTES || server->bytes > server->bytes_most / 4)
                return;
        server->bytes_most = server->bytes;
        sys_trim_memory();
}

static void tick(struct server *server) {
        int again;

        tick_jobs(server);
        routes_tick(&server->routes, server->now_ms);
        if (server->now_ms < server->next_tick_ms)
                return;
        give_memory_back(server);
        again = roots_tick(server->roots, server->now_ms, false);
        if (again < 0 || again > TICK_MAX_MS)
                again = TICK_MAX_MS;
        server->next_tick_ms = server->now_ms + (uint64_t)again + 1;
}

static bool is_over(const struct server *server) {
        if (!server->draining)
                return false;
        if (server->now_ms >= server->drain_end_ms)
                return true;
        return !server->sessions && server->listening.accepting == 0 && graveyard_pending() == 0 &&
               server->looking == 0 && !server->watching_mounts && jobs_is_idle(server->jobs);
}

static int serve(struct server *server) {
        while (!is_over(server)) {
                int code = server->engine->ops->wait(server->engine, wait_ms(server));

                server->now_ms = sys_monotonic_ms();
                if (code < 0) {
                        log_line(LOG_LEVEL_CRITICAL, "the engine failed: %s", error_name(-code));
                        return 1;
                }
                for_requests(server);
                server_expire_tasks(server);
                expire_sessions(server);
                listen_tick(server);
                refusals_tick(&server->refusals, server->now_ms);
                tick(server);
                if (server->draining)
                        end_idle_sessions(server);
                server_end_round(server);
        }
        return 0;
}

/* ---- start and end ----------------------------------------------------------------------------------------------- */

static void wake(void *userdata) {
        struct engine *engine = userdata;

        engine->ops->wake(engine);
}

static void audit_daemon(struct server *server, enum audit_event event) {
        struct audit_record record = {.event = event};

        audit_record(server->audit, &record);
        audit_flush(server->audit);
}

static int open_engine(struct server *server) {
        const struct config *config = server->config;
        struct engine_config engine_config = {
                .workers = config->workers,
                .workers_extra_max = 16,
                .spin_us = sys_processors() > 1 ? config->spin_us : 0,
                .log = log_message,
        };
        const char *name = config_engine_name(config->engine), *why = NULL;
        int code = engine_open(name, &engine_config, &server->engine, &why);

        if (code < 0)
                log_line(LOG_LEVEL_ERROR, "engine %s cannot be used here: %s%s%s", name, error_text(-code),
                         why ? ": " : "", why ? why : "");
        return code;
}

static int open_audit(struct server *server) {
        const char *why = NULL;
        int code = audit_open(server->config->audit, &server->audit, &why);

        if (code < 0)
                log_line(LOG_LEVEL_ERROR, "the audit log %s cannot be opened: %s%s%s", server->config->audit,
                         error_text(-code), why ? ": " : "", why ? why : "");
        return code;
}

static int open_policy(struct server *server) {
        struct policy_report report;
        int code = server_load_policy(server->config, &server->listening, &server->policy, &report);

        log_report(&report);
        if (code == 0)
                code = roots_new(server->policy, &server->roots);
        if (code < 0)
                log_line(LOG_LEVEL_ERROR,
                         "the policy cannot be used: correct it, or move the file away (fsopd --check-config tells)");
        else
                log_line(LOG_LEVEL_INFO, "policy: %u rule%s", report.n_rules, report.n_rules == 1 ? "" : "s");
        policy_report_fini(&report);
        return code;
}

/* A connection costs its socket; the reserve is for work in hand. */
static void limit_connections(struct server *server) {
        const struct config_limits *limits = &server->config->limits;
        uint32_t reserved = limits->descriptors_reserved;
        uint32_t descriptors = sys_descriptors_max(limits->connections + limits->descriptors_per_uid + reserved);
        uint32_t fit = descriptors > reserved ? descriptors - reserved : 1;

        server->connections_max = limits->connections < fit ? limits->connections : fit;
        if (server->connections_max < limits->connections)
                log_line(LOG_LEVEL_NOTICE,
                         "at most %u connections instead of %u: this process may have %u descriptors, %u are reserved",
                         server->connections_max, limits->connections, descriptors, reserved);
}

static int server_open(struct server *server) {
        const struct config *config = server->config;
        int code;

        if (config->admin_group)
                server->has_admin_gid = sys_group_by_name(config->admin_group, &server->admin_gid) == 0;
        if (config->admin_group && !server->has_admin_gid)
                log_line(LOG_LEVEL_WARNING,
                         "admin-group %s does not exist: only uid 0 administrates; make the group, or name another",
                         config->admin_group);
        if ((code = listen_inherit(server)) < 0 || (code = open_audit(server)) < 0 ||
            (code = open_policy(server)) < 0 || (code = open_engine(server)) < 0)
                return code;
        limit_connections(server);
        graveyard_start(server->engine);
        if ((code = jobs_start(server, &server->jobs)) < 0)
                return code;
        look_at_roots(server);
        code = service_start(wake, server->engine);
        if (code == 0)
                code = listen_start(server);
        if (code == 0)
                watch_mounts(server, sys_mount_watch());
        return code;
}

static void server_close(struct server *server, int status) {
        service_stop(); /* whoever is impatient tells us a second time to end */
        session_free_spares();
        task_free_spares();
        listen_remove_socket(server);
        if (server->engine)
                server->engine->ops->close(server->engine);
        service_end(status); /* does not return when a worker hangs: it may hold what is freed below */
        if (server->jobs && jobs_is_idle(server->jobs)) /* else it is better left as after a crash */
                jobs_free(server->jobs);
        roots_unref(server->roots);
        policy_unref(server->policy);
        policy_accounts_fini();
        accounts_fini(&server->accounts);
        audit_free(server->audit);
}

int server_main(const struct config *config, bool private_service) {
        static struct server server;
        char sockets[512];
        int status = 1;

        server = (struct server){
                .config = config,
                .private_service = private_service,
                .routes.choice = config->routes,
                .now_ms = sys_monotonic_ms(),
                .next_deadline_ms = UINT64_MAX,
                .audit_due_ms = UINT64_MAX,
        };
        if (server_open(&server) == 0) {
                look_at_locks(&server);
                audit_daemon(&server, AUDIT_START);
                listen_name_sockets(&server, sockets, sizeof(sockets));
                log_line(LOG_LEVEL_NOTICE, "fsopd %s serves on %s (engine %s%s)", FSOPD_VERSION, sockets,
                         server.engine->ops->name, private_service ? ", private" : "");
                service_notify("READY=1");
                status = serve(&server);
                audit_daemon(&server, AUDIT_STOP);
        }
        server_close(&server, status);
        return status;
}
