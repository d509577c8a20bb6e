/* SPDX-License-Identifier: MIT */
/* copy_links.c: files with several links: kept aside until everything else is copied, then one of each is copied, the
 * others linked. */
#include <stdlib.h>
#include <string.h>

#include "daemon/copy_internal.h"

/* What the others were linked to may be gone since an earlier run: it is this one. */
static void forget_lost_link(struct bundle *bundle, uint32_t index) {
        const struct copy_file *file = &bundle->files[index];
        const char *to = done_set_link(bundle->tree->done, file->source_id);
        char *path = to ? path_join(copy_dir_path(bundle->dir->handle), file->name) : NULL;

        if (path && strcmp(path, to) == 0)
                done_set_forget_link(bundle->tree->done, file->source_id);
        free(path);
}

void links_add(struct bundle *bundle, uint32_t index) {
        const struct copy_file *file = &bundle->files[index];
        struct tree *tree = bundle->tree;
        struct linked *linked = malloc(sizeof(*linked) + strlen(file->name) + 1);

        if (bundle->again)
                forget_lost_link(bundle, index);
        if (!linked) {
                run_out_of_memory(tree->run);
                return;
        }
        linked->dir = bundle->dir;
        linked->id = file->source_id;
        linked->again = bundle->again;
        memcpy(linked->name, file->name, strlen(file->name) + 1);
        dir_hold(linked->dir);
        linked->next = tree->linked;
        tree->linked = linked;
}

static int compare_linked(const void *a, const void *b) {
        const struct linked *left = *(struct linked *const *)a, *right = *(struct linked *const *)b;

        if (left->id.dev != right->id.dev)
                return left->id.dev < right->id.dev ? -1 : 1;
        if (left->id.ino != right->id.ino)
                return left->id.ino < right->id.ino ? -1 : 1;
        return 0;
}

static void linked_free(struct linked *linked) {
        dir_release(linked->dir);
        free(linked);
}

static bool queue_first(struct linked *linked) {
        const char *name = linked->name;
        enum fsop_file_type type = FSOP_TYPE_UNKNOWN;
        struct bundle *bundle = bundle_new(linked->dir, &name, &type, 1);

        if (!bundle)
                return false;
        bundle->files[0].first_link = true;
        bundle->again = linked->again;
        bundle_queue(bundle);
        return true;
}

static bool queue_link(struct linked *linked, const char *to) {
        const char *name = linked->name;
        enum fsop_file_type type = FSOP_TYPE_UNKNOWN;
        struct bundle *bundle = bundle_new(linked->dir, &name, &type, 1);

        if (!bundle)
                return false;
        bundle->kind = BUNDLE_LINKS;
        bundle->again = linked->again;
        bundle->link_paths = calloc(1, sizeof(*bundle->link_paths));
        if (!bundle->link_paths || !(bundle->link_paths[0] = strdup(to))) {
                bundle_free(bundle);
                return false;
        }
        bundle_queue(bundle);
        return true;
}

static struct linked **sorted_links(const struct tree *tree, uint32_t *ret_n) {
        struct linked **list;
        uint32_t n = 0;

        for (struct linked *linked = tree->linked; linked; linked = linked->next)
                n++;
        list = calloc(n + 1, sizeof(*list));
        *ret_n = 0;
        for (struct linked *linked = tree->linked; list && linked; linked = linked->next)
                list[(*ret_n)++] = linked;
        if (list)
                qsort(list, n, sizeof(*list), compare_linked);
        return list;
}

/* One of each group is copied first; the others are linked to it when it has its final name. */
void links_queue(struct tree *tree) {
        struct run *run = tree->run;
        struct object_id group = {0, 0};
        uint32_t n;
        struct linked **list = sorted_links(tree, &n), *rest = NULL;

        if (!list) {
                run_out_of_memory(run);
                return;
        }
        for (uint32_t i = 0; i < n; i++) {
                struct linked *linked = list[i];
                const char *to = done_set_link(tree->done, linked->id);
                bool is_first = linked->id.ino != group.ino || linked->id.dev != group.dev;

                group = linked->id;
                if (!to && !is_first) { /* waits for the first one */
                        linked->next = rest;
                        rest = linked;
                        continue;
                }
                if (!(to ? queue_link(linked, to) : queue_first(linked)))
                        run_out_of_memory(run);
                linked_free(linked);
        }
        tree->linked = rest;
        free(list);
}

void links_drop(struct tree *tree) {
        struct linked *linked;

        while ((linked = tree->linked)) {
                tree->linked = linked->next;
                linked_free(linked);
        }
}
