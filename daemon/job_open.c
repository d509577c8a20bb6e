/* SPDX-License-Identifier: MIT */
/*
 * job_open.c: a place of a job opened: its owner looked up anew, then the steps of a request walked for it, so that
 * what a job may do is decided, guarded and recorded where everything else is. What the steps pinned becomes the
 * tree's.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/copy_internal.h"
#include "daemon/server.h"
#include "daemon/steps.h"
#include "proto/names.h"

static struct bytes text(const char *string) {
        return (struct bytes){(const uint8_t *)string, strlen(string)};
}

static void refuse(struct tree *tree, int code, enum fsop_error_class class_, const char *why) {
        tree->open_error = (struct error){.code = (enum fsop_errno) - code, .class_ = class_, .message = text(why)};
}

/* ---- who it is --------------------------------------------------------------------------------------------------- */

static bool has_group(const uint32_t *groups, uint32_t n, uint32_t gid) {
        for (uint32_t i = 0; i < n; i++)
                if (groups[i] == gid)
                        return true;
        return false;
}

/* The groups that it had and still has. */
static int groups_left(const struct store_job *kept, const char *name, uint32_t login_gid, struct peer *peer) {
        uint32_t *now = NULL, n_now = 0;
        int code = sys_groups_of_user(name, login_gid, &now, &n_now);

        if (code < 0)
                return code;
        peer->gid = has_group(now, n_now, kept->gid) ? kept->gid : login_gid;
        for (uint32_t i = 0; i < kept->n_groups; i++)
                if (has_group(now, n_now, kept->groups[i]))
                        peer->groups[peer->n_groups++] = kept->groups[i];
        free(now);
        return 0;
}

/* On a worker: the user database may be remote. A uid that somebody else has by now is nobody we know. */
static int peer_of_job(const struct store_job *kept, const char *name, struct peer *peer, const char **ret_why) {
        char buffer[256];
        uint32_t uid, gid;
        int code;

        *peer = (struct peer){.uid = kept->uid, .gid = kept->gid, .pidfd = OS_FD_NONE, .name = name};
        peer->groups = calloc(kept->n_groups + 1, sizeof(*peer->groups));
        if (!peer->groups)
                return -FSOP_ENOMEM;
        code = sys_name_of_user(kept->uid, buffer, sizeof(buffer));
        if (code < 0 && code != -FSOP_ENOENT) {
                *ret_why = "the user database could not be asked who the job's owner is";
                return -FSOP_EAGAIN;
        }
        if ((code == -FSOP_ENOENT) != (name[0] == 0) || (code >= 0 && strcmp(buffer, name) != 0)) {
                *ret_why = "the job's uid no longer belongs to the user who submitted it";
                return -FSOP_EPERM;
        }
        if (kept->uid == 0) {
                peer->fully_capable = kept->fully_capable;
                peer->capabilities = kept->capabilities;
                if (kept->n_groups > 0)
                        memcpy(peer->groups, kept->groups, kept->n_groups * sizeof(*peer->groups));
                peer->n_groups = kept->n_groups;
                return 0;
        }
        if (name[0] == 0) /* nothing says which groups it still has */
                return 0;
        code = sys_user_by_name(name, &uid, &gid);
        if (code == 0)
                code = groups_left(kept, name, gid, peer);
        if (code < 0)
                *ret_why = "the user database could not be asked for the groups of the job's owner";
        return code < 0 ? -FSOP_EAGAIN : 0;
}

static void find_peer_call(struct io *io) {
        struct tree *tree = io->owner;
        const struct store_job *kept = &tree->run->job->kept;
        const char *why = "the job's owner could not be looked up";

        io->result =
                peer_of_job(kept, kept->user.len > 0 ? (const char *)kept->user.data : "", &tree->session.peer, &why);
        if (io->result < 0)
                refuse(tree, (int)io->result, io->result == -FSOP_EPERM ? FSOP_CLASS_DENIED : FSOP_CLASS_BUSY, why);
}

/* ---- what may be set with a rule's rights ------------------------------------------------------------------------ */

/*
 * Workers ask; all that is looked at stays as it is while the run lives. Only the rule that lends the target is asked,
 * as for a handle: the guards say that everything lies in its directory. By the text of a path alone another rule's
 * could be meant, with links on the way that lead out of it.
 */
static const char *permit(struct tree *tree, struct operation *op, struct bytes below, const char *refusal) {
        const struct store_place *place = &tree->run->job->kept.places[tree->place];
        uint8_t path[WIRE_PATH_BYTES_MAX + 1];
        struct question question = {.peer = &tree->run->peer, .op = op};
        struct verdict verdict;
        const char *why;

        op->as = FSOP_AS_ELEVATED;
        op->at = (struct location){.kind = LOCATION_PATH};
        why = policy_join_path(place->target, below, path, &op->at.path);
        if (why)
                return why;
        question.at = (struct end){.present = true, .path = op->at.path, .held_name = rule_name(tree->to_rule)};
        policy_decide(tree->run->policy, &question, &verdict);
        return verdict.kind == VERDICT_ELEVATED ? NULL : refusal;
}

static const char *permit_owner(void *context, struct bytes below, uint32_t uid, uint32_t gid) {
        struct operation op = {.verb = FSOP_VERB_CHOWN,
                               .args.chown = {.has_uid = true, .uid = uid, .has_gid = true, .gid = gid}};

        return permit(context, &op, below,
                      "the rule that lets it be copied there does not let it be given to its owner (chown, chown-to)");
}

static const char *permit_xattr(void *context, struct bytes below, const char *name) {
        struct operation op = {.verb = FSOP_VERB_SETXATTR, .args.xattr = {.name = text(name)}};

        return permit(context, &op, below,
                      "the rule that lets it be copied there does not let its attributes be set (setxattr, xattrs)");
}

static const char *permit_node(void *context, struct bytes below, enum fsop_file_type type, uint32_t major,
                               uint32_t minor) {
        struct operation op = {
                .verb = FSOP_VERB_MKNOD,
                .args.mknod = {.type = type, .major = major, .minor = minor, .create = {.create = true, .mode = 0600}}};

        return permit(context, &op, below,
                      "the rule that lets it be copied there does not let it be made (mknod, devices)");
}

/* ---- what may be met --------------------------------------------------------------------------------------------- */

static const char *source_excluded(void *context, struct bytes below) {
        const struct tree *tree = context;

        return policy_excludes(tree->run->policy, &tree->run->peer, tree->from_rule, &tree->op,
                               op_permission_at(&tree->op), tree->op.at.path, below);
}

static const char *target_excluded(void *context, struct bytes below) {
        const struct tree *tree = context;

        return policy_excludes(tree->run->policy, &tree->run->peer, tree->to_rule, &tree->op,
                               op_permission_to(&tree->op), tree->op.to.path, below);
}

/* Mostly nothing is excluded in a tree: then no name need be looked at. */
static void set_reach(struct tree *tree) {
        const struct run *run = tree->run;

        tree->t.reach = (struct copy_reach){.context = tree};
        if (tree->from_rule && policy_excludes_below(run->policy, &run->peer, tree->from_rule, tree->op.at.path))
                tree->t.reach.source = source_excluded;
        if (tree->to_rule && policy_excludes_below(run->policy, &run->peer, tree->to_rule, tree->op.to.path))
                tree->t.reach.target = target_excluded;
}

/* ---- from the steps to the tree ---------------------------------------------------------------------------------- */

static void take_call(struct io *io) {
        struct task_op *o = io->owner;
        struct tree *tree = o->task->tree;
        const struct store_place *place = &tree->run->job->kept.places[tree->place];
        struct copy_error error = {0};

        io->result = copy_open(&tree->t, &o->sys, &error);
        o->sys.code = error.code;
        o->sys.os_error = error.os_error;
        o->sys.why = error.why;
        o->sys.guarded = error.denied;
        o->sys.source_failed = error.source;
        if (io->result < 0)
                return;
        /* Devices may have other numbers after a restart of the machine; an inode that was made again has another
         * birth. */
        if (tree->t.source_stat.ino != place->source_id.ino ||
            (place->source_btime.sec != 0 && (tree->t.source_stat.btime.sec != place->source_btime.sec ||
                                              tree->t.source_stat.btime.nsec != place->source_btime.nsec))) {
                o->sys.code = -FSOP_ESTALE;
                o->sys.why = "the source is another file than the one that was there when the job was submitted";
        } else if (tree->t.target_parent_id.ino != place->parent_id.ino) {
                o->sys.code = -FSOP_ESTALE;
                o->sys.why = "the target's directory is another one than when the job was submitted";
        }
        io->result = o->sys.code;
        if (io->result < 0)
                copy_close(&tree->t);
}

static void taken(struct io *io) {
        struct task_op *o = io->owner;

        if (io->result < 0 && o->sys.code == 0) /* no worker could look */
                o->sys.code = (int32_t)io->result;
        task_io_done(io);
}

void job_open_take(struct task_op *o) {
        struct tree *tree = o->task->tree;
        const struct store_place *place = &tree->run->job->kept.places[tree->place];
        bool to_elevated = o->verdict.to.kind == VERDICT_ELEVATED;

        if (place->elevated && !o->result.elevated) {
                task_op_fail(o, -FSOP_EPERM, FSOP_CLASS_DENIED,
                             "the rule that lent the job its rights does not allow it any more: %s",
                             o->verdict.why ? o->verdict.why : "no rule allows it");
                return;
        }
        tree->t.reader = identity_ref(o->sys.at.identity);
        tree->t.writer = identity_ref(o->sys.identity);
        tree->t.keeper =
                identity_ref(to_elevated ? identity_of_service(rule_set_id(o->verdict.to.rule)) : o->sys.identity);
        tree->t.from_guard = o->sys.at.guard;
        tree->t.to_guard = o->sys.to.guard;
        tree->from_root = o->at.root ? root_ref(o->at.root) : NULL;
        tree->to_root = o->to.root ? root_ref(o->to.root) : NULL;
        tree->from_rule = o->verdict.at.kind == VERDICT_ELEVATED ? o->verdict.at.rule : NULL;
        if (to_elevated) {
                tree->to_rule = o->verdict.to.rule;
                tree->permits = (struct copy_permits){tree, permit_owner, permit_xattr, permit_node};
                tree->t.permits = &tree->permits;
        }
        set_reach(tree);
        o->io = (struct io){.kind = IO_CALL, .flags = IO_POOL, .done = taken, .owner = o};
        o->io.u.call = take_call;
        o->in_flight = true;
        task_submit(o->task, &o->io);
}

static void opened(struct task *task) {
        struct tree *tree = task->tree;
        struct error error = {0};
        char message[512], rule[256];

        if (task->window_first == 0 && task->window_count == 0) /* it came to nothing */
                refuse(tree, -FSOP_ENOMEM, FSOP_CLASS_BUSY, "the daemon is out of memory");
        else if (task->ops[0].result.error.code != 0) {
                error = task->ops[0].result.error;
                snprintf(message, sizeof(message), "%.*s", (int)error.message.len, (const char *)error.message.data);
                snprintf(rule, sizeof(rule), "%.*s", (int)error.rule.len,
                         error.rule.len > 0 ? (const char *)error.rule.data : "");
                error.message = text(message);
                error.rule = text(rule);
        }
        task_free(task);
        tree->opened(tree, error.code != 0 ? &error : &tree->open_error);
}

static void walk_steps(struct tree *tree) {
        struct run *run = tree->run;
        const struct store_job *kept = &run->job->kept;
        const struct store_place *place = &kept->places[tree->place];
        struct task *task = task_new(&tree->session);

        if (!task) {
                refuse(tree, -FSOP_ENOMEM, FSOP_CLASS_BUSY, "the daemon is out of memory");
                tree->opened(tree, &tree->open_error);
                return;
        }
        tree->session.server = run->job->jobs->server;
        tree->session.identity = run->identity;
        tree->session.peer = run->peer;
        tree->session.state = SESSION_OPEN;
        tree->op = (struct operation){
                .verb = FSOP_VERB_CP,
                .as = kept->as,
                .at = {.kind = LOCATION_PATH, .follow = place->follow, .path = place->source},
                .to = {.kind = LOCATION_PATH, .path = place->target},
                .args.cp = {.job = kept->id,
                            .recursive = kept->recursive,
                            .preserve = kept->preserve,
                            .umask = kept->umask},
        };
        task->batch = (struct batch){.id = kept->id, .ops = &tree->op, .n_ops = 1};
        task->tree = tree;
        task->done = opened;
        task_run(task);
}

static void peer_found(struct io *io) {
        struct tree *tree = io->owner;
        struct run *run = tree->run;

        if (io->result < 0 && tree->open_error.code == 0)
                refuse(tree, (int)io->result, FSOP_CLASS_BUSY, "the job's owner could not be looked up");
        if (tree->open_error.code == 0 && !run->has_peer) {
                int code = identity_of_peer(&tree->session.peer, &run->identity);

                if (code == 0) {
                        run->peer = tree->session.peer;
                        run->has_peer = true;
                        tree->session.peer.groups = NULL;
                } else
                        refuse(tree, code, FSOP_CLASS_DENIED, "the identity of the job's owner cannot be taken");
        }
        free(tree->session.peer.groups);
        tree->session.peer = (struct peer){.pidfd = OS_FD_NONE};
        if (tree->open_error.code != 0)
                tree->opened(tree, &tree->open_error);
        else
                walk_steps(tree);
}

void job_open_place(struct job *job, struct tree *tree, void (*done)(struct tree *tree, const struct error *error)) {
        struct engine *engine = job->jobs->server->engine;

        tree->opened = done;
        tree->open_io = (struct io){
                .kind = IO_CALL, .flags = IO_POOL, .done = peer_found, .owner = tree, .whose = job->kept.uid};
        tree->open_io.u.call = find_peer_call;
        engine->ops->submit(engine, &tree->open_io);
}
