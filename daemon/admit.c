/* SPDX-License-Identifier: MIT */
/*
 * admit.c: the first step of a window. Decides how many operations it takes, reserves room for their worst answers
 * before anything is done, and finds the handles and descriptors they name.
 */
#include <string.h>

#include "daemon/server.h"
#include "daemon/session.h"
#include "daemon/steps.h"
#include "proto/names.h"

/* How many operations go together: all whose answers fit the reserve, one at a time where order is promised. */
static uint32_t window_size(const struct task *task) {
        uint32_t left = task->batch.n_ops - task->window_first, ops_max = turn_window(task->session), n = 0;
        size_t out_bytes = 0;

        if (task->batch.mode != FSOP_BATCH_PARALLEL)
                return left > 0 ? 1 : 0;
        while (n < left && n < ops_max) {
                const struct operation *op = &task->batch.ops[task->window_first + n];

                out_bytes += op_row(op->verb)->out_bytes(op);
                if (n > 0 && out_bytes > TASK_WINDOW_OUT_BYTES)
                        break;
                n++;
        }
        return n;
}

size_t batch_out_bytes(const struct batch *batch) {
        size_t largest = 0, all = 0;

        for (uint32_t i = 0; i < batch->n_ops; i++) {
                size_t bytes = op_row(batch->ops[i].verb)->out_bytes(&batch->ops[i]);

                largest = bytes > largest ? bytes : largest;
                all += bytes;
        }
        if (batch->mode != FSOP_BATCH_PARALLEL || largest > TASK_WINDOW_OUT_BYTES)
                return largest;
        return all < TASK_WINDOW_OUT_BYTES ? all : TASK_WINDOW_OUT_BYTES;
}

static void admit_end(struct task_op *op, struct task_end *end, const struct location *location) {
        struct session *session = op->task->session;

        switch (location->kind) {
        case LOCATION_NONE:
                break;
        case LOCATION_PATH:
                if (session->peer.foreign)
                        task_op_fail(op, -FSOP_EPERM, FSOP_CLASS_DENIED,
                                     "this client sees another tree of files than the daemon, so its paths mean other "
                                     "things here; "
                                     "pass a directory descriptor and a name instead");
                break;
        case LOCATION_HANDLE:
                end->handle = handles_get(&session->handles, location->handle);
                if (!end->handle)
                        task_op_fail(op, -FSOP_ESTALE, FSOP_CLASS_INVALID,
                                     "there is no open handle %llu on this connection",
                                     (unsigned long long)location->handle);
                break;
        case LOCATION_FD:
                end->fd = op->task->fds[location->fd_index];
                break;
        }
}

static bool end_fits(enum op_location wanted, const struct location *location) {
        switch (wanted) {
        case LOCATE_NONE:
                return location->kind == LOCATION_NONE;
        case LOCATE_OPTIONAL:
                return true;
        case LOCATE_HANDLE:
                return (location->kind == LOCATION_HANDLE || location->kind == LOCATION_FD) && location->path.len == 0;
        case LOCATE_NAME:
                return location->kind != LOCATION_NONE && location->path.len > 0;
        case LOCATE_OBJECT:
        case LOCATE_EITHER:
                return location->kind != LOCATION_NONE;
        }
        return false;
}

/* Of what may end early, no more than a frame of this client takes, as the codec reckons it. */
static size_t room_for_answer(const struct task_op *o) {
        size_t bytes = o->row->out_bytes(o->op), most = o->task->session->frame_bytes_max / 2;

        return o->row->cuts && bytes > most ? most : bytes;
}

static void admit_op(struct task *task, struct task_op *o, uint32_t index) {
        const struct operation *op = &task->batch.ops[index];

        memset(o, 0, sizeof(*o));
        o->op = op;
        o->row = op_row(op->verb);
        o->task = task;
        o->at.fd = o->to.fd = OS_FD_NONE;
        o->io.owner = o;
        o->result.index = index;
        o->result.verb = op->verb;
        o->result.outcome = FSOP_OUTCOME_NOT_STARTED;
        o->sys.op = op;
        o->sys.result = &o->result;
        o->sys.opened = OS_FD_NONE;

        if (task->cancelled) {
                task_op_fail_cancelled(o);
                return;
        }
        if (task->stopped) {
                task_op_fail(o, -FSOP_ECANCELED, FSOP_CLASS_CANCELLED,
                             "not begun: an operation before it in this batch failed");
                return;
        }
        if (!end_fits(o->row->at, &op->at) || !end_fits(o->row->to, &op->to)) {
                task_op_fail(o, -FSOP_EINVAL, FSOP_CLASS_INVALID, "%s does not take this kind of location",
                             verb_name(op->verb));
                return;
        }
        if (o->row->admin && !server_is_admin(task->session->server, &task->session->peer)) {
                task_op_fail(o, -FSOP_EPERM, FSOP_CLASS_DENIED, "%s is for uid 0 and the admin group",
                             verb_name(op->verb));
                return;
        }
        if (op->verb == FSOP_VERB_OPEN_FD && !(task->session->features & WIRE_FEATURE_FDS)) {
                task_op_fail(o, -FSOP_EOPNOTSUPP, FSOP_CLASS_UNSUPPORTED, "Hello did not agree on descriptors");
                return;
        }
        o->sys.out_bytes = room_for_answer(o);
        if (o->sys.out_bytes > 0 && !(o->sys.out = arena_alloc(&task->out, o->sys.out_bytes))) {
                task_op_fail(o, -FSOP_ENOBUFS, FSOP_CLASS_BUSY, "there is no room for an answer of %zu bytes",
                             o->sys.out_bytes);
                return;
        }
        admit_end(o, &o->at, &op->at);
        if (!o->failed)
                admit_end(o, &o->to, &op->to);
}

enum flow admit_step(struct task *task) {
        struct session *session = task->session;
        uint32_t n;

        if (turn_is_over(session) || (session_is_held(session) && session->state == SESSION_OPEN))
                return FLOW_HOLD;
        n = window_size(task);
        turn_charge_ops(session, n);
        arena_reset(&task->out);
        task->window_count = 0;
        if (task_reserve_ops(task, n) < 0)
                return task_give_up(task);
        for (uint32_t i = 0; i < n; i++)
                admit_op(task, &task->ops[i], task->window_first + i);
        task->window_count = n;
        return FLOW_NEXT;
}
