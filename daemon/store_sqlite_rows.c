/* SPDX-License-Identifier: MIT */
/*
 * store_sqlite_rows.c: values to and from SQLite. Every text is a blob: names are bytes, whatever they look like. What
 * is read is checked as strictly as what comes from a client: the disk may have changed it.
 */
#include <stdlib.h>
#include <string.h>

#include "daemon/store_sqlite.h"

/* Of a write to the log SQLite itself does not keep the number when it fails at the end of a transaction. */
static int os_error_of(sqlite3 *db, int result) {
        sqlite3_file *log = NULL;
        int os_error = 0;

        if (result == SQLITE_IOERR_WRITE || result == SQLITE_IOERR_FSYNC || result == SQLITE_IOERR_TRUNCATE) {
                sqlite3_file_control(db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &log);
                if (log && log->pMethods)
                        log->pMethods->xFileControl(log, SQLITE_FCNTL_LAST_ERRNO, &os_error);
        }
        return os_error ? os_error : sqlite3_system_errno(db);
}

int store_sqlite_error(sqlite3 *db) {
        int result = sqlite3_extended_errcode(db);

        switch (result) {
        case SQLITE_CONSTRAINT_FOREIGNKEY:
                return -FSOP_ENOENT;
        case SQLITE_CONSTRAINT_PRIMARYKEY:
        case SQLITE_CONSTRAINT_ROWID:
        case SQLITE_CONSTRAINT_UNIQUE:
                return -FSOP_EEXIST;
        case SQLITE_IOERR_NOMEM:
                return -FSOP_ENOMEM;
        default:
                break;
        }
        switch (result & 0xff) {
        case SQLITE_FULL:
                return -FSOP_ENOSPC;
        case SQLITE_NOMEM:
                return -FSOP_ENOMEM;
        case SQLITE_TOOBIG:
                return -FSOP_EFBIG;
        case SQLITE_BUSY:
        case SQLITE_LOCKED:
                return -FSOP_EBUSY;
        case SQLITE_READONLY:
                return -FSOP_EROFS;
        case SQLITE_PERM:
        case SQLITE_AUTH:
                return -FSOP_EACCES;
        case SQLITE_CONSTRAINT:
        case SQLITE_MISMATCH:
        case SQLITE_RANGE:
                return -FSOP_EINVAL;
        case SQLITE_IOERR:
        case SQLITE_CANTOPEN:
                return sys_error(os_error_of(db, result));
        default: /* CORRUPT, NOTADB, and what never happens */
                return -FSOP_EIO;
        }
}

/* ---- there ------------------------------------------------------------------------------------------------------- */

static void bound(struct binding *binding, int result) {
        if (binding->result == SQLITE_OK)
                binding->result = result;
}

void bind_i64(struct binding *binding, int64_t value) {
        bound(binding, sqlite3_bind_int64(binding->statement, ++binding->parameter, value));
}

void bind_u64(struct binding *binding, uint64_t value) {
        int64_t bits;

        memcpy(&bits, &value, sizeof(bits));
        bind_i64(binding, bits);
}

void bind_bytes(struct binding *binding, struct bytes value) {
        const void *data = value.len > 0 ? (const void *)value.data : ""; /* without data it would be a NULL */

        bound(binding, sqlite3_bind_blob64(binding->statement, ++binding->parameter, data, value.len, SQLITE_STATIC));
}

void bind_time(struct binding *binding, struct fsop_time value) {
        bind_i64(binding, value.sec);
        bind_i64(binding, value.nsec);
}

void bind_error(struct binding *binding, const struct error *error) {
        bind_i64(binding, error->code);
        bind_i64(binding, error->class_);
        bind_i64(binding, error->retryable);
        bind_i64(binding, error->os_error);
        bind_bytes(binding, error->rule);
        bind_bytes(binding, error->message);
}

static uint8_t *put_u32(uint8_t *at, uint32_t value) {
        for (unsigned i = 0; i < 4; i++)
                *at++ = (uint8_t)(value >> (8 * i));
        return at;
}

/* A list that was put together; freed by SQLite. */
static void bind_list(struct binding *binding, uint8_t *list, size_t len) {
        binding->parameter++;
        if (list)
                bound(binding, sqlite3_bind_blob64(binding->statement, binding->parameter, list, len, free));
        else
                bound(binding, SQLITE_NOMEM);
}

void bind_u32_list(struct binding *binding, const uint32_t *values, uint32_t n) {
        uint8_t *list = malloc((size_t)n * 4 + 1), *at = list;

        for (uint32_t i = 0; list && i < n; i++)
                at = put_u32(at, values[i]);
        bind_list(binding, list, (size_t)n * 4);
}

void bind_bytes_list(struct binding *binding, const struct bytes *values, uint32_t n) {
        size_t len = 0;
        uint8_t *list, *at;

        for (uint32_t i = 0; i < n; i++) {
                if (values[i].len > UINT32_MAX) {
                        binding->parameter++;
                        bound(binding, SQLITE_TOOBIG);
                        return;
                }
                len += 4 + values[i].len;
        }
        list = at = malloc(len + 1);
        for (uint32_t i = 0; list && i < n; i++) {
                at = put_u32(at, (uint32_t)values[i].len);
                if (values[i].len > 0)
                        memcpy(at, values[i].data, values[i].len);
                at += values[i].len;
        }
        bind_list(binding, list, len);
}

/* ---- and back ---------------------------------------------------------------------------------------------------- */

static void row_fail(struct row *row, int code) {
        if (row->code == 0)
                row->code = code;
}

int64_t row_i64(struct row *row) {
        int column = row->column++;

        if (sqlite3_column_type(row->statement, column) != SQLITE_INTEGER) {
                row_fail(row, -FSOP_EIO);
                return 0;
        }
        return sqlite3_column_int64(row->statement, column);
}

uint64_t row_u64(struct row *row) {
        return (uint64_t)row_i64(row);
}

uint32_t row_enum(struct row *row, uint32_t max) {
        int64_t value = row_i64(row);

        if (value < 0 || value > max) {
                row_fail(row, -FSOP_EIO);
                return 0;
        }
        return (uint32_t)value;
}

uint32_t row_u32(struct row *row) {
        return row_enum(row, UINT32_MAX);
}

bool row_bool(struct row *row) {
        return row_enum(row, 1) != 0;
}

struct bytes row_peek(struct row *row) {
        int column = row->column++;
        struct bytes value = {(const uint8_t *)"", 0};

        if (sqlite3_column_type(row->statement, column) != SQLITE_BLOB) {
                row_fail(row, -FSOP_EIO);
                return value;
        }
        value.data = sqlite3_column_blob(row->statement, column);
        value.len = (size_t)sqlite3_column_bytes(row->statement, column);
        if (!value.data && sqlite3_errcode(sqlite3_db_handle(row->statement)) == SQLITE_NOMEM)
                row_fail(row, -FSOP_ENOMEM);
        if (!value.data) /* an empty one has none */
                value = (struct bytes){(const uint8_t *)"", 0};
        return value;
}

static struct bytes row_copy(struct row *row, struct bytes bytes) {
        struct bytes copy = arena_copy(row->arena, bytes);

        if (copy.data)
                return copy;
        row_fail(row, -FSOP_ENOMEM);
        return (struct bytes){(const uint8_t *)"", 0};
}

struct bytes row_bytes(struct row *row) {
        return row_copy(row, row_peek(row));
}

struct fsop_time row_time(struct row *row) {
        int64_t sec = row_i64(row);

        return (struct fsop_time){.sec = sec, .nsec = row_u32(row)};
}

struct error row_error(struct row *row) {
        struct error error = {.code = (enum fsop_errno)row_enum(row, FSOP_EUNKNOWN)};
        int64_t os_error;

        if (error.code != 0 && error.code < FSOP_EPERM)
                row_fail(row, -FSOP_EIO);
        error.class_ = (enum fsop_error_class)row_enum(row, FSOP_CLASS_CANCELLED);
        error.retryable = row_bool(row);
        os_error = row_i64(row);
        if (os_error < INT32_MIN || os_error > INT32_MAX)
                row_fail(row, -FSOP_EIO);
        error.os_error = (int32_t)os_error;
        error.rule = row_bytes(row);
        error.message = row_bytes(row);
        return error;
}

static uint32_t get_u32(const uint8_t *at) {
        return at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

uint32_t *row_u32_list(struct row *row, uint32_t *ret_n) {
        struct bytes list = row_peek(row);
        uint32_t n = (uint32_t)(list.len / 4), *values = arena_calloc(row->arena, (size_t)n + 1, sizeof(*values));

        *ret_n = 0;
        if (list.len % 4 != 0)
                row_fail(row, -FSOP_EIO);
        if (!values)
                row_fail(row, -FSOP_ENOMEM);
        if (!values || row->code < 0)
                return NULL;
        for (uint32_t i = 0; i < n; i++)
                values[i] = get_u32(list.data + (size_t)i * 4);
        *ret_n = n;
        return values;
}

/* How many texts are in a list, or -1. */
static int64_t count_texts(struct bytes list) {
        int64_t n = 0;

        for (size_t at = 0; at < list.len; n++) {
                if (list.len - at < 4 || get_u32(list.data + at) > list.len - at - 4)
                        return -1;
                at += 4 + (size_t)get_u32(list.data + at);
        }
        return n;
}

struct bytes *row_bytes_list(struct row *row, uint32_t *ret_n) {
        struct bytes list = row_peek(row), *values;
        int64_t n = count_texts(list);
        size_t at = 0;

        *ret_n = 0;
        if (n < 0)
                row_fail(row, -FSOP_EIO);
        if (row->code < 0)
                return NULL;
        values = arena_calloc(row->arena, (size_t)n + 1, sizeof(*values));
        if (!values)
                row_fail(row, -FSOP_ENOMEM);
        for (int64_t i = 0; i < n && row->code == 0; i++) {
                uint32_t len = get_u32(list.data + at);

                values[i] = row_copy(row, (struct bytes){list.data + at + 4, len});
                at += 4 + (size_t)len;
        }
        if (row->code < 0)
                return NULL;
        *ret_n = (uint32_t)n;
        return values;
}

void row_text(struct row *row, char *text, size_t text_bytes) {
        struct bytes value = row_peek(row);

        if (value.len >= text_bytes || memchr(value.data, 0, value.len)) {
                row_fail(row, -FSOP_EIO);
                value.len = 0;
        }
        memcpy(text, value.data, value.len);
        text[value.len] = 0;
}
