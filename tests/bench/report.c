/* SPDX-License-Identifier: MIT */
/*
 * report.c: figures become lines: of a table for people, or of JSON, one object each. `ours` and `theirs` are medians
 * over all turns, `ratio` is the median of the turns' ratios.
 */
#include <stdio.h>
#include <stdlib.h>

#include "tests/bench/bench.h"

static int compare_doubles(const void *a, const void *b) {
        double x = *(const double *)a, y = *(const double *)b;

        return x < y ? -1 : x > y;
}

double bench_median(const double *values, uint32_t n) {
        double *sorted = bench_alloc(n, sizeof(*sorted)), median;

        for (uint32_t i = 0; i < n; i++)
                sorted[i] = values[i];
        qsort(sorted, n, sizeof(*sorted), compare_doubles);
        median = n % 2 == 1 ? sorted[n / 2] : (sorted[n / 2 - 1] + sorted[n / 2]) / 2;
        free(sorted);
        return median;
}

struct line {
        double ours, theirs, ratio, low, high;
        const char *unit;
        bool met;
};

void report_head(bool json) {
        if (!json)
                printf("%-18s %10s %10s %-6s %7s %15s %8s %-4s %s\n", "row", "ours", "theirs", "unit", "ratio",
                       "(least-most)", "bar", "met", "what");
}

/* Times of operations are microseconds, those of whole copies milliseconds. */
static void give_units(const struct row *row, bool is_copy, struct line *line) {
        double unit = is_copy ? 1e6 : 1e3;

        if (row->ratio == RATIO_RATE) {
                line->unit = "op/s";
                line->ours = 1e9 / line->ours;
                line->theirs = 1e9 / line->theirs;
        } else {
                line->unit = is_copy ? "ms" : "us";
                line->ours /= unit;
                line->theirs /= unit;
        }
}

static struct line line_of(const struct row *row, bool is_copy, const double *ours, const double *theirs, uint32_t n) {
        double *ratios = bench_alloc(n, sizeof(*ratios));
        struct line line = {.ours = bench_median(ours, n), .theirs = bench_median(theirs, n)};

        for (uint32_t i = 0; i < n; i++) {
                ratios[i] = row->ratio == RATIO_COST ? ours[i] / theirs[i] : theirs[i] / ours[i];
                line.low = i == 0 || ratios[i] < line.low ? ratios[i] : line.low;
                line.high = i == 0 || ratios[i] > line.high ? ratios[i] : line.high;
        }
        line.ratio = bench_median(ratios, n);
        free(ratios);
        line.met = row->ratio == RATIO_COST ? line.ratio <= row->bar : line.ratio >= row->bar;
        give_units(row, is_copy, &line);
        return line;
}

void report_row(const struct row *row, const struct contest *contest, const struct outcome *outcome, bool json) {
        const double *theirs = NULL;
        struct line line;

        for (uint32_t i = 0; i < contest->n_sides; i++)
                if (contest->sides[i] == row->theirs)
                        theirs = outcome->ns[i];
        if (!theirs) {
                report_skipped(row,
                               row->theirs == SIDE_RSYNC ? "rsync is not installed" : "sftp-server is not installed",
                               json);
                return;
        }
        line = line_of(row, contest->copying, outcome->ns[0], theirs, outcome->n);
        if (json)
                printf("{\"name\":\"%s\",\"ours\":%.3f,\"theirs\":%.3f,\"ratio\":%.4f,\"bar\":%g,\"met\":%s,\"unit\":"
                       "\"%s\"}\n",
                       row->name, line.ours, line.theirs, line.ratio, row->bar, line.met ? "true" : "false", line.unit);
        else
                printf("%-18s %10.*f %10.*f %-6s %7.3f (%6.3f-%6.3f) %s %5.2f %-4s %s\n", row->name,
                       row->ratio == RATIO_RATE ? 0 : 2, line.ours, row->ratio == RATIO_RATE ? 0 : 2, line.theirs,
                       line.unit, line.ratio, line.low, line.high, row->ratio == RATIO_COST ? "<=" : ">=", row->bar,
                       line.met ? "yes" : "NO", row->says);
        fflush(stdout);
}

void report_memory(const struct row *row, double kib, bool json) {
        bool met = kib <= row->bar;

        if (json)
                printf("{\"name\":\"%s\",\"ours\":%.2f,\"theirs\":null,\"ratio\":null,\"bar\":%g,\"met\":%s,\"unit\":"
                       "\"KiB\"}\n",
                       row->name, kib, row->bar, met ? "true" : "false");
        else
                printf("%-18s %10.1f %10s %-6s %7s %15s <= %5.0f %-4s %s\n", row->name, kib, "-", "KiB", "-", "-",
                       row->bar, met ? "yes" : "NO", row->says);
        fflush(stdout);
}

void report_skipped(const struct row *row, const char *why, bool json) {
        if (json)
                printf("{\"name\":\"%s\",\"ours\":null,\"theirs\":null,\"ratio\":null,\"bar\":%g,\"met\":null,"
                       "\"skipped\":\"%s\"}\n",
                       row->name, row->bar, why);
        else
                printf("%-18s NOT MEASURED: %s\n", row->name, why);
        fflush(stdout);
}
