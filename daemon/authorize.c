/* SPDX-License-Identifier: MIT */
/*
 * authorize.c: puts the question to the policy for every operation of the window, and from the verdict takes the
 * identity that it will run as. No I/O, and every error is a denial.
 */
#include <string.h>

#include "daemon/server.h"
#include "daemon/session.h"
#include "daemon/steps.h"
#include "proto/names.h"

static struct bytes join_below(struct task_op *o, struct bytes directory, struct bytes below) {
        struct bytes path = {NULL, 0};
        uint8_t *data = arena_alloc(&o->task->out, directory.len + 1 + below.len + 1);

        if (!data)
                return path;
        memcpy(data, directory.data, directory.len);
        path.len = directory.len;
        if (below.len > 0) {
                data[path.len++] = '/';
                memcpy(data + path.len, below.data, below.len);
                path.len += below.len;
        }
        data[path.len] = 0;
        path.data = data;
        return path;
}

static bool describe_end(struct task_op *o, struct task_end *end, const struct location *location, struct end *ret) {
        memset(ret, 0, sizeof(*ret));
        if (location->kind == LOCATION_NONE)
                return true;
        ret->present = true;
        if (location->kind == LOCATION_PATH) {
                ret->path = end->path = location->path;
                return true;
        }
        if (end->n_ancestors > 0) {
                ret->ancestors = end->ancestors;
                ret->n_ancestors = (uint32_t)end->n_ancestors;
        }
        if (end->handle && end->handle->elevated) {
                ret->held_name = end->handle->rule;
                if (end->handle->path.len == 0)
                        return true;
                ret->path = end->path = join_below(o, end->handle->path, location->path);
                return ret->path.data != NULL;
        }
        ret->caller_only = ret->n_ancestors == 0;
        return true;
}

static void audit_decision(struct task_op *o, enum audit_event event, const struct rule *rule) {
        struct task *task = o->task;
        struct audit_record record = {
                .event = event,
                .peer = &task->session->peer,
                .session_id = task->session->id,
                .batch_id = task->batch.id,
                .index = o->result.index,
                .op = o->op,
                .at_path = o->op->at.path,
                .to_path = o->op->to.path,
                .as = o->op->as,
                .rule = rule ? rule_name(rule) : NULL,
                .code = event == AUDIT_DENIED ? o->verdict.code : 0,
                .message = event == AUDIT_DENIED ? o->verdict.why : NULL,
        };

        record_line(o, &record);
}

/* Who owns what it creates. */
static int creator(struct task_op *o, const struct rule *rule, struct identity **ret) {
        const struct peer *peer = &o->task->session->peer;
        uint32_t uid, gid;
        bool service, own;
        int code = rule_create_as(rule, peer, &uid, &gid, &service);

        if (code < 0)
                return code;
        if (service) {
                *ret = identity_ref(identity_of_service(rule_set_id(rule)));
                return 0;
        }
        own = uid == peer->uid && gid == peer->gid;
        return identity_to_create_as(uid, gid, own ? peer->groups : NULL, own ? peer->n_groups : 0,
                                     o->op->verb == FSOP_VERB_MKNOD || o->op->verb == FSOP_VERB_CP, rule_set_id(rule),
                                     ret);
}

static struct identity *identity_of_end(struct task_op *o, const struct end_verdict *verdict) {
        if (verdict->kind == VERDICT_ELEVATED)
                return identity_of_service(rule_set_id(verdict->rule));
        return o->task->session->identity;
}

/* What is changed is `to` where there is one. */
static int take_identities(struct task_op *o) {
        const struct end_verdict *changed = o->row->to != LOCATE_NONE ? &o->verdict.to : &o->verdict.at;

        o->sys.at.identity = identity_of_end(o, &o->verdict.at);
        o->sys.to.identity = identity_of_end(o, &o->verdict.to);
        if (changed->kind == VERDICT_ELEVATED && operation_may_create(o->op)) {
                int code = creator(o, changed->rule, &o->identity);

                if (code < 0)
                        return code;
                o->sys.identity = o->identity;
                return 0;
        }
        o->sys.identity = identity_of_end(o, changed);
        return 0;
}

static void deny(struct task_op *o, const struct rule *rule) {
        const char *why = o->verdict.why ? o->verdict.why : "not allowed";

        task_op_fail(o, o->verdict.code < 0 ? o->verdict.code : -FSOP_EPERM, FSOP_CLASS_DENIED, "%s", why);
        task_op_name_rule(o, rule);
        o->task->session->server->totals.denied++;
        audit_decision(o, AUDIT_DENIED, rule);
}

static void authorize_op(struct task_op *o) {
        struct question question = {.peer = &o->task->session->peer, .roots = o->task->roots, .op = o->op};

        if (!o->row->elevates && o->op->as == FSOP_AS_ELEVATED && o->row->at == LOCATE_OPTIONAL &&
            o->op->at.kind != LOCATION_NONE) {
                o->verdict.code = -FSOP_EPERM;
                o->verdict.why = "this operation never runs elevated";
                deny(o, NULL);
                return;
        }
        if (!o->row->elevates) {
                o->verdict.kind = o->verdict.at.kind = o->verdict.to.kind = VERDICT_CALLER;
        } else if (!describe_end(o, &o->at, &o->op->at, &question.at) ||
                   !describe_end(o, &o->to, &o->op->to, &question.to)) {
                task_op_fail(o, -FSOP_ENOMEM, FSOP_CLASS_BUSY, "the daemon is out of memory");
                return;
        } else {
                policy_decide(o->task->policy, &question, &o->verdict);
        }
        if (o->verdict.audited)
                audit_decision(o, AUDIT_WOULD_ALLOW, o->verdict.audited);
        if (o->verdict.kind != VERDICT_CALLER && o->verdict.kind != VERDICT_ELEVATED) {
                deny(o, o->verdict.rule);
                return;
        }
        o->result.elevated = o->verdict.kind == VERDICT_ELEVATED;
        if (take_identities(o) < 0) {
                o->verdict.code = -FSOP_EPERM;
                o->verdict.why = "the owner that the rule's create-as names could not be taken";
                deny(o, o->verdict.rule);
                return;
        }
        o->recorded = o->result.elevated && o->row->audit;
}

enum flow authorize_step(struct task *task) {
        for_each_op(task, o) authorize_op(o);
        return FLOW_NEXT;
}
