/* SPDX-License-Identifier: MIT */
/*
 * io_list.h: ios in a row, first in first out, linked by their own next and prev. Shared by the engines and the pool.
 */
#ifndef FSOP_IO_LIST_H
#define FSOP_IO_LIST_H

#include "backends/engine.h"

/* io.engine_state, for the loop thread: where a submitted io is. Every engine uses the same words. */
enum {
        IO_STATE_IDLE = 0, /* not submitted, or its last done ran */
        IO_STATE_ARMED,    /* with the engine itself */
        IO_STATE_POOL,     /* with the pool */
        IO_STATE_READY,    /* has its result, waits for done */
};

struct io_list {
        struct io *first, *last;
};

static inline void io_list_append(struct io_list *list, struct io *io) {
        io->next = NULL;
        io->prev = list->last;
        if (list->last)
                list->last->next = io;
        else
                list->first = io;
        list->last = io;
}

static inline void io_list_prepend(struct io_list *list, struct io *io) {
        io->prev = NULL;
        io->next = list->first;
        if (list->first)
                list->first->prev = io;
        else
                list->last = io;
        list->first = io;
}

static inline void io_list_remove(struct io_list *list, struct io *io) {
        if (io->prev)
                io->prev->next = io->next;
        else
                list->first = io->next;
        if (io->next)
                io->next->prev = io->prev;
        else
                list->last = io->prev;
        io->next = io->prev = NULL;
}

static inline struct io *io_list_take(struct io_list *list) {
        struct io *io = list->first;

        if (io)
                io_list_remove(list, io);
        return io;
}

/* Moves everything of FROM behind the end of TO. */
static inline void io_list_move(struct io_list *to, struct io_list *from) {
        if (!from->first)
                return;
        from->first->prev = to->last;
        if (to->last)
                to->last->next = from->first;
        else
                to->first = from->first;
        to->last = from->last;
        from->first = from->last = NULL;
}

/* Puts REPLACEMENT where IO is. */
static inline void io_list_replace(struct io_list *list, struct io *io, struct io *replacement) {
        replacement->prev = io->prev;
        replacement->next = io->next;
        if (io->prev)
                io->prev->next = replacement;
        else
                list->first = replacement;
        if (io->next)
                io->next->prev = replacement;
        else
                list->last = replacement;
        io->next = io->prev = NULL;
}

/* Runs the done of everything that was in the list when it was called; those may append to it. Returns how many. */
static inline unsigned io_list_deliver(struct io_list *list) {
        struct io_list batch = {0};
        struct io *io;
        unsigned n = 0;

        io_list_move(&batch, list);
        while ((io = io_list_take(&batch))) {
                io->engine_state = IO_STATE_IDLE;
                io->done(io);
                n++;
        }
        return n;
}

#endif
