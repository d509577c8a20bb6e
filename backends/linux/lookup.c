/* SPDX-License-Identifier: MIT */
/*
 * lookup.c: from a name to a descriptor: the system calls that walk a client's path, and the pinning, asking and
 * reopening of single objects. Nothing here decides; resolve.c says with which restrictions.
 */
#include "backends/linux/sys_linux.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#ifndef RESOLVE_CACHED
#define RESOLVE_CACHED 0x20
#endif
#ifndef STATX_MNT_ID
#define STATX_MNT_ID 0x1000U
#endif
#ifndef STATX_MNT_ID_UNIQUE
#define STATX_MNT_ID_UNIQUE 0x4000U
#endif

#define RACES_MAX 32 /* openat2 answers EAGAIN when something was renamed while it looked at ".." */

int lookup_open(int dir_fd, const char *path, uint64_t open_flags, uint64_t mode, uint64_t resolve, unsigned flags) {
        struct open_how how = {.flags = open_flags | O_CLOEXEC, .mode = mode, .resolve = resolve};
        bool cached = (flags & SYS_CACHED_ONLY) != 0;

        if (cached)
                how.resolve |= RESOLVE_CACHED;
        for (int races = 0;;) {
                long fd = syscall(SYS_openat2, dir_fd, path, &how, sizeof(how));

                if (fd >= 0)
                        return (int)fd;
                if (errno == EINTR)
                        continue;
                if (errno != EAGAIN || cached || ++races >= RACES_MAX)
                        return -errno;
        }
}

int lookup_open_name(int dir_fd, const char *name, uint64_t open_flags) {
        int fd;

        do
                fd = openat(dir_fd, name, (int)open_flags | O_CLOEXEC);
        while (fd < 0 && errno == EINTR);
        return fd < 0 ? -errno : fd;
}

static struct fsop_time time_from_statx(const struct statx_timestamp *time) {
        return (struct fsop_time){.sec = time->tv_sec, .nsec = time->tv_nsec};
}

/* Ours are the same bits, but that there is one for a mount's id of either kind. */
static uint32_t mask_from_statx(uint32_t mask) {
        _Static_assert(FSOP_STAT_TYPE == STATX_TYPE && FSOP_STAT_MODE == STATX_MODE && FSOP_STAT_NLINK == STATX_NLINK &&
                               FSOP_STAT_UID == STATX_UID && FSOP_STAT_GID == STATX_GID &&
                               FSOP_STAT_ATIME == STATX_ATIME && FSOP_STAT_MTIME == STATX_MTIME &&
                               FSOP_STAT_CTIME == STATX_CTIME && FSOP_STAT_INO == STATX_INO &&
                               FSOP_STAT_SIZE == STATX_SIZE && FSOP_STAT_BLOCKS == STATX_BLOCKS &&
                               FSOP_STAT_BTIME == STATX_BTIME && FSOP_STAT_MNT_ID == STATX_MNT_ID,
                       "they are not the same");
        return (mask & (STATX_BASIC_STATS | STATX_BTIME | STATX_MNT_ID)) |
               (mask & STATX_MNT_ID_UNIQUE ? FSOP_STAT_MNT_ID : 0);
}

void stat_from_statx(struct fsop_stat *ret_stat, const void *statx_buffer) {
        const struct statx *sx = statx_buffer;

        *ret_stat = (struct fsop_stat){
                .mask = mask_from_statx(sx->stx_mask),
                .mode = sx->stx_mode,
                .nlink = sx->stx_nlink,
                .uid = sx->stx_uid,
                .gid = sx->stx_gid,
                .blksize = sx->stx_blksize,
                .attributes = sx->stx_attributes,
                .attributes_mask = sx->stx_attributes_mask,
                .ino = sx->stx_ino,
                .size = sx->stx_size,
                .blocks = sx->stx_blocks,
                .atime = time_from_statx(&sx->stx_atime),
                .ctime = time_from_statx(&sx->stx_ctime),
                .mtime = time_from_statx(&sx->stx_mtime),
                .rdev_major = sx->stx_rdev_major,
                .rdev_minor = sx->stx_rdev_minor,
                .dev_major = sx->stx_dev_major,
                .dev_minor = sx->stx_dev_minor,
                .mnt_id = sx->stx_mask & (STATX_MNT_ID | STATX_MNT_ID_UNIQUE) ? sx->stx_mnt_id : 0,
        };
        if (sx->stx_mask & STATX_BTIME)
                ret_stat->btime = time_from_statx(&sx->stx_btime);
}

int lookup_stat(int fd, const char *name, bool sync, struct fsop_stat *ret_stat) {
        struct statx sx;
        int flags = AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | (sync ? AT_STATX_SYNC_AS_STAT : AT_STATX_DONT_SYNC);

        if (name[0] == 0)
                flags |= AT_EMPTY_PATH;
        if (statx(fd, name, flags, STATX_BASIC_STATS | STATX_BTIME | STATX_MNT_ID | STATX_MNT_ID_UNIQUE, &sx) < 0)
                return -errno;
        stat_from_statx(ret_stat, &sx);
        return 0;
}

int lookup_stat_above(int fd, unsigned levels, struct fsop_stat *ret_stat) {
        char path[3 * 1024 + 1];
        char *end = path;

        if (levels == 0 || levels > 1024)
                return -ELOOP;
        for (unsigned i = 0; i < levels; i++) {
                memcpy(end, "../", 3);
                end += 3;
        }
        end[-1] = 0;
        return lookup_stat(fd, path, false, ret_stat);
}

int lookup_read_link(int fd, char *buffer, size_t bytes) {
        ssize_t n = readlinkat(fd, "", buffer, bytes);

        if (n < 0)
                return -errno;
        if ((size_t)n >= bytes)
                return -ENAMETOOLONG;
        buffer[n] = 0;
        return (int)n;
}

int lookup_reopen(os_fd object, int open_flags) {
        /* Even a regular file's open can wait: for a lease to be given back. */
        int fd, flags = open_flags | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;

        do
                fd = openat(service.proc_fd, fd_name(object).text, flags);
        while (fd < 0 && errno == EINTR);
        return fd < 0 ? -errno : fd;
}

uint64_t stat_dev(const struct fsop_stat *stat) {
        return makedev(stat->dev_major, stat->dev_minor);
}

bool stat_is_directory(const struct fsop_stat *stat) {
        return S_ISDIR(stat->mode);
}

bool stat_is_link(const struct fsop_stat *stat) {
        return S_ISLNK(stat->mode);
}

bool same_object(const struct fsop_stat *stat, uint64_t dev, uint64_t ino) {
        return stat->ino == ino && stat_dev(stat) == dev;
}
