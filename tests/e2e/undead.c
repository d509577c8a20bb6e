/* SPDX-License-Identifier: MIT */
/*
 * undead: a client that passes its own end of the connection, so that the daemon never sees that it is gone: in a batch
 * that watches a job which goes on for ever. It ends once the batch is sent; whether the connection ends, too, is the
 * daemon's affair.
 *
 *      undead SOCKET JOB
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "proto/arena.h"
#include "proto/buffer.h"
#include "proto/codec.h"

static void encode(const struct message *message, uint16_t n_fds, struct buffer *buffer) {
        struct arena scratch;

        arena_init(&scratch, 1 << 20);
        if (codec_encode(&scratch, message, n_fds, WIRE_FRAME_BYTES_MAX, buffer) < 0)
                exit(2);
        arena_fini(&scratch);
}

/* With fd, unless that is -1. */
static void send_all(int to, struct buffer *buffer, int fd) {
        union {
                struct cmsghdr header;
                char bytes[CMSG_SPACE(sizeof(int))];
        } control = {.header = {.cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS}};
        struct iovec data = {buffer->data + buffer->start, buffer_len(buffer)};
        struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1};

        memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
        if (fd >= 0) {
                message.msg_control = control.bytes;
                message.msg_controllen = sizeof(control.bytes);
        }
        if (sendmsg(to, &message, MSG_NOSIGNAL) != (ssize_t)data.iov_len)
                exit(2);
        buffer_consume(buffer, buffer_len(buffer), 0);
}

int main(int argc, char **argv) {
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        struct message hello = {.kind = MESSAGE_HELLO}, watch = {.kind = MESSAGE_BATCH};
        struct operation ops[2] = {{.verb = FSOP_VERB_STAT, .as = FSOP_AS_CALLER, .at.kind = LOCATION_FD},
                                   {.verb = FSOP_VERB_JOB_WATCH, .args.job = {.after = UINT64_MAX}}};
        struct buffer buffer = {0};
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        char welcome[4096];

        if (argc != 3 || fd < 0)
                return 2;
        ops[1].args.job.id = strtoull(argv[2], NULL, 10);
        snprintf(address.sun_path, sizeof(address.sun_path), "%s", argv[1]);
        if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
                return 2;
        hello.body.hello = (struct hello){.version_min = 1, .version_max = 1, .features = WIRE_FEATURE_FDS};
        encode(&hello, 0, &buffer);
        send_all(fd, &buffer, -1);
        poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, 2000);
        if (recv(fd, welcome, sizeof(welcome), 0) <= 0)
                return 2;
        watch.body.batch = (struct batch){.id = 1, .ops = ops, .n_ops = 2};
        encode(&watch, 1, &buffer);
        send_all(fd, &buffer, fd);
        buffer_fini(&buffer);
        return 0;
}
