/* SPDX-License-Identifier: MIT */
/*
 * test_engine.c: waiting, waking, workers and the choice of an engine, against both engines of this platform; and what
 * the ring refuses.
 */
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
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include "tests/support/engine_harness.h"
#include "tests/support/suite.h"

#ifdef FSOP_HAVE_URING
#include "backends/linux/engine_uring.h"
#endif

/* ---- waiting and waking ------------------------------------------------------------------------------------------ */

START_TEST(wait_ends_with_its_time) {
        OPEN_OR_RETURN(2);
        uint64_t before = sys_monotonic_ms();
        unsigned waits = 0;
        do { /* who is stopped for a moment waits for less */
                ck_assert_int_eq(engine->ops->wait(engine, 60), 0);
                waits++;
        } while (sys_monotonic_ms() - before < 59);
        ck_assert_uint_lt(waits, 60);
        ck_assert_int_eq(engine->ops->wait(engine, 0), 0);
        harness_close();
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
        harness_close();
}
END_TEST

static volatile sig_atomic_t alarms;

static void on_alarm(int number) {
        (void)number;
        engine->ops->wake(engine);
        alarms++;
}

START_TEST(wake_from_a_signal_handler) {
        struct sigaction action = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};
        struct itimerval soon = {.it_value = {.tv_usec = 20000}};

        OPEN_OR_RETURN(2);
        sigaction(SIGALRM, &action, NULL);
        for (int i = 0; i < 5; i++) {
                setitimer(ITIMER_REAL, &soon, NULL);
                do /* a wait that the signal interrupts may leave its wake to the next one */
                        ck_assert_int_eq(engine->ops->wait(engine, -1), 0);
                while (alarms == i);
        }
        harness_close();
}
END_TEST

/* ---- workers ----------------------------------------------------------------------------------------------------- */

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
        harness_submit(&io);
        WAIT_UNTIL(tally.last);
        ck_assert_int_eq(tally.result, 42);
        harness_close();
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
        harness_submit(&ios[0]);
        WAIT_UNTIL(order == LINKS);
        for (int i = 0; i < LINKS; i++)
                ck_assert_uint_eq(tallies[i].when, (unsigned)i + 1);
        harness_close();
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
        socket_pair(fds);
        for (int i = 0; i < COUNT; i++) {
                tallies[i].order = &order;
                ios[i] = call_io(answer_42, &tallies[i]);
                harness_submit(&ios[i]);
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
        harness_close();
}
END_TEST

static int gate[2];  /* a worker that reads from it stands still */
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
                harness_submit(&holders[i]);
        }
        WAIT_UNTIL_STANDING(2);
        for (int i = 0; i < 3; i++) {
                ios[i] = call_io(answer_42, &queued[i]);
                ios[i].chain = i < 2 ? &ios[i + 1] : NULL;
        }
        harness_submit(&ios[0]);
        harness_cancel(&ios[1]);
        WAIT_UNTIL(queued[1].last); /* although every worker stands still */
        ck_assert_int_eq(queued[1].result, -FSOP_ECANCELED);
        harness_cancel(&ios[0]);
        WAIT_UNTIL(queued[0].last);
        ck_assert_int_eq(queued[0].result, -FSOP_ECANCELED);
        ck_assert_uint_eq(queued[2].calls, 0);
        harness_cancel(&holders[0]); /* runs: nothing to be done about it */
        write_all(gate[1], "ab", 2);
        WAIT_UNTIL(held[0].last && held[1].last && queued[2].last);
        ck_assert_int_eq(held[0].result, 1);
        ck_assert_int_eq(queued[2].result, 42);
        harness_close();
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
        harness_submit(&io);
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

/* ---- choosing ---------------------------------------------------------------------------------------------------- */

static void quiet(int level, const char *message) {
        (void)level;
        (void)message;
}

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
        harness_close();
}
END_TEST

/* ---- the ring alone ---------------------------------------------------------------------------------------------- */

#ifdef FSOP_HAVE_URING

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

        if (!harness_open(1, 2))
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
        harness_close();
}
END_TEST

static const struct io_uring_sqe *last_submission(struct uring *e) {
        return &e->ring.sq.sqes[(e->ring.sq.sqe_tail - 1) & e->ring.sq.ring_mask];
}

/* Nothing runs as whoever the loop thread happens to be. */
START_TEST(every_submission_wears_something) {
        struct tally tallies[3] = {0};
        int fds[2];

        if (!harness_open(1, 2))
                return;
        struct uring *e = (struct uring *)engine;
        socket_pair(fds);
        struct io ios[3] = {receive_io(fds[0], &tallies[0]), io_for(IO_POLL, &tallies[1]),
                            io_for(IO_ACCEPT, &tallies[2])};
        ios[1].u.poll.fd = fds[0];
        ios[2].u.accept.fd = fds[1];
        ck_assert_uint_ne(e->service_personality, 0);
        for (int i = 0; i < 3; i++) {
                harness_submit(&ios[i]);
                ck_assert_uint_eq(last_submission(e)->personality, e->service_personality);
                harness_cancel(&ios[i]);
                ck_assert_uint_eq(last_submission(e)->opcode, IORING_OP_ASYNC_CANCEL);
                ck_assert_uint_eq(last_submission(e)->personality, e->service_personality);
        }
        WAIT_UNTIL(tallies[0].last && tallies[1].last && tallies[2].last);
        ck_assert_uint_eq(last_submission(e)->personality, e->service_personality); /* what wakes it */
        harness_close();
}
END_TEST

/* The kernel sends a part only: the rest follows, unless the send was cancelled meanwhile. */
START_TEST(a_send_in_pieces) {
        struct tally tally = {0};
        char text[8] = "";
        int fds[2];

        if (!harness_open(1, 2))
                return;
        socket_pair(fds);
        struct io io = send_io(fds[0], "hello", 5, &tally);
        uring_complete_socket((struct uring *)engine, &io, 2, 0);
        WAIT_UNTIL(tally.last);
        ck_assert_int_eq(tally.result, 5);
        ck_assert_int_eq(read(fds[1], text, sizeof(text)), 3);
        ck_assert_str_eq(text, "llo");
        tally = (struct tally){0};
        io = send_io(fds[0], "hello", 5, &tally);
        io.engine_word[WORD_CANCELLED] = CANCEL_SENT;
        uring_complete_socket((struct uring *)engine, &io, 2, 0);
        ck_assert_uint_eq(tally.last, 1);
        ck_assert_int_eq(tally.result, -FSOP_ECANCELED);
        harness_close();
}
END_TEST

#endif

int main(void) {
        Suite *suite = suite_create("engine");
        TCase *alone = tcase_create("alone");

        HARNESS_ADD(suite, "wait", wait_ends_with_its_time, wake_from_another_thread, wake_from_a_signal_handler);
        HARNESS_ADD(suite, "workers", call_runs_on_a_worker, chain_in_order, ten_thousand, cancel_of_what_is_queued,
                    close_with_a_hanging_worker);
        tcase_add_test(alone, no_such_engine);
        tcase_add_test(alone, auto_falls_back_with_one_line);
#ifdef FSOP_HAVE_URING
        tcase_add_test(alone, ring_refuses_what_is_not_listed);
        tcase_add_test(alone, every_submission_wears_something);
        tcase_add_test(alone, a_send_in_pieces);
#endif
        suite_add_tcase(suite, alone);
        return suite_run(suite);
}
