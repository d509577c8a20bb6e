/* SPDX-License-Identifier: MIT */
/*
 * test_race.c: one thread exchanges a directory or file with something forbidden, 100,000 times and until both have
 * been met, while another has operations done there with a rule's rights. What is forbidden must never change.
 *
 * Built a second time as test_race_weak, with a resolver that lacks the protection: there every race must be lost, or
 * these tests would see nothing. It goes on until it is; one that never is runs into the timeout.
 */
#include <check.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backends/linux/sys_linux.h"
#include "tests/support/scene.h"
#include "tests/support/suite.h"

#define EXCHANGES 100000 /* at least */
#define NEW_OWNER 4242u

#ifdef FSOP_TEST_WEAK_RESOLVER
#define PROTECTED false
#else
#define PROTECTED true
#endif

struct exchange {
        char one[300], other[300];
        unsigned done;     /* atomic */
        bool stop, failed; /* atomic */
};

static void *exchange_names(void *argument) {
        struct exchange *exchange = argument;

        while (!__atomic_load_n(&exchange->stop, __ATOMIC_RELAXED)) {
                if (renameat2(AT_FDCWD, exchange->one, AT_FDCWD, exchange->other, RENAME_EXCHANGE) < 0) {
                        __atomic_store_n(&exchange->failed, true, __ATOMIC_RELAXED);
                        break;
                }
                __atomic_add_fetch(&exchange->done, 1, __ATOMIC_RELAXED);
        }
        return NULL;
}

struct race {
        const char *one, *other; /* below the scene */
        void (*attempt)(unsigned *ok, unsigned *refused);
        bool (*is_breached)(void); /* and mends what it can */
        bool goes_on;              /* what is forbidden is passed over, not refused */
};

static void run_race(const struct race *race) {
        struct exchange exchange = {.done = 0};
        unsigned ok = 0, refused = 0, breaches = 0;
        bool over = false;
        pthread_t thread;

        snprintf(exchange.one, sizeof(exchange.one), "%s", scene_path(race->one));
        snprintf(exchange.other, sizeof(exchange.other), "%s", scene_path(race->other));
        ck_assert_int_eq(pthread_create(&thread, NULL, exchange_names, &exchange), 0);
        while (!over && !__atomic_load_n(&exchange.failed, __ATOMIC_RELAXED)) {
                race->attempt(&ok, &refused);
                breaches += race->is_breached();
                over = PROTECTED ? __atomic_load_n(&exchange.done, __ATOMIC_RELAXED) >= EXCHANGES && ok > 0 &&
                                           (race->goes_on || refused > 0)
                                 : breaches > 0;
        }
        __atomic_store_n(&exchange.stop, true, __ATOMIC_RELAXED);
        pthread_join(thread, NULL);
        printf("%-18s %u exchanges, %u done, %u refused, %u breaches\n", race->one, exchange.done, ok, refused,
               breaches);
        ck_assert(!exchange.failed);
        ck_assert(PROTECTED == (breaches == 0));
}

static void count(int code, unsigned *ok, unsigned *refused) {
        if (code == 0)
                (*ok)++;
        else
                (*refused)++;
}

static int chown_elevated(const char *path, bool follow, bool recursive) {
        struct request *request = request_new(FSOP_VERB_CHOWN, path);

        request->op.args.chown =
                (struct chown_args){.has_uid = true, .uid = NEW_OWNER, .walk = {.recursive = recursive}};
        request_elevate(request, NULL);
        request->sys.at.follow = follow;
        return request_finish(request);
}

static bool outside_changed(const char *name) {
        if (scene_stat(name).uid != NEW_OWNER)
                return false;
        ck_assert_int_eq(chown(scene_path(name), 0, 0), 0);
        return true;
}

/* ---- a parent directory becomes a link that leads out ------------------------------------------------------------ */

static void attempt_parent(unsigned *ok, unsigned *refused) {
        count(chown_elevated("a/dir/file", false, false), ok, refused);
}

static bool breached_parent(void) {
        return outside_changed("outside/file");
}

START_TEST(parent_becomes_link) {
        static const struct race race = {"tree/a/dir", "tree/a/link", attempt_parent, breached_parent, false};

        scene_mkdir("tree/a", 0, 0755);
        scene_mkdir("tree/a/dir", NOBODY, 0755);
        scene_file("tree/a/dir/file", NOBODY, 0644, "mine");
        scene_file("outside/file", 0, 0600, "root's");
        scene_symlink("../../outside", "tree/a/link");
        run_race(&race);
}
END_TEST

/* ---- a file becomes a link to one outside ------------------------------------------------------------------------ */

static void attempt_leaf(unsigned *ok, unsigned *refused) {
        static unsigned turn;

        count(chown_elevated("file", turn++ & 1, false), ok, refused);
}

static bool breached_leaf(void) {
        return outside_changed("outside/file");
}

START_TEST(leaf_becomes_link) {
        static const struct race race = {"tree/file", "tree/link", attempt_leaf, breached_leaf, false};

        scene_file("tree/file", NOBODY, 0644, "mine");
        scene_file("outside/file", 0, 0600, "root's");
        scene_symlink("../outside/file", "tree/link");
        run_race(&race);
}
END_TEST

/* ---- a file becomes another name of a foreign file --------------------------------------------------------------- */

START_TEST(leaf_becomes_hard_link) {
        static const struct race race = {"tree/file", "tree/hard", attempt_leaf, breached_leaf, false};

        scene_file("tree/file", NOBODY, 0644, "mine");
        scene_file("outside/file", 0, 0600, "root's");
        ck_assert_int_eq(link(scene_path("outside/file"), scene_path("tree/hard")), 0);
        run_race(&race);
}
END_TEST

/* ---- the directory that something is created in becomes somebody else's ------------------------------------------ */

static int own_fd = -1, foreign_fd = -1;

static void attempt_create(unsigned *ok, unsigned *refused) {
        struct request *request = request_new(FSOP_VERB_MKDIR, "shared/mine/new");

        request->op.args.mkdir = (struct create_args){.create = true, .mode = 0755};
        request_elevate(request, NULL);
        count(request_finish(request), ok, refused);
}

static bool breached_create(void) {
        unlinkat(own_fd, "new", AT_REMOVEDIR);
        return unlinkat(foreign_fd, "new", AT_REMOVEDIR) == 0;
}

START_TEST(parent_becomes_foreign) {
        static const struct race race = {"tree/shared/mine", "tree/shared/theirs", attempt_create, breached_create,
                                         false};

        scene_mkdir("tree/shared", 0, 01777);
        scene_mkdir("tree/shared/mine", NOBODY, 0755);
        scene_mkdir("tree/shared/theirs", SOMEBODY, 0755);
        own_fd = open(scene_path("tree/shared/mine"), O_PATH | O_CLOEXEC);
        foreign_fd = open(scene_path("tree/shared/theirs"), O_PATH | O_CLOEXEC);
        run_race(&race);
}
END_TEST

/* ---- a directory on the way of a walk becomes a link that leads out ---------------------------------------------- */

static void attempt_walk(unsigned *ok, unsigned *refused) {
        count(chown_elevated("walk", false, true), ok, refused);
}

static bool breached_walk(void) {
        return outside_changed("outside/deep/file");
}

START_TEST(walk_meets_link) {
        static const struct race race = {"tree/walk/sub", "outside/link", attempt_walk, breached_walk, true};

        scene_mkdir("tree/walk", NOBODY, 0755);
        scene_mkdir("tree/walk/sub", NOBODY, 0755);
        scene_mkdir("tree/walk/sub/deep", NOBODY, 0755);
        scene_file("tree/walk/sub/deep/file", NOBODY, 0644, "mine");
        scene_mkdir("outside/deep", 0, 0755);
        scene_file("outside/deep/file", 0, 0600, "root's");
        scene_symlink(scene_path("outside"), "outside/link");
        run_race(&race);
}
END_TEST

/* ---- a removing walk is led out ---------------------------------------------------------------------------------- */

static bool breached_removal(void) {
        if (scene_exists("outside/deep/file"))
                return false;
        if (!scene_exists("outside/deep"))
                scene_mkdir("outside/deep", 0, 0755);
        scene_file("outside/deep/file", 0, 0600, "root's");
        return true;
}

static void attempt_removal(unsigned *ok, unsigned *refused) {
        struct request *request = request_new(FSOP_VERB_UNLINK, "walk/sub/deep");

        mkdir(scene_path("tree/walk/sub/deep"), 0755);
        request->op.args.unlink.recursive = true;
        request_elevate(request, NULL);
        count(request_finish(request), ok, refused);
}

START_TEST(removing_walk_meets_link) {
        static const struct race race = {"tree/walk/sub", "tree/other", attempt_removal, breached_removal, false};

        scene_mkdir("tree/walk", NOBODY, 0755);
        scene_mkdir("tree/walk/sub", NOBODY, 0755);
        scene_symlink(scene_path("outside"), "tree/other");
        scene_mkdir("outside/deep", 0, 0755);
        scene_file("outside/deep/file", 0, 0600, "root's");
        run_race(&race);
}
END_TEST

/* ---- an excluded directory takes the place of an allowed one ----------------------------------------------------- */

static os_fd excluded_fd;

static void attempt_excluded(unsigned *ok, unsigned *refused) {
        count(chown_elevated("in/open/deep/file", false, false), ok, refused);
}

static bool breached_excluded(void) {
        struct stat st;

        if (fstatat((int)excluded_fd, "deep/file", &st, AT_SYMLINK_NOFOLLOW) < 0 || st.st_uid != NEW_OWNER)
                return false;
        ck_assert_int_eq(fchownat((int)excluded_fd, "deep/file", 0, 0, AT_SYMLINK_NOFOLLOW), 0);
        return true;
}

START_TEST(excluded_takes_the_place) {
        static const struct race race = {"tree/in/open", "tree/in/secret", attempt_excluded, breached_excluded, false};

        scene_mkdir("tree/in", 0, 0755);
        scene_mkdir("tree/in/open", NOBODY, 0755);
        scene_mkdir("tree/in/open/deep", NOBODY, 0755);
        scene_file("tree/in/open/deep/file", NOBODY, 0644, "mine");
        scene_mkdir("tree/in/secret", 0, 0755);
        scene_mkdir("tree/in/secret/deep", 0, 0755);
        scene_file("tree/in/secret/deep/file", 0, 0600, "root's");
        excluded_fd = scene_exclude("tree/in/secret");
        run_race(&race);
}
END_TEST

/* ---- ".." in a link leads out of a directory that was moved away just now ---------------------------------------- */

static bool learnt_what_is_outside;

/* Where a rule excludes something, links are followed step by step. Outside there is no such name, which must not be
 * told. */
static void attempt_way(unsigned *ok, unsigned *refused) {
        struct request *request = request_new(FSOP_VERB_STAT, "way/file");
        int code;

        request_elevate(request, NULL);
        code = request_run(request);
        learnt_what_is_outside = code == -FSOP_ENOENT;
        count(code, ok, refused);
        request_free(request);
}

static bool breached_way(void) {
        return learnt_what_is_outside;
}

START_TEST(way_leads_out) {
        static const struct race race = {"tree/moved", "outside/moved", attempt_way, breached_way, false};

        scene_mkdir("tree/secret", 0, 0755);
        scene_mkdir("tree/moved", NOBODY, 0755);
        scene_mkdir("outside/moved", NOBODY, 0755);
        scene_mkdir("tree/there", NOBODY, 0755);
        scene_file("tree/there/file", NOBODY, 0644, "mine");
        ck_assert_int_eq(symlink("moved/../there", scene_path("tree/way")), 0);
        excluded_fd = scene_exclude("tree/secret");
        run_race(&race);
}
END_TEST

int main(void) {
        Suite *suite = suite_create(PROTECTED ? "race" : "race without protection");
        TCase *cases = tcase_create("exchanged");

        scene_need_root();
        tcase_add_checked_fixture(cases, scene_open, scene_close);
        tcase_set_timeout(cases, 300);
        tcase_add_test(cases, parent_becomes_link);
        tcase_add_test(cases, leaf_becomes_link);
        tcase_add_test(cases, leaf_becomes_hard_link);
        tcase_add_test(cases, parent_becomes_foreign);
        tcase_add_test(cases, walk_meets_link);
        tcase_add_test(cases, removing_walk_meets_link);
        tcase_add_test(cases, excluded_takes_the_place);
        tcase_add_test(cases, way_leads_out);
        suite_add_tcase(suite, cases);
        return suite_run(suite);
}
