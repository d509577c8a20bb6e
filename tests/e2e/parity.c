/* SPDX-License-Identifier: MIT */
/*
 * parity: does `caller` give exactly what the kernel would give that user?
 *
 * Generates a matrix of (identity x operation x directory x object), makes every case twice, in two equal trees, lets a
 * process with that identity do the operation itself in the one and through the daemon in the other, and compares
 * the error and everything that came of it: names, types, owners, modes, sizes, link counts, ACLs and other attributes.
 *
 *      parity SOCKET DIRECTORY [N]     DIRECTORY on a filesystem with ACLs; only every Nth case; run as root
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <grp.h>
#include <linux/capability.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "client/fsop.h"

/* The cast: the caller, its group, a supplementary group of it, and somebody else. */
enum { CALLER = 4001, OWN_GROUP = 4001, OTHER_GROUP_OF_IT = 4002, STRANGER = 4005, STRANGE_GROUP = 4006 };

struct identity {
        const char *name;
        uid_t uid;
        gid_t gid;
        gid_t groups[3];
        size_t n_groups;
        mode_t umask;
        bool has_capabilities; /* uid 0 only */
        uint64_t capabilities;
};

static const struct identity identities[] = {
        {.name = "user",
         .uid = CALLER,
         .gid = OWN_GROUP,
         .groups = {OTHER_GROUP_OF_IT, 4003},
         .n_groups = 2,
         .umask = 022},
        {.name = "user-umask-077",
         .uid = CALLER,
         .gid = OWN_GROUP,
         .groups = {OTHER_GROUP_OF_IT},
         .n_groups = 1,
         .umask = 077},
        {.name = "user-without-groups", .uid = CALLER, .gid = STRANGE_GROUP, .n_groups = 0, .umask = 0},
        {.name = "root-without-capabilities",
         .uid = 0,
         .gid = 0,
         .n_groups = 0,
         .umask = 022,
         .has_capabilities = true},
        {.name = "root-that-may-chown",
         .uid = 0,
         .gid = 0,
         .umask = 027,
         .has_capabilities = true,
         .capabilities = 1ull << CAP_CHOWN | 1ull << CAP_DAC_READ_SEARCH},
        {.name = "root", .uid = 0, .gid = 0, .n_groups = 0, .umask = 022},
};

/* ---- what is operated on ----------------------------------------------------------------------------------------- */

enum object { OBJECT_FILE, OBJECT_DIRECTORY, OBJECT_LINK, OBJECT_NONE };
enum acl { ACL_NONE, ACL_GRANTS, ACL_DENIES };

struct layout {
        uid_t dir_uid;
        gid_t dir_gid;
        mode_t dir_mode;
        enum acl dir_default;
        enum object object;
        uid_t uid;
        gid_t gid;
        mode_t mode;
        enum acl acl;
};

enum what {
        DO_STAT,
        DO_CHMOD,
        DO_CHMOD_SETID,
        DO_CHOWN_GROUP,
        DO_CHOWN_USER,
        DO_CHOWN_SAME,
        DO_UTIMENS_NOW,
        DO_UTIMENS_SET,
        DO_TRUNCATE,
        DO_FALLOCATE,
        DO_GETXATTR,
        DO_SETXATTR,
        DO_REMOVEXATTR,
        DO_SETACL,
        DO_READ,
        DO_WRITE,
        /* names */
        DO_MKDIR,
        DO_MKFIFO,
        DO_MKNOD,
        DO_SYMLINK,
        DO_CREATE,
        DO_UNLINK,
        DO_RMDIR,
        DO_RENAME,
        DO_LINK,
        /* through a symbolic link beside it */
        DO_CHOWN_FOLLOW,
        DO_CHMOD_FOLLOW,
        DO_SETXATTR_FOLLOW,
        DO_STAT_FOLLOW,
        DO_END
};

static const char *const what_names[DO_END] = {
        "stat",
        "chmod 640",
        "chmod 6755",
        "chown :group",
        "chown user",
        "chown to itself",
        "utimens now",
        "utimens set",
        "truncate",
        "fallocate",
        "getxattr",
        "setxattr",
        "removexattr",
        "set acl",
        "open to read",
        "open to write",
        "mkdir",
        "mkfifo",
        "mknod",
        "symlink",
        "create",
        "unlink",
        "rmdir",
        "rename",
        "link",
        "chown, following",
        "chmod, following",
        "setxattr, following",
        "stat, following",
};

struct test_case {
        struct layout layout;
        enum what what;
};

static struct test_case *cases;
static size_t n_cases, cases_room;

static void die(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));
static void die(const char *format, ...) {
        va_list arguments;

        va_start(arguments, format);
        vfprintf(stderr, format, arguments);
        va_end(arguments);
        fputc('\n', stderr);
        exit(2);
}

static void add_case(const struct layout *layout, enum what what) {
        if (n_cases == cases_room) {
                cases_room = cases_room ? cases_room * 2 : 4096;
                cases = realloc(cases, cases_room * sizeof(*cases));
                if (!cases)
                        die("out of memory");
        }
        cases[n_cases++] = (struct test_case){*layout, what};
}

/* Operations on an object, over its owners, groups, modes and ACLs, in a plain and in a sticky world-writable
 * directory. */
static void generate_object_cases(void) {
        static const uid_t uids[] = {CALLER, STRANGER, 0};
        static const gid_t gids[] = {OWN_GROUP, OTHER_GROUP_OF_IT, STRANGE_GROUP};
        static const mode_t modes[] = {0644, 0600, 0660, 0666, 0000, 0040, 04755, 06775, 02745};
        static const mode_t dir_modes[] = {0755, 01777};

        for (size_t u = 0; u < 3; u++)
                for (size_t g = 0; g < 3; g++)
                        for (size_t m = 0; m < sizeof(modes) / sizeof(*modes); m++)
                                for (enum acl acl = ACL_NONE; acl <= ACL_DENIES; acl++)
                                        for (size_t d = 0; d < 2; d++)
                                                for (enum what what = DO_STAT; what < DO_MKDIR; what++) {
                                                        struct layout layout = {.dir_mode = dir_modes[d],
                                                                                .object = OBJECT_FILE,
                                                                                .uid = uids[u],
                                                                                .gid = gids[g],
                                                                                .mode = modes[m],
                                                                                .acl = acl};
                                                        add_case(&layout, what);
                                                }
}

/* Operations on names, over the directory's owners, groups, modes and default ACLs. */
static void generate_name_cases(void) {
        static const uid_t uids[] = {CALLER, STRANGER, 0};
        static const gid_t gids[] = {OWN_GROUP, OTHER_GROUP_OF_IT, STRANGE_GROUP};
        static const mode_t modes[] = {0755, 0777, 01777, 02777, 03770, 0700, 0070, 0555, 0};
        static const enum object objects[] = {OBJECT_FILE, OBJECT_DIRECTORY, OBJECT_LINK, OBJECT_NONE};

        for (size_t u = 0; u < 3; u++)
                for (size_t g = 0; g < 3; g++)
                        for (size_t m = 0; m < sizeof(modes) / sizeof(*modes); m++)
                                for (enum acl acl = ACL_NONE; acl <= ACL_DENIES; acl++)
                                        for (size_t o = 0; o < 4; o++)
                                                for (enum what what = DO_MKDIR; what < DO_END; what++) {
                                                        bool makes = what <= DO_SYMLINK;
                                                        struct layout layout = {.dir_uid = uids[u],
                                                                                .dir_gid = gids[g],
                                                                                .dir_mode = modes[m],
                                                                                .dir_default = acl,
                                                                                .object = objects[o],
                                                                                .uid = uids[(u + o) % 3],
                                                                                .gid = OWN_GROUP,
                                                                                .mode = 0664};
                                                        if (makes && objects[o] != OBJECT_NONE &&
                                                            objects[o] != OBJECT_FILE)
                                                                continue;
                                                        if (what >= DO_CHOWN_FOLLOW && objects[o] == OBJECT_NONE)
                                                                continue;
                                                        add_case(&layout, what);
                                                }
}

/* A sample, for where everything is slow. n should have no factor in common with the numbers above: then all meet. */
static void keep_every(size_t n) {
        size_t kept = 0;

        for (size_t i = 0; n > 0 && i < n_cases; i += n)
                cases[kept++] = cases[i];
        if (n > 0)
                n_cases = kept;
}

/* ---- making a case ----------------------------------------------------------------------------------------------- */

struct acl_entry {
        uint16_t tag, perm;
        uint32_t id;
};

/* An ACL in the kernel's form, as it travels. */
static size_t acl_bytes(enum acl acl, uint8_t *buffer) {
        const struct acl_entry grants[] = {{1, 6, ~0u},  {2, 7, CALLER}, {4, 4, ~0u}, {8, 6, OTHER_GROUP_OF_IT},
                                           {16, 7, ~0u}, {32, 0, ~0u}};
        const struct acl_entry denies[] = {{1, 6, ~0u},           {2, 0, CALLER}, {4, 6, ~0u},
                                           {8, 7, STRANGE_GROUP}, {16, 6, ~0u},   {32, 5, ~0u}};
        const struct acl_entry *entries = acl == ACL_GRANTS ? grants : denies;
        uint32_t version = 2;

        memcpy(buffer, &version, 4);
        memcpy(buffer + 4, entries, sizeof(grants));
        return 4 + sizeof(grants);
}

static void set_acl(const char *path, const char *name, enum acl acl) {
        uint8_t buffer[128];

        if (acl != ACL_NONE && setxattr(path, name, buffer, acl_bytes(acl, buffer), 0) < 0)
                die("%s: %s: %s", path, name, strerror(errno));
}

static void case_path(char *buffer, size_t size, const char *tree, size_t number, const char *leaf) {
        snprintf(buffer, size, "%s/%02zx/%04zx/%s", tree, number >> 8, number, leaf);
}

static void make_object(const struct layout *layout, const char *path) {
        switch (layout->object) {
        case OBJECT_FILE: {
                int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
                if (fd < 0 || write(fd, "content", 7) != 7 || fsetxattr(fd, "user.there", "v", 1, 0) < 0)
                        die("%s: %s", path, strerror(errno));
                close(fd);
                break;
        }
        case OBJECT_DIRECTORY:
                if (mkdir(path, 0700) < 0)
                        die("%s: %s", path, strerror(errno));
                break;
        case OBJECT_LINK:
                if (symlink("../../shared", path) < 0)
                        die("%s: %s", path, strerror(errno));
                break;
        case OBJECT_NONE:
                return;
        }
        if (lchown(path, layout->uid, layout->gid) < 0)
                die("%s: %s", path, strerror(errno));
        if (layout->object == OBJECT_LINK)
                return;
        set_acl(path, "system.posix_acl_access", layout->acl);
        if (layout->acl == ACL_NONE || (layout->mode & 07000))
                if (chmod(path, layout->mode) < 0)
                        die("%s: %s", path, strerror(errno));
}

static void make_case(const char *tree, size_t number) {
        const struct layout *layout = &cases[number].layout;
        char path[512], dir[512];

        snprintf(dir, sizeof(dir), "%s/%02zx/%04zx", tree, number >> 8, number);
        if (mkdir(dir, 0700) < 0)
                die("%s: %s", dir, strerror(errno));
        case_path(path, sizeof(path), tree, number, "object");
        make_object(layout, path);
        if (cases[number].what >= DO_CHOWN_FOLLOW) {
                case_path(path, sizeof(path), tree, number, "link");
                if (symlink("object", path) < 0 || lchown(path, layout->uid, layout->gid) < 0)
                        die("%s: %s", path, strerror(errno));
        }
        /* the directory last: a default ACL would go to the object */
        if (chown(dir, layout->dir_uid, layout->dir_gid) < 0 || chmod(dir, layout->dir_mode) < 0)
                die("%s: %s", dir, strerror(errno));
        set_acl(dir, "system.posix_acl_default", layout->dir_default);
}

static void make_tree(const char *tree) {
        char path[512];

        if (mkdir(tree, 0755) < 0)
                die("%s: %s", tree, strerror(errno));
        for (size_t i = 0; i < n_cases; i++) {
                if ((i & 0xff) == 0) {
                        snprintf(path, sizeof(path), "%s/%02zx", tree, i >> 8);
                        if (mkdir(path, 0755) < 0)
                                die("%s: %s", path, strerror(errno));
                }
                make_case(tree, i);
        }
        /* what the links of OBJECT_LINK lead to */
        snprintf(path, sizeof(path), "%s/shared", tree);
        close(open(path, O_WRONLY | O_CREAT, 0644));
}

/* ---- doing it directly ------------------------------------------------------------------------------------------- */

static int open_to_change(const char *path, bool create) {
        int fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);

        if (fd < 0 && errno == ENOENT && create)
                fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_CREAT, 0666);
        return fd;
}

static int finish_fd(int fd, int r) {
        int saved = errno;

        if (fd >= 0)
                close(fd);
        errno = saved;
        return r;
}

static int do_directly(enum what what, const char *path, const char *link, const char *other) {
        struct timespec times[2] = {{.tv_sec = 1, .tv_nsec = 2}, {.tv_sec = -3, .tv_nsec = 4}};
        struct stat st;
        uint8_t acl[128];
        char value[256];
        int fd;

        switch (what) {
        case DO_STAT:
                return lstat(path, &st);
        case DO_CHMOD:
                return chmod(path, 0640);
        case DO_CHMOD_SETID:
                return chmod(path, 06755);
        case DO_CHOWN_GROUP:
                return lchown(path, (uid_t)-1, OTHER_GROUP_OF_IT);
        case DO_CHOWN_USER:
                return lchown(path, STRANGER, (gid_t)-1);
        case DO_CHOWN_SAME:
                return lchown(path, CALLER, OWN_GROUP);
        case DO_UTIMENS_NOW:
                return utimensat(AT_FDCWD, path, NULL, 0);
        case DO_UTIMENS_SET:
                return utimensat(AT_FDCWD, path, times, 0);
        case DO_TRUNCATE:
                fd = open_to_change(path, false);
                return finish_fd(fd, fd < 0 ? -1 : ftruncate(fd, 3));
        case DO_FALLOCATE:
                fd = open_to_change(path, false);
                return finish_fd(fd, fd < 0 ? -1 : fallocate(fd, 0, 0, 4096));
        case DO_GETXATTR:
                return (int)getxattr(path, "user.there", value, sizeof(value));
        case DO_SETXATTR:
                return setxattr(path, "user.new", "value", 5, 0);
        case DO_REMOVEXATTR:
                return removexattr(path, "user.there");
        case DO_SETACL:
                return setxattr(path, "system.posix_acl_access", acl, acl_bytes(ACL_GRANTS, acl), 0);
        case DO_READ:
                fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
                return finish_fd(fd, fd);
        case DO_WRITE:
                fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
                return finish_fd(fd, fd < 0 ? -1 : (int)pwrite(fd, "x", 1, 0));
        case DO_MKDIR:
                return mkdir(path, 0777);
        case DO_MKFIFO:
                return mknod(path, S_IFIFO | 0666, 0);
        case DO_MKNOD:
                return mknod(path, S_IFCHR | 0666, makedev(1, 3));
        case DO_SYMLINK:
                return symlink("text", path);
        case DO_CREATE:
                fd = open_to_change(path, true);
                return finish_fd(fd, fd < 0 ? -1 : ftruncate(fd, 5));
        case DO_UNLINK:
                return unlink(path);
        case DO_RMDIR:
                return rmdir(path);
        case DO_RENAME:
                return rename(path, other);
        case DO_LINK:
                return linkat(AT_FDCWD, path, AT_FDCWD, other, 0);
        case DO_CHOWN_FOLLOW:
                return chown(link, (uid_t)-1, OTHER_GROUP_OF_IT);
        case DO_CHMOD_FOLLOW:
                return chmod(link, 0640);
        case DO_SETXATTR_FOLLOW:
                return setxattr(link, "user.new", "value", 5, 0);
        case DO_STAT_FOLLOW:
                return stat(link, &st);
        case DO_END:
                break;
        }
        abort();
}

/* ---- doing it through the daemon --------------------------------------------------------------------------------- */

static int asked_to_open(struct fsop_client *client, const struct fsop_at *at, bool write) {
        struct fsop_open_args args = {.size = sizeof(args), .read = !write, .write = write};
        struct fsop_handle handle;
        int r = fsop_open_handle(client, at, &args, &handle);

        if (r < 0)
                return r;
        if (write) {
                struct fsop_at object = fsop_at_handle(handle, NULL, false);
                r = fsop_write(client, &object, 0, fsop_bytes_of("x"), NULL);
        }
        if (r >= 0)
                r = fsop_close_handle(client, handle);
        return r;
}

static int asked_to_chown(struct fsop_client *client, const struct fsop_at *at, int64_t uid, int64_t gid) {
        struct fsop_chown_args args = {.size = sizeof(args),
                                       .has_uid = uid >= 0,
                                       .has_gid = gid >= 0,
                                       .uid = uid >= 0 ? (uint32_t)uid : 0,
                                       .gid = gid >= 0 ? (uint32_t)gid : 0};

        return fsop_chown(client, at, &args, NULL);
}

static int asked_to_chmod(struct fsop_client *client, const struct fsop_at *at, uint32_t mode) {
        struct fsop_chmod_args args = {.size = sizeof(args), .set = mode, .clear = 07777};

        return fsop_chmod(client, at, &args, NULL);
}

static int asked_to_set(struct fsop_client *client, const struct fsop_at *at, const char *name, const void *value,
                        size_t len) {
        struct fsop_setxattr_args args = {.size = sizeof(args), .name = fsop_bytes_of(name), .value = {value, len}};

        return fsop_setxattr(client, at, &args);
}

static int asked_to_mknod(struct fsop_client *client, const struct fsop_at *at, enum fsop_file_type type) {
        struct fsop_mknod_args args = {.size = sizeof(args),
                                       .type = type,
                                       .major = type == FSOP_TYPE_CHAR ? 1 : 0,
                                       .minor = type == FSOP_TYPE_CHAR ? 3 : 0,
                                       .create = {.create = true, .mode = 0666}};

        return fsop_mknod(client, at, &args);
}

static int asked_to_truncate(struct fsop_client *client, const struct fsop_at *at, uint64_t length, bool create) {
        struct fsop_truncate_args args = {
                .size = sizeof(args), .length = length, .create = {.create = create, .mode = 0666}};

        return fsop_truncate(client, at, &args);
}

static int asked_to_set_times(struct fsop_client *client, const struct fsop_at *at) {
        struct fsop_utimens_args args = {.size = sizeof(args),
                                         .atime_change = FSOP_TIME_SET,
                                         .mtime_change = FSOP_TIME_SET,
                                         .atime = {.sec = 1, .nsec = 2},
                                         .mtime = {.sec = -3, .nsec = 4}};

        return fsop_utimens(client, at, &args);
}

static int do_through_daemon(struct fsop_client *client, enum what what, const char *path, const char *link,
                             const char *other) {
        /* the plain calls follow a link where the system call does */
        bool follows = what != DO_STAT && what != DO_CHOWN_GROUP && what != DO_CHOWN_USER && what != DO_CHOWN_SAME;
        struct fsop_at at = fsop_at_path(path, follows && what < DO_MKDIR), to = fsop_at_path(other, false);
        struct fsop_at through = fsop_at_path(link, true);
        struct fsop_fallocate_args space = {.size = sizeof(space), .length = 4096};
        struct fsop_getxattr_args get = {.size = sizeof(get), .name = fsop_bytes_of("user.there")};
        struct fsop_removexattr_args remove = {.size = sizeof(remove), .name = fsop_bytes_of("user.there")};
        struct fsop_mkdir_args mkdir_args = {.size = sizeof(mkdir_args), .create = {.create = true, .mode = 0777}};
        struct fsop_symlink_args symlink_args = {.size = sizeof(symlink_args), .text = fsop_bytes_of("text")};
        struct fsop_bytes value;
        struct fsop_stat st;
        uint8_t acl[128];

        switch (what) {
        case DO_STAT:
                return fsop_stat(client, &at, &st);
        case DO_CHMOD:
                return asked_to_chmod(client, &at, 0640);
        case DO_CHMOD_SETID:
                return asked_to_chmod(client, &at, 06755);
        case DO_CHOWN_GROUP:
                return asked_to_chown(client, &at, -1, OTHER_GROUP_OF_IT);
        case DO_CHOWN_USER:
                return asked_to_chown(client, &at, STRANGER, -1);
        case DO_CHOWN_SAME:
                return asked_to_chown(client, &at, CALLER, OWN_GROUP);
        case DO_UTIMENS_NOW:
                return fsop_utimens(client, &at, NULL);
        case DO_UTIMENS_SET:
                return asked_to_set_times(client, &at);
        case DO_TRUNCATE:
                return asked_to_truncate(client, &at, 3, false);
        case DO_FALLOCATE:
                return fsop_fallocate(client, &at, &space);
        case DO_GETXATTR:
                return fsop_getxattr(client, &at, &get, &value);
        case DO_SETXATTR:
                return asked_to_set(client, &at, "user.new", "value", 5);
        case DO_REMOVEXATTR:
                return fsop_removexattr(client, &at, &remove);
        case DO_SETACL:
                return asked_to_set(client, &at, "system.posix_acl_access", acl, acl_bytes(ACL_GRANTS, acl));
        case DO_READ:
                return asked_to_open(client, &at, false);
        case DO_WRITE:
                return asked_to_open(client, &at, true);
        case DO_MKDIR:
                return fsop_mkdir(client, &at, &mkdir_args);
        case DO_MKFIFO:
                return asked_to_mknod(client, &at, FSOP_TYPE_FIFO);
        case DO_MKNOD:
                return asked_to_mknod(client, &at, FSOP_TYPE_CHAR);
        case DO_SYMLINK:
                return fsop_symlink(client, &at, &symlink_args);
        case DO_CREATE:
                at.follow = true;
                return asked_to_truncate(client, &at, 5, true);
        case DO_UNLINK:
                return fsop_unlink(client, &at, NULL, NULL);
        case DO_RMDIR:
                return fsop_rmdir(client, &at);
        case DO_RENAME:
                return fsop_rename(client, &at, &to, NULL);
        case DO_LINK:
                return fsop_link(client, &at, &to);
        case DO_CHOWN_FOLLOW:
                return asked_to_chown(client, &through, -1, OTHER_GROUP_OF_IT);
        case DO_CHMOD_FOLLOW:
                return asked_to_chmod(client, &through, 0640);
        case DO_SETXATTR_FOLLOW:
                return asked_to_set(client, &through, "user.new", "value", 5);
        case DO_STAT_FOLLOW:
                return fsop_stat(client, &through, &st);
        case DO_END:
                break;
        }
        abort();
}

/* ---- one identity's run ------------------------------------------------------------------------------------------ */

static void become(const struct identity *identity) {
        struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
        struct __user_cap_data_struct data[2] = {
                {.effective = (uint32_t)identity->capabilities, .permitted = (uint32_t)identity->capabilities},
                {.effective = (uint32_t)(identity->capabilities >> 32),
                 .permitted = (uint32_t)(identity->capabilities >> 32)}};

        umask(identity->umask);
        if (setgroups(identity->n_groups, identity->groups) < 0 ||
            setresgid(identity->gid, identity->gid, identity->gid) < 0 ||
            setresuid(identity->uid, identity->uid, identity->uid) < 0)
                die("cannot become %s: %s", identity->name, strerror(errno));
        if (identity->has_capabilities && syscall(SYS_capset, &header, data) < 0)
                die("capset: %s", strerror(errno));
        prctl(PR_SET_DUMPABLE, 1); /* as after an exec: the daemon looks at the process of a uid-0 peer */
}

/* Runs every case in a child with this identity; errors[i] is 0 or the errno. socket NULL: directly. */
static void run_cases(const struct identity *identity, const char *socket, const char *tree, int32_t *errors) {
        struct fsop_client *client = NULL;
        pid_t pid = fork();
        int status;

        if (pid < 0)
                die("fork: %s", strerror(errno));
        if (pid > 0) {
                if (waitpid(pid, &status, 0) != pid || status != 0)
                        die("the %s run as %s failed", socket ? "daemon's" : "direct", identity->name);
                return;
        }
        become(identity);
        if (socket) {
                struct fsop_open_failure failure = {.size = sizeof(failure)};
                struct fsop_client_options options = {
                        .size = sizeof(options), .socket_path = socket, .as = FSOP_AS_CALLER, .failure = &failure};
                if (fsop_open(&options, &client) < 0)
                        die("%s", failure.message);
        }
        for (size_t i = 0; i < n_cases; i++) {
                char path[512], link[512], other[512];
                int r;

                case_path(path, sizeof(path), tree, i, "object");
                case_path(link, sizeof(link), tree, i, "link");
                case_path(other, sizeof(other), tree, i, "other");
                if (client) {
                        r = do_through_daemon(client, cases[i].what, path, link, other);
                        errors[i] = r >= 0 ? 0 : fsop_last_error(client)->os_error;
                        if (r < 0 && errors[i] == 0)
                                die("case %zu, %s: failed without an errno: %s", i, what_names[cases[i].what],
                                    (const char *)fsop_last_error(client)->message.data);
                } else {
                        errors[i] = do_directly(cases[i].what, path, link, other) >= 0 ? 0 : errno;
                }
        }
        fsop_close(client);
        _exit(0);
}

/* ---- comparing --------------------------------------------------------------------------------------------------- */

/* Everything about one object that the operation may have changed, as text. */
static size_t describe(const char *dir, const char *name, char *buffer, size_t size) {
        char path[1024], names[1024], value[512], target[256];
        size_t used = 0;
        struct stat st;
        ssize_t n;

        snprintf(path, sizeof(path), "%s/%s", dir, name);
        if (lstat(path, &st) < 0)
                die("%s: %s", path, strerror(errno));
        used += (size_t)snprintf(buffer + used, size - used, "  %s: %06o %u:%u rdev %x", name, st.st_mode, st.st_uid,
                                 st.st_gid, (unsigned)st.st_rdev);
        if (S_ISREG(st.st_mode) || S_ISLNK(st.st_mode))
                used += (size_t)snprintf(buffer + used, size - used, " size %lld links %u", (long long)st.st_size,
                                         (unsigned)st.st_nlink);
        if (st.st_mtim.tv_sec < 1000000)
                used += (size_t)snprintf(buffer + used, size - used, " mtime %lld.%09ld atime %lld",
                                         (long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec,
                                         (long long)st.st_atim.tv_sec);
        n = S_ISLNK(st.st_mode) ? readlink(path, target, sizeof(target)) : -1;
        if (n > 0)
                used += (size_t)snprintf(buffer + used, size - used, " -> %.*s", (int)n, target);
        n = llistxattr(path, names, sizeof(names));
        for (ssize_t at = 0; at < n; at += (ssize_t)strlen(names + at) + 1) {
                ssize_t len = lgetxattr(path, names + at, value, sizeof(value));
                used += (size_t)snprintf(buffer + used, size - used, " %s=", names + at);
                for (ssize_t i = 0; i < len; i++)
                        used += (size_t)snprintf(buffer + used, size - used, "%02x", (uint8_t)value[i]);
        }
        used += (size_t)snprintf(buffer + used, size - used, "\n");
        return used;
}

static void describe_case(const char *tree, size_t number, char *buffer, size_t size) {
        static const char *const names[] = {".", "object", "other", "link"};
        char dir[512], path[1024];
        size_t used = 0;
        struct stat st;

        buffer[0] = 0;
        snprintf(dir, sizeof(dir), "%s/%02zx/%04zx", tree, number >> 8, number);
        for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
                snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
                if (lstat(path, &st) == 0)
                        used += describe(dir, names[i], buffer + used, size - used);
        }
}

static void show_case(const struct identity *identity, size_t number) {
        static const char *const objects[] = {"file", "directory", "link", "nothing"}, *const acls[] = {"none",
                                                                                                        "grants",
                                                                                                        "denies"};
        const struct layout *l = &cases[number].layout;

        printf("DIFFERENT: %s, %s: directory %u:%u %04o default ACL %s; %s %u:%u %04o ACL %s\n", identity->name,
               what_names[cases[number].what], l->dir_uid, l->dir_gid, l->dir_mode, acls[l->dir_default],
               objects[l->object], l->uid, l->gid, l->mode, acls[l->acl]);
}

static size_t compare(const struct identity *identity, const char *direct, const char *daemon, const int32_t *errors) {
        static char a[16384], b[16384];
        size_t differences = 0;

        for (size_t i = 0; i < n_cases; i++) {
                int32_t expected = errors[i], actual = errors[n_cases + i];

                describe_case(direct, i, a, sizeof(a));
                describe_case(daemon, i, b, sizeof(b));
                if (expected == actual && strcmp(a, b) == 0)
                        continue;
                if (++differences > 40)
                        continue;
                show_case(identity, i);
                printf(" directly: %s\n%s", expected ? strerror(expected) : "success", a);
                printf(" through the daemon: %s\n%s", actual ? strerror(actual) : "success", b);
        }
        return differences;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw) {
        (void)st;
        (void)kind;
        (void)ftw;
        return remove(path);
}

int main(int argc, char **argv) {
        size_t differences = 0, refused = 0;
        int32_t *errors;

        if (argc < 3 || argc > 4 || geteuid() != 0)
                die("usage, as root: parity SOCKET DIRECTORY [N]");
        umask(0);
        generate_object_cases();
        generate_name_cases();
        if (argc == 4)
                keep_every(strtoul(argv[3], NULL, 10));
        errors = mmap(NULL, 2 * n_cases * sizeof(*errors), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (errors == MAP_FAILED)
                die("mmap: %s", strerror(errno));
        for (size_t i = 0; i < sizeof(identities) / sizeof(*identities); i++) {
                char direct[256], daemon[256];

                /* of equal length, so that nothing depends on it */
                snprintf(direct, sizeof(direct), "%s/%zua", argv[2], i);
                snprintf(daemon, sizeof(daemon), "%s/%zub", argv[2], i);
                make_tree(direct);
                make_tree(daemon);
                run_cases(&identities[i], NULL, direct, errors);
                run_cases(&identities[i], argv[1], daemon, errors + n_cases);
                differences += compare(&identities[i], direct, daemon, errors);
                if (nftw(direct, remove_one, 32, FTW_DEPTH | FTW_PHYS) < 0 ||
                    nftw(daemon, remove_one, 32, FTW_DEPTH | FTW_PHYS) < 0)
                        die("removing the trees: %s", strerror(errno));
                for (size_t c = 0; c < n_cases; c++)
                        refused += errors[c] != 0;
        }
        printf("%zu cases x %zu identities, %zu of them refused by the kernel, %zu differences\n", n_cases,
               sizeof(identities) / sizeof(*identities), refused, differences);
        return differences > 0;
}
