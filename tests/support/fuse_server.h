/* SPDX-License-Identifier: MIT */
/*
 * fuse_server.h: the ends of a FUSE filesystem that a program serves by itself, without libfuse.
 */
#ifndef FSOP_FUSE_SERVER_H
#define FSOP_FUSE_SERVER_H

#include <stddef.h>
#include <stdint.h>

/* Mounts one, as root. The descriptor that requests come from, or -1 after a line "SKIP: why" on standard output. */
int fuse_server_mount(const char *name, const char *directory);
/* Answers a request; at most 256 bytes of data. error: an errno, or 0. */
void fuse_server_answer(int fuse, uint64_t unique, int error, const void *data, size_t len);
/* Reads one. False where it was interrupted; exits when the filesystem is gone: 0, or 1 for any other reason. */
_Bool fuse_server_read(int fuse, void *buffer, size_t bytes);

#endif
