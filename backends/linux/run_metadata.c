/* SPDX-License-Identifier: MIT */
/*
 * run_metadata.c: stat, statfs, utimens, chmod, chown: on the pinned object, by descriptor.
 */
#include "backends/linux/sys_linux.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#define SET_ID_BITS (S_ISUID | S_ISGID)

int run_stat(struct sys_op *op) {
        struct fsop_stat *stat = &op->result->value.stat;

        /* Pinning asked for all of it. Only the mount's id is another one than users know. */
        *stat = op->at.stat;
        stat->mnt_id = mounts_plain_id(op->at.stat.mnt_id);
        if (stat->mnt_id == 0)
                stat->mask &= ~(uint32_t)FSOP_STAT_MNT_ID;
        return 0;
}

int run_statfs(struct sys_op *op) {
        const unsigned long valid_bit = 0x20; /* the kernel's mark that f_flags is set at all */
        struct statfs fs;

        if (fstatfs((int)op->at.object, &fs) < 0)
                return op_failed(op, errno);
        op->result->value.statfs = (struct fsop_statfs){
                .type = (uint64_t)(unsigned long)fs.f_type & UINT32_MAX,
                .bsize = (uint64_t)fs.f_bsize,
                .frsize = fs.f_frsize != 0 ? (uint64_t)fs.f_frsize : (uint64_t)fs.f_bsize,
                .blocks = fs.f_blocks,
                .bfree = fs.f_bfree,
                .bavail = fs.f_bavail,
                .files = fs.f_files,
                .ffree = fs.f_ffree,
                .fsid = (uint64_t)(uint32_t)fs.f_fsid.__val[1] << 32 | (uint32_t)fs.f_fsid.__val[0],
                .namelen = (uint64_t)fs.f_namelen,
                .flags = (uint64_t)fs.f_flags & ~(uint64_t)valid_bit,
        };
        return 0;
}

/* ---- times ------------------------------------------------------------------------------------------------------- */

static struct timespec time_to_set(enum time_change change, const struct fsop_time *time) {
        switch (change) {
        case TIME_NOW:
                return (struct timespec){.tv_nsec = UTIME_NOW};
        case TIME_SET:
                return (struct timespec){.tv_sec = time->sec, .tv_nsec = (long)time->nsec};
        case TIME_OMIT:
                break;
        }
        return (struct timespec){.tv_nsec = UTIME_OMIT};
}

int run_utimens(struct sys_op *op) {
        const struct utimens_args *args = &op->op->args.utimens;
        struct timespec times[2] = {time_to_set(args->atime_change, &args->atime),
                                    time_to_set(args->mtime_change, &args->mtime)};
        int fd = (int)op->at.object;
        bool own = false;
        int r;

        if (op->at.object == OS_FD_NONE) {
                r = data_open(op, &op->at, O_WRONLY, &fd, &own);
                if (r < 0)
                        return r;
        }
        if (utimensat(fd, "", times, AT_EMPTY_PATH) < 0)
                op_failed(op, errno);
        if (own)
                close(fd);
        return op->code;
}

/* ---- mode -------------------------------------------------------------------------------------------------------- */

uint32_t new_mode(const struct chmod_args *args, uint32_t old) {
        uint32_t mode = (old & 07777 & ~args->clear) | args->set;

        if (S_ISDIR(old) || (old & 0111) != 0)
                mode = (mode & ~args->clear_x) | args->set_x;
        if (S_ISDIR(old))
                mode |= old & args->dir_keep;
        return mode & 07777;
}

int change_mode(struct sys_op *op, os_fd object, const struct fsop_stat *stat, bool *ret_changed) {
        uint32_t mode = new_mode(&op->op->args.chmod, stat->mode);
        /* Without CAP_FSETID the kernel would take set-gid from a directory of another group, even if it was there
         * before. */
        bool keeps_set_gid = op->at.guard != NULL && S_ISDIR(stat->mode) && (mode & S_ISGID) != 0;

        *ret_changed = false;
        if (S_ISLNK(stat->mode))
                return op_refused(op, -FSOP_EOPNOTSUPP, "on Linux a symbolic link has no mode of its own");
        if (keeps_set_gid && identity_wear(identity_of_service(true)) < 0)
                return op_refused(op, -FSOP_EPERM, "the identity could not be taken");
        if (fchmodat(service.proc_fd, fd_name(object).text, mode, 0) < 0)
                op_failed(op, errno);
        else
                *ret_changed = mode != (stat->mode & 07777);
        if (keeps_set_gid && identity_wear(op->identity) < 0)
                return op_refused(op, -FSOP_EPERM, "the identity could not be taken");
        return op->code;
}

static void report_one(struct sys_op *op, bool changed) {
        op->result->value.walk = (struct walk_result){.visited = 1, .changed = changed, .failed = op->code < 0};
}

int run_chmod(struct sys_op *op) {
        bool changed;

        if (op->op->args.chmod.walk.recursive)
                return run_walk(op);
        change_mode(op, op->at.object, &op->at.stat, &changed);
        report_one(op, changed);
        return op->code;
}

/* ---- owner ------------------------------------------------------------------------------------------------------- */

/* What the kernel leaves of set-id bits (set-gid without group execution) goes too, unless the rule lets them
 * survive. */
static int strip_set_id(struct sys_op *op, os_fd object) {
        struct fsop_stat stat;
        int r = lookup_stat((int)object, "", false, &stat);

        if (r < 0)
                return op_failed(op, -r);
        if ((stat.mode & SET_ID_BITS) == 0)
                return 0;
        if (fchmodat(service.proc_fd, fd_name(object).text, stat.mode & 07777 & ~(mode_t)SET_ID_BITS, 0) < 0)
                return op_failed(op, errno);
        return 0;
}

bool keeps_set_gid(const struct place *place) {
        const mode_t bits = S_ISGID | S_IXGRP;

        return place->guard != NULL && !place->guard->set_id && place->has_stat && S_ISREG(place->stat.mode) &&
               (place->stat.mode & bits) == S_ISGID;
}

int strip_set_gid(struct sys_op *op, const struct place *place) {
        return keeps_set_gid(place) ? strip_set_id(op, place->object) : 0;
}

static bool is_from(const struct chown_args *args, const struct fsop_stat *stat) {
        return (!args->has_from_uid || args->from_uid == stat->uid) &&
               (!args->has_from_gid || args->from_gid == stat->gid);
}

int change_owner(struct sys_op *op, os_fd object, const struct fsop_stat *stat, bool *ret_changed) {
        const struct chown_args *args = &op->op->args.chown;
        const uid_t uid = args->has_uid ? args->uid : (uid_t)-1;
        const gid_t gid = args->has_gid ? args->gid : (gid_t)-1;

        *ret_changed = false;
        if (!is_from(args, stat))
                return 0;
        if (fchownat((int)object, "", uid, gid, AT_EMPTY_PATH) < 0)
                return op_failed(op, errno);
        *ret_changed = (args->has_uid && args->uid != stat->uid) || (args->has_gid && args->gid != stat->gid);
        if (op->at.guard != NULL && !op->at.guard->set_id && (stat->mode & SET_ID_BITS) != 0 && !S_ISDIR(stat->mode) &&
            !S_ISLNK(stat->mode))
                return strip_set_id(op, object);
        return 0;
}

int run_chown(struct sys_op *op) {
        bool changed;

        if (op->op->args.chown.walk.recursive)
                return run_walk(op);
        change_owner(op, op->at.object, &op->at.stat, &changed);
        report_one(op, changed);
        return op->code;
}
