#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# jobs_kill.sh: kill -9 at random moments: what was done stays done, what was promised is kept, nothing is left over.
# FSOP_TEST_KILLS=50: so many kills instead of a few, and a file of 2 GiB instead of 256 MiB.
# shellcheck source=tests/support/lib.sh
. "$(dirname "$0")/../support/lib.sh"
# shellcheck source=tests/support/jobs.sh
. "$(dirname "$0")/../support/jobs.sh"

kills=${FSOP_TEST_KILLS:-5}
big_mib=$((kills >= 50 ? 2048 : 256))
mib=$((1024 * 1024))
again_bytes=$((64 * mib)) # what a kill may cost
slack_bytes=$((48 * mib)) # the journal, directories, rounding up

data=$scratch/data
loop_mount xfs "$data/xfs" $((big_mib * 6 + 2048))M && data=$data/xfs
mkdir -p "$data/from" "$data/to"
"$bin/grow" "$data/from/tree" 5000 1 || die "no tree to copy"
head -c $((big_mib * mib)) /dev/urandom >"$data/from/tree/big"
touch -d 1969-07-20T20:17:40.123456789Z "$data/from/tree/big" "$data/from/tree"
echo small >"$data/from/small"
copy_policy "$data"
write_config
start_daemon

# ---- what is checked ------------------------------------------------------------------------------------------------

moment_ms=500 # a kill comes within so much
acknowledged=$scratch/acknowledged # numbers of jobs that were promised
: >"$acknowledged"
smalls=0

# Small jobs, submitted while the daemon is being killed.
submit_smalls() {
        local number
        for _ in 1 2 3; do
                smalls=$((smalls + 1))
                number=$(submit "$data/from/small" "$2/small$1.$smalls" 2>/dev/null) && echo "$number" >>"$acknowledged"
        done
}

nothing_promised_is_lost() {
        local lost
        lost=$(comm -23 <(sort "$acknowledged") <(job_list | sort))
        equal "$1: no promised job is lost" "" "$lost"
}

# survive WHAT KILLS SOURCE DIRECTORY fresh|existing ARGUMENTS OF CP…: copies SOURCE to DIRECTORY/copy, with so many kills. Where
# the job is done sooner there are fewer: $killed.
survive() {
        local what=$1 planned=$2 source=$3 directory=$4 kind=$5 target=$4/copy total number done_files top inode blocks kept k submitter
        local -a counted=() inodes=()
        shift 5
        rm -f "$scratch"/seen.*
        killed=0
        total=-$(daemon_written) # not of this job
        if [ "$kind" = existing ]; then
                "${asker[@]}" mkdir "$target"
                find "$source" -maxdepth 1 -type f -name 'file*' -printf '%f\0' | head -z -n 50 |
                        while IFS= read -rd '' name; do echo old | "${asker[@]}" tee "$target/$name" >/dev/null; done
        fi
        submitted -a -T --clone never "$@" "$source" "$target"
        number=$job
        echo "$number" >>"$acknowledged"
        while [ $killed -lt "$planned" ]; do
                submit_smalls "$number.$killed" "$directory" &
                submitter=$!
                a_moment $moment_ms
                ! ended "$(job_state "$number")" || break
                crash_daemon
                wait $submitter
                killed=$((killed + 1))
                total=$((total + written))
                counted+=("${done_files:-0}")
                # While nothing runs: what the journal calls done, what is there, and how far the big file has come.
                done_files=$(journal_files_done "$number")
                top=$target
                [ -e "$target" ] || top=$(find "$directory" -maxdepth 1 -name ".fsop-$number-*" -type d)
                : >"$scratch/seen.$killed"
                [ -z "$top" ] || [ ! -e "$top" ] || "$bin/alike" -l "$top" | sort >"$scratch/seen.$killed"
                if [ "$kind" = fresh ] && [ -n "$top" ] && [ -e "$top/big" ]; then
                        read -r inode blocks < <(stat -c '%i %b' "$top/big")
                        [ $((blocks * 512)) -le $((again_bytes + 16 * mib)) ] || inodes+=("$inode")
                fi
                start_daemon
                nothing_promised_is_lost "$what, kill $killed"
        done
        wait $submitter
        ends_as "$what: after $killed kills the job is done" "$number" done 300
        total=$((total + $(daemon_written)))
        equal "$what: the counters are right" "true true" "$(job_field "$number" \
                '"\(.files_done == (.files_total // .files_done)) \(.bytes_copied == (.bytes_total // .bytes_copied))"')"

        same "$what: the copy is faithful" "$source" "$target"
        "$bin/alike" -l "$target" | sort >"$scratch/final"
        for ((k = 1; k <= killed; k++)); do
                kept=$(comm -12 "$scratch/seen.$k" "$scratch/final" | wc -l)
                if [ "$kept" -lt "${counted[k - 1]}" ]; then
                        fail "$what, kill $k: what was done is not copied again" "done: ${counted[k - 1]}, of these kept: $kept"
                fi
        done
        if [ ${#inodes[@]} -gt 0 ]; then
                equal "$what: the big file is gone on with, not begun again" "$(stat -c %i "$target/big")" "$(printf '%s\n' "${inodes[@]}" | sort -u)"
        fi
        local needed
        needed=$(du -s -B1 "$source" | cut -f1)
        echo "$what: $killed kills, $((total / mib)) MiB written for $((needed / mib)) MiB, done at the kills: ${counted[*]:-}"
        [ $total -le $((needed + killed * again_bytes + slack_bytes)) ] && ok "$what: at most 64 MiB again for each kill" ||
                fail "$what: at most 64 MiB again for each kill" "$total bytes written for $needed, $killed kills"
        # The small ones are done too, each of them once.
        while read -r number; do
                job_reaches "$number" done >/dev/null || fail "$what: job $number" "$(job_state "$number")"
        done <"$acknowledged"
        no_leftovers "$what" "$directory"
        rm -rf "${directory:?}"/*
        : >"$acknowledged"
}

# ---- a whole tree, as a rule allows it -----------------------------------------------------------------------------------

cap=$(((kills + 1) / 2)) # so that both kinds get their share
round=0
all=0
while [ $all -lt "$kills" ]; do
        round=$((round + 1))
        kind=fresh
        if [ $((round % 2)) = 0 ]; then
                kind=existing
                mkdir "$data/to/r$round"
                chown nobody "$data/to/r$round"
                copy_policy "$data" "foreign-parent: true"
        else
                mkdir "$data/to/r$round"
                copy_policy "$data"
        fi
        exits 0 "round $round: the rules" fsop policy reload
        survive "round $round, $kind" $((kills - all < cap ? kills - all : cap)) "$data/from/tree" "$data/to/r$round" $kind
        all=$((all + killed))
        [ $round -lt $((kills * 4)) ] || die "the jobs are done before they can be killed"
done
ok "$all kills in $round rounds"

# ---- a large file alone -----------------------------------------------------------------------------------------------------

# So slowly that there is time to look at it and to kill before it is done.
part=$((big_mib * mib * 4 / 10))
submitted --clone never --bwlimit $((big_mib / 16))M "$data/from/tree/big" "$data/to/big"
until_field "$job" ".bytes_copied >= $part" || fail "the large file is under way" "$("${asker[@]}" fsop --json job show "$job")"
copied=$(job_field "$job" .bytes_copied)
flushed=$(job_field "$job" .bytes_flushed)
crash_daemon
temporary=$(find "$data/to" -maxdepth 1 -name ".fsop-$job-*")
inode=$(stat -c %i "$temporary")
start_daemon
least=$copied
while ! ended "$(job_state "$job")"; do
        used=$(($(stat -c %b "$temporary" 2>/dev/null || stat -c %b "$data/to/big") * 512))
        [ "$used" -ge "$least" ] || least=$used
done
ends_as "a large file: done" "$job" done
again=$(($(daemon_written) - (big_mib * mib - copied)))
echo "a large file: $((copied / mib)) MiB copied, $((flushed / mib)) flushed, then killed: $((again / mib)) MiB again"
[ "$flushed" -ge $((copied - again_bytes)) ] && ok "a large file: at most 64 MiB are not flushed" ||
        fail "a large file: at most 64 MiB are not flushed" "$flushed of $copied"
[ $again -le $((again_bytes + 8 * mib)) ] && ok "a large file: at most 64 MiB again" || fail "a large file: at most 64 MiB again" "$again"
[ "$least" -ge $((flushed < copied ? flushed : copied)) ] && ok "a large file: it never shrinks" || fail "a large file: it never shrinks" "$least of $flushed"
equal "a large file: the same inode" "$inode" "$(stat -c %i "$data/to/big")"
exits 0 "a large file: its contents" cmp "$data/from/tree/big" "$data/to/big"
no_leftovers "a large file" "$data/to"
rm "$data/to/big"

# ---- what was said is kept --------------------------------------------------------------------------------------------------

# Killed as soon as the answer is there.
slow() {
        submitted --clone never --bwlimit 1M "$data/from/tree/big" "$data/to/slow"
        until_field "$job" '.bytes_copied > 0' || fail "the slow job is under way" "$(job_state "$job")"
}
again() {
        crash_daemon
        start_daemon
}
slow
exits 0 "pause" job_do pause "$job"
again
ends_as "paused, killed: it stays paused" "$job" paused
exits 0 "resume" job_do resume "$job"
again
ends_as "resumed, killed: it runs" "$job" running
exits 0 "cancel" job_do cancel "$job"
again
ends_as "cancelled, killed: it stays cancelled" "$job" cancelled
no_leftovers "cancelled, killed" "$data/to"
[ ! -e "$data/to/slow" ] && ok "cancelled, killed: nothing is there" || fail "cancelled, killed: nothing is there"
exits 0 "forget" job_do forget "$job"
again
exits 1 "forgotten, killed: it stays forgotten" job_do show "$job"
mkdir "$data/to/dir"
submitted -r -T --update=none-fail --clone never --bwlimit 4M "$data/from" "$data/to/dir"
until_field "$job" '.bytes_copied > 0' || fail "the tree is under way" "$(job_state "$job")"
exits 0 "cancel a tree" job_do cancel "$job"
again
ends_as "a tree, cancelled, killed: it stays cancelled" "$job" cancelled
no_leftovers "a tree, cancelled, killed" "$data/to"
rm -rf "$data/to/dir"
rm "$data/from/tree/big"

# ---- as the caller --------------------------------------------------------------------------------------------------------

mkdir "$data/own"
chown nobody:nogroup "$data/own"
as_nobody "$bin/grow" "$data/own/tree" 3000 2 own || die "no tree of the caller's own"
as_nobody mkdir "$data/own/to"
submit_as=(--as caller)
copy_policy "$data/nowhere"
exits 0 "as caller: no rule" fsop policy reload
chmod 644 "$data/from/small"
moment_ms=150
for kind in fresh existing; do
        all=0
        for ((round = 1; all < (kills + 2) / 3; round++)); do
                survive "as caller, round $round, $kind" 2 "$data/own/tree" "$data/own/to" $kind
                all=$((all + killed))
                [ $round -lt $((kills * 4)) ] || die "the jobs are done before they can be killed"
        done
done
finish
