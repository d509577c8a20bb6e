/* SPDX-License-Identifier: MIT */
/*
 * test_cli_parse.c: what the command line makes of what people type: sizes, modes, times, owners, devices, values,
 * and how names are shown.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "client/cli/batchfile.h"
#include "client/cli/parse.h"
#include "client/cli/text.h"
#include "tests/support/suite.h"

#define COUNT(table) (sizeof(table) / sizeof(*(table)))

/* ---- sizes ------------------------------------------------------------------------------------------------------- */

START_TEST(sizes_with_units) {
        static const struct {
                const char *text;
                uint64_t bytes;
        } rows[] = {{"0", 0},
                    {"1", 1},
                    {"010", 10},
                    {"0x10", 16},
                    {"1K", 1024},
                    {"1k", 1024},
                    {"1KiB", 1024},
                    {"1KB", 1000},
                    {"3M", 3145728},
                    {"3MB", 3000000},
                    {"5G", 5368709120},
                    {"5GiB", 5368709120},
                    {"2T", 2199023255552},
                    {"1P", 1125899906842624},
                    {"7E", 8070450532247928832u},
                    {"9223372036854775807", INT64_MAX}};
        for (size_t i = 0; i < COUNT(rows); i++) {
                uint64_t bytes = 77;
                const char *why = NULL;
                ck_assert_msg(parse_size(rows[i].text, &bytes, &why) == 0, "%s: %s", rows[i].text, why);
                ck_assert_msg(bytes == rows[i].bytes, "%s gave %llu", rows[i].text, (unsigned long long)bytes);
        }
}
END_TEST

START_TEST(sizes_that_are_none) {
        static const char *const texts[] = {"",
                                            "K",
                                            "-1",
                                            "+1",
                                            " 1",
                                            "1 ",
                                            "1X",
                                            "1KI",
                                            "1iB",
                                            "1.5G",
                                            "1KBB",
                                            "0x",
                                            "12z",
                                            "8E",
                                            "1e3",
                                            "9223372036854775808",
                                            "18446744073709551616",
                                            "9007199254740992K"};
        for (size_t i = 0; i < COUNT(texts); i++) {
                uint64_t bytes = 77;
                const char *why = NULL;
                ck_assert_msg(parse_size(texts[i], &bytes, &why) < 0, "'%s' gave %llu", texts[i],
                              (unsigned long long)bytes);
                ck_assert_uint_eq(bytes, 77);
                ck_assert_ptr_nonnull(why);
        }
}
END_TEST

START_TEST(sizes_relative) {
        static const struct {
                const char *text;
                uint64_t before, after;
        } rows[] = {{"5", 100, 5},      {"+5", 100, 105},  {"-5", 100, 95},    {"-500", 100, 0}, {"<50", 100, 50},
                    {"<500", 100, 100}, {">50", 100, 100}, {">500", 100, 500}, {"/64", 100, 64}, {"%64", 100, 128},
                    {"%64", 128, 128},  {"/64", 63, 0},    {"+1K", 1, 1025},   {"%1", 7, 7},     {">0", 0, 0}};
        enum size_change change;
        uint64_t bytes, after;
        const char *why;
        for (size_t i = 0; i < COUNT(rows); i++) {
                ck_assert_int_eq(parse_size_change(rows[i].text, &change, &bytes, &why), 0);
                ck_assert_int_eq(size_apply(change, bytes, rows[i].before, &after, &why), 0);
                ck_assert_msg(after == rows[i].after, "%s of %llu gave %llu", rows[i].text,
                              (unsigned long long)rows[i].before, (unsigned long long)after);
        }
        ck_assert_int_lt(parse_size_change("/0", &change, &bytes, &why), 0);
        ck_assert_int_lt(parse_size_change("%0", &change, &bytes, &why), 0);
        ck_assert_int_lt(parse_size_change("++1", &change, &bytes, &why), 0);
        ck_assert_int_lt(parse_size_change("+", &change, &bytes, &why), 0);
        ck_assert_int_eq(parse_size_change("+9223372036854775807", &change, &bytes, &why), 0);
        ck_assert_int_lt(size_apply(change, bytes, 1, &after, &why), 0);
        ck_assert_int_lt(size_apply(SIZE_ROUND_UP, INT64_MAX, UINT64_MAX, &after, &why), 0);
}
END_TEST

START_TEST(seconds) {
        uint64_t ms;
        const char *why;
        ck_assert_int_eq(parse_seconds("30", &ms, &why), 0);
        ck_assert_uint_eq(ms, 30000);
        ck_assert_int_eq(parse_seconds("0.5", &ms, &why), 0);
        ck_assert_uint_eq(ms, 500);
        ck_assert_int_eq(parse_seconds(".0015", &ms, &why), 0);
        ck_assert_uint_eq(ms, 1);
        static const char *const texts[] = {"", "0", "0.0001", "-1", "1s", "1.", "1.2.3", "x", "1000000001", "1.5x"};
        for (size_t i = 0; i < COUNT(texts); i++)
                ck_assert_msg(parse_seconds(texts[i], &ms, &why) < 0, "'%s'", texts[i]);
}
END_TEST

/* ---- modes ------------------------------------------------------------------------------------------------------- */

START_TEST(modes_applied) {
        static const struct {
                const char *text;
                uint32_t umask, before, file, directory;
        } rows[] = {
                {"644", 022, 0777, 0644, 0644},
                {"0", 022, 0777, 0, 0},
                {"4755", 022, 0, 04755, 04755},
                /* Up to four digits leave set-id bits of directories alone, five do not. */
                {"755", 022, 06755, 0755, 06755},
                {"00755", 022, 06755, 0755, 0755},
                {"=755", 022, 06755, 0755, 0755},
                {"1777", 0, 02755, 01777, 03777},
                {"+111", 0, 0600, 0711, 0711},
                {"-222", 0, 0777, 0555, 0555},
                {"u=rw,go=r", 0, 0777, 0644, 0644},
                {"a-x", 0, 0755, 0644, 0644},
                {"a+X", 0, 0644, 0644, 0755},
                {"a+X", 0, 0744, 0755, 0755},
                {"a=rX", 0, 0755, 0555, 0555},
                {"a=rX", 0, 0644, 0444, 0555},
                {"a-x,a+X", 0, 0755, 0644, 0755},
                {"u+x,g+X", 0, 0600, 0710, 0710},
                {"g=u", 0, 0640, 0660, 0660},
                {"o=g", 0, 0651, 0655, 0655},
                {"g+u,o-g", 0, 0607, 0661, 0661},
                {"u+s", 0, 0755, 04755, 04755},
                {"g+s", 0, 0755, 02755, 02755},
                {"o+s", 0, 0755, 0755, 0755},
                {"+s", 0, 0755, 06755, 06755},
                {"o+t", 0, 0755, 01755, 01755},
                {"u+t", 0, 0755, 0755, 0755},
                {"+t", 0, 0755, 01755, 01755},
                {"a=", 0, 07777, 0, 06000},
                {"u=rwx", 0, 04600, 0700, 04700},
                /* Without who the umask decides; with it, it does not count. */
                {"+x", 022, 0600, 0711, 0711},
                {"+w", 022, 0444, 0644, 0644},
                {"a+w", 022, 0444, 0666, 0666},
                {"=rw", 022, 0777, 0644, 0644},
                {"-rwx", 077, 0777, 0077, 0077},
                {"u=rwx,g=rx,o=", 0, 0, 0750, 0750},
                {"ug+rw-x", 0, 0111, 0661, 0661},
                {"u=r,u+w,u-r", 0, 0, 0200, 0200},
                {"u+rwxs,g-w", 0, 020, 04700, 04700},
        };
        for (size_t i = 0; i < COUNT(rows); i++) {
                struct mode_spec spec;
                const char *why = NULL;
                ck_assert_msg(parse_mode(rows[i].text, &spec, &why) == 0, "%s: %s", rows[i].text, why);
                uint32_t file = mode_apply(&spec, rows[i].before, false, rows[i].umask);
                uint32_t directory = mode_apply(&spec, rows[i].before, true, rows[i].umask);
                ck_assert_msg(file == rows[i].file, "%s on %lo gave %lo", rows[i].text, (unsigned long)rows[i].before,
                              (unsigned long)file);
                ck_assert_msg(directory == rows[i].directory, "%s on directory %lo gave %lo", rows[i].text,
                              (unsigned long)rows[i].before, (unsigned long)directory);
        }
}
END_TEST

START_TEST(modes_that_are_none) {
        static const char *const texts[] = {"",     "8",     "644x", "10000", "077777", "u",  "u=q",
                                            "rw",   "u=rw,", ",u=r", "u+r ",  "u=644",  "+8", "z+r",
                                            "u=ug", "9",     "-",    "u=r;",  "+77777"};
        struct mode_spec spec;
        const char *why;
        for (size_t i = 0; i < COUNT(texts); i++) {
                /* "-" and "u=" alone are clauses without bits in chmod(1), too. */
                bool empty_clause = strcmp(texts[i], "-") == 0;
                ck_assert_msg((parse_mode(texts[i], &spec, &why) == 0) == empty_clause, "'%s'", texts[i]);
        }
}
END_TEST

/* What the daemon makes of the masks. */
static uint32_t masked(const struct mode_masks *masks, uint32_t old, bool directory) {
        uint32_t mode = (old & ~masks->clear) | masks->set;
        if (directory || (old & 0111))
                mode = (mode & ~masks->clear_x) | masks->set_x;
        if (directory)
                mode |= old & masks->dir_keep;
        return mode & 07777;
}

/* Masks, where there are any, must say of every mode what the clauses say: all 4096 of them, of files and
 * directories. */
START_TEST(modes_as_masks) {
        static const char *const texts[] = {"644",     "4755",        "755",      "00755",   "+x",      "-w",  "a+X",
                                            "a=rX",    "u=rwX,go=rX", "u+s",      "g-s",     "+t",      "a=",  "u=rwx",
                                            "a-x",     "go-rwx",      "ug=rw,o=", "a-X",     "u+x,g+X", "=rw", "-rwx",
                                            "a=rwXst", "u=s,g=s",     "6000",     "o+X,u-r", "a+X,a-x"};
        for (size_t i = 0; i < COUNT(texts); i++) {
                struct mode_spec spec;
                struct mode_masks masks;
                const char *why;
                ck_assert_int_eq(parse_mode(texts[i], &spec, &why), 0);
                ck_assert_msg(mode_to_masks(&spec, 022, &masks), "%s", texts[i]);
                for (uint32_t old = 0; old <= 07777; old++)
                        for (int directory = 0; directory < 2; directory++)
                                ck_assert_msg(masked(&masks, old, directory) == mode_apply(&spec, old, directory, 022),
                                              "%s on %s %04lo: %04lo instead of %04lo", texts[i],
                                              directory ? "directory" : "file", (unsigned long)old,
                                              (unsigned long)masked(&masks, old, directory),
                                              (unsigned long)mode_apply(&spec, old, directory, 022));
        }
}
END_TEST

START_TEST(modes_without_masks) {
        static const char *const texts[] = {"g=u", "o+g", "a-x,a+X", "u-x,g+X", "u=rw,a+X"};
        for (size_t i = 0; i < COUNT(texts); i++) {
                struct mode_spec spec;
                struct mode_masks masks;
                const char *why;
                ck_assert_int_eq(parse_mode(texts[i], &spec, &why), 0);
                ck_assert_msg(!mode_to_masks(&spec, 022, &masks), "%s", texts[i]);
        }
}
END_TEST

/* Random clauses: whenever masks are offered, they are right. */
START_TEST(modes_as_masks_at_random) {
        uint32_t seed = 12345;
        unsigned offered = 0;
        for (int round = 0; round < 600; round++) {
                char text[64] = "";
                int clauses = 1 + round % 3;
                for (int k = 0; k < clauses; k++) {
                        static const char *const who[] = {"", "u", "g", "o", "a", "ug", "go"};
                        static const char *const what[] = {"r", "w", "x", "X", "rX", "s", "t", "rwx", "", "xs"};
                        seed = seed * 1664525u + 1013904223u;
                        if (k)
                                strcat(text, ",");
                        strcat(text, who[(seed >> 8) % COUNT(who)]);
                        strncat(text, &"+-="[(seed >> 14) % 3], 1);
                        strcat(text, what[(seed >> 20) % COUNT(what)]);
                }
                struct mode_spec spec;
                struct mode_masks masks;
                const char *why;
                ck_assert_int_eq(parse_mode(text, &spec, &why), 0);
                if (!mode_to_masks(&spec, 027, &masks))
                        continue;
                offered++;
                for (uint32_t old = 0; old <= 07777; old += 1 + (old & 01000 ? 6 : 0))
                        for (int directory = 0; directory < 2; directory++)
                                ck_assert_msg(masked(&masks, old, directory) == mode_apply(&spec, old, directory, 027),
                                              "%s on %lo", text, (unsigned long)old);
        }
        ck_assert_uint_gt(offered, 300);
}
END_TEST

/* ---- times ------------------------------------------------------------------------------------------------------- */

START_TEST(times_absolute) {
        static const struct {
                const char *text;
                int64_t sec;
                uint32_t nsec;
        } rows[] = {{"@0", 0, 0},
                    {"@1.5", 1, 500000000},
                    {"@1,25", 1, 250000000},
                    {"@+7", 7, 0},
                    {"@-1", -1, 0},
                    {"@-0.5", -1, 500000000},
                    {"@-1.5", -2, 500000000},
                    {"@-1.000000001", -2, 999999999},
                    {"@1.123456789", 1, 123456789},
                    {"@1.1234567899", 1, 123456789},
                    {"@-1.0000000001", -2, 999999999},
                    {"@-86400.999999999", -86401, 1},
                    {"@99999999999", 99999999999, 0},
                    {"1970-01-01T00:00:00Z", 0, 0},
                    {"1970-01-01Z", 0, 0},
                    {"1969-12-31T23:59:59.25Z", -1, 250000000},
                    {"2024-02-29T12:34:56Z", 1709210096, 0},
                    {"2024-02-29 12:34:56Z", 1709210096, 0},
                    {"2024-02-29t12:34z", 1709210040, 0},
                    {"2024-02-29T12:34:56,5+01:00", 1709206496, 500000000},
                    {"2024-02-29T12:34:56-0530", 1709229896, 0},
                    {"2024-02-29 12:34:56.000000001 +0100", 1709206496, 1},
                    {"2024-02-29T12+01", 1709204400, 0},
                    {"2016-12-31T23:59:60Z", 1483228800, 0},
                    {"0001-01-01T00:00:00Z", -62135596800, 0},
                    {"9999-12-31T23:59:59Z", 253402300799, 0}};
        for (size_t i = 0; i < COUNT(rows); i++) {
                struct fsop_time time = {0};
                const char *why = NULL;
                bool now = true;
                ck_assert_msg(parse_time(rows[i].text, &time, &now, &why) == 0, "%s: %s", rows[i].text, why);
                ck_assert(!now);
                ck_assert_msg(time.sec == rows[i].sec && time.nsec == rows[i].nsec, "%s gave %lld.%09lu", rows[i].text,
                              (long long)time.sec, (unsigned long)time.nsec);
        }
}
END_TEST

static void set_zone(const char *zone) {
        ck_assert_int_eq(setenv("TZ", zone, 1), 0);
        tzset();
}

START_TEST(times_local) {
        struct fsop_time time;
        const char *why;
        bool now;
        set_zone("CET-1CEST,M3.5.0,M10.5.0/3");
        ck_assert_int_eq(parse_time("2024-01-15", &time, &now, &why), 0);
        ck_assert_int_eq(time.sec, 1705273200);
        ck_assert_int_eq(parse_time("2024-07-15T12:00:00.75", &time, &now, &why), 0);
        ck_assert_int_eq(time.sec, 1721037600);
        ck_assert_uint_eq(time.nsec, 750000000);
        /* mktime says -1 both for this moment and for failure. */
        ck_assert_int_eq(parse_time("1970-01-01T00:59:59", &time, &now, &why), 0);
        ck_assert_int_eq(time.sec, -1);
        /* The clocks skip it. */
        ck_assert_int_lt(parse_time("2024-03-31T02:30", &time, &now, &why), 0);
        ck_assert_int_eq(parse_time("now", &time, &now, &why), 0);
        ck_assert(now);
        set_zone("UTC0");
}
END_TEST

START_TEST(times_that_are_none) {
        static const char *const texts[] = {"",
                                            "@",
                                            "@x",
                                            "@1.",
                                            "@1x",
                                            "@--1",
                                            "2024",
                                            "2024-1-1",
                                            "2024-13-01",
                                            "2024-02-30",
                                            "2023-02-29",
                                            "2024-00-10",
                                            "2024-01-00",
                                            "2024-01-01T",
                                            "2024-01-01T24:00",
                                            "2024-01-01T1:00",
                                            "2024-01-01T10:60",
                                            "2024-01-01T10:00:61",
                                            "2024-01-01T10:00Q",
                                            "2024-01-01T10:00+1",
                                            "2024-01-01T10:00+01:60",
                                            "2024-01-01T10:00ZZ",
                                            "2024-01-01T10:00.5",
                                            "tomorrow",
                                            "@99999999999999999999",
                                            "20240101"};
        struct fsop_time time;
        const char *why;
        bool now;
        for (size_t i = 0; i < COUNT(texts); i++)
                ck_assert_msg(parse_time(texts[i], &time, &now, &why) < 0, "'%s' gave %lld", texts[i],
                              (long long)time.sec);
}
END_TEST

/* ---- owners, devices, values ------------------------------------------------------------------------------------- */

START_TEST(owners) {
        struct owner owner;
        const char *why;
        ck_assert_int_eq(parse_owner("root:root", &owner, &why), 0);
        ck_assert(owner.has_uid && owner.has_gid && owner.uid == 0 && owner.gid == 0);
        ck_assert_int_eq(parse_owner("root", &owner, &why), 0);
        ck_assert(owner.has_uid && !owner.has_gid);
        ck_assert_int_eq(parse_owner(":root", &owner, &why), 0);
        ck_assert(!owner.has_uid && owner.has_gid && owner.gid == 0);
        ck_assert_int_eq(parse_owner("root:", &owner, &why), 0);
        ck_assert(owner.has_uid && owner.has_gid && owner.gid == 0);
        ck_assert_int_eq(parse_owner("12345:54321", &owner, &why), 0);
        ck_assert(owner.uid == 12345 && owner.gid == 54321);
        ck_assert_int_eq(parse_owner("+0:+4294967294", &owner, &why), 0);
        ck_assert(owner.uid == 0 && owner.gid == 4294967294u);
        ck_assert_int_eq(parse_owner(":", &owner, &why), 0);
        ck_assert(!owner.has_uid && !owner.has_gid);
        static const char *const texts[] = {
                "",  "4294967295", ":4294967295", "4294967296", "-1",    "no-such-user-3", ":no-such-group-3",
                "+", "12a",        "1:2:3",       "12345:",     "+root", "0x10",           " root"};
        for (size_t i = 0; i < COUNT(texts); i++)
                ck_assert_msg(parse_owner(texts[i], &owner, &why) < 0, "'%s'", texts[i]);
}
END_TEST

START_TEST(device_numbers) {
        uint32_t number;
        const char *why;
        ck_assert_int_eq(parse_device_number("300000", &number, &why), 0);
        ck_assert_uint_eq(number, 300000);
        ck_assert_int_eq(parse_device_number("0x1ff", &number, &why), 0);
        ck_assert_uint_eq(number, 511);
        ck_assert_int_eq(parse_device_number("010", &number, &why), 0);
        ck_assert_uint_eq(number, 8);
        ck_assert_int_eq(parse_device_number("4294967295", &number, &why), 0);
        ck_assert_uint_eq(number, UINT32_MAX);
        static const char *const texts[] = {"", "-1", "4294967296", "1:3", "08", "0x", "a"};
        for (size_t i = 0; i < COUNT(texts); i++)
                ck_assert_msg(parse_device_number(texts[i], &number, &why) < 0, "'%s'", texts[i]);
}
END_TEST

static void check_decoded(enum value_encoding encoding, const char *text, const char *expected, size_t expected_len) {
        uint8_t *data;
        size_t len;
        const char *why = NULL;
        ck_assert_msg(value_decode(encoding, text, strlen(text), &data, &len, &why) == 0, "%s: %s", text, why);
        ck_assert_uint_eq(len, expected_len);
        ck_assert_mem_eq(data, expected, len);
        free(data);
}

START_TEST(values) {
        check_decoded(VALUE_HEX, "", "", 0);
        check_decoded(VALUE_HEX, "00fF7f", "\0\xff\x7f", 3);
        check_decoded(VALUE_HEX, "0x6162\n", "ab", 2);
        check_decoded(VALUE_BASE64, "", "", 0);
        check_decoded(VALUE_BASE64, "YQ==", "a", 1);
        check_decoded(VALUE_BASE64, "YWI=", "ab", 2);
        check_decoded(VALUE_BASE64, "0sYWJj", "abc", 3);
        check_decoded(VALUE_BASE64, "AP/+", "\0\xff\xfe", 3);
        static const char *const bad_hex[] = {"0", "0g", "abc", "a b0"};
        static const char *const bad_base64[] = {"Y", "YQ=", "YR==", "YQ==YQ==", "Y!==", "=", "===="};
        uint8_t *data;
        size_t len;
        const char *why;
        for (size_t i = 0; i < COUNT(bad_hex); i++)
                ck_assert_msg(value_decode(VALUE_HEX, bad_hex[i], strlen(bad_hex[i]), &data, &len, &why) < 0, "%s",
                              bad_hex[i]);
        for (size_t i = 0; i < COUNT(bad_base64); i++)
                ck_assert_msg(value_decode(VALUE_BASE64, bad_base64[i], strlen(bad_base64[i]), &data, &len, &why) < 0,
                              "%s", bad_base64[i]);
}
END_TEST

START_TEST(values_there_and_back) {
        uint8_t bytes[300], *data;
        size_t len;
        const char *why;
        for (size_t i = 0; i < sizeof(bytes); i++)
                bytes[i] = (uint8_t)(i * 37);
        for (size_t n = 0; n < sizeof(bytes); n++)
                for (int hex = 0; hex < 2; hex++) {
                        enum value_encoding encoding = hex ? VALUE_HEX : VALUE_BASE64;
                        char *text = value_encode(encoding, bytes, n);
                        ck_assert_int_eq(value_decode(encoding, text, strlen(text), &data, &len, &why), 0);
                        ck_assert_uint_eq(len, n);
                        ck_assert_int_eq(memcmp(data, bytes, n), 0);
                        free(text);
                        free(data);
                }
}
END_TEST

/* ---- names ------------------------------------------------------------------------------------------------------- */

START_TEST(names_are_quoted_where_it_matters) {
        static const struct {
                const char *name, *shown;
        } rows[] = {{"/srv/x", "/srv/x"},
                    {"-n", "-n"},
                    {"", "''"},
                    {"a b", "'a b'"},
                    {"it's", "'it'\\''s'"},
                    {"a\nb", "'a'$'\\n''b'"},
                    {"\n", "''$'\\n'"},
                    {"\033[31m", "''$'\\033''[31m'"},
                    {"a\xff", "'a'$'\\377'"},
                    {"gr\xc3\xbc\xc3\x9f"
                     "e",
                     "gr\xc3\xbc\xc3\x9f"
                     "e"},
                    {"\xe2\x80\xae"
                     "x",
                     "''$'\\342\\200\\256''x'"},
                    {"\xc2\x9b"
                     "x",
                     "''$'\\302\\233''x'"},
                    {"\xed\xa0\x80", "''$'\\355\\240\\200'"},
                    {"\xc0\xaf", "''$'\\300\\257'"},
                    {"$HOME", "'$HOME'"},
                    {"~x", "'~x'"},
                    {"a*", "'a*'"}};
        for (size_t i = 0; i < COUNT(rows); i++) {
                struct text text = {0};
                text_add_name(&text, rows[i].name, strlen(rows[i].name));
                ck_assert_str_eq(text.data, rows[i].shown);
                text_free(&text);
        }
}
END_TEST

/* What is shown, given back to the splitter of batch files, is the name again. */
START_TEST(names_there_and_back) {
        uint32_t seed = 99;
        for (int round = 0; round < 3000; round++) {
                char name[24];
                size_t n = 1 + (size_t)round % (sizeof(name) - 1);
                for (size_t i = 0; i < n; i++) {
                        seed = seed * 1664525u + 1013904223u;
                        name[i] = (char)(seed >> 24 ? seed >> 24 : 'x');
                }
                struct text text = {0};
                struct words words;
                const char *why = NULL;
                text_add_name(&text, name, n);
                ck_assert_ptr_null(strchr(text.data, '\n'));
                ck_assert_msg(words_split(text.data, text.len, &words, &why) == 0, "%s: %s", text.data, why);
                ck_assert_int_eq(words.n, 1);
                ck_assert_uint_eq(strlen(words.words[0]), n);
                ck_assert_mem_eq(words.words[0], name, n);
                words_free(&words);
                text_free(&text);
        }
}
END_TEST

int main(void) {
        Suite *suite = suite_create("cli_parse");
        struct {
                const char *name;
                const TTest *tests[8];
        } cases[] = {
                {"sizes", {sizes_with_units, sizes_that_are_none, sizes_relative, seconds}},
                {"modes",
                 {modes_applied, modes_that_are_none, modes_as_masks, modes_without_masks, modes_as_masks_at_random}},
                {"times", {times_absolute, times_local, times_that_are_none}},
                {"values", {owners, device_numbers, values, values_there_and_back}},
                {"names", {names_are_quoted_where_it_matters, names_there_and_back}},
        };
        for (size_t i = 0; i < COUNT(cases); i++) {
                TCase *tcase = tcase_create(cases[i].name);
                for (size_t k = 0; k < COUNT(cases[i].tests) && cases[i].tests[k]; k++)
                        tcase_add_test(tcase, cases[i].tests[k]);
                suite_add_tcase(suite, tcase);
        }
        return suite_run(suite);
}
