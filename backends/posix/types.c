/* SPDX-License-Identifier: MIT */
/*
 * types.c: file types in a mode.
 */
#include <sys/stat.h>

#include "backends/posix/posix.h"

static const struct {
        uint32_t mode;
        enum fsop_file_type type;
} types[] = {
        {S_IFREG, FSOP_TYPE_REGULAR}, {S_IFDIR, FSOP_TYPE_DIRECTORY}, {S_IFLNK, FSOP_TYPE_SYMLINK},
        {S_IFCHR, FSOP_TYPE_CHAR},    {S_IFBLK, FSOP_TYPE_BLOCK},     {S_IFIFO, FSOP_TYPE_FIFO},
        {S_IFSOCK, FSOP_TYPE_SOCKET},
};

enum fsop_file_type posix_file_type(uint32_t mode) {
        for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
                if (types[i].mode == (mode & S_IFMT))
                        return types[i].type;
        return FSOP_TYPE_UNKNOWN;
}

uint32_t posix_file_mode(enum fsop_file_type type) {
        for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
                if (types[i].type == type)
                        return types[i].mode;
        return 0;
}
