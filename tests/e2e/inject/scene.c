/* SPDX-License-Identifier: MIT */
/*
 * scene.c: the files that the deeds are done to, made anew before each round.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "tests/e2e/inject/inject.h"

#define PATH_BYTES 512

const char *path_of(const char *below) {
        static char paths[4][PATH_BYTES];
        static unsigned next;
        char *path = paths[next++ % 4];

        snprintf(path, PATH_BYTES, "%s/%s", inject.directory, below);
        return path;
}

static void make_file(const char *below, mode_t mode, const char *text, uid_t uid) {
        int fd = open(path_of(below), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

        if (fd < 0 || write(fd, text, strlen(text)) < 0 || fchown(fd, uid, uid) < 0 || fchmod(fd, mode) < 0) {
                printf("FAIL: %s: %s\n", below, strerror(errno));
                exit(1);
        }
        close(fd);
}

static void make_directory(const char *below, mode_t mode, uid_t uid) {
        if (mkdir(path_of(below), mode) < 0 || chown(path_of(below), uid, uid) < 0) {
                printf("FAIL: %s: %s\n", below, strerror(errno));
                exit(1);
        }
}

/* A job that the daemon took up again may still be at work in it. */
static void empty(const char *below) {
        char line[PATH_BYTES + 32];
        unsigned began = now_ms();

        snprintf(line, sizeof(line), "rm -rf '%s' 2>/dev/null", path_of(below));
        do {
                if (system(line) == 0)
                        return;
                pause_ms(20);
        } while (now_ms() - began < PATIENCE_MS);
        complain("%s cannot be removed", below);
}

void scene_prepare(void) {
        empty("tree/w");
        empty("mine/w");
        make_directory("tree/w", 0755, 0);
        make_file("tree/w/own", 0644, "x", 0);
        make_directory("tree/w/walk", 0755, 0);
        make_file("tree/w/walk/a", 0644, "x", 0);
        make_file("tree/w/mode", 0600, "x", 0);
        make_file("tree/w/size", 0600, "x", 0);
        make_file("tree/w/room", 0600, "x", 0);
        make_file("tree/w/xattr", 0600, "x", 0);
        setxattr(path_of("tree/w/xattr"), "user.given", "x", 1, 0);
        make_file("tree/w/from", 0600, "x", 0);
        make_file("tree/w/text", 0644, TREE_FILE, 0);
        make_file("tree/w/gone", 0644, "x", 0);
        make_directory("tree/w/gone-d", 0755, 0);
        make_file("tree/w/gone-d/a", 0644, "x", 0);
        if (symlink("own", path_of("tree/w/link")) < 0)
                complain("tree/w/link: %s", strerror(errno));
        make_directory("tree/w/source", 0755, inject.client_uid);
        make_file("tree/w/source/a", 0644, TREE_FILE, inject.client_uid);
        make_directory("tree/w/source/d", 0755, inject.client_uid);
        make_file("tree/w/source/d/b", 0644, TREE_FILE, inject.client_uid);
        make_directory("mine/w", 0755, inject.client_uid);
        make_file("mine/w/mode", 0600, "x", inject.client_uid);
        make_file("mine/w/from", 0600, "x", inject.client_uid);
        make_file("mine/w/gone", 0600, "x", inject.client_uid);
        make_file("mine/w/text", 0644, TREE_FILE, inject.client_uid);
        rmdir(path_of("others/new-d"));
        rmdir(path_of("tree/new-d"));
}
