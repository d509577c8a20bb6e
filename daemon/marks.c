/* SPDX-License-Identifier: MIT */
/*
 * marks.c: a list of paths with the directories that were found there.
 */
#include "daemon/marks.h"

#include <stdlib.h>
#include <string.h>

#define PER_PATH_MAX 64u

struct marked {
        struct marked *next;
        char *path;
        struct directory_mark mark;
};

static bool has_enough(const struct marks *marks, const char *path, const struct directory_mark *mark) {
        uint32_t n = 0;

        for (const struct marked *each = marks->first; each; each = each->next) {
                if (strcmp(each->path, path) != 0)
                        continue;
                if (each->mark.dev == mark->dev && each->mark.ino == mark->ino)
                        return true;
                n++;
        }
        return n >= PER_PATH_MAX;
}

void marks_add(struct marks *marks, const char *path, const struct directory_mark *mark) {
        struct marked *marked;

        if (has_enough(marks, path, mark))
                return;
        marked = calloc(1, sizeof(*marked));
        if (!marked || !(marked->path = strdup(path))) {
                free(marked);
                return;
        }
        marked->mark = *mark;
        marked->next = marks->first;
        marks->first = marked;
}

void marks_add_all(struct marks *marks, const struct marks *from) {
        for (const struct marked *each = from->first; each; each = each->next)
                marks_add(marks, each->path, &each->mark);
}

int marks_at(const struct marks *marks, const char *path, struct directory_mark **ret_list, uint32_t *ret_n) {
        uint32_t n = 0;

        for (const struct marked *each = marks->first; each; each = each->next)
                n += strcmp(each->path, path) == 0;
        *ret_n = 0;
        *ret_list = calloc(n + 1, sizeof(**ret_list));
        if (!*ret_list)
                return -FSOP_ENOMEM;
        for (const struct marked *each = marks->first; each; each = each->next)
                if (strcmp(each->path, path) == 0)
                        (*ret_list)[(*ret_n)++] = each->mark;
        return 0;
}

void marks_fini(struct marks *marks) {
        while (marks->first) {
                struct marked *next = marks->first->next;

                free(marks->first->path);
                free(marks->first);
                marks->first = next;
        }
}
