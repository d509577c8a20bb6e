#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# gcov: last
# inject.sh: system calls of the real daemon fail, one after the other and at random (inject/main.c).
#
# FSOP_TEST_FAULTS: how many calls of each kind fail in turn (12, with sanitizers 4); FSOP_TEST_SEED: of the random part.
# shellcheck source=tests/support/lib.sh
. "$(dirname "$0")/../support/lib.sh" || exit 1
need_root
need_engine
helper inject

case ${FSOP_SANITIZE:-} in
?*)
        export FSOP_SANITIZED=1
        : "${FSOP_TEST_FAULTS:=4}"
        ;;
esac
: "${FSOP_TEST_FAULTS:=12}" "${FSOP_TEST_SEED:=4711}"

# place DIRECTORY: what the program works on
place() {
        mkdir -p "$1"/{tree,mine,others}
        chmod 755 "$1"
        chown nobody "$1/mine"
        echo secret >"$1/others/secret"
        chmod 600 "$1/others/secret"
}

# inject WHAT DIRECTORY ARGUMENT…
inject() {
        local directory=$2
        exits 0 "$1" "$bin/inject" "$directory" "$socket" "$nobody_uid" "${@:3}" "$bin/fsopd" --config "$scratch/etc/fsopd.yaml" \
                --engine "$FSOP_TEST_ENGINE"
        printf '%s\n' "$output" | grep -v ': 0 calls$'
}

place "$scratch/data" # where nothing can be cloned
write_config
write_policy inject <<POLICY
rules:
  - name: tree
    effect: allow
    user: [nobody]
    path: [$scratch/data/tree, $scratch/xfs/tree]
    ops: [all, open-fd]
    chown-to: ["nobody:*"]
    xattrs: ["user.*"]
POLICY

"$bin/inject" "$scratch/data" "$socket" "$nobody_uid" random 1 0 "$bin/fsopd" --config "$scratch/etc/fsopd.yaml" --engine "$FSOP_TEST_ENGINE"
[ $? != 77 ] || skip_all "seccomp does not hand system calls to a supervisor here"
inject "calls fail at random" "$scratch/data" random "$FSOP_TEST_SEED" 60
inject "calls fail while it starts" "$scratch/data" start 3
if loop_mount xfs "$scratch/xfs"; then
        place "$scratch/xfs"
        inject "each call fails once" "$scratch/xfs" each 1 $((FSOP_TEST_FAULTS + 1))
        inject "calls fail at random on XFS" "$scratch/xfs" random $((FSOP_TEST_SEED + 1)) 40
fi
inject "each call fails once, where nothing can be cloned" "$scratch/data" each 1 $((FSOP_TEST_FAULTS / 2 + 1))
finish
