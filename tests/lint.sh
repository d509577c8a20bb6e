#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# lint.sh: clang-tidy and cppcheck have nothing to say about any source of the build (.clang-tidy, tests/cppcheck.txt), and all is laid
# out as .clang-format says.
# Each version finds other things, so that only the ones named here decide.
set -u -o pipefail
export LC_ALL=C
root=${FSOP_SOURCE_DIR:-$(cd "$(dirname "$0")/.." && pwd)}
build=${FSOP_BUILD_DIR:?the directory with compile_commands.json}
cd "$root" || exit 1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failures=0 skips=0
fail() {
        printf 'FAIL: %s\n' "$1"
        failures=$((failures + 1))
}
skip() {
        printf 'SKIP: %s\n' "$1"
        skips=$((skips + 1))
}

command -v jq >/dev/null || { echo "SKIP: needs jq"; exit 77; }

# One way of compiling each source; what protoc-c wrote is not ours to mend.
jq --arg build "$build/" 'map(select(.file | startswith($build) | not)) | unique_by(.file)' \
        "$build/compile_commands.json" >"$work/compile_commands.json"
jq -r '.[].file' "$work/compile_commands.json" >"$work/files"
[ "$(wc -l <"$work/files")" -ge 200 ] || fail "compile_commands.json does not name the sources"

# Both must see what is planted, or they see nothing.
cat >"$work/planted.c" <<'C'
#include <stdlib.h>
int planted(int n);
int planted(int n) {
        int *list = malloc(4 * sizeof(*list)), *none = NULL;
        if (n > 2)
                return *none;
        free(list);
        return list[5];
}
C

# ---- clang-format ----------------------------------------------------------------------------------------------------
if ! command -v clang-format-14 >/dev/null; then
        skip "clang-format: needs clang-format-14"
else
        printf 'int  planted;\n' >"$work/layout.c"
        ! clang-format-14 --dry-run --Werror --style=file:.clang-format "$work/layout.c" 2>/dev/null || fail "clang-format does not see a planted mistake"
        find backends client daemon proto tests -name '*.[ch]' -print0 | xargs -0 clang-format-14 --dry-run --Werror 2>"$work/layout" || {
                fail "clang-format (clang-format-14 -i mends it)"
                head -n 40 "$work/layout"
        }
fi

# ---- clang-tidy ------------------------------------------------------------------------------------------------------
if ! command -v clang-tidy-14 >/dev/null; then
        skip "clang-tidy: needs clang-tidy-14"
else
        planted=$(clang-tidy-14 --quiet --config-file=.clang-tidy "$work/planted.c" -- 2>/dev/null)
        [[ $planted = *clang-analyzer-unix.Malloc* ]] || fail "clang-tidy does not see a planted mistake"
        # The largest first, so that no core waits for the other's last file.
        if ! xargs ls -S <"$work/files" | xargs -P "$(nproc)" -n 1 clang-tidy-14 -p "$work" --quiet >"$work/tidy" 2>"$work/errors"; then
                fail "clang-tidy"
                cat "$work/tidy"
                grep -vE 'warnings? (generated|treated)' "$work/errors"
        fi
fi

# ---- cppcheck --------------------------------------------------------------------------------------------------------
check() {
        cppcheck --quiet --error-exitcode=1 --inline-suppr --enable=warning,style,performance,portability \
                --template='{file}:{line}: {severity}: {message} [{id}]' "$@"
}
version=$(cppcheck --version 2>/dev/null)
if [ "$version" != "Cppcheck 2.10" ]; then
        skip "cppcheck: needs version 2.10, here is ${version:-none}"
else
        check "$work/planted.c" 2>/dev/null && fail "cppcheck does not see a planted mistake"
        check -j "$(nproc)" --project="$work/compile_commands.json" --relative-paths="$root" \
                --suppressions-list=tests/cppcheck.txt 2>&1 || fail "cppcheck"
fi

[ "$failures" = 0 ] || exit 1
echo "checked $(wc -l <"$work/files") files"
[ "$skips" -lt 2 ] || exit 77
