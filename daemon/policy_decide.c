/* SPDX-License-Identifier: MIT */
/*
 * policy_decide.c: one question, one verdict. Looks at its arguments only; whatever is not clearly allowed is denied or
 * left to the kernel with the caller's own rights.
 */
#include <string.h>

#include "daemon/policy_internal.h"

/* What is known of the question, worked out once. */
struct ask {
        const struct policy *policy;
        const struct question *question;
        const struct op_row *row;
        op_set at_permission, to_permission;
        bool held;
        const char *refusal; /* why the nearest rule does not grant it */
        const struct rule *nearest;
};

static void deny(struct verdict *verdict, const struct rule *rule, int code, const char *why) {
        verdict->kind = verdict->at.kind = verdict->to.kind = VERDICT_DENIED;
        verdict->rule = verdict->at.rule = verdict->to.rule = rule;
        verdict->code = code;
        verdict->why = why;
}

static void as_caller(struct verdict *verdict) {
        verdict->kind = verdict->at.kind = verdict->to.kind = VERDICT_CALLER;
        verdict->code = 0;
        verdict->why = NULL;
}

/* ---- where an end is ---------------------------------------------------------------------------- */

/* Whether an end known by its ancestors lies in the rule's directory. Not known to be open: DEFAULT_. */
static bool held_by_root(const struct ask *ask, const struct rule *rule, uint32_t path_index, const struct end *end,
                         bool default_) {
        const struct root *root;

        if (!ask->question->roots)
                return default_;
        root = roots_find(ask->question->roots, rule, path_index, ask->question->peer);
        if (!root)
                return default_;
        if (!root_is_open(root))
                return default_ && !root_is_absent(root);
        return root_holds(root, end->ancestors, end->n_ancestors);
}

/* Whether a deny reaches an end: any knowledge of where it is suffices, and what cannot be found out counts as
 * reached. */
static bool deny_reaches(const struct ask *ask, const struct rule *rule, const struct end *end) {
        const struct peer *peer = ask->question->peer;
        struct bytes below;

        if (end->held_name && end->path.len == 0 && end->n_ancestors == 0)
                return true; /* a file that was opened beneath a passed directory */
        for (uint32_t i = 0; i < rule->n_paths; i++) {
                if (end->path.len > 0 && rule_path_match(ask->policy, &rule->paths[i], peer, end->path, &below) != 0)
                        return true;
                if (end->n_ancestors > 0 && held_by_root(ask, rule, i, end, true))
                        return true;
        }
        return false;
}

static bool path_is_own(const struct ask *ask, struct bytes path) {
        struct bytes below;

        for (uint32_t i = 0; i < ask->policy->n_own; i++)
                if (rule_path_match(ask->policy, &ask->policy->own[i], ask->question->peer, path, &below) != 0)
                        return true;
        return false;
}

/* Whether a path is, or lies in, or (for a rename, which would carry it away) holds, what the rule excludes. */
static bool path_is_excluded(const struct ask *ask, const struct rule *rule, struct bytes path) {
        const struct peer *peer = ask->question->peer;
        struct bytes below;

        for (uint32_t i = 0; i < rule->n_excluded; i++) {
                if (rule_path_match(ask->policy, &rule->excluded[i], peer, path, &below) != 0)
                        return true;
                if (ask->question->op->verb == FSOP_VERB_RENAME &&
                    rule_path_inside(ask->policy, &rule->excluded[i], peer, path) != 0)
                        return true;
        }
        return false;
}

/* Whether one of a rule's paths takes in an end. ret_below is the rest of the end's path, as far as it has one. */
static bool rule_reaches(const struct ask *ask, const struct rule *rule, uint32_t path_index, const struct end *end,
                         enum op_location location, struct bytes *ret_below) {
        *ret_below = (struct bytes){NULL, 0};
        if (end->n_ancestors > 0 && !held_by_root(ask, rule, path_index, end, false))
                return false;
        if (end->path.len > 0) {
                if (rule_path_match(ask->policy, &rule->paths[path_index], ask->question->peer, end->path, ret_below) !=
                    1)
                        return false;
                /* the name of the rule's own directory stands in the directory above it, which is not the rule's */
                return location != LOCATE_NAME || ret_below->len > 0;
        }
        return end->n_ancestors > 0 || end->held_name;
}

/* ---- what a rule grants ------------------------------------------------------------------------- */

static bool refuse(struct ask *ask, const struct rule *rule, const char *why) {
        if (!ask->refusal && rule->effect == EFFECT_ALLOW) {
                ask->refusal = why;
                ask->nearest = rule;
        }
        return false;
}

static bool name_fits(const struct rule *rule, const struct end *end) {
        return !end->held_name || strcmp(rule->name, end->held_name) == 0;
}

/* Everything about a rule but the arguments and where the ends are. */
static bool may_concern(const struct ask *ask, const struct rule *rule, enum effect effect, const struct end *end) {
        return rule->effect == effect && name_fits(rule, end) && rule_has_subject(rule, ask->question->peer);
}

/* Whether a rename or link would take something out of what a deny of other operations covers, or carry that away. */
static bool path_is_protected(const struct ask *ask, struct bytes path) {
        const struct peer *peer = ask->question->peer;
        struct bytes below;

        for (uint32_t i = 0; i < ask->policy->n_rules; i++) {
                const struct rule *rule = ask->policy->rules[i];

                for (uint32_t j = 0; rule_protects(rule, peer, ask->question->op) && j < rule->n_paths; j++)
                        if (rule_path_match(ask->policy, &rule->paths[j], peer, path, &below) != 0 ||
                            rule_path_inside(ask->policy, &rule->paths[j], peer, path) != 0)
                                return true;
        }
        return false;
}

static bool grants_place(struct ask *ask, const struct rule *rule, const struct end *end) {
        if (end->path.len == 0)
                return true;
        if (path_is_protected(ask, end->path))
                return refuse(ask, rule,
                              "a rename or link must not carry things out of what another rule denies something in");
        if (path_is_own(ask, end->path))
                return refuse(ask, rule, "the daemon's own files are out of reach of every rule");
        if (path_is_excluded(ask, rule, end->path))
                return refuse(ask, rule, "the rule for this place excludes it");
        return true;
}

static bool grants_rest(struct ask *ask, const struct rule *rule, op_set permission, unsigned needs) {
        const char *why;

        if (permission & ~rule->ops)
                return refuse(ask, rule, "the rule for this place does not list this operation in ops");
        why = rule_refuses_args(rule, ask->question->op, needs);
        if (why)
                refuse(ask, rule, why);
        return !why;
}

/* Whether a rule grants one end by itself, with the operation's arguments as far as they belong to it. */
static bool grants_end(struct ask *ask, const struct rule *rule, enum effect effect, const struct end *end,
                       enum op_location location, op_set permission, unsigned needs, struct end_verdict *ret) {
        if (end->caller_only || !may_concern(ask, rule, effect, end))
                return false;
        for (uint32_t i = 0; i < rule->n_paths; i++) {
                if (!rule_reaches(ask, rule, i, end, location, &ret->below))
                        continue;
                if (!grants_place(ask, rule, end) || !grants_rest(ask, rule, permission, needs))
                        return false;
                ret->kind = VERDICT_ELEVATED;
                ret->rule = rule;
                ret->path_index = i;
                return true;
        }
        return false;
}

/* Rename and link: one rule, and one of its paths, must have both ends. */
static bool grants_both(struct ask *ask, const struct rule *rule, enum effect effect, struct verdict *ret) {
        const struct question *question = ask->question;

        if (question->at.caller_only || question->to.caller_only || !may_concern(ask, rule, effect, &question->at) ||
            !name_fits(rule, &question->to))
                return false;
        for (uint32_t i = 0; i < rule->n_paths; i++) {
                if (!rule_reaches(ask, rule, i, &question->at, ask->row->at, &ret->at.below) ||
                    !rule_reaches(ask, rule, i, &question->to, ask->row->to, &ret->to.below))
                        continue;
                if (!grants_place(ask, rule, &question->at) || !grants_place(ask, rule, &question->to) ||
                    !grants_rest(ask, rule, ask->at_permission | ask->to_permission, ask->row->needs))
                        return false;
                ret->at.kind = ret->to.kind = VERDICT_ELEVATED;
                ret->at.rule = ret->to.rule = rule;
                ret->at.path_index = ret->to.path_index = i;
                return true;
        }
        return false;
}

static bool find_for_end(struct ask *ask, enum effect effect, const struct end *end, enum op_location location,
                         op_set permission, unsigned needs, struct end_verdict *ret) {
        for (uint32_t i = 0; i < ask->policy->n_rules; i++)
                if (grants_end(ask, ask->policy->rules[i], effect, end, location, permission, needs, ret))
                        return true;
        return false;
}

static bool find_for_both(struct ask *ask, enum effect effect, struct verdict *ret) {
        for (uint32_t i = 0; i < ask->policy->n_rules; i++)
                if (grants_both(ask, ask->policy->rules[i], effect, ret))
                        return true;
        return false;
}

/* Fills the ends that rules of this effect grant. Returns whether they grant all of the operation. */
static bool find_rules(struct ask *ask, enum effect effect, struct verdict *ret) {
        const struct question *question = ask->question;
        bool at, to;

        if (ask->row->to == LOCATE_NONE)
                return find_for_end(ask, effect, &question->at, ask->row->at, ask->at_permission, ask->row->needs,
                                    &ret->at);
        if (!op_is_copy(ask->row->verb))
                return find_for_both(ask, effect, ret);
        /* a copy's two halves are granted each for itself; what is made belongs to the target */
        at = find_for_end(ask, effect, &question->at, ask->row->at, ask->at_permission, NEEDS_NOTHING, &ret->at);
        to = find_for_end(ask, effect, &question->to, ask->row->to, ask->to_permission, ask->row->needs, &ret->to);
        return at && to;
}

/* ---- the order of things ------------------------------------------------------------------------ */

static const struct rule *find_deny(const struct ask *ask) {
        const struct question *question = ask->question;

        for (uint32_t i = 0; i < ask->policy->n_rules; i++) {
                const struct rule *rule = ask->policy->rules[i];

                if (rule_denies(rule, question->peer, question->op, ask->at_permission) &&
                    deny_reaches(ask, rule, &question->at))
                        return rule;
                if (ask->row->to != LOCATE_NONE &&
                    rule_denies(rule, question->peer, question->op, ask->to_permission) &&
                    deny_reaches(ask, rule, &question->to))
                        return rule;
        }
        return NULL;
}

static bool end_is_unclean(const struct end *end, const struct location *location, bool *ret_dotdot) {
        bool in_path = false, in_location = false, unclean;

        if (!end->present)
                return false;
        unclean = path_is_unclean(end->path, &in_path);
        if (location->kind == LOCATION_HANDLE || location->kind == LOCATION_FD)
                unclean = path_is_unclean(location->path, &in_location) || unclean;
        *ret_dotdot = *ret_dotdot || in_path || in_location;
        return unclean;
}

/* PATH as it would be without empty components and "."; false when it is too long to be one. */
static bool clean_path(struct bytes path, uint8_t *buffer, struct bytes *ret) {
        size_t len = 0;

        if (path.len > WIRE_PATH_BYTES_MAX)
                return false;
        for (size_t i = 0; i < path.len;) {
                size_t start = i;

                while (i < path.len && path.data[i] != '/')
                        i++;
                if (i > start && !(i - start == 1 && path.data[start] == '.')) {
                        buffer[len++] = '/';
                        memcpy(buffer + len, path.data + start, i - start);
                        len += i - start;
                }
                i++;
        }
        *ret = (struct bytes){buffer, len};
        return true;
}

/* Whether an end with an unclean path could be a rule's if it were written properly. */
static bool rule_may_mean(const struct ask *ask, const struct rule *rule, const struct end *end, bool dotdot) {
        uint8_t buffer[WIRE_PATH_BYTES_MAX + 2];
        struct bytes path, below;

        if (!end->present || end->caller_only)
                return false;
        if (dotdot || end->path.len == 0 || !clean_path(end->path, buffer, &path))
                return true;
        for (uint32_t i = 0; i < rule->n_paths; i++)
                if (rule_path_match(ask->policy, &rule->paths[i], ask->question->peer, path, &below) != 0)
                        return true;
        return false;
}

static bool any_rule_may_mean(const struct ask *ask, bool dotdot) {
        const struct question *question = ask->question;

        for (uint32_t i = 0; i < ask->policy->n_rules; i++) {
                const struct rule *rule = ask->policy->rules[i];

                if (rule->effect == EFFECT_AUDIT || !(rule->ops & (ask->at_permission | ask->to_permission)) ||
                    !rule_has_subject(rule, question->peer))
                        continue;
                if (rule_may_mean(ask, rule, &question->at, dotdot) || rule_may_mean(ask, rule, &question->to, dotdot))
                        return true;
        }
        return false;
}

/* Refuses what no rule can speak about. True: the verdict is made. */
static bool decide_unclean(const struct ask *ask, struct verdict *ret) {
        const struct question *question = ask->question;
        bool dotdot = false, unclean;

        unclean = end_is_unclean(&question->at, &question->op->at, &dotdot);
        unclean = end_is_unclean(&question->to, &question->op->to, &dotdot) || unclean;
        if (!unclean)
                return false;
        if (question->op->as == FSOP_AS_ELEVATED || ask->held || any_rule_may_mean(ask, dotdot))
                deny(ret, NULL, -FSOP_EINVAL,
                     "a path that rules speak about must not have \"..\", \".\" or empty components (//, or / at its "
                     "end)");
        else
                as_caller(ret);
        return true;
}

/* Ends that the row asks for and nobody described, and paths that mean something else to this client. */
static bool decide_misplaced(const struct ask *ask, struct verdict *ret) {
        const struct question *question = ask->question;
        const struct operation *op = question->op;

        if (!question->at.present || (ask->row->to != LOCATE_NONE && !question->to.present)) {
                deny(ret, NULL, -FSOP_EINVAL, "the operation says no place");
                return true;
        }
        if (question->peer->foreign && (op->at.kind == LOCATION_PATH || op->to.kind == LOCATION_PATH)) {
                deny(ret, NULL, -FSOP_EPERM,
                     "this program sees other paths than the service (another mount namespace or root): pass "
                     "descriptors instead");
                return true;
        }
        return false;
}

/* Ends that may be used without a rule's help, where nothing, or not everything, is granted. */
static void decide_rest(const struct ask *ask, struct verdict *ret) {
        const char *why = ask->refusal ? ask->refusal : "no rule allows it";

        ret->nearest = ask->nearest;
        if (ask->held) {
                deny(ret, NULL, -FSOP_EPERM,
                     ask->refusal ? ask->refusal
                                  : "the rule that this handle was opened under does not allow this, or no longer; "
                                    "open it anew");
                return;
        }
        if (ask->question->op->as == FSOP_AS_ELEVATED) {
                deny(ret, NULL, -FSOP_EPERM, why);
                return;
        }
        if (ret->at.kind != VERDICT_ELEVATED)
                ret->at.kind = VERDICT_CALLER;
        if (ret->to.kind != VERDICT_ELEVATED)
                ret->to.kind = VERDICT_CALLER;
        ret->kind = VERDICT_CALLER;
        if (ret->at.kind == VERDICT_ELEVATED || ret->to.kind == VERDICT_ELEVATED) {
                ret->kind = VERDICT_ELEVATED;
                ret->rule = ret->to.kind == VERDICT_ELEVATED ? ret->to.rule : ret->at.rule;
        }
        ret->code = 0;
        ret->why = why;
}

static void decide_by_rules(struct ask *ask, struct verdict *ret) {
        const struct rule *denying = find_deny(ask);
        struct verdict would = {0};

        if (denying) {
                deny(ret, denying, -FSOP_EPERM, "a rule denies it");
        } else if (find_rules(ask, EFFECT_ALLOW, ret)) {
                ret->kind = VERDICT_ELEVATED;
                ret->rule = ask->row->to != LOCATE_NONE ? ret->to.rule : ret->at.rule;
                ret->code = 0;
                ret->why = NULL;
                return;
        } else
                decide_rest(ask, ret);
        if (find_rules(ask, EFFECT_AUDIT, &would))
                ret->audited = would.at.rule;
}

void policy_decide(const struct policy *policy, const struct question *question, struct verdict *ret_verdict) {
        const struct operation *op = question->op;
        struct ask ask = {.policy = policy, .question = question, .row = op_row(op->verb)};

        memset(ret_verdict, 0, sizeof(*ret_verdict));
        deny(ret_verdict, NULL, -FSOP_EPERM, "no rule allows it");
        if (!ask.row || op->as > FSOP_AS_ELEVATED) {
                deny(ret_verdict, NULL, -FSOP_EINVAL, "there is no such operation");
                return;
        }
        if (!ask.row->elevates) {
                as_caller(ret_verdict);
                return;
        }
        if (decide_misplaced(&ask, ret_verdict))
                return;
        ask.at_permission = op_permission_at(op);
        ask.to_permission = ask.row->to != LOCATE_NONE ? op_permission_to(op) : 0;
        ask.held = question->at.held_name || (question->to.present && question->to.held_name);
        if (ask.held && op->as == FSOP_AS_CALLER)
                deny(ret_verdict, NULL, -FSOP_EPERM,
                     "this handle was opened by a rule and cannot be used as the caller");
        else if (op->as == FSOP_AS_CALLER || (op->as == FSOP_AS_AUTO && question->peer->fully_capable && !ask.held))
                as_caller(ret_verdict);
        else if (!decide_unclean(&ask, ret_verdict))
                decide_by_rules(&ask, ret_verdict);
}

uint32_t policy_rules_of(const struct policy *policy, const struct peer *peer, op_set ops,
                         const struct rule **ret_rules, uint32_t rules_max) {
        uint32_t n = 0;

        for (uint32_t i = 0; i < policy->n_rules; i++) {
                const struct rule *rule = policy->rules[i];

                if (!(rule->ops & ops) || !rule_has_subject(rule, peer))
                        continue;
                if (n < rules_max)
                        ret_rules[n] = rule;
                n++;
        }
        return n;
}

/* ---- names that are met below -------------------------------------------------------------------- */

bool policy_excludes_below(const struct policy *policy, const struct peer *peer, const struct rule *rule,
                           struct bytes path) {
        bool any = false;

        for (uint32_t i = 0; i < rule->n_excluded && !any; i++)
                any = rule_path_inside(policy, &rule->excluded[i], peer, path) != 0;
        for (uint32_t i = 0; i < policy->n_own && !any; i++)
                any = rule_path_inside(policy, &policy->own[i], peer, path) != 0;
        for (uint32_t i = 0; i < policy->n_rules && !any; i++)
                for (uint32_t j = 0; policy->rules[i]->effect == EFFECT_DENY && j < policy->rules[i]->n_paths && !any;
                     j++)
                        any = rule_path_inside(policy, &policy->rules[i]->paths[j], peer, path) != 0;
        return any;
}

const char *policy_join_path(struct bytes top, struct bytes below, uint8_t buffer[WIRE_PATH_BYTES_MAX + 1],
                             struct bytes *ret_path) {
        size_t len = top.len > 1 || below.len == 0 ? top.len : 0; /* "/" is no component */

        if (len + 1 + below.len > WIRE_PATH_BYTES_MAX)
                return "its path is too long for rules to speak about";
        memcpy(buffer, top.data, len);
        if (below.len > 0) {
                buffer[len++] = '/';
                memcpy(buffer + len, below.data, below.len);
                len += below.len;
        }
        buffer[len] = 0;
        *ret_path = (struct bytes){buffer, len};
        return NULL;
}

const char *policy_excludes(const struct policy *policy, const struct peer *peer, const struct rule *rule,
                            const struct operation *op, op_set permission, struct bytes top, struct bytes below) {
        struct question question = {.peer = peer, .op = op, .at = {.present = true}};
        struct ask ask = {.policy = policy, .question = &question, .row = op_row(op->verb)};
        uint8_t buffer[WIRE_PATH_BYTES_MAX + 1];
        const char *why;
        struct bytes path;

        why = policy_join_path(top, below, buffer, &path);
        if (why)
                return why;
        question.at.path = path;
        if (path_is_own(&ask, path))
                return "the daemon's own files are out of reach of every rule";
        if (path_is_excluded(&ask, rule, path))
                return "the rule for this place excludes it";
        for (uint32_t i = 0; i < policy->n_rules; i++)
                if (rule_denies(policy->rules[i], peer, op, permission) &&
                    deny_reaches(&ask, policy->rules[i], &question.at))
                        return "a rule denies it";
        return NULL;
}

/* ---- about a rule ------------------------------------------------------------------------------- */

uint32_t rule_path_count(const struct rule *rule) {
        return rule->n_paths;
}

const char *rule_name(const struct rule *rule) {
        return rule->name;
}

bool rule_set_id(const struct rule *rule) {
        return rule->set_id;
}

bool rule_has_total(const struct rule *rule) {
        return rule->has_bytes_total;
}

int rule_create_as(const struct rule *rule, const struct peer *peer, uint32_t *ret_uid, uint32_t *ret_gid,
                   bool *ret_service) {
        *ret_service = rule->create_as == CREATE_AS_SERVICE;
        *ret_uid = rule->create_as == CREATE_AS_CALLER ? peer->uid : rule->create_uid;
        *ret_gid = rule->create_as == CREATE_AS_CALLER ? peer->gid : rule->create_gid;
        return *ret_uid == WIRE_NOBODY || *ret_gid == WIRE_NOBODY ? -FSOP_EINVAL : 0;
}
