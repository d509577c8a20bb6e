/* SPDX-License-Identifier: MIT */
/*
 * fuzz_batch.c: a batch file of the command line, from its bytes to planned commands; there is no daemon to send them
 * to. The file comes in pieces. Words that were split are quoted and split again as they were. A first byte of zero:
 * records end with NUL (-0).
 */
#include <string.h>

#include "client/cli/batchfile.h"
#include "client/cli/cli.h"
#include "client/cli/show.h"
#include "client/cli/terminal.h"
#include "tests/fuzz/fuzz.h"

/* ---- what the command line has of its system: files that all hold the same, and nobody to talk to ---------------- */

struct terminal_input {
        struct input left;
        unsigned n_reads;
};
static struct input file;

int terminal_input_open(const char *path, struct terminal_input **ret_input) {
        (void)path;
        *ret_input = cli_alloc(sizeof(**ret_input));
        (*ret_input)->left = file;
        return 0;
}

long terminal_input_read(struct terminal_input *input, void *buffer, size_t buffer_bytes) {
        size_t len = input->n_reads++ % 4 == 0 ? 1 : 61;
        const uint8_t *data;

        data = input_bytes(&input->left, len < buffer_bytes ? &len : &buffer_bytes);
        if (len > 0)
                memcpy(buffer, data, len);
        return (long)len;
}

bool terminal_input_would_wait(const struct terminal_input *input) {
        return input->n_reads % 2 == 1;
}

void terminal_input_close(struct terminal_input *input) {
        free(input);
}

void terminal_start(void) {
}

bool terminal_is_terminal(FILE *stream) {
        (void)stream;
        return false;
}

unsigned terminal_columns(FILE *stream) {
        (void)stream;
        return 0;
}

void terminal_on_interrupt(void (*wake)(void)) {
        (void)wake;
}

bool terminal_interrupted(void) {
        return false;
}

void terminal_die_of_interrupt(void) {
}

bool terminal_reader_left(void) {
        return false;
}

const char *terminal_why(void) {
        return "it failed";
}

uint32_t terminal_umask(void) {
        return 022;
}

uint64_t terminal_monotonic_us(void) {
        return 1;
}

void terminal_sleep_ms(unsigned ms) {
        (void)ms;
}

uint64_t terminal_random(void) {
        return 4;
}

int terminal_user_by_name(const char *name, uint32_t *ret_uid, uint32_t *ret_login_gid) {
        *ret_uid = *ret_login_gid = 1000;
        return strcmp(name, "builder") == 0 ? 0 : -1;
}

int terminal_group_by_name(const char *name, uint32_t *ret_gid) {
        *ret_gid = 50;
        return strcmp(name, "staff") == 0 ? 0 : -1;
}

const char *terminal_name_of_user(uint32_t uid) {
        return uid == 1000 ? "builder" : NULL;
}

const char *terminal_name_of_group(uint32_t gid) {
        return gid == 50 ? "staff" : NULL;
}

FILE *terminal_output_open(const char *path) {
        (void)path;
        return NULL;
}

int terminal_run_daemon(const char *const *args, void (*each_line)(const char *line, void *context), void *context,
                        const char **ret_why) {
        (void)args, (void)each_line, (void)context;
        *ret_why = "there is no daemon";
        return -1;
}

/* Linked with --wrap: the end of every plan, and what would fill the screen. */
__typeof__(cli_connect) __wrap_cli_connect;
int __wrap_cli_connect(struct cli *cli, const struct action *action) {
        (void)cli, (void)action;
        return -1;
}

__typeof__(show_note) __wrap_show_note;
__attribute__((format(printf, 1, 2))) void __wrap_show_note(const char *format, ...) {
        char text[256];
        va_list args;

        va_start(args, format);
        must(vsnprintf(text, sizeof(text), format, args) >= 0);
        va_end(args);
}

/* ---- words ------------------------------------------------------------------------------------------------------- */

/* In one of the ways in which a word may be written. */
static void quote(struct text *text, const char *word, unsigned way) {
        char escape[8];

        text_adds(text, way == 0 ? "'" : way == 1 ? "\"" : way == 2 ? "$'" : "");
        for (const char *c = word; *c; c++) {
                if (way == 0 && *c == '\'')
                        text_adds(text, "'\\''");
                else if (way == 2) {
                        snprintf(escape, sizeof(escape), c[0] % 2 ? "\\%03o" : "\\x%02x", (unsigned char)*c);
                        text_adds(text, escape);
                } else {
                        if (way == 3 || (way == 1 && strchr("\"\\$`", *c)))
                                text_adds(text, "\\");
                        text_add(text, c, 1);
                }
        }
        text_adds(text, way == 0 ? "' \t" : way == 1 ? "\" " : way == 2 ? "'\t" : " ");
}

static void split_again(const struct words *words) {
        struct text line = {0};
        struct words copy;
        const char *why = NULL;

        for (int i = 0; i < words->n; i++) /* an empty word needs quotes */
                quote(&line, words->words[i], words->words[i][0] ? (unsigned)i % 4 : (unsigned)i % 3);
        must(words_split(line.data ? line.data : "", line.len, &copy, &why) == 0);
        must(copy.n == words->n);
        for (int i = 0; i < words->n; i++)
                must(strcmp(copy.words[i], words->words[i]) == 0);
        words_free(&copy);
        text_free(&line);
}

static void check_words(const struct words *words, const char *line, size_t len) {
        size_t bytes = 0;

        for (int i = 0; i < words->n; i++)
                bytes += strlen(words->words[i]);
        must(bytes <= len && (words->n == 0 || line));
        split_again(words);
}

/* ---- the file ---------------------------------------------------------------------------------------------------- */

/* Whether the record is no command, or one that can be tried. */
static bool run_line(struct cli *cli, const char *line, size_t len, unsigned number) {
        struct words words;
        const char *why = NULL;
        bool good = true;

        if (words_split(line, len, &words, &why) < 0) {
                must(why);
                return false;
        }
        check_words(&words, line, len);
        if (words.n > 0)
                good = cli_plan_words(cli, words.words, words.n, number) == 0;
        words_free(&words);
        return good;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static const struct runner_options options = {.pipelined = true};
        bool nul = size > 0 && data[0] == 0;
        struct cli cli = {.umask = 022};
        const char *line, *why = NULL;
        struct batchfile *batch;
        size_t len, bytes = 0;
        unsigned number = 0, lines = 0;
        int r;

        file = (struct input){data + nul, size - nul};
        batch = batchfile_open("-", nul);
        must(batch);
        runner_start(&cli, &options);
        fuzz_accepted = true;
        while ((r = batchfile_next(batch, &line, &len, &number, &why)) > 0) {
                must(number == ++lines);
                must(len == 0 || !memchr(line, nul ? 0 : '\n', len));
                bytes += len + 1;
                must(bytes <= size - nul + 1);
                fuzz_accepted &= run_line(&cli, line, len, number);
                (void)batchfile_would_wait(batch);
        }
        must(r == 0 || why);
        fuzz_accepted &= r == 0;
        batchfile_close(batch);
        runner_free(&cli);
        return 0;
}
