/* SPDX-License-Identifier: MIT */
/*
 * copy_linux.h: what the copying files of the Linux backend (copy_*.c) share.
 *
 * A copy has three identities: the reader opens and reads the source, the writer makes names, the keeper sets what an
 * object carries. Wearing another one costs 13 us, what is worn already nothing: where they differ, files go through
 * each phase in groups.
 */
#ifndef FSOP_COPY_LINUX_H
#define FSOP_COPY_LINUX_H

#include <pthread.h>

#include "backends/copy.h"
#include "backends/linux/sys_linux.h"

#define OWN_UMASK 077
#define SET_ID_BITS (S_ISUID | S_ISGID)
#define COPY_MOUNTS_MAX 16u

/* What the backend knows of a tree beside struct copy_tree. */
struct copy_state {
        bool from_stays, to_stays;     /* the rule crosses no mount there */
        bool from_client, to_client;   /* the place was reached from a client's descriptor */
        bool from_by_name, to_by_name; /* guard_is_by_name */
        bool single;                   /* the source is no directory */
        bool overlaps;                 /* the target lies below the source */
        int target;                    /* O_PATH: what has the target's name, if anything has */
        struct fsop_stat target_stat;
        int target_top;       /* O_PATH: the directory that is filled, from copy_top on */
        struct object_id top; /* which that is */
        /* Filesystems that something was made on, each held by a directory. */
        pthread_mutex_t lock;
        struct {
                uint64_t dev;
                int fd;
        } mounts[COPY_MOUNTS_MAX];
        uint32_t n_mounts;
        bool too_many_mounts;
};

struct copy_dir {
        char *path; /* below the top */
        uint32_t depth;
        bool place;                /* not a directory to be copied, but the place of a single file */
        bool made;                 /* this job has made it, */
        bool found;                /* in an earlier run, which may have finished it */
        bool mount_point;          /* of another filesystem, which is left out: the directory alone is made */
        bool finals;               /* what is made in it has its final name at once */
        bool undisturbed;          /* nobody can put another name into its source but who is trusted with that anyway */
        bool inherits_acl;         /* it has a default ACL, which what is made in it gets */
        int source;                /* open for reading; -1: closed, or a place */
        int target;                /* O_PATH; -1: closed */
        struct fsop_stat from, to; /* as they were when it was entered; `to` as it was made */
        enum fs_class from_fs, to_fs;
        const char *no_creating; /* why nothing may be made in it; NULL: it may */
        uint32_t plain_mode;     /* where the mode is not preserved and this job has made it: what it ends with */
        uint64_t made_owner;     /* atomic: uid << 32 | gid of a file made in it, learnt from the first; UINT64_MAX: not
                                    yet */
        uint8_t *buffer;         /* of a listing */
        size_t at, len;
};

/* ---- errors (copy_tree.c): each fills *ret and returns the code -------------------------------------------------- */

int copy_failed(struct copy_error *ret, int os_errno);
int copy_not_made(struct copy_error *ret,
                  int os_errno); /* something in the target, and it says at which end that was */
int copy_refused(struct copy_error *ret, int code, const char *why);
int copy_denied(struct copy_error *ret, int code, const char *why);
int copy_wear(struct identity *identity, struct copy_error *ret);
bool copy_stopped(const struct copy_tree *tree);

/* Remembers, for copy_flush, on which filesystem a directory is in which something is made. */
void copy_note_mount(struct copy_tree *tree, int directory, const struct fsop_stat *stat);
int copy_flush_directory(const struct copy_tree *tree, int directory, struct copy_error *ret);

/* ---- looking up (copy_look.c) ------------------------------------------------------------------------------------ */

/* One name in a held directory of the source or the target, pinned; never followed. Descriptor or a negative errno. */
int copy_pin_source(const struct copy_tree *tree, int dir_fd, const char *name, uint64_t open_flags);
int copy_pin_target(const struct copy_tree *tree, int dir_fd, const char *name, uint64_t open_flags);
/* PATH below a held directory, of any length, through no link. Descriptor or a negative errno. */
int copy_open_below(int top_fd, const char *path, uint64_t open_flags, bool stays);
/* What kind of filesystem an object met in a directory is on; -FSOP_EACCES where nothing may be done there. */
int copy_check_mount(int fd, const struct fsop_stat *stat, const struct fsop_stat *parent, bool client,
                     enum fs_class *fs, struct copy_error *ret);
/* What a rule says of an object that is read, or replaced. */
int copy_guard_object(const struct guard *guard, const struct fsop_stat *stat, struct copy_error *ret);
/* What a rule says of a directory: where it lies; creates: and whose it is, because something is made in it. */
int copy_guard_directory(const struct guard *guard, bool client, int fd, const struct fsop_stat *stat,
                         struct copy_error *ret);
/* Why nothing may be made in a directory, NULL: it may. */
const char *copy_guard_creating(const struct guard *guard, const struct fsop_stat *parent);
/* What rules say of the names of NAME in DIR at both ends. May wear the reader. */
int copy_check_reach(const struct copy_tree *tree, const struct copy_dir *dir, const char *name,
                     struct copy_error *ret);
/* Whether NAME may be made in a directory of the target, by rules that know that by another name; HOLDS: with all that
 * is to come below it. Back to WORN afterwards. */
int copy_check_new_name(const struct copy_tree *tree, const struct fsop_stat *directory, const char *name, bool holds,
                        struct identity *worn, struct copy_error *ret);
/* After something was pinned, where the tree was reached by another name than rules know it by. Back to WORN
 * afterwards. */
int copy_check_names(const struct copy_tree *tree, struct identity *worn, struct copy_error *ret);
/* -FSOP_ESTALE where the top's temporary name leads to something else than what an earlier run has made, as far as that
 * is known. */
int copy_check_made(const struct copy_tree *tree, const struct fsop_stat *stat, struct copy_error *ret);
/* -FSOP_EPERM where the rule does not let a file become that large. */
int copy_guard_size(const struct guard *guard, uint64_t size, struct copy_error *ret);

/* ---- names (copy_name.c) ----------------------------------------------------------------------------------------- */

void copy_next_temporary(struct copy_tree *tree, char temporary[COPY_TEMPORARY_BYTES]);
/* Whether it is a temporary name of this job's files. */
bool copy_is_temporary(const struct copy_tree *tree, const char *name);
/* Removes files under temporary names from a directory, but for the tree's parts. */
int copy_sweep(struct copy_tree *tree, int dir_fd, bool all, struct copy_error *ret);
/* Whether a name of the source is left out: excluded, or a temporary one of this job. 1, 0, or -ENOMEM. */
int copy_leaves_out(const struct copy_tree *tree, const char *directory, const char *name);
/* DIRECTORY/NAME, or the one of them that is not empty; malloc'd. */
char *copy_join(const char *directory, const char *name);

/* ---- what an object carries (copy_meta.c, copy_xattr.c) ---------------------------------------------------------- */

/* Extended attributes as they were read: records of name, NUL, length, value. */
struct copy_xattrs {
        uint8_t *data;
        size_t len, room;
        uint32_t n;
        bool acl, default_acl; /* are among them */
};
void copy_xattrs_fini(struct copy_xattrs *xattrs);
/* Those that are to be carried over. fd: open, or O_PATH (pinned). 0 or a negative errno. */
int copy_xattrs_read(int fd, bool pinned, struct copy_xattrs *ret);

/* An object that was made, or a directory that is to look like its source. */
struct copy_object {
        struct copy_tree *tree;
        const struct copy_dir *dir; /* that it is in; NULL: `path` is all of it */
        const char *name;           /* in dir, or its path */
        int fd;
        bool pinned; /* fd is O_PATH */
        const struct fsop_stat *source;
        const struct copy_xattrs *xattrs; /* NULL: they are not carried over */
        uint32_t uid, gid;                /* that it has */
        uint32_t mode;                    /* permissions that it has; UINT32_MAX: not known */
        uint32_t plain_mode;              /* that it is to get where the mode is not preserved */
        uint32_t had;                     /* set-id bits that it has */
        bool existed;                     /* a directory that was there */
        bool inherited_acl;               /* it may have an ACL from the directory it is in */
};
/* As the keeper, which is worn already. */
int copy_keep(struct copy_object *object, struct copy_error *ret);
/* Parts of it. */
int copy_xattrs_set(const struct copy_object *object, const char *path, struct copy_error *ret);
int copy_acls_drop(const struct copy_object *object, struct copy_error *ret);

/* ---- data (copy_data.c) ------------------------------------------------------------------------------------------ */

enum { COPY_DATA_CHANGED = 1, COPY_DATA_LARGE = 2 };
/*
 * The contents of an open source, as STAT has it, into an empty target. 0; COPY_DATA_LARGE: it is to be copied part by
 * part; COPY_DATA_CHANGED: while it was copied; or ret's code.
 */
int copy_data(struct copy_tree *tree, int from, int to, const struct fsop_stat *stat, struct copy_file *file,
              struct copy_error *ret);
/* Tries to share all extents. 0, COPY_DATA_CHANGED, 1 where they cannot be shared, or ret's code. */
enum { COPY_CLONE_NOT = 3 };
int copy_clone(struct copy_tree *tree, int from, int to, const struct fsop_stat *stat, struct copy_file *file,
               struct copy_error *ret);
/* Whether it is certain before anything is opened that a file is to be copied part by part. */
bool copy_data_is_large(const struct copy_tree *tree, const struct fsop_stat *stat);
/* Whether an open source is no longer what it was. */
bool copy_has_changed(int from, const struct fsop_stat *stat);
/* The next data at or behind OFFSET: [*ret_start, *ret_end). 1; 0: only a hole is left; or a negative errno. */
int copy_next_data(int from, uint64_t offset, uint64_t size, uint64_t *ret_start, uint64_t *ret_end);
bool copy_is_sparse(const struct fsop_stat *stat);
/* Buffers of COPY_BUFFER_BYTES are kept while a tree is open. */
#define COPY_BUFFER_BYTES (128u << 10)
void *copy_buffer_take(void);
void copy_buffer_give(void *buffer);
void copy_data_tree_opened(void);
void copy_data_tree_closed(void);

/* ---- one file on its way (copy_file.c) --------------------------------------------------------------------------- */

struct copy_work {
        struct copy_file *file;
        const char *target_name; /* final */
        const char *made_name;   /* what it was made as */
        int object;              /* O_PATH of the source */
        int source, target;      /* open: of a regular file's both ends; target O_PATH of anything else; else -1 */
        bool object_is_trees;
        bool is_made, existed, changed, stopped;
        bool in_parts;              /* it is large, and that is known */
        struct fsop_stat from, old; /* the source; what has the target's name */
        struct copy_xattrs xattrs;
        char *text;     /* a symbolic link's */
        uint32_t mode;  /* that it was made with; UINT32_MAX: not known */
        uint64_t owner; /* uid << 32 | gid that it was made with */
};

/* Sets error and outcome. */
void copy_work_failed(struct copy_work *work, int os_errno);
void copy_work_init(const struct copy_tree *tree, const struct copy_dir *dir, struct copy_file *file,
                    struct copy_work *work);
/* A directory in which nothing may be made: the file fails. */
void copy_work_may_create(const struct copy_dir *dir, struct copy_work *work);
/* Phases, each as its identity, worn already; what is done or has failed has an outcome. */
void copy_work_look(struct copy_tree *tree, struct copy_dir *dir,
                    struct copy_work *work); /* writer: at what stands there */
void copy_work_open(struct copy_tree *tree, struct copy_dir *dir, struct copy_work *work); /* reader */
bool copy_work_create(struct copy_tree *tree, struct copy_dir *dir,
                      struct copy_work *work); /* writer: an empty regular file */
void copy_work_keep(struct copy_tree *tree, struct copy_dir *dir, struct copy_work *work); /* keeper */
void copy_work_close(struct copy_work *work);
/* Removes what was made and is not to stay. False: it is left under its final name, which its directory must not be
 * published with, so that the file has failed in a way that ends the run, for the next one to try again. Wears the
 * writer. */
bool copy_unmake(struct copy_tree *tree, const struct copy_dir *dir, const char *name, struct copy_file *file);
/* The name that it is made under; and another try when that is taken: false, there is none. */
void copy_work_name(struct copy_tree *tree, const struct copy_dir *dir, struct copy_work *work);
bool copy_work_name_taken(struct copy_tree *tree, const struct copy_dir *dir, struct copy_work *work);
/* Closes both ends; what is not to stay is removed, by the writer. */
void copy_work_end(struct copy_tree *tree, struct copy_dir *dir, struct copy_work *work);
/* Links, FIFOs, sockets, devices (copy_node.c). */
void copy_node_make(struct copy_tree *tree, struct copy_dir *dir, struct copy_work *work);

/* ---- moving much data (copy_ring.c) ------------------------------------------------------------------------------ */

struct copy_pump {
        int from_fd, to_fd;
        const int *stop; /* atomic */
};
/*
 * Copies LENGTH bytes at OFFSET: reading ahead while it writes, on a ring where there is one, and has the kernel write
 * back meanwhile. How many bytes from OFFSET on are copied without a gap: fewer at the source's end or when it was
 * stopped; or a negative errno when not even one is.
 */
int64_t copy_pump(const struct copy_pump *pump, uint64_t offset, uint64_t length);
/* Frees what is kept between calls. */
void copy_pump_tidy(void);
/* Whether a ring may be used at all: not where the threads engine was asked for by name. */
void copy_pump_allow_ring(bool allow);

#endif
