/* SPDX-License-Identifier: MIT */
/*
 * copy_data.c: the contents of a file into a new one: shared where the filesystem can, else copied with its holes. What
 * is shared is of one moment; what is copied is only whole if the source has not changed meanwhile.
 */
#include "backends/linux/copy_linux.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define BUFFERS_KEPT 8u
#define LITTLE_BYTES (UINT64_C(256) << 10)
#define SMALL_BYTES COPY_BUFFER_BYTES /* up to here a read and a write cost less than the kernel's copy */

/* ---- buffers ----------------------------------------------------------------------------------------------------- */

static struct {
        pthread_mutex_t lock;
        uint32_t n_trees, n_kept;
        void *kept[BUFFERS_KEPT];
} buffers = {.lock = PTHREAD_MUTEX_INITIALIZER};

void copy_data_tree_opened(void) {
        pthread_mutex_lock(&buffers.lock);
        buffers.n_trees++;
        pthread_mutex_unlock(&buffers.lock);
}

void copy_data_tree_closed(void) {
        pthread_mutex_lock(&buffers.lock);
        if (--buffers.n_trees == 0) {
                while (buffers.n_kept > 0)
                        free(buffers.kept[--buffers.n_kept]);
                copy_pump_tidy();
        }
        pthread_mutex_unlock(&buffers.lock);
}

void *copy_buffer_take(void) {
        void *buffer = NULL;

        pthread_mutex_lock(&buffers.lock);
        if (buffers.n_kept > 0)
                buffer = buffers.kept[--buffers.n_kept];
        pthread_mutex_unlock(&buffers.lock);
        return buffer != NULL ? buffer : malloc(COPY_BUFFER_BYTES);
}

void copy_buffer_give(void *buffer) {
        pthread_mutex_lock(&buffers.lock);
        if (buffers.n_kept < BUFFERS_KEPT && buffers.n_trees > 0) {
                buffers.kept[buffers.n_kept++] = buffer;
                buffer = NULL;
        }
        pthread_mutex_unlock(&buffers.lock);
        free(buffer);
}

/* ---- the source -------------------------------------------------------------------------------------------------- */

static bool same_time(const struct fsop_time *a, const struct fsop_time *b) {
        return a->sec == b->sec && a->nsec == b->nsec;
}

bool copy_has_changed(int from, const struct fsop_stat *stat) {
        struct fsop_stat now;

        return lookup_stat(from, "", true, &now) < 0 || now.size != stat->size ||
               !same_time(&now.mtime, &stat->mtime) || !same_time(&now.ctime, &stat->ctime);
}

bool copy_is_sparse(const struct fsop_stat *stat) {
        return stat->blocks < stat->size / 512;
}

int copy_next_data(int from, uint64_t offset, uint64_t size, uint64_t *ret_start, uint64_t *ret_end) {
        off_t start = lseek(from, (off_t)offset, SEEK_DATA), end;

        if (start < 0 && errno == ENXIO)
                return 0;
        if (start < 0 && errno == EINVAL) { /* a filesystem that knows of no holes */
                *ret_start = offset;
                *ret_end = size;
                return offset < size;
        }
        if (start < 0)
                return -errno;
        end = lseek(from, start, SEEK_HOLE);
        if (end < 0)
                return -errno;
        *ret_start = (uint64_t)start;
        *ret_end = (uint64_t)end < size ? (uint64_t)end : size;
        return *ret_start < size;
}

/* A little data in a large file is copied at once. But one that only takes little room, compressed, is large. */
static bool is_large(const struct fsop_stat *stat) {
        return stat->size > COPY_LARGE_BYTES && stat->blocks * 512 > LITTLE_BYTES;
}

static bool may_clone(const struct copy_tree *tree) {
        return tree->options->clone == FSOP_CLONE_ALWAYS ||
               (tree->options->clone == FSOP_CLONE_AUTO && __atomic_load_n(&tree->no_clone, __ATOMIC_RELAXED) == 0);
}

bool copy_data_is_large(const struct copy_tree *tree, const struct fsop_stat *stat) {
        return is_large(stat) && !may_clone(tree);
}

/* ---- sharing ----------------------------------------------------------------------------------------------------- */

/* EINVAL and ETXTBSY are about this file (one that is swapped to, or not copied on write), the others about both
 * filesystems. */
static bool is_of_filesystem(int error) {
        return error == EOPNOTSUPP || error == ENOTTY || error == EXDEV || error == ENOSYS;
}

int copy_clone(struct copy_tree *tree, int from, int to, const struct fsop_stat *stat, struct copy_file *file,
               struct copy_error *ret) {
        struct transfer transfer = {.from_fd = from, .to_fd = to, .left = stat->size};
        int error;

        if (!may_clone(tree))
                return COPY_CLONE_NOT;
        error = transfer_share(&transfer);
        if (error == 0) {
                file->cloned_bytes = stat->size;
                return 0;
        }
        if (error == EINVAL && copy_has_changed(from, stat))
                return COPY_DATA_CHANGED;
        if (transfer_not_shareable(error) && tree->options->clone == FSOP_CLONE_AUTO) {
                if (is_of_filesystem(error))
                        __atomic_store_n(&tree->no_clone, 1, __ATOMIC_RELAXED);
                return COPY_CLONE_NOT;
        }
        copy_failed(ret, error == ENOTTY ? EOPNOTSUPP : error);
        if (transfer_not_shareable(error))
                ret->why = "these files cannot share extents, and nothing else was to be tried";
        return ret->code;
}

/* ---- copying ----------------------------------------------------------------------------------------------------- */

static int copy_range(const struct copy_tree *tree, struct transfer *transfer) {
        void *buffer;
        int r;

        if (tree->options->clone != FSOP_CLONE_NEVER && transfer->left > SMALL_BYTES) {
                r = transfer_in_kernel(transfer);
                if (r <= 0)
                        return r;
        }
        buffer = copy_buffer_take();
        if (buffer == NULL)
                return -ENOMEM;
        r = transfer_by_hand(transfer, buffer, COPY_BUFFER_BYTES);
        copy_buffer_give(buffer);
        return r;
}

/* Data alone; what lies between stays a hole. 0 or a negative errno. */
static int copy_sparse(const struct copy_tree *tree, struct transfer *transfer, uint64_t size) {
        uint64_t start = 0, end = 0;
        int r;

        if (ftruncate(transfer->to_fd, (off_t)size) < 0)
                return -errno;
        while ((r = copy_next_data(transfer->from_fd, end, size, &start, &end)) > 0) {
                transfer->from = transfer->to = start;
                transfer->left = end - start;
                r = copy_range(tree, transfer);
                if (r < 0)
                        break;
        }
        return r;
}

int copy_data(struct copy_tree *tree, int from, int to, const struct fsop_stat *stat, struct copy_file *file,
              struct copy_error *ret) {
        struct transfer transfer = {.from_fd = from, .to_fd = to, .left = stat->size, .stop = &tree->stop};
        int r;

        if (stat->size > 0) {
                r = copy_clone(tree, from, to, stat, file, ret);
                if (r != COPY_CLONE_NOT)
                        return r;
                if (is_large(stat))
                        return COPY_DATA_LARGE;
                r = copy_is_sparse(stat) ? copy_sparse(tree, &transfer, stat->size) : copy_range(tree, &transfer);
                if (r < 0)
                        return copy_failed(ret, -r);
                file->bytes = stat->size;
        }
        return copy_has_changed(from, stat) ? COPY_DATA_CHANGED : 0;
}
