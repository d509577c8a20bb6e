/* SPDX-License-Identifier: MIT */
/*
 * bench.h: what the files of fsop-bench share.
 *
 *      main.c     the command line, the order of things, cleaning up
 *      rows.c     what is compared with what, and how good it must be
 *      contest.c  runs the sides of a comparison in turns
 *      copy.c     a turn of copying: a job of fsopd, cp, rsync
 *      tree.c     what is copied
 *      report.c   medians, the table, JSON
 *      place.c    the scratch directories, the files, images of other filesystems, the machine
 *      process.c  starting and ending the daemon and the other servers
 *      worker.c   the unprivileged process that is everybody's client
 *      ours.c     the side of fsopd, through libfsop
 *      plain.c    the plain system calls; the loop over them and the echo server around them
 *      sftp.c     the side of OpenSSH's sftp-server, whose protocol it speaks
 *      memory.c   what the daemon holds
 *      fair.c     what one user's client costs another's
 */
#ifndef FSOP_BENCH_H
#define FSOP_BENCH_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "client/fsop.h"

#define BENCH_FILES 1024u
#define BENCH_BATCH_OPS 256u
#define BENCH_BATCHES 4u /* in flight */
#define BENCH_SFTP_WINDOW 64u
#define BENCH_SIDES_MAX 3u
#define BENCH_ROUNDS_MAX 1000u

/* What is done to every file. */
enum what {
        WHAT_STAT,
        WHAT_CHOWN,
        WHAT_SETXATTR,
};

/* Who does it, and how. */
enum side {
        SIDE_OURS_ONE,    /* fsopd, one operation in flight */
        SIDE_OURS_BATCH,  /* fsopd, batches of BENCH_BATCH_OPS, BENCH_BATCHES in flight */
        SIDE_ECHO,        /* a bare echo over a Unix socket that makes the system call, one in flight */
        SIDE_LOOP,        /* the system calls in a plain loop */
        SIDE_SFTP_ONE,    /* sftp-server, one in flight */
        SIDE_SFTP_WINDOW, /* sftp-server, BENCH_SFTP_WINDOW in flight */
        SIDE_OURS_JOB,    /* fsopd, a copy job */
        SIDE_CP,          /* cp -a, then sync -f; this and the next one as root */
        SIDE_RSYNC,       /* rsync -a, then sync -f */
};

/* The files that everything is done to. Owners alternate from pass to pass, so that every chown changes something. */
struct files {
        char **paths; /* absolute */
        uint32_t n;
        uid_t owners[2];
        gid_t group;
        bool follow;
};

#define BENCH_XATTR "user.fsop-bench"
#define BENCH_XATTR_BYTES 16u

uid_t files_owner(const struct files *files, uint32_t phase);
/* BENCH_XATTR_BYTES of it. */
const char *files_value(uint32_t phase);

/* A piece of work: passes over the first n_files files. The phase of a pass is phase + its number. */
struct job {
        enum side side;
        enum what what;
        enum fsop_as as;
        uint32_t n_files, passes, phase;
};

/* What is at the target already. */
enum copy_onto {
        ONTO_NOTHING,
        ONTO_EMPTY, /* a directory with nothing in it */
        ONTO_OLDER, /* an older tree, all of which is replaced */
};

/* What is copied, and onto what. A job flushes as it does by default; the others are flushed when they have ended. */
struct copying {
        bool is_tree;          /* many small files; else a big one */
        enum copy_onto onto;
        enum fsop_clone clone; /* AUTO or NEVER */
};

/* ---- common small things ---- */

extern volatile sig_atomic_t bench_stop; /* the number of the signal that asked for it */

/* Says on stderr what went wrong; returns -1. */
__attribute__((format(printf, 1, 2))) int bench_fail(const char *format, ...);
__attribute__((format(printf, 1, 2))) char *bench_format(const char *format,
                                                         ...); /* malloc'd; ends the program without memory */
void *bench_alloc(size_t n, size_t bytes);                     /* cleared; ends the program without memory */
uint64_t bench_now_ns(void);
double bench_median(const double *values, uint32_t n);
void bench_sleep_ms(unsigned ms);
int bench_write_all(int fd, const void *data, size_t len);
/* 0, or -1 also at the end of the stream. */
int bench_read_all(int fd, void *data, size_t len);

/* ---- place.c ---- */

struct place {
        char *control;             /* the daemon's socket, rules, state; below a directory that only root can write */
        char *state;               /* of the daemon: its journal, on a disk as where it is installed */
        char *scratch;             /* the files, what is copied, and the audit log */
        char *image, *mount_point; /* of a filesystem of our own; NULL: none */
        bool mounted, quick;
        char *socket, *config, *audit, *log;
        struct files files;
        uid_t client_uid;
        gid_t client_gid;
};

struct place_options {
        const char *dir; /* NULL: /var/tmp */
        const char *fs;  /* NULL, "xfs" or "ext4" */
        bool follow;
        bool quick;  /* little is copied */
        bool copies; /* there must be room for what is copied */
};

/* What may be left of it is removed by place_fini(), also after a failure. */
int place_init(struct place *place, const struct place_options *options);
void place_fini(struct place *place);
/* Prints one line about machine and filesystem. */
void place_describe(const struct place *place, FILE *stream);

/* ---- process.c ---- */

/* Forks. In the child, which dies with its parent, 0. A server's place follows process_pin. */
pid_t process_fork(bool is_server);
/* Where processes may run: servers and client wherever the kernel likes, on one processor together, or apart. */
enum pin {
        PIN_NOT,
        PIN_TOGETHER,
        PIN_APART,
};
extern enum pin process_pin;

/* Becomes an unprivileged user for good. */
int process_become(uid_t uid, gid_t gid);
/* Ends a child; NULL-safe in the sense that pids below 1 are left alone. Sets *pid to 0. */
void process_end(pid_t *pid, int sig);
/* Runs a command to its end. 0, or -1 with its output on stderr. */
int process_run(const char *const *argv);
/* Whether there is such a command. */
bool process_finds(const char *name);

int daemon_start(const struct place *place, const char *fsopd, const char *engine, pid_t *ret_pid);
/* Processor time of the daemon's processes so far. It says more than the time that has passed where others keep the
 * machine busy. */
double daemon_cpu_ms(pid_t pid);
/* The server at the other end of *ret_fd. sftp_start returns 1 where there is no sftp-server. */
int sftp_start(const char *program, pid_t *ret_pid, int *ret_fd);
int echo_start(pid_t *ret_pid, int *ret_fd);

/* ---- worker.c ---- */

struct worker {
        pid_t pid;
        int fd;
};

/* Starts the client process. echo_fd and sftp_fd may be -1; it gets copies. */
int worker_start(struct worker *worker, const struct place *place, int echo_fd, int sftp_fd);
void worker_stop(struct worker *worker);
/* Nanoseconds an operation took: the median where one was in flight, else the mean. Negative: it failed, and stderr
 * says how. */
double worker_run(struct worker *worker, const struct job *job);
/* Nanoseconds until a job was done; negative: it failed, and stderr says how. */
double worker_copy(struct worker *worker, const struct copying *copying);
/* Opens n further connections to the daemon and keeps them. */
int worker_connect(struct worker *worker, uint32_t n);
/* "1.0.0, engine uring". malloc'd or NULL. */
char *worker_about(struct worker *worker);

/* ---- the sides ---- */

struct ours;
struct ours *ours_open(const char *socket_path);
void ours_close(struct ours *ours);
const struct fsop_server_info *ours_info(const struct ours *ours);
/* samples: room for n_files * passes, filled where one operation is in flight. Returns nanoseconds in all; 0: failed.
 */
uint64_t ours_run(struct ours *ours, const struct files *files, const struct job *job, uint32_t *samples);
/* A copy job, from its submission until it is known to be done. 0: failed. */
uint64_t ours_copy(struct ours *ours, const struct place *place, const struct copying *copying);

struct sftp;
struct sftp *sftp_open(int fd);
void sftp_close(struct sftp *sftp);
uint64_t sftp_run(struct sftp *sftp, const struct files *files, const struct job *job, uint32_t window,
                  uint32_t *samples);

/* Makes the system call. 0 or an errno. */
int plain_call(enum what what, const char *path, bool follow, uid_t uid, gid_t gid, const char *value);
uint64_t plain_run(const struct files *files, const struct job *job);
uint64_t echo_run(int fd, const struct files *files, const struct job *job, uint32_t *samples);
void echo_serve(int fd);

/* ---- tree.c ---- */

/* The same for the same numbers. Sizes do not depend on the seed. */
struct tree {
        uint32_t directories, files; /* of each; no directories: one file of least_bytes */
        uint64_t least_bytes, most_bytes;
        uint32_t seed;   /* of the contents */
        int64_t seconds; /* modified then, or not long after */
        uid_t uid;
        gid_t gid;
};

int tree_make(const struct tree *tree, const char *path);
uint32_t tree_files(const struct tree *tree); /* but directories */
/* 0: b is a copy of a: contents, owners, modes, times of modification, and nothing besides. */
int tree_compare(const char *a, const char *b);
/* Also where nothing is, and of NULL. */
int tree_remove(const char *path);

/* ---- rows.c ---- */

enum ratio {
        RATIO_COST,   /* our time / theirs: at most the bar */
        RATIO_FASTER, /* their time / ours: at least the bar */
        RATIO_RATE,   /* our rate / theirs: at least the bar */
};

/* A comparison of several sides, in turns. sides[0] is ours. A turn is passes over files, or a copying. */
struct contest {
        const char *name;
        const struct copying *copying; /* NULL: what is done to files */
        enum what what;
        enum fsop_as as;
        uint32_t turns;           /* of everybody in a round */
        uint32_t n_files, passes; /* of a turn */
        uint32_t n_sides;
        enum side sides[BENCH_SIDES_MAX];
};

struct row {
        const char *name;
        const char *says; /* for the table */
        int contest;      /* -1: memory */
        enum side theirs;
        enum ratio ratio;
        double bar;
};

extern const struct contest contests[];
extern const uint32_t n_contests;
extern const struct row rows[];
extern const uint32_t n_rows;

/* Whether a row is meant by one of the words: its name or the beginning of it. No words: all are. */
bool row_is_chosen(const struct row *row, char *const *words, int n_words);

/* ---- all together ---- */

struct bench {
        struct place place;
        const char *fsopd, *engine, *sftp_server;
        bool has_rsync;
        pid_t daemon, echo, sftp;
        int echo_fd, sftp_fd; /* -1: none */
        struct worker worker;
        uint32_t rounds, phase;
};

/* Does a job, in the worker or here, and checks its effect. */
double bench_do(struct bench *bench, struct job job);

/* ---- copy.c ---- */

/* Nanoseconds that a copying took until it was on the disk; negative: failed. */
double copy_do(struct bench *bench, const struct copying *copying, enum side side, bool check);
/* malloc'd */
char *copy_source(const struct place *place, const struct copying *copying);
char *copy_target(const struct place *place);
/* How many files are copied. */
uint32_t copy_files(const struct place *place, const struct copying *copying);

/* ---- contest.c, memory.c ---- */

struct outcome {
        uint32_t n;                  /* turns that everybody had */
        double *ns[BENCH_SIDES_MAX]; /* per side: n figures; NULL: that side is not there */
};

int contest_run(struct bench *bench, const struct contest *contest, struct outcome *ret_outcome);
void outcome_fini(struct outcome *outcome);

struct memory {
        double idle_kib, anonymous_kib, connection_kib;
};
int memory_measure(struct bench *bench, struct memory *ret_memory);

/* ---- fair.c ---- */

/* fsop-bench fair, with what follows that word. The exit status. */
int fair_main(int argc, char **argv);

/* ---- report.c ---- */

void report_head(bool json);
void report_row(const struct row *row, const struct contest *contest, const struct outcome *outcome, bool json);
void report_memory(const struct row *row, double kib, bool json);
void report_skipped(const struct row *row, const char *why, bool json);

#endif
