/* SPDX-License-Identifier: MIT */
/*
 * task.c: making, running and ending tasks. A few are kept for reuse, with the memory they had.
 */
#include "daemon/task.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/graveyard.h"
#include "daemon/server.h"
#include "daemon/session.h"
#include "daemon/share.h"
#include "daemon/steps.h"
#include "proto/names.h"

#define TASK_ARENA_BYTES_MAX (4u << 20) /* a frame of 1 MiB, decoded */
#define TASK_OUT_BYTES_MAX (2u << 20)
#define TASK_KEEP_BYTES (256u << 10) /* a batch of 256, so that a busy client costs no page faults */
#define SPARE_TASKS 4u

static struct task *spare_tasks;
static unsigned n_spare_tasks;

struct task *task_new(struct session *session) {
        struct task *task = spare_tasks;
        struct task_op *ops = NULL;
        struct slices *slices = NULL;
        struct arena arena, out;
        uint32_t ops_cap = 0;

        if (task) {
                spare_tasks = task->next;
                n_spare_tasks--;
                arena = task->arena;
                out = task->out;
                ops = task->ops;
                ops_cap = task->ops_cap;
                slices = task->slices;
        } else {
                task = malloc(sizeof(*task));
                if (!task)
                        return NULL;
                arena_init(&arena, TASK_ARENA_BYTES_MAX);
                arena_init(&out, TASK_OUT_BYTES_MAX);
                arena.keep_bytes = out.keep_bytes = TASK_KEEP_BYTES;
        }
        memset(task, 0, sizeof(*task));
        task->arena = arena;
        task->out = out;
        task->ops = ops;
        task->ops_cap = ops_cap;
        task->slices = slices;
        task->session = session;
        task->step = &steps[0];
        parent_cache_init(&task->parents);
        return task;
}

static void task_destroy(struct task *task) {
        arena_fini(&task->arena);
        arena_fini(&task->out);
        free(task->ops);
        free(task->slices);
        free(task);
}

void task_free(struct task *task) {
        parent_cache_clear(&task->parents);
        share_clear(task);
        for (; task->roots_kept; task->roots_kept = task->roots_kept->next)
                root_release(task->roots_kept->root);
        for (uint32_t i = 0; i < task->n_fds; i++)
                graveyard_bury(task->fds[i], task->session->account);
        if (task->n_fds > 0)
                task->session->account->fds -= task->n_fds;
        task->n_fds = 0;
        if (n_spare_tasks == SPARE_TASKS) {
                task_destroy(task);
                return;
        }
        arena_reset(&task->arena);
        arena_reset(&task->out);
        task->next = spare_tasks;
        spare_tasks = task;
        n_spare_tasks++;
}

void task_free_spares(void) {
        struct task *task;

        while ((task = spare_tasks)) {
                spare_tasks = task->next;
                task_destroy(task);
        }
        n_spare_tasks = 0;
}

int task_reserve_ops(struct task *task, uint32_t n) {
        struct task_op *ops;

        if (n <= task->ops_cap)
                return 0;
        ops = realloc(task->ops, n * sizeof(*ops));
        if (!ops)
                return -FSOP_ENOMEM;
        task->ops = ops;
        task->ops_cap = n;
        return 0;
}

void task_run(struct task *task) {
        for (;;) {
                const struct step *step = task->step;

                switch (step->run(task)) {
                case FLOW_NEXT:
                        task->step = step + 1 < steps + steps_count ? step + 1 : steps;
                        task->step_phase = 0;
                        break;
                case FLOW_WAIT:
                        task->step_phase++;
                        if (task->pending > 0)
                                return;
                        break;
                case FLOW_HOLD:
                        return;
                case FLOW_DONE:
                        if (task->done)
                                task->done(task);
                        else
                                session_task_done(task->session, task);
                        return;
                }
        }
}

void task_submit(struct task *task, struct io *io) {
        struct engine *engine = task->session->server->engine;

        for (struct io *each = io; each; each = each->chain) {
                each->whose = task->session->peer.uid;
                task->pending++;
        }
        engine->ops->submit(engine, io);
}

/* What was waited for has come. The session outlives the round. */
static void task_go_on(struct task *task) {
        struct session *session = task->session;
        bool own = task->done != NULL; /* its session may go with it */
        bool began = !own && turn_begin(session);

        task_run(task);
        if (!own && session->yielded)
                turns_queue(session);
        turn_end(session, began);
}

void task_io_done(struct io *io) {
        struct task_op *op = io->owner;
        struct task *task = op->task;

        op->in_flight = false;
        task_came_back(task);
}

void task_came_back(struct task *task) {
        if (--task->pending == 0)
                task_go_on(task);
}

void task_park(struct task_op *op, void (*on_cancel)(struct task_op *op)) {
        op->on_cancel = on_cancel;
        op->task->n_parked++;
        op->task->pending++;
}

bool task_is_parked(const struct task *task) {
        return task->pending > 0 && task->n_parked == task->pending;
}

void task_ask_again(struct task_op *op, void (*ask)(struct task_op *op)) {
        op->on_cancel = NULL;
        op->task->n_parked--;
        if (ask)
                ask(op);
        if (--op->task->pending == 0)
                task_go_on(op->task);
}

void task_unpark(struct task_op *op) {
        task_ask_again(op, NULL);
}

enum flow task_give_up(struct task *task) {
        if (!task->done)
                session_close(task->session);
        return FLOW_DONE;
}

void task_cancel(struct task *task, int code) {
        struct engine *engine = task->session->server->engine;

        if (task->cancelled)
                return;
        task->cancelled = true;
        task->cancel_code = code;
        for (uint32_t i = 0; i < task->window_count; i++)
                if (task->ops[i].in_flight)
                        engine->ops->cancel(engine, &task->ops[i].io);
        share_cancel(task);
        for (uint32_t i = 0; i < task->window_count; i++)
                if (task->ops[i].on_cancel)
                        task->ops[i].on_cancel(&task->ops[i]);
}

void task_op_fail(struct task_op *op, int code, enum fsop_error_class class_, const char *format, ...) {
        struct error *error = &op->result.error;
        char text[512];
        va_list args;
        int len;

        va_start(args, format);
        len = vsnprintf(text, sizeof(text), format, args);
        va_end(args);
        if (len >= (int)sizeof(text))
                len = sizeof(text) - 1;
        op->failed = true;
        error->code = (enum fsop_errno) - code;
        error->class_ = class_;
        error->retryable = class_ == FSOP_CLASS_BUSY || error_is_retryable(-code);
        error->message = arena_copy(&op->task->out, (struct bytes){(const uint8_t *)text, len > 0 ? (size_t)len : 0});
        if (!error->message.data)
                error->message.len = 0;
}

void task_op_name_rule(struct task_op *op, const struct rule *rule) {
        const char *name = rule ? rule_name(rule) : NULL;

        if (name)
                op->result.error.rule = arena_copy(&op->task->out, (struct bytes){(const uint8_t *)name, strlen(name)});
}

void task_op_fail_cancelled(struct task_op *op) {
        op->result.outcome = FSOP_OUTCOME_NOT_STARTED;
        if (op->task->cancel_code == -FSOP_EAGAIN) {
                task_op_fail(op, -FSOP_EAGAIN, FSOP_CLASS_BUSY,
                             "the rules were loaded anew before it was begun: ask again");
                return;
        }
        task_op_fail(op, op->task->cancel_code, FSOP_CLASS_CANCELLED, "%s before it was begun",
                     op->task->cancel_code == -FSOP_ETIMEDOUT ? "the deadline passed" : "cancelled");
}

void task_op_fail_stopping(struct task_op *op, const char *and_so) {
        op->result.outcome = FSOP_OUTCOME_NOT_STARTED;
        task_op_fail(op, -FSOP_ECANCELED, FSOP_CLASS_CANCELLED, "the daemon is stopping%s", and_so);
}
