/* SPDX-License-Identifier: MIT */
/*
 * fake_copy.c: the tree, and the calls of backends/copy.h over it.
 */
#include "tests/support/fake_copy.h"

#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

struct fake_fs *fake_fs;
struct fake_copies copies;

/* ---- the tree ---------------------------------------------------------------------------------------------------- */

static uint32_t fake_make_inode(enum fsop_file_type type, uint64_t dev) {
        for (uint32_t i = 0; i < FAKE_INODES; i++)
                if (!fake_fs->now.inodes[i].used && !fake_fs->durable.inodes[i].used) {
                        fake_fs->now.inodes[i] = (struct fake_inode){
                                .used = true, .type = type, .dev = dev, .uid = 1000, .serial = ++fake_fs->serials};
                        if (i >= fake_fs->now.n_inodes)
                                fake_fs->now.n_inodes = i + 1;
                        return i;
                }
        abort();
}

struct fake_entry *fake_entry_find(uint32_t parent, const char *name) {
        for (uint32_t i = 0; i < fake_fs->now.n_entries; i++) {
                struct fake_entry *entry = &fake_fs->now.entries[i];

                if (entry->used && entry->parent == parent && strcmp(entry->name, name) == 0)
                        return entry;
        }
        return NULL;
}

static struct fake_entry *fake_entry_make(uint32_t parent, const char *name, uint32_t inode) {
        for (uint32_t i = 0; i < FAKE_INODES; i++) {
                struct fake_entry *entry = &fake_fs->now.entries[i];

                if (entry->used)
                        continue;
                if (strlen(name) >= sizeof(entry->name))
                        abort();
                *entry = (struct fake_entry){.used = true, .parent = parent, .inode = inode};
                strcpy(entry->name, name);
                fake_fs->now.inodes[inode].nlink++;
                if (i >= fake_fs->now.n_entries)
                        fake_fs->now.n_entries = i + 1;
                return entry;
        }
        abort();
}

static void fake_entry_remove(struct fake_entry *entry) {
        struct fake_inode *inode = &fake_fs->now.inodes[entry->inode];

        if (inode->type == FSOP_TYPE_DIRECTORY)
                for (uint32_t i = 0; i < fake_fs->now.n_entries; i++)
                        if (fake_fs->now.entries[i].used && fake_fs->now.entries[i].parent == entry->inode)
                                fake_entry_remove(&fake_fs->now.entries[i]);
        entry->used = false;
        if (--inode->nlink == 0)
                inode->used = false;
}

static bool fake_is_dir(uint32_t inode) {
        return fake_fs->now.inodes[inode].type == FSOP_TYPE_DIRECTORY;
}

/* -1: there is none. *ret_parent (-1: neither) and *ret_leaf of what it is or would be. */
static int fake_walk(const char *path, size_t len, int *ret_parent, char leaf[FAKE_NAME_BYTES]) {
        int at = 0, parent = -1;

        leaf[0] = 0;
        for (size_t i = 0; i < len;) {
                size_t end = i;
                struct fake_entry *entry;

                while (end < len && path[end] != '/')
                        end++;
                if (end > i) {
                        if (at < 0 || !fake_is_dir((uint32_t)at) || end - i >= FAKE_NAME_BYTES) {
                                *ret_parent = -1;
                                return -1;
                        }
                        memcpy(leaf, path + i, end - i);
                        leaf[end - i] = 0;
                        parent = at;
                        entry = fake_entry_find((uint32_t)at, leaf);
                        at = entry ? (int)entry->inode : -1;
                }
                i = end + 1;
        }
        *ret_parent = parent;
        return at;
}

int fake_look(const char *path) {
        char leaf[FAKE_NAME_BYTES];
        int parent;

        return fake_walk(path, strlen(path), &parent, leaf);
}

struct fake_inode *fake_at(const char *path) {
        int inode = fake_look(path);

        return inode < 0 ? NULL : &fake_fs->now.inodes[inode];
}

struct fake_inode *fake_make(const char *path, enum fsop_file_type type, uint64_t size) {
        char leaf[FAKE_NAME_BYTES], above[512];
        int parent, inode = fake_walk(path, strlen(path), &parent, leaf);

        if (inode >= 0)
                return &fake_fs->now.inodes[inode];
        if (parent < 0) {
                snprintf(above, sizeof(above), "%s", path);
                *strrchr(above, '/') = 0;
                fake_make(above, FSOP_TYPE_DIRECTORY, 0);
                fake_walk(path, strlen(path), &parent, leaf);
        }
        inode = (int)fake_make_inode(type, fake_fs->now.inodes[parent].dev);
        fake_entry_make((uint32_t)parent, leaf, (uint32_t)inode);
        fake_fs->now.inodes[inode].size = fake_fs->now.inodes[inode].valid = size;
        fake_fs->now.inodes[inode].content = size > 0 ? ++fake_fs->contents : FAKE_CONTENT_OF_NOTHING;
        fake_fs->now.inodes[inode].mtime = 1000;
        fake_fs->now.inodes[inode].finished = true;
        return &fake_fs->now.inodes[inode];
}

void fake_link(const char *path, const char *to) {
        char leaf[FAKE_NAME_BYTES];
        int parent;

        fake_walk(path, strlen(path), &parent, leaf);
        fake_entry_make((uint32_t)parent, leaf, (uint32_t)fake_look(to));
}

void fake_remove(const char *path) {
        char leaf[FAKE_NAME_BYTES];
        int parent;

        if (fake_walk(path, strlen(path), &parent, leaf) >= 0 && parent >= 0)
                fake_entry_remove(fake_entry_find((uint32_t)parent, leaf));
}

unsigned fake_count_names(const char *prefix) {
        unsigned n = 0;

        for (uint32_t i = 0; i < fake_fs->now.n_entries; i++)
                n += fake_fs->now.entries[i].used && strncmp(fake_fs->now.entries[i].name, prefix, strlen(prefix)) == 0;
        return n;
}

void fake_power_cut(void) {
        fake_fs->now = fake_fs->durable;
}

static void fake_disk_copy(struct fake_disk *to, const struct fake_disk *from) {
        memcpy(to->inodes, from->inodes, from->n_inodes * sizeof(from->inodes[0]));
        memcpy(to->entries, from->entries, from->n_entries * sizeof(from->entries[0]));
        if (to->n_inodes > from->n_inodes)
                memset(&to->inodes[from->n_inodes], 0, (to->n_inodes - from->n_inodes) * sizeof(to->inodes[0]));
        if (to->n_entries > from->n_entries)
                memset(&to->entries[from->n_entries], 0, (to->n_entries - from->n_entries) * sizeof(to->entries[0]));
        to->n_inodes = from->n_inodes;
        to->n_entries = from->n_entries;
}

void fake_sync(void) {
        fake_disk_copy(&fake_fs->durable, &fake_fs->now);
}

void fake_copy_forget(void) {
        memset(&copies, 0, sizeof(copies));
        copies.only = -1;
}

void fake_copy_reset(void) {
        if (!fake_fs)
                fake_fs = mmap(NULL, sizeof(*fake_fs), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (fake_fs == MAP_FAILED)
                abort();
        fake_copy_forget();
        memset(fake_fs, 0, sizeof(*fake_fs));
        fake_fs->room = UINT64_MAX;
        fake_make_inode(FSOP_TYPE_DIRECTORY, 7);
        fake_fs->now.inodes[0].nlink = 1;
        fake_sync();
}

/* ---- calls ------------------------------------------------------------------------------------------------------------ */

/* Before each call: 0, or what it is to fail with. */
static int fake_call(enum fake_copy_call call, const char *name, struct copy_error *ret) {
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

static int fake_failed(struct copy_error *ret, int code, const char *why) {
        *ret = (struct copy_error){.code = code, .why = why};
        return code;
}

static bool fake_stopped(const struct copy_tree *tree) {
        return __atomic_load_n(&tree->stop, __ATOMIC_ACQUIRE) != 0;
}

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

struct fake_inode *fake_inode_of(uint32_t inode) {
        return &fake_fs->now.inodes[inode];
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

/* ---- a tree ----------------------------------------------------------------------------------------------------------- */

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

/* ---- temporary names -------------------------------------------------------------------------------------------------- */

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

static void fake_next_temporary(struct copy_tree *tree, uint32_t dir, char name[COPY_TEMPORARY_BYTES]) {
        do
                snprintf(name, COPY_TEMPORARY_BYTES, "%.54s-%x", tree->temporary, tree->serial++);
        while (fake_entry_find(dir, name));
}

/* ---- directories ------------------------------------------------------------------------------------------------------ */

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

static const char *fake_refusal(const struct copy_tree *tree, const char *path, uint32_t source) {
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

/* ---- files ------------------------------------------------------------------------------------------------------------ */

static const char *fake_final_name(const struct copy_tree *tree, const struct copy_dir *dir, const char *name) {
        return dir->place ? tree->target_name : name;
}

/* The inode of the source, or -1. */
static int fake_source_of(const struct copy_tree *tree, const struct copy_dir *dir, const char *name) {
        const struct fake_entry *entry = dir->place ? NULL : fake_entry_find(dir->source, name);

        if (dir->place)
                return (int)tree->state->source;
        return entry ? (int)entry->inode : -1;
}

static void fake_file_failed(struct copy_file *file, int code, const char *why, bool denied) {
        file->outcome = COPY_FAILED;
        file->error = (struct copy_error){.code = code, .why = why, .denied = denied};
}

static void fake_file_path(const struct copy_dir *dir, const char *name, char path[512]) {
        snprintf(path, 512, "%s%s%s", dir->path, dir->path[0] && !dir->place ? "/" : "", dir->place ? "" : name);
}

/* What stands at the target already, as `update` says. True: that settles it. */
static bool fake_is_settled(struct copy_tree *tree, struct copy_dir *dir, struct copy_file *file, uint32_t source) {
        const struct fake_entry *old = fake_entry_find(dir->target, fake_final_name(tree, dir, file->name));
        enum fsop_update update = tree->options->update;

        if (!old || dir->finals)
                return false;
        if (fake_is_dir(old->inode))
                fake_file_failed(file, -FSOP_EISDIR, "a directory has the target's name", false);
        else if (update == FSOP_UPDATE_NONE_FAIL)
                fake_file_failed(file, -FSOP_EEXIST, NULL, false);
        else if (update == FSOP_UPDATE_NONE ||
                 (update == FSOP_UPDATE_OLDER && fake_inode_of(old->inode)->mtime >= fake_inode_of(source)->mtime))
                file->outcome = COPY_SKIPPED;
        return file->outcome != COPY_PENDING;
}

/* The target's name, final or temporary, for a new file. NULL: it is taken. */
static const char *fake_new_name(struct copy_tree *tree, struct copy_dir *dir, struct copy_file *file) {
        struct fake_entry *there;

        if (!dir->finals) {
                fake_next_temporary(tree, dir->target, file->temporary);
                return file->temporary;
        }
        there = fake_entry_find(dir->target, file->name);
        if (there && (!tree->resumed || fake_is_dir(there->inode)))
                return NULL;
        if (there)
                fake_entry_remove(there);
        return file->name;
}

static void fake_made(struct fake_inode *to, const struct fake_inode *from) {
        to->size = from->size;
        to->content = from->content;
        to->valid = from->size;
        to->mtime = from->mtime;
        to->uid = from->uid;
        to->finished = true;
}

/* Everything that can keep a file from being copied. True: it is settled. */
static bool fake_judge(struct copy_tree *tree, struct copy_dir *dir, struct copy_file *file, int source) {
        const struct fake_inode *from;
        const char *why;
        char path[512];

        if (source < 0) {
                fake_file_failed(file, -FSOP_ENOENT, NULL, false);
                return true;
        }
        from = fake_inode_of((uint32_t)source);
        file->source_id = (struct object_id){from->dev, (uint64_t)source + 1};
        file->size = from->type == FSOP_TYPE_REGULAR ? from->size : 0;
        fake_file_path(dir, file->name, path);
        if (from->type == FSOP_TYPE_DIRECTORY)
                file->outcome = COPY_DIRECTORY;
        else if (from->nlink > 1 && (tree->options->preserve & FSOP_PRESERVE_LINKS) && !file->first_link && !dir->place)
                file->outcome = COPY_LINKED;
        else if (from->read_code < 0)
                fake_file_failed(file, from->read_code, NULL, false);
        else if ((why = fake_refusal(tree, path, (uint32_t)source)))
                fake_file_failed(file, -FSOP_EPERM, why, true);
        else if (!fake_is_settled(tree, dir, file, (uint32_t)source) && file->size > COPY_LARGE_BYTES && !copies.clones)
                file->outcome = COPY_LARGE;
        return file->outcome != COPY_PENDING;
}

static void fake_file_init(struct copy_file *file) {
        file->outcome = COPY_PENDING;
        file->error = (struct copy_error){0};
        file->bytes = file->cloned_bytes = 0;
        file->needs_publish = false;
        file->temporary[0] = 0;
}

static void fake_copy_one(struct copy_tree *tree, struct copy_dir *dir, struct copy_file *file) {
        int source = fake_source_of(tree, dir, file->name);
        struct fake_inode *from;
        const char *name;
        uint32_t inode;

        if (fake_call(FAKE_COPY_FILE, file->name, &file->error) < 0) {
                file->outcome = COPY_FAILED;
                return;
        }
        if (fake_judge(tree, dir, file, source))
                return;
        from = fake_inode_of((uint32_t)source);
        if (file->size > fake_fs->room) {
                fake_file_failed(file, -FSOP_ENOSPC, NULL, false);
                return;
        }
        name = fake_new_name(tree, dir, file);
        if (!name) {
                fake_file_failed(file, -FSOP_EEXIST, NULL, false);
                return;
        }
        inode = fake_make_inode(from->type, fake_inode_of(dir->target)->dev);
        fake_entry_make(dir->target, name, inode);
        fake_made(fake_inode_of(inode), from);
        *(copies.clones ? &file->cloned_bytes : &file->bytes) = file->size;
        fake_fs->bytes_written += file->bytes;
        fake_fs->room -= fake_fs->room == UINT64_MAX ? 0 : file->size;
        fake_fs->files_made++;
        file->outcome = COPY_COPIED;
        file->needs_publish = !dir->finals;
}

void copy_files(struct copy_tree *tree, struct copy_dir *dir, struct copy_file *files, uint32_t n) {
        if (!dir->open)
                abort();
        for (uint32_t i = 0; i < n; i++)
                fake_file_init(&files[i]);
        for (uint32_t i = 0; i < n && !fake_stopped(tree); i++)
                fake_copy_one(tree, dir, &files[i]);
}

static void fake_drop(struct copy_dir *dir, struct copy_file *file) {
        struct fake_entry *entry = fake_entry_find(dir->target, file->temporary);

        if (entry)
                fake_entry_remove(entry);
        file->needs_publish = false;
        file->temporary[0] = 0;
}

static void fake_publish_one(struct copy_tree *tree, struct copy_dir *dir, struct copy_file *file) {
        struct fake_entry *entry = fake_entry_find(dir->target, file->temporary), *old;
        const char *name = fake_final_name(tree, dir, file->name);
        struct copy_error error;

        if (fake_call(FAKE_COPY_PUBLISH, file->name, &error) < 0) {
                fake_drop(dir, file);
                file->outcome = COPY_FAILED;
                file->error = error;
                return;
        }
        if (!entry) {
                file->needs_publish = false;
                fake_file_failed(file, -FSOP_ENOENT, NULL, false);
                return;
        }
        old = fake_entry_find(dir->target, name);
        if (old && (tree->options->update == FSOP_UPDATE_NONE || tree->options->update == FSOP_UPDATE_NONE_FAIL ||
                    fake_is_dir(old->inode))) {
                fake_drop(dir, file);
                file->outcome = tree->options->update == FSOP_UPDATE_NONE && !fake_is_dir(old->inode) ? COPY_SKIPPED
                                                                                                      : COPY_FAILED;
                file->error = (struct copy_error){.code = file->outcome == COPY_FAILED ? -FSOP_EEXIST : 0};
                return;
        }
        if (old)
                fake_entry_remove(old);
        strcpy(entry->name, name);
        file->needs_publish = false;
        file->temporary[0] = 0;
}

void copy_publish(struct copy_tree *tree, struct copy_dir *dir, struct copy_file *files, uint32_t n) {
        if (!dir->open)
                abort();
        for (uint32_t i = 0; i < n; i++)
                if (files[i].needs_publish)
                        fake_publish_one(tree, dir, &files[i]);
}

void copy_discard(struct copy_tree *tree, struct copy_dir *dir, struct copy_file *files, uint32_t n) {
        struct copy_error error;

        if (!dir->open)
                abort();
        for (uint32_t i = 0; i < n; i++) {
                struct fake_entry *entry;

                if (files[i].outcome != COPY_COPIED || (!dir->finals && !files[i].needs_publish) ||
                    fake_call(FAKE_COPY_DISCARD, files[i].name, &error) < 0)
                        continue;
                entry = fake_entry_find(dir->target,
                                        dir->finals ? fake_final_name(tree, dir, files[i].name) : files[i].temporary);
                if (entry)
                        fake_entry_remove(entry);
                files[i].needs_publish = false;
                files[i].temporary[0] = 0;
        }
}

/* PATH below the top of the target: its inode, or -1. */
static int fake_below_top(const struct copy_tree *tree, const char *path) {
        uint32_t at = (uint32_t)tree->state->top;
        char component[FAKE_NAME_BYTES];

        for (size_t len; *path; path += len + (path[len] == '/')) {
                struct fake_entry *entry;

                len = strcspn(path, "/");
                memcpy(component, path, len);
                component[len] = 0;
                entry = fake_entry_find(at, component);
                if (!entry)
                        return -1;
                at = entry->inode;
        }
        return (int)at;
}

void copy_link(struct copy_tree *tree, const char *path, struct copy_dir *dir, struct copy_file *file) {
        int source = fake_source_of(tree, dir, file->name), first = fake_below_top(tree, path);
        struct fake_entry *old;
        const char *name;

        if (!dir->open)
                abort();
        fake_file_init(file);
        if (fake_stopped(tree))
                return;
        if (fake_call(FAKE_COPY_LINK, file->name, &file->error) < 0) {
                file->outcome = COPY_FAILED;
                return;
        }
        if (source < 0 || first < 0) {
                fake_file_failed(file, -FSOP_ENOENT, NULL, false);
                return;
        }
        file->source_id = (struct object_id){fake_inode_of((uint32_t)source)->dev, (uint64_t)source + 1};
        file->size = fake_inode_of((uint32_t)source)->size;
        if (fake_inode_of((uint32_t)source)->size != fake_inode_of((uint32_t)first)->size) {
                fake_file_failed(file, -FSOP_ESTALE, "the first of the links is no longer what was copied", false);
                return;
        }
        old = fake_entry_find(dir->target, file->name);
        if (old && (int)old->inode == first) {
                file->outcome = COPY_COPIED;
                return;
        }
        if (fake_is_settled(tree, dir, file, (uint32_t)source))
                return;
        name = fake_new_name(tree, dir, file);
        if (!name) {
                fake_file_failed(file, -FSOP_EEXIST, NULL, false);
                return;
        }
        fake_entry_make(dir->target, name, (uint32_t)first);
        file->outcome = COPY_COPIED;
        file->needs_publish = !dir->finals;
}

bool copy_is_there(struct copy_tree *tree, struct copy_dir *dir, const char *name) {
        const struct fake_entry *to = fake_entry_find(dir->target, fake_final_name(tree, dir, name));
        int source = fake_source_of(tree, dir, name);
        struct copy_error error;

        if (!dir->open)
                abort();
        if (fake_call(FAKE_COPY_IS_THERE, name, &error) < 0 || source < 0 || !to)
                return false;
        return fake_inode_of(to->inode)->type == fake_inode_of((uint32_t)source)->type &&
               fake_inode_of(to->inode)->size == fake_inode_of((uint32_t)source)->size;
}

int copy_verify(struct copy_tree *tree, struct copy_dir *dir, const struct copy_file *file,
                uint8_t ret_digest[COPY_DIGEST_BYTES], struct copy_error *ret_error) {
        const char *name = file->needs_publish ? file->temporary : fake_final_name(tree, dir, file->name);
        const struct fake_entry *to = fake_entry_find(dir->target, name);
        int source = fake_source_of(tree, dir, file->name);
        const struct fake_inode *is, *was;

        if (!dir->open)
                abort();
        memset(ret_digest, 0, COPY_DIGEST_BYTES);
        if (fake_call(FAKE_COPY_VERIFY, file->name, ret_error) < 0)
                return ret_error->code;
        if (!to || source < 0)
                return fake_failed(ret_error, -FSOP_ENOENT, NULL);
        is = fake_inode_of(to->inode);
        was = fake_inode_of((uint32_t)source);
        if (is->content != was->content || is->valid != was->size)
                return fake_failed(ret_error, -FSOP_EIO, "the copy differs from its source");
        memcpy(ret_digest, &is->content, sizeof(is->content));
        return 0;
}

/* ---- large files ------------------------------------------------------------------------------------------------------ */

struct copy_part {
        struct copy_tree *tree;
        struct copy_dir *dir;
        uint32_t source, target;
        uint64_t offset, bytes, size, content;
        int64_t mtime;
        char temporary[COPY_TEMPORARY_BYTES];
        char name[];
};

/* Goes on where an earlier run stopped; or finds that it had come to its end (file->outcome COPIED). */
static bool fake_part_resumes(struct copy_part *part, const struct copy_part_record *record, struct copy_file *file) {
        const char *name = part->dir->finals ? part->name : record ? record->temporary : "";
        struct fake_entry *entry = record ? fake_entry_find(part->dir->target, name) : NULL, *final;
        bool is_the_source = record && record->ino == part->source + 1 && record->size == part->size &&
                             record->mtime.sec == part->mtime;

        if (entry && is_the_source && fake_inode_of(entry->inode)->valid >= record->offset &&
            fake_inode_of(entry->inode)->content == part->content) {
                part->target = entry->inode;
                part->offset = record->offset;
                strcpy(part->temporary, record->temporary);
                return true;
        }
        if (!record || part->dir->finals)
                return false;
        if (entry)
                fake_entry_remove(entry);
        final = fake_entry_find(part->dir->target, fake_final_name(part->tree, part->dir, part->name));
        if (!entry && is_the_source && final && final->inode + 1 == record->target_ino &&
            fake_inode_of(final->inode)->size == part->size)
                file->outcome = COPY_COPIED;
        return file->outcome == COPY_COPIED;
}

static void fake_part_made(struct copy_part *part) {
        fake_inode_of(part->target)->content = part->content;
        fake_inode_of(part->target)->valid = part->offset;
        fake_inode_of(part->target)->size = part->offset;
}

void copy_part_begin(struct copy_tree *tree, struct copy_dir *dir, struct copy_file *file,
                     const struct copy_part_record *record, struct copy_part **ret_part) {
        int source = fake_source_of(tree, dir, file->name);
        struct copy_part *part;
        const char *name;

        if (!dir->open)
                abort();
        *ret_part = NULL;
        fake_file_init(file);
        if (fake_call(FAKE_COPY_PART_BEGIN, file->name, &file->error) < 0) {
                file->outcome = COPY_FAILED;
                return;
        }
        if (fake_judge(tree, dir, file, source) && file->outcome != COPY_LARGE)
                return;
        file->outcome = COPY_PENDING;
        part = calloc(1, sizeof(*part) + strlen(file->name) + 1);
        if (!part) {
                fake_file_failed(file, -FSOP_ENOMEM, NULL, false);
                return;
        }
        *part = (struct copy_part){.tree = tree,
                                   .dir = dir,
                                   .source = (uint32_t)source,
                                   .size = file->size,
                                   .content = fake_inode_of((uint32_t)source)->content,
                                   .mtime = fake_inode_of((uint32_t)source)->mtime};
        strcpy(part->name, file->name);
        if (!fake_part_resumes(part, record, file)) {
                name = fake_new_name(tree, dir, file);
                if (!name) {
                        fake_file_failed(file, -FSOP_EEXIST, NULL, false);
                        free(part);
                        return;
                }
                strcpy(part->temporary, file->temporary);
                part->target = fake_make_inode(FSOP_TYPE_REGULAR, fake_inode_of(dir->target)->dev);
                fake_entry_make(dir->target, name, part->target);
        }
        if (file->outcome == COPY_COPIED) {
                free(part);
                return;
        }
        fake_part_made(part);
        file->outcome = COPY_LARGE;
        copies.parts++;
        *ret_part = part;
}

int64_t copy_part_step(struct copy_part *part, uint64_t bytes, struct copy_error *ret_error) {
        uint64_t left = part->size - part->offset;

        if (!part->dir->open)
                abort();
        if (fake_call(FAKE_COPY_PART_STEP, part->name, ret_error) < 0)
                return ret_error->code;
        if (left > 0 && fake_stopped(part->tree))
                return fake_failed(ret_error, -FSOP_ECANCELED, NULL);
        if (bytes > left)
                bytes = left;
        if (bytes > fake_fs->room)
                return fake_failed(ret_error, -FSOP_ENOSPC, NULL);
        part->offset += bytes;
        part->bytes += bytes;
        fake_fs->bytes_written += bytes;
        fake_fs->room -= fake_fs->room == UINT64_MAX ? 0 : bytes;
        fake_part_made(part);
        return (int64_t)bytes;
}

int copy_part_flush(struct copy_part *part, struct copy_part_record *ret_record, struct copy_error *ret_error) {
        if (fake_call(FAKE_COPY_PART_FLUSH, part->name, ret_error) < 0)
                return ret_error->code;
        *ret_record = (struct copy_part_record){.offset = part->offset,
                                                .ino = part->source + 1,
                                                .size = part->size,
                                                .mtime = {part->mtime, 0},
                                                .target_ino = part->target + 1};
        if (!part->dir->finals)
                strcpy(ret_record->temporary, part->temporary);
        /* its data, and the names that lead to it */
        fake_fs->durable.inodes[part->target] = fake_fs->now.inodes[part->target];
        fake_fs->durable.n_inodes = fake_fs->now.n_inodes;
        fake_fs->durable.n_entries = fake_fs->now.n_entries;
        for (uint32_t at = part->target; at != 0;)
                for (uint32_t i = 0;; i++) {
                        const struct fake_entry *entry = &fake_fs->now.entries[i];

                        if (!entry->used || entry->inode != at)
                                continue;
                        fake_fs->durable.entries[i] = *entry;
                        if (!fake_fs->durable.inodes[entry->parent].used)
                                fake_fs->durable.inodes[entry->parent] = fake_fs->now.inodes[entry->parent];
                        at = entry->parent;
                        break;
                }
        return 0;
}

uint64_t copy_part_offset(const struct copy_part *part) {
        return part->offset;
}

static struct fake_entry *fake_part_entry(struct copy_part *part) {
        return fake_entry_find(part->dir->target, part->dir->finals ? part->name : part->temporary);
}

void copy_part_free(struct copy_part *part, bool keep) {
        if (!part)
                return;
        if (!keep && fake_part_entry(part))
                fake_entry_remove(fake_part_entry(part));
        copies.parts--;
        free(part);
}

void copy_part_finish(struct copy_part *part, struct copy_file *file) {
        const struct fake_inode *from = fake_inode_of(part->source);

        if (!part->dir->open)
                abort();
        fake_file_init(file);
        file->size = part->size;
        file->source_id = (struct object_id){from->dev, part->source + 1};
        if (fake_call(FAKE_COPY_PART_FINISH, part->name, &file->error) < 0)
                file->outcome = COPY_FAILED;
        else if (part->offset < part->size)
                fake_file_failed(file, -FSOP_EINVAL, "not all of it has been copied", false);
        else if (from->content != part->content || from->size != part->size)
                fake_file_failed(file, -FSOP_EBUSY, "the source changed while it was copied", false);
        if (file->outcome == COPY_FAILED) {
                copy_part_free(part, false);
                return;
        }
        fake_made(fake_inode_of(part->target), from);
        fake_fs->files_made++;
        file->bytes = part->bytes;
        file->outcome = COPY_COPIED;
        file->needs_publish = !part->dir->finals;
        strcpy(file->temporary, part->dir->finals ? "" : part->temporary);
        copy_part_free(part, true);
}

/* ---- durability and the end ------------------------------------------------------------------------------------------- */

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
