#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# example.sh: the example programs, built against the shared library as a stranger would, do what they say.
# shellcheck source=tests/support/lib.sh
. "$(dirname "$0")/../support/lib.sh"
need_root
tree=$scratch/data/tree
mkdir -p "$tree"
standard_policy "$tree"
start_daemon
install -m 644 "$FSOP_BUILD_DIR/libfsop.so.1" "$bin/libfsop.so.1"
ran=0
for program in "$FSOP_BUILD_DIR"/tests/example-*; do
        [ -x "$program" ] && [ -f "$program" ] || continue
        name=${program##*/example-}
        install -m 755 "$program" "$bin/example"
        mkdir "$tree/$name"
        chown $nobody_uid:$nobody_gid "$tree/$name"
        exits 0 "example $name" as_nobody env LD_LIBRARY_PATH="$bin" "$bin/example" "$tree/$name"
        echo "$output" | head -20
        ran=$((ran + 1))
done
[ "$ran" -gt 0 ] && ok "$ran example(s) ran" || fail "there is an example to run"
finish
