/* SPDX-License-Identifier: MIT */
/*
 * process.c: other processes: the daemon, and commands. All of them die with this one.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/bench/bench.h"

#define DAEMON_START_MS 60000u
#define DAEMON_END_MS 12000u
#define DESCRIPTORS_WANTED 65536u

enum pin process_pin;

/* Where a process belongs. */
static cpu_set_t place_of(bool is_server, enum pin pin) {
        unsigned first = is_server && pin == PIN_APART ? 1 : 0, last = pin == PIN_NOT ? CPU_SETSIZE - 1 : first;
        cpu_set_t set;

        CPU_ZERO(&set);
        for (unsigned i = first; i <= last; i++)
                CPU_SET(i, &set);
        return set;
}

static void stay(pid_t thread, const cpu_set_t *set) {
        if (sched_setaffinity(thread, sizeof(*set), set) < 0 && errno != ESRCH)
                bench_fail("cannot choose a processor: %s", strerror(errno));
}

void process_move(pid_t pid, bool is_server, enum pin pin) {
        cpu_set_t set = place_of(is_server, pin);
        char *path = bench_format("/proc/%ld/task", (long)pid);
        DIR *threads = pid > 0 ? opendir(path) : NULL;
        struct dirent *entry;

        free(path);
        while (threads && (entry = readdir(threads))) {
                long thread = atol(entry->d_name), child;
                FILE *children;

                if (thread <= 0)
                        continue;
                stay((pid_t)thread, &set);
                path = bench_format("/proc/%ld/task/%ld/children", (long)pid, thread);
                children = fopen(path, "re");
                while (children && fscanf(children, "%ld", &child) == 1)
                        process_move((pid_t)child, is_server, pin);
                if (children)
                        fclose(children);
                free(path);
        }
        if (threads)
                closedir(threads);
}

pid_t process_fork(bool is_server) {
        pid_t parent = getpid(), pid;

        fflush(NULL);
        pid = fork();
        if (pid < 0)
                bench_fail("fork: %s", strerror(errno));
        if (pid != 0)
                return pid;
        signal(SIGINT, SIG_DFL);
        signal(SIGTERM, SIG_DFL);
        signal(SIGHUP, SIG_DFL);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent)
                _exit(1);
        if (process_pin != PIN_NOT) {
                cpu_set_t set = place_of(is_server, process_pin);

                stay(0, &set);
        }
        return 0;
}

int process_become(uid_t uid, gid_t gid) {
        if (setgroups(0, NULL) < 0 || setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0)
                return bench_fail("cannot become uid %u: %s", uid, strerror(errno));
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* forgotten when the uid changes */
        return 0;
}

uint32_t process_raise_descriptors(void) {
        struct rlimit limit, wanted = {DESCRIPTORS_WANTED, DESCRIPTORS_WANTED};

        if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
                return 0;
        if (limit.rlim_max < DESCRIPTORS_WANTED && setrlimit(RLIMIT_NOFILE, &wanted) == 0)
                return DESCRIPTORS_WANTED;
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
        return limit.rlim_max < UINT32_MAX ? (uint32_t)limit.rlim_max : UINT32_MAX;
}

/* Reaps a child within a time. Whether it is gone. */
static bool reap(pid_t pid, unsigned ms) {
        for (unsigned waited = 0;; waited += 10) {
                pid_t ret = waitpid(pid, NULL, WNOHANG);

                if (ret == pid || (ret < 0 && errno != EINTR))
                        return true;
                if (waited >= ms)
                        return false;
                bench_sleep_ms(10);
        }
}

void process_end(pid_t *pid, int sig) {
        if (*pid <= 0)
                return;
        kill(*pid, sig);
        if (!reap(*pid, DAEMON_END_MS)) {
                kill(*pid, SIGKILL);
                waitpid(*pid, NULL, 0);
        }
        *pid = 0;
}

static int wait_for(pid_t pid, const char *name) {
        int status;

        while (waitpid(pid, &status, 0) < 0)
                if (errno != EINTR)
                        return bench_fail("waitpid: %s", strerror(errno));
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
                return bench_fail("%s failed", name);
        return 0;
}

int process_run(const char *const *argv) {
        pid_t pid = process_fork(true);

        if (pid < 0)
                return -1;
        if (pid == 0) {
                dup2(STDERR_FILENO, STDOUT_FILENO);
                execvp(argv[0], (char *const *)(uintptr_t)argv);
                fprintf(stderr, "fsop-bench: %s: %s\n", argv[0], strerror(errno));
                _exit(127);
        }
        return wait_for(pid, argv[0]);
}

bool process_finds(const char *name) {
        const char *from = getenv("PATH");
        bool found = false;

        while (from && *from && !found) {
                int len = (int)strcspn(from, ":");
                char *path = bench_format("%.*s/%s", len, from, name);

                found = access(path, X_OK) == 0;
                free(path);
                from += len;
                from += *from == ':';
        }
        return found;
}

/* ---- the daemon ---- */

static void show_log(const char *path) {
        char line[512];
        FILE *log = fopen(path, "re");

        if (!log)
                return;
        while (fgets(line, sizeof(line), log))
                fprintf(stderr, "  fsopd: %s", line);
        fclose(log);
}

static bool daemon_listens(const char *path) {
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        bool listens;

        if (fd < 0)
                return false;
        snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
        listens = connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0;
        close(fd);
        return listens;
}

static void daemon_exec(const struct place *place, unsigned which, const char *fsopd, const char *engine) {
        int log = open(place->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

        if (log >= 0 && null >= 0) {
                dup2(null, STDIN_FILENO);
                dup2(log, STDOUT_FILENO);
                dup2(log, STDERR_FILENO);
        }
        execl(fsopd, "fsopd", "--config", place->config, "--socket", place->socket[which], "--state-dir",
              place->state[which], "--engine", engine, (char *)NULL);
        fprintf(stderr, "cannot run %s: %s\n", fsopd, strerror(errno));
        _exit(127);
}

int daemon_start(const struct place *place, unsigned which, const char *fsopd, const char *engine, pid_t *ret_pid) {
        pid_t pid = process_fork(true);

        if (pid < 0)
                return -1;
        if (pid == 0)
                daemon_exec(place, which, fsopd, engine);
        for (unsigned waited = 0; waited < DAEMON_START_MS && !bench_stop; waited += 10) {
                if (daemon_listens(place->socket[which])) {
                        *ret_pid = pid;
                        return 0;
                }
                if (reap(pid, 0)) {
                        show_log(place->log);
                        return bench_fail("the daemon did not start");
                }
                bench_sleep_ms(10);
        }
        process_end(&pid, SIGKILL);
        if (bench_stop)
                return -1;
        show_log(place->log);
        return bench_fail("the daemon does not listen");
}

/* utime and stime, the fourteenth and the fifteenth, after a name that may hold anything. */
static double process_cpu_ms(long pid) {
        char *path = bench_format("/proc/%ld/stat", pid), line[1024] = "";
        FILE *stat = fopen(path, "re");
        unsigned long user = 0, system = 0;
        const char *rest = stat && fgets(line, sizeof(line), stat) ? strrchr(line, ')') : NULL;

        if (rest)
                sscanf(rest + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system);
        if (stat)
                fclose(stat);
        free(path);
        return (double)(user + system) * 1000 / (double)sysconf(_SC_CLK_TCK);
}

double daemon_cpu_ms(pid_t pid) {
        char *path = bench_format("/proc/%ld/task/%ld/children", (long)pid, (long)pid);
        FILE *children = fopen(path, "re");
        double ms = process_cpu_ms(pid);
        long child;

        while (children && fscanf(children, "%ld", &child) == 1)
                ms += process_cpu_ms(child);
        if (children)
                fclose(children);
        free(path);
        return ms;
}
