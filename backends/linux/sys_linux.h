/* SPDX-License-Identifier: MIT */
/*
 * sys_linux.h: what the files of the Linux backend share.
 *
 * System calls that take a path from a client stand in three places only:
 *   lookup.c    openat2, statx and readlink relative to a held directory: every component of every path goes through it
 *   run_*.c, walk.c, copy_*.c   calls on (pinned parent, one name) and on pinned objects, through the daemon's own
 * /proc/self/fd start.c, peer.c, mounts.c, trusted.c, listen.c   paths of the daemon's own, never a client's
 */
#ifndef FSOP_SYS_LINUX_H
#define FSOP_SYS_LINUX_H

#include <sys/stat.h>
#include <sys/types.h>

#include "backends/posix/posix.h"
#include "backends/sys.h"

/* ---- the service (start.c) -------------------------------------------------------------------------------------- */

struct service {
        bool private_service;
        uint32_t uid, gid;
        uint32_t *groups;
        uint32_t n_groups;
        uint64_t permitted;                     /* every capability it may raise */
        int proc_fd;                            /* /proc/self/fd: how pinned objects are reopened */
        int root_fd;                            /* the reference root, O_PATH */
        bool own_root;                          /* the reference root is what "/" means to this process too */
        struct object_id mount_namespace, root; /* of the reference, for telling foreign peers */
        uint64_t root_mnt_id;
        bool xattr_at; /* setxattrat and its like are there (6.13) */
        void (*log)(int level, const char *message);
};
extern struct service service; /* written by sys_start alone */

void service_log(int level, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The name of a descriptor in service.proc_fd. */
struct fd_name {
        char text[16];
};
struct fd_name fd_name(os_fd fd);
/* The same as an absolute path, for calls that know no directory descriptor. */
struct fd_path {
        char text[32];
};
struct fd_path fd_path(os_fd fd);

/* ---- identities (identity.c) ------------------------------------------------------------------------------------ */

struct identity {
        struct identity *next; /* of those that are alive */
        uint64_t serial;       /* never used twice: threads remember what they wear by it */
        uint32_t refs;
        uint32_t uid, gid;
        uint64_t effective; /* capabilities */
        int personality;    /* the ring's number for it, 0: none; the engine's to use */
        uint32_t n_groups;
        uint32_t groups[]; /* ascending */
};

/* Called on the loop thread when the last reference goes, before the memory does; set by the engine, or NULL. */
extern void (*identity_dropped)(struct identity *identity);

/* The capability sets of the process as they are at the start; makes the two service identities. */
int identity_start(void);
void identity_stop(void);
/* Forgets what this thread is thought to wear, and wears the service. Aborts when that fails. */
void identity_wear_service_anew(void);

/* ---- mounts (mounts.c) ------------------------------------------------------------------------------------------ */

/* What a mount holds, if it is known; never blocks. client: the descriptor came from one. */
enum fs_class mounts_class(uint64_t mnt_id, bool client);
/* The same, and what else a place says of it. */
enum fs_class mounts_look(uint64_t mnt_id, bool client, bool *ret_in_memory, bool *ret_demoted);
/* Finds it out by asking the filesystem, which may block. FS_UNKNOWN on failure. */
enum fs_class mounts_learn(int fd, uint64_t mnt_id, bool client);
/* The number that /proc/self/mountinfo and statx(2)'s stx_mnt_id have for it, given the unique one; 0 if not known. */
uint64_t mounts_plain_id(uint64_t mnt_id);
/* Name of a filesystem by its magic number, static; NULL if unknown. */
const char *mounts_fs_name(uint64_t magic);
/* Whether nothing is mounted on any name below a directory, and the mount table says so; false where that cannot be
 * told. */
bool mounts_none_below(int fd, uint64_t mnt_id);
void mounts_stop(void);

/* ---- names to descriptors (lookup.c) ---------------------------------------------------------------------------- */

/* openat2, O_CLOEXEC added; with SYS_CACHED_ONLY in flags only from the cache (-EAGAIN), else races are tried again.
 * The descriptor or a negative errno. */
int lookup_open(int dir_fd, const char *path, uint64_t open_flags, uint64_t mode, uint64_t resolve, unsigned flags);
/* One plain name, not followed (open_flags have O_NOFOLLOW): it cannot lead anywhere else, but to the top of a
 * mount. */
int lookup_open_name(int dir_fd, const char *name, uint64_t open_flags);
/* Stat of a pinned object (name "") or of one name in a pinned directory, never following. sync: ask a network
 * filesystem instead of the cache. mnt_id is the unique one where the kernel has those. 0 or a negative errno. */
int lookup_stat(int fd, const char *name, bool sync, struct fsop_stat *ret_stat);
/* The directory LEVELS above a directory. 0 or a negative errno. */
int lookup_stat_above(int fd, unsigned levels, struct fsop_stat *ret_stat);
/* A pinned symbolic link's text, NUL-terminated; its length or a negative errno (-ENAMETOOLONG). */
int lookup_read_link(int fd, char *buffer, size_t bytes);
/* A pinned object opened for real. Regular files only, directories where O_DIRECTORY is asked for. Descriptor or
 * negative errno. */
int lookup_reopen(os_fd object, int open_flags);

uint64_t stat_dev(const struct fsop_stat *stat);
bool stat_is_directory(const struct fsop_stat *stat);
bool stat_is_link(const struct fsop_stat *stat);
bool same_object(const struct fsop_stat *stat, uint64_t dev, uint64_t ino);
void stat_from_statx(struct fsop_stat *ret_stat, const void *statx_buffer);

/* ---- how an operation failed (run.c) ---------------------------------------------------------------------------- */

/* Each sets op->code (and os_error, why, guarded) and returns the code. */
int op_failed(struct sys_op *op, int os_errno);               /* the system said so */
int op_refused(struct sys_op *op, int code, const char *why); /* fsopd will not; code is -FSOP_E… */
int op_guarded(struct sys_op *op, int code, const char *why); /* the rule will not */

/* What stands around every run, on whichever way: op as if nothing had been done (its code when it is cancelled
 * already); and what is to be known, and not to be held any longer, once something may have been. */
int op_begin(struct sys_op *op);
void op_end(struct sys_op *op);

/* ---- what a verb needs (shape.c) --------------------------------------------------------------------------------- */

enum pin {
        PIN_NOTHING = 0,
        PIN_OBJECT, /* an existing object */
        PIN_NAME,   /* a parent and a name in it */
        PIN_EITHER, /* an object; a parent and a name where it does not exist and is to be made */
};
struct shape {
        enum pin at, to;
        bool at_changes, to_changes; /* the object itself is altered (not only a name of it) */
        bool at_creates, to_creates; /* a name is made in the parent */
        bool at_removes, to_removes; /* a name may vanish from the parent */
};
const struct shape *shape_of(const struct operation *op);
bool shape_is_open(enum fsop_verb verb);
/* Whether what is not there is made. */
bool shape_may_create(const struct sys_op *op);
bool shape_wants_directory(const struct operation *op);
/* Whether a link as the last component is followed. A walk says for itself. */
bool shape_follows(const struct operation *op, const struct place *place);

/* ---- what the kernel says, and how far it goes ------------------------------------------------------------------- */

#define LINKS_MAX 40 /* of one path: the kernel's own limit */

/* What getdents64 fills a buffer with. */
struct kernel_entry {
        uint64_t ino;
        int64_t offset;
        uint16_t length;
        uint8_t type;
        char name[];
};

/* ---- places to pinned objects (resolve.c) ------------------------------------------------------------------------ */

/* What was found to lie in a rule's directory may be moved out of it. Whoever asked can make it last as long as he
 * likes before it is used (he reads no answers, or has something else of the same batch hang), so after this it is
 * looked at again. */
#define PINNED_MS 100u
bool op_is_old(const struct sys_op *op);
/* Whether it does: a rule demands of one of its directories where it lies. */
bool resolve_can_stray(const struct sys_op *op);
/* The demands on what was pinned for op, except those on the object alone. 0 or op's code. */
int resolve_check_again(struct sys_op *op);
/* What appeared at place's leaf since it was looked up is pinned and checked as if it had been there. */
int resolve_leaf_again(struct sys_op *op, struct place *place);
/* As caller: creates and opens what a dangling link points to, as open(2) with O_CREAT would. Descriptor or negative
 * errno. */
int resolve_create_through_link(struct place *place, int open_flags, uint32_t mode);
/* The object behind a link that a walk met at NAME in DIR_FD; TRAIL is its path below the walk's root, with name.
 * Pinned, and for elevated operations checked. 0 or op's code. */
int resolve_link_met(struct sys_op *op, int dir_fd, const char *name, const char *trail, os_fd *ret_object,
                     struct fsop_stat *ret_stat);

/* How names in the place's parent are looked up, for openat2. */
uint64_t resolve_of_leaf(const struct place *place);
/* What becomes of op when a look-up failed with this errno: leaving the rule's directory is the guard's refusal. op's
 * code. */
int resolve_failed(struct sys_op *op, const struct place *place, int error);

/* ---- the way to a directory, where a rule excludes something (way.c) --------------------------------------------- */

/* From START. Its descriptor, or op's code. */
int way_walk(struct sys_op *op, const struct place *place, const char *path, int start, unsigned flags);

/* ---- parents that a batch shares (parents.c); CACHE may be NULL -------------------------------------------------- */

/* The directory that the first LEN bytes of PATH name for this place, if the batch has it open. */
struct parent_slot *parents_find(struct parent_cache *cache, const struct place *place, const char *path, size_t len);
/* Keeps a parent that was just opened; false if there is no room, and then it stays the place's own. */
bool parents_keep(struct parent_cache *cache, const struct place *place, size_t len, int fd,
                  const struct fsop_stat *stat);
void parents_give_back(struct parent_cache *cache, os_fd fd);
/* Closes it some time before the cache is cleared; at once without one. */
void parents_close_later(struct parent_cache *cache, os_fd fd);

/* ---- what a rule demands (guard.c) ------------------------------------------------------------------------------- */

/* A path that may be elevated: relative, no empty, "." or ".." components. */
bool guard_accepts_path(const struct bytes *path);
/* Whether RESOLVE_NO_XDEV is to be used. */
bool guard_stays_on_mount(const struct place *place);
/* Something on the way: not excluded itself. */
int guard_refuse_excluded(struct sys_op *op, const struct guard *guard, const struct fsop_stat *stat);
/* Arguments alone: sizes and modes. */
int guard_check_arguments(struct sys_op *op);
/* A directory: beneath the rule's, not in or at an excluded one. */
int guard_check_directory(struct sys_op *op, const struct place *place, os_fd fd, const struct fsop_stat *stat);
/* The parent in which a name is made. */
int guard_check_parent_owner(struct sys_op *op, const struct place *place, const struct fsop_stat *parent);
#define GUARD_NAME_EXCLUDED "the rule excludes what would have its name"
#define GUARD_NAMES_CHANGED "something else stands since a moment ago where the rule excludes; try again"
/* Whether nothing was reached by another way than its own path, which rules were asked about. */
bool guard_is_by_name(const struct place *place);
/* Whether what stands at the excluded names is what is known to be excluded, after what may be that was pinned: 0, or
 * -FSOP_ESTALE where it is not. -FSOP_EAGAIN: not in the cache. Wears the service. */
int guard_look_at_names(const struct guard *guard, unsigned flags);
/* Whether NAME in a directory is an excluded name, or HOLDS one that lies deeper, so that nothing is to be made there:
 * 1, 0, or as above. May wear the service. */
int guard_look_at_new_name(const struct guard *guard, const struct fsop_stat *directory, const char *name, bool holds,
                           unsigned flags);
/* Both where the place was not reached by its own path. Leaves op's code as it was, or refuses with EAGAIN; returns it.
 * May wear the service. */
int guard_check_names(struct sys_op *op, const struct place *place, unsigned flags);
/* An object that was pinned. parent may be NULL where it is not known. */
int guard_check_object(struct sys_op *op, const struct place *place, const struct fsop_stat *stat,
                       const struct fsop_stat *parent);
/* For walks: what is wrong with changing this object, or NULL. */
const char *guard_object_fault(const struct guard *guard, const struct fsop_stat *stat, bool changes);
/* A directory that is to get another place: no excluded one may be inside it. */
int guard_check_holds_none(struct sys_op *op, const struct place *place);
/* Whether MODE may be given to an object that has OLD (0: a new one). */
bool guard_accepts_mode(const struct guard *guard, uint32_t mode, const struct fsop_stat *old);
/* The size that an operation that writes may bring a file to. */
int guard_check_bytes(struct sys_op *op, const struct place *place, uint64_t offset, uint64_t length);

/* ---- running (run_*.c, walk.c) ---------------------------------------------------------------------------------- */

/* All return op's code. */
int run_stat(struct sys_op *op);
int run_statfs(struct sys_op *op);
int run_utimens(struct sys_op *op);
int run_chmod(struct sys_op *op);
int run_chown(struct sys_op *op);
int run_mknod(struct sys_op *op);
int run_mkdir(struct sys_op *op);
int run_rmdir(struct sys_op *op);
int run_unlink(struct sys_op *op);
int run_rename(struct sys_op *op);
int run_symlink(struct sys_op *op);
int run_link(struct sys_op *op);
int run_readlink(struct sys_op *op);
int run_getxattr(struct sys_op *op);
int run_setxattr(struct sys_op *op);
int run_listxattr(struct sys_op *op);
int run_removexattr(struct sys_op *op);
int run_fallocate(struct sys_op *op);
int run_truncate(struct sys_op *op);
int run_fadvise(struct sys_op *op);
int run_fsync(struct sys_op *op);
int run_copy_range(struct sys_op *op);
int run_open(struct sys_op *op);
int run_opendir(struct sys_op *op);
int run_read(struct sys_op *op);
int run_write(struct sys_op *op);
int run_ls(struct sys_op *op);
int run_walk(struct sys_op *op); /* chmod, chown, unlink, recursive */

/* Extended attributes of a pinned object, symbolic links included. As the system calls: a count or 0, -1 with errno
 * set. */
ssize_t xattr_get(os_fd object, const char *name, void *buffer, size_t bytes);
int xattr_set(os_fd object, const char *name, const struct bytes *value, int flags);
ssize_t xattr_list(os_fd object, char *buffer, size_t bytes);
int xattr_remove(os_fd object, const char *name);

/* ---- from one open file to another (transfer.c) ------------------------------------------------------------------ */

struct transfer {
        int from_fd, to_fd;
        uint64_t from, to, left, done; /* offsets, and bytes */
        const int *stop;               /* atomic, or NULL: looked at between steps */
};

/* Shares extents of all that is left. 0 or a positive errno; transfer_not_shareable tells which of
 * them mean that here they cannot be. */
int transfer_share(struct transfer *transfer);
bool transfer_not_shareable(int error);
/* By the kernel. 0: all is done. 1: go on by hand. Negative errno: -ECANCELED when it was stopped. */
int transfer_in_kernel(struct transfer *transfer);
/* By reading and writing through a buffer of the caller's; ends early where the source does. 0 or a negative errno, as
 * above. */
int transfer_by_hand(struct transfer *transfer, void *buffer, size_t bytes);

bool op_is_cancelled(const struct sys_op *op);
/* The mode that a chmod gives to an object of this mode. */
uint32_t new_mode(const struct chmod_args *args, uint32_t old);
/* One object, without the walk. */
int change_mode(struct sys_op *op, os_fd object, const struct fsop_stat *stat, bool *ret_changed);
/* Set-gid without execution for the group: the kernel leaves it when a file is written to, so it goes before that. */
bool keeps_set_gid(const struct place *place);
int strip_set_gid(struct sys_op *op, const struct place *place); /* 0 or op's code */
int change_owner(struct sys_op *op, os_fd object, const struct fsop_stat *stat, bool *ret_changed);

/*
 * A descriptor of a place's object that data can go through: base itself where that is open already, else opened as the
 * place's identity; where the object does not exist and is to be made, created. *ret_own: to be closed. Sets op's code.
 */
int data_open(struct sys_op *op, struct place *place, int open_flags, int *ret_fd, bool *ret_own);
/* Whether the place is a descriptor that is open for more than being named. */
bool data_is_open(const struct place *place);
/* The kernel's numbers: FALLOC_FL_*, POSIX_FADV_*; negative for none. */
int data_fallocate_flags(const struct fallocate_args *args);
int data_advice(enum fsop_advice advice);
/* What a get of an extended attribute that answered N (or a negative errno) means for op; room was for BYTES. Returns
 * op's code. */
int data_xattr_answer(struct sys_op *op, int64_t n, size_t bytes);
size_t data_xattr_bytes(const struct sys_op *op);

#endif
