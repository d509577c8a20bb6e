/* SPDX-License-Identifier: MIT */
/*
 * test_route.c: where operations are sent, and what becomes of mounts that keep the loop waiting. With a clock, waits
 * of the thread and a table of mounts that the test decides about: route.c is compiled into this program.
 */
#define sys_monotonic_ns fake_monotonic_ns
#define sys_thread_waits fake_thread_waits
#define sys_mount_demote fake_mount_demote
#include "daemon/route.c"

#include <check.h>
#include <stdlib.h>

#include "daemon/ops.h"
#include "tests/support/suite.h"

static uint64_t now_ns, thread_waits, demoted_mount;

uint64_t fake_monotonic_ns(void) {
        return now_ns;
}

uint64_t fake_thread_waits(void) {
        return thread_waits;
}

uint64_t fake_mount_demote(uint64_t mnt_id, bool demoted) {
        demoted_mount = demoted ? mnt_id : 0;
        return mnt_id;
}

static struct routes routes;
static struct operation op;
static struct sys_op sys_op;
static bool dear;

static void begin(void) {
        routes = (struct routes){0};
        now_ns = 1000 * MS;
        thread_waits = 1;
        demoted_mount = 0;
        log_setup(LOG_LEVEL_ERROR, false);
}

static enum route route(enum fsop_verb verb, enum fs_class fs) {
        op.verb = verb;
        sys_op.op = &op;
        sys_op.at.fs = sys_op.to.fs = fs;
        return route_of(&routes, &sys_op, dear);
}

static void on(uint64_t mnt_id) {
        op = (struct operation){.verb = FSOP_VERB_CHOWN};
        sys_op = (struct sys_op){.op = &op};
        sys_op.at.mnt_id = mnt_id;
}

/* An operation on the loop that takes so long, and waits meanwhile or is only kept from the processor. */
static void takes(uint64_t mnt_id, uint64_t ms, bool waits) {
        on(mnt_id);
        routes_begin(&routes);
        now_ns += ms * MS;
        thread_waits += waits;
        routes_end(&routes, &sys_op);
}

static void pass(uint64_t ms) {
        now_ns += ms * MS;
        routes_tick(&routes, now_ns / MS);
}

START_TEST(every_operation_has_a_route) {
        begin();
        for (unsigned verb = 0; verb < FSOP_VERB_LIMIT; verb++)
                ck_assert_msg((op_row((enum fsop_verb)verb) != NULL) == route_is_known((enum fsop_verb)verb), "verb %u",
                              verb);
        ck_assert(!route_is_known(FSOP_VERB_LIMIT));
        ck_assert(!route_is_service((enum fsop_verb)(FSOP_VERB_LIMIT + 7)));
        on(1);
        op.verb = (enum fsop_verb)(FSOP_VERB_LIMIT + 7);
        ck_assert_int_eq(route_of(&routes, &sys_op, false), ROUTE_POOL);
}
END_TEST

/* Whatever is chosen: not what the service answers, and not where it may hang. */
START_TEST(what_may_hang_goes_to_a_worker) {
        begin();
        for (int choice = CONFIG_ROUTES_AUTO; choice <= CONFIG_ROUTES_RING; choice++)
                for (unsigned verb = 0; verb < FSOP_VERB_LIMIT; verb++) {
                        if (!route_is_known((enum fsop_verb)verb))
                                continue;
                        on(7);
                        routes.choice = (enum config_routes)choice;
                        enum route expected = route_is_service((enum fsop_verb)verb) ? ROUTE_SERVICE : ROUTE_POOL;
                        uint64_t mount;

                        ck_assert_int_eq(route((enum fsop_verb)verb, FS_SLOW), expected);
                        ck_assert(route_may_wait(&sys_op, &mount) && mount == 7);
                        ck_assert_int_eq(route((enum fsop_verb)verb, FS_UNKNOWN), expected);
                        sys_op.at.base_is_client_fd = true;
                        ck_assert_int_eq(route((enum fsop_verb)verb, FS_LOCAL), expected);
                        ck_assert(route_may_wait(&sys_op, &mount) && mount == 0);
                        sys_op.at.base_is_client_fd = false;
                        sys_op.at.demoted = true;
                        ck_assert_int_eq(route((enum fsop_verb)verb, FS_LOCAL), expected);
                        ck_assert(route_may_wait(&sys_op, &mount) && mount == 7);
                }
}
END_TEST

START_TEST(both_ends_count) {
        uint64_t mount;

        begin();
        on(7);
        op.to.kind = LOCATION_PATH;
        ck_assert_int_eq(route(FSOP_VERB_RENAME, FS_LOCAL), ROUTE_INLINE);
        sys_op.to.mnt_id = 8;
        sys_op.to.demoted = true;
        ck_assert_int_eq(route(FSOP_VERB_RENAME, FS_LOCAL), ROUTE_POOL);
        ck_assert(route_may_wait(&sys_op, &mount) && mount == 8);
}
END_TEST

START_TEST(what_is_much_goes_elsewhere) {
        begin();
        on(7);
        ck_assert_int_eq(route(FSOP_VERB_UNLINK, FS_LOCAL), ROUTE_POOL); /* it is not there yet */
        sys_op.at.has_stat = true;
        sys_op.at.stat = (struct fsop_stat){.nlink = 1, .size = 4096, .blocks = 8};
        ck_assert_int_eq(route(FSOP_VERB_UNLINK, FS_LOCAL), ROUTE_INLINE);
        sys_op.at.stat.size = sys_op.at.stat.blocks = UINT64_C(1) << 30;
        ck_assert_int_eq(route(FSOP_VERB_UNLINK, FS_LOCAL), ROUTE_POOL);
        ck_assert_int_eq(route(FSOP_VERB_TRUNCATE, FS_LOCAL), ROUTE_POOL);
        op.args.truncate.size = UINT64_C(1) << 31; /* longer than it is: what is dirty may have to be written first */
        ck_assert_int_eq(route(FSOP_VERB_TRUNCATE, FS_LOCAL), ROUTE_POOL);
        op.args.chown = (struct chown_args){.walk.recursive = true};
        ck_assert_int_eq(route(FSOP_VERB_CHOWN, FS_LOCAL), ROUTE_POOL);
        op.args.read = (struct read_args){.length = 4096};
        ck_assert_int_eq(route(FSOP_VERB_READ, FS_LOCAL), ROUTE_ENGINE);
        sys_op.at.in_memory = true;
        ck_assert_int_eq(route(FSOP_VERB_READ, FS_LOCAL), ROUTE_INLINE);
        op.args.read.length = 1u << 20;
        ck_assert_int_eq(route(FSOP_VERB_READ, FS_LOCAL), ROUTE_ENGINE);
}
END_TEST

/* All that can be behind a name. */
START_TEST(what_is_large_is_freed_elsewhere) {
        static const struct {
                struct fsop_stat stat;
                enum route file, directory;
        } cases[] = {
                {{.nlink = 1, .size = 4096, .blocks = 8}, ROUTE_INLINE, ROUTE_INLINE},
                {{.nlink = 1, .size = 0, .blocks = 4096}, ROUTE_POOL, ROUTE_POOL},     /* all of it beyond its end */
                {{.nlink = 1, .size = 8u << 20, .blocks = 0}, ROUTE_POOL, ROUTE_POOL}, /* holes that were read */
                {{.nlink = 2, .size = 8u << 20, .blocks = 1}, ROUTE_POOL, ROUTE_POOL}, /* the other name may go first */
                {{.nlink = 2, .size = 68u << 10, .blocks = 136}, ROUTE_INLINE, ROUTE_POOL}, /* is read before it goes */
        };

        begin();
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                enum route file = cases[i].file, directory = cases[i].directory;

                on(7);
                sys_op.at.has_stat = true;
                sys_op.at.stat = cases[i].stat;
                sys_op.at.stat.mode = 0100644;
                ck_assert_int_eq(route(FSOP_VERB_UNLINK, FS_LOCAL), file);
                ck_assert_int_eq(route(FSOP_VERB_TRUNCATE, FS_LOCAL), file);
                ck_assert_int_eq(route(FSOP_VERB_CHMOD, FS_LOCAL), ROUTE_INLINE);
                op.args.open = (struct open_args){.write = true, .truncate = true};
                ck_assert_int_eq(route(FSOP_VERB_OPEN, FS_LOCAL), file);
                op.args.rename = (struct rename_args){0};
                ck_assert_int_eq(route(FSOP_VERB_RENAME, FS_LOCAL), ROUTE_INLINE); /* nothing has the new name */
                sys_op.to.has_stat = true;
                ck_assert_int_eq(route(FSOP_VERB_RENAME, FS_LOCAL), file); /* it may have to be written first */
                op.args.rename.exchange = true;
                ck_assert_int_eq(route(FSOP_VERB_RENAME, FS_LOCAL), ROUTE_INLINE);
                op.args.rename.exchange = false;
                sys_op.to = sys_op.at;
                sys_op.at.has_stat = false;
                ck_assert_int_eq(route(FSOP_VERB_RENAME, FS_LOCAL), file);
                sys_op.to.stat.mode = 0040755;
                ck_assert_int_eq(route(FSOP_VERB_RENAME, FS_LOCAL), directory);
                ck_assert_int_eq(route(FSOP_VERB_RMDIR, FS_LOCAL), ROUTE_POOL); /* it could not be looked at */
                sys_op.at = sys_op.to;
                ck_assert_int_eq(route(FSOP_VERB_RMDIR, FS_LOCAL), directory);
        }
}
END_TEST

/* A look-up on the loop that takes so long, and waits meanwhile or is only kept from the processor. */
static bool tries_leaf(uint64_t ns, bool waits) {
        on(1);
        if (!routes_try_leaf(&routes))
                return false;
        now_ns += ns;
        thread_waits += waits;
        routes_tried_leaf(&routes, &sys_op);
        return true;
}

START_TEST(names_that_are_not_in_memory_keep_the_loop_waiting_for_a_moment_only) {
        begin();
        ck_assert(tries_leaf(MS, true)); /* the first time proves nothing */
        for (int i = 0; i < 1000; i++)
                ck_assert(tries_leaf(LEAF_NS_MAX, true)); /* quick ones do not add up */
        for (int i = 0; i < 100; i++)
                ck_assert(tries_leaf(MS / 10, false)); /* nor does what others do with the processor */
        for (int i = 0; i < 10; i++)
                ck_assert(tries_leaf(MS / 10, true));
        ck_assert(tries_leaf(MS / 10, true));
        ck_assert(!tries_leaf(0, false));
        pass(999);
        ck_assert(!tries_leaf(0, false));
        pass(1);
        ck_assert(tries_leaf(20 * MS, true)); /* a disk that seeks */
        ck_assert(tries_leaf(20 * MS, true));
        ck_assert(!tries_leaf(0, false));
        ck_assert_uint_eq(routes.n_watched, 1);
}
END_TEST

START_TEST(routes_are_forced) {
        begin();
        on(7);
        routes.choice = CONFIG_ROUTES_POOL;
        ck_assert_int_eq(route(FSOP_VERB_STAT, FS_LOCAL), ROUTE_POOL);
        routes.choice = CONFIG_ROUTES_INLINE;
        ck_assert_int_eq(route(FSOP_VERB_LS, FS_LOCAL), ROUTE_INLINE);
        routes.choice = CONFIG_ROUTES_RING;
        ck_assert_int_eq(route(FSOP_VERB_STAT, FS_LOCAL), ROUTE_ENGINE);
        routes.on_ring = RING_MAX; /* what is too much takes its usual way */
        ck_assert_int_eq(route(FSOP_VERB_STAT, FS_LOCAL), ROUTE_INLINE);
        ck_assert_int_eq(route(FSOP_VERB_LS, FS_LOCAL), ROUTE_POOL);
}
END_TEST

/* Whoever can keep a file's lock must not get the loop by it. */
START_TEST(locks_that_may_be_kept_are_for_workers) {
        begin();
        op = (struct operation){0};
        sys_op = (struct sys_op){.at.has_stat = true, .at.in_memory = true};
        dear = true; /* one user's are */
        ck_assert_int_eq(route(FSOP_VERB_CHOWN, FS_LOCAL), ROUTE_POOL);
        ck_assert_int_eq(route(FSOP_VERB_STAT, FS_LOCAL), ROUTE_INLINE);
        dear = false;
        ck_assert_int_eq(route(FSOP_VERB_CHOWN, FS_LOCAL), ROUTE_INLINE);
        routes.locks_may_be_kept = true;
        ck_assert_int_eq(route(FSOP_VERB_CHOWN, FS_LOCAL), ROUTE_POOL);
        ck_assert_int_eq(route(FSOP_VERB_UNLINK, FS_LOCAL), ROUTE_POOL);
        ck_assert_int_eq(route(FSOP_VERB_WRITE, FS_LOCAL), ROUTE_POOL);
        ck_assert_int_eq(route(FSOP_VERB_STAT, FS_LOCAL), ROUTE_INLINE);
        ck_assert_int_eq(route(FSOP_VERB_OPEN, FS_LOCAL), ROUTE_INLINE);
        op.args.open.create.create = true;
        ck_assert_int_eq(route(FSOP_VERB_OPEN, FS_LOCAL), ROUTE_POOL);
        op.args.open = (struct open_args){.write = true}; /* set-id bits go first */
        ck_assert_int_eq(route(FSOP_VERB_OPEN, FS_LOCAL), ROUTE_POOL);
        sys_op.at.in_memory = false; /* what the ring's few threads wait for is others' wait, too */
        ck_assert_int_eq(route(FSOP_VERB_WRITE, FS_LOCAL), ROUTE_POOL);
        ck_assert(!routes_try_leaf(&routes));
        routes.choice = CONFIG_ROUTES_INLINE;
        ck_assert_int_eq(route(FSOP_VERB_CHOWN, FS_LOCAL), ROUTE_INLINE);
}
END_TEST

START_TEST(a_mount_that_keeps_the_loop_waiting_is_demoted) {
        begin();
        takes(7, 50, true); /* once is no proof */
        ck_assert_uint_eq(demoted_mount, 0);
        takes(7, 50, false); /* the processor was somebody else's */
        ck_assert_uint_eq(demoted_mount, 0);
        for (int i = 0; i < 100; i++)
                takes(7, 0, true);
        ck_assert_uint_eq(demoted_mount, 0);
        takes(7, 50, true);
        ck_assert_uint_eq(demoted_mount, 7);
        ck_assert_uint_eq(routes.n_demoted, 1);
}
END_TEST

/* What the system caches about mounts goes when there are many, or they change: the demotion with it. */
START_TEST(a_demotion_that_was_forgotten_is_told_again) {
        begin();
        takes(7, 50, true);
        takes(7, 50, true);
        ck_assert_uint_eq(demoted_mount, 7);
        demoted_mount = 0;
        takes(7, 0, true);
        ck_assert_uint_eq(demoted_mount, 0);
        takes(7, 5, true);
        ck_assert_uint_eq(demoted_mount, 7);
        ck_assert_uint_eq(routes.n_demoted, 1);
}
END_TEST

/* A little now and then is forgiven. */
START_TEST(what_is_slow_now_and_then_stays) {
        begin();
        for (int i = 0; i < 100; i++) {
                takes(7, 5, true);
                pass(1000);
        }
        ck_assert_uint_eq(demoted_mount, 0);
        for (int i = 0; i < 10; i++)
                takes(7, 5, true);
        ck_assert_uint_eq(demoted_mount, 7);
}
END_TEST

START_TEST(it_comes_back_on_trial) {
        begin();
        takes(7, 50, true);
        takes(7, 50, true);
        ck_assert_uint_eq(demoted_mount, 7);
        pass(TERM_MS_MIN - 1);
        ck_assert_uint_eq(demoted_mount, 7);
        pass(1);
        ck_assert_uint_eq(demoted_mount, 0);
        ck_assert_uint_eq(routes.n_demoted, 0);
        takes(7, 11, true); /* less will do now, and it is gone for twice as long */
        ck_assert_uint_eq(demoted_mount, 7);
        pass(2 * TERM_MS_MIN - 1);
        ck_assert_uint_eq(demoted_mount, 7);
        pass(1);
        ck_assert_uint_eq(demoted_mount, 0);
        pass(2 * TERM_MS_MIN + WATCHED_MS); /* quick for so long: all is forgotten */
        ck_assert_uint_eq(routes.n_watched, 0);
        takes(7, 50, true);
        ck_assert_uint_eq(demoted_mount, 0);
}
END_TEST

/* The table is small: more mounts than it holds are let be, and no entry is lost. */
START_TEST(many_slow_mounts) {
        begin();
        for (uint64_t mnt_id = 1; mnt_id <= 2 * ROUTE_MOUNTS_MAX; mnt_id++) {
                takes(mnt_id, 50, true);
                takes(mnt_id, 50, true);
        }
        ck_assert_uint_eq(routes.n_watched, ROUTE_MOUNTS_MAX);
        ck_assert_uint_eq(routes.n_demoted, ROUTE_MOUNTS_MAX);
        pass(60000);
        ck_assert_uint_eq(routes.n_demoted, 0);
        pass(60000);
        ck_assert_uint_eq(routes.n_watched, 0);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("route");
        TCase *tcase = tcase_create("route");

        tcase_add_test(tcase, every_operation_has_a_route);
        tcase_add_test(tcase, what_may_hang_goes_to_a_worker);
        tcase_add_test(tcase, both_ends_count);
        tcase_add_test(tcase, what_is_much_goes_elsewhere);
        tcase_add_test(tcase, what_is_large_is_freed_elsewhere);
        tcase_add_test(tcase, names_that_are_not_in_memory_keep_the_loop_waiting_for_a_moment_only);
        tcase_add_test(tcase, routes_are_forced);
        tcase_add_test(tcase, locks_that_may_be_kept_are_for_workers);
        tcase_add_test(tcase, a_mount_that_keeps_the_loop_waiting_is_demoted);
        tcase_add_test(tcase, a_demotion_that_was_forgotten_is_told_again);
        tcase_add_test(tcase, what_is_slow_now_and_then_stays);
        tcase_add_test(tcase, it_comes_back_on_trial);
        tcase_add_test(tcase, many_slow_mounts);
        suite_add_tcase(suite, tcase);
        return suite_run(suite);
}
