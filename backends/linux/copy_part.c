/* SPDX-License-Identifier: MIT */
/*
 * copy_part.c: a large file, copied part by part, so that it can be stopped, watched, and gone on with after a restart
 * from the last offset that was on the disk.
 */
#include "backends/linux/copy_linux.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct copy_part {
        struct copy_tree *tree;
        struct copy_dir *dir;
        struct copy_file file; /* the daemon's own may be somewhere else by the time it is finished */
        struct copy_work work;
        char *name;        /* of the file */
        uint64_t offset;   /* atomic: all before it is copied, or a hole */
        uint64_t data_end; /* of the range of data that offset is in */
        uint64_t target_ino;
        bool by_kernel; /* where a server may do it for us */
};

/* ---- beginning --------------------------------------------------------------------------------------------------- */

static bool same_time(const struct fsop_time *a, const struct fsop_time *b) {
        return a->sec == b->sec && a->nsec == b->nsec;
}

static bool is_the_source(const struct copy_part_record *record, const struct fsop_stat *from) {
        return record->ino == from->ino && record->size == from->size && same_time(&record->mtime, &from->mtime) &&
               same_time(&record->ctime, &from->ctime) && record->offset <= from->size;
}

/* It belongs to who made it, or was given away already when the daemon was killed. */
static bool is_ours(const struct copy_part *part, const struct fsop_stat *stat) {
        const struct copy_tree *tree = part->tree;

        return stat->uid == tree->writer->uid || part->dir->to_fs != FS_LOCAL ||
               ((tree->options->preserve & FSOP_PRESERVE_OWNER) && stat->uid == part->work.from.uid);
}

static int reopen(int object) {
        int fd = lookup_reopen(object, O_WRONLY);

        if (fd != -EACCES || fchmodat(service.proc_fd, fd_name(object).text, 0600, 0) < 0)
                return fd;
        return lookup_reopen(object, O_WRONLY);
}

/* Pinned first: it could be anything by now, a file of the writer's too that was given its name. */
static bool open_begun(struct copy_part *part, const char *name, const struct copy_part_record *record) {
        struct fsop_stat stat;
        int object = copy_pin_target(part->tree, part->dir->target, name, O_PATH);

        if (object < 0)
                return false;
        if (lookup_stat(object, "", true, &stat) == 0 && S_ISREG(stat.mode) && stat.nlink == 1 &&
            stat.ino == record->target_ino && stat.size >= record->offset && is_ours(part, &stat))
                part->work.target = reopen(object);
        close(object);
        if (part->work.target < 0) {
                part->work.target = -1;
                return false;
        }
        part->work.owner = (uint64_t)stat.uid << 32 | stat.gid;
        part->work.is_made = true;
        return true;
}

/* Whether it has its final name already: the earlier run was killed before it could say so. */
static bool is_published(const struct copy_part *part, const struct copy_part_record *record) {
        const struct copy_work *work = &part->work;
        struct fsop_stat stat;
        int object = copy_pin_target(part->tree, part->dir->target, work->target_name, O_PATH);
        bool is;

        if (object < 0)
                return false;
        is = lookup_stat(object, "", true, &stat) == 0 && S_ISREG(stat.mode) && stat.ino == record->target_ino &&
             stat.size == work->from.size;
        close(object);
        return is;
}

/* Goes on where an earlier run stopped. False: it begins anew. */
static bool resume(struct copy_part *part, const struct copy_part_record *record) {
        struct copy_work *work = &part->work;
        const char *name;

        if (record == NULL)
                return false;
        name = part->dir->finals ? work->target_name : record->temporary;
        if (!part->dir->finals && !copy_is_temporary(part->tree, name))
                return false;
        if (is_the_source(record, &work->from) && open_begun(part, name, record)) {
                memcpy(part->file.temporary, record->temporary, sizeof(record->temporary));
                work->made_name = part->dir->finals ? work->target_name : part->file.temporary;
                part->file.target_ino = record->target_ino;
                part->offset = record->offset;
                return true;
        }
        if (!part->dir->finals && unlinkat(part->dir->target, name, 0) < 0 /* of no use any more */ &&
            errno == ENOENT && is_the_source(record, &work->from) && is_published(part, record)) {
                part->file.size = work->from.size;
                part->file.target_ino = record->target_ino;
                part->file.outcome = COPY_COPIED;
                return true;
        }
        return false;
}

/* Makes the target, and clones where that can be. */
static void begin_anew(struct copy_part *part) {
        struct copy_work *work = &part->work;
        bool made;
        int r;

        umask(0); /* as in copy_files */
        made = copy_work_create(part->tree, part->dir, work);
        umask(OWN_UMASK);
        if (!made)
                return;
        r = copy_clone(part->tree, work->source, work->target, &work->from, &part->file, &part->file.error);
        if (r == 0) {
                part->offset = work->from.size;
        } else if (r == COPY_DATA_CHANGED) {
                copy_work_failed(work, EBUSY);
                part->file.error.why = "the source changed while it was copied";
        } else if (r != COPY_CLONE_NOT) {
                part->file.outcome = COPY_FAILED;
        }
}

static bool wear(struct identity *identity, struct copy_part *part) {
        if (part->file.outcome != COPY_PENDING)
                return false;
        if (copy_wear(identity, &part->file.error) < 0)
                part->file.outcome = COPY_FAILED;
        return part->file.outcome == COPY_PENDING;
}

static void open_both(struct copy_part *part, const struct copy_part_record *record) {
        struct copy_tree *tree = part->tree;
        struct copy_work *work = &part->work;

        work->in_parts = true;
        if (!part->dir->finals && !part->dir->made && wear(tree->writer, part))
                copy_work_look(tree, part->dir, work);
        if (wear(tree->reader, part))
                copy_work_open(tree, part->dir, work);
        if (part->file.outcome == COPY_PENDING && !S_ISREG(work->from.mode)) {
                copy_refused(&part->file.error, -FSOP_EBUSY, "the source is no longer a regular file");
                part->file.outcome = COPY_FAILED;
        }
        if (wear(tree->writer, part) && !resume(part, record))
                begin_anew(part);
}

static void part_free(struct copy_part *part) {
        free(part->name);
        free(part);
}

/* What the daemon is to know of it. */
static void tell(const struct copy_part *part, struct copy_file *file) {
        const char *name = file->name;

        *file = part->file;
        file->name = name;
}

void copy_part_begin(struct copy_tree *tree, struct copy_dir *dir, struct copy_file *file,
                     const struct copy_part_record *record, struct copy_part **ret_part) {
        struct copy_part *part = calloc(1, sizeof(*part));

        *ret_part = NULL;
        if (part != NULL)
                part->name = strdup(file->name != NULL ? file->name : "");
        if (part == NULL || part->name == NULL) {
                free(part);
                copy_failed(&file->error, ENOMEM);
                file->outcome = COPY_FAILED;
                return;
        }
        part->tree = tree;
        part->dir = dir;
        part->file = *file;
        part->file.name = part->name;
        copy_work_init(tree, dir, &part->file, &part->work);
        copy_work_may_create(dir, &part->work);
        open_both(part, record);
        if (part->file.outcome != COPY_PENDING) {
                copy_work_end(tree, dir, &part->work);
                tell(part, file);
                part_free(part);
        } else if (part->file.cloned_bytes > 0) {
                copy_part_finish(part, file);
        } else {
                struct fsop_stat stat;

                if (lookup_stat(part->work.target, "", false, &stat) == 0)
                        part->target_ino = stat.ino;
                posix_fadvise(part->work.source, 0, 0, POSIX_FADV_SEQUENTIAL);
                part->by_kernel =
                        tree->options->clone != FSOP_CLONE_NEVER && dir->from_fs == FS_SLOW && dir->to_fs == FS_SLOW;
                part->data_end = copy_is_sparse(&part->work.from) ? part->offset : part->work.from.size;
                tell(part, file);
                file->outcome = COPY_LARGE;
                *ret_part = part;
        }
}

/* ---- copying ----------------------------------------------------------------------------------------------------- */

uint64_t copy_part_offset(const struct copy_part *part) {
        return __atomic_load_n(&part->offset, __ATOMIC_ACQUIRE);
}

static void advance_to(struct copy_part *part, uint64_t offset) {
        __atomic_store_n(&part->offset, offset, __ATOMIC_RELEASE);
}

/* Over a hole. The target becomes as long, so that its length tells how far it is. 0 or a negative errno. */
static int skip_hole(struct copy_part *part) {
        uint64_t size = part->work.from.size, start, end;
        int r = copy_next_data(part->work.source, part->offset, size, &start, &end);

        if (r < 0)
                return r;
        if (r == 0)
                start = end = size;
        if (start > part->offset && ftruncate(part->work.target, (off_t)start) < 0)
                return -errno;
        part->data_end = end;
        advance_to(part, start);
        return 0;
}

static int64_t move(struct copy_part *part, uint64_t bytes) {
        struct copy_pump pump = {.from_fd = part->work.source, .to_fd = part->work.target, .stop = &part->tree->stop};

        if (part->by_kernel) {
                struct transfer transfer = {.from_fd = pump.from_fd,
                                            .to_fd = pump.to_fd,
                                            .from = part->offset,
                                            .to = part->offset,
                                            .left = bytes,
                                            .stop = pump.stop};
                int r = transfer_in_kernel(&transfer);

                if (transfer.done > 0 || r < 0)
                        return transfer.done > 0 ? (int64_t)transfer.done : r;
                part->by_kernel = false;
        }
        return copy_pump(&pump, part->offset, bytes);
}

int64_t copy_part_step(struct copy_part *part, uint64_t bytes, struct copy_error *ret) {
        uint64_t begun = part->offset, size = part->work.from.size;

        *ret = (struct copy_error){0};
        while (part->offset < size && part->offset - begun < bytes && !copy_stopped(part->tree)) {
                uint64_t left = bytes - (part->offset - begun);
                int64_t n;

                if (part->offset == part->data_end) {
                        n = skip_hole(part);
                        if (n < 0)
                                return copy_failed(ret, (int)-n);
                        continue;
                }
                n = move(part, left < part->data_end - part->offset ? left : part->data_end - part->offset);
                if (n == -ECANCELED)
                        break;
                if (n < 0)
                        return copy_failed(ret, (int)-n);
                if (n == 0 && !copy_stopped(part->tree)) {
                        copy_failed(ret, EBUSY);
                        ret->why = "the source became shorter while it was copied";
                        return ret->code;
                }
                advance_to(part, part->offset + (uint64_t)n);
        }
        part->file.bytes += part->offset - begun;
        if (part->offset == begun && begun < size && copy_stopped(part->tree))
                return copy_failed(ret, ECANCELED);
        return (int64_t)(part->offset - begun);
}

int copy_part_flush(struct copy_part *part, struct copy_part_record *ret_record, struct copy_error *ret) {
        const struct fsop_stat *from = &part->work.from;
        uint64_t offset = copy_part_offset(part);

        *ret = (struct copy_error){0};
        if (fdatasync(part->work.target) < 0)
                return copy_failed(ret, errno);
        *ret_record = (struct copy_part_record){.offset = offset,
                                                .ino = from->ino,
                                                .size = from->size,
                                                .mtime = from->mtime,
                                                .ctime = from->ctime,
                                                .target_ino = part->target_ino};
        if (!part->dir->finals)
                memcpy(ret_record->temporary, part->file.temporary, sizeof(ret_record->temporary));
        return 0;
}

/* ---- the end ----------------------------------------------------------------------------------------------------- */

static void finish(struct copy_part *part) {
        struct copy_work *work = &part->work;

        if (part->offset < work->from.size) {
                copy_refused(&part->file.error, -FSOP_EINVAL, "not all of it has been copied");
                part->file.outcome = COPY_FAILED;
        } else if (part->file.cloned_bytes == 0 && copy_has_changed(work->source, &work->from)) {
                copy_work_failed(work, EBUSY);
                part->file.error.why = "the source changed while it was copied";
        } else if (wear(part->tree->keeper, part)) {
                copy_work_keep(part->tree, part->dir, work);
        }
}

void copy_part_finish(struct copy_part *part, struct copy_file *file) {
        finish(part);
        copy_work_end(part->tree, part->dir, &part->work);
        tell(part, file);
        part_free(part);
}

void copy_part_free(struct copy_part *part, bool keep, struct copy_error *error) {
        if (part == NULL)
                return;
        if (keep)
                part->work.is_made = false;
        part->work.stopped = true;
        copy_work_end(part->tree, part->dir, &part->work);
        if (error != NULL && part->file.outcome == COPY_FAILED)
                *error = part->file.error;
        part_free(part);
}
