/* SPDX-License-Identifier: MIT */
/*
 * engine_sockets.h: what both engines know about sockets: descriptors in control messages, and which errors mean
 * nothing.
 */
#ifndef FSOP_ENGINE_SOCKETS_H
#define FSOP_ENGINE_SOCKETS_H

#include <sys/socket.h>

#include "backends/engine.h"

#define SOCKET_FDS_MAX 253u /* as many as the kernel takes in one message */

/* Room for one SCM_RIGHTS message. */
struct socket_control {
        _Alignas(struct cmsghdr) char bytes[CMSG_SPACE(SOCKET_FDS_MAX * sizeof(int))];
};

/* The descriptors of a received message; those beyond SOCKET_FDS_MAX cannot exist. Returns their number. */
uint32_t socket_take_fds(struct msghdr *message, os_fd *ret_fds);

/* Puts descriptors into a message that is to be sent. Nothing when n_fds is 0. */
void socket_put_fds(struct msghdr *message, struct socket_control *control, const os_fd *fds, uint32_t n_fds);

/* Sends what the socket takes now of an IO_SEND of which SENT bytes are through. False: it waits for room. True: it is
 * finished, with this result. */
bool socket_send_some(struct io *io, uint64_t *sent, int64_t *ret_result, int *ret_error);

/* Ends a send that is through inside its submit, if it may end so. */
bool socket_end_at_once(struct io *io, int64_t result, int os_error);

/* Whether accept or recvmsg is simply to be called again later. */
bool socket_error_passes(int os_error);

/* What to ask of poll for IO_POLL. A regular file (procfs's mount table is one) is always readable: only what is out of
 * band tells of a change there. */
short socket_poll_events(os_fd fd);

#endif
