/* SPDX-License-Identifier: MIT */
/*
 * policy_internal.h: what a rule is made of, for the policy_*.c files and roots.c only. Everyone else asks through
 * policy.h.
 */
#ifndef FSOP_POLICY_INTERNAL_H
#define FSOP_POLICY_INTERNAL_H

#include "daemon/policy.h"
#include "daemon/yaml.h"
#include "proto/buffer.h"

enum effect { EFFECT_ALLOW, EFFECT_DENY, EFFECT_AUDIT };

/* One kind of subject: users or groups. */
struct subject {
        bool given;
        bool everyone; /* a deny names somebody who could not be looked up */
        uint32_t *ids;
        uint32_t n_ids;
};

/* A directory that a rule names. Components are separated by single slashes; "/" itself is "". */
struct rule_path {
        char *text;
        size_t len;
        bool per_user; /* has %u (or %%) to be filled in */
};

/* Numbers from low to high; all of them for "*". */
struct number_range {
        uint32_t low, high;
        bool any;
};

struct owner_pattern {
        struct number_range uid, gid;
};

struct device_pattern {
        enum fsop_file_type type;
        struct number_range major, minor;
};

enum create_as { CREATE_AS_CALLER, CREATE_AS_SERVICE, CREATE_AS_OWNER };

struct rule {
        char *name, *where;
        enum effect effect;
        bool inert; /* names somebody who does not exist: allows and records nothing */
        struct subject users, groups;
        bool keys_given; /* key: nobody has one yet; a deny takes everyone for its owner */
        struct rule_path *paths, *excluded;
        uint32_t n_paths, n_excluded;
        op_set ops;
        /* conditions; in a deny one that is not given is met by everything */
        bool owners_given, devices_given, xattrs_given;
        struct owner_pattern *owners;
        struct device_pattern *devices;
        const char **xattrs;
        uint32_t n_owners, n_devices, n_xattrs;
        bool has_bytes_max, has_bytes_total;
        uint64_t bytes_max, bytes_total;
        bool set_id, links_any, foreign_parent, owned_by_caller, one_filesystem;
        enum create_as create_as;
        uint32_t create_uid, create_gid;
};

struct user_names;

struct policy {
        uint32_t refs;
        struct arena arena;  /* everything below */
        struct rule **rules; /* in the order of their files, and in these of their lines */
        uint32_t n_rules, rules_cap;
        struct rule_path *own;
        uint32_t n_own;
        struct user_names *names; /* what %u stands for; remembered */
        bool any_deny_per_user, any_per_user;
        struct buffer source; /* what it was made of: files, and who was meant by their names */
        bool source_lost;     /* for want of memory: then it is not loaded */
        uint64_t edition;     /* policies of the same one were made of the same */
};

#define RULES_MAX 4096u
#define RULE_NAME_BYTES_MAX 128u

/* ---- policy_load.c: what the rules follow from is kept, to be compared with what later ones do */
void policy_remember(struct policy *policy, const void *data, size_t len);

/* ---- policy_parse.c: one file's tree to rules */
bool policy_parse(struct policy *policy, struct yaml_reader *reader, const struct yaml_node *root);
/* An absolute directory with single slashes, without "." and ".."; a slash at the end is dropped. NULL: fine, else what
 * is wrong. */
const char *rule_path_set(struct arena *arena, struct rule_path *path, const char *text);

/* ---- policy_words.c: owners and numbers as rules write them */
bool policy_is_digits(const char *text);
/* The id of a user's or group's name or number: 0, -FSOP_ENOENT, -FSOP_EINVAL (a number that is no id) or another
 * error. */
int policy_look_up(struct policy *policy, const char *text, bool group, uint32_t *ret_id);
/* "does not exist" or "could not be looked up" */
const char *policy_missing_because(int code);
/* "*", "7" or "7-9"; false: none of these, or beyond MAX. */
bool policy_parse_range(const char *text, uint32_t max, struct number_range *ret);
/* OWNER:GROUP. False: said why. What does not exist is a warning, and not known. */
bool policy_read_owner(struct policy *policy, struct yaml_reader *reader, const struct yaml_node *node,
                       struct owner_pattern *ret, bool *ret_uid_known, bool *ret_gid_known);

/* ---- policy_match.c: questions to one rule */
bool rule_has_subject(const struct rule *rule, const struct peer *peer);
/*
 * The path with the peer's name filled in, in BUFFER (WIRE_PATH_BYTES_MAX + 1 bytes). 0; -FSOP_ENOENT: the peer has no
 * name that can be a directory's; -FSOP_ENAMETOOLONG.
 */
int rule_path_expand(const struct policy *policy, const struct rule_path *path, const struct peer *peer, char *buffer,
                     size_t *ret_len);
/* Whether PATH is the directory or beneath it: ret_below is what follows. Filled-in names that are not known:
 * -FSOP_ENOENT. */
int rule_path_match(const struct policy *policy, const struct rule_path *rule_path, const struct peer *peer,
                    struct bytes path, struct bytes *ret_below);
/* The other way round: whether the rule's directory is beneath PATH, or PATH itself. */
int rule_path_inside(const struct policy *policy, const struct rule_path *rule_path, const struct peer *peer,
                     struct bytes path);
/* Whether a deny means this operation, the place left out: subject, ops and conditions. PERMISSION: bits of one end or
 * both. */
bool rule_denies(const struct rule *rule, const struct peer *peer, const struct operation *op, op_set permission);
/* Whether a deny of whatever operation keeps elevated renames and links away from its directories: they would carry
 * things out of its reach, to where it does not hold. */
bool rule_protects(const struct rule *rule, const struct peer *peer, const struct operation *op);
/* Whether an allow or audit grants the operation's arguments: NULL, or a static sentence why not. */
const char *rule_refuses_args(const struct rule *rule, const struct operation *op, unsigned needs);
/* Whether any component of a path is empty, "." or ".."; ret_dotdot: a ".." is among them. */
bool path_is_unclean(struct bytes path, bool *ret_dotdot);

int user_names_new(struct user_names **ret_names);
/* Whether a user has the same name in both, as far as BEFORE still knows it. */
bool user_names_agree(const struct user_names *before, struct user_names *now, uint32_t uid);
struct user_names *user_names_free(struct user_names *names);

/* ---- roots.c: what decide looks at, for ends known by their ancestors. The root that was acquired, or NULL. */
struct root *roots_find(struct roots *roots, const struct rule *rule, uint32_t path_index, const struct peer *peer);
/* Whether its directory is known not to exist (rather than not open for another reason). */
bool root_is_absent(const struct root *root);

#endif
