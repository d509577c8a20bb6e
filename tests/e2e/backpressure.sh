#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# backpressure.sh: a client that asks and never reads is held back, not stored.
# shellcheck source=tests/support/lib.sh
. "$(dirname "$0")/../support/lib.sh"
need_root
helper flood
start_daemon
for _ in 1 2 3 4 5; do as_nobody fsop stat / >/dev/null; done
before=$(daemon_rss_kb)
mkfifo "$scratch/said" "$scratch/end"
"${nobody[@]}" "$bin/flood" "$socket" 1000000 / <"$scratch/end" >"$scratch/said" &
children+=($!)
exec 8>"$scratch/end"
read -r said <"$scratch/said"
echo "flood: $said"
contains "the client is held back" "held back" "$said"
during=$(daemon_rss_kb)
exits 0 "others are served meanwhile" as_nobody fsop stat /
exits 0 "root too" fsop ping
if [ -n "${FSOP_SANITIZE:-}" ]; then
        echo "memory is measured in the plain build: a sanitizer keeps what was freed"
else
        echo "VmRSS: $before kB before, $during kB during"
        [ $((during - before)) -le 2048 ] && ok "it grew by no more than 2 MiB" || fail "it grew by no more than 2 MiB" "$((during - before)) kB"
fi
exec 8>&-
finish
