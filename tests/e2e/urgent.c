/* SPDX-License-Identifier: MIT */
/*
 * urgent: sends the daemon a descriptor that takes very long to be closed (a TCP socket with something to send that
 * nobody reads, and SO_LINGER) as urgent data, and something behind it. Says "sent"; until it is killed.
 *
 *      urgent SOCKET
 */
#include <arpa/inet.h>
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
        struct linger linger = {.l_onoff = 1, .l_linger = 3600};
        int fd = socket(AF_INET, SOCK_STREAM, 0);

        if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || accept(listener, NULL, NULL) < 0)
                exit(2);
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
        while (send(fd, data, sizeof(data), MSG_DONTWAIT) > 0)
                ;
        return fd;
}

static void send_urgent(int to, int fd) {
        _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {0};
        struct iovec part = {.iov_base = (char[]){'x'}, .iov_len = 1};
        struct msghdr message = {
                .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);

        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(header), &fd, sizeof(int));
        if (sendmsg(to, &message, MSG_OOB | MSG_NOSIGNAL) < 0) {
                printf("SKIP: this kernel has no urgent data on Unix sockets\n");
                exit(77);
        }
        close(fd);
}

int main(int argc, char **argv) {
        struct sockaddr_un daemon = {.sun_family = AF_UNIX};
        int to = socket(AF_UNIX, SOCK_STREAM, 0);

        if (argc != 2)
                return 2;
        snprintf(daemon.sun_path, sizeof(daemon.sun_path), "%s", argv[1]);
        if (connect(to, (struct sockaddr *)&daemon, sizeof(daemon)) < 0)
                return 2;
        listen_on_loopback();
        send_urgent(to, make_lingering());
        send(to, "x", 1, MSG_NOSIGNAL); /* what is behind it makes the kernel throw it away, if it does */
        printf("sent\n");
        fflush(stdout);
        for (;;)
                pause();
}
