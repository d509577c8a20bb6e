/* SPDX-License-Identifier: MIT */
/*
 * faulty_store.h: a store around another, in which one commit fails, or after or before which everything ends as in a
 * crash. For walking through every commit that something makes: count them once, then let the 1st, the 2nd, … go wrong.
 */
#ifndef FSOP_FAULTY_STORE_H
#define FSOP_FAULTY_STORE_H

#include "daemon/store.h"

enum faulty_kind {
        FAULTY_NONE = 0,
        FAULTY_ERROR,        /* the commit is not made and returns CODE */
        FAULTY_CRASH_BEFORE, /* … is not made, and nothing comes after it */
        FAULTY_CRASH_AFTER,  /* … is made, nobody hears of it, and nothing comes after it */
};

struct faulty_plan {
        enum faulty_kind kind;
        uint64_t nth; /* which commit from now on; 1: the next */
        int code;     /* ERROR: -FSOP_E… */
        bool lasting; /* ERROR: and all commits after it, until another plan is made */
        /* What a crash is. NULL: this process kills itself. Else it is called, by the thread that commits, and from
         * then on every call fails with -FSOP_EIO and changes nothing: the test throws the daemon's state away, and
         * opens anew. */
        void (*crash)(void *context);
        void *context;
};

/* Takes over INNER, which is open. Aborts when out of memory. Closing it closes both. */
struct store *faulty_store_new(struct store *inner);

/* Not while a call is under way. */
void faulty_store_plan(struct store *store, const struct faulty_plan *plan);

/* Commits so far, those that failed among them. Any thread. */
uint64_t faulty_store_commits(const struct store *store);
/* What STORE_FILES appended and was read so far, in appends. Not while a call is under way. */
uint64_t faulty_store_appends_read(const struct store *store);
/* It crashed, and lives on by a crash function. Any thread. */
bool faulty_store_crashed(const struct store *store);

/* Its open opens store_sqlite and wraps it. */
extern const struct store_ops store_faulty;

#endif
