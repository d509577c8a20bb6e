/* SPDX-License-Identifier: MIT */
/*
 * locate.c: what authorize must know of ends that are not paths: whether a passed descriptor may be used at all, and
 * which directories lie above a directory that was passed or opened before. A FUSE server can make each of these calls
 * hang, so they are made on workers.
 */
#include "daemon/server.h"
#include "daemon/session.h"
#include "daemon/steps.h"

#define LOCATE_TRIES_MAX 100u

static op_set permission(const struct task_op *o) {
        return op_permission_at(o->op) | (o->row->to != LOCATE_NONE ? op_permission_to(o->op) : 0);
}

static bool end_is_known(const struct task_end *end) {
        return end->fd == OS_FD_NONE && (!end->handle || !end->handle->directory);
}

/* Whether rules may carry an operation that starts at this end. */
static bool end_may_elevate(const struct task_op *o, const struct task_end *end) {
        return !end_is_known(end) && o->op->as != FSOP_AS_CALLER && o->row->elevates && end->n_ancestors >= 0;
}

/* On a worker. */
static int locate_end(struct task_end *end) {
        os_fd fd = end->handle ? end->handle->fd : end->fd;
        bool readable, writable, path_only;
        int code;

        if (end_is_known(end))
                return 0;
        if (end->fd != OS_FD_NONE) {
                code = sys_fd_check(fd, &readable, &writable, &path_only);
                if (code < 0)
                        return code;
        }
        if (end->ancestors)
                end->n_ancestors = sys_ancestors(fd, end->ancestors, TASK_ANCESTORS_MAX, 0);
        return 0;
}

static void locate_call(struct io *io) {
        struct task_op *o = io->owner;

        io->result = locate_end(&o->at);
        if (io->result == 0)
                io->result = locate_end(&o->to);
}

/* Room for the ancestors where they can matter. */
static bool prepare_end(struct task_op *o, struct task_end *end) {
        if (end_is_known(end) || o->op->as == FSOP_AS_CALLER || !o->row->elevates)
                return true;
        end->ancestors = arena_alloc(&o->task->out, TASK_ANCESTORS_MAX * sizeof(*end->ancestors));
        return end->ancestors != NULL;
}

static enum flow ask_the_kernel(struct task *task) {
        struct io *first = NULL, **link = &first;

        for_each_op(task, o) {
                if (end_is_known(&o->at) && end_is_known(&o->to))
                        continue;
                if (!prepare_end(o, &o->at) || !prepare_end(o, &o->to)) {
                        task_op_fail(o, -FSOP_ENOMEM, FSOP_CLASS_BUSY, "the daemon is out of memory");
                        continue;
                }
                o->io = (struct io){.kind = IO_CALL, .flags = IO_POOL, .done = task_io_done, .owner = o};
                o->io.u.call = locate_call;
                o->in_flight = true;
                *link = &o->io;
                link = &o->io.chain;
        }
        if (!first)
                return FLOW_NEXT;
        task_submit(task, first);
        return FLOW_WAIT;
}

/* The roots of every rule that may concern a passed directory, so that authorize can compare. */
static int collect_candidates(struct task *task, op_set ops) {
        enum { RULES_MAX = 256 };
        const struct rule *rules[RULES_MAX];
        uint32_t n = policy_rules_of(task->policy, &task->session->peer, ops, rules, RULES_MAX), n_roots = 0;

        if (n > RULES_MAX)
                return -FSOP_E2BIG;
        for (uint32_t i = 0; i < n; i++)
                n_roots += rule_path_count(rules[i]);
        if (n_roots == 0)
                return 0;
        task->candidates = arena_calloc(&task->out, n_roots, sizeof(*task->candidates));
        if (!task->candidates)
                return -FSOP_ENOMEM;
        for (uint32_t i = 0; i < n; i++)
                for (uint32_t path = 0; path < rule_path_count(rules[i]); path++) {
                        int code = root_acquire(task->roots, rules[i], path, &task->session->peer,
                                                &task->candidates[task->n_candidates]);

                        if (code < 0)
                                return code;
                        task->n_candidates++;
                }
        return 0;
}

static void open_candidates_call(struct io *io) {
        struct task_op *o = io->owner;

        for (uint32_t i = 0; i < o->task->n_candidates; i++)
                root_open(o->task->candidates[i]); /* one that does not open holds nothing; deny rules know */
        io->result = 0;
}

static void not_located(struct task_op *o, int code) {
        if (o->task->cancelled)
                task_op_fail_cancelled(o);
        else
                task_op_fail(o, code, FSOP_CLASS_INVALID,
                             "the descriptor that was passed cannot be used: it is on procfs, or of a kind that fsopd "
                             "does not act on");
}

static enum flow open_candidates(struct task *task) {
        struct task_op *first = NULL;
        op_set ops = 0;
        int code;

        for_each_op(task, o) {
                if (o->io.kind == IO_CALL && o->io.result < 0) {
                        not_located(o, (int)o->io.result);
                        continue;
                }
                if (end_may_elevate(o, &o->at) || end_may_elevate(o, &o->to)) {
                        ops |= permission(o);
                        first = first ? first : o;
                }
        }
        if (!first)
                return FLOW_NEXT;
        code = collect_candidates(task, ops);
        if (code < 0) {
                for_each_op(task, o) task_op_fail(o, code, FSOP_CLASS_BUSY,
                                                  "the rules that might concern it could not be looked at");
                return FLOW_NEXT;
        }
        first->io = (struct io){.kind = IO_CALL, .flags = IO_POOL, .done = task_io_done, .owner = first};
        first->io.u.call = open_candidates_call;
        first->in_flight = true;
        task_submit(task, &first->io);
        return FLOW_WAIT;
}

void locate_release(struct task *task) {
        for (uint32_t i = 0; i < task->n_candidates; i++)
                root_release(task->candidates[i]);
        task->n_candidates = 0;
        task->candidates = NULL;
}

/* The rules that this window is judged by, whatever is loaded from authorize on: those of now, also after a wait that a
 * client may have made long. */
static void hold_policy(struct task *task) {
        struct server *server = task->session->server;

        if (task->policy == server->policy)
                return;
        locate_release(task);
        roots_unref(task->roots);
        policy_unref(task->policy);
        task->policy = policy_ref(server->policy);
        task->roots = roots_ref(server->roots);
        task->revoked_ms = 0;
}

static bool candidates_are_stale(const struct task *task) {
        for (uint32_t i = 0; i < task->n_candidates; i++)
                if (root_is_stale(task->candidates[i]))
                        return true;
        return false;
}

/* Rules or the mount table may have changed while they were opened; authorize, which follows at once, would not know
 * them. */
static enum flow open_candidates_again(struct task *task) {
        bool reloaded = task->policy != task->session->server->policy;

        hold_policy(task);
        if ((!reloaded && !candidates_are_stale(task)) || task->step_phase >= LOCATE_TRIES_MAX)
                return FLOW_NEXT;
        locate_release(task);
        return open_candidates(task);
}

enum flow locate_step(struct task *task) {
        switch (task->step_phase) {
        case 0:
                hold_policy(task);
                return ask_the_kernel(task);
        case 1:
                hold_policy(task);
                return open_candidates(task);
        default:
                return open_candidates_again(task);
        }
}
