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
