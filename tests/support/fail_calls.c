/* SPDX-License-Identifier: MIT */
/* fail_calls.c: stands in front of the C library's system calls, by --wrap. */
#include "tests/support/fail_calls.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

struct statx;
struct statfs;
struct timespec;

unsigned calls_made;
bool calls_of_identity;
long calls_failed;
static unsigned fail_at;
static int fail_errno;

void calls_fail(unsigned at, int error) {
        calls_made = 0;
        fail_at = at;
        fail_errno = error;
        calls_failed = 0;
}

static bool fails(long number) {
        if (fail_at == 0 || ++calls_made != fail_at)
                return false;
        calls_failed = number;
        errno = fail_errno;
        return true;
}

static bool is_of_identity(long number) {
        return number == SYS_capget || number == SYS_capset || number == SYS_setresuid || number == SYS_setresgid ||
               number == SYS_getresuid || number == SYS_getresgid || number == SYS_setgroups || number == SYS_getgroups;
}

long __real_syscall(long number, ...);
long __wrap_syscall(long number, ...);
long __wrap_syscall(long number, ...) {
        long a[6];
        va_list args;

        va_start(args, number);
        for (int i = 0; i < 6; i++)
                a[i] = va_arg(args, long);
        va_end(args);
        if (is_of_identity(number) == calls_of_identity && fails(number))
                return -1;
        return __real_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

#define FAILING(type, name, parameters, ...)                                                                           \
        type __real_##name parameters;                                                                                 \
        type __wrap_##name parameters;                                                                                 \
        type __wrap_##name parameters {                                                                                \
                return !calls_of_identity && fails(-1) ? (type)-1 : __real_##name(__VA_ARGS__);                        \
        }

int __real_openat64(int dir, const char *path, int flags, unsigned mode);
int __wrap_openat64(int dir, const char *path, int flags, unsigned mode);
int __wrap_openat64(int dir, const char *path, int flags, unsigned mode) {
        int fd;

        if (calls_of_identity || !fails(-1))
                return __real_openat64(dir, path, flags, mode);
        if (fail_errno != EEXIST || !(flags & O_EXCL))
                return -1;
        fd = __real_openat64(dir, path, flags, mode); /* somebody was faster */
        if (fd >= 0)
                close(fd);
        errno = EEXIST;
        return -1;
}

FAILING(int, open64, (const char *path, int flags, unsigned mode), path, flags, mode)
FAILING(int, statx, (int dir, const char *path, int flags, unsigned mask, struct statx *buffer), dir, path, flags, mask,
        buffer)
FAILING(int, fstatfs64, (int fd, struct statfs *buffer), fd, buffer)
FAILING(int, fchmodat, (int dir, const char *path, mode_t mode, int flags), dir, path, mode, flags)
FAILING(int, fchownat, (int dir, const char *path, uid_t uid, gid_t gid, int flags), dir, path, uid, gid, flags)
FAILING(int, utimensat, (int dir, const char *path, const struct timespec *times, int flags), dir, path, times, flags)
FAILING(int, mkdirat, (int dir, const char *path, mode_t mode), dir, path, mode)
FAILING(int, mknodat, (int dir, const char *path, mode_t mode, dev_t device), dir, path, mode, device)
FAILING(int, symlinkat, (const char *text, int dir, const char *path), text, dir, path)
FAILING(int, linkat, (int from, const char *old, int to, const char *new, int flags), from, old, to, new, flags)
FAILING(int, unlinkat, (int dir, const char *path, int flags), dir, path, flags)
FAILING(int, renameat2, (int from, const char *old, int to, const char *new, unsigned flags), from, old, to, new, flags)
FAILING(ssize_t, readlinkat, (int dir, const char *path, char *buffer, size_t bytes), dir, path, buffer, bytes)
FAILING(int, fallocate64, (int fd, int mode, off_t offset, off_t length), fd, mode, offset, length)
FAILING(int, ftruncate64, (int fd, off_t length), fd, length)
FAILING(ssize_t, pread64, (int fd, void *buffer, size_t bytes, off_t offset), fd, buffer, bytes, offset)
FAILING(ssize_t, pwrite64, (int fd, const void *buffer, size_t bytes, off_t offset), fd, buffer, bytes, offset)
FAILING(off_t, lseek64, (int fd, off_t offset, int whence), fd, offset, whence)
FAILING(ssize_t, copy_file_range, (int from, off_t *at, int to, off_t *at_to, size_t bytes, unsigned flags), from, at,
        to, at_to, bytes, flags)
FAILING(int, ioctl, (int fd, unsigned long request, void *argument), fd, request, argument)

/* Never made in earnest: they take long where others write. */
#define FLUSHING(name)                                                                                                 \
        int __wrap_##name(int fd);                                                                                     \
        int __wrap_##name(int fd) {                                                                                    \
                (void)fd;                                                                                              \
                return !calls_of_identity && fails(-1) ? -1 : 0;                                                       \
        }

FLUSHING(fsync)
FLUSHING(fdatasync)
FLUSHING(syncfs)

struct dirent64 *__real_readdir64(DIR *dir);
struct dirent64 *__wrap_readdir64(DIR *dir);
struct dirent64 *__wrap_readdir64(DIR *dir) {
        return !calls_of_identity && fails(-1) ? NULL : __real_readdir64(dir);
}

int __real_posix_fadvise64(int fd, off_t offset, off_t length, int advice);
int __wrap_posix_fadvise64(int fd, off_t offset, off_t length, int advice);
int __wrap_posix_fadvise64(int fd, off_t offset, off_t length, int advice) {
        return !calls_of_identity && fails(-1) ? fail_errno : __real_posix_fadvise64(fd, offset, length, advice);
}
