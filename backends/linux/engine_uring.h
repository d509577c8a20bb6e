/* SPDX-License-Identifier: MIT */
/*
 * engine_uring.h: what the files of the io_uring engine share.
 *
 *   engine_uring.c           the ring itself, its table of opcodes, the loop
 *   engine_uring_socket.c    accept, receive, send, poll
 *   engine_uring_file.c      operations on files
 *   engine_uring_identity.c  personalities: as whom a submission runs
 */
#ifndef FSOP_ENGINE_URING_H
#define FSOP_ENGINE_URING_H

#include <fcntl.h>
#include <liburing.h>
#include <sys/stat.h>

#include "backends/engine.h"
#include "backends/linux/engine_sockets.h"
#include "backends/pool/pool.h"
#include "proto/spin.h"

#define URING_BUFFERS 64u /* for receiving; a power of two */
#define URING_BUFFER_BYTES (16u << 10)
#define URING_BUFFER_GROUP 1u
#define URING_PERSONALITIES_MAX 1024u

/* io.engine_state beyond those of io_list.h. */
enum {
        IO_STATE_BACKLOG = IO_STATE_READY + 1, /* waits for room in the submission queue */
};

/* engine_word of an io that is with the ring. */
enum {
        WORD_PROGRESS,  /* bytes that are through */
        WORD_SCRATCH,   /* struct scratch, or 0 */
        WORD_CANCELLED, /* 0, or one of those below */
};
enum { CANCEL_SENT = 1, CANCEL_WAITS };

/* What the kernel reads or writes while a submission runs. */
struct scratch {
        struct scratch *next;
        union {
                struct statx statx;
                struct {
                        struct msghdr message;
                        struct iovec part;
                        struct socket_control control;
                } send;
                char text[WIRE_PATH_BYTES_MAX + 1];
        } u;
};

struct identity;

struct uring {
        struct engine engine;
        struct io_uring ring;
        bool ring_is_open;
        struct pool *pool;
        int wake_fd;
        uint64_t wake_count; /* what the ring reads from wake_fd */
        bool wake_armed;
        int wake_pending; /* atomic: wake_fd was written and not read yet */
        bool looked;
        struct spin spin;

        struct io_list ready;
        struct io_list backlog; /* IO_STATE_BACKLOG */
        struct io_list cancels; /* armed, and the ring is still to be told of the cancel */

        struct io_uring_buf_ring *buffer_ring;
        uint8_t *buffers;
        struct msghdr receive_message; /* tells the ring how much room to leave for descriptors */
        os_fd fds[SOCKET_FDS_MAX];

        struct scratch *scratches; /* to be used again */
        uint32_t n_scratches;

        struct uring_personality {
                struct identity *identity; /* its `personality` is the index here, plus one */
                uint64_t used;             /* clock below */
                uint16_t id;
        } personalities[URING_PERSONALITIES_MAX];
        uint32_t n_personalities;
        uint64_t personality_clock;
        uint16_t service_personality;

        uint64_t submitted, completed, declined;
};

/* ---- engine_uring.c ---- */

#define URING_OPCODES_MAX 64u
/* Every opcode that the ring accepts; returns how many. */
unsigned uring_opcodes(uint8_t *ret_opcodes);
/* Room for a submission; NULL when there is none now. */
struct io_uring_sqe *uring_sqe(struct uring *e);
/* Hands to the kernel what stands in the queue. */
void uring_flush(struct uring *e);
struct scratch *uring_scratch(struct uring *e, struct io *io);
/* The last done of an io, now. */
int uring_finish(struct uring *e, struct io *io, int64_t result, int os_error);
/* One event of an io that goes on. */
int uring_report(struct uring *e, struct io *io, int64_t result);
/* The ring could not do it after all. */
void uring_to_pool(struct uring *e, struct io *io);
/* Puts the io (again) on the ring; when there is no room it waits in the backlog. */
void uring_arm(struct uring *e, struct io *io);

/* ---- engine_uring_socket.c ---- */

int uring_buffers_open(struct uring *e, const char **ret_why);
void uring_buffers_close(struct uring *e);
bool uring_is_socket_io(const struct io *io);
/* 0, or an errno for which the io fails. */
int uring_prepare_socket(struct uring *e, struct io *io, struct io_uring_sqe *sqe);
/* An event from the ring; returns the number of done calls. */
int uring_complete_socket(struct uring *e, struct io *io, int32_t result, uint32_t cqe_flags);

/* ---- engine_uring_file.c ---- */

/* Appends the opcodes of its table to the N that are there, none twice; returns how many there are then. */
unsigned uring_file_opcodes(uint8_t *opcodes, unsigned n);

/* Whether the ring can do it, with the same outcome as sys_run. */
bool uring_takes_file(struct uring *e, const struct io *io);
int uring_prepare_file(struct uring *e, struct io *io, struct io_uring_sqe *sqe);
int uring_complete_file(struct uring *e, struct io *io, int32_t result);

/* ---- engine_uring_identity.c ---- */

int uring_identities_open(struct uring *e, const char **ret_why);
void uring_identities_close(struct uring *e);
/* The personality for an identity; negative when the thread could not wear it or the kernel takes no more. */
int uring_personality(struct uring *e, struct identity *identity);

#endif
