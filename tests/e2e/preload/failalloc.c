/* SPDX-License-Identifier: MIT */
/*
 * failalloc: loaded into a program with LD_PRELOAD, lets the FAIL_ALLOC_ATth allocation fail, and writes to the
 * descriptor FAIL_ALLOC_FD, if there is one, whether there were so many. Those that the C library makes for itself do
 * not count: it does not survive all of theirs (getpwnam looks at what it could not allocate).
 */
#include <errno.h>
#include <link.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *memory, size_t size);

static unsigned long calls, fail_at;
static uintptr_t libc_from, libc_to;

static int find_libc(struct dl_phdr_info *info, size_t size, void *nothing) {
        (void)size, (void)nothing;
        if (!strstr(info->dlpi_name, "/libc.so"))
                return 0;
        libc_from = info->dlpi_addr;
        for (unsigned i = 0; i < info->dlpi_phnum; i++)
                if (info->dlpi_phdr[i].p_type == PT_LOAD)
                        libc_to = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr + info->dlpi_phdr[i].p_memsz;
        return 1;
}

__attribute__((constructor)) static void begin(void) {
        const char *at = getenv("FAIL_ALLOC_AT");

        dl_iterate_phdr(find_libc, NULL);
        fail_at = at ? strtoul(at, NULL, 10) : 0;
}

__attribute__((destructor)) static void end(void) {
        const char *fd = getenv("FAIL_ALLOC_FD");
        ssize_t n = fd && fail_at > 0 ? write(atoi(fd), calls >= fail_at ? "y" : "n", 1) : 0;

        (void)n;
}

/* For a debugger to stop at. */
__attribute__((noinline)) static bool alloc_failed_here(void) {
        errno = ENOMEM;
        return true;
}

static bool fails(const void *caller) {
        if (fail_at == 0 || ((uintptr_t)caller >= libc_from && (uintptr_t)caller < libc_to))
                return false;
        return ++calls == fail_at && alloc_failed_here();
}

/* NOLINTBEGIN(readability-inconsistent-declaration-parameter-name): libc's own names are reserved */
__attribute__((visibility("default"))) void *malloc(size_t size) {
        return fails(__builtin_return_address(0)) ? NULL : __libc_malloc(size);
}

__attribute__((visibility("default"))) void *calloc(size_t count, size_t size) {
        return fails(__builtin_return_address(0)) ? NULL : __libc_calloc(count, size);
}

__attribute__((visibility("default"))) void *realloc(void *memory, size_t size) {
        return fails(__builtin_return_address(0)) ? NULL : __libc_realloc(memory, size);
}
/* NOLINTEND(readability-inconsistent-declaration-parameter-name) */
