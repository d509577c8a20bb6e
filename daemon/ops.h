/* SPDX-License-Identifier: MIT */
/*
 * ops.h: the operation table. One row per verb says everything about it that is not its mechanism: its group in
 * policy, what it needs of authority, what is pinned for it, how large its answer can get, whether it is audited. Where
 * it runs is in route.c. A verb without a complete row cannot be asked for.
 */
#ifndef FSOP_OPS_H
#define FSOP_OPS_H

#include "backends/sys.h"
#include "proto/message.h"

/* Sets of operations, one bit per verb, as rules hold them. The two halves of a copy are bits of their own. */
typedef uint64_t op_set;
#define OP_BIT(verb) ((op_set)1 << (verb))
#define OP_COPY_FROM ((op_set)1 << 62)
#define OP_COPY_TO ((op_set)1 << 63)

/* What an elevated run of it is checked for, besides subject, path and ops; policy_decide switches on these. */
enum {
        NEEDS_NOTHING = 0,
        NEEDS_OWNER = 1 << 0,  /* chown-to */
        NEEDS_DEVICE = 1 << 1, /* devices */
        NEEDS_XATTR = 1 << 2,  /* xattrs */
        NEEDS_BYTES = 1 << 3,  /* max-bytes, total-bytes */
        NEEDS_MODE = 1 << 4,   /* set-id, when the mode has such bits */
};

enum op_location {
        LOCATE_NONE,     /* takes no location */
        LOCATE_OPTIONAL, /* info */
        LOCATE_OBJECT,   /* an existing object: path, handle or descriptor */
        LOCATE_NAME,     /* a name in a parent: path, or handle / descriptor plus path */
        LOCATE_EITHER,   /* an object, made first if asked */
        LOCATE_HANDLE,   /* an open handle or descriptor, no path: close; read and write also take descriptors */
};

struct op_row {
        enum fsop_verb verb;
        const char *group; /* NULL: in no group; "service" is not for rules */
        enum op_location at, to;
        unsigned needs;
        bool elevates;                                   /* rules can elevate it */
        bool admin;                                      /* uid 0 or admin-group only */
        bool audit;                                      /* recorded when elevated */
        bool reads;                                      /* changes nothing: its record may follow what it does */
        bool cuts;                                       /* its answer ends early where room ends */
        size_t (*out_bytes)(const struct operation *op); /* room its answer needs besides struct result */
};

/* The row, or NULL for a number that is no operation. */
const struct op_row *op_row(enum fsop_verb verb);

/* What a rule must hold, all of it, for one end of an operation: usually the verb's own bit; copy-from / copy-to for
 * the ends of copy-range; an open asks for read, write and truncate besides open as its arguments say. */
op_set op_permission_at(const struct operation *op);
op_set op_permission_to(const struct operation *op);

/* copy-range and cp: their two ends are granted each for itself. */
bool op_is_copy(enum fsop_verb verb);
/* What may come to be done at the target, more than a rule must hold for the operation itself: a job asks for owners,
 * attributes and nodes file by file. Directories where any of it is denied are out of its reach. */
op_set op_reach_to(const struct operation *op);

/* The set of a group's or an operation's name as policy `ops` writes it ("xattr", "chown", "copy", "copy-to", "all"); 0
 * if unknown. */
op_set op_set_from_name(const char *name, size_t len);

#endif
