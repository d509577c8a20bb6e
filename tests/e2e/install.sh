#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# engine: none, # build: plain, # gcov: never (it links programs, which know nothing of gcov, with the library)
# install.sh: what is installed can be found and linked by others, and exports what it should and nothing else.
# shellcheck source=tests/support/lib.sh
. "$(dirname "$0")/../support/lib.sh"

prefix=$images/prefix # programs are run from it
cmake --install "$FSOP_BUILD_DIR" --prefix "$prefix" >"$scratch/install.log" 2>&1 || die "cmake --install: $(tail -5 "$scratch/install.log")"
for file in include/fsop.h include/fsop-types.h include/fsop-errors.h bin/fsop sbin/fsopd lib/systemd/system/fsopd.service \
        lib/systemd/system/fsopd.socket lib/sysusers.d/fsopd.conf share/bash-completion/completions/fsop; do
        [ -s "$prefix/$file" ] && ok "installed: $file" || fail "installed: $file"
done
library=$(find "$prefix" -name 'libfsop.so.1')
libdir=${library%/*}
[ -n "$library" ] || die "libfsop.so.1 is installed"
contains "its SONAME" "libfsop.so.1" "$(objdump -p "$library" | grep SONAME)"
exported=$(nm -D --defined-only --with-symbol-versions "$library" | awk '$2 != "A" { print $3 }' | sed 's/@@/@/')
equal "everything exported is fsop_ and versioned" "" "$(echo "$exported" | grep -v '^fsop_[a-z0-9_]*@FSOP_1$')"
declared=$(grep -o '\bfsop_[a-z0-9_]*(' "$prefix/include/fsop.h" | tr -d '(' | sort -u)
for name in $declared; do
        case $exported in *"$name@FSOP_1"*) ;; *) grep -q "^[a-z].*\b$name(" "$prefix/include/fsop.h" && fail "declared and exported: $name" ;; esac
done
ok "everything declared is exported"

cat >"$images/user.c" <<'C'
#include <fsop.h>
#include <stdio.h>
int main(void) {
        struct fsop_client *client = NULL;
        struct fsop_client_options options = {.size = sizeof(options), .socket_path = "/nowhere/fsopd.sock"};
        printf("%s %d\n", fsop_error_name(fsop_open(&options, &client)), client == NULL);
        return 0;
}
C
for kind in "" --static; do
        # shellcheck disable=SC2086,SC2046 # lists of flags
        if PKG_CONFIG_PATH=$libdir/pkgconfig sh -c 'cc -std=c11 -Wall -Wextra -Werror -Wpedantic -o "$1" "$2" $(pkg-config --cflags --libs '"$kind"' fsop)' \
                sh "$images/user" "$images/user.c" 2>"$scratch/cc.log"; then
                equal "a program linked by pkg-config $kind" "ENOENT 1" "$(LD_LIBRARY_PATH=$libdir "$images/user")"
        else
                fail "pkg-config $kind" "$(cat "$scratch/cc.log")"
        fi
done
mkdir "$images/consumer"
cat >"$images/consumer/CMakeLists.txt" <<'C'
cmake_minimum_required(VERSION 3.22)
project(consumer C)
find_package(fsop 1.0 REQUIRED)
add_executable(shared ../user.c)
target_link_libraries(shared fsop::fsop)
add_executable(static ../user.c)
target_link_libraries(static fsop::fsop-static)
C
if cmake -S "$images/consumer" -B "$images/consumer/build" -G Ninja -DCMAKE_PREFIX_PATH="$prefix" >"$scratch/cmake.log" 2>&1 &&
        cmake --build "$images/consumer/build" >>"$scratch/cmake.log" 2>&1; then
        equal "a program linked by find_package, shared" "ENOENT 1" "$("$images/consumer/build/shared")"
        equal "a program linked by find_package, static" "ENOENT 1" "$("$images/consumer/build/static")"
        lacks "the static one needs no libfsop.so" libfsop "$(objdump -p "$images/consumer/build/static")"
else
        fail "find_package(fsop)" "$(tail -20 "$scratch/cmake.log")"
fi
if command -v g++ >/dev/null; then
        exits 0 "the header is C++ as well" g++ -std=c++11 -Wall -Wextra -Werror -fsyntax-only -x c++ "$prefix/include/fsop.h"
else
        skip "C++: needs g++"
fi
bash -n "$prefix/share/bash-completion/completions/fsop" && ok "the bash completion parses" || fail "the bash completion parses"
finish
