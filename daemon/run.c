/* SPDX-License-Identifier: MIT */
/*
 * run.c: does it. By the route of its row: on the loop what is quick on a local filesystem, through the engine what may block, on
 * a worker the rest. What goes to workers goes in one hand-over, but for what may take long or hang.
 */
#include "daemon/answers.h"
#include "daemon/server.h"
#include "daemon/session.h"
#include "daemon/share.h"
#include "daemon/steps.h"

static bool is_walk(const struct operation *op) {
        switch (op->verb) {
        case FSOP_VERB_CHOWN:
                return op->args.chown.walk.recursive;
        case FSOP_VERB_CHMOD:
                return op->args.chmod.walk.recursive;
        case FSOP_VERB_UNLINK:
                return op->args.unlink.recursive;
        default:
                return false;
        }
}

static const char *excluded(void *context, struct bytes below) {
        const struct task_op *o = context;

        return policy_excludes(o->task->policy, &o->task->session->peer, o->verdict.at.rule, o->op, op_permission_at(o->op), o->at.path,
                               below);
}

/* A walk meets names that nobody was asked about. Mostly nothing is excluded in a tree: then none need be looked at. */
static void set_excluded(struct task_op *o) {
        if (!is_walk(o->op) || o->verdict.at.kind != VERDICT_ELEVATED || o->at.path.len == 0 ||
            !policy_excludes_below(o->task->policy, &o->task->session->peer, o->verdict.at.rule, o->at.path))
                return;
        o->sys.excluded = excluded;
        o->sys.excluded_context = o;
}

static bool is_long(const struct operation *op) {
        return is_walk(op) || op->verb == FSOP_VERB_COPY_RANGE;
}

static bool place_is_local(const struct place *place) {
        return place->fs == FS_LOCAL && !place->base_is_client_fd;
}

static bool is_local(const struct task_op *o) {
        return place_is_local(&o->sys.at) && (o->row->to == LOCATE_NONE || place_is_local(&o->sys.to));
}

static enum op_route route_of(const struct task_op *o) {
        const struct operation *op = o->op;

        if (o->row->route != ROUTE_INLINE)
                return o->row->route;
        if (!is_local(o) || is_walk(op))
                return ROUTE_POOL;
        if ((op->verb == FSOP_VERB_OPEN || op->verb == FSOP_VERB_OPEN_FD) && op->args.open.truncate)
                return ROUTE_POOL;
        return ROUTE_INLINE;
}

static void mark_in_flight(struct task_op *o, unsigned flags) {
        o->io = (struct io){.kind = IO_RUN, .flags = flags, .done = task_io_done, .owner = o, .u.op = &o->sys};
        o->in_flight = true;
}

/* A stat was answered when it was looked up. */
static bool is_done_already(const struct task_op *o) {
        return o->op->verb == FSOP_VERB_STAT;
}

static enum flow run_all(struct task *task) {
        struct io *first = NULL, **link = &first;
        bool shared = share_begin(task);

        if (task->cancelled) {
                for_each_op (task, o)
                        task_op_fail_cancelled(o);
                return FLOW_NEXT;
        }
        for_each_op (task, o) {
                set_excluded(o);
                switch (route_of(o)) {
                case ROUTE_SERVICE:
                        answer(o);
                        break;
                case ROUTE_INLINE:
                        if (shared && !is_done_already(o))
                                share_add(o, IO_RUN);
                        else
                                sys_run(&o->sys);
                        break;
                case ROUTE_ENGINE:
                        if (is_local(o)) {
                                mark_in_flight(o, 0);
                                task_submit(task, &o->io);
                                break;
                        }
                        /* fall through */
                case ROUTE_POOL:
                        if (is_long(o->op) || !is_local(o)) {
                                mark_in_flight(o, IO_POOL | IO_LONG);
                                task_submit(task, &o->io);
                                break;
                        }
                        if (shared) {
                                share_add(o, IO_RUN);
                                break;
                        }
                        mark_in_flight(o, IO_POOL);
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
        for_each_op (task, o)
                if (o->io.kind == IO_RUN && o->io.result < 0)
                        o->sys.code = (int32_t)o->io.result;
}

enum flow run_step(struct task *task) {
        if (task->step_phase == 0)
                return run_all(task);
        collect(task);
        return FLOW_NEXT;
}
