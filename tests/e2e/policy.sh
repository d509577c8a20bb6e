#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# policy.sh: rules are read, checked, reloaded and explained; a bad file leaves the old ones in force.
# shellcheck source=tests/support/lib.sh
. "$(dirname "$0")/../support/lib.sh"
need_root

data=$scratch/data
mkdir -p "$data"/{a,b,home/nobody,home/other,denied/inner,audited,grouped}
touch "$data"/{a,b,home/nobody,home/other,denied,denied/inner,audited,grouped}/file
rules() { write_policy rules; }
rule() { # NAME EFFECT PATH FURTHER-LINES…
        printf '  - name: %s\n    effect: %s\n    path: %s\n' "$1" "$2" "$3"
        shift 3
        printf '    %s\n' "$@"
}
good() {
        echo "rules:"
        rule a allow "$data/a" 'user: [nobody]' 'ops: [chown, chmod]' 'chown-to: ["1234:*", "nobody:*"]'
        rule home allow "$data/home/%u" 'user: [nobody, daemon]' 'ops: chown' 'chown-to: ["1234:*"]'
        rule grouped allow "$data/grouped" 'group: [daemon]' 'ops: chown' 'chown-to: ["1234:*"]'
        rule wide allow "$data/denied" 'user: [nobody]' 'ops: all' 'chown-to: ["1234:*"]'
        rule narrow deny "$data/denied/inner" 'user: [nobody]' 'ops: [chown]'
        rule watch audit "$data/audited" 'user: [nobody]' 'ops: [chown]' 'chown-to: ["1234:*"]'
}
good | rules
write_config ""
write_config "socket-group: root"
exits 0 "--check-config" "$bin/fsopd" --config "$scratch/etc/fsopd.yaml" --check-config
sed -i 's/^socket-mode: .*/socket-mode: 0660/' "$scratch/etc/fsopd.yaml"
exits 1 "… where a rule's user is not let in" "$bin/fsopd" --config "$scratch/etc/fsopd.yaml" --check-config
contains "… names it" "uid $nobody_uid may not connect" "$output"
install -d -m 777 "$scratch/theirs"
check_setting() { # WHAT-IT-SAYS SETTING OPTION...
        local says=$1 setting=$2
        shift 2
        write_config "$setting"
        exits 1 "--check-config: $says" "$bin/fsopd" --config "$scratch/etc/fsopd.yaml" "$@" --check-config
        contains "… says so" "$says" "$output"
}
check_setting "fsopd: error: --engine kqueue cannot be used here" "" --engine kqueue
check_setting "fsopd: error: --audit file:$scratch/none/audit is in a directory that does not exist" "" --audit "file:$scratch/none/audit"
check_setting "fsopd: warning: --policy-dir $scratch/none does not exist" "" --policy-dir "$scratch/none"
check_setting "fsopd: error: --socket $scratch/none/socket is in a directory" "" --socket "$scratch/none/socket"
check_setting "fsopd: error: --state-dir $scratch/theirs is not used, and there are no jobs" "" --state-dir "$scratch/theirs"
exits 1 "a start with the audit in a directory that is not there" "$bin/fsopd" --config "$scratch/etc/fsopd.yaml" --audit "file:$scratch/none/audit"
contains "… says what would help" "no such file or directory: its directory must be there" "$output"
check_line() { # LINE:COLUMN WHAT-IT-SAYS SETTING
        write_config ""
        sed -i "/^${3%%: *}:/d" "$scratch/etc/fsopd.yaml"
        sed -i "1i # the first line\n$3" "$scratch/etc/fsopd.yaml"
        exits 1 "--check-config: $2" "$bin/fsopd" --config "$scratch/etc/fsopd.yaml" --check-config
        contains "… with its line" "$scratch/etc/fsopd.yaml:$1: $2" "$output"
}
check_line 2:9 "error: engine kqueue cannot be used here" "engine: kqueue"
check_line 2:8 "error: audit file:$scratch/none/audit is in a directory that does not exist" "audit: file:$scratch/none/audit"
check_line 2:9 "error: socket $scratch/none/socket is in a directory that does not exist" "socket: $scratch/none/socket"
check_line 2:12 "error: state-dir $scratch/theirs is not used, and there are no jobs" "state-dir: $scratch/theirs"
check_line 2:15 "warning: socket-group nosuchgroup does not exist" "socket-group: nosuchgroup"
check_line 2:14 "warning: admin-group nosuchgroup does not exist" "admin-group: nosuchgroup"
check_line 2:$((16 + ${#scratch} + 13)) "warning: policy-dir $scratch/none does not exist" "policy-dir: [$scratch/etc/policy.d, $scratch/none]"
write_config ""
write_policy own <<<"rules: [{name: own, effect: allow, user: nobody, path: $scratch/etc/policy.d, ops: all}]"
exits 1 "--check-config with a rule for the daemon's own files" "$bin/fsopd" --config "$scratch/etc/fsopd.yaml" --check-config
equal "… says once that it is inert" 1 "$(grep -c "no rule reaches the daemon's own files" <<<"$output")"
rm "$scratch/etc/policy.d/own.yaml"
# The group that is not there by default: rules and settings can be checked where they are made.
write_config ""
exits 0 "--check-config where nobody has named the group" "$bin/fsopd" --config "$scratch/etc/fsopd.yaml" --check-config
if getent group fsop >/dev/null; then
        skip "there is a group fsop: what is said where there is none was not looked at"
else
        contains "… says what its want means" "default: warning: socket-group fsop does not exist; anybody may connect" "$output"
        write_config "socket-group: fsop" && sed -i '/^socket-mode/d' "$scratch/etc/fsopd.yaml"
        exits 1 "… named, and with the usual mode" "$bin/fsopd" --config "$scratch/etc/fsopd.yaml" --check-config
        contains "… it means more" "warning: socket-group fsop does not exist: only root may connect" "$output"
        write_config ""
fi
start_daemon

may() { exits 0 "$1" as_nobody fsop chown 1234 "$2"; }
may_not() { exits 3 "$1" as_nobody fsop chown 1234 "$2"; }
may "a rule" "$data/a/file"
may_not "no rule" "$data/b/file"
may "%u is the caller" "$data/home/nobody/file"
may_not "%u is nobody else" "$data/home/other/file"
may_not "not in the group" "$data/grouped/file"
daemon_group=$(getent group daemon | cut -d: -f3)
exits 0 "in the group, by a supplementary one" as_user $nobody_uid $nobody_gid "$daemon_group" fsop chown 1234 "$data/grouped/file"
exits 0 "in the group, by the primary one" as_user $nobody_uid "$daemon_group" - fsop chown 1234:"$daemon_group" "$data/grouped/file"
may "beside the denied" "$data/denied/file"
may_not "a deny wins" "$data/denied/inner/file"
exits 3 "a deny wins, elevated" as_nobody fsop --as elevated chown 1234 "$data/denied/inner/file"
exits 0 "a deny of chown alone lets chmod through" as_nobody fsop chmod 600 "$data/denied/inner/file"
may_not "an audit rule allows nothing" "$data/audited/file"
contains "but it records" watch "$(cat "$audit")"
exits 3 "one operation of the rule is not another" as_nobody fsop --as elevated rm "$data/a/file"

exits 0 "explain: allowed" as_nobody fsop explain chown 1234 "$data/a/file"
contains "it names the rule's file" rules.yaml "$output"
exits 0 "explain for somebody else, by root" fsop explain --user nobody chown 1234 "$data/denied/inner/file"
contains "it names the deny" narrow "$output"
exits 3 "explain for somebody else, by nobody" as_nobody fsop explain --user root chown 1234 "$data/a/file"
exits 3 "a reload is not for everyone" as_nobody fsop policy reload

# bad FURTHER-TEXT WHAT: the file is refused, with its name, and the old rules hold
bad() {
        { good; cat; } | rules
        exits 1 "a reload refuses $1" fsop policy reload
        contains "it names the file and the line" rules.yaml: "$output"
        may "and the old policy holds" "$data/a/file"
        exits 1 "--check-config refuses $1" "$bin/fsopd" --config "$scratch/etc/fsopd.yaml" --check-config
        contains "it names the file and the line" rules.yaml: "$output"
}
bad "an unknown key" < <(rule x allow "$data/b" 'user: [nobody]' 'ops: chown' 'colour: red')
bad "a repeated name" < <(rule a allow "$data/b" 'user: [nobody]' 'ops: chown')
bad "an unknown operation" < <(rule x allow "$data/b" 'user: [nobody]' 'ops: [chwon]')
bad "a repeated key" < <(rule x allow "$data/b" 'user: [nobody]' 'ops: chown' 'ops: chmod')
bad "a rule without a subject" < <(rule x allow "$data/b" 'ops: chown')
bad "a relative path" < <(rule x allow "b" 'user: [nobody]' 'ops: chown')
bad "an alias" < <(rule x allow "$data/b" 'user: &u [nobody]' 'ops: chown'; rule y allow "$data/b" 'user: *u' 'ops: chown')
bad "what is no YAML" < <(echo "   - ][")

good | rules
chmod 664 "$scratch/etc/policy.d/rules.yaml"
exits 1 "a file that others may write is refused" fsop policy reload
chmod 644 "$scratch/etc/policy.d/rules.yaml"
chown nobody "$scratch/etc/policy.d/rules.yaml"
exits 1 "a file of somebody else is refused" fsop policy reload
chown root "$scratch/etc/policy.d/rules.yaml"
chmod 777 "$scratch/etc/policy.d"
exits 1 "a directory that others may write is refused" fsop policy reload
chmod 755 "$scratch/etc/policy.d"
exits 0 "put right, it is accepted" fsop policy reload

# Users and directories that do not exist: inert, with a warning; in a deny, everyone.
{ good; rule ghost allow "$data/b" 'user: [no-such-user]' 'ops: chown' 'chown-to: ["1234:*"]'
        rule gone allow "$data/none" 'user: [nobody]' 'ops: all'; } | rules
exits 0 "a user that does not exist is a warning" fsop policy reload
contains "which names the rule or the user" no-such-user "$output"
may_not "its rule is inert" "$data/b/file"
exits 1 "--check-config fails on it" "$bin/fsopd" --config "$scratch/etc/fsopd.yaml" --check-config
{ good; rule ghost deny "$data/a" 'user: [no-such-user]' 'ops: chown'; } | rules
exits 0 "a deny of a user that does not exist" fsop policy reload
may_not "it is a deny of everyone" "$data/a/file"

# HUP does as policy reload does.
{ echo "rules:"; rule b allow "$data/b" 'user: [nobody]' 'ops: [chown]' 'chown-to: ["1234:*"]'; } | rules
kill -HUP "$daemon_pid"
now_allowed() { as_nobody fsop chown 1234 "$data/b/file" >/dev/null 2>&1; }
wait_until "HUP brings the new rules" now_allowed && ok "HUP brings the new rules" || fail "HUP brings the new rules"
may_not "and takes the old ones" "$data/a/file"

# Both open the audit file anew, for whoever rotates it, also where the rules are wrong.
rotated() { [ -s "$audit" ]; }
mv "$audit" "$audit.1"
kill -HUP "$daemon_pid"
again() { as_nobody fsop chown 1234 "$data/b/file" && rotated; }
wait_until "HUP begins a new audit file" again && ok "HUP begins a new audit file" || fail "HUP begins a new audit file"
mv "$audit" "$audit.2"
echo nonsense >>"$scratch/etc/policy.d/rules.yaml"
exits 1 "rules that are wrong" fsop policy reload
[ -e "$audit" ] && ok "policy reload begins a new audit file" || fail "policy reload begins a new audit file"

rm "$scratch/etc/policy.d/rules.yaml"
ln -sf /dev/null "$scratch/etc/policy.d/rules.yaml"
exits 0 "a file masked with /dev/null" fsop policy reload
may_not "is no rule" "$data/b/file"

good >"$scratch/some.yaml"
exits 0 "policy check of a good file" fsop policy check "$scratch/some.yaml"
{ good; echo "    nonsense: 1"; } >"$scratch/some.yaml"
exits 1 "policy check of a bad file" fsop policy check "$scratch/some.yaml"
contains "it names file and line" some.yaml: "$output"
finish
