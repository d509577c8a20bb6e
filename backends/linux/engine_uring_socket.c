/* SPDX-License-Identifier: MIT */
/*
 * engine_uring_socket.c: accept, receive, send and poll on the ring.
 *
 * Receiving takes its memory from a ring of buffers that all sockets share: an idle connection holds none. A buffer
 * goes back when done has run. When the kernel finds none left, or ends a multishot submission for another passing
 * reason, it is submitted again.
 */
#include "backends/linux/engine_uring.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>

#include "backends/posix/errors.h"

#define RING_BYTES (URING_BUFFERS * sizeof(struct io_uring_buf))

static uint8_t *buffer_at(struct uring *e, unsigned id) {
        return e->buffers + (size_t)id * URING_BUFFER_BYTES;
}

static void give_buffer(struct uring *e, unsigned id) {
        io_uring_buf_ring_add(e->buffer_ring, buffer_at(e, id), URING_BUFFER_BYTES, (unsigned short)id,
                              io_uring_buf_ring_mask(URING_BUFFERS), 0);
        io_uring_buf_ring_advance(e->buffer_ring, 1);
}

/* The buffers are mapped, not touched: memory is used as data comes. */
int uring_buffers_open(struct uring *e, const char **ret_why) {
        size_t bytes = (size_t)URING_BUFFERS * URING_BUFFER_BYTES;
        struct io_uring_buf_reg reg = {.ring_entries = URING_BUFFERS, .bgid = URING_BUFFER_GROUP};
        void *ring = mmap(NULL, RING_BYTES, PROT_READ | PROT_WRITE, MAP_ANONYMOUS | MAP_PRIVATE, -1, 0);
        void *buffers = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_ANONYMOUS | MAP_PRIVATE, -1, 0);

        *ret_why = "there is no memory for its buffers";
        e->buffer_ring = ring == MAP_FAILED ? NULL : ring;
        e->buffers = buffers == MAP_FAILED ? NULL : buffers;
        if (!e->buffer_ring || !e->buffers)
                return -FSOP_ENOMEM;
        io_uring_buf_ring_init(e->buffer_ring);
        reg.ring_addr = (uint64_t)(uintptr_t)ring;
        int r = io_uring_register_buf_ring(&e->ring, &reg, 0);
        if (r < 0) {
                *ret_why = "this kernel has no buffer rings (Linux 5.19)";
                return error_from_errno(-r);
        }
        for (unsigned i = 0; i < URING_BUFFERS; i++)
                give_buffer(e, i);
        e->receive_message.msg_controllen = sizeof(struct socket_control);
        return 0;
}

/* After the ring is gone. */
void uring_buffers_close(struct uring *e) {
        if (e->buffer_ring)
                munmap(e->buffer_ring, RING_BYTES);
        if (e->buffers)
                munmap(e->buffers, (size_t)URING_BUFFERS * URING_BUFFER_BYTES);
}

bool uring_is_socket_io(const struct io *io) {
        return io->kind == IO_ACCEPT || io->kind == IO_RECEIVE || io->kind == IO_SEND || io->kind == IO_POLL;
}

/* ---- submitting -------------------------------------------------------------------------------------------------- */

/* The ring answers EAGAIN for a non-blocking listener instead of waiting. */
static void make_blocking(os_fd fd) {
        int flags = fcntl((int)fd, F_GETFL);

        if (flags >= 0 && flags & O_NONBLOCK)
                fcntl((int)fd, F_SETFL, flags & ~O_NONBLOCK);
}

static int prepare_send(struct uring *e, struct io *io, struct io_uring_sqe *sqe) {
        uint64_t sent = io->engine_word[WORD_PROGRESS];
        const uint8_t *data = io->u.send.data + sent;
        size_t len = io->u.send.len - sent;
        struct scratch *scratch;

        if (io->u.send.n_fds > SOCKET_FDS_MAX)
                return EINVAL;
        if (io->u.send.n_fds == 0 || sent > 0) {
                io_uring_prep_send(sqe, (int)io->u.send.fd, data, len, MSG_NOSIGNAL | MSG_WAITALL);
                return 0;
        }
        scratch = uring_scratch(e, io);
        if (!scratch)
                return ENOMEM;
        scratch->u.send.part = (struct iovec){.iov_base = (void *)(uintptr_t)data, .iov_len = len};
        scratch->u.send.message = (struct msghdr){.msg_iov = &scratch->u.send.part, .msg_iovlen = 1};
        socket_put_fds(&scratch->u.send.message, &scratch->u.send.control, io->u.send.fds, io->u.send.n_fds);
        io_uring_prep_sendmsg(sqe, (int)io->u.send.fd, &scratch->u.send.message, MSG_NOSIGNAL | MSG_WAITALL);
        return 0;
}

static int prepare(struct uring *e, struct io *io, struct io_uring_sqe *sqe) {
        switch (io->kind) {
        case IO_ACCEPT:
                make_blocking(io->u.accept.fd);
                io_uring_prep_multishot_accept(sqe, (int)io->u.accept.fd, NULL, NULL, SOCK_CLOEXEC);
                return 0;
        case IO_RECEIVE:
                io_uring_prep_recvmsg_multishot(sqe, (int)io->u.receive.fd, &e->receive_message, MSG_CMSG_CLOEXEC);
                sqe->flags |= IOSQE_BUFFER_SELECT;
                sqe->buf_group = URING_BUFFER_GROUP;
                return 0;
        case IO_SEND:
                return prepare_send(e, io, sqe);
        default:
                io_uring_prep_poll_add(sqe, (int)io->u.poll.fd, (unsigned)socket_poll_events(io->u.poll.fd));
                return 0;
        }
}

int uring_prepare_socket(struct uring *e, struct io *io, struct io_uring_sqe *sqe) {
        int error = prepare(e, io, sqe);

        sqe->personality = e->service_personality; /* last: to prepare a submission clears it */
        return error;
}

/* ---- completing -------------------------------------------------------------------------------------------------- */

/* A submission ended that is meant to go on: again, unless it was told to end. */
static int go_on(struct uring *e, struct io *io) {
        if (io->engine_word[WORD_CANCELLED])
                return uring_finish(e, io, -FSOP_ECANCELED, 0);
        uring_arm(e, io);
        return 0;
}

static int fail(struct uring *e, struct io *io, int os_error) {
        return uring_finish(e, io, error_from_errno(os_error), os_error == ECANCELED ? 0 : os_error);
}

/* Reports, and goes on by itself where the kernel does not. */
static int report_and_go_on(struct uring *e, struct io *io, int64_t result, bool armed) {
        int n = uring_report(e, io, result);

        return armed ? n : n + go_on(e, io);
}

static int complete_accept(struct uring *e, struct io *io, int32_t result, bool armed) {
        if (result >= 0)
                return report_and_go_on(e, io, result, armed);
        if (armed)
                return 0;
        return socket_error_passes(-result) ? go_on(e, io) : fail(e, io, -result);
}

/* Finds data and descriptors in a buffer that the kernel filled. */
static int64_t take_received(struct uring *e, struct io *io, uint8_t *buffer, int32_t bytes) {
        struct io_uring_recvmsg_out *out = io_uring_recvmsg_validate(buffer, bytes, &e->receive_message);
        struct msghdr message = {0};

        if (!out)
                return -FSOP_EIO;
        message.msg_control = buffer + sizeof(*out);
        message.msg_controllen = out->controllen;
        io->flags &= ~(unsigned)IO_FDS_LOST;
        if (out->flags & MSG_CTRUNC)
                io->flags |= IO_FDS_LOST;
        io->u.receive.fds = e->fds;
        io->u.receive.n_fds = socket_take_fds(&message, e->fds);
        io->u.receive.data = io_uring_recvmsg_payload(out, &e->receive_message);
        return io_uring_recvmsg_payload_length(out, bytes, &e->receive_message);
}

static int complete_receive(struct uring *e, struct io *io, int32_t result, uint32_t cqe_flags) {
        unsigned id = cqe_flags >> IORING_CQE_BUFFER_SHIFT;
        bool armed = cqe_flags & IORING_CQE_F_MORE;
        int64_t bytes;
        int n;

        if (result < 0 || !(cqe_flags & IORING_CQE_F_BUFFER)) {
                if (armed)
                        return 0;
                if (result == -ENOBUFS || socket_error_passes(-result))
                        return go_on(e, io);
                return result == 0 ? uring_finish(e, io, 0, 0) : fail(e, io, -result);
        }
        bytes = take_received(e, io, buffer_at(e, id), result);
        if (bytes > 0) {
                n = uring_report(e, io, bytes);
                give_buffer(e, id); /* before it is armed again, which may need one */
                return armed ? n : n + go_on(e, io);
        }
        give_buffer(e, id);
        return armed ? 0 : uring_finish(e, io, bytes, 0);
}

static int complete_send(struct uring *e, struct io *io, int32_t result) {
        if (result < 0)
                return socket_error_passes(-result) ? go_on(e, io) : fail(e, io, -result);
        io->engine_word[WORD_PROGRESS] += (uint64_t)result;
        if (io->engine_word[WORD_PROGRESS] < io->u.send.len)
                return go_on(e, io);
        return uring_finish(e, io, (int64_t)io->u.send.len, 0);
}

int uring_complete_socket(struct uring *e, struct io *io, int32_t result, uint32_t cqe_flags) {
        switch (io->kind) {
        case IO_ACCEPT:
                return complete_accept(e, io, result, cqe_flags & IORING_CQE_F_MORE);
        case IO_RECEIVE:
                return complete_receive(e, io, result, cqe_flags);
        case IO_SEND:
                return complete_send(e, io, result);
        default:
                if (result < 0)
                        return socket_error_passes(-result) ? go_on(e, io) : fail(e, io, -result);
                return uring_finish(e, io, result & POLLNVAL ? -FSOP_EBADF : 0, 0);
        }
}
