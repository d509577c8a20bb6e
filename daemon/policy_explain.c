/* SPDX-License-Identifier: MIT */
/*
 * policy_explain.c: a verdict in words.
 */
#include <string.h>

#include "daemon/policy_internal.h"

#define NOTES_MAX 6u

static struct bytes text(const char *words) {
        return (struct bytes){(const uint8_t *)words, strlen(words)};
}

static void add_note(struct explain_result *result, struct bytes *notes, struct bytes note) {
        if (result->n_notes < NOTES_MAX && note.len > 0)
                notes[result->n_notes++] = note;
}

static struct bytes reason_of(const struct question *question, const struct verdict *verdict, struct arena *arena) {
        if (verdict->kind == VERDICT_DENIED)
                return text(verdict->why);
        if (verdict->kind == VERDICT_ELEVATED) {
                if (verdict->at.kind == VERDICT_CALLER && question->at.present)
                        return text("a rule allows the target; the source is read with the caller's own rights");
                if (verdict->to.kind == VERDICT_CALLER && question->to.present)
                        return text("a rule allows the source; the target is written with the caller's own rights");
                return text("a rule allows it");
        }
        if (question->op->as == FSOP_AS_CALLER)
                return text("asked for as the caller: the kernel decides, with the caller's own rights");
        if (question->peer->fully_capable)
                return text("root has every right itself: runs as the caller");
        if (verdict->why)
                return arena_printf(arena, "%s: the kernel decides, with the caller's own rights", verdict->why);
        return text("the kernel decides, with the caller's own rights");
}

/* Copied: the answer may be sent when the policy has been replaced. */
static void name_rule(struct explain_result *result, const struct rule *rule, struct arena *arena) {
        if (!rule)
                return;
        result->rule = arena_copy(arena, text(rule->name));
        result->where = arena_copy(arena, text(rule->where));
}

/* Rules that would have this peer and operation, had their subjects existed. */
static const struct rule *find_inert(const struct policy *policy, const struct question *question) {
        struct bytes below;

        for (uint32_t i = 0; i < policy->n_rules; i++) {
                const struct rule *rule = policy->rules[i];

                for (uint32_t j = 0; rule->inert && j < rule->n_paths; j++)
                        if (rule_path_match(policy, &rule->paths[j], question->peer, question->at.path, &below) == 1)
                                return rule;
        }
        return NULL;
}

/* What a copy keeps of its files is granted file by file, where they are: told here is what the rule grants to none. */
static void note_not_kept(struct explain_result *result, struct bytes *notes, const struct operation *op,
                          const struct rule *rule) {
        op_set lacking = rule ? op_reach_to(op) & ~rule->ops : 0;

        if (op->verb != FSOP_VERB_CP)
                return;
        if (lacking & OP_BIT(FSOP_VERB_CHOWN))
                add_note(result, notes,
                         text("the rule's ops lack chown: files will fail whose owner, which is to be kept, is not "
                              "that of create-as"));
        if (lacking & OP_BIT(FSOP_VERB_SETXATTR))
                add_note(result, notes,
                         text("the rule's ops lack setxattr: files will fail that have attributes or ACLs, which are "
                              "to be kept"));
}

int policy_explain(const struct policy *policy, const struct question *question, struct arena *arena,
                   struct explain_result *ret_result) {
        struct bytes *notes = arena_calloc(arena, NOTES_MAX, sizeof(*notes));
        const struct rule *inert;
        struct verdict verdict;

        memset(ret_result, 0, sizeof(*ret_result));
        if (!notes)
                return -FSOP_ENOMEM;
        policy_decide(policy, question, &verdict);
        ret_result->allowed = verdict.kind != VERDICT_DENIED;
        ret_result->as = verdict.kind == VERDICT_ELEVATED ? FSOP_AS_ELEVATED
                         : verdict.kind == VERDICT_CALLER ? FSOP_AS_CALLER
                                                          : question->op->as;
        name_rule(ret_result, verdict.rule, arena);
        ret_result->reason = reason_of(question, &verdict, arena);
        ret_result->notes = notes;
        if (verdict.nearest)
                add_note(ret_result, notes,
                         arena_printf(arena, "nearest is rule '%s' at %s", verdict.nearest->name,
                                      verdict.nearest->where));
        if (verdict.kind == VERDICT_ELEVATED && verdict.at.rule && verdict.to.rule &&
            verdict.at.rule != verdict.to.rule)
                add_note(ret_result, notes,
                         arena_printf(arena, "the source is allowed by rule '%s' at %s", verdict.at.rule->name,
                                      verdict.at.rule->where));
        note_not_kept(ret_result, notes, question->op, verdict.to.kind == VERDICT_ELEVATED ? verdict.to.rule : NULL);
        if (verdict.audited)
                add_note(ret_result, notes,
                         arena_printf(arena, "audit rule '%s' at %s would have allowed it, were it an allow",
                                      verdict.audited->name, verdict.audited->where));
        inert = question->at.present ? find_inert(policy, question) : NULL;
        if (inert)
                add_note(ret_result, notes,
                         arena_printf(
                                 arena,
                                 "rule '%s' at %s names this place but is inert: its user, group or key does not exist",
                                 inert->name, inert->where));
        return 0;
}
