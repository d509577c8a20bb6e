/* SPDX-License-Identifier: MIT */
/*
 * hungfs: a FUSE filesystem that mounts, shows its root directory, and answers nothing else, ever; or everything, but
 * slowly. Says "mounted" and runs until it is killed; the mount then answers ENOTCONN and is the caller's to remove.
 *
 *      hungfs DIRECTORY [later | slow MS]
 *
 * later: it says what kind of filesystem it is, too, so that a job with it can be submitted, and hangs when that runs.
 * slow: every name is an empty file, or a directory where it begins with "dir", and "no..." does not exist; attributes
 * are taken and forgotten. Each answer takes MS milliseconds, however many are asked at once; SIGUSR1 makes it quick,
 * SIGUSR2 slow again: it says so when it is. Names that begin with "kept" are known to the kernel for an hour, others
 * are asked for each time. Names that begin with "large" are files of 1 GiB, which nobody reads to the end.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "tests/support/fuse_server.h"

#define SLOW_THREADS 64
#define REQUEST_BYTES (1u << 17)
#define DIRECTORY_BIT ((uint64_t)1 << 62) /* of a node's number */
#define LARGE_BIT ((uint64_t)1 << 61)
#define LARGE_BYTES ((uint64_t)1 << 30)

enum mode { HUNG, LATER, SLOW };

static int fuse;
static enum mode mode;
static long sleep_ms;
static int quick; /* atomic: signals and threads */

static bool is_quick(void) {
        return __atomic_load_n(&quick, __ATOMIC_RELAXED);
}

static void answer(uint64_t unique, int error, const void *data, size_t len) {
        fuse_server_answer(fuse, unique, error, data, len);
}

static struct fuse_attr attr_of(uint64_t node) {
        int is_directory = node == FUSE_ROOT_ID || node & DIRECTORY_BIT;

        return (struct fuse_attr){.ino = node,
                                  .size = node & LARGE_BIT ? LARGE_BYTES : 0,
                                  .mode = is_directory ? S_IFDIR | 0777 : S_IFREG | 0666,
                                  .nlink = is_directory ? 2 : 1};
}

static uint64_t node_of(uint64_t parent, const char *name) {
        uint64_t hash = parent * 1099511628211u;

        while (*name)
                hash = (hash ^ (unsigned char)*name++) * 1099511628211u;
        return (hash & (LARGE_BIT - 1)) | 2;
}

static void answer_lookup(const struct fuse_in_header *in) {
        const char *name = (const char *)(in + 1);
        struct fuse_entry_out entry = {.nodeid = node_of(in->nodeid, name), .generation = 1};

        if (strncmp(name, "no", 2) == 0) {
                answer(in->unique, ENOENT, NULL, 0);
                return;
        }
        if (strstr(name, "dir") == name || strncmp(name, "kept-dir", 8) == 0)
                entry.nodeid |= DIRECTORY_BIT;
        if (strncmp(name, "large", 5) == 0)
                entry.nodeid |= LARGE_BIT;
        if (strncmp(name, "kept", 4) == 0)
                entry.entry_valid = 3600;
        entry.attr = attr_of(entry.nodeid);
        answer(in->unique, 0, &entry, sizeof(entry));
}

static void answer_read(const struct fuse_in_header *in) {
        static char zeros[REQUEST_BYTES];
        const struct fuse_read_in *read_in = (const struct fuse_read_in *)(const void *)(in + 1);
        uint32_t len = !(in->nodeid & LARGE_BIT)       ? 0
                       : read_in->size < sizeof(zeros) ? read_in->size
                                                       : (uint32_t)sizeof(zeros);
        struct fuse_out_header out = {.len = (uint32_t)sizeof(out) + len, .unique = in->unique};
        struct iovec parts[] = {{&out, sizeof(out)}, {zeros, len}};

        if (writev(fuse, parts, 2) < 0 && errno != ENOENT)
                perror("an answer of FUSE");
}

/* Whether it was one for which this filesystem has an answer at once. */
static int answer_common(const struct fuse_in_header *in) {
        struct fuse_init_out init = {
                .major = FUSE_KERNEL_VERSION, .minor = 31, .max_write = 4096, .max_background = 64};
        struct fuse_attr_out attr = {.attr = attr_of(in->nodeid)};

        if (in->opcode == FUSE_INIT)
                answer(in->unique, 0, &init, sizeof(init));
        else if (in->opcode == FUSE_GETATTR && in->nodeid == FUSE_ROOT_ID && (mode != SLOW || is_quick()))
                answer(in->unique, 0, &attr, sizeof(attr));
        else
                return in->opcode == FUSE_FORGET || in->opcode == FUSE_BATCH_FORGET || in->opcode == FUSE_INTERRUPT;
        return 1;
}

static void answer_later(const struct fuse_in_header *in) {
        struct fuse_statfs_out statfs = {
                .st = {.blocks = 1000, .bfree = 1000, .bavail = 1000, .bsize = 4096, .namelen = 255}};

        if (in->opcode == FUSE_STATFS)
                answer(in->unique, 0, &statfs, sizeof(statfs));
        else if (in->opcode != FUSE_LOOKUP && in->opcode != FUSE_MKDIR && in->opcode != FUSE_OPENDIR)
                answer(in->unique, ENOSYS, NULL, 0); /* FUSE_STATX among them */
}

static void answer_slowly(const struct fuse_in_header *in) {
        struct timespec left = {.tv_sec = sleep_ms / 1000, .tv_nsec = sleep_ms % 1000 * 1000000};
        struct fuse_statfs_out statfs = {
                .st = {.blocks = 1000, .bfree = 1000, .bavail = 1000, .bsize = 4096, .namelen = 255}};
        struct fuse_attr_out attr = {.attr = attr_of(in->nodeid)};
        struct fuse_open_out open_out = {.fh = 1};

        while (!is_quick() && nanosleep(&left, &left) < 0 && errno == EINTR)
                ;
        switch (in->opcode) {
        case FUSE_LOOKUP:
                answer_lookup(in);
                return;
        case FUSE_GETATTR:
        case FUSE_SETATTR:
                answer(in->unique, 0, &attr, sizeof(attr));
                return;
        case FUSE_OPEN:
        case FUSE_OPENDIR:
                answer(in->unique, 0, &open_out, sizeof(open_out));
                return;
        case FUSE_STATFS:
                answer(in->unique, 0, &statfs, sizeof(statfs));
                return;
        case FUSE_GETXATTR:
        case FUSE_LISTXATTR:
                answer(in->unique, ENODATA, NULL, 0);
                return;
        case FUSE_READ:
                answer_read(in);
                return;
        case FUSE_UNLINK:
        case FUSE_RMDIR:
        case FUSE_READDIR:
        case FUSE_FLUSH:
        case FUSE_FSYNC:
        case FUSE_RELEASE:
        case FUSE_RELEASEDIR:
                answer(in->unique, 0, NULL, 0);
                return;
        default:
                answer(in->unique, ENOSYS, NULL, 0);
        }
}

static void *serve(void *nothing) {
        char *buffer = malloc(REQUEST_BYTES);

        while (buffer) {
                const struct fuse_in_header *in = (const struct fuse_in_header *)(const void *)buffer;

                if (!fuse_server_read(fuse, buffer, REQUEST_BYTES) || answer_common(in))
                        continue;
                if (mode == LATER)
                        answer_later(in);
                else if (mode == SLOW)
                        answer_slowly(in);
        }
        return nothing;
}

static void become_quick(int sig) {
        bool now = sig == SIGUSR1;

        __atomic_store_n(&quick, now, __ATOMIC_RELAXED);
        if (write(STDOUT_FILENO, now ? "quick\n" : "slow\n", now ? 6 : 5) < 0)
                _exit(1);
}

int main(int argc, char **argv) {
        pthread_t thread;

        if (argc == 3 && strcmp(argv[2], "later") == 0)
                mode = LATER;
        else if (argc == 4 && strcmp(argv[2], "slow") == 0)
                mode = SLOW;
        else if (argc != 2)
                return 2;
        if (mode == SLOW)
                sleep_ms = strtol(argv[3], NULL, 10);
        signal(SIGUSR1, become_quick);
        signal(SIGUSR2, become_quick);
        fuse = fuse_server_mount("hungfs", argv[1]);
        if (fuse < 0)
                return 77;
        printf("mounted\n");
        fflush(stdout);
        for (int i = 1; mode == SLOW && i < SLOW_THREADS; i++)
                if (pthread_create(&thread, NULL, serve, NULL) != 0)
                        return 1;
        serve(NULL);
        return 0;
}
