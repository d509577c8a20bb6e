/* SPDX-License-Identifier: MIT */
/*
 * copy_internal.h: what the files of a run share.
 *
 *      copy.c         the run: places opened and ended, units given out, the end
 *      copy_walk.c    directories entered, listed and finished
 *      copy_files.c   files in bundles
 *      copy_links.c   files with several links
 *      copy_large.c   large files, part by part
 *      copy_record.c  what is copied is flushed, verified, published and recorded, many files at a time
 *
 * A unit is one call of backends/copy.h on a worker. When it is back, what it brought is put where it belongs and
 * run_pump looks what can be begun now; nothing else begins anything.
 */
#ifndef FSOP_COPY_INTERNAL_H
#define FSOP_COPY_INTERNAL_H

#include "daemon/copy.h"
#include "daemon/done.h"
#include "daemon/session.h"

#define RUN_TREES_MAX 64u /* places that are open at a time: so many single files share a flush */
/* files of one unit: a listing's, so that few directories have two workers */
#define BUNDLE_FILES 256u
#define BUNDLE_FILES_SLOW 4u              /* … under a bandwidth limit */
#define RECORD_BYTES (UINT64_C(24) << 20) /* so much unrecorded data is worth a flush */
/* with what may be under way; beyond, nothing is begun: so much at most is copied again */
#define UNRECORDED_BYTES (UINT64_C(52) << 20)
#define RECORD_FILES 8192u
#define RECORD_MS 5000u                /* … or what has waited so long */
#define STEP_BYTES (UINT64_C(8) << 20) /* of a large file in one unit */
/* listed of one job, and of all jobs of a user: a tree of unreadable files must not fill the disk */
#define FAILURES_KEPT_MAX 100000u
#define FAILURES_BYTES_MAX (UINT64_C(64) << 20)
#define DIRS_OPEN_MAX 256u /* directories that wait for their files to be recorded */

/* ---- a place being copied ---------------------------------------------------------------------------------------- */

enum tree_phase {
        TREE_LOADING, /* what the store knows of it is read */
        TREE_OPENING, /* authorized, resolved, opened */
        TREE_WALKING,
        TREE_LINKING,  /* further links to files that are copied */
        TREE_SETTLING, /* everything is copied; directories get their metadata */
        TREE_COMPLETE, /* the next batch ends it */
        TREE_FINISHED,
};

struct known_part {
        struct known_part *next;
        char *path;
        struct copy_part_record record;
};

/* A file with several links that waits for all others. */
struct linked {
        struct linked *next;
        struct dir *dir; /* held */
        struct object_id id;
        bool again; /* as of a bundle */
        char name[];
};

struct tree {
        struct tree *next;
        struct run *run;
        uint32_t place;
        enum tree_phase phase;
        struct copy_tree t;
        bool open, counted, has_top, top_released, closing, removing;
        struct copy_permits permits;
        struct root *from_root, *to_root; /* counted: the guards are theirs */
        const struct rule *from_rule;     /* elevated: that lends each end its rights */
        const struct rule *to_rule;       /* … whose total-bytes is charged, too */
        uint64_t files, bytes; /* of this run, done, skipped or failed: its total, if it ends before it is counted */
        struct done_set *done; /* of earlier runs; and the links of this one */
        bool has_done;
        struct known_part *parts;
        const char **part_names;
        struct dir *top;
        uint32_t n_units;      /* out */
        uint32_t n_waiting;    /* bundles, directories, listings, large files that wait for a unit */
        uint32_t n_unrecorded; /* bundles that are copied and not recorded */
        struct linked *linked;
        /* the opening, job_open.c's */
        struct session session;
        struct operation op;
        struct error open_error;
        void (*opened)(struct tree *tree, const struct error *error);
        struct io open_io;
};

/* A directory of a tree. Goes when everything in it is done, itself last. */
struct dir {
        struct dir *parent; /* NULL: the top */
        struct tree *tree;
        struct copy_dir *handle;
        uint32_t pending; /* what must be done before it is finished: its listing, bundles, directories in it, links */
        uint32_t users;   /* of its descriptors: the same, but directories only until they are entered */
        bool is_place;    /* the place around a single file: not to be finished */
        bool closed;
        struct names_list *names; /* instead of a listing */
        struct dir *next;         /* of those to be listed, or to be finished */
};

/* Names below a directory that are to be copied: the job has a list. */
struct names_list {
        char **paths; /* relative, of malloc'd texts */
        uint32_t n;
};

/* A directory that is to be entered. */
struct todo {
        struct todo *next;
        struct dir *parent;
        struct names_list *names;
        char name[];
};

enum bundle_kind {
        BUNDLE_FILES_OF_DIR,
        BUNDLE_KNOWN, /* an earlier run has copied them: whether they are still there */
        BUNDLE_LINKS,
        BUNDLE_PART, /* one large file, done */
};

/* Files of one directory. */
struct bundle {
        struct bundle *next;
        struct tree *tree;
        struct dir *dir;
        enum bundle_kind kind;
        uint32_t n;
        struct copy_file *files;
        const char **link_paths; /* LINKS: what each is linked to */
        char *texts;             /* the names */
        char *dir_path;          /* once it is copied: of its directory below the top; NULL: it is a place of its own */
        uint8_t (*digests)[WIRE_DIGEST_BYTES];
        bool *verified;
        uint64_t bytes;         /* copied data that is not recorded */
        uint64_t counted_bytes; /* PART: of its file, in the store's counters already */
        bool has_data;          /* not all of it is cloned: it must be flushed before it gets its names */
        bool at_once;           /* its files get their names right after they are copied */
        bool needs_publish;
        bool again; /* counted already: what an earlier run has copied was gone */
        bool holds_dir;
        bool had_part; /* the store has a record of how far it had come, which goes */
};

struct large {
        struct large *next;
        struct tree *tree;
        struct dir *dir;
        struct bundle *bundle; /* its one file, for the end */
        struct copy_part *part;
        struct copy_part_record record; /* what is recorded, or on its way there */
        uint64_t recording_bytes;       /* that a record on its way there counts for */
        bool has_record;                /* the store has one, of this try or an earlier one */
        char *path;                     /* below the top */
        uint64_t unrecorded;
        bool begun, stepping, flushing, recording, all_copied, finishing, copied_by_parts;
        struct copy_error error;
};

struct failure {
        struct failure *next;
        uint32_t place;
        struct error error; /* its own copy */
        char path[];
};

/* ---- units ------------------------------------------------------------------------------------------------------- */

enum unit_kind {
        UNIT_TOP,
        UNIT_ENTER, /* and the first listing */
        UNIT_LIST,
        UNIT_FILES,
        UNIT_KNOWN,
        UNIT_DISCARD,
        UNIT_FINISH, /* a directory */
        UNIT_COUNT,
        UNIT_CLOSE, /* a tree; of a job that is cancelled its temporary files are removed first */
        UNIT_PART_BEGIN,
        UNIT_PART_STEP,
        UNIT_PART_FLUSH,
        UNIT_PART_FINISH,
        UNIT_FLUSH,
        UNIT_VERIFY,
        UNIT_PUBLISH,
        UNIT_PUBLISH_TOP,
};

struct unit {
        struct io io;
        struct run *run;
        struct tree *tree;
        enum unit_kind kind;
        struct dir *dir;
        struct todo *todo;
        struct bundle *bundle;
        struct large *large;
        struct copy_names *names;
        struct copy_error error;
        int64_t result;
        uint64_t files, bytes;
        struct copy_part_record record;
};

/* ---- the run ----------------------------------------------------------------------------------------------------- */

enum batch_stage { BATCH_IDLE, BATCH_FLUSH, BATCH_VERIFY, BATCH_PUBLISH, BATCH_TOPS, BATCH_FLUSH_NAMES, BATCH_RECORD };

struct run {
        struct job *job;
        bool clean;
        bool stopping, ended, kicked, pumping;
        bool left_something; /* places were closed with what may be there under temporary names */
        struct error error;  /* what it stops for; its own copy */
        bool transient;      /* … and may be able to go on later */
        struct copy_options options;
        char *excludes_texts;
        struct policy *policy; /* counted: what workers ask */
        struct peer peer;      /* the job's owner, as it is now */
        struct identity *identity;
        bool has_peer;

        struct tree *trees;
        uint32_t n_trees, next_place;
        struct bundle *bundles; /* to be copied, first in first out */
        struct bundle **bundles_end;
        struct todo *todos; /* to be entered, last in first out: depth first */
        uint32_t n_todos;
        struct dir *listing;                /* being listed, last in first out */
        struct dir *finishing;              /* to be finished */
        struct large *larges, **larges_end; /* one at a time */
        uint32_t n_units, n_copying;        /* out; of those that copy */
        uint32_t n_open_dirs;

        /* what waits to be recorded */
        struct bundle *pending, **pending_end;
        uint32_t n_pending_files;
        uint64_t unrecorded;      /* bytes, of the batch under way too */
        uint64_t pending_ms;      /* since when something waits */
        struct failure *failures; /* to be recorded */
        uint32_t n_failures;
        bool record_wanted;
        uint32_t n_recording; /* on their way into the store: a part, the batch */

        enum batch_stage stage;
        struct bundle *batch;
        struct tree *batch_trees[RUN_TREES_MAX];
        uint32_t n_batch_trees, n_batch_units;
        bool batch_published;
        bool ends_job;     /* the batch that is being recorded: its changes have the job's end, too */
        bool batch_failed; /* for the rest of the run: nothing is recorded any more */

        /* bandwidth */
        uint64_t next_ms;

        bool counting, uncountable;
        uint64_t started_ms;
        bool moved; /* counters, since the last tick */
};

/* copy.c */
void run_pump(struct run *run);
struct unit *unit_new(struct run *run, struct tree *tree, enum unit_kind kind);
void unit_submit(struct unit *unit, void (*call)(struct io *io), void (*done)(struct io *io));
/* In a done: takes the unit off the books; to be freed then. */
void unit_back(struct unit *unit);
/* The run must stop: for want of memory, or because something failed that is not a file's own. */
void run_fail(struct run *run, const struct copy_error *error, const char *what);
void run_out_of_memory(struct run *run);
/* A file or directory failed: for good, recorded; for now, the run stops to wait. PATH is below the place's source. */
void run_file_failed(struct tree *tree, const char *directory, const char *name, const struct copy_error *error);
bool error_is_transient(const struct tree *tree, const struct copy_error *error);
/* Bandwidth: bytes went; whether more may go now. */
void run_spent(struct run *run, uint64_t bytes);
bool run_may_spend(const struct run *run);

/* copy_walk.c */
void walk_begin(struct tree *tree);                           /* TREE_WALKING: the top */
bool walk_issue(struct run *run);                             /* begins one unit; false: there is nothing to begin */
void walk_found_directory(struct dir *dir, const char *name); /* what was taken for a file */
void walk_finish_top(struct tree *tree);                      /* TREE_SETTLING: nothing more comes into it */
void walk_drop(struct run *run);                              /* everything that waits, at the end of a run */
void dir_hold(struct dir *dir);
void dir_release(struct dir *dir);                        /* of what was held with descriptors */
char *path_join(const char *directory, const char *name); /* malloc'd; either may be empty */

/* copy_files.c */
struct bundle *bundle_new(struct dir *dir, const char *const *names, const enum fsop_file_type *types, uint32_t n);
void bundle_free(struct bundle *bundle);  /* releases its directory */
void bundle_queue(struct bundle *bundle); /* to be copied */
/* What a file adds to the bytes that users are told: all of its length, holes and clones too; a further link
 * nothing. */
uint64_t bundle_counted(const struct bundle *bundle, uint32_t index);
void files_queue(struct dir *dir, const char *const *names, const enum fsop_file_type *types, uint32_t n,
                 enum bundle_kind kind, bool again);
bool files_issue(struct run *run);        /* begins the first bundle that waits */
void files_copied(struct bundle *bundle); /* outcomes to where they belong; takes over the bundle */

/* copy_links.c */
void links_add(struct bundle *bundle, uint32_t index); /* one file of a bundle has several links */
void links_queue(struct tree *tree);                   /* TREE_LINKING: queues those that can be copied now */
void links_drop(struct tree *tree);

/* copy_large.c */
void large_add(struct bundle *bundle, uint32_t index); /* one file of a bundle turned out to be large */
bool large_issue(struct run *run);
bool large_is_busy(const struct run *run); /* parts that must still be put down before the run can end */
void large_drop(struct run *run);

/* copy_record.c */
void record_add(struct bundle *bundle); /* takes it over */
void record_failure(struct run *run, uint32_t place, const char *path, const struct error *error);
void record_pump(struct run *run);
bool record_is_idle(const struct run *run);
void record_drop(struct run *run);

#endif
