#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# linger.sh: descriptors that take very long to be closed: the loop does not close them, and nobody waits but their user.
# shellcheck source=tests/support/lib.sh
. "$(dirname "$0")/../support/lib.sh"
need_root
helper linger
write_config "limits: {connections-per-uid: 2}"
start_daemon
mkfifo "$scratch/said"

linger() { # ARGUMENT: what it says is in $said
        "${nobody[@]}" "$bin/linger" "$socket" "$1" >"$scratch/said" 2>&1 &
        children+=($!)
        read -r -t 300 said <"$scratch/said"
}
answered() { exits 0 "$1" timeout -s KILL 60 "$bin/fsop" ping; }

linger urgent
case $said in
SKIP*) skip "${said#SKIP: }" ;;
*)
        equal "one is sent as urgent data" sent "$said"
        answered "ping is answered"
        answered "and again"
        ;;
esac
kill -KILL "${children[@]}" 2>/dev/null # whoever closes it need not wait any more

# In the queues of connections that are one too many, before the daemon has seen these.
stopped() { grep -q '^State:[[:space:]]*T' "/proc/$(serving_pid)/status"; }
kill -STOP "$(serving_pid)"
wait_until "it is stopped" stopped || fail "it is stopped"
linger 40
kill -CONT "$(serving_pid)"
equal "they are sent" sent "$said"
answered "ping is answered meanwhile"
refused() { [ "$(grep -c "refused" "$daemon_log")" -ge 10 ]; }
wait_until "they are refused" refused && ok "they are refused" || fail "they are refused"
before=$(daemon_fds)
for _ in {1..40}; do as_user 12345 12345 - fsop ping >/dev/null || fail "ping of another user"; done
closed() { [ "$(daemon_fds)" -le $((before + 8)) ]; }
wait_until "others' connections are closed" closed && ok "others' connections are closed" ||
        fail "others' connections are closed" "$before descriptors before, $(daemon_fds) now"
kill -KILL "${children[@]}" 2>/dev/null
finish
