/* SPDX-License-Identifier: MIT */
/*
 * copy_verify.c: what was copied is read again, beside its source, and compared byte by byte; and the digest of that.
 */
#include "backends/linux/copy_linux.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <string.h>
#include <unistd.h>

struct pair {
        int from_fd, to_fd;
        struct fsop_stat from, to;
};

/* One name in a directory, opened if it is a regular file. 1: it is none. */
static int open_file(const struct copy_tree *tree, int dir_fd, const char *name, bool of_source,
                     struct fsop_stat *ret_stat, int *ret_fd) {
        int object =
                of_source ? copy_pin_source(tree, dir_fd, name, O_PATH) : copy_pin_target(tree, dir_fd, name, O_PATH);
        int r = object < 0 ? object : lookup_stat(object, "", true, ret_stat);

        if (r >= 0 && !S_ISREG(ret_stat->mode))
                r = 1;
        else if (r >= 0)
                r = *ret_fd = lookup_reopen(object, O_RDONLY);
        if (object >= 0)
                close(object);
        return r < 0 ? r : r > 0 && *ret_fd < 0 ? 1 : 0;
}

static int open_source(struct copy_tree *tree, struct copy_dir *dir, const struct copy_file *file, struct pair *pair,
                       struct copy_error *ret) {
        int r = copy_wear(tree->reader, ret);

        if (r < 0)
                return r;
        if (dir->place) {
                pair->from = tree->source_stat;
                if (!S_ISREG(pair->from.mode))
                        return 1;
                r = pair->from_fd = lookup_reopen(tree->source, O_RDONLY);
                if (r >= 0)
                        r = lookup_stat(pair->from_fd, "", true, &pair->from);
        } else {
                r = open_file(tree, dir->source, file->name, true, &pair->from, &pair->from_fd);
        }
        return r < 0 ? copy_failed(ret, -r) : r;
}

/* As the keeper: its owner may be somebody else by now, who alone may read it. Only what was made: whoever could have
 * another file of that owner's compared would learn what is in it. */
static int open_target(struct copy_tree *tree, struct copy_dir *dir, const struct copy_file *file, struct pair *pair,
                       struct copy_error *ret) {
        const char *name = dir->place ? tree->target_name : file->name;
        int r = copy_wear(tree->keeper, ret);

        if (r < 0)
                return r;
        r = open_file(tree, dir->target, file->needs_publish ? file->temporary : name, false, &pair->to, &pair->to_fd);
        if (r < 0)
                return copy_failed(ret, -r);
        if (r > 0 || pair->to.ino != file->target_ino)
                return copy_refused(ret, -FSOP_ESTALE, "what was copied is no longer there");
        return 0;
}

/* Whether the source is no longer what was copied: a failure of another kind than a target that differs. */
static bool source_has_changed(const struct copy_tree *tree, const struct copy_file *file, const struct pair *pair) {
        const struct fsop_stat *from = &pair->from, *to = &pair->to;

        if (copy_has_changed(pair->from_fd, from) || from->size != file->size ||
            !same_object(from, file->source_id.dev, file->source_id.ino))
                return true;
        if ((tree->options->preserve & FSOP_PRESERVE_TIMES) && (from->mtime.sec != to->mtime.sec))
                return true;
        return from->ctime.sec > to->ctime.sec ||
               (from->ctime.sec == to->ctime.sec && from->ctime.nsec > to->ctime.nsec);
}

static int differs(struct copy_tree *tree, const struct copy_file *file, const struct pair *pair,
                   struct copy_error *ret) {
        if (source_has_changed(tree, file, pair)) {
                copy_failed(ret, EBUSY);
                ret->why = "the source has changed since it was copied";
        } else {
                copy_failed(ret, EIO);
                ret->why = "what was copied differs from its source";
        }
        return ret->code;
}

/* As much of it as there is, up to BYTES. */
static ssize_t read_full(int fd, uint8_t *buffer, size_t bytes, uint64_t offset) {
        size_t done = 0;

        while (done < bytes) {
                ssize_t n = pread(fd, buffer + done, bytes - done, (off_t)(offset + done));

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                if (n == 0)
                        break;
                done += (size_t)n;
        }
        return (ssize_t)done;
}

/* 0, 1 where they differ, or a negative errno. Both in one buffer. */
static int compare(struct copy_tree *tree, const struct pair *pair, uint8_t *buffer, crypto_generichash_state *state) {
        const size_t half = COPY_BUFFER_BYTES / 2;

        for (uint64_t offset = 0;;) {
                ssize_t n, m;

                if (copy_stopped(tree))
                        return -ECANCELED;
                n = read_full(pair->from_fd, buffer, half, offset);
                m = n < 0 ? n : read_full(pair->to_fd, buffer + half, half, offset);
                if (m < 0)
                        return (int)m;
                if (n != m || memcmp(buffer, buffer + half, (size_t)n) != 0)
                        return 1;
                if (n == 0)
                        return 0;
                crypto_generichash_update(state, buffer, (unsigned long long)n);
                offset += (uint64_t)n;
        }
}

static int verify(struct copy_tree *tree, const struct copy_file *file, const struct pair *pair, uint8_t *ret_digest,
                  struct copy_error *ret) {
        crypto_generichash_state state;
        uint8_t *buffer;
        int r;

        if (sodium_init() < 0)
                return copy_failed(ret, ENOSYS);
        buffer = copy_buffer_take();
        if (buffer == NULL)
                return copy_failed(ret, ENOMEM);
        /* What is in memory would only be compared with itself. */
        posix_fadvise(pair->from_fd, 0, 0, POSIX_FADV_DONTNEED);
        posix_fadvise(pair->to_fd, 0, 0, POSIX_FADV_DONTNEED);
        posix_fadvise(pair->from_fd, 0, 0, POSIX_FADV_SEQUENTIAL);
        posix_fadvise(pair->to_fd, 0, 0, POSIX_FADV_SEQUENTIAL);
        crypto_generichash_init(&state, NULL, 0, COPY_DIGEST_BYTES);
        r = compare(tree, pair, buffer, &state);
        crypto_generichash_final(&state, ret_digest, COPY_DIGEST_BYTES);
        copy_buffer_give(buffer);
        if (r < 0)
                return copy_failed(ret, -r);
        return r > 0 ? differs(tree, file, pair, ret) : 0;
}

int copy_verify(struct copy_tree *tree, struct copy_dir *dir, const struct copy_file *file,
                uint8_t ret_digest[COPY_DIGEST_BYTES], struct copy_error *ret) {
        struct pair pair = {.from_fd = -1, .to_fd = -1};
        int r;

        *ret = (struct copy_error){0};
        memset(ret_digest, 0, COPY_DIGEST_BYTES);
        r = open_source(tree, dir, file, &pair, ret);
        if (r == 0)
                r = open_target(tree, dir, file, &pair, ret);
        if (r == 0)
                r = verify(tree, file, &pair, ret_digest, ret);
        if (pair.from_fd >= 0)
                close(pair.from_fd);
        if (pair.to_fd >= 0)
                close(pair.to_fd);
        return r < 0 ? r : 0;
}
