/* SPDX-License-Identifier: MIT */
/*
 * sftp.c: SFTP version 3, as much as it takes to ask OpenSSH's sftp-server for a stat and for another owner.
 */
#include <string.h>

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

static void put_u32(struct stream *stream, uint32_t value) {
        uint8_t bytes[4] = {(uint8_t)(value >> 24), (uint8_t)(value >> 16), (uint8_t)(value >> 8), (uint8_t)value};

        stream_put(stream, bytes, sizeof(bytes));
}

static uint32_t get_u32(const uint8_t *from) {
        return (uint32_t)from[0] << 24 | (uint32_t)from[1] << 16 | (uint32_t)from[2] << 8 | from[3];
}

/* No packet of interest is shorter than a type and a number. */
static size_t packet_bytes(const uint8_t *packet, size_t n) {
        size_t len = n < 4 ? 0 : 4 + (size_t)get_u32(packet);

        return n >= 4 && len < 9 ? SIZE_MAX : len;
}

static int greet(struct stream *stream, const struct files *files) {
        const uint8_t *packet;
        size_t len;

        (void)files;
        put_u32(stream, 5);
        stream_put_u8(stream, SFTP_INIT);
        put_u32(stream, 3);
        packet = stream_ask(stream, &len);
        if (!packet)
                return -1;
        return packet[4] == SFTP_VERSION ? 0 : bench_fail("sftp-server answers in an unknown way");
}

static void put(struct stream *stream, const struct files *files, const struct work *work, uint32_t i) {
        const char *path = files->paths[i % work->n_files];
        uint32_t len = (uint32_t)strlen(path);
        bool is_chown = work->what == WHAT_CHOWN;

        put_u32(stream, 1 + 4 + 4 + len + (is_chown ? 12 : 0));
        stream_put_u8(stream, is_chown ? SFTP_SETSTAT : files->follow ? SFTP_STAT : SFTP_LSTAT);
        put_u32(stream, i);
        put_u32(stream, len);
        stream_put(stream, path, len);
        if (is_chown) {
                put_u32(stream, SFTP_ATTR_UIDGID);
                put_u32(stream, files_owner(files, work->phase + i / work->n_files));
                put_u32(stream, files->group);
        }
}

/* sftp-server keeps the order. */
static int check(const uint8_t *packet, size_t len, enum what what, uint32_t expected) {
        uint32_t id = get_u32(packet + 5);

        if (id != expected)
                return bench_fail("sftp-server answers request %u instead of %u", id, expected);
        if (packet[4] == SFTP_STATUS && len >= 13 && get_u32(packet + 9) != 0)
                return bench_fail("sftp-server refuses: status %u", get_u32(packet + 9));
        if (packet[4] != (what == WHAT_CHOWN ? SFTP_STATUS : SFTP_ATTRS))
                return bench_fail("sftp-server answers with a packet of type %u", packet[4]);
        return 0;
}

const struct dialect sftp_dialect = {"sftp-server", greet, put, packet_bytes, check};
