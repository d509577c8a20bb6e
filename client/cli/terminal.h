/* SPDX-License-Identifier: MIT */
/*
 * terminal.h: everything the command line needs from the operating system itself: the terminal, signals, the umask, the
 * user database, other programs. One file per OS implements it; the rest of client/cli is portable C.
 */
#ifndef CLI_TERMINAL_H
#define CLI_TERMINAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Streams without text translation, and no descriptor of ours in place of one that is closed; a reader that goes away
 * becomes a write error instead of a signal. Once, at start. */
void terminal_start(void);

bool terminal_is_terminal(FILE *stream);
/* How wide it is now; 0: not known. */
unsigned terminal_columns(FILE *stream);

/* Calls wake (async-signal-safe) at the first SIGINT or SIGTERM and makes terminal_interrupted true; the second one
 * kills. */
void terminal_on_interrupt(void (*wake)(void));
bool terminal_interrupted(void);
/* Ends the process by the signal that interrupted it, so that a shell sees it. */
void terminal_die_of_interrupt(void);

/* What the C library says about its last failure; static or valid until the next call. */
const char *terminal_why(void);
/* After a write that failed: whoever read what is written has left. */
bool terminal_reader_left(void);

uint32_t terminal_umask(void);

uint64_t terminal_monotonic_us(void);
/* A signal ends it early. */
void terminal_sleep_ms(unsigned ms);

/* A number nobody else guesses. */
uint64_t terminal_random(void);

/* The user database. 0, or -1 for an unknown name. */
int terminal_user_by_name(const char *name, uint32_t *ret_uid, uint32_t *ret_login_gid);
int terminal_group_by_name(const char *name, uint32_t *ret_gid);
/* The name, valid until the next call; NULL when there is none. */
const char *terminal_name_of_user(uint32_t uid);
const char *terminal_name_of_group(uint32_t gid);
/* Reads into buffer; 0 at the end, -1 on failure. path NULL or "-": standard input. */
struct terminal_input;
int terminal_input_open(const char *path, struct terminal_input **ret_input);
long terminal_input_read(struct terminal_input *input, void *buffer, size_t buffer_bytes);
/* Whether a read would wait for somebody. */
bool terminal_input_would_wait(const struct terminal_input *input);
void terminal_input_close(struct terminal_input *input);

/* Opens a file to be written anew, with the rights of whoever runs the program; NULL on failure. path "-": standard
 * output, which fclose() must not get. */
FILE *terminal_output_open(const char *path);

/*
 * Runs the daemon's program with ARGS (NULL-terminated, without the name): the one beside this program, in ../sbin, or
 * in the usual places. Its standard output comes line by line to each_line. Returns its exit status, or -1 with
 * *ret_why.
 */
int terminal_run_daemon(const char *const *args, void (*each_line)(const char *line, void *context), void *context,
                        const char **ret_why);

#endif
