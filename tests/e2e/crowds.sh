#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# crowds.sh: ten thousand idle connections, a thousand that never say Hello, a thousand that do not read, and more than there are
# descriptors: others are served meanwhile, the log stays short, and afterwards all is as before. And two users who share the daemon.
# alone
# shellcheck source=tests/support/lib.sh
. "$(dirname "$0")/../support/lib.sh"
need_root
helper crowd
many=10000 some=1000
[ -z "${FSOP_SANITIZE:-}" ] || many=1000 some=200
write_config "limits:" "  connections: 12000" "  connections-per-uid: 11000" "  bytes-per-uid: 16M"
start_daemon

mkfifo "$scratch/said" "$scratch/end"
# crowd_begins UID MODE N: $said is its first line; it stays until crowd_ends
crowd_begins() {
        setpriv --reuid="$1" --regid="$1" --clear-groups --inh-caps=-all -- \
                "$bin/crowd" "$2" "$socket" "$3" <"$scratch/end" >"$scratch/said" &
        crowd=$!
        children+=("$crowd")
        exec 8>"$scratch/end" 9<"$scratch/said"
        read -r said <&9
}
crowd_ends() {
        exec 8>&-
        wait "$crowd"
        exec 9<&-
}
others_are_served() {
        exits 0 "$1: another user is served" as_user 12345 12345 - fsop stat /
        exits 0 "$1: and root" fsop ping
}
connections_are() { [ "$(counter connections)" = "$1" ]; }
descriptors_are() { [ "$(daemon_fds)" -le "$1" ]; }
new_lines() { tail -n "+$((lines + 1))" "$daemon_log"; }
mark() { lines=$(wc -l <"$daemon_log"); }

others_are_served "before"
fds_before=$(daemon_fds) rss_before=$(daemon_rss_kb)

# ---- idle ------------------------------------------------------------------------------------------------------------
room=$(sed -n 's/^Max open files *\([0-9]*\) .*/\1/p' "/proc/$(serving_pid)/limits")
if [ "$room" -lt $((many + 200)) ]; then
        skip "$many idle connections: the daemon may have only $room descriptors here"
else
        ok "the daemon raised its limit of descriptors to $room"
        crowd_begins $nobody_uid idle $many
        equal "$many idle connections" "$many welcome, 0 refused" "$said"
        others_are_served "$many idle connections"
        equal "status counts them, of that user" $many "$(counter "uid-$nobody_uid-connections")"
        each=$((($(daemon_rss_kb) - rss_before) * 1024 / many))
        if [ -n "${FSOP_SANITIZE:-}" ]; then
                echo "memory is measured in the plain build: $each bytes a connection"
        else
                [ $each -le 16384 ] && ok "each takes no more than 16 KiB: $each bytes" || fail "each takes $each bytes"
        fi
        crowd_ends
        wait_until "they are gone" connections_are 1 && ok "they are gone" || fail "they are gone" "$(counter connections) left"
        wait_until "their descriptors are closed" descriptors_are $((fds_before + 4)) && ok "their descriptors are closed" ||
                fail "their descriptors are closed" "$(daemon_fds), $fds_before before"
fi

# ---- stalled handshakes ------------------------------------------------------------------------------------------------
mark
crowd_begins $nobody_uid stall $some
equal "handshakes stall" stalling "$said"
others_are_served "$some stalled handshakes"
read -r said <&9
contains "all are closed" "$some closed" "$said"
# What a busy machine makes of it is later, never sooner.
first=${said##* } first=${first%.*}
[ "$first" -ge 3 ] && ok "when their five seconds are over: $said" || fail "when their five seconds are over" "$said"
crowd_ends
# ten in ten seconds
[ "$(new_lines | grep -c "no Hello within")" -le $((some / 4)) ] && ok "the log tells of some" || fail "the log tells of some" "$(new_lines | tail)"
log_counts() { new_lines | grep -q "further sessions were closed"; }
[ $some -le 10 ] || { wait_until "the log counts the others" log_counts && ok "the log counts the others" || fail "the log counts the others" "$(new_lines)"; }

# ---- slow readers ------------------------------------------------------------------------------------------------------
crowd_begins $nobody_uid slow $some
equal "$some clients ask and do not read" "$some asked" "$said"
others_are_served "$some slow readers"
if [ -z "${FSOP_SANITIZE:-}" ]; then
        grown=$(($(daemon_rss_kb) - rss_before))
        [ $grown -le 131072 ] && ok "they take $grown kB of the daemon" || fail "they take $grown kB of the daemon"
fi
echo go >&8
read -r said <&9
equal "all are answered when they read" "$some answered" "$said"
crowd_ends
wait_until "they are gone" connections_are 1 && ok "they are gone" || fail "they are gone" "$(counter connections) left"
wait_until "their descriptors are closed" descriptors_are $((fds_before + 4)) && ok "their descriptors are closed" ||
        fail "their descriptors are closed" "$(daemon_fds), $fds_before before"

# ---- more than there are descriptors -------------------------------------------------------------------------------------
# The daemon's own limit is computed at its start; from here on there are fewer.
# prlimit is refused while the loop wears somebody's identity; root's ping takes it off.
few_descriptors() { "$bin/fsop" ping >/dev/null && prlimit --pid "$(serving_pid)" --nofile="$1:"; }
mark
limit=$(($(daemon_fds) + 64 + 100))
few_descriptors $limit || fail "prlimit"
crowd_begins $nobody_uid idle 300
contains "some are welcome" welcome "$said"
lacks "but not all" " 0 refused" "$said"
echo "with $limit descriptors: $said"
others=0
for _ in 1 2 3 4 5 6 7 8 9 10; do as_user 12345 12345 - fsop stat / >/dev/null 2>&1 && others=$((others + 1)); done
equal "short of descriptors, a new connection is refused" 0 "$others"
contains "the log says what was refused" "was refused: the process is short of descriptors (EMFILE)" "$(new_lines)"
[ "$(new_lines | grep -c "short of descriptors")" -le 60 ] && ok "but not each time" || fail "but not each time" "$(new_lines | wc -l) lines"
crowd_ends
recovers() { as_user 12345 12345 - fsop stat / >/dev/null 2>&1; }
wait_until "it recovers" recovers && ok "it recovers" || fail "it recovers"
# Not one left: what fails must neither spin nor lose the listening socket.
mark
few_descriptors 3 || fail "prlimit"
timeout 3 "$bin/fsop" ping >/dev/null 2>&1 && fail "nobody can connect" || ok "nobody can connect"
ticks() { awk '{ print $14 + $15 }' "/proc/$(serving_pid)/stat"; }
before=$(ticks)
timeout 2 "$bin/fsop" ping >/dev/null 2>&1
used=$(($(ticks) - before))
[ $used -le 100 ] && ok "the daemon does not spin: $used ticks in 2 s" || fail "the daemon does not spin" "$used ticks in 2 s"
# A ring keeps to the limit of when it was told to accept, so there they are refused a moment later.
says_so() { new_lines | grep -Eq "could not be accepted|further connections were refused|short of descriptors"; }
wait_until "the log says so" says_so && ok "the log says so" || fail "the log says so" "$(new_lines)"
prlimit --pid "$(serving_pid)" --nofile="$limit:" || fail "prlimit"
wait_until "it recovers" recovers && ok "it recovers from that, too" || fail "it recovers from that, too"

# ---- two users ---------------------------------------------------------------------------------------------------------
# A batch is 1,024 operations, and there are 24 of them. What a turn lets through is 128.
exits 0 "a greedy and a small client" "$bin/crowd" share "$socket" 12346 12345
echo "operations of the greedy one between two answers to the small one: $output"
least=${output#least } least=${least%%,*}
[ "$least" -le 512 ] && ok "the small one waits for no more than a few turns" || fail "the small one waits for no more than a few turns" "$output"
finish
