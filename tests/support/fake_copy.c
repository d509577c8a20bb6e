/* SPDX-License-Identifier: MIT */
/*
 * fake_copy.c: the calls of backends/copy.h for trees and directories.
 */
#include "tests/support/fake_copy_internal.h"

#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct fake_copies copies;

void fake_copy_forget(void) {
        memset(&copies, 0, sizeof(copies));
        copies.only = -1;
}

void fake_copy_reset(void) {
        fake_copy_forget();
        fake_tree_reset();
}

/* ---- calls ------------------------------------------------------------------------------------------------------- */

int fake_call(enum fake_copy_call call, const char *name, struct copy_error *ret) {
        bool fails;

        *ret = (struct copy_error){0};
        if (copies.between)
                copies.between(call, name);
        copies.made[call]++;
        if (copies.fail_at == 0 || (copies.only >= 0 && copies.only != (int)call))
                return 0;
        copies.calls++;
        fails = copies.lasting ? copies.calls >= copies.fail_at : copies.calls == copies.fail_at;
        if (fails)
                *ret = copies.error;
        return fails ? copies.error.code : 0;
}

int fake_failed(struct copy_error *ret, int code, const char *why) {
        *ret = (struct copy_error){.code = code, .why = why};
        return code;
}

bool fake_stopped(const struct copy_tree *tree) {
        return __atomic_load_n(&tree->stop, __ATOMIC_ACQUIRE) != 0;
}

static uint32_t fake_mode(enum fsop_file_type type) {
        switch (type) {
        case FSOP_TYPE_DIRECTORY:
                return 0040755;
        case FSOP_TYPE_SYMLINK:
                return 0120777;
        case FSOP_TYPE_FIFO:
                return 0010644;
        case FSOP_TYPE_SOCKET:
                return 0140644;
        case FSOP_TYPE_CHAR:
                return 0020644;
        case FSOP_TYPE_BLOCK:
                return 0060644;
        default:
                return 0100644;
        }
}

static struct fsop_stat fake_stat(uint32_t inode) {
        const struct fake_inode *from = fake_inode_of(inode);

        return (struct fsop_stat){.ino = inode + 1,
                                  .mode = fake_mode(from->type),
                                  .nlink = from->nlink,
                                  .uid = from->uid,
                                  .gid = from->uid,
                                  .size = from->size,
                                  .dev_minor = (uint32_t)from->dev,
                                  .mtime = {from->mtime, 0},
                                  .btime = {1, 0}};
}

/* ---- a tree ------------------------------------------------------------------------------------------------------ */

static int fake_open_ends(struct copy_tree *tree, const struct sys_op *op, struct copy_error *ret) {
        struct copy_state *state = tree->state;
        char leaf[FAKE_NAME_BYTES];
        int parent, source = fake_walk((const char *)op->op->at.path.data, op->op->at.path.len, &parent, leaf);

        if (source < 0)
                return fake_failed(ret, -FSOP_ENOENT, NULL);
        state->source = (uint32_t)source;
        state->target = fake_walk((const char *)op->op->to.path.data, op->op->to.path.len, &parent, leaf);
        if (parent < 0)
                return fake_failed(ret, -FSOP_ENOENT, NULL);
        state->parent = (uint32_t)parent;
        strcpy(tree->target_name, leaf);
        tree->source_stat = fake_stat(state->source);
        tree->target_parent_id = (struct object_id){fake_inode_of(state->parent)->dev, state->parent + 1};
        tree->from_fs = op->at.fs;
        tree->to_fs = op->to.fs;
        tree->to_exists = state->target >= 0;
        state->single = !fake_is_dir(state->source);
        tree->fresh = !state->single && !tree->to_exists;
        if (!state->single && !tree->options->recursive)
                return fake_failed(ret, -FSOP_EISDIR, "the source is a directory, and recursion was not asked for");
        if (state->target == source)
                return fake_failed(ret, -FSOP_EINVAL, "source and target are the same");
        if (state->target >= 0 && state->single == fake_is_dir((uint32_t)state->target))
                return fake_failed(ret, state->single ? -FSOP_EISDIR : -FSOP_ENOTDIR, "a directory and something else");
        return 0;
}

int copy_open(struct copy_tree *tree, const struct sys_op *op, struct copy_error *ret_error) {
        tree->source = tree->target_parent = OS_FD_NONE;
        tree->serial = ++fake_fs->opens << 16; /* no name comes twice */
        tree->fresh = tree->to_exists = false;
        tree->state = NULL;
        if (fake_call(FAKE_COPY_OPEN, "", ret_error) < 0)
                return ret_error->code;
        tree->state = calloc(1, sizeof(*tree->state));
        if (!tree->state)
                return fake_failed(ret_error, -FSOP_ENOMEM, NULL);
        tree->state->target = tree->state->top = -1;
        copies.trees++;
        if (fake_open_ends(tree, op, ret_error) < 0)
                copy_close(tree);
        return ret_error->code;
}

void copy_close(struct copy_tree *tree) {
        if (!tree->state)
                return;
        copies.trees--;
        free(tree->state);
        tree->state = NULL;
}

void copy_devices(const struct copy_tree *tree, uint64_t *ret_from, uint64_t *ret_to) {
        *ret_from = fake_inode_of(tree->state->source)->dev;
        *ret_to = fake_inode_of(tree->state->target >= 0 ? (uint32_t)tree->state->target : tree->state->parent)->dev;
}

/* ---- temporary names --------------------------------------------------------------------------------------------- */

static bool fake_is_temporary(const struct copy_tree *tree, const char *name) {
        size_t len = strlen(tree->temporary);

        return strncmp(name, tree->temporary, len) == 0 && name[len] == '-';
}

static bool fake_is_part(const struct copy_tree *tree, const char *name) {
        for (uint32_t i = 0; i < tree->n_parts; i++)
                if (strcmp(tree->parts[i], name) == 0)
                        return true;
        return false;
}

static void fake_sweep(const struct copy_tree *tree, uint32_t dir, bool all) {
        for (uint32_t i = 0; i < fake_fs->now.n_entries; i++) {
                struct fake_entry *entry = &fake_fs->now.entries[i];

                if (entry->used && entry->parent == dir && fake_is_temporary(tree, entry->name) &&
                    (all || !fake_is_part(tree, entry->name)))
                        fake_entry_remove(entry);
        }
}

void fake_next_temporary(struct copy_tree *tree, uint32_t dir, char name[COPY_TEMPORARY_BYTES]) {
        do
                snprintf(name, COPY_TEMPORARY_BYTES, "%.54s-%x", tree->temporary, tree->serial++);
        while (fake_entry_find(dir, name));
}

/* ---- directories ------------------------------------------------------------------------------------------------- */

static struct copy_dir *fake_dir_new(const char *above, const char *name, uint32_t depth) {
        struct copy_dir *dir = calloc(1, sizeof(*dir) + strlen(above) + strlen(name) + 2);

        if (!dir)
                return NULL;
        sprintf(dir->path, "%s%s%s", above, above[0] && name[0] ? "/" : "", name);
        dir->depth = depth;
        copies.dirs++;
        dir->open = true;
        copies.dir_fds++;
        return dir;
}

void copy_dir_close(struct copy_dir *dir) {
        copies.dir_fds -= dir->open;
        dir->open = false;
}

struct copy_dir *copy_dir_free(struct copy_dir *dir) {
        if (!dir)
                return NULL;
        copy_dir_close(dir);
        copies.dirs--;
        free(dir);
        return NULL;
}

const char *copy_dir_path(const struct copy_dir *dir) {
        return dir->path;
}

/* NAME in a directory of the target, made or opened. */
static int fake_make_dir(struct copy_tree *tree, uint32_t parent, const char *name, struct copy_dir *dir,
                         struct copy_error *ret) {
        struct fake_entry *entry = fake_entry_find(parent, name);

        if (entry && dir->finals && !tree->resumed)
                return fake_failed(ret, -FSOP_EEXIST, NULL);
        dir->made = !entry || dir->finals;
        if (!entry)
                entry = fake_entry_make(parent, name, fake_make_inode(FSOP_TYPE_DIRECTORY, fake_inode_of(parent)->dev));
        if (!fake_is_dir(entry->inode))
                return fake_failed(ret, -FSOP_ENOTDIR, NULL);
        dir->target = entry->inode;
        if (!dir->finals && tree->resumed)
                fake_sweep(tree, dir->target, false);
        return 0;
}

int copy_top(struct copy_tree *tree, struct copy_dir **ret_dir, struct copy_error *ret_error) {
        struct copy_state *state = tree->state;
        struct copy_dir *dir;

        *ret_dir = NULL;
        if (fake_call(FAKE_COPY_TOP, "", ret_error) < 0)
                return ret_error->code;
        dir = fake_dir_new("", "", 0);
        if (!dir)
                return fake_failed(ret_error, -FSOP_ENOMEM, NULL);
        dir->source = state->source;
        dir->place = state->single;
        dir->finals = tree->fresh;
        dir->target = state->single ? state->parent : (uint32_t)state->target;
        if (tree->fresh)
                fake_make_dir(tree, state->parent, tree->temporary, dir, ret_error);
        else if (tree->resumed)
                fake_sweep(tree, dir->target, false);
        if (ret_error->code < 0) {
                copy_dir_free(dir);
                return ret_error->code;
        }
        state->top = (int)dir->target;
        *ret_dir = dir;
        return 0;
}

int copy_enter(struct copy_tree *tree, struct copy_dir *parent, const char *name, struct copy_dir **ret_dir,
               struct copy_error *ret_error) {
        struct fake_entry *from;
        struct copy_dir *dir;

        if (!parent->open)
                abort();
        *ret_dir = NULL;
        if (fake_call(FAKE_COPY_ENTER, name, ret_error) < 0)
                return ret_error->code;
        if (parent->depth >= COPY_DEPTH_MAX)
                return fake_failed(ret_error, -FSOP_ELOOP, "the tree is too deep");
        from = fake_entry_find(parent->source, name);
        if (!from || !fake_is_dir(from->inode))
                return fake_failed(ret_error, from ? -FSOP_ENOTDIR : -FSOP_ENOENT, NULL);
        if (fake_inode_of(from->inode)->read_code < 0)
                return fake_failed(ret_error, fake_inode_of(from->inode)->read_code, NULL);
        if (tree->options->one_filesystem && fake_inode_of(from->inode)->dev != fake_inode_of(tree->state->source)->dev)
                return fake_failed(ret_error, -FSOP_EXDEV, NULL);
        dir = fake_dir_new(parent->path, name, parent->depth + 1);
        if (!dir)
                return fake_failed(ret_error, -FSOP_ENOMEM, NULL);
        dir->source = from->inode;
        dir->finals = parent->finals;
        if (fake_make_dir(tree, parent->target, name, dir, ret_error) < 0) {
                copy_dir_free(dir);
                return ret_error->code;
        }
        *ret_dir = dir;
        return 0;
}

static bool fake_leaves_out(const struct copy_tree *tree, const char *name) {
        for (uint32_t i = 0; i < tree->options->n_excludes; i++)
                if (fnmatch(tree->options->excludes[i], name, FNM_PERIOD) == 0)
                        return true;
        return false;
}

int copy_list(struct copy_tree *tree, struct copy_dir *dir, struct copy_names *ret_names,
              struct copy_error *ret_error) {
        uint32_t max = copies.names_max > 0 ? copies.names_max : COPY_NAMES_MAX;
        size_t used = 0;

        if (!dir->open)
                abort();
        ret_names->n = 0;
        ret_names->end = false;
        if (fake_call(FAKE_COPY_LIST, dir->path, ret_error) < 0)
                return ret_error->code;
        for (; dir->listed < fake_fs->now.n_entries && ret_names->n < max; dir->listed++) {
                const struct fake_entry *entry = &fake_fs->now.entries[dir->listed];

                if (!entry->used || entry->parent != dir->source || fake_leaves_out(tree, entry->name) ||
                    (int)entry->inode == tree->state->top)
                        continue;
                ret_names->names[ret_names->n++] =
                        (struct copy_name){.type = fake_inode_of(entry->inode)->type, .at = (uint16_t)used};
                strcpy(ret_names->texts + used, entry->name);
                used += strlen(entry->name) + 1;
        }
        ret_names->end = dir->listed >= fake_fs->now.n_entries;
        return 0;
}

const char *fake_refusal(const struct copy_tree *tree, const char *path, uint32_t source) {
        const struct fake_inode *from = fake_inode_of(source);
        struct bytes below = {(const uint8_t *)path, strlen(path)};
        const char *why = NULL;

        if (!tree->permits)
                return NULL;
        if (from->type == FSOP_TYPE_CHAR || from->type == FSOP_TYPE_BLOCK)
                why = tree->permits->node(tree->permits->context, below, from->type, 1, 3);
        if (!why && (tree->options->preserve & FSOP_PRESERVE_OWNER))
                why = tree->permits->owner(tree->permits->context, below, from->uid, from->uid);
        if (!why && from->xattr && (tree->options->preserve & FSOP_PRESERVE_XATTR))
                why = tree->permits->xattr(tree->permits->context, below, from->xattr);
        return why;
}

int copy_finish_dir(struct copy_tree *tree, struct copy_dir *dir, struct copy_error *ret_error) {
        const char *why;

        if (fake_call(FAKE_COPY_FINISH_DIR, dir->path, ret_error) < 0)
                return ret_error->code;
        why = fake_refusal(tree, dir->path, dir->source);
        if (why) {
                *ret_error = (struct copy_error){.code = -FSOP_EPERM, .why = why, .denied = true};
                return ret_error->code;
        }
        fake_inode_of(dir->target)->finished = true;
        fake_inode_of(dir->target)->mtime = fake_inode_of(dir->source)->mtime;
        return 0;
}

int copy_publish_top(struct copy_tree *tree, bool flush, struct copy_error *ret_error) {
        struct fake_entry *entry;

        if (fake_call(FAKE_COPY_PUBLISH_TOP, "", ret_error) < 0)
                return ret_error->code;
        entry = fake_entry_find(tree->state->parent, tree->temporary);
        if (!entry || (int)entry->inode != tree->state->top)
                return fake_failed(ret_error, -FSOP_ESTALE, "the directory that was filled has been moved away");
        if (fake_entry_find(tree->state->parent, tree->target_name))
                return fake_failed(ret_error, -FSOP_EEXIST,
                                   "something was given the target's name while it was copied");
        strcpy(entry->name, tree->target_name);
        if (flush) /* the name only: what is in it is as durable as it was */
                fake_fs->durable.entries[entry - fake_fs->now.entries] = *entry;
        return 0;
}

static void fake_count(const struct copy_tree *tree, uint32_t inode, uint64_t *files, uint64_t *bytes) {
        if (!fake_is_dir(inode)) {
                ++*files;
                *bytes += fake_inode_of(inode)->type == FSOP_TYPE_REGULAR ? fake_inode_of(inode)->size : 0;
                return;
        }
        for (uint32_t i = 0; i < fake_fs->now.n_entries; i++) {
                const struct fake_entry *entry = &fake_fs->now.entries[i];

                if (entry->used && entry->parent == inode && !fake_leaves_out(tree, entry->name))
                        fake_count(tree, entry->inode, files, bytes);
        }
}

int copy_count(struct copy_tree *tree, uint64_t *ret_files, uint64_t *ret_bytes, struct copy_error *ret_error) {
        *ret_files = *ret_bytes = 0;
        if (fake_call(FAKE_COPY_COUNT, "", ret_error) < 0)
                return ret_error->code;
        fake_count(tree, tree->state->source, ret_files, ret_bytes);
        return 0;
}

/* ---- durability and the end -------------------------------------------------------------------------------------- */

int copy_flush(struct copy_tree *tree, struct copy_error *ret_error) {
        (void)tree;
        if (fake_call(FAKE_COPY_FLUSH, "", ret_error) < 0)
                return ret_error->code;
        fake_sync();
        return 0;
}

static void fake_sweep_all(const struct copy_tree *tree, uint32_t source, uint32_t target) {
        fake_sweep(tree, target, true);
        for (uint32_t i = 0; i < fake_fs->now.n_entries; i++) {
                const struct fake_entry *entry = &fake_fs->now.entries[i], *other;

                if (!entry->used || entry->parent != source || !fake_is_dir(entry->inode))
                        continue;
                other = fake_entry_find(target, entry->name);
                if (other && fake_is_dir(other->inode))
                        fake_sweep_all(tree, entry->inode, other->inode);
        }
}

int copy_remove_temporaries(struct copy_tree *tree, struct copy_error *ret_error) {
        struct fake_entry *entry;

        if (fake_call(FAKE_COPY_REMOVE, "", ret_error) < 0)
                return ret_error->code;
        if (tree->state->single)
                fake_sweep(tree, tree->state->parent, true);
        else if (!tree->fresh)
                fake_sweep_all(tree, tree->state->source, (uint32_t)tree->state->target);
        else if ((entry = fake_entry_find(tree->state->parent, tree->temporary)))
                fake_entry_remove(entry);
        return 0;
}
