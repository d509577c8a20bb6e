/* SPDX-License-Identifier: MIT */
/*
 * copy_walk.c: trees walked: directories entered depth first, listed name by name, their files put into bundles, bundles given to
 * workers; and directories finished when everything in them is.
 */
#include <stdlib.h>
#include <string.h>

#include "daemon/copy_internal.h"

#define BUNDLES_AHEAD 8u /* so many wait: nothing more is listed */
#define TODOS_AHEAD 512u /* so many directories wait: they come before the rest of the listings */

/* ---- paths ------------------------------------------------------------------------------------------------------- */

char *path_join(const char *directory, const char *name) {
        size_t len = strlen(directory), name_len = strlen(name), slash = len > 0 && name_len > 0;
        char *path = malloc(len + slash + name_len + 1);

        if (!path)
                return NULL;
        memcpy(path, directory, len);
        if (slash)
                path[len] = '/';
        memcpy(path + len + slash, name, name_len + 1);
        return path;
}

static bool is_done(struct dir *dir, const char *name) {
        char *path;
        bool done;

        if (!dir->tree->has_done)
                return false;
        path = path_join(dir->is_place ? "" : copy_dir_path(dir->handle), dir->is_place ? "" : name);
        done = path && done_set_has(dir->tree->done, (struct bytes){(const uint8_t *)path, strlen(path)});
        free(path);
        return done;
}

/* ---- directories ------------------------------------------------------------------------------------------------- */

void dir_hold(struct dir *dir) {
        dir->pending++;
        dir->users++;
}

static void push(struct dir **list, struct dir *dir) {
        dir->next = *list;
        *list = dir;
}

static struct dir *pop(struct dir **list) {
        struct dir *dir = *list;

        *list = dir->next;
        return dir;
}

static void names_list_free(struct names_list *names) {
        if (!names)
                return;
        for (uint32_t i = 0; i < names->n; i++)
                free(names->paths[i]);
        free(names->paths);
        free(names);
}

static void dir_free(struct dir *dir) {
        struct run *run = dir->tree->run;

        if (!dir->closed)
                run->n_open_dirs--;
        copy_dir_free(dir->handle);
        names_list_free(dir->names);
        if (dir == dir->tree->top)
                dir->tree->top = NULL;
        free(dir);
}

static struct dir *dir_new(struct tree *tree, struct dir *parent, struct copy_dir *handle, struct names_list *names) {
        struct dir *dir = calloc(1, sizeof(*dir));

        if (!dir)
                return NULL;
        *dir = (struct dir){.parent = parent, .tree = tree, .handle = handle, .names = names};
        tree->run->n_open_dirs++;
        return dir;
}

/* Nobody needs its descriptors for now. On a filesystem that may hang they are kept until a worker ends the directory. */
static void dir_put_away(struct dir *dir) {
        const struct copy_tree *t = &dir->tree->t;

        if (dir->closed || t->from_fs != FS_LOCAL || t->to_fs != FS_LOCAL)
                return;
        copy_dir_close(dir->handle);
        dir->closed = true;
        dir->tree->run->n_open_dirs--;
}

static void dir_check(struct dir *dir) {
        struct run *run = dir->tree->run;

        if (dir->pending > 0) {
                if (dir->users == 0)
                        dir_put_away(dir);
                return;
        }
        dir->tree->n_waiting++;
        push(&run->finishing, dir);
}

void dir_release(struct dir *dir) {
        dir->pending--;
        dir->users--;
        dir_check(dir);
}

void dir_release_closed(struct dir *dir) {
        dir->pending--;
        dir_check(dir);
}

static void dir_child_entered(struct dir *dir) {
        dir->users--;
        dir_check(dir);
}

static void finish_call(struct io *io) {
        struct unit *unit = io->owner;
        struct dir *dir = unit->dir;

        if (!dir->is_place && !unit->run->stopping)
                copy_finish_dir(&unit->tree->t, dir->handle, &unit->error);
        copy_dir_close(dir->handle);
        io->result = 0;
}

static void finish_done(struct io *io) {
        struct unit *unit = io->owner;
        struct run *run = unit->run;
        struct dir *dir = unit->dir, *parent = dir->parent;

        unit_back(unit);
        if (unit->error.code < 0 && unit->error.code != -FSOP_ECANCELED)
                run_file_failed(unit->tree, copy_dir_path(dir->handle), "", &unit->error);
        dir_free(dir);
        if (parent)
                dir_release_closed(parent);
        free(unit);
        run_pump(run);
}

/* ---- bundles ------------------------------------------------------------------------------------------------------ */

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

void walk_queue_bundle(struct bundle *bundle) {
        struct run *run = bundle->tree->run;

        bundle->tree->n_waiting++;
        bundle->next = NULL;
        *run->bundles_end = bundle;
        run->bundles_end = &bundle->next;
}

static void out_of_memory(struct run *run) {
        run_fail(run, &(struct copy_error){.code = -FSOP_ENOMEM}, NULL);
}

static void queue_names(struct dir *dir, const char *const *names, const enum fsop_file_type *types, uint32_t n, enum bundle_kind kind,
                        bool again) {
        struct bundle *bundle = n > 0 ? bundle_new(dir, names, types, n) : NULL;

        if (n == 0)
                return;
        if (!bundle) {
                out_of_memory(dir->tree->run);
                return;
        }
        bundle->kind = kind;
        bundle->again = again;
        walk_queue_bundle(bundle);
}

static void queue_todo(struct dir *parent, const char *name, struct names_list *names) {
        struct run *run = parent->tree->run;
        struct todo *todo = malloc(sizeof(*todo) + strlen(name) + 1);

        if (!todo) {
                names_list_free(names);
                out_of_memory(run);
                return;
        }
        todo->parent = parent;
        todo->names = names;
        strcpy(todo->name, name);
        dir_hold(parent);
        parent->tree->n_waiting++;
        todo->next = run->todos;
        run->todos = todo;
        run->n_todos++;
}

/* Names of a directory sorted into bundles and directories to enter. */
struct sorter {
        struct dir *dir;
        uint32_t max, n, n_known;
        const char *names[BUNDLE_FILES], *known[BUNDLE_FILES];
        enum fsop_file_type types[BUNDLE_FILES], known_types[BUNDLE_FILES];
};

static void sorter_init(struct sorter *sorter, struct dir *dir) {
        sorter->dir = dir;
        sorter->max = dir->tree->run->job->kept.bytes_per_s > 0 ? BUNDLE_FILES_SLOW : BUNDLE_FILES;
        sorter->n = sorter->n_known = 0;
}

static void sorter_flush(struct sorter *sorter) {
        queue_names(sorter->dir, sorter->names, sorter->types, sorter->n, BUNDLE_FILES_OF_DIR, false);
        queue_names(sorter->dir, sorter->known, sorter->known_types, sorter->n_known, BUNDLE_KNOWN, false);
        sorter->n = sorter->n_known = 0;
}

static void sorter_add(struct sorter *sorter, const char *name, enum fsop_file_type type) {
        if (type == FSOP_TYPE_DIRECTORY) {
                queue_todo(sorter->dir, name, NULL);
                return;
        }
        if (is_done(sorter->dir, name)) {
                sorter->known[sorter->n_known] = name;
                sorter->known_types[sorter->n_known++] = type;
        } else {
                sorter->names[sorter->n] = name;
                sorter->types[sorter->n++] = type;
        }
        if (sorter->n == sorter->max || sorter->n_known == sorter->max)
                sorter_flush(sorter);
}

/* ---- lists instead of listings ------------------------------------------------------------------------------------- */

static struct names_list *names_of_place(const struct store_place *place) {
        struct names_list *list = calloc(1, sizeof(*list));

        if (!list)
                return NULL;
        list->paths = calloc(place->n_names, sizeof(*list->paths));
        for (uint32_t i = 0; list->paths && i < place->n_names; i++) {
                list->paths[i] = strndup((const char *)place->names[i].data, place->names[i].len);
                if (!list->paths[i])
                        break;
                list->n++;
        }
        if (list->n < place->n_names) {
                names_list_free(list);
                return NULL;
        }
        return list;
}

/* The paths of FROM that begin with the component that AT begins with, without it. *ret_whole: one of them is that component itself. */
static struct names_list *names_below(const struct names_list *from, uint32_t *at, char component[WIRE_NAME_BYTES_MAX + 1], bool *ret_whole) {
        struct names_list *list = calloc(1, sizeof(*list));
        const char *first = from->paths[*at];
        size_t len = strcspn(first, "/");

        *ret_whole = false;
        if (len > WIRE_NAME_BYTES_MAX || !list || !(list->paths = calloc(from->n - *at, sizeof(*list->paths)))) {
                free(list);
                return NULL;
        }
        memcpy(component, first, len);
        component[len] = 0;
        for (; *at < from->n && strncmp(from->paths[*at], component, len) == 0; ++*at) {
                const char *path = from->paths[*at];

                if (path[len] != 0 && path[len] != '/')
                        break;
                *ret_whole = *ret_whole || path[len] == 0;
                if (path[len] == '/' && !(list->paths[list->n++] = strdup(path + len + 1))) {
                        list->n--;
                        names_list_free(list);
                        return NULL;
                }
        }
        return list;
}

/* "a", "a/b" and "a-b" sort with "a-b" in between: components are compared as they are walked. */
static int compare_components(const void *a, const void *b) {
        const unsigned char *left = *(unsigned char *const *)a, *right = *(unsigned char *const *)b;

        while (*left && *left == *right) {
                left++;
                right++;
        }
        int l = *left == '/' ? 1 : *left == 0 ? 0 : *left + 1, r = *right == '/' ? 1 : *right == 0 ? 0 : *right + 1;

        return l - r;
}

static void list_names(struct dir *dir) {
        struct sorter sorter;
        struct run *run = dir->tree->run;

        sorter_init(&sorter, dir);
        qsort(dir->names->paths, dir->names->n, sizeof(*dir->names->paths), compare_components);
        for (uint32_t at = 0; at < dir->names->n;) {
                char component[WIRE_NAME_BYTES_MAX + 1];
                bool whole;
                struct names_list *below = names_below(dir->names, &at, component, &whole);

                if (!below) {
                        out_of_memory(run);
                        return;
                }
                if (below->n > 0 && !(whole && run->job->kept.recursive)) {
                        queue_todo(dir, component, below);
                        continue;
                }
                names_list_free(below);
                sorter.names[0] = component;
                sorter.types[0] = FSOP_TYPE_UNKNOWN;
                if (is_done(dir, component))
                        queue_names(dir, sorter.names, sorter.types, 1, BUNDLE_KNOWN, false);
                else
                        queue_names(dir, sorter.names, sorter.types, 1, BUNDLE_FILES_OF_DIR, false);
        }
}

/* ---- entering and listing ---------------------------------------------------------------------------------------- */

static void take_names(struct dir *dir, const struct copy_names *names) {
        struct sorter sorter;

        sorter_init(&sorter, dir);
        for (uint32_t i = 0; i < names->n; i++)
                sorter_add(&sorter, names->texts + names->names[i].at, names->names[i].type);
        sorter_flush(&sorter);
}

/* The listing of a directory holds it until its end. */
static void listed(struct dir *dir, const struct copy_names *names) {
        struct run *run = dir->tree->run;

        take_names(dir, names);
        if (names->end) {
                dir_release(dir);
                return;
        }
        dir->tree->n_waiting++;
        push(&run->listing, dir);
}

static void list_call(struct io *io) {
        struct unit *unit = io->owner;

        unit->result = copy_list(&unit->tree->t, unit->dir->handle, unit->names, &unit->error);
        io->result = 0;
}

static void list_done(struct io *io) {
        struct unit *unit = io->owner;
        struct run *run = unit->run;

        unit_back(unit);
        if (unit->error.code < 0) {
                if (unit->error.code != -FSOP_ECANCELED)
                        run_file_failed(unit->tree, copy_dir_path(unit->dir->handle), "", &unit->error);
                dir_release(unit->dir);
        } else
                listed(unit->dir, unit->names);
        free(unit->names);
        free(unit);
        run_pump(run);
}

/* A directory is there: what is in it comes from its listing, or from the job's list. */
static void entered(struct unit *unit, struct dir *dir) {
        dir_hold(dir);
        if (dir->names) {
                list_names(dir);
                dir_release(dir);
        } else if (unit->error.code < 0) {
                if (unit->error.code != -FSOP_ECANCELED)
                        run_file_failed(unit->tree, copy_dir_path(dir->handle), "", &unit->error);
                dir_release(dir);
        } else
                listed(dir, unit->names);
}

static void enter_call(struct io *io) {
        struct unit *unit = io->owner;
        struct copy_dir *handle = NULL;

        io->result = 0;
        if (copy_enter(&unit->tree->t, unit->todo->parent->handle, unit->todo->name, &handle, &unit->error) < 0)
                return;
        unit->result = (int64_t)(uintptr_t)handle;
        if (!unit->todo->names)
                copy_list(&unit->tree->t, handle, unit->names, &unit->error);
}

static void enter_failed(struct unit *unit) {
        struct dir *parent = unit->todo->parent;

        if (unit->error.code != -FSOP_ECANCELED)
                run_file_failed(unit->tree, copy_dir_path(parent->handle), unit->todo->name, &unit->error);
}

static void enter_done(struct io *io) {
        struct unit *unit = io->owner;
        struct run *run = unit->run;
        struct todo *todo = unit->todo;
        struct copy_dir *handle = (struct copy_dir *)(uintptr_t)unit->result;
        struct dir *dir = handle ? dir_new(unit->tree, todo->parent, handle, todo->names) : NULL;

        unit_back(unit);
        if (handle && !dir) {
                copy_dir_free(handle);
                out_of_memory(run);
        }
        if (dir) {
                todo->names = NULL;
                entered(unit, dir);
                dir_child_entered(todo->parent);
        } else {
                if (!handle)
                        enter_failed(unit);
                names_list_free(todo->names);
                dir_release(todo->parent);
        }
        free(todo);
        free(unit->names);
        free(unit);
        run_pump(run);
}

static void top_call(struct io *io) {
        struct unit *unit = io->owner;
        struct copy_dir *handle = NULL;
        bool listed_by_names = unit->run->job->kept.places[unit->tree->place].n_names > 0;

        io->result = 0;
        if (copy_top(&unit->tree->t, &handle, &unit->error) < 0)
                return;
        unit->result = (int64_t)(uintptr_t)handle;
        if ((unit->tree->t.source_stat.mode & 0170000) == 0040000 && !listed_by_names)
                copy_list(&unit->tree->t, handle, unit->names, &unit->error);
}

static void single_file(struct dir *dir) {
        const char *name = dir->tree->t.target_name;
        enum fsop_file_type type = FSOP_TYPE_UNKNOWN;

        dir->is_place = true;
        queue_names(dir, &name, &type, 1, is_done(dir, name) ? BUNDLE_KNOWN : BUNDLE_FILES_OF_DIR, false);
}

static void top_done(struct io *io) {
        struct unit *unit = io->owner;
        struct run *run = unit->run;
        struct tree *tree = unit->tree;
        const struct store_place *place = &run->job->kept.places[tree->place];
        struct copy_dir *handle = (struct copy_dir *)(uintptr_t)unit->result;
        struct names_list *names = handle && place->n_names > 0 ? names_of_place(place) : NULL;
        struct dir *dir = handle && (names || place->n_names == 0) ? dir_new(tree, NULL, handle, names) : NULL;

        unit_back(unit);
        if (dir) {
                tree->top = dir;
                tree->has_top = true;
                dir_hold(dir); /* until the tree settles */
                if ((tree->t.source_stat.mode & 0170000) == 0040000)
                        entered(unit, dir);
                else
                        single_file(dir);
        } else if (handle) {
                copy_dir_free(handle);
                names_list_free(names);
                out_of_memory(run);
        } else if (unit->error.code != -FSOP_ECANCELED)
                run_file_failed(tree, "", "", &unit->error);
        free(unit->names);
        free(unit);
        run_pump(run);
}

void walk_begin(struct tree *tree) {
        struct unit *unit = unit_new(tree->run, tree, UNIT_TOP);

        if (!unit || !(unit->names = malloc(sizeof(*unit->names)))) {
                free(unit);
                out_of_memory(tree->run);
                return;
        }
        unit_submit(unit, top_call, top_done);
}

/* ---- files ------------------------------------------------------------------------------------------------------- */

static void add_linked(struct bundle *bundle, uint32_t index) {
        const struct copy_file *file = &bundle->files[index];
        struct tree *tree = bundle->tree;
        struct linked *linked = malloc(sizeof(*linked) + strlen(file->name) + 1);

        if (!linked) {
                out_of_memory(tree->run);
                return;
        }
        linked->dir = bundle->dir;
        linked->id = file->source_id;
        strcpy(linked->name, file->name);
        dir_hold(linked->dir);
        linked->next = tree->linked;
        tree->linked = linked;
}

static void again_later(struct bundle *bundle, uint32_t index) {
        const char *name = bundle->files[index].name;
        struct run *run = bundle->tree->run;
        struct bundle *again;

        if (run->stopping)
                return;
        again = bundle_new(bundle->dir, &name, &bundle->files[index].type, 1);
        if (!again) {
                out_of_memory(run);
                return;
        }
        again->kind = bundle->kind;
        again->again = bundle->again;
        again->files[0].first_link = bundle->files[index].first_link;
        walk_queue_bundle(again);
}

static void found_directory(struct bundle *bundle, uint32_t index) {
        struct run *run = bundle->tree->run;
        struct names_list *none = NULL;

        if (!run->job->kept.recursive && !(none = calloc(1, sizeof(*none)))) {
                out_of_memory(run);
                return;
        }
        queue_todo(bundle->dir, bundle->files[index].name, none);
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
                add_linked(bundle, index);
                return false;
        case COPY_DIRECTORY:
                found_directory(bundle, index);
                return false;
        case COPY_PENDING:
                again_later(bundle, index);
                return false;
        case COPY_FAILED:
                break;
        }
        run_file_failed(tree, bundle->dir->is_place ? "" : copy_dir_path(bundle->dir->handle), bundle->dir->is_place ? "" : file->name,
                        &file->error);
        return false;
}

void walk_files_copied(struct bundle *bundle) {
        struct run *run = bundle->tree->run;
        struct store_counters *live = &run->job->live;
        uint32_t n = 0;

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
                }
                if (bundle->link_paths)
                        bundle->link_paths[n] = bundle->link_paths[i];
                bundle->files[n++] = *file;
        }
        bundle->n = n;
        for (uint32_t i = 0; !bundle->again && bundle->kind != BUNDLE_PART && i < n; i++)
                live->bytes_copied += bundle_counted(bundle, i);
        run->moved = true;
        if (n == 0)
                bundle_free(bundle);
        else
                record_add(bundle);
}

static void files_call(struct io *io) {
        struct unit *unit = io->owner;
        struct bundle *bundle = unit->bundle;

        if (bundle->kind == BUNDLE_LINKS)
                for (uint32_t i = 0; i < bundle->n; i++)
                        copy_link(&unit->tree->t, bundle->link_paths[i], bundle->dir->handle, &bundle->files[i]);
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

                if (file->outcome != COPY_COPIED || bytes == 0 || policy_account_charge(tree->to_rule, tree->run->peer.uid, bytes) == 0)
                        continue;
                file->error = (struct copy_error){.code = -FSOP_EDQUOT, .denied = true, .why = "the rule's total-bytes would be exceeded"};
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
                        copy_discard(&unit->tree->t, unit->bundle->dir->handle, &unit->bundle->files[i], 1);
        io->result = 0;
}

static void discard_done(struct io *io) {
        struct unit *unit = io->owner;
        struct run *run = unit->run;

        unit_back(unit);
        for (uint32_t i = 0; i < unit->bundle->n; i++)
                if (is_refused(&unit->bundle->files[i]))
                        unit->bundle->files[i].outcome = COPY_FAILED;
        walk_files_copied(unit->bundle);
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
        walk_files_copied(bundle);
        free(unit);
        run_pump(run);
}

static void known_call(struct io *io) {
        struct unit *unit = io->owner;
        struct bundle *bundle = unit->bundle;

        for (uint32_t i = 0; i < bundle->n; i++)
                bundle->files[i].outcome = copy_is_there(&unit->tree->t, bundle->dir->handle, bundle->files[i].name) ? COPY_COPIED : COPY_PENDING;
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
                        queue_names(bundle->dir, &bundle->files[i].name, &bundle->files[i].type, 1, BUNDLE_FILES_OF_DIR, true);
        bundle_free(bundle);
        free(unit);
        run_pump(run);
}

/* ---- links ------------------------------------------------------------------------------------------------------- */

static int compare_linked(const void *a, const void *b) {
        const struct linked *left = *(struct linked *const *)a, *right = *(struct linked *const *)b;

        if (left->id.dev != right->id.dev)
                return left->id.dev < right->id.dev ? -1 : 1;
        if (left->id.ino != right->id.ino)
                return left->id.ino < right->id.ino ? -1 : 1;
        return 0;
}

static void linked_free(struct linked *linked) {
        dir_release(linked->dir);
        free(linked);
}

static bool queue_first(struct linked *linked) {
        const char *name = linked->name;
        enum fsop_file_type type = FSOP_TYPE_UNKNOWN;
        struct bundle *bundle = bundle_new(linked->dir, &name, &type, 1);

        if (!bundle)
                return false;
        bundle->files[0].first_link = true;
        walk_queue_bundle(bundle);
        return true;
}

static bool queue_link(struct linked *linked, const char *to) {
        const char *name = linked->name;
        enum fsop_file_type type = FSOP_TYPE_UNKNOWN;
        struct bundle *bundle = bundle_new(linked->dir, &name, &type, 1);

        if (!bundle)
                return false;
        bundle->kind = BUNDLE_LINKS;
        bundle->link_paths = calloc(1, sizeof(*bundle->link_paths));
        if (!bundle->link_paths || !(bundle->link_paths[0] = strdup(to))) {
                bundle_free(bundle);
                return false;
        }
        walk_queue_bundle(bundle);
        return true;
}

static struct linked **sorted_links(const struct tree *tree, uint32_t *ret_n) {
        struct linked **list;
        uint32_t n = 0;

        for (struct linked *linked = tree->linked; linked; linked = linked->next)
                n++;
        list = calloc(n + 1, sizeof(*list));
        *ret_n = 0;
        for (struct linked *linked = tree->linked; list && linked; linked = linked->next)
                list[(*ret_n)++] = linked;
        if (list)
                qsort(list, n, sizeof(*list), compare_linked);
        return list;
}

/* One of each group is copied first; the others are linked to it when it has its final name. */
void walk_link(struct tree *tree) {
        struct run *run = tree->run;
        struct object_id group = {0, 0};
        uint32_t n;
        struct linked **list = sorted_links(tree, &n), *rest = NULL;

        if (!list) {
                out_of_memory(run);
                return;
        }
        for (uint32_t i = 0; i < n; i++) {
                struct linked *linked = list[i];
                const char *to = done_set_link(tree->done, linked->id);
                bool is_first = linked->id.ino != group.ino || linked->id.dev != group.dev;

                group = linked->id;
                if (!to && !is_first) { /* waits for the first one */
                        linked->next = rest;
                        rest = linked;
                        continue;
                }
                if (!(to ? queue_link(linked, to) : queue_first(linked)))
                        out_of_memory(run);
                linked_free(linked);
        }
        tree->linked = rest;
        free(list);
}

void walk_finish_top(struct tree *tree) {
        if (tree->top && !tree->top_released)
                dir_release(tree->top);
        tree->top_released = true;
}

/* ---- giving out -------------------------------------------------------------------------------------------------- */

static bool issue_bundle(struct run *run) {
        struct bundle *bundle = run->bundles;
        struct unit *unit;
        bool known = bundle->kind == BUNDLE_KNOWN;

        unit = unit_new(run, bundle->tree, known ? UNIT_KNOWN : UNIT_FILES);
        if (!unit) {
                out_of_memory(run);
                return false;
        }
        run->bundles = bundle->next;
        if (!run->bundles)
                run->bundles_end = &run->bundles;
        bundle->tree->n_waiting--;
        unit->bundle = bundle;
        run->n_copying++;
        unit_submit(unit, known ? known_call : files_call, known ? known_done : files_done);
        return true;
}

static bool issue_finish(struct run *run) {
        struct dir *dir = run->finishing;
        struct unit *unit = unit_new(run, dir->tree, UNIT_FINISH);

        if (!unit) {
                out_of_memory(run);
                return false;
        }
        pop(&run->finishing);
        dir->tree->n_waiting--;
        unit->dir = dir;
        unit_submit(unit, finish_call, finish_done);
        return true;
}

static struct unit *unit_with_names(struct run *run, struct tree *tree, enum unit_kind kind) {
        struct unit *unit = unit_new(run, tree, kind);

        if (unit && (unit->names = malloc(sizeof(*unit->names))))
                return unit;
        free(unit);
        out_of_memory(run);
        return NULL;
}

static bool issue_list(struct run *run) {
        struct dir *dir = run->listing;
        struct unit *unit = unit_with_names(run, dir->tree, UNIT_LIST);

        if (!unit)
                return false;
        pop(&run->listing);
        dir->tree->n_waiting--;
        unit->dir = dir;
        unit_submit(unit, list_call, list_done);
        return true;
}

static bool issue_enter(struct run *run) {
        struct todo *todo = run->todos;
        struct unit *unit = unit_with_names(run, todo->parent->tree, UNIT_ENTER);

        if (!unit)
                return false;
        run->todos = todo->next;
        run->n_todos--;
        todo->parent->tree->n_waiting--;
        unit->todo = todo;
        unit_submit(unit, enter_call, enter_done);
        return true;
}

static bool too_many_bundles(const struct run *run) {
        uint32_t n = 0;

        for (const struct bundle *bundle = run->bundles; bundle && n < BUNDLES_AHEAD; bundle = bundle->next)
                n++;
        return n == BUNDLES_AHEAD;
}

bool walk_issue(struct run *run) {
        if (run->bundles && run->unrecorded < UNRECORDED_BYTES && run_may_spend(run))
                return issue_bundle(run);
        if (run->finishing)
                return issue_finish(run);
        if (too_many_bundles(run))
                return false;
        if (run->listing && run->n_todos < TODOS_AHEAD)
                return issue_list(run);
        if (!run->todos)
                return false;
        if (run->n_open_dirs >= DIRS_OPEN_MAX && !record_is_idle(run)) {
                run->record_wanted = true;
                return false;
        }
        return issue_enter(run);
}

/* ---- the end of a run -------------------------------------------------------------------------------------------- */

void walk_drop(struct run *run) {
        struct bundle *bundle;
        struct todo *todo;

        while ((bundle = run->bundles)) {
                run->bundles = bundle->next;
                bundle->tree->n_waiting--;
                bundle_free(bundle);
        }
        run->bundles_end = &run->bundles;
        while ((todo = run->todos)) {
                run->todos = todo->next;
                run->n_todos--;
                todo->parent->tree->n_waiting--;
                dir_release(todo->parent);
                names_list_free(todo->names);
                free(todo);
        }
        while (run->listing) {
                struct dir *dir = pop(&run->listing);

                dir->tree->n_waiting--;
                dir_release(dir);
        }
        for (struct tree *tree = run->trees; tree; tree = tree->next) {
                while (tree->linked) {
                        struct linked *linked = tree->linked;

                        tree->linked = linked->next;
                        linked_free(linked);
                }
                walk_finish_top(tree);
        }
}
