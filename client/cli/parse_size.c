/* SPDX-License-Identifier: MIT */
/* parse_size.c: plain numbers, sizes with suffixes, the relative sizes of truncate, and seconds. */
#include <string.h>

#include "client/cli/parse.h"

#define SIZE_BYTES_MAX ((uint64_t)INT64_MAX)

static int digit_of(char c) {
        if (c >= '0' && c <= '9')
                return c - '0';
        if (c >= 'a' && c <= 'f')
                return c - 'a' + 10;
        if (c >= 'A' && c <= 'F')
                return c - 'A' + 10;
        return 99;
}

/* The digits at TEXT in BASE. Returns the first character behind them, or NULL when there are none or they exceed
 * max. */
static const char *scan_digits(const char *text, unsigned base, uint64_t max, uint64_t *ret_number) {
        uint64_t number = 0;
        const char *p = text;
        for (; (unsigned)digit_of(*p) < base; p++) {
                unsigned digit = (unsigned)digit_of(*p);
                if (number > max / base || number * base > max - digit)
                        return NULL;
                number = number * base + digit;
        }
        if (p == text)
                return NULL;
        *ret_number = number;
        return p;
}

static const char *scan_number(const char *text, bool octal, uint64_t max, uint64_t *ret_number) {
        if (text[0] == '0' && (text[1] == 'x' || text[1] == 'X'))
                return scan_digits(text + 2, 16, max, ret_number);
        if (octal && text[0] == '0')
                return scan_digits(text, 8, max, ret_number);
        return scan_digits(text, 10, max, ret_number);
}

int parse_number(const char *text, bool octal, uint64_t max, uint64_t *ret_number, const char **ret_why) {
        uint64_t number;
        const char *end = scan_number(text, octal, max, &number);
        if (!end || *end) {
                *ret_why = "not a number, or one that is too large";
                return -1;
        }
        *ret_number = number;
        return 0;
}

/* "K", "KiB" (1024) or "KB" (1000) and their larger brothers; an empty suffix is 1. */
static int scan_unit(const char *suffix, uint64_t *ret_unit) {
        static const char letters[] = "KMGTPE";
        uint64_t unit = 1;
        if (*suffix) {
                char letter = *suffix >= 'a' && *suffix <= 'z' ? (char)(*suffix - 'a' + 'A') : *suffix;
                const char *at = strchr(letters, letter);
                if (!at)
                        return -1;
                bool decimal = strcmp(suffix + 1, "B") == 0;
                if (!decimal && suffix[1] && strcmp(suffix + 1, "iB") != 0)
                        return -1;
                for (const char *p = letters; p <= at; p++)
                        unit *= decimal ? 1000 : 1024;
        }
        *ret_unit = unit;
        return 0;
}

int parse_size(const char *text, uint64_t *ret_bytes, const char **ret_why) {
        uint64_t number, unit;
        const char *end = scan_number(text, false, SIZE_BYTES_MAX, &number);
        if (!end) {
                *ret_why = "not a size: a whole number up to 2^63-1, and K, M, G, T, P or E, is expected";
                return -1;
        }
        if (scan_unit(end, &unit) < 0) {
                *ret_why = "unknown unit: K, M, G, T, P, E (or KiB …) are powers of 1024, KB, MB … powers of 1000";
                return -1;
        }
        if (number > SIZE_BYTES_MAX / unit) {
                *ret_why = "too large: sizes end at 2^63-1 bytes";
                return -1;
        }
        *ret_bytes = number * unit;
        return 0;
}

int parse_size_change(const char *text, enum size_change *ret_change, uint64_t *ret_bytes, const char **ret_why) {
        static const char signs[] = "+-<>/%";
        static const enum size_change changes[] = {SIZE_EXTEND,   SIZE_REDUCE,     SIZE_AT_MOST,
                                                   SIZE_AT_LEAST, SIZE_ROUND_DOWN, SIZE_ROUND_UP};
        const char *sign = *text ? strchr(signs, *text) : NULL;
        enum size_change change = sign ? changes[sign - signs] : SIZE_SET;
        uint64_t bytes;
        if (parse_size(text + (sign ? 1 : 0), &bytes, ret_why) < 0)
                return -1;
        if (bytes == 0 && (change == SIZE_ROUND_DOWN || change == SIZE_ROUND_UP)) {
                *ret_why = "cannot round to a multiple of 0";
                return -1;
        }
        *ret_change = change;
        *ret_bytes = bytes;
        return 0;
}

int size_apply(enum size_change change, uint64_t bytes, uint64_t size, uint64_t *ret_size, const char **ret_why) {
        uint64_t rest = bytes ? size % bytes : 0;
        uint64_t grow = 0;
        switch (change) {
        case SIZE_SET:
                *ret_size = bytes;
                return 0;
        case SIZE_REDUCE:
                *ret_size = size > bytes ? size - bytes : 0;
                return 0;
        case SIZE_AT_MOST:
                *ret_size = size < bytes ? size : bytes;
                return 0;
        case SIZE_AT_LEAST:
                *ret_size = size > bytes ? size : bytes;
                return 0;
        case SIZE_ROUND_DOWN:
                *ret_size = size - rest;
                return 0;
        case SIZE_EXTEND:
                grow = bytes;
                break;
        case SIZE_ROUND_UP:
                grow = rest ? bytes - rest : 0;
                break;
        }
        if (size > SIZE_BYTES_MAX || grow > SIZE_BYTES_MAX - size) {
                *ret_why = "the file would grow beyond 2^63-1 bytes";
                return -1;
        }
        *ret_size = size + grow;
        return 0;
}

int parse_seconds(const char *text, uint64_t *ret_ms, const char **ret_why) {
        uint64_t seconds = 0, ms = 0;
        const char *p = *text == '.' ? text : scan_digits(text, 10, 1000000000, &seconds);
        if (!p || (*p && (*p != '.' || digit_of(p[1]) > 9))) {
                *ret_why = "not a number of seconds (such as 30 or 0.5, at most 1000000000)";
                return -1;
        }
        if (*p == '.') {
                unsigned weight = 100;
                for (p++; digit_of(*p) < 10; p++, weight /= 10)
                        ms += weight * (uint64_t)digit_of(*p);
                if (*p) {
                        *ret_why = "not a number of seconds (such as 30 or 0.5)";
                        return -1;
                }
        }
        ms += seconds * 1000;
        if (ms == 0) {
                *ret_why = "must be at least 0.001 seconds";
                return -1;
        }
        *ret_ms = ms;
        return 0;
}
