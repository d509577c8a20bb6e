/* SPDX-License-Identifier: MIT */
/*
 * fail_alloc.h: memory that runs out when the test says. For programs linked with --wrap for these functions (tests/CMakeLists.txt),
 * which takes in the project's own allocations, and leaves those of libraries alone.
 */
#ifndef FSOP_FAIL_ALLOC_H
#define FSOP_FAIL_ALLOC_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

static unsigned alloc_calls, alloc_fail_at; /* the alloc_fail_at-th from alloc_fail() on fails; 0: none */
static const unsigned *alloc_spared;        /* while this is not 0, calls are not counted */

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *memory, size_t size);
char *__wrap_strdup(const char *text);
char *__wrap_strndup(const char *text, size_t len_max);

static void alloc_fail(unsigned at) {
        alloc_calls = 0;
        alloc_fail_at = at;
}

static bool alloc_fails(void) {
        return alloc_fail_at > 0 && (!alloc_spared || *alloc_spared == 0) && ++alloc_calls == alloc_fail_at;
}

void *__wrap_malloc(size_t size) {
        return alloc_fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size) {
        return alloc_fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *memory, size_t size) {
        return alloc_fails() ? NULL : __real_realloc(memory, size);
}

char *__wrap_strndup(const char *text, size_t len_max) {
        size_t len = strnlen(text, len_max);
        char *copy = alloc_fails() ? NULL : __real_malloc(len + 1);

        if (copy) {
                memcpy(copy, text, len);
                copy[len] = 0;
        }
        return copy;
}

char *__wrap_strdup(const char *text) {
        return __wrap_strndup(text, strlen(text));
}

#endif
