#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# frames.sh: bad frames are answered with a clear error, and leave nothing behind.
# shellcheck source=tests/support/lib.sh
. "$(dirname "$0")/../support/lib.sh"
need_root
helper frames
start_daemon
fds=$(daemon_fds)
exits 0 "bad frames" as_nobody frames "$socket"
echo "$output"
back_to_before() { [ "$(daemon_fds)" -le "$fds" ]; }
wait_until "descriptors are given back" back_to_before && ok "no more descriptors than before" ||
        fail "no more descriptors than before" "$(daemon_fds), $fds before"
exits 0 "the daemon still serves" as_nobody fsop ping
finish
