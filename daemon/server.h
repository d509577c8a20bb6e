/* SPDX-License-Identifier: MIT */
/*
 * server.h: the daemon as a whole: what it listens on, its sessions, its policy, its timers, its end.
 */
#ifndef FSOP_SERVER_H
#define FSOP_SERVER_H

#include "backends/engine.h"
#include "daemon/accounts.h"
#include "daemon/audit.h"
#include "daemon/config.h"
#include "daemon/listen.h"
#include "daemon/policy.h"
#include "daemon/refusals.h"
#include "daemon/route.h"
#include "daemon/session.h"
#include "daemon/turns.h"

struct jobs;

struct server {
        const struct config *config;
        struct engine *engine;
        struct audit *audit;
        struct policy *policy;
        struct roots *roots;
        struct accounts accounts;
        struct routes routes;
        uint32_t processors; /* 0: not asked for yet */
        uint32_t slices_out; /* of windows, with workers (share.c) */
        struct jobs *jobs;
        bool private_service;
        bool has_admin_gid;
        uint32_t admin_gid;

        struct listening listening;
        struct refusals refusals;

        struct io mount_watch;
        bool watching_mounts;
        uint32_t looking; /* calls that open the roots of a new policy */

        struct session *sessions;
        uint32_t n_sessions, connections_max;
        struct deadlines deadlines[DEADLINE_KINDS];
        struct session *dirty;
        struct turns turns;
        uint64_t next_session_id;

        uint64_t now_ms;           /* of this round */
        uint64_t next_deadline_ms; /* earliest deadline of a task; UINT64_MAX: none */
        uint64_t next_tick_ms;
        uint64_t audit_due_ms; /* when outcomes that wait in the audit are written at the latest; UINT64_MAX: none do */
        uint64_t next_jobs_ms; /* UINT64_MAX: nothing of theirs is due */

        uint64_t bytes, bytes_most; /* that clients make it hold, about: now, and at most since memory was given back */

        bool draining;
        uint64_t drain_cancel_ms, drain_end_ms;

        struct {
                uint64_t connections, refused, batches, operations, elevated, denied, failed;
        } totals;
};

/* Opens everything and serves until told to stop. Returns the exit status. */
int server_main(const struct config *config, bool private_service);

/* Loads the rules that the settings name, none of which reaches the daemon's own files; else as policy_load. LISTENING:
 * sockets that were handed over. */
int server_load_policy(const struct config *config, const struct listening *listening, struct policy **ret_policy,
                       struct policy_report *ret_report);
/* Reads the policy anew; on failure the old one stays. Opens the audit file anew. Fills ret_report (to be freed) either
 * way. */
int server_reload(struct server *server, struct policy_report *ret_report);

/* Clients make it hold so much more, or less. */
void server_charge(struct server *server, int64_t bytes);

/* Cancels tasks whose deadline has passed, and those that a reload of the rules left no more time for. */
void server_expire_tasks(struct server *server);

/* What the end of each loop round owes: sessions that have something to do or to send, descriptors to close, audit
 * lines. */
void server_end_round(struct server *server);

/* Whether the peer administrates: uid 0, the admin group, or the owner of a private service. */
bool server_is_admin(const struct server *server, const struct peer *peer);

#endif
