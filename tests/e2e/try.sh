#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# engine: none
# try.sh: the newcomer's script, as root and as an ordinary user; neither leaves anything behind.
# shellcheck source=tests/support/lib.sh
. "$(dirname "$0")/../support/lib.sh"
# Others may be trying at the same time: what is looked at is what it says it used, and where alone it makes temporary files.
install -d -m 1777 "$images/tmp"
export TMPDIR=$images/tmp
leaves_nothing() {
        local place
        place=$(sed -n 's/.* everything in \([^ ]*\) is being removed.*/\1/p' <<<"$output")
        [ -n "$place" ] && [ ! -e "$place" ] && ok "nothing is left behind" || fail "nothing is left behind" "$(ls -ld "$place")"
        equal "nor of its programs" "" "$(ls -A "$TMPDIR")"
}
if [ "$(id -u)" = 0 ]; then
        exits 0 "as root" bash "$FSOP_SOURCE_DIR/packaging/try.sh" --no-install --build-dir "$FSOP_BUILD_DIR"
        echo "$output"
        contains "it shows the audit" '"chown"' "$output"
        leaves_nothing
        # an ordinary user that can reach neither the sources nor the build
        mkdir -p "$images/copy/packaging" "$images/copy/built"
        cp "$FSOP_SOURCE_DIR/packaging/"{try,deps}.sh "$images/copy/packaging/"
        cp "$bin/fsop" "$bin/fsopd" "$images/copy/built/"
        exits 0 "as an ordinary user" as_nobody bash "$images/copy/packaging/try.sh" --no-install --build-dir "$images/copy/built"
else
        exits 0 "as an ordinary user" bash "$FSOP_SOURCE_DIR/packaging/try.sh" --no-install --build-dir "$FSOP_BUILD_DIR"
fi
echo "$output"
leaves_nothing
finish
