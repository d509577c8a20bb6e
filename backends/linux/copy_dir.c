/* SPDX-License-Identifier: MIT */
/*
 * copy_dir.c: directories of a tree: entered, listed, and given what they carry when nothing will be put into them any
 * more.
 */
#include "backends/linux/copy_linux.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define READ_BYTES 32768u
#define ACL_DEFAULT "system.posix_acl_default"
#define ACL_ACCESS "system.posix_acl_access"

/* ---- the object -------------------------------------------------------------------------------------------------- */

static struct copy_dir *dir_new(const char *above, const char *name, uint32_t depth) {
        struct copy_dir *dir = calloc(1, sizeof(*dir));

        if (dir == NULL)
                return NULL;
        dir->path = copy_join(above, name);
        if (dir->path == NULL) {
                free(dir);
                return NULL;
        }
        dir->depth = depth;
        dir->source = dir->target = -1;
        dir->made_owner = UINT64_MAX;
        return dir;
}

void copy_dir_close(struct copy_dir *dir) {
        if (dir->source >= 0)
                close(dir->source);
        if (dir->target >= 0)
                close(dir->target);
        dir->source = dir->target = -1;
        free(dir->buffer);
        dir->buffer = NULL;
        dir->at = dir->len = 0;
}

struct copy_dir *copy_dir_free(struct copy_dir *dir) {
        if (dir != NULL) {
                copy_dir_close(dir);
                free(dir->path);
                free(dir);
        }
        return NULL;
}

const char *copy_dir_path(const struct copy_dir *dir) {
        return dir->path;
}

/* ---- the source's side ------------------------------------------------------------------------------------------- */

/*
 * Where only the reader itself and the administrator may change names, what was listed as a file is one when it is
 * opened: it need not be pinned first, which costs 3.8 us of the 35 that a small file takes. With a rule's rights the
 * caller is not trusted.
 */
static bool is_undisturbed(const struct copy_tree *tree, const struct copy_dir *dir) {
        uint32_t uid = dir->from.uid;

        return dir->from_fs == FS_LOCAL && (dir->from.mode & (S_IWGRP | S_IWOTH)) == 0 && !tree->state->from_stays &&
               (uid == 0 || uid == service.uid || (tree->from_guard == NULL && uid == tree->reader->uid));
}

/* A pinned directory is looked at and opened. Takes over nothing. */
static int open_source(struct copy_tree *tree, struct copy_dir *dir, int object, const struct fsop_stat *parent,
                       struct copy_error *ret) {
        int r = lookup_stat(object, "", dir->from_fs != FS_LOCAL, &dir->from);

        if (r < 0)
                return copy_failed(ret, -r);
        dir->mount_point = tree->options->one_filesystem && stat_dev(&dir->from) != stat_dev(&tree->source_stat);
        r = copy_check_mount(object, &dir->from, parent, tree->state->from_client, &dir->from_fs, ret);
        if (r >= 0)
                r = copy_guard_object(tree->from_guard, &dir->from, ret);
        if (r < 0)
                return r;
        dir->undisturbed = is_undisturbed(tree, dir);
        dir->source = lookup_reopen(object, O_RDONLY | O_DIRECTORY);
        return dir->source < 0 ? copy_failed(ret, -dir->source) : 0;
}

static int enter_source(struct copy_tree *tree, const struct copy_dir *parent, const char *name, struct copy_dir *dir,
                        struct copy_error *ret) {
        int object, r = copy_wear(tree->reader, ret);

        if (r < 0)
                return r;
        dir->from_fs = parent->from_fs;
        object = copy_pin_source(tree, parent->source, name, O_PATH | O_DIRECTORY);
        if (object == -EXDEV && tree->from_guard != NULL)
                return copy_denied(ret, -FSOP_EXDEV, "it leads to another filesystem");
        if (object < 0)
                return copy_failed(ret, -object);
        r = open_source(tree, dir, object, &parent->from, ret);
        close(object);
        return r;
}

/* ---- the target's side ------------------------------------------------------------------------------------------- */

static bool sets_acl(const struct copy_tree *tree) {
        return (tree->options->preserve & (FSOP_PRESERVE_MODE | FSOP_PRESERVE_XATTR)) != 0;
}

static bool has_default_acl(int fd) {
        return xattr_get(fd, ACL_DEFAULT, NULL, 0) > 0;
}

/*
 * Makes a directory in one that has, or has not, a default ACL. Until it is finished only its maker may enter it. But
 * where the mode is not preserved it gets its own right away, as for mkdir(1): a default ACL changes what the kernel
 * makes of it, and into what is there a run that is killed must not leave it shut, because the next cannot tell who
 * made it.
 */
static int make(const struct copy_tree *tree, int dir_fd, const char *name, const struct copy_dir *dir,
                bool inherits_acl) {
        mode_t mode = 0700;
        int r;

        if (inherits_acl && !sets_acl(tree))
                mode = dir->from.mode & 0777;
        else if (!dir->finals && !(tree->options->preserve & FSOP_PRESERVE_MODE))
                mode |= dir->from.mode & 0777 & ~tree->options->umask;
        umask(0);
        r = mkdirat(dir_fd, name, mode) < 0 ? -errno : 0;
        umask(OWN_UMASK);
        return r;
}

static int drop_acl(int fd, const char *name) {
        return xattr_remove(fd, name) < 0 && errno != ENODATA && errno != EOPNOTSUPP ? -errno : 0;
}

/* What was made has no ACL before it gets one, and so what is made in it inherits none. */
static int drop_inherited_acl(struct copy_tree *tree, struct copy_dir *dir) {
        int r;

        if (!dir->inherits_acl || !sets_acl(tree))
                return 0;
        r = drop_acl(dir->target, ACL_DEFAULT);
        if (r == 0)
                r = drop_acl(dir->target, ACL_ACCESS);
        if (r == 0)
                r = lookup_stat(dir->target, "", false, &dir->to); /* the mode is another one now */
        dir->inherits_acl = r < 0;
        return r;
}

/* A directory that this job has made, now or in an earlier run. */
static int settle_made(struct copy_tree *tree, struct copy_dir *dir, struct copy_error *ret) {
        bool finished_before =
                dir->found && tree->options->preserve & FSOP_PRESERVE_OWNER && dir->to.uid == dir->from.uid;
        int r;

        if (dir->to.uid != tree->writer->uid && !finished_before)
                return copy_refused(ret, -FSOP_ESTALE, "somebody else's directory has the name of one that was made");
        dir->plain_mode = dir->inherits_acl && !sets_acl(tree) ? dir->to.mode & 0777
                                                               : dir->from.mode & 0777 & ~tree->options->umask;
        r = drop_inherited_acl(tree, dir);
        if (r == 0 && (dir->to.mode & 0700) != 0700) {
                if (fchmodat(service.proc_fd, fd_name(dir->target).text, (dir->to.mode & 07777) | 0700, 0) < 0)
                        r = -errno;
                dir->to.mode |= 0700;
        }
        return r < 0 ? copy_failed(ret, -r) : 0;
}

/* Everything about a target directory that is pinned in dir->target. */
static int look_at_target(struct copy_tree *tree, struct copy_dir *dir, const struct fsop_stat *parent,
                          struct copy_error *ret) {
        int r = lookup_stat(dir->target, "", dir->to_fs != FS_LOCAL, &dir->to);

        if (r < 0)
                return copy_failed(ret, -r);
        if (parent != NULL)
                r = copy_check_mount(dir->target, &dir->to, parent, tree->state->to_client, &dir->to_fs, ret);
        if (r >= 0)
                r = copy_guard_object(tree->to_guard, &dir->to, ret);
        if (r >= 0)
                r = copy_guard_directory(tree->to_guard, tree->state->to_client, dir->target, &dir->to, ret);
        /*
         * Whose it is counts when something is made in it: an earlier run may have finished it, and given it away. In a
         * fresh tree everything is the job's own (settle_made).
         */
        dir->no_creating = dir->finals ? NULL : copy_guard_creating(tree->to_guard, &dir->to);
        return r;
}

/* Opens NAME in the target, or makes it first. */
static int make_or_open(struct copy_tree *tree, const struct copy_dir *parent, int dir_fd, const char *name,
                        struct copy_dir *dir, struct copy_error *ret) {
        int r = parent->no_creating ? -EEXIST : make(tree, dir_fd, name, dir, parent->inherits_acl);

        if (r < 0 && r != -EEXIST)
                return copy_not_made(ret, -r);
        dir->made = r == 0;
        if (r == -EEXIST && !dir->finals)
                r = 0;
        if (r == -EEXIST && tree->resumed) {
                dir->made = dir->found = true;
                r = 0;
        }
        if (r == 0)
                r = dir->target = copy_pin_target(tree, dir_fd, name, O_PATH | O_DIRECTORY);
        if (r == -EXDEV && tree->to_guard != NULL)
                return copy_denied(ret, -FSOP_EXDEV, "it leads to another filesystem");
        if ((r == -ENOENT || r == -EEXIST) && parent->no_creating)
                return copy_denied(ret, -FSOP_EPERM, parent->no_creating);
        return r < 0 ? copy_failed(ret, -r) : 0;
}

static int enter_target(struct copy_tree *tree, const struct copy_dir *parent, const char *name, struct copy_dir *dir,
                        struct copy_error *ret) {
        int r = copy_wear(tree->writer, ret);

        if (r < 0)
                return r;
        dir->to_fs = parent->to_fs;
        dir->finals = parent->finals;
        r = make_or_open(tree, parent, parent->target, name, dir, ret);
        if (r >= 0)
                r = look_at_target(tree, dir, &parent->to, ret);
        if (r < 0)
                return r;
        /* What an earlier run has finished may have got its default ACL: it goes until the directory is finished
         * again. */
        dir->inherits_acl = dir->made && !dir->found ? parent->inherits_acl : has_default_acl(dir->target);
        if (dir->made)
                r = settle_made(tree, dir, ret);
        else if (tree->resumed)
                r = copy_sweep(tree, dir->target, false, ret);
        if (r >= 0 && stat_dev(&dir->to) != stat_dev(&parent->to))
                copy_note_mount(tree, dir->target, &dir->to);
        return r;
}

int copy_enter(struct copy_tree *tree, struct copy_dir *parent, const char *name, struct copy_dir **ret_dir,
               struct copy_error *ret) {
        struct copy_dir *dir;
        int r;

        *ret = (struct copy_error){0};
        *ret_dir = NULL;
        if (parent->depth >= COPY_DEPTH_MAX)
                return copy_refused(ret, -FSOP_ELOOP, "the tree is too deep");
        dir = dir_new(parent->path, name, parent->depth + 1);
        if (dir == NULL)
                return copy_failed(ret, ENOMEM);
        r = copy_check_reach(tree, parent, name, ret);
        if (r >= 0)
                r = enter_source(tree, parent, name, dir, ret);
        if (r >= 0)
                r = enter_target(tree, parent, name, dir, ret);
        if (r >= 0)
                r = copy_check_names(tree, tree->writer, ret);
        if (r < 0) {
                copy_dir_free(dir);
                return r;
        }
        *ret_dir = dir;
        return 0;
}

/* ---- the top ----------------------------------------------------------------------------------------------------- */

/* The directory that the target is in, for its default ACL and for single files. */
static int open_place(struct copy_tree *tree, struct copy_dir *dir, struct copy_error *ret) {
        dir->target = fcntl((int)tree->target_parent, F_DUPFD_CLOEXEC, 0);
        if (dir->target < 0)
                return copy_failed(ret, errno);
        return look_at_target(tree, dir, NULL, ret);
}

static int top_of_file(struct copy_tree *tree, struct copy_dir *dir, struct copy_error *ret) {
        int r = copy_wear(tree->writer, ret);

        dir->place = true;
        dir->from = tree->source_stat;
        if (r >= 0)
                r = open_place(tree, dir, ret);
        if (r < 0)
                return r;
        dir->inherits_acl = has_default_acl(dir->target);
        return tree->resumed ? copy_sweep(tree, dir->target, false, ret) : 0;
}

static int top_made(struct copy_tree *tree, struct copy_dir *dir, struct copy_error *ret) {
        struct copy_dir place = {.source = -1, .target = -1, .to_fs = tree->to_fs};
        int r = open_place(tree, &place, ret);

        if (r >= 0) {
                dir->finals = true;
                dir->inherits_acl = place.inherits_acl = has_default_acl(place.target);
                r = make_or_open(tree, &place, (int)tree->target_parent, tree->temporary, dir, ret);
        }
        if (r >= 0)
                r = look_at_target(tree, dir, &place.to, ret);
        if (r >= 0 && dir->found) {
                dir->inherits_acl = has_default_acl(dir->target);
                r = copy_check_made(tree, &dir->to, ret);
        } else if (r >= 0) {
                tree->top = (struct copy_made){dir->to.ino, dir->to.btime};
        }
        if (r >= 0)
                r = settle_made(tree, dir, ret);
        if (place.target >= 0)
                close(place.target);
        return r;
}

static int top_that_exists(struct copy_tree *tree, struct copy_dir *dir, struct copy_error *ret) {
        int r;

        dir->target = fcntl(tree->state->target, F_DUPFD_CLOEXEC, 0);
        if (dir->target < 0)
                return copy_failed(ret, errno);
        r = look_at_target(tree, dir, NULL, ret);
        if (r < 0)
                return r;
        dir->inherits_acl = has_default_acl(dir->target);
        return tree->resumed ? copy_sweep(tree, dir->target, false, ret) : 0;
}

static int top_of_directory(struct copy_tree *tree, struct copy_dir *dir, struct copy_error *ret) {
        int r = copy_wear(tree->reader, ret);

        if (r >= 0)
                r = open_source(tree, dir, (int)tree->source, &tree->source_stat, ret);
        if (r >= 0)
                r = copy_guard_directory(tree->from_guard, tree->state->from_client, dir->source, &dir->from, ret);
        if (r >= 0)
                r = copy_wear(tree->writer, ret);
        if (r >= 0)
                r = tree->fresh ? top_made(tree, dir, ret) : top_that_exists(tree, dir, ret);
        return r;
}

int copy_top(struct copy_tree *tree, struct copy_dir **ret_dir, struct copy_error *ret) {
        struct copy_state *state = tree->state;
        struct copy_dir *dir = dir_new("", "", 0);
        int r;

        *ret = (struct copy_error){0};
        *ret_dir = NULL;
        if (dir == NULL)
                return copy_failed(ret, ENOMEM);
        dir->from_fs = tree->from_fs;
        dir->to_fs = tree->to_fs;
        r = state->single ? top_of_file(tree, dir, ret) : top_of_directory(tree, dir, ret);
        if (r >= 0) {
                int top = fcntl(dir->target, F_DUPFD_CLOEXEC, 0);

                if (top < 0) {
                        r = copy_failed(ret, errno);
                } else {
                        if (state->target_top >= 0)
                                close(state->target_top);
                        state->target_top = top;
                        state->top = (struct object_id){stat_dev(&dir->to), dir->to.ino};
                        copy_note_mount(tree, dir->target, &dir->to);
                }
        }
        if (r < 0) {
                copy_dir_free(dir);
                return r;
        }
        *ret_dir = dir;
        return 0;
}

/* ---- listing ----------------------------------------------------------------------------------------------------- */

/* The target, where it lies in the source. */
static bool is_own_top(const struct copy_tree *tree, const struct copy_dir *dir, const struct kernel_entry *entry) {
        return entry->ino == tree->state->top.ino && stat_dev(&dir->from) == tree->state->top.dev &&
               !tree->state->single && (entry->type == DT_DIR || entry->type == DT_UNKNOWN);
}

/* False: no room for it any more. */
static bool add_name(struct copy_names *names, size_t *used, const struct kernel_entry *entry) {
        size_t len = strlen(entry->name);

        if (names->n == COPY_NAMES_MAX || *used + len + 1 > sizeof(names->texts))
                return false;
        memcpy(names->texts + *used, entry->name, len + 1);
        names->names[names->n++] = (struct copy_name){
                .type = entry->type == DT_UNKNOWN ? FSOP_TYPE_UNKNOWN : posix_file_type(DTTOIF(entry->type)),
                .at = (uint16_t)*used};
        *used += len + 1;
        return true;
}

static bool is_dot(const char *name) {
        return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* 1, 0 at the end, or a negative errno. */
static int fill(struct copy_dir *dir) {
        long n;

        if (dir->buffer == NULL)
                dir->buffer = malloc(READ_BYTES);
        if (dir->buffer == NULL)
                return -ENOMEM;
        do
                n = syscall(SYS_getdents64, dir->source, dir->buffer, READ_BYTES);
        while (n < 0 && errno == EINTR);
        if (n <= 0)
                return n < 0 ? -errno : 0;
        dir->at = 0;
        dir->len = (size_t)n;
        return 1;
}

int copy_list(struct copy_tree *tree, struct copy_dir *dir, struct copy_names *names, struct copy_error *ret) {
        size_t used = 0;

        *ret = (struct copy_error){0};
        names->n = 0;
        names->end = dir->place || dir->mount_point;
        while (!names->end) {
                while (dir->at < dir->len) {
                        const struct kernel_entry *entry =
                                (const struct kernel_entry *)(const void *)(dir->buffer + dir->at);

                        int r = is_dot(entry->name) ? 1 : copy_leaves_out(tree, dir->path, entry->name);

                        if (r < 0)
                                return copy_failed(ret, -r);
                        if (r == 0 && !is_own_top(tree, dir, entry) && !add_name(names, &used, entry))
                                return 0;
                        dir->at += entry->length;
                }
                if (names->n == COPY_NAMES_MAX)
                        return 0;
                int r = fill(dir);

                if (r < 0)
                        return copy_failed(ret, -r);
                names->end = r == 0;
        }
        return 0;
}

/* ---- what it carries --------------------------------------------------------------------------------------------- */

/* The same directory again, or ESTALE. */
static int reopen(int top, const struct copy_dir *dir, const struct fsop_stat *was, uint64_t open_flags, bool stays,
                  int *fd, struct copy_error *ret) {
        struct fsop_stat stat;
        int r;

        if (*fd < 0)
                *fd = copy_open_below(top, dir->path, open_flags, stays);
        if (*fd < 0)
                return copy_failed(ret, -*fd);
        r = lookup_stat(*fd, "", false, &stat);
        if (r < 0)
                return copy_failed(ret, -r);
        if (!same_object(&stat, stat_dev(was), was->ino))
                return copy_refused(ret, -FSOP_ESTALE, "the directory was moved while the tree was copied");
        return 0;
}

static int read_source(struct copy_tree *tree, struct copy_dir *dir, struct copy_xattrs *xattrs,
                       struct copy_error *ret) {
        int r;

        if (!(tree->options->preserve & FSOP_PRESERVE_XATTR))
                return 0;
        r = copy_wear(tree->reader, ret);
        if (r >= 0 && dir->source < 0)
                r = reopen((int)tree->source, dir, &dir->from, O_RDONLY | O_DIRECTORY, tree->state->from_stays,
                           &dir->source, ret);
        if (r < 0)
                return r;
        r = copy_xattrs_read(dir->source, false, xattrs);
        return r < 0 ? copy_failed(ret, -r) : 0;
}

static int find_target(struct copy_tree *tree, struct copy_dir *dir, struct copy_error *ret) {
        bool closed = dir->target < 0;
        int r = copy_wear(tree->writer, ret);

        if (r >= 0)
                r = reopen(tree->state->target_top, dir, &dir->to, O_PATH | O_DIRECTORY, tree->state->to_stays,
                           &dir->target, ret);
        if (r >= 0 && closed)
                r = copy_guard_directory(tree->to_guard, tree->state->to_client, dir->target, &dir->to, ret);
        return r;
}

static int keep(struct copy_tree *tree, struct copy_dir *dir, const struct copy_xattrs *xattrs,
                struct copy_error *ret) {
        struct copy_object object = {
                .tree = tree,
                .name = dir->path,
                .fd = dir->target,
                .pinned = true,
                .source = &dir->from,
                .xattrs = tree->options->preserve & FSOP_PRESERVE_XATTR ? xattrs : NULL,
                .uid = dir->to.uid,
                .gid = dir->to.gid,
                .mode = dir->to.mode & 07777,
                .plain_mode = dir->made ? dir->plain_mode | (dir->to.mode & S_ISGID) : dir->to.mode & 07777,
                .had = dir->to.mode & SET_ID_BITS,
                .existed = !dir->made,
        };
        int r = copy_wear(tree->keeper, ret);

        return r < 0 ? r : copy_keep(&object, ret);
}

/* An earlier run has finished it. */
static bool is_finished(const struct copy_dir *dir, uint32_t preserve) {
        const struct fsop_stat *from = &dir->from, *to = &dir->to;

        if ((preserve & FSOP_PRESERVE_MODE) && from->mode != to->mode)
                return false;
        if ((preserve & FSOP_PRESERVE_OWNER) && (from->uid != to->uid || from->gid != to->gid))
                return false;
        return !(preserve & FSOP_PRESERVE_TIMES) ||
               (from->mtime.sec == to->mtime.sec && from->mtime.nsec == to->mtime.nsec);
}

int copy_finish_dir(struct copy_tree *tree, struct copy_dir *dir, struct copy_error *ret) {
        struct copy_xattrs xattrs = {0};
        int r;

        *ret = (struct copy_error){0};
        if (dir->place)
                return 0;
        if (dir->no_creating) /* nor anything changed */
                return is_finished(dir, tree->options->preserve) ? 0 : copy_denied(ret, -FSOP_EPERM, dir->no_creating);
        r = read_source(tree, dir, &xattrs, ret);
        if (r >= 0)
                r = find_target(tree, dir, ret);
        if (r >= 0)
                r = keep(tree, dir, &xattrs, ret);
        if (r >= 0 && tree->options->flush_each)
                r = copy_flush_directory(tree, dir->target, ret);
        copy_xattrs_fini(&xattrs);
        return r;
}
