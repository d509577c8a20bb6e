/* SPDX-License-Identifier: MIT */
/*
 * test_explain.c: verdicts in words, the reason of every refusal, and which rules may concern a peer.
 */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "tests/support/policy_kit.h"
#include "tests/support/suite.h"

/* ---- saying it in words ------------------------------------------------------------------------------------------ */

static struct arena words;
static struct explain_result explained;

static void explain(const struct peer *peer, struct operation op, const char *at, const char *to) {
        struct question question = {.peer = peer, .roots = roots, .op = &op};

        op.at = at_path(at);
        question.at = (struct end){.present = true, .path = op.at.path};
        if (to) {
                op.to = at_path(to);
                question.to = (struct end){.present = true, .path = op.to.path};
        }
        ck_assert_int_eq(policy_explain(policy, &question, &words, &explained), 0);
}

static bool says(struct bytes bytes, const char *words_) {
        char line[512];

        snprintf(line, sizeof(line), "%.*s", (int)bytes.len, bytes.data ? (const char *)bytes.data : "");
        return strstr(line, words_) != NULL;
}

START_TEST(explanations) {
        struct operation op = an_op(FSOP_VERB_CHOWN);

        arena_init(&words, 1 << 20);
        load("rules:\n  - {name: a, effect: allow, user: builder, path: /srv/build, ops: [chown, unlink], chown-to: "
             "'5:5'}\n"
             "  - {name: d, effect: deny, user: builder, path: /srv/build/no, ops: all}\n"
             "  - {name: w, effect: audit, user: builder, path: /srv/build, ops: all, chown-to: '*:*'}\n"
             "  - {name: i, effect: allow, user: ghost, path: /ghost, ops: all}\n"
             "  - {name: c, effect: allow, user: builder, path: /c, ops: copy-from}\n"
             "  - {name: t, effect: allow, user: builder, path: /t, ops: copy-to}\n");
        explain(&builder, chown_to(5, 5), "/srv/build/x", NULL);
        ck_assert(explained.allowed && explained.as == FSOP_AS_ELEVATED && says(explained.rule, "a") &&
                  says(explained.where, "/p/a.yaml:2"));
        ck_assert(says(explained.reason, "a rule allows it"));
        explain(&builder, chown_to(6, 6), "/srv/build/x", NULL);
        ck_assert(explained.allowed && explained.as == FSOP_AS_CALLER && explained.rule.len == 0);
        ck_assert(says(explained.reason, "chown-to") && says(explained.reason, "the kernel decides"));
        ck_assert_uint_eq(explained.n_notes, 2);
        ck_assert(says(explained.notes[0], "rule 'a' at /p/a.yaml:2") && says(explained.notes[1], "audit rule 'w'"));
        op = chown_to(6, 6);
        op.as = FSOP_AS_ELEVATED;
        explain(&builder, op, "/srv/build/x", NULL);
        ck_assert(!explained.allowed && explained.as == FSOP_AS_ELEVATED && says(explained.reason, "chown-to"));
        explain(&builder, chown_to(5, 5), "/srv/build/no/x", NULL);
        ck_assert(!explained.allowed && says(explained.rule, "d") && says(explained.reason, "denies"));
        op.as = FSOP_AS_CALLER;
        explain(&builder, op, "/srv/build/x", NULL);
        ck_assert(explained.allowed && says(explained.reason, "as the caller"));
        explain(&root_peer, an_op(FSOP_VERB_UNLINK), "/srv/build/x", NULL);
        ck_assert(explained.allowed && says(explained.reason, "root"));
        explain(&builder, an_op(FSOP_VERB_UNLINK), "/ghost/x", NULL);
        ck_assert(says(explained.reason, "no rule allows it") && explained.n_notes == 1 &&
                  says(explained.notes[0], "'i'"));
        explain(&builder, an_op(FSOP_VERB_COPY_RANGE), "/c/x", "/t/y");
        ck_assert(says(explained.rule, "t") && says(explained.notes[0], "rule 'c'"));
        explain(&builder, an_op(FSOP_VERB_COPY_RANGE), "/c/x", "/u/y");
        ck_assert(says(explained.reason, "the target is written with the caller's"));
        explain(&builder, an_op(FSOP_VERB_COPY_RANGE), "/d/x", "/t/y");
        ck_assert(says(explained.reason, "the source is read with the caller's"));
        op = (struct operation){.verb = FSOP_VERB_CP,
                                .args.cp = {.preserve = FSOP_PRESERVE_OWNER | FSOP_PRESERVE_XATTR}};
        explain(&builder, op, "/d/x", "/t/y");
        ck_assert_uint_eq(explained.n_notes, 2);
        ck_assert(says(explained.notes[0], "lack chown") && says(explained.notes[1], "lack setxattr"));
        op.args.cp.preserve = FSOP_PRESERVE_MODE;
        explain(&builder, op, "/d/x", "/t/y");
        ck_assert_uint_eq(explained.n_notes, 0);
        explain(&builder, an_op(FSOP_VERB_PING), "/d/x", NULL);
        ck_assert(explained.allowed && says(explained.reason, "the kernel decides"));
        arena_fini(&words);
        op = an_op(FSOP_VERB_CHOWN);
        arena_init(&words, 1);
        {
                struct question question = {.peer = &builder, .op = &op};

                ck_assert_int_eq(policy_explain(policy, &question, &words, &explained), -FSOP_ENOMEM);
        }
        arena_fini(&words);
}
END_TEST

START_TEST(every_refusal_has_its_reason) {
        static const struct {
                struct operation op;
                const char *path, *why;
        } refusals[] = {
                {{.verb = FSOP_VERB_MKNOD, .args.mknod.type = FSOP_TYPE_CHAR}, "/srv/build/x", "devices"},
                {{.verb = FSOP_VERB_SETXATTR, .args.xattr.name = {(const uint8_t *)"trusted.x", 9}},
                 "/srv/build/x",
                 "xattrs"},
                {{.verb = FSOP_VERB_CHMOD, .args.chmod.set = 04000}, "/srv/build/x", "set-id"},
                {{.verb = FSOP_VERB_FALLOCATE, .args.fallocate = {.offset = UINT64_MAX, .length = 5}},
                 "/srv/build/x",
                 "out of range"},
                {{.verb = FSOP_VERB_STAT}, "/srv/build/own", "daemon's own"},
                {{.verb = FSOP_VERB_STAT}, "/srv/build/keep", "excludes"},
                {{.verb = FSOP_VERB_OPEN_FD}, "/srv/build/x", "ops"},
                {{.verb = FSOP_VERB_STAT}, "/elsewhere", "no rule"},
        };

        load("rules:\n  - {name: a, effect: allow, user: builder, path: /srv/build, exclude: /srv/build/keep, ops: "
             "all}\n");
        for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
                struct operation op = refusals[i].op;
                struct verdict verdict;

                op.as = FSOP_AS_ELEVATED;
                verdict = ask(&builder, op, refusals[i].path, NULL);
                ck_assert_int_eq(verdict.kind, D);
                ck_assert_msg(strstr(verdict.why, refusals[i].why) != NULL, "%s: %s", refusals[i].why, verdict.why);
        }
}
END_TEST

START_TEST(candidates) {
        const struct rule *rules[2];

        load("rules:\n" ALLOW DENY AUDIT "  - {name: x, effect: allow, user: ghost, path: /x, ops: all}\n"
             "  - {name: y, effect: allow, user: builder, path: /x, ops: mkdir}\n");
        ck_assert_uint_eq(policy_rules_of(policy, &builder, OP_BIT(FSOP_VERB_UNLINK), rules, 2), 3);
        ck_assert_str_eq(rule_name(rules[0]), "allowing");
        ck_assert_uint_eq(policy_rules_of(policy, &alice, OP_BIT(FSOP_VERB_UNLINK), rules, 2), 0);
        ck_assert_uint_eq(policy_rules_of(policy, &builder, OP_BIT(FSOP_VERB_MKDIR), rules, 2), 1);
        ck_assert_uint_eq(rule_path_count(rules[0]), 1);
        ck_assert_str_eq(rules[0]->where, "/p/a.yaml:18");
}
END_TEST

int main(void) {
        Suite *suite = suite_create("explain");
        TCase *tcase = tcase_create("explain");

        tcase_add_checked_fixture(tcase, setup, teardown);
        tcase_add_test(tcase, explanations);
        tcase_add_test(tcase, every_refusal_has_its_reason);
        tcase_add_test(tcase, candidates);
        suite_add_tcase(suite, tcase);
        return suite_run(suite);
}
