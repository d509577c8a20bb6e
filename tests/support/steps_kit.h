/* SPDX-License-Identifier: MIT */
/*
 * steps_kit.h: a daemon with one client, over a fake engine, a fake system and a fake backend of copying in which every
 * call can be made to fail. Its jobs are kept by the store that the program is linked with: the real one, below
 * kit_state_dir, or forgetful_store.c. For programs that steps_kit.c is a part of, with what it stands on
 * (tests/CMakeLists.txt). What stop() demands: everything that was taken for an operation is given back, whatever
 * failed.
 */
#ifndef FSOP_STEPS_KIT_H
#define FSOP_STEPS_KIT_H

#include <check.h>

#include "daemon/server.h"
#include "daemon/graveyard.h"
#include "daemon/jobs.h"
#include "proto/codec.h"
#include "proto/frame.h"
#include "tests/support/fake_copy.h"
#include "tests/support/fake_engine.h"
#include "tests/support/fake_steps.h"
#include "tests/support/fake_sys.h"

/* ---- a daemon with one client ------------------------------------------------------------------------------------ */

#define RESULTS_MAX 2048u
#define BATCHES_MAX 1024u
#define CALLER_UID 1000u

extern struct server server;
extern struct config *config;
extern struct session *session;
extern const char *kit_state_dir; /* NULL: the default */
extern bool kit_keeps_tree;       /* a daemon that starts finds what another one left */

struct got {
        unsigned welcomes, failures, frames, last_frames;
        unsigned batches[BATCHES_MAX]; /* how often each batch was answered to its end */
        unsigned answers[RESULTS_MAX]; /* how often each index was answered */
        struct result results[RESULTS_MAX];
        struct error failure;
};

extern struct got got;
extern bool client_reads;
extern unsigned in_client; /* what runs now is the client's doing, not the daemon's */

/* The client reads one send. */
bool read_send(void);
/* The loop, until nothing happens any more that nobody waits for. */
void rounds(void);
/* What the connection that reads by RECEIVE is sent. */
void send_to(struct io *receive, const struct message *message, os_fd *fds, uint32_t n_fds);
void send_message(const struct message *message, os_fd *fds, uint32_t n_fds);
void say_hello(struct io *receive);
/* A daemon, and nobody connected. */
void start_daemon(uint32_t uid);
/* … and its client, of this user. */
void start(uint32_t uid);
/* Another connection, of this user. */
struct session *connect_as(uint32_t uid);
/* The client goes away; whatever was taken must be back. */
void stop(void);
struct location at(const char *path);
struct operation stat_op(const char *path);
struct operation chown_op(const char *path, uint32_t uid);
void send_batch(uint64_t id, enum fsop_batch_mode mode, struct operation *ops, uint32_t n);
/* Demands that of the first N operations, and of one end. */
void answered_once(uint32_t n);

/* ---- when ios do not end by themselves --------------------------------------------------------------------------- */

/* Sends one batch: the directories of the rules are opened; then the window is resolved. */
void begin_held(struct operation *ops, uint32_t n);
/* Does what an io of one operation asks, or calls, and ends it. */
void do_io(struct io *io);
/* All that is pending of a kind is done and ends, or (with a CODE) just ends. */
void complete_all(enum io_kind kind, int code);
/* What is with workers comes back. False: nothing was. */
bool workers_go_on(void);

#endif
