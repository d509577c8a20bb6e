#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# build: plain, # gcov: last
# nomemory.sh: the command line with each of its allocations failing in turn: it never crashes, it never claims to have
# done what it has not, and it says why it fails.
# shellcheck source=tests/support/lib.sh
. "$(dirname "$0")/../support/lib.sh" || exit 1
need_root
need_engine
preload=$(find "$FSOP_BUILD_DIR/tests" -name '*failalloc.so' | head -n 1)
[ -n "$preload" ] || skip_all "this C library has no allocator that can be wrapped"

data=$scratch/data
mkdir -p "$data/tree"
chmod 755 "$data" "$data/tree"
standard_policy "$data"
start_daemon

# fails_well WHAT CHECK COMMAND…: with the first allocation failing, the second, …; CHECK tells by what is there and by $said
# whether it was done
fails_well() {
        local what=$1 check=$2 n status hit bad=0 failed=0
        shift 2
        for ((n = 1; n < 3000 && bad < 5; n++)); do
                prepare
                status=0
                said=$(FAIL_ALLOC_AT=$n FAIL_ALLOC_FD=9 LD_PRELOAD=$preload "$@" 9>"$scratch/hit" 2>"$scratch/errors") || status=$?
                hit=$(cat "$scratch/hit")
                if [ "$status" -ge 124 ]; then
                        fail "$what, allocation $n: it ended with status $status" "$(cat "$scratch/errors")"
                        bad=$((bad + 1))
                elif [ "$status" != 0 ] && [ ! -s "$scratch/errors" ] && [ -z "$said" ]; then
                        fail "$what, allocation $n: it fails and does not say why"
                        bad=$((bad + 1))
                elif [ "$status" = 0 ] && ! $check; then
                        fail "$what, allocation $n: says that it is done, and is not" "$said"
                        bad=$((bad + 1))
                fi
                [ "$status" = 0 ] || failed=$((failed + 1))
                [ "$hit" = y ] || break
        done
        [ "$failed" -gt 2 ] || fail "$what: hardly anything failed"
        [ $bad -gt 0 ] || ok "$what: $((n - 1)) allocations, it failed $failed times"
}

tree=$data/tree
prepare() {
        rm -rf "${tree:?}"/*
        echo text >"$tree/file"
        ln -s file "$tree/link"
        mkdir -p "$tree/full/deep"
        echo text >"$tree/full/deep/file"
}
made() { [ -d "$tree/a/b/c" ]; }
removed() { [ ! -e "$tree/full" ]; }
moved() { [ -f "$tree/moved" ] && [ ! -e "$tree/file" ]; }
owned() { [ "$(stat -c %u "$tree/full/deep/file")" = 65534 ]; }
copied() { cmp -s "$tree/file" "$tree/copy"; }
told() { [[ $said == *file* ]]; }
told_json() { [[ $said == *'"ok":true'* ]]; }
listed() { [[ $said == *file*full*"link -> file"* ]]; }
completed() { [ "$said" = "$completion" ]; }
completion=$(fsop completion bash)
batched() { [ -d "$tree/one" ] && [ -d "$tree/two" ]; }
printf 'mkdir %s/one\nmkdir %s/two\n' "$tree" "$tree" >"$data/batch"

fails_well "ping" true fsop ping
fails_well "stat" told fsop stat "$tree/file" "$tree/link"
fails_well "stat --json" told_json fsop --json stat "$tree/file"
fails_well "ls -l" listed fsop ls -l "$tree"
fails_well "mkdir -p" made fsop mkdir -p "$tree/a/b/c"
fails_well "rm -r" removed fsop rm -r "$tree/full"
fails_well "mv" moved fsop mv "$tree/file" "$tree/moved"
fails_well "chown -R" owned fsop chown -R nobody "$tree/full"
fails_well "cp" copied fsop cp "$tree/file" "$tree/copy"
fails_well "batch" batched fsop batch "$data/batch"
fails_well "explain" true fsop explain chown nobody "$tree/file"
fails_well "readlink" told fsop readlink "$tree/link"
fails_well "completion" completed fsop completion bash
exits 0 "the daemon serves" fsop ping
finish
