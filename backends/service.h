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

/* Begins to watch for requests; wake(userdata) is called from a signal handler or another thread when one came. */
int service_start(void (*wake)(void *userdata), void *userdata);
/* The requests since the last call. */
unsigned service_take_requests(void);

/* Sockets that the service manager opened for us (LISTEN_FDS): their number, at most fds_max. Checks LISTEN_PID. */
int service_inherited_sockets(os_fd *ret_fds, uint32_t fds_max);

/* "READY=1", "RELOADING=1\nMONOTONIC_USEC=…", "STOPPING=1", "STATUS=…" (sd_notify(3)); does nothing where nobody asked. */
void service_notify(const char *state);

/* Whether stderr is the journal (JOURNAL_STREAM): then lines carry a <priority>. */
bool service_logs_to_journal(void);

/* Whether this process may be the system service (root), or is a private one. */
bool service_is_privileged(void);

/* Default paths, malloc'd; NULL on failure. private: under the user's directories. */
char *service_default_socket(bool private_service);
char *service_default_state_dir(bool private_service);

#endif
