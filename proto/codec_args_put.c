/* SPDX-License-Identifier: MIT */
/*
 * codec_args_put.c: the arguments of operations, encoded: the client's half of codec_args.c. What the daemon would
 * refuse is sent as it is; refusing is the daemon's.
 */
#include "proto/codec_internal.h"

/* A number or flag that is left out when it is 0, which is what its absence means. */
#define PUT_UNLESS_0(leaf, field, from)                                                                                \
        do {                                                                                                           \
                (leaf).has_##field = (from) != 0;                                                                      \
                (leaf).field = (from);                                                                                 \
        } while (0)
/* One whose presence means something. */
#define PUT_IF(leaf, field, condition, from)                                                                           \
        do {                                                                                                           \
                (leaf).has_##field = (condition);                                                                      \
                (leaf).field = (from);                                                                                 \
        } while (0)

static void put(struct wire_writer *writer, enum fsop_verb verb, const ProtobufCMessage *message) {
        leaf_put(writer, ARGS_FIELD_BASE + (uint32_t)verb, message);
}

static Fsop__V1__Create create_leaf(const struct create_args *create) {
        Fsop__V1__Create leaf = FSOP__V1__CREATE__INIT;
        PUT_IF(leaf, mode, 1, create->mode);
        PUT_IF(leaf, umask, 1, create->umask);
        return leaf;
}

static bool walk_is_plain(const struct walk_args *walk) {
        return !walk->recursive && walk->follow == FSOP_FOLLOW_NEVER && !walk->one_filesystem;
}

static Fsop__V1__Walk walk_leaf(const struct walk_args *walk) {
        Fsop__V1__Walk leaf = FSOP__V1__WALK__INIT;
        PUT_UNLESS_0(leaf, recursive, walk->recursive);
        PUT_UNLESS_0(leaf, follow, (Fsop__V1__Follow)walk->follow);
        PUT_UNLESS_0(leaf, one_filesystem, walk->one_filesystem);
        return leaf;
}

static void put_utimens(struct wire_writer *writer, const struct utimens_args *args) {
        Fsop__V1__UtimensArgs leaf = FSOP__V1__UTIMENS_ARGS__INIT;
        Fsop__V1__Create create = create_leaf(&args->create);
        PUT_UNLESS_0(leaf, atime_change, (Fsop__V1__TimeChange)args->atime_change);
        PUT_UNLESS_0(leaf, mtime_change, (Fsop__V1__TimeChange)args->mtime_change);
        PUT_IF(leaf, atime_sec, args->atime_change == TIME_SET, args->atime.sec);
        PUT_IF(leaf, atime_nsec, args->atime_change == TIME_SET, args->atime.nsec);
        PUT_IF(leaf, mtime_sec, args->mtime_change == TIME_SET, args->mtime.sec);
        PUT_IF(leaf, mtime_nsec, args->mtime_change == TIME_SET, args->mtime.nsec);
        leaf.create = args->create.create ? &create : NULL;
        put(writer, FSOP_VERB_UTIMENS, &leaf.base);
}

static void put_chmod(struct wire_writer *writer, const struct chmod_args *args) {
        Fsop__V1__ChmodArgs leaf = FSOP__V1__CHMOD_ARGS__INIT;
        Fsop__V1__Walk walk = walk_leaf(&args->walk);
        PUT_UNLESS_0(leaf, set, args->set);
        PUT_UNLESS_0(leaf, clear, args->clear);
        PUT_UNLESS_0(leaf, set_x, args->set_x);
        PUT_UNLESS_0(leaf, clear_x, args->clear_x);
        PUT_UNLESS_0(leaf, dir_keep, args->dir_keep);
        leaf.walk = walk_is_plain(&args->walk) ? NULL : &walk;
        put(writer, FSOP_VERB_CHMOD, &leaf.base);
}

static void put_chown(struct wire_writer *writer, const struct chown_args *args) {
        Fsop__V1__ChownArgs leaf = FSOP__V1__CHOWN_ARGS__INIT;
        Fsop__V1__Walk walk = walk_leaf(&args->walk);
        PUT_IF(leaf, uid, args->has_uid, args->uid);
        PUT_IF(leaf, gid, args->has_gid, args->gid);
        PUT_IF(leaf, from_uid, args->has_from_uid, args->from_uid);
        PUT_IF(leaf, from_gid, args->has_from_gid, args->from_gid);
        leaf.walk = walk_is_plain(&args->walk) ? NULL : &walk;
        put(writer, FSOP_VERB_CHOWN, &leaf.base);
}

static void put_mknod(struct wire_writer *writer, const struct mknod_args *args) {
        Fsop__V1__MknodArgs leaf = FSOP__V1__MKNOD_ARGS__INIT;
        Fsop__V1__Create create = create_leaf(&args->create);
        bool device = args->type == FSOP_TYPE_CHAR || args->type == FSOP_TYPE_BLOCK;
        PUT_IF(leaf, type, 1, (Fsop__V1__FileType)args->type);
        PUT_IF(leaf, major, device || args->major, args->major);
        PUT_IF(leaf, minor, device || args->minor, args->minor);
        leaf.create = &create;
        put(writer, FSOP_VERB_MKNOD, &leaf.base);
}

static void put_mkdir(struct wire_writer *writer, const struct create_args *args) {
        Fsop__V1__MkdirArgs leaf = FSOP__V1__MKDIR_ARGS__INIT;
        Fsop__V1__Create create = create_leaf(args);
        leaf.create = &create;
        put(writer, FSOP_VERB_MKDIR, &leaf.base);
}

static void put_unlink(struct wire_writer *writer, const struct walk_args *args) {
        Fsop__V1__UnlinkArgs leaf = FSOP__V1__UNLINK_ARGS__INIT;
        Fsop__V1__Walk walk = walk_leaf(args);
        leaf.walk = walk_is_plain(args) ? NULL : &walk;
        put(writer, FSOP_VERB_UNLINK, &leaf.base);
}

static void put_rename(struct wire_writer *writer, const struct rename_args *args) {
        Fsop__V1__RenameArgs leaf = FSOP__V1__RENAME_ARGS__INIT;
        PUT_UNLESS_0(leaf, no_replace, args->no_replace);
        PUT_UNLESS_0(leaf, exchange, args->exchange);
        put(writer, FSOP_VERB_RENAME, &leaf.base);
}

static void put_ls(struct wire_writer *writer, const struct ls_args *args) {
        Fsop__V1__LsArgs leaf = FSOP__V1__LS_ARGS__INIT;
        PUT_UNLESS_0(leaf, cookie, args->cookie);
        PUT_UNLESS_0(leaf, entries_max, args->entries_max);
        PUT_UNLESS_0(leaf, with_stat, args->with_stat);
        put(writer, FSOP_VERB_LS, &leaf.base);
}

static void put_symlink(struct wire_writer *writer, struct bytes text) {
        Fsop__V1__SymlinkArgs leaf = FSOP__V1__SYMLINK_ARGS__INIT;
        PUT_IF(leaf, text, 1, leaf_data(text));
        put(writer, FSOP_VERB_SYMLINK, &leaf.base);
}

static void put_getxattr(struct wire_writer *writer, const struct xattr_args *args) {
        Fsop__V1__GetxattrArgs leaf = FSOP__V1__GETXATTR_ARGS__INIT;
        PUT_IF(leaf, name, 1, leaf_data(args->name));
        PUT_UNLESS_0(leaf, size_max, args->size_max);
        put(writer, FSOP_VERB_GETXATTR, &leaf.base);
}

static void put_setxattr(struct wire_writer *writer, const struct xattr_args *args) {
        Fsop__V1__SetxattrArgs leaf = FSOP__V1__SETXATTR_ARGS__INIT;
        PUT_IF(leaf, name, 1, leaf_data(args->name));
        PUT_IF(leaf, value, 1, leaf_data(args->value));
        PUT_UNLESS_0(leaf, create, args->create);
        PUT_UNLESS_0(leaf, replace, args->replace);
        put(writer, FSOP_VERB_SETXATTR, &leaf.base);
}

static void put_listxattr(struct wire_writer *writer, const struct xattr_args *args) {
        Fsop__V1__ListxattrArgs leaf = FSOP__V1__LISTXATTR_ARGS__INIT;
        PUT_UNLESS_0(leaf, size_max, args->size_max);
        put(writer, FSOP_VERB_LISTXATTR, &leaf.base);
}

static void put_removexattr(struct wire_writer *writer, const struct xattr_args *args) {
        Fsop__V1__RemovexattrArgs leaf = FSOP__V1__REMOVEXATTR_ARGS__INIT;
        PUT_IF(leaf, name, 1, leaf_data(args->name));
        put(writer, FSOP_VERB_REMOVEXATTR, &leaf.base);
}

static void put_fallocate(struct wire_writer *writer, const struct fallocate_args *args) {
        Fsop__V1__FallocateArgs leaf = FSOP__V1__FALLOCATE_ARGS__INIT;
        Fsop__V1__Create create = create_leaf(&args->create);
        PUT_UNLESS_0(leaf, mode, (Fsop__V1__FallocateMode)args->mode);
        PUT_UNLESS_0(leaf, keep_size, args->keep_size);
        PUT_UNLESS_0(leaf, offset, args->offset);
        PUT_IF(leaf, length, 1, args->length);
        leaf.create = args->create.create ? &create : NULL;
        put(writer, FSOP_VERB_FALLOCATE, &leaf.base);
}

static void put_truncate(struct wire_writer *writer, const struct truncate_args *args) {
        Fsop__V1__TruncateArgs leaf = FSOP__V1__TRUNCATE_ARGS__INIT;
        Fsop__V1__Create create = create_leaf(&args->create);
        PUT_IF(leaf, size, 1, args->size);
        leaf.create = args->create.create ? &create : NULL;
        put(writer, FSOP_VERB_TRUNCATE, &leaf.base);
}

static void put_fadvise(struct wire_writer *writer, const struct fadvise_args *args) {
        Fsop__V1__FadviseArgs leaf = FSOP__V1__FADVISE_ARGS__INIT;
        PUT_UNLESS_0(leaf, advice, (Fsop__V1__Advice)args->advice);
        PUT_UNLESS_0(leaf, offset, args->offset);
        PUT_UNLESS_0(leaf, length, args->length);
        put(writer, FSOP_VERB_FADVISE, &leaf.base);
}

static void put_copy_range(struct wire_writer *writer, const struct copy_range_args *args) {
        Fsop__V1__CopyRangeArgs leaf = FSOP__V1__COPY_RANGE_ARGS__INIT;
        Fsop__V1__Create create = create_leaf(&args->create);
        PUT_UNLESS_0(leaf, src_offset, args->src_offset);
        PUT_UNLESS_0(leaf, dst_offset, args->dst_offset);
        PUT_IF(leaf, length, args->has_length, args->length);
        PUT_UNLESS_0(leaf, clone, (Fsop__V1__Clone)args->clone);
        leaf.create = args->create.create ? &create : NULL;
        put(writer, FSOP_VERB_COPY_RANGE, &leaf.base);
}

static void put_cp(struct wire_writer *writer, const struct cp_args *args) {
        struct wire_mark mark = wire_begin(writer, ARGS_FIELD_BASE + FSOP_VERB_CP, (size_t)args->n_names * 32);
        wire_put_uint(writer, CP_JOB, args->job);
        wire_put_uint(writer, CP_HOLD, args->hold);
        wire_put_bytes(writer, CP_KEY, args->key);
        wire_put_uint(writer, CP_RECURSIVE, args->recursive);
        wire_put_uint(writer, CP_ONE_FILESYSTEM, args->one_filesystem);
        wire_put_uint(writer, CP_VERIFY, args->verify);
        wire_put_uint(writer, CP_PRESERVE, args->preserve);
        wire_put_uint_always(writer, CP_UMASK, args->umask);
        wire_put_uint(writer, CP_CLONE, args->clone);
        wire_put_uint(writer, CP_SYNC, args->sync);
        wire_put_uint(writer, CP_UPDATE, args->update);
        wire_put_uint(writer, CP_BYTES_PER_S, args->bytes_per_s);
        wire_put_uint(writer, CP_PRIORITY, (uint32_t)wire_zigzag(args->priority));
        for (uint32_t i = 0; i < args->n_excludes; i++)
                wire_put_bytes_always(writer, CP_EXCLUDES, args->excludes[i]);
        for (uint32_t i = 0; i < args->n_names; i++)
                wire_put_bytes_always(writer, CP_NAMES, args->names[i]);
        wire_end(writer, mark);
}

static void put_job(struct wire_writer *writer, enum fsop_verb verb, const struct job_args *args) {
        Fsop__V1__JobArgs leaf = FSOP__V1__JOB_ARGS__INIT;
        PUT_UNLESS_0(leaf, id, args->id);
        PUT_UNLESS_0(leaf, all_users, args->all_users);
        PUT_UNLESS_0(leaf, want, (Fsop__V1__JobWant)args->want);
        PUT_UNLESS_0(leaf, after, args->after);
        PUT_UNLESS_0(leaf, entries_max, args->entries_max);
        put(writer, verb, &leaf.base);
}

static void put_open(struct wire_writer *writer, enum fsop_verb verb, const struct open_args *args) {
        Fsop__V1__OpenArgs leaf = FSOP__V1__OPEN_ARGS__INIT;
        Fsop__V1__Create create = create_leaf(&args->create);
        PUT_UNLESS_0(leaf, read, args->read);
        PUT_UNLESS_0(leaf, write, args->write);
        PUT_UNLESS_0(leaf, append, args->append);
        PUT_UNLESS_0(leaf, truncate, args->truncate);
        PUT_UNLESS_0(leaf, exclusive, args->exclusive);
        PUT_UNLESS_0(leaf, hint, (Fsop__V1__Advice)args->hint);
        leaf.create = args->create.create ? &create : NULL;
        put(writer, verb, &leaf.base);
}

static void put_read(struct wire_writer *writer, const struct read_args *args) {
        Fsop__V1__ReadArgs leaf = FSOP__V1__READ_ARGS__INIT;
        PUT_UNLESS_0(leaf, offset, args->offset);
        PUT_UNLESS_0(leaf, length, args->length);
        put(writer, FSOP_VERB_READ, &leaf.base);
}

static void put_write(struct wire_writer *writer, const struct write_args *args) {
        Fsop__V1__WriteArgs leaf = FSOP__V1__WRITE_ARGS__INIT;
        PUT_UNLESS_0(leaf, offset, args->offset);
        PUT_IF(leaf, data, 1, leaf_data(args->data));
        put(writer, FSOP_VERB_WRITE, &leaf.base);
}

static void put_fsync(struct wire_writer *writer, const struct fsync_args *args) {
        Fsop__V1__FsyncArgs leaf = FSOP__V1__FSYNC_ARGS__INIT;
        PUT_UNLESS_0(leaf, data_only, args->data_only);
        PUT_UNLESS_0(leaf, filesystem, args->filesystem);
        put(writer, FSOP_VERB_FSYNC, &leaf.base);
}

static void put_ping(struct wire_writer *writer, struct bytes data) {
        Fsop__V1__PingArgs leaf = FSOP__V1__PING_ARGS__INIT;
        PUT_IF(leaf, data, data.len != 0, leaf_data(data));
        put(writer, FSOP_VERB_PING, &leaf.base);
}

void args_put(struct wire_writer *writer, const struct operation *op) {
        switch (op->verb) {
        case FSOP_VERB_PING:
                put_ping(writer, op->args.ping);
                break;
        case FSOP_VERB_UTIMENS:
                put_utimens(writer, &op->args.utimens);
                break;
        case FSOP_VERB_CHMOD:
                put_chmod(writer, &op->args.chmod);
                break;
        case FSOP_VERB_CHOWN:
                put_chown(writer, &op->args.chown);
                break;
        case FSOP_VERB_MKNOD:
                put_mknod(writer, &op->args.mknod);
                break;
        case FSOP_VERB_MKDIR:
                put_mkdir(writer, &op->args.mkdir);
                break;
        case FSOP_VERB_UNLINK:
                put_unlink(writer, &op->args.unlink);
                break;
        case FSOP_VERB_RENAME:
                put_rename(writer, &op->args.rename);
                break;
        case FSOP_VERB_LS:
                put_ls(writer, &op->args.ls);
                break;
        case FSOP_VERB_SYMLINK:
                put_symlink(writer, op->args.symlink);
                break;
        case FSOP_VERB_GETXATTR:
                put_getxattr(writer, &op->args.xattr);
                break;
        case FSOP_VERB_SETXATTR:
                put_setxattr(writer, &op->args.xattr);
                break;
        case FSOP_VERB_LISTXATTR:
                put_listxattr(writer, &op->args.xattr);
                break;
        case FSOP_VERB_REMOVEXATTR:
                put_removexattr(writer, &op->args.xattr);
                break;
        case FSOP_VERB_FALLOCATE:
                put_fallocate(writer, &op->args.fallocate);
                break;
        case FSOP_VERB_TRUNCATE:
                put_truncate(writer, &op->args.truncate);
                break;
        case FSOP_VERB_FADVISE:
                put_fadvise(writer, &op->args.fadvise);
                break;
        case FSOP_VERB_COPY_RANGE:
                put_copy_range(writer, &op->args.copy_range);
                break;
        case FSOP_VERB_CP:
                put_cp(writer, &op->args.cp);
                break;
        case FSOP_VERB_JOB_LIST:
        case FSOP_VERB_JOB_SHOW:
        case FSOP_VERB_JOB_WATCH:
        case FSOP_VERB_JOB_PAUSE:
        case FSOP_VERB_JOB_RESUME:
        case FSOP_VERB_JOB_CANCEL:
        case FSOP_VERB_JOB_RETRY:
        case FSOP_VERB_JOB_FORGET:
                put_job(writer, op->verb, &op->args.job);
                break;
        case FSOP_VERB_OPEN:
        case FSOP_VERB_OPEN_FD:
                put_open(writer, op->verb, &op->args.open);
                break;
        case FSOP_VERB_READ:
                put_read(writer, &op->args.read);
                break;
        case FSOP_VERB_WRITE:
                put_write(writer, &op->args.write);
                break;
        case FSOP_VERB_FSYNC:
                put_fsync(writer, &op->args.fsync);
                break;
        default: /* no arguments */
                wire_put_bytes_always(writer, ARGS_FIELD_BASE + (uint32_t)op->verb, (struct bytes){0});
                break;
        }
}
