/* SPDX-License-Identifier: MIT */
/*
 * audit.h: who asked for what and what became of it, one JSON object a line, in a file or on stderr. Loop thread only.
 *
 * Records are formatted into a buffer of fixed size and written by audit_flush: for everything elevated that changes
 * something, the intents of a batch must be flushed with success before the first of its operations runs (else none
 * may: an operation that cannot be recorded is not done), and its outcomes some time afterwards. What only reads
 * (ops.h), and what fails before it is begun (a name that is not there), has an outcome alone, flushed before the
 * answer is sent, else it is not sent; what reads has an intent as well where it may be kept waiting. Nothing is
 * allocated after audit_open.
 *
 * Keys of a line, each only where it applies: time (RFC 3339, UTC, nanoseconds; lines written
 * together have one), event, id ("session:batch:index"),
 * uid, gid, pid, user, job, op, path, to, as ("elevated" or "caller": how it runs; in a denial, what was asked), rule,
 * the operation's arguments (owner, from_owner, mode, device, type, size, offset, length, xattr, recursive, …),
 * outcome, error ("EPERM"), os_error, message. path, to, text (of a symbolic link) and xattr whose bytes are not UTF-8
 * are given in base64 as path_b64, to_b64, text_b64, xattr_b64.
 */
#ifndef FSOP_AUDIT_H
#define FSOP_AUDIT_H

#include "backends/sys.h"
#include "proto/message.h"

enum audit_event {
        AUDIT_START,       /* "start": the daemon is up */
        AUDIT_STOP,        /* "stop" */
        AUDIT_RELOAD,      /* "reload": new rules, or why the old ones stay: peer (NULL: a signal), code, message */
        AUDIT_REFUSED,     /* "refused": a connection: peer where known, code, message */
        AUDIT_INTENT,      /* "intent": an elevated operation is about to run */
        AUDIT_OUTCOME,     /* "outcome": it ran, or failed before. Of what only reads it is mostly the only line */
        AUDIT_DENIED,      /* "denied": policy refused it */
        AUDIT_WOULD_ALLOW, /* "would-allow": an `audit` rule would have allowed it */
        AUDIT_JOB,         /* "job": a copy job has ended: job, peer, message */
};

struct audit_record {
        enum audit_event event;
        const struct peer *peer; /* NULL: the daemon itself */
        const char *user;        /* the peer's name where it is known, or NULL */
        uint64_t session_id, batch_id;
        uint32_t index;                /* of the operation in its batch */
        const struct operation *op;    /* NULL for events that are none; then session_id 0 leaves out id */
        uint64_t job;                  /* that it is about, or for; 0: none */
        struct bytes at_path, to_path; /* as far as known; empty: left out */
        enum fsop_as as;
        const char *rule;          /* name, or NULL */
        int32_t code;              /* 0 or -FSOP_E… */
        int32_t os_error;          /* raw, 0: left out */
        enum fsop_outcome outcome; /* AUDIT_OUTCOME only */
        const char *message;       /* a sentence, or NULL */
};

struct audit;

/*
 * WHERE is "stderr", "file:/ABSOLUTE/PATH" (created with mode 0640, appended to, never through a link) or "journal":
 * stderr where that is the journal's, an error where it is not. On failure *ret_why is a static sentence.
 */
int audit_open(const char *where, struct audit **ret_audit, const char **ret_why);
/* Formats one line into the buffer. A full buffer is written; should that fail, the next audit_flush says so. */
void audit_record(struct audit *audit, const struct audit_record *record);
/*
 * Writes what was recorded since the last flush. 0 also when there is nothing; -FSOP_E… when any of it was lost: it is
 * then forgotten, and counted in a line of its own ("event":"lost") once writing works again.
 */
int audit_flush(struct audit *audit);
/* What is recorded and not written yet. */
enum audit_owed {
        AUDIT_OWES_NOTHING,
        AUDIT_OWES_OUTCOMES, /* only those: their intents are written */
        AUDIT_OWES_MORE,
};
enum audit_owed audit_owed(const struct audit *audit);
/* After the file was renamed (log rotation): flushes, opens the path again. On failure the old file is kept. */
int audit_reopen(struct audit *audit);
/* Flushes and closes. NULL. */
struct audit *audit_free(struct audit *audit);

#endif
