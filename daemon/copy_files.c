/* SPDX-License-Identifier: MIT */
/* copy_files.c: files in bundles: queued, given to workers that copy them, and each one's outcome brought to where it
 * belongs. */
#include <stdlib.h>
#include <string.h>

#include "daemon/copy_internal.h"

/* ---- bundles ----------------------------------------------------------------------------------------------------- */

struct bundle *bundle_new(struct dir *dir, const char *const *names, const enum fsop_file_type *types, uint32_t n) {
        struct bundle *bundle = calloc(1, sizeof(*bundle));
        size_t bytes = 0;
        char *at;

        for (uint32_t i = 0; i < n; i++)
                bytes += strlen(names[i]) + 1;
        if (!bundle)
                return NULL;
        bundle->files = calloc(n, sizeof(*bundle->files));
        bundle->texts = at = malloc(bytes);
        if (!bundle->files || !at) {
                free(bundle->files);
                free(bundle->texts);
                free(bundle);
                return NULL;
        }
        for (uint32_t i = 0; i < n; i++) {
                size_t len = strlen(names[i]) + 1;

                memcpy(at, names[i], len);
                bundle->files[i] = (struct copy_file){.name = at, .type = types[i]};
                at += len;
        }
        bundle->tree = dir->tree;
        bundle->dir = dir;
        bundle->n = n;
        bundle->holds_dir = true;
        dir_hold(dir);
        return bundle;
}

void bundle_free(struct bundle *bundle) {
        for (uint32_t i = 0; bundle->link_paths && i < bundle->n; i++)
                free((char *)(uintptr_t)bundle->link_paths[i]);
        free(bundle->link_paths);
        free(bundle->files);
        free(bundle->texts);
        free(bundle->dir_path);
        free(bundle->digests);
        free(bundle->verified);
        if (bundle->holds_dir)
                dir_release(bundle->dir);
        free(bundle);
}

uint64_t bundle_counted(const struct bundle *bundle, uint32_t index) {
        const struct copy_file *file = &bundle->files[index];

        if (bundle->kind == BUNDLE_LINKS || file->outcome == COPY_SKIPPED || file->size <= bundle->counted_bytes)
                return 0;
        return file->size - bundle->counted_bytes;
}

void bundle_queue(struct bundle *bundle) {
        struct run *run = bundle->tree->run;

        bundle->tree->n_waiting++;
        bundle->next = NULL;
        *run->bundles_end = bundle;
        run->bundles_end = &bundle->next;
}

void files_queue(struct dir *dir, const char *const *names, const enum fsop_file_type *types, uint32_t n,
                 enum bundle_kind kind, bool again) {
        struct bundle *bundle = n > 0 ? bundle_new(dir, names, types, n) : NULL;

        if (n == 0)
                return;
        if (!bundle) {
                run_out_of_memory(dir->tree->run);
                return;
        }
        bundle->kind = kind;
        bundle->again = again;
        bundle_queue(bundle);
}

/* ---- files ------------------------------------------------------------------------------------------------------- */

/* What was not begun, because enough was copied: together, after the others. */
static void again_later(struct bundle *bundle) {
        struct run *run = bundle->tree->run;
        const char *names[BUNDLE_FILES];
        enum fsop_file_type types[BUNDLE_FILES];
        struct bundle *again;
        uint32_t n = 0;

        for (uint32_t i = 0; i < bundle->n; i++)
                if (bundle->files[i].outcome == COPY_PENDING) {
                        names[n] = bundle->files[i].name;
                        types[n++] = bundle->files[i].type;
                }
        if (n == 0 || run->stopping)
                return;
        again = bundle_new(bundle->dir, names, types, n);
        if (!again) {
                run_out_of_memory(run);
                return;
        }
        again->kind = bundle->kind;
        again->again = bundle->again;
        bundle_queue(again);
}

/* Whether the file stays in its bundle, to be recorded. */
static bool file_stays(struct bundle *bundle, uint32_t index) {
        struct copy_file *file = &bundle->files[index];
        struct tree *tree = bundle->tree;

        switch (file->outcome) {
        case COPY_COPIED:
        case COPY_SKIPPED:
                return true;
        case COPY_LARGE:
                large_add(bundle, index);
                return false;
        case COPY_LINKED:
                links_add(bundle, index);
                return false;
        case COPY_DIRECTORY:
                walk_found_directory(bundle->dir, file->name);
                return false;
        case COPY_PENDING:
                return false;
        case COPY_FAILED:
                break;
        }
        run_file_failed(tree, bundle->dir->is_place ? "" : copy_dir_path(bundle->dir->handle),
                        bundle->dir->is_place ? "" : file->name, &file->error);
        return false;
}

void files_copied(struct bundle *bundle) {
        struct run *run = bundle->tree->run;
        struct store_counters *live = &run->job->live;
        uint32_t n = 0;

        again_later(bundle);
        for (uint32_t i = 0; i < bundle->n; i++) {
                struct copy_file *file = &bundle->files[i];

                if (!file_stays(bundle, i)) {
                        if (bundle->link_paths)
                                free((char *)(uintptr_t)bundle->link_paths[i]);
                        continue;
                }
                bundle->bytes += file->bytes;
                bundle->has_data = bundle->has_data || file->bytes > 0;
                bundle->needs_publish = bundle->needs_publish || file->needs_publish;
                if (!bundle->again) {
                        live->files_done += file->outcome == COPY_COPIED;
                        live->files_skipped += file->outcome == COPY_SKIPPED;
                        bundle->tree->files++;
                }
                if (bundle->link_paths)
                        bundle->link_paths[n] = bundle->link_paths[i];
                bundle->files[n++] = *file;
        }
        bundle->n = n;
        for (uint32_t i = 0; !bundle->again && bundle->kind != BUNDLE_PART && i < n; i++) {
                live->bytes_copied += bundle_counted(bundle, i);
                bundle->tree->bytes += bundle_counted(bundle, i);
        }
        run->moved = true;
        if (n == 0)
                bundle_free(bundle);
        else
                record_add(bundle);
}

/*
 * Files that need no flush before they get their names (clones; or none was asked for) get them from the worker that
 * has made them, which has everything at hand. Not where they may have to be taken back, nor where a later run could
 * not tell its own file from one that `update` leaves alone.
 */
static bool may_publish_at_once(const struct bundle *bundle) {
        const struct tree *tree = bundle->tree;
        const struct store_job *kept = &tree->run->job->kept;

        return bundle->kind == BUNDLE_FILES_OF_DIR && !kept->verify && kept->update == FSOP_UPDATE_ALL &&
               !(tree->to_rule && rule_has_total(tree->to_rule));
}

static bool needs_flush(const struct bundle *bundle, const struct copy_file *files, uint32_t n) {
        for (uint32_t i = 0; i < n; i++)
                if (files[i].outcome == COPY_COPIED && files[i].bytes > 0)
                        return bundle->tree->run->job->kept.sync == FSOP_SYNC_BATCH;
        return false;
}

/* A few at a time: a directory that does not grow for temporary names is quicker, and so is what is in the cache. */
static void copy_and_publish(struct copy_tree *tree, struct bundle *bundle) {
        struct copy_dir *dir = bundle->dir->handle;
        uint64_t bytes = 0;

        for (uint32_t i = 0, n; i < bundle->n && bytes < COPY_FILES_BYTES; i += n) {
                struct copy_file *files = bundle->files + i;

                n = bundle->n - i < COPY_GROUP_FILES ? bundle->n - i : COPY_GROUP_FILES;
                copy_files(tree, dir, files, n);
                for (uint32_t j = 0; j < n; j++)
                        bytes += files[j].bytes;
                if (!needs_flush(bundle, files, n))
                        copy_publish(tree, dir, files, n);
        }
}

static void files_call(struct io *io) {
        struct unit *unit = io->owner;
        struct bundle *bundle = unit->bundle;

        if (bundle->kind == BUNDLE_LINKS)
                for (uint32_t i = 0; i < bundle->n; i++)
                        copy_link(&unit->tree->t, bundle->link_paths[i], bundle->dir->handle, &bundle->files[i]);
        else if (bundle->at_once)
                copy_and_publish(&unit->tree->t, bundle);
        else
                copy_files(&unit->tree->t, bundle->dir->handle, bundle->files, bundle->n);
        io->result = 0;
}

/* Whether anything is beyond the rule's total-bytes: that must not stay. */
static bool charge_bundle(struct bundle *bundle) {
        struct tree *tree = bundle->tree;
        bool refused = false;

        for (uint32_t i = 0; tree->to_rule && i < bundle->n; i++) {
                struct copy_file *file = &bundle->files[i];
                uint64_t bytes = file->bytes + file->cloned_bytes;

                if (file->outcome != COPY_COPIED || bytes == 0 ||
                    policy_account_charge(tree->to_rule, tree->run->peer.uid, bytes) == 0)
                        continue;
                file->error = (struct copy_error){
                        .code = -FSOP_EDQUOT, .denied = true, .why = "the rule's total-bytes would be exceeded"};
                refused = true;
        }
        return refused;
}

static bool is_refused(const struct copy_file *file) {
        return file->outcome == COPY_COPIED && file->error.denied;
}

static void discard_call(struct io *io) {
        struct unit *unit = io->owner;

        for (uint32_t i = 0; i < unit->bundle->n; i++)
                if (is_refused(&unit->bundle->files[i]))
                        copy_discard(&unit->tree->t, unit->bundle->dir->handle, &unit->bundle->files[i]);
        io->result = 0;
}

static void discard_done(struct io *io) {
        struct unit *unit = io->owner;
        struct run *run = unit->run;

        unit_back(unit);
        if (unit->error.code < 0) /* no worker could */
                run_fail(run, &unit->error, NULL);
        for (uint32_t i = 0; i < unit->bundle->n; i++)
                if (is_refused(&unit->bundle->files[i]))
                        unit->bundle->files[i].outcome = COPY_FAILED;
        files_copied(unit->bundle);
        free(unit);
        run_pump(run);
}

static void files_done(struct io *io) {
        struct unit *unit = io->owner;
        struct run *run = unit->run;
        struct bundle *bundle = unit->bundle;
        uint64_t bytes = 0;

        unit_back(unit);
        run->n_copying--;
        if (unit->error.code < 0) /* no worker could */
                run_fail(run, &unit->error, NULL);
        for (uint32_t i = 0; i < bundle->n; i++)
                bytes += bundle->files[i].bytes + bundle->files[i].cloned_bytes;
        run_spent(run, bytes);
        if (charge_bundle(bundle)) {
                unit->kind = UNIT_DISCARD;
                unit_submit(unit, discard_call, discard_done);
                return;
        }
        files_copied(bundle);
        free(unit);
        run_pump(run);
}

static void known_call(struct io *io) {
        struct unit *unit = io->owner;
        struct bundle *bundle = unit->bundle;

        for (uint32_t i = 0; i < bundle->n; i++)
                bundle->files[i].outcome = copy_is_there(&unit->tree->t, bundle->dir->handle, bundle->files[i].name)
                                                   ? COPY_COPIED
                                                   : COPY_PENDING;
        io->result = 0;
}

static void known_done(struct io *io) {
        struct unit *unit = io->owner;
        struct run *run = unit->run;
        struct bundle *bundle = unit->bundle;

        unit_back(unit);
        run->n_copying--;
        if (unit->error.code < 0) /* no worker could look */
                run_fail(run, &unit->error, NULL);
        for (uint32_t i = 0; i < bundle->n && !run->stopping; i++)
                if (bundle->files[i].outcome == COPY_PENDING)
                        files_queue(bundle->dir, &bundle->files[i].name, &bundle->files[i].type, 1, BUNDLE_FILES_OF_DIR,
                                    true);
        bundle_free(bundle);
        free(unit);
        run_pump(run);
}

bool files_issue(struct run *run) {
        struct bundle *bundle = run->bundles;
        struct unit *unit;
        bool known = bundle->kind == BUNDLE_KNOWN;

        unit = unit_new(run, bundle->tree, known ? UNIT_KNOWN : UNIT_FILES);
        if (!unit) {
                run_out_of_memory(run);
                return false;
        }
        run->bundles = bundle->next;
        if (!run->bundles)
                run->bundles_end = &run->bundles;
        bundle->tree->n_waiting--;
        bundle->at_once = may_publish_at_once(bundle);
        unit->bundle = bundle;
        run->n_copying++;
        unit_submit(unit, known ? known_call : files_call, known ? known_done : files_done);
        return true;
}
