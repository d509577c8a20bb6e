#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# odd.sh: names, numbers and sizes at the edges go through unharmed.
# shellcheck source=tests/support/lib.sh
. "$(dirname "$0")/../support/lib.sh"
need_root

standard=()
for type in ext4 xfs btrfs; do
        loop_mount $type "$scratch/data/$type" && standard+=("$type") && mkdir "$scratch/data/$type/tree"
done
[ ${#standard[@]} -gt 0 ] || skip_all "no filesystem could be mounted"
standard_policy "$scratch/data"
start_daemon

long=$(printf 'n%.0s' $(seq 255))
names=($'new\nline' $'inval\377id \200' ' leading and trailing ' '-dash' 'per%scent%n' $'esc\033[31m' '"quotes"'\' 'ünï' '...' "$long")
for type in "${standard[@]}"; do
        tree=$scratch/data/$type/tree
        for name in "${names[@]}"; do
                shown=$(printf '%q' "${name:0:20}")
                exits 0 "$type: mkdir $shown" as_nobody fsop mkdir "$tree/$name"
                [ -d "$tree/$name" ] || fail "$type: $shown is there"
                exits 0 "$type: chown $shown" as_nobody fsop chown :1234 "$tree/$name"
                equal "$type: its group" 1234 "$(stat -c %g "$tree/$name")"
                exits 0 "$type: link in $shown" as_nobody fsop ln -s -- "$name" "$tree/$name/link"
                equal "$type: the link's text" "$name" "$(readlink "$tree/$name/link")"
                exits 0 "$type: stat $shown in JSON" as_nobody fsop --json stat "$tree/$name"
                exits 0 "$type: rm -r $shown" as_nobody fsop rm -r "$tree/$name"
                [ ! -e "$tree/$name" ] || fail "$type: $shown is gone"
        done
        exits 1 "$type: a name of 256 bytes" as_nobody fsop mkdir "$tree/n$long"

        minor=300000
        [ $type != xfs ] || minor=200000 # its own limit is 262143
        exits 0 "$type: a device number beyond 16 bits" as_nobody fsop mknod "$tree/device" b 300 $minor
        equal "$type: its number" "$(printf '12c:%x' $minor)" "$(stat -c %t:%T "$tree/device")"
        exits 0 "$type: stat gives it back" as_nobody fsop --json stat "$tree/device"
        contains "$type: major" 300 "$output"
        contains "$type: minor" $minor "$output"

        exits 0 "$type: 1969 with nanoseconds" as_nobody fsop touch -d '1969-12-31T23:59:58.123456789Z' "$tree/old"
        equal "$type: its time" "-1.876543211" "$(TZ=UTC stat -c %.9Y "$tree/old")"
        exits 0 "$type: 1901" as_nobody fsop touch -d @-2147483648.000000001 "$tree/old"

        exits 0 "$type: truncate to 5 GiB" as_nobody fsop truncate -s 5G "$tree/large"
        equal "$type: its size" 5368709120 "$(stat -c %s "$tree/large")"
        exits 0 "$type: fallocate beyond 4 GiB" as_nobody fsop fallocate -o 4500M -l 64K "$tree/large"
        printf 'far away' | dd of="$tree/large" bs=1 seek=4294967300 conv=notrunc status=none
        exits 0 "$type: copy-range beyond 4 GiB" as_nobody fsop copy-range --src-offset 4294967300 --length 8 \
                --dst-offset 4294967299 "$tree/large" "$tree/copy"
        equal "$type: what was copied" "far away" "$(dd if="$tree/copy" bs=1 skip=4294967299 status=none)"
        rm "$tree/large" "$tree/copy" "$tree/device" "$tree/old"
done

# 64 KiB of value: XFS alone can hold it.
tree=$scratch/data/xfs/tree
if [ -d "$tree" ]; then
        head -c 65536 /dev/urandom >"$scratch/value"
        echo x >"$tree/file"
        exits 0 "an attribute of 64 KiB" as_nobody fsop setxattr user.large - "$tree/file" <"$scratch/value"
        equal "it comes back unharmed" "$(cksum <"$scratch/value")" "$(as_nobody fsop getxattr user.large "$tree/file" | cksum)"
fi
finish
