#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# smoke.sh: that fsop-bench measures every row and curve and leaves nothing behind; not how fast anything is.
set -u -o pipefail
bench=${1:?the program}
if [ "$(id -u)" != 0 ]; then
        echo "SKIP: needs root: the daemon runs as root, its client as nobody"
        exit 77
fi
left() { ls -d /run/fsop-bench.* /var/lib/fsop-bench.* /var/tmp/fsop-bench.* 2>/dev/null; }
before=$(left)
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
names=$("$bench" --list | cut -d' ' -f1)
# shellcheck disable=SC2086 # a list of names
output=$("$bench" --rounds 1 --quick --json --out "$out" $names) || { echo "FAIL: exit status $?"; exit 1; }
failures=0
fail() { echo "FAIL: $*"; failures=1; }
for name in $names; do
        lines=$(grep -F "{\"name\":\"$name\"," <<<"$output") || { fail "$name is not measured"; continue; }
        if ! grep -q '"bar":' <<<"$lines"; then # a curve: points, and a file that says the same
                [ "$(wc -l <"$out/$name.tsv")" = "$(($(wc -l <<<"$lines") + 1))" ] || fail "$name.tsv has other points"
                continue
        fi
        for key in ours theirs ratio bar met; do
                grep -q "\"$key\":[0-9tfn]" <<<"$lines" || fail "$name has no $key: $lines"
        done
        if grep -q '"skipped"' <<<"$lines"; then
                echo "SKIP: $lines"
        else
                grep -q "^$name	" "$out/rows.tsv" || fail "$name is not in rows.tsv"
        fi
done
"$bench" --rounds 1 --markdown rtt-stat-together batches-stat --quick | grep -c '^|.*|$' | grep -qx 7 || fail "no markdown tables"
new=$(comm -13 <(echo "$before") <(left))
[ -z "$new" ] || fail "left behind: $new"
[ "$failures" = 0 ] && echo "all checks passed"
exit "$failures"
