#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# run.sh: installs what is missing, builds, runs every test, ends with ctest's closing lines.
set -euo pipefail
export LC_ALL=C.UTF-8 PATH="$PATH:/usr/sbin:/sbin"

usage() {
        cat <<'TEXT'
usage: tests/run.sh [--quick] [--no-tsan | --all-tsan] [--engine uring|threads] [--build-dir DIR] [--only REGEX] [--no-install]

  --quick          only the plain build, without the sanitizers
  --no-tsan        without ThreadSanitizer
  --all-tsan       with it everything, not only what has several threads; takes much longer
  --engine NAME    run the daemon with this engine only; else with both
  --build-dir DIR  build below DIR instead of build/
  --only REGEX     only tests whose name matches
  --no-install     install nothing; tests whose tools are missing say so and are skipped

As root everything runs. As an ordinary user the tests that need other identities or loop-mounted filesystems are
skipped, and the end of the output says which and why.
TEXT
}

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
quick=no tsan=yes engine='' build=$root/build only='' install=yes
while [ $# -gt 0 ]; do
        case $1 in
        --quick) quick=yes ;;
        --no-tsan) tsan=no ;;
        --all-tsan) tsan=all ;;
        --engine) engine=${2:?--engine needs a name}; shift ;;
        --build-dir) build=${2:?--build-dir needs a directory}; shift ;;
        --only) only=${2:?--only needs a pattern}; shift ;;
        --no-install) install=no ;;
        -h | --help) usage; exit 0 ;;
        *) usage >&2; exit 2 ;;
        esac
        shift
done
case $engine in '' | uring | threads) ;; *) echo "run.sh: no such engine: $engine" >&2; exit 2 ;; esac

# shellcheck source=packaging/deps.sh
. "$root/packaging/deps.sh"
[ "$install" = no ] || deps_ensure build run test
[ "$install" = no ] || deps_ensure lint || echo "run.sh: going on without"

mkdir -p "$build"
build=$(cd "$build" && pwd)
jobs=$(nproc)
builds=(release)
[ "$quick" = no ] || tsan=no
[ "$quick" = yes ] || builds+=(asan)
[ "$tsan" = no ] || builds+=(tsan)
build_preset() {
        (cd "$root" && cmake --preset "$1" -B "$build/$1" -DFSOP_TEST_PREFIX="$1.") &&
                cmake --build "$build/$1" -j "$jobs"
}

for preset in "${builds[@]}"; do
        echo "== Building $preset"
        if ! build_preset "$preset" >"$build/$preset.log" 2>&1; then
                grep -E 'error|Error|FAILED|warning' -A5 "$build/$preset.log" | head -60 >&2
                echo "run.sh: the $preset build failed; all of its output is in $build/$preset.log" >&2
                exit 1
        fi
done

# One ctest over all builds, so that there is one list and one last word.
printf 'subdirs(%s)\n' "${builds[*]}" >"$build/CTestTestfile.cmake"
arguments=(--test-dir "$build" -j "$jobs" --output-on-failure --no-tests=error)
[ -z "$only" ] || arguments+=(-R "$only")
without=()
[ "$tsan" = all ] || without+=(one-thread) # a label of the build with ThreadSanitizer
case $engine in
uring) without+=(engine-threads) ;;
threads) without+=(engine-uring) ;;
esac
[ ${#without[@]} -eq 0 ] || arguments+=(-LE "^($(IFS='|'; echo "${without[*]}"))\$")
# ThreadSanitizer's shadow does not survive the kernel's widest address randomisation.
wrapper=()
if [ "$tsan" != no ] && [ "$(cat /proc/sys/vm/mmap_rnd_bits 2>/dev/null || echo 28)" -gt 28 ]; then
        wrapper=(setarch "$(uname -m)" -R)
fi

echo "== Testing (${builds[*]})"
result=0
"${wrapper[@]}" ctest "${arguments[@]}" 2>&1 | tee "$build/ctest.out" || result=${PIPESTATUS[0]}

# What was not tested, with the reasons the tests gave; a skip must not pass for a success.
log=$build/Testing/Temporary/LastTest.log
skips=$(awk '/^[0-9]+\/[0-9]+ Test: / { name = $3 } /^ *SKIP: / { sub(/^ */, ""); print "  " name ": " $0 }' "$log" 2>/dev/null | sort -u)
echo
if [ -n "$skips" ]; then
        echo "== NOT TESTED HERE ($(echo "$skips" | wc -l) skips)"
        echo "$skips"
else
        echo "== Nothing was skipped"
fi
echo
sed -n '/^[0-9]*% tests passed/,$p' "$build/ctest.out"
exit "$result"
