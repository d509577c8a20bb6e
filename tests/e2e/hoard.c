/* SPDX-License-Identifier: MIT */
/*
 * hoard: opens many connections, and on each asks for large answers together with a copy that takes long, so that the
 * answers that are ready must wait for it. Says "hoarding" once all is asked for, and keeps it up until standard input
 * ends.
 *
 *      hoard SOCKET CONNECTIONS LARGE-FILE SPARSE-FILE TARGET
 */
#include <errno.h>
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

enum { BATCHES = 64, CONNECTIONS_MAX = 256 };

static struct bytes text(const char *string) {
        return (struct bytes){(const uint8_t *)string, strlen(string)};
}

static void encode(const struct message *message, struct buffer *buffer) {
        struct arena scratch;

        arena_init(&scratch, 1 << 22);
        if (codec_encode(&scratch, message, 0, WIRE_FRAME_BYTES_MAX, buffer) < 0)
                exit(2);
        arena_fini(&scratch);
}

static void encode_batch(uint64_t id, struct operation *ops, uint32_t n_ops, struct buffer *buffer) {
        struct message message = {.kind = MESSAGE_BATCH};

        message.body.batch = (struct batch){.id = id, .ops = ops, .n_ops = n_ops};
        encode(&message, buffer);
}

static int begin(const char *path) {
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
        if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
                exit(2);
        return fd;
}

int main(int argc, char **argv) {
        struct operation open_op = {
                .verb = FSOP_VERB_OPEN, .as = FSOP_AS_CALLER, .at.kind = LOCATION_PATH, .args.open.read = true};
        struct operation ops[3] = {
                {.verb = FSOP_VERB_READ, .at.kind = LOCATION_HANDLE, .args.read.length = 524288},
                {.verb = FSOP_VERB_READ, .at.kind = LOCATION_HANDLE, .args.read.length = 200000},
                {.verb = FSOP_VERB_COPY_RANGE,
                 .at.kind = LOCATION_PATH,
                 .to.kind = LOCATION_PATH,
                 .args.copy_range.clone = FSOP_CLONE_NEVER},
        };
        int fds[CONNECTIONS_MAX], n_fds = argc == 6 ? atoi(argv[2]) : 0;
        char byte;

        if (n_fds <= 0 || n_fds > CONNECTIONS_MAX)
                return 2;
        open_op.at.path = text(argv[3]);
        ops[2].at.path = text(argv[4]);
        ops[2].to.path = text(argv[5]);
        for (int i = 0; i < n_fds; i++) {
                struct message hello = {.kind = MESSAGE_HELLO};
                struct buffer buffer = {0};

                hello.body.hello = (struct hello){.version_min = 1, .version_max = 1};
                encode(&hello, &buffer);
                encode_batch(1, &open_op, 1, &buffer);
                /* the first handle of a connection: slot 0 of generation 1 */
                ops[0].at.handle = ops[1].at.handle = UINT64_C(1) << 32;
                fds[i] = begin(argv[1]);
                if (send(fds[i], buffer.data + buffer.start, buffer_len(&buffer), MSG_NOSIGNAL) < 0)
                        return 2;
                poll(&(struct pollfd){.fd = fds[i], .events = POLLIN}, 1, 2000); /* Welcome; the handle soon after */
                usleep(20000);
                buffer_consume(&buffer, buffer_len(&buffer), 0);
                for (uint64_t id = 2; id < 2 + BATCHES; id++)
                        encode_batch(id, ops, 3, &buffer);
                if (send(fds[i], buffer.data + buffer.start, buffer_len(&buffer), MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
                        return 2;
                buffer_fini(&buffer);
        }
        printf("hoarding\n");
        fflush(stdout);
        while (read(STDIN_FILENO, &byte, 1) > 0)
                ;
        return 0;
}
