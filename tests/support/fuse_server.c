/* SPDX-License-Identifier: MIT */
#include "tests/support/fuse_server.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

int fuse_server_mount(const char *name, const char *directory) {
        char options[128];
        int fuse = open("/dev/fuse", O_RDWR | O_CLOEXEC);

        if (fuse < 0) {
                printf("SKIP: /dev/fuse: %s\n", strerror(errno));
                return -1;
        }
        snprintf(options, sizeof(options), "fd=%d,rootmode=40777,user_id=0,group_id=0,allow_other", fuse);
        if (mount(name, directory, "fuse", MS_NOSUID | MS_NODEV, options) < 0) {
                printf("SKIP: cannot mount a FUSE filesystem: %s\n", strerror(errno));
                close(fuse);
                return -1;
        }
        return fuse;
}

void fuse_server_answer(int fuse, uint64_t unique, int error, const void *data, size_t len) {
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
        if (write(fuse, &out, out.header.len) < 0 && errno != ENOENT) /* it was interrupted */
                perror("an answer of FUSE");
}

_Bool fuse_server_read(int fuse, void *buffer, size_t bytes) {
        if (read(fuse, buffer, bytes) >= 0)
                return 1;
        if (errno != EINTR && errno != ENOENT)
                exit(errno == ENODEV ? 0 : 1);
        return 0;
}
