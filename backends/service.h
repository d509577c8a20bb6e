/* SPDX-License-Identifier: MIT */
/*
 * service.h: how the daemon lives in its operating system: start and stop requests, readiness, sockets handed over at
 * start. Loop thread only, unless said otherwise.
 */
#ifndef FSOP_SERVICE_H
#define FSOP_SERVICE_H

#include <stdbool.h>

#include "backends/sys.h"

enum {
        SERVICE_TERMINATE = 1 << 0, /* TERM, INT, or the service manager's stop */
        SERVICE_RELOAD = 1 << 1,    /* HUP */
};

/*
 * Splits off a keeper: the process that was started stays behind as it, and the call returns 0 in a child, where the
 * service goes on. The keeper passes on signals and readiness and ends as the service does; after service_end it does
 * not wait for threads that hang in the kernel and cannot be killed. When it dies, the service is killed. To be called
 * first, before sys_start. -FSOP_E…: it could not be done; the service can go on without. Does nothing (0) where
 * nothing of the kind is needed.
 */
int service_split(void);
/* The service is over: all that is left is to free things and to return this exit status from main. Does not return
 * when threads of ours hang: they may be using what would be freed. */
void service_end(int status);

/* Begins to watch for requests; wake(userdata) is called from a signal handler or another thread when one came. */
int service_start(void (*wake)(void *userdata), void *userdata);
/* From its return on wake is not called, and requests are ignored: what it is called with may be freed. Nothing where
 * nothing was begun. */
void service_stop(void);
/* The requests since the last call. */
unsigned service_take_requests(void);

/* A socket that the service manager opened for us. */
struct service_socket {
        os_fd fd;
        char name[128]; /* the path it was bound to, or "@" and an abstract name; empty: it has none */
};
/* Those (LISTEN_FDS, LISTEN_PID): their number, at most sockets_max, or -FSOP_E…. *ret_why, a static string: why not,
 * or with 0 what was there and is not for us; else NULL. To be called once. */
int service_inherited_sockets(struct service_socket *ret_sockets, uint32_t sockets_max, const char **ret_why);

/* "READY=1", "RELOADING=1\nMONOTONIC_USEC=…", "STOPPING=1", "STATUS=…" (sd_notify(3)); does nothing where nobody
 * asked. */
void service_notify(const char *state);

/* Whether stderr is the journal (JOURNAL_STREAM): then lines carry a <priority>. */
bool service_logs_to_journal(void);

/* Whether this process may be the system service (root), or is a private one. */
bool service_is_privileged(void);

/* Default paths, malloc'd; NULL on failure. private: under the user's directories. */
char *service_default_socket(bool private_service);
char *service_default_state_dir(bool private_service);

#endif
