/* SPDX-License-Identifier: MIT */
/*
 * words.c: the version, names for numbers, and the small constructors; and how bytes are shown in messages.
 */
#include "client/client.h"

#include <string.h>

#include "proto/names.h"

const char *fsop_version(void) {
        return FSOP_VERSION;
}

struct fsop_bytes fsop_bytes_of(const char *string) {
        return (struct fsop_bytes){string, string ? strlen(string) : 0};
}

/* ---- names ------------------------------------------------------------------------------------------------------- */

static int positive(int code) {
        return code < 0 && code > -1000000 ? -code : code;
}

const char *fsop_error_name(int code) {
        return error_name(positive(code));
}

const char *fsop_strerror(int code) {
        return error_text(positive(code));
}

const char *fsop_error_class_name(enum fsop_error_class class_) {
        return error_class_name(class_);
}

const char *fsop_verb_name(enum fsop_verb verb) {
        return verb_name(verb);
}

const char *fsop_outcome_name(enum fsop_outcome outcome) {
        return outcome_name(outcome);
}

const char *fsop_as_name(enum fsop_as as) {
        return as_name(as);
}

const char *fsop_advice_name(enum fsop_advice advice) {
        return advice_name(advice);
}

const char *fsop_clone_name(enum fsop_clone clone) {
        return clone_name(clone);
}

const char *fsop_job_state_name(enum fsop_job_state state) {
        return job_state_name(state);
}

const char *fsop_sync_name(enum fsop_sync sync) {
        return sync_name(sync);
}

const char *fsop_update_name(enum fsop_update update) {
        return update_name(update);
}

const char *fsop_file_type_name(enum fsop_file_type type) {
        return file_type_name(type);
}

const char *fsop_support_level_name(enum fsop_support_level level) {
        return support_level_name(level);
}

enum fsop_verb fsop_verb_from_name(const char *name) {
        return name ? verb_from_name(name, strlen(name)) : FSOP_VERB_NONE;
}

static int or_invalid(int number) {
        return number < 0 ? -FSOP_EINVAL : number;
}

int fsop_as_from_name(const char *name) {
        return or_invalid(name ? as_from_name(name) : -1);
}

int fsop_advice_from_name(const char *name) {
        return or_invalid(name ? advice_from_name(name) : -1);
}

int fsop_clone_from_name(const char *name) {
        return or_invalid(name ? clone_from_name(name) : -1);
}

int fsop_sync_from_name(const char *name) {
        return or_invalid(name ? sync_from_name(name) : -1);
}

int fsop_update_from_name(const char *name) {
        return or_invalid(name ? update_from_name(name) : -1);
}

/* ---- locations --------------------------------------------------------------------------------------------------- */

struct fsop_at fsop_at_path(const char *path, bool follow) {
        return (struct fsop_at){
                .size = sizeof(struct fsop_at), .kind = FSOP_AT_PATH, .follow = follow, .path = fsop_bytes_of(path)};
}

struct fsop_at fsop_at_handle(struct fsop_handle handle, const char *below, bool follow) {
        return (struct fsop_at){.size = sizeof(struct fsop_at),
                                .kind = FSOP_AT_HANDLE,
                                .follow = follow,
                                .path = fsop_bytes_of(below),
                                .handle = handle};
}

struct fsop_at fsop_at_fd(intptr_t fd, const char *below, bool follow) {
        return (struct fsop_at){.size = sizeof(struct fsop_at),
                                .kind = FSOP_AT_FD,
                                .follow = follow,
                                .path = fsop_bytes_of(below),
                                .fd = fd};
}

/* ---- showing bytes ----------------------------------------------------------------------------------------------- */

/* How many of the first bytes can be shown as they are: one printable character, or none. */
static size_t printable_bytes(const uint8_t *data, size_t len) {
        if (data[0] < 0x80)
                return data[0] >= 0x20 && data[0] != 0x7f && data[0] != '\\';
        for (size_t n = 2; n <= 4 && n <= len; n++)
                if (utf8_is_valid((struct bytes){data, n}))
                        return n == 2 && data[0] == 0xc2 && data[1] < 0xa0
                                       ? 0
                                       : n; /* not the second set of control characters */
        return 0;
}

const char *show_bytes(struct fsop_bytes bytes, char *text, size_t text_bytes) {
        static const char digits[] = "0123456789abcdef";
        const uint8_t *data = bytes.data;
        size_t used = 0;
        for (size_t i = 0; i < bytes.len;) {
                size_t n = printable_bytes(data + i, bytes.len - i);
                if (used + (n > 4 ? n : 4) + 4 > text_bytes) { /* room for this, for the mark below, and the NUL */
                        memcpy(text + used, "...", 3);
                        used += 3;
                        break;
                }
                if (n > 0) {
                        memcpy(text + used, data + i, n);
                        used += n;
                        i += n;
                } else {
                        text[used++] = '\\';
                        text[used++] = 'x';
                        text[used++] = digits[data[i] >> 4];
                        text[used++] = digits[data[i] & 15];
                        i++;
                }
        }
        text[used] = 0;
        return text;
}
