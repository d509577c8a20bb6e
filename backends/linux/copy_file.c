/* SPDX-License-Identifier: MIT */
/*
 * copy_file.c: everything that is not a directory, copied: looked at and opened as the reader, made and filled as the
 * writer, given what it carries as the keeper. Where these are one identity, one file after the other; else in groups,
 * phase by phase.
 *
 * Calls on a small file are what a tree of them costs, so each is here for a reason: (pin,) open, stat, list
 * attributes, create, move the data, look whether the source has changed, set the times; owner and mode only where they
 * are not right from the start.
 */
#include "backends/linux/copy_linux.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TRIES 3

/* ---- one file ---------------------------------------------------------------------------------------------------- */

void copy_work_init(const struct copy_tree *tree, const struct copy_dir *dir, struct copy_file *file,
                    struct copy_work *work) {
        file->outcome = COPY_PENDING;
        file->error = (struct copy_error){0};
        file->bytes = file->cloned_bytes = file->target_ino = 0;
        file->needs_publish = false;
        file->temporary[0] = 0;
        work->file = file;
        work->target_name = dir->place ? tree->target_name : file->name;
        work->object = work->source = work->target = -1;
        work->object_is_trees = work->is_made = work->existed = work->changed = work->stopped = work->in_parts = false;
        work->xattrs = (struct copy_xattrs){0};
        work->text = NULL;
        work->mode = UINT32_MAX;
        work->owner = UINT64_MAX;
}

static bool is_pending(const struct copy_work *work) {
        return work->file->outcome == COPY_PENDING && !work->changed && !work->stopped;
}

/* The error is set already. */
static void set_failed(struct copy_work *work) {
        work->file->outcome = COPY_FAILED;
}

void copy_work_failed(struct copy_work *work, int os_errno) {
        copy_failed(&work->file->error, os_errno);
        set_failed(work);
}

static bool preserves(const struct copy_tree *tree, uint32_t what) {
        return (tree->options->preserve & what) != 0;
}

static bool sets_acl(const struct copy_tree *tree) {
        return preserves(tree, FSOP_PRESERVE_MODE | FSOP_PRESERVE_XATTR);
}

/* ---- what stands there already (writer) -------------------------------------------------------------------------- */

void copy_work_look(struct copy_tree *tree, struct copy_dir *dir, struct copy_work *work) {
        int r = lookup_stat(dir->target, work->target_name, dir->to_fs != FS_LOCAL, &work->old);

        if (r == -ENOENT)
                return;
        if (r < 0)
                copy_work_failed(work, -r);
        else if (copy_guard_object(tree->to_guard, &work->old, &work->file->error) < 0)
                set_failed(work);
        work->existed = true;
}

/* ---- the source (reader) ----------------------------------------------------------------------------------------- */

/* O_NONBLOCK and the look that follows are for what the owner of the directory may do to itself. */
static bool open_at_once(struct copy_dir *dir, struct copy_work *work) {
        if (!dir->undisturbed || work->file->type != FSOP_TYPE_REGULAR)
                return false;
        work->source = lookup_open_name(dir->source, work->file->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
        if (work->source < 0)
                work->source = -1; /* pinning it will say why */
        return work->source >= 0;
}

static int pin_source(struct copy_tree *tree, struct copy_dir *dir, struct copy_work *work) {
        if (dir->place) {
                work->object = (int)tree->source;
                work->object_is_trees = true;
                return 0;
        }
        work->object = copy_pin_source(tree, dir->source, work->file->name, O_PATH);
        if (work->object == -EXDEV && tree->from_guard != NULL)
                return copy_denied(&work->file->error, -FSOP_EXDEV, "it leads to another filesystem");
        return work->object < 0 ? copy_failed(&work->file->error, -work->object) : 0;
}

static bool is_older(const struct fsop_stat *a, const struct fsop_stat *b) {
        return a->mtime.sec != b->mtime.sec ? a->mtime.sec < b->mtime.sec : a->mtime.nsec < b->mtime.nsec;
}

/* What `update` and common sense say of an existing target. */
static void judge_target(const struct copy_tree *tree, struct copy_work *work) {
        struct copy_file *file = work->file;
        enum fsop_update update = tree->options->update;

        if (!work->existed)
                return;
        if (update == FSOP_UPDATE_NONE || (update == FSOP_UPDATE_OLDER && !is_older(&work->old, &work->from))) {
                file->outcome = COPY_SKIPPED;
        } else if (update == FSOP_UPDATE_NONE_FAIL) {
                copy_work_failed(work, EEXIST);
        } else if (stat_is_directory(&work->old)) {
                copy_work_failed(work, EISDIR);
                file->error.why = "a directory has the target's name";
        } else if (same_object(&work->old, stat_dev(&work->from), work->from.ino)) {
                copy_refused(&file->error, -FSOP_EINVAL, "source and target are the same");
                set_failed(work);
        }
}

/* Whether there is something to be done with it here. */
static void judge_source(struct copy_tree *tree, struct copy_dir *dir, struct copy_work *work) {
        struct copy_file *file = work->file;
        const struct fsop_stat *from = &work->from;
        enum fs_class fs = dir->from_fs;

        file->source_id = (struct object_id){stat_dev(from), from->ino};
        file->size = S_ISREG(from->mode) ? from->size : 0;
        if (copy_check_mount(work->source >= 0 ? work->source : work->object, from, &dir->from,
                             tree->state->from_client, &fs, &file->error) < 0) {
                set_failed(work);
        } else if (stat_is_directory(from)) {
                file->outcome = COPY_DIRECTORY;
        } else if (copy_guard_object(tree->from_guard, from, &file->error) < 0 ||
                   copy_check_names(tree, tree->reader, &file->error) < 0 ||
                   (S_ISREG(from->mode) && copy_guard_size(tree->to_guard, from->size, &file->error) < 0)) {
                set_failed(work);
        } else {
                judge_target(tree, work);
                if (file->outcome != COPY_PENDING)
                        return;
                if (from->nlink > 1 && !file->first_link && preserves(tree, FSOP_PRESERVE_LINKS))
                        file->outcome = COPY_LINKED;
                else if (S_ISREG(from->mode) && !work->in_parts && copy_data_is_large(tree, from))
                        file->outcome = COPY_LARGE;
        }
}

static int open_source(struct copy_tree *tree, struct copy_work *work) {
        bool regular = S_ISREG(work->from.mode);
        int fd = work->source >= 0 ? work->source : work->object;

        if (regular && work->source < 0) {
                /* Known to be a file by now: to open a device or a FIFO that took its name could do something. */
                fd = work->source = lookup_reopen(work->object, O_RDONLY);
                if (fd < 0)
                        return fd;
                if (!work->object_is_trees)
                        close(work->object);
                work->object = -1;
        } else if (stat_is_link(&work->from)) {
                char text[WIRE_PATH_BYTES_MAX + 1];
                int n = lookup_read_link(work->object, text, sizeof(text));

                if (n < 0)
                        return n;
                work->text = strdup(text);
                if (work->text == NULL)
                        return -ENOMEM;
        }
        return preserves(tree, FSOP_PRESERVE_XATTR) ? copy_xattrs_read(fd, !regular, &work->xattrs) : 0;
}

void copy_work_open(struct copy_tree *tree, struct copy_dir *dir, struct copy_work *work) {
        int r;

        if (!dir->place && copy_check_reach(tree, dir, work->file->name, &work->file->error) < 0) {
                set_failed(work);
                return;
        }
        if (!open_at_once(dir, work) && pin_source(tree, dir, work) < 0) {
                set_failed(work);
                return;
        }
        r = lookup_stat(work->source >= 0 ? work->source : work->object, "", dir->from_fs != FS_LOCAL, &work->from);
        if (r >= 0 && work->source >= 0 && !S_ISREG(work->from.mode))
                r = -ESTALE;
        if (r >= 0) {
                judge_source(tree, dir, work);
                if (work->file->outcome != COPY_PENDING)
                        return;
                r = open_source(tree, work);
        }
        if (r < 0)
                copy_work_failed(work, -r);
}

/* ---- making (writer) --------------------------------------------------------------------------------------------- */

static uint64_t owner_of(const struct fsop_stat *stat) {
        return (uint64_t)stat->uid << 32 | stat->gid;
}

/* Where no mode is preserved, a default ACL decides alone, as for any new file. */
static bool acl_decides(const struct copy_tree *tree, const struct copy_dir *dir, const struct copy_work *work) {
        return dir->inherits_acl && !sets_acl(tree) && !work->existed;
}

static uint32_t plain_mode(const struct copy_tree *tree, const struct copy_work *work) {
        if (work->existed && S_ISREG(work->old.mode))
                return work->old.mode & 0777;
        return work->from.mode & 0777 & ~tree->options->umask;
}

/* The final mode at once where nobody can read through it who may not in the end. */
static uint32_t creation_mode(const struct copy_tree *tree, const struct copy_dir *dir, const struct copy_work *work) {
        uint64_t owner = __atomic_load_n(&dir->made_owner, __ATOMIC_RELAXED);

        if (acl_decides(tree, dir, work))
                return work->from.mode & 0777;
        if (dir->inherits_acl || work->xattrs.n > 0)
                return 0600;
        if (preserves(tree, FSOP_PRESERVE_OWNER) && owner != owner_of(&work->from))
                return 0600;
        return preserves(tree, FSOP_PRESERVE_MODE) ? work->from.mode & 0777 : plain_mode(tree, work);
}

/* All files that one identity makes in one directory belong to the same owner and group: the first is asked. */
static int learn_owner(const struct copy_tree *tree, struct copy_dir *dir, struct copy_work *work) {
        struct fsop_stat stat;
        int r;

        work->owner = __atomic_load_n(&dir->made_owner, __ATOMIC_RELAXED);
        if (work->owner != UINT64_MAX && !tree->options->verify)
                return 0;
        r = lookup_stat(work->target, "", false, &stat);
        if (r < 0)
                return r;
        work->file->target_ino = stat.ino;
        work->owner = owner_of(&stat);
        __atomic_store_n(&dir->made_owner, work->owner, __ATOMIC_RELAXED);
        return 0;
}

void copy_work_name(struct copy_tree *tree, const struct copy_dir *dir, struct copy_work *work) {
        work->made_name = work->target_name;
        if (dir->finals)
                return;
        copy_next_temporary(tree, work->file->temporary);
        work->made_name = work->file->temporary;
}

bool copy_unmake(struct copy_tree *tree, const struct copy_dir *dir, const char *name, struct copy_file *file) {
        if ((identity_wear(tree->writer) == 0 && (unlinkat(dir->target, name, 0) == 0 || errno == ENOENT)) ||
            !dir->finals)
                return true;
        copy_refused(&file->error, -FSOP_EAGAIN, "what was half copied could not be removed; it is tried again");
        file->outcome = COPY_FAILED;
        return false;
}

bool copy_work_name_taken(struct copy_tree *tree, const struct copy_dir *dir, struct copy_work *work) {
        if (!dir->finals) {
                copy_next_temporary(tree, work->file->temporary);
                return true;
        }
        return tree->resumed && copy_unmake(tree, dir, work->made_name, work->file);
}

void copy_work_may_create(const struct copy_dir *dir, struct copy_work *work) {
        if (dir->no_creating == NULL)
                return;
        copy_denied(&work->file->error, -FSOP_EPERM, dir->no_creating);
        work->file->outcome = COPY_FAILED;
}

bool copy_work_create(struct copy_tree *tree, struct copy_dir *dir, struct copy_work *work) {
        uint32_t mode = creation_mode(tree, dir, work);
        int r, tries = TRIES;

        copy_work_name(tree, dir, work);
        do
                work->target = openat(dir->target, work->made_name,
                                      O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY, mode);
        while (work->target < 0 &&
               (errno == EINTR || (errno == EEXIST && tries-- > 0 && copy_work_name_taken(tree, dir, work))));
        if (work->target < 0) {
                if (is_pending(work))
                        copy_not_made(&work->file->error, errno);
                set_failed(work);
                return false;
        }
        work->is_made = true;
        if (!dir->inherits_acl)
                work->mode = mode;
        r = learn_owner(tree, dir, work);
        if (r < 0)
                copy_work_failed(work, -r);
        return r >= 0;
}

static void make_regular(struct copy_tree *tree, struct copy_dir *dir, struct copy_work *work) {
        int r;

        if (!copy_work_create(tree, dir, work))
                return;
        r = copy_data(tree, work->source, work->target, &work->from, work->file, &work->file->error);
        if (r == COPY_DATA_CHANGED)
                work->changed = true;
        else if (r == COPY_DATA_LARGE)
                work->file->outcome = COPY_LARGE;
        else if (r == -FSOP_ECANCELED)
                work->stopped = true;
        else if (r < 0)
                set_failed(work);
}

/* ---- what it carries (keeper) ------------------------------------------------------------------------------------ */

void copy_work_keep(struct copy_tree *tree, struct copy_dir *dir, struct copy_work *work) {
        bool decided = acl_decides(tree, dir, work);
        struct copy_object object = {
                .tree = tree,
                .dir = dir,
                .name = dir->place ? "" : work->file->name,
                .fd = work->target,
                .pinned = !S_ISREG(work->from.mode),
                .source = &work->from,
                .xattrs = preserves(tree, FSOP_PRESERVE_XATTR) ? &work->xattrs : NULL,
                .uid = (uint32_t)(work->owner >> 32),
                .gid = (uint32_t)work->owner,
                .mode = decided ? 0 : work->mode,
                .plain_mode = decided ? 0 : plain_mode(tree, work),
                .inherited_acl = dir->inherits_acl,
        };

        if (copy_keep(&object, &work->file->error) < 0)
                set_failed(work);
        else if (tree->options->flush_each && S_ISREG(work->from.mode) && fsync(work->target) < 0)
                copy_work_failed(work, errno);
}

/* ---- the end ----------------------------------------------------------------------------------------------------- */

void copy_work_close(struct copy_work *work) {
        if (work->object >= 0 && !work->object_is_trees)
                close(work->object);
        if (work->source >= 0)
                close(work->source);
        if (work->target >= 0)
                close(work->target);
        work->object = work->source = work->target = -1;
        copy_xattrs_fini(&work->xattrs);
        free(work->text);
        work->text = NULL;
}

/* What is not to stay is removed (writer). */
static void undo(struct copy_tree *tree, struct copy_dir *dir, struct copy_work *work) {
        if (work->is_made)
                copy_unmake(tree, dir, work->made_name, work->file);
        work->file->bytes = work->file->cloned_bytes = 0;
        work->file->temporary[0] = 0;
}

void copy_work_end(struct copy_tree *tree, struct copy_dir *dir, struct copy_work *work) {
        copy_work_close(work);
        if (!is_pending(work)) {
                undo(tree, dir, work);
                return;
        }
        work->file->outcome = COPY_COPIED;
        work->file->needs_publish = !dir->finals;
}

/* ---- groups ------------------------------------------------------------------------------------------------------ */

/* Wears it if anything is left to be done; false: nothing is, or it could not be worn, which is everyone's failure. */
static bool wear_for(struct identity *identity, struct copy_work *works, uint32_t n) {
        struct copy_error error;
        bool any = false;

        for (uint32_t i = 0; i < n; i++)
                any = any || is_pending(&works[i]);
        if (!any)
                return false;
        if (copy_wear(identity, &error) == 0)
                return true;
        for (uint32_t i = 0; i < n; i++)
                if (is_pending(&works[i])) {
                        works[i].file->error = error;
                        set_failed(&works[i]);
                }
        return false;
}

static void make(struct copy_tree *tree, struct copy_dir *dir, struct copy_work *work) {
        if (S_ISREG(work->from.mode))
                make_regular(tree, dir, work);
        else
                copy_node_make(tree, dir, work);
}

/* *bytes: that were copied before it, and after. */
static void run_group(struct copy_tree *tree, struct copy_dir *dir, struct copy_work *works, uint32_t n,
                      uint64_t *bytes) {
        if (!dir->finals && !dir->made && wear_for(tree->writer, works, n))
                for (uint32_t i = 0; i < n; i++)
                        if (is_pending(&works[i]))
                                copy_work_look(tree, dir, &works[i]);
        if (wear_for(tree->reader, works, n))
                for (uint32_t i = 0; i < n; i++)
                        if (is_pending(&works[i]))
                                copy_work_open(tree, dir, &works[i]);
        if (wear_for(tree->writer, works, n))
                for (uint32_t i = 0; i < n; i++)
                        if (is_pending(&works[i])) {
                                works[i].stopped = *bytes >= COPY_FILES_BYTES;
                                if (!works[i].stopped)
                                        make(tree, dir, &works[i]);
                                *bytes += works[i].file->bytes;
                        }
        if (wear_for(tree->keeper, works, n))
                for (uint32_t i = 0; i < n; i++)
                        if (is_pending(&works[i]))
                                copy_work_keep(tree, dir, &works[i]);
        for (uint32_t i = 0; i < n; i++)
                copy_work_end(tree, dir, &works[i]);
}

/* One that changed while it was copied, again: however much has been copied, or it would be begun anew for ever. */
static void again(struct copy_tree *tree, struct copy_dir *dir, struct copy_work *work, uint64_t *bytes) {
        struct copy_file *file = work->file;

        for (int tries = 1; work->changed && tries < TRIES; tries++) {
                uint64_t once = 0;

                copy_work_init(tree, dir, file, work);
                run_group(tree, dir, work, 1, &once);
                *bytes += once;
        }
        if (work->changed) {
                copy_failed(&file->error, EBUSY);
                file->error.why = "the source kept changing while it was copied";
                file->outcome = COPY_FAILED;
        }
}

void copy_files(struct copy_tree *tree, struct copy_dir *dir, struct copy_file *files, uint32_t n) {
        bool one = tree->reader == tree->writer && tree->writer == tree->keeper;
        struct copy_work works[COPY_GROUP_FILES];
        uint64_t bytes = 0;

        for (uint32_t i = 0; i < n; i++)
                files[i].outcome = COPY_PENDING;
        umask(0); /* every mode here is meant as it stands */
        for (uint32_t i = 0, group; i < n && bytes < COPY_FILES_BYTES && !copy_stopped(tree); i += group) {
                group = one ? 1 : n - i < COPY_GROUP_FILES ? n - i : COPY_GROUP_FILES;
                for (uint32_t j = 0; j < group; j++) {
                        copy_work_init(tree, dir, &files[i + j], &works[j]);
                        copy_work_may_create(dir, &works[j]);
                }
                run_group(tree, dir, works, group, &bytes);
                for (uint32_t j = 0; j < group; j++)
                        again(tree, dir, &works[j], &bytes);
        }
        umask(OWN_UMASK);
}
