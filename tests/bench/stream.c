/* SPDX-License-Identifier: MIT */
/*
 * stream.c: asks a server that takes requests over a stream, with a number of them in flight. What they look like is
 * the dialects' business.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/bench/bench.h"

struct stream {
        int fd;
        const struct dialect *dialect;
        uint8_t out[256 * 1024]; /* a window of requests */
        size_t n_out;
        uint8_t in[64 * 1024];
        size_t n_in, taken; /* of it, by stream_ask() */
};

void stream_put(struct stream *stream, const void *data, size_t len) {
        if (len > sizeof(stream->out) - stream->n_out)
                abort(); /* no window of ours is so large */
        memcpy(stream->out + stream->n_out, data, len);
        stream->n_out += len;
}

void stream_put_u8(struct stream *stream, uint8_t value) {
        stream_put(stream, &value, 1);
}

static int flush(struct stream *stream) {
        size_t n = stream->n_out;

        stream->n_out = 0;
        return bench_write_all(stream->fd, stream->out, n) < 0 ? bench_fail("cannot write to %s", stream->dialect->name)
                                                               : 0;
}

/* The length of the packet there; 0: it is not there yet. What is longer than the buffer never will be. */
static size_t whole_packet(const struct stream *stream, size_t from) {
        size_t len = stream->dialect->packet_bytes(stream->in + from, stream->n_in - from);

        if (len > sizeof(stream->in))
                return SIZE_MAX;
        return len <= stream->n_in - from ? len : 0;
}

static int receive(struct stream *stream) {
        ssize_t n;

        do
                n = read(stream->fd, stream->in + stream->n_in, sizeof(stream->in) - stream->n_in);
        while (n < 0 && errno == EINTR && !bench_stop);
        if (n <= 0)
                return bench_fail("%s went away", stream->dialect->name);
        stream->n_in += (size_t)n;
        return 0;
}

static void consume(struct stream *stream, size_t n) {
        memmove(stream->in, stream->in + n, stream->n_in - n);
        stream->n_in -= n;
}

const uint8_t *stream_ask(struct stream *stream, size_t *ret_len) {
        size_t len;

        consume(stream, stream->taken);
        stream->taken = 0;
        if (flush(stream) < 0)
                return NULL;
        while ((len = whole_packet(stream, 0)) == 0)
                if (receive(stream) < 0)
                        return NULL;
        if (len == SIZE_MAX) {
                bench_fail("%s sends a packet without sense", stream->dialect->name);
                return NULL;
        }
        stream->taken = len;
        *ret_len = len;
        return stream->in;
}

struct stream *stream_open(int fd, const struct dialect *dialect, const struct files *files) {
        struct stream *stream = bench_alloc(1, sizeof(*stream));

        stream->fd = fd;
        stream->dialect = dialect;
        if (dialect->greet(stream, files) == 0) {
                consume(stream, stream->taken);
                stream->taken = 0;
                return stream;
        }
        free(stream);
        return NULL;
}

/* Takes in all whole answers. Returns how many, or -1. */
static int64_t take_answers(struct stream *stream, enum what what, uint32_t expected) {
        size_t from = 0, len;
        int64_t n = 0;

        while ((len = whole_packet(stream, from)) != 0) {
                if (len == SIZE_MAX)
                        return bench_fail("%s sends a packet without sense", stream->dialect->name);
                if (stream->dialect->check(stream->in + from, len, what, expected + (uint32_t)n) < 0)
                        return -1;
                from += len;
                n++;
        }
        consume(stream, from);
        return n;
}

uint64_t stream_run(struct stream *stream, const struct files *files, const struct work *work, uint32_t *samples) {
        uint32_t total = work->n_files * work->passes, sent = 0, answered = 0;
        uint32_t window = work->way.in_flight > 1 ? work->way.in_flight : 1;
        uint64_t begin = bench_now_ns(), last = begin;

        while (answered < total) {
                int64_t n;

                while (sent < total && sent - answered < window)
                        stream->dialect->put(stream, files, work, sent++);
                if (stream->n_out > 0 && flush(stream) < 0)
                        return 0;
                if (receive(stream) < 0 || (n = take_answers(stream, work->what, answered)) < 0)
                        return 0;
                if (window == 1 && n > 0) {
                        uint64_t now = bench_now_ns();

                        samples[answered] = (uint32_t)(now - last);
                        last = now;
                }
                answered += (uint32_t)n;
        }
        return bench_now_ns() - begin;
}
