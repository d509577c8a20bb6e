/* SPDX-License-Identifier: MIT */
/*
 * mounts.c: what kind of filesystem a mount holds: answers at once, may hang, or not to be touched. Found out once per
 * mount by whoever may block, then known by the mount's id.
 *
 * Kernels since 6.8 give ids that never come again. Before, a client could have an id recycled in a mount namespace
 * of its own, where nobody tells us of it: there, what a client passed is never answered from the cache.
 */
#include "backends/linux/sys_linux.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#ifndef STATX_MNT_ID
#define STATX_MNT_ID 0x1000U
#endif

#define SLOTS 512u                   /* a power of two */
#define TABLE_BYTES_MAX (256u << 10) /* of a mount table that is searched */

/* A filesystem's nature; client-made mounts of a stacked one may lie upon anything. */
enum nature { NATURE_LOCAL, NATURE_MEMORY, NATURE_STACKED, NATURE_SLOW, NATURE_FORBIDDEN };

static const struct {
        uint64_t magic;
        const char *name;
        enum nature nature;
} filesystems[] = {
        {0xef53, "ext4", NATURE_LOCAL},
        {0x58465342, "xfs", NATURE_LOCAL},
        {0x9123683e, "btrfs", NATURE_LOCAL},
        {0x01021994, "tmpfs", NATURE_MEMORY},
        {0x858458f6, "ramfs", NATURE_MEMORY},
        {0xf2f52010, "f2fs", NATURE_LOCAL},
        {0x2fc12fc1, "zfs", NATURE_LOCAL},
        {0xca451a4e, "bcachefs", NATURE_LOCAL},
        {0x73717368, "squashfs", NATURE_LOCAL},
        {0xe0f5e1e2, "erofs", NATURE_LOCAL},
        {0x9660, "iso9660", NATURE_LOCAL},
        {0x15013346, "udf", NATURE_LOCAL},
        {0x4d44, "vfat", NATURE_LOCAL},
        {0x2011bab0, "exfat", NATURE_LOCAL},
        {0x7366746e, "ntfs3", NATURE_LOCAL},
        {0x3153464a, "jfs", NATURE_LOCAL},
        {0x3434, "nilfs2", NATURE_LOCAL},
        {0x1cd1, "devpts", NATURE_MEMORY},
        {0x50495045, "pipefs", NATURE_MEMORY},
        {0x534f434b, "sockfs", NATURE_MEMORY},
        {0x794c7630, "overlay", NATURE_STACKED},
        {0xf15f, "ecryptfs", NATURE_STACKED},
        {0x9fa0, "proc", NATURE_FORBIDDEN},
        {0x65735546, "fuse", NATURE_SLOW},
        {0x6969, "nfs", NATURE_SLOW},
        {0xff534d42, "cifs", NATURE_SLOW},
        {0xfe534d42, "smb3", NATURE_SLOW},
        {0x01021997, "9p", NATURE_SLOW},
        {0x00c36400, "ceph", NATURE_SLOW},
        {0x5346414f, "afs", NATURE_SLOW},
        {0x6b414653, "afs", NATURE_SLOW},
        {0x0bd00bd0, "lustre", NATURE_SLOW},
        {0x73757245, "coda", NATURE_SLOW},
        {0x7461636f, "ocfs2", NATURE_SLOW},
        {0x01161970, "gfs2", NATURE_SLOW},
        {0x47504653, "gpfs", NATURE_SLOW},
        {0x0187, "autofs", NATURE_SLOW},
        /* In memory, but what a read, a write or a file's length sets off there takes its time: memory.reclaim, huge
           pages. */
        {0x958458f6, "hugetlbfs", NATURE_SLOW},
        {0x62656572, "sysfs", NATURE_SLOW},
        {0x27e0eb, "cgroup", NATURE_SLOW},
        {0x63677270, "cgroup2", NATURE_SLOW},
};

static struct {
        uint64_t mnt_id; /* 0: free */
        uint64_t plain_id;
        enum nature nature;
        bool demoted;
} slots[SLOTS];
static uint32_t n_used;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static uint32_t times_forgotten; /* atomic; written under the lock */

/* What each thread asked for last, which is mostly what it asks for next: workers need not wait for each other's
 * lock. */
static _Thread_local struct {
        uint64_t mnt_id; /* 0: nothing */
        uint64_t plain_id;
        enum nature nature;
        bool demoted;
        uint32_t times_forgotten;
} last;

/* Unique ids begin beyond 32 bits (fs/namespace.c starts them at 2^32 - or at 2^31 since 6.15), plain ones far
 * below. */
static bool id_is_unique(uint64_t mnt_id) {
        return mnt_id >= UINT64_C(1) << 31;
}

static const char *name_and_nature(uint64_t magic, enum nature *ret_nature) {
        for (size_t i = 0; i < sizeof(filesystems) / sizeof(filesystems[0]); i++)
                if (filesystems[i].magic == magic) {
                        *ret_nature = filesystems[i].nature;
                        return filesystems[i].name;
                }
        *ret_nature = NATURE_SLOW; /* whoever is not known may hang */
        return NULL;
}

const char *mounts_fs_name(uint64_t magic) {
        enum nature nature;

        return name_and_nature(magic, &nature);
}

static enum fs_class class_of(enum nature nature, bool client) {
        switch (nature) {
        case NATURE_LOCAL:
        case NATURE_MEMORY:
                return FS_LOCAL;
        case NATURE_STACKED:
                return client ? FS_SLOW : FS_LOCAL;
        case NATURE_FORBIDDEN:
                return FS_FORBIDDEN;
        case NATURE_SLOW:
                break;
        }
        return FS_SLOW;
}

static uint32_t slot_of(uint64_t mnt_id) {
        uint32_t i = (uint32_t)(mnt_id * UINT64_C(0x9e3779b97f4a7c15) >> 40) & (SLOTS - 1);

        while (slots[i].mnt_id != 0 && slots[i].mnt_id != mnt_id)
                i = (i + 1) & (SLOTS - 1);
        return i;
}

/* Whether `last` is about this mount now. */
static bool find(uint64_t mnt_id) {
        uint32_t i;

        if (last.mnt_id == mnt_id && last.times_forgotten == __atomic_load_n(&times_forgotten, __ATOMIC_ACQUIRE))
                return true;
        pthread_mutex_lock(&lock);
        i = slot_of(mnt_id);
        last.mnt_id = slots[i].mnt_id;
        last.plain_id = slots[i].plain_id;
        last.nature = slots[i].nature;
        last.demoted = slots[i].demoted;
        last.times_forgotten = times_forgotten;
        pthread_mutex_unlock(&lock);
        return last.mnt_id == mnt_id;
}

enum fs_class mounts_look(uint64_t mnt_id, bool client, bool *ret_in_memory, bool *ret_demoted) {
        *ret_in_memory = *ret_demoted = false;
        if (mnt_id == 0 || (client && !id_is_unique(mnt_id)) || !find(mnt_id))
                return FS_UNKNOWN;
        *ret_in_memory = last.nature == NATURE_MEMORY;
        *ret_demoted = last.demoted;
        return class_of(last.nature, client);
}

enum fs_class mounts_class(uint64_t mnt_id, bool client) {
        bool in_memory, demoted;

        return mounts_look(mnt_id, client, &in_memory, &demoted);
}

uint64_t sys_mount_demote(uint64_t mnt_id, bool demoted) {
        uint32_t i;

        pthread_mutex_lock(&lock);
        i = slot_of(mnt_id);
        if (mnt_id != 0 && slots[i].mnt_id == mnt_id)
                slots[i].demoted = demoted;
        __atomic_store_n(&times_forgotten, times_forgotten + 1, __ATOMIC_RELEASE); /* so that all threads look again */
        pthread_mutex_unlock(&lock);
        return mounts_plain_id(mnt_id);
}

uint64_t mounts_plain_id(uint64_t mnt_id) {
        if (!id_is_unique(mnt_id))
                return mnt_id;
        return find(mnt_id) ? last.plain_id : 0;
}

/* Under the lock. */
static void forget(void) {
        memset(slots, 0, sizeof(slots));
        n_used = 0;
        __atomic_store_n(&times_forgotten, times_forgotten + 1, __ATOMIC_RELEASE);
}

static void remember(uint64_t mnt_id, uint64_t plain_id, enum nature nature) {
        uint32_t i;

        pthread_mutex_lock(&lock);
        if (n_used > SLOTS / 2)
                forget();
        i = slot_of(mnt_id);
        if (slots[i].mnt_id == 0)
                n_used++;
        slots[i].mnt_id = mnt_id;
        slots[i].plain_id = plain_id;
        slots[i].nature = nature;
        pthread_mutex_unlock(&lock);
}

enum fs_class mounts_learn(int fd, uint64_t mnt_id, bool client) {
        struct statfs fs;
        struct statx sx;
        enum nature nature;

        if (fstatfs(fd, &fs) < 0)
                return FS_UNKNOWN;
        name_and_nature((uint64_t)(unsigned long)fs.f_type & UINT32_MAX, &nature);
        if (mnt_id != 0 && statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_MNT_ID, &sx) == 0)
                remember(mnt_id, sx.stx_mnt_id, nature);
        return class_of(nature, client);
}

/* Of the namespace in which paths are resolved. */
static int open_mount_table(void) {
        int fd = -1;

        identity_wear_service();
        if (!service.own_root)
                fd = open("/proc/1/mountinfo", O_RDONLY | O_CLOEXEC);
        return fd < 0 ? open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC) : fd;
}

os_fd sys_mount_watch(void) {
        int fd = open_mount_table();

        return fd < 0 ? OS_FD_NONE : fd;
}

/* ---- what is mounted below --------------------------------------------------------------------------------------- */

/* The whole table as a string, malloc'd; NULL: it cannot be read, or is too long to be searched for every directory. */
static char *read_mount_table(void) {
        char *table = malloc(TABLE_BYTES_MAX);
        int fd = table != NULL ? open_mount_table() : -1;
        size_t len = 0;
        ssize_t n = -1;

        while (fd >= 0 && len < TABLE_BYTES_MAX && (n = read(fd, table + len, TABLE_BYTES_MAX - len)) > 0)
                len += (size_t)n;
        if (fd >= 0)
                close(fd);
        if (n != 0 || len == TABLE_BYTES_MAX) {
                free(table);
                return NULL;
        }
        table[len] = 0;
        return table;
}

/* Spaces and the like are \ooo in the table. */
static void unescape(char *text) {
        char *out = text;

        for (; *text != 0; text++) {
                if (text[0] == '\\' && strspn(text + 1, "01234567") >= 3) {
                        *out++ = (char)((text[1] - '0') << 6 | (text[2] - '0') << 3 | (text[3] - '0'));
                        text += 3;
                } else {
                        *out++ = *text;
                }
        }
        *out = 0;
}

static bool lies_below(const char *path, const char *above) {
        size_t len = strcmp(above, "/") == 0 ? 0 : strlen(above);

        return strncmp(path, above, len) == 0 && path[len] == '/' && path[len + 1] != 0;
}

/* The table must know the mount that PATH is on, too, and by PATH: else the two do not speak of the same root. */
static bool table_has_none_below(char *table, const char *path, uint64_t plain_id) {
        bool knows_own = false;
        char *line;

        while ((line = strsep(&table, "\n")) != NULL && *line != 0) {
                uint64_t id = strtoull(line, NULL, 10);
                char *point = line;

                for (int field = 0; field < 4 && point != NULL; field++)
                        strsep(&point, " ");
                point = strsep(&point, " ");
                if (point == NULL)
                        return false;
                unescape(point);
                if (lies_below(point, path))
                        return false;
                knows_own = knows_own || (id == plain_id && (strcmp(path, point) == 0 || lies_below(path, point)));
        }
        return knows_own;
}

bool mounts_none_below(int fd, uint64_t mnt_id) {
        uint64_t plain_id = mounts_plain_id(mnt_id);
        char link[64], path[PATH_MAX];
        char *table = plain_id != 0 ? read_mount_table() : NULL;
        bool none = false;
        ssize_t len;

        snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
        len = table != NULL ? readlink(link, path, sizeof(path)) : -1;
        if (len > 0 && (size_t)len < sizeof(path)) {
                path[len] = 0;
                none = table_has_none_below(table, path, plain_id);
        }
        free(table);
        return none;
}

void sys_mounts_changed(void) {
        pthread_mutex_lock(&lock);
        if (n_used > 0 && !id_is_unique(service.root_mnt_id))
                forget();
        pthread_mutex_unlock(&lock);
}

/* ---- what users may do ------------------------------------------------------------------------------------------- */

static bool others_may(const char *path, unsigned mode) {
        struct stat st;

        return stat(path, &st) == 0 && (st.st_uid != 0 || (st.st_mode & mode) != 0);
}

static bool is_set_uid(const char *path) {
        struct stat st;

        return stat(path, &st) == 0 && (st.st_mode & S_ISUID) != 0;
}

/* A mount in a user namespace is nowhere to be seen, so whoever may begin one counts. */
static bool others_may_serve_fuse(void) {
        return others_may("/dev/fuse", S_IRWXG | S_IRWXO) || is_set_uid("/usr/bin/fusermount3") ||
               is_set_uid("/usr/bin/fusermount") || is_set_uid("/bin/fusermount");
}

static bool others_may_fault_in_user_space(void) {
        char allowed = 0;
        int fd = open("/proc/sys/vm/unprivileged_userfaultfd", O_RDONLY | O_CLOEXEC);

        if (fd >= 0 && read(fd, &allowed, 1) != 1)
                allowed = '1';
        sys_close(fd);
        return allowed == '1' || others_may("/dev/userfaultfd", S_IRWXG | S_IRWXO);
}

/* fuse, fuse.NAME or fuseblk, which root may have mounted for a server that is somebody else's. */
static bool fuse_is_mounted(void) {
        static const char type[] = " - fuse";
        char *table = read_mount_table();
        bool found = table == NULL;

        for (const char *at = table; !found && at != NULL && (at = strstr(at, type)) != NULL; at += sizeof(type) - 1)
                found = strncmp(at + sizeof(type) - 1, "ctl ", 4) != 0;
        free(table);
        return found;
}

/* The kernel reads and writes a caller's memory with the lock of the file held: memory that a FUSE server, or a
 * userfaultfd, never provides keeps it. */
bool sys_locks_may_be_kept(void) {
        identity_wear_service();
        return others_may_serve_fuse() || others_may_fault_in_user_space() || fuse_is_mounted();
}

void mounts_stop(void) {
        pthread_mutex_lock(&lock);
        forget();
        pthread_mutex_unlock(&lock);
}
