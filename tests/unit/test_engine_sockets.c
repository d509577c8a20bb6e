/* SPDX-License-Identifier: MIT */
/*
 * test_engine_sockets.c: accept, receive, send and poll, against both engines of this platform.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "backends/linux/engine_sockets.h"
#include "tests/support/engine_harness.h"
#include "tests/support/suite.h"

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

/* ---- sockets ----------------------------------------------------------------------------------------------------- */

START_TEST(receive_until_the_end) {
        struct tally got = {.data = malloc(64), .room = 64};
        int fds[2];

        OPEN_OR_RETURN(2);
        socket_pair(fds);
        struct io io = receive_io(fds[0], &got);
        harness_submit(&io);
        harness_settle();
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
        harness_close();
}
END_TEST

START_TEST(half_closed_is_the_end) {
        struct tally got = {0}, sent = {0};
        int fds[2];
        char byte;

        OPEN_OR_RETURN(2);
        socket_pair(fds);
        struct io io = receive_io(fds[0], &got);
        harness_submit(&io);
        shutdown(fds[1], SHUT_WR);
        WAIT_UNTIL(got.last);
        ck_assert_int_eq(got.result, 0);
        struct io answer = send_io(fds[0], "x", 1, &sent); /* the other direction still works */
        harness_submit(&answer);
        WAIT_UNTIL(sent.last);
        ck_assert_int_eq(read(fds[1], &byte, 1), 1);
        ck_assert(!sys_socket_is_gone(fds[0]));
        close(fds[1]);
        ck_assert(sys_socket_is_gone(fds[0]));
        close(fds[0]);
        harness_close();
}
END_TEST

START_TEST(broken_connection_is_an_error) {
        struct tally got = {0};
        int fds[2];

        OPEN_OR_RETURN(2);
        socket_pair(fds);
        write_all(fds[0], "unread", 6);
        close(fds[1]); /* with something unread: ECONNRESET */
        struct io io = receive_io(fds[0], &got);
        harness_submit(&io);
        WAIT_UNTIL(got.last);
        ck_assert_int_eq(got.result, -FSOP_ECONNRESET);
        ck_assert_int_eq(io.os_error, ECONNRESET);
        close(fds[0]);
        harness_close();
}
END_TEST

START_TEST(bad_descriptor_fails_through_done) {
        struct tally tallies[4] = {0};
        struct io ios[4] = {io_for(IO_ACCEPT, &tallies[0]), receive_io(-1, &tallies[1]),
                            send_io(-1, "x", 1, &tallies[2]), io_for(IO_POLL, &tallies[3])};

        OPEN_OR_RETURN(2);
        ios[0].u.accept.fd = ios[3].u.poll.fd = -1;
        for (int i = 0; i < 4; i++)
                harness_submit(&ios[i]);
        for (int i = 0; i < 4; i++) {
                WAIT_UNTIL(tallies[i].last);
                ck_assert_msg(tallies[i].result == -FSOP_EBADF || tallies[i].result == -FSOP_ENOMEM, "io %d: %d", i,
                              (int)tallies[i].result);
        }
        harness_close();
}
END_TEST

START_TEST(unknown_kind_fails_through_done) {
        struct tally tally = {0};
        struct io io = io_for(IO_NONE, &tally);

        OPEN_OR_RETURN(2);
        harness_submit(&io);
        WAIT_UNTIL(tally.last);
        ck_assert_int_eq(tally.result, -FSOP_EINVAL);
        harness_close();
}
END_TEST

START_TEST(send_passes_descriptors_with_the_first_byte) {
        struct tally got = {.data = malloc(16), .room = 16}, sent = {0};
        int fds[2], pipes[3][2];
        os_fd passed[3];

        OPEN_OR_RETURN(2);
        socket_pair(fds);
        for (int i = 0; i < 3; i++) {
                ck_assert_int_eq(pipe2(pipes[i], O_CLOEXEC), 0);
                passed[i] = pipes[i][1];
        }
        struct io out = send_io(fds[1], "with fds", 8, &sent);
        out.u.send.fds = passed;
        out.u.send.n_fds = 3;
        struct io in = receive_io(fds[0], &got);
        harness_submit(&in);
        harness_submit(&out);
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
        harness_cancel(&in);
        WAIT_UNTIL(got.last);
        close(fds[0]);
        close(fds[1]);
        free(got.data);
        harness_close();
}
END_TEST

/* As many as the kernel allows arrive in one piece. */
START_TEST(as_many_descriptors_as_there_can_be) {
        struct tally got = {0}, sent = {0};
        os_fd passed[SOCKET_FDS_MAX];
        int fds[2];

        OPEN_OR_RETURN(2);
        raise_descriptor_limit();
        socket_pair(fds);
        for (unsigned i = 0; i < SOCKET_FDS_MAX; i++)
                passed[i] = STDERR_FILENO;
        struct io in = receive_io(fds[0], &got), out = send_io(fds[1], "x", 1, &sent);
        out.u.send.fds = passed;
        out.u.send.n_fds = SOCKET_FDS_MAX;
        harness_submit(&in);
        harness_submit(&out);
        WAIT_UNTIL(got.total == 1 && sent.last);
        ck_assert_uint_eq(got.n_fds, SOCKET_FDS_MAX);
        ck_assert(!(got.flags & IO_FDS_LOST));
        harness_cancel(&in);
        WAIT_UNTIL(got.last);
        harness_close();
}
END_TEST

START_TEST(descriptors_cut_off_are_told) {
        struct tally got = {0}, sent = {0};
        struct rlimit limit;
        os_fd many[20];
        int fds[2];

        OPEN_OR_RETURN(2);
        socket_pair(fds);
        for (int i = 0; i < 20; i++)
                many[i] = STDERR_FILENO;
        struct io in = receive_io(fds[0], &got), out = send_io(fds[1], "x", 1, &sent);
        out.u.send.fds = many;
        out.u.send.n_fds = 20;
        harness_submit(&in);
        harness_settle();
        use_up_descriptors(64, &limit);
        for (int fd = 63; fd > 58; fd--)
                close(fd);
        harness_submit(&out);
        WAIT_UNTIL(got.total == 1 && sent.last);
        ck_assert(got.flags & IO_FDS_LOST);
        ck_assert_uint_le(got.n_fds, 5);
        for (uint32_t i = 0; i < got.n_fds; i++)
                ck_assert(fcntl((int)got.fds[i], F_GETFD) & FD_CLOEXEC);
        setrlimit(RLIMIT_NOFILE, &limit);
        harness_cancel(&in);
        WAIT_UNTIL(got.last);
        harness_close();
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
        socket_pair(fds);
        struct io out = send_io(fds[1], data, len, &sent);
        out.u.send.fds = &passed;
        out.u.send.n_fds = 1;
        harness_submit(&out);
        harness_settle();
        ck_assert_uint_eq(sent.calls, 0);
        drain_slowly(fds[0], read_back, len);
        WAIT_UNTIL(sent.last);
        ck_assert_int_eq(sent.result, (int64_t)len);
        ck_assert_int_eq(memcmp(data, read_back, len), 0);
        close(fds[0]);
        close(fds[1]);
        free(data);
        free(read_back);
        harness_close();
}
END_TEST

START_TEST(big_receive) {
        const size_t len = 3u << 20;
        uint8_t *data = pattern(len);
        struct tally got = {.data = malloc(len), .room = len}, sent = {0};
        os_fd passed = STDERR_FILENO;
        int fds[2];

        OPEN_OR_RETURN(2);
        socket_pair(fds);
        struct io out = send_io(fds[1], data, len, &sent), in = receive_io(fds[0], &got);
        out.u.send.fds = &passed;
        out.u.send.n_fds = 1;
        harness_submit(&in);
        harness_submit(&out);
        WAIT_UNTIL(got.total == (int64_t)len && sent.last);
        ck_assert_int_eq(memcmp(data, got.data, len), 0);
        ck_assert_uint_eq(got.n_fds, 1); /* with the first piece, and only with that */
        close((int)got.fds[0]);
        close(fds[1]);
        WAIT_UNTIL(got.last);
        close(fds[0]);
        free(data);
        free(got.data);
        harness_close();
}
END_TEST

START_TEST(send_to_nobody_raises_no_signal) {
        struct tally sent = {0};
        int fds[2];

        OPEN_OR_RETURN(2);
        signal(SIGPIPE, SIG_DFL);
        socket_pair(fds);
        close(fds[0]);
        struct io out = send_io(fds[1], "x", 1, &sent);
        harness_submit(&out);
        WAIT_UNTIL(sent.last);
        ck_assert_int_eq(sent.result, -FSOP_EPIPE);
        ck_assert_int_eq(out.os_error, EPIPE);
        close(fds[1]);
        harness_close();
}
END_TEST

START_TEST(send_ends_at_once_where_it_may) {
        uint8_t *data = pattern(4u << 20);
        struct tally sent = {0};
        char byte = 0;
        int fds[2];

        OPEN_OR_RETURN(2);
        socket_pair(fds);
        struct io out = send_io(fds[1], "x", 1, &sent);
        out.flags = IO_AT_ONCE;
        harness_submit(&out);
        ck_assert(out.flags & IO_ENDED);
        ck_assert_int_eq(out.result, 1);
        ck_assert_int_eq(read(fds[0], &byte, 1), 1);
        ck_assert_int_eq(byte, 'x');
        harness_settle();
        ck_assert_uint_eq(sent.calls, 0);

        out = send_io(fds[1], data, 4u << 20, &sent); /* does not fit: done comes, for whatever reason */
        out.flags = IO_AT_ONCE;
        harness_submit(&out);
        ck_assert(!(out.flags & IO_ENDED));
        close(fds[0]);
        WAIT_UNTIL(sent.last);
        ck_assert(!(out.flags & IO_ENDED));

        struct io late = send_io(fds[1], "x", 1, &sent); /* a failure ends it just so */
        late.flags = IO_AT_ONCE;
        harness_submit(&late);
        ck_assert(late.flags & IO_ENDED);
        ck_assert_int_eq(late.result, -FSOP_EPIPE);
        ck_assert_int_eq(late.os_error, EPIPE);
        close(fds[1]);
        free(data);
        harness_close();
}
END_TEST

START_TEST(reader_gone_in_the_middle_of_a_send) {
        uint8_t *data = pattern(4u << 20);
        struct tally sent = {0};
        int fds[2];

        OPEN_OR_RETURN(2);
        socket_pair(fds);
        struct io out = send_io(fds[1], data, 4u << 20, &sent);
        harness_submit(&out);
        harness_settle();
        close(fds[0]);
        WAIT_UNTIL(sent.last);
        ck_assert_msg(sent.result == -FSOP_EPIPE || sent.result == -FSOP_ECONNRESET, "%d", (int)sent.result);
        close(fds[1]);
        free(data);
        harness_close();
}
END_TEST

static int listener(struct sockaddr_un *ret_address, socklen_t *ret_len, int flags) {
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);

        *ret_address = (struct sockaddr_un){.sun_family = AF_UNIX};
        *ret_len = sizeof(sa_family_t);
        ck_assert_int_eq(bind(fd, (struct sockaddr *)ret_address, *ret_len),
                         0); /* an abstract name of the kernel's choice */
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
                harness_submit(&io);
                for (unsigned i = 1; i <= 5; i++) {
                        int client = connect_to(&address, len);

                        WAIT_UNTIL(accepted.calls == i);
                        ck_assert_int_ge(accepted.result, 0);
                        ck_assert(accepted.flags & IO_MORE);
                        ck_assert(fcntl((int)accepted.result, F_GETFD) & FD_CLOEXEC);
                        close((int)accepted.result);
                        close(client);
                }
                harness_cancel(&io);
                WAIT_UNTIL(accepted.last);
                ck_assert_int_eq(accepted.result, -FSOP_ECANCELED);
                close(fd);
        }
        harness_close();
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
        harness_submit(&io);
        ck_assert_int_eq(connect(client, (struct sockaddr *)&address, len), 0);
        WAIT_UNTIL(accepted.last);
        ck_assert_int_eq(accepted.result, -FSOP_EMFILE);
        ck_assert_int_eq(io.os_error, EMFILE);
        setrlimit(RLIMIT_NOFILE, &limit);
        accepted = (struct tally){0};
        harness_submit(&io); /* and again: the connection is still there */
        WAIT_UNTIL(accepted.calls == 1);
        ck_assert_int_ge(accepted.result, 0);
        harness_cancel(&io);
        WAIT_UNTIL(accepted.last);
        close(client);
        harness_close();
}
END_TEST

/* What was received before a cancel is delivered, the rest stays in the socket: nothing is lost, nothing comes
 * twice. */
START_TEST(cancelled_receiver_loses_nothing) {
        const size_t len = 200000;
        uint8_t *data = pattern(len);
        struct tally got = {.data = malloc(len), .room = len};
        int fds[2];

        OPEN_OR_RETURN(2);
        for (int round = 0; round < 50; round++) {
                got.total = got.calls = got.last = 0;
                socket_pair(fds);
                struct io in = receive_io(fds[0], &got);
                harness_submit(&in);
                if (round % 2)
                        harness_settle();
                write_all(fds[1], data, (size_t)(round % 5) * 20000 + 1000);
                if (round % 3)
                        ck_assert_int_ge(engine->ops->wait(engine, 0), 0);
                harness_cancel(&in);
                harness_cancel(&in); /* a second one changes nothing */
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
        harness_close();
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
                harness_cancel(io);
}

/* A receiver may pause from inside its own done, and begin again from there. */
START_TEST(pause_and_resume) {
        struct pausing pausing = {.tally = {.data = malloc(100), .room = 100}, .events_before_cancel = 1};
        int fds[2];

        OPEN_OR_RETURN(2);
        socket_pair(fds);
        struct io in = receive_io(fds[0], &pausing.tally);
        in.done = cancel_inside_done;
        harness_submit(&in);
        write_all(fds[1], "one", 3);
        WAIT_UNTIL(pausing.tally.last);
        ck_assert_int_eq(pausing.tally.result, -FSOP_ECANCELED);
        write_all(fds[1], "two", 3);
        harness_settle();
        ck_assert_int_eq(pausing.tally.total, 3);
        pausing.tally.last = 0;
        pausing.events_before_cancel = 0;
        harness_submit(&in);
        WAIT_UNTIL(pausing.tally.total == 6);
        ck_assert_int_eq(memcmp(pausing.tally.data, "onetwo", 6), 0);
        harness_cancel(&in);
        WAIT_UNTIL(pausing.tally.last);
        close(fds[0]);
        close(fds[1]);
        free(pausing.tally.data);
        harness_close();
}
END_TEST

START_TEST(cancel_of_a_waiting_send) {
        uint8_t *data = pattern(4u << 20);
        struct tally sent = {0};
        int fds[2];

        OPEN_OR_RETURN(2);
        socket_pair(fds);
        struct io out = send_io(fds[1], data, 4u << 20, &sent);
        harness_submit(&out);
        harness_settle();
        harness_cancel(&out);
        WAIT_UNTIL(sent.last);
        ck_assert_int_eq(sent.result, -FSOP_ECANCELED);
        close(fds[0]);
        close(fds[1]);
        free(data);
        harness_close();
}
END_TEST

/* Submitted and cancelled before the kernel heard of it; cancelled when long over. */
START_TEST(cancel_early_and_late) {
        struct tally got = {0};
        int fds[2];

        OPEN_OR_RETURN(2);
        socket_pair(fds);
        struct io in = receive_io(fds[0], &got);
        harness_submit(&in);
        harness_cancel(&in);
        WAIT_UNTIL(got.last);
        ck_assert_int_eq(got.result, -FSOP_ECANCELED);
        harness_cancel(&in);
        harness_settle();
        ck_assert_uint_eq(got.last, 1);
        close(fds[0]);
        close(fds[1]);
        harness_close();
}
END_TEST

enum { SOCKETS = 300, BYTES = 40000 };

/* More sockets with data than there are buffers on the ring: everybody gets everything. */
static void everybody_gets_everything(bool data_first) {
        static struct tally got[SOCKETS];
        static struct io ios[SOCKETS];
        static int fds[SOCKETS][2];
        uint8_t *data = pattern(BYTES);

        for (int i = 0; i < SOCKETS; i++) {
                socket_pair(fds[i]);
                got[i] = (struct tally){.data = malloc(BYTES), .room = BYTES};
                ios[i] = receive_io(fds[i][0], &got[i]);
                if (data_first)
                        write_all(fds[i][1], data, BYTES);
                harness_submit(&ios[i]);
        }
        if (!data_first) {
                harness_settle();
                for (int i = 0; i < SOCKETS; i++)
                        write_all(fds[i][1], data, BYTES);
        }
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
}

START_TEST(many_sockets_at_once) {
        OPEN_OR_RETURN(2);
        raise_descriptor_limit();
        everybody_gets_everything(false);
        everybody_gets_everything(true);
        harness_close();
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
                harness_submit(&ios[i]);
        }
        harness_settle();
        for (int i = 0; i < POLLS; i++)
                harness_cancel(&ios[i]);
        for (int i = 0; i < POLLS; i++) {
                WAIT_UNTIL(tallies[i].last);
                ck_assert_int_eq(tallies[i].result, -FSOP_ECANCELED);
        }
        close(fd);
        harness_close();
}
END_TEST

/* ---- poll -------------------------------------------------------------------------------------------------------- */

START_TEST(poll_once) {
        struct tally ready = {0};
        int fd = eventfd(0, EFD_CLOEXEC);

        OPEN_OR_RETURN(2);
        struct io io = io_for(IO_POLL, &ready);
        io.u.poll.fd = fd;
        harness_submit(&io);
        harness_settle();
        ck_assert_uint_eq(ready.calls, 0);
        eventfd_write(fd, 1);
        WAIT_UNTIL(ready.last);
        ck_assert_int_eq(ready.result, 0);
        harness_settle();
        ck_assert_uint_eq(ready.calls, 1);
        ready = (struct tally){0};
        harness_submit(&io); /* still readable: at once */
        WAIT_UNTIL(ready.last);
        close(fd);
        harness_close();
}
END_TEST

/* Of what is mounted nothing is kept that others could change: who removes a directory on which something is mounted
 * here, and only here, unmounts that. */
static void have_own_mounts(void) {
        ck_assert_int_eq(mount("test", "/tmp", "tmpfs", 0, NULL), 0);
        ck_assert_int_eq(chdir("/tmp"), 0);
        ck_assert(mkdir("tmp", 0700) == 0 && mkdir("proc", 0700) == 0);
        ck_assert_int_eq(mount("/proc", "proc", NULL, MS_BIND, NULL), 0);
        ck_assert_int_eq((int)syscall(SYS_pivot_root, ".", "."), 0);
        ck_assert_int_eq(umount2(".", MNT_DETACH), 0);
}

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
        have_own_mounts();
        int fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
        struct io io = io_for(IO_POLL, &changed);
        io.u.poll.fd = fd;
        harness_submit(&io);
        harness_settle();
        ck_assert_uint_eq(changed.calls, 0);
        for (unsigned i = 1; i <= 20; i++) {
                if (i % 2)
                        mount_something();
                WAIT_UNTIL(changed.last);
                ck_assert_uint_eq(changed.calls, i);
                if (i % 2)
                        mount_something(); /* between the one poll and the next */
                changed.last = 0;
                harness_submit(&io);
        }
        harness_settle();
        ck_assert_uint_eq(changed.last, 0);
        harness_cancel(&io);
        WAIT_UNTIL(changed.last);
        ck_assert_int_eq(changed.result, -FSOP_ECANCELED);
        close(fd);
        harness_close();
}
END_TEST

/* ---- looking before sleeping ---- */

/* Where two have to share a processor each look may be in vain to its end: then there are fewer round trips. */
#define ROUND_TRIPS 3000u
#define ENOUGH_MS 5000u
/* on a busy machine, too, a sleep is shorter: so it looks wherever there is something to miss */
#define LOOK_US 50000u

static unsigned asked; /* atomic: round trips begun, wakes wanted */

static bool is_enough(uint64_t begin_ms) {
        return __atomic_load_n(&asked, __ATOMIC_ACQUIRE) == ROUND_TRIPS || sys_monotonic_ms() - begin_ms > ENOUGH_MS;
}

static void *ask(void *argument) {
        uint64_t begin_ms = sys_monotonic_ms();
        int fd = *(int *)argument;
        char byte = 'x';

        while (!is_enough(begin_ms)) {
                __atomic_add_fetch(&asked, 1, __ATOMIC_RELEASE);
                if (write(fd, &byte, 1) != 1 || read(fd, &byte, 1) != 1)
                        break;
        }
        close(fd);
        return NULL;
}

/* So fast that wait does not sleep between the one and the next, where there is a processor for each. */
START_TEST(nothing_is_missed_while_it_looks) {
        struct tally got = {0}, sent = {0};
        pthread_t thread;
        int fds[2];

        harness_spin_us = LOOK_US;
        OPEN_OR_RETURN(2);
        socket_pair(fds);
        struct io receive = receive_io(fds[0], &got), answer = send_io(fds[0], "y", 1, &sent);
        harness_submit(&receive);
        ck_assert_int_eq(pthread_create(&thread, NULL, ask, &fds[1]), 0);
        for (int64_t i = 1;; i++) {
                WAIT_UNTIL(got.total == i || got.last);
                if (got.last)
                        break;
                sent.last = 0;
                harness_submit(&answer);
                WAIT_UNTIL(sent.last);
        }
        pthread_join(thread, NULL);
        ck_assert_int_eq(got.result, 0);
        ck_assert_int_eq(got.total, asked);
        close(fds[0]);
        harness_close();
}
END_TEST

static void *wake_when_asked(void *argument) {
        for (unsigned i = 0; !__atomic_load_n((bool *)argument, __ATOMIC_ACQUIRE);)
                if (__atomic_load_n(&asked, __ATOMIC_ACQUIRE) > i) {
                        engine->ops->wake(engine);
                        i++;
                } else
                        sched_yield();
        return NULL;
}

START_TEST(no_wake_is_missed_while_it_looks) {
        bool over = false;
        pthread_t thread;

        harness_spin_us = LOOK_US;
        OPEN_OR_RETURN(2);
        ck_assert_int_eq(pthread_create(&thread, NULL, wake_when_asked, &over), 0);
        for (uint64_t begin_ms = sys_monotonic_ms(); !is_enough(begin_ms);) {
                __atomic_add_fetch(&asked, 1, __ATOMIC_RELEASE);
                ck_assert_int_ge(engine->ops->wait(engine, -1), 0); /* for ever, if it were missed */
        }
        __atomic_store_n(&over, true, __ATOMIC_RELEASE);
        pthread_join(thread, NULL);
        harness_close();
}
END_TEST

int main(void) {
        Suite *suite = suite_create("engine-sockets");

        HARNESS_ADD(suite, "receive", receive_until_the_end, half_closed_is_the_end, broken_connection_is_an_error,
                    big_receive, many_sockets_at_once, pause_and_resume, cancelled_receiver_loses_nothing);
        HARNESS_ADD(suite, "send", send_passes_descriptors_with_the_first_byte, as_many_descriptors_as_there_can_be,
                    descriptors_cut_off_are_told, big_send_to_a_slow_reader, send_to_nobody_raises_no_signal,
                    send_ends_at_once_where_it_may, reader_gone_in_the_middle_of_a_send, cancel_of_a_waiting_send);
        HARNESS_ADD(suite, "accept", accept_goes_on, accept_ends_with_its_error);
        HARNESS_ADD(suite, "poll", poll_once, poll_of_the_mount_table);
        HARNESS_ADD(suite, "look", nothing_is_missed_while_it_looks, no_wake_is_missed_while_it_looks);
        HARNESS_ADD(suite, "all", bad_descriptor_fails_through_done, unknown_kind_fails_through_done,
                    cancel_early_and_late, thousands_of_polls_cancelled);
        return suite_run(suite);
}
