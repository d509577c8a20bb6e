/* SPDX-License-Identifier: MIT */
/*
 * arena.c: blocks, newest first. A block that was made for one large allocation stands behind the newest, so that the
 * room left in that one stays usable. Under AddressSanitizer every allocation has a block of its own.
 */
#include "proto/arena.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined(__SANITIZE_ADDRESS__)
#define ARENA_SEPARATE 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ARENA_SEPARATE 1
#endif
#endif
#ifndef ARENA_SEPARATE
#define ARENA_SEPARATE 0
#endif

#define ARENA_ALIGN 16u
#define ARENA_STANDARD_BYTES (16u << 10)   /* of the first block; each later one is twice as large … */
#define ARENA_BLOCK_BYTES_MAX (256u << 10) /* … up to this */

struct arena_block {
        struct arena_block *next;
        size_t size; /* of data */
        size_t used;
        size_t align_; /* data starts at a multiple of ARENA_ALIGN on 32-bit and 64-bit systems alike */
#if UINTPTR_MAX == 0xffffffffu
        size_t align_more_[4];
#endif
        uint8_t data[];
};

_Static_assert(sizeof(struct arena_block) % ARENA_ALIGN == 0, "data would not be aligned");

void arena_init(struct arena *arena, size_t cap_bytes) {
        *arena = (struct arena){.cap_bytes = cap_bytes, .keep_bytes = ARENA_STANDARD_BYTES};
}

static void arena_free_block(struct arena *arena, struct arena_block *block) {
        arena->used_bytes -= sizeof(*block) + block->size;
        free(block);
}

void arena_fini(struct arena *arena) {
        while (arena->blocks) {
                struct arena_block *block = arena->blocks;
                arena->blocks = block->next;
                arena_free_block(arena, block);
        }
}

static bool block_is_better(const struct arena *arena, const struct arena_block *block,
                            const struct arena_block *kept) {
        return !ARENA_SEPARATE && sizeof(*block) + block->size <= arena->keep_bytes &&
               (!kept || block->size > kept->size);
}

void arena_reset(struct arena *arena) {
        struct arena_block *kept = NULL;
        while (arena->blocks) {
                struct arena_block *block = arena->blocks;
                arena->blocks = block->next;
                if (block_is_better(arena, block, kept)) {
                        if (kept)
                                arena_free_block(arena, kept);
                        kept = block;
                } else {
                        arena_free_block(arena, block);
                }
        }
        if (!kept)
                return;
        kept->next = NULL;
        kept->used = 0;
        arena->blocks = kept;
}

/* How large a block for SIZE bytes shall be, its head included; 0: the cap does not allow it. */
static size_t arena_block_bytes(const struct arena *arena, size_t size) {
        size_t left = arena->cap_bytes > arena->used_bytes ? arena->cap_bytes - arena->used_bytes : 0;
        if (left < sizeof(struct arena_block) || size > left - sizeof(struct arena_block))
                return 0;
        size_t needed = sizeof(struct arena_block) + size;
        if (ARENA_SEPARATE)
                return needed;
        size_t wanted = ARENA_STANDARD_BYTES;
        if (arena->blocks)
                wanted = 2 * (sizeof(struct arena_block) + arena->blocks->size);
        if (wanted > ARENA_BLOCK_BYTES_MAX)
                wanted = ARENA_BLOCK_BYTES_MAX;
        if (needed > wanted / 2 && arena->blocks)
                return needed; /* a block of its own */
        if (wanted > left)
                wanted = left;
        return needed > wanted ? needed : wanted;
}

static struct arena_block *arena_add_block(struct arena *arena, size_t size) {
        size_t bytes = arena_block_bytes(arena, size);
        struct arena_block *block = bytes ? malloc(bytes) : NULL;
        if (!block)
                return NULL;
        block->size = bytes - sizeof(*block);
        block->used = 0;
        arena->used_bytes += bytes;
        struct arena_block **place = &arena->blocks;
        if (block->size == size && arena->blocks)
                place = &arena->blocks->next;
        block->next = *place;
        *place = block;
        return block;
}

void *arena_alloc(struct arena *arena, size_t size) {
        if (size > SIZE_MAX - ARENA_ALIGN)
                return NULL;
        size_t rounded = ARENA_SEPARATE ? size : (size + ARENA_ALIGN - 1) / ARENA_ALIGN * ARENA_ALIGN;
        if (rounded == 0 && !ARENA_SEPARATE)
                rounded = ARENA_ALIGN;
        struct arena_block *block = arena->blocks;
        if (ARENA_SEPARATE || !block || block->size - block->used < rounded)
                block = arena_add_block(arena, rounded);
        if (!block)
                return NULL;
        void *memory = block->data + block->used;
        block->used += rounded;
        return memory;
}

void *arena_calloc(struct arena *arena, size_t count, size_t size) {
        if (size && count > SIZE_MAX / size)
                return NULL;
        void *memory = arena_alloc(arena, count * size);
        if (memory)
                memset(memory, 0, count * size);
        return memory;
}

struct bytes arena_copy(struct arena *arena, struct bytes bytes) {
        uint8_t *copy = bytes.len < SIZE_MAX ? arena_alloc(arena, bytes.len + 1) : NULL;
        if (!copy)
                return (struct bytes){0};
        if (bytes.len)
                memcpy(copy, bytes.data, bytes.len);
        copy[bytes.len] = 0;
        return (struct bytes){.data = copy, .len = bytes.len};
}

struct bytes arena_printf(struct arena *arena, const char *format, ...) {
        const struct bytes none = {.data = (const uint8_t *)"", .len = 0};
        va_list args;
        va_start(args, format);
        int len = vsnprintf(NULL, 0, format, args);
        va_end(args);
        if (len < 0)
                return none;
        char *text = arena_alloc(arena, (size_t)len + 1);
        if (!text)
                return none;
        va_start(args, format);
        vsnprintf(text, (size_t)len + 1, format, args);
        va_end(args);
        return (struct bytes){.data = (const uint8_t *)text, .len = (size_t)len};
}
