/* SPDX-License-Identifier: MIT */
/*
 * own_files.c: what the real store asks of a real disk, for programs over fake_sys.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backends/sys.h"

int sys_own_file(const char *path, uint64_t *ret_bytes) {
        struct stat st;

        if (lstat(path, &st) < 0)
                return sys_error(errno);
        *ret_bytes = (uint64_t)st.st_size;
        return S_ISREG(st.st_mode) ? 0 : -FSOP_EPERM;
}

int sys_make_own_file(const char *path) {
        uint64_t bytes;
        int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

        if (fd < 0)
                return errno == EEXIST ? sys_own_file(path, &bytes) : sys_error(errno);
        close(fd);
        return 1;
}

int sys_rename_own_file(const char *from, const char *to) {
        return rename(from, to) < 0 ? sys_error(errno) : 0;
}

int sys_remove_own_file(const char *path) {
        return unlink(path) < 0 ? sys_error(errno) : 0;
}
