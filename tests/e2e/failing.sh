#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# failing.sh: full disks, a full audit log, no descriptors left, bad settings, clients that break off: said clearly, and
# served again afterwards.
# shellcheck source=tests/support/lib.sh
. "$(dirname "$0")/../support/lib.sh" || exit 1
need_root
need_engine
helper hold

tree=$scratch/data/tree
mkdir -p "$tree"
standard_policy "$scratch/data"

# ---- bad settings -------------------------------------------------------------------------------------------------

# starts_not WHAT NEEDLE [OPTION…]: it ends by itself, with 1, and says NEEDLE
starts_not() {
        local what=$1 needle=$2
        shift 2
        exits 1 "$what: it does not start" timeout 90 "$bin/fsopd" --engine "$FSOP_TEST_ENGINE" --config "$scratch/etc/fsopd.yaml" "$@"
        contains "$what: it says why" "$needle" "$output"
}
rm -f "$scratch/etc/fsopd.yaml"
starts_not "no settings" "$scratch/etc/fsopd.yaml"
for text in 'socket: [' 'socket: relative/path' 'sockets: /x' $'limits:\n  connections: many' $'\x01\x02' '- a' $'socket: /a\nsocket: /b'; do
        printf '%s\n' "$text" >"$scratch/etc/fsopd.yaml"
        starts_not "settings that begin with $(printf '%q' "${text:0:14}")" "$scratch/etc/fsopd.yaml"
done
write_config
echo 'rules: [' | write_policy broken
starts_not "a garbled policy" "$scratch/etc/policy.d/broken.yaml"
rm "$scratch/etc/policy.d/broken.yaml"
echo file >"$scratch/data/plain"
starts_not "a socket whose directory is not there" "only the default one is made" --socket "$scratch/nosuch/s"
exits 1 "… which is not made" test -e "$scratch/nosuch"
starts_not "a socket below a file" "$scratch/data/plain/s" --socket "$scratch/data/plain/s"
starts_not "an audit log below a file" "$scratch/data/plain/log" --audit "file:$scratch/data/plain/log"
mkdir -p "$scratch/read-only"
if mounted -t tmpfs -o ro,mode=755 none "$scratch/read-only"; then
        starts_not "a read-only place for the socket" "$scratch/read-only/s" --socket "$scratch/read-only/s"
        starts_not "a read-only place for the audit log" "$scratch/read-only/log" --audit "file:$scratch/read-only/log"
fi
[ ! -e "$socket" ] || fail "nothing of it left a socket"

# Fills a filesystem to the last block, which takes more than one try.
fill() {
        local i
        for i in 1 2 3 4; do
                dd if=/dev/zero of="$1/ballast$i" bs=$((i == 1 ? 65536 : 512)) status=none 2>/dev/null
                sync -f "$1"
        done
}

# ---- a full disk ----------------------------------------------------------------------------------------------------

start_daemon
if loop_mount ext4 "$scratch/data/full" 64M; then
        full=$scratch/data/full
        mkdir "$full/tree"
        for i in 1 2 3; do echo text >"$full/tree/file$i"; done
        fill "$full"
        look() { find "$full/tree" -printf '%p %y %m %u %n\n' | sort; }
        before=$(look)
        exits 1 "fallocate on a full disk" as_nobody fsop fallocate -l 1M "$full/tree/file1"
        contains "it says so" ENOSPC "$output"
        exits 1 "copy-range onto a full disk" as_nobody fsop copy-range "$full/ballast1" "$full/tree/file2"
        contains "it says so" ENOSPC "$output"
        exits 1 "setxattr on a full disk" as_nobody fsop setxattr user.large "$(printf 'x%.0s' $(seq 3000))" "$full/tree/file3"
        contains "it says so" ENOSPC "$output"
        exits 0 "chmod needs no room" as_nobody fsop chmod 600 "$full/tree/file3"
        chmod 644 "$full/tree/file3"
        equal "nothing else changed" "$before" "$(look)"
        rm "$full/ballast"*
        exits 0 "with room again" as_nobody fsop fallocate -l 1M "$full/tree/file1"
fi
stop_daemon

# ---- a full audit log -------------------------------------------------------------------------------------------------

if loop_mount ext4 "$scratch/log" 64M; then
        write_config
        sed -i "s#^audit:.*#audit: file:$scratch/log/audit.log#" "$scratch/etc/fsopd.yaml"
        start_daemon
        exits 0 "with room for the record" as_nobody fsop mkdir "$tree/a"
        fill "$scratch/log"
        refused=no
        for i in $(seq 100); do # what is left of the log's last block
                output=$(as_nobody fsop mkdir "$tree/b$i" 2>&1) || refused=yes
                [ $refused = no ] || break
        done
        equal "without room nothing elevated is done" yes "$refused"
        contains "it says why" "audit log" "$output"
        [ ! -e "$tree/b$i" ] && ok "and it was not done" || fail "and it was not done"
        exits 1 "the next one neither" as_nobody fsop mkdir "$tree/c"
        exits 0 "as the caller it serves" as_nobody fsop --as caller stat "$scratch/data"
        exits 0 "ping" as_nobody fsop ping
        rm "$scratch/log/ballast"*
        exits 0 "with room again" as_nobody fsop mkdir "$tree/c"
        [ -d "$tree/c" ] || fail "it was done"
        stop_daemon
        if command -v jq >/dev/null; then
                # lines that the disk cut off are on lines of their own
                bad=$(grep -c . "$scratch/log/audit.log"; jq -Rc 'fromjson? // empty' <"$scratch/log/audit.log" | grep -c .)
                read -r -d '' lines good <<<"$bad" || true
                [ $((lines - good)) -le 10 ] && ok "the log can be read ($good of $lines lines)" || fail "the log can be read" "$good of $lines lines"
                contains "its last words" '"event":"stop"' "$(tail -n 1 "$scratch/log/audit.log")"
        else
                skip "whether the log can be read: needs jq"
        fi
        write_config
fi

# ---- no descriptors -------------------------------------------------------------------------------------------------------

write_config "limits:" "  descriptors-reserved: 8"
daemon_wrapper=(prlimit --nofile=64:64)
start_daemon
daemon_wrapper=()
holders=()
for i in $(seq 30); do
        "${nobody[@]}" "$bin/hold" "$socket" "$scratch/data" 3 >/dev/null 2>&1 &
        holders+=($!)
        children+=($!)
done
sleep 1 # nothing to wait for: most of them are refused in silence
kill -0 "$(serving_pid)" && ok "it lives without descriptors" || fail "it lives without descriptors"
disown "${holders[@]}" 2>/dev/null # or the shell reports every death
kill -KILL "${holders[@]}" 2>/dev/null
serves() { as_nobody timeout 30 fsop stat "$tree" >/dev/null 2>&1; }
wait_until "it serves again" serves && ok "it serves again" || fail "it serves again" "$(tail -n 5 "$daemon_log")"
stop_daemon
rm -f "$scratch/data"/held*

# ---- clients that break off ---------------------------------------------------------------------------------------------

write_config
start_daemon
as_nobody fsop stat "$tree" >/dev/null
fds=$(daemon_fds)
mkfifo "$scratch/commands"
exec 9<>"$scratch/commands"
status=0
timeout --signal=INT 2 "${nobody[@]}" "$bin/fsop" batch - <"$scratch/commands" >/dev/null 2>&1 || status=$?
[ "$status" != 0 ] && ok "Ctrl-C ends the client (status $status)" || fail "Ctrl-C ends the client"
exec 9>&-
truncate -s 2G "$scratch/data/source"
chmod 644 "$scratch/data/source"
for i in $(seq 6); do
        "${nobody[@]}" "$bin/fsop" copy-range --clone never "$scratch/data/source" "$scratch/data/target$i" >/dev/null 2>&1 &
        copier=$!
        wait_until "the copy begins" test -e "$scratch/data/target$i" || fail "the copy begins"
        kill -KILL "$copier" 2>/dev/null
        wait "$copier" 2>/dev/null
        rm -f "$scratch/data/target$i"
done
back_to_before() { [ "$(daemon_fds)" -le "$fds" ]; }
wait_until "copies of killed clients end" back_to_before && ok "copies of killed clients end" ||
        fail "copies of killed clients end" "$(daemon_fds) descriptors, $fds before"
exits 0 "it serves" as_nobody fsop stat "$tree"
finish
