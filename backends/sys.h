/* SPDX-License-Identifier: MIT */
/*
 * sys.h: what an operating system must provide to fsopd besides an engine: who is calling, wearing an identity, paths
 * resolved to pinned objects, the operations themselves, and a few odds and ends. Chosen at link time.
 *
 * All calls return 0 (or a count) or -FSOP_E…, converted where the system call is made; the raw error goes to the
 * place named. Calls marked [any] may run on the loop thread or on a worker, everything else on the loop thread only.
 *
 * This is the only place of the daemon from which a path can reach the kernel.
 */
#ifndef FSOP_SYS_H
#define FSOP_SYS_H

#include "proto/arena.h"
#include "proto/message.h"

/* A descriptor (a HANDLE on Windows). */
typedef intptr_t os_fd;
#define OS_FD_NONE ((os_fd)-1)

/* ---- start ---------------------------------------------------------------------------------------------------- */

struct sys_config {
        bool private_service;                        /* started by an ordinary user: everything runs as that user */
        void (*log)(int level, const char *message); /* level as syslog(3); any thread */
};

/*
 * Takes the identity of the process as the service's, drops CAP_FSETID from the effective set, takes the reference root
 * (PID 1's, else its own: where that cannot be read, and in a chroot; why stands in the log), gives the thread a umask
 * of its own.
 */
int sys_start(const struct sys_config *config, bool *ret_own_root);
void sys_stop(void);

/* To be called first on every worker thread: own umask, known identity. [any] */
int sys_thread_start(void);
/* Frees what the thread holds (e.g. leaves its worn identity). [any] */
void sys_thread_stop(void);

/* "Linux 6.1.0 x86_64" */
const char *sys_platform(void);
/* The largest numbers of device nodes. */
extern const uint32_t sys_device_major_max, sys_device_minor_max;

/* ---- who is calling -------------------------------------------------------------------------------------------- */

struct peer {
        uint32_t uid, gid;
        uint32_t *groups; /* supplementary, ascending */
        uint32_t n_groups;
        int64_t pid;
        os_fd pidfd;           /* or OS_FD_NONE */
        bool foreign;          /* other mount namespace or root than the reference: its paths mean other things */
        bool fully_capable;    /* uid 0 with every capability that the service has, in the service's user namespace */
        uint64_t capabilities; /* worn for `caller`; 0 for every uid but 0 */
        const char *name;      /* of the user, where somebody has asked already; the asker's. NULL: not asked */
};

/* Asks the kernel who is at the other end of a connected socket; on failure nothing is to be freed. The socket decides,
 * never the message. */
int peer_query(os_fd socket, struct peer *ret_peer);
void peer_fini(struct peer *peer);

/* ---- identities ------------------------------------------------------------------------------------------------ */

/* Credentials to wear: uid, gid, supplementary groups, capabilities. Immutable; counted on the loop thread. */
struct identity;

/* The peer itself, with exactly its rights. */
int identity_of_peer(const struct peer *peer, struct identity **ret_identity);
/* The service: its own uid and all its capabilities, with CAP_FSETID only if set_id. Two shared objects, ref'd. */
struct identity *identity_of_service(bool set_id);
/*
 * Somebody for whom something is created: uid, gid and groups given, with the capabilities to get past permissions
 * (DAC_OVERRIDE, DAC_READ_SEARCH, FOWNER) and, if mknod, to make device nodes; FSETID only if set_id.
 */
int identity_to_create_as(uint32_t uid, uint32_t gid, const uint32_t *groups, uint32_t n_groups, bool mknod,
                          bool set_id, struct identity **ret_identity);
struct identity *identity_ref(struct identity *identity);
struct identity *identity_unref(struct identity *identity); /* NULL */

/*
 * Wears an identity on this thread (raw setgroups, setresgid, setresuid, capset; all read back). A thread keeps what it
 * wears until the next call; wearing what is worn costs nothing. On failure the thread is back at the service's
 * identity; if it cannot get back, the process aborts. [any]
 */
int identity_wear(struct identity *identity);
/* Back to the service's own. Before anything the daemon does for itself. [any] */
void identity_wear_service(void);

/* ---- names ------------------------------------------------------------------------------------------------------ */

/* The user and group databases. 0, -FSOP_ENOENT, or another error (which policy treats as "deny"). */
int sys_user_by_name(const char *name, uint32_t *ret_uid, uint32_t *ret_gid);
int sys_group_by_name(const char *name, uint32_t *ret_gid);
int sys_name_of_user(uint32_t uid, char *buffer, size_t buffer_bytes);
/* malloc'd ascending list, gid included. */
int sys_groups_of_user(const char *name, uint32_t gid, uint32_t **ret_groups, uint32_t *ret_n);

/* ---- directories that rules name ------------------------------------------------------------------------------- */

struct object_id {
        uint64_t dev, ino;
};

/* A directory held open, resolved under the reference root without magic links. Links on the way must be in nobody's
 * hands but root's and the service's, like the directories above them: -FSOP_EACCES for others. */
struct directory {
        os_fd fd; /* OS_FD_NONE: closed */
        uint64_t dev, ino, mnt_id;
        bool one_mount; /* nothing was mounted below it when it was opened */
};
int directory_open(const char *absolute_path, struct directory *ret_directory);
/* The same of whatever stands there: what rules keep out may be a file. The other calls about directories take it,
 * too. */
int directory_open_any(const char *absolute_path, struct directory *ret_directory);
void directory_close(struct directory *directory);
/* What stands at such a path now; ino 0: nothing. flags: SYS_CACHED_ONLY. [any] */
int directory_look(const char *absolute_path, unsigned flags, struct object_id *ret_id);

/* A directory whatever its path becomes, without holding it open. */
struct directory_mark {
        uint64_t dev, ino;
        int32_t handle_type;
        uint32_t handle_bytes; /* 0: its filesystem has none */
        uint8_t handle[128];
        bool strangers; /* in a sticky directory, and neither its owner's nor the service's: nobody else put it there,
                           or can move it */
};
/* [any] Of what was opened by this path. */
void directory_mark(const char *absolute_path, const struct directory *directory, struct directory_mark *ret_mark);
/* [any] Opens it again, by way of an open directory of its filesystem. 0, -FSOP_ESTALE when it was removed, other
 * errors when that cannot be told. */
int directory_open_marked(const struct directory *beside, const struct directory_mark *mark,
                          struct directory *ret_directory);

/* A descriptor that polls as ready when the mount table changes, to give to IO_POLL; OS_FD_NONE where there is none. */
os_fd sys_mount_watch(void);
/* Forgets what is cached about mounts. */
void sys_mounts_changed(void);
/* Whether others than root can keep the lock of a local file or directory for ever. Asked anew each time. */
bool sys_locks_may_be_kept(void);
/* A local filesystem that was seen to keep its callers waiting: from now on, or not any more, nothing on it is answered
 * with SYS_CACHED_ONLY. Forgotten with what is cached about the mount. Returns the number that the mount table gives
 * it, 0: not known. */
uint64_t sys_mount_demote(uint64_t mnt_id, bool demoted);

/*
 * Reads a file that steers the daemon: it must be a regular file that belongs to root (or the private service's user),
 * and neither it nor any directory above it may be writable by anyone else; symbolic links only if they pass too. A
 * link to /dev/null reads as ret_masked. Contents malloc'd and NUL-terminated. On refusal ret_why is a static string.
 */
int sys_read_trusted_file(const char *path, size_t bytes_max, char **ret_data, size_t *ret_len, bool *ret_masked,
                          const char **ret_why);
/* Reads a file whoever owns it, for looking at its contents only: nothing that it says may be followed. Contents as
 * above. */
int sys_read_any_file(const char *path, size_t bytes_max, char **ret_data, size_t *ret_len);
/* Names in a trusted directory, sorted, malloc'd (free each, then the array). -FSOP_ENOENT if it does not exist. */
int sys_list_trusted_directory(const char *path, char ***ret_names, size_t *ret_n, const char **ret_why);
/* Opens (creating, 0600, O_APPEND) a file of the daemon's own for appending, never through a link. */
int sys_open_append(const char *path, os_fd *ret_fd);
/* Appends all of it; -FSOP_E… on failure. [any] */
int sys_write_all(os_fd fd, const void *data, size_t len);
/* Whether a directory of the daemon's own is trusted as such files are: 0, or -FSOP_E... and why (a static string, or
 * NULL). */
int sys_check_trusted_directory(const char *path, const char **ret_why);
/* mkdir -p with MODE for a directory of the daemon's own. */
int sys_make_directory(const char *path, uint32_t mode);

/* For libraries that are given the path of a file of the daemon's own. All of them name it below a directory that is
 * the daemon's own, and never go through a link in its place. [any] */
/* Whether it is there and nobody else's; its size to *ret_bytes. -FSOP_ENOENT; -FSOP_EPERM: it is not what it should
 * be. */
int sys_own_file(const char *path, uint64_t *ret_bytes);
/* Makes it where there is none: empty, 0600, its name on the disk; then returns 1. What is there stays as it is;
 * -FSOP_EPERM as above. */
int sys_make_own_file(const char *path);
/* Gives it another name in the same directory, durably; -FSOP_EEXIST where something has that name. */
int sys_rename_own_file(const char *from, const char *to);
/* Takes its name away, durably; -FSOP_ENOENT where it has none. */
int sys_remove_own_file(const char *path);
/* -FSOP_E... for an error number of the operating system that came by way of a library; 0 gives -FSOP_EIO. */
int sys_error(int os_error);

/* ---- operations ------------------------------------------------------------------------------------------------- */

enum fs_class {
        FS_UNKNOWN = 0, /* not looked up yet: treat as slow */
        FS_LOCAL,       /* answers from memory or a local disk */
        FS_SLOW,        /* network, FUSE: may hang for ever */
        FS_FORBIDDEN,   /* procfs: nothing is done on it */
};

/* What a rule demands of the objects that an elevated operation meets. Plain data, filled by authorize, enforced by the
 * resolver and the walker of the backend on every object they pin. */
struct guard {
        const struct directory *root; /* the rule's directory; everything stays beneath it */
        const struct object_id
                *excluded;         /* what may not be, hold or lie above what is touched: the rule's exclude list, */
        uint32_t n_excluded;       /* what others deny, and the daemon's own files; mostly directories */
        const os_fd *excluded_fds; /* held open, same order; OS_FD_NONE where it does not exist */
        /* By which names that was found, and what stood there then (ino 0: nothing). What is reached by another way
         * than its own path has not been judged by its name: then these must be the same still. */
        const char *const *named;
        const struct object_id *named_ids;
        uint32_t n_named;
        uint32_t n_reserved; /* of those, the first so many: what does not exist yet nobody makes by another way
                                either */
        int *outdated;       /* atomic: set where they are not; the guard is of no use any more */
        bool one_filesystem;
        bool links_any;      /* non-directories with several links may be changed */
        bool set_id;         /* set-id bits may be set and may survive */
        bool foreign_parent; /* creating inside a directory of someone else is fine */
        bool owned_by_caller;
        uint32_t caller_uid;
        uint32_t create_uid; /* owner of what is created */
        uint32_t service_uid;
        bool has_bytes_max;
        uint64_t bytes_max; /* largest logical size a file may reach */
};

/* One end of an operation. */
struct place {
        /* filled by the daemon */
        struct identity *identity; /* as whom it is looked up and opened */
        const struct guard *guard; /* NULL: as caller */
        os_fd base;                /* start of a relative path; OS_FD_NONE: the reference root */
        bool base_is_object;       /* path is empty: base itself is meant */
        bool base_is_client_fd; /* base came from a client, or was opened below what did: may be anything, may hang */
        bool may_leave_base;    /* as caller, from a base: "..", absolute links and the like may lead out of it, because
                                   the    caller sees the same tree as the reference (it is not foreign) */
        struct bytes path;      /* NUL-terminated (len does not count it) */
        bool follow;
        /* filled by sys_resolve */
        os_fd parent;         /* O_PATH, or OS_FD_NONE where the verb needs none */
        bool parent_borrowed; /* it belongs to the cache */
        const char *leaf;     /* name in parent, points into path */
        os_fd object;         /* O_PATH, or OS_FD_NONE where it does not exist (yet) */
        bool object_borrowed; /* it is base */
        bool followed;        /* a link was followed, or "..": path is not the object's own */
        bool through_link;    /* leaf is a link to nothing, through which the kernel is to create (as caller only) */
        enum fs_class fs;
        uint64_t mnt_id; /* of what fs is about; 0: not looked at yet */
        bool in_memory;  /* it has no disk */
        bool demoted;    /* sys_mount_demote, as far as it is still known of the mount when this was looked up */
        bool has_stat;
        struct fsop_stat stat; /* of object: type, mode, nlink, uid, gid, ino, dev, size, mnt_id */
};

/* Whether to close what it has pinned may hang, too: it may be the last that is left of a filesystem whose server does
 * not answer. */
static inline bool place_is_far(const struct place *place) {
        return place->fs != FS_LOCAL || place->base_is_client_fd;
}

/*
 * Parents that several operations of a batch share: near ones (place_is_far). Resolve and release use it, one thread at
 * a time; run, on any thread, only marks it as stale when it may have changed what a path means. It borrows the paths
 * and guards of the places that came first: those must stay until it is cleared.
 */
struct parent_cache {
        struct parent_slot {
                os_fd base, fd;
                uint32_t users; /* places that borrow fd; a slot in use is not given away */
                bool stale;     /* not to be found any more; closed with its last user */
                bool is_base;   /* fd is base, which is not ours to close: what was found out about it is remembered */
                bool may_leave_base, followed;
                struct identity *identity;
                const struct guard *guard;
                struct bytes path;
                struct fsop_stat stat;
                enum fs_class fs;
                bool in_memory, demoted;
                uint64_t since_ms; /* when it was opened; 0 as caller, who may hold a directory open anyway */
        } slots[4];
        uint32_t next;
        int stale;         /* atomic: all slots are */
        os_fd closing[64]; /* released objects, to be closed together */
        uint32_t n_closing;
};
/* Makes an empty cache (all slots OS_FD_NONE). */
void parent_cache_init(struct parent_cache *cache);
/* Closes the objects that were released into it. [any] */
void parent_cache_close_released(struct parent_cache *cache);
/* Closes what it holds; places that borrowed must be finished. [any] */
void parent_cache_clear(struct parent_cache *cache);

struct sys_op {
        /* filled by the daemon */
        const struct operation *op;
        struct sys_op *next;       /* of the same io: resolved or run right behind this one */
        struct identity *identity; /* as whom it runs: of `at`, or of `to` where only that changes */
        struct place at, to;
        struct parent_cache *cache; /* or NULL */
        /* Asked by walks about each name that they meet, BELOW `at`, before it is looked at: NULL: it may be touched;
         * else a static sentence why not: that name then fails, guarded. The function is NULL where rules say nothing
         * of what is below. */
        const char *(*excluded)(void *context, struct bytes below);
        void *excluded_context;
        uint64_t since_ms; /* when sys_resolve began. Run looks again at what a rule guards and has become old. */
        bool last_use;     /* run closes the objects that were pinned for it: on a worker, not on the loop afterwards */
        bool in_slice;     /* resolved in one go with others: given back (held_up_by) where they would have to wait for
                              it */
        bool run_too;      /* an IO_RESOLVE that went well goes on with sys_run */
        uint8_t *out;      /* room for what the result points to: data, names, entries, failures, texts */
        size_t out_bytes;
        /* filled by sys_resolve and sys_run */
        struct result *result; /* value, outcome, cloned; not error */
        os_fd opened;          /* open, opendir, open-fd: the new descriptor, the daemon's to close; else OS_FD_NONE */
        int32_t code;          /* 0 or -FSOP_E… */
        int32_t os_error;      /* raw */
        const char *why;       /* static sentence where the code alone does not explain, or NULL */
        bool guarded;          /* it was the guard that refused: class denied */
        bool source_failed;    /* `at` could not be had; else it was `to`, where there is one */
        bool has_run;          /* after an IO_RESOLVE with run_too: it is resolved, and code is what sys_run said */
        uint64_t held_up_by;   /* after -FSOP_EAGAIN: the mount that may make it wait long, or SYS_MOUNT_UNKNOWN; 0:
                                  none */
        int cancelled;         /* atomic; long operations look at it between steps and give up with ECANCELED */
};

#define SYS_MOUNT_UNKNOWN UINT64_C(1) /* a link leads on to where nobody has looked lately: to whatever mount */

enum {
        SYS_CACHED_ONLY = 1 << 0,  /* answer -FSOP_EAGAIN rather than touch a disk or a slow filesystem */
        SYS_CROSS_MOUNTS = 1 << 1, /* sys_ancestors: beyond the top of a mount, up to the root */
        SYS_LOCAL_ONLY = 1 << 2, /* answer -FSOP_EAGAIN rather than touch a slow filesystem, or a directory that is not
                                    in the cache */
        SYS_TRY_LEAF = 1 << 3,   /* with SYS_CACHED_ONLY: a disk may be touched for the last name, with a rule's rights,
                                    where nothing   is mounted; to be given as long as such look-ups turn out quick */
};

/*
 * Pins what op->op->verb needs of `at` and `to`: parents and leaf names for what makes or removes names, objects for
 * what changes them; checks the guard on them; sets at.fs / to.fs. Sets code, os_error, why, guarded and returns code.
 * -FSOP_EAGAIN with SYS_CACHED_ONLY or SYS_LOCAL_ONLY: call again on a worker, which held_up_by may keep. Leaves
 * nothing open on failure. [any]
 */
int sys_resolve(struct sys_op *op, unsigned flags);

/* Does it on what was pinned, wearing op->identity (and each place's own for opening). Sets code, os_error, why,
 * opened, result. Must follow a successful sys_resolve. Walks are inside. [any] */
int sys_run(struct sys_op *op);

/* Closes what resolve pinned (never `opened`, never borrowed ones). [any] */
void sys_release(struct sys_op *op);

/*
 * Whoever closes the last descriptor of a removed file frees its blocks, and waits for that. So before sys_release the
 * objects for which that may take long can be taken from the operation: those that were large, and those that were held
 * for so long that they may have become it. And the last one on a filesystem that is not mounted any more ends that:
 * those that are far (place_is_far), whose operation did not run. They are the caller's to have closed by a worker.
 * Returns how many. [any]
 */
uint32_t sys_take_large(struct sys_op *op, os_fd ret_fds[4]);
#define SYS_SMALL_BLOCKS 2048u /* of 512 bytes: what is freed in one go */
/* The same question about a descriptor on a local filesystem. [any] */
bool sys_is_large(os_fd fd);

/*
 * From a directory descriptor that a client passed (or a handle opened as caller) upwards, as far as its mount reaches:
 * the directories above it, itself first. For finding the rule it lies under: a rule's directory on the other side of
 * a mount is not among them. Returns their number, or -FSOP_E…; -FSOP_E2BIG when there are more than ids_max,
 * -FSOP_ENOTDIR if it is none. Wears the service. [any]
 */
int sys_ancestors(os_fd directory, struct object_id *ret_ids, uint32_t ids_max, unsigned flags);

/* What the filesystem of a pinned object can do, found without writing. ret_features' texts are static. Returns the
 * count. [any] */
int sys_probe(const struct place *place, const char **ret_fs_name, struct support *ret_features, uint32_t features_max);

/* How this platform does each operation, for info; static. */
const struct support *sys_support(uint32_t *ret_n);

/* Closes a descriptor; may block where a FUSE server is behind it, so a client's own are closed by workers. [any] */
void sys_close(os_fd fd);
/* Whether the other end has read all that was sent through a connection, or is gone. [any] */
bool sys_socket_is_read(os_fd socket);
/* Whether the other end is gone: one that only sends no more, and still reads, is not. [any] */
bool sys_socket_is_gone(os_fd socket);
/* Of one just accepted: what its client sends as urgent comes in its turn. Else the kernel throws that away while the
 * loop reads what is behind it, with the descriptors that it carries, and to close them may take as long as the client
 * likes. [loop] */
void sys_socket_accepted(os_fd socket);
/* Neither end gets or sends any more; what was sent can still be read, and then the connection has ended. [any] */
void sys_socket_shut(os_fd socket);
/* What a descriptor that a client passed is good for. Never blocks: -FSOP_EACCES for one known to be on procfs; on a
 * mount that was never seen before, sys_resolve is the one to tell. [any] */
int sys_fd_check(os_fd fd, bool *ret_readable, bool *ret_writable, bool *ret_path_only);

/* ---- odds and ends ---------------------------------------------------------------------------------------------- */

uint64_t sys_monotonic_ms(void); /* [any] */
uint64_t sys_thread_waits(
        void); /* how often this thread has given up the processor to wait for something; 0: not known. [any] */
uint64_t sys_thread_cpu_ns(void);    /* of the processor that this thread has used. [any] */
uint64_t sys_monotonic_ns(void);     /* [any] */
void sys_sleep_ms(uint32_t ms);      /* at a start: nothing that serves may sleep. [any] */
struct fsop_time sys_realtime(void); /* [any] */
/* How many descriptors this process may have open; raises it as far as it may, and tries to get NEEDED. */
uint32_t sys_descriptors_max(uint32_t needed);
/* Whether this one is among the last N that there are: so many are free at most. */
bool sys_is_last_descriptor(os_fd fd, uint32_t n);
void sys_trim_memory(void);        /* gives free memory back to the system */
uint64_t sys_resident_bytes(void); /* of this process, for status */
uint32_t sys_processors(void);     /* that this process may run on; at least 1 */

/*
 * Listens on a Unix socket path (a pipe name on Windows) with MODE and GROUP (WIRE_NOBODY: leave). Refuses with EBUSY
 * when a live daemon answers there; a dead socket is replaced; the directory must belong to the service and not be
 * writable by others. ret_lock holds the claim until closed.
 */
int sys_listen(const char *path, uint32_t mode, uint32_t gid, os_fd *ret_listener, os_fd *ret_lock,
               const char **ret_why);
/* Removes the socket file if it is still ours. */
void sys_unlisten(const char *path, os_fd listener, os_fd lock);

#endif
