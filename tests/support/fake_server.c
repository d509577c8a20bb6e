/* SPDX-License-Identifier: MIT */
/*
 * fake_server.c: see fake_server.h.
 */
#include "tests/support/fake_server.h"

#include <check.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proto/codec.h"
#include "proto/frame.h"

enum { PATIENCE_MS = 100000 }; /* only where a test fails */

void fake_init(struct fake_server *fake) {
        int fds[2];
        *fake = (struct fake_server){0};
        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
        fake->fd = fds[0];
        fake->client_fd = fds[1];
        arena_init(&fake->arena, 64u << 20);
}

static void close_fds(struct fake_server *fake) {
        while (fake->n_fds > 0)
                close(fake->fds[--fake->n_fds]);
}

void fake_hang_up(struct fake_server *fake) {
        if (fake->fd >= 0)
                close(fake->fd);
        fake->fd = -1;
}

void fake_fini(struct fake_server *fake) {
        fsop_close(fake->client);
        fake->client = NULL;
        fake_hang_up(fake);
        if (fake->client_fd >= 0)
                close(fake->client_fd);
        close_fds(fake);
        arena_fini(&fake->arena);
}

struct welcome fake_welcome(void) {
        return (struct welcome){
                .version = WIRE_VERSION,
                .features = WIRE_FEATURE_FDS,
                .frame_bytes_max = WIRE_FRAME_BYTES_MAX,
                .batch_ops_max = WIRE_BATCH_OPS_MAX,
                .batches_max = 4,
                .engine = {(const uint8_t *)"fake", 4},
                .daemon_version = {(const uint8_t *)"9.8.7", 5},
                .platform = {(const uint8_t *)"Test", 4},
        };
}

int fake_open(struct fake_server *fake, const struct welcome *welcome, struct fsop_client_options *options) {
        struct fsop_client_options plain = {.size = sizeof(plain), .name = "test", .connect_ms = PATIENCE_MS};
        if (welcome) {
                struct message message = {.kind = MESSAGE_WELCOME, .body.welcome = *welcome};
                fake_send(fake, &message, NULL, 0);
        }
        if (!options)
                options = &plain;
        options->has_fd = true;
        options->fd = fake->client_fd;
        fake->client_fd = -1;
        return fsop_open(options, &fake->client);
}

void fake_start(struct fake_server *fake, const struct welcome *welcome) {
        struct welcome usual = fake_welcome();
        fake_init(fake);
        ck_assert_int_eq(fake_open(fake, welcome ? welcome : &usual, NULL), 0);
        ck_assert_int_eq(fake_receive(fake).kind, MESSAGE_HELLO);
}

void fake_send_raw(struct fake_server *fake, const void *data, size_t len, const int *fds, unsigned n_fds) {
        struct iovec piece = {.iov_base = (void *)(uintptr_t)data, .iov_len = len};
        union {
                struct cmsghdr align;
                char data[CMSG_SPACE(sizeof(int) * 253)];
        } control;
        struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1};
        memset(&control, 0, sizeof(control));
        if (n_fds > 0) {
                message.msg_control = control.data;
                message.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
                struct cmsghdr *header = CMSG_FIRSTHDR(&message);
                header->cmsg_level = SOL_SOCKET;
                header->cmsg_type = SCM_RIGHTS;
                header->cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
                memcpy(CMSG_DATA(header), fds, sizeof(int) * n_fds);
        }
        ssize_t n = sendmsg(fake->fd, &message, MSG_NOSIGNAL);
        ck_assert_int_eq(n, (ssize_t)len);
}

void fake_send(struct fake_server *fake, const struct message *message, const int *fds, unsigned n_fds) {
        struct buffer buffer = {0};
        struct arena scratch;
        arena_init(&scratch, 64u << 20);
        ck_assert_int_eq(codec_encode(&scratch, message, (uint16_t)n_fds, 64u << 20, &buffer), 0);
        fake_send_raw(fake, buffer.data + buffer.start, buffer_len(&buffer), fds, n_fds);
        buffer_fini(&buffer);
        arena_fini(&scratch);
}

void fake_answer(struct fake_server *fake, uint64_t id, const struct result *results, uint32_t n, bool last) {
        struct message message = {
                .kind = MESSAGE_RESULTS,
                .body.results = {.id = id, .results = results, .n_results = n, .last = last},
        };
        fake_send(fake, &message, NULL, 0);
}

void fake_answer_one(struct fake_server *fake, uint64_t id, struct result result) {
        if (result.outcome == FSOP_OUTCOME_NOT_STARTED && result.error.code == 0)
                result.outcome = FSOP_OUTCOME_DONE;
        fake_answer(fake, id, &result, 1, true);
}

static ssize_t receive_some(struct fake_server *fake, void *data, size_t len) {
        struct iovec piece = {.iov_base = data, .iov_len = len};
        union {
                struct cmsghdr align;
                char data[CMSG_SPACE(sizeof(int) * WIRE_FRAME_FDS_MAX)];
        } control;
        struct msghdr message = {.msg_iov = &piece,
                                 .msg_iovlen = 1,
                                 .msg_control = control.data,
                                 .msg_controllen = sizeof(control.data)};
        struct pollfd watched = {.fd = fake->fd, .events = POLLIN};
        ck_assert_msg(poll(&watched, 1, PATIENCE_MS) == 1, "the client sends nothing");
        ssize_t n = recvmsg(fake->fd, &message, MSG_CMSG_CLOEXEC);
        for (struct cmsghdr *header = n >= 0 ? CMSG_FIRSTHDR(&message) : NULL; header;
             header = CMSG_NXTHDR(&message, header)) {
                size_t n_fds = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
                ck_assert_uint_le(fake->n_fds + n_fds, WIRE_FRAME_FDS_MAX);
                memcpy(fake->fds + fake->n_fds, CMSG_DATA(header), n_fds * sizeof(int));
                fake->n_fds += (unsigned)n_fds;
        }
        return n;
}

static void receive_all(struct fake_server *fake, uint8_t *data, size_t len) {
        while (len > 0) {
                ssize_t n = receive_some(fake, data, len);
                ck_assert_msg(n > 0, "the client ended in the middle of a frame");
                data += n;
                len -= (size_t)n;
        }
}

/* Without forgetting what was received before. */
static struct message receive_next(struct fake_server *fake) {
        uint8_t start[FRAME_HEADER_BYTES];
        struct frame_header header;
        struct message message;
        struct error error = {0};
        receive_all(fake, start, sizeof(start));
        ck_assert_int_eq(frame_read_header(start, sizeof(start), 64u << 20, &header), 1);
        uint8_t *body = arena_alloc(&fake->arena, header.body_bytes);
        ck_assert_ptr_nonnull(body);
        receive_all(fake, body, header.body_bytes);
        ck_assert_uint_eq(header.n_fds, fake->n_fds);
        struct codec_limits limits = {.batch_ops_max = WIRE_BATCH_OPS_MAX, .fds = header.n_fds};
        int r = codec_decode_request(&fake->arena, (struct bytes){body, header.body_bytes}, &limits, &message, &error);
        ck_assert_msg(r == 0, "a daemon refuses what the client sent: %.*s", (int)error.message.len,
                      (const char *)error.message.data);
        return message;
}

struct message fake_receive(struct fake_server *fake) {
        close_fds(fake);
        arena_reset(&fake->arena);
        return receive_next(fake);
}

static void *serve(void *userdata) {
        struct fake_server *fake = userdata;
        for (unsigned i = 0; i < fake->n_script; i++) {
                close_fds(fake);
                struct message message = receive_next(fake);
                ck_assert_int_eq(message.kind, MESSAGE_BATCH);
                fake->served[i] = message.body.batch.ops[0];
                fake_answer_one(fake, message.body.batch.id, fake->script[i]);
        }
        return NULL;
}

void fake_serve(struct fake_server *fake, const struct result *results, unsigned n) {
        ck_assert_uint_le(n, FAKE_SERVED_MAX);
        close_fds(fake);
        arena_reset(&fake->arena);
        fake->script = results;
        fake->n_script = n;
        ck_assert_int_eq(pthread_create(&fake->thread, NULL, serve, fake), 0);
}

void fake_served(struct fake_server *fake) {
        ck_assert_int_eq(pthread_join(fake->thread, NULL), 0);
}

struct batch fake_receive_batch(struct fake_server *fake) {
        struct message message = fake_receive(fake);
        ck_assert_int_eq(message.kind, MESSAGE_BATCH);
        return message.body.batch;
}

bool fake_is_silent(struct fake_server *fake) {
        char byte;
        return recv(fake->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && errno == EAGAIN;
}

bool fake_is_closed(struct fake_server *fake) {
        char byte;
        return recv(fake->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

struct bytes wire_text(const char *text) {
        return (struct bytes){(const uint8_t *)text, strlen(text)};
}

struct result stat_result(uint32_t index) {
        return (struct result){.index = index,
                               .verb = FSOP_VERB_STAT,
                               .outcome = FSOP_OUTCOME_DONE,
                               .value.stat = {.ino = 1000 + index}};
}

struct result failed_result(uint32_t index, enum fsop_verb verb, enum fsop_errno code, enum fsop_outcome outcome) {
        return (struct result){.index = index,
                               .verb = verb,
                               .outcome = outcome,
                               .error = {.code = code,
                                         .class_ = FSOP_CLASS_OS,
                                         .os_error = 77,
                                         .rule = wire_text("a-rule"),
                                         .message = wire_text("it is so")}};
}

void expect_text(struct fsop_bytes bytes, const char *text) {
        ck_assert_uint_eq(bytes.len, strlen(text));
        ck_assert_int_eq(memcmp(bytes.data, text, bytes.len), 0);
        ck_assert_int_eq(((const char *)bytes.data)[bytes.len], 0);
}
