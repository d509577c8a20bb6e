/* SPDX-License-Identifier: MIT */
/*
 * copy.h: the copying of one job: a run. It opens the job's places, walks their trees, hands small units of work to
 * workers, and records what is done when it is on the disk. All on the loop thread.
 */
#ifndef FSOP_DAEMON_COPY_H
#define FSOP_DAEMON_COPY_H

#include "daemon/jobs.h"

/*
 * Begins to copy what the store does not call done; or, with clean, only removes what an earlier run left under
 * temporary names. Ends with job_run_ended, never inside this call. 0 or -FSOP_ENOMEM.
 */
int run_start(struct job *job, bool clean);

/* job->stop has become stronger: nothing new is begun; what is complete is still recorded, unless it is cancelled. */
void run_stop(struct run *run);

/* At the end of a loop round: what was put off until then. */
void run_end_round(struct run *run);

/* Now and then: counts, and at the end of the round goes on with what has waited for its time. Returns whether the
 * job's counters have moved since it was last told so; SAY: it is told now. */
bool run_tick(struct run *run, uint64_t now_ms, bool say);

#endif
