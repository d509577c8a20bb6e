/* SPDX-License-Identifier: MIT */
/*
 * test_arena.c: alignment, the cap, what a reset keeps. Runs both ways: in blocks, and with separate allocations under
 * AddressSanitizer.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "proto/arena.h"
#include "tests/support/suite.h"

static struct arena arena;

static void setup(void) {
        arena_init(&arena, 1u << 20);
}

static void teardown(void) {
        arena_fini(&arena);
        ck_assert_uint_eq(arena.used_bytes, 0);
        ck_assert_ptr_null(arena.blocks);
}

START_TEST(nothing_is_allocated_before_use) {
        ck_assert_uint_eq(arena.used_bytes, 0);
        ck_assert_ptr_null(arena.blocks);
}
END_TEST

START_TEST(allocations_are_aligned_and_apart) {
        uint8_t *memory[500];
        size_t sizes[500];
        for (size_t i = 0; i < 500; i++) {
                sizes[i] = i * 7 % 300;
                memory[i] = arena_alloc(&arena, sizes[i]);
                ck_assert_ptr_nonnull(memory[i]);
                ck_assert_uint_eq((uintptr_t)memory[i] % _Alignof(max_align_t), 0);
                memset(memory[i], (int)(i & 0xff), sizes[i]);
        }
        for (size_t i = 0; i < 500; i++)
                for (size_t j = 0; j < sizes[i]; j++)
                        ck_assert_uint_eq(memory[i][j], i & 0xff);
}
END_TEST

START_TEST(large_ones_do_not_waste_the_block) {
        uint8_t *small = arena_alloc(&arena, 16);
        uint8_t *large = arena_alloc(&arena, 300000);
        ck_assert(small && large);
        memset(large, 1, 300000);
        size_t used = arena.used_bytes;
        ck_assert_ptr_nonnull(arena_alloc(&arena, 16));
        ck_assert_uint_le(arena.used_bytes - used, 256); /* blocks: 0, still the first; separate: one more */
}
END_TEST

START_TEST(the_cap_holds) {
        unsigned n = 0;
        while (arena_alloc(&arena, 1000))
                n++;
        ck_assert_uint_ge(n, 800);
        ck_assert_uint_le(n, 1048);
        ck_assert_uint_le(arena.used_bytes, arena.cap_bytes);
        ck_assert_ptr_null(arena_alloc(&arena, 1u << 20));
        arena_reset(&arena);
        ck_assert_ptr_null(arena_alloc(&arena, (1u << 20) + 1));
        ck_assert_ptr_nonnull(arena_alloc(&arena, 900000));
}
END_TEST

START_TEST(absurd_sizes_are_refused) {
        ck_assert_ptr_null(arena_alloc(&arena, SIZE_MAX));
        ck_assert_ptr_null(arena_alloc(&arena, SIZE_MAX - 15));
        ck_assert_ptr_null(arena_calloc(&arena, SIZE_MAX / 2, 3));
        ck_assert_ptr_null(arena_calloc(&arena, SIZE_MAX, SIZE_MAX));
        ck_assert_ptr_null(arena_copy(&arena, (struct bytes){.data = (const uint8_t *)"", .len = SIZE_MAX}).data);
}
END_TEST

START_TEST(an_arena_without_room_gives_nothing) {
        struct arena none;
        arena_init(&none, 0);
        ck_assert_ptr_null(arena_alloc(&none, 1));
        ck_assert_ptr_null(arena_alloc(&none, 0));
        struct bytes text = arena_printf(&none, "%d", 1);
        ck_assert(text.data && text.len == 0);
        ck_assert_ptr_null(arena_copy(&none, (struct bytes){.data = (const uint8_t *)"a", .len = 1}).data);
        arena_fini(&none);
}
END_TEST

START_TEST(reset_keeps_one_block_at_most) {
        for (unsigned round = 0; round < 100; round++) {
                for (unsigned i = 0; i < 100; i++)
                        ck_assert_ptr_nonnull(arena_alloc(&arena, 5000));
                arena_reset(&arena);
                ck_assert_uint_le(arena.used_bytes, 16u << 10);
        }
}
END_TEST

START_TEST(calloc_clears_even_reused_memory) {
        memset(arena_alloc(&arena, 10000), 0xff, 10000);
        arena_reset(&arena);
        const uint8_t *memory = arena_calloc(&arena, 100, 100);
        for (unsigned i = 0; i < 10000; i++)
                ck_assert_uint_eq(memory[i], 0);
}
END_TEST

START_TEST(copies_end_in_nul) {
        struct bytes copy = arena_copy(&arena, (struct bytes){.data = (const uint8_t *)"a\0b", .len = 3});
        ck_assert_uint_eq(copy.len, 3);
        ck_assert_mem_eq(copy.data, "a\0b\0", 4);
        copy = arena_copy(&arena, (struct bytes){0});
        ck_assert(copy.len == 0 && copy.data && copy.data[0] == 0);
}
END_TEST

START_TEST(sentences_are_formatted) {
        struct bytes text = arena_printf(&arena, "%s %u", "operation", 3u);
        ck_assert_uint_eq(text.len, 11);
        ck_assert_str_eq((const char *)text.data, "operation 3");
        text = arena_printf(&arena, "%0*d", 20000, 7);
        ck_assert_uint_eq(text.len, 20000);
        ck_assert_int_eq(text.data[20000], 0);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("arena");
        TCase *tcase = tcase_create("arena");
        tcase_add_checked_fixture(tcase, setup, teardown);
        tcase_add_test(tcase, nothing_is_allocated_before_use);
        tcase_add_test(tcase, allocations_are_aligned_and_apart);
        tcase_add_test(tcase, large_ones_do_not_waste_the_block);
        tcase_add_test(tcase, the_cap_holds);
        tcase_add_test(tcase, absurd_sizes_are_refused);
        tcase_add_test(tcase, an_arena_without_room_gives_nothing);
        tcase_add_test(tcase, reset_keeps_one_block_at_most);
        tcase_add_test(tcase, calloc_clears_even_reused_memory);
        tcase_add_test(tcase, copies_end_in_nul);
        tcase_add_test(tcase, sentences_are_formatted);
        suite_add_tcase(suite, tcase);
        return suite_run(suite);
}
