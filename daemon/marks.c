/* SPDX-License-Identifier: MIT */
/*
 * marks.c: a list of paths, each with the directories that were found there.
 */
#include "daemon/marks.h"

#include <stdlib.h>
#include <string.h>

struct marked_path {
        struct marked_path *next;
        char *path;
        struct directory_mark *marks;
        uint32_t n;
        bool full; /* something is missing */
};

static struct marked_path *find(const struct marks *marks, const char *path) {
        struct marked_path *marked = marks->first;

        while (marked && strcmp(marked->path, path) != 0)
                marked = marked->next;
        return marked;
}

static struct marked_path *find_or_make(struct marks *marks, const char *path) {
        struct marked_path *marked = find(marks, path);

        if (marked)
                return marked;
        marked = calloc(1, sizeof(*marked));
        if (!marked || !(marked->path = strdup(path))) {
                free(marked);
                return NULL;
        }
        marked->next = marks->first;
        marks->first = marked;
        return marked;
}

/* Numbers are given anew when something is removed, handles are not. */
static bool is_same(const struct directory_mark *a, const struct directory_mark *b) {
        return a->dev == b->dev && a->ino == b->ino && a->handle_type == b->handle_type &&
               a->handle_bytes == b->handle_bytes && memcmp(a->handle, b->handle, a->handle_bytes) == 0;
}

static struct directory_mark *find_mark(const struct marked_path *marked, const struct directory_mark *mark) {
        for (uint32_t i = 0; i < marked->n; i++)
                if (is_same(&marked->marks[i], mark))
                        return &marked->marks[i];
        return NULL;
}

bool marks_add(struct marks *marks, const char *path, const struct directory_mark *mark) {
        struct marked_path *marked = find_or_make(marks, path);
        struct directory_mark *list = NULL;

        if (!marked || marked->full || find_mark(marked, mark))
                return true;
        if (marked->n < MARKS_PER_PATH_MAX)
                list = realloc(marked->marks, (marked->n + 1) * sizeof(*list));
        if (!list) {
                marked->full = !mark->strangers;
                return !marked->full;
        }
        marked->marks = list;
        list[marked->n++] = *mark;
        return true;
}

void marks_drop(struct marks *marks, const char *path, const struct directory_mark *mark) {
        struct marked_path *marked = find(marks, path);
        struct directory_mark *known = marked ? find_mark(marked, mark) : NULL;

        if (known)
                *known = marked->marks[--marked->n];
}

void marks_add_all(struct marks *marks, const struct marks *from) {
        for (const struct marked_path *each = from->first; each; each = each->next) {
                struct marked_path *marked;

                for (uint32_t i = 0; i < each->n; i++)
                        marks_add(marks, each->path, &each->marks[i]);
                if (each->full && (marked = find_or_make(marks, each->path)))
                        marked->full = true;
        }
}

bool marks_are_full(const struct marks *marks, const char *path) {
        const struct marked_path *marked = find(marks, path);

        return marked && marked->full;
}

int marks_at(const struct marks *marks, const char *path, struct directory_mark **ret_list, uint32_t *ret_n) {
        const struct marked_path *marked = find(marks, path);

        *ret_n = 0;
        *ret_list = calloc(marked ? marked->n + 1 : 1, sizeof(**ret_list));
        if (!*ret_list)
                return -FSOP_ENOMEM;
        if (marked && marked->n > 0)
                memcpy(*ret_list, marked->marks, marked->n * sizeof(**ret_list));
        *ret_n = marked ? marked->n : 0;
        return 0;
}

void marks_fini(struct marks *marks) {
        while (marks->first) {
                struct marked_path *next = marks->first->next;

                free(marks->first->marks);
                free(marks->first->path);
                free(marks->first);
                marks->first = next;
        }
}
