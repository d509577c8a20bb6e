#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# lifecycle.sh: starting, being told to end, clients that vanish, a second daemon.
# shellcheck source=tests/support/lib.sh
. "$(dirname "$0")/../support/lib.sh"
need_root
helper drain
helper hold

tree=$scratch/data/tree
mkdir -p "$tree"
chown $nobody_uid "$tree"
standard_policy "$tree"
start_daemon

# A second daemon on the same socket is refused and disturbs nothing.
status=0
"$bin/fsopd" --config "$scratch/etc/fsopd.yaml" >"$scratch/second" 2>&1 </dev/null || status=$?
[ "$status" != 0 ] && ok "a second daemon is refused" || fail "a second daemon is refused"
contains "it says where" "$socket" "$(cat "$scratch/second")"
lacks "the audit does not say that the service has stopped" '"event":"stop"' "$(cat "$audit")"
exits 0 "the first still serves" as_nobody fsop ping

# A client that is killed: its handles are closed. (A rule's directory stays open for a while: it is used before we count.)
as_nobody fsop stat "$tree" >/dev/null
fds=$(daemon_fds)
mkfifo "$scratch/said"
"${nobody[@]}" "$bin/hold" "$socket" "$tree" 45 >"$scratch/said" &
holder=$!
children+=("$holder")
read -r -t 300 said <"$scratch/said"
equal "the client holds its handles" holding "$said"
# (80 of 90: connections that have ended may have been among those before.)
[ "$(daemon_fds)" -ge $((fds + 80)) ] && ok "the daemon keeps them open" || fail "the daemon keeps them open" "$(daemon_fds)"
kill -KILL "$holder"
wait "$holder" 2>/dev/null
back_to_before() { [ "$(daemon_fds)" -le "$fds" ]; }
wait_until "its handles are closed" back_to_before && ok "its handles are closed" || fail "its handles are closed" "$(daemon_fds), $fds before"

# Many clients, one after the other: nothing is left of them.
for _ in $(seq 100); do as_nobody fsop stat "$tree" >/dev/null; done
wait_until "their descriptors are closed" back_to_before && ok "after a hundred clients, no more descriptors" ||
        fail "after a hundred clients, no more descriptors" "$(daemon_fds), $fds before"

# TERM while operations are in flight.
exits 0 "TERM finishes what is in flight" drain "$socket" "$tree" "$daemon_pid"
echo "$output"
stop_daemon
[ ! -e "$socket" ] && ok "the socket is gone" || fail "the socket is gone"
exits 4 "without a daemon" as_nobody fsop ping

# A dead socket of a daemon that was killed does not keep the next one from starting.
start_daemon
serving=$(serving_pid)
kill -KILL "$daemon_pid"
wait "$daemon_pid" 2>/dev/null
wait_until "the service goes with its keeper" gone "$serving" || fail "the service goes with its keeper"
[ -e "$socket" ] && ok "a killed daemon leaves its socket" || fail "a killed daemon leaves its socket"
start_daemon
exits 0 "the next one starts" as_nobody fsop ping

# INT does as TERM does.
kill -INT "$daemon_pid"
wait_until "INT ends it" gone "$daemon_pid"
stop_daemon

# Whoever is impatient says so again and again, also when there is nothing left to be told.
for _ in {1..20}; do
        start_daemon
        while kill -TERM "$daemon_pid" 2>/dev/null; do :; done
        stop_daemon
done

# Started without standard streams it opens none of its files in their place: messages would be written there.
"$bin/fsopd" --config "$scratch/etc/fsopd.yaml" --engine "$FSOP_TEST_ENGINE" <&- >&- 2>&- &
daemon_pid=$!
wait_until "the daemon answers" daemon_answers
equal "closed standard streams stay nobody's" "/dev/null /dev/null /dev/null" "$(readlink "/proc/$daemon_pid/fd/"{0,1,2} | xargs)"
stop_daemon

exits 0 "--version" "$bin/fsopd" --version
exits 2 "an unknown option" "$bin/fsopd" --no-such-option
exits 2 "an unknown engine" "$bin/fsopd" --engine steam --socket "$scratch/run/x"
finish
