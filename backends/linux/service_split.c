/* SPDX-License-Identifier: MIT */
/*
 * service_split.c: the service in a child, and a keeper before it.
 *
 * A thread that waits for a FUSE server which took its request and does not answer cannot be killed, not even by KILL,
 * and a process with such a thread never ends for whoever waits for it. So the process that the shell or the service
 * manager started stays behind as a keeper: it passes signals on, passes readiness on (the manager listens to nobody
 * else), and ends when the service ends, or when the service said that it has ended and its threads cannot.
 */
#include "backends/service.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "backends/linux/service_linux.h"
#include "backends/posix/errors.h"

/* NOLINTBEGIN(concurrency-mt-unsafe): one thread does this, and changes the environment before there are others. */

/* For the service to end by itself after it said that it is over: with threads that hang, and without. */
#define HANGING_GRACE_MS 500u
#define END_GRACE_MS 5000u
#define MESSAGE_BYTES_MAX 4096

enum { SAY_END = 'E', SAY_NOTIFY = 'N' };

static int keeper = -1; /* in the service: a socket to its keeper */

struct split {
        int messages[2], lifeline[2]; /* the keeper's, the service's: [0] reads */
        int signals;
        sigset_t mask, before;
        pid_t keeper, service;
};

/* ---- the keeper -------------------------------------------------------------------------------------------------- */

static uint64_t now_ms(void) {
        struct timespec now;

        clock_gettime(CLOCK_MONOTONIC, &now);
        return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* Ends as the service ended. */
__attribute__((noreturn)) static void end_as(int status, const sigset_t *mask) {
        struct rlimit no_core = {0};

        if (WIFEXITED(status))
                _exit(WEXITSTATUS(status));
        setrlimit(RLIMIT_CORE, &no_core); /* one core, the service's, is enough */
        signal(WTERMSIG(status), SIG_DFL);
        sigprocmask(SIG_UNBLOCK, mask, NULL);
        raise(WTERMSIG(status));
        _exit(128 + WTERMSIG(status));
}

/* True: the service is over, with *ret_status, and this long it is to be waited for. */
static bool take_messages(int fd, int *ret_status, unsigned *ret_grace_ms) {
        char message[MESSAGE_BYTES_MAX + 1];
        ssize_t n;
        bool over = false;

        while ((n = recv(fd, message, MESSAGE_BYTES_MAX, MSG_DONTWAIT)) > 0) {
                message[n] = 0;
                if (message[0] == SAY_NOTIFY)
                        service_notify_manager(message + 1);
                else if (message[0] == SAY_END && n == 3) {
                        *ret_status = (unsigned char)message[1];
                        *ret_grace_ms = message[2] ? HANGING_GRACE_MS : END_GRACE_MS;
                        over = true;
                }
        }
        return over;
}

static void take_signals(struct split *split) {
        struct signalfd_siginfo info;
        unsigned grace_ms;
        int status, said;

        while (read(split->signals, &info, sizeof(info)) == sizeof(info)) {
                if (info.ssi_signo != SIGCHLD) {
                        if (info.ssi_code != SI_KERNEL) /* a terminal's go to both by themselves */
                                kill(split->service, (int)info.ssi_signo);
                } else if (waitpid(split->service, &status, WNOHANG) == split->service) {
                        take_messages(split->messages[0], &said, &grace_ms); /* its last words */
                        end_as(status, &split->mask);
                }
        }
}

__attribute__((noreturn)) static void keep(struct split *split) {
        struct pollfd fds[2] = {{.fd = split->signals, .events = POLLIN}, {.fd = split->messages[0], .events = POLLIN}};
        unsigned grace_ms;
        uint64_t end_ms = 0;
        int status = 1;

        for (;;) {
                uint64_t now = now_ms();

                if (end_ms != 0 && now >= end_ms)
                        _exit(status); /* the rest of it follows the lifeline, as soon as it can */
                poll(fds, 2, end_ms != 0 ? (int)(end_ms - now) : -1);
                if (fds[1].revents != 0 && take_messages(split->messages[0], &status, &grace_ms))
                        end_ms = now_ms() + grace_ms;
                if (fds[1].revents & POLLHUP) /* the service is ending: SIGCHLD tells how */
                        fds[1].fd = -1;
                take_signals(split);
        }
}

/* Nothing of what the service uses stays open here, or its end would not be seen by others. */
static void become_keeper(struct split *split) {
        int kept[3] = {split->messages[0], split->lifeline[1], split->signals};
        unsigned from = 3;

        for (int i = 0; i < 3; i++) /* in order */
                for (int j = i + 1; j < 3; j++)
                        if (kept[j] < kept[i]) {
                                int swap = kept[i];

                                kept[i] = kept[j];
                                kept[j] = swap;
                        }
        for (int i = 0; i < 3; i++) {
                if (from < (unsigned)kept[i])
                        syscall(SYS_close_range, from, (unsigned)kept[i] - 1, 0);
                from = (unsigned)kept[i] + 1;
        }
        syscall(SYS_close_range, from, ~0u, 0);
}

/* ---- the service ------------------------------------------------------------------------------------------------- */

/* When the keeper is gone, however it went, the kernel kills us: its end is the only writer of the pipe. */
static int hold_lifeline(const struct split *split) {
        int fd = split->lifeline[0];

        if (fcntl(fd, F_SETOWN, getpid()) < 0 || fcntl(fd, F_SETSIG, SIGKILL) < 0 ||
            fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_ASYNC) < 0)
                return error_from_errno(errno);
        if (getppid() != split->keeper) /* it went before */
                _exit(1);
        return 0;
}

/* What was handed to the keeper's process is meant for us. */
static void inherit_sockets(const struct split *split) {
        const char *pid = getenv("LISTEN_PID");
        char text[24];

        snprintf(text, sizeof(text), "%ld", (long)split->keeper);
        if (!pid || strcmp(pid, text) != 0)
                return;
        snprintf(text, sizeof(text), "%ld", (long)getpid());
        setenv("LISTEN_PID", text, 1);
}

static int become_service(struct split *split) {
        sigprocmask(SIG_SETMASK, &split->before, NULL);
        close(split->messages[0]);
        close(split->lifeline[1]);
        close(split->signals);
        keeper = split->messages[1];
        inherit_sockets(split);
        if (hold_lifeline(split) < 0) {
                fprintf(stderr, "fsopd: it cannot be tied to the process that keeps it: %s\n", strerror(errno));
                _exit(1);
        }
        return 0;
}

bool service_notify_keeper(const char *state) {
        char message[MESSAGE_BYTES_MAX];
        int n;

        if (keeper < 0)
                return false;
        n = snprintf(message, sizeof(message), "%c%s", SAY_NOTIFY, state);
        if (n > 0 && (size_t)n < sizeof(message))
                send(keeper, message, (size_t)n, MSG_NOSIGNAL | MSG_DONTWAIT);
        return true;
}

/* Calls back for every entry of a directory of numbers that is above LEAST. */
static void each_number(const char *path, int least, void (*call)(int number)) {
        DIR *directory = opendir(path);
        struct dirent *entry;

        while (directory && (entry = readdir(directory)))
                if (atoi(entry->d_name) > least)
                        call(atoi(entry->d_name));
        if (directory)
                closedir(directory);
}

static void close_socket(int fd) {
        int type;
        socklen_t size = sizeof(type);

        if (fd != keeper && getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0)
                close(fd);
}

/* A thread that hangs keeps the descriptors open: clients would wait for answers, and whoever reads our output for its
 * end. Only sockets are closed: another file's close may hang, too. */
static void let_go(void) {
        int null;

        each_number("/proc/self/fd", STDERR_FILENO, close_socket);
        null = open("/dev/null", O_RDWR | O_CLOEXEC);
        for (int fd = 0; null >= 0 && fd <= STDERR_FILENO; fd++)
                dup2(null, fd);
}

#ifdef __SANITIZE_THREAD__
#define OWN_THREADS 2u /* the sanitizer has one */
#else
#define OWN_THREADS 1u
#endif

static unsigned threads;

/* The ring's threads are the kernel's, and end by themselves. */
static void count_thread(int tid) {
        char path[64], name[16] = "";
        FILE *file;

        snprintf(path, sizeof(path), "/proc/self/task/%d/comm", tid);
        file = fopen(path, "re");
        if (file && fgets(name, sizeof(name), file) && strncmp(name, "iou-", 4) != 0)
                threads++;
        if (file)
                fclose(file);
}

void service_end(int status) {
        char message[3] = {SAY_END, (char)status, 0};

        threads = 0;
        each_number("/proc/self/task", 0, count_thread);
        if (threads > OWN_THREADS) {
                let_go();
                message[2] = 1;
        }
        if (keeper >= 0)
                send(keeper, message, sizeof(message), MSG_NOSIGNAL);
        if (threads > OWN_THREADS)
                _exit(status);
}

/* ---- splitting --------------------------------------------------------------------------------------------------- */

static void close_both(int fds[2]) {
        for (int i = 0; i < 2; i++)
                if (fds[i] >= 0)
                        close(fds[i]);
}

/* A standard stream that is closed must not become a socket or a file of ours, which messages would go to. */
static int occupy_standard_streams(void) {
        for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
                if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) < 0)
                        return -1;
        return 0;
}

int service_split(void) {
        struct split split = {.messages = {-1, -1}, .lifeline = {-1, -1}, .signals = -1, .keeper = getpid()};
        int r;

        if (occupy_standard_streams() < 0)
                return error_from_errno(errno);
        sigemptyset(&split.mask);
        sigaddset(&split.mask, SIGTERM);
        sigaddset(&split.mask, SIGINT);
        sigaddset(&split.mask, SIGHUP);
        sigaddset(&split.mask, SIGCHLD);
        if (sigprocmask(SIG_BLOCK, &split.mask, &split.before) < 0)
                return error_from_errno(errno);
        split.signals = signalfd(-1, &split.mask, SFD_CLOEXEC | SFD_NONBLOCK);
        if (split.signals < 0 || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, split.messages) < 0 ||
            pipe2(split.lifeline, O_CLOEXEC) < 0)
                goto fail;
        fflush(NULL);
        split.service = fork();
        if (split.service < 0)
                goto fail;
        if (split.service == 0)
                return become_service(&split);
        become_keeper(&split);
        keep(&split);

fail:
        r = error_from_errno(errno);
        sigprocmask(SIG_SETMASK, &split.before, NULL);
        close_both(split.messages);
        close_both(split.lifeline);
        if (split.signals >= 0)
                close(split.signals);
        return r;
}

/* NOLINTEND(concurrency-mt-unsafe) */
