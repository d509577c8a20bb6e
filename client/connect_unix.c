/* SPDX-License-Identifier: MIT */
/*
 * connect_unix.c: connect.h for Unix systems: Unix sockets, descriptors by SCM_RIGHTS. The only file of libfsop that
 * includes headers of the operating system.
 */
#include "client/connect.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/epoll.h>
#include <sys/eventfd.h>
#else
#include <sys/event.h>
#endif

#ifdef __linux__
#define SOCKET_SYSTEM "/run/fsopd/fsopd.sock"
#else
#define SOCKET_SYSTEM "/var/run/fsopd/fsopd.sock"
#endif
#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0 /* SO_NOSIGPIPE is set instead */
#endif
#ifndef MSG_CMSG_CLOEXEC
#define MSG_CMSG_CLOEXEC 0 /* set one by one below */
#endif
#ifndef O_PATH
#define O_PATH O_RDONLY
#endif

/* The errors that the calls of this file can give. */
static int connect_error(int os_error) {
        static const struct {
                int os_error, code;
        } map[] = {
                {EPERM, FSOP_EPERM},           {ENOENT, FSOP_ENOENT},
                {EINTR, FSOP_EINTR},           {EIO, FSOP_EIO},
                {EBADF, FSOP_EBADF},           {EAGAIN, FSOP_EAGAIN},
                {ENOMEM, FSOP_ENOMEM},         {EACCES, FSOP_EACCES},
                {EBUSY, FSOP_EBUSY},           {ENODEV, FSOP_ENODEV},
                {ENXIO, FSOP_ENXIO},           {ENOTDIR, FSOP_ENOTDIR},
                {EISDIR, FSOP_EISDIR},         {EINVAL, FSOP_EINVAL},
                {ENFILE, FSOP_ENFILE},         {EMFILE, FSOP_EMFILE},
                {EPIPE, FSOP_ECONNRESET},      {ENAMETOOLONG, FSOP_ENAMETOOLONG},
                {ELOOP, FSOP_ELOOP},           {EOVERFLOW, FSOP_EOVERFLOW},
                {EOPNOTSUPP, FSOP_EOPNOTSUPP}, {ETIMEDOUT, FSOP_ETIMEDOUT},
                {ESTALE, FSOP_ESTALE},         {ECONNREFUSED, FSOP_ECONNREFUSED},
                {ECONNRESET, FSOP_ECONNRESET}, {ENOTCONN, FSOP_ENOTCONN},
                {EMSGSIZE, FSOP_EMSGSIZE},     {ENOBUFS, FSOP_ENOBUFS},
                {ETOOMANYREFS, FSOP_EMFILE},   {ENOTSOCK, FSOP_EBADF},
                {EPROTOTYPE, FSOP_EPROTO},     {ERANGE, FSOP_ERANGE},
        };
        for (size_t i = 0; i < sizeof(map) / sizeof(map[0]); i++)
                if (map[i].os_error == os_error)
                        return -map[i].code;
        return -FSOP_EUNKNOWN;
}

static int connect_errno(int32_t *ret_os_error) {
        *ret_os_error = errno;
        return connect_error(errno);
}

static void set_cloexec(int fd) {
        int flags = fcntl(fd, F_GETFD);
        if (flags >= 0 && !(flags & FD_CLOEXEC))
                fcntl(fd, F_SETFD, flags | FD_CLOEXEC);
}

/* ---- making and closing ----------------------------------------------------------------------------------------- */

void connect_init(struct connection *connection) {
        *connection = (struct connection){.fd = CONNECT_FD_NONE,
                                          .wake_read = CONNECT_FD_NONE,
                                          .wake_write = CONNECT_FD_NONE,
                                          .watch = CONNECT_FD_NONE,
                                          .pid = getpid()};
        /* On the only processor there is, looking again would keep the daemon from answering. */
        spin_init(&connection->spin, sysconf(_SC_NPROCESSORS_ONLN) > 1 ? SPIN_US_DEFAULT : 0);
}

/* A page that the kernel clears in children: telling a fork costs one load instead of a system call per operation. */
static void connect_mark_process(struct connection *connection) {
#if defined(MADV_WIPEONFORK)
        size_t page = (size_t)sysconf(_SC_PAGESIZE);
        void *memory = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (memory == MAP_FAILED)
                return;
        if (madvise(memory, page, MADV_WIPEONFORK) < 0) {
                munmap(memory, page);
                return;
        }
        connection->mark = memory;
        *connection->mark = 1;
#else
        (void)connection;
#endif
}

static int connect_make_wake(struct connection *connection, int32_t *ret_os_error) {
#ifdef __linux__
        int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (fd < 0)
                return connect_errno(ret_os_error);
        connection->wake_read = connection->wake_write = fd;
#else
        int fds[2];
        if (pipe(fds) < 0)
                return connect_errno(ret_os_error);
        for (int i = 0; i < 2; i++) {
                set_cloexec(fds[i]);
                fcntl(fds[i], F_SETFL, O_NONBLOCK);
        }
        connection->wake_read = fds[0];
        connection->wake_write = fds[1];
#endif
        return 0;
}

int connect_adopt(struct connection *connection, intptr_t fd, int32_t *ret_os_error) {
        connect_init(connection);
        connection->fd = fd;
        set_cloexec((int)fd);
        int flags = fcntl((int)fd, F_GETFL);
        if (flags < 0 || ((flags & O_NONBLOCK) && fcntl((int)fd, F_SETFL, flags & ~O_NONBLOCK) < 0)) {
                int r = connect_errno(ret_os_error);
                connect_close(connection);
                return r;
        }
#ifdef SO_NOSIGPIPE
        setsockopt((int)fd, SOL_SOCKET, SO_NOSIGPIPE, &(int){1}, sizeof(int));
#endif
        int r = connect_make_wake(connection, ret_os_error);
        if (r < 0) {
                connect_close(connection);
                return r;
        }
        connect_mark_process(connection);
        return 0;
}

/* A connect waits for room in the server's queue, at most as long as this. */
static void set_send_timeout(int fd, uint64_t timeout_ms) {
        struct timeval time = {.tv_sec = (time_t)(timeout_ms / 1000),
                               .tv_usec = (suseconds_t)(timeout_ms % 1000 * 1000)};
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &time, sizeof(time));
}

int connect_open(struct connection *connection, const char *path, uint64_t timeout_ms, int32_t *ret_os_error) {
        connect_init(connection);
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        size_t len = strlen(path);
        if (len >= sizeof(address.sun_path)) {
                *ret_os_error = ENAMETOOLONG;
                return -FSOP_ENAMETOOLONG;
        }
        memcpy(address.sun_path, path, len + 1);
#ifdef SOCK_CLOEXEC
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
#else
        int fd = socket(AF_UNIX, SOCK_STREAM, 0);
#endif
        if (fd < 0)
                return connect_errno(ret_os_error);
        set_send_timeout(fd, timeout_ms);
        int r;
        do
                r = connect(fd, (const struct sockaddr *)&address, sizeof(address));
        while (r < 0 && errno == EINTR);
        if (r < 0) {
                r = connect_errno(ret_os_error);
                close(fd);
                return r == -FSOP_EAGAIN ? -FSOP_ETIMEDOUT : r;
        }
        set_send_timeout(fd, 0);
        return connect_adopt(connection, fd, ret_os_error);
}

void connect_shut(struct connection *connection) {
        connect_fd_close(connection->fd); /* which also takes it out of the watch */
        connection->fd = CONNECT_FD_NONE;
}

void connect_close(struct connection *connection) {
        connect_fd_close(connection->watch);
        connect_fd_close(connection->fd);
        connect_fd_close(connection->wake_read);
        if (connection->wake_write != connection->wake_read)
                connect_fd_close(connection->wake_write);
        if (connection->mark)
                munmap((void *)(uintptr_t)connection->mark, (size_t)sysconf(_SC_PAGESIZE));
        connect_init(connection);
}

bool connect_is_forked(const struct connection *connection) {
        if (connection->mark)
                return *connection->mark == 0;
        return connection->pid != getpid();
}

/* ---- who and where ---------------------------------------------------------------------------------------------- */

const char *connect_system_socket(void) {
        return SOCKET_SYSTEM;
}

/* A set-uid program must not be led to a socket by whoever started it. */
static const char *trusted_environment(const char *name) {
#ifdef __linux__
        return secure_getenv(name);
#else
        return issetugid() ? NULL : getenv(name);
#endif
}

char *connect_private_socket(void) {
        static const char tail[] = "/fsopd/fsopd.sock";
        const char *directory = trusted_environment("XDG_RUNTIME_DIR");
        if (!directory || directory[0] != '/')
                return NULL;
        size_t len = strlen(directory);
        char *path = malloc(len + sizeof(tail));
        if (!path)
                return NULL;
        memcpy(path, directory, len);
        memcpy(path + len, tail, sizeof(tail));
        return path;
}

int connect_peer_uid(const struct connection *connection, uint32_t *ret_uid, int32_t *ret_os_error) {
#ifdef SO_PEERCRED
        struct ucred peer = {0};
        socklen_t len = sizeof(peer);
        if (getsockopt((int)connection->fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
                return connect_errno(ret_os_error);
        *ret_uid = peer.uid;
#else
        uid_t uid;
        gid_t gid;
        if (getpeereid((int)connection->fd, &uid, &gid) < 0)
                return connect_errno(ret_os_error);
        *ret_uid = uid;
#endif
        return 0;
}

uint32_t connect_own_uid(void) {
        return geteuid();
}

/* ---- the stream ------------------------------------------------------------------------------------------------- */

union control {
        struct cmsghdr align;
        char data[CMSG_SPACE(sizeof(int) * WIRE_FRAME_FDS_MAX)];
};

static void attach_descriptors(struct msghdr *message, union control *control, const intptr_t *fds, uint32_t n_fds) {
        memset(control, 0, sizeof(*control));
        message->msg_control = control->data;
        message->msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
        struct cmsghdr *header = CMSG_FIRSTHDR(message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
        for (uint32_t i = 0; i < n_fds; i++) {
                int fd = (int)fds[i];
                memcpy(CMSG_DATA(header) + i * sizeof(int), &fd, sizeof(int));
        }
}

static ssize_t send_with_descriptors(int fd, const void *data, size_t len, const intptr_t *fds, uint32_t n_fds,
                                     int flags) {
        struct iovec piece = {.iov_base = (void *)(uintptr_t)data, .iov_len = len};
        struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1};
        union control control;
        attach_descriptors(&message, &control, fds, n_fds);
        return sendmsg(fd, &message, flags);
}

int64_t connect_send(struct connection *connection, const void *data, size_t len, const intptr_t *fds, uint32_t n_fds,
                     int32_t *ret_os_error) {
        const int flags = MSG_NOSIGNAL | MSG_DONTWAIT;
        ssize_t n;
        do
                n = n_fds > 0 ? send_with_descriptors((int)connection->fd, data, len, fds, n_fds, flags)
                              : send((int)connection->fd, data, len, flags);
        while (n < 0 && errno == EINTR);
        return n < 0 ? connect_errno(ret_os_error) : n;
}

/* Hands on the descriptors of one message; what does not fit is closed. */
static bool detach_descriptors(struct msghdr *message, intptr_t *fds, uint32_t fds_max, uint32_t *ret_n_fds) {
        bool fit = !(message->msg_flags & MSG_CTRUNC);
        for (struct cmsghdr *header = CMSG_FIRSTHDR(message); header; header = CMSG_NXTHDR(message, header)) {
                if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS)
                        continue;
                size_t n = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
                for (size_t i = 0; i < n; i++) {
                        int fd;
                        memcpy(&fd, CMSG_DATA(header) + i * sizeof(int), sizeof(int));
                        if (!MSG_CMSG_CLOEXEC)
                                set_cloexec(fd);
                        if (*ret_n_fds < fds_max) {
                                fds[(*ret_n_fds)++] = fd;
                        } else {
                                close(fd);
                                fit = false;
                        }
                }
        }
        return fit;
}

int64_t connect_receive(struct connection *connection, void *data, size_t len, intptr_t *fds, uint32_t fds_max,
                        uint32_t *ret_n_fds, int32_t *ret_os_error) {
        struct iovec piece = {.iov_base = data, .iov_len = len};
        union control control;
        struct msghdr message = {.msg_iov = &piece,
                                 .msg_iovlen = 1,
                                 .msg_control = control.data,
                                 .msg_controllen = sizeof(control.data)};
        *ret_n_fds = 0;
        ssize_t n;
        do
                n = recvmsg((int)connection->fd, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
        while (n < 0 && errno == EINTR);
        if (n < 0)
                return connect_errno(ret_os_error);
        if (message.msg_controllen > 0 && !detach_descriptors(&message, fds, fds_max, ret_n_fds))
                return -FSOP_EPROTO;
        return n == 0 ? -FSOP_ECONNRESET : n;
}

/* ---- waiting and waking ----------------------------------------------------------------------------------------- */

static uint64_t connect_now_ns(void) {
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now);
        return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static int poll_timeout(uint64_t end_ms) {
        if (end_ms == CONNECT_FOREVER)
                return -1;
        uint64_t now = connect_now_ms();
        if (now >= end_ms)
                return 0;
        return end_ms - now > INT_MAX ? INT_MAX : (int)(end_ms - now);
}

/* 1, 0 when the time is over, or -FSOP_E…. */
static int poll_sleep(struct pollfd *polls, nfds_t n_polls, bool once, uint64_t end_ms) {
        for (;;) {
                int timeout = once ? 0 : poll_timeout(end_ms);
                int n = poll(polls, n_polls, timeout);
                if (n < 0 && errno != EINTR)
                        return connect_error(errno);
                if (n > 0)
                        return 1;
                if (n == 0 && timeout != INT_MAX)
                        return 0;
        }
}

/* Looks for a moment whether something comes. */
static bool poll_look(struct pollfd *polls, nfds_t n_polls, struct spin *spin) {
        uint64_t end_ns = connect_now_ns() + spin->ns;
        bool found;
        do
                found = poll(polls, n_polls, 0) > 0;
        while (!found && connect_now_ns() < end_ns);
        spin_looked(spin, found);
        return found;
}

/* poll_sleep, but it does not sleep when something comes while one still looks. */
static int poll_until(struct pollfd *polls, nfds_t n_polls, bool once, uint64_t end_ms, struct spin *spin) {
        if (once || spin->ns == 0)
                return poll_sleep(polls, n_polls, once, end_ms);
        if (spin->on)
                return poll_look(polls, n_polls, spin) ? 1 : poll_sleep(polls, n_polls, false, end_ms);
        uint64_t begin_ns = connect_now_ns();
        int r = poll_sleep(polls, n_polls, false, end_ms);
        spin_slept(spin, connect_now_ns() - begin_ns);
        return r;
}

int connect_wait(struct connection *connection, bool writes, bool wakes, uint64_t timeout_ms) {
        uint64_t now = timeout_ms == CONNECT_FOREVER || timeout_ms == 0 ? 0 : connect_now_ms();
        uint64_t end_ms = timeout_ms < CONNECT_FOREVER - now ? now + timeout_ms : CONNECT_FOREVER;
        struct pollfd polls[2] = {
                {.fd = (int)connection->fd, .events = (short)(POLLIN | (writes ? POLLOUT : 0))},
                {.fd = wakes ? (int)connection->wake_read : -1, .events = POLLIN},
        };
        int r = poll_until(polls, wakes ? 2 : 1, timeout_ms == 0, end_ms, &connection->spin);
        if (r <= 0)
                return r;
        int events = 0;
        if (polls[0].revents & (POLLIN | POLLHUP | POLLERR | POLLNVAL))
                events |= CONNECT_READABLE;
        if (polls[0].revents & POLLOUT)
                events |= CONNECT_WRITABLE;
        if (polls[1].revents)
                events |= CONNECT_WOKEN;
        return events;
}

void connect_wake(const struct connection *connection) {
        int saved = errno; /* signal handlers call this */
        uint64_t one = 1;
        ssize_t n = write((int)connection->wake_write, &one, sizeof(one));
        (void)n; /* full: it is awake */
        errno = saved;
}

void connect_wake_clear(struct connection *connection) {
        char drain[64];
        while (read((int)connection->wake_read, drain, sizeof(drain)) == (ssize_t)sizeof(drain))
                ;
}

#ifdef __linux__
static int watch_add(struct connection *connection, int watch) {
        struct epoll_event wake = {.events = EPOLLIN};
        struct epoll_event stream = {.events = EPOLLIN | (connection->watch_writes ? EPOLLOUT : 0u)};
        if (epoll_ctl(watch, EPOLL_CTL_ADD, (int)connection->wake_read, &wake) < 0)
                return -1;
        if (connection->fd == CONNECT_FD_NONE)
                return 0;
        return epoll_ctl(watch, EPOLL_CTL_ADD, (int)connection->fd, &stream);
}

static int watch_new(void) {
        return epoll_create1(EPOLL_CLOEXEC);
}

static void watch_change(struct connection *connection) {
        struct epoll_event stream = {.events = EPOLLIN | (connection->watch_writes ? EPOLLOUT : 0u)};
        epoll_ctl((int)connection->watch, EPOLL_CTL_MOD, (int)connection->fd, &stream);
}
#else
static void watch_change_on(struct connection *connection, int watch) {
        struct kevent change;
        EV_SET(&change, (uintptr_t)connection->fd, EVFILT_WRITE, connection->watch_writes ? EV_ADD : EV_DELETE, 0, 0,
               NULL);
        kevent(watch, &change, 1, NULL, 0, NULL);
}

static void watch_change(struct connection *connection) {
        watch_change_on(connection, (int)connection->watch);
}

static int watch_add(struct connection *connection, int watch) {
        struct kevent changes[2];
        EV_SET(&changes[0], (uintptr_t)connection->wake_read, EVFILT_READ, EV_ADD, 0, 0, NULL);
        EV_SET(&changes[1], (uintptr_t)connection->fd, EVFILT_READ, EV_ADD, 0, 0, NULL);
        if (kevent(watch, changes, connection->fd == CONNECT_FD_NONE ? 1 : 2, NULL, 0, NULL) < 0)
                return -1;
        if (connection->watch_writes)
                watch_change_on(connection, watch);
        return 0;
}

static int watch_new(void) {
        int fd = kqueue();
        if (fd >= 0)
                set_cloexec(fd);
        return fd;
}
#endif

int connect_watch(struct connection *connection, intptr_t *ret_fd, int32_t *ret_os_error) {
        if (connection->watch == CONNECT_FD_NONE) {
                int watch = watch_new();
                if (watch < 0)
                        return connect_errno(ret_os_error);
                if (watch_add(connection, watch) < 0) {
                        int r = connect_errno(ret_os_error);
                        close(watch);
                        return r;
                }
                connection->watch = watch;
        }
        *ret_fd = connection->watch;
        return 0;
}

void connect_watch_writes(struct connection *connection, bool writes) {
        if (connection->watch_writes == writes)
                return;
        connection->watch_writes = writes;
        if (connection->watch != CONNECT_FD_NONE && connection->fd != CONNECT_FD_NONE)
                watch_change(connection);
}

uint64_t connect_now_ms(void) {
        return connect_now_ns() / 1000000;
}

/* ---- the process ------------------------------------------------------------------------------------------------ */

uint64_t connect_unique(void) {
        static atomic_uint_fast64_t last;
        return atomic_fetch_add_explicit(&last, 1, memory_order_relaxed) + 1;
}

/* umask(2) can only be asked by changing it, which another thread's open would see; procfs tells without. */
static bool umask_from_proc(uint32_t *ret_umask) {
#ifdef __linux__
        char text[512];
        int fd = open("/proc/thread-self/status", O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return false;
        ssize_t n = read(fd, text, sizeof(text) - 1);
        close(fd);
        if (n <= 0)
                return false;
        text[n] = 0;
        const char *line = strstr(text, "\nUmask:");
        unsigned value;
        if (!line || sscanf(line, "\nUmask: %o", &value) != 1)
                return false;
        *ret_umask = value & 0777;
        return true;
#else
        (void)ret_umask;
        return false;
#endif
}

uint32_t connect_umask(void) {
        uint32_t value;
        if (umask_from_proc(&value))
                return value;
        mode_t mask = umask(077);
        umask(mask);
        return mask & 0777;
}

void connect_fd_close(intptr_t fd) {
        if (fd != CONNECT_FD_NONE)
                close((int)fd);
}

int connect_fd_copy(intptr_t fd, intptr_t *ret_fd, int32_t *ret_os_error) {
        int copy = fcntl((int)fd, F_DUPFD_CLOEXEC, 3);
        if (copy < 0)
                return connect_errno(ret_os_error);
        *ret_fd = copy;
        return 0;
}

/* ---- paths ------------------------------------------------------------------------------------------------------ */

int connect_current_directory(char *path, size_t path_bytes, int32_t *ret_os_error) {
        if (!getcwd(path, path_bytes))
                return connect_errno(ret_os_error);
        if (path[0] == '/')
                return 0;
        *ret_os_error = ENOENT; /* "(unreachable)/…" on Linux */
        return -FSOP_ENOENT;
}

int connect_real_path(const char *path, char *real, int32_t *ret_os_error) {
        char *found = realpath(path, NULL);
        if (!found)
                return connect_errno(ret_os_error);
        size_t len = strlen(found);
        int r = 0;
        if (len <= WIRE_PATH_BYTES_MAX) {
                memcpy(real, found, len + 1);
        } else {
                *ret_os_error = ENAMETOOLONG;
                r = -FSOP_ENAMETOOLONG;
        }
        free(found);
        return r;
}

int connect_type(const char *path, int32_t *ret_os_error) {
        struct stat st;
        if (lstat(path, &st) < 0)
                return connect_errno(ret_os_error);
        if (S_ISDIR(st.st_mode))
                return FSOP_TYPE_DIRECTORY;
        if (S_ISLNK(st.st_mode))
                return FSOP_TYPE_SYMLINK;
        if (S_ISREG(st.st_mode))
                return FSOP_TYPE_REGULAR;
        return FSOP_TYPE_UNKNOWN;
}

int connect_open_directory(const char *path, intptr_t *ret_fd, int32_t *ret_os_error) {
        int fd;
        do
                fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
        while (fd < 0 && errno == EINTR);
        if (fd < 0)
                return connect_errno(ret_os_error);
        *ret_fd = fd;
        return 0;
}
