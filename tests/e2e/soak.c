/* SPDX-License-Identifier: MIT */
/*
 * soak: clients that change files for as long as they live, keep a ledger of what they asked for and what was answered,
 * and are killed at random; and a judge that compares ledgers with what is there.
 *
 *      soak drive SOCKET TREE LEDGERS SECONDS UID…   64 clients; prints how many were killed
 *      soak judge TREE LEDGERS UID…                  says what is not as the ledgers have it; 1 if anything is
 *
 * A client owns one directory, and every object in it a name that is used once. What it asks for is written down before
 * it is sent, what was answered before anything else is asked. Where nobody knows what became of a request, because the
 * client was killed or the connection broke, its objects are left alone from then on: at the end they must look as
 * before or as after it, and not like anything between.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#include "client/fsop.h"

enum {
        CLIENTS = 64,
        UIDS_MAX = 4,
        LIVE_FEW = 12, /* objects of a client: below this it makes more than it removes */
        LIVE_MANY = 24,
        BATCH_MAX = 8,
        DATA_BYTES = 4096, /* one page: what the kernel writes whole or not at all, whoever is killed */
        CODES = 256,
};

/* What is asked for. The order is that of the ledgers. */
enum change {
        CREATE, /* an empty file, by an open that makes it */
        MKDIR,
        SYMLINK,
        FIFO,
        RENAME,
        LINK,
        COPY_JOB,
        COPY_RANGE,
        EXCHANGE,
        WRITE,
        TRUNCATE,
        FALLOCATE,
        CHMOD,
        CHOWN,
        UTIMENS,
        SETXATTR,
        REMOVEXATTR,
        UNLINK,
        CHANGES,
        LOOK = CHANGES, /* a stat, whose answer is compared at once */
};

enum note { ASKED = 1, DONE, REFUSED, UNKNOWN, WRONG };

struct record {
        uint8_t note, change;
        uint16_t code;
        uint32_t object, other; /* other: what is made or changed beside it; 0: none */
        uint32_t value;         /* everything about the change follows from it */
};

enum kind { NOTHING, FILE_, DIRECTORY, LINK_, FIFO_ };

struct look {
        enum kind kind;
        uint32_t mode, uid, gid;
        uint32_t data; /* what the first page holds; 0: zeros */
        uint64_t size;
        uint32_t xattr; /* 0: none */
        int64_t mtime;  /* 0: any */
        uint32_t twin;  /* another name of the same file; 0: none */
};

struct object {
        struct look now, after; /* after: what an open question may have made of it */
        uint32_t with;          /* the other object of that question; 0: none */
        uint8_t change;
        bool asked, in_doubt, left_alone;
};

struct ledger {
        int fd;
        struct object *objects;
        uint32_t n, room; /* object 0 is none */
        uint64_t notes[WRONG + 1], codes[CODES];
};

static const char *tree, *ledgers;
static uint32_t uids[UIDS_MAX];
static unsigned n_uids;

__attribute__((noreturn)) static void die(const char *what) {
        fprintf(stderr, "soak: %s: %s\n", what, strerror(errno));
        exit(2);
}

/* ---- what a change makes of an object ---------------------------------------------------------------------------- */

static uint32_t own_uid(unsigned client) {
        return uids[client % n_uids];
}

static uint32_t mode_of(uint32_t value) {
        static const uint32_t modes[] = {0600, 0640, 0644, 0660, 0700, 0711, 0750, 0755};

        return modes[value % 8];
}

static uint64_t size_of(uint32_t value) {
        static const uint64_t sizes[] = {0, DATA_BYTES, 10000, 65536, 300000};

        return sizes[value % 5];
}

static uint32_t owner_of(unsigned client, uint32_t value) {
        return value % 3 ? 2000 + value % 1000 : own_uid(client);
}

static void fill(uint8_t *data, uint32_t value) {
        for (size_t i = 0; i < DATA_BYTES; i++)
                data[i] = value ? (uint8_t)(value * 2654435761u >> (i % 4 * 8)) ^ (uint8_t)i : 0;
}

static struct look made(unsigned client, enum kind kind, uint32_t mode) {
        return (struct look){.kind = kind, .mode = mode, .uid = own_uid(client), .gid = own_uid(client)};
}

/* One object alone. A change of contents leaves the time of change to the clock. */
static void change_one(unsigned client, enum change change, uint32_t value, struct look *it) {
        switch (change) {
        case CREATE:
                *it = made(client, FILE_, mode_of(value));
                break;
        case MKDIR:
                *it = made(client, DIRECTORY, mode_of(value));
                break;
        case SYMLINK:
                *it = made(client, LINK_, 0777);
                it->data = value;
                break;
        case FIFO:
                *it = made(client, FIFO_, mode_of(value));
                break;
        case WRITE:
                it->data = value;
                it->size = it->size < DATA_BYTES ? DATA_BYTES : it->size;
                it->mtime = 0;
                break;
        case TRUNCATE:
                it->size = size_of(value);
                it->data = it->size ? it->data : 0;
                it->mtime = 0;
                break;
        case FALLOCATE:
                it->size = it->size < size_of(value) + 1 ? size_of(value) + 1 : it->size;
                it->mtime = 0;
                break;
        case CHMOD:
                it->mode = mode_of(value);
                break;
        case CHOWN:
                it->uid = owner_of(client, value);
                break;
        case UTIMENS:
                it->mtime = 1 + value;
                break;
        case SETXATTR:
                it->xattr = value;
                break;
        case REMOVEXATTR:
                it->xattr = 0;
                break;
        case UNLINK:
                *it = (struct look){0};
                break;
        default:
                break;
        }
}

/* Both objects of a change. */
static void change_both(unsigned client, const struct record *record, struct look *it, struct look *other) {
        struct look before = *it;

        switch (record->change) {
        case RENAME:
                *other = before;
                *it = (struct look){0};
                break;
        case EXCHANGE:
                *it = *other;
                *other = before;
                break;
        case LINK:
                *other = before;
                other->twin = record->object;
                break;
        case COPY_JOB: /* without preserving anything: mode under the umask, own owner, now */
                *other = made(client, FILE_, before.mode & 0755);
                other->size = before.size;
                other->data = before.data;
                break;
        case COPY_RANGE:
                other->data = before.data;
                other->size = other->size < DATA_BYTES ? DATA_BYTES : other->size;
                other->mtime = 0;
                break;
        default:
                change_one(client, record->change, record->value, it);
        }
}

/* ---- the ledger -------------------------------------------------------------------------------------------------- */

static struct object *object_at(struct ledger *ledger, uint32_t number) {
        if (number >= ledger->room) {
                uint32_t room = number * 2 + 64;

                ledger->objects = realloc(ledger->objects, room * sizeof(*ledger->objects));
                if (!ledger->objects)
                        die("memory");
                memset(ledger->objects + ledger->room, 0, (room - ledger->room) * sizeof(*ledger->objects));
                ledger->room = room;
        }
        if (number >= ledger->n)
                ledger->n = number + 1;
        return &ledger->objects[number];
}

static void ask(unsigned client, struct ledger *ledger, const struct record *record) {
        struct look none = {0};
        struct object *other = record->other ? object_at(ledger, record->other) : NULL;
        struct object *object = object_at(ledger, record->object);

        /* the table may have moved */
        other = record->other ? object_at(ledger, record->other) : NULL;
        object->change = record->change;
        object->asked = true;
        object->with = record->other;
        object->after = object->now;
        if (other) {
                other->asked = true;
                other->with = record->object;
                other->after = other->now;
        }
        change_both(client, record, &object->after, other ? &other->after : &none);
}

static void answer(struct object *object, const struct record *record) {
        object->asked = false;
        if (record->note == DONE)
                object->now = object->after;
        object->in_doubt = record->note == UNKNOWN;
        object->left_alone = object->in_doubt || record->change == LINK || record->change == COPY_JOB;
}

static void note(unsigned client, struct ledger *ledger, const struct record *record) {
        ledger->notes[record->note]++;
        ledger->codes[record->code % CODES]++;
        if (record->change == LOOK || record->note == WRONG)
                return;
        if (record->note == ASKED) {
                ask(client, ledger, record);
                return;
        }
        answer(object_at(ledger, record->object), record);
        if (record->other)
                answer(object_at(ledger, record->other), record);
}

static void write_down(unsigned client, struct ledger *ledger, const struct record *records, size_t n) {
        if (n > 0 && write(ledger->fd, records, n * sizeof(*records)) != (ssize_t)(n * sizeof(*records)))
                die("the ledger");
        for (size_t i = 0; i < n; i++)
                note(client, ledger, &records[i]);
}

/* What earlier lives of the client have written; what they never heard of is in doubt. */
static void ledger_open(unsigned client, struct ledger *ledger) {
        char path[512];
        struct stat stat;
        struct record *records;

        *ledger = (struct ledger){0};
        object_at(ledger, 0);
        snprintf(path, sizeof(path), "%s/%u", ledgers, client);
        ledger->fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        if (ledger->fd < 0 || fstat(ledger->fd, &stat) < 0)
                die(path);
        if (stat.st_size > 0) {
                records = mmap(NULL, (size_t)stat.st_size, PROT_READ, MAP_PRIVATE, ledger->fd, 0);
                if (records == MAP_FAILED)
                        die(path);
                for (size_t i = 0; i < (size_t)stat.st_size / sizeof(*records); i++)
                        note(client, ledger, &records[i]);
                munmap(records, (size_t)stat.st_size);
        }
        for (uint32_t i = 1; i < ledger->n; i++)
                if (ledger->objects[i].asked)
                        ledger->objects[i].in_doubt = ledger->objects[i].left_alone = true;
}

/* ---- a client ---------------------------------------------------------------------------------------------------- */

struct worker {
        unsigned number;
        const char *socket;
        struct fsop_client *client;
        struct ledger ledger;
        struct record records[BATCH_MAX];
        char paths[BATCH_MAX][2][256];
        unsigned n;
        uint32_t chance;
};

static uint32_t draw(struct worker *worker, uint32_t below) {
        worker->chance ^= worker->chance << 13;
        worker->chance ^= worker->chance >> 17;
        worker->chance ^= worker->chance << 5;
        return worker->chance % below;
}

static void path_of(unsigned client, uint32_t number, char path[256]) {
        snprintf(path, 256, "%s/c%u/o%u", tree, client, number);
}

static bool is_taken(const struct worker *worker, uint32_t number) {
        for (unsigned i = 0; i < worker->n; i++)
                if (worker->records[i].object == number || worker->records[i].other == number)
                        return true;
        return false;
}

/* An object that is there, is not asked about and may be changed; a FILE_ only if so wanted. 0: none was found. */
static uint32_t pick(struct worker *worker, bool file) {
        struct ledger *ledger = &worker->ledger;

        for (unsigned tries = 0; tries < 400 && ledger->n > 1; tries++) {
                /* what is there is mostly new */
                uint32_t back = draw(worker, ledger->n - 1 < 400 ? ledger->n - 1 : 400), number = ledger->n - 1 - back;
                const struct object *object = &ledger->objects[number];

                if (object->now.kind != NOTHING && !object->left_alone && !is_taken(worker, number) &&
                    (!file || object->now.kind == FILE_))
                        return number;
        }
        return 0;
}

static unsigned count_live(const struct ledger *ledger) {
        uint32_t first = ledger->n > 400 ? ledger->n - 400 : 1;
        unsigned n = 0;

        for (uint32_t i = first; i < ledger->n; i++)
                n += ledger->objects[i].now.kind != NOTHING && !ledger->objects[i].left_alone;
        return n;
}

static enum change draw_change(struct worker *worker) {
        unsigned live = count_live(&worker->ledger);

        if (live < LIVE_FEW)
                return (enum change)draw(worker, FIFO + 1);
        if (live > LIVE_MANY)
                return UNLINK;
        if (draw(worker, 5) == 0)
                return LOOK;
        if (draw(worker, 150) == 0)
                return COPY_JOB;
        return draw(worker, 12) == 0 ? (enum change)draw(worker, FIFO + 1)
                                     : (enum change)(COPY_RANGE + draw(worker, CHANGES - COPY_RANGE));
}

static bool needs_file(enum change change) {
        return change == COPY_JOB || change == COPY_RANGE || change == WRITE || change == TRUNCATE ||
               change == FALLOCATE || change == SETXATTR || change == LINK;
}

/* Something that can be done now; false: not this. */
static bool draw_record(struct worker *worker, struct record *record) {
        struct ledger *ledger = &worker->ledger;
        enum change change = draw_change(worker);
        const struct object *object;

        if (draw(worker, 40) == 0 && change > FIFO && change != LOOK)
                change = draw(worker, 3) ? RENAME : LINK;
        *record = (struct record){.note = ASKED, .change = (uint8_t)change, .value = 1 + draw(worker, 1000000000)};
        if (change <= FIFO) {
                record->object = ledger->n;
        } else {
                record->object = pick(worker, needs_file(change));
                if (record->object == 0)
                        return false;
        }
        object = object_at(ledger, record->object);
        if (change == RENAME || change == LINK || change == COPY_JOB) {
                record->other = ledger->n;
                object_at(ledger, record->other);
        } else if (change == EXCHANGE || change == COPY_RANGE) {
                worker->records[worker->n++] = *record; /* not twice the same */
                record->other = pick(worker, change == COPY_RANGE);
                worker->n--;
                if (record->other == 0)
                        return false;
        }
        object = object_at(ledger, record->object);
        if (change == COPY_RANGE && object->now.size < DATA_BYTES)
                return false;
        if (change == REMOVEXATTR && object->now.xattr == 0)
                return false;
        return change != CHMOD && change != UTIMENS ? true : object->now.kind != LINK_;
}

#define ARGS(name, ...)                                                                                                \
        &(struct fsop_##name##_args) {                                                                                 \
                .size = sizeof(struct fsop_##name##_args), __VA_ARGS__                                                 \
        }

static int add(struct worker *worker, struct fsop_batch *batch, unsigned i) {
        const struct record *record = &worker->records[i];
        struct fsop_create create = {.create = true, .mode = mode_of(record->value), .has_umask = true};
        struct fsop_at at, to;
        char text[32];

        path_of(worker->number, record->object, worker->paths[i][0]);
        path_of(worker->number, record->other, worker->paths[i][1]);
        at = fsop_at_path(worker->paths[i][0], false);
        to = fsop_at_path(worker->paths[i][1], false);
        snprintf(text, sizeof(text), "%u", record->value);
        switch (record->change) {
        case CREATE:
                return fsop_batch_open(batch, &at, ARGS(open, .write = true, .exclusive = true, .create = create));
        case MKDIR:
                return fsop_batch_mkdir(batch, &at, ARGS(mkdir, .create = create));
        case SYMLINK:
                return fsop_batch_symlink(batch, &at, ARGS(symlink, .text = fsop_bytes_of(text)));
        case FIFO:
                return fsop_batch_mknod(batch, &at, ARGS(mknod, .type = FSOP_TYPE_FIFO, .create = create));
        case RENAME:
                return fsop_batch_rename(batch, &at, &to, ARGS(rename, .no_replace = true));
        case EXCHANGE:
                return fsop_batch_rename(batch, &at, &to, ARGS(rename, .exchange = true));
        case LINK:
                return fsop_batch_link(batch, &at, &to);
        case COPY_JOB:
                return fsop_batch_cp(batch, &at, &to, ARGS(cp, .has_umask = true, .umask = 022));
        case COPY_RANGE:
                return fsop_batch_copy_range(batch, &at, &to,
                                             ARGS(copy_range, .has_length = true, .length = DATA_BYTES));
        case TRUNCATE:
                return fsop_batch_truncate(batch, &at, ARGS(truncate, .length = size_of(record->value)));
        case FALLOCATE:
                return fsop_batch_fallocate(batch, &at, ARGS(fallocate, .length = size_of(record->value) + 1));
        case CHMOD:
                return fsop_batch_chmod(batch, &at, ARGS(chmod, .set = mode_of(record->value), .clear = 07777));
        case CHOWN:
                return fsop_batch_chown(batch, &at,
                                        ARGS(chown, .has_uid = true, .uid = owner_of(worker->number, record->value)));
        case UTIMENS:
                return fsop_batch_utimens(
                        batch, &at,
                        ARGS(utimens, .mtime_change = FSOP_TIME_SET, .mtime.sec = 1 + (int64_t)record->value));
        case SETXATTR:
                return fsop_batch_setxattr(
                        batch, &at, ARGS(setxattr, .name = fsop_bytes_of("user.soak"), .value = fsop_bytes_of(text)));
        case REMOVEXATTR:
                return fsop_batch_removexattr(batch, &at, ARGS(removexattr, .name = fsop_bytes_of("user.soak")));
        case UNLINK:
                return object_at(&worker->ledger, record->object)->now.kind == DIRECTORY
                               ? fsop_batch_rmdir(batch, &at)
                               : fsop_batch_unlink(batch, &at, NULL);
        default:
                return fsop_batch_stat(batch, &at);
        }
}

/* What was answered: done, refused without a trace, or nobody knows. Refusals are the policy's, the kernel's for want
 * of permission, or of a daemon that is about to end; everything else is wrong. */
static struct record judge_answer(const struct record *asked, const struct fsop_result *result) {
        struct record record = *asked;
        const struct fsop_error *error = result ? &result->error : NULL;

        record.note = UNKNOWN;
        if (!error)
                return record;
        record.code = (uint16_t)error->code;
        if (error->code == 0)
                record.note = DONE;
        else if (error->code == FSOP_EPERM || error->code == FSOP_EACCES || error->class_ == FSOP_CLASS_BUSY ||
                 error->class_ == FSOP_CLASS_CANCELLED)
                record.note = REFUSED;
        return record;
}

static bool is_lost(const struct fsop_result *result) {
        return !result || result->error.code == FSOP_ECONNRESET || result->error.code == FSOP_ENOTCONN ||
               result->error.code == FSOP_EPIPE || result->outcome == FSOP_OUTCOME_UNKNOWN;
}

/* What the daemon said of an object, against what it must be. */
static bool looks_as(const struct look *look, const struct fsop_stat *stat) {
        static const uint32_t types[] = {0, S_IFREG, S_IFDIR, S_IFLNK, S_IFIFO};

        return (stat->mode & S_IFMT) == types[look->kind] && (stat->mode & 07777) == look->mode &&
               stat->uid == look->uid && stat->gid == look->gid && (look->kind != FILE_ || stat->size == look->size) &&
               (look->mtime == 0 || stat->mtime.sec == look->mtime);
}

static void wrong(struct worker *worker, const struct record *asked, const struct fsop_error *error) {
        struct record record = *asked;

        record.note = WRONG;
        record.code = (uint16_t)(error ? error->code : 0);
        fprintf(stderr, "client %u: change %u of o%u (o%u), value %u: %s %.*s\n", worker->number, record.change,
                record.object, record.other, record.value, error ? fsop_error_name(error->code) : "not what it must be",
                error ? (int)error->message.len : 0, error ? (const char *)error->message.data : "");
        write_down(worker->number, &worker->ledger, &record, 1);
}

static void answer_all(struct worker *worker, struct fsop_batch *batch) {
        struct record answers[BATCH_MAX];
        unsigned n = 0;

        for (unsigned i = 0; i < worker->n; i++) {
                const struct record *asked = &worker->records[i];
                const struct fsop_result *result = fsop_batch_result(batch, i);
                struct record *record = &answers[n++];

                if (is_lost(result)) {
                        *record = *asked;
                        record->note = UNKNOWN;
                        continue;
                }
                *record = judge_answer(asked, result);
                if (record->note == UNKNOWN)
                        wrong(worker, asked, &result->error);
                if (record->change == LOOK && record->note == DONE &&
                    !looks_as(&object_at(&worker->ledger, record->object)->now, &result->value.stat))
                        wrong(worker, asked, NULL);
        }
        write_down(worker->number, &worker->ledger, answers, n);
        for (unsigned i = 0; i < worker->n; i++)
                if (worker->records[i].change == CREATE && answers[i].note == DONE)
                        fsop_close_handle(worker->client, fsop_batch_result(batch, i)->value.handle);
}

static void run_batch(struct worker *worker) {
        struct fsop_batch *batch;

        if (fsop_batch_new(worker->client, FSOP_BATCH_PARALLEL, &batch) < 0)
                return;
        for (unsigned i = 0; i < worker->n; i++)
                if (add(worker, batch, i) < 0)
                        die("a batch");
        write_down(worker->number, &worker->ledger, worker->records, worker->n);
        fsop_batch_run(batch);
        answer_all(worker, batch);
        fsop_batch_free(batch);
}

/* By a handle: opened, written, closed. Only the middle one changes anything. */
static void run_write(struct worker *worker) {
        const struct record *asked = &worker->records[0];
        struct fsop_handle handle;
        uint8_t data[DATA_BYTES];
        struct record record = *asked;
        struct fsop_at at;
        size_t count;
        int r;

        path_of(worker->number, asked->object, worker->paths[0][0]);
        at = fsop_at_path(worker->paths[0][0], false);
        if (fsop_open_handle(worker->client, &at, ARGS(open, .write = true), &handle) < 0)
                return;
        at = fsop_at_handle(handle, NULL, false);
        fill(data, asked->value);
        write_down(worker->number, &worker->ledger, asked, 1);
        r = fsop_write(worker->client, &at, 0, (struct fsop_bytes){data, sizeof(data)}, &count);
        record.code = (uint16_t)-r;
        record.note = r == 0 ? DONE : r == -FSOP_EPERM || r == -FSOP_EACCES || r == -FSOP_ESTALE ? REFUSED : UNKNOWN;
        write_down(worker->number, &worker->ledger, &record, 1);
        fsop_close_handle(worker->client, handle);
}

static void draw_records(struct worker *worker) {
        unsigned wanted = 1 + draw(worker, BATCH_MAX);

        worker->n = 0;
        for (unsigned i = 0; i < wanted; i++) {
                struct record *record = &worker->records[worker->n];

                if (!draw_record(worker, record) || (record->change == WRITE && i > 0))
                        continue;
                object_at(&worker->ledger, record->object);
                worker->n++;
                if (record->change == WRITE)
                        return;
        }
}

static void pause_ms(unsigned ms) {
        nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000}, NULL);
}

/* Until it is killed. */
__attribute__((noreturn)) static void work(const char *socket, unsigned number, uint32_t seed) {
        struct worker worker = {.number = number, .chance = seed | 1};
        struct fsop_client_options options = {.size = sizeof(options), .socket_path = socket, .name = "soak"};

        ledger_open(number, &worker.ledger);
        if (setgroups(0, NULL) < 0 || setresgid(own_uid(number), own_uid(number), own_uid(number)) < 0 ||
            setresuid(own_uid(number), own_uid(number), own_uid(number)) < 0)
                die("another identity");
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* when the test gives up */
        for (;;) {
                while (fsop_open(&options, &worker.client) < 0)
                        pause_ms(5 + draw(&worker, 20));
                while (fsop_ping(worker.client) == 0) {
                        draw_records(&worker);
                        if (worker.n == 1 && worker.records[0].change == WRITE)
                                run_write(&worker);
                        else if (worker.n > 0)
                                run_batch(&worker);
                        pause_ms(draw(&worker, 20));
                }
                fsop_close(worker.client);
        }
}

/* ---- driving ----------------------------------------------------------------------------------------------------- */

static pid_t begin(const char *socket, unsigned number) {
        static uint32_t seed = 2463534242u;
        pid_t child;

        seed = seed * 1664525 + 1013904223 + (uint32_t)getpid();
        child = fork();
        if (child == 0)
                work(socket, number, seed);
        if (child < 0)
                die("fork");
        return child;
}

static double now_s(void) {
        struct timespec now;

        clock_gettime(CLOCK_MONOTONIC, &now);
        return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void make_directories(void) {
        char path[512];

        for (unsigned i = 0; i < CLIENTS; i++) {
                snprintf(path, sizeof(path), "%s/c%u", tree, i);
                if ((mkdir(path, 0755) < 0 && errno != EEXIST) || chown(path, own_uid(i), own_uid(i)) < 0)
                        die(path);
        }
}

/* One that ends by itself has met something that is no part of the plan. */
static int drive(const char *socket, double seconds) {
        pid_t children[CLIENTS];
        double end = now_s() + seconds;
        unsigned kills = 0, ended = 0;
        int status;

        srandom((unsigned)getpid());
        make_directories();
        for (unsigned i = 0; i < CLIENTS; i++)
                children[i] = begin(socket, i);
        while (now_s() < end) {
                unsigned i = (unsigned)random() % CLIENTS;

                pause_ms((unsigned)random() % 200);
                kill(children[i], SIGKILL);
                if (waitpid(children[i], &status, 0) != children[i] || !WIFSIGNALED(status) ||
                    WTERMSIG(status) != SIGKILL)
                        ended++;
                kills++;
                children[i] = begin(socket, i);
        }
        for (unsigned i = 0; i < CLIENTS; i++)
                kill(children[i], SIGKILL);
        for (unsigned i = 0; i < CLIENTS; i++)
                if (waitpid(children[i], &status, 0) != children[i] || !WIFSIGNALED(status) ||
                    WTERMSIG(status) != SIGKILL)
                        ended++;
        printf("%u clients killed, %u ended by themselves\n", kills + CLIENTS, ended);
        return ended > 0;
}

/* ---- judging ----------------------------------------------------------------------------------------------------- */

static bool data_is(const char *path, uint32_t value, uint64_t size) {
        uint8_t expected[DATA_BYTES], found[DATA_BYTES];
        int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
        bool same = fd >= 0;

        for (uint64_t at = 0; same && at < size; at += DATA_BYTES) {
                size_t n = size - at < DATA_BYTES ? (size_t)(size - at) : DATA_BYTES;

                fill(expected, at == 0 ? value : 0);
                same = pread(fd, found, n, (off_t)at) == (ssize_t)n && memcmp(found, expected, n) == 0;
        }
        if (fd >= 0)
                close(fd);
        return same;
}

static bool xattr_is(const char *path, uint32_t value) {
        char text[32], found[64];
        ssize_t n = lgetxattr(path, "user.soak", found, sizeof(found));

        if (value == 0)
                return n < 0 && (errno == ENODATA || errno == EOPNOTSUPP);
        snprintf(text, sizeof(text), "%u", value);
        return n == (ssize_t)strlen(text) && memcmp(found, text, strlen(text)) == 0;
}

static bool is_as(unsigned client, uint32_t number, const struct look *look) {
        char path[256], twin[256], text[32], expected[32];
        struct stat stat, other;
        struct fsop_stat seen;
        ssize_t n;

        path_of(client, number, path);
        if (lstat(path, &stat) < 0)
                return errno == ENOENT && look->kind == NOTHING;
        seen = (struct fsop_stat){.mode = stat.st_mode,
                                  .uid = stat.st_uid,
                                  .gid = stat.st_gid,
                                  .size = (uint64_t)stat.st_size,
                                  .mtime.sec = stat.st_mtime};
        if (look->kind == NOTHING || !looks_as(look, &seen))
                return false;
        path_of(client, look->twin, twin);
        if (look->twin && (lstat(twin, &other) < 0 || other.st_ino != stat.st_ino))
                return false;
        if (look->kind == LINK_) {
                n = readlink(path, text, sizeof(text));
                snprintf(expected, sizeof(expected), "%u", look->data);
                return n == (ssize_t)strlen(expected) && memcmp(text, expected, (size_t)n) == 0;
        }
        return look->kind != FILE_ || (data_is(path, look->data, look->size) && xattr_is(path, look->xattr));
}

static void describe(unsigned client, uint32_t number, const char *what, const struct look *look) {
        printf("  client %u, o%u %s: kind %d mode %o owner %u:%u size %llu data %u xattr %u mtime %lld\n", client,
               number, what, (int)look->kind, look->mode, look->uid, look->gid, (unsigned long long)look->size,
               look->data, look->xattr, (long long)look->mtime);
}

struct verdict {
        uint64_t there, doubts, applied, wrong, strangers, notes[WRONG + 1];
};

/* One object, or two that one question was about: both as before, or both as after it. */
static void judge_object(unsigned client, const struct ledger *ledger, uint32_t number, struct verdict *verdict) {
        const struct object *object = &ledger->objects[number];
        const struct object *other = object->in_doubt && object->with ? &ledger->objects[object->with] : NULL;

        if (!object->in_doubt) {
                verdict->there += object->now.kind != NOTHING;
                if (is_as(client, number, &object->now))
                        return;
        } else if (other && object->with < number) {
                return; /* judged with the first of the two */
        } else {
                verdict->doubts++;
                if (is_as(client, number, &object->after) && (!other || is_as(client, object->with, &other->after))) {
                        verdict->applied++;
                        return;
                }
                if (is_as(client, number, &object->now) && (!other || is_as(client, object->with, &other->now)))
                        return;
        }
        if (verdict->wrong++ < 20) {
                describe(client, number, "must be", &object->now);
                if (object->in_doubt)
                        describe(client, number, "or", &object->after);
                if (other) {
                        describe(client, object->with, "must be", &other->now);
                        describe(client, object->with, "or", &other->after);
                }
        }
}

static void judge_strangers(unsigned client, const struct ledger *ledger, struct verdict *verdict) {
        char path[256];
        struct dirent *entry;
        uint32_t number;
        DIR *dir;

        snprintf(path, sizeof(path), "%s/c%u", tree, client);
        dir = opendir(path);
        if (!dir)
                die(path);
        while ((entry = readdir(dir))) {
                if (entry->d_name[0] == '.' && (entry->d_name[1] == 0 || strcmp(entry->d_name, "..") == 0))
                        continue;
                number = entry->d_name[0] == 'o' ? (uint32_t)strtoul(entry->d_name + 1, NULL, 10) : 0;
                if (number == 0 || number >= ledger->n) {
                        verdict->strangers++;
                        printf("  client %u: nobody asked for %s\n", client, entry->d_name);
                }
        }
        closedir(dir);
}

static int judge(void) {
        struct verdict verdict = {0};
        uint64_t codes[CODES] = {0};

        for (unsigned client = 0; client < CLIENTS; client++) {
                struct ledger ledger;

                ledger_open(client, &ledger);
                for (uint32_t i = 1; i < ledger.n; i++)
                        judge_object(client, &ledger, i, &verdict);
                judge_strangers(client, &ledger, &verdict);
                for (int i = 0; i <= WRONG; i++)
                        verdict.notes[i] += ledger.notes[i];
                for (int i = 0; i < CODES; i++)
                        codes[i] += ledger.codes[i];
                close(ledger.fd);
                free(ledger.objects);
        }
        printf("%llu asked, %llu done, %llu refused, %llu unknown; refused with",
               (unsigned long long)verdict.notes[ASKED], (unsigned long long)verdict.notes[DONE],
               (unsigned long long)verdict.notes[REFUSED], (unsigned long long)verdict.notes[UNKNOWN]);
        for (int i = 1; i < CODES; i++)
                if (codes[i])
                        printf(" %s %llu", fsop_error_name(i) ? fsop_error_name(i) : "?", (unsigned long long)codes[i]);
        printf("\n%llu objects there, %llu in doubt, of which %llu as after the change\n",
               (unsigned long long)verdict.there, (unsigned long long)verdict.doubts,
               (unsigned long long)verdict.applied);
        printf("%llu are not as they must be, %llu that nobody asked for, %llu wrong answers\n",
               (unsigned long long)verdict.wrong, (unsigned long long)verdict.strangers,
               (unsigned long long)verdict.notes[WRONG]);
        return verdict.wrong > 0 || verdict.strangers > 0 || verdict.notes[WRONG] > 0 || verdict.notes[DONE] == 0;
}

static void take_uids(int argc, char **argv) {
        for (int i = 0; i < argc && n_uids < UIDS_MAX; i++)
                uids[n_uids++] = (uint32_t)strtoul(argv[i], NULL, 10);
}

int main(int argc, char **argv) {
        if (argc >= 7 && strcmp(argv[1], "drive") == 0) {
                tree = argv[3];
                ledgers = argv[4];
                take_uids(argc - 6, argv + 6);
                return drive(argv[2], strtod(argv[5], NULL));
        }
        if (argc >= 5 && strcmp(argv[1], "judge") == 0) {
                tree = argv[2];
                ledgers = argv[3];
                take_uids(argc - 4, argv + 4);
                return judge();
        }
        return 2;
}
