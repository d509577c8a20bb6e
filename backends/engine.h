/* SPDX-License-Identifier: MIT */
/*
 * engine.h: asynchronous I/O. One engine per process, driven by the loop thread.
 *
 * An `io` is given to an engine with submit and comes back through its `done`, exactly once (multishot kinds: once per
 * event, the last time without IO_MORE), on the loop thread, from inside wait. done never runs inside submit or
 * cancel. The io belongs to the submitter, who keeps it and everything it points to alive until that last call. Nothing
 * of this happens to an IO_SEND that asked to end at once and did (IO_AT_ONCE, IO_ENDED).
 */
#ifndef FSOP_ENGINE_H
#define FSOP_ENGINE_H

#include "backends/sys.h"

enum io_kind {
        IO_NONE = 0,
        IO_ACCEPT,  /* multishot: result is the new socket, as an os_fd; an error ends it, to be submitted again */
        IO_RECEIVE, /* multishot: result is the number of bytes, 0 at the end; data and fds are borrowed while done
                       runs, but the descriptors in fds become the receiver's */
        IO_SEND, /* sends all of data, with fds beside its first byte; result is len or an error. One at a time for each
                    socket, as is one IO_ACCEPT or IO_RECEIVE */
        IO_POLL, /* once: ready when fd is (out of band too: mount table, signal descriptors) */
        IO_RESOLVE, /* io_resolve(op) */
        IO_RUN,     /* sys_run(op) */
        IO_CALL,    /* call(io) on a worker: for what may block and is no operation */
};

enum {
        IO_MORE = 1 << 0,     /* set by the engine: this io will report again */
        IO_FDS_LOST = 1 << 1, /* set by the engine: descriptors were cut off (MSG_CTRUNC) */
        IO_POOL = 1 << 2,     /* set by the submitter: straight to a worker */
        IO_LONG = 1 << 3,    /* set by the submitter: may take very long (walks, copies) or be kept waiting; never takes
                                every worker */
        IO_AT_ONCE = 1 << 4, /* set by the submitter of an IO_SEND: when all of it goes at once, submit says so with
                                IO_ENDED */
        IO_ENDED = 1 << 5,   /* set by the engine: it is over, with this result, and done does not run */
};

struct io {
        enum io_kind kind;
        unsigned flags;
        int64_t result;   /* 0 or positive, or -FSOP_E… */
        int32_t os_error; /* raw */
        void (*done)(struct io *io);
        void *owner;    /* the submitter's */
        uint32_t whose; /* the uid that wants it, for the workers to be shared fairly; 0: root's and the daemon's own
                           are not held back */
        uint64_t mount; /* of an IO_LONG one: the mount that may keep it waiting, which never keeps every worker; 0:
                           none is known */
        /* Further ios for the same worker, run one after the other by the same hand-over; each with its own done.
         * Only for kinds that go to the pool; give the first one to submit. An IO_RUN right behind the IO_RESOLVE of
         * the same operation does not run when that one failed, and is cancelled with it. */
        struct io *chain;
        /* How many are out of those that are waited for together, which all point here; the pool counts them down, and
         * the last one wakes the loop. NULL: each does. */
        uint32_t *together;
        union {
                struct {
                        os_fd fd;
                } accept, poll;
                struct {
                        os_fd fd;
                        const uint8_t *data;
                        os_fd *fds;
                        uint32_t n_fds;
                } receive;
                struct {
                        os_fd fd;
                        const uint8_t *data;
                        size_t len;
                        const os_fd *fds; /* stay the submitter's */
                        uint32_t n_fds;
                } send;
                struct sys_op *op; /* RESOLVE, RUN. One that has others behind it (op->next) goes to a worker, and all
                                      of them are done in one go: result is then 0, and each one's own code says what
                                      became of it. A negative result: none was begun, and it is each one's code */
                void (*call)(struct io *io); /* CALL: sets io->result */
        } u;
        /* the engine's own */
        struct io *next, *prev;
        uint32_t engine_state;
        uint64_t engine_word[4];
};

/* What IO_RESOLVE is on a worker. In a slice nobody waits for a filesystem that may hang: that is given back. */
static inline int io_resolve(struct sys_op *op) {
        int r = sys_resolve(op, op->in_slice ? SYS_LOCAL_ONLY : 0);

        if (r == -FSOP_EAGAIN && op->in_slice && !op->held_up_by)
                r = sys_resolve(op, 0);
        if (r < 0 || !op->run_too)
                return r;
        op->has_run = true;
        return sys_run(op);
}

struct engine;

struct engine_config {
        uint32_t workers;           /* 0: chosen from the number of processors */
        uint32_t workers_extra_max; /* replacements for stuck workers */
        uint32_t spin_us; /* how long wait looks again before it sleeps, where that pays (proto/spin.h); 0: never */
        void (*log)(int level, const char *message);
};

struct engine_stats {
        uint32_t workers, workers_stuck; /* stuck: in one call for more than 10 s */
        uint64_t submitted, completed, declined;
};

struct engine_ops {
        const char *name; /* "uring", "threads", "kqueue", "iocp", "fake" */

        /* 0 or -FSOP_E…; FSOP_EOPNOTSUPP / EPERM / ENOSYS: not here, take another (ret_why: a sentence, static). */
        int (*open)(const struct engine_config *config, struct engine **ret_engine, const char **ret_why);

        /* Takes an io (or the first of a chain). Always accepts; what it cannot do itself goes to its pool. Failure
         * comes through done. */
        void (*submit)(struct engine *engine, struct io *io);

        /* Runs the done of everything that is ready. If nothing is, blocks until something is or wake is called, up to
         * timeout_ms (-1: for ever), perhaps for less. Returns the number of done calls or -FSOP_E…. */
        int (*wait)(struct engine *engine, int timeout_ms);

        /* Asks for an early end of a submitted io. Its done still runs: with ECANCELED if it came in time. */
        void (*cancel)(struct engine *engine, struct io *io);

        /* Makes a wait return. From any thread and from signal handlers. */
        void (*wake)(struct engine *engine);

        void (*stats)(struct engine *engine, struct engine_stats *ret_stats);

        /* Everything must have come back, except what hangs in a worker: those are abandoned, and their ios and all
         * they point to must not be freed. */
        void (*close)(struct engine *engine);
};

/* The first member of every engine. */
struct engine {
        const struct engine_ops *ops;
};

extern const struct engine_ops engine_uring;   /* linux/, where liburing >= 2.3 was there at build time */
extern const struct engine_ops engine_threads; /* the fallback of every platform */

/* Opens the engine NAME ("auto", "uring", "threads", …); auto falls back with one line in the log. -FSOP_EINVAL:
 * no such engine here. In the backend of each platform. */
int engine_open(const char *name, const struct engine_config *config, struct engine **ret_engine, const char **ret_why);

#endif
