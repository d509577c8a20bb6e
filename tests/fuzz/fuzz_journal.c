/* SPDX-License-Identifier: MIT */
/*
 * fuzz_journal.c: what the store gives back of jobs, whatever the disk has made of it, and a daemon that starts with
 * it. The statements that read are replaced by ones whose rows are the input, column by column; what reads them is the
 * real store. All that was read goes to where the daemon would take it: the jobs into its table, where those that are
 * not over begin to run; what is done and half done to the runs; failures to whoever asks.
 *
 * The input: how many rows there are (a byte for each table), and then values as each column wants them; see put().
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/steps_kit.h"

#include "daemon/done.h"
#include "daemon/journal.h"
#include "daemon/log.h"
#include "daemon/store_sqlite.h"

/* ---- statements whose rows are given ----------------------------------------------------------------------------- */

#define FIRST_PARAMETER 10 /* those before are the real statements', and bound by the store */

/* Columns by kind: i a number, e a small one, b bytes, l a list of numbers, t a list of texts, s a sum that the
 * database makes itself, of which nothing stands on the disk. */
static const struct {
        enum store_statement which;
        const char *columns;
        unsigned rows_max;
} tables[] = {
        {STATEMENT_LOAD_JOBS, "ieeliebbeeeeeeeeeiitbiee" /* what never changes */ "eieieieeeiieiiiiiieeeibbs", 2},
        {STATEMENT_LOAD_PLACES, "ebbeeiiiiietiiee", 3},
        {STATEMENT_READ_FILES, "b", 2},
        {STATEMENT_READ_ALL_FILES, "eib", 2},
        {STATEMENT_READ_PARTS, "bbiiiieiei", 2},
        {STATEMENT_READ_FAILURES, "iebeeeibb", 2},
};
#define TABLES (sizeof(tables) / sizeof(tables[0]))

static struct store_sqlite store;
static struct store_ops ops;

static void prepare(enum store_statement which, const char *columns, unsigned rows) {
        char sql[4096];
        size_t len = 0, n = strlen(columns);

        for (unsigned row = 0; row < rows; row++) {
                unsigned first = FIRST_PARAMETER + row * ((unsigned)n + 1);

                len += (size_t)snprintf(sql + len, sizeof(sql) - len, "%sSELECT ", row > 0 ? " UNION ALL " : "");
                for (unsigned i = 0; i < n; i++)
                        len += (size_t)snprintf(sql + len, sizeof(sql) - len, "%s?%u", i > 0 ? ", " : "", first + i);
                len += (size_t)snprintf(sql + len, sizeof(sql) - len, " WHERE ?%u", first + (unsigned)n);
        }
        must(len < sizeof(sql));
        must(sqlite3_prepare_v3(store.db, sql, -1, SQLITE_PREPARE_PERSISTENT, &store.statements[which], NULL) ==
             SQLITE_OK);
}

/* Bytes, as many as a byte says. */
static size_t put_bytes(struct input *input, uint8_t *to, size_t max) {
        size_t len = input_byte(input);
        const uint8_t *data = input_bytes(input, &len);

        if (len > max)
                len = max;
        if (len > 0)
                memcpy(to, data, len);
        return len;
}

/* A list: how many, and each with its length before it, unless a value is too large to be one: then as it comes. */
static size_t put_list(struct input *input, uint8_t *to, size_t max) {
        uint8_t n = input_byte(input);
        size_t at = 0;

        if (n > 8)
                return put_bytes(input, to, max);
        for (; n > 0 && at + 260 < max; n--) {
                size_t len = put_bytes(input, to + at + 4, 255);

                to[at] = (uint8_t)len;
                to[at + 1] = to[at + 2] = to[at + 3] = 0;
                at += 4 + len;
        }
        return at;
}

/*
 * One value. Bytes and lists begin with their length; small numbers are a byte, others one below 0xf8, or 8 bytes
 * behind it. Behind 0xf9 to 0xfd comes what the column does not expect.
 */
static void put(struct input *input, sqlite3_stmt *statement, int parameter, char kind) {
        uint8_t data[4096], escape = input->len > 0 ? input->data[0] : 0;
        size_t len;

        if (kind == 's') {
                sqlite3_bind_int64(statement, parameter, 0);
                return;
        }
        if (escape >= 0xf8 && escape <= 0xfd)
                input_byte(input);
        switch (escape) {
        case 0xf8:
                sqlite3_bind_int64(statement, parameter, (int64_t)input_number(input, 8));
                return;
        case 0xf9:
                sqlite3_bind_null(statement, parameter);
                return;
        case 0xfa:
                sqlite3_bind_double(statement, parameter, input_byte(input) / 3.0);
                return;
        case 0xfb:
                sqlite3_bind_text(statement, parameter, "text", 4, SQLITE_STATIC);
                return;
        case 0xfc:
                sqlite3_bind_int64(statement, parameter, -1 - (int64_t)input_byte(input));
                return;
        case 0xfd:
                len = put_bytes(input, data, sizeof(data));
                sqlite3_bind_blob(statement, parameter, data, (int)len, SQLITE_TRANSIENT);
                return;
        default:
                break;
        }
        if (kind == 'e' || kind == 'i') {
                sqlite3_bind_int64(statement, parameter, input_byte(input));
                return;
        }
        if (kind == 'l')
                len = (size_t)(4 * put_bytes(input, data, 255) / 4);
        else
                len = kind == 't' ? put_list(input, data, sizeof(data)) : put_bytes(input, data, sizeof(data));
        sqlite3_bind_blob(statement, parameter, data, (int)len, SQLITE_TRANSIENT);
}

static void fill(struct input *input) {
        unsigned rows[TABLES];

        for (unsigned i = 0; i < TABLES; i++)
                rows[i] = input_byte(input) % (tables[i].rows_max + 1);
        for (unsigned i = 0; i < TABLES; i++) {
                sqlite3_stmt *statement = store.statements[tables[i].which];
                int parameter = FIRST_PARAMETER, n = (int)strlen(tables[i].columns);

                for (unsigned row = 0; row < tables[i].rows_max; row++) {
                        for (int column = 0; row < rows[i] && column < n; column++)
                                put(input, statement, parameter + column, tables[i].columns[column]);
                        sqlite3_bind_int64(statement, parameter + n, row < rows[i]);
                        parameter += n + 1;
                }
        }
}

/* ---- the store of the daemon: it reads what it is given, and forgets what it is told ----------------------------- */

extern const struct store_ops __real_store_sqlite;
extern const struct store_ops __wrap_store_sqlite;

static bool store_exists(const char *directory) {
        (void)directory;
        return true;
}

static int store_open(const char *directory, struct store **ret_store, char **ret_note) {
        (void)directory, (void)ret_note;
        *ret_store = &store.store;
        return 0;
}

static int store_forget(struct store *base, const struct store_change *changes, uint32_t n) {
        (void)base, (void)changes, (void)n;
        return 0;
}

static struct store *store_stay(struct store *base) {
        (void)base;
        return NULL;
}

const struct store_ops __wrap_store_sqlite = {.name = "given", .exists = store_exists, .open = store_open};

static void store_start(void) {
        must(sqlite3_open_v2(":memory:", &store.db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
                             NULL) == SQLITE_OK);
        for (unsigned i = 0; i < TABLES; i++)
                prepare(tables[i].which, tables[i].columns, tables[i].rows_max);
        ops = __real_store_sqlite;
        ops.commit = store_forget;
        ops.close = store_stay;
        store.store.ops = &ops;
        store.next_id = 1000;
        store.generation = 1;
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

static unsigned sum; /* so that what is read is read */

static void look(struct bytes bytes, bool text) {
        for (size_t i = 0; i < bytes.len; i++)
                sum += bytes.data[i];
        must(!text || bytes.data[bytes.len] == 0);
}

static int take_job(void *context, const struct store_job *job) {
        (void)context;
        look(job->user, true);
        look(job->key, true);
        must(strlen(job->random) < sizeof(job->random) && job->state <= FSOP_JOB_CANCELLED);
        for (uint32_t i = 0; i < job->n_groups; i++)
                sum += job->groups[i];
        for (uint32_t i = 0; i < job->n_excludes; i++)
                look(job->excludes[i], true);
        for (uint32_t i = 0; i < job->n_places; i++) {
                look(job->places[i].source, true);
                look(job->places[i].target, true);
                for (uint32_t j = 0; j < job->places[i].n_names; j++)
                        look(job->places[i].names[j], true);
        }
        look(job->error.message, true);
        return 0;
}

static int take_entry(void *context, const struct done_entry *entry) {
        (void)context;
        look(entry->path, true);
        return 0;
}

static int take_files(void *context, struct bytes data) {
        int code = done_read(data, take_entry, context);

        must(code == 0 || code == -FSOP_EIO);
        return code;
}

static int take_all_files(void *context, const struct store_files *files) {
        (void)context;
        look(files->data, false);
        return 0;
}

static int take_part(void *context, const struct store_part *part) {
        (void)context;
        look(part->path, true);
        must(strlen(part->record.temporary) < sizeof(part->record.temporary));
        return 0;
}

static int take_failure(void *context, const struct store_failure *failure) {
        (void)context;
        look(failure->path, true);
        look(failure->error.message, true);
        look(failure->error.rule, true);
        return 0;
}

static bool is_good(int code) {
        must(code == 0 || code == -FSOP_EIO);
        return code == 0;
}

static bool read_everything(void) {
        uint64_t next_id;
        bool good = is_good(ops.load(&store.store, take_job, NULL, &next_id));

        good &= is_good(ops.read_files(&store.store, 1, 0, take_files, NULL));
        good &= is_good(ops.read_all_files(&store.store, 1, 0, take_all_files, NULL));
        good &= is_good(ops.read_parts(&store.store, 1, 0, take_part, NULL));
        good &= is_good(ops.read_failures(&store.store, 1, 0, 10, take_failure, NULL));
        return good;
}

/* ---- a daemon that starts with it -------------------------------------------------------------------------------- */

static void set_scene(void) {
        static uint64_t scene;

        if (!fake_fs || fake_fs->serials != scene) {
                fake_copy_reset();
                fake_make("/srv/build/a/b/c", FSOP_TYPE_REGULAR, 100);
                fake_make("/srv/build/a/d", FSOP_TYPE_REGULAR, 40000000);
                scene = fake_fs->serials;
        }
        fake_copy_forget();
}

static void run_daemon(void) {
        set_scene();
        must(jobs_start(&server, &server.jobs) == 0);
        for (int i = 0; i < 3; i++)
                rounds();
        jobs_drain(server.jobs);
        for (int i = 0; i < 100 && !jobs_is_idle(server.jobs); i++)
                rounds();
        must(jobs_is_idle(server.jobs));
        rounds();
        server.jobs = jobs_free(server.jobs);
        must(copies.trees == 0 && copies.dirs == 0 && copies.dir_fds == 0 && copies.parts == 0);
        must(sys.pinned == 0 && sys.identities == 0 && graveyard_pending() == 0 && fake_fds_open == 0);
        fake_written_len = 0;
        fake_n_fds = 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static bool ready;
        struct input input = {data, size};

        if (!ready) {
                log_setup(getenv("FUZZ_LOG") ? LOG_LEVEL_DEBUG : 0, false);
                store_start();
                fill(&(struct input){NULL, 0});
                start_daemon(1000);
                server.jobs = jobs_free(server.jobs);
                ready = true;
        }
        fill(&input);
        fuzz_accepted = read_everything();
        run_daemon();
        return 0;
}
