/* SPDX-License-Identifier: MIT */
/*
 * users.c: the user and group databases.
 */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include "backends/posix/posix.h"

#define RECORD_BYTES_MAX (1u << 20)

/* One lookup with a buffer of the given size; returns an errno, sets *ret_found. */
struct lookup {
        const char *name;
        uint32_t id;
        struct passwd passwd;
        struct group group;
        bool found;
};

static int lookup_user_by_name(struct lookup *lookup, char *buffer, size_t bytes) {
        struct passwd *entry = NULL;
        int error = getpwnam_r(lookup->name, &lookup->passwd, buffer, bytes, &entry);

        lookup->found = entry != NULL;
        return error;
}

static int lookup_user_by_id(struct lookup *lookup, char *buffer, size_t bytes) {
        struct passwd *entry = NULL;
        int error = getpwuid_r((uid_t)lookup->id, &lookup->passwd, buffer, bytes, &entry);

        lookup->found = entry != NULL;
        return error;
}

static int lookup_group_by_name(struct lookup *lookup, char *buffer, size_t bytes) {
        struct group *entry = NULL;
        int error = getgrnam_r(lookup->name, &lookup->group, buffer, bytes, &entry);

        lookup->found = entry != NULL;
        return error;
}

/* Runs a lookup with a buffer that grows until the record fits. *ret_buffer holds its strings. */
static int look_up(struct lookup *lookup, int (*call)(struct lookup *, char *, size_t), char **ret_buffer) {
        for (size_t bytes = 1024; bytes <= RECORD_BYTES_MAX; bytes *= 4) {
                char *buffer = malloc(bytes);
                int error;

                if (buffer == NULL)
                        return -FSOP_ENOMEM;
                do
                        error = call(lookup, buffer, bytes);
                while (error == EINTR);
                if (error == 0 && lookup->found) {
                        *ret_buffer = buffer;
                        return 0;
                }
                free(buffer);
                /* These errors all mean "no such name" somewhere; getpwnam(3) says so. */
                if (error == 0 || error == ENOENT || error == ESRCH)
                        return -FSOP_ENOENT;
                if (error != ERANGE)
                        return error_from_errno(error);
        }
        return -FSOP_ERANGE;
}

int sys_user_by_name(const char *name, uint32_t *ret_uid, uint32_t *ret_gid) {
        struct lookup lookup = {.name = name};
        char *buffer = NULL;
        int r = look_up(&lookup, lookup_user_by_name, &buffer);

        if (r < 0)
                return r;
        free(buffer);
        if (lookup.passwd.pw_uid == WIRE_NOBODY || lookup.passwd.pw_gid == WIRE_NOBODY)
                return -FSOP_EINVAL;
        *ret_uid = lookup.passwd.pw_uid;
        if (ret_gid != NULL)
                *ret_gid = lookup.passwd.pw_gid;
        return 0;
}

int sys_group_by_name(const char *name, uint32_t *ret_gid) {
        struct lookup lookup = {.name = name};
        char *buffer = NULL;
        int r = look_up(&lookup, lookup_group_by_name, &buffer);

        if (r < 0)
                return r;
        free(buffer);
        if (lookup.group.gr_gid == WIRE_NOBODY)
                return -FSOP_EINVAL;
        *ret_gid = lookup.group.gr_gid;
        return 0;
}

int sys_name_of_user(uint32_t uid, char *buffer, size_t buffer_bytes) {
        struct lookup lookup = {.id = uid};
        char *strings = NULL;
        int r = look_up(&lookup, lookup_user_by_id, &strings);
        size_t len;

        if (r < 0)
                return r;
        len = strlen(lookup.passwd.pw_name);
        if (len < buffer_bytes)
                memcpy(buffer, lookup.passwd.pw_name, len + 1);
        else
                r = -FSOP_ERANGE;
        free(strings);
        return r;
}

static int compare_ids(const void *a, const void *b) {
        const uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;

        return left < right ? -1 : left > right;
}

static uint32_t sort_and_unite(uint32_t *ids, uint32_t n) {
        uint32_t kept = 0;

        qsort(ids, n, sizeof(*ids), compare_ids);
        for (uint32_t i = 0; i < n; i++)
                if (kept == 0 || ids[kept - 1] != ids[i])
                        ids[kept++] = ids[i];
        return kept;
}

int sys_groups_of_user(const char *name, uint32_t gid, uint32_t **ret_groups, uint32_t *ret_n) {
        _Static_assert(sizeof(gid_t) == sizeof(uint32_t), "groups are 32 bits");
        int room = 64;

        for (;;) {
                gid_t *groups = calloc((size_t)room, sizeof(*groups));
                int n = room;

                if (groups == NULL)
                        return -FSOP_ENOMEM;
                if (getgrouplist(name, (gid_t)gid, groups, &n) >= 0) {
                        *ret_n = sort_and_unite(groups, (uint32_t)n);
                        *ret_groups = groups;
                        return 0;
                }
                free(groups);
                if (room >= 65536)
                        return -FSOP_E2BIG;
                room *= 4;
        }
}
