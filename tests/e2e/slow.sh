#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# slow.sh: who works on a filesystem that keeps its callers waiting keeps nobody else waiting.
# shellcheck source=tests/support/lib.sh
. "$(dirname "$0")/../support/lib.sh"
need_root
helper hungfs
helper pace
sleep_ms=${FSOP_TEST_SLOW_MS:-1000}
local=$scratch/data/local
slow=$scratch/data/slow
mkdir -p "$local" "$slow" "$scratch/data/links"
: >"$local/file"
ln -s "$slow/dir" "$scratch/data/links/slow"
chown -R 2000 "$local"
{
        echo "rules:"
        for user in 1234 2345 $nobody_uid; do
                printf '  - {name: "r%s", effect: allow, user: [%s], path: %s, ops: all, chown-to: ["2000-2001:*"]}\n' \
                        "$user" "$user" "$scratch/data"
        done
} | write_policy slow

mkfifo "$scratch/said"
"$bin/hungfs" "$slow" slow "$sleep_ms" >"$scratch/said" &
slow_pid=$!
children+=("$slow_pid")
read -r said <"$scratch/said"
case $said in SKIP*) skip_all "${said#SKIP: }" ;; esac
mounts+=("$slow")
write_config "workers: 4"
start_daemon

status() { as_nobody fsop status | sed -n "s/^$1[: ]*\([0-9]*\).*/\1/p"; }

# ---- a FUSE filesystem ------------------------------------------------------------------------------------------

exits 0 "the slow filesystem answers" as_nobody fsop stat "$slow/file"

alone=$(as_user 2345 2345 - "$bin/pace" measure 2 "$local") || fail "operations are done" "$alone"
hammers=()
for user in 1234 $nobody_uid; do
        for prefix in "$slow/file" "$slow/kept" "$slow/dir/file" "$scratch/data/links/slow/file"; do
                setpriv --reuid="$user" --regid="$user" --clear-groups --inh-caps=-all -- "$bin/pace" hammer "$prefix" &
                hammers+=($!)
        done
done
children+=("${hammers[@]}")
busy() { [ "$(status workers)" -ge 2 ]; }
wait_until "they have workers" busy || fail "they keep workers busy"
paces=$(as_user 2345 2345 - "$bin/pace" measure 4 "$local") || fail "operations elsewhere are done" "$paces"
paste -d ' ' <(printf '%s\n' "$alone") <(printf '%s\n' "$paces") |
        while read -r kind _ _ before _ _ _ _ with _; do echo "$kind: p99 $before us alone, $with us beside it"; done
while read -r kind count _ _ longest; do
        [ "$longest" -lt $((sleep_ms * 1000)) ] && [ "$count" -gt 3 ] && ok "$kind elsewhere never waits as long as one of its answers" ||
                fail "$kind elsewhere never waits as long as one of its answers" "$count, the longest of $longest us"
done <<<"$paces"
kill -KILL "${hammers[@]}"
wait "${hammers[@]}" 2>/dev/null

# ---- one of a kind that is quick as a rule ------------------------------------------------------------------------

# Only looked up so far: what an overlay has below it shows when it is asked for more.
stacked=$scratch/data/stacked
mkdir -p "$stacked" "$scratch/lower"
kill -USR1 "$slow_pid" # quick
if ! mounted -t overlay none -o "lowerdir=$slow:$scratch/lower" "$stacked" 2>/dev/null; then
        skip "a mount that turns out slow: needs overlayfs over FUSE"
        finish
fi
look() { as_user 2345 2345 - fsop getxattr user.none "$stacked/kept" >/dev/null 2>&1; }
demoted() { [ "$(status mounts-demoted)" = 1 ]; }
look
demoted && fail "it is not demoted while it is quick"
kill -USR2 "$slow_pid" # slow
for _ in 1 2 3; do look; done
wait_until "the mount is demoted" demoted && ok "it is demoted once it keeps the loop waiting" || fail "it is demoted once it keeps the loop waiting"
contains "and the log says so" "keeps its callers waiting" "$(cat "$daemon_log")"
look &
children+=($!)
paces=$(as_user 2345 2345 - "$bin/pace" measure 2 "$local") || fail "operations elsewhere are done" "$paces"
while read -r kind count _ _ longest; do
        [ "$longest" -lt $((sleep_ms * 1000)) ] && [ "$count" -gt 3 ] && ok "$kind elsewhere does not wait for it any more" ||
                fail "$kind elsewhere does not wait for it any more" "$count, the longest of $longest us"
done <<<"$paces"
kill -USR1 "$slow_pid" # quick
back() { [ "$(status mounts-demoted)" = 0 ]; }
wait_until "the mount comes back" back && ok "it comes back" || fail "it comes back"
finish
