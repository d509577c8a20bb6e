/* SPDX-License-Identifier: MIT */
/*
 * graveyard.h: descriptors to be closed by a worker, because closing may hang (a FUSE server can hold it for ever) or
 * take long (the last one of a removed file frees it): those that clients passed, those on filesystems that are not
 * local, large files. Collected while the loop runs, sent off once per round.
 */
#ifndef FSOP_GRAVEYARD_H
#define FSOP_GRAVEYARD_H

#include "backends/engine.h"

void graveyard_start(struct engine *engine);
struct account;

/* Takes over fd. ACCOUNT: whose it is, among whose descriptors it counts until it is closed, and who alone waits where
 * that hangs; NULL: the daemon's own. When there is no memory to defer it, it is closed at once. */
void graveyard_bury(os_fd fd, struct account *account);
/* A connection's socket: in its queue there may be descriptors that nobody has read. It counts as nobody's, and waits
 * for nobody but the user at its other end; WIRE_NOBODY: not known. */
void graveyard_bury_socket(os_fd fd, uint32_t whose);
/* Sends off what was buried since the last time. */
void graveyard_flush(void);
/* Ios out. */
unsigned graveyard_pending(void);

#endif
