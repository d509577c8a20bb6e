/* SPDX-License-Identifier: MIT */
/*
 * arena.h: memory that is freed all at once, with a fixed cap. A task decodes into one and answers out of it.
 * Under AddressSanitizer every allocation is a separate one, so that overruns show.
 * Not thread-safe: one thread at a time.
 */
#ifndef FSOP_ARENA_H
#define FSOP_ARENA_H

#include <stddef.h>
#include <stdint.h>

#include "proto/message.h"

struct arena_block;

struct arena {
        struct arena_block *blocks; /* newest first */
        size_t used_bytes;          /* allocated from the system, for budgets */
        size_t cap_bytes;
        size_t keep_bytes; /* arena_reset keeps a block of up to so many; 16 KiB after arena_init */
};

/* Prepares an empty arena; allocates nothing. */
void arena_init(struct arena *arena, size_t cap_bytes);

/* Frees everything and goes back to the state after arena_init, keeping the largest block that keep_bytes allows for
 * the next use. */
void arena_reset(struct arena *arena);

/* Frees everything, the kept block too. */
void arena_fini(struct arena *arena);

/* SIZE bytes aligned for any type, not cleared; NULL when the cap or the system's memory is reached. */
void *arena_alloc(struct arena *arena, size_t size);

/* The same, cleared; NULL also when count * size overflows. */
void *arena_calloc(struct arena *arena, size_t count, size_t size);

/* A copy of BYTES followed by a NUL that len does not count; data is NULL on failure. */
struct bytes arena_copy(struct arena *arena, struct bytes bytes);

/* A formatted sentence; on failure an empty one, never NULL data. */
__attribute__((format(printf, 2, 3))) struct bytes arena_printf(struct arena *arena, const char *format, ...);

#endif
