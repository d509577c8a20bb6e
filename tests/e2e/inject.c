/* SPDX-License-Identifier: MIT */
/*
 * inject: runs a daemon whose system calls fail when this program says. A seccomp filter hands the calls of interest of
 * the daemon, all its threads and its child to a supervisor here, which answers with an error or lets them go on; a
 * client works meanwhile, as nobody. Afterwards: the daemon serves, or has ended by itself for a reason that it said;
 * what was answered is true on disk; what exists belongs to whom it should; nothing was done that may not be; no
 * descriptor is left open.
 *
 *      inject DIRECTORY SOCKET UID each FROM TO COMMAND…
 *
 * the first call of a kind fails, then the second, …: TO - 1 of them
 *
 *      inject DIRECTORY SOCKET UID random SEED ROUNDS COMMAND…
 *
 * any of them
 *
 *      inject DIRECTORY SOCKET UID start EVERY COMMAND…
 *
 * while it starts; every EVERYth call
 *
 * COMMAND is the daemon's. DIRECTORY holds tree (which a rule gives to UID), mine (UID's own) and others (nobody's
 * business). Exits with 77 where the kernel does not let us.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#include "client/fsop.h"

#define ERRORS_MAX 4
#define PATH_BYTES 512
#define PATIENCE_MS 60000u /* an answer that has not come then, on however busy a machine, is lost */
#define CLIENT_GROUP 4242  /* one that the service does not have */
#define SLOW_MS 1000u      /* worth a line */
#define JOB_MS 2000u       /* a job that waits to try again may take longer; what it did by then is looked at */
#define TREE_FILE "some text that is copied\n"

static const char *directory, *socket_path;
static char *const *command;
static uid_t client_uid;
static unsigned failures;

#define complain(...) (failures++, printf("FAIL: " __VA_ARGS__), printf("\n"), fflush(stdout))

/* ---- what can fail ----------------------------------------------------------------------------------------------- */

enum {
        REGULAR = 1,  /* only on files: on what wakes threads it has no reason to fail */
        IDENTITY = 2, /* the daemon may end rather than go on as somebody else */
        MEMORY = 4,   /* the program is loaded with it: none of ours yet that could say so; and a sanitizer that gets
                         none for itself stands still on its way to say so */
};

struct victim {
        const char *name;
        long nr;
        int errors[ERRORS_MAX];
        unsigned flags;
};

#ifndef SYS_setxattrat
#define SYS_setxattrat 463 /* newer than some headers; the same on every architecture */
#define SYS_getxattrat 464
#define SYS_listxattrat 465
#define SYS_removexattrat 466
#endif

#define CALL(name, ...)                                                                                                \
        { #name, SYS_##name, {__VA_ARGS__ }, 0 }
#define CALL_IF(name, f, ...)                                                                                          \
        { #name, SYS_##name, {__VA_ARGS__ }, f }

static const struct victim victims[] = {
        CALL(openat2, EIO, EMFILE, ENOMEM, EINTR),
        CALL(openat, EIO, EMFILE, ENOMEM, EINTR),
        CALL(statx, EIO, ENOMEM),
        CALL(newfstatat, EIO, ENOMEM),
        CALL(fstatfs, EIO, EINTR),
        CALL(fchownat, EIO, ENOSPC, EPERM),
        CALL(fchown, EIO, ENOSPC, EPERM),
        CALL(fchmodat, EIO, ENOSPC, EPERM),
        CALL(fchmod, EIO, ENOSPC, EPERM),
        CALL(utimensat, EIO, ENOSPC, EPERM),
        CALL(mkdirat, EIO, ENOSPC, ENOMEM),
        CALL(mknodat, EIO, ENOSPC, EPERM),
        CALL(symlinkat, EIO, ENOSPC, ENOMEM),
        CALL(linkat, EIO, ENOSPC, EPERM),
        CALL(unlinkat, EIO, ENOMEM, EPERM),
        CALL(renameat2, EIO, ENOSPC, ENOMEM),
        CALL(renameat, EIO, ENOSPC, ENOMEM),
        CALL(readlinkat, EIO, ENOMEM),
        CALL(getdents64, EIO, ENOMEM),
        CALL(setxattr, EIO, ENOSPC, EPERM),
        CALL(fsetxattr, EIO, ENOSPC, EPERM),
        CALL(getxattr, EIO, ENOMEM),
        CALL(fgetxattr, EIO, ENOMEM),
        CALL(flistxattr, EIO, ENOMEM),
        CALL(setxattrat, EIO, ENOSPC, EPERM),
        CALL(getxattrat, EIO, ENOMEM),
        CALL(listxattrat, EIO, ENOMEM),
        CALL(removexattrat, EIO, ENOSPC),
        CALL(fallocate, EIO, ENOSPC, EINTR),
        CALL(ftruncate, EIO, EINTR, ENOSPC),
        CALL(copy_file_range, EIO, ENOSPC, EINTR, ENOMEM),
        CALL(ioctl, EIO, ENOSPC, EOPNOTSUPP, EPERM),
        CALL(pread64, EIO, EINTR, EAGAIN),
        CALL(pwrite64, EIO, ENOSPC, EINTR),
        CALL_IF(read, REGULAR, EIO, EINTR),
        CALL_IF(write, REGULAR, EIO, ENOSPC, EINTR),
        CALL_IF(writev, REGULAR, EIO, ENOSPC, EINTR),
        CALL(lseek, EIO, ENXIO),
        CALL(fsync, EIO, ENOSPC),
        CALL(fdatasync, EIO, ENOSPC),
        CALL(syncfs, EIO, ENOSPC),
        CALL(fadvise64, EIO, ENOMEM),
        CALL(fcntl, EMFILE, ENOMEM, EIO),
        CALL(dup, EMFILE),
        CALL(recvmsg, ENOMEM, EINTR, EAGAIN, EIO),
        CALL(sendmsg, ENOMEM, EINTR, EAGAIN, EPIPE),
        CALL(recvfrom, ENOMEM, EINTR, EAGAIN),
        CALL(sendto, ENOMEM, EINTR, EAGAIN, EPIPE),
        CALL(accept4, EMFILE, ENOMEM, EINTR, EAGAIN),
        CALL(getsockopt, ENOMEM, EIO),
        CALL(epoll_ctl, ENOMEM, ENOSPC),
        CALL(epoll_create1, EMFILE, ENOMEM),
        CALL(eventfd2, EMFILE, ENOMEM),
        CALL(io_uring_enter, EINTR, EAGAIN, EBUSY),
        CALL(io_uring_setup, ENOMEM, EPERM, ENOSYS),
        CALL(io_uring_register, ENOMEM, EPERM, EMFILE),
        CALL(clone, EAGAIN, ENOMEM),
        CALL(clone3, EAGAIN, ENOMEM),
        CALL(pipe2, EMFILE),
        CALL(signalfd4, EMFILE, ENOMEM),
        CALL(socket, EMFILE, ENOMEM),
        CALL(socketpair, EMFILE, ENOMEM),
        CALL(bind, EIO, ENOSPC),
        CALL(listen, EOPNOTSUPP),
        CALL(flock, EINTR, ENOMEM),
        CALL(prctl, EPERM),
        CALL(prlimit64, EPERM),
        CALL_IF(mmap, MEMORY, ENOMEM),
        CALL(unshare, EPERM, ENOMEM),
        CALL(name_to_handle_at, EIO, ENOMEM),
        CALL(open_by_handle_at, EIO, EMFILE),
        CALL_IF(setgroups, IDENTITY, EPERM, ENOMEM),
        CALL_IF(setresgid, IDENTITY, EPERM, EAGAIN),
        CALL_IF(setresuid, IDENTITY, EPERM, EAGAIN),
        CALL_IF(capset, IDENTITY, EPERM),
        CALL_IF(capget, IDENTITY, EPERM),
        CALL_IF(getgroups, IDENTITY, EPERM),
        CALL_IF(getresuid, IDENTITY, EFAULT),
        CALL_IF(getresgid, IDENTITY, EFAULT),
        CALL(epoll_pwait, EINTR),
#ifdef SYS_mkdir /* newer architectures do without these */
        CALL(mkdir, EIO, ENOSPC),
        CALL(unlink, EIO, EPERM),
        CALL(access, EIO),
        CALL(poll, EINTR, ENOMEM),
        CALL(epoll_wait, EINTR),
#endif
};
#define N_VICTIMS (sizeof(victims) / sizeof(victims[0]))

/* ---- the supervisor ---------------------------------------------------------------------------------------------- */

static struct {
        int listener;
        int only;           /* among victims; -1: all */
        unsigned at;        /* which one of them fails; 0: none */
        unsigned seen;      /* since it was armed */
        unsigned per_mille; /* or any, so often */
        unsigned failed;
        uint64_t random;
} plan = {.listener = -1, .only = -1};
static pthread_mutex_t plan_lock = PTHREAD_MUTEX_INITIALIZER;

static void arm(int only, unsigned at, unsigned per_mille, uint64_t seed) {
        pthread_mutex_lock(&plan_lock);
        plan.only = only;
        plan.at = at;
        plan.per_mille = per_mille;
        plan.seen = plan.failed = 0;
        if (seed > 0)
                plan.random = seed;
        pthread_mutex_unlock(&plan_lock);
}

static unsigned disarm(void) {
        unsigned seen;

        pthread_mutex_lock(&plan_lock);
        seen = plan.seen;
        plan.at = plan.per_mille = 0;
        pthread_mutex_unlock(&plan_lock);
        return seen;
}

static uint64_t next_random(void) {
        plan.random ^= plan.random << 13;
        plan.random ^= plan.random >> 7;
        plan.random ^= plan.random << 17;
        return plan.random;
}

static bool is_regular(pid_t pid, uint64_t fd) {
        char path[64];
        struct stat st;

        snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)pid, (int)fd);
        return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

/* The error for a call, or 0: it goes on. With the lock. */
static int verdict(const struct seccomp_notif *call) {
        const struct victim *victim = victims;
        unsigned n_errors = 0, which;

        while (victim->nr != call->data.nr)
                victim++;
        if ((plan.at == 0 && plan.per_mille == 0) || (plan.only >= 0 && victim != &victims[plan.only]))
                return 0;
        if ((victim->flags & REGULAR) && (call->data.args[0] <= 2 || !is_regular((pid_t)call->pid, call->data.args[0])))
                return 0;
        while (n_errors < ERRORS_MAX && victim->errors[n_errors])
                n_errors++;
        plan.seen++;
        which = plan.seen % n_errors;
        if (plan.per_mille > 0) {
                if (next_random() % 1000 >= plan.per_mille)
                        return 0;
                which = (unsigned)(next_random() >> 20) % n_errors;
        } else if (plan.seen != plan.at)
                return 0;
        plan.failed++;
        return victim->errors[which];
}

static void *supervise(void *nothing) {
        struct seccomp_notif call;
        struct seccomp_notif_resp answer;

        for (;;) {
                memset(&call, 0, sizeof(call));
                memset(&answer, 0, sizeof(answer));
                if (ioctl(plan.listener, SECCOMP_IOCTL_NOTIF_RECV, &call) < 0) {
                        if (errno != EINTR && errno != ENOENT)
                                return nothing;
                        continue;
                }
                pthread_mutex_lock(&plan_lock);
                answer.id = call.id;
                answer.error = -verdict(&call);
                pthread_mutex_unlock(&plan_lock);
                answer.flags = answer.error == 0 ? SECCOMP_USER_NOTIF_FLAG_CONTINUE : 0;
                ioctl(plan.listener, SECCOMP_IOCTL_NOTIF_SEND, &answer); /* fails when it was killed meanwhile */
        }
}

/* ---- the daemon: children of one thread that wears the filter ---------------------------------------------------- */

static struct {
        sem_t wanted, there;
        pid_t pid;
        int status;
        bool is_over;
        int log; /* what it says, read back from here */
} daemon_;

static bool is_sanitized(void) {
        return getenv("FSOP_SANITIZED");
}

static int install_filter(void) {
        struct sock_filter code[2 * N_VICTIMS + 8];
        struct sock_fprog program = {.filter = code};
        unsigned short n = 0;

        code[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
        for (unsigned i = 0; i < N_VICTIMS; i++) {
                if ((victims[i].flags & MEMORY) && is_sanitized())
                        continue;
                code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)victims[i].nr, 0, 1);
                code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF);
        }
        code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
        program.len = n;
        return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
}

static void *keep_daemon(void *nothing) {
        plan.listener = install_filter();
        sem_post(&daemon_.there);
        for (;;) {
                while (sem_wait(&daemon_.wanted) < 0)
                        ;
                while ((daemon_.pid = fork()) < 0) /* that is a call of this thread, too */
                        ;
                if (daemon_.pid == 0) {
                        dup2(daemon_.log, STDOUT_FILENO);
                        dup2(daemon_.log, STDERR_FILENO);
                        execv(command[0], command);
                        _exit(127);
                }
                sem_post(&daemon_.there);
        }
        return nothing;
}

static bool has_ended(void) {
        if (!daemon_.is_over && waitpid(daemon_.pid, &daemon_.status, WNOHANG) == daemon_.pid)
                daemon_.is_over = true;
        return daemon_.is_over;
}

static void pause_ms(unsigned ms) {
        struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};

        nanosleep(&time, NULL);
}

static unsigned now_ms(void) {
        struct timespec time;

        clock_gettime(CLOCK_MONOTONIC, &time);
        return (unsigned)(time.tv_sec * 1000 + time.tv_nsec / 1000000);
}

static bool answers(void) {
        struct fsop_client_options options = {
                .size = sizeof(options), .socket_path = socket_path, .connect_ms = 30000, .timeout_ms = PATIENCE_MS};
        struct fsop_client *client;
        int r = fsop_open(&options, &client);

        if (r < 0)
                return false;
        r = fsop_ping(client);
        fsop_close(client);
        return r == 0;
}

/* Until it serves or has ended. */
static bool spawn(void) {
        unsigned began = now_ms();

        daemon_.is_over = false;
        while (sem_post(&daemon_.wanted) < 0 || sem_wait(&daemon_.there) < 0)
                ;
        for (unsigned i = 0; now_ms() - began < PATIENCE_MS && !has_ended(); i++) {
                if (access(socket_path, F_OK) == 0 && answers())
                        return true;
                pause_ms(i < 50 ? 2 : 20);
        }
        return false;
}

static off_t log_bytes(void) {
        return lseek(daemon_.log, 0, SEEK_END);
}

static const char *last_words(off_t from) {
        static char text[400];
        off_t end = log_bytes();
        ssize_t n;

        if (end - from > (off_t)sizeof(text) - 1)
                from = end - (off_t)sizeof(text) + 1;
        n = pread(daemon_.log, text, sizeof(text) - 1, from);
        text[n > 0 ? n : 0] = 0;
        return text;
}

/* It must end in order, or at least by itself. */
static void stop_daemon(const char *when, bool may_give_up) {
        if (!has_ended())
                kill(daemon_.pid, SIGTERM);
        for (unsigned i = 0; i < 750 && !has_ended(); i++)
                pause_ms(20);
        if (!daemon_.is_over) {
                complain("%s: the daemon does not end", when);
                kill(daemon_.pid, SIGKILL);
                waitpid(daemon_.pid, &daemon_.status, 0);
                daemon_.is_over = true;
        } else if (daemon_.status != 0 && !may_give_up)
                complain("%s: the daemon ended with status %#x: %s", when, (unsigned)daemon_.status, last_words(0));
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
static void end_stuck(const char *when) {
        char line[500];

        printf("FAIL: %s: the daemon is stuck; it said: %s\n", when, last_words(0));
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

static unsigned open_descriptors(void) {
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

static unsigned long resident_kb(void) {
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

/* ---- the deeds --------------------------------------------------------------------------------------------------- */

enum effect {
        NONE,
        MAKES,   /* at, which belongs to the client */
        REMOVES, /* at */
        MOVES,   /* at to `to` */
        OWNS,    /* at, which was root's, is the client's */
        MODE,    /* at has mode 0640, had 0600 */
        SIZE,    /* at has 4096 bytes, had fewer */
        NAMES,   /* at has the attribute user.k */
        COPIES,  /* what is in `to` is what is in at, or there is no `to` */
        NEVER,   /* it may not succeed, and `at` shows no trace */
};

struct deed {
        enum fsop_verb verb;
        enum fsop_as as;
        const char *at, *to; /* below DIRECTORY */
        const void *args;
        enum effect effect;
};

#define CREATE                                                                                                         \
        { .create = true, .mode = 0644, .has_umask = true, .umask = 022 }

static const struct fsop_mkdir_args mkdir_args = {.size = sizeof(mkdir_args), .create = {.create = true, .mode = 0755}};
static const struct fsop_mknod_args mknod_args = {
        .size = sizeof(mknod_args), .type = FSOP_TYPE_FIFO, .create = {.create = true, .mode = 0644}};
static const struct fsop_truncate_args create_args = {.size = sizeof(create_args), .length = 10, .create = CREATE};
static const struct fsop_truncate_args truncate_args = {.size = sizeof(truncate_args), .length = 4096};
static const struct fsop_fallocate_args fallocate_args = {.size = sizeof(fallocate_args), .length = 4096};
static const struct fsop_symlink_args symlink_args = {.size = sizeof(symlink_args), .text = {"own", 3}};
static const struct fsop_chown_args chown_args = {.size = sizeof(chown_args), .has_uid = true, .uid = 65534};
static const struct fsop_chown_args chown_walk = {
        .size = sizeof(chown_walk), .has_uid = true, .uid = 65534, .walk = {.recursive = true}};
static const struct fsop_chown_args chown_root = {.size = sizeof(chown_root), .has_uid = true, .uid = 0};
static const struct fsop_chmod_args chmod_args = {.size = sizeof(chmod_args), .clear = 07777, .set = 0640};
static const struct fsop_utimens_args utimens_args = {.size = sizeof(utimens_args), .mtime_change = FSOP_TIME_NOW};
static const struct fsop_setxattr_args setxattr_args = {
        .size = sizeof(setxattr_args), .name = {"user.k", 6}, .value = {"v", 1}};
static const struct fsop_getxattr_args getxattr_args = {.size = sizeof(getxattr_args), .name = {"user.given", 10}};
static const struct fsop_copy_range_args copy_args = {.size = sizeof(copy_args), .create = CREATE};
static const struct fsop_copy_range_args write_args = {
        .size = sizeof(write_args), .clone = FSOP_CLONE_NEVER, .create = CREATE};
static const struct fsop_unlink_args walk_args = {.size = sizeof(walk_args), .walk = {.recursive = true}};
static const struct fsop_open_args open_args = {.size = sizeof(open_args), .read = true};
static const struct fsop_open_args make_args = {.size = sizeof(make_args), .write = true, .create = CREATE};
static const struct fsop_fsync_args fsync_args = {.size = sizeof(fsync_args)};
static const struct fsop_fadvise_args fadvise_args = {.size = sizeof(fadvise_args), .advice = FSOP_ADVICE_WILLNEED};
static const struct fsop_ls_args ls_args = {.size = sizeof(ls_args), .with_stat = true};

static const struct deed deeds[] = {
        {FSOP_VERB_STAT, FSOP_AS_AUTO, "tree/w/own", NULL, NULL, NONE},
        {FSOP_VERB_MKDIR, FSOP_AS_AUTO, "tree/w/new-d", NULL, &mkdir_args, MAKES},
        {FSOP_VERB_MKNOD, FSOP_AS_AUTO, "tree/w/new-p", NULL, &mknod_args, MAKES},
        {FSOP_VERB_TRUNCATE, FSOP_AS_AUTO, "tree/w/new-t", NULL, &create_args, MAKES},
        {FSOP_VERB_SYMLINK, FSOP_AS_AUTO, "tree/w/new-l", NULL, &symlink_args, MAKES},
        {FSOP_VERB_OPEN, FSOP_AS_AUTO, "tree/w/new-o", NULL, &make_args, MAKES},
        {FSOP_VERB_CHOWN, FSOP_AS_AUTO, "tree/w/own", NULL, &chown_args, OWNS},
        {FSOP_VERB_CHOWN, FSOP_AS_AUTO, "tree/w/walk", NULL, &chown_walk, OWNS},
        {FSOP_VERB_CHMOD, FSOP_AS_AUTO, "tree/w/mode", NULL, &chmod_args, MODE},
        {FSOP_VERB_UTIMENS, FSOP_AS_AUTO, "tree/w/mode", NULL, &utimens_args, NONE},
        {FSOP_VERB_TRUNCATE, FSOP_AS_AUTO, "tree/w/size", NULL, &truncate_args, SIZE},
        {FSOP_VERB_FALLOCATE, FSOP_AS_AUTO, "tree/w/room", NULL, &fallocate_args, SIZE},
        {FSOP_VERB_SETXATTR, FSOP_AS_AUTO, "tree/w/mode", NULL, &setxattr_args, NAMES},
        {FSOP_VERB_GETXATTR, FSOP_AS_AUTO, "tree/w/xattr", NULL, &getxattr_args, NONE},
        {FSOP_VERB_LISTXATTR, FSOP_AS_AUTO, "tree/w/xattr", NULL, NULL, NONE},
        {FSOP_VERB_RENAME, FSOP_AS_AUTO, "tree/w/from", "tree/w/renamed", NULL, MOVES},
        {FSOP_VERB_COPY_RANGE, FSOP_AS_AUTO, "tree/w/text", "tree/w/new-c", &copy_args, COPIES},
        {FSOP_VERB_COPY_RANGE, FSOP_AS_AUTO, "tree/w/text", "tree/w/new-w", &write_args, COPIES},
        {FSOP_VERB_READLINK, FSOP_AS_AUTO, "tree/w/link", NULL, NULL, NONE},
        {FSOP_VERB_LS, FSOP_AS_AUTO, "tree/w", NULL, &ls_args, NONE},
        {FSOP_VERB_STATFS, FSOP_AS_AUTO, "tree/w", NULL, NULL, NONE},
        {FSOP_VERB_FADVISE, FSOP_AS_AUTO, "tree/w/text", NULL, &fadvise_args, NONE},
        {FSOP_VERB_FSYNC, FSOP_AS_AUTO, "tree/w/text", NULL, &fsync_args, NONE},
        {FSOP_VERB_UNLINK, FSOP_AS_AUTO, "tree/w/gone", NULL, NULL, REMOVES},
        {FSOP_VERB_UNLINK, FSOP_AS_AUTO, "tree/w/gone-d", NULL, &walk_args, REMOVES},
        {FSOP_VERB_OPEN_FD, FSOP_AS_AUTO, "tree/w/text", NULL, &open_args, NONE},
        {FSOP_VERB_MKDIR, FSOP_AS_CALLER, "mine/w/new-d", NULL, &mkdir_args, MAKES},
        {FSOP_VERB_TRUNCATE, FSOP_AS_CALLER, "mine/w/new-t", NULL, &create_args, MAKES},
        {FSOP_VERB_CHMOD, FSOP_AS_CALLER, "mine/w/mode", NULL, &chmod_args, MODE},
        {FSOP_VERB_COPY_RANGE, FSOP_AS_CALLER, "mine/w/text", "mine/w/new-c", &copy_args, COPIES},
        {FSOP_VERB_RENAME, FSOP_AS_CALLER, "mine/w/from", "mine/w/renamed", NULL, MOVES},
        {FSOP_VERB_UNLINK, FSOP_AS_CALLER, "mine/w/gone", NULL, NULL, REMOVES},
        {FSOP_VERB_MKDIR, FSOP_AS_CALLER, "others/new-d", NULL, &mkdir_args, NEVER},
        {FSOP_VERB_MKDIR, FSOP_AS_AUTO, "others/new-d", NULL, &mkdir_args, NEVER},
        {FSOP_VERB_MKDIR, FSOP_AS_CALLER, "tree/new-d", NULL, &mkdir_args, NEVER},
        {FSOP_VERB_OPEN, FSOP_AS_CALLER, "others/secret", NULL, &open_args, NEVER},
        {FSOP_VERB_CHOWN, FSOP_AS_AUTO, "tree/w/own", NULL, &chown_root, NEVER},
        {FSOP_VERB_INFO, FSOP_AS_AUTO, "tree/w", NULL, NULL, NONE},
        {FSOP_VERB_STATUS, FSOP_AS_AUTO, NULL, NULL, NULL, NONE},
};
#define N_DEEDS (sizeof(deeds) / sizeof(deeds[0]))

/* What came of them, in memory that the client shares. */
struct outcome {
        int code;
        enum fsop_outcome outcome;
        bool elevated, answered;
        unsigned ms; /* it took */
};
struct outcomes {
        struct outcome of[N_DEEDS];
        bool job_done, job_answered;
        bool finished;
};
static struct outcomes *outcomes;

static const char *path_of(const char *below) {
        static char paths[4][PATH_BYTES];
        static unsigned next;
        char *path = paths[next++ % 4];

        snprintf(path, PATH_BYTES, "%s/%s", directory, below);
        return path;
}

static void make_file(const char *below, mode_t mode, const char *text, uid_t uid) {
        int fd = open(path_of(below), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

        if (fd < 0 || write(fd, text, strlen(text)) < 0 || fchown(fd, uid, uid) < 0 || fchmod(fd, mode) < 0) {
                printf("FAIL: %s: %s\n", below, strerror(errno));
                exit(1);
        }
        close(fd);
}

static void make_directory(const char *below, mode_t mode, uid_t uid) {
        if (mkdir(path_of(below), mode) < 0 || chown(path_of(below), uid, uid) < 0) {
                printf("FAIL: %s: %s\n", below, strerror(errno));
                exit(1);
        }
}

/* A job that the daemon took up again may still be at work in it. */
static void empty(const char *below) {
        char line[PATH_BYTES + 32];

        snprintf(line, sizeof(line), "rm -rf '%s' 2>/dev/null", path_of(below));
        for (unsigned i = 0; i < 500; i++) {
                if (system(line) == 0)
                        return;
                pause_ms(20);
        }
        complain("%s cannot be removed", below);
}

static void prepare(void) {
        empty("tree/w");
        empty("mine/w");
        make_directory("tree/w", 0755, 0);
        make_file("tree/w/own", 0644, "x", 0);
        make_directory("tree/w/walk", 0755, 0);
        make_file("tree/w/walk/a", 0644, "x", 0);
        make_file("tree/w/mode", 0600, "x", 0);
        make_file("tree/w/size", 0600, "x", 0);
        make_file("tree/w/room", 0600, "x", 0);
        make_file("tree/w/xattr", 0600, "x", 0);
        setxattr(path_of("tree/w/xattr"), "user.given", "x", 1, 0);
        make_file("tree/w/from", 0600, "x", 0);
        make_file("tree/w/text", 0644, TREE_FILE, 0);
        make_file("tree/w/gone", 0644, "x", 0);
        make_directory("tree/w/gone-d", 0755, 0);
        make_file("tree/w/gone-d/a", 0644, "x", 0);
        if (symlink("own", path_of("tree/w/link")) < 0)
                complain("tree/w/link: %s", strerror(errno));
        make_directory("tree/w/source", 0755, client_uid);
        make_file("tree/w/source/a", 0644, TREE_FILE, client_uid);
        make_directory("tree/w/source/d", 0755, client_uid);
        make_file("tree/w/source/d/b", 0644, TREE_FILE, client_uid);
        make_directory("mine/w", 0755, client_uid);
        make_file("mine/w/mode", 0600, "x", client_uid);
        make_file("mine/w/from", 0600, "x", client_uid);
        make_file("mine/w/gone", 0600, "x", client_uid);
        make_file("mine/w/text", 0644, TREE_FILE, client_uid);
        rmdir(path_of("others/new-d"));
        rmdir(path_of("tree/new-d"));
}

/* ---- the client -------------------------------------------------------------------------------------------------- */

static struct fsop_client *client;

static bool connection_is_lost;

static int connected(void) {
        struct fsop_client_options options = {
                .size = sizeof(options), .socket_path = socket_path, .connect_ms = 30000, .timeout_ms = PATIENCE_MS};
        static bool is_dead;
        int r = -FSOP_ENOTCONN;

        if (connection_is_lost) {
                fsop_close(client);
                client = NULL;
                connection_is_lost = false;
        }
        for (unsigned i = 0; i < 5 && !client && !is_dead; i++)
                if ((r = fsop_open(&options, &client)) < 0)
                        pause_ms(20);
        is_dead = !client;
        return client ? 0 : r;
}

/* The result lives until the next one is asked for. */
static int ask(enum fsop_verb verb, enum fsop_as as, const char *from, const char *to, const void *args,
               const struct fsop_result **ret_result) {
        struct fsop_at at = fsop_at_path(from ? path_of(from) : "", false),
                       other = fsop_at_path(to ? path_of(to) : "", false);
        int r = connected();

        *ret_result = NULL;
        if (r < 0)
                return r;
        fsop_set_as(client, as);
        r = fsop_call(client, verb, from ? &at : NULL, to ? &other : NULL, args, ret_result);
        connection_is_lost = r == -FSOP_ECONNRESET || r == -FSOP_ENOTCONN;
        return r;
}

static bool is_stuck(void) {
        for (unsigned i = 0; i < N_DEEDS; i++)
                if (outcomes->of[i].code == -FSOP_ETIMEDOUT)
                        return true;
        return false;
}

static void do_deed(unsigned i) {
        const struct deed *deed = &deeds[i];
        struct outcome *came = &outcomes->of[i];
        const struct fsop_result *result;

        unsigned began = now_ms();

        came->code = ask(deed->verb, deed->as, deed->at, deed->to, deed->args, &result);
        came->ms = now_ms() - began;
        came->outcome = FSOP_OUTCOME_UNKNOWN; /* when it was not told */
        if (result) {
                came->answered = true;
                came->outcome = result->outcome;
                came->elevated = result->elevated;
        }
        if (came->code == 0 && deed->verb == FSOP_VERB_OPEN && result) {
                struct fsop_handle handle = result->value.handle;
                struct fsop_at at = fsop_at_handle(handle, NULL, false);

                fsop_call(client, FSOP_VERB_FSYNC, &at, NULL, NULL, NULL);
                fsop_call(client, FSOP_VERB_CLOSE, &at, NULL, NULL, NULL);
        }
}

/* A job is asked after until it ends, and given up when it takes its time to try again. */
static void do_job(unsigned patience_ms) {
        static const struct fsop_cp_args cp = {
                .size = sizeof(cp), .recursive = true, .preserve = FSOP_PRESERVE_MODE, .sync = FSOP_SYNC_NONE};
        struct fsop_job_args about = {.size = sizeof(about)};
        const struct fsop_result *result;
        enum fsop_job_state state = FSOP_JOB_QUEUED;

        if (ask(FSOP_VERB_CP, FSOP_AS_AUTO, "tree/w/source", "tree/w/copy", &cp, &result) < 0 || !result)
                return;
        outcomes->job_answered = true;
        about.id = result->value.job.jobs[0].id;
        for (unsigned i = 0, began = now_ms(); now_ms() - began < patience_ms && state != FSOP_JOB_DONE &&
                                               state != FSOP_JOB_FAILED && state != FSOP_JOB_WAITING;
             i++) {
                pause_ms(i < 20 ? 1 : 10);
                if (ask(FSOP_VERB_JOB_SHOW, FSOP_AS_AUTO, NULL, NULL, &about, &result) == 0 && result)
                        state = result->value.job.jobs[0].state;
        }
        outcomes->job_done = state == FSOP_JOB_DONE;
        if (state != FSOP_JOB_DONE && state != FSOP_JOB_FAILED)
                ask(FSOP_VERB_JOB_CANCEL, FSOP_AS_AUTO, NULL, NULL, &about, &result);
}

static void be_client(unsigned job_ms) {
        gid_t group = CLIENT_GROUP;

        if (syscall(SYS_setgroups, 1, &group) < 0 || syscall(SYS_setresgid, client_uid, client_uid, client_uid) < 0 ||
            syscall(SYS_setresuid, client_uid, client_uid, client_uid) < 0)
                _exit(1);
        alarm(600);
        for (unsigned i = 0; i < N_DEEDS && !is_stuck(); i++)
                do_deed(i);
        if (!is_stuck())
                do_job(job_ms);
        outcomes->finished = true;
        _exit(0);
}

static void work(const char *when, unsigned job_ms) {
        pid_t pid;
        int status;

        prepare();
        memset(outcomes, 0, sizeof(*outcomes));
        fflush(stdout);
        pid = fork();
        if (pid == 0)
                be_client(job_ms);
        if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0 || !outcomes->finished)
                complain("%s: the client did not come to its end (%#x)", when, pid < 0 ? 0 : (unsigned)status);
}

/* ---- what is true ------------------------------------------------------------------------------------------------ */

static bool is_the_same(const char *below, const char *text) {
        char data[200] = "";
        int fd = open(path_of(below), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        ssize_t n = fd >= 0 ? read(fd, data, sizeof(data) - 1) : -1;

        if (fd >= 0)
                close(fd);
        return n == (ssize_t)strlen(text) && memcmp(data, text, (size_t)n) == 0;
}

/* Whether what the deed was to bring about is so. */
static bool is_so(const struct deed *deed) {
        struct stat st, other;
        bool there = lstat(path_of(deed->at), &st) == 0,
             other_there = deed->to && lstat(path_of(deed->to), &other) == 0;
        char value[8];

        switch (deed->effect) {
        case MAKES:
                return there;
        case REMOVES:
                return !there;
        case MOVES:
                return !there && other_there;
        case OWNS:
                return there && st.st_uid == client_uid;
        case MODE:
                return there && (st.st_mode & 07777) == 0640;
        case SIZE:
                return there && st.st_size == 4096;
        case NAMES:
                return getxattr(path_of(deed->at), "user.k", value, sizeof(value)) == 1;
        case COPIES:
                return other_there && is_the_same(deed->to, TREE_FILE);
        case NEVER:
                return deed->verb == FSOP_VERB_MKDIR && there;
        case NONE:
                break;
        }
        return false;
}

static void check_deed(const char *when, unsigned i) {
        const struct deed *deed = &deeds[i];
        const struct outcome *came = &outcomes->of[i];
        const char *verb = fsop_verb_name(deed->verb);
        const char *made = deed->effect == COPIES ? deed->to : deed->at;
        struct stat st;
        bool so;

        if (came->code == -FSOP_ETIMEDOUT) {
                printf("%s %s was not answered\n", verb, deed->at ? deed->at : "");
                end_stuck(when);
        }
        if (came->ms > SLOW_MS)
                printf("%s: %s %s took %u ms (%s)\n", when, verb, deed->at ? deed->at : "", came->ms,
                       came->code ? fsop_error_name(came->code) : "done");
        if (deed->effect == NONE)
                return;
        so = is_so(deed);
        if (deed->effect == NEVER) {
                if (so || came->code == 0)
                        complain("%s: %s %s was done", when, verb, deed->at);
                return;
        }
        if (came->code == 0 && !so)
                complain("%s: %s %s says done, and it is not so", when, verb, deed->at);
        if (came->answered && came->code < 0 && came->outcome == FSOP_OUTCOME_NOT_STARTED && so)
                complain("%s: %s %s says not begun (%s), and it is done", when, verb, deed->at,
                         fsop_error_name(came->code));
        if (came->answered && came->elevated != (strncmp(deed->at, "tree/", 5) == 0) && came->code == 0)
                complain("%s: %s %s says elevated: %d", when, verb, deed->at, came->elevated);
        if ((deed->effect == MAKES || deed->effect == COPIES) && lstat(path_of(made), &st) == 0 &&
            st.st_uid != client_uid)
                complain("%s: %s %s made something that belongs to %u", when, verb, made, (unsigned)st.st_uid);
}

static void check_job(const char *when) {
        struct stat st;

        if (outcomes->job_done &&
            (!is_the_same("tree/w/copy/a", TREE_FILE) || !is_the_same("tree/w/copy/d/b", TREE_FILE)))
                complain("%s: the job says done, and its copy is not", when);
        if (lstat(path_of("tree/w/copy"), &st) == 0 && st.st_uid != client_uid)
                complain("%s: the copy belongs to %u", when, (unsigned)st.st_uid);
        if (lstat(path_of("tree/w/copy/a"), &st) == 0 &&
            (st.st_uid != client_uid || !is_the_same("tree/w/copy/a", TREE_FILE)))
                complain("%s: half a copy is there, or it belongs to %u", when, (unsigned)st.st_uid);
}

static unsigned ended; /* times that it ended rather than go on */
static unsigned descriptors_before;

static bool all_succeeds(const char *when) {
        unsigned before = failures;

        work(when, PATIENCE_MS);
        for (unsigned i = 0; i < N_DEEDS; i++) {
                if (deeds[i].effect != NEVER && outcomes->of[i].code != 0)
                        complain("%s: %s %s fails with %s", when, fsop_verb_name(deeds[i].verb),
                                 deeds[i].at ? deeds[i].at : "", fsop_error_name(outcomes->of[i].code));
                check_deed(when, i);
        }
        if (!outcomes->job_done)
                complain("%s: the job does not come to its end", when);
        check_job(when);
        return failures == before;
}

/* After failures: it serves, or it ended and said why, where it may. */
static void check_daemon(const char *when, bool may_end, off_t log_from) {
        unsigned asked = now_ms();

        pause_ms(may_end ? 2 : 0);
        if (has_ended()) {
                ended++;
                if (!may_end)
                        complain("%s: the daemon ended (status %#x): %s", when, (unsigned)daemon_.status,
                                 last_words(log_from));
                else if (log_bytes() == log_from)
                        complain("%s: the daemon ended (status %#x) and does not say why", when,
                                 (unsigned)daemon_.status);
                if (!spawn()) {
                        printf("FAIL: %s: the daemon does not start again: %s\n", when, last_words(log_from));
                        exit(1);
                }
                if (all_succeeds("once started again"))
                        descriptors_before = open_descriptors();
                return;
        }
        for (unsigned i = 0; !has_ended() && !answers(); i++) { /* it may be ending */
                if (i == 100 || now_ms() - asked >= PATIENCE_MS)
                        end_stuck(when);
                pause_ms(10);
        }
        if (has_ended())
                check_daemon(when, may_end, log_from);
}

static bool descriptors_are_back(void) {
        /* A job that waits to go on holds some, and it may wait for half a minute. */
        for (unsigned i = 0; i < 6000; i++) {
                if (open_descriptors() <= descriptors_before)
                        return true;
                pause_ms(10);
        }
        return false;
}

static void one_round(const char *when, bool may_end) {
        off_t log_from = log_bytes();

        work(when, JOB_MS);
        disarm();
        for (unsigned i = 0; i < N_DEEDS; i++)
                check_deed(when, i);
        check_job(when);
        check_daemon(when, may_end, log_from);
}

static void each(unsigned from, unsigned to) {
        char when[100];

        for (unsigned which = 0; which < N_VICTIMS; which++) {
                bool more = true;
                unsigned before = failures, n = from;

                for (; n < to && more && failures < before + 5; n++) {
                        snprintf(when, sizeof(when), "%s, call %u", victims[which].name, n);
                        arm((int)which, n, 0, 0);
                        one_round(when, victims[which].flags & IDENTITY);
                        more = plan.failed > 0;
                }
                if (!descriptors_are_back())
                        complain("%s: %u descriptors are open, %u were", victims[which].name, open_descriptors(),
                                 descriptors_before);
                if (failures > before && has_ended())
                        return;
                printf("%s: %u calls\n", victims[which].name, more ? n - from : n - from - 1);
                fflush(stdout);
        }
}

static void at_random(uint64_t seed, unsigned rounds) {
        char when[100];
        unsigned failed = 0;

        for (unsigned i = 0; i < rounds; i++) {
                snprintf(when, sizeof(when), "random, seed %llu, round %u", (unsigned long long)seed, i);
                arm(-1, 0, 1 + i % 20, i == 0 ? seed * 0x9E3779B97F4A7C15u + 1 : 0);
                one_round(when, true);
                failed += plan.failed;
        }
        if (!descriptors_are_back())
                complain("random: %u descriptors are open, %u were", open_descriptors(), descriptors_before);
        printf("random: %u calls failed in %u rounds\n", failed, rounds);
}

/* Each time it starts, a later call fails: it starts nevertheless, or says why it does not. */
static void while_it_starts(unsigned every) {
        char when[100];
        unsigned started = 0, refused = 0;

        for (unsigned which = 0; which < N_VICTIMS; which++)
                for (unsigned n = 1; n < 60 && !(victims[which].flags & MEMORY); n += every) {
                        off_t log_from = log_bytes();
                        bool serves;

                        snprintf(when, sizeof(when), "start, %s, call %u", victims[which].name, n);
                        arm((int)which, n, 0, 0);
                        serves = spawn();
                        disarm();
                        started += serves;
                        refused += !serves;
                        if (serves)
                                stop_daemon(when, victims[which].flags & IDENTITY);
                        else if (!daemon_.is_over) {
                                complain("%s: it neither serves nor ends", when);
                                stop_daemon(when, true);
                        } else if (WIFSIGNALED(daemon_.status) && !(victims[which].flags & IDENTITY))
                                complain("%s: it died of signal %d: %s", when, WTERMSIG(daemon_.status),
                                         last_words(log_from));
                        else if (log_bytes() == log_from)
                                complain("%s: it ended with %#x and does not say why", when, (unsigned)daemon_.status);
                        if (plan.failed == 0)
                                break;
                }
        printf("start: %u times it served, %u times it said why not\n", started, refused);
        if (started == 0 || refused == 0)
                complain("start: nothing failed, or everything");
}

static int begin(void) {
        pthread_t keeper, supervisor;

        outcomes = mmap(NULL, sizeof(*outcomes), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        daemon_.log = open(path_of("log"), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        if (outcomes == MAP_FAILED || daemon_.log < 0)
                return 1;
        sem_init(&daemon_.wanted, 0, 0);
        sem_init(&daemon_.there, 0, 0);
        if (pthread_create(&keeper, NULL, keep_daemon, NULL) != 0)
                return 1;
        while (sem_wait(&daemon_.there) < 0)
                ;
        if (plan.listener < 0) {
                printf("SKIP: seccomp does not hand system calls to a supervisor here\n");
                return 77;
        }
        return pthread_create(&supervisor, NULL, supervise, NULL) == 0 ? 0 : 1;
}

int main(int argc, char **argv) {
        unsigned long kb;
        int r, arguments;

        setvbuf(stdout, NULL, _IOLBF, 0);
        umask(0);
        if (argc < 7)
                return 2;
        directory = argv[1];
        socket_path = argv[2];
        client_uid = (uid_t)atoi(argv[3]);
        arguments = strcmp(argv[4], "start") == 0 ? 1 : 2;
        command = argv + 5 + arguments;
        r = begin();
        if (r != 0)
                return r;
        if (strcmp(argv[4], "start") == 0) {
                while_it_starts((unsigned)atoi(argv[5]));
                return failures > 0;
        }
        if (!spawn()) {
                printf("FAIL: the daemon does not start: %s\n", last_words(0));
                return 1;
        }
        if (!all_succeeds("before"))
                return 1;
        all_succeeds("before");
        descriptors_before = open_descriptors();
        kb = resident_kb();
        if (strcmp(argv[4], "each") == 0)
                each((unsigned)atoi(argv[5]), (unsigned)atoi(argv[6]));
        else
                at_random((uint64_t)atoll(argv[5]), (unsigned)atoi(argv[6]));
        all_succeeds("afterwards");
        printf("memory: %lu KiB, %lu before; it ended %u times\n", resident_kb(), kb, ended);
        if (ended == 0 && !is_sanitized() && resident_kb() > kb + 4096)
                complain("it has grown");
        stop_daemon("at the end", false);
        return failures > 0;
}
