#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# frames.sh: bad frames are answered with a clear error, and leave nothing behind.
# shellcheck source=tests/support/lib.sh
. "$(dirname "$0")/../support/lib.sh"
need_root
helper frames
start_daemon
fds=$(daemon_fds)
mkdir -p "$scratch/data/many"
for i in $(seq 300); do : >"$scratch/data/many/$(printf '%060d' "$i")"; done
exits 0 "bad frames" as_nobody frames "$socket" "$scratch/data/many"
echo "$output"
back_to_before() { [ "$(daemon_fds)" -le "$fds" ]; }
wait_until "descriptors are given back" back_to_before && ok "no more descriptors than before" ||
        fail "no more descriptors than before" "$(daemon_fds), $fds before"
exits 0 "the daemon still serves" as_nobody fsop ping
finish
