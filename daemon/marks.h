/* SPDX-License-Identifier: MIT */
/*
 * marks.h: which directories stood at the paths that rules exclude or deny. Whoever can rename such a directory must not get at
 * it by that: it is kept out wherever it is, as long as the policy names the path where it was first found.
 */
#ifndef FSOP_MARKS_H
#define FSOP_MARKS_H

#include "backends/sys.h"

struct marks {
        struct marked *first;
};

/* Adds one, unless it is known already, or so many are known for the path that somebody must be making them up. */
void marks_add(struct marks *marks, const char *path, const struct directory_mark *mark);
void marks_add_all(struct marks *marks, const struct marks *from);
/* All that stood at a path, malloc'd. 0 or -FSOP_ENOMEM. */
int marks_at(const struct marks *marks, const char *path, struct directory_mark **ret_list, uint32_t *ret_n);
void marks_fini(struct marks *marks);

#endif
