/* SPDX-License-Identifier: MIT */
/*
 * copy_tree.c: a tree to be copied: its two ends, what may not be done with them, its last rename, its filesystems'
 * flush; and how the calls of a copy fail.
 */
#include "backends/linux/copy_linux.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#define SERIAL_BYTES 9u /* "-" and eight digits */

/* ---- failing ----------------------------------------------------------------------------------------------------- */

int copy_failed(struct copy_error *ret, int os_errno) {
        *ret = (struct copy_error){.code = error_from_errno(os_errno), .os_error = os_errno};
        return ret->code;
}

int copy_not_made(struct copy_error *ret, int os_errno) {
        int code = copy_failed(ret, os_errno);

        if (os_errno == EACCES || os_errno == EROFS)
                ret->why = "nothing may be made in the target's directory";
        return code;
}

int copy_refused(struct copy_error *ret, int code, const char *why) {
        *ret = (struct copy_error){.code = code, .why = why};
        return code;
}

int copy_denied(struct copy_error *ret, int code, const char *why) {
        *ret = (struct copy_error){.code = code, .why = why, .denied = true};
        return code;
}

int copy_wear(struct identity *identity, struct copy_error *ret) {
        int r = identity_wear(identity);

        return r < 0 ? copy_refused(ret, r, "the identity could not be taken") : 0;
}

bool copy_stopped(const struct copy_tree *tree) {
        return __atomic_load_n(&tree->stop, __ATOMIC_RELAXED) != 0;
}

/* ---- both ends --------------------------------------------------------------------------------------------------- */

static int take(os_fd fd, os_fd *ret_fd, struct copy_error *ret) {
        int own = fcntl((int)fd, F_DUPFD_CLOEXEC, 0);

        if (own < 0)
                return copy_failed(ret, errno);
        *ret_fd = own;
        return 0;
}

static int take_source(struct copy_tree *tree, const struct place *at, struct copy_error *ret) {
        int r = take(at->object, &tree->source, ret);

        if (r < 0)
                return r;
        r = lookup_stat((int)tree->source, "", at->fs != FS_LOCAL, &tree->source_stat);
        if (r < 0)
                return copy_failed(ret, -r);
        tree->from_fs = at->fs;
        tree->state->from_client = at->base_is_client_fd;
        tree->state->from_by_name = guard_is_by_name(at);
        tree->state->from_stays = at->guard != NULL && guard_stays_on_mount(at);
        return copy_guard_object(tree->from_guard, &tree->source_stat, ret);
}

/* The target's name, without slashes behind it. */
static int take_name(struct copy_tree *tree, const char *leaf, bool *ret_slashes, struct copy_error *ret) {
        size_t len = strlen(leaf), bare = len;

        while (bare > 0 && leaf[bare - 1] == '/')
                bare--;
        *ret_slashes = bare < len;
        if (bare > WIRE_NAME_BYTES_MAX)
                return copy_failed(ret, ENAMETOOLONG);
        memcpy(tree->target_name, leaf, bare);
        tree->target_name[bare] = 0;
        if (bare == 0 || strcmp(tree->target_name, ".") == 0 || strcmp(tree->target_name, "..") == 0)
                return copy_failed(ret, EINVAL);
        return 0;
}

/* What has the target's name already. */
static int find_target(struct copy_tree *tree, const struct place *to, bool slashes, struct copy_error *ret) {
        struct copy_state *state = tree->state;
        struct fsop_stat parent;
        int r = copy_wear(tree->writer, ret);

        if (r < 0)
                return r;
        r = lookup_stat((int)tree->target_parent, "", false, &parent);
        if (r < 0)
                return copy_failed(ret, -r);
        tree->target_parent_id = (struct object_id){stat_dev(&parent), parent.ino};
        state->target = copy_pin_target(tree, (int)tree->target_parent, tree->target_name, O_PATH);
        if (state->target == -ENOENT) {
                state->target = -1;
                if (slashes && !stat_is_directory(&tree->source_stat))
                        return copy_failed(ret, ENOTDIR);
                return copy_check_new_name(tree, &parent, tree->target_name, true, tree->writer, ret);
        }
        if (state->target < 0) {
                r = state->target;
                state->target = -1;
                if (r == -EXDEV && to->guard != NULL)
                        return copy_denied(ret, -FSOP_EXDEV, "it leads to another filesystem");
                return copy_failed(ret, -r);
        }
        tree->to_exists = true;
        r = lookup_stat(state->target, "", to->fs != FS_LOCAL, &state->target_stat);
        if (r < 0)
                return copy_failed(ret, -r);
        if (slashes && !stat_is_directory(&state->target_stat))
                return copy_failed(ret, ENOTDIR);
        r = copy_check_mount(state->target, &state->target_stat, &parent, state->to_client, &tree->to_fs, ret);
        return r < 0 ? r : copy_guard_object(tree->to_guard, &state->target_stat, ret);
}

static int take_target(struct copy_tree *tree, const struct place *to, struct copy_error *ret) {
        bool slashes;
        int r;

        tree->to_fs = to->fs;
        tree->state->to_client = to->base_is_client_fd;
        tree->state->to_by_name = guard_is_by_name(to);
        tree->state->to_stays = to->guard != NULL && guard_stays_on_mount(to);
        r = take_name(tree, to->leaf, &slashes, ret);
        if (r >= 0)
                r = take(to->parent, &tree->target_parent, ret);
        return r < 0 ? r : find_target(tree, to, slashes, ret);
}

/* ---- what makes no sense ----------------------------------------------------------------------------------------- */

/* Whether the target's directory is the source or lies in it. What cannot be told is no: copy_list leaves the target
 * out then. */
static bool lies_in_source(const struct copy_tree *tree) {
        int fd = (int)tree->target_parent;
        struct fsop_stat here, above;

        identity_wear_service();
        if (lookup_stat(fd, "", false, &here) < 0)
                return false;
        for (unsigned level = 1;; level++) {
                if (same_object(&here, stat_dev(&tree->source_stat), tree->source_stat.ino))
                        return true;
                if (lookup_stat_above(fd, level, &above) < 0)
                        return false;
                if (above.mnt_id == here.mnt_id && same_object(&above, stat_dev(&here), here.ino))
                        return false;
                here = above;
        }
}

static int check_ends(struct copy_tree *tree, struct copy_error *ret) {
        struct copy_state *state = tree->state;
        bool directory = stat_is_directory(&tree->source_stat);

        if (directory && !tree->options->recursive)
                return copy_refused(ret, -FSOP_EISDIR, "the source is a directory, and recursion was not asked for");
        if (tree->to_exists && same_object(&state->target_stat, stat_dev(&tree->source_stat), tree->source_stat.ino))
                return copy_refused(ret, -FSOP_EINVAL, "source and target are the same");
        if (tree->to_exists && directory && !stat_is_directory(&state->target_stat))
                return copy_refused(ret, -FSOP_ENOTDIR, "the source is a directory, and the target is none");
        if (tree->to_exists && !directory && stat_is_directory(&state->target_stat))
                return copy_refused(ret, -FSOP_EISDIR, "the target is a directory, and the source is none");
        state->overlaps = directory && lies_in_source(tree);
        /* On another filesystem, which is left out, it is not in the way. */
        if (state->overlaps &&
            (!tree->options->one_filesystem || tree->target_parent_id.dev == stat_dev(&tree->source_stat)))
                return copy_refused(ret, -FSOP_EINVAL, "the target lies in the source");
        return 0;
}

/* ---- opening and closing ----------------------------------------------------------------------------------------- */

static uint32_t random_serial(void) {
        uint32_t serial;

        if (getrandom(&serial, sizeof(serial), GRND_NONBLOCK) != sizeof(serial))
                serial = (uint32_t)sys_monotonic_ms() * UINT32_C(2654435761) ^ (uint32_t)getpid();
        return serial;
}

int copy_open(struct copy_tree *tree, const struct sys_op *op, struct copy_error *ret) {
        int r;

        *ret = (struct copy_error){0};
        tree->source = tree->target_parent = OS_FD_NONE;
        tree->target_name[0] = 0;
        tree->fresh = tree->to_exists = false;
        tree->serial = random_serial();
        tree->no_clone = tree->options->clone == FSOP_CLONE_NEVER;
        tree->state = NULL;
        if (tree->temporary[0] == 0 || strlen(tree->temporary) + SERIAL_BYTES >= COPY_TEMPORARY_BYTES)
                return copy_failed(ret, EINVAL);
        tree->state = calloc(1, sizeof(*tree->state));
        if (tree->state == NULL)
                return copy_failed(ret, ENOMEM);
        tree->state->target = tree->state->target_top = -1;
        pthread_mutex_init(&tree->state->lock, NULL);
        copy_data_tree_opened();
        r = take_source(tree, &op->at, ret);
        ret->source = r < 0;
        if (r >= 0)
                r = take_target(tree, &op->to, ret);
        if (r >= 0)
                r = check_ends(tree, ret);
        if (r < 0) {
                copy_close(tree);
                return r;
        }
        tree->state->single = !stat_is_directory(&tree->source_stat);
        tree->fresh = !tree->state->single && !tree->to_exists;
        return 0;
}

static void close_fd(int fd) {
        if (fd >= 0)
                close(fd);
}

void copy_close(struct copy_tree *tree) {
        struct copy_state *state = tree->state;

        sys_close(tree->source);
        sys_close(tree->target_parent);
        tree->source = tree->target_parent = OS_FD_NONE;
        if (state == NULL)
                return;
        close_fd(state->target);
        close_fd(state->target_top);
        for (uint32_t i = 0; i < state->n_mounts; i++)
                close_fd(state->mounts[i].fd);
        pthread_mutex_destroy(&state->lock);
        free(state);
        tree->state = NULL;
        copy_data_tree_closed();
}

void copy_devices(const struct copy_tree *tree, uint64_t *ret_from, uint64_t *ret_to) {
        *ret_from = stat_dev(&tree->source_stat);
        *ret_to = tree->to_exists && stat_is_directory(&tree->state->target_stat) ? stat_dev(&tree->state->target_stat)
                                                                                  : tree->target_parent_id.dev;
}

/* ---- durability -------------------------------------------------------------------------------------------------- */

/* A directory opened so that it can be flushed: as the service, which may, or as the writer where the service may
 * not. */
static int open_to_flush(const struct copy_tree *tree, int directory) {
        int fd;

        identity_wear_service();
        fd = lookup_reopen(directory, O_RDONLY | O_DIRECTORY);
        if (fd == -EACCES || fd == -EPERM)
                fd = identity_wear(tree->writer) < 0 ? -EPERM : lookup_reopen(directory, O_RDONLY | O_DIRECTORY);
        return fd;
}

void copy_note_mount(struct copy_tree *tree, int directory, const struct fsop_stat *stat) {
        struct copy_state *state = tree->state;
        uint64_t dev = stat_dev(stat);
        uint32_t i;
        int fd;

        pthread_mutex_lock(&state->lock);
        for (i = 0; i < state->n_mounts && state->mounts[i].dev != dev;)
                i++;
        if (i == state->n_mounts) {
                /* Opened now: a flush tells of what went wrong since then. */
                fd = i == COPY_MOUNTS_MAX ? -EMFILE : open_to_flush(tree, directory);
                if (fd < 0) {
                        state->too_many_mounts = true;
                } else {
                        state->mounts[i].dev = dev;
                        state->mounts[i].fd = fd;
                        state->n_mounts++;
                }
        }
        pthread_mutex_unlock(&state->lock);
}

int copy_flush(struct copy_tree *tree, struct copy_error *ret) {
        struct copy_state *state = tree->state;
        uint32_t n;
        bool all;

        *ret = (struct copy_error){0};
        pthread_mutex_lock(&state->lock);
        n = state->n_mounts;
        all = state->too_many_mounts;
        pthread_mutex_unlock(&state->lock);
        if (all)
                sync();
        for (uint32_t i = 0; i < n; i++)
                if (syncfs(state->mounts[i].fd) < 0)
                        return copy_failed(ret, errno);
        return 0;
}

int copy_flush_directory(const struct copy_tree *tree, int directory, struct copy_error *ret) {
        int fd = open_to_flush(tree, directory), r = 0;

        if (fd < 0)
                return copy_failed(ret, -fd);
        if (fsync(fd) < 0)
                r = copy_failed(ret, errno);
        close(fd);
        return r;
}

/* ---- the top gets its name --------------------------------------------------------------------------------------- */

/* Where the filesystem knows no rename that leaves what is there: after a look. */
static int rename_looking(struct copy_tree *tree) {
        struct fsop_stat stat;
        int dir_fd = (int)tree->target_parent, r = lookup_stat(dir_fd, tree->target_name, true, &stat);

        if (r != -ENOENT)
                return r < 0 ? r : -EEXIST;
        return renameat2(dir_fd, tree->temporary, dir_fd, tree->target_name, 0) < 0 ? -errno : 0;
}

int copy_publish_top(struct copy_tree *tree, bool flush, struct copy_error *ret) {
        struct copy_state *state = tree->state;
        struct fsop_stat stat;
        int dir_fd = (int)tree->target_parent, r;

        *ret = (struct copy_error){0};
        close_fd(state->target_top);
        state->target_top = -1;
        r = copy_wear(tree->writer, ret);
        if (r < 0)
                return r;
        r = lookup_stat(dir_fd, tree->temporary, false, &stat);
        if (r < 0)
                return copy_failed(ret, -r);
        if (!same_object(&stat, state->top.dev, state->top.ino))
                return copy_refused(ret, -FSOP_ESTALE, "the directory that was filled has been moved away");
        r = renameat2(dir_fd, tree->temporary, dir_fd, tree->target_name, RENAME_NOREPLACE) < 0 ? -errno : 0;
        if (r == -EINVAL || r == -ENOSYS)
                r = rename_looking(tree);
        if (r == -EEXIST) {
                copy_failed(ret, EEXIST);
                ret->why = "something was given the target's name while it was copied";
                return ret->code;
        }
        if (r < 0)
                return copy_failed(ret, -r);
        return flush ? copy_flush_directory(tree, dir_fd, ret) : 0;
}
