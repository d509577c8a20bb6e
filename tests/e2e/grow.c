/* SPDX-License-Identifier: MIT */
/*
 * grow: makes a directory tree with everything that a copy can get wrong, the same one for the same seed.
 *
 *      grow DIRECTORY FILES SEED [own]      DIRECTORY must not exist; own: only what an ordinary user can make and read
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/types.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#define FILES_A_DIRECTORY 25u
#define DIRECTORIES_MAX 4096u

static uint64_t state;
static bool own;
static bool no_xattrs; /* this filesystem has none */
static char directories[DIRECTORIES_MAX][1024];
static unsigned n_directories;

__attribute__((format(printf, 1, 2), noreturn)) static void die(const char *format, ...) {
        int error = errno;
        va_list args;

        va_start(args, format);
        vfprintf(stderr, format, args);
        va_end(args);
        fprintf(stderr, ": %s\n", strerror(error));
        exit(1);
}

static uint32_t roll(uint32_t sides) {
        state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        return (uint32_t)(state >> 33) % sides;
}

/* ---- what everything carries ------------------------------------------------------------------------------------- */

static void set_owner(const char *path) {
        static const uint32_t ids[] = {0, 65534, 1000, 1001, 70000, 4294967294u};

        if (!own && lchown(path, ids[roll(6)], ids[roll(6)]) < 0)
                die("chown %s", path);
}

/* Seconds from 1902 to 2038, most of them of these days. */
static void set_times(const char *path) {
        static const int64_t seconds[] = {-2145916800, -1, -86400 * 3650, 0, 1, 2147483646};
        struct timespec times[2];

        for (unsigned i = 0; i < 2; i++) {
                times[i].tv_sec = roll(4) ? 1500000000 + (int64_t)roll(200000000) : seconds[roll(6)];
                times[i].tv_nsec = roll(1000000000);
        }
        if (utimensat(AT_FDCWD, path, times, AT_SYMLINK_NOFOLLOW) < 0)
                die("utimens %s", path);
}

static void set_attribute(const char *path, const char *name, const void *value, size_t len) {
        if (no_xattrs || lsetxattr(path, name, value, len, 0) == 0)
                return;
        if (errno != EOPNOTSUPP)
                die("setxattr %s %s", path, name);
        no_xattrs = true;
        puts("SKIP: this filesystem has no extended attributes");
}

/* An ACL as the kernel takes it: version 2, then entries of tag, permissions and id. */
static void set_acl(const char *path, const char *name) {
        static const uint16_t tags[] = {0x01, 0x02, 0x04,
                                        0x08, 0x10, 0x20}; /* owner, user, group, group, mask, other */
        static const uint16_t permissions[] = {7, 5, 5, 4, 5, 1};
        uint8_t acl[4 + 6 * 8] = {2};

        for (unsigned i = 0; i < 6; i++) {
                uint32_t id = i == 1 || i == 3 ? 1000 + roll(5) : UINT32_MAX;
                memcpy(acl + 4 + 8 * i, &tags[i], 2);
                memcpy(acl + 6 + 8 * i, &permissions[i], 2);
                memcpy(acl + 8 + 8 * i, &id, 4);
        }
        set_attribute(path, name, acl, sizeof(acl));
}

/* Attributes of users exist on files with contents and on directories only. */
static void set_attributes(const char *path, bool directory, bool contents) {
        uint8_t value[1500];

        for (unsigned i = 0; i < sizeof(value); i++)
                value[i] = (uint8_t)roll(256);
        if (contents && roll(6) == 0)
                set_attribute(path, "user.short", value, roll(20));
        if (contents && roll(30) == 0)
                set_attribute(path, "user.long \xff name", value, sizeof(value));
        if (roll(12) == 0)
                set_acl(path, "system.posix_acl_access");
        if (directory && roll(4) == 0)
                set_acl(path, "system.posix_acl_default");
}

static void set_mode(const char *path, bool directory) {
        static const mode_t files[] = {0644, 0600, 0755, 0640, 04755, 02755, 06711, 0000, 01644, 0777};
        static const mode_t directory_modes[] = {0755, 0700, 0750, 01777, 02775, 0555, 0311, 0000, 03770};
        static const mode_t own_files[] = {0644, 0600, 0755, 0640, 04755, 02755, 0400, 0444, 01644, 0777};
        static const mode_t own_directories[] = {0755, 0700, 0750, 01777, 02775, 0555, 0500, 0755, 03770};
        mode_t mode =
                directory ? (own ? own_directories : directory_modes)[roll(9)] : (own ? own_files : files)[roll(10)];

        if (chmod(path, mode) < 0)
                die("chmod %s", path);
}

/* Everything but directories, in the order in which one does not undo the other. */
static void dress(const char *path, mode_t type) {
        set_owner(path);
        if (type != S_IFLNK) {
                set_attributes(path, false, type == S_IFREG);
                set_mode(path, false);
        }
        set_times(path);
}

/* ---- contents ---------------------------------------------------------------------------------------------------- */

static void write_at(int fd, const char *path, uint64_t offset, size_t len) {
        static uint8_t block[65536];

        while (len > 0) {
                size_t n = len < sizeof(block) ? len : sizeof(block);
                for (size_t i = 0; i < n; i += 8) {
                        uint64_t word = (state = state * UINT64_C(6364136223846793005) + 1);
                        memcpy(block + i, &word, 8);
                }
                if (pwrite(fd, block, n, (off_t)offset) != (ssize_t)n)
                        die("write %s", path);
                offset += n;
                len -= n;
        }
}

static void make_regular(const char *path, size_t len) {
        int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);

        if (fd < 0)
                die("create %s", path);
        write_at(fd, path, 0, len);
        close(fd);
}

/* Data between holes, a hole at the beginning or at the end. */
static void make_sparse(const char *path) {
        uint64_t size = (UINT64_C(1) << 20) * (1 + roll(32)) + roll(4096);
        int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);

        if (fd < 0 || ftruncate(fd, (off_t)size) < 0)
                die("create %s", path);
        for (unsigned pieces = roll(4); pieces > 0; pieces--)
                write_at(fd, path, (uint64_t)roll((uint32_t)(size >> 16) - 1) << 16, 1 + roll(40000));
        close(fd);
}

/* ---- names ------------------------------------------------------------------------------------------------------- */

static void make_name(char *ret_name, unsigned i) {
        static const char *const odd[] = {"new\nline%u",   "\xff\xfe\x80%u", " lead%u",  "-dash%u",      "trail %u ",
                                          "\x1b[31mred%u", "*?[x]%u",        "\"q'%u\\", "%%s%%n$(x)%u", ".hidden%u"};
        unsigned n;

        if (i % 40 == 7) {
                n = (unsigned)sprintf(ret_name, "%u-", i);
                memset(ret_name + n, 'l', 255 - n);
                ret_name[255] = 0;
        } else if (i % 20 == 3) {
                const char *format = odd[(i / 20) % 10];
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
                sprintf(ret_name, format, i);
#pragma GCC diagnostic pop
        } else {
                sprintf(ret_name, "file%u", i);
        }
}

/* ---- the tree ---------------------------------------------------------------------------------------------------- */

static void make_directories(const char *top, unsigned n) {
        if (n >= DIRECTORIES_MAX)
                n = DIRECTORIES_MAX - 1;
        snprintf(directories[n_directories++], sizeof(directories[0]), "%s", top);
        if (mkdir(top, 0700) < 0)
                die("mkdir %s", top);
        for (unsigned i = 1; i < n; i++) {
                const char *parent = directories[roll(n_directories)];
                char *path = directories[n_directories];
                if (strlen(parent) > 600)
                        parent = top;
                if ((size_t)snprintf(path, sizeof(directories[0]), "%s/%s%u", parent, i % 9 == 5 ? "d\n\xc3" : "dir",
                                     i) >= sizeof(directories[0]))
                        continue;
                if (mkdir(path, 0700) < 0)
                        die("mkdir %s", path);
                n_directories++;
        }
}

/* The last plain file that was made, for links. */
static char linkable[2048];

static void make_file(const char *path, unsigned i) {
        char text[4000];

        switch (i % 50) {
        case 1:
        case 2:
                if (*linkable && link(linkable, path) == 0)
                        return; /* dressed already */
                break;
        case 4:
                if (symlink(linkable, path) < 0)
                        die("symlink %s", path);
                dress(path, S_IFLNK);
                return;
        case 5:
                memset(text, 't', sizeof(text));
                text[i % 3 == 0 ? 1000 : 30] = 0;
                memcpy(text, "no/such/\xff", 9);
                if (symlink(text, path) < 0)
                        die("symlink %s", path);
                dress(path, S_IFLNK);
                return;
        case 6:
        case 8:
                if (mknod(path, (i % 50 == 6 ? S_IFIFO : S_IFSOCK) | 0600, 0) < 0)
                        die("mknod %s", path);
                dress(path, S_IFIFO);
                return;
        case 9:
                if (own)
                        break;
                if (mknod(path, S_IFCHR | 0600, makedev(1, 3)) < 0)
                        die("mknod %s", path);
                dress(path, S_IFCHR);
                return;
        case 10:
                make_regular(path, 0);
                dress(path, S_IFREG);
                return;
        case 11:
                if (i % 400 != 11)
                        break;
                make_sparse(path);
                dress(path, S_IFREG);
                return;
        case 12:
                if (i % 1000 != 12)
                        break;
                make_regular(path, (5u << 20) + roll(1u << 20));
                dress(path, S_IFREG);
                return;
        }
        make_regular(path, roll(12000));
        dress(path, S_IFREG);
        if (i % 7 == 0) {
                snprintf(linkable, sizeof(linkable), "%s", path);
                if (own && chmod(path, 0644) < 0) /* what an ordinary user may link is limited */
                        die("chmod %s", path);
        }
}

int main(int argc, char **argv) {
        unsigned files;
        char name[300], path[2048];

        if (argc < 4)
                return 2;
        files = (unsigned)strtoul(argv[2], NULL, 10);
        state = strtoul(argv[3], NULL, 10) + 1;
        own = argc > 4;
        umask(0);
        make_directories(argv[1], files / FILES_A_DIRECTORY + 1);
        for (unsigned i = 0; i < files; i++) {
                /* the last directories stay empty */
                const char *directory = directories[roll(n_directories - n_directories / 16)];
                make_name(name, i);
                snprintf(path, sizeof(path), "%s/%s", directory, name);
                make_file(path, i);
        }
        for (unsigned i = n_directories; i-- > 0;) { /* what is below comes later in the list */
                set_owner(directories[i]);
                set_attributes(directories[i], true, true);
                if (i > 0)
                        set_mode(directories[i], true);
                else if (chmod(directories[i], 0755) < 0)
                        die("chmod %s", directories[i]);
                set_times(directories[i]);
        }
        return 0;
}
