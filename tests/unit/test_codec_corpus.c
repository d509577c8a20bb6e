/* SPDX-License-Identifier: MIT */
/*
 * test_codec_corpus.c: the messages in tests/fuzz/corpus/codec, whose names give the verdict: y_SIDE-WHAT is decoded,
 * n_SIDE-ERROR-WHAT is refused with the error of that name; the side is request or reply, which a first byte of 0 or 1
 * says to fuzz_codec, too. They are version 1 as it was when they were written, so what is decoded there must stay so.
 * Fuzzers begin from them. --write DIRECTORY writes the samples of today.
 */
#include <check.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/codec.h"
#include "proto/names.h"
#include "tests/support/codec_samples.h"
#include "tests/support/suite.h"

#define FILE_BYTES_MAX 8192u /* longer samples teach a fuzzer nothing */

static char directory[3072];

/* The message in memory of exactly its size. */
static struct bytes read_file(const char *name, bool request) {
        static uint8_t data[FILE_BYTES_MAX + 1];
        char path[4096];
        snprintf(path, sizeof(path), "%s/%s", directory, name);
        FILE *file = fopen(path, "rb");
        ck_assert_msg(file, "%s cannot be opened", path);
        size_t len = fread(data, 1, sizeof(data), file);
        fclose(file);
        ck_assert_msg(len <= FILE_BYTES_MAX, "%s is too long", path);
        ck_assert_msg(len > 0 && data[0] == !request, "%s: its first byte says the other side", path);
        uint8_t *copy = malloc(len);
        memcpy(copy, data + 1, len - 1);
        return (struct bytes){.data = copy, .len = len - 1};
}

static const char *verdict_on(struct bytes body, bool request) {
        const struct codec_limits limits = {.batch_ops_max = WIRE_BATCH_OPS_MAX, .fds = SAMPLE_FDS};
        struct arena arena;
        struct message message;
        struct error error;
        arena_init(&arena, 4u << 20);
        int r = request ? codec_decode_request(&arena, body, &limits, &message, &error)
                        : codec_decode_reply(&arena, body, SAMPLE_FDS, &message, &error);
        arena_fini(&arena);
        return r == 0 ? "ok" : error_name(-r);
}

static void check_file(const char *name) {
        bool good = strncmp(name, "y_", 2) == 0, request = strncmp(name + 2, "request-", 8) == 0;
        ck_assert_msg(good || strncmp(name, "n_", 2) == 0, "%s: what is to become of it?", name);
        ck_assert_msg(request || strncmp(name + 2, "reply-", 6) == 0, "%s: of which side?", name);
        const char *wanted = good ? "ok" : strchr(name, '-') + 1;
        size_t len = strcspn(wanted, "-");
        struct bytes body = read_file(name, request);
        const char *verdict = verdict_on(body, request);
        ck_assert_msg(verdict && strlen(verdict) == len && memcmp(verdict, wanted, len) == 0, "%s: %s", name,
                      verdict ? verdict : "nothing");
        free((void *)(uintptr_t)body.data);
}

START_TEST(names_give_the_verdict) {
        DIR *dir = opendir(directory);
        struct dirent *entry;
        unsigned ok = 0, refused = 0;
        ck_assert_msg(dir, "%s cannot be read", directory);
        while ((entry = readdir(dir))) {
                if (entry->d_name[0] == '.')
                        continue;
                check_file(entry->d_name);
                if (entry->d_name[0] == 'y')
                        ok++;
                else
                        refused++;
        }
        closedir(dir);
        ck_assert_uint_ge(ok, 80);
        ck_assert_uint_ge(refused, 80);
}
END_TEST

/* ---- writing ----------------------------------------------------------------------------------------------------- */

static int write_sample(const char *side, uint32_t i, const char *what, struct bytes bytes) {
        char path[4096];
        int r = 0;
        snprintf(path, sizeof(path), "%s/y_%s-%02u-%s", directory, side, i, what);
        if (bytes.len < FILE_BYTES_MAX) {
                FILE *file = fopen(path, "wb");
                r = file && fputc(strcmp(side, "reply") == 0 ? 1 : 0, file) != EOF &&
                                    fwrite(bytes.data, 1, bytes.len, file) == bytes.len
                            ? 0
                            : -1;
                if (file && fclose(file) != 0)
                        r = -1;
        }
        if (r < 0)
                perror(path);
        sample_free(bytes);
        return r;
}

static int write_corpus(void) {
        uint32_t n_ops, n_results;
        const struct operation *ops = sample_operations(&n_ops);
        const struct result *results = sample_results(&n_results);
        struct message hello = {.kind = MESSAGE_HELLO, .body.hello = sample_hello()};
        struct message cancel = {.kind = MESSAGE_CANCEL, .body.cancel_id = 7};
        struct message welcome = {.kind = MESSAGE_WELCOME, .body.welcome = sample_welcome()};
        struct message failure = {.kind = MESSAGE_FAILURE, .body.failure = sample_error()};
        int r = write_sample("request", n_ops, "Hello", sample_encode(&hello));
        r |= write_sample("request", n_ops + 1, "Cancel", sample_encode(&cancel));
        r |= write_sample("reply", n_results, "Welcome", sample_encode(&welcome));
        r |= write_sample("reply", n_results + 1, "Failure", sample_encode(&failure));
        for (uint32_t i = 0; i < n_ops; i++)
                r |= write_sample("request", i, verb_name(ops[i].verb), sample_encode_operation(&ops[i]));
        for (uint32_t i = 0; i < n_results; i++)
                r |= write_sample("reply", i, verb_name(results[i].verb), sample_encode_result(&results[i]));
        return r == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char **argv) {
        const char *source = getenv("FSOP_SOURCE_DIR");
        if (argc == 3 && strcmp(argv[1], "--write") == 0) {
                snprintf(directory, sizeof(directory), "%s", argv[2]);
                return write_corpus();
        }
        snprintf(directory, sizeof(directory), "%s/tests/fuzz/corpus/codec", source ? source : ".");
        Suite *suite = suite_create("codec_corpus");
        TCase *tcase = tcase_create("corpus");
        tcase_add_test(tcase, names_give_the_verdict);
        suite_add_tcase(suite, tcase);
        return suite_run(suite);
}
