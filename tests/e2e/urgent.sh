#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# urgent.sh: a descriptor that takes very long to be closed, sent as urgent data: the loop does not close it.
# shellcheck source=tests/support/lib.sh
. "$(dirname "$0")/../support/lib.sh"
need_root
helper urgent
start_daemon

mkfifo "$scratch/said"
"${nobody[@]}" "$bin/urgent" "$socket" >"$scratch/said" 2>&1 &
children+=($!)
read -r said <"$scratch/said"
case $said in SKIP*) skip_all "${said#SKIP: }" ;; esac
equal "it is sent" sent "$said"
exits 0 "ping is answered meanwhile" timeout -s KILL 20 fsop ping
exits 0 "and again" timeout -s KILL 20 fsop ping
kill -KILL "${children[@]}" # whoever closes it need not wait any more
finish
