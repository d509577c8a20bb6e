/* SPDX-License-Identifier: MIT */
/*
 * posix.h: what the Unix backends share among themselves.
 */
#ifndef FSOP_POSIX_H
#define FSOP_POSIX_H

#include "backends/posix/errors.h"
#include "backends/sys.h"

/* sys_monotonic_ms, some milliseconds late at most: never ahead of it. */
uint64_t posix_coarse_ms(void);

/* S_IF* bits to a file type and back (0 for UNKNOWN). */
enum fsop_file_type posix_file_type(uint32_t mode);
uint32_t posix_file_mode(enum fsop_file_type type);

#endif
