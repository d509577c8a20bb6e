/* SPDX-License-Identifier: MIT */
/*
 * test_roots.c: the directories that rules hold open, what their guards exclude for whom, and what is charged to
 * total-bytes.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/names.h"
#include "tests/support/policy_kit.h"
#include "tests/support/suite.h"

static const struct bytes nowhere;

#define FULL "  - name: a\n    effect: allow\n    user: builder\n    path: /srv/build\n    ops: stat\n"

/* ---- directories held open --------------------------------------------------------------------------------------- */

static struct root *acquire(const struct rule *rule, uint32_t index, const struct peer *peer) {
        struct root *root;

        ck_assert_int_eq(root_acquire(roots, rule, index, peer, &root), 0);
        return root;
}

static void load_roots(const char *text) {
        ck_assert_int_eq(load_text(text), 0);
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

        load_roots("rules:\n  - {name: a, effect: allow, user: builder, path: [/srv/other, /srv/build], exclude: "
                   "/srv/build/keep, ops: all, "
                   "max-bytes: 5, links: any, owned-by: caller, set-id: true, foreign-parent: true, one-filesystem: "
                   "true}\n");
        root = acquire(policy->rules[0], 1, &builder);
        ck_assert(!root_is_open(root));
        ck_assert(!root_holds(root, ids, 2));
        ck_assert_int_eq(root_guard(root, &builder, &CHMOD, OP_BIT(FSOP_VERB_CHMOD), nowhere, 1000, &guard),
                         -FSOP_EAGAIN);
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
        ck_assert(guard->has_bytes_max && guard->bytes_max == 5 && guard->links_any && guard->owned_by_caller &&
                  guard->set_id && guard->foreign_parent && guard->one_filesystem);
        ck_assert(excludes(guard, "/srv/build/keep"));
        ck_assert(excludes(guard, "/srv/build/deep/own")); /* the daemon's, beneath it */
        ck_assert(!excludes(guard, "/etc/fsopd"));         /* elsewhere */
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

        load_roots("rules:\n  - {name: a, effect: allow, group: staff, path: '/home/%u', exclude: '/home/%u/x', ops: "
                   "all}\n");
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
        load_roots("rules:\n  - {name: a, effect: allow, group: staff, path: /srv/build, exclude: '/srv/build/%u', "
                   "ops: all}\n");
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
                   "  - {name: e, effect: deny, user: builder, path: /srv/build/keep, ops: [chown, copy-to], chown-to: "
                   "'root:*'}\n"
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

        ck_assert_int_eq(root_guard(root, &builder, &op, op_permission_at(&op),
                                    (struct bytes){(const uint8_t *)below, below ? strlen(below) : 0}, 1000, &guard),
                         0);
        return guard;
}

/* What is denied in a directory is not to be had by a detour: moving things out of it, or opening them under another
 * name. */
START_TEST(denies_and_detours) {
        const struct guard *guard;
        struct root *root;

        load_roots("rules:\n  - {name: a, effect: allow, group: staff, path: [/srv/build, /], ops: [all, open-fd]}\n"
                   "  - {name: d, effect: deny, user: builder, path: /srv/build/keep, ops: [chown]}\n");
        for (uint32_t i = 0; i < 2; i++) {
                const char *names[] = {i ? "srv/build/keep/f" : "keep/f",
                                       i ? "srv/build/keep" : "keep",
                                       i ? "srv/build/keeper" : "keeper",
                                       i ? "srv/build/link/f" : "link/f",
                                       i ? "srv" : "",
                                       i ? "srv/build/kee" : "kee"};

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
                ck_assert_int_eq(root_guard(root, &alice, &(struct operation){.verb = FSOP_VERB_RENAME},
                                            OP_BIT(FSOP_VERB_RENAME), nowhere, 0, &guard),
                                 0);
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
        ck_assert_int_eq(root_guard(root, &builder, &CHMOD, OP_BIT(FSOP_VERB_CHMOD), nowhere, 1000, &guard),
                         -FSOP_EPERM);
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
        load_roots("rules:\n  - {name: a, effect: allow, group: staff, path: /srv/build, exclude: /srv/build/locked, "
                   "ops: all}\n");
        root = acquire(policy->rules[0], 0, &builder);
        ck_assert_int_eq(root_open(root), -FSOP_EACCES);
        ck_assert(!root_is_open(root));
        root_release(root);
}
END_TEST

START_TEST(denies_of_each_user) {
        const struct peer nameless = {.uid = 1004, .gid = 50};
        struct root *root, *hers;

        fake_directory_add("/srv/build/builder", 0);
        load_roots("rules:\n  - {name: a, effect: allow, group: staff, path: /srv/build, ops: all}\n"
                   "  - {name: d, effect: deny, group: [staff, builder], path: '/srv/build/%u', ops: all}\n");
        root = acquire(policy->rules[0], 0, &builder);
        ck_assert_int_eq(root_open(root), 0);
        ck_assert(excludes(guard_for(root, &builder, STAT), "/srv/build/builder"));
        hers = acquire(policy->rules[0], 0, &alice);
        ck_assert_ptr_ne(root, hers); /* what she is denied lies elsewhere */
        root_release(hers);
        root_release(root);
        root = acquire(policy->rules[0], 0, &nameless);
        ck_assert_int_eq(root_open(root), 0); /* the text of every path meets that deny already */
        root_release(root);
}
END_TEST

START_TEST(many_denies) {
        static char text[16384];
        size_t len = (size_t)sprintf(
                text, "rules:\n  - {name: a, effect: allow, group: staff, path: /srv/build, ops: all}\n");
        static const char *const verbs[] = {"stat", "chmod", "chown", "mkdir", "rmdir", "unlink", "ls"};
        struct operation op = {0};
        struct root *root;

        for (unsigned i = 0; i < 7; i++)
                for (unsigned j = 0; j < 12; j++)
                        len += (size_t)sprintf(
                                text + len,
                                "  - {name: d%u-%u, effect: deny, user: ['%u'], path: /srv/build/in, ops: %s}\n", i, j,
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

        load_roots("rules:\n  - {name: a, effect: allow, user: builder, path: /srv/build, exclude: /srv/build/later, "
                   "ops: all}\n");
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

/* What does not exist yet is not to be made either: what the rule excludes and the daemon's own by nobody, what is
 * denied where that is meant. */
START_TEST(names_that_are_reserved) {
        const struct guard *stat, *chmod;
        struct root *root;

        load_roots("rules:\n  - {name: a, effect: allow, user: builder, path: /srv/build, exclude: /srv/build/later, "
                   "ops: all}\n  - {name: b, effect: deny, user: builder, path: /srv/build/never, ops: chmod}\n");
        root = acquire(policy->rules[0], 0, &builder);
        root_open(root);
        stat = guard_for(root, &builder, STAT);
        chmod = guard_for(root, &builder, CHMOD);
        ck_assert_uint_eq(stat->n_named, 3);
        ck_assert_uint_eq(stat->n_reserved, 2);
        ck_assert_str_eq(stat->named[0], "/srv/build/later");
        ck_assert_str_eq(stat->named[1], "/srv/build/deep/own");
        ck_assert_uint_eq(chmod->n_reserved, 3);
        ck_assert_str_eq(chmod->named[2], "/srv/build/never");
        ck_assert_uint_eq(guard_for(root, &builder, (struct operation){.verb = FSOP_VERB_RENAME})->n_reserved, 3);
        ck_assert_uint_eq(guard_for(root, &alice, CHMOD)->n_reserved, 2);
        ck_assert_ptr_eq(guard_for(root, &builder, STAT), stat);
        root_release(root);
}
END_TEST

/* What was excluded once stays out, wherever it was moved to, until it is removed. */
START_TEST(exclusions_that_were_renamed) {
        static const char rules[] = "rules:\n  - {name: a, effect: allow, user: builder, path: /srv/build, exclude: "
                                    "/srv/build/keep, ops: all}\n"
                                    "  - {name: d, effect: deny, user: builder, path: /srv/build/in, ops: chmod}\n";
        struct policy *old_policy;
        struct roots *old_roots;
        struct root *root;

        load_roots(rules);
        root = acquire(policy->rules[0], 0, &builder);
        ck_assert_int_eq(root_open(root), 0);
        root_release(root);
        strcpy(fake_directories[fake_directory_find("/srv/build/keep")].path, "/srv/build/moved");
        strcpy(fake_directories[fake_directory_find("/srv/build/in")].path, "/srv/build/out");
        roots_tick(roots, 2000, true);
        for (unsigned reload = 0; reload < 2; reload++) {
                root = acquire(policy->rules[0], 0, &builder);
                ck_assert_int_eq(root_open(root), 0);
                ck_assert(excludes(guard_for(root, &builder, STAT), "/srv/build/moved"));
                ck_assert(!excludes(guard_for(root, &builder, STAT), "/srv/build/out"));
                ck_assert(excludes(guard_for(root, &builder, CHMOD), "/srv/build/out"));
                root_release(root);
                old_policy = policy;
                old_roots = roots;
                policy = NULL;
                roots = NULL;
                load_roots(rules); /* and over a reload */
                roots_inherit(roots, old_roots);
                roots_unref(old_roots);
                policy_unref(old_policy);
        }
        fake_directories[fake_directory_find("/srv/build/moved")].path[0] = '\0';
        root = acquire(policy->rules[0], 0, &builder);
        ck_assert_int_eq(root_open(root), 0);
        ck_assert_uint_eq(guard_for(root, &builder, STAT)->n_excluded, 1); /* the daemon's own */
        root_release(root);
}
END_TEST

static struct fake_directory *fake_at(const char *path) {
        int i = fake_directory_find(path);

        ck_assert_int_ge(i, 0);
        return &fake_directories[i];
}

static const struct guard *open_anew(uint64_t now_ms) {
        const struct guard *guard;
        struct root *root;

        roots_tick(roots, now_ms, true);
        root = acquire(policy->rules[0], 0, &builder);
        ck_assert_int_eq(root_open(root), 0);
        guard = guard_for(root, &builder, STAT);
        root_release(root);
        return guard;
}

/* What stands at /srv/build/own/keep goes elsewhere N times, another comes in its place. */
static void take_turns(unsigned n, bool remove, bool strangers) {
        for (unsigned i = 0; i < n; i++) {
                struct fake_directory *keep = fake_at("/srv/build/own/keep");
                unsigned number = (unsigned)(keep - fake_directories);

                open_anew(1000);
                if (remove) { /* the next has its number again */
                        keep->generation++;
                        continue;
                }
                snprintf(keep->path, sizeof(keep->path), "/srv/build/away.%u", number);
                fake_directory_add("/srv/build/own/keep", 0)->strangers = strangers;
        }
        open_anew(1000);
}

#define CROWD                                                                                                          \
        "rules:\n  - {name: a, effect: allow, user: builder, path: /srv/build, exclude: /srv/build/own/keep, ops: "    \
        "all}\n"

static void load_crowd(bool strangers) {
        load_roots(CROWD);
        fake_directory_add("/srv/build/own", 0);
        fake_directory_add("/srv/build/own/keep", 0)->strangers = strangers;
}

START_TEST(exclusions_in_turn) {
        struct policy *old_policy;
        struct roots *old_roots;

        load_crowd(false);
        take_turns(63, false, false);
        ck_assert(!excludes(open_anew(1000), "/srv/build/own"));
        take_turns(1, false, false); /* the 65th is one too many */
        ck_assert(excludes(open_anew(1000), "/srv/build/own"));
        ck_assert(excludes(open_anew(1000), "/srv/build/own/keep"));
        for (unsigned reload = 0; reload < 2; reload++) {
                old_policy = policy;
                old_roots = roots;
                policy = NULL;
                roots = NULL;
                load_roots(CROWD);
                roots_inherit(roots, old_roots);
                roots_unref(old_roots);
                policy_unref(old_policy);
                ck_assert(excludes(open_anew(1000), "/srv/build/own"));
        }
}
END_TEST

START_TEST(exclusions_that_were_removed) {
        load_crowd(false);
        take_turns(70, true, false);
        ck_assert(!excludes(open_anew(1000), "/srv/build/own"));
        strcpy(fake_at("/srv/build/own/keep")->path, "/srv/build/last"); /* which has the number of all before */
        ck_assert(excludes(open_anew(1000), "/srv/build/last"));
}
END_TEST

/* Two rules have seen what had the same number one after the other, whichever of them is given up first. */
START_TEST(exclusions_with_one_number) {
        load_roots(
                "rules:\n"
                "  - {name: a, effect: allow, user: builder, path: /srv/build, exclude: /srv/build/keep, ops: all}\n"
                "  - {name: b, effect: allow, user: builder, path: /srv/build, exclude: /srv/build/keep, ops: all}\n");
        for (unsigned first = 0; first < 2; first++) {
                struct fake_directory *keep = fake_at("/srv/build/keep");

                for (unsigned i = 0; i < 2; i++) {
                        struct root *root = acquire(policy->rules[i ^ first], 0, &builder);

                        keep->generation++;
                        ck_assert_int_eq(root_open(root), 0);
                        root_release(root);
                }
                strcpy(keep->path, "/srv/build/last");
                ck_assert(excludes(open_anew(1000), "/srv/build/last"));
                strcpy(keep->path, "/srv/build/keep");
                roots_tick(roots, 1000, true);
        }
}
END_TEST

START_TEST(exclusions_of_strangers) {
        load_crowd(true);
        take_turns(68, false, true);
        ck_assert(!excludes(open_anew(1000), "/srv/build/own")); /* of which he owns nothing */
        fake_at("/srv/build/own/keep")->strangers = false;
        take_turns(1, false, false);
        ck_assert(excludes(open_anew(1000), "/srv/build/own"));
}
END_TEST

START_TEST(all_roots_at_once) {
        struct root **all;
        uint32_t n;

        load_roots(
                "rules:\n  - {name: a, effect: allow, user: builder, path: [/srv/build, /none, '/home/%u'], ops: all}\n"
                "  - {name: b, effect: audit, user: builder, path: /srv/other, ops: all}\n");
        ck_assert_int_eq(roots_acquire_all(roots, &all, &n), 0);
        ck_assert_uint_ge(n, 2); /* those of users come when they do */
        for (uint32_t i = 0; i < n; i++) {
                root_open(all[i]);
                root_release(all[i]);
        }
        free(all);
        ck_assert_int_gt(fake_open_directories, 0);
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

/* ---- total-bytes ------------------------------------------------------------------------------------------------- */

START_TEST(account) {
        const struct rule *rule;

        ck_assert_int_eq(load_text("rules:\n" FULL "    total-bytes: 100\n"), 0);
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
        ck_assert_int_eq(load_text("rules:\n" FULL "    total-bytes: 150\n"), 0);
        ck_assert_int_eq(policy_account_charge(policy->rules[0], 1000, 51), -FSOP_EDQUOT);
        ck_assert_int_eq(policy_account_charge(policy->rules[0], 1000, 50), 0);
        ck_assert_int_eq(load_text("rules:\n" FULL), 0);
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
        {{.verb = FSOP_VERB_FALLOCATE, .args.fallocate = {.mode = FSOP_FALLOCATE_COLLAPSE_RANGE, .length = 10}},
         0,
         0,
         0},
        {{.verb = FSOP_VERB_FALLOCATE, .args.fallocate = {.mode = FSOP_FALLOCATE_INSERT_RANGE, .length = 10}},
         100,
         0,
         10},
        {{.verb = FSOP_VERB_WRITE, .args.write = {.offset = 0, .data = {NULL, 10}}}, 100, 0, 10}, /* it may append */
        {{.verb = FSOP_VERB_WRITE, .args.write = {.offset = 500, .data = {NULL, 10}}}, 100, 0, 410},
        {{.verb = FSOP_VERB_COPY_RANGE, .args.copy_range = {.src_offset = 10}}, 0, 100, 90},
        {{.verb = FSOP_VERB_COPY_RANGE, .args.copy_range = {.src_offset = 200}}, 0, 100, 0},
        {{.verb = FSOP_VERB_COPY_RANGE, .args.copy_range = {.dst_offset = 50, .has_length = true, .length = 20}},
         60,
         100,
         10},
        {{.verb = FSOP_VERB_COPY_RANGE, .args.copy_range = {.has_length = true, .length = 2000}}, 0, 100, 100},
};

START_TEST(growth) {
        ck_assert_uint_eq(policy_growth_max(&growths[_i].op, growths[_i].old_size, growths[_i].source_size),
                          growths[_i].growth);
}
END_TEST

#define LOOP(tcase, test, rows) tcase_add_loop_test(tcase, test, 0, (int)(sizeof(rows) / sizeof((rows)[0])))

int main(void) {
        Suite *suite = suite_create("roots");
        TCase *tcase = tcase_create("roots");

        tcase_add_checked_fixture(tcase, setup, teardown);
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
        tcase_add_test(tcase, names_that_are_reserved);
        tcase_add_test(tcase, exclusions_that_were_renamed);
        tcase_add_test(tcase, exclusions_in_turn);
        tcase_add_test(tcase, exclusions_that_were_removed);
        tcase_add_test(tcase, exclusions_with_one_number);
        tcase_add_test(tcase, exclusions_of_strangers);
        tcase_add_test(tcase, all_roots_at_once);
        tcase_add_test(tcase, roots_outlive_their_policy);
        tcase_add_test(tcase, account);
        LOOP(tcase, growth, growths);
        suite_add_tcase(suite, tcase);
        return suite_run(suite);
}
