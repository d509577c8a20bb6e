/* SPDX-License-Identifier: MIT */
/*
 * engine_uring_identity.c: personalities. Every submission names one, so that the ring never runs anything as whoever
 * the loop thread happens to be. An identity is registered when it is first used, while the loop thread wears it, and
 * forgotten with it, or when it is the one that was not used for longest and room is needed.
 */
#include "backends/linux/engine_uring.h"

#include <errno.h>

#include "backends/linux/sys_linux.h"
#include "backends/posix/errors.h"

static struct uring *hooked; /* one engine per process: whom identity_dropped tells */

static void forget(struct uring *e, struct uring_personality *entry) {
        struct identity *identity = entry->identity;

        uring_flush(e); /* what is queued may name it */
        io_uring_unregister_personality(&e->ring, entry->id);
        *entry = e->personalities[--e->n_personalities];
        entry->identity->personality = (int)(entry - e->personalities) + 1;
        identity->personality = 0; /* last: it may have been the last entry */
}

/* The last reference of an identity went. */
static void dropped(struct identity *identity) {
        if (identity->personality)
                forget(hooked, &hooked->personalities[identity->personality - 1]);
}

static void make_room(struct uring *e) {
        struct uring_personality *oldest = e->personalities;

        if (e->n_personalities < URING_PERSONALITIES_MAX)
                return;
        for (uint32_t i = 1; i < e->n_personalities; i++)
                if (e->personalities[i].used < oldest->used)
                        oldest = &e->personalities[i];
        forget(e, oldest);
}

static int register_worn(struct uring *e, struct identity *identity) {
        int r = identity_wear(identity);

        if (r < 0)
                return r;
        r = io_uring_register_personality(&e->ring);
        identity_wear_service();
        return r < 0 ? error_from_errno(-r) : r;
}

int uring_personality(struct uring *e, struct identity *identity) {
        struct uring_personality *entry;

        if (!identity->personality) {
                make_room(e);
                int r = register_worn(e, identity);
                if (r < 0)
                        return r;
                e->personalities[e->n_personalities] =
                        (struct uring_personality){.identity = identity, .id = (uint16_t)r};
                identity->personality = (int)++e->n_personalities;
        }
        entry = &e->personalities[identity->personality - 1];
        entry->used = ++e->personality_clock;
        return entry->id;
}

/* The ring does not run yet: no restriction stands in the way. */
int uring_identities_open(struct uring *e, const char **ret_why) {
        int r;

        identity_wear_service();
        r = io_uring_register_personality(&e->ring);
        if (r < 0) {
                *ret_why = "it takes no identities";
                return error_from_errno(-r);
        }
        e->service_personality = (uint16_t)r;
        hooked = e;
        identity_dropped = dropped;
        return 0;
}

void uring_identities_close(struct uring *e) {
        while (e->n_personalities > 0)
                e->personalities[--e->n_personalities].identity->personality = 0;
        if (hooked == e) {
                identity_dropped = NULL;
                hooked = NULL;
        }
}
