/* SPDX-License-Identifier: MIT */
/*
 * test_service.c: signals, the service manager's variables and messages, and default paths. Each test runs in a process
 * of its own, so it may change its environment, descriptors and user.
 */
#include <check.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "backends/service.h"
#include "tests/support/suite.h"

/* ---- signals ----------------------------------------------------------------------------------------------------- */

static volatile sig_atomic_t woken;
static int mark;

static void count_wake(void *userdata) {
        woken += userdata == &mark; /* in a signal handler: no more than this */
}

START_TEST(signals_become_requests) {
        sigset_t blocked;

        sigemptyset(&blocked);
        sigaddset(&blocked, SIGTERM);
        sigprocmask(SIG_BLOCK, &blocked, NULL); /* whoever started us had it blocked */
        ck_assert_int_eq(service_start(count_wake, &mark), 0);
        ck_assert_uint_eq(service_take_requests(), 0);
        raise(SIGHUP);
        ck_assert_int_eq(woken, 1);
        ck_assert_uint_eq(service_take_requests(), SERVICE_RELOAD);
        ck_assert_uint_eq(service_take_requests(), 0);
        raise(SIGTERM);
        ck_assert_uint_eq(service_take_requests(), SERVICE_TERMINATE);
        raise(SIGINT);
        raise(SIGHUP);
        ck_assert_uint_eq(service_take_requests(), SERVICE_TERMINATE | SERVICE_RELOAD);
        ck_assert_int_eq(woken, 4);
        raise(SIGPIPE); /* nothing */
        service_stop();
        raise(SIGTERM);
        raise(SIGINT);
        raise(SIGHUP);
        ck_assert_int_eq(woken, 4);
}
END_TEST

/* ---- sockets handed over ----------------------------------------------------------------------------------------- */

static void announce(const char *count, long pid) {
        char text[32];

        setenv("LISTEN_FDS", count, 1);
        snprintf(text, sizeof(text), "%ld", pid);
        setenv("LISTEN_PID", text, 1);
        setenv("LISTEN_FDNAMES", "fsopd.socket", 1);
}

/* A listening socket of this kind, with this name if it is one, as descriptor FD. */
static void place_socket(int fd, int family, int type, bool listening, const char *name, size_t name_bytes) {
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        int made = socket(family, type, 0);

        ck_assert_int_ge(made, 0);
        if (listening) {
                memcpy(address.sun_path, name, name_bytes);
                ck_assert_int_eq(bind(made, (struct sockaddr *)&address, (socklen_t)(sizeof(sa_family_t) + name_bytes)),
                                 0);
                ck_assert_int_eq(listen(made, 8), 0);
        }
        ck_assert_int_eq(dup2(made, fd), fd);
        if (made != fd)
                close(made);
}

static struct service_socket sockets[4];
static const char *why;

static int inherited(void) {
        return service_inherited_sockets(sockets, 4, &why);
}

START_TEST(inherits_listening_sockets) {
        struct sockaddr_un full = {.sun_family = AF_UNIX};
        char directory[] = "/tmp/fsop-test.XXXXXX", name[32] = "", shown[32];

        snprintf(name + 1, sizeof(name) - 1, "fsop-test-%ld", (long)getpid());
        snprintf(shown, sizeof(shown), "@%s", name + 1);
        ck_assert_ptr_nonnull(mkdtemp(directory));
        memset(full.sun_path, 'x', sizeof(full.sun_path)); /* nothing ends it */
        memcpy(full.sun_path, directory, strlen(directory));
        full.sun_path[strlen(directory)] = '/';
        place_socket(3, AF_UNIX, SOCK_STREAM, true, full.sun_path, sizeof(full.sun_path));
        place_socket(4, AF_UNIX, SOCK_STREAM, true, name, strlen(shown));
        announce("2", (long)getpid());
        ck_assert_int_eq(inherited(), 2);
        ck_assert_ptr_null(why);
        ck_assert_int_eq(sockets[0].fd, 3);
        ck_assert_int_eq(sockets[1].fd, 4);
        ck_assert_uint_eq(strlen(sockets[0].name), sizeof(full.sun_path));
        ck_assert_mem_eq(sockets[0].name, full.sun_path, sizeof(full.sun_path));
        ck_assert_str_eq(sockets[1].name, shown);
        ck_assert(fcntl(3, F_GETFD) & FD_CLOEXEC);
        ck_assert(fcntl(4, F_GETFD) & FD_CLOEXEC);
        ck_assert_ptr_null(getenv("LISTEN_FDS")); /* not for children of ours */
        ck_assert_ptr_null(getenv("LISTEN_PID"));
        ck_assert_ptr_null(getenv("LISTEN_FDNAMES"));
        ck_assert_int_eq(inherited(), 0);
        ck_assert_ptr_null(why);
        unlink(sockets[0].name);
        rmdir(directory);
}
END_TEST

START_TEST(inherits_nothing_meant_for_others) {
        place_socket(3, AF_UNIX, SOCK_STREAM, true, "", 0);
        announce("1", (long)getpid() + 1);
        ck_assert_int_eq(inherited(), 0);
        ck_assert_str_eq(why, "LISTEN_FDS is not for this process, says LISTEN_PID");
        announce("1", 0);
        unsetenv("LISTEN_PID");
        ck_assert_int_eq(inherited(), 0);
        ck_assert_ptr_nonnull(why);
        announce("", (long)getpid());
        unsetenv("LISTEN_FDS");
        ck_assert_int_eq(inherited(), 0);
        ck_assert_ptr_null(why);
}
END_TEST

START_TEST(refuses_what_is_no_number) {
        static const char *const counts[] = {"0", "-1", "", "2x", " 2", "99999999999999999999"};

        place_socket(3, AF_UNIX, SOCK_STREAM, true, "", 0);
        for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
                announce(counts[i], (long)getpid());
                ck_assert_msg(inherited() == -FSOP_EINVAL, "'%s'", counts[i]);
                ck_assert_str_eq(why, "LISTEN_FDS is no number of sockets");
        }
}
END_TEST

START_TEST(refuses_what_is_no_listener) {
        place_socket(3, AF_UNIX, SOCK_STREAM, false, "", 0);
        announce("1", (long)getpid());
        ck_assert_int_eq(inherited(), -FSOP_EINVAL);
        ck_assert_str_eq(why, "one that LISTEN_FDS counts is no Unix stream socket that listens");
        place_socket(3, AF_UNIX, SOCK_SEQPACKET, true, "", 0);
        announce("1", (long)getpid());
        ck_assert_int_eq(inherited(), -FSOP_EINVAL);
        int null = open("/dev/null", O_RDWR);
        dup2(null, 3);
        announce("1", (long)getpid());
        ck_assert_int_eq(inherited(), -FSOP_EINVAL);
        close(3);
        announce("1", (long)getpid());
        ck_assert_int_eq(inherited(), -FSOP_EBADF);
        ck_assert_str_eq(why, "one that LISTEN_FDS counts is not open");
        announce("5", (long)getpid());
        ck_assert_int_eq(inherited(), -FSOP_E2BIG);
        ck_assert_str_eq(why, "LISTEN_FDS is more than can be served");
}
END_TEST

/* ---- readiness --------------------------------------------------------------------------------------------------- */

static void notify_and_expect(int fd, const char *state) {
        char text[128] = "";

        service_notify(state);
        ck_assert_int_eq(recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT), (ssize_t)strlen(state));
        ck_assert_str_eq(text, state);
}

START_TEST(notifies_by_path) {
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        char directory[] = "/tmp/fsop-notify-XXXXXX";
        int fd = socket(AF_UNIX, SOCK_DGRAM, 0);

        ck_assert_ptr_nonnull(mkdtemp(directory));
        snprintf(address.sun_path, sizeof(address.sun_path), "%s/notify", directory);
        ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
        setenv("NOTIFY_SOCKET", address.sun_path, 1);
        notify_and_expect(fd, "READY=1");
        notify_and_expect(fd, "RELOADING=1\nMONOTONIC_USEC=12");
        unlink(address.sun_path);
        rmdir(directory);
        service_notify("STOPPING=1"); /* nobody there: nothing happens */
}
END_TEST

START_TEST(notifies_by_abstract_name) {
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        int fd = socket(AF_UNIX, SOCK_DGRAM, 0), n;
        char name[64];

        n = snprintf(name, sizeof(name), "@fsop-test-notify-%ld", (long)getpid());
        memcpy(address.sun_path + 1, name + 1, (size_t)n - 1);
        ck_assert_int_eq(
                bind(fd, (struct sockaddr *)&address, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + (size_t)n)),
                0);
        setenv("NOTIFY_SOCKET", name, 1);
        notify_and_expect(fd, "STATUS=serving");
}
END_TEST

START_TEST(notifies_nobody) {
        char longer[200];

        memset(longer, 'a', sizeof(longer));
        longer[0] = '/';
        longer[sizeof(longer) - 1] = 0;
        unsetenv("NOTIFY_SOCKET");
        service_notify("READY=1");
        setenv("NOTIFY_SOCKET", "", 1);
        service_notify("READY=1");
        setenv("NOTIFY_SOCKET", "relative", 1);
        service_notify("READY=1");
        setenv("NOTIFY_SOCKET", "/", 1);
        service_notify("READY=1");
        setenv("NOTIFY_SOCKET", longer, 1);
        service_notify("READY=1");
}
END_TEST

START_TEST(knows_the_journal) {
        struct stat st;
        char text[64];

        unsetenv("JOURNAL_STREAM");
        ck_assert(!service_logs_to_journal());
        ck_assert_int_eq(fstat(STDERR_FILENO, &st), 0);
        snprintf(text, sizeof(text), "%llu:%llu", (unsigned long long)st.st_dev, (unsigned long long)st.st_ino);
        setenv("JOURNAL_STREAM", text, 1);
        ck_assert(service_logs_to_journal());
        snprintf(text, sizeof(text), "%llu:%llu", (unsigned long long)st.st_dev, (unsigned long long)st.st_ino + 1);
        setenv("JOURNAL_STREAM", text, 1);
        ck_assert(!service_logs_to_journal()); /* stderr was sent elsewhere */
        setenv("JOURNAL_STREAM", "nonsense", 1);
        ck_assert(!service_logs_to_journal());
}
END_TEST

/* ---- default paths ----------------------------------------------------------------------------------------------- */

static void expect_path(char *path, const char *expected) {
        if (!expected) {
                ck_assert_msg(path == NULL, "%s", path);
                return;
        }
        ck_assert_ptr_nonnull(path);
        ck_assert_str_eq(path, expected);
        free(path);
}

START_TEST(paths_of_the_system_service) {
        setenv("XDG_RUNTIME_DIR", "/elsewhere", 1);
        setenv("XDG_STATE_HOME", "/elsewhere", 1);
        expect_path(service_default_socket(false), "/run/fsopd/fsopd.sock");
        expect_path(service_default_state_dir(false), "/var/lib/fsopd");
        ck_assert(service_is_privileged() == (geteuid() == 0));
}
END_TEST

START_TEST(paths_of_a_private_service) {
        setenv("XDG_RUNTIME_DIR", "/run/user/77", 1);
        setenv("XDG_STATE_HOME", "/home/x/state", 1);
        setenv("HOME", "/home/x", 1);
        expect_path(service_default_socket(true), "/run/user/77/fsopd/fsopd.sock");
        expect_path(service_default_state_dir(true), "/home/x/state/fsopd");
        setenv("XDG_STATE_HOME", "relative", 1); /* to be ignored, says the specification */
        expect_path(service_default_state_dir(true), "/home/x/.local/state/fsopd");
        unsetenv("XDG_STATE_HOME");
        expect_path(service_default_state_dir(true), "/home/x/.local/state/fsopd");
        unsetenv("HOME");
        expect_path(service_default_state_dir(true), NULL);
}
END_TEST

/* Nobody made a runtime directory for this user, and anyone may have made the name in /tmp. */
START_TEST(socket_in_tmp_only_if_it_is_ours) {
        const unsigned uid = 3000000000u + (unsigned)getpid(); /* nobody's, and nobody else's test */
        char directory[64], expected[80];
        struct stat st;

        if (geteuid() != 0) {
                printf("SKIP: socket_in_tmp_only_if_it_is_ours: needs root to become another user\n");
                return;
        }
        snprintf(directory, sizeof(directory), "/tmp/fsopd-%u", uid);
        snprintf(expected, sizeof(expected), "%s/fsopd.sock", directory);
        unlink(directory);
        rmdir(directory);
        ck_assert_int_eq(symlink("/etc", directory), 0);
        ck_assert_int_eq(seteuid(uid), 0);
        unsetenv("XDG_RUNTIME_DIR");
        expect_path(service_default_socket(true), NULL); /* a link */
        ck_assert_int_eq(seteuid(0), 0);
        unlink(directory);
        ck_assert_int_eq(close(open(directory, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600)), 0);
        ck_assert_int_eq(chown(directory, uid, 0), 0);
        ck_assert_int_eq(seteuid(uid), 0);
        expect_path(service_default_socket(true), NULL); /* a file */
        ck_assert_int_eq(seteuid(0), 0);
        unlink(directory);
        ck_assert_int_eq(mkdir(directory, 0700), 0);
        ck_assert_int_eq(seteuid(uid), 0);
        expect_path(service_default_socket(true), NULL); /* root's */
        ck_assert_int_eq(seteuid(0), 0);
        ck_assert_int_eq(chown(directory, uid, 0), 0);
        ck_assert_int_eq(chmod(directory, 0750), 0);
        ck_assert_int_eq(seteuid(uid), 0);
        expect_path(service_default_socket(true), NULL); /* ours, but open to a group */
        rmdir(directory);
        expect_path(service_default_socket(true), expected); /* made */
        expect_path(service_default_socket(true), expected); /* found */
        ck_assert_int_eq(stat(directory, &st), 0);
        ck_assert_uint_eq(st.st_mode & 07777, 0700);
        ck_assert_uint_eq(st.st_uid, uid);
        ck_assert_int_eq(seteuid(0), 0);
        rmdir(directory);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("service");
        TCase *group = tcase_create("service");
        const TTest *const tests[] = {signals_become_requests,
                                      inherits_listening_sockets,
                                      inherits_nothing_meant_for_others,
                                      refuses_what_is_no_number,
                                      refuses_what_is_no_listener,
                                      notifies_by_path,
                                      notifies_by_abstract_name,
                                      notifies_nobody,
                                      knows_the_journal,
                                      paths_of_the_system_service,
                                      paths_of_a_private_service,
                                      socket_in_tmp_only_if_it_is_ours};

        for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
                tcase_add_test(group, tests[i]);
        suite_add_tcase(suite, group);
        return suite_run(suite);
}
