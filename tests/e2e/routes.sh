#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# routes.sh: whichever way operations are forced to go, they do the same.
# build: plain
: "${FSOP_SOURCE_DIR:=$(cd "$(dirname "$0")/../.." && pwd)}"
failures=0
for route in inline pool ring; do
        for test in ops denied parity; do
                [ "$test" != parity ] || [ "$route" = ring ] || continue # it is long, and the other two are what it takes anyway
                echo "--- $test, routes: $route"
                FSOP_TEST_ROUTES=$route bash "$FSOP_SOURCE_DIR/tests/e2e/$test.sh" | grep -v '^ok:'
                case ${PIPESTATUS[0]} in
                0) ;;
                77) exit 77 ;;
                *) failures=$((failures + 1)) ;;
                esac
        done
done
[ "$failures" = 0 ] && echo "all checks passed"
exit "$failures"
