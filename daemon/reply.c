/* SPDX-License-Identifier: MIT */
/*
 * reply.c: the window's results into frames, as many as fit one, and these into the session's queue. After the last
 * window the task is done, else the next one begins.
 */
#include "daemon/graveyard.h"
#include "daemon/server.h"
#include "daemon/session.h"
#include "daemon/steps.h"
#include "proto/codec.h"

#define FRAME_SLACK_BYTES 64u /* of Results itself, around the results */

static void drop_opened(struct task_op *o) {
        if (o->sys.opened != OS_FD_NONE)
                graveyard_bury(o->sys.opened, o->task->session->account);
        o->sys.opened = OS_FD_NONE;
}

/* One frame with results [first, first + n) of the window. */
static void send_results(struct task *task, uint32_t first, uint32_t n, bool last, struct result *results) {
        struct message message = {.kind = MESSAGE_RESULTS};
        os_fd fds[WIRE_FRAME_FDS_MAX];
        uint32_t n_fds = 0;

        for (uint32_t i = 0; i < n; i++) {
                struct task_op *o = &task->ops[first + i];

                if (o->sys.opened != OS_FD_NONE && o->result.error.code == 0) {
                        o->result.value.fd_index = n_fds;
                        fds[n_fds++] = o->sys.opened;
                        o->sys.opened = OS_FD_NONE;
                }
                results[i] = o->result;
        }
        message.body.results.id = task->batch.id;
        message.body.results.results = results;
        message.body.results.n_results = n;
        message.body.results.last = last;
        session_send(task->session, &message, fds, n_fds);
}

/* How many results from FIRST on fit one frame. */
static uint32_t frame_fill(const struct task *task, uint32_t first) {
        size_t bytes = FRAME_SLACK_BYTES;
        uint32_t n = 0, n_fds = 0;

        while (first + n < task->window_count) {
                const struct task_op *o = &task->ops[first + n];

                bytes += codec_result_bytes(&o->result);
                n_fds += o->sys.opened != OS_FD_NONE;
                if (n > 0 && (bytes > task->session->frame_bytes_max || n_fds > WIRE_FRAME_FDS_MAX))
                        break;
                n++;
        }
        return n;
}

/* An answer that is too large for the frames this client takes is still an answer. */
static void shrink(struct task_op *o) {
        if (codec_result_bytes(&o->result) + FRAME_SLACK_BYTES <= o->task->session->frame_bytes_max)
                return;
        drop_opened(o);
        task_op_fail(o, -FSOP_ENOBUFS, FSOP_CLASS_INVALID, "the answer does not fit a frame of %u bytes",
                     o->task->session->frame_bytes_max);
        o->result.error.retryable = false; /* as the code is where room is short for a while */
}

enum flow reply_step(struct task *task) {
        struct session *session = task->session;

        if (task->done) /* nobody is to be answered */
                return FLOW_DONE;
        bool last_window = task->window_first + task->window_count >= task->batch.n_ops;
        struct result *results = arena_alloc(&task->out, (task->window_count + 1) * sizeof(*results));
        uint32_t first = 0;

        if (!results)
                session_close(session);
        for (uint32_t i = 0; i < task->window_count && results; i++)
                shrink(&task->ops[i]);
        while (results && session->state == SESSION_OPEN && (first < task->window_count || task->batch.n_ops == 0)) {
                uint32_t n = frame_fill(task, first);

                send_results(task, first, n, last_window && first + n == task->window_count, results);
                first += n;
                if (task->batch.n_ops == 0)
                        break;
        }
        for (uint32_t i = 0; i < task->window_count; i++)
                drop_opened(&task->ops[i]);
        task->window_first += task->window_count;
        task->window_count = 0;
        return last_window ? FLOW_DONE : FLOW_NEXT;
}
