/* SPDX-License-Identifier: MIT */
/*
 * copy_kit.h: a copy of one source, done by one thread in the plainest order, for tests of the copying backend; and the
 * comparison of what came out. Paths are the scene's.
 */
#ifndef FSOP_COPY_KIT_H
#define FSOP_COPY_KIT_H

#include "backends/copy.h"
#include "tests/support/scene.h"

#define COPY_FAILURES_MAX 16u

struct copy_job {
        struct copy_options options; /* everything preserved, recursive, umask 022; a test changes it */
        struct copy_tree tree;
        struct copy_error error; /* of what failed as a whole */
        struct {
                char path[300];
                struct copy_error error;
        } failures[COPY_FAILURES_MAX];
        uint32_t n_failures;
        uint32_t copied, skipped, linked, large;
        uint64_t bytes, cloned_bytes;
        /* Called before the files of a directory are copied, and before they are published. */
        void (*before)(struct copy_job *job, struct copy_dir *dir);
        void (*between)(struct copy_job *job, struct copy_dir *dir);
        uint32_t batch; /* files of one call; 0: as many as were listed */
        struct place from, to;
        char leaf[300];
        struct first_link *links;
};

/* As root with all rights. */
struct copy_job *copy_job_new(const char *from, const char *to);
void copy_job_as(struct copy_job *job, struct identity *identity);
/* With the scene's rule, which both ends must lie under (tree/...): made by WRITER (NULL: the service). */
void copy_job_elevate(struct copy_job *job, struct identity *writer);
/* The same from tree/src to tree/dst, as the service, with permits that ask copy_rule, which allows everything until a
 * test says other. */
struct copy_job *copy_job_elevated(void);
struct copy_rule {
        unsigned asked_owner, asked_xattr, asked_node;
        const char *no_owner, *no_xattr, *no_node; /* why it is denied; NULL: it is not */
        const char *of_path;                       /* … for this one alone; NULL: for all */
};
extern struct copy_rule copy_rule;
int copy_job_open(struct copy_job *job);
/* After copy_job_open: all of it, published. 0, or the code of what failed as a whole; files that failed are in
 * failures. */
int copy_job_fill(struct copy_job *job);
/* Both. */
int copy_job_run(struct copy_job *job);
void copy_job_free(struct copy_job *job);
/* The code that a path below the top failed with; 0: it did not. */
int copy_job_failure(const struct copy_job *job, const char *path);

/* tree/src: of everything that can be copied, one. */
void copy_build_source(void);

/* Fails the test where something failed, or a temporary name is left. */
void copy_expect_clean(const struct copy_job *job);
/* Fails the test where TO is not what FROM is, in everything that is preserved. */
void copy_expect_same(const char *from, const char *to);
/* How many names below a path begin with ".fsop-". */
unsigned copy_count_temporaries(const char *path);

#endif
