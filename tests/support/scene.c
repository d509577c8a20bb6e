/* SPDX-License-Identifier: MIT */
#include "tests/support/scene.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "backends/linux/sys_linux.h"

struct scene scene;

static char mount_point[128], image[160];
static struct object_id excluded_id;
static os_fd excluded_fd = OS_FD_NONE;
static pid_t runner;
static char prefix[64] = "/tmp/fsop-scene."; /* of this run's scenes alone */

/* What tests that failed half-way have left mounted and lying about. */
static void clean_up(void) {
        char line[1024], path[512], command[256];
        FILE *mounts;

        if (getpid() != runner)
                return;
        mounts = fopen("/proc/self/mounts", "re");
        while (mounts != NULL && fgets(line, sizeof(line), mounts) != NULL)
                if (sscanf(line, "%*s %511s", path) == 1 && strncmp(path, prefix, strlen(prefix)) == 0)
                        umount2(path, MNT_DETACH);
        if (mounts != NULL)
                fclose(mounts);
        snprintf(command, sizeof(command), "rm -rf --one-file-system %s* /run%s*", prefix, prefix + strlen("/tmp"));
        if (system(command) != 0)
                printf("%s could not be removed\n", prefix);
}

void scene_need_root(void) {
        if (geteuid() != 0) {
                puts("SKIP: root is needed, to be other users");
                exit(77);
        }
        runner = getpid();
        snprintf(prefix, sizeof(prefix), "/tmp/fsop-scene.%d.", (int)runner);
        atexit(clean_up);
}

void scene_skip(const char *why) {
        printf("SKIP: %s\n", why);
        fflush(stdout);
}

static void quiet(int level, const char *message) {
        (void)level;
        (void)message;
}

static struct identity *person(uint32_t uid) {
        struct peer peer = {.uid = uid, .gid = uid, .pidfd = OS_FD_NONE};
        struct identity *identity;

        ck_assert_int_eq(identity_of_peer(&peer, &identity), 0);
        return identity;
}

static void furnish(void) {
        struct sys_config config = {.log = quiet};
        bool own_root;

        ck_assert_int_eq(chmod(scene.path, 0755), 0);
        ck_assert_int_eq(sys_start(&config, &own_root), 0);
        scene.fd = open(scene.path, O_PATH | O_DIRECTORY | O_CLOEXEC);
        scene.nobody = person(NOBODY);
        scene.somebody = person(SOMEBODY);
        scene_mkdir("tree", 0, 0755);
        scene_mkdir("outside", 0, 0755);
        ck_assert_int_eq(directory_open(scene_path("tree"), &scene.root), 0);
        scene.guard = (struct guard){.root = &scene.root, .caller_uid = NOBODY, .create_uid = NOBODY};
}

void scene_open(void) {
        snprintf(scene.path, sizeof(scene.path), "%sXXXXXX", prefix);
        ck_assert_ptr_nonnull(mkdtemp(scene.path));
        furnish();
}

void scene_open_trusted(void) {
        snprintf(scene.path, sizeof(scene.path), "/run%sXXXXXX", prefix + strlen("/tmp"));
        ck_assert_ptr_nonnull(mkdtemp(scene.path));
        furnish();
}

bool scene_open_on(const char *fs) {
        char command[1024];

        snprintf(mount_point, sizeof(mount_point), "%sXXXXXX", prefix);
        ck_assert_ptr_nonnull(mkdtemp(mount_point));
        snprintf(image, sizeof(image), "%s.img", mount_point);
        snprintf(command, sizeof(command),
                 "truncate -s 512M %s && mkfs.%s %s %s >/dev/null 2>&1 && mount -o loop %s %s", image, fs,
                 strcmp(fs, "ext4") == 0 ? "-q -F" : "-f", image, image, mount_point);
        if (system(command) != 0) {
                snprintf(command, sizeof(command), "no %s could be made and mounted here", fs);
                scene_skip(command);
                unlink(image);
                rmdir(mount_point);
                mount_point[0] = 0;
                return false;
        }
        snprintf(scene.path, sizeof(scene.path), "%s/scene", mount_point);
        ck_assert_int_eq(mkdir(scene.path, 0755), 0);
        furnish();
        return true;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *where) {
        (void)st;
        (void)type;
        (void)where;
        return remove(path);
}

void scene_remove(const char *name) {
        ck_assert_int_eq(nftw(scene_path(name), remove_one, 32, FTW_DEPTH | FTW_PHYS | FTW_MOUNT), 0);
}

static void drop_paths(void);

void scene_close(void) {
        drop_paths();
        identity_wear_service();
        directory_close(&scene.root);
        sys_close(excluded_fd);
        excluded_fd = OS_FD_NONE;
        close(scene.fd);
        scene.nobody = identity_unref(scene.nobody);
        scene.somebody = identity_unref(scene.somebody);
        sys_stop();
        ck_assert_int_eq(nftw(scene.path, remove_one, 32, FTW_DEPTH | FTW_PHYS | FTW_MOUNT), 0);
        if (mount_point[0] != 0) {
                ck_assert_int_eq(umount2(mount_point, MNT_DETACH), 0);
                rmdir(mount_point);
                unlink(image);
                mount_point[0] = 0;
        }
}

const char *scene_path(const char *name) {
        static _Thread_local char buffers[8][512];
        static _Thread_local unsigned next;
        char *buffer = buffers[next++ % 8];

        snprintf(buffer, sizeof(buffers[0]), "%s/%s", scene.path, name);
        return buffer;
}

void scene_chmod(const char *name, mode_t mode) {
        ck_assert_int_eq(identity_wear(identity_of_service(true)), 0); /* or set-gid would not stay */
        ck_assert_int_eq(chmod(scene_path(name), mode), 0);
        identity_wear_service();
}

void scene_mkdir(const char *name, uint32_t uid, uint32_t mode) {
        const char *path = scene_path(name);

        ck_assert_msg(mkdir(path, 0700) == 0, "mkdir %s: %s", path, strerror(errno));
        ck_assert_int_eq(chown(path, uid, uid), 0);
        scene_chmod(name, mode);
}

void scene_file(const char *name, uint32_t uid, uint32_t mode, const char *text) {
        const char *path = scene_path(name);
        int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

        ck_assert_msg(fd >= 0, "create %s: %s", path, strerror(errno));
        ck_assert_int_eq(write(fd, text, strlen(text)), (int)strlen(text));
        ck_assert_int_eq(fchown(fd, uid, uid), 0);
        ck_assert_int_eq(identity_wear(identity_of_service(true)), 0);
        ck_assert_int_eq(fchmod(fd, mode), 0);
        identity_wear_service();
        close(fd);
}

void scene_symlink(const char *text, const char *name) {
        ck_assert_int_eq(symlink(text, scene_path(name)), 0);
}

void scene_times(const char *name, int64_t sec, long nsec) {
        struct timespec times[2] = {{sec + 5, nsec}, {sec, nsec}};

        ck_assert_int_eq(utimensat(AT_FDCWD, scene_path(name), times, AT_SYMLINK_NOFOLLOW), 0);
}

void scene_fill(const char *name, uint64_t offset, size_t bytes) {
        int fd = open(scene_path(name), O_WRONLY | O_CREAT | O_CLOEXEC, 0640);
        uint64_t words[512];

        ck_assert_int_ge(fd, 0);
        for (size_t done = 0; done < bytes; done += sizeof(words)) {
                size_t n = bytes - done < sizeof(words) ? bytes - done : sizeof(words);

                for (size_t i = 0; i < 512; i++)
                        words[i] = (offset + done + i * 8) * UINT64_C(0x9e3779b97f4a7c15) + bytes;
                ck_assert_int_eq(pwrite(fd, words, n, (off_t)(offset + done)), (ssize_t)n);
        }
        close(fd);
}

void scene_mknod(const char *name, mode_t mode, dev_t device) {
        ck_assert_msg(mknod(scene_path(name), mode, device) == 0, "%s: %s", name, strerror(errno));
}

void scene_chown(const char *name, uint32_t uid, uint32_t gid) {
        ck_assert_int_eq(lchown(scene_path(name), uid, gid), 0);
}

void scene_xattr(const char *name, const char *attribute, const char *value) {
        ck_assert_msg(lsetxattr(scene_path(name), attribute, value, strlen(value), 0) == 0, "%s %s: %s", name,
                      attribute, strerror(errno));
}

struct acl {
        uint32_t version;
        struct {
                uint16_t tag, perm;
                uint32_t id;
        } entries[5];
};

/* USER may do PERM, the owner all, the group MASK at most. */
static struct acl acl_for(uint32_t user, uint16_t perm, uint16_t mask) {
        return (struct acl){2,
                            {{0x01, 7, UINT32_MAX},
                             {0x02, perm, user},
                             {0x04, 4, UINT32_MAX},
                             {0x10, mask, UINT32_MAX},
                             {0x20, 0, UINT32_MAX}}};
}

void scene_acl(const char *name, const char *kind, uint32_t user, uint16_t perm, uint16_t mask) {
        struct acl acl = acl_for(user, perm, mask);

        ck_assert_msg(setxattr(scene_path(name), kind, &acl, sizeof(acl), 0) == 0, "%s: %s", name, strerror(errno));
}

void scene_furnish(void) {
        char longest[300];

        scene_file("tree/file", 0, 0644, "x");
        scene_file("tree/private", 0, 0600, "x");
        scene_mkdir("tree/open", NOBODY, 0755);
        scene_file("tree/open/file", NOBODY, 0644, "x");
        scene_mkdir("tree/closed", 0, 0700);
        scene_file("tree/closed/file", 0, 0644, "x");
        scene_mkdir("tree/unread", 0, 0711);
        scene_file("tree/unread/x", 0, 0644, "x");
        scene_mkdir("tree/sticky", 0, 01777);
        scene_file("tree/sticky/theirs", SOMEBODY, 0666, "x");
        scene_mkdir("tree/deep", 0, 0755);
        scene_mkdir("tree/deep/a", 0, 0755);
        scene_mkdir("tree/deep/a/b", NOBODY, 0755);
        scene_file("tree/deep/a/b/c", NOBODY, 0600, "x");
        scene_symlink("open", "tree/link");
        scene_symlink("none", "tree/broken");
        scene_symlink("loop", "tree/loop");
        scene_symlink(scene_path("tree/open"), "tree/abs");
        scene_symlink("open/file", "tree/flink");
        scene_symlink("link", "tree/chain");
        scene_symlink("../outside", "tree/out");
        memset(longest, 'n', 255);
        longest[255] = 0;
        ck_assert_int_eq(mkdir(scene_path("tree/long"), 0777), 0);
        ck_assert_int_eq(chmod(scene_path("tree/long"), 0777), 0);
}

os_fd scene_exclude(const char *name) {
        struct fsop_stat stat = scene_stat(name);

        sys_close(excluded_fd);
        excluded_id = (struct object_id){stat_dev(&stat), stat.ino};
        excluded_fd = open(scene_path(name), O_PATH | O_NOFOLLOW | O_CLOEXEC);
        ck_assert_int_ge(excluded_fd, 0);
        scene.guard.excluded = &excluded_id;
        scene.guard.excluded_fds = &excluded_fd;
        scene.guard.n_excluded = 1;
        return excluded_fd;
}

struct object_id scene_kept_id;
int scene_outdated;

void scene_keep_name(const char *name) {
        static char path[512];
        static const char *const named[] = {path};
        struct fsop_stat stat = {0};

        if (scene_exists(name))
                stat = scene_stat(name);
        snprintf(path, sizeof(path), "%s", scene_path(name));
        scene_kept_id = (struct object_id){stat.ino != 0 ? stat_dev(&stat) : 0, stat.ino};
        scene_outdated = 0;
        scene.guard.named = named;
        scene.guard.named_ids = &scene_kept_id;
        scene.guard.n_named = scene.guard.n_reserved = 1;
        scene.guard.outdated = &scene_outdated;
}

struct fsop_stat scene_stat(const char *name) {
        struct fsop_stat stat;
        int r = lookup_stat(AT_FDCWD, scene_path(name), true, &stat);

        ck_assert_msg(r == 0, "stat %s: %s", name, strerror(-r));
        return stat;
}

bool scene_exists(const char *name) {
        struct fsop_stat stat;

        return lookup_stat(AT_FDCWD, scene_path(name), true, &stat) == 0;
}

void scene_expect_text(const char *name, const char *text) {
        char buffer[100] = {0};
        int fd = open(scene_path(name), O_RDONLY | O_CLOEXEC);

        ck_assert_int_ge(fd, 0);
        ck_assert_int_ge(read(fd, buffer, sizeof(buffer) - 1), 0);
        close(fd);
        ck_assert_str_eq(buffer, text);
}

/* ---- requests ---------------------------------------------------------------------------------------------------- */

/* Paths live as long as the scene: scene_path's do not last, and parent caches remember them beyond their requests. */
struct kept_path {
        struct kept_path *next;
        char text[];
};
static struct kept_path *kept_paths;

static struct bytes keep_path(const char *path) {
        size_t len = strlen(path);
        struct kept_path *kept = malloc(sizeof(*kept) + len + 1);

        ck_assert_ptr_nonnull(kept);
        memcpy(kept->text, path, len + 1);
        kept->next = kept_paths;
        kept_paths = kept;
        return (struct bytes){(const uint8_t *)kept->text, len};
}

static void drop_paths(void) {
        while (kept_paths != NULL) {
                struct kept_path *next = kept_paths->next;

                free(kept_paths);
                kept_paths = next;
        }
}

struct request *request_new(enum fsop_verb verb, const char *path) {
        struct request *request = calloc(1, sizeof(*request));

        ck_assert_ptr_nonnull(request);
        request->op.verb = verb;
        request->sys.op = &request->op;
        request->sys.result = &request->result;
        request->sys.out = (uint8_t *)request->out;
        request->sys.out_bytes = sizeof(request->out);
        request->sys.opened = OS_FD_NONE;
        request->sys.at.base = request->sys.to.base = OS_FD_NONE;
        request->sys.at.path = keep_path(path);
        request_as(request, scene.nobody);
        return request;
}

void request_to(struct request *request, const char *path) {
        request->sys.to.path = keep_path(path);
}

void request_as(struct request *request, struct identity *identity) {
        request->sys.identity = request->sys.at.identity = request->sys.to.identity = identity;
}

void request_elevate(struct request *request, struct identity *create_as) {
        request_as(request, identity_of_service(scene.guard.set_id));
        if (create_as != NULL)
                request->sys.identity = create_as;
        request->sys.at.guard = request->sys.to.guard = &scene.guard;
}

void request_base(struct place *place, os_fd base) {
        place->base = base;
        place->base_is_object = place->path.len == 0;
}

struct request *request_root(enum fsop_verb verb, const char *name) {
        struct request *request = request_new(verb, scene_path(name));

        request_as(request, identity_of_service(false));
        return request;
}

struct request *request_attribute(enum fsop_verb verb, const char *path, const char *name, const void *value,
                                  size_t len) {
        struct request *request = request_root(verb, path);

        request->op.args.xattr.name = (struct bytes){(const uint8_t *)name, strlen(name)};
        request->op.args.xattr.value = (struct bytes){value, len};
        return request;
}

struct request *request_on(enum fsop_verb verb, os_fd fd) {
        struct request *request = request_new(verb, "");

        request_as(request, identity_of_service(false));
        request_base(&request->sys.at, fd);
        return request;
}

struct request *request_elevated(enum fsop_verb verb, const char *path) {
        struct request *request = request_new(verb, path);

        request_elevate(request, NULL);
        return request;
}

int request_resolve_known(struct request *request, unsigned flags) {
        int r;

        while ((r = sys_resolve(&request->sys, flags)) == -FSOP_EAGAIN) {
                ck_assert_int_eq(sys_resolve(&request->sys, 0), 0); /* it may have been forgotten, too */
                sys_release(&request->sys);
        }
        return r;
}

int request_run(struct request *request) {
        request->began = false;
        if (sys_resolve(&request->sys, 0) == 0) {
                request->began = true;
                sys_run(&request->sys);
                sys_release(&request->sys);
        }
        identity_wear_service();
        return request->sys.code;
}

void request_free(struct request *request) {
        sys_close(request->sys.opened);
        free(request);
}

int request_finish(struct request *request) {
        int code = request_run(request);

        request_free(request);
        return code;
}

int request_once(enum fsop_verb verb, const char *path, struct identity *identity) {
        struct request *request = request_new(verb, path);

        request_as(request, identity);
        return request_finish(request);
}
