/* SPDX-License-Identifier: MIT */
/*
 * storm: opens many connections, and on each sends batches of 256 pings (240 KiB) as fast as they are taken, for some
 * seconds, reading what is answered. Says how many were sent.
 *
 *      storm SOCKET CONNECTIONS SECONDS
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "proto/arena.h"
#include "proto/buffer.h"
#include "proto/codec.h"

enum { CONNECTIONS_MAX = 256, PINGS = 256, PING_BYTES = 957 };

static struct pollfd polls[CONNECTIONS_MAX];
static struct buffer out[CONNECTIONS_MAX];
static unsigned long sent;

static void encode(const struct message *message, struct buffer *buffer) {
        struct arena scratch;

        arena_init(&scratch, 4 << 20);
        if (codec_encode(&scratch, message, 0, WIRE_FRAME_BYTES_MAX, buffer) < 0)
                exit(2);
        arena_fini(&scratch);
}

static void encode_pings(uint64_t id, struct buffer *buffer) {
        static const uint8_t data[PING_BYTES];
        static struct operation ops[PINGS];
        struct message message = {.kind = MESSAGE_BATCH};

        for (unsigned i = 0; i < PINGS; i++)
                ops[i] = (struct operation){.verb = FSOP_VERB_PING, .args.ping = {data, sizeof(data)}};
        message.body.batch = (struct batch){.id = id, .ops = ops, .n_ops = PINGS};
        encode(&message, buffer);
}

static void go_on(unsigned i) {
        static char sink[1 << 20];
        ssize_t n;

        if (polls[i].revents & POLLIN && recv(polls[i].fd, sink, sizeof(sink), MSG_DONTWAIT) == 0)
                exit(3);
        if (!(polls[i].revents & POLLOUT))
                return;
        if (buffer_len(&out[i]) == 0)
                encode_pings(++sent, &out[i]);
        n = send(polls[i].fd, out[i].data + out[i].start, buffer_len(&out[i]), MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n > 0)
                buffer_consume(&out[i], (size_t)n, 1 << 20);
        else if (errno != EAGAIN)
                exit(3);
}

static void begin(const char *path, unsigned i) {
        struct message hello = {.kind = MESSAGE_HELLO};
        struct sockaddr_un address = {.sun_family = AF_UNIX};

        hello.body.hello = (struct hello){.version_min = 1, .version_max = 1};
        snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
        polls[i] = (struct pollfd){.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), .events = POLLIN | POLLOUT};
        if (polls[i].fd < 0 || connect(polls[i].fd, (struct sockaddr *)&address, sizeof(address)) < 0)
                exit(2);
        encode(&hello, &out[i]);
        polls[i].revents = POLLOUT;
        go_on(i); /* however long it takes until all are there */
}

int main(int argc, char **argv) {
        unsigned n = argc == 4 ? (unsigned)atoi(argv[2]) : 0;
        time_t end;

        if (n == 0 || n > CONNECTIONS_MAX)
                return 2;
        for (unsigned i = 0; i < n; i++)
                begin(argv[1], i);
        for (end = time(NULL) + atoi(argv[3]); time(NULL) < end;) {
                poll(polls, n, 100);
                for (unsigned i = 0; i < n; i++)
                        go_on(i);
        }
        printf("%lu batches\n", sent);
        return 0;
}
