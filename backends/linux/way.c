/* SPDX-License-Identifier: MIT */
/*
 * way.c: the way to a directory, step by step, where a rule excludes something: links and ".." may lead through that,
 * and nothing is answered from inside it, not even that something is not there.
 */
#include "backends/linux/sys_linux.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <string.h>

/* Where a walk is. */
struct way {
        int fd; /* its own, unless it is at the start */
        int start;
        unsigned links;
        char rest[PATH_MAX]; /* of the path */
};

static void way_enter(struct way *way, int fd) {
        if (way->fd != way->start)
                sys_close(way->fd);
        way->fd = fd;
}

/* A link's text comes before the rest of the path. 0 or a negative errno. */
static int way_follow(struct way *way, int link_fd) {
        char text[PATH_MAX];
        size_t rest = strlen(way->rest);
        int len = lookup_read_link(link_fd, text, sizeof(text));

        if (len <= 0)
                return len < 0 ? len : -ENOENT;
        if (text[0] == '/')
                return -EXDEV;
        if (++way->links > LINKS_MAX)
                return -ELOOP;
        if ((size_t)len + 1 + rest >= sizeof(way->rest))
                return -ENAMETOOLONG;
        memmove(way->rest + len + 1, way->rest, rest + 1);
        memcpy(way->rest, text, (size_t)len);
        way->rest[len] = '/';
        return 0;
}

/* Takes the next name off the rest of the path; false at its end. */
static bool way_next(struct way *way, char *name) {
        const char *p = way->rest + strspn(way->rest, "/");
        size_t len = strcspn(p, "/");

        memcpy(name, p, len);
        name[len] = 0;
        memmove(way->rest, p + len, strlen(p + len) + 1);
        return len > 0;
}

/* One step from where it is; what lies above the start is out of reach. Descriptor or negative errno. */
static int way_open(const struct way *way, const struct place *place, const char *name, unsigned flags) {
        struct fsop_stat here, start;
        int r;

        if (strcmp(name, "..") != 0)
                return lookup_open(way->fd, name, O_PATH | O_NOFOLLOW, 0, resolve_of_leaf(place), flags);
        if ((r = lookup_stat(way->fd, "", false, &here)) < 0 || (r = lookup_stat(way->start, "", false, &start)) < 0)
                return r;
        if (same_object(&here, stat_dev(&start), start.ino))
                return -EXDEV;
        return lookup_open(way->fd, name, O_PATH | O_DIRECTORY, 0, resolve_of_leaf(place) & ~(uint64_t)RESOLVE_BENEATH,
                           flags);
}

static int way_step(struct sys_op *op, struct way *way, const struct place *place, const char *name, unsigned flags) {
        struct fsop_stat stat;
        int fd = way_open(way, place, name, flags), r;

        if (fd < 0)
                return resolve_failed(op, place, -fd);
        r = lookup_stat(fd, "", false, &stat);
        if (r >= 0 && !stat_is_link(&stat)) {
                way_enter(way, fd);
                if (strcmp(name, "..") == 0) /* where it was may have been moved away just now */
                        return guard_check_directory(op, place, fd, &stat);
                return guard_refuse_excluded(op, place->guard, &stat);
        }
        if (r >= 0) /* a link's text may be asked of a server that does not answer */
                r = flags & SYS_CACHED_ONLY ? -EAGAIN : way_follow(way, fd);
        sys_close(fd);
        return r < 0 ? resolve_failed(op, place, -r) : 0;
}

int way_walk(struct sys_op *op, const struct place *place, const char *path, int start, unsigned flags) {
        struct way way = {.fd = start, .start = start};
        char name[PATH_MAX];
        int r = 0;

        memcpy(way.rest, path, strlen(path) + 1);
        while (r >= 0 && way_next(&way, name))
                r = way_step(op, &way, place, name, flags);
        if (r >= 0 && (r = lookup_open(way.fd, ".", O_PATH | O_DIRECTORY, 0, 0, flags)) < 0)
                r = resolve_failed(op, place, -r);
        way_enter(&way, start);
        return r;
}
