/* SPDX-License-Identifier: MIT */
/*
 * message.h: the messages of the wire as plain structs. The codec turns bytes into these and back; nothing else knows
 * protobuf. Every pointer is borrowed: into the frame, the arena it was decoded into, or the caller's memory.
 */
#ifndef FSOP_MESSAGE_H
#define FSOP_MESSAGE_H

#include "proto/fsop-types.h"

#define WIRE_VERSION 1u
#define WIRE_NOBODY 0xffffffffu /* never a uid or gid: refused wherever one is given */

/* Limits that both sides know; Hello negotiates the first three downwards from the daemon's configuration. */
#define WIRE_FRAME_BYTES_MAX (1u << 20) /* body of one frame */
#define WIRE_BATCH_OPS_MAX 1024u        /* operations in one batch */
#define WIRE_BATCHES_MAX 64u            /* batches in flight on one connection */
#define WIRE_FRAME_FDS_MAX 64u          /* descriptors of one frame (SCM_RIGHTS allows 253) */
#define WIRE_PATH_BYTES_MAX 4095u       /* as PATH_MAX, without the NUL */
#define WIRE_NAME_BYTES_MAX 255u
#define WIRE_XATTR_BYTES_MAX 65536u
#define WIRE_IO_BYTES_MAX (512u << 10) /* data of one read or write */
#define WIRE_LS_ENTRIES_MAX 1024u
#define WIRE_WALK_FAILURES_MAX 100u
#define WIRE_JOB_ENTRIES_MAX 256u /* jobs, failures, digests or events in one answer */
#define WIRE_JOB_KEY_BYTES_MAX 128u
#define WIRE_JOB_EXCLUDES_MAX 256u /* patterns of one job */
#define WIRE_JOB_NAMES_MAX 1024u   /* of one cp operation */
#define WIRE_JOB_PRIORITY_MAX 100  /* and its negative the least */
#define WIRE_DIGEST_BYTES 32u      /* BLAKE2b-256 */

/* Feature bits of Hello. */
#define WIRE_FEATURE_FDS (1ull << 0) /* descriptors can be passed on this connection */

struct bytes {
        const uint8_t *data;
        size_t len;
};

enum location_kind {
        LOCATION_NONE = 0,
        LOCATION_PATH,   /* path is absolute */
        LOCATION_HANDLE, /* a handle of this connection, and a path below it (empty: the object itself) */
        LOCATION_FD,     /* a descriptor of this frame, likewise */
};

struct location {
        enum location_kind kind;
        bool follow;       /* follow a symbolic link in the last component */
        uint32_t fd_index; /* among the descriptors of the frame */
        uint64_t handle;
        struct bytes path;
};

/* How a new object is made. The kernel applies a default ACL instead of the umask, so both travel. */
struct create_args {
        bool create;
        uint32_t mode; /* permission bits, 07777 */
        uint32_t umask;
};

struct walk_args {
        bool recursive;
        enum fsop_follow follow;
        bool one_filesystem;
};

/* chmod: new = (old & ~clear) | set; for directories and files that someone may execute, then (& ~clear_x) | set_x.
 * Directories keep the bits of dir_keep (set-id bits under a numeric mode, as chmod(1) does). */
struct chmod_args {
        uint32_t set, clear, set_x, clear_x, dir_keep;
        struct walk_args walk;
};

struct chown_args {
        bool has_uid, has_gid, has_from_uid, has_from_gid;
        uint32_t uid, gid, from_uid, from_gid;
        struct walk_args walk;
};

enum time_change { TIME_OMIT = 0, TIME_NOW = 1, TIME_SET = 2 };

struct utimens_args {
        enum time_change atime_change, mtime_change;
        struct fsop_time atime, mtime;
        struct create_args create;
};

struct mknod_args {
        enum fsop_file_type type; /* CHAR, BLOCK, FIFO, SOCKET */
        uint32_t major, minor;
        struct create_args create;
};

struct rename_args {
        bool no_replace, exchange;
};

struct ls_args {
        uint64_t cookie; /* 0 to begin; else the one of the page before */
        uint32_t entries_max;
        bool with_stat;
};

struct fallocate_args {
        enum fsop_fallocate_mode mode;
        bool keep_size;
        uint64_t offset, length;
        struct create_args create;
};

struct truncate_args {
        uint64_t size;
        struct create_args create;
};

struct fadvise_args {
        enum fsop_advice advice;
        uint64_t offset, length; /* length 0: to the end */
};

struct xattr_args {
        struct bytes name;
        struct bytes value; /* setxattr */
        bool create, replace;
        uint32_t size_max; /* getxattr, listxattr: the most bytes to answer; 0: WIRE_XATTR_BYTES_MAX */
};

struct open_args {
        bool read, write, append, truncate, exclusive;
        enum fsop_advice hint; /* NORMAL, SEQUENTIAL or RANDOM */
        struct create_args create;
};

struct read_args {
        uint64_t offset;
        uint32_t length;
};

struct write_args {
        uint64_t offset;
        struct bytes data;
};

struct fsync_args {
        bool data_only;
        bool filesystem; /* flush everything on the object's filesystem */
};

struct copy_range_args {
        uint64_t src_offset, dst_offset;
        bool has_length; /* absent: to the end of the source */
        uint64_t length;
        enum fsop_clone clone;
        struct create_args create; /* of the target */
};

/*
 * Submits a copy job, or adds to one that is held. `at` is a source, `to` what it becomes: its final path, never the
 * directory that it goes into. Options are those of the operation that makes the job; later ones only add places.
 */
struct cp_args {
        uint64_t job;     /* 0: a new job; else the held one, of this connection, that this belongs to */
        bool hold;        /* more is to come: the job neither begins nor is promised yet */
        struct bytes key; /* idempotency: a job of the same user that was submitted with it is answered in its stead */
        bool recursive, one_filesystem, verify;
        uint32_t preserve; /* FSOP_PRESERVE_* */
        uint32_t umask;    /* for what is made without preserving the mode */
        enum fsop_clone clone;
        enum fsop_sync sync;
        enum fsop_update update;
        uint64_t bytes_per_s;         /* bandwidth limit; 0: none */
        int32_t priority;             /* higher ones first; -100 to 100, above 0 for administrators */
        const struct bytes *excludes; /* glob patterns: of a name, or with a slash of a path below the source */
        uint32_t n_excludes;
        const struct bytes *names; /* only these paths below the source; with the source and target of the operation
                                      before it, they are added to that one's */
        uint32_t n_names;
};

enum job_want { JOB_WANT_JOB = 0, JOB_WANT_FAILURES = 1, JOB_WANT_DIGESTS = 2 };

/* All job verbs. */
struct job_args {
        uint64_t id;        /* which; job-list: none */
        bool all_users;     /* job-list: those of others too; administrators only */
        enum job_want want; /* job-show: what beside the job itself */
        uint64_t after; /* job-list, job-show: the cookie of the page before, 0: the first; job-watch: the number of the
                           last event known, 0: none */
        uint32_t entries_max; /* 0 or more than WIRE_JOB_ENTRIES_MAX: that many */
};

struct explain_args {
        struct bytes user;          /* empty: the caller itself */
        const struct operation *op; /* what would be asked */
};

struct operation {
        enum fsop_verb verb;
        enum fsop_as as;
        struct location at; /* what is acted on; the source of rename, link and copy-range; the new link of symlink */
        struct location to; /* the target of rename, link and copy-range */
        union {
                struct chmod_args chmod;
                struct chown_args chown;
                struct utimens_args utimens;
                struct mknod_args mknod;
                struct create_args mkdir;
                struct walk_args unlink;
                struct rename_args rename;
                struct ls_args ls;
                struct fallocate_args fallocate;
                struct truncate_args truncate;
                struct fadvise_args fadvise;
                struct xattr_args xattr;
                struct open_args open; /* open and open-fd */
                struct read_args read;
                struct write_args write;
                struct fsync_args fsync;
                struct copy_range_args copy_range;
                struct cp_args cp;
                struct job_args job;
                struct explain_args explain;
                struct bytes symlink; /* the link's text */
                struct bytes ping;    /* comes back unchanged */
        } args;
};

/* How it creates: the arguments of the verbs that have such, else NULL. */
const struct create_args *operation_create_args(const struct operation *op);
/* Whether it makes something new, always (mkdir, mknod, symlink) or because it was asked to. */
bool operation_may_create(const struct operation *op);

/* Whether PATH names something below a directory: relative, 1 to 4095 bytes without a NUL, no component empty, `.` or
 * `..`. */
bool path_is_below(struct bytes path);
/* What makes arguments impossible, whoever sends them: a few words, which may begin with the field's name; NULL where
 * nothing does. */
const char *cp_args_problem(const struct cp_args *args);
const char *job_args_problem(enum fsop_verb verb, const struct job_args *args);

/* Why an operation, or a whole connection, was refused or failed. */
struct error {
        enum fsop_errno code; /* 0: none */
        enum fsop_error_class class_;
        bool retryable;
        int32_t os_error;     /* raw errno or Win32 code, 0 if none */
        struct bytes rule;    /* the rule that decided, if one did */
        struct bytes message; /* one sentence for a person */
};

struct entry {
        struct bytes name;
        enum fsop_file_type type;
        uint64_t ino;
        bool has_stat;
        struct fsop_stat stat;
};

struct walk_failure {
        struct bytes path; /* below the walk's root; empty: the root itself */
        enum fsop_errno code;
        int32_t os_error;
};

struct walk_result {
        uint64_t visited, changed, failed;
        const struct walk_failure *failures; /* the first WIRE_WALK_FAILURES_MAX, or fewer if they are long */
        uint32_t n_failures;
};

struct support {
        enum fsop_verb verb;  /* VERB_NONE for a feature that is not a verb of its own */
        struct bytes feature; /* of a filesystem: "reflink", "fallocate-punch-hole", …; else the verb's name */
        enum fsop_support_level level;
        struct bytes note;
};

struct info_result {
        struct bytes version, platform, engine; /* "1.0.0", "Linux 6.1.0 x86_64", "uring" */
        const struct support *support;
        uint32_t n_support;
        bool has_filesystem;
        struct bytes filesystem; /* type name, "xfs" */
        const struct support *features;
        uint32_t n_features;
};

struct counter {
        struct bytes name; /* "connections", … */
        uint64_t value;
        bool has_limit;
        uint64_t limit;
};

struct explain_result {
        bool allowed;
        enum fsop_as as;    /* how it would run: CALLER or ELEVATED */
        struct bytes rule;  /* the deciding rule; empty: none matched */
        struct bytes where; /* its file and line */
        struct bytes reason;
        const struct bytes *notes; /* warnings: the user may not connect, an audit rule matches, … */
        uint32_t n_notes;
};

struct reload_result {
        uint32_t rules;
        const struct bytes *warnings;
        uint32_t n_warnings;
};

/* A job as its owner sees it. */
struct job_info {
        uint64_t id;
        enum fsop_job_state state;
        uint32_t uid;
        struct bytes user; /* its name when the job was submitted */
        int32_t priority;
        enum fsop_as as; /* as it asked to run */
        bool elevated;   /* a rule lends it rights, at one end at least; as of when it last began */
        struct fsop_time created, started, finished, retry; /* sec 0: not yet; retry: when a waiting job tries again */
        struct bytes source, target;                        /* of its first place */
        uint32_t n_places;
        bool totals_known; /* the source has been counted to its end */
        uint64_t files_total, bytes_total;
        uint64_t files_done, files_failed, files_skipped; /* files: everything that has a name, but directories */
        uint64_t bytes_copied, bytes_flushed, bytes_verified;
        uint64_t bytes_per_s; /* lately */
        bool has_seconds_left;
        uint64_t seconds_left;
        bool verify;
        uint32_t runs;      /* how often it was begun: restarts of the daemon, waits, pauses */
        struct error error; /* failed: why it could not go on, if it could not; waiting: for what */
        uint64_t event;     /* the number of its last event */
};

struct job_failure {
        struct bytes path; /* of the source */
        struct error error;
};

struct job_digest {
        struct bytes path; /* of the target */
        uint8_t digest[WIRE_DIGEST_BYTES];
};

struct job_event {
        uint64_t number;
        struct fsop_time time;
        enum fsop_job_event_kind kind;
        struct job_info job;        /* STATE, PROGRESS: as it was then */
        struct job_failure failure; /* FAILURE */
};

/* What cp and the job verbs answer; which lists are filled follows from the verb. */
struct job_answer {
        const struct job_info *jobs; /* the one that was asked about or made; job-list: a page of them; job-watch and
                                        job-forget: none */
        uint32_t n_jobs;
        const struct job_failure *failures;
        uint32_t n_failures;
        const struct job_digest *digests;
        uint32_t n_digests;
        const struct job_event *events; /* job-watch: at least one, unless the job ended before `after` */
        uint32_t n_events;
        bool end;        /* of lists that come in pages: there is no further one; job-watch: the job has ended */
        uint64_t cookie; /* else where that begins */
};

struct result {
        uint32_t index; /* of the operation in its batch */
        enum fsop_verb verb;
        enum fsop_outcome outcome;
        bool elevated;      /* it ran, or would have run, as the service */
        struct error error; /* code 0: it succeeded */
        union {
                struct fsop_stat stat;
                struct fsop_statfs statfs;
                struct bytes data; /* read, readlink, getxattr, listxattr (names, each NUL-terminated), ping */
                uint64_t handle;   /* open, opendir */
                uint64_t count;    /* write, copy-range: bytes */
                struct {
                        const struct entry *entries;
                        uint32_t n_entries;
                        bool end;
                        uint64_t cookie;
                } ls;
                struct walk_result walk; /* chmod, chown, unlink */
                struct info_result info;
                struct {
                        const struct counter *counters;
                        uint32_t n_counters;
                        struct bytes no_jobs; /* why; empty: there are copy jobs */
                } status;
                struct explain_result explain;
                struct reload_result reload;
                struct job_answer job; /* cp, job-* */
                uint32_t fd_index;     /* open-fd: among the descriptors of this frame */
        } value;                       /* set only where error.code is 0 — but walk also beside an error */
        bool cloned;                   /* copy-range: the extents are shared */
};

struct hello {
        uint32_t version_min, version_max;
        uint64_t features;
        uint32_t frame_bytes_max, batch_ops_max, batches_max; /* 0: the daemon's */
        bool want_support;
        struct bytes client; /* the program's name, for the log */
};

struct welcome {
        uint32_t version;
        uint64_t features;
        uint32_t frame_bytes_max, batch_ops_max, batches_max;
        struct bytes engine, daemon_version, platform;
        bool foreign; /* the daemon sees other paths than this client: pass descriptors instead of paths */
        const struct support *support;
        uint32_t n_support;
};

struct batch {
        uint64_t id;
        enum fsop_batch_mode mode;
        uint64_t deadline_ms; /* from receipt; 0: none */
        struct operation *ops;
        uint32_t n_ops;
};

struct results {
        uint64_t id;
        const struct result *results;
        uint32_t n_results;
        bool last;
};

enum message_kind {
        MESSAGE_NONE = 0,
        /* client to daemon */
        MESSAGE_HELLO,
        MESSAGE_BATCH,
        MESSAGE_CANCEL,
        /* daemon to client */
        MESSAGE_WELCOME,
        MESSAGE_RESULTS,
        MESSAGE_FAILURE, /* the connection is closed after it */
};

struct message {
        enum message_kind kind;
        union {
                struct hello hello;
                struct batch batch;
                uint64_t cancel_id;
                struct welcome welcome;
                struct results results;
                struct error failure;
        } body;
};

#endif
