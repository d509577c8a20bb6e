/* SPDX-License-Identifier: MIT */
/*
 * start.c: the process as the service: its identity, its reference root, its threads, and what it knows of its system.
 */
#include "backends/linux/sys_linux.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <syslog.h>
#include <unistd.h>

#ifndef SYS_getxattrat
#define SYS_getxattrat 464
#endif

struct service service = {.proc_fd = -1, .root_fd = -1};

void service_log(int level, const char *format, ...) {
        char line[512];
        va_list arguments;

        if (service.log == NULL)
                return;
        va_start(arguments, format);
        vsnprintf(line, sizeof(line), format, arguments);
        va_end(arguments);
        service.log(level, line);
}

struct fd_name fd_name(os_fd fd) {
        struct fd_name name;

        snprintf(name.text, sizeof(name.text), "%d", (int)fd);
        return name;
}

struct fd_path fd_path(os_fd fd) {
        struct fd_path path;

        snprintf(path.text, sizeof(path.text), "/proc/self/fd/%d", (int)fd);
        return path;
}

static int take_groups(void) {
        int n = getgroups(0, NULL);

        if (n < 0)
                return error_from_errno(errno);
        service.groups = calloc((size_t)n + 1, sizeof(*service.groups));
        if (service.groups == NULL)
                return -FSOP_ENOMEM;
        n = getgroups(n, service.groups);
        if (n < 0)
                return error_from_errno(errno);
        service.n_groups = (uint32_t)n;
        return 0;
}

/* The root and mount namespace that a process of /proc sees; "1" or "self". */
static int open_root_of(const char *process, struct object_id *ret_namespace) {
        char path[64];
        struct stat st;
        int fd;

        snprintf(path, sizeof(path), "/proc/%s/ns/mnt", process);
        if (stat(path, &st) < 0)
                return -errno;
        *ret_namespace = (struct object_id){st.st_dev, st.st_ino};
        snprintf(path, sizeof(path), "/proc/%s/root", process);
        fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
        return fd < 0 ? -errno : fd;
}

static void log_own_root(const char *why) {
        if (!service.private_service)
                service_log(LOG_NOTICE, "paths are taken below this process's own root: %s", why);
}

static bool same_id(const struct object_id *a, const struct object_id *b) {
        return a->ino == b->ino && a->dev == b->dev;
}

/*
 * PID 1's, so that a service in a mount namespace of its own (systemd's sandbox, whatever its root) means by a path
 * what everyone means. But its own where PID 1's cannot be read, and in a plain chroot: who was put there was set up
 * there, with what lives there.
 */
static int take_reference_root(void) {
        struct object_id own_namespace = {0};
        struct fsop_stat own = {0}, reference = {0};
        int own_fd = open_root_of("self", &own_namespace);
        int fd, r;

        if (own_fd < 0)
                return error_from_errno(-own_fd);
        r = lookup_stat(own_fd, "", false, &own);
        fd = service.private_service ? -EPERM : open_root_of("1", &service.mount_namespace);
        if (r >= 0 && fd >= 0)
                r = lookup_stat(fd, "", false, &reference);
        if (r >= 0 && (fd < 0 || (same_id(&own_namespace, &service.mount_namespace) &&
                                  !same_object(&own, stat_dev(&reference), reference.ino)))) {
                log_own_root(fd < 0 ? "PID 1's cannot be read" : "this is a chroot");
                if (fd >= 0)
                        close(fd);
                fd = own_fd;
                own_fd = -1;
                reference = own;
                service.mount_namespace = own_namespace;
        }
        if (own_fd >= 0)
                close(own_fd);
        if (r < 0) {
                if (fd >= 0)
                        close(fd);
                return error_from_errno(-r);
        }
        service.root_fd = fd;
        service.root = (struct object_id){stat_dev(&reference), reference.ino};
        service.root_mnt_id = reference.mnt_id;
        service.own_root = same_id(&own_namespace, &service.mount_namespace) && own.mnt_id == reference.mnt_id &&
                           same_object(&own, stat_dev(&reference), reference.ino);
        return 0;
}

/* A call on a descriptor that cannot be there tells whether the kernel knows the call. */
static bool kernel_has_xattr_at(void) {
        uint64_t arguments[2] = {0, 0};

        return syscall(SYS_getxattrat, -1, "x", 0, "user.x", arguments, sizeof(arguments)) < 0 && errno == EBADF;
}

int sys_start(const struct sys_config *config, bool *ret_own_root) {
        int r;

        service = (struct service){.proc_fd = -1, .root_fd = -1};
        service.private_service = config->private_service;
        service.log = config->log;
        service.uid = (uint32_t)geteuid();
        service.gid = (uint32_t)getegid();
        if (!service.private_service && service.uid != 0)
                return -FSOP_EPERM;
        r = take_groups();
        if (r < 0)
                goto fail;
        /* Nobody may look into this process or be handed its memory, whatever its threads wear. */
        if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 || unshare(CLONE_FS) < 0) {
                r = error_from_errno(errno);
                goto fail;
        }
        umask(077);
        service.proc_fd = open("/proc/self/fd", O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (service.proc_fd < 0) {
                r = error_from_errno(errno);
                /* NOLINTNEXTLINE(concurrency-mt-unsafe): there is one thread yet */
                service_log(LOG_ERR, "/proc is needed and cannot be read: %s", strerror(errno));
                goto fail;
        }
        service.xattr_at = kernel_has_xattr_at();
        r = take_reference_root();
        if (r < 0)
                goto fail;
        r = identity_start();
        if (r < 0)
                goto fail;
        if (ret_own_root != NULL)
                *ret_own_root = service.own_root;
        return 0;

fail:
        sys_stop();
        return r;
}

void sys_stop(void) {
        identity_stop();
        mounts_stop();
        if (service.proc_fd >= 0)
                close(service.proc_fd);
        if (service.root_fd >= 0)
                close(service.root_fd);
        free(service.groups);
        service = (struct service){.proc_fd = -1, .root_fd = -1};
}

int sys_thread_start(void) {
        if (unshare(CLONE_FS) < 0)
                return error_from_errno(errno);
        umask(077);
        /* A thread begins with the credentials that its maker happened to wear. */
        identity_wear_service_anew();
        return 0;
}

void sys_thread_stop(void) {
        identity_wear_service();
}

const char *sys_platform(void) {
        static char text[200];
        struct utsname name;

        if (text[0] == 0 && uname(&name) == 0)
                snprintf(text, sizeof(text), "%.60s %.60s %.60s", name.sysname, name.release, name.machine);
        return text;
}

/* The kernel gives out the lowest number that is free. */
bool sys_is_last_descriptor(os_fd fd, uint32_t n) {
        struct rlimit limit;

        return getrlimit(RLIMIT_NOFILE, &limit) == 0 && (rlim_t)fd + n >= limit.rlim_cur;
}

void sys_trim_memory(void) {
#ifdef __GLIBC__
        malloc_trim(0);
#endif
}

uint32_t sys_descriptors_max(uint32_t needed) {
        struct rlimit limit;

        if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
                return 0;
        if (limit.rlim_max < needed) { /* allowed with CAP_SYS_RESOURCE */
                struct rlimit raised = {.rlim_cur = needed, .rlim_max = needed};

                if (setrlimit(RLIMIT_NOFILE, &raised) == 0)
                        limit = raised;
        }
        if (limit.rlim_cur < limit.rlim_max) {
                struct rlimit raised = {.rlim_cur = limit.rlim_max, .rlim_max = limit.rlim_max};

                if (setrlimit(RLIMIT_NOFILE, &raised) == 0)
                        limit = raised;
        }
        return limit.rlim_cur > UINT32_MAX ? UINT32_MAX : (uint32_t)limit.rlim_cur;
}

uint32_t sys_processors(void) {
        cpu_set_t set;
        int n = sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 1;

        return n > 0 ? (uint32_t)n : 1;
}

uint64_t sys_resident_bytes(void) {
        unsigned long long pages = 0;
        FILE *file = fopen("/proc/self/statm", "re");

        if (file == NULL)
                return 0;
        if (fscanf(file, "%*u %llu", &pages) != 1)
                pages = 0;
        fclose(file);
        return (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

void sys_close(os_fd fd) {
        if (fd != OS_FD_NONE)
                close((int)fd);
}
