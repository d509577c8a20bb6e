/* SPDX-License-Identifier: MIT */
/*
 * engine_uring.c: the io_uring engine. One ring, used by the loop thread alone (the thread that opened it), completed
 * only while that thread waits, and restricted before its first use to the opcodes of the tables here and in
 * engine_uring_file.c. What the ring cannot do goes to the pool.
 *
 * Submissions are collected and handed over by the next wait, in the same system call. There is no kernel thread that
 * polls: it could run with the daemon's own credentials.
 */
#include "backends/linux/engine_uring.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "backends/posix/errors.h"

#define SUBMISSIONS 256u
#define COMPLETIONS 1024u
#define REAP_MAX 512u /* completions of one wait, so that the pool has its turn */
#define SCRATCHES_KEPT 16u
#define KERNEL_WORKERS 4u
#define LOOKS_BETWEEN_CLOCKS 16u

/* user_data of submissions that are no io's. */
enum { TAG_WAKE = 1, TAG_CANCEL };

/* What the engine submits for itself and for sockets; the file operations have a table of their own. */
static const uint8_t opcodes[] = {
        IORING_OP_ACCEPT,       /* IO_ACCEPT, multishot */
        IORING_OP_RECVMSG,      /* IO_RECEIVE, multishot */
        IORING_OP_SEND,         /* IO_SEND */
        IORING_OP_SENDMSG,      /* IO_SEND with descriptors */
        IORING_OP_POLL_ADD,     /* IO_POLL */
        IORING_OP_READ,         /* the descriptor that wakes */
        IORING_OP_ASYNC_CANCEL, /* cancel */
};

/* What may still be registered once the ring runs. */
static const uint8_t registrations[] = {IORING_REGISTER_PERSONALITY, IORING_UNREGISTER_PERSONALITY};

static struct uring *uring_of(struct engine *engine) {
        return (struct uring *)engine;
}

/* ---- submissions ------------------------------------------------------------------------------------------------- */

struct io_uring_sqe *uring_sqe(struct uring *e) {
        struct io_uring_sqe *sqe = io_uring_get_sqe(&e->ring);

        if (!sqe) {
                uring_flush(e);
                sqe = io_uring_get_sqe(&e->ring);
        }
        return sqe;
}

/* Runs no done: completions are only looked at in wait. What the kernel does not take now, it gets then. */
void uring_flush(struct uring *e) {
        io_uring_submit(&e->ring);
}

struct scratch *uring_scratch(struct uring *e, struct io *io) {
        struct scratch *scratch = (struct scratch *)(uintptr_t)io->engine_word[WORD_SCRATCH];

        if (scratch)
                return scratch;
        scratch = e->scratches;
        if (scratch) {
                e->scratches = scratch->next;
                e->n_scratches--;
        } else {
                scratch = malloc(sizeof(*scratch));
        }
        io->engine_word[WORD_SCRATCH] = (uint64_t)(uintptr_t)scratch;
        return scratch;
}

static void drop_scratch(struct uring *e, struct io *io) {
        struct scratch *scratch = (struct scratch *)(uintptr_t)io->engine_word[WORD_SCRATCH];

        io->engine_word[WORD_SCRATCH] = 0;
        if (!scratch)
                return;
        if (e->n_scratches == SCRATCHES_KEPT) {
                free(scratch);
                return;
        }
        scratch->next = e->scratches;
        e->scratches = scratch;
        e->n_scratches++;
}

/* The result is known; done comes with the wait that is running, or the next one. */
static void make_ready(struct uring *e, struct io *io, int64_t result, int os_error) {
        drop_scratch(e, io);
        io->flags &= ~(unsigned)IO_MORE;
        io->result = result;
        io->os_error = os_error;
        io->engine_state = IO_STATE_READY;
        io_list_append(&e->ready, io);
}

int uring_finish(struct uring *e, struct io *io, int64_t result, int os_error) {
        if (io->engine_word[WORD_CANCELLED] == CANCEL_WAITS)
                io_list_remove(&e->cancels, io);
        drop_scratch(e, io);
        io->flags &= ~(unsigned)IO_MORE;
        io->result = result;
        io->os_error = os_error;
        io->engine_state = IO_STATE_IDLE;
        e->completed++;
        io->done(io);
        return 1;
}

int uring_report(struct uring *e, struct io *io, int64_t result) {
        io->flags |= IO_MORE;
        io->result = result;
        io->os_error = 0;
        e->completed++;
        io->done(io);
        return 1;
}

void uring_arm(struct uring *e, struct io *io) {
        struct io_uring_sqe prepared = {0}, *sqe;
        int error;

        error = uring_is_socket_io(io) ? uring_prepare_socket(e, io, &prepared) : uring_prepare_file(e, io, &prepared);
        if (error != 0) {
                make_ready(e, io, error_from_errno(error), error);
                return;
        }
        sqe = uring_sqe(e);
        if (!sqe) {
                io->engine_state = IO_STATE_BACKLOG;
                io_list_append(&e->backlog, io);
                return;
        }
        *sqe = prepared;
        sqe->user_data = (uint64_t)(uintptr_t)io;
        io->engine_state = IO_STATE_ARMED;
}

void uring_to_pool(struct uring *e, struct io *io) {
        drop_scratch(e, io);
        e->declined++;
        pool_submit(e->pool, io);
}

/* False: no room in the queue. */
static bool submit_cancel(struct uring *e, struct io *io) {
        struct io_uring_sqe *sqe = uring_sqe(e);

        if (!sqe)
                return false;
        io_uring_prep_cancel64(sqe, (uint64_t)(uintptr_t)io, 0);
        sqe->personality = e->service_personality;
        sqe->user_data = TAG_CANCEL;
        return true;
}

static void arm_wake(struct uring *e) {
        struct io_uring_sqe *sqe = e->wake_armed ? NULL : uring_sqe(e);

        if (!sqe)
                return;
        io_uring_prep_read(sqe, e->wake_fd, &e->wake_count, sizeof(e->wake_count), 0);
        sqe->personality = e->service_personality;
        sqe->user_data = TAG_WAKE;
        e->wake_armed = true;
}

/* What found no room before. */
static void submit_waiting(struct uring *e) {
        struct io *io;

        arm_wake(e);
        while ((io = e->cancels.first) && submit_cancel(e, io)) {
                io_list_remove(&e->cancels, io);
                io->engine_word[WORD_CANCELLED] = CANCEL_SENT;
        }
        while (e->backlog.first && io_uring_sq_space_left(&e->ring) > 0)
                uring_arm(e, io_list_take(&e->backlog));
}

/* Nearly always there is room: a send at once spares the ring a round. */
static void submit_send(struct uring *e, struct io *io) {
        int64_t result;
        int error;

        if (io->u.send.n_fds > SOCKET_FDS_MAX ||
            !socket_send_some(io, &io->engine_word[WORD_PROGRESS], &result, &error))
                uring_arm(e, io);
        else if (socket_end_at_once(io, result, error))
                e->completed++;
        else
                make_ready(e, io, result, error);
}

static void uring_submit(struct engine *engine, struct io *first) {
        struct uring *e = uring_of(engine);
        bool run = first->kind == IO_RUN && !(first->flags & IO_POOL);
        bool ring = uring_is_socket_io(first) || (first->kind == IO_RUN && uring_takes_file(e, first));

        for (struct io *io = first; io; io = io->chain)
                e->submitted++;
        if (ring) {
                memset(first->engine_word, 0, sizeof(first->engine_word));
                if (first->kind == IO_SEND)
                        submit_send(e, first);
                else
                        uring_arm(e, first);
        } else if (first->kind == IO_RESOLVE || first->kind == IO_RUN || first->kind == IO_CALL) {
                e->declined += run;
                pool_submit(e->pool, first);
        } else {
                memset(first->engine_word, 0, sizeof(first->engine_word));
                make_ready(e, first, -FSOP_EINVAL, 0);
        }
}

static void uring_cancel(struct engine *engine, struct io *io) {
        struct uring *e = uring_of(engine);

        switch (io->engine_state) {
        case IO_STATE_POOL:
                pool_cancel(e->pool, io);
                return;
        case IO_STATE_BACKLOG:
                io_list_remove(&e->backlog, io);
                make_ready(e, io, -FSOP_ECANCELED, 0);
                return;
        case IO_STATE_ARMED:
                if (io->engine_word[WORD_CANCELLED])
                        return;
                io->engine_word[WORD_CANCELLED] = CANCEL_SENT;
                if (!submit_cancel(e, io)) {
                        io->engine_word[WORD_CANCELLED] = CANCEL_WAITS;
                        io_list_append(&e->cancels, io);
                }
                return;
        default:
                return;
        }
}

/* ---- the loop ---------------------------------------------------------------------------------------------------- */

static void uring_wake(struct engine *engine) {
        struct uring *e = uring_of(engine);
        uint64_t one = 1;
        int saved = errno; /* it may run in a signal handler */

        if (__atomic_exchange_n(&e->wake_pending, 1, __ATOMIC_SEQ_CST) == 0)
                while (write(e->wake_fd, &one, sizeof(one)) < 0 && errno == EINTR)
                        ;
        errno = saved;
}

static void pool_wakes(void *userdata) {
        uring_wake(userdata);
}

static int deliver(struct uring *e) {
        pool_take(e->pool, &e->ready);
        unsigned n = io_list_deliver(&e->ready);
        e->completed += n;
        return (int)n;
}

static int complete(struct uring *e, const struct io_uring_cqe *cqe) {
        struct io *io = (struct io *)(uintptr_t)cqe->user_data;

        switch (cqe->user_data) {
        case TAG_WAKE:
                e->wake_armed = false;
                __atomic_store_n(&e->wake_pending, 0, __ATOMIC_SEQ_CST);
                arm_wake(e);
                return 0;
        case TAG_CANCEL:
                return 0;
        default:
                return uring_is_socket_io(io) ? uring_complete_socket(e, io, cqe->res, cqe->flags)
                                              : uring_complete_file(e, io, cqe->res);
        }
}

/* What has completed, without asking the kernel for more. */
static int reap(struct uring *e) {
        unsigned ready = io_uring_cq_ready(&e->ring);
        struct io_uring_cqe *cqe, copy;
        int n = 0;

        if (ready > REAP_MAX)
                ready = REAP_MAX;
        for (; ready > 0 && io_uring_peek_cqe(&e->ring, &cqe) == 0; ready--) {
                copy.user_data = cqe->user_data;
                copy.res = cqe->res;
                copy.flags = cqe->flags;
                io_uring_cqe_seen(&e->ring, cqe);
                n += complete(e, &copy);
        }
        return n;
}

/* Whether the kernel has anything to do for us: what is queued is to be taken, or completions are to be made. */
static bool is_worth_entering(const struct uring *e) {
        return io_uring_sq_ready(&e->ring) > 0 || (__atomic_load_n(e->ring.sq.kflags, __ATOMIC_RELAXED) &
                                                   (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW)) != 0;
}

static inline void cpu_relax(void) {
#if defined(__x86_64__) || defined(__i386__)
        __builtin_ia32_pause();
#elif defined(__aarch64__)
        __asm__ volatile("yield");
#endif
}

/* Hands over what is queued and waits up to timeout_ms (-1: for ever) for a completion. */
static int enter(struct uring *e, int timeout_ms) {
        struct __kernel_timespec timeout = {.tv_sec = timeout_ms / 1000, .tv_nsec = timeout_ms % 1000 * 1000000ll};
        struct io_uring_cqe *cqe;
        int r;

        if (timeout_ms == 0 && !is_worth_entering(e))
                return 0;
        if (timeout_ms == 0)
                r = io_uring_submit_and_get_events(&e->ring);
        else if (timeout_ms < 0)
                r = io_uring_submit_and_wait(&e->ring, 1);
        else
                r = io_uring_submit_and_wait_timeout(&e->ring, &cqe, 1, &timeout, NULL);
        /* EBUSY, EAGAIN: not everything was taken; what is complete is to be reaped first. */
        if (r >= 0 || r == -ETIME || r == -EINTR || r == -EBUSY || r == -EAGAIN)
                return 0;
        return error_from_errno(-r);
}

/* Looks for a moment whether something comes, without a system call: the kernel tells of its work in the memory of the
 * ring. */
static bool look(struct uring *e) {
        uint64_t end = sys_monotonic_ns() + e->spin.ns;
        bool found = false;

        if (io_uring_sq_ready(&e->ring) > 0)
                uring_flush(e);
        do
                for (unsigned i = 0; i < LOOKS_BETWEEN_CLOCKS && !found; i++) {
                        cpu_relax();
                        found = io_uring_cq_ready(&e->ring) > 0 || is_worth_entering(e);
                }
        while (!found && sys_monotonic_ns() < end);
        spin_looked(&e->spin, found);
        return found;
}

/* Sleeps until something completes; not at all when it comes while one still looks. Workers at work may need the
 * processor. */
static int enter_idle(struct uring *e, int timeout_ms) {
        uint64_t begin;
        int r;

        if (timeout_ms == 0 || e->spin.ns == 0 || pool_outstanding(e->pool) > 0)
                return enter(e, timeout_ms);
        if (e->spin.on)
                return enter(e, look(e) ? 0 : timeout_ms);
        begin = sys_monotonic_ns();
        r = enter(e, timeout_ms);
        spin_slept(&e->spin, sys_monotonic_ns() - begin);
        return r;
}

static int uring_wait(struct engine *engine, int timeout_ms) {
        struct uring *e = uring_of(engine);
        int done = deliver(e);

        e->looked = timeout_ms == 0 ||
                    !(done > 0 && e->looked); /* every second time at the latest; at once for who cannot wait */
        if (!e->looked)
                return done;
        submit_waiting(e);
        bool idle = done == 0 && !e->ready.first && io_uring_cq_ready(&e->ring) == 0;
        int r = idle ? enter_idle(e, pool_falls_asleep(e->pool, timeout_ms)) : enter(e, 0);
        pool_awake(e->pool);
        if (r < 0)
                return r;
        done += reap(e);
        done += deliver(e);
        if (pool_outstanding(e->pool) > 0)
                pool_tick(e->pool, sys_monotonic_ms());
        return done;
}

static void uring_stats(struct engine *engine, struct engine_stats *ret_stats) {
        struct uring *e = uring_of(engine);

        *ret_stats =
                (struct engine_stats){.submitted = e->submitted, .completed = e->completed, .declined = e->declined};
        pool_stats(e->pool, ret_stats);
}

/* ---- open and close ---------------------------------------------------------------------------------------------- */

static const char *why_not(int os_error) {
        switch (os_error) {
        case EPERM:
        case EACCES:
                return "it is not permitted here (kernel.io_uring_disabled, or a seccomp filter)";
        case ENOSYS:
                return "this kernel was built without it, or a seccomp filter hides it";
        case EINVAL:
                return "this kernel lacks what is needed of it (Linux 6.1)";
        case ENOMEM:
                return "there is no memory for it, or RLIMIT_MEMLOCK is too small";
        default:
                return "it could not be set up";
        }
}

static int open_ring(struct uring *e, const char **ret_why) {
        struct io_uring_params params = {
                .flags = IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP | IORING_SETUP_SUBMIT_ALL | IORING_SETUP_R_DISABLED |
                         IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG,
                .cq_entries = COMPLETIONS,
        };
        unsigned workers[2] = {KERNEL_WORKERS, KERNEL_WORKERS};
        int r = io_uring_queue_init_params(SUBMISSIONS, &e->ring, &params);

        if (r < 0) {
                *ret_why = why_not(-r);
                return error_from_errno(-r);
        }
        e->ring_is_open = true;
        /* Best effort: without it the ring works, with more kernel threads or one look-up more. */
        io_uring_register_iowq_max_workers(&e->ring, workers);
        io_uring_register_ring_fd(&e->ring);
        return 0;
}

static bool knows(const struct io_uring_probe *probe, uint8_t opcode) {
        return opcode < probe->ops_len && probe->ops[opcode].flags & IO_URING_OP_SUPPORTED;
}

/* The ring accepts from now on only the opcodes and registrations that stand here. Then it begins to work. */
static int restrict_and_enable(struct uring *e, const uint8_t *allowed, unsigned n_allowed, const char **ret_why) {
        struct io_uring_restriction rows[URING_OPCODES_MAX + sizeof(registrations) + 1] = {0};
        unsigned n = 0;

        for (unsigned i = 0; i < n_allowed; i++)
                rows[n++] = (struct io_uring_restriction){.opcode = IORING_RESTRICTION_SQE_OP, .sqe_op = allowed[i]};
        for (unsigned i = 0; i < sizeof(registrations); i++)
                rows[n++] = (struct io_uring_restriction){.opcode = IORING_RESTRICTION_REGISTER_OP,
                                                          .register_op = registrations[i]};
        rows[n++] = (struct io_uring_restriction){.opcode = IORING_RESTRICTION_SQE_FLAGS_ALLOWED,
                                                  .sqe_flags = IOSQE_BUFFER_SELECT};
        /* liburing 2.3 has functions for these two, but does not export them. */
        if (syscall(__NR_io_uring_register, e->ring.ring_fd, IORING_REGISTER_RESTRICTIONS, rows, n) < 0 ||
            syscall(__NR_io_uring_register, e->ring.ring_fd, IORING_REGISTER_ENABLE_RINGS, NULL, 0) < 0) {
                *ret_why = why_not(errno);
                return error_from_errno(errno);
        }
        return 0;
}

unsigned uring_opcodes(uint8_t *ret_opcodes) {
        memcpy(ret_opcodes, opcodes, sizeof(opcodes));
        return uring_file_opcodes(ret_opcodes, sizeof(opcodes));
}

static int allow_opcodes(struct uring *e, const char **ret_why) {
        uint8_t allowed[URING_OPCODES_MAX];
        unsigned n = uring_opcodes(allowed);
        struct io_uring_probe *probe = io_uring_get_probe_ring(&e->ring);
        int r = -FSOP_ENOSYS;

        *ret_why = why_not(EINVAL);
        if (!probe)
                return r;
        for (unsigned i = 0; i < n; i++)
                if (!knows(probe, allowed[i]))
                        goto finish;
        r = restrict_and_enable(e, allowed, n, ret_why);
finish:
        io_uring_free_probe(probe);
        return r;
}

static int open_parts(struct uring *e, const struct engine_config *config, const char **ret_why) {
        struct pool_config pool = {.workers = config->workers,
                                   .workers_extra_max = config->workers_extra_max,
                                   .wake = pool_wakes,
                                   .userdata = e,
                                   .log = config->log};
        int r;

        *ret_why = "no memory or descriptors are left";
        e->wake_fd = eventfd(0, EFD_CLOEXEC); /* blocking: the ring would answer EAGAIN otherwise */
        if (e->wake_fd < 0)
                return error_from_errno(errno);
        r = pool_new(&pool, &e->pool);
        if (r < 0)
                return r;
        r = open_ring(e, ret_why);
        if (r < 0)
                return r;
        r = uring_buffers_open(e, ret_why);
        if (r < 0)
                return r;
        r = uring_identities_open(e, ret_why);
        if (r < 0)
                return r;
        return allow_opcodes(e, ret_why);
}

static void uring_close(struct engine *engine) {
        struct uring *e = uring_of(engine);
        struct scratch *scratch;

        if (e->pool)
                pool_close(e->pool);
        uring_identities_close(e);
        if (e->ring_is_open)
                io_uring_queue_exit(&e->ring);
        uring_buffers_close(e);
        if (e->wake_fd >= 0)
                close(e->wake_fd);
        while ((scratch = e->scratches)) {
                e->scratches = scratch->next;
                free(scratch);
        }
        free(e);
}

static int uring_open(const struct engine_config *config, struct engine **ret_engine, const char **ret_why) {
        struct uring *e = calloc(1, sizeof(*e));

        if (!e) {
                *ret_why = "out of memory";
                return -FSOP_ENOMEM;
        }
        e->engine.ops = &engine_uring;
        spin_init(&e->spin, config->spin_us);
        e->wake_fd = -1;
        int r = open_parts(e, config, ret_why);
        if (r < 0) {
                uring_close(&e->engine);
                return r;
        }
        *ret_engine = &e->engine;
        return 0;
}

const struct engine_ops engine_uring = {
        .name = "uring",
        .open = uring_open,
        .submit = uring_submit,
        .wait = uring_wait,
        .cancel = uring_cancel,
        .wake = uring_wake,
        .stats = uring_stats,
        .close = uring_close,
};
