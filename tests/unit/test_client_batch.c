/* SPDX-License-Identifier: MIT */
/*
 * test_client_batch.c: libfsop's batches against a server in the test's own hands: answers in any order, callbacks,
 * cancelling, time-outs; handles, descriptors in both directions; event loops and waking.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/fake_server.h"
#include "tests/support/suite.h"

static struct fake_server fake;

static void setup(void) {
        fake_start(&fake, NULL);
}

static void teardown(void) {
        fake_fini(&fake);
}

static struct fsop_batch *new_batch(void) {
        struct fsop_batch *batch;
        ck_assert_int_eq(fsop_batch_new(fake.client, FSOP_BATCH_PARALLEL, &batch), 0);
        return batch;
}

/* A batch of so many stats of /0, /1, … */
static struct fsop_batch *new_stats(unsigned n) {
        struct fsop_batch *batch = new_batch();
        for (unsigned i = 0; i < n; i++) {
                char path[32];
                snprintf(path, sizeof(path), "/%u", i);
                struct fsop_at at = fsop_at_path(path, false);
                ck_assert_int_eq(fsop_batch_stat(batch, &at), (int)i);
        }
        return batch;
}

static int calls;
static struct fsop_batch *called_with;

static void count_call(struct fsop_batch *batch, void *userdata) {
        ck_assert_ptr_eq(userdata, &calls);
        calls++;
        called_with = batch;
}

static uint64_t submit(struct fsop_batch *batch) {
        uint64_t id = 0;
        ck_assert_int_eq(fsop_batch_submit(batch, count_call, &calls, &id), 0);
        ck_assert_uint_ne(id, 0);
        return id;
}

/* ---- batches ---------------------------------------------------------------------------------------------------- */

START_TEST(results_in_any_order_and_over_frames) {
        struct fsop_batch *batch = new_stats(3);
        struct result late[] = {stat_result(2), failed_result(0, FSOP_VERB_STAT, FSOP_ENOENT, FSOP_OUTCOME_DONE)};
        struct result early = stat_result(1);
        uint64_t id = submit(batch);
        ck_assert_ptr_null(fsop_batch_result(batch, 1));
        fake_answer(&fake, id, &early, 1, false);
        ck_assert_int_eq(fsop_process(fake.client), 0);
        ck_assert_uint_eq(fsop_batch_result(batch, 1)->value.stat.ino, 1001);
        ck_assert_ptr_null(fsop_batch_result(batch, 0));
        ck_assert(!fsop_batch_is_done(batch));
        fake_answer(&fake, id, late, 2, true);
        ck_assert_int_eq(fsop_wait(fake.client, 10000), 1);
        ck_assert_int_eq(calls, 0);
        ck_assert_int_eq(fsop_process(fake.client), 1);
        ck_assert_int_eq(calls, 1);
        ck_assert_ptr_eq(called_with, batch);
        ck_assert(fsop_batch_is_done(batch));
        ck_assert_uint_eq(fsop_batch_failed(batch), 1);
        ck_assert_uint_eq(fsop_batch_result(batch, 2)->value.stat.ino, 1002);
        ck_assert_int_eq(fsop_batch_result(batch, 0)->error.code, FSOP_ENOENT);
        ck_assert_uint_eq(fsop_batch_result(batch, 2)->error.index, 2);
        ck_assert_ptr_null(fsop_batch_result(batch, 3));
        /* Once answered it is done; used again it is empty. */
        ck_assert_int_eq(fsop_batch_submit(batch, NULL, NULL, NULL), -FSOP_EBUSY);
        ck_assert_int_eq(fsop_batch_reset(batch), 0);
        ck_assert_int_eq(fsop_batch_submit(batch, NULL, NULL, NULL), -FSOP_EINVAL);
        fsop_batch_free(batch);
}
END_TEST

START_TEST(callbacks_run_in_process_only) {
        struct fsop_batch *batch = new_stats(1);
        struct result result = stat_result(0);
        uint64_t timeout_ms, id = submit(batch);
        ck_assert_int_eq(fsop_timeout_ms(fake.client, &timeout_ms), 0);
        ck_assert_uint_eq(timeout_ms, UINT64_MAX);
        fake_answer(&fake, id, &result, 1, true);
        fake_answer_one(&fake, id + 1, (struct result){.verb = FSOP_VERB_PING});
        ck_assert_int_eq(fsop_ping(fake.client), 0); /* sees both answers */
        ck_assert(fsop_batch_is_done(batch));
        ck_assert_int_eq(calls, 0);
        ck_assert_int_eq(fsop_timeout_ms(fake.client, &timeout_ms), 0);
        ck_assert_uint_eq(timeout_ms, 0);
        ck_assert_int_eq(fsop_wait(fake.client, UINT64_MAX), 1);
        ck_assert_int_eq(fsop_process(fake.client), 1);
        ck_assert_int_eq(calls, 1);
        ck_assert_int_eq(fsop_process(fake.client), 0);
        fsop_batch_free(batch);
}
END_TEST

START_TEST(cancelled_answers_once) {
        struct fsop_batch *batch = new_stats(2);
        struct result results[] = {stat_result(0),
                                   failed_result(1, FSOP_VERB_STAT, FSOP_ECANCELED, FSOP_OUTCOME_NOT_STARTED)};
        uint64_t id = submit(batch);
        ck_assert_int_eq(fsop_cancel(fake.client, id), 0);
        ck_assert_int_eq(fsop_cancel(fake.client, id + 1), -FSOP_ENOENT);
        ck_assert_uint_eq(fake_receive_batch(&fake).id, id);
        struct message cancel = fake_receive(&fake);
        ck_assert_int_eq(cancel.kind, MESSAGE_CANCEL);
        ck_assert_uint_eq(cancel.body.cancel_id, id);
        ck_assert_int_eq(fsop_process(fake.client), 0);
        fake_answer(&fake, id, results, 2, true);
        ck_assert_int_eq(fsop_process(fake.client), 1);
        ck_assert_int_eq(calls, 1);
        ck_assert_int_eq(fsop_batch_result(batch, 1)->outcome, FSOP_OUTCOME_NOT_STARTED);
        ck_assert_int_eq(fsop_cancel(fake.client, id), -FSOP_ENOENT);
        fsop_batch_free(batch);
}
END_TEST

START_TEST(freed_in_flight) {
        struct fsop_batch *batch = new_stats(1);
        struct result result = stat_result(0);
        uint64_t id = submit(batch);
        fsop_batch_free(batch);
        fake_receive(&fake);
        ck_assert_int_eq(fake_receive(&fake).kind, MESSAGE_CANCEL);
        fake_answer(&fake, id, &result, 1, true);
        ck_assert_int_eq(fsop_process(fake.client), 0);
        ck_assert_int_eq(calls, 0);
        fake_answer_one(&fake, id + 1, (struct result){.verb = FSOP_VERB_PING});
        ck_assert_int_eq(fsop_ping(fake.client), 0);
}
END_TEST

static void free_it(struct fsop_batch *batch, void *userdata) {
        (void)userdata;
        calls++;
        ck_assert_int_eq(fsop_process(fake.client), -FSOP_EDEADLK);
        fsop_batch_free(batch);
}

static void close_it(struct fsop_batch *batch, void *userdata) {
        (void)batch;
        (void)userdata;
        calls++;
        fsop_close(fake.client);
}

START_TEST(freed_and_closed_in_callbacks) {
        struct fsop_batch *first = new_stats(1), *second = new_stats(1), *third = new_stats(1);
        struct result result = stat_result(0);
        ck_assert_int_eq(fsop_batch_submit(first, free_it, NULL, NULL), 0);
        ck_assert_int_eq(fsop_batch_submit(second, close_it, NULL, NULL), 0);
        ck_assert_int_eq(fsop_batch_submit(third, count_call, &calls, NULL), 0);
        for (uint64_t id = 1; id <= 3; id++)
                fake_answer(&fake, id, &result, 1, true);
        ck_assert_int_eq(fsop_process(fake.client), 2);
        fake.client = NULL;
        ck_assert_int_eq(calls, 2); /* the third came too late */
        ck_assert_uint_eq(fsop_batch_result(third, 0)->value.stat.ino, 1000);
        ck_assert_int_eq(fsop_batch_reset(third), -FSOP_ENOTCONN);
        fsop_batch_free(second);
        fsop_batch_free(third);
}
END_TEST

/* Answers the third of four batches, and the fifth when it comes. */
static void *answer_third_and_fifth(void *userdata) {
        struct result result = stat_result(0);
        (void)userdata;
        fake_answer(&fake, 3, &result, 1, true);
        while (fake_receive_batch(&fake).id != 5)
                ;
        fake_answer(&fake, 5, &result, 1, true);
        return NULL;
}

START_TEST(as_many_in_flight_as_agreed) {
        struct fsop_batch *batches[5];
        pthread_t thread;
        for (int i = 0; i < 5; i++)
                batches[i] = new_stats(1);
        for (int i = 0; i < 4; i++)
                submit(batches[i]);
        ck_assert_int_eq(fsop_batch_submit(batches[4], count_call, &calls, NULL), -FSOP_EAGAIN);
        /* The blocking face waits for one of them. */
        ck_assert_int_eq(pthread_create(&thread, NULL, answer_third_and_fifth, NULL), 0);
        ck_assert_int_eq(fsop_batch_run(batches[4]), 0);
        pthread_join(thread, NULL);
        ck_assert(fsop_batch_is_done(batches[2]));
        ck_assert_int_eq(calls, 0);
        ck_assert_int_eq(fsop_process(fake.client), 1);
        for (int i = 0; i < 5; i++)
                fsop_batch_free(batches[i]);
}
END_TEST

START_TEST(a_daemon_that_is_silent_too_long) {
        struct fsop_batch *batch = new_stats(1);
        struct result result = stat_result(0);
        uint64_t timeout_ms;
        ck_assert_int_eq(fsop_batch_set_timeout_ms(batch, 1), 0);
        uint64_t id = submit(batch);
        ck_assert_uint_eq(fake_receive_batch(&fake).deadline_ms, 1);
        ck_assert_int_eq(fsop_timeout_ms(fake.client, &timeout_ms), 0);
        ck_assert_uint_le(timeout_ms, 1001);
        ck_assert_int_eq(fsop_wait(fake.client, UINT64_MAX), 1);
        ck_assert_int_eq(fsop_process(fake.client), 1);
        ck_assert_int_eq(fsop_batch_result(batch, 0)->error.code, FSOP_ETIMEDOUT);
        ck_assert_int_eq(fsop_batch_result(batch, 0)->outcome, FSOP_OUTCOME_UNKNOWN);
        ck_assert_int_eq(fake_receive(&fake).kind, MESSAGE_CANCEL);
        fake_answer(&fake, id, &result, 1, true); /* too late, and no harm */
        ck_assert_int_eq(fsop_process(fake.client), 0);
        /* A blocking call gives up in the same way. */
        ck_assert_int_eq(fsop_set_timeout_ms(fake.client, 1), 0);
        ck_assert_int_eq(fsop_ping(fake.client), -FSOP_ETIMEDOUT);
        ck_assert_int_eq(fsop_last_result(fake.client)->outcome, FSOP_OUTCOME_UNKNOWN);
        fsop_batch_free(batch);
}
END_TEST

/* ---- handles, descriptors --------------------------------------------------------------------------------------- */

START_TEST(handles_of_another_connection_are_stale) {
        struct fsop_at at = fsop_at_path("/d", false);
        struct fsop_handle handle;
        fake_answer_one(&fake, 1, (struct result){.verb = FSOP_VERB_OPENDIR, .value.handle = 42});
        ck_assert_int_eq(fsop_opendir(fake.client, &at, &handle), 0);
        fake_receive(&fake);
        struct fsop_at below = fsop_at_handle(handle, "x/y", false);
        fake_answer_one(&fake, 2, stat_result(0));
        ck_assert_int_eq(fsop_stat(fake.client, &below, NULL), 0);
        struct batch batch = fake_receive_batch(&fake);
        ck_assert_int_eq(batch.ops[0].at.kind, LOCATION_HANDLE);
        ck_assert_uint_eq(batch.ops[0].at.handle, 42);
        fake_fini(&fake);
        fake_start(&fake, NULL);
        ck_assert_int_eq(fsop_stat(fake.client, &below, NULL), -FSOP_ESTALE);
        ck_assert_int_eq(fsop_close_handle(fake.client, handle), -FSOP_ESTALE);
        ck_assert(fake_is_silent(&fake));
}
END_TEST

static bool is_open(intptr_t fd) {
        return fcntl((int)fd, F_GETFD) >= 0;
}

START_TEST(descriptors_come) {
        struct fsop_batch *batch = new_batch();
        struct fsop_at at = fsop_at_path("/f", false);
        struct result results[2] = {
                {.index = 0, .verb = FSOP_VERB_OPEN_FD, .outcome = FSOP_OUTCOME_DONE, .value.fd_index = 1},
                {.index = 1, .verb = FSOP_VERB_OPEN_FD, .outcome = FSOP_OUTCOME_DONE, .value.fd_index = 0}};
        struct message message = {.kind = MESSAGE_RESULTS,
                                  .body.results = {.id = 1, .results = results, .n_results = 2, .last = true}};
        int pipes[2];
        intptr_t fd;
        ck_assert_int_eq(pipe(pipes), 0);
        for (int i = 0; i < 2; i++)
                ck_assert_int_eq(fsop_batch_open_fd(batch, &at, NULL), i);
        submit(batch);
        fake_send(&fake, &message, pipes, 2);
        ck_assert_int_eq(fsop_process(fake.client), 1);
        ck_assert_int_eq(fsop_batch_take_fd(batch, 0, &fd), 0);
        ck_assert_int_eq(fsop_batch_take_fd(batch, 0, &fd), -FSOP_ENOENT);
        ck_assert_int_eq(fsop_batch_take_fd(batch, 2, &fd), -FSOP_ENOENT);
        ck_assert_int_eq(fcntl((int)fd, F_GETFD), FD_CLOEXEC);
        ck_assert_int_eq(fcntl((int)fd, F_GETFL) & O_ACCMODE, O_WRONLY); /* the second, as it said */
        intptr_t left = fsop_batch_result(batch, 1)->value.fd;
        ck_assert(is_open(left));
        fsop_batch_free(batch);
        ck_assert(!is_open(left));
        ck_assert(is_open(fd));
        close((int)fd);

        /* One call of its own. */
        results[0].value.fd_index = 0;
        message.body.results = (struct results){.id = 2, .results = results, .n_results = 1, .last = true};
        fake_send(&fake, &message, pipes, 1);
        ck_assert_int_eq(fsop_open_fd(fake.client, &at, NULL, &fd), 0);
        ck_assert_int_eq(fcntl((int)fd, F_GETFL) & O_ACCMODE, O_RDONLY);
        close((int)fd);
        close(pipes[0]);
        close(pipes[1]);
}
END_TEST

static unsigned count_fds(void) {
        unsigned n = 0;
        for (int fd = 0; fd < 1024; fd++)
                n += is_open(fd);
        return n;
}

/* Nothing that a server sends stays open, however wrong it is. */
START_TEST(descriptors_that_nobody_asked_for) {
        int fds[100];
        struct result both[2] = {{.index = 0, .verb = FSOP_VERB_OPEN_FD, .outcome = FSOP_OUTCOME_DONE},
                                 {.index = 1, .verb = FSOP_VERB_OPEN_FD, .outcome = FSOP_OUTCOME_DONE}};
        struct result ping = {.verb = FSOP_VERB_PING, .outcome = FSOP_OUTCOME_DONE};
        struct message message = {.kind = MESSAGE_RESULTS, .body.results = {.id = 1, .last = true}};
        struct fsop_at at = fsop_at_path("/f", false);
        for (int i = 0; i < 100; i++)
                fds[i] = 2;
        unsigned before = count_fds();
        fake_start(&fake, NULL);
        struct fsop_batch *batch = new_batch();
        switch (_i) {
        case 0: /* one descriptor for two results */
                ck_assert_int_eq(fsop_batch_open_fd(batch, &at, NULL), 0);
                ck_assert_int_eq(fsop_batch_open_fd(batch, &at, NULL), 1);
                message.body.results.results = both;
                message.body.results.n_results = 2;
                fake_send(&fake, &message, fds, 1);
                ck_assert_int_eq(fsop_batch_run(batch), -FSOP_EPROTO);
                break;
        case 1: /* for an operation that has none: closed, no more */
                ck_assert_int_eq(fsop_batch_ping(batch, NULL), 0);
                message.body.results.results = &ping;
                message.body.results.n_results = 1;
                fake_send(&fake, &message, fds, 3);
                ck_assert_int_eq(fsop_batch_run(batch), 0);
                break;
        case 2: /* with bytes that do not declare them */
                ck_assert_int_eq(fsop_batch_ping(batch, NULL), 0);
                fake_answer(&fake, 1, &ping, 1, true);
                fake_send_raw(&fake, "\4\0\0", 3, fds, 5);
                fake_hang_up(&fake);
                ck_assert_int_eq(fsop_batch_run(batch), 0);
                break;
        default: /* more at once than any frame has */
                ck_assert_int_eq(fsop_batch_ping(batch, NULL), 0);
                fake_send_raw(&fake, "\4\0\0\0", 4, fds, 100);
                ck_assert_int_eq(fsop_batch_run(batch), -FSOP_EPROTO);
                break;
        }
        fsop_batch_free(batch);
        fake_fini(&fake);
        ck_assert_uint_eq(count_fds(), before);
}
END_TEST

START_TEST(descriptors_go) {
        struct fsop_batch *batch = new_batch();
        int pipes[2];
        ck_assert_int_eq(pipe(pipes), 0);
        for (int i = 0; i < 4; i++) {
                struct fsop_at at = fsop_at_fd(pipes[i % 2], i < 2 ? NULL : "below", false);
                ck_assert_int_eq(fsop_batch_stat(batch, &at), i);
        }
        struct fsop_at none = fsop_at_fd(-1, NULL, false);
        ck_assert_int_eq(fsop_batch_stat(batch, &none), -FSOP_EBADF);
        submit(batch);
        close(pipes[0]);
        close(pipes[1]);
        struct batch got = fake_receive_batch(&fake);
        ck_assert_uint_eq(fake.n_fds, 2);
        for (uint32_t i = 0; i < 4; i++) {
                ck_assert_int_eq(got.ops[i].at.kind, LOCATION_FD);
                ck_assert_uint_eq(got.ops[i].at.fd_index, i % 2);
        }
        ck_assert_int_eq(fcntl(fake.fds[1], F_GETFL) & O_ACCMODE, O_WRONLY);
        fsop_batch_free(batch);
}
END_TEST

/* Requests that wait for room in the socket keep their descriptors, whatever the caller does with its own. */
START_TEST(descriptors_wait_with_their_request) {
        static const uint8_t data[WIRE_IO_BYTES_MAX];
        struct fsop_batch *batches[3];
        for (int i = 0; i < 3; i++) {
                int fd = open("/dev/null", O_WRONLY);
                struct fsop_at at = fsop_at_fd(fd, NULL, false);
                struct fsop_write_args args = {
                        .size = sizeof(args), .offset = (uint64_t)i, .data = {data, sizeof(data)}};
                batches[i] = new_batch();
                ck_assert_int_eq(fsop_batch_write(batches[i], &at, &args), 0);
                submit(batches[i]);
                close(fd);
        }
        for (int i = 0; i < 3; i++) {
                /* What does not fit the socket moves on with fsop_process(), so the frame is read bit by bit. */
                uint8_t header[8];
                size_t left = 0;
                for (size_t got = 0; got < 8 + left;) {
                        ck_assert_int_ge(fsop_process(fake.client), 0);
                        uint8_t sink[65536];
                        struct iovec piece = {.iov_base = got < 8 ? header + got : sink,
                                              .iov_len = got < 8                         ? 8 - got
                                                         : 8 + left - got < sizeof(sink) ? 8 + left - got
                                                                                         : sizeof(sink)};
                        union {
                                struct cmsghdr align;
                                char data[CMSG_SPACE(sizeof(int) * 4)];
                        } control;
                        struct msghdr message = {.msg_iov = &piece,
                                                 .msg_iovlen = 1,
                                                 .msg_control = control.data,
                                                 .msg_controllen = sizeof(control.data)};
                        ssize_t n = recvmsg(fake.fd, &message, 0);
                        ck_assert_int_gt(n, 0);
                        if (got == 0) {
                                struct cmsghdr *with = CMSG_FIRSTHDR(&message);
                                int fd;
                                ck_assert_ptr_nonnull(with);
                                memcpy(&fd, CMSG_DATA(with), sizeof(fd));
                                ck_assert_int_eq(fcntl(fd, F_GETFL) & O_ACCMODE, O_WRONLY);
                                close(fd);
                        }
                        got += (size_t)n;
                        if (got == 8)
                                left = header[0] | (size_t)header[1] << 8 | (size_t)header[2] << 16;
                }
                fsop_batch_free(batches[i]);
        }
}
END_TEST

/* Where there is no room for a copy the request is taken back out of what waits, as if it had never been sent, and can
 * be sent later. */
START_TEST(descriptors_that_cannot_be_kept) {
        static uint8_t data[WIRE_IO_BYTES_MAX];
        struct fsop_batch *first = new_batch(), *second = new_batch();
        struct fsop_at null = fsop_at_fd(open("/dev/null", O_WRONLY), NULL, false),
                       zero = fsop_at_fd(open("/dev/zero", O_RDONLY), NULL, false);
        struct fsop_write_args args = {.size = sizeof(args), .data = {data, sizeof(data)}};
        struct rlimit limit, tight;
        uint8_t header[8];
        size_t left;
        int next = dup(0);
        ck_assert_int_eq(fsop_batch_write(first, &null, &args), 0);
        ck_assert_int_eq(fsop_batch_stat(second, &null), 0);
        ck_assert_int_eq(fsop_batch_stat(second, &zero), 1);
        submit(first); /* does not fit the socket, so that the second one waits */
        close(next);
        ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
        tight = (struct rlimit){.rlim_cur = (rlim_t)next + 1, .rlim_max = limit.rlim_max};
        ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &tight), 0);
        for (int i = 0; i < 3; i++)
                ck_assert_int_eq(fsop_batch_submit(second, NULL, NULL, NULL), -FSOP_EMFILE);
        ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
        ck_assert_int_eq(dup(0), next); /* what was copied is closed again */
        close(next);
        ck_assert_int_eq(recv(fake.fd, header, sizeof(header), MSG_WAITALL), 8);
        left = header[0] | (size_t)header[1] << 8 | (size_t)header[2] << 16;
        while (left > 0) {
                ssize_t n = recv(fake.fd, data, left < sizeof(data) ? left : sizeof(data), 0);
                ck_assert_int_gt(n, 0);
                left -= (size_t)n;
                ck_assert_int_ge(fsop_process(fake.client), 0);
        }
        ck_assert(fake_is_silent(&fake));
        submit(second);
        struct batch got = fake_receive_batch(&fake);
        ck_assert_uint_eq(got.n_ops, 2);
        ck_assert_uint_eq(fake.n_fds, 2);
        ck_assert_int_eq(fcntl(fake.fds[0], F_GETFL) & O_ACCMODE, O_WRONLY);
        ck_assert_int_eq(fcntl(fake.fds[1], F_GETFL) & O_ACCMODE, O_RDONLY);
        close(null.fd);
        close(zero.fd);
        fsop_batch_free(first);
        fsop_batch_free(second);
}
END_TEST

/* ---- waking ----------------------------------------------------------------------------------------------------- */

static void *wake(void *client) {
        fsop_wakeup(client);
        return NULL;
}

START_TEST(another_thread_wakes) {
        pthread_t thread;
        intptr_t fd;
        ck_assert_int_eq(pthread_create(&thread, NULL, wake, fake.client), 0);
        ck_assert_int_eq(fsop_wait(fake.client, UINT64_MAX), 0);
        pthread_join(thread, NULL);
        /* Earlier counts, too; but once. */
        fsop_wakeup(fake.client);
        fsop_wakeup(fake.client);
        ck_assert_int_eq(fsop_wait(fake.client, UINT64_MAX), 0);
        ck_assert_int_eq(fsop_descriptor(fake.client, &fd), 0);
        struct pollfd watched = {.fd = (int)fd, .events = POLLIN};
        ck_assert_int_eq(poll(&watched, 1, 0), 0);
        fsop_wakeup(fake.client);
        ck_assert_int_eq(poll(&watched, 1, 0), 1);
        ck_assert_int_eq(fsop_process(fake.client), 0);
        ck_assert_int_eq(poll(&watched, 1, 0), 0);
        /* A blocking call is not disturbed. */
        fsop_wakeup(fake.client);
        fake_answer_one(&fake, 1, (struct result){.verb = FSOP_VERB_PING});
        ck_assert_int_eq(fsop_ping(fake.client), 0);
}
END_TEST

START_TEST(the_descriptor_tells) {
        static const uint8_t data[WIRE_IO_BYTES_MAX];
        struct fsop_at at = fsop_at_fd(0, NULL, false);
        struct fsop_write_args args = {.size = sizeof(args), .data = {data, sizeof(data)}};
        struct fsop_batch *batches[2] = {new_batch(), new_batch()};
        intptr_t fd, again;
        ck_assert_int_eq(fsop_descriptor(fake.client, &fd), 0);
        ck_assert_int_eq(fsop_descriptor(fake.client, &again), 0);
        ck_assert_int_eq(fd, again);
        ck_assert_int_eq(fcntl((int)fd, F_GETFD), FD_CLOEXEC);
        ck_assert_int_eq(fsop_events(fake.client), FSOP_EVENT_READ);
        struct pollfd watched = {.fd = (int)fd, .events = POLLIN};
        ck_assert_int_eq(poll(&watched, 1, 0), 0);
        for (int i = 0; i < 2; i++) {
                ck_assert_int_eq(fsop_batch_write(batches[i], &at, &args), 0);
                submit(batches[i]);
        }
        ck_assert_int_eq(poll(&watched, 1, 0), 0); /* the socket is full */
        for (int i = 0; i < 2; i++) {
                uint8_t sink[65536];
                while (recv(fake.fd, sink, sizeof(sink), MSG_DONTWAIT) > 0)
                        ;
                ck_assert_int_eq(poll(&watched, 1, 10000), 1); /* there is room again */
                ck_assert_int_eq(fsop_process(fake.client), 0);
                fsop_wakeup(fake.client); /* the last piece leaves nothing to tell of */
        }
        fake_hang_up(&fake);
        ck_assert_int_eq(poll(&watched, 1, 10000), 1);
        ck_assert_int_eq(fsop_process(fake.client), -FSOP_ECONNRESET);
        for (int i = 0; i < 2; i++)
                fsop_batch_free(batches[i]);
}
END_TEST

/* ---- all of it -------------------------------------------------------------------------------------------------- */

static Suite *batch_suite(void) {
        Suite *suite = suite_create("client_batch");
        TCase *bare = tcase_create("bare");
        tcase_add_loop_test(bare, descriptors_that_nobody_asked_for, 0, 4);
        suite_add_tcase(suite, bare);

        TCase *connected = tcase_create("connected");
        tcase_add_checked_fixture(connected, setup, teardown);
        tcase_add_test(connected, results_in_any_order_and_over_frames);
        tcase_add_test(connected, callbacks_run_in_process_only);
        tcase_add_test(connected, cancelled_answers_once);
        tcase_add_test(connected, freed_in_flight);
        tcase_add_test(connected, freed_and_closed_in_callbacks);
        tcase_add_test(connected, as_many_in_flight_as_agreed);
        tcase_add_test(connected, a_daemon_that_is_silent_too_long);
        tcase_add_test(connected, handles_of_another_connection_are_stale);
        tcase_add_test(connected, descriptors_come);
        tcase_add_test(connected, descriptors_go);
        tcase_add_test(connected, descriptors_wait_with_their_request);
        tcase_add_test(connected, descriptors_that_cannot_be_kept);
        tcase_add_test(connected, another_thread_wakes);
        tcase_add_test(connected, the_descriptor_tells);
        suite_add_tcase(suite, connected);
        return suite;
}

int main(void) {
        return suite_run(batch_suite());
}
