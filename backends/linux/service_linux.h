/* SPDX-License-Identifier: MIT */
/*
 * service_linux.h: between service.c and service_split.c.
 */
#ifndef FSOP_SERVICE_LINUX_H
#define FSOP_SERVICE_LINUX_H

#include <stdbool.h>

/* To the service manager itself, from this process. */
void service_notify_manager(const char *state);
/* By way of the keeper; false: there is none. */
bool service_notify_keeper(const char *state);

#endif
