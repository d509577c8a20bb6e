/* SPDX-License-Identifier: MIT */
/*
 * forgetful_store.c: the daemon's store, for programs that are linked with this one: it takes everything and knows
 * nothing.
 */
#include "daemon/store.h"
#include "tests/support/fake_steps.h"

static struct store forgetful = {.ops = &store_sqlite};

static bool forgetful_exists(const char *directory) {
        (void)directory;
        return false;
}

static int forgetful_open(const char *directory, struct store **ret_store, char **ret_note) {
        (void)directory, (void)ret_note;
        *ret_store = &forgetful;
        return may_fail();
}

static int forgetful_commit(struct store *store, const struct store_change *changes, uint32_t n) {
        (void)store, (void)changes, (void)n;
        return may_fail();
}

static int forgetful_load(struct store *store, int (*each)(void *context, const struct store_job *job), void *context,
                          uint64_t *ret_next_id) {
        (void)store, (void)each, (void)context;
        *ret_next_id = 1;
        return may_fail();
}

static int forgetful_read_files(struct store *store, uint64_t id, uint32_t place,
                                int (*each)(void *context, struct bytes data), void *context) {
        (void)store, (void)id, (void)place, (void)each, (void)context;
        return may_fail();
}

static int forgetful_read_all_files(struct store *store, uint64_t id, uint64_t from,
                                    int (*each)(void *context, const struct store_files *files), void *context) {
        (void)store, (void)id, (void)from, (void)each, (void)context;
        return may_fail();
}

static int forgetful_read_parts(struct store *store, uint64_t id, uint32_t place,
                                int (*each)(void *context, const struct store_part *part), void *context) {
        (void)store, (void)id, (void)place, (void)each, (void)context;
        return may_fail();
}

static int forgetful_read_failures(struct store *store, uint64_t id, uint64_t after, uint32_t max,
                                   int (*each)(void *context, const struct store_failure *failure), void *context) {
        (void)store, (void)id, (void)after, (void)max, (void)each, (void)context;
        return may_fail();
}

static uint64_t forgetful_generation(const struct store *store) {
        (void)store;
        return 1;
}

static struct store *forgetful_close(struct store *store) {
        (void)store;
        return NULL;
}

const struct store_ops store_sqlite = {
        .name = "forgetful",
        .exists = forgetful_exists,
        .open = forgetful_open,
        .commit = forgetful_commit,
        .load = forgetful_load,
        .read_files = forgetful_read_files,
        .read_all_files = forgetful_read_all_files,
        .read_parts = forgetful_read_parts,
        .read_failures = forgetful_read_failures,
        .generation = forgetful_generation,
        .close = forgetful_close,
};
