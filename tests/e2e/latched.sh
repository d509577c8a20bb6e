#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# latched.sh: users who can keep the kernel's lock of a file for ever (by memory of a FUSE filesystem of theirs) keep nobody else
# from the service.
# shellcheck source=tests/support/lib.sh
. "$(dirname "$0")/../support/lib.sh"
# shellcheck source=tests/support/fuse.sh
. "$(dirname "$0")/../support/fuse.sh"
helper latch
helper scribble
mkdir -p "$scratch/data"
mounted -t tmpfs -o mode=777 latched "$scratch/data" || skip_all "needs to mount a tmpfs"
as_nobody mkdir "$scratch/data/dir"
as_nobody touch "$scratch/data"/{file,set-gid,other,dir/file}
as_nobody chmod 2644 "$scratch/data/set-gid"

standard_policy "$scratch/data"
fuse_for_all # the daemon looks when it starts
start_daemon
fuse_as_before

latch() { # MOUNT FILE [list]
        mkdir -p "$1"
        mkfifo "$scratch/said"
        "$bin/latch" "$@" >"$scratch/said" &
        children+=($!)
        mounts+=("$1")
        read -r -t 300 said <"$scratch/said"
        rm "$scratch/said"
        case $said in SKIP*) skip_all "${said#SKIP: }" ;; esac
        equal "a lock is kept: of $2" held "$said"
}
latch "$scratch/fuse" "$scratch/data/file"
latch "$scratch/fuse2" "$scratch/data/dir" list
latch "$scratch/fuse3" "$scratch/data/set-gid"

asked() { # COMMAND…: which will not be answered
        "${nobody[@]}" "$bin/fsop" "$@" >/dev/null 2>&1 &
        children+=($!)
}
for _ in 1 2 3; do
        asked chmod 600 "$scratch/data/file"
        asked truncate -s 1 "$scratch/data/file"
        asked mkdir "$scratch/data/dir/new"
        asked chown nobody "$scratch/data/file"
done
"${nobody[@]}" "$bin/scribble" "$socket" "$scratch/data/set-gid" >/dev/null 2>&1 & # which takes the set-gid bit first
children+=($!)
sleep 1 # nothing to wait for: they are silent
served() { timeout -s KILL 60 "$@"; }
exits 0 "ping is answered meanwhile" served fsop ping
exits 0 "a change elsewhere" served fsop chmod 640 "$scratch/data/other"
exits 0 "what is read" served fsop stat "$scratch/data/file"
# On a disk the ring writes, with as many threads for all users as there are files here.
if loop_mount ext4 "$scratch/disk" 64M; then
        chmod 777 "$scratch/disk"
        as_nobody touch "$scratch/disk"/file{1..4}
        for i in {1..4}; do latch "$scratch/fuse-disk$i" "$scratch/disk/file$i"; done
        "${nobody[@]}" "$bin/scribble" "$socket" "$scratch/disk"/file{1..4} >/dev/null 2>&1 &
        children+=($!)
        sleep 1
        touch "$scratch/disk/root"
        exits 0 "writes to another file" served "$bin/scribble" "$socket" "$scratch/disk/root"
fi
kill -KILL "${children[@]}" 2>/dev/null # the locks are given back
exits 0 "they are free again" served fsop chmod 644 "$scratch/data/file"
finish
