/* SPDX-License-Identifier: MIT */
/*
 * copy.c: a run from its beginning to its end: places opened a few at a time, units given out while there is room, and
 * when nothing is left or the run must stop, everything given back.
 */
#include "daemon/copy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/copy_internal.h"
#include "daemon/log.h"
#include "daemon/server.h"
#include "proto/names.h"

#define SPEND_AHEAD_MS 200u
#define COUNT_AFTER_MS 1000u /* a job that is done by then shows no progress, and needs no total */

/* ---- units ------------------------------------------------------------------------------------------------------- */

struct unit *unit_new(struct run *run, struct tree *tree, enum unit_kind kind) {
        struct unit *unit = calloc(1, sizeof(*unit));

        if (!unit)
                return NULL;
        unit->run = run;
        unit->tree = tree;
        unit->kind = kind;
        return unit;
}

void unit_submit(struct unit *unit, void (*call)(struct io *io), void (*done)(struct io *io)) {
        struct engine *engine = unit->run->job->jobs->server->engine;

        unit->io = (struct io){.kind = IO_CALL, .flags = IO_POOL | IO_LONG, .done = done, .owner = unit};
        unit->io.whose = unit->run->job->kept.uid;
        unit->io.u.call = call;
        unit->run->n_units++;
        unit->tree->n_units++;
        engine->ops->submit(engine, &unit->io);
}

void unit_back(struct unit *unit) {
        unit->run->n_units--;
        unit->tree->n_units--;
        if (unit->io.result < 0 && unit->error.code == 0) /* it never ran */
                unit->error.code = (int32_t)unit->io.result;
}

void run_spent(struct run *run, uint64_t bytes) {
        uint64_t rate = run->job->kept.bytes_per_s, now;

        if (rate == 0 || bytes == 0)
                return;
        now = sys_monotonic_ms();
        if (run->next_ms < now)
                run->next_ms = now;
        run->next_ms += bytes * 1000 / rate;
}

/* A little ahead of its time: timers are coarse, and small files would wait for one each. */
bool run_may_spend(const struct run *run) {
        return run->next_ms == 0 || sys_monotonic_ms() + SPEND_AHEAD_MS >= run->next_ms;
}

/* ---- failures ---------------------------------------------------------------------------------------------------- */

/* Whether it may pass: space that is freed, a server that comes back. What a local disk cannot read stays
 * unreadable. */
bool error_is_transient(const struct tree *tree, const struct copy_error *error) {
        if (error->denied)
                return false;
        switch (error->code) {
        case -FSOP_ENOSPC:
        case -FSOP_EDQUOT:
        case -FSOP_ENOMEM:
        case -FSOP_EMFILE:
        case -FSOP_ENFILE:
        case -FSOP_ENOBUFS:
        case -FSOP_EAGAIN:
        case -FSOP_EINTR:
                return true;
        case -FSOP_EIO:
        case -FSOP_ESTALE:
        case -FSOP_ETIMEDOUT:
        case -FSOP_EHOSTDOWN:
        case -FSOP_EREMOTEIO:
        case -FSOP_ENOTCONN:
        case -FSOP_ECONNRESET:
        case -FSOP_ECONNREFUSED:
                return tree && tree->open && (tree->t.from_fs == FS_SLOW || tree->t.to_fs == FS_SLOW) && !error->why;
        default:
                return false;
        }
}

static struct error error_of(const struct copy_error *error, const char *what, enum fsop_as as) {
        bool permission = error->code == -FSOP_EPERM || error->code == -FSOP_EACCES;
        const char *text = what ? what : error->why ? error->why : error_text(-error->code);

        return (struct error){
                .code = (enum fsop_errno) - error->code,
                .class_ = error->denied || (permission && as == FSOP_AS_AUTO) ? FSOP_CLASS_DENIED
                          : permission                                        ? FSOP_CLASS_OS
                                                                              : error_class_of(-error->code),
                .retryable = error_is_retryable(-error->code),
                .os_error = error->os_error,
                .message = {(const uint8_t *)text, strlen(text)},
        };
}

static void stop_units(struct run *run) {
        run->stopping = true;
        for (struct tree *tree = run->trees; tree; tree = tree->next)
                __atomic_store_n(&tree->t.stop, 1, __ATOMIC_RELEASE);
}

static void fail_with(struct run *run, const struct error *error, bool transient) {
        if (run->error.code == 0) {
                run->error = error_copy(error);
                run->transient = transient;
        }
        stop_units(run);
}

void run_fail(struct run *run, const struct copy_error *error, const char *what) {
        struct error full = error_of(error, what, run->job->kept.as);

        fail_with(run, &full, error_is_transient(NULL, error));
}

void run_out_of_memory(struct run *run) {
        run_fail(run, &(struct copy_error){.code = -FSOP_ENOMEM}, NULL);
}

void run_file_failed(struct tree *tree, const char *directory, const char *name, const struct copy_error *error) {
        struct run *run = tree->run;
        const struct store_place *place = &run->job->kept.places[tree->place];
        struct error full = error_of(error, NULL, run->job->kept.as);
        char *below = path_join(directory, name), *source, *path;

        if (error_is_transient(tree, error)) {
                fail_with(run, &full, true);
                free(below);
                return;
        }
        source = strndup((const char *)place->source.data, place->source.len);
        path = source && below ? path_join(source, below) : NULL;
        free(source);
        free(below);
        if (!path) {
                run_out_of_memory(run);
                return;
        }
        run->job->live.files_failed++;
        tree->files++;
        run->moved = true;
        job_event_failure(run->job, (struct bytes){(const uint8_t *)path, strlen(path)}, &full);
        record_failure(run, tree->place, path, &full);
        free(path);
}

/* ---- places ------------------------------------------------------------------------------------------------------ */

static bool tree_is_idle(const struct tree *tree) {
        return tree->n_units == 0 && tree->n_waiting == 0;
}

static void tree_free(struct tree *tree) {
        while (tree->parts) {
                struct known_part *known = tree->parts;

                tree->parts = known->next;
                free(known->path);
                free(known);
        }
        free(tree->part_names);
        done_set_free(tree->done);
        identity_unref(tree->t.reader);
        identity_unref(tree->t.writer);
        identity_unref(tree->t.keeper);
        if (tree->from_root)
                root_release(tree->from_root);
        if (tree->to_root)
                root_release(tree->to_root);
        free(tree);
}

static void tree_remove(struct tree *tree) {
        struct tree **link = &tree->run->trees;

        while (*link != tree)
                link = &(*link)->next;
        *link = tree->next;
        tree->run->n_trees--;
        tree_free(tree);
}

static void close_call(struct io *io) {
        struct unit *unit = io->owner;

        if (unit->tree->removing)
                copy_remove_temporaries(&unit->tree->t, &unit->error);
        copy_close(&unit->tree->t);
        io->result = 0;
}

static void close_done(struct io *io) {
        struct unit *unit = io->owner;
        struct run *run = unit->run;

        unit_back(unit);
        if (unit->io.result < 0) /* no worker could: then on the loop */
                copy_close(&unit->tree->t);
        if (unit->error.code < 0)
                log_line(LOG_LEVEL_WARNING, "job %llu: temporary files could not all be removed: %s",
                         (unsigned long long)run->job->kept.id,
                         unit->error.why ? unit->error.why : error_text(-unit->error.code));
        tree_remove(unit->tree);
        free(unit);
        run_pump(run);
}

static void tree_close(struct tree *tree) {
        struct run *run = tree->run;
        struct unit *unit;

        if (tree->closing)
                return;
        tree->closing = true;
        tree->removing = tree->open && (run->clean || (run->job->stop == STOP_CANCEL && tree->phase != TREE_FINISHED));
        run->left_something = run->left_something ||
                              (!tree->removing && tree->phase != TREE_FINISHED && (tree->open || tree->t.resumed));
        if (!tree->open) {
                tree_remove(tree);
                return;
        }
        unit = unit_new(run, tree, UNIT_CLOSE);
        if (!unit) { /* then on the loop */
                run->left_something = run->left_something || tree->removing;
                copy_close(&tree->t);
                tree_remove(tree);
                return;
        }
        unit_submit(unit, close_call, close_done);
}

/* ---- what earlier runs have done --------------------------------------------------------------------------------- */

static int take_entry(void *context, const struct done_entry *entry) {
        struct tree *tree = context;

        tree->has_done = true;
        return done_set_add(tree->done, entry);
}

static int take_files(void *context, struct bytes data) {
        return done_read(data, take_entry, context);
}

static int take_part(void *context, const struct store_part *part) {
        struct tree *tree = context;
        struct known_part *known = calloc(1, sizeof(*known));

        if (!known || !(known->path = strndup((const char *)part->path.data, part->path.len))) {
                free(known);
                return -FSOP_ENOMEM;
        }
        known->record = part->record;
        known->next = tree->parts;
        tree->parts = known;
        return 0;
}

static int compare_names(const void *a, const void *b) {
        return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int name_parts(struct tree *tree) {
        uint32_t n = 0;

        for (struct known_part *known = tree->parts; known; known = known->next)
                n++;
        tree->part_names = calloc(n + 1, sizeof(*tree->part_names));
        if (!tree->part_names)
                return -FSOP_ENOMEM;
        n = 0;
        for (struct known_part *known = tree->parts; known; known = known->next)
                if (known->record.temporary[0])
                        tree->part_names[n++] = known->record.temporary;
        qsort(tree->part_names, n, sizeof(*tree->part_names), compare_names);
        tree->t.parts = tree->part_names;
        tree->t.n_parts = n;
        return 0;
}

/* On a worker. */
static int load_tree(struct store *store, void *owner) {
        struct tree *tree = owner;
        uint64_t id = tree->run->job->kept.id;
        int code = store->ops->read_files(store, id, tree->place, take_files, tree);

        if (code == 0)
                code = store->ops->read_parts(store, id, tree->place, take_part, tree);
        return code == 0 ? name_parts(tree) : code;
}

static void tree_opened(struct tree *tree, const struct error *error) {
        struct run *run = tree->run;

        tree->n_units--;
        run->n_units--;
        if (error->code != 0) {
                struct copy_error copy_error = {.code = -(int32_t)error->code};

                fail_with(run, error, error->class_ == FSOP_CLASS_BUSY || error_is_transient(NULL, &copy_error));
        } else {
                tree->open = true;
                tree->phase = TREE_WALKING;
                if (!run->stopping && !run->clean)
                        walk_begin(tree);
        }
        run_pump(run);
}

static void tree_open(struct tree *tree) {
        struct run *run = tree->run;

        tree->phase = TREE_OPENING;
        tree->n_units++;
        run->n_units++;
        job_open_place(run->job, tree, tree_opened);
}

/* ".fsop-JOB-RANDOM", another for each place. */
static void temporary_name(const struct store_job *kept, uint32_t place, char name[COPY_TEMPORARY_BYTES]) {
        char number[16] = "";

        if (place > 0)
                snprintf(number, sizeof(number), "%x", place);
        snprintf(name, COPY_TEMPORARY_BYTES, ".fsop-%llu-%s%s", (unsigned long long)kept->id, kept->random, number);
}

static void tree_loaded(void *owner, int code) {
        struct tree *tree = owner;
        struct run *run = tree->run;

        tree->n_units--;
        run->n_units--;
        if (code < 0)
                run_fail(run, &(struct copy_error){.code = code}, "what is done already could not be read");
        else if (!run->stopping)
                tree_open(tree);
        run_pump(run);
}

/* Of one that was there when the daemon started the beginning may not have been recorded. */
static bool has_earlier_run(const struct job *job) {
        return job->kept.runs > 1 || job->reloaded;
}

static struct tree *tree_new(struct run *run, uint32_t place) {
        struct tree *tree = calloc(1, sizeof(*tree));
        const struct store_job *kept = &run->job->kept;

        if (!tree || done_set_new(&tree->done) < 0) {
                free(tree);
                return NULL;
        }
        tree->run = run;
        tree->place = place;
        tree->t.options = &run->options;
        tree->t.source = tree->t.target_parent = OS_FD_NONE;
        tree->t.resumed = run->clean || has_earlier_run(run->job);
        temporary_name(kept, place, tree->t.temporary);
        tree->t.top = kept->places[place].top;
        return tree;
}

static void add_place(struct run *run) {
        uint32_t place = run->next_place++;
        struct tree *tree;

        if (run->job->kept.places[place].finished)
                return;
        tree = tree_new(run, place);
        if (!tree) {
                run_out_of_memory(run);
                return;
        }
        struct tree **last = &run->trees;

        while (*last)
                last = &(*last)->next;
        *last = tree;
        run->n_trees++;
        if (!tree->t.resumed) {
                tree_open(tree);
                return;
        }
        tree->n_units++;
        run->n_units++;
        if (journal_read(run->job->jobs->journal, load_tree, tree_loaded, tree) < 0) {
                tree->n_units--;
                run->n_units--;
                run_out_of_memory(run);
        }
}

static void open_places(struct run *run) {
        while (!run->stopping && run->next_place < run->job->kept.n_places && run->n_trees < RUN_TREES_MAX)
                add_place(run);
}

/* ---- a tree goes on ---------------------------------------------------------------------------------------------- */

/* Links to files that have got their final names. Until those are recorded, nothing is linked to them. */
static void link_on(struct tree *tree) {
        if (!tree->linked) {
                tree->phase = TREE_SETTLING;
                tree->run->record_wanted =
                        tree->run->record_wanted || tree->n_unrecorded > 0; /* directories wait for their files */
                walk_finish_top(tree);
        } else if (tree->n_unrecorded > 0)
                tree->run->record_wanted = true;
        else
                links_queue(tree);
}

static void tree_advance(struct tree *tree) {
        struct run *run = tree->run;

        switch (tree->phase) {
        case TREE_LOADING:
        case TREE_OPENING:
        case TREE_COMPLETE:
                break;
        case TREE_WALKING:
                if (run->clean)
                        tree_close(tree);
                else if (tree_is_idle(tree)) {
                        tree->phase = TREE_LINKING;
                        link_on(tree);
                }
                break;
        case TREE_LINKING:
                if (tree_is_idle(tree))
                        link_on(tree);
                break;
        case TREE_SETTLING:
                if (tree->top)
                        run->record_wanted = run->record_wanted || tree->n_unrecorded > 0;
                else if (tree_is_idle(tree))
                        tree->phase = TREE_COMPLETE;
                break;
        case TREE_FINISHED:
                if (tree_is_idle(tree))
                        tree_close(tree);
                break;
        }
}

static void advance_trees(struct run *run) {
        struct tree *next;

        for (struct tree *tree = run->trees; tree; tree = next) {
                next = tree->next;
                tree_advance(tree);
        }
}

/* ---- giving out -------------------------------------------------------------------------------------------------- */

static uint32_t copying_max(void) {
        static uint32_t max;

        if (max == 0) {
                max = sys_processors();
                max = max < 2 ? 2 : max > 8 ? 8 : max;
        }
        return max;
}

/*
 * Two more than can work at a time: no worker waits for the loop, and while one waits for the filesystem another works.
 * Under a bandwidth limit what is under way has not been counted yet.
 */
static void issue(struct run *run) {
        uint32_t max = copying_max() + (run->job->kept.bytes_per_s > 0 ? 0 : 2);

        while (large_issue(run))
                ;
        while (!run->stopping && run->n_units - run->n_batch_units < max && walk_issue(run))
                ;
}

/* ---- counting ---------------------------------------------------------------------------------------------------- */

static void count_call(struct io *io) {
        struct unit *unit = io->owner;

        copy_count(&unit->tree->t, &unit->files, &unit->bytes, &unit->error);
        io->result = 0;
}

static void count_done(struct io *io) {
        struct unit *unit = io->owner;
        struct run *run = unit->run;

        unit_back(unit);
        run->counting = false;
        if (unit->error.code == 0) {
                run->job->live.files_total += unit->files;
                run->job->live.bytes_total += unit->bytes;
                run->moved = true;
        } else
                run->uncountable = true;
        free(unit);
        run_pump(run);
}

static bool all_are_counted(const struct run *run) {
        if (run->uncountable || run->counting || run->next_place < run->job->kept.n_places)
                return false;
        for (const struct tree *tree = run->trees; tree; tree = tree->next)
                if (!tree->counted)
                        return false;
        return true;
}

/* One tree after the other, beside the copying. */
static void count_trees(struct run *run, uint64_t now_ms) {
        if (run->job->live.totals_known || run->counting || run->stopping || run->clean ||
            now_ms - run->started_ms < COUNT_AFTER_MS)
                return;
        for (struct tree *tree = run->trees; tree; tree = tree->next) {
                struct unit *unit;

                if (tree->counted || !tree->open || tree->phase == TREE_FINISHED)
                        continue;
                unit = unit_new(run, tree, UNIT_COUNT);
                if (!unit)
                        return;
                tree->counted = run->counting = true;
                unit_submit(unit, count_call, count_done);
                return;
        }
        if (all_are_counted(run))
                run->job->live.totals_known = run->moved = true;
}

bool run_tick(struct run *run, uint64_t now_ms, bool say) {
        bool moved = run->moved;

        count_trees(run, now_ms);
        if (say)
                run->moved = false;
        run->kicked = true;
        return moved;
}

/* ---- the end ----------------------------------------------------------------------------------------------------- */

static void run_free(struct run *run) {
        free((void *)(uintptr_t)run->options.excludes);
        free(run->excludes_texts);
        if (run->has_peer)
                peer_fini(&run->peer);
        identity_unref(run->identity);
        policy_unref(run->policy);
        free(run);
}

static void run_end(struct run *run) {
        struct job *job = run->job;
        bool transient = run->transient;
        struct error error = run->error; /* moved out: the run is gone when the job hears of it */

        if (job->stop == STOP_CANCEL && !run->clean)
                job->wants_cleaning =
                        run->left_something || (run->next_place < job->kept.n_places && has_earlier_run(job));
        run->ended = true;
        job->run = NULL;
        job->live = job->kept.counters;
        run_free(run);
        job_run_ended(job, &error, transient);
        error_fini(&error);
}

/* Everything that waits is let go of; directories that are open are closed by workers. */
static void wind_up(struct run *run) {
        walk_drop(run);
        large_drop(run);
        record_drop(run);
        if (run->finishing) {
                while (walk_issue(run))
                        ;
                return;
        }
        for (struct tree *tree = run->trees, *next; tree; tree = next) {
                next = tree->next;
                tree_close(tree);
        }
}

static bool is_over(const struct run *run) {
        return run->n_units == 0 && run->n_recording == 0 && run->stage == BATCH_IDLE && !run->trees &&
               (run->stopping || run->next_place == run->job->kept.n_places) && !run->failures;
}

void run_pump(struct run *run) {
        if (run->pumping || run->ended)
                return;
        run->pumping = true;
        open_places(run);
        if (!run->stopping)
                advance_trees(run);
        issue(run);
        record_pump(run);
        if (run->stopping && run->n_units == 0 && run->n_recording == 0 && run->stage == BATCH_IDLE &&
            !large_is_busy(run) && (record_is_idle(run) || run->job->stop == STOP_CANCEL || run->batch_failed))
                wind_up(run);
        run->pumping = false;
        if (is_over(run))
                run_end(run);
}

/* ---- the beginning ----------------------------------------------------------------------------------------------- */

static int take_excludes(struct run *run) {
        const struct store_job *kept = &run->job->kept;
        size_t bytes = 1;
        const char **list = calloc(kept->n_excludes + 1, sizeof(*list));
        char *at;

        for (uint32_t i = 0; i < kept->n_excludes; i++)
                bytes += kept->excludes[i].len + 1;
        run->excludes_texts = at = malloc(bytes);
        run->options.excludes = list;
        if (!list || !at)
                return -FSOP_ENOMEM;
        for (uint32_t i = 0; i < kept->n_excludes; i++) {
                memcpy(at, kept->excludes[i].data, kept->excludes[i].len);
                at[kept->excludes[i].len] = 0;
                list[i] = at;
                at += kept->excludes[i].len + 1;
        }
        run->options.n_excludes = kept->n_excludes;
        return 0;
}

static bool has_names(const struct store_job *kept) {
        for (uint32_t i = 0; i < kept->n_places; i++)
                if (kept->places[i].n_names > 0)
                        return true;
        return false;
}

int run_start(struct job *job, bool clean) {
        struct run *run = calloc(1, sizeof(*run));
        const struct store_job *kept = &job->kept;

        if (!run)
                return -FSOP_ENOMEM;
        run->job = job;
        run->clean = clean;
        run->options = (struct copy_options){
                .recursive = kept->recursive || has_names(kept), /* a list names directories to go through */
                .one_filesystem = kept->one_filesystem,
                .preserve = kept->preserve,
                .umask = kept->umask,
                .clone = kept->clone,
                .update = kept->update,
                .verify = kept->verify,
                .flush_each = kept->sync == FSOP_SYNC_FILE,
        };
        if (take_excludes(run) < 0) {
                run_free(run);
                return -FSOP_ENOMEM;
        }
        run->policy = policy_ref(job->jobs->server->policy);
        run->bundles_end = &run->bundles;
        run->larges_end = &run->larges;
        run->pending_end = &run->pending;
        run->started_ms = job->jobs->now_ms;
        run->kicked = true;
        job->live = kept->counters;
        if (!kept->counters.totals_known)
                job->live.files_total = job->live.bytes_total = 0;
        job->run = run;
        return 0;
}

void run_stop(struct run *run) {
        stop_units(run);
        run->kicked = true;
}

void run_end_round(struct run *run) {
        if (!run->kicked)
                return;
        run->kicked = false;
        run_pump(run);
}
