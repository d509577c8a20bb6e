/* SPDX-License-Identifier: MIT */
/*
 * job_submit.c: cp operations become a job. Each brings one place: what the steps have authorized and pinned is looked
 * at by a worker, then the place is added to the job; the one that does not hold it any longer puts the job on the
 * disk, and is answered when it is there.
 */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/jobs.h"
#include "daemon/server.h"
#include "daemon/session.h"

#define PLACES_MAX 65536u

/* What a worker finds out for a submission; in the task's arena. */
struct submission {
        struct copy_options options;
        struct copy_tree tree;
        struct copy_error error;
        uint64_t from_dev, to_dev;
        char user[256];
        struct job *job;       /* on its way into the store */
        struct task_op *twins; /* submissions with the same key that wait for it, linked by waits_for */
};

static void no_memory(struct task_op *o) {
        task_op_fail(o, -FSOP_ENOMEM, FSOP_CLASS_BUSY, "the daemon is out of memory");
}

/* ---- what it is added to ----------------------------------------------------------------------------------------- */

/* What was submitted with a key, or is on its way into the store. */
static struct job *find_by_key(struct jobs *jobs, uint32_t uid, struct bytes key) {
        for (struct job *job = key.len > 0 ? jobs->first : NULL; job; job = job->next)
                if ((!job->draft || job->adding) && !job->forgetting && job->kept.uid == uid &&
                    job->kept.key.len == key.len && memcmp(job->kept.key.data, key.data, key.len) == 0)
                        return job;
        return NULL;
}

static struct job *find_draft(struct jobs *jobs, uint64_t id, const struct session *session) {
        struct job *job = jobs_find(jobs, id);

        return job && job->draft && !job->adding && job->session_id == session->id ? job : NULL;
}

/* What an operation adds to the memory that its user's jobs take. */
static uint64_t bytes_of(const struct operation *op) {
        const struct cp_args *args = &op->args.cp;
        uint64_t bytes = sizeof(struct job) + sizeof(struct store_place) + TARGET_BYTES + op->at.path.len +
                         op->to.path.len + args->key.len;

        for (uint32_t i = 0; i < args->n_names; i++)
                bytes += KEPT_LIST_BYTES + args->names[i].len;
        for (uint32_t i = 0; i < args->n_excludes; i++)
                bytes += KEPT_LIST_BYTES + args->excludes[i].len;
        return bytes;
}

static bool user_has_memory(struct task_op *o, struct jobs *jobs, uint32_t uid) {
        uint64_t bytes, max = jobs->server->config->limits.job_bytes_per_uid;

        jobs_of(jobs, uid, &bytes);
        if (bytes + bytes_of(o->op) <= max)
                return true;
        task_op_fail(o, -FSOP_EUSERS, FSOP_CLASS_BUSY,
                     "the paths of this user's jobs would take more memory than its limit allows (%llu bytes)",
                     (unsigned long long)max);
        return false;
}

/* Makes room by forgetting the oldest of a user's jobs that have ended … */
static bool forget_oldest(struct jobs *jobs, uint32_t uid) {
        for (struct job *job = jobs->first; job; job = job->next)
                if (job->kept.uid == uid && job_has_ended(job) && !job->run && !job->forgetting) {
                        job_forget(job, NULL);
                        return true;
                }
        return false;
}

/* … of the user who has the most of those; of the first so many users. */
static bool forget_of_greediest(struct jobs *jobs) {
        enum { USERS_MAX = 64 };
        struct {
                uint32_t uid, n;
        } users[USERS_MAX] = {0};
        uint32_t n_users = 0, most = 0;

        for (const struct job *job = jobs->first; job; job = job->next) {
                uint32_t i = 0;

                if (!job_has_ended(job) || job->run || job->forgetting)
                        continue;
                while (i < n_users && users[i].uid != job->kept.uid)
                        i++;
                if (i == USERS_MAX)
                        continue;
                n_users += i == n_users;
                users[i].uid = job->kept.uid;
                most = ++users[i].n > users[most].n ? i : most;
        }
        return n_users > 0 && forget_oldest(jobs, users[most].uid);
}

/*
 * A user may have no more jobs than there are places left for others, so that no few users together fill the table: the
 * first gets half of it, the next half of what is left. At its limit its own oldest one that has ended gives way, and
 * never another's; except that who has none at all gets a place from whoever has the most.
 */
static bool user_has_room(struct task_op *o, struct jobs *jobs, uint32_t uid) {
        const struct config_limits *limits = &jobs->server->config->limits;
        uint32_t n = jobs_of(jobs, uid, NULL), free_places = jobs->n < limits->jobs ? limits->jobs - jobs->n : 0;

        if (n < limits->jobs_per_uid && n < free_places)
                return true;
        if (n > 0 ? forget_oldest(jobs, uid) : forget_of_greediest(jobs))
                return true;
        if (n >= limits->jobs_per_uid)
                task_op_fail(o, -FSOP_EUSERS, FSOP_CLASS_BUSY,
                             "this user has as many jobs that have not ended as its limit allows (%u)",
                             limits->jobs_per_uid);
        else
                task_op_fail(o, -FSOP_EUSERS, FSOP_CLASS_BUSY,
                             "of the %u jobs that the daemon's limit allows only %u are left, and no user gets more "
                             "than others can",
                             limits->jobs, free_places);
        return false;
}

/* ---- a job made -------------------------------------------------------------------------------------------------- */

static bool take_owner(struct job *job, const struct peer *peer, const char *user) {
        struct store_job *kept = &job->kept;

        kept->uid = peer->uid;
        kept->gid = peer->gid;
        kept->capabilities = peer->capabilities;
        kept->fully_capable = peer->fully_capable;
        kept->groups = calloc(peer->n_groups + 1, sizeof(*kept->groups));
        if (!kept->groups)
                return false;
        for (uint32_t i = 0; i < peer->n_groups; i++)
                kept->groups[kept->n_groups++] = peer->groups[i];
        return kept_text((struct bytes){(const uint8_t *)user, strlen(user)}, &kept->user);
}

static struct job *make_draft(struct task_op *o, const struct submission *submission) {
        struct session *session = o->task->session;
        const struct cp_args *args = &o->op->args.cp;
        struct jobs *jobs = session->server->jobs;
        struct job *job = job_new(jobs);
        uint8_t random[8];

        if (!job || !take_owner(job, &session->peer, submission->user) || !kept_text(args->key, &job->kept.key) ||
            !kept_list(args->excludes, args->n_excludes, &job->kept.excludes, &job->kept.n_excludes)) {
                if (job)
                        job_free(job);
                return NULL;
        }
        job->kept.as = o->op->as;
        job->kept.recursive = args->recursive;
        job->kept.one_filesystem = args->one_filesystem;
        job->kept.verify = args->verify;
        job->kept.preserve = args->preserve;
        job->kept.umask = args->umask;
        job->kept.clone = args->clone;
        job->kept.sync = args->sync;
        job->kept.update = args->update;
        job->kept.bytes_per_s = args->bytes_per_s;
        job->kept.priority = args->priority;
        job->kept.created = sys_realtime();
        job->kept.counters.totals_known = true;
        randombytes_buf(random, sizeof(random));
        sodium_bin2hex(job->kept.random, sizeof(job->kept.random), random, sizeof(random));
        job->draft = true;
        jobs->n_drafts++;
        job->session_id = session->id;
        jobs_insert(jobs, job);
        return job;
}

static bool same_bytes(struct bytes a, struct bytes b) {
        return a.len == b.len && memcmp(a.data, b.data, a.len) == 0;
}

/* The place that this operation's names belong to: the last one, if it is the same. */
static struct store_place *last_place(struct job *job, const struct operation *op) {
        struct store_place *last = job->kept.n_places > 0 ? &job->kept.places[job->kept.n_places - 1] : NULL;

        if (!last || op->args.cp.n_names == 0 || last->n_names == 0)
                return NULL;
        return same_bytes(last->source, op->at.path) && same_bytes(last->target, op->to.path) ? last : NULL;
}

static bool is_directory(const struct copy_tree *tree) {
        return (tree->source_stat.mode & 0170000) == 0040000;
}

static bool add_place(struct job *job, const struct task_op *o, const struct submission *submission) {
        const struct cp_args *args = &o->op->args.cp;
        const struct copy_tree *tree = &submission->tree;
        struct store_place *places, *place;

        places = realloc(job->kept.places, (job->kept.n_places + 1) * sizeof(*places));
        if (!places)
                return false;
        job->kept.places = places;
        place = &places[job->kept.n_places];
        *place = (struct store_place){
                .follow = o->op->at.follow,
                .elevated = o->result.elevated,
                .source_id = {submission->from_dev, tree->source_stat.ino},
                .parent_id = {submission->to_dev, tree->target_parent_id.ino},
                .source_btime = tree->source_stat.btime,
        };
        job->kept.n_places++; /* from here on it is freed with the job */
        job_note_devices(job, place);
        job->kept.elevated = job->kept.elevated || o->result.elevated;
        if (is_directory(tree))
                job->kept.counters.totals_known = false;
        else {
                job->kept.counters.files_total++;
                job->kept.counters.bytes_total +=
                        (tree->source_stat.mode & 0170000) == 0100000 ? tree->source_stat.size : 0;
        }
        return kept_text(o->op->at.path, &place->source) && kept_text(o->op->to.path, &place->target) &&
               kept_list(args->names, args->n_names, &place->names, &place->n_names) &&
               job_add_target(job, job->kept.n_places - 1) == 0;
}

/* ---- on the disk ------------------------------------------------------------------------------------------------- */

/* It cannot be told from the one that it waits for. */
static void no_cancel(struct task_op *o) {
        (void)o;
}

/* Answers with the job that was submitted with the same key: when it is on the disk. */
static void answer_with_twin(struct task_op *o, struct job *job) {
        struct submission *submission;

        if (!job->adding) {
                job_answer_with(o, job);
                return;
        }
        submission = job->adder->waits_for;
        o->waits_for = submission->twins;
        submission->twins = o;
        task_park(o, no_cancel);
}

static void answer_twins(struct submission *submission, const struct job *job, const struct error *error) {
        struct task_op *o;

        while ((o = submission->twins)) {
                submission->twins = o->waits_for;
                if (job)
                        job_answer_with(o, job);
                else
                        task_op_fail(o, -(int)error->code, error->class_, "%.*s", (int)error->message.len,
                                     (const char *)error->message.data);
                task_unpark(o);
        }
}

static void added(void *owner, int code) {
        struct task_op *o = owner;
        struct submission *submission = o->waits_for;
        struct job *job = submission->job;
        struct jobs *jobs = job->jobs;

        job->adding = false;
        job->adder = NULL;
        if (code < 0) {
                task_op_fail(o, code, FSOP_CLASS_BUSY, "the job could not be put on the daemon's disk: %s",
                             code == -FSOP_ENOSPC || code == -FSOP_EDQUOT ? "its state directory is full"
                                                                          : "its state directory cannot be written to");
                job_free(job);
                answer_twins(submission, NULL, &o->result.error);
        } else {
                job->draft = false;
                jobs->n_drafts--;
                job_event_state(job);
                job_answer_with(o, job);
                answer_twins(submission, job, NULL);
                jobs->schedule_wanted = true;
        }
        task_io_done(&o->io);
}

/* False: it has been answered. */
static bool commit(struct task_op *o, struct job *job) {
        struct store_change change = {.kind = STORE_ADD, .job = &job->kept};
        struct submission *submission = o->waits_for;

        job->kept.state = FSOP_JOB_QUEUED;
        if (!job->kept.counters.totals_known)
                job->kept.counters.files_total = job->kept.counters.bytes_total = 0;
        job->live = job->kept.counters;
        change.id = job->kept.id;
        if (journal_change(job->jobs->journal, &change, 1, added, o) < 0) {
                no_memory(o);
                job_free(job);
                return false;
        }
        submission->job = job;
        job->adding = true;
        job->adder = o;
        return true;
}

/* ---- one submission ---------------------------------------------------------------------------------------------- */

void job_refuse_target(struct task_op *o, const struct job *other) {
        task_op_fail(o, -FSOP_EBUSY, FSOP_CLASS_BUSY, "job %llu writes to this target",
                     (unsigned long long)other->kept.id);
}

static void refuse_conflict(struct task_op *o, const struct job *other, const struct job *job) {
        if (other == job)
                task_op_fail(o, -FSOP_EBUSY, FSOP_CLASS_BUSY, "this job has a place with the same target already");
        else
                job_refuse_target(o, other);
}

static bool add_names(struct task_op *o, struct job *job, struct store_place *place) {
        const struct cp_args *args = &o->op->args.cp;

        if (!kept_list(args->names, args->n_names, &place->names, &place->n_names)) {
                no_memory(o);
                job_free(job);
                return false;
        }
        job->bytes += bytes_of(o->op);
        return true;
}

/* The place into the job; NULL: o has failed. */
static struct job *take_place(struct task_op *o, const struct submission *submission) {
        struct session *session = o->task->session;
        struct jobs *jobs = session->server->jobs;
        const struct cp_args *args = &o->op->args.cp;
        struct job *job = args->job ? find_draft(jobs, args->job, session) : NULL, *other;
        struct store_place *last = job ? last_place(job, o->op) : NULL;

        if (args->job && !job) {
                task_op_fail(o, -FSOP_ENOENT, FSOP_CLASS_INVALID, "there is no job %llu that this connection holds",
                             (unsigned long long)args->job);
                return NULL;
        }
        if (!user_has_memory(o, jobs, session->peer.uid))
                return NULL;
        if (last)
                return add_names(o, job, last) ? job : NULL;
        other = jobs_writing_to(jobs, session->peer.uid,
                                (struct object_id){submission->to_dev, submission->tree.target_parent_id.ino},
                                o->op->to.path);
        if (other) {
                refuse_conflict(o, other, job);
                return NULL;
        }
        if (job && job->kept.n_places >= PLACES_MAX) {
                task_op_fail(o, -FSOP_E2BIG, FSOP_CLASS_INVALID, "a job has at most %u places", PLACES_MAX);
                return NULL;
        }
        if (!job && (!user_has_room(o, jobs, session->peer.uid) || !(job = make_draft(o, submission)))) {
                if (!o->failed)
                        no_memory(o);
                return NULL;
        }
        if (!add_place(job, o, submission)) {
                no_memory(o);
                job_free(job);
                return NULL;
        }
        job->bytes += bytes_of(o->op);
        return job;
}

static void looked(struct io *io) {
        struct task_op *o = io->owner;
        struct submission *submission = o->waits_for;
        struct job *job, *twin;

        if (io->result < 0 && submission->error.code == 0)
                submission->error.code = (int32_t)io->result;
        o->sys.code = submission->error.code;
        o->sys.os_error = submission->error.os_error;
        o->sys.why = submission->error.why;
        o->sys.guarded = submission->error.denied;
        o->sys.source_failed = submission->error.source;
        if (o->sys.code == 0 && (o->task->cancelled || o->task->session->state != SESSION_OPEN))
                task_op_fail_cancelled(o);
        twin = o->op->args.cp.job == 0
                       ? find_by_key(o->task->session->server->jobs, o->task->session->peer.uid, o->op->args.cp.key)
                       : NULL;
        if (o->sys.code == 0 && !o->failed && twin) { /* it came while the places were looked at */
                answer_with_twin(o, twin);
                task_io_done(io);
                return;
        }
        job = o->sys.code == 0 && !o->failed ? take_place(o, submission) : NULL;
        if (job && o->op->args.cp.hold)
                job_answer_with(o, job);
        else if (job && (twin = find_by_key(job->jobs, job->kept.uid, job->kept.key))) {
                job_free(job); /* this one was held while the other was submitted */
                answer_with_twin(o, twin);
        } else if (job && commit(o, job)) {
                o->in_flight = false; /* there is no way back from here */
                return;
        }
        task_io_done(io);
}

static void look_call(struct io *io) {
        struct task_op *o = io->owner;
        struct submission *submission = o->waits_for;

        io->result = copy_open(&submission->tree, &o->sys, &submission->error);
        if (io->result == 0) {
                copy_devices(&submission->tree, &submission->from_dev, &submission->to_dev);
                copy_close(&submission->tree);
        }
        identity_wear_service();
        if (sys_name_of_user(o->task->session->peer.uid, submission->user, sizeof(submission->user)) < 0)
                submission->user[0] = 0;
}

/* What is answered without looking at any file. True: it is answered, or waits for the store. */
static bool answer_at_once(struct task_op *o) {
        struct session *session = o->task->session;
        struct jobs *jobs = session->server->jobs;
        const struct cp_args *args = &o->op->args.cp;
        struct job *known;

        if (job_needs_store(o))
                return true;
        if (session->server->draining) {
                task_op_fail_stopping(o, "");
                return true;
        }
        if (args->priority > 0 && !server_is_admin(session->server, &session->peer)) {
                task_op_fail(o, -FSOP_EPERM, FSOP_CLASS_DENIED, "a priority above 0 is for uid 0 and the admin group");
                return true;
        }
        known = args->job == 0 ? find_by_key(jobs, session->peer.uid, args->key) : NULL;
        if (known)
                answer_with_twin(o, known);
        return known != NULL;
}

void job_submit(struct task_op *o) {
        struct submission *submission;
        const struct cp_args *args = &o->op->args.cp;

        if (answer_at_once(o))
                return;
        submission = arena_calloc(&o->task->out, 1, sizeof(*submission));
        if (!submission) {
                no_memory(o);
                return;
        }
        submission->options = (struct copy_options){
                .recursive = args->recursive || args->n_names > 0, .preserve = args->preserve, .umask = args->umask};
        submission->tree.options = &submission->options;
        submission->tree.reader = o->sys.at.identity;
        submission->tree.writer = submission->tree.keeper = o->sys.identity;
        submission->tree.from_guard = o->sys.at.guard;
        submission->tree.to_guard = o->sys.to.guard;
        strcpy(submission->tree.temporary, ".fsop-");
        o->waits_for = submission;
        o->io = (struct io){.kind = IO_CALL, .flags = IO_POOL, .done = looked, .owner = o};
        o->io.u.call = look_call;
        o->in_flight = true;
        task_submit(o->task, &o->io);
}
