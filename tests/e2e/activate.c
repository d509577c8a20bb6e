/* SPDX-License-Identifier: MIT */
/*
 * activate: a service manager in small. Binds the socket, gives it to the daemon as LISTEN_FDS says, waits for READY=1,
 * runs a shell command, reloads with HUP, ends the daemon with TERM, and prints what was notified on the way.
 *
 *      activate SOCKET COMMAND DAEMON [ARGUMENTS…]
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static int make_socket(const char *path, int type) {
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        int fd = socket(AF_UNIX, type, 0);

        snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
        unlink(path);
        if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || chmod(path, 0666) < 0) {
                fprintf(stderr, "%s: %s\n", path, strerror(errno));
                exit(2);
        }
        return fd;
}

/* Waits until WORD was notified, printing all that comes. */
static int wait_for(int notify, const char *word) {
        char text[4096];

        for (;;) {
                struct pollfd poll_fd = {.fd = notify, .events = POLLIN};
                ssize_t n;

                if (poll(&poll_fd, 1, 60000) <= 0) {
                        printf("never notified: %s\n", word);
                        return -1;
                }
                n = recv(notify, text, sizeof(text) - 1, 0);
                if (n < 0)
                        return -1;
                text[n] = 0;
                printf("notified: %s\n", text);
                if (strstr(text, word))
                        return 0;
        }
}

static void run_daemon(int listener, char **argv) {
        char pid[32];

        snprintf(pid, sizeof(pid), "%ld", (long)getpid());
        setenv("LISTEN_PID", pid, 1);
        setenv("LISTEN_FDS", "1", 1);
        if (listener == 3 ? fcntl(3, F_SETFD, 0) == 0 : dup2(listener, 3) == 3)
                execv(argv[0], argv);
        _exit(127);
}

int main(int argc, char **argv) {
        int listener, notify, status = 0, failed = 0;
        char notify_path[108];
        pid_t pid;

        if (argc < 4)
                return 2;
        snprintf(notify_path, sizeof(notify_path), "%.90s.notify", argv[1]);
        listener = make_socket(argv[1], SOCK_STREAM | SOCK_CLOEXEC);
        notify = make_socket(notify_path, SOCK_DGRAM | SOCK_CLOEXEC);
        setenv("NOTIFY_SOCKET", notify_path, 1);
        if (listen(listener, 64) < 0)
                return 2;
        pid = fork();
        if (pid == 0)
                run_daemon(listener, argv + 3);
        unsetenv("NOTIFY_SOCKET");
        if (wait_for(notify, "READY=1") < 0)
                failed = 1;
        if (!failed && system(argv[2]) != 0) {
                printf("the command failed\n");
                failed = 1;
        }
        if (!failed) {
                kill(pid, SIGHUP);
                failed = wait_for(notify, "RELOADING=1") < 0 || wait_for(notify, "READY=1") < 0;
        }
        kill(pid, SIGTERM);
        if (!failed && wait_for(notify, "STOPPING=1") < 0)
                failed = 1;
        if (waitpid(pid, &status, 0) != pid || status != 0) {
                printf("the daemon ended with status %#x\n", (unsigned)status);
                failed = 1;
        }
        if (access(argv[1], F_OK) < 0) {
                printf("the daemon removed a socket that is the manager's\n");
                failed = 1;
        }
        unlink(notify_path);
        return failed;
}
