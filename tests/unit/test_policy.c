/* SPDX-License-Identifier: MIT */
/*
 * test_policy.c: which files make a policy, what is wrong with them and where, and what their keys come to.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/names.h"
#include "tests/support/policy_kit.h"
#include "tests/support/suite.h"

static int load_dirs(void) {
        static const char *const directories[] = {"/usr/policy", "/etc/policy"};

        return load_from(directories, 2, NULL, 0);
}

static const struct policy_note *note_with(const char *text) {
        for (uint32_t i = 0; i < report.n_notes; i++)
                if (strstr(report.notes[i].text, text))
                        return &report.notes[i];
        return NULL;
}

static void names_are(const char *names) {
        char found[256] = "";

        for (uint32_t i = 0; i < policy->n_rules; i++)
                snprintf(found + strlen(found), sizeof(found) - strlen(found), "%s%s", i ? " " : "",
                         policy->rules[i]->name);
        ck_assert_str_eq(found, names);
}

#define RULE(name) "rules:\n  - {name: " name ", effect: allow, user: builder, path: /srv/build, ops: stat}\n"

/* ---- files ------------------------------------------------------------------------------------------------------- */

START_TEST(nothing_is_a_policy) {
        ck_assert_int_eq(load_dirs(), 0);
        ck_assert_uint_eq(policy->n_rules, 0);
        ck_assert_uint_eq(report.n_notes, 0);
        ck_assert_int_eq(load_text(""), 0);
        ck_assert_int_eq(load_text("rules:\n"), 0);
        ck_assert_int_eq(load_text("rules: []\n"), 0);
        ck_assert_uint_eq(report.n_rules, 0);
}
END_TEST

START_TEST(order_and_override) {
        fake_file_add("/usr/policy/20-b.yaml", RULE("vendor-b"));
        fake_file_add("/usr/policy/10-a.conf", RULE("vendor-a"));
        fake_file_add("/usr/policy/30-c.yml", RULE("vendor-c"));
        fake_file_add("/etc/policy/20-b.yaml", RULE("mine-b"));
        fake_file_add("/etc/policy/15-x.yaml", RULE("mine-x"));
        fake_file_add("/etc/policy/README", "not: ours");
        fake_file_add("/etc/policy/.hidden.yaml", "not: ours");
        fake_file_add("/etc/policy/a.yaml~", "not: ours");
        fake_file_add("/etc/policy/30-c.yml", "")->masked = true;
        ck_assert_int_eq(load_dirs(), 0);
        names_are("vendor-a mine-x mine-b");
        ck_assert_uint_eq(report.n_rules, 3);
        ck_assert_str_eq(policy->rules[2]->where, "/etc/policy/20-b.yaml:2");
}
END_TEST

START_TEST(names_are_unique_over_all_files) {
        fake_file_add("/usr/policy/a.yaml", RULE("same"));
        fake_file_add("/etc/policy/b.yaml", RULE("same"));
        ck_assert_int_eq(load_dirs(), -FSOP_EINVAL);
        ck_assert_ptr_null(policy);
        ck_assert_str_eq(report.notes[0].where, "/etc/policy/b.yaml:2:12");
        ck_assert_str_eq(report.notes[0].text, "the name 'same' is taken by the rule at /usr/policy/a.yaml:2");
}
END_TEST

START_TEST(untrusted_files_are_refused) {
        struct fake_file *file = fake_file_add("/etc/policy/a.yaml", RULE("a"));

        file->code = -FSOP_EPERM;
        file->why = "others may write to it";
        fake_file_add("/etc/policy/b.yaml", "rule: []\n");
        ck_assert_int_eq(load_dirs(), -FSOP_EINVAL);
        ck_assert_uint_eq(report.n_notes, 3); /* the other file's mistakes are told too */
        ck_assert(report.notes[0].is_error);
        ck_assert_str_eq(report.notes[0].where, "/etc/policy/a.yaml");
        ck_assert_str_eq(report.notes[0].text, "others may write to it");
        drop();
        fake_list_code = -FSOP_EPERM;
        ck_assert_int_eq(load_dirs(), -FSOP_EINVAL);
        ck_assert_str_eq(report.notes[0].where, "/usr/policy");
        ck_assert_str_eq(report.notes[0].text, "others may write to it");
}
END_TEST

START_TEST(own_paths_must_be_paths) {
        static const char *const own[] = {"relative"};

        ck_assert_int_eq(load_from(NULL, 0, own, 1), -FSOP_EINVAL);
        ck_assert_str_eq(report.notes[0].where, "relative");
}
END_TEST

START_TEST(single_files) {
        const char *const files[] = {"/x/a.yaml", "/x/b.yaml"};

        fake_file_add("/x/a.yaml", RULE("a"));
        fake_file_add("/x/b.yaml", RULE("b"));
        ck_assert_int_eq(policy_load_files(files, 2, true, &policy, &report), 0);
        names_are("a b");
        drop();
        ck_assert_int_eq(policy_load_files(files, 2, false, &policy, &report), 0);
        names_are("a b");
        drop();
        fake_n_files = 1;
        ck_assert_int_eq(policy_load_files(files, 2, true, &policy, &report), -FSOP_EINVAL);
        ck_assert_str_eq(report.notes[0].where, "/x/b.yaml");
}
END_TEST

START_TEST(a_policy_is_counted) {
        struct policy *same;

        ck_assert_int_eq(load_text(RULE("a")), 0);
        same = policy_ref(policy);
        policy = policy_unref(policy);
        ck_assert_str_eq(same->rules[0]->name, "a");
        policy_unref(same);
        ck_assert_ptr_null(policy_unref(NULL));
}
END_TEST

/* ---- mistakes ---------------------------------------------------------------------------------------------------- */

#define FULL "  - name: a\n    effect: allow\n    user: builder\n    path: /srv/build\n    ops: stat\n"
#define FULL_DENY "  - name: a\n    effect: deny\n    user: builder\n    path: /srv/build\n    ops: stat\n"

static const struct {
        const char *text, *where, *message;
} bad[] = {
        {"rulez: []\n", "/p/a.yaml:1:1", "unknown key 'rulez'; did you mean 'rules'?"},
        {"rules: 3\n", "/p/a.yaml:1:8", "a list of rules must stand here"},
        {"rules: {}\n", "/p/a.yaml:1:8", "a list of rules must stand here"},
        {"rules: [x]\n", "/p/a.yaml:1:9", "a map (KEY: VALUE) must stand here, not a value"},
        {"{}\n", "/p/a.yaml:1:1", "key 'rules' is missing"},
        {"rules:\n" FULL "    pathh: /x\n", "/p/a.yaml:7:5", "unknown key 'pathh'; did you mean 'path'?"},
        {"rules:\n" FULL "    path: /x\n", "/p/a.yaml:7:5", "key 'path' is given twice; the first is in line 5"},
        {"rules:\n  - effect: allow\n    user: builder\n    path: /x\n    ops: stat\n", "/p/a.yaml:2:5",
         "key 'name' is missing"},
        {"rules:\n  - name: a\n    user: builder\n    path: /x\n    ops: stat\n", "/p/a.yaml:2:5",
         "key 'effect' is missing"},
        {"rules:\n  - name: a\n    effect: allow\n    user: builder\n    ops: stat\n", "/p/a.yaml:2:5",
         "key 'path' is missing"},
        {"rules:\n  - name: a\n    effect: allow\n    user: builder\n    path: /x\n", "/p/a.yaml:2:5",
         "key 'ops' is missing"},
        {"rules:\n  - name: a\n    effect: allow\n    path: /x\n    ops: stat\n", "/p/a.yaml:2:5",
         "a subject is missing: user, group or key"},
        {"rules:\n  - {name: \"a\\nb\", effect: allow}\n", "/p/a.yaml:2:12", "a name must not have control characters"},
        {"rules:\n  - {name: '', effect: allow}\n", "/p/a.yaml:2:12", "a value is missing here"},
        {"rules:\n  - {name: "
         "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
         "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, effect: allow}\n",
         "/p/a.yaml:2:12", "a name may have at most 128 bytes"},
        {"rules:\n  - {name: a, effect: permit}\n", "/p/a.yaml:2:23", "'permit' must be allow, deny or audit"},
        {"rules:\n" FULL "    group: 'x:y'\n", "/p/a.yaml:7:12", "'x:y' must be a name or a number"},
        {"rules:\n" FULL "    group: '*'\n", "/p/a.yaml:7:12", "'*' must be a name or a number"},
        {"rules:\n" FULL "    group: []\n", "/p/a.yaml:7:12", "this list is empty; leave the key out instead"},
        {"rules:\n" FULL "    group: '4294967295'\n", "/p/a.yaml:7:12",
         "'4294967295' must be a number below 4294967295"},
        {"rules:\n" FULL "    group: '99999999999999999999'\n", "/p/a.yaml:7:12",
         "'99999999999999999999' must be a number"},
        {"rules:\n" FULL "    key: {a: b}\n", "/p/a.yaml:7:10", "a value or a list must stand here"},
        {"rules:\n  - {name: a, effect: allow, path: relative}\n", "/p/a.yaml:2:36",
         "a path must be absolute: 'relative'"},
        {"rules:\n  - {name: a, effect: allow, path: /a/../b}\n", "/p/a.yaml:2:36",
         "a path must not have empty components"},
        {"rules:\n  - {name: a, effect: allow, path: /a//b}\n", "/p/a.yaml:2:36",
         "a path must not have empty components"},
        {"rules:\n  - {name: a, effect: allow, path: //}\n", "/p/a.yaml:2:36", "a path must not have empty components"},
        {"rules:\n  - {name: a, effect: allow, path: /a/.}\n", "/p/a.yaml:2:36",
         "a path must not have empty components"},
        {"rules:\n  - {name: a, effect: allow, path: '/srv/*'}\n", "/p/a.yaml:2:36", "a path has no patterns"},
        {"rules:\n  - {name: a, effect: allow, path: '/home/%h'}\n", "/p/a.yaml:2:36",
         "a % must be %u (the caller's name) or %%"},
        {"rules:\n  - {name: a, effect: allow, path: '/home/%'}\n", "/p/a.yaml:2:36", "a % must be %u"},
        {"rules:\n  - {name: a, effect: allow, path: [/x, [y]]}\n", "/p/a.yaml:2:41",
         "one value must stand here, not a list"},
        {"rules:\n" FULL "    exclude: /srv/other\n", "/p/a.yaml:7:5",
         "'/srv/other' is beneath none of the rule's paths"},
        {"rules:\n" FULL "    exclude: /srv/build\n", "/p/a.yaml:7:5",
         "'/srv/build' is beneath none of the rule's paths"},
        {"rules:\n" FULL "    exclude: /srv/building\n", "/p/a.yaml:7:5",
         "'/srv/building' is beneath none of the rule's paths"},
        {"rules:\n" FULL "    exclude: x\n", "/p/a.yaml:7:14", "a path must be absolute: 'x'"},
        {"rules:\n" FULL_DENY "    exclude: /srv/build/x\n", "/p/a.yaml:7:5", "'exclude' cannot stand in a deny"},
        {"rules:\n  - {name: a, effect: allow, ops: [stat, chwon]}\n", "/p/a.yaml:2:42",
         "unknown operation 'chwon'; did you mean 'chown'?"},
        {"rules:\n  - {name: a, effect: allow, ops: mv}\n", "/p/a.yaml:2:35",
         "unknown operation 'mv'; did you mean 'rename'?"},
        {"rules:\n  - {name: a, effect: allow, ops: xatr}\n", "/p/a.yaml:2:35",
         "unknown operation 'xatr'; did you mean 'xattr'?"},
        {"rules:\n  - {name: a, effect: allow, ops: everything}\n", "/p/a.yaml:2:35",
         "unknown operation 'everything'; names of operations"},
        {"rules:\n  - {name: a, effect: allow, ops: ping}\n", "/p/a.yaml:2:35",
         "'ping' needs no rule and cannot stand in one"},
        {"rules:\n  - {name: a, effect: allow, ops: {a: b}}\n", "/p/a.yaml:2:35", "a value or a list must stand here"},
        {"rules:\n" FULL "    chown-to: builder\n", "/p/a.yaml:7:15",
         "'builder' must be OWNER:GROUP; write OWNER:* for any group"},
        {"rules:\n" FULL "    chown-to: 'builder:'\n", "/p/a.yaml:7:15", "'builder:' must be OWNER:GROUP, each a name"},
        {"rules:\n" FULL "    chown-to: ':builder'\n", "/p/a.yaml:7:15", "':builder' must be OWNER:GROUP, each a name"},
        {"rules:\n" FULL "    chown-to: 'a:b:c'\n", "/p/a.yaml:7:15", "'a:b:c' must be OWNER:GROUP, each a name"},
        {"rules:\n" FULL "    chown-to: '9-5:*'\n", "/p/a.yaml:7:15", "'9-5:*' must be OWNER:GROUP, each a name"},
        {"rules:\n" FULL "    chown-to: '4294967295:*'\n", "/p/a.yaml:7:15",
         "'4294967295:*' must be OWNER:GROUP, each a name"},
        {"rules:\n" FULL "    chown-to: '0-4294967295:*'\n", "/p/a.yaml:7:15",
         "'0-4294967295:*' must be OWNER:GROUP, each a name"},
        {"rules:\n" FULL "    chown-to: '5-:*'\n", "/p/a.yaml:7:15", "'5-:*' must be OWNER:GROUP, each a name"},
        {"rules:\n" FULL "    devices: c 1\n", "/p/a.yaml:7:14",
         "'c 1' must be \"c MAJOR:MINOR\" or \"b MAJOR:MINOR\""},
        {"rules:\n" FULL "    devices: 'x 1:3'\n", "/p/a.yaml:7:14", "'x 1:3' must be \"c MAJOR:MINOR\""},
        {"rules:\n" FULL "    devices: 'c1:3'\n", "/p/a.yaml:7:14", "'c1:3' must be \"c MAJOR:MINOR\""},
        {"rules:\n" FULL "    devices: 'c 1:4294967296'\n", "/p/a.yaml:7:14", "'c 1:4294967296' must be"},
        {"rules:\n" FULL "    devices: 'c 4096:0'\n", "/p/a.yaml:7:14",
         "'c 4096:0': there is no such device; a major number is at most 4095, a minor one 1048575"},
        {"rules:\n" FULL "    devices: 'b 8:0-1048576'\n", "/p/a.yaml:7:14",
         "'b 8:0-1048576': there is no such device"},
        {"rules:\n" FULL "    devices: 'c 01:3'\n", "/p/a.yaml:7:14",
         "'c 01:3': numbers are decimal here; write 1 for 01, or its value if octal was meant"},
        {"rules:\n" FULL "    devices: 'c 1:3-007'\n", "/p/a.yaml:7:14", "'c 1:3-007': numbers are decimal here"},
        {"rules:\n" FULL "    group: '0100'\n", "/p/a.yaml:7:12",
         "'0100': numbers are decimal here; write 100 for 0100"},
        {"rules:\n" FULL "    group: '000'\n", "/p/a.yaml:7:12", "'000': numbers are decimal here; write 0 for 000,"},
        {"rules:\n" FULL "    chown-to: '0100:*'\n", "/p/a.yaml:7:15", "'0100:*': numbers are decimal here"},
        {"rules:\n" FULL "    chown-to: '*:100-0200'\n", "/p/a.yaml:7:15", "'*:100-0200': numbers are decimal here"},
        {"rules:\n" FULL "    create-as: '1:01'\n", "/p/a.yaml:7:16", "'1:01': numbers are decimal here"},
        {"rules:\n" FULL "    max-bytes: 010G\n", "/p/a.yaml:7:16", "'010G': numbers are decimal here"},
        {"rules:\n" FULL "    devices: 'c 1:-3'\n", "/p/a.yaml:7:14", "'c 1:-3' must be"},
        {"rules:\n" FULL "    xattrs: 'us*r.x'\n", "/p/a.yaml:7:13", "'us*r.x': a * may stand at the end only"},
        {"rules:\n" FULL "    xattrs: 'security.*'\n", "/p/a.yaml:7:13",
         "'security.*': attributes of security.* must be named in full"},
        {"rules:\n" FULL "    xattrs: 'security.cap*'\n", "/p/a.yaml:7:13",
         "'security.cap*': attributes of security.*"},
        {"rules:\n" FULL "    xattrs: 'system.posix_acl_*'\n", "/p/a.yaml:7:13",
         "'system.posix_acl_*': attributes of system.posix_acl_*"},
        {"rules:\n" FULL "    xattrs: 'trusted.overlay.*'\n", "/p/a.yaml:7:13",
         "'trusted.overlay.*': attributes of trusted.overlay.*"},
        {"rules:\n" FULL "    max-bytes: big\n", "/p/a.yaml:7:16", "'big' must be a number of bytes"},
        {"rules:\n" FULL "    max-bytes: 9999999T\n", "/p/a.yaml:7:16", "'9999999T' must be from 0 to"},
        {"rules:\n" FULL "    set-id: maybe\n", "/p/a.yaml:7:13", "'maybe' must be true, false, yes or no"},
        {"rules:\n" FULL "    links: two\n", "/p/a.yaml:7:12", "'two' must be one or any"},
        {"rules:\n" FULL "    owned-by: root\n", "/p/a.yaml:7:15", "'root' must be caller"},
        {"rules:\n" FULL "    create-as: builder\n", "/p/a.yaml:7:16", "'builder' must be OWNER:GROUP"},
        {"rules:\n" FULL "    create-as: 'builder:*'\n", "/p/a.yaml:7:16",
         "create-as must be caller, service or one OWNER:GROUP"},
        {"rules:\n" FULL "    create-as: '5-6:7'\n", "/p/a.yaml:7:16",
         "create-as must be caller, service or one OWNER:GROUP"},
        {"rules:\n" FULL "    one-filesystem: 1\n", "/p/a.yaml:7:21", "'1' must be true, false, yes or no"},
        {"rules:\n" FULL "    foreign-parent: 1\n", "/p/a.yaml:7:21", "'1' must be true, false, yes or no"},
        {"rules:\n" FULL_DENY "    max-bytes: 1\n", "/p/a.yaml:7:16",
         "'max-bytes' limits what a rule allows and cannot stand in a deny"},
        {"rules:\n" FULL_DENY "    total-bytes: 1\n", "/p/a.yaml:7:18", "'total-bytes' limits what"},
        {"rules:\n" FULL_DENY "    set-id: true\n", "/p/a.yaml:7:13", "'set-id' limits what"},
        {"rules:\n" FULL_DENY "    links: any\n", "/p/a.yaml:7:12", "'links' limits what"},
        {"rules:\n" FULL_DENY "    foreign-parent: true\n", "/p/a.yaml:7:21", "'foreign-parent' limits what"},
        {"rules:\n" FULL_DENY "    owned-by: caller\n", "/p/a.yaml:7:15", "'owned-by' limits what"},
        {"rules:\n" FULL_DENY "    create-as: caller\n", "/p/a.yaml:7:16", "'create-as' limits what"},
        {"rules:\n" FULL_DENY "    one-filesystem: true\n", "/p/a.yaml:7:21", "'one-filesystem' limits what"},
        {"rules:\n  - &x {name: a}\n", "/p/a.yaml:2:5", "anchors (&x) are not allowed"},
        {"rules:\n  - name: a\n    user: *u\n", "/p/a.yaml:3:11", "aliases (*u) are not allowed"},
        {"rules: [\n", "/p/a.yaml:2:1", "did not find expected node content"},
};

START_TEST(mistakes) {
        ck_assert_int_eq(load_text(bad[_i].text), -FSOP_EINVAL);
        ck_assert_ptr_null(policy);
        for (uint32_t i = 0; i < report.n_notes; i++)
                if (report.notes[i].is_error && strcmp(report.notes[i].where, bad[_i].where) == 0 &&
                    strncmp(report.notes[i].text, bad[_i].message, strlen(bad[_i].message)) == 0)
                        return;
        for (uint32_t i = 0; i < report.n_notes; i++)
                fprintf(stderr, "%s: %s\n", report.notes[i].where, report.notes[i].text);
        ck_abort_msg("not said: %s: %s", bad[_i].where, bad[_i].message);
}
END_TEST

START_TEST(all_mistakes_are_told) {
        ck_assert_int_eq(
                load_text("rules:\n  - {name: a, effekt: allow, user: builder, path: x, ops: [nothing, chwon]}\n"
                          "  - {name: b, effect: allow, user: builder, path: /srv, ops: stat, colour: red}\n"),
                -FSOP_EINVAL);
        ck_assert_uint_eq(report.n_notes, 6);
        ck_assert_ptr_nonnull(note_with("did you mean 'effect'"));
        ck_assert_ptr_nonnull(note_with("must be absolute"));
        ck_assert_ptr_nonnull(note_with("unknown operation 'nothing'"));
        ck_assert_ptr_nonnull(note_with("did you mean 'chown'"));
        ck_assert_ptr_nonnull(note_with("key 'effect' is missing"));
        ck_assert_ptr_nonnull(note_with("unknown key 'colour'"));
}
END_TEST

START_TEST(many_mistakes_are_not_kept) {
        static char text[65536];
        size_t len = (size_t)sprintf(text, "rules:\n");

        for (unsigned i = 0; i < 400; i++)
                len += (size_t)sprintf(text + len,
                                       "  - {name: n%u, effect: allow, user: ghost%u, path: /srv/build, ops: stat}\n",
                                       i, i);
        sprintf(text + len, "  - nonsense\n");
        ck_assert_int_eq(load_text(text), -FSOP_EINVAL);
        ck_assert_uint_eq(report.n_notes, 257);
        ck_assert(report.notes[256].is_error);
}
END_TEST

START_TEST(too_many_rules) {
        size_t size = 5000 * 90;
        char *text = malloc(size);
        size_t len = (size_t)sprintf(text, "rules:\n");

        for (unsigned i = 0; i < 4097; i++)
                len += (size_t)sprintf(
                        text + len, "  - {name: n%u, effect: allow, user: builder, path: /srv/build, ops: stat}\n", i);
        ck_assert_int_eq(load_text(text), -FSOP_EINVAL);
        ck_assert_ptr_nonnull(note_with("more than 4096 rules"));
        free(text);
}
END_TEST

/* ---- warnings ---------------------------------------------------------------------------------------------------- */

static const struct {
        const char *keys, *where, *message;
        bool inert;
} warnings[] = {
        {"user: ghost", "/p/a.yaml:2:58", "user 'ghost' does not exist: nobody is meant by it", true},
        {"user: ghost", "/p/a.yaml:2:58", "the rule is inert: none of its users exists", true},
        {"user: [ghost, builder]", "/p/a.yaml:2:59", "user 'ghost' does not exist", false},
        {"user: broken", "/p/a.yaml:2:58", "user 'broken' could not be looked up", true},
        {"group: ghosts", "/p/a.yaml:2:59", "group 'ghosts' does not exist", true},
        {"group: ghosts", "/p/a.yaml:2:59", "the rule is inert: none of its groups exists", true},
        {"key: abc", "/p/a.yaml:2:57", "nobody can show a key yet: the rule is inert", true},
        {"user: builder, chown-to: 'ghost:*'", "/p/a.yaml:2:77", "user 'ghost' does not exist", false},
        {"user: builder, chown-to: '*:ghosts'", "/p/a.yaml:2:77", "group 'ghosts' does not exist", false},
        {"user: builder, create-as: 'ghost:staff'", "/p/a.yaml:2:78", "the rule is inert: it could create for nobody",
         true},
};

START_TEST(who_does_not_exist) {
        char text[512];

        snprintf(text, sizeof(text), "rules:\n  - {name: a, effect: allow, path: /srv, ops: all, %s}\n",
                 warnings[_i].keys);
        ck_assert_int_eq(load_text(text), 0);
        for (uint32_t i = 0; i < report.n_notes; i++) {
                ck_assert(!report.notes[i].is_error);
                if (strcmp(report.notes[i].where, warnings[_i].where) == 0 &&
                    strstr(report.notes[i].text, warnings[_i].message)) {
                        ck_assert_int_eq(policy->rules[0]->inert, warnings[_i].inert);
                        return;
                }
        }
        for (uint32_t i = 0; i < report.n_notes; i++)
                fprintf(stderr, "%s: %s\n", report.notes[i].where, report.notes[i].text);
        ck_abort_msg("not said: %s", warnings[_i].message);
}
END_TEST

START_TEST(denies_of_who_does_not_exist) {
        ck_assert_int_eq(load_text("rules:\n  - {name: a, user: ghost, effect: deny, path: /srv, ops: all}\n"
                                   "  - {name: b, key: abc, effect: deny, path: /srv, ops: all}\n"),
                         0);
        ck_assert_ptr_nonnull(note_with("user 'ghost' does not exist: this deny is for everyone"));
        ck_assert_ptr_nonnull(note_with("for this deny everyone has it"));
        ck_assert(!policy->rules[0]->inert && !policy->rules[1]->inert);
}
END_TEST

START_TEST(directories_that_do_not_exist) {
        fake_directory_add("/file", -FSOP_ENOTDIR);
        fake_directory_add("/hidden", -FSOP_EACCES);
        ck_assert_int_eq(
                load_text("rules:\n  - {name: a, user: builder, effect: allow, path: [/none, /srv, '/home/%u', "
                          "/file, /hidden, /], ops: all}\n"),
                0);
        ck_assert_uint_eq(report.n_notes, 2);
        ck_assert_str_eq(report.notes[0].text, "directory '/none' does not exist (yet): this path is inert");
        ck_assert_str_eq(report.notes[0].where, "/p/a.yaml:2:52");
        ck_assert_str_eq(report.notes[1].text, "'/file' is not a directory: only in a deny this path means anything");
}
END_TEST

START_TEST(paths_to_the_daemon_itself) {
        ck_assert_int_eq(load_text("rules:\n  - {name: a, user: builder, effect: allow, path: [/etc/fsopd, "
                                   "/srv/build], ops: all}\n"),
                         0);
        ck_assert_uint_eq(report.n_notes, 1);
        ck_assert_ptr_nonnull(note_with("no rule reaches the daemon's own files"));
}
END_TEST

START_TEST(chown_to_nobody) {
        ck_assert_int_eq(load_text("rules:\n  - {name: a, user: builder, effect: allow, path: /srv, ops: chown}\n"), 0);
        ck_assert_ptr_nonnull(note_with("without chown-to no owner can be given"));
}
END_TEST

START_TEST(who_may_not_connect) {
        ck_assert_int_eq(
                load_text("rules:\n  - {name: a, user: [root, builder, alice, '4711'], effect: allow, path: /srv, "
                          "ops: all}\n"
                          "  - {name: b, user: alice, effect: deny, path: /srv, ops: all}\n"
                          "  - {name: c, user: ghost, effect: allow, path: /srv, ops: all}\n"),
                0);
        policy_report_fini(&report);
        ck_assert_int_eq(policy_warn_connect(policy, 50, &report), 0);
        ck_assert_uint_eq(report.n_notes, 2);
        ck_assert_str_eq(report.notes[0].text, "uid 1001 may not connect: it is not in the socket's group");
        ck_assert_str_eq(report.notes[0].where, "/p/a.yaml:2");
        ck_assert_str_eq(report.notes[1].text, "uid 4711 may not connect: it is not in the socket's group");
}
END_TEST

/* ---- what a rule says without its keys --------------------------------------------------------------------------- */

START_TEST(values) {
        const struct rule *rule;

        ck_assert_int_eq(load_text("rules:\n" FULL), 0);
        rule = policy->rules[0];
        ck_assert(!rule->set_id && !rule->links_any && !rule->foreign_parent && !rule->owned_by_caller &&
                  !rule->one_filesystem);
        ck_assert(!rule->has_bytes_max && !rule->has_bytes_total && rule->create_as == CREATE_AS_CALLER);
        ck_assert_int_eq(
                load_text("rules:\n" FULL
                          "    set-id: yes\n    links: any\n    foreign-parent: true\n    owned-by: caller\n"
                          "    one-filesystem: true\n    max-bytes: 10G\n    total-bytes: 2T\n    create-as: '5:6'\n"),
                0);
        rule = policy->rules[0];
        ck_assert(rule->set_id && rule->links_any && rule->foreign_parent && rule->owned_by_caller &&
                  rule->one_filesystem);
        ck_assert_uint_eq(rule->bytes_max, 10ull << 30);
        ck_assert_uint_eq(rule->bytes_total, 2ull << 40);
        ck_assert_uint_eq(rule->create_uid, 5);
        ck_assert_uint_eq(rule->create_gid, 6);
        ck_assert_int_eq(
                load_text("rules:\n" FULL
                          "    set-id: no\n    links: one\n    foreign-parent: false\n    one-filesystem: false\n"),
                0);
        ck_assert(!policy->rules[0]->set_id && !policy->rules[0]->links_any);
}
END_TEST

START_TEST(trailing_slash_of_a_path) {
        ck_assert_int_eq(
                load_text("rules:\n  - {name: a, effect: allow, user: builder, path: /srv/build/, ops: stat}\n"), 0);
        ck_assert_str_eq(policy->rules[0]->paths[0].text, "/srv/build");
}
END_TEST

/* ---- loaded again ------------------------------------------------------------------------------------------------ */

static const struct peer peer_bob = {.uid = 1002, .gid = 1002};

/* What is loaded now follows what was loaded before. */
static bool is_same_as(struct policy *before) {
        bool same;

        policy_compare(policy, before);
        same = policy_is_same(policy, before, &peer_bob);
        policy_unref(before);
        return same;
}

START_TEST(the_same_again) {
        static const char rule[] = "rules:\n  - {name: r, effect: allow, user: [bob], path: /srv/build, ops: chown, "
                                   "chown-to: ['bob:*']}\n";
        static const char *const others[] = {"rules:\n  - {name: r, effect: allow, user: [bob], path: /srv/other, ops: "
                                             "chown, chown-to: ['bob:*']}\n", /* as long as what comes before */
                                             "rules:\n  - {name: r, effect: allow, user: [bob], path: /srv/build, ops: "
                                             "chown, chown-to: ['root:*']}\n",
                                             RULE("r"), ""};
        struct policy *first;

        ck_assert_int_eq(load_text(rule), 0);
        ck_assert(policy_is_same(policy, policy, &peer_bob));
        first = policy_ref(policy);
        for (int i = 0; i < 3; i++) { /* however often */
                struct policy *before = policy_ref(policy);

                ck_assert_int_eq(load_text(rule), 0);
                ck_assert(is_same_as(before));
                ck_assert(policy_is_same(policy, first, &peer_bob));
        }
        for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
                struct policy *before = policy_ref(policy);

                ck_assert_int_eq(load_text(others[i]), 0);
                ck_assert(!is_same_as(before));
                ck_assert(!policy_is_same(policy, first, &peer_bob));
        }
        policy_unref(first);
}
END_TEST

/* The same text means something else when its names do. */
START_TEST(the_same_text_of_somebody_else) {
        static const char *const texts[] = {
                "rules:\n  - {name: r, effect: allow, user: [bob], path: /srv/build, ops: stat}\n",
                "rules:\n  - {name: r, effect: allow, user: [alice], path: /srv/build, ops: chown, chown-to: "
                "['bob:*']}\n",
                "rules:\n  - {name: r, effect: allow, user: [alice], path: /srv/build, ops: stat, create-as: "
                "'bob:staff'}\n",
                "rules:\n  - {name: r, effect: deny, user: [bob], path: /srv/build, ops: stat}\n"};
        struct fake_account *bob = &fake_users[3];

        for (int i = 0; i < 4; i++)
                for (int gone = 0; gone < 2; gone++) {
                        struct policy *before;
                        bool same;

                        ck_assert_int_eq(load_text(texts[i]), 0);
                        before = policy_ref(policy);
                        *bob = gone ? (struct fake_account){"robert", 1002} : (struct fake_account){"bob", 1012};
                        ck_assert_int_eq(load_text(texts[i]), 0);
                        *bob = (struct fake_account){"bob", 1002};
                        same = is_same_as(before);
                        ck_assert_msg(!same, "text %d", i);
                }
}
END_TEST

/* A user who takes another's number may have been meant where nobody was. */
START_TEST(the_same_text_of_each_other) {
        static const char text[] = "rules:\n  - {name: r, effect: allow, user: [alice], path: /srv/build, ops: all}\n"
                                   "  - {name: s, effect: allow, user: [bob], path: /srv/other, ops: all}\n";
        struct fake_account *first = &fake_users[2], *second = &fake_users[3];
        struct policy *before;
        bool same;

        *first = (struct fake_account){"carol", 1001};
        ck_assert_int_eq(load_text(text), 0);
        before = policy_ref(policy);
        *first = (struct fake_account){"alice", 1002};
        *second = (struct fake_account){"robert", 1003};
        ck_assert_int_eq(load_text(text), 0);
        *first = (struct fake_account){"alice", 1001};
        *second = (struct fake_account){"bob", 1002};
        same = is_same_as(before);
        ck_assert(!same);
}
END_TEST

/* A file of another name may come before or after others. */
START_TEST(the_same_text_in_another_file) {
        static const char *const directories[] = {"/p"};
        struct policy *before;

        ck_assert_int_eq(load_text(RULE("r")), 0);
        before = policy_ref(policy);
        fake_n_files = 0;
        fake_file_add("/p/b.yaml", RULE("r"));
        ck_assert_int_eq(load_from(directories, 1, NULL, 0), 0);
        ck_assert(!is_same_as(before));
}
END_TEST

/* %u is somebody's name of the moment. */
START_TEST(the_same_rules_of_a_user_with_another_name) {
        static const char text[] = "rules:\n  - {name: r, effect: allow, user: [1002], path: /srv/%u, ops: stat}\n";
        struct fake_account *bob = &fake_users[3];
        char path[WIRE_PATH_BYTES_MAX + 1];
        size_t len;

        for (int asked = 0; asked < 2; asked++)
                for (int renamed = 0; renamed < 2; renamed++) {
                        struct policy *before;
                        bool same;

                        ck_assert_int_eq(load_text(text), 0);
                        if (asked)
                                ck_assert_int_eq(
                                        rule_path_expand(policy, &policy->rules[0]->paths[0], &peer_bob, path, &len),
                                        0);
                        before = policy_ref(policy);
                        ck_assert_int_eq(load_text(text), 0);
                        bob->name = renamed ? "robert" : "bob";
                        same = is_same_as(before);
                        bob->name = "bob";
                        ck_assert(same == (asked && !renamed));
                }
}
END_TEST

#define LOOP(tcase, test, rows) tcase_add_loop_test(tcase, test, 0, (int)(sizeof(rows) / sizeof((rows)[0])))

int main(void) {
        Suite *suite = suite_create("policy");
        TCase *tcase = tcase_create("policy");

        tcase_add_checked_fixture(tcase, setup, teardown);
        tcase_add_test(tcase, nothing_is_a_policy);
        tcase_add_test(tcase, order_and_override);
        tcase_add_test(tcase, names_are_unique_over_all_files);
        tcase_add_test(tcase, untrusted_files_are_refused);
        tcase_add_test(tcase, own_paths_must_be_paths);
        tcase_add_test(tcase, single_files);
        tcase_add_test(tcase, a_policy_is_counted);
        LOOP(tcase, mistakes, bad);
        tcase_add_test(tcase, all_mistakes_are_told);
        tcase_add_test(tcase, many_mistakes_are_not_kept);
        tcase_add_test(tcase, too_many_rules);
        LOOP(tcase, who_does_not_exist, warnings);
        tcase_add_test(tcase, denies_of_who_does_not_exist);
        tcase_add_test(tcase, directories_that_do_not_exist);
        tcase_add_test(tcase, paths_to_the_daemon_itself);
        tcase_add_test(tcase, chown_to_nobody);
        tcase_add_test(tcase, who_may_not_connect);
        tcase_add_test(tcase, values);
        tcase_add_test(tcase, trailing_slash_of_a_path);
        tcase_add_test(tcase, the_same_again);
        tcase_add_test(tcase, the_same_text_of_somebody_else);
        tcase_add_test(tcase, the_same_text_of_each_other);
        tcase_add_test(tcase, the_same_text_in_another_file);
        tcase_add_test(tcase, the_same_rules_of_a_user_with_another_name);
        suite_add_tcase(suite, tcase);
        return suite_run(suite);
}
