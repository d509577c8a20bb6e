/* SPDX-License-Identifier: MIT */
/*
 * graveyard.h: descriptors to be closed by a worker, because closing may hang (a FUSE server can hold it for ever): those that
 * clients passed and those on filesystems that are not local. Collected while the loop runs, sent off once per round.
 */
#ifndef FSOP_GRAVEYARD_H
#define FSOP_GRAVEYARD_H

#include "backends/engine.h"

void graveyard_start(struct engine *engine);
/* Takes over fd. When there is no memory to defer it, it is closed at once. */
void graveyard_bury(os_fd fd);
/* Sends off what was buried since the last time. */
void graveyard_flush(void);
/* Ios out. */
unsigned graveyard_pending(void);

#endif
