#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# try.sh: fsopd in two minutes. Installs what is missing, builds, starts a daemon in a scratch directory, lets an
# unprivileged user do privileged work through it, and cleans up behind itself.
set -euo pipefail
export LC_ALL=C.UTF-8 PATH="$PATH:/usr/sbin:/sbin"
umask 022

usage() {
        cat <<'TEXT'
usage: packaging/try.sh [--build-dir DIR] [--no-install]

  As root:              user nobody delegates a chown, a device node, a preallocation and a batch to a daemon.
  As an ordinary user:  the daemon runs as your private service, and does what you may do yourself.

  --build-dir DIR       build in DIR instead of build/try, or use what was built there
  --no-install          install nothing
TEXT
}

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
build=$root/build/try install=yes
while [ $# -gt 0 ]; do
        case $1 in
        --build-dir) build=${2:?--build-dir needs a directory}; shift ;;
        --no-install) install=no ;;
        -h | --help) usage; exit 0 ;;
        *) usage >&2; exit 2 ;;
        esac
        shift
done

# ---- talking ----------------------------------------------------------------------------------------------------

bold='' dim='' plain=''
if [ -t 1 ]; then bold=$'\033[1m' dim=$'\033[2m' plain=$'\033[0m'; fi
step() { printf '\n%s== %s%s\n' "$bold" "$*" "$plain"; }
note() { printf '   %s\n' "$*"; }
give_up() {
        printf '\ntry.sh: %s\n' "$*" >&2
        if [ -s "${log:-}" ]; then
                printf 'The daemon said:\n' >&2
                tail -n 20 "$log" >&2
        fi
        exit 1
}

# ---- building ---------------------------------------------------------------------------------------------------

# shellcheck source=packaging/deps.sh
. "$root/packaging/deps.sh"
if [ ! -x "$build/fsopd" ] || [ ! -x "$build/fsop" ] || [ "$build" = "$root/build/try" ]; then
        step "Building fsopd"
        [ "$install" = no ] || deps_ensure build run || exit 1
        mkdir -p "$build"
        cmake -S "$root" -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DFSOP_TESTS=OFF >"$build/build.log" 2>&1 &&
                cmake --build "$build" -j "$(nproc)" >>"$build/build.log" 2>&1 || {
                tail -n 30 "$build/build.log" >&2
                give_up "the build failed; all of its output is in $build/build.log"
        }
        note "built in ${build#"$PWD"/}"
fi

# ---- a scratch place --------------------------------------------------------------------------------------------

scratch='' programs='' daemon='' log=''
clean_up() {
        local status=$?
        trap - EXIT INT TERM HUP
        if [ -n "$daemon" ] && kill -TERM "$daemon" 2>/dev/null; then wait "$daemon" 2>/dev/null || true; fi
        [ -z "$scratch" ] || rm -rf --one-file-system "$scratch"
        [ -z "$programs" ] || rm -rf --one-file-system "$programs"
        exit "$status"
}
trap clean_up EXIT
trap 'printf "\ntry.sh: interrupted, cleaning up\n" >&2; exit 130' INT
trap 'exit 143' TERM HUP

# What steers a privileged daemon may not lie below a directory that others can write, as /tmp is. Programs lie there all
# the same: nobody must reach them, and /run is often mounted noexec.
if [ "$(id -u)" = 0 ]; then scratch=$(mktemp -d /run/fsopd-try.XXXXXX); else scratch=$(mktemp -d "${TMPDIR:-/tmp}/fsopd-try.XXXXXX"); fi
programs=$(mktemp -d "${TMPDIR:-/tmp}/fsopd-try-bin.XXXXXX")
chmod 755 "$scratch" "$programs"
install -m 755 "$build/fsopd" "$build/fsop" "$programs"
log=$scratch/fsopd.log

wait_for_daemon() {
        local i
        for ((i = 0; i < 200; i++)); do
                kill -0 "$daemon" 2>/dev/null || give_up "the daemon ended at once"
                "$@" ping >/dev/null 2>&1 && return 0
                sleep 0.05
        done
        give_up "the daemon does not answer"
}

# ask ARGUMENTS…: shows the command, runs it, shows what it says
ask() {
        printf '%s   %s$ fsop %s%s\n' "$bold" "$who" "${*//$scratch\//}" "$plain"
        local status=0
        "${fsop[@]}" "$@" >"$scratch/said" 2>&1 || status=$?
        sed "s|$scratch/||g; s|^|     |" "$scratch/said"
        if [ "$status" != "${expect:-0}" ]; then give_up "fsop $* ended with $status instead of ${expect:-0}"; fi
}
refused() { expect=3 ask "$@"; printf '%s     (exit status 3: denied)%s\n' "$dim" "$plain"; }
look() { printf '%s     stat: %s%s\n' "$dim" "$(stat -c "$1" "$2" | sed "s|$scratch/||g")" "$plain"; }

# run_batch COUNT FILE
run_batch() {
        local begin end ms
        begin=$(date +%s%N)
        printf '%s   %s$ fsop batch --parallel%s   # %s\n' "$bold" "$who" "$plain" "$1 lines such as: $(head -n 1 "$2" | sed "s|$scratch/||g")"
        "${fsop[@]}" batch --parallel - <"$2" >"$scratch/said" 2>&1 || give_up "the batch failed: $(head -n 3 "$scratch/said")"
        end=$(date +%s%N)
        ms=$(((end - begin) / 1000000))
        note "  $1 operations in $ms ms"
}

# ---- as root: an unprivileged user delegates ----------------------------------------------------------------------

as_root() {
        local tree=$scratch/build other=$scratch/elsewhere i
        command -v setpriv >/dev/null || give_up "setpriv is missing (package util-linux)"
        mkdir -p "$scratch"/etc/policy.d "$scratch"/{state,socket} "$tree/many" "$other"
        echo "int main(void) { return 0; }" >"$tree/program.c"
        echo "not yours" >"$other/file"
        chmod 600 "$tree/program.c" "$other/file"
        ln -s "$other" "$tree/shortcut"
        cat >"$scratch/etc/policy.d/try.yaml" <<POLICY
rules:
  - name: try-build
    effect: allow
    user: [nobody]
    path: $tree
    ops: [chown, chmod, mknod, fallocate, truncate, stat, ls]
    chown-to: ["nobody:*", "www-data:*"]
    devices: ["c 1:3"]
    max-bytes: 1G
POLICY
        cat >"$scratch/etc/fsopd.yaml" <<CONFIG
socket: $scratch/socket/fsopd.sock
socket-mode: 0666
state-dir: $scratch/state
policy-dir: $scratch/etc/policy.d
audit: file:$scratch/state/audit.log
CONFIG
        step "Starting fsopd as root, with one rule"
        sed "s|$scratch/||g; s|^|   |" "$scratch/etc/policy.d/try.yaml"
        "$programs/fsopd" --config "$scratch/etc/fsopd.yaml" >"$log" 2>&1 </dev/null &
        daemon=$!
        who=nobody
        fsop=(setpriv --reuid=65534 --regid=65534 --clear-groups -- "$programs/fsop" --socket "$scratch/socket/fsopd.sock")
        wait_for_daemon "${fsop[@]}"
        note "engine: $("${fsop[@]}" info 2>/dev/null | grep -m1 -oE 'uring|threads' || echo unknown)"

        step "nobody may do what the rule gives"
        ask chown www-data:www-data "$tree/program.c"
        look '%n belongs to %U:%G' "$tree/program.c"
        ask mknod -m 666 "$tree/null" c 1 3
        look '%n is a %F %t:%T' "$tree/null"
        ask fallocate -l 64M "$tree/image"
        look '%n has %s bytes, %b blocks, belongs to %U' "$tree/image"
        for ((i = 0; i < 2000; i++)); do echo "truncate -s 4K $tree/many/$i"; done >"$scratch/lines"
        run_batch 2000 "$scratch/lines"
        for ((i = 0; i < 2000; i++)); do echo "chown www-data:www-data $tree/many/$i"; done >"$scratch/lines"
        run_batch 2000 "$scratch/lines"
        note "  $(find "$tree/many" -user www-data | wc -l) files belong to www-data now"

        step "and nothing else"
        refused chown nobody "$other/file"
        refused chown nobody "$tree/shortcut/file"
        refused chown root "$tree/program.c"
        refused mknod "$tree/mem" c 1 1
        look '%n still belongs to %U' "$other/file"

        step "What was done with privilege is on record (the first and the last lines)"
        { head -n 2 "$scratch/state/audit.log"; echo ...; tail -n 2 "$scratch/state/audit.log"; } | cut -c 1-300 | sed 's|^|   |'
}

# ---- as an ordinary user: a private service ------------------------------------------------------------------------

as_user() {
        local tree=$scratch/tree i
        mkdir -p "$scratch/run" "$scratch/state" "$tree/many"
        chmod 700 "$scratch/run"
        step "Starting fsopd as $(id -un): a private service, without rules"
        export XDG_RUNTIME_DIR=$scratch/run XDG_STATE_HOME=$scratch/state
        unset FSOP_SOCKET
        "$programs/fsopd" >"$log" 2>&1 </dev/null &
        daemon=$!
        who=$(id -un)
        fsop=("$programs/fsop" --socket "$scratch/run/fsopd/fsopd.sock")
        wait_for_daemon "${fsop[@]}"
        note "engine: $("${fsop[@]}" info 2>/dev/null | grep -m1 -oE 'uring|threads' || echo unknown)"

        step "It does what you may do yourself"
        ask fallocate -l 64M "$tree/image"
        look '%n has %s bytes, %b blocks' "$tree/image"
        ask touch -d 1969-07-20T20:17:40Z "$tree/old"
        look '%n is of %y' "$tree/old"
        for ((i = 0; i < 3000; i++)); do echo "truncate -s 4K $tree/many/$i"; done >"$scratch/lines"
        run_batch 3000 "$scratch/lines"
        note "  $(find "$tree/many" -type f | wc -l) files are there now"

        step "and nothing else"
        refused chown root "$tree/old"
}

who='' fsop=()
if [ "$(id -u)" = 0 ]; then as_root; else as_user; fi

step "Done"
kill -TERM "$daemon"
wait "$daemon" || give_up "the daemon did not end well"
daemon=
note "The daemon has ended, and everything in $scratch is being removed."
note "To go on:"
note "  README.md          how to install it, a tour, a policy to begin with, the library"
note "  tests/run.sh       every test"
