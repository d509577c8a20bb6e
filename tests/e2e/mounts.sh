#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# mounts.sh: mounts that come and go all the time, anywhere, take nothing away from what a rule allows.
# shellcheck source=tests/support/lib.sh
. "$(dirname "$0")/../support/lib.sh"
need_root
helper library
tree=$scratch/data/tree
elsewhere=$scratch/data/elsewhere
mkdir -p "$tree/nobody" "$elsewhere"
chown $nobody_uid:$nobody_gid "$tree/nobody"
standard_policy "$tree"
mount -t tmpfs none "$elsewhere" 2>/dev/null || skip_all "cannot mount a tmpfs"
umount "$elsewhere"
start_daemon

changes=$scratch/changes
echo 0 >"$changes"
(
        for ((n = 1; n < 30000; n++)); do
                [ ! -e "$scratch/enough" ] || break
                mount -t tmpfs none "$elsewhere" || continue
                until umount "$elsewhere"; do sleep 0.01; done
                echo "$n" >"$changes.new"
                mv "$changes.new" "$changes"
        done
) 2>/dev/null &
changer=$!
children+=("$changer")
mounts+=("$elsewhere")
# Again where there were hardly any: who mounts may have had no time.
for ((i = 0; i < 20; i++)); do
        exits 0 "every call of the library, under a rule" as_nobody "$bin/library" "$socket" "$tree/nobody"
        echo "$output"
        [ "$(cat "$changes")" -le 5 ] || break
done
touch "$scratch/enough"
wait "$changer" || true
echo "the mount table changed $(($(cat "$changes") * 2)) times"
[ "$(cat "$changes")" -gt 5 ] && ok "it changed while they ran" || fail "it changed while they ran"
finish
