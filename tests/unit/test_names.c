/* SPDX-License-Identifier: MIT */
/*
 * test_names.c: every number has its word, every word its number, and nothing else has either.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "proto/names.h"
#include "tests/support/suite.h"

START_TEST(operations_have_the_names_of_the_manual) {
        static const char *const names[] = {
                "ping",       "info",      "status",      "explain",   "policy-reload", "stat",       "statfs",
                "utimens",    "chmod",     "chown",       "mknod",     "opendir",       "mkdir",      "rmdir",
                "unlink",     "rename",    "ls",          "symlink",   "link",          "readlink",   "getxattr",
                "setxattr",   "listxattr", "removexattr", "fallocate", "truncate",      "fadvise",    "open",
                "copy-range", "open-fd",   "close",       "read",      "write",         "fsync",      "cp",
                "job-list",   "job-show",  "job-watch",   "job-pause", "job-resume",    "job-cancel", "job-retry",
                "job-forget",
        };
        uint64_t seen = 0;
        unsigned named = 0;
        for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
                enum fsop_verb verb = verb_from_name(names[i], strlen(names[i]));
                ck_assert_msg(verb != FSOP_VERB_NONE, "%s", names[i]);
                ck_assert_str_eq(verb_name(verb), names[i]);
                seen |= (uint64_t)1 << verb;
        }
        for (unsigned verb = 0; verb < FSOP_VERB_LIMIT; verb++) {
                ck_assert_int_eq(verb_name((enum fsop_verb)verb) != NULL, (int)(seen >> verb & 1));
                named += verb_name((enum fsop_verb)verb) != NULL;
        }
        ck_assert_uint_eq(named, sizeof(names) / sizeof(names[0]));
}
END_TEST

START_TEST(other_names_are_no_operations) {
        ck_assert_int_eq(verb_from_name("", 0), FSOP_VERB_NONE);
        ck_assert_int_eq(verb_from_name("chow", 4), FSOP_VERB_NONE);
        ck_assert_int_eq(verb_from_name("chownx", 6), FSOP_VERB_NONE);
        ck_assert_int_eq(verb_from_name("chownx", 5), FSOP_VERB_CHOWN); /* the length decides */
        ck_assert_int_eq(verb_from_name("CHOWN", 5), FSOP_VERB_NONE);
        ck_assert_int_eq(verb_from_name("open\0fd", 7), FSOP_VERB_NONE);
        ck_assert_ptr_null(verb_name((enum fsop_verb)FSOP_VERB_LIMIT));
        ck_assert_ptr_null(verb_name((enum fsop_verb) - 1));
        ck_assert_ptr_null(verb_name(FSOP_VERB_NONE));
}
END_TEST

START_TEST(every_error_is_complete) {
        for (int code = FSOP_EPERM; code <= FSOP_EUNKNOWN; code++) {
                const char *name = error_name(code), *text = error_text(code);
                ck_assert_msg(name && name[0] == 'E', "%d", code);
                ck_assert(text && text[0] && text[strlen(text) - 1] != '.');
                ck_assert_int_ne(error_class_of(code), FSOP_CLASS_NONE);
                for (int other = FSOP_EPERM; other < code; other++)
                        ck_assert_str_ne(error_name(other), name);
        }
}
END_TEST

START_TEST(error_numbers_stay) {
        ck_assert_str_eq(error_name(101), "EPERM");
        ck_assert_str_eq(error_name(102), "ENOENT");
        ck_assert_str_eq(error_name(FSOP_ENOTEMPTY), "ENOTEMPTY");
        ck_assert_str_eq(error_name(FSOP_EUNKNOWN), "EUNKNOWN");
        ck_assert_str_eq(error_text(FSOP_EACCES), "permission denied");
}
END_TEST

START_TEST(other_numbers_are_no_errors) {
        static const int codes[] = {-1, 1, 39, FSOP_EPERM - 1, FSOP_EUNKNOWN + 1, INT32_MAX, INT32_MIN};
        for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
                ck_assert_ptr_null(error_name(codes[i]));
                ck_assert_str_eq(error_text(codes[i]), "unknown error");
                ck_assert_int_eq(error_class_of(codes[i]), FSOP_CLASS_OS);
                ck_assert(!error_is_retryable(codes[i]));
        }
        ck_assert_ptr_null(error_name(0));
        ck_assert_int_eq(error_class_of(0), FSOP_CLASS_NONE);
}
END_TEST

START_TEST(classes_follow_from_codes) {
        ck_assert_int_eq(error_class_of(FSOP_EPERM), FSOP_CLASS_DENIED);
        ck_assert_int_eq(error_class_of(FSOP_EACCES), FSOP_CLASS_DENIED);
        ck_assert_int_eq(error_class_of(FSOP_EOPNOTSUPP), FSOP_CLASS_UNSUPPORTED);
        ck_assert_int_eq(error_class_of(FSOP_EINVAL), FSOP_CLASS_INVALID);
        ck_assert_int_eq(error_class_of(FSOP_ENOSPC), FSOP_CLASS_OS);
        ck_assert_int_eq(error_class_of(FSOP_EBUSY), FSOP_CLASS_BUSY);
        ck_assert_int_eq(error_class_of(FSOP_ECANCELED), FSOP_CLASS_CANCELLED);
        ck_assert(error_is_retryable(FSOP_EAGAIN) && !error_is_retryable(FSOP_EPERM));
}
END_TEST

START_TEST(small_vocabularies_go_both_ways) {
        for (int i = 0; i <= FSOP_AS_ELEVATED; i++)
                ck_assert_int_eq(as_from_name(as_name((enum fsop_as)i)), i);
        for (int i = 0; i <= FSOP_ADVICE_NOREUSE; i++)
                ck_assert_int_eq(advice_from_name(advice_name((enum fsop_advice)i)), i);
        for (int i = 0; i <= FSOP_CLONE_NEVER; i++)
                ck_assert_int_eq(clone_from_name(clone_name((enum fsop_clone)i)), i);
        for (int i = 0; i <= FSOP_SYNC_FILE; i++)
                ck_assert_int_eq(sync_from_name(sync_name((enum fsop_sync)i)), i);
        for (int i = 0; i <= FSOP_UPDATE_OLDER; i++)
                ck_assert_int_eq(update_from_name(update_name((enum fsop_update)i)), i);
        for (int i = 0; i <= FSOP_JOB_CANCELLED; i++)
                ck_assert_ptr_nonnull(job_state_name((enum fsop_job_state)i));
        ck_assert_str_eq(sync_name(FSOP_SYNC_BATCH), "batch");
        ck_assert_str_eq(update_name(FSOP_UPDATE_NONE_FAIL), "none-fail");
        ck_assert_str_eq(job_state_name(FSOP_JOB_UNKNOWN), "unknown");
        ck_assert_str_eq(job_state_name(FSOP_JOB_QUEUED), "queued");
        ck_assert_str_eq(job_state_name(FSOP_JOB_VERIFYING), "verifying");
        ck_assert_str_eq(job_state_name(FSOP_JOB_CANCELLED), "cancelled");
        ck_assert_ptr_null(job_state_name((enum fsop_job_state)9));
        ck_assert_ptr_null(sync_name((enum fsop_sync)3));
        ck_assert_ptr_null(update_name((enum fsop_update)4));
        ck_assert_int_eq(sync_from_name("always"), -1);
        ck_assert_int_eq(update_from_name("none-"), -1);
        ck_assert_int_eq(as_from_name("root"), -1);
        ck_assert_int_eq(advice_from_name(""), -1);
        ck_assert_int_eq(clone_from_name("Always"), -1);
        ck_assert_str_eq(error_class_name(FSOP_CLASS_NONE), "none");
        ck_assert_str_eq(error_class_name(FSOP_CLASS_CANCELLED), "cancelled");
        ck_assert_str_eq(outcome_name(FSOP_OUTCOME_NOT_STARTED), "not-started");
        ck_assert_str_eq(outcome_name(FSOP_OUTCOME_UNKNOWN), "unknown");
        ck_assert_str_eq(file_type_name(FSOP_TYPE_DIRECTORY), "directory");
        ck_assert_str_eq(file_type_name(FSOP_TYPE_SOCKET), "socket");
        ck_assert_str_eq(support_level_name(FSOP_SUPPORT_EMULATED), "emulated");
        ck_assert_ptr_null(error_class_name((enum fsop_error_class)7));
        ck_assert_ptr_null(as_name((enum fsop_as)3));
        ck_assert_ptr_null(file_type_name((enum fsop_file_type)8));
        ck_assert_ptr_null(support_level_name((enum fsop_support_level) - 1));
}
END_TEST

static bool valid(const char *text, size_t len) {
        /* memory of exactly the size, so that a look too far is seen */
        uint8_t *copy = malloc(len ? len : 1);
        memcpy(copy, text, len);
        bool is = utf8_is_valid((struct bytes){.data = copy, .len = len});
        free(copy);
        return is;
}
#define VALID(text) valid(text, sizeof(text) - 1)

START_TEST(utf8_is_told_from_other_bytes) {
        ck_assert(VALID("") && VALID("plain") && VALID("\0 too") && VALID("\x7f"));
        ck_assert(VALID("\xc2\x80") && VALID("\xdf\xbf") && VALID("\xe0\xa0\x80") && VALID("\xef\xbf\xbf"));
        ck_assert(VALID("\xed\x9f\xbf") && VALID("\xee\x80\x80") && VALID("\xf0\x90\x80\x80") &&
                  VALID("\xf4\x8f\xbf\xbf"));
        ck_assert(!VALID("\x80") && !VALID("\xbf") && !VALID("a\x80") && !VALID("\xff") && !VALID("\xfe"));
        ck_assert(!VALID("\xc0\x80") && !VALID("\xc1\xbf") && !VALID("\xe0\x9f\xbf") &&
                  !VALID("\xf0\x8f\xbf\xbf"));                                     /* overlong */
        ck_assert(!VALID("\xed\xa0\x80") && !VALID("\xed\xbf\xbf"));               /* surrogates */
        ck_assert(!VALID("\xf4\x90\x80\x80") && !VALID("\xf5\x80\x80\x80"));       /* past the end */
        ck_assert(!VALID("\xc2") && !VALID("\xe2\x82") && !VALID("\xf0\x9f\x92")); /* cut short */
        ck_assert(!VALID("\xc2 ") && !VALID("\xe2 \xac") && !VALID("\xe2\x82 ") && !VALID("\xf0\x9f\x92 "));
}
END_TEST

int main(void) {
        Suite *suite = suite_create("names");
        TCase *tcase = tcase_create("names");
        tcase_add_test(tcase, operations_have_the_names_of_the_manual);
        tcase_add_test(tcase, other_names_are_no_operations);
        tcase_add_test(tcase, every_error_is_complete);
        tcase_add_test(tcase, error_numbers_stay);
        tcase_add_test(tcase, other_numbers_are_no_errors);
        tcase_add_test(tcase, classes_follow_from_codes);
        tcase_add_test(tcase, small_vocabularies_go_both_ways);
        tcase_add_test(tcase, utf8_is_told_from_other_bytes);
        suite_add_tcase(suite, tcase);
        return suite_run(suite);
}
