#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# slow.sh: who works on a filesystem that keeps its callers waiting keeps nobody else waiting: while it answers nothing at all, whatever
# has been asked of it, others have their answers.
# shellcheck source=tests/support/lib.sh
. "$(dirname "$0")/../support/lib.sh"
need_root
helper hungfs
helper pace
# In memory, what is asked for elsewhere waits for no disk: one that is busy may be demoted, too.
mounted -t tmpfs -o mode=755 slow "$scratch/data" || skip_all "needs to mount a tmpfs"
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
exec {said_fd}<>"$scratch/said"
says() { # WORD: the slow filesystem, next
        read -r -t 300 -u "$said_fd" said
        case $said in SKIP*) skip_all "${said#SKIP: }" ;; esac
        [ "$said" = "$1" ] || die "the slow filesystem is $1"
}
"$bin/hungfs" "$slow" slow 100 >&"$said_fd" &
slow_pid=$!
children+=("$slow_pid")
says mounted
mounts+=("$slow")
write_config "workers: 4"
start_daemon

status() { timeout -s KILL 60 fsop status | sed -n "s/^$1[: ]*\([0-9]*\).*/\1/p"; }
measure() { as_user 2345 2345 - timeout -s KILL 60 "$bin/pace" measure "$1" "$local"; }
show() { sed "s/^\([^ ]*\) \([0-9]*\) \([0-9]*\) \([0-9]*\)$/$1: \1: median \2 us, p99 \3, longest \4/" <<<"$2"; }

# ---- a FUSE filesystem ------------------------------------------------------------------------------------------

exits 0 "the slow filesystem answers" as_nobody fsop stat "$slow/file"

paces=$(measure 1000) || fail "operations are done" "$paces"
show alone "$paces"
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
done_elsewhere=yes
for ((i = 0; i < 30; i++)); do
        sleep 0.$((RANDOM % 20 + 10)) # whatever they are at then
        kill -STOP "$slow_pid"
        paces=$(measure 50) || done_elsewhere=no
        kill -CONT "$slow_pid"
        [ $done_elsewhere = yes ] || break
done
[ $done_elsewhere = yes ] && ok "operations elsewhere are done, whatever waits for it" || fail "operations elsewhere are done, whatever waits for it" "$paces"
show "beside it" "$paces"
kill -KILL "${hammers[@]}"
wait "${hammers[@]}" 2>/dev/null

# ---- one of a kind that is quick as a rule ------------------------------------------------------------------------

# Only looked up so far: what an overlay has below it shows when it is asked for more.
stacked=$scratch/data/stacked
mkdir -p "$stacked" "$scratch/lower"
kill -USR1 "$slow_pid"
says quick
if ! mounted -t overlay none -o "lowerdir=$slow:$scratch/lower" "$stacked" 2>/dev/null; then
        skip "a mount that turns out slow: needs overlayfs over FUSE"
        finish
fi
look() { as_user 2345 2345 - fsop getxattr user.none "$stacked/kept" >/dev/null 2>&1; }
demoted() { [ "$(status mounts-demoted)" = 1 ]; }
look
demoted && fail "it is not demoted while it is quick"
kill -USR2 "$slow_pid"
says slow
looks_in_vain() {
        look
        demoted
}
wait_until "the mount is demoted" looks_in_vain && ok "it is demoted once it keeps the loop waiting" || fail "it is demoted once it keeps the loop waiting"
contains "and the log says so" "keeps its callers waiting" "$(cat "$daemon_log")"
kill -STOP "$slow_pid"
setpriv --reuid=2345 --regid=2345 --clear-groups --inh-caps=-all -- "$bin/fsop" getxattr user.none "$stacked/kept" >/dev/null 2>&1 &
children+=($!)
asked() { [ "$(status uid-2345-requests-in-flight)" = 1 ]; }
wait_until "it is asked" asked || fail "it is asked"
paces=$(measure 50) && ok "operations elsewhere do not wait for it any more" || fail "operations elsewhere do not wait for it any more" "$paces"
show "beside it" "$paces"
kill -CONT "$slow_pid"
kill -USR1 "$slow_pid"
says quick
back() { [ "$(status mounts-demoted)" = 0 ]; }
wait_until "the mount comes back" back && ok "it comes back" || fail "it comes back"
finish
