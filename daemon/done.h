/* SPDX-License-Identifier: MIT */
/*
 * done.h: which files of a place are done: as bytes for the store, and as a set to ask when a job goes on.
 *
 * Bytes: entries one after the other, each: how many bytes the path shares with the one before it and how many follow
 * (two varints), these bytes, flags (a byte), then what the flags say. The first entry of an append shares nothing.
 */
#ifndef FSOP_DONE_H
#define FSOP_DONE_H

#include "backends/sys.h"
#include "proto/buffer.h"

struct done_entry {
        struct bytes path; /* below the place's top; empty: the place is a single file */
        bool linked;       /* one of several links to ID: the first to be copied */
        struct object_id id;
        bool has_digest;
        uint8_t digest[WIRE_DIGEST_BYTES];
};

/* ---- writing ---- */

struct done_writer {
        struct buffer data;
        struct buffer before; /* the path of the last entry */
};
int done_write(struct done_writer *writer, const struct done_entry *entry); /* 0 or -FSOP_ENOMEM */
/* Forgets what was written, for the next append. */
void done_writer_reset(struct done_writer *writer);
void done_writer_fini(struct done_writer *writer);

/* ---- reading ---- */

/* Every entry of one append, to EACH; a negative return ends it. -FSOP_EIO: these are no such bytes. */
int done_read(struct bytes data, int (*each)(void *context, const struct done_entry *entry), void *context);

/* ---- the set ---- */

/* Paths as 128-bit keyed hashes: 16 bytes a file, and no two paths of any job will ever meet by chance. Any thread, one
 * at a time. */
struct done_set;
int done_set_new(struct done_set **ret_set);
int done_set_add(struct done_set *set, const struct done_entry *entry);
bool done_set_has(const struct done_set *set, struct bytes path);
/* The path of the first link to ID that was copied; NULL: none. Lives as long as the set. */
const char *done_set_link(const struct done_set *set, struct object_id id);
/* That one is gone: the next that is added is the first. */
void done_set_forget_link(struct done_set *set, struct object_id id);
struct done_set *done_set_free(struct done_set *set); /* NULL */

#endif
