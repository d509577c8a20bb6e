/* SPDX-License-Identifier: MIT */
/*
 * audit.c: records to lines, by hand: a line is a sequence of known keys, and this stands on the way of every elevated
 * operation, twice. tests/unit/test_audit measures it when asked (AUDIT_BENCH=1): 0.3 us for the line of an elevated
 * chown, against 4.2 us when jansson builds the same object and prints it.
 */
#include "daemon/audit.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backends/service.h"
#include "proto/names.h"

#define BUFFER_BYTES (256u << 10) /* pages that are never written to cost nothing */
#define PATH_BYTES_MAX 8192u      /* of one value; more than the wire lets through */
#define TEXT_BYTES_MAX 2048u
#define FIXED_BYTES_MAX 2048u /* of a line without its strings */

/* One byte of a string becomes at most \u00XX. The longest line: two paths, a link's text or a name, rule, user,
 * message. */
#define LINE_BYTES_MAX (6 * (3 * PATH_BYTES_MAX + 3 * TEXT_BYTES_MAX) + FIXED_BYTES_MAX)

#define KNOWN_BYTES 128u

/* Numbers as text, so that they need not be made into one again. */
struct known {
        uint64_t numbers[3];
        uint32_t len; /* 0: none */
        char text[KNOWN_BYTES];
};

struct audit {
        os_fd fd;              /* OS_FD_NONE: stderr */
        char *path;            /* of a file, or NULL */
        bool journal;          /* lines carry a <priority> */
        int failed;            /* of a flush in the middle of a step, for the one at its end */
        uint64_t lost;         /* records since the last line that could be written */
        uint32_t n_records;    /* in the buffer */
        bool more;             /* not only outcomes */
        int64_t prefix_sec;    /* second that prefix is the text of */
        char prefix[30];       /* "2024-01-31T23:59:59.123456789" */
        struct known id, peer; /* of the record before: mostly the next one has the same */
        size_t len;
        char data[BUFFER_BYTES];
};

/* ---- putting characters ------------------------------------------------------------------------------------------ */

/* Room for a whole line is made before it is begun, so nothing here checks. */

static void put_bytes(struct audit *audit, const void *data, size_t len) {
        memcpy(audit->data + audit->len, data, len);
        audit->len += len;
}

#define put_literal(audit, text) put_bytes(audit, text, sizeof(text) - 1)

static void put_word(struct audit *audit, const char *word) {
        put_bytes(audit, word, strlen(word));
}

static void put_number(struct audit *audit, uint64_t number) {
        char digits[20];
        size_t n = sizeof(digits);

        do
                digits[--n] = (char)('0' + number % 10);
        while (number /= 10);
        put_bytes(audit, digits + n, sizeof(digits) - n);
}

static void put_signed(struct audit *audit, int64_t number) {
        if (number < 0)
                put_literal(audit, "-");
        put_number(audit, number < 0 ? 0 - (uint64_t)number : (uint64_t)number);
}

static void put_padded(char *out, unsigned digits, uint32_t number) {
        while (digits--) {
                out[digits] = (char)('0' + number % 10);
                number /= 10;
        }
}

/* A byte's part in a string: 0 as it is, 1 to be escaped, 2 not ASCII. */
static uint8_t kind_of_byte(uint8_t byte) {
        if (byte >= 0x80)
                return 2;
        return byte < ' ' || byte == '"' || byte == '\\' || byte == 127;
}

#define EACH(byte) (UINT64_C(0x0101010101010101) * (byte))

/* Whether one of eight bytes is below LEAST (at most 0x80), or is BYTE; says nothing of bytes from 0x80 on. */
static uint64_t any_below(uint64_t eight, uint8_t least) {
        return (eight - EACH(least)) & ~eight & EACH(0x80);
}

static uint64_t any_is(uint64_t eight, uint8_t byte) {
        return any_below(eight ^ EACH(byte), 1);
}

static uint8_t kind_of_bytes(struct bytes bytes) {
        uint8_t kind = 0;
        size_t i = 0;

        for (; i + 8 <= bytes.len; i += 8) {
                uint64_t eight;

                memcpy(&eight, bytes.data + i, 8);
                if ((eight & EACH(0x80)) | any_below(eight, ' ') | any_is(eight, '"') | any_is(eight, '\\') |
                    any_is(eight, 127))
                        break;
        }
        for (; i < bytes.len; i++)
                kind |= kind_of_byte(bytes.data[i]);
        return kind;
}

static void put_escape(struct audit *audit, uint8_t code) {
        static const char hex[] = "0123456789abcdef";
        char text[6] = {'\\', 'u', '0', '0', hex[code >> 4], hex[code & 15]};

        switch (code) {
        case '"':
        case '\\':
                text[1] = (char)code;
                break;
        case '\n':
                text[1] = 'n';
                break;
        case '\t':
                text[1] = 't';
                break;
        default:
                put_bytes(audit, text, 6);
                return;
        }
        put_bytes(audit, text, 2);
}

/* Well-formed UTF-8. U+0080 to U+009F are control characters as well. */
static void put_escaped(struct audit *audit, struct bytes bytes) {
        for (size_t i = 0; i < bytes.len; i++) {
                uint8_t byte = bytes.data[i];

                if (byte == 0xc2 && i + 1 < bytes.len && bytes.data[i + 1] < 0xa0)
                        put_escape(audit, bytes.data[++i]);
                else if (kind_of_byte(byte) == 1)
                        put_escape(audit, byte);
                else
                        audit->data[audit->len++] = (char)byte;
        }
}

static void put_base64(struct audit *audit, struct bytes bytes) {
        static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

        for (size_t i = 0; i < bytes.len; i += 3) {
                size_t n = bytes.len - i;
                uint32_t three = (uint32_t)bytes.data[i] << 16 | (n > 1 ? (uint32_t)bytes.data[i + 1] << 8 : 0) |
                                 (n > 2 ? bytes.data[i + 2] : 0);
                char four[4] = {digits[three >> 18], digits[three >> 12 & 63], n > 1 ? digits[three >> 6 & 63] : '=',
                                n > 2 ? digits[three & 63] : '='};

                put_bytes(audit, four, 4);
        }
}

/* A key is a literal, so that it is copied together with what stands around it. */
#define put_key(audit, key) put_literal(audit, ",\"" key "\":")

/* A word that is known to be plain text, or NULL. */
#define put_known(audit, key, word)                                                                                    \
        do {                                                                                                           \
                const char *known_ = (word);                                                                           \
                if (known_) {                                                                                          \
                        put_literal(audit, ",\"" key "\":\"");                                                         \
                        put_word(audit, known_);                                                                       \
                        put_literal(audit, "\"");                                                                      \
                }                                                                                                      \
        } while (0)

/* A string, under KEY_b64 if it is no text. */
static void put_string(struct audit *audit, const char *key, struct bytes bytes, size_t bytes_max) {
        bool cut = bytes.len > bytes_max;
        uint8_t kind;

        if (cut)
                bytes.len = bytes_max;
        kind = kind_of_bytes(bytes);
        put_literal(audit, ",\"");
        put_word(audit, key);
        if ((kind & 2) && !utf8_is_valid(bytes)) {
                put_literal(audit, "_b64\":\"");
                put_base64(audit, bytes);
        } else {
                put_literal(audit, "\":\"");
                if (kind)
                        put_escaped(audit, bytes);
                else
                        put_bytes(audit, bytes.data, bytes.len);
        }
        put_literal(audit, "\"");
        if (cut) {
                put_literal(audit, ",\"");
                put_word(audit, key);
                put_literal(audit, "_cut\":true");
        }
}

static void put_path(struct audit *audit, const char *key, struct bytes path) {
        if (path.len > 0)
                put_string(audit, key, path, PATH_BYTES_MAX);
}

static void put_text(struct audit *audit, const char *key, const char *text) {
        if (text)
                put_string(audit, key, (struct bytes){(const uint8_t *)text, strlen(text)}, TEXT_BYTES_MAX);
}

#define put_field(audit, key, number) (put_key(audit, key), put_number(audit, number))

#define put_flag(audit, key, flag) ((flag) ? put_literal(audit, ",\"" key "\":true") : (void)0)

/* A mode as a string of octal digits. */
static void put_octal(struct audit *audit, uint32_t mode) {
        char digits[7] = {'"',
                          '0',
                          (char)('0' + (mode >> 9 & 7)),
                          (char)('0' + (mode >> 6 & 7)),
                          (char)('0' + (mode >> 3 & 7)),
                          (char)('0' + (mode & 7)),
                          '"'};

        put_bytes(audit, digits, sizeof(digits));
}

#define put_mode(audit, key, mode) (put_key(audit, key), put_octal(audit, mode))

/* ---- time -------------------------------------------------------------------------------------------------------- */

/* Days since 1970 to a date, in the proleptic Gregorian calendar: whole eras of 400 years, counted from 1 March. */
static void civil_date(int64_t days, int64_t *ret_year, unsigned *ret_month, unsigned *ret_day) {
        int64_t shifted = days + 719468, era = (shifted >= 0 ? shifted : shifted - 146096) / 146097;
        unsigned of_era = (unsigned)(shifted - era * 146097);
        unsigned year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
        unsigned of_year = of_era - (365 * year + year / 4 - year / 100), month = (5 * of_year + 2) / 153;

        *ret_day = of_year - (153 * month + 2) / 5 + 1;
        *ret_month = month < 10 ? month + 3 : month - 9;
        *ret_year = (int64_t)year + era * 400 + (*ret_month <= 2);
}

static void fill_prefix(struct audit *audit, int64_t sec) {
        static const char form[] = "0000-00-00T00:00:00.000000000";
        int64_t days = sec / 86400 - (sec % 86400 < 0), year;
        uint32_t of_day = (uint32_t)(sec - days * 86400);
        unsigned month, day;

        civil_date(days, &year, &month, &day);
        memcpy(audit->prefix, form, sizeof(form));
        put_padded(audit->prefix, 4, (uint32_t)(year % 10000));
        put_padded(audit->prefix + 5, 2, month);
        put_padded(audit->prefix + 8, 2, day);
        put_padded(audit->prefix + 11, 2, of_day / 3600);
        put_padded(audit->prefix + 14, 2, of_day / 60 % 60);
        put_padded(audit->prefix + 17, 2, of_day % 60);
        audit->prefix_sec = sec;
}

/* Lines that are written together have one time: that of the first. */
static void look_at_clock(struct audit *audit) {
        struct fsop_time now = sys_realtime();

        if (now.sec != audit->prefix_sec)
                fill_prefix(audit, now.sec);
        put_padded(audit->prefix + 20, 9, now.nsec);
}

/* Begins a line: brace, time, event. */
static void put_begin(struct audit *audit, const char *event) {
        if (audit->len == 0)
                look_at_clock(audit);
        if (audit->journal)
                put_literal(audit, "<5>");
        put_literal(audit, "{\"time\":\"");
        put_bytes(audit, audit->prefix, 29);
        put_literal(audit, "Z\",\"event\":\"");
        put_word(audit, event);
        put_literal(audit, "\"");
}

/* ---- an operation's arguments ------------------------------------------------------------------------------------ */

static void put_owner(struct audit *audit, bool has_uid, uint32_t uid, bool has_gid, uint32_t gid) {
        put_literal(audit, "\"");
        if (has_uid)
                put_number(audit, uid);
        put_literal(audit, ":");
        if (has_gid)
                put_number(audit, gid);
        put_literal(audit, "\"");
}

static void put_chmod(struct audit *audit, const struct chmod_args *args) {
        if ((args->clear & 0777) == 0777 && !args->set_x && !args->clear_x) {
                put_mode(audit, "mode", args->set);
        } else {
                put_mode(audit, "set", args->set);
                put_mode(audit, "clear", args->clear);
                if (args->set_x || args->clear_x) {
                        put_mode(audit, "set_x", args->set_x);
                        put_mode(audit, "clear_x", args->clear_x);
                }
        }
        put_flag(audit, "recursive", args->walk.recursive);
}

static void put_chown(struct audit *audit, const struct chown_args *args) {
        if (args->has_uid || args->has_gid) {
                put_key(audit, "owner");
                put_owner(audit, args->has_uid, args->uid, args->has_gid, args->gid);
        }
        if (args->has_from_uid || args->has_from_gid) {
                put_key(audit, "from_owner");
                put_owner(audit, args->has_from_uid, args->from_uid, args->has_from_gid, args->from_gid);
        }
        put_flag(audit, "recursive", args->walk.recursive);
}

static void put_time(struct audit *audit, enum time_change change, const struct fsop_time *value) {
        if (change == TIME_NOW) {
                put_literal(audit, "\"now\"");
                return;
        }
        /* nanoseconds count forward from the second: -1.5 s is -2 and 500000000 */
        put_literal(audit, "{\"tv_sec\":");
        put_signed(audit, value->sec);
        put_literal(audit, ",\"tv_nsec\":");
        put_number(audit, value->nsec);
        put_literal(audit, "}");
}

static void put_create(struct audit *audit, const struct create_args *args) {
        if (args->create)
                put_mode(audit, "mode", args->mode);
}

static void put_utimens(struct audit *audit, const struct utimens_args *args) {
        if (args->atime_change != TIME_OMIT) {
                put_key(audit, "atime");
                put_time(audit, args->atime_change, &args->atime);
        }
        if (args->mtime_change != TIME_OMIT) {
                put_key(audit, "mtime");
                put_time(audit, args->mtime_change, &args->mtime);
        }
        put_create(audit, &args->create);
}

static void put_mknod(struct audit *audit, const struct mknod_args *args) {
        const char *type = file_type_name(args->type);

        put_text(audit, "type", type);
        if (args->type == FSOP_TYPE_CHAR || args->type == FSOP_TYPE_BLOCK) {
                put_key(audit, "device");
                put_literal(audit, "\"");
                put_number(audit, args->major);
                put_literal(audit, ":");
                put_number(audit, args->minor);
                put_literal(audit, "\"");
        }
        put_mode(audit, "mode", args->create.mode);
}

static void put_range(struct audit *audit, uint64_t offset, uint64_t length) {
        put_field(audit, "offset", offset);
        put_field(audit, "length", length);
}

static void put_fallocate(struct audit *audit, const struct fallocate_args *args) {
        static const char *const kinds[] = {"allocate",       "punch-hole",   "zero-range",
                                            "collapse-range", "insert-range", "unshare-range"};

        if ((unsigned)args->mode < sizeof(kinds) / sizeof(kinds[0]))
                put_known(audit, "kind", kinds[args->mode]);
        put_range(audit, args->offset, args->length);
        put_flag(audit, "keep_size", args->keep_size);
        put_create(audit, &args->create);
}

static void put_open(struct audit *audit, const struct open_args *args) {
        put_text(audit, "access",
                 args->read ? (args->write || args->append ? "read-write" : "read")
                            : (args->write || args->append ? "write" : "none"));
        put_flag(audit, "append", args->append);
        put_flag(audit, "truncate", args->truncate);
        put_create(audit, &args->create);
}

static void put_copy_range(struct audit *audit, const struct copy_range_args *args) {
        put_field(audit, "offset", args->src_offset);
        put_field(audit, "to_offset", args->dst_offset);
        if (args->has_length)
                put_field(audit, "length", args->length);
        put_create(audit, &args->create);
}

static void put_args(struct audit *audit, const struct operation *op) {
        switch (op->verb) {
        case FSOP_VERB_CHMOD:
                put_chmod(audit, &op->args.chmod);
                break;
        case FSOP_VERB_CHOWN:
                put_chown(audit, &op->args.chown);
                break;
        case FSOP_VERB_UTIMENS:
                put_utimens(audit, &op->args.utimens);
                break;
        case FSOP_VERB_MKNOD:
                put_mknod(audit, &op->args.mknod);
                break;
        case FSOP_VERB_MKDIR:
                put_mode(audit, "mode", op->args.mkdir.mode);
                break;
        case FSOP_VERB_UNLINK:
                put_flag(audit, "recursive", op->args.unlink.recursive);
                break;
        case FSOP_VERB_RENAME:
                put_flag(audit, "no_replace", op->args.rename.no_replace);
                put_flag(audit, "exchange", op->args.rename.exchange);
                break;
        case FSOP_VERB_SYMLINK:
                put_path(audit, "text", op->args.symlink);
                break;
        case FSOP_VERB_SETXATTR:
                put_path(audit, "xattr", op->args.xattr.name);
                put_field(audit, "size", op->args.xattr.value.len);
                break;
        case FSOP_VERB_GETXATTR:
        case FSOP_VERB_REMOVEXATTR:
                put_path(audit, "xattr", op->args.xattr.name);
                break;
        case FSOP_VERB_FALLOCATE:
                put_fallocate(audit, &op->args.fallocate);
                break;
        case FSOP_VERB_TRUNCATE:
                put_field(audit, "size", op->args.truncate.size);
                put_create(audit, &op->args.truncate.create);
                break;
        case FSOP_VERB_FADVISE:
                put_known(audit, "advice", advice_name(op->args.fadvise.advice));
                put_range(audit, op->args.fadvise.offset, op->args.fadvise.length);
                break;
        case FSOP_VERB_COPY_RANGE:
                put_copy_range(audit, &op->args.copy_range);
                break;
        case FSOP_VERB_CP:
                put_flag(audit, "recursive", op->args.cp.recursive);
                put_field(audit, "preserve", op->args.cp.preserve);
                break;
        case FSOP_VERB_OPEN:
        case FSOP_VERB_OPEN_FD:
                put_open(audit, &op->args.open);
                break;
        case FSOP_VERB_READ:
                put_range(audit, op->args.read.offset, op->args.read.length);
                break;
        case FSOP_VERB_WRITE:
                put_range(audit, op->args.write.offset, op->args.write.data.len);
                break;
        default:
                break;
        }
}

/* ---- a line ------------------------------------------------------------------------------------------------------ */

/* Puts the text of these numbers if it is known. What is put instead is to be remembered with know(). */
static bool put_if_known(struct audit *audit, const struct known *known, const uint64_t numbers[3]) {
        if (known->len == 0 || memcmp(known->numbers, numbers, sizeof(known->numbers)) != 0)
                return false;
        memcpy(audit->data + audit->len, known->text,
               KNOWN_BYTES); /* of one size, and then cut: there is room for a line */
        audit->len += known->len;
        return true;
}

static void know(const struct audit *audit, struct known *known, const uint64_t numbers[3], size_t since) {
        size_t len = audit->len - since;

        known->len = len <= KNOWN_BYTES ? (uint32_t)len : 0;
        memcpy(known->numbers, numbers, sizeof(known->numbers));
        memcpy(known->text, audit->data + since, known->len);
}

static void put_id(struct audit *audit, const struct audit_record *record) {
        const uint64_t numbers[3] = {record->session_id, record->batch_id, record->op != NULL};
        size_t since = audit->len;

        if (record->session_id == 0)
                return;
        if (!put_if_known(audit, &audit->id, numbers)) {
                put_key(audit, "id");
                put_literal(audit, "\"");
                put_number(audit, record->session_id);
                if (record->op) {
                        put_literal(audit, ":");
                        put_number(audit, record->batch_id);
                        put_literal(audit, ":");
                }
                know(audit, &audit->id, numbers, since);
        }
        if (record->op)
                put_number(audit, record->index);
        put_literal(audit, "\"");
}

static void put_numbers_of_peer(struct audit *audit, const struct peer *peer) {
        const uint64_t numbers[3] = {peer->uid, peer->gid, (uint64_t)peer->pid};
        size_t since = audit->len;

        if (put_if_known(audit, &audit->peer, numbers))
                return;
        put_field(audit, "uid", peer->uid);
        put_field(audit, "gid", peer->gid);
        put_key(audit, "pid");
        put_signed(audit, peer->pid);
        know(audit, &audit->peer, numbers, since);
}

static void put_peer(struct audit *audit, const struct audit_record *record) {
        if (record->peer)
                put_numbers_of_peer(audit, record->peer);
        put_text(audit, "user", record->user);
}

static void put_result(struct audit *audit, const struct audit_record *record) {
        if (record->event == AUDIT_OUTCOME)
                put_known(audit, "outcome", outcome_name(record->outcome));
        if (record->code < 0) {
                const char *name = error_name(-record->code);

                put_known(audit, "error", name ? name : "EUNKNOWN");
        }
        if (record->os_error) {
                put_key(audit, "os_error");
                put_signed(audit, record->os_error);
        }
        put_text(audit, "message", record->message);
}

static const char *event_name(enum audit_event event) {
        static const char *const names[] = {
                [AUDIT_START] = "start",   [AUDIT_STOP] = "stop",
                [AUDIT_RELOAD] = "reload", [AUDIT_REFUSED] = "refused",
                [AUDIT_INTENT] = "intent", [AUDIT_OUTCOME] = "outcome",
                [AUDIT_DENIED] = "denied", [AUDIT_WOULD_ALLOW] = "would-allow",
                [AUDIT_JOB] = "job",
        };

        return (unsigned)event < sizeof(names) / sizeof(names[0]) ? names[event] : "unknown";
}

/* ---- writing ----------------------------------------------------------------------------------------------------- */

static int write_out(const struct audit *audit, const char *data, size_t len) {
        if (audit->fd != OS_FD_NONE)
                return sys_write_all(audit->fd, data, len);
        return fwrite(data, 1, len, stderr) == len && fflush(stderr) == 0 ? 0 : -FSOP_EIO;
}

/* After a failure: ends a line that may have been torn, and says how many are missing. */
static int write_lost(struct audit *audit) {
        char text[160];
        int len;

        if (audit->lost == 0)
                return 0;
        fill_prefix(audit, sys_realtime().sec);
        len = snprintf(text, sizeof(text), "\n%s{\"time\":\"%.19sZ\",\"event\":\"lost\",\"records\":%" PRIu64 "}\n",
                       audit->journal ? "<4>" : "", audit->prefix, audit->lost);
        return write_out(audit, text, (size_t)len);
}

static int write_buffer(struct audit *audit) {
        int code;

        if (audit->len == 0)
                return 0;
        code = write_lost(audit);
        if (code == 0)
                audit->lost = 0;
        if (code == 0)
                code = write_out(audit, audit->data, audit->len);
        if (code < 0)
                audit->lost += audit->n_records;
        audit->len = 0;
        audit->n_records = 0;
        audit->more = false;
        return code;
}

void audit_record(struct audit *audit, const struct audit_record *record) {
        if (BUFFER_BYTES - audit->len < LINE_BYTES_MAX) {
                int code = write_buffer(audit);

                if (code < 0)
                        audit->failed = code;
        }
        put_begin(audit, event_name(record->event));
        put_id(audit, record);
        put_peer(audit, record);
        if (record->job)
                put_field(audit, "job", record->job);
        if (record->op) {
                put_known(audit, "op", verb_name(record->op->verb));
                put_path(audit, "path", record->at_path);
                put_path(audit, "to", record->to_path);
                put_known(audit, "as", as_name(record->as));
        }
        put_text(audit, "rule", record->rule);
        if (record->op)
                put_args(audit, record->op);
        put_result(audit, record);
        put_literal(audit, "}\n");
        audit->n_records++;
        audit->more |= record->event != AUDIT_OUTCOME;
}

int audit_flush(struct audit *audit) {
        int code = write_buffer(audit), failed = audit->failed;

        audit->failed = 0;
        return failed < 0 ? failed : code;
}

enum audit_owed audit_owed(const struct audit *audit) {
        if (audit->len == 0)
                return AUDIT_OWES_NOTHING;
        return audit->more ? AUDIT_OWES_MORE : AUDIT_OWES_OUTCOMES;
}

/* ---- opening ----------------------------------------------------------------------------------------------------- */

static int open_sink(struct audit *audit, const char *where, const char **ret_why) {
        if (strncmp(where, "file:", 5) == 0) {
                int code;

                audit->path = strdup(where + 5);
                if (!audit->path)
                        return -FSOP_ENOMEM;
                code = sys_open_append(audit->path, &audit->fd);
                if (code < 0)
                        *ret_why = code == -FSOP_ENOENT ? "its directory must be there, it is not made"
                                   : code == -FSOP_EPERM
                                           ? "it must be a regular file of the daemon's own, with no other name"
                                           : "it cannot be opened for appending";
                return code;
        }
        audit->journal = service_logs_to_journal();
        if (strcmp(where, "stderr") == 0 || (strcmp(where, "journal") == 0 && audit->journal))
                return 0;
        *ret_why =
                strcmp(where, "journal") == 0
                        ? "the journal is written to by way of stderr, which is not the journal's here (in a systemd "
                          "unit: StandardError=journal): use stderr or file:PATH"
                        : "the place for the audit must be journal, stderr or file:PATH";
        return -FSOP_EINVAL;
}

int audit_open(const char *where, struct audit **ret_audit, const char **ret_why) {
        struct audit *audit = malloc(sizeof(*audit)); /* not cleared: most of the buffer is never touched */
        int code;

        *ret_audit = NULL;
        *ret_why = "out of memory";
        if (!audit)
                return -FSOP_ENOMEM;
        memset(audit, 0, offsetof(struct audit, data));
        audit->fd = OS_FD_NONE;
        audit->prefix_sec = INT64_MIN;
        code = open_sink(audit, where, ret_why);
        if (code < 0) {
                free(audit->path);
                free(audit);
                return code;
        }
        *ret_audit = audit;
        return 0;
}

int audit_reopen(struct audit *audit) {
        int flushed = audit_flush(audit), code;
        os_fd fd;

        if (!audit->path)
                return flushed;
        code = sys_open_append(audit->path, &fd);
        if (code < 0)
                return code;
        sys_close(audit->fd);
        audit->fd = fd;
        return flushed;
}

struct audit *audit_free(struct audit *audit) {
        if (!audit)
                return NULL;
        audit_flush(audit);
        if (audit->fd != OS_FD_NONE)
                sys_close(audit->fd);
        free(audit->path);
        free(audit);
        return NULL;
}
