/* SPDX-License-Identifier: MIT */
/*
 * config.h: the daemon's own settings, from /etc/fsopd/fsopd.yaml (or fsopd.conf where the first is absent) or from a
 * file named on the command line. Read once at start; a reload reads rules again, not this.
 */
#ifndef FSOP_CONFIG_H
#define FSOP_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

/* What strangers can make the daemon hold. Every key is optional; a value of 0 is refused. */
struct config_limits {
        uint32_t connections;         /* connections: sockets open at once; 2048 */
        uint32_t connections_per_uid; /* connections-per-uid: of one user; 1024 */
        uint32_t batches_in_flight; /* batches-in-flight: batches of one connection not yet answered; 64, at most 64 */
        uint32_t batch_ops;         /* batch-operations: operations in one batch; 1024, at most 1024 */
        uint32_t frame_bytes;       /* frame-bytes: largest body of a frame; 1M, 4K to 1M */
        uint64_t bytes_in_flight; /* bytes-in-flight-per-connection: requests held and answers unread; 1M. At least one
                                     task is always let in, or a large frame would wait for ever */
        uint64_t bytes_per_uid;   /* bytes-per-uid: the same over all connections of a user; 64M */
        uint32_t batches_per_uid; /* batches-per-uid: in flight, over all connections of a user; 4096 */
        uint32_t audit_lines_per_uid; /* audit-lines-per-uid: a second, on the average; a user with more is slowed down;
                                         1000000 */
        uint32_t handles;             /* handles-per-connection: open and opendir; 256 */
        uint32_t handles_per_uid;     /* handles-per-uid: 1024 */
        uint32_t jobs_per_uid; /* jobs-per-uid: of one user; at the limit the oldest that has ended gives way; 10000 */
        uint32_t jobs;         /* jobs: of all users together, likewise; 20000 */
        uint64_t job_bytes_per_uid; /* job-bytes-per-uid: paths and lists of one user's jobs; 64M */
        uint32_t jobs_running;      /* jobs-running: at a time; 4 */
        uint32_t jobs_per_device;   /* jobs-per-device: a user's running ones that read from or write to it; 1 */
        uint32_t hello_timeout_ms;  /* hello-timeout: until Hello must be complete: 5s (seconds, or with s or ms) */
        uint32_t
                descriptors_per_uid; /* descriptors-per-uid: passed with requests of one user that are not done; 4096 */
        uint32_t descriptors_reserved; /* descriptors-reserved: kept free of the process's RLIMIT_NOFILE, for work in
                                          hand; 64 */
};

enum config_engine {
        CONFIG_ENGINE_AUTO = 0,
        CONFIG_ENGINE_URING,
        CONFIG_ENGINE_KQUEUE,
        CONFIG_ENGINE_IOCP,
        CONFIG_ENGINE_THREADS
};

/* For comparison and tests, docs/routes.md. What may hang always goes to the workers. */
enum config_routes {
        CONFIG_ROUTES_AUTO = 0,
        CONFIG_ROUTES_INLINE, /* everything on the loop, whatever it costs others */
        CONFIG_ROUTES_POOL,
        CONFIG_ROUTES_RING, /* what the ring can do, so many at a time; the rest as auto has it */
};

#define CONFIG_POLICY_DIRS_MAX 64u

/* Where a setting was given. Nothing of both: it is the default. */
struct config_mark {
        uint32_t line, column; /* of the file, from 1 */
        bool on_command_line;
};

struct config {
        char *file;         /* that it was read from; NULL: defaults only */
        char *socket;       /* socket: absolute */
        char *socket_group; /* socket-group: who may connect; NULL: only owner and socket-mode. "fsop"; private service:
                               NULL */
        uint32_t socket_mode; /* socket-mode: octal; 0660, private service 0600 */
        char *admin_group;    /* admin-group: may reload and see all; NULL: uid 0 only */
        char *state_dir;      /* state-dir: absolute */
        char **policy_dirs;   /* policy-dir: one or a list, later ones override; default /usr/share/fsopd/policy.d and
                                 /etc/fsopd/policy.d; a private service: none */
        uint32_t n_policy_dirs;
        enum config_routes routes; /* routes: auto, inline, pool, ring */
        enum config_engine engine; /* engine: auto, uring, kqueue, iocp, threads */
        uint32_t
                spin_us; /* spin-us: how long the loop looks for more before it sleeps, in microseconds; proto/spin.h */
        uint32_t workers; /* workers: threads of the pool; 0 (also the word auto): chosen from the processors; at most
                             64 */
        char *audit;      /* audit: journal, stderr or file:PATH; "stderr" */
        int log_level;    /* log-level: error, warning, notice, info, debug; info */
        struct config_limits limits; /* limits: */
        struct {
                struct config_mark socket, socket_group, admin_group, state_dir, engine, audit;
                struct config_mark policy_dirs[CONFIG_POLICY_DIRS_MAX]; /* of each */
        } given;
};

/*
 * Reads PATH, or where it is NULL the system's file (a private service then has defaults only, and a missing system
 * file is defaults too). The file must be trusted as sys_read_trusted_file says. Returns 0, or -FSOP_E… with *ret_error
 * what is wrong, a line each, with FILE:LINE:COLUMN where there is one (malloc'd, to be freed; NULL when memory ran
 * out).
 */
int config_load(const char *path, bool private_service, struct config **ret_config, char **ret_error);
struct config *config_free(struct config *config); /* NULL */

/* For the command line's --engine: -1 if unknown. And the word for a number. */
int config_engine_from_name(const char *name);
const char *config_engine_name(enum config_engine engine);

/* Replace a setting by the command line's: copies VALUE. 0, -FSOP_EINVAL (not an absolute path) or -FSOP_ENOMEM. */
int config_set_path(char **setting, const char *value);
/* The first call with *overridden false drops the file's directories. */
int config_add_policy_dir(struct config *config, const char *directory, bool *overridden);
/* -FSOP_EINVAL for anything but journal, stderr, file:/ABSOLUTE. */
int config_set_audit(struct config *config, const char *where);

/* The directory that holds PATH, which is absolute: to be freed. NULL on lack of memory. */
char *config_parent_of(const char *path);

#endif
