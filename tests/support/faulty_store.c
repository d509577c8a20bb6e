/* SPDX-License-Identifier: MIT */
/*
 * faulty_store.c: passes every call on, until the plan says otherwise.
 */
#include "tests/support/faulty_store.h"

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

struct faulty {
        struct store store;
        struct store *inner;
        struct faulty_plan plan;
        uint64_t until;   /* commits before the planned one; counts down */
        uint64_t commits; /* atomic */
        int crashed;      /* atomic */
        uint64_t appends_read;
};

static struct faulty *faulty_of(const struct store *store) {
        return (struct faulty *)(void *)store;
}

struct store *faulty_store_new(struct store *inner) {
        struct faulty *faulty = calloc(1, sizeof(*faulty));

        if (!faulty)
                abort();
        faulty->store.ops = &store_faulty;
        faulty->inner = inner;
        return &faulty->store;
}

void faulty_store_plan(struct store *store, const struct faulty_plan *plan) {
        struct faulty *faulty = faulty_of(store);

        faulty->plan = *plan;
        faulty->until = plan->nth > 0 ? plan->nth - 1 : 0;
}

uint64_t faulty_store_commits(const struct store *store) {
        return __atomic_load_n(&faulty_of(store)->commits, __ATOMIC_ACQUIRE);
}

uint64_t faulty_store_appends_read(const struct store *store) {
        return faulty_of(store)->appends_read;
}

bool faulty_store_crashed(const struct store *store) {
        return __atomic_load_n(&faulty_of(store)->crashed, __ATOMIC_ACQUIRE) != 0;
}

static int crash(struct faulty *faulty) {
        __atomic_store_n(&faulty->crashed, 1, __ATOMIC_RELEASE);
        if (!faulty->plan.crash) {
                kill(getpid(), SIGKILL);
                for (;;)
                        pause();
        }
        faulty->plan.crash(faulty->plan.context);
        return -FSOP_EIO;
}

/* Whether it is this commit's turn. */
static bool is_due(struct faulty *faulty) {
        if (faulty->plan.kind == FAULTY_NONE)
                return false;
        if (faulty->until > 0) {
                faulty->until--;
                return false;
        }
        return true;
}

static int faulty_commit(struct store *store, const struct store_change *changes, uint32_t n) {
        struct faulty *faulty = faulty_of(store);
        enum faulty_kind kind = FAULTY_NONE;
        int code;

        if (faulty_store_crashed(store))
                return -FSOP_EIO;
        __atomic_add_fetch(&faulty->commits, 1, __ATOMIC_ACQ_REL);
        if (is_due(faulty)) {
                kind = faulty->plan.kind;
                if (kind == FAULTY_ERROR && !faulty->plan.lasting)
                        faulty->plan.kind = FAULTY_NONE;
        }
        if (kind == FAULTY_ERROR)
                return faulty->plan.code;
        if (kind == FAULTY_CRASH_BEFORE)
                return crash(faulty);
        code = faulty->inner->ops->commit(faulty->inner, changes, n);
        return kind == FAULTY_CRASH_AFTER ? crash(faulty) : code;
}

static int faulty_load(struct store *store, int (*each)(void *context, const struct store_job *job), void *context,
                       uint64_t *ret_next_id) {
        struct store *inner = faulty_of(store)->inner;

        return faulty_store_crashed(store) ? -FSOP_EIO : inner->ops->load(inner, each, context, ret_next_id);
}

/* Appends are counted on their way to EACH. */
struct counting {
        struct faulty *faulty;
        int (*each)(void *context, struct bytes data);
        int (*each_of_all)(void *context, const struct store_files *files);
        void *context;
};

static int count_append(void *context, struct bytes data) {
        struct counting *counting = context;

        counting->faulty->appends_read++;
        return counting->each(counting->context, data);
}

static int count_append_of_all(void *context, const struct store_files *files) {
        struct counting *counting = context;

        counting->faulty->appends_read++;
        return counting->each_of_all(counting->context, files);
}

static int faulty_read_files(struct store *store, uint64_t id, uint32_t place,
                             int (*each)(void *context, struct bytes data), void *context) {
        struct counting counting = {.faulty = faulty_of(store), .each = each, .context = context};
        struct store *inner = counting.faulty->inner;

        return faulty_store_crashed(store) ? -FSOP_EIO
                                           : inner->ops->read_files(inner, id, place, count_append, &counting);
}

static int faulty_read_all_files(struct store *store, uint64_t id, uint64_t from,
                                 int (*each)(void *context, const struct store_files *files), void *context) {
        struct counting counting = {.faulty = faulty_of(store), .each_of_all = each, .context = context};
        struct store *inner = counting.faulty->inner;

        return faulty_store_crashed(store)
                       ? -FSOP_EIO
                       : inner->ops->read_all_files(inner, id, from, count_append_of_all, &counting);
}

static int faulty_read_parts(struct store *store, uint64_t id, uint32_t place,
                             int (*each)(void *context, const struct store_part *part), void *context) {
        struct store *inner = faulty_of(store)->inner;

        return faulty_store_crashed(store) ? -FSOP_EIO : inner->ops->read_parts(inner, id, place, each, context);
}

static int faulty_read_failures(struct store *store, uint64_t id, uint64_t after, uint32_t max,
                                int (*each)(void *context, const struct store_failure *failure), void *context) {
        struct store *inner = faulty_of(store)->inner;

        return faulty_store_crashed(store) ? -FSOP_EIO
                                           : inner->ops->read_failures(inner, id, after, max, each, context);
}

static uint64_t faulty_generation(const struct store *store) {
        struct store *inner = faulty_of(store)->inner;

        return inner->ops->generation(inner);
}

static struct store *faulty_close(struct store *store) {
        struct faulty *faulty = faulty_of(store);

        if (faulty) {
                faulty->inner->ops->close(faulty->inner);
                free(faulty);
        }
        return NULL;
}

static int faulty_open(const char *directory, struct store **ret_store, char **ret_note) {
        struct store *inner;
        int code = store_sqlite.open(directory, &inner, ret_note);

        if (code == 0)
                *ret_store = faulty_store_new(inner);
        return code;
}

const struct store_ops store_faulty = {
        .name = "faulty",
        .open = faulty_open,
        .commit = faulty_commit,
        .load = faulty_load,
        .read_files = faulty_read_files,
        .read_all_files = faulty_read_all_files,
        .read_parts = faulty_read_parts,
        .read_failures = faulty_read_failures,
        .generation = faulty_generation,
        .close = faulty_close,
};
