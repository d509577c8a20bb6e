/* SPDX-License-Identifier: MIT */
/*
 * test_buffer.c: what goes in at the end comes out at the front, whatever moves in between.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "proto/buffer.h"
#include "proto/fsop-errors.h"
#include "tests/support/suite.h"

START_TEST(bytes_come_out_in_order) {
        struct buffer buffer = {0};
        uint32_t written = 0, taken = 0;
        for (unsigned round = 0; round < 5000; round++) {
                uint8_t chunk[97];
                size_t len = round * 31 % 97;
                for (size_t i = 0; i < len; i++)
                        chunk[i] = (uint8_t)(written++ * 7);
                ck_assert_int_eq(buffer_append(&buffer, chunk, len), 0);
                size_t take = round * 17 % 100;
                if (take > buffer_len(&buffer))
                        take = buffer_len(&buffer);
                for (size_t i = 0; i < take; i++)
                        ck_assert_uint_eq(buffer.data[buffer.start + i], (uint8_t)(taken++ * 7));
                buffer_consume(&buffer, take, 4096);
                ck_assert_uint_eq(buffer_len(&buffer), written - taken);
        }
        buffer_fini(&buffer);
}
END_TEST

START_TEST(reserved_room_is_there) {
        struct buffer buffer = {0};
        ck_assert_int_eq(buffer_append(&buffer, "abc", 3), 0);
        buffer_consume(&buffer, 1, 0);
        for (size_t extra = 1; extra < 200000; extra = extra * 3 + 1) {
                ck_assert_int_eq(buffer_reserve(&buffer, extra), 0);
                ck_assert_uint_ge(buffer.cap - buffer.end, extra);
                memset(buffer.data + buffer.end, 0xee, extra);
                ck_assert_mem_eq(buffer.data + buffer.start, "bc", 2);
        }
        buffer_fini(&buffer);
}
END_TEST

/* A reader that lags behind must not make every append copy all that waits. */
START_TEST(a_long_queue_is_not_moved_again_and_again) {
        struct buffer buffer = {0};
        static const uint8_t chunk[1000];
        unsigned moves = 0;
        for (unsigned i = 0; i < 1000; i++)
                ck_assert_int_eq(buffer_append(&buffer, chunk, sizeof(chunk)), 0);
        for (unsigned i = 0; i < 5000; i++) {
                const uint8_t *data = buffer.data;
                size_t start = buffer.start;
                buffer_consume(&buffer, sizeof(chunk), 0);
                ck_assert_int_eq(buffer_append(&buffer, chunk, sizeof(chunk)), 0);
                moves += buffer.data != data || buffer.start < start;
        }
        ck_assert_uint_lt(moves, 20);
        ck_assert_uint_le(buffer.cap, 4u << 20);
        buffer_fini(&buffer);
}
END_TEST

START_TEST(an_emptied_buffer_gives_memory_back) {
        struct buffer buffer = {0};
        static const uint8_t chunk[100000];
        ck_assert_int_eq(buffer_append(&buffer, chunk, sizeof(chunk)), 0);
        buffer_consume(&buffer, sizeof(chunk) - 1, 4096);
        ck_assert_ptr_nonnull(buffer.data);
        buffer_consume(&buffer, 1, 4096);
        ck_assert_ptr_null(buffer.data);
        ck_assert_uint_eq(buffer.cap, 0);
        ck_assert_int_eq(buffer_append(&buffer, chunk, 100), 0);
        buffer_consume(&buffer, 100, 4096); /* small: kept, and used from its beginning again */
        ck_assert_ptr_nonnull(buffer.data);
        ck_assert_uint_eq(buffer.end, 0);
        buffer_fini(&buffer);
}
END_TEST

START_TEST(consuming_too_much_consumes_everything) {
        struct buffer buffer = {0};
        ck_assert_int_eq(buffer_append(&buffer, "abc", 3), 0);
        buffer_consume(&buffer, SIZE_MAX, SIZE_MAX);
        ck_assert_uint_eq(buffer_len(&buffer), 0);
        buffer_fini(&buffer);
}
END_TEST

START_TEST(absurd_sizes_are_refused) {
        struct buffer buffer = {0};
        ck_assert_int_eq(buffer_append(&buffer, "abc", 3), 0);
        ck_assert_int_eq(buffer_reserve(&buffer, SIZE_MAX), -FSOP_ENOMEM);
        ck_assert_int_eq(buffer_reserve(&buffer, SIZE_MAX / 2), -FSOP_ENOMEM);
        ck_assert_mem_eq(buffer.data + buffer.start, "abc", 3);
        buffer_fini(&buffer);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("buffer");
        TCase *tcase = tcase_create("buffer");
        tcase_add_test(tcase, bytes_come_out_in_order);
        tcase_add_test(tcase, reserved_room_is_there);
        tcase_add_test(tcase, a_long_queue_is_not_moved_again_and_again);
        tcase_add_test(tcase, an_emptied_buffer_gives_memory_back);
        tcase_add_test(tcase, consuming_too_much_consumes_everything);
        tcase_add_test(tcase, absurd_sizes_are_refused);
        suite_add_tcase(suite, tcase);
        return suite_run(suite);
}
