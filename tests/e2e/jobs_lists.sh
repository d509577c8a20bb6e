#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# build: plain
# jobs_lists.sh: whoever has jobs fail in order to be written about does not fill the state directory's disk.
# shellcheck source=tests/support/lib.sh
. "$(dirname "$0")/../support/lib.sh"
# shellcheck source=tests/support/jobs.sh
. "$(dirname "$0")/../support/jobs.sh"
need_root

# Ten thousand files that their owner may not read, with paths of some 3,900 bytes: 38 MB of names for each job.
count=10000
mkdir -p "$scratch/data"
mounted -t tmpfs -o mode=777 lists "$scratch/data" || skip_all "needs to mount a tmpfs"
long=$(printf 'd%.0s' {1..250})
# shellcheck disable=SC2016 # for the shell that runs it
as_nobody bash -c 'cd "$1" && mkdir from && cd from && for i in {1..14}; do mkdir "$2" && cd "$2" || exit 1; done
        seq -f "${2:0:200}-%.0f" "$3" | xargs touch && find . -type f -exec chmod 0 {} +' - "$scratch/data" "$long" $count ||
        die "the tree could not be made"

submit_as=(--as caller)
fails() { # as many files of a further job are listed: into $listed
        submitted -r "$scratch/data/from" "$scratch/data/to$1"
        wait_until "job $job has failed" job_is "$job" failed || fail "job $job has failed"
        equal "all files of job $1 are counted" $count "$(job_field "$job" .files_failed)"
        listed=$(as_nobody fsop job show "$job" | grep -c "$long-*")
}
job_is() { [ "$(job_state "$1")" = "$2" ]; }

write_config
start_daemon
fails 1
first=$job
equal "all of the first one's are listed" $count "$listed"
fails 2
[ "$listed" -gt 0 ] && [ "$listed" -lt $count ] || fail "of the second one's some are" "$listed"
stop_daemon
start_daemon
fails 3
[ "$listed" -lt 100 ] || fail "after a restart it is known what is listed" "$listed"
exits 0 "one is forgotten" as_nobody fsop job forget "$first"
fails 4
equal "that makes room" $count "$listed"
finish
