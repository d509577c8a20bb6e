/* SPDX-License-Identifier: MIT */
/*
 * plain.c: the system calls themselves, on absolute paths: in a loop, and behind a bare echo over a Unix socket. This
 * is what the daemon is held against: it makes the same calls, with checks around them.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "tests/bench/bench.h"

/* What goes to the echo server and comes back unchanged, but for the error. Only the used part of the path travels. */
struct echo_message {
        uint32_t len; /* of all */
        uint32_t what, follow, uid, gid;
        int32_t error;
        char value[BENCH_XATTR_BYTES];
        char path[1024];
};

uid_t files_owner(const struct files *files, uint32_t phase) {
        return files->owners[phase & 1];
}

const char *files_value(uint32_t phase) {
        static const char values[2][BENCH_XATTR_BYTES + 1] = {"0123456789abcdef", "fedcba9876543210"};

        return values[phase & 1];
}

static int plain_setxattr(const char *path, bool follow, const char *value) {
        if (follow)
                return setxattr(path, BENCH_XATTR, value, BENCH_XATTR_BYTES, 0);
        return lsetxattr(path, BENCH_XATTR, value, BENCH_XATTR_BYTES, 0);
}

int plain_call(enum what what, const char *path, bool follow, uid_t uid, gid_t gid, const char *value) {
        int flags = follow ? 0 : AT_SYMLINK_NOFOLLOW, ret = -1;
        struct statx stx;

        switch (what) {
        case WHAT_STAT:
                ret = statx(AT_FDCWD, path, flags, STATX_BASIC_STATS | STATX_BTIME | STATX_MNT_ID, &stx);
                break;
        case WHAT_CHOWN:
                ret = fchownat(AT_FDCWD, path, uid, gid, flags);
                break;
        case WHAT_SETXATTR:
                ret = plain_setxattr(path, follow, value);
                break;
        }
        return ret < 0 ? errno : 0;
}

uint64_t plain_run(const struct files *files, const struct job *job) {
        uint64_t begin = bench_now_ns();

        for (uint32_t pass = 0; pass < job->passes && !bench_stop; pass++) {
                uid_t uid = files_owner(files, job->phase + pass);
                const char *value = files_value(job->phase + pass);

                for (uint32_t i = 0; i < job->n_files; i++) {
                        int error = plain_call(job->what, files->paths[i], files->follow, uid, files->group, value);

                        if (error != 0) {
                                bench_fail("plain loop: %s: %s", files->paths[i], strerror(error));
                                return 0;
                        }
                }
        }
        return bench_now_ns() - begin;
}

/* ---- the echo ---- */

/* A message is small, and comes in one piece unless a signal or the kernel splits it. */
static int echo_receive(int fd, struct echo_message *message) {
        ssize_t n = read(fd, message, sizeof(*message));

        if (n < (ssize_t)sizeof(message->len) || message->len > sizeof(*message))
                return -1;
        return bench_read_all(fd, (char *)message + n, message->len - (size_t)n);
}

void echo_serve(int fd) {
        struct echo_message message;

        while (echo_receive(fd, &message) == 0) {
                message.error = plain_call((enum what)message.what, message.path, message.follow != 0, message.uid,
                                           message.gid, message.value);
                if (bench_write_all(fd, &message, message.len) < 0)
                        return;
        }
}

static void echo_prepare(struct echo_message *message, const struct files *files, const struct job *job, uint32_t i) {
        uint32_t phase = job->phase + i / job->n_files;
        const char *path = files->paths[i % job->n_files];
        size_t len = strlen(path) + 1;

        message->what = (uint32_t)job->what;
        message->follow = files->follow;
        message->uid = files_owner(files, phase);
        message->gid = files->group;
        message->error = 0;
        memcpy(message->value, files_value(phase), BENCH_XATTR_BYTES);
        memcpy(message->path, path, len);
        message->len = (uint32_t)(offsetof(struct echo_message, path) + len);
}

uint64_t echo_run(int fd, const struct files *files, const struct job *job, uint32_t *samples) {
        uint64_t begin = bench_now_ns(), last = begin;
        struct echo_message message;

        for (uint32_t i = 0; i < job->n_files * job->passes; i++) {
                uint64_t now;

                echo_prepare(&message, files, job, i);
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
