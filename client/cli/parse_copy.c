/* SPDX-License-Identifier: MIT */
/* parse_copy.c: what cp is to preserve, priorities, and the numbers of jobs. */
#include <string.h>

#include "client/cli/parse.h"

static uint32_t preserve_bit(const char *word, size_t len) {
        static const struct {
                const char *word;
                uint32_t bits;
        } words[] = {{"mode", FSOP_PRESERVE_MODE},        {"ownership", FSOP_PRESERVE_OWNER},
                     {"timestamps", FSOP_PRESERVE_TIMES}, {"xattr", FSOP_PRESERVE_XATTR},
                     {"links", FSOP_PRESERVE_LINKS},      {"all", FSOP_PRESERVE_ALL}};
        for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
                if (strlen(words[i].word) == len && memcmp(words[i].word, word, len) == 0)
                        return words[i].bits;
        return 0;
}

int parse_preserve(const char *text, uint32_t *bits, const char **ret_why) {
        uint32_t found = 0;
        for (;;) {
                size_t len = strcspn(text, ",");
                uint32_t bit = preserve_bit(text, len);
                if (!bit) {
                        *ret_why = "there are mode, ownership, timestamps, xattr (ACLs among them), links and all, "
                                   "with commas between";
                        return -1;
                }
                found |= bit;
                if (!text[len])
                        break;
                text += len + 1;
        }
        *bits |= found;
        return 0;
}

int parse_priority(const char *text, int32_t *ret_priority, const char **ret_why) {
        bool negative = *text == '-';
        uint64_t number;
        if (parse_number(text + (negative || *text == '+' ? 1 : 0), false, 100, &number, ret_why) < 0) {
                *ret_why = "a priority is a number from -100 to 100; higher ones come first";
                return -1;
        }
        *ret_priority = negative ? -(int32_t)number : (int32_t)number;
        return 0;
}

int parse_job(const char *text, uint64_t *ret_id, const char **ret_why) {
        uint64_t id;
        if (parse_number(text, false, UINT64_MAX, &id, ret_why) < 0 || id == 0) {
                *ret_why = "not the number of a job; `fsop job list` shows which there are";
                return -1;
        }
        *ret_id = id;
        return 0;
}
