/* SPDX-License-Identifier: MIT */
/*
 * test_each_operation.c: every operation that there is, elevated by a rule and as caller, in every mode, done on the
 * loop and by workers; and in each of these with every allocation, every call of the system and every io of the engine
 * on the way failing in turn. Whatever fails: each operation is answered once (or the connection is closed), runs at
 * most once and as whom it must, says done exactly if it was, is stopped where the mode says so, and everything that
 * was taken is given back.
 */
#include <string.h>

#include "tests/support/steps_kit.h"

#include "daemon/log.h"
#include "daemon/ops.h"
#include "daemon/route.h"
#include "proto/names.h"
#include "tests/support/fail_alloc.h"
#include "tests/support/suite.h"

#define BYTES(text)                                                                                                    \
        { (const uint8_t *)(text), sizeof(text) - 1 }

enum fault { NO_FAULT, FAULT_MEMORY, FAULT_SYSTEM, FAULT_RESOLVE, FAULT_RUN, FAULT_CALL, N_FAULTS };

struct way {
        bool elevated, slow;
        enum fsop_batch_mode mode;
        enum fault fault;
};

static struct {
        const struct op_row *row;
        struct way way;
        unsigned n;
        unsigned ran, ran_well; /* of the operation in question */
        bool as_service;
} now;

#define so(condition, what)                                                                                            \
        must(condition, "%s, %s, %s, mode %d, fault %d, number %u: %s", verb_name(now.row->verb),                      \
             now.way.elevated ? "elevated" : "as caller", now.way.slow ? "on workers" : "on the loop",                 \
             (int)now.way.mode, (int)now.way.fault, now.n, what)

static void note_run(const struct sys_op *op, int code) {
        if (op->op->verb != now.row->verb || op->result->index != 0)
                return;
        now.ran++;
        now.ran_well += code == 0;
        now.as_service = op->identity->service;
}

/* ---- the operations ---------------------------------------------------------------------------------------------- */

static void set_args(struct operation *op, const struct operation *nested) {
        static const struct create_args create = {.create = true, .mode = 0644, .umask = 022};

        switch (op->verb) {
        case FSOP_VERB_CHOWN:
                op->args.chown = (struct chown_args){.has_uid = true, .uid = CALLER_UID};
                break;
        case FSOP_VERB_CHMOD:
                op->args.chmod = (struct chmod_args){.clear = 07777, .set = 0640};
                break;
        case FSOP_VERB_UTIMENS:
                op->args.utimens = (struct utimens_args){.mtime_change = TIME_NOW, .create = create};
                break;
        case FSOP_VERB_MKNOD:
                op->args.mknod = (struct mknod_args){.type = FSOP_TYPE_FIFO, .create = create};
                break;
        case FSOP_VERB_MKDIR:
                op->args.mkdir = create;
                break;
        case FSOP_VERB_UNLINK:
                op->args.unlink.recursive = true;
                break;
        case FSOP_VERB_LS:
                op->args.ls.entries_max = 10;
                break;
        case FSOP_VERB_SYMLINK:
                op->args.symlink = (struct bytes)BYTES("text");
                break;
        case FSOP_VERB_GETXATTR:
        case FSOP_VERB_REMOVEXATTR:
        case FSOP_VERB_SETXATTR:
                op->args.xattr.name = (struct bytes)BYTES("user.k");
                break;
        case FSOP_VERB_FALLOCATE:
                op->args.fallocate = (struct fallocate_args){.length = 100, .create = create};
                break;
        case FSOP_VERB_TRUNCATE:
                op->args.truncate = (struct truncate_args){.size = 100, .create = create};
                break;
        case FSOP_VERB_COPY_RANGE:
                op->args.copy_range.create = create;
                break;
        case FSOP_VERB_OPEN:
        case FSOP_VERB_OPEN_FD:
                op->args.open = (struct open_args){.write = true, .create = create};
                break;
        case FSOP_VERB_READ:
                op->args.read.length = 100;
                break;
        case FSOP_VERB_WRITE:
                op->args.write.data = (struct bytes)BYTES("data");
                break;
        case FSOP_VERB_EXPLAIN:
                op->args.explain = (struct explain_args){.user = BYTES("builder"), .op = nested};
                break;
        case FSOP_VERB_CP:
                op->args.cp.recursive = true;
                break;
        case FSOP_VERB_JOB_SHOW:
        case FSOP_VERB_JOB_WATCH:
        case FSOP_VERB_JOB_PAUSE:
        case FSOP_VERB_JOB_RESUME:
        case FSOP_VERB_JOB_CANCEL:
        case FSOP_VERB_JOB_RETRY:
        case FSOP_VERB_JOB_FORGET:
                op->args.job.id = 1;
                break;
        default:
                break;
        }
}

static struct operation operation_of(const struct op_row *row, bool elevated, uint64_t handle,
                                     const struct operation *nested) {
        struct operation op = {.verb = row->verb, .as = elevated ? FSOP_AS_AUTO : FSOP_AS_CALLER};
        const char *at_path = elevated ? "/srv/build/a" : "/home/a", *to_path = elevated ? "/srv/build/b" : "/home/b";

        if (row->at == LOCATE_HANDLE)
                op.at = (struct location){.kind = LOCATION_HANDLE, .handle = handle};
        else if (row->at != LOCATE_NONE)
                op.at = at(at_path);
        if (row->to != LOCATE_NONE)
                op.to = at(to_path);
        if (row->at == LOCATE_NONE)
                op.as = FSOP_AS_AUTO;
        set_args(&op, nested);
        return op;
}

/* ---- a visit ----------------------------------------------------------------------------------------------------- */

static void arm(void) {
        static const int codes[] = {-FSOP_EIO, -FSOP_EMFILE, -FSOP_ENOMEM, -FSOP_EPERM, -FSOP_ENOSPC};
        static const enum io_kind kinds[] = {
                [FAULT_RESOLVE] = IO_RESOLVE, [FAULT_RUN] = IO_RUN, [FAULT_CALL] = IO_CALL};

        sys.calls = 0;
        alloc_fail(now.way.fault == FAULT_MEMORY ? now.n : 0);
        sys.fail_at = now.way.fault == FAULT_SYSTEM ? now.n : 0;
        sys.code = codes[now.n % 5];
        if (now.way.fault >= FAULT_RESOLVE)
                fake_engine_fail_nth(server.engine, kinds[now.way.fault], now.n, -FSOP_ENOMEM, 12);
}

/* Whether there was something for it to fail. */
static bool was_hit(void) {
        if (now.way.fault == FAULT_MEMORY)
                return alloc_calls >= now.n;
        if (now.way.fault == FAULT_SYSTEM)
                return sys.calls >= now.n;
        return now.n < 6; /* there are never more ios of a kind */
}

static uint64_t open_something(void) {
        struct operation op = {.verb = FSOP_VERB_OPEN,
                               .as = now.way.elevated ? FSOP_AS_AUTO : FSOP_AS_CALLER,
                               .at = at(now.way.elevated ? "/srv/build/f" : "/home/f"),
                               .args.open = {.read = true, .write = true}};

        send_batch(1, FSOP_BATCH_PARALLEL, &op, 1);
        rounds();
        so(got.answers[0] == 1 && got.results[0].error.code == 0, "no handle");
        return got.results[0].value.handle;
}

static bool is_deed(void) {
        return !route_is_service(now.row->verb);
}

static void check(const struct operation *op, uint32_t n) {
        const struct result *result = &got.results[0];
        bool connected = session && session->state == SESSION_OPEN;
        bool rule = now.way.elevated && now.row->elevates;

        for (uint32_t i = 0; i < n; i++)
                so(got.answers[i] == 1 || (!connected && got.answers[i] == 0), "not answered, or more than once");
        so(now.ran <= 1, "it ran more than once");
        if (now.ran == 1 && is_deed())
                so(now.as_service == rule, "it ran as somebody else");
        if (got.answers[0] == 0)
                return;
        if (is_deed() && op->verb != FSOP_VERB_OPEN && op->verb != FSOP_VERB_OPENDIR)
                so((result->error.code == 0) == (now.ran_well == 1), "it says done and is not, or the reverse");
        if (is_deed() && result->error.code == 0) {
                so(now.ran_well == 1, "it says done, and is not");
                so(result->outcome == FSOP_OUTCOME_DONE, "done, but not so its outcome");
                so(result->elevated == rule, "it says wrongly as whom it ran");
        }
        if (result->error.code != 0)
                so(result->error.message.len > 0 || now.way.fault == FAULT_MEMORY, "it fails and does not say why");
        if (now.way.mode == FSOP_BATCH_ORDERED_STOP && got.answers[1] == 1 && result->error.code != 0)
                so(got.results[1].error.code == FSOP_ECANCELED, "what follows a failure was not stopped");
        if (now.way.fault == NO_FAULT && op->verb < FSOP_VERB_JOB_LIST)
                so(result->error.code == 0, "it fails for no reason");
}

/* False: nothing was left to fail. */
static bool visit(void) {
        struct operation nested = stat_op("/srv/build/f"), ops[2];
        uint64_t handle;
        bool hit;

        now.ran = now.ran_well = 0;
        start(CALLER_UID);
        server.has_admin_gid = true;
        server.admin_gid = CALLER_UID;
        sys.slow = now.way.slow;
        fake_make(now.way.elevated ? "/srv/build/a" : "/home/a", FSOP_TYPE_REGULAR, 10); /* for jobs */
        handle = now.row->at == LOCATE_HANDLE ? open_something() : 0;
        sys.ran = note_run;
        memset(&got, 0, sizeof(got));
        ops[0] = operation_of(now.row, now.way.elevated, handle, &nested);
        ops[1] = stat_op("/etc/passwd");
        arm();
        send_batch(2, now.way.mode, ops, 2);
        rounds();
        hit = was_hit();
        alloc_fail(0);
        sys.fail_at = 0;
        check(&ops[0], 2);
        stop();
        return hit;
}

static void every_fault(const struct op_row *row) {
        for (unsigned which = 0; which < 2 * 2 * 3 * N_FAULTS; which++) {
                now.row = row;
                now.way = (struct way){.elevated = which & 1,
                                       .slow = which & 2,
                                       .mode = (enum fsop_batch_mode)(which / 4 % 3),
                                       .fault = (enum fault)(which / 12)};
                now.n = 1;
                if (now.way.fault == NO_FAULT)
                        visit();
                else
                        while (visit())
                                now.n++;
        }
}

START_TEST(every_fault_of_each) {
        const struct op_row *row = op_row((enum fsop_verb)_i);

        if (!row)
                return;
        alloc_spared = &in_client;
        log_setup(LOG_LEVEL_CRITICAL, false);
        every_fault(row);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("each operation");
        TCase *tcase = tcase_create("each operation");

        tcase_set_timeout(tcase, 300);
        tcase_add_loop_test(tcase, every_fault_of_each, 1, FSOP_VERB_LIMIT);
        suite_add_tcase(suite, tcase);
        return suite_run(suite);
}
