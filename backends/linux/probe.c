/* SPDX-License-Identifier: MIT */
/*
 * probe.c: what a filesystem can do, found without writing to it: by asking where there is a question that changes
 * nothing, by the kind of filesystem where its kind settles it, and "unknown" for the rest.
 */
#include "backends/linux/sys_linux.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#define MAGIC_EXT 0xef53u
#define MAGIC_XFS 0x58465342u
#define MAGIC_BTRFS 0x9123683eu
#define MAGIC_TMPFS 0x01021994u
#define MAGIC_F2FS 0xf2f52010u
#define MAGIC_BCACHEFS 0xca451a4eu
#define MAGIC_VFAT 0x4d44u

/* From linux/xfs_fs.h of xfsprogs: the part of the geometry that tells about shared extents. */
struct xfs_geometry {
        uint32_t before_flags[23];
        uint32_t flags;
        uint32_t after_flags[40];
};
_Static_assert(sizeof(struct xfs_geometry) == 256, "the size of struct xfs_fsop_geom");
#define XFS_GEOMETRY_CALL _IOR('X', 126, struct xfs_geometry)
#define XFS_GEOMETRY_REFLINK (1u << 20)

struct probe {
        struct support *features;
        uint32_t n, n_max;
        const struct place *place;
        uint64_t magic;
};

static struct bytes text(const char *string) {
        return (struct bytes){(const uint8_t *)string, strlen(string)};
}

static void add(struct probe *probe, const char *name, enum fsop_support_level level, const char *note) {
        if (probe->n == probe->n_max)
                return;
        probe->features[probe->n++] =
                (struct support){.verb = FSOP_VERB_NONE, .feature = text(name), .level = level, .note = text(note)};
}

/* ---- by the kind of filesystem ----------------------------------------------------------------------------------- */

/* Modes in the order of fsop_fallocate_mode; kernels since 6.1. */
static const struct {
        uint64_t magic;
        bool has[6];
} fallocates[] = {
        {MAGIC_EXT, {true, true, true, true, true, false}},     {MAGIC_XFS, {true, true, true, true, true, true}},
        {MAGIC_BTRFS, {true, true, true, false, false, false}}, {MAGIC_TMPFS, {true, true, false, false, false, false}},
        {MAGIC_F2FS, {true, true, true, true, true, false}},    {MAGIC_VFAT, {true, false, false, false, false, false}},
};

static void add_fallocate(struct probe *probe) {
        static const char *const names[] = {"fallocate-allocate",     "fallocate-punch-hole",
                                            "fallocate-zero-range",   "fallocate-collapse-range",
                                            "fallocate-insert-range", "fallocate-unshare-range"};
        const bool *has = NULL;

        for (size_t i = 0; i < sizeof(fallocates) / sizeof(fallocates[0]); i++)
                if (fallocates[i].magic == probe->magic)
                        has = fallocates[i].has;
        for (size_t i = 0; i < 6; i++) {
                if (has == NULL)
                        add(probe, names[i], FSOP_SUPPORT_UNKNOWN, "cannot be told without writing");
                else
                        add(probe, names[i], has[i] ? FSOP_SUPPORT_NATIVE : FSOP_SUPPORT_UNSUPPORTED,
                            "by the kind of filesystem");
        }
}

static void add_time_resolution(struct probe *probe) {
        switch (probe->magic) {
        case MAGIC_XFS:
        case MAGIC_BTRFS:
        case MAGIC_TMPFS:
        case MAGIC_F2FS:
        case MAGIC_BCACHEFS:
                add(probe, "ns-times", FSOP_SUPPORT_NATIVE, "by the kind of filesystem");
                return;
        case MAGIC_EXT:
                /* 128-byte inodes have room for neither nanoseconds nor birth times */
                if (probe->place->stat.mask & FSOP_STAT_BTIME)
                        add(probe, "ns-times", FSOP_SUPPORT_NATIVE, "its inodes are large enough");
                else
                        add(probe, "ns-times", FSOP_SUPPORT_UNSUPPORTED, "its inodes have no room for them");
                return;
        case MAGIC_VFAT:
                add(probe, "ns-times", FSOP_SUPPORT_UNSUPPORTED, "times are kept to two seconds");
                return;
        default:
                add(probe, "ns-times", FSOP_SUPPORT_UNKNOWN, "cannot be told without writing");
        }
}

/* ---- by asking --------------------------------------------------------------------------------------------------- */

static void add_xfs_reflink(struct probe *probe) {
        struct xfs_geometry geometry;
        int directory = stat_is_directory(&probe->place->stat) ? O_DIRECTORY : 0, fd = -EINVAL;

        if (directory != 0 || posix_file_type(probe->place->stat.mode) == FSOP_TYPE_REGULAR)
                fd = lookup_reopen(probe->place->object, O_RDONLY | directory);
        memset(&geometry, 0, sizeof(geometry));
        if (fd < 0 || ioctl(fd, XFS_GEOMETRY_CALL, &geometry) < 0)
                add(probe, "reflink", FSOP_SUPPORT_UNKNOWN, "the filesystem could not be asked as this user");
        else if (geometry.flags & XFS_GEOMETRY_REFLINK)
                add(probe, "reflink", FSOP_SUPPORT_NATIVE, "made with reflink=1");
        else
                add(probe, "reflink", FSOP_SUPPORT_UNSUPPORTED, "made with reflink=0");
        if (fd >= 0)
                close(fd);
}

static void add_reflink(struct probe *probe) {
        switch (probe->magic) {
        case MAGIC_XFS:
                add_xfs_reflink(probe);
                return;
        case MAGIC_BTRFS:
        case MAGIC_BCACHEFS:
                add(probe, "reflink", FSOP_SUPPORT_NATIVE, "by the kind of filesystem");
                return;
        case MAGIC_EXT:
        case MAGIC_TMPFS:
        case MAGIC_F2FS:
        case MAGIC_VFAT:
                add(probe, "reflink", FSOP_SUPPORT_UNSUPPORTED, "by the kind of filesystem");
                return;
        default:
                add(probe, "reflink", FSOP_SUPPORT_UNKNOWN, "cannot be told without writing");
        }
}

/* Asking for an attribute that is not there answers ENODATA where attributes of its kind can be. */
static void add_attribute(struct probe *probe, const char *name, const char *attribute) {
        if (getxattr(fd_path(probe->place->object).text, attribute, NULL, 0) >= 0 || errno == ENODATA)
                add(probe, name, FSOP_SUPPORT_NATIVE, "asked");
        else if (errno == EOPNOTSUPP)
                add(probe, name, FSOP_SUPPORT_UNSUPPORTED, "asked");
        else
                add(probe, name, FSOP_SUPPORT_UNKNOWN, "could not be asked here as this user");
}

static void add_limits(struct probe *probe, const struct statfs *fs) {
        if (probe->place->stat.mask & FSOP_STAT_BTIME)
                add(probe, "btime", FSOP_SUPPORT_NATIVE, "asked");
        else
                add(probe, "btime", FSOP_SUPPORT_UNSUPPORTED, "asked");
        add(probe, "names-of-255-bytes", fs->f_namelen >= 255 ? FSOP_SUPPORT_NATIVE : FSOP_SUPPORT_UNSUPPORTED,
            "asked");
}

int sys_probe(const struct place *place, const char **ret_fs_name, struct support *ret_features,
              uint32_t features_max) {
        struct probe probe = {.features = ret_features, .n_max = features_max, .place = place};
        struct statfs fs;
        const char *name;
        int r;

        if (fstatfs((int)place->object, &fs) < 0)
                return error_from_errno(errno);
        r = identity_wear(place->identity);
        if (r < 0)
                return r;
        probe.magic = (uint64_t)(unsigned long)fs.f_type & UINT32_MAX;
        name = mounts_fs_name(probe.magic);
        *ret_fs_name = name != NULL ? name : "unknown";
        add_reflink(&probe);
        add_fallocate(&probe);
        add_attribute(&probe, "xattr-user", "user.fsop.probe");
        add_attribute(&probe, "acl", "system.posix_acl_access");
        add_time_resolution(&probe);
        add_limits(&probe, &fs);
        return (int)probe.n;
}
