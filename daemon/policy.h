/* SPDX-License-Identifier: MIT */
/*
 * policy.h: the rules, and the one question asked of them. Loading reads files; deciding is pure: it looks at its
 * arguments and nothing else, and every error on the way is a denial.
 */
#ifndef FSOP_POLICY_H
#define FSOP_POLICY_H

#include "backends/sys.h"
#include "daemon/ops.h"
#include "proto/message.h"

struct policy; /* immutable after loading, counted */
struct rule;

struct policy_config {
        const char *const *directories; /* later ones override files of the same name in earlier ones */
        uint32_t n_directories;
        /* Directories that no rule may reach: own configuration, policy, state, the socket's directory. Absolute. */
        const char *const *own_paths;
        uint32_t n_own_paths;
};

/* Something said about a policy: an error that prevents loading, or a warning. */
struct policy_note {
        bool is_error;
        char *where; /* "FILE:LINE:COLUMN" */
        char *text;
};
struct policy_report {
        struct policy_note *notes;
        uint32_t n_notes;
        uint32_t n_rules;
};
void policy_report_fini(struct policy_report *report);

/* Loads every *.yaml, *.yml and *.conf of the directories. 0, or -FSOP_EINVAL with at least one error in the report;
 * the report is to be freed either way. A missing directory is an empty one. */
int policy_load(const struct policy_config *config, struct policy **ret_policy, struct policy_report *ret_report);
/* Loads single files instead (fsop policy check FILE…). trusted_only false reads them whoever owns them. */
int policy_load_files(const char *const *files, uint32_t n_files, bool trusted_only, struct policy **ret_policy,
                      struct policy_report *ret_report);
/* Adds a warning for each user that a rule names and that may not connect to a socket of this group
 * (--check-config). */
int policy_warn_connect(const struct policy *policy, uint32_t socket_gid, struct policy_report *report);
/*
 * Whether rules that were loaded anew say of a peer what those before them said: made of the same files (the daemon's
 * own paths do not change), whose names mean the same users and groups, with the same name for %u. policy_compare is to
 * be called once, with the policy that was in force until then; after that policy_is_same costs little, and knows all
 * earlier ones.
 */
void policy_compare(struct policy *policy, const struct policy *before);
bool policy_is_same(const struct policy *policy, const struct policy *before, const struct peer *peer);
struct policy *policy_ref(struct policy *policy);
struct policy *policy_unref(struct policy *policy); /* NULL */

/* ---- deciding ----------------------------------------------------------------------------------- */

/*
 * Where one end of an operation is, as far as policy sees it. What is given must all fit for a rule to allow, and any
 * of it is enough for one to deny. Where nothing is given but a held rule, that rule carries on whatever its paths are
 * now.
 */
struct end {
        bool present;
        struct bytes path; /* absolute, or empty where only ancestors are known; never the path by which a
                              handle was opened as caller: links in it may lead anywhere */
        const struct object_id *ancestors; /* the directories above a passed descriptor, itself first (sys_ancestors) */
        uint32_t n_ancestors;
        bool caller_only;      /* a passed file descriptor, a handle opened as caller that is no directory,
                                  a foreign namespace: no rule can elevate it */
        const char *held_name; /* an elevated handle: only the rule of this name may carry it on, and never
                                  the caller */
};

struct roots;

/* op->at and op->to are looked at too: relative paths with "..", "." or empty components are no more elevated than
 * absolute ones, and a foreign peer's absolute paths are refused for every identity. */
struct question {
        const struct peer *peer;
        struct roots *roots; /* for ends known by their ancestors: the roots of policy_rules_of must be open already */
        const struct operation *op;
        struct end at, to;
};

enum verdict_kind {
        VERDICT_DENIED = 0,
        VERDICT_CALLER,
        VERDICT_ELEVATED,
};

struct end_verdict {
        enum verdict_kind kind;
        const struct rule *rule; /* elevated: the rule; denied: the deny that matched, or NULL */
        struct bytes
                below; /* elevated by path: what follows the rule's directory; points into end.path; may be empty */
        uint32_t path_index; /* which of the rule's paths */
};

struct verdict {
        enum verdict_kind kind;  /* DENIED if an end is, ELEVATED if an end is, else CALLER */
        const struct rule *rule; /* that decided, or NULL */
        int code;        /* denied: -FSOP_EPERM (rule or no rule), -FSOP_EINVAL (a path no rule may have), … */
        const char *why; /* denied, and caller where auto found no rule: why; a static sentence, from the rules
                            and the request alone: it tells nothing about the filesystem. NULL: nothing to say */
        const struct rule *nearest; /* the rule that has the place but not all of the rest, if `why` is about one */
        struct end_verdict at, to;
        const struct rule *audited; /* an `audit` rule that would have allowed it, or NULL */
};

/*
 * Decides. An elevated verdict holds only together with the guard that root_guard gives for it. In short:
 *  - caller: always as the caller (except on an elevated handle: denied); rules do not matter.
 *  - auto: a fully capable root runs as caller; else a matching deny refuses, a matching allow elevates, none: caller.
 *  - elevated: the same for everyone, root included, but none: denied.
 * A deny that is matched by a path's text can be walked around by links as long as the caller's own rights reach there:
 * it takes away what elevation gives, not what the kernel gives. Against elevated operations it holds by inode too
 * (root_guard).
 */
void policy_decide(const struct policy *policy, const struct question *question, struct verdict *ret_verdict);

/* The same in words, for `explain`; texts are in the arena or static. 0 or -FSOP_ENOMEM. */
int policy_explain(const struct policy *policy, const struct question *question, struct arena *arena,
                   struct explain_result *ret_result);

/* The rules (of every effect) whose subjects match the peer and whose ops meet OPS: those that an end known only by its
 * ancestors may fall under. Returns their number (which may exceed rules_max: then deny). */
uint32_t policy_rules_of(const struct policy *policy, const struct peer *peer, op_set ops,
                         const struct rule **ret_rules, uint32_t rules_max);

/*
 * For operations that meet names of their own below a PATH that was decided on: whether anything there is kept out by
 * its name, and whether PATH is. RULE grants the end, PERMISSION is the end's. The guards keep directories out by what
 * they are; this holds for files, and for what is made or put in another's place later. TOP is PATH again, BELOW what
 * is met in it. Thread-safe.
 */
bool policy_excludes_below(const struct policy *policy, const struct peer *peer, const struct rule *rule,
                           struct bytes path);
const char *policy_excludes(const struct policy *policy, const struct peer *peer, const struct rule *rule,
                            const struct operation *op, op_set permission, struct bytes top, struct bytes below);
/* TOP and what is BELOW it (empty: TOP itself) as one path, or why rules cannot speak about it. */
const char *policy_join_path(struct bytes top, struct bytes below, uint8_t buffer[WIRE_PATH_BYTES_MAX + 1],
                             struct bytes *ret_path);
uint32_t rule_path_count(const struct rule *rule);

const char *rule_name(const struct rule *rule);

/* As whom an elevated run creates: the rule's create-as for this peer. 0 or -FSOP_E…; *ret_service: as the service
 * itself. */
int rule_create_as(const struct rule *rule, const struct peer *peer, uint32_t *ret_uid, uint32_t *ret_gid,
                   bool *ret_service);
bool rule_set_id(const struct rule *rule);
bool rule_has_total(const struct rule *rule); /* total-bytes */

/* ---- total-bytes -------------------------------------------------------------------------------- */

/*
 * What a rule's total-bytes counts: the bytes by which elevated operations of one uid under the rule (by its name) may
 * have made files larger, added up since the daemon started; reloading does not forget them. Nothing is given back for
 * what is later removed or cut off: the sum is an upper bound of what was granted, not a disk quota.
 * To be used when the ends are pinned and their sizes known: charge what it can cost at most, then refund what it did
 * not.
 */
/* The most bytes that OP can add: old_size is the target's size now (0: does not exist), source_size the source's for
 * copy-range without a length. 0 for operations that add none. */
uint64_t policy_growth_max(const struct operation *op, uint64_t old_size, uint64_t source_size);
/* 0 (also for a rule without total-bytes), -FSOP_EDQUOT: it would be more than the rule's total-bytes, or
 * -FSOP_ENOMEM. */
int policy_account_charge(const struct rule *rule, uint32_t uid, uint64_t bytes);
void policy_account_refund(const struct rule *rule, uint32_t uid, uint64_t bytes);
/* Forgets all accounts, at the end of the process. */
void policy_accounts_fini(void);

/* ---- the directories of rules ------------------------------------------------------------------- */

/*
 * The directory of one of a rule's paths (with %u filled in for the peer) and its excluded ones, opened when used, held
 * while busy, released when idle. Acquire finds or makes the entry, counted, on the loop; if it is not open yet, run
 * root_open on a worker (IO_CALL) and then go on; root_guard has a guard for a peer, which the root owns.
 */
struct root;
int roots_new(const struct policy *policy, struct roots **ret_roots); /* one per policy; holds a reference to it */
/* What the roots before these kept out by its path is kept out wherever it is now, if the path is still one to keep
 * out. */
void roots_inherit(struct roots *roots, const struct roots *before);
/* All roots that are not about a certain user, to be opened once early: nobody should have renamed by then what they
 * exclude. malloc'd; each is counted. 0 or -FSOP_ENOMEM. */
int roots_acquire_all(struct roots *roots, struct root ***ret_list, uint32_t *ret_n);
struct roots *roots_unref(struct roots *roots);
struct roots *roots_ref(struct roots *roots);
int root_acquire(struct roots *roots, const struct rule *rule, uint32_t path_index, const struct peer *peer,
                 struct root **ret_root);
struct root *root_ref(struct root *root);
bool root_is_open(const struct root *root);
/* Whether it was taken out of the table meanwhile (the mount table changed): deciding will not find it any more. */
bool root_is_stale(const struct root *root);
/* [any] Opens it, unless it is open: 0, or -FSOP_E… (a rule whose directory does not exist is inert: the operation is
 * then denied). Threads that open the same root at once do not wait for each other: the first to finish counts. Nothing
 * is kept of a failure: the next call tries again. */
int root_open(struct root *root);
/*
 * The guard for one end of an operation of a peer; PERMISSION is op_permission_at or op_permission_to. Excluded are the
 * rule's own exclusions, the daemon's own directories, and the directories of all deny rules that mean this peer and
 * this operation: links do not lead around a deny. Neither do detours: renames and links stay out of every denied
 * directory, whatever is denied there, and nothing is opened in one under the name of another place (what is done with
 * the handle is judged by that name). BELOW is that of the end's verdict. create_uid: the owner of what is created, 0
 * where that is the service. The guard is the root's, lives until its release, and is the same one for the same peer,
 * owner and exclusions: what is remembered per guard (struct parent_cache) is found again by the next operation. 0;
 * -FSOP_EPERM when the root itself lies in such a directory; -FSOP_ENOMEM; -FSOP_EAGAIN when it is not open.
 */
int root_guard(struct root *root, const struct peer *peer, const struct operation *op, op_set permission,
               struct bytes below, uint32_t create_uid, const struct guard **ret_guard);
void root_release(struct root *root);
/* For rules matched through a passed descriptor: whether the root's directory is among the ancestors. */
bool root_holds(const struct root *root, const struct object_id *ancestors, uint32_t n_ancestors);
/* Closes what was idle for 30 s, and everything idle when the mount table changed. Returns ms until it wants to be
 * called again, -1 if never. */
int roots_tick(struct roots *roots, uint64_t now_ms, bool mounts_changed);

#endif
