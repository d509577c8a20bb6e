#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# private.sh: started by an ordinary user without a config, the daemon is that user's private service.
# shellcheck source=tests/support/lib.sh
. "$(dirname "$0")/../support/lib.sh"
need_engine

if [ "$(id -u)" = 0 ]; then
        me=(setpriv "--reuid=$nobody_uid" "--regid=$nobody_gid" --clear-groups --)
        uid=$nobody_uid
else
        me=(env)
        uid=$(id -u)
fi
home=$scratch/home
install -d -m 700 "$home" "$home/run" "$home/state" "$home/tree"
[ "$(id -u)" != 0 ] || chown -R $nobody_uid:$nobody_gid "$home"
unset FSOP_SOCKET
me=(env XDG_RUNTIME_DIR="$home/run" XDG_STATE_HOME="$home/state" HOME="$home" "${me[@]}")

"${me[@]}" "$bin/fsopd" --engine "$FSOP_TEST_ENGINE" >>"$daemon_log" 2>&1 </dev/null &
daemon_pid=$!
answers() { "${me[@]}" "$bin/fsop" --socket "$home/run/fsopd/fsopd.sock" ping >/dev/null 2>&1; }
wait_until "the private service answers" answers || die "it did not start: $(cat "$daemon_log")"
exits 0 "the client finds it by itself" "${me[@]}" fsop ping
equal "its socket is its own" "$uid" "$(stat -c %u "$home/run/fsopd/fsopd.sock")"
exits 0 "mkdir" "${me[@]}" fsop mkdir "$home/tree/dir"
equal "it belongs to the user" "$uid" "$(stat -c %u "$home/tree/dir")"
exits 0 "truncate" "${me[@]}" fsop truncate -s 1M "$home/tree/file"
exits 0 "fallocate" "${me[@]}" fsop fallocate -l 2M "$home/tree/file"
exits 0 "stat" "${me[@]}" fsop --json stat "$home/tree/file"
contains "its size" 2097152 "$output"
for i in $(seq 300); do echo "mkdir $home/tree/dir/$i"; done | "${me[@]}" fsop batch --parallel - && ok "a batch" || fail "a batch"
equal "all of it" 300 "$(find "$home/tree/dir" -mindepth 1 | wc -l)"
exits 0 "a copy job" "${me[@]}" fsop cp -a -T "$home/tree/dir" "$home/tree/copied"
equal "all of it, too" 300 "$(find "$home/tree/copied" -mindepth 1 | wc -l)"
exits 0 "its jobs" "${me[@]}" fsop job list
contains "its jobs" copied "$output"
[ -n "$(find "$home/state" -name 'jobs.sqlite')" ] && ok "are kept in its own place" || fail "are kept in its own place"
exits 3 "what the user may not, the service may not" "${me[@]}" fsop chown 0:0 "$home/tree/file"
exits 0 "what the user may: chown to itself" "${me[@]}" fsop chown "$uid" "$home/tree/file"
stop_daemon
finish
