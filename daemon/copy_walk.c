/* SPDX-License-Identifier: MIT */
/*
 * copy_walk.c: trees walked: directories entered depth first, listed name by name, their files sorted into bundles; and
 * directories finished when everything in them is.
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

/* Nobody needs its descriptors for now. On a filesystem that may hang they are kept until a worker ends the
 * directory. */
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

/* Of a child that was entered. */
static void dir_release_closed(struct dir *dir) {
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

/* ---- sorting ----------------------------------------------------------------------------------------------------- */

static void queue_todo(struct dir *parent, const char *name, size_t len, struct names_list *names) {
        struct run *run = parent->tree->run;
        struct todo *todo = malloc(sizeof(*todo) + len + 1);

        if (!todo) {
                names_list_free(names);
                run_out_of_memory(run);
                return;
        }
        todo->parent = parent;
        todo->names = names;
        memcpy(todo->name, name, len);
        todo->name[len] = 0;
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
        files_queue(sorter->dir, sorter->names, sorter->types, sorter->n, BUNDLE_FILES_OF_DIR, false);
        files_queue(sorter->dir, sorter->known, sorter->known_types, sorter->n_known, BUNDLE_KNOWN, false);
        sorter->n = sorter->n_known = 0;
}

static void sorter_add(struct sorter *sorter, const char *name, enum fsop_file_type type) {
        if (type == FSOP_TYPE_DIRECTORY) {
                queue_todo(sorter->dir, name, strlen(name), NULL);
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

/* ---- lists instead of listings ----------------------------------------------------------------------------------- */

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

static bool begins_with(const char *path, const char *component, size_t len) {
        return strncmp(path, component, len) == 0 && (path[len] == 0 || path[len] == '/');
}

/*
 * The paths of FROM, sorted, that begin with the component that AT begins with, without it. *ret_whole: one of them
 * that is that component itself, or NULL. NULL: out of memory.
 */
static struct names_list *names_below(const struct names_list *from, uint32_t *at, const char **ret_whole) {
        struct names_list *list = calloc(1, sizeof(*list));
        const char *first = from->paths[*at];
        size_t len = strcspn(first, "/");
        uint32_t end = *at + 1;

        *ret_whole = NULL;
        while (end < from->n && begins_with(from->paths[end], first, len))
                end++;
        if (!list || !(list->paths = calloc(end - *at, sizeof(*list->paths)))) {
                free(list);
                return NULL;
        }
        for (; *at < end; ++*at) {
                const char *path = from->paths[*at];

                if (path[len] == 0)
                        *ret_whole = path;
                else if ((list->paths[list->n] = strdup(path + len + 1)))
                        list->n++;
                else {
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
        struct names_list *names = dir->names;

        sorter_init(&sorter, dir);
        qsort(names->paths, names->n, sizeof(*names->paths), compare_components);
        for (uint32_t at = 0; at < names->n;) {
                const char *first = names->paths[at], *whole;
                struct names_list *below = names_below(names, &at, &whole);

                if (!below) {
                        run_out_of_memory(run);
                        return;
                }
                if (below->n > 0 && !(whole && run->job->kept.recursive)) {
                        queue_todo(dir, first, strcspn(first, "/"), below);
                        continue;
                }
                names_list_free(below);
                sorter_add(&sorter, whole, FSOP_TYPE_UNKNOWN);
        }
        sorter_flush(&sorter);
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
                run_out_of_memory(run);
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
        files_queue(dir, &name, &type, 1, is_done(dir, name) ? BUNDLE_KNOWN : BUNDLE_FILES_OF_DIR, false);
}

/*
 * Which directory it is that a later run goes on with, or removes. What is in it by then may be there without this: it
 * is then told by its owner alone, after a crash in these milliseconds.
 */
static void keep_top(struct tree *tree) {
        struct store_job *kept = &tree->run->job->kept;
        struct store_place *place = &kept->places[tree->place];
        struct store_change change = {.kind = STORE_TOP, .id = kept->id, .place = tree->place, .top = &place->top};

        if (place->top.ino == tree->t.top.ino && place->top.btime.sec == tree->t.top.btime.sec &&
            place->top.btime.nsec == tree->t.top.btime.nsec)
                return;
        place->top = tree->t.top;
        journal_change(tree->run->job->jobs->journal, &change, 1, NULL, NULL);
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
        keep_top(tree);
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
                run_out_of_memory(run);
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
                run_out_of_memory(tree->run);
                return;
        }
        unit_submit(unit, top_call, top_done);
}

void walk_finish_top(struct tree *tree) {
        if (tree->top && !tree->top_released)
                dir_release(tree->top);
        tree->top_released = true;
}

/* What was taken for a file. */
void walk_found_directory(struct dir *dir, const char *name) {
        struct run *run = dir->tree->run;
        struct names_list *none = NULL;

        if (!run->job->kept.recursive && !(none = calloc(1, sizeof(*none)))) {
                run_out_of_memory(run);
                return;
        }
        queue_todo(dir, name, strlen(name), none);
}

/* ---- giving out -------------------------------------------------------------------------------------------------- */

static bool issue_finish(struct run *run) {
        struct dir *dir = run->finishing;
        struct unit *unit = unit_new(run, dir->tree, UNIT_FINISH);

        if (!unit) {
                run_out_of_memory(run);
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
        run_out_of_memory(run);
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
        if (run->bundles && run->unrecorded + (uint64_t)run->n_copying * 2 * COPY_FILES_BYTES < UNRECORDED_BYTES &&
            run_may_spend(run))
                return files_issue(run);
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
                links_drop(tree);
                walk_finish_top(tree);
        }
}
