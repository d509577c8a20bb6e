/* SPDX-License-Identifier: MIT */
/*
 * crowd: many connections at once, that do little or nothing. Says what became of them in one line, then keeps what is
 * open until standard input ends.
 *
 *      crowd idle SOCKET N         connects N times and says Hello: "N welcome, M refused"
 *      crowd stall SOCKET N        connects N times, says nothing, and waits until the daemon has closed them: "N
 *                                  closed, none sooner than S": seconds from before it connected
 *      crowd slow SOCKET N         connects N times, asks for more than a socket holds, and does not read: "N asked";
 *                                  then, when a line comes from standard input, reads it all: "N answered"
 *      crowd share SOCKET UID UID  as root: the first user keeps 8 connections busy with failing stats in batches of
 *                                  1024, the second asks for `status` again and again: how many operations failed
 *                                  between two of its answers: "least L, median M"
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "proto/arena.h"
#include "proto/buffer.h"
#include "proto/codec.h"
#include "proto/frame.h"

enum {
        SLOW_OPS = 1000,
        SLOW_BATCHES = 3,
        GREEDY = 8,
        GREEDY_OPS = 1024,
        GREEDY_BATCHES = 3,
        ASKED = 200,
        WAIT_MS = 60000
};

static struct bytes text(const char *string) {
        return (struct bytes){(const uint8_t *)string, strlen(string)};
}

static void fail(const char *what) {
        fprintf(stderr, "crowd: %s: %s\n", what, strerror(errno));
        exit(2);
}

static double seconds(void) {
        struct timespec now;

        clock_gettime(CLOCK_MONOTONIC, &now);
        return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static struct buffer encode(const struct message *message) {
        struct arena scratch;
        struct buffer buffer = {0};

        arena_init(&scratch, 1 << 22);
        if (codec_encode(&scratch, message, 0, WIRE_FRAME_BYTES_MAX, &buffer) < 0)
                exit(2);
        arena_fini(&scratch);
        return buffer;
}

static struct buffer encode_hello(void) {
        struct message message = {.kind = MESSAGE_HELLO, .body.hello = {.version_min = 1, .version_max = 1}};

        return encode(&message);
}

static struct buffer encode_stats(uint64_t id, const char *path, uint32_t n) {
        struct message message = {.kind = MESSAGE_BATCH};
        struct operation *ops = calloc(n, sizeof(*ops));
        struct buffer buffer;

        for (uint32_t i = 0; ops && i < n; i++)
                ops[i] = (struct operation){.verb = FSOP_VERB_STAT,
                                            .as = FSOP_AS_CALLER,
                                            .at = {.kind = LOCATION_PATH, .path = text(path)}};
        message.body.batch = (struct batch){.id = id, .ops = ops, .n_ops = n};
        buffer = encode(&message);
        free(ops);
        return buffer;
}

/* A connection, or -1 when it is refused. A full backlog is waited for. */
static int begin(const char *path) {
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
        if (fd < 0)
                fail("socket");
        if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
                return fd;
        close(fd);
        return -1;
}

static bool put(int fd, const struct buffer *buffer) {
        const uint8_t *data = buffer->data + buffer->start;
        size_t len = buffer_len(buffer), sent = 0;

        while (sent < len) {
                ssize_t n = send(fd, data + sent, len - sent, MSG_NOSIGNAL);

                if (n <= 0)
                        return false;
                sent += (size_t)n;
        }
        return true;
}

static bool get(int fd, void *data, size_t len) {
        for (size_t got = 0; got < len;) {
                struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
                ssize_t n = poll(&poll_fd, 1, WAIT_MS) == 1 ? recv(fd, (char *)data + got, len - got, 0) : -1;

                if (n <= 0)
                        return false;
                got += (size_t)n;
        }
        return true;
}

/* One message, in the arena. */
static bool get_message(int fd, struct arena *arena, struct message *ret) {
        uint8_t start[FRAME_HEADER_BYTES], *body;
        struct frame_header header;
        struct error error;

        if (!get(fd, start, sizeof(start)) ||
            frame_read_header(start, sizeof(start), WIRE_FRAME_BYTES_MAX, &header) != 1)
                return false;
        body = arena_alloc(arena, header.body_bytes);
        return body && get(fd, body, header.body_bytes) &&
               codec_decode_reply(arena, (struct bytes){body, header.body_bytes}, 0, ret, &error) == 0;
}

static bool is_welcome(int fd) {
        struct arena arena;
        struct message message;
        bool welcome;

        arena_init(&arena, 1 << 22);
        welcome = get_message(fd, &arena, &message) && message.kind == MESSAGE_WELCOME;
        arena_fini(&arena);
        return welcome;
}

static void say(const char *line) {
        printf("%s\n", line);
        fflush(stdout);
}

static void stay(void) {
        char byte;

        while (read(STDIN_FILENO, &byte, 1) > 0)
                ;
}

static void idle(const char *path, int n, int *fds) {
        struct buffer hello = encode_hello();
        int n_welcome = 0;
        char line[64];

        for (int i = 0; i < n; i++) {
                fds[i] = begin(path);
                if (fds[i] >= 0 && put(fds[i], &hello) && is_welcome(fds[i])) {
                        n_welcome++;
                } else if (fds[i] >= 0) {
                        close(fds[i]);
                        fds[i] = -1;
                }
        }
        snprintf(line, sizeof(line), "%d welcome, %d refused", n_welcome, n - n_welcome);
        say(line);
        stay();
        buffer_fini(&hello);
}

static void stall(const char *path, int n, int *fds) {
        double *began = calloc((size_t)n, sizeof(*began)), least = 1e9;
        int n_closed = 0;
        char byte, line[64];

        for (int i = 0; began && i < n; i++) {
                began[i] = seconds();
                fds[i] = begin(path);
        }
        say("stalling");
        for (int i = 0; began && i < n; i++) {
                ssize_t got = 1;

                while (fds[i] >= 0 && got > 0) {
                        struct pollfd poll_fd = {.fd = fds[i], .events = POLLIN};

                        got = poll(&poll_fd, 1, WAIT_MS) == 1 ? recv(fds[i], &byte, 1, 0) : -1;
                }
                n_closed += fds[i] >= 0 && got == 0;
                if (seconds() - began[i] < least)
                        least = seconds() - began[i];
        }
        snprintf(line, sizeof(line), "%d closed, none sooner than %.1f", n_closed, least);
        say(line);
        free(began);
        stay();
}

static bool read_answers(int fd, unsigned n_batches) {
        while (n_batches > 0) {
                struct arena arena;
                struct message message;
                bool got;

                arena_init(&arena, 1 << 22);
                got = get_message(fd, &arena, &message) && message.kind == MESSAGE_RESULTS;
                n_batches -= got && message.body.results.last;
                arena_fini(&arena);
                if (!got)
                        return false;
        }
        return true;
}

/* Takes the whole frames from what came; returns how many batches they end. */
static unsigned take_frames(struct buffer *in) {
        struct frame_header header;
        unsigned n_last = 0;

        while (frame_read_header(in->data + in->start, buffer_len(in), WIRE_FRAME_BYTES_MAX, &header) == 1 &&
               buffer_len(in) >= FRAME_HEADER_BYTES + header.body_bytes) {
                struct bytes body = {in->data + in->start + FRAME_HEADER_BYTES, header.body_bytes};
                struct message message;
                struct arena arena;
                struct error error;

                arena_init(&arena, 1 << 22);
                n_last += codec_decode_reply(&arena, body, 0, &message, &error) == 0 &&
                          message.kind == MESSAGE_RESULTS && message.body.results.last;
                arena_fini(&arena);
                buffer_consume(in, FRAME_HEADER_BYTES + header.body_bytes, 0);
        }
        return n_last;
}

/* From all at once: what one has not read may keep another of the user's waiting. */
static int read_all(const int *fds, int n) {
        struct pollfd *polls = calloc((size_t)n, sizeof(*polls));
        struct buffer *in = calloc((size_t)n, sizeof(*in));
        unsigned *left = calloc((size_t)n, sizeof(*left));
        static uint8_t data[65536];
        int n_open = n, n_answered = 0;

        for (int i = 0; i < n; i++) {
                polls[i] = (struct pollfd){.fd = fds[i], .events = POLLIN};
                left[i] = SLOW_BATCHES;
        }
        while (n_open > 0 && poll(polls, (nfds_t)n, WAIT_MS) > 0)
                for (int i = 0; i < n; i++) {
                        ssize_t got = polls[i].fd >= 0 && polls[i].revents ? recv(fds[i], data, sizeof(data), 0) : -2;

                        if (got == -2)
                                continue;
                        if (got > 0 && buffer_append(&in[i], data, (size_t)got) == 0)
                                left[i] -= take_frames(&in[i]);
                        if (got > 0 && left[i] > 0)
                                continue;
                        n_answered += left[i] == 0;
                        polls[i].fd = -1;
                        n_open--;
                }
        free(polls);
        free(in);
        free(left);
        return n_answered;
}

static void slow(const char *path, int n, int *fds) {
        struct buffer hello = encode_hello();
        int n_asked = 0, n_answered = 0;
        char byte, line[64];

        for (int i = 0; i < n; i++) {
                bool asked = (fds[i] = begin(path)) >= 0 && put(fds[i], &hello) && is_welcome(fds[i]);

                for (uint64_t id = 1; asked && id <= SLOW_BATCHES; id++) {
                        struct buffer batch = encode_stats(id, "/", SLOW_OPS);

                        asked = put(fds[i], &batch);
                        buffer_fini(&batch);
                }
                n_asked += asked;
        }
        buffer_fini(&hello);
        snprintf(line, sizeof(line), "%d asked", n_asked);
        say(line);
        if (read(STDIN_FILENO, &byte, 1) <= 0)
                return;
        n_answered = read_all(fds, n);
        snprintf(line, sizeof(line), "%d answered", n_answered);
        say(line);
        stay();
}

/* ---- share ------------------------------------------------------------------------------------------------------- */

static int begin_as(const char *path, uid_t uid) {
        struct buffer hello = encode_hello();
        int fd;

        if (seteuid(uid) < 0)
                fail("seteuid");
        fd = begin(path);
        if (seteuid(0) < 0)
                fail("seteuid");
        if (fd < 0 || !put(fd, &hello) || !is_welcome(fd))
                fail("no connection");
        buffer_fini(&hello);
        return fd;
}

/* Keeps every connection of the greedy one full, in a process of its own. */
static void be_greedy(const int *fds) {
        struct pollfd polls[GREEDY];
        uint64_t id = 1;

        for (int i = 0; i < GREEDY; i++)
                for (int k = 0; k < GREEDY_BATCHES; k++) {
                        struct buffer batch = encode_stats(id++, "/nowhere/at/all", GREEDY_OPS);

                        put(fds[i], &batch);
                        buffer_fini(&batch);
                }
        for (;;) {
                for (int i = 0; i < GREEDY; i++)
                        polls[i] = (struct pollfd){.fd = fds[i], .events = POLLIN};
                poll(polls, GREEDY, -1);
                for (int i = 0; i < GREEDY; i++) {
                        struct buffer batch;

                        if (!(polls[i].revents & POLLIN))
                                continue;
                        if (!read_answers(fds[i], 1))
                                _exit(1);
                        batch = encode_stats(id++, "/nowhere/at/all", GREEDY_OPS);
                        if (!put(fds[i], &batch))
                                _exit(1);
                        buffer_fini(&batch);
                }
        }
}

static uint64_t failed_so_far(int fd, uint64_t id) {
        struct operation op = {.verb = FSOP_VERB_STATUS};
        struct message message = {.kind = MESSAGE_BATCH, .body.batch = {.id = id, .ops = &op, .n_ops = 1}};
        struct buffer batch = encode(&message);
        struct arena arena;
        uint64_t failed = 0;

        arena_init(&arena, 1 << 22);
        if (!put(fd, &batch) || !get_message(fd, &arena, &message) || message.kind != MESSAGE_RESULTS)
                fail("status");
        for (uint32_t i = 0; i < message.body.results.results[0].value.status.n_counters; i++) {
                const struct counter *counter = &message.body.results.results[0].value.status.counters[i];

                if (counter->name.len == 12 && memcmp(counter->name.data, "failed-total", 12) == 0)
                        failed = counter->value;
        }
        arena_fini(&arena);
        buffer_fini(&batch);
        return failed;
}

static int compare(const void *a, const void *b) {
        uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

        return x < y ? -1 : x > y;
}

static void share(const char *path, uid_t greedy, uid_t small) {
        int fds[GREEDY], fd = begin_as(path, small);
        uint64_t between[ASKED], id = 1, before;
        char line[96];
        pid_t pid;

        for (int i = 0; i < GREEDY; i++)
                fds[i] = begin_as(path, greedy);
        pid = fork();
        if (pid < 0)
                fail("fork");
        if (pid == 0) {
                prctl(PR_SET_PDEATHSIG, SIGKILL); /* whatever this one ends by */
                be_greedy(fds);
        }
        before = failed_so_far(fd, id++);
        while (failed_so_far(fd, id++) < before + 20000) /* it is at it */
                if (waitpid(pid, NULL, WNOHANG) != 0)
                        fail("the greedy one has ended");
        for (int i = 0; i < ASKED; i++) {
                before = failed_so_far(fd, id++);
                between[i] = failed_so_far(fd, id++) - before;
        }
        qsort(between, ASKED, sizeof(between[0]), compare);
        snprintf(line, sizeof(line), "least %llu, median %llu", (unsigned long long)between[0],
                 (unsigned long long)between[ASKED / 2]);
        say(line);
        kill(pid, SIGKILL);
}

int main(int argc, char **argv) {
        struct rlimit limit = {.rlim_cur = 20000, .rlim_max = 20000};
        int n = argc > 3 ? atoi(argv[3]) : 0, *fds = calloc((size_t)n + 1, sizeof(*fds));

        if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
                limit.rlim_cur = limit.rlim_max;
                setrlimit(RLIMIT_NOFILE, &limit);
        }
        if (argc < 4 || n <= 0 || !fds)
                return 2;
        if (strcmp(argv[1], "idle") == 0)
                idle(argv[2], n, fds);
        else if (strcmp(argv[1], "stall") == 0)
                stall(argv[2], n, fds);
        else if (strcmp(argv[1], "slow") == 0)
                slow(argv[2], n, fds);
        else if (strcmp(argv[1], "share") == 0 && argc == 5)
                share(argv[2], (uid_t)n, (uid_t)atoi(argv[4]));
        else
                return 2;
        free(fds);
        return 0;
}
