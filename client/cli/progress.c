/* SPDX-License-Identifier: MIT */
/* progress.c: draws how far a job is. */
#include "client/cli/progress.h"

#include <stdio.h>
#include <string.h>

enum {
        BAR_COLUMNS_MIN = 10, /* with its brackets */
        BAR_COLUMNS_MAX = 52,
        PIECES_MAX = 8,
};

bool progress_has_ended(enum fsop_job_state state) {
        return state == FSOP_JOB_DONE || state == FSOP_JOB_FAILED || state == FSOP_JOB_CANCELLED;
}

/* ---- figures ----------------------------------------------------------------------------------------------------- */

/* Thousandths; both may be large. */
static int share_of(uint64_t part, uint64_t whole) {
        if (part >= whole)
                return 1000;
        while (whole > UINT64_MAX / 1000) {
                part >>= 1;
                whole >>= 1;
        }
        return (int)(part * 1000 / whole);
}

/* -1: not known. */
static int share(const struct fsop_job_info *job) {
        if (job->state == FSOP_JOB_DONE)
                return 1000;
        if (!job->totals_known)
                return -1;
        const uint64_t files = job->files_done + job->files_failed + job->files_skipped;
        int result;
        if (job->bytes_total == 0)
                result = share_of(files, job->files_total);
        else if (job->verify)
                result = (share_of(job->bytes_copied, job->bytes_total) +
                          share_of(job->bytes_verified, job->bytes_total)) /
                         2;
        else
                result = share_of(job->bytes_copied, job->bytes_total);
        return result > 999 ? 999 : result;
}

int progress_percent(const struct fsop_job_info *job) {
        const int thousandths = share(job);
        return thousandths < 0 ? -1 : thousandths / 10;
}

static uint64_t elapsed_s(const struct fsop_job_info *job) {
        const int64_t s = job->finished.sec - job->started.sec;
        return job->started.sec && s > 0 ? (uint64_t)s : 0;
}

/* ---- pieces ------------------------------------------------------------------------------------------------------ */

/* What stands beside the bar, in this order; the least important goes first where there is no room. */
enum importance { LEAST, LESS, SOME, MORE, MOST };

struct pieces {
        struct piece {
                struct text text;
                enum importance importance;
        } list[PIECES_MAX];
        unsigned n;
};

static struct text *add_piece(struct pieces *pieces, enum importance importance) {
        pieces->list[pieces->n].importance = importance;
        return &pieces->list[pieces->n++].text;
}

static void add_waiting(struct pieces *pieces, const struct progress *progress) {
        const struct fsop_job_info *job = progress->job;
        struct text *text = add_piece(pieces, MOST);
        const char *name = fsop_error_name(job->error.code);
        text_addf(text, "waiting (%s)", job->error.code && name ? name : "?");
        if (job->retry.sec > progress->now_sec) {
                text = add_piece(pieces, MORE);
                text_adds(text, "again in ");
                text_add_duration(text, (uint64_t)(job->retry.sec - progress->now_sec));
        }
}

static void add_state(struct pieces *pieces, const struct progress *progress) {
        const enum fsop_job_state state = progress->job->state;
        if (progress->lost)
                text_adds(add_piece(pieces, MOST), "reconnecting");
        else if (state == FSOP_JOB_WAITING)
                add_waiting(pieces, progress);
        else if (state != FSOP_JOB_RUNNING && state != FSOP_JOB_DONE)
                text_adds(add_piece(pieces, MOST), fsop_job_state_name(state));
}

static void add_amounts(struct pieces *pieces, const struct fsop_job_info *job) {
        const uint64_t bytes = job->state == FSOP_JOB_VERIFYING ? job->bytes_verified : job->bytes_copied;
        if (job->totals_known && job->bytes_total == 0)
                return;
        struct text *text = add_piece(pieces, MORE);
        text_add_size(text, bytes);
        if (job->totals_known) {
                text_adds(text, "/");
                text_add_size(text, job->bytes_total);
        }
}

static void add_rate(struct pieces *pieces, const struct fsop_job_info *job) {
        uint64_t rate = job->bytes_per_s;
        if (progress_has_ended(job->state))
                rate = elapsed_s(job) ? job->bytes_copied / elapsed_s(job) : 0;
        else if (job->state != FSOP_JOB_RUNNING && job->state != FSOP_JOB_VERIFYING)
                return;
        if (rate == 0)
                return;
        struct text *text = add_piece(pieces, LESS);
        text_add_size(text, rate);
        text_adds(text, "/s");
}

static void add_time(struct pieces *pieces, const struct fsop_job_info *job) {
        if (progress_has_ended(job->state)) {
                if (!elapsed_s(job))
                        return;
                struct text *text = add_piece(pieces, SOME);
                text_adds(text, "in ");
                text_add_duration(text, elapsed_s(job));
        } else if (job->has_seconds_left && (job->state == FSOP_JOB_RUNNING || job->state == FSOP_JOB_VERIFYING)) {
                struct text *text = add_piece(pieces, SOME);
                text_add_duration(text, job->seconds_left);
                text_adds(text, " left");
        }
}

static void add_files(struct pieces *pieces, const struct fsop_job_info *job) {
        struct text *text = add_piece(pieces, LEAST);
        text_add_count(text, job->files_done + job->files_skipped);
        if (job->totals_known && job->state != FSOP_JOB_DONE) {
                text_adds(text, "/");
                text_add_count(text, job->files_total);
        }
        text_adds(text, job->files_total == 1 ? " file" : " files");
        if (job->files_failed == 0)
                return;
        text = add_piece(pieces, MORE);
        text_add_count(text, job->files_failed);
        text_adds(text, " failed");
}

static size_t pieces_columns(const struct pieces *pieces) {
        size_t columns = 0;
        for (unsigned i = 0; i < pieces->n; i++)
                columns += 2 + text_columns(pieces->list[i].text.data, pieces->list[i].text.len);
        return columns;
}

/* Drops what there is no room for. */
static void fit(struct pieces *pieces, size_t columns) {
        while (pieces->n > 0 && pieces_columns(pieces) > columns) {
                unsigned least = 0;
                for (unsigned i = 1; i < pieces->n; i++)
                        if (pieces->list[i].importance <= pieces->list[least].importance)
                                least = i;
                text_free(&pieces->list[least].text);
                for (pieces->n--; least < pieces->n; least++)
                        pieces->list[least] = pieces->list[least + 1];
        }
}

/* ---- the bar ----------------------------------------------------------------------------------------------------- */

static void add_known_bar(struct text *text, size_t columns, int thousandths) {
        const size_t filled = columns * (size_t)thousandths / 1000;
        for (size_t i = 0; i < columns; i++)
                text_adds(text, i < filled ? (i + 1 == filled && filled < columns ? ">" : "=") : " ");
}

/* Something that goes to and fro. */
static void add_moving_bar(struct text *text, size_t columns, unsigned tick) {
        static const char shape[] = "<=>";
        const size_t room = columns - (sizeof(shape) - 1);
        size_t at = tick % (2 * room);
        if (at > room)
                at = 2 * room - at;
        text_addf(text, "%*s%s%*s", (int)at, "", shape, (int)(room - at), "");
}

void progress_add_bar(struct text *text, const struct progress *progress) {
        const struct fsop_job_info *job = progress->job;
        const int thousandths = share(job);
        const size_t columns = progress->columns < 40 ? 40 : progress->columns;
        const size_t percent_columns = 5; /* " 42% " */
        struct pieces pieces = {.n = 0};
        add_state(&pieces, progress);
        add_amounts(&pieces, job);
        add_rate(&pieces, job);
        add_time(&pieces, job);
        add_files(&pieces, job);
        fit(&pieces, columns - percent_columns - BAR_COLUMNS_MIN);
        size_t bar = columns - percent_columns - pieces_columns(&pieces);
        bar = (bar > BAR_COLUMNS_MAX ? BAR_COLUMNS_MAX : bar) - 2;
        if (thousandths < 0)
                text_adds(text, "  -% [");
        else
                text_addf(text, "%3d%% [", thousandths / 10);
        if (thousandths < 0 && !progress_has_ended(job->state))
                add_moving_bar(text, bar, progress->tick);
        else
                add_known_bar(text, bar, thousandths < 0 ? 0 : thousandths);
        text_adds(text, "]");
        for (unsigned i = 0; i < pieces.n; i++) {
                text_adds(text, "  ");
                text_add(text, pieces.list[i].text.data, pieces.list[i].text.len);
                text_free(&pieces.list[i].text);
        }
}

/* ---- plain ------------------------------------------------------------------------------------------------------- */

void progress_add_plain(struct text *text, const struct fsop_job_info *job) {
        const uint64_t bytes = job->state == FSOP_JOB_VERIFYING ? job->bytes_verified : job->bytes_copied;
        if (share(job) >= 0)
                text_addf(text, "%d%%, ", progress_percent(job));
        if (job->state != FSOP_JOB_RUNNING && job->state != FSOP_JOB_DONE)
                text_addf(text, "%s, ", fsop_job_state_name(job->state));
        text_add_size(text, bytes);
        if (job->totals_known && job->bytes_total) {
                text_adds(text, " of ");
                text_add_size(text, job->bytes_total);
        }
        struct pieces pieces = {.n = 0};
        add_rate(&pieces, job);
        add_time(&pieces, job);
        for (unsigned i = 0; i < pieces.n; i++) {
                text_adds(text, ", ");
                text_add(text, pieces.list[i].text.data, pieces.list[i].text.len);
                text_free(&pieces.list[i].text);
        }
        text_adds(text, ", ");
        text_add_count(text, job->files_done + job->files_skipped);
        if (job->totals_known) {
                text_adds(text, " of ");
                text_add_count(text, job->files_total);
        }
        text_adds(text, job->files_total == 1 ? " file" : " files");
        if (job->files_failed) {
                text_adds(text, ", ");
                text_add_count(text, job->files_failed);
                text_adds(text, " failed");
        }
}
