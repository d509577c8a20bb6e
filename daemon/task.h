/* SPDX-License-Identifier: MIT */
/*
 * task.h: a batch on its way through the daemon. A single operation is a batch of one.
 *
 * A task is worked through in windows: a parallel batch in runs of up to TASK_WINDOW_OPS operations whose answers fit
 * the reserve, an ordered one operation by operation. Every step of steps.h handles the whole window. All on the loop
 * thread.
 */
#ifndef FSOP_TASK_H
#define FSOP_TASK_H

#include "backends/engine.h"
#include "daemon/ops.h"
#include "daemon/policy.h"
#include "proto/arena.h"
#include "proto/message.h"

#define TASK_WINDOW_OPS 128u
#define TASK_WINDOW_OUT_BYTES (768u << 10) /* of answers' texts and data, beside one operation's own worst case */
#define TASK_ANCESTORS_MAX 128u
#define TASK_FDS_MAX WIRE_FRAME_FDS_MAX
/* what rules allowed that are no more has so long to end: then it was not made to wait */
#define TASK_REVOKE_MS 1000u

struct session;
struct handle;
struct tree;
struct slices;

enum flow {
        FLOW_NEXT, /* on to the next step */
        FLOW_WAIT, /* ios are out; the step is called again, with step_phase one higher, when all have come back */
        FLOW_HOLD, /* the client does not read, or its user's turn is over: step_phase unchanged, called again when that
                      has passed */
        FLOW_DONE, /* the task is finished */
};

/* One end of an operation on its way: where it is and what that allows. */
struct task_end {
        struct handle *handle;       /* counted, or NULL */
        os_fd fd;                    /* of the frame, or OS_FD_NONE; the task's */
        struct root *root;           /* counted, or NULL */
        struct object_id *ancestors; /* of a directory that was passed or opened before */
        int n_ancestors;             /* or -FSOP_E… */
        struct bytes path;           /* as rules see it: absolute, or empty where a passed descriptor came first */
};

struct task_op {
        const struct operation *op;
        const struct op_row *row;
        struct task *task;
        struct task_end at, to;
        struct verdict verdict;
        struct sys_op sys;
        struct result result;
        struct io io;
        struct identity *identity; /* counted: as whom it runs when elevated */
        uint64_t charged_bytes;    /* to the rule's total-bytes */
        bool failed;               /* nothing more is done to it before settle */
        bool pinned;               /* sys_release is owed */
        bool recorded;             /* a rule elevated it: an outcome is owed to the audit, whatever becomes of it */
        bool has_intent;           /* which stands there */
        bool in_flight;            /* its io is with the engine */
        void (*on_cancel)(struct task_op *o); /* it waits for something that is no io (task_park) */
        void *waits_for;                      /* what for: of whoever parked it */
};

/* A root whose guards the task's parent cache may know: counted as long as the task lives. */
struct task_root {
        struct task_root *next;
        struct root *root;
};

struct task {
        struct task *prev, *next; /* the session's list */
        struct session *session;
        struct arena arena; /* what was decoded */
        struct arena out;   /* what the window answers with */
        struct batch batch;
        uint64_t deadline_ms; /* monotonic; 0: none */
        uint64_t revoked_ms; /* what the window's rules allowed ends then, for they are no more; 0: they are in force */
        uint64_t charged_bytes;
        os_fd fds[TASK_FDS_MAX]; /* what came with the frame */
        uint32_t n_fds;

        const struct step *step;
        uint32_t step_phase; /* for steps that wait: how often they did */
        uint32_t pending;    /* ios out, and what is parked */
        uint32_t n_parked;
        bool cancelled;
        bool stopped;    /* ordered-stop met a failure */
        int cancel_code; /* -FSOP_ECANCELED, -FSOP_ETIMEDOUT, or -FSOP_EAGAIN: the rules were loaded anew */

        uint32_t window_first, window_count;
        struct task_op *ops; /* the window's */
        uint32_t ops_cap;
        uint32_t n_opened;           /* in this window, for the client */
        bool looked_for_read;        /* likewise: whether descriptors sent before have been read */
        uint32_t handles_removed;    /* of the session, as the parents know it */
        struct parent_cache parents; /* of what is resolved on the loop, or one by one */
        struct slices *slices;       /* share.c's, or NULL */
        struct task_root *roots_kept;
        struct policy *policy; /* counted for the window: a reload does not pull the rules from under it */
        struct roots *roots;
        struct root **candidates; /* roots that a passed descriptor may lie under; counted */
        uint32_t n_candidates;

        /* of the daemon's own, not asked for by a client: a job's place is opened by walking the steps anew */
        void (*done)(struct task *task); /* at the end, instead of an answer; frees it. NULL: a client's */
        struct tree *tree;               /* what is opened */
};

struct task *task_new(struct session *session);
/* Closes what came with the frame, frees. Nothing may be in flight. */
void task_free(struct task *task);

/* Gives back what is kept for reuse, at exit. */
void task_free_spares(void);

/* Makes room for a window of N operations. 0 or -FSOP_ENOMEM. */
int task_reserve_ops(struct task *task, uint32_t n);

/* Walks the task through the steps until it must wait or is done (then it is freed). */
void task_run(struct task *task);

/* Hands an io of one operation, or a chain of them, to the engine and counts it; task_io_done is its done. */
void task_submit(struct task *task, struct io *io);
void task_io_done(struct io *io);
/* One of those that were counted is back: the task goes on when it was the last. */
void task_came_back(struct task *task);
/* The operation of a window that a sys_op belongs to. */
static inline struct task_op *task_op_of(struct sys_op *sys) {
        return (struct task_op *)(void *)((char *)sys - offsetof(struct task_op, sys));
}

/* The operation waits for something that is no io; on_cancel is told when it should not any more. task_unpark goes on
 * with it, once: not from inside the step that parked it, nor from inside on_cancel. The task may be gone when it
 * returns. */
void task_park(struct task_op *op, void (*on_cancel)(struct task_op *op));
void task_unpark(struct task_op *op);
/* As task_unpark, but first ASK begins the operation anew, which may answer it, or park it for something else. */
void task_ask_again(struct task_op *op, void (*ask)(struct task_op *op));
/* Whether it waits for nothing else. */
bool task_is_parked(const struct task *task);

/* A step cannot go on for want of memory: the connection is closed, or the daemon's own task told. */
enum flow task_give_up(struct task *task);

/* Nothing new is begun; what runs is asked to stop. CODE: why, for what was not done. */
void task_cancel(struct task *task, int code);

/* Marks an operation failed with a code, a class and a sentence. The sentence may be formatted. */
__attribute__((format(printf, 4, 5))) void task_op_fail(struct task_op *op, int code, enum fsop_error_class class_,
                                                        const char *format, ...);
/* … because its task was cancelled or came to its deadline before it was begun. */
void task_op_fail_cancelled(struct task_op *op);
/* … because the daemon is stopping: nothing of it was done. The sentence goes on with what follows from that. */
void task_op_fail_stopping(struct task_op *op, const char *and_so);
/* Names the rule that decided in the error of an operation that was marked failed; NULL: none did. */
void task_op_name_rule(struct task_op *op, const struct rule *rule);

#endif
