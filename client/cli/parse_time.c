/* SPDX-License-Identifier: MIT */
/* parse_time.c: points in time as `date -d` takes them in ISO 8601, and @SECONDS with a fraction. */
#include <string.h>
#include <time.h>

#include "client/cli/parse.h"

static const char why_format[] =
        "not a time: YYYY-MM-DD, YYYY-MM-DDTHH:MM[:SS[.FRACTION]] with Z or +HH:MM or neither, @SECONDS, or now";

struct civil {
        int64_t year;
        unsigned month, day, hour, minute, second;
        uint32_t nsec;
};

/* Days from 1970-01-01 to a day of the Gregorian calendar. */
static int64_t days_from_civil(int64_t year, unsigned month, unsigned day) {
        /* Years begin in March, so that the leap day is the last; eras are of 400 years. */
        year -= month <= 2;
        int64_t era = (year >= 0 ? year : year - 399) / 400;
        int64_t year_of_era = year - era * 400;
        int64_t day_of_year = (153 * (int64_t)(month + (month > 2 ? -3u : 9u)) + 2) / 5 + (int64_t)day - 1;
        int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        return era * 146097 + day_of_era - 719468;
}

static bool is_digit(char c) {
        return c >= '0' && c <= '9';
}

/* Exactly N digits. Returns what is behind them, or NULL. */
static const char *scan_fixed(const char *p, unsigned n, unsigned *ret_value) {
        unsigned value = 0;
        for (; n > 0; n--, p++) {
                if (!is_digit(*p))
                        return NULL;
                value = value * 10 + (unsigned)(*p - '0');
        }
        *ret_value = value;
        return p;
}

/* Digits of a fraction; those beyond nanoseconds are cut off, and ret_rest says whether any of them counted. */
static const char *scan_fraction(const char *p, uint32_t *ret_nsec, bool *ret_rest) {
        uint32_t nsec = 0, weight = 100000000;
        if (!is_digit(*p))
                return NULL;
        *ret_rest = false;
        for (; is_digit(*p); p++, weight /= 10) {
                nsec += weight * (uint32_t)(*p - '0');
                if (weight == 0 && *p != '0')
                        *ret_rest = true;
        }
        *ret_nsec = nsec;
        return p;
}

static int parse_at(const char *text, struct fsop_time *ret_time, const char **ret_why) {
        bool negative = *text == '-', rest = false;
        const char *p = text + (*text == '-' || *text == '+');
        uint64_t seconds = 0;
        uint32_t nsec = 0;
        *ret_why = "not a time: @ is followed by seconds since 1970, with a fraction if need be";
        if (!is_digit(*p))
                return -1;
        for (; is_digit(*p); p++) {
                if (seconds > (uint64_t)INT64_MAX / 10 - 1) {
                        *ret_why = "a time that no system can hold";
                        return -1;
                }
                seconds = seconds * 10 + (uint64_t)(*p - '0');
        }
        if (*p == '.' || *p == ',')
                p = scan_fraction(p + 1, &nsec, &rest);
        if (!p || *p)
                return -1;
        struct fsop_time time = {.sec = (int64_t)seconds, .nsec = nsec};
        if (negative) {
                /* Nanoseconds count forward: -1.5 is half a second after -2. What was cut off moves it further back. */
                uint32_t back = nsec + (rest ? 1 : 0);
                time.sec = -(int64_t)seconds - (back ? 1 : 0);
                time.nsec = back ? 1000000000u - back : 0;
        }
        *ret_time = time;
        return 0;
}

static const char *scan_date(const char *p, struct civil *civil) {
        static const unsigned days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
        unsigned year;
        p = scan_fixed(p, 4, &year);
        if (!p || *p != '-')
                return NULL;
        p = scan_fixed(p + 1, 2, &civil->month);
        if (!p || *p != '-')
                return NULL;
        p = scan_fixed(p + 1, 2, &civil->day);
        if (!p || civil->month < 1 || civil->month > 12)
                return NULL;
        bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
        if (civil->day < 1 || civil->day > days[civil->month - 1] + (leap && civil->month == 2 ? 1 : 0))
                return NULL;
        civil->year = year;
        return p;
}

static const char *scan_clock(const char *p, struct civil *civil) {
        bool rest;
        p = scan_fixed(p, 2, &civil->hour);
        if (!p || *p != ':')
                return p;
        p = scan_fixed(p + 1, 2, &civil->minute);
        if (!p || *p != ':')
                return p;
        p = scan_fixed(p + 1, 2, &civil->second);
        if (p && (*p == '.' || *p == ','))
                p = scan_fraction(p + 1, &civil->nsec, &rest);
        return p;
}

/* Z, +HH, +HHMM, +HH:MM, also after a blank as stat(1) prints it. Returns the end, or NULL when it is no zone. */
static const char *scan_zone(const char *p, int64_t *ret_offset_seconds) {
        unsigned hours, minutes = 0;
        p += *p == ' ';
        if (*p == 'Z' || *p == 'z') {
                *ret_offset_seconds = 0;
                return p + 1;
        }
        if (*p != '+' && *p != '-')
                return NULL;
        bool west = *p == '-';
        p = scan_fixed(p + 1, 2, &hours);
        if (!p)
                return NULL;
        if (*p)
                p = scan_fixed(p + (*p == ':'), 2, &minutes);
        if (!p || hours > 24 || minutes > 59)
                return NULL;
        *ret_offset_seconds = ((int64_t)hours * 60 + minutes) * (west ? -60 : 60);
        return p;
}

/* What the C library makes of it in the local zone; an hour that a change of the clocks skips is refused. */
static int local_seconds(const struct civil *civil, int64_t *ret_seconds, const char **ret_why) {
        struct tm tm = {.tm_year = (int)(civil->year - 1900),
                        .tm_mon = (int)civil->month - 1,
                        .tm_mday = (int)civil->day,
                        .tm_hour = (int)civil->hour,
                        .tm_min = (int)civil->minute,
                        .tm_wday = -1,
                        .tm_isdst = -1};
        time_t seconds = mktime(&tm);
        if (tm.tm_wday == -1) {
                *ret_why = "a time that this system cannot convert from the local zone";
                return -1;
        }
        if (tm.tm_hour != (int)civil->hour || tm.tm_min != (int)civil->minute) {
                *ret_why = "a time that does not exist in the local zone: the clocks skip it";
                return -1;
        }
        *ret_seconds = (int64_t)seconds + civil->second;
        return 0;
}

static int parse_iso(const char *text, struct fsop_time *ret_time, const char **ret_why) {
        struct civil civil = {0};
        int64_t offset = 0, seconds;
        bool zoned = false;
        *ret_why = why_format;
        const char *p = scan_date(text, &civil);
        if (p && (*p == 'T' || *p == 't' || (*p == ' ' && is_digit(p[1]))))
                p = scan_clock(p + 1, &civil);
        if (!p || civil.hour > 23 || civil.minute > 59 || civil.second > 60)
                return -1;
        if (*p) {
                p = scan_zone(p, &offset);
                zoned = true;
        }
        if (!p || *p)
                return -1;
        if (zoned)
                seconds = days_from_civil(civil.year, civil.month, civil.day) * 86400 + civil.hour * 3600L +
                          civil.minute * 60L + civil.second - offset;
        else if (local_seconds(&civil, &seconds, ret_why) < 0)
                return -1;
        *ret_time = (struct fsop_time){.sec = seconds, .nsec = civil.nsec};
        return 0;
}

int parse_time(const char *text, struct fsop_time *ret_time, bool *ret_now, const char **ret_why) {
        *ret_now = strcmp(text, "now") == 0;
        if (*ret_now)
                return 0;
        return *text == '@' ? parse_at(text + 1, ret_time, ret_why) : parse_iso(text, ret_time, ret_why);
}
