/* SPDX-License-Identifier: MIT */
/*
 * jobs_kit.h: a daemon with jobs, over steps_kit.h, with the real store in a directory of its own, inside one that can
 * be made to fail. One io of the engine happens at a time, so that a test decides what comes between. For programs that
 * are linked with --wrap=store_sqlite: the daemon opens __wrap_store_sqlite in its place.
 */
#ifndef FSOP_JOBS_KIT_H
#define FSOP_JOBS_KIT_H

#include "tests/support/faulty_store.h"
#include "tests/support/steps_kit.h"

#define MIB (UINT64_C(1) << 20)

/* ---- the store --------------------------------------------------------------------------------------------------- */

extern const struct store_ops __real_store_sqlite;
extern struct store *kit_store; /* the daemon's; its plan is kit_plan where that says something */
extern struct faulty_plan kit_plan;
extern char kit_directory[128];
extern unsigned kit_closed_for; /* so many times it cannot be opened … */
extern int kit_closed_with;     /* … for this reason: at first, another daemon has it */

/* A checked fixture. Memory, where there is such a directory: what is written here need not survive the machine. */
void kit_setup(void);
void kit_empty_directory(void);
void kit_teardown(void);

/* ---- the loop ---------------------------------------------------------------------------------------------------- */

extern uint64_t kit_batch; /* the id of the last one sent */

/* Lets one io happen, the oldest. False: none is there. */
bool step(void);
void settle(void);
/* Time goes by, as the loop sees it. */
void pass(uint64_t ms);
void jobs_begin(uint32_t uid);
/* The daemon ends in order, and another one begins. */
void jobs_restart(uint32_t uid);

/* ---- what is asked ----------------------------------------------------------------------------------------------- */

/* Sends one operation, and does not wait for its answer. */
uint64_t begin_on(struct session *to, struct operation op);
/* … and waits: what the daemon does besides goes on meanwhile, but no further than that. */
const struct result *ask_on(struct session *to, struct operation op);
const struct result *ask(struct operation op);
struct operation cp_op(const char *from, const char *to);
struct operation job_op(enum fsop_verb verb, uint64_t id);
struct bytes text(const char *string);
const struct job_info *info_of(const struct result *result);
/* Submits and returns its number; it must be taken. */
uint64_t submit(struct operation op);
uint64_t submit_paused(struct operation op);
void refused(const struct result *result, enum fsop_errno code, enum fsop_error_class class_);
/* As the daemon has it. */
struct job *job_of(uint64_t id);
enum fsop_job_state state_of(uint64_t id);
void is_in_state(uint64_t id, enum fsop_job_state state);
/* Goes on, with time passing when there is nothing to do, until it is in this state. */
void run_until(uint64_t id, enum fsop_job_state state);
/* … and nothing of it runs any more. */
void run_to_end(uint64_t id);

/* ---- what became of it ------------------------------------------------------------------------------------------- */

/* A tree of directories, files, links and a large one. */
void make_source(const char *top);
void is_copy_of(const char *target, const char *source);
void disconnect(struct session *other);
void make_homes(void);

#endif
