/* SPDX-License-Identifier: MIT */
/* filesfrom.c: reads the names of --files-from. */
#include "client/cli/filesfrom.h"

#include <stdlib.h>
#include <string.h>

#include "client/cli/batchfile.h"
#include "client/cli/terminal.h"

#define NAME_BYTES_MAX 4095u /* as PATH_MAX, without the NUL */

/* Copies the components that say something to OUT, with slashes between. Returns the length, or -1 at a "..". */
static long add_components(const char *record, size_t len, char *out) {
        size_t n = 0;
        for (size_t at = 0; at < len;) {
                const char *component = record + at, *slash = memchr(component, '/', len - at);
                size_t component_len = slash ? (size_t)(slash - component) : len - at;
                at += component_len + 1;
                if (component_len == 0 || (component_len == 1 && *component == '.'))
                        continue;
                if (component_len == 2 && memcmp(component, "..", 2) == 0)
                        return -1;
                if (n > 0)
                        out[n++] = '/';
                memcpy(out + n, component, component_len);
                n += component_len;
        }
        return (long)n;
}

static const char *refused(const char *record, size_t len) {
        if (len > NAME_BYTES_MAX)
                return "a name longer than 4095 bytes";
        if (len && memchr(record, 0, len))
                return "a name with a NUL in it; -0 reads names that end with NUL";
        if (len && *record == '/')
                return "an absolute path; names are relative to SRC";
        return NULL;
}

int filesfrom_add(struct filesfrom *files, const char *record, size_t len, const char **ret_why) {
        *ret_why = refused(record, len);
        if (*ret_why)
                return -1;
        char *name = cli_alloc(len + 1);
        long n = add_components(record, len, name);
        if (n <= 0) {
                free(name);
                *ret_why = "a name with \"..\" in it; names stay below SRC";
                return (int)n;
        }
        if (files->n == files->n_allocated) {
                files->n_allocated = files->n_allocated * 2 + 64;
                files->names = cli_realloc(files->names, files->n_allocated * sizeof(*files->names));
        }
        name[n] = 0;
        files->names[files->n++] = (struct fsop_bytes){name, (size_t)n};
        return 0;
}

int filesfrom_read(struct filesfrom *files, const char *path, bool nul, unsigned *ret_number, const char **ret_why) {
        struct batchfile *file = batchfile_open(path, nul);
        const char *record;
        unsigned number;
        size_t len;
        int r;
        *ret_number = 0;
        if (!file) {
                *ret_why = terminal_why();
                return -1;
        }
        while ((r = batchfile_next(file, &record, &len, &number, ret_why)) > 0) {
                *ret_number = number;
                r = filesfrom_add(files, record, len, ret_why);
                if (r < 0)
                        break;
        }
        if (r < 0 && *ret_number == 0)
                *ret_number = 1;
        batchfile_close(file);
        return r;
}

void filesfrom_free(struct filesfrom *files) {
        for (size_t i = 0; i < files->n; i++)
                free((void *)(uintptr_t)files->names[i].data);
        free(files->names);
        *files = (struct filesfrom){0};
}
