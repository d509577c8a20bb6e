/* SPDX-License-Identifier: MIT */
/*
 * codec_args.c: the arguments of operations, decoded and checked. One function per operation that has any; what comes
 * out can be right, whether it may be is for others. What goes the other way is in codec_args_put.c.
 */
#include "proto/codec_internal.h"

#include <string.h>

#include "proto/names.h"

#define NSEC_MAX 999999999u

/* ---- checks ------------------------------------------------------------------------------------------------------ */

static int check_enum(struct decoder *decoder, const char *what, int value, int max) {
        if (value < 0 || value > max)
                return decoder_refuse(decoder, FSOP_EINVAL, "%s cannot be %d", what, value);
        return 0;
}

static int check_mode(struct decoder *decoder, const char *what, uint32_t mode, uint32_t max) {
        if (mode > max)
                return decoder_refuse(decoder, FSOP_EINVAL, "%s %#o has more bits than %#o", what, mode, max);
        return 0;
}

static int check_owner(struct decoder *decoder, const char *what, uint32_t id) {
        if (id == WIRE_NOBODY)
                return decoder_refuse(decoder, FSOP_EINVAL, "%s %u means 'nobody' and is never an owner", what, id);
        return 0;
}

static int check_size(struct decoder *decoder, const char *what, uint64_t size) {
        if (size > INT64_MAX)
                return decoder_refuse(decoder, FSOP_EINVAL, "%s %llu is beyond 2^63 - 1", what,
                                      (unsigned long long)size);
        return 0;
}

static int check_range(struct decoder *decoder, uint64_t offset, uint64_t length) {
        int r = check_size(decoder, "offset", offset);
        if (r == 0)
                r = check_size(decoder, "length", length);
        if (r == 0 && length > INT64_MAX - offset)
                r = decoder_refuse(decoder, FSOP_EINVAL, "offset %llu and length %llu reach beyond 2^63 - 1",
                                   (unsigned long long)offset, (unsigned long long)length);
        return r;
}

static int check_xattr_name(struct decoder *decoder, struct bytes name) {
        if (name.len == 0)
                return decoder_refuse(decoder, FSOP_EINVAL, "needs the attribute's name");
        if (name.len > WIRE_NAME_BYTES_MAX)
                return decoder_refuse(decoder, FSOP_ERANGE, "an attribute's name of %zu bytes: %u is the most",
                                      name.len, WIRE_NAME_BYTES_MAX);
        if (memchr(name.data, 0, name.len))
                return decoder_refuse(decoder, FSOP_EINVAL, "an attribute's name with a NUL in it");
        return 0;
}

static int check_not_both(struct decoder *decoder, bool a, bool b, const char *names) {
        return a && b ? decoder_refuse(decoder, FSOP_EINVAL, "%s exclude each other", names) : 0;
}

static int read_create(struct decoder *decoder, const Fsop__V1__Create *leaf, struct create_args *ret) {
        if (!leaf)
                return 0;
        if (!leaf->has_mode || !leaf->has_umask)
                return decoder_refuse(decoder, FSOP_EINVAL, "Create needs both mode and umask");
        int r = check_mode(decoder, "mode", leaf->mode, 07777);
        if (r == 0)
                r = check_mode(decoder, "umask", leaf->umask, 0777);
        *ret = (struct create_args){.create = true, .mode = leaf->mode, .umask = leaf->umask};
        return r;
}

static int read_create_needed(struct decoder *decoder, const Fsop__V1__Create *leaf, struct create_args *ret) {
        if (!leaf)
                return decoder_refuse(decoder, FSOP_EINVAL, "needs mode and umask of what is to be created");
        return read_create(decoder, leaf, ret);
}

static int read_walk(struct decoder *decoder, const Fsop__V1__Walk *leaf, struct walk_args *ret) {
        if (!leaf)
                return 0;
        *ret = (struct walk_args){
                .recursive = leaf->recursive,
                .follow = (enum fsop_follow)leaf->follow,
                .one_filesystem = leaf->one_filesystem,
        };
        return check_enum(decoder, "follow", (int)leaf->follow, FSOP_FOLLOW_ALWAYS);
}

/* ---- service ----------------------------------------------------------------------------------------------------- */

static int read_ping(struct decoder *decoder, const ProtobufCMessage *message, struct operation *op) {
        const Fsop__V1__PingArgs *leaf = (const Fsop__V1__PingArgs *)message;
        op->args.ping = leaf_bytes(leaf->data);
        if (leaf->data.len > WIRE_IO_BYTES_MAX)
                return decoder_refuse(decoder, FSOP_EINVAL, "%zu bytes at once: %u is the most", leaf->data.len,
                                      WIRE_IO_BYTES_MAX);
        return 0;
}

/* ---- metadata, owner, special ------------------------------------------------------------------------------------ */

static int read_time(struct decoder *decoder, const char *what, int change, bool has_sec, int64_t sec, uint32_t nsec,
                     enum time_change *ret_change, struct fsop_time *ret_time) {
        int r = check_enum(decoder, what, change, TIME_SET);
        if (r < 0)
                return r;
        *ret_change = (enum time_change)change;
        if (change != TIME_SET)
                return 0;
        if (!has_sec)
                return decoder_refuse(decoder, FSOP_EINVAL, "%s is to be set, but to what is not there", what);
        if (nsec > NSEC_MAX)
                return decoder_refuse(decoder, FSOP_EINVAL, "%s with %u nanoseconds: %u is the most", what, nsec,
                                      NSEC_MAX);
        *ret_time = (struct fsop_time){.sec = sec, .nsec = nsec};
        return 0;
}

static int read_utimens(struct decoder *decoder, const ProtobufCMessage *message, struct operation *op) {
        const Fsop__V1__UtimensArgs *leaf = (const Fsop__V1__UtimensArgs *)message;
        struct utimens_args *args = &op->args.utimens;
        int r = read_time(decoder, "atime", (int)leaf->atime_change, leaf->has_atime_sec, leaf->atime_sec,
                          leaf->atime_nsec, &args->atime_change, &args->atime);
        if (r == 0)
                r = read_time(decoder, "mtime", (int)leaf->mtime_change, leaf->has_mtime_sec, leaf->mtime_sec,
                              leaf->mtime_nsec, &args->mtime_change, &args->mtime);
        return r < 0 ? r : read_create(decoder, leaf->create, &args->create);
}

static int read_chmod(struct decoder *decoder, const ProtobufCMessage *message, struct operation *op) {
        const Fsop__V1__ChmodArgs *leaf = (const Fsop__V1__ChmodArgs *)message;
        op->args.chmod = (struct chmod_args){
                .set = leaf->set,
                .clear = leaf->clear,
                .set_x = leaf->set_x,
                .clear_x = leaf->clear_x,
                .dir_keep = leaf->dir_keep,
        };
        uint32_t all = leaf->set | leaf->clear | leaf->set_x | leaf->clear_x | leaf->dir_keep;
        int r = check_mode(decoder, "mode", all, 07777);
        return r < 0 ? r : read_walk(decoder, leaf->walk, &op->args.chmod.walk);
}

static int read_chown(struct decoder *decoder, const ProtobufCMessage *message, struct operation *op) {
        const Fsop__V1__ChownArgs *leaf = (const Fsop__V1__ChownArgs *)message;
        op->args.chown = (struct chown_args){
                .has_uid = leaf->has_uid,
                .has_gid = leaf->has_gid,
                .has_from_uid = leaf->has_from_uid,
                .has_from_gid = leaf->has_from_gid,
                .uid = leaf->uid,
                .gid = leaf->gid,
                .from_uid = leaf->from_uid,
                .from_gid = leaf->from_gid,
        };
        int r = check_owner(decoder, "uid", leaf->uid);
        if (r == 0)
                r = check_owner(decoder, "gid", leaf->gid);
        if (r == 0)
                r = check_owner(decoder, "from_uid", leaf->from_uid);
        if (r == 0)
                r = check_owner(decoder, "from_gid", leaf->from_gid);
        return r < 0 ? r : read_walk(decoder, leaf->walk, &op->args.chown.walk);
}

static int read_mknod(struct decoder *decoder, const ProtobufCMessage *message, struct operation *op) {
        const Fsop__V1__MknodArgs *leaf = (const Fsop__V1__MknodArgs *)message;
        struct mknod_args *args = &op->args.mknod;
        *args = (struct mknod_args){
                .type = (enum fsop_file_type)leaf->type,
                .major = leaf->major,
                .minor = leaf->minor,
        };
        bool device = args->type == FSOP_TYPE_CHAR || args->type == FSOP_TYPE_BLOCK;
        if (!device && args->type != FSOP_TYPE_FIFO && args->type != FSOP_TYPE_SOCKET)
                return decoder_refuse(decoder, FSOP_EINVAL, "type %d is not that of a device, a FIFO or a socket",
                                      (int)leaf->type);
        if (device && !(leaf->has_major && leaf->has_minor))
                return decoder_refuse(decoder, FSOP_EINVAL, "a device needs major and minor");
        if (!device && (leaf->major || leaf->minor))
                return decoder_refuse(decoder, FSOP_EINVAL, "only devices have major and minor");
        return read_create_needed(decoder, leaf->create, &args->create);
}

/* ---- directories, links ------------------------------------------------------------------------------------------ */

static int read_mkdir(struct decoder *decoder, const ProtobufCMessage *message, struct operation *op) {
        const Fsop__V1__MkdirArgs *leaf = (const Fsop__V1__MkdirArgs *)message;
        return read_create_needed(decoder, leaf->create, &op->args.mkdir);
}

static int read_unlink(struct decoder *decoder, const ProtobufCMessage *message, struct operation *op) {
        return read_walk(decoder, ((const Fsop__V1__UnlinkArgs *)message)->walk, &op->args.unlink);
}

static int read_rename(struct decoder *decoder, const ProtobufCMessage *message, struct operation *op) {
        const Fsop__V1__RenameArgs *leaf = (const Fsop__V1__RenameArgs *)message;
        op->args.rename = (struct rename_args){.no_replace = leaf->no_replace, .exchange = leaf->exchange};
        return check_not_both(decoder, leaf->no_replace, leaf->exchange, "no_replace and exchange");
}

static int read_ls(struct decoder *decoder, const ProtobufCMessage *message, struct operation *op) {
        const Fsop__V1__LsArgs *leaf = (const Fsop__V1__LsArgs *)message;
        uint32_t max = leaf->entries_max;
        (void)decoder;
        op->args.ls = (struct ls_args){
                .cookie = leaf->cookie,
                .entries_max = max == 0 || max > WIRE_LS_ENTRIES_MAX ? WIRE_LS_ENTRIES_MAX : max,
                .with_stat = leaf->with_stat,
        };
        return 0;
}

static int read_symlink(struct decoder *decoder, const ProtobufCMessage *message, struct operation *op) {
        struct bytes text = leaf_bytes(((const Fsop__V1__SymlinkArgs *)message)->text);
        op->args.symlink = text;
        if (text.len == 0)
                return decoder_refuse(decoder, FSOP_EINVAL, "needs the link's text");
        if (text.len > WIRE_PATH_BYTES_MAX)
                return decoder_refuse(decoder, FSOP_ENAMETOOLONG, "a link's text of %zu bytes: %u is the most",
                                      text.len, WIRE_PATH_BYTES_MAX);
        if (memchr(text.data, 0, text.len))
                return decoder_refuse(decoder, FSOP_EINVAL, "a link's text with a NUL in it");
        return 0;
}

/* ---- xattr ------------------------------------------------------------------------------------------------------- */

static uint32_t xattr_size_max(uint32_t asked) {
        return asked == 0 || asked > WIRE_XATTR_BYTES_MAX ? WIRE_XATTR_BYTES_MAX : asked;
}

static int read_getxattr(struct decoder *decoder, const ProtobufCMessage *message, struct operation *op) {
        const Fsop__V1__GetxattrArgs *leaf = (const Fsop__V1__GetxattrArgs *)message;
        op->args.xattr = (struct xattr_args){
                .name = leaf_bytes(leaf->name),
                .size_max = xattr_size_max(leaf->size_max),
        };
        return check_xattr_name(decoder, op->args.xattr.name);
}

static int read_setxattr(struct decoder *decoder, const ProtobufCMessage *message, struct operation *op) {
        const Fsop__V1__SetxattrArgs *leaf = (const Fsop__V1__SetxattrArgs *)message;
        op->args.xattr = (struct xattr_args){
                .name = leaf_bytes(leaf->name),
                .value = leaf_bytes(leaf->value),
                .create = leaf->create,
                .replace = leaf->replace,
        };
        if (!leaf->has_value)
                return decoder_refuse(decoder, FSOP_EINVAL, "needs a value (it may be empty)");
        if (leaf->value.len > WIRE_XATTR_BYTES_MAX)
                return decoder_refuse(decoder, FSOP_E2BIG, "a value of %zu bytes: %u is the most", leaf->value.len,
                                      WIRE_XATTR_BYTES_MAX);
        int r = check_not_both(decoder, leaf->create, leaf->replace, "create and replace");
        return r < 0 ? r : check_xattr_name(decoder, op->args.xattr.name);
}

static int read_listxattr(struct decoder *decoder, const ProtobufCMessage *message, struct operation *op) {
        (void)decoder;
        op->args.xattr.size_max = xattr_size_max(((const Fsop__V1__ListxattrArgs *)message)->size_max);
        return 0;
}

static int read_removexattr(struct decoder *decoder, const ProtobufCMessage *message, struct operation *op) {
        op->args.xattr.name = leaf_bytes(((const Fsop__V1__RemovexattrArgs *)message)->name);
        return check_xattr_name(decoder, op->args.xattr.name);
}

/* ---- space, advice, copy ----------------------------------------------------------------------------------------- */

static int read_fallocate(struct decoder *decoder, const ProtobufCMessage *message, struct operation *op) {
        const Fsop__V1__FallocateArgs *leaf = (const Fsop__V1__FallocateArgs *)message;
        op->args.fallocate = (struct fallocate_args){
                .mode = (enum fsop_fallocate_mode)leaf->mode,
                .keep_size = leaf->keep_size,
                .offset = leaf->offset,
                .length = leaf->length,
        };
        int r = check_enum(decoder, "mode", (int)leaf->mode, FSOP_FALLOCATE_UNSHARE_RANGE);
        if (r == 0 && leaf->length == 0)
                r = decoder_refuse(decoder, FSOP_EINVAL, "needs a length of at least 1");
        if (r == 0)
                r = check_range(decoder, leaf->offset, leaf->length);
        return r < 0 ? r : read_create(decoder, leaf->create, &op->args.fallocate.create);
}

static int read_truncate(struct decoder *decoder, const ProtobufCMessage *message, struct operation *op) {
        const Fsop__V1__TruncateArgs *leaf = (const Fsop__V1__TruncateArgs *)message;
        op->args.truncate.size = leaf->size;
        if (!leaf->has_size)
                return decoder_refuse(decoder, FSOP_EINVAL, "needs a size");
        int r = check_size(decoder, "size", leaf->size);
        return r < 0 ? r : read_create(decoder, leaf->create, &op->args.truncate.create);
}

static int read_fadvise(struct decoder *decoder, const ProtobufCMessage *message, struct operation *op) {
        const Fsop__V1__FadviseArgs *leaf = (const Fsop__V1__FadviseArgs *)message;
        op->args.fadvise = (struct fadvise_args){
                .advice = (enum fsop_advice)leaf->advice,
                .offset = leaf->offset,
                .length = leaf->length,
        };
        int r = check_enum(decoder, "advice", (int)leaf->advice, FSOP_ADVICE_NOREUSE);
        return r < 0 ? r : check_range(decoder, leaf->offset, leaf->length);
}

static int read_copy_range(struct decoder *decoder, const ProtobufCMessage *message, struct operation *op) {
        const Fsop__V1__CopyRangeArgs *leaf = (const Fsop__V1__CopyRangeArgs *)message;
        op->args.copy_range = (struct copy_range_args){
                .src_offset = leaf->src_offset,
                .dst_offset = leaf->dst_offset,
                .has_length = leaf->has_length,
                .length = leaf->length,
                .clone = (enum fsop_clone)leaf->clone,
        };
        int r = check_enum(decoder, "clone", (int)leaf->clone, FSOP_CLONE_NEVER);
        if (r == 0)
                r = check_range(decoder, leaf->src_offset, leaf->length);
        if (r == 0)
                r = check_range(decoder, leaf->dst_offset, leaf->length);
        return r < 0 ? r : read_create(decoder, leaf->create, &op->args.copy_range.create);
}

/* ---- copy jobs --------------------------------------------------------------------------------------------------- */

/*
 * cp is read by hand: it may name thousands of files, and protobuf-c would take three times their memory. Its texts
 * point into one copy of it, each with a NUL where the next field began.
 */
struct cp_reading {
        struct cp_args *args;
        struct bytes *excludes, *names; /* room for as many as were counted */
        bool has_umask;
};

static int count_texts(struct decoder *decoder, struct bytes bytes, uint32_t number, uint32_t max, const char *what,
                       struct bytes **ret_room) {
        int64_t n = count_fields(bytes, number);
        if (n < 0)
                return decoder_malformed(decoder, "CpArgs");
        if (n > max)
                return decoder_refuse(decoder, FSOP_EINVAL, "%lld %s: %u is the most", (long long)n, what, max);
        *ret_room = arena_alloc(decoder->arena, (size_t)n * sizeof(struct bytes));
        return *ret_room ? 0 : decoder_no_memory(decoder);
}

static int cp_enum(struct decoder *decoder, const struct wire_field *field, struct cp_args *args) {
        uint32_t value;
        int r = field_u32(decoder, "CpArgs", field, &value);
        if (r < 0)
                return r;
        if (field->number == CP_CLONE)
                args->clone = (enum fsop_clone)value;
        else if (field->number == CP_SYNC)
                args->sync = (enum fsop_sync)value;
        else
                args->update = (enum fsop_update)value;
        return 0;
}

static int cp_priority(struct decoder *decoder, const struct wire_field *field, struct cp_args *args) {
        uint32_t value;
        int r = field_u32(decoder, "CpArgs", field, &value);
        if (r == 0)
                args->priority = (int32_t)wire_unzigzag(value);
        return r;
}

static int cp_field(struct decoder *decoder, const struct wire_field *field, struct cp_reading *reading) {
        struct cp_args *args = reading->args;
        switch (field->number) {
        case CP_JOB:
                return field_u64(decoder, "CpArgs", field, &args->job);
        case CP_HOLD:
                return field_bool(decoder, "CpArgs", field, &args->hold);
        case CP_KEY:
                return field_bytes(decoder, "CpArgs", field, &args->key);
        case CP_RECURSIVE:
                return field_bool(decoder, "CpArgs", field, &args->recursive);
        case CP_ONE_FILESYSTEM:
                return field_bool(decoder, "CpArgs", field, &args->one_filesystem);
        case CP_VERIFY:
                return field_bool(decoder, "CpArgs", field, &args->verify);
        case CP_PRESERVE:
                return field_u32(decoder, "CpArgs", field, &args->preserve);
        case CP_UMASK:
                reading->has_umask = true;
                return field_u32(decoder, "CpArgs", field, &args->umask);
        case CP_CLONE:
        case CP_SYNC:
        case CP_UPDATE:
                return cp_enum(decoder, field, args);
        case CP_BYTES_PER_S:
                return field_u64(decoder, "CpArgs", field, &args->bytes_per_s);
        case CP_PRIORITY:
                return cp_priority(decoder, field, args);
        case CP_EXCLUDES:
                /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): they were counted */
                reading->excludes[args->n_excludes++] = field->bytes;
                return 0;
        case CP_NAMES:
                /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): they were counted */
                reading->names[args->n_names++] = field->bytes;
                return 0;
        default:
                return decoder_refuse(decoder, FSOP_EPROTO, "CpArgs has a field %u that is not known here",
                                      field->number);
        }
}

static int cp_read(struct decoder *decoder, struct bytes bytes, struct cp_reading *reading) {
        struct wire_reader reader = wire_reader(bytes);
        struct wire_field field;
        uint64_t seen = 0;
        int r;
        while ((r = wire_next(&reader, &field)) > 0) {
                bool repeated = field.number == CP_EXCLUDES || field.number == CP_NAMES;
                r = repeated ? 0 : field_once(decoder, "CpArgs", field.number, &seen);
                if (r == 0)
                        r = cp_field(decoder, &field, reading);
                if (r < 0)
                        return r;
        }
        return r < 0 ? decoder_malformed(decoder, "CpArgs") : 0;
}

/* TEXT lies in the arena, followed by a field that has been read or by the NUL of the whole copy. */
static void end_text(struct bytes text) {
        if (text.len)
                ((uint8_t *)(uintptr_t)text.data)[text.len] = 0;
}

static int cp_decode(struct decoder *decoder, struct bytes bytes, struct cp_args *args) {
        struct cp_reading reading = {.args = args};
        struct bytes copy;
        *args = (struct cp_args){0};
        int r = count_texts(decoder, bytes, CP_EXCLUDES, WIRE_JOB_EXCLUDES_MAX, "patterns to exclude",
                            &reading.excludes);
        if (r == 0)
                r = count_texts(decoder, bytes, CP_NAMES, WIRE_JOB_NAMES_MAX, "names in one operation", &reading.names);
        if (r == 0)
                r = decoder_copy(decoder, bytes, &copy);
        if (r == 0)
                r = cp_read(decoder, copy, &reading);
        if (r < 0)
                return r;
        args->excludes = reading.excludes;
        args->names = reading.names;
        if (args->key.len == 0)
                args->key.data = (const uint8_t *)"";
        end_text(args->key);
        for (uint32_t i = 0; i < args->n_excludes; i++)
                /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): n stand in the list */
                end_text(args->excludes[i]);
        for (uint32_t i = 0; i < args->n_names; i++)
                /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): n stand in the list */
                end_text(args->names[i]);
        /* 0 by absence would make files that everybody may write. */
        if (!reading.has_umask && !args->job && !(args->preserve & FSOP_PRESERVE_MODE))
                return decoder_refuse(decoder, FSOP_EINVAL, "needs a umask, where it does not preserve modes");
        const char *problem = cp_args_problem(args);
        return problem ? decoder_refuse(decoder, FSOP_EINVAL, "%s", problem) : 0;
}

static int read_job(struct decoder *decoder, const ProtobufCMessage *message, struct operation *op) {
        const Fsop__V1__JobArgs *leaf = (const Fsop__V1__JobArgs *)message;
        struct job_args *args = &op->args.job;
        *args = (struct job_args){
                .id = leaf->id,
                .all_users = leaf->all_users,
                .want = (enum job_want)leaf->want,
                .after = leaf->after,
                .entries_max = leaf->entries_max,
        };
        const char *problem = job_args_problem(op->verb, args);
        if (problem)
                return decoder_refuse(decoder, FSOP_EINVAL, "%s", problem);
        bool pages =
                op->verb == FSOP_VERB_JOB_LIST || op->verb == FSOP_VERB_JOB_SHOW || op->verb == FSOP_VERB_JOB_WATCH;
        if (pages && (args->entries_max == 0 || args->entries_max > WIRE_JOB_ENTRIES_MAX))
                args->entries_max = WIRE_JOB_ENTRIES_MAX;
        return 0;
}

/* ---- files ------------------------------------------------------------------------------------------------------- */

static int read_open(struct decoder *decoder, const ProtobufCMessage *message, struct operation *op) {
        const Fsop__V1__OpenArgs *leaf = (const Fsop__V1__OpenArgs *)message;
        op->args.open = (struct open_args){
                .read = leaf->read,
                .write = leaf->write,
                .append = leaf->append,
                .truncate = leaf->truncate,
                .exclusive = leaf->exclusive,
                .hint = (enum fsop_advice)leaf->hint,
        };
        if (!leaf->read && !leaf->write)
                return decoder_refuse(decoder, FSOP_EINVAL, "needs read, write or both");
        if ((leaf->append || leaf->truncate) && !leaf->write)
                return decoder_refuse(decoder, FSOP_EINVAL, "append and truncate go with write");
        if (leaf->exclusive && !leaf->create)
                return decoder_refuse(decoder, FSOP_EINVAL, "exclusive goes with create");
        int r = check_enum(decoder, "hint", (int)leaf->hint, FSOP_ADVICE_RANDOM);
        return r < 0 ? r : read_create(decoder, leaf->create, &op->args.open.create);
}

static int read_read(struct decoder *decoder, const ProtobufCMessage *message, struct operation *op) {
        const Fsop__V1__ReadArgs *leaf = (const Fsop__V1__ReadArgs *)message;
        op->args.read = (struct read_args){.offset = leaf->offset, .length = leaf->length};
        if (leaf->length > WIRE_IO_BYTES_MAX)
                return decoder_refuse(decoder, FSOP_EINVAL, "%u bytes at once: %u is the most", leaf->length,
                                      WIRE_IO_BYTES_MAX);
        return check_range(decoder, leaf->offset, leaf->length);
}

static int read_write(struct decoder *decoder, const ProtobufCMessage *message, struct operation *op) {
        const Fsop__V1__WriteArgs *leaf = (const Fsop__V1__WriteArgs *)message;
        op->args.write = (struct write_args){.offset = leaf->offset, .data = leaf_bytes(leaf->data)};
        if (!leaf->has_data)
                return decoder_refuse(decoder, FSOP_EINVAL, "needs data");
        if (leaf->data.len > WIRE_IO_BYTES_MAX)
                return decoder_refuse(decoder, FSOP_EINVAL, "%zu bytes at once: %u is the most", leaf->data.len,
                                      WIRE_IO_BYTES_MAX);
        return check_range(decoder, leaf->offset, leaf->data.len);
}

static int read_fsync(struct decoder *decoder, const ProtobufCMessage *message, struct operation *op) {
        const Fsop__V1__FsyncArgs *leaf = (const Fsop__V1__FsyncArgs *)message;
        op->args.fsync = (struct fsync_args){.data_only = leaf->data_only, .filesystem = leaf->filesystem};
        return check_not_both(decoder, leaf->data_only, leaf->filesystem, "data_only and filesystem");
}

/* ---- the table --------------------------------------------------------------------------------------------------- */

static const struct args_row {
        const ProtobufCMessageDescriptor *descriptor;
        int (*read)(struct decoder *decoder, const ProtobufCMessage *message, struct operation *op); /* NULL: no args */
} rows[FSOP_VERB_LIMIT] = {
        [FSOP_VERB_PING] = {&fsop__v1__ping_args__descriptor, read_ping},
        [FSOP_VERB_INFO] = {&fsop__v1__info_args__descriptor, NULL},
        [FSOP_VERB_STATUS] = {&fsop__v1__status_args__descriptor, NULL},
        [FSOP_VERB_POLICY_RELOAD] = {&fsop__v1__policy_reload_args__descriptor, NULL},
        [FSOP_VERB_STAT] = {&fsop__v1__stat_args__descriptor, NULL},
        [FSOP_VERB_STATFS] = {&fsop__v1__statfs_args__descriptor, NULL},
        [FSOP_VERB_UTIMENS] = {&fsop__v1__utimens_args__descriptor, read_utimens},
        [FSOP_VERB_CHMOD] = {&fsop__v1__chmod_args__descriptor, read_chmod},
        [FSOP_VERB_CHOWN] = {&fsop__v1__chown_args__descriptor, read_chown},
        [FSOP_VERB_MKNOD] = {&fsop__v1__mknod_args__descriptor, read_mknod},
        [FSOP_VERB_OPENDIR] = {&fsop__v1__opendir_args__descriptor, NULL},
        [FSOP_VERB_MKDIR] = {&fsop__v1__mkdir_args__descriptor, read_mkdir},
        [FSOP_VERB_RMDIR] = {&fsop__v1__rmdir_args__descriptor, NULL},
        [FSOP_VERB_UNLINK] = {&fsop__v1__unlink_args__descriptor, read_unlink},
        [FSOP_VERB_RENAME] = {&fsop__v1__rename_args__descriptor, read_rename},
        [FSOP_VERB_LS] = {&fsop__v1__ls_args__descriptor, read_ls},
        [FSOP_VERB_SYMLINK] = {&fsop__v1__symlink_args__descriptor, read_symlink},
        [FSOP_VERB_LINK] = {&fsop__v1__link_args__descriptor, NULL},
        [FSOP_VERB_READLINK] = {&fsop__v1__readlink_args__descriptor, NULL},
        [FSOP_VERB_GETXATTR] = {&fsop__v1__getxattr_args__descriptor, read_getxattr},
        [FSOP_VERB_SETXATTR] = {&fsop__v1__setxattr_args__descriptor, read_setxattr},
        [FSOP_VERB_LISTXATTR] = {&fsop__v1__listxattr_args__descriptor, read_listxattr},
        [FSOP_VERB_REMOVEXATTR] = {&fsop__v1__removexattr_args__descriptor, read_removexattr},
        [FSOP_VERB_FALLOCATE] = {&fsop__v1__fallocate_args__descriptor, read_fallocate},
        [FSOP_VERB_TRUNCATE] = {&fsop__v1__truncate_args__descriptor, read_truncate},
        [FSOP_VERB_FADVISE] = {&fsop__v1__fadvise_args__descriptor, read_fadvise},
        [FSOP_VERB_COPY_RANGE] = {&fsop__v1__copy_range_args__descriptor, read_copy_range},
        [FSOP_VERB_OPEN] = {&fsop__v1__open_args__descriptor, read_open},
        [FSOP_VERB_OPEN_FD] = {&fsop__v1__open_args__descriptor, read_open},
        [FSOP_VERB_CLOSE] = {&fsop__v1__close_args__descriptor, NULL},
        [FSOP_VERB_READ] = {&fsop__v1__read_args__descriptor, read_read},
        [FSOP_VERB_WRITE] = {&fsop__v1__write_args__descriptor, read_write},
        [FSOP_VERB_FSYNC] = {&fsop__v1__fsync_args__descriptor, read_fsync},
        [FSOP_VERB_JOB_LIST] = {&fsop__v1__job_args__descriptor, read_job},
        [FSOP_VERB_JOB_SHOW] = {&fsop__v1__job_args__descriptor, read_job},
        [FSOP_VERB_JOB_WATCH] = {&fsop__v1__job_args__descriptor, read_job},
        [FSOP_VERB_JOB_PAUSE] = {&fsop__v1__job_args__descriptor, read_job},
        [FSOP_VERB_JOB_RESUME] = {&fsop__v1__job_args__descriptor, read_job},
        [FSOP_VERB_JOB_CANCEL] = {&fsop__v1__job_args__descriptor, read_job},
        [FSOP_VERB_JOB_RETRY] = {&fsop__v1__job_args__descriptor, read_job},
        [FSOP_VERB_JOB_FORGET] = {&fsop__v1__job_args__descriptor, read_job},
};

int args_decode(struct decoder *decoder, struct bytes bytes, struct operation *op) {
        const struct args_row *row = &rows[op->verb];
        if (op->verb == FSOP_VERB_CP)
                return cp_decode(decoder, bytes, &op->args.cp);
        if (!row->descriptor)
                return decoder_refuse(decoder, FSOP_EINVAL, "unknown operation");
        if (!row->read && bytes.len == 0)
                return 0;
        ProtobufCMessage *message;
        int r = leaf_unpack(decoder, row->descriptor, bytes, 0, &message);
        return r < 0 || !row->read ? r : row->read(decoder, message, op);
}
