/* SPDX-License-Identifier: MIT */
/*
 * sftp.c: speaks SFTP version 3 to OpenSSH's sftp-server, as much as it takes to ask for a stat and for another owner,
 * with a number of requests in flight.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/bench/bench.h"

enum {
        SFTP_INIT = 1,
        SFTP_VERSION = 2,
        SFTP_LSTAT = 7,
        SFTP_SETSTAT = 9,
        SFTP_STAT = 17,
        SFTP_STATUS = 101,
        SFTP_ATTRS = 105,
        SFTP_ATTR_UIDGID = 2,
};

#define SFTP_PACKET_MAX 4096u

struct sftp {
        int fd;
        uint8_t out[BENCH_SFTP_WINDOW * SFTP_PACKET_MAX];
        size_t n_out;
        uint8_t in[64 * 1024];
        size_t n_in;
};

static void put_u32(struct sftp *sftp, uint32_t value) {
        for (int shift = 24; shift >= 0; shift -= 8)
                sftp->out[sftp->n_out++] = (uint8_t)(value >> shift);
}

static uint32_t get_u32(const uint8_t *from) {
        return (uint32_t)from[0] << 24 | (uint32_t)from[1] << 16 | (uint32_t)from[2] << 8 | from[3];
}

static int flush(struct sftp *sftp) {
        size_t n = sftp->n_out;

        sftp->n_out = 0;
        return bench_write_all(sftp->fd, sftp->out, n);
}

/* The length of the packet at the beginning of what was received; 0: not there yet; more than the buffer: never will
 * be. */
static size_t packet_bytes(const struct sftp *sftp, size_t from) {
        size_t len;

        if (sftp->n_in - from < 4)
                return 0;
        len = 4 + (size_t)get_u32(sftp->in + from);
        if (len > sizeof(sftp->in) || len < 9)
                return SIZE_MAX;
        return len <= sftp->n_in - from ? len : 0;
}

static int receive(struct sftp *sftp) {
        ssize_t n;

        do
                n = read(sftp->fd, sftp->in + sftp->n_in, sizeof(sftp->in) - sftp->n_in);
        while (n < 0 && errno == EINTR && !bench_stop);
        if (n <= 0)
                return bench_fail("sftp-server went away");
        sftp->n_in += (size_t)n;
        return 0;
}

static void consume(struct sftp *sftp, size_t n) {
        memmove(sftp->in, sftp->in + n, sftp->n_in - n);
        sftp->n_in -= n;
}

static int greet(struct sftp *sftp) {
        size_t len = 0;

        put_u32(sftp, 5);
        sftp->out[sftp->n_out++] = SFTP_INIT;
        put_u32(sftp, 3);
        if (flush(sftp) < 0)
                return bench_fail("cannot write to sftp-server");
        while ((len = packet_bytes(sftp, 0)) == 0)
                if (receive(sftp) < 0)
                        return -1;
        if (len == SIZE_MAX || sftp->in[4] != SFTP_VERSION)
                return bench_fail("sftp-server answers in an unknown way");
        consume(sftp, len);
        return 0;
}

struct sftp *sftp_open(int fd) {
        struct sftp *sftp = bench_alloc(1, sizeof(*sftp));

        sftp->fd = fd;
        if (greet(sftp) < 0) {
                sftp_close(sftp);
                return NULL;
        }
        return sftp;
}

void sftp_close(struct sftp *sftp) {
        free(sftp);
}

static void put_request(struct sftp *sftp, const struct files *files, const struct job *job, uint32_t i) {
        const char *path = files->paths[i % job->n_files];
        uint32_t len = (uint32_t)strlen(path);
        bool is_chown = job->what == WHAT_CHOWN;

        put_u32(sftp, 1 + 4 + 4 + len + (is_chown ? 12 : 0));
        sftp->out[sftp->n_out++] = is_chown ? SFTP_SETSTAT : files->follow ? SFTP_STAT : SFTP_LSTAT;
        put_u32(sftp, i);
        put_u32(sftp, len);
        memcpy(sftp->out + sftp->n_out, path, len);
        sftp->n_out += len;
        if (is_chown) {
                put_u32(sftp, SFTP_ATTR_UIDGID);
                put_u32(sftp, files_owner(files, job->phase + i / job->n_files));
                put_u32(sftp, files->group);
        }
}

/* An answer that says yes, to request number `expected`: sftp-server keeps the order. */
static int check_answer(const uint8_t *packet, size_t len, enum what what, uint32_t expected) {
        uint32_t id = get_u32(packet + 5);

        if (id != expected)
                return bench_fail("sftp-server answers request %u instead of %u", id, expected);
        if (packet[4] == SFTP_STATUS && len >= 13 && get_u32(packet + 9) != 0)
                return bench_fail("sftp-server refuses: status %u", get_u32(packet + 9));
        if (packet[4] != (what == WHAT_CHOWN ? SFTP_STATUS : SFTP_ATTRS))
                return bench_fail("sftp-server answers with a packet of type %u", packet[4]);
        return 0;
}

/* Takes in all whole answers. Returns how many, or -1. */
static int64_t take_answers(struct sftp *sftp, enum what what, uint32_t expected) {
        size_t from = 0, len;
        int64_t n = 0;

        while ((len = packet_bytes(sftp, from)) != 0) {
                if (len == SIZE_MAX)
                        return bench_fail("sftp-server sends a packet without sense");
                if (check_answer(sftp->in + from, len, what, expected + (uint32_t)n) < 0)
                        return -1;
                from += len;
                n++;
        }
        consume(sftp, from);
        return n;
}

uint64_t sftp_run(struct sftp *sftp, const struct files *files, const struct job *job, uint32_t window,
                  uint32_t *samples) {
        uint32_t total = job->n_files * job->passes, sent = 0, answered = 0;
        uint64_t begin = bench_now_ns(), last = begin;

        while (answered < total) {
                int64_t n;

                while (sent < total && sent - answered < window)
                        put_request(sftp, files, job, sent++);
                if (sftp->n_out > 0 && flush(sftp) < 0) {
                        bench_fail("cannot write to sftp-server");
                        return 0;
                }
                if (receive(sftp) < 0 || (n = take_answers(sftp, job->what, answered)) < 0)
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
