/* SPDX-License-Identifier: MIT */
/*
 * listen.c: the daemon's own socket: claimed by a lock beside it, bound in a directory that nobody else can write to,
 * and removed only while it is still ours.
 */
#include "backends/linux/sys_linux.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 4096

/* The socket's path in two: its directory, held, and its name. */
struct spot {
        int dir_fd;
        char name[NAME_MAX + 1];
};

static int fail_because(const char **ret_why, const char *why, int code) {
        *ret_why = why;
        return code;
}

static int spot_open(const char *path, struct spot *spot) {
        const char *slash = strrchr(path, '/');
        char directory[PATH_MAX];
        size_t len = slash == NULL ? 1 : slash == path ? 1 : (size_t)(slash - path);
        const char *name = slash == NULL ? path : slash + 1;

        if (len >= sizeof(directory) || strlen(name) >= sizeof(spot->name) - sizeof(".lock") || name[0] == 0)
                return -FSOP_ENAMETOOLONG;
        memcpy(directory, slash == NULL ? "." : path, len);
        directory[len] = 0;
        memcpy(spot->name, name, strlen(name) + 1);
        spot->dir_fd = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
        return spot->dir_fd < 0 ? error_from_errno(errno) : 0;
}

/* sun_path is short; by way of the held directory every path fits, and none is walked twice. */
static int spot_address(const struct spot *spot, struct sockaddr_un *address) {
        int n;

        *address = (struct sockaddr_un){.sun_family = AF_UNIX};
        n = snprintf(address->sun_path, sizeof(address->sun_path), "/proc/self/fd/%d/%s", spot->dir_fd, spot->name);
        return n < 0 || (size_t)n >= sizeof(address->sun_path) ? -FSOP_ENAMETOOLONG : 0;
}

static int check_directory(const struct spot *spot, const char **ret_why) {
        struct stat st;

        if (fstat(spot->dir_fd, &st) < 0)
                return error_from_errno(errno);
        if (st.st_uid != service.uid && st.st_uid != 0)
                return fail_because(ret_why, "the socket's directory belongs to somebody else", -FSOP_EPERM);
        if ((st.st_mode & (S_IWGRP | S_IWOTH)) != 0)
                return fail_because(ret_why, "the socket's directory can be written to by others", -FSOP_EPERM);
        return 0;
}

/* The lock lives as long as this process, however it ends. */
static int claim(const struct spot *spot, int *ret_lock, const char **ret_why) {
        char name[sizeof(spot->name) + sizeof(".lock")];
        struct stat st;
        int fd;

        snprintf(name, sizeof(name), "%s.lock", spot->name);
        fd = openat(spot->dir_fd, name, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
        if (fd < 0)
                return error_from_errno(errno);
        if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
                close(fd);
                return fail_because(ret_why, "the lock beside the socket is not a regular file", -FSOP_EPERM);
        }
        if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
                int error = errno;

                close(fd);
                if (error == EWOULDBLOCK)
                        return fail_because(ret_why, "another fsopd holds the lock of this socket", -FSOP_EBUSY);
                return error_from_errno(error);
        }
        *ret_lock = fd;
        return 0;
}

/* Whoever answers there keeps it; what nobody answers at is left over from somebody's end. */
static int remove_dead(const struct spot *spot, const struct sockaddr_un *address, const char **ret_why) {
        struct stat st;
        int fd, error;

        if (fstatat(spot->dir_fd, spot->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return errno == ENOENT ? 0 : error_from_errno(errno);
        if (!S_ISSOCK(st.st_mode))
                return fail_because(ret_why, "something that is no socket has the socket's name", -FSOP_EEXIST);
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return error_from_errno(errno);
        error = connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 ? 0 : errno;
        close(fd);
        if (error != ECONNREFUSED)
                return fail_because(ret_why, "a daemon answers at this socket already", -FSOP_EBUSY);
        return unlinkat(spot->dir_fd, spot->name, 0) < 0 && errno != ENOENT ? error_from_errno(errno) : 0;
}

/* The one before may be dying still: its descriptors go a moment after those who wait for it know that it is gone. */
static int take_over(const struct spot *spot, const struct sockaddr_un *address, int *ret_lock, const char **ret_why) {
        int r;

        for (int i = 0;; i++) {
                r = claim(spot, ret_lock, ret_why);
                if (r >= 0) {
                        r = remove_dead(spot, address, ret_why);
                        if (r >= 0)
                                return 0;
                        sys_close(*ret_lock);
                        *ret_lock = -1;
                }
                if (r != -FSOP_EBUSY || i == 100)
                        return r;
                sys_sleep_ms(10);
        }
}

static int bind_and_listen(const struct spot *spot, const struct sockaddr_un *address, uint32_t mode, uint32_t gid,
                           int *ret_fd) {
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), r;
        mode_t old;

        if (fd < 0)
                return error_from_errno(errno);
        old = umask(0177); /* nobody connects before owner and mode are right */
        r = bind(fd, (const struct sockaddr *)address, sizeof(*address));
        umask(old);
        if (r < 0)
                goto fail;
        if (gid != WIRE_NOBODY && fchownat(spot->dir_fd, spot->name, (uid_t)-1, gid, AT_SYMLINK_NOFOLLOW) < 0)
                goto fail_bound;
        if (fchmodat(spot->dir_fd, spot->name, mode & 0777, 0) < 0)
                goto fail_bound;
        if (listen(fd, BACKLOG) < 0)
                goto fail_bound;
        *ret_fd = fd;
        return 0;

fail_bound:
        r = error_from_errno(errno);
        unlinkat(spot->dir_fd, spot->name, 0);
        close(fd);
        return r;
fail:
        r = error_from_errno(errno);
        close(fd);
        return r;
}

/* What was bound, so that nothing else is removed at the end. */
static struct object_id bound;

static void remember(const struct spot *spot) {
        struct stat st;

        bound = (struct object_id){0, 0};
        if (fstatat(spot->dir_fd, spot->name, &st, AT_SYMLINK_NOFOLLOW) == 0)
                bound = (struct object_id){st.st_dev, st.st_ino};
}

int sys_listen(const char *path, uint32_t mode, uint32_t gid, os_fd *ret_listener, os_fd *ret_lock,
               const char **ret_why) {
        struct sockaddr_un address;
        struct spot spot;
        int lock = -1, fd = -1, r;

        *ret_why = NULL;
        identity_wear_service();
        r = spot_open(path, &spot);
        if (r < 0)
                return r;
        r = spot_address(&spot, &address);
        if (r >= 0)
                r = check_directory(&spot, ret_why);
        if (r >= 0)
                r = take_over(&spot, &address, &lock, ret_why);
        if (r >= 0)
                r = bind_and_listen(&spot, &address, mode, gid, &fd);
        if (r < 0) {
                sys_close(lock);
                sys_close(spot.dir_fd);
                return r;
        }
        remember(&spot);
        sys_close(spot.dir_fd);
        *ret_listener = fd;
        *ret_lock = lock;
        return 0;
}

void sys_unlisten(const char *path, os_fd listener, os_fd lock) {
        struct spot spot;
        struct stat st;

        identity_wear_service();
        if (listener != OS_FD_NONE && bound.ino != 0 && spot_open(path, &spot) == 0) {
                if (fstatat(spot.dir_fd, spot.name, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_dev == bound.dev &&
                    st.st_ino == bound.ino)
                        unlinkat(spot.dir_fd, spot.name, 0);
                sys_close(spot.dir_fd);
        }
        bound = (struct object_id){0, 0};
        sys_close(listener);
        sys_close(lock);
}

bool sys_socket_is_read(os_fd socket) {
        int unread = 0;

        return ioctl((int)socket, TIOCOUTQ, &unread) < 0 || unread == 0;
}

bool sys_socket_is_gone(os_fd socket) {
        struct pollfd pollfd = {.fd = (int)socket};

        return poll(&pollfd, 1, 0) > 0 && (pollfd.revents & (POLLHUP | POLLERR | POLLNVAL));
}

void sys_socket_accepted(os_fd socket) {
        const int on = 1;

        setsockopt((int)socket, SOL_SOCKET, SO_OOBINLINE, &on, sizeof(on));
}

void sys_socket_shut(os_fd socket) {
        shutdown((int)socket, SHUT_RDWR);
}
