/* SPDX-License-Identifier: MIT */
/*
 * library: every blocking call of libfsop against a real daemon, each effect held against what the kernel says
 * directly.
 *
 *      library SOCKET DIRECTORY        the directory belongs to the caller; a rule may cover it
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/types.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "client/fsop.h"

static struct fsop_client *client;
static int failures;

static void check(int ok, const char *what, int line) {
        if (ok)
                return;
        const struct fsop_error *error = fsop_last_error(client);
        printf("line %d: %s (last error: %s: %s)\n", line, what, error->code ? fsop_error_name(error->code) : "none",
               (const char *)error->message.data);
        failures++;
}
#define CHECK(condition) check(condition, #condition, __LINE__)
#define DOES(call) check((call) == 0, #call, __LINE__)
#define GIVES(code, call) check((call) == -(code), #call " gives " #code, __LINE__)

static struct fsop_at at(const char *path) {
        return fsop_at_path(path, false);
}

static struct stat look(const char *path) {
        struct stat st = {0};
        CHECK(lstat(path, &st) == 0);
        return st;
}

static void metadata(void) {
        struct fsop_at file = at("file"), d = at("d"), slash = at("d/"), dot = at("."), lost = at("lost");
        struct fsop_utimens_args touch = {.size = sizeof(touch),
                                          .atime_change = FSOP_TIME_SET,
                                          .mtime_change = FSOP_TIME_SET,
                                          .atime = {-5, 999999999},
                                          .mtime = {1000000000, 1},
                                          .create = {.create = true, .mode = 0666}};
        struct fsop_stat st;
        struct fsop_statfs fs;
        struct statfs real;
        umask(027);
        DOES(fsop_utimens(client, &file, &touch));
        CHECK((look("file").st_mode & 07777) == 0640);
        CHECK(look("file").st_atim.tv_sec == -5 && look("file").st_atim.tv_nsec == 999999999);
        DOES(fsop_stat(client, &file, &st));
        CHECK(st.ino == look("file").st_ino && st.mtime.sec == 1000000000 && st.mtime.nsec == 1 && st.uid == geteuid());
        DOES(fsop_mkdir(client, &d, NULL));
        CHECK((look("d").st_mode & 07777) == 0750);
        umask(022);
        GIVES(FSOP_EEXIST, fsop_mkdir(client, &slash, NULL));
        DOES(fsop_stat(client, &slash, &st));
        CHECK(st.ino == look("d").st_ino);
        DOES(fsop_stat(client, &dot, &st));
        CHECK(st.ino == look(".").st_ino);
        GIVES(FSOP_ENOENT, fsop_stat(client, &lost, &st));
        CHECK(fsop_last_error(client)->os_error == ENOENT && fsop_last_error(client)->verb == FSOP_VERB_STAT);
        DOES(fsop_statfs(client, &dot, &fs));
        CHECK(statfs(".", &real) == 0 && fs.type == (uint64_t)real.f_type && fs.bsize == (uint64_t)real.f_bsize);
        struct fsop_chmod_args mode = {.size = sizeof(mode), .set = 0604, .clear = 07777};
        struct fsop_walk_result walk;
        DOES(fsop_chmod(client, &file, &mode, &walk));
        CHECK((look("file").st_mode & 07777) == 0604);
        struct fsop_chown_args own = {
                .size = sizeof(own), .has_uid = true, .uid = geteuid(), .has_gid = true, .gid = getegid()};
        DOES(fsop_chown(client, &file, &own, &walk));
}

static void names(void) {
        struct fsop_at fifo = at("fifo"), odd = at("d/odd\n\xff name"), link = at("link"), hard = at("hard"),
                       moved = at("d/../moved");
        struct fsop_at file = at("file"), d = at("d"), dots = at("d/./../d/moved");
        struct fsop_mknod_args node = {.size = sizeof(node), .type = FSOP_TYPE_FIFO, .create.mode = 0600};
        struct fsop_symlink_args text = {.size = sizeof(text), .text = fsop_bytes_of("d/odd\n\xff name")};
        struct fsop_rename_args no_replace = {.size = sizeof(no_replace), .no_replace = true},
                                swap = {.size = sizeof(swap), .exchange = true};
        struct fsop_bytes target;
        DOES(fsop_mknod(client, &fifo, &node));
        CHECK(S_ISFIFO(look("fifo").st_mode));
        DOES(fsop_link(client, &file, &odd));
        CHECK(look("d/odd\n\xff name").st_nlink == 2);
        DOES(fsop_symlink(client, &link, &text));
        DOES(fsop_readlink(client, &link, &target));
        CHECK(target.len == text.text.len && memcmp(target.data, text.text.data, target.len) == 0);
        struct fsop_at followed = fsop_at_path("link", true);
        struct fsop_stat st;
        DOES(fsop_stat(client, &followed, &st));
        CHECK(st.ino == look("file").st_ino);
        DOES(fsop_rename(client, &fifo, &hard, NULL));
        GIVES(FSOP_EEXIST, fsop_rename(client, &hard, &odd, &no_replace));
        DOES(fsop_rename(client, &hard, &link, &swap));
        CHECK(S_ISLNK(look("hard").st_mode) && S_ISFIFO(look("link").st_mode));
        DOES(fsop_rename(client, &hard, &moved, NULL));
        DOES(fsop_rename(client, &moved, &dots, NULL));
        CHECK(S_ISLNK(look("d/moved").st_mode));
        GIVES(FSOP_ENOTEMPTY, fsop_rmdir(client, &d));
        GIVES(FSOP_EISDIR, fsop_unlink(client, &d, NULL, NULL));
        DOES(fsop_unlink(client, &dots, NULL, NULL));
        DOES(fsop_unlink(client, &odd, NULL, NULL));
        DOES(fsop_unlink(client, &link, NULL, NULL));
        DOES(fsop_rmdir(client, &d));
        CHECK(access("d", F_OK) < 0);
}

static void attributes(void) {
        struct fsop_at file = at("file");
        static uint8_t value[300];
        memset(value, 'v', sizeof(value));
        struct fsop_setxattr_args set = {
                .size = sizeof(set), .name = fsop_bytes_of("user.x"), .value = {value, sizeof(value)}, .create = true};
        struct fsop_getxattr_args get = {.size = sizeof(get), .name = fsop_bytes_of("user.x")};
        struct fsop_removexattr_args remove_args = {.size = sizeof(remove_args), .name = fsop_bytes_of("user.x")};
        struct fsop_bytes got;
        char text[400];
        int r = fsop_setxattr(client, &file, &set);
        if (r == -FSOP_EOPNOTSUPP) {
                puts("SKIP: this filesystem has no user attributes");
                return;
        }
        CHECK(r == 0);
        CHECK(getxattr("file", "user.x", text, sizeof(text)) == 300);
        GIVES(FSOP_EEXIST, fsop_setxattr(client, &file, &set));
        DOES(fsop_getxattr(client, &file, &get, &got));
        CHECK(got.len == 300 && memcmp(got.data, value, 300) == 0);
        get.size_max = 299;
        GIVES(FSOP_ERANGE, fsop_getxattr(client, &file, &get, &got));
        DOES(fsop_listxattr(client, &file, NULL, &got));
        CHECK(got.len >= 7 && memmem(got.data, got.len, "user.x", 7));
        DOES(fsop_removexattr(client, &file, &remove_args));
        get.size_max = 0;
        GIVES(FSOP_ENODATA, fsop_getxattr(client, &file, &get, &got));
}

static void space(void) {
        struct fsop_at big = at("big"), copy = at("copy");
        struct fsop_fallocate_args room = {
                .size = sizeof(room), .length = 1 << 20, .create = {.create = true, .mode = 0600}};
        struct fsop_truncate_args cut = {.size = sizeof(cut), .length = 5000000000};
        struct fsop_fadvise_args advice = {.size = sizeof(advice), .advice = FSOP_ADVICE_DONTNEED};
        struct fsop_copy_range_args range = {
                .size = sizeof(range), .has_length = true, .length = 123456, .create = {.create = true, .mode = 0600}};
        uint64_t count;
        bool cloned;
        DOES(fsop_fallocate(client, &big, &room));
        CHECK(look("big").st_blocks >= 2048);
        DOES(fsop_truncate(client, &big, &cut));
        CHECK(look("big").st_size == 5000000000);
        DOES(fsop_fadvise(client, &big, &advice));
        DOES(fsop_copy_range(client, &big, &copy, &range, &count, &cloned));
        CHECK(count == 123456 && look("copy").st_size == 123456);
        DOES(fsop_unlink(client, &big, NULL, NULL));
        DOES(fsop_unlink(client, &copy, NULL, NULL));
}

static void files(void) {
        enum { BYTES = 3 << 20 };
        static uint8_t data[BYTES + 1], back[BYTES + 1];
        struct fsop_at path = at("data");
        struct fsop_open_args create = {.size = sizeof(create),
                                        .read = true,
                                        .write = true,
                                        .exclusive = true,
                                        .create = {.create = true, .mode = 0600}};
        struct fsop_handle handle;
        size_t count;
        for (size_t i = 0; i < sizeof(data); i++)
                data[i] = (uint8_t)(i * 2654435761u >> 13);
        DOES(fsop_open_handle(client, &path, &create, &handle));
        struct fsop_at file = fsop_at_handle(handle, NULL, false);
        DOES(fsop_write(client, &file, 7, (struct fsop_bytes){data, sizeof(data)}, &count));
        CHECK(count == sizeof(data) && look("data").st_size == BYTES + 8);
        DOES(fsop_read(client, &file, 7, back, sizeof(back), &count));
        CHECK(count == sizeof(data) && memcmp(data, back, sizeof(data)) == 0);
        DOES(fsop_read(client, &file, BYTES, back, sizeof(back), &count));
        CHECK(count == 8); /* the end of the file */
        DOES(fsop_fsync(client, &file, NULL));
        DOES(fsop_close_handle(client, handle));
        GIVES(FSOP_ESTALE, fsop_close_handle(client, handle));
        GIVES(FSOP_EEXIST, fsop_open_handle(client, &path, &create, &handle));

        intptr_t fd;
        struct stat st;
        DOES(fsop_open_fd(client, &path, NULL, &fd));
        CHECK(fstat((int)fd, &st) == 0 && st.st_ino == look("data").st_ino && fcntl((int)fd, F_GETFD) == FD_CLOEXEC);
        CHECK((fcntl((int)fd, F_GETFL) & O_ACCMODE) == O_RDONLY);
        /* And back: a descriptor of ours, within its open mode. */
        struct fsop_at passed = fsop_at_fd(fd, NULL, false);
        DOES(fsop_read(client, &passed, 7, back, 100, &count));
        CHECK(count == 100 && memcmp(data, back, 100) == 0);
        CHECK(fsop_write(client, &passed, 0, (struct fsop_bytes){data, 1}, &count) < 0);
        close((int)fd);
        DOES(fsop_unlink(client, &path, NULL, NULL));
}

enum { MANY = 2500 };

static void directories(void) {
        struct fsop_at top = at("many");
        struct fsop_mkdir_args mode = {.size = sizeof(mode), .create.mode = 0700};
        struct fsop_handle handle;
        struct fsop_batch *batch;
        char name[64];
        static bool seen[MANY];
        DOES(fsop_mkdir(client, &top, &mode));
        DOES(fsop_opendir(client, &top, &handle));
        /* A handle opened below a handle is as good as any. */
        struct fsop_at nested = fsop_at_handle(handle, "nested", false);
        struct fsop_open_args create = {
                .size = sizeof(create), .write = true, .create = {.create = true, .mode = 0600}};
        struct fsop_handle file;
        DOES(fsop_open_handle(client, &nested, &create, &file));
        struct fsop_at file_at = fsop_at_handle(file, NULL, false);
        DOES(fsop_write(client, &file_at, 0, fsop_bytes_of("hello"), NULL));
        CHECK(look("many/nested").st_size == 5);
        DOES(fsop_close_handle(client, file));
        DOES(fsop_unlink(client, &nested, NULL, NULL));
        DOES(fsop_batch_new(client, FSOP_BATCH_PARALLEL, &batch));
        for (int i = 0; i < MANY;) {
                snprintf(name, sizeof(name), "%d", i);
                struct fsop_at below = fsop_at_handle(handle, name, false);
                struct fsop_truncate_args make = {
                        .size = sizeof(make), .length = (uint64_t)i, .create = {.create = true, .mode = 0600}};
                int r = fsop_batch_truncate(batch, &below, &make);
                i += r >= 0;
                if (r >= 0 && i < MANY)
                        continue;
                CHECK(r >= 0 || r == -FSOP_E2BIG);
                DOES(fsop_batch_run(batch));
                CHECK(fsop_batch_failed(batch) == 0);
                for (uint32_t j = 0; j < fsop_batch_count(batch); j++) {
                        const struct fsop_result *result = fsop_batch_result(batch, j);

                        if (result->error.code != 0)
                                printf("operation %u: %s: %s\n", j, fsop_error_name(result->error.code),
                                       (const char *)result->error.message.data);
                }
                DOES(fsop_batch_reset(batch));
        }
        fsop_batch_free(batch);
        const struct fsop_entry *entry;
        struct fsop_ls *ls;
        unsigned n = 0;
        int r;
        DOES(fsop_ls_open(client, &top, true, &ls));
        while ((r = fsop_ls_next(ls, &entry)) > 0) {
                unsigned long i = strtoul(entry->name.data, NULL, 10);
                CHECK(i < MANY && !seen[i] && entry->has_stat && entry->stat.size == i &&
                      entry->type == FSOP_TYPE_REGULAR);
                seen[i < MANY ? i : 0] = true;
                n++;
        }
        CHECK(r == 0 && n == MANY);
        fsop_ls_close(ls);
        DOES(fsop_close_handle(client, handle));
        struct fsop_at stale = fsop_at_handle(handle, "1", false);
        CHECK(fsop_stat(client, &stale, NULL) < 0);
        struct fsop_unlink_args all = {.size = sizeof(all), .walk.recursive = true};
        struct fsop_walk_result walk;
        DOES(fsop_unlink(client, &top, &all, &walk));
        CHECK(walk.changed == MANY + 1 && walk.failed == 0 && access("many", F_OK) < 0);
}

static void service(void) {
        struct fsop_at dot = at(".");
        const struct fsop_info_result *info;
        const struct fsop_status_result *status;
        const struct fsop_explain_result *explained;
        struct fsop_explain_args args = {.size = sizeof(args), .verb = FSOP_VERB_STAT, .at = &dot};
        DOES(fsop_ping(client));
        DOES(fsop_info(client, &dot, &info));
        CHECK(info && info->engine.len > 0 && info->n_support > 0 && info->has_filesystem && info->filesystem.len > 0);
        DOES(fsop_status(client, &status));
        CHECK(status && status->n_counters > 0);
        DOES(fsop_explain(client, &args, &explained));
        CHECK(explained && explained->reason.len > 0);
        if (geteuid() != 0) {
                CHECK(fsop_policy_reload(client, NULL) < 0);
                CHECK(fsop_last_error(client)->class_ == FSOP_CLASS_DENIED);
        }
}

/* An ordered batch that stops: what comes after the failure is not begun. */
static void ordered(void) {
        struct fsop_at paths[] = {at("o1"), at("missing/o2"), at("o3")};
        struct fsop_batch *batch;
        DOES(fsop_batch_new(client, FSOP_BATCH_ORDERED_STOP, &batch));
        for (int i = 0; i < 3; i++)
                CHECK(fsop_batch_mkdir(batch, &paths[i], NULL) == i);
        DOES(fsop_batch_run(batch));
        CHECK(fsop_batch_failed(batch) == 2);
        CHECK(fsop_batch_result(batch, 0)->error.code == 0);
        CHECK(fsop_batch_result(batch, 1)->error.code == FSOP_ENOENT && fsop_batch_result(batch, 1)->error.index == 1);
        CHECK(fsop_batch_result(batch, 2)->error.code == FSOP_ECANCELED);
        CHECK(fsop_batch_result(batch, 2)->outcome == FSOP_OUTCOME_NOT_STARTED);
        CHECK(access("o3", F_OK) < 0);
        fsop_batch_free(batch);
        DOES(fsop_rmdir(client, &paths[0]));
}

/* A batch that is cancelled answers once, and what it says of each operation is true. */
static int answers;
static void on_answer(struct fsop_batch *batch, void *userdata) {
        (void)batch;
        (void)userdata;
        answers++;
}

static void cancelled(void) {
        enum { OPS = 500 };
        struct fsop_batch *batch;
        unsigned done = 0, not_started = 0;
        char name[32];
        uint64_t id;
        DOES(fsop_batch_new(client, FSOP_BATCH_ORDERED, &batch));
        for (int i = 0; i < OPS; i++) {
                snprintf(name, sizeof(name), "c%d", i);
                struct fsop_at path = at(name);
                CHECK(fsop_batch_mkdir(batch, &path, NULL) == i);
        }
        DOES(fsop_batch_submit(batch, on_answer, NULL, &id));
        DOES(fsop_cancel(client, id));
        while (answers == 0 && fsop_wait(client, 15000) > 0 && fsop_process(client) >= 0)
                ;
        CHECK(answers == 1);
        DOES(fsop_ping(client));
        CHECK(fsop_process(client) == 0 && answers == 1);
        for (uint32_t i = 0; i < OPS; i++) {
                const struct fsop_result *result = fsop_batch_result(batch, i);
                snprintf(name, sizeof(name), "c%" PRIu32, i);
                bool exists = rmdir(name) == 0;
                CHECK(result && result->outcome != FSOP_OUTCOME_UNKNOWN);
                CHECK(result && exists == (result->outcome == FSOP_OUTCOME_DONE && result->error.code == 0));
                CHECK(result && (exists || result->error.code == FSOP_ECANCELED));
                done += exists;
                not_started += result && result->outcome == FSOP_OUTCOME_NOT_STARTED;
        }
        printf("cancelled: %u done, %u not started\n", done, not_started);
        fsop_batch_free(batch);
}

int main(int argc, char **argv) {
        struct fsop_open_failure failure = {.size = sizeof(failure)};
        struct fsop_client_options options = {.size = sizeof(options), .want_support = true, .failure = &failure};
        if (argc != 3 || chdir(argv[2]) < 0)
                return 2;
        options.socket_path = argv[1];
        if (fsop_open(&options, &client) < 0) {
                printf("%s\n", failure.message);
                return 4;
        }
        const struct fsop_server_info *info = fsop_server_info(client);
        CHECK(info->n_support > 30);
        metadata();
        names();
        attributes();
        space();
        files();
        directories();
        service();
        ordered();
        cancelled();
        struct fsop_at file = at("file");
        DOES(fsop_unlink(client, &file, NULL, NULL));
        printf("engine %s, %s: %d failure(s)\n", (const char *)info->engine.data,
               info->foreign ? "foreign" : "same paths", failures);
        fsop_close(client);
        return failures > 0;
}
