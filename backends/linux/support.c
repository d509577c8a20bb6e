/* SPDX-License-Identifier: MIT */
/*
 * support.c: how Linux does each operation, for info and the manual.
 */
#include "backends/linux/sys_linux.h"

const uint32_t sys_device_major_max = 4095, sys_device_minor_max = 1048575;

#define TEXT(string)                                                                                                   \
        { .data = (const uint8_t *)(string), .len = sizeof(string) - 1 }
#define NATIVE(v, name, text)                                                                                          \
        { .verb = v, .feature = TEXT(name), .level = FSOP_SUPPORT_NATIVE, .note = TEXT(text) }

static const struct support table[] = {
        NATIVE(FSOP_VERB_PING, "ping", ""),
        NATIVE(FSOP_VERB_INFO, "info", "filesystems are asked without writing to them"),
        NATIVE(FSOP_VERB_STATUS, "status", ""),
        NATIVE(FSOP_VERB_EXPLAIN, "explain", ""),
        NATIVE(FSOP_VERB_POLICY_RELOAD, "policy-reload", ""),
        NATIVE(FSOP_VERB_STAT, "stat", "statx, with birth time where the filesystem has it"),
        NATIVE(FSOP_VERB_STATFS, "statfs", "fstatfs"),
        NATIVE(FSOP_VERB_UTIMENS, "utimens", "utimensat, to the nanosecond where the filesystem keeps it"),
        NATIVE(FSOP_VERB_CHMOD, "chmod", "symbolic links have no mode of their own"),
        NATIVE(FSOP_VERB_CHOWN, "chown", "fchownat on the pinned object"),
        NATIVE(FSOP_VERB_MKNOD, "mknod", "major to 4095, minor to 1048575"),
        NATIVE(FSOP_VERB_OPENDIR, "opendir", ""),
        NATIVE(FSOP_VERB_MKDIR, "mkdir", "mkdirat"),
        NATIVE(FSOP_VERB_RMDIR, "rmdir", "unlinkat"),
        NATIVE(FSOP_VERB_UNLINK, "unlink", "unlinkat"),
        NATIVE(FSOP_VERB_RENAME, "rename", "renameat2, with no-replace and exchange where the filesystem has them"),
        NATIVE(FSOP_VERB_LS, "ls", "getdents64 and statx"),
        NATIVE(FSOP_VERB_SYMLINK, "symlink", "symlinkat"),
        NATIVE(FSOP_VERB_LINK, "link", "linkat"),
        NATIVE(FSOP_VERB_READLINK, "readlink", "readlinkat"),
        NATIVE(FSOP_VERB_GETXATTR, "getxattr",
               "names as the filesystem allows: user.*, trusted.*, security.*, system.posix_acl_*"),
        NATIVE(FSOP_VERB_SETXATTR, "setxattr", "values up to 64 KiB; filesystems may take less"),
        NATIVE(FSOP_VERB_LISTXATTR, "listxattr", ""),
        NATIVE(FSOP_VERB_REMOVEXATTR, "removexattr", ""),
        NATIVE(FSOP_VERB_FALLOCATE, "fallocate", "all modes; which of them a filesystem has, info PATH says"),
        NATIVE(FSOP_VERB_TRUNCATE, "truncate", "ftruncate"),
        NATIVE(FSOP_VERB_FADVISE, "fadvise", "posix_fadvise"),
        NATIVE(FSOP_VERB_COPY_RANGE, "copy-range", "FICLONERANGE, else copy_file_range, else reading and writing"),
        NATIVE(FSOP_VERB_CP, "cp", "a job: clones, else copy_file_range, else reading and writing"),
        NATIVE(FSOP_VERB_OPEN, "open", "regular files only"),
        NATIVE(FSOP_VERB_OPEN_FD, "open-fd", "the descriptor is passed back over the socket"),
        NATIVE(FSOP_VERB_CLOSE, "close", ""),
        NATIVE(FSOP_VERB_READ, "read", "pread"),
        NATIVE(FSOP_VERB_WRITE, "write", "pwrite"),
        NATIVE(FSOP_VERB_FSYNC, "fsync", "fsync, fdatasync or syncfs"),
        NATIVE(FSOP_VERB_JOB_LIST, "job-list", ""),
        NATIVE(FSOP_VERB_JOB_SHOW, "job-show", ""),
        NATIVE(FSOP_VERB_JOB_WATCH, "job-watch", ""),
        NATIVE(FSOP_VERB_JOB_PAUSE, "job-pause", ""),
        NATIVE(FSOP_VERB_JOB_RESUME, "job-resume", ""),
        NATIVE(FSOP_VERB_JOB_CANCEL, "job-cancel", ""),
        NATIVE(FSOP_VERB_JOB_RETRY, "job-retry", ""),
        NATIVE(FSOP_VERB_JOB_FORGET, "job-forget", ""),
};

const struct support *sys_support(uint32_t *ret_n) {
        *ret_n = sizeof(table) / sizeof(table[0]);
        return table;
}
