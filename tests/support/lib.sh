# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# lib.sh: what the end-to-end tests share: a scratch directory, a daemon in it, filesystems on loop devices, other users,
# and assertions. Sourced first; everything it makes is gone when the script ends, however it ends.
set -u -o pipefail
export LC_ALL=C.UTF-8 PATH="$PATH:/usr/sbin:/sbin"
umask 022

: "${FSOP_SOURCE_DIR:=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)}"
: "${FSOP_BUILD_DIR:?the directory with the built programs}"
: "${FSOP_TEST_ENGINE:=auto}"
export FSOP_SOURCE_DIR FSOP_BUILD_DIR FSOP_TEST_ENGINE

test_failures=0
daemon_pid=
mounts=()
children=()
nobody_uid=65534
nobody_gid=65534

# ---- saying what happened ---------------------------------------------------------------------------------------

ok() { printf 'ok: %s\n' "$1"; }

# A test that has failed must end soon: what it waits for now may never come. It has three minutes.
hurry() {
        [ -z "$hurrier" ] || return 0
        (
                trap 'kill "$sleeper"; exit' TERM
                sleep 180 &
                sleeper=$!
                wait "$sleeper"
                kill -TERM $$
                sleep 5
                pkill -KILL -P $$ # the command that the shell waits for before it hears of TERM
        ) >/dev/null 2>&1 &
        hurrier=$!
}
hurrier=

fail() {
        hurry
        printf 'FAIL: %s\n' "$1"
        [ $# -lt 2 ] || printf '%s\n' "$2" | sed 's/^/      /'
        test_failures=$((test_failures + 1))
}

# What cannot be tested here, and why. skip goes on with the rest, skip_all ends the test.
skip() { printf 'SKIP: %s\n' "$1"; }
skip_all() {
        printf 'SKIP: %s\n' "$1"
        exit 77
}

die() {
        fail "$1"
        exit 1
}

# equal WHAT EXPECTED ACTUAL
equal() {
        if [ "$2" = "$3" ]; then
                ok "$1"
        else
                fail "$1" "$(diff -u --label expected --label actual <(printf '%s\n' "$2") <(printf '%s\n' "$3"))"
        fi
}

# contains WHAT NEEDLE HAYSTACK
contains() {
        case $3 in
        *"$2"*) ok "$1" ;;
        *) fail "$1" "looked for: $2"$'\n'"in:         $3" ;;
        esac
}

# lacks WHAT NEEDLE HAYSTACK
lacks() {
        case $3 in
        *"$2"*) fail "$1" "should not be there: $2"$'\n'"in:                  $3" ;;
        *) ok "$1" ;;
        esac
}

# exits STATUS WHAT COMMAND…: runs it, keeps its output in $output
exits() {
        local expected=$1 what=$2 status=0
        shift 2
        output=$("$@" 2>&1) || status=$?
        if [ "$status" = "$expected" ]; then
                ok "$what"
        else
                fail "$what" "exit status $status instead of $expected from: $*"$'\n'"$output"
        fi
}

# The last line of a test.
finish() {
        stop_daemon
        if [ "$test_failures" -gt 0 ]; then
                printf '%d check(s) failed\n' "$test_failures"
                exit 1
        fi
        echo "all checks passed"
        exit 0
}

# ---- requirements -----------------------------------------------------------------------------------------------

need_root() { [ "$(id -u)" = 0 ] || skip_all "needs root: ${1:-it changes identities}"; }
need_command() { command -v "$1" >/dev/null 2>&1 || skip_all "needs the command $1${2:+ (package $2)}"; }
need_engine() {
        [ "$FSOP_TEST_ENGINE" != uring ] || "$FSOP_BUILD_DIR/tests/e2e-ringprobe" || exit 77
}

# ---- a place to work --------------------------------------------------------------------------------------------

# Below /run where we are root: what steers a privileged daemon may not lie below a directory that others can write,
# which /tmp is. Images and programs go to /tmp: /run is often memory, and mounted noexec.
if [ "$(id -u)" = 0 ]; then
        scratch=$(mktemp -d /run/fsop-test.XXXXXX)
else
        scratch=$(mktemp -d "${TMPDIR:-/tmp}/fsop-test.XXXXXX")
fi
images=$(mktemp -d "${TMPDIR:-/tmp}/fsop-images.XXXXXX")
chmod 755 "$scratch" "$images"
mkdir -p "$images/bin" "$scratch"/{etc,etc/policy.d,run,state,data}
socket=$scratch/run/fsopd.sock
audit=$scratch/state/audit.log
daemon_log=$scratch/state/fsopd.log
export FSOP_SOCKET=$socket

# Other users may not reach the build directory (a clone in /root), so what they run is copied.
bin=$images/bin
for program in fsop fsopd; do
        [ ! -x "$FSOP_BUILD_DIR/$program" ] || install -m 755 "$FSOP_BUILD_DIR/$program" "$bin/$program"
done
export PATH="$bin:$PATH"

# helper NAME: makes the program tests/e2e/NAME.c runnable by everyone, as $bin/NAME
helper() {
        [ -x "$FSOP_BUILD_DIR/tests/e2e-$1" ] || die "tests/e2e/$1.c was not built"
        install -m 755 "$FSOP_BUILD_DIR/tests/e2e-$1" "$bin/$1"
}

# Still ours: the number of what has ended may be another program's by now, perhaps of the test beside this one.
is_child() { [ -n "$1" ] && grep -qsx "PPid:[[:space:]]*$$" "/proc/$1/status"; }

clean_up() {
        local status=$? mount pid
        trap - EXIT INT TERM HUP
        [ -z "$hurrier" ] || kill -TERM "$hurrier" 2>/dev/null
        for pid in "${children[@]:-}" $daemon_pid; do
                ! is_child "$pid" || kill -KILL "$pid" 2>/dev/null
        done
        if [ "$status" != 0 ] && [ "$status" != 77 ] && [ -s "$daemon_log" ]; then
                echo "--- the daemon's log ---"
                tail -n 60 "$daemon_log"
        fi
        for ((mount = ${#mounts[@]} - 1; mount >= 0; mount--)); do
                umount "${mounts[mount]}" 2>/dev/null || umount -l "${mounts[mount]}" 2>/dev/null
        done
        rm -rf --one-file-system "$scratch" "$images"
        exit "$status"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'echo "ended by a signal"; exit 143' TERM HUP

# ---- filesystems ------------------------------------------------------------------------------------------------

# loop_mount TYPE DIRECTORY [SIZE]: a fresh filesystem of its own; 1 (and a SKIP line) where that cannot be had
loop_mount() {
        local type=$1 directory=$2 size=${3:-512M} image=$images/$1.${#mounts[@]}
        local -a mkfs
        case $type in
        ext4) mkfs=(mkfs.ext4 -q -F -O ^has_journal -N 131072) ;;
        xfs) mkfs=(mkfs.xfs -q -f -m reflink=1) ;;
        btrfs) mkfs=(mkfs.btrfs -q -f) ;;
        esac
        if [ "$(id -u)" != 0 ]; then
                skip "$type: needs root to mount an image"
                return 1
        fi
        if ! command -v "${mkfs[0]}" >/dev/null 2>&1; then
                skip "$type: needs ${mkfs[0]}"
                return 1
        fi
        mkdir -p "$directory"
        truncate -s "$size" "$image"
        if ! "${mkfs[@]}" "$image" >"$images/mkfs.log" 2>&1; then
                skip "$type: mkfs failed: $(head -n 1 "$images/mkfs.log")"
                return 1
        fi
        if ! mount -o loop "$image" "$directory" 2>"$images/mount.log"; then
                skip "$type: cannot mount an image here: $(head -n 1 "$images/mount.log")"
                return 1
        fi
        mounts+=("$directory")
        chmod 755 "$directory"
}

# bind or tmpfs mounts of the test itself: mounted OPTIONS… DIRECTORY
mounted() {
        mount "$@" || return 1
        mounts+=("${*: -1}")
}

# Everything that tells whether a tree was changed: names, types, modes, owners, devices, links, sizes, contents.
snapshot() {
        find "$@" -printf '%p %y %m %U %G %n %s %T@ %l\n' | sort
        find "$@" \( -type c -o -type b \) -exec stat -c '%n %t:%T' {} + | sort
        find "$@" -type f -exec cksum {} + | sort
        if command -v getfattr >/dev/null; then getfattr -R -h -d -m - "$@" 2>/dev/null; fi
}

# ---- the daemon -------------------------------------------------------------------------------------------------

# Writes $scratch/etc/fsopd.yaml; further lines as arguments.
write_config() {
        {
                echo "socket: $socket"
                echo "socket-mode: 0666"
                echo "state-dir: $scratch/state"
                echo "policy-dir: $scratch/etc/policy.d"
                echo "audit: file:$audit"
                [ -z "${FSOP_TEST_ROUTES:-}" ] || echo "routes: $FSOP_TEST_ROUTES"
                printf '%s\n' "$@"
        } >"$scratch/etc/fsopd.yaml"
}

# Writes a policy file from standard input: write_policy NAME
write_policy() { cat >"$scratch/etc/policy.d/$1.yaml"; }

# start_daemon [OPTION…]
start_daemon() {
        need_engine
        [ -e "$scratch/etc/fsopd.yaml" ] || write_config ""
        "${daemon_wrapper[@]}" "$bin/fsopd" --config "$scratch/etc/fsopd.yaml" --engine "$FSOP_TEST_ENGINE" "$@" \
                >>"$daemon_log" 2>&1 </dev/null &
        daemon_pid=$!
        wait_until "the daemon answers" daemon_answers || die "the daemon did not start: $(tail -n 5 "$daemon_log")"
}
daemon_wrapper=()

daemon_answers() {
        kill -0 "$daemon_pid" 2>/dev/null || die "the daemon ended while starting: $(tail -n 20 "$daemon_log")"
        "$bin/fsop" ping >/dev/null 2>&1
}

# stop_daemon: TERM, and it must end. It gives itself ten seconds; how long a busy machine takes then is nobody's fault.
stop_daemon() {
        local status=0 pid=$daemon_pid
        [ -n "$pid" ] || return 0
        kill -TERM "$pid" 2>/dev/null
        if ! wait_until "the daemon ends" gone "$pid"; then
                fail "the daemon ended after TERM"
                kill -KILL "$pid"
                [ ${#children[@]} -eq 0 ] || kill -KILL "${children[@]}" 2>/dev/null # what it may hang on
        fi
        wait "$pid" || status=$?
        daemon_pid=
        equal "the daemon's exit status" 0 "$status"
        if grep -Eq 'Sanitizer|runtime error' "$daemon_log"; then
                fail "no sanitizer complained" "$(grep -E -A30 'Sanitizer|runtime error' "$daemon_log" | head -60)"
        fi
}

# Ended for whoever waits for it. A process whose threads cannot end is not, although it looks like a zombie.
gone() {
        local state threads
        state=$(sed -n 's/^State:[[:space:]]*\(.\).*/\1/p' "/proc/$1/status" 2>/dev/null) || return 0
        threads=$(find "/proc/$1/task" -mindepth 1 -maxdepth 1 2>/dev/null | wc -l)
        [ -z "$state" ] || { [ "$state" = Z ] && [ "$threads" -le 1 ]; }
}

# wait_until WHAT COMMAND…: until COMMAND succeeds. The 90 s are against waiting for ever, not to measure anything.
wait_until() {
        local what=$1 end=$((SECONDS + 90)) now=$SECONDS
        shift
        while [ "$now" -lt $end ]; do
                now=$SECONDS # looked at once more after that, however long this shell stood still
                "$@" && return 0
                sleep 0.05
        done
        printf 'gave up waiting: %s\n' "$what"
        return 1
}

# The process that serves: the one that was started, or the child that it keeps.
serving_pid() {
        local child=
        read -r child _ <"/proc/$daemon_pid/task/$daemon_pid/children" 2>/dev/null
        echo "${child:-$daemon_pid}"
}
# counter NAME: one of what the status tells root; nothing where there is none of the name
counter() { "$bin/fsop" --json status | tr -d ' "' | tr ',{' '\n\n' | sed -n "s/^$1:\([0-9]*\).*/\1/p" | head -n 1; }
# in_flight NUMBER: whether the daemon has so many requests of nobody's
in_flight() { [ "$(counter "uid-$nobody_uid-requests-in-flight")" = "$1" ]; }
daemon_fds() { find "/proc/$(serving_pid)/fd" -mindepth 1 2>/dev/null | wc -l; }
daemon_rss_kb() { sed -n 's/^VmRSS:[[:space:]]*\([0-9]*\).*/\1/p' "/proc/$(serving_pid)/status"; }

# ---- other users ------------------------------------------------------------------------------------------------

# as_user UID GID GROUPS COMMAND…: GROUPS is a comma-separated list, or - for none
as_user() {
        local uid=$1 gid=$2 groups=(--groups="$3")
        [ "$3" != - ] || groups=(--clear-groups)
        shift 3
        setpriv --reuid="$uid" --regid="$gid" "${groups[@]}" --inh-caps=-all -- "$@"
}
as_nobody() { as_user $nobody_uid $nobody_gid - "$@"; }
# For the background: "${nobody[@]}" COMMAND… &, so that $! is the command and not a shell that waits for it.
# shellcheck disable=SC2034
nobody=(setpriv "--reuid=$nobody_uid" "--regid=$nobody_gid" --clear-groups --inh-caps=-all --)

# The rule that most tests use: nobody may do everything below DIRECTORY, within limits.
standard_policy() {
        local directory=$1
        shift
        {
                cat <<POLICY
rules:
  - name: tree
    effect: allow
    user: [nobody]
    path: $directory
    exclude: [$directory/secret]
    ops: all
    chown-to: ["nobody:*", "1234:1234", "2000-2999:*"]
    devices: ["c 1:3", "b 300:200000", "b 300:300000"]
    xattrs: ["user.*"]
    max-bytes: 10G
POLICY
                [ $# -eq 0 ] || printf '    %s\n' "$@"
        } | write_policy standard
}
