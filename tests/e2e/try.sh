#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# engine: none
# try.sh: the newcomer's script, as root and as an ordinary user; neither leaves anything behind.
# shellcheck source=tests/support/lib.sh
. "$(dirname "$0")/../support/lib.sh"
leftovers() { find /run /tmp -maxdepth 1 -name 'fsopd-try*' 2>/dev/null | sort; }
before=$(leftovers)
if [ "$(id -u)" = 0 ]; then
        exits 0 "as root" bash "$FSOP_SOURCE_DIR/packaging/try.sh" --no-install --build-dir "$FSOP_BUILD_DIR"
        echo "$output"
        contains "it shows the audit" '"chown"' "$output"
        # an ordinary user that can reach neither the sources nor the build
        mkdir -p "$images/copy/packaging" "$images/copy/built"
        cp "$FSOP_SOURCE_DIR/packaging/"{try,deps}.sh "$images/copy/packaging/"
        cp "$bin/fsop" "$bin/fsopd" "$images/copy/built/"
        exits 0 "as an ordinary user" as_nobody bash "$images/copy/packaging/try.sh" --no-install --build-dir "$images/copy/built"
else
        exits 0 "as an ordinary user" bash "$FSOP_SOURCE_DIR/packaging/try.sh" --no-install --build-dir "$FSOP_BUILD_DIR"
fi
echo "$output"
equal "nothing is left behind" "$before" "$(leftovers)"
finish
