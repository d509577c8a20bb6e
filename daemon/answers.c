/* SPDX-License-Identifier: MIT */
/*
 * answers.c: what the daemon says of itself, of a filesystem, and of what its policy would do.
 */
#include "daemon/answers.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/graveyard.h"
#include "daemon/jobs.h"
#include "daemon/server.h"
#include "daemon/session.h"
#include "proto/names.h"

static struct bytes text(const char *string) {
        return (struct bytes){(const uint8_t *)string, strlen(string)};
}

static void submit_call(struct task_op *o, void (*call)(struct io *io), void (*done)(struct io *io)) {
        o->io = (struct io){.kind = IO_CALL, .flags = IO_POOL, .done = done, .owner = o};
        o->io.u.call = call;
        o->in_flight = true;
        task_submit(o->task, &o->io);
}

/* A call that never ran, cancelled while it waited for a worker, says so only here. */
static void call_done(struct io *io) {
        struct task_op *o = io->owner;

        if (o->sys.code == 0 && io->result < 0)
                o->sys.code = (int32_t)io->result;
        task_io_done(io);
}

/* ---- info -------------------------------------------------------------------------------------------------------- */

static void probe_call(struct io *io) {
        struct task_op *o = io->owner;
        struct info_result *info = &o->result.value.info;
        struct support *features = (struct support *)(void *)o->sys.out;
        const char *name = NULL;
        int n = sys_probe(&o->sys.at, &name, features, (uint32_t)(o->sys.out_bytes / sizeof(*features)));

        io->result = n < 0 ? n : 0;
        if (n < 0) {
                o->sys.code = n;
                return;
        }
        info->has_filesystem = true;
        info->filesystem = text(name ? name : "unknown");
        info->features = features;
        info->n_features = (uint32_t)n;
}

static void answer_info(struct task_op *o) {
        struct info_result *info = &o->result.value.info;

        info->version = text(FSOPD_VERSION);
        info->platform = text(sys_platform());
        info->engine = text(o->task->session->server->engine->ops->name);
        info->support = sys_support(&info->n_support);
        if (o->op->at.kind != LOCATION_NONE)
                submit_call(o, probe_call, call_done);
}

/* ---- explain ----------------------------------------------------------------------------------------------------- */

/* A peer as it would be if that user connected now. On a worker: the user database may be remote. */
static int peer_of_user(const char *name, struct peer *ret) {
        uint32_t gid;
        int code;

        memset(ret, 0, sizeof(*ret));
        ret->pidfd = OS_FD_NONE;
        code = sys_user_by_name(name, &ret->uid, &gid);
        if (code < 0)
                return code;
        ret->gid = gid;
        ret->fully_capable = ret->uid == 0;
        return sys_groups_of_user(name, gid, &ret->groups, &ret->n_groups);
}

static void explain_for(struct task_op *o, const struct peer *peer) {
        struct session *session = o->task->session;
        struct server *server = session->server;
        const struct operation *op = o->op->args.explain.op;
        const struct op_row *row = op_row(op->verb);
        struct question question = {.peer = peer, .roots = server->roots, .op = op};
        struct explain_result *ret = &o->result.value.explain;
        int code;

        if (!row->elevates) {
                ret->as = FSOP_AS_CALLER;
                ret->allowed = !row->admin || server_is_admin(server, peer);
                ret->reason = text(row->admin ? "for uid 0 and the admin group only"
                                              : "everybody who may connect may do this");
                return;
        }
        if ((row->at != LOCATE_NONE && op->at.kind != LOCATION_PATH) ||
            (row->to != LOCATE_NONE && op->to.kind != LOCATION_PATH)) {
                task_op_fail(o, -FSOP_EINVAL, FSOP_CLASS_INVALID, "only operations on absolute paths can be explained");
                return;
        }
        question.at = (struct end){.present = row->at != LOCATE_NONE, .path = op->at.path};
        question.to = (struct end){.present = row->to != LOCATE_NONE, .path = op->to.path};
        code = policy_explain(server->policy, &question, &o->task->out, ret);
        if (code < 0)
                task_op_fail(o, code, FSOP_CLASS_OS, "the policy could not be asked");
}

static void explain_call(struct io *io) {
        struct task_op *o = io->owner;
        struct peer *peer = (struct peer *)(void *)o->sys.out;

        io->result = peer_of_user((const char *)o->op->args.explain.user.data, peer);
        o->sys.code = (int32_t)io->result;
        if (io->result < 0)
                o->sys.why =
                        io->result == -FSOP_ENOENT ? "there is no such user" : "the user database could not be asked";
}

static void explain_done(struct io *io) {
        struct task_op *o = io->owner;
        struct peer *peer = (struct peer *)(void *)o->sys.out;

        if (io->result == 0)
                explain_for(o, peer);
        peer_fini(peer);
        call_done(io);
}

static void answer_explain(struct task_op *o) {
        struct session *session = o->task->session;

        if (o->op->args.explain.user.len == 0) {
                explain_for(o, &session->peer);
                return;
        }
        if (!server_is_admin(session->server, &session->peer)) {
                task_op_fail(o, -FSOP_EPERM, FSOP_CLASS_DENIED,
                             "only uid 0 and the admin group may ask what others may do");
                return;
        }
        o->sys.out = arena_calloc(&o->task->out, 1, sizeof(struct peer));
        if (!o->sys.out) {
                task_op_fail(o, -FSOP_ENOMEM, FSOP_CLASS_BUSY, "the daemon is out of memory");
                return;
        }
        *(struct peer *)(void *)o->sys.out = (struct peer){.pidfd = OS_FD_NONE}; /* peer_fini closes what is one */
        submit_call(o, explain_call, explain_done);
}

/* ---- policy-reload, close ---------------------------------------------------------------------------------------- */

static void answer_reload(struct task_op *o) {
        struct arena *out = &o->task->out;
        struct policy_report report;
        struct reload_result *ret = &o->result.value.reload;
        struct bytes *warnings;
        int code = server_reload(o->task->session->server, &report);

        warnings = arena_calloc(out, report.n_notes + 1, sizeof(*warnings));
        if (code < 0) {
                const struct policy_note *note = report.n_notes > 0 ? &report.notes[0] : NULL;

                for (uint32_t i = 0; i < report.n_notes && !note->is_error; i++)
                        note = &report.notes[i];
                task_op_fail(o, code, FSOP_CLASS_INVALID, "the old policy stays: %s: %s", note ? note->where : "policy",
                             note ? note->text : "could not be read");
        } else if (warnings) {
                ret->rules = report.n_rules;
                ret->warnings = warnings;
                for (uint32_t i = 0; i < report.n_notes; i++)
                        warnings[ret->n_warnings++] =
                                arena_printf(out, "%s: %s", report.notes[i].where, report.notes[i].text);
        }
        policy_report_fini(&report);
}

static void answer_close(struct task_op *o) {
        struct session *session = o->task->session;

        if (o->op->at.kind != LOCATION_HANDLE) {
                task_op_fail(o, -FSOP_EINVAL, FSOP_CLASS_INVALID,
                             "close takes a handle; a descriptor is closed by its owner");
                return;
        }
        if (handles_remove(&session->handles, o->op->at.handle))
                session->account->handles--;
        else
                task_op_fail(o, -FSOP_ESTALE, FSOP_CLASS_INVALID, "the handle was closed already");
}

void answer(struct task_op *o) {
        o->result.outcome = FSOP_OUTCOME_DONE;
        switch (o->op->verb) {
        case FSOP_VERB_PING:
                o->result.value.data = o->op->args.ping;
                break;
        case FSOP_VERB_INFO:
                answer_info(o);
                break;
        case FSOP_VERB_STATUS:
                answer_status(o);
                break;
        case FSOP_VERB_EXPLAIN:
                answer_explain(o);
                break;
        case FSOP_VERB_POLICY_RELOAD:
                answer_reload(o);
                break;
        case FSOP_VERB_CLOSE:
                answer_close(o);
                break;
        case FSOP_VERB_CP:
                if (o->task->tree)
                        job_open_take(o);
                else
                        job_submit(o);
                break;
        case FSOP_VERB_JOB_LIST:
        case FSOP_VERB_JOB_SHOW:
        case FSOP_VERB_JOB_WATCH:
        case FSOP_VERB_JOB_PAUSE:
        case FSOP_VERB_JOB_RESUME:
        case FSOP_VERB_JOB_CANCEL:
        case FSOP_VERB_JOB_RETRY:
        case FSOP_VERB_JOB_FORGET:
                job_answer(o);
                break;
        default:
                task_op_fail(o, -FSOP_EOPNOTSUPP, FSOP_CLASS_UNSUPPORTED,
                             "the daemon has no answer for this operation");
                break;
        }
}
