/* SPDX-License-Identifier: MIT */
#include "tests/support/fake_steps.h"

#include <stdlib.h>
#include <string.h>

#include "backends/service.h"
#include "tests/support/fake_sys.h"

/* ---- everything succeeds, unless it is told not to --------------------------------------------------------------- */

struct fake_steps sys;
static struct identity service_identity = {.refs = 1, .service = true}, caller_identity = {.refs = 1};
static struct identity creator_identity = {.refs = 1, .service = true}; /* of what is created as somebody */

int may_fail(void) {
        sys.calls++;
        return sys.every || (sys.fail_at > 0 && sys.calls == sys.fail_at) ? sys.code : 0;
}

int peer_query(os_fd socket, struct peer *ret_peer) {
        int code = may_fail();

        (void)socket;
        if (code < 0)
                return code;
        *ret_peer = (struct peer){.uid = sys.uid,
                                  .gid = sys.uid,
                                  .pid = 4711,
                                  .pidfd = OS_FD_NONE,
                                  .foreign = sys.foreign,
                                  .fully_capable = sys.uid == 0};
        return 0;
}

void peer_fini(struct peer *peer) {
        free(peer->groups);
        peer->groups = NULL;
}

int identity_of_peer(const struct peer *peer, struct identity **ret_identity) {
        int code = may_fail();

        (void)peer;
        if (code == 0)
                *ret_identity = identity_ref(&caller_identity);
        return code;
}

struct identity *identity_of_service(bool set_id) {
        (void)set_id;
        return &service_identity;
}

int identity_to_create_as(uint32_t uid, uint32_t gid, const uint32_t *groups, uint32_t n_groups, bool mknod,
                          bool set_id, struct identity **ret_identity) {
        int code = may_fail();

        (void)uid, (void)gid, (void)groups, (void)n_groups, (void)mknod, (void)set_id;
        if (code == 0)
                *ret_identity = identity_ref(&creator_identity);
        return code;
}

struct identity *identity_ref(struct identity *identity) {
        sys.identities++;
        return identity;
}

struct identity *identity_unref(struct identity *identity) {
        if (identity)
                sys.identities--;
        return NULL;
}

int identity_wear(struct identity *identity) {
        (void)identity;
        return 0;
}

void parent_cache_init(struct parent_cache *cache) {
        memset(cache, 0, sizeof(*cache));
}

void parent_cache_close_released(struct parent_cache *cache) {
        (void)cache;
}

void parent_cache_clear(struct parent_cache *cache) {
        (void)cache;
}

#define PINNED_FD ((os_fd)8000) /* the object of every operation that is pinned */

int sys_resolve(struct sys_op *op, unsigned flags) {
        must(op->at.object != PINNED_FD, "resolved twice");
        if (flags & SYS_CACHED_ONLY) {
                sys.looked_up_on_loop++;
                fake_now_ms += sys.look_up_ms;
        }
        op->code = sys.slow && (flags & (SYS_CACHED_ONLY | SYS_LOCAL_ONLY)) ? -FSOP_EAGAIN : may_fail();
        op->held_up_by = op->code == -FSOP_EAGAIN ? sys.held_up_by : 0;
        op->since_ms = op->at.guard || op->to.guard ? sys_monotonic_ms() : 0;
        op->at.fs = op->to.fs = sys.slow ? FS_SLOW : FS_LOCAL;
        if (op->code == 0) {
                op->at.object = PINNED_FD;
                sys.pinned++;
        }
        return op->code;
}

int sys_run(struct sys_op *op) {
        must(op->at.object == PINNED_FD, "run without being pinned");
        op->code = may_fail();
        if (sys.ran)
                sys.ran(op, op->code);
        if (op->code < 0)
                return op->code;
        sys.runs++;
        if (op->identity->service)
                sys.ran_as_service++;
        else
                sys.ran_as_caller++;
        op->result->outcome = FSOP_OUTCOME_DONE;
        if (op->op->verb == FSOP_VERB_OPEN || op->op->verb == FSOP_VERB_OPENDIR || op->op->verb == FSOP_VERB_OPEN_FD) {
                op->opened = fake_fd_open(op->op->verb == FSOP_VERB_OPENDIR ? "/srv/build" : NULL);
        }
        if (op->op->verb == FSOP_VERB_STAT)
                op->result->value.stat.ino = 77;
        return 0;
}

void sys_release(struct sys_op *op) {
        must(op->at.object == PINNED_FD, "released twice, or never pinned");
        op->at.object = OS_FD_NONE;
        sys.pinned--;
}

uint32_t sys_take_large(struct sys_op *op, os_fd ret_fds[4]) {
        (void)op;
        if (sys.large)
                ret_fds[0] = fake_fd_open(NULL);
        return sys.large;
}

bool kit_is_unread;

bool sys_socket_is_read(os_fd socket) {
        (void)socket;
        return !kit_is_unread;
}

bool kit_is_gone;

bool sys_socket_is_gone(os_fd socket) {
        (void)socket;
        return kit_is_gone;
}

void sys_socket_accepted(os_fd socket) {
        (void)socket;
}

unsigned kit_shut;

void sys_socket_shut(os_fd socket) {
        (void)socket;
        kit_shut++;
}

bool sys_is_large(os_fd fd) {
        (void)fd;
        return sys.large;
}

int sys_fd_check(os_fd fd, bool *ret_readable, bool *ret_writable, bool *ret_path_only) {
        (void)fd;
        *ret_readable = *ret_writable = true;
        *ret_path_only = false;
        return may_fail();
}

int sys_probe(const struct place *place, const char **ret_fs_name, struct support *ret_features,
              uint32_t features_max) {
        (void)place, (void)ret_features, (void)features_max;
        *ret_fs_name = "fakefs";
        return may_fail();
}

const struct support *sys_support(uint32_t *ret_n) {
        *ret_n = 0;
        return NULL;
}

const uint32_t sys_device_major_max = UINT32_MAX, sys_device_minor_max = UINT32_MAX;

const char *sys_platform(void) {
        return "Fake 1";
}

uint32_t sys_descriptors_max(uint32_t needed) {
        (void)needed;
        return 1024;
}

bool kit_descriptors_are_short;

bool sys_is_last_descriptor(os_fd fd, uint32_t n) {
        (void)fd, (void)n;
        return kit_descriptors_are_short;
}

void sys_trim_memory(void) {
}

uint32_t sys_processors(void) {
        return 2;
}

uint64_t sys_resident_bytes(void) {
        return 1;
}

os_fd sys_mount_watch(void) {
        return OS_FD_NONE;
}

void sys_mounts_changed(void) {
}

bool sys_locks_may_be_kept(void) {
        return false;
}

uint64_t sys_mount_demote(uint64_t mnt_id, bool demoted) {
        (void)demoted;
        return mnt_id;
}

int sys_check_trusted_directory(const char *path, const char **ret_why) {
        (void)path;
        *ret_why = NULL;
        return 0;
}

int sys_make_directory(const char *path, uint32_t mode) {
        (void)path, (void)mode;
        return 0;
}

/* ---- server_main ------------------------------------------------------------------------------------------------- */

struct engine *kit_engine;
unsigned kit_requests;

int sys_listen(const char *path, uint32_t mode, uint32_t gid, os_fd *ret_listener, os_fd *ret_lock,
               const char **ret_why) {
        (void)path, (void)mode, (void)gid, (void)ret_why;
        *ret_listener = fake_fd_open(NULL);
        *ret_lock = OS_FD_NONE;
        return 0;
}

void sys_unlisten(const char *path, os_fd listener, os_fd lock) {
        (void)path, (void)lock;
        sys_close(listener);
}

int engine_open(const char *name, const struct engine_config *config, struct engine **ret_engine,
                const char **ret_why) {
        (void)name, (void)config, (void)ret_why;
        *ret_engine = kit_engine;
        return kit_engine ? 0 : -FSOP_EINVAL;
}

int service_start(void (*wake)(void *userdata), void *userdata) {
        (void)wake, (void)userdata;
        return 0;
}

void service_stop(void) {
}

unsigned service_take_requests(void) {
        unsigned requests = kit_requests;

        kit_requests = 0;
        return requests;
}

int service_inherited_sockets(struct service_socket *ret_sockets, uint32_t sockets_max, const char **ret_why) {
        (void)ret_sockets, (void)sockets_max;
        *ret_why = NULL;
        return 0;
}

void service_notify(const char *state) {
        (void)state;
}

void service_end(int status) {
        (void)status;
}

const char rules[] = "rules:\n"
                     "  - name: tree\n    effect: allow\n    user: [builder]\n    path: /srv/build\n"
                     "    ops: [all, open-fd]\n    chown-to: [\"builder:*\"]\n"
                     "  - name: service\n    effect: allow\n    user: [builder]\n    path: /srv/service\n"
                     "    ops: all\n    create-as: service\n    total-bytes: 1K\n"
                     "  - name: watch\n    effect: audit\n    user: [builder]\n    path: /srv/watched\n    ops: all\n";
