/* SPDX-License-Identifier: MIT */
/*
 * jobs.h: copy jobs: the table of them, their states, which of them run. All on the loop thread.
 *
 *      jobs.c          the table; loading, starting, stopping, waiting, forgetting
 *      job_store.c     the store opened, and tried again
 *      job_schedule.c  which of those that are queued may run now
 *      job_submit.c    cp: from operations to a job that is on the disk
 *      job_verbs.c     list, show, watch, pause, resume, cancel, retry, forget
 *      job_events.c    what happened to a job, numbered, and who waits for it
 *      job_targets.c   which of them writes to which name
 *      job_kept.c      what is kept of a job: copied, measured, freed
 *      job_open.c      a place of a job authorized and opened, by walking the steps of a request anew
 *      copy*.c         the copying of one job (copy.h)
 *
 * A job's state is what the store holds. What copies it is its run, which is there in the states running and verifying;
 * whatever ends a run (a pause, a full disk, a reload of the rules, the end of the daemon), the next one goes on from
 * what is recorded.
 */
#ifndef FSOP_JOBS_H
#define FSOP_JOBS_H

#include "daemon/journal.h"
#include "daemon/policy.h"
#include "daemon/task.h"

#define JOBS_RUNNING_MAX 64u
#define JOB_DEVICES_MAX 8u

struct server;
struct run;
struct job_events;
struct job_target;
struct watcher;

/* Why a run is to stop, the strongest wish last. */
enum job_stop {
        STOP_NOT = 0,
        STOP_YIELD,    /* for a job of higher priority, or to be authorized anew: back to the queue */
        STOP_SHUTDOWN, /* of the daemon */
        STOP_PAUSE,
        STOP_CANCEL,
};

struct job {
        struct job *next; /* in the table, ascending by id */
        struct jobs *jobs;
        /* what the store holds, or will hold when the changes under way are made; of one that runs also that it is to
         * be paused or cancelled */
        struct store_job kept;
        struct store_counters live;      /* counters, with what is not recorded yet */
        struct store_counters recording; /* what is in kept.counters of a batch that is on its way into the store */
        struct run *run;
        enum job_stop stop;
        enum fsop_job_state announced; /* what is told: kept.state, when it is so on the disk that the job has come to
                                          its end, and its run is over */
        bool draft;                    /* held: not in the store; belongs to a session */
        uint64_t session_id;
        uint64_t bytes;                    /* of memory, about: what its user is charged */
        uint64_t devices[JOB_DEVICES_MAX]; /* that it reads from or writes to */
        uint32_t n_devices;                /* more than JOB_DEVICES_MAX: counts as all of them */
        struct job_target *targets;        /* of its places, in the table of all */
        bool adding;                       /* on its way into the store */
        struct task_op *adder;             /* … for this operation */
        bool reloaded;                     /* it was there when the daemon started */
        bool cleaning;                     /* its run only removes temporary files */
        bool wants_cleaning;               /* … and that is still to be done */
        bool forgetting;                   /* to be removed when that is done; not seen any more */
        struct task_op *remover;           /* … for this operation; or NULL */
        uint64_t retry_ms;                 /* waiting: when; monotonic */
        struct fsop_time retry;            /* the same for people */
        uint32_t backoff;                  /* how often it waited without anything done in between */
        struct job_events *events;
        uint64_t last_event; /* its number */
        /* rate */
        uint64_t rate_ms, rate_bytes, bytes_per_s;
};

struct jobs {
        struct server *server;
        struct journal *journal; /* NULL: not opened yet, or not to be had; then there are no jobs */
        bool opening;            /* a worker opens it */
        const char *unavailable; /* why it could not be opened, for people; NULL: it could, or has not been tried */
        char unavailable_text[480];
        int unavailable_code;                /* what requests are answered then */
        uint32_t store_tries;                /* that failed, since the last reload */
        uint64_t store_tried_ms;             /* when the last one did */
        struct task_op *askers, *last_asker; /* who wait for a try that is under way; linked by waits_for */
        bool update_failed;
        struct job *first, *last;
        uint32_t n, n_drafts, n_running;
        struct job *running[JOBS_RUNNING_MAX];
        struct job_target **targets; /* of all places: chains by hash */
        uint32_t n_targets, targets_room;
        uint8_t targets_key[16];
        uint64_t next_id;
        uint64_t event_base; /* the number of the last event of any job */
        uint64_t now_ms;
        uint64_t next_house_ms;
        bool schedule_wanted;
        struct watcher *told; /* to be answered at the end of the round */
        bool draining;
};

/* Opens the store if there is one, waiting for one that the daemon before has still. One that cannot be opened leaves
 * the daemon without jobs; the log says why, and jobs_tick tries again. */
int jobs_start(struct server *server, struct jobs **ret_jobs);
/* Begins to stop what runs; jobs_is_idle then says when it has. */
void jobs_drain(struct jobs *jobs);
bool jobs_is_idle(const struct jobs *jobs);
struct jobs *jobs_free(struct jobs *jobs); /* NULL */

/* Timers: what waits, expires, is due. Returns ms until it wants to be called again, -1: never. */
int jobs_tick(struct jobs *jobs, uint64_t now_ms);
/* The end of a loop round. */
void jobs_end_round(struct jobs *jobs);
/* Somebody may have mended what kept the store from being opened. */
void jobs_retry_store(struct jobs *jobs);
/* Rules have changed: what runs is stopped and authorized anew. */
void jobs_policy_changed(struct jobs *jobs);
/* A connection is gone: jobs that it held are forgotten. */
void jobs_session_closed(struct jobs *jobs, uint64_t session_id);

/* ---- for the files named above ---- */

struct job *jobs_find(struct jobs *jobs, uint64_t id);
/* How many jobs a user has, and what memory is charged for them. */
uint32_t jobs_of(const struct jobs *jobs, uint32_t uid, uint64_t *ret_bytes);
/* What the store keeps of them as lists of failures. */
uint64_t jobs_failure_bytes(const struct jobs *jobs, uint32_t uid);
/* The job of that number if the peer may see it. */
struct job *jobs_find_for(struct jobs *jobs, uint64_t id, const struct peer *peer);
struct job *job_new(struct jobs *jobs); /* unnumbered, not in the table */
void jobs_insert(struct jobs *jobs, struct job *job);
/* Takes it out of the table and frees it. Nothing of it may run. */
void job_free(struct job *job);
bool job_has_ended(const struct job *job);

/* The change to the store that says what STORE_UPDATE says. */
struct store_change job_update(const struct job *job);

/* Asks its run, if there is one, to stop; what follows depends on the wish (run_ended). */
void job_stop(struct job *job, enum job_stop stop);
/*
 * What users ask for. ASKER (may be NULL) is parked until it is on the disk, and fails if it does not get there; what
 * it is answered with otherwise is its caller's.
 */
void job_pause(struct job *job, struct task_op *asker);
void job_cancel(struct job *job, struct task_op *asker);
/* Queues again what is paused or waits; what has failed, for what failed. */
void job_resume(struct job *job, struct task_op *asker);
void job_retry(struct job *job, struct task_op *asker);
/* Removes a job that has ended, when what it may have left is removed. */
void job_forget(struct job *job, struct task_op *asker);
/*
 * From the run: it is over and freed. ERROR: why it could not go on (code 0: it came to its end, or was stopped);
 * TRANSIENT: it may be able to later.
 */
void job_run_ended(struct job *job, const struct error *error, bool transient);

/* What watchers are told: bytes as they are copied, but files as done when they are recorded. */
struct store_counters job_counters(const struct job *job);
/* As its owner sees it; texts are the job's. */
struct job_info job_describe(const struct job *job);

/* A job of the store into the table: an EACH of store.h. */
int jobs_load(void *context, const struct store_job *from);
/* How long to wait before what has failed so often before is tried again: 1, 2, 4, … 60 s. */
uint64_t jobs_backoff_ms(uint32_t n);

/* ---- job_store.c ---- */
/* Opens the store, in this call. */
void jobs_start_store(struct jobs *jobs);
/* Of jobs that are not available: as jobs_tick. */
int jobs_tick_store(struct jobs *jobs);
/*
 * Whether an operation has to do without a store, which is made where there is none yet, or tried again. True: it has
 * failed, or is parked, and begins anew (job_submit, job_answer) when that is known.
 */
bool job_needs_store(struct task_op *o);

/* ---- job_schedule.c ---- */
/* Starts what may run now; jobs of lower priority that are in the way of others are asked to step aside. */
void jobs_schedule(struct jobs *jobs);
/* It has this place, too. */
void job_note_devices(struct job *job, const struct store_place *place);
/* Begins a run (jobs.c). */
void job_start(struct job *job, bool clean);

/* ---- job_targets.c ---- */
#define TARGET_BYTES 64 /* what one takes, about */
/* Its place of that index has a target from now on; the job is never moved, and removes its targets before it goes. 0
 * or -FSOP_ENOMEM. */
int job_add_target(struct job *job, uint32_t at);
void job_remove_targets(struct job *job);
/* A job of this user's that has not ended and writes to this target (a path, of which the last name counts), or
 * NULL. */
struct job *jobs_writing_to(struct jobs *jobs, uint32_t uid, struct object_id parent, struct bytes target);
/* Of a job that has ended: one that writes to a target of it by now, or NULL. */
struct job *job_in_the_way(const struct job *job);

/* ---- job_kept.c ---- */
#define KEPT_LIST_BYTES                                                                                                \
        (sizeof(struct bytes) + 32) /* what a text of a list takes beside itself: an allocation costs, too */
/* Copies for the job, with a NUL behind texts. False: out of memory; what there is of the copy is to be freed with the
 * others. */
bool kept_text(struct bytes from, struct bytes *ret);
bool kept_list(const struct bytes *from, uint32_t n, struct bytes **list, uint32_t *n_list); /* appends */
bool kept_copy(const struct store_job *from, struct store_job *to);
void kept_fini(struct store_job *kept);
uint64_t kept_bytes(const struct store_job *kept); /* about */
/* With texts of its own; without memory they are empty. */
struct error error_copy(const struct error *error);
void error_fini(struct error *error);

/* ---- job_submit.c ---- */
void job_submit(struct task_op *o);
/* Says that this other job writes to a target. */
void job_refuse_target(struct task_op *o, const struct job *other);

/* ---- job_verbs.c ---- */
void job_answer(struct task_op *o);
/* Answers an operation with one job. */
void job_answer_with(struct task_op *o, const struct job *job);
/* How long an answer gets before it ends early, and what an entry adds to that beside its texts. */
#define JOB_ENTRY_BYTES 400u
size_t job_answer_room(const struct task_op *o);
size_t job_text_bytes(const struct job_info *info);
/* How many entries an operation wants at most. */
uint32_t job_entries_max(const struct task_op *o);

/* ---- job_events.c ---- */
void job_event_state(struct job *job);
void job_event_progress(struct job *job);
void job_event_failure(struct job *job, struct bytes path, const struct error *error);
void job_watch(struct task_op *o, struct job *job);
/* The job goes: who watches it is told that there is none. */
void job_events_free(struct job *job);
void jobs_cancel_watchers(struct jobs *jobs);
/* At the end of a round: answers whom something was told. */
void jobs_tell_watchers(struct jobs *jobs);

/* ---- job_open.c ---- */
struct tree;
/* Authorizes and opens a place of a job; DONE runs on the loop, later, with the error (code 0: it is open). */
void job_open_place(struct job *job, struct tree *tree, void (*done)(struct tree *tree, const struct error *error));
/* On the loop, from the run step of such a task: takes over what was pinned. */
void job_open_take(struct task_op *o);

#endif
