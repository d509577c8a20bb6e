#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# smoke.sh: that fsop-bench measures every row and curve and leaves nothing behind; not how fast anything is.
set -u -o pipefail
bench=${1:?the program}
if [ "$(id -u)" != 0 ]; then
        echo "SKIP: needs root: the daemon runs as root, its client as nobody"
        exit 77
fi
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
failures=0
fail() { echo "FAIL: $*"; failures=1; }
measure() { # ARGUMENT...: to $out/output
        local left pid
        "$bench" --rounds 1 --quick "$@" >"$out/output" &
        pid=$!
        wait "$pid" || { echo "FAIL: exit status $?"; exit 1; }
        left=$(ls -d {/run,/var/lib,/var/tmp}/fsop-bench."$pid".* 2>/dev/null) # others may be measuring, too
        [ -z "$left" ] || fail "left behind: $left"
}
names=$("$bench" --list | cut -d' ' -f1)
# shellcheck disable=SC2086 # a list of names
measure --json --out "$out" $names
for name in $names; do
        lines=$(grep -F "{\"name\":\"$name\"," "$out/output") || { fail "$name is not measured"; continue; }
        if ! grep -q '"bar":' <<<"$lines"; then # a curve: points, and a file that says the same
                [ "$(wc -l <"$out/$name.tsv")" = "$(($(wc -l <<<"$lines") + 1))" ] || fail "$name.tsv has other points"
                continue
        fi
        for key in ours theirs ratio bar met; do
                grep -Eq "\"$key\":(-?[0-9]|[tfn])" <<<"$lines" || fail "$name has no $key: $lines"
        done
        if grep -q '"skipped"' <<<"$lines"; then
                echo "SKIP: $lines"
        else
                grep -q "^$name	" "$out/rows.tsv" || fail "$name is not in rows.tsv"
        fi
done
measure --markdown rtt-stat-together batches-stat
[ "$(grep -c '^|.*|$' "$out/output")" = 7 ] || fail "no markdown tables"
[ "$failures" = 0 ] && echo "all checks passed"
exit "$failures"
