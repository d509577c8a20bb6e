/* SPDX-License-Identifier: MIT */
/*
 * job_targets.c: which job writes to which name: a table of the targets of all places. A target is there for as long as
 * its job; whether that still writes to it is asked of the job, so that nothing is to be kept right here when states
 * change.
 */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/jobs.h"

#define ROOM_MIN 64u

_Static_assert(sizeof(((struct jobs *)0)->targets_key) == crypto_shorthash_KEYBYTES, "a key for the hash");

struct job_target {
        struct job_target *next;    /* in its chain */
        struct job_target *sibling; /* of the same job */
        struct job *job;
        uint64_t hash;
        uint32_t place;
};

/* The last name of a path. */
static struct bytes leaf_of(struct bytes path) {
        size_t end = path.len, start;

        while (end > 1 && path.data[end - 1] == '/')
                end--;
        for (start = end; start > 0 && path.data[start - 1] != '/';)
                start--;
        return (struct bytes){path.data + start, end - start};
}

/* With a key: users choose names. */
static uint64_t hash_of(const struct jobs *jobs, uint32_t uid, struct object_id parent, struct bytes leaf) {
        uint64_t words[4] = {uid, parent.dev, parent.ino, 0}, hash;

        crypto_shorthash((unsigned char *)&words[3], leaf.data, leaf.len, jobs->targets_key);
        crypto_shorthash((unsigned char *)&hash, (const unsigned char *)words, sizeof(words), jobs->targets_key);
        return hash;
}

static struct job_target **chain_of(struct jobs *jobs, uint64_t hash) {
        return &jobs->targets[hash & (jobs->targets_room - 1)];
}

static void put(struct jobs *jobs, struct job_target *target) {
        struct job_target **chain = chain_of(jobs, target->hash);

        target->next = *chain;
        *chain = target;
}

/* Twice the room. Without memory it stays as it is, and chains grow. */
static int grow(struct jobs *jobs) {
        uint32_t room = jobs->targets_room, new_room = room > 0 ? room * 2 : ROOM_MIN;
        struct job_target **before = jobs->targets, **targets = calloc(new_room, sizeof(struct job_target *));

        if (!targets)
                return before ? 0 : -FSOP_ENOMEM;
        if (!before)
                crypto_shorthash_keygen(jobs->targets_key);
        jobs->targets = targets;
        jobs->targets_room = new_room;
        for (uint32_t i = 0; i < room; i++)
                /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): without targets before there is no room */
                for (struct job_target *target = before[i], *next; target; target = next) {
                        next = target->next;
                        put(jobs, target);
                }
        free(before);
        return 0;
}

int job_add_target(struct job *job, uint32_t at) {
        struct jobs *jobs = job->jobs;
        const struct store_place *place = &job->kept.places[at];
        struct job_target *target;

        if (jobs->n_targets >= jobs->targets_room && grow(jobs) < 0)
                return -FSOP_ENOMEM;
        target = malloc(sizeof(*target));
        if (!target)
                return -FSOP_ENOMEM;
        *target = (struct job_target){.sibling = job->targets, .job = job, .place = at};
        target->hash = hash_of(jobs, job->kept.uid, place->parent_id, leaf_of(place->target));
        job->targets = target;
        put(jobs, target);
        jobs->n_targets++;
        return 0;
}

void job_remove_targets(struct job *job) {
        struct job_target *target;

        while ((target = job->targets)) {
                struct job_target **link = chain_of(job->jobs, target->hash);

                while (*link != target)
                        link = &(*link)->next;
                *link = target->next;
                job->targets = target->sibling;
                job->jobs->n_targets--;
                free(target);
        }
}

static bool writes_to(const struct job_target *target, uint32_t uid, struct object_id parent, struct bytes leaf) {
        const struct store_place *place = &target->job->kept.places[target->place];
        struct bytes its;

        if (target->job->kept.uid != uid || job_has_ended(target->job) || place->finished ||
            place->parent_id.ino != parent.ino || place->parent_id.dev != parent.dev)
                return false;
        its = leaf_of(place->target);
        return its.len == leaf.len && memcmp(its.data, leaf.data, leaf.len) == 0;
}

/* Other users' do not count: whoever could name a target, and nothing more, would keep its owner from it, and learn of
 * its jobs. */
struct job *jobs_writing_to(struct jobs *jobs, uint32_t uid, struct object_id parent, struct bytes target) {
        struct bytes leaf = leaf_of(target);
        uint64_t hash;

        if (jobs->n_targets == 0)
                return NULL;
        hash = hash_of(jobs, uid, parent, leaf);
        for (struct job_target *each = *chain_of(jobs, hash); each; each = each->next)
                if (each->hash == hash && writes_to(each, uid, parent, leaf))
                        return each->job;
        return NULL;
}

struct job *job_in_the_way(const struct job *job) {
        struct job *other = NULL;

        for (uint32_t i = 0; !other && i < job->kept.n_places; i++)
                other = jobs_writing_to(job->jobs, job->kept.uid, job->kept.places[i].parent_id,
                                        job->kept.places[i].target);
        return other;
}
