/* SPDX-License-Identifier: MIT */
/*
 * codec_result.c: results and errors. A batch answers hundreds at once, so they and what most of them hold (stat,
 * bytes, entries of a directory) are written and read by hand. A daemon may be newer than its client: fields that are
 * not known here are skipped.
 */
#include "proto/codec_internal.h"

#include <string.h>

#include "proto/names.h"

enum {
        RESULTS_ID = 1,
        RESULTS_RESULTS = 2,
        RESULTS_LAST = 3,

        RESULT_INDEX = 1,
        RESULT_VERB = 2,
        RESULT_OUTCOME = 3,
        RESULT_ELEVATED = 4,
        RESULT_ERROR = 5,
        RESULT_CLONED = 6,
        RESULT_STAT = 8, /* the members of value */
        RESULT_DATA = 9,
        RESULT_HANDLE = 10,
        RESULT_COUNT = 11,
        RESULT_WALK = 12,
        RESULT_LISTING = 13,
        RESULT_STATFS = 14,
        RESULT_FD_INDEX = 15,
        RESULT_INFO = 16,
        RESULT_STATUS = 17,
        RESULT_EXPLANATION = 18,
        RESULT_RELOADED = 19,
        RESULT_JOBS = 20,

        ERROR_CODE = 1,
        ERROR_CLASS = 2,
        ERROR_RETRYABLE = 3,
        ERROR_OS_ERROR = 4,
        ERROR_RULE = 5,
        ERROR_MESSAGE = 6,

        LISTING_ENTRIES = 1,
        LISTING_END = 2,
        LISTING_COOKIE = 3,

        ENTRY_NAME = 1,
        ENTRY_TYPE = 2,
        ENTRY_INO = 3,
        ENTRY_STAT = 4,

        STAT_FIELDS = 24,
};

#define RESULT_BYTES_MAX 96u /* everything of a result but error and value, rounded up */
#define ERROR_BYTES_MAX 48u  /* likewise, but its two texts */
#define STAT_BYTES_MAX 288u  /* STAT_FIELDS numbers of at most 12 bytes with their tag */
#define ENTRY_BYTES_MAX 32u  /* likewise, but name and stat */

/* The member of Result.value that a success of an operation answers; 0: none. */
static const uint8_t values[FSOP_VERB_LIMIT] = {
        [FSOP_VERB_PING] = RESULT_DATA,
        [FSOP_VERB_INFO] = RESULT_INFO,
        [FSOP_VERB_STATUS] = RESULT_STATUS,
        [FSOP_VERB_EXPLAIN] = RESULT_EXPLANATION,
        [FSOP_VERB_POLICY_RELOAD] = RESULT_RELOADED,
        [FSOP_VERB_STAT] = RESULT_STAT,
        [FSOP_VERB_STATFS] = RESULT_STATFS,
        [FSOP_VERB_CHMOD] = RESULT_WALK,
        [FSOP_VERB_CHOWN] = RESULT_WALK,
        [FSOP_VERB_OPENDIR] = RESULT_HANDLE,
        [FSOP_VERB_UNLINK] = RESULT_WALK,
        [FSOP_VERB_LS] = RESULT_LISTING,
        [FSOP_VERB_READLINK] = RESULT_DATA,
        [FSOP_VERB_GETXATTR] = RESULT_DATA,
        [FSOP_VERB_LISTXATTR] = RESULT_DATA,
        [FSOP_VERB_COPY_RANGE] = RESULT_COUNT,
        [FSOP_VERB_CP] = RESULT_JOBS,
        [FSOP_VERB_OPEN] = RESULT_HANDLE,
        [FSOP_VERB_OPEN_FD] = RESULT_FD_INDEX,
        [FSOP_VERB_READ] = RESULT_DATA,
        [FSOP_VERB_WRITE] = RESULT_COUNT,
        [FSOP_VERB_JOB_LIST] = RESULT_JOBS,
        [FSOP_VERB_JOB_SHOW] = RESULT_JOBS,
        [FSOP_VERB_JOB_WATCH] = RESULT_JOBS,
        [FSOP_VERB_JOB_PAUSE] = RESULT_JOBS,
        [FSOP_VERB_JOB_RESUME] = RESULT_JOBS,
        [FSOP_VERB_JOB_CANCEL] = RESULT_JOBS,
        [FSOP_VERB_JOB_RETRY] = RESULT_JOBS,
        [FSOP_VERB_JOB_FORGET] = RESULT_JOBS,
};

static uint32_t value_of(const struct result *result) {
        uint32_t value = (unsigned)result->verb < FSOP_VERB_LIMIT ? values[result->verb] : 0;
        if (value == RESULT_WALK) {
                const struct walk_result *walk = &result->value.walk;
                return walk->visited || walk->changed || walk->failed || walk->n_failures ? value : 0;
        }
        return result->error.code == 0 ? value : 0;
}

/* ---- errors ------------------------------------------------------------------------------------------------------ */

void error_put(struct wire_writer *writer, uint32_t number, const struct error *error) {
        struct wire_mark mark = wire_begin(writer, number, error->rule.len + error->message.len);
        wire_put_uint(writer, ERROR_CODE, error->code);
        wire_put_uint(writer, ERROR_CLASS, error->class_);
        wire_put_uint(writer, ERROR_RETRYABLE, error->retryable);
        wire_put_uint(writer, ERROR_OS_ERROR, (uint32_t)wire_zigzag(error->os_error));
        wire_put_bytes(writer, ERROR_RULE, error->rule);
        wire_put_bytes(writer, ERROR_MESSAGE, error->message);
        wire_end(writer, mark);
}

static int error_field(struct decoder *decoder, const struct wire_field *field, uint32_t numbers[ERROR_OS_ERROR + 1],
                       struct error *error) {
        switch (field->number) {
        case ERROR_CODE:
        case ERROR_CLASS:
        case ERROR_RETRYABLE:
        case ERROR_OS_ERROR:
                return field_u32(decoder, "Error", field, &numbers[field->number]);
        case ERROR_RULE:
                return field_bytes(decoder, "Error", field, &error->rule);
        case ERROR_MESSAGE:
                return field_bytes(decoder, "Error", field, &error->message);
        default:
                return 0;
        }
}

int error_decode(struct decoder *decoder, struct bytes bytes, struct error *ret_error) {
        struct wire_reader reader = wire_reader(bytes);
        struct wire_field field;
        uint32_t numbers[ERROR_OS_ERROR + 1] = {0};
        struct error error = {0};
        int r;
        while ((r = wire_next(&reader, &field)) > 0) {
                r = error_field(decoder, &field, numbers, &error);
                if (r < 0)
                        return r;
        }
        if (r < 0)
                return decoder_malformed(decoder, "Error");
        uint32_t code = numbers[ERROR_CODE], class_ = numbers[ERROR_CLASS];
        error.code = code >= FSOP_EPERM && code <= FSOP_EUNKNOWN ? (enum fsop_errno)code : FSOP_EUNKNOWN;
        error.class_ = class_ <= FSOP_CLASS_CANCELLED ? (enum fsop_error_class)class_ : FSOP_CLASS_OS;
        error.retryable = numbers[ERROR_RETRYABLE] != 0;
        error.os_error = (int32_t)wire_unzigzag(numbers[ERROR_OS_ERROR]);
        r = decoder_copy(decoder, error.rule, &error.rule);
        if (r == 0)
                r = decoder_copy(decoder, error.message, &error.message);
        if (r == 0)
                *ret_error = error;
        return r;
}

/* ---- stat -------------------------------------------------------------------------------------------------------- */

static uint8_t *stat_number(uint8_t *place, uint32_t number, uint64_t value) {
        if (value == 0)
                return place;
        place = wire_varint(place, number << 3 | WIRE_VARINT);
        return wire_varint(place, value);
}

static void stat_put(struct wire_writer *writer, uint32_t number, const struct fsop_stat *stat) {
        struct wire_mark mark = wire_begin(writer, number, 100);
        uint8_t *p = wire_room(writer, STAT_BYTES_MAX);
        if (!p)
                return;
        p = stat_number(p, 1, stat->mask);
        p = stat_number(p, 2, stat->mode);
        p = stat_number(p, 3, stat->nlink);
        p = stat_number(p, 4, stat->uid);
        p = stat_number(p, 5, stat->gid);
        p = stat_number(p, 6, stat->blksize);
        p = stat_number(p, 7, stat->ino);
        p = stat_number(p, 8, stat->size);
        p = stat_number(p, 9, stat->blocks);
        p = stat_number(p, 10, wire_zigzag(stat->mtime.sec));
        p = stat_number(p, 11, stat->mtime.nsec);
        p = stat_number(p, 12, wire_zigzag(stat->ctime.sec));
        p = stat_number(p, 13, stat->ctime.nsec);
        p = stat_number(p, 14, wire_zigzag(stat->atime.sec));
        p = stat_number(p, 15, stat->atime.nsec);
        p = stat_number(p, 16, wire_zigzag(stat->btime.sec));
        p = stat_number(p, 17, stat->btime.nsec);
        p = stat_number(p, 18, stat->mnt_id);
        p = stat_number(p, 19, stat->dev_major);
        p = stat_number(p, 20, stat->dev_minor);
        p = stat_number(p, 21, stat->rdev_major);
        p = stat_number(p, 22, stat->rdev_minor);
        p = stat_number(p, 23, stat->attributes);
        p = stat_number(p, 24, stat->attributes_mask);
        wire_advance(writer, p);
        wire_end(writer, mark);
}

static struct fsop_stat stat_from(const uint64_t v[STAT_FIELDS + 1]) {
        return (struct fsop_stat){
                .mask = (uint32_t)v[1],
                .mode = (uint32_t)v[2],
                .nlink = (uint32_t)v[3],
                .uid = (uint32_t)v[4],
                .gid = (uint32_t)v[5],
                .blksize = (uint32_t)v[6],
                .ino = v[7],
                .size = v[8],
                .blocks = v[9],
                .mtime = {.sec = wire_unzigzag(v[10]), .nsec = (uint32_t)v[11]},
                .ctime = {.sec = wire_unzigzag(v[12]), .nsec = (uint32_t)v[13]},
                .atime = {.sec = wire_unzigzag(v[14]), .nsec = (uint32_t)v[15]},
                .btime = {.sec = wire_unzigzag(v[16]), .nsec = (uint32_t)v[17]},
                .mnt_id = v[18],
                .dev_major = (uint32_t)v[19],
                .dev_minor = (uint32_t)v[20],
                .rdev_major = (uint32_t)v[21],
                .rdev_minor = (uint32_t)v[22],
                .attributes = v[23],
                .attributes_mask = v[24],
        };
}

/* Takes the numbers that stand next, as far as they are nothing else and of at most eight bytes: mostly that is all of
 * it. */
static void stat_numbers(struct wire_reader *reader, uint64_t v[STAT_FIELDS + 1]) {
        const uint8_t *at = reader->at, *end = reader->end;
        while (end - at >= 2) {
                uint64_t tag = *at++, value = 0, byte;
                unsigned shift = 0;
                if (tag >= 0x80)
                        tag = (tag & 0x7f) | (uint64_t)*at++ << 7;
                if ((tag & 7) != WIRE_VARINT || tag >> 3 == 0 || tag >> 3 > STAT_FIELDS)
                        return;
                do {
                        if (at == end || shift == 56)
                                return;
                        byte = *at++;
                        value |= (byte & 0x7f) << shift;
                        shift += 7;
                } while (byte >= 0x80);
                v[tag >> 3] = value;
                reader->at = at;
        }
}

static int stat_decode(struct decoder *decoder, struct bytes bytes, struct fsop_stat *ret_stat) {
        struct wire_reader reader = wire_reader(bytes);
        struct wire_field field;
        uint64_t v[STAT_FIELDS + 1] = {0};
        int r;
        stat_numbers(&reader, v);
        while ((r = wire_next(&reader, &field)) > 0) {
                if (field.number > STAT_FIELDS)
                        continue;
                if (field.type != WIRE_VARINT)
                        return decoder_malformed(decoder, "Stat");
                v[field.number] = field.value;
        }
        uint64_t narrow =
                v[1] | v[2] | v[3] | v[4] | v[5] | v[6] | v[11] | v[13] | v[15] | v[17] | v[19] | v[20] | v[21] | v[22];
        if (r < 0 || narrow > UINT32_MAX)
                return decoder_malformed(decoder, "Stat");
        *ret_stat = stat_from(v);
        return 0;
}

/* ---- listings ---------------------------------------------------------------------------------------------------- */

static void entry_put(struct wire_writer *writer, const struct entry *entry) {
        struct wire_mark mark = wire_begin(writer, LISTING_ENTRIES, entry->name.len + (entry->has_stat ? 100 : 10));
        wire_put_bytes(writer, ENTRY_NAME, entry->name);
        wire_put_uint(writer, ENTRY_TYPE, entry->type);
        wire_put_uint(writer, ENTRY_INO, entry->ino);
        if (entry->has_stat)
                stat_put(writer, ENTRY_STAT, &entry->stat);
        wire_end(writer, mark);
}

static void listing_put(struct wire_writer *writer, const struct result *result) {
        struct wire_mark mark = wire_begin(writer, RESULT_LISTING, (size_t)result->value.ls.n_entries * 32);
        for (uint32_t i = 0; i < result->value.ls.n_entries; i++)
                entry_put(writer, &result->value.ls.entries[i]);
        wire_put_uint(writer, LISTING_END, result->value.ls.end);
        wire_put_uint(writer, LISTING_COOKIE, result->value.ls.cookie);
        wire_end(writer, mark);
}

static int entry_field(struct decoder *decoder, const struct wire_field *field, struct entry *entry) {
        struct bytes bytes;
        uint32_t type;
        int r;
        switch (field->number) {
        case ENTRY_NAME:
                r = field_bytes(decoder, "Entry", field, &bytes);
                return r < 0 ? r : decoder_copy(decoder, bytes, &entry->name);
        case ENTRY_TYPE:
                r = field_u32(decoder, "Entry", field, &type);
                if (r == 0)
                        entry->type = type <= FSOP_TYPE_SOCKET ? (enum fsop_file_type)type : FSOP_TYPE_UNKNOWN;
                return r;
        case ENTRY_INO:
                return field_u64(decoder, "Entry", field, &entry->ino);
        case ENTRY_STAT:
                entry->has_stat = true;
                r = field_bytes(decoder, "Entry", field, &bytes);
                return r < 0 ? r : stat_decode(decoder, bytes, &entry->stat);
        default:
                return 0;
        }
}

static int entry_decode(struct decoder *decoder, struct bytes bytes, struct entry *ret_entry) {
        struct wire_reader reader = wire_reader(bytes);
        struct wire_field field;
        int r;
        *ret_entry = (struct entry){0};
        while ((r = wire_next(&reader, &field)) > 0) {
                r = entry_field(decoder, &field, ret_entry);
                if (r < 0)
                        return r;
        }
        if (r < 0 || ret_entry->name.len == 0 || memchr(ret_entry->name.data, 0, ret_entry->name.len))
                return decoder_malformed(decoder, "Entry");
        return 0;
}

static int listing_decode(struct decoder *decoder, struct bytes bytes, struct result *result) {
        struct wire_reader reader = wire_reader(bytes);
        struct wire_field field;
        int64_t n = count_fields(bytes, LISTING_ENTRIES);
        if (n < 0 || n > WIRE_LS_ENTRIES_MAX)
                return decoder_malformed(decoder, "Listing");
        struct entry *entries = arena_alloc(decoder->arena, (size_t)n * sizeof(*entries));
        if (!entries)
                return decoder_no_memory(decoder);
        uint32_t i = 0;
        int r = 0;
        while (r == 0 && wire_next(&reader, &field) > 0) {
                if (field.number == LISTING_ENTRIES)
                        r = entry_decode(decoder, field.bytes, &entries[i++]);
                else if (field.number == LISTING_END)
                        r = field_bool(decoder, "Listing", &field, &result->value.ls.end);
                else if (field.number == LISTING_COOKIE)
                        r = field_u64(decoder, "Listing", &field, &result->value.ls.cookie);
        }
        result->value.ls.entries = entries;
        result->value.ls.n_entries = (uint32_t)n;
        return r;
}

/* ---- one result -------------------------------------------------------------------------------------------------- */

static void value_put(struct wire_writer *writer, struct arena *scratch, const struct result *result) {
        uint32_t number = value_of(result);
        switch (number) {
        case 0:
                break;
        case RESULT_STAT:
                stat_put(writer, number, &result->value.stat);
                break;
        case RESULT_DATA:
                wire_put_bytes_always(writer, number, result->value.data);
                break;
        case RESULT_HANDLE:
                wire_put_uint_always(writer, number, result->value.handle);
                break;
        case RESULT_COUNT:
                wire_put_uint_always(writer, number, result->value.count);
                break;
        case RESULT_FD_INDEX:
                wire_put_uint_always(writer, number, result->value.fd_index);
                break;
        case RESULT_LISTING:
                listing_put(writer, result);
                break;
        default:
                answer_put(writer, scratch, number, result);
                break;
        }
}

static size_t value_guess(const struct result *result) {
        switch (value_of(result)) {
        case RESULT_DATA:
                return result->value.data.len;
        case RESULT_LISTING:
                return (size_t)result->value.ls.n_entries * 32;
        default:
                return 0;
        }
}

static void result_put(struct wire_writer *writer, struct arena *scratch, const struct result *result) {
        struct wire_mark mark = wire_begin(writer, RESULTS_RESULTS, value_guess(result));
        wire_put_uint(writer, RESULT_INDEX, result->index);
        wire_put_uint(writer, RESULT_VERB, result->verb);
        wire_put_uint(writer, RESULT_OUTCOME, result->outcome);
        wire_put_uint(writer, RESULT_ELEVATED, result->elevated);
        if (result->error.code)
                error_put(writer, RESULT_ERROR, &result->error);
        wire_put_uint(writer, RESULT_CLONED, result->cloned);
        value_put(writer, scratch, result);
        wire_end(writer, mark);
}

void results_put(struct wire_writer *writer, struct arena *scratch, uint32_t number, const struct results *results) {
        struct wire_mark mark = wire_begin(writer, number, (size_t)results->n_results * 32);
        wire_put_uint(writer, RESULTS_ID, results->id);
        for (uint32_t i = 0; i < results->n_results; i++)
                result_put(writer, scratch, &results->results[i]);
        wire_put_uint(writer, RESULTS_LAST, results->last);
        wire_end(writer, mark);
}

/* What stood in Result.value, until the operation is known that says what it must be. */
struct value_part {
        uint32_t number; /* 0: none */
        struct wire_field field;
};

static int result_verb(struct decoder *decoder, const struct wire_field *field, struct result *result) {
        uint32_t verb;
        int r = field_u32(decoder, "Result", field, &verb);
        if (r < 0)
                return r;
        if (verb >= FSOP_VERB_LIMIT || !verb_name((enum fsop_verb)verb))
                return decoder_refuse(decoder, FSOP_EPROTO, "a Result of an unknown operation %u", verb);
        result->verb = (enum fsop_verb)verb;
        return 0;
}

static int result_outcome(struct decoder *decoder, const struct wire_field *field, struct result *result) {
        uint32_t outcome;
        int r = field_u32(decoder, "Result", field, &outcome);
        if (r < 0)
                return r;
        result->outcome = outcome <= FSOP_OUTCOME_UNKNOWN ? (enum fsop_outcome)outcome : FSOP_OUTCOME_UNKNOWN;
        return 0;
}

static int result_field(struct decoder *decoder, const struct wire_field *field, struct result *result,
                        struct value_part *value) {
        struct bytes bytes;
        int r;
        switch (field->number) {
        case RESULT_INDEX:
                return field_u32(decoder, "Result", field, &result->index);
        case RESULT_VERB:
                return result_verb(decoder, field, result);
        case RESULT_OUTCOME:
                return result_outcome(decoder, field, result);
        case RESULT_ELEVATED:
                return field_bool(decoder, "Result", field, &result->elevated);
        case RESULT_ERROR:
                r = field_bytes(decoder, "Result", field, &bytes);
                return r < 0 ? r : error_decode(decoder, bytes, &result->error);
        case RESULT_CLONED:
                return field_bool(decoder, "Result", field, &result->cloned);
        default:
                break;
        }
        if (field->number >= RESULT_STAT && field->number <= RESULT_JOBS) {
                value->number = field->number;
                value->field = *field;
        }
        return 0;
}

static int value_number(struct decoder *decoder, const struct value_part *value, struct result *result) {
        int r;
        if (value->number == RESULT_HANDLE)
                return field_u64(decoder, "Result", &value->field, &result->value.handle);
        if (value->number == RESULT_COUNT)
                return field_u64(decoder, "Result", &value->field, &result->value.count);
        r = field_u32(decoder, "Result", &value->field, &result->value.fd_index);
        if (r == 0 && result->value.fd_index >= decoder->fds)
                r = decoder_refuse(decoder, FSOP_EPROTO, "descriptor %u is named, but %u came with the message",
                                   result->value.fd_index, decoder->fds);
        return r;
}

static int value_message(struct decoder *decoder, const struct value_part *value, struct result *result) {
        struct bytes bytes;
        int r = field_bytes(decoder, "Result", &value->field, &bytes);
        if (r < 0)
                return r;
        switch (value->number) {
        case RESULT_STAT:
                return stat_decode(decoder, bytes, &result->value.stat);
        case RESULT_DATA:
                return decoder_copy(decoder, bytes, &result->value.data);
        case RESULT_LISTING:
                return listing_decode(decoder, bytes, result);
        default:
                return answer_decode(decoder, value->number, bytes, result);
        }
}

static int value_decode(struct decoder *decoder, const struct value_part *value, struct result *result) {
        uint32_t wanted = values[result->verb];
        if (value->number == 0 && (wanted == 0 || wanted == RESULT_WALK || result->error.code))
                return 0;
        if (value->number != wanted || (result->error.code && wanted != RESULT_WALK))
                return decoder_refuse(decoder, FSOP_EPROTO,
                                      "a Result of %s without what it answers, or with something else",
                                      verb_name(result->verb) ? verb_name(result->verb) : "nothing");
        switch (value->number) {
        case RESULT_HANDLE:
        case RESULT_COUNT:
        case RESULT_FD_INDEX:
                return value_number(decoder, value, result);
        default:
                return value_message(decoder, value, result);
        }
}

static int result_decode(struct decoder *decoder, struct bytes bytes, struct result *ret_result) {
        struct wire_reader reader = wire_reader(bytes);
        struct wire_field field;
        struct value_part value = {0};
        int r;
        while ((r = wire_next(&reader, &field)) > 0) {
                r = result_field(decoder, &field, ret_result, &value);
                if (r < 0)
                        return r;
        }
        if (r < 0 || ret_result->verb == FSOP_VERB_NONE)
                return decoder_malformed(decoder, "Result");
        return value_decode(decoder, &value, ret_result);
}

int results_decode(struct decoder *decoder, struct bytes bytes, struct results *ret_results) {
        struct wire_reader reader = wire_reader(bytes);
        struct wire_field field;
        int64_t n = count_fields(bytes, RESULTS_RESULTS);
        if (n < 0 || n > WIRE_BATCH_OPS_MAX)
                return decoder_malformed(decoder, "Results");
        struct result *results = arena_calloc(decoder->arena, (size_t)n, sizeof(*results));
        if (!results)
                return decoder_no_memory(decoder);
        uint32_t i = 0;
        int r = 0;
        while (r == 0 && wire_next(&reader, &field) > 0) {
                if (field.number == RESULTS_RESULTS)
                        r = result_decode(decoder, field.bytes, &results[i++]);
                else if (field.number == RESULTS_ID)
                        r = field_u64(decoder, "Results", &field, &ret_results->id);
                else if (field.number == RESULTS_LAST)
                        r = field_bool(decoder, "Results", &field, &ret_results->last);
        }
        ret_results->results = results;
        ret_results->n_results = (uint32_t)n;
        if (r == 0 && ret_results->id == 0)
                r = decoder_malformed(decoder, "Results");
        return r;
}

/* ---- sizes ------------------------------------------------------------------------------------------------------- */

static size_t support_bytes(const struct support *support, uint32_t n) {
        size_t bytes = 0;
        for (uint32_t i = 0; i < n; i++)
                bytes += 32 + support[i].feature.len + support[i].note.len;
        return bytes;
}

static size_t texts_bytes(const struct bytes *texts, uint32_t n) {
        size_t bytes = 0;
        for (uint32_t i = 0; i < n; i++)
                bytes += 12 + texts[i].len;
        return bytes;
}

static size_t listing_bytes(const struct result *result) {
        size_t bytes = 32;
        for (uint32_t i = 0; i < result->value.ls.n_entries; i++) {
                const struct entry *entry = &result->value.ls.entries[i];
                bytes += ENTRY_BYTES_MAX + entry->name.len + (entry->has_stat ? STAT_BYTES_MAX + 12 : 0);
        }
        return bytes;
}

static size_t walk_bytes(const struct walk_result *walk) {
        size_t bytes = 48;
        for (uint32_t i = 0; i < walk->n_failures; i++)
                bytes += 32 + walk->failures[i].path.len;
        return bytes;
}

static size_t info_bytes(const struct info_result *info) {
        return 64 + info->version.len + info->platform.len + info->engine.len + info->filesystem.len +
               support_bytes(info->support, info->n_support) + support_bytes(info->features, info->n_features);
}

static size_t status_bytes(const struct result *result) {
        size_t bytes = 16;
        for (uint32_t i = 0; i < result->value.status.n_counters; i++)
                bytes += 48 + result->value.status.counters[i].name.len;
        return bytes;
}

static size_t explanation_bytes(const struct explain_result *explain) {
        return 64 + explain->rule.len + explain->where.len + explain->reason.len +
               texts_bytes(explain->notes, explain->n_notes);
}

size_t codec_result_bytes(const struct result *result) {
        size_t bytes = RESULT_BYTES_MAX;
        if (result->error.code)
                bytes += ERROR_BYTES_MAX + result->error.rule.len + result->error.message.len;
        switch (value_of(result)) {
        case RESULT_STAT:
                return bytes + STAT_BYTES_MAX;
        case RESULT_STATFS:
                return bytes + 16 + (size_t)11 * 12;
        case RESULT_DATA:
                return bytes + result->value.data.len;
        case RESULT_WALK:
                return bytes + walk_bytes(&result->value.walk);
        case RESULT_LISTING:
                return bytes + listing_bytes(result);
        case RESULT_INFO:
                return bytes + info_bytes(&result->value.info);
        case RESULT_STATUS:
                return bytes + status_bytes(result);
        case RESULT_EXPLANATION:
                return bytes + explanation_bytes(&result->value.explain);
        case RESULT_RELOADED:
                return bytes + 32 + texts_bytes(result->value.reload.warnings, result->value.reload.n_warnings);
        case RESULT_JOBS:
                return bytes + jobs_bytes(&result->value.job);
        default:
                return bytes;
        }
}
