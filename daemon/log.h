/* SPDX-License-Identifier: MIT */
/*
 * log.h: what the daemon says about itself, one line at a time, on stderr. Any thread.
 *
 * Control characters and bytes that are not UTF-8 are escaped in the finished line, whatever it was made from: a name
 * that a client chose can neither forge a line nor reach a terminal.
 */
#ifndef FSOP_LOG_H
#define FSOP_LOG_H

#include <stdbool.h>
#include <stddef.h>

#include "proto/message.h"

/* Numbered as in syslog(3). */
enum log_level {
        LOG_LEVEL_CRITICAL = 2,
        LOG_LEVEL_ERROR = 3,
        LOG_LEVEL_WARNING = 4,
        LOG_LEVEL_NOTICE = 5,
        LOG_LEVEL_INFO = 6,
        LOG_LEVEL_DEBUG = 7,
};

#define LOG_LINE_BYTES_MAX 2048u /* longer lines are cut and end in "..." */

/* Lines above MAX_LEVEL are dropped; with to_journal each begins with <priority>. Before the first call: INFO, without
 * priority. */
void log_setup(int max_level, bool to_journal);

/* Whether a line of this level would be written: for callers that would have to work for its text. */
bool log_wants(int level);

__attribute__((format(printf, 2, 3))) void log_line(int level, const char *format, ...);

/* One finished sentence; fits sys_config.log. */
void log_message(int level, const char *message);

/*
 * BYTES as text for a %s: control characters, backslashes and bytes that are not UTF-8 as \n, \t, \xNN; cut with "..."
 * when it does not fit. Always NUL-terminated; returns buffer. buffer_bytes must be at least 4.
 */
const char *log_quote(char *buffer, size_t buffer_bytes, struct bytes bytes);

#endif
