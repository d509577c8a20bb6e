/* SPDX-License-Identifier: MIT */
/*
 * answers.h: the operations that the daemon answers itself: ping, info, status, explain, policy-reload, close; and
 * those of jobs, which it hands on.
 */
#ifndef FSOP_ANSWERS_H
#define FSOP_ANSWERS_H

#include "daemon/task.h"

/* Fills o->result, or fails o; or sends an io on its way (it may ask a user database or a filesystem). */
void answer(struct task_op *o);
/* status.c */
void answer_status(struct task_op *o);

#endif
