/* SPDX-License-Identifier: MIT */
/*
 * steps.c: the table of steps, and decode, which comes before there is a task to walk.
 */
#include "daemon/steps.h"

#include "daemon/session.h"
#include "proto/codec.h"

const struct step steps[] = {
        {"admit", admit_step},         /* ids, quota, room for the worst reply */
        {"locate", locate_step},       /* what handles and passed descriptors are, for authorize to decide on */
        {"authorize", authorize_step}, /* identity + verb + location + arguments -> verdict */
        {"resolve", resolve_step},     /* location -> pinned parent and leaf, or pinned object */
        {"record", record_step},       /* audit: intents of everything elevated that changes something */
        {"run", run_step},             /* the deed */
        {"settle", settle_step},       /* outcomes, audit, everything given back; once per operation */
        {"reply", reply_step},         /* results into the session's queue; then the next window, if there is one */
};
const unsigned steps_count = sizeof(steps) / sizeof(steps[0]);

int decode_frame(struct task *task, struct bytes body, struct message *ret_message, struct error *ret_error) {
        struct codec_limits limits = {.batch_ops_max = task->session->batch_ops_max, .fds = task->n_fds};

        return codec_decode_request(&task->arena, body, &limits, ret_message, ret_error);
}
