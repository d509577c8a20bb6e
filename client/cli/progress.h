/* SPDX-License-Identifier: MIT */
/* progress.h: how far a job is, as one line of text. Nothing here asks or writes anything. */
#ifndef CLI_PROGRESS_H
#define CLI_PROGRESS_H

#include "client/cli/text.h"

struct progress {
        const struct fsop_job_info *job;
        unsigned columns; /* the line has at most so many; 40 and more */
        unsigned tick;    /* moves the bar of a job whose size is not known yet */
        int64_t now_sec;  /* since 1970 */
        bool lost;        /* the connection is gone, and being made anew */
};

/* Of all work, reading back included; only a job that is done has 100. -1: not known yet. */
int progress_percent(const struct fsop_job_info *job);

/* " 42% [====>     ]  1.2 GiB/2.9 GiB  312 MiB/s  0:05 left  1,234/5,000 files": a bar, and what else there is room
 * for. */
void progress_add_bar(struct text *text, const struct progress *progress);

/* "42%, 1.2 GiB of 2.9 GiB, 312 MiB/s, 0:05 left, 1,234 of 5,000 files". */
void progress_add_plain(struct text *text, const struct fsop_job_info *job);

/* Whether the job goes no further. */
bool progress_has_ended(enum fsop_job_state state);

#endif
