#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# denied.sh: what the rule does not give is refused with status 3, as caller with status 1, and nothing is changed.
# shellcheck source=tests/support/lib.sh
. "$(dirname "$0")/../support/lib.sh"
need_root

tree=$scratch/data/tree outside=$scratch/data/outside
loop_mount ext4 "$scratch/data/ext4" && tree=$scratch/data/ext4/tree outside=$scratch/data/ext4/outside
mkdir -p "$tree/secret" "$outside/dir"
for file in "$tree/file" "$tree/secret/file" "$outside/file" "$outside/dir/file"; do
        echo content >"$file"
        chmod 600 "$file"
done
ln "$tree/file" "$tree/second"
echo content >"$tree/single"
chmod 600 "$tree/single"
ln -s "$outside" "$tree/out"
ln -s ../outside "$tree/out-relative"
ln -s "$outside/file" "$tree/out-file"
ln -s /proc/self/root "$tree/magic"
mkdir "$tree/theirs"
chown 777:777 "$tree/theirs"
standard_policy "$tree"
start_daemon

before=$(snapshot "$tree" "$outside")
unchanged() {
        local now
        now=$(snapshot "$tree" "$outside")
        [ "$before" = "$now" ] || fail "$1 changed nothing" "$(diff -u <(echo "$before") <(echo "$now"))"
}
refused() { # WHAT ARGUMENTS…
        local what=$1
        shift
        exits 3 "$what" as_nobody fsop "$@"
        exits 3 "$what, elevated" as_nobody fsop --as elevated "$@"
        exits 1 "$what, as caller" as_nobody fsop --as caller "$@"
        unchanged "$what"
}

# the four of the rule, each at every wrong place
places=(
        "outside:$outside/file:$outside/new"
        "through a link out of the tree:$tree/out/file:$tree/out/new"
        "through a relative link:$tree/out-relative/file:$tree/out-relative/new"
        "through /proc:$tree/magic$outside/file:$tree/magic$outside/new"
        "in an excluded directory:$tree/secret/file:$tree/secret/new"
)
for place in "${places[@]}"; do
        IFS=: read -r where file new <<<"$place"
        refused "chown $where" chown 1234:1234 "$file"
        refused "mknod $where" mknod "$new" c 1 3
        refused "fallocate $where" fallocate -l 8192 "$file"
        refused "setxattr $where" setxattr user.a b "$file"
        refused "chmod $where" chmod 777 "$file"
        refused "rm $where" rm "$file"
        refused "truncate $where" truncate -s 0 "$file"
        refused "mkdir $where" mkdir "$new"
        refused "utimens $where" touch -d @1 "$file"
        refused "ln -s $where" ln -s x "$new"
done
refused "chown of what a link names" chown 1234:1234 "$tree/out-file"
refused "fallocate of what a link names" fallocate -l 8192 "$tree/out-file"
refused "setxattr of what a link names" setxattr user.a b "$tree/out-file"

for file in "$tree/file" "$tree/second"; do
        refused "chown of a file with two links" chown 1234:1234 "$file"
        refused "fallocate of a file with two links" fallocate -l 8192 "$file"
        refused "setxattr of a file with two links" setxattr user.a b "$file"
        refused "chmod of a file with two links" chmod 777 "$file"
done

refused "a device that is not listed" mknod "$tree/mem" c 1 1
refused "a device with the right numbers and the wrong type" mknod "$tree/b13" b 1 3
refused "an owner that is not listed" chown 0:0 "$tree/single"
refused "a group that is not listed" chown 1234:0 "$tree/single"
refused "one beyond the end of a range" chown 3000 "$tree/single"
refused "an attribute that is not listed" setxattr trusted.a b "$tree/single"
refused "an attribute of security" setxattr security.test x "$tree/single"
refused "set-id bits" chmod 4755 "$tree/single"
refused "beyond max-bytes" truncate -s 11G "$tree/single"
refused "beyond max-bytes by fallocate" fallocate -o 10G -l 1 "$tree/single"
refused "creating in somebody else's directory" mkdir "$tree/theirs/new"

refused "renaming out of the tree" mv "$tree/single" "$outside/dir"
refused "renaming into the tree" mv "$outside/dir/file" "$tree/stolen"
refused "linking from outside" ln "$outside/file" "$tree/stolen"
refused "renaming the excluded directory" mv "$tree/secret" "$tree/open"
refused "removing the tree's own directory" rmdir "$tree"
refused "copying from outside" copy-range "$outside/file" "$tree/stolen"
refused "copying to outside" copy-range "$tree/single" "$outside/stolen"
refused "a walk outside" chown -R 1234:1234 "$outside"

# Class 19: a denial tells nothing about what exists.
exits 3 "elevated, outside, existing" as_nobody fsop --as elevated chown 1234 "$outside/file"
existing=${output//$outside\/file/PATH}
exits 3 "elevated, outside, missing" as_nobody fsop --as elevated chown 1234 "$outside/none"
equal "the same answer, existing or not" "$existing" "${output//$outside\/none/PATH}"

# What a rule let nobody look for in vain is on record, once, and so is the way out of its directory.
lines_of() { grep '"event":"outcome"' "$audit" | grep -c "\"path\":\"$tree/$1\".*\"error\":\"$2\"" || true; }
exits 1 "stat of a name that is not there" as_nobody fsop stat "$tree/probe-stat"
exits 1 "chown of a name that is not there" as_nobody fsop chown 1234 "$tree/probe-chown"
exits 3 "stat through a link that leads out" as_nobody fsop --as elevated stat "$tree/out-relative/probe-out"
equal "the stat is in the audit" 1 "$(lines_of probe-stat ENOENT)"
equal "the chown is in the audit" 1 "$(lines_of probe-chown ENOENT)"
equal "the way out is in the audit" 1 "$(lines_of out-relative/probe-out 'E[A-Z]*')"

# A walk inside meets what it may not touch, tells it, and goes on with the rest.
mkdir -p "$tree/walk/sub"
echo a >"$tree/walk/sub/a"
echo b >"$tree/walk/b"
ln "$tree/walk/b" "$tree/walk/b2"
ln -s "$outside" "$tree/walk/out"
as_nobody fsop chown -R 1234:1234 "$tree/walk" >/dev/null 2>&1
equal "the walk changed the single-linked file" 1234 "$(stat -c %u "$tree/walk/sub/a")"
equal "the walk left the double-linked file" 0 "$(stat -c %u "$tree/walk/b")"
equal "the walk did not leave the tree" 0 "$(stat -c %u "$outside/file")"

# The daemon's own files are out of every rule's reach.
standard_policy "$scratch"
exits 0 "policy reload" fsop policy reload
before=$(snapshot "$scratch/etc")
for path in "$scratch/etc/policy.d/standard.yaml" "$scratch/etc/fsopd.yaml" "$audit"; do
        exits 3 "chown of the daemon's own ${path##*/}" as_nobody fsop chown 1234:1234 "$path"
        exits 3 "rm of the daemon's own ${path##*/}" as_nobody fsop rm "$path"
done
exits 3 "renaming the directory above them" as_nobody fsop mv "$scratch/etc" "$scratch/old"
equal "they are as before" "$before" "$(snapshot "$scratch/etc")"
finish
