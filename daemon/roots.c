/* SPDX-License-Identifier: MIT */
/*
 * roots.c: the directories that rules name, held open while operations use them.
 *
 * The loop owns everything here but one pointer: what a root is when open is made on a worker and published by one
 * atomic exchange. It is never changed afterwards, so workers may read it through the guards that borrow from it. A
 * root that may be out of date (its age, an exclusion that did not exist, a changed mount table) is taken out of the
 * table; those who use it finish with it, the next one makes a new one.
 */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/config.h"
#include "daemon/log.h"
#include "daemon/marks.h"
#include "daemon/policy_internal.h"

#define BUCKETS 64u
#define IDLE_MS 30000u          /* an unused root is closed after this */
#define AGE_MS 30000u           /* any root is opened again after this: its directory may have been replaced */
#define INCOMPLETE_AGE_MS 1000u /* … if an exclusion did not exist: it may now */
#define VARIANTS_MAX 64u
#define ANCESTORS_MAX 256u

/* A directory, or a file, that is to be kept out of a root, by its path. */
struct spec {
        char *path;
        const struct rule *deny;
        struct directory_mark *marks; /* what stood there before */
        uint32_t n_marks;
        bool crowded; /* it is the directory above one where more has stood than is known: what is in it may be that */
};

/* A root while it is open. */
struct opened {
        struct directory root;
        struct directory *directories; /* held open, in the order of ids */
        struct object_id *ids;
        os_fd *fds;
        struct directory_mark *marks;
        const struct spec **specs; /* of each; those without a deny come first */
        uint32_t n, n_always;
        const char **named; /* what may lie in the root by its path, and what stood there */
        struct object_id *named_ids;
        const struct rule **named_denies; /* of each: NULL, always; those come first */
        uint32_t n_named;
        const struct spec **gone_specs; /* what was removed meanwhile */
        const struct directory_mark **gone;
        uint32_t n_gone;
        const struct rule **above; /* denies whose directory is the root or holds it */
        uint32_t n_above;
        bool forbidden;  /* the root is one of the daemon's own directories, or excluded itself */
        bool incomplete; /* something to exclude does not exist */
        uint64_t opened_ms;
        int outdated; /* atomic, set by workers: something else has one of these names */
};

/* The exclusions for operations that a certain set of denies means. */
struct variant {
        struct variant *next;
        struct object_id *ids;
        os_fd *fds;
        uint32_t n;
        uint8_t picked[]; /* one for each of opened's denies */
};

/* A guard that was given out. */
struct given {
        struct given *next;
        struct guard guard;
};

struct root {
        struct root *next;
        struct roots *roots;
        const struct rule *rule;
        uint32_t path_index;
        uint32_t uid; /* WIRE_NOBODY: for everyone */
        uint32_t refs;
        bool stale;             /* no longer in the table */
        uint64_t idle_since_ms; /* 0: not seen idle yet */
        char *path;
        struct spec *specs;
        uint32_t n_specs;
        struct variant *variants;
        uint32_t n_variants;
        struct given *given; /* the last one used comes first */
        _Atomic(struct opened *) opened;
        atomic_int failure; /* of the last try to open it */
};

struct roots {
        uint32_t refs;
        struct policy *policy;
        struct marks marks;
        struct root *buckets[BUCKETS];
};

/* ---- what is opened, on a worker ---------------------------------------------------------------- */

static void opened_free(struct opened *opened) {
        if (!opened)
                return;
        for (uint32_t i = 0; i < opened->n; i++)
                directory_close(&opened->directories[i]);
        directory_close(&opened->root);
        free(opened->directories);
        free(opened->ids);
        free(opened->fds);
        free(opened->marks);
        free(opened->specs);
        free(opened->gone_specs);
        free(opened->gone);
        free(opened->named);
        free(opened->named_ids);
        free(opened->named_denies);
        free(opened->above);
        free(opened);
}

static struct opened *opened_new(uint32_t n_max) {
        struct opened *opened = calloc(1, sizeof(*opened));

        if (!opened)
                return NULL;
        opened->root.fd = OS_FD_NONE;
        opened->directories = calloc(n_max + 1, sizeof(*opened->directories));
        opened->ids = calloc(n_max + 1, sizeof(*opened->ids));
        opened->fds = calloc(n_max + 1, sizeof(*opened->fds));
        opened->marks = calloc(n_max + 1, sizeof(*opened->marks));
        opened->specs = calloc(n_max + 1, sizeof(*opened->specs));
        opened->gone_specs = calloc(n_max + 1, sizeof(*opened->gone_specs));
        opened->gone = calloc(n_max + 1, sizeof(*opened->gone));
        opened->above = calloc(n_max + 1, sizeof(*opened->above));
        opened->named = calloc(n_max + 1, sizeof(*opened->named));
        opened->named_ids = calloc(n_max + 1, sizeof(*opened->named_ids));
        opened->named_denies = calloc(n_max + 1, sizeof(*opened->named_denies));
        if (!opened->marks || !opened->directories || !opened->ids || !opened->fds || !opened->specs ||
            !opened->gone_specs || !opened->gone || !opened->above || !opened->named || !opened->named_ids ||
            !opened->named_denies) {
                opened_free(opened);
                return NULL;
        }
        return opened;
}

static bool contains(const struct object_id *ids, uint32_t n_ids, uint64_t dev, uint64_t ino) {
        for (uint32_t i = 0; i < n_ids; i++)
                if (ids[i].ino == ino && ids[i].dev == dev)
                        return true;
        return false;
}

/* Whether ABOVE is DIRECTORY or lies above it; DEFAULT_ where that cannot be told. */
static bool lies_above(const struct directory *above, const struct directory *directory, bool default_) {
        struct object_id ids[ANCESTORS_MAX];
        int n = sys_ancestors(directory->fd, ids, ANCESTORS_MAX, SYS_CROSS_MOUNTS);

        return n < 0 ? default_ : contains(ids, (uint32_t)n, above->dev, above->ino);
}

enum relation { APART, BENEATH_ROOT, ABOVE_ROOT };

/* How a directory lies to the root. Where it cannot be told (the same tree may be mounted twice), as if it were
 * beneath: that only costs time. */
static enum relation relation_to_root(const struct directory *root, const struct directory *directory) {
        if (lies_above(directory, root, false))
                return ABOVE_ROOT;
        return lies_above(root, directory, true) || root->mnt_id != directory->mnt_id ? BENEATH_ROOT : APART;
}

static void hold(struct opened *opened, const struct spec *spec, const struct directory *directory,
                 const struct directory_mark *mark) {
        opened->directories[opened->n] = *directory;
        opened->marks[opened->n] = *mark;
        opened->ids[opened->n] = (struct object_id){directory->dev, directory->ino};
        opened->fds[opened->n] = directory->fd;
        opened->specs[opened->n++] = spec;
        if (!spec->deny)
                opened->n_always++;
}

/* What stood there and is elsewhere now. What cannot be found again is kept out by its numbers alone. */
static void hold_marked(struct opened *opened, const struct spec *spec) {
        for (uint32_t i = 0; i < spec->n_marks; i++) {
                const struct directory_mark *mark = &spec->marks[i];
                struct directory directory = {.fd = OS_FD_NONE, .dev = mark->dev, .ino = mark->ino};
                int code = directory_open_marked(&opened->root, mark, &directory);

                if (code == -FSOP_ESTALE) {
                        opened->gone_specs[opened->n_gone] = spec;
                        opened->gone[opened->n_gone++] = mark;
                } else if (contains(opened->ids, opened->n, mark->dev, mark->ino)) {
                        directory_close(&directory);
                } else {
                        hold(opened, spec, &directory, mark);
                }
        }
}

static void watch(struct opened *opened, const struct spec *spec, const struct directory *directory) {
        opened->named[opened->n_named] = spec->path;
        opened->named_denies[opened->n_named] = spec->deny;
        opened->named_ids[opened->n_named++] = (struct object_id){directory->dev, directory->ino};
}

/* Whether a path is, as text, beneath another. */
static bool is_text_beneath(const char *path, const char *above) {
        size_t n = strcmp(above, "/") == 0 ? 0 : strlen(above);

        return strncmp(path, above, n) == 0 && path[n] == '/';
}

static int open_spec(const struct root *root, struct opened *opened, const struct spec *spec) {
        struct directory directory = {.fd = OS_FD_NONE};
        struct directory_mark mark;
        int code = directory_open_any(spec->path, &directory);

        if (code == -FSOP_ENOENT || code == -FSOP_ENOTDIR) {
                opened->incomplete = true;
                if (is_text_beneath(spec->path, root->path))
                        watch(opened, spec, &(struct directory){0});
                return 0;
        }
        if (code < 0)
                return code;
        switch (relation_to_root(&opened->root, &directory)) {
        case BENEATH_ROOT:
                watch(opened, spec, &directory);
                directory_mark(spec->path, &directory, &mark);
                hold(opened, spec, &directory, &mark);
                return 0;
        case ABOVE_ROOT:
                if (spec->deny)
                        opened->above[opened->n_above++] = spec->deny;
                else
                        opened->forbidden = true;
                break;
        case APART:
                if (is_text_beneath(spec->path, root->path))
                        watch(opened, spec, &directory);
                break;
        }
        directory_close(&directory);
        return 0;
}

static int open_all(const struct root *root, struct opened *opened) {
        int code = directory_open(root->path, &opened->root);

        if (code < 0)
                opened->root.fd = OS_FD_NONE;
        for (uint32_t i = 0; i < root->n_specs && code == 0; i++) {
                code = open_spec(root, opened, &root->specs[i]);
                hold_marked(opened, &root->specs[i]);
        }
        opened->opened_ms = sys_monotonic_ms();
        return code;
}

static uint32_t count_to_hold(const struct root *root) {
        uint32_t n = root->n_specs;

        for (uint32_t i = 0; i < root->n_specs; i++)
                n += root->specs[i].n_marks;
        return n;
}

int root_open(struct root *root) {
        struct opened *opened, *nothing = NULL;
        int code;

        if (root_is_open(root))
                return 0;
        opened = opened_new(count_to_hold(root));
        if (!opened)
                return -FSOP_ENOMEM;
        identity_wear_service();
        code = open_all(root, opened);
        atomic_store(&root->failure, code);
        if (code < 0 || !atomic_compare_exchange_strong(&root->opened, &nothing, opened))
                opened_free(opened); /* failed, or another worker was faster */
        return root_is_open(root) ? 0 : code;
}

bool root_is_open(const struct root *root) {
        return atomic_load_explicit(&root->opened, memory_order_acquire) != NULL;
}

bool root_is_absent(const struct root *root) {
        int failure = atomic_load(&root->failure);

        return failure == -FSOP_ENOENT || failure == -FSOP_ENOTDIR;
}

bool root_is_stale(const struct root *root) {
        return root->stale;
}

bool root_holds(const struct root *root, const struct object_id *ancestors, uint32_t n_ancestors) {
        const struct opened *opened = atomic_load_explicit(&root->opened, memory_order_acquire);

        return opened && contains(ancestors, n_ancestors, opened->root.dev, opened->root.ino);
}

/* ---- the table ---------------------------------------------------------------------------------- */

int roots_new(const struct policy *policy, struct roots **ret_roots) {
        struct roots *roots = calloc(1, sizeof(*roots));

        *ret_roots = roots;
        if (!roots)
                return -FSOP_ENOMEM;
        roots->refs = 1;
        roots->policy = policy_ref((struct policy *)(uintptr_t)policy);
        return 0;
}

struct roots *roots_ref(struct roots *roots) {
        roots->refs++;
        return roots;
}

static struct root *root_free(struct root *root) {
        while (root->variants) {
                struct variant *next = root->variants->next;

                free(root->variants->ids);
                free(root->variants->fds);
                free(root->variants);
                root->variants = next;
        }
        while (root->given) {
                struct given *next = root->given->next;

                free(root->given);
                root->given = next;
        }
        for (uint32_t i = 0; i < root->n_specs; i++) {
                free(root->specs[i].path);
                free(root->specs[i].marks);
        }
        free(root->specs);
        free(root->path);
        opened_free(atomic_load(&root->opened));
        free(root);
        return NULL;
}

struct roots *roots_unref(struct roots *roots) {
        if (!roots || --roots->refs > 0)
                return NULL;
        for (uint32_t i = 0; i < BUCKETS; i++)
                while (roots->buckets[i]) {
                        struct root *root = roots->buckets[i];

                        roots->buckets[i] = root->next;
                        root_free(root);
                }
        marks_fini(&roots->marks);
        policy_unref(roots->policy);
        free(roots);
        return NULL;
}

/* Whose root it is: one for everyone, unless names are to be filled in anywhere. */
static uint32_t uid_of_root(const struct roots *roots, const struct rule *rule, uint32_t path_index,
                            const struct peer *peer) {
        bool per_user = rule->paths[path_index].per_user || roots->policy->any_deny_per_user;

        for (uint32_t i = 0; i < rule->n_excluded; i++)
                per_user |= rule->excluded[i].per_user;
        return per_user ? peer->uid : WIRE_NOBODY;
}

static struct root **find_slot(struct roots *roots, const struct rule *rule, uint32_t path_index, uint32_t uid) {
        uintptr_t hash = (uintptr_t)rule / sizeof(*rule) + path_index + uid;
        struct root **slot = &roots->buckets[hash % BUCKETS];

        while (*slot && ((*slot)->rule != rule || (*slot)->path_index != path_index || (*slot)->uid != uid))
                slot = &(*slot)->next;
        return slot;
}

struct root *roots_find(struct roots *roots, const struct rule *rule, uint32_t path_index, const struct peer *peer) {
        return *find_slot(roots, rule, path_index, uid_of_root(roots, rule, path_index, peer));
}

static char *expand(const struct policy *policy, const struct rule_path *path, const struct peer *peer, int *ret_code) {
        char buffer[WIRE_PATH_BYTES_MAX + 1], *text;
        size_t len = 0;

        *ret_code = rule_path_expand(policy, path, peer, buffer, &len);
        if (*ret_code < 0)
                return NULL;
        text = strdup(len ? buffer : "/");
        if (!text)
                *ret_code = -FSOP_ENOMEM;
        return text;
}

static int append_spec(struct root *root, char *path, const struct rule *deny, bool crowded) {
        struct spec *specs = path ? realloc(root->specs, (root->n_specs + 1) * sizeof(*specs)) : NULL;

        if (!specs) {
                free(path);
                return -FSOP_ENOMEM;
        }
        root->specs = specs;
        specs += root->n_specs++;
        *specs = (struct spec){.path = path, .deny = deny, .crowded = crowded};
        return marks_at(&root->roots->marks, path, &specs->marks, &specs->n_marks);
}

/* Of a path that is full, the directory above is kept out too: whoever could fill it may rename everything there. */
static int add_spec(struct root *root, const struct rule_path *path, const struct peer *peer, const struct rule *deny) {
        int code;
        char *text = expand(root->roots->policy, path, peer, &code);

        if (!text)
                return code;
        code = append_spec(root, text, deny, false);
        while (code == 0 && marks_are_full(&root->roots->marks, text) && strcmp(text, "/") != 0) {
                text = config_parent_of(text);
                code = append_spec(root, text, deny, true);
        }
        return code;
}

static int add_denies(struct root *root, const struct peer *peer) {
        const struct policy *policy = root->roots->policy;

        for (uint32_t i = 0; i < policy->n_rules; i++) {
                const struct rule *rule = policy->rules[i];

                for (uint32_t j = 0; rule->effect == EFFECT_DENY && j < rule->n_paths; j++) {
                        int code = add_spec(root, &rule->paths[j], peer, rule);

                        if (code < 0 &&
                            code != -FSOP_ENOENT) /* nobody's name: the text of every path meets that deny */
                                return code;
                }
        }
        return 0;
}

static int fill_root(struct root *root, const struct peer *peer) {
        const struct policy *policy = root->roots->policy;
        const struct rule *rule = root->rule;
        int code;

        root->path = expand(policy, &rule->paths[root->path_index], peer, &code);
        if (!root->path)
                return code;
        for (uint32_t i = 0; i < rule->n_excluded && code == 0; i++)
                code = add_spec(root, &rule->excluded[i], peer, NULL);
        for (uint32_t i = 0; i < policy->n_own && code == 0; i++)
                code = add_spec(root, &policy->own[i], peer, NULL);
        /* only rules that let something run as the service have use for the denies */
        if (code == 0 && rule->effect == EFFECT_ALLOW)
                code = add_denies(root, peer);
        return code;
}

static int root_new(struct roots *roots, const struct rule *rule, uint32_t path_index, uint32_t uid,
                    const struct peer *peer, struct root **ret_root) {
        struct root *root = calloc(1, sizeof(*root));
        int code;

        if (!root)
                return -FSOP_ENOMEM;
        root->roots = roots;
        root->rule = rule;
        root->path_index = path_index;
        root->uid = uid;
        code = fill_root(root, peer);
        if (code < 0)
                root = root_free(root);
        *ret_root = root;
        return code;
}

struct root *root_ref(struct root *root) {
        root->refs++;
        root->idle_since_ms = 0;
        roots_ref(root->roots);
        return root;
}

/* What a root that is given up kept out stays kept out. */
static void mark_excluded(struct marks *marks, const struct root *root) {
        const struct opened *opened = atomic_load_explicit(&root->opened, memory_order_acquire);

        for (uint32_t i = 0; opened && i < opened->n_gone; i++)
                marks_drop(marks, opened->gone_specs[i]->path, opened->gone[i]);
        for (uint32_t i = 0; opened && i < opened->n; i++)
                if (!marks_add(marks, opened->specs[i]->path, &opened->marks[i]))
                        log_line(LOG_LEVEL_WARNING,
                                 "policy: more than %u directories or files that stood at %s in turn are there still: "
                                 "rules that exclude or deny it "
                                 "refuse all that lies in the directory above, until it is no longer excluded or fsopd "
                                 "is started again",
                                 MARKS_PER_PATH_MAX, opened->specs[i]->path);
}

/* Takes a root out of the table. */
static void retire(struct roots *roots, struct root **slot) {
        struct root *root = *slot;

        mark_excluded(&roots->marks, root);
        *slot = root->next;
        root->next = NULL;
        root->stale = true;
        if (root->refs == 0)
                root_free(root);
}

static bool is_outdated(const struct root *root) {
        const struct opened *opened = atomic_load_explicit(&root->opened, memory_order_acquire);

        return opened && __atomic_load_n(&opened->outdated, __ATOMIC_RELAXED);
}

int root_acquire(struct roots *roots, const struct rule *rule, uint32_t path_index, const struct peer *peer,
                 struct root **ret_root) {
        uint32_t uid = uid_of_root(roots, rule, path_index, peer);
        struct root **slot = find_slot(roots, rule, path_index, uid);

        *ret_root = NULL;
        if (*slot && is_outdated(*slot)) {
                retire(roots, slot);
                slot = find_slot(roots, rule, path_index, uid);
        }
        if (!*slot) {
                int code = root_new(roots, rule, path_index, uid, peer, slot);

                if (code < 0)
                        return code;
        }
        *ret_root = root_ref(*slot);
        return 0;
}

int roots_acquire_all(struct roots *roots, struct root ***ret_list, uint32_t *ret_n) {
        const struct policy *policy = roots->policy;
        const struct peer everyone = {.pidfd = OS_FD_NONE};
        uint32_t n = 0;

        for (uint32_t i = 0; i < policy->n_rules; i++)
                n += policy->rules[i]->n_paths;
        *ret_n = 0;
        *ret_list = calloc(n + 1, sizeof(struct root *));
        if (!*ret_list)
                return -FSOP_ENOMEM;
        for (uint32_t i = 0; i < policy->n_rules; i++) {
                const struct rule *rule = policy->rules[i];

                for (uint32_t j = 0; rule->effect == EFFECT_ALLOW && j < rule->n_paths; j++)
                        if (uid_of_root(roots, rule, j, &everyone) == WIRE_NOBODY &&
                            root_acquire(roots, rule, j, &everyone, &(*ret_list)[*ret_n]) == 0)
                                ++*ret_n;
        }
        return 0;
}

void roots_inherit(struct roots *roots, const struct roots *before) {
        marks_add_all(&roots->marks, &before->marks);
        for (uint32_t i = 0; i < BUCKETS; i++)
                for (const struct root *root = before->buckets[i]; root; root = root->next)
                        mark_excluded(&roots->marks, root);
}

void root_release(struct root *root) {
        struct roots *roots = root->roots;

        if (--root->refs == 0 && root->stale)
                root_free(root);
        roots_unref(roots);
}

/* ---- guards ------------------------------------------------------------------------------------- */

/* Copies the exclusions that are picked to arrays of their own. */
static int variant_new(const struct opened *opened, const uint8_t *picked, struct variant **ret_variant) {
        uint32_t n_denies = opened->n - opened->n_always;
        struct variant *variant = calloc(1, sizeof(*variant) + n_denies);

        *ret_variant = variant;
        if (!variant)
                return -FSOP_ENOMEM;
        variant->ids = calloc(opened->n + 1, sizeof(*variant->ids));
        variant->fds = calloc(opened->n + 1, sizeof(*variant->fds));
        if (!variant->ids || !variant->fds) {
                free(variant->ids);
                free(variant->fds);
                free(variant);
                return -FSOP_ENOMEM;
        }
        memcpy(variant->picked, picked, n_denies);
        for (uint32_t i = 0; i < opened->n; i++)
                if (i < opened->n_always || variant->picked[i - opened->n_always]) {
                        variant->ids[variant->n] = opened->ids[i];
                        variant->fds[variant->n++] = opened->fds[i];
                }
        return 0;
}

/* The exclusions for this choice of denies; remembered, as guards borrow them. */
static int find_variant(struct root *root, const struct opened *opened, const uint8_t *picked, struct guard *guard) {
        uint32_t n_denies = opened->n - opened->n_always;
        struct variant *variant = root->variants;
        int code;

        while (variant && memcmp(variant->picked, picked, n_denies) != 0)
                variant = variant->next;
        if (!variant && root->n_variants == VARIANTS_MAX) {
                /* so many different choices are unheard of: all denies then, which refuses too much rather than too
                 * little */
                guard->excluded = opened->ids;
                guard->excluded_fds = opened->fds;
                guard->n_excluded = opened->n;
                return 0;
        }
        if (!variant) {
                code = variant_new(opened, picked, &variant);
                if (code < 0)
                        return code;
                variant->next = root->variants;
                root->variants = variant;
                root->n_variants++;
        }
        guard->excluded = variant->ids;
        guard->excluded_fds = variant->fds;
        guard->n_excluded = variant->n;
        return 0;
}

/* Whether a root's path with BELOW behind it is, as text, DIRECTORY or beneath it. */
static bool is_named_in(const struct root *root, struct bytes below, const char *directory) {
        size_t n_root = strcmp(root->path, "/") == 0 ? 0 : strlen(root->path), n = strlen(directory), rest;

        if (n <= n_root || strncmp(root->path, directory, n_root) != 0 || directory[n_root] != '/')
                return false;
        directory += n_root + 1;
        rest = n - n_root - 1;
        return below.len >= rest && memcmp(below.data, directory, rest) == 0 &&
               (below.len == rest || below.data[rest] == '/');
}

/* Whether a denied directory is to be kept out of this operation's way. */
static bool is_in_the_way(const struct root *root, const struct spec *spec, const struct peer *peer,
                          const struct operation *op, op_set permission, struct bytes below) {
        const struct rule *deny = spec->deny;

        if (rule_denies(deny, peer, op, permission) || rule_protects(deny, peer, op))
                return true;
        if (op->verb != FSOP_VERB_OPEN && op->verb != FSOP_VERB_OPEN_FD && op->verb != FSOP_VERB_OPENDIR)
                return false;
        /* a handle is judged by its name later; where it has none, every deny applies to it */
        return below.data && rule_has_subject(deny, peer) && (spec->crowded || !is_named_in(root, below, spec->path));
}

static int pick_excluded(struct root *root, const struct opened *opened, const struct peer *peer,
                         const struct operation *op, op_set permission, struct bytes below, struct guard *guard) {
        uint32_t n_denies = opened->n - opened->n_always, n_picked = 0;
        uint8_t *picked, few[64];
        int code = 0;

        guard->excluded = opened->ids;
        guard->excluded_fds = opened->fds;
        guard->n_excluded = opened->n_always;
        if (n_denies == 0)
                return 0;
        picked = n_denies <= sizeof(few) ? few : malloc(n_denies);
        if (!picked)
                return -FSOP_ENOMEM;
        for (uint32_t i = 0; i < n_denies; i++) {
                picked[i] = is_in_the_way(root, opened->specs[opened->n_always + i], peer, op, permission, below);
                n_picked += picked[i];
        }
        if (n_picked)
                code = find_variant(root, opened, picked, guard);
        if (picked != few)
                free(picked);
        return code;
}

/* How many names this operation may not give to anything. Where one deny is meant, all are. */
static uint32_t count_reserved(const struct opened *opened, const struct peer *peer, const struct operation *op,
                               op_set permission) {
        uint32_t n_always = 0;

        while (n_always < opened->n_named && !opened->named_denies[n_always])
                n_always++;
        for (uint32_t i = n_always; i < opened->n_named; i++)
                if (rule_denies(opened->named_denies[i], peer, op, permission) ||
                    rule_protects(opened->named_denies[i], peer, op))
                        return opened->n_named;
        return n_always;
}

/* The guard that was given out for the same before, or a new one. */
static int find_given(struct root *root, const struct guard *guard, const struct guard **ret_guard) {
        struct given **link = &root->given, *given;

        while (*link &&
               ((*link)->guard.caller_uid != guard->caller_uid || (*link)->guard.create_uid != guard->create_uid ||
                (*link)->guard.excluded != guard->excluded || (*link)->guard.n_excluded != guard->n_excluded ||
                (*link)->guard.n_reserved != guard->n_reserved))
                link = &(*link)->next;
        given = *link;
        if (given) {
                *link = given->next;
        } else {
                given = malloc(sizeof(*given));
                if (!given)
                        return -FSOP_ENOMEM;
                given->guard = *guard;
        }
        given->next = root->given;
        root->given = given;
        *ret_guard = &given->guard;
        return 0;
}

int root_guard(struct root *root, const struct peer *peer, const struct operation *op, op_set permission,
               struct bytes below, uint32_t create_uid, const struct guard **ret_guard) {
        const struct opened *opened = atomic_load_explicit(&root->opened, memory_order_acquire);
        const struct rule *rule = root->rule;
        struct guard guard;
        int code;

        if (!opened)
                return -FSOP_EAGAIN;
        if (opened->forbidden)
                return -FSOP_EPERM;
        for (uint32_t i = 0; i < opened->n_above; i++)
                if (rule_denies(opened->above[i], peer, op, permission))
                        return -FSOP_EPERM;
        guard = (struct guard){
                .root = &opened->root,
                .named = opened->named,
                .named_ids = opened->named_ids,
                .n_named = opened->n_named,
                .n_reserved = count_reserved(opened, peer, op, permission),
                .outdated = &((struct opened *)(uintptr_t)opened)->outdated,
                .one_filesystem = rule->one_filesystem,
                .links_any = rule->links_any,
                .set_id = rule->set_id,
                .foreign_parent = rule->foreign_parent,
                .owned_by_caller = rule->owned_by_caller,
                .caller_uid = peer->uid,
                .create_uid = create_uid,
                .service_uid = 0, /* only a daemon that is root has rules */
                .has_bytes_max = rule->has_bytes_max,
                .bytes_max = rule->bytes_max,
        };
        code = pick_excluded(root, opened, peer, op, permission, below, &guard);
        return code < 0 ? code : find_given(root, &guard, ret_guard);
}

/* ---- time passes -------------------------------------------------------------------------------- */

static bool is_out_of_date(const struct root *root, uint64_t now_ms, bool mounts_changed) {
        const struct opened *opened = atomic_load_explicit(&root->opened, memory_order_acquire);
        uint64_t age_ms = opened && now_ms > opened->opened_ms ? now_ms - opened->opened_ms : 0;

        if (mounts_changed || (root->refs == 0 && root->idle_since_ms && now_ms - root->idle_since_ms >= IDLE_MS))
                return true;
        return age_ms >= AGE_MS || (opened && opened->incomplete && age_ms >= INCOMPLETE_AGE_MS);
}

int roots_tick(struct roots *roots, uint64_t now_ms, bool mounts_changed) {
        int again = -1;

        for (uint32_t i = 0; i < BUCKETS; i++)
                for (struct root **slot = &roots->buckets[i]; *slot;) {
                        struct root *root = *slot;
                        const struct opened *opened = atomic_load_explicit(&root->opened, memory_order_acquire);

                        if (root->refs == 0 && root->idle_since_ms == 0)
                                root->idle_since_ms = now_ms ? now_ms : 1;
                        if (!is_out_of_date(root, now_ms, mounts_changed)) {
                                int wait = opened && opened->incomplete ? (int)INCOMPLETE_AGE_MS : (int)IDLE_MS / 3;

                                again = again < 0 || wait < again ? wait : again;
                                slot = &root->next;
                                continue;
                        }
                        retire(roots, slot);
                }
        return again;
}
