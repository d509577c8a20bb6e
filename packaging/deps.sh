# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# deps.sh: what building, testing and measuring need, how to see whether it is there, and how to get it. Sourced by try.sh,
# tests/run.sh and tests/bench/record.sh.

# One line each: what for, how to see that it is there, then the package on Debian/Ubuntu, Fedora and Arch.
# cmd:X a command, pkg:X a pkg-config module, hdr:X a header, file:X a program that is in no PATH,
# rt:X a library of clang's runtime.
# Kinds: build, run, test; bench for tests/bench/record.sh; peer what it compares with where it is there.
deps_table() {
        cat <<'TABLE'
build cmd:gcc                          gcc                   gcc                 gcc
build hdr:stdio.h                      libc6-dev             glibc-devel         glibc
build hdr:linux/stat.h                 linux-libc-dev        kernel-headers      linux-api-headers
build cmd:cmake                        cmake                 cmake               cmake
build cmd:ninja                        ninja-build           ninja-build         ninja
build cmd:pkg-config                   pkg-config            pkgconf-pkg-config  pkgconf
build cmd:protoc-c                     protobuf-c-compiler   protobuf-c-compiler protobuf-c
build pkg:libprotobuf-c                libprotobuf-c-dev     protobuf-c-devel    protobuf-c
build pkg:yaml-0.1                     libyaml-dev           libyaml-devel       libyaml
build pkg:jansson                      libjansson-dev        jansson-devel       jansson
build pkg:sqlite3                      libsqlite3-dev        sqlite-devel        sqlite
build pkg:libsodium                    libsodium-dev         libsodium-devel     libsodium
build pkg:liburing                     liburing-dev          liburing-devel      liburing
run   cmd:setpriv                      util-linux            util-linux          util-linux
test  pkg:check                        check                 check-devel         check
test  cmd:mkfs.ext4                    e2fsprogs             e2fsprogs           e2fsprogs
test  cmd:mkfs.xfs                     xfsprogs              xfsprogs            xfsprogs
test  cmd:mkfs.btrfs                   btrfs-progs           btrfs-progs         btrfs-progs
test  cmd:losetup                      mount                 util-linux          util-linux
test  cmd:pkill                        procps                procps-ng           procps-ng
test  cmd:setfacl                      acl                   acl                 acl
test  cmd:getfattr                     attr                  attr                attr
test  cmd:g++                          g++                   gcc-c++             gcc
test  file:sftp-server                 openssh-sftp-server   openssh-server      openssh
test  cmd:rsync                        rsync                 rsync               rsync
test  cmd:jq                           jq                    jq                  jq
test  cmd:sqlite3                      sqlite3               sqlite              sqlite
test  cmd:script                       bsdutils              util-linux          util-linux
test  cmd:zsh                          zsh                   zsh                 zsh
test  cmd:fish                         fish                  fish                fish
test  cmd:clang                        clang                 clang               clang
test  rt:fuzzer                        libclang-rt-dev       compiler-rt         compiler-rt
test  cmd:x86_64-w64-mingw32-gcc       gcc-mingw-w64-x86-64-win32 mingw64-gcc    mingw-w64-gcc
bench cmd:gnuplot                      gnuplot-nox           gnuplot             gnuplot
bench cmd:rsync                        rsync                 rsync               rsync
bench cmd:mkfs.xfs                     xfsprogs              xfsprogs            xfsprogs
peer  file:sftp-server                 openssh-sftp-server   openssh-server      openssh
peer  cmd:diod                         diod                  diod                diod
peer  file:virtfs-proxy-helper         qemu-system-common    qemu-common         qemu-common
lint  cmd:clang-format-14              clang-format-14       clang-tools-extra   clang
lint  cmd:clang-tidy-14                clang-tidy-14         clang-tools-extra   clang
lint  cmd:cppcheck                     cppcheck              cppcheck            cppcheck
TABLE
}

deps_is_there() {
        case $1 in
        cmd:*) command -v "${1#cmd:}" >/dev/null 2>&1 || [ -x "/usr/sbin/${1#cmd:}" ] || [ -x "/sbin/${1#cmd:}" ] ;;
        pkg:*) pkg-config --exists "${1#pkg:}" 2>/dev/null ;;
        file:sftp-server) [ -x /usr/lib/openssh/sftp-server ] || [ -x /usr/libexec/openssh/sftp-server ] || [ -x /usr/lib/ssh/sftp-server ] ;;
        rt:*) compgen -G "$(clang -print-runtime-dir 2>/dev/null)/libclang_rt.${1#rt:}*" >/dev/null ;;
        file:virtfs-proxy-helper) [ -x /usr/lib/qemu/virtfs-proxy-helper ] || [ -x /usr/libexec/virtfs-proxy-helper ] ;;
        hdr:*) [ -e "/usr/include/${1#hdr:}" ] || echo "#include <${1#hdr:}>" | gcc -E -xc - >/dev/null 2>&1 ;;
        esac
}

# Packages of the named kinds that are missing: column 3 (Debian), 4 (Fedora) or 5 (Arch).
deps_missing() {
        local column=$1 kind probe debian fedora arch
        shift
        while read -r kind probe debian fedora arch; do
                case " $* " in *" $kind "*) ;; *) continue ;; esac
                deps_is_there "$probe" && continue
                case $column in 3) echo "$debian" ;; 4) echo "$fedora" ;; 5) echo "$arch" ;; esac
        done < <(deps_table) | sort -u
}

deps_list() { deps_missing "$@" | tr '\n' ' '; }

# Installs what of the named kinds is missing, where it may; else says what to install and returns 1.
deps_ensure() {
        local packages as_root=()
        packages=$(deps_list 3 "$@")
        [ -z "$packages" ] && return 0
        if ! command -v apt-get >/dev/null 2>&1; then
                echo "Missing here. Please install, then run this again:" >&2
                echo "  Fedora:  dnf install $(deps_list 4 "$@")" >&2
                echo "  Arch:    pacman -S $(deps_list 5 "$@")" >&2
                echo "  other:   what your system calls $packages" >&2
                return 1
        fi
        if [ "$(id -u)" != 0 ]; then
                if ! command -v sudo >/dev/null 2>&1; then
                        echo "Missing here, and neither root nor sudo to install it. As root, please run:" >&2
                        echo "  apt-get install --no-install-recommends $packages" >&2
                        return 1
                fi
                as_root=(sudo)
        fi
        echo "Installing: $packages"
        local log
        log=$(mktemp)
        # shellcheck disable=SC2086 # a list of package names
        if ! { "${as_root[@]}" apt-get update -q &&
                "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends $packages; } \
                >"$log" 2>&1 </dev/null; then
                tail -n 20 "$log" >&2
                rm -f "$log"
                echo "apt-get could not install: $packages" >&2
                return 1
        fi
        rm -f "$log"
        hash -r
}
