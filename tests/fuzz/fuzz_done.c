/* SPDX-License-Identifier: MIT */
/*
 * fuzz_done.c: whatever the store gives back as files that are done, reading it ends in entries or in an error; and
 * entries that were read are written and read again as they were.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/done.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds) {
        if (!holds)
                abort();
}

struct copying {
        struct done_writer writer;
        struct done_set *set;
};

static int copy_entry(void *context, const struct done_entry *entry) {
        struct copying *copying = context;

        must(entry->path.len <= WIRE_PATH_BYTES_MAX && entry->path.data[entry->path.len] == 0);
        must(done_write(&copying->writer, entry) == 0);
        must(done_set_add(copying->set, entry) == 0);
        must(done_set_has(copying->set, entry->path));
        must(!entry->linked || entry->id.ino == 0 || done_set_link(copying->set, entry->id));
        return 0;
}

static struct bytes written(const struct done_writer *writer) {
        return (struct bytes){writer->data.data ? writer->data.data + writer->data.start : NULL,
                              buffer_len(&writer->data)};
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        struct copying first = {0}, second = {0};
        int code;

        must(done_set_new(&first.set) == 0 && done_set_new(&second.set) == 0);
        code = done_read((struct bytes){data, size}, copy_entry, &first);
        must(code == 0 || code == -FSOP_EIO);
        must(done_read(written(&first.writer), copy_entry, &second) == 0);
        must(buffer_len(&first.writer.data) == buffer_len(&second.writer.data));
        if (buffer_len(&first.writer.data) > 0)
                must(memcmp(written(&first.writer).data, written(&second.writer).data,
                            buffer_len(&first.writer.data)) == 0);
        done_writer_fini(&first.writer);
        done_writer_fini(&second.writer);
        done_set_free(first.set);
        done_set_free(second.set);
        return 0;
}
