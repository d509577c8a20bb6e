/* SPDX-License-Identifier: MIT */
#include "tests/support/policy_kit.h"

#include <stdlib.h>
#include <string.h>

struct policy *policy;
struct roots *roots;
struct policy_report report;
uint32_t builder_groups[] = {50, 1000};
const struct peer root_peer = {.uid = 0, .gid = 0, .fully_capable = true, .capabilities = ~0ull};
const struct peer bare_root = {.uid = 0, .gid = 0};
const struct peer builder = {.uid = 1000, .gid = 1000, .groups = builder_groups, .n_groups = 2};
const struct peer foreigner = {.uid = 1000, .gid = 1000, .groups = builder_groups, .n_groups = 2, .foreign = true};
const struct peer foreign_root = {.uid = 0, .gid = 0, .fully_capable = true, .foreign = true};
const struct peer alice = {.uid = 1001, .gid = 1001};

void drop(void) {
        roots = roots_unref(roots);
        policy = policy_unref(policy);
        policy_report_fini(&report);
}

int load_from(const char *const *directories, uint32_t n, const char *const *own, uint32_t n_own) {
        struct policy_config config = {
                .directories = directories, .n_directories = n, .own_paths = own, .n_own_paths = n_own};

        drop();
        return policy_load(&config, &policy, &report);
}

/* The daemon's own places are /etc/fsopd and OWN. */
static int load_beside(const char *own, const char *text) {
        static const char *const directories[] = {"/p"};
        const char *const own_paths[] = {"/etc/fsopd", own};

        fake_n_files = 0;
        fake_file_add("/p/a.yaml", text);
        return load_from(directories, 1, own_paths, 2);
}

int load_text(const char *text) {
        return load_beside("/srv/build/deep/own", text);
}

void load(const char *text) {
        if (load_beside("/srv/build/own", text) != 0)
                ck_abort_msg("%s: %s", report.notes[0].where, report.notes[0].text);
        ck_assert_int_eq(roots_new(policy, &roots), 0);
}

void setup(void) {
        static const char *const directories[] = {"/",
                                                  "/etc",
                                                  "/etc/fsopd",
                                                  "/srv",
                                                  "/srv/build",
                                                  "/srv/build/in",
                                                  "/srv/build/keep",
                                                  "/srv/other",
                                                  "/home",
                                                  "/home/builder",
                                                  "/home/builder/in",
                                                  "/home/alice",
                                                  "/srv/build/own",
                                                  "/srv/build/deep",
                                                  "/srv/build/deep/own"};

        fake_reset();
        for (size_t i = 0; i < sizeof(directories) / sizeof(directories[0]); i++)
                fake_directory_add(directories[i], 0);
        policy = NULL;
        roots = NULL;
        memset(&report, 0, sizeof(report));
}

void teardown(void) {
        drop();
        policy_accounts_fini();
        ck_assert_int_eq(fake_open_directories, 0);
}

struct bytes text(const char *word) {
        return (struct bytes){(const uint8_t *)word, strlen(word)};
}

struct location at_path(const char *path) {
        return (struct location){.kind = LOCATION_PATH, .path = text(path)};
}

struct verdict ask(const struct peer *peer, struct operation op, const char *at, const char *to) {
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

struct operation an_op(enum fsop_verb verb) {
        return (struct operation){.verb = verb};
}

enum verdict_kind kind(enum fsop_verb verb, const char *path) {
        return ask(&builder, an_op(verb), path, NULL).kind;
}

enum verdict_kind kind_of(struct operation op, const char *path) {
        return ask(&builder, op, path, NULL).kind;
}

void opens(const struct peer *peer) {
        for (uint32_t i = 0; i < policy->n_rules; i++)
                for (uint32_t j = 0; j < policy->rules[i]->n_paths; j++) {
                        struct root *root;

                        if (root_acquire(roots, policy->rules[i], j, peer, &root) == 0) {
                                root_open(root);
                                root_release(root);
                        }
                }
}

uint32_t above(const char *path, struct object_id *ids) {
        struct directory directory;
        int n;

        ck_assert_int_eq(directory_open(path, &directory), 0);
        n = sys_ancestors(directory.fd, ids, 16, 0);
        directory_close(&directory);
        ck_assert_int_gt(n, 0);
        return (uint32_t)n;
}

struct verdict ask_fd(const struct peer *peer, struct operation op, const char *directory, const char *below) {
        struct question question = {.peer = peer, .roots = roots, .op = &op};
        struct object_id ids[16];
        struct verdict verdict;

        op.at = (struct location){.kind = LOCATION_FD, .path = text(below)};
        question.at = (struct end){.present = true, .ancestors = ids, .n_ancestors = above(directory, ids)};
        policy_decide(policy, &question, &verdict);
        return verdict;
}

/* ---- shorthand for tables ---------------------------------------------------------------------------------------- */

struct operation chown_to(int64_t uid, int64_t gid) {
        return (struct operation){
                .verb = FSOP_VERB_CHOWN,
                .args.chown = {.has_uid = uid >= 0, .uid = (uint32_t)uid, .has_gid = gid >= 0, .gid = (uint32_t)gid}};
}
