#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# build: plain
# jobs_many.sh: ten thousand queued jobs: asking about them stays quick, and the daemon small.
# shellcheck source=tests/support/lib.sh
. "$(dirname "$0")/../support/lib.sh"
# shellcheck source=tests/support/jobs.sh
. "$(dirname "$0")/../support/jobs.sh"
helper submit

count=10000
data=$scratch/data
mkdir -p "$data/to"
head -c 20M /dev/urandom >"$data/slow"
echo text >"$data/file"
copy_policy "$data"
write_config "limits:" "  jobs-per-uid: 20000" "  jobs: 40000"
start_daemon
submitted --bwlimit 10K "$data/slow" "$data/to/slow" # keeps the others waiting
begin=${EPOCHREALTIME/./}
exits 0 "$count jobs" as_nobody submit "$socket" many "$data/file" "$data/to" $count
last=$output
echo "submitted in $(((${EPOCHREALTIME/./} - begin) / 1000)) ms"

# quick WHAT ID: no assertion about a shared machine's milliseconds, but far more than they ever are is an error
quick() {
        local name ms rest
        exits 0 "$1" as_nobody submit "$socket" measure "$2"
        echo "$1:"
        echo "$output"
        while read -r name ms _ rest; do
                [ "${ms%.*}" -lt 2000 ] && ok "$1: $name takes less than 2 s" || fail "$1: $name takes $ms ms"
        done <<<"$output"
        contains "$1: it lists them all" "$3 jobs" "$output"
        contains "$1: the job is cancelled" cancelled "$output"
}
small() {
        local kb
        kb=$(daemon_rss_kb)
        [ "$kb" -lt 32768 ] && ok "$1: the daemon takes $kb kB" || fail "$1: the daemon takes $kb kB"
}
quick "ten thousand" "$last" $((count + 1))
small "ten thousand"
equal "the command line lists them all" $((count + 1)) "$(job_list | wc -l)"
small "after lists"
begin=${EPOCHREALTIME/./}
crash_daemon
start_daemon
echo "started again within $(((${EPOCHREALTIME/./} - begin) / 1000)) ms"
equal "after a crash they are all there" $((count + 1)) "$(job_list | wc -l)"
quick "after a crash" "$((last - 5))" $((count + 1))
small "after a crash"
exits 0 "what kept them waiting goes" job_do cancel "$job"
ends_as "the others are done, one after the other" $((job + 200)) done 300
small "while they are done"
stop_daemon
no_leftovers "at the end" "$data/to"
finish
