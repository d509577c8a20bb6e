/* SPDX-License-Identifier: MIT */
/*
 * peep: reads a name again and again while it is being replaced, until TERM: every time it must be one of two files,
 * whole.
 *
 *      peep NAME THIS THAT        says "this" and "that" when it is seen first; at its end how often it was
 *                                 which, and how often there was none; 1: it was something else
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct content {
        char *data;
        size_t len;
};

static volatile sig_atomic_t told_to_end;

static void on_term(int signal) {
        (void)signal;
        told_to_end = 1;
}

/* Everything that the file holds from its opening on; len (size_t)-1: there is none. */
static void take(const char *path, struct content *content, size_t max) {
        int fd = open(path, O_RDONLY | O_NOFOLLOW);
        ssize_t n;

        content->len = (size_t)-1;
        if (fd < 0 && errno == ENOENT)
                return;
        if (fd < 0) {
                perror(path);
                exit(2);
        }
        content->len = 0;
        while (content->len < max && (n = read(fd, content->data + content->len, max - content->len)) > 0)
                content->len += (size_t)n;
        close(fd);
}

static struct content whole(const char *path) {
        struct content content;
        struct stat st;

        if (stat(path, &st) < 0 || !(content.data = malloc((size_t)st.st_size + 1))) {
                perror(path);
                exit(2);
        }
        take(path, &content, (size_t)st.st_size + 1);
        return content;
}

static void count(unsigned long *n, const char *name) {
        if ((*n)++ == 0) {
                printf("%s\n", name);
                fflush(stdout);
        }
}

static int same(const struct content *a, const struct content *b) {
        return a->len == b->len && memcmp(a->data, b->data, a->len) == 0;
}

int main(int argc, char **argv) {
        struct content this, that, seen;
        unsigned long n_this = 0, n_that = 0, n_none = 0;
        struct sigaction action = {.sa_handler = on_term};
        size_t max;

        if (argc != 4)
                return 2;
        sigaction(SIGTERM, &action, NULL);
        this = whole(argv[2]);
        that = whole(argv[3]);
        max = (this.len > that.len ? this.len : that.len) + 1;
        seen.data = malloc(max);
        while (seen.data && !told_to_end) {
                take(argv[1], &seen, max);
                if (seen.len == (size_t)-1) {
                        n_none++;
                } else if (same(&seen, &this)) {
                        count(&n_this, "this");
                } else if (same(&seen, &that)) {
                        count(&n_that, "that");
                } else {
                        printf("%s: %zu bytes that are neither\n", argv[1], seen.len);
                        return 1;
                }
        }
        free(seen.data);
        free(this.data);
        free(that.data);
        printf("this %lu that %lu none %lu\n", n_this, n_that, n_none);
        return 0;
}
