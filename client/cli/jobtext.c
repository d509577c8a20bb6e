/* SPDX-License-Identifier: MIT */
/* jobtext.c: jobs as tables and as lists of what is known about one. */
#include "client/cli/jobtext.h"

#include <stdlib.h>
#include <string.h>

#include "client/cli/progress.h"

/* ---- tables ------------------------------------------------------------------------------------------------------ */

enum column { ID, STATE, DONE, FILES, SIZE, RATE, USER, TARGET, COLUMNS };

enum { TARGET_COLUMNS_MIN = 12, GAP = 2 };

struct row {
        struct text cells[COLUMNS];
};

struct job_table {
        bool users;
        int64_t now_sec;
        struct row *rows;
        size_t n, n_allocated;
};

static const char *const titles[COLUMNS] = {"ID", "STATE", "DONE", "FILES", "SIZE", "RATE/AGE", "USER", "TARGET"};

struct job_table *job_table_new(bool users, int64_t now_sec) {
        struct job_table *table = cli_alloc(sizeof(*table));
        table->users = users;
        table->now_sec = now_sec;
        return table;
}

/* What runs has a rate, what is over or has not begun an age. */
static void add_rate_or_age(struct text *text, const struct fsop_job_info *job, int64_t now_sec) {
        if (job->state == FSOP_JOB_RUNNING || job->state == FSOP_JOB_VERIFYING) {
                text_add_size(text, job->bytes_per_s);
                text_adds(text, "/s");
                return;
        }
        const int64_t since = job->finished.sec ? job->finished.sec : job->created.sec;
        text_add_age(text, now_sec - since);
}

void job_table_add(struct job_table *table, const struct fsop_job_info *job) {
        if (table->n == table->n_allocated) {
                table->n_allocated = table->n_allocated * 2 + 64;
                table->rows = cli_realloc(table->rows, table->n_allocated * sizeof(*table->rows));
        }
        struct row *row = &table->rows[table->n++];
        const int percent = progress_percent(job);
        memset(row, 0, sizeof(*row));
        text_addf(&row->cells[ID], "%llu", (unsigned long long)job->id);
        text_adds(&row->cells[STATE], fsop_job_state_name(job->state));
        if (percent < 0)
                text_adds(&row->cells[DONE], "-");
        else
                text_addf(&row->cells[DONE], "%d%%", percent);
        text_add_count(&row->cells[FILES], job->totals_known ? job->files_total : job->files_done);
        text_add_size(&row->cells[SIZE], job->totals_known ? job->bytes_total : job->bytes_copied);
        add_rate_or_age(&row->cells[RATE], job, table->now_sec);
        if (table->users)
                text_add_sentence(&row->cells[USER], job->user.data, job->user.len);
        text_add_sentence(&row->cells[TARGET], job->target.data, job->target.len);
        if (job->n_places > 1)
                text_addf(&row->cells[TARGET], " +%lu", (unsigned long)job->n_places - 1);
}

static size_t cell_columns(const struct text *cell) {
        return cell->len ? text_columns(cell->data, cell->len) : 0;
}

static void add_cell(struct text *text, enum column column, const char *data, size_t len, size_t width) {
        const bool right = column == ID || column == DONE || column == FILES || column == SIZE || column == RATE;
        const size_t columns = text_columns(data, len);
        const int pad = columns < width ? (int)(width - columns) : 0;
        if (right)
                text_addf(text, "%*s", pad, "");
        text_add(text, data, len);
        if (!right)
                text_addf(text, "%*s", pad, "");
        text_addf(text, "%*s", GAP, "");
}

/* Widths of all columns but the last, and what they leave to that. */
static size_t measure(const struct job_table *table, unsigned columns, size_t widths[COLUMNS]) {
        size_t used = 0;
        for (int c = 0; c < TARGET; c++) {
                widths[c] = strlen(titles[c]);
                for (size_t i = 0; i < table->n; i++) {
                        size_t width = cell_columns(&table->rows[i].cells[c]);
                        if (width > widths[c])
                                widths[c] = width;
                }
                if (c != USER || table->users)
                        used += widths[c] + GAP;
        }
        return columns > used + TARGET_COLUMNS_MIN ? columns - used : TARGET_COLUMNS_MIN;
}

void job_table_format(const struct job_table *table, unsigned columns, struct text *text) {
        size_t widths[COLUMNS];
        const size_t target = measure(table, columns, widths);
        if (table->n == 0)
                return;
        for (int c = 0; c < TARGET; c++)
                if (c != USER || table->users)
                        add_cell(text, (enum column)c, titles[c], strlen(titles[c]), widths[c]);
        text_addf(text, "%s\n", titles[TARGET]);
        for (size_t i = 0; i < table->n; i++) {
                const struct text *cells = table->rows[i].cells;
                for (int c = 0; c < TARGET; c++)
                        if (c != USER || table->users)
                                add_cell(text, (enum column)c, cells[c].data ? cells[c].data : "", cells[c].len,
                                         widths[c]);
                if (cells[TARGET].len)
                        text_add_shortened(text, cells[TARGET].data, cells[TARGET].len, target);
                text_adds(text, "\n");
        }
}

void job_table_free(struct job_table *table) {
        for (size_t i = 0; i < table->n; i++)
                for (int c = 0; c < COLUMNS; c++)
                        text_free(&table->rows[i].cells[c]);
        free(table->rows);
        free(table);
}

/* ---- one job ----------------------------------------------------------------------------------------------------- */

void job_add_reason(struct text *text, const struct fsop_error *error) {
        const char *name = fsop_error_name(error->code);
        text_addf(text, "%s (%s)", fsop_strerror(error->code), name ? name : "?");
        if (error->message.len && error->message.len != strlen(fsop_strerror(error->code))) {
                text_adds(text, ": ");
                text_add_sentence(text, error->message.data, error->message.len);
        }
        if (error->rule.len && error->class_ == FSOP_CLASS_DENIED) {
                text_adds(text, " (rule ");
                text_add_sentence(text, error->rule.data, error->rule.len);
                text_adds(text, ")");
        }
}

void job_add_failure(struct text *text, const struct fsop_job_failure *failure) {
        text_adds(text, "  ");
        text_add_name(text, failure->path.data, failure->path.len);
        text_adds(text, ": ");
        job_add_reason(text, &failure->error);
        text_adds(text, "\n");
}

static void add_name_line(struct text *text, const char *key, struct fsop_bytes name) {
        text_addf(text, "%s: ", key);
        text_add_name(text, name.data, name.len);
        text_adds(text, "\n");
}

static void add_time_line(struct text *text, const char *key, struct fsop_time time) {
        if (!time.sec)
                return;
        text_addf(text, "%s: ", key);
        text_add_time(text, time, true);
        text_adds(text, "\n");
}

/* "copied: 1.5 GiB (1,610,612,736 bytes) of 2.0 GiB". */
static void add_bytes_line(struct text *text, const char *key, uint64_t bytes, const struct fsop_job_info *job) {
        text_addf(text, "%s: ", key);
        text_add_size(text, bytes);
        if (bytes >= 1024) {
                text_adds(text, " (");
                text_add_count(text, bytes);
                text_adds(text, " bytes)");
        }
        if (job->totals_known) {
                text_adds(text, " of ");
                text_add_size(text, job->bytes_total);
        }
        text_adds(text, "\n");
}

static void add_files_line(struct text *text, const struct fsop_job_info *job) {
        text_adds(text, "files: ");
        text_add_count(text, job->files_done);
        if (job->totals_known) {
                text_adds(text, " of ");
                text_add_count(text, job->files_total);
        }
        text_adds(text, " done, ");
        text_add_count(text, job->files_failed);
        text_adds(text, " failed, ");
        text_add_count(text, job->files_skipped);
        text_adds(text, " skipped\n");
}

static void add_speed_lines(struct text *text, const struct fsop_job_info *job) {
        if (progress_has_ended(job->state))
                return;
        text_adds(text, "rate: ");
        text_add_size(text, job->bytes_per_s);
        text_adds(text, "/s\n");
        if (!job->has_seconds_left)
                return;
        text_adds(text, "time left: ");
        text_add_duration(text, job->seconds_left);
        text_adds(text, "\n");
}

void job_add_details(struct text *text, const struct fsop_job_info *job) {
        const int percent = progress_percent(job);
        text_addf(text, "job: %llu\nstate: %s\n", (unsigned long long)job->id, fsop_job_state_name(job->state));
        if (job->error.code) {
                text_addf(text, "%s: ", job->state == FSOP_JOB_WAITING ? "waits for" : "error");
                job_add_reason(text, &job->error);
                text_adds(text, "\n");
        }
        add_time_line(text, "tries again", job->retry);
        add_name_line(text, "source", job->source);
        add_name_line(text, "target", job->target);
        if (job->n_places > 1)
                text_addf(text, "places: %lu, of which this is the first\n", (unsigned long)job->n_places);
        text_adds(text, "owner: ");
        text_add_sentence(text, job->user.data, job->user.len);
        text_addf(text, " (%lu)\nas: %s%s\npriority: %ld\nruns: %lu\n", (unsigned long)job->uid,
                  fsop_as_name(job->as) ? fsop_as_name(job->as) : "?", job->elevated ? ", elevated" : "",
                  (long)job->priority, (unsigned long)job->runs);
        add_time_line(text, "created", job->created);
        add_time_line(text, "started", job->started);
        add_time_line(text, "finished", job->finished);
        if (percent >= 0)
                text_addf(text, "progress: %d%%\n", percent);
        add_files_line(text, job);
        add_bytes_line(text, "copied", job->bytes_copied, job);
        add_bytes_line(text, "flushed", job->bytes_flushed, job);
        if (job->verify)
                add_bytes_line(text, "verified", job->bytes_verified, job);
        add_speed_lines(text, job);
}
