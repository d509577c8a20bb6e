/* SPDX-License-Identifier: MIT */
/*
 * test_policy.c: which files make a policy, what is wrong with them and where, the directories that rules hold open, and what
 * is charged to total-bytes.
 */
#include <check.h>

#include "daemon/policy_internal.h"
#include "proto/names.h"
#include "tests/support/fake_sys.h"

static struct policy *policy;
static struct policy_report report;
static struct roots *roots;
static const struct peer builder = {.uid = 1000, .gid = 1000};
static const struct bytes nowhere;
static const struct peer alice = {.uid = 1001, .gid = 1001};

static void setup(void) {
        static const char *const directories[] = {"/", "/etc", "/etc/fsopd", "/srv", "/srv/build", "/srv/build/in", "/srv/build/keep",
                                                  "/srv/build/deep", "/srv/build/deep/own", "/srv/other", "/home", "/home/builder",
                                                  "/home/alice"};

        fake_reset();
        for (size_t i = 0; i < sizeof(directories) / sizeof(directories[0]); i++)
                fake_directory_add(directories[i], 0);
        policy = NULL;
        roots = NULL;
        memset(&report, 0, sizeof(report));
}

static void drop(void) {
        roots = roots_unref(roots);
        policy = policy_unref(policy);
        policy_report_fini(&report);
}

static void teardown(void) {
        drop();
        policy_accounts_fini();
        ck_assert_int_eq(fake_open_directories, 0);
}

static int load_from(const char *const *directories, uint32_t n, const char *const *own, uint32_t n_own) {
        struct policy_config config = {.directories = directories, .n_directories = n, .own_paths = own, .n_own_paths = n_own};

        drop();
        return policy_load(&config, &policy, &report);
}

static int load_dirs(void) {
        static const char *const directories[] = {"/usr/policy", "/etc/policy"};

        return load_from(directories, 2, NULL, 0);
}

static int load(const char *text) {
        static const char *const directories[] = {"/p"};
        static const char *const own[] = {"/etc/fsopd", "/srv/build/deep/own"};

        fake_n_files = 0;
        fake_file_add("/p/a.yaml", text);
        return load_from(directories, 1, own, 2);
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
                snprintf(found + strlen(found), sizeof(found) - strlen(found), "%s%s", i ? " " : "", policy->rules[i]->name);
        ck_assert_str_eq(found, names);
}

#define RULE(name) "rules:\n  - {name: " name ", effect: allow, user: builder, path: /srv/build, ops: stat}\n"

/* ---- files ----------------------------------------------------------------------------------------------------------------- */

START_TEST(nothing_is_a_policy) {
        ck_assert_int_eq(load_dirs(), 0);
        ck_assert_uint_eq(policy->n_rules, 0);
        ck_assert_uint_eq(report.n_notes, 0);
        ck_assert_int_eq(load(""), 0);
        ck_assert_int_eq(load("rules:\n"), 0);
        ck_assert_int_eq(load("rules: []\n"), 0);
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
        ck_assert_str_eq(rule_where(policy->rules[2]), "/etc/policy/20-b.yaml:2");
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

        ck_assert_int_eq(load(RULE("a")), 0);
        same = policy_ref(policy);
        policy = policy_unref(policy);
        ck_assert_str_eq(same->rules[0]->name, "a");
        policy_unref(same);
        ck_assert_ptr_null(policy_unref(NULL));
}
END_TEST

/* ---- mistakes ---------------------------------------------------------------------------------------------------------------- */

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
        {"rules:\n  - effect: allow\n    user: builder\n    path: /x\n    ops: stat\n", "/p/a.yaml:2:5", "key 'name' is missing"},
        {"rules:\n  - name: a\n    user: builder\n    path: /x\n    ops: stat\n", "/p/a.yaml:2:5", "key 'effect' is missing"},
        {"rules:\n  - name: a\n    effect: allow\n    user: builder\n    ops: stat\n", "/p/a.yaml:2:5", "key 'path' is missing"},
        {"rules:\n  - name: a\n    effect: allow\n    user: builder\n    path: /x\n", "/p/a.yaml:2:5", "key 'ops' is missing"},
        {"rules:\n  - name: a\n    effect: allow\n    path: /x\n    ops: stat\n", "/p/a.yaml:2:5", "a subject is missing: user, group or key"},
        {"rules:\n  - {name: \"a\\nb\", effect: allow}\n", "/p/a.yaml:2:12", "a name must not have control characters"},
        {"rules:\n  - {name: '', effect: allow}\n", "/p/a.yaml:2:12", "a value is missing here"},
        {"rules:\n  - {name: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
         "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, effect: allow}\n",
         "/p/a.yaml:2:12", "a name may have at most 128 bytes"},
        {"rules:\n  - {name: a, effect: permit}\n", "/p/a.yaml:2:23", "'permit' must be allow, deny or audit"},
        {"rules:\n" FULL "    group: 'x:y'\n", "/p/a.yaml:7:12", "'x:y' must be a name or a number"},
        {"rules:\n" FULL "    group: '*'\n", "/p/a.yaml:7:12", "'*' must be a name or a number"},
        {"rules:\n" FULL "    group: []\n", "/p/a.yaml:7:12", "this list is empty; leave the key out instead"},
        {"rules:\n" FULL "    group: '4294967295'\n", "/p/a.yaml:7:12", "'4294967295' must be a number below 4294967295"},
        {"rules:\n" FULL "    group: '99999999999999999999'\n", "/p/a.yaml:7:12", "'99999999999999999999' must be a number"},
        {"rules:\n" FULL "    key: {a: b}\n", "/p/a.yaml:7:10", "a value or a list must stand here"},
        {"rules:\n  - {name: a, effect: allow, path: relative}\n", "/p/a.yaml:2:36", "a path must be absolute: 'relative'"},
        {"rules:\n  - {name: a, effect: allow, path: /a/../b}\n", "/p/a.yaml:2:36", "a path must not have empty components"},
        {"rules:\n  - {name: a, effect: allow, path: /a//b}\n", "/p/a.yaml:2:36", "a path must not have empty components"},
        {"rules:\n  - {name: a, effect: allow, path: //}\n", "/p/a.yaml:2:36", "a path must not have empty components"},
        {"rules:\n  - {name: a, effect: allow, path: /a/.}\n", "/p/a.yaml:2:36", "a path must not have empty components"},
        {"rules:\n  - {name: a, effect: allow, path: '/srv/*'}\n", "/p/a.yaml:2:36", "a path has no patterns"},
        {"rules:\n  - {name: a, effect: allow, path: '/home/%h'}\n", "/p/a.yaml:2:36", "a % must be %u (the caller's name) or %%"},
        {"rules:\n  - {name: a, effect: allow, path: '/home/%'}\n", "/p/a.yaml:2:36", "a % must be %u"},
        {"rules:\n  - {name: a, effect: allow, path: [/x, [y]]}\n", "/p/a.yaml:2:41", "one value must stand here, not a list"},
        {"rules:\n" FULL "    exclude: /srv/other\n", "/p/a.yaml:7:5", "'/srv/other' is beneath none of the rule's paths"},
        {"rules:\n" FULL "    exclude: /srv/build\n", "/p/a.yaml:7:5", "'/srv/build' is beneath none of the rule's paths"},
        {"rules:\n" FULL "    exclude: /srv/building\n", "/p/a.yaml:7:5", "'/srv/building' is beneath none of the rule's paths"},
        {"rules:\n" FULL "    exclude: x\n", "/p/a.yaml:7:14", "a path must be absolute: 'x'"},
        {"rules:\n" FULL_DENY "    exclude: /srv/build/x\n", "/p/a.yaml:7:5", "'exclude' cannot stand in a deny"},
        {"rules:\n  - {name: a, effect: allow, ops: [stat, chwon]}\n", "/p/a.yaml:2:42", "unknown operation 'chwon'; did you mean 'chown'?"},
        {"rules:\n  - {name: a, effect: allow, ops: xatr}\n", "/p/a.yaml:2:35", "unknown operation 'xatr'; did you mean 'xattr'?"},
        {"rules:\n  - {name: a, effect: allow, ops: everything}\n", "/p/a.yaml:2:35", "unknown operation 'everything'; names of operations"},
        {"rules:\n  - {name: a, effect: allow, ops: ping}\n", "/p/a.yaml:2:35", "'ping' needs no rule and cannot stand in one"},
        {"rules:\n  - {name: a, effect: allow, ops: {a: b}}\n", "/p/a.yaml:2:35", "a value or a list must stand here"},
        {"rules:\n" FULL "    chown-to: builder\n", "/p/a.yaml:7:15", "'builder' must be OWNER:GROUP; write OWNER:* for any group"},
        {"rules:\n" FULL "    chown-to: 'builder:'\n", "/p/a.yaml:7:15", "'builder:' must be OWNER:GROUP, each a name"},
        {"rules:\n" FULL "    chown-to: ':builder'\n", "/p/a.yaml:7:15", "':builder' must be OWNER:GROUP, each a name"},
        {"rules:\n" FULL "    chown-to: 'a:b:c'\n", "/p/a.yaml:7:15", "'a:b:c' must be OWNER:GROUP, each a name"},
        {"rules:\n" FULL "    chown-to: '9-5:*'\n", "/p/a.yaml:7:15", "'9-5:*' must be OWNER:GROUP, each a name"},
        {"rules:\n" FULL "    chown-to: '4294967295:*'\n", "/p/a.yaml:7:15", "'4294967295:*' must be OWNER:GROUP, each a name"},
        {"rules:\n" FULL "    chown-to: '0-4294967295:*'\n", "/p/a.yaml:7:15", "'0-4294967295:*' must be OWNER:GROUP, each a name"},
        {"rules:\n" FULL "    chown-to: '5-:*'\n", "/p/a.yaml:7:15", "'5-:*' must be OWNER:GROUP, each a name"},
        {"rules:\n" FULL "    devices: c 1\n", "/p/a.yaml:7:14", "'c 1' must be \"c MAJOR:MINOR\" or \"b MAJOR:MINOR\""},
        {"rules:\n" FULL "    devices: 'x 1:3'\n", "/p/a.yaml:7:14", "'x 1:3' must be \"c MAJOR:MINOR\""},
        {"rules:\n" FULL "    devices: 'c1:3'\n", "/p/a.yaml:7:14", "'c1:3' must be \"c MAJOR:MINOR\""},
        {"rules:\n" FULL "    devices: 'c 1:4294967296'\n", "/p/a.yaml:7:14", "'c 1:4294967296' must be"},
        {"rules:\n" FULL "    devices: 'c 1:-3'\n", "/p/a.yaml:7:14", "'c 1:-3' must be"},
        {"rules:\n" FULL "    xattrs: 'us*r.x'\n", "/p/a.yaml:7:13", "'us*r.x': a * may stand at the end only"},
        {"rules:\n" FULL "    xattrs: 'security.*'\n", "/p/a.yaml:7:13", "'security.*': attributes of security.* must be named in full"},
        {"rules:\n" FULL "    xattrs: 'security.cap*'\n", "/p/a.yaml:7:13", "'security.cap*': attributes of security.*"},
        {"rules:\n" FULL "    xattrs: 'system.posix_acl_*'\n", "/p/a.yaml:7:13", "'system.posix_acl_*': attributes of system.posix_acl_*"},
        {"rules:\n" FULL "    xattrs: 'trusted.overlay.*'\n", "/p/a.yaml:7:13", "'trusted.overlay.*': attributes of trusted.overlay.*"},
        {"rules:\n" FULL "    max-bytes: big\n", "/p/a.yaml:7:16", "'big' must be a number of bytes"},
        {"rules:\n" FULL "    max-bytes: 9999999T\n", "/p/a.yaml:7:16", "'9999999T' must be from 0 to"},
        {"rules:\n" FULL "    set-id: maybe\n", "/p/a.yaml:7:13", "'maybe' must be true, false, yes or no"},
        {"rules:\n" FULL "    links: two\n", "/p/a.yaml:7:12", "'two' must be one or any"},
        {"rules:\n" FULL "    owned-by: root\n", "/p/a.yaml:7:15", "'root' must be caller"},
        {"rules:\n" FULL "    create-as: builder\n", "/p/a.yaml:7:16", "'builder' must be OWNER:GROUP"},
        {"rules:\n" FULL "    create-as: 'builder:*'\n", "/p/a.yaml:7:16", "create-as must be caller, service or one OWNER:GROUP"},
        {"rules:\n" FULL "    create-as: '5-6:7'\n", "/p/a.yaml:7:16", "create-as must be caller, service or one OWNER:GROUP"},
        {"rules:\n" FULL "    one-filesystem: 1\n", "/p/a.yaml:7:21", "'1' must be true, false, yes or no"},
        {"rules:\n" FULL "    foreign-parent: 1\n", "/p/a.yaml:7:21", "'1' must be true, false, yes or no"},
        {"rules:\n" FULL_DENY "    max-bytes: 1\n", "/p/a.yaml:7:16", "'max-bytes' limits what a rule allows and cannot stand in a deny"},
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
        ck_assert_int_eq(load(bad[_i].text), -FSOP_EINVAL);
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
        ck_assert_int_eq(load("rules:\n  - {name: a, effekt: allow, user: builder, path: x, ops: [nothing, chwon]}\n"
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
                len += (size_t)sprintf(text + len, "  - {name: n%u, effect: allow, user: ghost%u, path: /srv/build, ops: stat}\n", i, i);
        sprintf(text + len, "  - nonsense\n");
        ck_assert_int_eq(load(text), -FSOP_EINVAL);
        ck_assert_uint_eq(report.n_notes, 257);
        ck_assert(report.notes[256].is_error);
}
END_TEST

START_TEST(too_many_rules) {
        size_t size = 5000 * 90;
        char *text = malloc(size);
        size_t len = (size_t)sprintf(text, "rules:\n");

        for (unsigned i = 0; i < 4097; i++)
                len += (size_t)sprintf(text + len, "  - {name: n%u, effect: allow, user: builder, path: /srv/build, ops: stat}\n", i);
        ck_assert_int_eq(load(text), -FSOP_EINVAL);
        ck_assert_ptr_nonnull(note_with("more than 4096 rules"));
        free(text);
}
END_TEST

/* ---- warnings ---------------------------------------------------------------------------------------------------------------- */

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
        {"user: builder, create-as: 'ghost:staff'", "/p/a.yaml:2:78", "the rule is inert: it could create for nobody", true},
};

START_TEST(who_does_not_exist) {
        char text[512];

        snprintf(text, sizeof(text), "rules:\n  - {name: a, effect: allow, path: /srv, ops: all, %s}\n", warnings[_i].keys);
        ck_assert_int_eq(load(text), 0);
        for (uint32_t i = 0; i < report.n_notes; i++) {
                ck_assert(!report.notes[i].is_error);
                if (strcmp(report.notes[i].where, warnings[_i].where) == 0 && strstr(report.notes[i].text, warnings[_i].message)) {
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
        ck_assert_int_eq(load("rules:\n  - {name: a, user: ghost, effect: deny, path: /srv, ops: all}\n"
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
        ck_assert_int_eq(load("rules:\n  - {name: a, user: builder, effect: allow, path: [/none, /srv, '/home/%u', /file, /hidden, /], ops: all}\n"), 0);
        ck_assert_uint_eq(report.n_notes, 2);
        ck_assert_str_eq(report.notes[0].text, "directory '/none' does not exist (yet): this path is inert");
        ck_assert_str_eq(report.notes[0].where, "/p/a.yaml:2:52");
        ck_assert_str_eq(report.notes[1].text, "'/file' is not a directory: this path is inert");
}
END_TEST

START_TEST(paths_to_the_daemon_itself) {
        ck_assert_int_eq(load("rules:\n  - {name: a, user: builder, effect: allow, path: [/etc/fsopd, /srv/build], ops: all}\n"), 0);
        ck_assert_uint_eq(report.n_notes, 1);
        ck_assert_ptr_nonnull(note_with("no rule reaches the daemon's own files"));
}
END_TEST

START_TEST(chown_to_nobody) {
        ck_assert_int_eq(load("rules:\n  - {name: a, user: builder, effect: allow, path: /srv, ops: chown}\n"), 0);
        ck_assert_ptr_nonnull(note_with("without chown-to no owner can be given"));
}
END_TEST

START_TEST(who_may_not_connect) {
        ck_assert_int_eq(load("rules:\n  - {name: a, user: [root, builder, alice, '4711'], effect: allow, path: /srv, ops: all}\n"
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

/* ---- what a rule says without its keys ----------------------------------------------------------------------------------------- */

START_TEST(values) {
        const struct rule *rule;

        ck_assert_int_eq(load("rules:\n" FULL), 0);
        rule = policy->rules[0];
        ck_assert(!rule->set_id && !rule->links_any && !rule->foreign_parent && !rule->owned_by_caller && !rule->one_filesystem);
        ck_assert(!rule->has_bytes_max && !rule->has_bytes_total && rule->create_as == CREATE_AS_CALLER);
        ck_assert_int_eq(load("rules:\n" FULL "    set-id: yes\n    links: any\n    foreign-parent: true\n    owned-by: caller\n"
                              "    one-filesystem: true\n    max-bytes: 10G\n    total-bytes: 2T\n    create-as: '5:6'\n"),
                         0);
        rule = policy->rules[0];
        ck_assert(rule->set_id && rule->links_any && rule->foreign_parent && rule->owned_by_caller && rule->one_filesystem);
        ck_assert_uint_eq(rule->bytes_max, 10ull << 30);
        ck_assert_uint_eq(rule->bytes_total, 2ull << 40);
        ck_assert_uint_eq(rule->create_uid, 5);
        ck_assert_uint_eq(rule->create_gid, 6);
        ck_assert_int_eq(load("rules:\n" FULL "    set-id: no\n    links: one\n    foreign-parent: false\n    one-filesystem: false\n"), 0);
        ck_assert(!policy->rules[0]->set_id && !policy->rules[0]->links_any);
}
END_TEST

START_TEST(trailing_slash_of_a_path) {
        ck_assert_int_eq(load("rules:\n  - {name: a, effect: allow, user: builder, path: /srv/build/, ops: stat}\n"), 0);
        ck_assert_str_eq(policy->rules[0]->paths[0].text, "/srv/build");
}
END_TEST

/* ---- directories held open ------------------------------------------------------------------------------------------------------ */

static struct root *acquire(const struct rule *rule, uint32_t index, const struct peer *peer) {
        struct root *root;

        ck_assert_int_eq(root_acquire(roots, rule, index, peer, &root), 0);
        return root;
}

static void load_roots(const char *text) {
        ck_assert_int_eq(load(text), 0);
        ck_assert_int_eq(roots_new(policy, &roots), 0);
}

static const struct guard *guard_for(struct root *root, const struct peer *peer, struct operation op) {
        const struct guard *guard = NULL;

        ck_assert_int_eq(root_guard(root, peer, &op, op_permission_at(&op), nowhere, peer->uid, &guard), 0);
        return guard;
}

static bool excludes(const struct guard *guard, const char *path) {
        struct object_id id = fake_id(path);

        for (uint32_t i = 0; i < guard->n_excluded; i++)
                if (guard->excluded[i].dev == id.dev && guard->excluded[i].ino == id.ino) {
                        ck_assert_int_eq(guard->excluded_fds[i], 1000 + (os_fd)id.ino - 1);
                        return true;
                }
        return false;
}

#define CHMOD ((struct operation){.verb = FSOP_VERB_CHMOD})
#define STAT ((struct operation){.verb = FSOP_VERB_STAT})

START_TEST(root_opens_once) {
        struct object_id ids[] = {fake_id("/srv/build"), fake_id("/")};
        const struct guard *guard, *other;
        struct root *root, *same;

        load_roots("rules:\n  - {name: a, effect: allow, user: builder, path: [/srv/other, /srv/build], exclude: /srv/build/keep, ops: all, "
                   "max-bytes: 5, links: any, owned-by: caller, set-id: true, foreign-parent: true, one-filesystem: true}\n");
        root = acquire(policy->rules[0], 1, &builder);
        ck_assert(!root_is_open(root));
        ck_assert(!root_holds(root, ids, 2));
        ck_assert_int_eq(root_guard(root, &builder, &CHMOD, OP_BIT(FSOP_VERB_CHMOD), nowhere, 1000, &guard), -FSOP_EAGAIN);
        ck_assert_int_eq(root_open(root), 0);
        ck_assert_int_eq(root_open(root), 0);
        ck_assert(root_is_open(root));
        same = acquire(policy->rules[0], 1, &alice);
        ck_assert_ptr_eq(root, same);
        ck_assert(root_holds(root, ids, 2));
        ck_assert(!root_holds(root, ids + 1, 1));
        guard = guard_for(root, &builder, CHMOD);
        ck_assert_uint_eq(guard->root->ino, fake_id("/srv/build").ino);
        ck_assert_uint_eq(guard->caller_uid, 1000);
        ck_assert_uint_eq(guard->create_uid, 1000);
        ck_assert(guard->has_bytes_max && guard->bytes_max == 5 && guard->links_any && guard->owned_by_caller && guard->set_id &&
                  guard->foreign_parent && guard->one_filesystem);
        ck_assert(excludes(guard, "/srv/build/keep"));
        ck_assert(excludes(guard, "/srv/build/deep/own")); /* the daemon's, beneath it */
        ck_assert(!excludes(guard, "/etc/fsopd"));        /* elsewhere */
        ck_assert_uint_eq(guard->n_excluded, 2);
        /* the same guard for the same, another for another */
        ck_assert_ptr_eq(guard_for(root, &builder, STAT), guard);
        ck_assert_ptr_ne(guard_for(root, &alice, STAT), guard);
        ck_assert_int_eq(root_guard(root, &alice, &STAT, OP_BIT(FSOP_VERB_STAT), nowhere, 1000, &other), 0);
        ck_assert_ptr_ne(other, guard);
        ck_assert_uint_eq(other->caller_uid, 1001);
        ck_assert_int_eq(root_guard(root, &builder, &STAT, OP_BIT(FSOP_VERB_STAT), nowhere, 0, &other), 0);
        ck_assert_uint_eq(other->create_uid, 0);
        ck_assert_ptr_eq(guard_for(root, &builder, STAT), guard);
        root_release(root);
        root_release(same);
}
END_TEST

START_TEST(root_that_does_not_exist) {
        const struct peer nameless = {.uid = 1004, .gid = 1004};
        struct root *root;

        load_roots("rules:\n  - {name: a, effect: allow, user: builder, path: [/none, '/home/%u'], ops: all}\n");
        root = acquire(policy->rules[0], 0, &builder);
        ck_assert_int_eq(root_open(root), -FSOP_ENOENT);
        ck_assert(root_is_absent(root));
        fake_directory_add("/none", -FSOP_EACCES);
        ck_assert_int_eq(root_open(root), -FSOP_EACCES);
        ck_assert(!root_is_absent(root));
        fake_directories[fake_n_directories - 1].code = 0; /* now it does: failures are not remembered */
        ck_assert_int_eq(root_open(root), 0);
        root_release(root);
        ck_assert_int_eq(root_acquire(roots, policy->rules[0], 1, &nameless, &root), -FSOP_ENOENT);
        ck_assert_ptr_null(root);
}
END_TEST

START_TEST(roots_of_each_user) {
        struct root *mine, *hers;

        load_roots("rules:\n  - {name: a, effect: allow, group: staff, path: '/home/%u', exclude: '/home/%u/x', ops: all}\n");
        mine = acquire(policy->rules[0], 0, &builder);
        hers = acquire(policy->rules[0], 0, &alice);
        ck_assert_ptr_ne(mine, hers);
        ck_assert_int_eq(root_open(mine), 0);
        ck_assert_int_eq(root_open(hers), 0);
        ck_assert_uint_eq(guard_for(mine, &builder, STAT)->root->ino, fake_id("/home/builder").ino);
        ck_assert_uint_eq(guard_for(hers, &alice, STAT)->root->ino, fake_id("/home/alice").ino);
        root_release(mine);
        root_release(hers);
        drop();
        load_roots("rules:\n  - {name: a, effect: allow, group: staff, path: /srv/build, exclude: '/srv/build/%u', ops: all}\n");
        mine = acquire(policy->rules[0], 0, &builder);
        hers = acquire(policy->rules[0], 0, &alice);
        ck_assert_ptr_ne(mine, hers); /* what is excluded differs */
        root_release(mine);
        root_release(hers);
}
END_TEST

/* Links must not lead around a deny: its directory is excluded by inode for those and that which it means. */
START_TEST(denies_become_exclusions) {
        struct operation to_root = {.verb = FSOP_VERB_CHOWN, .args.chown = {.has_uid = true}};
        struct operation to_other = {.verb = FSOP_VERB_CHOWN, .args.chown = {.has_uid = true, .uid = 5}};
        struct operation copy = {.verb = FSOP_VERB_COPY_RANGE};
        const struct guard *guard, *plain;
        struct root *root;

        load_roots("rules:\n  - {name: a, effect: allow, group: staff, path: /srv/build, ops: all}\n"
                   "  - {name: d, effect: deny, user: builder, path: [/srv/build/in, /srv/other], ops: [chmod]}\n"
                   "  - {name: e, effect: deny, user: builder, path: /srv/build/keep, ops: [chown, copy-to], chown-to: 'root:*'}\n"
                   "  - {name: f, effect: deny, user: ghost, path: /none, ops: all}\n");
        root = acquire(policy->rules[0], 0, &builder);
        ck_assert_int_eq(root_open(root), 0);
        plain = guard_for(root, &builder, STAT);
        ck_assert_uint_eq(plain->n_excluded, 1);
        guard = guard_for(root, &builder, CHMOD);
        ck_assert(excludes(guard, "/srv/build/in") && !excludes(guard, "/srv/build/keep"));
        ck_assert(excludes(guard, "/srv/build/deep/own"));
        ck_assert_uint_eq(guard->n_excluded, 2); /* /srv/other does not lie in it */
        ck_assert_ptr_eq(guard_for(root, &builder, CHMOD), guard);
        ck_assert(!excludes(guard_for(root, &alice, CHMOD), "/srv/build/in"));
        ck_assert(excludes(guard_for(root, &builder, to_root), "/srv/build/keep"));
        ck_assert(!excludes(guard_for(root, &builder, to_other), "/srv/build/keep"));
        ck_assert(!excludes(guard_for(root, &builder, copy), "/srv/build/keep")); /* the source */
        ck_assert_int_eq(root_guard(root, &builder, &copy, op_permission_to(&copy), nowhere, 1000, &guard), 0);
        ck_assert(excludes(guard, "/srv/build/keep"));
        root_release(root);
}
END_TEST

static const struct guard *guard_at(struct root *root, enum fsop_verb verb, const char *below) {
        struct operation op = {.verb = verb, .args.open.read = true};
        const struct guard *guard = NULL;

        ck_assert_int_eq(root_guard(root, &builder, &op, op_permission_at(&op), (struct bytes){(const uint8_t *)below, below ? strlen(below) : 0},
                                    1000, &guard),
                         0);
        return guard;
}

/* What is denied in a directory is not to be had by a detour: moving things out of it, or opening them under another name. */
START_TEST(denies_and_detours) {
        const struct guard *guard;
        struct root *root;

        load_roots("rules:\n  - {name: a, effect: allow, group: staff, path: [/srv/build, /], ops: [all, open-fd]}\n"
                   "  - {name: d, effect: deny, user: builder, path: /srv/build/keep, ops: [chown]}\n");
        for (uint32_t i = 0; i < 2; i++) {
                const char *names[] = {i ? "srv/build/keep/f" : "keep/f", i ? "srv/build/keep" : "keep", i ? "srv/build/keeper" : "keeper",
                                       i ? "srv/build/link/f" : "link/f", i ? "srv" : "", i ? "srv/build/kee" : "kee"};

                root = acquire(policy->rules[0], i, &builder);
                ck_assert_int_eq(root_open(root), 0);
                ck_assert(!excludes(guard_at(root, FSOP_VERB_STAT, names[3]), "/srv/build/keep"));
                ck_assert(excludes(guard_at(root, FSOP_VERB_RENAME, names[0]), "/srv/build/keep"));
                ck_assert(excludes(guard_at(root, FSOP_VERB_LINK, names[3]), "/srv/build/keep"));
                for (unsigned verb = 0; verb < 3; verb++) {
                        static const enum fsop_verb opening[] = {FSOP_VERB_OPEN, FSOP_VERB_OPEN_FD, FSOP_VERB_OPENDIR};

                        ck_assert(!excludes(guard_at(root, opening[verb], names[0]), "/srv/build/keep"));
                        ck_assert(!excludes(guard_at(root, opening[verb], names[1]), "/srv/build/keep"));
                        for (unsigned j = 2; j < 6; j++)
                                ck_assert(excludes(guard_at(root, opening[verb], names[j]), "/srv/build/keep"));
                        ck_assert(!excludes(guard_at(root, opening[verb], NULL), "/srv/build/keep"));
                }
                ck_assert_int_eq(root_guard(root, &alice, &(struct operation){.verb = FSOP_VERB_RENAME}, OP_BIT(FSOP_VERB_RENAME), nowhere, 0, &guard), 0);
                ck_assert(!excludes(guard, "/srv/build/keep"));
                root_release(root);
        }
}
END_TEST

/* The same when rules are written with links: what counts is what the directories are. */
START_TEST(denies_above_through_links) {
        const struct guard *guard;
        struct root *root;

        snprintf(fake_directory_add("/alias", 0)->real, 16, "/srv");
        load_roots("rules:\n  - {name: a, effect: allow, group: staff, path: /srv/build, ops: all}\n"
                   "  - {name: d, effect: deny, user: builder, path: /alias, ops: [chmod]}\n");
        root = acquire(policy->rules[0], 0, &builder);
        ck_assert_int_eq(root_open(root), 0);
        ck_assert_int_eq(root_guard(root, &builder, &CHMOD, OP_BIT(FSOP_VERB_CHMOD), nowhere, 1000, &guard), -FSOP_EPERM);
        ck_assert_int_eq(root_guard(root, &builder, &STAT, OP_BIT(FSOP_VERB_STAT), nowhere, 1000, &guard), 0);
        ck_assert_int_eq(root_guard(root, &alice, &CHMOD, OP_BIT(FSOP_VERB_CHMOD), nowhere, 1001, &guard), 0);
        root_release(root);
}
END_TEST

START_TEST(the_daemon_s_own_directories) {
        const struct guard *guard;
        struct root *root;

        snprintf(fake_directory_add("/srv/link", 0)->real, 16, "/etc/fsopd");
        load_roots("rules:\n  - {name: a, effect: allow, group: staff, path: [/srv/link, /], ops: all}\n");
        root = acquire(policy->rules[0], 0, &builder);
        ck_assert_int_eq(root_open(root), 0);
        ck_assert_int_eq(root_guard(root, &builder, &STAT, OP_BIT(FSOP_VERB_STAT), nowhere, 1000, &guard), -FSOP_EPERM);
        root_release(root);
        root = acquire(policy->rules[0], 1, &builder);
        ck_assert_int_eq(root_open(root), 0);
        guard = guard_for(root, &builder, STAT);
        ck_assert(excludes(guard, "/etc/fsopd") && excludes(guard, "/srv/build/deep/own"));
        root_release(root);
        /* where the way up cannot be told, they are excluded everywhere */
        drop();
        fake_ancestors_fail = true;
        load_roots("rules:\n  - {name: a, effect: allow, group: staff, path: /srv/other, ops: all}\n");
        root = acquire(policy->rules[0], 0, &builder);
        ck_assert_int_eq(root_open(root), 0);
        ck_assert_uint_eq(guard_for(root, &builder, STAT)->n_excluded, 2);
        root_release(root);
}
END_TEST

START_TEST(exclusion_that_cannot_be_opened) {
        struct root *root;

        fake_directory_add("/srv/build/locked", -FSOP_EACCES);
        load_roots("rules:\n  - {name: a, effect: allow, group: staff, path: /srv/build, exclude: /srv/build/locked, ops: all}\n");
        root = acquire(policy->rules[0], 0, &builder);
        ck_assert_int_eq(root_open(root), -FSOP_EACCES);
        ck_assert(!root_is_open(root));
        root_release(root);
}
END_TEST

START_TEST(denies_of_each_user) {
        const struct peer nameless = {.uid = 1004, .gid = 50};
        struct root *root;

        fake_directory_add("/srv/build/builder", 0);
        load_roots("rules:\n  - {name: a, effect: allow, group: staff, path: /srv/build, ops: all}\n"
                   "  - {name: d, effect: deny, group: [staff, builder], path: '/srv/build/%u', ops: all}\n");
        root = acquire(policy->rules[0], 0, &builder);
        ck_assert_int_eq(root_open(root), 0);
        ck_assert(excludes(guard_for(root, &builder, STAT), "/srv/build/builder"));
        root_release(root);
        root = acquire(policy->rules[0], 0, &nameless);
        ck_assert_int_eq(root_open(root), 0); /* the text of every path meets that deny already */
        root_release(root);
}
END_TEST

START_TEST(many_denies) {
        static char text[16384];
        size_t len = (size_t)sprintf(text, "rules:\n  - {name: a, effect: allow, group: staff, path: /srv/build, ops: all}\n");
        static const char *const verbs[] = {"stat", "chmod", "chown", "mkdir", "rmdir", "unlink", "ls"};
        struct operation op = {0};
        struct root *root;

        for (unsigned i = 0; i < 7; i++)
                for (unsigned j = 0; j < 12; j++)
                        len += (size_t)sprintf(text + len, "  - {name: d%u-%u, effect: deny, user: ['%u'], path: /srv/build/in, ops: %s}\n", i, j,
                                               3000 + j, verbs[i]);
        load_roots(text);
        root = acquire(policy->rules[0], 0, &builder);
        ck_assert_int_eq(root_open(root), 0);
        for (unsigned i = 0; i < 7; i++)
                for (unsigned j = 0; j < 12; j++) {
                        struct peer peer = {.uid = 3000 + j, .gid = 50};
                        const struct guard *guard;

                        op.verb = verb_from_name(verbs[i], strlen(verbs[i]));
                        guard = guard_for(root, &peer, op);
                        ck_assert(excludes(guard, "/srv/build/in"));
                        /* beyond 64 different choices all denies are taken */
                        ck_assert_uint_eq(guard->n_excluded, 12 * i + j < 64 ? 2 : 85);
                }
        ck_assert_uint_eq(guard_for(root, &builder, STAT)->n_excluded, 1);
        root_release(root);
}
END_TEST

START_TEST(idle_roots_are_closed) {
        struct root *root;

        load_roots("rules:\n  - {name: a, effect: allow, user: builder, path: /srv/build, ops: all}\n");
        ck_assert_int_eq(roots_tick(roots, 1000, false), -1);
        root = acquire(policy->rules[0], 0, &builder);
        root_open(root);
        root_release(root);
        ck_assert_int_gt(fake_open_directories, 0);
        ck_assert_int_gt(roots_tick(roots, 1000, false), 0);
        ck_assert_int_gt(roots_tick(roots, 30999, false), 0);
        ck_assert_int_gt(fake_open_directories, 0);
        ck_assert_int_eq(roots_tick(roots, 31000, false), -1);
        ck_assert_int_eq(fake_open_directories, 0);
}
END_TEST

START_TEST(busy_roots_stay_open_but_not_in_use) {
        struct root *old, *fresh;

        load_roots("rules:\n  - {name: a, effect: allow, user: builder, path: /srv/build, ops: all}\n");
        old = acquire(policy->rules[0], 0, &builder);
        root_open(old);
        root_ref(old);
        roots_tick(roots, 2000, true); /* the mount table changed */
        fresh = acquire(policy->rules[0], 0, &builder);
        ck_assert_ptr_ne(old, fresh);
        ck_assert(root_is_open(old));
        root_release(old);
        ck_assert(root_is_open(old));
        root_release(old);
        ck_assert_int_eq(fake_open_directories, 0);
        root_open(fresh);
        ck_assert_int_gt(fake_open_directories, 0);
        roots_tick(roots, 31001, false); /* or it is old: its directory may have been replaced */
        ck_assert_ptr_null(roots_find(roots, policy->rules[0], 0, &builder));
        root_release(fresh);
        ck_assert_int_eq(fake_open_directories, 0);
}
END_TEST

START_TEST(incomplete_roots_are_opened_again_soon) {
        struct root *root;

        load_roots("rules:\n  - {name: a, effect: allow, user: builder, path: /srv/build, exclude: /srv/build/later, ops: all}\n");
        root = acquire(policy->rules[0], 0, &builder);
        root_open(root);
        ck_assert(guard_for(root, &builder, STAT)->n_excluded == 1);
        root_release(root);
        ck_assert_int_le(roots_tick(roots, 1500, false), 1000);
        fake_directory_add("/srv/build/later", 0);
        roots_tick(roots, 2000, false);
        root = acquire(policy->rules[0], 0, &builder);
        root_open(root);
        ck_assert(excludes(guard_for(root, &builder, STAT), "/srv/build/later"));
        root_release(root);
}
END_TEST

START_TEST(roots_outlive_their_policy) {
        struct roots *held;
        struct root *root;

        load_roots("rules:\n  - {name: a, effect: allow, user: builder, path: /srv/build, ops: all}\n");
        held = roots_ref(roots);
        root = acquire(policy->rules[0], 0, &builder);
        roots = roots_unref(roots);
        policy = policy_unref(policy);
        ck_assert_int_eq(root_open(root), 0);
        ck_assert_uint_eq(guard_for(root, &builder, STAT)->caller_uid, 1000);
        roots_unref(held);
        ck_assert(root_is_open(root));
        root_release(root); /* and with it everything goes */
        ck_assert_int_eq(fake_open_directories, 0);
}
END_TEST

/* ---- total-bytes ----------------------------------------------------------------------------------------------------------------- */

START_TEST(account) {
        const struct rule *rule;

        ck_assert_int_eq(load("rules:\n" FULL "    total-bytes: 100\n"), 0);
        rule = policy->rules[0];
        ck_assert_int_eq(policy_account_charge(rule, 1000, 60), 0);
        ck_assert_int_eq(policy_account_charge(rule, 1000, 41), -FSOP_EDQUOT);
        ck_assert_int_eq(policy_account_charge(rule, 1001, 100), 0); /* each uid its own */
        ck_assert_int_eq(policy_account_charge(rule, 1001, 1), -FSOP_EDQUOT);
        ck_assert_int_eq(policy_account_charge(rule, 1000, 40), 0);
        policy_account_refund(rule, 1000, 30);
        ck_assert_int_eq(policy_account_charge(rule, 1000, 31), -FSOP_EDQUOT);
        ck_assert_int_eq(policy_account_charge(rule, 1000, 30), 0);
        ck_assert_int_eq(policy_account_charge(rule, 1000, UINT64_MAX), -FSOP_EDQUOT);
        policy_account_refund(rule, 1000, UINT64_MAX); /* never below nothing */
        policy_account_refund(rule, 77, 5);
        ck_assert_int_eq(policy_account_charge(rule, 1000, 100), 0);
        /* loading anew does not refill it, even with another limit */
        ck_assert_int_eq(load("rules:\n" FULL "    total-bytes: 150\n"), 0);
        ck_assert_int_eq(policy_account_charge(policy->rules[0], 1000, 51), -FSOP_EDQUOT);
        ck_assert_int_eq(policy_account_charge(policy->rules[0], 1000, 50), 0);
        ck_assert_int_eq(load("rules:\n" FULL), 0);
        ck_assert_int_eq(policy_account_charge(policy->rules[0], 1000, UINT64_MAX), 0);
        policy_account_refund(policy->rules[0], 1000, 5);
}
END_TEST

static const struct {
        struct operation op;
        uint64_t old_size, source_size, growth;
} growths[] = {
        {{.verb = FSOP_VERB_STAT}, 0, 0, 0},
        {{.verb = FSOP_VERB_TRUNCATE, .args.truncate.size = 100}, 0, 0, 100},
        {{.verb = FSOP_VERB_TRUNCATE, .args.truncate.size = 100}, 30, 0, 70},
        {{.verb = FSOP_VERB_TRUNCATE, .args.truncate.size = 100}, 130, 0, 0},
        {{.verb = FSOP_VERB_FALLOCATE, .args.fallocate = {.offset = 10, .length = 10}}, 5, 0, 15},
        {{.verb = FSOP_VERB_FALLOCATE, .args.fallocate = {.offset = UINT64_MAX, .length = 10}}, 0, 0, UINT64_MAX},
        {{.verb = FSOP_VERB_FALLOCATE, .args.fallocate = {.mode = FSOP_FALLOCATE_PUNCH_HOLE, .length = 10}}, 0, 0, 0},
        {{.verb = FSOP_VERB_FALLOCATE, .args.fallocate = {.mode = FSOP_FALLOCATE_COLLAPSE_RANGE, .length = 10}}, 0, 0, 0},
        {{.verb = FSOP_VERB_FALLOCATE, .args.fallocate = {.mode = FSOP_FALLOCATE_INSERT_RANGE, .length = 10}}, 100, 0, 10},
        {{.verb = FSOP_VERB_WRITE, .args.write = {.offset = 0, .data = {NULL, 10}}}, 100, 0, 10}, /* it may append */
        {{.verb = FSOP_VERB_WRITE, .args.write = {.offset = 500, .data = {NULL, 10}}}, 100, 0, 410},
        {{.verb = FSOP_VERB_COPY_RANGE, .args.copy_range = {.src_offset = 10}}, 0, 100, 90},
        {{.verb = FSOP_VERB_COPY_RANGE, .args.copy_range = {.src_offset = 200}}, 0, 100, 0},
        {{.verb = FSOP_VERB_COPY_RANGE, .args.copy_range = {.dst_offset = 50, .has_length = true, .length = 20}}, 60, 100, 10},
        {{.verb = FSOP_VERB_COPY_RANGE, .args.copy_range = {.has_length = true, .length = 2000}}, 0, 100, 100},
};

START_TEST(growth) {
        ck_assert_uint_eq(policy_growth_max(&growths[_i].op, growths[_i].old_size, growths[_i].source_size), growths[_i].growth);
}
END_TEST

#define LOOP(tcase, test, rows) tcase_add_loop_test(tcase, test, 0, (int)(sizeof(rows) / sizeof((rows)[0])))

int main(void) {
        Suite *suite = suite_create("policy");
        TCase *tcase = tcase_create("policy");
        SRunner *runner;
        int failed;

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
        tcase_add_test(tcase, root_opens_once);
        tcase_add_test(tcase, root_that_does_not_exist);
        tcase_add_test(tcase, roots_of_each_user);
        tcase_add_test(tcase, denies_become_exclusions);
        tcase_add_test(tcase, denies_and_detours);
        tcase_add_test(tcase, denies_above_through_links);
        tcase_add_test(tcase, the_daemon_s_own_directories);
        tcase_add_test(tcase, exclusion_that_cannot_be_opened);
        tcase_add_test(tcase, denies_of_each_user);
        tcase_add_test(tcase, many_denies);
        tcase_add_test(tcase, idle_roots_are_closed);
        tcase_add_test(tcase, busy_roots_stay_open_but_not_in_use);
        tcase_add_test(tcase, incomplete_roots_are_opened_again_soon);
        tcase_add_test(tcase, roots_outlive_their_policy);
        tcase_add_test(tcase, account);
        LOOP(tcase, growth, growths);
        suite_add_tcase(suite, tcase);
        runner = srunner_create(suite);
        srunner_run_all(runner, CK_ENV);
        failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed != 0;
}
