/* SPDX-License-Identifier: MIT */
/*
 * fsop.h: libfsop, the client of fsopd.
 *
 * fsopd executes filesystem operations for programs that may not, or should not, execute them themselves. This library
 * speaks to it. It starts no threads, installs no signal handlers, prints nothing and never sends anything twice.
 *
 *      struct fsop_client *client;
 *      int r = fsop_open(NULL, &client);
 *      if (r < 0)
 *              return r;
 *      struct fsop_at at = fsop_at_path("/srv/build/out", false);
 *      struct fsop_chown_args args = {.size = sizeof(args), .has_uid = true, .uid = 33};
 *      r = fsop_chown(client, &at, &args, NULL);
 *      if (r < 0)
 *              fprintf(stderr, "%s\n", (const char *)fsop_last_error(client)->message.data);
 *      fsop_close(client);
 *
 * CONVENTIONS, true of everything below where nothing else is said
 *
 * Errors. A call returns 0 or a useful number of 0 and more; a failure is the negative of an FSOP_E... of
 * fsop-errors.h, the same on every operating system. fsop_last_error() then says it at length. Besides what is listed
 * at a function, every call that speaks to the daemon can return -FSOP_ENOMEM, -FSOP_ECHILD (used after fork),
 * -FSOP_ECONNRESET (the connection broke during this call) and -FSOP_ENOTCONN (it broke earlier).
 *
 * Threads. A client, and all batches made from it, may be used from any thread, but by one thread at a time; the
 * library takes no locks. fsop_wakeup() is the exception: any thread, any time. Functions without a client (names,
 * version, constructors) are safe everywhere.
 *
 * Fork. After fork every call on a client of the parent fails with -FSOP_ECHILD in the child, except fsop_close() and
 * fsop_batch_free(), which free the child's copy and send nothing. All descriptors are close-on-exec.
 *
 * Strings. Paths, names and data are pointer and length (struct fsop_bytes) and may hold any byte; a NUL inside a path
 * or name is refused (-FSOP_EINVAL). What is passed in is copied before the call returns. What comes out is
 * followed by a NUL that the length does not count (data of a read is not), belongs to the library, and lives as long
 * as is said at the function.
 *
 * Structures that are passed in begin with their size: set it to sizeof and clear the rest (in C a designated
 * initializer does both). A later library reads an older, shorter structure and takes the members it lacks as 0. A size
 * of 0, or one larger than this library knows with something other than zeros behind what it knows, is refused
 * (-FSOP_EINVAL). Structures that come out may grow at the end where the library owns them; those that the caller
 * provides do not change within a SONAME.
 *
 * Units. Sizes, offsets and lengths are bytes, times are struct fsop_time, timeouts are milliseconds.
 *
 * All functions are there since version 1.0 (symbol version FSOP_1).
 */
#ifndef FSOP_H
#define FSOP_H

#include "fsop-types.h"

#ifdef __cplusplus
extern "C" {
#endif
#if defined(__GNUC__) && !defined(_WIN32)
#pragma GCC visibility push(default)
#endif

struct fsop_client; /* a connection to a daemon */
struct fsop_batch;  /* a request: one or more operations, later with their results */
struct fsop_ls;     /* a directory being listed */

struct fsop_bytes {
        const void *data;
        size_t len;
};

/* The bytes of a NUL-terminated string, without the NUL. The string is not copied: it must outlive the use. NULL gives
 * no bytes. */
struct fsop_bytes fsop_bytes_of(const char *string);

/* ---- version and names ------------------------------------------------------------------------------------------ */

/* The version of the library, "1.0.0". Static. */
const char *fsop_version(void);

/*
 * Words for numbers. Static strings, NULL for a number that has none. Error codes may be given as they are returned
 * (negative) or positive.
 */
const char *fsop_error_name(int code);                              /* "ENOENT" */
const char *fsop_strerror(int code);                                /* "no such file or directory"; never NULL */
const char *fsop_error_class_name(enum fsop_error_class class_);    /* "denied" */
const char *fsop_verb_name(enum fsop_verb verb);                    /* "chown" */
const char *fsop_outcome_name(enum fsop_outcome outcome);           /* "done", "not-started", "unknown" */
const char *fsop_as_name(enum fsop_as as);                          /* "auto", "caller", "elevated" */
const char *fsop_advice_name(enum fsop_advice advice);              /* "willneed" */
const char *fsop_clone_name(enum fsop_clone clone);                 /* "auto", "always", "never" */
const char *fsop_file_type_name(enum fsop_file_type type);          /* "regular", "directory", "symlink", ... */
const char *fsop_support_level_name(enum fsop_support_level level); /* "native", "emulated", "unsupported", "unknown" */
const char *fsop_job_state_name(enum fsop_job_state state);         /* "running" */
const char *fsop_sync_name(enum fsop_sync sync);                    /* "batch", "none", "file" */
const char *fsop_update_name(enum fsop_update update);              /* "all", "none", "none-fail", "older" */

/* And back: NUL-terminated names; -FSOP_EINVAL for an unknown one (FSOP_VERB_NONE for a verb). */
enum fsop_verb fsop_verb_from_name(const char *name);
int fsop_as_from_name(const char *name);
int fsop_advice_from_name(const char *name);
int fsop_clone_from_name(const char *name);
int fsop_sync_from_name(const char *name);
int fsop_update_from_name(const char *name);

/* ---- errors ----------------------------------------------------------------------------------------------------- */

/* Why something failed. */
struct fsop_error {
        int code;                     /* FSOP_E..., positive; 0: nothing failed */
        enum fsop_error_class class_; /* what kind of refusal it is */
        bool retryable;               /* the same request may succeed later */
        int32_t os_error;             /* the raw errno (Win32 code) behind it; 0: none */
        enum fsop_verb verb;       /* the operation that failed; FSOP_VERB_NONE: the connection or the library itself */
        uint32_t index;            /* of that operation in its batch */
        struct fsop_bytes rule;    /* the policy rule that decided; empty: none */
        struct fsop_bytes message; /* one sentence for a person */
};

/*
 * What the last failed call on this client failed with. Never NULL; code 0 when nothing has failed yet.
 * For a blocking operation it is the operation's error as the daemon reported it.
 * Belongs to the client, valid until the next call on it.
 */
const struct fsop_error *fsop_last_error(const struct fsop_client *client);

/* ---- the connection --------------------------------------------------------------------------------------------- */

/* Where details of a failed fsop_open() go, as there is no client to ask. */
struct fsop_open_failure {
        size_t size;       /* sizeof(struct fsop_open_failure) */
        int32_t os_error;  /* raw errno; 0: none */
        char message[480]; /* one sentence, NUL-terminated */
};

struct fsop_client_options {
        size_t size; /* sizeof(struct fsop_client_options) */
        /*
         * The daemon's socket; NULL: the system's, /run/fsopd/fsopd.sock, or, where it cannot be connected to, that of
         * a private service, $XDG_RUNTIME_DIR/fsopd/fsopd.sock (set-uid programs skip that one). The environment is not
         * asked for anything else.
         */
        const char *socket_path;
        /* Use this connected stream socket instead. It is the client's from then on, also when fsop_open() fails. */
        bool has_fd;
        intptr_t fd;
        /* The server must run as root or as the caller's own effective uid; has_server_uid: or as this one. A user
         * namespace may show root as another uid (65534). */
        bool has_server_uid;
        uint32_t server_uid;
        enum fsop_as as;                   /* as whom operations ask to run, see fsop_set_as() */
        uint32_t connect_ms;               /* how long fsop_open() may take; 0: 5000 */
        uint64_t timeout_ms;               /* how long a request may take, see fsop_set_timeout_ms(); 0: for ever */
        bool want_support;                 /* ask for the support table: fsop_server_info() then has it */
        const char *name;                  /* the program's name for the daemon's log; NULL: none */
        struct fsop_open_failure *failure; /* filled when fsop_open() fails; NULL: not wanted */
};

/*
 * Connects, checks who serves, and agrees with it on version and limits. Blocks, at most connect_ms.
 * options may be NULL: all defaults. On success *ret_client is to be closed with fsop_close(); on failure it is NULL.
 *
 * -FSOP_ENOENT, -FSOP_ECONNREFUSED: no daemon there. -FSOP_EACCES: the socket may not be used by this user (the group
 * fsop may). -FSOP_EPERM: the server runs as somebody who is not trusted. -FSOP_ETIMEDOUT: no answer. -FSOP_EPROTO:
 * what answers is no fsopd, or one that speaks no common version. -FSOP_EINVAL: bad options. What else connect(2) can
 * say.
 */
int fsop_open(const struct fsop_client_options *options, struct fsop_client **ret_client);

/*
 * Closes the connection and frees the client. NULL is fine. What is in flight is given up: the daemon cancels or
 * finishes it; callbacks do not run any more. Handles are closed by the daemon. Batches stay readable and are still to
 * be freed. From within a callback the closing takes place when fsop_process() returns.
 */
void fsop_close(struct fsop_client *client);

/* ---- event loops ------------------------------------------------------------------------------------------------ */

enum {
        FSOP_EVENT_READ = 1,
        FSOP_EVENT_WRITE = 2,
};

/*
 * The descriptor to watch (a HANDLE on Windows), made at the first call; it stays the same and belongs to the client.
 * fsop_wakeup() makes it ready, too. Do not read from or write to it.
 */
int fsop_descriptor(struct fsop_client *client, intptr_t *ret_fd);

/* The events to watch the descriptor for now, FSOP_EVENT_* (level-triggered). Ask again after every other call on the
 * client. */
int fsop_events(struct fsop_client *client);

/*
 * In how many milliseconds fsop_process() is to be called even if the descriptor is silent: 0: now; *ret_ms UINT64_MAX:
 * no need. Ask again after every other call on the client.
 */
int fsop_timeout_ms(struct fsop_client *client, uint64_t *ret_ms);

/*
 * Sends and receives what is possible without blocking, and runs the callbacks of batches that are complete. Callbacks
 * run nowhere else. Returns how many ran, 0 when there was nothing to do. -FSOP_ECONNRESET: the connection broke; the
 * callbacks of all batches have run first. -FSOP_EDEADLK: called from a callback.
 */
int fsop_process(struct fsop_client *client);

/*
 * Waits until fsop_process() has something to do, timeout_ms have passed (UINT64_MAX: for ever) or fsop_wakeup() was
 * called. Returns 1: call fsop_process(); 0: it was the time or the wake-up.
 */
int fsop_wait(struct fsop_client *client, uint64_t timeout_ms);

/*
 * Makes an fsop_wait() on this client return, the one that waits now or else the next one, and the descriptor ready
 * until fsop_process() or fsop_wait(). Blocking operations are not disturbed. Any thread and signal handlers; the
 * client must be open.
 */
void fsop_wakeup(struct fsop_client *client);

/* ---- the daemon ------------------------------------------------------------------------------------------------- */

/* How well something is supported. */
struct fsop_support {
        enum fsop_verb verb;       /* FSOP_VERB_NONE for a filesystem's feature */
        struct fsop_bytes feature; /* "reflink", "fallocate-punch-hole", ...; else the verb's name */
        enum fsop_support_level level;
        struct fsop_bytes note; /* why or how; may be empty */
};

struct fsop_server_info {
        uint32_t protocol; /* version in use */
        bool foreign;      /* the daemon sees other paths than this process; the library passes descriptors instead */
        bool descriptors;  /* descriptors can be passed */
        uint32_t batch_ops_max, batches_max, frame_bytes_max; /* what was agreed: per batch, in flight, per request */
        uint32_t uid;                                         /* as whom the server runs */
        struct fsop_bytes version, engine, platform;          /* "1.0.0", "uring", "Linux 6.1.0 x86_64" */
        const struct fsop_support *support;                   /* if asked for with want_support */
        uint32_t n_support;
};

/* What the daemon said of itself when the connection was made. Belongs to the client, valid until it is closed. */
const struct fsop_server_info *fsop_server_info(const struct fsop_client *client);

/* ---- settings of a client --------------------------------------------------------------------------------------- */

/* As whom operations ask to run from now on: batches made later and blocking calls. -FSOP_EINVAL: no such value. */
int fsop_set_as(struct fsop_client *client, enum fsop_as as);

/*
 * How long a request may take from now on: batches made later and blocking calls; 0: for ever. The daemon is told, and
 * answers ETIMEDOUT when the time is over. Should it not answer a second later either, the library gives up waiting:
 * ETIMEDOUT, outcome unknown.
 */
int fsop_set_timeout_ms(struct fsop_client *client, uint64_t timeout_ms);

/*
 * How many microseconds, at most 1,000, waiting (in blocking calls and fsop_wait()) may look for an answer before it
 * sleeps; 0: it always sleeps at once. The default is 100, and 0 where there is only one processor. It is done only
 * while it pays: when answers have come within that time again and again, as they do when daemon and program have a
 * processor each; a wake-up is then spared, which takes longer than most operations. Looking in vain ends it for a
 * while. What it costs is processor time while one waits. -FSOP_EINVAL: more than 1,000.
 */
int fsop_set_spin_us(struct fsop_client *client, uint32_t us);

/* ---- locations -------------------------------------------------------------------------------------------------- */

/* A file or directory held open by the daemon, for one connection: on any other it is stale (-FSOP_ESTALE). */
struct fsop_handle {
        uint64_t connection;
        uint64_t id;
};

enum fsop_at_kind {
        FSOP_AT_PATH = 1,   /* an absolute path, or one relative to the current directory of the process */
        FSOP_AT_HANDLE = 2, /* a handle, or with a path a name below that directory */
        FSOP_AT_FD = 3, /* a descriptor of this process, likewise; the operation runs as caller, within its open mode,
                           unless it is a directory that policy recognises */
};

/*
 * What an operation acts on. A relative path is made absolute before it leaves the process, `.`, `..` and slashes that
 * say nothing are settled; the last component stays what it is. A slash at the end asks for a directory, as it does of
 * the kernel. Where the daemon sees other paths than this process, the library passes the parent as a descriptor
 * instead. A descriptor given must stay open until the request was submitted (for blocking calls: until they return).
 */
struct fsop_at {
        size_t size; /* sizeof(struct fsop_at) */
        enum fsop_at_kind kind;
        bool follow;            /* follow a symbolic link in the last component */
        struct fsop_bytes path; /* below a handle or descriptor: relative, or empty for the object itself */
        struct fsop_handle handle;
        intptr_t fd;
};

/* Locations from NUL-terminated paths, which must outlive their use; `below` may be NULL or empty: the object
 * itself. */
struct fsop_at fsop_at_path(const char *path, bool follow);
struct fsop_at fsop_at_handle(struct fsop_handle handle, const char *below, bool follow);
struct fsop_at fsop_at_fd(intptr_t fd, const char *below, bool follow);

/* ---- arguments of operations ------------------------------------------------------------------------------------ */

/*
 * How something new is made. Part of the arguments of operations that create; where `create` is false they need an
 * existing object (mkdir and mknod always create). The kernel applies a directory's default ACL instead of the umask,
 * so both travel.
 */
struct fsop_create {
        bool create;
        uint32_t mode;  /* permission bits, 07777 */
        bool has_umask; /* false: the umask of the process */
        uint32_t umask;
};

/* For chown, chmod and unlink: the object only, or everything beneath it too. */
struct fsop_walk {
        bool recursive;
        enum fsop_follow follow; /* symbolic links met on the way */
        bool one_filesystem;     /* do not enter other filesystems */
};

/*
 * What remains of a mode, and is added to it: new = (old & ~clear) | set, and for directories and for files that
 * anybody may execute then (new & ~clear_x) | set_x. Directories keep those set-id bits that dir_keep names.
 * Exactly 0640: set 0640, clear 07777. a+X: set_x 0111. As chmod(1) 755 does: set 0755, clear 07777, dir_keep 06000.
 */
struct fsop_chmod_args {
        size_t size;
        uint32_t set, clear, set_x, clear_x, dir_keep;
        struct fsop_walk walk;
};

/* What has no value is left as it is; at least one of uid and gid must have one. from: only objects that belong to
 * these. */
struct fsop_chown_args {
        size_t size;
        bool has_uid, has_gid, has_from_uid, has_from_gid;
        uint32_t uid, gid, from_uid, from_gid;
        struct fsop_walk walk;
};

enum fsop_time_change {
        FSOP_TIME_OMIT = 0, /* leave it */
        FSOP_TIME_NOW = 1,
        FSOP_TIME_SET = 2,
};

struct fsop_utimens_args {
        size_t size;
        enum fsop_time_change atime_change, mtime_change;
        struct fsop_time atime, mtime;
        struct fsop_create create;
};

struct fsop_mknod_args {
        size_t size;
        enum fsop_file_type type; /* FSOP_TYPE_CHAR, _BLOCK, _FIFO or _SOCKET */
        uint32_t major, minor;    /* of a device */
        struct fsop_create create;
};

struct fsop_mkdir_args {
        size_t size;
        struct fsop_create create;
};

struct fsop_unlink_args {
        size_t size;
        struct fsop_walk walk; /* recursive: directories too */
};

struct fsop_rename_args {
        size_t size;
        bool no_replace; /* fail if the target exists */
        bool exchange;   /* swap the two */
};

struct fsop_ls_args {
        size_t size;
        uint64_t cookie;      /* 0: from the beginning; else that of the page before */
        uint32_t entries_max; /* 0: as many as one answer may hold */
        bool with_stat;
};

struct fsop_symlink_args {
        size_t size;
        struct fsop_bytes text; /* what the link says */
};

struct fsop_getxattr_args {
        size_t size;
        struct fsop_bytes name;
        uint32_t size_max; /* ERANGE if the value is larger; 0: 65536 */
};

struct fsop_setxattr_args {
        size_t size;
        struct fsop_bytes name, value;
        bool create;  /* fail if it exists */
        bool replace; /* fail if it does not */
};

struct fsop_listxattr_args {
        size_t size;
        uint32_t size_max; /* as in getxattr */
};

struct fsop_removexattr_args {
        size_t size;
        struct fsop_bytes name;
};

struct fsop_fallocate_args {
        size_t size;
        enum fsop_fallocate_mode mode;
        bool keep_size;
        uint64_t offset, length;
        struct fsop_create create;
};

struct fsop_truncate_args {
        size_t size;
        uint64_t length; /* the new size of the file */
        struct fsop_create create;
};

struct fsop_fadvise_args {
        size_t size;
        enum fsop_advice advice;
        uint64_t offset, length; /* length 0: to the end */
};

struct fsop_copy_range_args {
        size_t size;
        uint64_t src_offset, dst_offset;
        bool has_length; /* false: to the end of the source */
        uint64_t length;
        enum fsop_clone clone;
        struct fsop_create create; /* of the target */
};

/*
 * A copy job: files and trees copied in the background by the daemon, surviving its restarts. Every submission is an
 * operation with a source and what it becomes: its final path, never the directory that it goes into. A job of several
 * sources is submitted in turn: the first operation makes it, with `hold`, the next ones name it in `job`; the first
 * one without `hold` begins it, and its success is the promise that the job will not be lost. A held job has the state
 * FSOP_JOB_UNKNOWN (one with another state was there before, with the same key), can only be added to, and is forgotten
 * when the connection ends. Options count in the operation that makes the job.
 */
struct fsop_cp_args {
        size_t size;
        uint64_t job; /* 0: a new job */
        bool hold;
        struct fsop_bytes key; /* idempotency, at most 128 bytes; empty: none. A job that this user has submitted with
                                  it before, and that is not forgotten, is answered instead of making another */
        bool recursive;        /* directories too */
        bool one_filesystem;   /* do not enter other filesystems */
        bool verify;           /* read back what was copied, and compare */
        uint32_t preserve;     /* FSOP_PRESERVE_* */
        bool has_umask;        /* false: the umask of the process */
        uint32_t umask;        /* where the mode is not preserved */
        enum fsop_clone clone;
        enum fsop_sync sync;
        enum fsop_update update;
        uint64_t bytes_per_s;              /* at most so fast; 0: no limit */
        int32_t priority;                  /* -100 to 100, higher ones first; above 0 for administrators */
        const struct fsop_bytes *excludes; /* glob patterns (fnmatch(3)) of names, or with a slash of paths below the
                                              source; at most 256 */
        uint32_t n_excludes;
        const struct fsop_bytes *names; /* only these paths below the source, relative; none: all. At most 1024 in one
                                           operation; with the source and target of the operation before, they are
                                           added to that one's. Of a directory that is named, what is in it
                                           needs `recursive`. `.` and slashes that say nothing are left out, `..` is
                                           refused */
        uint32_t n_names;
};

enum fsop_job_want {
        FSOP_JOB_WANT_JOB = 0,
        FSOP_JOB_WANT_FAILURES = 1, /* and a page of the files that failed */
        FSOP_JOB_WANT_DIGESTS = 2,  /* and a page of the digests of verified files */
};

/* For the operations on jobs, each what it needs. */
struct fsop_job_args {
        size_t size;
        uint64_t id;             /* the job; not for a list */
        bool all_users;          /* list: those of others too; administrators only */
        enum fsop_job_want want; /* show */
        uint64_t after; /* list, show: the cookie of the page before, 0: the first; watch: the last event known, 0:
                           none */
        uint32_t entries_max; /* 0: 256 */
};

struct fsop_open_args {
        size_t size;
        bool read, write, append, truncate;
        bool exclusive;        /* with create.create: fail if it exists */
        enum fsop_advice hint; /* FSOP_ADVICE_NORMAL, _SEQUENTIAL or _RANDOM */
        struct fsop_create create;
};

struct fsop_read_args {
        size_t size;
        uint64_t offset;
        uint32_t length; /* at most 524288 in one request */
};

struct fsop_write_args {
        size_t size;
        uint64_t offset;
        struct fsop_bytes data; /* at most 524288 bytes in one request */
};

struct fsop_fsync_args {
        size_t size;
        bool data_only;  /* fdatasync */
        bool filesystem; /* flush everything on the object's filesystem */
};

struct fsop_ping_args {
        size_t size;
        struct fsop_bytes payload; /* comes back */
};

/* What would happen if `user` asked for this operation. */
struct fsop_explain_args {
        size_t size;
        struct fsop_bytes user; /* empty: the caller itself; else for uid 0 and the admin group only */
        enum fsop_verb verb;
        const struct fsop_at *at, *to; /* what the operation takes, else NULL */
        const void *args;              /* its arguments, as fsop_batch_add() takes them */
};

/* ---- results of operations -------------------------------------------------------------------------------------- */

struct fsop_entry {
        struct fsop_bytes name;
        enum fsop_file_type type;
        uint64_t ino;
        bool has_stat;
        struct fsop_stat stat;
};

struct fsop_ls_result {
        const struct fsop_entry *entries;
        uint32_t n_entries;
        bool end;        /* this was the last page */
        uint64_t cookie; /* else: where the next one begins */
};

struct fsop_walk_failure {
        struct fsop_bytes path; /* below where the walk began; empty: that object itself */
        int code;               /* FSOP_E..., positive */
        int32_t os_error;
};

struct fsop_walk_result {
        uint64_t visited, changed, failed;
        const struct fsop_walk_failure *failures; /* the first hundred at most */
        uint32_t n_failures;
};

struct fsop_info_result {
        struct fsop_bytes version, platform, engine;
        const struct fsop_support *support; /* the operations on this platform */
        uint32_t n_support;
        bool has_filesystem;                 /* a location was given */
        struct fsop_bytes filesystem;        /* type: "xfs" */
        const struct fsop_support *features; /* what that filesystem can do */
        uint32_t n_features;
};

struct fsop_counter {
        struct fsop_bytes name; /* "connections" */
        uint64_t value;
        bool has_limit;
        uint64_t limit;
};

struct fsop_status_result {
        const struct fsop_counter *counters;
        uint32_t n_counters;
        struct fsop_bytes no_jobs; /* why there are no copy jobs now; empty: there are */
};

struct fsop_explain_result {
        bool allowed;
        enum fsop_as as;         /* how it would run: FSOP_AS_CALLER or FSOP_AS_ELEVATED */
        struct fsop_bytes rule;  /* the deciding rule; empty: none matched */
        struct fsop_bytes where; /* its file and line */
        struct fsop_bytes reason;
        const struct fsop_bytes *notes; /* warnings */
        uint32_t n_notes;
};

struct fsop_reload_result {
        uint32_t rules;
        const struct fsop_bytes *warnings;
        uint32_t n_warnings;
};

/* A job as its owner sees it. Times with sec 0: not yet. */
struct fsop_job_info {
        uint64_t id;
        enum fsop_job_state state;
        uint32_t uid;
        struct fsop_bytes user; /* the name of uid when the job was submitted */
        int32_t priority;
        enum fsop_as as;
        bool elevated; /* a rule lends it rights, at one end at least */
        struct fsop_time created, started, finished;
        struct fsop_time retry;           /* when a waiting job tries again */
        struct fsop_bytes source, target; /* of its first place */
        uint32_t n_places;
        bool totals_known; /* the source has been counted to its end */
        uint64_t files_total, bytes_total;
        uint64_t files_done, files_failed, files_skipped; /* everything that has a name, but directories */
        uint64_t bytes_copied, bytes_flushed, bytes_verified;
        uint64_t bytes_per_s; /* lately */
        bool has_seconds_left;
        uint64_t seconds_left;
        bool verify;
        uint32_t runs;           /* how often it was begun */
        struct fsop_error error; /* why it could not go on, or what it waits for; code 0: neither */
        uint64_t event;          /* the number of its last event */
};

struct fsop_job_failure {
        struct fsop_bytes path; /* of the source */
        struct fsop_error error;
};

struct fsop_job_digest {
        struct fsop_bytes path; /* of the target */
        uint8_t digest[32];     /* BLAKE2b-256, as `b2sum -l 256` prints it */
};

struct fsop_job_event {
        uint64_t number; /* ascending, also across restarts of the daemon */
        struct fsop_time time;
        enum fsop_job_event_kind kind;
        struct fsop_job_info job;        /* state, progress */
        struct fsop_job_failure failure; /* failure */
};

/* What cp and the operations on jobs answer. */
struct fsop_job_answer {
        const struct fsop_job_info *jobs; /* the job that it is about; list: a page of them; watch, forget: none */
        uint32_t n_jobs;
        const struct fsop_job_failure *failures;
        uint32_t n_failures;
        const struct fsop_job_digest *digests;
        uint32_t n_digests;
        const struct fsop_job_event *events; /* watch: at least one, unless the job had ended by `after` */
        uint32_t n_events;
        bool end;        /* this was the last page; watch: the job has ended */
        uint64_t cookie; /* else: where the next one begins */
};

/* What became of one operation. Which member of the value counts follows from the verb. */
struct fsop_result {
        enum fsop_verb verb;
        enum fsop_outcome outcome;
        bool elevated;           /* it ran, or would have run, as the service */
        bool cloned;             /* copy-range: the data is shared, not copied */
        struct fsop_error error; /* code 0: success */
        union {
                struct fsop_stat stat;     /* stat */
                struct fsop_statfs statfs; /* statfs */
                struct fsop_bytes
                        data; /* read, readlink, getxattr, ping; listxattr: names, each with a NUL behind it */
                struct fsop_handle handle;          /* open, opendir */
                uint64_t count;                     /* write, copy-range: bytes */
                struct fsop_ls_result ls;           /* ls */
                struct fsop_walk_result walk;       /* chmod, chown, unlink; also beside an error */
                struct fsop_info_result info;       /* info */
                struct fsop_status_result status;   /* status */
                struct fsop_explain_result explain; /* explain */
                struct fsop_reload_result reload;   /* policy-reload */
                struct fsop_job_answer job;         /* cp, job-* */
                intptr_t
                        fd; /* open-fd: still the library's, which closes it with the batch; see fsop_batch_take_fd() */
        } value;            /* set where error.code is 0 */
};

/* ---- batches ---------------------------------------------------------------------------------------------------- */

/*
 * Makes an empty batch: a request of several operations, sent at once. It is not atomic. The client's settings
 * (as, timeout) of this moment hold for it. To be freed with fsop_batch_free().
 * -FSOP_EINVAL: no such mode.
 */
int fsop_batch_new(struct fsop_client *client, enum fsop_batch_mode mode, struct fsop_batch **ret_batch);

/*
 * Frees a batch and its results, closes descriptors that came with them and were not taken. NULL is fine. One that is
 * in flight is cancelled and its answer ignored; its callback does not run. Allowed in callbacks.
 */
void fsop_batch_free(struct fsop_batch *batch);

/* Empties a batch for another use; settings and memory stay. -FSOP_EBUSY: it is in flight. */
int fsop_batch_reset(struct fsop_batch *batch);

/* As whom the operations added from now on ask to run. */
int fsop_batch_set_as(struct fsop_batch *batch, enum fsop_as as);

/* How long all of it may take, from submission; 0: for ever. See fsop_set_timeout_ms(). */
int fsop_batch_set_timeout_ms(struct fsop_batch *batch, uint64_t timeout_ms);

/*
 * Adds an operation, whichever it is. at, to and args are what the function of the verb below takes, NULL where it
 * takes none; args is a pointer to that verb's structure. For bindings and for tables; else the typed functions are
 * better.
 *
 * Returns the index of the operation in the batch: 0, 1, ... On failure the batch is as before:
 * -FSOP_EINVAL: a location or argument that cannot be right (fsop_last_error() says which). -FSOP_ESTALE: a handle of
 * another connection. -FSOP_ENAMETOOLONG. -FSOP_E2BIG: the batch is full: the operations, bytes or descriptors of one
 * request are reached; submit it and go on with another. -FSOP_EMSGSIZE: too large even for a batch of its own.
 * -FSOP_EBUSY: submitted already. What opening the parent directory may say, where descriptors must be passed.
 */
int fsop_batch_add(struct fsop_batch *batch, enum fsop_verb verb, const struct fsop_at *at, const struct fsop_at *to,
                   const void *args);

/*
 * One per operation; what it does is said at its blocking form below. Parameters and return as for fsop_batch_add();
 * args may be NULL where a comment says what that means.
 */
/* args NULL: nothing to echo */
int fsop_batch_ping(struct fsop_batch *batch, const struct fsop_ping_args *args);
/* at NULL: the daemon only */
int fsop_batch_info(struct fsop_batch *batch, const struct fsop_at *at);
int fsop_batch_status(struct fsop_batch *batch);
int fsop_batch_explain(struct fsop_batch *batch, const struct fsop_explain_args *args);
int fsop_batch_policy_reload(struct fsop_batch *batch);
int fsop_batch_stat(struct fsop_batch *batch, const struct fsop_at *at);
int fsop_batch_statfs(struct fsop_batch *batch, const struct fsop_at *at);
/* args NULL: both now */
int fsop_batch_utimens(struct fsop_batch *batch, const struct fsop_at *at, const struct fsop_utimens_args *args);
int fsop_batch_chmod(struct fsop_batch *batch, const struct fsop_at *at, const struct fsop_chmod_args *args);
int fsop_batch_chown(struct fsop_batch *batch, const struct fsop_at *at, const struct fsop_chown_args *args);
int fsop_batch_mknod(struct fsop_batch *batch, const struct fsop_at *at, const struct fsop_mknod_args *args);
int fsop_batch_opendir(struct fsop_batch *batch, const struct fsop_at *at);
/* args NULL: 0777 & ~umask */
int fsop_batch_mkdir(struct fsop_batch *batch, const struct fsop_at *at, const struct fsop_mkdir_args *args);
int fsop_batch_rmdir(struct fsop_batch *batch, const struct fsop_at *at);
/* args NULL: not recursive */
int fsop_batch_unlink(struct fsop_batch *batch, const struct fsop_at *at, const struct fsop_unlink_args *args);
/* args NULL: replacing */
int fsop_batch_rename(struct fsop_batch *batch, const struct fsop_at *from, const struct fsop_at *to,
                      const struct fsop_rename_args *args);
/* args NULL: first page, without stat */
int fsop_batch_ls(struct fsop_batch *batch, const struct fsop_at *at, const struct fsop_ls_args *args);
int fsop_batch_symlink(struct fsop_batch *batch, const struct fsop_at *link, const struct fsop_symlink_args *args);
int fsop_batch_link(struct fsop_batch *batch, const struct fsop_at *existing, const struct fsop_at *link);
int fsop_batch_readlink(struct fsop_batch *batch, const struct fsop_at *at);
int fsop_batch_getxattr(struct fsop_batch *batch, const struct fsop_at *at, const struct fsop_getxattr_args *args);
int fsop_batch_setxattr(struct fsop_batch *batch, const struct fsop_at *at, const struct fsop_setxattr_args *args);
/* args NULL: 65536 */
int fsop_batch_listxattr(struct fsop_batch *batch, const struct fsop_at *at, const struct fsop_listxattr_args *args);
int fsop_batch_removexattr(struct fsop_batch *batch, const struct fsop_at *at,
                           const struct fsop_removexattr_args *args);
int fsop_batch_fallocate(struct fsop_batch *batch, const struct fsop_at *at, const struct fsop_fallocate_args *args);
int fsop_batch_truncate(struct fsop_batch *batch, const struct fsop_at *at, const struct fsop_truncate_args *args);
int fsop_batch_fadvise(struct fsop_batch *batch, const struct fsop_at *at, const struct fsop_fadvise_args *args);
/* args NULL: all of it, clone auto */
int fsop_batch_copy_range(struct fsop_batch *batch, const struct fsop_at *source, const struct fsop_at *target,
                          const struct fsop_copy_range_args *args);
/* args NULL: one file, nothing preserved */
int fsop_batch_cp(struct fsop_batch *batch, const struct fsop_at *source, const struct fsop_at *target,
                  const struct fsop_cp_args *args);
/* FSOP_VERB_JOB_*; args NULL: the first page of a list */
int fsop_batch_job(struct fsop_batch *batch, enum fsop_verb verb, const struct fsop_job_args *args);
/* args NULL: to read */
int fsop_batch_open(struct fsop_batch *batch, const struct fsop_at *at, const struct fsop_open_args *args);
/* args NULL: to read */
int fsop_batch_open_fd(struct fsop_batch *batch, const struct fsop_at *at, const struct fsop_open_args *args);
int fsop_batch_close(struct fsop_batch *batch, struct fsop_handle handle);
int fsop_batch_read(struct fsop_batch *batch, const struct fsop_at *at, const struct fsop_read_args *args);
int fsop_batch_write(struct fsop_batch *batch, const struct fsop_at *at, const struct fsop_write_args *args);
/* args NULL: data and metadata */
int fsop_batch_fsync(struct fsop_batch *batch, const struct fsop_at *at, const struct fsop_fsync_args *args);

/*
 * Sends the batch without waiting. When every operation has been answered — or the connection broke, or the time is
 * over — done(batch, userdata) runs, exactly once, from fsop_process(); done may be NULL: then ask
 * fsop_batch_is_done(). ret_id may be NULL; the id serves fsop_cancel().
 *
 * -FSOP_EINVAL: the batch is empty. -FSOP_EBUSY: submitted already. -FSOP_EAGAIN: as many batches in flight as were
 * agreed. On failure nothing was sent and done does not run.
 */
int fsop_batch_submit(struct fsop_batch *batch, void (*done)(struct fsop_batch *batch, void *userdata), void *userdata,
                      uint64_t *ret_id);

/*
 * Sends the batch and waits for all answers. Other batches go on meanwhile, but their callbacks wait for
 * fsop_process(). Returns 0 when the daemon answered every operation, whether they failed or not: see
 * fsop_batch_failed() and the results. A negative return says why some were not answered; the results then tell for
 * each what is known. See fsop_batch_submit() for the rest; where as many batches as agreed are in flight, it waits.
 */
int fsop_batch_run(struct fsop_batch *batch);

/* Whether all results are there. */
bool fsop_batch_is_done(const struct fsop_batch *batch);

/* Operations added so far. */
uint32_t fsop_batch_count(const struct fsop_batch *batch);

/* Of those that are answered, how many failed. */
uint32_t fsop_batch_failed(const struct fsop_batch *batch);

/*
 * The result of an operation; NULL while it is not answered, and for an index that does not exist. Valid until the
 * batch is reset or freed.
 */
const struct fsop_result *fsop_batch_result(const struct fsop_batch *batch, uint32_t index);

/*
 * Takes the descriptor of an open-fd out of its result; it is the caller's then, close-on-exec.
 * -FSOP_ENOENT: there is none, or it was taken.
 */
int fsop_batch_take_fd(struct fsop_batch *batch, uint32_t index, intptr_t *ret_fd);

/*
 * Asks the daemon to cancel a batch in flight. It still answers exactly once, like any other: operations not begun say
 * ECANCELED, outcome not-started; others what became of them. -FSOP_ENOENT: no such batch in flight.
 */
int fsop_cancel(struct fsop_client *client, uint64_t id);

/* ---- blocking calls --------------------------------------------------------------------------------------------- */

/*
 * Each sends a batch of one and waits. 0, or the operation's error: all of FSOP_E..., with details in
 * fsop_last_error(), and in fsop_last_result(). Arguments as for the batch's function of the same name. Pointers in
 * what is returned belong to the client and are valid until the next call on it; after a failure they are NULL. Every
 * ret_ may be NULL.
 */

/* Any operation; as fsop_batch_add(). ret_result is set also when the operation itself failed, else NULL. */
int fsop_call(struct fsop_client *client, enum fsop_verb verb, const struct fsop_at *at, const struct fsop_at *to,
              const void *args, const struct fsop_result **ret_result);

/* The result of the last blocking call, with outcome and elevated; NULL if it never left the process. Until the next
 * call. */
const struct fsop_result *fsop_last_result(const struct fsop_client *client);

/* Round trip. */
int fsop_ping(struct fsop_client *client);
/* What the daemon, and with a location its filesystem, can do; nothing is written to find out. */
int fsop_info(struct fsop_client *client, const struct fsop_at *at, const struct fsop_info_result **ret_info);
/* Counters and limits of the daemon. */
int fsop_status(struct fsop_client *client, const struct fsop_status_result **ret_status);
/* What policy would say. */
int fsop_explain(struct fsop_client *client, const struct fsop_explain_args *args,
                 const struct fsop_explain_result **ret_explain);
/* Reads the policy files again; uid 0 and the admin group only. A bad file leaves the old policy in force. */
int fsop_policy_reload(struct fsop_client *client, const struct fsop_reload_result **ret_reload);

/* All the inode says. */
int fsop_stat(struct fsop_client *client, const struct fsop_at *at, struct fsop_stat *ret_stat);
/* The filesystem that it is on, as statfs(2). */
int fsop_statfs(struct fsop_client *client, const struct fsop_at *at, struct fsop_statfs *ret_statfs);
/* Sets access and modification time. */
int fsop_utimens(struct fsop_client *client, const struct fsop_at *at, const struct fsop_utimens_args *args);
/* A walk that met failures returns the first one's error; ret_walk is filled then, too. */
int fsop_chmod(struct fsop_client *client, const struct fsop_at *at, const struct fsop_chmod_args *args,
               struct fsop_walk_result *ret_walk);
int fsop_chown(struct fsop_client *client, const struct fsop_at *at, const struct fsop_chown_args *args,
               struct fsop_walk_result *ret_walk);
/* A device, FIFO or socket. Never replaces: -FSOP_EEXIST; so do mkdir, symlink and link. */
int fsop_mknod(struct fsop_client *client, const struct fsop_at *at, const struct fsop_mknod_args *args);

/* A handle for a directory, for locations below it; fsop_close_handle() when done. */
int fsop_opendir(struct fsop_client *client, const struct fsop_at *at, struct fsop_handle *ret_handle);
int fsop_mkdir(struct fsop_client *client, const struct fsop_at *at, const struct fsop_mkdir_args *args);
int fsop_rmdir(struct fsop_client *client, const struct fsop_at *at);
int fsop_unlink(struct fsop_client *client, const struct fsop_at *at, const struct fsop_unlink_args *args,
                struct fsop_walk_result *ret_walk);
/* Within one filesystem; replaces a target unless args say otherwise. */
int fsop_rename(struct fsop_client *client, const struct fsop_at *from, const struct fsop_at *to,
                const struct fsop_rename_args *args);
/* One page; fsop_ls_open() below reads all. */
int fsop_ls(struct fsop_client *client, const struct fsop_at *at, const struct fsop_ls_args *args,
            const struct fsop_ls_result **ret_ls);

/* A symbolic link that says args->text, which is not looked at. */
int fsop_symlink(struct fsop_client *client, const struct fsop_at *link, const struct fsop_symlink_args *args);
/* Another name of the same file, on the same filesystem. */
int fsop_link(struct fsop_client *client, const struct fsop_at *existing, const struct fsop_at *link);
/* What a symbolic link says. */
int fsop_readlink(struct fsop_client *client, const struct fsop_at *at, struct fsop_bytes *ret_text);

/* An extended attribute, whole or not at all. -FSOP_ENODATA: there is none. -FSOP_ERANGE: longer than size_max. */
int fsop_getxattr(struct fsop_client *client, const struct fsop_at *at, const struct fsop_getxattr_args *args,
                  struct fsop_bytes *ret_value);
int fsop_setxattr(struct fsop_client *client, const struct fsop_at *at, const struct fsop_setxattr_args *args);
/* Names, one after the other, each with a NUL behind it. */
int fsop_listxattr(struct fsop_client *client, const struct fsop_at *at, const struct fsop_listxattr_args *args,
                   struct fsop_bytes *ret_names);
int fsop_removexattr(struct fsop_client *client, const struct fsop_at *at, const struct fsop_removexattr_args *args);

/* Space for, or out of, a range of bytes, by mode. */
int fsop_fallocate(struct fsop_client *client, const struct fsop_at *at, const struct fsop_fallocate_args *args);
/* Sets the size: what is beyond is lost, what is new reads as zeros. */
int fsop_truncate(struct fsop_client *client, const struct fsop_at *at, const struct fsop_truncate_args *args);
/* How a file will be used, for the cache; nothing of it changes. */
int fsop_fadvise(struct fsop_client *client, const struct fsop_at *at, const struct fsop_fadvise_args *args);
/* ret_count: bytes copied; ret_cloned: they are shared with the source. */
int fsop_copy_range(struct fsop_client *client, const struct fsop_at *source, const struct fsop_at *target,
                    const struct fsop_copy_range_args *args, uint64_t *ret_count, bool *ret_cloned);

/*
 * Submits a copy job, or one more place of it. The target is the name itself: a link there is replaced, not followed.
 * Returns when the job is on the disk of the daemon (with `hold`: at once). Should the connection break before, nobody
 * knows; a `key` makes it safe to submit again.
 *
 * -FSOP_EINVAL: a handle or a descriptor; jobs outlive them, so they take paths only. -FSOP_EPERM: the daemon sees
 * other paths than this process; policy; the priority. -FSOP_EISDIR: the source is a directory, and not `recursive`.
 * -FSOP_EBUSY: another job of this user writes to this target. -FSOP_EUSERS: this user has as many jobs that have not
 * ended as its limit allows. -FSOP_ENOSPC: the daemon's state directory is full. -FSOP_EOPNOTSUPP: it cannot be used.
 */
int fsop_cp(struct fsop_client *client, const struct fsop_at *source, const struct fsop_at *target,
            const struct fsop_cp_args *args, const struct fsop_job_info **ret_job);
/* A page of the caller's jobs, oldest first, in `jobs`. args NULL: the first page. */
int fsop_job_list(struct fsop_client *client, const struct fsop_job_args *args,
                  const struct fsop_job_answer **ret_jobs);
/* One job, in `jobs`. -FSOP_ENOENT, like for all below: there is none of this number, or it belongs to somebody
 * else. */
int fsop_job_show(struct fsop_client *client, const struct fsop_job_args *args, const struct fsop_job_answer **ret_job);
/*
 * Waits until something has happened to a job beyond the event `after`, and returns what in `events`: at least one, or
 * none if the job has ended and that is known; `end` says that it has ended, and that is all there is. Progress that
 * nobody saw is told once, by its last state; states and failures are told one by one, the failures of earlier runs of
 * the daemon only by job_show. Events of a kind that is not known are passed over.
 *
 * That may take for ever, unless the client's timeout ends it: -FSOP_ETIMEDOUT, and nothing is lost. Whoever wants to
 * do something else meanwhile submits it as a batch. A client that has lost its connection goes on with the number it
 * had.
 */
int fsop_job_watch(struct fsop_client *client, const struct fsop_job_args *args,
                   const struct fsop_job_answer **ret_events);
/*
 * Nothing further is begun, across restarts too, until it is resumed. -FSOP_EINVAL, like below: not in this state.
 * These return when what they ask for is on the daemon's disk: it survives a crash.
 */
int fsop_job_pause(struct fsop_client *client, uint64_t id, const struct fsop_job_info **ret_job);
int fsop_job_resume(struct fsop_client *client, uint64_t id, const struct fsop_job_info **ret_job);
/* Ends it; what it has under temporary names is removed. What has its final name stays. */
int fsop_job_cancel(struct fsop_client *client, uint64_t id, const struct fsop_job_info **ret_job);
/* A job that has failed is queued again, for what failed. -FSOP_EBUSY: another job writes to its target by now. */
int fsop_job_retry(struct fsop_client *client, uint64_t id, const struct fsop_job_info **ret_job);
/* A job that has ended is no longer listed. */
int fsop_job_forget(struct fsop_client *client, uint64_t id);

/* Opens a file and keeps it open in the daemon; fsop_close_handle() when done. (fsop_open() opens the connection.) */
int fsop_open_handle(struct fsop_client *client, const struct fsop_at *at, const struct fsop_open_args *args,
                     struct fsop_handle *ret_handle);
/* Opens a file and brings its descriptor here. It is the caller's, close-on-exec; with ret_fd NULL it is closed. */
int fsop_open_fd(struct fsop_client *client, const struct fsop_at *at, const struct fsop_open_args *args,
                 intptr_t *ret_fd);
int fsop_close_handle(struct fsop_client *client, struct fsop_handle handle);

/*
 * Reads length bytes, in as many requests as it takes: fewer are there only at the end of the file. *ret_count is set
 * in any case: what was read before an error counts. `at` is a handle or a descriptor, without a path.
 */
int fsop_read(struct fsop_client *client, const struct fsop_at *at, uint64_t offset, void *buffer, size_t length,
              size_t *ret_count);
/* Writes all of data, likewise. Success means all; on an error *ret_count says how much was written before it. */
int fsop_write(struct fsop_client *client, const struct fsop_at *at, uint64_t offset, struct fsop_bytes data,
               size_t *ret_count);
/* Returns when it is on the disk: data and metadata, or what args say. */
int fsop_fsync(struct fsop_client *client, const struct fsop_at *at, const struct fsop_fsync_args *args);

/* ---- listing a directory ---------------------------------------------------------------------------------------- */

/*
 * Begins to list a directory, page by page as needed. The order is the filesystem's; "." and ".." are left out. The
 * location is copied; a handle or descriptor in it must stay open. To be closed with fsop_ls_close() before the client.
 */
int fsop_ls_open(struct fsop_client *client, const struct fsop_at *at, bool with_stat, struct fsop_ls **ret_ls);

/* The next entry: 1 and *ret_entry, valid until the next call on ls; 0 at the end. Blocks for a new page. */
int fsop_ls_next(struct fsop_ls *ls, const struct fsop_entry **ret_entry);

/* NULL is fine. */
void fsop_ls_close(struct fsop_ls *ls);

#if defined(__GNUC__) && !defined(_WIN32)
#pragma GCC visibility pop
#endif
#ifdef __cplusplus
}
#endif
#endif
