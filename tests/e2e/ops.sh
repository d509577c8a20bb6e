#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# ops.sh: every operation once, asked for by nobody inside a rule's tree, its effect seen by stat(1) and its kin.
# shellcheck source=tests/support/lib.sh
. "$(dirname "$0")/../support/lib.sh"
need_root

tree=$scratch/data/tree
loop_mount xfs "$scratch/data/xfs" && tree=$scratch/data/xfs/tree
mkdir -p "$tree"
standard_policy "$tree"
start_daemon

does() { # WHAT ARGUMENTS…: nobody asks, and it succeeds
        local what=$1
        shift
        exits 0 "$what" as_nobody fsop "$@"
}
is() { # WHAT FORMAT EXPECTED PATH
        equal "$1" "$3" "$(stat -c "$2" "$4" 2>&1)"
}

echo data >"$tree/file"
chmod 600 "$tree/file"

does "chown" chown 1234:1234 "$tree/file"
is "chown changed both ids" '%u:%g' 1234:1234 "$tree/file"
does "chown by name" chown nobody "$tree/file"
is "chown changed the owner alone" '%u:%g' "$nobody_uid:1234" "$tree/file"
does "chown --from that matches" chown --from "$nobody_uid" 2000 "$tree/file"
is "chown --from changed it" %u 2000 "$tree/file"
does "chown --from that does not match" chown --from 77 2001 "$tree/file"
is "chown --from left it" %u 2000 "$tree/file"
ln -s file "$tree/link"
does "chown -h" chown -h 1234:1234 "$tree/link"
is "chown -h changed the link" '%u:%g' 1234:1234 "$tree/link"
is "chown -h left its target" %u 2000 "$tree/file"
does "chown through a link inside the tree" chown 1234:1234 "$tree/link"
is "chown followed" %u 1234 "$tree/file"

does "mknod of a character device" mknod -m 640 "$tree/null" c 1 3
is "the device" '%F %t:%T %a %u:%g' "character special file 1:3 640 $nobody_uid:$nobody_gid" "$tree/null"
does "mknod of a block device with a large number" mknod "$tree/big" b 300 200000
is "its number" '%F %t:%T' "block special file 12c:30d40" "$tree/big"
does "mkfifo" mkfifo -m 600 "$tree/fifo"
is "the FIFO" '%F %a' "fifo 600" "$tree/fifo"
does "mknod of a socket" mknod "$tree/socket" s
is "the socket" %F socket "$tree/socket"

does "fallocate" fallocate -l 1M "$tree/file"
is "fallocate grew it" %s 1048576 "$tree/file"
[ "$(stat -c %b "$tree/file")" -ge 2048 ] && ok "fallocate took the space" || fail "fallocate took the space"
does "fallocate --punch-hole" fallocate -p -o 0 -l 512K "$tree/file"
is "a hole does not change the size" %s 1048576 "$tree/file"
[ "$(stat -c %b "$tree/file")" -lt 2048 ] && ok "the hole gave space back" || fail "the hole gave space back"
does "fallocate --keep-size" fallocate -n -o 1M -l 1M "$tree/file"
is "keep-size kept the size" %s 1048576 "$tree/file"
does "fallocate --zero-range" fallocate -z -o 1M -l 64K "$tree/file"
is "zero-range grew it" %s 1114112 "$tree/file"
does "truncate" truncate -s 100K "$tree/file"
is "truncate" %s 102400 "$tree/file"
does "truncate makes a file" truncate -s 7 "$tree/made"
is "it belongs to the caller" '%s %u:%g' "7 $nobody_uid:$nobody_gid" "$tree/made"
does "fadvise" fadvise -o 0 -l 4096 -a willneed "$tree/file"
does "sync" sync "$tree/file"

does "setxattr" setxattr user.key value "$tree/file"
does "getxattr" getxattr user.key "$tree/file"
equal "getxattr prints the raw bytes" value "$output"
if command -v getfattr >/dev/null; then
        equal "getfattr sees it" value "$(getfattr --absolute-names --only-values -n user.key "$tree/file")"
else
        skip "whether getfattr sees it: needs getfattr"
fi
exits 1 "setxattr --create on one that exists" as_nobody fsop setxattr --create user.key x "$tree/file"
does "setxattr --replace" setxattr --replace user.key other "$tree/file"
does "listxattr" listxattr "$tree/file"
contains "listxattr lists it" user.key "$output"
does "removexattr" removexattr user.key "$tree/file"
exits 1 "the attribute is gone" as_nobody fsop getxattr user.key "$tree/file"
printf 'a\0b\377' | as_nobody fsop setxattr user.binary - "$tree/file" && ok "a binary value" || fail "a binary value"
equal "it comes back unharmed" "$(printf 'a\0b\377' | od -An -tx1)" "$(as_nobody fsop getxattr user.binary "$tree/file" | od -An -tx1)"

does "mkdir" mkdir -m 750 "$tree/dir"
is "the directory" '%F %a %u:%g' "directory 750 $nobody_uid:$nobody_gid" "$tree/dir"
does "mkdir -p" mkdir -p "$tree/dir/a/b/c"
is "mkdir -p made all" %F directory "$tree/dir/a/b/c"
does "ln -s" ln -s anywhere "$tree/dir/sym"
equal "the link's text" anywhere "$(readlink "$tree/dir/sym")"
does "readlink" readlink "$tree/dir/sym"
equal "readlink prints it" anywhere "$output"
does "touch" touch -d @-1.5 "$tree/dir/touched"
is "touch made it, before 1970 with a fraction" '%.9Y' "-1.500000000" "$tree/dir/touched"
does "ln" ln "$tree/dir/touched" "$tree/dir/hard"
is "two links" %h 2 "$tree/dir/hard"
does "mv" mv "$tree/dir/hard" "$tree/dir/moved"
[ ! -e "$tree/dir/hard" ] && [ -e "$tree/dir/moved" ] && ok "mv moved" || fail "mv moved"
echo one >"$tree/one"
echo two >"$tree/two"
does "mv --exchange" mv --exchange "$tree/one" "$tree/two"
equal "they changed places" "two one" "$(cat "$tree/one" "$tree/two" | tr '\n' ' ' | sed 's/ $//')"
as_nobody fsop mv -n "$tree/one" "$tree/two" >/dev/null 2>&1
equal "mv -n replaced nothing" one "$(cat "$tree/two")"
exits 2 "a file into a directory that is not there" as_nobody fsop mv "$tree/two" "$tree/nosuch/"
equal "it stays" one "$(cat "$tree/two")"
mkdir "$tree/renamed"
does "a directory to a name with a slash" mv "$tree/renamed" "$tree/renamed-too/"
does "and back" mv "$tree/renamed-too" "$tree/renamed"
does "chmod" chmod 640 "$tree/file"
is "chmod" %a 640 "$tree/file"
does "chmod, symbolic" chmod u=rwX,g-r,o+r "$tree/file"
is "chmod, symbolic" %a 604 "$tree/file"
does "ls" ls "$tree/dir"
for name in a sym touched moved; do contains "ls lists $name" "$name" "$output"; done
does "ls -l" ls -l "$tree/dir"
does "stat" stat "$tree/file"
does "stat --json" --json stat "$tree/file"
contains "stat in JSON" '"op":"stat"' "$output"
does "statfs" statfs "$tree"
does "copy-range" copy-range "$tree/file" "$tree/copy"
equal "the copy is the same" "$(cksum <"$tree/file")" "$(cksum <"$tree/copy")"
does "copy-range of a part" copy-range --src-offset 1000 --dst-offset 10 --length 5 "$tree/two" "$tree/copy"
does "copy-range --clone never" copy-range --clone never "$tree/one" "$tree/slow"
equal "the copy is the same" two "$(cat "$tree/slow")"
does "rm" rm "$tree/dir/moved"
exits 1 "rmdir of a full directory" as_nobody fsop rmdir "$tree/dir"
mkdir "$tree/empty"
does "rmdir" rmdir "$tree/empty"
[ ! -e "$tree/empty" ] && ok "rmdir removed it" || fail "rmdir removed it"

mkdir -p "$tree/deep/"{a,b}/{c,d}
touch "$tree/deep/a/c/"{1,2,3} "$tree/deep/b/d/x"
ln -s /etc/passwd "$tree/deep/out"
passwd_before=$(stat -c '%u %a' /etc/passwd)
does "chown -R" chown -R 2345:2345 "$tree/deep"
equal "chown -R changed everything" "2345:2345" "$(find "$tree/deep" ! -type l -printf '%U:%G\n' | sort -u)"
does "chmod -R" chmod -R u=rwX,go= "$tree/deep"
equal "chmod -R tells files from directories" "d700 f600" "$(find "$tree/deep" ! -type l -printf '%y%m\n' | sort -u | tr '\n' ' ' | sed 's/ $//')"
equal "neither went through the link" "$passwd_before" "$(stat -c '%u %a' /etc/passwd)"
does "rm -r" rm -r "$tree/deep"
[ ! -e "$tree/deep" ] && [ -e /etc/passwd ] && ok "rm -r removed the tree and nothing else" || fail "rm -r"

for i in $(seq 1 500); do echo "mkdir $tree/dir/many$i"; done >"$scratch/batch"
chmod 644 "$scratch/batch"
does "batch of 500" batch --parallel "$scratch/batch"
equal "all of them" 500 "$(find "$tree/dir" -name 'many*' | wc -l)"
exits 5 "a batch where one of two fails" as_nobody fsop batch - < <(printf 'mkdir %s\nmkdir %s\n' "$tree/dir/new" "$tree/dir/many1")

does "ping" ping
does "info" info
if [ "$FSOP_TEST_ENGINE" != auto ]; then contains "info names the engine" "$FSOP_TEST_ENGINE" "$output"; fi
does "info of a path" info "$tree"
does "status" status
does "explain" explain chown 1234:1234 "$tree/file"
contains "explain names the rule" tree "$output"

# What was elevated was recorded, as one JSON object a line.
contains "the audit has the chown" '"chown"' "$(cat "$audit")"
if command -v jq >/dev/null; then
        exits 0 "every audit line is JSON" jq -cR fromjson "$audit"
else
        skip "every audit line is JSON: needs jq"
fi
finish
