/* SPDX-License-Identifier: MIT */
/*
 * store_sqlite.h: what the files of the SQLite store share among themselves. Nobody else includes it, but for its
 * tests.
 */
#ifndef FSOP_STORE_SQLITE_H
#define FSOP_STORE_SQLITE_H

#include <sqlite3.h>

#include "daemon/store.h"
#include "proto/arena.h"

#define STORE_SQLITE_FILE "jobs.sqlite" /* below the directory; SQLite's own "-wal" beside it */

enum store_statement {
        STATEMENT_BEGIN,
        STATEMENT_COMMIT,
        STATEMENT_ROLLBACK,
        STATEMENT_COVER,
        STATEMENT_NEXT_ID,
        STATEMENT_ADD_JOB,
        STATEMENT_ADD_STATE,
        STATEMENT_ADD_PLACE,
        STATEMENT_UPDATE,
        STATEMENT_TOP,
        STATEMENT_PLACE_FINISHED,
        STATEMENT_FILES,
        STATEMENT_PART,
        STATEMENT_PART_GONE,
        STATEMENT_FAILURE,
        STATEMENT_RETRY,
        STATEMENT_REOPEN,
        STATEMENT_REMOVE,
        STATEMENT_FREE_PAGES,
        STATEMENT_SHRINK,
        STATEMENT_LOAD_JOBS,
        STATEMENT_LOAD_PLACES,
        STATEMENT_READ_FILES,
        STATEMENT_READ_ALL_FILES,
        STATEMENT_READ_PARTS,
        STATEMENT_READ_FAILURES,
        STATEMENTS,
};

struct store_sqlite {
        struct store store;
        sqlite3 *db;
        sqlite3_stmt *statements[STATEMENTS];
        uint64_t generation, next_id;
        bool uncovered; /* the log may end in a commit that failed */
};

/* Opens with a schema of the first N_STEPS of STEPS, each the SQL that makes one version out of that before it. */
int store_sqlite_open_as(const char *directory, const char *const *steps, uint32_t n_steps, struct store **ret_store,
                         char **ret_note);
extern const char *const store_sqlite_steps[];
extern const uint32_t store_sqlite_n_steps;

bool store_sqlite_exists(const char *directory);

/* ---- store_sqlite.c ---------------------------------------------------------------------------------------------- */

/* Prepares the statements; a result of SQLite. */
int store_sqlite_prepare(struct store_sqlite *store);
/* Reads all jobs to nobody, to see whether they can be. 0, -FSOP_EIO where something is damaged, or another error. */
int store_sqlite_check_jobs(struct store_sqlite *store);
/* Lets go of the file. As it is: nothing is written any more. */
void store_sqlite_close_file(struct store_sqlite *store, bool as_it_is);

/* ---- store_sqlite_rows.c ----------------------------------------------------------------------------------------- */

/* -FSOP_E... for what the last call on DB failed with. */
int store_sqlite_error(sqlite3 *db);

/* Values for the parameters of a statement, one after the other. What is bound must stay until the statement was
 * run. */
struct binding {
        sqlite3_stmt *statement;
        int parameter; /* the last one that has its value */
        int result;    /* of SQLite: the first that was not SQLITE_OK */
};
void bind_u64(struct binding *binding, uint64_t value); /* the same 64 bits, as a signed number */
void bind_i64(struct binding *binding, int64_t value);
void bind_bytes(struct binding *binding, struct bytes value);
void bind_time(struct binding *binding, struct fsop_time value);
void bind_error(struct binding *binding, const struct error *error);
void bind_u32_list(struct binding *binding, const uint32_t *values, uint32_t n);
void bind_bytes_list(struct binding *binding, const struct bytes *values, uint32_t n);

/* A row of a result, read column by column; texts and lists are copied to the arena, with a NUL behind each text. */
struct row {
        sqlite3_stmt *statement;
        struct arena *arena;
        int column; /* the next one */
        int code;   /* 0; -FSOP_EIO: it is not what was written; -FSOP_ENOMEM */
};
uint64_t row_u64(struct row *row);
int64_t row_i64(struct row *row);
uint32_t row_u32(struct row *row);
bool row_bool(struct row *row);
uint32_t row_enum(struct row *row, uint32_t max);
struct bytes row_bytes(struct row *row);
struct bytes row_peek(struct row *row); /* where it lies in SQLite's memory, until the next row */
struct fsop_time row_time(struct row *row);
struct error row_error(struct row *row);
uint32_t *row_u32_list(struct row *row, uint32_t *ret_n);
struct bytes *row_bytes_list(struct row *row, uint32_t *ret_n);
/* A text that fits, with its NUL. */
void row_text(struct row *row, char *text, size_t text_bytes);

#endif
