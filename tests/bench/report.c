/* SPDX-License-Identifier: MIT */
/*
 * report.c: figures become lines: of a table for people or for a page, or of JSON, one object each; and on request
 * files that a program can draw from. `ours` and `theirs` are medians over all turns, `ratio` is the median of the
 * turns' ratios.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/bench/bench.h"

enum report_format report_format;
const char *report_dir;

/* Of a row, or of a point of a curve. */
struct summary {
        double ours, theirs, ratio, low, high;
        const char *unit;
};

static FILE *raw; /* every figure that is not a median */

static FILE *open_file(const char *name) {
        char *path = bench_format("%s/%s", report_dir, name);
        FILE *file = fopen(path, "we");

        if (!file)
                bench_fail("%s: %s", path, strerror(errno));
        free(path);
        return file;
}

static FILE *rows_file(void) {
        static FILE *file;

        if (report_dir && !file) {
                file = open_file("rows.tsv");
                if (file)
                        fputs("name\tours\ttheirs\tunit\tratio\tleast\tmost\tbar\n", file);
        }
        return file;
}

int report_begin(bool has_rows) {
        if (report_dir) {
                raw = open_file("raw.tsv");
                if (!raw)
                        return -1;
                fputs("name\tx\tturn\tside\tns\tp50_ns\tp99_ns\tp999_ns\n", raw);
        }
        if (has_rows && report_format == REPORT_TEXT)
                printf("%-20s %10s %10s %-6s %7s %15s %8s %-4s %s\n", "row", "ours", "theirs", "unit", "ratio",
                       "(least-most)", "bar", "met", "what");
        if (has_rows && report_format == REPORT_MARKDOWN)
                puts("| | ours | the other | ratio | aim | met |\n|---|---|---|---|---|---|");
        return 0;
}

static void write_raw(const char *name, uint32_t x, const struct outcome *outcome) {
        for (uint32_t i = 0; raw && i < outcome->n; i++)
                for (unsigned k = 0; k < 2; k++) {
                        const struct figures *figures = k == 0 ? &outcome->ours[i] : &outcome->theirs[i];

                        fprintf(raw, "%s\t%u\t%u\t%s\t%.0f\t%.0f\t%.0f\t%.0f\n", name, x, i, k == 0 ? "ours" : "theirs",
                                figures->ns, figures->p50, figures->p99, figures->p999);
                }
}

/* ---- medians ---- */

/* Of a field of figures. */
static double median_of(const struct figures *figures, uint32_t n, size_t field) {
        double *values = bench_alloc(n, sizeof(*values)), median;

        for (uint32_t i = 0; i < n; i++)
                memcpy(&values[i], (const char *)&figures[i] + field, sizeof(values[i]));
        median = bench_median(values, n);
        free(values);
        return median;
}

static double field_of(const struct figures *figures, size_t field) {
        double value;

        memcpy(&value, (const char *)figures + field, sizeof(value));
        return value;
}

/* Nanoseconds yet. */
static struct summary summarize(const struct outcome *outcome, bool is_cost, size_t field) {
        double *ratios = bench_alloc(outcome->n, sizeof(*ratios));
        struct summary summary = {.ours = median_of(outcome->ours, outcome->n, field),
                                  .theirs = median_of(outcome->theirs, outcome->n, field)};

        for (uint32_t i = 0; i < outcome->n; i++) {
                double ours = field_of(&outcome->ours[i], field), theirs = field_of(&outcome->theirs[i], field);

                ratios[i] = is_cost ? ours / theirs : theirs / ours;
                summary.low = i == 0 || ratios[i] < summary.low ? ratios[i] : summary.low;
                summary.high = i == 0 || ratios[i] > summary.high ? ratios[i] : summary.high;
        }
        summary.ratio = bench_median(ratios, outcome->n);
        free(ratios);
        return summary;
}

/* Times of operations are microseconds, those of whole copies milliseconds. */
static void give_units(const struct row *row, struct summary *summary) {
        bool is_copy = row->contest.copying != NULL;
        double unit = is_copy ? 1e6 : 1e3;

        if (row->ratio == RATIO_RATE) {
                summary->unit = "op/s";
                summary->ours = 1e9 / summary->ours;
                summary->theirs = 1e9 / summary->theirs;
        } else {
                summary->unit = is_copy ? "ms" : "us";
                summary->ours /= unit;
                summary->theirs /= unit;
        }
}

/* ---- rows ---- */

/* "64.1 us", "617 ms", "176,000/s". */
static void print_value(double value, const char *unit) {
        unsigned long rounded = (unsigned long)(value + 0.5);

        if (strcmp(unit, "us") == 0)
                printf("%.1f µs", value);
        else if (strcmp(unit, "op/s") != 0)
                printf(value < 100 ? "%.1f %s" : "%.0f %s", value, unit);
        else if (rounded < 1000)
                printf("%lu/s", rounded);
        else if (rounded < 1000000)
                printf("%lu,%03lu/s", rounded / 1000, rounded % 1000);
        else
                printf("%lu,%03lu,%03lu/s", rounded / 1000000, rounded / 1000 % 1000, rounded % 1000);
}

static const char *met_word(const struct row *row, double value) {
        if (row->bar == 0)
                return "-";
        return (row->ratio == RATIO_COST ? value <= row->bar : value >= row->bar) ? "yes" : "NO";
}

static void print_markdown(const struct row *row, const struct summary *summary) {
        printf("| %s | ", row->says);
        print_value(summary->ours, summary->unit);
        printf(" | ");
        if (summary->theirs > 0)
                print_value(summary->theirs, summary->unit);
        else
                printf("–");
        if (summary->ratio > 0)
                printf(" | %.2f | ", summary->ratio);
        else
                printf(" | – | ");
        if (row->bar == 0)
                puts("– | – |");
        else if (summary->ratio > 0)
                printf("%s %.1f | %s |\n", row->ratio == RATIO_COST ? "≤" : "≥", row->bar,
                       strcmp(met_word(row, summary->ratio), "yes") == 0 ? "met" : "**missed**");
        else
                printf("≤ %.0f %s | %s |\n", row->bar, summary->unit,
                       strcmp(met_word(row, summary->ours), "yes") == 0 ? "met" : "**missed**");
}

static void print_json(const struct row *row, const struct summary *summary) {
        const char *met = met_word(row, summary->ratio > 0 ? summary->ratio : summary->ours);

        printf("{\"name\":\"%s\",\"ours\":%.3f", row->name, summary->ours);
        if (summary->ratio > 0)
                printf(",\"theirs\":%.3f,\"ratio\":%.4f", summary->theirs, summary->ratio);
        else
                printf(",\"theirs\":null,\"ratio\":null");
        if (row->bar > 0)
                printf(",\"bar\":%g,\"met\":%s", row->bar, strcmp(met, "yes") == 0 ? "true" : "false");
        else
                printf(",\"bar\":null,\"met\":null");
        printf(",\"unit\":\"%s\"}\n", summary->unit);
}

static void print_text(const struct row *row, const struct summary *summary) {
        int digits = row->ratio == RATIO_RATE ? 0 : 2;
        const char *sign = row->ratio == RATIO_COST ? "<=" : ">=";

        printf("%-20s %10.*f ", row->name, digits, summary->ours);
        if (summary->ratio > 0)
                printf("%10.*f %-6s %7.3f (%6.3f-%6.3f) ", digits, summary->theirs, summary->unit, summary->ratio,
                       summary->low, summary->high);
        else
                printf("%10s %-6s %7s %15s ", "-", summary->unit, "-", "-");
        if (row->bar > 0)
                printf("%s %5.*f ", sign, row->bar < 10 ? 2 : 0, row->bar);
        else
                printf("%8s ", "-");
        printf("%-4s %s\n", met_word(row, summary->ratio > 0 ? summary->ratio : summary->ours), row->says);
}

static void print_row(const struct row *row, const struct summary *summary) {
        FILE *file = rows_file();

        if (report_format == REPORT_JSON)
                print_json(row, summary);
        else if (report_format == REPORT_MARKDOWN)
                print_markdown(row, summary);
        else
                print_text(row, summary);
        fflush(stdout);
        if (file)
                fprintf(file, "%s\t%.3f\t%.3f\t%s\t%.4f\t%.4f\t%.4f\t%g\n", row->name, summary->ours, summary->theirs,
                        summary->unit, summary->ratio, summary->low, summary->high, row->bar);
}

void report_row(const struct row *row, const struct outcome *outcome) {
        struct summary summary = summarize(outcome, row->ratio == RATIO_COST, offsetof(struct figures, ns));

        give_units(row, &summary);
        print_row(row, &summary);
        write_raw(row->name, 0, outcome);
}

void report_memory(const struct row *row, double kib) {
        print_row(row, &(struct summary){.ours = kib, .unit = "KiB"});
}

void report_skipped(const struct row *row, const char *why) {
        if (report_format == REPORT_JSON)
                printf("{\"name\":\"%s\",\"ours\":null,\"theirs\":null,\"ratio\":null,\"bar\":%g,\"met\":null,"
                       "\"skipped\":\"%s\"}\n",
                       row->name, row->bar, why);
        else if (report_format == REPORT_MARKDOWN)
                printf("| %s | not measured: %s | | | | |\n", row->says, why);
        else
                printf("%-20s NOT MEASURED: %s\n", row->name, why);
        fflush(stdout);
}

/* ---- curves ---- */

static const char *const grows_words[] = {"operations", "clients", "load_percent"};

/* A line of cells: the same figures for people, for pages and for programs. */
static void print_cells(const char *name, const char *const *heads, const double *cells, unsigned n) {
        if (report_format == REPORT_JSON)
                printf("{\"name\":\"%s\"", name);
        else if (report_format == REPORT_MARKDOWN)
                putchar('|');
        for (unsigned i = 0; i < n; i++) {
                int digits = cells[i] >= 100 || cells[i] == (double)(long)cells[i] ? 0 : cells[i] >= 10 ? 1 : 2;

                if (report_format == REPORT_JSON)
                        printf(",\"%s\":%.3f", heads[i], cells[i]);
                else if (report_format == REPORT_MARKDOWN)
                        printf(" %.*f |", digits, cells[i]);
                else
                        printf("%12.*f", digits, cells[i]);
        }
        puts(report_format == REPORT_JSON ? "}" : "");
}

static void print_heads(const char *says, const char *const *heads, unsigned n) {
        if (report_format == REPORT_JSON)
                return;
        if (report_format == REPORT_MARKDOWN) {
                printf("\n%s:\n\n|", says);
                for (unsigned i = 0; i < n; i++)
                        printf(" %s |", heads[i]);
                printf("\n|");
                for (unsigned i = 0; i < n; i++)
                        printf("---|");
                putchar('\n');
                return;
        }
        printf("\n%s\n", says);
        for (unsigned i = 0; i < n; i++)
                printf("%12s", heads[i]);
        putchar('\n');
}

/* A table, on standard output and as a file. */
static int print_table(const char *name, const char *says, const char *const *heads, unsigned n_heads,
                       const double *cells, uint32_t n_lines) {
        char *file_name = bench_format("%s.tsv", name);
        FILE *file = report_dir ? open_file(file_name) : NULL;
        int ret = report_dir && !file ? -1 : 0;

        print_heads(says, heads, n_heads);
        for (uint32_t line = 0; line < n_lines; line++)
                print_cells(name, heads, cells + line * n_heads, n_heads);
        fflush(stdout);
        for (unsigned i = 0; file && i < n_heads; i++)
                fprintf(file, "%s%c", heads[i], i + 1 < n_heads ? '\t' : '\n');
        for (uint32_t i = 0; file && i < n_lines * n_heads; i++)
                fprintf(file, "%.4f%c", cells[i], (i + 1) % n_heads ? '\t' : '\n');
        if (file)
                fclose(file);
        free(file_name);
        return ret;
}

/* x, rates, their ratio and its extremes. */
static unsigned rate_cells(double x, const struct outcome *outcome, double *cells) {
        struct summary rates = summarize(outcome, false, offsetof(struct figures, ns));
        double line[] = {x, 1e9 / rates.ours, 1e9 / rates.theirs, rates.ratio, rates.low, rates.high};

        memcpy(cells, line, sizeof(line));
        return sizeof(line) / sizeof(line[0]);
}

/* x, the rate, then ours, theirs and the ratio of each percentile. */
static unsigned latency_cells(double x, double rate, const struct outcome *outcome, double *cells) {
        static const size_t fields[] = {offsetof(struct figures, p50), offsetof(struct figures, p99),
                                        offsetof(struct figures, p999)};
        unsigned n = 0;

        cells[n++] = x;
        cells[n++] = rate;
        for (unsigned i = 0; i < 3; i++) {
                struct summary summary = summarize(outcome, true, fields[i]);

                cells[n++] = summary.ours / 1e3;
                cells[n++] = summary.theirs / 1e3;
                cells[n++] = summary.ratio;
        }
        return n;
}

int report_curve(const struct curve *curve, uint32_t n_points, const struct outcome *outcomes, double capacity) {
        static const char *const of_rates[] = {"", "ours/s", "theirs/s", "ratio", "least", "most"};
        static const char *const of_latency[] = {"",       "ops/s", "p50 us",   "theirs", "ratio", "p99 us",
                                                 "theirs", "ratio", "p99.9 us", "theirs", "ratio"};
        bool is_load = curve->grows == GROWS_LOAD;
        const char *heads[11];
        unsigned n_heads = is_load ? 11 : 6, n = 0;
        double cells[CURVE_POINTS_MAX * 11];

        for (unsigned i = 0; i < n_heads; i++)
                heads[i] = i == 0 ? grows_words[curve->grows] : is_load ? of_latency[i] : of_rates[i];
        for (uint32_t i = 0; i < n_points; i++) {
                double x = curve->points[i];

                write_raw(curve->name, curve->points[i], &outcomes[i]);
                n += is_load ? latency_cells(x, capacity * x / 100, &outcomes[i], cells + n)
                             : rate_cells(x, &outcomes[i], cells + n);
        }
        return print_table(curve->name, curve->says, heads, n_heads, cells, n / n_heads);
}

int report_memory_curve(const uint32_t *points, uint32_t n, const struct memory *ours, const struct memory *theirs) {
        static const char *const heads[] = {"connections", "KiB", "each", "threads: KiB", "each"};
        double cells[CURVE_POINTS_MAX * 5];

        for (uint32_t i = 0; i < n; i++) {
                double *line = cells + (size_t)i * 5;

                line[0] = points[i];
                line[1] = ours[i].resident_kib;
                line[2] = points[i] > 0 ? (ours[i].resident_kib - ours[0].resident_kib) / points[i] : 0;
                line[3] = theirs[i].resident_kib;
                line[4] = points[i] > 0 ? (theirs[i].resident_kib - theirs[0].resident_kib) / points[i] : 0;
        }
        return print_table("memory", "resident memory of the daemon over connections", heads, 5, cells, n);
}
