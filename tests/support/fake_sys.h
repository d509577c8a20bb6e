/* SPDX-License-Identifier: MIT */
/*
 * fake_sys.h: an operating system made of tables, for tests of what only asks sys.h for names, files, directories and
 * the time. For programs that fake_sys.c is a part of (tests/CMakeLists.txt): its functions then come before the
 * backend's.
 */
#ifndef FSOP_FAKE_SYS_H
#define FSOP_FAKE_SYS_H

#include "backends/sys.h"

/* ---- users and groups: builder 1000 (in staff), alice 1001, bob 1002, www-data 33, root 0; "broken" cannot be looked
 * up */

struct fake_account {
        const char *name;
        uint32_t id;
};

extern struct fake_account fake_users[];
extern unsigned fake_lookups;
extern const char *fake_odd_name; /* what uid 1003 is called */

/* ---- directories: by path; the inode is the place in the table plus 1 */

#define FAKE_DIRECTORIES_MAX 128u

struct fake_directory {
        char path[128];
        int code;       /* of opening it, besides 0 */
        char real[128]; /* what it is a link to; empty: itself */
        uint8_t generation;
        bool strangers; /* as in struct directory_mark */
};

extern struct fake_directory fake_directories[FAKE_DIRECTORIES_MAX];
extern unsigned fake_n_directories;
extern int fake_open_directories; /* to be 0 at the end */
extern bool fake_ancestors_fail;

struct fake_directory *fake_directory_add(const char *path, int code);
int fake_directory_find(const char *path);
struct object_id fake_id(const char *path);

/* ---- files that steer the daemon: by path, in the order they were added */

struct fake_file {
        char path[128];
        const char *data;
        int code;
        const char *why;
        bool masked;
};

extern struct fake_file fake_files[32];
extern unsigned fake_n_files;

struct fake_file *fake_file_add(const char *path, const char *data);

extern int fake_list_code;

/* ---- files that are written: one, in memory */

extern char fake_written[1 << 20];
extern size_t fake_written_len;
extern int fake_write_code, fake_append_code;
extern unsigned fake_writes, fake_appends_open, fake_appends;

/* Descriptors of clients and of what was opened for them: numbers that are never used again, each to be closed once. */
#define FAKE_FDS_MAX 65536
extern unsigned fake_n_fds;
extern int fake_fds_open; /* to be 0 at the end */

/* One for a directory of the table, or (NULL) for a file. */
os_fd fake_fd_open(const char *directory);

/* ---- time, and the service */

extern uint64_t fake_now_ms;
extern struct fsop_time fake_realtime;
extern bool fake_journal;

/* Everything as at the start. */
void fake_reset(void);

#endif
