/* SPDX-License-Identifier: MIT */
/*
 * fsop-types.h: the vocabulary that the public API, the wire and the daemon share.
 *
 * Everything here is plain data of fixed width. Values of enumerations are those of the wire (fsop.proto) and never
 * change their meaning.
 */
#ifndef FSOP_TYPES_H
#define FSOP_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fsop-errors.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The operations. fsop_verb_name() gives the name used by the command line, policy, audit and JSON. */
enum fsop_verb {
        FSOP_VERB_NONE = 0,
        /* service */
        FSOP_VERB_PING = 1,
        FSOP_VERB_INFO = 2,
        FSOP_VERB_STATUS = 3,
        FSOP_VERB_EXPLAIN = 4,
        FSOP_VERB_POLICY_RELOAD = 5,
        /* metadata */
        FSOP_VERB_STAT = 10,
        FSOP_VERB_STATFS = 11,
        FSOP_VERB_UTIMENS = 12,
        FSOP_VERB_CHMOD = 13,
        /* owner */
        FSOP_VERB_CHOWN = 14,
        /* special */
        FSOP_VERB_MKNOD = 15,
        /* directories */
        FSOP_VERB_OPENDIR = 20,
        FSOP_VERB_MKDIR = 21,
        FSOP_VERB_RMDIR = 22,
        FSOP_VERB_UNLINK = 23,
        FSOP_VERB_RENAME = 24,
        FSOP_VERB_LS = 25,
        /* links */
        FSOP_VERB_SYMLINK = 30,
        FSOP_VERB_LINK = 31,
        FSOP_VERB_READLINK = 32,
        /* xattr */
        FSOP_VERB_GETXATTR = 35,
        FSOP_VERB_SETXATTR = 36,
        FSOP_VERB_LISTXATTR = 37,
        FSOP_VERB_REMOVEXATTR = 38,
        /* space, advice */
        FSOP_VERB_FALLOCATE = 40,
        FSOP_VERB_TRUNCATE = 41,
        FSOP_VERB_FADVISE = 42,
        /* copy */
        FSOP_VERB_COPY_RANGE = 45,
        FSOP_VERB_CP = 46, /* submits a job */
        /* files */
        FSOP_VERB_OPEN = 50,
        FSOP_VERB_OPEN_FD = 51,
        FSOP_VERB_CLOSE = 52,
        FSOP_VERB_READ = 53,
        FSOP_VERB_WRITE = 54,
        FSOP_VERB_FSYNC = 55,
        /* jobs */
        FSOP_VERB_JOB_LIST = 56,
        FSOP_VERB_JOB_SHOW = 57,
        FSOP_VERB_JOB_WATCH = 58,
        FSOP_VERB_JOB_PAUSE = 59,
        FSOP_VERB_JOB_RESUME = 60,
        FSOP_VERB_JOB_CANCEL = 61,
        FSOP_VERB_JOB_RETRY = 62,
        FSOP_VERB_JOB_FORGET = 63,
};
#define FSOP_VERB_LIMIT 64 /* every verb is smaller; a table indexed by verb has this many rows */

/* As whom an operation asks to run. */
enum fsop_as {
        FSOP_AS_AUTO = 0,     /* elevated where a rule allows it, else as the caller */
        FSOP_AS_CALLER = 1,   /* the kernel decides, with the caller's identity; rules do not matter */
        FSOP_AS_ELEVATED = 2, /* as the service; refused where no rule allows it */
};

/* What became of an operation. */
enum fsop_outcome {
        FSOP_OUTCOME_NOT_STARTED = 0, /* nothing was done */
        FSOP_OUTCOME_DONE = 1,        /* it ran to its end; an error says with which result */
        FSOP_OUTCOME_UNKNOWN = 2,     /* it was begun, and how far it came is not known */
};

enum fsop_batch_mode {
        FSOP_BATCH_PARALLEL = 0,     /* any order, several at once */
        FSOP_BATCH_ORDERED = 1,      /* one after the other, going on after failures */
        FSOP_BATCH_ORDERED_STOP = 2, /* one after the other; after the first failure the rest answers ECANCELED */
};

enum fsop_clone {
        FSOP_CLONE_AUTO = 0,
        FSOP_CLONE_ALWAYS = 1,
        FSOP_CLONE_NEVER = 2,
};

/* How durable a copy job makes what it calls done. */
enum fsop_sync {
        FSOP_SYNC_BATCH = 0, /* many files are flushed together, before they get their names and after */
        FSOP_SYNC_NONE = 1,  /* nothing is flushed: a power cut may cost what was called done */
        FSOP_SYNC_FILE = 2,  /* each file is flushed by itself */
};

/* Which existing targets a copy job replaces. */
enum fsop_update {
        FSOP_UPDATE_ALL = 0,
        FSOP_UPDATE_NONE = 1,      /* none, in silence */
        FSOP_UPDATE_NONE_FAIL = 2, /* none; each is a failure */
        FSOP_UPDATE_OLDER = 3,     /* those whose modification time is before the source's */
};

/* What a copy job carries over besides the data: bits. */
enum {
        FSOP_PRESERVE_MODE = 1u << 0,
        FSOP_PRESERVE_OWNER = 1u << 1,
        FSOP_PRESERVE_TIMES = 1u << 2,
        FSOP_PRESERVE_XATTR = 1u << 3, /* POSIX ACLs among them */
        FSOP_PRESERVE_LINKS = 1u << 4, /* hard links between files of the job */
        FSOP_PRESERVE_ALL = 31u,
};

enum fsop_job_state {
        FSOP_JOB_UNKNOWN = 0,
        FSOP_JOB_QUEUED = 1,
        FSOP_JOB_RUNNING = 2,
        FSOP_JOB_PAUSED = 3,
        FSOP_JOB_WAITING =
                4, /* for what failed to become possible again: space, a network filesystem; retries by itself */
        FSOP_JOB_VERIFYING = 5, /* all is copied, not all is read back */
        FSOP_JOB_DONE = 6,
        FSOP_JOB_FAILED = 7, /* ended, and not all of it was copied; or it could not go on */
        FSOP_JOB_CANCELLED = 8,
};

enum fsop_job_event_kind {
        FSOP_JOB_EVENT_NONE = 0,
        FSOP_JOB_EVENT_STATE = 1,    /* the job came into another state */
        FSOP_JOB_EVENT_PROGRESS = 2, /* its counters moved */
        FSOP_JOB_EVENT_FAILURE = 3,  /* one of its files failed */
};

enum fsop_fallocate_mode {
        FSOP_FALLOCATE_ALLOCATE = 0,
        FSOP_FALLOCATE_PUNCH_HOLE = 1,
        FSOP_FALLOCATE_ZERO_RANGE = 2,
        FSOP_FALLOCATE_COLLAPSE_RANGE = 3,
        FSOP_FALLOCATE_INSERT_RANGE = 4,
        FSOP_FALLOCATE_UNSHARE_RANGE = 5,
};

enum fsop_advice {
        FSOP_ADVICE_NORMAL = 0,
        FSOP_ADVICE_SEQUENTIAL = 1,
        FSOP_ADVICE_RANDOM = 2,
        FSOP_ADVICE_WILLNEED = 3,
        FSOP_ADVICE_DONTNEED = 4,
        FSOP_ADVICE_NOREUSE = 5,
};

/* Type of a filesystem object. */
enum fsop_file_type {
        FSOP_TYPE_UNKNOWN = 0,
        FSOP_TYPE_REGULAR = 1,
        FSOP_TYPE_DIRECTORY = 2,
        FSOP_TYPE_SYMLINK = 3,
        FSOP_TYPE_CHAR = 4,
        FSOP_TYPE_BLOCK = 5,
        FSOP_TYPE_FIFO = 6,
        FSOP_TYPE_SOCKET = 7,
};

/* A walk's rule about symbolic links, as in chown(1) and chmod(1): -P, -H, -L. */
enum fsop_follow {
        FSOP_FOLLOW_NEVER = 0,    /* -P: none */
        FSOP_FOLLOW_ARGUMENT = 1, /* -H: only the path that was given */
        FSOP_FOLLOW_ALWAYS = 2,   /* -L: all; each directory is visited once */
};

/* How well a platform does an operation. */
enum fsop_support_level {
        FSOP_SUPPORT_UNSUPPORTED = 0,
        FSOP_SUPPORT_EMULATED = 1,
        FSOP_SUPPORT_NATIVE = 2,
        FSOP_SUPPORT_UNKNOWN = 3, /* cannot be told without writing */
};

/* Seconds since 1970-01-01 UTC, negative before; nsec is 0 to 999,999,999 and always counts forward. */
struct fsop_time {
        int64_t sec;
        uint32_t nsec;
};

/* Bits of fsop_stat.mask: which fields the filesystem filled. The rest is 0. */
enum {
        FSOP_STAT_TYPE = 1u << 0,
        FSOP_STAT_MODE = 1u << 1,
        FSOP_STAT_NLINK = 1u << 2,
        FSOP_STAT_UID = 1u << 3,
        FSOP_STAT_GID = 1u << 4,
        FSOP_STAT_ATIME = 1u << 5,
        FSOP_STAT_MTIME = 1u << 6,
        FSOP_STAT_CTIME = 1u << 7,
        FSOP_STAT_INO = 1u << 8,
        FSOP_STAT_SIZE = 1u << 9,
        FSOP_STAT_BLOCKS = 1u << 10,
        FSOP_STAT_BTIME = 1u << 11,
        FSOP_STAT_MNT_ID = 1u << 12,
};

/* Everything a file's inode says: struct statx of statx(2), with Linux's mode and attribute bits on every system. */
struct fsop_stat {
        uint32_t mask;
        uint32_t mode; /* S_IF* type and permission bits, numbered as on Linux */
        uint32_t nlink;
        uint32_t uid;
        uint32_t gid;
        uint32_t blksize;
        uint64_t attributes;      /* STATX_ATTR_* */
        uint64_t attributes_mask; /* which of them the filesystem knows */
        uint64_t ino;
        uint64_t size;
        uint64_t blocks; /* of 512 bytes */
        struct fsop_time atime, btime, ctime, mtime;
        uint32_t rdev_major, rdev_minor;
        uint32_t dev_major, dev_minor;
        uint64_t mnt_id;
};

/* statfs(2). */
struct fsop_statfs {
        uint64_t type; /* magic number of the filesystem */
        uint64_t bsize, frsize;
        uint64_t blocks, bfree, bavail; /* of frsize bytes */
        uint64_t files, ffree;
        uint64_t fsid;
        uint64_t namelen; /* bytes */
        uint64_t flags;   /* ST_* of statvfs(3) */
};

#ifdef __cplusplus
}
#endif
#endif
