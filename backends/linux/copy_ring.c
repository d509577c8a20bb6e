/* SPDX-License-Identifier: MIT */
/*
 * copy_ring.c: much data from one open file to another. On a ring of its own, with registered buffers: while one piece
 * is written the next is read, and what is written begins to go to the disk at once, so that the flush at the end finds
 * little left. Without a ring (not built in, not permitted) the same by plain reads and writes.
 *
 * Like the engine's, the ring is restricted to what it is for before its first use. Rings are kept while a tree is
 * open, and taken by whoever has a piece to copy.
 */
#include "backends/linux/copy_linux.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifdef FSOP_HAVE_URING
#include <liburing.h>
#endif

#define CHUNK_BYTES ((size_t)256 << 10)
#define BEHIND_BYTES (8u << 20) /* after so much, what is written is sent on its way to the disk */

static bool stopped(const struct copy_pump *pump) {
        return __atomic_load_n(pump->stop, __ATOMIC_RELAXED) != 0;
}

/* ---- by hand ----------------------------------------------------------------------------------------------------- */

static int64_t by_hand(const struct copy_pump *pump, uint64_t offset, uint64_t length) {
        struct transfer transfer = {.from_fd = pump->from_fd, .to_fd = pump->to_fd, .from = offset, .to = offset};
        void *buffer = copy_buffer_take();
        int r = buffer != NULL ? 0 : -ENOMEM;

        while (r == 0 && transfer.done < length && !stopped(pump)) {
                uint64_t done = transfer.done;

                transfer.left = length - done < BEHIND_BYTES ? length - done : BEHIND_BYTES;
                r = transfer_by_hand(&transfer, buffer, COPY_BUFFER_BYTES);
                if (transfer.done == done)
                        break;
                sync_file_range(pump->to_fd, (off_t)(offset + done), (off_t)(transfer.done - done),
                                SYNC_FILE_RANGE_WRITE);
        }
        if (buffer != NULL)
                copy_buffer_give(buffer);
        return r < 0 && transfer.done == 0 ? r : (int64_t)transfer.done;
}

#ifdef FSOP_HAVE_URING

/* ---- rings ------------------------------------------------------------------------------------------------------- */

#define CHUNKS 8u
#define ENTRIES 32u
#define KEPT_MAX 2u
#define KERNEL_WORKERS 2u
#define TAG_BEHIND CHUNKS

struct ring {
        struct io_uring uring;
        uint8_t *memory; /* CHUNKS buffers, registered */
};

static struct {
        pthread_mutex_t lock;
        struct ring *kept[KEPT_MAX];
        uint32_t n;
        bool refused;   /* the kernel will give none */
        bool forbidden; /* nor are we to ask */
} rings = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void ring_free(struct ring *ring) {
        if (ring->uring.ring_fd >= 0)
                io_uring_queue_exit(&ring->uring);
        if (ring->memory != MAP_FAILED)
                munmap(ring->memory, CHUNKS * CHUNK_BYTES);
        free(ring);
}

static bool restrict_and_enable(struct ring *ring) {
        static const uint8_t opcodes[] = {IORING_OP_READ_FIXED, IORING_OP_WRITE_FIXED, IORING_OP_SYNC_FILE_RANGE};
        struct io_uring_restriction rows[sizeof(opcodes)] = {0};
        struct iovec buffers[CHUNKS];
        unsigned workers[2] = {KERNEL_WORKERS, KERNEL_WORKERS};

        io_uring_register_iowq_max_workers(&ring->uring, workers); /* best effort */
        for (unsigned i = 0; i < CHUNKS; i++)
                buffers[i] = (struct iovec){ring->memory + i * CHUNK_BYTES, CHUNK_BYTES};
        for (unsigned i = 0; i < sizeof(opcodes); i++)
                rows[i] = (struct io_uring_restriction){.opcode = IORING_RESTRICTION_SQE_OP, .sqe_op = opcodes[i]};
        /* liburing 2.3 has functions for the last two, but does not export them. */
        return io_uring_register_buffers(&ring->uring, buffers, CHUNKS) == 0 &&
               syscall(__NR_io_uring_register, ring->uring.ring_fd, IORING_REGISTER_RESTRICTIONS, rows,
                       sizeof(opcodes)) == 0 &&
               syscall(__NR_io_uring_register, ring->uring.ring_fd, IORING_REGISTER_ENABLE_RINGS, NULL, 0) == 0;
}

static struct ring *ring_new(void) {
        struct io_uring_params params = {.flags = IORING_SETUP_R_DISABLED | IORING_SETUP_COOP_TASKRUN |
                                                  IORING_SETUP_SUBMIT_ALL};
        struct ring *ring = calloc(1, sizeof(*ring));
        int r;

        if (ring == NULL)
                return NULL;
        ring->uring.ring_fd = -1;
        ring->memory = mmap(NULL, CHUNKS * CHUNK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        r = ring->memory == MAP_FAILED ? -ENOMEM : io_uring_queue_init_params(ENTRIES, &ring->uring, &params);
        if (r < 0)
                ring->uring.ring_fd = -1;
        else if (restrict_and_enable(ring))
                return ring;
        ring_free(ring);
        return NULL;
}

static struct ring *ring_take(void) {
        struct ring *ring = NULL;
        bool refused;

        pthread_mutex_lock(&rings.lock);
        if (rings.n > 0 && !rings.forbidden)
                ring = rings.kept[--rings.n];
        refused = rings.refused || rings.forbidden;
        pthread_mutex_unlock(&rings.lock);
        if (ring != NULL || refused)
                return ring;
        ring = ring_new();
        if (ring == NULL) {
                pthread_mutex_lock(&rings.lock);
                rings.refused = true;
                pthread_mutex_unlock(&rings.lock);
        }
        return ring;
}

static void ring_give(struct ring *ring) {
        pthread_mutex_lock(&rings.lock);
        if (rings.n < KEPT_MAX) {
                rings.kept[rings.n++] = ring;
                ring = NULL;
        }
        pthread_mutex_unlock(&rings.lock);
        if (ring != NULL)
                ring_free(ring);
}

void copy_pump_tidy(void) {
        pthread_mutex_lock(&rings.lock);
        while (rings.n > 0)
                ring_free(rings.kept[--rings.n]);
        rings.refused = false; /* it may have been for want of memory */
        pthread_mutex_unlock(&rings.lock);
}

void copy_pump_allow_ring(bool allow) {
        pthread_mutex_lock(&rings.lock);
        rings.forbidden = !allow;
        pthread_mutex_unlock(&rings.lock);
}

/* ---- a run on the ring ------------------------------------------------------------------------------------------- */

/* A piece on its way through a buffer. */
struct chunk {
        uint64_t offset;
        uint32_t length, done;
        bool busy, writing;
};

struct run {
        const struct copy_pump *pump;
        struct ring *ring;
        struct chunk chunks[CHUNKS];
        uint64_t next, end; /* to be read */
        uint64_t whole;     /* everything before it is copied, or on its way */
        uint64_t behind;    /* everything before it was sent to the disk */
        unsigned in_flight;
        int error;
        bool at_end; /* of the source */
};

static void submit(struct run *run, unsigned i) {
        struct chunk *chunk = &run->chunks[i];
        struct io_uring_sqe *sqe = io_uring_get_sqe(&run->ring->uring); /* there is room for all */
        uint8_t *data = run->ring->memory + i * CHUNK_BYTES + chunk->done;
        uint32_t left = chunk->length - chunk->done;

        if (chunk->writing)
                io_uring_prep_write_fixed(sqe, run->pump->to_fd, data, left, chunk->offset + chunk->done, (int)i);
        else
                io_uring_prep_read_fixed(sqe, run->pump->from_fd, data, left, chunk->offset + chunk->done, (int)i);
        sqe->user_data = i;
        run->in_flight++;
}

static void read_more(struct run *run) {
        for (unsigned i = 0; i < CHUNKS; i++) {
                uint64_t left = run->end - run->next;

                if (left == 0 || run->error != 0 || run->at_end || stopped(run->pump))
                        return;
                if (run->chunks[i].busy)
                        continue;
                run->chunks[i] = (struct chunk){.offset = run->next,
                                                .length = (uint32_t)(left < CHUNK_BYTES ? left : CHUNK_BYTES),
                                                .busy = true};
                run->next += run->chunks[i].length;
                submit(run, i);
        }
}

/* Nothing from OFFSET on counts as copied. */
static void give_up_from(struct run *run, uint64_t offset) {
        if (offset < run->whole)
                run->whole = offset;
}

static void chunk_failed(struct run *run, struct chunk *chunk, int error) {
        if (run->error == 0)
                run->error = error;
        give_up_from(run, chunk->offset);
        chunk->busy = false;
}

static void chunk_read(struct run *run, unsigned i) {
        struct chunk *chunk = &run->chunks[i];

        chunk->length = chunk->done;
        chunk->done = 0;
        chunk->writing = true;
        if (chunk->length > 0 && run->error == 0)
                submit(run, i);
        else
                chunk_failed(run, chunk, run->error);
}

static void complete(struct run *run, unsigned i, int result) {
        struct chunk *chunk = &run->chunks[i];

        if (result == -EINTR || result == -EAGAIN) {
                submit(run, i);
        } else if (result < 0) {
                chunk_failed(run, chunk, result);
        } else if (result == 0 && chunk->writing) {
                chunk_failed(run, chunk, -EIO);
        } else if (result == 0) {
                run->at_end = true;
                give_up_from(run, chunk->offset + chunk->done);
                chunk_read(run, i);
        } else {
                chunk->done += (uint32_t)result;
                if (chunk->done < chunk->length)
                        submit(run, i);
                else if (chunk->writing)
                        chunk->busy = false;
                else
                        chunk_read(run, i);
        }
}

static uint64_t written(const struct run *run) {
        uint64_t offset = run->next;

        for (unsigned i = 0; i < CHUNKS; i++)
                if (run->chunks[i].busy && run->chunks[i].offset < offset)
                        offset = run->chunks[i].offset;
        return offset;
}

static void write_behind(struct run *run) {
        uint64_t offset = written(run);
        struct io_uring_sqe *sqe;

        if (offset - run->behind < BEHIND_BYTES && offset < run->end)
                return;
        sqe = offset > run->behind ? io_uring_get_sqe(&run->ring->uring) : NULL;
        if (sqe == NULL)
                return;
        io_uring_prep_sync_file_range(sqe, run->pump->to_fd, (unsigned)(offset - run->behind), run->behind,
                                      SYNC_FILE_RANGE_WRITE);
        sqe->user_data = TAG_BEHIND;
        run->behind = offset;
        run->in_flight++;
}

/* False: the ring is broken, and what is in flight may still touch its buffers. */
static bool wait_for_one(struct run *run) {
        struct io_uring_cqe *cqe;
        int r;

        do
                r = io_uring_submit_and_wait(&run->ring->uring, 1);
        while (r == -EINTR || r == -EAGAIN || r == -EBUSY);
        if (r < 0)
                return false;
        while (io_uring_peek_cqe(&run->ring->uring, &cqe) == 0) {
                uint64_t tag = cqe->user_data;
                int result = cqe->res;

                io_uring_cqe_seen(&run->ring->uring, cqe);
                run->in_flight--;
                if (tag < CHUNKS)
                        complete(run, (unsigned)tag, result);
        }
        return true;
}

/* Ends with nothing in flight. */
static bool run_all(struct run *run) {
        for (;;) {
                read_more(run);
                if (run->in_flight == 0)
                        return true;
                if (!wait_for_one(run))
                        return false;
                write_behind(run);
        }
}

int64_t copy_pump(const struct copy_pump *pump, uint64_t offset, uint64_t length) {
        struct run run = {
                .pump = pump, .next = offset, .end = offset + length, .whole = offset + length, .behind = offset};

        run.ring = ring_take();
        if (run.ring == NULL)
                return by_hand(pump, offset, length);
        if (!run_all(&run)) {
                ring_free(run.ring); /* waits for what is in flight */
                return -EIO;
        }
        ring_give(run.ring);
        give_up_from(&run, run.next);
        return run.whole == offset && run.error < 0 ? run.error : (int64_t)(run.whole - offset);
}

#else

int64_t copy_pump(const struct copy_pump *pump, uint64_t offset, uint64_t length) {
        return by_hand(pump, offset, length);
}

void copy_pump_tidy(void) {
}

void copy_pump_allow_ring(bool allow) {
        (void)allow;
}

#endif
