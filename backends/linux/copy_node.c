/* SPDX-License-Identifier: MIT */
/*
 * copy_node.c: symbolic links, FIFOs, sockets and devices, made anew.
 *
 * No call makes one of them and gives a descriptor of it, so what is found under the name afterwards could be something
 * else: it must be just what was made, or it is left alone.
 */
#include "backends/linux/copy_linux.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define TRIES 3

static bool is_device(const struct fsop_stat *stat) {
        return S_ISCHR(stat->mode) || S_ISBLK(stat->mode);
}

/* NULL: it may be made. */
static const char *refusal(const struct copy_tree *tree, const struct copy_work *work, const char *path) {
        const struct fsop_stat *from = &work->from;

        if (stat_is_link(from))
                return NULL;
        if (tree->permits != NULL)
                return tree->permits->node(tree->permits->context, (struct bytes){(const uint8_t *)path, strlen(path)},
                                           posix_file_type(from->mode), from->rdev_major, from->rdev_minor);
        return tree->to_guard != NULL && is_device(from) ? "devices are not made with a rule's rights" : NULL;
}

static int make_once(struct copy_dir *dir, const struct copy_work *work) {
        const struct fsop_stat *from = &work->from;
        dev_t device = is_device(from) ? makedev(from->rdev_major, from->rdev_minor) : 0;

        if (work->text != NULL)
                return symlinkat(work->text, dir->target, work->made_name) < 0 ? -errno : 0;
        return mknodat(dir->target, work->made_name, (from->mode & S_IFMT) | 0600, device) < 0 ? -errno : 0;
}

static int same_text(int fd, const char *text) {
        char found[WIRE_PATH_BYTES_MAX + 1];
        int n = lookup_read_link(fd, found, sizeof(found));

        return n < 0 ? n : strcmp(found, text) == 0;
}

/* 1, 0, or a negative errno. */
static int is_what_was_made(const struct copy_tree *tree, const struct copy_dir *dir, const struct copy_work *work,
                            const struct fsop_stat *stat) {
        const struct fsop_stat *from = &work->from;

        if ((stat->mode & S_IFMT) != (from->mode & S_IFMT) || stat->nlink != 1)
                return 0;
        if (dir->to_fs == FS_LOCAL && stat->uid != tree->writer->uid) /* elsewhere a server says whose it is */
                return 0;
        if (is_device(from) && (stat->rdev_major != from->rdev_major || stat->rdev_minor != from->rdev_minor))
                return 0;
        return work->text == NULL ? 1 : same_text(work->target, work->text);
}

static void pin_made(struct copy_tree *tree, struct copy_dir *dir, struct copy_work *work) {
        struct fsop_stat stat;
        int r;

        work->target = copy_pin_target(tree, dir->target, work->made_name, O_PATH);
        r = work->target < 0 ? work->target : lookup_stat(work->target, "", false, &stat);
        if (r >= 0)
                r = is_what_was_made(tree, dir, work, &stat);
        if (r < 0) {
                copy_work_failed(work, -r);
        } else if (r == 0) {
                work->is_made = false; /* not ours to remove */
                copy_refused(&work->file->error, -FSOP_ESTALE, "what was made was replaced by something else");
                work->file->outcome = COPY_FAILED;
        } else {
                work->owner = (uint64_t)stat.uid << 32 | stat.gid;
                work->mode = stat.mode & 07777;
        }
}

void copy_node_make(struct copy_tree *tree, struct copy_dir *dir, struct copy_work *work) {
        char *path = copy_join(dir->path, dir->place ? "" : work->file->name);
        const char *why;
        int r, tries = TRIES;

        if (path == NULL) {
                copy_work_failed(work, ENOMEM);
                return;
        }
        why = refusal(tree, work, path);
        free(path);
        if (why != NULL) {
                copy_denied(&work->file->error, -FSOP_EPERM, why);
                work->file->outcome = COPY_FAILED;
                return;
        }
        copy_work_name(tree, dir, work);
        do
                r = make_once(dir, work);
        while (r == -EEXIST && tries-- > 0 && copy_work_name_taken(tree, dir, work));
        if (r < 0) {
                if (work->file->outcome == COPY_PENDING)
                        copy_work_failed(work, -r);
                return;
        }
        work->is_made = true;
        pin_made(tree, dir, work);
}
