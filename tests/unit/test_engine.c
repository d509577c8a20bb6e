/* SPDX-License-Identifier: MIT */
/*
 * test_engine.c: the contract of engine.h, against both engines of this platform. Every test runs once with each; every
 * submit and cancel goes through a wrapper that would notice a done inside it.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backends/engine.h"
#include "backends/linux/engine_sockets.h"

#if __has_include(<liburing.h>)
#include "backends/linux/engine_uring.h"
#define HAVE_LIBURING 1
#endif

static const char *const names[] = {"threads", "uring"};
#define ENGINES 2

static struct engine *engine;
static bool inside; /* submit or cancel */

static void quiet(int level, const char *message) {
        (void)level;
        (void)message;
}

/* NULL: this machine has no such engine, and the test has nothing to say. */
static struct engine *open_engine(int which, uint32_t workers) {
        struct engine_config config = {.workers = workers, .workers_extra_max = 2, .log = quiet};
        struct sys_config sys = {.private_service = geteuid() != 0, .log = quiet};
        const char *why = "?";
        bool own_root;

        ck_assert_int_eq(sys_start(&sys, &own_root), 0);
        int r = engine_open(names[which], &config, &engine, &why);
        if (r < 0 && which == 1) {
                printf("SKIP: uring: %s\n", why);
                return NULL;
        }
        ck_assert_msg(r == 0, "%s: %s", names[which], why);
        ck_assert_str_eq(engine->ops->name, names[which]);
        return engine;
}

#define OPEN_OR_RETURN(workers)                                                                                        \
        do {                                                                                                           \
                if (!open_engine(_i, workers))                                                                         \
                        return;                                                                                        \
        } while (0)

static void close_engine(void) {
        engine->ops->close(engine);
        engine = NULL;
        sys_stop();
}

static void submit(struct io *io) {
        inside = true;
        engine->ops->submit(engine, io);
        inside = false;
}

static void cancel(struct io *io) {
        inside = true;
        engine->ops->cancel(engine, io);
        inside = false;
}

/* What became of one io. */
struct tally {
        unsigned calls, last; /* done, and done without IO_MORE */
        int64_t result, total;
        unsigned flags;
        uint8_t *data; /* what was received, if there is room for it */
        size_t room;
        os_fd fds[SOCKET_FDS_MAX + 1];
        uint32_t n_fds;
        unsigned *order, when; /* counts up with every done that shares it */
};

static void tally_done(struct io *io) {
        struct tally *tally = io->owner;

        ck_assert_msg(!inside, "done ran inside submit or cancel");
        ck_assert_msg(tally->last == 0, "done ran after the last done");
        tally->calls++;
        tally->result = io->result;
        tally->flags = io->flags;
        if (tally->order)
                tally->when = ++*tally->order;
        if (!(io->flags & IO_MORE))
                tally->last++;
        if (io->kind == IO_RECEIVE && io->result > 0) {
                if (tally->data) {
                        ck_assert_uint_le((size_t)(tally->total + io->result), tally->room);
                        memcpy(tally->data + tally->total, io->u.receive.data, (size_t)io->result);
                }
                for (uint32_t i = 0; i < io->u.receive.n_fds; i++)
                        tally->fds[tally->n_fds++] = io->u.receive.fds[i];
        }
        if (io->result > 0)
                tally->total += io->result;
}

static struct io io_for(enum io_kind kind, struct tally *tally) {
        return (struct io){.kind = kind, .done = tally_done, .owner = tally};
}

static struct io receive_io(int fd, struct tally *tally) {
        struct io io = io_for(IO_RECEIVE, tally);

        io.u.receive.fd = fd;
        return io;
}

static struct io send_io(int fd, const void *data, size_t len, struct tally *tally) {
        struct io io = io_for(IO_SEND, tally);

        io.u.send.fd = fd;
        io.u.send.data = data;
        io.u.send.len = len;
        return io;
}

static struct io call_io(void (*call)(struct io *io), struct tally *tally) {
        struct io io = io_for(IO_CALL, tally);

        io.u.call = call;
        return io;
}

/* Waits until a condition holds; ctest's time limit ends what never comes. */
#define WAIT_UNTIL(condition)                                                                                          \
        while (!(condition))                                                                                           \
        ck_assert_int_ge(engine->ops->wait(engine, 1000), 0)

/* Everything that is ready has come. */
static void settle(void) {
        for (int i = 0; i < 3; i++)
                ck_assert_int_ge(engine->ops->wait(engine, 5), 0);
}

static void pair(int fds[2]) {
        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
}

static void write_all(int fd, const void *data, size_t len) {
        ck_assert_int_eq(sys_write_all(fd, data, len), 0);
}

static uint8_t *pattern(size_t len) {
        uint8_t *data = malloc(len);

        ck_assert_ptr_nonnull(data);
        for (size_t i = 0; i < len; i++)
                data[i] = (uint8_t)(i * 31 + (i >> 10));
        return data;
}

/* Many descriptors are needed here. */
static void raise_descriptor_limit(void) {
        struct rlimit limit;

        getrlimit(RLIMIT_NOFILE, &limit);
        limit.rlim_cur = limit.rlim_max < 8192 ? limit.rlim_max : 8192;
        setrlimit(RLIMIT_NOFILE, &limit);
}

/* Leaves no descriptor free below LIMIT. */
static void use_up_descriptors(rlim_t limit, struct rlimit *ret_before) {
        getrlimit(RLIMIT_NOFILE, ret_before);
        struct rlimit tight = {.rlim_cur = limit, .rlim_max = ret_before->rlim_max};

        setrlimit(RLIMIT_NOFILE, &tight);
        while (dup(STDERR_FILENO) >= 0)
                ;
        ck_assert_int_eq(errno, EMFILE);
}

/* ---- sockets ------------------------------------------------------------------------------------------------------ */

START_TEST(receive_until_the_end) {
        struct tally got = {.data = malloc(64), .room = 64};
        int fds[2];

        OPEN_OR_RETURN(2);
        pair(fds);
        struct io io = receive_io(fds[0], &got);
        submit(&io);
        settle();
        ck_assert_uint_eq(got.calls, 0);
        write_all(fds[1], "hello ", 6);
        WAIT_UNTIL(got.total == 6);
        ck_assert(got.flags & IO_MORE);
        write_all(fds[1], "world", 5);
        WAIT_UNTIL(got.total == 11);
        ck_assert_int_eq(memcmp(got.data, "hello world", 11), 0);
        ck_assert_uint_eq(got.last, 0);
        write_all(fds[1], "!", 1);
        close(fds[1]);
        WAIT_UNTIL(got.last);
        ck_assert_int_eq(got.total, 12);
        ck_assert_int_eq(got.result, 0);
        close(fds[0]);
        free(got.data);
        close_engine();
}
END_TEST

START_TEST(half_closed_is_the_end) {
        struct tally got = {0}, sent = {0};
        int fds[2];
        char byte;

        OPEN_OR_RETURN(2);
        pair(fds);
        struct io io = receive_io(fds[0], &got);
        submit(&io);
        shutdown(fds[1], SHUT_WR);
        WAIT_UNTIL(got.last);
        ck_assert_int_eq(got.result, 0);
        struct io answer = send_io(fds[0], "x", 1, &sent); /* the other direction still works */
        submit(&answer);
        WAIT_UNTIL(sent.last);
        ck_assert_int_eq(read(fds[1], &byte, 1), 1);
        close(fds[0]);
        close(fds[1]);
        close_engine();
}
END_TEST

START_TEST(broken_connection_is_an_error) {
        struct tally got = {0};
        int fds[2];

        OPEN_OR_RETURN(2);
        pair(fds);
        write_all(fds[0], "unread", 6);
        close(fds[1]); /* with something unread: ECONNRESET */
        struct io io = receive_io(fds[0], &got);
        submit(&io);
        WAIT_UNTIL(got.last);
        ck_assert_int_eq(got.result, -FSOP_ECONNRESET);
        ck_assert_int_eq(io.os_error, ECONNRESET);
        close(fds[0]);
        close_engine();
}
END_TEST

START_TEST(bad_descriptor_fails_through_done) {
        struct tally tallies[4] = {0};
        struct io ios[4] = {io_for(IO_ACCEPT, &tallies[0]), receive_io(-1, &tallies[1]), send_io(-1, "x", 1, &tallies[2]),
                            io_for(IO_POLL, &tallies[3])};

        OPEN_OR_RETURN(2);
        ios[0].u.accept.fd = ios[3].u.poll.fd = -1;
        for (int i = 0; i < 4; i++)
                submit(&ios[i]);
        for (int i = 0; i < 4; i++) {
                WAIT_UNTIL(tallies[i].last);
                ck_assert_msg(tallies[i].result == -FSOP_EBADF || tallies[i].result == -FSOP_ENOMEM, "io %d: %d", i,
                              (int)tallies[i].result);
        }
        close_engine();
}
END_TEST

START_TEST(unknown_kind_fails_through_done) {
        struct tally tally = {0};
        struct io io = io_for(IO_NONE, &tally);

        OPEN_OR_RETURN(2);
        submit(&io);
        WAIT_UNTIL(tally.last);
        ck_assert_int_eq(tally.result, -FSOP_EINVAL);
        close_engine();
}
END_TEST

START_TEST(send_passes_descriptors_with_the_first_byte) {
        struct tally got = {.data = malloc(16), .room = 16}, sent = {0};
        int fds[2], pipes[3][2];
        os_fd passed[3];

        OPEN_OR_RETURN(2);
        pair(fds);
        for (int i = 0; i < 3; i++) {
                ck_assert_int_eq(pipe2(pipes[i], O_CLOEXEC), 0);
                passed[i] = pipes[i][1];
        }
        struct io out = send_io(fds[1], "with fds", 8, &sent);
        out.u.send.fds = passed;
        out.u.send.n_fds = 3;
        struct io in = receive_io(fds[0], &got);
        submit(&in);
        submit(&out);
        WAIT_UNTIL(got.total == 8 && sent.last);
        ck_assert_int_eq(sent.result, 8);
        ck_assert_uint_eq(got.n_fds, 3);
        ck_assert(!(got.flags & IO_FDS_LOST));
        for (int i = 0; i < 3; i++) {
                char byte = 0;

                ck_assert(fcntl((int)got.fds[i], F_GETFD) & FD_CLOEXEC);
                ck_assert_int_eq(write((int)got.fds[i], "abc" + i, 1), 1);
                ck_assert_int_eq(read(pipes[i][0], &byte, 1), 1);
                ck_assert_int_eq(byte, "abc"[i]);
                close((int)got.fds[i]);
                close(pipes[i][0]);
                close(pipes[i][1]);
        }
        cancel(&in);
        WAIT_UNTIL(got.last);
        close(fds[0]);
        close(fds[1]);
        free(got.data);
        close_engine();
}
END_TEST

/* As many as the kernel allows arrive in one piece. */
START_TEST(as_many_descriptors_as_there_can_be) {
        struct tally got = {0}, sent = {0};
        os_fd passed[SOCKET_FDS_MAX];
        int fds[2];

        OPEN_OR_RETURN(2);
        raise_descriptor_limit();
        pair(fds);
        for (unsigned i = 0; i < SOCKET_FDS_MAX; i++)
                passed[i] = STDERR_FILENO;
        struct io in = receive_io(fds[0], &got), out = send_io(fds[1], "x", 1, &sent);
        out.u.send.fds = passed;
        out.u.send.n_fds = SOCKET_FDS_MAX;
        submit(&in);
        submit(&out);
        WAIT_UNTIL(got.total == 1 && sent.last);
        ck_assert_uint_eq(got.n_fds, SOCKET_FDS_MAX);
        ck_assert(!(got.flags & IO_FDS_LOST));
        cancel(&in);
        WAIT_UNTIL(got.last);
        close_engine();
}
END_TEST

START_TEST(descriptors_cut_off_are_told) {
        struct tally got = {0}, sent = {0};
        struct rlimit limit;
        os_fd many[20];
        int fds[2];

        OPEN_OR_RETURN(2);
        pair(fds);
        for (int i = 0; i < 20; i++)
                many[i] = STDERR_FILENO;
        struct io in = receive_io(fds[0], &got), out = send_io(fds[1], "x", 1, &sent);
        out.u.send.fds = many;
        out.u.send.n_fds = 20;
        submit(&in);
        settle();
        use_up_descriptors(64, &limit);
        for (int fd = 63; fd > 58; fd--)
                close(fd);
        submit(&out);
        WAIT_UNTIL(got.total == 1 && sent.last);
        ck_assert(got.flags & IO_FDS_LOST);
        ck_assert_uint_le(got.n_fds, 5);
        for (uint32_t i = 0; i < got.n_fds; i++)
                ck_assert(fcntl((int)got.fds[i], F_GETFD) & FD_CLOEXEC);
        setrlimit(RLIMIT_NOFILE, &limit);
        cancel(&in);
        WAIT_UNTIL(got.last);
        close_engine();
}
END_TEST

static void drain_slowly(int fd, uint8_t *data, size_t want) {
        size_t have = 0;

        while (have < want) {
                size_t step = want - have < 7777 ? want - have : 7777;
                ssize_t n = recv(fd, data + have, step, MSG_DONTWAIT);

                if (n > 0)
                        have += (size_t)n;
                else
                        ck_assert_int_ge(engine->ops->wait(engine, 0), 0);
        }
}

START_TEST(big_send_to_a_slow_reader) {
        const size_t len = 4u << 20;
        uint8_t *data = pattern(len), *read_back = malloc(len);
        struct tally sent = {0};
        os_fd passed = STDERR_FILENO;
        int fds[2];

        OPEN_OR_RETURN(2);
        pair(fds);
        struct io out = send_io(fds[1], data, len, &sent);
        out.u.send.fds = &passed;
        out.u.send.n_fds = 1;
        submit(&out);
        settle();
        ck_assert_uint_eq(sent.calls, 0);
        drain_slowly(fds[0], read_back, len);
        WAIT_UNTIL(sent.last);
        ck_assert_int_eq(sent.result, (int64_t)len);
        ck_assert_int_eq(memcmp(data, read_back, len), 0);
        close(fds[0]);
        close(fds[1]);
        free(data);
        free(read_back);
        close_engine();
}
END_TEST

START_TEST(big_receive) {
        const size_t len = 3u << 20;
        uint8_t *data = pattern(len);
        struct tally got = {.data = malloc(len), .room = len}, sent = {0};
        int fds[2];

        OPEN_OR_RETURN(2);
        pair(fds);
        struct io out = send_io(fds[1], data, len, &sent), in = receive_io(fds[0], &got);
        submit(&in);
        submit(&out);
        WAIT_UNTIL(got.total == (int64_t)len && sent.last);
        ck_assert_int_eq(memcmp(data, got.data, len), 0);
        close(fds[1]);
        WAIT_UNTIL(got.last);
        close(fds[0]);
        free(data);
        free(got.data);
        close_engine();
}
END_TEST

START_TEST(send_to_nobody_raises_no_signal) {
        struct tally sent = {0};
        int fds[2];

        OPEN_OR_RETURN(2);
        signal(SIGPIPE, SIG_DFL);
        pair(fds);
        close(fds[0]);
        struct io out = send_io(fds[1], "x", 1, &sent);
        submit(&out);
        WAIT_UNTIL(sent.last);
        ck_assert_int_eq(sent.result, -FSOP_EPIPE);
        ck_assert_int_eq(out.os_error, EPIPE);
        close(fds[1]);
        close_engine();
}
END_TEST

START_TEST(reader_gone_in_the_middle_of_a_send) {
        uint8_t *data = pattern(4u << 20);
        struct tally sent = {0};
        int fds[2];

        OPEN_OR_RETURN(2);
        pair(fds);
        struct io out = send_io(fds[1], data, 4u << 20, &sent);
        submit(&out);
        settle();
        close(fds[0]);
        WAIT_UNTIL(sent.last);
        ck_assert_msg(sent.result == -FSOP_EPIPE || sent.result == -FSOP_ECONNRESET, "%d", (int)sent.result);
        close(fds[1]);
        free(data);
        close_engine();
}
END_TEST

static int listener(struct sockaddr_un *ret_address, socklen_t *ret_len, int flags) {
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);

        *ret_address = (struct sockaddr_un){.sun_family = AF_UNIX};
        *ret_len = sizeof(sa_family_t);
        ck_assert_int_eq(bind(fd, (struct sockaddr *)ret_address, *ret_len), 0); /* an abstract name of the kernel's choice */
        *ret_len = sizeof(*ret_address);
        ck_assert_int_eq(getsockname(fd, (struct sockaddr *)ret_address, ret_len), 0);
        ck_assert_int_eq(listen(fd, 64), 0);
        return fd;
}

static int connect_to(const struct sockaddr_un *address, socklen_t len) {
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        ck_assert_int_eq(connect(fd, (const struct sockaddr *)address, len), 0);
        return fd;
}

START_TEST(accept_goes_on) {
        struct tally accepted = {0};
        struct sockaddr_un address;
        socklen_t len;

        OPEN_OR_RETURN(2);
        for (int nonblock = 0; nonblock < 2; nonblock++) {
                int fd = listener(&address, &len, nonblock ? SOCK_NONBLOCK : 0);
                struct io io = io_for(IO_ACCEPT, &accepted);

                accepted = (struct tally){0};
                io.u.accept.fd = fd;
                submit(&io);
                for (unsigned i = 1; i <= 5; i++) {
                        int client = connect_to(&address, len);

                        WAIT_UNTIL(accepted.calls == i);
                        ck_assert_int_ge(accepted.result, 0);
                        ck_assert(accepted.flags & IO_MORE);
                        ck_assert(fcntl((int)accepted.result, F_GETFD) & FD_CLOEXEC);
                        close((int)accepted.result);
                        close(client);
                }
                cancel(&io);
                WAIT_UNTIL(accepted.last);
                ck_assert_int_eq(accepted.result, -FSOP_ECANCELED);
                close(fd);
        }
        close_engine();
}
END_TEST

START_TEST(accept_ends_with_its_error) {
        struct tally accepted = {0};
        struct sockaddr_un address;
        struct rlimit limit;
        socklen_t len;

        OPEN_OR_RETURN(2);
        int fd = listener(&address, &len, 0), client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        struct io io = io_for(IO_ACCEPT, &accepted);
        io.u.accept.fd = fd;
        use_up_descriptors(64, &limit);
        submit(&io);
        ck_assert_int_eq(connect(client, (struct sockaddr *)&address, len), 0);
        WAIT_UNTIL(accepted.last);
        ck_assert_int_eq(accepted.result, -FSOP_EMFILE);
        ck_assert_int_eq(io.os_error, EMFILE);
        setrlimit(RLIMIT_NOFILE, &limit);
        accepted = (struct tally){0};
        submit(&io); /* and again: the connection is still there */
        WAIT_UNTIL(accepted.calls == 1);
        ck_assert_int_ge(accepted.result, 0);
        cancel(&io);
        WAIT_UNTIL(accepted.last);
        close(client);
        close_engine();
}
END_TEST

/* What was received before a cancel is delivered, the rest stays in the socket: nothing is lost, nothing comes twice. */
START_TEST(cancelled_receiver_loses_nothing) {
        const size_t len = 200000;
        uint8_t *data = pattern(len);
        struct tally got = {.data = malloc(len), .room = len};
        int fds[2];

        OPEN_OR_RETURN(2);
        for (int round = 0; round < 50; round++) {
                got.total = got.calls = got.last = 0;
                pair(fds);
                struct io in = receive_io(fds[0], &got);
                submit(&in);
                if (round % 2)
                        settle();
                write_all(fds[1], data, (size_t)(round % 5) * 20000 + 1000);
                if (round % 3)
                        ck_assert_int_ge(engine->ops->wait(engine, 0), 0);
                cancel(&in);
                cancel(&in); /* a second one changes nothing */
                WAIT_UNTIL(got.last);
                ck_assert_int_eq(got.result, -FSOP_ECANCELED);
                size_t have = (size_t)got.total;
                ssize_t n;
                while ((n = recv(fds[0], got.data + have, len - have, MSG_DONTWAIT)) > 0)
                        have += (size_t)n;
                ck_assert_uint_eq(have, (size_t)(round % 5) * 20000 + 1000);
                ck_assert_int_eq(memcmp(data, got.data, have), 0);
                close(fds[0]);
                close(fds[1]);
        }
        free(data);
        free(got.data);
        close_engine();
}
END_TEST

struct pausing {
        struct tally tally;
        unsigned events_before_cancel;
};

static void cancel_inside_done(struct io *io) {
        struct pausing *pausing = io->owner;

        tally_done(io);
        if (pausing->tally.calls == pausing->events_before_cancel)
                cancel(io);
}

/* A receiver may pause from inside its own done, and begin again from there. */
START_TEST(pause_and_resume) {
        struct pausing pausing = {.tally = {.data = malloc(100), .room = 100}, .events_before_cancel = 1};
        int fds[2];

        OPEN_OR_RETURN(2);
        pair(fds);
        struct io in = receive_io(fds[0], &pausing.tally);
        in.done = cancel_inside_done;
        submit(&in);
        write_all(fds[1], "one", 3);
        WAIT_UNTIL(pausing.tally.last);
        ck_assert_int_eq(pausing.tally.result, -FSOP_ECANCELED);
        write_all(fds[1], "two", 3);
        settle();
        ck_assert_int_eq(pausing.tally.total, 3);
        pausing.tally.last = 0;
        pausing.events_before_cancel = 0;
        submit(&in);
        WAIT_UNTIL(pausing.tally.total == 6);
        ck_assert_int_eq(memcmp(pausing.tally.data, "onetwo", 6), 0);
        cancel(&in);
        WAIT_UNTIL(pausing.tally.last);
        close(fds[0]);
        close(fds[1]);
        free(pausing.tally.data);
        close_engine();
}
END_TEST

START_TEST(cancel_of_a_waiting_send) {
        uint8_t *data = pattern(4u << 20);
        struct tally sent = {0};
        int fds[2];

        OPEN_OR_RETURN(2);
        pair(fds);
        struct io out = send_io(fds[1], data, 4u << 20, &sent);
        submit(&out);
        settle();
        cancel(&out);
        WAIT_UNTIL(sent.last);
        ck_assert_int_eq(sent.result, -FSOP_ECANCELED);
        close(fds[0]);
        close(fds[1]);
        free(data);
        close_engine();
}
END_TEST

/* Submitted and cancelled before the kernel heard of it; cancelled when long over. */
START_TEST(cancel_early_and_late) {
        struct tally got = {0};
        int fds[2];

        OPEN_OR_RETURN(2);
        pair(fds);
        struct io in = receive_io(fds[0], &got);
        submit(&in);
        cancel(&in);
        WAIT_UNTIL(got.last);
        ck_assert_int_eq(got.result, -FSOP_ECANCELED);
        cancel(&in);
        settle();
        ck_assert_uint_eq(got.last, 1);
        close(fds[0]);
        close(fds[1]);
        close_engine();
}
END_TEST

/* More sockets with data than there are buffers on the ring: everybody gets everything. */
START_TEST(many_sockets_at_once) {
        enum { SOCKETS = 300, BYTES = 40000 };
        static struct tally got[SOCKETS];
        static struct io ios[SOCKETS];
        static int fds[SOCKETS][2];
        uint8_t *data = pattern(BYTES);

        OPEN_OR_RETURN(2);
        raise_descriptor_limit();
        for (int i = 0; i < SOCKETS; i++) {
                pair(fds[i]);
                got[i] = (struct tally){.data = malloc(BYTES), .room = BYTES};
                ios[i] = receive_io(fds[i][0], &got[i]);
                submit(&ios[i]);
        }
        settle();
        for (int i = 0; i < SOCKETS; i++)
                write_all(fds[i][1], data, BYTES);
        for (int i = 0; i < SOCKETS; i++) {
                WAIT_UNTIL(got[i].total == BYTES);
                ck_assert_int_eq(memcmp(data, got[i].data, BYTES), 0);
                ck_assert_uint_eq(got[i].last, 0);
                close(fds[i][1]);
        }
        for (int i = 0; i < SOCKETS; i++) {
                WAIT_UNTIL(got[i].last);
                ck_assert_int_eq(got[i].result, 0);
                close(fds[i][0]);
                free(got[i].data);
        }
        free(data);
        close_engine();
}
END_TEST

/* More than any queue holds, all cancelled at once. */
START_TEST(thousands_of_polls_cancelled) {
        enum { POLLS = 3000 };
        static struct tally tallies[POLLS];
        static struct io ios[POLLS];
        int fd = eventfd(0, EFD_CLOEXEC);

        OPEN_OR_RETURN(2);
        for (int i = 0; i < POLLS; i++) {
                ios[i] = io_for(IO_POLL, &tallies[i]);
                ios[i].u.poll.fd = fd;
                submit(&ios[i]);
        }
        settle();
        for (int i = 0; i < POLLS; i++)
                cancel(&ios[i]);
        for (int i = 0; i < POLLS; i++) {
                WAIT_UNTIL(tallies[i].last);
                ck_assert_int_eq(tallies[i].result, -FSOP_ECANCELED);
        }
        close(fd);
        close_engine();
}
END_TEST

/* ---- poll ---------------------------------------------------------------------------------------------------------- */

START_TEST(poll_once) {
        struct tally ready = {0};
        int fd = eventfd(0, EFD_CLOEXEC);

        OPEN_OR_RETURN(2);
        struct io io = io_for(IO_POLL, &ready);
        io.u.poll.fd = fd;
        submit(&io);
        settle();
        ck_assert_uint_eq(ready.calls, 0);
        eventfd_write(fd, 1);
        WAIT_UNTIL(ready.last);
        ck_assert_int_eq(ready.result, 0);
        settle();
        ck_assert_uint_eq(ready.calls, 1);
        ready = (struct tally){0};
        submit(&io); /* still readable: at once */
        WAIT_UNTIL(ready.last);
        close(fd);
        close_engine();
}
END_TEST

static void mount_something(void) {
        ck_assert_int_eq(mount("test", "/tmp", "tmpfs", 0, NULL), 0);
        ck_assert_int_eq(umount("/tmp"), 0);
}

/* A change of the mount table is seen, each time, also when it comes while nobody polls. */
START_TEST(poll_of_the_mount_table) {
        struct tally changed = {0};

        if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) {
                printf("SKIP: poll_of_the_mount_table: not allowed to mount\n");
                return;
        }
        OPEN_OR_RETURN(2);
        int fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
        struct io io = io_for(IO_POLL, &changed);
        io.u.poll.fd = fd;
        submit(&io);
        settle();
        ck_assert_uint_eq(changed.calls, 0);
        for (unsigned i = 1; i <= 20; i++) {
                if (i % 2)
                        mount_something();
                WAIT_UNTIL(changed.last);
                ck_assert_uint_eq(changed.calls, i);
                if (i % 2)
                        mount_something(); /* between the one poll and the next */
                changed.last = 0;
                submit(&io);
        }
        settle();
        ck_assert_uint_eq(changed.last, 0);
        cancel(&io);
        WAIT_UNTIL(changed.last);
        ck_assert_int_eq(changed.result, -FSOP_ECANCELED);
        close(fd);
        close_engine();
}
END_TEST

/* ---- waiting and waking --------------------------------------------------------------------------------------------- */

START_TEST(wait_ends_with_its_time) {
        OPEN_OR_RETURN(2);
        uint64_t before = sys_monotonic_ms();
        ck_assert_int_eq(engine->ops->wait(engine, 60), 0);
        ck_assert_uint_ge(sys_monotonic_ms() - before, 59);
        ck_assert_int_eq(engine->ops->wait(engine, 0), 0);
        close_engine();
}
END_TEST

static void *wake_it(void *argument) {
        (void)argument;
        engine->ops->wake(engine);
        return NULL;
}

START_TEST(wake_from_another_thread) {
        pthread_t thread;

        OPEN_OR_RETURN(2);
        for (int i = 0; i < 100; i++) {
                ck_assert_int_eq(pthread_create(&thread, NULL, wake_it, NULL), 0);
                ck_assert_int_eq(engine->ops->wait(engine, -1), 0); /* would never return */
                pthread_join(thread, NULL);
        }
        engine->ops->wake(engine); /* before the wait: it is not forgotten */
        engine->ops->wake(engine);
        ck_assert_int_eq(engine->ops->wait(engine, -1), 0);
        close_engine();
}
END_TEST

static void on_alarm(int number) {
        (void)number;
        engine->ops->wake(engine);
}

START_TEST(wake_from_a_signal_handler) {
        struct sigaction action = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};
        struct itimerval soon = {.it_value = {.tv_usec = 20000}};

        OPEN_OR_RETURN(2);
        sigaction(SIGALRM, &action, NULL);
        for (int i = 0; i < 5; i++) {
                setitimer(ITIMER_REAL, &soon, NULL);
                ck_assert_int_eq(engine->ops->wait(engine, -1), 0);
        }
        close_engine();
}
END_TEST

/* ---- workers ------------------------------------------------------------------------------------------------------- */

static pthread_t loop_thread;

static void answer_42(struct io *io) {
        ck_assert(!pthread_equal(pthread_self(), loop_thread));
        io->result = 42;
}

START_TEST(call_runs_on_a_worker) {
        struct tally tally = {0};

        OPEN_OR_RETURN(2);
        loop_thread = pthread_self();
        struct io io = call_io(answer_42, &tally);
        submit(&io);
        WAIT_UNTIL(tally.last);
        ck_assert_int_eq(tally.result, 42);
        close_engine();
}
END_TEST

START_TEST(chain_in_order) {
        enum { LINKS = 100 };
        static struct tally tallies[LINKS];
        static struct io ios[LINKS];
        unsigned order = 0;

        OPEN_OR_RETURN(4);
        loop_thread = pthread_self();
        for (int i = 0; i < LINKS; i++) {
                tallies[i] = (struct tally){.order = &order};
                ios[i] = call_io(answer_42, &tallies[i]);
                ios[i].chain = i + 1 < LINKS ? &ios[i + 1] : NULL;
        }
        submit(&ios[0]);
        WAIT_UNTIL(order == LINKS);
        for (int i = 0; i < LINKS; i++)
                ck_assert_uint_eq(tallies[i].when, (unsigned)i + 1);
        close_engine();
}
END_TEST

START_TEST(ten_thousand) {
        enum { COUNT = 10000 };
        struct tally *tallies = calloc(COUNT, sizeof(*tallies));
        struct io *ios = calloc(COUNT, sizeof(*ios));
        struct engine_stats stats;
        unsigned order = 0;
        int fds[2];

        OPEN_OR_RETURN(4);
        loop_thread = pthread_self();
        pair(fds);
        for (int i = 0; i < COUNT; i++) {
                tallies[i].order = &order;
                ios[i] = call_io(answer_42, &tallies[i]);
                submit(&ios[i]);
        }
        WAIT_UNTIL(order == COUNT);
        for (int i = 0; i < COUNT; i++) {
                ck_assert_uint_eq(tallies[i].calls, 1);
                ck_assert_int_eq(tallies[i].result, 42);
        }
        engine->ops->stats(engine, &stats);
        ck_assert_uint_eq(stats.submitted, COUNT);
        ck_assert_uint_eq(stats.completed, COUNT);
        ck_assert_uint_le(stats.workers, 4);
        ck_assert_uint_eq(stats.workers_stuck, 0);
        free(tallies);
        free(ios);
        close_engine();
}
END_TEST

static int gate[2]; /* a worker that reads from it stands still */
static int standing; /* atomic: how many began to */

static void stand_still(struct io *io) {
        char byte;

        __atomic_add_fetch(&standing, 1, __ATOMIC_SEQ_CST);
        io->result = read(gate[0], &byte, 1);
}

#define WAIT_UNTIL_STANDING(n)                                                                                         \
        while (__atomic_load_n(&standing, __ATOMIC_SEQ_CST) < (n))                                                     \
        sched_yield()

START_TEST(cancel_of_what_is_queued) {
        struct tally held[2] = {0}, queued[3] = {0};
        struct io holders[2], ios[3];

        OPEN_OR_RETURN(2);
        ck_assert_int_eq(pipe2(gate, O_CLOEXEC), 0);
        for (int i = 0; i < 2; i++) {
                holders[i] = call_io(stand_still, &held[i]);
                submit(&holders[i]);
        }
        WAIT_UNTIL_STANDING(2);
        for (int i = 0; i < 3; i++) {
                ios[i] = call_io(answer_42, &queued[i]);
                ios[i].chain = i < 2 ? &ios[i + 1] : NULL;
        }
        submit(&ios[0]);
        cancel(&ios[1]);
        WAIT_UNTIL(queued[1].last); /* although every worker stands still */
        ck_assert_int_eq(queued[1].result, -FSOP_ECANCELED);
        cancel(&ios[0]);
        WAIT_UNTIL(queued[0].last);
        ck_assert_int_eq(queued[0].result, -FSOP_ECANCELED);
        ck_assert_uint_eq(queued[2].calls, 0);
        cancel(&holders[0]); /* runs: nothing to be done about it */
        write_all(gate[1], "ab", 2);
        WAIT_UNTIL(held[0].last && held[1].last && queued[2].last);
        ck_assert_int_eq(held[0].result, 1);
        ck_assert_int_eq(queued[2].result, 42);
        close_engine();
}
END_TEST

/* A worker that does not come back does not keep the daemon from ending, and touches nothing when it does after all. */
START_TEST(close_with_a_hanging_worker) {
        static struct tally tally;
        static struct io io;

        OPEN_OR_RETURN(2);
        ck_assert_int_eq(pipe2(gate, O_CLOEXEC), 0);
        tally = (struct tally){0};
        io = call_io(stand_still, &tally);
        submit(&io);
        WAIT_UNTIL_STANDING(1);
        engine->ops->close(engine);
        engine = NULL;
        io.result = 1234;
        write_all(gate[1], "a", 1);
        while (poll(&(struct pollfd){.fd = gate[0], .events = POLLIN}, 1, 0) > 0) /* until it has read */
                sched_yield();
        ck_assert_uint_eq(tally.calls, 0);
}
END_TEST

/* ---- choosing ------------------------------------------------------------------------------------------------------- */

static unsigned n_lines;
static char last_line[256];

static void count_line(int level, const char *message) {
        (void)level;
        n_lines++;
        snprintf(last_line, sizeof(last_line), "%s", message);
}

START_TEST(no_such_engine) {
        struct engine_config config = {.log = quiet};
        const char *why = NULL;

        ck_assert_int_eq(engine_open("kqueue", &config, &engine, &why), -FSOP_EINVAL);
        ck_assert_ptr_nonnull(why);
}
END_TEST

/* As in a container whose seccomp filter refuses io_uring. */
START_TEST(auto_falls_back_with_one_line) {
        struct sock_filter rules[] = {
                BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_io_uring_setup, 0, 1),
                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        };
        struct sock_fprog program = {.len = sizeof(rules) / sizeof(rules[0]), .filter = rules};
        struct engine_config config = {.log = count_line};
        struct sys_config sys = {.private_service = geteuid() != 0, .log = quiet};
        const char *why = NULL;
        bool own_root;

        ck_assert_int_eq(sys_start(&sys, &own_root), 0);
        ck_assert_int_eq(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
        ck_assert_int_eq(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), 0);
        ck_assert_int_lt(engine_open("uring", &config, &engine, &why), 0);
        ck_assert_ptr_nonnull(why);
        ck_assert_uint_eq(n_lines, 0);
        ck_assert_int_eq(engine_open("auto", &config, &engine, &why), 0);
        ck_assert_str_eq(engine->ops->name, "threads");
        ck_assert_uint_eq(n_lines, 1);
        ck_assert_ptr_nonnull(strstr(last_line, "io_uring"));
        close_engine();
}
END_TEST

/* ---- the ring alone -------------------------------------------------------------------------------------------------- */

#ifdef HAVE_LIBURING

static int32_t raw_result(struct uring *e, uint8_t opcode, uint8_t flags) {
        struct io_uring_sqe *sqe = uring_sqe(e);
        struct io_uring_cqe *cqe;

        memset(sqe, 0, sizeof(*sqe));
        sqe->opcode = opcode;
        sqe->flags = flags;
        sqe->fd = -1;
        sqe->user_data = 77;
        ck_assert_int_ge(io_uring_submit_and_wait(&e->ring, 1), 0);
        for (;;) {
                ck_assert_int_eq(io_uring_wait_cqe(&e->ring, &cqe), 0);
                uint64_t whose = cqe->user_data;
                int32_t result = cqe->res;
                io_uring_cqe_seen(&e->ring, cqe);
                if (whose == 77)
                        return result;
        }
}

/* Exactly the table's opcodes pass: every other one that the kernel knows is refused before it is looked at. */
START_TEST(ring_refuses_what_is_not_listed) {
        uint8_t listed[URING_OPCODES_MAX];
        unsigned refused = 0;

        if (!open_engine(1, 2))
                return;
        struct uring *e = (struct uring *)engine;
        unsigned n = uring_opcodes(listed);
        ck_assert_uint_gt(n, 7);
        for (unsigned opcode = 0; opcode < IORING_OP_LAST; opcode++) {
                if (memchr(listed, (int)opcode, n))
                        continue;
                ck_assert_msg(raw_result(e, (uint8_t)opcode, 0) == -EACCES, "opcode %u passes", opcode);
                refused++;
        }
        ck_assert_uint_eq(refused + n, IORING_OP_LAST);
        ck_assert_int_eq(raw_result(e, IORING_OP_ACCEPT, 0), -EBADF); /* listed: it fails for a reason of its own */
        ck_assert_int_eq(raw_result(e, IORING_OP_ACCEPT, IOSQE_IO_LINK), -EACCES);
        ck_assert_int_eq(raw_result(e, IORING_OP_ACCEPT, IOSQE_FIXED_FILE), -EACCES);
        ck_assert_int_lt(syscall(__NR_io_uring_register, e->ring.ring_fd, IORING_REGISTER_FILES, NULL, 0), 0);
        ck_assert_int_eq(errno, EACCES);
        close_engine();
}
END_TEST

#endif

/* ---- suite ----------------------------------------------------------------------------------------------------------- */

static void add_both(Suite *suite, const char *name, const TTest *const *tests, size_t n) {
        TCase *group = tcase_create(name);

        for (size_t i = 0; i < n; i++)
                tcase_add_loop_test(group, tests[i], 0, ENGINES);
        tcase_set_timeout(group, 120);
        suite_add_tcase(suite, group);
}

#define ADD_BOTH(suite, name, ...)                                                                                     \
        do {                                                                                                           \
                const TTest *const tests[] = {__VA_ARGS__};                                                            \
                add_both(suite, name, tests, sizeof(tests) / sizeof(tests[0]));                                        \
        } while (0)

int main(void) {
        Suite *suite = suite_create("engine");
        TCase *alone = tcase_create("alone");

        ADD_BOTH(suite, "sockets", receive_until_the_end, half_closed_is_the_end, broken_connection_is_an_error,
                 bad_descriptor_fails_through_done, unknown_kind_fails_through_done,
                 send_passes_descriptors_with_the_first_byte, as_many_descriptors_as_there_can_be,
                 descriptors_cut_off_are_told, big_send_to_a_slow_reader, big_receive, send_to_nobody_raises_no_signal,
                 reader_gone_in_the_middle_of_a_send, accept_goes_on, accept_ends_with_its_error,
                 cancelled_receiver_loses_nothing, pause_and_resume, cancel_of_a_waiting_send, cancel_early_and_late,
                 many_sockets_at_once, thousands_of_polls_cancelled);
        ADD_BOTH(suite, "poll", poll_once, poll_of_the_mount_table);
        ADD_BOTH(suite, "wait", wait_ends_with_its_time, wake_from_another_thread, wake_from_a_signal_handler);
        ADD_BOTH(suite, "workers", call_runs_on_a_worker, chain_in_order, ten_thousand, cancel_of_what_is_queued,
                 close_with_a_hanging_worker);
        tcase_add_test(alone, no_such_engine);
        tcase_add_test(alone, auto_falls_back_with_one_line);
#ifdef HAVE_LIBURING
        tcase_add_test(alone, ring_refuses_what_is_not_listed);
#endif
        suite_add_tcase(suite, alone);
        SRunner *runner = srunner_create(suite);
        srunner_run_all(runner, CK_ENV);
        int failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
