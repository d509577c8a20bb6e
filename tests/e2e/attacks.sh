#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# attacks.sh: what a user may do to the directories that rules name and exclude, and what the daemon makes of it.
# shellcheck source=tests/support/lib.sh
. "$(dirname "$0")/../support/lib.sh"
need_root

tree=$scratch/tree homes=$scratch/homes foreign=$scratch/foreign
mkdir -p "$tree"/{secret,inner/secret,rooms/closed} "$homes/nobody/build" "$foreign" "$scratch/real/sub"
for file in "$tree"/{secret,inner/secret,rooms/closed}/file "$foreign/file" "$homes/nobody/build/file"; do
        echo root >"$file"
        chmod 600 "$file"
done
chown nobody "$tree" "$tree/inner" "$tree/rooms" "$homes/nobody"
ln -s "$scratch/real" "$scratch/made-by-root"
ln -s ../made-by-root/./sub/../sub "$scratch/real/again"
touch "$scratch/real/sub/file"
write_policy rules <<POLICY
rules:
  - name: tree
    effect: allow
    user: [nobody]
    path: $tree
    exclude: [$tree/secret, $tree/inner/secret]
    ops: all
    chown-to: ["nobody:*"]
  - {name: closed, effect: deny, user: [nobody], path: $tree/rooms/closed, ops: all}
  - {name: homes, effect: allow, user: [nobody], path: "$homes/%u/build", ops: all, chown-to: ["nobody:*"]}
  - {name: linked, effect: allow, user: [nobody], path: $scratch/made-by-root/again, ops: all, chown-to: ["nobody:*"]}
POLICY
write_config
start_daemon

owner() { stat -c %U "$1"; }
# refused WHAT FILE PATH: chown of PATH is denied, and FILE still belongs to root
refused() {
        exits 3 "$1" as_nobody fsop --as elevated chown nobody "$3"
        equal "  and the file belongs to root" root "$(owner "$2")"
}

# A directory above the rule's belongs to the caller, who puts a link in the place of the rule's.
exits 0 "the rule's directory" as_nobody fsop chown nobody "$homes/nobody/build/file"
as_nobody mv "$homes/nobody/build" "$homes/nobody/was"
as_nobody ln -s "$foreign" "$homes/nobody/build"
exits 0 "the rules are read again" fsop policy reload
refused "a link of the caller's in the place of the rule's directory" "$foreign/file" "$homes/nobody/build/file"
as_nobody rm "$homes/nobody/build"
as_nobody mv "$homes/nobody/was" "$homes/nobody/build"
exits 0 "the directory is back" as_nobody fsop chown nobody "$homes/nobody/build/file"
exits 0 "links that root made count" as_nobody fsop chown nobody "$scratch/made-by-root/again/file"

# What is excluded or denied is renamed by the owner of the directory it is in, with and without a decoy in its place.
renamed() { # WHAT DIRECTORY NAME
        refused "$1" "$2/$3/file" "$2/$3/file"
        as_nobody mv "$2/$3" "$2/elsewhere"
        refused "$1, renamed" "$2/elsewhere/file" "$2/elsewhere/file"
        as_nobody mkdir "$2/$3"
        refused "$1, with a decoy" "$2/elsewhere/file" "$2/elsewhere/file"
        exits 0 "the rules are read again" fsop policy reload
        refused "$1, after a reload" "$2/elsewhere/file" "$2/elsewhere/file"
        exits 3 "$1, walked over" as_nobody fsop --as elevated chown -R nobody "$2/elsewhere"
        as_nobody fsop --as elevated chown -R nobody "$2" >/dev/null 2>&1
        equal "$1, walked over from above" root "$(owner "$2/elsewhere/file")"
        exits 3 "$1, moved by the rule" as_nobody fsop --as elevated mv "$2/elsewhere" "$2/again"
}
renamed "an excluded directory" "$tree" secret
renamed "one further down" "$tree/inner" secret
renamed "a denied directory" "$tree/rooms" closed
as_nobody mv "$tree/inner" "$tree/outer"
refused "a directory above it is renamed" "$tree/outer/elsewhere/file" "$tree/outer/elsewhere/file"

# Root puts something else in the place of what is excluded or denied, as editors do, or makes what was not there yet. A link of the
# caller's leads to it at once, before the daemon looks at its rules' directories again.
kept=$tree/kept
mkdir -p "$kept"/{secret,closed,dir}
touch "$kept/dir/file"
as_nobody ln -s kept "$tree/way"
write_policy rules <<POLICY
rules:
  - {name: tree, effect: allow, user: [nobody], path: $tree, exclude: [$kept/secret, $kept/conf, $kept/late, $kept/dir/deep], ops: all, chown-to: ["nobody:*"]}
  - {name: closed, effect: deny, user: [nobody], path: $kept/closed, ops: all}
POLICY
replaced() { # WHAT PATH: of a file below the kept directory, which root has just made
        as_nobody fsop --as elevated chown nobody "$tree/way/$2" >/dev/null 2>&1
        as_nobody fsop --as elevated chown -RL nobody "$tree/way" >/dev/null 2>&1
        equal "$1, by way of a link" root "$(owner "$kept/$2")"
        exits 3 "… also when asked again" as_nobody fsop --as elevated chown nobody "$tree/way/$2"
}
known() { # that the rule's directory is open
        touch "$tree/any"
        as_nobody fsop --as elevated chown nobody "$tree/any" || fail "the rule works"
}
exits 0 "the rules are read again" fsop policy reload
for place in secret closed; do
        known
        mkdir "$kept/new"
        echo root >"$kept/new/file"
        mv "$kept/$place" "$kept/old-$place"
        mv "$kept/new" "$kept/$place"
        replaced "another directory is where $place was" $place/file
done
known
mkdir "$kept/late"
echo root >"$kept/late/file"
replaced "an excluded directory is made" late/file
for try in made "made anew"; do
        known
        echo root >"$kept/conf.new"
        mv "$kept/conf.new" "$kept/conf"
        replaced "an excluded file is $try" conf
done
known
mkdir "$kept/dir/deep"
echo root >"$kept/dir/deep/file"
as_nobody fsop --as elevated cp -r "$tree/way/dir" "$tree/copies" >/dev/null 2>&1
exits 2 "nor is it copied by way of a link" ls "$tree/copies/deep/file"
as_nobody fsop --as elevated cp -r "$tree/way/dir" "$tree/again" >/dev/null 2>&1
exits 2 "… also when asked again" ls "$tree/again/deep/file"
exits 0 "but what is beside it" ls "$tree/again/file"

# Names that are excluded or denied, and that nothing has yet, are not given to anything by way of a link.
as_nobody mkdir -p "$tree/mine/dir"
as_nobody touch "$tree/mine/file" "$tree/mine/dir/other"
write_policy rules <<POLICY
rules:
  - {name: tree, effect: allow, user: [nobody], path: $tree, exclude: [$kept/none, $kept/dir/none, $kept/no/deep], ops: all}
  - {name: closed, effect: deny, user: [nobody], path: $kept/not, ops: [mkdir]}
POLICY
exits 0 "the rules are read again" fsop policy reload
names_nothing() { # WHAT COMMAND…
        exits 3 "$1, by way of a link" as_nobody fsop --as elevated "${@:2}"
        equal "… and nothing is there" "dir" "$(cd "$kept" && ls -d n* dir dir/none 2>/dev/null)"
}
rm -rf "$kept/new"
names_nothing "an excluded file is made" touch "$tree/way/none"
names_nothing "an excluded directory" mkdir "$tree/way/none"
names_nothing "a denied one" mkdir "$tree/way/not"
names_nothing "one is moved there" mv "$tree/mine/file" "$tree/way/none"
names_nothing "a directory that brings one along" mv -T "$tree/mine/dir" "$tree/way/no"
names_nothing "a file is copied there" cp "$tree/mine/file" "$tree/way/none"
names_nothing "… a tree" cp -r -T "$tree/mine" "$tree/way/none"
names_nothing "… one that brings one along" cp -r -T "$tree/mine/dir" "$tree/way/no"
as_nobody touch "$tree/mine/dir/none"
exits 5 "… into a directory" as_nobody fsop --as elevated cp -r -T "$tree/mine/dir" "$tree/way/dir"
equal "… all but that" "other" "$(ls "$kept/dir" | grep -x -e none -e other)"
exits 0 "what is denied something else" as_nobody fsop --as elevated touch "$tree/way/not"
rm "$kept/not"
# The owner of the directory around an excluded name has so many stand there in turn that no more are remembered: what root puts there
# then is kept out with the whole directory of his, and nothing else is. What is removed is no reason for it.
crowd=$tree/crowd
mkdir "$crowd" "$crowd/beside"
touch "$crowd/beside/file"
chown nobody "$crowd"
write_policy rules <<POLICY
rules:
  - {name: tree, effect: allow, user: [nobody], path: $tree, exclude: [$crowd/secret], ops: all, chown-to: ["nobody:*", "root:*"]}
POLICY
in_turn() { # NUMBER NAME: so many
        local i
        for ((i = 0; i < $1; i++)); do
                mkdir "$crowd/secret"
                echo root >"$crowd/secret/file"
                exec_quietly fsop policy reload
                known
                as_nobody mv "$crowd/secret" "$crowd/$2.$i"
                [ "$2" != removed ] || rm -r "$crowd/$2.$i"
        done
        exec_quietly fsop policy reload
        known
}
exec_quietly() { "$@" >/dev/null || fail "$*"; }
in_turn 66 removed
exits 0 "directories that were removed are forgotten" as_nobody fsop --as elevated chown nobody "$crowd/beside/file"
in_turn 64 away
exits 0 "as many as are remembered" as_nobody fsop --as elevated chown root "$crowd/beside/file"
in_turn 2 more
for place in away.0 away.63 more.0 more.1; do
        refused "excluded, one of too many" "$crowd/$place/file" "$crowd/$place/file"
done
refused "what lies beside them" "$crowd/beside/file" "$crowd/beside/file"
contains "the log says so" "stood at $crowd/secret in turn" "$(cat "$daemon_log")"
known

# A client passes its own end of the connection along with what has no end, and is gone.
helper undead
head -c 16M /dev/zero >"$scratch/real/large"
job=$(as_nobody fsop cp --detach --clone never --bwlimit 64K "$scratch/real/large" "$tree/outer/long" 2>/dev/null | tr -dc 0-9)
exits 0 "a job is paused" as_nobody fsop job pause "$job"
alone() { [ "$(counter connections)" = 1 ]; }
exits 0 "its connection is passed to the daemon" "${nobody[@]}" "$bin/undead" "$socket" "$job"
wait_until "the connection ends with its client" alone && ok "the connection ends with its client" ||
        fail "the connection ends with its client" "$(counter connections)"
exits 0 "the job is cancelled" as_nobody fsop job cancel "$job"

# The audit has a directory of its own, and a rule for everything.
mkdir "$scratch/audit"
write_config
sed -i "s,^audit:.*,audit: file:$scratch/audit/log," "$scratch/etc/fsopd.yaml"
stop_daemon
write_policy rules <<POLICY
rules:
  - {name: all, effect: allow, user: [nobody], path: /, ops: all, chown-to: ["nobody:*"], links: any}
POLICY
start_daemon
for own in "$scratch/audit/log" "$scratch/etc/fsopd.yaml" "$scratch/etc/policy.d/rules.yaml" "$socket"; do
        for command in "truncate -s 0" "chown nobody" "chmod 666" "rm"; do
                # shellcheck disable=SC2086
                exits 3 "$command of $(basename "$own")" as_nobody fsop --as elevated $command "$own"
        done
        equal "it belongs to root" root "$(owner "$own")"
done
contains "the audit tells of it" '"denied"' "$(cat "$scratch/audit/log")"
exits 3 "a directory that holds them is moved" as_nobody fsop --as elevated mv "$scratch" "$scratch.moved"
# ---- a state directory that others can write to
stop_daemon
chmod 777 "$scratch/state"
start_daemon
exits 1 "no jobs with a state directory that others can write to" fsop cp "$scratch/etc/fsopd.yaml" "$scratch/copied"
contains "… as the log says" "can be written to by others" "$(cat "$daemon_log")"
chmod 700 "$scratch/state"

finish
