/* SPDX-License-Identifier: MIT */
/*
 * listen.h: where connections come from: the daemon's own socket, or those that the service manager hands over. What
 * cannot be accepted, for want of descriptors, waits in the kernel's queue. Loop thread only.
 */
#ifndef FSOP_LISTEN_H
#define FSOP_LISTEN_H

#include "backends/engine.h"
#include "backends/service.h"

#define LISTENERS_MAX 4u

struct server;

/* Part of the server. */
struct listening {
        struct io accepts[LISTENERS_MAX];
        struct service_socket sockets[LISTENERS_MAX];
        uint32_t n;
        uint32_t accepting; /* of those, how many are out */
        uint64_t again_ms;  /* out of descriptors: not before; 0: accepting as usual */
        uint32_t pause_ms;  /* how long was waited last; 0: accepting works */
        bool own_socket;    /* made by us, not inherited: the only one then, and named as the settings say */
        os_fd lock;         /* of the own socket */
};

/* Whether a socket's directory is the default one, which is made where it is not there. */
bool listen_is_default_directory(const char *directory, bool private_service);
/* Takes what the service manager hands over: their directories are the daemon's own before the rules are read. 0, or
 * -FSOP_E… after saying in the log why not. */
int listen_inherit(struct server *server);
/* Begins to accept there, or on the socket that the settings name. Likewise. */
int listen_start(struct server *server);
/* Where that is, in words. */
void listen_name_sockets(const struct server *server, char *buffer, size_t buffer_bytes);
/* After a pause: tries again when the time has come. */
void listen_tick(struct server *server);
/* No further connection is accepted: cancels, and removes the socket. `accepting` is 0 when all that has come back. */
void listen_stop(struct server *server);
/* Removes the own socket, if it is still there. */
void listen_remove_socket(struct server *server);

#endif
