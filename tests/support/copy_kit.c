/* SPDX-License-Identifier: MIT */
#include "tests/support/copy_kit.h"

#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

struct first_link {
        struct first_link *next;
        struct object_id id;
        char path[300];
};

/* ---- putting one together ---------------------------------------------------------------------------------------- */

struct copy_job *copy_job_new(const char *from, const char *to) {
        struct copy_job *job = calloc(1, sizeof(*job));
        const char *slash = strrchr(to, '/');
        char parent[300];

        ck_assert_ptr_nonnull(job);
        snprintf(parent, sizeof(parent), "%.*s", slash != NULL ? (int)(slash - to) : 0, to);
        snprintf(job->leaf, sizeof(job->leaf), "%s", slash != NULL ? slash + 1 : to);
        job->options = (struct copy_options){.recursive = true, .preserve = FSOP_PRESERVE_ALL, .umask = 022};
        job->from = job->to =
                (struct place){.base = OS_FD_NONE, .parent = OS_FD_NONE, .object = OS_FD_NONE, .fs = FS_LOCAL};
        job->from.object = open(scene_path(from), O_PATH | O_NOFOLLOW | O_CLOEXEC);
        ck_assert_int_ge(job->from.object, 0);
        job->to.parent = open(scene_path(parent), O_PATH | O_DIRECTORY | O_CLOEXEC);
        ck_assert_int_ge(job->to.parent, 0);
        job->to.leaf = job->leaf;
        job->tree.options = &job->options;
        snprintf(job->tree.temporary, sizeof(job->tree.temporary), ".fsop-7-0123456789abcdef");
        copy_job_as(job, identity_of_service(true));
        return job;
}

void copy_job_as(struct copy_job *job, struct identity *identity) {
        job->tree.reader = job->tree.writer = job->tree.keeper = identity;
}

void copy_job_elevate(struct copy_job *job, struct identity *writer) {
        job->tree.reader = job->tree.keeper = identity_of_service(scene.guard.set_id);
        job->tree.writer = writer != NULL ? writer : job->tree.keeper;
        job->tree.from_guard = job->tree.to_guard = &scene.guard;
        job->from.guard = job->to.guard = &scene.guard;
        job->from.base = job->to.base = scene.root.fd;
}

int copy_job_open(struct copy_job *job) {
        struct sys_op op = {.opened = OS_FD_NONE, .at = job->from, .to = job->to};

        return copy_open(&job->tree, &op, &job->error);
}

void copy_job_free(struct copy_job *job) {
        while (job->links != NULL) {
                struct first_link *next = job->links->next;

                free(job->links);
                job->links = next;
        }
        copy_close(&job->tree);
        close((int)job->from.object);
        close((int)job->to.parent);
        identity_wear_service();
        free(job);
}

int copy_job_failure(const struct copy_job *job, const char *path) {
        for (uint32_t i = 0; i < job->n_failures; i++)
                if (strcmp(job->failures[i].path, path) == 0)
                        return job->failures[i].error.code;
        return 0;
}

/* ---- doing it ---------------------------------------------------------------------------------------------------- */

/* Tests let allocations fail meanwhile, but not these, nor those of an assertion. */

static void note(struct copy_job *job, struct copy_dir *dir, const char *name, const struct copy_error *error) {
        const char *above = copy_dir_path(dir);

        if (job->n_failures == COPY_FAILURES_MAX)
                return;
        snprintf(job->failures[job->n_failures].path, sizeof(job->failures[0].path), "%s%s%s", above,
                 above[0] ? "/" : "", name);
        job->failures[job->n_failures++].error = *error;
}

static void copy_large(struct copy_job *job, struct copy_dir *dir, struct copy_file *file) {
        struct copy_part *part;
        int64_t n = 0;

        job->large++;
        copy_part_begin(&job->tree, dir, file, NULL, &part);
        while (part != NULL && (n = copy_part_step(part, 3 << 20, &file->error)) > 0)
                ;
        if (n < 0) {
                copy_part_free(part, false, NULL);
                file->outcome = COPY_FAILED;
        } else if (part != NULL) {
                copy_part_finish(part, file);
        }
}

static void copy_linked(struct copy_job *job, struct copy_dir *dir, struct copy_file *file) {
        struct first_link *link = job->links;
        const char *above = copy_dir_path(dir);

        while (link != NULL && (link->id.ino != file->source_id.ino || link->id.dev != file->source_id.dev))
                link = link->next;
        job->linked++;
        if (link != NULL) {
                copy_link(&job->tree, link->path, dir, file);
                return;
        }
        link = aligned_alloc(64, (sizeof(*link) + 63) / 64 * 64);
        if (link == NULL)
                abort();
        link->id = file->source_id;
        snprintf(link->path, sizeof(link->path), "%s%s%s", above, above[0] ? "/" : "", file->name);
        link->next = job->links;
        job->links = link;
        file->first_link = true;
        copy_files(&job->tree, dir, file, 1);
        if (file->outcome == COPY_LARGE)
                copy_large(job, dir, file);
        if (file->needs_publish)
                copy_publish(&job->tree, dir, file, 1);
}

static void copy_some(struct copy_job *job, struct copy_dir *dir, struct copy_file *files, uint32_t n) {
        if (job->before != NULL)
                job->before(job, dir);
        copy_files(&job->tree, dir, files, n);
        for (uint32_t i = 0; i < n; i++) {
                if (files[i].outcome == COPY_PENDING) /* what came before it was enough for one call */
                        copy_files(&job->tree, dir, &files[i], 1);
                if (files[i].outcome == COPY_LARGE)
                        copy_large(job, dir, &files[i]);
                else if (files[i].outcome == COPY_LINKED)
                        copy_linked(job, dir, &files[i]);
        }
        if (job->between != NULL)
                job->between(job, dir);
        copy_publish(&job->tree, dir, files, n);
        for (uint32_t i = 0; i < n; i++) {
                job->copied += files[i].outcome == COPY_COPIED;
                job->skipped += files[i].outcome == COPY_SKIPPED;
                job->bytes += files[i].bytes;
                job->cloned_bytes += files[i].cloned_bytes;
                if (files[i].outcome == COPY_FAILED)
                        note(job, dir, files[i].name, &files[i].error);
        }
}

static void copy_directory(struct copy_job *job, struct copy_dir *dir) {
        struct copy_names *names = aligned_alloc(64, (sizeof(*names) + 63) / 64 * 64);
        struct copy_file files[COPY_NAMES_MAX];
        struct copy_error error;

        if (names == NULL)
                abort();
        do {
                uint32_t n = 0, step = job->batch != 0 ? job->batch : COPY_NAMES_MAX;

                if (copy_list(&job->tree, dir, names, &error) < 0) {
                        note(job, dir, "", &error);
                        break;
                }
                for (uint32_t i = 0; i < names->n; i++) {
                        const char *name = names->texts + names->names[i].at;
                        struct copy_dir *sub;

                        if (names->names[i].type != FSOP_TYPE_DIRECTORY) {
                                files[n++] = (struct copy_file){.name = name, .type = names->names[i].type};
                        } else if (copy_enter(&job->tree, dir, name, &sub, &error) < 0) {
                                if (error.code != -FSOP_EXDEV || error.why != NULL)
                                        note(job, dir, name, &error);
                        } else {
                                copy_directory(job, sub);
                                copy_dir_free(sub);
                        }
                }
                for (uint32_t i = 0; i < n; i += step)
                        copy_some(job, dir, files + i, n - i < step ? n - i : step);
        } while (!names->end);
        if (copy_finish_dir(&job->tree, dir, &error) < 0)
                note(job, dir, "", &error);
        free(names);
}

int copy_job_fill(struct copy_job *job) {
        struct copy_dir *top;
        int r = copy_top(&job->tree, &top, &job->error);

        if (r < 0)
                return r;
        if (S_ISDIR(job->tree.source_stat.mode)) {
                copy_directory(job, top);
        } else {
                struct copy_file file = {.name = job->leaf, .first_link = true};

                copy_some(job, top, &file, 1);
        }
        copy_dir_free(top);
        if (job->tree.fresh)
                r = copy_publish_top(&job->tree, false, &job->error);
        return r;
}

int copy_job_run(struct copy_job *job) {
        int r = copy_job_open(job);

        return r < 0 ? r : copy_job_fill(job);
}

/* ---- comparing --------------------------------------------------------------------------------------------------- */

static void same_contents(const char *from, const char *to) {
        int a = open(from, O_RDONLY | O_CLOEXEC), b = open(to, O_RDONLY | O_CLOEXEC);
        static char left[65536], right[65536];
        ssize_t n, m;

        ck_assert_int_ge(a, 0);
        ck_assert_int_ge(b, 0);
        do {
                n = read(a, left, sizeof(left));
                m = read(b, right, sizeof(right));
                ck_assert_msg(n == m && n >= 0 && memcmp(left, right, (size_t)n) == 0, "%s and %s differ", from, to);
        } while (n > 0);
        close(a);
        close(b);
}

static int compare_names(const void *a, const void *b) {
        return strcmp(*(char *const *)a, *(char *const *)b);
}

static unsigned xattr_names(const char *path, char *buffer, size_t bytes, char **names, unsigned max) {
        ssize_t len = llistxattr(path, buffer, bytes);
        unsigned n = 0;

        for (char *name = buffer; len > 0 && name < buffer + len && n < max; name += strlen(name) + 1)
                names[n++] = name;
        qsort(names, n, sizeof(*names), compare_names);
        return n;
}

static void same_xattrs(const char *from, const char *to) {
        char left[4096], right[4096], *names[64], *others[64], value[4096], other[4096];
        unsigned n = xattr_names(from, left, sizeof(left), names, 64),
                 m = xattr_names(to, right, sizeof(right), others, 64);

        ck_assert_msg(n == m, "%s has %u attributes, %s %u", from, n, to, m);
        for (unsigned i = 0; i < n; i++) {
                ssize_t a = lgetxattr(from, names[i], value, sizeof(value)),
                        b = lgetxattr(to, names[i], other, sizeof(other));

                ck_assert_str_eq(names[i], others[i]);
                ck_assert_msg(a == b && memcmp(value, other, (size_t)a) == 0, "%s: %s differs", to, names[i]);
        }
}

static void same_object_data(const char *from, const char *to, const struct stat *a, const struct stat *b) {
        char left[4097] = {0}, right[4097] = {0};

        ck_assert_msg(a->st_mode == b->st_mode, "%s: mode %o, not %o", to, b->st_mode, a->st_mode);
        ck_assert_msg(a->st_uid == b->st_uid && a->st_gid == b->st_gid, "%s: owner", to);
        ck_assert_msg(a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec, "%s: mtime",
                      to);
        if (!S_ISDIR(a->st_mode))
                ck_assert_msg(a->st_nlink == b->st_nlink, "%s: %u links, not %u", to, (unsigned)b->st_nlink,
                              (unsigned)a->st_nlink);
        ck_assert_msg(a->st_rdev == b->st_rdev, "%s: device", to);
        if (S_ISREG(a->st_mode)) {
                ck_assert_int_eq(a->st_size, b->st_size);
                same_contents(from, to);
                if (a->st_blocks < a->st_size / 512)
                        ck_assert_msg(b->st_blocks <= a->st_blocks + 64,
                                      "%s: its holes were filled: %ld blocks, not %ld", to, (long)b->st_blocks,
                                      (long)a->st_blocks);
        } else if (S_ISLNK(a->st_mode)) {
                ck_assert_int_ge(readlink(from, left, sizeof(left) - 1), 0);
                ck_assert_int_ge(readlink(to, right, sizeof(right) - 1), 0);
                ck_assert_str_eq(left, right);
        }
        same_xattrs(from, to);
}

static unsigned entries(const char *path, char **ret_names, unsigned max) {
        DIR *dir = opendir(path);
        struct dirent *entry;
        unsigned n = 0;

        ck_assert_ptr_nonnull(dir);
        while ((entry = readdir(dir)) != NULL && n < max)
                if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
                        ret_names[n++] = strdup(entry->d_name);
        closedir(dir);
        qsort(ret_names, n, sizeof(*ret_names), compare_names);
        return n;
}

static void same(const char *from, const char *to) {
        char *names[512], *others[512], *left, *right;
        struct stat a, b;
        unsigned n, m;

        ck_assert_msg(lstat(from, &a) == 0, "%s: %s", from, strerror(errno));
        ck_assert_msg(lstat(to, &b) == 0, "%s: %s", to, strerror(errno));
        same_object_data(from, to, &a, &b);
        if (!S_ISDIR(a.st_mode))
                return;
        n = entries(from, names, 512);
        m = entries(to, others, 512);
        ck_assert_msg(n == m, "%s has %u entries, %s %u", from, n, to, m);
        for (unsigned i = 0; i < n; i++) {
                ck_assert_str_eq(names[i], others[i]);
                ck_assert_int_ge(asprintf(&left, "%s/%s", from, names[i]), 0);
                ck_assert_int_ge(asprintf(&right, "%s/%s", to, names[i]), 0);
                same(left, right);
                free(left);
                free(right);
                free(names[i]);
                free(others[i]);
        }
}

void copy_expect_same(const char *from, const char *to) {
        same(scene_path(from), scene_path(to));
}

static unsigned count_temporaries(const char *path) {
        DIR *dir = opendir(path);
        struct dirent *entry;
        unsigned n = 0;
        char *below;

        while (dir != NULL && (entry = readdir(dir)) != NULL) {
                n += strncmp(entry->d_name, ".fsop-", 6) == 0;
                if (entry->d_type != DT_DIR || strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
                        continue;
                ck_assert_int_ge(asprintf(&below, "%s/%s", path, entry->d_name), 0);
                n += count_temporaries(below);
                free(below);
        }
        if (dir != NULL)
                closedir(dir);
        return n;
}

unsigned copy_count_temporaries(const char *path) {
        return count_temporaries(scene_path(path));
}

/* ---- what is copied ---------------------------------------------------------------------------------------------- */

static void make_long_name(void) {
        char name[270] = "tree/src/d/";

        memset(name + 11, 'n', 255);
        scene_file(name, 0, 0600, "long");
}

void copy_build_source(void) {
        char name[64];

        scene_mkdir("tree/src", 0, 0755);
        scene_mkdir("tree/src/d", NOBODY, 0750);
        scene_mkdir("tree/src/d/e", SOMEBODY, 0700);
        scene_mkdir("tree/src/empty", 0, 0711);
        scene_mkdir("tree/src/locked", NOBODY, 0755);
        scene_mkdir("tree/src/many", 0, 0755);
        scene_file("tree/src/f", NOBODY, 0644, "some text");
        scene_file("tree/src/nothing", SOMEBODY, 0000, "");
        scene_file("tree/src/secret", 0, 0, "for nobody");
        scene_file("tree/src/locked/g", NOBODY, 0444, "read me");
        scene_file("tree/src/d/new\nline \xff\x01", 0, 0600, "named");
        scene_file("tree/src/setuid", NOBODY, 04755, "#!");
        scene_file("tree/src/setgid", SOMEBODY, 02755, "#!");
        scene_file("tree/src/acl", 0, 0640, "listed");
        make_long_name();
        for (unsigned i = 0; i < 300; i++) {
                snprintf(name, sizeof(name), "tree/src/many/%04u-of-the-many", i);
                scene_file(name, i % 3 == 0 ? NOBODY : 0, 0644, name);
        }
        scene_symlink("f", "tree/src/link");
        scene_symlink("/nowhere/at all", "tree/src/d/dangling");
        scene_chown("tree/src/d/dangling", NOBODY, SOMEBODY);
        ck_assert_int_eq(link(scene_path("tree/src/f"), scene_path("tree/src/d/hard")), 0);
        ck_assert_int_eq(link(scene_path("tree/src/f"), scene_path("tree/src/empty/hard")), 0);
        ck_assert_int_eq(unlink(scene_path("tree/src/empty/hard")), 0);
        scene_mknod("tree/src/fifo", S_IFIFO | 0620, 0);
        scene_mknod("tree/src/socket", S_IFSOCK | 0600, 0);
        scene_mknod("tree/src/char", S_IFCHR | 0600, makedev(1, 3));
        scene_mknod("tree/src/block", S_IFBLK | 0600, makedev(240, 70000));
        scene_chown("tree/src/char", NOBODY, SOMEBODY);
        scene_fill("tree/src/mid", 0, 300001);
        scene_fill("tree/src/holes", 1 << 20, 10000);
        scene_fill("tree/src/holes", 9 << 20, 5);
        ck_assert_int_eq(truncate(scene_path("tree/src/holes"), 20 << 20), 0);
        ck_assert_int_eq(close(creat(scene_path("tree/src/hole"), 0600)), 0);
        ck_assert_int_eq(truncate(scene_path("tree/src/hole"), 12345678), 0);
        scene_fill("tree/src/large", 0, (6 << 20) + 77);
        scene_xattr("tree/src/f", "user.colour", "red");
        scene_xattr("tree/src/f", "user.empty", "");
        scene_xattr("tree/src/link", "trusted.mark", "on a link");
        scene_xattr("tree/src/d", "user.on", "a directory");
        scene_acl("tree/src/acl", ACL_ACCESS, SOMEBODY, 6, 7);
        scene_acl("tree/src/d/e", ACL_DEFAULT, SOMEBODY, 7, 7);
        scene_acl("tree/src/d/e", ACL_ACCESS, SOMEBODY, 5, 5);
        scene_times("tree/src/f", 1234567890, 123456789);
        scene_times("tree/src/nothing", -86400 * 400, 999999999);
        scene_times("tree/src/link", 1000, 1);
        scene_times("tree/src/fifo", 2000, 2);
        scene_times("tree/src/d/e", 3000, 3);
        scene_chmod("tree/src/d", 03750);
        scene_chmod("tree/src/locked", 0555);
        scene_times("tree/src/d", 4000, 4);
        scene_times("tree/src", 5000, 5);
}

void copy_expect_clean(const struct copy_job *job) {
        for (uint32_t i = 0; i < job->n_failures; i++)
                printf("%s: %d, errno %d, %s\n", job->failures[i].path, job->failures[i].error.code,
                       job->failures[i].error.os_error, job->failures[i].error.why ? job->failures[i].error.why : "");
        fflush(stdout);
        ck_assert_uint_eq(job->n_failures, 0);
        ck_assert_uint_eq(copy_count_temporaries("tree"), 0);
}

/* ---- with a rule's rights ---------------------------------------------------------------------------------------- */

struct copy_rule copy_rule;

static bool is_it(struct bytes path) {
        return copy_rule.of_path == NULL ||
               (strlen(copy_rule.of_path) == path.len && memcmp(copy_rule.of_path, path.data, path.len) == 0);
}

static const char *may_owner(void *context, struct bytes path, uint32_t uid, uint32_t gid) {
        (void)context, (void)uid, (void)gid;
        copy_rule.asked_owner++;
        return is_it(path) ? copy_rule.no_owner : NULL;
}

static const char *may_xattr(void *context, struct bytes path, const char *name) {
        (void)context;
        copy_rule.asked_xattr++;
        return strcmp(name, "security.capability") == 0 || is_it(path) ? copy_rule.no_xattr : NULL;
}

static const char *may_node(void *context, struct bytes path, enum fsop_file_type type, uint32_t major,
                            uint32_t minor) {
        (void)context, (void)type, (void)major, (void)minor;
        copy_rule.asked_node++;
        return is_it(path) ? copy_rule.no_node : NULL;
}

static const struct copy_permits permits = {.owner = may_owner, .xattr = may_xattr, .node = may_node};

struct copy_job *copy_job_elevated(void) {
        struct copy_job *job = copy_job_new("tree/src", "tree/dst");

        copy_job_elevate(job, NULL);
        job->tree.permits = &permits;
        copy_rule = (struct copy_rule){0};
        return job;
}
