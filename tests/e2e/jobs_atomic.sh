#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# jobs_atomic.sh: who reads the target's name while it is being copied sees the old file or the new one, never half of one.
# shellcheck source=tests/support/lib.sh
. "$(dirname "$0")/../support/lib.sh"
# shellcheck source=tests/support/jobs.sh
. "$(dirname "$0")/../support/jobs.sh"
helper peep

data=$scratch/data
loop_mount xfs "$data/xfs" 2G && data=$data/xfs
mkdir -p "$data/to"
copy_policy "$data" "foreign-parent: true"
write_config
start_daemon

# watch_name NAME THIS THAT: a reader in the background
readers=()
watch_name() {
        "$bin/peep" "$@" >"$scratch/reader${#readers[@]}" &
        readers+=($!)
        children+=($!)
}
# readers_see WHAT this|that: waits until each of them has seen it
readers_see() {
        local i
        for i in "${!readers[@]}"; do
                wait_until "$1: reader $i sees $2" grep -qsx "$2" "$scratch/reader$i" || fail "$1: reader $i sees $2"
        done
}
# readers_saw WHAT: ends them; none may have seen anything else
readers_saw() {
        local i status before=$test_failures
        for i in "${!readers[@]}"; do
                status=0
                kill -TERM "${readers[i]}" 2>/dev/null
                wait "${readers[i]}" || status=$?
                [ $status = 0 ] || fail "$1: a reader saw what it must not" "$(cat "$scratch/reader$i")"
        done
        [ "$test_failures" != "$before" ] || ok "$1: ${#readers[@]} readers saw nothing else; the last one $(tail -n 1 "$scratch/reader$i")"
        rm -f "$scratch"/reader*
        readers=()
}

# ---- one file, replaced again and again, with more data than fits into one step and with little ------------------------------

head -c 9000000 /dev/urandom >"$data/large1"
head -c 7000000 /dev/urandom >"$data/large2"
head -c 30000 /dev/urandom >"$data/small1"
head -c 50000 /dev/urandom >"$data/small2"
for kind in large small; do
        for clone in never auto; do
                cp "$data/${kind}1" "$data/to/$kind"
                watch_name "$data/to/$kind" "$data/${kind}1" "$data/${kind}2"
                watch_name "$data/to/$kind" "$data/${kind}1" "$data/${kind}2"
                readers_see "one $kind file, clone $clone" this
                for i in 2 1 2 1 2 1 2 1 2; do
                        output=$(as_nobody fsop cp --clone $clone -T "$data/$kind$i" "$data/to/$kind" 2>&1) || fail "cp to $kind" "$output"
                        cmp -s "$data/$kind$i" "$data/to/$kind" || fail "$kind, clone $clone: it is the new one when cp returns"
                done
                readers_see "one $kind file, clone $clone" that
                readers_saw "one $kind file, clone $clone"
        done
done

# A job that is given up leaves the old one.
cp "$data/large1" "$data/to/kept"
watch_name "$data/to/kept" "$data/large1" "$data/large1"
readers_see "given up" this
for how in cancel kill; do
        submitted --clone never --bwlimit 100K -T "$data/large2" "$data/to/kept"
        until_field "$job" '.bytes_copied > 0' || fail "the job is under way"
        if [ $how = kill ]; then
                crash_daemon
                start_daemon
        fi
        exits 0 "cancel" job_do cancel "$job"
        ends_as "given up ($how)" "$job" cancelled
        exits 0 "given up ($how): the old one stays" cmp "$data/large1" "$data/to/kept"
done
readers_saw "given up"
no_leftovers "given up" "$data/to"

# ---- a tree that exists ---------------------------------------------------------------------------------------------------------

plain_files "$data/one" 400 20000
plain_files "$data/two" 400 24000
for directory in one two; do head -c 6000000 /dev/urandom >"$data/$directory/large"; done
for clone in never auto; do
        rm -rf "$data/to/tree"
        cp -r "$data/one" "$data/to/tree"
        for name in f00000 f00200 f00399 large; do watch_name "$data/to/tree/$name" "$data/one/$name" "$data/two/$name"; done
        readers_see "a tree over another, clone $clone" this
        exits 0 "a tree over another, clone $clone" as_nobody fsop cp -a -T --clone $clone "$data/two" "$data/to/tree"
        same "it is the new one" "$data/two" "$data/to/tree"
        readers_see "a tree over another, clone $clone" that
        exits 0 "and back" as_nobody fsop cp -a -T --clone $clone "$data/one" "$data/to/tree"
        readers_saw "a tree over another, clone $clone"
done

# ---- a tree that is new -----------------------------------------------------------------------------------------------------------

# The first sight of it is all of it.
for clone in never auto; do
        submitted -a -T --clone $clone "$data/two" "$data/to/new"
        deadline=$((SECONDS + 120))
        until [ -e "$data/to/new" ] || [ $SECONDS -gt $deadline ]; do :; done
        same "a new tree, clone $clone, at its first sight" "$data/two" "$data/to/new"
        ends_as "a new tree, clone $clone: done" "$job" done
        rm -rf "$data/to/new"
done
no_leftovers "at the end" "$data/to"
finish
