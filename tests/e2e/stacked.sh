#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# stacked.sh: a handle that was opened below a passed descriptor lies, like that, on mounts that the client may have made itself: what
# is asked by it does not run on the loop.
# shellcheck source=tests/support/lib.sh
. "$(dirname "$0")/../support/lib.sh"
# shellcheck source=tests/support/fuse.sh
. "$(dirname "$0")/../support/fuse.sh"
helper stacked
install -d -o $nobody_uid -g $nobody_gid "$scratch/data/own"
start_daemon

fuse_for_all
mkfifo "$scratch/said"
"${nobody[@]}" "$bin/stacked" "$socket" "$scratch/data/own" >"$scratch/said" 2>&1 &
children+=($!)
read -r -t 300 said <"$scratch/said"
fuse_as_before
case $said in SKIP*) skip_all "${said#SKIP: }" ;; esac
equal "its server is asked" asked "$said"
exits 0 "ping is answered meanwhile" timeout -s KILL 60 fsop ping
exits 0 "and others are" timeout -s KILL 60 fsop stat "$scratch"
kill -KILL "${children[@]}" # its server goes, and the operation ends
finish
