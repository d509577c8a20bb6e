/* SPDX-License-Identifier: MIT */
/*
 * share.c: slices of a window.
 */
#include "daemon/share.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/server.h"
#include "daemon/session.h"

#define SHARE_OPS_MIN 32u /* two hand-overs, 10 to 20 us each, are then less than a twentieth of the work */
#define SLICE_OPS_MIN 32u
#define SLICES_MAX 8u

/* What one worker does in one go. */
struct slice {
        struct io io;
        struct task *task;
        struct identity *identity; /* that all of it wears */
        struct sys_op *first, **link;
        uint32_t n;
        bool in_flight;
        struct parent_cache parents; /* of what was resolved in it; kept from window to window */
};

struct slices {
        uint32_t n_open;     /* that the step has begun to fill */
        uint32_t n_known;    /* whose cache has been used */
        uint32_t ops_max;    /* in one of them */
        uint32_t n_together; /* that are with workers */
        struct slice each[SLICES_MAX];
};

/* An operation that ran marks only the cache that it was resolved with; what it did concerns all of them. */
static void spread_staleness(struct task *task) {
        struct slices *slices = task->slices;
        int stale = __atomic_load_n(&task->parents.stale, __ATOMIC_ACQUIRE);

        for (uint32_t i = 0; i < slices->n_known; i++)
                stale |= __atomic_load_n(&slices->each[i].parents.stale, __ATOMIC_ACQUIRE);
        if (!stale)
                return;
        task->parents.stale = 1;
        for (uint32_t i = 0; i < slices->n_known; i++)
                slices->each[i].parents.stale = 1;
}

/* As many slices as keep every processor busy; one where other tasks do that already. */
static uint32_t slice_ops(const struct task *task) {
        struct server *server = task->session->server;
        uint32_t slices, ops;

        if (server->processors == 0)
                server->processors = sys_processors();
        slices = server->slices_out < server->processors ? server->processors - server->slices_out : 1;
        ops = (task->window_count + slices - 1) / slices;
        return ops < SLICE_OPS_MIN ? SLICE_OPS_MIN : ops;
}

bool share_begin(struct task *task) {
        if (task->slices)
                spread_staleness(task);
        if (task->window_count < SHARE_OPS_MIN || task->session->server->routes.choice != CONFIG_ROUTES_AUTO)
                return false;
        if (!task->slices) {
                task->slices = malloc(sizeof(*task->slices));
                if (!task->slices)
                        return false; /* then it is done as if it were a small one */
                task->slices->n_known = 0;
        }
        task->slices->n_open = 0;
        task->slices->ops_max = slice_ops(task);
        return true;
}

size_t share_bytes(const struct batch *batch) {
        return batch->mode == FSOP_BATCH_PARALLEL && batch->n_ops >= SHARE_OPS_MIN ? sizeof(struct slices) : 0;
}

static struct slice *open_slice(struct task *task, struct identity *identity) {
        struct slices *slices = task->slices;
        struct slice *slice = &slices->each[slices->n_open];

        if (slices->n_open == slices->n_known) {
                parent_cache_init(&slice->parents);
                slices->n_known++;
        }
        slices->n_open++;
        slice->task = task;
        slice->identity = identity;
        slice->first = NULL;
        slice->link = &slice->first;
        slice->n = 0;
        slice->in_flight = false;
        return slice;
}

/* The one that is to be filled on: the last that is not full, or when no more can be opened any of the identity. */
static struct slice *slice_with_room(struct task *task, struct identity *identity) {
        struct slices *slices = task->slices;
        struct slice *fitting = NULL;

        for (uint32_t i = slices->n_open; i-- > 0;) {
                struct slice *slice = &slices->each[i];

                if (slice->identity != identity)
                        continue;
                if (slice->n < slices->ops_max)
                        return slice;
                if (!fitting || slice->n < fitting->n)
                        fitting = slice;
        }
        if (slices->n_open < SLICES_MAX)
                return open_slice(task, identity);
        return fitting ? fitting
                       : &slices->each[SLICES_MAX - 1]; /* so many identities are unheard of: one then changes */
}

/* Whether names in a directory are what it changes. */
static bool changes_names(const struct task_op *o) {
        return o->row->at == LOCATE_NAME || o->row->to == LOCATE_NAME;
}

static bool same_directory(const struct place *a, const struct place *b) {
        size_t a_len = a->leaf ? (size_t)(a->leaf - (const char *)a->path.data) : 0;
        size_t b_len = b->leaf ? (size_t)(b->leaf - (const char *)b->path.data) : 0;

        return a->base == b->base && a_len == b_len && (a_len == 0 || memcmp(a->path.data, b->path.data, a_len) == 0);
}

static const struct place *place_changed(const struct task_op *o) {
        return o->row->to == LOCATE_NAME ? &o->sys.to : &o->sys.at;
}

/* The slice that began with a name in the same directory. */
static struct slice *slice_of_directory(struct task *task, const struct task_op *o) {
        struct slices *slices = task->slices;

        for (uint32_t i = slices->n_open; i-- > 0;) {
                struct slice *slice = &slices->each[i];
                const struct task_op *first = task_op_of(slice->first);

                if (slice->identity == o->sys.identity && changes_names(first) &&
                    same_directory(place_changed(first), place_changed(o)))
                        return slice;
        }
        return NULL;
}

/* What is read of an object can be read where that is looked up. A read of a file's data may have to wait for a
 * disk. */
static bool is_read_at_once(const struct task_op *o) {
        return o->row->reads && o->row->at == LOCATE_OBJECT;
}

void share_add(struct task_op *o, enum io_kind kind) {
        struct identity *identity = kind == IO_RESOLVE ? o->sys.at.identity : o->sys.identity;
        struct slice *slice = NULL;

        if (kind == IO_RUN && changes_names(o)) {
                slice = slice_of_directory(o->task, o);
                if (!slice && o->task->slices->n_open < SLICES_MAX)
                        slice = open_slice(o->task, identity);
        }
        if (!slice)
                slice = slice_with_room(o->task, identity);
        if (kind == IO_RESOLVE)
                o->sys.cache = &slice->parents;
        o->io.kind = slice->io.kind = kind;
        o->io.result = 0;
        o->sys.in_slice = kind == IO_RESOLVE;
        o->sys.run_too = kind == IO_RESOLVE && is_read_at_once(o);
        o->sys.last_use = kind == IO_RUN || o->sys.run_too;
        o->sys.next = NULL;
        *slice->link = &o->sys;
        slice->link = &o->sys.next;
        slice->n++;
}

static void slice_done(struct io *io) {
        struct slice *slice = io->owner;
        struct task *task = slice->task;

        slice->in_flight = false;
        task->session->server->slices_out--;
        for (struct sys_op *op = slice->first, *next; op; op = next) {
                next = op->next;
                op->next = NULL;
                if (io->result < 0) /* none was begun */
                        op->code = (int32_t)io->result;
        }
        task_came_back(task);
}

void share_submit(struct task *task) {
        struct slices *slices = task->slices;

        slices->n_together = slices->n_open;
        for (uint32_t i = 0; i < slices->n_open; i++) {
                struct slice *slice = &slices->each[i];

                slice->io = (struct io){.kind = slice->io.kind,
                                        .flags = IO_POOL,
                                        .done = slice_done,
                                        .owner = slice,
                                        .together = &slices->n_together,
                                        .u.op = slice->first};
                slice->in_flight = true;
                task->session->server->slices_out++;
                task_submit(task, &slice->io);
        }
}

void share_cancel(struct task *task) {
        struct engine *engine = task->session->server->engine;
        struct slices *slices = task->slices;

        for (uint32_t i = 0; slices && i < slices->n_open; i++)
                if (slices->each[i].in_flight)
                        engine->ops->cancel(engine, &slices->each[i].io);
}

void share_close_released(struct task *task) {
        struct slices *slices = task->slices;

        for (uint32_t i = 0; slices && i < slices->n_known; i++)
                parent_cache_close_released(&slices->each[i].parents);
}

void share_clear(struct task *task) {
        struct slices *slices = task->slices;

        for (uint32_t i = 0; slices && i < slices->n_known; i++)
                parent_cache_clear(&slices->each[i].parents);
        if (slices)
                slices->n_known = slices->n_open = 0;
}
