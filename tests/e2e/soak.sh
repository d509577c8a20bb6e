#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# soak.sh: 64 clients of four users change files, and are killed at random, while rules are reloaded and the daemon is ended and killed.
# Everything acknowledged is there, everything else is absent or whole, and nothing is leaked.
# alone
# FSOP_TEST_SOAK=600 goes on for ten minutes; else 60 s, 20 with sanitizers.
# shellcheck source=tests/support/lib.sh
. "$(dirname "$0")/../support/lib.sh"
need_root
need_command jq jq
helper soak

seconds=${FSOP_TEST_SOAK:-$([ -n "${FSOP_SANITIZE:-}" ] && echo 20 || echo 60)}
# Users whose group has the number of the user.
users=(nobody daemon bin sys)
uids=()
for user in "${users[@]}"; do uids+=("$(id -u "$user" 2>/dev/null)") || skip_all "needs the user $user"; done

tree=$scratch/data/tree
ledgers=$scratch/ledgers
mkdir -m 700 "$ledgers"
# Ten minutes fill more than 2 GiB, and jobs wait for ever for room.
size=$((2 + seconds / 20))G
loop_mount xfs "$scratch/data" "$size" >/dev/null || loop_mount ext4 "$scratch/data" "$size" || true
mkdir -p "$tree"

# Two policies that differ in what they let be done with somebody else's file, and one that is none.
policy() { # OPS
        cat <<POLICY | write_policy soak
rules:
  - name: soak
    effect: allow
    user: [nobody, daemon, bin, sys]
    path: $tree
    ops: $1
    chown-to: ["nobody:*", "daemon:*", "bin:*", "sys:*", "2000-2999:*"]
POLICY
}
wide() { policy all; }
narrow() { policy '[chown, fallocate, truncate, copy, copy-range, files, links, directories, mknod, stat, utimens]'; }
# A machine that is busy with other things may let the daemon miss a greeting: again, then.
try_reload() { fsop policy reload >"$scratch/reloaded" 2>&1; }
reload() { wait_until "a reload" try_reload || die "a reload: $(cat "$scratch/reloaded")"; }
reload_something() {
        case $((RANDOM % 3)) in
        0)
                printf 'rules:\n  - name: broken\n' | write_policy soak
                ! fsop policy reload >/dev/null 2>&1 || die "a broken policy is refused"
                wide
                ;;
        1) narrow ;;
        2) wide ;;
        esac
        reload
}
# Jobs that have ended are remembered for days, which looks like a leak.
forget_jobs() {
        local ids
        mapfile -t ids < <(fsop --json job list --all | jq -r 'select(.state == "done") | .job')
        [ ${#ids[@]} -eq 0 ] || fsop job forget "${ids[@]}" >/dev/null 2>&1
}
reload_and_forget() {
        reload_something
        forget_jobs
}
restart() {
        local serving
        if [ $((RANDOM % 2)) = 0 ]; then
                stop_daemon >"$scratch/stopped"
                grep -v '^ok:' "$scratch/stopped"
        else
                serving=$(serving_pid)
                kill -KILL "$serving" "$daemon_pid" 2>/dev/null
                wait "$daemon_pid" 2>/dev/null
                wait_until "the killed daemon is gone" gone "$serving" || die "the killed daemon is gone"
                kills=$((kills + 1))
        fi
        start_daemon
        restarts=$((restarts + 1))
}

# drive SECONDS COMMAND…: clients at work; every second or so the command
drive() { # at the back of the queue: other tests run beside this one
        local end=$((SECONDS + $1)) log=$scratch/driven
        nice -n 10 "$bin/soak" drive "$socket" "$tree" "$ledgers" "$1" "${uids[@]}" >"$log" 2>&1 &
        local driver=$!
        children+=("$driver")
        shift
        while kill -0 "$driver" 2>/dev/null && [ $SECONDS -lt $end ]; do
                sleep 0.$((RANDOM % 9 + 1))
                "$@"
        done
        wait "$driver"
        equal "the clients" 0 $?
        children=()
        cat "$log"
}
counter() { fsop --json status | jq -r ".counters.$1"; }
# Judged by what jq prints: when there is nothing to read, jq 1.6 exits with 0 whatever -e is to say.
jobs_over() {
        local list
        list=$(fsop --json job list --all) || return
        [ -z "$(jq -r 'select(.state) | select(.state | IN("done", "failed", "cancelled") | not) | .job' <<<"$list")" ]
}
at_rest() { [ "$(counter connections)" = 1 ] && jobs_over; }
# The same state each time: no client, no job, and a rule's directory open, as it stays for a while after its use.
come_to_rest() {
        wide
        reload
        wait_until "all is over" at_rest || fail "all is over" "$(fsop status; fsop job list --all | head)"
        forget_jobs || fail "jobs are forgotten"
        as_nobody fsop --as elevated stat "$tree/c0" >/dev/null || fail "the rule is used"
        sleep 2
}

wide
write_config "log-level: info"
start_daemon
restarts=0 kills=0

# Where all is slow or chance will have it so, once more.
for ((i = 0; i < 5 && (kills == 0 || restarts == kills); i++)); do drive $((seconds * 2 / 5)) restart; done
ok "$restarts restarts, $kills of them by KILL"
[ "$kills" -gt 0 ] && [ "$restarts" -gt "$kills" ] || fail "the daemon was ended and killed"
wide
reload

# One daemon, warm: what it has now it must not exceed.
drive $((seconds / 5)) reload_and_forget
come_to_rest
fds=$(daemon_fds) rss=$(daemon_rss_kb)
drive $((seconds * 2 / 5)) reload_and_forget
come_to_rest
no_more_fds() { [ "$(daemon_fds)" -le "$fds" ]; } # what was closed before the first count may be so later now
wait_until "no more descriptors" no_more_fds
fds_after=$(daemon_fds) rss_after=$(daemon_rss_kb)
echo "descriptors: $fds, then $fds_after; VmRSS: $rss kB, then $rss_after kB"
[ "$fds_after" -le "$fds" ] && ok "no descriptor is lost" || fail "no descriptor is lost" "$(ls -l "/proc/$(serving_pid)/fd")"
# A sanitizer keeps what is freed.
[ -n "${FSOP_SANITIZE:-}" ] || { [ "$rss_after" -le $((rss + rss / 10 + 1024)) ] && ok "no memory is lost"; } || fail "no memory is lost"
equal "jobs that failed" "" "$(fsop --json job list --all | jq -c 'select(.state == "failed")' | head -n 3)"
stop_daemon
exits 0 "what was acknowledged is there, and nothing is half" "$bin/soak" judge "$tree" "$ledgers" "${uids[@]}"
echo "$output"
find "$tree" -type f -exec chmod 1777 {} + -quit
exits 1 "the judge sees what is not so" "$bin/soak" judge "$tree" "$ledgers" "${uids[@]}"
equal "errors in the log" "" "$(grep -E '^<[0-3]>|\berror\b' "$daemon_log" | grep -v 'policy' | head -n 5)"
finish
