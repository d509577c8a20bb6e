/* SPDX-License-Identifier: MIT */
/* watch.h: following a job to its end, for cp and for job watch. */
#ifndef CLI_WATCH_H
#define CLI_WATCH_H

#include "client/cli/cli.h"

struct watching {
        const struct command *command; /* whose name messages begin with */
        uint64_t job;
        bool cancels;         /* an interrupt cancels the job, not only the watching; and its submission was counted */
        const char *manifest; /* where the digests go when it is done; NULL: nowhere */
};

/*
 * Shows what happens to a job until it ends, with all that waits having been sent before, and counts its end for the
 * exit status. A connection that breaks is made anew for a while: the daemon may just be starting again.
 */
void watch_job(struct cli *cli, const struct watching *watching);

/* One line of a manifest as b2sum prints and checks it: names with odd bytes are escaped. (In cmd_job.c, like the
 * next.) */
void manifest_add_line(struct text *text, const struct fsop_job_digest *digest);
/* Writes the digests of a job. False after saying what went wrong. */
bool manifest_write(struct cli *cli, const struct command *command, uint64_t job, const char *path);

#endif
