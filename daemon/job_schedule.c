/* SPDX-License-Identifier: MIT */
/*
 * job_schedule.c: which of the queued jobs may run: by priority, then whose user has the fewest running, then the
 * oldest; not two of one user on one device, and not more than the limit.
 *
 * Nobody's job may keep another user's from running, however slow it is told to be or whatever filesystem it hangs on:
 * on a device only a user's own jobs wait for each other (and for a higher priority), and the last place of all is for
 * whoever has none running.
 */
#include "daemon/jobs.h"
#include "daemon/server.h"

#define REFUSED_MAX 32u

static void note_device(struct job *job, uint64_t dev) {
        for (uint32_t i = 0; i < job->n_devices && i < JOB_DEVICES_MAX; i++)
                if (job->devices[i] == dev)
                        return;
        if (job->n_devices < JOB_DEVICES_MAX)
                job->devices[job->n_devices] = dev;
        if (job->n_devices <= JOB_DEVICES_MAX)
                job->n_devices++;
}

void job_note_devices(struct job *job, const struct store_place *place) {
        note_device(job, place->source_id.dev);
        note_device(job, place->parent_id.dev);
}

static bool share_a_device(const struct job *a, const struct job *b) {
        if (a->n_devices > JOB_DEVICES_MAX || b->n_devices > JOB_DEVICES_MAX)
                return true;
        for (uint32_t i = 0; i < a->n_devices; i++)
                for (uint32_t j = 0; j < b->n_devices; j++)
                        if (a->devices[i] == b->devices[j])
                                return true;
        return false;
}

static uint32_t running_of(const struct jobs *jobs, uint32_t uid) {
        uint32_t n = 0;

        for (uint32_t i = 0; i < jobs->n_running; i++)
                n += jobs->running[i]->kept.uid == uid;
        return n;
}

static bool is_lower(const struct job *job, const struct job *than) {
        return !job->cleaning && (!than || job->kept.priority < than->kept.priority);
}

/* Whether it may start now. If not, *ret_lowest is the job of lowest priority that is in its way. */
static bool has_room(const struct job *job, struct job **ret_lowest) {
        const struct jobs *jobs = job->jobs;
        const struct config_limits *limits = &jobs->server->config->limits;
        struct job *lowest = NULL, *lowest_rival = NULL;
        uint32_t rivals = 0, own = running_of(jobs, job->kept.uid);
        uint32_t places = limits->jobs_running - (own > 0 && limits->jobs_running > 1);

        for (uint32_t i = 0; i < jobs->n_running; i++) {
                struct job *other = jobs->running[i];

                if (is_lower(other, lowest))
                        lowest = other;
                if (!share_a_device(job, other))
                        continue;
                rivals += other->kept.uid == job->kept.uid || other->kept.priority > job->kept.priority;
                if (is_lower(other, lowest_rival))
                        lowest_rival = other;
        }
        /* What is in the way of a higher priority steps aside; another user's is not waited for. */
        *ret_lowest = lowest_rival && lowest_rival->kept.priority < job->kept.priority ? lowest_rival
                      : rivals >= limits->jobs_per_device                              ? lowest_rival
                      : jobs->n_running >= places                                      ? lowest
                                                                                       : NULL;
        return rivals < limits->jobs_per_device && jobs->n_running < places;
}

/* Of several of a user's that share a device, one that is refused speaks for those behind it: ten thousand jobs on one
 * disk are looked at once. */
static bool is_refused(const struct job *job, struct job *const refused[], uint32_t n_refused) {
        for (uint32_t i = 0; i < n_refused; i++)
                if (refused[i] == job || (refused[i]->kept.uid == job->kept.uid && share_a_device(refused[i], job)))
                        return true;
        return false;
}

static struct job *best_queued(struct jobs *jobs, struct job *const refused[], uint32_t n_refused) {
        struct job *best = NULL;
        uint32_t best_running = 0;

        for (struct job *job = jobs->first; job; job = job->next) {
                uint32_t running;

                if (job->kept.state != FSOP_JOB_QUEUED || job->draft || job->run ||
                    (best && job->kept.priority < best->kept.priority))
                        continue;
                if (best && job->kept.priority == best->kept.priority && best_running == 0)
                        continue; /* it is older */
                running = running_of(jobs, job->kept.uid);
                if (best && job->kept.priority == best->kept.priority && running >= best_running)
                        continue;
                if (is_refused(job, refused, n_refused))
                        continue;
                best = job;
                best_running = running;
        }
        return best;
}

static void clean_up(struct jobs *jobs) {
        for (struct job *job = jobs->first; job && jobs->n_running < jobs->server->config->limits.jobs_running;
             job = job->next)
                if (job->wants_cleaning && !job->run) {
                        job->wants_cleaning = false;
                        job_start(job, true);
                }
}

void jobs_schedule(struct jobs *jobs) {
        struct job *refused[REFUSED_MAX], *job, *lowest;
        uint32_t n_refused = 0;

        jobs->schedule_wanted = false;
        if (jobs->draining)
                return;
        clean_up(jobs);
        while (n_refused < REFUSED_MAX && (job = best_queued(jobs, refused, n_refused))) {
                bool room = has_room(job, &lowest);

                if (lowest && lowest->kept.priority < job->kept.priority && lowest->stop == STOP_NOT)
                        job_stop(lowest, STOP_YIELD);
                if (room)
                        job_start(job, false);
                refused[n_refused++] = job; /* what shares its devices has none free now; with jobs-per-device above 1
                                               it is seen again */
        }
}
