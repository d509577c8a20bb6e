#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# seam.sh: keeps the seam between the program and its operating system honest.
#  1. OS headers are included only where a backend, a connector or a terminal lives.
#  2. Calls that take a path are made only in the few files that resolve, run or open things of the daemon's own.
#  3. Everything else compiles for Windows.
set -u -o pipefail
export LC_ALL=C
root=${FSOP_SOURCE_DIR:-$(cd "$(dirname "$0")/.." && pwd)}
build=${FSOP_BUILD_DIR:?the directory with the built programs}
cd "$root" || exit 1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failures=0
fail() {
        printf 'FAIL: %s\n' "$1"
        failures=$((failures + 1))
}

# Where the operating system may be seen.
os_files='^(backends/(linux|posix|pool|darwin|windows)/|client/(connect|cli/terminal)_(unix|windows)\.c$)'
# The C library's own, and the libraries that exist everywhere.
portable_headers='^(assert|ctype|float|inttypes|limits|math|stdarg|stdatomic|stdbool|stddef|stdint|stdio|stdlib|string|time|yaml|jansson|sqlite3|sodium|protobuf-c/protobuf-c)\.h$'
# Who may give the kernel a path. Everyone else has descriptors. See "How" in SECURITY.md.
path_files='^(backends/(linux|posix)/(lookup|directory|run|walk|copy|probe|engine_uring_file|trusted|listen|start|mounts|peer|service)[a-z_]*\.c|client/connect_unix\.c|client/cli/terminal_unix\.c)$'
path_calls='open|open64|openat|openat2|open_tree|creat|fopen|freopen|opendir|scandir|nftw|fts_open|access|eaccess|euidaccess|faccessat2?|stat|lstat|fstatat|newfstatat|statx|statfs|statvfs|chmod|lchmod|fchmodat2?|chown|lchown|fchownat|utime|utimes|lutimes|futimesat|utimensat|truncate|mkdir|mkdirat|rmdir|unlink|unlinkat|remove|rename|renameat|renameat2|link|linkat|symlink|symlinkat|readlink|readlinkat|realpath|mknod|mknodat|mkfifo|mkfifoat|l?getxattr|l?setxattr|l?listxattr|l?removexattr|(get|set|list|remove)xattrat|chdir|chroot|pivot_root|mount|umount2?|move_mount|name_to_handle_at|inotify_add_watch|fanotify_mark|mkstemp|mkostemp|mkdtemp|tmpfile|tempnam|acct|swapon|execve?|execl[pe]?|execvpe?|execveat|system|popen|posix_spawnp?|dlopen|bind|connect|uselib|quotactl'

sources() { find proto daemon backends client -name '*.[ch]' -not -path 'client/examples/*' | sort; }
# Comments and strings say much; only code counts. The line numbers stay.
code_of() { gcc -fpreprocessed -dD -E "$1" 2>/dev/null | sed -E 's/"([^"\\]|\\.)*"/""/g'; }

foreign_headers() { # FILE: OS headers that it includes
        sed -nE 's/^[[:space:]]*#[[:space:]]*include[[:space:]]*<([^>]+)>.*/\1/p' "$1" | grep -Ev "$portable_headers"
}
calls_with_paths() { # FILE: path-taking calls that it makes, directly, by number or through the ring
        code_of "$1" | grep -vE '^[[:space:]]*#' |
                grep -nE "(^|[^A-Za-z0-9_>.])($path_calls)[[:space:]]*\(|(SYS|__NR)_($path_calls)\b|io_uring_prep_($path_calls)(_direct)?\b|IORING_OP_(OPENAT2?|STATX|UNLINKAT|MKDIRAT|SYMLINKAT|LINKAT|RENAMEAT|GETXATTR|SETXATTR|CONNECT|BIND)\b" |
                # the engine lists opcodes to allow them; what it submits comes from the operation table
                grep -vE '^[0-9]+:[[:space:]]*\[?IORING_OP_[A-Z0-9]+\]?[[:space:]]*(=.*)?,[[:space:]]*$'
}

# ---- the test itself must be able to see what it looks for ------------------------------------------------------------
cat >"$work/planted.c" <<'C'
#include <unistd.h>
int f(const char *path);
int f(const char *path) {
        /* open("no") */
        return ops->open(path) + syscall(SYS_openat2, path) + chown(path, 1, 1);
}
C
[ "$(foreign_headers "$work/planted.c")" = unistd.h ] || fail "the header check does not see a planted <unistd.h>"
[ "$(calls_with_paths "$work/planted.c" | wc -l)" = 1 ] || fail "the call check does not see a planted call"

# ---- 1 and 2 ---------------------------------------------------------------------------------------------------------
while read -r file; do
        if ! [[ $file =~ $os_files ]]; then
                for header in $(foreign_headers "$file"); do fail "$file includes <$header>: OS headers belong into backends/"; done
        fi
        if ! [[ $file =~ $path_files ]]; then
                while read -r line; do
                        [ -n "$line" ] && fail "$file gives the kernel a path: $line"
                done < <(calls_with_paths "$file")
        fi
done < <(sources)
echo "checked $(sources | wc -l) files for OS headers and for calls that take a path"

# ---- 3 ---------------------------------------------------------------------------------------------------------------
compiler=x86_64-w64-mingw32-gcc
if ! command -v $compiler >/dev/null; then
        [ "$failures" = 0 ] || exit 1
        echo "SKIP: compiling for Windows: needs $compiler (package gcc-mingw-w64-x86-64-win32)"
        exit 77
fi
# The headers of portable libraries, and nothing else of this system.
for header in yaml.h jansson.h jansson_config.h sqlite3.h sodium.h $(cd /usr/include 2>/dev/null && echo sodium/*.h) protobuf-c/protobuf-c.h; do
        found=$(echo "#include <$header>" | gcc -E -xc - 2>/dev/null | sed -nE "s|^# [0-9]+ \"([^\"]*/$header)\".*|\1|p" | head -n 1)
        [ -n "$found" ] && install -D -m 644 "$found" "$work/include/$header"
done
compiled=0
for file in $(sources | grep -E '\.c$'); do
        [[ $file =~ $os_files ]] && continue
        if ! $compiler -std=gnu11 -fsyntax-only -Wall -Wextra -Wno-unknown-pragmas -D_GNU_SOURCE -D_WIN32_WINNT=0x0A00 -D__USE_MINGW_ANSI_STDIO=1 \
                -DFSOP_VERSION='"0"' -DFSOPD_VERSION='"0"' -I. -Iclient -Iproto -I"$work/include" -I"$build/generated" -I"$build/generated/proto" "$file" 2>"$work/log"; then
                fail "$file does not compile for Windows"
                grep -E 'error' "$work/log" | head -n 5 | sed 's/^/      /'
        fi
        compiled=$((compiled + 1))
done
[ "$compiled" -gt 0 ] || fail "nothing was compiled"
echo "compiled $compiled files for Windows"
[ "$failures" = 0 ] && echo "the seam holds"
exit $((failures > 0))
