#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# inject.sh: system calls of the real daemon fail, one after the other and at random (inject.c).
#
# FSOP_TEST_FAULTS: how many calls of each kind fail in turn (12); FSOP_TEST_SEED: of the random part.
# shellcheck source=tests/support/lib.sh
. "$(dirname "$0")/../support/lib.sh" || exit 1
need_root
need_engine
helper inject

: "${FSOP_TEST_FAULTS:=12}" "${FSOP_TEST_SEED:=4711}"
case $FSOP_SANITIZE in ?*) export FSOP_SANITIZED=1 ;; esac
loop_mount xfs "$scratch/data" 512M || true # else where /run is, where nothing can be cloned
data=$scratch/data
mkdir -p "$data"/{tree,mine,others}
chown nobody "$data/mine"
echo secret >"$data/others/secret"
chmod 600 "$data/others/secret"
write_config
write_policy inject <<POLICY
rules:
  - name: tree
    effect: allow
    user: [nobody]
    path: $data/tree
    ops: [all, open-fd]
    chown-to: ["nobody:*"]
    xattrs: ["user.*"]
POLICY

inject() { exits 0 "$1" "$bin/inject" "$data" "$socket" "$nobody_uid" "${@:2}" "$bin/fsopd" --config "$scratch/etc/fsopd.yaml" --engine "$FSOP_TEST_ENGINE"; printf '%s\n' "$output" | tail -n 100; }

"$bin/inject" "$data" "$socket" "$nobody_uid" random 1 0 "$bin/fsopd" --config "$scratch/etc/fsopd.yaml" --engine "$FSOP_TEST_ENGINE" >/dev/null
[ $? != 77 ] || skip_all "seccomp does not hand system calls to a supervisor here"
inject "each call fails once" each 1 $((FSOP_TEST_FAULTS + 1))
inject "calls fail at random" random "$FSOP_TEST_SEED" 100
inject "calls fail while it starts" start 3
finish
