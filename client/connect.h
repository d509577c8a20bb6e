/* SPDX-License-Identifier: MIT */
/*
 * connect.h: what an operating system must provide to libfsop: the stream to the daemon with descriptors on it,
 * waiting, the wake-up, and what the process knows of itself (who, umask, where). One file per system implements it;
 * chosen at build time.
 *
 * Calls return 0 or a count, or -FSOP_E..., converted where the system call is made; the raw error goes to ret_os_error
 * where there is one. Nothing here takes locks. Everything opened is closed on exec.
 */
#ifndef FSOP_CONNECT_H
#define FSOP_CONNECT_H

#include "proto/message.h"
#include "proto/spin.h"

/* A descriptor (a HANDLE on Windows). */
#define CONNECT_FD_NONE ((intptr_t)-1)
#define CONNECT_FOREVER UINT64_MAX

struct connection {
        intptr_t fd;                    /* the stream; blocking, but used without */
        intptr_t wake_read, wake_write; /* may be the same */
        intptr_t watch;                 /* what event loops watch: ready when fd or the wake-up is; made on demand */
        bool watch_writes;              /* watch is ready when fd can be written to, too */
        volatile uint8_t *mark;         /* a byte that reads as 0 in a forked child; NULL: compare pid */
        int64_t pid;
        struct spin spin; /* how connect_wait waits; connect_init sets the default, fsop_set_spin_us() something else */
};

enum {
        CONNECT_READABLE = 1,
        CONNECT_WRITABLE = 2,
        CONNECT_WOKEN = 4,
};

/* Makes a connection without a stream: all descriptors absent. */
void connect_init(struct connection *connection);

/* Connects to the socket at PATH and prepares the wake-up. On failure nothing is held. */
int connect_open(struct connection *connection, const char *path, uint64_t timeout_ms, int32_t *ret_os_error);

/* The same around a connected stream; FD belongs to the connection, and is closed on failure. */
int connect_adopt(struct connection *connection, intptr_t fd, int32_t *ret_os_error);

/* Closes the stream only: nothing is received or sent any more, waiting and waking still work. */
void connect_shut(struct connection *connection);

/* Closes everything. */
void connect_close(struct connection *connection);

/* Whether this process is a fork of the one that made the connection. Cheap: no system call where it can be avoided. */
bool connect_is_forked(const struct connection *connection);

/* Where daemons listen by default: of the system, and (malloc'd; NULL if there is none) of this user. */
const char *connect_system_socket(void);
char *connect_private_socket(void);

/* The effective uid of the server's process, by the kernel; and our own. */
int connect_peer_uid(const struct connection *connection, uint32_t *ret_uid, int32_t *ret_os_error);
uint32_t connect_own_uid(void);

/*
 * Sends without blocking; the descriptors go with the first byte. Returns the bytes sent, -FSOP_EAGAIN when there is no
 * room, -FSOP_ECONNRESET when the other side is gone.
 */
int64_t connect_send(struct connection *connection, const void *data, size_t len, const intptr_t *fds, uint32_t n_fds,
                     int32_t *ret_os_error);

/*
 * Receives what is there. Received descriptors are put into fds, of which there is room for fds_max, and belong to the
 * caller, *ret_n_fds of them also on failure. Returns bytes (more than 0), -FSOP_EAGAIN when there is nothing,
 * -FSOP_ECONNRESET at the end of the stream, -FSOP_EPROTO when there were more than fds_max descriptors.
 */
int64_t connect_receive(struct connection *connection, void *data, size_t len, intptr_t *fds, uint32_t fds_max,
                        uint32_t *ret_n_fds, int32_t *ret_os_error);

/* Waits until the stream is readable (or writable if WRITES), or woken if WAKES. CONNECT_* bits, 0: the time is
 * over. */
int connect_wait(struct connection *connection, bool writes, bool wakes, uint64_t timeout_ms);

/* Wakes whoever waits with WAKES; any thread, signal handlers. Stays until cleared. */
void connect_wake(const struct connection *connection);
void connect_wake_clear(struct connection *connection);

/* The descriptor for event loops; made at the first call. */
int connect_watch(struct connection *connection, intptr_t *ret_fd, int32_t *ret_os_error);
/* Whether it shall be ready for writing too, from now on. */
void connect_watch_writes(struct connection *connection, bool writes);

/* A clock that only goes forward. */
uint64_t connect_now_ms(void);

/* A number not given out before in this process, never 0. Any thread. */
uint64_t connect_unique(void);

/* The umask, without changing it where the system can tell. */
uint32_t connect_umask(void);

void connect_fd_close(intptr_t fd);
int connect_fd_copy(intptr_t fd, intptr_t *ret_fd, int32_t *ret_os_error);

/* Writes the current directory, absolute, with a NUL; -FSOP_ENOENT where it has no path that leads to it. */
int connect_current_directory(char *path, size_t path_bytes, int32_t *ret_os_error);

/* The path of what PATH leads to, without links and dots, written with a NUL into an array of WIRE_PATH_BYTES_MAX +
 * 1. */
int connect_real_path(const char *path, char *real, int32_t *ret_os_error);

/* What PATH itself is, without following it: FSOP_TYPE_*. */
int connect_type(const char *path, int32_t *ret_os_error);

/* Opens a directory just to name things in it; nothing in it can be read through that descriptor. */
int connect_open_directory(const char *path, intptr_t *ret_fd, int32_t *ret_os_error);

#endif
