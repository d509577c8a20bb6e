/* SPDX-License-Identifier: MIT */
/*
 * test_cli_jobs.c: copy jobs on the command line, as far as nobody needs to be asked: options of cp, names of
 * --files-from, targets, figures, progress, tables, manifests.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/cli.h"
#include "client/cli/filesfrom.h"
#include "client/cli/jobtext.h"
#include "client/cli/progress.h"
#include "client/cli/watch.h"
#include "tests/support/suite.h"

#define COUNT(table) (sizeof(table) / sizeof(*(table)))

static void expect(struct text *text, const char *wanted) {
        ck_assert_str_eq(text->data ? text->data : "", wanted);
        text_free(text);
}

/* ---- options ----------------------------------------------------------------------------------------------------- */

static struct invocation parse(const char *const *words, int n, const char **operands) {
        struct invocation invocation = {0};
        const struct command *command = NULL;
        struct text why = {0};
        int used = command_find(words, n, &command, &why);
        ck_assert_int_gt(used, 0);
        ck_assert_msg(options_parse(command, words + used, n - used, operands, &invocation, &why) == 0, "%s", why.data);
        return invocation;
}

START_TEST(options_of_cp) {
        static const char *const words[] = {"cp",     "-aT",    "--exclude=*.o", "a", "--exclude", "b/c",
                                            "-uf",    "--sync", "file",          "b", "--update",  "--exclude=x",
                                            "--json", "-t",     "dir",           "c"};
        const char *operands[COUNT(words)];
        const struct invocation cp = parse(words, (int)COUNT(words), operands);
        ck_assert_int_eq(cp.n_operands, 3);
        ck_assert_str_eq(cp.operands[0], "a");
        ck_assert_str_eq(cp.operands[1], "b");
        ck_assert_str_eq(cp.operands[2], "c");
        ck_assert_int_eq(cp.n_repeated, 3);
        ck_assert_str_eq(cp.repeated[0], "x");
        ck_assert_str_eq(cp.repeated[1], "b/c");
        ck_assert_str_eq(cp.repeated[2], "*.o");
        ck_assert_str_eq(cp.values[OPT_UPDATE], "older");
        ck_assert_str_eq(cp.values[OPT_SYNC], "file");
        ck_assert_str_eq(cp.values[OPT_TARGET_DIRECTORY], "dir");
        ck_assert_ptr_nonnull(cp.values[OPT_ARCHIVE]);
        ck_assert_ptr_nonnull(cp.values[OPT_NO_TARGET_DIRECTORY]);
}
END_TEST

START_TEST(only_values_that_fill_every_word) {
        static const char *const words[] = {"cp", "--exclude=1", "2", "--exclude=3", "4"};
        const char *operands[4];
        const struct invocation cp = parse(words, 5, operands);
        ck_assert_int_eq(cp.n_operands, 2);
        ck_assert_int_eq(cp.n_repeated, 2);
        ck_assert_str_eq(cp.operands[1], "4");
        ck_assert_str_eq(cp.repeated[0], "3");
        ck_assert_str_eq(cp.repeated[1], "1");
}
END_TEST

START_TEST(optional_values) {
        static const struct {
                const char *word, *value;
                enum option_key key;
        } rows[] = {{"--update", "older", OPT_UPDATE},
                    {"--update=none-fail", "none-fail", OPT_UPDATE},
                    {"-n", "none", OPT_UPDATE},
                    {"--reflink", "always", OPT_CLONE},
                    {"--reflink=never", "never", OPT_CLONE},
                    {"--preserve", "mode,ownership,timestamps", OPT_PRESERVE},
                    {"--preserve=all", "all", OPT_PRESERVE}};
        for (size_t i = 0; i < COUNT(rows); i++) {
                const char *const words[] = {"cp", rows[i].word, "a", "b"};
                const char *operands[4];
                const struct invocation cp = parse(words, 4, operands);
                ck_assert_str_eq(cp.values[rows[i].key], rows[i].value);
                ck_assert_int_eq(cp.n_operands, 2);
        }
}
END_TEST

START_TEST(what_is_preserved) {
        uint32_t bits = 0;
        const char *why = NULL;
        ck_assert_int_eq(parse_preserve("mode,xattr", &bits, &why), 0);
        ck_assert_uint_eq(bits, FSOP_PRESERVE_MODE | FSOP_PRESERVE_XATTR);
        ck_assert_int_eq(parse_preserve("links", &bits, &why), 0);
        ck_assert_uint_eq(bits, FSOP_PRESERVE_MODE | FSOP_PRESERVE_XATTR | FSOP_PRESERVE_LINKS);
        static const char *const wrong[] = {"", "mod", "mode,", ",mode", "mode,,links", "Mode", "all "};
        for (size_t i = 0; i < COUNT(wrong); i++) {
                bits = 77;
                ck_assert_msg(parse_preserve(wrong[i], &bits, &why) < 0, "%s", wrong[i]);
                ck_assert_uint_eq(bits, 77);
        }
        ck_assert_int_eq(parse_preserve("ownership,timestamps,all", &bits, &why), 0);
        ck_assert_uint_eq(bits & FSOP_PRESERVE_ALL, FSOP_PRESERVE_ALL);
}
END_TEST

START_TEST(priorities_and_numbers) {
        int32_t priority;
        uint64_t job;
        const char *why;
        ck_assert_int_eq(parse_priority("-100", &priority, &why), 0);
        ck_assert_int_eq(priority, -100);
        ck_assert_int_eq(parse_priority("+7", &priority, &why), 0);
        ck_assert_int_eq(priority, 7);
        static const char *const wrong[] = {"", "-", "101", "-101", "--5", "1.5", "x"};
        for (size_t i = 0; i < COUNT(wrong); i++)
                ck_assert_msg(parse_priority(wrong[i], &priority, &why) < 0, "%s", wrong[i]);
        ck_assert_int_eq(parse_job("18446744073709551615", &job, &why), 0);
        ck_assert_uint_eq(job, UINT64_MAX);
        static const char *const none[] = {"", "0", "-1", "x", "1x", "18446744073709551616"};
        for (size_t i = 0; i < COUNT(none); i++)
                ck_assert_msg(parse_job(none[i], &job, &why) < 0, "%s", none[i]);
}
END_TEST

/* ---- targets and names ------------------------------------------------------------------------------------------- */

START_TEST(targets_are_joined) {
        static const struct {
                const char *directory, *source, *target;
        } rows[] = {{"d", "a", "d/a"},     {"d/", "a/b", "d/b"},    {"d", "a/b//", "d/b"}, {"/", "x", "/x"},
                    {"d", ".", "d"},       {"d", "a/.", "d"},       {"d", "a/./", "d"},    {"d", "..", "d"},
                    {"d", "a/../..", "d"}, {"d", "/", "d"},         {"d", "//", "d"},      {"d", "...", "d/..."},
                    {"d", ".x", "d/.x"},   {"d/", "a/..x", "d/..x"}};
        for (size_t i = 0; i < COUNT(rows); i++) {
                char *target = cp_join(rows[i].directory, rows[i].source);
                ck_assert_str_eq(target, rows[i].target);
                free(target);
        }
}
END_TEST

START_TEST(names_from_files) {
        static const struct {
                const char *record, *name; /* NULL: nothing */
        } rows[] = {{"a", "a"},      {"a/b", "a/b"}, {"./a", "a"},       {"././a//b/./c/", "a/b/c"},
                    {"", NULL},      {".", NULL},    {"./", NULL},       {" ", " "},
                    {"#a", "#a"},    {"...", "..."}, {"a/..b", "a/..b"}, {"a\nb", "a\nb"},
                    {"\xff", "\xff"}};
        struct filesfrom files = {0};
        const char *why = NULL;
        size_t n = 0;
        for (size_t i = 0; i < COUNT(rows); i++) {
                ck_assert_msg(filesfrom_add(&files, rows[i].record, strlen(rows[i].record), &why) == 0, "%s: %s",
                              rows[i].record, why);
                if (rows[i].name) {
                        ck_assert_str_eq(files.names[n].data, rows[i].name);
                        ck_assert_uint_eq(files.names[n].len, strlen(rows[i].name));
                        n++;
                }
                ck_assert_uint_eq(files.n, n);
        }
        filesfrom_free(&files);
        ck_assert_uint_eq(files.n, 0);
}
END_TEST

START_TEST(names_that_are_refused) {
        static const struct {
                const char *record, *part;
        } rows[] = {
                {"/a", "absolute"}, {"..", "\"..\""}, {"a/..", "\"..\""}, {"./../a", "\"..\""}, {"a/../b", "\"..\""}};
        struct filesfrom files = {0};
        const char *why;
        for (size_t i = 0; i < COUNT(rows); i++) {
                why = NULL;
                ck_assert_int_lt(filesfrom_add(&files, rows[i].record, strlen(rows[i].record), &why), 0);
                ck_assert_msg(why && strstr(why, rows[i].part), "%s: %s", rows[i].record, why);
        }
        ck_assert_int_lt(filesfrom_add(&files, "a\0b", 3, &why), 0);
        ck_assert_ptr_nonnull(strstr(why, "-0"));
        char *longest = malloc(4096);
        memset(longest, 'x', 4096);
        ck_assert_int_eq(filesfrom_add(&files, longest, 4095, &why), 0);
        ck_assert_int_lt(filesfrom_add(&files, longest, 4096, &why), 0);
        ck_assert_uint_eq(files.n, 1);
        free(longest);
        filesfrom_free(&files);
}
END_TEST

/* ---- figures ----------------------------------------------------------------------------------------------------- */

START_TEST(counts) {
        static const struct {
                uint64_t n;
                const char *text;
        } rows[] = {{0, "0"},          {999, "999"},           {1000, "1,000"},
                    {12345, "12,345"}, {1234567, "1,234,567"}, {UINT64_MAX, "18,446,744,073,709,551,615"}};
        for (size_t i = 0; i < COUNT(rows); i++) {
                struct text text = {0};
                text_add_count(&text, rows[i].n);
                expect(&text, rows[i].text);
        }
}
END_TEST

START_TEST(sizes) {
        static const struct {
                uint64_t bytes;
                const char *text;
        } rows[] = {{0, "0 B"},
                    {1023, "1023 B"},
                    {1024, "1.0 KiB"},
                    {1536, "1.5 KiB"},
                    {102399, "99.9 KiB"},
                    {102400, "100 KiB"},
                    {1048575, "1023 KiB"},
                    {1048576, "1.0 MiB"},
                    {UINT64_C(1) << 30, "1.0 GiB"},
                    {UINT64_C(100) << 40, "100 TiB"},
                    {UINT64_C(1) << 60, "1.0 EiB"},
                    {UINT64_MAX, "15.9 EiB"}};
        for (size_t i = 0; i < COUNT(rows); i++) {
                struct text text = {0};
                text_add_size(&text, rows[i].bytes);
                ck_assert_uint_le(text.len, 8);
                expect(&text, rows[i].text);
        }
}
END_TEST

START_TEST(durations_and_ages) {
        static const struct {
                uint64_t seconds;
                const char *duration, *age;
        } rows[] = {{0, "0:00", "now"},
                    {5, "0:05", "5 s"},
                    {59, "0:59", "59 s"},
                    {60, "1:00", "1 min"},
                    {3599, "59:59", "59 min"},
                    {3600, "1:00:00", "1 h"},
                    {172799, "47:59:59", "47 h"},
                    {172800, "48:00:00", "2 d"},
                    {359999, "99:59:59", "4 d"},
                    {360000, "4 days", "4 d"},
                    {31536000, "365 days", "365 d"}};
        for (size_t i = 0; i < COUNT(rows); i++) {
                struct text text = {0};
                text_add_duration(&text, rows[i].seconds);
                expect(&text, rows[i].duration);
                text_add_age(&text, (int64_t)rows[i].seconds);
                expect(&text, rows[i].age);
        }
        struct text text = {0};
        text_add_duration(&text, UINT64_MAX);
        expect(&text, "213503982334601 days");
        text_add_age(&text, -5);
        expect(&text, "now");
}
END_TEST

START_TEST(texts_are_shortened_in_the_middle) {
        static const struct {
                const char *text;
                size_t columns;
                const char *shortened;
        } rows[] = {{"/srv/build/out/file", 19, "/srv/build/out/file"},
                    {"/srv/build/out/file", 12, "/srv…ut/file"},
                    {"/srv/build/out/file", 1, "…"},
                    {"/srv/build/out/file", 0, ""},
                    {"", 5, ""},
                    {"日本語日本語", 12, "日本語日本語"},
                    {"日本語日本語", 7, "日…本語"},
                    {"日本語日本語", 6, "日…語"},
                    {"äöüäöü", 5, "ä…äöü"},
                    {"e\xcc\x81"
                     "e\xcc\x81",
                     2,
                     "e\xcc\x81"
                     "e\xcc\x81"}};
        for (size_t i = 0; i < COUNT(rows); i++) {
                struct text text = {0};
                text_add_shortened(&text, rows[i].text, strlen(rows[i].text), rows[i].columns);
                if (text.len)
                        ck_assert_uint_le(text_columns(text.data, text.len), rows[i].columns);
                expect(&text, rows[i].shortened);
        }
}
END_TEST

/* ---- progress ---------------------------------------------------------------------------------------------------- */

/* 42 % of 2.9 GiB. */
static struct fsop_job_info some_job(void) {
        return (struct fsop_job_info){.id = 17,
                                      .state = FSOP_JOB_RUNNING,
                                      .totals_known = true,
                                      .files_total = 5000,
                                      .bytes_total = 3113851290,
                                      .files_done = 1234,
                                      .bytes_copied = 1319413953,
                                      .bytes_per_s = 327155712,
                                      .has_seconds_left = true,
                                      .seconds_left = 5,
                                      .n_places = 1,
                                      .user = fsop_bytes_of("nobody"),
                                      .source = fsop_bytes_of("/a"),
                                      .target = fsop_bytes_of("/b")};
}

static void expect_bar(const struct fsop_job_info *job, unsigned columns, const char *wanted) {
        const struct progress progress = {.job = job, .columns = columns, .tick = 2, .now_sec = 1000};
        struct text text = {0};
        progress_add_bar(&text, &progress);
        ck_assert_msg(text_columns(text.data, text.len) <= columns, "%u: %s", columns, text.data);
        expect(&text, wanted);
}

START_TEST(bars_fill_the_width) {
        const struct fsop_job_info job = some_job();
        expect_bar(&job, 40, " 42% [=====>          ]  1.2 GiB/2.8 GiB");
        expect_bar(&job, 80, " 42% [=====>         ]  1.2 GiB/2.8 GiB  312 MiB/s  0:05 left  1,234/5,000 files");
        expect_bar(&job, 200,
                   " 42% [====================>                             ]  1.2 GiB/2.8 GiB  312 MiB/s  0:05 left"
                   "  1,234/5,000 files");
}
END_TEST

START_TEST(no_bar_is_wider_than_asked) {
        static const enum fsop_job_state states[] = {FSOP_JOB_QUEUED,    FSOP_JOB_RUNNING,  FSOP_JOB_PAUSED,
                                                     FSOP_JOB_WAITING,   FSOP_JOB_DONE,     FSOP_JOB_FAILED,
                                                     FSOP_JOB_VERIFYING, FSOP_JOB_CANCELLED};
        for (unsigned columns = 40; columns < 240; columns++)
                for (size_t i = 0; i < COUNT(states) * 4; i++) {
                        struct fsop_job_info job = some_job();
                        job.state = states[i / 4];
                        job.totals_known = i & 1;
                        job.verify = i & 2;
                        job.error.code = FSOP_ENOSPC;
                        job.retry.sec = 500000;
                        job.files_failed = job.files_total = job.files_done = UINT64_MAX / 4;
                        job.bytes_total = job.bytes_copied = job.bytes_verified = UINT64_MAX;
                        job.started.sec = 1;
                        job.finished.sec = 400000;
                        const struct progress progress = {
                                .job = &job, .columns = columns, .tick = columns, .now_sec = 1, .lost = i & 2};
                        struct text text = {0};
                        progress_add_bar(&text, &progress);
                        ck_assert_msg(text_columns(text.data, text.len) <= columns, "%u: %s", columns, text.data);
                        text_free(&text);
                        progress_add_plain(&text, &job);
                        ck_assert_uint_gt(text.len, 0);
                        text_free(&text);
                }
}
END_TEST

START_TEST(bars_of_states) {
        struct fsop_job_info job = some_job();
        job.state = FSOP_JOB_WAITING;
        job.error.code = FSOP_ENOSPC;
        job.retry.sec = 1042;
        expect_bar(&job, 40, " 42% [=====>         ]  waiting (ENOSPC)");
        expect_bar(&job, 60, " 42% [=======>            ]  waiting (ENOSPC)  again in 0:42");
        job.state = FSOP_JOB_PAUSED;
        expect_bar(&job, 60, " 42% [==>      ]  paused  1.2 GiB/2.8 GiB  1,234/5,000 files");
        job = some_job();
        job.state = FSOP_JOB_DONE;
        job.files_done = 5000;
        job.bytes_copied = job.bytes_total;
        job.started.sec = 100;
        job.finished.sec = 109;
        expect_bar(&job, 80, "100% [=======================]  2.8 GiB/2.8 GiB  329 MiB/s  in 0:09  5,000 files");
}
END_TEST

START_TEST(totals_that_are_not_known_yet) {
        struct fsop_job_info job = some_job();
        job.totals_known = job.has_seconds_left = false;
        expect_bar(&job, 60, "  -% [  <=>               ]  1.2 GiB  312 MiB/s  1,234 files");
        ck_assert_int_eq(progress_percent(&job), -1);
        /* It goes to and fro inside the brackets. */
        for (unsigned tick = 0; tick < 100; tick++) {
                const struct progress progress = {.job = &job, .columns = 60, .tick = tick};
                struct text text = {0};
                progress_add_bar(&text, &progress);
                ck_assert_uint_eq(text.len, 60);
                ck_assert_ptr_nonnull(strstr(text.data, "<=>"));
                text_free(&text);
        }
}
END_TEST

START_TEST(jobs_without_bytes) {
        struct fsop_job_info job = some_job();
        job.bytes_total = job.bytes_copied = job.bytes_per_s = 0;
        job.has_seconds_left = false;
        ck_assert_int_eq(progress_percent(&job), 24);
        expect_bar(&job, 60, " 24% [=======>                          ]  1,234/5,000 files");
        job.files_total = job.files_done = 0;
        ck_assert_int_eq(progress_percent(&job), 99);
        job.state = FSOP_JOB_DONE;
        ck_assert_int_eq(progress_percent(&job), 100);
        expect_bar(&job, 40, "100% [========================]  0 files");
}
END_TEST

START_TEST(percentages) {
        struct fsop_job_info job = some_job();
        job.bytes_copied = job.bytes_total;
        ck_assert_int_eq(progress_percent(&job), 99); /* all is copied, and it is not over */
        job.verify = true;
        ck_assert_int_eq(progress_percent(&job), 50);
        job.bytes_verified = job.bytes_total / 2;
        ck_assert_int_eq(progress_percent(&job), 75);
        job.verify = false;
        job.bytes_total = UINT64_MAX;
        job.bytes_copied = UINT64_MAX / 4;
        ck_assert_int_eq(progress_percent(&job), 24);
}
END_TEST

START_TEST(long_times) {
        struct fsop_job_info job = some_job();
        job.seconds_left = 359999;
        expect_bar(&job, 80, " 42% [===>       ]  1.2 GiB/2.8 GiB  312 MiB/s  99:59:59 left  1,234/5,000 files");
        job.seconds_left = 400000;
        expect_bar(&job, 80, " 42% [====>        ]  1.2 GiB/2.8 GiB  312 MiB/s  4 days left  1,234/5,000 files");
}
END_TEST

START_TEST(plain_lines) {
        struct fsop_job_info job = some_job();
        struct text text = {0};
        progress_add_plain(&text, &job);
        expect(&text, "42%, 1.2 GiB of 2.8 GiB, 312 MiB/s, 0:05 left, 1,234 of 5,000 files");
        job.totals_known = job.has_seconds_left = false;
        job.files_failed = 3;
        progress_add_plain(&text, &job);
        expect(&text, "1.2 GiB, 312 MiB/s, 1,234 files, 3 failed");
}
END_TEST

/* ---- tables ------------------------------------------------------------------------------------------------------ */

START_TEST(tables_fit_eighty_columns) {
        struct job_table *table = job_table_new(false, 10000);
        struct fsop_job_info job = some_job();
        struct text text = {0};
        job_table_format(table, 80, &text);
        ck_assert_uint_eq(text.len, 0);
        job.target = fsop_bytes_of("/srv/backup/a/long/way/down/to/where/things/are/kept");
        job.n_places = 3;
        job_table_add(table, &job);
        job.id = 123456;
        job.state = FSOP_JOB_CANCELLED;
        job.created.sec = 1;
        job.finished.sec = 10000 - 7200;
        job.n_places = 1;
        job.target = fsop_bytes_of("/b\n\xff");
        job.totals_known = false;
        job_table_add(table, &job);
        job_table_format(table, 80, &text);
        for (const char *line = text.data, *end; (end = strchr(line, '\n')); line = end + 1)
                ck_assert_msg(text_columns(line, (size_t)(end - line)) <= 80, "%s", text.data);
        expect(&text, "    ID  STATE      DONE  FILES     SIZE   RATE/AGE  TARGET\n"
                      "    17  running     42%  5,000  2.8 GiB  312 MiB/s  /srv/backu…hings/are/kept +2\n"
                      "123456  cancelled     -  1,234  1.2 GiB        2 h  /b\\n\\377\n");
        job_table_free(table);
}
END_TEST

START_TEST(tables_with_users) {
        struct job_table *table = job_table_new(true, 10000);
        const struct fsop_job_info job = some_job();
        struct text text = {0};
        job_table_add(table, &job);
        job_table_format(table, 80, &text);
        expect(&text, "ID  STATE    DONE  FILES     SIZE   RATE/AGE  USER    TARGET\n"
                      "17  running   42%  5,000  2.8 GiB  312 MiB/s  nobody  /b\n");
        job_table_free(table);
}
END_TEST

START_TEST(details) {
        struct fsop_job_info job = some_job();
        struct text text = {0};
        job.state = FSOP_JOB_WAITING;
        job.error = (struct fsop_error){
                .code = FSOP_ENOSPC, .class_ = FSOP_CLASS_OS, .message = fsop_bytes_of("the target is full")};
        job.uid = 65534;
        job.elevated = true;
        job.target = fsop_bytes_of("/b c");
        job_add_details(&text, &job);
        static const char *const lines[] = {
                "job: 17\nstate: waiting\nwaits for: no space left on the filesystem (ENOSPC): the "
                "target is full\n",
                "\nsource: /a\ntarget: '/b c'\nowner: nobody (65534)\nas: auto, elevated\n",
                "\nprogress: 42%\nfiles: 1,234 of 5,000 done, 0 failed, 0 skipped\n",
                "\ncopied: 1.2 GiB (1,319,413,953 bytes) of 2.8 GiB\nflushed: 0 B of 2.8 "
                "GiB\n"};
        for (size_t i = 0; i < COUNT(lines); i++)
                ck_assert_msg(strstr(text.data, lines[i]) != NULL, "%s\nin\n%s", lines[i], text.data);
        ck_assert_ptr_null(strstr(text.data, "verified"));
        text_free(&text);
}
END_TEST

/* ---- manifests --------------------------------------------------------------------------------------------------- */

START_TEST(manifest_lines) {
        struct fsop_job_digest digest = {.path = fsop_bytes_of("/b/c d")};
        struct text text = {0};
        for (size_t i = 0; i < sizeof(digest.digest); i++)
                digest.digest[i] = (uint8_t)(i * 8);
        manifest_add_line(&text, &digest);
        expect(&text, "0008101820283038404850586068707880889098a0a8b0b8c0c8d0d8e0e8f0f8  /b/c d\n");
        digest.path = fsop_bytes_of("/b\n\\c\r");
        manifest_add_line(&text, &digest);
        expect(&text, "\\0008101820283038404850586068707880889098a0a8b0b8c0c8d0d8e0e8f0f8  /b\\n\\\\c\\r\n");
}
END_TEST

int main(void) {
        Suite *suite = suite_create("cli_jobs");
        TCase *words = tcase_create("words"), *figures = tcase_create("figures"), *drawing = tcase_create("drawing");
        tcase_add_test(words, options_of_cp);
        tcase_add_test(words, only_values_that_fill_every_word);
        tcase_add_test(words, optional_values);
        tcase_add_test(words, what_is_preserved);
        tcase_add_test(words, priorities_and_numbers);
        tcase_add_test(words, targets_are_joined);
        tcase_add_test(words, names_from_files);
        tcase_add_test(words, names_that_are_refused);
        tcase_add_test(figures, counts);
        tcase_add_test(figures, sizes);
        tcase_add_test(figures, durations_and_ages);
        tcase_add_test(figures, texts_are_shortened_in_the_middle);
        tcase_add_test(drawing, bars_fill_the_width);
        tcase_add_test(drawing, no_bar_is_wider_than_asked);
        tcase_add_test(drawing, bars_of_states);
        tcase_add_test(drawing, totals_that_are_not_known_yet);
        tcase_add_test(drawing, jobs_without_bytes);
        tcase_add_test(drawing, percentages);
        tcase_add_test(drawing, long_times);
        tcase_add_test(drawing, plain_lines);
        tcase_add_test(drawing, tables_fit_eighty_columns);
        tcase_add_test(drawing, tables_with_users);
        tcase_add_test(drawing, details);
        tcase_add_test(drawing, manifest_lines);
        suite_add_tcase(suite, words);
        suite_add_tcase(suite, figures);
        suite_add_tcase(suite, drawing);
        return suite_run(suite);
}
