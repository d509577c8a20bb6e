/* SPDX-License-Identifier: MIT */
/*
 * copy_xattr.c: extended attributes and POSIX ACLs, from one object to another.
 *
 * What is carried over: user.*, trusted.*, security.* and the POSIX ACLs. Other system.* are views of something else,
 * trusted.SGI_ACL_* are XFS's view of the ACLs, and security.evm is a signature of this very inode.
 */
#include "backends/linux/copy_linux.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>

#define LIST_BYTES_MAX 65536u  /* XATTR_LIST_MAX */
#define VALUE_BYTES_MAX 65536u /* XATTR_SIZE_MAX */
#define FEW_BYTES 1024u
#define ACL_ACCESS "system.posix_acl_access"
#define ACL_DEFAULT "system.posix_acl_default"

void copy_xattrs_fini(struct copy_xattrs *xattrs) {
        free(xattrs->data);
        *xattrs = (struct copy_xattrs){0};
}

static bool begins(const char *name, const char *prefix) {
        return strncmp(name, prefix, strlen(prefix)) == 0;
}

static bool is_carried(const char *name) {
        if (begins(name, "system."))
                return strcmp(name, ACL_ACCESS) == 0 || strcmp(name, ACL_DEFAULT) == 0;
        return begins(name, "user.") || (begins(name, "trusted.") && !begins(name, "trusted.SGI_ACL_")) ||
               (begins(name, "security.") && strcmp(name, "security.evm") != 0);
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

static ssize_t list(int fd, bool pinned, char *buffer, size_t bytes) {
        return pinned ? xattr_list(fd, buffer, bytes) : flistxattr(fd, buffer, bytes);
}

static ssize_t get(int fd, bool pinned, const char *name, void *buffer, size_t bytes) {
        return pinned ? xattr_get(fd, name, buffer, bytes) : fgetxattr(fd, name, buffer, bytes);
}

static bool room_for(struct copy_xattrs *xattrs, size_t bytes) {
        size_t needed = xattrs->len + bytes, room = xattrs->room == 0 ? 512 : xattrs->room;
        uint8_t *grown;

        if (needed <= xattrs->room)
                return true;
        while (room < needed)
                room *= 2;
        grown = realloc(xattrs->data, room);
        if (grown == NULL)
                return false;
        xattrs->data = grown;
        xattrs->room = room;
        return true;
}

/* A value is read right into its place behind the name. */
static int read_one(int fd, bool pinned, const char *name, struct copy_xattrs *xattrs) {
        size_t name_bytes = strlen(name) + 1, head = name_bytes + sizeof(uint32_t), room = FEW_BYTES;
        uint32_t len;
        ssize_t n;

        for (;; room = VALUE_BYTES_MAX) {
                if (!room_for(xattrs, head + room))
                        return -ENOMEM;
                n = get(fd, pinned, name, xattrs->data + xattrs->len + head, room);
                if (n >= 0 || errno != ERANGE || room == VALUE_BYTES_MAX)
                        break;
        }
        if (n < 0 && (errno == ENODATA || (begins(name, "security.") && (errno == EPERM || errno == EACCES))))
                return 0; /* gone meanwhile, or not for this reader's eyes */
        if (n < 0)
                return -errno;
        len = (uint32_t)n;
        memcpy(xattrs->data + xattrs->len, name, name_bytes);
        memcpy(xattrs->data + xattrs->len + name_bytes, &len, sizeof(len));
        xattrs->len += head + len;
        xattrs->n++;
        if (strcmp(name, ACL_ACCESS) == 0)
                xattrs->acl = true;
        if (strcmp(name, ACL_DEFAULT) == 0)
                xattrs->default_acl = true;
        return 0;
}

int copy_xattrs_read(int fd, bool pinned, struct copy_xattrs *ret) {
        char few[FEW_BYTES], *names = few, *many = NULL;
        ssize_t n = list(fd, pinned, few, sizeof(few));
        int r = 0;

        if (n < 0 && errno == ERANGE) {
                names = many = malloc(LIST_BYTES_MAX);
                if (many == NULL)
                        return -ENOMEM;
                n = list(fd, pinned, many, LIST_BYTES_MAX);
        }
        if (n < 0)
                r = errno == EOPNOTSUPP || errno == ENOSYS ? 0 : -errno;
        for (ssize_t at = 0; at < n && r == 0; at += (ssize_t)strlen(names + at) + 1)
                if (is_carried(names + at))
                        r = read_one(fd, pinned, names + at, ret);
        free(many);
        return r;
}

/* ---- setting ----------------------------------------------------------------------------------------------------- */

/* Labels that the system itself gives to what is new. */
static bool is_label(const char *name) {
        return strcmp(name, "security.selinux") == 0 || strcmp(name, "security.ima") == 0 ||
               begins(name, "security.SMACK64");
}

static bool has_already(const struct copy_object *object, const char *name, const struct bytes *value) {
        uint8_t *now;
        ssize_t n;
        bool same;

        if (!object->existed)
                return false;
        now = malloc(value->len + 1);
        if (now == NULL)
                return false;
        n = get(object->fd, object->pinned, name, now, value->len + 1);
        same = n >= 0 && (size_t)n == value->len && memcmp(now, value->data, value->len) == 0;
        free(now);
        return same;
}

/* As caller the kernel decides, and what it keeps for itself stays behind, as with cp. */
static bool may_stay_behind(const struct copy_object *object, const char *name, int error) {
        if (error != EPERM && error != EACCES && error != EOPNOTSUPP && error != EINVAL)
                return false;
        if (is_label(name))
                return true;
        return object->tree->to_guard == NULL && (begins(name, "security.") || begins(name, "trusted."));
}

static const char *refusal(const struct copy_object *object, const char *path, const char *name) {
        const struct copy_permits *permits = object->tree->permits;

        if (permits != NULL)
                return permits->xattr(permits->context, (struct bytes){(const uint8_t *)path, strlen(path)}, name);
        return object->tree->to_guard != NULL && strcmp(name, "security.capability") == 0
                       ? "file capabilities are not given with a rule's rights"
                       : NULL;
}

static int set_one(const struct copy_object *object, const char *path, const char *name, const struct bytes *value,
                   struct copy_error *ret) {
        const char *why;
        int r;

        if (has_already(object, name, value))
                return 0;
        why = refusal(object, path, name);
        if (why != NULL)
                return is_label(name) ? 0 : copy_denied(ret, -FSOP_EPERM, why);
        r = object->pinned ? xattr_set(object->fd, name, value, 0)
                           : fsetxattr(object->fd, name, value->data, value->len, 0);
        if (r == 0 || may_stay_behind(object, name, errno))
                return 0;
        r = copy_failed(ret, errno);
        if (ret->os_error == EOPNOTSUPP)
                ret->why = "extended attributes of this kind cannot be kept there";
        return r;
}

static int set_some(const struct copy_object *object, const char *path, bool acls, struct copy_error *ret) {
        const struct copy_xattrs *xattrs = object->xattrs;
        int r = 0;

        for (size_t at = 0; at < xattrs->len && r == 0;) {
                const char *name = (const char *)xattrs->data + at;
                uint32_t len;

                at += strlen(name) + 1;
                memcpy(&len, xattrs->data + at, sizeof(len));
                at += sizeof(len);
                if (begins(name, "system.posix_acl_") == acls)
                        r = set_one(object, path, name, &(struct bytes){xattrs->data + at, len}, ret);
                at += len;
        }
        return r;
}

/* ACLs last: they may take the right to set the others. */
int copy_xattrs_set(const struct copy_object *object, const char *path, struct copy_error *ret) {
        int r = set_some(object, path, false, ret);

        return r < 0 ? r : set_some(object, path, true, ret);
}

static int drop(const struct copy_object *object, const char *name) {
        int r = object->pinned ? xattr_remove(object->fd, name) : fremovexattr(object->fd, name);

        return r < 0 && errno != ENODATA && errno != EOPNOTSUPP ? -errno : 0;
}

/* ACLs that the source has not. */
int copy_acls_drop(const struct copy_object *object, struct copy_error *ret) {
        bool acl = object->xattrs != NULL && object->xattrs->acl;
        bool default_acl = object->xattrs != NULL && object->xattrs->default_acl;
        int r = acl ? 0 : drop(object, ACL_ACCESS);

        if (r == 0 && stat_is_directory(object->source) && !default_acl)
                r = drop(object, ACL_DEFAULT);
        return r < 0 ? copy_failed(ret, -r) : 0;
}
