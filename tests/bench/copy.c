/* SPDX-License-Identifier: MIT */
/*
 * copy.c: copies by turns: a job of fsopd, cp, rsync. Everybody begins with the same on the disk and nothing left to be
 * written, ends when the copy is on the disk, and copies the same: that is looked at once, before anything counts.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/bench/bench.h"

#define OLDER_SECONDS 1500000000
#define NEWER_SECONDS 1600000000

static struct tree tree_of(const struct place *place, bool is_tree, bool older) {
        struct tree tree = {.least_bytes = place->quick ? (uint64_t)8 << 20 : (uint64_t)1 << 30,
                            .seed = older ? 1 : 2,
                            .seconds = older ? OLDER_SECONDS : NEWER_SECONDS,
                            .uid = place->client_uid,
                            .gid = place->client_gid};

        if (is_tree) {
                tree.directories = place->quick ? 10 : 200;
                tree.files = place->quick ? 20 : 100;
                tree.least_bytes = 4096;
                tree.most_bytes = 8192;
        }
        return tree;
}

char *copy_source(const struct place *place, const struct copying *copying) {
        return bench_format("%s/copies/%s", place->scratch, copying->is_tree ? "tree" : "big");
}

char *copy_target(const struct place *place) {
        return bench_format("%s/copies/target", place->scratch);
}

uint32_t copy_files(const struct place *place, const struct copying *copying) {
        struct tree tree = tree_of(place, copying->is_tree, false);

        return tree_files(&tree);
}

/* ---- before and after ---- */

/* What is copied is made when it is first needed: then it is warm. */
static int prepare_source(struct place *place, const struct copying *copying, const char *path) {
        struct tree tree = tree_of(place, copying->is_tree, false);

        if (access(path, F_OK) == 0)
                return 0;
        return tree_make(&tree, path);
}

/* Nobody pays for what others have left to be written, or for making what is overwritten. */
static int prepare(struct place *place, const struct copying *copying, const char *source, const char *target) {
        struct tree older = tree_of(place, copying->is_tree, true);

        if (prepare_source(place, copying, source) < 0 || tree_remove(target) < 0)
                return -1;
        if (copying->onto == ONTO_OLDER && tree_make(&older, target) < 0)
                return -1;
        if (copying->onto == ONTO_EMPTY && (mkdir(target, 0755) < 0 || chown(target, older.uid, older.gid) < 0)) {
                fprintf(stderr, "fsop-bench: %s: %s\n", target, strerror(errno));
                return -1;
        }
        sync();
        return bench_stop ? -1 : 0;
}

/* ---- the others ---- */

static int run_cp(const struct copying *copying, const char *source, const char *target) {
        const char *reflink = copying->clone == FSOP_CLONE_NEVER ? "--reflink=never" : "--reflink=auto";
        char *from = bench_format("%s%s", source, copying->onto != ONTO_NOTHING ? "/." : "");
        char *to = bench_format("%s%s", target, copying->onto != ONTO_NOTHING ? "/" : "");
        const char *argv[] = {"cp", "-a", reflink, from, to, NULL};
        int ret = process_run(argv);

        free(from);
        free(to);
        return ret;
}

static int run_rsync(const char *source, const char *target) {
        char *from = bench_format("%s/", source), *to = bench_format("%s/", target);
        const char *argv[] = {"rsync", "-a", from, to, NULL};
        int ret = process_run(argv);

        free(from);
        free(to);
        return ret;
}

static double run_other(enum side side, const struct copying *copying, const char *source, const char *target) {
        const char *flushing[] = {"sync", "-f", target, NULL};
        uint64_t begin = bench_now_ns();
        int ret = side == SIDE_CP ? run_cp(copying, source, target) : run_rsync(source, target);

        if (ret == 0)
                ret = process_run(flushing);
        return ret < 0 ? -1 : (double)(bench_now_ns() - begin);
}

double copy_do(struct bench *bench, const struct copying *copying, enum side side, bool check) {
        char *source = copy_source(&bench->place, copying), *target = copy_target(&bench->place);
        double ns = -1;

        if (prepare(&bench->place, copying, source, target) == 0)
                ns = side == SIDE_OURS ? worker_copy(&bench->worker, copying)
                                       : run_other(side, copying, source, target);
        if (ns >= 0 && check && tree_compare(source, target) < 0)
                ns = -1;
        if (bench_stop)
                ns = -1;
        free(source);
        free(target);
        return ns;
}
