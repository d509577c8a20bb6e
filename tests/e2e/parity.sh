#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# parity.sh: a generated matrix, done by a user itself and through the daemon as caller: no difference.
# shellcheck source=tests/support/lib.sh
. "$(dirname "$0")/../support/lib.sh"
need_root
helper parity

type=xfs
[ "$FSOP_TEST_ENGINE" != threads ] || type=btrfs # another filesystem with each engine
every=1
[ -z "${FSOP_SANITIZE:-}" ] || every=7
loop_mount $type "$scratch/data/fs" 2G || skip_all "needs a filesystem with ACLs of its own"
start_daemon
exits 0 "caller is what the kernel gives that user ($type)" "$bin/parity" "$socket" "$scratch/data/fs" $every
echo "$output"
finish
