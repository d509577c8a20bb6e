/* SPDX-License-Identifier: MIT */
/*
 * journal.c: a queue of sets of changes and of reads. One turn at a time is on a worker: one read, or as many sets of
 * changes as wait together. The next turn starts before what the last one means is told, so that the disk does not wait
 * for the loop.
 */
#include "daemon/journal.h"

#include <stdlib.h>
#include <string.h>

#define TURN_CHANGES_MAX 4096u    /* in one commit, unless one set has more … */
#define TURN_BYTES_MAX (8u << 20) /* … and what they point to */

/* A set of changes, or a read. */
struct journal_entry {
        struct journal_entry *next;
        void (*done)(void *owner, int code);
        void *owner;
        int code;
        int (*read)(struct store *store, void *owner); /* NULL: changes */
        struct store_change *changes;                  /* with all they point to behind the entry, in the same block */
        uint32_t n;
        size_t bytes;
};

struct journal {
        struct store *store;
        struct engine *engine;
        struct journal_entry *first, **end; /* what waits */
        /* the turn that is under way */
        struct io io;
        struct journal_entry *turn;   /* NULL: none */
        struct store_change *changes; /* of all its sets; NULL: there is one set */
        uint32_t n_changes;
        bool ran;
        unsigned telling; /* done functions are being called */
};

/* ---- copies ------------------------------------------------------------------------------------------------------ */

/* Copies into one block, in two rounds of the same calls: the first, without a block, finds how large it must be. */
struct packer {
        uint8_t *block; /* NULL: the first round */
        size_t used;
};

static void *pack(struct packer *packer, const void *data, size_t len, size_t align) {
        uint8_t *to;

        packer->used = (packer->used + align - 1) / align * align;
        to = packer->block ? packer->block + packer->used : NULL;
        packer->used += len;
        if (to && len > 0)
                memcpy(to, data, len);
        return to;
}

static struct bytes pack_bytes(struct packer *packer, struct bytes bytes) {
        struct bytes copy = {pack(packer, bytes.data, bytes.len, 1), bytes.len};

        pack(packer, "", 1, 1); /* a NUL behind it, as everywhere */
        return copy;
}

static struct bytes *pack_list(struct packer *packer, const struct bytes *list, uint32_t n) {
        struct bytes *copy = pack(packer, list, n * sizeof(*list), _Alignof(struct bytes));

        for (uint32_t i = 0; i < n; i++) {
                struct bytes text = pack_bytes(packer, list[i]);

                if (copy)
                        copy[i] = text;
        }
        return copy;
}

static void pack_error_texts(struct packer *packer, struct error *error) {
        error->rule = pack_bytes(packer, error->rule);
        error->message = pack_bytes(packer, error->message);
}

static struct store_place *pack_places(struct packer *packer, const struct store_place *places, uint32_t n) {
        struct store_place *copies = pack(packer, places, n * sizeof(*places), _Alignof(struct store_place));

        for (uint32_t i = 0; i < n; i++) {
                struct store_place place = places[i];

                place.source = pack_bytes(packer, place.source);
                place.target = pack_bytes(packer, place.target);
                place.names = pack_list(packer, place.names, place.n_names);
                if (copies)
                        copies[i] = place;
        }
        return copies;
}

/* all: with what never changes, which is large and not looked at after STORE_ADD. */
static struct store_job *pack_job(struct packer *packer, const struct store_job *original, bool all) {
        struct store_job *copy = pack(packer, original, sizeof(*original), _Alignof(struct store_job)), job = *original;

        if (all) {
                job.groups = pack(packer, job.groups, job.n_groups * sizeof(*job.groups), _Alignof(uint32_t));
                job.user = pack_bytes(packer, job.user);
                job.key = pack_bytes(packer, job.key);
                job.excludes = pack_list(packer, job.excludes, job.n_excludes);
                job.places = pack_places(packer, job.places, job.n_places);
        } else {
                job.groups = NULL;
                job.user = job.key = (struct bytes){0};
                job.excludes = NULL;
                job.places = NULL;
                job.n_groups = job.n_excludes = job.n_places = 0;
        }
        pack_error_texts(packer, &job.error);
        if (copy)
                *copy = job;
        return copy;
}

static const struct error *pack_error(struct packer *packer, const struct error *original) {
        struct error *copy = pack(packer, original, sizeof(*original), _Alignof(struct error)), error = *original;

        pack_error_texts(packer, &error);
        if (copy)
                *copy = error;
        return copy;
}

/* With what its kind has, and nothing else. */
static struct store_change pack_change(struct packer *packer, const struct store_change *original) {
        struct store_change change = {.kind = original->kind, .id = original->id, .place = original->place};

        switch (change.kind) {
        case STORE_ADD:
        case STORE_UPDATE:
                change.job = pack_job(packer, original->job, change.kind == STORE_ADD);
                break;
        case STORE_FILES:
                change.data = pack_bytes(packer, original->data);
                break;
        case STORE_PART:
                change.path = pack_bytes(packer, original->path);
                change.part = pack(packer, original->part, sizeof(*original->part), _Alignof(struct copy_part_record));
                break;
        case STORE_TOP:
                change.top = pack(packer, original->top, sizeof(*original->top), _Alignof(struct copy_made));
                break;
        case STORE_PART_GONE:
                change.path = pack_bytes(packer, original->path);
                break;
        case STORE_FAILURE:
                change.path = pack_bytes(packer, original->path);
                change.error = pack_error(packer, original->error);
                break;
        case STORE_PLACE_FINISHED:
        case STORE_RETRY:
        case STORE_REMOVE:
                break;
        }
        return change;
}

static void pack_entry(struct packer *packer, const struct store_change *changes, uint32_t n) {
        struct journal_entry *entry =
                pack(packer, &(struct journal_entry){.n = n}, sizeof(*entry), _Alignof(struct journal_entry));
        struct store_change *copies = pack(packer, changes, n * sizeof(*changes), _Alignof(struct store_change));

        for (uint32_t i = 0; i < n; i++) {
                struct store_change change = pack_change(packer, &changes[i]);

                if (copies)
                        copies[i] = change;
        }
        if (entry)
                entry->changes = copies;
}

static struct journal_entry *copy_changes(const struct store_change *changes, uint32_t n) {
        struct packer packer = {0};
        struct journal_entry *entry;

        pack_entry(&packer, changes, n);
        packer.block = malloc(packer.used);
        if (!packer.block)
                return NULL;
        packer.used = 0;
        entry = (struct journal_entry *)(void *)packer.block;
        pack_entry(&packer, changes, n);
        entry->bytes = packer.used;
        return entry;
}

/* ---- on the worker ----------------------------------------------------------------------------------------------- */

static void commit_turn(struct journal *journal) {
        const struct store_ops *ops = journal->store->ops;
        int code = -FSOP_ECANCELED;

        if (journal->changes)
                code = ops->commit(journal->store, journal->changes, journal->n_changes);
        for (struct journal_entry *entry = journal->turn; entry;
             entry = entry->next) /* one that cannot be made leaves the others alone */
                entry->code = code == 0 ? 0 : ops->commit(journal->store, entry->changes, entry->n);
}

static void turn_call(struct io *io) {
        struct journal *journal = io->owner;
        struct journal_entry *entry = journal->turn;

        journal->ran = true;
        if (entry->read)
                entry->code = entry->read(journal->store, entry->owner);
        else
                commit_turn(journal);
        io->result = 0;
}

/* ---- on the loop ------------------------------------------------------------------------------------------------- */

/* Takes the entries of the next turn from the queue. */
static void take_turn(struct journal *journal) {
        struct journal_entry *last = journal->first;
        uint32_t n_sets = 1;
        size_t n = last->n, bytes = last->bytes;

        for (struct journal_entry *next = last->next; !last->read && next && !next->read;
             last = next, next = next->next) {
                if (n + next->n > TURN_CHANGES_MAX || bytes + next->bytes > TURN_BYTES_MAX)
                        break;
                n_sets++;
                n += next->n;
                bytes += next->bytes;
        }
        journal->changes = n_sets > 1 ? malloc(n * sizeof(*journal->changes)) : NULL;
        if (n_sets > 1 && !journal->changes) /* without memory one set after the other */
                last = journal->first;
        journal->turn = journal->first;
        journal->first = last->next;
        if (!journal->first)
                journal->end = &journal->first;
        last->next = NULL;
        journal->n_changes = 0;
        for (struct journal_entry *entry = journal->turn; journal->changes && entry; entry = entry->next) {
                memcpy(journal->changes + journal->n_changes, entry->changes, entry->n * sizeof(*entry->changes));
                journal->n_changes += entry->n;
        }
}

static void turn_done(struct io *io);

static void next_turn(struct journal *journal) {
        if (journal->turn || !journal->first)
                return;
        take_turn(journal);
        journal->ran = false;
        journal->io = (struct io){.kind = IO_CALL, .flags = IO_POOL, .done = turn_done, .owner = journal};
        journal->io.u.call = turn_call;
        journal->engine->ops->submit(journal->engine, &journal->io);
}

static void turn_done(struct io *io) {
        struct journal *journal = io->owner;
        struct journal_entry *entry = journal->turn;
        int not_run = journal->ran ? 0 : io->result < 0 ? (int)io->result : -FSOP_EAGAIN;

        free(journal->changes);
        journal->changes = NULL;
        journal->turn = NULL;
        journal->telling++;
        next_turn(journal);
        while (entry) {
                struct journal_entry *next = entry->next;

                if (entry->done)
                        entry->done(entry->owner, not_run < 0 ? not_run : entry->code);
                free(entry);
                entry = next;
        }
        journal->telling--;
}

static void enqueue(struct journal *journal, struct journal_entry *entry) {
        *journal->end = entry;
        journal->end = &entry->next;
        next_turn(journal);
}

int journal_change(struct journal *journal, const struct store_change *changes, uint32_t n,
                   void (*done)(void *owner, int code), void *owner) {
        struct journal_entry *entry = copy_changes(changes, n);

        if (!entry)
                return -FSOP_ENOMEM;
        entry->done = done;
        entry->owner = owner;
        enqueue(journal, entry);
        return 0;
}

int journal_read(struct journal *journal, int (*read)(struct store *store, void *owner),
                 void (*done)(void *owner, int code), void *owner) {
        struct journal_entry *entry = calloc(1, sizeof(*entry));

        if (!entry)
                return -FSOP_ENOMEM;
        entry->read = read;
        entry->done = done;
        entry->owner = owner;
        enqueue(journal, entry);
        return 0;
}

bool journal_is_idle(const struct journal *journal) {
        return !journal->turn && !journal->first && journal->telling == 0;
}

int journal_new(struct store *store, struct engine *engine, struct journal **ret_journal) {
        struct journal *journal = calloc(1, sizeof(*journal));

        if (!journal)
                return -FSOP_ENOMEM;
        journal->store = store;
        journal->engine = engine;
        journal->end = &journal->first;
        *ret_journal = journal;
        return 0;
}

struct journal *journal_free(struct journal *journal) {
        if (!journal)
                return NULL;
        journal->store->ops->close(journal->store);
        free(journal);
        return NULL;
}
