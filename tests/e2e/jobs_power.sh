#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# jobs_power.sh: the power goes at a random moment of a job (a shutdown of XFS, which loses what is not flushed): nothing
# that has its final name is torn, what was called done is there, and the job goes on.
# FSOP_TEST_CUTS=40: so many cuts of each kind instead of one.
# shellcheck source=tests/support/lib.sh
. "$(dirname "$0")/../support/lib.sh"
# shellcheck source=tests/support/jobs.sh
. "$(dirname "$0")/../support/jobs.sh"
need_command xfs_io xfsprogs

cuts=${FSOP_TEST_CUTS:-1}
data=$scratch/data/xfs
loop_mount xfs "$data" 1G || finish
image=$images/xfs.0

plain_files "$data/old" 1500 5000
plain_files "$data/new" 1500 7000
head -c 40M /dev/urandom >"$data/new/large"
head -c 20M /dev/urandom >"$data/old/large"
sums() { (cd "$1" && find . -type f -exec cksum {} + | sort -k 3); }
sums "$data/old" >"$scratch/old.sums"
sums "$data/new" >"$scratch/new.sums"
install -d -m 700 "$data/state"
mkdir "$data/to"
sync -f "$data"
copy_policy "$data"

# The daemon is stopped first, so that it cannot act on errors that no power cut lets it see.
cut_power() {
        local serving
        serving=$(serving_pid)
        kill -STOP "$serving"
        xfs_io -x -c shutdown "$data" || die "xfs_io cannot shut the filesystem down"
        crash_daemon
        restore_power
}
restore_power() {
        wait_until "the filesystem is unmounted" unmounted || die "cannot unmount after the shutdown"
        wait_until "the filesystem is mounted after the shutdown" mount_again || die "cannot mount after the shutdown"
}
# What a ring had in hand is let go of a moment after the end of its process.
unmounted() { umount "$data"; }
# Where another test has made a mount namespace meanwhile, that still holds the filesystem, and it is the dead one that is mounted.
mount_again() {
        mount -o loop "$image" "$data" || return
        ls "$data" >/dev/null 2>&1 && return
        umount "$data"
        return 1
}

# What has its final name is the old file or the new one, whole.
nothing_is_torn() {
        local torn
        [ -e "$2" ] || return 0
        torn=$(sums "$2" | grep -v '/\.fsop-' | grep -vxF -f "$scratch/old.sums" -f "$scratch/new.sums")
        equal "$1: nothing is torn" "" "$(head -n 5 <<<"$torn")"
}

# cut WHAT TARGET STATE-DIR MILLISECONDS ARGUMENTS OF CP…
cut() {
        local what=$1 target=$2 state_dir=$3 ms=$4 state fresh=no
        shift 4
        [ -e "$target" ] || fresh=yes
        write_config
        sed -i "s#^state-dir:.*#state-dir: $state_dir#" "$scratch/etc/fsopd.yaml"
        start_daemon
        submitted -a -T "$@" "$data/new" "$target"
        a_moment "$ms"
        state=$(job_state "$job")
        cut_power
        if [ "$state" = done ]; then
                exits 0 "$what: what was called done is there" diff "$scratch/new.sums" <(sums "$target")
        elif [ $fresh = yes ] && [ -e "$target" ]; then
                exits 0 "$what: what has its name is whole" diff "$scratch/new.sums" <(sums "$target")
        fi
        nothing_is_torn "$what" "$target"
        start_daemon
        ends_as "$what: afterwards the job is done (it was $state)" "$job" done
        same "$what: the copy is faithful" "$data/new" "$target"
        stop_daemon
        no_leftovers "$what" "$data/to"
        rm -rf "$target"
}

# How long a job takes when nothing happens: within that the power goes.
declare -A takes_ms
start_daemon
for clone in never auto; do
        begin=${EPOCHREALTIME/./}
        exits 0 "without a cut, clone $clone" as_nobody fsop cp -a -T --clone $clone "$data/new" "$data/to/timed"
        takes_ms[$clone]=$(((${EPOCHREALTIME/./} - begin) / 1000))
        rm -rf "$data/to/timed"
done
stop_daemon
echo "a job takes ${takes_ms[never]} ms, with clones ${takes_ms[auto]} ms"

for ((i = 1; i <= cuts; i++)); do
        for clone in never auto; do
                ms=${takes_ms[$clone]}
                cut "cut $i, a new target, clone $clone, state beside it" "$data/to/new" "$data/state" $ms --clone $clone
                cut "cut $i, a new target, clone $clone, state elsewhere" "$data/to/new" "$scratch/state" $ms --clone $clone
                for place in "$data/state" "$scratch/state"; do
                        cp -r "$data/old" "$data/to/existing"
                        sync -f "$data"
                        cut "cut $i, existing, clone $clone, state ${place##*/data}" "$data/to/existing" "$place" $ms --clone $clone
                done
        done
        cp -r "$data/old" "$data/to/existing"
        sync -f "$data"
        cut "cut $i, --sync file" "$data/to/existing" "$scratch/state" "${takes_ms[never]}" --sync file
done

# Called done, and the power goes at once.
write_config
start_daemon
for clone in never auto; do
        submitted -a -T --clone $clone "$data/new" "$data/to/at-once"
        ends_as "at once, clone $clone: done" "$job" done
        cut_power
        exits 0 "at once, clone $clone: what was called done is there" diff "$scratch/new.sums" <(sums "$data/to/at-once")
        rm -rf "$data/to/at-once"
        start_daemon
done

# A filesystem that fails under a daemon that lives on: the job waits or fails, says why, and can be gone on with.
submitted -a -T --clone never --bwlimit 4M "$data/new" "$data/to/failing"
until_field "$job" '.bytes_copied > 1000000' || fail "a failing filesystem: the job is under way"
xfs_io -x -c shutdown "$data"
gave_up() { case $(job_state "$job") in waiting | failed) return 0 ;; esac; return 1; }
wait_until "the job notices" gave_up && ok "a failing filesystem: the job is $(job_state "$job")" || fail "a failing filesystem: the job notices" "$(job_state "$job")"
crash_daemon
restore_power
start_daemon
[ "$(job_state "$job")" != failed ] || exits 0 "a failing filesystem: retry" job_do retry "$job"
ends_as "a failing filesystem: done afterwards" "$job" done 120
same "a failing filesystem: the copy is faithful" "$data/new" "$data/to/failing"
no_leftovers "a failing filesystem" "$data/to"
finish
