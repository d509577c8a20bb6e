/* SPDX-License-Identifier: MIT */
/* terminal_unix.c: terminal.h on Linux and macOS; the only file of the command line that includes OS headers. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "client/cli/terminal.h"

/* A standard stream that is closed must not become the socket to the daemon: messages would go there. What takes its
 * place fails as it would have. */
static void occupy_standard_streams(void) {
        for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
                if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) < 0)
                        return;
}

void terminal_start(void) {
        occupy_standard_streams();
        signal(SIGPIPE, SIG_IGN);
}

bool terminal_is_terminal(FILE *stream) {
        return isatty(fileno(stream)) == 1;
}

unsigned terminal_columns(FILE *stream) {
        struct winsize size = {0};
        return ioctl(fileno(stream), TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

/* ---- signals ----------------------------------------------------------------------------------------------------- */

static void (*interrupt_wake)(void);
static volatile sig_atomic_t interrupt_signal;

static void on_interrupt(int signal_number) {
        int saved = errno;
        interrupt_signal = signal_number;
        if (interrupt_wake)
                interrupt_wake();
        errno = saved;
}

void terminal_on_interrupt(void (*wake)(void)) {
        struct sigaction action = {.sa_handler = on_interrupt, .sa_flags = (int)SA_RESETHAND};
        struct sigaction before;
        interrupt_wake = wake;
        /* What was ignored (nohup, a background job of a plain shell) stays ignored. */
        if (sigaction(SIGINT, NULL, &before) == 0 && before.sa_handler != SIG_IGN)
                sigaction(SIGINT, &action, NULL);
        sigaction(SIGTERM, &action, NULL);
}

bool terminal_interrupted(void) {
        return interrupt_signal != 0;
}

void terminal_die_of_interrupt(void) {
        signal(interrupt_signal, SIG_DFL);
        raise(interrupt_signal);
}

/* ---- odds and ends ----------------------------------------------------------------------------------------------- */

bool terminal_reader_left(void) {
        return errno == EPIPE;
}

const char *terminal_why(void) {
        return strerror(errno ? errno : EIO);
}

uint32_t terminal_umask(void) {
        mode_t mask = umask(0);
        umask(mask);
        return (uint32_t)mask & 0777;
}

uint64_t terminal_monotonic_us(void) {
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now);
        return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

void terminal_sleep_ms(unsigned ms) {
        poll(NULL, 0, (int)ms);
}

uint64_t terminal_random(void) {
        uint64_t number = 0;
        if (getentropy(&number, sizeof(number)) < 0)
                number = terminal_monotonic_us() ^ (uint64_t)getpid() << 32;
        return number;
}

/* ---- users ------------------------------------------------------------------------------------------------------- */

int terminal_user_by_name(const char *name, uint32_t *ret_uid, uint32_t *ret_login_gid) {
        struct passwd *entry = getpwnam(name);
        if (!entry)
                return -1;
        *ret_uid = entry->pw_uid;
        *ret_login_gid = entry->pw_gid;
        return 0;
}

int terminal_group_by_name(const char *name, uint32_t *ret_gid) {
        struct group *entry = getgrnam(name);
        if (!entry)
                return -1;
        *ret_gid = entry->gr_gid;
        return 0;
}

const char *terminal_name_of_user(uint32_t uid) {
        struct passwd *entry = getpwuid(uid);
        return entry ? entry->pw_name : NULL;
}

const char *terminal_name_of_group(uint32_t gid) {
        struct group *entry = getgrgid(gid);
        return entry ? entry->gr_name : NULL;
}

/* ---- input ------------------------------------------------------------------------------------------------------- */

struct terminal_input {
        int fd;
};

int terminal_input_open(const char *path, struct terminal_input **ret_input) {
        bool standard = !path || strcmp(path, "-") == 0;
        int fd = standard ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return -1;
        *ret_input = malloc(sizeof(**ret_input));
        if (!*ret_input) {
                close(fd);
                return -1;
        }
        (*ret_input)->fd = fd;
        return 0;
}

long terminal_input_read(struct terminal_input *input, void *buffer, size_t buffer_bytes) {
        for (;;) {
                ssize_t n = read(input->fd, buffer, buffer_bytes);
                if (n >= 0 || errno != EINTR || interrupt_signal)
                        return (long)n;
        }
}

bool terminal_input_would_wait(const struct terminal_input *input) {
        struct pollfd poll_fd = {.fd = input->fd, .events = POLLIN};
        return poll(&poll_fd, 1, 0) == 0;
}

void terminal_input_close(struct terminal_input *input) {
        if (input->fd != STDIN_FILENO)
                close(input->fd);
        free(input);
}

FILE *terminal_output_open(const char *path) {
        return strcmp(path, "-") == 0 ? stdout : fopen(path, "wbe");
}

/* ---- the daemon's program ---------------------------------------------------------------------------------------- */

/* Directory of this program, with a slash; empty when it can't be told. */
static void own_directory(char *buffer, size_t buffer_bytes) {
        ssize_t n = readlink("/proc/self/exe", buffer, buffer_bytes - 1);
        buffer[n > 0 ? n : 0] = 0;
        char *slash = strrchr(buffer, '/');
        if (slash)
                slash[1] = 0;
        else
                buffer[0] = 0;
}

static bool find_daemon(char *buffer, size_t buffer_bytes) {
        static const char *const places[] = {"fsopd", "../sbin/fsopd", "../libexec/fsopd"};
        static const char *const usual[] = {"/usr/sbin/fsopd", "/usr/local/sbin/fsopd", "/usr/libexec/fsopd"};
        char own[PATH_MAX];
        own_directory(own, sizeof(own));
        for (size_t i = 0; *own && i < sizeof(places) / sizeof(*places); i++) {
                int n = snprintf(buffer, buffer_bytes, "%s%s", own, places[i]);
                if (n > 0 && (size_t)n < buffer_bytes && access(buffer, X_OK) == 0)
                        return true;
        }
        for (size_t i = 0; i < sizeof(usual) / sizeof(*usual); i++) {
                snprintf(buffer, buffer_bytes, "%s", usual[i]);
                if (access(buffer, X_OK) == 0)
                        return true;
        }
        return false;
}

static void run_child(const char *program, const char *const *args, int output) {
        char *argv[1024];
        size_t n = 0;
        argv[n++] = strdup("fsopd");
        for (; *args && n < sizeof(argv) / sizeof(*argv) - 1; args++)
                argv[n++] = strdup(*args);
        argv[n] = NULL;
        if (dup2(output, STDOUT_FILENO) >= 0)
                execv(program, argv);
        _exit(127);
}

static void read_lines(int fd, void (*each_line)(const char *line, void *context), void *context) {
        FILE *stream = fdopen(fd, "r");
        char *line = NULL;
        size_t line_bytes = 0;
        ssize_t n;
        if (!stream) {
                close(fd);
                return;
        }
        while ((n = getline(&line, &line_bytes, stream)) > 0) {
                if (line[n - 1] == '\n')
                        line[n - 1] = 0;
                each_line(line, context);
        }
        free(line);
        fclose(stream);
}

int terminal_run_daemon(const char *const *args, void (*each_line)(const char *line, void *context), void *context,
                        const char **ret_why) {
        char program[PATH_MAX];
        int pipes[2], status = 0;
        if (!find_daemon(program, sizeof(program))) {
                *ret_why = "the daemon's program fsopd, which knows how to read them, is neither beside this one nor "
                           "in sbin";
                return -1;
        }
        if (pipe(pipes) < 0) {
                *ret_why = strerror(errno);
                return -1;
        }
        fflush(NULL);
        pid_t child = fork();
        if (child == 0) {
                close(pipes[0]);
                run_child(program, args, pipes[1]);
        }
        close(pipes[1]);
        if (child < 0) {
                *ret_why = strerror(errno);
                close(pipes[0]);
                return -1;
        }
        read_lines(pipes[0], each_line, context);
        while (waitpid(child, &status, 0) < 0)
                if (errno != EINTR)
                        break;
        if (!WIFEXITED(status) || WEXITSTATUS(status) == 127) {
                *ret_why = "fsopd could not be run, or was killed";
                return -1;
        }
        return WEXITSTATUS(status);
}
