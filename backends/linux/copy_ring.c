/* SPDX-License-Identifier: MIT */
/*
 * copy_ring.c: much data from one open file to another.
 */
#include "backends/linux/copy_linux.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#define CHUNK_BYTES (1u << 20)

static bool stopped(const struct copy_pump *pump) {
        return __atomic_load_n(pump->stop, __ATOMIC_RELAXED) != 0;
}

/* Begins to put on the disk what was written, so that a flush finds little left. */
static void write_back(const struct copy_pump *pump, uint64_t offset, uint64_t length) {
        sync_file_range(pump->to_fd, (off_t)offset, (off_t)length, SYNC_FILE_RANGE_WRITE);
}

static int64_t by_hand(const struct copy_pump *pump, uint64_t offset, uint64_t length) {
        struct transfer transfer = {.from_fd = pump->from_fd, .to_fd = pump->to_fd, .from = offset, .to = offset};
        void *buffer = malloc(CHUNK_BYTES);
        int r = buffer != NULL ? 0 : -ENOMEM;

        while (r == 0 && transfer.done < length && !stopped(pump)) {
                uint64_t done = transfer.done;

                transfer.left = length - done < CHUNK_BYTES ? length - done : CHUNK_BYTES;
                r = transfer_by_hand(&transfer, buffer, CHUNK_BYTES);
                if (transfer.done == done)
                        break;
                write_back(pump, offset + done, transfer.done - done);
        }
        free(buffer);
        return r < 0 && transfer.done == 0 ? r : (int64_t)transfer.done;
}

int64_t copy_pump(const struct copy_pump *pump, uint64_t offset, uint64_t length) {
        return by_hand(pump, offset, length);
}

void copy_pump_tidy(void) {
}
