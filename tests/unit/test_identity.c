/* SPDX-License-Identifier: MIT */
/*
 * test_identity.c: wearing credentials and getting back, what the kernel then says of the thread, and who a peer is.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backends/linux/sys_linux.h"
#include "tests/support/scene.h"
#include "tests/support/suite.h"

#define CAP(name) ((uint64_t)1 << (name))

/* What the kernel says of this thread. */
struct kernel_view {
        unsigned uid[4], gid[4];
        unsigned long long effective, permitted;
        char groups[4096];
};

static struct kernel_view look(void) {
        struct kernel_view view = {.effective = 0};
        FILE *file = fopen("/proc/thread-self/status", "re");
        char line[8192];

        ck_assert_ptr_nonnull(file);
        while (fgets(line, sizeof(line), file)) {
                sscanf(line, "Uid: %u %u %u %u", &view.uid[0], &view.uid[1], &view.uid[2], &view.uid[3]);
                sscanf(line, "Gid: %u %u %u %u", &view.gid[0], &view.gid[1], &view.gid[2], &view.gid[3]);
                sscanf(line, "CapEff: %llx", &view.effective);
                sscanf(line, "CapPrm: %llx", &view.permitted);
                if (strncmp(line, "Groups:", 7) == 0)
                        snprintf(view.groups, sizeof(view.groups), "%.4000s", line + 7);
        }
        fclose(file);
        return view;
}

static void is_service(void) {
        struct kernel_view view = look();

        ck_assert_uint_eq(view.uid[1], 0);
        ck_assert_uint_eq(view.uid[3], 0);
        ck_assert_uint_eq(view.gid[1], 0);
        ck_assert_uint_eq(view.effective, service.permitted & ~CAP(CAP_FSETID));
}

static struct identity *make(uint32_t uid, uint32_t gid, const uint32_t *groups, uint32_t n_groups,
                             uint64_t capabilities) {
        struct peer peer = {.uid = uid,
                            .gid = gid,
                            .groups = (uint32_t *)(uintptr_t)groups,
                            .n_groups = n_groups,
                            .pidfd = OS_FD_NONE,
                            .capabilities = capabilities};
        struct identity *identity;

        ck_assert_int_eq(identity_of_peer(&peer, &identity), 0);
        return identity;
}

START_TEST(wears_all_of_it) {
        uint32_t groups[] = {7, 3, 100000};
        struct identity *identity = make(NOBODY, 1234, groups, 3, UINT64_MAX);
        struct kernel_view view;

        ck_assert_int_eq(identity_wear(identity), 0);
        view = look();
        /* real and saved stay the service's: there is a way back, and the worn user has no power over the thread */
        ck_assert_uint_eq(view.uid[0], 0);
        ck_assert_uint_eq(view.uid[1], NOBODY);
        ck_assert_uint_eq(view.uid[2], 0);
        ck_assert_uint_eq(view.uid[3], NOBODY);
        ck_assert_uint_eq(view.gid[0], 0);
        ck_assert_uint_eq(view.gid[1], 1234);
        ck_assert_uint_eq(view.gid[2], 0);
        ck_assert_uint_eq(view.gid[3], 1234);
        /* a uid other than 0 has no capabilities, whatever is claimed for it */
        ck_assert_uint_eq(view.effective, 0);
        ck_assert_uint_eq(view.permitted, service.permitted);
        ck_assert_str_eq(view.groups, "\t3 7 100000 \n");
        identity_wear_service();
        is_service();
        identity_unref(identity);
}
END_TEST

START_TEST(goes_from_one_to_another) {
        uint32_t many[1000];
        struct identity *crowd, *root, *identity = make(NOBODY, NOBODY, NULL, 0, 0);

        for (uint32_t i = 0; i < 1000; i++)
                many[i] = 5000 - i;
        crowd = make(SOMEBODY, SOMEBODY, many, 1000, 0);
        root = make(0, 0, NULL, 0, CAP(CAP_CHOWN));
        for (int i = 0; i < 50; i++) {
                ck_assert_int_eq(identity_wear(identity), 0);
                ck_assert_uint_eq(look().uid[1], NOBODY);
                ck_assert_int_eq(identity_wear(crowd), 0);
                ck_assert_uint_eq(look().uid[1], SOMEBODY);
                ck_assert_int_eq(getgroups(0, NULL), 1000);
                ck_assert_int_eq(identity_wear(root), 0);
                ck_assert_uint_eq(look().effective, CAP(CAP_CHOWN));
                ck_assert_int_eq(getgroups(0, NULL), 0);
        }
        identity_wear_service();
        is_service();
        identity_unref(identity);
        identity_unref(crowd);
        identity_unref(root);
}
END_TEST

START_TEST(root_without_capabilities_is_nobody_special) {
        struct identity *root = make(0, 0, NULL, 0, 0);
        struct fsop_stat stat;

        scene_file("secret", NOBODY, 0600, "x");
        ck_assert_int_eq(identity_wear(root), 0);
        ck_assert_int_eq(open(scene_path("secret"), O_RDONLY | O_CLOEXEC), -1);
        ck_assert_int_eq(errno, EACCES);
        identity_wear_service();
        stat = scene_stat("secret");
        ck_assert_uint_eq(stat.uid, NOBODY);
        identity_unref(root);
}
END_TEST

START_TEST(creators_have_what_they_need) {
        const uint64_t base = CAP(CAP_DAC_OVERRIDE) | CAP(CAP_DAC_READ_SEARCH) | CAP(CAP_FOWNER);
        struct identity *identity;

        for (int i = 0; i < 4; i++) {
                uint64_t expected = base | (i & 1 ? CAP(CAP_MKNOD) : 0) | (i & 2 ? CAP(CAP_FSETID) : 0);

                ck_assert_int_eq(identity_to_create_as(SOMEBODY, 77, NULL, 0, i & 1, i & 2, &identity), 0);
                ck_assert_int_eq(identity_wear(identity), 0);
                ck_assert_uint_eq(look().effective, expected & service.permitted);
                ck_assert_uint_eq(look().uid[3], SOMEBODY);
                ck_assert_uint_eq(look().gid[3], 77);
                identity_unref(identity);
        }
        ck_assert_int_eq(identity_wear(identity_of_service(true)), 0);
        ck_assert_uint_eq(look().effective, service.permitted);
        identity_wear_service();
        is_service();
}
END_TEST

START_TEST(nobody_at_all_is_refused) {
        struct peer peer = {.uid = WIRE_NOBODY, .gid = 0, .pidfd = OS_FD_NONE};
        struct identity *identity;

        ck_assert_int_eq(identity_of_peer(&peer, &identity), -FSOP_EINVAL);
        peer = (struct peer){.uid = 0, .gid = WIRE_NOBODY, .pidfd = OS_FD_NONE};
        ck_assert_int_eq(identity_of_peer(&peer, &identity), -FSOP_EINVAL);
        ck_assert_int_eq(identity_to_create_as(WIRE_NOBODY, 0, NULL, 0, false, false, &identity), -FSOP_EINVAL);
        peer = (struct peer){.uid = 1, .gid = 1, .n_groups = 65537, .pidfd = OS_FD_NONE};
        ck_assert_int_eq(identity_of_peer(&peer, &identity), -FSOP_E2BIG);
}
END_TEST

/* Memory of a dropped identity is used again at once; the thread must not take the new one for the old. */
START_TEST(memory_used_again_is_somebody_else) {
        for (uint32_t uid = 1000; uid < 1200; uid++) {
                struct identity *identity = make(uid, uid, NULL, 0, 0);

                ck_assert_int_eq(identity_wear(identity), 0);
                ck_assert_uint_eq(look().uid[1], uid);
                identity_unref(identity);
        }
        identity_wear_service();
}
END_TEST

static unsigned dropped;

static void count_dropped(struct identity *identity) {
        (void)identity;
        dropped++;
}

START_TEST(dropping_is_told_once) {
        struct identity *identity = make(4321, 4321, NULL, 0, 0);

        identity_dropped = count_dropped;
        ck_assert_ptr_eq(identity_ref(identity), identity);
        ck_assert_ptr_null(identity_unref(identity));
        ck_assert_uint_eq(dropped, 0);
        ck_assert_ptr_null(identity_unref(identity));
        ck_assert_uint_eq(dropped, 1);
        identity_dropped = NULL;
}
END_TEST

START_TEST(the_same_rights_are_one_object) {
        const uint32_t groups[] = {7, 5}, others[] = {5, 8};
        struct identity *identity = make(4321, 4321, groups, 2, 0), *same = make(4321, 4321, groups, 2, 0);
        struct identity *other = make(4321, 4321, others, 2, 0), *fewer = make(4321, 4321, groups, 1, 0);

        ck_assert_ptr_eq(identity, same);
        ck_assert_ptr_ne(identity, other);
        ck_assert_ptr_ne(identity, fewer);
        identity_unref(identity);
        identity_unref(same);
        identity_unref(other);
        identity_unref(fewer);
}
END_TEST

/* ---- threads ----------------------------------------------------------------------------------------------------- */

struct worker {
        pthread_barrier_t worn, seen;
        pid_t tid;
        bool wears;
};

static void *work(void *argument) {
        struct worker *worker = argument;

        ck_assert_int_eq(sys_thread_start(), 0);
        umask(0);
        worker->tid = (pid_t)syscall(SYS_gettid);
        if (worker->wears)
                ck_assert_int_eq(identity_wear(scene.nobody), 0);
        pthread_barrier_wait(&worker->worn);
        pthread_barrier_wait(&worker->seen);
        sys_thread_stop();
        is_service();
        return NULL;
}

static void with_worker(struct worker *worker, pthread_t *thread, bool wears) {
        *worker = (struct worker){.wears = wears};
        pthread_barrier_init(&worker->worn, NULL, 2);
        pthread_barrier_init(&worker->seen, NULL, 2);
        ck_assert_int_eq(pthread_create(thread, NULL, work, worker), 0);
        pthread_barrier_wait(&worker->worn);
}

static void end_worker(struct worker *worker, pthread_t thread) {
        pthread_barrier_wait(&worker->seen);
        pthread_join(thread, NULL);
        pthread_barrier_destroy(&worker->worn);
        pthread_barrier_destroy(&worker->seen);
}

START_TEST(other_threads_are_not_touched) {
        struct worker worker;
        pthread_t thread;
        mode_t mask = umask(027);

        with_worker(&worker, &thread, true);
        is_service();
        ck_assert_uint_eq(umask(mask), 027); /* its umask is its own */
        end_worker(&worker, thread);
}
END_TEST

/* A replacement may be made while its maker wears somebody. */
START_TEST(a_new_thread_begins_as_the_service) {
        struct worker worker;
        pthread_t thread;

        ck_assert_int_eq(identity_wear(scene.nobody), 0);
        with_worker(&worker, &thread, false);
        identity_wear_service();
        end_worker(&worker, thread);
}
END_TEST

/* The status with which a child that runs CALL ends. */
static int in_child(int (*call)(void *), void *argument) {
        pid_t pid = fork();
        int status;

        ck_assert_int_ge(pid, 0);
        if (pid == 0)
                _exit(call(argument));
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        return WIFEXITED(status) ? WEXITSTATUS(status) : 256 + WTERMSIG(status);
}

static int become_nobody(void) {
        return setgroups(0, NULL) < 0 || setresgid(NOBODY, NOBODY, NOBODY) < 0 || setresuid(NOBODY, NOBODY, NOBODY) < 0
                       ? -1
                       : 0;
}

static int attack(void *argument) {
        const struct worker *worker = argument;
        char path[64];

        if (become_nobody() < 0)
                return 10;
        if (kill(getppid(), 0) == 0 || errno != EPERM)
                return 1;
        if (syscall(SYS_tgkill, getppid(), worker->tid, SIGKILL) == 0 || errno != EPERM)
                return 2;
        if (ptrace(PTRACE_ATTACH, worker->tid, NULL, NULL) == 0)
                return 3;
        snprintf(path, sizeof(path), "/proc/%d/maps", (int)worker->tid);
        if (open(path, O_RDONLY | O_CLOEXEC) >= 0)
                return 4;
        snprintf(path, sizeof(path), "/proc/%d/fd", (int)worker->tid);
        if (open(path, O_RDONLY | O_CLOEXEC) >= 0)
                return 5;
        return 0;
}

START_TEST(the_worn_user_has_no_power_over_the_thread) {
        struct worker worker;
        pthread_t thread;

        with_worker(&worker, &thread, true);
        ck_assert_int_eq(in_child(attack, &worker), 0);
        end_worker(&worker, thread);
}
END_TEST

/* ---- no way back ------------------------------------------------------------------------------------------------- */

static int lose_the_way_back(void *argument) {
        struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
        struct __user_cap_data_struct data[2] = {{.effective = 0}};

        (void)argument;
        if (identity_wear(scene.nobody) < 0 || syscall(SYS_capset, &header, data) < 0)
                return 1;
        if (!freopen("/dev/null", "w", stderr))
                _exit(99);
        identity_wear_service();
        return 2; /* it must not come to this */
}

START_TEST(gives_up_when_it_cannot_return) {
        ck_assert_int_eq(in_child(lose_the_way_back, NULL), 256 + SIGABRT);
}
END_TEST

/* What cannot be worn leaves the service's identity. */
START_TEST(a_failed_change_ends_as_the_service) {
        struct identity *identity = make(NOBODY, NOBODY, NULL, 0, 0);

        identity->uid = WIRE_NOBODY; /* the kernel takes it for "as it is", and reading back shows that */
        ck_assert_int_lt(identity_wear(identity), 0);
        is_service();
        identity->uid = NOBODY;
        identity_unref(identity);
}
END_TEST

/* ---- peers ------------------------------------------------------------------------------------------------------- */

struct meeting {
        struct sockaddr_storage address;
        socklen_t address_len;
        int listener;
        int (*prepare)(void);      /* in the child, before it connects */
        int (*prepare_late)(void); /* and after */
};

static int connect_and_wait(void *argument) {
        struct meeting *meeting = argument;
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        char byte;

        if (meeting->prepare && meeting->prepare() < 0)
                return 1;
        if (connect(fd, (struct sockaddr *)&meeting->address, meeting->address_len) < 0)
                return 2;
        if (meeting->prepare_late && meeting->prepare_late() < 0)
                return 3;
        if (write(fd, "", 1) != 1)
                return 4;
        return read(fd, &byte, 1) == 0 ? 0 : 5;
}

/* Asks about a child that prepared itself in that way. */
static void meet(int (*prepare)(void), int (*prepare_late)(void), struct peer *peer) {
        struct meeting meeting = {.prepare = prepare, .prepare_late = prepare_late, .address_len = sizeof(sa_family_t)};
        struct sockaddr address = {.sa_family = AF_UNIX};
        int fd, status;
        char byte;
        pid_t pid;

        meeting.listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        ck_assert_int_eq(bind(meeting.listener, &address, sizeof(sa_family_t)),
                         0); /* an abstract name, chosen by the kernel */
        meeting.address_len = sizeof(meeting.address);
        ck_assert_int_eq(getsockname(meeting.listener, (struct sockaddr *)&meeting.address, &meeting.address_len), 0);
        ck_assert_int_eq(listen(meeting.listener, 1), 0);
        pid = fork();
        if (pid == 0)
                _exit(connect_and_wait(&meeting));
        fd = accept4(meeting.listener, NULL, NULL, SOCK_CLOEXEC);
        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(read(fd, &byte, 1), 1);
        ck_assert_int_eq(peer_query(fd, peer), 0);
        ck_assert_int_eq(peer->pid, pid);
        close(fd);
        close(meeting.listener);
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        ck_assert_int_eq(status, 0);
}

static int as_nobody_with_groups(void) {
        gid_t groups[200];

        for (gid_t i = 0; i < 200; i++)
                groups[i] = 9000 - i;
        return setgroups(200, groups) < 0 || setresgid(4321, 4321, 4321) < 0 || setresuid(NOBODY, NOBODY, NOBODY) < 0
                       ? -1
                       : 0;
}

START_TEST(peer_of_a_user) {
        struct peer peer;

        meet(as_nobody_with_groups, NULL, &peer);
        ck_assert_uint_eq(peer.uid, NOBODY);
        ck_assert_uint_eq(peer.gid, 4321);
        ck_assert_uint_eq(peer.n_groups, 200);
        for (uint32_t i = 0; i < 200; i++)
                ck_assert_uint_eq(peer.groups[i], 8801 + i);
        ck_assert_uint_eq(peer.capabilities, 0);
        ck_assert(!peer.fully_capable);
        ck_assert(!peer.foreign);
        peer_fini(&peer);
}
END_TEST

/* A child of ours lacks what the service took out of its effective set. */
static int raise_all(void) {
        struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
        struct __user_cap_data_struct data[2];

        if (syscall(SYS_capget, &header, data) < 0)
                return -1;
        data[0].effective = data[0].permitted;
        data[1].effective = data[1].permitted;
        return (int)syscall(SYS_capset, &header, data);
}

START_TEST(peer_root_with_all) {
        struct peer peer;

        meet(raise_all, NULL, &peer);
        ck_assert_uint_eq(peer.uid, 0);
        ck_assert(peer.fully_capable);
        ck_assert(!peer.foreign);
        peer_fini(&peer);
}
END_TEST

static int keep_only_chown(void) {
        struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
        struct __user_cap_data_struct data[2] = {{.effective = 1u << CAP_CHOWN, .permitted = 1u << CAP_CHOWN}};

        return (int)syscall(SYS_capset, &header, data);
}

START_TEST(peer_root_with_little) {
        struct peer peer;

        meet(keep_only_chown, NULL, &peer);
        ck_assert_uint_eq(peer.uid, 0);
        ck_assert_uint_eq(peer.capabilities, CAP(CAP_CHOWN));
        ck_assert(!peer.fully_capable);
        peer_fini(&peer);
}
END_TEST

static int own_mounts(void) {
        return unshare(CLONE_NEWNS);
}

START_TEST(peer_in_another_mount_namespace) {
        struct peer peer;

        meet(own_mounts, NULL, &peer);
        ck_assert(peer.foreign);
        peer_fini(&peer);
        meet(NULL, own_mounts, &peer);
        ck_assert(peer.foreign);
        peer_fini(&peer);
}
END_TEST

static int own_root(void) {
        return chroot("/tmp") < 0 ? -1 : chdir("/");
}

START_TEST(peer_with_another_root) {
        struct peer peer;

        meet(own_root, NULL, &peer);
        ck_assert(peer.foreign);
        peer_fini(&peer);
}
END_TEST

/* Root of a user namespace of its own: to the kernel it is nobody, and so it is to us. */
static int nobody_as_its_own_root(void) {
        if (become_nobody() < 0)
                return -1;
        /* Where none can be had it is an ordinary nobody; EINVAL: a sanitizer's thread is in the way. */
        return unshare(CLONE_NEWUSER) < 0 && errno != EPERM && errno != ENOSPC && errno != EINVAL ? -1 : 0;
}

START_TEST(peer_in_a_user_namespace) {
        struct peer peer;

        meet(nobody_as_its_own_root, NULL, &peer);
        ck_assert_uint_eq(peer.uid, NOBODY);
        ck_assert_uint_eq(peer.capabilities, 0);
        peer_fini(&peer);
}
END_TEST

/* Who connected as root and is root of another user namespace by now has nothing to show any more. */
static int own_users(void) {
        return unshare(CLONE_NEWUSER);
}

START_TEST(peer_root_in_a_user_namespace) {
        struct peer peer;
        int status = 0;
        pid_t pid = fork();

        if (pid == 0)
                _exit(own_users() < 0);
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        if (status != 0) {
                printf("SKIP: a root of another user namespace: none can be made here (in a chroot, or not "
                       "permitted)\n");
                return;
        }
        meet(NULL, own_users, &peer);
        ck_assert_uint_eq(peer.uid, 0);
        ck_assert_uint_eq(peer.capabilities, 0);
        ck_assert(!peer.fully_capable);
        peer_fini(&peer);
}
END_TEST

/* A peer that connected as nobody and gained root by then (a set-uid program) stays nobody; and the other way round. */
static int drop_to_nobody(void) {
        return setresuid(NOBODY, NOBODY, NOBODY);
}

START_TEST(peer_that_was_root) {
        struct peer peer;

        meet(NULL, drop_to_nobody, &peer);
        ck_assert_uint_eq(peer.uid, 0);
        ck_assert_uint_eq(peer.capabilities, 0);
        ck_assert(!peer.fully_capable);
        peer_fini(&peer);
}
END_TEST

START_TEST(peer_of_a_dead_process) {
        int pair[2], status;
        struct peer peer;
        pid_t pid;

        int passing[2]; /* the credentials of a socketpair are those of its maker: here a child that ends */

        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, passing), 0);
        pid = fork();
        if (pid == 0) {
                char control[CMSG_SPACE(sizeof(int))] = {0}, byte = 0;
                struct iovec part = {&byte, 1};
                struct msghdr message = {
                        .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
                struct cmsghdr *header = CMSG_FIRSTHDR(&message);

                if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
                        _exit(1);
                *header = (struct cmsghdr){
                        .cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
                memcpy(CMSG_DATA(header), &pair[0], sizeof(int));
                _exit(sendmsg(passing[1], &message, 0) == 1 ? 0 : 2);
        }
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        ck_assert_int_eq(status, 0);
        char control[CMSG_SPACE(sizeof(int))] = {0}, byte;
        struct iovec part = {&byte, 1};
        struct msghdr message = {
                .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
        ck_assert_int_eq(recvmsg(passing[0], &message, MSG_CMSG_CLOEXEC), 1);
        memcpy(&pair[0], CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(int));
        ck_assert_int_eq(peer_query(pair[0], &peer), 0);
        ck_assert_int_eq(peer.pid, pid);
        ck_assert(peer.foreign);
        ck_assert_uint_eq(peer.capabilities, 0);
        ck_assert(!peer.fully_capable);
        peer_fini(&peer);
        close(pair[0]);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("identity");
        TCase *wearing = tcase_create("wearing"), *peers = tcase_create("peers");

        scene_need_root();
        tcase_add_checked_fixture(wearing, scene_open, scene_close);
        tcase_add_test(wearing, wears_all_of_it);
        tcase_add_test(wearing, goes_from_one_to_another);
        tcase_add_test(wearing, root_without_capabilities_is_nobody_special);
        tcase_add_test(wearing, creators_have_what_they_need);
        tcase_add_test(wearing, nobody_at_all_is_refused);
        tcase_add_test(wearing, memory_used_again_is_somebody_else);
        tcase_add_test(wearing, dropping_is_told_once);
        tcase_add_test(wearing, the_same_rights_are_one_object);
        tcase_add_test(wearing, other_threads_are_not_touched);
        tcase_add_test(wearing, a_new_thread_begins_as_the_service);
        tcase_add_test(wearing, the_worn_user_has_no_power_over_the_thread);
        tcase_add_test(wearing, gives_up_when_it_cannot_return);
        tcase_add_test(wearing, a_failed_change_ends_as_the_service);
        tcase_add_checked_fixture(peers, scene_open, scene_close);
        tcase_add_test(peers, peer_of_a_user);
        tcase_add_test(peers, peer_root_with_all);
        tcase_add_test(peers, peer_root_with_little);
        tcase_add_test(peers, peer_in_another_mount_namespace);
        tcase_add_test(peers, peer_with_another_root);
        tcase_add_test(peers, peer_in_a_user_namespace);
        tcase_add_test(peers, peer_root_in_a_user_namespace);
        tcase_add_test(peers, peer_that_was_root);
        tcase_add_test(peers, peer_of_a_dead_process);
        suite_add_tcase(suite, wearing);
        suite_add_tcase(suite, peers);
        return suite_run(suite);
}
