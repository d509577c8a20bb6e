#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# hung.sh: a FUSE filesystem that never answers takes neither the service nor its end away.
# shellcheck source=tests/support/lib.sh
. "$(dirname "$0")/../support/lib.sh"
need_root
helper hungfs
mkdir -p "$scratch/data/hung" "$scratch/data/tree"
standard_policy "$scratch/data"

mkfifo "$scratch/said"
"$bin/hungfs" "$scratch/data/hung" >"$scratch/said" &
children+=($!)
read -r said <"$scratch/said"
case $said in SKIP*) skip_all "${said#SKIP: }" ;; esac
mounts+=("$scratch/data/hung")
start_daemon

# More operations than there are workers at first, elevated and not, by path; each hangs.
for i in $(seq 3); do
        "${nobody[@]}" "$bin/fsop" stat "$scratch/data/hung/file$i" >/dev/null 2>&1 &
        children+=($!)
        "${nobody[@]}" "$bin/fsop" --as caller chmod 600 "$scratch/data/hung/file$i" >/dev/null 2>&1 &
        children+=($!)
done
wait_until "they are asked for" in_flight 6 || fail "they are asked for"
started=$SECONDS
exits 0 "ping is answered meanwhile" as_nobody timeout 90 fsop ping
exits 0 "a stat elsewhere is answered meanwhile" as_nobody timeout 90 fsop stat "$scratch/data/tree"
exits 0 "a mkdir elsewhere is answered meanwhile" as_nobody timeout 90 fsop mkdir "$scratch/data/tree/dir"
echo "within $((SECONDS - started)) s"

# The same rules, loaded again, leave alone what they allowed; others end it.
"${nobody[@]}" "$bin/fsop" chown 1234 "$scratch/data/hung/waits" >"$scratch/waits" 2>&1 &
waits=$!
children+=("$waits")
wait_until "it is asked for" in_flight 7 || fail "it is asked for"
exits 0 "the same rules again" fsop policy reload
sleep 2
kill -0 "$waits" && ok "what they allowed still waits" || fail "what they allowed still waits" "$(cat "$scratch/waits")"
echo "# changed" >>"$scratch/etc/policy.d/standard.yaml"
exits 0 "other rules" fsop policy reload
wait_until "what the old ones allowed ends" gone "$waits" || fail "what the old ones allowed ends"
contains "… saying why" "loaded anew" "$(cat "$scratch/waits")"

exits 1 "a deadline is kept" as_nobody timeout 90 fsop --timeout 3 stat "$scratch/data/hung/late"

# fstatfs on and close of a descriptor that a client passed may hang as well.
exits 0 "still answered" as_nobody timeout 90 fsop status

started=$SECONDS
kill -TERM "$daemon_pid"
wait_until "the daemon ends in spite of it" gone "$daemon_pid" && ok "TERM ends it (after $((SECONDS - started)) s)" || fail "TERM ends it"
finish
