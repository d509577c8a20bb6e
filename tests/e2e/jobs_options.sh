#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# jobs_options.sh: every option of cp once, and pausing, resuming, cancelling, priorities and the order of jobs.
# shellcheck source=tests/support/lib.sh
. "$(dirname "$0")/../support/lib.sh"
# shellcheck source=tests/support/jobs.sh
. "$(dirname "$0")/../support/jobs.sh"

data=$scratch/data
loop_mount xfs "$data/xfs" 2G && data=$data/xfs
mkdir -p "$data/to"
copy_policy "$data" "foreign-parent: true"
write_config
start_daemon
copies() { # WHAT ARGUMENTS OF CP…: nobody asks, waits, and it succeeds
        local what=$1
        shift
        exits 0 "$what" as_nobody fsop cp "$@"
}
# names WHAT EXPECTED DIRECTORY: what there is, in one line
names() { equal "$1" "$2" "$(cd "$3" && find . -mindepth 1 -printf '%P\n' | sort | paste -sd' ')"; }

# ---- where it goes, as with cp -------------------------------------------------------------------------------------------

mkdir -p "$data/tree/sub/deep" "$data/tree/empty"
for name in a.txt b.o sub/c.txt sub/d.o sub/deep/e.o sub/deep/f.txt; do echo "$name" >"$data/tree/$name"; done
copies "a file to a name" "$data/tree/a.txt" "$data/to/name"
exits 0 "it is the same" cmp "$data/tree/a.txt" "$data/to/name"
equal "it belongs to the caller" nobody "$(stat -c %U "$data/to/name")"
copies "a file into a directory" "$data/tree/a.txt" "$data/to"
[ -f "$data/to/a.txt" ] && ok "has its own name there" || fail "has its own name there"
copies "several into a directory" "$data/tree/a.txt" "$data/tree/b.o" "$data/to"
copies "-t" -t "$data/to" "$data/tree/sub/c.txt"
names "what is there" "a.txt b.o c.txt name" "$data/to"
copies "a tree into a directory" -r "$data/tree" "$data/to"
exits 0 "has its own name there" diff -r "$data/tree" "$data/to/tree"
copies "-T a tree over another" -r -T "$data/tree" "$data/to/tree"
[ ! -e "$data/to/tree/tree" ] && ok "does not go into it" || fail "does not go into it"
exits 1 "a tree without -r" as_nobody fsop cp "$data/tree" "$data/to/none"
exits 1 "a tree over a file" as_nobody fsop cp -r -T "$data/tree" "$data/to/name"
exits 1 "a tree into itself" as_nobody fsop cp -r -T "$data/tree" "$data/tree/sub/again"
exits 1 "a file onto itself" as_nobody fsop cp -T "$data/tree/a.txt" "$data/tree/a.txt"
exits 0 "and it is unharmed" test -s "$data/tree/a.txt"
rm -rf "$data/to"/*

# The mode is that of the source within the umask; -a takes everything.
chmod 666 "$data/tree/a.txt"
(umask 027 && as_nobody fsop cp "$data/tree/a.txt" "$data/to/masked") || fail "cp with a umask"
equal "the umask counts" 640 "$(stat -c %a "$data/to/masked")"
chmod 4755 "$data/tree/b.o"
copies "a set-user-id file without -a" "$data/tree/b.o" "$data/to/plain"
equal "loses the bit" 755 "$(stat -c %a "$data/to/plain")"
chmod 644 "$data/tree/a.txt" "$data/tree/b.o"
"$bin/grow" "$data/rich" 600 7 || die "no tree to copy"
for clone in auto never; do
        copies "-a, clone $clone" -a -T --clone $clone "$data/rich" "$data/to/rich"
        same "-a, clone $clone: everything comes along" "$data/rich" "$data/to/rich"
        copies "-a over it, clone $clone" -a -T --clone $clone "$data/rich" "$data/to/rich"
        same "-a over it, clone $clone: and again" "$data/rich" "$data/to/rich"
        rm -rf "$data/to/rich"
done
# What a directory hands down to new files is not theirs: not with everything preserved.
if command -v setfacl >/dev/null; then
        for kind in file directory; do
                mkdir "$data/to/acl"
                setfacl -d -m u:1000:rwx "$data/to/acl"
                if [ $kind = file ]; then
                        copies "-a into a directory with a default ACL" -a "$data/tree/a.txt" "$data/to/acl"
                        same "the file has none" "$data/tree/a.txt" "$data/to/acl/a.txt"
                else
                        copies "-a over a directory with a default ACL" -a -T "$data/tree" "$data/to/acl"
                        same "the tree has none" "$data/tree" "$data/to/acl"
                fi
                rm -rf "$data/to/acl"
        done
        setfacl -m u:1000:rw "$data/tree/a.txt"
        copies "a file with an ACL, over one without" -a -T "$data/tree/a.txt" "$data/to/with"
        setfacl -b "$data/tree/a.txt"
        copies "a file without an ACL, over one with" -a -T "$data/tree/a.txt" "$data/to/with"
        same "it has none" "$data/tree/a.txt" "$data/to/with"
else
        skip "ACLs: needs setfacl"
fi
ln -s tree/a.txt "$data/link"
copies "a link is followed" "$data/link" "$data/to/followed"
[ -f "$data/to/followed" ] && [ ! -L "$data/to/followed" ] && ok "it is the file" || fail "it is the file"
copies "a link with -a is not" -a "$data/link" "$data/to/link"
equal "it is the link" tree/a.txt "$(readlink "$data/to/link")"
rm -rf "$data/to"/*

# ---- choosing ------------------------------------------------------------------------------------------------------------------

copies "--exclude" -r -T --exclude '*.o' --exclude sub/deep "$data/tree" "$data/to/some"
names "what is left out" "a.txt empty sub sub/c.txt" "$data/to/some"
printf '%s\n' a.txt sub/deep/e.o >"$scratch/list"
copies "--files-from" -r -T --files-from "$scratch/list" "$data/tree" "$data/to/listed"
names "only what is listed" "a.txt sub sub/deep sub/deep/e.o" "$data/to/listed"
odd=$'new\nline'
echo odd >"$data/tree/$odd"
printf '%s\0' "$odd" sub/d.o >"$scratch/list"
copies "--files-from -0" -r -T --files-from "$scratch/list" -0 "$data/tree" "$data/to/listed0"
equal "names with newlines" odd "$(cat "$data/to/listed0/$odd")"
rm "$data/tree/$odd"
printf '../to\n' >"$scratch/list"
exits 2 "--files-from out of the tree" as_nobody fsop cp -r -T --files-from "$scratch/list" "$data/tree" "$data/to/out"
[ ! -e "$data/to/out" ] || fail "nothing is made" "$(find "$data/to/out")"
mkdir "$data/tree/mount"
if mounted -t tmpfs none "$data/tree/mount"; then
        echo other >"$data/tree/mount/other"
        copies "-x" -r -x -T "$data/tree" "$data/to/one"
        names "-x stays on one filesystem, and makes the directory" "a.txt b.o empty mount sub sub/c.txt sub/d.o sub/deep sub/deep/e.o sub/deep/f.txt" "$data/to/one"
        copies "without -x" -r -T "$data/tree" "$data/to/both"
        equal "without it does not" other "$(cat "$data/to/both/mount/other")"
        umount "$data/tree/mount"
fi
rmdir "$data/tree/mount"

# --update: what stands there before
before() {
        rm -rf "$data/to/up"
        mkdir "$data/to/up"
        echo old >"$data/to/up/a.txt"
        echo newer >"$data/to/up/b.o"
        touch -d 2001-01-01 "$data/to/up/a.txt"
        touch -d 2040-01-01 "$data/to/up/b.o"
}
up() { cat "$data/to/up/a.txt" "$data/to/up/b.o" "$data/to/up/sub/c.txt" | paste -sd' '; }
before
copies "--update=all" -r -T --update=all "$data/tree" "$data/to/up"
equal "replaces everything" "a.txt b.o sub/c.txt" "$(up)"
before
copies "--update=none" -r -T --update=none "$data/tree" "$data/to/up"
equal "leaves what is there" "old newer sub/c.txt" "$(up)"
before
exits 5 "--update=none-fail fails where something is there" as_nobody fsop cp -r -T --update=none-fail "$data/tree" "$data/to/up"
equal "and leaves it" "old newer sub/c.txt" "$(up)"
before
copies "--update=older" -r -T --update=older "$data/tree" "$data/to/up"
equal "replaces what is older" "a.txt newer sub/c.txt" "$(up)"
before
submitted -r -T --update=none "$data/tree" "$data/to/up"
ends_as "--update=none" "$job" done
equal "counts what it leaves" "2 4" "$(job_field "$job" '"\(.files_skipped) \(.files_done)"')"

# ---- how durable -------------------------------------------------------------------------------------------------------------------

for sync in none batch file; do
        copies "--sync $sync" -a -T --sync $sync "$data/tree" "$data/to/sync-$sync"
        same "--sync $sync: the copy is faithful" "$data/tree" "$data/to/sync-$sync"
        copies "--sync $sync, over it" -a -T --sync $sync --clone never "$data/tree" "$data/to/sync-$sync"
        same "--sync $sync, over it: the copy is faithful" "$data/tree" "$data/to/sync-$sync"
done

# ---- verifying --------------------------------------------------------------------------------------------------------------------

plain_files "$data/checked" 50 20000
head -c 12M /dev/urandom >"$data/checked/large"
bytes=$(find "$data/checked" -type f -printf '%s\n' | awk '{ sum += $1 } END { print sum }')
for target in new existing; do
        [ $target = new ] || mkdir "$data/to/checked-existing"
        submitted -a -T --verify "$data/checked" "$data/to/checked-$target"
        ends_as "--verify, $target" "$job" done
        equal "--verify, $target: all of it is verified" "$bytes" "$(job_field "$job" .bytes_verified)"
        job_manifest "$job" >"$scratch/manifest"
        equal "--verify, $target: the manifest has every file" 51 "$(wc -l <"$scratch/manifest")"
        exits 0 "--verify, $target: b2sum agrees with it" b2sum -l 256 --strict -c "$scratch/manifest"
done

# What is damaged between copying and verifying is found: the small file is written to while the large one is still on
# its way. The daemon stands still while one looks: it would publish it meanwhile.
is_damaged() {
        local place status=1
        kill -STOP "$(serving_pid)"
        place=$(find "$data/to" -type f -size 12c \( -path "*damaged-$target*" -o -path "*/.fsop-$job-*" \) | head -n 1)
        [ -z "$place" ] || { printf 'WHAT' | dd of="$place" conv=notrunc,nocreat status=none && status=0; }
        kill -CONT "$(serving_pid)"
        return $status
}
for target in new existing; do
        mkdir "$data/damaged-$target"
        echo "what it was" >"$data/damaged-$target/small"
        head -c 24M /dev/urandom >"$data/damaged-$target/large"
        [ $target = new ] || mkdir "$data/to/damaged-$target"
        submitted -r -T --verify --clone never --bwlimit 4M "$data/damaged-$target" "$data/to/damaged-$target"
        wait_until "the small file is copied" is_damaged || fail "the copy can be damaged"
        ends_as "--verify, $target: damage is found" "$job" failed
        equal "--verify, $target: in the file that has it" "EIO $data/damaged-$target/small" "$(job_failures "$job")"
        lacks "--verify, $target: the manifest does not vouch for it" /small "$(job_manifest "$job")"
        exits 0 "--verify, $target: retry" job_do retry "$job"
        ends_as "--verify, $target: a retry mends it" "$job" done
        exits 0 "--verify, $target: all is there" diff -r "$data/damaged-$target" "$data/to/damaged-$target"
done
rm -rf "$data/to"/* "$data"/damaged-* "$data/checked"

# ---- slowly -----------------------------------------------------------------------------------------------------------------------

# paced WHAT BYTES SOURCE TARGET: at 8 MB a second, with half as much again for bursts
paced() {
        local begin=$EPOCHREALTIME us
        copies "--bwlimit, $1" -r -T --clone never --bwlimit 8M "$3" "$4"
        us=$((${EPOCHREALTIME/./} - ${begin/./}))
        echo "--bwlimit 8M, $1: $(($2 * 1000000 / us)) bytes a second"
        [ $(($2 * 1000000 / us)) -le $((8 * 1048576 * 3 / 2)) ] && ok "--bwlimit, $1: it keeps to it" || fail "--bwlimit, $1: it keeps to it"
}
mkdir "$data/pace"
head -c 24M /dev/urandom >"$data/pace/file"
paced "a large file" 25165824 "$data/pace" "$data/to/paced"
rm -rf "$data/pace"
plain_files "$data/pace" 800 20000
paced "many files" 16000000 "$data/pace" "$data/to/paced-many"
rm -rf "$data/to"/*

# ---- pause, resume, cancel -----------------------------------------------------------------------------------------------------

head -c 20M /dev/urandom >"$data/pace/large"
# under_way TARGET [RATE]: a job that has begun, so slow that it is still on its way when something is done with it
under_way() {
        submitted -a -T --clone never --bwlimit "${2:-4M}" "$data/pace" "$1"
        until_field "$job" '.files_done + .bytes_copied > 0' || fail "the job is under way" "$(job_state "$job")"
}
counters() { job_field "$job" '"\(.files_done) \(.bytes_copied)"'; }
under_way "$data/to/paused"
exits 0 "pause" job_do pause "$job"
ends_as "paused" "$job" paused
comes_to_rest() { # what is under way is finished
        now=$(counters)
        sleep 0.7
        [ "$now" = "$(counters)" ]
}
wait_until "nothing goes on" comes_to_rest && ok "nothing goes on" || fail "nothing goes on" "$now, then $(counters)"
equal "it is paused" paused "$(job_state "$job")"
top=$(find "$data/to" -maxdepth 1 -name ".fsop-$job-*")
"$bin/alike" -l "$top" | sort >"$scratch/seen"
stop_daemon
start_daemon
equal "a restart does not resume it" paused "$(job_state "$job")"
crash_daemon
start_daemon
equal "nor does a crash" paused "$(job_state "$job")"
exits 1 "what is paused cannot be forgotten" job_do forget "$job"
exits 0 "resume" job_do resume "$job"
ends_as "resumed, it ends" "$job" done
kept=$(comm -12 "$scratch/seen" <("$bin/alike" -l "$data/to/paused" | sort) | wc -l)
[ "$kept" -ge "${now% *}" ] && [ "$kept" -gt 0 ] && ok "what was done before is not copied again ($kept files)" ||
        fail "what was done before is not copied again" "done: ${now% *}, kept: $kept"
same "and all is there" "$data/pace" "$data/to/paused"
exits 1 "what is done cannot be paused" job_do pause "$job"
exits 1 "nor resumed" job_do resume "$job"
exits 1 "nor cancelled" job_do cancel "$job"
exits 0 "but forgotten" job_do forget "$job"
exits 1 "and is not known any more" job_do show "$job"
lacks "nor listed" "$job" "$(job_list)"

for target in new existing; do
        [ $target = new ] || mkdir "$data/to/cancelled-$target"
        under_way "$data/to/cancelled-$target" 1M
        exits 0 "cancel, $target" job_do cancel "$job"
        ends_as "cancelled, $target" "$job" cancelled
        no_leftovers "cancelled, $target" "$data/to"
        [ $target = existing ] || [ ! -e "$data/to/cancelled-new" ] && ok "cancelled, $target: nothing is begun in vain" || fail "cancelled, $target: the new directory is there"
        under_way "$data/to/cancelled-$target" 1M
        job_do pause "$job" >/dev/null
        stop_daemon
        start_daemon
        exits 0 "cancel, paused, after a restart, $target" job_do cancel "$job"
        ends_as "cancelled, paused, after a restart, $target" "$job" cancelled
        no_leftovers "cancelled, paused, after a restart, $target" "$data/to"
done

# Ctrl-C cancels; a connection that breaks does not. (What a shell starts in the background ignores INT.)
env --default-signal=INT "${nobody[@]}" "$bin/fsop" cp -r -T --clone never --bwlimit 1M "$data/pace" "$data/to/ctrl-c" >/dev/null 2>&1 &
client=$!
latest() { job_list | tail -n 1; }
until_running() { [ "$(job_state "$(latest)")" = running ]; }
wait_until "the job runs" until_running || fail "the job runs"
job=$(latest)
kill -INT "$client"
wait "$client" 2>/dev/null
ends_as "Ctrl-C cancels" "$job" cancelled
"${nobody[@]}" "$bin/fsop" cp -r -T --clone never --bwlimit 4M "$data/pace" "$data/to/lost" >/dev/null 2>&1 &
client=$!
wait_until "the job runs" until_running || fail "the job runs"
job=$(latest)
kill -KILL "$client"
wait "$client" 2>/dev/null
ends_as "a lost client does not" "$job" done

# Watching: from anywhere, to the end.
under_way "$data/to/watched"
exits 0 "watch joins a running job, and ends with it" "${asker[@]}" timeout 120 fsop --json job watch "$job"
equal "its last word" done "$(jq -rs 'map(.state // empty) | last' <<<"$output")"
[ "$(wc -l <<<"$output")" -ge 3 ] && ok "it tells of progress" || fail "it tells of progress" "$output"
exits 0 "watch of a job that has ended" "${asker[@]}" timeout 60 fsop job watch "$job"

# Across a crash: numbers of events go on, and who waits for a job joins it anew.
under_way "$data/to/rejoined"
event=$(job_field "$job" .event)
crash_daemon
start_daemon
exits 0 "watch after a crash" "${asker[@]}" timeout 120 fsop --json job watch "$job"
events=$(jq -r .event <<<"$output")
equal "numbers of events ascend" "$(sort -nu <<<"$events")" "$events"
[ "$(head -n 1 <<<"$events")" -gt "$event" ] && ok "beyond those before the crash" || fail "beyond those before the crash" "$event, then $events"
"${nobody[@]}" "$bin/fsop" cp -r -T --clone never --bwlimit 4M "$data/pace" "$data/to/waited-for" >"$scratch/waited-for" 2>&1 &
client=$!
wait_until "the job runs" until_running || fail "the job runs"
crash_daemon
start_daemon
status=0
wait "$client" || status=$?
equal "a client that waits survives a crash of the daemon" 0 "$status"
exits 0 "and all is there" diff -r "$data/pace" "$data/to/waited-for"
rm -rf "$data/to"/*

# ---- order ------------------------------------------------------------------------------------------------------------------------

# Two jobs on one device: one after the other.
under_way "$data/to/first" 12M
first=$job
submitted -T "$data/tree/a.txt" "$data/to/second"
second=$job
ends_as "the first is done" "$first" done
ends_as "then the second" "$second" done
[ "$(job_time "$first" finished)" -le "$(job_time "$second" started)" ] && ok "the second waits for the first" ||
        fail "the second waits for the first" "$(job_time "$first" finished), $(job_time "$second" started)"

# Priorities: above 0 for administrators.
exits 3 "a high priority is not for everyone" as_nobody fsop cp --detach --priority 5 -T "$data/tree/a.txt" "$data/to/p0"
exits 2 "nor one that there is not" as_nobody fsop cp --detach --priority 1000 -T "$data/tree/a.txt" "$data/to/p0"
asker=(env)
under_way "$data/to/blocker" 500K
blocker=$job
jobs=()
for priority in -10 0 5 0; do
        submitted --priority $priority -T "$data/tree/a.txt" "$data/to/priority${#jobs[@]}"
        jobs+=("$job")
done
job_do cancel "$blocker" >/dev/null
for job in "${jobs[@]}"; do ends_as "a job of priority $(job_field "$job" .priority)" "$job" done; done
order=$(for i in 0 1 2 3; do echo "$(job_time "${jobs[i]}" started) $i"; done | sort -n | cut -d' ' -f2 | paste -sd' ')
equal "higher priorities first, then the order of submission" "2 1 3 0" "$order"
no_leftovers "at the end" "$data/to"
finish
