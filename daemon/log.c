/* SPDX-License-Identifier: MIT */
/*
 * log.c: one write for a line, so that lines of several threads do not mix.
 */
#include "daemon/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "proto/names.h"

static atomic_int level_max = LOG_LEVEL_INFO;
static atomic_bool with_priority;

void log_setup(int max_level, bool to_journal) {
        atomic_store(&level_max, max_level);
        atomic_store(&with_priority, to_journal);
}

bool log_wants(int level) {
        return level <= atomic_load_explicit(&level_max, memory_order_relaxed);
}

/* Bytes of the character that begins here, 0 if it is none that may be shown. */
static size_t shown_bytes(const uint8_t *data, size_t len) {
        size_t n = data[0] < 0x80 ? 1 : data[0] < 0xe0 ? 2 : data[0] < 0xf0 ? 3 : 4;

        if (n == 1)
                return data[0] >= ' ' && data[0] != 127;
        if (n > len || !utf8_is_valid((struct bytes){data, n}))
                return 0;
        return n == 2 && data[0] == 0xc2 && data[1] < 0xa0 ? 0 : n; /* U+0080 to U+009F are control characters too */
}

static size_t escape_byte(char *out, uint8_t byte) {
        static const char hex[] = "0123456789abcdef";

        out[0] = '\\';
        if (byte == '\n' || byte == '\t' || byte == '\\') {
                out[1] = byte == '\n' ? 'n' : byte == '\t' ? 't' : '\\';
                return 2;
        }
        out[1] = 'x';
        out[2] = hex[byte >> 4];
        out[3] = hex[byte & 15];
        return 4;
}

/* What is shown of BYTES; what does not fit is cut at a whole character. Backslashes are doubled where bytes are
 * quoted. */
static size_t escape(char *buffer, size_t size, struct bytes bytes, bool backslashes) {
        size_t len = 0, cut = 0; /* cut: the last place with room for "..." behind it */

        for (size_t i = 0; i < bytes.len;) {
                char escaped[4];
                size_t n = shown_bytes(bytes.data + i, bytes.len - i), n_out = n;
                const char *out = (const char *)bytes.data + i;

                if (n == 0 || (backslashes && bytes.data[i] == '\\')) {
                        n = 1;
                        n_out = escape_byte(escaped, bytes.data[i]);
                        out = escaped;
                }
                if (len + n_out >= size) {
                        memcpy(buffer + cut, "...", 3);
                        len = cut + 3;
                        break;
                }
                memcpy(buffer + len, out, n_out);
                len += n_out;
                i += n;
                if (len + 3 < size)
                        cut = len;
        }
        buffer[len] = '\0';
        return len;
}

const char *log_quote(char *buffer, size_t buffer_bytes, struct bytes bytes) {
        escape(buffer, buffer_bytes, bytes, true);
        return buffer;
}

static void write_line(int level, const char *text, size_t text_len) {
        char line[LOG_LINE_BYTES_MAX + 8];
        size_t len = 0;

        if (atomic_load_explicit(&with_priority, memory_order_relaxed)) {
                line[len++] = '<';
                line[len++] = (char)('0' + (level & 7));
                line[len++] = '>';
        }
        len += escape(line + len, LOG_LINE_BYTES_MAX, (struct bytes){(const uint8_t *)text, text_len}, false);
        line[len++] = '\n';
        fwrite(line, 1, len, stderr);
}

void log_line(int level, const char *format, ...) {
        char text[LOG_LINE_BYTES_MAX];
        va_list args;
        int len;

        if (!log_wants(level))
                return;
        va_start(args, format);
        len = vsnprintf(text, sizeof(text), format, args);
        va_end(args);
        if (len > 0)
                write_line(level, text, strlen(text));
}

void log_message(int level, const char *message) {
        if (log_wants(level))
                write_line(level, message, strlen(message));
}
