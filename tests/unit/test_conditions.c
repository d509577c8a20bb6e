/* SPDX-License-Identifier: MIT */
/*
 * test_conditions.c: whom a rule means, and what it demands of an operation's arguments.
 */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "tests/support/policy_kit.h"
#include "tests/support/suite.h"

/* ---- subjects ----------------------------------------------------------------------------------- */

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

        snprintf(rule, sizeof(rule), "rules:\n  - {name: a, effect: allow, %s, path: /srv/build, ops: stat}\n",
                 subjects[_i].subject);
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
        {"user: builder", true, false},
        {"user: nobody-such", true, true},
        {"user: [alice, nobody-such]", true, true},
        {"group: nogroup-such", true, true},
        {"user: broken", true, true},
        {"key: abc", true, true},
        {"user: alice, key: abc", false, true},
        {"user: alice, group: nogroup-such", false, true},
        {"group: broken, user: nobody-such", true, true},
};

START_TEST(denied_subjects) {
        char rule[256];

        snprintf(rule, sizeof(rule), "rules:\n  - {name: a, %s, effect: deny, path: /srv/build, ops: stat}\n",
                 denied[_i].subject);
        load(rule);
        ck_assert_int_eq(ask(&builder, an_op(FSOP_VERB_STAT), "/srv/build/x", NULL).kind, denied[_i].builder ? D : C);
        ck_assert_int_eq(ask(&alice, an_op(FSOP_VERB_STAT), "/srv/build/x", NULL).kind, denied[_i].alice ? D : C);
}
END_TEST

/* ---- arguments ---------------------------------------------------------------------------------- */

static void load_rule(const char *effect, const char *keys) {
        char rule[512];

        snprintf(rule, sizeof(rule),
                 "rules:\n  - {name: a, effect: %s, user: builder, path: /srv/build, ops: [all, open-fd]%s%s}\n",
                 effect, keys[0] ? ", " : "", keys);
        load(rule);
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
        struct operation op = {
                .verb = FSOP_VERB_MKNOD,
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
        {{.verb = FSOP_VERB_FALLOCATE,
          .args.fallocate = {.mode = FSOP_FALLOCATE_PUNCH_HOLE, .offset = 1 << 30, .length = 1}},
         E},
        {{.verb = FSOP_VERB_FALLOCATE,
          .args.fallocate = {.mode = FSOP_FALLOCATE_COLLAPSE_RANGE, .offset = 1 << 30, .length = 1}},
         E},
        {{.verb = FSOP_VERB_FALLOCATE,
          .args.fallocate = {.mode = FSOP_FALLOCATE_ZERO_RANGE, .offset = 1 << 30, .length = 1}},
         C},
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
        verdict = ask(&builder, (struct operation){.verb = FSOP_VERB_TRUNCATE, .args.truncate.size = 1000},
                      "/srv/build/x", NULL);
        ck_assert_str_eq(verdict.rule->name, "small");
        verdict = ask(&builder, (struct operation){.verb = FSOP_VERB_TRUNCATE, .args.truncate.size = 10000},
                      "/srv/build/x", NULL);
        ck_assert_str_eq(verdict.rule->name, "large");
        verdict = ask(&builder, (struct operation){.verb = FSOP_VERB_TRUNCATE, .args.truncate.size = 1ull << 40},
                      "/srv/build/x", NULL);
        ck_assert_int_eq(verdict.kind, C);
        ck_assert_str_eq(verdict.nearest->name, "small");
        ck_assert_ptr_nonnull(strstr(verdict.why, "max-bytes"));
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
        Suite *suite = suite_create("conditions");
        TCase *tcase = tcase_create("conditions");

        tcase_add_checked_fixture(tcase, setup, teardown);
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
        tcase_add_test(tcase, whose_is_what_is_created);
        suite_add_tcase(suite, tcase);
        return suite_run(suite);
}
