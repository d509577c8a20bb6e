/* SPDX-License-Identifier: MIT */
/*
 * fake_copy_internal.h: what fake_copy.c and fake_copy_files.c share.
 */
#ifndef FSOP_FAKE_COPY_INTERNAL_H
#define FSOP_FAKE_COPY_INTERNAL_H

#include "tests/support/fake_copy.h"

struct copy_state {
        uint32_t source, parent;
        int target, top; /* inodes, or -1 */
        bool single;
};

struct copy_dir {
        uint32_t source, target, depth;
        bool finals, place, open, made;
        uint32_t listed; /* entries looked at */
        char path[];
};

/* Before each call: 0, or what it is to fail with. */
int fake_call(enum fake_copy_call call, const char *name, struct copy_error *ret);
int fake_failed(struct copy_error *ret, int code, const char *why);
bool fake_stopped(const struct copy_tree *tree);
void fake_next_temporary(struct copy_tree *tree, uint32_t dir, char name[COPY_TEMPORARY_BYTES]);
const char *fake_refusal(const struct copy_tree *tree, const char *path, uint32_t source);

#endif
