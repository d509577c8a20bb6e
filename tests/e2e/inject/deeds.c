/* SPDX-License-Identifier: MIT */
/*
 * deeds.c: what the client asks for, in its own process and as nobody, and what it was answered.
 */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/e2e/inject/inject.h"

#define CLIENT_GROUP 4242 /* one that the service does not have */

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

const struct deed deeds[] = {
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
const unsigned n_deeds = sizeof(deeds) / sizeof(deeds[0]);
_Static_assert(sizeof(deeds) / sizeof(deeds[0]) <= DEEDS_MAX, "there is an outcome for each");

static struct outcomes *shared;
const struct outcomes *outcomes;

static struct fsop_client *client;
static bool connection_is_lost;

static int connected(void) {
        struct fsop_client_options options = {.size = sizeof(options),
                                              .socket_path = inject.socket_path,
                                              .connect_ms = 30000,
                                              .timeout_ms = PATIENCE_MS};
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
        for (unsigned i = 0; i < n_deeds; i++)
                if (outcomes->of[i].code == -FSOP_ETIMEDOUT)
                        return true;
        return false;
}

static void do_deed(unsigned i) {
        const struct deed *deed = &deeds[i];
        struct outcome *came = &shared->of[i];
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
        about.id = result->value.job.jobs[0].id;
        for (unsigned i = 0, began = now_ms(); now_ms() - began < patience_ms && state != FSOP_JOB_DONE &&
                                               state != FSOP_JOB_FAILED && state != FSOP_JOB_WAITING;
             i++) {
                pause_ms(i < 20 ? 1 : 10);
                if (ask(FSOP_VERB_JOB_SHOW, FSOP_AS_AUTO, NULL, NULL, &about, &result) == 0 && result)
                        state = result->value.job.jobs[0].state;
        }
        shared->job = state;
        if (state != FSOP_JOB_DONE && state != FSOP_JOB_FAILED)
                ask(FSOP_VERB_JOB_CANCEL, FSOP_AS_AUTO, NULL, NULL, &about, &result);
}

static bool has_ended_job(const struct fsop_job_info *job) {
        return job->state == FSOP_JOB_DONE || job->state == FSOP_JOB_FAILED || job->state == FSOP_JOB_CANCELLED;
}

/* One after the other is given up, or forgotten when it has ended, until there are none. */
static void end_jobs(unsigned job_ms) {
        const struct fsop_result *result;

        for (unsigned began = now_ms(); now_ms() - began < job_ms;) {
                struct fsop_job_args about = {.size = sizeof(about)};

                if (ask(FSOP_VERB_JOB_LIST, FSOP_AS_AUTO, NULL, NULL, NULL, &result) < 0 || !result ||
                    result->value.job.n_jobs == 0)
                        break;
                about.id = result->value.job.jobs[0].id;
                if (ask(has_ended_job(&result->value.job.jobs[0]) ? FSOP_VERB_JOB_FORGET : FSOP_VERB_JOB_CANCEL,
                        FSOP_AS_AUTO, NULL, NULL, &about, &result) < 0)
                        pause_ms(1);
        }
}

static void do_all(unsigned job_ms) {
        for (unsigned i = 0; i < n_deeds && !is_stuck(); i++)
                do_deed(i);
        if (!is_stuck())
                do_job(job_ms);
}

static void be_client(void) {
        gid_t group = CLIENT_GROUP;

        if (syscall(SYS_setgroups, 1, &group) < 0 ||
            syscall(SYS_setresgid, inject.client_uid, inject.client_uid, inject.client_uid) < 0 ||
            syscall(SYS_setresuid, inject.client_uid, inject.client_uid, inject.client_uid) < 0)
                _exit(1);
        alarm(600);
}

static void by_client(const char *when, void (*work)(unsigned job_ms), unsigned job_ms) {
        pid_t pid;
        int status;

        fflush(stdout);
        pid = fork();
        if (pid == 0) {
                be_client();
                work(job_ms);
                _exit(0);
        }
        if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0)
                complain("%s: the client did not come to its end (%#x)", when, pid < 0 ? 0 : (unsigned)status);
}

void deeds_end_jobs(const char *when) {
        by_client(when, end_jobs, PATIENCE_MS);
}

void deeds_do(const char *when, unsigned job_ms) {
        scene_prepare();
        memset(shared, 0, sizeof(*shared));
        by_client(when, do_all, job_ms);
}

int deeds_begin(void) {
        shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        outcomes = shared;
        return shared == MAP_FAILED ? -1 : 0;
}
