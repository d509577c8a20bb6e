#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# coverage.sh: which lines the tests run: builds with gcov, runs unit and end-to-end tests, prints a table by directory, and fails where
# fewer than 85 % of the lines of daemon/, proto/, client/ or backends/linux/ ran.
# What a process that is killed has run is not counted, so that the figures are a little too low.
set -euo pipefail
export LC_ALL=C.UTF-8 PATH="$PATH:/usr/sbin:/sbin"

usage() {
        cat <<'TEXT'
usage: tests/coverage.sh [--build-dir DIR] [--tests REGEX] [--lines FILE] [--report]

  --build-dir DIR  build in DIR instead of build/coverage
  --tests REGEX    run only tests whose name matches; else all but benchmarks and what looks at sources
  --lines FILE     write the lines that did not run to FILE, as file:line
  --report         run nothing: report on what has been run before
TEXT
}

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
build=$root/build/coverage tests='' lines='' report=no least=85
while [ $# -gt 0 ]; do
        case $1 in
        --build-dir) build=${2:?--build-dir needs a directory}; shift ;;
        --tests) tests=${2:?--tests needs a pattern}; shift ;;
        --lines) lines=${2:?--lines needs a file}; shift ;;
        --report) report=yes ;;
        -h | --help) usage; exit 0 ;;
        *) usage >&2; exit 2 ;;
        esac
        shift
done
command -v jq >/dev/null || { echo "coverage.sh: needs jq" >&2; exit 2; }

# Adds what has run so far to what is known. Libraries are compiled several times: a line ran if it ran in any of them. Names are relative
# where ccache made them so.
count() {
        find "$build" -name '*.gcda' -not -path '*/tests/*' -print0 |
                (cd "$work" && xargs -0 -r -n 20 gcov --json-format --stdout 2>/dev/null) |
                jq -r --arg root "$root/" '.files[] | (.file | ltrimstr($root) | sub("^([.][.]/)+"; "")) as $file |
                        select($file | test("^(daemon|proto|client|backends)/")) | .lines[] | "\($file):\(.line_number) \(.count)"' |
                awk '{ n[$1] += $2 } END { for (line in n) print line, (n[line] > 0) }' >>"$build/counted"
}

run_tests() { ctest "${arguments[@]}" -L "^$1\$" "${@:3}" >"$build/$2.out" 2>&1; }

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
result=0
if [ "$report" = no ]; then
        (cd "$root" && cmake --preset coverage -B "$build" -DFSOP_TEST_PREFIX=coverage.) >/dev/null
        cmake --build "$build" -j "$(nproc)" >"$build/build.log" || { tail -n 30 "$build/build.log" >&2; exit 1; }
        find "$build" -name '*.gcda' -delete
        rm -f "$build/counted"
        arguments=(--test-dir "$build" -j "$(nproc)" --output-on-failure)
        [ -n "$tests" ] && arguments+=(-R "$tests" --no-tests=ignore) || arguments+=(--no-tests=error)
        run_tests unit unit || result=$?
        # Programs of other users write their counts too; one that cannot says so, which tests would take for its answer.
        "$build/fsop" --version >/dev/null
        "$build/fsopd" --version >/dev/null
        find "$build" -name '*.gcda' -exec chmod a+rw {} +
        find "$build" -type d -exec chmod a+rwx {} +
        run_tests e2e e2e -LE '^gcov-(last|never)$' || result=$?
        count
        # Where calls fail, writing the counts fails too, and those of before are lost; what such tests say is no matter here.
        run_tests gcov-last last || true
        for part in unit e2e last; do
                echo "== $part"
                sed -n '/^[0-9]*% tests passed/,$p' "$build/$part.out"
        done
fi
count
awk '{ n[$1] += $2 } END { for (line in n) print line, (n[line] > 0) }' "$build/counted" | sort -t: -k1,1 -k2,2n >"$work/lines"
[ -s "$work/lines" ] || { echo "coverage.sh: nothing was counted" >&2; exit 1; }
[ -z "$lines" ] || awk '$2 == 0 { print $1 }' "$work/lines" >"$lines"

# shellcheck disable=SC2016
awk -v least=$least '
        { split($1, at, ":"); file = at[1]
          part = file ~ /^client\/cli\// ? "client/cli" : file ~ /^client\/examples\// ? "" : file ~ /^backends\/[a-z]*\// ? substr(file, 1, index(substr(file, 10), "/") + 8) : substr(file, 1, index(file, "/") - 1)
          if (part == "client/cli") { all["client"]++; ran["client"] += $2 }
          if (part != "") { all[part]++; ran[part] += $2; total++; total_ran += $2 } }
        END { printf "| part | lines | run |\n|---|---:|---:|\n"
              n = split("daemon proto client client/cli backends/linux backends/posix backends/pool", order, " ")
              for (i = 1; i <= n; i++) { p = order[i]
                      share = all[p] ? 100 * ran[p] / all[p] : 0
                      printf "| `%s/` | %d | %.1f %% |\n", p, all[p], share
                      if (share < least && p ~ /^(daemon|proto|client|backends\/linux)$/) low = low " " p }
              printf "| all | %d | %.1f %% |\n", total, 100 * total_ran / total
              if (low != "") { printf "below %d %%:%s\n", least, low; exit 1 } }' "$work/lines" || result=1
exit "$result"
