#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# jobs_private.sh: a job belongs to its submitter; rules that go stop it; targets, keys and limits.
# shellcheck source=tests/support/lib.sh
. "$(dirname "$0")/../support/lib.sh"
# shellcheck source=tests/support/jobs.sh
. "$(dirname "$0")/../support/jobs.sh"
helper submit

data=$scratch/data
mkdir -p "$data/to" "$data/shared"
chmod 1777 "$data/shared"
plain_files "$data/from" 40 500000
echo text >"$data/file"
chmod 700 "$data/from" # only a rule reaches it
copy_policy "$data"
write_config "admin-group: daemon"
start_daemon
other=(as_user 3 3 -) # sys
daemon_group=$(getent group daemon | cut -d: -f3)
admin=(as_user 2 2 "$daemon_group")

# ---- others --------------------------------------------------------------------------------------------------------------

submitted -r -T --bwlimit 20K "$data/from" "$data/to/slow"
slow=$job
until_field "$slow" '.state == "running"' || fail "the job runs" "$(job_state "$slow")"
equal "its owner sees it" "$slow" "$(job_list)"
equal "another user does not" "" "$(asker=("${other[@]}"); job_list)"
exits 3 "nor with --all" "${other[@]}" fsop job list --all
lacks "nothing of it is told" "$data" "$output"
equal "root does, with --all" "$slow" "$(asker=(env); job_list --all)"
equal "the admin group does, with --all" "$slow" "$(asker=("${admin[@]}"); job_list --all)"
equal "without it, the admin group sees its own" "" "$(asker=("${admin[@]}"); job_list)"
exits 0 "root's list names the user" fsop job list --all
contains "root's list names the user" nobody "$output"

# As of a job that does not exist, to the letter.
unknown=$((slow + 100000))
for verb in show watch pause resume cancel retry forget; do
        exits 1 "another user: $verb" "${other[@]}" timeout 60 fsop --json job $verb "$slow"
        said=$output
        contains "another user: $verb is ENOENT" '"ENOENT"' "$said"
        exits 1 "of a job that does not exist: $verb" "${other[@]}" timeout 60 fsop --json job $verb "$unknown"
        equal "another user: $verb tells nothing" "${output//$unknown/N}" "${said//$slow/N}"
done
equal "the job is as it was" running "$(job_state "$slow")"

# ---- one target, one job -----------------------------------------------------------------------------------------------------

# refused_as WHAT CODE CLASS COMMAND…: its output is kept in $output
refused_as() {
        local what=$1 code=$2 class=$3
        shift 3
        exits 1 "$what" "$@"
        equal "$what: code and class" "$code $class" "$(jq -r 'select(.error) | "\(.error.code) \(.error.class)"' <<<"$output")"
}
refused_as "a second job to the same target" EBUSY busy as_nobody fsop --json cp --detach -r -T "$data/from" "$data/to/slow"
contains "it names the other job to its owner" "$slow" "$(jq -r .error.message <<<"$output")"
{
        echo "rules:"
        copy_rule "$data"
        copy_rule "$data" | sed -e 's/name: copies/name: others/' -e 's/nobody/sys/'
} | write_policy copies
exits 0 "a rule for another user" fsop policy reload
exits 0 "another user's job to the same target is not refused, which would tell of this one" \
        "${other[@]}" fsop --json cp --detach --bwlimit 10 -r -T "$data/from" "$data/to/slow"
exits 0 "… and given up" "${other[@]}" fsop job cancel "$(jq -r .job <<<"$output")"

# ---- keys -----------------------------------------------------------------------------------------------------------------------

exits 0 "a job with a key" as_nobody submit "$socket" key my-key "$data/file" "$data/to/keyed"
first=$output
exits 0 "the same key again" as_nobody submit "$socket" key my-key "$data/file" "$data/to/keyed"
equal "is the same job" "$first" "$output"
exits 0 "the same key of another user" "${other[@]}" submit "$socket" key my-key "$data/file" "$data/to/other-keyed"
[ "$output" != "$first" ] && ok "is another job" || fail "is another job" "$output"
stop_daemon
start_daemon
exits 0 "the same key after a restart" as_nobody submit "$socket" key my-key "$data/file" "$data/to/keyed"
equal "is the same job still" "$first" "$output"
exits 0 "another key" as_nobody submit "$socket" key other-key "$data/file" "$data/to/keyed2"
[ "$output" != "$first" ] && ok "is another job" || fail "is another job" "$output"

# ---- rules that go --------------------------------------------------------------------------------------------------------------

job_do cancel "$slow" >/dev/null
ends_as "cancelled" "$slow" cancelled
submitted -r -T --bwlimit 2M "$data/from" "$data/to/revoked"
until_field "$job" '.files_done + .bytes_copied > 0' || fail "the job is under way"
echo "rules: []" | write_policy copies
exits 0 "the rule goes" fsop policy reload
ends_as "the job ends as failed" "$job" failed
contains "the reason's class is denied" denied "$(job_error "$job")"
exits 0 "job show" job_do show "$job"
contains "the reason is told" rule "$output"
copied=$(find "$data/to" -type f -path '*revoked*' -o -type f -path '*/.fsop-*' | wc -l)
[ "$copied" -lt 40 ] && ok "it stopped at the next file ($copied of 40)" || fail "it stopped at the next file" "$copied of 40"
copy_policy "$data"
exits 0 "the rule comes back" fsop policy reload
exits 0 "retry" job_do retry "$job"
ends_as "the job is done" "$job" done
exits 0 "and all is there" diff -r "$data/from" "$data/to/revoked"
no_leftovers "a rule that goes" "$data/to"

# A rule that goes while the job is queued, and one that never was.
submitted -r -T --bwlimit 20K "$data/from" "$data/to/blocker"
blocker=$job
submitted -r -T "$data/from" "$data/to/queued"
queued=$job
echo "rules: []" | write_policy copies
kill -HUP "$daemon_pid"
ends_as "HUP: the running job ends as failed" "$blocker" failed
ends_as "HUP: the queued job does, too" "$queued" failed
[ ! -e "$data/to/queued" ] && ok "nothing of it was copied" || fail "nothing of it was copied"
exits 3 "without a rule" as_nobody fsop cp -r -T "$data/from" "$data/to/denied"
copy_policy "$data" "exclude: [$data/to/secret]"
mkdir -p "$data/to/secret"
exits 0 "a rule with an excluded directory" fsop policy reload
exits 3 "into the excluded" as_nobody fsop cp -T "$data/from/f00000" "$data/to/secret/file"
exits 3 "instead of the excluded" as_nobody fsop cp -r -T "$data/from" "$data/to/secret"

# What a rule does not grant fails file by file, and the rest is copied.
mkdir "$data/mixed"
echo text >"$data/mixed/plain"
echo text >"$data/mixed/owned"
chown 4711 "$data/mixed/owned"
mknod "$data/mixed/device" c 1 5
echo text >"$data/mixed/attributed"
setfattr -n user.not -v x "$data/mixed/attributed" || fail "setfattr"
setfattr -n user.granted -v x "$data/mixed/plain" || fail "setfattr"
copy_policy "$data"
sed -i -e 's/chown-to: .*/chown-to: ["root:*", "nobody:*"]/' -e 's/xattrs: .*/xattrs: [user.granted]/' "$scratch/etc/policy.d/copies.yaml"
exits 0 "a rule that does not grant everything" fsop policy reload
submitted -a -T "$data/mixed" "$data/to/mixed"
ends_as "what it does not grant: failed" "$job" failed
equal "by file" "$data/mixed/attributed $data/mixed/device $data/mixed/owned" "$(job_failures "$job" | sed 's/^[A-Z]* //' | sort | paste -sd' ')"
equal "the rest is copied" plain "$(ls "$data/to/mixed")"

# ---- limits ----------------------------------------------------------------------------------------------------------------------

copy_policy "$data"
exits 0 "the rule again" fsop policy reload
stop_daemon
rm -rf "$scratch/state" && install -d -m 755 "$scratch/state" # a fresh journal: no jobs
write_config "limits:" "  jobs-per-uid: 6"
start_daemon
submitted -T "$data/file" "$data/to/l0"
ends_as "a job that has ended" "$job" done
ended=$job
submitted -r -T --bwlimit 20K "$data/from" "$data/to/l1"
for i in 2 3 4 5 6; do submitted -T "$data/file" "$data/to/l$i"; done
equal "at the limit, the oldest job that has ended is forgotten" 0 "$(job_list | grep -cxF "$ended")"
refused_as "more jobs than a user may have" EUSERS busy as_nobody fsop --json cp --detach -T "$data/file" "$data/to/l7"
exits 0 "of others it takes no notice" fsop cp --detach -T "$data/file" "$data/to/l8"
exits 0 "with one job less" job_do cancel "$job"
submitted -T "$data/file" "$data/to/l9" && ok "there is room for another"
finish
