/* SPDX-License-Identifier: MIT */
/*
 * errors.h: errno to our own numbers. To be called on the line of the system call that failed.
 */
#ifndef FSOP_POSIX_ERRORS_H
#define FSOP_POSIX_ERRORS_H

/* -FSOP_E… for a positive errno; -FSOP_EUNKNOWN for one without a name of ours. Never 0. [any] */
int error_from_errno(int os_error);

#endif
