/* SPDX-License-Identifier: MIT */
/*
 * test_done.c: which files are done: what is written is read back, whatever else is read is refused, and the set knows
 * what was put into it and nothing else.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/done.h"
#include "tests/support/suite.h"

static struct bytes text(const char *string) {
        return (struct bytes){(const uint8_t *)string, strlen(string)};
}

static struct bytes written(const struct done_writer *writer) {
        return (struct bytes){writer->data.data ? writer->data.data + writer->data.start : NULL,
                              buffer_len(&writer->data)};
}

/* ---- there and back ---------------------------------------------------------------------------------------------- */

#define ENTRIES_MAX 64u

static struct {
        unsigned n;
        struct done_entry entries[ENTRIES_MAX];
        char paths[ENTRIES_MAX][WIRE_PATH_BYTES_MAX + 1];
        unsigned stop_at; /* 0: never */
} got;

static int take(void *context, const struct done_entry *entry) {
        ck_assert_ptr_eq(context, &got);
        ck_assert_uint_lt(got.n, ENTRIES_MAX);
        ck_assert_uint_le(entry->path.len, WIRE_PATH_BYTES_MAX);
        ck_assert_uint_eq(entry->path.data[entry->path.len], 0);
        got.entries[got.n] = *entry;
        memcpy(got.paths[got.n], entry->path.data, entry->path.len + 1);
        return ++got.n == got.stop_at ? -FSOP_ECANCELED : 0;
}

static int read_all(struct bytes data) {
        got.n = got.stop_at = 0;
        return done_read(data, take, &got);
}

static void same(const struct done_entry *want, unsigned at) {
        const struct done_entry *is = &got.entries[at];

        ck_assert_uint_eq(is->path.len, want->path.len);
        ck_assert_mem_eq(got.paths[at], want->path.data, want->path.len);
        ck_assert_int_eq(is->linked, want->linked);
        ck_assert_int_eq(is->has_digest, want->has_digest);
        ck_assert_uint_eq(is->id.dev, want->linked ? want->id.dev : 0);
        ck_assert_uint_eq(is->id.ino, want->linked ? want->id.ino : 0);
        if (want->has_digest)
                ck_assert_mem_eq(is->digest, want->digest, sizeof(is->digest));
}

static void there_and_back(const struct done_entry *entries, unsigned n) {
        struct done_writer writer = {0};

        for (unsigned i = 0; i < n; i++)
                ck_assert_int_eq(done_write(&writer, &entries[i]), 0);
        ck_assert_int_eq(read_all(written(&writer)), 0);
        ck_assert_uint_eq(got.n, n);
        for (unsigned i = 0; i < n; i++)
                same(&entries[i], i);
        done_writer_fini(&writer);
}

START_TEST(entries_come_back) {
        static char longest[WIRE_PATH_BYTES_MAX + 1], nearly[WIRE_PATH_BYTES_MAX + 1];
        struct done_entry entries[] = {
                {.path = text("a/b/one")},
                {.path = text("a/b/two")},
                {.path = text("a/b/two")}, /* the same again */
                {.path = text("a/b")},     /* shorter than the one before */
                {.path = text("")},        /* a place of its own */
                {.path = text("x"), .linked = true, .id = {7, UINT64_MAX}},
                {.path = text("x\n\xff\xfe"), .has_digest = true, .digest = {1, 2, 3}},
                {.path = text("x\n\xff\xfd"),
                 .linked = true,
                 .id = {UINT64_MAX, 1},
                 .has_digest = true,
                 .digest = {255}},
                {.path = {(const uint8_t *)longest, WIRE_PATH_BYTES_MAX}},
                {.path = {(const uint8_t *)nearly, WIRE_PATH_BYTES_MAX}},
                {.path = text("z")},
        };

        memset(longest, 'l', WIRE_PATH_BYTES_MAX);
        memset(nearly, 'l', WIRE_PATH_BYTES_MAX);
        nearly[WIRE_PATH_BYTES_MAX - 1] = 'n';
        there_and_back(entries, sizeof(entries) / sizeof(entries[0]));
        there_and_back(entries, 0);
        for (unsigned i = 0; i < sizeof(entries) / sizeof(entries[0]); i++)
                there_and_back(&entries[i], 1);
}
END_TEST

START_TEST(a_prefix_is_written_once) {
        struct done_writer writer = {0};
        char path[200];

        for (unsigned i = 0; i < 50; i++) {
                struct done_entry entry;

                snprintf(path, sizeof(path), "a/long/directory/that/many/files/have/in/common/file-%02u", i);
                entry = (struct done_entry){.path = text(path)};
                ck_assert_int_eq(done_write(&writer, &entry), 0);
        }
        ck_assert_uint_lt(writer.data.end - writer.data.start, 60 + 50 * 5);
        ck_assert_int_eq(read_all(written(&writer)), 0);
        ck_assert_uint_eq(got.n, 50);
        ck_assert_str_eq(got.paths[49], path);
        done_writer_fini(&writer);
}
END_TEST

/* Each append is read by itself: it must not lean on the one before. */
START_TEST(appends_stand_alone) {
        struct done_entry one = {.path = text("dir/one")}, two = {.path = text("dir/two")};
        struct done_writer writer = {0};

        for (unsigned i = 0; i < 3; i++) {
                ck_assert_int_eq(done_write(&writer, &one), 0);
                ck_assert_int_eq(done_write(&writer, &two), 0);
                ck_assert_int_eq(read_all(written(&writer)), 0);
                ck_assert_uint_eq(got.n, 2);
                same(&one, 0);
                same(&two, 1);
                done_writer_reset(&writer);
                ck_assert_uint_eq(buffer_len(&writer.data), 0);
        }
        done_writer_fini(&writer);
}
END_TEST

START_TEST(who_reads_can_stop) {
        struct done_entry entries[] = {{.path = text("a")}, {.path = text("b")}, {.path = text("c")}};
        struct done_writer writer = {0};

        for (unsigned i = 0; i < 3; i++)
                ck_assert_int_eq(done_write(&writer, &entries[i]), 0);
        memset(&got, 0, sizeof(got));
        got.stop_at = 2;
        ck_assert_int_eq(done_read(written(&writer), take, &got), -FSOP_ECANCELED);
        ck_assert_uint_eq(got.n, 2);
        done_writer_fini(&writer);
}
END_TEST

/* ---- what nobody has written ------------------------------------------------------------------------------------- */

/* In memory of exactly that size, for the sanitizers to watch. */
static int read_exactly(const uint8_t *data, size_t len) {
        uint8_t *copy = malloc(len > 0 ? len : 1);
        int code;

        ck_assert_ptr_nonnull(copy);
        memcpy(copy, data, len);
        code = read_all((struct bytes){copy, len});
        free(copy);
        return code;
}

START_TEST(truncated_bytes_are_refused) {
        struct done_entry entries[] = {{.path = text("dir/one"), .linked = true, .id = {1, 2}},
                                       {.path = text("dir/two"), .has_digest = true},
                                       {.path = text("dir/three"), .linked = true, .id = {3, 4}, .has_digest = true}};
        struct done_writer writer = {0};
        size_t ends[4] = {0};

        for (unsigned i = 0; i < 3; i++) {
                ck_assert_int_eq(done_write(&writer, &entries[i]), 0);
                ends[i + 1] = buffer_len(&writer.data);
        }
        for (size_t len = 0; len <= ends[3]; len++) {
                unsigned whole = 0;
                int code = read_exactly(writer.data.data + writer.data.start, len);

                while (whole < 3 && ends[whole + 1] <= len)
                        whole++;
                ck_assert_int_eq(code, len == ends[whole] ? 0 : -FSOP_EIO);
                ck_assert_uint_eq(got.n, whole); /* what was whole has been told */
        }
        done_writer_fini(&writer);
}
END_TEST

START_TEST(nonsense_is_refused) {
        static const struct {
                const char *what;
                size_t len;
                uint8_t data[24];
        } cases[] = {
                {"shares with nothing", 4, {1, 1, 'a', 0}},
                {"shares more than there is", 8, {0, 1, 'a', 0, 2, 1, 'b', 0}},
                {"is longer than what is left", 3, {0, 5, 'a'}},
                {"is longer than any path", 5, {0, 0xff, 0xff, 0x7f, 'a'}},
                {"a length of 2^62", 12, {0, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x40, 'a', 0}},
                {"a length of 64 bits", 13, {0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 'a', 0}},
                {"a length without an end", 11, {0, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80}},
                {"shares 2^64 - 1",
                 17,
                 {0, 1, 'a', 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 1, 'b', 0}},
                {"a flag that is unknown", 4, {0, 1, 'a', 4}},
                {"all flags", 4, {0, 1, 'a', 0xff}},
                {"no flags", 3, {0, 1, 'a'}},
        };

        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
                ck_assert_msg(read_exactly(cases[i].data, cases[i].len) == -FSOP_EIO, "%s was accepted", cases[i].what);
}
END_TEST

/* What is shared and what follows are no longer together than any path. */
START_TEST(paths_do_not_grow_beyond_the_limit) {
        static char longest[WIRE_PATH_BYTES_MAX + 1];
        struct done_entry entry = {.path = {(const uint8_t *)longest, WIRE_PATH_BYTES_MAX}};
        struct done_writer writer = {0};

        memset(longest, 'p', WIRE_PATH_BYTES_MAX);
        ck_assert_int_eq(done_write(&writer, &entry), 0);
        ck_assert_int_eq(buffer_append(&writer.data, "\x0a\x01q\x00", 4), 0);
        ck_assert_int_eq(read_all(written(&writer)), 0);
        ck_assert_str_eq(got.paths[1], "ppppppppppq");
        done_writer_reset(&writer);
        ck_assert_int_eq(done_write(&writer, &entry), 0);
        ck_assert_int_eq(buffer_append(&writer.data, "\xff\x1f\x01q\x00", 5), 0); /* 4095 and 1 */
        ck_assert_int_eq(read_all(written(&writer)), -FSOP_EIO);
        ck_assert_uint_eq(got.n, 1);
        done_writer_fini(&writer);
}
END_TEST

START_TEST(random_bytes_do_no_harm) {
        uint8_t data[96];
        uint32_t seed = 12345;

        for (unsigned round = 0; round < 200000; round++) {
                size_t len = round % sizeof(data);

                for (size_t i = 0; i < len; i++) {
                        seed = seed * 1103515245 + 12345;
                        data[i] = (uint8_t)(seed >> 16);
                        if (seed & 0x8000) /* small numbers get further */
                                data[i] &= 3;
                }
                if (len > 0)
                        data[0] = 0;
                int code = read_exactly(data, len);

                ck_assert(code == 0 || code == -FSOP_EIO);
        }
}
END_TEST

/* ---- the set ----------------------------------------------------------------------------------------------------- */

static struct done_entry numbered(char path[64], unsigned number) {
        snprintf(path, 64, "directory-%u/file-%u", number % 97, number);
        return (struct done_entry){.path = text(path)};
}

START_TEST(the_set_knows_what_is_in_it) {
        enum { N = 100000 };
        struct done_set *set = NULL;
        char path[64];

        ck_assert_int_eq(done_set_new(&set), 0);
        ck_assert(!done_set_has(set, text("x")));
        for (unsigned round = 0; round < 2; round++) /* twice is once */
                for (unsigned i = 0; i < N; i++) {
                        struct done_entry entry = numbered(path, i);

                        ck_assert_int_eq(done_set_add(set, &entry), 0);
                }
        for (unsigned i = 0; i < 2 * N; i++)
                ck_assert_int_eq(done_set_has(set, numbered(path, i).path), i < N);
        ck_assert(!done_set_has(set, text("")));
        ck_assert_int_eq(done_set_add(set, &(struct done_entry){.path = text("")}), 0);
        ck_assert(done_set_has(set, text("")));
        ck_assert_ptr_null(done_set_free(set));
        ck_assert_ptr_null(done_set_free(NULL));
}
END_TEST

START_TEST(the_first_link_counts) {
        enum { N = 5000 };
        struct done_set *set = NULL;
        char path[64];

        ck_assert_int_eq(done_set_new(&set), 0);
        ck_assert_ptr_null(done_set_link(set, (struct object_id){1, 1}));
        for (unsigned i = 0; i < N; i++) {
                struct done_entry entry = numbered(path, i);

                entry.linked = true;
                entry.id = (struct object_id){i % 3, i / 3 + 1};
                ck_assert_int_eq(done_set_add(set, &entry), 0);
                entry.path = text("another");
                ck_assert_int_eq(done_set_add(set, &entry), 0);
        }
        for (unsigned i = 0; i < N; i++) {
                numbered(path, i);
                ck_assert_str_eq(done_set_link(set, (struct object_id){i % 3, i / 3 + 1}), path);
        }
        ck_assert_ptr_null(done_set_link(set, (struct object_id){3, 1}));
        ck_assert_ptr_null(done_set_link(set, (struct object_id){0, N}));
        done_set_free(set);
}
END_TEST

/* An inode of 0 cannot be told from none; such a file is done, and nothing is linked to it. */
START_TEST(an_inode_of_0_is_no_link) {
        struct done_entry entry = {.path = text("a"), .linked = true, .id = {7, 0}};
        struct done_set *set = NULL;

        ck_assert_int_eq(done_set_new(&set), 0);
        ck_assert_int_eq(done_set_add(set, &entry), 0);
        ck_assert(done_set_has(set, text("a")));
        ck_assert_ptr_null(done_set_link(set, entry.id));
        done_set_free(set);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("done");
        TCase *tcase = tcase_create("done");

        tcase_set_timeout(tcase, 300);
        tcase_add_test(tcase, entries_come_back);
        tcase_add_test(tcase, a_prefix_is_written_once);
        tcase_add_test(tcase, appends_stand_alone);
        tcase_add_test(tcase, who_reads_can_stop);
        tcase_add_test(tcase, truncated_bytes_are_refused);
        tcase_add_test(tcase, nonsense_is_refused);
        tcase_add_test(tcase, paths_do_not_grow_beyond_the_limit);
        tcase_add_test(tcase, random_bytes_do_no_harm);
        tcase_add_test(tcase, the_set_knows_what_is_in_it);
        tcase_add_test(tcase, the_first_link_counts);
        tcase_add_test(tcase, an_inode_of_0_is_no_link);
        suite_add_tcase(suite, tcase);
        return suite_run(suite);
}
