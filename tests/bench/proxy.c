/* SPDX-License-Identifier: MIT */
/*
 * proxy.c: what QEMU says to its virtfs-proxy-helper, as much as it takes to ask for a stat and for another owner: a
 * head of two numbers, type and length of what follows, then strings with their length in two bytes, and numbers, all
 * in the order of bytes of the machine. The helper lives in a chroot: it is the directory of the files.
 */
#include <string.h>

#include "tests/bench/bench.h"

enum {
        PROXY_SUCCESS = 0,
        PROXY_LSTAT = 8,
        PROXY_CHOWN = 12,
};

#define PROXY_HEAD_BYTES 8u

static void put_u32(struct stream *stream, uint32_t value) {
        stream_put(stream, &value, sizeof(value));
}

static uint32_t get_u32(const uint8_t *from) {
        uint32_t value;

        memcpy(&value, from, sizeof(value));
        return value;
}

static size_t packet_bytes(const uint8_t *packet, size_t n) {
        return n < PROXY_HEAD_BYTES ? 0 : PROXY_HEAD_BYTES + (size_t)get_u32(packet + 4);
}

static int greet(struct stream *stream, const struct files *files) {
        (void)stream;
        (void)files;
        return 0; /* nothing is said */
}

static void put(struct stream *stream, const struct files *files, const struct work *work, uint32_t i) {
        const char *path = files->paths[i % work->n_files] + strlen(files->directory);
        uint16_t len = (uint16_t)strlen(path);
        bool is_chown = work->what == WHAT_CHOWN;

        put_u32(stream, is_chown ? PROXY_CHOWN : PROXY_LSTAT);
        put_u32(stream, (uint32_t)sizeof(len) + len + (is_chown ? 8 : 0));
        stream_put(stream, &len, sizeof(len));
        stream_put(stream, path, len);
        if (is_chown) {
                put_u32(stream, files_owner(files, work->phase + i / work->n_files));
                put_u32(stream, files->group);
        }
}

/* One request after the other; a chown answers with 0 or a negative errno. */
static int check(const uint8_t *packet, size_t len, enum what what, uint32_t expected) {
        int32_t status = len >= PROXY_HEAD_BYTES + 4 ? (int32_t)get_u32(packet + PROXY_HEAD_BYTES) : 0;

        (void)expected;
        if (get_u32(packet) != PROXY_SUCCESS || (what == WHAT_CHOWN && status != 0))
                return bench_fail("virtfs-proxy-helper: %s", strerror(-status));
        return 0;
}

const struct dialect proxy_dialect = {"virtfs-proxy-helper", greet, put, packet_bytes, check};
