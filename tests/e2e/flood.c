/* SPDX-License-Identifier: MIT */
/*
 * flood: submits operations and never reads an answer. Stops after COUNT of them, or when the daemon has let it wait
 * for three seconds; prints how many the daemon took, then keeps the connection open until standard input ends.
 *
 *      flood SOCKET COUNT PATH
 */
#include <errno.h>
#include <fcntl.h>
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

enum { OPS_PER_BATCH = 250, PATIENCE_MS = 3000 };

static void encode(const struct message *message, struct buffer *buffer) {
        struct arena scratch;

        arena_init(&scratch, 1 << 22);
        if (codec_encode(&scratch, message, 0, WIRE_FRAME_BYTES_MAX, buffer) < 0)
                exit(2);
        arena_fini(&scratch);
}

/* Sends what is in the buffer; 1, 0 when the daemon takes no more, -1 when the connection is gone. */
static int send_some(int fd, struct buffer *buffer) {
        while (buffer_len(buffer) > 0) {
                struct pollfd poll_fd = {.fd = fd, .events = POLLOUT};
                ssize_t n = send(fd, buffer->data + buffer->start, buffer_len(buffer), MSG_NOSIGNAL | MSG_DONTWAIT);

                if (n > 0)
                        buffer_consume(buffer, (size_t)n, 1 << 20);
                else if (errno != EAGAIN)
                        return -1;
                else if (poll(&poll_fd, 1, PATIENCE_MS) == 0)
                        return 0;
        }
        return 1;
}

int main(int argc, char **argv) {
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        struct operation ops[OPS_PER_BATCH];
        struct message message = {.kind = MESSAGE_HELLO};
        struct buffer buffer = {0};
        unsigned long count, sent = 0;
        char byte;
        int fd, r = 1;

        if (argc != 4)
                return 2;
        count = strtoul(argv[2], NULL, 10);
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        snprintf(address.sun_path, sizeof(address.sun_path), "%s", argv[1]);
        if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
                return 2;

        message.body.hello = (struct hello){.version_min = 1, .version_max = 1};
        encode(&message, &buffer);
        memset(ops, 0, sizeof(ops));
        for (size_t i = 0; i < OPS_PER_BATCH; i++) {
                ops[i].verb = FSOP_VERB_STAT;
                ops[i].at.kind = LOCATION_PATH;
                ops[i].at.path = (struct bytes){(const uint8_t *)argv[3], strlen(argv[3])};
        }
        for (uint64_t id = 1; sent < count && (r = send_some(fd, &buffer)) > 0; id++) {
                message = (struct message){.kind = MESSAGE_BATCH};
                message.body.batch = (struct batch){.id = id, .ops = ops, .n_ops = OPS_PER_BATCH};
                encode(&message, &buffer);
                sent += OPS_PER_BATCH;
        }
        printf("%s after %lu operations\n", r < 0 ? "closed" : r == 0 ? "held back" : "all taken", sent);
        fflush(stdout);
        while (read(STDIN_FILENO, &byte, 1) > 0)
                ;
        return 0;
}
