/* SPDX-License-Identifier: MIT */
/*
 * fake_copy_files.c: the calls of backends/copy.h for files, small and large.
 */
#include "tests/support/fake_copy_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- files ------------------------------------------------------------------------------------------------------- */

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

void copy_discard(struct copy_tree *tree, struct copy_dir *dir, struct copy_file *file) {
        struct copy_error error;
        struct fake_entry *entry;

        if (!dir->open)
                abort();
        if (file->outcome != COPY_COPIED || (!dir->finals && !file->needs_publish))
                return;
        file->outcome = COPY_FAILED;
        entry = fake_entry_find(dir->target, dir->finals ? fake_final_name(tree, dir, file->name) : file->temporary);
        if (fake_call(FAKE_COPY_DISCARD, file->name, &error) < 0) {
                if (dir->finals)
                        fake_file_failed(file, -FSOP_EAGAIN, "what was half copied could not be removed", false);
        } else if (entry)
                fake_entry_remove(entry);
        file->needs_publish = false;
        file->temporary[0] = 0;
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

/* ---- large files ------------------------------------------------------------------------------------------------- */

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

void copy_part_free(struct copy_part *part, bool keep, struct copy_error *error) {
        (void)error;
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
                copy_part_free(part, false, NULL);
                return;
        }
        fake_made(fake_inode_of(part->target), from);
        fake_fs->files_made++;
        file->bytes = part->bytes;
        file->outcome = COPY_COPIED;
        file->needs_publish = !part->dir->finals;
        strcpy(file->temporary, part->dir->finals ? "" : part->temporary);
        copy_part_free(part, true, NULL);
}
