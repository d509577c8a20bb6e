/* SPDX-License-Identifier: MIT */
/*
 * store_sqlite.c: the store of a single host. One commit is one transaction: its write-ahead log is on the disk when it
 * returns.
 *
 * A job is three kinds of rows: what never changes, which may be large; its state, which is written often; its places.
 * What belongs to a job refers to its row, and goes with it.
 */
#include <stdlib.h>
#include <string.h>

#include "daemon/store_sqlite.h"

#define SHRINK_PAGES 1024 /* given back to the filesystem at a time: 4 MiB */

#define STATE_COLUMNS                                                                                                  \
        "state, started_s, started_ns, finished_s, finished_ns, progressed_s, progressed_ns, runs, elevated, "         \
        "files_total, bytes_total, totals_known, files_done, files_failed, files_skipped, bytes_copied, "              \
        "bytes_flushed, bytes_verified, error_code, error_class, error_retryable, error_os, error_rule, error_message"
#define STATE_VALUES "?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?"
#define JOB_COLUMNS                                                                                                    \
        "id, uid, gid, group_list, capabilities, fully_capable, user_name, idempotency, run_as, recursive, "           \
        "one_filesystem, verify, preserve, umask, clone, sync, overwrite, bytes_per_s, priority, excludes, random, "   \
        "created_s, created_ns, n_places"
#define PLACE_COLUMNS                                                                                                  \
        "source, target, follow, elevated, source_dev, source_ino, parent_dev, parent_ino, source_btime_s, "           \
        "source_btime_ns, "                                                                                            \
        "names, top_ino, top_btime_s, top_btime_ns, finished"

static const char *const statements[STATEMENTS] = {
        [STATEMENT_BEGIN] = "BEGIN IMMEDIATE",
        [STATEMENT_COMMIT] = "COMMIT",
        [STATEMENT_ROLLBACK] = "ROLLBACK",
        [STATEMENT_COVER] = "UPDATE meta SET value = value + 1 WHERE name = 'failed-commits'",
        [STATEMENT_NEXT_ID] = "UPDATE meta SET value = ? WHERE name = 'next-id'",
        [STATEMENT_ADD_JOB] = "INSERT INTO jobs (" JOB_COLUMNS ") "
                              "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [STATEMENT_ADD_STATE] = "INSERT INTO states (" STATE_COLUMNS ", job) VALUES (" STATE_VALUES ", ?)",
        [STATEMENT_ADD_PLACE] = "INSERT INTO places (job, place, " PLACE_COLUMNS ") "
                                "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [STATEMENT_UPDATE] = "UPDATE states SET (" STATE_COLUMNS ") = (" STATE_VALUES ") WHERE job = ?",
        [STATEMENT_TOP] =
                "UPDATE places SET (top_ino, top_btime_s, top_btime_ns) = (?, ?, ?) WHERE job = ? AND place = ?",
        [STATEMENT_PLACE_FINISHED] = "UPDATE places SET finished = 1 WHERE job = ? AND place = ?",
        [STATEMENT_FILES] = "INSERT INTO files (job, place, data) VALUES (?, ?, ?)",
        [STATEMENT_PART] = "INSERT OR REPLACE INTO parts (job, place, path, temporary, offset, ino, size, mtime_s, "
                           "mtime_ns, ctime_s, ctime_ns, target_ino) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [STATEMENT_PART_GONE] = "DELETE FROM parts WHERE job = ? AND place = ? AND path = ?",
        /* It keeps its cookie, so that who reads page by page sees it once. */
        [STATEMENT_FAILURE] =
                "INSERT INTO failures (job, place, path, code, class, retryable, os, rule, message) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (job, place, path) DO UPDATE SET code = excluded.code, "
                "class = excluded.class, retryable = excluded.retryable, os = excluded.os, rule = excluded.rule, "
                "message = excluded.message",
        [STATEMENT_RETRY] = "DELETE FROM failures WHERE job = ?",
        [STATEMENT_REOPEN] = "UPDATE places SET finished = 0 WHERE job = ?",
        [STATEMENT_REMOVE] = "DELETE FROM jobs WHERE id = ?",
        [STATEMENT_FREE_PAGES] = "PRAGMA freelist_count",
        [STATEMENT_SHRINK] = "PRAGMA incremental_vacuum(1024)",
        [STATEMENT_LOAD_JOBS] =
                "SELECT " JOB_COLUMNS ", " STATE_COLUMNS ", (SELECT coalesce(sum(length(path) + length(rule) + "
                "length(message)), 0) FROM failures WHERE failures.job = id) "
                "FROM jobs LEFT JOIN states ON job = id ORDER BY id",
        [STATEMENT_LOAD_PLACES] = "SELECT place, " PLACE_COLUMNS " FROM places WHERE job = ? ORDER BY place",
        [STATEMENT_READ_FILES] = "SELECT data FROM files WHERE job = ? AND place = ? ORDER BY number",
        /* two searches of the index, merged: one alone would begin at the place's first */
        [STATEMENT_READ_ALL_FILES] =
                "SELECT place, number, data FROM files WHERE job = ?1 AND number >= ?2 "
                "  AND place = (SELECT place FROM files WHERE number = ?2 AND job = ?1) "
                "UNION ALL SELECT place, number, data FROM files WHERE job = ?1 "
                "  AND place > coalesce((SELECT place FROM files WHERE number = ?2 AND job = ?1), -1) ORDER BY 1, 2",
        [STATEMENT_READ_PARTS] =
                "SELECT path, temporary, offset, ino, size, mtime_s, mtime_ns, ctime_s, ctime_ns, target_ino "
                "FROM parts WHERE job = ? AND place = ? ORDER BY path",
        [STATEMENT_READ_FAILURES] =
                "SELECT cookie, place, path, code, class, retryable, os, rule, message FROM failures "
                "WHERE job = ? AND cookie > ? ORDER BY cookie LIMIT ?",
};

static struct store_sqlite *sqlite_of(const struct store *store) {
        return (struct store_sqlite *)(void *)store;
}

int store_sqlite_prepare(struct store_sqlite *store) {
        for (int i = 0; i < STATEMENTS; i++) {
                int result = sqlite3_prepare_v3(store->db, statements[i], -1, SQLITE_PREPARE_PERSISTENT,
                                                &store->statements[i], NULL);

                if (result != SQLITE_OK)
                        return result;
        }
        return SQLITE_OK;
}

void store_sqlite_close_file(struct store_sqlite *store, bool as_it_is) {
        if (as_it_is && store->db) /* else closing would bring the log into the file, and remove it */
                sqlite3_db_config(store->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
        for (int i = 0; i < STATEMENTS; i++) {
                sqlite3_finalize(store->statements[i]);
                store->statements[i] = NULL;
        }
        sqlite3_close(store->db);
        store->db = NULL;
}

/* ---- writing ----------------------------------------------------------------------------------------------------- */

static struct binding begin(struct store_sqlite *store, enum store_statement which) {
        return (struct binding){.statement = store->statements[which]};
}

/* Runs a statement that gives no rows. 0 or -FSOP_E.... */
static int run(struct store_sqlite *store, struct binding *binding) {
        int code = 0, result = binding->result;

        if (result == SQLITE_OK) {
                do /* a pragma may give some, of no interest */
                        result = sqlite3_step(binding->statement);
                while (result == SQLITE_ROW);
                if (result != SQLITE_DONE)
                        code = store_sqlite_error(store->db);
        } else {
                code = result == SQLITE_TOOBIG ? -FSOP_EFBIG : result == SQLITE_NOMEM ? -FSOP_ENOMEM : -FSOP_EINVAL;
        }
        sqlite3_reset(binding->statement);
        sqlite3_clear_bindings(binding->statement); /* they pointed to the caller's memory */
        return code;
}

static int run_plain(struct store_sqlite *store, enum store_statement which) {
        struct binding binding = begin(store, which);

        return run(store, &binding);
}

/* The same, of one that must find a row to change. */
static int run_on_one(struct store_sqlite *store, struct binding *binding) {
        int code = run(store, binding);

        return code == 0 && sqlite3_changes(store->db) == 0 ? -FSOP_ENOENT : code;
}

static int write_state(struct store_sqlite *store, enum store_statement which, uint64_t id,
                       const struct store_job *job) {
        struct binding b = begin(store, which);
        const struct store_counters *counters = &job->counters;

        bind_i64(&b, job->state);
        bind_time(&b, job->started);
        bind_time(&b, job->finished);
        bind_time(&b, job->progressed);
        bind_i64(&b, job->runs);
        bind_i64(&b, job->elevated);
        bind_u64(&b, counters->files_total);
        bind_u64(&b, counters->bytes_total);
        bind_i64(&b, counters->totals_known);
        bind_u64(&b, counters->files_done);
        bind_u64(&b, counters->files_failed);
        bind_u64(&b, counters->files_skipped);
        bind_u64(&b, counters->bytes_copied);
        bind_u64(&b, counters->bytes_flushed);
        bind_u64(&b, counters->bytes_verified);
        bind_error(&b, &job->error);
        bind_u64(&b, id);
        return run_on_one(store, &b);
}

static void bind_made(struct binding *b, const struct copy_made *made) {
        bind_u64(b, made->ino);
        bind_time(b, made->btime);
}

static int write_place(struct store_sqlite *store, uint64_t id, uint32_t number, const struct store_place *place) {
        struct binding b = begin(store, STATEMENT_ADD_PLACE);

        bind_u64(&b, id);
        bind_i64(&b, number);
        bind_bytes(&b, place->source);
        bind_bytes(&b, place->target);
        bind_i64(&b, place->follow);
        bind_i64(&b, place->elevated);
        bind_u64(&b, place->source_id.dev);
        bind_u64(&b, place->source_id.ino);
        bind_u64(&b, place->parent_id.dev);
        bind_u64(&b, place->parent_id.ino);
        bind_time(&b, place->source_btime);
        bind_bytes_list(&b, place->names, place->n_names);
        bind_made(&b, &place->top);
        bind_i64(&b, place->finished);
        return run(store, &b);
}

static int write_job(struct store_sqlite *store, const struct store_job *job) {
        struct binding b = begin(store, STATEMENT_ADD_JOB);

        bind_u64(&b, job->id);
        bind_i64(&b, job->uid);
        bind_i64(&b, job->gid);
        bind_u32_list(&b, job->groups, job->n_groups);
        bind_u64(&b, job->capabilities);
        bind_i64(&b, job->fully_capable);
        bind_bytes(&b, job->user);
        bind_bytes(&b, job->key);
        bind_i64(&b, job->as);
        bind_i64(&b, job->recursive);
        bind_i64(&b, job->one_filesystem);
        bind_i64(&b, job->verify);
        bind_i64(&b, job->preserve);
        bind_i64(&b, job->umask);
        bind_i64(&b, job->clone);
        bind_i64(&b, job->sync);
        bind_i64(&b, job->update);
        bind_u64(&b, job->bytes_per_s);
        bind_i64(&b, job->priority);
        bind_bytes_list(&b, job->excludes, job->n_excludes);
        bind_bytes(&b, (struct bytes){(const uint8_t *)job->random, strnlen(job->random, sizeof(job->random))});
        bind_time(&b, job->created);
        bind_i64(&b, job->n_places);
        return run(store, &b);
}

static int add_job(struct store_sqlite *store, const struct store_job *job, uint64_t *next_id) {
        int code;

        if (job->id == 0 || job->id >= INT64_MAX) /* SQLite's numbers are signed, and rows are in their order */
                return -FSOP_EINVAL;
        code = write_job(store, job);
        if (code == 0)
                code = write_state(store, STATEMENT_ADD_STATE, job->id, job);
        for (uint32_t i = 0; code == 0 && i < job->n_places; i++)
                code = write_place(store, job->id, i, &job->places[i]);
        if (job->id >= *next_id)
                *next_id = job->id + 1;
        return code;
}

static int write_part(struct store_sqlite *store, const struct store_change *change) {
        struct binding b = begin(store, STATEMENT_PART);
        const struct copy_part_record *part = change->part;

        bind_u64(&b, change->id);
        bind_i64(&b, change->place);
        bind_bytes(&b, change->path);
        bind_bytes(&b,
                   (struct bytes){(const uint8_t *)part->temporary, strnlen(part->temporary, sizeof(part->temporary))});
        bind_u64(&b, part->offset);
        bind_u64(&b, part->ino);
        bind_u64(&b, part->size);
        bind_time(&b, part->mtime);
        bind_time(&b, part->ctime);
        bind_u64(&b, part->target_ino);
        return run(store, &b);
}

static int write_top(struct store_sqlite *store, const struct store_change *change) {
        struct binding b = begin(store, STATEMENT_TOP);

        bind_made(&b, change->top);
        bind_u64(&b, change->id);
        bind_i64(&b, change->place);
        return run_on_one(store, &b);
}

/* Statements about a job, or one of its places. */
static int write_about(struct store_sqlite *store, enum store_statement which, const struct store_change *change) {
        struct binding b = begin(store, which);

        bind_u64(&b, change->id);
        if (which == STATEMENT_RETRY || which == STATEMENT_REOPEN || which == STATEMENT_REMOVE)
                return run(store, &b);
        bind_i64(&b, change->place);
        if (which == STATEMENT_PLACE_FINISHED)
                return run_on_one(store, &b);
        bind_bytes(&b, which == STATEMENT_FILES ? change->data : change->path);
        if (which == STATEMENT_FAILURE)
                bind_error(&b, change->error);
        return run(store, &b);
}

static int write_change(struct store_sqlite *store, const struct store_change *change, uint64_t *next_id) {
        int code;

        switch (change->kind) {
        case STORE_ADD:
                return add_job(store, change->job, next_id);
        case STORE_UPDATE:
                return write_state(store, STATEMENT_UPDATE, change->id, change->job);
        case STORE_TOP:
                return write_top(store, change);
        case STORE_PLACE_FINISHED:
                return write_about(store, STATEMENT_PLACE_FINISHED, change);
        case STORE_FILES:
                return write_about(store, STATEMENT_FILES, change);
        case STORE_PART:
                return write_part(store, change);
        case STORE_PART_GONE:
                return write_about(store, STATEMENT_PART_GONE, change);
        case STORE_FAILURE:
                return write_about(store, STATEMENT_FAILURE, change);
        case STORE_RETRY:
                code = write_about(store, STATEMENT_RETRY, change);
                return code < 0 ? code : write_about(store, STATEMENT_REOPEN, change);
        case STORE_REMOVE:
                return write_about(store, STATEMENT_REMOVE, change);
        }
        return -FSOP_EINVAL;
}

/*
 * Pages that removed jobs had are used again, which bounds the file by what was ever kept at one time; when there are
 * many, some go back to the filesystem with each removal and each start: never so many at once that others wait for it.
 */
static int shrink(struct store_sqlite *store) {
        sqlite3_stmt *count = store->statements[STATEMENT_FREE_PAGES];
        int64_t pages = sqlite3_step(count) == SQLITE_ROW ? sqlite3_column_int64(count, 0) : 0;

        sqlite3_reset(count);
        return pages > SHRINK_PAGES ? run_plain(store, STATEMENT_SHRINK) : 0;
}

static int write_next_id(struct store_sqlite *store, uint64_t next_id) {
        struct binding b = begin(store, STATEMENT_NEXT_ID);

        bind_u64(&b, next_id);
        return run_on_one(store, &b);
}

/*
 * A commit that could not be flushed has failed, and yet stands in the log: after a crash it would be there. Something
 * else is written in its place, at once if that can be, and in any case before the next commit.
 */
static int cover(struct store_sqlite *store) {
        int code = store->uncovered ? run_plain(store, STATEMENT_COVER) : 0;

        if (code == 0)
                store->uncovered = false;
        return code;
}

static int sqlite_commit(struct store *base, const struct store_change *changes, uint32_t n) {
        struct store_sqlite *store = sqlite_of(base);
        uint64_t next_id = store->next_id;
        bool removed = false;
        int code = cover(store);

        if (code == 0)
                code = run_plain(store, STATEMENT_BEGIN);
        for (uint32_t i = 0; code == 0 && i < n; i++) {
                code = write_change(store, &changes[i], &next_id);
                removed |= changes[i].kind == STORE_REMOVE;
        }
        if (code == 0 && next_id != store->next_id)
                code = write_next_id(store, next_id);
        if (code == 0 && removed)
                code = shrink(store);
        if (code == 0) {
                code = run_plain(store, STATEMENT_COMMIT);
                store->uncovered = code < 0;
        }
        if (code == 0)
                store->next_id = next_id;
        else if (!sqlite3_get_autocommit(store->db)) /* some errors have rolled back already */
                run_plain(store, STATEMENT_ROLLBACK);
        cover(store);
        return code;
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

static void read_job(struct row *row, struct store_job *job) {
        int64_t priority;

        job->id = row_u64(row);
        job->uid = row_u32(row);
        job->gid = row_u32(row);
        job->groups = row_u32_list(row, &job->n_groups);
        job->capabilities = row_u64(row);
        job->fully_capable = row_bool(row);
        job->user = row_bytes(row);
        job->key = row_bytes(row);
        job->as = (enum fsop_as)row_enum(row, FSOP_AS_ELEVATED);
        job->recursive = row_bool(row);
        job->one_filesystem = row_bool(row);
        job->verify = row_bool(row);
        job->preserve = row_u32(row);
        job->umask = row_u32(row);
        job->clone = (enum fsop_clone)row_enum(row, FSOP_CLONE_NEVER);
        job->sync = (enum fsop_sync)row_enum(row, FSOP_SYNC_FILE);
        job->update = (enum fsop_update)row_enum(row, FSOP_UPDATE_OLDER);
        job->bytes_per_s = row_u64(row);
        priority = row_i64(row);
        if (row->code == 0 && (priority < INT32_MIN || priority > INT32_MAX))
                row->code = -FSOP_EIO;
        job->priority = (int32_t)priority;
        job->excludes = row_bytes_list(row, &job->n_excludes);
        row_text(row, job->random, sizeof(job->random));
        job->created = row_time(row);
        job->n_places = row_u32(row);
}

static void read_state(struct row *row, struct store_job *job) {
        struct store_counters *counters = &job->counters;

        job->state = (enum fsop_job_state)row_enum(row, FSOP_JOB_CANCELLED);
        job->started = row_time(row);
        job->finished = row_time(row);
        job->progressed = row_time(row);
        job->runs = row_u32(row);
        job->elevated = row_bool(row);
        counters->files_total = row_u64(row);
        counters->bytes_total = row_u64(row);
        counters->totals_known = row_bool(row);
        counters->files_done = row_u64(row);
        counters->files_failed = row_u64(row);
        counters->files_skipped = row_u64(row);
        counters->bytes_copied = row_u64(row);
        counters->bytes_flushed = row_u64(row);
        counters->bytes_verified = row_u64(row);
        job->error = row_error(row);
        counters->failure_bytes = row_u64(row);
}

static void read_place(struct row *row, struct store_place *place) {
        place->source = row_bytes(row);
        place->target = row_bytes(row);
        place->follow = row_bool(row);
        place->elevated = row_bool(row);
        place->source_id.dev = row_u64(row);
        place->source_id.ino = row_u64(row);
        place->parent_id.dev = row_u64(row);
        place->parent_id.ino = row_u64(row);
        place->source_btime = row_time(row);
        place->names = row_bytes_list(row, &place->n_names);
        place->top.ino = row_u64(row);
        place->top.btime = row_time(row);
        place->finished = row_bool(row);
}

/* The next row of a statement: 1, 0 after the last, or -FSOP_E.... */
static int next_row(struct store_sqlite *store, struct row *row) {
        int result = sqlite3_step(row->statement);

        row->column = 0;
        return result == SQLITE_ROW ? 1 : result == SQLITE_DONE ? 0 : store_sqlite_error(store->db);
}

/* For one more behind N: the array doubles. What the job says of their number is not trusted with memory. */
static bool make_room(struct arena *arena, struct store_place **places, uint32_t n) {
        struct store_place *grown;

        if (n & (n - 1))
                return true;
        grown = arena_calloc(arena, n > 0 ? (size_t)n * 2 : 1, sizeof(*grown));
        if (!grown)
                return false;
        if (n > 0)
                memcpy(grown, *places, n * sizeof(*grown));
        *places = grown;
        return true;
}

static int read_places(struct store_sqlite *store, struct arena *arena, struct store_job *job) {
        struct binding b = begin(store, STATEMENT_LOAD_PLACES);
        struct row row = {.statement = b.statement, .arena = arena};
        uint32_t n = 0;
        int code = 0;

        bind_u64(&b, job->id);
        while (row.code == 0 && (code = next_row(store, &row)) > 0) {
                if (n >= job->n_places || row_u32(&row) != n) {
                        code = -FSOP_EIO;
                        break;
                }
                if (!make_room(arena, &job->places, n)) {
                        code = -FSOP_ENOMEM;
                        break;
                }
                read_place(&row, &job->places[n++]);
        }
        sqlite3_reset(b.statement);
        if (code < 0 || row.code < 0)
                return code < 0 ? code : row.code;
        return n == job->n_places ? 0 : -FSOP_EIO;
}

static int load_jobs(struct store_sqlite *store, int (*each)(void *context, const struct store_job *job),
                     void *context) {
        struct arena arena;
        struct row row = {.statement = store->statements[STATEMENT_LOAD_JOBS], .arena = &arena};
        int code;

        arena_init(&arena, SIZE_MAX);
        while ((code = next_row(store, &row)) > 0) {
                struct store_job job = {0};

                read_job(&row, &job);
                read_state(&row, &job);
                code = row.code;
                if (code == 0)
                        code = read_places(store, &arena, &job);
                if (code == 0 && each)
                        code = each(context, &job);
                arena_reset(&arena);
                if (code < 0)
                        break;
        }
        sqlite3_reset(row.statement);
        arena_fini(&arena);
        return code;
}

int store_sqlite_check_jobs(struct store_sqlite *store) {
        return load_jobs(store, NULL, NULL);
}

static int sqlite_load(struct store *base, int (*each)(void *context, const struct store_job *job), void *context,
                       uint64_t *ret_next_id) {
        struct store_sqlite *store = sqlite_of(base);

        *ret_next_id = store->next_id;
        return load_jobs(store, each, context);
}

static int sqlite_read_files(struct store *base, uint64_t id, uint32_t place,
                             int (*each)(void *context, struct bytes data), void *context) {
        struct store_sqlite *store = sqlite_of(base);
        struct binding b = begin(store, STATEMENT_READ_FILES);
        struct row row = {.statement = b.statement};
        int code;

        bind_u64(&b, id);
        bind_i64(&b, place);
        while ((code = next_row(store, &row)) > 0) {
                struct bytes data = row_peek(&row);

                code = row.code == 0 ? each(context, data) : row.code;
                if (code < 0)
                        break;
        }
        sqlite3_reset(b.statement);
        return code;
}

static int sqlite_read_all_files(struct store *base, uint64_t id, uint64_t from,
                                 int (*each)(void *context, const struct store_files *files), void *context) {
        struct store_sqlite *store = sqlite_of(base);
        struct binding b = begin(store, STATEMENT_READ_ALL_FILES);
        struct row row = {.statement = b.statement};
        int code;

        bind_u64(&b, id);
        bind_u64(&b, from);
        while ((code = next_row(store, &row)) > 0) {
                struct store_files files = {0};

                files.place = row_u32(&row);
                files.number = row_u64(&row);
                files.data = row_peek(&row);
                code = row.code == 0 ? each(context, &files) : row.code;
                if (code < 0)
                        break;
        }
        sqlite3_reset(b.statement);
        return code;
}

static void read_part(struct row *row, struct store_part *part) {
        struct copy_part_record *record = &part->record;

        part->path = row_bytes(row);
        row_text(row, record->temporary, sizeof(record->temporary));
        record->offset = row_u64(row);
        record->ino = row_u64(row);
        record->size = row_u64(row);
        record->mtime = row_time(row);
        record->ctime = row_time(row);
        record->target_ino = row_u64(row);
}

static int sqlite_read_parts(struct store *base, uint64_t id, uint32_t place,
                             int (*each)(void *context, const struct store_part *part), void *context) {
        struct store_sqlite *store = sqlite_of(base);
        struct binding b = begin(store, STATEMENT_READ_PARTS);
        struct arena arena;
        struct row row = {.statement = b.statement, .arena = &arena};
        int code;

        arena_init(&arena, SIZE_MAX);
        bind_u64(&b, id);
        bind_i64(&b, place);
        while ((code = next_row(store, &row)) > 0) {
                struct store_part part = {0};

                read_part(&row, &part);
                code = row.code == 0 ? each(context, &part) : row.code;
                arena_reset(&arena);
                if (code < 0)
                        break;
        }
        sqlite3_reset(b.statement);
        arena_fini(&arena);
        return code;
}

static int sqlite_read_failures(struct store *base, uint64_t id, uint64_t after, uint32_t max,
                                int (*each)(void *context, const struct store_failure *failure), void *context) {
        struct store_sqlite *store = sqlite_of(base);
        struct binding b = begin(store, STATEMENT_READ_FAILURES);
        struct arena arena;
        struct row row = {.statement = b.statement, .arena = &arena};
        int code;

        arena_init(&arena, SIZE_MAX);
        bind_u64(&b, id);
        bind_i64(&b, after > INT64_MAX ? INT64_MAX : (int64_t)after); /* cookies are positive */
        bind_i64(&b, max);
        while ((code = next_row(store, &row)) > 0) {
                struct store_failure failure = {0};

                failure.cookie = row_u64(&row);
                failure.place = row_u32(&row);
                failure.path = row_bytes(&row);
                failure.error = row_error(&row);
                code = row.code == 0 ? each(context, &failure) : row.code;
                arena_reset(&arena);
                if (code < 0)
                        break;
        }
        sqlite3_reset(b.statement);
        arena_fini(&arena);
        return code;
}

static uint64_t sqlite_generation(const struct store *base) {
        return sqlite_of(base)->generation;
}

/* ---- open and close ---------------------------------------------------------------------------------------------- */

static int sqlite_open(const char *directory, struct store **ret_store, char **ret_note) {
        return store_sqlite_open_as(directory, store_sqlite_steps, store_sqlite_n_steps, ret_store, ret_note);
}

static struct store *sqlite_close(struct store *base) {
        struct store_sqlite *store = sqlite_of(base);

        if (store) {
                store_sqlite_close_file(store, false);
                free(store);
        }
        return NULL;
}

const struct store_ops store_sqlite = {
        .name = "sqlite",
        .exists = store_sqlite_exists,
        .open = sqlite_open,
        .commit = sqlite_commit,
        .load = sqlite_load,
        .read_files = sqlite_read_files,
        .read_all_files = sqlite_read_all_files,
        .read_parts = sqlite_read_parts,
        .read_failures = sqlite_read_failures,
        .generation = sqlite_generation,
        .close = sqlite_close,
};
