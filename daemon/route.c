/* SPDX-License-Identifier: MIT */
/*
 * route.c: the table of routes, the decision, and what becomes of mounts that turn out slow.
 */
#include "daemon/route.h"

#include "daemon/log.h"

#define MS UINT64_C(1000000) /* in ns */

#define SMALL_BYTES (64u << 10) /* of data, from memory to memory */
#define SMALL_ALLOCATION (1u << 20)
#define SMALL_BLOCKS 2048u /* of 512 bytes: what is freed in one go */
#define RING_MAX 16u /* out at a time when everything is to go that way: what waits there keeps its batch in memory */

#define SLOW_NS (1 * MS)               /* nothing quick takes so long */
#define WATCHED_MS 10000u              /* after something did */
#define DEBT_NS_MAX (30 * MS)          /* by which the loop may be kept waiting in all */
#define DEBT_NS_ON_TRIAL_MAX (10 * MS) /* … by a mount that was demoted before */
#define FORGIVEN_PART 100u             /* of the time that goes by */
#define TERM_MS_MIN 10000u             /* of a demotion; twice that the next time, and so on */
#define TERM_MS_MAX 1280000u

/* ---- the table --------------------------------------------------------------------------------------------------- */

/*
 * Figures: us an operation on the loop / on a worker / on the ring, on tmpfs; on XFS (docs/routes.md).
 *
 * Filesystems in memory and on local disks. All others (network, FUSE, unknown, what a client passed the descriptor of)
 * may hang: what is on them always goes to a worker.
 */
static const struct route_row {
        enum route memory, disk;
        enum route big; /* where the amount of work has no bound (is_big) */
        const char *why;
} rows[FSOP_VERB_LIMIT] = {
#define SERVICE(verb, reason) [FSOP_VERB_##verb] = {ROUTE_SERVICE, ROUTE_SERVICE, ROUTE_SERVICE, reason}
#define ROW(verb, memory, disk, big, reason) [FSOP_VERB_##verb] = {ROUTE_##memory, ROUTE_##disk, ROUTE_##big, reason}
        SERVICE(PING, "answered from memory"),
        SERVICE(INFO, "answered from memory"),
        SERVICE(STATUS, "answered from memory"),
        SERVICE(EXPLAIN, "answered from memory"),
        SERVICE(POLICY_RELOAD, "answered from memory"),
        SERVICE(JOB_LIST, "answered from memory"),
        SERVICE(JOB_SHOW, "answered from memory"),
        SERVICE(JOB_WATCH, "answered from memory"),
        SERVICE(JOB_PAUSE, "answered from memory"),
        SERVICE(JOB_RESUME, "answered from memory"),
        SERVICE(JOB_CANCEL, "answered from memory"),
        SERVICE(JOB_RETRY, "answered from memory"),
        SERVICE(JOB_FORGET, "answered from memory"),
        SERVICE(CP, "only submits a job, or begins one"),
        SERVICE(CLOSE, "the descriptor itself is closed by a worker"),

        /*           memory  disk    big */
        ROW(STAT, INLINE, INLINE, POOL, "0.0 / 10 / 7.4; 0.0 / 11 / 5.9; answered when it was looked up"),
        ROW(STATFS, INLINE, INLINE, POOL, "from the superblock in memory"),
        ROW(UTIMENS, INLINE, INLINE, POOL, "1.2 / 13 / -; 2.4 / 16 / -"),
        ROW(CHMOD, INLINE, INLINE, POOL, "2.6 / 14 / -; 4.5 / 38 / -; walks go to a worker"),
        ROW(CHOWN, INLINE, INLINE, POOL, "1.6 / 13 / -; 2.9 / 37 / -; walks go to a worker"),
        ROW(MKNOD, INLINE, INLINE, POOL, "as mkdir"),
        ROW(OPENDIR, INLINE, INLINE, POOL, "already pinned"),
        ROW(MKDIR, INLINE, INLINE, POOL, "3.7 / 16 / -; 12 / 30 / -"),
        ROW(RMDIR, INLINE, INLINE, POOL, "3.2 / 14 / 9.9; 8.8 / 65 / 15"),
        ROW(UNLINK, INLINE, INLINE, POOL, "4.9 / 16 / 11; 17 / 42 / 18; a large file takes as long as it takes"),
        ROW(RENAME, INLINE, INLINE, POOL, "4.3 / 15 / 11; 8.7 / 36 / 24"),
        ROW(LS, POOL, POOL, POOL, "as long as the directory is"),
        ROW(SYMLINK, INLINE, INLINE, POOL, "3.4 / 15 / 9.8; 10 / 36 / 18; up to 482 on the ring at depth 64"),
        ROW(LINK, INLINE, INLINE, POOL, "4.5 / 16 / 11; 8.7 / 23 / 16"),
        ROW(READLINK, INLINE, INLINE, POOL, "0.9 / 12 / -; 1.2 / 27 / -"),
        ROW(GETXATTR, INLINE, INLINE, POOL, "2.8 / 15 / 7.4; 4.1 / 23 / 9.4"),
        ROW(SETXATTR, INLINE, INLINE, POOL, "3.8 / 16 / 8.6; 5.6 / 34 / 18"),
        ROW(LISTXATTR, INLINE, INLINE, POOL, "as getxattr, without a ring opcode"),
        ROW(REMOVEXATTR, INLINE, INLINE, POOL, "as setxattr, without a ring opcode"),
        ROW(FALLOCATE, INLINE, ENGINE, ENGINE, "14 / 26 / 21; 276 / 169 / 172; zeroing or shifting can take seconds"),
        ROW(TRUNCATE, INLINE, INLINE, POOL, "2.6 / 14 / -; 5.4 / 59 / -; a large file takes as long as it takes"),
        ROW(FADVISE, INLINE, INLINE, ENGINE,
            "0.5 / 11 / 1.0; 0.6 / 58 / 1.1; willneed starts reads, dontneed drops pages"),
        ROW(COPY_RANGE, POOL, POOL, POOL, "copy_file_range has no ring opcode"),
        ROW(OPEN, INLINE, INLINE, POOL, "2.9 / 14 / -; 3.5 / 30 / -; truncating a large file goes to a worker"),
        ROW(OPEN_FD, INLINE, INLINE, POOL, "as open"),
        ROW(READ, INLINE, ENGINE, ENGINE, "1.3 / 12 / 7.9; 2.8 / 59 / 3.2; may wait for a disk"),
        ROW(WRITE, INLINE, ENGINE, ENGINE, "1.3 / 12 / 8.4; 2.7 / 59 / 13; may wait for a disk"),
        ROW(FSYNC, INLINE, ENGINE, ENGINE, "0.5 / 11 / 6.2; 2007 / 1099 / 1010; waits for a disk"),
#undef ROW
#undef SERVICE
};

static const struct route_row *row_of(enum fsop_verb verb) {
        return (unsigned)verb < FSOP_VERB_LIMIT && rows[verb].why ? &rows[verb] : NULL;
}

bool route_is_service(enum fsop_verb verb) {
        const struct route_row *row = row_of(verb);

        return row && row->memory == ROUTE_SERVICE;
}

const char *route_why(enum fsop_verb verb) {
        const struct route_row *row = row_of(verb);

        return row ? row->why : NULL;
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

/* Cutting a file down to SIZE. One that is not there has nothing to be freed. */
static bool frees_much(const struct place *place, uint64_t size) {
        return place->has_stat && place->stat.blocks > SMALL_BLOCKS && size < place->stat.size;
}

static bool is_big(const struct sys_op *op) {
        const struct operation *o = op->op;

        switch (o->verb) {
        case FSOP_VERB_UNLINK: /* as caller nobody has looked at it */
                return o->args.unlink.recursive || !op->at.has_stat ||
                       (op->at.stat.nlink == 1 && frees_much(&op->at, 0));
        case FSOP_VERB_RENAME:
                return op->to.has_stat && op->to.stat.nlink == 1 && frees_much(&op->to, 0);
        case FSOP_VERB_TRUNCATE:
                return frees_much(&op->at, o->args.truncate.size);
        case FSOP_VERB_OPEN:
        case FSOP_VERB_OPEN_FD:
                return o->args.open.truncate && frees_much(&op->at, 0);
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

/* ---- the decision ------------------------------------------------------------------------------------------------ */

static bool is_quick(const struct place *place) {
        return place->fs == FS_LOCAL && !place->base_is_client_fd && !place->demoted;
}

static bool has_two_ends(const struct operation *op) {
        return op->to.kind != LOCATION_NONE;
}

enum route route_of(const struct routes *routes, const struct sys_op *op) {
        const struct route_row *row = row_of(op->op->verb);
        enum route route;

        if (row && row->memory == ROUTE_SERVICE)
                return ROUTE_SERVICE;
        if (!row || !is_quick(&op->at) || (has_two_ends(op->op) && !is_quick(&op->to)))
                return ROUTE_POOL;
        route = is_big(op) ? row->big : op->at.in_memory ? row->memory : row->disk;
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

void routes_end(struct routes *routes, const struct sys_op *op) {
        uint64_t now_ns = sys_monotonic_ns(), ns = now_ns - routes->began_ns, waits;
        uint64_t mnt_id = op->at.mnt_id;
        struct route_mount *mount;

        if (ns < SLOW_NS || mnt_id == 0)
                return;
        mount = mount_of(routes, mnt_id);
        if (!mount) {
                suspect(routes, mnt_id, now_ns / MS);
                return;
        }
        waits = sys_thread_waits();
        if (!mount->demoted && (waits == 0 || waits != routes->began_waits))
                charge(routes, mount, ns, now_ns / MS);
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
