/* SPDX-License-Identifier: MIT */
/*
 * plain.c: the system calls themselves, on absolute paths, one after the other. This is what the daemon is held
 * against: it makes the same calls, with checks around them.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "tests/bench/bench.h"

const char *const what_names[] = {"stat", "chown", "setxattr"};

uid_t files_owner(const struct files *files, uint32_t phase) {
        return files->owners[phase & 1];
}

const char *files_value(uint32_t phase) {
        static const char values[2][BENCH_XATTR_BYTES + 1] = {"0123456789abcdef", "fedcba9876543210"};

        return values[phase & 1];
}

static int plain_setxattr(const char *path, bool follow, const char *value) {
        if (follow)
                return setxattr(path, BENCH_XATTR, value, BENCH_XATTR_BYTES, 0);
        return lsetxattr(path, BENCH_XATTR, value, BENCH_XATTR_BYTES, 0);
}

int plain_call(enum what what, const char *path, bool follow, uid_t uid, gid_t gid, const char *value) {
        int flags = follow ? 0 : AT_SYMLINK_NOFOLLOW, ret = -1;
        struct statx stx;

        switch (what) {
        case WHAT_STAT:
                ret = statx(AT_FDCWD, path, flags, STATX_BASIC_STATS | STATX_BTIME | STATX_MNT_ID, &stx);
                break;
        case WHAT_CHOWN:
                ret = fchownat(AT_FDCWD, path, uid, gid, flags);
                break;
        case WHAT_SETXATTR:
                ret = plain_setxattr(path, follow, value);
                break;
        }
        return ret < 0 ? errno : 0;
}

uint64_t plain_run(const struct files *files, const struct work *work) {
        uint64_t begin = bench_now_ns();

        for (uint32_t pass = 0; pass < work->passes && !bench_stop; pass++) {
                uid_t uid = files_owner(files, work->phase + pass);
                const char *value = files_value(work->phase + pass);

                for (uint32_t i = 0; i < work->n_files; i++) {
                        int error = plain_call(work->what, files->paths[i], files->follow, uid, files->group, value);

                        if (error != 0) {
                                bench_fail("plain loop: %s: %s", files->paths[i], strerror(error));
                                return 0;
                        }
                }
        }
        return bench_now_ns() - begin;
}
