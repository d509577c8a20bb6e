/* SPDX-License-Identifier: MIT */
/* units.c: numbers, sizes and times for people, and how many columns text takes. */
#include <stdio.h>

#include "client/cli/text.h"

/* ---- numbers ----------------------------------------------------------------------------------------------------- */

void text_add_count(struct text *text, uint64_t n) {
        char digits[24];
        int len = snprintf(digits, sizeof(digits), "%llu", (unsigned long long)n);
        for (int i = 0; i < len; i++) {
                if (i > 0 && (len - i) % 3 == 0)
                        text_adds(text, ",");
                text_add(text, digits + i, 1);
        }
}

void text_add_size(struct text *text, uint64_t bytes) {
        static const char units[] = "KMGTPE";
        unsigned unit = 0, shift = 10;
        if (bytes < 1024) {
                text_addf(text, "%u B", (unsigned)bytes);
                return;
        }
        for (; units[unit + 1] && bytes >> shift >= 1024; unit++)
                shift += 10;
        uint64_t whole = bytes >> shift;
        if (whole >= 100)
                text_addf(text, "%u %ciB", (unsigned)whole, units[unit]);
        else
                text_addf(text, "%u.%u %ciB", (unsigned)whole, (unsigned)(((bytes >> (shift - 10)) & 1023) * 10 / 1024),
                          units[unit]);
}

void text_add_duration(struct text *text, uint64_t seconds) {
        unsigned long long hours = seconds / 3600;
        unsigned minutes = (unsigned)(seconds / 60 % 60), rest = (unsigned)(seconds % 60);
        if (hours >= 100)
                text_addf(text, "%llu days", hours / 24);
        else if (hours > 0)
                text_addf(text, "%llu:%02u:%02u", hours, minutes, rest);
        else
                text_addf(text, "%u:%02u", minutes, rest);
}

void text_add_age(struct text *text, int64_t seconds) {
        if (seconds < 1)
                text_adds(text, "now");
        else if (seconds < 60)
                text_addf(text, "%u s", (unsigned)seconds);
        else if (seconds < 3600)
                text_addf(text, "%u min", (unsigned)(seconds / 60));
        else if (seconds < 48L * 3600)
                text_addf(text, "%u h", (unsigned)(seconds / 3600));
        else
                text_addf(text, "%lld d", (long long)(seconds / 86400));
}

/* ---- columns ----------------------------------------------------------------------------------------------------- */

/* The character at data, which is UTF-8; a stray byte counts as one. Returns its length. */
static size_t next_character(const char *data, size_t len, uint32_t *ret_c) {
        unsigned char first = (unsigned char)*data;
        size_t n = first < 0xc0 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
        if (n > len)
                n = 1;
        *ret_c = n == 1 ? first : first & (0xffu >> (n + 1));
        for (size_t i = 1; i < n; i++)
                *ret_c = *ret_c << 6 | ((unsigned char)data[i] & 0x3f);
        return n;
}

/* Good enough for tables: marks that stand on the letter before them, and the wide letters of East Asia. */
static size_t columns_of(uint32_t c) {
        static const uint32_t narrow[][2] = {{0x300, 0x36f}, {0x1ab0, 0x1aff}, {0x20d0, 0x20ff}, {0xfe00, 0xfe0f}};
        static const uint32_t wide[][2] = {{0x1100, 0x115f},   {0x2e80, 0xa4cf},  {0xac00, 0xd7a3}, {0xf900, 0xfaff},
                                           {0xfe30, 0xfe6f},   {0xff00, 0xff60},  {0xffe0, 0xffe6}, {0x1f300, 0x1f64f},
                                           {0x1f900, 0x1f9ff}, {0x20000, 0x3fffd}};
        for (size_t i = 0; i < sizeof(narrow) / sizeof(*narrow); i++)
                if (c >= narrow[i][0] && c <= narrow[i][1])
                        return 0;
        for (size_t i = 0; i < sizeof(wide) / sizeof(*wide); i++)
                if (c >= wide[i][0] && c <= wide[i][1])
                        return 2;
        return 1;
}

size_t text_columns(const char *data, size_t len) {
        size_t columns = 0;
        uint32_t c;
        for (size_t i = 0; i < len;) {
                i += next_character(data + i, len - i, &c);
                columns += columns_of(c);
        }
        return columns;
}

/* Skips characters until at least so many columns are behind. */
static size_t skip_columns(const char *data, size_t len, size_t columns, bool at_most) {
        size_t at = 0;
        while (at < len) {
                uint32_t c;
                size_t n = next_character(data + at, len - at, &c), wide = columns_of(c);
                if (at_most ? wide > columns : columns == 0)
                        break;
                columns -= wide < columns ? wide : columns;
                at += n;
        }
        return at;
}

void text_add_shortened(struct text *text, const char *data, size_t len, size_t columns) {
        size_t have = text_columns(data, len);
        if (have <= columns) {
                text_add(text, data, len);
                return;
        }
        if (columns == 0)
                return;
        /* The end of a path says more than its beginning. */
        size_t head = (columns - 1) * 2 / 5, tail = columns - 1 - head;
        size_t end = skip_columns(data, len, have - tail, false);
        text_add(text, data, skip_columns(data, len, head, true));
        text_adds(text, "…");
        text_add(text, data + end, len - end);
}
