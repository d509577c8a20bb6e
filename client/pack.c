/* SPDX-License-Identifier: MIT */
/*
 * pack.c: public arguments, checked, as arguments of the wire. One row per operation says which locations it takes, how
 * large its structure is, and which function translates it. The daemon closes the connection of a client that sends
 * what can never be right; so nothing of that kind leaves here.
 */
#include "client/client.h"

#include <string.h>

#include "proto/names.h"

#define NSEC_MAX 999999999u
#define OPERATION_BYTES 160u /* the most an operation takes, its paths and data not counted */
#define TEXT_BYTES 8u        /* of a text in a list, likewise; rounded up, as each costs the daemon memory */

/* What a packing function works on. */
struct pack {
        struct fsop_batch *batch;
        enum fsop_verb verb;
        bool given; /* the caller gave arguments; else they are all zeros */
        struct operation *op;
};

int take_struct(void *known, size_t known_bytes, const void *given) {
        size_t given_bytes;
        memcpy(&given_bytes, given, sizeof(given_bytes));
        if (given_bytes < sizeof(given_bytes))
                return -FSOP_EINVAL;
        for (size_t i = known_bytes; i < given_bytes; i++)
                if (((const uint8_t *)given)[i])
                        return -FSOP_EINVAL;
        size_t taken = given_bytes < known_bytes ? given_bytes : known_bytes;
        memcpy(known, given, taken);
        memset((uint8_t *)known + taken, 0, known_bytes - taken);
        return 0;
}

/* ---- checks ------------------------------------------------------------------------------------------------------ */

static int refuse_as(const struct pack *pack, int code, const char *why) {
        return client_fail(pack->batch->client, code, 0, "%s: %s", verb_name(pack->verb), why);
}

static int refuse(const struct pack *pack, const char *why) {
        return refuse_as(pack, FSOP_EINVAL, why);
}

static int copy_bytes(const struct pack *pack, struct fsop_bytes from, struct bytes *ret) {
        *ret = arena_copy(&pack->batch->arena, (struct bytes){from.data, from.len});
        return ret->data ? 0 : refuse_as(pack, FSOP_ENOMEM, "no memory for its data");
}

static int check_range(const struct pack *pack, uint64_t offset, uint64_t length) {
        if (offset > INT64_MAX || length > INT64_MAX - offset)
                return refuse(pack, "offset and length reach beyond 2^63 - 1");
        return 0;
}

/* The umask of the process, asked for once. */
static uint32_t batch_umask(struct fsop_batch *batch) {
        if (!batch->has_umask) {
                batch->umask = connect_umask();
                batch->has_umask = true;
        }
        return batch->umask;
}

static int pack_create_args(const struct pack *pack, const struct fsop_create *from, struct create_args *ret) {
        struct fsop_batch *batch = pack->batch;
        uint32_t mask = from->has_umask ? from->umask : batch_umask(batch);
        if (from->mode > 07777 || mask > 0777)
                return refuse(pack, "a mode has no bits beyond 07777, a umask none beyond 0777");
        *ret = (struct create_args){.create = true, .mode = from->mode, .umask = mask};
        return 0;
}

static int pack_create_if(const struct pack *pack, const struct fsop_create *from, struct create_args *ret) {
        *ret = (struct create_args){0};
        return from->create ? pack_create_args(pack, from, ret) : 0;
}

static int pack_walk(const struct pack *pack, const struct fsop_walk *from, struct walk_args *ret) {
        if ((int)from->follow < FSOP_FOLLOW_NEVER || (int)from->follow > FSOP_FOLLOW_ALWAYS)
                return refuse(pack, "no such rule for links");
        *ret = (struct walk_args){
                .recursive = from->recursive, .follow = from->follow, .one_filesystem = from->one_filesystem};
        return 0;
}

static int pack_name(const struct pack *pack, struct fsop_bytes name, struct bytes *ret) {
        if (name.len == 0)
                return refuse(pack, "the attribute's name is missing");
        if (name.len > WIRE_NAME_BYTES_MAX)
                return refuse_as(pack, FSOP_ERANGE, "the attribute's name is longer than 255 bytes");
        if (memchr(name.data, 0, name.len))
                return refuse(pack, "the attribute's name holds a NUL");
        return copy_bytes(pack, name, ret);
}

/* ---- one function per operation that has arguments --------------------------------------------------------------- */

static int pack_nothing(const struct pack *pack, const void *args) {
        (void)pack;
        (void)args;
        return 0;
}

static int pack_ping(const struct pack *pack, const void *args) {
        const struct fsop_ping_args *from = args;
        if (from->payload.len > WIRE_IO_BYTES_MAX)
                return refuse(pack, "more than 524288 bytes");
        return copy_bytes(pack, from->payload, &pack->op->args.ping);
}

static int pack_explain(const struct pack *pack, const void *args) {
        const struct fsop_explain_args *from = args;
        struct fsop_batch *batch = pack->batch;
        if (from->verb == FSOP_VERB_EXPLAIN || !verb_name(from->verb))
                return refuse(pack, "which operation is to be explained?");
        if (from->user.len > WIRE_NAME_BYTES_MAX || (from->user.len > 0 && memchr(from->user.data, 0, from->user.len)))
                return refuse(pack, "that is no name of a user");
        struct operation *op = arena_calloc(&batch->arena, 1, sizeof(*op));
        if (!op)
                return refuse_as(pack, FSOP_ENOMEM, "no memory for its operation");
        batch->explaining = true;
        int r = pack_operation(batch, from->verb, from->at, from->to, from->args, op);
        batch->explaining = false;
        if (r < 0)
                return r;
        pack->op->args.explain.op = op;
        return copy_bytes(pack, from->user, &pack->op->args.explain.user);
}

static int pack_time(const struct pack *pack, enum fsop_time_change change, struct fsop_time time,
                     enum time_change *ret_change, struct fsop_time *ret_time) {
        if ((int)change < FSOP_TIME_OMIT || (int)change > FSOP_TIME_SET)
                return refuse(pack, "a time is omitted, now, or set");
        if (change == FSOP_TIME_SET && time.nsec > NSEC_MAX)
                return refuse(pack, "a second has no more than 999999999 nanoseconds");
        *ret_change = (enum time_change)change;
        *ret_time = change == FSOP_TIME_SET ? time : (struct fsop_time){0};
        return 0;
}

static int pack_utimens(const struct pack *pack, const void *args) {
        const struct fsop_utimens_args *from = args;
        struct utimens_args *to = &pack->op->args.utimens;
        if (!pack->given) {
                *to = (struct utimens_args){.atime_change = TIME_NOW, .mtime_change = TIME_NOW};
                return 0;
        }
        int r = pack_time(pack, from->atime_change, from->atime, &to->atime_change, &to->atime);
        if (r == 0)
                r = pack_time(pack, from->mtime_change, from->mtime, &to->mtime_change, &to->mtime);
        return r < 0 ? r : pack_create_if(pack, &from->create, &to->create);
}

static int pack_chmod(const struct pack *pack, const void *args) {
        const struct fsop_chmod_args *from = args;
        if ((from->set | from->clear | from->set_x | from->clear_x | from->dir_keep) > 07777)
                return refuse(pack, "a mode has no bits beyond 07777");
        pack->op->args.chmod = (struct chmod_args){.set = from->set,
                                                   .clear = from->clear,
                                                   .set_x = from->set_x,
                                                   .clear_x = from->clear_x,
                                                   .dir_keep = from->dir_keep};
        return pack_walk(pack, &from->walk, &pack->op->args.chmod.walk);
}

static int pack_chown(const struct pack *pack, const void *args) {
        const struct fsop_chown_args *from = args;
        if ((from->has_uid && from->uid == WIRE_NOBODY) || (from->has_gid && from->gid == WIRE_NOBODY) ||
            (from->has_from_uid && from->from_uid == WIRE_NOBODY) ||
            (from->has_from_gid && from->from_gid == WIRE_NOBODY))
                return refuse(pack, "4294967295 is no user and no group");
        if (!from->has_uid && !from->has_gid)
                return refuse(pack, "neither an owner nor a group is given");
        pack->op->args.chown = (struct chown_args){.has_uid = from->has_uid,
                                                   .has_gid = from->has_gid,
                                                   .has_from_uid = from->has_from_uid,
                                                   .has_from_gid = from->has_from_gid,
                                                   .uid = from->uid,
                                                   .gid = from->gid,
                                                   .from_uid = from->from_uid,
                                                   .from_gid = from->from_gid};
        return pack_walk(pack, &from->walk, &pack->op->args.chown.walk);
}

static int pack_mknod(const struct pack *pack, const void *args) {
        const struct fsop_mknod_args *from = args;
        bool device = from->type == FSOP_TYPE_CHAR || from->type == FSOP_TYPE_BLOCK;
        if (!device && from->type != FSOP_TYPE_FIFO && from->type != FSOP_TYPE_SOCKET)
                return refuse(pack, "the type is not that of a device, a FIFO or a socket");
        if (!device && (from->major || from->minor))
                return refuse(pack, "only devices have numbers");
        pack->op->args.mknod = (struct mknod_args){.type = from->type, .major = from->major, .minor = from->minor};
        return pack_create_args(pack, &from->create, &pack->op->args.mknod.create);
}

static int pack_mkdir(const struct pack *pack, const void *args) {
        const struct fsop_mkdir_args *from = args;
        struct fsop_create create = from->create;
        if (!pack->given)
                create.mode = 0777;
        return pack_create_args(pack, &create, &pack->op->args.mkdir);
}

static int pack_unlink(const struct pack *pack, const void *args) {
        return pack_walk(pack, &((const struct fsop_unlink_args *)args)->walk, &pack->op->args.unlink);
}

static int pack_rename(const struct pack *pack, const void *args) {
        const struct fsop_rename_args *from = args;
        if (from->no_replace && from->exchange)
                return refuse(pack, "no_replace and exchange exclude each other");
        pack->op->args.rename = (struct rename_args){.no_replace = from->no_replace, .exchange = from->exchange};
        return 0;
}

static int pack_ls(const struct pack *pack, const void *args) {
        const struct fsop_ls_args *from = args;
        pack->op->args.ls = (struct ls_args){
                .cookie = from->cookie, .entries_max = from->entries_max, .with_stat = from->with_stat};
        return 0;
}

static int pack_symlink(const struct pack *pack, const void *args) {
        struct fsop_bytes text = ((const struct fsop_symlink_args *)args)->text;
        if (text.len == 0)
                return refuse_as(pack, FSOP_ENOENT, "the text of the link is empty");
        if (text.len > WIRE_PATH_BYTES_MAX)
                return refuse_as(pack, FSOP_ENAMETOOLONG, "the text of the link is longer than 4095 bytes");
        if (memchr(text.data, 0, text.len))
                return refuse(pack, "the text of the link holds a NUL");
        return copy_bytes(pack, text, &pack->op->args.symlink);
}

static int pack_getxattr(const struct pack *pack, const void *args) {
        const struct fsop_getxattr_args *from = args;
        pack->op->args.xattr.size_max = from->size_max;
        return pack_name(pack, from->name, &pack->op->args.xattr.name);
}

static int pack_setxattr(const struct pack *pack, const void *args) {
        const struct fsop_setxattr_args *from = args;
        struct xattr_args *to = &pack->op->args.xattr;
        if (from->create && from->replace)
                return refuse(pack, "create and replace exclude each other");
        if (from->value.len > WIRE_XATTR_BYTES_MAX)
                return refuse_as(pack, FSOP_E2BIG, "the value is longer than 65536 bytes");
        to->create = from->create;
        to->replace = from->replace;
        int r = pack_name(pack, from->name, &to->name);
        return r < 0 ? r : copy_bytes(pack, from->value, &to->value);
}

static int pack_listxattr(const struct pack *pack, const void *args) {
        pack->op->args.xattr.size_max = ((const struct fsop_listxattr_args *)args)->size_max;
        return 0;
}

static int pack_removexattr(const struct pack *pack, const void *args) {
        return pack_name(pack, ((const struct fsop_removexattr_args *)args)->name, &pack->op->args.xattr.name);
}

static int pack_fallocate(const struct pack *pack, const void *args) {
        const struct fsop_fallocate_args *from = args;
        if ((int)from->mode < FSOP_FALLOCATE_ALLOCATE || (int)from->mode > FSOP_FALLOCATE_UNSHARE_RANGE)
                return refuse(pack, "no such mode");
        if (from->length == 0)
                return refuse(pack, "the length is 0");
        if (check_range(pack, from->offset, from->length) < 0)
                return -FSOP_EINVAL;
        pack->op->args.fallocate = (struct fallocate_args){
                .mode = from->mode, .keep_size = from->keep_size, .offset = from->offset, .length = from->length};
        return pack_create_if(pack, &from->create, &pack->op->args.fallocate.create);
}

static int pack_truncate(const struct pack *pack, const void *args) {
        const struct fsop_truncate_args *from = args;
        if (check_range(pack, from->length, 0) < 0)
                return -FSOP_EINVAL;
        pack->op->args.truncate.size = from->length;
        return pack_create_if(pack, &from->create, &pack->op->args.truncate.create);
}

static int pack_fadvise(const struct pack *pack, const void *args) {
        const struct fsop_fadvise_args *from = args;
        if (!advice_name(from->advice))
                return refuse(pack, "no such advice");
        pack->op->args.fadvise =
                (struct fadvise_args){.advice = from->advice, .offset = from->offset, .length = from->length};
        return check_range(pack, from->offset, from->length);
}

static int pack_copy_range(const struct pack *pack, const void *args) {
        const struct fsop_copy_range_args *from = args;
        uint64_t length = from->has_length ? from->length : 0;
        if (!clone_name(from->clone))
                return refuse(pack, "no such way to clone");
        if (check_range(pack, from->src_offset, length) < 0 || check_range(pack, from->dst_offset, length) < 0)
                return -FSOP_EINVAL;
        pack->op->args.copy_range = (struct copy_range_args){.src_offset = from->src_offset,
                                                             .dst_offset = from->dst_offset,
                                                             .has_length = from->has_length,
                                                             .length = length,
                                                             .clone = from->clone};
        return pack_create_if(pack, &from->create, &pack->op->args.copy_range.create);
}

/* ---- copy jobs --------------------------------------------------------------------------------------------------- */

/* A name below the source: slashes and dots that say nothing are left out, as of paths. */
static int clean_name(const struct pack *pack, struct fsop_bytes from, struct bytes *ret) {
        char shown[300];
        const uint8_t *bytes = from.data;
        uint8_t *clean = arena_alloc(&pack->batch->arena, from.len + 1);
        size_t len = 0;
        if (!clean)
                return refuse_as(pack, FSOP_ENOMEM, "no memory for a name");
        for (size_t i = 0; i < from.len;) {
                size_t n = 0;
                while (i + n < from.len && bytes[i + n] != '/')
                        n++;
                if (n > 0 && !(n == 1 && bytes[i] == '.')) {
                        if (len > 0)
                                clean[len++] = '/';
                        memcpy(clean + len, bytes + i, n);
                        len += n;
                }
                i += n + 1;
        }
        clean[len] = 0;
        *ret = (struct bytes){clean, len};
        if (from.len > 0 && bytes[0] != '/' && path_is_below(*ret))
                return 0;
        return client_fail(pack->batch->client, FSOP_EINVAL, 0,
                           "%s: %s: is no name below the source: those are relative, 1 to 4095 bytes, and without `..`",
                           verb_name(pack->verb), show_bytes(from, shown, sizeof(shown)));
}

static int pack_texts(const struct pack *pack, const struct fsop_bytes *from, uint32_t n,
                      const struct bytes **ret_texts,
                      int (*copy)(const struct pack *pack, struct fsop_bytes from, struct bytes *ret)) {
        if (n == 0)
                return 0;
        struct bytes *texts = arena_calloc(&pack->batch->arena, n, sizeof(*texts));
        if (!texts)
                return refuse_as(pack, FSOP_ENOMEM, "no memory for its names");
        *ret_texts = texts;
        for (uint32_t i = 0; i < n; i++) {
                int r = copy(pack, from[i], &texts[i]);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int pack_cp(const struct pack *pack, const void *args) {
        const struct fsop_cp_args *from = args;
        struct fsop_batch *batch = pack->batch;
        struct cp_args *to = &pack->op->args.cp;
        if (from->n_excludes > WIRE_JOB_EXCLUDES_MAX || from->n_names > WIRE_JOB_NAMES_MAX)
                return refuse(pack, "takes at most 256 patterns, and 1024 names in one operation");
        *to = (struct cp_args){
                .job = from->job,
                .hold = from->hold,
                .recursive = from->recursive,
                .one_filesystem = from->one_filesystem,
                .verify = from->verify,
                .preserve = from->preserve,
                .umask = from->has_umask ? from->umask : batch_umask(batch),
                .clone = from->clone,
                .sync = from->sync,
                .update = from->update,
                .bytes_per_s = from->bytes_per_s,
                .priority = from->priority,
                .n_excludes = from->n_excludes,
                .n_names = from->n_names,
        };
        int r = copy_bytes(pack, from->key, &to->key);
        if (r == 0)
                r = pack_texts(pack, from->excludes, from->n_excludes, &to->excludes, copy_bytes);
        if (r == 0)
                r = pack_texts(pack, from->names, from->n_names, &to->names, clean_name);
        if (r < 0)
                return r;
        const char *problem = cp_args_problem(to);
        return problem ? refuse(pack, problem) : 0;
}

static int pack_job(const struct pack *pack, const void *args) {
        const struct fsop_job_args *from = args;
        struct job_args *to = &pack->op->args.job;
        *to = (struct job_args){
                .id = from->id,
                .all_users = from->all_users,
                .want = (enum job_want)from->want,
                .after = from->after,
                .entries_max = from->entries_max,
        };
        const char *problem = job_args_problem(pack->verb, to);
        return problem ? refuse(pack, problem) : 0;
}

static int pack_open(const struct pack *pack, const void *args) {
        const struct fsop_open_args *from = args;
        struct open_args *to = &pack->op->args.open;
        *to = (struct open_args){.read = !pack->given || from->read,
                                 .write = from->write,
                                 .append = from->append,
                                 .truncate = from->truncate,
                                 .exclusive = from->exclusive,
                                 .hint = from->hint};
        if (!to->read && !to->write)
                return refuse(pack, "neither read nor write is asked for");
        if ((to->append || to->truncate) && !to->write)
                return refuse(pack, "append and truncate go with write");
        if (to->exclusive && !from->create.create)
                return refuse(pack, "exclusive goes with create");
        if ((int)to->hint < FSOP_ADVICE_NORMAL || (int)to->hint > FSOP_ADVICE_RANDOM)
                return refuse(pack, "the hint is normal, sequential or random");
        return pack_create_if(pack, &from->create, &to->create);
}

static int pack_read(const struct pack *pack, const void *args) {
        const struct fsop_read_args *from = args;
        if (from->length > WIRE_IO_BYTES_MAX)
                return refuse(pack, "more than 524288 bytes in one request");
        pack->op->args.read = (struct read_args){.offset = from->offset, .length = from->length};
        return check_range(pack, from->offset, from->length);
}

static int pack_write(const struct pack *pack, const void *args) {
        const struct fsop_write_args *from = args;
        if (from->data.len > WIRE_IO_BYTES_MAX)
                return refuse(pack, "more than 524288 bytes in one request");
        if (check_range(pack, from->offset, from->data.len) < 0)
                return -FSOP_EINVAL;
        pack->op->args.write.offset = from->offset;
        return copy_bytes(pack, from->data, &pack->op->args.write.data);
}

static int pack_fsync(const struct pack *pack, const void *args) {
        const struct fsop_fsync_args *from = args;
        if (from->data_only && from->filesystem)
                return refuse(pack, "data_only and filesystem exclude each other");
        pack->op->args.fsync = (struct fsync_args){.data_only = from->data_only, .filesystem = from->filesystem};
        return 0;
}

/* ---- the table --------------------------------------------------------------------------------------------------- */

union any_args {
        size_t size;
        struct fsop_ping_args ping;
        struct fsop_explain_args explain;
        struct fsop_utimens_args utimens;
        struct fsop_chmod_args chmod;
        struct fsop_chown_args chown;
        struct fsop_mknod_args mknod;
        struct fsop_mkdir_args mkdir;
        struct fsop_unlink_args unlink;
        struct fsop_rename_args rename;
        struct fsop_ls_args ls;
        struct fsop_symlink_args symlink;
        struct fsop_getxattr_args getxattr;
        struct fsop_setxattr_args setxattr;
        struct fsop_listxattr_args listxattr;
        struct fsop_removexattr_args removexattr;
        struct fsop_fallocate_args fallocate;
        struct fsop_truncate_args truncate;
        struct fsop_fadvise_args fadvise;
        struct fsop_copy_range_args copy_range;
        struct fsop_cp_args cp;
        struct fsop_job_args job;
        struct fsop_open_args open;
        struct fsop_read_args read;
        struct fsop_write_args write;
        struct fsop_fsync_args fsync;
};

static const struct pack_row {
        enum location_role at, to;
        size_t args_bytes; /* 0: none */
        bool args_needed;
        int (*pack)(const struct pack *pack, const void *args);
} rows[FSOP_VERB_LIMIT] = {
        [FSOP_VERB_PING] = {ROLE_NONE, ROLE_NONE, sizeof(struct fsop_ping_args), false, pack_ping},
        [FSOP_VERB_INFO] = {ROLE_OPTIONAL, ROLE_NONE, 0, false, pack_nothing},
        [FSOP_VERB_STATUS] = {ROLE_NONE, ROLE_NONE, 0, false, pack_nothing},
        [FSOP_VERB_EXPLAIN] = {ROLE_NONE, ROLE_NONE, sizeof(struct fsop_explain_args), true, pack_explain},
        [FSOP_VERB_POLICY_RELOAD] = {ROLE_NONE, ROLE_NONE, 0, false, pack_nothing},
        [FSOP_VERB_STAT] = {ROLE_OBJECT, ROLE_NONE, 0, false, pack_nothing},
        [FSOP_VERB_STATFS] = {ROLE_OBJECT, ROLE_NONE, 0, false, pack_nothing},
        [FSOP_VERB_UTIMENS] = {ROLE_OBJECT, ROLE_NONE, sizeof(struct fsop_utimens_args), false, pack_utimens},
        [FSOP_VERB_CHMOD] = {ROLE_OBJECT, ROLE_NONE, sizeof(struct fsop_chmod_args), true, pack_chmod},
        [FSOP_VERB_CHOWN] = {ROLE_OBJECT, ROLE_NONE, sizeof(struct fsop_chown_args), true, pack_chown},
        [FSOP_VERB_MKNOD] = {ROLE_CREATED, ROLE_NONE, sizeof(struct fsop_mknod_args), true, pack_mknod},
        [FSOP_VERB_OPENDIR] = {ROLE_OBJECT, ROLE_NONE, 0, false, pack_nothing},
        [FSOP_VERB_MKDIR] = {ROLE_NEW_DIRECTORY, ROLE_NONE, sizeof(struct fsop_mkdir_args), false, pack_mkdir},
        [FSOP_VERB_RMDIR] = {ROLE_NAME, ROLE_NONE, 0, false, pack_nothing},
        [FSOP_VERB_UNLINK] = {ROLE_NAME, ROLE_NONE, sizeof(struct fsop_unlink_args), false, pack_unlink},
        [FSOP_VERB_RENAME] = {ROLE_NAME, ROLE_NAME, sizeof(struct fsop_rename_args), false, pack_rename},
        [FSOP_VERB_LS] = {ROLE_OBJECT, ROLE_NONE, sizeof(struct fsop_ls_args), false, pack_ls},
        [FSOP_VERB_SYMLINK] = {ROLE_CREATED, ROLE_NONE, sizeof(struct fsop_symlink_args), true, pack_symlink},
        [FSOP_VERB_LINK] = {ROLE_OBJECT, ROLE_CREATED, 0, false, pack_nothing},
        [FSOP_VERB_READLINK] = {ROLE_OBJECT, ROLE_NONE, 0, false, pack_nothing},
        [FSOP_VERB_GETXATTR] = {ROLE_OBJECT, ROLE_NONE, sizeof(struct fsop_getxattr_args), true, pack_getxattr},
        [FSOP_VERB_SETXATTR] = {ROLE_OBJECT, ROLE_NONE, sizeof(struct fsop_setxattr_args), true, pack_setxattr},
        [FSOP_VERB_LISTXATTR] = {ROLE_OBJECT, ROLE_NONE, sizeof(struct fsop_listxattr_args), false, pack_listxattr},
        [FSOP_VERB_REMOVEXATTR] = {ROLE_OBJECT, ROLE_NONE, sizeof(struct fsop_removexattr_args), true,
                                   pack_removexattr},
        [FSOP_VERB_FALLOCATE] = {ROLE_OBJECT, ROLE_NONE, sizeof(struct fsop_fallocate_args), true, pack_fallocate},
        [FSOP_VERB_TRUNCATE] = {ROLE_OBJECT, ROLE_NONE, sizeof(struct fsop_truncate_args), true, pack_truncate},
        [FSOP_VERB_FADVISE] = {ROLE_OBJECT, ROLE_NONE, sizeof(struct fsop_fadvise_args), true, pack_fadvise},
        [FSOP_VERB_COPY_RANGE] = {ROLE_OBJECT, ROLE_OBJECT, sizeof(struct fsop_copy_range_args), false,
                                  pack_copy_range},
        [FSOP_VERB_CP] = {ROLE_OBJECT, ROLE_NAME, sizeof(struct fsop_cp_args), false, pack_cp},
        [FSOP_VERB_OPEN] = {ROLE_OBJECT, ROLE_NONE, sizeof(struct fsop_open_args), false, pack_open},
        [FSOP_VERB_OPEN_FD] = {ROLE_OBJECT, ROLE_NONE, sizeof(struct fsop_open_args), false, pack_open},
        [FSOP_VERB_CLOSE] = {ROLE_HANDLE, ROLE_NONE, 0, false, pack_nothing},
        [FSOP_VERB_READ] = {ROLE_HANDLE, ROLE_NONE, sizeof(struct fsop_read_args), true, pack_read},
        [FSOP_VERB_WRITE] = {ROLE_HANDLE, ROLE_NONE, sizeof(struct fsop_write_args), true, pack_write},
        [FSOP_VERB_FSYNC] = {ROLE_OBJECT, ROLE_NONE, sizeof(struct fsop_fsync_args), false, pack_fsync},
        [FSOP_VERB_JOB_LIST] = {ROLE_NONE, ROLE_NONE, sizeof(struct fsop_job_args), false, pack_job},
        [FSOP_VERB_JOB_SHOW] = {ROLE_NONE, ROLE_NONE, sizeof(struct fsop_job_args), true, pack_job},
        [FSOP_VERB_JOB_WATCH] = {ROLE_NONE, ROLE_NONE, sizeof(struct fsop_job_args), true, pack_job},
        [FSOP_VERB_JOB_PAUSE] = {ROLE_NONE, ROLE_NONE, sizeof(struct fsop_job_args), true, pack_job},
        [FSOP_VERB_JOB_RESUME] = {ROLE_NONE, ROLE_NONE, sizeof(struct fsop_job_args), true, pack_job},
        [FSOP_VERB_JOB_CANCEL] = {ROLE_NONE, ROLE_NONE, sizeof(struct fsop_job_args), true, pack_job},
        [FSOP_VERB_JOB_RETRY] = {ROLE_NONE, ROLE_NONE, sizeof(struct fsop_job_args), true, pack_job},
        [FSOP_VERB_JOB_FORGET] = {ROLE_NONE, ROLE_NONE, sizeof(struct fsop_job_args), true, pack_job},
};

static int pack_args(const struct pack *pack, const struct pack_row *row, const void *args) {
        union any_args taken;
        memset(&taken, 0, sizeof(taken));
        if (args && row->args_bytes == 0)
                return refuse(pack, "takes no arguments");
        if (!args && row->args_needed)
                return refuse(pack, "its arguments are missing");
        if (args && take_struct(&taken, row->args_bytes, args) < 0)
                return refuse(pack, "the arguments have no size, or hold what this library does not know");
        return row->pack(pack, &taken);
}

static int pack_location(const struct pack *pack, enum location_role role, const struct fsop_at *at,
                         struct location *ret) {
        if (role == ROLE_NONE && at)
                return refuse(pack, "takes no such location");
        *ret = (struct location){0};
        return role == ROLE_NONE ? 0 : locate(pack->batch, pack->verb, role, at, ret);
}

int pack_operation(struct fsop_batch *batch, enum fsop_verb verb, const struct fsop_at *at, const struct fsop_at *to,
                   const void *args, struct operation *ret_op) {
        if ((int)verb < 0 || verb >= FSOP_VERB_LIMIT || !rows[verb].pack)
                return client_fail(batch->client, FSOP_EINVAL, 0, "%d is no operation", (int)verb);
        const struct pack_row *row = &rows[verb];
        memset(ret_op, 0, sizeof(*ret_op));
        ret_op->verb = verb;
        ret_op->as = batch->as;
        struct pack pack = {.batch = batch, .verb = verb, .given = args != NULL, .op = ret_op};
        if (verb == FSOP_VERB_CP && batch->client->info.foreign && !batch->explaining)
                return refuse_as(
                        &pack, FSOP_EPERM,
                        "the daemon sees other paths than this process, and a job cannot be given descriptors");
        int r = pack_args(&pack, row, args);
        enum location_role role = row->at;
        if (verb == FSOP_VERB_UNLINK && !ret_op->args.unlink.recursive)
                role = ROLE_FILE;
        if (r == 0)
                r = pack_location(&pack, role, at, &ret_op->at);
        if (r == 0)
                r = pack_location(&pack, row->to, to, &ret_op->to);
        if (r == 0 && verb == FSOP_VERB_CLOSE && ret_op->at.kind != LOCATION_HANDLE)
                r = refuse(&pack, "takes a handle, not a descriptor");
        if (r == 0 && verb == FSOP_VERB_CP && (ret_op->at.kind != LOCATION_PATH || ret_op->to.kind != LOCATION_PATH))
                r = refuse(&pack, "takes paths that can be made absolute: a job outlives handles and descriptors");
        return r;
}

static size_t texts_bytes(const struct bytes *texts, uint32_t n) {
        size_t bytes = 0;
        for (uint32_t i = 0; i < n; i++)
                bytes += TEXT_BYTES + texts[i].len;
        return bytes;
}

static size_t args_bytes(const struct operation *op) {
        switch (op->verb) {
        case FSOP_VERB_PING:
                return op->args.ping.len;
        case FSOP_VERB_EXPLAIN:
                return op->args.explain.user.len + pack_bytes(op->args.explain.op);
        case FSOP_VERB_SYMLINK:
                return op->args.symlink.len;
        case FSOP_VERB_GETXATTR:
        case FSOP_VERB_SETXATTR:
        case FSOP_VERB_REMOVEXATTR:
                return op->args.xattr.name.len + op->args.xattr.value.len;
        case FSOP_VERB_WRITE:
                return op->args.write.data.len;
        case FSOP_VERB_CP:
                return op->args.cp.key.len + texts_bytes(op->args.cp.excludes, op->args.cp.n_excludes) +
                       texts_bytes(op->args.cp.names, op->args.cp.n_names);
        default:
                return 0;
        }
}

size_t pack_bytes(const struct operation *op) {
        return OPERATION_BYTES + op->at.path.len + op->to.path.len + args_bytes(op);
}
