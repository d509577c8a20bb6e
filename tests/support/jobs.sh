# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# jobs.sh: what the tests of copy jobs share, sourced after lib.sh: submitting and asking, waiting for states, killing the
# daemon as a crash would, and trees to copy. What is known here of the command line's JSON is known nowhere else.
need_root
need_command jq jq
need_command sqlite3 sqlite3

# A daemon that has crashed ends the test: everything after it would fail too.
fail() {
        hurry
        printf 'FAIL: %s\n' "$1"
        [ $# -lt 2 ] || printf '%s\n' "$2" | sed 's/^/      /'
        test_failures=$((test_failures + 1))
        if [ -n "$daemon_pid" ] && ! kill -0 "$daemon_pid" 2>/dev/null; then
                echo "the daemon has ended by itself"
                exit 1
        fi
}

# ---- asking -------------------------------------------------------------------------------------------------------

# Who submits and asks: a command before fsop. Root sees other users' jobs, so that tests must not forget it.
asker=(as_nobody)

# submit ARGUMENTS OF CP…: the number of the new job; nothing, and what fsop said on standard error, if it is refused
submit() {
        local line status=0
        line=$("${asker[@]}" fsop "${submit_as[@]}" --json cp --detach "$@") || status=$?
        [ $status = 0 ] || printf '%s\n' "$line" >&2
        jq -er 'select(.job) | .job' <<<"$line" 2>/dev/null
}
submit_as=()

# submitted ARGUMENTS OF CP…: the same, into $job; ends the test if it is refused
submitted() {
        job=$(submit "$@" 2>"$scratch/refused") || die "submitted: cp $*: $(cat "$scratch/refused")"
}

# job_field ID FILTER: of what job show says; a filter of jq
job_field() { "${asker[@]}" fsop --json job show "$1" 2>/dev/null | jq -r "select(.state) | $2" 2>/dev/null | head -n 1; }
job_state() { job_field "$1" .state; }
# CODE CLASS of the error that the job is ended by or waits for
job_error() { job_field "$1" '"\(.error.code) \(.error.class)"'; }
# CODE PATH of every file that failed, sorted
job_failures() {
        "${asker[@]}" fsop --json job show "$1" |
                jq -r '(.failures // [])[] | "\(.error.code) \(.path // .path_b64)"' | sort
}
# The numbers of all jobs, ascending: job_list [OPTION…]
job_list() { "${asker[@]}" fsop --json job list "$@" | jq -r 'select(.job and .state) | .job' | sort -n; }
# DIGEST PATH of verified files, as b2sum -l 256 prints them
job_manifest() { "${asker[@]}" fsop job show --manifest "$1"; }
# When it was created, started or finished, in microseconds: job_time ID WHAT
job_time() { job_field "$1" ".$2 | .tv_sec * 1000000 + (.tv_nsec / 1000 | floor)"; }
job_do() { "${asker[@]}" fsop job "$@"; } # pause ID, …

# What the journal, of a daemon that does not run, calls done of a job. Nobody else looks into it; but that is what must be
# kept.
journal_files_done() {
        local file
        rm -rf "$scratch/journal"
        mkdir "$scratch/journal"
        for file in "${state_dir:-$scratch/state}"/jobs.sqlite*; do
                case $file in *-shm | *.damaged-*) ;; *) cp "$file" "$scratch/journal/" ;; esac
        done
        sqlite3 "$scratch/journal/jobs.sqlite" "SELECT files_done FROM states WHERE job = $1"
}

ended() {
        case $1 in done | failed | cancelled) return 0 ;; esac
        return 1
}

# job_reaches ID STATE [SECONDS]: until it is in that state; 1 when it ends otherwise, or in time
job_reaches() {
        local deadline=$((SECONDS + ${3:-120})) state=
        while [ $SECONDS -le $deadline ]; do
                state=$(job_state "$1")
                [ "$state" != "$2" ] || return 0
                ! ended "$state" || break
                sleep 0.05
        done
        echo "job $1 is $state, not $2"
        "${asker[@]}" fsop job show "$1" 2>&1 | head -n 30
        return 1
}

# ends_as WHAT ID STATE [SECONDS]
ends_as() {
        local said
        if said=$(job_reaches "$2" "$3" "${4:-120}"); then ok "$1"; else fail "$1" "$said"; fi
}

# until_field ID FILTER [SECONDS]: until the filter says true
until_field() {
        local deadline=$((SECONDS + ${3:-120}))
        while [ "$(job_field "$1" "$2")" != true ]; do
                [ $SECONDS -le $deadline ] || return 1
                ! ended "$(job_state "$1")" || [ "$(job_field "$1" "$2")" = true ] || return 1
        done
}

# ---- crashing ------------------------------------------------------------------------------------------------------

# Kill -9 of all of the daemon. $written: the bytes that it had given to filesystems to write.
crash_daemon() {
        local serving key value
        serving=$(serving_pid)
        written=0
        while read -r key value; do
                [ "$key" != write_bytes: ] || written=$value
        done <"/proc/$serving/io"
        kill -KILL "$serving" "$daemon_pid" 2>/dev/null
        wait "$daemon_pid" 2>/dev/null
        wait_until "the killed daemon is gone" gone "$serving" || die "the killed daemon is gone"
        daemon_pid=
        if grep -Eq 'Sanitizer|runtime error' "$daemon_log"; then
                fail "no sanitizer complained" "$(grep -E -A30 'Sanitizer|runtime error' "$daemon_log" | head -60)"
        fi
}

# What the running daemon has given to filesystems to write.
daemon_written() { sed -n 's/^write_bytes: //p' "/proc/$(serving_pid)/io"; }

# a_moment MILLISECONDS: a random time up to that
a_moment() {
        local us=$((RANDOM * $1 * 1000 / 32768))
        sleep "$((us / 1000000)).$(printf %06d $((us % 1000000)))"
}

# ---- trees ---------------------------------------------------------------------------------------------------------

helper grow
helper alike

# same WHAT SOURCE COPY [OPTION OF alike…]: the copy is faithful
same() {
        local what=$1 source=$2 copy=$3
        shift 3
        exits 0 "$what" "$bin/alike" "$@" "$source" "$copy"
}

# no_leftovers WHAT DIRECTORY…: nothing there has a temporary name, soon at least: a job may end before all is removed
no_leftovers() {
        local what=$1
        shift
        has_no_leftovers() { [ -z "$(find "$@" -name '.fsop-*' 2>/dev/null)" ]; }
        wait_until "$what: temporary names go" has_no_leftovers "$@"
        equal "$what: no temporary name is left" "" "$(find "$@" -name '.fsop-*' | head -n 5)"
}

# plain_files DIRECTORY COUNT BYTES: files f0000… of random contents
plain_files() {
        mkdir -p "$1"
        head -c $(($2 * $3)) /dev/urandom | split -b "$3" -a 5 -d - "$1/f"
}

# The rule that lets nobody copy everything below a directory as it is, further lines as arguments.
copy_rule() {
        local directory=$1
        shift
        cat <<POLICY
  - name: copies
    effect: allow
    user: [nobody]
    path: $directory
    ops: all
    chown-to: ["*:*"]
    devices: ["c 1:3"]
    xattrs: ["user.*", "system.posix_acl_access", "system.posix_acl_default"]
    set-id: true
POLICY
        [ $# -eq 0 ] || printf '    %s\n' "$@"
}
copy_policy() {
        {
                echo "rules:"
                copy_rule "$@"
        } | write_policy copies
}
