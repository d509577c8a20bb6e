#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# namespace.sh: a client in a mount namespace of its own. Its paths mean other things than the daemon's, so the library
# passes descriptors, and they carry it as far as they may.
# shellcheck source=tests/support/lib.sh
. "$(dirname "$0")/../support/lib.sh"
need_root
unshare -m true 2>/dev/null || skip_all "cannot make a mount namespace here"

tree=$scratch/data/tree outside=$scratch/data/outside
mkdir -p "$tree/sub" "$outside"
chown $nobody_uid "$outside"
echo x >"$tree/file"
echo x >"$tree/sub/file"
echo x >"$outside/file"
install -d -o $nobody_uid -g $nobody_gid "$scratch/data/own"
chmod 600 "$outside/file"
standard_policy "$tree"
start_daemon

# inside MOUNT-COMMANDS FSOP-ARGUMENTS…: as nobody in a namespace where the commands were run first
inside() {
        local prepare=$1
        shift
        # shellcheck disable=SC2016 # for the inner shell
        unshare -m --propagation private bash -c "$prepare"'
                exec setpriv --reuid='$nobody_uid' --regid='$nobody_gid' --clear-groups -- "$@"' inside "$@"
}

exits 0 "as caller, in the caller's own directory" inside : fsop --as caller mkdir "$scratch/data/own/dir"
equal "it is there" "$nobody_uid" "$(stat -c %u "$scratch/data/own/dir" 2>&1)"
exits 0 "auto, elevated by the directory that was passed" inside : fsop chown 1234:1234 "$tree/file"
equal "it was done" 1234 "$(stat -c %u "$tree/file")"
exits 0 "in a subdirectory" inside : fsop chown 1234:1234 "$tree/sub/file"
equal "it was done" 1234 "$(stat -c %u "$tree/sub/file")"
exits 0 "mknod" inside : fsop mknod "$tree/sub/null" c 1 3
equal "it was done" 1:3 "$(stat -c %t:%T "$tree/sub/null")"
exits 3 "outside the rule" inside : fsop chown 1234:1234 "$outside/file"
equal "nothing was done" 0 "$(stat -c %u "$outside/file")"

# The same name, another directory: what the client sees at the rule's path is not the rule's directory.
exits 3 "another directory mounted over the rule's" inside "mount --bind $outside $tree;" fsop chown 1234:1234 "$tree/file"
equal "nothing was done" 0 "$(stat -c %u "$outside/file")"
# Class 16: a bind mount below the rule's directory would lead .. up to it.
exits 3 "a bind mount inside the rule's tree" inside "mount --bind $outside $tree/sub;" fsop chown 1234:1234 "$tree/sub/file"
equal "nothing was done" 0 "$(stat -c %u "$outside/file")"
mkdir "$outside/deep"
echo x >"$outside/deep/file"
exits 3 "below a bind mount inside the rule's tree" inside "mount --bind $outside $tree/sub;" \
        fsop chown 1234:1234 "$tree/sub/deep/file"
equal "nothing was done" 0 "$(stat -c %u "$outside/deep/file")"
touch "$tree/target"
exits 3 "a file mounted over one in the rule's tree" inside "mount --bind $outside/file $tree/target;" \
        fsop chown 1234:1234 "$tree/target"
equal "nothing was done" 0 "$(stat -c %u "$outside/file")"

# A filesystem that only the client has.
# shellcheck disable=SC2016
exits 0 "as caller on a filesystem of its own" inside "mount -t tmpfs -o mode=777 none $scratch/data/own;" \
        bash -c 'fsop --as caller mkdir "$1/private" && test -d "$1/private"' sh "$scratch/data/own"
[ ! -e "$scratch/data/own/private" ] && ok "the daemon's own view has nothing of it" || fail "the daemon's own view has nothing of it"

# Another root directory: the same. (Programs cannot be run from where the scratch directory is, so this one is elsewhere.)
root=$images/root
mkdir -p "$root"/{bin,dir,run,proc}
chown $nobody_uid "$root/dir"
touch "$root/run/sock"
# /proc is there for the sanitizers.
if mounted --bind "$socket" "$root/run/sock" && mounted --bind /proc "$root/proc" && cp "$bin/fsop" "$root/bin/" &&
        ldd "$bin/fsop" | grep -o '/[^ ]*' | while read -r library; do install -D "$library" "$root$library"; done; then
        exits 0 "from a chroot, in the caller's own directory" chroot --userspec=$nobody_uid:$nobody_gid "$root" \
                /bin/fsop --socket /run/sock --as caller mkdir /dir/new
        equal "it is in the chroot's directory" "$nobody_uid" "$(stat -c %u "$root/dir/new" 2>&1)"
        [ ! -e /dir ] || fail "nothing is at the daemon's /dir"
else
        skip "from a chroot: one cannot be made here"
fi
finish
