/* SPDX-License-Identifier: MIT */
/*
 * run.c: does it, where route.c says: on the loop, through the engine, or on a worker. What goes to workers goes in one
 * hand-over, but for what may take long or hang. A large window is shared between workers, but for what is much work: a
 * slice gives way to nobody, a chain does so between any two of its operations.
 */
#include "daemon/answers.h"
#include "daemon/server.h"
#include "daemon/session.h"
#include "daemon/share.h"
#include "daemon/steps.h"

static const char *excluded(void *context, struct bytes below) {
        const struct task_op *o = context;

        return policy_excludes(o->task->policy, &o->task->session->peer, o->verdict.at.rule, o->op,
                               op_permission_at(o->op), o->at.path, below);
}

/* A walk meets names that nobody was asked about. Mostly nothing is excluded in a tree: then none need be looked at. */
static void set_excluded(struct task_op *o) {
        if (!route_is_walk(o->op) || o->verdict.at.kind != VERDICT_ELEVATED || o->at.path.len == 0 ||
            !policy_excludes_below(o->task->policy, &o->task->session->peer, o->verdict.at.rule, o->at.path))
                return;
        o->sys.excluded = excluded;
        o->sys.excluded_context = o;
}

static bool is_long(const struct operation *op) {
        return route_is_walk(op) || op->verb == FSOP_VERB_COPY_RANGE;
}

static void ring_done(struct io *io) {
        struct task_op *o = io->owner;

        o->task->session->server->routes.on_ring--;
        task_io_done(io);
}

static void mark_in_flight(struct task_op *o, unsigned flags, uint64_t mount) {
        o->io = (struct io){
                .kind = IO_RUN, .flags = flags, .mount = mount, .done = task_io_done, .owner = o, .u.op = &o->sys};
        o->in_flight = true;
}

static void submit_to_engine(struct task_op *o) {
        mark_in_flight(o, 0, 0);
        o->io.done = ring_done;
        o->task->session->server->routes.on_ring++;
        task_submit(o->task, &o->io);
}

/* What may take long or be kept waiting is handed over by itself. */
static bool submits_alone(struct task_op *o) {
        uint64_t mount;

        if (!route_may_wait(&o->sys, &mount) && !is_long(o->op))
                return false;
        mark_in_flight(o, IO_POOL | IO_LONG, mount);
        task_submit(o->task, &o->io);
        return true;
}

static enum flow run_all(struct task *task) {
        struct routes *routes = &task->session->server->routes;
        struct io *first = NULL, **link = &first;
        bool shared = share_begin(task), dear = turn_is_dear(task->session), moved = false;

        for_each_op(task, o) {
                enum route route;

                if (o->sys.has_run)
                        continue;
                if (task->cancelled) {
                        task_op_fail_cancelled(o);
                        continue;
                }
                set_excluded(o);
                route = route_of(routes, &o->sys, dear);
                if (route == ROUTE_INLINE && moved && route_frees_name(o->op))
                        route = ROUTE_POOL;
                moved = moved || (route_moves_much(&o->sys) && routes->choice != CONFIG_ROUTES_INLINE);
                switch (route) {
                case ROUTE_SERVICE:
                        answer(o);
                        break;
                case ROUTE_INLINE:
                        if (shared) {
                                share_add(o, IO_RUN);
                                break;
                        }
                        routes_begin(routes);
                        sys_run(&o->sys);
                        routes_end(routes, &o->sys);
                        break;
                case ROUTE_ENGINE:
                        submit_to_engine(o);
                        break;
                case ROUTE_POOL:
                        if (submits_alone(o))
                                break;
                        if (shared && !route_is_big(&o->sys)) {
                                share_add(o, IO_RUN);
                                break;
                        }
                        mark_in_flight(o, IO_POOL, 0);
                        *link = &o->io;
                        link = &o->io.chain;
                        break;
                }
        }
        if (first)
                task_submit(task, first);
        if (shared)
                share_submit(task);
        return task->pending > 0 ? FLOW_WAIT : FLOW_NEXT;
}

/* What came back without having run. */
static void collect(struct task *task) {
        for_each_op(task, o) if (o->io.kind == IO_RUN && o->io.result < 0) o->sys.code = (int32_t)o->io.result;
}

enum flow run_step(struct task *task) {
        if (task->step_phase == 0)
                return run_all(task);
        collect(task);
        return FLOW_NEXT;
}
