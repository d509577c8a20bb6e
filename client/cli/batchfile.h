/* SPDX-License-Identifier: MIT */
/*
 * batchfile.h: files of commands, one a line, quoted as in a shell: read record by record, and split into words without
 * a shell.
 */
#ifndef CLI_BATCHFILE_H
#define CLI_BATCHFILE_H

#include <stdbool.h>
#include <stddef.h>

#define BATCHFILE_LINE_BYTES_MAX (1u << 20)

struct batchfile;

/* path NULL or "-": standard input. Records end with newline, or with NUL. NULL: terminal_why() says why. */
struct batchfile *batchfile_open(const char *path, bool nul);
void batchfile_close(struct batchfile *file);

/*
 * The next record, without what ends it, valid until the next call. Returns 1, 0 at the end, -1 when reading failed or
 * the record is longer than BATCHFILE_LINE_BYTES_MAX (ret_why, valid until the next call). ret_number counts from 1.
 */
int batchfile_next(struct batchfile *file, const char **ret_line, size_t *ret_len, unsigned *ret_number,
                   const char **ret_why);

/* Whether batchfile_next would wait for somebody to write. */
bool batchfile_would_wait(const struct batchfile *file);

struct words {
        const char **words; /* n, each NUL-terminated */
        int n;
        char *memory;
};

/*
 * Splits a record into words, with blanks and tabs between them: '…', "…" (a backslash counts before " \ $ and `), a
 * backslash before any character, and $'…' with the escapes of one letter, \xHH and \OOO. # at the start of a word
 * begins a comment. Returns 0 (n may be 0), or -1 with a static reason. Free with words_free.
 */
int words_split(const char *line, size_t len, struct words *ret_words, const char **ret_why);
void words_free(struct words *words);

#endif
