#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# hoard.sh: what a user's connections make the daemon hold counts against that user's budget, however many connections there are.
# shellcheck source=tests/support/lib.sh
. "$(dirname "$0")/../support/lib.sh"
need_root
helper hoard
helper flood
mounted -t tmpfs -o size=256M,mode=777 hoard "$scratch/data" || skip_all "needs to mount a tmpfs"
head -c 600000 /dev/zero >"$scratch/data/large"
truncate -s 4T "$scratch/data/sparse"
touch "$scratch/data/target"
chmod 666 "$scratch/data"/*
write_config "limits: {bytes-per-uid: 16M}"
start_daemon
for _ in 1 2 3 4 5; do as_nobody fsop stat / >/dev/null; done
before=$(daemon_rss_kb)
mkfifo "$scratch/said" "$scratch/end" "$scratch/stay"
# A connection that stays: as long as there is one, the user's account is not forgotten.
"${nobody[@]}" "$bin/flood" "$socket" 1 / <"$scratch/stay" >/dev/null &
children+=($!)
exec 7>"$scratch/stay"
"${nobody[@]}" "$bin/hoard" "$socket" 40 "$scratch/data/large" "$scratch/data/sparse" "$scratch/data/target" \
        <"$scratch/end" >"$scratch/said" &
children+=($!)
exec 8>"$scratch/end"
read -r said <"$scratch/said"
equal "all is asked for" hoarding "$said"
during=$(daemon_rss_kb)
exits 0 "others are served meanwhile" as_user 12345 12345 - fsop ls /
if [ -n "${FSOP_SANITIZE:-}" ]; then
        skip "memory is not measured under a sanitizer, which keeps what was freed"
else
        echo "VmRSS: $before kB before, $during kB during"
        [ $((during - before)) -le 49152 ] && ok "it grew by little more than the budget" ||
                fail "it grew by little more than the budget" "$((during - before)) kB"
fi
exec 8>&-
wait "${children[1]}" 2>/dev/null
# Handles of connections that are gone are given back.
handles() { counter "uid-$nobody_uid-handles"; }
none_held() { [ "$(handles)" = 0 ]; }
wait_until "the handles are given back" none_held && ok "the handles are given back" || fail "the handles are given back" "$(handles)"
exec 7>&-
# Whoever waits for a turn is not read from without end.
helper storm
echo 5 >"/proc/$(serving_pid)/clear_refs"
exits 0 "many connections send as fast as they can" "${nobody[@]}" "$bin/storm" "$socket" 190 3
if [ -z "${FSOP_SANITIZE:-}" ]; then
        peak=$(sed -n "s/^VmHWM:[[:space:]]*\([0-9]*\).*/\1/p" "/proc/$(serving_pid)/status")
        echo "VmHWM: $peak kB, $output"
        [ "$peak" -le 524288 ] && ok "little of it is kept" || fail "little of it is kept" "$peak kB"
fi
finish
