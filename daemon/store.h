/* SPDX-License-Identifier: MIT */
/*
 * store.h: the memory of copy jobs: what was promised to users and what is known to be done, on a disk. An interface:
 * the store of a single host is SQLite (store_sqlite.c); nothing outside a store knows how it keeps things.
 *
 * Calls block; journal.h makes them on a worker, one at a time. What store_commit returned 0 for survives a crash of
 * the daemon and of the machine; a crash before leaves the state of the commit before, never a part of one.
 */
#ifndef FSOP_STORE_H
#define FSOP_STORE_H

#include "backends/copy.h"

struct store;

/* A job as it is kept. */
struct store_place {
        struct bytes source, target; /* absolute */
        bool follow;                 /* a link as the source itself is followed */
        bool elevated;               /* a rule lent it rights when it was submitted: never without them then */
        struct object_id source_id, parent_id; /* when it was submitted: of the source, of the target's directory */
        struct fsop_time source_btime;         /* tells an inode number that is used again; sec 0: not known */
        struct bytes *names;                   /* only these below the source; none: all */
        uint32_t n_names;
        struct copy_made top; /* of a target that is built under a temporary name, from STORE_TOP on */
        bool finished;        /* all of it is recorded, published and on the disk */
};

struct store_counters {
        uint64_t files_total, bytes_total;
        bool totals_known;
        uint64_t files_done, files_failed, files_skipped;
        uint64_t bytes_copied, bytes_flushed, bytes_verified;
        uint64_t failure_bytes; /* of the paths and words of the failures that are listed: load adds them up */
};

struct store_job {
        uint64_t id;
        /* never changes after STORE_ADD */
        uint32_t uid, gid;
        uint32_t *groups;
        uint32_t n_groups;
        uint64_t capabilities; /* of uid 0, when it was submitted */
        bool fully_capable;
        struct bytes user; /* name of uid; empty: it has none */
        struct bytes key;  /* idempotency; empty: none */
        enum fsop_as as;
        bool recursive, one_filesystem, verify;
        uint32_t preserve, umask;
        enum fsop_clone clone;
        enum fsop_sync sync;
        enum fsop_update update;
        uint64_t bytes_per_s;
        int32_t priority;
        struct bytes *excludes;
        uint32_t n_excludes;
        char random[17]; /* of temporary names: hexadecimal, NUL-terminated */
        struct fsop_time created;
        struct store_place *places;
        uint32_t n_places;
        /* changed by STORE_UPDATE */
        enum fsop_job_state state;
        struct fsop_time started, finished;
        struct fsop_time progressed; /* when a file was last recorded */
        uint32_t runs;
        bool elevated;
        struct store_counters counters;
        struct error error; /* code 0: none */
};

enum store_change_kind {
        STORE_ADD,            /* job */
        STORE_UPDATE,         /* job: id and what STORE_UPDATE changes */
        STORE_TOP,            /* id, place, top */
        STORE_PLACE_FINISHED, /* id, place */
        STORE_FILES,          /* id, place, data: files that are done; opaque (done.h), appended */
        STORE_PART,           /* id, place, path, part: how far a large file has come; replaces what was known */
        STORE_PART_GONE,      /* id, place, path */
        STORE_FAILURE,        /* id, place, path, error: replaces what was known of that path */
        STORE_RETRY,          /* id: forget failures, and that places are finished */
        STORE_REMOVE,         /* id: forget all of it */
};

struct store_change {
        enum store_change_kind kind;
        uint64_t id;
        uint32_t place;
        const struct store_job *job;
        struct bytes data, path;
        const struct copy_part_record *part;
        const struct error *error;
        const struct copy_made *top;
};

/* A failure, as it is read back; texts are valid while EACH runs. */
struct store_failure {
        uint64_t cookie;
        uint32_t place;
        struct bytes path;
        struct error error;
};

/* What one STORE_FILES appended; DATA is valid while EACH runs. */
struct store_files {
        uint64_t number; /* above 0, its own for as long as the job is there */
        uint32_t place;
        struct bytes data;
};

struct store_part {
        struct bytes path;
        struct copy_part_record record;
};

struct store_ops {
        const char *name;
        /* Whether there is a store below DIRECTORY, or something in its place. */
        bool (*exists)(const char *directory);
        /*
         * Opens the store below DIRECTORY (which exists, and is the daemon's own), making it where there is none,
         * bringing an older one up to date. One that is damaged is set aside under another name, never deleted:
         * *ret_note (malloc'd, or NULL) then says so, and a new one is begun. Errors: -FSOP_E... with *ret_note saying
         * why; -FSOP_EBUSY: another daemon uses it; -FSOP_EOPNOTSUPP: it was made by a newer version.
         */
        int (*open)(const char *directory, struct store **ret_store, char **ret_note);
        /*
         * All or none of it, durable when it returns 0. -FSOP_ENOSPC, -FSOP_EIO and their like: nothing was changed,
         * and later commits are made again when they can be. (Of a disk that has failed from then on until the daemon
         * ended nobody knows: the next start may find the change made, whole.) -FSOP_ENOENT: a change is about a job or
         * a place that is not there; removing and forgetting what is not there is none. -FSOP_EEXIST: a job is added
         * twice. -FSOP_EINVAL: an id that is 0 or beyond 63 bits.
         */
        int (*commit)(struct store *store, const struct store_change *changes, uint32_t n);
        /* Every job, ascending by id, to EACH, whose argument is valid while it runs; a negative return ends it. Texts
         * have a NUL behind them. Also the id that no job has ever had. EACH makes no calls of the store; here and
         * below. */
        int (*load)(struct store *store, int (*each)(void *context, const struct store_job *job), void *context,
                    uint64_t *ret_next_id);
        /* What STORE_FILES appended for a place, in order. -FSOP_EIO, here and everywhere: the disk failed, or what is
         * on it is damaged; the next open finds out which. */
        int (*read_files)(struct store *store, uint64_t id, uint32_t place,
                          int (*each)(void *context, struct bytes data), void *context);
        /* The same of all places, one after the other: from the append of this number on, itself included; 0: from the
         * first. What is before it costs nothing. */
        int (*read_all_files)(struct store *store, uint64_t id, uint64_t from,
                              int (*each)(void *context, const struct store_files *files), void *context);
        int (*read_parts)(struct store *store, uint64_t id, uint32_t place,
                          int (*each)(void *context, const struct store_part *part), void *context);
        /* Failures with cookies beyond AFTER, ascending, at most MAX. */
        int (*read_failures)(struct store *store, uint64_t id, uint64_t after, uint32_t max,
                             int (*each)(void *context, const struct store_failure *failure), void *context);
        /* A number that grows with every open: for numbers that must not come twice. */
        uint64_t (*generation)(const struct store *store);
        struct store *(*close)(struct store *store); /* NULL */
};

/* The first member of every store. */
struct store {
        const struct store_ops *ops;
};

extern const struct store_ops store_sqlite;

#endif
