/* SPDX-License-Identifier: MIT */
/*
 * parents.c: the directories that several operations of a batch share: opened once, held as long as the batch lasts.
 * And what a window has pinned besides, kept to be closed together.
 */
#include "backends/linux/sys_linux.h"

#include <string.h>
#include <unistd.h>

void parent_cache_init(struct parent_cache *cache) {
        *cache = (struct parent_cache){0};
        for (size_t i = 0; i < sizeof(cache->slots) / sizeof(cache->slots[0]); i++)
                cache->slots[i].fd = cache->slots[i].base = OS_FD_NONE;
}

static void slot_empty(struct parent_slot *slot) {
        if (!slot->is_base)
                sys_close(slot->fd);
        *slot = (struct parent_slot){.fd = OS_FD_NONE, .base = OS_FD_NONE};
}

/* Pinned objects of a batch mostly have consecutive descriptors: one call closes a whole run of them. */
void parent_cache_close_released(struct parent_cache *cache) {
        for (uint32_t i = 0, n; i < cache->n_closing; i += n) {
                for (n = 1; i + n < cache->n_closing && cache->closing[i + n] == cache->closing[i] + (os_fd)n;)
                        n++;
                if (n == 1 || close_range((unsigned)cache->closing[i], (unsigned)cache->closing[i] + n - 1, 0) < 0)
                        for (uint32_t j = 0; j < n; j++)
                                sys_close(cache->closing[i + j]);
        }
        cache->n_closing = 0;
}

void parents_close_later(struct parent_cache *cache, os_fd fd) {
        if (cache == NULL || fd == OS_FD_NONE) {
                sys_close(fd);
                return;
        }
        if (cache->n_closing == sizeof(cache->closing) / sizeof(cache->closing[0]))
                parent_cache_close_released(cache);
        cache->closing[cache->n_closing++] = fd;
}

void parent_cache_clear(struct parent_cache *cache) {
        parent_cache_close_released(cache);
        for (size_t i = 0; i < sizeof(cache->slots) / sizeof(cache->slots[0]); i++)
                slot_empty(&cache->slots[i]);
        cache->next = 0;
        cache->stale = 0;
}

static void cache_drop_stale(struct parent_cache *cache) {
        if (!__atomic_exchange_n(&cache->stale, 0, __ATOMIC_ACQUIRE))
                return;
        for (size_t i = 0; i < sizeof(cache->slots) / sizeof(cache->slots[0]); i++) {
                cache->slots[i].stale = true;
                if (cache->slots[i].users == 0)
                        slot_empty(&cache->slots[i]);
        }
}

/* What is not used any more is closed. */
static bool slot_is_old(struct parent_slot *slot) {
        if (slot->since_ms == 0 || posix_coarse_ms() - slot->since_ms < PINNED_MS)
                return false;
        slot->stale = true;
        if (slot->users == 0)
                slot_empty(slot);
        return true;
}

struct parent_slot *parents_find(struct parent_cache *cache, const struct place *place, const char *path, size_t len) {
        if (cache == NULL)
                return NULL;
        cache_drop_stale(cache);
        for (size_t i = 0; i < sizeof(cache->slots) / sizeof(cache->slots[0]); i++) {
                struct parent_slot *slot = &cache->slots[i];

                if (slot->fd != OS_FD_NONE && !slot->stale && slot->base == place->base &&
                    slot->identity == place->identity && slot->guard == place->guard &&
                    slot->may_leave_base == place->may_leave_base && slot->path.len == len &&
                    memcmp(slot->path.data, path, len) == 0 && !slot_is_old(slot))
                        return slot;
        }
        return NULL;
}

bool parents_keep(struct parent_cache *cache, const struct place *place, size_t len, int fd,
                  const struct fsop_stat *stat) {
        const uint32_t n = sizeof(cache->slots) / sizeof(cache->slots[0]);

        if (cache == NULL)
                return false;
        for (uint32_t tried = 0; tried < n; tried++) {
                struct parent_slot *slot = &cache->slots[cache->next++ % n];

                if (slot->users > 0)
                        continue;
                slot_empty(slot);
                *slot = (struct parent_slot){.base = place->base,
                                             .fd = fd,
                                             .users = 1,
                                             .identity = place->identity,
                                             .may_leave_base = place->may_leave_base,
                                             .followed = place->followed,
                                             .guard = place->guard,
                                             .is_base = fd == place->base,
                                             .path = {place->path.data, len},
                                             .stat = *stat,
                                             .fs = place->fs,
                                             .in_memory = place->in_memory,
                                             .demoted = place->demoted};
                slot->since_ms = place->guard != NULL ? posix_coarse_ms() : 0;
                return true;
        }
        return false;
}

void parents_give_back(struct parent_cache *cache, os_fd fd) {
        for (size_t i = 0; cache != NULL && i < sizeof(cache->slots) / sizeof(cache->slots[0]); i++) {
                struct parent_slot *slot = &cache->slots[i];

                if (slot->fd != fd || slot->users == 0)
                        continue;
                if (--slot->users == 0 && slot->stale)
                        slot_empty(slot);
                return;
        }
}
