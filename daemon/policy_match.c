/* SPDX-License-Identifier: MIT */
/*
 * policy_match.c: the questions that can be asked of one rule: does it mean this peer, this path, these arguments.
 */
#include <stdlib.h>
#include <string.h>

#include "daemon/policy_internal.h"

#define SET_ID_BITS 06000u
#define USER_NAMES_MAX 1024u      /* remembered at once; then all are forgotten */
#define USER_NAME_RETRY_MS 10000u /* a uid without a name is looked up again after this */
#define USER_NAME_BYTES_MAX 256u

/* ---- subjects ----------------------------------------------------------------------------------- */

static bool has_id(const uint32_t *ids, uint32_t n_ids, uint32_t id) {
        for (uint32_t i = 0; i < n_ids; i++)
                if (ids[i] == id)
                        return true;
        return false;
}

static bool peer_in_groups(const struct peer *peer, const struct subject *groups) {
        if (has_id(groups->ids, groups->n_ids, peer->gid))
                return true;
        for (uint32_t i = 0; i < groups->n_ids; i++)
                if (has_id(peer->groups, peer->n_groups, groups->ids[i]))
                        return true;
        return false;
}

bool rule_has_subject(const struct rule *rule, const struct peer *peer) {
        const struct subject *users = &rule->users, *groups = &rule->groups;

        if (rule->inert)
                return false;
        if (users->given && !users->everyone && !has_id(users->ids, users->n_ids, peer->uid))
                return false;
        return !groups->given || groups->everyone || peer_in_groups(peer, groups);
}

/* ---- the names behind %u ------------------------------------------------------------------------ */

struct user_name {
        uint32_t uid;
        char *name; /* NULL: none */
        uint64_t asked_ms;
};

struct user_names {
        struct user_name entries[USER_NAMES_MAX];
        uint32_t n_entries;
};

int user_names_new(struct user_names **ret_names) {
        *ret_names = calloc(1, sizeof(**ret_names));
        return *ret_names ? 0 : -FSOP_ENOMEM;
}

static void user_names_clear(struct user_names *names) {
        for (uint32_t i = 0; i < names->n_entries; i++)
                free(names->entries[i].name);
        names->n_entries = 0;
}

struct user_names *user_names_free(struct user_names *names) {
        if (names)
                user_names_clear(names);
        free(names);
        return NULL;
}

/* A name becomes one component of a path: it must be able to be one. */
static bool can_be_component(const char *name) {
        return name[0] != '\0' && !strchr(name, '/') && strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

static void look_up(struct user_name *entry) {
        char buffer[USER_NAME_BYTES_MAX];

        free(entry->name);
        entry->name = NULL;
        entry->asked_ms = sys_monotonic_ms();
        if (sys_name_of_user(entry->uid, buffer, sizeof(buffer)) >= 0 && can_be_component(buffer))
                entry->name = strdup(buffer);
}

/* The peer's user name; NULL if it has none that can be a file's name, or it cannot be looked up. */
static const char *user_names_get(struct user_names *names, uint32_t uid) {
        struct user_name *entry = names->entries, *end = names->entries + names->n_entries;

        while (entry < end && entry->uid != uid)
                entry++;
        if (entry < end) {
                if (!entry->name && sys_monotonic_ms() - entry->asked_ms >= USER_NAME_RETRY_MS)
                        look_up(entry);
                return entry->name;
        }
        if (names->n_entries == USER_NAMES_MAX)
                user_names_clear(names);
        entry = &names->entries[names->n_entries++];
        *entry = (struct user_name){.uid = uid};
        look_up(entry);
        return entry->name;
}

bool user_names_agree(const struct user_names *before, struct user_names *now, uint32_t uid) {
        for (uint32_t i = 0; i < before->n_entries; i++) {
                const char *then = before->entries[i].name, *name;

                if (before->entries[i].uid != uid)
                        continue;
                name = user_names_get(now, uid);
                return then && name && strcmp(then, name) == 0;
        }
        return false;
}

/* A peer that brings its name is decided about without any state: by workers too. */
static const char *peer_name(const struct policy *policy, const struct peer *peer) {
        if (!peer->name)
                return user_names_get(policy->names, peer->uid);
        return can_be_component(peer->name) ? peer->name : NULL;
}

/* ---- paths -------------------------------------------------------------------------------------- */

bool path_is_unclean(struct bytes path, bool *ret_dotdot) {
        const uint8_t *at = path.data, *end;
        bool unclean = false;

        *ret_dotdot = false;
        if (path.len == 0 || (path.len == 1 && *at == '/'))
                return false;
        end = path.data + path.len;
        if (*at == '/')
                at++;
        for (;;) {
                const uint8_t *slash = memchr(at, '/', (size_t)(end - at));
                size_t len = (size_t)((slash ? slash : end) - at);

                if (len == 2 && at[0] == '.' && at[1] == '.')
                        *ret_dotdot = unclean = true;
                else if (len == 0 || (len == 1 && at[0] == '.'))
                        unclean = true;
                if (!slash)
                        return unclean;
                at = slash + 1;
        }
}

int rule_path_expand(const struct policy *policy, const struct rule_path *path, const struct peer *peer, char *buffer,
                     size_t *ret_len) {
        const char *name = NULL;
        size_t len = 0;

        for (const char *c = path->text; *c; c++) {
                const char *piece = c;
                size_t piece_len = 1;

                if (path->per_user && c[0] == '%') {
                        c++;
                        if (*c == 'u') {
                                if (!name)
                                        name = peer_name(policy, peer);
                                if (!name)
                                        return -FSOP_ENOENT;
                                piece = name;
                                piece_len = strlen(name);
                        }
                }
                if (len + piece_len > WIRE_PATH_BYTES_MAX)
                        return -FSOP_ENAMETOOLONG;
                memcpy(buffer + len, piece, piece_len);
                len += piece_len;
        }
        buffer[len] = '\0';
        *ret_len = len;
        return 0;
}

/* The rule's path as this peer's; BUFFER is used where something has to be filled in. */
static int path_text(const struct policy *policy, const struct rule_path *path, const struct peer *peer, char *buffer,
                     const char **ret_text, size_t *ret_len) {
        *ret_text = path->text;
        *ret_len = path->len;
        if (!path->per_user)
                return 0;
        *ret_text = buffer;
        return rule_path_expand(policy, path, peer, buffer, ret_len);
}

/* Whether LONGER is SHORTER, or that and then a slash. Neither ends in one ("/" is ""). */
static bool is_beneath(const void *shorter, size_t shorter_len, const void *longer, size_t longer_len) {
        return longer_len >= shorter_len && memcmp(longer, shorter, shorter_len) == 0 &&
               (longer_len == shorter_len || ((const char *)longer)[shorter_len] == '/');
}

static struct bytes without_root_slash(struct bytes path) {
        if (path.len == 1 && path.data[0] == '/')
                path.len = 0;
        return path;
}

int rule_path_match(const struct policy *policy, const struct rule_path *rule_path, const struct peer *peer,
                    struct bytes path, struct bytes *ret_below) {
        char buffer[WIRE_PATH_BYTES_MAX + 1];
        const char *text;
        size_t len;
        int code = path_text(policy, rule_path, peer, buffer, &text, &len);

        if (code < 0)
                return code;
        path = without_root_slash(path);
        if (!is_beneath(text, len, path.data, path.len))
                return 0;
        if (path.len > len)
                len++;
        *ret_below = (struct bytes){path.data + len, path.len - len};
        return 1;
}

int rule_path_inside(const struct policy *policy, const struct rule_path *rule_path, const struct peer *peer,
                     struct bytes path) {
        char buffer[WIRE_PATH_BYTES_MAX + 1];
        const char *text;
        size_t len;
        int code = path_text(policy, rule_path, peer, buffer, &text, &len);

        if (code < 0)
                return code;
        path = without_root_slash(path);
        return is_beneath(path.data, path.len, text, len);
}

/* ---- arguments ---------------------------------------------------------------------------------- */

static bool in_range(const struct number_range *range, uint32_t number) {
        return range->any || (number >= range->low && number <= range->high);
}

/* A part that the request leaves as it is needs no permission. */
static bool owner_is_granted(const struct rule *rule, const struct chown_args *chown) {
        for (uint32_t i = 0; i < rule->n_owners; i++)
                if ((!chown->has_uid || in_range(&rule->owners[i].uid, chown->uid)) &&
                    (!chown->has_gid || in_range(&rule->owners[i].gid, chown->gid)))
                        return true;
        return false;
}

/*
 * What a deny lists must be met by everything that is given, and by something that the pattern names: "root:*" is no
 * reason to refuse a change of the group alone.
 */
static bool owner_is_denied(const struct rule *rule, const struct chown_args *chown) {
        for (uint32_t i = 0; i < rule->n_owners; i++) {
                const struct owner_pattern *pattern = &rule->owners[i];

                if ((chown->has_uid && !in_range(&pattern->uid, chown->uid)) ||
                    (chown->has_gid && !in_range(&pattern->gid, chown->gid)))
                        continue;
                if ((chown->has_uid && !pattern->uid.any) || (chown->has_gid && !pattern->gid.any) ||
                    (pattern->uid.any && pattern->gid.any))
                        return true;
        }
        return false;
}

static bool is_device(const struct mknod_args *mknod) {
        return mknod->type == FSOP_TYPE_CHAR || mknod->type == FSOP_TYPE_BLOCK;
}

static bool device_is_listed(const struct rule *rule, const struct mknod_args *mknod) {
        for (uint32_t i = 0; i < rule->n_devices; i++)
                if (rule->devices[i].type == mknod->type && in_range(&rule->devices[i].major, mknod->major) &&
                    in_range(&rule->devices[i].minor, mknod->minor))
                        return true;
        return false;
}

static bool node_is_granted(const struct rule *rule, const struct mknod_args *mknod) {
        if (mknod->type == FSOP_TYPE_FIFO || mknod->type == FSOP_TYPE_SOCKET)
                return true;
        return is_device(mknod) && device_is_listed(rule, mknod);
}

static bool begins_with(struct bytes name, const char *prefix) {
        size_t len = strlen(prefix);

        return name.len >= len && memcmp(name.data, prefix, len) == 0;
}

/* Names that change what the kernel lets others do: capabilities, labels, ACLs, the layers of an overlay. */
static bool needs_full_name(struct bytes name) {
        return begins_with(name, "security.") || begins_with(name, "system.posix_acl_") ||
               begins_with(name, "trusted.overlay.");
}

static bool xattr_is_listed(const struct rule *rule, struct bytes name, bool globs) {
        for (uint32_t i = 0; i < rule->n_xattrs; i++) {
                const char *pattern = rule->xattrs[i];
                size_t len = strlen(pattern);

                if (pattern[len - 1] != '*') {
                        if (len == name.len && memcmp(pattern, name.data, len) == 0)
                                return true;
                } else if (globs && name.len >= len - 1 && memcmp(pattern, name.data, len - 1) == 0)
                        return true;
        }
        return false;
}

static bool xattr_is_granted(const struct rule *rule, struct bytes name) {
        if (!rule->xattrs_given)
                return begins_with(name, "user.");
        return xattr_is_listed(rule, name, !needs_full_name(name));
}

/* The size that a file has at least when it is done; 0 where that does not follow from the arguments. */
static bool size_reached(const struct operation *op, uint64_t *ret_bytes) {
        uint64_t offset = 0, length = 0;

        switch (op->verb) {
        case FSOP_VERB_TRUNCATE:
                length = op->args.truncate.size;
                break;
        case FSOP_VERB_FALLOCATE:
                if (op->args.fallocate.mode == FSOP_FALLOCATE_PUNCH_HOLE ||
                    op->args.fallocate.mode == FSOP_FALLOCATE_COLLAPSE_RANGE)
                        break;
                /* with keep-size too: what is reserved beyond the end counts as reached */
                offset = op->args.fallocate.offset;
                length = op->args.fallocate.length;
                break;
        case FSOP_VERB_WRITE:
                offset = op->args.write.offset;
                length = op->args.write.data.len;
                break;
        case FSOP_VERB_COPY_RANGE:
                offset = op->args.copy_range.dst_offset;
                length = op->args.copy_range.has_length ? op->args.copy_range.length : 0;
                break;
        default:
                break;
        }
        *ret_bytes = length ? offset + length : 0;
        return offset <= UINT64_MAX - length;
}

static uint32_t mode_asked(const struct operation *op) {
        const struct create_args *create;

        switch (op->verb) {
        case FSOP_VERB_CHMOD:
                return op->args.chmod.set | op->args.chmod.set_x;
        case FSOP_VERB_MKNOD:
                return op->args.mknod.create.mode;
        case FSOP_VERB_MKDIR:
                return op->args.mkdir.mode;
        case FSOP_VERB_UTIMENS:
                create = &op->args.utimens.create;
                break;
        case FSOP_VERB_FALLOCATE:
                create = &op->args.fallocate.create;
                break;
        case FSOP_VERB_TRUNCATE:
                create = &op->args.truncate.create;
                break;
        case FSOP_VERB_OPEN:
        case FSOP_VERB_OPEN_FD:
                create = &op->args.open.create;
                break;
        case FSOP_VERB_COPY_RANGE:
                create = &op->args.copy_range.create;
                break;
        default:
                return 0;
        }
        return create->create ? create->mode : 0;
}

const char *rule_refuses_args(const struct rule *rule, const struct operation *op, unsigned needs) {
        uint64_t bytes;

        if ((needs & NEEDS_OWNER) && !owner_is_granted(rule, &op->args.chown))
                return "the rule for this place does not list that owner in chown-to";
        if ((needs & NEEDS_DEVICE) && !node_is_granted(rule, &op->args.mknod))
                return "the rule for this place does not list that device in devices";
        if ((needs & NEEDS_XATTR) && !xattr_is_granted(rule, op->args.xattr.name))
                return "the rule for this place does not list that attribute in xattrs";
        if ((needs & NEEDS_MODE) && (mode_asked(op) & SET_ID_BITS) && !rule->set_id)
                return "the rule for this place does not let set-id bits be set";
        if (needs & NEEDS_BYTES) {
                if (!size_reached(op, &bytes))
                        return "the size is out of range";
                if (rule->has_bytes_max && bytes > rule->bytes_max)
                        return "the file would be larger than max-bytes of the rule for this place";
        }
        return NULL;
}

bool rule_protects(const struct rule *rule, const struct peer *peer, const struct operation *op) {
        return rule->effect == EFFECT_DENY && (op->verb == FSOP_VERB_RENAME || op->verb == FSOP_VERB_LINK) &&
               rule_has_subject(rule, peer);
}

bool rule_denies(const struct rule *rule, const struct peer *peer, const struct operation *op, op_set permission) {
        const struct op_row *row = op_row(op->verb);

        if (rule->effect != EFFECT_DENY || !(rule->ops & permission) || !rule_has_subject(rule, peer))
                return false;
        if ((row->needs & NEEDS_OWNER) && rule->owners_given)
                return owner_is_denied(rule, &op->args.chown);
        if ((row->needs & NEEDS_DEVICE) && rule->devices_given)
                return is_device(&op->args.mknod) && device_is_listed(rule, &op->args.mknod);
        if ((row->needs & NEEDS_XATTR) && rule->xattrs_given)
                return xattr_is_listed(rule, op->args.xattr.name, true);
        return true;
}
