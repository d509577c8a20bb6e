/* SPDX-License-Identifier: MIT */
/*
 * route.h: where an operation runs: on the loop itself, on the ring, or on a worker. By the kind of operation and of
 * filesystem, and by what has been seen of that mount: a local filesystem that keeps the loop waiting is demoted to the
 * workers for a while. The figures behind the table, of `fsop-bench routes`, are in docs/routes.md.
 */
#ifndef FSOP_ROUTE_H
#define FSOP_ROUTE_H

#include "backends/sys.h"
#include "daemon/config.h"
#include "proto/message.h"

enum route {
        ROUTE_SERVICE, /* answered by the daemon itself, on the loop */
        ROUTE_INLINE,  /* quick: on the loop */
        ROUTE_ENGINE,  /* may block or moves data: the ring where it can, else a worker */
        ROUTE_POOL,    /* a worker */
};

#define ROUTE_MOUNTS_MAX 16u

/* A mount that kept the loop waiting lately. */
struct route_mount {
        uint64_t mnt_id;  /* 0: free */
        uint64_t debt_ns; /* how long it did, less what is forgiven */
        uint64_t debt_at_ms;
        uint64_t until_ms; /* demoted: comes back then; else: forgotten then */
        uint64_t term_ms;  /* of the last demotion; 0: none yet */
        bool demoted;      /* decided; what was looked up since (place.demoted) may not know it any more, and is told
                              again */
};

struct routes {
        enum config_routes choice;
        bool locks_may_be_kept; /* sys_locks_may_be_kept: what takes one is not for the loop */
        uint32_t on_ring;       /* operations with ROUTE_ENGINE that are out */
        struct route_mount mounts[ROUTE_MOUNTS_MAX];
        uint32_t n_watched, n_demoted; /* of those */
        uint64_t began_ns, began_waits;
        uint64_t
                leaves_watched_ns; /* until then it is seen whether look-ups of last names wait, or have no processor */
        uint64_t leaves_ns;        /* how long they kept the loop waiting */
        uint64_t leaves_again_ns;  /* until then look-ups on the loop go by the cache alone */
};

/* Of a verb, whatever the filesystem. */
bool route_is_service(enum fsop_verb verb);
/* Whether the verb has a row: all operations do. */
bool route_is_known(enum fsop_verb verb);

/* chown, chmod and unlink of whole trees. */
bool route_is_walk(const struct operation *op);

/* Whether its amount of work has no bound, of an operation that is resolved. */
bool route_is_big(const struct sys_op *op);

/* Of operations of one window, all of which are looked at before any is done: whether the first may give something
 * large to a name that the second frees. */
bool route_moves_much(const struct sys_op *op);
bool route_frees_name(const struct operation *op);

/* Decides, likewise. DEAR: for a user who keeps the loop from the others (turn_is_dear). */
enum route route_of(const struct routes *routes, const struct sys_op *op, bool dear);
/* Whether a worker may be kept waiting by where it is, and by which mount; 0: none that is known to. */
bool route_may_wait(const struct sys_op *op, uint64_t *ret_mount);

/* Around what runs on the loop: a cheap look at the clock, and at more where a mount is suspect. */
void routes_begin(struct routes *routes);
void routes_end(struct routes *routes, const struct sys_op *op);
/* Whether the loop may look up a last name at once (SYS_TRY_LEAF): not in the second after they kept it waiting. If so,
 * looking it up is to stand between this and routes_tried_leaf. */
bool routes_try_leaf(struct routes *routes);
void routes_tried_leaf(struct routes *routes, const struct sys_op *op);
/* Now and then: what was demoted comes back, on trial. */
void routes_tick(struct routes *routes, uint64_t now_ms);

#endif
