# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# fuse.sh: /dev/fuse for everybody, as most systems have it (here root may have it to itself), for as long as a test needs; sourced after
# lib.sh. One test at a time: another would take what it finds for the mode that was there before, and take it away too soon.
need_root
need_command flock util-linux
[ -c /dev/fuse ] || skip_all "there is no /dev/fuse"
fuse_mode=

fuse_for_all() {
        exec {fuse_lock}</dev/fuse
        flock -w 300 "$fuse_lock" || die "another test does not give /dev/fuse back"
        fuse_mode=$(stat -c %a /dev/fuse)
        chmod 666 /dev/fuse
}

fuse_as_before() {
        local status=$?
        [ -z "$fuse_mode" ] || chmod "$fuse_mode" /dev/fuse
        fuse_mode=
        [ -z "${fuse_lock:-}" ] || flock -u "$fuse_lock" # children have the descriptor, too
        return $status
}
trap 'fuse_as_before; clean_up' EXIT
