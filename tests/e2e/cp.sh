#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# cp.sh: copy jobs on the command line: targets, options, texts, JSON, exit statuses, watching, cancelling, reconnecting.
# shellcheck source=tests/support/lib.sh
. "$(dirname "$0")/../support/lib.sh"
need_root
need_command jq jq

tree=$scratch/data/tree
loop_mount xfs "$scratch/data/xfs" 2G && tree=$scratch/data/xfs/tree
mkdir -p "$tree"
chmod 777 "$tree"
standard_policy "$tree"
start_daemon
cd "$tree" || die "cannot enter $tree"

n() { as_nobody fsop "$@"; }
same() { # WHAT DIRECTORY DIRECTORY
        equal "$1" "" "$(diff -r "$2" "$3" 2>&1 | head -n 5)"
}
state_of() { n --json job show "$1" 2>/dev/null | jq -r .state; }
is_state() { [ "$(state_of "$1")" = "$2" ]; }
last_job() { n --json job list | jq -r .job | tail -n 1; }

odd=$'new\nline\xff\e[31m'
mkdir -p src/d/deep
echo one >src/one
echo two >src/two
echo three >src/d/three
echo obj >src/d/x.o
printf odd >"src/$odd"
ln -s one src/link
ln src/one src/hard
head -c 24M /dev/urandom >big
chown -R nobody src big

# ---- wrong usage: 2, nothing asked ------------------------------------------------------------------------------------
exits 2 "no target" fsop cp src/one
contains "… says so" "a source or a target is missing" "$output"
exits 2 "-t and -T" fsop cp -t x -T src/one y
exits 2 "-T with two sources" fsop cp -T src/one src/two x
exits 2 "a wrong rate" fsop cp --bwlimit 3q src/one x
exits 2 "a wrong priority" fsop cp --priority 101 src/one x
exits 2 "a wrong --update" fsop cp --update=some src/one x
contains "… lists them" "none-fail" "$output"
exits 2 "a wrong --preserve" fsop cp --preserve=mod src/one x
exits 2 "a wrong --sync" fsop cp --sync never src/one x
exits 2 "-0 without a list" fsop cp -0 src/one x
exits 2 "--manifest of a detached job" fsop cp --manifest m --detach src/one x
exits 2 "an empty key" fsop cp --idempotency-key= src/one x
exits 2 "an unknown option" fsop cp --recursve src x
contains "… is answered with the nearest one" "did you mean '--recursive'?" "$output"
exits 2 "job without more" fsop job
contains "… lists what there is" "'job list'" "$output"
exits 2 "a job that is no number" fsop job show x
exits 2 "job 0" fsop job cancel 0
exits 0 "cp --help needs no daemon" env FSOP_SOCKET=/nowhere fsop cp --help
widest=$(wc -L <<<"$output")
[ "$widest" -le 120 ] && ok "… is not too wide" || fail "… is not too wide" "it has $widest columns"
exits 4 "no daemon" fsop --socket "$scratch/none" cp src/one x
equal "… in JSON" "cp false ENOENT" \
        "$(fsop --json --socket "$scratch/none" cp src/one x | jq -r '[.op, .ok, .error.code] | join(" ")')"

# ---- targets, as cp(1) ----------------------------------------------------------------------------------------------
exits 0 "a file to a new name" n cp src/one copy
equal "… is silent" "" "$output"
equal "… is there" one "$(cat copy)"
mkdir into && chmod 777 into
exits 0 "files into a directory" n cp src/one src/two into
equal "… are there" "one two" "$(cat into/one into/two | xargs)"
exits 2 "files into none" n cp src/one src/two copy
contains "… says why" "is no directory" "$output"
exits 0 "-t" n cp -t into src/d/three
equal "… is there" three "$(cat into/three)"
exits 2 "-t with something else" n cp -t copy src/one
exits 1 "a directory without -r" n cp src new
contains "… says what would help" "-r copies it and what is in it" "$output"
exits 0 "a directory to a new name" n cp -r src new
same "… is complete" src new
exits 0 "a directory into one" n cp -r src into
same "… is complete" src into/src
mkdir merged && chmod 777 merged
exits 0 "the contents of one" n cp -r src/. merged
same "… without its name" src merged
exits 0 "… and over them again" n cp -r -T src merged
same "… is complete" src merged
exits 0 "a new directory with a slash" n cp -r src slashed/
same "… is complete" src slashed
mkdir other && echo other >other/one
exits 2 "two sources of one name" n cp src/one other/one into
contains "… says which" "into/one" "$output"
exits 1 "a missing source" n cp missing x
contains "… is named" "cp: missing -> x: no such file or directory (ENOENT)" "$output"

# ---- what is carried over ---------------------------------------------------------------------------------------------
touch -d 2001-02-03T04:05:06 src/one
chmod 640 src/one
exits 0 "-a" n cp -a src archive
equal "… keeps mode and time" "$(stat -c '%a %Y' src/one)" "$(stat -c '%a %Y' archive/one)"
equal "… keeps hard links" "$(stat -c %i archive/one)" "$(stat -c %i archive/hard)"
equal "… keeps symbolic links" one "$(readlink archive/link)"
exits 0 "-p" n cp -p src/one kept
equal "… keeps mode and time" "$(stat -c '%a %Y' src/one)" "$(stat -c '%a %Y' kept)"
(umask 027 && n cp src/two masked)
equal "else the umask decides" 640 "$(stat -c %a masked)"
exits 0 "a link is followed" n cp src/link followed
equal "… indeed" "regular file" "$(stat -c %F followed)"
exits 0 "-d does not" n cp -d src/link linked
equal "… indeed" "symbolic link" "$(stat -c %F linked)"

# ---- what is copied, and what is replaced -------------------------------------------------------------------------------
exits 0 "--exclude, twice" n cp -r --exclude '*.o' --exclude=two src sparse
equal "… leaves them out" "" "$(find sparse -name '*.o' -o -name two)"
equal "… and nothing else" three "$(cat sparse/d/three)"
echo mine >copy
chown nobody copy
exits 0 "-n" n cp -n src/one copy
equal "… replaces nothing" mine "$(cat copy)"
exits 1 "--update=none-fail" n cp --update=none-fail src/one copy
contains "… says why" EEXIST "$output"
exits 0 "-u with an older source" n cp -u src/one copy
equal "… replaces nothing" mine "$(cat copy)"
exits 0 "-f" n cp -f src/one copy
equal "… replaces" one "$(cat copy)"

printf 'one\n\n./d//three\n' >list
exits 0 "--files-from" n cp --files-from list src listed
equal "… copies these" "listed/d/three listed/one" "$(find listed -type f | sort | xargs)"
exits 0 "… from standard input, with NULs" n cp -0 --files-from - src listed2 < <(printf '%s\0' "$odd" d/three)
equal "… copies these" 2 "$(find listed2 -type f -printf x | wc -c)"
exits 2 "… not with .." n cp --files-from - src x < <(printf 'one\n../big\n')
contains "… says where" "-:2:" "$output"
exits 2 "… not with absolute ones" n cp --files-from - src x < <(printf '/one\n')
exits 2 "… from a file that is missing" n cp --files-from nowhere src x
exits 0 "… without names" n cp --files-from /dev/null src x
[ ! -e x ] && ok "… copies nothing" || fail "… copies nothing"
exits 5 "… with one that is missing" n cp --files-from - src listed3 < <(printf 'one\nmissing\ntwo\n')
contains "… names it" "cp: $tree/src/missing: no such file or directory (ENOENT)" "$output"
contains "… and says where it stands" "\`fsop job show $(last_job)\` lists them" "$output"
mkdir many
(cd many && seq 3000 | xargs touch)
exits 0 "… with thousands" n cp --files-from - many many2 < <(seq 3000)
equal "… copies all" 3000 "$(find many2 -type f -printf x | wc -c)"
mkdir many3 && chmod 777 many3
exits 0 "thousands of sources" n cp many/* many3
equal "… are all there" 3000 "$(find many3 -type f -printf x | wc -c)"

# ---- denied: 3 ----------------------------------------------------------------------------------------------------------
exits 3 "a target outside of the rule" n cp src/one /etc/fsop-test
[ ! -e /etc/fsop-test ] && ok "… is not made" || fail "… is not made"
contains "… it says at which end" "nothing may be made in the target's directory" "$output"
exits 3 "a tree likewise" n cp -r src /etc/fsop-test
contains "… it says so, too" "nothing may be made in the target's directory" "$output"
exits 3 "a source that may not be read" n cp /etc/shadow x
exits 3 "… with --as elevated, at once" n --as elevated cp /etc/shadow x
contains "… says what would help" "fsop explain cp" "$output"
exits 3 "a priority above 0" n cp --priority 1 src/one x
exits 0 "one below" n cp --priority -1 src/one prior
exits 0 "explain cp" n explain cp -a src x
contains "… tells" "allowed" "$output"
[ ! -e x ] && ok "… copies nothing" || fail "… copies nothing"
chmod 0 src/two && chown root src/two
exits 5 "one file that may not be read, as caller" n --as caller cp -r src unread
contains "… is named" "cp: $tree/src/two: permission denied (EACCES)" "$output"
chmod 644 src/two && chown nobody src/two

# ---- verified -------------------------------------------------------------------------------------------------------------
exits 0 "--verify --manifest" as_nobody sh -c "fsop cp -r --verify --manifest into/manifest src verified"
b2sum -l 256 -c --status into/manifest && ok "b2sum agrees" || fail "b2sum agrees" "$(b2sum -l 256 -c into/manifest 2>&1 | head -5)"
equal "all files are in it" "$(find verified -type f -printf x | wc -c)" "$(wc -l <into/manifest)"
equal "job show --manifest says the same" "$(sort into/manifest)" "$(n job show --manifest "$(last_job)" | sort)"
equal "… in JSON" "$(find verified -type f -printf x | wc -c)" \
        "$(n --json job show --manifest "$(last_job)" | jq -r .blake2b_256 | grep -cE '^[0-9a-f]{64}$')"
exits 0 "--manifest -" n cp --manifest - src/one verified1
contains "… prints it" "  $tree/verified1" "$output"
exits 1 "a manifest that cannot be written" n cp --manifest /nowhere/m src/one verified2
equal "… all is copied" one "$(cat verified2)"
exits 1 "digests of a job that was not verified" n job show --manifest 1
contains "… says why" "--verify" "$output"

# ---- JSON -------------------------------------------------------------------------------------------------------------------
lines=$(n --json cp -r src json)
equal "the first line has the number" "cp true string" "$(head -n 1 <<<"$lines" | jq -r '[.op, .ok, (.job | type)] | join(" ")')"
equal "all lines have it" 1 "$(jq -r .job <<<"$lines" | sort -u | wc -l)"
equal "the last line is the end" "job-watch true state done" "$(tail -n 1 <<<"$lines" | jq -r '[.op, .ok, .kind, .state] | join(" ")')"
equal "events ascend" "" "$(jq -r 'select(.event) | .event' <<<"$lines" | sort -n -c 2>&1)"
job=$(head -n 1 <<<"$lines" | jq -r .job)
equal "job show has its state" "done 0" "$(n --json job show "$job" | jq -r '[.state, (.failures | length)] | join(" ")')"
equal "… its paths" "$tree/src $tree/json" "$(n --json job show "$job" | jq -r '[.source, .target] | join(" ")')"
lines=$(n --json cp --files-from - src json2 < <(printf 'one\nmissing\n'))
equal "a failure is a line" "false $tree/src/missing ENOENT" \
        "$(jq -r 'select(.kind == "failure") | [.ok, .path, .error.code] | join(" ")' <<<"$lines")"
equal "… and the last line is false" "false failed 1" "$(tail -n 1 <<<"$lines" | jq -r '[.ok, .state, .files_failed] | join(" ")')"
equal "… and job show has it" "$tree/src/missing ENOENT" \
        "$(n --json job show "$(last_job)" | jq -r '.failures[] | [.path, .error.code] | join(" ")')"
exits 0 "an odd name" n --json cp "src/$odd" "odd$odd"
equal "… is base64" "$(printf '%s' "$tree/odd$odd" | od -An -tx1)" \
        "$(n --json job show "$(last_job)" | jq -r .target_b64 | base64 -d | od -An -tx1)"
lacks "… has no escape in the table" $'\e' "$(n job list)"
lacks "… nor in the details" $'\e' "$(n job show "$(last_job)")"

# ---- the table ----------------------------------------------------------------------------------------------------------------
widest=$(n job list | wc -L)
[ "$widest" -le 80 ] && ok "the table fits 80 columns" || fail "the table fits 80 columns" "it has $widest"
contains "… has a header" "ID  STATE" "$(n job list)"
contains "… more where there is room" "$tree/verified2" "$(COLUMNS=200 n job list)"
equal "one JSON line a job" "$(n job list | tail -n +2 | wc -l)" "$(n --json job list | wc -l)"
equal "another user sees none" "" "$(as_user 1234 1234 - fsop job list)"
exits 3 "… nor all" as_user 1234 1234 - fsop job list --all
exits 1 "… nor one" as_user 1234 1234 - fsop job show 1
contains "… it does not exist" "there is no job 1 of yours" "$output"
contains "root sees all" nobody "$(fsop job list -a)"

# ---- detached, watched, paused, cancelled -----------------------------------------------------------------------------------------
slow=(cp --clone never --bwlimit 200K --detach big) # it is not waited for
exits 0 "--detach" n "${slow[@]}" slow1
equal "… prints the number" "job $(last_job)" "$output"
job=$(last_job)
equal "… in JSON" string "$(n --json cp --detach src/one detached | jq -r '.job | type')"
exits 1 "another job with the same target" n cp src/one slow1
contains "… is told which" "job $job" "$output"
exits 0 "job pause" n job pause "$job"
wait_until "it is paused" is_state "$job" paused && ok "it is paused" || fail "it is paused"
equal "… in JSON" "job-resume true $job string" \
        "$(n --json job resume "$job" | jq -r '[.op, .ok, .job, (.state | type)] | join(" ")')"
exits 1 "resumed twice" n job resume "$job"
contains "… says what it is" "job resume $job: job $job is" "$output"
status=0
n --timeout 3 job watch "$job" >/dev/null 2>&1 || status=$?
equal "--timeout ends the watching" 1 $status
wait_until "it still runs" is_state "$job" running && ok "it still runs" || fail "it still runs"
"${nobody[@]}" "$bin/fsop" job watch "$job" 2>"$scratch/watch" &
watcher=$!
exits 1 "forgotten while it runs" n job forget "$job"
exits 0 "job cancel" n job cancel "$job"
status=0
wait $watcher || status=$?
equal "whoever watches is told" "1 1" "$status $(grep -c "job $job was cancelled" "$scratch/watch")"
[ ! -e slow1 ] && ok "nothing is left of it" || fail "nothing is left of it"
exits 1 "job watch of what has ended" n job watch "$job"
exits 0 "job forget" n job forget "$job"
exits 1 "… is gone" n job show "$job"
exits 1 "job retry of what does not exist" n job retry "$job"
exits 5 "one of two" n job forget 1 999999

# The same key is the same job.
first=$(n cp --idempotency-key k1 --detach src/one keyed)
equal "a key submitted twice" "$first" "$(n cp --idempotency-key k1 --detach src/one keyed)"
exits 0 "… and watched" n cp --idempotency-key k1 src/one keyed
first=$(n cp --idempotency-key k2 --detach src/one src/two into)
equal "… with several sources" "$first" "$(n cp --idempotency-key k2 --detach src/one src/two into)"

# In a batch file a job is only submitted.
exits 0 "cp in a batch file" n batch - < <(printf 'cp -r src batch1\ncp src/one batch2\n')
contains "… prints the numbers" "job $(last_job)" "$output"
equal "… in JSON, with their lines" "1 2 3" \
        "$(printf 'cp -T src/one batch%d\n' 3 4 5 | n --json batch - | jq -r 'select(.op == "cp" and .job != null) | .line' | xargs)"
exits 0 "… several at once" n batch --parallel - < <(printf 'cp -T src/one batch%d\n' {6..30})
equal "… each once" 25 "$(grep -c '^job ' <<<"$output")"
exits 1 "job watch has no place there" n batch - < <(echo "job watch 1")

# ---- interrupts -----------------------------------------------------------------------------------------------------------------------
"${nobody[@]}" "$bin/fsop" cp --clone never --bwlimit 200K big slow2 2>"$scratch/interrupted" &
copier=$!
started() { job=$(last_job) && [ "$(n --json job show "$job" | jq -r .target)" = "$tree/$1" ] && is_state "$job" running; }
wait_until "it runs" started slow2 || fail "it runs"
kill -TERM $copier # a script's background jobs ignore INT
status=0
wait $copier || status=$?
equal "an interrupt ends it by its signal" 143 $status
equal "… and cancels the job" cancelled "$(state_of "$job")"
contains "… and says so" "was cancelled" "$(cat "$scratch/interrupted")"
[ ! -e slow2 ] && ok "nothing is left of it" || fail "nothing is left of it"
"${nobody[@]}" "$bin/fsop" --json cp --clone never --bwlimit 200K big slow2 >"$scratch/interrupted" &
copier=$!
wait_until "it runs" started slow2 || fail "it runs"
kill -TERM $copier
wait_until "an interrupt ends it with --json, too" gone $copier || kill -KILL $copier
status=0
wait $copier || status=$?
equal "… by its signal" 143 $status
equal "… and the last line says so" cancelled "$(tail -n 1 "$scratch/interrupted" | jq -r .state)"
"${nobody[@]}" "$bin/fsop" cp --clone never --bwlimit 200K big slow3 2>/dev/null &
copier=$!
wait_until "it runs" started slow3 || fail "it runs"
kill -KILL $copier
wait $copier 2>/dev/null
sleep 0.3
equal "whoever watches may die" running "$(state_of "$job")"
n job cancel "$job"

# ---- progress ------------------------------------------------------------------------------------------------------------------------------
exits 0 "a plain line every five seconds" n cp --clone never --bwlimit 2M big plain
contains "… has the figures" "of 24.0 MiB" "$output"
equal "… whole lines" "" "$(grep -v '^fsop: cp: job [0-9]*: ' <<<"$output")"
lacks "… and no escapes" $'\e' "$output"
if script -qec true /dev/null >/dev/null 2>&1; then
        terminal() { # TERM COMMAND: what a terminal gets
                TERM=$1 script -qec "setpriv --reuid=$nobody_uid --regid=$nobody_gid --clear-groups -- $2" /dev/null
        }
        bar=$(terminal xterm "fsop cp --clone never --bwlimit 4M big bar")
        contains "a bar on a terminal" "100% [====" "$bar"
        contains "… is redrawn" $'\r' "$bar"
        lacks "… not on a dumb one" $'\e' "$(terminal dumb "fsop cp --clone never big bar")"
        lacks "… not with --json" "[====" "$(terminal xterm "fsop --json cp --clone never big bar")"
else
        skip "what a terminal gets: script is not installed, or there are no pseudo-terminals here"
fi

# ---- a daemon that dies and comes back -------------------------------------------------------------------------------------------------------
"${nobody[@]}" "$bin/fsop" cp --clone never --bwlimit 1500K big resumed 2>"$scratch/resumed" &
copier=$!
wait_until "it runs" started resumed || fail "it runs"
kill -KILL "$(serving_pid)"
wait "$daemon_pid" 2>/dev/null
start_daemon
status=0
wait $copier || status=$?
equal "cp goes on when the daemon is back" 0 $status
cmp -s big resumed && ok "… and all is there" || fail "… and all is there" "$(cat "$scratch/resumed")"
"${nobody[@]}" "$bin/fsop" cp --clone never --bwlimit 200K big lost 2>"$scratch/lost" &
copier=$!
wait_until "it runs" started lost || fail "it runs"
kill -KILL "$(serving_pid)"
wait "$daemon_pid" 2>/dev/null
status=0
wait $copier || status=$?
equal "cp gives up when it stays away" 4 $status
contains "… and says how to go on" "\`fsop job watch $job\` follows it" "$(cat "$scratch/lost")"
start_daemon
exits 0 "it can be cancelled then" n job cancel "$job"

finish
