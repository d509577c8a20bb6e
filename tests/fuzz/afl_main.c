/* SPDX-License-Identifier: MIT */
/*
 * afl_main.c: the main of an entry point without libFuzzer. Built by afl-clang-fast it is AFL++'s target in persistent
 * mode. Given files and directories it replays those, in any build, and holds y_* and n_* to their verdict. Otherwise
 * it reads one input from standard input.
 */
#include "tests/fuzz/fuzz.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define FILE_BYTES_MAX (1u << 20)

static unsigned n_replayed, n_wrong;

static void replay_file(const char *path) {
        static uint8_t data[FILE_BYTES_MAX + 1];
        const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
        FILE *file = fopen(path, "rb");
        size_t len = file ? fread(data, 1, sizeof(data), file) : 0;
        uint8_t *exact;

        if (!file || ferror(file) || len > FILE_BYTES_MAX) {
                fprintf(stderr, "%s cannot be read\n", path);
                n_wrong++;
        }
        if (file)
                fclose(file);
        exact = malloc(len ? len : 1); /* so that a sanitizer sees what is read behind the end */
        must(exact);
        memcpy(exact, data, len);
        LLVMFuzzerTestOneInput(exact, len);
        free(exact);
        n_replayed++;
        if ((strncmp(name, "y_", 2) == 0 && !fuzz_accepted) || (strncmp(name, "n_", 2) == 0 && fuzz_accepted)) {
                fprintf(stderr, "%s: it was %s\n", path, fuzz_accepted ? "accepted" : "refused");
                n_wrong++;
        }
}

static void replay(const char *path) {
        DIR *dir = opendir(path);
        struct dirent *entry;
        char below[4096];

        if (!dir) {
                replay_file(path);
                return;
        }
        while ((entry = readdir(dir))) {
                if (entry->d_name[0] == '.')
                        continue;
                must(snprintf(below, sizeof(below), "%s/%s", path, entry->d_name) < (int)sizeof(below));
                replay_file(below);
        }
        closedir(dir);
}

#ifdef __AFL_FUZZ_TESTCASE_LEN
__AFL_FUZZ_INIT();

static void one_or_many(void) {
        __AFL_INIT();
        const uint8_t *data = __AFL_FUZZ_TESTCASE_BUF;
        while (__AFL_LOOP(100000))
                LLVMFuzzerTestOneInput(data, (size_t)__AFL_FUZZ_TESTCASE_LEN);
}
#else
static void one_or_many(void) {
        static uint8_t data[FILE_BYTES_MAX];

        LLVMFuzzerTestOneInput(data, fread(data, 1, sizeof(data), stdin));
}
#endif

int main(int argc, char **argv) {
        if (argc < 2) {
                one_or_many();
                return EXIT_SUCCESS;
        }
        for (int i = 1; i < argc; i++)
                replay(argv[i]);
        printf("%u replayed, %u wrong\n", n_replayed, n_wrong);
        return n_wrong == 0 && n_replayed > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
