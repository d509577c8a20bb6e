/* SPDX-License-Identifier: MIT */
/* parse_owner.c: OWNER:GROUP of chown(1), by name or by number. */
#include <string.h>

#include "client/cli/parse.h"
#include "client/cli/terminal.h"

#define NAME_BYTES_MAX 256
#define ID_MAX 0xfffffffeu /* the one above is "leave it" to system calls, and never an owner */

static int parse_id(const char *text, uint32_t *ret_id, const char **ret_why) {
        uint64_t id;
        for (const char *p = text; *p; p++)
                if (*p < '0' || *p > '9')
                        return -1;
        if (parse_number(text, false, ID_MAX, &id, ret_why) < 0) {
                *ret_why = "a uid or gid is a number from 0 to 4294967294";
                return -1;
        }
        *ret_id = (uint32_t)id;
        return 0;
}

/* A name goes before a number, as in chown(1): a user may be called 1000. */
static int parse_user(const char *text, uint32_t *ret_uid, uint32_t *ret_login_gid, bool *ret_login,
                      const char **ret_why) {
        *ret_login = false;
        *ret_why = "no such user";
        if (*text == '+')
                return parse_id(text + 1, ret_uid, ret_why);
        if (terminal_user_by_name(text, ret_uid, ret_login_gid) == 0) {
                *ret_login = true;
                return 0;
        }
        return parse_id(text, ret_uid, ret_why);
}

static int parse_group(const char *text, uint32_t *ret_gid, const char **ret_why) {
        *ret_why = "no such group";
        if (*text == '+')
                return parse_id(text + 1, ret_gid, ret_why);
        if (terminal_group_by_name(text, ret_gid) == 0)
                return 0;
        return parse_id(text, ret_gid, ret_why);
}

int parse_owner(const char *text, struct owner *ret_owner, const char **ret_why) {
        struct owner owner = {0};
        char user[NAME_BYTES_MAX];
        uint32_t login_gid = 0;
        bool login = false;
        const char *colon = strchr(text, ':');
        size_t user_bytes = colon ? (size_t)(colon - text) : strlen(text);
        if (user_bytes >= sizeof(user) || !*text) {
                *ret_why = "expected OWNER, OWNER:GROUP or :GROUP";
                return -1;
        }
        memcpy(user, text, user_bytes);
        user[user_bytes] = 0;
        if (user_bytes > 0) {
                if (parse_user(user, &owner.uid, &login_gid, &login, ret_why) < 0)
                        return -1;
                owner.has_uid = true;
        }
        if (colon && colon[1]) {
                if (parse_group(colon + 1, &owner.gid, ret_why) < 0)
                        return -1;
                owner.has_gid = true;
        } else if (colon && owner.has_uid) {
                if (!login) {
                        *ret_why = "a number followed by ':' has no login group; give the group too";
                        return -1;
                }
                owner.gid = login_gid;
                owner.has_gid = true;
        }
        *ret_owner = owner;
        return 0;
}
