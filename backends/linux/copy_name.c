/* SPDX-License-Identifier: MIT */
/*
 * copy_name.c: temporary names, and what an earlier run left under them.
 */
#include "backends/linux/copy_linux.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SWEEPS_MAX 16

void copy_next_temporary(struct copy_tree *tree, char temporary[COPY_TEMPORARY_BYTES]) {
        uint32_t serial = __atomic_fetch_add(&tree->serial, 1, __ATOMIC_RELAXED);

        snprintf(temporary, COPY_TEMPORARY_BYTES, "%.54s-%08x", tree->temporary, serial);
}

bool copy_is_temporary(const struct copy_tree *tree, const char *name) {
        size_t len = strlen(tree->temporary);

        return strncmp(name, tree->temporary, len) == 0 && name[len] == '-';
}

char *copy_join(const char *directory, const char *name) {
        size_t left = strlen(directory), right = strlen(name);
        bool both = left > 0 && right > 0;
        char *path = malloc(left + both + right + 1);

        if (path == NULL)
                return NULL;
        memcpy(path, directory, left);
        if (both)
                path[left] = '/';
        memcpy(path + left + both, name, right + 1);
        return path;
}

/* ".fsop-JOB-": what this job has in the making, of this tree or another. */
static bool is_of_job(const struct copy_tree *tree, const char *name) {
        const char *dash = strchr(tree->temporary, '-');
        size_t len;

        dash = dash != NULL ? strchr(dash + 1, '-') : NULL;
        len = dash != NULL ? (size_t)(dash + 1 - tree->temporary) : strlen(tree->temporary);
        return strncmp(name, tree->temporary, len) == 0;
}

/* 1, 0 or a negative errno. */
static int matches(const char *pattern, const char *directory, const char *name) {
        const char *slash = strchr(pattern, '/');
        char *path;
        int r;

        if (slash == NULL)
                return fnmatch(pattern, name, 0) == 0;
        path = copy_join(directory, name);
        if (path == NULL)
                return -ENOMEM;
        r = fnmatch(slash == pattern ? pattern + 1 : pattern, path, FNM_PATHNAME) == 0;
        free(path);
        return r;
}

int copy_leaves_out(const struct copy_tree *tree, const char *directory, const char *name) {
        int r = name[0] == '.' && is_of_job(tree, name);

        for (uint32_t i = 0; i < tree->options->n_excludes && r == 0; i++)
                r = matches(tree->options->excludes[i], directory, name);
        return r;
}

static bool is_part(const struct copy_tree *tree, const char *name) {
        uint32_t low = 0, high = tree->n_parts;

        while (low < high) {
                uint32_t middle = low + (high - low) / 2;
                int order = strcmp(name, tree->parts[middle]);

                if (order == 0)
                        return true;
                if (order < 0)
                        high = middle;
                else
                        low = middle + 1;
        }
        return false;
}

/* One pass. A resumed run leaves what it cannot remove: anybody who can make names here can make such ones. */
static int sweep_once(struct copy_tree *tree, DIR *dir, bool all, bool *ret_removed) {
        struct dirent *entry;
        int error = 0;

        *ret_removed = false;
        rewinddir(dir);
        for (errno = 0; (entry = readdir(dir)) != NULL; errno = 0) {
                if (!all && copy_stopped(tree))
                        return ECANCELED;
                if (!copy_is_temporary(tree, entry->d_name) || (!all && is_part(tree, entry->d_name)))
                        continue;
                if (unlinkat(dirfd(dir), entry->d_name, 0) == 0)
                        *ret_removed = true;
                else if (errno != ENOENT && all)
                        error = errno;
        }
        return errno != 0 ? errno : error;
}

/* The same names again where a filesystem skips some while others are removed; not for ever, where somebody adds
 * more. */
int copy_sweep(struct copy_tree *tree, int dir_fd, bool all, struct copy_error *ret) {
        int fd = lookup_reopen(dir_fd, O_RDONLY | O_DIRECTORY), error = 0;
        bool removed = true;
        DIR *dir;

        if (fd < 0)
                return copy_failed(ret, -fd);
        dir = fdopendir(fd);
        if (dir == NULL) {
                error = errno;
                close(fd);
                return copy_failed(ret, error);
        }
        for (int pass = 0; removed && pass < SWEEPS_MAX && error != ECANCELED; pass++)
                error = sweep_once(tree, dir, all, &removed);
        closedir(dir);
        return error != 0 ? copy_failed(ret, error) : 0;
}
