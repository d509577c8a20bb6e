/* SPDX-License-Identifier: MIT */
/* filesfrom.h: the names that --files-from gives: paths below the one SRC, one a line, or each with a NUL behind it. */
#ifndef CLI_FILESFROM_H
#define CLI_FILESFROM_H

#include "client/cli/text.h"

struct filesfrom {
        struct fsop_bytes *names; /* owned, NUL-terminated */
        size_t n, n_allocated;
};

/*
 * Takes one record over: slashes and dots that say nothing are dropped, empty records and "." are nothing. 0, or -1
 * with a static reason: absolute, with "..", with a NUL, or too long.
 */
int filesfrom_add(struct filesfrom *files, const char *record, size_t len, const char **ret_why);

/* Reads a whole file; path "-": standard input. -1 with a reason, valid until the next call, and the record at which it
 * was, 0 when the file could not be opened. */
int filesfrom_read(struct filesfrom *files, const char *path, bool nul, unsigned *ret_number, const char **ret_why);

void filesfrom_free(struct filesfrom *files);

#endif
