/* SPDX-License-Identifier: MIT */
/*
 * status.c: what the daemon counts, and what its limits are: of the whole, of the asker, and to administrators of every
 * user who is connected; and what it has to do without.
 */
#include <stdio.h>
#include <string.h>

#include "daemon/answers.h"
#include "daemon/jobs.h"
#include "daemon/server.h"
#include "daemon/session.h"

struct counting {
        struct arena *arena;
        struct counter *counters;
        uint32_t n, max;
};

static void count(struct counting *counting, struct bytes name, uint64_t value) {
        if (counting->n < counting->max && name.data)
                counting->counters[counting->n++] = (struct counter){.name = name, .value = value};
}

static void count_of(struct counting *counting, struct bytes name, uint64_t value, uint64_t limit) {
        uint32_t n = counting->n;

        count(counting, name, value);
        if (counting->n > n) {
                counting->counters[n].has_limit = true;
                counting->counters[n].limit = limit;
        }
}

static struct bytes text(const char *string) {
        return (struct bytes){(const uint8_t *)string, strlen(string)};
}

static struct bytes label(const struct counting *counting, const char *whose, const char *what) {
        return arena_printf(counting->arena, "%s-%s", whose, what);
}

/* WHOSE: what the names begin with. */
static void count_account(struct counting *counting, const struct server *server, const struct account *account,
                          const char *whose) {
        const struct config_limits *limits = &server->config->limits;
        uint64_t job_bytes = 0;
        uint32_t n_jobs = jobs_of(server->jobs, account->uid, &job_bytes);

        count_of(counting, label(counting, whose, "connections"), account->connections, limits->connections_per_uid);
        count_of(counting, label(counting, whose, "requests-in-flight"), account->tasks, limits->batches_per_uid);
        count_of(counting, label(counting, whose, "bytes-in-flight"), account->bytes, limits->bytes_per_uid);
        count_of(counting, label(counting, whose, "handles"), account->handles, limits->handles_per_uid);
        count_of(counting, label(counting, whose, "passed-descriptors"), account->fds, limits->descriptors_per_uid);
        count_of(counting, label(counting, whose, "jobs"), n_jobs, limits->jobs_per_uid);
        count_of(counting, label(counting, whose, "job-bytes"), job_bytes, limits->job_bytes_per_uid);
        count_of(counting, label(counting, whose, "audit-lines-a-second"), turns_audit_lines(server, account),
                 limits->audit_lines_per_uid);
        count(counting, label(counting, whose, "audit-lines-total"), account->audit_lines);
        count(counting, label(counting, whose, "operations-total"), account->operations);
}

static void count_accounts(struct counting *counting, const struct server *server) {
        for (size_t i = 0; i < sizeof(server->accounts.buckets) / sizeof(server->accounts.buckets[0]); i++)
                for (const struct account *account = server->accounts.buckets[i]; account; account = account->next) {
                        char whose[32];

                        if (account->connections == 0)
                                continue;
                        snprintf(whose, sizeof(whose), "uid-%u", account->uid);
                        count_account(counting, server, account, whose);
                }
}

static void count_server(struct counting *counting, const struct session *session) {
        const struct server *server = session->server;
        const struct config_limits *limits = &server->config->limits;
        struct engine_stats stats = {0};

        server->engine->ops->stats(server->engine, &stats);
        count_of(counting, text("connections"), server->n_sessions, server->connections_max);
        count_of(counting, text("batches-in-flight"), session->n_tasks, session->batches_max);
        count(counting, text("bytes-in-flight"), server->bytes);
        count(counting, text("connections-total"), server->totals.connections);
        count(counting, text("refused-total"), server->totals.refused);
        count(counting, text("batches-total"), server->totals.batches);
        count(counting, text("operations-total"), server->totals.operations);
        count(counting, text("elevated-total"), server->totals.elevated);
        count(counting, text("denied-total"), server->totals.denied);
        count(counting, text("failed-total"), server->totals.failed);
        count_of(counting, text("jobs"), server->jobs->n, limits->jobs);
        count_of(counting, text("jobs-running"), server->jobs->n_running, limits->jobs_running);
        count(counting, text("workers"), stats.workers);
        count(counting, text("workers-stuck"), stats.workers_stuck);
        count(counting, text("engine-submitted"), stats.submitted);
        count(counting, text("engine-completed"), stats.completed);
        count(counting, text("engine-declined"), stats.declined);
        count(counting, text("mounts-demoted"), session->server->routes.n_demoted);
        count(counting, text("resident-bytes"), sys_resident_bytes());
}

void answer_status(struct task_op *o) {
        const struct session *session = o->task->session;
        struct counting counting = {.arena = &o->task->out,
                                    .counters = (struct counter *)(void *)o->sys.out,
                                    .max = (uint32_t)(o->sys.out_bytes / sizeof(struct counter))};

        count_server(&counting, session);
        count_account(&counting, session->server, session->account, "own");
        if (server_is_admin(session->server, &session->peer))
                count_accounts(&counting, session->server);
        o->result.value.status.counters = counting.counters;
        o->result.value.status.n_counters = counting.n;
        if (session->server->jobs->unavailable)
                o->result.value.status.no_jobs = arena_printf(&o->task->out, "%s", session->server->jobs->unavailable);
}
