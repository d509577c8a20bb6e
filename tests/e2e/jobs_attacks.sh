#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# jobs_attacks.sh: what users may try with copy jobs to get at what a rule does not give them, and to keep each other from theirs.
# shellcheck source=tests/support/lib.sh
. "$(dirname "$0")/../support/lib.sh"
need_root
need_command jq jq
helper swap

tree=$scratch/tree
mkdir -p "$tree"/{a,b,from,to,late} "$scratch/out" "$scratch/other"
n() { as_nobody fsop "$@"; }
other() { as_user 1234 1234 - fsop "$@"; }
submit() { "$@" | jq -r .job; }
is_state() { [ "$(fsop --json job show "$1" 2>/dev/null | jq -r .state)" = "$2" ]; }
for i in $(seq 40); do head -c 1M /dev/zero >"$tree/from/$i"; done
chown -R nobody "$tree" "$scratch/out"
chown 1234 "$scratch/other"
# things of root's: they are never read, changed or removed
for directory in excluded denied to/inside to/excluded to/denied; do
        mkdir "$tree/$directory"
        echo SECRET >"$tree/$directory/file"
        chmod -R go= "$tree/$directory"
done
echo SECRET >"$tree/late/secret"
chmod 600 "$tree/late/secret"
write_policy rules <<POLICY
rules:
  - name: tree
    effect: allow
    user: [nobody]
    path: $tree
    exclude: [$tree/excluded, $tree/to/excluded, $tree/late/secret, $tree/late/comes]
    ops: [copy-from, copy-to]
  - {name: denied, effect: deny, user: [nobody], path: [$tree/denied, $tree/to/denied], ops: all}
  - {name: a, effect: allow, user: [nobody], path: $tree/a, ops: [chown], chown-to: ["0:0"]}
POLICY
write_config
start_daemon

# ---- a job that is given up removes what it has made, and nothing that was given the name of that --------------------------
gives_up() { # WHAT DIRECTORY
        local job temporary
        job=$(submit n --json cp -r --bwlimit 10 --detach "$tree/from" "$tree/to/new")
        wait_until "job $job makes its directory" compgen -G "$tree/to/.fsop-$job-*" >/dev/null || fail "job $job makes its directory"
        temporary=$(compgen -G "$tree/to/.fsop-$job-*")
        n job pause "$job" >/dev/null
        wait_until "job $job is paused" is_state "$job" paused || fail "job $job is paused"
        as_nobody mv -T "$temporary" "$tree/to/was"
        as_nobody mv -T "$2" "$temporary"
        n job cancel "$job"
        wait_until "job $job is cancelled" is_state "$job" cancelled || fail "job $job is cancelled"
        wait_until "… and cleaned up" grep -q "job $job: temporary files could not all be removed" "$daemon_log" || fail "… and cleaned up"
        equal "a job that is given up leaves $1" SECRET "$(cat "$temporary/file" 2>&1)"
        as_nobody mv -T "$temporary" "$2"
        rm -rf "$tree/to/was"
}
gives_up "root's directory" "$tree/to/inside"
gives_up "an excluded directory" "$tree/to/excluded"
gives_up "a denied directory" "$tree/to/denied"

# ---- what is set with a rule's rights lies where that rule is for --------------------------------------------------------
as_nobody ln -s ../b "$tree/a/link"
echo root >"$scratch/file"
exits 3 "an owner that the target's rule does not give" n cp --preserve=ownership "$scratch/file" "$tree/b/one"
# What the rule excludes was made just now: by way of a link one is asked to try again, until that is known.
n cp --preserve=ownership "$scratch/file" "$tree/a/link/two" >/dev/null 2>&1
exits 3 "… nor another rule through a link" n cp --preserve=ownership "$scratch/file" "$tree/a/link/two"
equal "nothing is there" "" "$(ls "$tree/b")"

# ---- excluded names: of files, and of what comes while the job runs --------------------------------------------------------
exits 3 "an excluded file" n cp "$tree/late/secret" "$scratch/out/secret"
exits 3 "… in a tree" n cp -r "$tree/late" "$scratch/out/late"
contains "… is named" "late/secret: operation not permitted (EPERM)" "$output"
[ ! -e "$scratch/out/late/secret" ] && ok "… and not copied" || fail "… and not copied"
mkdir -m 700 "$tree/late/comes"
echo SECRET >"$tree/late/comes/file"
n cp -r "$tree/late" "$scratch/out/later" >/dev/null 2>&1
equal "an excluded directory that is new is not copied" "" "$(ls "$scratch/out/later")"
mkdir "$scratch/out/mine" && echo mine >"$scratch/out/mine/secret" && chown -R nobody "$scratch/out"
n cp -r -T "$scratch/out/mine" "$tree/late" >/dev/null 2>&1
equal "… nor replaced by a tree" SECRET "$(cat "$tree/late/secret")"

# ---- one user's jobs and another's -----------------------------------------------------------------------------------------
slow=$(submit n --json cp -r --bwlimit 1 --detach "$tree/from" "$scratch/out/slow")
wait_until "it runs" is_state "$slow" running || fail "it runs"
squat=$(submit n --json cp --detach "$scratch/file" "$scratch/other/mine")
n job pause "$squat" >/dev/null
wait_until "another waits" is_state "$squat" paused || fail "another waits"
exits 0 "a job on a filesystem that another user's job uses, to a target that is one of its" \
        timeout 90 setpriv --reuid=1234 --regid=1234 --clear-groups -- "$bin/fsop" cp "$scratch/file" "$scratch/other/mine"
equal "… is done meanwhile" "root running" "$(cat "$scratch/other/mine") $(fsop --json job show "$slow" | jq -r .state)"
n job cancel "$slow" >/dev/null

# ---- a large file goes on where it was, in the file that it was --------------------------------------------------------------
head -c 100M /dev/zero >"$tree/to/theirs"
chmod 600 "$tree/to/theirs"
exec 9<"$tree/to/theirs"
head -c 120M /dev/urandom >"$tree/large"
chown nobody "$tree/large"
write_policy as-root <<POLICY
rules:
  - {name: as-root, effect: allow, user: [nobody], path: $tree/to, ops: [copy-to], create-as: service}
POLICY
mv "$scratch/etc/policy.d/rules.yaml" "$scratch/etc/rules.was"
fsop policy reload >/dev/null
part=$(submit n --json cp --clone never --bwlimit 8M --detach "$tree/large" "$tree/to/part")
has_part() { [ "$(fsop --json job show "$part" | jq -r .bytes_flushed)" -gt 8000000 ]; }
wait_until "a part is on the disk" has_part || fail "a part is on the disk"
n job pause "$part" >/dev/null
wait_until "it is paused" is_state "$part" paused || fail "it is paused"
temporary=$(compgen -G "$tree/to/.fsop-$part-*")
as_nobody mv "$temporary" "$tree/to/was"
as_nobody mv "$tree/to/theirs" "$temporary"
n job resume "$part" >/dev/null
wait_until "it is done" is_state "$part" 'done' || fail "it is done"
cmp -s "$tree/large" "$tree/to/part" && ok "a part that was replaced is begun anew" || fail "a part that was replaced is begun anew"
equal "… and root's file that had its name is as it was" "104857600 0" \
        "$(stat -L -c %s /proc/self/fd/9) $(tr -d '\0' <&9 | wc -c)"
exec 9<&-
rm -f "$tree/to/was"

# ---- where what is made is root's, owners do not tell what the job has made -------------------------------------------------
write_policy as-root <<POLICY
rules:
  - {name: as-root, effect: allow, user: [nobody], path: $tree/to, ops: [copy-to], create-as: service}
  - {name: from, effect: allow, user: [nobody], path: $tree/from, ops: [copy-from]}
POLICY
fsop policy reload >/dev/null
gives_up "root's directory, where the job makes root's" "$tree/to/inside"
goes_on() {
        local job temporary
        job=$(submit n --json cp -r --bwlimit 10 --detach "$tree/from" "$tree/to/new")
        wait_until "job $job makes its directory" compgen -G "$tree/to/.fsop-$job-*" >/dev/null || fail "job $job makes its directory"
        temporary=$(compgen -G "$tree/to/.fsop-$job-*")
        n job pause "$job" >/dev/null
        wait_until "job $job is paused" is_state "$job" paused || fail "job $job is paused"
        as_nobody mv -T "$temporary" "$tree/to/was"
        as_nobody mv -T "$tree/to/inside" "$temporary"
        kill -KILL "$(serving_pid)" "$daemon_pid" 2>/dev/null
        wait "$daemon_pid" 2>/dev/null
        daemon_pid=
        start_daemon
        n job resume "$job"
        wait_until "job $job has failed" is_state "$job" failed || fail "job $job has failed"
        equal "a job that goes on after a crash does not in root's directory" "file SECRET 700" \
                "$(ls "$temporary") $(cat "$temporary/file") $(stat -c %a "$temporary")"
        as_nobody mv -T "$temporary" "$tree/to/inside"
        rm -rf "$tree/to/was"
}
goes_on
rm -f "$tree/to/"{part,was} "$tree/large" "$scratch/etc/policy.d/as-root.yaml"
mv "$scratch/etc/rules.was" "$scratch/etc/policy.d/rules.yaml"
fsop policy reload >/dev/null

# ---- a further link is one to what was copied, not to root's file that has its name by then -------------------------------------
mkdir "$tree/linked" "$tree/to/linked"
echo mine >"$tree/linked/first"
ln "$tree/linked/first" "$tree/linked/second"
chown -R nobody "$tree/linked"
chown nobody "$tree/to/linked"
links=
tries=20
command -v perl >/dev/null || { skip "the race for a further link: needs perl"; tries=0; }
for ((i = 0; i < tries && ${#links} == 0; i++)); do
        echo root >"$tree/to/linked/theirs"
        "${nobody[@]}" perl -e 'chdir shift; my $end = time + 10; while (time < $end) { for ("first", "second") { exit !rename("theirs", $_) if -e } }' "$tree/to/linked" &
        mover=$!
        children+=("$mover")
        n cp -r --preserve=links -T "$tree/linked" "$tree/to/linked" >/dev/null 2>&1
        wait "$mover"
        links=$(find "$tree/to/linked" -user 0 -links +1)
        rm -f "$tree/to/linked/"*
done
[ "$tries" = 0 ] || equal "root's file is not linked in the place of the first link" "" "$links"
rm -rf "$tree/linked" "$tree/to/linked"

# ---- exchanged for what is kept out, again and again ------------------------------------------------------------------------
# of root's things: inode, owner, mode, links, contents
of_root() {
        find "$tree" -user 0 \( -type d -printf '%i %m %u %g\n' -o -type f -printf '%i %m %u %g %n ' -exec cksum {} \; \) |
                awk '{ $8 = ""; print }' | sort
}
exchanging() { # WHAT THIS THAT
        local swapper i
        "${nobody[@]}" "$bin/swap" "$2" "$3" >"$scratch/swapped" &
        swapper=$!
        children+=("$swapper")
        sleep 0.2
        for ((i = 0; i < 8; i++)); do
                n cp -r --preserve=mode,timestamps,xattr,links -T "$tree/race" "$tree/to/race$i" >/dev/null 2>&1
                n cp -r -T "$tree/race" "$tree/to/race" >/dev/null 2>&1
        done
        kill -TERM "$swapper"
        wait "$swapper"
        echo "$1: exchanged $(cat "$scratch/swapped") times"
        equal "$1: nothing is read" "" "$(find "$tree" "$scratch/out" -type f ! -user 0 -exec grep -l SECRET {} + | head -n 3)"
        equal "$1: nothing is changed" "$before" "$(of_root)"
}
mkdir -p "$tree/race/sub" "$tree/to/race/sub"
for i in $(seq 50); do echo "$i" >"$tree/race/sub/file$i"; done
echo mine >"$tree/race/sub/file"
chown -R nobody "$tree/race" "$tree/to/race"
mv "$tree/excluded" "$tree/race/kept" # it is known by what it is
mv "$tree/to/denied" "$tree/to/race/kept"
before=$(of_root)
exchanging "a source's directory and an excluded one" "$tree/race/sub" "$tree/race/kept"
exchanging "a target's directory and a denied one" "$tree/to/race/sub" "$tree/to/race/kept"
exchanging "a target and an excluded directory" "$tree/to/race" "$tree/to/excluded"
finish
