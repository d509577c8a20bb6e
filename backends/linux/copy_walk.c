/* SPDX-License-Identifier: MIT */
/*
 * copy_walk.c: all directories of a source, one after the other, without making anything: to count what is in them, and
 * to remove what a job that is given up has left beside it.
 *
 * Directories that wait are remembered by their path below the top, and opened from there through no link: only a few
 * are open however large the tree.
 */
#include "backends/linux/copy_linux.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct walk {
        struct copy_tree *tree;
        bool counts;  /* else it only leads to directories, and nothing stops it */
        char **paths; /* that wait */
        size_t n, room;
        uint64_t files, bytes;
        struct object_id *links; /* files with several links that were met, hashed */
        size_t n_links, links_room;
        struct copy_error *ret;
};

/* ---- what waits -------------------------------------------------------------------------------------------------- */

static int push(struct walk *walk, const char *directory, const char *name) {
        if (walk->n == walk->room) {
                size_t room = walk->room == 0 ? 64 : walk->room * 2;
                char **grown = realloc(walk->paths, room * sizeof(*grown));

                if (grown == NULL)
                        return copy_failed(walk->ret, ENOMEM);
                walk->paths = grown;
                walk->room = room;
        }
        walk->paths[walk->n] = copy_join(directory, name);
        if (walk->paths[walk->n] == NULL)
                return copy_failed(walk->ret, ENOMEM);
        walk->n++;
        return 0;
}

static void walk_fini(struct walk *walk) {
        while (walk->n > 0)
                free(walk->paths[--walk->n]);
        free(walk->paths);
        free(walk->links);
}

/* ---- files with several links ------------------------------------------------------------------------------------ */

static size_t slot_of(const struct object_id *table, size_t room, const struct object_id *id) {
        size_t i = (size_t)((id->ino ^ id->dev << 17) * UINT64_C(0x9e3779b97f4a7c15) >> 20) & (room - 1);

        while (table[i].ino != 0 && (table[i].ino != id->ino || table[i].dev != id->dev))
                i = (i + 1) & (room - 1);
        return i;
}

static bool links_grow(struct walk *walk) {
        size_t room = walk->links_room == 0 ? 256 : walk->links_room * 2;
        struct object_id *table = calloc(room, sizeof(*table));

        if (table == NULL)
                return false;
        for (size_t i = 0; i < walk->links_room; i++)
                if (walk->links[i].ino != 0)
                        table[slot_of(table, room, &walk->links[i])] = walk->links[i];
        free(walk->links);
        walk->links = table;
        walk->links_room = room;
        return true;
}

/* Data of a file that is linked again later is copied once. */
static bool is_further_link(struct walk *walk, const struct fsop_stat *stat) {
        struct object_id id = {stat_dev(stat), stat->ino};
        size_t i;

        if (stat->nlink < 2 || !(walk->tree->options->preserve & FSOP_PRESERVE_LINKS))
                return false;
        if (walk->n_links * 2 >= walk->links_room && !links_grow(walk))
                return false; /* counted twice at worst */
        i = slot_of(walk->links, walk->links_room, &id);
        if (walk->links[i].ino != 0)
                return true;
        walk->links[i] = id;
        walk->n_links++;
        return false;
}

/* ---- one directory ----------------------------------------------------------------------------------------------- */

static void count(struct walk *walk, const struct fsop_stat *stat) {
        walk->files++;
        if (S_ISREG(stat->mode) && !is_further_link(walk, stat))
                walk->bytes += stat->size;
}

static bool is_own_top(const struct copy_tree *tree, const struct fsop_stat *stat) {
        return same_object(stat, tree->state->top.dev, tree->state->top.ino);
}

/* What cannot be looked at is no failure of counting: copying it will be one. But what may have been copied from it is
 * to be removed. */
static int pass_by(struct walk *walk, int error) {
        if (walk->counts || error == ENOENT || error == ENOTDIR || error == EACCES)
                return 0;
        return copy_failed(walk->ret, error);
}

static int visit(struct walk *walk, int fd, const char *path, const struct dirent *entry) {
        struct copy_tree *tree = walk->tree;
        struct fsop_stat stat;
        int r;

        if (copy_leaves_out(tree, path, entry->d_name) > 0 || /* where that cannot be told, it does no harm here */
            (!walk->counts && entry->d_type != DT_DIR && entry->d_type != DT_UNKNOWN))
                return 0;
        r = lookup_stat(fd, entry->d_name, false, &stat);
        if (r < 0)
                return pass_by(walk, -r);
        if (!stat_is_directory(&stat)) {
                count(walk, &stat);
                return 0;
        }
        if ((tree->options->one_filesystem && stat_dev(&stat) != stat_dev(&tree->source_stat)) ||
            is_own_top(tree, &stat) ||
            (tree->from_guard != NULL && guard_object_fault(tree->from_guard, &stat, false) != NULL))
                return 0;
        return push(walk, path, entry->d_name);
}

static bool is_dot(const char *name) {
        return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

static int read_directory(struct walk *walk, const char *path) {
        struct copy_tree *tree = walk->tree;
        int fd = copy_open_below((int)tree->source, path, O_RDONLY | O_DIRECTORY, tree->state->from_stays), r;
        struct dirent *entry;
        struct fsop_stat stat;
        DIR *dir;

        if (fd < 0)
                return pass_by(walk, -fd);
        r = lookup_stat(fd, "", false, &stat);
        if (r < 0 || mounts_class(stat.mnt_id, tree->state->from_client) == FS_FORBIDDEN) {
                close(fd);
                return r < 0 ? pass_by(walk, -r) : 0;
        }
        dir = fdopendir(fd);
        if (dir == NULL) {
                close(fd);
                return copy_failed(walk->ret, ENOMEM);
        }
        for (errno = 0; r == 0 && !(walk->counts && copy_stopped(tree)) && (entry = readdir(dir)) != NULL; errno = 0)
                if (!is_dot(entry->d_name))
                        r = visit(walk, fd, path, entry);
        if (r == 0 && errno != 0)
                r = pass_by(walk, errno);
        closedir(dir);
        return r;
}

/* ---- counting ---------------------------------------------------------------------------------------------------- */

int copy_count(struct copy_tree *tree, uint64_t *ret_files, uint64_t *ret_bytes, struct copy_error *ret) {
        struct walk walk = {.tree = tree, .counts = true, .ret = ret};
        int r;

        *ret = (struct copy_error){0};
        r = copy_wear(tree->reader, ret);
        if (r >= 0 && tree->state->single)
                count(&walk, &tree->source_stat);
        else if (r >= 0)
                r = push(&walk, "", "");
        while (r >= 0 && walk.n > 0) {
                char *path = walk.paths[--walk.n];

                r = copy_stopped(tree) ? copy_failed(ret, ECANCELED) : read_directory(&walk, path);
                free(path);
        }
        walk_fini(&walk);
        *ret_files = walk.files;
        *ret_bytes = walk.bytes;
        return r < 0 ? r : 0;
}

/* ---- giving up --------------------------------------------------------------------------------------------------- */

static int walk_top(struct copy_tree *tree, struct operation *op, os_fd object, const struct fsop_stat *stat,
                    struct copy_error *ret) {
        struct result result = {0};
        struct sys_op sys = {.op = op, .result = &result, .identity = tree->writer, .opened = OS_FD_NONE};

        sys.at = (struct place){.identity = tree->writer,
                                .base = OS_FD_NONE,
                                .base_is_client_fd = tree->state->to_client,
                                .parent = tree->target_parent,
                                .leaf = tree->temporary,
                                .guard = tree->to_guard,
                                .object = object,
                                .fs = tree->to_fs,
                                .has_stat = true,
                                .stat = *stat};
        if (run_walk(&sys) < 0)
                *ret = (struct copy_error){.code = sys.code, .os_error = sys.os_error, .why = sys.why};
        return ret->code;
}

/*
 * Who owns the directory around it can give the temporary name to any other directory of that owner's: it must be one
 * of those that this job makes, and where the rule's rights reach.
 */
static int check_top(const struct copy_tree *tree, int object, const struct fsop_stat *stat, struct copy_error *ret) {
        bool finished = (tree->options->preserve & FSOP_PRESERVE_OWNER) && stat->uid == tree->source_stat.uid;
        int r;

        if (!stat_is_directory(stat) || (stat->uid != tree->writer->uid && !finished && tree->to_fs == FS_LOCAL))
                return copy_refused(ret, -FSOP_ESTALE,
                                    "something else has the temporary name of the directory that was made");
        r = copy_check_made(tree, stat, ret);
        if (r >= 0)
                r = copy_guard_object(tree->to_guard, stat, ret);
        return r < 0 ? r : copy_guard_directory(tree->to_guard, tree->state->to_client, object, stat, ret);
}

/* Directories may have got modes by now that keep their own maker out. */
static int remove_top(struct copy_tree *tree, struct copy_error *ret) {
        struct operation remove = {.verb = FSOP_VERB_UNLINK,
                                   .args.unlink = {.recursive = true, .one_filesystem = true}};
        struct operation open_up = {.verb = FSOP_VERB_CHMOD,
                                    .args.chmod = {.set = 0700, .walk = {.recursive = true, .one_filesystem = true}}};
        int object = copy_pin_target(tree, (int)tree->target_parent, tree->temporary, O_PATH);
        struct fsop_stat stat;
        int r;

        if (object == -ENOENT)
                return 0;
        r = object < 0 ? object : lookup_stat(object, "", false, &stat);
        if (r < 0)
                r = copy_failed(ret, -r);
        else
                r = check_top(tree, object, &stat, ret);
        if (r >= 0)
                r = walk_top(tree, &remove, object, &stat, ret);
        if (r == -FSOP_EACCES && tree->to_guard == NULL) {
                *ret = (struct copy_error){0};
                walk_top(tree, &open_up, object, &stat, ret); /* what cannot be opened up cannot be removed either */
                *ret = (struct copy_error){0};
                r = walk_top(tree, &remove, object, &stat, ret);
        }
        if (object >= 0)
                close(object);
        return r;
}

/* Those in a directory of the target that this one of the source leads to. */
static int sweep(struct copy_tree *tree, const char *path, struct copy_error *ret) {
        int fd, r = copy_wear(tree->writer, ret);

        if (r < 0)
                return r;
        fd = copy_open_below(tree->state->target, path, O_RDONLY | O_DIRECTORY, tree->state->to_stays);
        if (fd == -ENOENT || fd == -ENOTDIR)
                return 0;
        if (fd < 0)
                return copy_failed(ret, -fd);
        r = copy_sweep(tree, fd, true, ret);
        close(fd);
        return r;
}

static int sweep_all(struct copy_tree *tree, struct copy_error *ret) {
        struct copy_error first = {0}, error = {0};
        struct walk walk = {.tree = tree, .ret = &error};
        int r = push(&walk, "", "");

        if (r < 0)
                *ret = error;
        while (r >= 0 && walk.n > 0) {
                char *path = walk.paths[--walk.n];

                if (sweep(tree, path, &error) < 0 && first.code == 0)
                        first = error;
                r = copy_wear(tree->reader, &error);
                if ((r < 0 || read_directory(&walk, path) < 0) && first.code == 0)
                        first = error;
                free(path);
        }
        walk_fini(&walk);
        if (first.code != 0)
                *ret = first;
        return ret->code;
}

int copy_remove_temporaries(struct copy_tree *tree, struct copy_error *ret) {
        int r;

        *ret = (struct copy_error){0};
        r = copy_wear(tree->writer, ret);
        if (r >= 0 && tree->state->single)
                r = copy_sweep(tree, (int)tree->target_parent, true, ret);
        else if (r >= 0 && tree->fresh)
                r = remove_top(tree, ret);
        else if (r >= 0)
                r = sweep_all(tree, ret);
        return r;
}
