/* SPDX-License-Identifier: MIT */
/*
 * copy_publish.c: from temporary names to final ones, or to nothing; and further links to what has its final name.
 */
#include "backends/linux/copy_linux.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define TRIES 3

static const char *final_name(const struct copy_tree *tree, const struct copy_dir *dir, const struct copy_file *file) {
        return dir->place ? tree->target_name : file->name;
}

static bool is_older(const struct fsop_stat *a, const struct fsop_stat *b) {
        /* NOLINTNEXTLINE(clang-analyzer-core.UndefinedBinaryOperatorResult): both were looked at */
        return a->mtime.sec != b->mtime.sec ? a->mtime.sec < b->mtime.sec : a->mtime.nsec < b->mtime.nsec;
}

/* ---- renaming ---------------------------------------------------------------------------------------------------- */

/* What is new is not needed after all. */
static void drop(struct copy_dir *dir, struct copy_file *file, enum copy_outcome outcome) {
        unlinkat(dir->target, file->temporary, 0);
        file->needs_publish = false;
        file->temporary[0] = 0;
        file->outcome = outcome;
}

/* The source's modification time is the new file's where times are preserved, and has to be asked for where they are
 * not. */
static int stat_of_source(struct copy_tree *tree, struct copy_dir *dir, const struct copy_file *file,
                          struct fsop_stat *ret_stat) {
        if (tree->options->preserve & FSOP_PRESERVE_TIMES)
                return lookup_stat(dir->target, file->temporary, false, ret_stat);
        if (dir->place) {
                *ret_stat = tree->source_stat;
                return 0;
        }
        return lookup_stat(dir->source, file->name, false, ret_stat);
}

/* What stands there by now: false when that decides it. */
static bool may_replace(struct copy_tree *tree, struct copy_dir *dir, struct copy_file *file, const char *name) {
        bool older = tree->options->update == FSOP_UPDATE_OLDER;
        struct fsop_stat old = {0}, from = {0};

        if (copy_check_names(tree, tree->writer, &file->error) < 0) {
                drop(dir, file, COPY_FAILED);
                return false;
        }
        if ((tree->to_guard == NULL && !older) || lookup_stat(dir->target, name, dir->to_fs != FS_LOCAL, &old) < 0)
                return true; /* nothing, or nothing that can be told: the rename will say */
        if (copy_guard_object(tree->to_guard, &old, &file->error) < 0) {
                drop(dir, file, COPY_FAILED);
                return false;
        }
        if (older && stat_of_source(tree, dir, file, &from) >= 0 && !is_older(&old, &from)) {
                drop(dir, file, COPY_SKIPPED);
                return false;
        }
        return true;
}

static int rename_no_replace(struct copy_dir *dir, const char *old, const char *new) {
        struct fsop_stat stat;
        int r;

        if (renameat2(dir->target, old, dir->target, new, RENAME_NOREPLACE) == 0)
                return 0;
        if (errno != EINVAL && errno != ENOSYS)
                return -errno;
        r = lookup_stat(dir->target, new, true, &stat);
        if (r != -ENOENT)
                return r < 0 ? r : -EEXIST;
        return renameat2(dir->target, old, dir->target, new, 0) < 0 ? -errno : 0;
}

static void publish(struct copy_tree *tree, struct copy_dir *dir, struct copy_file *file) {
        const char *name = final_name(tree, dir, file);
        enum fsop_update update = tree->options->update;
        int r;

        /* In a directory that this job has made nothing stands there, as a rule: then there is nothing to look at. */
        if (dir->made && renameat2(dir->target, file->temporary, dir->target, name, RENAME_NOREPLACE) == 0)
                r = 0;
        else if (!may_replace(tree, dir, file, name))
                return;
        else if (update == FSOP_UPDATE_NONE || update == FSOP_UPDATE_NONE_FAIL)
                r = rename_no_replace(dir, file->temporary, name);
        else
                r = renameat2(dir->target, file->temporary, dir->target, name, 0) < 0 ? -errno : 0;
        if (r == 0) {
                file->needs_publish = false;
                file->temporary[0] = 0;
        } else if (r == -EEXIST && update == FSOP_UPDATE_NONE) {
                drop(dir, file, COPY_SKIPPED);
        } else {
                copy_failed(&file->error, r == -ENOTEMPTY ? EISDIR : -r);
                if (file->error.os_error == EISDIR)
                        file->error.why = "a directory has the target's name";
                drop(dir, file, COPY_FAILED);
        }
}

static void fail_all(struct copy_file *files, uint32_t n, const struct copy_error *error) {
        for (uint32_t i = 0; i < n; i++)
                if (files[i].outcome == COPY_COPIED) {
                        files[i].error = *error;
                        files[i].outcome = COPY_FAILED;
                }
}

void copy_publish(struct copy_tree *tree, struct copy_dir *dir, struct copy_file *files, uint32_t n) {
        struct copy_error error;
        bool any = false;

        if (copy_wear(tree->writer, &error) < 0) {
                fail_all(files, n, &error);
                return;
        }
        for (uint32_t i = 0; i < n; i++)
                if (files[i].needs_publish) {
                        publish(tree, dir, &files[i]);
                        any = true;
                }
        if (any && tree->options->flush_each && copy_flush_directory(tree, dir->target, &error) < 0)
                fail_all(files, n, &error);
}

void copy_discard(struct copy_tree *tree, struct copy_dir *dir, struct copy_file *file) {
        if (file->outcome != COPY_COPIED || (!dir->finals && !file->needs_publish))
                return;
        file->outcome = COPY_FAILED;
        copy_unmake(tree, dir, dir->finals ? final_name(tree, dir, file) : file->temporary, file);
        file->needs_publish = false;
        file->temporary[0] = 0;
}

/* ---- further links ----------------------------------------------------------------------------------------------- */

/* What the source is, for comparing; and that it is what is meant by a further link. */
static int look_at_source(struct copy_tree *tree, struct copy_dir *dir, struct copy_file *file,
                          struct fsop_stat *ret_from) {
        int r = copy_check_reach(tree, dir, file->name, &file->error);

        if (r >= 0)
                r = copy_wear(tree->reader, &file->error);
        if (r < 0)
                return r;
        r = lookup_stat(dir->source, file->name, dir->from_fs != FS_LOCAL, ret_from);
        if (r < 0)
                return copy_failed(&file->error, -r);
        file->source_id = (struct object_id){stat_dev(ret_from), ret_from->ino};
        file->size = S_ISREG(ret_from->mode) ? ret_from->size : 0;
        return copy_guard_object(tree->from_guard, ret_from, &file->error);
}

/* With a rule's rights somebody else's file is not linked, whatever has been put in the first one's place. */
static bool is_ours(const struct copy_tree *tree, const struct fsop_stat *from, const struct fsop_stat *stat) {
        return tree->to_guard == NULL || tree->to_fs != FS_LOCAL || stat->uid == tree->writer->uid ||
               ((tree->options->preserve & FSOP_PRESERVE_OWNER) && stat->uid == from->uid);
}

/* The object that the first link became: what has its path must look like it. */
static int pin_first(struct copy_tree *tree, const char *path, const struct fsop_stat *from, struct fsop_stat *ret_stat,
                     struct copy_error *ret) {
        int fd = copy_open_below(tree->state->target_top, path, O_PATH, tree->state->to_stays);
        int r = fd < 0 ? fd : lookup_stat(fd, "", false, ret_stat);

        if (r >= 0 && ((ret_stat->mode & S_IFMT) != (from->mode & S_IFMT) || stat_is_directory(ret_stat) ||
                       !is_ours(tree, from, ret_stat) || (S_ISREG(from->mode) && ret_stat->size != from->size)))
                r = copy_refused(ret, -FSOP_ESTALE, "the first of the links is no longer what was copied");
        else if (r < 0)
                r = copy_failed(ret, -r);
        else
                r = copy_guard_object(tree->to_guard, ret_stat, ret);
        if (r < 0 && fd >= 0)
                close(fd);
        return r < 0 ? r : fd;
}

/* What stands under the further link's own name. True: that settles it. */
static bool is_settled(struct copy_tree *tree, struct copy_dir *dir, struct copy_file *file,
                       const struct fsop_stat *first, const struct fsop_stat *from) {
        enum fsop_update update = tree->options->update;
        struct fsop_stat old = {0};

        if (lookup_stat(dir->target, file->name, dir->to_fs != FS_LOCAL, &old) < 0)
                return false;
        if (same_object(&old, stat_dev(first), first->ino)) {
                file->outcome = COPY_COPIED;
        } else if (dir->finals) {
                return false;
        } else if (update == FSOP_UPDATE_NONE || (update == FSOP_UPDATE_OLDER && !is_older(&old, from))) {
                file->outcome = COPY_SKIPPED;
        } else if (update == FSOP_UPDATE_NONE_FAIL) {
                copy_failed(&file->error, EEXIST);
                file->outcome = COPY_FAILED;
        } else if (copy_guard_object(tree->to_guard, &old, &file->error) < 0) {
                file->outcome = COPY_FAILED;
        }
        return file->outcome != COPY_PENDING;
}

/* By way of /proc/self/fd, as in run_link. 0 or a negative errno. */
static int link_once(struct copy_dir *dir, int object, const char *name) {
        return linkat(service.proc_fd, fd_name(object).text, dir->target, name, AT_SYMLINK_FOLLOW) < 0 ? -errno : 0;
}

static int link_new(struct copy_tree *tree, struct copy_dir *dir, struct copy_file *file, int object) {
        int r, tries = TRIES;

        if (dir->finals) {
                r = link_once(dir, object, file->name);
                if (r == -EEXIST && tree->resumed && unlinkat(dir->target, file->name, 0) == 0)
                        r = link_once(dir, object, file->name);
                return r;
        }
        do {
                copy_next_temporary(tree, file->temporary);
                r = link_once(dir, object, file->temporary);
        } while (r == -EEXIST && tries-- > 0);
        if (r < 0)
                file->temporary[0] = 0;
        return r;
}

void copy_link(struct copy_tree *tree, const char *path, struct copy_dir *dir, struct copy_file *file) {
        struct fsop_stat from = {0}, first = {0};
        int object = -1, r;

        file->outcome = COPY_PENDING;
        file->error = (struct copy_error){0};
        file->bytes = file->cloned_bytes = 0;
        file->needs_publish = false;
        file->temporary[0] = 0;
        if (copy_stopped(tree))
                return;
        r = dir->no_creating ? copy_denied(&file->error, -FSOP_EPERM, dir->no_creating)
                             : look_at_source(tree, dir, file, &from);
        if (r >= 0)
                r = copy_wear(tree->writer, &file->error);
        if (r >= 0)
                r = object = pin_first(tree, path, &from, &first, &file->error);
        if (r >= 0 && !is_settled(tree, dir, file, &first, &from)) {
                r = link_new(tree, dir, file, object);
                if (r < 0)
                        r = copy_failed(&file->error, -r);
                else
                        file->outcome = COPY_COPIED;
                file->needs_publish = r >= 0 && !dir->finals;
        }
        if (r < 0)
                file->outcome = COPY_FAILED;
        if (object >= 0)
                close(object);
}

/* ---- an earlier run's -------------------------------------------------------------------------------------------- */

bool copy_is_there(struct copy_tree *tree, struct copy_dir *dir, const char *name) {
        struct fsop_stat from = tree->source_stat, to;
        struct copy_error error;

        if (!dir->place && (copy_wear(tree->reader, &error) < 0 ||
                            lookup_stat(dir->source, name, dir->from_fs != FS_LOCAL, &from) < 0))
                return false;
        if (copy_wear(tree->writer, &error) < 0 ||
            lookup_stat(dir->target, dir->place ? tree->target_name : name, dir->to_fs != FS_LOCAL, &to) < 0)
                return false;
        return (from.mode & S_IFMT) == (to.mode & S_IFMT) &&
               (!(S_ISREG(from.mode) || stat_is_link(&from)) || from.size == to.size);
}
