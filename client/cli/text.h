/* SPDX-License-Identifier: MIT */
/*
 * text.h: growing text, and names of files shown so that no byte of them can do harm to a terminal or a log. Memory
 * that cannot be had ends the program with a message: there is nothing a command line could do instead.
 */
#ifndef CLI_TEXT_H
#define CLI_TEXT_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client/fsop.h"

void *cli_alloc(size_t bytes); /* cleared */
void *cli_realloc(void *old, size_t bytes);
char *cli_copy(const char *text, size_t len); /* NUL-terminated */

struct text {
        char *data; /* NUL-terminated; NULL while empty */
        size_t len, cap;
};

void text_add(struct text *text, const char *bytes, size_t len);
void text_adds(struct text *text, const char *string);
__attribute__((format(printf, 2, 3))) void text_addf(struct text *text, const char *format, ...);
__attribute__((format(printf, 2, 0))) void text_addv(struct text *text, const char *format, va_list ap);
void text_free(struct text *text);

/*
 * A name as a shell would take it back: as it is where that is safe, else in quotes, with control characters, bytes
 * that are no UTF-8, and characters that steer a terminal as $'\n' or $'\377'.
 */
void text_add_name(struct text *text, const char *name, size_t len);

/* A sentence from elsewhere: as it is, except that what text_add_name would escape becomes \n or \377. */
void text_add_sentence(struct text *text, const char *sentence, size_t len);

/* "-rw-r--r--": 10 characters and a NUL. */
void text_mode(uint32_t mode, char out[11]);

/* Local time with zone: "2024-05-01 12:00:00.000000000 +0200", or to the minute. */
void text_add_time(struct text *text, struct fsop_time time, bool full);

/* Local time of day: "14:03:22". */
void text_add_clock(struct text *text, struct fsop_time time);

/* ---- units.c ----------------------------------------------------------------------------------------------------- */

/* "1,234,567". */
void text_add_count(struct text *text, uint64_t n);

/* Bytes for people, at most 8 columns: "0 B", "1023 B", "1.5 KiB", "42.0 MiB", "312 GiB". */
void text_add_size(struct text *text, uint64_t bytes);

/* "0:05", "12:34", "99:59:59"; from 100 hours on "4 days". */
void text_add_duration(struct text *text, uint64_t seconds);

/* How long ago in one unit, at most 6 columns: "now", "59 s", "3 min", "23 h", "300 d". */
void text_add_age(struct text *text, int64_t seconds);

/* Columns that printable UTF-8 text takes on a terminal. */
size_t text_columns(const char *data, size_t len);

/* Printable UTF-8 text in at most so many columns; what is too long loses its middle: "/srv/bu…/file". */
void text_add_shortened(struct text *text, const char *data, size_t len, size_t columns);

/* Edits it takes to make one word of the other, at most 99: for suggestions. */
unsigned text_distance(const char *a, const char *b);

#endif
