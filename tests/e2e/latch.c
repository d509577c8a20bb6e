/* SPDX-License-Identifier: MIT */
/*
 * latch: holds the kernel's lock of a file, as anybody can who may mount a FUSE filesystem (in a user namespace all
 * may): writes to it from memory that is mapped from a FUSE file which is never read. Says "held" once it must be;
 * until it is killed.
 *
 *      latch DIRECTORY FILE        DIRECTORY: where it mounts; FILE: what it writes to
 *      latch DIRECTORY FILE list   FILE is a directory, and is listed into that memory
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/support/fuse_server.h"

#define BYTES 4096u
#define FILE_NODE 2u

static int fuse;

static void answer(uint64_t unique, int error, const void *data, size_t len) {
        fuse_server_answer(fuse, unique, error, data, len);
}

static struct fuse_attr attr_of(uint64_t node) {
        return (struct fuse_attr){
                .ino = node, .mode = node == FUSE_ROOT_ID ? S_IFDIR | 0777 : S_IFREG | 0666, .size = BYTES, .nlink = 1};
}

static void serve_one(const struct fuse_in_header *in) {
        struct fuse_init_out init = {.major = FUSE_KERNEL_VERSION, .minor = 31, .max_write = 4096};
        struct fuse_attr_out attr = {.attr = attr_of(in->nodeid)};
        struct fuse_entry_out entry = {.nodeid = FILE_NODE, .generation = 1, .entry_valid = 3600, .attr_valid = 3600};
        struct fuse_open_out opened = {.fh = 1};

        entry.attr = attr_of(FILE_NODE);
        switch (in->opcode) {
        case FUSE_INIT:
                answer(in->unique, 0, &init, sizeof(init));
                break;
        case FUSE_GETATTR:
                answer(in->unique, 0, &attr, sizeof(attr));
                break;
        case FUSE_LOOKUP:
                answer(in->unique, 0, &entry, sizeof(entry));
                break;
        case FUSE_OPEN:
                answer(in->unique, 0, &opened, sizeof(opened));
                break;
        case FUSE_READ: /* the lock is held by now */
                printf("held\n");
                fflush(stdout);
                break;
        case FUSE_FORGET:
        case FUSE_BATCH_FORGET:
        case FUSE_INTERRUPT:
                break;
        default:
                answer(in->unique, ENOSYS, NULL, 0);
        }
}

static void serve(void) {
        static char buffer[1 << 17];

        for (;;)
                if (fuse_server_read(fuse, buffer, sizeof(buffer)))
                        serve_one((const struct fuse_in_header *)(const void *)buffer);
}

static int hold(const char *directory, const char *path, int lists) {
        char name[4096];
        int from, to = open(path, lists ? O_RDONLY | O_DIRECTORY : O_WRONLY);
        char *memory;

        snprintf(name, sizeof(name), "%s/file", directory);
        from = open(name, O_RDWR);
        if (from < 0 || to < 0)
                return 1;
        memory = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE, from, 0);
        if (memory == MAP_FAILED)
                return 1;
        return lists ? syscall(SYS_getdents64, to, memory, BYTES) < 0 : write(to, memory, BYTES) < 0;
}

int main(int argc, char **argv) {
        pid_t child;

        if (argc != 3 && argc != 4)
                return 2;
        fuse = fuse_server_mount("latch", argv[1]);
        if (fuse < 0)
                return 77;
        child = fork();
        if (child < 0)
                return 1;
        if (child == 0) {
                close(fuse);
                return hold(argv[1], argv[2], argc == 4);
        }
        serve();
        return 0;
}
