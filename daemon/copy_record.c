/* SPDX-License-Identifier: MIT */
/*
 * copy_record.c: from copied to done. Files that were copied wait here; together they are flushed, read back where that
 * was asked for, given their final names, and when these are on the disk too, recorded. One batch is under way at a
 * time; what is copied meanwhile is the next one.
 */
#include <stdlib.h>
#include <string.h>

#include "daemon/copy_internal.h"
#include "daemon/log.h"
#include "daemon/server.h"

/* ---- what waits -------------------------------------------------------------------------------------------------- */

/*
 * Whether its directory must stay as it is until it is recorded: names change in it, files are read again, or a later
 * run has to make them again, which a rule may refuse in a directory that has got its owner by then.
 */
static bool needs_dir(const struct bundle *bundle) {
        return !bundle->tree->t.fresh || bundle->tree->run->job->kept.verify;
}

void record_add(struct bundle *bundle) {
        struct run *run = bundle->tree->run;

        if (!bundle->dir->is_place && !(bundle->dir_path = strdup(copy_dir_path(bundle->dir->handle)))) {
                run_out_of_memory(run);
                bundle_free(bundle);
                return;
        }
        if (!needs_dir(bundle) && bundle->holds_dir) {
                bundle->holds_dir = false;
                dir_release(bundle->dir);
        }
        if (!run->pending && !run->failures)
                run->pending_ms = run->job->jobs->now_ms;
        bundle->next = NULL;
        *run->pending_end = bundle;
        run->pending_end = &bundle->next;
        run->n_pending_files += bundle->n;
        run->unrecorded += bundle->bytes;
        bundle->tree->n_unrecorded++;
}

static void failure_free(struct failure *failure) {
        error_fini(&failure->error);
        free(failure);
}

void record_failure(struct run *run, uint32_t place, const char *path, const struct error *error) {
        struct failure *failure = malloc(sizeof(*failure) + strlen(path) + 1);

        if (!failure) {
                run_out_of_memory(run);
                return;
        }
        failure->place = place;
        failure->error = error_copy(error);
        memcpy(failure->path, path, strlen(path) + 1);
        if (!run->pending && !run->failures)
                run->pending_ms = run->job->jobs->now_ms;
        failure->next = run->failures;
        run->failures = failure;
        run->n_failures++;
}

/* ---- when -------------------------------------------------------------------------------------------------------- */

static uint32_t n_complete(const struct run *run) {
        uint32_t n = 0;

        for (const struct tree *tree = run->trees; tree; tree = tree->next)
                n += tree->phase == TREE_COMPLETE;
        return n;
}

static bool is_due(const struct run *run) {
        if (!run->pending && !run->failures && n_complete(run) == 0)
                return false;
        if (run->stopping || run->record_wanted || n_complete(run) >= RUN_TREES_MAX / 2 ||
            (n_complete(run) > 0 && n_complete(run) == run->n_trees)) /* nothing else can go on */
                return true;
        return run->unrecorded >= RECORD_BYTES || run->n_pending_files >= RECORD_FILES ||
               run->n_failures >= BUNDLE_FILES || run->job->jobs->now_ms - run->pending_ms >= RECORD_MS;
}

bool record_is_idle(const struct run *run) {
        return run->stage == BATCH_IDLE && !run->pending && !run->failures && run->n_recording == 0 &&
               n_complete(run) == 0;
}

/* ---- the stages -------------------------------------------------------------------------------------------------- */

static void next_stage(struct run *run);

/* Without this stage nothing of the batch is done, and nothing after it: what a flush could not write may be of files
 * that wait. */
static void stage_failed(struct run *run, const struct copy_error *error, const char *what) {
        run->batch_failed = true;
        run_fail(run, error, what);
}

/* The last one begins the next stage. */
static void stage_done(struct io *io) {
        struct unit *unit = io->owner;
        struct run *run = unit->run;

        unit_back(unit);
        if (unit->error.code < 0)
                stage_failed(run, &unit->error,
                             unit->kind == UNIT_FLUSH ? "what was copied could not be flushed to the disk" : NULL);
        free(unit);
        if (--run->n_batch_units == 0)
                next_stage(run);
        run_pump(run);
}

static bool stage_unit(struct run *run, struct tree *tree, enum unit_kind kind, struct bundle *bundle,
                       void (*call)(struct io *io)) {
        struct unit *unit = unit_new(run, tree, kind);

        if (!unit) {
                stage_failed(run, &(struct copy_error){.code = -FSOP_ENOMEM}, NULL);
                return false;
        }
        unit->bundle = bundle;
        run->n_batch_units++;
        unit_submit(unit, call, stage_done);
        return true;
}

/* Nothing of the batch is promised: it is forgotten, and will be copied again. */
static void drop_batch(struct run *run) {
        struct bundle *bundle;

        while ((bundle = run->batch)) {
                run->batch = bundle->next;
                run->unrecorded -= bundle->bytes;
                bundle->tree->n_unrecorded--;
                bundle_free(bundle);
        }
        run->n_batch_trees = 0;
        run->stage = BATCH_IDLE;
}

static void flush_call(struct io *io) {
        struct unit *unit = io->owner;

        copy_flush(&unit->tree->t, &unit->error);
        io->result = 0;
}

static uint64_t device_of(const struct tree *tree) {
        uint64_t from, to;

        copy_devices(&tree->t, &from, &to);
        return to;
}

/* One flush for each filesystem that the batch has written to. */
static void flush_filesystems(struct run *run, bool data_only) {
        uint64_t flushed[RUN_TREES_MAX];
        uint32_t n = 0;

        for (struct tree *tree = run->trees; tree; tree = tree->next) {
                bool wanted = false, again = false;

                for (struct bundle *bundle = run->batch; bundle && !wanted; bundle = bundle->next)
                        wanted = bundle->tree == tree && (!data_only || bundle->has_data || !bundle->needs_publish);
                for (uint32_t i = 0; i < run->n_batch_trees && !wanted; i++)
                        wanted = run->batch_trees[i] == tree;
                if (!wanted) /* a worker may be opening it just now */
                        continue;
                for (uint32_t i = 0; i < n && !again; i++)
                        again = flushed[i] == device_of(tree);
                if (again)
                        continue;
                flushed[n++] = device_of(tree);
                stage_unit(run, tree, UNIT_FLUSH, NULL, flush_call);
        }
}

static void verify_call(struct io *io) {
        struct unit *unit = io->owner;
        struct bundle *bundle = unit->bundle;

        for (uint32_t i = 0; i < bundle->n; i++) {
                struct copy_file *file = &bundle->files[i];

                if (file->outcome != COPY_COPIED ||
                    copy_verify(&unit->tree->t, bundle->dir->handle, file, bundle->digests[i], &file->error) == 0) {
                        bundle->verified[i] = file->outcome == COPY_COPIED && file->size > 0;
                        continue;
                }
                copy_discard(&unit->tree->t, bundle->dir->handle, file);
        }
        io->result = 0;
}

static void verify(struct run *run) {
        for (struct bundle *bundle = run->batch; bundle; bundle = bundle->next) {
                if (bundle->kind == BUNDLE_LINKS)
                        continue;
                bundle->digests = calloc(bundle->n, sizeof(*bundle->digests));
                bundle->verified = calloc(bundle->n, sizeof(*bundle->verified));
                if (!bundle->digests || !bundle->verified) {
                        stage_failed(run, &(struct copy_error){.code = -FSOP_ENOMEM}, NULL);
                        return;
                }
                stage_unit(run, bundle->tree, UNIT_VERIFY, bundle, verify_call);
        }
}

static void publish_call(struct io *io) {
        struct unit *unit = io->owner;
        struct bundle *bundle = unit->bundle;

        copy_publish(&unit->tree->t, bundle->dir->handle, bundle->files, bundle->n);
        io->result = 0;
}

static void publish(struct run *run) {
        for (struct bundle *bundle = run->batch; bundle; bundle = bundle->next)
                if (bundle->needs_publish)
                        run->batch_published |= stage_unit(run, bundle->tree, UNIT_PUBLISH, bundle, publish_call);
}

static void top_call(struct io *io) {
        struct unit *unit = io->owner;

        copy_publish_top(&unit->tree->t, unit->run->job->kept.sync != FSOP_SYNC_NONE, &unit->error);
        io->result = 0;
}

static void publish_tops(struct run *run) {
        for (uint32_t i = 0; i < run->n_batch_trees; i++) {
                struct tree *tree = run->batch_trees[i];

                if (tree->t.fresh && tree->has_top)
                        stage_unit(run, tree, UNIT_PUBLISH_TOP, NULL, top_call);
        }
}

/* ---- recording --------------------------------------------------------------------------------------------------- */

struct changes {
        struct store_change *list;
        uint32_t n, room;
        struct done_writer *writers; /* one for each of the run's trees */
        uint32_t n_writers;
        char **texts;
        uint32_t n_texts, texts_room;
        bool failed;
};

static struct store_change *change_add(struct changes *changes, enum store_change_kind kind, const struct run *run,
                                       uint32_t place) {
        static struct store_change nowhere;

        if (changes->n == changes->room) {
                uint32_t room = changes->room ? changes->room * 2 : 16;
                struct store_change *list = realloc(changes->list, room * sizeof(*list));

                if (!list) {
                        changes->failed = true;
                        return &nowhere;
                }
                changes->list = list;
                changes->room = room;
        }
        changes->list[changes->n] = (struct store_change){.kind = kind, .id = run->job->kept.id, .place = place};
        return &changes->list[changes->n++];
}

static const char *change_text(struct changes *changes, char *text) {
        if (text && changes->n_texts == changes->texts_room) {
                uint32_t room = changes->texts_room ? changes->texts_room * 2 : 16;
                char **texts = realloc(changes->texts, room * sizeof(*texts));

                if (!texts) {
                        free(text);
                        text = NULL;
                } else {
                        changes->texts = texts;
                        changes->texts_room = room;
                }
        }
        changes->failed = changes->failed || !text;
        if (text)
                changes->texts[changes->n_texts++] = text;
        return text ? text : "";
}

static void changes_fini(struct changes *changes) {
        for (uint32_t i = 0; i < changes->n_writers; i++)
                done_writer_fini(&changes->writers[i]);
        for (uint32_t i = 0; i < changes->n_texts; i++)
                free(changes->texts[i]);
        free(changes->texts);
        free(changes->writers);
        free(changes->list);
}

static char *path_of(const struct bundle *bundle, uint32_t index) {
        return path_join(bundle->dir_path ? bundle->dir_path : "", bundle->dir_path ? bundle->files[index].name : "");
}

/* The store's record of how far a file had come goes. */
static void drop_part(struct changes *changes, const struct bundle *bundle, struct bytes path) {
        struct store_change *gone = change_add(changes, STORE_PART_GONE, bundle->tree->run, bundle->tree->place);

        gone->path = path;
}

/* Files that failed since they were copied: when they were verified, or got their names. */
static void sort_out_failed(struct changes *changes, struct bundle *bundle, uint32_t index) {
        const struct copy_file *file = &bundle->files[index];
        struct tree *tree = bundle->tree;
        struct store_counters *live = &tree->run->job->live, *kept = &tree->run->job->kept.counters;

        if (!bundle->again) {
                live->files_done--;
                live->bytes_copied -= bundle_counted(bundle, index) + bundle->counted_bytes;
                tree->files--;
                tree->bytes -= bundle_counted(bundle, index) + bundle->counted_bytes;
                live->bytes_flushed -= bundle->counted_bytes;
                kept->bytes_copied -= bundle->counted_bytes;
                kept->bytes_flushed -= bundle->counted_bytes;
        }
        if (bundle->had_part) {
                const char *path = change_text(changes, path_of(bundle, index));

                drop_part(changes, bundle, (struct bytes){(const uint8_t *)path, strlen(path)});
        }
        run_file_failed(tree, bundle->dir_path ? bundle->dir_path : "", bundle->dir_path ? file->name : "",
                        &file->error);
}

static void count(struct bundle *bundle, uint32_t index) {
        const struct copy_file *file = &bundle->files[index];
        struct job *job = bundle->tree->run->job;
        struct store_counters *kept = &job->kept.counters;
        uint64_t bytes = bundle_counted(bundle, index);
        bool is_verified = bundle->verified && bundle->verified[index];

        if (bundle->again)
                return;
        kept->files_done += file->outcome == COPY_COPIED;
        kept->files_skipped += file->outcome == COPY_SKIPPED;
        kept->bytes_copied += bytes;
        kept->bytes_flushed += bytes;
        job->live.bytes_flushed += bytes;
        if (is_verified) {
                kept->bytes_verified += file->size;
                job->live.bytes_verified += file->size;
        }
}

static void add_file(struct changes *changes, struct done_writer *writer, struct bundle *bundle, uint32_t index) {
        const struct copy_file *file = &bundle->files[index];
        const char *path = change_text(changes, path_of(bundle, index));
        struct done_entry entry = {.path = {(const uint8_t *)path, strlen(path)}};

        entry.linked = file->first_link && file->outcome == COPY_COPIED;
        entry.id = file->source_id;
        entry.has_digest = bundle->verified && bundle->verified[index];
        if (entry.has_digest)
                memcpy(entry.digest, bundle->digests[index], sizeof(entry.digest));
        if (done_write(writer, &entry) < 0 || (entry.linked && done_set_add(bundle->tree->done, &entry) < 0))
                changes->failed = true;
        count(bundle, index);
        if (bundle->had_part)
                drop_part(changes, bundle, entry.path);
}

static void add_files(struct run *run, struct changes *changes) {
        uint32_t at = 0;

        changes->writers = calloc(run->n_trees + 1, sizeof(*changes->writers));
        changes->n_writers = changes->writers ? run->n_trees : 0;
        changes->failed = changes->failed || !changes->writers;
        for (struct tree *tree = run->trees; tree && !changes->failed; tree = tree->next, at++) {
                struct done_writer *writer = &changes->writers[at];
                struct store_change *change;

                for (struct bundle *bundle = run->batch; bundle; bundle = bundle->next)
                        for (uint32_t i = 0; bundle->tree == tree && i < bundle->n; i++) {
                                if (bundle->files[i].outcome == COPY_FAILED)
                                        sort_out_failed(changes, bundle, i);
                                else
                                        add_file(changes, writer, bundle, i);
                        }
                if (buffer_len(&writer->data) == 0)
                        continue;
                change = change_add(changes, STORE_FILES, run, tree->place);
                change->data = (struct bytes){writer->data.data + writer->data.start, buffer_len(&writer->data)};
        }
}

/* Beyond the limits they are counted, and no longer listed. */
static void add_failures(struct run *run, struct changes *changes) {
        struct store_counters *kept = &run->job->kept.counters;
        uint64_t listed = run->failures ? jobs_failure_bytes(run->job->jobs, run->job->kept.uid) : 0;

        for (const struct failure *failure = run->failures; failure; failure = failure->next) {
                uint64_t bytes = strlen(failure->path) + failure->error.rule.len + failure->error.message.len;
                struct store_change *change;

                kept->files_failed++;
                if (kept->files_failed > FAILURES_KEPT_MAX || listed + bytes > FAILURES_BYTES_MAX)
                        continue;
                listed += bytes;
                kept->failure_bytes += bytes;
                change = change_add(changes, STORE_FAILURE, run, failure->place);
                change->path = (struct bytes){(const uint8_t *)failure->path, strlen(failure->path)};
                change->error = &failure->error;
        }
}

/* With this batch the job is at its end. */
static bool is_last(const struct run *run) {
        const struct store_job *kept = &run->job->kept;

        if (run->stopping || run->pending || run->next_place < kept->n_places)
                return false;
        for (const struct tree *tree = run->trees; tree; tree = tree->next)
                if (tree->phase != TREE_COMPLETE && tree->phase != TREE_FINISHED)
                        return false;
        return n_complete(run) == run->n_batch_trees;
}

static void forget_failures(struct run *run) {
        struct failure *failure;

        while ((failure = run->failures)) {
                run->failures = failure->next;
                failure_free(failure);
        }
        run->n_failures = 0;
}

static struct store_counters less(const struct store_counters *a, const struct store_counters *b) {
        struct store_counters rest = *a;

        rest.files_done -= b->files_done;
        rest.files_failed -= b->files_failed;
        rest.files_skipped -= b->files_skipped;
        rest.bytes_copied -= b->bytes_copied;
        rest.bytes_flushed -= b->bytes_flushed;
        rest.bytes_verified -= b->bytes_verified;
        rest.failure_bytes -= b->failure_bytes;
        return rest;
}

static void tree_recorded(struct tree *tree) {
        struct job *job = tree->run->job;

        tree->phase = TREE_FINISHED;
        job->kept.places[tree->place].finished = true;
        if (tree->counted || job->live.totals_known)
                return;
        job->live.files_total += tree->files;
        job->live.bytes_total += tree->bytes;
}

static void batch_recorded(struct run *run, int code) {
        if (code < 0) {
                run->job->kept.counters = less(&run->job->kept.counters,
                                               &run->job->recording); /* parts of large files may have come since */
                if (run->ends_job) {
                        run->job->kept.state = run->job->announced;
                        run->job->kept.finished = (struct fsop_time){0};
                }
                run->batch_failed = true;
                run_fail(run, &(struct copy_error){.code = code}, "what is done could not be recorded");
        }
        for (uint32_t i = 0; code == 0 && i < run->n_batch_trees; i++)
                tree_recorded(run->batch_trees[i]);
        if (code == 0)
                run->job->backoff = 0;
        run->job->recording = (struct store_counters){0};
        drop_batch(run);
        run->moved = true;
}

static void recorded(void *owner, int code) {
        struct run *run = owner;

        run->n_recording--;
        batch_recorded(run, code);
        run_pump(run);
}

static void record(struct run *run) {
        struct job *job = run->job;
        struct changes changes = {0};
        struct store_counters before = job->kept.counters;
        int code = -FSOP_ENOMEM;

        add_files(run, &changes);
        add_failures(run, &changes);
        job->recording = less(&job->kept.counters, &before);
        for (uint32_t i = 0; i < run->n_batch_trees; i++)
                change_add(&changes, STORE_PLACE_FINISHED, run, run->batch_trees[i]->place);
        job->kept.progressed = sys_realtime();
        job->kept.counters.totals_known = job->live.totals_known;
        job->kept.counters.files_total = job->live.totals_known ? job->live.files_total : 0;
        job->kept.counters.bytes_total = job->live.totals_known ? job->live.bytes_total : 0;
        run->ends_job = is_last(run);
        if (run->ends_job) {
                job->kept.state = job->kept.counters.files_failed > 0 ? FSOP_JOB_FAILED : FSOP_JOB_DONE;
                job->kept.finished = sys_realtime();
        }
        *change_add(&changes, STORE_UPDATE, run, 0) = job_update(job);
        if (!changes.failed)
                code = journal_change(job->jobs->journal, changes.list, changes.n, recorded, run);
        changes_fini(&changes);
        forget_failures(run);
        if (code < 0)
                batch_recorded(run, code);
        else
                run->n_recording++;
}

/* ---- from stage to stage ----------------------------------------------------------------------------------------- */

/* Begins a stage; without anything to wait for the next one follows at once. */
static void begin_stage(struct run *run) {
        bool flushes = run->job->kept.sync != FSOP_SYNC_NONE;

        switch (run->stage) {
        case BATCH_FLUSH:
                if (flushes)
                        flush_filesystems(run, true);
                break;
        case BATCH_VERIFY:
                if (run->job->kept.verify)
                        verify(run);
                break;
        case BATCH_PUBLISH:
                publish(run);
                break;
        case BATCH_TOPS:
                publish_tops(run);
                break;
        case BATCH_FLUSH_NAMES: /* a fresh top's own name is durable already */
                if (flushes && run->batch_published)
                        flush_filesystems(run, false);
                break;
        case BATCH_RECORD:
        case BATCH_IDLE:
                break;
        }
}

static void next_stage(struct run *run) {
        while (run->stage != BATCH_RECORD && run->n_batch_units == 0) {
                if (run->batch_failed) { /* what could not be flushed or published is not done */
                        drop_batch(run);
                        return;
                }
                run->stage++;
                begin_stage(run);
        }
        if (run->stage == BATCH_RECORD && run->n_batch_units == 0)
                record(run);
}

void record_pump(struct run *run) {
        if (run->stage != BATCH_IDLE || run->batch_failed || run->job->stop == STOP_CANCEL || !is_due(run))
                return;
        run->record_wanted = false;
        run->batch_published = false;
        run->batch = run->pending;
        run->pending = NULL;
        run->pending_end = &run->pending;
        run->n_pending_files = 0;
        run->pending_ms = run->job->jobs->now_ms;
        run->n_batch_trees = 0;
        for (struct tree *tree = run->trees; tree; tree = tree->next)
                if (tree->phase == TREE_COMPLETE)
                        run->batch_trees[run->n_batch_trees++] = tree;
        next_stage(run);
}

void record_drop(struct run *run) {
        struct bundle *bundle;

        while ((bundle = run->pending)) {
                run->pending = bundle->next;
                run->unrecorded -= bundle->bytes;
                bundle->tree->n_unrecorded--;
                bundle_free(bundle);
        }
        run->pending_end = &run->pending;
        forget_failures(run);
}
