/* SPDX-License-Identifier: MIT */
/*
 * checks.c: what must be true after a round, whatever failed in it.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "tests/e2e/inject/inject.h"

#define SLOW_MS 1000u /* worth a line */
#define JOB_MS 2000u  /* a job that waits to try again may take longer; what it did by then is looked at */

static unsigned ended, descriptors_before;

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
                return there && st.st_uid == inject.client_uid;
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
                daemon_end_stuck(when);
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
            st.st_uid != inject.client_uid)
                complain("%s: %s %s made something that belongs to %u", when, verb, made, (unsigned)st.st_uid);
}

static void check_job(const char *when) {
        struct stat st;

        if (outcomes->job == FSOP_JOB_DONE &&
            (!is_the_same("tree/w/copy/a", TREE_FILE) || !is_the_same("tree/w/copy/d/b", TREE_FILE)))
                complain("%s: the job says done, and its copy is not", when);
        if (lstat(path_of("tree/w/copy"), &st) == 0 && st.st_uid != inject.client_uid)
                complain("%s: the copy belongs to %u", when, (unsigned)st.st_uid);
        if (lstat(path_of("tree/w/copy/a"), &st) == 0 &&
            (st.st_uid != inject.client_uid || !is_the_same("tree/w/copy/a", TREE_FILE)))
                complain("%s: half a copy is there, or it belongs to %u", when, (unsigned)st.st_uid);
}

bool checks_all_succeeds(const char *when) {
        unsigned before = inject.failures;

        deeds_end_jobs(when);
        deeds_do(when, PATIENCE_MS);
        for (unsigned i = 0; i < n_deeds; i++) {
                if (deeds[i].effect != NEVER && outcomes->of[i].code != 0)
                        complain("%s: %s %s fails with %s", when, fsop_verb_name(deeds[i].verb),
                                 deeds[i].at ? deeds[i].at : "", fsop_error_name(outcomes->of[i].code));
                check_deed(when, i);
        }
        if (outcomes->job != FSOP_JOB_DONE)
                complain("%s: the job is %s", when, outcomes->job ? fsop_job_state_name(outcomes->job) : "not taken");
        check_job(when);
        return inject.failures == before;
}

/* After failures: it serves, or it ended and said why, where it may. */
static void check_daemon(const char *when, bool may_end, off_t log_from) {
        unsigned asked = now_ms();

        pause_ms(may_end ? 2 : 0);
        if (daemon_has_ended()) {
                ended++;
                if (!may_end)
                        complain("%s: the daemon ended (status %#x): %s", when, (unsigned)daemon_status(),
                                 daemon_last_words(log_from));
                else if (daemon_log_bytes() == log_from)
                        complain("%s: the daemon ended (status %#x) and does not say why", when,
                                 (unsigned)daemon_status());
                if (!daemon_spawn()) {
                        printf("FAIL: %s: the daemon does not start again: %s\n", when, daemon_last_words(log_from));
                        exit(1);
                }
                if (checks_all_succeeds("once started again"))
                        checks_remember_descriptors();
                return;
        }
        while (!daemon_has_ended() && !daemon_answers()) { /* it may be ending, for which it has some seconds */
                if (now_ms() - asked >= PATIENCE_MS)
                        daemon_end_stuck(when);
                pause_ms(10);
        }
        if (daemon_has_ended())
                check_daemon(when, may_end, log_from);
}

void checks_remember_descriptors(void) {
        descriptors_before = daemon_descriptors();
}

void checks_descriptors(const char *when) {
        /* A job that waits to go on holds some, and it may wait for half a minute. */
        for (unsigned i = 0; i < 6000; i++) {
                if (daemon_descriptors() <= descriptors_before)
                        return;
                pause_ms(10);
        }
        complain("%s: %u descriptors are open, %u were", when, daemon_descriptors(), descriptors_before);
}

unsigned checks_ended(void) {
        return ended;
}

void checks_round(const char *when, bool may_end) {
        off_t log_from = daemon_log_bytes();

        deeds_do(when, JOB_MS);
        supervisor_disarm();
        for (unsigned i = 0; i < n_deeds; i++)
                check_deed(when, i);
        check_job(when);
        check_daemon(when, may_end, log_from);
}
