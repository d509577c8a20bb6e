/* SPDX-License-Identifier: MIT */
/*
 * inject.h: what the parts of the program inject (main.c) know of each other. One thread calls all of this, but for
 * supervisor_install().
 */
#ifndef FSOP_E2E_INJECT_H
#define FSOP_E2E_INJECT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "client/fsop.h"

#define PATIENCE_MS 60000u /* an answer that has not come then, on however busy a machine, is lost */
#define TREE_FILE "some text that is copied\n"

/* ---- main.c ------------------------------------------------------------------------------------------------------ */

struct inject {
        const char *directory, *socket_path;
        char *const *command; /* the daemon's */
        uid_t client_uid;
        unsigned failures;
};
extern struct inject inject;

#define complain(...) (inject.failures++, printf("FAIL: " __VA_ARGS__), printf("\n"), fflush(stdout))

bool is_sanitized(void);
void pause_ms(unsigned ms);
unsigned now_ms(void);

/* ---- supervisor.c ------------------------------------------------------------------------------------------------ */

enum {
        REGULAR = 1,  /* only on files: on what wakes threads it has no reason to fail */
        IDENTITY = 2, /* the daemon may end rather than go on as somebody else */
        MEMORY = 4,   /* the program is loaded with it: none of ours yet that could say so; and a sanitizer that gets
                         none for itself stands still on its way to say so */
};

#define ERRORS_MAX 4

/* A system call that can fail, and with what. */
struct victim {
        const char *name;
        long nr;
        int errors[ERRORS_MAX];
        unsigned flags;
};

/* Their number from 0 on; NULL after the last one. */
const struct victim *supervisor_victim(unsigned which);

/* Hands the victims' calls to the supervisor: those of the calling thread, and of its children. Returns 0, or -1 where
 * the kernel does not let us. */
int supervisor_install(void);

/* Starts the thread that answers. Returns 0, or -1. */
int supervisor_begin(void);

/* From now on call number `at` of victim `only` fails; or, where `at` is 0, `per_mille` of all victims' calls, as the
 * seed says (0: as it went on). */
void supervisor_arm(unsigned only, unsigned at);
void supervisor_arm_all(unsigned per_mille, uint64_t seed);
void supervisor_disarm(void);
unsigned supervisor_failed(void); /* how many did, since it was armed */

/* ---- daemon.c ---------------------------------------------------------------------------------------------------- */

/* Makes the thread whose children are daemons. Returns 0, 1, or 77 where the kernel does not let us. */
int daemon_begin(void);

bool daemon_spawn(void); /* until it serves or has ended: whether it serves */
bool daemon_answers(void);
bool daemon_has_ended(void);
int daemon_status(void); /* as waitpid() told, once it has ended */

/* It must end in order, or at least by itself. */
void daemon_stop(const char *when, bool may_give_up);

/* Nothing more is learnt from a daemon that is stuck: prints where its threads stand, and does not return. */
void daemon_end_stuck(const char *when);

off_t daemon_log_bytes(void);
const char *daemon_last_words(off_t from); /* of the log; until the next call */
unsigned daemon_descriptors(void);
unsigned long daemon_resident_kb(void);

/* ---- scene.c ----------------------------------------------------------------------------------------------------- */

const char *path_of(const char *below); /* one of four that take turns */
void scene_prepare(void);

/* ---- deeds.c ----------------------------------------------------------------------------------------------------- */

enum effect {
        NONE,
        MAKES,   /* at, which belongs to the client */
        REMOVES, /* at */
        MOVES,   /* at to `to` */
        OWNS,    /* at, which was root's, is the client's */
        MODE,    /* at has mode 0640, had 0600 */
        SIZE,    /* at has 4096 bytes, had fewer */
        NAMES,   /* at has the attribute user.k */
        COPIES,  /* what is in `to` is what is in at, or there is no `to` */
        NEVER,   /* it may not succeed, and `at` shows no trace */
};

struct deed {
        enum fsop_verb verb;
        enum fsop_as as;
        const char *at, *to; /* below the directory */
        const void *args;
        enum effect effect;
};

/* What came of a deed. */
struct outcome {
        int code;
        enum fsop_outcome outcome;
        bool elevated, answered;
        unsigned ms; /* it took */
};

#define DEEDS_MAX 64

/* What came of all, in memory that the client shares. */
struct outcomes {
        struct outcome of[DEEDS_MAX];
        enum fsop_job_state job; /* 0: it was not even answered */
};

extern const struct deed deeds[];
extern const unsigned n_deeds;
extern const struct outcomes *outcomes; /* of the last deeds_do() */

int deeds_begin(void); /* 0, or -1 without memory */

/* Gives up the client's jobs: one that a daemon has taken up again works where the next deeds do. */
void deeds_end_jobs(const char *when);
/* All deeds and a job, which has job_ms to come to its end, by a client of its own. */
void deeds_do(const char *when, unsigned job_ms);

/* ---- checks.c ---------------------------------------------------------------------------------------------------- */

/* Nothing fails: nothing may. What the daemon holds afterwards is what it is to come back to. */
bool checks_all_succeeds(const char *when);
void checks_remember_descriptors(void);

/* The deeds, with what was armed, and what must be true then. may_end: the daemon may, if it says why. */
void checks_round(const char *when, bool may_end);
void checks_descriptors(const char *when); /* they are back, after some time */
unsigned checks_ended(void);               /* how often it ended rather than go on */

#endif
