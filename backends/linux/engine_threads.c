/* SPDX-License-Identifier: MIT */
/*
 * engine_threads.c: the engine where io_uring is not to be had. Sockets through epoll, level-triggered, with calls that
 * never block; everything else on the pool.
 *
 * What a cancel finds unread stays in its socket. A send is tried at once, inside submit; where that was not asked for,
 * its done comes with the next wait. A socket has at most one reader (accept or receive) and one IO_SEND at a time.
 *
 * IO_POLL goes through poll(2) beside epoll: reading the state of a mount table forgets it, and epoll reads it twice.
 */
#include "backends/engine.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "backends/linux/engine_sockets.h"
#include "backends/pool/pool.h"
#include "backends/posix/errors.h"
#include "proto/spin.h"

#define RECEIVE_BYTES (64u << 10)
#define EVENTS_MAX 64

/* What is wanted of one descriptor. */
struct watch {
        struct io *in, *out;
        uint32_t events; /* as epoll has it; 0: epoll does not know the descriptor */
};

struct threads_engine {
        struct engine engine;
        struct pool *pool;
        int epoll_fd, wake_fd;
        int wake_pending; /* atomic: wake_fd was written and not read yet */
        bool looked, woken;
        struct spin spin;
        struct watch *watches; /* by descriptor */
        size_t n_watches;
        struct io_list ready;
        struct io_list polls;
        uint32_t n_polls, polls_room;
        struct pollfd *poll_fds; /* the first one is epoll itself */
        uint8_t *buffer;
        os_fd fds[SOCKET_FDS_MAX];
        struct socket_control control;
        uint64_t submitted, completed, declined;
};

static struct threads_engine *threads_engine(struct engine *engine) {
        return (struct threads_engine *)engine;
}

/* ---- completing ------------------------------------------------------------------------------------------------- */

static void set_result(struct io *io, int64_t result, int os_error) {
        io->flags &= ~(unsigned)IO_MORE;
        io->result = result;
        io->os_error = os_error;
}

/* The result is known; done comes with the wait that is running, or the next one. */
static void make_ready(struct threads_engine *e, struct io *io, int64_t result, int os_error) {
        set_result(io, result, os_error);
        io->engine_state = IO_STATE_READY;
        io_list_append(&e->ready, io);
}

static void make_failed(struct threads_engine *e, struct io *io, int os_error) {
        make_ready(e, io, error_from_errno(os_error), os_error);
}

static int deliver(struct threads_engine *e) {
        pool_take(e->pool, &e->ready);
        unsigned n = io_list_deliver(&e->ready);
        e->completed += n;
        return (int)n;
}

/* ---- watches ----------------------------------------------------------------------------------------------------- */

static struct watch *watch_of(struct threads_engine *e, os_fd fd) {
        size_t n = e->n_watches ? e->n_watches : 64;
        struct watch *grown;

        if (fd < 0)
                return NULL;
        if ((size_t)fd < e->n_watches)
                return &e->watches[fd];
        while (n <= (size_t)fd)
                n *= 2;
        grown = realloc(e->watches, n * sizeof(*grown));
        if (!grown)
                return NULL;
        memset(grown + e->n_watches, 0, (n - e->n_watches) * sizeof(*grown));
        e->watches = grown;
        e->n_watches = n;
        return &e->watches[fd];
}

/* Tells epoll what the watch wants now. 0 or an errno. */
static int update_watch(struct threads_engine *e, os_fd fd) {
        struct watch *watch = &e->watches[fd];
        uint32_t wanted = (watch->in ? EPOLLIN | EPOLLRDHUP : 0) | (watch->out ? EPOLLOUT : 0);
        struct epoll_event event = {.events = wanted, .data.fd = (int)fd};
        int operation = !wanted ? EPOLL_CTL_DEL : watch->events ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, r;

        if (wanted == watch->events)
                return 0;
        r = epoll_ctl(e->epoll_fd, operation, (int)fd, &event);
        if (r < 0 && operation == EPOLL_CTL_ADD && errno == EEXIST) /* it could not be taken out last time */
                r = epoll_ctl(e->epoll_fd, EPOLL_CTL_MOD, (int)fd, &event);
        if (r < 0) {
                if (operation == EPOLL_CTL_DEL)
                        watch->events = 0;
                return errno;
        }
        watch->events = wanted;
        return 0;
}

/* The io is over as far as epoll is concerned. */
static void drop_watch(struct threads_engine *e, struct io *io, os_fd fd) {
        struct watch *watch = &e->watches[fd];

        if (watch->in == io)
                watch->in = NULL;
        if (watch->out == io)
                watch->out = NULL;
        update_watch(e, fd);
}

static void submit_reader(struct threads_engine *e, struct io *io, os_fd fd) {
        struct watch *watch = watch_of(e, fd);
        int error;

        if (!watch || watch->in) {
                make_failed(e, io, watch ? EBUSY : fd < 0 ? EBADF : ENOMEM);
                return;
        }
        watch->in = io;
        io->engine_state = IO_STATE_ARMED;
        error = update_watch(e, fd);
        if (error != 0) {
                watch->in = NULL;
                make_failed(e, io, error);
        }
}

/* ---- sockets ----------------------------------------------------------------------------------------------------- */

/* One event of an io that goes on, or its last one; done runs here, the data is borrowed. */
static int report(struct threads_engine *e, struct io *io, os_fd fd, int64_t result, int os_error, bool more) {
        if (!more)
                drop_watch(e, io, fd);
        set_result(io, result, os_error);
        if (more)
                io->flags |= IO_MORE;
        else
                io->engine_state = IO_STATE_IDLE;
        e->completed++;
        io->done(io);
        return 1;
}

static int accept_one(struct threads_engine *e, struct io *io) {
        os_fd fd = io->u.accept.fd;
        int r = accept4((int)fd, NULL, NULL, SOCK_CLOEXEC);

        if (r >= 0)
                return report(e, io, fd, r, 0, true);
        if (socket_error_passes(errno))
                return 0;
        return report(e, io, fd, error_from_errno(errno), errno, false);
}

static int receive_once(struct threads_engine *e, struct io *io) {
        os_fd fd = io->u.receive.fd;
        struct iovec part = {.iov_base = e->buffer, .iov_len = RECEIVE_BYTES};
        struct msghdr message = {
                .msg_iov = &part, .msg_iovlen = 1, .msg_control = &e->control, .msg_controllen = sizeof(e->control)};
        ssize_t n = recvmsg((int)fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

        if (n < 0 && socket_error_passes(errno))
                return 0;
        if (n < 0)
                return report(e, io, fd, error_from_errno(errno), errno, false);
        io->flags &= ~(unsigned)IO_FDS_LOST;
        if (message.msg_flags & MSG_CTRUNC)
                io->flags |= IO_FDS_LOST;
        io->u.receive.data = e->buffer;
        io->u.receive.fds = e->fds;
        io->u.receive.n_fds = socket_take_fds(&message, e->fds);
        return report(e, io, fd, n, 0, n > 0);
}

static void submit_send(struct threads_engine *e, struct io *io) {
        struct watch *watch = watch_of(e, io->u.send.fd);
        int64_t result;
        int error;

        io->engine_word[0] = 0;
        if (!watch || watch->out || io->u.send.n_fds > SOCKET_FDS_MAX) {
                make_failed(e, io, watch ? watch->out ? EBUSY : EINVAL : ENOMEM);
                return;
        }
        if (socket_send_some(io, &io->engine_word[0], &result, &error)) {
                if (socket_end_at_once(io, result, error))
                        e->completed++;
                else
                        make_ready(e, io, result, error);
                return;
        }
        watch->out = io;
        io->engine_state = IO_STATE_ARMED;
        error = update_watch(e, io->u.send.fd);
        if (error != 0) {
                watch->out = NULL;
                make_failed(e, io, error);
        }
}

static int send_more(struct threads_engine *e, struct io *io) {
        int64_t result;
        int error;

        if (!socket_send_some(io, &io->engine_word[0], &result, &error))
                return 0;
        return report(e, io, io->u.send.fd, result, error, false);
}

static int handle_event(struct threads_engine *e, const struct epoll_event *event) {
        os_fd fd = event->data.fd;
        int n = 0;

        if (e->watches[fd].out && event->events & (EPOLLOUT | EPOLLERR | EPOLLHUP))
                n += send_more(e, e->watches[fd].out);
        struct io *in = e->watches[fd].in; /* only now: done may have changed it */
        if (in && event->events & (EPOLLIN | EPOLLRDHUP | EPOLLERR | EPOLLHUP))
                n += in->kind == IO_ACCEPT ? accept_one(e, in) : receive_once(e, in);
        return n;
}

/* ---- polls ------------------------------------------------------------------------------------------------------- */

static void submit_poll(struct threads_engine *e, struct io *io) {
        if (io->u.poll.fd < 0) { /* poll would pass over it */
                make_failed(e, io, EBADF);
                return;
        }
        if (e->n_polls + 2 > e->polls_room) {
                uint32_t room = e->polls_room * 2;
                struct pollfd *grown = realloc(e->poll_fds, room * sizeof(*grown));

                if (!grown) {
                        make_failed(e, io, ENOMEM);
                        return;
                }
                e->poll_fds = grown;
                e->polls_room = room;
        }
        io->engine_state = IO_STATE_ARMED;
        io->engine_word[0] = (uint64_t)socket_poll_events(io->u.poll.fd);
        io_list_append(&e->polls, io);
        e->n_polls++;
}

static void drop_poll(struct threads_engine *e, struct io *io) {
        io_list_remove(&e->polls, io);
        e->n_polls--;
}

/* Waits for polls and epoll at once. True: epoll has something. */
static bool wait_for_polls(struct threads_engine *e, int timeout_ms) {
        uint32_t n = 0;

        e->poll_fds[n++] = (struct pollfd){.fd = e->epoll_fd, .events = POLLIN};
        for (struct io *io = e->polls.first; io; io = io->next)
                e->poll_fds[n++] = (struct pollfd){.fd = (int)io->u.poll.fd, .events = (short)io->engine_word[0]};
        if (poll(e->poll_fds, n, timeout_ms) <= 0)
                return false;
        n = 1;
        for (struct io *io = e->polls.first, *next; io; io = next, n++) {
                next = io->next;
                if (!e->poll_fds[n].revents)
                        continue;
                drop_poll(e, io);
                if (e->poll_fds[n].revents & POLLNVAL)
                        make_failed(e, io, EBADF);
                else
                        make_ready(e, io, 0, 0);
        }
        return e->poll_fds[0].revents != 0;
}

/* ---- the engine -------------------------------------------------------------------------------------------------- */

static void threads_wake(struct engine *engine) {
        struct threads_engine *e = threads_engine(engine);
        uint64_t one = 1;
        int saved = errno; /* it may run in a signal handler */

        if (__atomic_exchange_n(&e->wake_pending, 1, __ATOMIC_SEQ_CST) == 0)
                while (write(e->wake_fd, &one, sizeof(one)) < 0 && errno == EINTR)
                        ;
        errno = saved;
}

static void pool_wakes(void *userdata) {
        threads_wake(userdata);
}

static void take_wake(struct threads_engine *e) {
        uint64_t count;

        e->woken = true;
        if (read(e->wake_fd, &count, sizeof(count)) > 0)
                __atomic_store_n(&e->wake_pending, 0, __ATOMIC_SEQ_CST);
}

static void threads_submit(struct engine *engine, struct io *first) {
        struct threads_engine *e = threads_engine(engine);
        struct io *io = first;
        int flags;

        do
                e->submitted++;
        while ((io = io->chain));
        switch (first->kind) {
        case IO_ACCEPT:
                flags = fcntl((int)first->u.accept.fd, F_GETFL);
                if (flags >= 0 && !(flags & O_NONBLOCK))
                        fcntl((int)first->u.accept.fd, F_SETFL, flags | O_NONBLOCK);
                submit_reader(e, first, first->u.accept.fd);
                return;
        case IO_RECEIVE:
                submit_reader(e, first, first->u.receive.fd);
                return;
        case IO_SEND:
                submit_send(e, first);
                return;
        case IO_POLL:
                submit_poll(e, first);
                return;
        case IO_RUN:
                e->declined += !(first->flags & IO_POOL);
                pool_submit(e->pool, first);
                return;
        case IO_RESOLVE:
        case IO_CALL:
                pool_submit(e->pool, first);
                return;
        default:
                make_failed(e, first, EINVAL);
        }
}

static void threads_cancel(struct engine *engine, struct io *io) {
        struct threads_engine *e = threads_engine(engine);

        if (io->engine_state == IO_STATE_POOL) {
                pool_cancel(e->pool, io);
                return;
        }
        if (io->engine_state != IO_STATE_ARMED)
                return;
        if (io->kind == IO_POLL)
                drop_poll(e, io);
        else
                drop_watch(e, io,
                           io->kind == IO_ACCEPT    ? io->u.accept.fd
                           : io->kind == IO_RECEIVE ? io->u.receive.fd
                                                    : io->u.send.fd);
        make_ready(e, io, -FSOP_ECANCELED, 0);
}

/* One look at everything, waiting up to timeout_ms. */
static int gather(struct threads_engine *e, int timeout_ms) {
        struct epoll_event events[EVENTS_MAX];
        int done = 0;

        if (e->polls.first) {
                if (!wait_for_polls(e, timeout_ms))
                        return 0;
                timeout_ms = 0;
        }
        int n = epoll_wait(e->epoll_fd, events, EVENTS_MAX, timeout_ms);
        if (n < 0)
                return errno == EINTR ? 0 : error_from_errno(errno);
        for (int i = 0; i < n; i++)
                if (events[i].data.fd == e->wake_fd)
                        take_wake(e);
        for (int i = 0; i < n; i++)
                if (events[i].data.fd != e->wake_fd)
                        done += handle_event(e, &events[i]);
        return done;
}

/* Looks for a moment whether something comes; *ret_n: what gather says of it. */
static bool look(struct threads_engine *e, int *ret_n) {
        uint64_t end = sys_monotonic_ns() + e->spin.ns;
        bool found;

        e->woken = false;
        do {
                *ret_n = gather(e, 0);
                found = *ret_n != 0 || e->woken || e->ready.first;
        } while (!found && sys_monotonic_ns() < end);
        spin_looked(&e->spin, found);
        return found;
}

/* Sleeps until there is something to gather; not at all when it comes while one still looks. Workers at work may need
 * the processor. */
static int gather_idle(struct threads_engine *e, int timeout_ms) {
        uint64_t begin;
        int n;

        if (timeout_ms == 0 || e->spin.ns == 0 || pool_outstanding(e->pool) > 0)
                return gather(e, timeout_ms);
        if (e->spin.on)
                return look(e, &n) ? n : gather(e, timeout_ms);
        begin = sys_monotonic_ns();
        n = gather(e, timeout_ms);
        spin_slept(&e->spin, sys_monotonic_ns() - begin);
        return n;
}

static int threads_wait(struct engine *engine, int timeout_ms) {
        struct threads_engine *e = threads_engine(engine);
        int done = deliver(e);

        e->looked = timeout_ms == 0 ||
                    !(done > 0 && e->looked); /* every second time at the latest; at once for who cannot wait */
        if (!e->looked)
                return done;
        int n = done > 0 || e->ready.first ? gather(e, 0) : gather_idle(e, pool_falls_asleep(e->pool, timeout_ms));
        pool_awake(e->pool);
        if (n < 0)
                return n;
        done += n + deliver(e);
        if (pool_outstanding(e->pool) > 0)
                pool_tick(e->pool, sys_monotonic_ms());
        return done;
}

static void threads_stats(struct engine *engine, struct engine_stats *ret_stats) {
        struct threads_engine *e = threads_engine(engine);

        *ret_stats =
                (struct engine_stats){.submitted = e->submitted, .completed = e->completed, .declined = e->declined};
        pool_stats(e->pool, ret_stats);
}

static void threads_close(struct engine *engine) {
        struct threads_engine *e = threads_engine(engine);

        if (e->pool)
                pool_close(e->pool);
        if (e->epoll_fd >= 0)
                close(e->epoll_fd);
        if (e->wake_fd >= 0)
                close(e->wake_fd);
        free(e->watches);
        free(e->poll_fds);
        free(e->buffer);
        free(e);
}

static int open_parts(struct threads_engine *e, const struct engine_config *config) {
        struct pool_config pool = {.workers = config->workers,
                                   .workers_extra_max = config->workers_extra_max,
                                   .wake = pool_wakes,
                                   .userdata = e,
                                   .log = config->log};
        struct epoll_event event = {.events = EPOLLIN};

        e->polls_room = 4;
        e->poll_fds = calloc(e->polls_room, sizeof(*e->poll_fds));
        e->buffer = malloc(RECEIVE_BYTES);
        if (!e->poll_fds || !e->buffer)
                return -FSOP_ENOMEM;
        e->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
        e->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (e->epoll_fd < 0 || e->wake_fd < 0)
                return error_from_errno(errno);
        event.data.fd = e->wake_fd;
        if (epoll_ctl(e->epoll_fd, EPOLL_CTL_ADD, e->wake_fd, &event) < 0)
                return error_from_errno(errno);
        return pool_new(&pool, &e->pool);
}

static int threads_open(const struct engine_config *config, struct engine **ret_engine, const char **ret_why) {
        struct threads_engine *e = calloc(1, sizeof(*e));

        if (!e) {
                *ret_why = "out of memory";
                return -FSOP_ENOMEM;
        }
        e->engine.ops = &engine_threads;
        spin_init(&e->spin, config->spin_us);
        e->epoll_fd = e->wake_fd = -1;
        int r = open_parts(e, config);
        if (r < 0) {
                *ret_why = "epoll, eventfd or memory is not to be had";
                threads_close(&e->engine);
                return r;
        }
        *ret_engine = &e->engine;
        return 0;
}

const struct engine_ops engine_threads = {
        .name = "threads",
        .open = threads_open,
        .submit = threads_submit,
        .wait = threads_wait,
        .cancel = threads_cancel,
        .wake = threads_wake,
        .stats = threads_stats,
        .close = threads_close,
};
