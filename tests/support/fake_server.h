/* SPDX-License-Identifier: MIT */
/*
 * fake_server.h: the other end of a libfsop client, in the hands of a test. It speaks frames through the codec, and
 * says exactly what the test tells it to, also before it was asked: what it will answer can be sent ahead, so that no
 * second thread is needed for blocking calls. Every function fails the running Check test when something is wrong.
 */
#ifndef FAKE_SERVER_H
#define FAKE_SERVER_H

#include <pthread.h>

#include "client/fsop.h"
#include "proto/arena.h"
#include "proto/buffer.h"
#include "proto/message.h"

enum { FAKE_SERVED_MAX = 64 };

struct fake_server {
        int fd;        /* our end; -1: closed */
        int client_fd; /* theirs, until it was given to fsop_open() */
        struct fsop_client *client;
        struct arena arena;          /* of what was received last */
        int fds[WIRE_FRAME_FDS_MAX]; /* that came with it; ours */
        unsigned n_fds;
        pthread_t thread;
        const struct result *script;
        unsigned n_script;
        struct operation served[FAKE_SERVED_MAX];
};

/* A pair of sockets; no client yet. */
void fake_init(struct fake_server *fake);
/* Closes everything, the client too. */
void fake_fini(struct fake_server *fake);
/* Closes our end. */
void fake_hang_up(struct fake_server *fake);

/* What a daemon would say; to be changed at will. */
struct welcome fake_welcome(void);

/* Opens the client with these options (NULL: none), having sent WELCOME ahead (NULL: nothing). Returns what fsop_open()
 * did. */
int fake_open(struct fake_server *fake, const struct welcome *welcome, struct fsop_client_options *options);
/* The usual beginning: init, open with a welcome (NULL: the usual), Hello taken away. */
void fake_start(struct fake_server *fake, const struct welcome *welcome);

void fake_send(struct fake_server *fake, const struct message *message, const int *fds, unsigned n_fds);
void fake_send_raw(struct fake_server *fake, const void *data, size_t len, const int *fds, unsigned n_fds);
void fake_answer(struct fake_server *fake, uint64_t id, const struct result *results, uint32_t n, bool last);
/* Answers an operation as done: a batch of one. */
void fake_answer_one(struct fake_server *fake, uint64_t id, struct result result);

/*
 * From now on a thread takes the batches of the client, n of them, each of one operation, and answers each with the
 * next of the results. fake_served() waits for its end; then the operations stand in served[], valid until the next
 * fake_receive().
 */
void fake_serve(struct fake_server *fake, const struct result *results, unsigned n);
void fake_served(struct fake_server *fake);

/* The next message of the client, decoded with the daemon's strictness; valid until the next call. */
struct message fake_receive(struct fake_server *fake);
/* That is a batch. */
struct batch fake_receive_batch(struct fake_server *fake);
/* Whether nothing has been sent to us. */
bool fake_is_silent(struct fake_server *fake);
/* Whether the other end has been closed. */
bool fake_is_closed(struct fake_server *fake);

struct bytes wire_text(const char *text);
/* Of a stat that was done: inode 1000 + index. */
struct result stat_result(uint32_t index);
/* os_error 77, rule "a-rule", message "it is so". */
struct result failed_result(uint32_t index, enum fsop_verb verb, enum fsop_errno code, enum fsop_outcome outcome);
/* That the library's string is this one, with a NUL behind it. */
void expect_text(struct fsop_bytes bytes, const char *text);

#endif
