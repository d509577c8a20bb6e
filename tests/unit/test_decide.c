/* SPDX-License-Identifier: MIT */
/*
 * test_decide.c: the decision: the table of who asks how against which rule, then where things are: paths, two ends,
 * descriptors, handles. What rules say about arguments is in test_conditions.c.
 */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "tests/support/policy_kit.h"
#include "tests/support/suite.h"

/* ---- the table --------------------------------------------------------------------------------------------------- */

static const struct {
        const char *rules;
        const char *rule; /* that decides, where one does */
        bool audits;
        /* of root, root without capabilities, a user: asking as auto, caller, elevated */
        enum verdict_kind kinds[3][3];
} table[] = {
        {"rules:\n" DENY, "denying", false, {{C, C, D}, {D, C, D}, {D, C, D}}},
        {"rules:\n" ALLOW, "allowing", false, {{C, C, E}, {E, C, E}, {E, C, E}}},
        {"rules: []\n", NULL, false, {{C, C, D}, {C, C, D}, {C, C, D}}},
        {"rules:\n" AUDIT, NULL, true, {{C, C, D}, {C, C, D}, {C, C, D}}},
        {"rules:\n" ALLOW DENY, "denying", false, {{C, C, D}, {D, C, D}, {D, C, D}}},
        {"rules:\n" DENY AUDIT, "denying", true, {{C, C, D}, {D, C, D}, {D, C, D}}},
        {"rules:\n" AUDIT ALLOW, "allowing", false, {{C, C, E}, {E, C, E}, {E, C, E}}},
};

static void check_cell(size_t row, const struct peer *peer, enum fsop_as as, enum verdict_kind expected,
                       struct verdict verdict) {
        bool root_itself = peer->fully_capable && as == FSOP_AS_AUTO;

        ck_assert_msg(verdict.kind == expected, "row %zu, uid %u, as %d: %d", row, (unsigned)peer->uid, as,
                      verdict.kind);
        if (expected == E || (expected == D && table[row].rule))
                ck_assert_str_eq(verdict.rule->name, table[row].rule);
        else
                ck_assert_ptr_null(verdict.rule);
        ck_assert_int_eq(verdict.code, expected == D ? -FSOP_EPERM : 0);
        ck_assert(expected != D || verdict.why);
        /* who is not asking the rules is not what they would have allowed */
        ck_assert_int_eq(verdict.audited != NULL, table[row].audits && as != FSOP_AS_CALLER && !root_itself);
        ck_assert_int_eq(verdict.at.kind, verdict.kind);
}

START_TEST(decision_table) {
        static const enum fsop_as ways[] = {FSOP_AS_AUTO, FSOP_AS_CALLER, FSOP_AS_ELEVATED};
        const struct peer *peers[] = {&root_peer, &bare_root, &builder};

        load(table[_i].rules);
        opens(&builder);
        for (unsigned p = 0; p < 3; p++)
                for (unsigned w = 0; w < 3; w++) {
                        struct operation op = {.verb = FSOP_VERB_UNLINK, .as = ways[w]};
                        struct peer foreign = *peers[p];

                        check_cell((size_t)_i, peers[p], ways[w], table[_i].kinds[p][w],
                                   ask(peers[p], op, "/srv/build/x", NULL));
                        check_cell((size_t)_i, peers[p], ways[w], table[_i].kinds[p][w],
                                   ask_fd(peers[p], op, "/srv/build/in", "x"));
                        /* from another mount namespace: paths never, a directory that was passed as everyone */
                        foreign.foreign = true;
                        ck_assert_int_eq(ask(&foreign, op, "/srv/build/x", NULL).kind, D);
                        check_cell((size_t)_i, &foreign, ways[w], table[_i].kinds[p][w],
                                   ask_fd(&foreign, op, "/srv/build/in", "x"));
                }
}
END_TEST

START_TEST(foreign_paths_are_refused_for_every_verb) {
        load("rules:\n" ALLOW);
        for (unsigned verb = 0; verb < FSOP_VERB_LIMIT; verb++) {
                const struct op_row *row = op_row((enum fsop_verb)verb);

                if (!row || !row->elevates)
                        continue;
                ck_assert_int_eq(ask(&foreigner, an_op(row->verb), "/a", row->to == LOCATE_NONE ? NULL : "/b").kind, D);
                ck_assert_int_eq(ask(&foreign_root, an_op(row->verb), "/a", row->to == LOCATE_NONE ? NULL : "/b").kind,
                                 D);
        }
}
END_TEST

START_TEST(foreign_path_beside_a_descriptor) {
        struct operation op = {.verb = FSOP_VERB_LINK, .at.kind = LOCATION_FD, .to = at_path("/srv/build/y")};
        struct question question = {.peer = &foreigner, .op = &op};
        struct verdict verdict;

        load("rules: []\n");
        question.at = (struct end){.present = true, .caller_only = true};
        question.to = (struct end){.present = true, .path = op.to.path};
        policy_decide(policy, &question, &verdict);
        ck_assert_int_eq(verdict.kind, D);
        op.to.kind = LOCATION_FD;
        policy_decide(policy, &question, &verdict);
        ck_assert_int_eq(verdict.kind, C);
}
END_TEST

/* What an audit rule lacks is no reason to give: it allows nothing anyway. */
START_TEST(audit_rules_are_not_near) {
        struct verdict verdict;

        load("rules:\n" AUDIT);
        verdict = ask(&builder, an_op(FSOP_VERB_MKDIR), "/srv/build/x", NULL);
        ck_assert_int_eq(verdict.kind, C);
        ck_assert_ptr_null(verdict.nearest);
        ck_assert_ptr_null(verdict.audited);
        ck_assert_str_eq(verdict.why, "no rule allows it");
}
END_TEST

/* Who cannot be looked up makes a deny larger: everybody is meant. */
static const char *const denies_of_nobody[] = {"user: nosuch", "user: [alice, nosuch]", "group: nosuch",
                                               "group: [nosuch, nosuch2]"};
START_TEST(denies_of_who_does_not_exist_are_for_everyone) {
        char text[512];

        snprintf(text, sizeof(text),
                 "rules:\n" ALLOW "  - {name: d, effect: deny, %s, path: /srv/build/in, ops: all}\n",
                 denies_of_nobody[_i]);
        load(text);
        ck_assert_int_eq(ask(&builder, an_op(FSOP_VERB_UNLINK), "/srv/build/x", NULL).kind, E);
        ck_assert_int_eq(ask(&builder, an_op(FSOP_VERB_UNLINK), "/srv/build/in/x", NULL).kind, D);
        ck_assert_int_eq(ask(&alice, an_op(FSOP_VERB_UNLINK), "/srv/build/in/x", NULL).kind, D);
}
END_TEST

/* Without a rule that names it, no operation is elevated for anyone; with one that names only it, only it is. */
START_TEST(every_verb_needs_its_own_rule) {
        for (unsigned verb = 0; verb < FSOP_VERB_LIMIT; verb++) {
                const struct op_row *row = op_row((enum fsop_verb)verb);
                struct operation op = {.verb = (enum fsop_verb)verb, .as = FSOP_AS_ELEVATED};

                if (!row || !row->elevates)
                        continue;
                load("rules: []\n");
                ck_assert_int_eq(ask(&builder, op, "/srv/build/x", row->to == LOCATE_NONE ? NULL : "/srv/build/y").kind,
                                 D);
                load(verb == FSOP_VERB_UNLINK
                             ? "rules:\n  - {name: a, effect: allow, user: builder, path: /srv/build, ops: rmdir}\n"
                             : "rules:\n" ALLOW);
                ck_assert_int_eq(ask(&builder, op, "/srv/build/x", row->to == LOCATE_NONE ? NULL : "/srv/build/y").kind,
                                 D);
        }
}
END_TEST

START_TEST(what_is_no_question) {
        struct operation op = {.verb = FSOP_VERB_PING, .as = FSOP_AS_ELEVATED};
        struct question question = {.peer = &builder, .op = &op};
        struct verdict verdict;

        load("rules:\n" ALLOW);
        policy_decide(policy, &question, &verdict);
        ck_assert_int_eq(verdict.kind, C); /* service verbs are not for rules */
        op.verb = (enum fsop_verb)9;       /* no operation has this number */
        policy_decide(policy, &question, &verdict);
        ck_assert_int_eq(verdict.code, -FSOP_EINVAL);
        op.verb = FSOP_VERB_UNLINK;
        op.as = (enum fsop_as)7;
        policy_decide(policy, &question, &verdict);
        ck_assert_int_eq(verdict.code, -FSOP_EINVAL);
        op.as = FSOP_AS_AUTO;
        policy_decide(policy, &question, &verdict); /* no place */
        ck_assert_int_eq(verdict.kind, D);
        ck_assert_int_eq(verdict.code, -FSOP_EINVAL);
        op.verb = FSOP_VERB_RENAME;
        question.at = (struct end){.present = true, .path = text("/srv/build/x")};
        policy_decide(policy, &question, &verdict); /* one place of two */
        ck_assert_int_eq(verdict.code, -FSOP_EINVAL);
}
END_TEST

/* ---- paths ------------------------------------------------------------------------------------------------------- */

static const struct {
        const char *path, *below; /* NULL: not the rule's */
} places[] = {
        {"/srv/build", ""},
        {"/srv/build/x", "x"},
        {"/srv/build/x/y", "x/y"},
        {"/srv/building", NULL},
        {"/srv/build-x/y", NULL},
        {"/srv", NULL},
        {"/", NULL},
        {"/srv/buil", NULL},
        {"/other", NULL},
        {"/srv/builD/x", NULL},
        {"/srv/build/...", "..."},
        {"/srv/build/.x", ".x"},
        {"x", NULL},
};

START_TEST(component_matching) {
        struct verdict verdict;

        load("rules:\n  - {name: a, effect: allow, user: builder, path: [/nowhere, /srv/build], ops: stat}\n");
        verdict = ask(&builder, an_op(FSOP_VERB_STAT), places[_i].path, NULL);
        ck_assert_int_eq(verdict.kind, places[_i].below ? E : C);
        if (!places[_i].below)
                return;
        ck_assert_uint_eq(verdict.at.path_index, 1);
        ck_assert_uint_eq(verdict.at.below.len, strlen(places[_i].below));
        ck_assert(memcmp(verdict.at.below.data, places[_i].below, verdict.at.below.len) == 0);
}
END_TEST

START_TEST(root_directory_as_path) {
        struct verdict verdict;

        load("rules:\n  - {name: a, effect: allow, user: builder, path: /, ops: [stat, unlink]}\n");
        verdict = ask(&builder, an_op(FSOP_VERB_STAT), "/", NULL);
        ck_assert_int_eq(verdict.kind, E);
        ck_assert_uint_eq(verdict.at.below.len, 0);
        verdict = ask(&builder, an_op(FSOP_VERB_STAT), "/a/b", NULL);
        ck_assert_int_eq(verdict.kind, E);
        ck_assert_uint_eq(verdict.at.below.len, 3);
        ck_assert_int_eq(kind(FSOP_VERB_STAT, "/etc/fsopd"), C);
        ck_assert_int_eq(kind(FSOP_VERB_STAT, "/etc/fsopd/policy.d/x"), C);
        ck_assert_int_eq(kind(FSOP_VERB_STAT, "/etc/fsopd.yaml"), E);
}
END_TEST

/* The name of the rule's own directory is not in it. */
START_TEST(the_directory_itself) {
        load("rules:\n  - {name: a, effect: allow, user: builder, path: /srv/build, ops: all, chown-to: '*:*'}\n");
        ck_assert_int_eq(kind(FSOP_VERB_CHOWN, "/srv/build"), E);
        ck_assert_int_eq(kind(FSOP_VERB_LS, "/srv/build"), E);
        ck_assert_int_eq(kind(FSOP_VERB_RMDIR, "/srv/build"), C);
        ck_assert_int_eq(kind(FSOP_VERB_MKDIR, "/srv/build"), C);
        ck_assert_int_eq(ask(&builder, an_op(FSOP_VERB_RENAME), "/srv/build", "/srv/build/x").kind, C);
}
END_TEST

START_TEST(exclusions) {
        load("rules:\n  - {name: a, effect: allow, user: builder, path: /srv/build, exclude: [/srv/build/a/keep], ops: "
             "all}\n");
        ck_assert_int_eq(kind(FSOP_VERB_STAT, "/srv/build/a"), E);
        ck_assert_int_eq(kind(FSOP_VERB_STAT, "/srv/build/a/keep"), C);
        ck_assert_int_eq(kind(FSOP_VERB_STAT, "/srv/build/a/keep/x"), C);
        ck_assert_int_eq(kind(FSOP_VERB_STAT, "/srv/build/a/keeper"), E);
        ck_assert_int_eq(kind(FSOP_VERB_STAT, "/srv/build/own"), C);
        ck_assert_int_eq(kind(FSOP_VERB_STAT, "/srv/build/own/x"), C);
        /* a rename may not carry it away either */
        ck_assert_int_eq(ask(&builder, an_op(FSOP_VERB_RENAME), "/srv/build/a", "/srv/build/b").kind, C);
        ck_assert_int_eq(ask(&builder, an_op(FSOP_VERB_RENAME), "/srv/build/b", "/srv/build/a").kind, C);
        ck_assert_int_eq(ask(&builder, an_op(FSOP_VERB_RENAME), "/srv/build/b", "/srv/build/a/keep/x").kind, C);
        ck_assert_int_eq(ask(&builder, an_op(FSOP_VERB_RENAME), "/srv/build/b", "/srv/build/a/x").kind, E);
}
END_TEST

static const char *const unclean[] = {"/srv/build/../x", "/srv/build/./x", "/srv/build//x",
                                      "/srv/build/",     "//srv/build/x",  "/srv/build/..",
                                      "/srv/build/.",    "/srv/./build/x", "/x/../srv/build/y"};

START_TEST(unclean_paths) {
        struct operation op = an_op(FSOP_VERB_UNLINK);
        struct verdict verdict;

        load("rules:\n" ALLOW);
        for (unsigned as = FSOP_AS_AUTO; as <= FSOP_AS_ELEVATED; as++) {
                op.as = (enum fsop_as)as;
                verdict = ask(&builder, op, unclean[_i], NULL);
                ck_assert_int_eq(verdict.kind, as == FSOP_AS_CALLER ? C : D);
                ck_assert_int_eq(verdict.code, as == FSOP_AS_CALLER ? 0 : -FSOP_EINVAL);
                ck_assert_ptr_null(verdict.rule);
        }
        load("rules:\n" DENY); /* nor is a deny to be walked around so */
        ck_assert_int_eq(kind(FSOP_VERB_UNLINK, unclean[_i]), D);
        /* who and what no rule means is not bothered */
        ck_assert_int_eq(kind(FSOP_VERB_MKDIR, unclean[_i]), C);
        ck_assert_int_eq(ask(&alice, an_op(FSOP_VERB_UNLINK), unclean[_i], NULL).kind, C);
        ck_assert_int_eq(ask(&root_peer, an_op(FSOP_VERB_UNLINK), unclean[_i], NULL).kind, C);
        load("rules:\n" AUDIT);
        ck_assert_int_eq(kind(FSOP_VERB_UNLINK, unclean[_i]), C);
}
END_TEST

START_TEST(unclean_paths_elsewhere) {
        uint8_t longest[WIRE_PATH_BYTES_MAX + 10];
        struct operation op = an_op(FSOP_VERB_UNLINK);
        struct question question = {.peer = &builder, .op = &op};
        struct verdict verdict;

        load("rules:\n" ALLOW);
        ck_assert_int_eq(kind(FSOP_VERB_UNLINK, "/other/./x"), C);
        ck_assert_int_eq(kind(FSOP_VERB_UNLINK, "/other//x/"), C);
        ck_assert_int_eq(kind(FSOP_VERB_UNLINK, "/srv/building//x"), C);
        ck_assert_int_eq(kind(FSOP_VERB_UNLINK, "/other/../x"), D); /* where that leads only the filesystem knows */
        memset(longest, '/', sizeof(longest));
        question.at = (struct end){.present = true, .path = {longest, sizeof(longest)}};
        op.at = (struct location){.kind = LOCATION_PATH, .path = question.at.path};
        policy_decide(policy, &question, &verdict);
        ck_assert_int_eq(verdict.kind, D);
}
END_TEST

START_TEST(unclean_second_end) {
        load("rules:\n  - {name: a, effect: allow, user: builder, path: /srv/build, ops: rename}\n");
        ck_assert_int_eq(ask(&builder, an_op(FSOP_VERB_RENAME), "/srv/build/a", "/srv/build/b/").code, -FSOP_EINVAL);
        ck_assert_int_eq(ask(&builder, an_op(FSOP_VERB_RENAME), "/x/a", "/srv/build/../b").code, -FSOP_EINVAL);
        ck_assert_int_eq(ask(&builder, an_op(FSOP_VERB_RENAME), "/x/../a", "/y/../b").code, -FSOP_EINVAL);
        ck_assert_int_eq(ask(&builder, an_op(FSOP_VERB_RENAME), "/y", "/srv/build//b").code, -FSOP_EINVAL);
        ck_assert_int_eq(ask(&builder, an_op(FSOP_VERB_RENAME), "/x/./a", "/y").kind, C);
        ck_assert_int_eq(kind(FSOP_VERB_RENAME, "x"), D);
}
END_TEST

START_TEST(per_user_paths) {
        struct peer odd = {.uid = 1003, .gid = 1003}, nameless = {.uid = 1004, .gid = 1004};
        const char *const bad_names[] = {"..", ".", "", "a/b"};
        struct root *root;

        load("rules:\n  - {name: a, effect: allow, group: [staff], user: [builder, '1003', '1004'], path: /home/%u, "
             "ops: stat}\n");
        ck_assert_int_eq(kind(FSOP_VERB_STAT, "/home/builder/x"), E);
        ck_assert_int_eq(kind(FSOP_VERB_STAT, "/home/builder"), E);
        ck_assert_int_eq(kind(FSOP_VERB_STAT, "/home/alice/x"), C);
        ck_assert_int_eq(kind(FSOP_VERB_STAT, "/home/%u/x"), C);
        ck_assert_int_eq(kind(FSOP_VERB_STAT, "/home/builderx/x"), C);
        ck_assert_uint_eq(fake_lookups, 3); /* two names when the rule was read, then one for all questions */

        odd.groups = nameless.groups = builder_groups;
        odd.n_groups = nameless.n_groups = 2;
        fake_odd_name = "odd";
        ck_assert_int_eq(ask(&odd, an_op(FSOP_VERB_STAT), "/home/odd/x", NULL).kind, E);
        ck_assert_int_eq(ask(&nameless, an_op(FSOP_VERB_STAT), "/home/x", NULL).kind, C);
        for (size_t i = 0; i < 4; i++) {
                char path[32];

                load("rules:\n  - {name: a, effect: allow, user: ['1003'], path: /home/%u, ops: stat}\n");
                fake_odd_name = bad_names[i];
                snprintf(path, sizeof(path), "/home/%s", bad_names[i]);
                ck_assert_int_ne(ask(&odd, an_op(FSOP_VERB_STAT), path, NULL).kind, E);
                ck_assert_int_ne(ask(&odd, an_op(FSOP_VERB_STAT), "/home/x", NULL).kind, E);
                ck_assert_int_eq(root_acquire(roots, policy->rules[0], 0, &odd, &root), -FSOP_ENOENT);
        }
        /* a name that could not be found out is asked for again, later */
        fake_odd_name = "odd";
        ck_assert_int_eq(ask(&odd, an_op(FSOP_VERB_STAT), "/home/odd/x", NULL).kind, C);
        fake_now_ms += 10000;
        ck_assert_int_eq(ask(&odd, an_op(FSOP_VERB_STAT), "/home/odd/x", NULL).kind, E);
}
END_TEST

START_TEST(per_user_deny_without_a_name) {
        struct peer nameless = {.uid = 1004, .gid = 1004};

        load("rules:\n  - {name: d, effect: deny, user: ['1004'], path: /home/%u, ops: stat}\n");
        ck_assert_int_eq(ask(&nameless, an_op(FSOP_VERB_STAT), "/anything", NULL).kind, D); /* cannot tell: denied */
        load("rules:\n  - {name: d, effect: deny, user: ['1000'], path: '/a%%b/x-%u-y', ops: stat}\n");
        ck_assert_int_eq(kind(FSOP_VERB_STAT, "/a%b/x-builder-y/z"), D);
        ck_assert_int_eq(kind(FSOP_VERB_STAT, "/a%%b/x-builder-y/z"), C);
}
END_TEST

START_TEST(per_user_path_too_long) {
        static char rule[5000];
        size_t len = (size_t)sprintf(rule, "rules:\n  - {name: a, effect: allow, user: builder, ops: stat, path: \"/");

        memset(rule + len, 'x', 4080);
        strcpy(rule + len + 4080, "/%u%u%u%u\"}\n");
        load(rule);
        ck_assert_int_eq(kind(FSOP_VERB_STAT, "/x"), C);
}
END_TEST

START_TEST(names_are_remembered_within_limits) {
        load("rules:\n  - {name: a, effect: allow, group: staff, path: /home/%u, ops: stat}\n");
        for (uint32_t uid = 2000; uid < 2000 + 1500; uid++) {
                struct peer peer = {.uid = uid, .gid = 50};

                ck_assert_int_eq(ask(&peer, an_op(FSOP_VERB_STAT), "/home/x", NULL).kind, C);
        }
        ck_assert_int_eq(kind(FSOP_VERB_STAT, "/home/builder/x"), E);
}
END_TEST

/* ---- two ends ---------------------------------------------------------------------------------------------------- */

#define TWO_TREES                                                                                                      \
        "rules:\n  - {name: a, effect: allow, user: builder, path: [/srv/build, /srv/second], ops: [rename, link, "    \
        "copy]}\n"                                                                                                     \
        "  - {name: b, effect: allow, user: builder, path: /srv/other, ops: [rename, link, copy-to]}\n"                \
        "  - {name: c, effect: allow, user: builder, path: /srv/source, ops: [copy-from]}\n"

static const struct {
        enum fsop_verb verb;
        const char *at, *to;
        enum verdict_kind kind;
} pairs[] = {
        {FSOP_VERB_RENAME, "/srv/build/x", "/srv/build/y", E},   {FSOP_VERB_LINK, "/srv/build/x", "/srv/build/y", E},
        {FSOP_VERB_RENAME, "/srv/second/x", "/srv/second/y", E}, {FSOP_VERB_RENAME, "/srv/build/x", "/srv/second/y", C},
        {FSOP_VERB_RENAME, "/srv/build/x", "/srv/other/y", C},   {FSOP_VERB_LINK, "/srv/build/x", "/srv/other/y", C},
        {FSOP_VERB_LINK, "/tmp/x", "/srv/build/y", C},           {FSOP_VERB_LINK, "/srv/build/x", "/tmp/y", C},
        {FSOP_VERB_LINK, "/srv/build/x", "/srv/build/own/y", C},
};

START_TEST(rename_and_link) {
        struct operation op = an_op(pairs[_i].verb);
        struct verdict verdict;

        load(TWO_TREES);
        verdict = ask(&builder, op, pairs[_i].at, pairs[_i].to);
        ck_assert_int_eq(verdict.kind, pairs[_i].kind);
        ck_assert_int_eq(verdict.at.kind, pairs[_i].kind);
        ck_assert_int_eq(verdict.to.kind, pairs[_i].kind);
        op.as = FSOP_AS_ELEVATED;
        ck_assert_int_eq(ask(&builder, op, pairs[_i].at, pairs[_i].to).kind, pairs[_i].kind == E ? E : D);
        if (verdict.kind == E) {
                ck_assert_ptr_eq(verdict.at.rule, verdict.to.rule);
                ck_assert_uint_eq(verdict.at.path_index, strncmp(pairs[_i].at, "/srv/second", 11) == 0);
                ck_assert_uint_eq(verdict.to.path_index, verdict.at.path_index);
        }
}
END_TEST

START_TEST(copies) {
        struct operation op = an_op(FSOP_VERB_COPY_RANGE);
        struct verdict verdict;

        load(TWO_TREES);
        verdict = ask(&builder, op, "/srv/build/x", "/srv/other/y"); /* two rules, each its end */
        ck_assert_int_eq(verdict.kind, E);
        ck_assert_str_eq(verdict.at.rule->name, "a");
        ck_assert_str_eq(verdict.to.rule->name, "b");
        ck_assert_str_eq(verdict.rule->name, "b");
        verdict = ask(&builder, op, "/srv/source/x", "/srv/second/y");
        ck_assert_int_eq(verdict.kind, E);
        ck_assert_uint_eq(verdict.to.path_index, 1);
        /* one end with a rule, the other with the caller's own rights */
        verdict = ask(&builder, op, "/tmp/x", "/srv/other/y");
        ck_assert_int_eq(verdict.kind, E);
        ck_assert_int_eq(verdict.at.kind, C);
        ck_assert_int_eq(verdict.to.kind, E);
        ck_assert_str_eq(verdict.rule->name, "b");
        verdict = ask(&builder, op, "/srv/source/x", "/tmp/y");
        ck_assert_int_eq(verdict.at.kind, E);
        ck_assert_int_eq(verdict.to.kind, C);
        ck_assert_str_eq(verdict.rule->name, "c");
        verdict = ask(&builder, op, "/srv/other/x", "/srv/source/y"); /* the wrong way round */
        ck_assert_int_eq(verdict.kind, C);
        op.as = FSOP_AS_ELEVATED;
        ck_assert_int_eq(ask(&builder, op, "/tmp/x", "/srv/other/y").kind, D);
        ck_assert_int_eq(ask(&builder, op, "/srv/source/x", "/tmp/y").kind, D);
        ck_assert_int_eq(ask(&builder, op, "/srv/source/x", "/srv/other/y").kind, E);
}
END_TEST

START_TEST(copy_conditions_are_the_target_s) {
        struct operation op = {
                .verb = FSOP_VERB_COPY_RANGE,
                .args.copy_range = {.dst_offset = 10, .has_length = true, .length = 100, .create = CREATES(0644)}};

        load("rules:\n  - {name: s, effect: allow, user: builder, path: /s, ops: copy-from, max-bytes: 1}\n"
             "  - {name: t, effect: allow, user: builder, path: /t, ops: copy-to, max-bytes: 110}\n");
        ck_assert_int_eq(ask(&builder, op, "/s/x", "/t/y").at.kind, E);
        ck_assert_int_eq(ask(&builder, op, "/s/x", "/t/y").to.kind, E);
        op.args.copy_range.dst_offset = 11;
        ck_assert_int_eq(ask(&builder, op, "/s/x", "/t/y").to.kind, C);
        op.args.copy_range.has_length = false; /* how long it gets is for the guard to see */
        ck_assert_int_eq(ask(&builder, op, "/s/x", "/t/y").to.kind, E);
        op.args.copy_range.create.mode = 04755;
        ck_assert_int_eq(ask(&builder, op, "/s/x", "/t/y").to.kind, C);
}
END_TEST

/* A job's ends are judged like those of copy-range: each for itself. Submitting one is no permission of its own. */
START_TEST(jobs_are_copies) {
        struct operation op = an_op(FSOP_VERB_CP);

        load("rules:\n  - {name: s, effect: allow, user: builder, path: /s, ops: copy-from}\n"
             "  - {name: t, effect: allow, user: builder, path: /t, ops: copy}\n"
             "  - {name: c, effect: allow, user: builder, path: /c, ops: cp}\n"
             "  - {name: d, effect: deny, user: builder, path: /t/no, ops: copy-to}\n");
        ck_assert_int_eq(ask(&builder, op, "/s/x", "/t/y").at.kind, E);
        ck_assert_int_eq(ask(&builder, op, "/s/x", "/t/y").to.kind, E);
        ck_assert_int_eq(ask(&builder, op, "/x", "/t/y").at.kind, C);
        ck_assert_int_eq(ask(&builder, op, "/x", "/t/y").to.kind, E);
        ck_assert_int_eq(ask(&builder, op, "/s/x", "/s/y").to.kind, C);
        ck_assert_int_eq(ask(&builder, op, "/c/x", "/c/y").to.kind, E);
        ck_assert_int_eq(ask(&builder, op, "/s/x", "/t/no/y").kind, D);
        ck_assert_int_eq(ask(&builder, op, "/s/x", "/t").to.kind, C); /* the rule's directory itself is no name in it */
        op.as = FSOP_AS_ELEVATED;
        ck_assert_int_eq(ask(&builder, op, "/x", "/t/y").kind, D);
        ck_assert(op_reach_to(&op) == OP_COPY_TO);
        op.args.cp = (struct cp_args){.recursive = true, .preserve = FSOP_PRESERVE_OWNER | FSOP_PRESERVE_XATTR};
        ck_assert(op_reach_to(&op) ==
                  (OP_COPY_TO | OP_BIT(FSOP_VERB_MKNOD) | OP_BIT(FSOP_VERB_CHOWN) | OP_BIT(FSOP_VERB_SETXATTR)));
}
END_TEST

START_TEST(denies_of_either_end) {
        struct operation copy = an_op(FSOP_VERB_COPY_RANGE), move = an_op(FSOP_VERB_RENAME);

        load("rules:\n  - {name: d, effect: deny, user: builder, path: /no, ops: [rename, copy-to]}\n");
        ck_assert_int_eq(ask(&builder, move, "/no/x", "/y").kind, D);
        ck_assert_int_eq(ask(&builder, move, "/x", "/no/y").kind, D);
        ck_assert_int_eq(ask(&builder, copy, "/x", "/no/y").kind, D);
        ck_assert_int_eq(ask(&builder, copy, "/no/x", "/y").kind, C);
        ck_assert_int_eq(ask(&builder, move, "/x", "/y").kind, C);
}
END_TEST

/* ---- ends that are not paths ------------------------------------------------------------------------------------- */

static struct verdict ask_end(const struct peer *peer, struct operation op, struct end end) {
        struct question question = {.peer = peer, .roots = roots, .op = &op, .at = end};
        struct verdict verdict;

        op.at.kind = LOCATION_HANDLE;
        question.op = &op;
        policy_decide(policy, &question, &verdict);
        return verdict;
}

START_TEST(passed_directories) {
        struct operation op = an_op(FSOP_VERB_UNLINK);
        struct verdict verdict;

        load("rules:\n" ALLOW);
        ck_assert_int_eq(ask_fd(&builder, op, "/srv/build/in", "x").kind,
                         C); /* the root was never opened: not known, so no */
        {
                struct root *root;

                ck_assert_int_eq(root_acquire(roots, policy->rules[0], 0, &builder, &root), 0);
                ck_assert_int_eq(ask_fd(&builder, op, "/srv/build/in", "x").kind,
                                 C); /* nor when it is only about to be */
                root_release(root);
        }
        opens(&builder);
        verdict = ask_fd(&builder, op, "/srv/build/in", "x");
        ck_assert_int_eq(verdict.kind, E);
        ck_assert_uint_eq(verdict.at.below.len, 0);
        ck_assert_int_eq(ask_fd(&builder, op, "/srv/build", "x").kind, E);
        ck_assert_int_eq(ask_fd(&builder, op, "/srv", "build/x").kind, C);
        ck_assert_int_eq(ask_fd(&builder, op, "/srv/other", "x").kind, C);
        ck_assert_int_eq(ask_fd(&alice, op, "/srv/build/in", "x").kind, C);
        ck_assert_int_eq(ask_fd(&builder, op, "/srv/build/in", "../x").code, -FSOP_EINVAL);
        ck_assert_int_eq(ask_fd(&builder, op, "/srv/build/in", "./x").code, -FSOP_EINVAL);
        ck_assert_int_eq(ask_fd(&builder, op, "/srv/build/in", "").kind, E);
        roots = roots_unref(roots); /* nothing to compare with */
        ck_assert_int_eq(ask_fd(&builder, op, "/srv/build/in", "x").kind, C);
}
END_TEST

START_TEST(passed_directories_and_denies) {
        struct operation op = an_op(FSOP_VERB_UNLINK);

        load("rules:\n" ALLOW "  - {name: d, effect: deny, user: builder, path: /srv/build/keep, ops: unlink}\n");
        ck_assert_int_eq(ask_fd(&builder, op, "/srv/other", "x").kind,
                         D); /* whether it lies there is not known yet: denied */
        opens(&builder);
        ck_assert_int_eq(ask_fd(&builder, op, "/srv/other", "x").kind, C);
        ck_assert_int_eq(ask_fd(&builder, op, "/srv/build/in", "x").kind, E);
        ck_assert_int_eq(ask_fd(&builder, op, "/srv/build/keep", "x").kind, D);
        load("rules:\n  - {name: d, effect: deny, user: builder, path: /none, ops: unlink}\n");
        opens(&builder);
        ck_assert_int_eq(ask_fd(&builder, op, "/srv/other", "x").kind, C); /* what does not exist holds nothing */
        fake_directory_add("/hidden", -FSOP_EACCES);
        load("rules:\n  - {name: d, effect: deny, user: builder, path: /hidden, ops: unlink}\n");
        opens(&builder);
        ck_assert_int_eq(ask_fd(&builder, op, "/srv/other", "x").kind, D); /* what cannot be opened may hold anything */
        roots = roots_unref(roots);
        ck_assert_int_eq(ask_fd(&builder, op, "/srv/other", "x").kind, D);
}
END_TEST

START_TEST(passed_files) {
        struct operation op = an_op(FSOP_VERB_UNLINK);
        struct end end = {.present = true, .caller_only = true};

        load("rules:\n" ALLOW);
        ck_assert_int_eq(ask_end(&builder, op, end).kind, C);
        op.at.path = text("..");
        ck_assert_int_eq(ask_end(&builder, op, end).kind, C); /* no rule could mean it */
        op.at.path = text("");
        op.as = FSOP_AS_ELEVATED;
        ck_assert_int_eq(ask_end(&builder, op, end).kind, D);
        end.path = text("/srv/build/x"); /* even where it was said to be in the rule's directory */
        ck_assert_int_eq(ask_end(&builder, op, end).kind, D);
        end.path = text("");
        end.caller_only = false; /* nothing is known of it */
        ck_assert_int_eq(ask_end(&builder, op, end).kind, D);
        load("rules:\n  - {name: r, effect: allow, user: builder, path: /srv/build, ops: [rename]}\n");
        op = (struct operation){.verb = FSOP_VERB_RENAME, .as = FSOP_AS_ELEVATED};
        {
                struct question question = {.peer = &builder, .op = &op};
                struct verdict verdict;

                question.at = (struct end){.present = true, .path = text("/srv/build/x")};
                question.to = (struct end){.present = true, .caller_only = true};
                policy_decide(policy, &question, &verdict);
                ck_assert_int_eq(verdict.kind, D);
                question.to.path = text("/srv/build/y"); /* wherever it was said to be */
                policy_decide(policy, &question, &verdict);
                ck_assert_int_eq(verdict.kind, D);
                question.to = question.at;
                question.at = (struct end){.present = true, .caller_only = true};
                policy_decide(policy, &question, &verdict);
                ck_assert_int_eq(verdict.kind, D);
        }
}
END_TEST

START_TEST(held_handles) {
        struct operation op = an_op(FSOP_VERB_READ);
        struct end end = {.present = true, .path = text("/srv/build/x"), .held_name = "a"};

        load("rules:\n  - {name: b, effect: allow, user: builder, path: /srv, ops: [read, write]}\n"
             "  - {name: a, effect: allow, user: [root, builder], path: /srv/build, ops: read}\n");
        for (unsigned as = FSOP_AS_AUTO; as <= FSOP_AS_ELEVATED; as++) {
                op.as = (enum fsop_as)as;
                op.verb = FSOP_VERB_READ;
                ck_assert_int_eq(ask_end(&builder, op, end).kind, as == FSOP_AS_CALLER ? D : E);
                /* root too carries on by the rule, not as itself */
                ck_assert_int_eq(ask_end(&root_peer, op, end).kind, as == FSOP_AS_CALLER ? D : E);
                op.verb = FSOP_VERB_WRITE; /* another rule would allow it, but the handle is a's */
                ck_assert_int_eq(ask_end(&builder, op, end).kind, D);
                op.verb = FSOP_VERB_READ;
                ck_assert_int_eq(ask_end(&alice, op, end).kind, D);
        }
        op.as = FSOP_AS_AUTO;
        ck_assert_str_eq(ask_end(&builder, op, end).rule->name, "a");
        end.path = text(""); /* opened beneath a passed directory */
        ck_assert_int_eq(ask_end(&builder, op, end).kind, E);
        end.path = text("/srv/build/../x");
        ck_assert_int_eq(ask_end(&builder, op, end).code, -FSOP_EINVAL);
        end.path = text("/srv/build/x");
        load("rules:\n  - {name: b, effect: allow, user: builder, path: /srv, ops: [read]}\n"); /* a reload took it
                                                                                                   away */
        ck_assert_int_eq(ask_end(&builder, op, end).kind, D);
        load("rules:\n  - {name: a, effect: allow, user: builder, path: /srv/second, ops: [read]}\n");
        ck_assert_int_eq(ask_end(&builder, op, end).kind, D);
        load("rules:\n  - {name: a, effect: deny, user: builder, path: /srv/build, ops: [read]}\n");
        ck_assert_int_eq(ask_end(&builder, op, end).kind, D);
        ck_assert_str_eq(ask_end(&builder, op, end).rule->name, "a");
}
END_TEST

/* Nothing is known of where it lies: then it may lie where something is denied. */
START_TEST(held_handle_without_a_place) {
        struct operation op = an_op(FSOP_VERB_READ);
        struct end end = {.present = true, .held_name = "a"};
        struct object_id ids[16];

        load("rules:\n  - {name: a, effect: allow, user: builder, path: /srv/build, ops: [read, write]}\n"
             "  - {name: d, effect: deny, user: builder, path: /srv/build/keep, ops: write}\n");
        ck_assert_int_eq(ask_end(&builder, op, end).kind, E);
        op.verb = FSOP_VERB_WRITE;
        ck_assert_int_eq(ask_end(&builder, op, end).kind, D);
        end.path = text("/srv/build/x");
        ck_assert_int_eq(ask_end(&builder, op, end).kind, E);
        end.path = text("");
        opens(&builder);
        end.ancestors = ids;
        end.n_ancestors = above("/srv/build/in", ids);
        ck_assert_int_eq(ask_end(&builder, op, end).kind, E);
        end.n_ancestors = above("/srv/build/keep", ids);
        ck_assert_int_eq(ask_end(&builder, op, end).kind, D);
}
END_TEST

/* A deny of something else: nothing is carried out of its directory, nor the directory itself. */
START_TEST(renames_out_of_a_denied_directory) {
        static const struct {
                const char *at, *to;
                enum verdict_kind kind;
        } moves[] = {{"/srv/build/keep/f", "/srv/build/f", C}, {"/srv/build/f", "/srv/build/keep/f", C},
                     {"/srv/build/keep", "/srv/build/k", C},   {"/srv/build/a", "/srv/build/b", E},
                     {"/srv/build/keeper", "/srv/build/b", E}, {"/srv/build/f", "/srv/build/keep", C}};

        load("rules:\n  - {name: a, effect: allow, user: [builder, alice], path: /srv, ops: all}\n"
             "  - {name: d, effect: deny, user: builder, path: /srv/build/keep, ops: chown}\n");
        for (size_t i = 0; i < sizeof(moves) / sizeof(moves[0]); i++) {
                ck_assert_int_eq(ask(&builder, an_op(FSOP_VERB_RENAME), moves[i].at, moves[i].to).kind, moves[i].kind);
                ck_assert_int_eq(ask(&builder, an_op(FSOP_VERB_LINK), moves[i].at, moves[i].to).kind, moves[i].kind);
                ck_assert_int_eq(ask(&alice, an_op(FSOP_VERB_RENAME), moves[i].at, moves[i].to).kind, E);
        }
        ck_assert_int_eq(ask(&builder, an_op(FSOP_VERB_RENAME), "/srv/build", "/srv/other").kind, C);
        ck_assert_int_eq(kind(FSOP_VERB_UNLINK, "/srv/build/keep/f"), E);
}
END_TEST

START_TEST(held_handle_and_path) {
        struct operation op = an_op(FSOP_VERB_RENAME);
        struct question question = {.peer = &builder, .op = &op};
        struct verdict verdict;

        load(TWO_TREES);
        op.at.kind = LOCATION_HANDLE;
        op.to = at_path("/srv/build/y");
        question.at = (struct end){.present = true, .path = text("/srv/build/x"), .held_name = "a"};
        question.to = (struct end){.present = true, .path = op.to.path};
        policy_decide(policy, &question, &verdict);
        ck_assert_int_eq(verdict.kind, E);
        question.at.held_name = "b";
        policy_decide(policy, &question, &verdict);
        ck_assert_int_eq(verdict.kind, D);
        question.to.held_name = "b";
        question.at.held_name = NULL;
        policy_decide(policy, &question, &verdict);
        ck_assert_int_eq(verdict.kind, D);
        op = (struct operation){.verb = FSOP_VERB_COPY_RANGE, .at.kind = LOCATION_HANDLE, .to = at_path("/tmp/y")};
        question.at = (struct end){.present = true, .path = text("/srv/build/x"), .held_name = "a"};
        question.to = (struct end){.present = true, .path = op.to.path};
        policy_decide(policy, &question, &verdict);
        ck_assert_int_eq(verdict.kind, D); /* half of it as the caller is not carrying on */
}
END_TEST

/* Both the path and the ancestors are known: both must fit to allow, either denies. */
START_TEST(path_and_ancestors) {
        struct operation op = an_op(FSOP_VERB_UNLINK);
        struct object_id ids[16];
        struct end end = {.present = true, .path = text("/srv/build/in/x"), .ancestors = ids, .held_name = "allowing"};

        load("rules:\n" ALLOW);
        opens(&builder);
        end.n_ancestors = above("/srv/build/in", ids);
        ck_assert_int_eq(ask_end(&builder, op, end).kind, E);
        end.n_ancestors = above("/srv/other", ids); /* it was moved away since */
        ck_assert_int_eq(ask_end(&builder, op, end).kind, D);
}
END_TEST

#define LOOP(tcase, test, rows) tcase_add_loop_test(tcase, test, 0, (int)(sizeof(rows) / sizeof((rows)[0])))

int main(void) {
        Suite *suite = suite_create("decide");
        TCase *tcase = tcase_create("decide");

        tcase_add_checked_fixture(tcase, setup, teardown);
        LOOP(tcase, decision_table, table);
        tcase_add_test(tcase, foreign_paths_are_refused_for_every_verb);
        tcase_add_test(tcase, foreign_path_beside_a_descriptor);
        tcase_add_test(tcase, audit_rules_are_not_near);
        LOOP(tcase, denies_of_who_does_not_exist_are_for_everyone, denies_of_nobody);
        tcase_add_test(tcase, every_verb_needs_its_own_rule);
        tcase_add_test(tcase, what_is_no_question);
        LOOP(tcase, component_matching, places);
        tcase_add_test(tcase, root_directory_as_path);
        tcase_add_test(tcase, the_directory_itself);
        tcase_add_test(tcase, exclusions);
        LOOP(tcase, unclean_paths, unclean);
        tcase_add_test(tcase, unclean_paths_elsewhere);
        tcase_add_test(tcase, unclean_second_end);
        tcase_add_test(tcase, per_user_paths);
        tcase_add_test(tcase, per_user_deny_without_a_name);
        tcase_add_test(tcase, per_user_path_too_long);
        tcase_add_test(tcase, names_are_remembered_within_limits);
        LOOP(tcase, rename_and_link, pairs);
        tcase_add_test(tcase, copies);
        tcase_add_test(tcase, copy_conditions_are_the_target_s);
        tcase_add_test(tcase, jobs_are_copies);
        tcase_add_test(tcase, denies_of_either_end);
        tcase_add_test(tcase, passed_directories);
        tcase_add_test(tcase, passed_directories_and_denies);
        tcase_add_test(tcase, passed_files);
        tcase_add_test(tcase, held_handles);
        tcase_add_test(tcase, held_handle_without_a_place);
        tcase_add_test(tcase, renames_out_of_a_denied_directory);
        tcase_add_test(tcase, held_handle_and_path);
        tcase_add_test(tcase, path_and_ancestors);
        suite_add_tcase(suite, tcase);
        return suite_run(suite);
}
