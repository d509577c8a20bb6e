/* SPDX-License-Identifier: MIT */
/*
 * service.c: the daemon's life under Linux: signals, and what systemd says and wants to hear, without its libraries.
 */
#include "backends/service.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "backends/linux/service_linux.h"
#include "backends/posix/errors.h"

/* NOLINTBEGIN(concurrency-mt-unsafe): one thread does this, and changes the environment before there are others. */

#define LISTEN_FDS_START 3

static struct {
        void (*wake)(void *userdata);
        void *userdata;
        unsigned requests; /* atomic: set by the handlers */
} service;

/* ---- signals ----------------------------------------------------------------------------------------------------- */

static void on_signal(int number) {
        int saved = errno;

        __atomic_fetch_or(&service.requests, number == SIGHUP ? SERVICE_RELOAD : SERVICE_TERMINATE, __ATOMIC_SEQ_CST);
        service.wake(service.userdata);
        errno = saved;
}

static const int requests[] = {SIGTERM, SIGINT, SIGHUP};

int service_start(void (*wake)(void *userdata), void *userdata) {
        struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
        struct sigaction ignore = {.sa_handler = SIG_IGN};
        sigset_t all;

        service.wake = wake;
        service.userdata = userdata;
        sigfillset(&action.sa_mask);
        sigemptyset(&all);
        for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
                if (sigaction(requests[i], &action, NULL) < 0)
                        return error_from_errno(errno);
                sigaddset(&all, requests[i]);
        }
        /* Whoever started us may have had them blocked. */
        if (sigaction(SIGPIPE, &ignore, NULL) < 0 || sigprocmask(SIG_UNBLOCK, &all, NULL) < 0)
                return error_from_errno(errno);
        return 0;
}

/* Other threads have them blocked: no handler is under way. */
void service_stop(void) {
        for (size_t i = 0; service.wake && i < sizeof(requests) / sizeof(requests[0]); i++)
                signal(requests[i], SIG_IGN);
}

unsigned service_take_requests(void) {
        return __atomic_exchange_n(&service.requests, 0, __ATOMIC_SEQ_CST);
}

/* ---- the service manager ----------------------------------------------------------------------------------------- */

/* A decimal number and nothing else; -1 if it is none. */
static long number_of(const char *text) {
        char *end;
        long number;

        if (!text || *text < '0' || *text > '9')
                return -1;
        errno = 0;
        number = strtol(text, &end, 10);
        return errno || *end ? -1 : number;
}

static bool listens(int fd, struct service_socket *ret_socket) {
        struct sockaddr_un address = {0};
        socklen_t len = sizeof(address), size = sizeof(int);
        int type = 0, accepts = 0;

        if (getsockname(fd, (struct sockaddr *)&address, &len) < 0 || address.sun_family != AF_UNIX ||
            getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) < 0 || type != SOCK_STREAM ||
            getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &accepts, &size) < 0 || !accepts)
                return false;
        *ret_socket = (struct service_socket){.fd = fd};
        if (len > sizeof(address)) /* a name that fills it counts a NUL that has no room */
                len = sizeof(address);
        if (len > offsetof(struct sockaddr_un, sun_path)) {
                memcpy(ret_socket->name, address.sun_path, len - offsetof(struct sockaddr_un, sun_path));
                if (ret_socket->name[0] == 0)
                        ret_socket->name[0] = '@';
        }
        return true;
}

static int because(const char **ret_why, const char *why, int code) {
        *ret_why = why;
        return code;
}

static int take_sockets(long count, struct service_socket *ret_sockets, uint32_t sockets_max, const char **ret_why) {
        if (count <= 0)
                return because(ret_why, "LISTEN_FDS is no number of sockets", -FSOP_EINVAL);
        if (count > (long)sockets_max)
                return because(ret_why, "LISTEN_FDS is more than can be served", -FSOP_E2BIG);
        for (int i = 0; i < (int)count; i++) {
                int fd = LISTEN_FDS_START + i;

                if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
                        return because(ret_why, "one that LISTEN_FDS counts is not open", error_from_errno(errno));
                if (!listens(fd, &ret_sockets[i]))
                        return because(ret_why, "one that LISTEN_FDS counts is no Unix stream socket that listens",
                                       -FSOP_EINVAL);
        }
        return (int)count;
}

int service_inherited_sockets(struct service_socket *ret_sockets, uint32_t sockets_max, const char **ret_why) {
        const char *fds = getenv("LISTEN_FDS");
        long count = number_of(fds), pid = number_of(getenv("LISTEN_PID"));

        *ret_why = NULL;
        unsetenv("LISTEN_FDS");
        unsetenv("LISTEN_PID");
        unsetenv("LISTEN_FDNAMES");
        if (!fds)
                return 0;
        if (pid != (long)getpid()) /* they went to whoever started us, and may be in use there */
                return because(ret_why, "LISTEN_FDS is not for this process, says LISTEN_PID", 0);
        return take_sockets(count, ret_sockets, sockets_max, ret_why);
}

/* The address in NOTIFY_SOCKET: a path, or '@' and an abstract name. Its length, or 0. */
static socklen_t notify_address(struct sockaddr_un *ret_address) {
        const char *name = getenv("NOTIFY_SOCKET");
        size_t len = name ? strlen(name) : 0;

        if (len < 2 || len >= sizeof(ret_address->sun_path) || (name[0] != '/' && name[0] != '@'))
                return 0;
        *ret_address = (struct sockaddr_un){.sun_family = AF_UNIX};
        memcpy(ret_address->sun_path, name, len);
        if (name[0] == '@')
                ret_address->sun_path[0] = 0;
        return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + (name[0] == '/'));
}

void service_notify_manager(const char *state) {
        struct sockaddr_un address;
        socklen_t len = notify_address(&address);
        struct timeval patience = {.tv_sec = 1};
        int fd;

        if (len == 0)
                return;
        fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        if (fd < 0)
                return;
        /* A manager that does not read must not hold up the loop. */
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
        while (sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&address, len) < 0 && errno == EINTR)
                ;
        close(fd);
}

void service_notify(const char *state) {
        if (!service_notify_keeper(state))
                service_notify_manager(state);
}

bool service_logs_to_journal(void) {
        const char *stream = getenv("JOURNAL_STREAM");
        unsigned long long dev, ino;
        struct stat st;
        char rest;

        if (!stream || sscanf(stream, "%llu:%llu%c", &dev, &ino, &rest) != 2)
                return false;
        return fstat(STDERR_FILENO, &st) == 0 && st.st_dev == dev && st.st_ino == ino;
}

bool service_is_privileged(void) {
        return geteuid() == 0;
}

/* ---- default paths ----------------------------------------------------------------------------------------------- */

__attribute__((format(printf, 1, 2))) static char *format_path(const char *format, ...) {
        va_list arguments;
        char *path;

        va_start(arguments, format);
        int n = vasprintf(&path, format, arguments);
        va_end(arguments);
        return n < 0 ? NULL : path;
}

/* A directory that is ours alone, not a link. */
static bool is_ours(const char *path) {
        struct stat st;

        return lstat(path, &st) == 0 && S_ISDIR(st.st_mode) && st.st_uid == geteuid() && (st.st_mode & 022) == 0;
}

static bool is_private(const char *path) {
        struct stat st;

        return is_ours(path) && stat(path, &st) == 0 && (st.st_mode & 077) == 0;
}

/* /tmp/fsopd-UID: anyone may have made that name first, so it counts only if it is ours alone. */
static char *socket_in_tmp(void) {
        char *directory = format_path("/tmp/fsopd-%u", (unsigned)geteuid()), *path = NULL;

        if (!directory)
                return NULL;
        if ((mkdir(directory, 0700) == 0 || errno == EEXIST) && is_private(directory))
                path = format_path("%s/fsopd.sock", directory);
        free(directory);
        return path;
}

char *service_default_socket(bool private_service) {
        const char *runtime = getenv("XDG_RUNTIME_DIR");
        char *directory, *path;

        if (!private_service)
                return strdup("/run/fsopd/fsopd.sock");
        if (runtime && runtime[0] == '/')
                return format_path("%s/fsopd/fsopd.sock", runtime);
        directory = format_path("/run/user/%u", (unsigned)geteuid());
        if (!directory)
                return NULL;
        path = is_ours(directory) ? format_path("%s/fsopd/fsopd.sock", directory) : socket_in_tmp();
        free(directory);
        return path;
}

char *service_default_state_dir(bool private_service) {
        const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");

        if (!private_service)
                return strdup("/var/lib/fsopd");
        if (state && state[0] == '/')
                return format_path("%s/fsopd", state);
        if (home && home[0] == '/')
                return format_path("%s/.local/state/fsopd", home);
        return NULL;
}

/* NOLINTEND(concurrency-mt-unsafe) */
