/* SPDX-License-Identifier: MIT */
/*
 * copy_large.c: large files, one at a time for each job: begun, copied in steps, put on the disk while the next step
 * runs, and how far that has come recorded; at the end they are files like others.
 */
#include <stdlib.h>
#include <string.h>

#include "daemon/copy_internal.h"

static void large_free(struct large *large) {
        free(large->path);
        free(large);
}

static struct known_part *find_known(struct tree *tree, const char *path) {
        for (struct known_part *known = tree->parts; known; known = known->next)
                if (strcmp(known->path, path) == 0)
                        return known;
        return NULL;
}

void large_add(struct bundle *bundle, uint32_t index) {
        const struct copy_file *file = &bundle->files[index];
        struct tree *tree = bundle->tree;
        struct run *run = tree->run;
        struct dir *dir = bundle->dir;
        struct large *large;
        const char *name = file->name;

        if (run->stopping)
                return;
        if (tree->to_rule && policy_account_charge(tree->to_rule, run->peer.uid, file->size) < 0) {
                struct copy_error error = {
                        .code = -FSOP_EDQUOT, .denied = true, .why = "the rule's total-bytes would be exceeded"};

                run_file_failed(tree, dir->is_place ? "" : copy_dir_path(dir->handle), dir->is_place ? "" : name,
                                &error);
                return;
        }
        large = calloc(1, sizeof(*large));
        if (large) {
                large->bundle = bundle_new(dir, &name, &file->type, 1);
                large->path = path_join(dir->is_place ? "" : copy_dir_path(dir->handle), dir->is_place ? "" : name);
        }
        if (!large || !large->bundle || !large->path) {
                if (large && large->bundle)
                        bundle_free(large->bundle);
                if (large)
                        large_free(large);
                run_out_of_memory(run);
                return;
        }
        large->bundle->kind = BUNDLE_PART;
        large->bundle->again = bundle->again;
        large->bundle->files[0].first_link = file->first_link;
        large->tree = tree;
        large->dir = dir;
        tree->n_waiting++;
        *run->larges_end = large;
        run->larges_end = &large->next;
}

/* It is over, one way or the other: the next one may begin. */
static void large_end(struct large *large) {
        struct run *run = large->tree->run;

        run->larges = large->next;
        if (!run->larges)
                run->larges_end = &run->larges;
        large->tree->n_waiting--;
        run->unrecorded -= large->unrecorded;
        large_free(large);
}

static void forget_part(struct large *large) {
        struct run *run = large->tree->run;
        struct store_change change = {.kind = STORE_PART_GONE,
                                      .id = run->job->kept.id,
                                      .place = large->tree->place,
                                      .path = {(const uint8_t *)large->path, strlen(large->path)}};

        journal_change(run->job->jobs->journal, &change, 1, NULL, NULL);
}

static void count_bytes(struct large *large, int64_t bytes) {
        struct run *run = large->tree->run;

        if (large->bundle->again)
                return;
        run->job->live.bytes_copied = (uint64_t)((int64_t)run->job->live.bytes_copied + bytes);
        large->tree->bytes += (uint64_t)bytes;
        run->moved = true;
}

/* Of these it is kept that they are copied, and are on the disk. */
static void count_flushed(struct large *large, int64_t bytes) {
        struct job *job = large->tree->run->job;

        if (large->bundle->again)
                return;
        job->kept.counters.bytes_copied += (uint64_t)bytes;
        job->kept.counters.bytes_flushed += (uint64_t)bytes;
        job->live.bytes_flushed += (uint64_t)bytes;
}

/* ---- its end ----------------------------------------------------------------------------------------------------- */

/* What the bundle holds is copied, or failed: it goes the way of all files. */
static void hand_over(struct large *large) {
        struct bundle *bundle = large->bundle;

        if (!large->copied_by_parts)
                bundle->kind = BUNDLE_FILES_OF_DIR; /* cloned after all, or failed at once: a file like others */
        else if (bundle->files[0].outcome == COPY_COPIED) {
                bundle->files[0].bytes = bundle->files[0].size - large->record.offset;
                bundle->had_part = large->has_record;
                bundle->counted_bytes = large->record.offset;
        } else if (large->has_record) {
                count_flushed(large, -(int64_t)large->record.offset);
                forget_part(large);
        }
        large_end(large);
        files_copied(bundle);
}

static void finish_call(struct io *io) {
        struct unit *unit = io->owner;
        struct large *large = unit->large;

        copy_part_finish(large->part, &large->bundle->files[0]);
        io->result = 0;
}

static void finish_done(struct io *io) {
        struct unit *unit = io->owner;
        struct run *run = unit->run;
        struct large *large = unit->large;

        unit_back(unit);
        if (unit->io.result < 0) { /* no worker could */
                copy_part_free(large->part, true, NULL);
                large->bundle->files[0].outcome = COPY_FAILED;
                large->bundle->files[0].error = unit->error;
        }
        large->part = NULL;
        if (large->bundle->files[0].outcome != COPY_COPIED)
                count_bytes(large, -(int64_t)large->bundle->files[0].size);
        free(unit);
        hand_over(large);
        run_pump(run);
}

static void failed(struct large *large) {
        struct copy_file *file = &large->bundle->files[0];

        count_bytes(large, -(int64_t)copy_part_offset(large->part));
        copy_part_free(large->part, false, &large->error);
        large->part = NULL;
        file->outcome = COPY_FAILED;
        file->error = large->error;
        hand_over(large);
}

/* The run stops: what is there stays, to be gone on with. */
static void put_down(struct large *large) {
        struct run *run = large->tree->run;
        struct bundle *bundle = large->bundle;

        copy_part_free(large->part, run->job->stop != STOP_CANCEL, NULL);
        large_end(large);
        bundle_free(bundle);
}

/* ---- on the disk ------------------------------------------------------------------------------------------------- */

/* It is not on the disk after all. */
static void take_back_record(struct large *large) {
        count_flushed(large, -(int64_t)large->recording_bytes);
        large->record.offset -= large->recording_bytes;
}

static void recorded(void *owner, int code) {
        struct large *large = owner;
        struct run *run = large->tree->run;
        uint64_t bytes = large->recording_bytes < large->unrecorded ? large->recording_bytes : large->unrecorded;

        large->recording = false;
        run->n_recording--;
        large->unrecorded -= bytes;
        run->unrecorded -= bytes;
        if (code < 0) {
                take_back_record(large);
                run_fail(run, &(struct copy_error){.code = code}, "how far a file has come could not be recorded");
        }
        run_pump(run);
}

static void record(struct large *large, const struct copy_part_record *record) {
        struct run *run = large->tree->run;
        struct job *job = run->job;
        uint64_t more = record->offset > large->record.offset ? record->offset - large->record.offset : 0;
        struct store_change changes[2] = {{.kind = STORE_PART,
                                           .id = job->kept.id,
                                           .place = large->tree->place,
                                           .path = {(const uint8_t *)large->path, strlen(large->path)},
                                           .part = record}};

        large->recording_bytes = more;
        count_flushed(large, (int64_t)more);
        job->kept.progressed = sys_realtime();
        changes[1] = job_update(job);
        large->record = *record;
        large->has_record = true;
        if (journal_change(job->jobs->journal, changes, 2, recorded, large) < 0) {
                take_back_record(large);
                run_out_of_memory(run);
                return;
        }
        large->recording = true;
        run->n_recording++;
}

static void flush_call(struct io *io) {
        struct unit *unit = io->owner;

        copy_part_flush(unit->large->part, &unit->record, &unit->error);
        io->result = 0;
}

static void flush_done(struct io *io) {
        struct unit *unit = io->owner;
        struct run *run = unit->run;
        struct large *large = unit->large;

        unit_back(unit);
        large->flushing = false;
        if (unit->error.code < 0)
                large->error = unit->error;
        else
                record(large, &unit->record);
        free(unit);
        run_pump(run);
}

/* ---- steps ------------------------------------------------------------------------------------------------------- */

static void step_call(struct io *io) {
        struct unit *unit = io->owner;

        unit->result = copy_part_step(unit->large->part, unit->bytes, &unit->error);
        io->result = 0;
}

static void step_done(struct io *io) {
        struct unit *unit = io->owner;
        struct run *run = unit->run;
        struct large *large = unit->large;

        unit_back(unit);
        run->n_copying--;
        large->stepping = false;
        if (unit->error.code < 0 && unit->error.code != -FSOP_ECANCELED)
                large->error = unit->error;
        if (unit->result == 0 && unit->error.code == 0)
                large->all_copied = true;
        if (unit->result > 0) {
                if (run->job->kept.sync != FSOP_SYNC_NONE) {
                        large->unrecorded += (uint64_t)unit->result;
                        run->unrecorded += (uint64_t)unit->result;
                }
                count_bytes(large, unit->result);
                run_spent(run, (uint64_t)unit->result);
        }
        free(unit);
        run_pump(run);
}

static void begin_call(struct io *io) {
        struct unit *unit = io->owner;
        struct large *large = unit->large;
        struct known_part *known = find_known(unit->tree, large->path);

        copy_part_begin(&unit->tree->t, large->dir->handle, &large->bundle->files[0], known ? &known->record : NULL,
                        &large->part);
        io->result = 0;
}

static void begin_done(struct io *io) {
        struct unit *unit = io->owner;
        struct run *run = unit->run;
        struct large *large = unit->large;
        struct known_part *known = find_known(unit->tree, large->path);

        unit_back(unit);
        run->n_copying--;
        large->stepping = false;
        large->begun = true;
        free(unit);
        if (!large->part) {
                struct copy_file *file = &large->bundle->files[0];

                if (known && file->outcome == COPY_COPIED) {
                        /* cloned after all; or an earlier run published it and was killed before it could say so */
                        large->bundle->counted_bytes = known->record.offset;
                        large->bundle->had_part = true;
                }
                hand_over(large);
                run_pump(run);
                return;
        }
        large->copied_by_parts = true;
        large->has_record = known != NULL;
        if (known && copy_part_offset(large->part) < known->record.offset) {
                /* it could not be gone on with: what was counted is to come again */
                count_bytes(large, -(int64_t)known->record.offset);
                count_flushed(large, -(int64_t)known->record.offset);
        } else if (known)
                large->record = known->record;
        run_pump(run);
}

/* ---- giving out -------------------------------------------------------------------------------------------------- */

static bool issue(struct large *large, enum unit_kind kind, uint64_t bytes, void (*call)(struct io *io),
                  void (*done)(struct io *io)) {
        struct unit *unit = unit_new(large->tree->run, large->tree, kind);

        if (!unit) {
                run_out_of_memory(large->tree->run);
                return false;
        }
        unit->large = large;
        unit->bytes = bytes;
        unit_submit(unit, call, done);
        return true;
}

static uint64_t step_bytes(const struct run *run) {
        uint64_t rate = run->job->kept.bytes_per_s;

        if (rate == 0 || rate / 4 > STEP_BYTES)
                return STEP_BYTES;
        return rate / 4 < 65536 ? 65536 : rate / 4;
}

/* With --sync none nothing is flushed, and nothing can be gone on with. */
static bool wants_flush(const struct large *large) {
        const struct run *run = large->tree->run;

        if (large->flushing || large->recording || large->unrecorded == 0 || run->job->kept.sync == FSOP_SYNC_NONE)
                return false;
        return large->unrecorded >= RECORD_BYTES || run->stopping;
}

static bool may_copy(const struct run *run) {
        return !run->stopping && run->unrecorded < UNRECORDED_BYTES && run_may_spend(run);
}

static bool busy(const struct large *large) {
        return large->stepping || large->flushing || large->recording;
}

/* Begins what the first large file needs next. */
bool large_issue(struct run *run) {
        struct large *large = run->larges;

        if (!large || large->finishing)
                return false;
        if (!large->begun) {
                if (large->stepping || !may_copy(run))
                        return false;
                large->stepping = issue(large, UNIT_PART_BEGIN, 0, begin_call, begin_done);
                run->n_copying += large->stepping;
                return large->stepping;
        }
        if (large->error.code == 0 && run->job->stop != STOP_CANCEL && wants_flush(large))
                return large->flushing = issue(large, UNIT_PART_FLUSH, 0, flush_call, flush_done);
        if (large->stepping)
                return false;
        if (large->error.code < 0 || run->stopping) {
                if (busy(large))
                        return false;
                if (large->error.code < 0 && error_is_transient(large->tree, &large->error)) {
                        run_file_failed(large->tree, "", large->path, &large->error);
                        put_down(large);
                } else if (large->error.code < 0)
                        failed(large);
                else
                        put_down(large);
                return true;
        }
        if (large->all_copied) {
                if (busy(large))
                        return false;
                return large->finishing = issue(large, UNIT_PART_FINISH, 0, finish_call, finish_done);
        }
        if (!may_copy(run))
                return false;
        large->stepping = issue(large, UNIT_PART_STEP, step_bytes(run), step_call, step_done);
        run->n_copying += large->stepping;
        return large->stepping;
}

bool large_is_busy(const struct run *run) {
        return run->larges && run->larges->begun;
}

void large_drop(struct run *run) {
        struct large *large;

        while ((large = run->larges)) {
                /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): large_end takes it off the list */
                struct bundle *bundle = large->bundle;

                large_end(large);
                bundle_free(bundle);
        }
}
