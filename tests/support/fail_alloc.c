/* SPDX-License-Identifier: MIT */
/* fail_alloc.c: stands in front of the allocator, by --wrap. */
#include "tests/support/fail_alloc.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

unsigned alloc_calls;
const unsigned *alloc_spared;
static unsigned fail_at;

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *memory, size_t size);
char *__wrap_strdup(const char *text);
char *__wrap_strndup(const char *text, size_t len_max);

void alloc_fail(unsigned at) {
        alloc_calls = 0;
        fail_at = at;
}

static bool fails(void) {
        return fail_at > 0 && (!alloc_spared || *alloc_spared == 0) && ++alloc_calls == fail_at;
}

void *__wrap_malloc(size_t size) {
        return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size) {
        return fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *memory, size_t size) {
        return fails() ? NULL : __real_realloc(memory, size);
}

char *__wrap_strndup(const char *text, size_t len_max) {
        size_t len = strnlen(text, len_max);
        char *copy = fails() ? NULL : __real_malloc(len + 1);

        if (copy) {
                memcpy(copy, text, len);
                copy[len] = 0;
        }
        return copy;
}

char *__wrap_strdup(const char *text) {
        return __wrap_strndup(text, strlen(text));
}
