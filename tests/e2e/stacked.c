/* SPDX-License-Identifier: MIT */
/*
 * stacked: a client with mounts of its own, as anybody may have them in a user namespace: an overlay over a FUSE
 * filesystem that it serves itself. It opens a handle of the overlay by a descriptor that it passes, and asks by that
 * handle for an attribute, which its server never answers. Says "asked" once the server has been asked; until it is
 * killed.
 *
 *      stacked SOCKET DIRECTORY      DIRECTORY: where it mounts; empty, the user's own
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/fsop.h"
#include "tests/support/fuse_server.h"

#define ATTRIBUTE "user.unanswered"

static int fuse;

static void answer(const struct fuse_in_header *in, int error, const void *data, size_t len) {
        fuse_server_answer(fuse, in->unique, error, data, len);
}

static void serve_one(const struct fuse_in_header *in) {
        const char *name = (const char *)(in + 1) + sizeof(struct fuse_getxattr_in);
        struct fuse_init_out init = {.major = FUSE_KERNEL_VERSION, .minor = 31, .max_write = 4096};
        struct fuse_attr_out attr = {.attr_valid = 3600,
                                     .attr = {.ino = FUSE_ROOT_ID, .mode = S_IFDIR | 0777, .nlink = 2}};
        struct fuse_statfs_out statfs = {.st = {.bsize = 4096, .namelen = 255}};
        struct fuse_open_out opened = {.fh = 1};

        switch (in->opcode) {
        case FUSE_INIT:
                answer(in, 0, &init, sizeof(init));
                break;
        case FUSE_GETATTR:
                answer(in, 0, &attr, sizeof(attr));
                break;
        case FUSE_STATFS:
                answer(in, 0, &statfs, sizeof(statfs));
                break;
        case FUSE_OPENDIR:
                answer(in, 0, &opened, sizeof(opened));
                break;
        case FUSE_LOOKUP:
                answer(in, ENOENT, NULL, 0);
                break;
        case FUSE_GETXATTR:
                if (strcmp(name, ATTRIBUTE) != 0) {
                        answer(in, ENODATA, NULL, 0);
                        break;
                }
                printf("asked\n");
                fflush(stdout);
                break;
        case FUSE_FORGET:
        case FUSE_BATCH_FORGET:
        case FUSE_INTERRUPT:
                break;
        default:
                answer(in, ENOSYS, NULL, 0);
        }
}

static void serve(void) {
        static char buffer[1 << 17];

        for (;;)
                if (fuse_server_read(fuse, buffer, sizeof(buffer)))
                        serve_one((const struct fuse_in_header *)(const void *)buffer);
}

static int put(const char *path, const char *text) {
        int fd = open(path, O_WRONLY | O_CLOEXEC), r = fd >= 0 && write(fd, text, strlen(text)) > 0 ? 0 : -1;

        close(fd);
        return r;
}

/* Root in namespaces of its own, where "fuse" and "stack" in DIRECTORY are. */
static int make_namespaces(const char *directory) {
        char uids[64], gids[64];

        snprintf(uids, sizeof(uids), "0 %u 1", (unsigned)getuid());
        snprintf(gids, sizeof(gids), "0 %u 1", (unsigned)getgid());
        if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0 || put("/proc/self/setgroups", "deny") < 0 ||
            put("/proc/self/uid_map", uids) < 0 || put("/proc/self/gid_map", gids) < 0 ||
            mount("stacked", directory, "tmpfs", 0, "mode=755") < 0 || chdir(directory) < 0)
                return -1;
        return mkdir("fuse", 0755) == 0 && mkdir("other", 0755) == 0 && mkdir("stack", 0755) == 0 ? 0 : -1;
}

static int fail(const struct fsop_client *client, const char *what) {
        printf("%s: %s\n", what, (const char *)fsop_last_error(client)->message.data);
        return 1;
}

static int ask(struct fsop_client *client) {
        const struct fsop_getxattr_args args = {.size = sizeof(args),
                                                .name = {(const uint8_t *)ATTRIBUTE, strlen(ATTRIBUTE)}};
        struct fsop_handle handle;
        struct fsop_bytes value;
        struct fsop_at stack;

        if (mount("stacked", "stack", "overlay", 0, "lowerdir=fuse:other") < 0)
                return printf("SKIP: cannot mount an overlay in a user namespace: %s\n", strerror(errno)), 77;
        stack = fsop_at_fd(open("stack", O_PATH | O_CLOEXEC), "", false);
        if (fsop_opendir(client, &stack, &handle) < 0)
                return fail(client, "opendir");
        stack = fsop_at_handle(handle, "", false);
        return fsop_getxattr(client, &stack, &args, &value) < 0 ? fail(client, ATTRIBUTE) : 0;
}

int main(int argc, char **argv) {
        struct fsop_client_options options = {.size = sizeof(options)};
        struct fsop_client *client;
        pid_t child;

        if (argc != 3)
                return 2;
        options.socket_path = argv[1];
        if (fsop_open(&options, &client) < 0) /* in the namespace the daemon's uid would be nobody's */
                return printf("no connection\n"), 1;
        if (make_namespaces(argv[2]) < 0)
                return printf("SKIP: no namespaces for users: %s\n", strerror(errno)), 77;
        fuse = fuse_server_mount("stacked", "fuse");
        if (fuse < 0)
                return 77;
        child = fork();
        if (child < 0)
                return 1;
        if (child == 0) {
                prctl(PR_SET_PDEATHSIG, SIGKILL);
                serve();
        }
        close(fuse);
        return ask(client);
}
