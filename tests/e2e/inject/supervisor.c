/* SPDX-License-Identifier: MIT */
/*
 * supervisor.c: which system calls can fail with what, the filter that hands them here, and the thread that lets them
 * fail or go on.
 */
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/e2e/inject/inject.h"

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

const struct victim *supervisor_victim(unsigned which) {
        return which < N_VICTIMS ? &victims[which] : NULL;
}

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
        if (at > 0 || per_mille > 0)
                plan.seen = plan.failed = 0;
        if (seed > 0)
                plan.random = seed;
        pthread_mutex_unlock(&plan_lock);
}

void supervisor_arm(unsigned only, unsigned at) {
        arm((int)only, at, 0, 0);
}

void supervisor_arm_all(unsigned per_mille, uint64_t seed) {
        arm(-1, 0, per_mille, seed);
}

void supervisor_disarm(void) {
        arm(-1, 0, 0, 0);
}

unsigned supervisor_failed(void) {
        unsigned failed;

        pthread_mutex_lock(&plan_lock);
        failed = plan.failed;
        pthread_mutex_unlock(&plan_lock);
        return failed;
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

int supervisor_install(void) {
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
        plan.listener = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
        return plan.listener < 0 ? -1 : 0;
}

int supervisor_begin(void) {
        pthread_t thread;

        return pthread_create(&thread, NULL, supervise, NULL) == 0 ? 0 : -1;
}
