/* SPDX-License-Identifier: MIT */
/* text.c: growing text, names made safe to show, modes and times for people. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "client/cli/text.h"

static void *or_die(void *memory) {
        if (!memory) {
                fputs("fsop: out of memory\n", stderr);
                exit(1);
        }
        return memory;
}

void *cli_alloc(size_t bytes) {
        return or_die(calloc(1, bytes ? bytes : 1));
}

void *cli_realloc(void *old, size_t bytes) {
        return or_die(realloc(old, bytes ? bytes : 1));
}

char *cli_copy(const char *text, size_t len) {
        char *copy = cli_alloc(len + 1);
        if (len)
                memcpy(copy, text, len);
        return copy;
}

/* ---- growing ----------------------------------------------------------------------------------------------------- */

void text_add(struct text *text, const char *bytes, size_t len) {
        if (text->cap - text->len <= len) {
                text->cap = (text->len + len + 64) * 2;
                text->data = cli_realloc(text->data, text->cap);
        }
        if (len)
                memcpy(text->data + text->len, bytes, len);
        text->len += len;
        text->data[text->len] = 0;
}

void text_adds(struct text *text, const char *string) {
        text_add(text, string, strlen(string));
}

void text_addv(struct text *text, const char *format, va_list ap) {
        va_list again;
        va_copy(again, ap);
        int n = vsnprintf(NULL, 0, format, ap);
        if (n >= 0) {
                char *line = cli_alloc((size_t)n + 1);
                vsnprintf(line, (size_t)n + 1, format, again);
                text_add(text, line, (size_t)n);
                free(line);
        }
        va_end(again);
}

void text_addf(struct text *text, const char *format, ...) {
        va_list ap;
        va_start(ap, format);
        text_addv(text, format, ap);
        va_end(ap);
}

void text_free(struct text *text) {
        free(text->data);
        *text = (struct text){0};
}

/* ---- names ------------------------------------------------------------------------------------------------------- */

/* Control characters of both sets, line and paragraph separators, and what turns the direction of writing. */
static bool is_printable(uint32_t c) {
        return c >= 0x20 && !(c >= 0x7f && c <= 0x9f) && c != 0xad && c != 0x61c && !(c >= 0x200b && c <= 0x200f) &&
               !(c >= 0x2028 && c <= 0x202e) && !(c >= 0x2060 && c <= 0x206f) && c != 0xfeff;
}

/* How many bytes the UTF-8 character at p has; 0 if it is none. *ret_printable: it may be shown. */
static size_t text_character(const char *p, size_t len, bool *ret_printable) {
        static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
        unsigned char first = (unsigned char)*p;
        size_t n = first < 0x80                    ? 1
                   : first >= 0xc2 && first < 0xe0 ? 2
                   : (first & 0xf0) == 0xe0        ? 3
                   : first >= 0xf0 && first < 0xf5 ? 4
                                                   : 0;
        if (n == 0 || n > len)
                return 0;
        uint32_t c = n == 1 ? first : first & (0xffu >> (n + 1));
        for (size_t i = 1; i < n; i++) {
                if (((unsigned char)p[i] & 0xc0) != 0x80)
                        return 0;
                c = c << 6 | ((unsigned char)p[i] & 0x3f);
        }
        if (c < smallest[n] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
                return 0;
        *ret_printable = is_printable(c);
        return n;
}

static bool is_plain(const char *name, size_t len) {
        bool printable;
        if (len == 0 || *name == '~' || *name == '#')
                return false;
        for (size_t i = 0; i < len;) {
                size_t n = text_character(name + i, len - i, &printable);
                if (n == 0 || !printable || strchr(" \"'\\`$&|;<>()*?[]{}!", name[i]))
                        return false;
                i += n;
        }
        return true;
}

static void add_escape(struct text *text, unsigned char byte) {
        static const char letters[] = "\a\b\t\n\v\f\r", names[] = "abtnvfr";
        const char *at = byte ? strchr(letters, byte) : NULL;
        if (at)
                text_addf(text, "\\%c", names[at - letters]);
        else
                text_addf(text, "\\%03o", byte);
}

void text_add_name(struct text *text, const char *name, size_t len) {
        bool printable, escaping = false;
        if (is_plain(name, len)) {
                text_add(text, name, len);
                return;
        }
        text_adds(text, "'");
        for (size_t i = 0; i < len;) {
                size_t n = text_character(name + i, len - i, &printable);
                bool escape = n == 0 || !printable;
                if (escape != escaping)
                        text_adds(text, escape ? "'$'" : "''");
                escaping = escape;
                if (n == 0)
                        n = 1;
                for (size_t k = 0; escape && k < n; k++)
                        add_escape(text, (unsigned char)name[i + k]);
                if (!escape && name[i] == '\'')
                        text_adds(text, "'\\''");
                else if (!escape)
                        text_add(text, name + i, n);
                i += n;
        }
        text_adds(text, "'");
}

void text_add_sentence(struct text *text, const char *sentence, size_t len) {
        bool printable;
        for (size_t i = 0; i < len;) {
                size_t n = text_character(sentence + i, len - i, &printable);
                if (n > 0 && printable)
                        text_add(text, sentence + i, n);
                else
                        for (size_t k = 0; k < (n ? n : 1); k++)
                                add_escape(text, (unsigned char)sentence[i + k]);
                i += n ? n : 1;
        }
}

/* ---- modes, times, words ----------------------------------------------------------------------------------------- */

void text_mode(uint32_t mode, char out[11]) {
        static const char types[16] = "?pc?d?b?-?l?s???";
        static const char letters[] = "rwxrwxrwx";
        out[0] = types[mode >> 12 & 15];
        for (int i = 0; i < 9; i++)
                out[1 + i] = mode & (0400u >> i) ? letters[i] : '-';
        if (mode & 04000)
                out[3] = mode & 0100 ? 's' : 'S';
        if (mode & 02000)
                out[6] = mode & 0010 ? 's' : 'S';
        if (mode & 01000)
                out[9] = mode & 0001 ? 't' : 'T';
        out[10] = 0;
}

void text_add_time(struct text *text, struct fsop_time time, bool full) {
        char date[64], zone[16];
        time_t seconds = (time_t)time.sec;
        const struct tm *tm = localtime(&seconds);
        if (!tm || (int64_t)seconds != time.sec ||
            strftime(date, sizeof(date), full ? "%Y-%m-%d %H:%M:%S" : "%Y-%m-%d %H:%M", tm) == 0) {
                text_addf(text, "@%lld.%09lu", (long long)time.sec, (unsigned long)time.nsec);
                return;
        }
        text_adds(text, date);
        if (full && strftime(zone, sizeof(zone), "%z", tm) > 0)
                text_addf(text, ".%09lu %s", (unsigned long)time.nsec, zone);
}

void text_add_clock(struct text *text, struct fsop_time time) {
        char clock[16];
        time_t seconds = (time_t)time.sec;
        const struct tm *tm = localtime(&seconds);
        if (tm && strftime(clock, sizeof(clock), "%H:%M:%S", tm) > 0)
                text_adds(text, clock);
        else
                text_add_time(text, time, true);
}

unsigned text_distance(const char *a, const char *b) {
        enum { LETTERS_MAX = 32 };
        unsigned row[LETTERS_MAX + 1], above[LETTERS_MAX + 1] = {0}; /* above: the row before, for swapped letters */
        size_t a_len = strlen(a), b_len = strlen(b);
        if (a_len > LETTERS_MAX || b_len > LETTERS_MAX)
                return 99;
        for (size_t k = 0; k <= b_len; k++)
                row[k] = (unsigned)k;
        for (size_t i = 1; i <= a_len; i++) {
                unsigned before[LETTERS_MAX + 1], diagonal = row[0];
                memcpy(before, above, sizeof(before));
                memcpy(above, row, sizeof(above));
                row[0] = (unsigned)i;
                for (size_t k = 1; k <= b_len; k++) {
                        unsigned best = diagonal + (a[i - 1] != b[k - 1]);
                        diagonal = row[k];
                        best = diagonal + 1 < best ? diagonal + 1 : best;
                        best = row[k - 1] + 1 < best ? row[k - 1] + 1 : best;
                        if (i > 1 && k > 1 && a[i - 1] == b[k - 2] && a[i - 2] == b[k - 1] && before[k - 2] + 1 < best)
                                best = before[k - 2] + 1;
                        row[k] = best;
                }
        }
        return row[b_len];
}
