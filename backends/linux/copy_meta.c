/* SPDX-License-Identifier: MIT */
/*
 * copy_meta.c: owner, attributes, mode and times of something that was copied, by its descriptor and as the keeper.
 *
 * In this order: a change of owner takes set-id bits and capabilities away, an ACL changes the mode, and everything
 * changes the times. Set-id bits are set last, and only where the owner is the one that they speak of.
 */
#include "backends/linux/copy_linux.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool preserves(const struct copy_object *object, uint32_t what) {
        return (object->tree->options->preserve & what) != 0;
}

static bool is_elevated(const struct copy_object *object) {
        return object->tree->to_guard != NULL;
}

/* ---- owner ------------------------------------------------------------------------------------------------------- */

static int chown_now(struct copy_object *object, uint32_t uid, uint32_t gid) {
        if (fchownat(object->fd, "", uid, gid, AT_EMPTY_PATH) < 0)
                return -errno;
        if (uid != WIRE_NOBODY)
                object->uid = uid;
        if (gid != WIRE_NOBODY)
                object->gid = gid;
        return 0;
}

/* Somebody who may not give files away gets what cp -a would have given: the group if possible, and no set-id bits. */
static int keep_owner(struct copy_object *object, const char *path, bool *ret_refused, struct copy_error *ret) {
        const struct copy_permits *permits = object->tree->permits;
        uint32_t uid = object->source->uid, gid = object->source->gid;
        const char *why = NULL;
        int r;

        if (!preserves(object, FSOP_PRESERVE_OWNER) || (uid == object->uid && gid == object->gid))
                return 0;
        if (permits != NULL)
                /* NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker): copy_keep() made the path */
                why = permits->owner(permits->context, (struct bytes){(const uint8_t *)path, strlen(path)}, uid, gid);
        if (why != NULL)
                return copy_denied(ret, -FSOP_EPERM, why);
        r = chown_now(object, uid, gid);
        if (r == 0 || is_elevated(object) || (r != -EPERM && r != -EINVAL))
                return r < 0 ? copy_failed(ret, -r) : 0;
        *ret_refused = true;
        r = gid == object->gid ? 0 : chown_now(object, WIRE_NOBODY, gid);
        return r == 0 || r == -EPERM || r == -EINVAL ? 0 : copy_failed(ret, -r);
}

/* ---- mode -------------------------------------------------------------------------------------------------------- */

static uint32_t set_id_bits(const struct copy_object *object, bool owner_refused) {
        uint32_t bits = object->source->mode & SET_ID_BITS;

        if (owner_refused)
                return 0;
        if (is_elevated(object) && !object->tree->to_guard->set_id)
                return stat_is_directory(object->source) ? bits & object->had : 0;
        if (stat_is_directory(object->source))
                return bits;
        if (object->uid != object->source->uid)
                bits &= ~(uint32_t)S_ISUID;
        if (object->gid != object->source->gid)
                bits &= ~(uint32_t)S_ISGID;
        return bits;
}

static int chmod_now(const struct copy_object *object, uint32_t mode) {
        int r = object->pinned ? fchmodat(service.proc_fd, fd_name(object->fd).text, mode, 0)
                               : fchmod(object->fd, mode);

        return r < 0 ? -errno : 0;
}

static int keep_mode(const struct copy_object *object, bool owner_refused, struct copy_error *ret) {
        uint32_t mode = object->plain_mode;
        /* As in change_mode: without CAP_FSETID the kernel would take it from a directory of another group. */
        bool keeps_set_gid;
        int r;

        if (preserves(object, FSOP_PRESERVE_MODE))
                mode = (object->source->mode & 01777) | set_id_bits(object, owner_refused);
        if (mode == object->mode)
                return 0;
        keeps_set_gid = is_elevated(object) && stat_is_directory(object->source) && (mode & S_ISGID) != 0;
        if (keeps_set_gid && (r = copy_wear(identity_of_service(true), ret)) < 0)
                return r;
        r = chmod_now(object, mode);
        if (keeps_set_gid && copy_wear(object->tree->keeper, ret) < 0)
                return ret->code;
        return r < 0 ? copy_failed(ret, -r) : 0;
}

/* ---- times ------------------------------------------------------------------------------------------------------- */

static int keep_times(const struct copy_object *object, struct copy_error *ret) {
        const struct fsop_stat *source = object->source;
        struct timespec times[2] = {{.tv_sec = source->atime.sec, .tv_nsec = (long)source->atime.nsec},
                                    {.tv_sec = source->mtime.sec, .tv_nsec = (long)source->mtime.nsec}};

        if (!preserves(object, FSOP_PRESERVE_TIMES))
                return 0;
        if (object->pinned ? utimensat(object->fd, "", times, AT_EMPTY_PATH) < 0 : futimens(object->fd, times) < 0)
                return copy_failed(ret, errno);
        return 0;
}

/* ---- all of it --------------------------------------------------------------------------------------------------- */

static bool drops_acls(const struct copy_object *object) {
        if (stat_is_link(object->source))
                return false;
        if (object->existed)
                return object->xattrs != NULL;
        return object->inherited_acl && (object->xattrs != NULL || preserves(object, FSOP_PRESERVE_MODE));
}

static int keep_attributes(struct copy_object *object, const char *path, struct copy_error *ret) {
        int r = 0;

        if (drops_acls(object)) {
                r = copy_acls_drop(object, ret);
                object->mode = UINT32_MAX;
        }
        if (r >= 0 && object->xattrs != NULL && object->xattrs->n > 0) {
                r = copy_xattrs_set(object, path, ret);
                if (object->xattrs->acl)
                        object->mode = UINT32_MAX;
        }
        return r;
}

/* The path below the top is only needed by those who may refuse. */
static int path_of(const struct copy_object *object, char **ret_path, struct copy_error *ret) {
        *ret_path = NULL;
        if (object->tree->permits == NULL)
                return 0;
        *ret_path = copy_join(object->dir != NULL ? object->dir->path : "", object->name);
        return *ret_path == NULL ? copy_failed(ret, ENOMEM) : 0;
}

int copy_keep(struct copy_object *object, struct copy_error *ret) {
        bool refused = false;
        char *path = NULL;
        int r = 0;

        if (preserves(object, FSOP_PRESERVE_OWNER | FSOP_PRESERVE_XATTR))
                r = path_of(object, &path, ret);
        if (r >= 0)
                r = keep_owner(object, path, &refused, ret);
        if (r >= 0)
                r = keep_attributes(object, path, ret);
        if (r >= 0 && !stat_is_link(object->source))
                r = keep_mode(object, refused, ret);
        if (r >= 0)
                r = keep_times(object, ret);
        free(path);
        return r;
}
