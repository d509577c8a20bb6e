/* SPDX-License-Identifier: MIT */
/*
 * route.c: the table of routes, the decision, and what becomes of mounts that turn out slow.
 */
#include "daemon/route.h"

#include "daemon/log.h"

#define MS UINT64_C(1000000) /* in ns */

#define SMALL_BYTES (64u << 10) /* of data, from memory to memory */
#define SMALL_ALLOCATION (1u << 20)
#define SMALL_DIRECTORY (64u << 10) /* an empty one is read to its end before it is removed */
#define RING_MAX 16u /* out at a time when everything is to go that way: what waits there keeps its batch in memory */

#define SLOW_NS (1 * MS)               /* nothing quick takes so long */
#define WATCHED_MS 10000u              /* after something did */
#define DEBT_NS_MAX (30 * MS)          /* by which the loop may be kept waiting in all */
#define DEBT_NS_ON_TRIAL_MAX (10 * MS) /* … by a mount that was demoted before */
#define FORGIVEN_PART 100u             /* of the time that goes by */
#define LEAF_NS_MAX 50000u             /* what is in memory is found in one or two us */
/* after one that took longer; what takes SLOW_NS makes its mount suspect as well */
#define LEAVES_WATCHED_NS (100 * MS)
/* by which the next ones may keep the loop waiting: some reads of an SSD, or one */
#define LEAVES_NS_MAX (1 * MS)
#define LEAVES_PAUSE_NS (1000 * MS) /* until others may again */
#define TERM_MS_MIN 10000u          /* of a demotion; twice that the next time, and so on */
#define TERM_MS_MAX 1280000u

/* ---- the table --------------------------------------------------------------------------------------------------- */

/*
 * By figures: docs/routes.md.
 *
 * Filesystems in memory and on local disks. All others (network, FUSE, unknown, what a client passed the descriptor of)
 * may hang: what is on them always goes to a worker.
 */
static const struct route_row {
        enum route memory, disk;
        enum route big; /* where the amount of work has no bound (route_is_big) */
        bool is_known;
} rows[FSOP_VERB_LIMIT] = {
#define SERVICE(verb) [FSOP_VERB_##verb] = {ROUTE_SERVICE, ROUTE_SERVICE, ROUTE_SERVICE, true}
#define ROW(verb, memory, disk, big) [FSOP_VERB_##verb] = {ROUTE_##memory, ROUTE_##disk, ROUTE_##big, true}
        SERVICE(PING), SERVICE(INFO), SERVICE(STATUS), SERVICE(EXPLAIN), SERVICE(POLICY_RELOAD), SERVICE(JOB_LIST),
        SERVICE(JOB_SHOW), SERVICE(JOB_WATCH), SERVICE(JOB_PAUSE), SERVICE(JOB_RESUME), SERVICE(JOB_CANCEL),
        SERVICE(JOB_RETRY), SERVICE(JOB_FORGET), SERVICE(CP), /* only submits a job, or begins one */
        SERVICE(CLOSE), /* a descriptor that may keep its closer waiting is closed by a worker */

        /* in memory, on disk, where it is much */
        ROW(STAT, INLINE, INLINE, POOL),                                      /* answered when it was looked up */
        ROW(STATFS, INLINE, INLINE, POOL),                                    /* from the superblock in memory */
        ROW(UTIMENS, INLINE, INLINE, POOL), ROW(CHMOD, INLINE, INLINE, POOL), /* walks go to a worker */
        ROW(CHOWN, INLINE, INLINE, POOL),                                     /* walks go to a worker */
        ROW(MKNOD, INLINE, INLINE, POOL),                                     /* as mkdir */
        ROW(OPENDIR, INLINE, INLINE, POOL),                                   /* already pinned */
        ROW(MKDIR, INLINE, INLINE, POOL),
        /* a large file, or an empty directory that was large, takes as long as it takes */
        ROW(RMDIR, INLINE, INLINE, POOL), ROW(UNLINK, INLINE, INLINE, POOL), ROW(RENAME, INLINE, INLINE, POOL),
        ROW(LS, POOL, POOL, POOL),          /* as long as the directory is */
        ROW(SYMLINK, INLINE, INLINE, POOL), /* long on the ring at depth 64 */
        ROW(LINK, INLINE, INLINE, POOL), ROW(READLINK, INLINE, INLINE, POOL), ROW(GETXATTR, INLINE, INLINE, POOL),
        ROW(SETXATTR, INLINE, INLINE, POOL),
        ROW(LISTXATTR, INLINE, INLINE, POOL),   /* as getxattr, without a ring opcode */
        ROW(REMOVEXATTR, INLINE, INLINE, POOL), /* as setxattr, without a ring opcode */
        ROW(FALLOCATE, INLINE, ENGINE, ENGINE), /* zeroing or shifting can take seconds */
        ROW(TRUNCATE, INLINE, INLINE, POOL),    /* a large file takes as long as it takes */
        ROW(FADVISE, INLINE, INLINE, ENGINE),   /* willneed starts reads, dontneed drops pages */
        ROW(COPY_RANGE, POOL, POOL, POOL),      /* copy_file_range has no ring opcode */
        ROW(OPEN, INLINE, INLINE, POOL),        /* truncating a large file goes to a worker */
        ROW(OPEN_FD, INLINE, INLINE, POOL),     /* as open */
        ROW(READ, INLINE, ENGINE, ENGINE),      /* may wait for a disk */
        ROW(WRITE, INLINE, ENGINE, ENGINE),     /* may wait for a disk */
        ROW(FSYNC, INLINE, ENGINE, ENGINE),     /* waits for a disk */
#undef ROW
#undef SERVICE
};

static const struct route_row *row_of(enum fsop_verb verb) {
        return (unsigned)verb < FSOP_VERB_LIMIT && rows[verb].is_known ? &rows[verb] : NULL;
}

bool route_is_service(enum fsop_verb verb) {
        const struct route_row *row = row_of(verb);

        return row && row->memory == ROUTE_SERVICE;
}

bool route_is_known(enum fsop_verb verb) {
        return row_of(verb) != NULL;
}

/* ---- how much it is ---------------------------------------------------------------------------------------------- */

bool route_is_walk(const struct operation *op) {
        switch (op->verb) {
        case FSOP_VERB_CHOWN:
                return op->args.chown.walk.recursive;
        case FSOP_VERB_CHMOD:
                return op->args.chmod.walk.recursive;
        case FSOP_VERB_UNLINK:
                return op->args.unlink.recursive;
        default:
                return false;
        }
}

/* What is not there has nothing to be freed. How many names a file has says nothing: the others may be gone by then. */
static bool is_much(const struct place *place) {
        return place->has_stat && (sys_stat_is_large(&place->stat) ||
                                   ((place->stat.mode & 0170000) == 0040000 && place->stat.size > SMALL_DIRECTORY));
}

bool route_is_big(const struct sys_op *op) {
        const struct operation *o = op->op;

        switch (o->verb) {
        case FSOP_VERB_UNLINK: /* what could not be looked at may be anything by then */
                return o->args.unlink.recursive || !op->at.has_stat || is_much(&op->at);
        case FSOP_VERB_RMDIR:
                return !op->at.has_stat || is_much(&op->at);
        case FSOP_VERB_RENAME: /* ext4 begins to write what is put in the place of another file */
                return op->to.has_stat && !o->args.rename.exchange && (is_much(&op->to) || is_much(&op->at));
        case FSOP_VERB_TRUNCATE: /* to whatever size: XFS first writes what is not on the disk yet */
                return is_much(&op->at);
        case FSOP_VERB_OPEN:
        case FSOP_VERB_OPEN_FD:
                return o->args.open.truncate && is_much(&op->at);
        case FSOP_VERB_FALLOCATE:
                return o->args.fallocate.length > SMALL_ALLOCATION ||
                       o->args.fallocate.mode == FSOP_FALLOCATE_COLLAPSE_RANGE ||
                       o->args.fallocate.mode == FSOP_FALLOCATE_INSERT_RANGE;
        case FSOP_VERB_FADVISE:
                return o->args.fadvise.advice == FSOP_ADVICE_WILLNEED || o->args.fadvise.advice == FSOP_ADVICE_DONTNEED;
        case FSOP_VERB_READ:
                return o->args.read.length > SMALL_BYTES;
        case FSOP_VERB_WRITE:
                return o->args.write.data.len > SMALL_BYTES;
        case FSOP_VERB_FSYNC: /* of other filesystems, too */
                return o->args.fsync.filesystem;
        default:
                return route_is_walk(o);
        }
}

bool route_moves_much(const struct sys_op *op) {
        return op->op->verb == FSOP_VERB_RENAME && (!op->at.has_stat || is_much(&op->at));
}

bool route_frees_name(const struct operation *op) {
        return op->verb == FSOP_VERB_UNLINK || op->verb == FSOP_VERB_RMDIR || op->verb == FSOP_VERB_RENAME;
}

/* Whether the kernel takes the lock of a file or directory for it, that of a directory for its names. What is opened
 * for writing may lose its set-id bits first. */
static bool takes_lock(const struct operation *op) {
        switch (op->verb) {
        case FSOP_VERB_STAT:
        case FSOP_VERB_STATFS:
        case FSOP_VERB_OPENDIR:
        case FSOP_VERB_READLINK:
        case FSOP_VERB_GETXATTR:
        case FSOP_VERB_LISTXATTR:
        case FSOP_VERB_FADVISE:
                return false;
        case FSOP_VERB_OPEN:
        case FSOP_VERB_OPEN_FD:
                return op->args.open.write || op->args.open.append || op->args.open.truncate ||
                       op->args.open.create.create;
        default:
                return true;
        }
}

/* ---- the decision ------------------------------------------------------------------------------------------------ */

static bool is_quick(const struct place *place) {
        return !place_is_far(place) && !place->demoted;
}

static bool has_two_ends(const struct operation *op) {
        return op->to.kind != LOCATION_NONE;
}

enum route route_of(const struct routes *routes, const struct sys_op *op, bool dear) {
        const struct route_row *row = row_of(op->op->verb);
        enum route route;

        if (row && row->memory == ROUTE_SERVICE)
                return ROUTE_SERVICE;
        if (!row || !is_quick(&op->at) || (has_two_ends(op->op) && !is_quick(&op->to)))
                return ROUTE_POOL;
        route = route_is_big(op) ? row->big : op->at.in_memory ? row->memory : row->disk;
        switch (routes->choice) {
        case CONFIG_ROUTES_INLINE:
                return ROUTE_INLINE;
        case CONFIG_ROUTES_POOL:
                return ROUTE_POOL;
        case CONFIG_ROUTES_RING:
                return routes->on_ring < RING_MAX && !route_is_walk(op->op) ? ROUTE_ENGINE : route;
        case CONFIG_ROUTES_AUTO:
                break;
        }
        /* The ring has few threads that wait, for all users together, and nobody counts whose they are. */
        if ((routes->locks_may_be_kept || dear) && takes_lock(op->op))
                return ROUTE_POOL;
        return route;
}

bool route_may_wait(const struct sys_op *op, uint64_t *ret_mount) {
        const struct place *place = is_quick(&op->at) && has_two_ends(op->op) ? &op->to : &op->at;

        *ret_mount = place->fs == FS_LOCAL && !place->demoted ? 0 : place->mnt_id ? place->mnt_id : SYS_MOUNT_UNKNOWN;
        return !is_quick(place);
}

/* ---- mounts that turn out slow ----------------------------------------------------------------------------------- */

static struct route_mount *mount_of(struct routes *routes, uint64_t mnt_id) {
        for (struct route_mount *mount = routes->mounts; mount < routes->mounts + ROUTE_MOUNTS_MAX; mount++)
                if (mount->mnt_id == mnt_id)
                        return mount;
        return NULL;
}

static void forget(struct routes *routes, struct route_mount *mount) {
        *mount = (struct route_mount){0};
        routes->n_watched--;
}

/* The first time proves nothing: the processor may have been somebody else's. From now on it is looked at closely. */
static void suspect(struct routes *routes, uint64_t mnt_id, uint64_t now_ms) {
        struct route_mount *mount = mount_of(routes, 0);

        if (!mount) /* so many at once: the next one */
                return;
        *mount = (struct route_mount){.mnt_id = mnt_id, .debt_at_ms = now_ms, .until_ms = now_ms + WATCHED_MS};
        routes->n_watched++;
}

static void demote(struct routes *routes, struct route_mount *mount, uint64_t now_ms) {
        uint64_t number = sys_mount_demote(mount->mnt_id, true);

        mount->term_ms = mount->term_ms == 0            ? TERM_MS_MIN
                         : mount->term_ms < TERM_MS_MAX ? mount->term_ms * 2
                                                        : TERM_MS_MAX;
        mount->until_ms = now_ms + mount->term_ms;
        mount->debt_ns = 0;
        mount->demoted = true;
        routes->n_demoted++;
        log_line(LOG_LEVEL_NOTICE,
                 "mount %llu (of /proc/self/mountinfo) keeps its callers waiting: left to the workers for %llu s",
                 (unsigned long long)number, (unsigned long long)(mount->term_ms / 1000));
}

static void charge(struct routes *routes, struct route_mount *mount, uint64_t ns, uint64_t now_ms) {
        uint64_t forgiven = (now_ms - mount->debt_at_ms) * MS / FORGIVEN_PART;

        mount->debt_ns = (mount->debt_ns > forgiven ? mount->debt_ns - forgiven : 0) + ns;
        mount->debt_at_ms = now_ms;
        if (mount->until_ms < now_ms + WATCHED_MS)
                mount->until_ms = now_ms + WATCHED_MS;
        if (mount->debt_ns > (mount->term_ms > 0 ? DEBT_NS_ON_TRIAL_MAX : DEBT_NS_MAX))
                demote(routes, mount, now_ms);
}

void routes_begin(struct routes *routes) {
        if (routes->n_watched > routes->n_demoted)
                routes->began_waits = sys_thread_waits();
        routes->began_ns = sys_monotonic_ns();
}

static void look_at_slow(struct routes *routes, uint64_t mnt_id, uint64_t now_ns) {
        struct route_mount *mount;
        uint64_t waits;

        mount = mount_of(routes, mnt_id);
        if (!mount) {
                suspect(routes, mnt_id, now_ns / MS);
                return;
        }
        if (mount->demoted) { /* and yet it ran here: what is cached about mounts was forgotten meanwhile */
                sys_mount_demote(mnt_id, true);
                return;
        }
        waits = sys_thread_waits();
        if (waits == 0 || waits != routes->began_waits)
                charge(routes, mount, now_ns - routes->began_ns, now_ns / MS);
}

/* Returns when that was. */
static uint64_t end_at(struct routes *routes, const struct sys_op *op) {
        uint64_t now_ns = sys_monotonic_ns();

        if (now_ns - routes->began_ns >= SLOW_NS && op->at.mnt_id != 0)
                look_at_slow(routes, op->at.mnt_id, now_ns);
        return now_ns;
}

void routes_end(struct routes *routes, const struct sys_op *op) {
        end_at(routes, op);
}

bool routes_try_leaf(struct routes *routes) {
        routes_begin(routes);
        if (routes->locks_may_be_kept || routes->began_ns < routes->leaves_again_ns)
                return false;
        if (routes->began_ns < routes->leaves_watched_ns &&
            routes->n_watched <= routes->n_demoted) /* else it was asked for */
                routes->began_waits = sys_thread_waits();
        return true;
}

void routes_tried_leaf(struct routes *routes, const struct sys_op *op) {
        uint64_t now_ns = end_at(routes, op), ns = now_ns - routes->began_ns;

        bool watched = routes->began_ns < routes->leaves_watched_ns;
        uint64_t waits;

        if (ns <= LEAF_NS_MAX)
                return;
        routes->leaves_watched_ns = now_ns + LEAVES_WATCHED_NS;
        if (!watched) {
                routes->leaves_ns = 0;
                return;
        }
        waits = sys_thread_waits();
        if (waits != 0 && waits == routes->began_waits)
                return;
        routes->leaves_ns += ns;
        if (routes->leaves_ns <= LEAVES_NS_MAX)
                return;
        routes->leaves_ns = 0;
        routes->leaves_again_ns = now_ns + LEAVES_PAUSE_NS;
}

void routes_tick(struct routes *routes, uint64_t now_ms) {
        if (routes->n_watched == 0)
                return;
        for (struct route_mount *mount = routes->mounts; mount < routes->mounts + ROUTE_MOUNTS_MAX; mount++) {
                if (mount->mnt_id == 0 || now_ms < mount->until_ms)
                        continue;
                if (!mount->demoted) {
                        forget(routes, mount);
                        continue;
                }
                sys_mount_demote(mount->mnt_id, false);
                mount->demoted = false;
                mount->debt_at_ms = now_ms;
                mount->until_ms = now_ms + mount->term_ms + WATCHED_MS; /* quick for so long: then all is forgotten */
                routes->n_demoted--;
        }
}
