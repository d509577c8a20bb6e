/* SPDX-License-Identifier: MIT */
#include "tests/support/fake_sys.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backends/service.h"

/* ---- users and groups: builder 1000 (in staff), alice 1001, bob 1002, www-data 33, root 0; "broken" cannot be looked
 * up */

struct fake_account fake_users[] = {{"root", 0}, {"builder", 1000}, {"alice", 1001}, {"bob", 1002}, {"www-data", 33}};

static const struct fake_account fake_groups[] = {
        {"root", 0}, {"builder", 1000}, {"alice", 1001}, {"staff", 50}, {"www-data", 33}};
unsigned fake_lookups;

static int fake_find(const struct fake_account *accounts, size_t n, const char *name, uint32_t *ret_id) {
        fake_lookups++;
        if (strcmp(name, "broken") == 0)
                return -FSOP_EIO;
        for (size_t i = 0; i < n; i++)
                if (strcmp(accounts[i].name, name) == 0) {
                        *ret_id = accounts[i].id;
                        return 0;
                }
        return -FSOP_ENOENT;
}

int sys_user_by_name(const char *name, uint32_t *ret_uid, uint32_t *ret_gid) {
        int code = fake_find(fake_users, sizeof(fake_users) / sizeof(fake_users[0]), name, ret_uid);

        if (code == 0)
                *ret_gid = *ret_uid;
        return code;
}

int sys_group_by_name(const char *name, uint32_t *ret_gid) {
        return fake_find(fake_groups, sizeof(fake_groups) / sizeof(fake_groups[0]), name, ret_gid);
}

const char *fake_odd_name;

int sys_name_of_user(uint32_t uid, char *buffer, size_t buffer_bytes) {
        fake_lookups++;
        if (uid == 1003 && fake_odd_name) {
                snprintf(buffer, buffer_bytes, "%s", fake_odd_name);
                return 0;
        }
        for (size_t i = 0; i < sizeof(fake_users) / sizeof(fake_users[0]); i++)
                if (fake_users[i].id == uid) {
                        snprintf(buffer, buffer_bytes, "%s", fake_users[i].name);
                        return 0;
                }
        return -FSOP_ENOENT;
}

int sys_groups_of_user(const char *name, uint32_t gid, uint32_t **ret_groups, uint32_t *ret_n) {
        *ret_groups = calloc(2, sizeof(**ret_groups));
        *ret_n = 0;
        if (!*ret_groups)
                return -FSOP_ENOMEM;
        if (strcmp(name, "builder") == 0)
                (*ret_groups)[(*ret_n)++] = 50;
        (*ret_groups)[(*ret_n)++] = gid;
        return 0;
}

/* ---- directories: by path; the inode is the place in the table plus 1 */

struct fake_directory fake_directories[FAKE_DIRECTORIES_MAX];
unsigned fake_n_directories;
int fake_open_directories;
bool fake_ancestors_fail;

struct fake_directory *fake_directory_add(const char *path, int code) {
        struct fake_directory *directory = &fake_directories[fake_n_directories++];

        memset(directory, 0, sizeof(*directory));
        snprintf(directory->path, sizeof(directory->path), "%s", path);
        directory->code = code;
        return directory;
}

int fake_directory_find(const char *path) {
        for (unsigned i = 0; i < fake_n_directories; i++)
                if (strcmp(fake_directories[i].path, path) == 0)
                        return fake_directories[i].real[0] ? fake_directory_find(fake_directories[i].real) : (int)i;
        return -1;
}

struct object_id fake_id(const char *path) {
        return (struct object_id){7, (uint64_t)fake_directory_find(path) + 1};
}

int directory_open(const char *absolute_path, struct directory *ret_directory) {
        int i = fake_directory_find(absolute_path);

        ret_directory->fd = OS_FD_NONE;
        if (i < 0)
                return -FSOP_ENOENT;
        if (fake_directories[i].code)
                return fake_directories[i].code;
        *ret_directory = (struct directory){.fd = 1000 + i, .dev = 7, .ino = (uint64_t)i + 1, .mnt_id = 1};
        fake_open_directories++;
        return 0;
}

int directory_open_any(const char *absolute_path, struct directory *ret_directory) {
        return directory_open(absolute_path, ret_directory);
}

void directory_close(struct directory *directory) {
        if (directory->fd != OS_FD_NONE)
                fake_open_directories--;
        directory->fd = OS_FD_NONE;
}

void directory_mark(const char *absolute_path, const struct directory *directory, struct directory_mark *ret_mark) {
        const struct fake_directory *fake = &fake_directories[directory->ino - 1];

        (void)absolute_path;
        *ret_mark = (struct directory_mark){.dev = directory->dev, .ino = directory->ino, .handle_bytes = 1};
        ret_mark->handle[0] = fake->generation;
        ret_mark->strangers = fake->strangers;
}

/* By its number, whatever its path is now. */
int directory_open_marked(const struct directory *beside, const struct directory_mark *mark,
                          struct directory *ret_directory) {
        unsigned i = (unsigned)mark->ino - 1;

        (void)beside;
        if (fake_directories[i].path[0] == 0 || fake_directories[i].generation != mark->handle[0])
                return -FSOP_ESTALE;
        *ret_directory = (struct directory){.fd = 1000 + (os_fd)i, .dev = 7, .ino = mark->ino, .mnt_id = 1};
        fake_open_directories++;
        return 0;
}

int sys_ancestors(os_fd directory, struct object_id *ret_ids, uint32_t ids_max, unsigned flags) {
        char path[128];
        uint32_t n = 0;

        (void)flags;
        if (fake_ancestors_fail)
                return -FSOP_EXDEV;
        snprintf(path, sizeof(path), "%s", fake_directories[(directory - 1000) % FAKE_DIRECTORIES_MAX].path);
        for (;;) {
                char *slash = strrchr(path, '/');

                if (n < ids_max)
                        ret_ids[n++] = fake_id(path);
                if (!slash || strcmp(path, "/") == 0)
                        return (int)n;
                slash[slash == path ? 1 : 0] = '\0';
        }
}

void identity_wear_service(void) {
}

/* ---- files that steer the daemon: by path, in the order they were added */

struct fake_file fake_files[32];
unsigned fake_n_files;

struct fake_file *fake_file_add(const char *path, const char *data) {
        struct fake_file *file = &fake_files[fake_n_files++];

        memset(file, 0, sizeof(*file));
        snprintf(file->path, sizeof(file->path), "%s", path);
        file->data = data;
        return file;
}

static int fake_read(const char *path, size_t bytes_max, char **ret_data, size_t *ret_len, bool *ret_masked,
                     const char **ret_why) {
        for (unsigned i = 0; i < fake_n_files; i++) {
                const struct fake_file *file = &fake_files[i];

                if (strcmp(file->path, path) != 0)
                        continue;
                *ret_masked = file->masked;
                *ret_why = file->why;
                if (file->code)
                        return file->code;
                *ret_len = file->data ? strlen(file->data) : 0;
                if (*ret_len > bytes_max)
                        return -FSOP_EFBIG;
                *ret_data = strdup(file->data ? file->data : "");
                return *ret_data ? 0 : -FSOP_ENOMEM;
        }
        *ret_why = "no such file";
        return -FSOP_ENOENT;
}

int sys_read_trusted_file(const char *path, size_t bytes_max, char **ret_data, size_t *ret_len, bool *ret_masked,
                          const char **ret_why) {
        return fake_read(path, bytes_max, ret_data, ret_len, ret_masked, ret_why);
}

int sys_read_any_file(const char *path, size_t bytes_max, char **ret_data, size_t *ret_len) {
        const char *why;
        bool masked;

        return fake_read(path, bytes_max, ret_data, ret_len, &masked, &why);
}

int fake_list_code;

int sys_list_trusted_directory(const char *path, char ***ret_names, size_t *ret_n, const char **ret_why) {
        size_t len = strlen(path), n = 0;
        char **names;

        *ret_why = fake_list_code ? "others may write to it" : NULL;
        if (fake_list_code)
                return fake_list_code;
        names = calloc(sizeof(fake_files) / sizeof(fake_files[0]), sizeof(*names));
        for (unsigned i = 0; names && i < fake_n_files; i++) {
                if (strncmp(fake_files[i].path, path, len) != 0 || fake_files[i].path[len] != '/')
                        continue;
                names[n] = strdup(fake_files[i].path + len + 1);
                if (names[n++])
                        continue;
                while (n > 0)
                        free(names[--n]);
                free(names);
                names = NULL;
        }
        *ret_names = names;
        *ret_n = n;
        if (n > 0 || !names)
                return names ? 0 : -FSOP_ENOMEM;
        free(names);
        return -FSOP_ENOENT;
}

/* ---- files that are written: one, in memory */

char fake_written[1 << 20];
size_t fake_written_len;
int fake_write_code, fake_append_code;
unsigned fake_writes, fake_appends_open, fake_appends;

int sys_open_append(const char *path, os_fd *ret_fd) {
        (void)path;
        if (fake_append_code)
                return fake_append_code;
        fake_appends++;
        fake_appends_open++;
        *ret_fd = 5000 + (os_fd)fake_appends;
        return 0;
}

int sys_write_all(os_fd fd, const void *data, size_t len) {
        (void)fd;
        fake_writes++;
        if (fake_write_code)
                return fake_write_code;
        if (len > sizeof(fake_written) - 1 - fake_written_len)
                return -FSOP_ENOSPC;
        memcpy(fake_written + fake_written_len, data, len);
        fake_written_len += len;
        fake_written[fake_written_len] = '\0';
        return 0;
}

/* Descriptors of clients and of what was opened for them: numbers that are never used again, each to be closed once. */
#define FAKE_FDS_FROM 9000

static bool fake_fd_is_open[FAKE_FDS_MAX];
unsigned fake_n_fds;
int fake_fds_open;

os_fd fake_fd_open(const char *directory) {
        int i = directory ? fake_directory_find(directory) : 63;

        if (i < 0 || fake_n_fds == FAKE_FDS_MAX)
                abort();
        fake_fd_is_open[fake_n_fds] = true;
        fake_fds_open++;
        return FAKE_FDS_FROM + 64 * (os_fd)fake_n_fds++ + i; /* sys_ancestors finds the directory in it */
}

void sys_close(os_fd fd) {
        if (fd >= FAKE_FDS_FROM) {
                bool *open = &fake_fd_is_open[(fd - FAKE_FDS_FROM) / 64];

                if (!*open)
                        abort(); /* a second time, it would be somebody else's */
                *open = false;
                fake_fds_open--;
        } else if (fd > 5000) {
                fake_appends_open--;
        }
}

/* ---- time, and the service */

uint64_t fake_now_ms = 1000;
struct fsop_time fake_realtime = {1700000000, 5};

uint64_t sys_monotonic_ms(void) {
        return fake_now_ms;
}

uint64_t sys_thread_waits(void) {
        return 0;
}

uint64_t sys_thread_cpu_ns(void) {
        return fake_now_ms * 1000000u;
}

uint64_t sys_monotonic_ns(void) {
        return fake_now_ms * 1000000u;
}

void sys_sleep_ms(uint32_t ms) {
        fake_now_ms += ms;
}

struct fsop_time sys_realtime(void) {
        return fake_realtime;
}

bool fake_journal;

bool service_logs_to_journal(void) {
        return fake_journal;
}

char *service_default_socket(bool private_service) {
        return strdup(private_service ? "/run/user/1000/fsopd/fsopd.sock" : "/run/fsopd/fsopd.sock");
}

char *service_default_state_dir(bool private_service) {
        return strdup(private_service ? "/home/alice/.local/state/fsopd" : "/var/lib/fsopd");
}

void fake_reset(void) {
        fake_n_directories = fake_n_files = fake_writes = fake_lookups = fake_appends = fake_n_fds = 0;
        fake_fds_open = 0;
        fake_written_len = 0;
        fake_written[0] = 0;
        fake_write_code = fake_append_code = fake_list_code = 0;
        fake_now_ms = 1000;
        fake_realtime = (struct fsop_time){1700000000, 5};
        fake_journal = fake_ancestors_fail = false;
        fake_odd_name = NULL;
}
