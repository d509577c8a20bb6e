/* SPDX-License-Identifier: MIT */
/*
 * test_service_split.c: the keeper and the service. Each test forks a process that splits itself, and looks at it as a
 * shell or a service manager would.
 */
#include <check.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "backends/service.h"
#include "tests/support/suite.h"

static int line[2];       /* what the service has to say; its end closes it */
static int connection[2]; /* stands for a client's */

/* Starts a process that splits itself and goes on as the service with function; its pid. */
static pid_t start(int (*function)(void)) {
        ck_assert_int_eq(pipe(line), 0);
        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, connection), 0);
        pid_t pid = fork();
        ck_assert_int_ge(pid, 0);
        if (pid > 0) {
                close(line[1]);
                close(connection[1]);
                return pid;
        }
        close(line[0]);
        close(connection[0]);
        if (service_split() != 0)
                _exit(99);
        _exit(function());
}

static void say(const char *text) {
        if (write(line[1], text, strlen(text)) < 0)
                _exit(98);
}

static char hear(void) {
        char byte = 0;

        ck_assert_int_eq(read(line[0], &byte, 1), 1);
        return byte;
}

/* Whoever held the other end is gone. */
static void hear_the_end(void) {
        char byte;

        ck_assert_int_eq(read(line[0], &byte, 1), 0);
}

static time_t seconds(void) {
        struct timespec now;

        ck_assert_int_eq(clock_gettime(CLOCK_MONOTONIC, &now), 0);
        return now.tv_sec;
}

static int status_of(pid_t pid) {
        int status;

        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        return status;
}

static int ends_with_5(void) {
        return 5;
}

static int dies(void) {
        signal(SIGUSR1, SIG_DFL);
        raise(SIGUSR1);
        return 0;
}

START_TEST(ends_as_the_service_ends) {
        int status = status_of(start(ends_with_5));

        ck_assert(WIFEXITED(status));
        ck_assert_int_eq(WEXITSTATUS(status), 5);
        status = status_of(start(dies));
        ck_assert(WIFSIGNALED(status));
        ck_assert_int_eq(WTERMSIG(status), SIGUSR1);
}
END_TEST

static void nothing(void *userdata) {
        (void)userdata;
}

/* Says what it is asked for; ends when told to terminate. */
static int serves(void) {
        service_start(nothing, NULL);
        say("s");
        for (;;) {
                unsigned requests = service_take_requests();

                if (requests & SERVICE_RELOAD)
                        say("r");
                if (requests & SERVICE_TERMINATE)
                        return 0;
                usleep(1000);
        }
}

START_TEST(signals_are_passed_on) {
        pid_t pid = start(serves);

        ck_assert_int_eq(hear(), 's');
        kill(pid, SIGHUP);
        ck_assert_int_eq(hear(), 'r');
        kill(pid, SIGHUP);
        ck_assert_int_eq(hear(), 'r');
        kill(pid, SIGTERM);
        hear_the_end();
        ck_assert_int_eq(status_of(pid), 0);
}
END_TEST

START_TEST(killed_with_its_keeper) {
        pid_t pid = start(serves);

        ck_assert_int_eq(hear(), 's');
        kill(pid, SIGKILL);
        ck_assert(WIFSIGNALED(status_of(pid)));
        hear_the_end();
}
END_TEST

static void *never_ends(void *argument) {
        (void)argument;
        for (;;)
                pause();
        return NULL;
}

/* As with a thread in a FUSE server's hands: this one would have to be killed, too. */
static int cannot_end(void) {
        pthread_t thread;

        if (pthread_create(&thread, NULL, never_ends, NULL) != 0)
                return 97;
        service_end(7);
        return 96; /* to free things that the thread may be using */
}

START_TEST(not_waited_for_when_it_cannot_end) {
        pid_t pid = start(cannot_end);
        int status = status_of(pid);
        char byte;

        ck_assert(WIFEXITED(status));
        ck_assert_int_eq(WEXITSTATUS(status), 7);
        ck_assert_int_eq(read(connection[0], &byte, 1), 0); /* its clients are told */
        hear_the_end();
}
END_TEST

static int ends_after_saying_so(void) {
        service_end(3);
        return 4; /* the truth is what counts, when it comes in time */
}

/* A machine that let it stand still for so long got what it had said. */
START_TEST(waited_for_when_it_can) {
        time_t begin = seconds();
        int status = status_of(start(ends_after_saying_so));

        ck_assert(WIFEXITED(status));
        if (WEXITSTATUS(status) != 3 || seconds() < begin + 5)
                ck_assert_int_eq(WEXITSTATUS(status), 4);
}
END_TEST

static int notifies(void) {
        service_notify("READY=1");
        return 0;
}

/* The manager listens to the process that it started. */
START_TEST(readiness_comes_from_the_keeper) {
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        socklen_t len = sizeof(address);
        char name[sizeof(address.sun_path) + 1] = "@", text[64] = "", control[CMSG_SPACE(sizeof(struct ucred))];
        struct iovec part = {.iov_base = text, .iov_len = sizeof(text) - 1};
        struct msghdr message = {
                .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
        struct ucred sender;
        int fd = socket(AF_UNIX, SOCK_DGRAM, 0), on = 1;

        ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof(sa_family_t)), 0);
        ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&address, &len), 0);
        memcpy(name + 1, address.sun_path + 1, len - sizeof(sa_family_t) - 1);
        setenv("NOTIFY_SOCKET", name, 1);
        setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on));
        pid_t pid = start(notifies);
        ck_assert_int_eq(recvmsg(fd, &message, 0), 7);
        ck_assert_str_eq(text, "READY=1");
        ck_assert_ptr_nonnull(CMSG_FIRSTHDR(&message));
        memcpy(&sender, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(sender));
        ck_assert_int_eq(sender.pid, pid);
        ck_assert_int_eq(status_of(pid), 0);
}
END_TEST

static int inherits(void) {
        struct service_socket sockets[4];
        const char *why;

        return service_inherited_sockets(sockets, 4, &why);
}

/* What was handed to the process that was started is the service's. */
START_TEST(sockets_are_handed_on) {
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        int fd, status;

        ck_assert_int_eq(pipe(line), 0); /* so that 3 is nobody else's */
        fd = socket(AF_UNIX, SOCK_STREAM, 0);
        ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof(sa_family_t)), 0);
        ck_assert_int_eq(listen(fd, 1), 0);
        pid_t pid = fork();
        if (pid == 0) {
                char text[24];

                dup2(fd, 3);
                snprintf(text, sizeof(text), "%ld", (long)getpid());
                setenv("LISTEN_PID", text, 1);
                setenv("LISTEN_FDS", "1", 1);
                if (service_split() != 0)
                        _exit(99);
                _exit(inherits());
        }
        status = status_of(pid);
        ck_assert(WIFEXITED(status));
        ck_assert_int_eq(WEXITSTATUS(status), 1);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("service-split");
        TCase *group = tcase_create("split");
        const TTest *const tests[] = {ends_as_the_service_ends, signals_are_passed_on,
                                      killed_with_its_keeper,   not_waited_for_when_it_cannot_end,
                                      waited_for_when_it_can,   readiness_comes_from_the_keeper,
                                      sockets_are_handed_on};

        for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
                tcase_add_test(group, tests[i]);
        tcase_set_timeout(group, 60);
        suite_add_tcase(suite, group);
        return suite_run(suite);
}
