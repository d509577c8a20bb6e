/* SPDX-License-Identifier: MIT */
/*
 * pool_kit.h: the worker threads alone, for the tests of the pool. It is compiled with operations, identities and a
 * clock that the test decides about, so that a call hangs when it is told to and ten seconds pass at once. For programs
 * that pool_kit.c is a part of: its pool then comes before the backend's.
 */
#ifndef FSOP_POOL_KIT_H
#define FSOP_POOL_KIT_H

#include <check.h>
#include <errno.h>
#include <sched.h>

#include "backends/pool/pool.h"
#include "backends/sys.h"

/* ---- what the test decides --------------------------------------------------------------------------------------- */

extern struct pool *pool;
extern const unsigned lane_turn_ios, give_way_ios, give_way_ms; /* its own constants */
extern uint64_t now_ms;                                         /* atomic */
extern int standing;                                            /* atomic: workers that stand at the gate */
extern int thread_start_result;                                 /* atomic */
extern int threads_alive;                                       /* atomic: started minus stopped */
extern int wakes;                                               /* atomic */
extern unsigned lines;                                          /* of the log */
extern bool time_stands;                                        /* atomic: for who lingers */
extern unsigned yields;                                         /* atomic: of who lingers */
extern int hold, holding; /* atomic: who lingers looks no more until hold is 0 again, and how many that are */

#define LOAD(variable) __atomic_load_n(&(variable), __ATOMIC_SEQ_CST)
#define STORE(variable, value) __atomic_store_n(&(variable), (value), __ATOMIC_SEQ_CST)
#define ADD(variable, value) __atomic_add_fetch(&(variable), (value), __ATOMIC_SEQ_CST)
#define SPIN_UNTIL(condition)                                                                                          \
        while (!(condition))                                                                                           \
        sched_yield()

/* sys_op.out_bytes says how a fake operation ends; its `opened` counts the calls. */
enum { OP_WORKS = 0, OP_FAILS, OP_WAITS_FOR_CANCEL };

/* Its log must speak of hanging workers. */
void new_pool(uint32_t workers, uint32_t extra);
/* N of those at the gate go on. */
void open_gate(int n);

/* ---- ios --------------------------------------------------------------------------------------------------------- */

extern unsigned n_done; /* ios of call() and operation() that came back */

void count_done(struct io *io);
struct io call(void (*function)(struct io *io), unsigned *calls);
struct io operation(enum io_kind kind, struct sys_op *op, unsigned *calls);
/* What has finished comes back. */
void deliver(void);

#define DELIVER_UNTIL(condition)                                                                                       \
        while (!(condition)) {                                                                                         \
                deliver();                                                                                             \
                sched_yield();                                                                                         \
        }

struct engine_stats stats(void);
/* What calls do: answer at once, stand at the gate, or keep their processor while keep_busy says so. */
void answer_7(struct io *io);
void stand_still(struct io *io);
void be_busy(struct io *io);
extern int keep_busy, rounds; /* atomic */

/* It believes to have so many. */
void pool_processors(uint32_t n);
/* Its workers: all of them, and how many. */
bool all_sleep(void);
uint32_t n_sleeping(void);
/* … on its clock. */
void pass_seconds(unsigned seconds);

#endif
