#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# rules.sh: what rules demand beyond path and operation, on real files: denies that links do not lead around, exclusions that
# appear later, total-bytes, whose is what is created, copies with a rule for each end.
# shellcheck source=tests/support/lib.sh
. "$(dirname "$0")/../support/lib.sh"
need_root

data=$scratch/data
mkdir -p "$data"/{all/keep/inner,all/open,all/sink,quota,caller,service,other,from,to,chowned}
touch "$data"/all/{file,keep/file,keep/inner/file,open/file} "$data"/from/file "$data"/to/file
ln -s keep "$data/all/link"
ln -s "$data/all/keep/file" "$data/all/link-to-file"
chmod 700 "$data"/all "$data"/all/*/ "$data"/{caller,service,other}
chmod 700 "$data"/{from,to}
chmod 600 "$data"/all/file "$data"/all/*/file "$data"/{from,to}/file
echo contents >"$data/from/file"
write_policy rules <<POLICY
rules:
  - {name: all, effect: allow, user: nobody, path: $data/all, exclude: [$data/all/later, $data/all/walked/excluded, $data/all/walked/below/excluded], ops: all, chown-to: "*:*"}
  - {name: keep, effect: deny, user: nobody, path: $data/all/keep, ops: [chown]}
  - {name: denied, effect: deny, user: nobody, path: $data/all/walked/denied, ops: all}
  - {name: no-root, effect: deny, user: nobody, path: $data/all/open, ops: [chown], chown-to: "root:*"}
  - {name: quota, effect: allow, user: nobody, path: $data/quota, ops: [truncate, fallocate, copy-to, files], max-bytes: 1M, total-bytes: 2M}
  - {name: caller, effect: allow, user: nobody, path: $data/caller, ops: all, owned-by: caller}
  - {name: service, effect: allow, user: nobody, path: $data/service, ops: all, create-as: service}
  - {name: other, effect: allow, user: nobody, path: $data/other, ops: all, create-as: "1234:4321"}
  - {name: from, effect: allow, user: nobody, path: $data/from, ops: copy-from}
  - {name: to, effect: allow, user: nobody, path: $data/to, ops: copy-to}
POLICY
write_config ""
start_daemon
may() { exits 0 "$1" as_nobody fsop "${@:2}"; }
may_not() { exits 3 "$1" as_nobody fsop "${@:2}"; }
owner() { stat -c %u:%g "$1"; }

# ---- a deny inside what is allowed
may "beside it" chown 7:7 "$data/all/file"
may_not "in it" chown 7:7 "$data/all/keep/file"
may_not "through a link to it" chown 7:7 "$data/all/link/file"
may_not "deeper, through a link to it" chown 7:7 "$data/all/link/inner/file"
may_not "through a link to a file in it" chown 7:7 "$data/all/link-to-file"
may_not "itself, through a link" chown 7:7 "$data/all/link"
may "what is not denied there" chmod 640 "$data/all/keep/file"
may "what is not denied there, through a link" chmod 600 "$data/all/link/file"
may_not "moving a file out of it" mv "$data/all/keep/file" "$data/all/moved"
may_not "moving a file out of it, through a link" mv -T "$data/all/link/file" "$data/all/moved"
may_not "moving it away" mv -T "$data/all/keep" "$data/all/kept"
may_not "moving what holds it away" mv -T "$data/all" "$data/sink"
may "walking past it" chown -R 8:8 "$data/all/open"
exits 3 "a walk that begins in it" as_nobody fsop chown -R 8:8 "$data/all/keep"
as_nobody fsop chown -R 9:9 "$data/all" >/dev/null 2>&1
equal "a walk from above does not enter it" "0:0 0:0 0:0" "$(owner "$data/all/keep") $(owner "$data/all/keep/file") $(owner "$data/all/keep/inner/file")"
equal "but did the others" 9:9 "$(owner "$data/all/open/file")"
may_not "an owner that a deny lists" chown root "$data/all/open/file"
may "its group alone" chown :5 "$data/all/open/file"
may "another owner" chown 6 "$data/all/open/file"

# ---- files that are kept out, met by a walk
for walk in "chown -R 7:7" "chmod -R 600" "rm -r"; do
        rm -rf "$data/all/walked"
        mkdir -p "$data"/all/walked/below
        touch "$data"/all/walked/{excluded,denied,other} "$data"/all/walked/below/{excluded,other}
        chmod 640 "$data"/all/walked/{excluded,denied,below/excluded}
        # shellcheck disable=SC2086
        exits 5 "$walk of what holds files that are kept out" as_nobody fsop $walk "$data/all/walked"
        equal "$walk leaves the excluded and the denied file alone" "0:0 640 0:0 640 0:0 640" \
                "$(stat -c '%u:%g %a' "$data"/all/walked/{excluded,denied,below/excluded} | xargs)"
        case $walk in
        chown*) equal "$walk does the others" "7:7 7:7" "$(stat -c %u:%g "$data"/all/walked/other "$data"/all/walked/below/other | xargs)" ;;
        rm*) equal "$walk removes the others" "below denied excluded excluded" "$(find "$data/all/walked" -mindepth 1 -printf '%f\n' | sort | xargs)" ;;
        esac
done

# ---- … and by other names
rm -rf "$data/all/walked"
mkdir -p "$data/all/walked"
touch "$data"/all/walked/{excluded,denied}
ln -s walked "$data/all/way"
exits 0 "a reload, to find the files" fsop policy reload
may_not "an excluded file through a link to its directory" chown 7:7 "$data/all/way/excluded"
may_not "a denied file through a link to its directory" chown 7:7 "$data/all/way/denied"
exits 5 "both, walked over with links followed" as_nobody fsop chown -R -H 7:7 "$data/all/way"
equal "both stay as they are" "0:0 0:0" "$(stat -c %u:%g "$data"/all/walked/{excluded,denied} | xargs)"
mkdir "$data/service/old"
may "directories are renamed nevertheless" mv -T "$data/service/old" "$data/service/renamed"

# ---- an exclusion that did not exist when the rule's directory was opened
mkdir "$data/all/later"
touch "$data/all/later/file"
ln -s later "$data/all/late-link"
may_not "an exclusion that came later" chown 7:7 "$data/all/later/file"
late() { ! as_nobody fsop chown 7:7 "$data/all/late-link/file" >/dev/null 2>&1; }
wait_until "it is kept out through links as well" late && ok "it is kept out through links as well" || fail "it is kept out through links as well"

# ---- sizes
may "within max-bytes" truncate -s 1M "$data/quota/a"
may_not "beyond max-bytes" truncate -s 1025K "$data/quota/b"
may "as large as it is already" truncate -s 1M "$data/quota/a"
may "the rest of total-bytes" fallocate -l 1M "$data/quota/b"
exits 3 "beyond total-bytes" as_nobody fsop truncate -s 1 "$data/quota/c"
contains "… names the rule" "rule quota" "$output"
may "smaller is always allowed" truncate -s 0 "$data/quota/a"
exits 3 "what was cut off is not given back" as_nobody fsop truncate -s 1 "$data/quota/a"
exits 0 "a reload" fsop policy reload
exits 3 "a reload does not give it back either" as_nobody fsop truncate -s 1 "$data/quota/a"

# ---- whose is what is created
may "mkdir as the caller" mkdir "$data/caller/new"
equal "it belongs to the caller" $nobody_uid:$nobody_gid "$(owner "$data/caller/new")"
touch "$data/caller/theirs"
may_not "owned-by: somebody else's" chmod 600 "$data/caller/theirs"
may "owned-by: the caller's" chmod 750 "$data/caller/new"
may "mkdir as the service" mkdir "$data/service/new"
equal "it belongs to root" 0:0 "$(owner "$data/service/new")"
may "mkdir as another" mkdir "$data/other/new"
equal "it belongs to that other" 1234:4321 "$(owner "$data/other/new")"

# ---- a copy has two ends
may "copy-from here, copy-to there" copy-range "$data/from/file" "$data/to/file"
equal "it was copied" contents "$(cat "$data/to/file")"
may_not "the other way round" copy-range "$data/to/file" "$data/from/file"
echo mine >"$scratch/mine"
chmod 644 "$scratch/mine"
may "from what the caller may read itself" copy-range "$scratch/mine" "$data/to/file"
may_not "asked for as elevated it needs a rule at both ends" --as elevated copy-range "$scratch/mine" "$data/to/file"
refused_by() { # WHAT RULE-OR-NOTHING COMMAND SRC DST
        exits 3 "$1" as_nobody fsop --json "${@:3}"
        equal "… by ${2:-no rule}" "$2" "$(sed -n 's/.*"rule":"\([^"]*\)".*/\1/p' <<<"$output")"
}
ln -s "$scratch/mine" "$data/from/out"
ln -s "$scratch/mine" "$data/to/out"
ln "$data/to/file" "$data/to/twice"
install -m 600 /dev/null "$scratch/secret"
mkdir -m 700 "$scratch/locked"
refused_by "a source that leads out" from copy-range "$data/from/out" "$data/to/file"
refused_by "a target that leads out" to copy-range "$data/from/file" "$data/to/out"
refused_by "a target with two names" to copy-range "$data/from/file" "$data/to/twice"
rm "$data/to/twice"
refused_by "a source that the caller may not read" "" copy-range "$scratch/secret" "$data/to/file"
refused_by "a job's source that the caller may not reach" "" cp --detach "$scratch/locked/file" "$data/to/new"
refused_by "a target that the caller may not write" "" copy-range "$data/from/file" "$scratch/mine"

# ---- the daemon's own files, by a rule that should not have been written
write_policy rules <<POLICY
rules:
  - {name: too-much, effect: allow, user: nobody, path: [$scratch, /], ops: all, chown-to: "*:*"}
POLICY
exits 0 "a rule for everything" fsop policy reload
ln -s "$scratch/etc" "$data/all/to-etc"
may "it holds" chown 5:5 "$data/from/file"
for own in "$scratch/etc/policy.d/rules.yaml" "$scratch/etc/policy.d" "$scratch/state" "$audit" "$socket"; do
        may_not "but not for ${own#"$scratch"/}" chown 5:5 "$own"
done
may_not "nor through a link" chown 5:5 "$data/all/to-etc/policy.d/rules.yaml"
may_not "nor by moving what holds them" mv -T "$scratch/etc" "$scratch/gone"
finish
