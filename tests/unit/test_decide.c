/* SPDX-License-Identifier: MIT */
/*
 * test_decide.c: the decision: the table of who asks how against which rule, then each condition that a rule can set.
 */
#include <check.h>

#include "daemon/policy_internal.h"
#include "tests/support/fake_sys.h"

static struct policy *policy;
static struct roots *roots;
static struct policy_report report;

static uint32_t builder_groups[] = {50, 1000};
static const struct peer root_peer = {.uid = 0, .gid = 0, .fully_capable = true, .capabilities = ~0ull};
static const struct peer bare_root = {.uid = 0, .gid = 0};
static const struct peer builder = {.uid = 1000, .gid = 1000, .groups = builder_groups, .n_groups = 2};
static const struct peer foreigner = {.uid = 1000, .gid = 1000, .groups = builder_groups, .n_groups = 2, .foreign = true};
static const struct peer foreign_root = {.uid = 0, .gid = 0, .fully_capable = true, .foreign = true};
static const struct peer alice = {.uid = 1001, .gid = 1001};

static const char *const own_paths[] = {"/etc/fsopd", "/srv/build/own"};

static void drop(void) {
        roots = roots_unref(roots);
        policy = policy_unref(policy);
        policy_report_fini(&report);
}

static void load(const char *text) {
        static const char *const directories[] = {"/p"};
        struct policy_config config = {.directories = directories, .n_directories = 1, .own_paths = own_paths, .n_own_paths = 2};

        drop();
        fake_n_files = 0;
        fake_file_add("/p/rules.yaml", text);
        if (policy_load(&config, &policy, &report) != 0)
                ck_abort_msg("%s: %s", report.notes[0].where, report.notes[0].text);
        ck_assert_int_eq(roots_new(policy, &roots), 0);
}

static void setup(void) {
        static const char *const directories[] = {"/", "/etc", "/etc/fsopd", "/srv", "/srv/build", "/srv/build/in", "/srv/build/keep",
                                                  "/srv/other", "/home", "/home/builder", "/home/builder/in"};

        fake_reset();
        for (size_t i = 0; i < sizeof(directories) / sizeof(directories[0]); i++)
                fake_directory_add(directories[i], 0);
        policy = NULL;
        roots = NULL;
        memset(&report, 0, sizeof(report));
}

static void teardown(void) {
        drop();
        policy_accounts_fini();
        ck_assert_int_eq(fake_open_directories, 0);
}

static struct bytes text(const char *word) {
        return (struct bytes){(const uint8_t *)word, strlen(word)};
}

static struct location at_path(const char *path) {
        return (struct location){.kind = LOCATION_PATH, .path = text(path)};
}

/* Asks about an operation on absolute paths. TO may be NULL. */
static struct verdict ask(const struct peer *peer, struct operation op, const char *at, const char *to) {
        struct question question = {.peer = peer, .roots = roots, .op = &op};
        struct verdict verdict;

        op.at = at_path(at);
        question.at = (struct end){.present = true, .path = op.at.path};
        if (to) {
                op.to = at_path(to);
                question.to = (struct end){.present = true, .path = op.to.path};
        }
        policy_decide(policy, &question, &verdict);
        return verdict;
}

static struct operation an_op(enum fsop_verb verb) {
        return (struct operation){.verb = verb};
}

static enum verdict_kind kind(enum fsop_verb verb, const char *path) {
        return ask(&builder, an_op(verb), path, NULL).kind;
}

static enum verdict_kind kind_of(struct operation op, const char *path) {
        return ask(&builder, op, path, NULL).kind;
}

static void opens(const struct peer *peer) {
        for (uint32_t i = 0; i < policy->n_rules; i++)
                for (uint32_t j = 0; j < policy->rules[i]->n_paths; j++) {
                        struct root *root;

                        if (root_acquire(roots, policy->rules[i], j, peer, &root) == 0) {
                                root_open(root);
                                root_release(root);
                        }
                }
}

/* The directories above one, as sys_ancestors would say. */
static uint32_t above(const char *path, struct object_id *ids) {
        struct directory directory;
        int n;

        ck_assert_int_eq(directory_open(path, &directory), 0);
        n = sys_ancestors(directory.fd, ids, 16, 0);
        directory_close(&directory);
        ck_assert_int_gt(n, 0);
        return (uint32_t)n;
}

/* Asks about an operation on a passed directory, and a path below it. */
static struct verdict ask_fd(const struct peer *peer, struct operation op, const char *directory, const char *below) {
        struct question question = {.peer = peer, .roots = roots, .op = &op};
        struct object_id ids[16];
        struct verdict verdict;

        op.at = (struct location){.kind = LOCATION_FD, .path = text(below)};
        question.at = (struct end){.present = true, .ancestors = ids, .n_ancestors = above(directory, ids)};
        policy_decide(policy, &question, &verdict);
        return verdict;
}

/* ---- the table ----------------------------------------------------------------------------------------------------------- */

#define SUBJECT_AND_PLACE "    user: [root, builder]\n    path: /srv/build\n    ops: [unlink]\n"
#define ALLOW "  - name: allowing\n    effect: allow\n" SUBJECT_AND_PLACE
#define DENY "  - name: denying\n    effect: deny\n" SUBJECT_AND_PLACE
#define AUDIT "  - name: watching\n    effect: audit\n" SUBJECT_AND_PLACE

#define D VERDICT_DENIED
#define C VERDICT_CALLER
#define E VERDICT_ELEVATED

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

static void check_cell(size_t row, const struct peer *peer, enum fsop_as as, enum verdict_kind expected, struct verdict verdict) {
        bool root_itself = peer->fully_capable && as == FSOP_AS_AUTO;

        ck_assert_msg(verdict.kind == expected, "row %zu, uid %u, as %d: %d", row, (unsigned)peer->uid, as, verdict.kind);
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

                        check_cell((size_t)_i, peers[p], ways[w], table[_i].kinds[p][w], ask(peers[p], op, "/srv/build/x", NULL));
                        check_cell((size_t)_i, peers[p], ways[w], table[_i].kinds[p][w], ask_fd(peers[p], op, "/srv/build/in", "x"));
                        /* from another mount namespace: paths never, a directory that was passed as everyone */
                        foreign.foreign = true;
                        ck_assert_int_eq(ask(&foreign, op, "/srv/build/x", NULL).kind, D);
                        check_cell((size_t)_i, &foreign, ways[w], table[_i].kinds[p][w], ask_fd(&foreign, op, "/srv/build/in", "x"));
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
                ck_assert_int_eq(ask(&foreign_root, an_op(row->verb), "/a", row->to == LOCATE_NONE ? NULL : "/b").kind, D);
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

/* Without a rule that names it, no operation is elevated for anyone; with one that names only it, only it is. */
START_TEST(every_verb_needs_its_own_rule) {
        for (unsigned verb = 0; verb < FSOP_VERB_LIMIT; verb++) {
                const struct op_row *row = op_row((enum fsop_verb)verb);
                struct operation op = {.verb = (enum fsop_verb)verb, .as = FSOP_AS_ELEVATED};

                if (!row || !row->elevates)
                        continue;
                load("rules: []\n");
                ck_assert_int_eq(ask(&builder, op, "/srv/build/x", row->to == LOCATE_NONE ? NULL : "/srv/build/y").kind, D);
                load(verb == FSOP_VERB_UNLINK ? "rules:\n  - {name: a, effect: allow, user: builder, path: /srv/build, ops: rmdir}\n"
                                              : "rules:\n" ALLOW);
                ck_assert_int_eq(ask(&builder, op, "/srv/build/x", row->to == LOCATE_NONE ? NULL : "/srv/build/y").kind, D);
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
        op.verb = (enum fsop_verb)63;
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

/* ---- paths --------------------------------------------------------------------------------------------------------------- */

static const struct {
        const char *path, *below; /* NULL: not the rule's */
} places[] = {
        {"/srv/build", ""},   {"/srv/build/x", "x"},      {"/srv/build/x/y", "x/y"}, {"/srv/building", NULL}, {"/srv/build-x/y", NULL},
        {"/srv", NULL},       {"/", NULL},                {"/srv/buil", NULL},       {"/other", NULL},        {"/srv/builD/x", NULL},
        {"/srv/build/...", "..."}, {"/srv/build/.x", ".x"},  {"x", NULL},
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
        load("rules:\n  - {name: a, effect: allow, user: builder, path: /srv/build, exclude: [/srv/build/a/keep], ops: all}\n");
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

static const char *const unclean[] = {"/srv/build/../x", "/srv/build/./x", "/srv/build//x", "/srv/build/", "//srv/build/x",
                                      "/srv/build/..",   "/srv/build/.",   "/srv/./build/x", "/x/../srv/build/y"};

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

        load("rules:\n  - {name: a, effect: allow, group: [staff], user: [builder, '1003', '1004'], path: /home/%u, ops: stat}\n");
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

/* ---- subjects ------------------------------------------------------------------------------------------------------------ */

static const struct {
        const char *subject;
        bool builder, alice, root;
} subjects[] = {
        {"user: builder", true, false, false},
        {"user: [alice, builder]", true, true, false},
        {"user: ['1000']", true, false, false},
        {"group: staff", true, false, false},
        {"group: ['1001', '0']", false, true, true},
        {"group: [builder]", true, false, false},
        {"user: [builder, alice], group: staff", true, false, false},
        {"user: alice, group: staff", false, false, false},
        {"user: [nobody-such, alice]", false, true, false},
        {"user: nobody-such", false, false, false},
        {"user: broken", false, false, false},
        {"group: nogroup-such", false, false, false},
        {"key: abc", false, false, false},
        {"user: builder, key: abc", false, false, false},
};

START_TEST(allowed_subjects) {
        char rule[256];

        snprintf(rule, sizeof(rule), "rules:\n  - {name: a, effect: allow, %s, path: /srv/build, ops: stat}\n", subjects[_i].subject);
        load(rule);
        ck_assert_int_eq(ask(&builder, an_op(FSOP_VERB_STAT), "/srv/build/x", NULL).kind, subjects[_i].builder ? E : C);
        ck_assert_int_eq(ask(&alice, an_op(FSOP_VERB_STAT), "/srv/build/x", NULL).kind, subjects[_i].alice ? E : C);
        ck_assert_int_eq(ask(&bare_root, an_op(FSOP_VERB_STAT), "/srv/build/x", NULL).kind, subjects[_i].root ? E : C);
}
END_TEST

static const struct {
        const char *subject;
        bool builder, alice;
} denied[] = {
        {"user: builder", true, false},          {"user: nobody-such", true, true},
        {"user: [alice, nobody-such]", true, true}, {"group: nogroup-such", true, true},
        {"user: broken", true, true},            {"key: abc", true, true},
        {"user: alice, key: abc", false, true},  {"user: alice, group: nogroup-such", false, true},
        {"group: broken, user: nobody-such", true, true},
};

START_TEST(denied_subjects) {
        char rule[256];

        snprintf(rule, sizeof(rule), "rules:\n  - {name: a, %s, effect: deny, path: /srv/build, ops: stat}\n", denied[_i].subject);
        load(rule);
        ck_assert_int_eq(ask(&builder, an_op(FSOP_VERB_STAT), "/srv/build/x", NULL).kind, denied[_i].builder ? D : C);
        ck_assert_int_eq(ask(&alice, an_op(FSOP_VERB_STAT), "/srv/build/x", NULL).kind, denied[_i].alice ? D : C);
}
END_TEST

/* ---- arguments ----------------------------------------------------------------------------------------------------------- */

static void load_rule(const char *effect, const char *keys) {
        char rule[512];

        snprintf(rule, sizeof(rule), "rules:\n  - {name: a, effect: %s, user: builder, path: /srv/build, ops: [all, open-fd]%s%s}\n",
                 effect, keys[0] ? ", " : "", keys);
        load(rule);
}

static struct operation chown_to(int64_t uid, int64_t gid) {
        return (struct operation){.verb = FSOP_VERB_CHOWN,
                                  .args.chown = {.has_uid = uid >= 0, .uid = (uint32_t)uid, .has_gid = gid >= 0, .gid = (uint32_t)gid}};
}

static const struct {
        const char *effect, *keys;
        int64_t uid, gid;
        enum verdict_kind kind;
} owners[] = {
        {"allow", "", 1000, 1000, C},
        {"allow", "", -1, -1, C},
        {"allow", "chown-to: 'builder:builder'", 1000, 1000, E},
        {"allow", "chown-to: 'builder:builder'", 1000, -1, E},
        {"allow", "chown-to: 'builder:builder'", -1, 1000, E},
        {"allow", "chown-to: 'builder:builder'", -1, -1, E},
        {"allow", "chown-to: 'builder:builder'", 1000, 0, C},
        {"allow", "chown-to: 'builder:builder'", 0, 1000, C},
        {"allow", "chown-to: 'builder:builder'", -1, 0, C},
        {"allow", "chown-to: ['builder:builder', 'www-data:*']", 33, 12345, E},
        {"allow", "chown-to: ['builder:builder', 'www-data:*']", 1000, 33, C}, /* grants are not merged */
        {"allow", "chown-to: '100000-165535:*'", 100000, 0, E},
        {"allow", "chown-to: '100000-165535:*'", 165535, -1, E},
        {"allow", "chown-to: '100000-165535:*'", 165536, -1, C},
        {"allow", "chown-to: '100000-165535:*'", 99999, 0, C},
        {"allow", "chown-to: '*:100-200'", 0, 150, E},
        {"allow", "chown-to: '*:100-200'", 0, 99, C},
        {"allow", "chown-to: '33:33'", 33, 33, E},
        {"allow", "chown-to: 'nobody-such:*'", 0, 0, C},
        {"allow", "chown-to: ['nobody-such:*', '*:nogroup-such']", 0, 0, C},
        {"deny", "", 1000, 1000, D},
        {"deny", "", -1, -1, D},
        {"deny", "chown-to: 'root:*'", 0, 5, D},
        {"deny", "chown-to: 'root:*'", 0, -1, D},
        {"deny", "chown-to: 'root:*'", 5, 0, C},
        {"deny", "chown-to: 'root:*'", -1, 5, C},
        {"deny", "chown-to: 'root:root'", 0, -1, D},
        {"deny", "chown-to: 'root:root'", -1, 0, D},
        {"deny", "chown-to: 'root:root'", 0, 5, C},
        {"deny", "chown-to: '*:*'", -1, 5, D},
        {"deny", "chown-to: '*:root'", 5, 0, D},
        {"deny", "chown-to: '*:root'", 5, -1, C},
        {"deny", "chown-to: '*:root'", -1, -1, C},
        {"deny", "chown-to: 'nobody-such:*'", 5, 5, D},
        {"deny", "chown-to: 'root:nogroup-such'", 0, 5, D},
        {"deny", "chown-to: 'root:nogroup-such'", 5, 5, C},
};

START_TEST(owner_patterns) {
        load_rule(owners[_i].effect, owners[_i].keys);
        ck_assert_int_eq(kind_of(chown_to(owners[_i].uid, owners[_i].gid), "/srv/build/x"), owners[_i].kind);
}
END_TEST

static const struct {
        const char *effect, *keys;
        enum fsop_file_type type;
        uint32_t major, minor;
        enum verdict_kind kind;
} devices[] = {
        {"allow", "", FSOP_TYPE_FIFO, 0, 0, E},
        {"allow", "", FSOP_TYPE_SOCKET, 0, 0, E},
        {"allow", "", FSOP_TYPE_CHAR, 1, 3, C},
        {"allow", "", FSOP_TYPE_REGULAR, 0, 0, C},
        {"allow", "devices: ['c 1:3', 'c 1:5']", FSOP_TYPE_CHAR, 1, 3, E},
        {"allow", "devices: ['c 1:3', 'c 1:5']", FSOP_TYPE_CHAR, 1, 5, E},
        {"allow", "devices: ['c 1:3', 'c 1:5']", FSOP_TYPE_CHAR, 1, 4, C},
        {"allow", "devices: ['c 1:3', 'c 1:5']", FSOP_TYPE_CHAR, 2, 3, C},
        {"allow", "devices: ['c 1:3', 'c 1:5']", FSOP_TYPE_CHAR, 0, 3, C},
        {"allow", "devices: ['c 1:3', 'c 1:5']", FSOP_TYPE_BLOCK, 1, 3, C},
        {"allow", "devices: ['c 1:3', 'c 1:5']", FSOP_TYPE_FIFO, 0, 0, E},
        {"allow", "devices: ['c 1:3', 'c 1:5']", FSOP_TYPE_REGULAR, 1, 3, C},
        {"allow", "devices: 'b *:*'", FSOP_TYPE_BLOCK, 300, 300000, E},
        {"allow", "devices: 'b *:*'", FSOP_TYPE_CHAR, 300, 300000, C},
        {"allow", "devices: 'c 300:*'", FSOP_TYPE_CHAR, 300, 4294967295u, E},
        {"allow", "devices: 'b 8:0-15'", FSOP_TYPE_BLOCK, 8, 15, E},
        {"allow", "devices: 'b 8:0-15'", FSOP_TYPE_BLOCK, 8, 16, C},
        {"deny", "", FSOP_TYPE_FIFO, 0, 0, D},
        {"deny", "", FSOP_TYPE_CHAR, 1, 3, D},
        {"deny", "devices: 'c 1:1'", FSOP_TYPE_CHAR, 1, 1, D},
        {"deny", "devices: 'c 1:1'", FSOP_TYPE_CHAR, 1, 3, C},
        {"deny", "devices: 'c 1:1'", FSOP_TYPE_FIFO, 1, 1, C},
};

START_TEST(device_patterns) {
        struct operation op = {.verb = FSOP_VERB_MKNOD,
                               .args.mknod = {.type = devices[_i].type, .major = devices[_i].major, .minor = devices[_i].minor}};

        load_rule(devices[_i].effect, devices[_i].keys);
        ck_assert_int_eq(kind_of(op, "/srv/build/x"), devices[_i].kind);
}
END_TEST

static const struct {
        const char *effect, *keys, *name;
        enum verdict_kind kind;
} xattrs[] = {
        {"allow", "", "user.x", E},
        {"allow", "", "trusted.x", C},
        {"allow", "", "security.capability", C},
        {"allow", "", "user", C},
        {"allow", "xattrs: trusted.a", "user.x", C},
        {"allow", "xattrs: trusted.a", "trusted.a", E},
        {"allow", "xattrs: trusted.a", "trusted.ab", C},
        {"allow", "xattrs: trusted.a", "trusted.b", C},
        {"allow", "xattrs: ['user.*', 'trusted.*']", "trusted.x", E},
        {"allow", "xattrs: ['user.*', 'trusted.*']", "trusted.overlay.redirect", C},
        {"allow", "xattrs: ['trusted.overlay.opaque']", "trusted.overlay.opaque", E},
        {"allow", "xattrs: ['trusted.overlay.opaque']", "trusted.overlay.redirect", C},
        {"allow", "xattrs: '*'", "security.capability", C},
        {"allow", "xattrs: '*'", "security.selinux", C},
        {"allow", "xattrs: '*'", "system.posix_acl_access", C},
        {"allow", "xattrs: '*'", "system.posix_acl_default", C},
        {"allow", "xattrs: '*'", "user.x", E},
        {"allow", "xattrs: '*'", "system.other", E},
        {"allow", "xattrs: 's*'", "security.capability", C},
        {"allow", "xattrs: [system.posix_acl_access]", "system.posix_acl_access", E},
        {"allow", "xattrs: [system.posix_acl_access]", "system.posix_acl_default", C},
        {"deny", "", "user.x", D},
        {"deny", "xattrs: 'security.*'", "security.capability", D},
        {"deny", "xattrs: 'security.*'", "user.x", C},
        {"deny", "xattrs: user.x", "user.x", D},
};

START_TEST(xattr_patterns) {
        struct operation op = {.args.xattr.name = text(xattrs[_i].name)};

        load_rule(xattrs[_i].effect, xattrs[_i].keys);
        op.verb = FSOP_VERB_SETXATTR;
        ck_assert_int_eq(kind_of(op, "/srv/build/x"), xattrs[_i].kind);
        op.verb = FSOP_VERB_GETXATTR;
        ck_assert_int_eq(kind_of(op, "/srv/build/x"), xattrs[_i].kind);
        op.verb = FSOP_VERB_REMOVEXATTR;
        ck_assert_int_eq(kind_of(op, "/srv/build/x"), xattrs[_i].kind);
}
END_TEST

#define CREATES(m) {.create = true, .mode = m}
static const struct operation with_set_id[] = {
        {.verb = FSOP_VERB_CHMOD, .args.chmod.set = 04755},
        {.verb = FSOP_VERB_CHMOD, .args.chmod.set_x = 02000},
        {.verb = FSOP_VERB_MKDIR, .args.mkdir = CREATES(02755)},
        {.verb = FSOP_VERB_MKNOD, .args.mknod = {.type = FSOP_TYPE_FIFO, .create = CREATES(04600)}},
        {.verb = FSOP_VERB_OPEN, .args.open = {.write = true, .create = CREATES(06755)}},
        {.verb = FSOP_VERB_OPEN_FD, .args.open = {.write = true, .create = CREATES(06755)}},
        {.verb = FSOP_VERB_UTIMENS, .args.utimens.create = CREATES(04644)},
        {.verb = FSOP_VERB_FALLOCATE, .args.fallocate = {.length = 1, .create = CREATES(04644)}},
        {.verb = FSOP_VERB_TRUNCATE, .args.truncate.create = CREATES(04644)},
};

START_TEST(set_id_bits) {
        load_rule("allow", "");
        ck_assert_int_eq(kind_of(with_set_id[_i], "/srv/build/x"), C);
        load_rule("allow", "set-id: true");
        ck_assert_int_eq(kind_of(with_set_id[_i], "/srv/build/x"), E);
        ck_assert(rule_set_id(policy->rules[0]));
}
END_TEST

START_TEST(modes_without_set_id) {
        struct operation op = {.verb = FSOP_VERB_CHMOD, .args.chmod = {.set = 01777, .clear = 07777}};

        load_rule("allow", "");
        ck_assert_int_eq(kind_of(op, "/srv/build/x"), E);
        op = (struct operation){.verb = FSOP_VERB_OPEN, .args.open = {.create = {.create = false, .mode = 06755}}};
        ck_assert_int_eq(kind_of(op, "/srv/build/x"), E);
}
END_TEST

static const struct {
        struct operation op;
        enum verdict_kind kind;
} sizes[] = {
        {{.verb = FSOP_VERB_TRUNCATE, .args.truncate.size = 1 << 20}, E},
        {{.verb = FSOP_VERB_TRUNCATE, .args.truncate.size = (1 << 20) + 1}, C},
        {{.verb = FSOP_VERB_FALLOCATE, .args.fallocate = {.offset = 1 << 19, .length = 1 << 19}}, E},
        {{.verb = FSOP_VERB_FALLOCATE, .args.fallocate = {.offset = 1 << 19, .length = (1 << 19) + 1}}, C},
        {{.verb = FSOP_VERB_FALLOCATE, .args.fallocate = {.offset = 1 << 20, .length = 1, .keep_size = true}}, C},
        {{.verb = FSOP_VERB_FALLOCATE, .args.fallocate = {.offset = UINT64_MAX, .length = 2}}, C},
        {{.verb = FSOP_VERB_FALLOCATE, .args.fallocate = {.mode = FSOP_FALLOCATE_PUNCH_HOLE, .offset = 1 << 30, .length = 1}}, E},
        {{.verb = FSOP_VERB_FALLOCATE, .args.fallocate = {.mode = FSOP_FALLOCATE_COLLAPSE_RANGE, .offset = 1 << 30, .length = 1}}, E},
        {{.verb = FSOP_VERB_FALLOCATE, .args.fallocate = {.mode = FSOP_FALLOCATE_ZERO_RANGE, .offset = 1 << 30, .length = 1}}, C},
        {{.verb = FSOP_VERB_WRITE, .args.write = {.offset = (1 << 20) - 5, .data = {NULL, 5}}}, E},
        {{.verb = FSOP_VERB_WRITE, .args.write = {.offset = (1 << 20) - 5, .data = {NULL, 6}}}, C},
};

START_TEST(largest_size) {
        load_rule("allow", "max-bytes: 1M");
        ck_assert_int_eq(kind_of(sizes[_i].op, "/srv/build/x"), sizes[_i].kind);
        load_rule("allow", "");
        if (sizes[_i].op.args.fallocate.offset != UINT64_MAX)
                ck_assert_int_eq(kind_of(sizes[_i].op, "/srv/build/x"), E);
}
END_TEST

/* An open asks for everything that the handle can be used for. */
START_TEST(open_permissions) {
        struct operation op = {.verb = FSOP_VERB_OPEN, .args.open.read = true};

        load("rules:\n  - {name: a, effect: allow, user: builder, path: /srv/build, ops: [open, read]}\n");
        ck_assert_int_eq(kind_of(op, "/srv/build/x"), E);
        op.args.open.write = true;
        ck_assert_int_eq(kind_of(op, "/srv/build/x"), C);
        load("rules:\n  - {name: a, effect: allow, user: builder, path: /srv/build, ops: [open, read]}\n"
             "  - {name: b, effect: allow, user: builder, path: /srv/build, ops: [write]}\n");
        ck_assert_int_eq(kind_of(op, "/srv/build/x"), C); /* one rule must grant the whole */
        load("rules:\n  - {name: a, effect: allow, user: builder, path: /srv/build, ops: [all]}\n"
             "  - {name: b, effect: deny, user: builder, path: /srv/build/x, ops: [truncate]}\n");
        ck_assert_int_eq(kind_of(op, "/srv/build/x"), E);
        op.args.open.truncate = true;
        ck_assert_int_eq(kind_of(op, "/srv/build/x"), D);
        op.verb = FSOP_VERB_OPEN_FD; /* is in no group */
        ck_assert_int_eq(kind_of(op, "/srv/build/y"), C);
}
END_TEST

START_TEST(first_rule_that_grants_all) {
        struct verdict verdict;

        load("rules:\n  - {name: small, effect: allow, user: builder, path: /srv/build, ops: truncate, max-bytes: 1K}\n"
             "  - {name: large, effect: allow, user: builder, path: /srv, ops: truncate, max-bytes: 1G}\n");
        verdict = ask(&builder, (struct operation){.verb = FSOP_VERB_TRUNCATE, .args.truncate.size = 1000}, "/srv/build/x", NULL);
        ck_assert_str_eq(verdict.rule->name, "small");
        verdict = ask(&builder, (struct operation){.verb = FSOP_VERB_TRUNCATE, .args.truncate.size = 10000}, "/srv/build/x", NULL);
        ck_assert_str_eq(verdict.rule->name, "large");
        verdict = ask(&builder, (struct operation){.verb = FSOP_VERB_TRUNCATE, .args.truncate.size = 1ull << 40}, "/srv/build/x", NULL);
        ck_assert_int_eq(verdict.kind, C);
        ck_assert_str_eq(verdict.nearest->name, "small");
        ck_assert_ptr_nonnull(strstr(verdict.why, "max-bytes"));
}
END_TEST

/* ---- two ends ------------------------------------------------------------------------------------------------------------ */

#define TWO_TREES                                                                                                      \
        "rules:\n  - {name: a, effect: allow, user: builder, path: [/srv/build, /srv/second], ops: [rename, link, copy]}\n"     \
        "  - {name: b, effect: allow, user: builder, path: /srv/other, ops: [rename, link, copy-to]}\n"                           \
        "  - {name: c, effect: allow, user: builder, path: /srv/source, ops: [copy-from]}\n"

static const struct {
        enum fsop_verb verb;
        const char *at, *to;
        enum verdict_kind kind;
} pairs[] = {
        {FSOP_VERB_RENAME, "/srv/build/x", "/srv/build/y", E},  {FSOP_VERB_LINK, "/srv/build/x", "/srv/build/y", E},
        {FSOP_VERB_RENAME, "/srv/second/x", "/srv/second/y", E}, {FSOP_VERB_RENAME, "/srv/build/x", "/srv/second/y", C},
        {FSOP_VERB_RENAME, "/srv/build/x", "/srv/other/y", C},  {FSOP_VERB_LINK, "/srv/build/x", "/srv/other/y", C},
        {FSOP_VERB_LINK, "/tmp/x", "/srv/build/y", C},          {FSOP_VERB_LINK, "/srv/build/x", "/tmp/y", C},
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
        struct operation op = {.verb = FSOP_VERB_COPY_RANGE,
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

/* ---- ends that are not paths ----------------------------------------------------------------------------------------------- */

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
        ck_assert_int_eq(ask_fd(&builder, op, "/srv/build/in", "x").kind, C); /* the root was never opened: not known, so no */
        {
                struct root *root;

                ck_assert_int_eq(root_acquire(roots, policy->rules[0], 0, &builder, &root), 0);
                ck_assert_int_eq(ask_fd(&builder, op, "/srv/build/in", "x").kind, C); /* nor when it is only about to be */
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
        ck_assert_int_eq(ask_fd(&builder, op, "/srv/other", "x").kind, D); /* whether it lies there is not known yet: denied */
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
        load("rules:\n  - {name: b, effect: allow, user: builder, path: /srv, ops: [read]}\n"); /* a reload took it away */
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

        load("rules:\n  - {name: a, effect: allow, user: builder, path: /srv/build, ops: [read, write]}\n"
             "  - {name: d, effect: deny, user: builder, path: /srv/build/keep, ops: write}\n");
        ck_assert_int_eq(ask_end(&builder, op, end).kind, E);
        op.verb = FSOP_VERB_WRITE;
        ck_assert_int_eq(ask_end(&builder, op, end).kind, D);
        end.path = text("/srv/build/x");
        ck_assert_int_eq(ask_end(&builder, op, end).kind, E);
}
END_TEST

/* A deny of something else: nothing is carried out of its directory, nor the directory itself. */
START_TEST(renames_out_of_a_denied_directory) {
        static const struct {
                const char *at, *to;
                enum verdict_kind kind;
        } moves[] = {{"/srv/build/keep/f", "/srv/build/f", C}, {"/srv/build/f", "/srv/build/keep/f", C}, {"/srv/build/keep", "/srv/build/k", C},
                     {"/srv/build/a", "/srv/build/b", E},      {"/srv/build/keeper", "/srv/build/b", E}, {"/srv/build/f", "/srv/build/keep", C}};

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

/* ---- saying it in words ------------------------------------------------------------------------------------------------------ */

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
        load("rules:\n  - {name: a, effect: allow, user: builder, path: /srv/build, ops: [chown, unlink], chown-to: '5:5'}\n"
             "  - {name: d, effect: deny, user: builder, path: /srv/build/no, ops: all}\n"
             "  - {name: w, effect: audit, user: builder, path: /srv/build, ops: all, chown-to: '*:*'}\n"
             "  - {name: i, effect: allow, user: ghost, path: /ghost, ops: all}\n"
             "  - {name: c, effect: allow, user: builder, path: /c, ops: copy-from}\n"
             "  - {name: t, effect: allow, user: builder, path: /t, ops: copy-to}\n");
        explain(&builder, chown_to(5, 5), "/srv/build/x", NULL);
        ck_assert(explained.allowed && explained.as == FSOP_AS_ELEVATED && says(explained.rule, "a") && says(explained.where, "/p/rules.yaml:2"));
        ck_assert(says(explained.reason, "a rule allows it"));
        explain(&builder, chown_to(6, 6), "/srv/build/x", NULL);
        ck_assert(explained.allowed && explained.as == FSOP_AS_CALLER && explained.rule.len == 0);
        ck_assert(says(explained.reason, "chown-to") && says(explained.reason, "the kernel decides"));
        ck_assert_uint_eq(explained.n_notes, 2);
        ck_assert(says(explained.notes[0], "rule 'a' at /p/rules.yaml:2") && says(explained.notes[1], "audit rule 'w'"));
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
        ck_assert(says(explained.reason, "no rule allows it") && explained.n_notes == 1 && says(explained.notes[0], "'i'"));
        explain(&builder, an_op(FSOP_VERB_COPY_RANGE), "/c/x", "/t/y");
        ck_assert(says(explained.rule, "t") && says(explained.notes[0], "rule 'c'"));
        explain(&builder, an_op(FSOP_VERB_COPY_RANGE), "/c/x", "/u/y");
        ck_assert(says(explained.reason, "the target is written with the caller's"));
        explain(&builder, an_op(FSOP_VERB_COPY_RANGE), "/d/x", "/t/y");
        ck_assert(says(explained.reason, "the source is read with the caller's"));
        explain(&builder, an_op(FSOP_VERB_PING), "/d/x", NULL);
        ck_assert(explained.allowed && says(explained.reason, "the kernel decides"));
        arena_fini(&words);
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
                {{.verb = FSOP_VERB_SETXATTR, .args.xattr.name = {(const uint8_t *)"trusted.x", 9}}, "/srv/build/x", "xattrs"},
                {{.verb = FSOP_VERB_CHMOD, .args.chmod.set = 04000}, "/srv/build/x", "set-id"},
                {{.verb = FSOP_VERB_FALLOCATE, .args.fallocate = {.offset = UINT64_MAX, .length = 5}}, "/srv/build/x", "out of range"},
                {{.verb = FSOP_VERB_STAT}, "/srv/build/own", "daemon's own"},
                {{.verb = FSOP_VERB_STAT}, "/srv/build/keep", "excludes"},
                {{.verb = FSOP_VERB_OPEN_FD}, "/srv/build/x", "ops"},
                {{.verb = FSOP_VERB_STAT}, "/elsewhere", "no rule"},
        };

        load("rules:\n  - {name: a, effect: allow, user: builder, path: /srv/build, exclude: /srv/build/keep, ops: all}\n");
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
        ck_assert_str_eq(rule_where(rules[0]), "/p/rules.yaml:18");
}
END_TEST

START_TEST(whose_is_what_is_created) {
        uint32_t uid, gid;
        bool service;

        load_rule("allow", "");
        ck_assert_int_eq(rule_create_as(policy->rules[0], &alice, &uid, &gid, &service), 0);
        ck_assert(uid == 1001 && gid == 1001 && !service);
        load_rule("allow", "create-as: caller");
        ck_assert_int_eq(rule_create_as(policy->rules[0], &alice, &uid, &gid, &service), 0);
        ck_assert(uid == 1001 && !service);
        load_rule("allow", "create-as: service");
        ck_assert_int_eq(rule_create_as(policy->rules[0], &alice, &uid, &gid, &service), 0);
        ck_assert(uid == 0 && gid == 0 && service);
        load_rule("allow", "create-as: 'www-data:staff'");
        ck_assert_int_eq(rule_create_as(policy->rules[0], &alice, &uid, &gid, &service), 0);
        ck_assert(uid == 33 && gid == 50 && !service);
        load_rule("allow", "create-as: 'ghost:staff'"); /* nobody to create for: inert */
        ck_assert_int_eq(kind(FSOP_VERB_MKDIR, "/srv/build/x"), C);
        {
                struct peer nobody = {.uid = WIRE_NOBODY, .gid = 5};

                load_rule("allow", "");
                ck_assert_int_eq(rule_create_as(policy->rules[0], &nobody, &uid, &gid, &service), -FSOP_EINVAL);
                nobody = (struct peer){.uid = 5, .gid = WIRE_NOBODY};
                ck_assert_int_eq(rule_create_as(policy->rules[0], &nobody, &uid, &gid, &service), -FSOP_EINVAL);
        }
}
END_TEST

#define LOOP(tcase, test, rows) tcase_add_loop_test(tcase, test, 0, (int)(sizeof(rows) / sizeof((rows)[0])))

int main(void) {
        Suite *suite = suite_create("decide");
        TCase *tcase = tcase_create("decide");
        SRunner *runner;
        int failed;

        tcase_add_checked_fixture(tcase, setup, teardown);
        LOOP(tcase, decision_table, table);
        tcase_add_test(tcase, foreign_paths_are_refused_for_every_verb);
        tcase_add_test(tcase, foreign_path_beside_a_descriptor);
        tcase_add_test(tcase, audit_rules_are_not_near);
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
        LOOP(tcase, allowed_subjects, subjects);
        LOOP(tcase, denied_subjects, denied);
        LOOP(tcase, owner_patterns, owners);
        LOOP(tcase, device_patterns, devices);
        LOOP(tcase, xattr_patterns, xattrs);
        LOOP(tcase, set_id_bits, with_set_id);
        tcase_add_test(tcase, modes_without_set_id);
        LOOP(tcase, largest_size, sizes);
        tcase_add_test(tcase, open_permissions);
        tcase_add_test(tcase, first_rule_that_grants_all);
        LOOP(tcase, rename_and_link, pairs);
        tcase_add_test(tcase, copies);
        tcase_add_test(tcase, copy_conditions_are_the_target_s);
        tcase_add_test(tcase, denies_of_either_end);
        tcase_add_test(tcase, passed_directories);
        tcase_add_test(tcase, passed_directories_and_denies);
        tcase_add_test(tcase, passed_files);
        tcase_add_test(tcase, held_handles);
        tcase_add_test(tcase, held_handle_without_a_place);
        tcase_add_test(tcase, renames_out_of_a_denied_directory);
        tcase_add_test(tcase, held_handle_and_path);
        tcase_add_test(tcase, path_and_ancestors);
        tcase_add_test(tcase, explanations);
        tcase_add_test(tcase, every_refusal_has_its_reason);
        tcase_add_test(tcase, candidates);
        tcase_add_test(tcase, whose_is_what_is_created);
        suite_add_tcase(suite, tcase);
        runner = srunner_create(suite);
        srunner_run_all(runner, CK_ENV);
        failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed != 0;
}
