/* SPDX-License-Identifier: MIT */
/*
 * directory.c: directories that rules name, what lies above a directory, and what may be done with a descriptor that
 * came from a client.
 */
#include "backends/linux/sys_linux.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define FROM_ROOT (RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS)

/* ---- the directories of rules ------------------------------------------------------------------------------------ */

/* Whether nobody but root or the service can put something else where a name in this directory is. */
static bool is_in_trusted_hands(int directory_fd) {
        struct fsop_stat here, above;
        int r = lookup_stat(directory_fd, "", false, &here);

        for (unsigned level = 1; r >= 0; level++) {
                if ((here.uid != 0 && here.uid != service.uid) || (here.mode & (S_IWGRP | S_IWOTH)))
                        return false;
                r = lookup_stat_above(directory_fd, level, &above);
                if (r >= 0 && above.mnt_id == here.mnt_id && same_object(&above, stat_dev(&here), here.ino))
                        return true;
                here = above;
        }
        return false;
}

/* Puts the text of the link NAME in PARENT in front of REST. 0, -EACCES for a link that cannot be trusted, other
 * negative errnos. */
static int take_link(int parent_fd, const char *name, char done[PATH_MAX], char rest[PATH_MAX]) {
        char text[PATH_MAX], joined[PATH_MAX];
        struct fsop_stat stat;
        int fd = lookup_open(parent_fd, name, O_PATH | O_NOFOLLOW, 0, RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS, 0), r, n;

        if (fd < 0)
                return fd;
        r = lookup_stat(fd, "", false, &stat);
        if (r >= 0 &&
            (!stat_is_link(&stat) || (stat.uid != 0 && stat.uid != service.uid) || !is_in_trusted_hands(parent_fd)))
                r = -EACCES;
        if (r >= 0)
                r = lookup_read_link(fd, text, sizeof(text));
        sys_close(fd);
        if (r < 0)
                return r;
        if (text[0] == '/')
                done[0] = 0;
        n = snprintf(joined, sizeof(joined), "%s/%s", text, rest);
        if (n < 0 || (size_t)n >= sizeof(joined))
                return -ENAMETOOLONG;
        memcpy(rest, joined, (size_t)n + 1);
        return 0;
}

/* One component of rest to the end of done, which has no links; a link goes back into rest. 1: it was one. */
static int take_component(char done[PATH_MAX], char rest[PATH_MAX], const char *name, size_t len) {
        size_t done_len = strlen(done);
        char component[NAME_MAX + 1];
        int parent, fd, r;

        if (len == 2 && memcmp(name, "..", 2) == 0) {
                while (done_len > 0 && done[--done_len] != '/')
                        ;
                done[done_len] = 0;
                return 0;
        }
        if (len > NAME_MAX || done_len + 1 + len >= PATH_MAX)
                return -ENAMETOOLONG;
        memcpy(component, name, len);
        component[len] = 0;
        parent = lookup_open(service.root_fd, done_len > 0 ? done : "/", O_PATH | O_DIRECTORY, 0, FROM_ROOT, 0);
        if (parent < 0)
                return parent;
        fd = lookup_open(parent, component, O_PATH, 0, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS, 0);
        if (fd >= 0) {
                done[done_len] = '/';
                memcpy(done + done_len + 1, component, len + 1);
                sys_close(fd);
                r = 0;
        } else if (fd == -ELOOP) {
                r = take_link(parent, component, done, rest);
                r = r < 0 ? r : 1;
        } else {
                r = fd;
        }
        sys_close(parent);
        return r;
}

/*
 * A rule's path with the links on it replaced. Only links that root made, in directories that only root can change,
 * count: whoever owns a directory above a rule's could otherwise put a link to any place there.
 */
static int expand_links(const char *path, char done[PATH_MAX]) {
        char rest[PATH_MAX], next[PATH_MAX];
        int r = 0;

        if (strlen(path) >= sizeof(rest))
                return -ENAMETOOLONG;
        memcpy(rest, path, strlen(path) + 1);
        done[0] = 0;
        for (int links = 0; r >= 0 && links <= LINKS_MAX;) {
                char *name = rest + strspn(rest, "/");
                size_t len = strcspn(name, "/");

                if (len == 0)
                        return 0;
                if (len == 1 && name[0] == '.') {
                        memmove(rest, name + 1, strlen(name + 1) + 1);
                        continue;
                }
                memcpy(next, name, strlen(name) + 1);
                memmove(rest, name + len, strlen(name + len) + 1);
                r = take_component(done, rest, next, len);
                links += r > 0;
        }
        return r < 0 ? r : -ELOOP;
}

static int open_without_links(const char *absolute_path, uint64_t open_flags, unsigned flags) {
        char expanded[PATH_MAX];
        int fd = lookup_open(service.root_fd, absolute_path, open_flags, 0, FROM_ROOT, flags), r;

        if (fd != -ELOOP)
                return fd;
        if (flags & SYS_CACHED_ONLY)
                return -EAGAIN;
        r = expand_links(absolute_path, expanded);
        if (r < 0)
                return r;
        return lookup_open(service.root_fd, expanded[0] != 0 ? expanded : "/", open_flags, 0, FROM_ROOT, 0);
}

static int open_pinned(const char *absolute_path, uint64_t flags, struct directory *ret_directory) {
        struct fsop_stat stat;
        int fd, r;

        if (absolute_path[0] != '/')
                return -FSOP_EINVAL;
        identity_wear_service();
        fd = open_without_links(absolute_path, flags, 0);
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

int directory_open(const char *absolute_path, struct directory *ret_directory) {
        int r = open_pinned(absolute_path, O_PATH | O_DIRECTORY, ret_directory);

        if (r == 0)
                ret_directory->one_mount = mounts_none_below((int)ret_directory->fd, ret_directory->mnt_id);
        return r;
}

int directory_open_any(const char *absolute_path, struct directory *ret_directory) {
        return open_pinned(absolute_path, O_PATH, ret_directory);
}

int directory_look(const char *absolute_path, unsigned flags, struct object_id *ret_id) {
        struct fsop_stat stat;
        int fd, r;

        *ret_id = (struct object_id){0};
        identity_wear_service();
        fd = open_without_links(absolute_path, O_PATH, flags);
        if (fd < 0)
                return fd == -ENOENT || fd == -ENOTDIR ? 0 : error_from_errno(-fd);
        r = lookup_stat(fd, "", false, &stat);
        sys_close(fd);
        if (r < 0)
                return error_from_errno(-r);
        *ret_id = (struct object_id){stat_dev(&stat), stat.ino};
        return 0;
}

void directory_close(struct directory *directory) {
        sys_close(directory->fd);
        *directory = (struct directory){.fd = OS_FD_NONE};
}

/* ---- the same directory elsewhere -------------------------------------------------------------------------------- */

struct handle_buffer {
        struct file_handle header;
        uint8_t bytes[sizeof(((struct directory_mark *)0)->handle)];
};

static bool is_strangers(const char *absolute_path, const struct directory *directory) {
        const char *slash = strrchr(absolute_path, '/');
        struct fsop_stat stat, above;
        char parent[PATH_MAX];
        int fd, r;

        if (slash == NULL || (size_t)(slash - absolute_path) + 2 > sizeof(parent))
                return false;
        memcpy(parent, absolute_path, (size_t)(slash - absolute_path) + 1);
        parent[slash - absolute_path + 1] = 0;
        fd = open_without_links(parent, O_PATH | O_DIRECTORY, 0);
        if (fd < 0)
                return false;
        r = lookup_stat(fd, "", false, &above);
        sys_close(fd);
        return r >= 0 && (above.mode & S_ISVTX) != 0 && lookup_stat((int)directory->fd, "", false, &stat) >= 0 &&
               stat.uid != service.uid && stat.uid != above.uid;
}

void directory_mark(const char *absolute_path, const struct directory *directory, struct directory_mark *ret_mark) {
        struct handle_buffer handle = {.header.handle_bytes = sizeof(ret_mark->handle)};
        int mount_id;

        *ret_mark = (struct directory_mark){.dev = directory->dev, .ino = directory->ino};
        identity_wear_service();
        ret_mark->strangers = is_strangers(absolute_path, directory);
        if (name_to_handle_at((int)directory->fd, "", &handle.header, &mount_id, AT_EMPTY_PATH) < 0)
                return;
        ret_mark->handle_type = handle.header.handle_type;
        ret_mark->handle_bytes = handle.header.handle_bytes;
        memcpy(ret_mark->handle, handle.bytes, handle.header.handle_bytes);
}

int directory_open_marked(const struct directory *beside, const struct directory_mark *mark,
                          struct directory *ret_directory) {
        struct handle_buffer handle = {.header.handle_bytes = mark->handle_bytes,
                                       .header.handle_type = mark->handle_type};
        struct fsop_stat stat = {0};
        int mount_fd, fd, r;

        if (mark->handle_bytes == 0 || mark->handle_bytes > sizeof(mark->handle) || beside->dev != mark->dev)
                return -FSOP_EOPNOTSUPP;
        memcpy(handle.bytes, mark->handle, mark->handle_bytes);
        identity_wear_service();
        mount_fd = lookup_reopen(beside->fd, O_RDONLY | O_DIRECTORY);
        if (mount_fd < 0)
                return -FSOP_EOPNOTSUPP;
        fd = open_by_handle_at(mount_fd, &handle.header, O_PATH | O_CLOEXEC);
        r = fd < 0 ? -errno : lookup_stat(fd, "", false, &stat);
        sys_close(mount_fd);
        if (r >= 0 && (stat.nlink == 0 || !same_object(&stat, mark->dev, mark->ino)))
                r = -ESTALE;
        if (r < 0) {
                sys_close(fd);
                return error_from_errno(-r);
        }
        *ret_directory = (struct directory){.fd = fd, .dev = stat_dev(&stat), .ino = stat.ino, .mnt_id = stat.mnt_id};
        return 0;
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
                if (above.mnt_id != here.mnt_id ? !(flags & SYS_CROSS_MOUNTS)
                                                : same_object(&above, stat_dev(&here), here.ino))
                        return (int)n;
                here = above;
        }
}

bool sys_is_large(os_fd fd) {
        struct fsop_stat stat;

        return lookup_stat((int)fd, "", false, &stat) < 0 || sys_stat_is_large(&stat);
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
