/* SPDX-License-Identifier: MIT */
/*
 * handles.c: the table of a connection's open files. A handle's number is its slot in the low half and the slot's
 * generation in the high half; 0 is never one.
 */
#include "daemon/handles.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/graveyard.h"

static struct handle *handle_new(const struct handle *like) {
        struct handle *handle = calloc(1, sizeof(*handle));
        uint8_t *path = NULL;

        if (!handle)
                return NULL;
        *handle = *like;
        handle->refs = 1;
        handle->rule = like->rule ? strdup(like->rule) : NULL;
        handle->path.data = NULL;
        if (like->path.len > 0 && (path = malloc(like->path.len)))
                memcpy(path, like->path.data, like->path.len);
        handle->path.data = path;
        if ((like->rule && !handle->rule) || (like->path.len > 0 && !path)) {
                free(handle->rule);
                free(path);
                free(handle);
                return NULL;
        }
        return handle;
}

static struct handle_slot *free_slot(struct handles *handles, uint32_t max) {
        struct handle_slot *slots;
        uint32_t n;

        if (handles->used >= max)
                return NULL;
        for (uint32_t i = 0; i < handles->n_slots; i++)
                if (!handles->slots[i].handle)
                        return &handles->slots[i];
        n = handles->n_slots ? 2 * handles->n_slots : 8;
        slots = realloc(handles->slots, n * sizeof(*slots));
        if (!slots)
                return NULL;
        memset(slots + handles->n_slots, 0, (n - handles->n_slots) * sizeof(*slots));
        handles->slots = slots;
        slots += handles->n_slots;
        handles->n_slots = n;
        return slots;
}

int handles_add(struct handles *handles, uint32_t max, const struct handle *like, uint64_t *ret_id) {
        struct handle_slot *slot;
        struct handle *handle;

        if (handles->used >= max)
                return -FSOP_EMFILE;
        handle = handle_new(like);
        if (!handle)
                return -FSOP_ENOMEM;
        slot = free_slot(handles, max);
        if (!slot) {
                handle->fd = OS_FD_NONE; /* stays the caller's */
                handle_unref(handle);
                return -FSOP_ENOMEM;
        }
        slot->handle = handle;
        slot->generation++;
        handles->used++;
        *ret_id = (uint64_t)slot->generation << 32 | (uint64_t)(slot - handles->slots);
        return 0;
}

static struct handle_slot *find(struct handles *handles, uint64_t id) {
        uint32_t index = (uint32_t)id, generation = (uint32_t)(id >> 32);

        if (index >= handles->n_slots || !handles->slots[index].handle ||
            handles->slots[index].generation != generation)
                return NULL;
        return &handles->slots[index];
}

struct handle *handles_get(struct handles *handles, uint64_t id) {
        struct handle_slot *slot = find(handles, id);

        if (!slot)
                return NULL;
        slot->handle->refs++;
        return slot->handle;
}

bool handles_remove(struct handles *handles, uint64_t id) {
        struct handle_slot *slot = find(handles, id);

        if (!slot)
                return false;
        handle_unref(slot->handle);
        slot->handle = NULL;
        handles->used--;
        handles->n_removed++;
        return true;
}

void handle_unref(struct handle *handle) {
        if (--handle->refs > 0)
                return;
        if (handle->fd != OS_FD_NONE && (handle->slow || sys_is_large(handle->fd)))
                graveyard_bury(handle->fd, handle->account);
        else if (handle->fd != OS_FD_NONE)
                sys_close(handle->fd);
        free((void *)handle->path.data);
        free(handle->rule);
        free(handle);
}

void handles_fini(struct handles *handles) {
        for (uint32_t i = 0; i < handles->n_slots; i++)
                if (handles->slots[i].handle)
                        handle_unref(handles->slots[i].handle);
        free(handles->slots);
        memset(handles, 0, sizeof(*handles));
}
