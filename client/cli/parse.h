/* SPDX-License-Identifier: MIT */
/*
 * parse.h: what people type, turned into numbers: sizes, modes, times, owners, devices, encoded values.
 *
 * Every function returns 0, or -1 with *ret_why set to a sentence that says what is wrong and what would be right; the
 * results are then untouched. The sentences are static. Nothing here talks to anybody; only parse_owner looks into the
 * user database.
 */
#ifndef CLI_PARSE_H
#define CLI_PARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/fsop-types.h"

/* ---- numbers and sizes ------------------------------------------------------------------------------------------- */

/* A number without sign: decimal, 0x hexadecimal, or octal with a leading 0 where octal is true. The whole text. */
int parse_number(const char *text, bool octal, uint64_t max, uint64_t *ret_number, const char **ret_why);

/* A size as coreutils take it: K, M, G, T, P, E are powers of 1024, as are KiB, MiB …; KB, MB … are powers of 1000.
 * At most INT64_MAX. */
int parse_size(const char *text, uint64_t *ret_bytes, const char **ret_why);

/* What truncate -s makes of the current size. */
enum size_change { SIZE_SET, SIZE_EXTEND, SIZE_REDUCE, SIZE_AT_MOST, SIZE_AT_LEAST, SIZE_ROUND_DOWN, SIZE_ROUND_UP };

/* SIZE, +SIZE, -SIZE, <SIZE, >SIZE, /SIZE, %SIZE. */
int parse_size_change(const char *text, enum size_change *ret_change, uint64_t *ret_bytes, const char **ret_why);

/* The new size of a file that has SIZE bytes. */
int size_apply(enum size_change change, uint64_t bytes, uint64_t size, uint64_t *ret_size, const char **ret_why);

/* SECONDS, with a fraction, to milliseconds; at least 1 ms. */
int parse_seconds(const char *text, uint64_t *ret_ms, const char **ret_why);

/* ---- copies ------------------------------------------------------------------------------------------------------ */

/* What cp is to preserve, as FSOP_PRESERVE_*: "mode", "ownership", "timestamps", "xattr", "links" or "all", with commas
 * between. Added to *bits. */
int parse_preserve(const char *text, uint32_t *bits, const char **ret_why);

/* -100 to 100. */
int parse_priority(const char *text, int32_t *ret_priority, const char **ret_why);

/* The number of a job: from 1. */
int parse_job(const char *text, uint64_t *ret_id, const char **ret_why);

/* ---- modes ------------------------------------------------------------------------------------------------------- */

#define MODE_CLAUSES_MAX 32

struct mode_clause {
        char op;            /* '+', '-', '=' */
        uint32_t affected;  /* the bits that who names; 0: who was left out, the umask decides */
        uint32_t value;     /* bits, or which class to copy from */
        uint32_t mentioned; /* set-id bits outside of these survive on directories */
        bool copy;          /* value is taken from the mode itself: g=u */
        bool x_if_any;      /* X */
};

struct mode_spec {
        struct mode_clause clauses[MODE_CLAUSES_MAX];
        unsigned n_clauses;
};

/* A mode as masks, as fsop's chmod takes it: new = (old & ~clear) | set; for directories and files that someone may
 * execute, then (& ~clear_x) | set_x; directories keep the bits of dir_keep. */
struct mode_masks {
        uint32_t set, clear, set_x, clear_x, dir_keep;
};

/* An octal or symbolic mode of chmod(1). */
int parse_mode(const char *text, struct mode_spec *ret_spec, const char **ret_why);

/* The new permission bits of an object with OLD ones. */
uint32_t mode_apply(const struct mode_spec *spec, uint32_t old, bool directory, uint32_t umask);

/* The same for objects whose mode is not known. False where masks cannot say it: copies (g=u), and X after clauses that
 * change who may execute. */
bool mode_to_masks(const struct mode_spec *spec, uint32_t umask, struct mode_masks *ret_masks);

/* ---- times ------------------------------------------------------------------------------------------------------- */

/* "now", @SECONDS[.FRACTION] (negative too), or ISO 8601: YYYY-MM-DD[(T| )HH[:MM[:SS[.FRACTION]]][Z|±HH[[:]MM]]].
 * Without a zone it is local time; without a time midnight. */
int parse_time(const char *text, struct fsop_time *ret_time, bool *ret_now, const char **ret_why);

/* ---- owners, devices, values ------------------------------------------------------------------------------------- */

struct owner {
        bool has_uid, has_gid;
        uint32_t uid, gid;
};

/* [OWNER][:[GROUP]], each a name or a number; +NUMBER is always a number; "OWNER:" means the owner's login group. */
int parse_owner(const char *text, struct owner *ret_owner, const char **ret_why);

/* One number of a device, to its full width. */
int parse_device_number(const char *text, uint32_t *ret_number, const char **ret_why);

enum value_encoding { VALUE_LITERAL, VALUE_HEX, VALUE_BASE64 };
int parse_encoding(const char *text, enum value_encoding *ret_encoding, const char **ret_why);

/* Decodes hexadecimal ("0x" before it is fine) or base64 ("0s" before it is fine) into malloc'd memory. */
int value_decode(enum value_encoding encoding, const char *text, size_t len, uint8_t **ret_data, size_t *ret_len,
                 const char **ret_why);

/* Encodes into a malloc'd, NUL-terminated string; NULL when there is no memory. */
char *value_encode(enum value_encoding encoding, const uint8_t *data, size_t len);

#endif
