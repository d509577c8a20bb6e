/* SPDX-License-Identifier: MIT */
/*
 * trusted.c: files that steer the daemon, and files of its own. A path to them is walked one component at a time, and
 * every directory and link on it must be in nobody else's hands.
 */
#include "backends/linux/sys_linux.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* What is wrong with what a path leads to, and with a directory on the way. */
struct fault {
        const char *its, *above;
};

static const struct fault wrong_owner = {
        "it belongs to somebody else than root or the daemon's user",
        "a directory above it belongs to somebody else than root or the daemon's user"};
static const struct fault writable = {"it can be written to by others",
                                      "a directory above it can be written to by others"};
static const struct fault no_directory = {"it is not a directory", "a part of its path is not a directory"};
static const char why_type[] = "it is not a regular file";

static bool is_trusted_owner(const struct stat *st) {
        return st->st_uid == 0 || st->st_uid == service.uid;
}

/* In a sticky directory (/tmp) others can add names, but not take away or replace one that belongs to us. */
static const struct fault *directory_fault(const struct stat *st, bool may_be_sticky) {
        if (!S_ISDIR(st->st_mode))
                return &no_directory;
        if (!is_trusted_owner(st))
                return &wrong_owner;
        if ((st->st_mode & (S_IWGRP | S_IWOTH)) && !(may_be_sticky && (st->st_mode & S_ISVTX)))
                return &writable;
        return NULL;
}

/* ---- the walk ---------------------------------------------------------------------------------------------------- */

struct trusted_walk {
        int fd; /* where it stands, O_PATH */
        struct stat st;
        char rest[PATH_MAX]; /* what is left of the path */
        int links;
        bool masked; /* it ended at /dev/null, through a link */
        const char *why;
};

static int start_at_root(struct trusted_walk *walk) {
        int fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

        if (fd < 0 || fstat(fd, &walk->st) < 0) {
                int error = errno;

                sys_close(fd);
                return -error;
        }
        sys_close(walk->fd);
        walk->fd = fd;
        return 0;
}

/* Cuts the next component off rest. 1, 0 if there is none left, or a negative errno. */
static int next_component(struct trusted_walk *walk, char component[NAME_MAX + 1]) {
        size_t slashes = strspn(walk->rest, "/"), len = strcspn(walk->rest + slashes, "/");

        if (len > NAME_MAX)
                return -ENAMETOOLONG;
        memcpy(component, walk->rest + slashes, len);
        component[len] = 0;
        memmove(walk->rest, walk->rest + slashes + len, strlen(walk->rest + slashes + len) + 1);
        return len > 0;
}

static bool is_null_device(const struct stat *st) {
        return S_ISCHR(st->st_mode) && st->st_rdev == makedev(1, 3);
}

/* A link's text in front of what is left. */
static int go_through_link(struct trusted_walk *walk, int link_fd) {
        char text[PATH_MAX], joined[PATH_MAX];
        int len = lookup_read_link(link_fd, text, sizeof(text)), n;

        if (len < 0)
                return len;
        if (++walk->links > LINKS_MAX)
                return -ELOOP;
        n = snprintf(joined, sizeof(joined), "%s/%s", text, walk->rest);
        if (n < 0 || (size_t)n >= sizeof(joined))
                return -ENAMETOOLONG;
        memcpy(walk->rest, joined, (size_t)n + 1);
        return text[0] == '/' ? start_at_root(walk) : 0;
}

/* One component further. */
static int go_down(struct trusted_walk *walk, const char *component) {
        bool is_last = strspn(walk->rest, "/") == strlen(walk->rest);
        const struct fault *fault = directory_fault(&walk->st, true);
        struct stat st;
        int fd, r;

        if (fault != NULL) {
                walk->why = fault->above;
                return -EPERM;
        }
        fd = openat(walk->fd, component, O_PATH | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        if (fstat(fd, &st) < 0) {
                r = -errno;
                close(fd);
                return r;
        }
        if (!is_trusted_owner(&st))
                walk->why = is_last ? wrong_owner.its : wrong_owner.above;
        else if (!S_ISDIR(st.st_mode) && (fault = directory_fault(&walk->st, false)) != NULL)
                walk->why = fault->above;
        if (walk->why != NULL) {
                close(fd);
                return -EPERM;
        }
        if (S_ISLNK(st.st_mode)) {
                r = go_through_link(walk, fd);
                close(fd);
                return r;
        }
        close(walk->fd);
        walk->fd = fd;
        walk->st = st;
        return 0;
}

static int make_absolute(struct trusted_walk *walk, const char *path) {
        char directory[PATH_MAX];
        int n;

        if (path[0] == '/')
                n = snprintf(walk->rest, sizeof(walk->rest), "%s", path);
        else if (getcwd(directory, sizeof(directory)) != NULL)
                n = snprintf(walk->rest, sizeof(walk->rest), "%s/%s", directory, path);
        else
                return -errno;
        return n < 0 || (size_t)n >= sizeof(walk->rest) ? -ENAMETOOLONG : 0;
}

/* Pins PATH; 0 or a negative errno, with why where a reason is known. walk->fd is to be closed either way. */
static int walk_trusted(struct trusted_walk *walk, const char *path) {
        char component[NAME_MAX + 1];
        int r;

        *walk = (struct trusted_walk){.fd = -1};
        r = make_absolute(walk, path);
        if (r >= 0)
                r = start_at_root(walk);
        while (r >= 0 && (r = next_component(walk, component)) > 0)
                r = go_down(walk, component);
        if (r >= 0)
                walk->masked = walk->links > 0 && is_null_device(&walk->st);
        return r;
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

static int read_all(int fd, size_t bytes_max, char **ret_data, size_t *ret_len) {
        size_t room = 4096, len = 0;
        char *data = malloc(room + 1);

        while (data != NULL) {
                ssize_t n = read(fd, data + len, room - len);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0) {
                        int error = errno;

                        free(data);
                        return error_from_errno(error);
                }
                if (n == 0) {
                        data[len] = 0;
                        *ret_data = data;
                        *ret_len = len;
                        return 0;
                }
                len += (size_t)n;
                if (len > bytes_max) {
                        free(data);
                        return -FSOP_EFBIG;
                }
                if (len == room) {
                        char *grown = realloc(data, room * 2 + 1);

                        if (grown == NULL)
                                break;
                        room *= 2;
                        data = grown;
                }
        }
        free(data);
        return -FSOP_ENOMEM;
}

int sys_read_trusted_file(const char *path, size_t bytes_max, char **ret_data, size_t *ret_len, bool *ret_masked,
                          const char **ret_why) {
        struct trusted_walk walk;
        int fd, r;

        *ret_why = NULL;
        *ret_masked = false;
        *ret_data = NULL;
        *ret_len = 0;
        identity_wear_service();
        r = walk_trusted(&walk, path);
        *ret_why = walk.why;
        if (r < 0) {
                r = error_from_errno(-r);
                goto out;
        }
        if (walk.masked) {
                *ret_masked = true;
                *ret_data = calloc(1, 1);
                r = *ret_data == NULL ? -FSOP_ENOMEM : 0;
                goto out;
        }
        r = -FSOP_EPERM;
        if (!S_ISREG(walk.st.st_mode)) {
                *ret_why = why_type;
                goto out;
        }
        if (walk.st.st_mode & (S_IWGRP | S_IWOTH)) {
                *ret_why = writable.its;
                goto out;
        }
        fd = lookup_reopen(walk.fd, O_RDONLY);
        if (fd < 0) {
                r = error_from_errno(-fd);
                goto out;
        }
        r = read_all(fd, bytes_max, ret_data, ret_len);
        if (r == -FSOP_EFBIG)
                *ret_why = "it is too large for what it is";
        close(fd);
out:
        sys_close(walk.fd);
        return r;
}

int sys_read_any_file(const char *path, size_t bytes_max, char **ret_data, size_t *ret_len) {
        int fd = open(path, O_RDONLY | O_NOCTTY | O_CLOEXEC), r;

        if (fd < 0)
                return error_from_errno(errno);
        r = read_all(fd, bytes_max, ret_data, ret_len);
        close(fd);
        return r;
}

static int compare_names(const void *a, const void *b) {
        return strcmp(*(char *const *)a, *(char *const *)b);
}

static void free_names(char **names, size_t n) {
        for (size_t i = 0; i < n; i++)
                free(names[i]);
        free(names);
}

static int collect_names(DIR *dir, char ***ret_names, size_t *ret_n) {
        char **names = calloc(1, sizeof(*names));
        size_t n = 0;

        if (names == NULL)
                return -FSOP_ENOMEM;
        for (;;) {
                struct dirent *entry;
                char **grown;

                errno = 0;
                entry = readdir(dir);
                if (entry == NULL)
                        break;
                if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
                        continue;
                grown = realloc(names, (n + 1) * sizeof(*names));
                if (grown == NULL || (names = grown, names[n] = strdup(entry->d_name)) == NULL) {
                        errno = ENOMEM;
                        break;
                }
                n++;
        }
        if (errno != 0) {
                int error = errno;

                free_names(names, n);
                return error_from_errno(error);
        }
        qsort(names, n, sizeof(*names), compare_names);
        *ret_names = names;
        *ret_n = n;
        return 0;
}

/* Pins a directory and looks at it. 0 or a negative errno; walk->fd is to be closed either way. */
static int walk_to_directory(struct trusted_walk *walk, const char *path) {
        const struct fault *fault;
        int r;

        identity_wear_service();
        r = walk_trusted(walk, path);
        if (r < 0)
                return r;
        fault = directory_fault(&walk->st, false);
        walk->why = fault != NULL ? fault->its : NULL;
        return fault != NULL ? -EPERM : 0;
}

int sys_check_trusted_directory(const char *path, const char **ret_why) {
        struct trusted_walk walk;
        int r = walk_to_directory(&walk, path);

        *ret_why = walk.why;
        sys_close(walk.fd);
        return r < 0 ? error_from_errno(-r) : 0;
}

int sys_list_trusted_directory(const char *path, char ***ret_names, size_t *ret_n, const char **ret_why) {
        struct trusted_walk walk;
        DIR *dir;
        int fd, r = walk_to_directory(&walk, path);

        *ret_why = walk.why;
        if (r < 0) {
                sys_close(walk.fd);
                return error_from_errno(-r);
        }
        fd = lookup_reopen(walk.fd, O_RDONLY | O_DIRECTORY);
        sys_close(walk.fd);
        if (fd < 0)
                return error_from_errno(-fd);
        dir = fdopendir(fd);
        if (dir == NULL) {
                close(fd);
                return -FSOP_ENOMEM;
        }
        r = collect_names(dir, ret_names, ret_n);
        closedir(dir);
        return r;
}

/* ---- files of the daemon's own ----------------------------------------------------------------------------------- */

int sys_open_append(const char *path, os_fd *ret_fd) {
        struct stat st;
        int fd;

        identity_wear_service();
        fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0600);
        if (fd < 0)
                return error_from_errno(errno);
        if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || !is_trusted_owner(&st) || st.st_nlink != 1) {
                close(fd);
                return -FSOP_EPERM;
        }
        *ret_fd = fd;
        return 0;
}

int sys_write_all(os_fd fd, const void *data, size_t len) {
        const char *bytes = data;

        while (len > 0) {
                ssize_t n = write((int)fd, bytes, len);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return error_from_errno(errno);
                bytes += n;
                len -= (size_t)n;
        }
        return 0;
}

int sys_make_directory(const char *path, uint32_t mode) {
        char copy[PATH_MAX];
        size_t len = strlen(path);
        struct stat st;
        mode_t old;
        int r = 0;

        if (len == 0 || len >= sizeof(copy))
                return -FSOP_ENAMETOOLONG;
        identity_wear_service();
        memcpy(copy, path, len + 1);
        old = umask(022); /* those above it are ordinary directories; its own mode is exact */
        for (char *p = copy + 1; r == 0; p++) {
                char end = *p;

                if (end != '/' && end != 0)
                        continue;
                *p = 0;
                if (mkdir(copy, end == 0 ? mode & 0777 : 0755) < 0 && errno != EEXIST)
                        r = error_from_errno(errno);
                *p = end;
                if (end == 0)
                        break;
        }
        umask(old);
        if (r == 0 && (stat(path, &st) < 0 || !S_ISDIR(st.st_mode)))
                r = -FSOP_ENOTDIR;
        return r;
}

int sys_own_file(const char *path, uint64_t *ret_bytes) {
        struct stat st;

        identity_wear_service();
        if (lstat(path, &st) < 0)
                return error_from_errno(errno);
        if (!S_ISREG(st.st_mode) || !is_trusted_owner(&st) || st.st_nlink != 1 || (st.st_mode & (S_IWGRP | S_IWOTH)))
                return -FSOP_EPERM;
        *ret_bytes = (uint64_t)st.st_size;
        return 0;
}

/* Puts the names in the directory of PATH on the disk. */
static int flush_directory_of(const char *path) {
        char directory[PATH_MAX];
        const char *slash = strrchr(path, '/');
        size_t len = slash ? (size_t)(slash - path) : 0;
        int fd, r = 0;

        if (len == 0 || len >= sizeof(directory))
                return -FSOP_ENAMETOOLONG;
        memcpy(directory, path, len);
        directory[len] = 0;
        fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return error_from_errno(errno);
        if (fsync(fd) < 0)
                r = error_from_errno(errno);
        close(fd);
        return r;
}

int sys_make_own_file(const char *path) {
        uint64_t bytes;
        int fd, r;

        identity_wear_service();
        /* One that is there is not opened: closing it would give up the locks that this process has on it. */
        fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd < 0)
                return errno == EEXIST ? sys_own_file(path, &bytes) : error_from_errno(errno);
        close(fd);
        r = flush_directory_of(path);
        if (r < 0)
                unlink(path);
        return r < 0 ? r : 1;
}

int sys_rename_own_file(const char *from, const char *to) {
        struct stat st;

        identity_wear_service();
        if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) < 0) {
                if (errno != EINVAL) /* not every filesystem knows the flag; nobody else makes names here */
                        return error_from_errno(errno);
                if (lstat(to, &st) == 0)
                        return -FSOP_EEXIST;
                if (errno != ENOENT || rename(from, to) < 0)
                        return error_from_errno(errno);
        }
        return flush_directory_of(to);
}

int sys_remove_own_file(const char *path) {
        identity_wear_service();
        return unlink(path) < 0 ? error_from_errno(errno) : flush_directory_of(path);
}
