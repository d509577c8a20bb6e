/* SPDX-License-Identifier: MIT */
/*
 * tree.c: what is copied: makes it, always the same, warms it, compares it with its copy, removes it.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/bench/bench.h"

#define CHUNK_BYTES ((size_t)1 << 20)

/* Numbers that look like chance, the same in every run: neither zeros nor anything that compresses. */
static uint64_t next_number(uint64_t *state) {
        *state ^= *state << 13;
        *state ^= *state >> 7;
        *state ^= *state << 17;
        return *state;
}

/* Another beginning for every file, and never 0, where the numbers would stay. */
static uint64_t first_number(const struct tree *tree, uint32_t i) {
        return ((uint64_t)tree->seed << 32 | (i + 1)) * 0x9e3779b97f4a7c15u | 1;
}

static int write_numbers(int fd, uint64_t bytes, uint64_t state, uint64_t *chunk) {
        while (bytes > 0) {
                size_t n = bytes < CHUNK_BYTES ? (size_t)bytes : CHUNK_BYTES;

                for (size_t i = 0; i < (n + sizeof(*chunk) - 1) / sizeof(*chunk); i++)
                        chunk[i] = next_number(&state);
                if (bench_write_all(fd, chunk, n) < 0)
                        return -1;
                bytes -= n;
        }
        return 0;
}

/* Owner, mode, and times with nanoseconds, which only a copy that cares for them keeps. */
static int dress(const struct tree *tree, int fd, uint32_t i, mode_t mode) {
        struct timespec when = {.tv_sec = tree->seconds + i, .tv_nsec = (long)(i * 49979u % 1000000000u)};
        struct timespec times[2] = {when, when};

        return fchown(fd, tree->uid, tree->gid) < 0 || fchmod(fd, mode) < 0 || futimens(fd, times) < 0 ? -1 : 0;
}

static int make_file(const struct tree *tree, const char *path, uint32_t i, uint64_t bytes, uint64_t *chunk) {
        static const mode_t modes[] = {0644, 0600, 0755, 0640};
        int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600), ret;

        if (fd < 0)
                return bench_fail("%s: %s", path, strerror(errno));
        ret = write_numbers(fd, bytes, first_number(tree, i), chunk);
        if (ret == 0)
                ret = dress(tree, fd, i, modes[i % 4]);
        if (ret < 0)
                bench_fail("%s: %s", path, strerror(errno));
        close(fd);
        return ret;
}

/* After what is in it, which changes its times. */
static int dress_directory(const struct tree *tree, const char *path, uint32_t i) {
        int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), ret;

        ret = fd < 0 ? -1 : dress(tree, fd, i, i % 2 == 0 ? 0755 : 0750);
        if (ret < 0)
                bench_fail("%s: %s", path, strerror(errno));
        if (fd >= 0)
                close(fd);
        return ret;
}

static int make_directory(const struct tree *tree, const char *path, uint32_t number, uint64_t *chunk) {
        if (mkdir(path, 0700) < 0)
                return bench_fail("%s: %s", path, strerror(errno));
        for (uint32_t i = 0; i < tree->files && !bench_stop; i++) {
                char *file = bench_format("%s/file-%04u", path, i);
                uint32_t n = number * tree->files + i;
                uint64_t state = (uint64_t)(n + 1) * 0x2545f4914f6cdd1du; /* the size: whatever the seed */
                uint64_t bytes = tree->least_bytes;
                int ret;

                if (tree->most_bytes > tree->least_bytes)
                        bytes += next_number(&state) % (tree->most_bytes - tree->least_bytes + 1);
                ret = make_file(tree, file, n, bytes, chunk);
                free(file);
                if (ret < 0)
                        return -1;
        }
        return dress_directory(tree, path, number);
}

int tree_make(const struct tree *tree, const char *path) {
        uint64_t *chunk = bench_alloc(1, CHUNK_BYTES);
        int ret = 0;

        if (tree->directories == 0) {
                ret = make_file(tree, path, 0, tree->least_bytes, chunk);
        } else if (mkdir(path, 0700) < 0) {
                ret = bench_fail("%s: %s", path, strerror(errno));
        } else {
                for (uint32_t i = 0; i < tree->directories && ret == 0 && !bench_stop; i++) {
                        char *directory = bench_format("%s/directory-%03u", path, i);

                        ret = make_directory(tree, directory, i, chunk);
                        free(directory);
                }
                if (ret == 0)
                        ret = dress_directory(tree, path, tree->directories);
        }
        free(chunk);
        return bench_stop ? -1 : ret;
}

uint32_t tree_files(const struct tree *tree) {
        return tree->directories == 0 ? 1 : tree->directories * tree->files;
}

/* ---- comparing ---- */

static int compare_nodes(const char *a, const char *b, char *chunk);

static int open_both(const char *a, const char *b, int fds[2]) {
        fds[0] = open(a, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
        fds[1] = open(b, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
        if (fds[0] >= 0 && fds[1] >= 0)
                return 0;
        return bench_fail("%s: %s", fds[0] < 0 ? a : b, strerror(errno));
}

/* Files of the same size. */
static int compare_contents(const char *a, const char *b, off_t bytes, char *chunk) {
        int fds[2], ret = open_both(a, b, fds);
        char *other = chunk + CHUNK_BYTES;

        while (ret == 0 && bytes > 0 && !bench_stop) {
                size_t n = (size_t)bytes < CHUNK_BYTES ? (size_t)bytes : CHUNK_BYTES;

                if (bench_read_all(fds[0], chunk, n) < 0 || bench_read_all(fds[1], other, n) < 0)
                        ret = bench_fail("%s, %s: cannot be read", a, b);
                else if (memcmp(chunk, other, n) != 0)
                        ret = bench_fail("%s does not hold what %s does", b, a);
                bytes -= (off_t)n;
        }
        for (int i = 0; i < 2; i++)
                if (fds[i] >= 0)
                        close(fds[i]);
        return ret;
}

/* How many names a directory has; with ret < 0 of the first pair that differs in *ret. */
static uint32_t for_names(const char *a, const char *b, char *chunk, int *ret) {
        DIR *directory = opendir(a);
        struct dirent *entry;
        uint32_t n = 0;

        if (!directory)
                *ret = bench_fail("%s: %s", a, strerror(errno));
        while (directory && *ret == 0 && (entry = readdir(directory))) {
                char *of_a, *of_b;

                if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
                        continue;
                n++;
                if (!b)
                        continue;
                of_a = bench_format("%s/%s", a, entry->d_name);
                of_b = bench_format("%s/%s", b, entry->d_name);
                *ret = compare_nodes(of_a, of_b, chunk);
                free(of_a);
                free(of_b);
        }
        if (directory)
                closedir(directory);
        return n;
}

static int compare_directories(const char *a, const char *b, char *chunk) {
        int ret = 0;
        uint32_t of_a = for_names(a, b, chunk, &ret), of_b;

        if (ret < 0)
                return ret;
        of_b = for_names(b, NULL, NULL, &ret);
        if (ret == 0 && of_a != of_b)
                return bench_fail("%s has %u names, %s has %u", b, of_b, a, of_a);
        return ret;
}

static int compare_nodes(const char *a, const char *b, char *chunk) {
        struct stat of_a, of_b;

        if (lstat(a, &of_a) < 0 || lstat(b, &of_b) < 0)
                return bench_fail("%s or %s: %s", a, b, strerror(errno));
        if (of_a.st_mode != of_b.st_mode)
                return bench_fail("%s has mode %o, not %o", b, of_b.st_mode, of_a.st_mode);
        if (of_a.st_uid != of_b.st_uid || of_a.st_gid != of_b.st_gid)
                return bench_fail("%s belongs to %u:%u, not %u:%u", b, of_b.st_uid, of_b.st_gid, of_a.st_uid,
                                  of_a.st_gid);
        if (of_a.st_mtim.tv_sec != of_b.st_mtim.tv_sec || of_a.st_mtim.tv_nsec != of_b.st_mtim.tv_nsec)
                return bench_fail("%s was modified at another time", b);
        if (S_ISDIR(of_a.st_mode))
                return compare_directories(a, b, chunk);
        if (of_a.st_size != of_b.st_size)
                return bench_fail("%s has %lld bytes, not %lld", b, (long long)of_b.st_size, (long long)of_a.st_size);
        return compare_contents(a, b, of_a.st_size, chunk);
}

int tree_compare(const char *a, const char *b) {
        char *chunk = bench_alloc(2, CHUNK_BYTES);
        int ret = compare_nodes(a, b, chunk);

        free(chunk);
        return bench_stop ? -1 : ret;
}

/* ---- removing ---- */

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw) {
        (void)st;
        (void)type;
        (void)ftw;
        if (remove(path) < 0)
                bench_fail("%s: %s", path, strerror(errno));
        return 0;
}

int tree_remove(const char *path) {
        struct stat st;

        if (!path || (lstat(path, &st) < 0 && errno == ENOENT))
                return 0;
        if (nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT) < 0)
                bench_fail("%s: %s", path, strerror(errno));
        return lstat(path, &st) < 0 && errno == ENOENT ? 0 : -1;
}
