/* SPDX-License-Identifier: MIT */
/*
 * policy_parse.c: the tree of one policy file to rules. One reader per key; names of users and groups become numbers
 * here.
 *
 * Who cannot be looked up makes an allow smaller (nobody is meant, the rule is inert) and a deny larger (everyone is).
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "daemon/policy_internal.h"
#include "proto/names.h"

/* A rule being read. */
struct draft {
        struct policy *policy;
        struct rule *rule;
};

static bool out_of_memory(struct yaml_reader *reader, const struct yaml_node *node) {
        return yaml_error(reader, node, "out of memory");
}

static size_t count_items(const struct yaml_node *node) {
        size_t n = 0;

        if (node->kind != YAML_LIST)
                return 1;
        for (const struct yaml_node *item = node->first; item; item = item->next)
                n++;
        return n;
}

/* Room for as many things as the list has items. */
static void *room_for(struct draft *draft, struct yaml_reader *reader, const struct yaml_node *node, size_t size) {
        void *room = arena_calloc(&draft->policy->arena, count_items(node) + 1, size);

        if (!room)
                out_of_memory(reader, node);
        return room;
}

static char *keep_text(struct draft *draft, const char *text) {
        return (char *)(uintptr_t)arena_copy(&draft->policy->arena, (struct bytes){(const uint8_t *)text, strlen(text)})
                .data;
}

/* ---- name, effect ------------------------------------------------------------------------------- */

static bool read_name(struct yaml_reader *reader, const struct yaml_node *node, void *target) {
        struct draft *draft = target;
        const char *text;

        if (!yaml_read_text(reader, node, &text))
                return false;
        if (strlen(text) > RULE_NAME_BYTES_MAX)
                return yaml_error(reader, node, "a name may have at most %u bytes", RULE_NAME_BYTES_MAX);
        for (const char *c = text; *c; c++)
                if ((unsigned char)*c < ' ' || *c == 127)
                        return yaml_error(reader, node, "a name must not have control characters");
        for (uint32_t i = 0; i < draft->policy->n_rules; i++)
                if (strcmp(draft->policy->rules[i]->name, text) == 0)
                        return yaml_error(reader, node, "the name '%s' is taken by the rule at %s", text,
                                          draft->policy->rules[i]->where);
        draft->rule->name = keep_text(draft, text);
        return draft->rule->name || out_of_memory(reader, node);
}

static bool read_effect(struct yaml_reader *reader, const struct yaml_node *node, void *target) {
        static const char *const words[] = {"allow", "deny", "audit"};
        struct draft *draft = target;
        size_t index;

        if (!yaml_read_word(reader, node, words, 3, &index))
                return false;
        draft->rule->effect = (enum effect)index; /* as in the enumeration */
        return true;
}

/* ---- user, group, key --------------------------------------------------------------------------- */

static bool is_account_name(struct yaml_reader *reader, const struct yaml_node *node, const char *text) {
        if (strpbrk(text, ":*/") || strlen(text) > 255)
                return yaml_error(reader, node, "'%.64s' must be a name or a number", text);
        return true;
}

static bool read_subject(struct yaml_reader *reader, const struct yaml_node *node, struct draft *draft,
                         struct subject *subject, bool group) {
        const char *text, *kind = group ? "group" : "user";
        uint32_t id;
        int code;

        if (!yaml_read_text(reader, node, &text) || !is_account_name(reader, node, text))
                return false;
        code = policy_look_up(draft->policy, text, group, &id);
        if (code == -FSOP_EINVAL && policy_is_digits(text))
                return yaml_check_decimal(reader, node, text) &&
                       yaml_error(reader, node, "'%.64s' must be a number below 4294967295", text);
        if (code == 0) {
                subject->ids[subject->n_ids++] = id;
        } else if (draft->rule->effect == EFFECT_DENY) {
                subject->everyone = true;
                yaml_warning(reader, node, "%s '%s' %s: this deny is for everyone", kind, text,
                             policy_missing_because(code));
        } else {
                yaml_warning(reader, node, "%s '%s' %s: nobody is meant by it", kind, text,
                             policy_missing_because(code));
        }
        return true;
}

static bool read_user_item(struct yaml_reader *reader, const struct yaml_node *node, void *target) {
        struct draft *draft = target;

        return read_subject(reader, node, draft, &draft->rule->users, false);
}

static bool read_group_item(struct yaml_reader *reader, const struct yaml_node *node, void *target) {
        struct draft *draft = target;

        return read_subject(reader, node, draft, &draft->rule->groups, true);
}

static bool read_subjects(struct yaml_reader *reader, const struct yaml_node *node, struct draft *draft,
                          struct subject *subject,
                          bool (*read)(struct yaml_reader *reader, const struct yaml_node *node, void *target)) {
        subject->given = true;
        subject->ids = room_for(draft, reader, node, sizeof(*subject->ids));
        if (!subject->ids || !yaml_read_list(reader, node, read, draft))
                return false;
        if (subject->n_ids == 0 && !subject->everyone) {
                draft->rule->inert = true;
                yaml_warning(reader, node, "the rule is inert: none of its %ss exists",
                             subject == &draft->rule->users ? "user" : "group");
        }
        return true;
}

static bool read_user(struct yaml_reader *reader, const struct yaml_node *node, void *target) {
        struct draft *draft = target;

        return read_subjects(reader, node, draft, &draft->rule->users, read_user_item);
}

static bool read_group(struct yaml_reader *reader, const struct yaml_node *node, void *target) {
        struct draft *draft = target;

        return read_subjects(reader, node, draft, &draft->rule->groups, read_group_item);
}

static bool read_key_item(struct yaml_reader *reader, const struct yaml_node *node, void *target) {
        const char *text;

        (void)target;
        return yaml_read_text(reader, node, &text);
}

static bool read_key(struct yaml_reader *reader, const struct yaml_node *node, void *target) {
        struct draft *draft = target;

        draft->rule->keys_given = true;
        if (!yaml_read_list(reader, node, read_key_item, draft))
                return false;
        if (draft->rule->effect == EFFECT_DENY) {
                yaml_warning(reader, node, "nobody can show a key yet: for this deny everyone has it");
        } else {
                draft->rule->inert = true;
                yaml_warning(reader, node, "nobody can show a key yet: the rule is inert");
        }
        return true;
}

/* ---- path, exclude ------------------------------------------------------------------------------ */

const char *rule_path_set(struct arena *arena, struct rule_path *path, const char *text) {
        size_t len = strlen(text);
        struct bytes copy;
        bool dotdot;

        if (text[0] != '/')
                return "a path must be absolute";
        if (text[len - 1] == '/')
                len--; /* "/" itself becomes "" */
        if (len == 1)
                return "a path must not have empty components";
        if (len > WIRE_PATH_BYTES_MAX)
                return "the path is too long";
        if (path_is_unclean((struct bytes){(const uint8_t *)text, len}, &dotdot))
                return "a path must not have empty components, \".\" or \"..\"";
        for (const char *c = strchr(text, '%'); c; c = strchr(c, '%')) {
                if (c[1] != 'u' && c[1] != '%')
                        return "a % must be %u (the caller's name) or %%";
                path->per_user = true;
                c += 2;
        }
        copy = arena_copy(arena, (struct bytes){(const uint8_t *)text, len});
        if (!copy.data)
                return "out of memory";
        path->text = (char *)(uintptr_t)copy.data;
        path->len = len;
        return NULL;
}

static bool read_path_text(struct yaml_reader *reader, const struct yaml_node *node, struct draft *draft,
                           struct rule_path *path) {
        const char *text, *wrong;

        if (!yaml_read_text(reader, node, &text))
                return false;
        if (strpbrk(text, "*?["))
                return yaml_error(reader, node,
                                  "a path has no patterns: it means a directory and everything beneath it");
        wrong = rule_path_set(&draft->policy->arena, path, text);
        draft->policy->any_per_user |= path->per_user;
        return wrong ? yaml_error(reader, node, "%s: '%.200s'", wrong, text) : true;
}

/* Says where a rule's directory is not one that it can be used in. */
static void examine_directory(struct draft *draft, struct yaml_reader *reader, const struct yaml_node *node,
                              const struct rule_path *path) {
        struct directory directory;
        int code;

        for (uint32_t i = 0; i < draft->policy->n_own; i++) {
                const struct rule_path *own = &draft->policy->own[i];

                if (strncmp(path->text, own->text, own->len) == 0 &&
                    (path->text[own->len] == '/' || !path->text[own->len])) {
                        yaml_warning(reader, node, "no rule reaches the daemon's own files: this path is inert");
                        break; /* another of them may lie there, too */
                }
        }
        if (path->per_user)
                return;
        code = directory_open(path->len ? path->text : "/", &directory);
        if (code == 0)
                directory_close(&directory);
        else if (code == -FSOP_ENOENT)
                yaml_warning(reader, node, "directory '%s' does not exist (yet): this path is inert", path->text);
        else if (code == -FSOP_ENOTDIR)
                yaml_warning(reader, node, "'%s' is not a directory: only in a deny this path means anything",
                             path->text);
}

static bool read_path_item(struct yaml_reader *reader, const struct yaml_node *node, void *target) {
        struct draft *draft = target;
        struct rule *rule = draft->rule;
        struct rule_path *path = &rule->paths[rule->n_paths];

        if (!read_path_text(reader, node, draft, path))
                return false;
        if (path->per_user && rule->effect == EFFECT_DENY)
                draft->policy->any_deny_per_user = true;
        examine_directory(draft, reader, node, path);
        rule->n_paths++;
        return true;
}

static bool read_exclude_item(struct yaml_reader *reader, const struct yaml_node *node, void *target) {
        struct draft *draft = target;

        if (!read_path_text(reader, node, draft, &draft->rule->excluded[draft->rule->n_excluded]))
                return false;
        draft->rule->n_excluded++;
        return true;
}

static bool read_path(struct yaml_reader *reader, const struct yaml_node *node, void *target) {
        struct draft *draft = target;

        draft->rule->paths = room_for(draft, reader, node, sizeof(*draft->rule->paths));
        return draft->rule->paths && yaml_read_list(reader, node, read_path_item, draft);
}

static bool read_exclude(struct yaml_reader *reader, const struct yaml_node *node, void *target) {
        struct draft *draft = target;

        draft->rule->excluded = room_for(draft, reader, node, sizeof(*draft->rule->excluded));
        return draft->rule->excluded && yaml_read_list(reader, node, read_exclude_item, draft);
}

/* ---- ops ---------------------------------------------------------------------------------------- */

#define OP_WORDS_MAX (2 * FSOP_VERB_LIMIT + 3)

static size_t op_words(const char **words) {
        size_t n = 0;

        words[n++] = "all";
        words[n++] = "copy-from";
        words[n++] = "copy-to";
        for (unsigned verb = 0; verb < FSOP_VERB_LIMIT; verb++) {
                const struct op_row *row = op_row((enum fsop_verb)verb);

                if (!row || !row->elevates)
                        continue;
                words[n++] = verb_name(row->verb);
                if (row->group)
                        words[n++] = row->group;
        }
        return n;
}

/* What the command line calls otherwise. */
static const char *op_of_command(const char *command) {
        static const char *const pairs[][2] = {{"rm", "unlink"},     {"mv", "rename"},    {"ln", "links"},
                                               {"touch", "utimens"}, {"mkfifo", "mknod"}, {"sync", "fsync"}};

        for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
                if (strcmp(command, pairs[i][0]) == 0)
                        return pairs[i][1];
        return NULL;
}

static bool read_op_item(struct yaml_reader *reader, const struct yaml_node *node, void *target) {
        const char *words[OP_WORDS_MAX], *text, *suggestion;
        struct draft *draft = target;
        op_set set;

        if (!yaml_read_text(reader, node, &text))
                return false;
        set = op_set_from_name(text, strlen(text));
        if (set) {
                draft->rule->ops |= set;
                return true;
        }
        if (verb_from_name(text, strlen(text)) != FSOP_VERB_NONE)
                return yaml_error(reader, node, "'%s' needs no rule and cannot stand in one", text);
        suggestion = op_of_command(text);
        if (!suggestion)
                suggestion = yaml_suggest(text, words, op_words(words));
        if (suggestion)
                return yaml_error(reader, node, "unknown operation '%.64s'; did you mean '%s'?", text, suggestion);
        return yaml_error(reader, node,
                          "unknown operation '%.64s'; names of operations, groups of them or 'all' may stand here",
                          text);
}

static bool read_ops(struct yaml_reader *reader, const struct yaml_node *node, void *target) {
        return yaml_read_list(reader, node, read_op_item, target);
}

/* ---- chown-to, devices, xattrs ------------------------------------------------------------------ */

static bool read_owner_item(struct yaml_reader *reader, const struct yaml_node *node, void *target) {
        struct draft *draft = target;
        struct rule *rule = draft->rule;
        struct owner_pattern pattern = {0};
        bool uid_known, gid_known;

        if (!policy_read_owner(draft->policy, reader, node, &pattern, &uid_known, &gid_known))
                return false;
        if (rule->effect == EFFECT_DENY) { /* who is not known may be anyone */
                pattern.uid.any |= !uid_known;
                pattern.gid.any |= !gid_known;
        } else if (!uid_known || !gid_known)
                return true;
        rule->owners[rule->n_owners++] = pattern;
        return true;
}

static bool read_chown_to(struct yaml_reader *reader, const struct yaml_node *node, void *target) {
        struct draft *draft = target;

        draft->rule->owners_given = true;
        draft->rule->owners = room_for(draft, reader, node, sizeof(*draft->rule->owners));
        return draft->rule->owners && yaml_read_list(reader, node, read_owner_item, draft);
}

static bool not_a_device(struct yaml_reader *reader, const struct yaml_node *node) {
        return yaml_error(reader, node,
                          "'%.64s' must be \"c MAJOR:MINOR\" or \"b MAJOR:MINOR\"; numbers may be * or LOW-HIGH",
                          node->text);
}

static bool read_device_item(struct yaml_reader *reader, const struct yaml_node *node, void *target) {
        struct draft *draft = target;
        struct device_pattern *device = &draft->rule->devices[draft->rule->n_devices];
        char major[32];
        const char *text, *colon;

        if (!yaml_read_text(reader, node, &text) || !yaml_check_decimal(reader, node, text))
                return false;
        colon = strchr(text, ':');
        if ((text[0] != 'c' && text[0] != 'b') || text[1] != ' ' || !colon ||
            (size_t)(colon - text - 2) >= sizeof(major))
                return not_a_device(reader, node);
        memcpy(major, text + 2, (size_t)(colon - text - 2));
        major[colon - text - 2] = '\0';
        if (!policy_parse_range(major, UINT32_MAX, &device->major) ||
            !policy_parse_range(colon + 1, UINT32_MAX, &device->minor))
                return not_a_device(reader, node);
        if (device->major.high > sys_device_major_max || device->minor.high > sys_device_minor_max)
                return yaml_error(reader, node,
                                  "'%.64s': there is no such device; a major number is at most %" PRIu32
                                  ", a minor one %" PRIu32,
                                  text, sys_device_major_max, sys_device_minor_max);
        device->type = text[0] == 'c' ? FSOP_TYPE_CHAR : FSOP_TYPE_BLOCK;
        draft->rule->n_devices++;
        return true;
}

static bool read_devices(struct yaml_reader *reader, const struct yaml_node *node, void *target) {
        struct draft *draft = target;

        draft->rule->devices_given = true;
        draft->rule->devices = room_for(draft, reader, node, sizeof(*draft->rule->devices));
        return draft->rule->devices && yaml_read_list(reader, node, read_device_item, draft);
}

/* Namespaces of which an allow can only name attributes in full. */
static const char *restricted_prefix(const char *text) {
        static const char *const prefixes[] = {"security.", "system.posix_acl_", "trusted.overlay."};

        for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++)
                if (strncmp(text, prefixes[i], strlen(prefixes[i])) == 0)
                        return prefixes[i];
        return NULL;
}

static bool read_xattr_item(struct yaml_reader *reader, const struct yaml_node *node, void *target) {
        struct draft *draft = target;
        const char *text, *star, *prefix;

        if (!yaml_read_text(reader, node, &text))
                return false;
        star = strchr(text, '*');
        if (star && star[1] != '\0')
                return yaml_error(reader, node, "'%.200s': a * may stand at the end only", text);
        prefix = restricted_prefix(text);
        if (star && prefix && draft->rule->effect != EFFECT_DENY)
                return yaml_error(reader, node, "'%.200s': attributes of %s* must be named in full", text, prefix);
        text = keep_text(draft, text);
        if (!text)
                return out_of_memory(reader, node);
        draft->rule->xattrs[draft->rule->n_xattrs++] = text;
        return true;
}

static bool read_xattrs(struct yaml_reader *reader, const struct yaml_node *node, void *target) {
        struct draft *draft = target;

        draft->rule->xattrs_given = true;
        draft->rule->xattrs = room_for(draft, reader, node, sizeof(*draft->rule->xattrs));
        return draft->rule->xattrs && yaml_read_list(reader, node, read_xattr_item, draft);
}

/* ---- what an allow demands besides ------------------------------------------------------------------------------- */

/* A deny takes away; a key that says how far a grant goes has no meaning there, and reading one into it would be
 * guessing. */
static bool is_grant(struct yaml_reader *reader, const struct yaml_node *node, const struct draft *draft,
                     const char *key) {
        if (draft->rule->effect != EFFECT_DENY)
                return true;
        return yaml_error(reader, node, "'%s' limits what a rule allows and cannot stand in a deny", key);
}

static bool read_max_bytes(struct yaml_reader *reader, const struct yaml_node *node, void *target) {
        struct draft *draft = target;

        draft->rule->has_bytes_max = true;
        return is_grant(reader, node, draft, "max-bytes") &&
               yaml_read_size(reader, node, 0, INT64_MAX, &draft->rule->bytes_max);
}

static bool read_total_bytes(struct yaml_reader *reader, const struct yaml_node *node, void *target) {
        struct draft *draft = target;

        draft->rule->has_bytes_total = true;
        return is_grant(reader, node, draft, "total-bytes") &&
               yaml_read_size(reader, node, 0, INT64_MAX, &draft->rule->bytes_total);
}

static bool read_set_id(struct yaml_reader *reader, const struct yaml_node *node, void *target) {
        struct draft *draft = target;

        return is_grant(reader, node, draft, "set-id") && yaml_read_bool(reader, node, &draft->rule->set_id);
}

static bool read_links(struct yaml_reader *reader, const struct yaml_node *node, void *target) {
        static const char *const words[] = {"one", "any"};
        struct draft *draft = target;
        size_t index;

        if (!is_grant(reader, node, draft, "links") || !yaml_read_word(reader, node, words, 2, &index))
                return false;
        draft->rule->links_any = index == 1;
        return true;
}

static bool read_foreign_parent(struct yaml_reader *reader, const struct yaml_node *node, void *target) {
        struct draft *draft = target;

        return is_grant(reader, node, draft, "foreign-parent") &&
               yaml_read_bool(reader, node, &draft->rule->foreign_parent);
}

static bool read_owned_by(struct yaml_reader *reader, const struct yaml_node *node, void *target) {
        static const char *const words[] = {"caller"};
        struct draft *draft = target;
        size_t index;

        draft->rule->owned_by_caller = true;
        return is_grant(reader, node, draft, "owned-by") && yaml_read_word(reader, node, words, 1, &index);
}

static bool read_one_filesystem(struct yaml_reader *reader, const struct yaml_node *node, void *target) {
        struct draft *draft = target;

        return is_grant(reader, node, draft, "one-filesystem") &&
               yaml_read_bool(reader, node, &draft->rule->one_filesystem);
}

static bool read_create_owner(struct yaml_reader *reader, const struct yaml_node *node, struct draft *draft) {
        struct owner_pattern pattern = {0};
        bool uid_known, gid_known;

        if (!policy_read_owner(draft->policy, reader, node, &pattern, &uid_known, &gid_known))
                return false;
        if (pattern.uid.any || pattern.gid.any || pattern.uid.low != pattern.uid.high ||
            pattern.gid.low != pattern.gid.high)
                return yaml_error(reader, node, "create-as must be caller, service or one OWNER:GROUP");
        if (!uid_known || !gid_known) {
                draft->rule->inert = true;
                yaml_warning(reader, node, "the rule is inert: it could create for nobody");
        }
        draft->rule->create_as = CREATE_AS_OWNER;
        draft->rule->create_uid = pattern.uid.low;
        draft->rule->create_gid = pattern.gid.low;
        return true;
}

static bool read_create_as(struct yaml_reader *reader, const struct yaml_node *node, void *target) {
        struct draft *draft = target;
        const char *text;

        if (!is_grant(reader, node, draft, "create-as") || !yaml_read_text(reader, node, &text))
                return false;
        if (strcmp(text, "caller") == 0)
                draft->rule->create_as = CREATE_AS_CALLER;
        else if (strcmp(text, "service") == 0)
                draft->rule->create_as = CREATE_AS_SERVICE;
        else
                return read_create_owner(reader, node, draft);
        return true;
}

/* ---- a whole rule ------------------------------------------------------------------------------- */

static const struct yaml_key rule_keys[] = {
        {"name", read_name, true},
        {"effect", read_effect, true},
        {"user", read_user, false},
        {"group", read_group, false},
        {"key", read_key, false},
        {"path", read_path, true},
        {"exclude", read_exclude, false},
        {"ops", read_ops, true},
        {"chown-to", read_chown_to, false},
        {"devices", read_devices, false},
        {"xattrs", read_xattrs, false},
        {"max-bytes", read_max_bytes, false},
        {"total-bytes", read_total_bytes, false},
        {"set-id", read_set_id, false},
        {"links", read_links, false},
        {"foreign-parent", read_foreign_parent, false},
        {"owned-by", read_owned_by, false},
        {"create-as", read_create_as, false},
        {"one-filesystem", read_one_filesystem, false},
};

static const struct yaml_node *find_key(const struct yaml_node *map, const char *name) {
        if (map->kind == YAML_MAP)
                for (const struct yaml_node *key = map->first; key; key = key->next)
                        if (strcmp(key->text, name) == 0)
                                return key;
        return NULL;
}

/* How unknown names count depends on the effect, wherever in the rule it stands. */
static void peek_effect(const struct yaml_node *node, struct rule *rule) {
        const struct yaml_node *effect = find_key(node, "effect");

        if (effect && effect->value->kind == YAML_SCALAR && strcmp(effect->value->text, "deny") == 0)
                rule->effect = EFFECT_DENY;
}

/* An exclusion that lies under none of the rule's paths is a typing error. */
static bool check_excluded(struct yaml_reader *reader, const struct yaml_node *node, const struct rule *rule) {
        const struct yaml_node *key = find_key(node, "exclude");

        if (rule->n_excluded && rule->effect == EFFECT_DENY)
                return yaml_error(reader, key,
                                  "'exclude' cannot stand in a deny: list the directories that are denied instead");
        for (uint32_t i = 0; i < rule->n_excluded; i++) {
                const struct rule_path *excluded = &rule->excluded[i];
                bool beneath = false;

                for (uint32_t j = 0; j < rule->n_paths; j++) {
                        const struct rule_path *path = &rule->paths[j];

                        beneath |= excluded->len > path->len && memcmp(excluded->text, path->text, path->len) == 0 &&
                                   excluded->text[path->len] == '/';
                }
                if (!beneath)
                        return yaml_error(reader, key, "'%s' is beneath none of the rule's paths", excluded->text);
        }
        return true;
}

static bool check_rule(struct yaml_reader *reader, const struct yaml_node *node, const struct rule *rule) {
        if (!rule->users.given && !rule->groups.given && !rule->keys_given)
                return yaml_error(reader, node, "a subject is missing: user, group or key");
        if (rule->effect == EFFECT_ALLOW && !rule->owners_given && rule->ops == OP_BIT(FSOP_VERB_CHOWN))
                yaml_warning(reader, node, "without chown-to no owner can be given: the rule allows nothing");
        return check_excluded(reader, node, rule);
}

static bool add_rule(struct policy *policy, struct rule *rule) {
        if (policy->n_rules == policy->rules_cap) {
                uint32_t cap = policy->rules_cap ? 2 * policy->rules_cap : 16;
                struct rule **rules = arena_calloc(&policy->arena, cap, sizeof(struct rule *));

                if (!rules)
                        return false;
                if (policy->n_rules)
                        memcpy(rules, policy->rules, policy->n_rules * sizeof(struct rule *));
                policy->rules = rules;
                policy->rules_cap = cap;
        }
        policy->rules[policy->n_rules++] = rule;
        return true;
}

static bool read_rule(struct yaml_reader *reader, const struct yaml_node *node, void *target) {
        struct policy *policy = target;
        struct rule *rule = arena_calloc(&policy->arena, 1, sizeof(*rule));
        struct draft draft = {.policy = policy, .rule = rule};

        if (!rule)
                return out_of_memory(reader, node);
        if (policy->n_rules == RULES_MAX)
                return yaml_error(reader, node, "more than %u rules", RULES_MAX);
        rule->where = (char *)(uintptr_t)arena_printf(&policy->arena, "%s:%" PRIu32, reader->file, node->line).data;
        if (!rule->where[0])
                return out_of_memory(reader, node);
        peek_effect(node, rule);
        if (!yaml_read_map(reader, node, rule_keys, sizeof(rule_keys) / sizeof(rule_keys[0]), &draft) ||
            !check_rule(reader, node, rule))
                return false;
        return add_rule(policy, rule) || out_of_memory(reader, node);
}

static bool read_rules(struct yaml_reader *reader, const struct yaml_node *node, void *target) {
        if (node->kind == YAML_SCALAR && node->plain && node->text[0] == '\0')
                return true; /* "rules:" with nothing under it yet */
        if (node->kind != YAML_LIST)
                return yaml_error(reader, node, "a list of rules must stand here");
        return !node->first || yaml_read_list(reader, node, read_rule, target);
}

bool policy_parse(struct policy *policy, struct yaml_reader *reader, const struct yaml_node *root) {
        static const struct yaml_key keys[] = {{"rules", read_rules, true}};

        return !root || yaml_read_map(reader, root, keys, 1, policy);
}
