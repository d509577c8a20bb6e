/* SPDX-License-Identifier: MIT */
/*
 * calls.c: the typed functions: for every operation one that adds it to a batch and one that does it and waits. All go
 * through fsop_batch_add() and fsop_call().
 */
#include "client/client.h"

#include <string.h>

/* ---- operations of a batch -------------------------------------------------------------------------------------- */

int fsop_batch_ping(struct fsop_batch *batch, const struct fsop_ping_args *args) {
        return fsop_batch_add(batch, FSOP_VERB_PING, NULL, NULL, args);
}

int fsop_batch_info(struct fsop_batch *batch, const struct fsop_at *at) {
        return fsop_batch_add(batch, FSOP_VERB_INFO, at, NULL, NULL);
}

int fsop_batch_status(struct fsop_batch *batch) {
        return fsop_batch_add(batch, FSOP_VERB_STATUS, NULL, NULL, NULL);
}

int fsop_batch_explain(struct fsop_batch *batch, const struct fsop_explain_args *args) {
        return fsop_batch_add(batch, FSOP_VERB_EXPLAIN, NULL, NULL, args);
}

int fsop_batch_policy_reload(struct fsop_batch *batch) {
        return fsop_batch_add(batch, FSOP_VERB_POLICY_RELOAD, NULL, NULL, NULL);
}

int fsop_batch_stat(struct fsop_batch *batch, const struct fsop_at *at) {
        return fsop_batch_add(batch, FSOP_VERB_STAT, at, NULL, NULL);
}

int fsop_batch_statfs(struct fsop_batch *batch, const struct fsop_at *at) {
        return fsop_batch_add(batch, FSOP_VERB_STATFS, at, NULL, NULL);
}

int fsop_batch_utimens(struct fsop_batch *batch, const struct fsop_at *at, const struct fsop_utimens_args *args) {
        return fsop_batch_add(batch, FSOP_VERB_UTIMENS, at, NULL, args);
}

int fsop_batch_chmod(struct fsop_batch *batch, const struct fsop_at *at, const struct fsop_chmod_args *args) {
        return fsop_batch_add(batch, FSOP_VERB_CHMOD, at, NULL, args);
}

int fsop_batch_chown(struct fsop_batch *batch, const struct fsop_at *at, const struct fsop_chown_args *args) {
        return fsop_batch_add(batch, FSOP_VERB_CHOWN, at, NULL, args);
}

int fsop_batch_mknod(struct fsop_batch *batch, const struct fsop_at *at, const struct fsop_mknod_args *args) {
        return fsop_batch_add(batch, FSOP_VERB_MKNOD, at, NULL, args);
}

int fsop_batch_opendir(struct fsop_batch *batch, const struct fsop_at *at) {
        return fsop_batch_add(batch, FSOP_VERB_OPENDIR, at, NULL, NULL);
}

int fsop_batch_mkdir(struct fsop_batch *batch, const struct fsop_at *at, const struct fsop_mkdir_args *args) {
        return fsop_batch_add(batch, FSOP_VERB_MKDIR, at, NULL, args);
}

int fsop_batch_rmdir(struct fsop_batch *batch, const struct fsop_at *at) {
        return fsop_batch_add(batch, FSOP_VERB_RMDIR, at, NULL, NULL);
}

int fsop_batch_unlink(struct fsop_batch *batch, const struct fsop_at *at, const struct fsop_unlink_args *args) {
        return fsop_batch_add(batch, FSOP_VERB_UNLINK, at, NULL, args);
}

int fsop_batch_rename(struct fsop_batch *batch, const struct fsop_at *from, const struct fsop_at *to,
                      const struct fsop_rename_args *args) {
        return fsop_batch_add(batch, FSOP_VERB_RENAME, from, to, args);
}

int fsop_batch_ls(struct fsop_batch *batch, const struct fsop_at *at, const struct fsop_ls_args *args) {
        return fsop_batch_add(batch, FSOP_VERB_LS, at, NULL, args);
}

int fsop_batch_symlink(struct fsop_batch *batch, const struct fsop_at *link, const struct fsop_symlink_args *args) {
        return fsop_batch_add(batch, FSOP_VERB_SYMLINK, link, NULL, args);
}

int fsop_batch_link(struct fsop_batch *batch, const struct fsop_at *existing, const struct fsop_at *link) {
        return fsop_batch_add(batch, FSOP_VERB_LINK, existing, link, NULL);
}

int fsop_batch_readlink(struct fsop_batch *batch, const struct fsop_at *at) {
        return fsop_batch_add(batch, FSOP_VERB_READLINK, at, NULL, NULL);
}

int fsop_batch_getxattr(struct fsop_batch *batch, const struct fsop_at *at, const struct fsop_getxattr_args *args) {
        return fsop_batch_add(batch, FSOP_VERB_GETXATTR, at, NULL, args);
}

int fsop_batch_setxattr(struct fsop_batch *batch, const struct fsop_at *at, const struct fsop_setxattr_args *args) {
        return fsop_batch_add(batch, FSOP_VERB_SETXATTR, at, NULL, args);
}

int fsop_batch_listxattr(struct fsop_batch *batch, const struct fsop_at *at, const struct fsop_listxattr_args *args) {
        return fsop_batch_add(batch, FSOP_VERB_LISTXATTR, at, NULL, args);
}

int fsop_batch_removexattr(struct fsop_batch *batch, const struct fsop_at *at,
                           const struct fsop_removexattr_args *args) {
        return fsop_batch_add(batch, FSOP_VERB_REMOVEXATTR, at, NULL, args);
}

int fsop_batch_fallocate(struct fsop_batch *batch, const struct fsop_at *at, const struct fsop_fallocate_args *args) {
        return fsop_batch_add(batch, FSOP_VERB_FALLOCATE, at, NULL, args);
}

int fsop_batch_truncate(struct fsop_batch *batch, const struct fsop_at *at, const struct fsop_truncate_args *args) {
        return fsop_batch_add(batch, FSOP_VERB_TRUNCATE, at, NULL, args);
}

int fsop_batch_fadvise(struct fsop_batch *batch, const struct fsop_at *at, const struct fsop_fadvise_args *args) {
        return fsop_batch_add(batch, FSOP_VERB_FADVISE, at, NULL, args);
}

int fsop_batch_copy_range(struct fsop_batch *batch, const struct fsop_at *source, const struct fsop_at *target,
                          const struct fsop_copy_range_args *args) {
        return fsop_batch_add(batch, FSOP_VERB_COPY_RANGE, source, target, args);
}

int fsop_batch_cp(struct fsop_batch *batch, const struct fsop_at *source, const struct fsop_at *target,
                  const struct fsop_cp_args *args) {
        return fsop_batch_add(batch, FSOP_VERB_CP, source, target, args);
}

int fsop_batch_job(struct fsop_batch *batch, enum fsop_verb verb, const struct fsop_job_args *args) {
        if (verb >= FSOP_VERB_JOB_LIST && verb <= FSOP_VERB_JOB_FORGET)
                return fsop_batch_add(batch, verb, NULL, NULL, args);
        /* ARGS would be taken for those of another operation. */
        int r = batch->client ? client_enter(batch->client) : -FSOP_ENOTCONN;
        return r < 0 ? r : client_fail(batch->client, FSOP_EINVAL, 0, "%d is no operation on jobs", (int)verb);
}

int fsop_batch_open(struct fsop_batch *batch, const struct fsop_at *at, const struct fsop_open_args *args) {
        return fsop_batch_add(batch, FSOP_VERB_OPEN, at, NULL, args);
}

int fsop_batch_open_fd(struct fsop_batch *batch, const struct fsop_at *at, const struct fsop_open_args *args) {
        return fsop_batch_add(batch, FSOP_VERB_OPEN_FD, at, NULL, args);
}

int fsop_batch_close(struct fsop_batch *batch, struct fsop_handle handle) {
        struct fsop_at at = fsop_at_handle(handle, NULL, false);
        return fsop_batch_add(batch, FSOP_VERB_CLOSE, &at, NULL, NULL);
}

int fsop_batch_read(struct fsop_batch *batch, const struct fsop_at *at, const struct fsop_read_args *args) {
        return fsop_batch_add(batch, FSOP_VERB_READ, at, NULL, args);
}

int fsop_batch_write(struct fsop_batch *batch, const struct fsop_at *at, const struct fsop_write_args *args) {
        return fsop_batch_add(batch, FSOP_VERB_WRITE, at, NULL, args);
}

int fsop_batch_fsync(struct fsop_batch *batch, const struct fsop_at *at, const struct fsop_fsync_args *args) {
        return fsop_batch_add(batch, FSOP_VERB_FSYNC, at, NULL, args);
}

/* ---- blocking calls ---------------------------------------------------------------------------------------------- */

int fsop_call(struct fsop_client *client, enum fsop_verb verb, const struct fsop_at *at, const struct fsop_at *to,
              const void *args, const struct fsop_result **ret_result) {
        struct fsop_batch *batch = &client->call;
        if (ret_result)
                *ret_result = NULL;
        int r = client_enter(client);
        if (r < 0)
                return r;
        r = batch_clear(batch);
        if (r < 0)
                return client_fail(client, -r, 0, "a blocking call is under way");
        batch->as = client->as;
        batch->timeout_ms = client->timeout_ms;
        r = fsop_batch_add(batch, verb, at, to, args);
        if (r >= 0)
                r = fsop_batch_run(batch);
        const struct fsop_result *result = fsop_batch_result(batch, 0);
        if (!result)
                return r;
        client->last_result = result;
        if (ret_result)
                *ret_result = result;
        return result->error.code ? client_fail_with(client, &result->error) : 0;
}

const struct fsop_result *fsop_last_result(const struct fsop_client *client) {
        return client->last_result;
}

/* Operations that answer nothing but whether they were done. */
static int call_plain(struct fsop_client *client, enum fsop_verb verb, const struct fsop_at *at,
                      const struct fsop_at *to, const void *args) {
        return fsop_call(client, verb, at, to, args, NULL);
}

static int call_data(struct fsop_client *client, enum fsop_verb verb, const struct fsop_at *at, const void *args,
                     struct fsop_bytes *ret_data) {
        const struct fsop_result *result;
        int r = fsop_call(client, verb, at, NULL, args, &result);
        if (r == 0 && ret_data)
                *ret_data = result->value.data;
        return r;
}

static int call_walk(struct fsop_client *client, enum fsop_verb verb, const struct fsop_at *at, const void *args,
                     struct fsop_walk_result *ret_walk) {
        const struct fsop_result *result;
        int r = fsop_call(client, verb, at, NULL, args, &result);
        if (ret_walk)
                *ret_walk = result ? result->value.walk : (struct fsop_walk_result){0};
        return r;
}

static int call_handle(struct fsop_client *client, enum fsop_verb verb, const struct fsop_at *at, const void *args,
                       struct fsop_handle *ret_handle) {
        const struct fsop_result *result;
        int r = fsop_call(client, verb, at, NULL, args, &result);
        if (r == 0 && ret_handle)
                *ret_handle = result->value.handle;
        return r;
}

int fsop_ping(struct fsop_client *client) {
        return call_plain(client, FSOP_VERB_PING, NULL, NULL, NULL);
}

int fsop_info(struct fsop_client *client, const struct fsop_at *at, const struct fsop_info_result **ret_info) {
        const struct fsop_result *result;
        int r = fsop_call(client, FSOP_VERB_INFO, at, NULL, NULL, &result);
        if (ret_info)
                *ret_info = r == 0 ? &result->value.info : NULL;
        return r;
}

int fsop_status(struct fsop_client *client, const struct fsop_status_result **ret_status) {
        const struct fsop_result *result;
        int r = fsop_call(client, FSOP_VERB_STATUS, NULL, NULL, NULL, &result);
        if (ret_status)
                *ret_status = r == 0 ? &result->value.status : NULL;
        return r;
}

int fsop_explain(struct fsop_client *client, const struct fsop_explain_args *args,
                 const struct fsop_explain_result **ret_explain) {
        const struct fsop_result *result;
        int r = fsop_call(client, FSOP_VERB_EXPLAIN, NULL, NULL, args, &result);
        if (ret_explain)
                *ret_explain = r == 0 ? &result->value.explain : NULL;
        return r;
}

int fsop_policy_reload(struct fsop_client *client, const struct fsop_reload_result **ret_reload) {
        const struct fsop_result *result;
        int r = fsop_call(client, FSOP_VERB_POLICY_RELOAD, NULL, NULL, NULL, &result);
        if (ret_reload)
                *ret_reload = r == 0 ? &result->value.reload : NULL;
        return r;
}

int fsop_stat(struct fsop_client *client, const struct fsop_at *at, struct fsop_stat *ret_stat) {
        const struct fsop_result *result;
        int r = fsop_call(client, FSOP_VERB_STAT, at, NULL, NULL, &result);
        if (r == 0 && ret_stat)
                *ret_stat = result->value.stat;
        return r;
}

int fsop_statfs(struct fsop_client *client, const struct fsop_at *at, struct fsop_statfs *ret_statfs) {
        const struct fsop_result *result;
        int r = fsop_call(client, FSOP_VERB_STATFS, at, NULL, NULL, &result);
        if (r == 0 && ret_statfs)
                *ret_statfs = result->value.statfs;
        return r;
}

int fsop_utimens(struct fsop_client *client, const struct fsop_at *at, const struct fsop_utimens_args *args) {
        return call_plain(client, FSOP_VERB_UTIMENS, at, NULL, args);
}

int fsop_chmod(struct fsop_client *client, const struct fsop_at *at, const struct fsop_chmod_args *args,
               struct fsop_walk_result *ret_walk) {
        return call_walk(client, FSOP_VERB_CHMOD, at, args, ret_walk);
}

int fsop_chown(struct fsop_client *client, const struct fsop_at *at, const struct fsop_chown_args *args,
               struct fsop_walk_result *ret_walk) {
        return call_walk(client, FSOP_VERB_CHOWN, at, args, ret_walk);
}

int fsop_mknod(struct fsop_client *client, const struct fsop_at *at, const struct fsop_mknod_args *args) {
        return call_plain(client, FSOP_VERB_MKNOD, at, NULL, args);
}

int fsop_opendir(struct fsop_client *client, const struct fsop_at *at, struct fsop_handle *ret_handle) {
        return call_handle(client, FSOP_VERB_OPENDIR, at, NULL, ret_handle);
}

int fsop_mkdir(struct fsop_client *client, const struct fsop_at *at, const struct fsop_mkdir_args *args) {
        return call_plain(client, FSOP_VERB_MKDIR, at, NULL, args);
}

int fsop_rmdir(struct fsop_client *client, const struct fsop_at *at) {
        return call_plain(client, FSOP_VERB_RMDIR, at, NULL, NULL);
}

int fsop_unlink(struct fsop_client *client, const struct fsop_at *at, const struct fsop_unlink_args *args,
                struct fsop_walk_result *ret_walk) {
        return call_walk(client, FSOP_VERB_UNLINK, at, args, ret_walk);
}

int fsop_rename(struct fsop_client *client, const struct fsop_at *from, const struct fsop_at *to,
                const struct fsop_rename_args *args) {
        return call_plain(client, FSOP_VERB_RENAME, from, to, args);
}

int fsop_ls(struct fsop_client *client, const struct fsop_at *at, const struct fsop_ls_args *args,
            const struct fsop_ls_result **ret_ls) {
        const struct fsop_result *result;
        int r = fsop_call(client, FSOP_VERB_LS, at, NULL, args, &result);
        if (ret_ls)
                *ret_ls = r == 0 ? &result->value.ls : NULL;
        return r;
}

int fsop_symlink(struct fsop_client *client, const struct fsop_at *link, const struct fsop_symlink_args *args) {
        return call_plain(client, FSOP_VERB_SYMLINK, link, NULL, args);
}

int fsop_link(struct fsop_client *client, const struct fsop_at *existing, const struct fsop_at *link) {
        return call_plain(client, FSOP_VERB_LINK, existing, link, NULL);
}

int fsop_readlink(struct fsop_client *client, const struct fsop_at *at, struct fsop_bytes *ret_text) {
        return call_data(client, FSOP_VERB_READLINK, at, NULL, ret_text);
}

int fsop_getxattr(struct fsop_client *client, const struct fsop_at *at, const struct fsop_getxattr_args *args,
                  struct fsop_bytes *ret_value) {
        return call_data(client, FSOP_VERB_GETXATTR, at, args, ret_value);
}

int fsop_setxattr(struct fsop_client *client, const struct fsop_at *at, const struct fsop_setxattr_args *args) {
        return call_plain(client, FSOP_VERB_SETXATTR, at, NULL, args);
}

int fsop_listxattr(struct fsop_client *client, const struct fsop_at *at, const struct fsop_listxattr_args *args,
                   struct fsop_bytes *ret_names) {
        return call_data(client, FSOP_VERB_LISTXATTR, at, args, ret_names);
}

int fsop_removexattr(struct fsop_client *client, const struct fsop_at *at, const struct fsop_removexattr_args *args) {
        return call_plain(client, FSOP_VERB_REMOVEXATTR, at, NULL, args);
}

int fsop_fallocate(struct fsop_client *client, const struct fsop_at *at, const struct fsop_fallocate_args *args) {
        return call_plain(client, FSOP_VERB_FALLOCATE, at, NULL, args);
}

int fsop_truncate(struct fsop_client *client, const struct fsop_at *at, const struct fsop_truncate_args *args) {
        return call_plain(client, FSOP_VERB_TRUNCATE, at, NULL, args);
}

int fsop_fadvise(struct fsop_client *client, const struct fsop_at *at, const struct fsop_fadvise_args *args) {
        return call_plain(client, FSOP_VERB_FADVISE, at, NULL, args);
}

int fsop_copy_range(struct fsop_client *client, const struct fsop_at *source, const struct fsop_at *target,
                    const struct fsop_copy_range_args *args, uint64_t *ret_count, bool *ret_cloned) {
        const struct fsop_result *result;
        int r = fsop_call(client, FSOP_VERB_COPY_RANGE, source, target, args, &result);
        if (r == 0 && ret_count)
                *ret_count = result->value.count;
        if (r == 0 && ret_cloned)
                *ret_cloned = result->cloned;
        return r;
}

static int call_jobs(struct fsop_client *client, enum fsop_verb verb, const void *args,
                     const struct fsop_job_answer **ret_answer) {
        const struct fsop_result *result;
        int r = fsop_call(client, verb, NULL, NULL, args, &result);
        if (ret_answer)
                *ret_answer = r == 0 ? &result->value.job : NULL;
        return r;
}

/* What answers one job, and maybe more about it. */
static int call_job_answer(struct fsop_client *client, enum fsop_verb verb, const struct fsop_at *at,
                           const struct fsop_at *to, const void *args, const struct fsop_job_answer **ret_answer) {
        const struct fsop_result *result;
        int r = fsop_call(client, verb, at, to, args, &result);
        if (r == 0 && result->value.job.n_jobs != 1)
                r = client_fail(client, FSOP_EPROTO, 0, "%s: the daemon answered without the job",
                                fsop_verb_name(verb));
        if (ret_answer)
                *ret_answer = r == 0 ? &result->value.job : NULL;
        return r;
}

static int call_job(struct fsop_client *client, enum fsop_verb verb, const struct fsop_at *at, const struct fsop_at *to,
                    const void *args, const struct fsop_job_info **ret_job) {
        const struct fsop_job_answer *answer;
        int r = call_job_answer(client, verb, at, to, args, &answer);
        if (ret_job)
                *ret_job = r == 0 ? answer->jobs : NULL;
        return r;
}

static int call_job_id(struct fsop_client *client, enum fsop_verb verb, uint64_t id,
                       const struct fsop_job_info **ret_job) {
        struct fsop_job_args args = {.size = sizeof(args), .id = id};
        return call_job(client, verb, NULL, NULL, &args, ret_job);
}

int fsop_cp(struct fsop_client *client, const struct fsop_at *source, const struct fsop_at *target,
            const struct fsop_cp_args *args, const struct fsop_job_info **ret_job) {
        return call_job(client, FSOP_VERB_CP, source, target, args, ret_job);
}

int fsop_job_list(struct fsop_client *client, const struct fsop_job_args *args,
                  const struct fsop_job_answer **ret_jobs) {
        return call_jobs(client, FSOP_VERB_JOB_LIST, args, ret_jobs);
}

int fsop_job_show(struct fsop_client *client, const struct fsop_job_args *args,
                  const struct fsop_job_answer **ret_job) {
        return call_job_answer(client, FSOP_VERB_JOB_SHOW, NULL, NULL, args, ret_job);
}

int fsop_job_watch(struct fsop_client *client, const struct fsop_job_args *args,
                   const struct fsop_job_answer **ret_events) {
        return call_jobs(client, FSOP_VERB_JOB_WATCH, args, ret_events);
}

int fsop_job_pause(struct fsop_client *client, uint64_t id, const struct fsop_job_info **ret_job) {
        return call_job_id(client, FSOP_VERB_JOB_PAUSE, id, ret_job);
}

int fsop_job_resume(struct fsop_client *client, uint64_t id, const struct fsop_job_info **ret_job) {
        return call_job_id(client, FSOP_VERB_JOB_RESUME, id, ret_job);
}

int fsop_job_cancel(struct fsop_client *client, uint64_t id, const struct fsop_job_info **ret_job) {
        return call_job_id(client, FSOP_VERB_JOB_CANCEL, id, ret_job);
}

int fsop_job_retry(struct fsop_client *client, uint64_t id, const struct fsop_job_info **ret_job) {
        return call_job_id(client, FSOP_VERB_JOB_RETRY, id, ret_job);
}

int fsop_job_forget(struct fsop_client *client, uint64_t id) {
        struct fsop_job_args args = {.size = sizeof(args), .id = id};
        return call_plain(client, FSOP_VERB_JOB_FORGET, NULL, NULL, &args);
}

int fsop_open_handle(struct fsop_client *client, const struct fsop_at *at, const struct fsop_open_args *args,
                     struct fsop_handle *ret_handle) {
        return call_handle(client, FSOP_VERB_OPEN, at, args, ret_handle);
}

int fsop_open_fd(struct fsop_client *client, const struct fsop_at *at, const struct fsop_open_args *args,
                 intptr_t *ret_fd) {
        intptr_t fd = -1;
        int r = call_plain(client, FSOP_VERB_OPEN_FD, at, NULL, args);
        if (r == 0)
                r = fsop_batch_take_fd(&client->call, 0, &fd);
        if (r < 0)
                return r;
        if (ret_fd)
                *ret_fd = fd;
        else
                connect_fd_close(fd);
        return 0;
}

int fsop_close_handle(struct fsop_client *client, struct fsop_handle handle) {
        struct fsop_at at = fsop_at_handle(handle, NULL, false);
        return call_plain(client, FSOP_VERB_CLOSE, &at, NULL, NULL);
}

/* ---- data of any length ------------------------------------------------------------------------------------------ */

static uint32_t piece_bytes(size_t left) {
        return left < WIRE_IO_BYTES_MAX ? (uint32_t)left : WIRE_IO_BYTES_MAX;
}

int fsop_read(struct fsop_client *client, const struct fsop_at *at, uint64_t offset, void *buffer, size_t length,
              size_t *ret_count) {
        size_t count = 0;
        int r;
        do {
                struct fsop_read_args args = {
                        .size = sizeof(args), .offset = offset + count, .length = piece_bytes(length - count)};
                struct fsop_bytes data = {0};
                r = call_data(client, FSOP_VERB_READ, at, &args, &data);
                if (r < 0)
                        break;
                if (data.len > args.length) {
                        r = client_fail(client, FSOP_EPROTO, 0, "read: the daemon answered more than was asked for");
                        break;
                }
                if (data.len == 0)
                        break;
                memcpy((uint8_t *)buffer + count, data.data, data.len);
                count += data.len;
        } while (count < length);
        if (ret_count)
                *ret_count = count;
        return r;
}

int fsop_write(struct fsop_client *client, const struct fsop_at *at, uint64_t offset, struct fsop_bytes data,
               size_t *ret_count) {
        size_t count = 0;
        int r;
        do {
                struct fsop_write_args args = {
                        .size = sizeof(args),
                        .offset = offset + count,
                        .data = {(const uint8_t *)data.data + count, piece_bytes(data.len - count)}};
                const struct fsop_result *result;
                r = fsop_call(client, FSOP_VERB_WRITE, at, NULL, &args, &result);
                if (r < 0)
                        break;
                /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): without a result r is negative */
                if (result->value.count > args.data.len || (result->value.count == 0 && args.data.len > 0)) {
                        r = client_fail(client, FSOP_EPROTO, 0, "write: the daemon's count makes no sense");
                        break;
                }
                count += (size_t)result->value.count;
        } while (count < data.len);
        if (ret_count)
                *ret_count = count;
        return r;
}

int fsop_fsync(struct fsop_client *client, const struct fsop_at *at, const struct fsop_fsync_args *args) {
        return call_plain(client, FSOP_VERB_FSYNC, at, NULL, args);
}
