/* SPDX-License-Identifier: MIT */
/*
 * names.c: one table per kind of number.
 */
#include "proto/names.h"

#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const char *const verbs[FSOP_VERB_LIMIT] = {
        [FSOP_VERB_PING] = "ping",
        [FSOP_VERB_INFO] = "info",
        [FSOP_VERB_STATUS] = "status",
        [FSOP_VERB_EXPLAIN] = "explain",
        [FSOP_VERB_POLICY_RELOAD] = "policy-reload",
        [FSOP_VERB_STAT] = "stat",
        [FSOP_VERB_STATFS] = "statfs",
        [FSOP_VERB_UTIMENS] = "utimens",
        [FSOP_VERB_CHMOD] = "chmod",
        [FSOP_VERB_CHOWN] = "chown",
        [FSOP_VERB_MKNOD] = "mknod",
        [FSOP_VERB_OPENDIR] = "opendir",
        [FSOP_VERB_MKDIR] = "mkdir",
        [FSOP_VERB_RMDIR] = "rmdir",
        [FSOP_VERB_UNLINK] = "unlink",
        [FSOP_VERB_RENAME] = "rename",
        [FSOP_VERB_LS] = "ls",
        [FSOP_VERB_SYMLINK] = "symlink",
        [FSOP_VERB_LINK] = "link",
        [FSOP_VERB_READLINK] = "readlink",
        [FSOP_VERB_GETXATTR] = "getxattr",
        [FSOP_VERB_SETXATTR] = "setxattr",
        [FSOP_VERB_LISTXATTR] = "listxattr",
        [FSOP_VERB_REMOVEXATTR] = "removexattr",
        [FSOP_VERB_FALLOCATE] = "fallocate",
        [FSOP_VERB_TRUNCATE] = "truncate",
        [FSOP_VERB_FADVISE] = "fadvise",
        [FSOP_VERB_COPY_RANGE] = "copy-range",
        [FSOP_VERB_CP] = "cp",
        [FSOP_VERB_OPEN] = "open",
        [FSOP_VERB_OPEN_FD] = "open-fd",
        [FSOP_VERB_CLOSE] = "close",
        [FSOP_VERB_READ] = "read",
        [FSOP_VERB_WRITE] = "write",
        [FSOP_VERB_FSYNC] = "fsync",
        [FSOP_VERB_JOB_LIST] = "job-list",
        [FSOP_VERB_JOB_SHOW] = "job-show",
        [FSOP_VERB_JOB_WATCH] = "job-watch",
        [FSOP_VERB_JOB_PAUSE] = "job-pause",
        [FSOP_VERB_JOB_RESUME] = "job-resume",
        [FSOP_VERB_JOB_CANCEL] = "job-cancel",
        [FSOP_VERB_JOB_RETRY] = "job-retry",
        [FSOP_VERB_JOB_FORGET] = "job-forget",
};

const char *verb_name(enum fsop_verb verb) {
        return (unsigned)verb < COUNT(verbs) ? verbs[verb] : NULL;
}

enum fsop_verb verb_from_name(const char *name, size_t len) {
        for (unsigned i = 0; i < COUNT(verbs); i++)
                if (verbs[i] && strlen(verbs[i]) == len && memcmp(verbs[i], name, len) == 0)
                        return (enum fsop_verb)i;
        return FSOP_VERB_NONE;
}

/* ---- errors ------------------------------------------------------------------------------------------------------ */

struct error_row {
        const char *name;
        const char *text;
        enum fsop_error_class class_;
        bool retryable;
};

#define DENIED FSOP_CLASS_DENIED
#define UNSUPPORTED FSOP_CLASS_UNSUPPORTED
#define INVALID FSOP_CLASS_INVALID
#define OS FSOP_CLASS_OS
#define BUSY FSOP_CLASS_BUSY
#define CANCELLED FSOP_CLASS_CANCELLED
#define ROW(code, text, class_, retryable) [FSOP_##code - FSOP_EPERM] = {#code, text, class_, retryable}

static const struct error_row errors[] = {
        ROW(EPERM, "operation not permitted", DENIED, false),
        ROW(ENOENT, "no such file or directory", OS, false),
        ROW(EINTR, "interrupted", OS, true),
        ROW(EIO, "input/output error", OS, false),
        ROW(ENXIO, "no such device or address", OS, false),
        ROW(E2BIG, "list too long", INVALID, false),
        ROW(EBADF, "bad handle or descriptor", INVALID, false),
        ROW(EAGAIN, "temporarily unavailable", BUSY, true),
        ROW(ENOMEM, "out of memory", BUSY, true),
        ROW(EACCES, "permission denied", DENIED, false),
        ROW(EFAULT, "bad address", OS, false),
        ROW(ENOTBLK, "block device required", OS, false),
        ROW(EBUSY, "device or resource busy", BUSY, true),
        ROW(EEXIST, "exists already", OS, false),
        ROW(EXDEV, "crosses into another filesystem", OS, false),
        ROW(ENODEV, "no such device", OS, false),
        ROW(ENOTDIR, "not a directory", OS, false),
        ROW(EISDIR, "is a directory", OS, false),
        ROW(EINVAL, "invalid argument", INVALID, false),
        ROW(ENFILE, "too many open files in the system", BUSY, true),
        ROW(EMFILE, "too many open files", BUSY, true),
        ROW(ENOTTY, "inappropriate for this device", OS, false),
        ROW(ETXTBSY, "file of a running program", OS, true),
        ROW(EFBIG, "file too large", OS, false),
        ROW(ENOSPC, "no space left on the filesystem", OS, false),
        ROW(ESPIPE, "cannot seek", OS, false),
        ROW(EROFS, "read-only filesystem", OS, false),
        ROW(EMLINK, "too many links", OS, false),
        ROW(EPIPE, "the other end is closed", OS, false),
        ROW(ERANGE, "result too large", OS, false),
        ROW(EDEADLK, "would deadlock", OS, true),
        ROW(ENAMETOOLONG, "name too long", INVALID, false),
        ROW(ENOSYS, "not implemented by the system", UNSUPPORTED, false),
        ROW(ENOTEMPTY, "directory not empty", OS, false),
        ROW(ELOOP, "too many symbolic links, or one where none may be", OS, false),
        ROW(ENODATA, "no such attribute", OS, false),
        ROW(EOVERFLOW, "value too large", OS, false),
        ROW(EILSEQ, "invalid byte sequence", INVALID, false),
        ROW(EOPNOTSUPP, "not supported", UNSUPPORTED, false),
        ROW(ETIMEDOUT, "timed out", CANCELLED, true),
        ROW(ECANCELED, "cancelled", CANCELLED, true),
        ROW(ESTALE, "stale handle", INVALID, false),
        ROW(EDQUOT, "disk quota exceeded", OS, false),
        ROW(ECONNREFUSED, "connection refused", OS, true),
        ROW(ECONNRESET, "connection reset", OS, true),
        ROW(ENOTCONN, "not connected", OS, true),
        ROW(EPROTO, "protocol error", INVALID, false),
        ROW(EMSGSIZE, "message too long", INVALID, false),
        ROW(ENOBUFS, "no room for the reply", BUSY, true),
        ROW(EHOSTDOWN, "host is down", OS, true),
        ROW(EREMOTEIO, "remote input/output error", OS, false),
        ROW(ENOTUNIQ, "name not unique", OS, false),
        ROW(EUSERS, "too many users", BUSY, true),
        ROW(ECHILD, "used after fork", INVALID, false),
        ROW(EUNKNOWN, "unknown error of the operating system", OS, false),
};

_Static_assert(COUNT(errors) == FSOP_EUNKNOWN - FSOP_EPERM + 1, "every error has a row");

static const struct error_row *error_row(int code) {
        if (code < FSOP_EPERM || code > FSOP_EUNKNOWN)
                return NULL;
        return &errors[code - FSOP_EPERM];
}

const char *error_name(int code) {
        const struct error_row *row = error_row(code);
        return row ? row->name : NULL;
}

const char *error_text(int code) {
        const struct error_row *row = error_row(code);
        if (row)
                return row->text;
        return code == 0 ? "success" : "unknown error";
}

enum fsop_error_class error_class_of(int code) {
        const struct error_row *row = error_row(code);
        if (row)
                return row->class_;
        return code == 0 ? FSOP_CLASS_NONE : FSOP_CLASS_OS;
}

bool error_is_retryable(int code) {
        const struct error_row *row = error_row(code);
        return row && row->retryable;
}

/* ---- small vocabularies ------------------------------------------------------------------------------------------ */

#define NAME_OF(table, value) ((unsigned)(value) < COUNT(table) ? (table)[value] : NULL)

static int index_of(const char *const *table, size_t n, const char *name) {
        for (size_t i = 0; i < n; i++)
                if (strcmp(table[i], name) == 0)
                        return (int)i;
        return -1;
}

static const char *const classes[] = {
        [FSOP_CLASS_NONE] = "none",           [FSOP_CLASS_DENIED] = "denied", [FSOP_CLASS_UNSUPPORTED] = "unsupported",
        [FSOP_CLASS_INVALID] = "invalid",     [FSOP_CLASS_OS] = "os",         [FSOP_CLASS_BUSY] = "busy",
        [FSOP_CLASS_CANCELLED] = "cancelled",
};
static const char *const outcomes[] = {
        [FSOP_OUTCOME_NOT_STARTED] = "not-started",
        [FSOP_OUTCOME_DONE] = "done",
        [FSOP_OUTCOME_UNKNOWN] = "unknown",
};
static const char *const identities[] = {
        [FSOP_AS_AUTO] = "auto",
        [FSOP_AS_CALLER] = "caller",
        [FSOP_AS_ELEVATED] = "elevated",
};
static const char *const advices[] = {
        [FSOP_ADVICE_NORMAL] = "normal",     [FSOP_ADVICE_SEQUENTIAL] = "sequential", [FSOP_ADVICE_RANDOM] = "random",
        [FSOP_ADVICE_WILLNEED] = "willneed", [FSOP_ADVICE_DONTNEED] = "dontneed",     [FSOP_ADVICE_NOREUSE] = "noreuse",
};
static const char *const clones[] = {
        [FSOP_CLONE_AUTO] = "auto",
        [FSOP_CLONE_ALWAYS] = "always",
        [FSOP_CLONE_NEVER] = "never",
};
static const char *const syncs[] = {
        [FSOP_SYNC_BATCH] = "batch",
        [FSOP_SYNC_NONE] = "none",
        [FSOP_SYNC_FILE] = "file",
};
static const char *const updates[] = {
        [FSOP_UPDATE_ALL] = "all",
        [FSOP_UPDATE_NONE] = "none",
        [FSOP_UPDATE_NONE_FAIL] = "none-fail",
        [FSOP_UPDATE_OLDER] = "older",
};
static const char *const job_states[] = {
        [FSOP_JOB_UNKNOWN] = "unknown", [FSOP_JOB_QUEUED] = "queued",   [FSOP_JOB_RUNNING] = "running",
        [FSOP_JOB_PAUSED] = "paused",   [FSOP_JOB_WAITING] = "waiting", [FSOP_JOB_VERIFYING] = "verifying",
        [FSOP_JOB_DONE] = "done",       [FSOP_JOB_FAILED] = "failed",   [FSOP_JOB_CANCELLED] = "cancelled",
};
static const char *const file_types[] = {
        [FSOP_TYPE_UNKNOWN] = "unknown", [FSOP_TYPE_REGULAR] = "regular", [FSOP_TYPE_DIRECTORY] = "directory",
        [FSOP_TYPE_SYMLINK] = "symlink", [FSOP_TYPE_CHAR] = "char",       [FSOP_TYPE_BLOCK] = "block",
        [FSOP_TYPE_FIFO] = "fifo",       [FSOP_TYPE_SOCKET] = "socket",
};
static const char *const support_levels[] = {
        [FSOP_SUPPORT_UNSUPPORTED] = "unsupported",
        [FSOP_SUPPORT_EMULATED] = "emulated",
        [FSOP_SUPPORT_NATIVE] = "native",
        [FSOP_SUPPORT_UNKNOWN] = "unknown",
};

const char *error_class_name(enum fsop_error_class class_) {
        return NAME_OF(classes, class_);
}

const char *outcome_name(enum fsop_outcome outcome) {
        return NAME_OF(outcomes, outcome);
}

const char *as_name(enum fsop_as as) {
        return NAME_OF(identities, as);
}

int as_from_name(const char *name) {
        return index_of(identities, COUNT(identities), name);
}

const char *advice_name(enum fsop_advice advice) {
        return NAME_OF(advices, advice);
}

int advice_from_name(const char *name) {
        return index_of(advices, COUNT(advices), name);
}

const char *clone_name(enum fsop_clone clone) {
        return NAME_OF(clones, clone);
}

int clone_from_name(const char *name) {
        return index_of(clones, COUNT(clones), name);
}

const char *sync_name(enum fsop_sync sync) {
        return NAME_OF(syncs, sync);
}

int sync_from_name(const char *name) {
        return index_of(syncs, COUNT(syncs), name);
}

const char *update_name(enum fsop_update update) {
        return NAME_OF(updates, update);
}

int update_from_name(const char *name) {
        return index_of(updates, COUNT(updates), name);
}

const char *job_state_name(enum fsop_job_state state) {
        return NAME_OF(job_states, state);
}

const char *file_type_name(enum fsop_file_type type) {
        return NAME_OF(file_types, type);
}

const char *support_level_name(enum fsop_support_level level) {
        return NAME_OF(support_levels, level);
}

/* ---- UTF-8 ------------------------------------------------------------------------------------------------------- */

/* Length of the sequence that starts at DATA, 0 if it is not a well-formed one. */
static size_t utf8_sequence(const uint8_t *data, size_t len) {
        uint8_t first = data[0];
        if (first < 0x80)
                return 1;
        size_t n = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
        if (first < 0xc2 || first > 0xf4 || len < n)
                return 0;
        for (size_t i = 1; i < n; i++)
                if ((data[i] & 0xc0) != 0x80)
                        return 0;
        if ((first == 0xe0 && data[1] < 0xa0) || (first == 0xed && data[1] > 0x9f)) /* overlong; surrogates */
                return 0;
        if ((first == 0xf0 && data[1] < 0x90) || (first == 0xf4 && data[1] > 0x8f)) /* overlong; past U+10FFFF */
                return 0;
        return n;
}

bool utf8_is_valid(struct bytes bytes) {
        for (size_t i = 0; i < bytes.len;) {
                size_t n = utf8_sequence(bytes.data + i, bytes.len - i);
                if (n == 0)
                        return false;
                i += n;
        }
        return true;
}
