#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# record.sh: measures everything that README.md and docs/performance.md tell, and writes it there, between the markers.
# As root, on a machine that does nothing else; takes about ten minutes and 7 GiB in DIR.
#
#       tests/bench/record.sh [BUILD [DIR]]        default: build/release, /var/tmp
#
# ROUNDS, ROUNDS_CURVES, ROUNDS_COPIES in the environment say how often everybody has a turn. FIGURES: where the figures
# of each turn are left; default: nowhere. QUICK=1: only whether it works.
set -eu -o pipefail
cd "$(dirname "$0")/../.."
build=${1:-build/release} dir=${2:-/var/tmp}
bench=$build/tests/bench/fsop-bench
rounds=${ROUNDS:-9} rounds_curves=${ROUNDS_CURVES:-5} rounds_copies=${ROUNDS_COPIES:-3}
quick=()
[ -z "${QUICK:-}" ] || quick=(--quick)
[ "$(id -u)" = 0 ] || { echo "record.sh: needs root" >&2; exit 1; }
[ -x "$bench" ] || { echo "record.sh: $bench is not there: build it first" >&2; exit 1; }
# shellcheck source=packaging/deps.sh
. packaging/deps.sh
deps_ensure bench
[ -z "$(deps_list 3 peer)" ] || echo "record.sh: not installed, their rows will say so: $(deps_list 3 peer)" >&2
temporary=$(mktemp -d)
trap 'rm -rf "$temporary"' EXIT
figures=${FIGURES:-$temporary/figures}
mkdir -p "$figures"

# measure NAME ROUNDS OPTION…: its tables in NAME.md, what it says about itself in NAME.txt, its figures in FIGURES/NAME.
measure() {
        local name=$1 n=$2
        shift 2
        mkdir -p "$figures/$name"
        echo "== $name" >&2
        "$bench" --dir "$dir" --markdown --rounds "$n" --out "$figures/$name" "${quick[@]}" "$@" \
                >"$temporary/$name.md" 2>"$temporary/$name.txt" || { cat "$temporary/$name.txt" >&2; exit 1; }
}
# The line about daemon and machine.
about() { grep '^fsopd ' "$temporary/$1.txt"; }
# Whether others kept the machine busy when it all began; later it is our own doing.
busy() { sed -n 's/^fsop-bench: others/\nOthers/p' "$temporary/rows.txt"; }
# write FILE MARKER: what comes from standard input replaces what is between the markers.
write() {
        grep -q "^<!-- $2:begin -->\$" "$1" || { echo "record.sh: $1 has no markers $2" >&2; exit 1; }
        { sed "/^<!-- $2:begin -->\$/q" "$1"; cat; sed -n "/^<!-- $2:end -->\$/,\$p" "$1"; } >"$temporary/new"
        cat "$temporary/new" >"$1"
}

measure rows "$rounds" rtt sftp batch- many memory- diod proxy engine
measure curves "$rounds_curves" batches clients latency memory
echo "== fair" >&2
"$bench" fair --fsopd "$build/fsopd" --dir "$dir" --rounds "$rounds_curves" >"$temporary/fair.txt"
measure xfs "$rounds_copies" --fs xfs copy
measure ext4 "$rounds_copies" --fs ext4 copy

pictures=docs/performance
mkdir -p "$pictures"
cp "$figures/rows/rows.tsv" "$figures/curves/"
tests/bench/plot.sh "$figures/curves" "$pictures"

page=docs/performance.md
{ about rows; busy; echo; cat "$temporary/rows.md"; } | write $page rows
for curve in batches clients latency; do
        awk -v curve="$curve" '/^rate of .* operations of a request/ { of = "batches" } /^rate of .* over clients/ { of = "clients" }
                /^latency of/ { of = "latency" } /^resident/ { of = "memory" } of == curve' "$temporary/curves.md" | write $page $curve
done
awk '/^resident/ { on = 1 } on' "$temporary/curves.md" | write $page memory
{ echo '```'; cat "$temporary/fair.txt"; echo '```'; } | write $page fair
{ about xfs; echo; cat "$temporary/xfs.md"; } | write $page xfs
{ about ext4; echo; cat "$temporary/ext4.md"; } | write $page ext4

# The rows that have an aim, where the kernel chooses the processors.
{
        about rows
        busy
        echo
        cat "$temporary/rows.md" <(tail -n +3 "$temporary/xfs.md") | grep -v -e '| – | – |$' -e 'both on one processor' -e 'each on its own'
} | write README.md bench
echo "written: README.md, $page, $pictures/*.svg" >&2
