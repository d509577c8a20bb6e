/* SPDX-License-Identifier: MIT */
/*
 * linger: sends the daemon descriptors that take very long to be closed (TCP sockets with something to send that nobody
 * reads, and SO_LINGER). Says "sent"; until it is killed.
 *
 *      linger SOCKET urgent
 *
 * one, as urgent data, and something behind it
 *
 *      linger SOCKET NUMBER
 *
 * one by each of so many connections
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int listener;
static struct sockaddr_in address;

static void listen_on_loopback(void) {
        socklen_t len = sizeof(address);
        int little = 2048;

        listener = socket(AF_INET, SOCK_STREAM, 0);
        setsockopt(listener, SOL_SOCKET, SO_RCVBUF, &little, sizeof(little));
        address = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
        if (bind(listener, (struct sockaddr *)&address, len) < 0 || listen(listener, 1) < 0 ||
            getsockname(listener, (struct sockaddr *)&address, &len) < 0)
                exit(2);
}

static int make_lingering(void) {
        static char data[1 << 16];
        int little = 4096; /* and no more is to be sent than keeps it from being closed */
        struct linger linger = {.l_onoff = 1, .l_linger = 3600};
        int fd = socket(AF_INET, SOCK_STREAM, 0);

        if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || accept(listener, NULL, NULL) < 0)
                exit(2);
        setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &little, sizeof(little));
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
        while (send(fd, data, sizeof(data), MSG_DONTWAIT) > 0)
                ;
        return fd;
}

static int connect_to(const char *path) {
        struct sockaddr_un daemon = {.sun_family = AF_UNIX};
        int fd = socket(AF_UNIX, SOCK_STREAM, 0);

        snprintf(daemon.sun_path, sizeof(daemon.sun_path), "%s", path);
        if (fd < 0 || connect(fd, (struct sockaddr *)&daemon, sizeof(daemon)) < 0)
                exit(2);
        return fd;
}

/* The descriptor is only the other end's then. */
static int send_away(int to, int fd, int flags) {
        _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {0};
        struct iovec part = {.iov_base = (char[]){'x'}, .iov_len = 1};
        struct msghdr message = {
                .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);

        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(header), &fd, sizeof(int));
        if (sendmsg(to, &message, flags | MSG_NOSIGNAL) < 0)
                return -1;
        return close(fd);
}

int main(int argc, char **argv) {
        if (argc != 3)
                return 2;
        listen_on_loopback();
        if (strcmp(argv[2], "urgent") == 0) {
                int to = connect_to(argv[1]);

                if (send_away(to, make_lingering(), MSG_OOB) < 0) {
                        if (errno != EOPNOTSUPP)
                                return 2;
                        printf("SKIP: this kernel has no urgent data on Unix sockets\n");
                        return 77;
                }
                send(to, "x", 1, MSG_NOSIGNAL); /* what is behind it makes the kernel throw it away, if it does */
        }
        for (int i = 0; i < atoi(argv[2]); i++)
                send_away(connect_to(argv[1]), make_lingering(), 0); /* unless it has been refused already */
        printf("sent\n");
        fflush(stdout);
        for (;;)
                pause();
}
