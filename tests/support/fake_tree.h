/* SPDX-License-Identifier: MIT */
/*
 * fake_tree.h: a tree of files in memory: names, types, sizes, links, and numbers in the place of contents.
 *
 * It lies in memory that is shared with children, so that it outlives a daemon that is killed; beside it lies what a
 * power cut would leave of it.
 */
#ifndef FSOP_FAKE_TREE_H
#define FSOP_FAKE_TREE_H

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

/* An empty one. */
void fake_tree_reset(void);

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

/* ---- its pieces, for fake_copy.c --------------------------------------------------------------------------------- */

uint32_t fake_make_inode(enum fsop_file_type type, uint64_t dev);
struct fake_entry *fake_entry_make(uint32_t parent, const char *name, uint32_t inode);
void fake_entry_remove(struct fake_entry *entry);
bool fake_is_dir(uint32_t inode);
/* -1: there is none. *ret_parent (-1: neither) and *ret_leaf of what it is or would be. */
int fake_walk(const char *path, size_t len, int *ret_parent, char leaf[FAKE_NAME_BYTES]);

#endif
