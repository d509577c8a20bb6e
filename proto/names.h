/* SPDX-License-Identifier: MIT */
/*
 * names.h: the words for numbers: operations, error codes, classes, outcomes. Static strings, any thread.
 * An unknown name is 0 / -1 as said, an unknown number NULL.
 */
#ifndef FSOP_NAMES_H
#define FSOP_NAMES_H

#include "proto/message.h"

/* "chown"; NULL for a number that is no operation. */
const char *verb_name(enum fsop_verb verb);
/* FSOP_VERB_NONE for an unknown name. */
enum fsop_verb verb_from_name(const char *name, size_t len);

/* "EPERM"; NULL if unknown. Takes the positive number. */
const char *error_name(int code);
/* "permission denied": a few lower-case words; never NULL. */
const char *error_text(int code);

const char *error_class_name(enum fsop_error_class class_); /* "denied", …; "none" */
const char *outcome_name(enum fsop_outcome outcome);        /* "done", "not-started", "unknown" */
const char *as_name(enum fsop_as as);                       /* "auto", "caller", "elevated" */
int as_from_name(const char *name);                         /* -1 if unknown */
const char *advice_name(enum fsop_advice advice);
int advice_from_name(const char *name);
const char *clone_name(enum fsop_clone clone);
int clone_from_name(const char *name);
const char *sync_name(enum fsop_sync sync); /* "batch", "none", "file" */
int sync_from_name(const char *name);
const char *update_name(enum fsop_update update); /* "all", "none", "none-fail", "older" */
int update_from_name(const char *name);
const char *job_state_name(enum fsop_job_state state); /* "queued", "running", …; "unknown" */
const char *file_type_name(enum fsop_file_type type);  /* "regular", "directory", … */
const char *support_level_name(enum fsop_support_level level);

/* The class and retryability an error code has by its nature; the daemon may know better. */
enum fsop_error_class error_class_of(int code);
bool error_is_retryable(int code);

/* Whether BYTES is well-formed UTF-8 (no surrogates, no overlong forms). */
bool utf8_is_valid(struct bytes bytes);

#endif
