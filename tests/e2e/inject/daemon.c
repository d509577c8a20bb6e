/* SPDX-License-Identifier: MIT */
/*
 * daemon.c: the daemon under test, as the child of a thread that wears the filter, and what can be asked of it from
 * outside: whether it serves, how it ended, what it said, what it holds.
 */
#include <dirent.h>
#include <signal.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/e2e/inject/inject.h"

static struct {
        sem_t wanted, there;
        bool has_filter;
        pid_t pid;
        int status;
        bool is_over;
        int log; /* what it says, read back from here */
} daemon_;

static void *keep_daemon(void *nothing) {
        daemon_.has_filter = supervisor_install() == 0;
        sem_post(&daemon_.there);
        for (;;) {
                while (sem_wait(&daemon_.wanted) < 0)
                        ;
                while ((daemon_.pid = fork()) < 0) /* that is a call of this thread, too */
                        ;
                if (daemon_.pid == 0) {
                        dup2(daemon_.log, STDOUT_FILENO);
                        dup2(daemon_.log, STDERR_FILENO);
                        execv(inject.command[0], inject.command);
                        _exit(127);
                }
                sem_post(&daemon_.there);
        }
        return nothing;
}

int daemon_begin(void) {
        pthread_t keeper;

        daemon_.log = open(path_of("log"), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        if (daemon_.log < 0)
                return 1;
        sem_init(&daemon_.wanted, 0, 0);
        sem_init(&daemon_.there, 0, 0);
        if (pthread_create(&keeper, NULL, keep_daemon, NULL) != 0)
                return 1;
        while (sem_wait(&daemon_.there) < 0)
                ;
        return daemon_.has_filter ? 0 : 77;
}

bool daemon_has_ended(void) {
        if (!daemon_.is_over && waitpid(daemon_.pid, &daemon_.status, WNOHANG) == daemon_.pid)
                daemon_.is_over = true;
        return daemon_.is_over;
}

int daemon_status(void) {
        return daemon_.status;
}

bool daemon_answers(void) {
        struct fsop_client_options options = {.size = sizeof(options),
                                              .socket_path = inject.socket_path,
                                              .connect_ms = 30000,
                                              .timeout_ms = PATIENCE_MS};
        struct fsop_client *client;
        int r = fsop_open(&options, &client);

        if (r < 0)
                return false;
        r = fsop_ping(client);
        fsop_close(client);
        return r == 0;
}

/* Until it serves or has ended. */
bool daemon_spawn(void) {
        unsigned began = now_ms();

        daemon_.is_over = false;
        while (sem_post(&daemon_.wanted) < 0 || sem_wait(&daemon_.there) < 0)
                ;
        for (unsigned i = 0; now_ms() - began < PATIENCE_MS && !daemon_has_ended(); i++) {
                if (access(inject.socket_path, F_OK) == 0 && daemon_answers())
                        return true;
                pause_ms(i < 50 ? 2 : 20);
        }
        return false;
}

off_t daemon_log_bytes(void) {
        return lseek(daemon_.log, 0, SEEK_END);
}

const char *daemon_last_words(off_t from) {
        static char text[400];
        off_t end = daemon_log_bytes();
        ssize_t n;

        if (end - from > (off_t)sizeof(text) - 1)
                from = end - (off_t)sizeof(text) + 1;
        n = pread(daemon_.log, text, sizeof(text) - 1, from);
        text[n > 0 ? n : 0] = 0;
        return text;
}

/* It must end in order, or at least by itself. */
void daemon_stop(const char *when, bool may_give_up) {
        unsigned began = now_ms();

        if (!daemon_has_ended())
                kill(daemon_.pid, SIGTERM);
        while (!daemon_has_ended() && now_ms() - began < PATIENCE_MS)
                pause_ms(20);
        if (!daemon_.is_over) {
                complain("%s: the daemon does not end", when);
                kill(daemon_.pid, SIGKILL);
                waitpid(daemon_.pid, &daemon_.status, 0);
                daemon_.is_over = true;
        } else if (daemon_.status != 0 && !may_give_up)
                complain("%s: the daemon ended with status %#x: %s", when, (unsigned)daemon_.status,
                         daemon_last_words(0));
}

/* The process that serves: the keeper's child. */
static pid_t serving(void) {
        char path[64];
        int child = 0;
        FILE *file;

        snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)daemon_.pid, (int)daemon_.pid);
        file = fopen(path, "r");
        if (file) {
                if (fscanf(file, "%d", &child) != 1)
                        child = 0;
                fclose(file);
        }
        return child > 0 ? child : daemon_.pid;
}

/* Nothing more is learnt from a daemon that is stuck: where its threads stand, and the end. */
void daemon_end_stuck(const char *when) {
        char line[500];

        printf("FAIL: %s: the daemon is stuck; it said: %s\n", when, daemon_last_words(0));
        snprintf(line, sizeof(line),
                 "for t in /proc/%d/task/*; do echo $t $(cat $t/comm $t/syscall); cat $t/stack; done;"
                 "gdb -p %d -batch -ex 'thread apply all bt' 2>/dev/null",
                 (int)serving(), (int)serving());
        if (system(line) != 0)
                printf("gdb has nothing to add\n");
        kill(serving(), SIGKILL);
        kill(daemon_.pid, SIGKILL);
        exit(1);
}

unsigned daemon_descriptors(void) {
        char path[64];
        unsigned n = 0;
        DIR *dir;

        snprintf(path, sizeof(path), "/proc/%d/fd", (int)serving());
        dir = opendir(path);
        while (dir && readdir(dir))
                n++;
        if (dir)
                closedir(dir);
        return n;
}

unsigned long daemon_resident_kb(void) {
        char path[64];
        unsigned long pages = 0, ignored;
        FILE *file;

        snprintf(path, sizeof(path), "/proc/%d/statm", (int)serving());
        file = fopen(path, "r");
        if (file) {
                if (fscanf(file, "%lu %lu", &ignored, &pages) != 2)
                        pages = 0;
                fclose(file);
        }
        return pages * (unsigned long)sysconf(_SC_PAGESIZE) / 1024;
}
