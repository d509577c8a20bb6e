/* SPDX-License-Identifier: MIT */
/*
 * fake_steps.h: the rest of the system that a request's steps ask, beside fake_sys.h: every call succeeds, and does
 * nothing, unless it is told not to. For programs that fake_steps.c is a part of.
 */
#ifndef FSOP_FAKE_STEPS_H
#define FSOP_FAKE_STEPS_H

#include <check.h>

#include "backends/engine.h"
#include "backends/sys.h"

/* As ck_assert_msg, which writes to a file each time that all is well: for what is asked very often. Fuzzers have their
 * own. */
#ifndef must
#define must(condition, ...)                                                                                           \
        do {                                                                                                           \
                if (!(condition))                                                                                      \
                        ck_abort_msg(__VA_ARGS__);                                                                     \
        } while (0)
#endif

/* ---- everything succeeds, unless it is told not to --------------------------------------------------------------- */

struct fake_steps {
        unsigned calls, fail_at; /* the fail_at-th call from now on fails with code */
        int code;
        bool every;                             /* … or all of them do */
        int pinned;                             /* resolved and not released */
        int identities;                         /* references out */
        unsigned runs;                          /* sys_run that did something */
        unsigned looked_up_on_loop, look_up_ms; /* how often, and how long that takes */
        uint64_t held_up_by;                    /* … and says which mount it is that keeps it */
        bool slow;  /* sys_resolve asks for a worker (of its own, in a slice), and what it pins is not local */
        bool large; /* closing what was pinned, or is a handle's, may take long */
        uint32_t uid;
        bool foreign;
        unsigned ran_as_service, ran_as_caller;
        void (*ran)(const struct sys_op *op, int code); /* told of each sys_run; NULL: nobody is */
};

extern struct fake_steps sys;

struct identity {
        int refs;
        bool service;
};

/* Counts a call: 0, or what it shall fail with. */
int may_fail(void);

extern bool kit_is_unread;
extern unsigned kit_shut; /* calls of sys_socket_shut */
extern bool kit_is_gone;  /* the client, in sys_socket_is_gone */
extern bool kit_descriptors_are_short;

/* ---- server_main ------------------------------------------------------------------------------------------------- */

/* For programs that run server_main: its engine, and what its service manager asks of it. */
extern struct engine *kit_engine;
extern unsigned kit_requests;

extern const char rules[]; /* for builder, in /srv/build, /srv/service and /srv/watched */

#endif
