/* SPDX-License-Identifier: MIT */
/*
 * marks.h: which directories stood at the paths that rules exclude or deny. Whoever can rename such a directory must
 * not get at it by that: it is kept out wherever it is, as long as the policy names the path where it was first found.
 */
#ifndef FSOP_MARKS_H
#define FSOP_MARKS_H

#include "backends/sys.h"

#define MARKS_PER_PATH_MAX 64u

struct marks {
        struct marked_path *first;
};

/* Adds one, unless it is known already. False: there is no room for it any more, and the path is full from now on (said
 * once). What a stranger put there himself is no reason for that. */
bool marks_add(struct marks *marks, const char *path, const struct directory_mark *mark);
/* It was removed. */
void marks_drop(struct marks *marks, const char *path, const struct directory_mark *mark);
void marks_add_all(struct marks *marks, const struct marks *from);
/* Whether something stood there that is not known any more: then the directory above is to be kept out. */
bool marks_are_full(const struct marks *marks, const char *path);
/* All that stood at a path, malloc'd. 0 or -FSOP_ENOMEM. */
int marks_at(const struct marks *marks, const char *path, struct directory_mark **ret_list, uint32_t *ret_n);
void marks_fini(struct marks *marks);

#endif
