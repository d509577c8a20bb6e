/* SPDX-License-Identifier: MIT */
/*
 * policy_kit.h: a policy from a text, and questions to it, for the tests of deciding. For programs that policy_kit.c is
 * a part of, with fake_sys.c.
 */
#ifndef FSOP_POLICY_KIT_H
#define FSOP_POLICY_KIT_H

#include <check.h>

#include "daemon/policy_internal.h"
#include "tests/support/fake_sys.h"

extern struct policy *policy;
extern struct roots *roots;
extern struct policy_report report;
extern uint32_t builder_groups[];
extern const struct peer root_peer;
extern const struct peer bare_root;
extern const struct peer builder;
extern const struct peer foreigner;
extern const struct peer foreign_root;
extern const struct peer alice;

/* A checked fixture. */
void setup(void);
void teardown(void);
/* The policy that is there makes place for one of these files, or of one with this text: 0, or the code of what is in
 * report. */
void drop(void);
int load_from(const char *const *directories, uint32_t n, const char *const *own, uint32_t n_own);
int load_text(const char *text);
/* … which must be right; with its roots. */
void load(const char *text);
struct bytes text(const char *word);
struct location at_path(const char *path);
/* Asks about an operation on absolute paths. TO may be NULL. */
struct verdict ask(const struct peer *peer, struct operation op, const char *at, const char *to);
struct operation an_op(enum fsop_verb verb);
enum verdict_kind kind(enum fsop_verb verb, const char *path);
enum verdict_kind kind_of(struct operation op, const char *path);
void opens(const struct peer *peer);
/* The directories above one, as sys_ancestors would say. */
uint32_t above(const char *path, struct object_id *ids);
/* Asks about an operation on a passed directory, and a path below it. */
struct verdict ask_fd(const struct peer *peer, struct operation op, const char *directory, const char *below);

/* ---- shorthand for tables ---------------------------------------------------------------------------------------- */

#define D VERDICT_DENIED
#define C VERDICT_CALLER
#define E VERDICT_ELEVATED
#define CREATES(m)                                                                                                     \
        { .create = true, .mode = m }

struct operation chown_to(int64_t uid, int64_t gid);

#define SUBJECT_AND_PLACE "    user: [root, builder]\n    path: /srv/build\n    ops: [unlink]\n"
#define ALLOW "  - name: allowing\n    effect: allow\n" SUBJECT_AND_PLACE
#define DENY "  - name: denying\n    effect: deny\n" SUBJECT_AND_PLACE
#define AUDIT "  - name: watching\n    effect: audit\n" SUBJECT_AND_PLACE

#endif
