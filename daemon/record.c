/* SPDX-License-Identifier: MIT */
/*
 * record.c: writes the intent of everything elevated that changes something before any of it is done. What cannot be
 * recorded is not done. Of what only reads, and of what was not even found, one line is enough, written before the
 * answer leaves (settle.c); but what may be kept waiting is seen in the audit while it does.
 */
#include "daemon/route.h"
#include "daemon/server.h"
#include "daemon/session.h"
#include "daemon/steps.h"

struct audit_record record_of(const struct task_op *o, enum audit_event event) {
        const struct session *session = o->task->session;

        return (struct audit_record){
                .event = event,
                .peer = &session->peer,
                .session_id = session->id,
                .batch_id = o->task->batch.id,
                .index = o->result.index,
                .op = o->op,
                .job = o->op->verb == FSOP_VERB_CP ? o->op->args.cp.job : 0,
                .at_path = o->op->at.path.len > 0 || !o->at.handle ? o->op->at.path : o->at.handle->path,
                .to_path = o->op->to.path,
                .as = o->result.elevated ? FSOP_AS_ELEVATED : FSOP_AS_CALLER,
                .rule = o->verdict.rule ? rule_name(o->verdict.rule) : NULL,
        };
}

void record_line(const struct task_op *o, const struct audit_record *record) {
        audit_record(o->task->session->server->audit, record);
        turn_charge_audit(o->task->session, 1);
}

/*
 * A window is judged once, by the rules of that moment; and whoever asked can make it last before it is begun (one
 * operation on a filesystem of his own that answers when he likes). What a reload has taken away meanwhile is not done
 * any more.
 */
static bool may_be_revoked(const struct task_op *o) {
        const struct session *session = o->task->session;

        return o->task->policy != session->server->policy && o->sys.since_ms > 0 &&
               sys_monotonic_ms() - o->sys.since_ms >= TASK_REVOKE_MS &&
               !policy_is_same(session->server->policy, o->task->policy, &session->peer);
}

static bool needs_intent(const struct task_op *o) {
        uint64_t mount;

        return !o->row->reads || route_may_wait(&o->sys, &mount);
}

enum flow record_step(struct task *task) {
        struct audit *audit = task->session->server->audit;
        bool any = false;
        int code;

        for_each_op(task, o) {
                struct audit_record record;

                if (!o->recorded)
                        continue;
                if (may_be_revoked(o)) {
                        task_op_fail(o, -FSOP_EAGAIN, FSOP_CLASS_BUSY,
                                     "the rules were loaded anew while it was looked up: ask again");
                        continue;
                }
                if (!needs_intent(o))
                        continue;
                record = record_of(o, AUDIT_INTENT);
                record_line(o, &record);
                o->has_intent = true;
                any = true;
        }
        if (!any)
                return FLOW_NEXT;
        code = audit_flush(audit);
        if (code == 0)
                return FLOW_NEXT;
        for_each_op(task, o) if (o->recorded) {
                o->recorded = false;
                task_op_fail(o, code, FSOP_CLASS_OS, "not done, because it could not be recorded in the audit log");
        }
        return FLOW_NEXT;
}
