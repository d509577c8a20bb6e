/* SPDX-License-Identifier: MIT */
/*
 * bench.h: what the files of fsop-bench share.
 *
 *      main.c     the command line, the order of things, cleaning up
 *      rows.c     the table of rows: what is compared with what, and how good it must be
 *      curves.c   the table of curves: the same, as something grows
 *      memory.c   what the daemon holds, as connections grow
 *      profile.c  keeps the daemon busy, for who wants to look at it
 *      contest.c  lets two sides take turns
 *      report.c   medians, tables, JSON, files of figures
 *      util.c     small things
 *
 *      place.c    the scratch directories, the files, images of other filesystems, the machine
 *      process.c  starting and ending processes; the daemon
 *      peers.c    the other servers
 *      worker.c   the unprivileged process that is everybody's client
 *      ours.c     the side of fsopd, through libfsop
 *      crowd.c    many clients at once: of fsopd, or of the echo server
 *      plain.c    the plain system calls, and the loop over them
 *      echo.c     the echo servers around them
 *      stream.c   requests and answers in a row, as the three below need it
 *      sftp.c     the protocol of OpenSSH's sftp-server
 *      nine.c     9P2000.L, which diod speaks
 *      proxy.c    the protocol of QEMU's virtfs-proxy-helper
 *      copy.c     a turn of copying: a job of fsopd, cp, rsync
 *      tree.c     what is copied
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

#define BENCH_FILES 4096u
#define BENCH_ROUNDS_MAX 1000u
#define BENCH_CONNECTIONS_MAX 12000u /* the daemon is told to take so many */

/* What is done to every file. */
enum what {
        WHAT_STAT,
        WHAT_CHOWN,
        WHAT_SETXATTR,
};
extern const char *const what_names[3];

/* Who does it. */
enum side {
        SIDE_OURS,
        SIDE_THREADS, /* fsopd, another one with the engine of threads */
        SIDE_ECHO,    /* a bare echo over a Unix socket that makes the system call */
        SIDE_LOOP,    /* the system calls in a plain loop */
        SIDE_SFTP,    /* sftp-server */
        SIDE_DIOD,
        SIDE_PROXY,  /* virtfs-proxy-helper */
        SIDE_CP,     /* cp -a, then sync -f; this and the next one as root */
        SIDE_RSYNC,  /* rsync -a, then sync -f */
        SIDE_MEMORY, /* nobody: what the daemon holds is measured */
};

/* The files that everything is done to. Owners alternate from pass to pass, so that every chown changes something. */
struct files {
        char *directory;
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

/* How a side is asked. 0 is 1, but for clients. */
struct way {
        enum side side;
        uint32_t clients;   /* that ask at once; 0: one, with calls that block where it has one operation in flight */
        uint32_t idle;      /* further ones that are connected and say nothing */
        uint32_t in_flight; /* requests of a client */
        uint32_t ops;       /* operations of a request */
};

/* Passes over the first n_files files. The phase of a pass is phase + its number. */
struct work {
        struct way way;
        enum what what;
        enum fsop_as as;
        uint32_t n_files, passes, phase;
        double rate; /* operations that fall due in a second; 0: a client asks again when it is answered */
};

/* Nanoseconds. */
struct figures {
        double ns;             /* of an operation: the median where one was in flight, else the mean */
        double p50, p99, p999; /* from the moment a request was due until it was answered; 0: not known */
};

/* What is at the target already. */
enum copy_onto {
        ONTO_NOTHING,
        ONTO_EMPTY, /* a directory with nothing in it */
        ONTO_OLDER, /* an older tree, all of which is replaced */
};

/* What is copied, and onto what. A job flushes as it does by default; the others are flushed when they have ended. */
struct copying {
        bool is_tree; /* many small files; else a big one */
        enum copy_onto onto;
        enum fsop_clone clone; /* AUTO or NEVER */
};

/* ---- util.c ---- */

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
        char *control;             /* the daemons' sockets, rules, state; below a directory that only root can write */
        char *state[2];            /* of the daemons: their journals, on a disk as where they are installed */
        char *scratch;             /* the files, what is copied, and the audit log */
        char *image, *mount_point; /* of a filesystem of our own; NULL: none */
        bool mounted, quick;
        char *socket[2], *config, *audit, *log;
        char *echo_socket; /* of the echo server for many */
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
/* Moves a process that runs, with its threads and its children, to where `pin` says. */
void process_move(pid_t pid, bool is_server, enum pin pin);

/* Becomes an unprivileged user for good. */
int process_become(uid_t uid, gid_t gid);
/* As many descriptors as there may be, and for root as many as are wanted here. Returns how many those are. */
uint32_t process_raise_descriptors(void);
/* Ends a child; NULL-safe in the sense that pids below 1 are left alone. Sets *pid to 0. */
void process_end(pid_t *pid, int sig);
/* Runs a command to its end. 0, or -1 with its output on stderr. */
int process_run(const char *const *argv);
/* Whether there is such a command. */
bool process_finds(const char *name);

/* The daemon number `which`, 0 or 1, as they are counted in struct place. */
int daemon_start(const struct place *place, unsigned which, const char *fsopd, const char *engine, pid_t *ret_pid);
/* Processor time of the daemon's processes so far. It says more than the time that has passed where others keep the
 * machine busy. */
double daemon_cpu_ms(pid_t pid);

/* ---- peers.c ---- */

/* Servers that one client talks to over one stream. */
enum peer {
        PEER_ECHO,
        PEER_SFTP,
        PEER_DIOD,
        PEER_PROXY,
        N_PEERS,
};

struct peers {
        pid_t pids[N_PEERS], crowd; /* crowd: the echo server for many */
        int fds[N_PEERS];           /* the client's ends; -1: not there */
        const char *sftp_server;    /* NULL: where distributions have it */
};

/* Those that are installed. */
int peers_start(struct peers *peers, const struct place *place);
void peers_stop(struct peers *peers);
/* NULL, or why a side cannot take part: "diod is not installed". */
const char *peers_missing(const struct peers *peers, enum side side);

/* ---- worker.c ---- */

struct worker {
        pid_t pid;
        int fd;
};

/* Starts the client process. peers may be NULL; it gets copies of its descriptors. */
int worker_start(struct worker *worker, const struct place *place, const struct peers *peers);
void worker_stop(struct worker *worker);
/* 0, or -1: it failed, and stderr says how. */
int worker_run(struct worker *worker, const struct work *work, struct figures *ret_figures);
/* Nanoseconds until a job was done; negative: it failed, and stderr says how. */
double worker_copy(struct worker *worker, const struct copying *copying);
/* Sees to it that it holds n further connections to the daemon. */
int worker_connect(struct worker *worker, uint32_t n);
/* "1.0.0, engine uring", of a daemon. malloc'd or NULL. */
char *worker_about(struct worker *worker, unsigned which);

/* ---- the sides ---- */

struct ours;
struct ours *ours_open(const char *socket_path);
const struct fsop_server_info *ours_info(const struct ours *ours);
/* Lets the daemon see that other connections were closed: what it answers after that does not pay for it. */
void ours_settle(struct ours *ours);
/* It never looks for an answer before it sleeps. 0 or negative. */
int ours_sleep(struct ours *ours);
/* A connection. NULL: failed, and stderr says how. */
struct fsop_client *ours_connect(const char *socket_path);
/* Adds what is to be done to a file to a batch. 0, or -1. */
int ours_add(struct fsop_client *client, struct fsop_batch *batch, const struct files *files, enum what what,
             const char *path, uint32_t phase);
/* That a batch that is done was done, and by whom. 0, or -1. */
int ours_check(const struct fsop_batch *batch, enum fsop_as as);
/* One by one, with blocking calls. samples: room for n_files * passes. Returns nanoseconds in all; 0: failed. */
uint64_t ours_run(struct ours *ours, const struct files *files, const struct work *work, uint32_t *samples);
/* A copy job, from its submission until it is known to be done. 0: failed. */
uint64_t ours_copy(struct ours *ours, const struct place *place, const struct copying *copying);

/* Many clients of the same server, in one process. They stay connected from one call to the next where their number
 * stays the same. */
struct crowd;
struct crowd *crowd_new(enum side side, const char *address);
/* Closes its connections. */
void crowd_rest(struct crowd *crowd);
/* samples: room for n_files * passes, one of each request; *ret_n says how many those are. Returns nanoseconds in all;
 * 0: failed. */
uint64_t crowd_run(struct crowd *crowd, const struct files *files, const struct work *work, uint32_t *samples,
                   uint32_t *ret_n);

/* Makes the system call. 0 or an errno. */
int plain_call(enum what what, const char *path, bool follow, uid_t uid, gid_t gid, const char *value);
uint64_t plain_run(const struct files *files, const struct work *work);

/* What goes to an echo server and comes back unchanged, but for the error. Only the used part of the path travels. */
struct echo_message {
        uint32_t len; /* of all */
        uint32_t what, follow, uid, gid;
        int32_t error;
        char value[BENCH_XATTR_BYTES];
        char path[1024];
};

void echo_prepare(struct echo_message *message, const struct files *files, enum what what, const char *path,
                  uint32_t phase);
int echo_receive(int fd, struct echo_message *message);
/* The echo for one, until its client goes. */
void echo_serve(int fd);
/* The echo for as many as connect. */
void echo_serve_many(int listener);
uint64_t echo_run(int fd, const struct files *files, const struct work *work, uint32_t *samples);

struct stream;

/* How a server is spoken to. */
struct dialect {
        const char *name;
        int (*greet)(struct stream *stream, const struct files *files);
        void (*put)(struct stream *stream, const struct files *files, const struct work *work, uint32_t i);
        /* The length of the packet at the beginning of n bytes; 0: not known yet. */
        size_t (*packet_bytes)(const uint8_t *packet, size_t n);
        /* Whether an answer says yes; expected: the number of the request, where answers keep the order. */
        int (*check)(const uint8_t *packet, size_t len, enum what what, uint32_t expected);
};
extern const struct dialect sftp_dialect, nine_dialect, proxy_dialect;

/* What a dialect writes with. */
void stream_put(struct stream *stream, const void *data, size_t len);
void stream_put_u8(struct stream *stream, uint8_t value);
/* Sends what was put and waits for one packet, which is there until the next call. NULL: failed. */
const uint8_t *stream_ask(struct stream *stream, size_t *ret_len);

struct stream *stream_open(int fd, const struct dialect *dialect, const struct files *files);
uint64_t stream_run(struct stream *stream, const struct files *files, const struct work *work, uint32_t *samples);

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

/* ---- contest.c ---- */

enum ratio {
        RATIO_COST,   /* our time / theirs: at most the bar */
        RATIO_FASTER, /* their time / ours: at least the bar */
        RATIO_RATE,   /* our rate / theirs: at least the bar */
};

/* Two sides that are compared, by turns. A turn is passes over files, or a copying. */
struct contest {
        const struct copying *copying; /* NULL: what is done to files */
        enum what what;
        enum fsop_as as;
        struct way ours, theirs;
        uint32_t turns;           /* of each side in a round */
        uint32_t n_files, passes; /* of a turn */
        double rate;
        enum pin pin; /* where it is held, unless process_pin says it for all */
};

struct outcome {
        uint32_t n;                    /* turns that each side had */
        struct figures *ours, *theirs; /* n of each */
};

struct bench {
        struct place place;
        const char *fsopd, *engine;
        bool has_rsync;
        pid_t daemons[2]; /* with the engine asked for, and with threads */
        struct peers peers;
        struct worker worker;
        uint32_t rounds, phase;
};

/* Does a work, in the worker or here, and checks its effect. */
int bench_do(struct bench *bench, struct work work, struct figures *ret_figures);
/* NULL, or why it cannot be held here. */
const char *contest_missing(const struct bench *bench, const struct contest *contest);
void outcome_init(struct outcome *outcome, uint32_t n);
void outcome_fini(struct outcome *outcome);
/* Both sides once. turn: which one it is; the figures go there. */
int contest_turn(struct bench *bench, const struct contest *contest, struct outcome *outcome, uint32_t turn);
/* A pass that does not count. */
int contest_warm_up(struct bench *bench, const struct contest *contest);
/* All turns, warming up first. */
int contest_run(struct bench *bench, const struct contest *contest, struct outcome *ret_outcome);
/* What is elevated and changes something must have been audited, or the comparison means nothing. */
int contest_check_audit(const struct bench *bench, const struct contest *contest);

/* ---- rows.c ---- */

struct row {
        const char *name;
        const char *says; /* for the table */
        struct contest contest;
        enum ratio ratio;
        double bar; /* 0: none */
};
extern const struct row rows[];
extern const uint32_t n_rows;

/* ---- curves.c, memory.c ---- */

/* What grows from point to point. */
enum grows {
        GROWS_OPS,     /* operations of a request */
        GROWS_CLIENTS, /* that ask at once */
        GROWS_LOAD,    /* percent of what the daemon can do */
};

#define CURVE_POINTS_MAX 11u

struct curve {
        const char *name;
        const char *says;
        enum grows grows;
        struct contest contest; /* but for what grows */
        uint32_t points[CURVE_POINTS_MAX];
};
extern const struct curve curves[];
extern const uint32_t n_curves;

int curve_run(struct bench *bench, const struct curve *curve);

/* The daemon's memory with a number of connections that only said Hello. */
struct memory {
        double resident_kib, anonymous_kib;
};
/* points: numbers of connections, rising. */
int memory_measure(struct bench *bench, const char *engine, const uint32_t *points, uint32_t n, struct memory *memory);
/* The curve of both engines. */
int memory_run(struct bench *bench);

/* ---- profile.c ---- */

struct profile {
        const char *of; /* stat, chown, setxattr, or a row of copies */
        bool one;
        enum fsop_as as;
        double seconds;
};
/* Whether a row's copies are what it is of. */
bool profile_is_of(const struct profile *profile, const struct row *row);
int profile_run(struct bench *bench, const struct profile *profile);

/* ---- copy.c ---- */

/* Nanoseconds that a copying took until it was on the disk; negative: failed. */
double copy_do(struct bench *bench, const struct copying *copying, enum side side, bool check);
/* malloc'd */
char *copy_source(const struct place *place, const struct copying *copying);
char *copy_target(const struct place *place);
/* How many files are copied. */
uint32_t copy_files(const struct place *place, const struct copying *copying);

/* ---- fair.c ---- */

/* fsop-bench fair, with what follows that word. The exit status. */
int fair_main(int argc, char **argv);

/* ---- report.c ---- */

enum report_format {
        REPORT_TEXT,
        REPORT_JSON,
        REPORT_MARKDOWN,
};
extern enum report_format report_format;
extern const char *report_dir; /* where files of figures go; NULL: nowhere */

/* Opens the files, prints the head of the table of rows. */
int report_begin(bool has_rows);
void report_row(const struct row *row, const struct outcome *outcome);
void report_memory(const struct row *row, double kib);
void report_skipped(const struct row *row, const char *why);
/* outcomes: of each point; capacity: in operations a second, of a curve over load. */
int report_curve(const struct curve *curve, uint32_t n_points, const struct outcome *outcomes, double capacity);
int report_memory_curve(const uint32_t *points, uint32_t n, const struct memory *ours, const struct memory *theirs);

#endif
