/* SPDX-License-Identifier: MIT */
/*
 * job_kept.c: what is kept of a job, in memory that is the job's own: copied, measured, freed.
 */
#include <stdlib.h>
#include <string.h>

#include "daemon/jobs.h"

static void text_free(struct bytes text) {
        free((void *)(uintptr_t)text.data);
}

static void list_free(struct bytes *list, uint32_t n) {
        for (uint32_t i = 0; i < n; i++)
                text_free(list[i]);
        free(list);
}

bool kept_text(struct bytes from, struct bytes *ret) {
        uint8_t *data = malloc(from.len + 1);

        *ret = (struct bytes){NULL, 0};
        if (!data)
                return false;
        if (from.len > 0)
                memcpy(data, from.data, from.len);
        data[from.len] = 0;
        *ret = (struct bytes){data, from.len};
        return true;
}

bool kept_list(const struct bytes *from, uint32_t n, struct bytes **list, uint32_t *n_list) {
        struct bytes *grown;

        if (n == 0)
                return true;
        grown = realloc(*list, (*n_list + (size_t)n) * sizeof(*grown));
        if (!grown)
                return false;
        *list = grown;
        for (uint32_t i = 0; i < n; i++) {
                if (!kept_text(from[i], &grown[*n_list]))
                        return false;
                ++*n_list;
        }
        return true;
}

struct error error_copy(const struct error *error) {
        struct error copy = *error;

        kept_text(error->message, &copy.message);
        kept_text(error->rule, &copy.rule);
        return copy;
}

void error_fini(struct error *error) {
        text_free(error->message);
        text_free(error->rule);
        *error = (struct error){0};
}

static bool copy_place(const struct store_place *from, struct store_place *to) {
        *to = *from;
        to->names = NULL;
        to->n_names = 0;
        to->target = (struct bytes){NULL, 0};
        return kept_text(from->source, &to->source) && kept_text(from->target, &to->target) &&
               kept_list(from->names, from->n_names, &to->names, &to->n_names);
}

bool kept_copy(const struct store_job *from, struct store_job *to) {
        *to = *from;
        to->user = to->key = (struct bytes){NULL, 0};
        to->excludes = NULL;
        to->n_excludes = to->n_places = 0;
        to->error = error_copy(&from->error);
        to->places = calloc(from->n_places + 1, sizeof(*to->places));
        to->groups = calloc(from->n_groups + 1, sizeof(*to->groups));
        if (!to->places || !to->groups || !kept_text(from->user, &to->user) || !kept_text(from->key, &to->key) ||
            !kept_list(from->excludes, from->n_excludes, &to->excludes, &to->n_excludes))
                return false;
        if (from->n_groups > 0)
                memcpy(to->groups, from->groups, from->n_groups * sizeof(*to->groups));
        for (uint32_t i = 0; i < from->n_places; i++) {
                to->n_places++; /* what there is of it is freed with the others */
                if (!copy_place(&from->places[i], &to->places[i]))
                        return false;
        }
        return true;
}

void kept_fini(struct store_job *kept) {
        for (uint32_t i = 0; i < kept->n_places; i++) {
                text_free(kept->places[i].source);
                text_free(kept->places[i].target);
                list_free(kept->places[i].names, kept->places[i].n_names);
        }
        free(kept->places);
        free(kept->groups);
        list_free(kept->excludes, kept->n_excludes);
        text_free(kept->user);
        text_free(kept->key);
        error_fini(&kept->error);
}

uint64_t kept_bytes(const struct store_job *kept) {
        uint64_t bytes = sizeof(struct job) + kept->key.len;

        for (uint32_t i = 0; i < kept->n_excludes; i++)
                bytes += KEPT_LIST_BYTES + kept->excludes[i].len;
        for (uint32_t i = 0; i < kept->n_places; i++) {
                const struct store_place *place = &kept->places[i];

                bytes += sizeof(*place) + TARGET_BYTES + place->source.len + place->target.len;
                for (uint32_t j = 0; j < place->n_names; j++)
                        bytes += KEPT_LIST_BYTES + place->names[j].len;
        }
        return bytes;
}
