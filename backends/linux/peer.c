/* SPDX-License-Identifier: MIT */
/*
 * peer.c: who is at the other end of a socket, and whether it sees the same tree as we do. The socket decides; /proc is
 * asked only under a descriptor of the very process, and what cannot be read counts against the peer.
 */
#include "backends/linux/sys_linux.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif

static int query_credentials(int socket, struct peer *peer) {
        struct ucred credentials = {0};
        socklen_t len = sizeof(credentials);

        if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &len) < 0)
                return error_from_errno(errno);
        if (len != sizeof(credentials) || credentials.uid == WIRE_NOBODY || credentials.gid == WIRE_NOBODY)
                return -FSOP_ENOTCONN;
        peer->uid = credentials.uid;
        peer->gid = credentials.gid;
        peer->pid = credentials.pid;
        return 0;
}

static int compare_ids(const void *a, const void *b) {
        const uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;

        return left < right ? -1 : left > right;
}

static int query_groups(int socket, struct peer *peer) {
        socklen_t bytes = 64 * sizeof(uint32_t);

        for (int tries = 0; tries < 8; tries++) {
                uint32_t *groups = malloc(bytes);
                socklen_t len = bytes;
                int error;

                if (groups == NULL)
                        return -FSOP_ENOMEM;
                if (getsockopt(socket, SOL_SOCKET, SO_PEERGROUPS, groups, &len) == 0) {
                        peer->groups = groups;
                        peer->n_groups = (uint32_t)(len / sizeof(uint32_t));
                        qsort(groups, peer->n_groups, sizeof(*groups), compare_ids);
                        return 0;
                }
                error = errno;
                free(groups);
                if (error != ERANGE)
                        return error_from_errno(error);
                bytes = len > bytes ? len : bytes * 2;
        }
        return -FSOP_E2BIG;
}

static void query_pidfd(int socket, struct peer *peer) {
        socklen_t len = sizeof(int);
        int fd = -1;

        if (getsockopt(socket, SOL_SOCKET, SO_PEERPIDFD, &fd, &len) < 0)
                fd = peer->pid > 0 ? (int)syscall(SYS_pidfd_open, (pid_t)peer->pid, 0) : -1;
        peer->pidfd = fd >= 0 ? fd : OS_FD_NONE;
}

/* A pidfd polls as readable from the end of its process on. */
static bool is_alive(const struct peer *peer) {
        struct pollfd poll_fd = {.fd = (int)peer->pidfd, .events = POLLIN};

        return peer->pidfd != OS_FD_NONE && poll(&poll_fd, 1, 0) == 0;
}

static bool is_foreign(int process_fd) {
        struct stat namespace;
        struct fsop_stat root;
        int fd, r;

        if (fstatat(process_fd, "ns/mnt", &namespace, 0) < 0)
                return true;
        if (namespace.st_ino != service.mount_namespace.ino || namespace.st_dev != service.mount_namespace.dev)
                return true;
        fd = openat(process_fd, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return true;
        r = lookup_stat(fd, "", false, &root);
        close(fd);
        return r < 0 || !same_object(&root, service.root.dev, service.root.ino) || root.mnt_id != service.root_mnt_id;
}

static bool shares_user_namespace(int process_fd) {
        struct stat own, theirs;

        return stat("/proc/self/ns/user", &own) == 0 && fstatat(process_fd, "ns/user", &theirs, 0) == 0 &&
               own.st_ino == theirs.st_ino && own.st_dev == theirs.st_dev;
}

/* The effective capabilities of a process all of whose uids are 0; else none. */
static uint64_t read_root_capabilities(int process_fd) {
        int fd = openat(process_fd, "status", O_RDONLY | O_CLOEXEC);
        FILE *file = fd >= 0 ? fdopen(fd, "r") : NULL;
        unsigned long long effective = 0;
        bool all_root = false;
        char line[256];

        if (file == NULL) {
                sys_close(fd);
                return 0;
        }
        while (fgets(line, sizeof(line), file) != NULL) {
                unsigned real, effective_uid, saved, fs;

                if (sscanf(line, "Uid: %u %u %u %u", &real, &effective_uid, &saved, &fs) == 4)
                        all_root = real == 0 && effective_uid == 0 && saved == 0 && fs == 0;
                else if (sscanf(line, "CapEff: %llx", &effective) == 1)
                        break;
        }
        fclose(file);
        return all_root ? (uint64_t)effective : 0;
}

/* What only /proc tells. It is believed if the process is still there afterwards: then it was its directory all
 * along. */
static void query_process(struct peer *peer) {
        uint64_t capabilities = 0;
        bool foreign;
        char path[32];
        int fd;

        peer->foreign = true;
        if (peer->pid <= 0 || peer->pidfd == OS_FD_NONE)
                return;
        snprintf(path, sizeof(path), "/proc/%lld", (long long)peer->pid);
        fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return;
        foreign = is_foreign(fd);
        if (peer->uid == 0 && shares_user_namespace(fd))
                capabilities = read_root_capabilities(fd);
        close(fd);
        if (!is_alive(peer))
                return;
        peer->foreign = foreign;
        peer->capabilities = capabilities;
        peer->fully_capable =
                peer->uid == 0 && !service.private_service && (capabilities & service.permitted) == service.permitted;
}

int peer_query(os_fd socket, struct peer *ret_peer) {
        struct peer peer = {.pidfd = OS_FD_NONE};
        int r;

        identity_wear_service();
        r = query_credentials((int)socket, &peer);
        if (r < 0)
                return r;
        r = query_groups((int)socket, &peer);
        if (r < 0)
                return r;
        query_pidfd((int)socket, &peer);
        query_process(&peer);
        sys_close(peer.pidfd); /* nothing is asked of it later, and ten thousand connections would have twice as many
                                  descriptors */
        peer.pidfd = OS_FD_NONE;
        *ret_peer = peer;
        return 0;
}

void peer_fini(struct peer *peer) {
        free(peer->groups);
        sys_close(peer->pidfd);
        *peer = (struct peer){.pidfd = OS_FD_NONE};
}
