/* SPDX-License-Identifier: MIT */
/*
 * hungfs: a FUSE filesystem that mounts, shows its root directory, and answers nothing else, ever. Says "mounted" and runs
 * until it is killed; the mount then answers ENOTCONN and is the caller's to remove.
 *
 *      hungfs DIRECTORY [later]
 *
 * later: it says what kind of filesystem it is, too, so that a job with it can be submitted, and hangs when that runs.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

static int answer(int fuse, uint64_t unique, int error, const void *data, size_t len) {
        struct {
                struct fuse_out_header header;
                char data[256];
        } out;

        memset(&out, 0, sizeof(out));
        out.header.unique = unique;
        out.header.error = -error;
        out.header.len = (uint32_t)(sizeof(out.header) + len);
        if (len > 0)
                memcpy(out.data, data, len);
        return write(fuse, &out, out.header.len) < 0 ? -errno : 0;
}

static int serve(int fuse, int later) {
        static char buffer[1 << 17];

        for (;;) {
                const struct fuse_in_header *in = (const struct fuse_in_header *)buffer;
                struct fuse_init_out init = {.major = FUSE_KERNEL_VERSION, .minor = 31, .max_write = 4096, .max_background = 8};
                struct fuse_statfs_out statfs = {.st = {.blocks = 1000, .bfree = 1000, .bavail = 1000, .bsize = 4096, .namelen = 255}};
                struct fuse_attr_out attr = {.attr = {.ino = 1, .mode = S_IFDIR | 0777, .nlink = 2}};

                if (read(fuse, buffer, sizeof(buffer)) < 0) {
                        if (errno == EINTR || errno == ENOENT)
                                continue;
                        return errno == ENODEV ? 0 : 1;
                }
                if (in->opcode == FUSE_INIT)
                        answer(fuse, in->unique, 0, &init, sizeof(init));
                else if (in->opcode == FUSE_GETATTR && in->nodeid == 1)
                        answer(fuse, in->unique, 0, &attr, sizeof(attr));
                else if (in->opcode == FUSE_STATFS && later)
                        answer(fuse, in->unique, 0, &statfs, sizeof(statfs));
                else if (later && in->opcode != FUSE_LOOKUP && in->opcode != FUSE_MKDIR && in->opcode != FUSE_OPENDIR)
                        answer(fuse, in->unique, ENOSYS, NULL, 0); /* FUSE_STATX among them */
        }
}

int main(int argc, char **argv) {
        char options[128];
        int fuse;

        if (argc != 2 && argc != 3)
                return 2;
        fuse = open("/dev/fuse", O_RDWR | O_CLOEXEC);
        if (fuse < 0) {
                printf("SKIP: /dev/fuse: %s\n", strerror(errno));
                return 77;
        }
        snprintf(options, sizeof(options), "fd=%d,rootmode=40777,user_id=0,group_id=0,allow_other", fuse);
        if (mount("hungfs", argv[1], "fuse", MS_NOSUID | MS_NODEV, options) < 0) {
                printf("SKIP: cannot mount a FUSE filesystem: %s\n", strerror(errno));
                return 77;
        }
        printf("mounted\n");
        fflush(stdout);
        return serve(fuse, argc == 3);
}
