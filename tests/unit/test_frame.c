/* SPDX-License-Identifier: MIT */
/*
 * test_frame.c: the header of a frame, to the byte.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "proto/frame.h"
#include "proto/fsop-errors.h"
#include "proto/message.h"
#include "tests/support/suite.h"

static struct frame_header header;

START_TEST(headers_come_back) {
        static const struct frame_header headers[] = {
                {1, 0}, {0xff, 1}, {0x100, WIRE_FRAME_FDS_MAX}, {0x12345678, 0x12}, {UINT32_MAX, 0},
        };
        for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
                uint8_t bytes[FRAME_HEADER_BYTES];
                frame_write_header(bytes, &headers[i]);
                ck_assert_int_eq(frame_read_header(bytes, sizeof(bytes), UINT32_MAX, &header), 1);
                ck_assert_uint_eq(header.body_bytes, headers[i].body_bytes);
                ck_assert_uint_eq(header.n_fds, headers[i].n_fds);
        }
}
END_TEST

START_TEST(bytes_are_little_endian) {
        uint8_t bytes[FRAME_HEADER_BYTES];
        const struct frame_header written = {.body_bytes = 0x04030201, .n_fds = 0x0605};
        frame_write_header(bytes, &written);
        ck_assert_mem_eq(bytes, "\x01\x02\x03\x04\x05\x06\0\0", 8);
}
END_TEST

START_TEST(less_than_a_header_is_not_yet_one) {
        for (size_t len = 0; len < FRAME_HEADER_BYTES; len++) {
                uint8_t *bytes = malloc(len ? len : 1);
                memset(bytes, 0xff, len);
                ck_assert_int_eq(frame_read_header(bytes, len, 100, &header), 0);
                free(bytes);
        }
}
END_TEST

static int read8(const char *bytes, uint32_t body_bytes_max) {
        return frame_read_header((const uint8_t *)bytes, 8, body_bytes_max, &header);
}

START_TEST(unacceptable_headers_are_refused) {
        ck_assert_int_eq(read8("\0\0\0\0\0\0\0\0", 100), -FSOP_EPROTO); /* empty */
        ck_assert_int_eq(read8("\1\0\0\0\0\0\1\0", 100), -FSOP_EPROTO); /* reserved */
        ck_assert_int_eq(read8("\1\0\0\0\0\0\0\x80", 100), -FSOP_EPROTO);
        ck_assert_int_eq(read8("\x65\0\0\0\0\0\0\0", 100), -FSOP_EMSGSIZE); /* 101 */
        ck_assert_int_eq(read8("\xff\xff\xff\xff\0\0\0\0", 1u << 20), -FSOP_EMSGSIZE);
        ck_assert_int_eq(read8("\1\0\0\0\x41\0\0\0", 100), -FSOP_E2BIG); /* 65 descriptors */
        ck_assert_int_eq(read8("\1\0\0\0\xff\xff\0\0", 100), -FSOP_E2BIG);
        ck_assert_int_eq(read8("GET / HT", 1u << 20), -FSOP_EPROTO);
}
END_TEST

START_TEST(the_limits_themselves_are_accepted) {
        ck_assert_int_eq(read8("\x64\0\0\0\x40\0\0\0", 100), 1);
        ck_assert_uint_eq(header.body_bytes, 100);
        ck_assert_uint_eq(header.n_fds, 64);
        ck_assert_int_eq(read8("\0\0\x10\0\0\0\0\0", WIRE_FRAME_BYTES_MAX), 1);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("frame");
        TCase *tcase = tcase_create("frame");
        tcase_add_test(tcase, headers_come_back);
        tcase_add_test(tcase, bytes_are_little_endian);
        tcase_add_test(tcase, less_than_a_header_is_not_yet_one);
        tcase_add_test(tcase, unacceptable_headers_are_refused);
        tcase_add_test(tcase, the_limits_themselves_are_accepted);
        suite_add_tcase(suite, tcase);
        return suite_run(suite);
}
