#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# library.sh: libfsop's calls against the daemon: as a user whom a rule serves, as one whom none does, as root, and from a
# mount namespace of its own, where the library passes descriptors.
# shellcheck source=tests/support/lib.sh
. "$(dirname "$0")/../support/lib.sh"
need_root
helper library
tree=$scratch/data/tree
mkdir -p "$tree/nobody" "$scratch/data/"{root,plain,apart}
chown $nobody_uid:$nobody_gid "$tree/nobody" "$scratch/data/"{plain,apart}
standard_policy "$tree"
start_daemon
exits 0 "a user under a rule" as_nobody "$bin/library" "$socket" "$tree/nobody"
echo "$output"
exits 0 "a user without a rule" as_nobody "$bin/library" "$socket" "$scratch/data/plain"
echo "$output"
exits 0 "root" "$bin/library" "$socket" "$scratch/data/root"
echo "$output"
if unshare -m true 2>/dev/null; then
        exits 0 "another mount namespace" unshare -m setpriv --reuid=$nobody_uid --regid=$nobody_gid --clear-groups --inh-caps=-all -- \
                "$bin/library" "$socket" "$scratch/data/apart"
        echo "$output"
        exits 0 "another mount namespace, under a rule" unshare -m setpriv --reuid=$nobody_uid --regid=$nobody_gid --clear-groups --inh-caps=-all -- \
                "$bin/library" "$socket" "$tree/nobody"
        echo "$output"
else
        skip "another mount namespace: cannot make one here"
fi

# What the header promises is what the library exports, no more and no less; and C++ can read it.
gcc -fpreprocessed -dD -E -P "$FSOP_SOURCE_DIR/client/fsop.h" | grep -o '\bfsop_[a-z_]*(' | tr -d '(' | sort -u >"$scratch/promised"
nm -D --defined-only "$FSOP_BUILD_DIR/libfsop.so.1" | sed -n 's/.* T \(.*\)@@FSOP_1$/\1/p' | sort -u >"$scratch/exported"
equal "exported functions" "$(cat "$scratch/promised")" "$(cat "$scratch/exported")"
equal "symbols without a version" "" "$(nm -D --defined-only "$FSOP_BUILD_DIR/libfsop.so.1" | grep -v 'FSOP_1$')"
if command -v g++ >/dev/null; then
        echo '#include <fsop.h>' | g++ -std=c++11 -Wall -Wextra -pedantic -Werror -I"$FSOP_SOURCE_DIR/client" -I"$FSOP_SOURCE_DIR/proto" -xc++ \
                -fsyntax-only - && ok "C++ reads fsop.h" || fail "C++ reads fsop.h"
else
        skip "C++: needs g++"
fi
finish
