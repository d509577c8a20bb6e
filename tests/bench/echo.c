/* SPDX-License-Identifier: MIT */
/*
 * echo.c: the least that a server can be: takes a message of the size of a request, makes the system call, sends the
 * message back. One serves a single client, with calls that block; the other whoever connects, with epoll.
 */
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/bench/bench.h"

/* A message is small, and comes in one piece unless a signal or the kernel splits it. */
int echo_receive(int fd, struct echo_message *message) {
        ssize_t n = read(fd, message, sizeof(*message));

        if (n < (ssize_t)sizeof(message->len) || message->len > sizeof(*message))
                return -1;
        return bench_read_all(fd, (char *)message + n, message->len - (size_t)n);
}

static int serve_one(int fd) {
        struct echo_message message;

        if (echo_receive(fd, &message) < 0)
                return -1;
        message.error = plain_call((enum what)message.what, message.path, message.follow != 0, message.uid, message.gid,
                                   message.value);
        return bench_write_all(fd, &message, message.len);
}

void echo_serve(int fd) {
        while (serve_one(fd) == 0)
                ;
}

static void serve_event(int set, int listener, int fd) {
        struct epoll_event event = {.events = EPOLLIN};

        if (fd != listener) {
                if (serve_one(fd) < 0)
                        close(fd);
                return;
        }
        event.data.fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        if (event.data.fd >= 0)
                epoll_ctl(set, EPOLL_CTL_ADD, event.data.fd, &event);
}

void echo_serve_many(int listener) {
        struct epoll_event events[64] = {{.events = EPOLLIN, .data.fd = listener}};
        int set = epoll_create1(EPOLL_CLOEXEC);

        if (set < 0 || epoll_ctl(set, EPOLL_CTL_ADD, listener, &events[0]) < 0) {
                bench_fail("echo server: %s", strerror(errno));
                return;
        }
        for (;;) {
                int n = epoll_wait(set, events, 64, -1);

                if (n < 0 && errno != EINTR)
                        return;
                for (int i = 0; i < n; i++)
                        serve_event(set, listener, events[i].data.fd);
        }
}

void echo_prepare(struct echo_message *message, const struct files *files, enum what what, const char *path,
                  uint32_t phase) {
        size_t len = strlen(path) + 1;

        message->what = (uint32_t)what;
        message->follow = files->follow;
        message->uid = files_owner(files, phase);
        message->gid = files->group;
        message->error = 0;
        memcpy(message->value, files_value(phase), BENCH_XATTR_BYTES);
        memcpy(message->path, path, len);
        message->len = (uint32_t)(offsetof(struct echo_message, path) + len);
}

uint64_t echo_run(int fd, const struct files *files, const struct work *work, uint32_t *samples) {
        uint64_t begin = bench_now_ns(), last = begin;
        struct echo_message message;

        for (uint32_t i = 0; i < work->n_files * work->passes; i++) {
                const char *path = files->paths[i % work->n_files];
                uint64_t now;

                echo_prepare(&message, files, work->what, path, work->phase + i / work->n_files);
                if (bench_write_all(fd, &message, message.len) < 0 || echo_receive(fd, &message) < 0) {
                        bench_fail("the echo server went away");
                        return 0;
                }
                if (message.error != 0) {
                        bench_fail("echo server: %s: %s", message.path, strerror(message.error));
                        return 0;
                }
                now = bench_now_ns();
                samples[i] = (uint32_t)(now - last);
                last = now;
        }
        return last - begin;
}
