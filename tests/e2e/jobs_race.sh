#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# jobs_race.sh: a job that runs with a rule's rights is led astray by who owns the trees: links in place of directories and
# files, while it runs. Nothing outside is read or written.
# shellcheck source=tests/support/lib.sh
. "$(dirname "$0")/../support/lib.sh"
# shellcheck source=tests/support/jobs.sh
. "$(dirname "$0")/../support/jobs.sh"
helper swap

data=$scratch/data
tree=$data/tree # what the rule is for, and belongs to who attacks
outside=$data/outside
mkdir -p "$tree/from/sub" "$tree/from/sub2" "$tree/to" "$outside/sub"
for i in $(seq 200); do
        echo "harmless $i" >"$tree/from/sub/f$i"
        echo "harmless $i" >"$tree/from/sub2/f$i"
        echo "TOP-SECRET $i" >"$outside/f$i"
        echo "TOP-SECRET $i" >"$outside/sub/f$i"
done
chmod 700 "$outside"
chown -R nobody:nogroup "$tree"
copy_policy "$tree" "foreign-parent: true" "links: any"
write_config
start_daemon
before=$(snapshot "$outside")

# swapping A B: in the background, as nobody
swapping() {
        "${nobody[@]}" "$bin/swap" "$@" >"$scratch/swapped" &
        swapper=$!
        children+=("$swapper")
}
swapped() {
        kill -TERM "$swapper"
        wait "$swapper"
        echo "$1: swapped $(cat "$scratch/swapped") times"
        equal "$1: no secret is read" "" "$(grep -rl TOP-SECRET "$tree" 2>/dev/null | head -n 3)"
        equal "$1: nothing outside is changed" "$before" "$(snapshot "$outside")"
        no_leftovers "$1" "$tree/to"
        exits 0 "$1: the daemon lives" as_nobody fsop ping
}

# At rest: links are copied as links, or read as whom they belong to.
as_nobody ln -s "$outside/f1" "$tree/from/link"
as_nobody ln -s "$outside" "$tree/from/dirlink"
exits 0 "a tree with links to the outside" as_nobody fsop cp -a -T "$tree/from" "$tree/to/links"
equal "the link is copied, not what it leads to" "$outside/f1" "$(readlink "$tree/to/links/link")"
exits 3 "a link to the outside, followed" as_nobody fsop cp "$tree/from/link" "$tree/to/followed"
as_nobody ln -s "$outside" "$tree/to/dirlink"
as_nobody fsop cp -T "$tree/from/sub/f1" "$tree/to/dirlink/new" >/dev/null 2>&1 && fail "through a link to the outside"
as_nobody fsop cp -r -T "$tree/from/sub" "$tree/to/dirlink" >/dev/null 2>&1
equal "nothing outside is changed" "$before" "$(snapshot "$outside")"
rm -rf "$tree/to/"* "$tree/from/link" "$tree/from/dirlink"

# The source: a directory that is a link at times, and a file.
as_nobody ln -s "$outside" "$tree/other"
swapping "$tree/from/sub" "$tree/other"
for i in $(seq 15); do as_nobody fsop cp -a -T "$tree/from" "$tree/to/s$i" >/dev/null 2>&1; done
swapped "a directory of the source"
rm -rf "$tree/to/"*
[ ! -L "$tree/from/sub" ] || as_nobody mv -T --exchange "$tree/from/sub" "$tree/other" 2>/dev/null ||
        { rm "$tree/from/sub" && mv "$tree/other" "$tree/from/sub"; }
rm -f "$tree/other"
as_nobody ln -s "$outside/f1" "$tree/other"
swapping "$tree/from/sub2/f1" "$tree/other"
for i in $(seq 15); do as_nobody fsop cp -r -T --clone never "$tree/from/sub2" "$tree/to/f$i" >/dev/null 2>&1; done
swapped "a file of the source"
rm -rf "$tree/to/"* "$tree/other"
[ ! -L "$tree/from/sub2/f1" ] || rm "$tree/from/sub2/f1"

# The target: a directory that is there, and a link at times.
as_nobody mkdir -p "$tree/to/into/sub"
as_nobody ln -s "$outside" "$tree/to/other"
swapping "$tree/to/into/sub" "$tree/to/other"
for i in $(seq 15); do as_nobody fsop cp -a -T "$tree/from" "$tree/to/into" >/dev/null 2>&1; done
swapped "a directory of the target"
rm -rf "$tree/to/"*

# The target's parent, above where the job begins.
as_nobody mkdir -p "$tree/to/parent/sub"
as_nobody ln -s "$outside" "$tree/to/other"
swapping "$tree/to/parent" "$tree/to/other"
for i in $(seq 15); do as_nobody fsop cp -a -T "$tree/from/sub2" "$tree/to/parent/sub" >/dev/null 2>&1; done
swapped "the target's parent"
finish
