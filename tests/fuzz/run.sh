#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# run.sh: builds the libFuzzer programs and runs each from its corpus, one after the other. There must be no crash; if there is one, it says
# where the input is.
set -euo pipefail

usage() {
        cat <<'TEXT'
usage: tests/fuzz/run.sh [--seconds N | --runs N] [--plain] [--keep DIR] [TARGET...]

  --seconds N  each for so long (10)
  --runs N     each so many executions instead
  --plain      without sanitizers: several times faster
  --keep DIR   DIR/TARGET keeps inputs that reach something new, for the next time; else they are forgotten
TEXT
}

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
preset=fuzz limit=-max_total_time=10 keep='' targets=()
while [ $# -gt 0 ]; do
        case $1 in
        --seconds) limit=-max_total_time=${2:?--seconds needs a number}; shift ;;
        --runs) limit=-runs=${2:?--runs needs a number}; shift ;;
        --plain) preset=fuzz-plain ;;
        --keep) keep=${2:?--keep needs a directory}; shift ;;
        -h | --help) usage; exit 0 ;;
        -*) usage >&2; exit 2 ;;
        *) targets+=("$1") ;;
        esac
        shift
done
[ ${#targets[@]} -gt 0 ] || mapfile -t targets < <(find "$root/tests/fuzz" -name 'fuzz_*.c' | sed 's/.*fuzz_\(.*\)\.c$/\1/' | sort)

skip() { echo "SKIP: fuzzers: $*"; exit 77; }
command -v clang >/dev/null || skip "there is no clang"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
echo 'int LLVMFuzzerTestOneInput(const unsigned char *d, unsigned long n); int LLVMFuzzerTestOneInput(const unsigned char *d, unsigned long n) { return n && d[0] ? 0 : 0; }' >"$work/probe.c"
clang -fsanitize=fuzzer,address,undefined "$work/probe.c" -o "$work/probe" 2>/dev/null || skip "clang has no libFuzzer or no sanitizers (compiler-rt)"

build=${FSOP_FUZZ_BUILD_DIR:-$root/build/$preset}
log=$work/build.log
if ! { cd "$root" && cmake --preset "$preset" -B "$build" && cmake --build "$build" -j "$(nproc)" --target fuzzers; } >"$log" 2>&1; then
        grep -E 'error|FAILED' -A5 "$log" | head -40 >&2
        echo "run.sh: the fuzzers could not be built" >&2
        exit 1
fi

# Small stacks of allocations and a small quarantine: executions are short, and there are many of them.
export ASAN_OPTIONS=malloc_context_size=6:quarantine_size_mb=8 UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
result=0
crashes=${keep:-$build}/crashes
mkdir -p "$crashes"
for target in "${targets[@]}"; do
        new=${keep:-$work}/$target
        mkdir -p "$new"
        max_len=1024
        [ "$target" != session ] || max_len=400 # scripts, whose steps are short
        arguments=("$limit" "-max_len=$max_len" -entropic=0 -timeout=100 -rss_limit_mb=2048 -print_final_stats=1 -close_fd_mask=1
                "-artifact_prefix=$crashes/$target-" "-dict=$root/tests/fuzz/dict/$target")
        if "$build/tests/fuzz/fuzz_$target" "${arguments[@]}" "$new" "$root/tests/fuzz/corpus/$target" >"$work/$target.log" 2>&1; then
                awk -v target="$target" '/\tDONE / { for (i = 1; i < NF; i++) { if ($i == "cov:") cov = $(i + 1); if ($i == "corp:") corp = $(i + 1) } }
                        /^stat::number_of_executed_units/ { runs = $2 } /^stat::average_exec_per_sec/ { rate = $2 }
                        END { printf "%-8s %d executions (%d/s), %s edges, corpus %s\n", target, runs, rate, cov, corp }' "$work/$target.log"
        else
                echo "$target: it crashed:"
                grep -vE '^#[0-9]+.*(NEW|REDUCE|pulse)' "$work/$target.log" | tail -60
                result=1
        fi
done
exit $result
