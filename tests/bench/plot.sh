#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# plot.sh: draws what fsop-bench --out FIGURES wrote, as SVG files in PICTURES. Needs gnuplot. A picture whose figures are
# not there is left out.
#
#       tests/bench/plot.sh FIGURES PICTURES
set -eu -o pipefail
figures=${1:?the directory that fsop-bench --out wrote to} pictures=${2:?where the pictures go}
there() { for name in "$@"; do [ -s "$figures/$name.tsv" ] || return 1; done; }

# draw NAME WIDTH HEIGHT: the commands come from standard input.
draw() {
        { cat <<HEAD; cat; } | gnuplot
set terminal svg noenhanced size $2,$3 background "white" font "sans-serif,13" name "$1"
set output "$pictures/$1.svg"
figures = "$figures/"
set datafile separator "\t"
set grid back linecolor "#dddddd"
set border 3
set tics nomirror
set key left top
set style line 1 linecolor "#0072b2" linewidth 2 pointtype 7 pointsize 0.5
set style line 2 linecolor "#d55e00" linewidth 2 pointtype 7 pointsize 0.5
set style line 3 linecolor "#009e73" linewidth 2 pointtype 7 pointsize 0.5
HEAD
        echo "$pictures/$1.svg"
}

if there batches-stat batches-chown batches-setxattr; then
        draw batches 900 480 <<'GNUPLOT'
set title "Operations a second over the operations of a request"
set logscale x 2
set xrange [1:1024]
set yrange [0:*]
set format y "%.0s%c"
set xlabel "operations of a request, four requests in flight, one client"
set ylabel "operations a second"
set key outside right center
plot for [i=1:3] figures."batches-".word("stat chown setxattr", i).".tsv" using 1:2 every ::1 with linespoints linestyle i title word("stat chown setxattr", i).", fsopd", \
     for [i=1:3] figures."batches-".word("stat chown setxattr", i).".tsv" using 1:3 every ::1 with lines linestyle i dashtype 2 title word("stat chown setxattr", i).", plain loop"
GNUPLOT
fi

if there clients-stat clients-chown; then
        draw clients 900 480 <<'GNUPLOT'
set title "Operations a second over clients, each with one operation in flight"
set logscale x 2
set xrange [1:1024]
set yrange [0:*]
set format y "%.0s%c"
set xlabel "clients"
set ylabel "operations a second"
set key outside right center
plot for [i=1:2] figures."clients-".word("stat chown", i).".tsv" using 1:2 every ::1 with linespoints linestyle i title word("stat chown", i).", fsopd", \
     for [i=1:2] figures."clients-".word("stat chown", i).".tsv" using 1:3 every ::1 with lines linestyle i dashtype 2 title word("stat chown", i).", bare echo"
GNUPLOT
fi

if there latency-stat latency-chown; then
        draw latency 900 480 <<'GNUPLOT'
set multiplot layout 1,2 title "Latency of 64 clients over the load: fsopd (lines), bare echo under the same load (dashes)"
set logscale y
set xrange [0:100]
set xlabel "load, percent of what fsopd can do"
set ylabel "microseconds from when it was due"
set key bottom right
do for [what in "stat chown"] {
        set title what
        plot for [i=1:3] figures."latency-".what.".tsv" using 1:3*i every ::1 with linespoints linestyle i title word("p50 p99 p99.9", i), \
             for [i=1:3] figures."latency-".what.".tsv" using 1:3*i+1 every ::1 with lines linestyle i dashtype 2 notitle
}
unset multiplot
GNUPLOT
fi

if there memory; then
        draw memory 900 480 <<'GNUPLOT'
set multiplot layout 1,2 title "Resident memory of the daemon over connections"
set logscale x
set xlabel "connections that said Hello"
set format x "%.0f"
set title "all of it"
set logscale y
set ylabel "MiB"
plot for [i=1:2] figures."memory.tsv" using 1:(column(2*i)/1024) every ::2 with linespoints linestyle i title word("io_uring threads", i)
unset logscale y
set title "each of them"
set ylabel "KiB, beyond the daemon without connections"
set yrange [0:18]
plot for [i=1:2] figures."memory.tsv" using 1:2*i+1 every ::2 with linespoints linestyle i title word("io_uring threads", i), \
     16 with lines linecolor "#888888" dashtype 2 title "aim"
unset multiplot
GNUPLOT
fi

if there rows && grep -q '^engine-' "$figures/rows.tsv" && grep -q '^engine1-' "$figures/rows.tsv"; then
        draw engines 900 420 <<'GNUPLOT'
set multiplot layout 1,2 title "The two engines"
set style data histogram
set style histogram clustered gap 1
set style fill solid 0.8
set yrange [0:*]
set key right top
name(s, prefix) = s[strlen(prefix) + 1:*]
set title "one operation in flight"
set ylabel "microseconds"
rows = "< grep '^engine1-' ".figures."rows.tsv"
plot rows using 2:xtic(name(strcol(1), "engine1-")) linestyle 1 title "io_uring", rows using 3 linestyle 2 title "threads"
set title "batches of 256, four in flight"
set ylabel "operations a second"
set format y "%.0s%c"
rows = "< grep '^engine-' ".figures."rows.tsv"
plot rows using 2:xtic(name(strcol(1), "engine-")) linestyle 1 title "io_uring", rows using 3 linestyle 2 title "threads"
unset multiplot
GNUPLOT
fi
