/* SPDX-License-Identifier: MIT */
/*
 * steps.h: the way of a request: decode, admit, locate, authorize, resolve, record, run, settle, reply. Listed in one
 * table and run by one loop (task_run). A task only walks forward; the window loop alone goes back to `admit` for the
 * next window.
 */
#ifndef FSOP_STEPS_H
#define FSOP_STEPS_H

#include "daemon/audit.h"
#include "daemon/task.h"

struct step {
        const char *name;
        enum flow (*run)(struct task *task);
};

extern const struct step steps[];
extern const unsigned steps_count;

enum flow admit_step(struct task *task);
enum flow locate_step(struct task *task);
enum flow authorize_step(struct task *task);
enum flow resolve_step(struct task *task);
enum flow record_step(struct task *task);
enum flow run_step(struct task *task);
enum flow settle_step(struct task *task);
enum flow reply_step(struct task *task);

/* decode is the step before there is a task: bytes of a frame to a message in the new task's arena. Returns 0, or the
 * code for which the connection is closed, with the sentence in ret_error. */
int decode_frame(struct task *task, struct bytes body, struct message *ret_message, struct error *ret_error);

/* The most room that answers of a batch take at once (admit.c). */
size_t batch_out_bytes(const struct batch *batch);

/* Gives back the roots that locate opened for authorize. */
void locate_release(struct task *task);

/* The audit's view of an operation (record.c), and its way there, by which its user is charged. */
struct audit_record record_of(const struct task_op *o, enum audit_event event);
void record_line(const struct task_op *o, const struct audit_record *record);

/* The operations of the window that are still to be worked on. */
#define for_each_op(task, o)                                                                                           \
        for (struct task_op *o = (task)->ops; o < (task)->ops + (task)->window_count; o++)                             \
                if (!o->failed)

#endif
