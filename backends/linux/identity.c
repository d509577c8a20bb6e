/* SPDX-License-Identifier: MIT */
/*
 * identity.c: credentials as objects, and wearing them.
 *
 * Wearing changes the effective ids of this one thread. The real and saved ones stay the service's: a process of the
 * worn user can then neither signal nor trace the thread, and the permitted capabilities stay, so that there is a way
 * back. What a thread may do is its effective set alone, and that is set explicitly and read back every time.
 *
 * The system calls are made raw: glibc's functions of the same name would change every thread.
 */
#include "backends/linux/sys_linux.h"

#include <errno.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <syslog.h>
#include <unistd.h>

#ifdef SYS_setgroups32
#define CALL_SETGROUPS SYS_setgroups32
#define CALL_GETGROUPS SYS_getgroups32
#define CALL_SETRESUID SYS_setresuid32
#define CALL_SETRESGID SYS_setresgid32
#define CALL_GETRESUID SYS_getresuid32
#define CALL_GETRESGID SYS_getresgid32
#else
#define CALL_SETGROUPS SYS_setgroups
#define CALL_GETGROUPS SYS_getgroups
#define CALL_SETRESUID SYS_setresuid
#define CALL_SETRESGID SYS_setresgid
#define CALL_GETRESUID SYS_getresuid
#define CALL_GETRESGID SYS_getresgid
#endif

#define CAP_BIT(capability) ((uint64_t)1 << (capability))
#define SWITCHING (CAP_BIT(CAP_SETUID) | CAP_BIT(CAP_SETGID))
#define GROUPS_MAX 65536u

void (*identity_dropped)(struct identity *identity);

#define BUCKETS 64u
static struct identity *alive[BUCKETS]; /* loop thread */
static uint64_t last_serial;            /* loop thread */
static struct identity *service_plain, *service_set_id;

/* What this thread wears, by serial; 0: not known. */
static _Thread_local uint64_t worn;

/* ---- capabilities ------------------------------------------------------------------------------------------------ */

static int read_capabilities(uint64_t *ret_effective, uint64_t *ret_permitted) {
        struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
        struct __user_cap_data_struct data[2];

        memset(data, 0, sizeof(data));
        if (syscall(SYS_capget, &header, data) < 0)
                return -errno;
        *ret_effective = (uint64_t)data[1].effective << 32 | data[0].effective;
        *ret_permitted = (uint64_t)data[1].permitted << 32 | data[0].permitted;
        return 0;
}

static int write_capabilities(uint64_t effective) {
        struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
        struct __user_cap_data_struct data[2];

        memset(data, 0, sizeof(data));
        for (int i = 0; i < 2; i++) {
                data[i].effective = (uint32_t)(effective >> (32 * i));
                data[i].permitted = (uint32_t)(service.permitted >> (32 * i));
        }
        return syscall(SYS_capset, &header, data) < 0 ? -errno : 0;
}

/* ---- wearing ----------------------------------------------------------------------------------------------------- */

static bool ids_are(uint32_t uid, uint32_t gid) {
        uint32_t r, e, s;

        if (syscall(CALL_GETRESUID, &r, &e, &s) < 0 || r != service.uid || e != uid || s != service.uid)
                return false;
        return syscall(CALL_GETRESGID, &r, &e, &s) == 0 && r == service.gid && e == gid && s == service.gid;
}

static bool groups_are(const uint32_t *groups, uint32_t n) {
        uint32_t few[64], *read = few;
        bool same;
        long n_read = syscall(CALL_GETGROUPS, 0, NULL);

        if (n_read < 0 || (uint32_t)n_read != n)
                return false;
        if (n > sizeof(few) / sizeof(few[0])) {
                read = calloc(n, sizeof(*read));
                if (read == NULL)
                        return false;
        }
        same = syscall(CALL_GETGROUPS, n, read) == (long)n && memcmp(read, groups, n * sizeof(*groups)) == 0;
        if (read != few)
                free(read);
        return same;
}

/* Puts it on; 0 or a negative errno, and then anything may be worn. */
static int put_on(uint32_t uid, uint32_t gid, const uint32_t *groups, uint32_t n_groups, uint64_t effective) {
        uint64_t now = 0, permitted = 0;
        int r = read_capabilities(&now, &permitted);

        if (r < 0)
                return r;
        if ((now & SWITCHING) != SWITCHING) {
                r = write_capabilities(service.permitted);
                if (r < 0)
                        return r;
        }
        if (!groups_are(groups, n_groups) && syscall(CALL_SETGROUPS, n_groups, groups) < 0)
                return -errno;
        if (syscall(CALL_SETRESGID, service.gid, gid, service.gid) < 0)
                return -errno;
        if (syscall(CALL_SETRESUID, service.uid, uid, service.uid) < 0)
                return -errno;
        r = write_capabilities(effective);
        if (r < 0)
                return r;
        r = read_capabilities(&now, &permitted);
        if (r < 0)
                return r;
        if (now != effective || permitted != service.permitted || !ids_are(uid, gid) || !groups_are(groups, n_groups))
                return -EPERM;
        return 0;
}

/* There is no going on as somebody unknown. */
static void give_up(void) {
        static const char line[] = "fsopd: a thread could not return to the service's identity; giving up\n";
        ssize_t n = write(STDERR_FILENO, line, sizeof(line) - 1);

        (void)n;
        abort();
}

static void return_to_service(void) {
        struct identity *identity = service_plain;

        worn = 0;
        if (put_on(identity->uid, identity->gid, identity->groups, identity->n_groups, identity->effective) < 0)
                give_up();
        worn = identity->serial;
}

int identity_wear(struct identity *identity) {
        int r;

        if (worn == identity->serial)
                return 0;
        if (service.private_service) {
                worn = identity->serial;
                return 0;
        }
        worn = 0;
        r = put_on(identity->uid, identity->gid, identity->groups, identity->n_groups, identity->effective);
        if (r < 0) {
                return_to_service();
                return error_from_errno(-r);
        }
        worn = identity->serial;
        return 0;
}

void identity_wear_service(void) {
        if (worn == service_plain->serial)
                return;
        if (service.private_service)
                worn = service_plain->serial;
        else
                return_to_service();
}

void identity_wear_service_anew(void) {
        worn = 0;
        identity_wear_service();
}

/* ---- the objects ------------------------------------------------------------------------------------------------- */

static int compare_ids(const void *a, const void *b) {
        const uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;

        return left < right ? -1 : left > right;
}

static bool is_same(const struct identity *a, const struct identity *b) {
        return a->uid == b->uid && a->gid == b->gid && a->effective == b->effective && a->n_groups == b->n_groups &&
               memcmp(a->groups, b->groups, a->n_groups * sizeof(a->groups[0])) == 0;
}

/* One object for the same rights, however many connections have them: what is worn already costs nothing to wear. */
static struct identity *intern(struct identity *identity) {
        struct identity **bucket = &alive[identity->uid % BUCKETS];

        for (struct identity *known = *bucket; known != NULL; known = known->next)
                if (is_same(known, identity)) {
                        free(identity);
                        return identity_ref(known);
                }
        identity->next = *bucket;
        *bucket = identity;
        return identity;
}

static void forget(const struct identity *identity) {
        struct identity **link = &alive[identity->uid % BUCKETS];

        while (*link != identity)
                link = &(*link)->next;
        *link = identity->next;
}

/* groups_are compares in the kernel's order, and the kernel sorts. */
static int identity_new(uint32_t uid, uint32_t gid, const uint32_t *groups, uint32_t n_groups, uint64_t effective,
                        struct identity **ret_identity) {
        struct identity *identity;

        if (uid == WIRE_NOBODY || gid == WIRE_NOBODY)
                return -FSOP_EINVAL;
        if (n_groups > GROUPS_MAX)
                return -FSOP_E2BIG;
        identity = calloc(1, sizeof(*identity) + n_groups * sizeof(identity->groups[0]));
        if (identity == NULL)
                return -FSOP_ENOMEM;
        identity->serial = ++last_serial;
        identity->refs = 1;
        identity->uid = uid;
        identity->gid = gid;
        identity->effective = effective & service.permitted;
        identity->n_groups = n_groups;
        if (n_groups > 0)
                memcpy(identity->groups, groups, n_groups * sizeof(identity->groups[0]));
        qsort(identity->groups, n_groups, sizeof(identity->groups[0]), compare_ids);
        *ret_identity = intern(identity);
        return 0;
}

int identity_of_peer(const struct peer *peer, struct identity **ret_identity) {
        /* A private service runs everything as its user, so it works for nobody else. */
        if (service.private_service && peer->uid != service.uid)
                return -FSOP_EPERM;
        return identity_new(peer->uid, peer->gid, peer->groups, peer->n_groups, peer->uid == 0 ? peer->capabilities : 0,
                            ret_identity);
}

struct identity *identity_of_service(bool set_id) {
        return set_id ? service_set_id : service_plain;
}

int identity_to_create_as(uint32_t uid, uint32_t gid, const uint32_t *groups, uint32_t n_groups, bool mknod,
                          bool set_id, struct identity **ret_identity) {
        uint64_t effective = CAP_BIT(CAP_DAC_OVERRIDE) | CAP_BIT(CAP_DAC_READ_SEARCH) | CAP_BIT(CAP_FOWNER);

        if (service.private_service && uid != service.uid)
                return -FSOP_EPERM;
        if (mknod)
                effective |= CAP_BIT(CAP_MKNOD);
        if (set_id)
                effective |= CAP_BIT(CAP_FSETID);
        return identity_new(uid, gid, groups, n_groups, effective, ret_identity);
}

struct identity *identity_ref(struct identity *identity) {
        identity->refs++;
        return identity;
}

struct identity *identity_unref(struct identity *identity) {
        if (identity == NULL || --identity->refs > 0)
                return NULL;
        if (identity_dropped != NULL)
                identity_dropped(identity);
        forget(identity);
        free(identity);
        return NULL;
}

/* ---- start ------------------------------------------------------------------------------------------------------- */

static int take_capabilities(void) {
        uint64_t effective = 0, permitted = 0;
        int r = read_capabilities(&effective, &permitted);

        if (r < 0)
                return error_from_errno(-r);
        service.permitted = permitted;
        if (service.private_service)
                return 0;
        if ((permitted & SWITCHING) != SWITCHING) {
                service_log(LOG_ERR, "root without CAP_SETUID and CAP_SETGID cannot act for others");
                return -FSOP_EPERM;
        }
        /* Ambient capabilities would outlast a change of uid wherever a program is started. */
        if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0 && errno != EINVAL)
                return error_from_errno(errno);
        return 0;
}

int identity_start(void) {
        int r = take_capabilities();

        if (r < 0)
                return r;
        r = identity_new(service.uid, service.gid, service.groups, service.n_groups,
                         service.permitted & ~CAP_BIT(CAP_FSETID), &service_plain);
        if (r < 0)
                return r;
        r = identity_new(service.uid, service.gid, service.groups, service.n_groups, service.permitted,
                         &service_set_id);
        if (r < 0)
                return r;
        identity_wear_service_anew();
        return 0;
}

void identity_stop(void) {
        if (service_plain != NULL)
                identity_wear_service();
        identity_dropped = NULL;
        service_plain = identity_unref(service_plain);
        service_set_id = identity_unref(service_set_id);
        worn = 0;
}
