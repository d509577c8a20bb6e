#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# activation.sh: under a service manager: a socket that is handed over, readiness, reload and stop notifications.
# shellcheck source=tests/support/lib.sh
. "$(dirname "$0")/../support/lib.sh"
need_root
need_engine
helper activate
write_config ""
exits 0 "socket activation" "$bin/activate" "$socket" "fsop --socket '$socket' ping" \
        "$bin/fsopd" --config "$scratch/etc/fsopd.yaml" --engine "$FSOP_TEST_ENGINE"
echo "$output"
contains "it says where it serves" "serves on $socket (engine" "$output"

# What is handed over need not be what the settings name. Its directory is the daemon's own then.
mkdir "$scratch/data/run"
write_policy all <<EOF
rules:
  - {name: all, effect: allow, user: nobody, path: $scratch/data, ops: [mkdir]}
EOF
cat >"$scratch/command" <<EOF
export FSOP_SOCKET=$scratch/data/run/other.sock
${nobody[*]} fsop --as elevated mkdir $scratch/data/made && ! ${nobody[*]} fsop --as elevated mkdir $scratch/data/run/made
EOF
exits 0 "a socket elsewhere, whose directory no rule reaches" "$bin/activate" "$scratch/data/run/other.sock" ". $scratch/command" \
        "$bin/fsopd" --config "$scratch/etc/fsopd.yaml" --engine "$FSOP_TEST_ENGINE"
contains "it says where it serves really" "serves on $scratch/data/run/other.sock (engine" "$output"
[ -d "$scratch/data/made" ] && [ ! -e "$scratch/data/run/made" ] && ok "and made what it should" || fail "and made what it should"

# What cannot be right is refused; what is another process's is left to it.
handed() { sh -c 'export LISTEN_PID=$$; exec "$@"' sh env "$1" "$bin/fsopd" --config "$scratch/etc/fsopd.yaml" --engine "$FSOP_TEST_ENGINE" </dev/null; }
exits 1 "a number of sockets that is none" handed LISTEN_FDS=one
contains "is told" "the service manager's sockets cannot be used: LISTEN_FDS is no number of sockets" "$output"
exits 1 "too many sockets" handed LISTEN_FDS=5
contains "is told, too" "LISTEN_FDS is more than can be served" "$output"
export LISTEN_FDS=1 LISTEN_PID=1
start_daemon
contains "sockets of another process are left to it" "no socket is taken over: LISTEN_FDS is not for this process" "$(cat "$daemon_log")"
stop_daemon
unset LISTEN_FDS LISTEN_PID

if command -v systemd-analyze >/dev/null && [ -e "$FSOP_BUILD_DIR/fsopd.service" ]; then
        mkdir "$scratch/units"
        sed "s|^ExecStart=.*|ExecStart=$bin/fsopd|; s|^ExecReload=[^ ]*|ExecReload=$bin/fsop|" "$FSOP_BUILD_DIR/fsopd.service" >"$scratch/units/fsopd.service"
        cp "$FSOP_SOURCE_DIR/packaging/systemd/fsopd.socket" "$scratch/units/"
        exits 0 "systemd-analyze verify" systemd-analyze verify "$scratch/units/fsopd.service" "$scratch/units/fsopd.socket"
        equal "it has nothing to say" "" "$output"
else
        skip "systemd-analyze is not there to verify the units"
fi
finish
