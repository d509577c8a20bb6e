/* SPDX-License-Identifier: MIT */
/*
 * directory.c: directories that rules name, what lies above a directory, and what may be done with a descriptor that came from
 * a client.
 */
#include "backends/linux/sys_linux.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>

int directory_open(const char *absolute_path, struct directory *ret_directory) {
        struct fsop_stat stat;
        int fd, r;

        if (absolute_path[0] != '/')
                return -FSOP_EINVAL;
        identity_wear_service();
        fd = lookup_open(service.root_fd, absolute_path, O_PATH | O_DIRECTORY, 0, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS, 0);
        if (fd < 0)
                return error_from_errno(-fd);
        r = lookup_stat(fd, "", false, &stat);
        if (r >= 0 && mounts_learn(fd, stat.mnt_id, false) == FS_FORBIDDEN)
                r = -EACCES;
        if (r < 0) {
                sys_close(fd);
                return error_from_errno(-r);
        }
        *ret_directory = (struct directory){.fd = fd, .dev = stat_dev(&stat), .ino = stat.ino, .mnt_id = stat.mnt_id};
        return 0;
}

void directory_close(struct directory *directory) {
        sys_close(directory->fd);
        *directory = (struct directory){.fd = OS_FD_NONE};
}

int sys_ancestors(os_fd directory, struct object_id *ret_ids, uint32_t ids_max, unsigned flags) {
        struct fsop_stat here, above;
        uint32_t n = 0;
        int r = lookup_stat((int)directory, "", false, &here);

        if (r < 0)
                return error_from_errno(-r);
        if (!stat_is_directory(&here))
                return -FSOP_ENOTDIR;
        if ((flags & SYS_CACHED_ONLY) && mounts_class(here.mnt_id, true) != FS_LOCAL)
                return -FSOP_EAGAIN;
        identity_wear_service();
        for (;;) {
                if (n == ids_max)
                        return -FSOP_E2BIG;
                ret_ids[n++] = (struct object_id){stat_dev(&here), here.ino};
                r = lookup_stat_above((int)directory, n, &above);
                if (r < 0)
                        return error_from_errno(-r);
                /* The top of its mount: what lies above belongs to another one, if there is anything. */
                if (above.mnt_id != here.mnt_id ? !(flags & SYS_CROSS_MOUNTS) : same_object(&above, stat_dev(&here), here.ino))
                        return (int)n;
                here = above;
        }
}

int sys_fd_check(os_fd fd, bool *ret_readable, bool *ret_writable, bool *ret_path_only) {
        struct fsop_stat stat;
        int flags = fcntl((int)fd, F_GETFL), r;

        if (flags < 0)
                return error_from_errno(errno);
        r = lookup_stat((int)fd, "", false, &stat);
        if (r < 0)
                return error_from_errno(-r);
        if (mounts_class(stat.mnt_id, true) == FS_FORBIDDEN)
                return -FSOP_EACCES;
        *ret_path_only = (flags & O_PATH) != 0;
        *ret_readable = !*ret_path_only && (flags & O_ACCMODE) != O_WRONLY;
        *ret_writable = !*ret_path_only && (flags & O_ACCMODE) != O_RDONLY;
        return 0;
}
