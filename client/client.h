/* SPDX-License-Identifier: MIT */
/*
 * client.h: what the files of libfsop share: the client, the batch, and who does what to them.
 *
 *      locate.c  where: public locations -> those of the wire, with the descriptors they need
 *      pack.c    what: public arguments -> those of the wire, checked
 *      batch.c   a request: operations collected, submitted, answered
 *      open.c    the connection made and greeted
 *      client.c  the connection served, broken, closed; events
 *      stream.c  bytes and frames in both directions
 *      unpack.c  answers of the wire -> public results
 *      calls.c, ls.c, words.c  the public functions on top
 */
#ifndef FSOP_CLIENT_H
#define FSOP_CLIENT_H

#include "client/connect.h"
#include "client/fsop.h"
#include "proto/arena.h"
#include "proto/buffer.h"
#include "proto/message.h"

/* ---- memory of answers ------------------------------------------------------------------------------------------ */

/* What one frame decoded to. It goes over to the batch that it answers, and comes back to the client's spares. */
struct chunk {
        struct chunk *next;
        struct arena arena;
};

/* ---- batches ---------------------------------------------------------------------------------------------------- */

enum batch_state {
        BATCH_FILLING,
        BATCH_IN_FLIGHT,
        BATCH_DONE,
};

/* A descriptor that goes with a batch. */
struct batch_fd {
        intptr_t fd;
        bool owned;          /* opened by the library: a parent directory */
        struct bytes parent; /* its absolute path, to be found again; empty: not to be shared */
};

struct fsop_batch {
        struct fsop_client *client;     /* NULL: closed */
        struct fsop_batch *prev, *next; /* among the client's */
        struct fsop_batch *next_done;   /* in the queue of those whose callback is due */
        enum fsop_batch_mode mode;
        enum fsop_as as;
        uint64_t timeout_ms; /* 0: none */
        enum batch_state state;

        struct operation *ops;
        uint32_t n_ops, ops_cap;
        size_t body_bytes;  /* no less than the request will have */
        struct arena arena; /* of the operations' paths and data */
        struct batch_fd fds[WIRE_FRAME_FDS_MAX];
        uint32_t n_fds;
        bool has_umask;
        uint32_t umask;
        bool explaining; /* the operation being added is not to be done: its paths stay paths */

        uint64_t id;         /* in flight */
        uint64_t end;        /* position in the stream behind it */
        uint64_t expires_ms; /* when the library stops waiting; CONNECT_FOREVER: never */
        void (*done)(struct fsop_batch *batch, void *userdata);
        void *userdata;
        bool queued; /* its callback is due */

        struct fsop_result *results; /* n_ops of them */
        uint8_t *answered;           /* per result: whether it is there, and whether its descriptor still is */
        uint32_t results_cap, n_answered, n_failed;
        int failure; /* why some operations were answered by the library: 0 or negative */
        struct chunk *chunks;
};

enum {
        ANSWERED = 1,
        ANSWERED_WITH_FD = 2,
};

/* Answers everything that has no answer yet with an error of the library, and ends the batch. */
void batch_abort(struct fsop_batch *batch, int code, enum fsop_outcome outcome, const char *message);

/*
 * Takes in results for a batch in flight. The chunk holds what they point to, and becomes the batch's. Descriptors that
 * were taken are replaced by CONNECT_FD_NONE. Returns 0 or -FSOP_EPROTO: the daemon broke the rules (the chunk is the
 * batch's all the same).
 */
int batch_take_results(struct fsop_batch *batch, const struct results *results, struct chunk *chunk, intptr_t *fds,
                       uint32_t n_fds);

/* Cuts the batch off a client that goes away. */
void batch_detach(struct fsop_batch *batch);

/* Prepares a batch that lives in the caller's memory; empties it; frees what it holds. */
void batch_init(struct fsop_batch *batch, struct fsop_client *client, enum fsop_batch_mode mode);
int batch_clear(struct fsop_batch *batch);
void batch_fini(struct fsop_batch *batch);

/* ---- operations -------------------------------------------------------------------------------------------------- */

/* How an operation uses a location; decides about trailing slashes. */
enum location_role {
        ROLE_NONE,
        ROLE_OPTIONAL,
        ROLE_OBJECT,  /* something that exists, or is made if asked */
        ROLE_CREATED, /* a new name that may not end in a slash */
        ROLE_NEW_DIRECTORY,
        ROLE_NAME,   /* a name that is taken away or moved */
        ROLE_FILE,   /* a name that is taken away, and not of a directory */
        ROLE_HANDLE, /* an open file: a handle or descriptor without a path */
};

/* Turns a public location into one of the wire, in the batch's arena and among its descriptors. 0, or negative with the
 * client's error set. */
int locate(struct fsop_batch *batch, enum fsop_verb verb, enum location_role role, const struct fsop_at *given,
           struct location *ret_location);

/* Fills in an operation from public arguments. 0, or negative with the client's error set. */
int pack_operation(struct fsop_batch *batch, enum fsop_verb verb, const struct fsop_at *at, const struct fsop_at *to,
                   const void *args, struct operation *ret_op);

/* Copies a structure that begins with its size into KNOWN bytes, cleared where it is shorter. 0 or -FSOP_EINVAL. */
int take_struct(void *known, size_t known_bytes, const void *given);

/* The most bytes an operation takes in a request. */
size_t pack_bytes(const struct operation *op);

/* Turns a result of the wire into a public one, its strings in the arena. 0 or -FSOP_ENOMEM. The descriptor is not
 * touched. */
int unpack_result(struct arena *arena, uint64_t connection, const struct result *result,
                  struct fsop_result *ret_result);
int unpack_bytes(struct arena *arena, struct bytes bytes, struct fsop_bytes *ret);
int unpack_support(struct arena *arena, const struct support *support, uint32_t n, const struct fsop_support **ret);

/* ---- the client -------------------------------------------------------------------------------------------------- */

enum client_state {
        CLIENT_GREETING, /* Hello is on its way */
        CLIENT_READY,
        CLIENT_BROKEN,
};

/* A batch in flight. */
struct slot {
        uint64_t id;              /* 0: free */
        struct fsop_batch *batch; /* NULL: nobody waits for the answer any more */
};

/* Descriptors to be sent, with the byte of the stream they go with. */
struct parcel {
        struct parcel *next;
        uint64_t position;
        uint32_t n_fds;
        bool owned[WIRE_FRAME_FDS_MAX];
        intptr_t fds[WIRE_FRAME_FDS_MAX];
};

#define CLIENT_FDS_QUEUED_MAX (2 * WIRE_FRAME_FDS_MAX)

struct fsop_client {
        struct connection connection;
        uint64_t unique; /* names this connection in handles */
        enum client_state state;
        int break_code; /* why it is broken: FSOP_E..., */
        int32_t break_os_error;
        char break_text[480]; /* and in words */
        bool break_reported;  /* fsop_process() has said that the connection broke */
        bool dispatching;     /* callbacks run */
        bool closing;         /* fsop_close() was called by one of them */
        enum fsop_as as;
        uint64_t timeout_ms;

        struct buffer out;
        uint64_t out_position; /* in the stream: of the first byte of out */
        struct parcel *parcels, **parcels_end;
        struct buffer in;
        intptr_t in_fds[CLIENT_FDS_QUEUED_MAX];
        uint32_t n_in_fds;
        uint32_t receive_bytes_max; /* body of a frame */
        struct arena scratch;
        struct chunk *spares;
        uint32_t n_spares;

        struct fsop_server_info info;
        struct arena info_arena;
        struct slot *slots; /* info.batches_max of them */
        uint32_t n_timed;   /* batches in flight that expire */
        uint64_t last_id;
        struct fsop_batch *batches; /* all that were made from this client */
        struct fsop_batch *done, **done_end;

        struct fsop_batch call; /* of the blocking calls */
        const struct fsop_result *last_result;
        struct fsop_error error; /* the last one */
        struct arena error_arena;
};

/* Before every call: 0, -FSOP_ECHILD or -FSOP_ENOTCONN. Forgets the last result of a blocking call. */
int client_enter(struct fsop_client *client);

/* Sets the last error, returns -code. */
__attribute__((format(printf, 4, 5))) int client_fail(struct fsop_client *client, int code, int32_t os_error,
                                                      const char *format, ...);
int client_fail_with(struct fsop_client *client, const struct fsop_error *error);

/* The connection is over: everything in flight is answered, the reason kept. Returns -code. */
__attribute__((format(printf, 4, 5))) int client_break(struct fsop_client *client, int code, int32_t os_error,
                                                       const char *format, ...);

/* A message has come in. Returns 0, or negative after client_break(). */
int client_take_message(struct fsop_client *client, struct bytes body, intptr_t *fds, uint32_t n_fds);

/* Sends and receives once, waiting for it no longer than until end_ms (CONNECT_FOREVER). 0, or negative: the connection
 * is broken. */
int client_step(struct fsop_client *client, uint64_t end_ms);

/* A slot by the id of what is in flight in it; an empty one; NULL if there is none. */
struct slot *client_find_slot(struct fsop_client *client, uint64_t id);
struct slot *client_free_slot(struct fsop_client *client);
int client_send_cancel(struct fsop_client *client, uint64_t id);

/* Ends and frees everything. Nothing is sent. */
void client_free(struct fsop_client *client);

/* The batch's callback is due. */
void client_queue_done(struct fsop_client *client, struct fsop_batch *batch);
void client_unqueue_done(struct fsop_client *client, struct fsop_batch *batch);

void client_put_chunks(struct fsop_client *client, struct chunk *chunks); /* client may be NULL: freed */

/* ---- the stream -------------------------------------------------------------------------------------------------- */

/* Appends a message, with descriptors that were collected for it. 0, or negative: nothing was appended. */
int stream_append(struct fsop_client *client, const struct message *message, const struct batch_fd *fds,
                  uint32_t n_fds);
/* Position in the stream behind what was appended; and of what was sent. */
uint64_t stream_end(const struct fsop_client *client);
bool stream_is_flushed(const struct fsop_client *client);
/* Sends what can be sent without blocking. 0, or negative after client_break(). */
int stream_flush(struct fsop_client *client);
/*
 * After stream_append() and stream_flush(): descriptors that wait must survive the caller's closing of theirs. On
 * failure nothing of the message was sent, and it is taken back.
 */
int stream_keep_descriptors(struct fsop_client *client, uint64_t message_start);
/* Receives once, and hands on every whole message. 1: something came; 0: nothing; negative after client_break(). */
int stream_receive(struct fsop_client *client);
void stream_fini(struct fsop_client *client);

/* ---- words ------------------------------------------------------------------------------------------------------- */

/* Writes bytes so that a person can read them and a terminal survives them; always NUL-terminated. Returns text. */
const char *show_bytes(struct fsop_bytes bytes, char *text, size_t text_bytes);

#endif
