#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# record.sh: measures everything that README.md and docs/performance.md tell, and writes it there, between the markers.
# As root, on a machine that does nothing else; takes about ten minutes and 7 GiB in DIR.
#
#       tests/bench/record.sh [BUILD [DIR]]        default: build/release, /var/tmp
#
# In the environment: ROUNDS, ROUNDS_CURVES, ROUNDS_COPIES: how often everybody has a turn. PARTS: what is measured, of
# rows, curves, fair, xfs and ext4; the figures of the others are those of the last time, in BUILD/figures.
# QUICK=1: only whether it works.
set -eu -o pipefail
cd "$(dirname "$0")/../.."
build=${1:-build/release} dir=${2:-/var/tmp}
bench=$build/tests/bench/fsop-bench figures=$build/figures page=docs/performance.md pictures=docs/performance
rounds=${ROUNDS:-9} rounds_curves=${ROUNDS_CURVES:-5} rounds_copies=${ROUNDS_COPIES:-3}
parts=${PARTS:-rows curves fair xfs ext4}
quick=()
[ -z "${QUICK:-}" ] || quick=(--quick)
[ "$(id -u)" = 0 ] || { echo "record.sh: needs root" >&2; exit 1; }
[ -x "$bench" ] || { echo "record.sh: $bench is not there: build it first" >&2; exit 1; }
# shellcheck source=packaging/deps.sh
. packaging/deps.sh
deps_ensure bench
[ -z "$(deps_list 3 peer)" ] || echo "record.sh: not installed, their rows will say so: $(deps_list 3 peer)" >&2

# measure PART COMMAND…: what it prints in PART/tables, and in PART/about what it says about itself.
measure() {
        local part=$1
        shift
        case " $parts " in *" $part "*) ;; *) return 0 ;; esac
        rm -rf "${figures:?}/$part"
        mkdir -p "$figures/$part"
        echo "$(date +%T) $part" >&2
        "$@" >"$figures/$part/new" 2>"$figures/$part/about" || { cat "$figures/$part/about" >&2; exit 1; }
        mv "$figures/$part/new" "$figures/$part/tables"
}
# tables PART ROUNDS OPTION…
tables() {
        local part=$1 n=$2
        shift 2
        measure "$part" "$bench" --dir "$dir" --markdown --rounds "$n" --out "$figures/$part" "${quick[@]}" "$@"
}
tables rows "$rounds" rtt sftp batch- many memory- diod proxy engine
tables curves "$rounds_curves" batches clients latency memory
measure fair "$bench" fair --fsopd "$build/fsopd" --dir "$dir" --rounds "$rounds_curves"
tables xfs "$rounds_copies" --fs xfs copy
tables ext4 "$rounds_copies" --fs ext4 copy
for part in rows curves fair xfs ext4; do
        [ -s "$figures/$part/tables" ] || { echo "record.sh: $part was never measured" >&2; exit 1; }
done

# The line about daemon and machine, and whether others kept it busy when all began; later it is our own doing.
about() { grep '^fsopd ' "$figures/$1/about"; }
busy() { sed -n 's/^fsop-bench: others/\nOthers/p' "$figures/rows/about"; }
# The tables of the curves whose titles have these words.
curves() { awk -v words="$1" '/:$/ { on = $0 ~ words } on' "$figures/curves/tables"; }
# write FILE MARKER: what comes from standard input replaces what is between the markers.
write() {
        grep -q "^<!-- $2:begin -->\$" "$1" || { echo "record.sh: $1 has no markers $2" >&2; exit 1; }
        { sed "/^<!-- $2:begin -->\$/q" "$1"; cat; sed -n "/^<!-- $2:end -->\$/,\$p" "$1"; } >"$figures/page"
        cat "$figures/page" >"$1"
}

{ about rows; busy; echo; cat "$figures/rows/tables"; } | write $page rows
curves "operations of a request" | write $page batches
curves "over clients" | write $page clients
curves "over the load" | write $page latency
curves "over connections" | write $page memory
{ echo '```'; cat "$figures/fair/tables"; echo '```'; } | write $page fair
for part in xfs ext4; do
        { about $part; echo; cat "$figures/$part/tables"; } | write $page $part
done
# The rows that have an aim, where the kernel chooses the processors.
{
        about rows
        busy
        echo
        { cat "$figures/rows/tables"; tail -n +3 "$figures/xfs/tables"; } |
                grep -v -e '| – | – |$' -e 'both on one processor' -e 'each on its own'
} | write README.md bench
mkdir -p $pictures
cp "$figures/rows/rows.tsv" "$figures/curves/"
tests/bench/plot.sh "$figures/curves" $pictures
echo "$(date +%T) written: README.md, $page" >&2
