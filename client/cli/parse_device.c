/* SPDX-License-Identifier: MIT */
/* parse_device.c: the numbers of a device node. */
#include "client/cli/parse.h"

int parse_device_number(const char *text, uint32_t *ret_number, const char **ret_why) {
        uint64_t number;
        if (parse_number(text, true, UINT32_MAX, &number, ret_why) < 0) {
                *ret_why = "a device number is decimal, 0x hexadecimal or 0 octal, at most 4294967295";
                return -1;
        }
        *ret_number = (uint32_t)number;
        return 0;
}
