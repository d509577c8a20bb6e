/* SPDX-License-Identifier: MIT */
/* batchfile.c: reads files of commands and splits their lines into words. */
#include <stdlib.h>
#include <string.h>

#include "client/cli/batchfile.h"
#include "client/cli/terminal.h"
#include "client/cli/text.h"

/* ---- reading ----------------------------------------------------------------------------------------------------- */

struct batchfile {
        struct terminal_input *input;
        char *data;
        size_t start, end, cap,
                scanned; /* data[start..end) is not used yet; up to scanned there is no end of a record */
        unsigned number;
        char terminator;
        bool at_end;
};

struct batchfile *batchfile_open(const char *path, bool nul) {
        struct batchfile *file = cli_alloc(sizeof(*file));
        file->terminator = nul ? 0 : '\n';
        if (terminal_input_open(path, &file->input) < 0) {
                free(file);
                return NULL;
        }
        return file;
}

void batchfile_close(struct batchfile *file) {
        terminal_input_close(file->input);
        free(file->data);
        free(file);
}

static char *find_terminator(const struct batchfile *file) {
        return file->end > file->scanned
                       ? memchr(file->data + file->scanned, file->terminator, file->end - file->scanned)
                       : NULL;
}

bool batchfile_would_wait(const struct batchfile *file) {
        return !file->at_end && !find_terminator(file) && terminal_input_would_wait(file->input);
}

static int fill(struct batchfile *file, const char **ret_why) {
        if (file->end - file->start > BATCHFILE_LINE_BYTES_MAX) {
                *ret_why = "a line longer than 1 MiB";
                return -1;
        }
        if (file->start > 0) {
                memmove(file->data, file->data + file->start, file->end - file->start);
                file->end -= file->start;
                file->scanned -= file->start;
                file->start = 0;
        }
        if (file->cap - file->end < 65536) {
                file->cap = file->cap * 2 + 131072;
                file->data = cli_realloc(file->data, file->cap);
        }
        long n = terminal_input_read(file->input, file->data + file->end, file->cap - file->end);
        if (n < 0) {
                *ret_why = terminal_why();
                return -1;
        }
        file->at_end = n == 0;
        file->end += (size_t)n;
        return 0;
}

int batchfile_next(struct batchfile *file, const char **ret_line, size_t *ret_len, unsigned *ret_number,
                   const char **ret_why) {
        char *end;
        while (!(end = find_terminator(file)) && !file->at_end) {
                file->scanned = file->end;
                if (fill(file, ret_why) < 0)
                        return -1;
        }
        if (!end && file->start == file->end)
                return 0;
        size_t len = end ? (size_t)(end - file->data) - file->start : file->end - file->start;
        *ret_line = file->data + file->start;
        *ret_len = len;
        *ret_number = ++file->number;
        file->start += len + (end ? 1 : 0);
        file->scanned = file->start;
        return 1;
}

/* ---- splitting --------------------------------------------------------------------------------------------------- */

/* Words are never longer than the line: they are written into one copy of its size. */
struct splitter {
        const char *p, *end;
        char *out;
        const char *why;
};

static int octal_digit(char c) {
        return c >= '0' && c <= '7' ? c - '0' : -1;
}

static int hex_digit(char c) {
        if (c >= '0' && c <= '9')
                return c - '0';
        if (c >= 'a' && c <= 'f')
                return c - 'a' + 10;
        return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* \xHH with one or two digits, \OOO with one to three: after the backslash. -1: neither. */
static int numeric_escape(struct splitter *s) {
        bool hex = *s->p == 'x';
        int value = 0, digits = 0, digit;
        const char *p = s->p + (hex ? 1 : 0);
        for (; p < s->end && digits < (hex ? 2 : 3); p++, digits++) {
                digit = hex ? hex_digit(*p) : octal_digit(*p);
                if (digit < 0)
                        break;
                value = value * (hex ? 16 : 8) + digit;
        }
        if (digits == 0 || value > 255)
                return -1;
        s->p = p;
        return value;
}

/* One escape of $'…', behind its backslash. */
static int dollar_escape(struct splitter *s) {
        static const char names[] = "abefnrtv\\'\"?", values[] = "\a\b\033\f\n\r\t\v\\'\"?";
        const char *at = s->p < s->end && *s->p ? strchr(names, *s->p) : NULL;
        if (at) {
                *s->out++ = values[at - names];
                s->p++;
                return 0;
        }
        int value = s->p < s->end ? numeric_escape(s) : -1;
        s->why = value == 0 ? "a NUL cannot be part of a word" : "unknown escape in $'…'";
        if (value <= 0)
                return -1;
        *s->out++ = (char)value;
        return 0;
}

static int quoted(struct splitter *s, char quote, bool dollar) {
        for (; s->p < s->end && *s->p != quote;) {
                char c = *s->p++;
                if (c == '\\' && dollar) {
                        if (dollar_escape(s) < 0)
                                return -1;
                        continue;
                }
                if (c == '\\' && quote == '"' && s->p < s->end && *s->p && strchr("\"\\$`", *s->p))
                        c = *s->p++;
                *s->out++ = c;
        }
        if (s->p == s->end) {
                s->why = quote == '"' ? "a \" is not closed" : "a ' is not closed";
                return -1;
        }
        s->p++;
        return 0;
}

static int split_word(struct splitter *s) {
        while (s->p < s->end && *s->p != ' ' && *s->p != '\t') {
                char c = *s->p++;
                int r = 0;
                if (c == '\'' || c == '"')
                        r = quoted(s, c, false);
                else if (c == '$' && s->p < s->end && *s->p == '\'') {
                        s->p++;
                        r = quoted(s, '\'', true);
                } else if (c == '\\') {
                        if (s->p == s->end) {
                                s->why = "a backslash at the end of the line";
                                return -1;
                        }
                        *s->out++ = *s->p++;
                } else
                        *s->out++ = c;
                if (r < 0)
                        return -1;
        }
        *s->out++ = 0;
        return 0;
}

int words_split(const char *line, size_t len, struct words *ret_words, const char **ret_why) {
        struct words words = {.memory = cli_alloc(len + 2)};
        struct splitter s = {.p = line, .end = line + len, .out = words.memory};
        int n_allocated = 0;
        if (len && memchr(line, 0, len)) {
                s.why = "a NUL inside a line; do the commands end with NUL (-0)?";
                goto failed;
        }
        for (;;) {
                while (s.p < s.end && (*s.p == ' ' || *s.p == '\t'))
                        s.p++;
                if (s.p == s.end || *s.p == '#')
                        break;
                if (words.n == n_allocated) {
                        n_allocated = n_allocated * 2 + 8;
                        words.words = cli_realloc(words.words, (size_t)n_allocated * sizeof(*words.words));
                }
                words.words[words.n++] = s.out;
                if (split_word(&s) < 0)
                        goto failed;
        }
        *ret_words = words;
        return 0;
failed:
        *ret_why = s.why;
        words_free(&words);
        return -1;
}

void words_free(struct words *words) {
        free(words->words);
        free(words->memory);
        *words = (struct words){0};
}
