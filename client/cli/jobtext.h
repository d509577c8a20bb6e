/* SPDX-License-Identifier: MIT */
/* jobtext.h: jobs for people: a row each in a table, or everything about one. Nothing here asks or writes anything. */
#ifndef CLI_JOBTEXT_H
#define CLI_JOBTEXT_H

#include "client/cli/text.h"

struct job_table;

/* users: whose they are is shown, too. now_sec: since 1970, for ages. */
struct job_table *job_table_new(bool users, int64_t now_sec);
void job_table_add(struct job_table *table, const struct fsop_job_info *job);
/* The header and all rows, none wider than `columns` (60 and more). Nothing when there are no jobs. */
void job_table_format(const struct job_table *table, unsigned columns, struct text *text);
void job_table_free(struct job_table *table);

/* "key: value" lines. */
void job_add_details(struct text *text, const struct fsop_job_info *job);

/* "  PATH: reason (CODE): message" and a newline. */
void job_add_failure(struct text *text, const struct fsop_job_failure *failure);

/* "no space left on device (ENOSPC): message (rule NAME)". */
void job_add_reason(struct text *text, const struct fsop_error *error);

#endif
