/* SPDX-License-Identifier: MIT */
/*
 * frames: bad input, written to the bare socket. Each case gets a clear error and its connection is closed; a bystander
 * with a connection of its own is served before, between and after.
 *
 *      frames SOCKET DIRECTORY         of root, with 300 files
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "client/fsop.h"
#include "proto/arena.h"
#include "proto/buffer.h"
#include "proto/codec.h"
#include "proto/frame.h"
#include "proto/names.h"

static const char *socket_path;
static struct fsop_client *bystander;
static int failures;

static int connect_bare(void) {
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        snprintf(address.sun_path, sizeof(address.sun_path), "%s", socket_path);
        if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
                fprintf(stderr, "%s: %s\n", socket_path, strerror(errno));
                exit(2);
        }
        return fd;
}

static void send_all(int fd, const void *data, size_t len) {
        const char *at = data;

        while (len > 0) {
                ssize_t n = send(fd, at, len, MSG_NOSIGNAL);
                if (n <= 0)
                        return; /* it was closed already: what it said is still to be read */
                at += n;
                len -= (size_t)n;
        }
}

/* Reads until the daemon closes, or until N complete frames are there (n_frames 0: no limit); a minute at most. Returns
 * false on time-out. */
static bool receive(int fd, struct buffer *buffer, unsigned n_frames) {
        struct timespec start, now;

        clock_gettime(CLOCK_MONOTONIC, &start);
        for (;;) {
                struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
                uint8_t data[65536];
                size_t at = buffer->start;
                unsigned frames = 0;
                struct frame_header header;
                ssize_t n;

                while (frame_read_header(buffer->data + at, buffer->end - at, WIRE_FRAME_BYTES_MAX, &header) > 0 &&
                       buffer->end - at >= FRAME_HEADER_BYTES + header.body_bytes) {
                        at += FRAME_HEADER_BYTES + header.body_bytes;
                        frames++;
                }
                if (n_frames > 0 && frames >= n_frames)
                        return true;
                clock_gettime(CLOCK_MONOTONIC, &now);
                if (now.tv_sec - start.tv_sec > 60)
                        return false;
                if (poll(&poll_fd, 1, 1000) <= 0)
                        continue;
                n = recv(fd, data, sizeof(data), 0);
                if (n <= 0)
                        return n_frames == 0;
                if (buffer_append(buffer, data, (size_t)n) < 0)
                        return false;
        }
}

static void say(bool good, const char *what, const char *detail) {
        printf("%s: %s%s%s\n", good ? "ok" : "FAIL", what, detail[0] ? ": " : "", detail);
        failures += !good;
}

/* The bystander notices nothing. */
static void check_bystander(const char *what) {
        if (fsop_ping(bystander) < 0) {
                say(false, what, "the bystander was disturbed");
                exit(1);
        }
}

/* Decodes the last frame in the buffer and expects a Failure with this code (0: any). */
static void expect_failure(struct buffer *buffer, const char *what, enum fsop_errno code) {
        struct frame_header header = {0};
        size_t at = buffer->start, last = at;
        struct message message = {0};
        struct error error = {0};
        struct arena arena;
        char detail[512] = "";
        bool good = false;

        arena_init(&arena, 1 << 22);
        while (frame_read_header(buffer->data + at, buffer->end - at, WIRE_FRAME_BYTES_MAX, &header) > 0) {
                last = at;
                at += FRAME_HEADER_BYTES + header.body_bytes;
        }
        if (buffer_len(buffer) == 0) {
                snprintf(detail, sizeof(detail), "closed without a word");
        } else if (codec_decode_reply(&arena,
                                      (struct bytes){buffer->data + last + FRAME_HEADER_BYTES, header.body_bytes}, 0,
                                      &message, &error) < 0) {
                snprintf(detail, sizeof(detail), "what the daemon said is no message");
        } else if (message.kind != MESSAGE_FAILURE) {
                snprintf(detail, sizeof(detail), "answered with message kind %d", (int)message.kind);
        } else {
                good = message.body.failure.message.len > 0 && (code == 0 || message.body.failure.code == code);
                snprintf(detail, sizeof(detail), "code %d, \"%.*s\"", (int)message.body.failure.code,
                         (int)message.body.failure.message.len, (const char *)message.body.failure.message.data);
        }
        say(good, what, detail);
        arena_fini(&arena);
}

/* ---- well-formed frames, to begin with --------------------------------------------------------------------------- */

static void encode(const struct message *message, struct buffer *buffer) {
        struct arena scratch;

        arena_init(&scratch, 1 << 22);
        if (codec_encode(&scratch, message, 0, WIRE_FRAME_BYTES_MAX, buffer) < 0) {
                fprintf(stderr, "cannot encode\n");
                exit(2);
        }
        arena_fini(&scratch);
}

static void encode_hello(struct buffer *buffer, uint32_t version_min, uint32_t version_max) {
        struct message hello = {.kind = MESSAGE_HELLO};

        hello.body.hello.version_min = version_min;
        hello.body.hello.version_max = version_max;
        hello.body.hello.features = WIRE_FEATURE_FDS;
        hello.body.hello.client = (struct bytes){(const uint8_t *)"frames", 6};
        encode(&hello, buffer);
}

static void encode_batch(struct buffer *buffer, struct operation *ops, uint32_t n_ops, uint64_t id) {
        struct message batch = {.kind = MESSAGE_BATCH};

        batch.body.batch.id = id;
        batch.body.batch.ops = ops;
        batch.body.batch.n_ops = n_ops;
        encode(&batch, buffer);
}

static struct bytes text(const char *string) {
        return (struct bytes){(const uint8_t *)string, strlen(string)};
}

/* Sends a Hello, and waits for its answer. */
static int greet(struct buffer *hello) {
        struct buffer in = {0};
        int fd = connect_bare();

        send_all(fd, hello->data + hello->start, buffer_len(hello));
        if (!receive(fd, &in, 1)) {
                say(false, "Hello", "no Welcome");
                exit(1);
        }
        buffer_fini(hello);
        buffer_fini(&in);
        return fd;
}

/* A connection past its Hello. */
static int connect_greeted(void) {
        struct buffer hello = {0};

        encode_hello(&hello, 1, 1);
        return greet(&hello);
}

/* ---- the cases --------------------------------------------------------------------------------------------------- */

/* Sends these bytes, says no more, and expects a failure and the end of the connection. */
static void refused(const char *what, bool greeted, const void *data, size_t len, enum fsop_errno code) {
        struct buffer in = {0};
        int fd = greeted ? connect_greeted() : connect_bare();

        send_all(fd, data, len);
        if (receive(fd, &in, 0))
                expect_failure(&in, what, code);
        else
                say(false, what, "still open after a minute");
        close(fd);
        buffer_fini(&in);
        check_bystander(what);
}

static void try_bad_headers(bool greeted) {
        uint8_t garbage[4096], frame[64] = {0};
        struct frame_header header = {.body_bytes = 0};

        for (size_t i = 0; i < sizeof(garbage); i++)
                garbage[i] = (uint8_t)(i * 131 + 17) | 0x80;
        refused("garbage", greeted, garbage, sizeof(garbage), 0);
        refused("text of another protocol", greeted, "GET / HTTP/1.1\r\nHost: x\r\n\r\n", 27, 0);
        frame_write_header(frame, &header);
        refused("a body of zero bytes", greeted, frame, 8, FSOP_EPROTO);
        header.body_bytes = WIRE_FRAME_BYTES_MAX + 1;
        frame_write_header(frame, &header);
        refused("an oversized frame", greeted, frame, 8, FSOP_EMSGSIZE);
        header.body_bytes = 0xffffffffu;
        frame_write_header(frame, &header);
        refused("a frame of 4 GiB", greeted, frame, 8, FSOP_EMSGSIZE);
        header = (struct frame_header){.body_bytes = 4, .n_fds = 65535};
        frame_write_header(frame, &header);
        refused("65535 descriptors declared", greeted, frame, 12, 0);
        header = (struct frame_header){.body_bytes = 16};
        frame_write_header(frame, &header);
        frame[6] = 1;
        refused("reserved bytes that are not zero", greeted, frame, 24, FSOP_EPROTO);
        frame[6] = 0;
        memset(frame + 8, 0xff, 16);
        refused("a body that is no message", greeted, frame, 24, FSOP_EPROTO);
        header = (struct frame_header){.body_bytes = 3};
        frame_write_header(frame, &header);
        memcpy(frame + 8, "\xba\x3e\x00", 3); /* field 999, empty */
        refused("an unknown message", greeted, frame, 11, 0);
}

static void try_missing_descriptor(void) {
        struct operation op = {.verb = FSOP_VERB_STAT, .at = {.kind = LOCATION_FD, .fd_index = 0}};
        struct buffer out = {0};
        uint8_t *data;

        encode_batch(&out, &op, 1, 1);
        data = out.data + out.start;
        refused("an index of a descriptor that did not come", true, data, buffer_len(&out), 0);
        data[4] = 1; /* declares one */
        encode_batch(&out, &op, 1, 2);
        refused("a descriptor declared and not sent", true, out.data + out.start, buffer_len(&out), FSOP_EPROTO);
        buffer_fini(&out);
}

static void try_order_of_messages(void) {
        struct operation op = {.verb = FSOP_VERB_PING};
        struct message other = {.kind = MESSAGE_FAILURE};
        struct buffer out = {0};

        encode_batch(&out, &op, 1, 1);
        refused("a batch before Hello", false, out.data + out.start, buffer_len(&out), FSOP_EPROTO);
        buffer_consume(&out, buffer_len(&out), 0);
        encode_hello(&out, 1, 1);
        refused("a second Hello", true, out.data + out.start, buffer_len(&out), FSOP_EPROTO);
        buffer_consume(&out, buffer_len(&out), 0);
        encode_hello(&out, 77, 99);
        refused("a version that nobody speaks", false, out.data + out.start, buffer_len(&out), 0);
        buffer_consume(&out, buffer_len(&out), 0);
        other.body.failure.code = FSOP_EIO;
        other.body.failure.message = text("no");
        encode(&other, &out);
        refused("a message that only a daemon sends", true, out.data + out.start, buffer_len(&out), 0);
        buffer_fini(&out);
}

/* Cut short and closed by us: nothing to answer, but nothing may be left behind either. */
static void try_truncated(void) {
        struct operation op = {.verb = FSOP_VERB_STAT, .at = {.kind = LOCATION_PATH, .path = text("/")}};
        struct buffer out = {0};

        encode_batch(&out, &op, 1, 1);
        for (size_t len = 1; len < buffer_len(&out); len++) {
                int fd = connect_greeted();
                send_all(fd, out.data + out.start, len);
                close(fd);
        }
        check_bystander("truncated frames");
        say(true, "frames cut at every byte", "");
        buffer_fini(&out);
}

/* The Hello that never ends, and the one that never begins: five seconds. */
static void try_stalled(void) {
        struct buffer out = {0};

        encode_hello(&out, 1, 1);
        refused("a Hello that is never finished", false, out.data + out.start, buffer_len(&out) - 1, FSOP_ETIMEDOUT);
        refused("no Hello at all", false, "", 0, FSOP_ETIMEDOUT);
        buffer_fini(&out);
}

/* Every single-byte change of a good frame: anything but harm. */
static void try_mutations(void) {
        struct operation ops[2] = {
                {.verb = FSOP_VERB_CHOWN, .at = {.kind = LOCATION_PATH, .path = text("/nowhere/at/all")}},
                {.verb = FSOP_VERB_STAT, .at = {.kind = LOCATION_PATH, .path = text("/nowhere")}}};
        struct buffer out = {0};

        ops[0].args.chown.has_uid = true;
        ops[0].args.chown.uid = 12345;
        encode_batch(&out, ops, 2, 1);
        for (size_t at = 0; at < buffer_len(&out); at++)
                for (unsigned change = 0; change < 4; change++) {
                        static const uint8_t changes[] = {0x01, 0x80, 0xff, 0x08};
                        uint8_t *data = out.data + out.start;
                        int fd = connect_greeted();

                        data[at] ^= changes[change];
                        send_all(fd, data, buffer_len(&out));
                        shutdown(fd, SHUT_WR);
                        struct buffer in = {0};
                        if (!receive(fd, &in, 0))
                                say(false, "a changed byte", "the connection hangs");
                        buffer_fini(&in);
                        close(fd);
                        data[at] ^= changes[change];
                }
        check_bystander("changed bytes");
        say(true, "a frame with every byte changed", "");
        buffer_fini(&out);
}

/* A value that can never be right spoils its operation or its batch, not more than its connection. */
static void try_bad_values(void) {
        struct operation op = {.verb = FSOP_VERB_CHOWN, .at = {.kind = LOCATION_PATH, .path = text("/tmp")}};
        struct {
                const char *what;
                struct operation op;
        } bad[4];

        op.args.chown.has_uid = true;
        for (size_t i = 0; i < 4; i++)
                bad[i].op = op;
        bad[0].what = "uid 0xffffffff";
        bad[0].op.args.chown.uid = WIRE_NOBODY;
        bad[1].what = "a NUL in a path";
        bad[1].op.at.path = (struct bytes){(const uint8_t *)"/tmp\0/x", 7};
        bad[2].what = "a relative path";
        bad[2].op.at.path = text("tmp");
        bad[3].what = "a handle that does not exist";
        bad[3].op.at = (struct location){.kind = LOCATION_HANDLE, .handle = 424242};
        for (size_t i = 0; i < 4; i++) {
                struct buffer out = {0}, in = {0};
                struct message message = {0};
                struct error error = {0};
                struct frame_header header;
                struct arena arena;
                int fd = connect_greeted();
                bool good = false;

                arena_init(&arena, 1 << 22);
                encode_batch(&out, &bad[i].op, 1, 7);
                send_all(fd, out.data + out.start, buffer_len(&out));
                if (receive(fd, &in, 1) &&
                    frame_read_header(in.data + in.start, buffer_len(&in), WIRE_FRAME_BYTES_MAX, &header) > 0 &&
                    codec_decode_reply(&arena,
                                       (struct bytes){in.data + in.start + FRAME_HEADER_BYTES, header.body_bytes}, 0,
                                       &message, &error) == 0)
                        good = message.kind == MESSAGE_FAILURE ||
                               (message.kind == MESSAGE_RESULTS && message.body.results.n_results == 1 &&
                                message.body.results.results[0].error.code != 0);
                say(good, bad[i].what, good ? "refused" : "not refused");
                arena_fini(&arena);
                buffer_fini(&in);
                buffer_fini(&out);
                close(fd);
        }
        check_bystander("bad values");
}

/* ---- clients that take less than others -------------------------------------------------------------------------- */

enum { FEW_BYTES = 4096, FILES = 300 };

static int connect_modest(uint32_t frame_bytes_max, uint64_t features) {
        struct message hello = {
                .kind = MESSAGE_HELLO,
                .body.hello = {
                        .version_min = 1, .version_max = 1, .features = features, .frame_bytes_max = frame_bytes_max}};
        struct buffer out = {0};

        encode(&hello, &out);
        return greet(&out);
}

/* The answer to one operation, which is one frame of at most FEW_BYTES; false and said, if it is not. */
static bool ask(int fd, struct operation *op, struct arena *arena, const char *what, struct result *ret_result) {
        struct buffer out = {0}, in = {0};
        struct message message = {0};
        struct error error = {0};
        struct frame_header header = {0};
        bool answered = false;

        encode_batch(&out, op, 1, 1);
        send_all(fd, out.data + out.start, buffer_len(&out));
        if (!receive(fd, &in, 1) || frame_read_header(in.data + in.start, buffer_len(&in), FEW_BYTES, &header) <= 0)
                say(false, what, "no frame of this size");
        else if (header.n_fds > 0)
                say(false, what, "there is a descriptor");
        else if (codec_decode_reply(arena, (struct bytes){in.data + in.start + FRAME_HEADER_BYTES, header.body_bytes},
                                    0, &message, &error) < 0 ||
                 message.kind != MESSAGE_RESULTS || message.body.results.n_results != 1)
                say(false, what, "no result");
        else
                answered = true, *ret_result = message.body.results.results[0];
        buffer_fini(&out); /* what is read of the result is not in its texts */
        buffer_fini(&in);
        return answered;
}

/* A directory is listed to its end in pages that fit, and a walk says what fits of its failures. */
static void try_small_frames(const char *directory) {
        struct operation ls = {.verb = FSOP_VERB_LS, .at = {.kind = LOCATION_PATH, .path = text(directory)}};
        struct operation chown = {.verb = FSOP_VERB_CHOWN, .at = ls.at};
        int fd = connect_modest(FEW_BYTES, 0);
        struct result result;
        struct arena arena;
        unsigned found = 0;
        bool end = false;

        arena_init(&arena, 1 << 22);
        ls.args.ls.with_stat = true;
        for (unsigned page = 0; page <= FILES && !end; page++) {
                if (!ask(fd, &ls, &arena, "a page of a small frame", &result) || result.error.code != 0)
                        break;
                found += result.value.ls.n_entries;
                end = result.value.ls.end;
                ls.args.ls.cookie = result.value.ls.cookie;
        }
        say(end && found == FILES, "pages end where a small frame ends", "");
        chown.args.chown.has_uid = true;
        chown.args.chown.walk.recursive = true;
        say(ask(fd, &chown, &arena, "a walk with failures, in a small frame", &result) &&
                    result.error.code == FSOP_EPERM && result.value.walk.failed == FILES + 1 &&
                    result.value.walk.n_failures > 0,
            "the failures of a walk end where a small frame ends", "");
        arena_fini(&arena);
        close(fd);
}

static void try_without_descriptors(const char *file) {
        struct operation op = {.verb = FSOP_VERB_OPEN_FD, .at = {.kind = LOCATION_PATH, .path = text(file)}};
        int fd = connect_modest(FEW_BYTES, 0);
        struct result result;
        struct arena arena;

        arena_init(&arena, 1 << 22);
        op.args.open.read = true;
        say(ask(fd, &op, &arena, "open-fd", &result) && result.error.code == FSOP_EOPNOTSUPP &&
                    result.outcome == FSOP_OUTCOME_NOT_STARTED,
            "open-fd, where Hello did not agree on descriptors", "");
        arena_fini(&arena);
        close(fd);
}

int main(int argc, char **argv) {
        struct fsop_client_options options = {.size = sizeof(options)};

        if (argc != 3)
                return 2;
        socket_path = options.socket_path = argv[1];
        if (fsop_open(&options, &bystander) < 0)
                return 2;
        try_bad_headers(false);
        try_bad_headers(true);
        try_missing_descriptor();
        try_order_of_messages();
        try_bad_values();
        try_small_frames(argv[2]);
        try_without_descriptors("/etc/passwd");
        try_truncated();
        try_mutations();
        try_stalled();
        fsop_close(bystander);
        return failures > 0;
}
