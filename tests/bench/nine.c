/* SPDX-License-Identifier: MIT */
/*
 * nine.c: 9P2000.L, as much as it takes to ask diod for a stat and for another owner. Files are walked to beforehand,
 * as a kernel that has them mounted would: a request is one message, and diod does not look at a path for its fid.
 */
#include <string.h>

#include "tests/bench/bench.h"

enum {
        NINE_RLERROR = 7,
        NINE_TGETATTR = 24,
        NINE_TSETATTR = 26,
        NINE_TVERSION = 100,
        NINE_TATTACH = 104,
        NINE_TWALK = 110,
        NINE_VALID_UID = 2,
        NINE_VALID_GID = 4,
};

#define NINE_HEAD_BYTES 7u
#define NINE_NO_TAG 0xffffu
#define NINE_NO_FID 0xffffffffu
#define NINE_GETATTR_BASIC 0x7ffu
#define NINE_MSIZE 65536u

static void put_number(struct stream *stream, uint64_t value, unsigned bytes) {
        for (unsigned i = 0; i < bytes; i++)
                stream_put_u8(stream, (uint8_t)(value >> (8 * i)));
}

static uint32_t get_u32(const uint8_t *from) {
        return from[0] | (uint32_t)from[1] << 8 | (uint32_t)from[2] << 16 | (uint32_t)from[3] << 24;
}

static void put_head(struct stream *stream, size_t body, uint8_t type, uint16_t tag) {
        put_number(stream, NINE_HEAD_BYTES + body, 4);
        stream_put_u8(stream, type);
        put_number(stream, tag, 2);
}

static void put_string(struct stream *stream, const char *text) {
        size_t len = strlen(text);

        put_number(stream, len, 2);
        stream_put(stream, text, len);
}

static size_t packet_bytes(const uint8_t *packet, size_t n) {
        size_t len = n < 4 ? 0 : get_u32(packet);

        return n >= 4 && len < NINE_HEAD_BYTES ? SIZE_MAX : len;
}

static int check_type(const uint8_t *packet, size_t len, uint8_t type) {
        if (packet[4] == NINE_RLERROR && len >= NINE_HEAD_BYTES + 4)
                return bench_fail("diod: %s", strerror((int)get_u32(packet + NINE_HEAD_BYTES)));
        return packet[4] == type ? 0 : bench_fail("diod answers with a message of type %u", packet[4]);
}

static int ask(struct stream *stream, uint8_t type) {
        size_t len;
        const uint8_t *packet = stream_ask(stream, &len);

        return packet ? check_type(packet, len, (uint8_t)(type + 1)) : -1;
}

/* File i has fid i + 1, their directory 0. */
static int walk(struct stream *stream, const struct files *files, uint32_t i) {
        const char *name = strrchr(files->paths[i], '/') + 1;

        put_head(stream, 4 + 4 + 2 + 2 + strlen(name), NINE_TWALK, 1);
        put_number(stream, 0, 4);
        put_number(stream, i + 1, 4);
        put_number(stream, 1, 2);
        put_string(stream, name);
        return ask(stream, NINE_TWALK);
}

static int greet(struct stream *stream, const struct files *files) {
        static const char version[] = "9P2000.L", user[] = "root";
        int ret;

        put_head(stream, 4 + 2 + strlen(version), NINE_TVERSION, NINE_NO_TAG);
        put_number(stream, NINE_MSIZE, 4);
        put_string(stream, version);
        ret = ask(stream, NINE_TVERSION);
        if (ret < 0)
                return ret;
        put_head(stream, 4 + 4 + 2 + strlen(user) + 2 + strlen(files->directory) + 4, NINE_TATTACH, 1);
        put_number(stream, 0, 4);
        put_number(stream, NINE_NO_FID, 4);
        put_string(stream, user);
        put_string(stream, files->directory);
        put_number(stream, 0, 4);
        ret = ask(stream, NINE_TATTACH);
        for (uint32_t i = 0; i < files->n && ret == 0; i++)
                ret = walk(stream, files, i);
        return ret;
}

static void put(struct stream *stream, const struct files *files, const struct work *work, uint32_t i) {
        uint16_t tag = (uint16_t)(i & 0x7fff);
        uint32_t fid = i % work->n_files + 1;

        if (work->what == WHAT_STAT) {
                put_head(stream, 4 + 8, NINE_TGETATTR, tag);
                put_number(stream, fid, 4);
                put_number(stream, NINE_GETATTR_BASIC, 8);
                return;
        }
        put_head(stream, 4 + 4 + 4 + 4 + 4 + 8 + 4 * 8, NINE_TSETATTR, tag);
        put_number(stream, fid, 4);
        put_number(stream, NINE_VALID_UID | NINE_VALID_GID, 4);
        put_number(stream, 0, 4); /* mode */
        put_number(stream, files_owner(files, work->phase + i / work->n_files), 4);
        put_number(stream, files->group, 4);
        for (unsigned k = 0; k < 5; k++) /* size, times */
                put_number(stream, 0, 8);
}

/* Its workers answer in any order. */
static int check(const uint8_t *packet, size_t len, enum what what, uint32_t expected) {
        (void)expected;
        return check_type(packet, len, (what == WHAT_STAT ? NINE_TGETATTR : NINE_TSETATTR) + 1);
}

const struct dialect nine_dialect = {"diod", greet, put, packet_bytes, check};
