/* SPDX-License-Identifier: MIT */
/*
 * fake_copy.h: all of backends/copy.h over a tree of files in memory (fake_tree.h). For programs that are linked with
 * its sources themselves, not by way of a library: their functions then take the place of the backend's.
 *
 * Every call can be made to fail, everything that is open is counted, and `between` is called before each call.
 */
#ifndef FSOP_FAKE_COPY_H
#define FSOP_FAKE_COPY_H

#include "backends/copy.h"
#include "tests/support/fake_tree.h"

enum fake_copy_call {
        FAKE_COPY_OPEN,
        FAKE_COPY_TOP,
        FAKE_COPY_ENTER,
        FAKE_COPY_LIST,
        FAKE_COPY_FINISH_DIR,
        FAKE_COPY_PUBLISH_TOP,
        FAKE_COPY_COUNT,
        FAKE_COPY_FILE,
        FAKE_COPY_PUBLISH,
        FAKE_COPY_DISCARD,
        FAKE_COPY_LINK,
        FAKE_COPY_IS_THERE,
        FAKE_COPY_VERIFY,
        FAKE_COPY_PART_BEGIN,
        FAKE_COPY_PART_STEP,
        FAKE_COPY_PART_FLUSH,
        FAKE_COPY_PART_FINISH,
        FAKE_COPY_FLUSH,
        FAKE_COPY_REMOVE,
        FAKE_COPY_CALLS,
};

extern struct fake_copies {
        unsigned calls, fail_at; /* the fail_at-th call from now on fails */
        int only;                /* … of this kind (a fake_copy_call); -1: of any */
        bool lasting;            /* … and all of that kind after it */
        struct copy_error error; /* with this */
        void (*between)(enum fake_copy_call call, const char *name); /* before each call; NULL: nothing happens */
        bool clones;
        uint32_t names_max; /* of a listing; 0: as many as there are */
        /* what is open; all 0 at the end */
        int trees, dirs, dir_fds, parts;
        unsigned made[FAKE_COPY_CALLS]; /* calls, by kind */
} copies;

/* An empty tree, and nothing that fails. */
void fake_copy_reset(void);
/* Nothing fails; the tree stays. */
void fake_copy_forget(void);

#endif
