#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# profile.sh: where fsopd's time goes in one row of fsop-bench. As root:
#
#       tests/bench/profile.sh build/release/tests/bench/fsop-bench copy-data --fs xfs
#
# Runs that row's side of fsopd twice for SECONDS_EACH (default 20), under perf record, then under strace -c, which slows it
# down: take counts from the one and times from the other. OUT (default: the current directory) gets perf.data and what
# is printed. What is between two copies (removing, syncing) is done by fsop-bench, not by the daemon, and is not seen.
set -u -o pipefail
bench=${1:?the program fsop-bench} row=${2:?stat, chown, setxattr or the name of a row of copies}
shift 2
seconds=${SECONDS_EACH:-20} out=${OUT:-.}

# Runs the daemon's load in the background; sets daemon to the ids of its processes.
start() {
        "$bench" --profile-op "$row" --seconds "$seconds" "$@" >"$out/load.txt" &
        load=$!
        until pid=$(sed -n 's/^daemon \([0-9]*\),.*/\1/p' "$out/load.txt") && [ -n "$pid" ]; do
                kill -0 "$load" 2>/dev/null || { cat "$out/load.txt"; exit 1; }
                sleep 0.1
        done
        daemon="$pid $(pgrep -P "$pid")"
}

start "$@"
perf record -q -g -o "$out/perf.data" -p "${daemon// /,}" -- sleep "$((seconds - 1))"
wait "$load"
tail -n 1 "$out/load.txt"
echo "--- by thread"
perf report -q -i "$out/perf.data" --no-children -g none --sort pid 2>/dev/null | grep -v '^$' | head -n 20
echo "--- by function"
perf report -q -i "$out/perf.data" --no-children -g none --sort dso,symbol 2>/dev/null | grep -v '^$' | head -n 50

start "$@"
# shellcheck disable=SC2046,SC2086 # lists of words
strace -f -q -c -o "$out/strace.txt" $(printf -- '-p %s ' $daemon) &
tracer=$!
wait "$load"
wait "$tracer"
tail -n 1 "$out/load.txt"
echo "--- system calls"
head -n 40 "$out/strace.txt"
