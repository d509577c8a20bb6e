/* SPDX-License-Identifier: MIT */
/*
 * settle.c: what became of each operation: its error in words, its handle, its line in the audit; and everything that
 * was taken for it is given back. Once per operation, whatever happened before.
 */
#include <string.h>

#include "daemon/graveyard.h"
#include "daemon/server.h"
#include "daemon/session.h"
#include "daemon/share.h"
#include "daemon/steps.h"
#include "proto/names.h"

/* What was decided about the end that failed. */
static const struct end_verdict *verdict_of_failure(const struct task_op *o) {
        return o->row->to != LOCATE_NONE && !o->sys.source_failed ? &o->verdict.to : &o->verdict.at;
}

/* Policy did not stand in the way, the kernel did: for `auto` that is a denial like any other. */
static enum fsop_error_class class_of(const struct task_op *o, int code) {
        bool permission = code == -FSOP_EPERM || code == -FSOP_EACCES;

        if (o->sys.guarded) /* leaving the rule's directory is a denial, whatever the kernel calls it */
                return permission || code == -FSOP_EXDEV ? FSOP_CLASS_DENIED : error_class_of(-code);
        if (permission)
                return o->op->as == FSOP_AS_AUTO && verdict_of_failure(o)->kind == VERDICT_CALLER ? FSOP_CLASS_DENIED
                                                                                                  : FSOP_CLASS_OS;
        return error_class_of(-code);
}

/* Where no rule stood in between, it is the kernel that says no. */
static void explain_kernel(struct task_op *o, int code, enum fsop_error_class class_) {
        uint32_t uid = o->task->session->peer.uid;

        if (o->verdict.why)
                task_op_fail(o, code, class_, "%s, and the kernel refuses it to uid %u", o->verdict.why, uid);
        else
                task_op_fail(o, code, class_, "the kernel refuses it to uid %u%s", uid,
                             o->op->as == FSOP_AS_CALLER && o->row->elevates ? "; as caller no rule is asked" : "");
}

static void explain_failure(struct task_op *o) {
        int code = o->sys.code;
        enum fsop_error_class class_ = class_of(o, code);
        const char *what = error_text(-code);

        if (code == -FSOP_ECANCELED && o->task->cancel_code == -FSOP_ETIMEDOUT)
                task_op_fail(o, -FSOP_ETIMEDOUT, class_, "the deadline passed");
        else if (code == -FSOP_ECANCELED && o->task->cancel_code == -FSOP_EAGAIN)
                task_op_fail(o, -FSOP_EAGAIN, FSOP_CLASS_BUSY,
                             "the rules were loaded anew before it was done: ask again");
        else if (o->sys.why)
                task_op_fail(o, code, class_, "%s", o->sys.why);
        else if ((code == -FSOP_EPERM || code == -FSOP_EACCES) && verdict_of_failure(o)->kind == VERDICT_CALLER)
                explain_kernel(o, code, class_);
        else
                task_op_fail(o, code, class_, "%s", what);
        o->result.error.os_error = o->sys.os_error;
        if (verdict_of_failure(o)->kind == VERDICT_ELEVATED)
                task_op_name_rule(o, verdict_of_failure(o)->rule);
}

/* Whether its user may have one more descriptor on its way; what has been read meanwhile is looked for once in a
 * window. */
static bool has_room_for_fd(struct task *task) {
        const struct account *account = task->session->account;
        uint32_t max = task->session->server->config->limits.descriptors_per_uid;

        if (account->fds + task->n_opened < max || task->looked_for_read)
                return account->fds + task->n_opened < max;
        task->looked_for_read = true;
        for (struct session *session = task->session->server->sessions; session; session = session->next)
                if (session->account == account)
                        session_has_unread_fds(session);
        return account->fds + task->n_opened < max;
}

/* What goes out with the answer counts as its user's until it is read. */
static void keep_for_client(struct task_op *o) {
        if (has_room_for_fd(o->task))
                o->task->n_opened++;
        else
                task_op_fail(o, -FSOP_EMFILE, FSOP_CLASS_BUSY,
                             "this user has as many descriptors on their way as may be: read them first");
}

/* What was opened becomes a handle; open-fd's descriptor goes out with the answer. */
static void keep_opened(struct task_op *o) {
        struct session *session = o->task->session;
        const struct config_limits *limits = &session->server->config->limits;
        struct handle like = {.fd = o->sys.opened,
                              .directory = o->op->verb == FSOP_VERB_OPENDIR,
                              .from_client = o->sys.at.base_is_client_fd,
                              .slow = place_is_far(&o->sys.at),
                              .account = session->account};
        int code;

        if (o->sys.opened == OS_FD_NONE || o->sys.code != 0)
                return;
        if (o->op->verb == FSOP_VERB_OPEN_FD) {
                keep_for_client(o);
                return;
        }
        if (o->verdict.at.kind == VERDICT_ELEVATED) {
                like.elevated = true;
                like.rule = (char *)(uintptr_t)rule_name(o->verdict.at.rule);
                like.path = o->at.path;
        }
        if (session->state != SESSION_OPEN)
                code = -FSOP_ECANCELED;
        else if (session->account->handles >= limits->handles_per_uid ||
                 session->account->fds >= limits->descriptors_per_uid ||
                 sys_is_last_descriptor(o->sys.opened, limits->descriptors_reserved))
                code = -FSOP_EMFILE;
        else
                code = handles_add(&session->handles, limits->handles, &like, &o->result.value.handle);
        if (code < 0) {
                task_op_fail(o, code, FSOP_CLASS_BUSY, "no further handle can be held; close some first");
                return;
        }
        session->account->handles++;
        o->sys.opened = OS_FD_NONE;
}

static void record_outcome(struct task_op *o) {
        struct server *server = o->task->session->server;
        struct audit_record record;

        if (!o->recorded)
                return;
        record = record_of(o, AUDIT_OUTCOME);
        record.code = -(int32_t)o->result.error.code;
        record.os_error = o->result.error.os_error;
        record.outcome = o->result.outcome;
        record_line(o, &record);
        server->totals.elevated++;
}

/* A base that is closed may come again as another directory's descriptor: what is known below it is forgotten first. */
static void give_back_end(struct task *task, struct task_end *end) {
        if (end->root)
                root_release(end->root);
        end->root = NULL;
        if (end->handle && end->handle->refs == 1)
                task->parents.stale = 1;
        if (end->handle)
                handle_unref(end->handle);
        end->handle = NULL;
}

static void refund(struct task_op *o) {
        const struct end_verdict *verdict = o->row->to != LOCATE_NONE ? &o->verdict.to : &o->verdict.at;

        if (o->charged_bytes > 0 && o->result.error.code != 0 && o->result.outcome != FSOP_OUTCOME_UNKNOWN)
                policy_account_refund(verdict->rule, o->task->session->peer.uid, o->charged_bytes);
        o->charged_bytes = 0;
}

static void count_failure(struct task_op *o) {
        o->task->session->server->totals.failed++;
        if (o->task->batch.mode == FSOP_BATCH_ORDERED_STOP)
                o->task->stopped = true;
}

static void release(struct task_op *o) {
        os_fd large[4];
        uint32_t n = sys_take_large(&o->sys, large);

        for (uint32_t i = 0; i < n; i++)
                graveyard_bury(large[i], o->task->session->account);
        sys_release(&o->sys);
}

static void settle_op(struct task_op *o) {
        if (o->result.error.code == 0 && o->sys.code != 0)
                explain_failure(o);
        if (o->result.error.code == 0)
                keep_opened(o);
        refund(o);
        record_outcome(o);
        if (o->result.error.code != 0)
                count_failure(o);
        if (o->pinned && !o->sys.cache) /* then it could not say what it changed */
                o->task->parents.stale = 1;
        if (o->pinned)
                release(o);
        o->pinned = false;
        give_back_end(o->task, &o->at);
        give_back_end(o->task, &o->to);
        identity_unref(o->identity);
        o->identity = NULL;
}

/* What was read, and what a rule let somebody look up in vain: which names there are is told to nobody without a
 * trace. */
static bool is_recorded_first(const struct task_op *o) {
        return o->recorded && (o->row->reads || !o->has_intent);
}

/* What only looked is told only when that is on record. */
static void record_looks(struct task *task) {
        bool any = false;
        int code;

        for (uint32_t i = 0; i < task->window_count && !any; i++)
                any = is_recorded_first(&task->ops[i]);
        code = any ? audit_flush(task->session->server->audit) : 0;
        for (uint32_t i = 0; i < task->window_count && code < 0; i++) {
                struct task_op *o = &task->ops[i];

                if (!is_recorded_first(o))
                        continue;
                if (o->result.error.code == 0)
                        count_failure(o);
                o->result.error = (struct error){0};
                o->result.outcome = FSOP_OUTCOME_NOT_STARTED;
                task_op_fail(o, code, FSOP_CLASS_OS, "not answered, because it could not be recorded in the audit log");
        }
}

enum flow settle_step(struct task *task) {
        task->n_opened = 0;
        task->looked_for_read = false;
        for (uint32_t i = 0; i < task->window_count; i++)
                settle_op(&task->ops[i]);
        parent_cache_close_released(&task->parents);
        share_close_released(task);
        record_looks(task);
        locate_release(task);
        task->roots = roots_unref(task->roots);
        task->policy = policy_unref(task->policy);
        return FLOW_NEXT;
}
