/* SPDX-License-Identifier: MIT */
/*
 * engine_sockets.c: control messages and passing errors, for both engines.
 */
#include "backends/linux/engine_sockets.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>

#include "backends/pool/io_list.h"
#include "backends/posix/errors.h"

uint32_t socket_take_fds(struct msghdr *message, os_fd *ret_fds) {
        uint32_t n = 0;

        for (struct cmsghdr *part = CMSG_FIRSTHDR(message); part; part = CMSG_NXTHDR(message, part)) {
                if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS)
                        continue;
                size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
                for (size_t i = 0; i < count && n < SOCKET_FDS_MAX; i++) {
                        int fd;

                        memcpy(&fd, CMSG_DATA(part) + i * sizeof(int), sizeof(int));
                        ret_fds[n++] = fd;
                }
        }
        return n;
}

void socket_put_fds(struct msghdr *message, struct socket_control *control, const os_fd *fds, uint32_t n_fds) {
        struct cmsghdr *part;

        if (n_fds == 0)
                return;
        memset(control, 0, CMSG_SPACE(n_fds * sizeof(int)));
        message->msg_control = control;
        message->msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
        part = CMSG_FIRSTHDR(message);
        part->cmsg_level = SOL_SOCKET;
        part->cmsg_type = SCM_RIGHTS;
        part->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
        for (uint32_t i = 0; i < n_fds; i++) {
                int fd = (int)fds[i];

                memcpy(CMSG_DATA(part) + i * sizeof(int), &fd, sizeof(int));
        }
}

static ssize_t send_with_fds(const struct io *io, const uint8_t *data, size_t len, int flags) {
        struct socket_control control;
        struct iovec part = {.iov_base = (void *)(uintptr_t)data, .iov_len = len};
        struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};

        socket_put_fds(&message, &control, io->u.send.fds, io->u.send.n_fds);
        return sendmsg((int)io->u.send.fd, &message, flags);
}

/* Most answers carry no descriptors: then the simpler call will do, which costs less. */
static ssize_t send_once(const struct io *io, uint64_t sent) {
        const int flags = MSG_DONTWAIT | MSG_NOSIGNAL;
        const uint8_t *data = io->u.send.data + sent;
        size_t len = io->u.send.len - sent;

        if (io->u.send.n_fds == 0 || sent > 0)
                return send((int)io->u.send.fd, data, len, flags);
        return send_with_fds(io, data, len, flags);
}

bool socket_send_some(struct io *io, uint64_t *sent, int64_t *ret_result, int *ret_error) {
        while (*sent < io->u.send.len) {
                ssize_t n = send_once(io, *sent);

                if (n >= 0) {
                        *sent += (uint64_t)n;
                } else if (errno == EAGAIN) {
                        return false;
                } else if (errno != EINTR) {
                        *ret_error = errno;
                        *ret_result = error_from_errno(errno);
                        return true;
                }
        }
        *ret_error = 0;
        *ret_result = (int64_t)io->u.send.len;
        return true;
}

bool socket_end_at_once(struct io *io, int64_t result, int os_error) {
        if (!(io->flags & IO_AT_ONCE))
                return false;
        io->flags |= IO_ENDED;
        io->result = result;
        io->os_error = os_error;
        io->engine_state = IO_STATE_IDLE;
        return true;
}

bool socket_error_passes(int os_error) {
        return os_error == EAGAIN || os_error == EINTR || os_error == ECONNABORTED;
}

short socket_poll_events(os_fd fd) {
        struct stat st;

        if (fstat((int)fd, &st) == 0 && S_ISREG(st.st_mode))
                return POLLPRI | POLLERR;
        return POLLIN | POLLPRI | POLLERR;
}
