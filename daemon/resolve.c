/* SPDX-License-Identifier: MIT */
/*
 * resolve.c: opens the directories of the rules that elevate, then has the backend pin what each operation acts on:
 * from the cache where it is, on the loop; what would have to wait goes to a worker, all of a window in one hand-over.
 * What a large window's slices give back because it may be kept waiting is then handed over by itself.
 */
#include <string.h>

#include "daemon/route.h"
#include "daemon/server.h"
#include "daemon/session.h"
#include "daemon/share.h"
#include "daemon/steps.h"

static void no_root(struct task_op *o, const struct end_verdict *verdict) {
        if (o->task->cancelled) { /* perhaps before anyone tried to open it */
                task_op_fail_cancelled(o);
                return;
        }
        /* the same answer whether the directory is missing or unreadable: the caller is not told what exists */
        o->verdict.code = -FSOP_EPERM;
        task_op_fail(o, -FSOP_EPERM, FSOP_CLASS_DENIED, "the directory of the rule that allows it could not be opened");
        task_op_name_rule(o, verdict->rule);
}

/* Finds the open root of an elevated end, or the entry that must be opened first. False: the operation has failed. */
static bool acquire_root(struct task_op *o, struct task_end *end, const struct end_verdict *verdict) {
        struct task *task = o->task;

        if (verdict->kind != VERDICT_ELEVATED ||
            root_acquire(task->roots, verdict->rule, verdict->path_index, &task->session->peer, &end->root) == 0)
                return true;
        no_root(o, verdict);
        return false;
}

static void open_roots_call(struct io *io) {
        struct task_op *o = io->owner;

        if (o->at.root && !root_is_open(o->at.root))
                root_open(o->at.root);
        if (o->to.root && !root_is_open(o->to.root))
                root_open(o->to.root);
        io->result = 0;
}

static bool end_is_ready(const struct task_end *end) {
        return !end->root || root_is_open(end->root);
}

static struct io **chain_op(struct task_op *o, struct io **link, struct io io) {
        o->io = io;
        o->io.done = task_io_done;
        o->io.owner = o;
        o->in_flight = true;
        *link = &o->io;
        return &o->io.chain;
}

static enum flow open_roots(struct task *task) {
        struct io *first = NULL, **link = &first;

        for_each_op(task, o) {
                if (!acquire_root(o, &o->at, &o->verdict.at) || !acquire_root(o, &o->to, &o->verdict.to))
                        continue;
                if (end_is_ready(&o->at) && end_is_ready(&o->to))
                        continue;
                link = chain_op(o, link, (struct io){.kind = IO_CALL, .flags = IO_POOL, .u.call = open_roots_call});
        }
        if (!first)
                return FLOW_NEXT;
        task_submit(task, first);
        return FLOW_WAIT;
}

/* Whether a held or passed directory still lies under the rule's. */
static bool still_beneath(const struct task_end *end) {
        if (!end->ancestors)
                return true;
        return end->n_ancestors > 0 && root_holds(end->root, end->ancestors, (uint32_t)end->n_ancestors);
}

/* The task keeps the root as long as its parent cache, which knows guards by their address. */
static bool keep_root(struct task *task, struct root *root) {
        struct task_root *kept = task->roots_kept;

        while (kept && kept->root != root)
                kept = kept->next;
        if (kept)
                return true;
        kept = arena_calloc(&task->arena, 1, sizeof(*kept));
        if (!kept)
                return false;
        kept->root = root_ref(root);
        kept->next = task->roots_kept;
        task->roots_kept = kept;
        return true;
}

/* The guard for an end. NULL: the end is refused. */
static const struct guard *guard_of(struct task_op *o, const struct task_end *end, const struct end_verdict *verdict) {
        const struct peer *peer = &o->task->session->peer;
        op_set permission = end == &o->to ? op_reach_to(o->op) : op_permission_at(o->op);
        const struct guard *guard;
        uint32_t create_uid, create_gid;
        bool service;

        if (rule_create_as(verdict->rule, peer, &create_uid, &create_gid, &service) < 0 ||
            root_guard(end->root, peer, o->op, permission, verdict->below, service ? 0 : create_uid, &guard) < 0 ||
            !keep_root(o->task, end->root))
                return NULL;
        return guard;
}

/* False: the operation has failed. */
static bool place_end(struct task_op *o, struct task_end *end, const struct location *location,
                      const struct end_verdict *verdict, struct place *place) {
        place->base = place->parent = place->object = OS_FD_NONE;
        if (location->kind == LOCATION_NONE)
                return true;
        place->follow = location->follow;
        place->path = location->path;
        if (location->kind != LOCATION_PATH) {
                place->base = end->handle ? end->handle->fd : end->fd;
                place->base_is_client_fd = !end->handle || end->handle->from_client;
                place->may_leave_base = !o->task->session->peer.foreign;
        }
        if (verdict->kind == VERDICT_ELEVATED) {
                if (root_is_open(end->root) && still_beneath(end))
                        place->guard = guard_of(o, end, verdict);
                if (!place->guard) {
                        no_root(o, verdict);
                        return false;
                }
                if (location->kind == LOCATION_PATH) {
                        place->base = place->guard->root->fd;
                        place->path = verdict->below;
                }
        }
        place->base_is_object = place->base != OS_FD_NONE && place->path.len == 0;
        return true;
}

/* It may be kept waiting: nothing else is to wait behind it. And the parents are for one thread at a time: it does
 * without. */
static void submit_alone(struct task_op *o) {
        struct io *io;

        o->sys.cache = NULL;
        chain_op(o, &io,
                 (struct io){
                         .kind = IO_RESOLVE, .flags = IO_POOL | IO_LONG, .mount = o->sys.held_up_by, .u.op = &o->sys});
        task_submit(o->task, io);
}

/* What the daemon answers itself needs none, but for two. */
static bool needs_pins(const struct task_op *o) {
        return !route_is_service(o->op->verb) || o->op->verb == FSOP_VERB_INFO || o->op->verb == FSOP_VERB_CP;
}

/* Of a stat that is alone, with a rule's rights, the last name may be looked up at once: so much is gained (1.6 of 17
 * us) that it pays to learn whether names are in memory. Others need a descriptor anyhow, and gain 0.2. */
static int resolve_on_loop(struct task_op *o) {
        struct routes *routes = &o->task->session->server->routes;
        int code;

        if (o->op->verb != FSOP_VERB_STAT || o->task->batch.n_ops > 1 || !o->sys.at.guard || !routes_try_leaf(routes))
                return sys_resolve(&o->sys, SYS_CACHED_ONLY);
        code = sys_resolve(&o->sys, SYS_CACHED_ONLY | SYS_TRY_LEAF);
        routes_tried_leaf(routes, &o->sys);
        return code;
}

/* Whether the kernel's cache was enough to pin it, or to say that it cannot be; or the disk, so quickly. */
static bool is_settled_by_cache(struct task_op *o) {
        int code = resolve_on_loop(o);

        o->pinned = code == 0;
        o->failed = code < 0 && code != -FSOP_EAGAIN;
        return o->pinned || o->failed;
}

/* A handle that another batch closed between two windows: its descriptor may be another directory's by now. */
static void forget_closed(struct task *task) {
        uint32_t n_removed = task->session->handles.n_removed;

        if (task->handles_removed == n_removed)
                return;
        task->handles_removed = n_removed;
        task->parents.stale = 1;
}

/*
 * What is found in the cache is pinned here; the rest goes to one worker, in one hand-over, but for what may be kept
 * waiting. A large window is shared between workers once its first operation has shown that its filesystem answers at
 * once: a slow one must not get them all. What a client passed is looked at by workers only: it can be any
 * filesystem's. So is everything of a user whose paths take long.
 */
static enum flow pin(struct task *task) {
        struct io *first = NULL, **link = &first;
        bool shared, quick = false;

        if (task->cancelled) { /* while the directories were opened: nobody would call back what is handed over now */
                for_each_op(task, o) task_op_fail_cancelled(o);
                return FLOW_NEXT;
        }
        forget_closed(task);
        shared = share_begin(task);
        for_each_op(task, o) {
                bool away; /* from the loop */

                if (o->row->at == LOCATE_NONE || o->op->at.kind == LOCATION_NONE)
                        continue;
                if (!place_end(o, &o->at, &o->op->at, &o->verdict.at, &o->sys.at) ||
                    !place_end(o, &o->to, &o->op->to, &o->verdict.to, &o->sys.to))
                        continue;
                if (!needs_pins(o))
                        continue;
                if (task->batch.n_ops > 1 ||
                    o->row->to != LOCATE_NONE) /* else nothing shares the parent: to pin it would only cost */
                        o->sys.cache = &task->parents;
                away = o->sys.at.base_is_client_fd || o->sys.to.base_is_client_fd;
                if (!away && shared && quick)
                        share_add(o, IO_RESOLVE);
                else if (!(away = away || turn_is_dear(task->session)) && is_settled_by_cache(o))
                        quick = quick || o->pinned;
                else if (!away && o->sys.held_up_by)
                        submit_alone(o);
                else
                        link = chain_op(o, link, (struct io){.kind = IO_RESOLVE, .flags = IO_POOL, .u.op = &o->sys});
        }
        if (first)
                task_submit(task, first);
        if (shared)
                share_submit(task);
        return task->pending > 0 ? FLOW_WAIT : FLOW_NEXT;
}

static enum flow submit_what_was_given_back(struct task *task) {
        for_each_op(task, o) {
                if (!o->sys.in_slice || o->sys.code != -FSOP_EAGAIN || !o->sys.held_up_by)
                        continue;
                if (task->cancelled) { /* nobody would call it back */
                        task_op_fail_cancelled(o);
                        continue;
                }
                o->sys.in_slice = o->sys.run_too = o->sys.last_use = false;
                submit_alone(o);
        }
        return task->pending > 0 ? FLOW_WAIT : FLOW_NEXT;
}

static void collect(struct task *task) {
        for_each_op(task, o) {
                if (o->io.kind != IO_RESOLVE || o->pinned)
                        continue;
                if (o->io.result < 0)
                        o->sys.code = (int32_t)o->io.result; /* cancelled before it ran */
                o->pinned = o->sys.code == 0 || o->sys.has_run;
                o->failed = !o->pinned;
        }
}

/* total-bytes: what it can add at most is charged now that sizes are known; settle refunds what failed. */
static void charge(struct task *task) {
        for_each_op(task, o) {
                bool two = o->row->to != LOCATE_NONE;
                const struct end_verdict *verdict = two ? &o->verdict.to : &o->verdict.at;
                const struct place *target = two ? &o->sys.to : &o->sys.at;
                uint64_t bytes;

                if (verdict->kind != VERDICT_ELEVATED || !(o->row->needs & NEEDS_BYTES))
                        continue;
                bytes = policy_growth_max(o->op, target->has_stat ? target->stat.size : 0,
                                          o->sys.at.has_stat ? o->sys.at.stat.size : 0);
                if (policy_account_charge(verdict->rule, task->session->peer.uid, bytes) == 0) {
                        o->charged_bytes = bytes;
                        continue;
                }
                task_op_fail(o, -FSOP_EDQUOT, FSOP_CLASS_DENIED, "the rule's total-bytes would be exceeded");
                task_op_name_rule(o, verdict->rule);
        }
}

enum flow resolve_step(struct task *task) {
        enum flow flow = FLOW_NEXT;

        if (task->step_phase == 0)
                flow = open_roots(task);
        if (task->step_phase == 1 || (task->step_phase == 0 && flow == FLOW_NEXT)) {
                task->step_phase = 1;
                flow = pin(task);
        } else if (task->step_phase == 2) {
                flow = submit_what_was_given_back(task);
        }
        if (flow == FLOW_WAIT)
                return flow;
        collect(task);
        charge(task);
        return FLOW_NEXT;
}
