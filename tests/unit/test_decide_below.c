/* SPDX-License-Identifier: MIT */
/*
 * test_decide_below.c: names that an operation meets below the place that was decided on: a walk, and the files of a copy.
 */
#include <check.h>

#include "tests/support/policy_kit.h"
#include "tests/support/suite.h"

#define RULES                                                                                                          \
        "rules:\n"                                                                                                     \
        "  - {name: a, effect: allow, user: builder, path: /srv/build, exclude: [/srv/build/keep], ops: all}\n"        \
        "  - {name: d, effect: deny, user: builder, path: /srv/build/no, ops: [unlink]}\n"                             \
        "  - {name: o, effect: deny, user: alice, path: /srv/build/hers, ops: all}\n"

static const char *met(const struct peer *peer, enum fsop_verb verb, const char *top, const char *below) {
        struct operation op = an_op(verb);

        return policy_excludes(policy, peer, policy->rules[0], &op, op_permission_at(&op), text(top), text(below));
}

START_TEST(names_that_are_kept_out) {
        static const struct {
                const char *top, *below;
                bool unlink, chmod;
        } cases[] = {
                {"/srv/build", "x", false, false},        {"/srv/build", "keep", true, true},
                {"/srv/build", "keep/deep/x", true, true}, {"/srv/build", "keeper", false, false},
                {"/srv/build/keep", "x", true, true},     {"/srv/build/keep", "", true, true},
                {"/srv/build", "own", true, true},        {"/srv/build", "own/x", true, true},
                {"/srv", "build/own/x", true, true},      {"/", "etc/fsopd/x", true, true},
                {"/srv/build", "owner", false, false},    {"/srv/build", "no", true, false},
                {"/srv/build/no", "x", true, false},      {"/srv/build", "hers/x", false, false},
        };

        load(RULES);
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                const char *unlink = met(&builder, FSOP_VERB_UNLINK, cases[i].top, cases[i].below);
                const char *chmod = met(&builder, FSOP_VERB_CHMOD, cases[i].top, cases[i].below);

                ck_assert_msg((unlink != NULL) == cases[i].unlink, "unlink, case %zu: %s", i, unlink ? unlink : "not kept out");
                ck_assert_msg((chmod != NULL) == cases[i].chmod, "chmod, case %zu: %s", i, chmod ? chmod : "not kept out");
        }
        ck_assert_ptr_nonnull(met(&alice, FSOP_VERB_CHMOD, "/srv/build", "hers/x"));
}
END_TEST

/* A path that rules cannot speak about is nobody's. */
START_TEST(names_that_are_too_long) {
        static char deep[WIRE_PATH_BYTES_MAX + 2];

        load(RULES);
        memset(deep, 'x', WIRE_PATH_BYTES_MAX);
        ck_assert_ptr_nonnull(met(&builder, FSOP_VERB_CHMOD, "/srv/build", deep));
        deep[WIRE_PATH_BYTES_MAX - strlen("/srv/build")] = 0;
        ck_assert_ptr_nonnull(met(&builder, FSOP_VERB_CHMOD, "/srv/build", deep));
        deep[strlen(deep) - 1] = 0;
        ck_assert_ptr_null(met(&builder, FSOP_VERB_CHMOD, "/srv/build", deep));
}
END_TEST

/* Whether names have to be looked at at all. */
START_TEST(whether_anything_is_kept_out_below) {
        static const struct {
                const char *path;
                bool any;
        } cases[] = {{"/", true}, {"/srv", true}, {"/srv/build", true}, {"/etc", true}, {"/srv/other", false}, {"/srv/build/in", false}};

        load(RULES);
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
                ck_assert_msg(policy_excludes_below(policy, &builder, policy->rules[0], text(cases[i].path)) == cases[i].any, "%s",
                              cases[i].path);
        load("rules:\n  - {name: a, effect: allow, user: builder, path: /srv/other, exclude: [/srv/other/keep], ops: all}\n");
        ck_assert(policy_excludes_below(policy, &builder, policy->rules[0], text("/srv/other")));
        load("rules:\n  - {name: a, effect: allow, user: builder, path: /srv/other, ops: all}\n"
             "  - {name: d, effect: deny, user: builder, path: /srv/other/no, ops: [unlink]}\n");
        ck_assert(policy_excludes_below(policy, &builder, policy->rules[0], text("/srv/other")));
        ck_assert(!policy_excludes_below(policy, &builder, policy->rules[0], text("/srv/other/yes")));
}
END_TEST

int main(void) {
        Suite *suite = suite_create("decide_below");
        TCase *tcase = tcase_create("decide_below");

        tcase_add_checked_fixture(tcase, setup, teardown);
        tcase_add_test(tcase, names_that_are_kept_out);
        tcase_add_test(tcase, names_that_are_too_long);
        tcase_add_test(tcase, whether_anything_is_kept_out_below);
        suite_add_tcase(suite, tcase);
        return suite_run(suite);
}
