/* SPDX-License-Identifier: MIT */
#include "tests/support/suite.h"

#include <stdlib.h>

int suite_run(Suite *suite) {
        SRunner *runner = srunner_create(suite);
        int failed;

        srunner_run_all(runner, CK_ENV);
        failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

void assert_code(int code, int expected, const char *what) {
        ck_assert_msg(code == expected, "%s: %d instead of %d", what, code, expected);
}
