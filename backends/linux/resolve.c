/* SPDX-License-Identifier: MIT */
/*
 * resolve.c: locations to pinned objects, as the caller or with a rule's rights.
 *
 * As caller the kernel resolves the whole path with the caller's credentials; all that is added is that magic links are
 * not followed and that "/" is the reference root. With a rule's rights everything starts at a held directory and stays
 * beneath it, the last component is opened without following, and what guard.c demands is checked on what is pinned.
 */
#include "backends/linux/sys_linux.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#ifdef FSOP_TEST_WEAK_RESOLVER /* only for the test that shows what the protection is good for */
#define STAY_BENEATH 0
#define LEAF_FLAGS (uint64_t) O_PATH
#else
#define STAY_BENEATH (uint64_t) RESOLVE_BENEATH
#define LEAF_FLAGS (uint64_t)(O_PATH | O_NOFOLLOW)
#endif

/* ---- what is on the way ------------------------------------------------------------------------------------------ */

/* Which kind of filesystem it is; nothing is done on procfs. */
static int check_filesystem(struct sys_op *op, struct place *place, int fd, struct fsop_stat *stat, unsigned flags) {
        enum fs_class fs = mounts_look(stat->mnt_id, place->base_is_client_fd, &place->in_memory, &place->demoted);
        int r;

        if (fs != FS_FORBIDDEN && (fs != FS_LOCAL || place->demoted) && (flags & (SYS_CACHED_ONLY | SYS_LOCAL_ONLY))) {
                op->held_up_by = stat->mnt_id;
                return op->code = -FSOP_EAGAIN;
        }
        if (fs == FS_UNKNOWN)
                fs = mounts_learn(fd, stat->mnt_id, place->base_is_client_fd);
        if (fs == FS_FORBIDDEN)
                return op_refused(op, -FSOP_EACCES, "procfs is out of reach");
        if (fs != FS_LOCAL) {
                r = lookup_stat(fd, "", true, stat);
                if (r < 0)
                        return op_failed(op, -r);
        }
        place->fs = fs;
        place->mnt_id = stat->mnt_id;
        return 0;
}

/* Takes fd as the place's object. */
static int take_object(struct sys_op *op, struct place *place, int fd, bool borrowed, unsigned flags) {
        int r;

        place->object = fd;
        place->object_borrowed = borrowed;
        r = lookup_stat(fd, "", false, &place->stat);
        if (r < 0)
                return op_failed(op, -r);
        r = check_filesystem(op, place, fd, &place->stat, flags);
        if (r < 0)
                return r;
        place->has_stat = true;
        return 0;
}

static void place_close_object(struct place *place) {
        if (!place->object_borrowed)
                sys_close(place->object);
        place->object = OS_FD_NONE;
        place->object_borrowed = false;
        place->has_stat = false;
}

static int wear(struct sys_op *op, struct identity *identity) {
        int r = identity_wear(identity);

        return r < 0 ? op_refused(op, r, "the identity could not be taken") : 0;
}

/* ---- paths ------------------------------------------------------------------------------------------------------- */

/* Where the last component begins; it keeps its slashes behind, so that the kernel judges them. */
static size_t leaf_offset(const char *path, size_t len) {
        while (len > 0 && path[len - 1] == '/')
                len--;
        while (len > 0 && path[len - 1] != '/')
                len--;
        return len;
}

static bool is_plain_name(const char *name) {
        return name[0] != 0 && strchr(name, '/') == NULL && strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

static int start_of(const struct place *place, uint64_t *ret_resolve) {
        *ret_resolve = RESOLVE_NO_MAGICLINKS;
        if (place->base == OS_FD_NONE) {
                *ret_resolve |= RESOLVE_IN_ROOT;
                return service.root_fd;
        }
        if (place->guard != NULL) {
                *ret_resolve |= STAY_BENEATH;
                if (guard_stays_on_mount(place))
                        *ret_resolve |= RESOLVE_NO_XDEV;
        } else if (!place->may_leave_base || !service.own_root) {
                *ret_resolve |= RESOLVE_BENEATH;
        }
        return (int)place->base;
}

/* Where a way leads nobody knows before it was gone: what may only touch local filesystems goes by the cache. */
static unsigned flags_on_the_way(unsigned flags) {
        return flags & SYS_LOCAL_ONLY ? flags | SYS_CACHED_ONLY : flags;
}

uint64_t resolve_of_leaf(const struct place *place) {
        uint64_t resolve = RESOLVE_NO_MAGICLINKS;

        if (place->guard == NULL)
                return resolve | (place->base == OS_FD_NONE || !place->may_leave_base ? RESOLVE_BENEATH : 0);
        return resolve | STAY_BENEATH | (guard_stays_on_mount(place) ? RESOLVE_NO_XDEV : 0);
}

/* Pins one name in the place's parent. A plain name that is not followed leads nowhere else: then the simpler call will
 * do, which costs two thirds of openat2 with its checks (1.1 and 1.5 us). */
static int open_leaf(const struct place *place, const char *name, uint64_t open_flags, unsigned flags) {
        uint64_t resolve = resolve_of_leaf(place);

        if ((flags & SYS_CACHED_ONLY) || (resolve & RESOLVE_NO_XDEV) || !(open_flags & O_NOFOLLOW) ||
            !is_plain_name(name))
                return lookup_open((int)place->parent, name, open_flags, 0, resolve, flags);
        return lookup_open_name((int)place->parent, name, open_flags);
}

/*
 * Of the last name in a parent that is pinned. To ask whether the cache knows it takes openat2 and a descriptor; where
 * the filesystem is local, and no mount (of a server that may be gone) can be on the name, the simple calls wait for
 * nothing but a disk.
 */
static unsigned flags_of_leaf(const struct place *place, unsigned flags) {
        if (!(flags & SYS_TRY_LEAF) || !place->guard->root->one_mount || place->fs != FS_LOCAL)
                return flags;
        return (flags & ~(unsigned)SYS_CACHED_ONLY) | SYS_LOCAL_ONLY;
}

int resolve_failed(struct sys_op *op, const struct place *place, int error) {
        if (error == EXDEV && place->guard != NULL)
                return op_guarded(op, -FSOP_EXDEV, "it leads out of the rule's directory, or to another filesystem");
        if (error == EXDEV)
                return op_failed(op, error), op->why = "it leads out of the directory it starts in", op->code;
        return op_failed(op, error);
}

/* ---- parents ----------------------------------------------------------------------------------------------------- */

static int check_parent(struct sys_op *op, struct place *place, struct fsop_stat *stat, unsigned flags) {
        int r = check_filesystem(op, place, (int)place->parent, stat, flags);

        if (r < 0 || place->guard == NULL)
                return r;
        return guard_check_directory(op, place, place->parent, stat);
}

/* The rule's own directory, which is held, needs not be asked what it is; whose it is matters where something is
 * created. */
static bool is_known(const struct sys_op *op, const struct place *place, size_t len) {
        const struct shape *shape = shape_of(op->op);

        return len == 0 && place->guard != NULL && place->base == place->guard->root->fd && !shape_may_create(op) &&
               !shape->at_creates && !shape->to_creates;
}

static struct fsop_stat stat_of_root(const struct directory *root) {
        return (struct fsop_stat){
                .mode = S_IFDIR,
                .ino = root->ino,
                .dev_major = major(root->dev),
                .dev_minor = minor(root->dev),
                .mnt_id = root->mnt_id,
        };
}

/* The directory that a path names. Where a rule excludes something, links and ".." may lead through that, and a failure
 * may come from inside it: then it is walked step by step. Its descriptor or op's code. */
static int open_directory(struct sys_op *op, struct place *place, const char *path, unsigned flags) {
        bool excludes = place->guard != NULL && place->guard->n_excluded + place->guard->n_named > 0;
        uint64_t resolve;
        int start = start_of(place, &resolve), fd = -ELOOP;

        flags = flags_on_the_way(flags);
        if (!excludes || strstr(path, "..") == NULL)
                fd = lookup_open(start, path, O_PATH | O_DIRECTORY, 0, resolve | (excludes ? RESOLVE_NO_SYMLINKS : 0),
                                 flags);
        if (fd >= 0)
                return fd;
        if (!excludes || fd == -EAGAIN)
                return resolve_failed(op, place, -fd);
        place->followed = true;
        return way_walk(op, place, path, start, flags);
}

/* A slice opens the rule's directory for itself: workers that go by one descriptor take turns at its count. */
static bool opens_root(const struct sys_op *op, const struct place *place, size_t len, bool cacheable) {
        return len == 0 && cacheable && op->in_slice && place->guard != NULL && place->base == place->guard->root->fd;
}

/* Pins the directory that the first LEN bytes of PATH name. place's own path is what the cache knows. */
static int pin_parent(struct sys_op *op, struct place *place, const char *path, size_t len, bool cacheable,
                      unsigned flags, struct fsop_stat *ret_stat) {
        struct parent_slot *slot = cacheable ? parents_find(op->cache, place, path, len) : NULL;
        bool opens = len > 0 || opens_root(op, place, len, cacheable);
        char directory[PATH_MAX];
        int fd, r;

        if (slot != NULL) {
                slot->users++;
                place->parent = slot->fd;
                place->parent_borrowed = true;
                place->fs = slot->fs;
                place->mnt_id = slot->stat.mnt_id;
                place->in_memory = slot->in_memory;
                place->demoted = slot->demoted;
                place->followed = slot->followed;
                *ret_stat = slot->stat;
                return 0;
        }
        if (!opens) {
                place->parent = start_of(place, &(uint64_t){0});
                place->parent_borrowed = true;
        } else {
                if (len >= sizeof(directory))
                        return op_failed(op, ENAMETOOLONG);
                if (len == 0) { /* even "." may be asked of a server */
                        *ret_stat = stat_of_root(place->guard->root);
                        r = check_filesystem(op, place, start_of(place, &(uint64_t){0}), ret_stat, flags);
                        if (r < 0)
                                return r;
                }
                memcpy(directory, path, len);
                directory[len] = 0;
                fd = open_directory(op, place, len > 0 ? directory : ".", flags);
                if (fd < 0)
                        return fd;
                place->parent = fd;
        }
        if (!opens && is_known(op, place, len)) {
                *ret_stat = stat_of_root(place->guard->root);
                return check_parent(op, place, ret_stat, flags);
        }
        r = lookup_stat((int)place->parent, "", false, ret_stat);
        if (r < 0)
                return op_failed(op, -r);
        r = check_parent(op, place, ret_stat, flags);
        if (r < 0)
                return r;
        if (cacheable && !place_is_far(place) &&
            (len > 0 || (place->guard != NULL && place->base == place->guard->root->fd)))
                place->parent_borrowed = parents_keep(op->cache, place, len, (int)place->parent, ret_stat) || !opens;
        return 0;
}

static void place_close_parent(struct sys_op *op, struct place *place) {
        if (place->parent_borrowed)
                parents_give_back(op->cache, place->parent);
        else
                sys_close(place->parent);
        place->parent = OS_FD_NONE;
        place->parent_borrowed = false;
}

/* ---- stat without pinning ---------------------------------------------------------------------------------------- */

/* One statx in the parent is all a stat needs, if the name is no link to follow and no mount's: nothing is changed, so
 * what is answered is what was checked. Not on the loop, where only openat2 can say that a disk would have to be waited
 * for. */
static int stat_in_parent(struct sys_op *op, struct place *place, const char *name, bool follow,
                          const struct fsop_stat *parent, unsigned flags, bool *ret_done) {
        int r;

        *ret_done = false;
        if (op->op->verb != FSOP_VERB_STAT || (flags & SYS_CACHED_ONLY))
                return 0;
        r = lookup_stat((int)place->parent, name, place->fs != FS_LOCAL, &place->stat);
        if (r < 0)
                return resolve_failed(op, place, -r);
        if (place->stat.mnt_id != parent->mnt_id || (stat_is_link(&place->stat) && follow))
                return 0;
        place->has_stat = *ret_done = true;
        return 0;
}

/* ---- as caller --------------------------------------------------------------------------------------------------- */

/* Path names nothing but the root: what each call says of a name that is none. */
static int refuse_root(struct sys_op *op) {
        switch (op->op->verb) {
        case FSOP_VERB_UNLINK:
                return op_failed(op, EISDIR);
        case FSOP_VERB_RMDIR:
        case FSOP_VERB_RENAME:
                return op_failed(op, EBUSY);
        default:
                return op_failed(op, EEXIST);
        }
}

static int caller_pin_name(struct sys_op *op, struct place *place, unsigned flags) {
        const char *path = (const char *)place->path.data;
        size_t offset = leaf_offset(path, place->path.len);
        struct fsop_stat stat;

        if (place->path.len == 0)
                return op_failed(op, ENOENT);
        if (offset < place->path.len && path[offset] != '/')
                place->leaf = path + offset;
        if (place->leaf == NULL)
                return refuse_root(op);
        return pin_parent(op, place, path, offset, true, flags, &stat);
}

/* Whether what has the name now is freed. (A walk is long whatever it meets first.) */
static bool frees(const struct operation *op, bool is_to) {
        switch (op->verb) {
        case FSOP_VERB_UNLINK:
                return !op->args.unlink.recursive;
        case FSOP_VERB_RMDIR:
                return true;
        case FSOP_VERB_RENAME:
                return is_to && !op->args.rename.no_replace && !op->args.rename.exchange;
        default:
                return false;
        }
}

/*
 * How much is behind a name: whoever sends the operation somewhere wants to know. Only openat2 can say that a disk
 * would have to be waited for, and takes a descriptor; where that does not matter one statx will do.
 */
static int look_at(struct sys_op *op, struct place *place, unsigned flags) {
        int fd;

        if (!(flags & SYS_CACHED_ONLY) && is_plain_name(place->leaf)) {
                place->has_stat = lookup_stat((int)place->parent, place->leaf, false, &place->stat) >= 0;
                return 0;
        }
        fd = open_leaf(place, place->leaf, O_PATH | O_NOFOLLOW, flags);
        if (fd == -EAGAIN)
                return resolve_failed(op, place, -fd);
        if (fd < 0)
                return 0; /* the call will say */
        place->has_stat = lookup_stat(fd, "", false, &place->stat) >= 0;
        sys_close(fd);
        return 0;
}

/* What is freed, and what takes its place. */
static int look_at_freed(struct sys_op *op, struct place *place, unsigned flags) {
        int r = look_at(op, place, flags);

        return r < 0 || place == &op->at || !place->has_stat ? r : look_at(op, &op->at, flags);
}

/* By way of a parent that the batch shares. *ret_done false: the whole path must be walked after all. */
static int caller_pin_by_parent(struct sys_op *op, struct place *place, unsigned flags, bool *ret_done) {
        const char *path = (const char *)place->path.data;
        size_t offset = leaf_offset(path, place->path.len);
        struct fsop_stat parent;
        int fd, r;

        *ret_done = false;
        if (op->cache == NULL || offset == 0 || !is_plain_name(path + offset))
                return 0;
        r = pin_parent(op, place, path, offset, true, flags, &parent);
        if (r < 0)
                return r;
        place->leaf = path + offset;
        r = stat_in_parent(op, place, place->leaf, place->follow, &parent, flags, ret_done);
        if (r < 0 || *ret_done)
                return r;
        fd = open_leaf(place, place->leaf, O_PATH | O_NOFOLLOW, flags);
        if (fd < 0)
                return resolve_failed(op, place, -fd);
        r = take_object(op, place, fd, false, flags);
        if (r < 0)
                return r;
        if (stat_is_link(&place->stat) && shape_follows(op->op, place)) {
                place_close_object(place);
                place_close_parent(op, place);
                place->leaf = NULL;
                return 0;
        }
        if (shape_wants_directory(op->op) && !stat_is_directory(&place->stat))
                return op_failed(op, ENOTDIR);
        *ret_done = true;
        return 0;
}

static int caller_pin_object(struct sys_op *op, struct place *place, unsigned flags) {
        uint64_t resolve, open_flags = O_PATH;
        int start = start_of(place, &resolve), fd, r;
        bool done;

        r = caller_pin_by_parent(op, place, flags, &done);
        if (r < 0 || done)
                return r;
        if (!shape_follows(op->op, place))
                open_flags |= O_NOFOLLOW;
        if (shape_wants_directory(op->op))
                open_flags |= O_DIRECTORY;
        fd = lookup_open(start, (const char *)place->path.data, open_flags, 0, resolve, flags_on_the_way(flags));
        if (fd < 0)
                return resolve_failed(op, place, -fd);
        return take_object(op, place, fd, false, flags);
}

static void place_reset(struct place *place) {
        place->parent = place->object = OS_FD_NONE;
        place->parent_borrowed = place->object_borrowed = place->through_link = place->has_stat = place->followed =
                false;
        place->leaf = NULL;
        place->fs = FS_UNKNOWN;
        place->mnt_id = 0;
        place->in_memory = place->demoted = false;
}

static void place_release(struct sys_op *op, struct place *place) {
        place_close_object(place);
        place_close_parent(op, place);
        place->leaf = NULL;
}

static void forget_failure(struct sys_op *op) {
        op->code = 0;
        op->os_error = 0;
        op->why = NULL;
        op->guarded = false;
}

/* What is not there but may be made: its parent, and whether a link to nothing has its name. */
static int caller_pin_missing(struct sys_op *op, struct place *place, unsigned flags) {
        int fd, r;

        place_release(op, place);
        forget_failure(op);
        r = caller_pin_name(op, place, flags);
        if (r < 0)
                return r;
        fd = open_leaf(place, place->leaf, O_PATH | O_NOFOLLOW, flags);
        if (fd == -ENOENT || fd == -ENOTDIR || fd == -EXDEV)
                return 0; /* the creating call will say */
        if (fd < 0)
                return resolve_failed(op, place, -fd);
        r = take_object(op, place, fd, false, flags);
        if (r < 0)
                return r;
        if (stat_is_link(&place->stat) && shape_follows(op->op, place)) {
                place_close_object(place);
                place->through_link = true;
        }
        return 0;
}

/* open(2) makes no file of a name that ends in a slash, and opens none either if it might have had to make it. */
static int refuse_slashes(struct sys_op *op, struct place *place, unsigned flags) {
        int r = caller_pin_name(op, place, flags);

        return r < 0 && r != -FSOP_EEXIST /* of "/" */ ? r : op_failed(op, EISDIR);
}

static bool ends_in_slash(const struct bytes *path) {
        return path->len > 0 && path->data[path->len - 1] == '/';
}

static int resolve_as_caller(struct sys_op *op, struct place *place, enum pin pin, unsigned flags) {
        int r;

        if (place->base != OS_FD_NONE && place->path.len > 0 && place->path.data[0] == '/')
                return op_refused(op, -FSOP_EINVAL, "a path below a handle or descriptor must be relative");
        r = wear(op, place->identity);
        if (r < 0)
                return r;
        if (pin == PIN_NAME) {
                r = caller_pin_name(op, place, flags);
                return r < 0 || !frees(op->op, place == &op->to) ? r : look_at_freed(op, place, flags);
        }
        if (shape_is_open(op->op->verb) && shape_may_create(op) && ends_in_slash(&place->path))
                return refuse_slashes(op, place, flags);
        r = caller_pin_object(op, place, flags);
        if (r == -FSOP_ENOENT && pin == PIN_EITHER && shape_may_create(op) && place->path.len > 0)
                return caller_pin_missing(op, place, flags);
        return r;
}

/* ---- with a rule's rights ---------------------------------------------------------------------------------------- */

/* Puts a link's text in the place of the link's name. */
static int replace_leaf(struct sys_op *op, char *path, size_t offset, int link_fd) {
        char text[PATH_MAX];
        int len = lookup_read_link(link_fd, text, sizeof(text));

        if (len < 0)
                return op_failed(op, -len);
        if (len == 0)
                return op_failed(op, ENOENT);
        if (text[0] == '/')
                return op_guarded(op, -FSOP_EXDEV, "it is a link that leads out of the rule's directory");
        if (offset + (size_t)len >= PATH_MAX)
                return op_failed(op, ENAMETOOLONG);
        memcpy(path + offset, text, (size_t)len + 1);
        return 0;
}

/* A link's text may end in a slash, "." or "..": then a directory is meant. */
static int guarded_pin_directory(struct sys_op *op, struct place *place, const char *path, unsigned flags) {
        int fd = open_directory(op, place, path, flags), r;

        if (fd < 0)
                return fd;
        r = take_object(op, place, fd, false, flags);
        return r < 0 ? r : guard_check_directory(op, place, place->object, &place->stat);
}

/* What is removed, moved or exchanged has to be there to be looked at: it must not come between that and the call. */
static bool may_be_missing(const struct sys_op *op, const struct place *place, enum pin pin) {
        if (pin != PIN_NAME)
                return shape_may_create(op);
        return place == &op->to && !(op->op->verb == FSOP_VERB_RENAME && op->op->args.rename.exchange);
}

/* The object of one name in the parent. *ret_missing: there is none, and that is fine. */
static int guarded_pin_leaf(struct sys_op *op, struct place *place, const char *name, enum pin pin, unsigned flags,
                            bool *ret_missing) {
        int fd = open_leaf(place, name, LEAF_FLAGS, flags);

        *ret_missing = fd == -ENOENT && may_be_missing(op, place, pin);
        if (*ret_missing)
                return 0;
        if (fd < 0)
                return resolve_failed(op, place, -fd);
        return take_object(op, place, fd, false, flags);
}

static int guarded_creates(struct sys_op *op, const struct place *place, enum pin pin) {
        const struct shape *shape = shape_of(op->op);

        return pin == PIN_EITHER || (place == &op->at ? shape->at_creates : shape->to_creates);
}

/* Everything about the end that was found. */
static int guarded_check(struct sys_op *op, struct place *place, enum pin pin, const struct fsop_stat *parent) {
        int r;

        if (guarded_creates(op, place, pin) && (pin == PIN_NAME || !place->has_stat)) {
                r = guard_check_parent_owner(op, place, parent);
                if (r < 0)
                        return r;
        }
        if (!place->has_stat)
                return 0;
        if (shape_wants_directory(op->op) && !stat_is_directory(&place->stat))
                return op_failed(op, ENOTDIR);
        return guard_check_object(op, place, &place->stat, parent);
}

/* Whatever has the name already is in the way, and the kernel says so. */
static bool only_creates(const struct sys_op *op, const struct place *place, enum pin pin) {
        const struct shape *shape = shape_of(op->op);

        return pin == PIN_NAME && !(place == &op->at ? shape->at_removes : shape->to_removes);
}

static int guarded_pin(struct sys_op *op, struct place *place, enum pin pin, bool follow, char *path, unsigned flags) {
        struct fsop_stat parent = {0};
        bool missing, done;
        int r;

        for (int links = 0; links <= LINKS_MAX; links++) {
                size_t len = strlen(path), offset = leaf_offset(path, len);

                if (!is_plain_name(path + offset))
                        return guarded_pin_directory(op, place, path, flags);
                r = pin_parent(op, place, path, offset, links == 0, flags, &parent);
                if (r < 0)
                        return r;
                if (only_creates(op, place, pin)) {
                        place->leaf = (const char *)place->path.data + offset;
                        return guarded_check(op, place, pin, &parent);
                }
                r = stat_in_parent(op, place, path + offset, follow, &parent, flags_of_leaf(place, flags), &done);
                if (r < 0)
                        return r;
                if (done)
                        return guarded_check(op, place, pin, &parent);
                r = guarded_pin_leaf(op, place, path + offset, pin, flags_of_leaf(place, flags), &missing);
                if (r < 0)
                        return r;
                if (missing && links > 0)
                        return op_refused(op, -FSOP_ELOOP, "nothing is created through a link with a rule's rights");
                if (missing || !follow || !stat_is_link(&place->stat)) {
                        if (links == 0)
                                place->leaf = (const char *)place->path.data + offset;
                        return guarded_check(op, place, pin, &parent);
                }
                r = replace_leaf(op, path, offset, (int)place->object);
                if (r < 0)
                        return r;
                place->followed = true;
                place_close_object(place);
                place_close_parent(op, place);
        }
        return op_failed(op, ELOOP);
}

#ifdef FSOP_TEST_WEAK_RESOLVER
/* The mistake that is never to come back: what was checked is looked up again by its name. */
static void look_up_twice(struct place *place, const char *path) {
        char directory[PATH_MAX] = ".";
        size_t offset = leaf_offset(path, strlen(path));

        if (offset > 0)
                snprintf(directory, sizeof(directory), "%.*s", (int)offset, path);
        if (!place->parent_borrowed && place->parent != OS_FD_NONE) {
                int fd = lookup_open((int)place->base, directory, O_PATH | O_DIRECTORY, 0, 0, 0);

                if (fd >= 0) {
                        sys_close(place->parent);
                        place->parent = fd;
                }
        }
        if (place->object != OS_FD_NONE) {
                int fd = lookup_open((int)place->base, path, O_PATH, 0, 0, 0);

                if (fd >= 0) {
                        sys_close(place->object);
                        place->object = fd;
                }
        }
}
#endif

static int resolve_guarded(struct sys_op *op, struct place *place, enum pin pin, unsigned flags) {
        char path[PATH_MAX];
        int r;

        if (place->base == OS_FD_NONE)
                place->base = place->guard->root->fd;
        if (place->path.len >= sizeof(path))
                return op_failed(op, ENAMETOOLONG);
        if (!guard_accepts_path(&place->path))
                return op_refused(op, -FSOP_EINVAL,
                                  "with a rule's rights a path has no \"..\", \".\" or empty components");
        memcpy(path, place->path.data, place->path.len);
        path[place->path.len] = 0;
        r = wear(op, place->identity);
        if (r < 0)
                return r;
        r = guarded_pin(op, place, pin, pin != PIN_NAME && shape_follows(op->op, place), path, flags);
#ifdef FSOP_TEST_WEAK_RESOLVER
        if (r >= 0)
                look_up_twice(place, (const char *)place->path.data);
#endif
        return r;
}

/* ---- places ------------------------------------------------------------------------------------------------------ */

/* The path is empty: base itself. */
static int pin_base(struct sys_op *op, struct place *place, enum pin pin, unsigned flags) {
        int r;

        if (pin == PIN_NAME && place->guard != NULL)
                return op_guarded(op, -FSOP_EPERM,
                                  "the directory that the rule is about is not removed, renamed or replaced");
        if (pin == PIN_NAME)
                return op_failed(op, ENOENT);
        r = take_object(op, place, (int)place->base, true, flags);
        if (r < 0)
                return r;
        if (shape_wants_directory(op->op) && !stat_is_directory(&place->stat))
                return op_failed(op, ENOTDIR);
        if (place->guard == NULL)
                return 0;
        r = wear(op, place->identity);
        if (r >= 0 && stat_is_directory(&place->stat))
                r = guard_check_directory(op, place, place->object, &place->stat);
        return r < 0 ? r : guard_check_object(op, place, &place->stat, NULL);
}

static int resolve_end(struct sys_op *op, struct place *place, enum pin pin, unsigned flags) {
        if (place->guard != NULL && place->base == OS_FD_NONE && place->path.len == 0) {
                place->base = place->guard->root->fd;
                place->base_is_object = true;
        }
        if (place->base_is_object || (place->base != OS_FD_NONE && place->path.len == 0))
                return pin_base(op, place, pin, flags);
        if (place->guard != NULL)
                return resolve_guarded(op, place, pin, flags);
        return resolve_as_caller(op, place, pin, flags);
}

/* Where links lead to what rules exclude nothing is answered, not even that something is not there. */
static int resolve_place(struct sys_op *op, struct place *place, enum pin pin, unsigned flags) {
        int r = pin == PIN_NOTHING ? 0 : resolve_end(op, place, pin, flags);

        if (pin == PIN_NOTHING || r == -FSOP_EAGAIN)
                return r;
        return guard_check_names(op, place, flags_on_the_way(flags));
}

/* What concerns both ends, or the arguments and the object. */
static int check_together(struct sys_op *op) {
        const struct operation *o = op->op;
        int r = guard_check_arguments(op);

        if (r < 0)
                return r;
        switch (o->verb) {
        case FSOP_VERB_RENAME:
                r = guard_check_holds_none(op, &op->at);
                return r < 0 ? r : guard_check_holds_none(op, &op->to);
        case FSOP_VERB_TRUNCATE:
                return guard_check_bytes(op, &op->at, o->args.truncate.size, 0);
        case FSOP_VERB_WRITE:
                return guard_check_bytes(op, &op->at, o->args.write.offset, o->args.write.data.len);
        case FSOP_VERB_FALLOCATE:
                switch (o->args.fallocate.mode) {
                case FSOP_FALLOCATE_ALLOCATE:
                case FSOP_FALLOCATE_ZERO_RANGE:
                        return guard_check_bytes(op, &op->at, o->args.fallocate.offset, o->args.fallocate.length);
                case FSOP_FALLOCATE_INSERT_RANGE:
                        return guard_check_bytes(op, &op->at, op->at.has_stat ? op->at.stat.size : 0,
                                                 o->args.fallocate.length);
                default:
                        return 0;
                }
        default:
                return 0;
        }
}

/* ---- where it would have to wait --------------------------------------------------------------------------------- */

/* The first LEN bytes of the path, from the cache. Descriptor or a negative errno. */
static int open_prefix(const struct place *place, size_t len, uint64_t open_flags) {
        char prefix[PATH_MAX];
        uint64_t resolve;
        int start = start_of(place, &resolve);

        if (len >= sizeof(prefix))
                return -ENAMETOOLONG;
        memcpy(prefix, len > 0 ? (const char *)place->path.data : ".", len > 0 ? len : 1);
        prefix[len > 0 ? len : 1] = 0;
        return lookup_open(start, prefix, O_PATH | open_flags, 0, resolve, SYS_CACHED_ONLY);
}

static bool stat_prefix(const struct place *place, size_t len, uint64_t open_flags, struct fsop_stat *ret_stat) {
        int fd = open_prefix(place, len, open_flags), r;

        if (fd < 0)
                return false;
        r = lookup_stat(fd, "", false, ret_stat);
        sys_close(fd);
        return r >= 0;
}

/* Where the path's components end, but for those beyond ends_max. */
static unsigned component_ends(const struct bytes *path, uint16_t *ends, unsigned ends_max) {
        unsigned n = 0;

        for (size_t i = 1; i <= path->len && n < ends_max; i++)
                if ((i == path->len || path->data[i] == '/') && path->data[i - 1] != '/')
                        ends[n++] = (uint16_t)i;
        return n;
}

/*
 * The cache did not know the whole path. The mount of the last directory that it knows, if callers may have to wait
 * there. A link that is known and leads to what is not may lead to any mount. This is for sharing the workers, no
 * check: nothing depends on it but who waits for whom.
 */
static uint64_t place_held_up_by(const struct place *place) {
        uint16_t ends[64];
        unsigned n = component_ends(&place->path, ends, sizeof(ends) / sizeof(ends[0])), known = 0, unknown = n;
        struct fsop_stat stat, next;
        bool in_memory, demoted;

        if (place->base_is_object || place->path.len >= PATH_MAX)
                return 0;
        while (known + 1 < unknown) { /* a directory is not in the cache without those above it */
                unsigned middle = (known + unknown) / 2;

                if (stat_prefix(place, ends[middle - 1], O_DIRECTORY, &stat))
                        known = middle;
                else
                        unknown = middle;
        }
        if (!stat_prefix(place, known > 0 ? ends[known - 1] : 0, O_DIRECTORY, &stat))
                return 0;
        if (mounts_look(stat.mnt_id, place->base_is_client_fd, &in_memory, &demoted) != FS_LOCAL || demoted)
                return stat.mnt_id;
        if (known < n && stat_prefix(place, ends[known], O_NOFOLLOW, &next) &&
            (stat_is_link(&next) || next.attributes & STATX_ATTR_AUTOMOUNT))
                return SYS_MOUNT_UNKNOWN;
        return 0;
}

int sys_resolve(struct sys_op *op, unsigned flags) {
        const struct shape *shape = shape_of(op->op);
        const struct place *place = &op->at;
        int r;

        place_reset(&op->at);
        place_reset(&op->to);
        op->opened = OS_FD_NONE;
        op->since_ms = posix_coarse_ms();
        forget_failure(op);
        op->held_up_by = 0;
        r = resolve_place(op, &op->at, shape->at, flags);
        op->source_failed = r < 0;
        if (r >= 0) {
                place = &op->to;
                r = resolve_place(op, &op->to, shape->to, flags);
        }
        if (r == -FSOP_EAGAIN && (flags & (SYS_CACHED_ONLY | SYS_LOCAL_ONLY)) && op->held_up_by == 0 &&
            place->parent == OS_FD_NONE)
                op->held_up_by = place_held_up_by(place);
        if (r >= 0)
                r = check_together(op);
        if (r < 0)
                sys_release(op);
        return op->code;
}

static void hand_over_object(struct sys_op *op, struct place *place) {
        if (place->object_borrowed || place->fs != FS_LOCAL)
                return;
        parents_close_later(op->cache, place->object);
        place->object = OS_FD_NONE;
}

void sys_release(struct sys_op *op) {
        hand_over_object(op, &op->at);
        hand_over_object(op, &op->to);
        place_release(op, &op->at);
        place_release(op, &op->to);
}

static uint32_t take(os_fd *fd, bool wanted, os_fd *ret_fd) {
        if (*fd == OS_FD_NONE || !wanted)
                return 0;
        *ret_fd = *fd;
        *fd = OS_FD_NONE;
        return 1;
}

static uint32_t take_large(struct place *place, bool is_old, os_fd *ret_fds) {
        bool waits = is_old || place_is_far(place);
        uint32_t n =
                take(&place->object, !place->object_borrowed && (waits || sys_stat_is_large(&place->stat)), ret_fds);

        return n + take(&place->parent, !place->parent_borrowed && waits, ret_fds + n);
}

uint32_t sys_take_large(struct sys_op *op, os_fd ret_fds[4]) {
        bool is_old = op_is_old(op);
        uint32_t n = take_large(&op->at, is_old, ret_fds);

        return n + take_large(&op->to, is_old, ret_fds + n);
}

/* ---- for runs ---------------------------------------------------------------------------------------------------- */

/* The directory that is to lie where a rule allows it; OS_FD_NONE: none is. */
static os_fd guarded_directory(const struct place *place) {
        if (place->guard == NULL)
                return OS_FD_NONE;
        if (place->parent == OS_FD_NONE && place->has_stat && stat_is_directory(&place->stat))
                return place->object;
        return place->parent;
}

bool resolve_can_stray(const struct sys_op *op) {
        return guarded_directory(&op->at) != OS_FD_NONE || guarded_directory(&op->to) != OS_FD_NONE;
}

static int check_place_again(struct sys_op *op, const struct place *place) {
        os_fd fd = guarded_directory(place);
        struct fsop_stat stat;
        int r;

        if (fd == OS_FD_NONE)
                return 0;
        r = wear(op, place->identity);
        if (r < 0)
                return r;
        r = lookup_stat((int)fd, "", false, &stat);
        r = r < 0 ? op_failed(op, -r) : guard_check_directory(op, place, fd, &stat);
        return r < 0 ? r : guard_check_names(op, place, 0);
}

int resolve_check_again(struct sys_op *op) {
        int r = check_place_again(op, &op->at);

        op->source_failed = r < 0;
        if (r >= 0)
                r = check_place_again(op, &op->to);
        return r < 0 ? r : check_together(op);
}

int resolve_leaf_again(struct sys_op *op, struct place *place) {
        struct fsop_stat parent;
        int fd, r = wear(op, place->identity);

        place_close_object(place); /* of a try before this one */
        if (r < 0)
                return r;
        fd = open_leaf(place, place->leaf, LEAF_FLAGS, 0);
        if (fd < 0)
                return resolve_failed(op, place, -fd);
        r = take_object(op, place, fd, false, 0);
        if (r < 0)
                return r;
        if (stat_is_link(&place->stat) && place->follow)
                return op_refused(op, -FSOP_EAGAIN, "the name was taken by a link just now");
        if (place->guard == NULL)
                return 0;
        r = lookup_stat((int)place->parent, "", false, &parent);
        r = r < 0 ? op_failed(op, -r) : guard_check_object(op, place, &place->stat, &parent);
        if (r >= 0)
                r = guard_check_names(op, place, 0);
        return r < 0 ? r : wear(op, place->identity);
}

int resolve_create_through_link(struct place *place, int open_flags, uint32_t mode) {
        uint64_t resolve;
        int start = start_of(place, &resolve);

        return lookup_open(start, (const char *)place->path.data,
                           (uint64_t)(open_flags | O_CREAT | O_NONBLOCK | O_NOCTTY), mode, resolve, 0);
}

/* Beneath the rule's directory, by the walk's own path. */
static int link_met_guarded(struct sys_op *op, struct place *place, const char *trail) {
        char path[PATH_MAX];
        int n = snprintf(path, sizeof(path), "%.*s%s%s", (int)place->path.len, (const char *)place->path.data,
                         place->path.len > 0 ? "/" : "", trail);

        if (n < 0 || (size_t)n >= sizeof(path))
                return op_failed(op, ENAMETOOLONG);
        if (guarded_pin(op, place, PIN_OBJECT, true, path, 0) >= 0)
                guard_check_names(op, place, 0);
        wear(op, op->identity); /* with which the walk goes on */
        return op->code;
}

static int link_met_as_caller(struct sys_op *op, struct place *place, int dir_fd, const char *name) {
        bool may_leave = service.own_root && (place->base == OS_FD_NONE || place->may_leave_base);
        int fd = lookup_open(dir_fd, name, O_PATH, 0, RESOLVE_NO_MAGICLINKS | (may_leave ? 0 : RESOLVE_BENEATH), 0);

        return fd < 0 ? resolve_failed(op, place, -fd) : take_object(op, place, fd, false, 0);
}

int resolve_link_met(struct sys_op *op, int dir_fd, const char *name, const char *trail, os_fd *ret_object,
                     struct fsop_stat *ret_stat) {
        struct parent_cache *cache = op->cache; /* not for threads that run */
        struct place place = op->at;            /* what the operation has pinned stays as it is */
        int r;

        op->cache = NULL;
        place_reset(&place);
        forget_failure(op);
        r = place.guard != NULL ? link_met_guarded(op, &place, trail) : link_met_as_caller(op, &place, dir_fd, name);
        if (r >= 0) {
                *ret_object = place.object;
                *ret_stat = place.stat;
                place.object = OS_FD_NONE;
        }
        place_release(op, &place);
        op->cache = cache;
        return r;
}
