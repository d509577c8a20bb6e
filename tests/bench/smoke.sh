#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# smoke.sh: that fsop-bench measures every row and leaves nothing behind; not how fast anything is.
set -u -o pipefail
bench=${1:?the program}
if [ "$(id -u)" != 0 ]; then
        echo "SKIP: needs root: the daemon runs as root, its client as nobody"
        exit 77
fi
left() { ls -d /run/fsop-bench.* /var/lib/fsop-bench.* /var/tmp/fsop-bench.* 2>/dev/null; }
before=$(left)
output=$("$bench" --rounds 1 --quick --json) || { echo "FAIL: exit status $?"; exit 1; }
failures=0
for row in $("$bench" --list | cut -d' ' -f1); do
        line=$(grep -F "{\"name\":\"$row\"," <<<"$output")
        for key in ours theirs ratio bar met; do
                grep -q "\"$key\":[0-9tfn]" <<<"$line" || { echo "FAIL: $row has no $key: $line"; failures=1; }
        done
        grep -q '"skipped"' <<<"$line" && echo "SKIP: $line"
done
[ "$(left)" = "$before" ] || { echo "FAIL: left behind: $(left)"; failures=1; }
[ "$failures" = 0 ] && echo "all checks passed"
exit "$failures"
