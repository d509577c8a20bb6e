/* SPDX-License-Identifier: MIT */
/*
 * fake_copy.h: all of backends/copy.h over a tree of files in memory: names, types, sizes, links, and numbers in the
 * place of contents. For programs that are linked with fake_copy.c itself, not by way of a library: its functions then
 * take the place of the backend's.
 *
 * Every call can be made to fail, everything that is open is counted, and `between` is called before each call. The
 * tree lies in memory that is shared with children, so that it outlives a daemon that is killed; beside it lies what a
 * power cut would leave of it.
 */
#ifndef FSOP_FAKE_COPY_H
#define FSOP_FAKE_COPY_H

#include "backends/copy.h"

#define FAKE_INODES 4096u
#define FAKE_NAME_BYTES 56u
#define FAKE_CONTENT_OF_NOTHING 0u

struct fake_inode {
        bool used;
        enum fsop_file_type type;
        uint32_t nlink, uid;
        uint64_t dev, size;
        uint64_t content; /* which; the same number: the same bytes */
        uint64_t serial;  /* of what was ever made: no two are the same */
        uint64_t valid;   /* so much of it is there */
        bool finished;    /* owner, mode and times are those of the source */
        int64_t mtime;
        int read_code;     /* of reading or entering it, besides 0 */
        const char *xattr; /* a name, or NULL */
};

struct fake_entry {
        bool used;
        uint32_t parent, inode;
        char name[FAKE_NAME_BYTES];
};

struct fake_disk {
        struct fake_inode inodes[FAKE_INODES]; /* 0: the root */
        struct fake_entry entries[FAKE_INODES];
        uint32_t n_inodes, n_entries; /* none behind these was ever used */
};

extern struct fake_fs {
        struct fake_disk now, durable; /* durable: what a power cut leaves */
        uint64_t room;                 /* bytes that can still be written */
        uint64_t contents, serials;    /* numbers given out */
        uint64_t bytes_written;        /* ever, not cloned */
        unsigned files_made;
        uint32_t opens; /* of trees, ever */
} * fake_fs;

enum fake_copy_call {
        FAKE_COPY_OPEN,
        FAKE_COPY_TOP,
        FAKE_COPY_ENTER,
        FAKE_COPY_LIST,
        FAKE_COPY_FINISH_DIR,
        FAKE_COPY_PUBLISH_TOP,
        FAKE_COPY_COUNT,
        FAKE_COPY_FILE,
        FAKE_COPY_PUBLISH,
        FAKE_COPY_DISCARD,
        FAKE_COPY_LINK,
        FAKE_COPY_IS_THERE,
        FAKE_COPY_VERIFY,
        FAKE_COPY_PART_BEGIN,
        FAKE_COPY_PART_STEP,
        FAKE_COPY_PART_FLUSH,
        FAKE_COPY_PART_FINISH,
        FAKE_COPY_FLUSH,
        FAKE_COPY_REMOVE,
        FAKE_COPY_CALLS,
};

extern struct fake_copies {
        unsigned calls, fail_at; /* the fail_at-th call from now on fails */
        int only;                /* … of this kind (a fake_copy_call); -1: of any */
        bool lasting;            /* … and all of that kind after it */
        struct copy_error error; /* with this */
        void (*between)(enum fake_copy_call call, const char *name); /* before each call; NULL: nothing happens */
        bool clones;
        uint32_t names_max; /* of a listing; 0: as many as there are */
        /* what is open; all 0 at the end */
        int trees, dirs, dir_fds, parts;
        unsigned made[FAKE_COPY_CALLS]; /* calls, by kind */
} copies;

/* An empty tree, and nothing that fails. */
void fake_copy_reset(void);
/* Nothing fails; the tree stays. */
void fake_copy_forget(void);

/* What has this path; NULL: nothing. */
struct fake_inode *fake_at(const char *path);
/* Its number; -1: there is nothing. */
int fake_look(const char *path);
struct fake_inode *fake_inode_of(uint32_t inode);
/* The name in a directory; NULL: there is none. */
struct fake_entry *fake_entry_find(uint32_t parent, const char *name);
/* Names that begin with PREFIX, anywhere. */
unsigned fake_count_names(const char *prefix);

/* Makes it and the directories above it. */
struct fake_inode *fake_make(const char *path, enum fsop_file_type type, uint64_t size);
/* PATH, whose directory is there, becomes another name of TO. */
void fake_link(const char *path, const char *to);
/* With everything below it, if it is there. */
void fake_remove(const char *path);

/* All of it is on the disk. */
void fake_sync(void);
/* What the kernel had not written is lost. */
void fake_power_cut(void);

#endif
