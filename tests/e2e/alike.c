/* SPDX-License-Identifier: MIT */
/*
 * alike: whether one tree is a faithful copy of another: names, types, contents, owners, modes, times to the
 * nanosecond, attributes and ACLs, device numbers, holes, and which names are links of one file.
 *
 *      alike [-o] [-t] [-m] SOURCE COPY     -o: owners may differ; -t: times; -m: modes and attributes
 *      alike -l DIRECTORY                   lists all but directories: inode, time of birth, name (hexadecimal)
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
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
#include <unistd.h>

#define PATH_BYTES 8192
#define HOLE_SLACK_BYTES (1u << 20) /* what a filesystem may allocate beside */

static bool ignore_owners, ignore_times, ignore_modes;
static unsigned differences;
static uint64_t objects;

__attribute__((format(printf, 2, 3))) static void differs(const char *path, const char *format, ...) {
        va_list args;

        if (++differences > 20)
                return;
        printf("differs: ");
        for (const unsigned char *c = (const unsigned char *)path; *c; c++)
                if (*c < 32 || *c > 126 || *c == '\\')
                        printf("\\x%02x", *c);
                else
                        putchar(*c);
        printf(": ");
        va_start(args, format);
        vprintf(format, args);
        va_end(args);
        printf("\n");
}

__attribute__((noreturn)) static void die(const char *path) {
        fprintf(stderr, "alike: %s: %s\n", path, strerror(errno));
        exit(2);
}

/* ---- directories ------------------------------------------------------------------------------------------------- */

struct names {
        char **all;
        size_t n;
};

static int by_name(const void *a, const void *b) {
        return strcmp(*(char *const *)a, *(char *const *)b);
}

static struct names list(const char *path) {
        struct names names = {0};
        struct dirent *entry;
        DIR *dir = opendir(path);

        if (!dir)
                die(path);
        while ((entry = readdir(dir))) {
                if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
                        continue;
                if (names.n % 64 == 0 && !(names.all = realloc(names.all, (names.n + 64) * sizeof(*names.all))))
                        die(path);
                if (!(names.all[names.n++] = strdup(entry->d_name)))
                        die(path);
        }
        closedir(dir);
        if (names.n)
                qsort(names.all, names.n, sizeof(*names.all), by_name);
        return names;
}

static void names_free(struct names *names) {
        for (size_t i = 0; i < names->n; i++)
                free(names->all[i]);
        free(names->all);
}

/* ---- links of one file ------------------------------------------------------------------------------------------- */

struct pair {
        dev_t from_dev, to_dev;
        ino_t from, to;
};
static struct pair *pairs;
static size_t n_pairs;

/* Every file with several names, by the inode it has here and there: each must be known with the other only. */
static void compare_links(const char *path, const struct stat *a, const struct stat *b) {
        if (a->st_nlink != b->st_nlink)
                differs(path, "%lu links instead of %lu", (unsigned long)b->st_nlink, (unsigned long)a->st_nlink);
        if (a->st_nlink < 2)
                return;
        for (size_t i = 0; i < n_pairs; i++) {
                bool from = pairs[i].from == a->st_ino && pairs[i].from_dev == a->st_dev;
                bool to = pairs[i].to == b->st_ino && pairs[i].to_dev == b->st_dev;
                if (from && to)
                        return;
                if (from || to) {
                        differs(path, from ? "is not linked with its other names" : "is linked with another file");
                        return;
                }
        }
        if (n_pairs % 64 == 0 && !(pairs = realloc(pairs, (n_pairs + 64) * sizeof(*pairs))))
                die(path);
        pairs[n_pairs++] =
                (struct pair){.from_dev = a->st_dev, .to_dev = b->st_dev, .from = a->st_ino, .to = b->st_ino};
}

/* ---- one object -------------------------------------------------------------------------------------------------- */

static void compare_contents(const char *path, const char *a, const char *b) {
        static char left[1 << 18], right[1 << 18];
        int from = open(a, O_RDONLY | O_NOFOLLOW), to = open(b, O_RDONLY | O_NOFOLLOW);
        uint64_t offset = 0;

        if (from < 0)
                die(a);
        if (to < 0)
                die(b);
        for (;;) {
                ssize_t n = read(from, left, sizeof(left)), m = read(to, right, sizeof(right));
                if (n < 0 || m < 0)
                        die(path);
                if (n != m || memcmp(left, right, (size_t)n) != 0) {
                        differs(path, "contents, within %zu bytes of %" PRIu64, sizeof(left), offset);
                        break;
                }
                if (n == 0)
                        break;
                offset += (uint64_t)n;
        }
        close(from);
        close(to);
}

static void compare_text(const char *path, const char *a, const char *b) {
        char left[4097], right[4097];
        ssize_t n = readlink(a, left, sizeof(left)), m = readlink(b, right, sizeof(right));

        if (n < 0 || m < 0)
                die(path);
        if (n != m || memcmp(left, right, (size_t)n) != 0)
                differs(path, "the text of the link");
}

/* The names in A must be in B with the same value; called both ways. */
static void compare_attributes(const char *path, const char *a, const char *b) {
        char names[65536];
        static char left[65536], right[65536];
        ssize_t len = llistxattr(a, names, sizeof(names));

        if (len < 0) {
                if (errno != EOPNOTSUPP)
                        die(a);
                return;
        }
        for (const char *name = names; name < names + len; name += strlen(name) + 1) {
                ssize_t n, m;
                /* Labels are the system's own; on XFS root sees ACLs under second names. */
                if (strncmp(name, "security.", 9) == 0 || strncmp(name, "trusted.SGI_ACL_", 16) == 0)
                        continue;
                n = lgetxattr(a, name, left, sizeof(left));
                m = lgetxattr(b, name, right, sizeof(right));
                if (n < 0)
                        die(a);
                if (m < 0)
                        differs(path, "the attribute %s is on one side only", name);
                else if (n != m || memcmp(left, right, (size_t)n) != 0)
                        differs(path, "the value of the attribute %s", name);
        }
}

static void compare_regular(const char *path, const char *a, const char *b, const struct stat *as,
                            const struct stat *bs) {
        uint64_t used_a = (uint64_t)as->st_blocks * 512, used_b = (uint64_t)bs->st_blocks * 512;

        if (as->st_size != bs->st_size) {
                differs(path, "%lld bytes instead of %lld", (long long)bs->st_size, (long long)as->st_size);
                return;
        }
        compare_contents(path, a, b);
        if (used_a < (uint64_t)as->st_size && used_b > used_a + HOLE_SLACK_BYTES)
                differs(path, "its holes: %" PRIu64 " bytes are taken instead of %" PRIu64, used_b, used_a);
}

static bool same_time(const struct timespec *a, const struct timespec *b) {
        return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

static void compare_metadata(const char *path, const char *a, const char *b, const struct stat *as,
                             const struct stat *bs) {
        if (!ignore_owners && (as->st_uid != bs->st_uid || as->st_gid != bs->st_gid))
                differs(path, "owner %u:%u instead of %u:%u", bs->st_uid, bs->st_gid, as->st_uid, as->st_gid);
        if (!ignore_times && !same_time(&as->st_mtim, &bs->st_mtim))
                differs(path, "time %lld.%09ld instead of %lld.%09ld", (long long)bs->st_mtim.tv_sec,
                        bs->st_mtim.tv_nsec, (long long)as->st_mtim.tv_sec, as->st_mtim.tv_nsec);
        if (ignore_modes)
                return;
        if (as->st_mode != bs->st_mode)
                differs(path, "mode %o instead of %o", bs->st_mode & 07777, as->st_mode & 07777);
        compare_attributes(path, a, b);
        compare_attributes(path, b, a);
}

static void compare(char *a, char *b, size_t skip);

static char *append(char *path, const char *name) {
        char *end = path + strlen(path);

        if ((size_t)snprintf(end, (size_t)(path + PATH_BYTES - end), "/%s", name) >=
            (size_t)(path + PATH_BYTES - end)) {
                errno = ENAMETOOLONG;
                die(path);
        }
        return end;
}

static void compare_directory(char *a, char *b, size_t skip) {
        struct names left = list(a), right = list(b);
        size_t i = 0, j = 0;

        while (i < left.n || j < right.n) {
                int order = i == left.n ? 1 : j == right.n ? -1 : strcmp(left.all[i], right.all[j]);
                const char *name = order <= 0 ? left.all[i] : right.all[j];
                char *end_a = append(a, name), *end_b = append(b, name);
                if (order == 0)
                        compare(a, b, skip);
                else
                        differs(a + skip, order < 0 ? "is missing" : "should not be there");
                *end_a = *end_b = 0;
                i += order <= 0;
                j += order >= 0;
        }
        names_free(&left);
        names_free(&right);
}

static void compare(char *a, char *b, size_t skip) {
        const char *path = a + skip;
        struct stat as, bs;

        objects++;
        if (lstat(a, &as) < 0)
                die(a);
        if (lstat(b, &bs) < 0) {
                differs(path, "is missing");
                return;
        }
        if ((as.st_mode & S_IFMT) != (bs.st_mode & S_IFMT)) {
                differs(path, "its type");
                return;
        }
        compare_metadata(path, a, b, &as, &bs);
        if (S_ISDIR(as.st_mode)) {
                compare_directory(a, b, skip);
                return;
        }
        compare_links(path, &as, &bs);
        if (S_ISREG(as.st_mode))
                compare_regular(path, a, b, &as, &bs);
        else if (S_ISLNK(as.st_mode))
                compare_text(path, a, b);
        else if (as.st_rdev != bs.st_rdev && (S_ISCHR(as.st_mode) || S_ISBLK(as.st_mode)))
                differs(path, "device %u:%u instead of %u:%u", major(bs.st_rdev), minor(bs.st_rdev), major(as.st_rdev),
                        minor(as.st_rdev));
}

/* ---- lists ------------------------------------------------------------------------------------------------------- */

static void show(char *path, size_t skip) {
        struct statx sx;

        if (statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS | STATX_BTIME, &sx) < 0)
                die(path);
        if (S_ISDIR(sx.stx_mode)) {
                struct names names = list(path);
                for (size_t i = 0; i < names.n; i++) {
                        char *end = append(path, names.all[i]);
                        show(path, skip);
                        *end = 0;
                }
                names_free(&names);
                return;
        }
        printf("%" PRIu64 " %lld.%09u ", (uint64_t)sx.stx_ino, (long long)sx.stx_btime.tv_sec, sx.stx_btime.tv_nsec);
        for (const unsigned char *c = (const unsigned char *)path + skip; *c; c++)
                printf("%02x", *c);
        putchar('\n');
}

int main(int argc, char **argv) {
        static char a[PATH_BYTES], b[PATH_BYTES];
        bool lists = false;
        int option;

        while ((option = getopt(argc, argv, "lotm")) != -1) {
                lists = lists || option == 'l';
                ignore_owners = ignore_owners || option == 'o';
                ignore_times = ignore_times || option == 't';
                ignore_modes = ignore_modes || option == 'm';
                if (option == '?')
                        return 2;
        }
        if (argc - optind != (lists ? 1 : 2))
                return 2;
        snprintf(a, sizeof(a), "%s", argv[optind]);
        if (lists) {
                show(a, strlen(a));
                return 0;
        }
        snprintf(b, sizeof(b), "%s", argv[optind + 1]);
        compare(a, b, strlen(a));
        if (differences > 20)
                printf("and %u more\n", differences - 20);
        printf("%" PRIu64 " objects compared, %u differences\n", objects, differences);
        free(pairs);
        return differences ? 1 : 0;
}
