/* SPDX-License-Identifier: MIT */
/*
 * routes.c: fsop-bench routes: what each operation costs on the loop, on a worker and on the ring, per kind of
 * filesystem: the figures that daemon/route.c decides by. In process, without a daemon: the backend resolves (not
 * measured), then runs, one at a time and DEEP at once. The ways take turns. Printed are lower quartiles: on a busy
 * machine a median says how busy it is.
 *
 *      fsop-bench routes [--rounds N] [--dir DIR] [FILESYSTEM…]      tmpfs, ext4, xfs, fuse; without any, all of them
 */
#include "tests/bench/routes.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#include "backends/engine.h"
#include "daemon/route.h"
#include "proto/names.h"

#define FILES 64u
#define DEEP 32u
#define ROUNDS_MAX 101
#define FILE_BYTES 4096u
#define IMAGE_BYTES ((off_t)1 << 30)
#define OUT_BYTES 8192u

enum way { WAY_INLINE, WAY_POOL, WAY_RING, WAY_POOL_DEEP, WAY_RING_DEEP, N_WAYS };

/* What an operation is done to, and what must be so before: f there with FILE_BYTES, d a directory, n nothing. */
enum target { ON_FILE, ON_HANDLE, ON_NEW_NAME, ON_DIRECTORY, ON_FILE_TO_NEW_NAME, ON_LINK };

struct trial {
        enum fsop_verb verb;
        enum target target;
        bool fuse; /* the test's FUSE server can do it */
        const char *note;
};

static const struct trial trials[] = {
        {FSOP_VERB_STAT, ON_FILE, true, ""},
        {FSOP_VERB_CHOWN, ON_FILE, true, ""},
        {FSOP_VERB_CHMOD, ON_FILE, true, ""},
        {FSOP_VERB_UTIMENS, ON_FILE, true, ""},
        {FSOP_VERB_GETXATTR, ON_HANDLE, true, ""},
        {FSOP_VERB_SETXATTR, ON_HANDLE, false, ""},
        {FSOP_VERB_OPEN, ON_FILE, true, ""},
        {FSOP_VERB_READLINK, ON_LINK, false, ""},
        {FSOP_VERB_MKDIR, ON_NEW_NAME, false, ""},
        {FSOP_VERB_RMDIR, ON_DIRECTORY, false, ""},
        {FSOP_VERB_SYMLINK, ON_NEW_NAME, false, ""},
        {FSOP_VERB_LINK, ON_FILE_TO_NEW_NAME, false, ""},
        {FSOP_VERB_RENAME, ON_FILE_TO_NEW_NAME, false, ""},
        {FSOP_VERB_UNLINK, ON_FILE, false, " 4K"},
        {FSOP_VERB_TRUNCATE, ON_HANDLE, false, " to 0"},
        {FSOP_VERB_FALLOCATE, ON_HANDLE, false, " 64K"},
        {FSOP_VERB_FADVISE, ON_HANDLE, true, " sequential"},
        {FSOP_VERB_READ, ON_HANDLE, false, " 4K cached"},
        {FSOP_VERB_WRITE, ON_HANDLE, false, " 4K"},
        {FSOP_VERB_FSYNC, ON_HANDLE, false, " after 4K"},
};
#define N_TRIALS (sizeof(trials) / sizeof(trials[0]))

struct subject {
        struct operation op;
        struct sys_op sys;
        struct result result;
        struct io io;
        uint8_t out[OUT_BYTES];
        char at[PATH_MAX], to[PATH_MAX];
        int handle;
};

static struct subject subjects[FILES];
static struct engine *engine;
static struct identity *identity;
static uint8_t data[FILE_BYTES];
static unsigned pending;
static double figures[N_WAYS][ROUNDS_MAX];
static char directory[PATH_MAX];
static volatile sig_atomic_t stop;

static int fail(const char *what) {
        fprintf(stderr, "fsop-bench routes: %s: %s\n", what, strerror(errno));
        return -1;
}

static uint64_t now_ns(void) {
        struct timespec now;

        clock_gettime(CLOCK_MONOTONIC, &now);
        return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* ---- what is done ------------------------------------------------------------------------------------------------ */

static void set_arguments(struct operation *op, unsigned round) {
        op->as = FSOP_AS_CALLER;
        switch (op->verb) {
        case FSOP_VERB_CHOWN:
                op->args.chown = (struct chown_args){.has_uid = true, .uid = 2000 + round % 2};
                break;
        case FSOP_VERB_CHMOD:
                op->args.chmod = (struct chmod_args){.clear = 07777, .set = round % 2 ? 0640 : 0600};
                break;
        case FSOP_VERB_UTIMENS:
                op->args.utimens = (struct utimens_args){.atime_change = TIME_NOW, .mtime_change = TIME_NOW};
                break;
        case FSOP_VERB_GETXATTR:
        case FSOP_VERB_SETXATTR:
                op->args.xattr.name = (struct bytes){(const uint8_t *)"user.bench", 10};
                op->args.xattr.value = (struct bytes){data, 16};
                break;
        case FSOP_VERB_OPEN:
                op->args.open.read = true;
                break;
        case FSOP_VERB_MKDIR:
                op->args.mkdir = (struct create_args){.create = true, .mode = 0755};
                break;
        case FSOP_VERB_SYMLINK:
                op->args.symlink = (struct bytes){(const uint8_t *)"elsewhere", 9};
                break;
        case FSOP_VERB_FALLOCATE:
                op->args.fallocate.length = 65536;
                break;
        case FSOP_VERB_FADVISE:
                op->args.fadvise.advice = FSOP_ADVICE_SEQUENTIAL;
                break;
        case FSOP_VERB_READ:
                op->args.read.length = FILE_BYTES;
                break;
        case FSOP_VERB_WRITE:
                op->args.write.data = (struct bytes){data, FILE_BYTES};
                break;
        default:
                break;
        }
}

static void set_path(struct place *place, struct location *location, char *path, char kind, unsigned i) {
        int n = snprintf(path, PATH_MAX, "%s/%c%u", directory, kind, i);

        place->path = (struct bytes){(const uint8_t *)path, (size_t)n};
        location->kind = LOCATION_PATH;
        location->path = place->path;
}

/* Everything as it must be before the operation, whatever it was before. */
static int set_scene(const struct trial *trial, struct subject *s, unsigned i, bool is_fuse) {
        char path[PATH_MAX + 16];
        int fd;

        s->handle = -1;
        snprintf(path, sizeof(path), "%s/f%u", directory, i);
        if (is_fuse) { /* everything is there */
                s->handle = trial->target == ON_HANDLE ? open(path, O_RDONLY | O_CLOEXEC) : -1;
                return 0;
        }
        fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
        if (fd < 0 || ftruncate(fd, 0) < 0 || pwrite(fd, data, FILE_BYTES, 0) != FILE_BYTES)
                return fail(path);
        if (trial->verb == FSOP_VERB_GETXATTR && fsetxattr(fd, "user.bench", data, 16, 0) < 0 && errno != EOPNOTSUPP)
                return fail(path);
        if (trial->target == ON_HANDLE)
                s->handle = fd;
        else
                close(fd);
        snprintf(path, sizeof(path), "%s/n%u", directory, i);
        if (unlink(path) < 0 && errno == EISDIR)
                rmdir(path);
        if (trial->target == ON_DIRECTORY || trial->target == ON_LINK) {
                snprintf(path, sizeof(path), "%s/%c%u", directory, trial->target == ON_LINK ? 'l' : 'd', i);
                if ((trial->target == ON_LINK ? symlink("elsewhere", path) : mkdir(path, 0755)) < 0 && errno != EEXIST)
                        return fail(path);
        }
        return 0;
}

static int prepare(const struct trial *trial, unsigned i, unsigned round, bool is_fuse) {
        static const char kinds[] = {[ON_FILE] = 'f',      [ON_HANDLE] = 'f',           [ON_NEW_NAME] = 'n',
                                     [ON_DIRECTORY] = 'd', [ON_FILE_TO_NEW_NAME] = 'f', [ON_LINK] = 'l'};
        struct subject *s = &subjects[i];

        if (set_scene(trial, s, i, is_fuse) < 0)
                return -1;
        s->op = (struct operation){.verb = trial->verb};
        set_arguments(&s->op, round);
        s->result = (struct result){0};
        s->sys = (struct sys_op){.op = &s->op,
                                 .identity = identity,
                                 .out = s->out,
                                 .out_bytes = OUT_BYTES,
                                 .result = &s->result,
                                 .opened = OS_FD_NONE};
        s->sys.at = s->sys.to =
                (struct place){.identity = identity, .base = OS_FD_NONE, .parent = OS_FD_NONE, .object = OS_FD_NONE};
        set_path(&s->sys.at, &s->op.at, s->at, kinds[trial->target], i);
        if (trial->target == ON_FILE_TO_NEW_NAME)
                set_path(&s->sys.to, &s->op.to, s->to, 'n', i);
        if (s->handle >= 0) {
                s->sys.at.base = s->handle;
                s->sys.at.base_is_object = true;
                s->sys.at.path.len = 0;
        }
        if (sys_resolve(&s->sys, 0) < 0) {
                fprintf(stderr, "fsop-bench routes: %s %s: %s\n", verb_name(trial->verb), s->at,
                        error_name(-s->sys.code));
                return -1;
        }
        return 0;
}

static void finish(struct subject *s) {
        if (s->sys.opened != OS_FD_NONE)
                sys_close(s->sys.opened);
        sys_release(&s->sys);
        if (s->handle >= 0)
                close(s->handle);
}

/* ---- how it is done ---------------------------------------------------------------------------------------------- */

static void done(struct io *io) {
        (void)io;
        pending--;
}

static void submit(struct subject *s, unsigned flags) {
        s->io = (struct io){.kind = IO_RUN, .flags = flags, .done = done, .u.op = &s->sys};
        pending++;
        engine->ops->submit(engine, &s->io);
}

static void wait_until_done(void) {
        while (pending > 0)
                engine->ops->wait(engine, -1);
}

/* Nanoseconds an operation. */
static double run_all(enum way way) {
        unsigned flags = way == WAY_POOL || way == WAY_POOL_DEEP ? IO_POOL : 0;
        uint64_t begin = now_ns();

        for (unsigned i = 0; i < FILES; i++) {
                if (way == WAY_INLINE)
                        sys_run(&subjects[i].sys);
                else
                        submit(&subjects[i], flags);
                if (way == WAY_POOL || way == WAY_RING || i % DEEP == DEEP - 1)
                        wait_until_done();
        }
        return (double)(now_ns() - begin) / FILES;
}

static uint64_t declined(void) {
        struct engine_stats stats = {0};

        engine->ops->stats(engine, &stats);
        return stats.declined;
}

/* A turn of one way. *ret_missing: the ring cannot do it here. */
static int turn(const struct trial *trial, enum way way, unsigned round, bool is_fuse, bool *ret_missing) {
        bool is_ring = way == WAY_RING || way == WAY_RING_DEEP;
        uint64_t before;
        int ret = 0;

        for (unsigned i = 0; i < FILES; i++)
                if (prepare(trial, i, round, is_fuse) < 0)
                        return -1;
        before = declined();
        figures[way][round] = run_all(way);
        *ret_missing = is_ring && declined() != before;
        for (unsigned i = 0; i < FILES; i++) {
                if (subjects[i].sys.code < 0 && subjects[i].sys.code != -FSOP_ENODATA) {
                        if (ret == 0)
                                fprintf(stderr, "fsop-bench routes: %s: %s\n", verb_name(trial->verb),
                                        error_name(-subjects[i].sys.code));
                        ret = -1;
                }
                finish(&subjects[i]);
        }
        return ret;
}

static int compare(const void *a, const void *b) {
        double x = *(const double *)a, y = *(const double *)b;

        return x < y ? -1 : x > y;
}

static const char *decision(const struct trial *trial, bool is_fuse) {
        static const char *const names[] = {
                [ROUTE_SERVICE] = "service", [ROUTE_INLINE] = "loop", [ROUTE_ENGINE] = "ring", [ROUTE_POOL] = "worker"};
        struct routes routes = {0};
        enum route route;

        if (prepare(trial, 0, 0, is_fuse) < 0)
                return "?";
        if (trial->verb == FSOP_VERB_UNLINK) { /* by a rule it is looked at before */
                subjects[0].sys.at.has_stat = true;
                subjects[0].sys.at.stat.blocks = 8;
        }
        route = route_of(&routes, &subjects[0].sys, false);
        finish(&subjects[0]);
        return names[route];
}

static int measure(const struct trial *trial, unsigned rounds, bool is_fuse) {
        bool missing[N_WAYS] = {0};
        char name[64];

        for (unsigned round = 0; round < rounds && !stop; round++)
                for (enum way way = WAY_INLINE; way < N_WAYS; way++)
                        if (!missing[way] && turn(trial, way, round, is_fuse, &missing[way]) < 0)
                                return -1;
        snprintf(name, sizeof(name), "%s%s", verb_name(trial->verb), trial->note);
        printf("| %-18s |", name);
        for (enum way way = WAY_INLINE; way < N_WAYS; way++) {
                qsort(figures[way], rounds, sizeof(figures[way][0]), compare);
                if (missing[way])
                        printf(" %7s |", "-");
                else
                        printf(" %7.1f |", figures[way][rounds / 4] / 1000);
        }
        printf(" %-6s |\n", decision(trial, is_fuse));
        fflush(stdout);
        return stop ? -1 : 0;
}

/* ---- where ------------------------------------------------------------------------------------------------------- */

static int run(const char *const *argv) {
        pid_t pid;
        int status;

        if (posix_spawnp(&pid, argv[0], NULL, NULL, (char *const *)(uintptr_t)argv, environ) != 0 ||
            waitpid(pid, &status, 0) < 0)
                return -1;
        return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -1;
}

static int mount_image(const char *type, const char *image) {
        const char *ext4[] = {"mkfs.ext4", "-q", "-F", image, NULL}, *xfs[] = {"mkfs.xfs", "-q", "-f", image, NULL};
        const char *mounting[] = {"mount", "-o", "loop", image, directory, NULL};
        int fd = open(image, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

        if (fd < 0 || ftruncate(fd, IMAGE_BYTES) < 0)
                return fail(image);
        close(fd);
        return run(strcmp(type, "xfs") == 0 ? xfs : ext4) < 0 ? -1 : run(mounting);
}

/* The server of the tests, beside this program; its process to *ret_pid. */
static int mount_fuse(pid_t *ret_pid) {
        char program[PATH_MAX + 32], said[16] = "";
        ssize_t n = readlink("/proc/self/exe", program, PATH_MAX - 1);
        int fds[2];

        if (n < 0 || pipe2(fds, O_CLOEXEC) < 0)
                return fail("/proc/self/exe");
        program[n] = 0;
        snprintf(strrchr(program, '/'), 32, "/../e2e-hungfs");
        fflush(NULL);
        *ret_pid = fork();
        if (*ret_pid == 0) {
                dup2(fds[1], STDOUT_FILENO);
                execl(program, "hungfs", directory, "slow", "0", (char *)NULL);
                _exit(127);
        }
        close(fds[1]);
        n = read(fds[0], said, sizeof(said) - 1);
        close(fds[0]);
        return n > 0 && strncmp(said, "mounted", 7) == 0 ? 0 : -1;
}

static int mount_kind(const char *type, const char *image, pid_t *ret_pid) {
        if (strcmp(type, "fuse") == 0)
                return mount_fuse(ret_pid);
        if (strcmp(type, "tmpfs") == 0)
                return mount("none", directory, "tmpfs", 0, NULL) < 0 ? fail(directory) : 0;
        return mount_image(type, image);
}

static int measure_on(const char *type, const char *parent, unsigned rounds) {
        bool is_fuse = strcmp(type, "fuse") == 0;
        char image[PATH_MAX + 32];
        pid_t server = 0;
        int ret;

        snprintf(directory, sizeof(directory), "%s/fsop-routes.XXXXXX", parent);
        if (!mkdtemp(directory))
                return fail(directory);
        snprintf(image, sizeof(image), "%s.image", directory);
        ret = mount_kind(type, image, &server);
        if (ret < 0) {
                printf("SKIP: %s cannot be had here\n", type);
                ret = 0;
        } else {
                printf("\n%s\n\n| us an operation    |    loop |  worker |    ring | w. x %u | r. x %u | route  |\n"
                       "|---|--:|--:|--:|--:|--:|---|\n",
                       type, DEEP, DEEP);
                for (size_t i = 0; i < N_TRIALS && ret == 0; i++)
                        if (!is_fuse || trials[i].fuse)
                                ret = measure(&trials[i], rounds, is_fuse);
                umount2(directory, is_fuse ? MNT_DETACH : 0);
        }
        if (server > 0) {
                kill(server, SIGKILL);
                waitpid(server, NULL, 0);
        }
        rmdir(directory);
        unlink(image);
        return ret;
}

/* ---- the command ------------------------------------------------------------------------------------------------- */

static void quiet(int level, const char *message) {
        (void)level;
        (void)message;
}

static void on_signal(int number) {
        stop = number;
}

static int open_backend(void) {
        struct engine_config config = {.log = quiet, .workers_extra_max = 2};
        struct sys_config sys = {.log = quiet};
        struct peer peer = {.capabilities = UINT64_MAX, .pid = getpid(), .pidfd = OS_FD_NONE};
        const char *why = "";
        bool own_root;

        if (geteuid() != 0) {
                fprintf(stderr, "fsop-bench routes: needs root: it mounts filesystems\n");
                return -1;
        }
        if (sys_start(&sys, &own_root) < 0 || engine_open("auto", &config, &engine, &why) < 0 ||
            identity_of_peer(&peer, &identity) < 0) {
                fprintf(stderr, "fsop-bench routes: the backend does not start: %s\n", why);
                return -1;
        }
        return 0;
}

int routes_main(int argc, char **argv) {
        static const char *const all[] = {"tmpfs", "ext4", "xfs", "fuse"};
        const char *parent = "/var/tmp";
        unsigned rounds = 15;
        int ret = 0, i = 1;

        for (; i + 1 < argc && argv[i][0] == '-'; i += 2)
                if (strcmp(argv[i], "--rounds") == 0)
                        rounds = (unsigned)strtoul(argv[i + 1], NULL, 10);
                else if (strcmp(argv[i], "--dir") == 0)
                        parent = argv[i + 1];
                else
                        return 2;
        if (rounds == 0 || rounds > ROUNDS_MAX)
                return 2;
        if (open_backend() < 0)
                return 1;
        signal(SIGINT, on_signal);
        signal(SIGTERM, on_signal);
        printf("%s, engine %s, %u rounds of %u operations, lower quartiles\n", sys_platform(), engine->ops->name,
               rounds, FILES);
        for (size_t kind = 0; kind < sizeof(all) / sizeof(all[0]) && ret == 0; kind++) {
                bool chosen = i >= argc;

                for (int word = i; word < argc; word++)
                        chosen |= strcmp(argv[word], all[kind]) == 0;
                if (chosen)
                        ret = measure_on(all[kind], parent, rounds);
        }
        identity_unref(identity);
        engine->ops->close(engine);
        sys_stop();
        return ret < 0;
}
