/* SPDX-License-Identifier: MIT */
/*
 * copy.h: what an operating system must provide for copy jobs, beside sys.h: trees entered by descriptors, files copied
 * with all they carry under temporary names, names published, data flushed and read back. Chosen at link time.
 *
 * The daemon decides what is copied, in which order, by how many workers at a time, and what is recorded; each call
 * here does a small piece of it and returns. All of them run on workers and may block, except where [loop] is said.
 * Calls on different directories and files of one tree may run at the same time; one directory is listed by one call at
 * a time.
 *
 * Nothing is ever done by a path that is looked up twice: a tree is two pinned ends, a directory two descriptors, a
 * file one name in them.
 */
#ifndef FSOP_COPY_H
#define FSOP_COPY_H

#include "backends/sys.h"

#define COPY_DEPTH_MAX 512u                  /* directories below the top; each that is open costs two descriptors */
#define COPY_NAMES_MAX 256u                  /* names of one listing */
#define COPY_LARGE_BYTES (UINT64_C(4) << 20) /* files with more data than this are copied part by part */
#define COPY_GROUP_FILES 32u                 /* files that copy_files brings from phase to phase together */
#define COPY_FILES_BYTES (UINT64_C(4) << 20) /* copy_files begins no further file when it has copied so much */
#define COPY_TEMPORARY_BYTES 64u             /* a temporary name with its NUL */
#define COPY_DIGEST_BYTES 32u

/* ---- a tree ------------------------------------------------------------------------------------------------------ */

/* Immutable while anything of the job runs. */
struct copy_options {
        bool recursive, one_filesystem;
        uint32_t preserve; /* FSOP_PRESERVE_* */
        uint32_t umask;
        enum fsop_clone clone;
        enum fsop_update update;
        bool verify;                 /* copy_verify will be asked of each file */
        bool flush_each;             /* --sync file: each file is flushed before it is published, and its name after */
        const char *const *excludes; /* glob patterns as fnmatch(3) takes them */
        uint32_t n_excludes;
};

/*
 * Asked by workers before something is set with a rule's rights, about the object at PATH below the target's top
 * (empty: the top itself). NULL: it may be; else a static sentence why not: the file then fails with class denied.
 * Thread-safe.
 */
struct copy_permits {
        void *context;
        const char *(*owner)(void *context, struct bytes path, uint32_t uid, uint32_t gid);
        const char *(*xattr)(void *context, struct bytes path, const char *name);
        const char *(*node)(void *context, struct bytes path, enum fsop_file_type type, uint32_t major, uint32_t minor);
};

/*
 * Asked by workers about what is met at PATH below the source's, or the target's, top, before it is opened or made:
 * rules speak of names, too, of files and of what is not there yet when a job begins. NULL: it may be touched; else a
 * static sentence why not: it then fails with class denied. A function that is NULL: everything may. Thread-safe.
 */
struct copy_reach {
        void *context;
        const char *(*source)(void *context, struct bytes path);
        const char *(*target)(void *context, struct bytes path);
};

/* A directory that a job has made, over restarts, when devices may have other numbers. ino 0: not known. */
struct copy_made {
        uint64_t ino;
        struct fsop_time btime; /* sec 0: its filesystem does not say */
};

/* One source and what it becomes. Filled by the daemon; what is below the line by copy_open. */
struct copy_tree {
        const struct copy_options *options;
        struct identity *reader; /* as whom the source is read */
        struct identity *writer; /* as whom things are made */
        struct identity *keeper; /* as whom owner, attributes, mode and times are set; may be the writer */
        const struct guard *from_guard, *to_guard; /* NULL: as caller */
        const struct copy_permits *permits;        /* NULL: all may be (as caller: the kernel decides) */
        struct copy_reach reach;
        char temporary[COPY_TEMPORARY_BYTES]; /* ".fsop-JOB-RANDOM": the top's temporary name, and how those of files
                                                 begin */
        bool resumed;                         /* an earlier run may have left things under temporary names */
        struct copy_made top; /* fresh: what has the temporary name, if an earlier run has made it; copy_top says which
                                 one this made */
        const char *const *parts; /* resumed: temporary names of parts to be gone on with, ascending by strcmp */
        uint32_t n_parts;
        int stop; /* atomic, set by the daemon: calls return -FSOP_ECANCELED as soon as nothing is left half done */
        /* ---- */
        os_fd source;        /* the object, O_PATH */
        os_fd target_parent; /* the directory that the target is in */
        char target_name[WIRE_NAME_BYTES_MAX + 1];
        struct fsop_stat source_stat;
        struct object_id target_parent_id;
        enum fs_class from_fs, to_fs;
        bool fresh;      /* a directory that did not exist: built under the temporary name, final names inside */
        bool to_exists;  /* something has the target's name */
        uint32_t serial; /* atomic: of temporary names */
        int no_clone;    /* atomic: cloning was found not to be possible between these filesystems */
        struct copy_state *state; /* what else the backend knows of it */
};

/* An error of one of the calls below. */
struct copy_error {
        int32_t code;     /* 0 or -FSOP_E... */
        int32_t os_error; /* raw */
        const char *why;  /* static sentence, or NULL */
        bool denied;      /* a rule or a guard said no */
        bool source;      /* of copy_open: it is the source that could not be had */
};

/*
 * Takes over the ends that sys_resolve pinned for a cp (its own descriptors; OP may be released afterwards), and looks
 * what is there: fills everything below the line. Refused: a directory without `recursive` (EISDIR), a source that is
 * the target, a directory into itself (EINVAL), a directory onto something else or the reverse (ENOTDIR, EISDIR).
 */
int copy_open(struct copy_tree *tree, const struct sys_op *op, struct copy_error *ret_error);
/* Closes it. [any] */
void copy_close(struct copy_tree *tree);

/* Devices of both ends, for not letting two jobs fight over one: after copy_open. [loop] */
void copy_devices(const struct copy_tree *tree, uint64_t *ret_from, uint64_t *ret_to);

/* ---- directories ------------------------------------------------------------------------------------------------- */

/* A directory of the source and the one that it becomes. */
struct copy_dir;

/*
 * The top. Of a directory: its target, made under the temporary name (fresh) or the one that exists. Of anything else:
 * the place around it, in which copy_files takes one file, whose name is the target's.
 */
int copy_top(struct copy_tree *tree, struct copy_dir **ret_dir, struct copy_error *ret_error);
/*
 * Enters NAME: opens it in the source, makes or opens it in the target. With fresh trees what a resumed run finds there
 * is its own. Of another filesystem, where one_filesystem was asked for, only the directory is made, as cp -x does.
 * -FSOP_ELOOP: too deep. `resumed`, and not fresh: files under temporary names of this job are removed, but for
 * `parts`.
 */
int copy_enter(struct copy_tree *tree, struct copy_dir *parent, const char *name, struct copy_dir **ret_dir,
               struct copy_error *ret_error);
/* Lets go of its descriptors; the rest is kept for copy_finish_dir. Nothing of it may run. [any] */
void copy_dir_close(struct copy_dir *dir);
/* Frees it, closed or not. NULL. [any] */
struct copy_dir *copy_dir_free(struct copy_dir *dir);
/* Its path below the top; empty: the top itself. Lives as long as it. [any] */
const char *copy_dir_path(const struct copy_dir *dir);

struct copy_name {
        enum fsop_file_type type; /* UNKNOWN where the filesystem does not say */
        uint16_t at;              /* in texts */
};
struct copy_names {
        uint32_t n;
        bool end; /* these were the last */
        struct copy_name names[COPY_NAMES_MAX];
        char texts[32768]; /* NUL-terminated names */
};
/* The next names of the source directory, `.`, `..`, excluded ones and (where source and target overlap) the job's own
 * top left out. */
int copy_list(struct copy_tree *tree, struct copy_dir *dir, struct copy_names *ret_names, struct copy_error *ret_error);

/* Owner, attributes, ACLs, mode and times of a directory, when nothing will be put into it any more. Opens it again
 * where it was closed, from the top, and finds it to be the one that it was, or fails with ESTALE. */
int copy_finish_dir(struct copy_tree *tree, struct copy_dir *dir, struct copy_error *ret_error);

/* Fresh trees: the top gets its final name, which must still be free, and that is made durable unless --sync none.
 * Closes the top's descriptors first. */
int copy_publish_top(struct copy_tree *tree, bool flush, struct copy_error *ret_error);

/* Counts what copying all of the tree would copy; stops at tree->stop. */
int copy_count(struct copy_tree *tree, uint64_t *ret_files, uint64_t *ret_bytes, struct copy_error *ret_error);

/* ---- files ------------------------------------------------------------------------------------------------------- */

enum copy_outcome {
        COPY_PENDING = 0, /* not begun, because of tree->stop or COPY_FILES_BYTES */
        COPY_COPIED,      /* all of it is there, under `temporary` or its final name */
        COPY_SKIPPED,     /* `update` leaves the existing target alone */
        COPY_LARGE,       /* not done: for copy_part_* */
        COPY_LINKED,      /* not done: one of several links, which are preserved: dev and ino are set */
        COPY_DIRECTORY,   /* not done: it is a directory */
        COPY_FAILED,
};

/* Everything that is not a directory. */
struct copy_file {
        const char *name;         /* in its directory */
        enum fsop_file_type type; /* as listed, or UNKNOWN */
        bool first_link;          /* copy it although it has several links */
        /* filled */
        enum copy_outcome outcome;
        struct copy_error error;    /* FAILED */
        struct object_id source_id; /* of the source */
        uint64_t size;              /* of the source */
        uint64_t bytes;             /* that were copied, holes among them; 0 where it was cloned */
        uint64_t cloned_bytes;
        uint64_t target_ino; /* `verify`: of what was made of a regular file */
        bool needs_publish;  /* it has a temporary name, and copy_publish is owed */
        char temporary[COPY_TEMPORARY_BYTES];
};

/*
 * Copies files of one directory: data (clone, else the kernel's copy, else read and write; holes stay holes), owner,
 * attributes, mode, times, all by descriptor; links, FIFOs, sockets and devices are made anew. What is not COPIED has
 * left nothing behind. A source that changes meanwhile is tried again a few times, then fails with EBUSY. In fresh
 * trees the name is final, else a temporary one. --sync file: flushed.
 */
void copy_files(struct copy_tree *tree, struct copy_dir *dir, struct copy_file *files, uint32_t n);

/* Renames files that needs_publish to their final names, as `update` says of what stands there by now. Sets error and
 * outcome; what fails is removed. */
void copy_publish(struct copy_tree *tree, struct copy_dir *dir, struct copy_file *files, uint32_t n);

/* Removes a file that was copied and is not to stay, for the reason in its error: it has failed. -FSOP_EAGAIN there: it
 * could not be removed, and must not be published with its directory. */
void copy_discard(struct copy_tree *tree, struct copy_dir *dir, struct copy_file *file);

/* A further link to a file of the job that is published (PATH below the top); as copy_files for the rest. */
void copy_link(struct copy_tree *tree, const char *path, struct copy_dir *dir, struct copy_file *file);

/* Whether the target of a file is there and of the source's kind and size: of one that an earlier run copied. */
bool copy_is_there(struct copy_tree *tree, struct copy_dir *dir, const char *name);

/* Reads the source and what was copied from it, both from the disk where that can be, and compares. EIO with a why
 * where they differ, ESTALE where something else has its name. Files without data have nothing to verify. ret_digest:
 * of the contents. */
int copy_verify(struct copy_tree *tree, struct copy_dir *dir, const struct copy_file *file,
                uint8_t ret_digest[COPY_DIGEST_BYTES], struct copy_error *ret_error);

/* ---- large files ------------------------------------------------------------------------------------------------- */

/* What must be known to go on with one after a restart: the store keeps it. */
struct copy_part_record {
        char temporary[COPY_TEMPORARY_BYTES]; /* its temporary name; empty in fresh trees */
        uint64_t offset;                      /* data before it is on the disk */
        uint64_t ino, size;                   /* of the source */
        struct fsop_time mtime, ctime;
        uint64_t target_ino; /* what is under the temporary name, or already under the final one */
};

/* A large file on its way. */
struct copy_part;

/*
 * Opens both ends. record: of an earlier run, or NULL; where the source is no longer the one it speaks of, or the
 * target is gone, it begins anew. file->outcome is COPIED when a clone has done it all, or the earlier run had
 * published it before it could say so (ret_part NULL), FAILED (likewise), or LARGE.
 */
void copy_part_begin(struct copy_tree *tree, struct copy_dir *dir, struct copy_file *file,
                     const struct copy_part_record *record, struct copy_part **ret_part);
/* Copies up to BYTES more. Returns how many, 0 at the end, or negative. Reading, writing and starting to write back
 * overlap. Stops early at tree->stop, with what is done counted. */
int64_t copy_part_step(struct copy_part *part, uint64_t bytes, struct copy_error *ret_error);
/* Puts on the disk what the steps that had returned when it began have copied, and says so in *ret_record. May run
 * beside one step. */
int copy_part_flush(struct copy_part *part, struct copy_part_record *ret_record, struct copy_error *ret_error);
/* Copied so far. [any] */
uint64_t copy_part_offset(const struct copy_part *part);
/* All is copied: owner, attributes, mode, times; that the source has not changed. Frees the part; file is as after
 * copy_files. */
void copy_part_finish(struct copy_part *part, struct copy_file *file);
/* Frees it. keep: what is there stays, to be gone on with; else it is removed, and where that fails error (may be NULL)
 * becomes -FSOP_EAGAIN as with copy_discard. [any] */
void copy_part_free(struct copy_part *part, bool keep, struct copy_error *error);

/* ---- durability and the end -------------------------------------------------------------------------------------- */

/* Flushes the target's filesystem: everything that calls before it have written. */
int copy_flush(struct copy_tree *tree, struct copy_error *ret_error);

/* Removes everything of a job that is given up that has a temporary name: the fresh top, or the files in the
 * directories that the source leads to. Goes on whether or not `stop` is set. */
int copy_remove_temporaries(struct copy_tree *tree, struct copy_error *ret_error);

#endif
