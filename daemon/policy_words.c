/* SPDX-License-Identifier: MIT */
/*
 * policy_words.c: the words that stand in rules for owners and numbers: names, numbers, ranges, OWNER:GROUP.
 */
#include <string.h>

#include "daemon/policy_internal.h"

/* A number that is an id. WIRE_NOBODY is none. */
static bool parse_id(const char *text, size_t len, uint32_t *ret_id) {
        uint64_t value;

        if (!yaml_parse_digits(text, len, &value) || value >= WIRE_NOBODY)
                return false;
        *ret_id = (uint32_t)value;
        return true;
}

bool policy_is_digits(const char *text) {
        return text[strspn(text, "0123456789")] == '\0';
}

int policy_look_up(struct policy *policy, const char *text, bool group, uint32_t *ret_id) {
        uint32_t gid;
        int code;

        if (policy_is_digits(text))
                return parse_id(text, strlen(text), ret_id) ? 0 : -FSOP_EINVAL;
        code = group ? sys_group_by_name(text, ret_id) : sys_user_by_name(text, ret_id, &gid);
        policy_remember(policy, &code, sizeof(code));
        if (code == 0)
                policy_remember(policy, ret_id, sizeof(*ret_id));
        return code;
}

const char *policy_missing_because(int code) {
        return code == -FSOP_ENOENT ? "does not exist" : "could not be looked up";
}

/* "*", "7" or "7-9"; false: none of these. */
bool policy_parse_range(const char *text, uint32_t max, struct number_range *ret) {
        const char *dash = strchr(text, '-');
        uint64_t low, high;

        *ret = (struct number_range){.any = strcmp(text, "*") == 0};
        if (ret->any)
                return true;
        if (!yaml_parse_digits(text, dash ? (size_t)(dash - text) : strlen(text), &low))
                return false;
        high = low;
        if (dash && !yaml_parse_digits(dash + 1, strlen(dash + 1), &high))
                return false;
        ret->low = (uint32_t)low;
        ret->high = (uint32_t)high;
        return low <= high && high <= max;
}

/* One half of "OWNER:GROUP". ret_known false: a name that does not exist. */
static bool read_owner_half(struct policy *policy, struct yaml_reader *reader, const struct yaml_node *node,
                            const char *text, bool group, struct number_range *ret, bool *ret_known) {
        int code;

        *ret_known = true;
        if (policy_parse_range(text, WIRE_NOBODY - 1, ret))
                return true;
        if (text[strspn(text, "0123456789-")] == '\0' && !yaml_check_decimal(reader, node, text))
                return false;
        if (!*text || strpbrk(text, ":*/") || text[strspn(text, "0123456789-")] == '\0')
                return yaml_error(reader, node,
                                  "'%.100s' must be OWNER:GROUP, each a name, a number, a range (LOW-HIGH) or *",
                                  node->text);
        code = policy_look_up(policy, text, group, &ret->low);
        ret->high = ret->low;
        if (code != 0) {
                *ret_known = false;
                yaml_warning(reader, node, "%s '%s' %s", group ? "group" : "user", text, policy_missing_because(code));
        }
        return true;
}

bool policy_read_owner(struct policy *policy, struct yaml_reader *reader, const struct yaml_node *node,
                       struct owner_pattern *ret, bool *ret_uid_known, bool *ret_gid_known) {
        char owner[256];
        const char *text, *colon;

        if (!yaml_read_text(reader, node, &text))
                return false;
        colon = strchr(text, ':');
        if (!colon || (size_t)(colon - text) >= sizeof(owner))
                return yaml_error(reader, node, "'%.100s' must be OWNER:GROUP; write OWNER:* for any group", text);
        memcpy(owner, text, (size_t)(colon - text));
        owner[colon - text] = '\0';
        return read_owner_half(policy, reader, node, owner, false, &ret->uid, ret_uid_known) &&
               read_owner_half(policy, reader, node, colon + 1, true, &ret->gid, ret_gid_known);
}
