/* SPDX-License-Identifier: MIT */
/*
 * store_sqlite_open.c: the file: claimed for one process, checked, brought up to date, and set aside when it is
 * damaged.
 *
 * The claim is SQLite's exclusive lock, which ends with the process; there is no file that a crash could leave behind.
 * With it the log's index is in memory instead of a file beside it. Free pages go back to the filesystem step by step
 * (auto_vacuum), which has to be said before the first table is made.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "daemon/store_sqlite.h"

#define APPLICATION_ID 0x66736f70 /* "fsop" */
#define ASIDE_MAX 1000            /* set aside within one second */

/* ---- the schema -------------------------------------------------------------------------------------------------- */

/*
 * From nothing to version 1, from 1 to 2, and so on: a step that was released never changes, the next one is put behind
 * it. The table meta and what it says of the version stay as they are for ever: that is how later versions are
 * recognised.
 */
const char *const store_sqlite_steps[] = {
        "CREATE TABLE meta (name TEXT PRIMARY KEY NOT NULL, value INTEGER NOT NULL) WITHOUT ROWID;"
        "INSERT INTO meta VALUES ('version', 0), ('generation', 0), ('next-id', 1), ('failed-commits', 0);"
        "CREATE TABLE jobs (id INTEGER PRIMARY KEY NOT NULL, uid INTEGER NOT NULL, gid INTEGER NOT NULL, "
        "  group_list BLOB NOT NULL, capabilities INTEGER NOT NULL, fully_capable INTEGER NOT NULL, "
        "  user_name BLOB NOT NULL, idempotency BLOB NOT NULL, run_as INTEGER NOT NULL, recursive INTEGER NOT NULL, "
        "  one_filesystem INTEGER NOT NULL, verify INTEGER NOT NULL, preserve INTEGER NOT NULL, umask INTEGER NOT "
        "NULL, "
        "  clone INTEGER NOT NULL, sync INTEGER NOT NULL, overwrite INTEGER NOT NULL, bytes_per_s INTEGER NOT NULL, "
        "  priority INTEGER NOT NULL, excludes BLOB NOT NULL, random BLOB NOT NULL, created_s INTEGER NOT NULL, "
        "  created_ns INTEGER NOT NULL, n_places INTEGER NOT NULL);"
        "CREATE TABLE states (job INTEGER PRIMARY KEY NOT NULL REFERENCES jobs (id) ON DELETE CASCADE, "
        "  state INTEGER NOT NULL, started_s INTEGER NOT NULL, started_ns INTEGER NOT NULL, finished_s INTEGER NOT "
        "NULL, "
        "  finished_ns INTEGER NOT NULL, progressed_s INTEGER NOT NULL, progressed_ns INTEGER NOT NULL, "
        "  runs INTEGER NOT NULL, elevated INTEGER NOT NULL, files_total INTEGER NOT NULL, bytes_total INTEGER NOT "
        "NULL, "
        "  totals_known INTEGER NOT NULL, files_done INTEGER NOT NULL, files_failed INTEGER NOT NULL, "
        "  files_skipped INTEGER NOT NULL, bytes_copied INTEGER NOT NULL, bytes_flushed INTEGER NOT NULL, "
        "  bytes_verified INTEGER NOT NULL, error_code INTEGER NOT NULL, error_class INTEGER NOT NULL, "
        "  error_retryable INTEGER NOT NULL, error_os INTEGER NOT NULL, error_rule BLOB NOT NULL, "
        "  error_message BLOB NOT NULL);"
        "CREATE TABLE places (job INTEGER NOT NULL REFERENCES jobs (id) ON DELETE CASCADE, place INTEGER NOT NULL, "
        "  source BLOB NOT NULL, target BLOB NOT NULL, follow INTEGER NOT NULL, elevated INTEGER NOT NULL, source_dev "
        "INTEGER NOT NULL, "
        "  source_ino INTEGER NOT NULL, parent_dev INTEGER NOT NULL, parent_ino INTEGER NOT NULL, "
        "  source_btime_s INTEGER NOT NULL, source_btime_ns INTEGER NOT NULL, names BLOB NOT NULL, "
        "  top_ino INTEGER NOT NULL, top_btime_s INTEGER NOT NULL, top_btime_ns INTEGER NOT NULL, "
        "  finished INTEGER NOT NULL, PRIMARY KEY (job, place));"
        "CREATE TABLE files (number INTEGER PRIMARY KEY NOT NULL, job INTEGER NOT NULL, place INTEGER NOT NULL, "
        "  data BLOB NOT NULL, FOREIGN KEY (job, place) REFERENCES places (job, place) ON DELETE CASCADE);"
        "CREATE INDEX files_of_place ON files (job, place);"
        "CREATE TABLE parts (job INTEGER NOT NULL, place INTEGER NOT NULL, path BLOB NOT NULL, temporary BLOB NOT "
        "NULL, "
        "  offset INTEGER NOT NULL, ino INTEGER NOT NULL, size INTEGER NOT NULL, mtime_s INTEGER NOT NULL, "
        "  mtime_ns INTEGER NOT NULL, ctime_s INTEGER NOT NULL, ctime_ns INTEGER NOT NULL, "
        "  target_ino INTEGER NOT NULL, "
        "  PRIMARY KEY (job, place, path), "
        "  FOREIGN KEY (job, place) REFERENCES places (job, place) ON DELETE CASCADE) WITHOUT ROWID;"
        /* a cookie is never used again: who reads on behind one must not miss what came after a retry */
        "CREATE TABLE failures (cookie INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, job INTEGER NOT NULL, "
        "  place INTEGER NOT NULL, path BLOB NOT NULL, code INTEGER NOT NULL, class INTEGER NOT NULL, "
        "  retryable INTEGER NOT NULL, os INTEGER NOT NULL, rule BLOB NOT NULL, message BLOB NOT NULL, "
        "  UNIQUE (job, place, path), "
        "  FOREIGN KEY (job, place) REFERENCES places (job, place) ON DELETE CASCADE);"
        "CREATE INDEX failures_of_job ON failures (job);",
};
const uint32_t store_sqlite_n_steps = sizeof(store_sqlite_steps) / sizeof(store_sqlite_steps[0]);

/* ---- words ------------------------------------------------------------------------------------------------------- */

/* A sentence, malloc'd; NULL without memory. */
__attribute__((format(printf, 1, 2))) static char *sentence(const char *format, ...) {
        va_list arguments;
        char *text;
        int len;

        va_start(arguments, format);
        len = vsnprintf(NULL, 0, format, arguments);
        va_end(arguments);
        text = len < 0 ? NULL : malloc((size_t)len + 1);
        if (!text)
                return NULL;
        va_start(arguments, format);
        vsnprintf(text, (size_t)len + 1, format, arguments);
        va_end(arguments);
        return text;
}

/* What a try to open the file ended with. */
struct attempt {
        const char *path;
        const char *const *steps;
        uint32_t n_steps;
        bool after_damage; /* there was one before it, of which nothing is known any more */
        bool damaged;      /* to be set aside */
        bool made;         /* there was none */
        char *why;         /* malloc'd, or NULL */
};

static int fail(struct attempt *attempt, int code, char *why) {
        free(attempt->why);
        attempt->why = why;
        return code;
}

static int damaged(struct attempt *attempt, const char *why) {
        attempt->damaged = true;
        return fail(attempt, -FSOP_EIO, sentence("%s", why));
}

/* After a call on DB that failed: whether that is damage, or the machine's state, which setting aside would not
 * change. */
static int failed(struct attempt *attempt, sqlite3 *db) {
        int result = sqlite3_errcode(db) & 0xff;

        if (result == SQLITE_CORRUPT || result == SQLITE_NOTADB || result == SQLITE_ERROR || result == SQLITE_SCHEMA ||
            result == SQLITE_CONSTRAINT || result == SQLITE_MISMATCH)
                return damaged(attempt, sqlite3_errmsg(db));
        if (result == SQLITE_BUSY || result == SQLITE_LOCKED)
                return fail(attempt, -FSOP_EBUSY, sentence("%s is used by another daemon", attempt->path));
        return fail(attempt, store_sqlite_error(db), sentence("%s: %s", attempt->path, sqlite3_errmsg(db)));
}

static const char *const suffixes[] = {"", "-wal", "-journal",
                                       "-shm"}; /* of the file and of what SQLite puts beside it */
#define SUFFIXES (sizeof(suffixes) / sizeof(suffixes[0]))

/* ---- the file ---------------------------------------------------------------------------------------------------- */

static int execute(struct attempt *attempt, sqlite3 *db, const char *sql) {
        return sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : failed(attempt, db);
}

/* The number in the first column of the first row; 0 where there is none. */
static int ask_number(struct attempt *attempt, sqlite3 *db, const char *sql, int64_t *ret_value) {
        sqlite3_stmt *statement = NULL;
        int result = sqlite3_prepare_v2(db, sql, -1, &statement, NULL), code = 0;

        *ret_value = 0;
        if (result == SQLITE_OK)
                result = sqlite3_step(statement);
        if (result == SQLITE_ROW)
                *ret_value = sqlite3_column_int64(statement, 0);
        else if (result != SQLITE_DONE)
                code = failed(attempt, db);
        sqlite3_finalize(statement);
        return code;
}

/* What is configured before the file is looked at. Nothing that it says is executed: no triggers, no views, no
 * functions of its schema, no extensions. */
static void harden(sqlite3 *db) {
        sqlite3_extended_result_codes(db, 1);
        sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
        sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
        sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
        sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_VIEW, 0, NULL);
        sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0, NULL);
        sqlite3_limit(db, SQLITE_LIMIT_ATTACHED, 0);
}

/*
 * The lock first: what is read before it would make a file of shared memory. Memory: half a MiB of pages, nothing
 * mapped. The log is brought into the file at 1000 pages and cut to 4 MiB; only a commit that is larger makes it larger
 * for a while.
 */
static const char settings[] = "PRAGMA locking_mode = EXCLUSIVE; PRAGMA cell_size_check = ON; PRAGMA mmap_size = 0; "
                               "PRAGMA cache_size = -512; PRAGMA temp_store = MEMORY; PRAGMA foreign_keys = ON; "
                               "PRAGMA busy_timeout = 0; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 1000; "
                               "PRAGMA journal_size_limit = 4194304";
/* These may write, and so come when the file is known to be ours, or new; the transaction makes the claim sure. */
static const char first_beginning[] = "PRAGMA auto_vacuum = INCREMENTAL";
static const char beginning[] = "PRAGMA journal_mode = WAL; BEGIN IMMEDIATE";

/*
 * The file is there, or made. One that was emptied, or removed without its log, looks like a new one to SQLite, which
 * would throw the log away.
 */
static int find_file(struct attempt *attempt) {
        int made = sys_make_own_file(attempt->path), code = made;
        char *log = sentence("%s-wal", attempt->path);
        uint64_t bytes = 0, log_bytes = 0;

        attempt->made = made > 0;
        if (made >= 0)
                code = log ? sys_own_file(attempt->path, &bytes) : -FSOP_ENOMEM;
        if (code == -FSOP_EPERM)
                fail(attempt, code, sentence("%s is not a file of the daemon's own", attempt->path));
        else if (code < 0)
                fail(attempt, code, sentence("%s could not be made", attempt->path));
        else if (bytes == 0 && (made == 0 || (sys_own_file(log, &log_bytes) == 0 && log_bytes > 0)))
                code = damaged(attempt, made ? "it was gone, and its log was not" : "it is empty");
        free(log);
        return code;
}

static int claim(struct attempt *attempt, sqlite3 **ret_db) {
        int code = find_file(attempt);

        if (code < 0)
                return code;
        if (sqlite3_open_v2(attempt->path, ret_db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK)
                return *ret_db ? failed(attempt, *ret_db) : fail(attempt, -FSOP_ENOMEM, NULL);
        harden(*ret_db);
        return execute(attempt, *ret_db, settings);
}

/* Which version the file has; 0: it is a new one. */
static int find_version(struct attempt *attempt, sqlite3 *db, int64_t *ret_version) {
        int64_t objects = 0, id = 0, version = 0;
        int code = ask_number(attempt, db, "SELECT count(*) FROM sqlite_master", &objects);

        if (code == 0)
                code = ask_number(attempt, db, "PRAGMA application_id", &id);
        *ret_version = 0;
        if (code == 0)
                code = ask_number(attempt, db, "PRAGMA user_version", ret_version);
        if (code < 0 || (objects == 0 && id == 0 && *ret_version == 0))
                return code;
        if (id != APPLICATION_ID)
                return damaged(attempt, "it is something else");
        code = ask_number(attempt, db, "SELECT value FROM meta WHERE name = 'version'", &version);
        if (code == 0 &&
            (version != *ret_version || version <= 0)) /* said twice, so that damage is not taken for news */
                code = damaged(attempt, "it does not know its version");
        return code;
}

/* SQLite's own check of everything: to *ret_answer what is wrong, malloc'd, or NULL. */
static int check_once(struct attempt *attempt, sqlite3 *db, char **ret_answer) {
        sqlite3_stmt *statement = NULL;
        int result = sqlite3_prepare_v2(db, "PRAGMA integrity_check(1)", -1, &statement, NULL), code = 0;
        const char *answer;

        *ret_answer = NULL;
        if (result == SQLITE_OK)
                result = sqlite3_step(statement);
        if (result != SQLITE_ROW) {
                code = failed(attempt, db);
        } else {
                answer = (const char *)sqlite3_column_text(statement, 0);
                if (!answer || strcmp(answer, "ok") != 0)
                        *ret_answer = sentence("%s", answer ? answer : "");
                if (!answer || (strcmp(answer, "ok") != 0 && !*ret_answer))
                        code = fail(attempt, -FSOP_ENOMEM, NULL);
        }
        sqlite3_finalize(statement);
        return code;
}

/* Reads all of what a statement gives; a result of SQLite. */
static int read_everything(sqlite3 *db, const char *sql) {
        sqlite3_stmt *statement = NULL;
        int result = sqlite3_prepare_v2(db, sql, -1, &statement, NULL);

        while (result == SQLITE_OK || result == SQLITE_ROW) {
                result = sqlite3_step(statement);
                for (int i = 0; result == SQLITE_ROW && i < sqlite3_column_count(statement); i++)
                        if (!sqlite3_column_blob(statement, i) && sqlite3_errcode(db) == SQLITE_NOMEM)
                                result = SQLITE_NOMEM;
        }
        sqlite3_finalize(statement);
        return result & 0xff;
}

/*
 * The check answers with a sentence also where the disk or the memory failed it, and then nothing is to be set aside.
 * Reading everything, from the disk, tells those apart; what was over by then does not show a second time.
 */
static int check(struct attempt *attempt, sqlite3 *db) {
        static const char *const all[] = {"SELECT * FROM sqlite_master", "SELECT * FROM meta",    "SELECT * FROM jobs",
                                          "SELECT * FROM states",        "SELECT * FROM places",  "SELECT * FROM files",
                                          "SELECT * FROM parts",         "SELECT * FROM failures"};
        char *answer;
        int code = check_once(attempt, db, &answer);

        if (code < 0 || !answer)
                return code;
        free(answer);
        sqlite3_db_release_memory(db);
        for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
                int result = read_everything(db, all[i]);

                if (result == SQLITE_NOMEM || result == SQLITE_IOERR)
                        return failed(attempt, db);
        }
        code = check_once(attempt, db, &answer);
        if (code == 0 && answer)
                code = damaged(attempt, answer);
        free(answer);
        return code;
}

static int migrate(struct attempt *attempt, sqlite3 *db, int64_t version) {
        char sql[128];
        int code = 0;

        if (version == attempt->n_steps)
                return 0;
        for (; code == 0 && version < attempt->n_steps; version++)
                code = execute(attempt, db, attempt->steps[version]);
        snprintf(sql, sizeof(sql),
                 "PRAGMA application_id = %d; PRAGMA user_version = %u; "
                 "UPDATE meta SET value = %u WHERE name = 'version'",
                 APPLICATION_ID, attempt->n_steps, attempt->n_steps);
        return code < 0 ? code : execute(attempt, db, sql);
}

/*
 * After a damaged one nobody knows which ids and generations there were, and they must not come again: clients remember
 * them. The clock is beyond them, as there is less than one job in a second and less than one start in a minute.
 */
static int skip_numbers(struct attempt *attempt, sqlite3 *db) {
        char sql[160];
        long long now = sys_realtime().sec;

        if (!attempt->after_damage)
                return 0;
        snprintf(sql, sizeof(sql),
                 "UPDATE meta SET value = %lld WHERE name = 'next-id'; "
                 "UPDATE meta SET value = %lld WHERE name = 'generation'",
                 now, now / 60);
        return execute(attempt, db, sql);
}

static int check_contents(struct attempt *attempt, struct store_sqlite *store) {
        int code;

        if (store_sqlite_prepare(store) != SQLITE_OK)
                return failed(attempt, store->db);
        code = store_sqlite_check_jobs(store);
        if (code == -FSOP_EIO && (sqlite3_errcode(store->db) & 0xff) != SQLITE_IOERR)
                return damaged(attempt, "a job in it makes no sense");
        return code < 0 ? fail(attempt, code, sentence("%s could not be read", attempt->path)) : 0;
}

/* Everything that is written at a start, in one transaction: what turns out to be damaged is set aside as it was. */
static int bring_up_to_date(struct attempt *attempt, struct store_sqlite *store) {
        sqlite3 *db = store->db;
        int64_t version = 0, generation = 0, next_id = 0;
        int code = find_version(attempt, db, &version);

        if (code == 0 && version == 0)
                code = execute(attempt, db, first_beginning);
        if (code == 0)
                code = execute(attempt, db, beginning);
        if (code < 0)
                return code;
        if (version > attempt->n_steps)
                return fail(attempt, -FSOP_EOPNOTSUPP,
                            sentence("%s was written by a newer fsopd (its version is %lld, this one knows %u): run "
                                     "that one, "
                                     "or move the file away, with the jobs in it",
                                     attempt->path, (long long)version, attempt->n_steps));
        code = version > 0 ? check(attempt, db) : 0;
        if (code == 0)
                code = migrate(attempt, db, version);
        if (code == 0 && version == 0)
                code = skip_numbers(attempt, db);
        if (code == 0)
                code = check_contents(attempt, store);
        if (code == 0)
                code = execute(attempt, db, "UPDATE meta SET value = value + 1 WHERE name = 'generation'");
        if (code == 0)
                code = ask_number(attempt, db, "SELECT value FROM meta WHERE name = 'generation'", &generation);
        if (code == 0)
                code = ask_number(attempt, db, "SELECT value FROM meta WHERE name = 'next-id'", &next_id);
        if (code == 0 && (generation <= 0 || next_id <= 0))
                code = damaged(attempt, "its counters make no sense");
        if (code == 0)
                code = execute(attempt, db, "COMMIT");
        if (code < 0)
                return code;
        store->generation = (uint64_t)generation;
        store->next_id = (uint64_t)next_id;
        return 0;
}

/* Else it would be taken for one that was emptied. The file last: without it, a log would be taken for damage. */
static void remove_begun(const char *file) {
        int code = 0;

        for (size_t i = SUFFIXES; i > 0 && (code == 0 || code == -FSOP_ENOENT); i--) {
                char *path = sentence("%s%s", file, suffixes[i - 1]);

                code = path ? sys_remove_own_file(path) : -FSOP_ENOMEM;
                free(path);
        }
}

static int try_to_open(struct attempt *attempt, struct store_sqlite *store) {
        int code = claim(attempt, &store->db);

        if (code == 0)
                code = bring_up_to_date(attempt, store);
        if (code < 0)
                store_sqlite_close_file(store, true);
        if (code < 0 && attempt->made && !attempt->damaged && code != -FSOP_EBUSY)
                remove_begun(attempt->path);
        return code;
}

/* ---- damage ------------------------------------------------------------------------------------------------------ */

static bool is_free(const char *name) {
        bool free_ = true;

        for (size_t i = 0; i < SUFFIXES; i++) {
                char *path = sentence("%s%s", name, suffixes[i]);
                uint64_t bytes;

                free_ = free_ && path && sys_own_file(path, &bytes) == -FSOP_ENOENT;
                free(path);
        }
        return free_;
}

/* A name that nothing has; malloc'd, or NULL. */
static char *find_name(const char *path) {
        time_t now = (time_t)sys_realtime().sec;
        /* NOLINTNEXTLINE(concurrency-mt-unsafe): nobody else asks, and Windows has no other */
        const struct tm *utc = gmtime(&now);
        char stamp[32], *name;

        if (!utc || strftime(stamp, sizeof(stamp), "%Y%m%d-%H%M%S", utc) == 0)
                return NULL;
        for (unsigned i = 1; i <= ASIDE_MAX; i++) {
                name = i == 1 ? sentence("%s.damaged-%s", path, stamp) : sentence("%s.damaged-%s.%u", path, stamp, i);
                if (!name || is_free(name))
                        return name;
                free(name);
        }
        return NULL;
}

/* To aside the file goes first: without it nothing else is used; back it comes last. */
static int move_all(const char *from_file, const char *to_file, bool back) {
        for (size_t n = 0; n < SUFFIXES; n++) {
                size_t i = back ? SUFFIXES - 1 - n : n;
                char *from = sentence("%s%s", from_file, suffixes[i]), *to = sentence("%s%s", to_file, suffixes[i]);
                int code = from && to ? sys_rename_own_file(from, to) : -FSOP_ENOMEM;

                free(from);
                free(to);
                if (code < 0 && !(code == -FSOP_ENOENT && (back || i > 0)))
                        return code;
        }
        return 0;
}

/* To *ret_note what was damaged and where it is now, to *ret_aside the latter; both malloc'd. */
static int set_aside(struct attempt *attempt, char **ret_note, char **ret_aside) {
        char *name = find_name(attempt->path);
        int code = name ? move_all(attempt->path, name, false) : -FSOP_ENOMEM;

        if (code == 0)
                *ret_note = sentence(
                        "the journal of copy jobs, %s, is damaged (%s). It was set aside as %s, and a new one was "
                        "begun: jobs that it knew are not continued; files that they copied stay, and temporary "
                        "files named .fsop-* may be left beside them",
                        attempt->path, attempt->why ? attempt->why : "", name);
        else
                fail(attempt, code,
                     sentence("the journal of copy jobs, %s, is damaged (%s), and could not be set aside",
                              attempt->path, attempt->why ? attempt->why : ""));
        *ret_aside = name;
        return code;
}

/* A new one in the place of a damaged one, which comes back where that cannot be: nothing else would tell the next try
 * that there was one. */
static int begin_anew(struct attempt *attempt, struct store_sqlite *store, char **ret_note) {
        char *aside = NULL;
        uint64_t bytes;
        int code = set_aside(attempt, ret_note, &aside);

        attempt->damaged = false;
        attempt->after_damage = true;
        if (code == 0) {
                code = try_to_open(attempt, store);
                if (code < 0)
                        fail(attempt, code,
                             sentence("the journal of copy jobs, %s, is damaged, and a new one cannot be begun: %s",
                                      attempt->path, attempt->why ? attempt->why : ""));
                if (code < 0 && sys_own_file(attempt->path, &bytes) == -FSOP_ENOENT)
                        move_all(aside, attempt->path, true);
        }
        free(aside);
        return code;
}

/* ---- open -------------------------------------------------------------------------------------------------------- */

int store_sqlite_open_as(const char *directory, const char *const *steps, uint32_t n_steps, struct store **ret_store,
                         char **ret_note) {
        char *path = sentence("%s/%s", directory, STORE_SQLITE_FILE);
        struct store_sqlite *store = calloc(1, sizeof(*store));
        struct attempt attempt = {.path = path, .steps = steps, .n_steps = n_steps};
        int code = path && store ? try_to_open(&attempt, store) : -FSOP_ENOMEM;

        *ret_note = NULL;
        if (attempt.damaged)
                code = begin_anew(&attempt, store, ret_note);
        if (code == 0) {
                store->store.ops = &store_sqlite;
                *ret_store = &store->store;
                store = NULL;
        } else {
                free(*ret_note);
                *ret_note = attempt.why;
                attempt.why = NULL;
        }
        free(attempt.why);
        free(store);
        free(path);
        return code;
}

bool store_sqlite_exists(const char *directory) {
        char *path = sentence("%s/%s", directory, STORE_SQLITE_FILE);
        uint64_t bytes;
        bool exists = !path || sys_own_file(path, &bytes) != -FSOP_ENOENT;

        free(path);
        return exists;
}
