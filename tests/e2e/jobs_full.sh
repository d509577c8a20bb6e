#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# jobs_full.sh: a full target, a full state directory, and sources that vanish, change and cannot be read.
# shellcheck source=tests/support/lib.sh
. "$(dirname "$0")/../support/lib.sh"
# shellcheck source=tests/support/jobs.sh
. "$(dirname "$0")/../support/jobs.sh"

data=$scratch/data
mkdir -p "$data/to"
chown nobody "$data/to"
copy_policy "$data"
write_config
start_daemon

# ---- a full target -----------------------------------------------------------------------------------------------------

# Whether the job waits; what was said of it then is $output.
tells_waiting() {
        output=$("${asker[@]}" fsop job show "$job" 2>&1)
        [[ $output == *"waits for: "* ]]
}
# waits_for_space WHAT SOURCE TARGET: to a filesystem without enough room; with room, it completes by itself
waits_for_space() {
        local what=$1 source=$2 target=$3
        submitted -a -T --clone never "$source" "$target"
        ends_as "$what: the job waits" "$job" waiting
        # It tries again every now and then, and is told of once more when it waits again.
        wait_until "$what: it waits" tells_waiting && ok "$what: job show says so" || fail "$what: job show says so" "$output"
        contains "$what: it says for what" ENOSPC "$output"
        contains "$what: in words" "space" "$output"
        [ "$(job_field "$job" .files_failed)" = 0 ] && ok "$what: no file has failed" || fail "$what: no file has failed"
        exits 0 "$what: the daemon serves" as_nobody fsop ping
        rm "$data/full/ballast"
        ends_as "$what: with room, it completes" "$job" done
        same "$what: the copy is faithful" "$source" "$target"
        no_leftovers "$what" "$data/full"
        rm -rf "$target"
}
if loop_mount ext4 "$data/full" 96M; then
        plain_files "$data/many" 300 60000
        mkdir "$data/one"
        head -c 24M /dev/urandom >"$data/one/large"
        ballast() { dd if=/dev/zero of="$data/full/ballast" bs=1M count=$(($(stat -f -c '%a * %S / 1048576' "$data/full") - 10)) status=none; }
        ballast
        waits_for_space "many files, a new directory" "$data/many" "$data/full/new"
        ballast
        mkdir "$data/full/existing"
        waits_for_space "many files, an existing directory" "$data/many" "$data/full/existing"
        ballast
        waits_for_space "a large file" "$data/one/large" "$data/full/large"

        # A restart does not make it forget that it waits, and what it waits for is not needed any more after a cancel.
        ballast
        submitted -a -T --clone never "$data/many" "$data/full/given-up"
        ends_as "to be given up: it waits" "$job" waiting
        stop_daemon
        start_daemon
        ends_as "to be given up: it waits after a restart" "$job" waiting
        exits 0 "to be given up: cancel" job_do cancel "$job"
        ends_as "to be given up: cancelled" "$job" cancelled
        no_leftovers "to be given up" "$data/full"
        [ ! -e "$data/full/given-up" ] && ok "to be given up: nothing of it stays" || fail "to be given up: nothing of it stays"
fi

# ---- sources that fail ----------------------------------------------------------------------------------------------------

# failing WHAT new|existing: of a tree, one file vanishes, one keeps changing, one cannot be read by the caller
failing() {
        local what=$1 from=$data/from to=$data/to/copy last writer
        rm -rf "$from"
        plain_files "$from" 24 500000
        head -c 6M /dev/urandom >"$from/changing"
        echo secret >"$from/unreadable"
        chmod 600 "$from/unreadable"
        [ "$2" = new ] || as_nobody mkdir "$to"
        rm -f "$scratch/written"
        until [ -e "$scratch/written" ]; do # as fast as a copy of it never is
                printf x | dd of="$from/changing" bs=1 seek=$RANDOM conv=notrunc status=none
                sleep 0.02
        done &
        writer=$!
        children+=("$writer")
        submit_as=(--as caller)
        submitted -r -T --clone never --bwlimit 1M "$from" "$to"
        submit_as=()
        # A file that is listed and not begun: the last one of the directory.
        until_field "$job" '.bytes_copied > 500000' || fail "$what: the job is under way"
        last=$(find "$from" -type f -name 'f*' -printf '%f\n' | tail -n 1)
        [ -n "$last" ] && mv "$from/$last" "$data/aside" && ok "$what: $last vanishes" || fail "$what: $last vanishes"
        ends_as "$what: the job ends as failed" "$job" failed
        touch "$scratch/written"
        wait "$writer"
        equal "$what: failures by code and path" "$(printf '%s\n' "EACCES $from/unreadable" "EBUSY $from/changing" "ENOENT $from/$last")" "$(job_failures "$job")"
        equal "$what: the counts" "3 23" "$(job_field "$job" '"\(.files_failed) \(.files_done)"')"
        for name in $(find "$from" -type f -name 'f*' -printf '%f\n'); do
                cmp -s "$from/$name" "$to/$name" || fail "$what: the rest is copied" "$name is not"
        done
        [ ! -e "$to/changing" ] && [ ! -e "$to/unreadable" ] && ok "$what: what failed is not there" || fail "$what: what failed is not there"
        no_leftovers "$what" "$data/to"
        exits 0 "$what: job show" job_do show "$job"
        contains "$what: it names what failed" unreadable "$output"
        contains "$what: it says why" EACCES "$output"

        mv "$data/aside" "$from/$last"
        chmod 644 "$from/unreadable"
        exits 0 "$what: retry" job_do retry "$job"
        ends_as "$what: after a retry it is done" "$job" done
        equal "$what: no failures are left" "" "$(job_failures "$job")"
        exits 0 "$what: and all is there" diff -r "$from" "$to"
        no_leftovers "$what: after a retry" "$data/to"
        rm -rf "$to"
}
failing "a new directory" new
failing "an existing directory" existing

# The client that waits for it says so, too.
mkdir "$data/some"
echo text >"$data/some/good"
install -m 600 /dev/null "$data/some/bad"
exits 5 "fsop cp of which a file fails" as_nobody fsop --as caller cp -r -T "$data/some" "$data/to/some"
contains "it names the file" bad "$output"
exits 1 "fsop cp of a file that cannot be read" as_nobody fsop --as caller cp -T "$data/some/bad" "$data/to/bad"
exits 1 "fsop cp of what is not there" as_nobody fsop cp "$data/some/none" "$data/to/none"
contains "it says so" ENOENT "$(as_nobody fsop --json cp "$data/some/none" "$data/to/none" 2>&1)"
stop_daemon

# ---- a full state directory --------------------------------------------------------------------------------------------------

install -d -m 700 "$scratch/small"
mounted -t tmpfs -o size=8M,mode=700 none "$scratch/small" || finish
write_config "limits:" "  jobs-per-uid: 10000"
sed -i "s#^state-dir:.*#state-dir: $scratch/small#" "$scratch/etc/fsopd.yaml"
start_daemon
submitted -T "$data/some/good" "$data/to/before"
ends_as "with room in the state directory" "$job" done
dd if=/dev/zero of="$scratch/small/ballast" bs=4096 status=none 2>/dev/null
accepted=()
refused=
for ((i = 0; i < 1000; i++)); do # what is left in the journal's last pages
        if number=$(submit -T "$data/some/good" "$data/to/full$i" 2>"$scratch/refused"); then
                accepted+=("$number")
        else
                refused=$(cat "$scratch/refused")
                break
        fi
done
contains "a full state directory: a new job is refused (after ${#accepted[@]})" ENOSPC "$refused"
equal "a full state directory: the target of the refused job is not touched" "" "$(find "$data/to" -name "full$i")"
exits 0 "a full state directory: the daemon goes on" as_nobody fsop mkdir "$data/to/dir"
exits 0 "a full state directory: jobs are listed" as_nobody fsop job list
rm "$scratch/small/ballast"
submitted -T "$data/some/good" "$data/to/after"
ends_as "with room again: a new job" "$job" done
for number in "${accepted[@]}"; do
        job_reaches "$number" done >/dev/null || fail "what was accepted is done" "job $number is $(job_state "$number")"
done
stop_daemon
start_daemon
equal "and nothing is lost" "" "$(comm -23 <(printf '%s\n' "${accepted[@]}" "$job" | sort) <(job_list | sort))"

# ---- a journal that cannot be used -------------------------------------------------------------------------------------------

# Another daemon has it.
known=$(job_list)
"$bin/fsopd" --config "$scratch/etc/fsopd.yaml" --engine "$FSOP_TEST_ENGINE" --socket "$scratch/run/second.sock" \
        --audit "file:$scratch/second.audit" >"$scratch/second.log" 2>&1 </dev/null &
second=$!
children+=("$second")
second_answers() { "$bin/fsop" --socket "$scratch/run/second.sock" ping >/dev/null 2>&1 || gone "$second"; }
wait_until "the second daemon has started or ended" second_answers
if ! gone "$second"; then
        exits 1 "a second daemon on the same journal takes no jobs" as_nobody fsop --socket "$scratch/run/second.sock" cp --detach -T "$data/some/good" "$data/to/second"
fi
contains "its log says why" another "$(cat "$scratch/second.log")"
kill -TERM "$second" 2>/dev/null
wait "$second" 2>/dev/null
equal "the first one has all its jobs" "$known" "$(job_list)"
submitted -T "$data/some/good" "$data/to/first"
ends_as "the first one goes on" "$job" done
stop_daemon

# It is damaged: set aside, not deleted.
database=$scratch/small/jobs.sqlite
sqlite3 "$database" 'PRAGMA wal_checkpoint(TRUNCATE)' >/dev/null # or what is in the log would mend it
dd if=/dev/urandom of="$database" bs=1024 count=$(($(stat -c %s "$database") / 1024)) conv=notrunc status=none
sum=$(cksum <"$database")
start_daemon
equal "a damaged journal: the daemon starts, without jobs" "" "$(job_list)"
contains "a damaged journal: the log says so" "set aside" "$(tail -n 20 "$daemon_log")"
equal "a damaged journal: it is kept" 1 "$(for file in "$scratch/small"/*; do cksum <"$file"; done | grep -cxF "$sum")"
submitted -T "$data/some/good" "$data/to/anew"
ends_as "a damaged journal: new jobs are taken" "$job" done
stop_daemon

# ---- a state directory that is full at the start ---------------------------------------------------------------------------

no_jobs() { "${asker[@]}" fsop --json status | jq -r '.no_jobs // empty'; }
has_jobs() { [ -z "$(no_jobs)" ]; }
fill() { dd if=/dev/zero of="$scratch/full-state/ballast" bs=4096 status=none 2>/dev/null; }
if loop_mount ext4 "$scratch/full-state" 48M; then
        chmod 700 "$scratch/full-state"
        sed -i "s#^state-dir:.*#state-dir: $scratch/full-state#" "$scratch/etc/fsopd.yaml"

        # There is no journal yet: the first job makes it.
        fill
        start_daemon
        exits 1 "full from the first: a job is refused" as_nobody fsop cp --detach -T "$data/some/good" "$data/to/first-of-all"
        contains "full from the first: it says why" ENOSPC "$output"
        contains "full from the first: it says where" "$scratch/full-state/jobs.sqlite" "$output"
        contains "full from the first: it says what helps" "make room there" "$output"
        equal "full from the first: nothing is begun" "" "$(find "$scratch/full-state" -name 'jobs.sqlite*')"
        contains "full from the first: status says so" ENOSPC "$(no_jobs)"
        rm "$scratch/full-state/ballast"
        wait_until "full from the first: with room there are jobs" has_jobs || fail "full from the first: with room there are jobs"
        submitted -T "$data/some/good" "$data/to/first-of-all"
        equal "full from the first: the first job has the first number" 1 "$job"
        ends_as "full from the first: it is done" "$job" done

        # It was killed with a job on its way, and is started without room.
        head -c 300000 /dev/urandom >"$data/to-go-on"
        submitted -T --clone never --bwlimit 100K "$data/to-go-on" "$data/to/went-on"
        crash_daemon
        fill
        lines=$(wc -l <"$daemon_log")
        start_daemon
        exits 0 "full at the start: all else is served" as_nobody fsop mkdir "$data/to/while-full"
        exits 1 "full at the start: jobs are not listed" as_nobody fsop job list
        contains "full at the start: it says why" ENOSPC "$output"
        exits 0 "full at the start: status" as_nobody fsop status
        contains "full at the start: status says so" "no copy jobs: $scratch/full-state/jobs.sqlite" "$output"
        kill -HUP "$daemon_pid"
        sleep 3 # it tries meanwhile
        equal "full at the start: the log says it once" 1 "$(tail -n "+$((lines + 1))" "$daemon_log" | grep -c 'no copy jobs: .*ENOSPC')"
        rm "$scratch/full-state/ballast"
        wait_until "full at the start: with room there are jobs" has_jobs || fail "full at the start: with room there are jobs"
        contains "full at the start: the log says so" "there are copy jobs again: 2" "$(tail -n 5 "$daemon_log")"
        equal "full at the start: all jobs are there" "$(printf '%s\n' 1 "$job")" "$(job_list)"
        ends_as "full at the start: the job goes on" "$job" done
        exits 0 "full at the start: it is whole" cmp "$data/to-go-on" "$data/to/went-on"

        # Read-only for a while; a reload tries at once.
        stop_daemon
        mount -o remount,ro "$scratch/full-state"
        start_daemon
        contains "read-only at the start: status says so" EROFS "$(no_jobs)"
        mount -o remount,rw "$scratch/full-state"
        kill -HUP "$daemon_pid"
        wait_until "read-only at the start: after a reload there are jobs" has_jobs || fail "read-only at the start: after a reload there are jobs"
        equal "read-only at the start: all jobs are there" "$(printf '%s\n' 1 "$job")" "$(job_list)"
        stop_daemon

        # A damaged journal waits for room to be set aside. (Where ThreadSanitizer's own thread is taken for a worker that hangs, its log
        # is left behind, and would mend it.)
        rm -f "$scratch/full-state/jobs.sqlite-wal"
        dd if=/dev/urandom of="$scratch/full-state/jobs.sqlite" bs=1024 count=8 conv=notrunc status=none
        fill
        start_daemon
        contains "damaged and full: status says both" "is damaged" "$(no_jobs)"
        contains "damaged and full: … with its reason" ENOSPC "$(no_jobs)"
        equal "damaged and full: it stays where it is" "" "$(find "$scratch/full-state" -name '*.damaged-*')"
        rm "$scratch/full-state/ballast"
        wait_until "damaged and full: with room there are jobs" has_jobs || fail "damaged and full: with room there are jobs"
        equal "damaged and full: it is set aside, once" 1 "$(find "$scratch/full-state" -name '*.damaged-*' ! -name '*-wal' | wc -l)"
        submitted -T "$data/some/good" "$data/to/after-damage"
        [ "$job" -gt 1000 ] && ok "damaged and full: numbers do not come again" || fail "damaged and full: numbers do not come again" "$job"
fi
finish
